#pragma once
// The only list of keys: name, member, meaning, range. Reading, checking, printing and the reference page
// walk it.
#include <array>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mesolith/config/config.hpp"

namespace mesolith {

/// What is said and checked about a key: About("meaning").above(0).
struct About {
    std::string_view meaning;
    double lowest = -std::numeric_limits<double>::infinity(); // of a number, or of every number of a list
    double highest = std::numeric_limits<double>::infinity();
    bool lowest_excluded = false;
    bool must_be_filled = false; // a text or list that must not be empty
    std::string_view unset;      // what happens without a value, for keys without a default
    const std::vector<std::string>* allowed = nullptr; // of a text

    explicit About(std::string_view text) : meaning(text) {}
    About at_least(double x) && { return lowest = x, *this; }
    About above(double x) && { return lowest = x, lowest_excluded = true, *this; }
    About at_most(double x) && { return highest = x, *this; }
    About filled() && { return must_be_filled = true, *this; }
    About when_unset(std::string_view text) && { return unset = text, *this; }
    About choices(const std::vector<std::string>* list) && { return allowed = list, *this; }
};

// Names of enum values, in the order of their numbers.
inline std::span<const std::string_view> names_of(Drift) {
    static constexpr std::array<std::string_view, 3> names{"framework", "com", "none"};
    return names;
}
inline std::span<const std::string_view> names_of(WrappingOption) {
    static constexpr std::array<std::string_view, 3> names{"auto", "wrapped", "unwrapped"};
    return names;
}
inline std::span<const std::string_view> names_of(SiteSource) {
    static constexpr std::array<std::string_view, 3> names{"structure", "averaged", "density"};
    return names;
}
inline std::span<const std::string_view> names_of(Folding) {
    static constexpr std::array<std::string_view, 3> names{"primitive", "structure", "none"};
    return names;
}
inline std::span<const std::string_view> names_of(Assignment) {
    static constexpr std::array<std::string_view, 3> names{"nearest", "core", "watershed"};
    return names;
}
inline std::span<const std::string_view> names_of(Estimator) {
    static constexpr std::array<std::string_view, 4> names{"auto", "non_reversible", "symmetrised",
                                                           "reversible"};
    return names;
}
inline std::span<const std::string_view> names_of(Pooling) {
    static constexpr std::array<std::string_view, 3> names{"none", "translations", "space_group"};
    return names;
}
inline std::span<const std::string_view> names_of(LengthUnit) {
    static constexpr std::array<std::string_view, 3> names{"cells", "nm", "um"};
    return names;
}
inline std::span<const std::string_view> names_of(FaceKind) {
    static constexpr std::array<std::string_view, 4> names{"periodic", "reflecting", "absorbing",
                                                           "reservoir"};
    return names;
}
inline std::span<const std::string_view> names_of(Occupancy) {
    static constexpr std::array<std::string_view, 2> names{"tracer", "exclusion"};
    return names;
}
inline std::span<const std::string_view> names_of(RegionShape) {
    static constexpr std::array<std::string_view, 6> names{"box",    "sphere", "cylinder",
                                                           "layers", "grains", "voxels"};
    return names;
}
inline std::span<const std::string_view> names_of(LatticeAxis) {
    static constexpr std::array<std::string_view, 3> names{"a", "b", "c"};
    return names;
}
inline std::span<const std::string_view> names_of(OutputSchedule) {
    static constexpr std::array<std::string_view, 3> names{"log", "linear", "list"};
    return names;
}
inline std::span<const std::string_view> names_of(MotionIn) {
    static constexpr std::array<std::string_view, 2> names{"discrete", "continuous"};
    return names;
}
inline std::span<const std::string_view> names_of(StartOption) {
    static constexpr std::array<std::string_view, 6> names{"equilibrium", "uniform", "site",
                                                           "region",      "profile", "empty"};
    return names;
}
inline std::span<const std::string_view> names_of(FieldStartOption) {
    static constexpr std::array<std::string_view, 6> names{"pulse", "equilibrium", "empty",
                                                           "site",  "region",      "profile"};
    return names;
}
inline std::span<const std::string_view> names_of(FieldEngineOption) {
    static constexpr std::array<std::string_view, 3> names{"auto", "stencil", "bloch"};
    return names;
}
inline std::span<const std::string_view> names_of(PrecisionOption) {
    static constexpr std::array<std::string_view, 3> names{"double", "single", "both"};
    return names;
}

inline std::span<const std::string_view> names_of(GasSolverOption) {
    static constexpr std::array<std::string_view, 3> names{"auto", "null_event", "rejection_free"};
    return names;
}

inline std::span<const std::string_view> names_of(EvaluatorOption) {
    static constexpr std::array<std::string_view, 3> names{"auto", "native", "libtorch"};
    return names;
}
inline std::span<const std::string_view> names_of(ForcePrecision) {
    static constexpr std::array<std::string_view, 2> names{"float", "double"};
    return names;
}
inline std::span<const std::string_view> names_of(Ensemble) {
    static constexpr std::array<std::string_view, 3> names{"nve", "langevin", "nose_hoover"};
    return names;
}

inline const std::vector<std::string>& device_choices() {
    static const std::vector<std::string> choices{"cpu", "cuda"};
    return choices;
}

inline const std::vector<std::string>& format_choices() {
    static const std::vector<std::string> choices = [] {
        std::vector<std::string> c{"auto"};
        c.insert(c.end(), trajectory_formats().begin(), trajectory_formats().end());
        return c;
    }();
    return choices;
}

template <class V>
void visit_fields(RunSection& o, V&& v) {
    v("name", o.name, About("Name of the run.").when_unset("name of the input file"));
    v("output", o.output,
      About("Folder of the results, relative to the current directory.").when_unset("runs/NAME"));
    v("seed", o.seed, About("Seed of all random numbers.").at_least(0));
    v("threads", o.threads,
      About("Threads; 0 = all cores. Results do not depend on it.").at_least(0).at_most(1024));
    v("temperature_K", o.temperature,
      About("Temperature of the trajectories, for `mesolith arrhenius`.").above(0).when_unset("not known"));
}

template <class V>
void visit_fields(TrajectorySection& o, V&& v) {
    v("file", o.file,
      About("Trajectory file, relative to the input file; `${VAR}` is replaced by the environment variable.")
          .filled());
    v("format", o.format, About("File format; `auto` looks into the file.").choices(&format_choices()));
    v("cell_file", o.cell_file,
      About("Cell for formats that hold none (plain xyz): 3 x 3 numbers in angstrom, rows are lattice "
            "vectors; or a "
            "CP2K `.cell` file.")
          .when_unset("the cell of the trajectory file"));
    v("types", o.types,
      About("Elements of numeric atom types, `{ 1 = \"Li\", 2 = \"Si\" }`.")
          .when_unset("element names of the file"));
    v("frame_interval_ps", o.frame_interval,
      About("Time between two frames of the file.").above(0).when_unset("times of the file"));
    v("timestep_ps", o.timestep,
      About("Time step of the simulation, for files that count steps.")
          .above(0)
          .when_unset("times of the file"));
    v("wrapping", o.wrapping,
      About("What the positions are: wrapped into the cell, continuous (`unwrapped`), or as the file says "
            "(`auto`)."));
    v("discard_ps", o.discard, About("Equilibration at the start that is not used.").at_least(0));
    v("end_ps", o.end,
      About("Last time used, counted from the start of the file.").above(0).when_unset("to the end"));
    v("stride", o.stride, About("Use every n-th frame. Unwrapping sees every frame.").at_least(1));
    v("optional", o.optional,
      About("Whether a missing file is skipped with a warning instead of being an error."));
}

template <class V>
void visit_fields(MdSection& o, V&& v) {
    v("model", o.model,
      About(
          "MACE model: folded (.h5, by tools/export_mace.py) or TorchScript (.pt, also as MACE writes it for "
          "LAMMPS), relative to the input file.")
          .filled());
    v("structure", o.structure, About("Crystal to start from: POSCAR or extended xyz.").filled());
    v("repetition", o.repetition, About("Copies of the crystal along its axes.").at_least(1));
    v("vacancies", o.vacancies,
      About("Ions of the first mobile species taken away, drawn for each replica.").at_least(0));
    v("evaluator", o.evaluator,
      About("`native`: our own, for folded models. `libtorch`: for TorchScript. `auto`: by the file."));
    v("precision", o.precision, About("Of the forces. Energies are summed in double."));
    v("device", o.device, About("For libtorch.").choices(&device_choices()));
    v("ensemble", o.ensemble,
      About(
          "`langevin`: BAOAB. `nose_hoover`: chain of three. `nve`: velocity Verlet, after an equilibration "
          "by Langevin."));
    v("temperature_K", o.temperature, About("Temperature.").above(0).when_unset("run.temperature_K"));
    v("timestep_fs", o.timestep, About("Time step.").above(0).at_most(10));
    v("friction_per_ps", o.friction, About("Of Langevin dynamics; weak, for it slows hops.").above(0));
    v("thermostat_period_ps", o.thermostat_period, About("Of the Nose-Hoover chain.").above(0));
    v("equilibration_ps", o.equilibration, About("Not written.").at_least(0));
    v("length_ps", o.length, About("Of the trajectory of each replica.").above(0));
    v("interval_ps", o.interval, About("Between two frames.").above(0));
    v("write_trajectory", o.write_trajectory,
      About("Write `md/replica_N.h5md`. `false`: frames go straight to sites and events, with the same "
            "results and no large file; needs sites.source = \"structure\"."));
    v("n_replicas", o.n_replicas,
      About("Runs with velocities, vacancies and noise of their own; as many at once as there are threads.")
          .at_least(1)
          .at_most(10000));
    v("replicas_per_graph", o.replicas_per_graph,
      About(
          "Replicas whose forces libtorch evaluates at once; 0 = all on a GPU, which they fill, and 1 on the "
          "CPU, where each thread takes one.")
          .at_least(0));
    v("checkpoint_minutes", o.checkpoint_minutes,
      About("Wall time between two checkpoints; 0 = only when the run is stopped.").at_least(0));
}

template <class V>
void visit_fields(IonSection& o, V&& v) {
    v("mobile", o.mobile, About("Species that diffuse; the others are the framework.").filled());
    v("drift", o.drift,
      About("What is held still: the mean of the framework, the centre of mass of all atoms (`com`), or "
            "nothing."));
    v("step_warning", o.step_warning,
      About("Warn when an atom moves further than this share of a cell edge between two frames.")
          .above(0)
          .at_most(0.5));
}

template <class V>
void visit_fields(SiteSection& o, V&& v) {
    v("source", o.source,
      About(
          "Where the sites come from: atoms of a structure file, the averaged positions of the mobile ions, "
          "or the peaks of their density in the first trajectory (`density`, needs no crystal)."));
    v("structure", o.structure,
      About("Structure file (POSCAR or extended xyz) whose atoms are the sites, relative to the input file; "
            "`${VAR}` is "
            "replaced.")
          .when_unset("needed for source = \"structure\""));
    v("species", o.species,
      About("Atoms of the structure file that are sites.").when_unset("the mobile species"));
    v("repetition", o.repetition,
      About("Copies of the structure along its axes in the simulated cell; [0, 0, 0] = found by matching the "
            "cells.")
          .at_least(0));
    v("max_strain", o.max_strain,
      About("Largest relative mismatch between the simulated cell and the repeated structure.")
          .above(0)
          .at_most(0.5));
    v("symmetry_tolerance_angstrom", o.symmetry_tolerance,
      About("Distance below which two positions count as the same when symmetry is sought.")
          .above(0)
          .at_most(2));
    v("folding", o.folding,
      About("Repeat unit whose sites are told apart: the primitive cell, the cell of the structure file, or "
            "the whole "
            "simulated cell (`none`)."));
    v("assignment", o.assignment,
      About("An ion belongs to the site nearest to it, to the last site whose core sphere it entered, or to "
            "the "
            "site whose basin of the density holds it (`watershed`, for source = \"density\")."));
    v("core_radius_angstrom", o.core_radius,
      About(
          "Radius of the core spheres; at most half the distance between two sites (sites from the density: "
          "cut down to that).")
          .above(0));
    v("core_radius_per_orbit_angstrom", o.core_radius_per_orbit,
      About("Radius for each orbit of equivalent sites instead.").above(0).when_unset("one radius for all"));
    v("density_spacing_angstrom", o.density.spacing,
      About("Longest edge of a voxel of the density grid.").above(0).at_most(2));
    v("density_smoothing_angstrom", o.density.smoothing,
      About("Standard deviation of the Gaussian that smooths the density.").at_least(0).at_most(2));
    v("density_threshold", o.density.peaks.threshold,
      About("Lowest peak of the density that is a site, in units of the mean density of the ions.").above(0));
    v("density_merge_saddle", o.density.peaks.merge_saddle,
      About(
          "Two peaks are one site when the density of the pass between them reaches this share of the lower "
          "one.")
          .above(0));
    v("density_merge_distance_angstrom", o.density.peaks.merge_distance,
      About("Two peaks closer than this are one site; at least twice the spacing.").above(0));
    v("density_min_occupancy", o.density.peaks.min_occupancy,
      About("Sites that hold fewer ions on average join a neighbour.").at_least(0).at_most(0.99));
    v("density_floor", o.density.peaks.floor,
      About("Density below which a place belongs to no basin, in units of the mean; 0: every place belongs "
            "to a "
            "site.")
          .at_least(0));
    v("density_stability_angstrom", o.density.stability_distance,
      About("A site is certain when each half of the trajectory alone has it within this distance.")
          .above(0));
}

template <class V>
void visit_fields(MarkovSection& o, V&& v) {
    v("lag_times_ps", o.lag_times, About("Lag times at which transitions are counted.").above(0).filled());
    v("lag_time_ps", o.lag_time,
      About("Lag time of the kernel that is used; 0 = the smallest whose D and slow timescales agree with "
            "those of all longer lags.")
          .at_least(0));
    v("pooling", o.pooling,
      About("Transitions that share their counts because the crystal makes them alike: by its `space_group`, "
            "by its "
            "`translations` only, or `none` beyond the folding."));
    v("estimator", o.estimator,
      About("`reversible`: detailed balance, maximum likelihood; `symmetrised`: detailed balance, counts "
            "averaged with "
            "those of the reverse move; `non_reversible`: each site by its own visits; `auto`: `reversible`, "
            "and with as many "
            "ions as sites a uniform stationary distribution."));
    v("stationary", o.stationary,
      About("Stationary distribution: `estimated` from the visits, `uniform` (as many ions as sites), or one "
            "weight per "
            "site of the repeat unit."));
    v("bootstrap_samples", o.bootstrap_samples,
      About("Resamplings behind the error bars.").at_least(2).at_most(100000));
    v("block_ps", o.block,
      About("Length of the time blocks that are resampled; 0 = found from the correlation times of the "
            "data.")
          .at_least(0));
    v("msd_max_lag_ps", o.msd_max_lag,
      About("Longest lag of the MSD curves; 0 = twice the longest of the lag times and the fit window.")
          .at_least(0));
    v("fit_window_ps", o.fit_window, About("Lags between which the slope of the MSD is taken.").at_least(0));
    v("ck_chain_lengths", o.chain_lengths,
      About("Chain lengths n of the Chapman-Kolmogorov test.").at_least(1).at_most(1000000));
    v("n_timescales", o.n_timescales,
      About("Implied timescales that are reported.").at_least(1).at_most(1000));
    v("agreement_sigmas", o.agreement_sigmas,
      About("D agrees with the MSD when it lies within this many standard errors of the difference.")
          .above(0));
    v("fewest_hops", o.fewest_hops,
      About("Independent hops behind each component of D that a lag needs to be used.").at_least(0));
    v("plateau_level", o.plateau_level,
      About("A lag is too short when D and slow timescales differ from those at longer lags by more than "
            "noise does with this probability.")
          .above(0)
          .at_most(0.5));
    v("ck_warn", o.ck_warn,
      About("Warn when the Chapman-Kolmogorov error exceeds its 95 % noise floor times this.").above(0));
    v("ck_fail", o.ck_fail, About("Fail above it.").above(0));
    v("msd_warn", o.msd_warn,
      About("Warn above this difference between the MSD of the model and of the mapped trajectory, in "
            "standard errors.")
          .above(0));
    v("msd_fail", o.msd_fail, About("Fail above it.").above(0));
}

template <class V>
void visit_fields(MesoSection& o, V&& v) {
    v("occupancy", o.occupancy,
      About("`tracer`: independent walkers, correlation and exclusion of the full sublattice are inside the "
            "kernel. `exclusion`: ions that block each other, by elementary hop rates into empty sites (hop "
            "lists), see `[meso.gas]`."));
    v("size", o.size, About("Size of the domain along a, b, c, rounded to whole cells.").above(0));
    v("unit", o.unit, About("Unit of `size`."));
    v("voxel_nm", o.voxel,
      About("Edges of rectangular voxels. Each material then is a continuum with the exact diffusion tensor "
            "of its "
            "kernel, so that different crystals and orientations share one domain.")
          .above(0)
          .when_unset("cells of the crystal, site by site"));
    v("lag_time_ps", o.lag_time,
      About("Time step; 0 = the shortest lag of the materials (voxels: the longest step possible).")
          .at_least(0));
    v("temperature_K", o.temperature,
      About("Temperature of the site energies.").above(0).when_unset("run.temperature_K"));
    v("faces_a", o.faces_a,
      About(
          "What happens at the low and the high face along a: `[\"periodic\", \"periodic\"]`; a `reservoir` "
          "holds a fixed concentration.")
          .when_unset("periodic"));
    v("faces_b", o.faces_b, About("Along b.").when_unset("periodic"));
    v("faces_c", o.faces_c, About("Along c.").when_unset("periodic"));
    v("concentration_a", o.concentration_a,
      About("Of reservoirs at the low and the high face along a: ions per cell of a material of zero energy.")
          .at_least(0));
    v("concentration_b", o.concentration_b, About("Along b.").at_least(0));
    v("concentration_c", o.concentration_c, About("Along c.").at_least(0));
    v("interface_resistance_ps_per_angstrom", o.interface_resistance,
      About("Extra resistance between two regions, grains among them (difference of concentration over flux "
            "density).")
          .at_least(0));
    v("total_time_ps", o.total_time, About("Simulated time.").above(0));
    v("schedule", o.schedule, About("Times of output: evenly in their logarithm, evenly, or as listed."));
    v("n_outputs", o.n_outputs, About("Number of outputs.").at_least(2).at_most(100000));
    v("output_times_ps", o.output_times, About("For schedule = \"list\".").above(0).when_unset("none"));
    v("profile_axis", o.profile_axis, About("Axis of concentration profiles."));
    v("checkpoint_minutes", o.checkpoint_minutes,
      About("Wall time between two checkpoints; 0 = only when the run is stopped.").at_least(0));
}

template <class V>
void visit_fields(MaterialSection& o, V&& v) {
    v("name", o.name, About("Name, for regions.").filled());
    v("kernel", o.kernel,
      About("Kernel (JSON, HDF5), hop list (TOML), msm.h5 or folder of a run, relative to the input file.")
          .when_unset("the Markov model of this run"));
    v("diffusivity_angstrom2_per_ps", o.diffusivity,
      About(
          "Instead of a kernel, with `meso.voxel_nm`: D, or Dxx, Dyy, Dzz, or Dxx, Dyy, Dzz, Dyz, Dxz, Dxy.")
          .when_unset("that of the kernel"));
    v("axes", o.axes,
      About("With `meso.voxel_nm`: the axes of the crystal (1, 2, 3) that lie along x, y, z: a grain in "
            "another "
            "orientation.")
          .at_least(1)
          .at_most(3));
    v("scale", o.scale, About("Factor of all rates.").at_least(0));
    v("energy_eV", o.energy, About("Energy of its sites, beside those of the other materials."));
}

template <class V>
void visit_fields(RegionSection& o, V&& v) {
    v("name", o.name, About("Name, for the report.").when_unset("its shape and number"));
    v("shape", o.shape, About("Cells whose centre lies inside. Later regions cover earlier ones."));
    v("materials", o.materials,
      About(
          "One material; for layers one each, for grains as many as are dealt out, for voxels one per label.")
          .filled());
    v("lo_nm", o.lo, About("Lower corner of a box.").when_unset("corner of the domain"));
    v("hi_nm", o.hi, About("Upper corner of a box.").when_unset("opposite corner"));
    v("centre_nm", o.centre, About("Of a sphere or cylinder.").when_unset("middle of the domain"));
    v("radius_nm", o.radius, About("Of a sphere or cylinder.").above(0).when_unset("needed there"));
    v("length_nm", o.length, About("Of a cylinder; 0 = through all.").at_least(0));
    v("direction", o.direction, About("Axis of a cylinder."));
    v("axis", o.axis, About("Lattice axis along which layers follow each other."));
    v("thickness_nm", o.thickness,
      About("Of each layer; they start again after the last.").above(0).when_unset("needed there"));
    v("n_grains", o.n_grains,
      About("Voronoi grains, points drawn from run.seed.").at_least(1).at_most(65000));
    v("file", o.file,
      About("Labels of all cells, x fastest: raw uint8, or HDF5 (.h5) of shape [z, y, x].")
          .when_unset("needed for voxels"));
    v("dataset", o.dataset, About("Dataset of the HDF5 file."));
}

template <class V>
void visit_fields(WalkerSection& o, V&& v) {
    v("n", o.n,
      About("Independent walkers; 0 = none. Relative error of D: sqrt(2 / n) per axis.")
          .at_least(0)
          .at_most(1e9));
    v("time", o.time,
      About("`discrete`: one draw from the kernel per lag. `continuous`: hop by hop at the rates of the "
            "kernel, without "
            "rejection."));
    v("start", o.start,
      About("Where walkers start: by the equilibrium weights, all sites alike, on one site, in a region, "
            "along a profile, or none at all (`empty`): then reservoirs bring them."));
    v("start_cell", o.start_cell, About("For start = \"site\".").at_least(0));
    v("start_site", o.start_site, About("Site of the cell, counted from 0.").at_least(0));
    v("start_region", o.start_region, About("Name of a material or region.").when_unset("none"));
    v("profile", o.profile,
      About("Relative filling at equally wide slices, times the equilibrium weights.")
          .at_least(0)
          .when_unset("none"));
    v("profile_axis", o.profile_axis, About("Axis of `profile`."));
    v("n_origins", o.n_origins,
      About("Times from which displacements are counted; more give smaller errors at short times.")
          .at_least(1)
          .at_most(1000));
    v("sample", o.sample,
      About("Walkers written as a trajectory (walkers.h5md, walkers.lammpstrj).").at_least(0).at_most(1e6));
    v("relative_precision", o.precision,
      About("Stop at the first output where the standard error of tr D is below this share of it; 0 = never.")
          .at_least(0)
          .at_most(1));
}

template <class V>
void visit_fields(FieldSection& o, V&& v) {
    v("engine", o.engine,
      About("`stencil`: step by step, any domain. `bloch`: Fourier transform and powers of the Bloch matrix, "
            "any time at "
            "once, periodic crystals. `auto`: whichever is predicted to be faster."));
    v("precision", o.precision, About("`both`: in double, and in single for comparison."));
    v("start", o.start, About("A Gaussian pulse, equilibrium, nothing, one site, a region, or a profile."));
    v("centre_nm", o.centre, About("Of the pulse.").when_unset("middle of the domain"));
    v("width_nm", o.width, About("Standard deviation of the pulse.").above(0));
    v("amount", o.amount,
      About("Ions at the start, in all (`equilibrium`: per cell of a material of zero energy).").above(0));
    v("start_cell", o.start_cell, About("For start = \"site\".").at_least(0));
    v("start_site", o.start_site, About("Site of the cell, counted from 0.").at_least(0));
    v("start_region", o.start_region, About("Name of a material or region.").when_unset("none"));
    v("profile", o.profile,
      About("Relative filling at equally wide slices, times the equilibrium weights.")
          .at_least(0)
          .when_unset("none"));
    v("profile_axis", o.profile_axis, About("Axis of `profile`."));
    v("n_snapshots", o.n_snapshots,
      About("Snapshots for ParaView, among the output times.").at_least(0).at_most(10000));
    v("voxel_cells", o.voxel_cells,
      About("Cells per voxel of a snapshot; 0 = so that no edge has more than 128 voxels.").at_least(0));
}

template <class V>
void visit_fields(SteadySection& o, V&& v) {
    v("homogenise", o.homogenise, About("Exact effective D of a periodic domain."));
    v("flux", o.flux, About("Steady flux between reservoirs, where there are any."));
    v("first_passage", o.first_passage, About("Mean times to absorbing faces, where there are any."));
    v("max_sites", o.max_sites, About("Larger domains are not solved.").at_least(1));
    v("tolerance", o.tolerance, About("Relative residual of the solves.").above(0).at_most(1e-3));
}

template <class V>
void visit_fields(GasSection& o, V&& v) {
    v("vacancy_fraction", o.vacancy_fraction,
      About("Share of all sites of the domain that are empty.")
          .at_least(0)
          .at_most(1)
          .when_unset("one of this, the next two, and `[[meso.gas.species]]` is needed"));
    v("n_ions", o.n_ions, About("Ions in the domain instead.").at_least(1).when_unset("see above"));
    v("ions_per_cell", o.ions_per_cell, About("Ions per cell instead.").above(0).when_unset("see above"));
    v("solver", o.solver,
      About("`null_event`: attempts of the fewer of ions and vacancies, some of them in vain. "
            "`rejection_free`: every step is a hop. `auto`: by the acceptance measured in a short trial. "
            "Both are "
            "exact."));
    v("n_replicas", o.n_replicas,
      About("Independent runs, side by side on the threads; errors come from them and from blocks of time.")
          .at_least(1)
          .at_most(100'000));
    v("equilibration_ps", o.equilibration,
      About("Not measured, at the start and after each change of temperature.")
          .at_least(0)
          .when_unset("0; with pair energies a tenth of the time at each temperature"));
    v("n_frames", o.n_frames,
      About(
          "Times, evenly spaced, at which each replica is looked at, for each temperature; displacements are "
          "taken over up to a tenth of them.")
          .at_least(100)
          .at_most(1'000'000));
    v("n_tracers", o.n_tracers,
      About("Ions of each species whose own displacements are followed; 0 = all.").at_least(0));
    v("n_shells", o.n_shells,
      About("Distances between sites at which pair correlations are taken.").at_least(0).at_most(100));
    v("charge", o.charge, About("Of an ion in elementary charges, for the conductivity."));
    v("temperature_schedule_ps_K", o.temperatures,
      About("Temperatures in steps, `[[0, 600], [5000, 700]]`: from when on [ps] which [K]. Barriers of the "
            "hop "
            "lists are taken at each of them; measured one by one.")
          .at_least(0)
          .when_unset("`meso.temperature_K` or that of the hop lists all the time"));
    v("relative_precision", o.precision,
      About("Stop as soon as the standard error of tr D* is below this share of it (looked at from a quarter "
            "of "
            "the frames on); 0 = never.")
          .at_least(0)
          .at_most(1));
}

template <class V>
void visit_fields(GasSpeciesSection& o, V&& v) {
    v("name", o.name, About("Name.").filled());
    v("n", o.n, About("Ions of it in the domain.").at_least(0).when_unset("`fraction`"));
    v("fraction", o.fraction,
      About("Share of all sites that it holds instead.").at_least(0).at_most(1).when_unset("`n`"));
    v("rate_factor", o.rate_factor, About("Factor of all its hop rates.").at_least(0));
    v("pinned", o.pinned, About("Whether it never moves and only blocks."));
}

template <class V>
void visit_fields(GasPairSection& o, V&& v) {
    v("distance_angstrom", o.distance,
      About("All pairs of sites this far apart.").above(0).when_unset("`from`, `to` and `R`"));
    v("tolerance_angstrom", o.tolerance, About("Of the distance.").above(0));
    v("from", o.from,
      About("One pair of sites instead: site of the cell, counted from 0.").at_least(0).when_unset("-"));
    v("to", o.to, About("The other site.").at_least(0).when_unset("-"));
    v("R", o.R, About("Cell of `to`, counted from that of `from`."));
    v("energy_eV", o.energy,
      About("Energy when both sites are occupied; > 0 repels.").at_least(-10).at_most(10).filled());
    v("species", o.species,
      About("Names of two species that have it.").when_unset("whatever ions are there"));
}

template <class V>
void visit_fields(SweepSection& o, V&& v) {
    v("at_once", o.at_once,
      About("Points that run at the same time, each with its share of the threads; 0 = as many as there are "
            "threads and memory.")
          .at_least(0)
          .at_most(1024));
    v("reports", o.reports, About("Whether each point gets a report.html too."));
}

template <class V>
void visit_fields(ReportSection& o, V&& v) {
    v("enabled", o.enabled, About("Whether `mesolith run` makes report.html."));
}

} // namespace mesolith
