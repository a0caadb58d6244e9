#pragma once
#include <string>
#include <vector>

#include "mesolith/msm/time_blocks.hpp"
#include "mesolith/observables/collective.hpp"
#include "mesolith/observables/msd.hpp"

namespace mesolith {

struct DirectOptions {
    double begin = 0, end = 0; ///< lags of the fit [ps]; end = 0: found (diffusive_window)
};

/// Diffusion straight from a trajectory, no model between: what a model is compared with.
struct DirectTransport {
    std::size_t n_ions = 0;    ///< of one trajectory
    double begin = 0, end = 0; ///< lags of the fit [ps]
    bool window_given = true;  ///< else it was found
    bool straight = true;      ///< whether the slope stops changing in a window that was found
    std::string method;        ///< in words, for tables
    std::size_t n_blocks = 0;  ///< time blocks behind the errors
    double windows =
        0; ///< independent windows of the longest lag: duration / lag. Few: rough collective values

    Vec3 tracer = Vec3::Zero();            ///< D* of a tagged ion per axis [A^2/ps]
    Mat3 tracer_covariance = Mat3::Zero(); ///< of its three components
    /// What each block adds: with block weights w of mean 1 (bootstrap_weights) D* becomes
    /// D* + sum_b (w_b - 1) tracer_influence_b: errors of differences to results with the same weights.
    std::vector<Vec3> tracer_influence;
    Estimate tracer_mean; ///< of the three axes

    bool has_collective = false;                                     ///< else all below is NaN
    Vec3 collective = Vec3::Zero(), collective_error = Vec3::Zero(); ///< D_J, charge [A^2/ps]
    Estimate collective_mean;
    Vec3 haven = Vec3::Zero(), haven_error = Vec3::Zero(); ///< H = D* / D_J, errors from the same blocks
    Estimate haven_mean;                                   ///< mean D* over mean D_J

    Vec3 tracer_error() const { return tracer_covariance.diagonal().cwiseSqrt(); }
};

/// D*, D_J and the Haven ratio from stored sums, all with the same window, weights and time blocks
/// (observables/msd_gls.hpp). Works as well on the site-projected trajectory (projected_msd,
/// projected_collective).
///
/// All ions together make one collective displacement: D_J has the scatter of a single random walker, about
/// sqrt(n_ions) times the relative error of D*, and the ratio that of D_J. Errors of the ratio are to first
/// order.
///
/// @param single      MSD of single ions, one per trajectory, same lags
/// @param collective  one per trajectory; empty (older files): only D*
/// @throws DataError  fewer than two lags in the window, frames or ions that differ
[[nodiscard]] DirectTransport direct_transport(const std::vector<MsdSums>& single,
                                               const std::vector<CollectiveDisplacement>& collective,
                                               const std::vector<TimeBlock>& blocks,
                                               const DirectOptions& options = {});

} // namespace mesolith
