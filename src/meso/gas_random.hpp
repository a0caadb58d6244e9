#pragma once
#include <cstdint>

#include "mesolith/core/random.hpp"

namespace mesolith {

/// Random bits of consecutive steps: 128 of each.
struct GasBits {
    static constexpr std::size_t n = 256;
    alignas(64) std::uint64_t first[n], second[n];
};
/// Blocks (use, stream, step ... step + n - 1, block), step a multiple of n: the same bits with all vector
/// units.
void gas_bits(std::uint64_t seed, RngUse use, std::uint64_t stream, std::uint64_t step, std::uint64_t block,
              GasBits& bits);
void gas_bits_plain(std::uint64_t seed, RngUse use, std::uint64_t stream, std::uint64_t step,
                    std::uint64_t block, GasBits& bits);

/// Numbers 0, 1, 2, ... of a stream, 128 bits each, made in batches.
class GasStream {
public:
    GasStream(std::uint64_t seed, RngUse use, std::uint64_t stream)
        : seed_(seed), use_(use), stream_(stream) {}
    struct Pair {
        std::uint64_t first, second;
    };
    Pair next() {
        const std::size_t k = step_ % GasBits::n;
        if (k == 0) gas_bits(seed_, use_, stream_, step_, 0, bits_);
        ++step_;
        return {bits_.first[k], bits_.second[k]};
    }

private:
    std::uint64_t seed_;
    RngUse use_;
    std::uint64_t stream_, step_ = 0;
    GasBits bits_;
};

/// Stream of a replica and interval. @throws DataError beyond 2^16 replicas or 2^32 intervals
[[nodiscard]] std::uint64_t gas_stream(std::uint64_t replica, std::uint64_t interval);

/// Uniform in [0, 1), 53 bits.
[[gnu::always_inline]] inline double unit_interval(std::uint64_t bits) {
    return static_cast<double>(bits >> 11) * 0x1p-53;
}

/// floor(u n / 2^64) and the rest, which is uniform again.
struct WideProduct {
    std::uint64_t whole, rest;
};
[[gnu::always_inline]] inline WideProduct wide_product(std::uint64_t u, std::uint64_t n) {
    __extension__ using Wide = unsigned __int128;
    const Wide product = static_cast<Wide>(u) * n;
    return {static_cast<std::uint64_t>(product >> 64), static_cast<std::uint64_t>(product)};
}

} // namespace mesolith
