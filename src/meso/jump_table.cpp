#include "mesolith/meso/jump_table.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/core.h>

#include "mesolith/core/error.hpp"

namespace mesolith {

namespace {

__extension__ using Wide = unsigned __int128;

/// Weights in units of 2^-64 / n of their sum, so that the n slots of 2^64 units each are filled exactly.
std::vector<Wide> shares(std::span<const double> weights) {
    long double sum = 0;
    for (double w : weights) {
        if (!(w >= 0) || !std::isfinite(w))
            throw DataError(
                fmt::format("weight {} (must be finite and not negative). Check the probabilities", w));
        sum += w;
    }
    if (!(sum > 0)) throw DataError("all weights are zero (nothing to draw from). Check the probabilities");
    const Wide n = weights.size(), whole = n << 64;
    std::vector<Wide> share(weights.size());
    Wide given = 0;
    for (std::size_t i = 0; i < share.size(); ++i) {
        // a long double of x86 holds 64 bits: p 2^64 is exact for p >= 1/2 and rounded far below one unit of
        // the rest
        const long double p = weights[i] / sum;
        share[i] = static_cast<Wide>(std::ldexp(p, 96)) * n >> 32;
        given += share[i];
    }
    // What rounding left over (some n units) goes to the largest, where it weighs least.
    Wide& largest = *std::max_element(share.begin(), share.end());
    largest = largest + whole - given;
    return share;
}

} // namespace

std::vector<AliasSlot> alias_slots(std::span<const double> weights) {
    std::vector<Wide> left = shares(weights);
    const Wide full = Wide{1} << 64;
    std::vector<AliasSlot> slots(left.size());
    std::vector<std::size_t> small, large;
    for (std::size_t i = left.size(); i-- > 0;) (left[i] < full ? small : large).push_back(i);
    while (!small.empty()) {
        const std::size_t s = small.back(), l = large.back();
        small.pop_back();
        slots[s] = {static_cast<std::uint64_t>(left[s]), s, l};
        left[l] -= full - left[s];
        if (left[l] < full) {
            large.pop_back();
            small.push_back(l);
        }
    }
    // Integers: what is left is exactly full.
    for (std::size_t l : large) slots[l] = {0, l, l};
    return slots;
}

JumpTable make_jump_table(const Kernel& kernel) {
    if (kernel.entries.size() >= std::size_t{1} << 32)
        throw DataError(
            fmt::format("kernel of {} entries (jump tables hold 2^32). Drop its smallest probabilities",
                        kernel.entries.size()));
    JumpTable table;
    table.slots.reserve(kernel.entries.size());
    for (std::size_t j = 0; j < kernel.n_sites(); ++j) {
        std::vector<double> weights;
        std::vector<std::uint64_t> packed;
        for (const KernelEntry& e : kernel.from(j)) {
            if (e.R.cwiseAbs().maxCoeff() >= Destination::bias)
                throw DataError(
                    fmt::format("hop from site {} over ({}, {}, {}) cells (at most 511). Use a shorter lag",
                                j, e.R[0], e.R[1], e.R[2]));
            weights.push_back(e.p);
            packed.push_back(Destination{e.to, e.R}.packed());
        }
        table.rows.push_back(static_cast<std::uint64_t>(table.slots.size()) << 32 | weights.size());
        for (AliasSlot slot : alias_slots(weights))
            table.slots.push_back({slot.threshold, packed[slot.kept], packed[slot.alias]});
    }
    return table;
}

} // namespace mesolith
