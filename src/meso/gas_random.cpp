// Compiled once for each kind of vector unit: Highway includes this file again.
#include "gas_random.hpp"

#include <fmt/core.h>

#include "mesolith/core/error.hpp"

#if defined(__GNUC__) && !defined(__clang__)
// GCC 12 warns of its own intrinsics, whose unused operand is undefined on purpose (GCC bug 105593).
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif

#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SSE4)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "meso/gas_random.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace mesolith {
namespace HWY_NAMESPACE {

#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL

namespace hn = hwy::HWY_NAMESPACE;
using D = hn::ScalableTag<std::uint64_t>;
using V = hn::Vec<D>;
constexpr std::size_t width = hn::MaxLanes(D());
static_assert(GasBits::n % (4 * width) == 0);

HWY_INLINE V product(V a, V b) {
    const hn::Repartition<std::uint32_t, D> halves;
    return hn::MulEven(hn::BitCast(halves, a), hn::BitCast(halves, b));
}
HWY_INLINE V joined(V low, V high) {
    const hn::Repartition<std::uint32_t, D> halves;
    return hn::BitCast(D(),
                       hn::OddEven(hn::BitCast(halves, hn::ShiftLeft<32>(high)), hn::BitCast(halves, low)));
}

void gas_bits_best(std::uint64_t seed, RngUse use, std::uint64_t stream, std::uint64_t step,
                   std::uint64_t block, GasBits& bits) {
    const D d;
    const auto counter = RandomCounter::words(use, stream, step, block);
    const V m0 = hn::Set(d, 0xD2511F53u), m1 = hn::Set(d, 0xCD9E8D57u);
    for (std::size_t i = 0; i < GasBits::n; i += 4 * width) {
        V c0[4], c1[4], c2[4], c3[4]; // four vectors at a time hide the latency of the product
#pragma GCC unroll 4
        for (std::size_t v = 0; v < 4; ++v) {
            c0[v] = hn::Iota(d, counter[0] + i + v * width);
            c1[v] = hn::Set(d, counter[1]), c2[v] = hn::Set(d, counter[2]), c3[v] = hn::Set(d, counter[3]);
        }
        auto key0 = static_cast<std::uint32_t>(seed), key1 = static_cast<std::uint32_t>(seed >> 32);
#pragma GCC unroll 10
        for (int round = 0; round < 10; ++round) {
#pragma GCC unroll 4
            for (std::size_t v = 0; v < 4; ++v) {
                const V a = product(c0[v], m0), b = product(c2[v], m1);
                c0[v] = hn::Xor3(hn::ShiftRight<32>(b), c1[v], hn::Set(d, key0));
                c2[v] = hn::Xor3(hn::ShiftRight<32>(a), c3[v], hn::Set(d, key1));
                c1[v] = b, c3[v] = a;
            }
            key0 += 0x9E3779B9u, key1 += 0xBB67AE85u;
        }
#pragma GCC unroll 4
        for (std::size_t v = 0; v < 4; ++v) {
            hn::Store(joined(c0[v], c1[v]), d, bits.first + i + v * width);
            hn::Store(joined(c2[v], c3[v]), d, bits.second + i + v * width);
        }
    }
}

#else

void gas_bits_best(std::uint64_t seed, RngUse use, std::uint64_t stream, std::uint64_t step,
                   std::uint64_t block, GasBits& bits) {
    gas_bits_plain(seed, use, stream, step, block, bits);
}

#endif

} // namespace HWY_NAMESPACE
} // namespace mesolith
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace mesolith {

HWY_EXPORT(gas_bits_best);

void gas_bits(std::uint64_t seed, RngUse use, std::uint64_t stream, std::uint64_t step, std::uint64_t block,
              GasBits& bits) {
    HWY_DYNAMIC_DISPATCH(gas_bits_best)(seed, use, stream, step, block, bits);
}

void gas_bits_plain(std::uint64_t seed, RngUse use, std::uint64_t stream, std::uint64_t step,
                    std::uint64_t block, GasBits& bits) {
    for (std::size_t i = 0; i < GasBits::n; ++i) {
        const auto words =
            philox(RandomCounter::words(use, stream, step + i, block), seed & 0xFFFFFFFFu, seed >> 32);
        bits.first[i] = words[0] | words[1] << 32;
        bits.second[i] = words[2] | words[3] << 32;
    }
}

std::uint64_t gas_stream(std::uint64_t replica, std::uint64_t interval) {
    if (replica >> 16 || interval >> 32)
        throw DataError(
            fmt::format("replica {}, interval {} (random numbers are numbered up to 2^16 and 2^32). "
                        "Use another seed, or longer intervals",
                        replica, interval));
    return replica << 32 | interval;
}

} // namespace mesolith
#endif
