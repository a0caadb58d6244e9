// Philox in vectors of 64-bit lanes, for the sources that Highway compiles once for each kind of vector unit:
// it includes this with them. Defined where MESOLITH_WIDE_LANES is 1: with AVX2 and above.
#if defined(MESOLITH_MESO_PHILOX_LANES) == defined(HWY_TARGET_TOGGLE)
#ifdef MESOLITH_MESO_PHILOX_LANES
#undef MESOLITH_MESO_PHILOX_LANES
#else
#define MESOLITH_MESO_PHILOX_LANES
#endif

#include <cstddef>
#include <cstdint>

#if defined(__GNUC__) && !defined(__clang__)
// GCC 12 warns of its own intrinsics, whose unused operand is undefined on purpose (GCC bug 105593).
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif

#include <hwy/highway.h>

#undef MESOLITH_WIDE_LANES
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL
#define MESOLITH_WIDE_LANES 1

HWY_BEFORE_NAMESPACE();
namespace mesolith {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
using D = hn::ScalableTag<std::uint64_t>;
using V = hn::Vec<D>;
constexpr std::size_t width = hn::MaxLanes(D());

HWY_INLINE V all(std::uint64_t value) { return hn::Set(D(), value); }
/// Product of the low halves.
HWY_INLINE V mul(V a, V b) {
    const hn::Repartition<std::uint32_t, D> halves;
    return hn::MulEven(hn::BitCast(halves, a), hn::BitCast(halves, b));
}
/// Low halves of a | low halves of b << 32.
HWY_INLINE V join(V low, V high) {
    const hn::Repartition<std::uint32_t, D> halves;
    return hn::BitCast(D(),
                       hn::OddEven(hn::BitCast(halves, hn::ShiftLeft<32>(high)), hn::BitCast(halves, low)));
}

/// The first and second 64 bits of n vectors of Philox blocks; several at a time hide the latency of the
/// product. Only the low half of each word of the counter counts on the way, which is all that the
/// multiplication reads: upper halves may hold anything.
template <std::size_t n>
HWY_INLINE void philox_lanes(V (&c0)[n], V (&c1)[n], V (&c2)[n], V (&c3)[n], std::uint64_t seed,
                             V (&first)[n], V (&second)[n]) {
    auto key0 = static_cast<std::uint32_t>(seed), key1 = static_cast<std::uint32_t>(seed >> 32);
    const V m0 = all(0xD2511F53u), m1 = all(0xCD9E8D57u);
#pragma GCC unroll 10
    for (int round = 0; round < 10; ++round) {
#pragma GCC unroll 4
        for (std::size_t v = 0; v < n; ++v) {
            const V a = mul(c0[v], m0), b = mul(c2[v], m1);
            c0[v] = hn::Xor3(hn::ShiftRight<32>(b), c1[v], all(key0));
            c2[v] = hn::Xor3(hn::ShiftRight<32>(a), c3[v], all(key1));
            c1[v] = b, c3[v] = a;
        }
        key0 += 0x9E3779B9u, key1 += 0xBB67AE85u;
    }
#pragma GCC unroll 4
    for (std::size_t v = 0; v < n; ++v) first[v] = join(c0[v], c1[v]), second[v] = join(c2[v], c3[v]);
}

} // namespace HWY_NAMESPACE
} // namespace mesolith
HWY_AFTER_NAMESPACE();

#else
#define MESOLITH_WIDE_LANES 0
#endif
#endif
