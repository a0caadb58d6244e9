#include <algorithm>
#include <cmath>
#include <filesystem>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "mesolith/core/interrupt.hpp"
#include "mesolith/core/progress.hpp"
#include "mesolith/io/file.hpp"
#include "mesolith/io/structure_file.hpp"
#include "mesolith/io/trajectory_file.hpp"
#include "mesolith/pipeline/stages.hpp"
#include "mesolith/sites/build_sites.hpp"

#include "stage.hpp"

namespace mesolith {
namespace {

namespace fs = std::filesystem;

/// A trajectory from its file to continuous, drift-free frames. The order of the members is that of their
/// dependence.
struct OpenTrajectory {
    std::string path;
    std::unique_ptr<FrameSource> source;
    double frame_interval; // of the file [ps]
    ContinuousOptions options;
    ContinuousTrajectory frames;

    OpenTrajectory(const Config& config, const TrajectorySection& section)
        : path(config.resolve(section.file)), source(open(config, section, path)),
          frame_interval(interval_of(*source, path)), options(range_of(config, section, frame_interval)),
          frames(*source, options) {}

    double used_interval() const { return frame_interval * static_cast<double>(options.stride); } // [ps]

    static std::unique_ptr<FrameSource> open(const Config& config, const TrajectorySection& section,
                                             const std::string& path) {
        TrajectoryFileOptions file;
        file.format = section.format;
        file.cell_file = config.resolve(section.cell_file);
        file.type_map = section.types;
        file.frame_interval_ps = section.frame_interval;
        file.timestep_ps = section.timestep;
        file.wrapping = section.wrapping;
        return open_trajectory(path, file);
    }

    static double interval_of(const FrameSource& source, const std::string& path) {
        const auto interval = source.header().frame_interval;
        if (!interval || !(*interval > 0) || !std::isfinite(*interval))
            throw InputError(
                fmt::format("{}: the time between two frames is unknown (the file does not tell). Set "
                            "frame_interval_ps, or timestep_ps if the file counts steps, in [[trajectory]]",
                            path));
        return *interval;
    }

    static ContinuousOptions range_of(const Config& config, const TrajectorySection& section,
                                      double interval) {
        ContinuousOptions o;
        o.first_frame = std::llround(std::ceil(section.discard / interval - 1e-6));
        if (section.end) o.last_frame = std::llround(std::floor(*section.end / interval + 1e-6));
        o.stride = section.stride;
        o.drift = config.ions.drift;
        o.mobile = config.ions.mobile;
        o.step_warning = config.ions.step_warning;
        return o;
    }

