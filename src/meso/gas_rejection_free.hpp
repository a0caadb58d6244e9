#pragma once
#include <array>
#include <cstdint>
#include <vector>

#include "gas_tables.hpp"

namespace mesolith {

/// Rates in a tree of sums, eight children to a node. A node is always the sum of its children as they are,
/// added anew, so that rounding does not pile up.
class SumTree {
public:
    explicit SumTree(std::size_t n_leaves);

    double total() const { return levels_.back()[0].child[0]; }
    double leaf(std::size_t i) const { return levels_[0][i / 8].child[i % 8]; }
    /// Without its sums.
    void set_leaf(std::size_t i, double rate) { levels_[0][i / 8].child[i % 8] = rate; }
    /// Sums above some leaves; sorted.
    void add_up(std::vector<std::uint32_t>& leaves);
    void add_up_all();
    /// The leaf in which r of [0, total) falls, r then measured from its beginning; never one of rate 0.
    std::size_t find(double& r) const;

private:
    struct alignas(64) Node {
        std::array<double, 8> child{};
        double sum() const {
            return ((child[0] + child[1]) + (child[2] + child[3])) +
                   ((child[4] + child[5]) + (child[6] + child[7]));
        }
    };
    std::vector<std::vector<Node>> levels_; ///< of the last one only child 0 counts
};

/// All that can happen, in a tree over sites: hops and departures of the particle there, or arrivals on it.
class RejectionFree {
public:
    explicit RejectionFree(const GasModel& model);
    GasEvents advance(GasState& state, double duration, std::uint64_t seed, std::uint64_t replica) const;

private:
    friend class RejectionFreeRun;
    struct Neighbour {
        CellStep step;
        std::uint32_t site;
    };
    const GasModel& model_;
    std::vector<std::vector<Neighbour>>
        affected_;                          ///< by a change on a basis site: sites whose rates it changes
    std::vector<std::uint32_t> first_gate_; ///< of each site, where there are gates
};

} // namespace mesolith
