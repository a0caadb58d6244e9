#include "mapping.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "mesolith/io/structure_file.hpp"
#include "mesolith/io/trajectory_file.hpp"

#include "density_placement.hpp"
#include "stage.hpp"

namespace mesolith {
namespace {

std::unique_ptr<FrameSource> open_file(const Config& config, const TrajectorySection& section,
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

double interval_of(const FrameSource& source, const std::string& path) {
    const auto interval = source.header().frame_interval;
    if (!interval || !(*interval > 0) || !std::isfinite(*interval))
        throw InputError(
            fmt::format("{}: the time between two frames is unknown (the file does not tell). Set "
                        "frame_interval_ps, or timestep_ps if the file counts steps, in [[trajectory]]",
                        path));
    return *interval;
}

ContinuousOptions range_of(const Config& config, const TrajectorySection& section, double interval) {
    ContinuousOptions o;
    o.first_frame = std::llround(std::ceil(section.discard / interval - 1e-6));
    if (section.end) o.last_frame = std::llround(std::floor(*section.end / interval + 1e-6));
    o.stride = section.stride;
    o.drift = config.ions.drift;
    o.mobile = config.ions.mobile;
    o.step_warning = config.ions.step_warning;
    return o;
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

AssignmentOptions assignment_options(const Config& config,
                                     const std::shared_ptr<const DensitySites>& density) {
    AssignmentOptions o{config.sites.assignment, config.sites.core_radius,
                        config.sites.core_radius_per_orbit};
    o.shrink_cores = density != nullptr; // nobody knows beforehand how near the sites are
    if (density && o.method == Assignment::watershed)
        o.basins = std::shared_ptr<const BasinMap>(density, &density->basins);
    return o;
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

} // namespace

OpenTrajectory::OpenTrajectory(const Config& config, const TrajectorySection& section)
    : path(config.resolve(section.file)), source(open_file(config, section, path)),
      frame_interval(interval_of(*source, path)), options(range_of(config, section, frame_interval)),
      frames(*source, options) {}

OpenTrajectory::OpenTrajectory(const Config& config, std::unique_ptr<FrameSource> given)
    : path(given->header().path), source(std::move(given)), frame_interval(interval_of(*source, path)),
      options(range_of(config, TrajectorySection{}, frame_interval)), frames(*source, options) {}

void OpenTrajectory::gather(const Frame& frame, std::vector<Vec3>& ions) const {
    ions.clear();
    for (const std::size_t atom : frames.mobile_atoms()) ions.push_back(frame.positions[atom]);
}

Vec3 OpenTrajectory::framework_mean(const Frame& frame) const {
    Vec3 mean = Vec3::Zero();
    for (const std::size_t atom : frames.framework_atoms()) mean += frame.positions[atom];
    return mean / static_cast<double>(std::max<std::size_t>(frames.framework_atoms().size(), 1));
}

std::vector<std::string> OpenTrajectory::framework_species() const {
    std::vector<std::string> species;
    for (const std::size_t atom : frames.framework_atoms()) species.push_back(source->header().species[atom]);
    return species;
}

SiteDefinition::SiteDefinition(const Config& config, const std::vector<TrajectorySection>& trajectories)
    : config_(config) {
    switch (config.sites.source) {
    case SiteSource::structure:
        structure_ = read_structure(config.resolve(config.sites.structure));
        break;
    case SiteSource::averaged:
        found_ = averaged_sites(config, trajectories.front());
        break;
    case SiteSource::density: {
        OpenTrajectory trajectory(config, trajectories.front());
        DensityPlacement found = place_on_density(trajectory, config, site_options(config));
        found_ = std::move(found.placement);
        density = std::move(found.density);
        break;
    }
    }
}

SitePlacement SiteDefinition::register_on_crystal(const OpenTrajectory& trajectory,
                                                  std::vector<std::string>& warnings) {
    SitePlacement placement = placement_of(trajectory);
    for (const std::string& text : placement.warnings) warn(warnings, trajectory.path + ": " + text);
    keep(trajectory, placement);
    return placement;
}

void SiteDefinition::keep(const OpenTrajectory& trajectory, const SitePlacement& placement) {
    if (stored.sites.size() == 0) {
        stored.sites = placement.sites;
        stored.framework_species = trajectory.framework_species();
        stored.framework_positions = placement.framework;
        stored.framework_rms = placement.framework_rms;
        stored.assignment = assignment_options(config_, density);
    } else {
        expect_same_sites(stored.sites, placement.sites, trajectory.path);
        stored.framework_rms = std::max(stored.framework_rms, placement.framework_rms);
    }
}

SitePlacement SiteDefinition::placement_of(const OpenTrajectory& trajectory) const {
    if (config_.sites.source == SiteSource::structure)
        return place_on(structure_, trajectory, config_, site_options(config_));
    if (stored.sites.size() == 0) return found_;
    SiteOptions as_it_is = site_options(config_);
    as_it_is.species = {config_.ions.mobile.front()};
    as_it_is.repetition = IVec3::Ones();
    as_it_is.folding = Folding::none;
    return place_on(placed_crystal(stored, config_.ions.mobile.front()), trajectory, config_, as_it_is);
}

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

IonMapping::IonMapping(const Config& config, const OpenTrajectory& trajectory, const SiteSet& sites,
                       const AssignmentOptions& assignment)
    : mapper(make_mapper(sites, assignment, trajectory.frames.mobile_atoms().size(),
                         trajectory.used_interval())),
      msd(raw_msd_lags(config, trajectory.used_interval()), trajectory.frames.mobile_atoms().size(),
          trajectory.used_interval()),
      collective(trajectory.frames.mobile_atoms().size(), trajectory.used_interval()) {}

void IonMapping::add(const OpenTrajectory& trajectory, const Frame& frame) {
    trajectory.gather(frame, ions_);
    mapper.add_frame(ions_);
    msd.add_frame(ions_);
    collective.add_frame(ions_, trajectory.framework_mean(frame));
}

StoredTrajectory IonMapping::finish(const OpenTrajectory& trajectory, const Vec3& offset) {
    StoredTrajectory result;
    result.diagnostics = mapper.diagnostics();
    result.trajectory = mapper.finish();
    result.msd = msd.finish();
    result.collective = collective.finish();
    result.continuity = trajectory.frames.report();
    result.source = trajectory.path;
    result.format = trajectory.source->header().format;
    result.first_frame = trajectory.options.first_frame;
    result.stride = trajectory.options.stride;
    result.offset = offset;
    return result;
}

SiteMapper make_mapper(const SiteSet& sites, const AssignmentOptions& assignment, std::size_t n_ions,
                       double used_interval) {
    try {
        return SiteMapper(sites, assignment, n_ions, used_interval);
    } catch (const DataError& error) {
        throw InputError(fmt::format("[sites] does not fit the crystal: {}", error.what()));
    }
}

std::vector<std::int64_t> raw_msd_lags(const Config& config, double interval) {
    const auto frames = [&](double time) { return std::max<std::int64_t>(1, std::llround(time / interval)); };
    return msd_lags(frames(config.msm.longest_msd_lag()), 48, frames(config.msm.fit_window[0]),
                    frames(config.msm.fit_window[1]));
}

} // namespace mesolith
