#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "mesolith/meso/domain.hpp"

namespace mesolith {

/// An entry of a column, where the ions of a site go (staying included), or of a row, where they come from.
struct Hop {
    std::int32_t site = 0;
    IVec3 R = IVec3::Zero(); ///< cell, from the cell looked at
    double p = 0;
    bool operator==(const Hop&) const = default;
};

struct HopTable {
    std::vector<std::size_t> begin{0};
    std::vector<Hop> hops; ///< of line l: [begin[l], begin[l + 1]), sorted by (R_3, R_2, R_1, site)

    std::size_t size() const { return begin.size() - 1; }
    std::span<const Hop> operator[](std::size_t line) const {
        return {hops.data() + begin[line], begin[line + 1] - begin[line]};
    }
};

/// The transition matrix of a domain, held as its few distinct columns and rows: cells whose surroundings
/// look alike (as far as a hop reaches) share a class.
///
/// Between regions a hop has the smaller of the conductances g = w_j M_ij(R) of both kernels (w = weight pi),
/// what is blocked stays:
///
///     p(j -> i) = f min(g_A, g_B) / w_j(A)
///
/// so that columns sum to 1 and detailed balance holds with the weights of each cell, whatever the offset
/// between them (Metropolis: uphill exp(-dE / kT), downhill as it was). f <= 1 puts an interface resistance r
/// [ps/A] in series with all hops that cross the face between two cells along a_k,
///     f_k = 1 / (1 + r l_k S_k / tau),   S_k = sum_{R_k > 0} R_k min(g_A, g_B),   l_k: width of a cell,
/// the smallest f_k of the axes along which the hop leaves its cell: exact for flat interfaces and hops
/// between neighbouring cells.
struct HopRules {
    std::size_t n_basis = 0;
    std::vector<std::uint32_t> cell_class; ///< of each cell, [z][y][x]; empty: all are class 0
    std::vector<std::size_t> class_cell;   ///< a cell of each class
    std::vector<std::uint32_t> class_line; ///< [class][site]: its column, which is also the number of its row
    HopTable columns;                      ///< sum to 1; hops out of the domain name a cell outside of it
    HopTable rows; ///< sources inside the domain only, and p of hops out of reservoirs in `inflow`
    std::vector<double> inflow;  ///< per row: ions that come in from reservoirs in one lag
    std::vector<double> weight;  ///< per line: equilibrium weight of its site
    IVec3 reach = IVec3::Zero(); ///< largest |R_a|

    std::size_t n_classes() const { return class_cell.size(); }
    std::uint32_t class_of(std::size_t cell) const { return cell_class.empty() ? 0u : cell_class[cell]; }
    std::uint32_t line_of(std::size_t cell, std::size_t site) const {
        return class_line[class_of(cell) * n_basis + site];
    }
};

/// @throws DataError as check_domain
/// Cost: cells x distinct hop vectors R; memory 4 B per cell (none in a crystal), 24 B per hop and distinct
/// line.
[[nodiscard]] HopRules make_hop_rules(const Domain& domain);

/// How a hop from cell `from` by R ends: where (wrapped into the domain), or through which face it leaves.
struct HopEnd {
    IVec3 cell = IVec3::Zero();
    int axis = -1, side = 0; ///< of the face it leaves through; axis -1: it stays inside
    bool inside() const { return axis < 0; }
};
/// A hop across several faces leaves through the first axis; one that crosses a reflecting face does not
/// happen (its end is that face, and no hop rule has it).
[[nodiscard]] HopEnd hop_end(const Domain& domain, const IVec3& from, const IVec3& R);

/// max |w_j p_ij - w_i p_ji| / max(...) over the hops of one cell of each class: 0 to rounding with detailed
/// balance. Printed before a run starts.
[[nodiscard]] double detailed_balance_error(const Domain& domain, const HopRules& rules);

/// max over distinct columns of |sum - 1|.
[[nodiscard]] double conservation_error(const HopRules& rules);

} // namespace mesolith
