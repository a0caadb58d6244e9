#pragma once
#include <span>
#include <vector>

#include "mesolith/msm/kernel.hpp"
#include "mesolith/msm/transition_counts.hpp"

namespace mesolith {

/// How probabilities follow from counts.
enum class Estimator {
    automatic,      ///< to be chosen by resolve_estimator
    non_reversible, ///< each column by its own visits (Qaisrani et al., eq. 5)
    symmetrised,    ///< detailed balance: counts averaged with those of the reverse move
    reversible,     ///< detailed balance: maximum likelihood
};
[[nodiscard]] const char* name(Estimator estimator); ///< "auto", "non_reversible", ...

struct EstimatorOptions {
    Estimator estimator = Estimator::symmetrised;
    /// Stationary distribution imposed on a symmetrised or reversible kernel, one per basis site (need not be
    /// normalised); empty = estimated. Full occupancy (as many ions as sites) means uniform.
    std::vector<double> stationary;
};

struct ResolvedEstimator {
    EstimatorOptions options; ///< never automatic
    std::string reason;       ///< one sentence
};

/// The estimator that the crystal asks for, when it is automatic: maximum likelihood under detailed balance,
/// with uniform pi when every site holds an ion (each site is occupied all the time, so that the share of a
/// tagged ion is the same on all), with pi from the data when there are vacancies. A given pi is kept. Any
/// other estimator stays as it is.
/// @param n_ions   mobile ions in the simulated cell
/// @param n_sites  sites in the simulated cell
/// @param n_basis  sites of the folded cell
[[nodiscard]] ResolvedEstimator resolve_estimator(const EstimatorOptions& options, std::size_t n_ions,
                                                  std::size_t n_sites, std::size_t n_basis);

/// How an iterative estimate ended.
struct EstimatorInfo {
    int iterations = 0;  ///< Newton steps; 0: closed form
    double gradient = 0; ///< largest |flow out - flow wanted| of a site, relative to the latter
};

/// Transition probabilities from counts. With S(j, i, R) = C(j, i, R) + C(i, j, -R) and c_j = sum_{k, R} C(j,
/// k, R):
///   non_reversible  M_ij(R) = C(j, i, R) / c_j
///   symmetrised     M_ij(R) = S(j, i, R) / sum_{k, R} S(j, k, R),  pi_j ~ sum_{k, R} S(j, k, R);
///                   with given pi: flows F = (pi_j C(j, i, R) / c_j + pi_i C(i, j, -R) / c_i) / 2, M = F /
///                   pi_j, the rest stays
///   reversible      the M that makes sum C ln M largest among all with pi_j M_ij(R) = pi_i M_ji(-R):
///                   M_ij(R) = S(j, i, R) / (c_j (1 + q_i / q_j)), pi_j = c_j / q_j, q by Newton's method
///                   from the counts summed over R (Bowman et al., J. Chem. Phys. 131, 124101 (2009)); with
///                   given pi: M_ij(R) = S(j, i, R) / (pi_j (l_j + l_i)) (Trendelkamp-Schroer et al., J.
///                   Chem. Phys. 143, 174101 (2015))
/// Components are right to about 1e-12 of themselves, also where hop probabilities span fourteen decades.
///
/// What is in no data gets no guess, and no site is dropped:
///   never visited   the walker stays (p = 1); pi = 0, or as given
///   never left      stays, with the share of its visits (symmetrised: unless it was entered)
///   never reached   non_reversible: left for good, pi = 0
///   one-way links   hops between groups of sites that were never undone on any path. `symmetrised` takes
///   half
///                   of each for its reverse, `reversible` with given pi as much as pi allows. With pi to be
///                   found the likelihood has no maximum (it grows until all ions are at the end of the
///                   link): `reversible` counts such a hop as a stay of its origin. Each group is then a
///                   closed class that holds its share of the visits
/// @param weights  one per block of the counts (bootstrap), empty = all 1
/// @param info     where to tell how the iteration ended, or null
/// @throws DataError when the estimator is automatic, there are no counts, or a given pi asks for more than
///                   probability 1 in some column of a symmetrised kernel
/// Cost: O(transitions); `reversible` also some 5 sparse factorisations of the network of sites
[[nodiscard]] Kernel estimate_kernel(const TransitionCounts& counts, const SiteBasis& basis,
                                     const EstimatorOptions& options, std::span<const double> weights = {},
                                     EstimatorInfo* info = nullptr);

} // namespace mesolith
