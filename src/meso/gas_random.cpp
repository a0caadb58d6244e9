// Compiled once for each kind of vector unit: Highway includes this file again.
#include "gas_random.hpp"

#include <fmt/core.h>

#include "mesolith/core/error.hpp"

#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SSE4)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "meso/gas_random.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "philox_lanes.hpp"

HWY_BEFORE_NAMESPACE();
namespace mesolith {
namespace HWY_NAMESPACE {

#if MESOLITH_WIDE_LANES

static_assert(GasBits::n % (4 * width) == 0);

void gas_bits_best(std::uint64_t seed, RngUse use, std::uint64_t stream, std::uint64_t step,
                   std::uint64_t block, GasBits& bits) {
    const D d;
    const auto counter = RandomCounter::words(use, stream, step, block);
    for (std::size_t i = 0; i < GasBits::n; i += 4 * width) {
        V c0[4], c1[4], c2[4], c3[4], first[4], second[4];
#pragma GCC unroll 4
        for (std::size_t v = 0; v < 4; ++v) {
            c0[v] = hn::Iota(d, counter[0] + i + v * width);
            c1[v] = all(counter[1]), c2[v] = all(counter[2]), c3[v] = all(counter[3]);
        }
        philox_lanes(c0, c1, c2, c3, seed, first, second);
#pragma GCC unroll 4
        for (std::size_t v = 0; v < 4; ++v) {
            hn::Store(first[v], d, bits.first + i + v * width);
            hn::Store(second[v], d, bits.second + i + v * width);
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
