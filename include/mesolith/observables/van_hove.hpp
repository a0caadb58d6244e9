#pragma once
#include <complex>
#include <span>
#include <vector>

#include "mesolith/msm/transition_counts.hpp"
#include "mesolith/msm/van_hove.hpp"

namespace mesolith {

/// Displacements of a site-projected trajectory over one lag, d = R.A + b_i - b_j as in a kernel, summed by
/// time block: means and block errors come from it later.
struct VanHoveSums {
    std::int64_t lag_frames = 0;
    double frame_interval = 0; ///< [ps]
    DistanceBins bins;
    std::vector<Vec3> wave_vectors;               ///< k [1/A]
    std::vector<double> windows;                  ///< [block]
    std::vector<double> histogram;                ///< [block][bins.n + 1] windows by |d|; the last: beyond
    std::vector<std::complex<double>> scattering; ///< [block][k] sum of exp(-i k.d)

    double lag_time() const { return static_cast<double>(lag_frames) * frame_interval; } ///< [ps]
    std::size_t n_blocks() const { return windows.size(); }
};

/// Sums of counts at one lag: every window knows its d, so that no trajectory is needed.
/// @throws DataError when counts and basis differ in their number of sites, or for bad bins
/// Cost: O(distinct transitions x wave vectors + blocks x distinct transitions x wave vectors).
[[nodiscard]] VanHoveSums van_hove_sums(const TransitionCounts& counts, const SiteBasis& basis,
                                        const DistanceBins& bins, std::span<const Vec3> wave_vectors);

/// The same from events: windows as in count_transitions (they never cross the end of a trajectory, belong to
/// the block in which they start, and are left out when an end is unassigned). One result per lag.
[[nodiscard]] std::vector<VanHoveSums> van_hove_sums(const std::vector<SiteTrajectory>& trajectories,
                                                     const SiteSet& sites, std::span<const std::int64_t> lags,
                                                     const std::vector<TimeBlock>& blocks,
                                                     const DistanceBins& bins,
                                                     std::span<const Vec3> wave_vectors);

/// G_s and F_s with each time block weighted (empty = all 1); NaN where no window is left.
struct VanHoveMeans {
    std::vector<double> probability; ///< per distance bin, as in VanHove
    double beyond = 0;
    std::vector<std::complex<double>> scattering; ///< F_s(k)
};
/// @throws DataError when there is not one weight per block
[[nodiscard]] VanHoveMeans weighted_van_hove(const VanHoveSums& sums, std::span<const double> weights = {});

} // namespace mesolith
