#include <algorithm>
#include <cmath>
#include <filesystem>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "mesolith/io/file.hpp"
#include "mesolith/pipeline/stages.hpp"

#include "mapping.hpp"
#include "site_stream.hpp"
#include "stage.hpp"

namespace mesolith {
namespace {

namespace fs = std::filesystem;

StoredTrajectory map_ions(OpenTrajectory& trajectory, const SiteSet& sites,
                          const AssignmentOptions& assignment, const Vec3& offset, const Config& config) {
    IonMapping mapping(config, trajectory, sites, assignment);
    trajectory.frames.set_offset(offset);
    for_each_frame(trajectory, "mapping " + fs::path(trajectory.path).filename().string(),
                   [&](const Frame& frame) { mapping.add(trajectory, frame); });
    return mapping.finish(trajectory, offset);
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
    if (config.sites.assignment == Assignment::nearest && d.doubly_occupied_fraction > 0.2)
        warn(warnings,
             fmt::format(
                 "{}: in {:.0f} % of the frames some site holds two ions by the nearest-site rule; core "
                 "sets (assignment = \"core\") are less sensitive to that",
                 t.source, 100 * d.doubly_occupied_fraction));
    const auto shrunk = std::count_if(d.core_radius.begin(), d.core_radius.end(),
                                      [&](double r) { return r < config.sites.core_radius * (1 - 1e-9); });
    if (config.sites.assignment == Assignment::core && config.sites.core_radius_per_orbit.empty() &&
        shrunk > 0)
        warn(warnings,
             fmt::format("{}: {} of {} kinds of sites are so near to others that their core radius is less "
                         "than {:g} A (the smallest {:.2f} A)",
                         t.source, shrunk, d.core_radius.size(), config.sites.core_radius,
                         *std::min_element(d.core_radius.begin(), d.core_radius.end())));
    if (d.distance_quantiles.size() == 5 && d.distance_quantiles[3] > d.half_site_distance)
        warn(warnings,
             fmt::format(
                 "{}: 5 % of the time ions are more than {:.2f} A from the nearest site, while half the "
                 "smallest distance between sites is {:.2f} A: are sites missing?",
                 t.source, d.distance_quantiles[3], d.half_site_distance));
}

std::vector<InputFile> input_files(const Config& config, const std::vector<TrajectorySection>& trajectories,
                                   const std::optional<Provenance>& existing) {
    std::vector<std::string> paths = config.streamed_replicas();
    for (const TrajectorySection& t : trajectories) {
        paths.push_back(config.resolve(t.file));
        if (!t.cell_file.empty()) paths.push_back(config.resolve(t.cell_file));
    }
    if (config.sites.source == SiteSource::structure) paths.push_back(config.resolve(config.sites.structure));
    std::vector<InputFile> known = existing ? existing->inputs : std::vector<InputFile>{}, inputs;
    for (const std::string& path : paths) inputs.push_back(describe_input(path, known));
    return inputs;
}

/// Trajectory files, one after the other.
void map_files(const Config& config, const std::vector<TrajectorySection>& sections, StoredSites& stored,
               std::shared_ptr<const DensitySites>& density, std::vector<StoredTrajectory>& mapped,
               std::vector<std::string>& warnings) {
    if (sections.empty())
        throw InputError(
            fmt::format("{}: holds no trajectory of molecular dynamics. Run `mesolith md` first, or "
                        "`mesolith run`",
                        RunFiles(config.run.output).folder));
    SiteDefinition definition(config, sections);
    for (const TrajectorySection& section : sections) {
        OpenTrajectory trajectory(config, section);
        spdlog::info("sites: {}", trajectory.path);
        if (!mapped.empty() &&
            std::abs(trajectory.used_interval() / mapped.front().trajectory.frame_interval - 1) > 1e-6)
            throw InputError(fmt::format(
                "{}: a used frame every {:g} ps, but every {:g} ps in the first trajectory (their "
                "counts cannot be added). Set stride to make them equal",
                trajectory.path, trajectory.used_interval(), mapped.front().trajectory.frame_interval));
        if (definition.density && mapped.empty()) spdlog::info("  {}", definition.density->statement);
        const SitePlacement placement = definition.register_on_crystal(trajectory, warnings);
        // Each run has its own cell (thermal expansion, another barostat): sites keep their fractional
        // coordinates.
        SiteSet sites = definition.stored.sites;
        sites.cell = trajectory.frames.reference_cell();
        mapped.push_back(map_ions(trajectory, sites, definition.stored.assignment, placement.offset, config));
        for (const std::string& note : trajectory.source->notes())
            warn(warnings, trajectory.path + ": " + note);
    }
    stored = definition.stored;
    density = definition.density;
}

/// Replicas that molecular dynamics mapped while they ran.
void collect_streamed(const Config& config, StoredSites& stored, std::vector<StoredTrajectory>& mapped,
                      std::vector<std::string>& warnings) {
    const RunFiles files(config.run.output);
    const std::vector<std::string> replicas = config.streamed_replicas();
    if (replicas.empty() || !fs::exists(files.md))
        throw InputError(fmt::format("{}: holds no {} (md.write_trajectory is false). Run `mesolith md` "
                                     "first, or `mesolith run`",
                                     files.folder,
                                     replicas.empty() ? "replica that was mapped"
                                                      : "molecular dynamics that came to its end"));
    const std::string mapping = mapping_of(config);
    for (const std::string& path : replicas) {
        StreamedReplica replica = read_streamed_replica(path);
        if (replica.mapping != mapping)
            throw InputError(path + ": was mapped with other options of [ions], [sites] or [msm], or onto "
                                    "another crystal, and there is no trajectory to map again "
                                    "(md.write_trajectory is false). Run `mesolith md` again");
        for (const std::string& text : replica.warnings) warn(warnings, text);
        if (mapped.empty()) {
            stored = std::move(replica.sites);
        } else {
            expect_same_sites(stored.sites, replica.sites.sites, path);
            stored.framework_rms = std::max(stored.framework_rms, replica.sites.framework_rms);
        }
        mapped.push_back(std::move(replica.trajectory));
    }
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
    StoredSites stored;
    std::shared_ptr<const DensitySites> density;
    std::vector<StoredTrajectory> mapped;
    if (config.streams())
        collect_streamed(config, stored, mapped, provenance.warnings);
    else
        map_files(config, sections, stored, density, mapped, provenance.warnings);
    for (const StoredTrajectory& t : mapped) judge_mapping(t, stored.sites, config, provenance.warnings);
    drop_empty_lags(mapped);

    Hdf5File file = Hdf5File::create(files.sites);
    write(file, provenance);
    Hdf5Group sites = file.create_group("sites");
    write(sites, stored);
    if (density) {
        Hdf5Group group = sites.create_group("density");
        write(group, *density);
    }
    for (std::size_t k = 0; k < mapped.size(); ++k) {
        Hdf5Group group = file.create_group(fmt::format("trajectories/{}", k));
        write(group, mapped[k]);
    }
    file.commit();
    spdlog::info("sites: wrote {}", files.sites);
    return StageOutcome::done;
}

} // namespace mesolith
