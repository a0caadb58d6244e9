#if defined(__x86_64__)
#if defined(__GNUC__) && !defined(__clang__)
// GCC 12 warns of its own intrinsics, whose unused operand is undefined on purpose (GCC bug 105593).
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#include <immintrin.h>

#include "mesolith/core/random.hpp"

#include "walk_lanes.hpp"

#define MESOLITH_AVX512 [[gnu::target("avx512f"), gnu::always_inline]] inline

namespace mesolith {

namespace {

using V = __m512i; // 8 words of 64 bits
constexpr std::size_t width = 8, n_vectors = lanes / width;

MESOLITH_AVX512 V all(std::uint64_t value) { return _mm512_set1_epi64(static_cast<long long>(value)); }
MESOLITH_AVX512 V load(const std::uint64_t* from) { return _mm512_load_si512(from); }
MESOLITH_AVX512 V gather(const std::uint64_t* table, V index) {
    return _mm512_i64gather_epi64(index, table, 8);
}
MESOLITH_AVX512 V xor3(V a, V b, V c) { return _mm512_ternarylogic_epi64(a, b, c, 0x96); }
/// Low halves of a | low halves of b << 32.
MESOLITH_AVX512 V join(V low, V high) {
    return _mm512_mask_blend_epi32(0xAAAA, low, _mm512_slli_epi64(high, 32));
}

/// 64 random bits for each of the two steps of a pair. Only the low half of each word counts on the way,
/// which is all that the multiplication reads: upper halves may hold anything.
MESOLITH_AVX512 void random_bits(V walker, std::uint64_t seed, std::uint64_t pair, V& even, V& odd) {
    const auto fixed = RandomCounter::words(RngUse::walker_jump, 0, pair);
    V c0 = all(fixed[0]), c1 = all(fixed[1]), c2 = walker, c3 = _mm512_srli_epi64(walker, 32);
    auto key0 = static_cast<std::uint32_t>(seed), key1 = static_cast<std::uint32_t>(seed >> 32);
    const V m0 = all(0xD2511F53u), m1 = all(0xCD9E8D57u);
#pragma GCC unroll 10
    for (int round = 0; round < 10; ++round) {
        const V a = _mm512_mul_epu32(c0, m0), b = _mm512_mul_epu32(c2, m1);
        c0 = xor3(_mm512_srli_epi64(b, 32), c1, all(key0));
        c2 = xor3(_mm512_srli_epi64(a, 32), c3, all(key1));
        c1 = b, c3 = a;
        key0 += 0x9E3779B9u, key1 += 0xBB67AE85u;
    }
    even = join(c0, c1), odd = join(c2, c3);
}

struct State {
    V site;                // in the low halves
    V above_x, above_y, z; // sums of destination words shifted by 32, 42, 52: a field and all fields above it
};

MESOLITH_AVX512 void hop(State& s, V u, const Walk& walk) {
    const V row = gather(walk.rows, _mm512_and_si512(s.site, all(0xFFFFFFFFu)));
    const V low = _mm512_mul_epu32(u, row);
    const V high =
        _mm512_add_epi64(_mm512_mul_epu32(_mm512_srli_epi64(u, 32), row), _mm512_srli_epi64(low, 32));
    const V slot = _mm512_add_epi64(_mm512_srli_epi64(row, 32), _mm512_srli_epi64(high, 32));
    const V at = _mm512_add_epi64(slot, _mm512_slli_epi64(slot, 1)); // 3 words each
    const __mmask8 alias = _mm512_cmpge_epu64_mask(join(low, high), gather(walk.slots, at));
    const V word = gather(walk.slots + 1, _mm512_mask_add_epi64(at, alias, at, all(1)));
    s.site = word;
    s.above_x = _mm512_add_epi64(s.above_x, _mm512_srli_epi64(word, 32));
    s.above_y = _mm512_add_epi64(s.above_y, _mm512_srli_epi64(word, 42));
    s.z = _mm512_add_epi64(s.z, _mm512_srli_epi64(word, 52));
}

} // namespace

[[gnu::target("avx512f")]] void walk_lanes_avx512(Lanes& l, const Walk& walk) {
    State state[n_vectors];
    V walker[n_vectors];
    const V count = _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0);
    for (std::size_t v = 0; v < n_vectors; ++v) {
        state[v] = {load(l.site + v * width), all(0), all(0), all(0)};
        walker[v] = _mm512_add_epi64(all(walk.first_walker + v * width), count);
    }
    std::uint64_t step = walk.first_step;
    const std::uint64_t end = walk.first_step + walk.n_steps;
    while (step < end) {
        const bool even = step % 2 == 0, both = even && step + 1 < end;
#pragma GCC unroll 4
        for (std::size_t v = 0; v < n_vectors; ++v) {
            V first, second;
            random_bits(walker[v], walk.seed, step / 2, first, second);
            if (even) hop(state[v], first, walk);
            if (both || !even) hop(state[v], second, walk);
        }
        step += both ? 2 : 1;
    }
    // Take the fields apart, and their bias off.
    const std::uint64_t bias = Destination::bias * walk.n_steps;
    for (std::size_t v = 0; v < n_vectors; ++v) {
        const State& s = state[v];
        const V x = _mm512_sub_epi64(s.above_x, _mm512_slli_epi64(s.above_y, 10));
        const V y = _mm512_sub_epi64(s.above_y, _mm512_slli_epi64(s.z, 10));
        const std::size_t at = v * width;
        _mm512_store_si512(l.site + at, _mm512_and_si512(s.site, all(0xFFFFFFFFu)));
        _mm512_store_si512(l.x + at, _mm512_add_epi64(load(l.x + at), _mm512_sub_epi64(x, all(bias))));
        _mm512_store_si512(l.y + at, _mm512_add_epi64(load(l.y + at), _mm512_sub_epi64(y, all(bias))));
        _mm512_store_si512(l.z + at, _mm512_add_epi64(load(l.z + at), _mm512_sub_epi64(s.z, all(bias))));
    }
}

} // namespace mesolith
#endif
