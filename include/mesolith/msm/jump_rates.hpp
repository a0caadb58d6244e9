#pragma once
#include <string>
#include <vector>

#include "mesolith/core/nan.hpp"
#include "mesolith/msm/matrix_logarithm.hpp"

namespace mesolith {

/// Jumps and the time on each site, resolved by block: transitions at a lag of one frame, unassigned
/// stretches bridged as in list_jumps (the ion stays where it was until its first frame on the next site).
/// Entries (j, j, 0) are frames after which the ion was still there, so that a column's sum times the frame
/// interval is the time t_j on site j, with the stays cut off at the start and the end of each trajectory.
/// Before its first site and after its last one an ion counts nowhere.
/// @throws DataError when a trajectory has fewer than two frames
[[nodiscard]] TransitionCounts count_jumps(const std::vector<SiteTrajectory>& trajectories,
                                           const SiteSet& sites, const std::vector<TimeBlock>& blocks);

struct RateOptions {
    bool detailed_balance = true;
    /// Stationary distribution imposed with detailed balance, one per basis site (need not be normalised);
    /// empty = the share of time spent on each site.
    std::vector<double> stationary = {};
};

/// Maximum-likelihood rates of fully observed paths, L = prod K_ij(R)^N_ij(R) exp(-sum_j exit_j t_j):
///   as they are              K_ij(R) = N_ij(R) / t_j
///   with detailed balance    flow = (N_ij(R) + N_ji(-R)) / (t_j / pi_j + t_i / pi_i),  K_ij(R) = flow / pi_j
/// the second for given pi. Cut-off stays need nothing more: a stay that goes on at the end of the data
/// counts with its time and no jump. Frames must be short against the stays: two jumps within one are seen as
/// one.
/// @param jumps    count_jumps
/// @param weights  one per block (bootstrap), empty = all 1
/// @throws DataError when there are no counts, or a site of given weight was never visited but jumps lead to
/// it
[[nodiscard]] Generator estimate_rates(const TransitionCounts& jumps, const SiteBasis& basis,
                                       const RateOptions& options = {}, std::span<const double> weights = {});

/// ln L of the jumps above; -inf when a jump was seen that has no rate.
[[nodiscard]] double path_log_likelihood(const TransitionCounts& jumps, const Generator& generator);

/// D of one way to rates in continuous time.
struct RateComparison {
    std::string method;                           ///< "uniformised", "logarithm", "jump events"
    bool accepted = false;                        ///< rates exist
    Mat3 diffusivity = Mat3::Constant(nan_value); ///< [A^2/ps]
    Mat3 error = Mat3::Constant(nan_value);       ///< standard error, where resampled
    std::string text;                             ///< what it is, or why it was refused
};

struct RateComparisonOptions {
    LogarithmOptions logarithm;
    RateOptions rates;
    int n_resamplings = 0; ///< of the jump events' blocks; 0: no errors
    std::uint64_t seed = 1;
};

/// The three generators of one kernel side by side: (M - I) / tau, log(M) / tau, and jump events.
/// @param jumps  null: without the third
[[nodiscard]] std::vector<RateComparison> compare_rates(const Kernel& kernel, const TransitionCounts* jumps,
                                                        const RateComparisonOptions& options = {});

} // namespace mesolith
