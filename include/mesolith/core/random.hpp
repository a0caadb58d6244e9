#pragma once
#include <array>
#include <cstdint>

namespace mesolith {

/// Every use of random numbers in the program. Values are part of the file format: never renumber; at most
/// 255.
enum class RngUse : std::uint32_t {
    test = 0,
    bootstrap = 1,
    walker_start = 2,
    walker_jump = 3,
    synthetic_jump = 4,
    synthetic_noise = 5,
    grains = 6,
    walker_time = 7, ///< continuous time: waiting times and hops
    reservoir = 8,   ///< how many enter, and where
    md_velocity = 9,
    md_thermostat = 10,
    md_vacancy = 11,       ///< which ions are taken away
    gas_start = 12,        ///< lattice gas: where particles are put
    gas_attempt = 13,      ///< hops that are tried
    gas_clock = 14,        ///< how many of them there are
    gas_event = 15,        ///< rejection-free: waiting times and hops
    gas_exchange = 16,     ///< equilibrium moves
    exclusion_frames = 32, ///< a lattice gas looked at in frames (msm/exclusion_frames.hpp)
};

/// One block of Philox4x32-10 (Salmon, Moraes, Dror, Shaw, SC11, doi 10.1145/2063384.2063405): a bijection of
/// the counter for each key. Words are 32 bits; held in 64, a loop over lanes stays in vector registers.
[[gnu::always_inline]] constexpr std::array<std::uint64_t, 4> philox(std::array<std::uint64_t, 4> counter,
                                                                     std::uint64_t key0, std::uint64_t key1) {
    constexpr std::uint64_t low = 0xFFFFFFFFu;
    for (int round = 0; round < 10; ++round) {
        const std::uint64_t a = 0xD2511F53u * counter[0], b = 0xCD9E8D57u * counter[2];
        counter = {(b >> 32) ^ counter[1] ^ key0, b & low, (a >> 32) ^ counter[3] ^ key1, a & low};
        key0 = (key0 + 0x9E3779B9u) & low;
        key1 = (key1 + 0xBB67AE85u) & low;
    }
    return counter;
}

/// Where the block (use, stream, step, block) stands in the counter. No two of them share a place:
///
///     word 0  step, bits 0..31            word 2  stream, bits 0..31
///     word 1  use (8) | step, 32..55      word 3  block (16) | stream, 32..47
///
/// The key is the seed, low word first.
struct RandomCounter {
    static constexpr std::uint64_t max_stream = (std::uint64_t{1} << 48) - 1;
    static constexpr std::uint64_t max_step = (std::uint64_t{1} << 56) - 1;
    static constexpr std::uint64_t max_block = 0xFFFF;

    /// All arguments within the bounds above: not checked here.
    [[gnu::always_inline]] static constexpr std::array<std::uint64_t, 4>
    words(RngUse use, std::uint64_t stream, std::uint64_t step, std::uint64_t block = 0) {
        return {step & 0xFFFFFFFFu, (static_cast<std::uint64_t>(use) << 24) | (step >> 32),
                stream & 0xFFFFFFFFu, (block << 16) | (stream >> 32)};
    }
};

/// Random numbers as a pure function of (seed, use, stream, step): the same for any order of evaluation and
/// any number of threads. 128 bits per block, further blocks on demand: 2^17 numbers of 64 bits for each
/// (use, stream, step). A UniformRandomBitGenerator for Boost.Random and the standard library.
class Stream {
public:
    /// @throws DataError when stream >= 2^48 or step >= 2^56
    Stream(std::uint64_t seed, RngUse use, std::uint64_t stream, std::uint64_t step)
        : seed_(seed), use_(use), stream_(stream), step_(step) {
        if (stream > RandomCounter::max_stream || step > RandomCounter::max_step) throw_out_of_range();
    }

    std::uint32_t bits32() {
        if (used_ == 4) refill();
        return static_cast<std::uint32_t>(block_[used_++]);
    }
    /// Two words, low one first. @throws DataError after 2^17 numbers, instead of repeating them
    std::uint64_t bits64() {
        const std::uint64_t low = bits32();
        return low | (static_cast<std::uint64_t>(bits32()) << 32);
    }

    using result_type = std::uint64_t;
    static constexpr result_type min() { return 0; }
    static constexpr result_type max() { return ~result_type{0}; }
    result_type operator()() { return bits64(); }

private:
    [[noreturn]] void throw_out_of_range() const;
    [[noreturn]] void throw_exhausted() const;
    void refill() {
        if (next_block_ > RandomCounter::max_block) throw_exhausted();
        block_ = philox(RandomCounter::words(use_, stream_, step_, next_block_++), seed_ & 0xFFFFFFFFu,
                        seed_ >> 32);
        used_ = 0;
    }

    std::uint64_t seed_;
    RngUse use_;
    std::uint64_t stream_, step_, next_block_ = 0;
    std::array<std::uint64_t, 4> block_{};
    unsigned used_ = 4;
};

/// Uniform in [0, 1), 53 bits.
inline double uniform01(Stream& random) { return static_cast<double>(random.bits64() >> 11) * 0x1p-53; }

} // namespace mesolith
