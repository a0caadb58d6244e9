#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "mesolith/msm/kernel.hpp"

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

/// Alias tables of all columns of a kernel, one after the other; kept and alias are packed destinations.
/// Memory: 24 B per entry of the kernel, 8 B per site.
struct JumpTable {
    std::vector<AliasSlot> slots;
    std::vector<std::uint64_t> rows; ///< per site: first slot << 32 | number of slots

    std::size_t n_sites() const { return rows.size(); }
    std::span<const AliasSlot> slots_of(std::size_t site) const {
        return {slots.data() + (rows[site] >> 32), static_cast<std::size_t>(rows[site] & 0xFFFFFFFFu)};
    }
    /// Where a walker on `site` of cell 0 goes with random bits u. No checks.
    Destination destination_of(std::int32_t site, std::uint64_t u) const {
        const auto row = slots_of(static_cast<std::size_t>(site));
        const auto [slot, rest] = slot_and_rest(u, row.size());
        return Destination::unpacked(rest < row[slot].threshold ? row[slot].kept : row[slot].alias);
    }
};

/// Columns are normalised to 1 within 2^-64 first (kernels may be off by 1e-12).
/// @throws DataError when a hop reaches beyond 511 cells or there are 2^32 entries or more
[[nodiscard]] JumpTable make_jump_table(const Kernel& kernel);

} // namespace mesolith
