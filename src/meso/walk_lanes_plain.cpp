#include "walk_lanes.hpp"

namespace mesolith {

namespace {

constexpr std::uint64_t low_half = 0xFFFFFFFFu;

/// One hop of one lane.
template <Surroundings surroundings>
[[gnu::always_inline]] inline void hop(Lanes& l, std::size_t i, std::uint64_t u, const Walk& walk,
                                       std::uint64_t step) {
    constexpr bool crystal = surroundings == Surroundings::crystal;
    if (surroundings == Surroundings::open && l.awake[i] > step) return;
    std::uint64_t row = l.site[i];
    if constexpr (!crystal) {
        const std::uint64_t cell = l.wrapped_z[i] * (walk.cells[0] * walk.cells[1]) +
                                   l.wrapped_y[i] * walk.cells[0] + l.wrapped_x[i];
        row += class_of(cell, walk.classes, walk.class_shift) * walk.n_basis;
    }
    const std::uint64_t word = draw_word(walk.rows[row], u, walk.slots);
    constexpr std::uint64_t bias = Destination::bias;
    const std::uint64_t x = ((word >> 32) & 1023) - bias, y = ((word >> 42) & 1023) - bias,
                        z = ((word >> 52) & 1023) - bias;
    l.site[i] = word & low_half;
    l.x[i] += x, l.y[i] += y, l.z[i] += z;
    if constexpr (!crystal) {
        l.wrapped_x[i] = wrapped(l.wrapped_x[i] + x, walk.cells[0], walk.wraps[0]);
        l.wrapped_y[i] = wrapped(l.wrapped_y[i] + y, walk.cells[1], walk.wraps[1]);
        l.wrapped_z[i] = wrapped(l.wrapped_z[i] + z, walk.cells[2], walk.wraps[2]);
    }
    if constexpr (surroundings == Surroundings::open)
        if (l.wrapped_x[i] >= walk.cells[0] || l.wrapped_y[i] >= walk.cells[1] ||
            l.wrapped_z[i] >= walk.cells[2]) // below 0, too
            leave(l, i, walk, step);
}

/// All lanes make one or both steps of a pair, which share a random block.
template <Surroundings surroundings, bool even, bool odd>
void step_pair(Lanes& l, const Walk& walk, std::uint64_t pair) {
    for (std::size_t i = 0; i < lanes; ++i) {
        const auto random = philox(RandomCounter::words(RngUse::walker_jump, l.walker[i], pair),
                                   walk.seed & low_half, walk.seed >> 32);
        if constexpr (even) hop<surroundings>(l, i, random[0] | random[1] << 32, walk, 2 * pair);
        if constexpr (odd) hop<surroundings>(l, i, random[2] | random[3] << 32, walk, 2 * pair + 1);
    }
}

template <Surroundings s>
void walk_all(Lanes& l, const Walk& walk) {
    std::uint64_t step = walk.first_step;
    const std::uint64_t end = walk.first_step + walk.n_steps;
    if (step % 2 == 1 && step < end) step_pair<s, false, true>(l, walk, step++ / 2);
    for (; step + 2 <= end; step += 2) step_pair<s, true, true>(l, walk, step / 2);
    if (step < end) step_pair<s, true, false>(l, walk, step / 2);
}

} // namespace

void leave(Lanes& l, std::size_t i, const Walk& walk, std::uint64_t step) {
    l.face[i] = face_of({l.wrapped_x[i], l.wrapped_y[i], l.wrapped_z[i]}, walk);
    l.site_left[i] = static_cast<std::int32_t>(l.site[i] & low_half);
    l.left_in_step[i] = step;
    l.awake[i] = never;
    l.site[i] = l.wrapped_x[i] = l.wrapped_y[i] = l.wrapped_z[i] = 0;
}

void hop_bits_plain(std::uint64_t seed, std::uint64_t walker, std::uint64_t step, HopBits& bits) {
    for (std::size_t i = 0; i < HopBits::n; ++i) {
        const auto random =
            philox(RandomCounter::words(RngUse::walker_time, walker, step + i), seed & low_half, seed >> 32);
        bits.wait[i] = random[0] | random[1] << 32;
        bits.hop[i] = random[2] | random[3] << 32;
    }
}

void walk_lanes_plain(Lanes& l, const Walk& walk, Surroundings surroundings) {
    switch (surroundings) {
    case Surroundings::crystal:
        return walk_all<Surroundings::crystal>(l, walk);
    case Surroundings::closed:
        return walk_all<Surroundings::closed>(l, walk);
    case Surroundings::open:
        return walk_all<Surroundings::open>(l, walk);
    }
}

} // namespace mesolith
