#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "mesolith/crystal/symmetry.hpp"
#include "mesolith/msm/transition_counts.hpp"

namespace mesolith {

/// Which transitions share their counts because the crystal makes them alike.
enum class Pooling {
    none,         ///< each counts for itself; those of the folded cell are pooled by the folding already
    translations, ///< pure translations: what folding does, for a basis that was not folded
    space_group,  ///< translations and point operations
};

/// The operations that a choice of pooling uses: none, those of identity rotation, or all.
[[nodiscard]] std::vector<SiteOperation> pooling_operations(std::span<const SiteOperation> space_group,
                                                            Pooling pooling);

/// The same counts with transitions grouped into classes that the operations map onto each other. The
/// integers stay what was seen; `transitions` is closed under operations and reversal (zeros for what was not
/// seen), and `pool` names the class of each, so that weighted() and with it every estimator sees the mean of
/// its class:
///
///     C(t) -> 1/|class of t| sum over t' in the class of t of C(t')
///
/// No operations: the counts as they are, without a pool.
/// @param operations  a group (site_symmetry, pooling_operations)
/// @throws DataError when an operation is for another number of sites, or the operations form no group
/// Cost: O(transitions x operations log transitions)
[[nodiscard]] TransitionCounts pool_counts(TransitionCounts counts,
                                           std::span<const SiteOperation> operations);

/// Number of each transition's jump, 0-based in order of first appearance: classes of the pool (each
/// transition by itself without one) joined with the classes of their reverse moves. At equilibrium a jump
/// is one quantity to be measured, seen in both directions and in all equivalent places.
[[nodiscard]] std::vector<std::int32_t> jump_numbers(const TransitionCounts& counts);

/// How many numbers the data determine: classes of changes of site or cell that were seen. Stays are left
/// out: the sum of the column gives them.
/// @param reversible  a class and its reverse are one
[[nodiscard]] std::size_t independent_entries(const TransitionCounts& counts, bool reversible);

} // namespace mesolith
