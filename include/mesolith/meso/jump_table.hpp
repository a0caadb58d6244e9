#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "mesolith/meso/hop_rules.hpp"

namespace mesolith {

/// Draw an index with given weights from 64 random bits u, by the alias method (Walker 1977; tables as in
/// Vose, IEEE Trans. Softw. Eng. 17, 972 (1991), in integers):
///
///     slot = floor(u n / 2^64),  rest = (u n) mod 2^64,  drawn = rest < threshold ? kept : alias   of that
///     slot
///
/// Each of n weights is met within n 2^-64: rare hops of 1e-12 keep seven digits.
struct AliasSlot {
    std::uint64_t threshold = 0; ///< in 2^-64 of the slot
    std::uint64_t kept = 0, alias = 0;
};

/// The slots of one table, kept and alias being indices into `weights`.
/// @throws DataError when a weight is negative or not finite, or all are zero
[[nodiscard]] std::vector<AliasSlot> alias_slots(std::span<const double> weights);

/// u n split into slot (upper 64 bits) and rest (lower), n < 2^32: two 32-bit products, as vector units have
/// them.
struct SlotAndRest {
    std::uint64_t slot, rest;
};
[[gnu::always_inline]] constexpr SlotAndRest slot_and_rest(std::uint64_t u, std::uint64_t n) {
    const std::uint64_t low = (u & 0xFFFFFFFFu) * n, high = (u >> 32) * n + (low >> 32);
    return {high >> 32, (high << 32) | (low & 0xFFFFFFFFu)};
}

/// A destination in 64 bits: site (32) | R_1 + 512 (10) | R_2 + 512 (10) | R_3 + 512 (10).
struct Destination {
    static constexpr int bias = 512;
    std::int32_t site = 0;
    IVec3 R = IVec3::Zero();

    std::uint64_t packed() const {
        const auto field = [&](int axis) { return static_cast<std::uint64_t>(R[axis] + bias); };
        return static_cast<std::uint32_t>(site) | field(0) << 32 | field(1) << 42 | field(2) << 52;
    }
    static Destination unpacked(std::uint64_t word) {
        const auto field = [&](int shift) { return static_cast<int>((word >> shift) & 1023) - bias; };
        return {static_cast<std::int32_t>(word & 0xFFFFFFFFu), {field(32), field(42), field(52)}};
    }
};

/// Ions that come in through one face in one lag.
struct Inflow {
    double mean = 0; ///< number per lag: Poisson
    /// Where they land: alias table of (class, site), the cell alike among those of the class.
    std::vector<AliasSlot> slots; ///< kept and alias: index into `places`
    struct Place {
        std::uint64_t first_cell = 0, n_cells = 0; ///< in `cells`
        std::int32_t site = 0;
    };
    std::vector<Place> places;
    std::vector<std::uint64_t> cells; ///< [z][y][x] of the domain, by class
};

/// What walkers hop by: alias tables of the distinct columns of a domain, one after the other, kept and alias
/// being packed destinations, and which one holds in each cell.
/// Memory: 24 B per hop and 8 B per site of each class; 1, 2 or 4 B per cell (as classes need), none in a
/// crystal; 8 B per cell at a reservoir.
struct JumpTable {
    std::vector<AliasSlot> slots;
    std::vector<std::uint64_t> rows;    ///< [class][site]: first slot << 32 | number of slots
    std::vector<std::uint64_t> classes; ///< of the cells, 64 / 2^class_shift bits each; empty: all class 0
    int class_shift = 3;                ///< log2 of the number of cells in a word
    IVec3 cells = IVec3::Ones();        ///< of the domain
    std::size_t n_basis = 0;
    std::array<std::array<FaceKind, 2>, 3> faces{}; ///< [axis][low, high]
    IVec3 reach = IVec3::Zero();                    ///< largest |R_a|
    double lag_time = 0;                            ///< [ps]
    std::array<Inflow, 6> inflow;                   ///< per face, 2 axis + side

    bool crystal() const { return classes.empty(); } ///< all cells alike, none has a wall
    bool periodic(int axis) const { return faces[static_cast<std::size_t>(axis)][0] == FaceKind::periodic; }
    bool open() const;           ///< ions leave through some face
    bool has_reservoirs() const; ///< ions come in through some face
    std::size_t class_of(std::size_t cell) const {
        if (crystal()) return 0;
        const int bits = 64 >> class_shift;
        const std::uint64_t word = classes[cell >> class_shift],
                            at = cell & ((std::uint64_t{1} << class_shift) - 1);
        return (word >> (at * static_cast<unsigned>(bits))) & ((std::uint64_t{1} << bits) - 1);
    }
    std::span<const AliasSlot> slots_of(std::size_t site, std::size_t cell_class = 0) const {
        const std::uint64_t row = rows[cell_class * n_basis + site];
        return {slots.data() + (row >> 32), static_cast<std::size_t>(row & 0xFFFFFFFFu)};
    }
    /// Where a walker on `site` of a cell goes with random bits u. No checks.
    Destination destination_of(std::int32_t site, std::uint64_t u, std::size_t cell_class = 0) const {
        const auto row = slots_of(static_cast<std::size_t>(site), cell_class);
        const auto [slot, rest] = slot_and_rest(u, row.size());
        return Destination::unpacked(rest < row[slot].threshold ? row[slot].kept : row[slot].alias);
    }
    double bytes() const;
};

/// Columns are normalised to 1 within 2^-64 first (they may be off by 1e-12).
/// @param rules  of this domain
/// @throws DataError when a hop reaches beyond 511 cells, there are 2^32 distinct entries or more, or a
/// domain that is no crystal has 2^32 cells or more in a layer of a_1 and a_2
[[nodiscard]] JumpTable make_jump_table(const Domain& domain, const HopRules& rules);

/// Of the infinite crystal of a kernel.
[[nodiscard]] JumpTable make_jump_table(const Kernel& kernel);

/// The same rules in continuous time: every hop but staying has the rate p / tau.
struct RateTable {
    JumpTable jumps;               ///< among hops that go somewhere; none: a row without slots
    std::vector<double> mean_wait; ///< [class][site]: tau / sum of p of these hops [ps], infinite without any
};

/// @throws DataError as make_jump_table
[[nodiscard]] RateTable make_rate_table(const Domain& domain, const HopRules& rules);

} // namespace mesolith
