#pragma once
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "mesolith/core/error.hpp"
#include "mesolith/crystal/symmetry.hpp"
#include "mesolith/io/trajectory_file.hpp"
#include "mesolith/meso/domain.hpp"
#include "mesolith/msm/estimate_kernel.hpp"
#include "mesolith/msm/pooling.hpp"
#include "mesolith/sites/assign_sites.hpp"
#include "mesolith/sites/build_sites.hpp"
#include "mesolith/sites/density_sites.hpp"
#include "mesolith/trajectory/continuous.hpp"

/// All options of a run, one struct per section of the input file. The defaults stand here; the keys,
/// meanings and ranges in src/config/fields.hpp, which reading, checking, --print-config and docs/config.md
/// all walk.
namespace mesolith {

/// [run]
struct RunSection {
    std::string name;                  ///< name of the input file without .toml unless given
    std::string output;                ///< folder of the results; runs/NAME unless given
    std::int64_t seed = 1;             ///< of all random numbers
    std::int64_t threads = 0;          ///< 0 = all cores
    std::optional<double> temperature; ///< of the trajectories [K]
};

/// [[trajectory]]; several are replicas: counts never cross from one to the next.
struct TrajectorySection {
    std::string file; ///< relative to the input file; ${VAR} is replaced
    std::string format = "auto";
    std::string cell_file; ///< as `file`
    std::map<int, std::string> types;
    std::optional<double> frame_interval; ///< [ps]
    std::optional<double> timestep;       ///< [ps]
    WrappingOption wrapping = WrappingOption::automatic;
    double discard = 0;        ///< [ps]
    std::optional<double> end; ///< [ps]
    std::int64_t stride = 1;
    bool optional = false; ///< skip it with a warning when the file is missing
};

/// Who evaluates the forces.
enum class EvaluatorOption {
    automatic, ///< our own evaluator for folded models (.h5), libtorch for TorchScript (.pt)
    native,
    libtorch,
};
enum class ForcePrecision { single_precision, double_precision };
enum class Ensemble { nve, langevin, nose_hoover };

/// [md]; trajectories of the run are made when the section is there.
struct MdSection {
    std::string model;     ///< as TrajectorySection::file
    std::string structure; ///< as TrajectorySection::file
    IVec3 repetition = IVec3::Ones();
    std::int64_t vacancies = 0; ///< mobile ions taken away
    EvaluatorOption evaluator = EvaluatorOption::automatic;
    ForcePrecision precision = ForcePrecision::single_precision;
    std::string device = "cpu";
    Ensemble ensemble = Ensemble::langevin;
    std::optional<double> temperature; ///< [K]; that of the run unless given
    double timestep = 0.5;             ///< [fs]
    double friction = 1;               ///< [1/ps]
    double thermostat_period = 0.1;    ///< [ps]
    double equilibration = 5;          ///< [ps]
    double length = 100;               ///< [ps]
    double interval = 0.05;            ///< [ps]
    bool write_trajectory = true;      ///< false: frames go straight to sites and events
    std::int64_t n_replicas = 2;
    std::int64_t replicas_per_graph = 0; ///< of libtorch; 0: all on a GPU, 1 on the CPU
    double checkpoint_minutes = 5;
};

/// [ions]
struct IonSection {
    std::vector<std::string> mobile = {"Li"};
    Drift drift = Drift::framework;
    double step_warning = ContinuousOptions{}.step_warning;
};

enum class SiteSource {
    structure, ///< atoms of a structure file
    averaged,  ///< mean positions of the mobile ions themselves
    density,   ///< peaks of their density
};

/// [sites]
struct SiteSection {
    SiteSource source = SiteSource::structure;
    std::string structure;            ///< as TrajectorySection::file
    std::vector<std::string> species; ///< empty = the mobile ones
    IVec3 repetition = IVec3::Zero();
    double max_strain = SiteOptions{}.max_strain;
    double symmetry_tolerance = SiteOptions{}.symmetry_tolerance; ///< [A]
    Folding folding = SiteOptions{}.folding;
    Assignment assignment = AssignmentOptions{}.method;
    double core_radius = AssignmentOptions{}.core_radius; ///< [A]
    std::vector<double> core_radius_per_orbit;            ///< [A]
    DensityOptions density;                               ///< for SiteSource::density
};

/// Stationary distribution of the kernel: from the visits, uniform, or one weight per basis site.
struct StationaryOption {
    enum class Kind { estimated, uniform, given } kind = Kind::estimated;
    std::vector<double> weights;
    bool operator==(const StationaryOption&) const = default;
};

/// [msm]
struct MarkovSection {
    std::vector<double> lag_times = {1, 2, 5, 10, 20, 40}; ///< [ps]
    double lag_time = 0;                                   ///< [ps], 0 = found
    Pooling pooling = Pooling::space_group;
    Estimator estimator = Estimator::automatic;
    StationaryOption stationary;
    std::int64_t bootstrap_samples = 200;
    double block = 0;                           ///< [ps], 0 = found
    double msd_max_lag = 0;                     ///< [ps], 0 = found
    std::array<double, 2> fit_window = {5, 20}; ///< [ps]
    std::vector<std::int64_t> chain_lengths = {2, 4, 8, 16};
    std::int64_t n_timescales = 8;
    double agreement_sigmas = 2;
    double fewest_hops = 20;
    double plateau_level = 0.1;
    double ck_warn = 1, ck_fail = 2;
    double msd_warn = 2, msd_fail = 4;

