#pragma once
#include <cstddef>
#include <cstdint>

#include "mesolith/meso/jump_table.hpp"

namespace mesolith {

/// So many walkers step together.
inline constexpr std::size_t lanes = 32;

struct Lanes {
    alignas(64) std::uint64_t site[lanes];
    alignas(64) std::uint64_t x[lanes], y[lanes], z[lanes]; // cells, modulo 2^64
};

/// What a loop over steps needs to know. Tables are read as plain words.
struct Walk {
    const std::uint64_t* rows;
    const std::uint64_t* slots; // threshold, kept, alias of each
    std::uint64_t seed, first_walker;
    std::uint64_t first_step, n_steps;
};
static_assert(sizeof(AliasSlot) == 3 * sizeof(std::uint64_t));

using WalkLanes = void (*)(Lanes&, const Walk&);

/// Both give the same integers.
void walk_lanes_any(Lanes& lanes, const Walk& walk);
#if defined(__x86_64__)
void walk_lanes_avx512(Lanes& lanes, const Walk& walk); // needs avx512f
#endif

} // namespace mesolith
