#pragma once
#include <string>
#include <vector>

#include "mesolith/crystal/site_set.hpp"
#include "mesolith/msm/time_blocks.hpp"
#include "mesolith/observables/msd.hpp"
#include "mesolith/sites/site_trajectory.hpp"

namespace mesolith {

/// The time blocks whose weights are resampled.
struct BlockChoice {
    std::vector<TimeBlock> blocks;
    double length = 0;           ///< [ps]
    double correlation_time = 0; ///< slowest of the data looked at [ps]; 0 when the length was asked for
    std::string reason;
};

/// Cut the data into time blocks, whole bins of the MSD, so that MSD and counts are resampled alike. The
/// length comes from the slowest correlation time of what D and pi are made of: squared displacements over
/// `window`, the number of ions on each orbit of sites (best_block_length); at most an eighth of the data.
/// @param raw_msd  one per trajectory
/// @param window   [ps]
/// @param wanted   length [ps]; 0 = found
[[nodiscard]] BlockChoice choose_blocks(const std::vector<SiteTrajectory>& trajectories, const SiteSet& sites,
                                        const std::vector<MsdSums>& raw_msd, double window,
                                        double wanted = 0);

} // namespace mesolith
