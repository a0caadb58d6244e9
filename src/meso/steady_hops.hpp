#pragma once
#include <array>
#include <cstdint>
#include <map>
#include <vector>

#include "mesolith/meso/hop_rules.hpp"

namespace mesolith {

/// All hops of a cell and where they end: each distinct vector R is looked up once per cell.
class CellHops {
public:
    struct End {
        std::size_t cell = 0;
        int axis = -1, side = 0; ///< of the face it leaves through; -1: inside
    };

    CellHops(const Domain& domain, const HopRules& rules) : domain_(domain), rules_(rules) {
        std::map<std::array<int, 3>, std::uint32_t> known;
        for (const Hop& hop : rules.columns.hops) {
            const auto [found, is_new] = known.try_emplace({hop.R[0], hop.R[1], hop.R[2]},
                                                           static_cast<std::uint32_t>(offsets_.size()));
            if (is_new) offsets_.push_back(hop.R);
            offset_.push_back(found->second);
        }
    }

    /// Ends of a cell, for `for_hops`; one vector per thread.
    void look_up(std::size_t cell, std::vector<End>& ends) const {
        const IVec3 from = domain_.cell_at(cell);
        ends.resize(offsets_.size());
        const bool deep = ((from - rules_.reach).array() >= 0).all() &&
                          ((from + rules_.reach).array() < domain_.cells.array()).all();
        for (std::size_t o = 0; o < offsets_.size(); ++o) {
            if (deep) {
                ends[o] = {domain_.cell_index(from + offsets_[o]), -1, 0};
                continue;
            }
            const HopEnd end = hop_end(domain_, from, offsets_[o]);
            ends[o] = {end.inside() ? domain_.cell_index(end.cell) : 0, end.axis, end.side};
        }
    }

    /// f(hop, end) for the hops from a site, staying left out.
    template <class F>
    void for_hops(std::size_t line, std::size_t site, const std::vector<End>& ends, F&& f) const {
        const HopTable& columns = rules_.columns;
        for (std::size_t h = columns.begin[line]; h < columns.begin[line + 1]; ++h) {
            const Hop& hop = columns.hops[h];
            if (hop.site == static_cast<std::int32_t>(site) && hop.R.isZero()) continue;
            // A vector that no cell of this class can go along is in no column of it, but ends know all.
            f(hop, ends[offset_[h]]);
        }
    }

private:
    const Domain& domain_;
    const HopRules& rules_;
    std::vector<IVec3> offsets_;
    std::vector<std::uint32_t> offset_; // of each hop of the columns
};

} // namespace mesolith
