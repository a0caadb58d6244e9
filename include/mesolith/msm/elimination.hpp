#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "mesolith/crystal/cell.hpp"

namespace mesolith {

/// States of a chain that are eliminated; above it iterative and sparse solvers, which are not as exact, are
/// faster and smaller.
inline constexpr std::size_t elimination_limit = 3000;

/// How strongly one state of a Markov chain leads to another: a probability, a rate or a flow, > 0. Parallel
/// edges add up; edges of a state to itself do not matter and are left out.
struct WeightedEdge {
    std::int32_t from = 0, to = 0;
    double weight = 0;
};

/// Elimination of the states of a Markov chain one by one, without a single subtraction (Grassmann, Taksar,
/// Heyman, Oper. Res. 33, 1107 (1985)): state k with the weights w_ki leaves w_ji + w_jk w_ki / S_k, where
/// S_k = sum_i w_ki over what is left is a sum, never one minus a probability to stay. Every result is
/// therefore right to rounding in each component (about the number of states times 1e-16 of itself),
/// whatever the range of the weights, as long as gains and given values are not negative.
/// Cost: states in the order of falling sparsity, the dense rest in blocks; 26 states some microseconds, 2000
/// states in three dimensions tenths of a second.
class Elimination {
public:
    /// @param kept  states that stay, at least one; every other state must be able to reach one of them
    /// @throws DataError  a state out of range, a weight that is not positive and finite, no kept state, or a
    /// state from which no kept one can be reached
    Elimination(std::size_t n_states, std::span<const WeightedEdge> edges,
                std::span<const std::int32_t> kept);
    ~Elimination();
    Elimination(Elimination&&) noexcept;
    Elimination& operator=(Elimination&&) noexcept;

    /// x with sum_i w_ki (x_k - x_i) = gain_k for every eliminated k: what is collected on the way to the
    /// kept states, where x is given.
    /// @param gain, at_kept  one per state (of `at_kept` only the kept ones count)
    [[nodiscard]] std::vector<double> expectations(std::span<const double> gain,
                                                   std::span<const double> at_kept) const;

    /// y with y_k S_k = start_k + sum_j y_j w_jk for every eliminated k, where S_k = sum_i w_ki: visits
    /// divided by the weight that leaves. With start = 0, y = 1 on one kept state and a connected chain: its
    /// stationary vector.
    [[nodiscard]] std::vector<double> visits(std::span<const double> start,
                                             std::span<const double> at_kept) const;

    /// How much of `start` (one per state) ends on each kept state; zero on the others.
    [[nodiscard]] std::vector<double> arrivals(std::span<const double> start) const;

private:
    struct Factors;
    std::unique_ptr<Factors> factors_;
};

/// An edge of a symmetric network that carries a displacement: conductance and the vector from `from` to
/// `to`. Given once, in either direction.
struct Bond {
    std::int32_t from = 0, to = 0;
    double conductance = 0;
    Vec3 shift = Vec3::Zero();
};

/// chi that minimises sum_bonds g |shift + chi_to - chi_from|^2, up to a constant: the corrector of a
/// reversible kernel, by star-mesh elimination. Node k with bonds (g_a, d_a) leaves bonds a-b with
/// g_a g_b / G and d_b - d_a; parallel bonds merge to g1 + g2 and the weighted mean displacement (held as
/// g d, so that merging is adding). Bonds of a node to itself do not matter.
/// Differences d_b - d_a are as good as the gauge of the shifts: see lattice_gauge.
/// @throws DataError  as Elimination, or when the network is not connected
[[nodiscard]] std::vector<Vec3> star_mesh_correctors(std::size_t n_nodes, std::span<const Bond> bonds);

} // namespace mesolith
