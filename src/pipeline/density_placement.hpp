#pragma once
// Sites from the density of the mobile ions, for source = "density".
#include <memory>

#include "mesolith/sites/density_sites.hpp"

#include "mapping.hpp"

namespace mesolith {

struct DensityPlacement {
    SitePlacement placement; ///< sites in the order of density->sites
    std::shared_ptr<const DensitySites> density;
};

/// One pass over the trajectory. The sites are folded by the symmetry that they and the mean framework have,
/// if any.
/// @throws InputError when the options give no grid or no sites
DensityPlacement place_on_density(OpenTrajectory& trajectory, const Config& config,
                                  const SiteOptions& options);

} // namespace mesolith
