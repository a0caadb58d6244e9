#pragma once
#include <cmath>
#include <vector>

#include "mesolith/observables/msd.hpp"

namespace mesolith {

/// How to take the slope of an MSD within a window: D = sum over lags of weight x MSD, a straight line with
/// free intercept by generalised least squares (A. R. McCluskey, S. W. Coles, B. J. Morgan, J. Chem. Theory
/// Comput. 21, 79 (2025): MSD values of different lags share their windows and are strongly correlated).
///
/// The covariance that weights them is that of a random walk seen through all windows of the given
/// trajectories,
///
///     cov(x_a, x_b)  ~  sum_{t, u} overlap([t, t + a), [u, u + b))^2 / (n_a n_b),
///
/// for long trajectories and a << b var(x_a) n_a / n_b as in the paper, with n the number of independent
/// windows; here it is summed exactly. It holds for every diffusivity at once, so that the weights do not
/// depend on the data: estimates are unbiased for every MSD that is a straight line in the window. The size
/// of the errors comes from the data alone (estimate_slope).
struct SlopeEstimator {
    double begin = 0, end = 0;            ///< shortest and longest lag used [ps]
    std::vector<std::size_t> lags;        ///< indices into MsdSums::lag_frames, ascending
    std::vector<double> weight;           ///< of the MSD at these lags, for D [1/ps]
    std::vector<double> intercept_weight; ///< for the intercept
    /// Share of the variance of D that the scatter of block values shows, for a random walk: windows reach
    /// into the next block, so that blocks are alike and scatter too little. 1 when blocks are long.
    double seen_by_blocks = 1;
    /// The correlation matrix was replaced by (1 - shrinkage) times itself + shrinkage times the identity:
    /// the smallest power of ten from 1e-10 on that makes it numerically positive definite, 0 when it is.
    double shrinkage = 0;
};

/// Weights for the lags within [begin, end] ps (at most 16 of them, evenly chosen).
/// @param sums    one per trajectory, same lags; only their lengths and lags are used
/// @param blocks  time blocks whose scatter will give the errors
/// @throws DataError when fewer than two lags lie in the window, or no trajectory is long enough for them
/// Cost O(lags^2 x longest lag x blocks), about 10 ms.
[[nodiscard]] SlopeEstimator gls_estimator(const std::vector<MsdSums>& sums,
                                           const std::vector<TimeBlock>& blocks, double begin, double end);

/// The same window and blocks with the weights of ordinary least squares.
[[nodiscard]] SlopeEstimator ols_estimator(const std::vector<MsdSums>& sums,
                                           const std::vector<TimeBlock>& blocks, double begin, double end);

struct SlopeEstimate {
    Vec3 diffusivity = Vec3::Zero(); ///< slope / 2 per axis [A^2/ps]
    Mat3 covariance = Mat3::Zero();  ///< of the three, from the scatter over time blocks; NaN for < 2 blocks
    Vec3 intercept = Vec3::Zero();   ///< [A^2]
    /// What each block adds: with block weights w of mean 1, D becomes D + sum_b (w_b - 1) influence_b.
    std::vector<Vec3> influence;

    Vec3 error() const { return covariance.diagonal().cwiseSqrt(); }
    double mean() const { return diffusivity.mean(); }
    double mean_error() const { return std::sqrt(covariance.sum()) / 3; } ///< of mean(): axes are correlated
};

/// D and its errors: each block gives its own value (all ions together: they are correlated), and the scatter
/// of these, divided by `seen_by_blocks`, is the variance. With B blocks an error is itself known to
/// 1 / sqrt(2 (B - 1)) of its size.
[[nodiscard]] SlopeEstimate estimate_slope(const SlopeEstimator& estimator, const std::vector<MsdSums>& sums,
                                           const std::vector<TimeBlock>& blocks);

/// Where a straight line may be fitted.
struct DiffusiveWindow {
    double begin = 0, end = 0; ///< [ps]
    bool found = false;        ///< whether the slope stops changing before the end
};

/// From the smallest lag t from which on the slope of the MSD is the same between t and 2t as between 2t and
/// 4t: within two standard errors of the difference for the mean of the axes, three for each (there the MSD
/// above its intercept grows with the power 1 of time); to the longest lag that fits ten times into the
/// longest trajectory. When the slope never stops changing: from a quarter of the end on, found = false.
/// @throws DataError when fewer than four lags are that short
[[nodiscard]] DiffusiveWindow diffusive_window(const std::vector<MsdSums>& sums,
                                               const std::vector<TimeBlock>& blocks);

} // namespace mesolith
