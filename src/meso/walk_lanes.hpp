#pragma once
#include <cstddef>
#include <cstdint>

#include "mesolith/core/random.hpp"
#include "mesolith/meso/jump_table.hpp"

namespace mesolith {

/// So many walkers step together.
inline constexpr std::size_t lanes = 32;

/// A first step that never comes.
inline constexpr std::uint64_t never = std::uint64_t{1} << 62;

/// What walkers have to look at besides their site.
enum class Surroundings {
    crystal, ///< nothing: all cells are alike
    closed,  ///< the class of their cell; nobody leaves the domain
    open,    ///< and whether they left it, or are not there yet
};

struct Lanes {
    alignas(64) std::uint64_t walker[lanes]; // numbers of their random streams
    alignas(64) std::uint64_t site[lanes];
    alignas(64) std::uint64_t x[lanes], y[lanes], z[lanes]; // cells, modulo 2^64
    // Not in a crystal: the same wrapped into the domain.
    alignas(64) std::uint64_t wrapped_x[lanes], wrapped_y[lanes], wrapped_z[lanes];
    // Where walkers leave or come in: the first step of each, `never` for lanes without walker.
    alignas(64) std::uint64_t awake[lanes];
    std::uint64_t left_in_step[lanes]; // of those with site_left >= 0
    std::int32_t site_left[lanes];     // of the hop that left the domain; -1: still there
    std::int32_t face[lanes];          // it left through, 2 axis + side
};

/// What a loop over steps needs to know. Tables are read as plain words.
struct Walk {
    const std::uint64_t* rows;
    const std::uint64_t* slots; // threshold, kept, alias of each
    std::uint64_t seed;
    std::uint64_t first_step, n_steps;
    // not in a crystal
    const std::uint64_t* classes;
    int class_shift;
    std::uint64_t n_basis;
    std::uint64_t cells[3]; // of the domain
    int wraps[3]; // how often a hop can go around: 0 across walls, 1 unless hops are longer than the domain
};
static_assert(sizeof(AliasSlot) == 3 * sizeof(std::uint64_t));

/// All lanes make the steps of `walk`. The same integers with all vector units.
void walk_lanes(Lanes& lanes, const Walk& walk, Surroundings surroundings);

/// Without vector units.
void walk_lanes_plain(Lanes& lanes, const Walk& walk, Surroundings surroundings);

/// Random bits of consecutive hops of a walker in continuous time.
struct HopBits {
    static constexpr std::size_t n = 8;
    alignas(64) std::uint64_t wait[n], hop[n];
};
/// Blocks (walker_time, walker, step ... step + 7), step a multiple of 8.
void hop_bits(std::uint64_t seed, std::uint64_t walker, std::uint64_t step, HopBits& bits);
void hop_bits_plain(std::uint64_t seed, std::uint64_t walker, std::uint64_t step, HopBits& bits);

/// Lane i has left the domain in `step`; its `site` and `wrapped` say where it is now. Note that and through
/// which face, and take it out of the walk.
void leave(Lanes& lanes, std::size_t i, const Walk& walk, std::uint64_t step);

/// Class of a cell.
[[gnu::always_inline]] inline std::uint64_t class_of(std::uint64_t cell, const std::uint64_t* classes,
                                                     int shift) {
    const int bits = 64 >> shift;
    const std::uint64_t word = classes[cell >> shift], at = cell & ((std::uint64_t{1} << shift) - 1);
    return (word >> (at * static_cast<unsigned>(bits))) & ((std::uint64_t{1} << bits) - 1);
}

/// The word that random bits u draw from a row.
[[gnu::always_inline]] inline std::uint64_t draw_word(std::uint64_t row, std::uint64_t u,
                                                      const std::uint64_t* slots) {
    const auto [slot, rest] = slot_and_rest(u, row & 0xFFFFFFFFu);
    const std::uint64_t at = 3 * ((row >> 32) + slot);
    return slots[at + 1 + (rest < slots[at] ? 0 : 1)];
}

/// c after a hop, back in 0 ... n - 1 where it may go around. Below 0 it is beyond 2^63.
[[gnu::always_inline]] inline std::uint64_t wrapped(std::uint64_t c, std::uint64_t n, int wraps) {
    if (c < n) return c; // nearly always
    for (int k = 0; k < wraps && c >= n; ++k) c += c >> 63 ? n : 0 - n;
    return c;
}

/// Face through which a walker left whose wrapped cell is outside on some axis, of which the first counts.
[[gnu::always_inline]] inline std::int32_t face_of(const std::uint64_t (&cell)[3], const Walk& walk) {
    for (std::int32_t axis = 0; axis < 3; ++axis)
        if (cell[axis] >= walk.cells[axis]) return 2 * axis + (cell[axis] >> 63 ? 0 : 1);
    return -1;
}

/// Tables as the loops over steps want them.
Walk make_walk(const JumpTable& jumps, std::uint64_t seed, std::uint64_t first_step, std::uint64_t n_steps);

} // namespace mesolith