    void gather(const Frame& frame, std::vector<Vec3>& ions) const {
        ions.clear();
        for (const std::size_t atom : frames.mobile_atoms()) ions.push_back(frame.positions[atom]);
    }
    std::vector<std::string> framework_species() const {
        std::vector<std::string> species;
        for (const std::size_t atom : frames.framework_atoms())
            species.push_back(source->header().species[atom]);
        return species;
    }
};

/// Call f(frame) for all used frames, with a progress bar; stops at Ctrl-C.
template <class F>
void for_each_frame(OpenTrajectory& trajectory, const std::string& title, F&& f) {
    Progress progress(title);
    Frame frame;
    while (trajectory.frames.read(frame)) {
        throw_if_interrupted();
        f(frame);
        progress.update(trajectory.source->fraction_read());
    }
    progress.finish();
}

SiteOptions site_options(const Config& config) {
    const SiteSection& s = config.sites;
    SiteOptions o;
    o.species = s.species;
    o.repetition = s.repetition;
    o.max_strain = s.max_strain;
    o.symmetry_tolerance = s.symmetry_tolerance;
    o.folding = s.folding;
    return o;
}

AssignmentOptions assignment_options(const Config& config) {
    return {config.sites.assignment, config.sites.core_radius, config.sites.core_radius_per_orbit};
}

SitePlacement place_on(const Structure& structure, const OpenTrajectory& trajectory, const Config& config,
                       const SiteOptions& options) {
    const Frame& first = trajectory.frames.first_frame();
    return place_sites(structure, trajectory.frames.reference_cell(), trajectory.source->header().species,
                       first.positions, config.ions.mobile, options);
}

/// Mean positions of ions and framework over a trajectory of their own.
SitePlacement averaged_sites(const Config& config, const TrajectorySection& section) {
    OpenTrajectory trajectory(config, section);
    std::vector<Vec3> sum(trajectory.source->header().n_atoms(), Vec3::Zero());
    double n = 0;
    for_each_frame(trajectory, "averaging positions", [&](const Frame& frame) {
        for (std::size_t k = 0; k < sum.size(); ++k) sum[k] += frame.positions[k];
        n += 1;
    });
    const auto mean_of = [&](const std::vector<std::size_t>& atoms) {
        std::vector<Vec3> mean;
        for (const std::size_t atom : atoms) mean.push_back(sum[atom] / n);
        return mean;
    };
    SitePlacement placement;
    placement.framework = mean_of(trajectory.frames.framework_atoms());
    placement.sites =
        sites_from_positions(trajectory.frames.reference_cell(), mean_of(trajectory.frames.mobile_atoms()),
                             trajectory.framework_species(), placement.framework, config.ions.mobile.front(),
                             site_options(config));
    return placement;
}

/// The crystal in the simulated cell of the first trajectory, as a structure: what replicas are registered
/// on.
Structure placed_crystal(const StoredSites& stored, const std::string& site_species) {
    Structure crystal;
    crystal.cell = stored.sites.cell;
    for (const Vec3& f : stored.sites.fractional) {
        crystal.fractional.push_back(f);
        crystal.species.push_back(site_species);
    }
    for (std::size_t k = 0; k < stored.framework_positions.size(); ++k) {
        crystal.fractional.push_back(crystal.cell.to_fractional(stored.framework_positions[k]));
        crystal.species.push_back(stored.framework_species[k]);
    }
    return crystal;
}

/// A replica keeps the numbering of the first trajectory: only then do counts add up.
void expect_same_sites(const SiteSet& first, const SiteSet& replica, const std::string& path) {
    bool same = first.size() == replica.size();
    for (std::size_t s = 0; same && s < first.size(); ++s) {
        Vec3 difference = first.fractional[s] - replica.fractional[s];
        difference -= difference.array().round().matrix();
        same = first.cell.to_cartesian(difference).norm() < 0.05;
    }
    if (!same)
        throw InputError(
            fmt::format("{}: the crystal stands in another orientation in the box than in the first "
                        "trajectory (replicas must share the axes). Turn its cell, or run it on its own",
                        path));
}

/// The sites of a run, defined by its first trajectory, and how each trajectory is brought onto them.
class SiteDefinition {
public:
    SiteDefinition(const Config& config, const std::vector<TrajectorySection>& trajectories)
        : config_(config) {
        if (config.sites.source == SiteSource::structure)
            structure_ = read_structure(config.resolve(config.sites.structure));
        else
            averaged_ = averaged_sites(config, trajectories.front());
    }

    /// Where the trajectory stands; the first one defines the sites.
    SitePlacement register_on_crystal(const OpenTrajectory& trajectory, std::vector<std::string>& warnings) {
        SitePlacement placement = placement_of(trajectory);
        for (const std::string& text : placement.warnings) warn(warnings, trajectory.path + ": " + text);
        if (stored.sites.size() == 0) {
            stored.sites = placement.sites;
            stored.framework_species = trajectory.framework_species();
            stored.framework_positions = placement.framework;
            stored.framework_rms = placement.framework_rms;
            stored.assignment = assignment_options(config_);
        } else {
            expect_same_sites(stored.sites, placement.sites, trajectory.path);
            stored.framework_rms = std::max(stored.framework_rms, placement.framework_rms);
        }
        return placement;
    }

