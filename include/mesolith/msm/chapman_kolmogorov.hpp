#pragma once
#include <vector>

#include "mesolith/msm/estimate_kernel.hpp"

namespace mesolith {

/// One point of the Chapman-Kolmogorov test.
struct ChapmanKolmogorovPoint {
    std::int64_t n = 0;      ///< chain length: M(n tau) against M(tau)^n
    double error = 0;        ///< err(n) (Qaisrani et al., eq. 6)
    double floor_median = 0; ///< what sampling noise alone gives: median ...
    double floor_95 = 0;     ///< ... and 95th percentile of the resampled differences
};

/// err(n) = |M(n tau) - M(tau)^n|_2 / |M(n tau)|_2 of the simulated cell, in the matrix 2-norm. Its
/// translations block-diagonalise both matrices, so that the norm is the largest over the wave vectors of the
/// simulated cell.
[[nodiscard]] double chapman_kolmogorov_error(const Kernel& long_lag, const Kernel& short_lag, std::int64_t n,
                                              const std::vector<Vec3>& kappa);

/// The test at n = 1... with its noise floor: for each resampling b, |Delta_b - Delta|_2 / |M(n tau)|_2 with
/// Delta = M(n tau) - M(tau)^n; the centred difference is what would be left if the chain were exactly
/// Markovian.
/// @param counts  at lag tau, then at n tau for each n of `chain_lengths`
[[nodiscard]] std::vector<ChapmanKolmogorovPoint>
chapman_kolmogorov_test(const TransitionCounts& counts,
                        const std::vector<const TransitionCounts*>& long_counts, const SiteBasis& basis,
                        const EstimatorOptions& options, const std::vector<Vec3>& kappa, int n_resamplings,
                        std::uint64_t seed);

} // namespace mesolith