    /// Longest lag of the MSD curves [ps]: `msd_max_lag`, else twice the longest of the lag times and the fit
    /// window.
    double longest_msd_lag() const;
};

/// [[meso.material]]
struct MaterialSection {
    std::string name;
    std::string kernel; ///< file; "": the model of this run
    std::vector<double>
        diffusivity;     ///< instead of a kernel: 1 (isotropic), 3 (diagonal) or 6 numbers [A^2/ps]
    IVec3 axes{1, 2, 3}; ///< axes of the crystal that lie along x, y, z of the domain, voxels only
    double scale = 1;    ///< of all rates
    double energy = 0;   ///< [eV]
};

enum class RegionShape { box, sphere, cylinder, layers, grains, voxels };
enum class LatticeAxis { a, b, c };

/// [[meso.region]]; lengths in nm from the corner of the domain.
struct RegionSection {
    std::string name;
    RegionShape shape = RegionShape::box;
    std::vector<std::string> materials;
    std::optional<Vec3> lo, hi, centre; ///< [nm]
    std::optional<double> radius;       ///< [nm]
    double length = 0;                  ///< of a cylinder [nm], 0: through all
    Vec3 direction{0, 0, 1};
    LatticeAxis axis = LatticeAxis::a; ///< of layers
    std::vector<double> thickness;     ///< [nm]
    std::int64_t n_grains = 100;
    std::string file, dataset = "labels";
};

enum class Occupancy { tracer, exclusion };
enum class OutputSchedule { log, linear, list };
enum class MotionIn { discrete_time, continuous_time };
enum class StartOption { equilibrium, uniform, site, region, profile, empty };

/// [meso.walkers]
struct WalkerSection {
    std::int64_t n = 100'000;
    MotionIn time = MotionIn::discrete_time;
    StartOption start = StartOption::equilibrium;
    IVec3 start_cell = IVec3::Zero();
    std::int64_t start_site = 0;
    std::string start_region;
    std::vector<double> profile;
    LatticeAxis profile_axis = LatticeAxis::a;
    std::int64_t n_origins = 1;
    std::int64_t sample = 1000;
    double precision = 0; ///< stop at this relative error of D, 0: never
};

enum class FieldStartOption { pulse, equilibrium, empty, site, region, profile };
enum class FieldEngineOption { automatic, stencil, bloch };
enum class PrecisionOption { double_precision, single_precision, both };

/// [meso.field]; followed when the section is there.
struct FieldSection {
    FieldEngineOption engine = FieldEngineOption::automatic;
    PrecisionOption precision = PrecisionOption::double_precision;
    FieldStartOption start = FieldStartOption::pulse;
    std::optional<Vec3> centre; ///< [nm], none: the middle
    double width = 2;           ///< standard deviation [nm]
    double amount = 1;          ///< ions in all, or ions per cell of weight 1 (equilibrium)
    IVec3 start_cell = IVec3::Zero();
    std::int64_t start_site = 0;
    std::string start_region;
    std::vector<double> profile;
    LatticeAxis profile_axis = LatticeAxis::a;
    std::int64_t n_snapshots = 6;
    IVec3 voxel_cells = IVec3::Zero(); ///< of a snapshot, 0: such that no edge has more than 128
};

/// [meso.steady]
struct SteadySection {
    bool homogenise = true, flux = true, first_passage = true;
    std::int64_t max_sites = 5'000'000; ///< larger domains are left to walkers and fields
    double tolerance = 1e-9;
};

enum class GasSolverOption { automatic, null_event, rejection_free };

/// [[meso.gas.species]]
struct GasSpeciesSection {
    std::string name;
    std::optional<std::int64_t> n;
    std::optional<double> fraction; ///< of all sites
    double rate_factor = 1;
    bool pinned = false;
};

/// [[meso.gas.pair]]
struct GasPairSection {
    std::optional<std::int64_t> from, to; ///< sites of the cell, `to` in the cell R away
    IVec3 R = IVec3::Zero();
    std::optional<double> distance;   ///< instead: all pairs of sites that far apart [A]
    double tolerance = 0.05;          ///< [A]
    std::optional<double> energy;     ///< [eV]
    std::vector<std::string> species; ///< two names, on `from` and on `to`; none: whatever is there
};

/// [meso.gas], for Occupancy::exclusion
struct GasSection {
    std::optional<double> vacancy_fraction; ///< of all sites
    std::optional<std::int64_t> n_ions;     ///< in the domain
    std::optional<double> ions_per_cell;
    GasSolverOption solver = GasSolverOption::automatic;
    std::int64_t n_replicas = 8;
    std::optional<double> equilibration; ///< [ps]; none: 0, with pair energies a tenth of each temperature
    std::int64_t n_frames = 400;
    std::int64_t n_tracers = 10'000;
    std::int64_t n_shells = 6;
    double charge = 1;
    std::vector<std::array<double, 2>> temperatures; ///< [ps, K]: from when on which
    double precision = 0;                            ///< stop at this relative error of D*, 0: never
    std::vector<GasSpeciesSection> species;
    std::vector<GasPairSection> pairs;
};

/// [meso]; the stage runs when the section is there.
struct MesoSection {
    Occupancy occupancy = Occupancy::tracer;
    Vec3 size{100, 100, 100};
    LengthUnit unit = LengthUnit::nm;
    std::optional<Vec3> voxel;                       ///< [nm]; then materials are continua
    double lag_time = 0;                             ///< [ps], 0: the shortest of the materials
    std::optional<double> temperature;               ///< [K]
    std::vector<FaceKind> faces_a, faces_b, faces_c; ///< low and high; none: periodic
    std::array<double, 2> concentration_a{0, 0}, concentration_b{0, 0}, concentration_c{0, 0};
    double interface_resistance = 0; ///< [ps/A]
    double total_time = 100'000;     ///< [ps]
    OutputSchedule schedule = OutputSchedule::log;
    std::int64_t n_outputs = 40;
    std::vector<double> output_times; ///< [ps], for OutputSchedule::list
    LatticeAxis profile_axis = LatticeAxis::a;
    double checkpoint_minutes = 10;
    std::vector<MaterialSection> materials; ///< none: the model of this run
    std::vector<RegionSection> regions;
    WalkerSection walkers;
    std::optional<FieldSection> field;
    SteadySection steady;
    std::optional<GasSection> gas;
};

/// [report]
struct ReportSection {
    bool enabled = true;
};

/// A key of [sweep] and its values.
struct SweptKey {
    std::string key;                 ///< "run.temperature_K"
    std::vector<std::string> values; ///< as TOML
    std::vector<std::string> words;  ///< as they stand in names: 500, li15si4_600K
    std::vector<double> numbers;     ///< empty when a value is no number
};

/// Keys that vary together: one alone, or those of a [[sweep.zip]].
struct SweepAxis {
    std::vector<SweptKey> keys;
    std::size_t size() const { return keys.empty() ? 0 : keys.front().values.size(); }
};

/// [sweep]
struct SweepSection {
    std::vector<SweepAxis> axes; ///< in the order of the file
    std::int64_t at_once = 0;    ///< points that run at the same time, 0 = found
    bool reports = true;         ///< of the single points
};

/// One combination of the values of a sweep.
struct SweepPoint {
    std::string name;            ///< of its folder: "temperature_K=500_vacancy_fraction=0.02"
    std::vector<std::size_t> at; ///< value of each axis
};

/// All combinations, the last axis varies fastest.
[[nodiscard]] std::vector<SweepPoint> sweep_points(const SweepSection& sweep);

/// The folder of a point in that of its sweep: OUTPUT/sweep/NAME.
[[nodiscard]] std::string point_folder(const std::string& output, const std::string& name);

struct Config {
    RunSection run;
    std::vector<TrajectorySection> trajectories;
    std::optional<MdSection> md;
    IonSection ions;
    SiteSection sites;
    MarkovSection msm;
    std::optional<MesoSection> meso;
    ReportSection report;
    std::optional<SweepSection> sweep; ///< with the first value of each key above; none in a single point

