#include "density_placement.hpp"

#include <numeric>

#include <fmt/format.h>

namespace mesolith {
namespace {

/// Without symmetry every site is of its own kind.
SiteSet unfolded(const Cell& cell, const std::vector<Vec3>& positions, const std::string& species,
                 double tolerance) {
    std::vector<Vec3> fractional;
    for (const Vec3& r : positions) fractional.push_back(cell.to_fractional(r));
    std::vector<std::int32_t> orbit(positions.size());
    std::iota(orbit.begin(), orbit.end(), 0);
    return fold_sites(cell, fractional, orbit, species, {Vec3::Zero()}, tolerance);
}

} // namespace

DensityPlacement place_on_density(OpenTrajectory& trajectory, const Config& config,
                                  const SiteOptions& options) {
    const Cell& cell = trajectory.frames.reference_cell();
    const auto& framework_atoms = trajectory.frames.framework_atoms();
    const std::size_t n_ions = trajectory.frames.mobile_atoms().size();
    DensityPlacement result;
    SitePlacement& placement = result.placement;
    std::vector<Vec3> positions;
    try {
        DensityAccumulator density(VoxelGrid(cell, config.sites.density.spacing), n_ions);
        placement.framework.assign(framework_atoms.size(), Vec3::Zero());
        std::vector<Vec3> ions;
        double n = 0;
        for_each_frame(trajectory, "density of the ions", [&](const Frame& frame) {
            trajectory.gather(frame, ions);
            density.add_frame(ions);
            for (std::size_t k = 0; k < framework_atoms.size(); ++k)
                placement.framework[k] += frame.positions[framework_atoms[k]];
            n += 1;
        });
        for (Vec3& r : placement.framework) r /= n;
        result.density = std::make_shared<DensitySites>(
            find_density_sites(density.grid(), density.finish(), n_ions, config.sites.density));
    } catch (const DataError& error) {
        throw InputError(fmt::format("{}: [sites] source = \"density\" finds no sites: {}", trajectory.path,
                                     error.what()));
    }
    for (const DensitySite& site : result.density->sites) positions.push_back(site.peak.position);
    placement.warnings = result.density->warnings;

    const std::string& species = config.ions.mobile.front();
    try {
        placement.sites = sites_from_positions(cell, positions, trajectory.framework_species(),
                                               placement.framework, species, options);
    } catch (const DataError& error) {
        placement.sites = unfolded(cell, positions, species, options.symmetry_tolerance);
        placement.warnings.push_back(fmt::format(
            "The density sites are not folded, each counts as a kind of its own: {}", error.what()));
    }
    return result;
}

} // namespace mesolith
