#pragma once
#include <cstdint>
#include <vector>

#include "mesolith/msm/estimate_kernel.hpp"
#include "mesolith/msm/transition_counts.hpp"

namespace mesolith {

/// Error of the diffusion tensor by linearisation.
struct DeltaMethod {
    Mat3 error = Mat3::Zero();   ///< standard error of each component of D [A^2/ps]
    std::vector<Mat3> influence; ///< dD/dw_b, w_b the weight of time block b [A^2/ps]; they sum to zero

    std::vector<std::int32_t> jump; ///< of each transition: jump_numbers(counts)
    /// Per jump: dD/d ln C, what D changes by when all counts of the jump grow by one relative unit [A^2/ps].
    std::vector<Mat3> gradient;
    /// Per jump: its part of the variance of D_xx, D_yy, D_zz (covariance of its own influence with that of
    /// all, over the variance). Sums to 1, may be negative; zero where D_aa has no error.
    std::vector<Vec3> share;
};

/// Standard error of D from the counts of the time blocks without resampling (infinitesimal jackknife: L.
/// Jaeckel, Bell Labs Memorandum 72-1215-11 (1972); B. Efron, The Jackknife, the Bootstrap and Other
/// Resampling Plans (1982)):
///
///     Var(D_ab) = sum over blocks (dD_ab/dw_b)^2,    dD/dw_b = sum over transitions (dD/dC_t) C_t(block b)
///
/// with the exact derivative of D through flows and estimator. For detailed balance 2 tau D = sum g u u^T /
/// sum g is stationary in the corrector: dD/dg needs no solve, dg/dC one with the factorised Hessian of the
/// estimator. Non-reversible: adjoint solves for the stationary vector and the corrector. To first order the
/// same as the bootstrap with many resamplings; too small where few hops carry D, as all linearisations.
///
/// @throws as estimate_kernel and exact_transport
/// Cost: one estimate, one exact_transport and O(block entries)
[[nodiscard]] DeltaMethod delta_method(const TransitionCounts& counts, const SiteBasis& basis,
                                       const EstimatorOptions& options);

} // namespace mesolith
