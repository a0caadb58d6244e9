#pragma once
#include <cmath>
#include <cstdint>

namespace mesolith {

/// -log(1 - u) of u = (bits + 1/2) 2^-64 with a relative error below 1e-13, also where it is small or large.
inline double exponential(std::uint64_t bits) {
    constexpr double unit = 0x1p-64;
    if (bits >> 54 == 0) { // u < 2^-10: six terms of the series
        const double u = (static_cast<double>(bits) + 0.5) * unit;
        return u * (1 + u * (1.0 / 2 + u * (1.0 / 3 + u * (1.0 / 4 + u * (1.0 / 5 + u * (1.0 / 6))))));
    }
    // 1 - u in halves: signed integers convert faster than unsigned ones
    const auto high = static_cast<double>(static_cast<std::int64_t>(~bits >> 32)),
               low = static_cast<double>(static_cast<std::int64_t>(~bits & 0xFFFFFFFFu));
    return -std::log((high * 0x1p32 + (low + 0.5)) * unit);
}

} // namespace mesolith
