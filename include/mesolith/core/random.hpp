#pragma once
#include <array>
#include <cstdint>

#include <Random123/philox.h>

namespace mesolith {

/// Every use of random numbers in the program. Values are part of the file format: never renumber.
enum class RngUse : std::uint32_t {
    test = 0,
    bootstrap = 1,
    walker_start = 2,
    walker_jump = 3,
    synthetic_jump = 4,
    synthetic_noise = 5,
};

/// Random numbers as a pure function of (seed, use, stream, step): the same for any order of evaluation and any number of threads.
/// Philox4x32-10 (Salmon et al., SC11); 128 bits per (stream, step) block, further blocks on demand (up to 2^16 of them).
class Stream {
  public:
    Stream(std::uint64_t seed, RngUse use, std::uint64_t stream, std::uint64_t step);

    std::uint32_t bits32();
    std::uint64_t bits64();
    using result_type = std::uint64_t; // a UniformRandomBitGenerator for Boost.Random
    static constexpr result_type min() { return 0; }
    static constexpr result_type max() { return ~result_type{0}; }
    result_type operator()() { return bits64(); }

  private:
    void refill();
    r123::Philox4x32::ctr_type counter_;
    r123::Philox4x32::key_type key_;
    r123::Philox4x32::ctr_type block_{};
    int used_ = 4;
};

/// Uniform in [0, 1), 53 bits.
inline double uniform01(Stream& random) { return static_cast<double>(random.bits64() >> 11) * 0x1p-53; }

} // namespace mesolith
