#pragma once
#include <span>
#include <string>
#include <vector>

#include "mesolith/crystal/site_set.hpp"
#include "mesolith/msm/transition_counts.hpp"

namespace mesolith {

/// Probability to stand on site `to` of cell R after one lag, having stood on the column's site of cell 0.
struct KernelEntry {
    std::int32_t to = 0;
    IVec3 R = IVec3::Zero();
    double p = 0;
};

/// The transition kernel of an infinite crystal: M_ij(R) = Prob[ i in cell R after one lag | j in cell 0 ].
/// Column-stochastic: the entries of each column sum to 1. The integer R makes every formula below exact in
/// the infinite crystal; a minimum image would make the MSD saturate at half the box.
struct Kernel {
    SiteBasis basis;
    double lag_time = 0;                ///< tau [ps]
    std::vector<std::size_t> column{0}; ///< entries of origin j: [column[j], column[j + 1])
    std::vector<KernelEntry> entries;   ///< sorted by (to, R) within a column, p > 0
    std::vector<double>
        stationary;          ///< pi, sums to 1; of several closed classes, each with its share of the ions
    bool reversible = false; ///< pi_j M_ij(R) = pi_i M_ji(-R) holds by construction

    std::size_t n_sites() const { return column.size() - 1; }
    std::span<const KernelEntry> from(std::size_t j) const {
        return {entries.data() + column[j], column[j + 1] - column[j]};
    }
    Vec3 displacement(std::size_t j, const KernelEntry& e) const {
        return basis.displacement(j, static_cast<std::size_t>(e.to), e.R);
    }
};

/// @throws DataError naming the column when one does not sum to 1 within 1e-12, holds a negative or
/// non-finite value or a site that does not exist, or shapes do not fit
void check_kernel(const Kernel& kernel);

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

/// Sites that exchange with each other and are never left: a walker that enters one stays for ever.
struct ClosedClass {
    std::vector<std::int32_t> sites; ///< ascending
    std::vector<double> stationary;  ///< of the class alone, sums to 1, one per site of the class
    double weight = 0;               ///< share of the ions that end up in it
};

struct ClassStructure {
    std::vector<ClosedClass> classes;    ///< by falling weight
    std::vector<std::int32_t> transient; ///< sites that are left for good
    std::vector<std::int32_t> class_of;  ///< class of each site, -1 for transient ones
};

/// Strongly connected components (Tarjan) of the graph of sites, cells folded together. Short data have
/// several: channels that never exchanged, sites that nobody left.
/// @param start  share of ions on each site; transient sites pass theirs on by their absorption
/// probabilities.
///               Empty: the stationary distribution of the kernel.
[[nodiscard]] ClassStructure closed_classes(const Kernel& kernel, std::span<const double> start = {});

} // namespace mesolith