    StoredSites stored;

private:
    SitePlacement placement_of(const OpenTrajectory& trajectory) const {
        if (config_.sites.source == SiteSource::structure)
            return place_on(structure_, trajectory, config_, site_options(config_));
        if (stored.sites.size() == 0) return averaged_;
        SiteOptions as_it_is = site_options(config_);
        as_it_is.species = {config_.ions.mobile.front()};
        as_it_is.repetition = IVec3::Ones();
        as_it_is.folding = Folding::none;
        return place_on(placed_crystal(stored, config_.ions.mobile.front()), trajectory, config_, as_it_is);
    }

    const Config& config_;
    Structure structure_;
    SitePlacement averaged_;
};

std::vector<std::int64_t> raw_msd_lags(const Config& config, double interval) {
    const auto frames = [&](double time) { return std::max<std::int64_t>(1, std::llround(time / interval)); };
    return msd_lags(frames(config.msm.longest_msd_lag()), 48, frames(config.msm.fit_window[0]),
                    frames(config.msm.fit_window[1]));
}

/// One pass: each frame is assigned to sites and enters the MSD.
StoredTrajectory map_ions(OpenTrajectory& trajectory, const SiteSet& sites, const Vec3& offset,
                          const Config& config) {
    const double interval = trajectory.used_interval();
    const std::size_t n_ions = trajectory.frames.mobile_atoms().size();
    SiteMapper mapper(sites, assignment_options(config), n_ions, interval);
    MsdAccumulator msd(raw_msd_lags(config, interval), n_ions, interval);
    trajectory.frames.set_offset(offset);
    std::vector<Vec3> ions;
    for_each_frame(trajectory, "mapping " + fs::path(trajectory.path).filename().string(),
                   [&](const Frame& frame) {
                       trajectory.gather(frame, ions);
                       mapper.add_frame(ions);
                       msd.add_frame(ions);
                   });
    StoredTrajectory result;
    result.diagnostics = mapper.diagnostics();
    result.trajectory = mapper.finish();
    result.msd = msd.finish();
    result.continuity = trajectory.frames.report();
    result.source = trajectory.path;
    result.format = trajectory.source->header().format;
    result.first_frame = trajectory.options.first_frame;
    result.stride = trajectory.options.stride;
    result.offset = offset;
    return result;
}

/// MSD lags that no trajectory is long enough for are dropped, the same for all.
void drop_empty_lags(std::vector<StoredTrajectory>& trajectories) {
    std::int64_t longest = 0;
    for (const StoredTrajectory& t : trajectories) longest = std::max(longest, t.trajectory.n_frames);
    for (StoredTrajectory& t : trajectories) {
        MsdSums& m = t.msd;
        MsdSums kept = m;
        kept.sum.clear();
        kept.count.clear();
        std::erase_if(kept.lag_frames, [&](std::int64_t lag) { return lag >= longest; });
        for (std::size_t bin = 0; bin < m.n_bins(); ++bin)
            for (std::size_t lag = 0; lag < kept.lag_frames.size();
                 ++lag) { // lags ascend: the first ones stay
                const std::size_t cell = bin * m.n_lags() + lag;
                kept.count.push_back(m.count[cell]);
                kept.sum.insert(kept.sum.end(), m.sum.begin() + static_cast<std::ptrdiff_t>(3 * cell),
                                m.sum.begin() + static_cast<std::ptrdiff_t>(3 * cell + 3));
            }
        m = std::move(kept);
    }
}

void judge_mapping(const StoredTrajectory& t, const SiteSet& sites, const Config& config,
                   std::vector<std::string>& warnings) {
    const SiteDiagnostics& d = t.diagnostics;
    const ContinuityReport& c = t.continuity;
    spdlog::info("  {} frames of {:g} ps, {} ions on {} sites ({} per repeat unit{}), {} changes of the "
                 "nearest site, {} "
                 "core hops",
                 t.trajectory.n_frames, t.trajectory.frame_interval, t.trajectory.n_ions(), sites.size(),
                 sites.basis.size(), sites.space_group.empty() ? "" : ", " + sites.space_group,
                 d.nearest_changes, d.core_hops);
    if (c.steps_over_limit > 0)
        warn(
            warnings,
            fmt::format("{}: {} steps of an atom between two frames exceed {:g} of a cell edge (the largest, "
                        "{:.2f}, at frame {}): the unwrapping may be wrong. Store frames more often",
                        t.source, c.steps_over_limit, config.ions.step_warning, c.largest_step,
                        c.largest_step_frame));
    const auto unvisited = std::count(d.occupancy.begin(), d.occupancy.end(), 0.0);
    if (unvisited > 0)
        warn(warnings,
             fmt::format("{}: {} of {} sites were never visited", t.source, unvisited, sites.size()));
    if (d.doubly_occupied_fraction > 0.2)
        warn(warnings,
             fmt::format(
                 "{}: in {:.0f} % of the frames some site holds two ions by the nearest-site rule; core "
                 "sets (assignment = \"core\") are less sensitive to that",
                 t.source, 100 * d.doubly_occupied_fraction));
    if (d.distance_quantiles.size() == 5 && d.distance_quantiles[3] > d.half_site_distance)
        warn(warnings,
             fmt::format(
                 "{}: 5 % of the time ions are more than {:.2f} A from the nearest site, while half the "
                 "smallest distance between sites is {:.2f} A: are sites missing?",
                 t.source, d.distance_quantiles[3], d.half_site_distance));
}

std::vector<InputFile> input_files(const Config& config, const std::vector<TrajectorySection>& trajectories,
                                   const std::optional<Provenance>& existing) {
    std::vector<std::string> paths;
    for (const TrajectorySection& t : trajectories) {
        paths.push_back(config.resolve(t.file));
        if (!t.cell_file.empty()) paths.push_back(config.resolve(t.cell_file));
    }
    if (config.sites.source == SiteSource::structure) paths.push_back(config.resolve(config.sites.structure));
    std::vector<InputFile> known = existing ? existing->inputs : std::vector<InputFile>{}, inputs;
    for (const std::string& path : paths) inputs.push_back(describe_input(path, known));
    return inputs;
}

} // namespace

StageOutcome run_sites(const Config& config) {
    const RunFiles files(config.run.output);
    prepare_output_folder(files.folder);
    const auto sections = config.present_trajectories();
    const auto existing = existing_result(files.sites);
    Provenance provenance = new_provenance(config, "sites", input_files(config, sections, existing), "");
    if (is_up_to_date(existing, provenance, files.sites)) return StageOutcome::up_to_date;

    for (const std::string& text : config.warnings) warn(provenance.warnings, text);
    SiteDefinition definition(config, sections);
    std::vector<StoredTrajectory> mapped;
    for (const TrajectorySection& section : sections) {
        OpenTrajectory trajectory(config, section);
        spdlog::info("sites: {}", trajectory.path);
        if (!mapped.empty() &&
            std::abs(trajectory.used_interval() / mapped.front().trajectory.frame_interval - 1) > 1e-6)
            throw InputError(fmt::format(
                "{}: a used frame every {:g} ps, but every {:g} ps in the first trajectory (their "
                "counts cannot be added). Set stride to make them equal",
                trajectory.path, trajectory.used_interval(), mapped.front().trajectory.frame_interval));
        const SitePlacement placement = definition.register_on_crystal(trajectory, provenance.warnings);
        // Each run has its own cell (thermal expansion, another barostat): sites keep their fractional
        // coordinates.
        SiteSet sites = definition.stored.sites;
        sites.cell = trajectory.frames.reference_cell();
        mapped.push_back(map_ions(trajectory, sites, placement.offset, config));
        judge_mapping(mapped.back(), sites, config, provenance.warnings);
    }
    drop_empty_lags(mapped);

    Hdf5File file = Hdf5File::create(files.sites);
    write(file, provenance);
    Hdf5Group sites = file.create_group("sites");
    write(sites, definition.stored);
    for (std::size_t k = 0; k < mapped.size(); ++k) {
        Hdf5Group group = file.create_group(fmt::format("trajectories/{}", k));
        write(group, mapped[k]);
    }
    file.commit();
    spdlog::info("sites: wrote {}", files.sites);
    return StageOutcome::done;
}

} // namespace mesolith
