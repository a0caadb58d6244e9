#pragma once
#include <vector>

namespace mesolith {

/// Integrated correlation time of a stationary series, in samples,
///   tau = 1/2 + sum_{t >= 1} rho(t),   summed up to the first t >= 6 tau (A. Sokal, Monte Carlo Methods in
///   Statistical Mechanics, 1996, eq. 3.19).
/// 0.5 for independent samples and for a constant series. Stretches (one per trajectory) share their mean and
/// are never joined.
/// @throws DataError when there is no sample, or one is not finite
/// Cost: O(n tau).
[[nodiscard]] double correlation_time(const std::vector<std::vector<double>>& stretches);

/// Block length with the smallest mean square error of a block estimate of a variance, for a series of total
/// length `total` whose correlations decay with `tau`: the bias is -tau/b of the variance, its relative
/// variance 2 b/total, so that b = (tau^2 total)^(1/3) (H. R. Kuensch, Ann. Stat. 17, 1217 (1989)). Any unit,
/// the same for all.
[[nodiscard]] double best_block_length(double tau, double total);

} // namespace mesolith
