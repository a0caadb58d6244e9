#pragma once
#include <span>
#include <vector>

#include "mesolith/msm/kernel.hpp"
#include "mesolith/msm/transition_counts.hpp"

namespace mesolith {

enum class Estimator {
    column,      ///< each column by its own visits (Qaisrani et al., eq. 5)
    symmetrised, ///< detailed balance: counts averaged with those of the reverse move
};

struct EstimatorOptions {
    Estimator estimator = Estimator::symmetrised;
    /// Stationary distribution imposed on a symmetrised kernel, one per basis site (need not be normalised);
    /// empty = estimated from the visits. Full occupancy (as many ions as sites) means uniform.
    std::vector<double> stationary;
};

/// Transition probabilities from counts. With S(j, i, R) = C(j, i, R) + C(i, j, -R):
///   column       M_ij(R) = C(j, i, R) / sum_{k, R} C(j, k, R)
///   symmetrised  M_ij(R) = S(j, i, R) / sum_{k, R} S(j, k, R),  pi_j ~ sum_{k, R} S(j, k, R)
///   with given pi: flows F = (pi_j C(j, i, R) / n_j + pi_i C(i, j, -R) / n_i) / 2, M = F / pi_j, the rest
///   stays.
/// A site that was never visited keeps its walker (p = 1 to stay) and has pi = 0; so has, in `column`, one
/// that is left but never reached.
/// @param weights  one per block of the counts (bootstrap), empty = all 1
/// @throws DataError when there are no counts, or a given pi asks for more than probability 1 in some column
[[nodiscard]] Kernel estimate_kernel(const TransitionCounts& counts, const SiteBasis& basis,
                                     const EstimatorOptions& options, std::span<const double> weights = {});

} // namespace mesolith