    std::string path;   ///< of the input file
    std::string folder; ///< that holds it: files named in it are relative to this folder
    std::vector<std::string> warnings;

    /// The path of a file named in the input: ${VAR} replaced, relative to `folder`. "" stays "".
    /// @throws InputError when a variable is not set
    std::string resolve(const std::string& file) const;

    /// Whether anything in the input needs the Markov model of this run: not when all materials of [meso]
    /// have kernels or diffusivities of their own and there is no trajectory.
    bool needs_model() const;

    /// File of one replica of [md], in the folder of the run: its trajectory, or what was made of it.
    std::string md_trajectory(std::int64_t replica) const;
    std::string md_events(std::int64_t replica) const;

    /// Whether molecular dynamics maps its frames to sites itself.
    bool streams() const { return md && !md->write_trajectory; }
    /// Files of the replicas that it mapped; one that failed has none.
    std::vector<std::string> streamed_replicas() const;

    /// Trajectories without the optional ones whose file is missing; those that [md] writes.
    std::vector<TrajectorySection> present_trajectories() const;
};

/// Everything that is wrong with an input, one problem a line: "file:line:col: key: expected X, got Y".
class ConfigError : public InputError {
public:
    explicit ConfigError(std::vector<std::string> problems);
    const std::vector<std::string>& problems() const { return problems_; }

private:
    std::vector<std::string> problems_;
};

struct ReadConfigOptions {
    std::vector<std::string> set; ///< "key=value" of the command line, TOML values; they win over the file
    bool files_must_exist = true; ///< whether a missing trajectory or structure is a problem
    std::string point = "";       ///< of a sweep, name or number from 0: read as if it were all there is
};

/// Read and check an input file, all of it: unknown keys (with the nearest known one), types, ranges,
/// choices, files that are missing. A sweep is checked at every point.
/// @throws ConfigError with all problems at once, in the order of the file
[[nodiscard]] Config read_config(const std::string& path, const ReadConfigOptions& options = {});

/// The same from text; `path` is for messages and relative files only.
[[nodiscard]] Config parse_config(const std::string& text, const std::string& path,
                                  const ReadConfigOptions& options = {});

/// Every key with its value, as TOML that reads back to the same (--print-config).
[[nodiscard]] std::string to_toml(const Config& config);

/// The keys of one stage only: what its results depend on (no names, folders, threads).
/// @param stage  "md", "sites", "msm" or "meso"
[[nodiscard]] std::string stage_options(const Config& config, const std::string& stage);

/// The reference page of all keys, Markdown (docs/config.md).
[[nodiscard]] std::string config_reference();

/// A short commented input file to start from (`mesolith new`).
[[nodiscard]] std::string config_template();

} // namespace mesolith
