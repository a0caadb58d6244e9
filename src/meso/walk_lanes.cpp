// Compiled once for each kind of vector unit: Highway includes this file again. Without AVX2 there are no
// gathers worth the name, and walk_lanes_plain is used.
#include "walk_lanes.hpp"

#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SSE4)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "meso/walk_lanes.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "philox_lanes.hpp"

HWY_BEFORE_NAMESPACE();
namespace mesolith {
namespace HWY_NAMESPACE {

#if MESOLITH_WIDE_LANES

constexpr std::size_t group = 4; // vectors that step together
static_assert(lanes % (width * group) == 0);

HWY_INLINE V gather(const std::uint64_t* table, V index) {
    const hn::RebindToSigned<D> signed_tag;
    return hn::GatherIndex(D(), table, hn::BitCast(signed_tag, index));
}
HWY_INLINE V low_half(V v) { return hn::And(v, all(0xFFFFFFFFu)); }

/// One vector of Philox blocks.
HWY_INLINE void random_bits(V c0, V c1, V c2, V c3, std::uint64_t seed, V& first, V& second) {
    V a[1] = {c0}, b[1] = {c1}, c[1] = {c2}, d[1] = {c3}, out[2][1];
    philox_lanes(a, b, c, d, seed, out[0], out[1]);
    first = out[0][0], second = out[1][0];
}

struct State {
    V site;                // in the low halves
    V above_x, above_y, z; // sums of destination words shifted by 32, 42, 52: a field and all fields above it
    V wrapped_x, wrapped_y, wrapped_z; // not in a crystal
    V awake;                           // in an open domain
};

/// After a hop: back into 0 ... n - 1 where that is periodic.
HWY_INLINE V wrap(V c, std::uint64_t n, int wraps) {
    const hn::RebindToSigned<D> signed_tag;
    const V edge = all(n);
    for (int k = 0; k < wraps; ++k) {
        c = hn::Add(c, hn::And(edge, hn::BitCast(D(), hn::BroadcastSignBit(hn::BitCast(signed_tag, c)))));
        const V beyond = hn::Sub(c, edge); // below 0 when c is inside
        c = hn::Add(beyond,
                    hn::And(edge, hn::BitCast(D(), hn::BroadcastSignBit(hn::BitCast(signed_tag, beyond)))));
    }
    return c;
}

/// Negative where c is not in 0 ... n - 1.
HWY_INLINE V outside(V c, std::uint64_t n) { return hn::Or(c, hn::Sub(all(n - 1), c)); }

template <Surroundings surroundings>
HWY_INLINE void hop(State& s, V u, const Walk& walk, Lanes& l, std::size_t at_lane, std::uint64_t step) {
    V row_index = low_half(s.site);
    if constexpr (surroundings != Surroundings::crystal) {
        const V cell = hn::Add(hn::Add(mul(s.wrapped_z, all(walk.cells[0] * walk.cells[1])),
                                       mul(s.wrapped_y, all(walk.cells[0]))),
                               s.wrapped_x);
        const V word = gather(walk.classes, hn::ShiftRightSame(cell, walk.class_shift));
        const V in_word = hn::And(cell, all((std::uint64_t{1} << walk.class_shift) - 1));
        const V cell_class = hn::And(hn::Shr(word, hn::ShiftLeftSame(in_word, 6 - walk.class_shift)),
                                     all((std::uint64_t{1} << (64 >> walk.class_shift)) - 1));
        row_index = hn::Add(row_index, mul(cell_class, all(walk.n_basis)));
    }
    const V row = gather(walk.rows, row_index);
    const V low = mul(u, row);
    const V high = hn::Add(mul(hn::ShiftRight<32>(u), row), hn::ShiftRight<32>(low));
    const V slot = hn::Add(hn::ShiftRight<32>(row), hn::ShiftRight<32>(high));
    const V at = hn::Add(slot, hn::Add(slot, slot)); // 3 words each
    const auto kept = hn::Lt(join(low, high), gather(walk.slots, at));
    V word = gather(walk.slots + 1, hn::IfThenElse(kept, at, hn::Add(at, all(1))));
    if constexpr (surroundings == Surroundings::open) {
        const hn::RebindToSigned<D> signed_tag;
        const V waits = hn::BitCast( // negative when awake
            D(), hn::BroadcastSignBit(hn::BitCast(signed_tag, hn::Sub(s.awake, all(step + 1)))));
        constexpr std::uint64_t b = Destination::bias;
        const V stay = hn::Or(low_half(s.site), all(b << 32 | b << 42 | b << 52));
        word = hn::IfVecThenElse(waits, word, stay);
    }
    s.site = word;
    const V above_x = hn::ShiftRight<32>(word), above_y = hn::ShiftRight<42>(word),
            z = hn::ShiftRight<52>(word);
    s.above_x = hn::Add(s.above_x, above_x);
    s.above_y = hn::Add(s.above_y, above_y);
    s.z = hn::Add(s.z, z);
    if constexpr (surroundings != Surroundings::crystal) {
        const V field = all(1023), bias = all(Destination::bias);
        s.wrapped_x =
            wrap(hn::Add(s.wrapped_x, hn::Sub(hn::And(above_x, field), bias)), walk.cells[0], walk.wraps[0]);
        s.wrapped_y =
            wrap(hn::Add(s.wrapped_y, hn::Sub(hn::And(above_y, field), bias)), walk.cells[1], walk.wraps[1]);
        s.wrapped_z = wrap(hn::Add(s.wrapped_z, hn::Sub(z, bias)), walk.cells[2], walk.wraps[2]);
    }
    if constexpr (surroundings == Surroundings::open) {
        const hn::RebindToSigned<D> signed_tag;
        const V out =
            hn::Or(outside(s.wrapped_x, walk.cells[0]),
                   hn::Or(outside(s.wrapped_y, walk.cells[1]), outside(s.wrapped_z, walk.cells[2])));
        const auto is_out = hn::MaskFromVec(hn::BroadcastSignBit(hn::BitCast(signed_tag, out)));
        if (HWY_UNLIKELY(!hn::AllFalse(signed_tag, is_out))) {
            alignas(64) std::uint64_t which[width];
            hn::Store(out, D(), which);
            hn::Store(s.site, D(), l.site + at_lane);
            hn::Store(s.wrapped_x, D(), l.wrapped_x + at_lane);
            hn::Store(s.wrapped_y, D(), l.wrapped_y + at_lane);
            hn::Store(s.wrapped_z, D(), l.wrapped_z + at_lane);
            for (std::size_t i = 0; i < width; ++i)
                if (which[i] >> 63) leave(l, at_lane + i, walk, step);
            s.site = hn::Load(D(), l.site + at_lane);
            s.wrapped_x = hn::Load(D(), l.wrapped_x + at_lane);
            s.wrapped_y = hn::Load(D(), l.wrapped_y + at_lane);
            s.wrapped_z = hn::Load(D(), l.wrapped_z + at_lane);
            s.awake = hn::Load(D(), l.awake + at_lane);
        }
    }
}

/// Some vectors of lanes from the first step to the last.
template <Surroundings surroundings>
void walk_group(Lanes& l, const Walk& walk, std::size_t first_lane) {
    State state[group];
    V walker[group];
    const D d;
#pragma GCC unroll 4
    for (std::size_t v = 0; v < group; ++v) {
        const std::size_t at = first_lane + v * width;
        walker[v] = hn::Load(d, l.walker + at);
        State& s = state[v];
        s.site = hn::Load(d, l.site + at);
        s.above_x = s.above_y = s.z = hn::Zero(d);
        s.wrapped_x = s.wrapped_y = s.wrapped_z = s.awake = hn::Zero(d);
        if constexpr (surroundings != Surroundings::crystal) {
            s.wrapped_x = hn::Load(d, l.wrapped_x + at);
            s.wrapped_y = hn::Load(d, l.wrapped_y + at);
            s.wrapped_z = hn::Load(d, l.wrapped_z + at);
        }
        if constexpr (surroundings == Surroundings::open) s.awake = hn::Load(d, l.awake + at);
    }
    std::uint64_t step = walk.first_step;
    const std::uint64_t end = walk.first_step + walk.n_steps;
    while (step < end) {
        const bool even = step % 2 == 0, both = even && step + 1 < end;
        const std::uint64_t odd_step = step | 1;
        const auto counter = RandomCounter::words(RngUse::walker_jump, 0, step / 2);
#pragma GCC unroll 4
        for (std::size_t v = 0; v < group; ++v) {
            V first, second;
            random_bits(all(counter[0]), all(counter[1]), walker[v], hn::ShiftRight<32>(walker[v]), walk.seed,
                        first, second);
            const std::size_t at = first_lane + v * width;
            if (even) hop<surroundings>(state[v], first, walk, l, at, step);
            if (both || !even) hop<surroundings>(state[v], second, walk, l, at, odd_step);
        }
        step += both ? 2 : 1;
    }
    // Take the fields apart, and their bias off.
    const V bias = all(Destination::bias * walk.n_steps);
#pragma GCC unroll 4
    for (std::size_t v = 0; v < group; ++v) {
        const State& s = state[v];
        const V x = hn::Sub(s.above_x, hn::ShiftLeft<10>(s.above_y));
        const V y = hn::Sub(s.above_y, hn::ShiftLeft<10>(s.z));
        const std::size_t at = first_lane + v * width;
        hn::Store(low_half(s.site), d, l.site + at);
        hn::Store(hn::Add(hn::Load(d, l.x + at), hn::Sub(x, bias)), d, l.x + at);
        hn::Store(hn::Add(hn::Load(d, l.y + at), hn::Sub(y, bias)), d, l.y + at);
        hn::Store(hn::Add(hn::Load(d, l.z + at), hn::Sub(s.z, bias)), d, l.z + at);
        if constexpr (surroundings != Surroundings::crystal) {
            hn::Store(s.wrapped_x, d, l.wrapped_x + at);
            hn::Store(s.wrapped_y, d, l.wrapped_y + at);
            hn::Store(s.wrapped_z, d, l.wrapped_z + at);
        }
    }
}

template <Surroundings surroundings>
void walk_groups(Lanes& l, const Walk& walk) {
    for (std::size_t at = 0; at < lanes; at += group * width) walk_group<surroundings>(l, walk, at);
}

void walk_best(Lanes& l, const Walk& walk, Surroundings surroundings) {
    switch (surroundings) {
    case Surroundings::crystal:
        return walk_groups<Surroundings::crystal>(l, walk);
    case Surroundings::closed:
        return walk_groups<Surroundings::closed>(l, walk);
    case Surroundings::open:
        return walk_groups<Surroundings::open>(l, walk);
    }
}

void hop_bits_best(std::uint64_t seed, std::uint64_t walker, std::uint64_t step, HopBits& bits) {
    const auto c = RandomCounter::words(RngUse::walker_time, walker, step);
    for (std::size_t i = 0; i < HopBits::n; i += width) {
        V first, second;
        random_bits(hn::Iota(D(), c[0] + i), all(c[1]), all(c[2]), all(c[3]), seed, first, second);
        hn::Store(first, D(), bits.wait + i);
        hn::Store(second, D(), bits.hop + i);
    }
}

#else

void hop_bits_best(std::uint64_t seed, std::uint64_t walker, std::uint64_t step, HopBits& bits) {
    hop_bits_plain(seed, walker, step, bits);
}

void walk_best(Lanes& l, const Walk& walk, Surroundings surroundings) {
    walk_lanes_plain(l, walk, surroundings);
}

#endif

} // namespace HWY_NAMESPACE
} // namespace mesolith
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace mesolith {

HWY_EXPORT(walk_best);
HWY_EXPORT(hop_bits_best);

void hop_bits(std::uint64_t seed, std::uint64_t walker, std::uint64_t step, HopBits& bits) {
    HWY_DYNAMIC_DISPATCH(hop_bits_best)(seed, walker, step, bits);
}

void walk_lanes(Lanes& l, const Walk& walk, Surroundings surroundings) {
    HWY_DYNAMIC_DISPATCH(walk_best)(l, walk, surroundings);
}

} // namespace mesolith
#endif
