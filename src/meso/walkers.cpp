#include "mesolith/meso/walkers.hpp"

#include <algorithm>

#include <fmt/core.h>

#include "mesolith/core/error.hpp"
#include "mesolith/core/parallel.hpp"
#include "mesolith/core/random.hpp"
#include "mesolith/meso/vector_units.hpp"

#include "walk_lanes.hpp"

namespace mesolith {

namespace {

constexpr std::size_t walkers_per_block = 4096;

/// One hop of one lane.
[[gnu::always_inline]] inline void hop(Lanes& l, std::size_t i, std::uint64_t u, const Walk& walk) {
    const std::uint64_t row = walk.rows[l.site[i]];
    const auto [slot, rest] = slot_and_rest(u, row & 0xFFFFFFFFu);
    const std::uint64_t at = 3 * ((row >> 32) + slot);
    const std::uint64_t word = walk.slots[at + 1 + (rest < walk.slots[at] ? 0 : 1)];
    constexpr std::uint64_t bias = Destination::bias;
    l.site[i] = word & 0xFFFFFFFFu;
    l.x[i] += ((word >> 32) & 1023) - bias;
    l.y[i] += ((word >> 42) & 1023) - bias;
    l.z[i] += ((word >> 52) & 1023) - bias;
}

/// All lanes make one or both steps of a pair, which share a random block.
template <bool even, bool odd>
void step_pair(Lanes& l, const Walk& walk, std::uint64_t pair) {
    for (std::size_t i = 0; i < lanes; ++i) {
        const auto random = philox(RandomCounter::words(RngUse::walker_jump, walk.first_walker + i, pair),
                                   walk.seed & 0xFFFFFFFFu, walk.seed >> 32);
        if constexpr (even) hop(l, i, random[0] | random[1] << 32, walk);
        if constexpr (odd) hop(l, i, random[2] | random[3] << 32, walk);
    }
}

WalkLanes best_walk_lanes() {
#if defined(__x86_64__)
    if (vector_units() == VectorUnits::avx512) return walk_lanes_avx512;
#endif
    return walk_lanes_any;
}

} // namespace

void walk_lanes_any(Lanes& l, const Walk& walk) {
    std::uint64_t step = walk.first_step;
    const std::uint64_t end = walk.first_step + walk.n_steps;
    if (step % 2 == 1 && step < end) step_pair<false, true>(l, walk, step++ / 2);
    for (; step + 2 <= end; step += 2) step_pair<true, true>(l, walk, step / 2);
    if (step < end) step_pair<true, false>(l, walk, step / 2);
}

Walkers place_walkers(std::size_t n, const Kernel& kernel, WalkerStart start, std::uint64_t seed,
                      std::int32_t site, std::uint64_t first) {
    const std::size_t n_sites = kernel.n_sites();
    std::vector<double> weights(n_sites, 0.0);
    switch (start) {
    case WalkerStart::stationary:
        if (kernel.stationary.size() != n_sites)
            throw DataError(
                fmt::format("kernel of {} sites with {} stationary weights (one per site is needed). "
                            "Estimate it again, or start uniformly",
                            n_sites, kernel.stationary.size()));
        weights = kernel.stationary;
        break;
    case WalkerStart::uniform:
        std::fill(weights.begin(), weights.end(), 1.0);
        break;
    case WalkerStart::site:
        if (site < 0 || static_cast<std::size_t>(site) >= n_sites)
            throw DataError(fmt::format("start on site {} of {} (sites count from 0). Choose one that exists",
                                        site, n_sites));
        weights[static_cast<std::size_t>(site)] = 1;
    }
    const std::vector<AliasSlot> slots = alias_slots(weights);
    Walkers walkers;
    walkers.first = first;
    walkers.start_site.resize(n);
    walkers.x.assign(n, 0);
    walkers.y.assign(n, 0);
    walkers.z.assign(n, 0);
    for_blocks(n, walkers_per_block, [&](std::size_t begin, std::size_t end) {
        for (std::size_t w = begin; w < end; ++w) {
            Stream random(seed, RngUse::walker_start, first + w, 0);
            const auto [slot, rest] = slot_and_rest(random.bits64(), slots.size());
            const std::uint64_t drawn = rest < slots[slot].threshold ? slots[slot].kept : slots[slot].alias;
            walkers.start_site[w] = static_cast<std::int32_t>(drawn);
        }
    });
    walkers.site = walkers.start_site;
    return walkers;
}

void advance(Walkers& walkers, const JumpTable& jumps, std::uint64_t seed, std::uint64_t first_step,
             std::uint64_t n_steps) {
    // Twice as many steps as blocks, and the sum must not wrap.
    if (walkers.first + walkers.size() > RandomCounter::max_stream || first_step > RandomCounter::max_step ||
        n_steps > RandomCounter::max_step - first_step)
        throw DataError(fmt::format(
            "walkers up to {}, steps up to {} + {} (walkers go to 2^48, steps to 2^56). Use fewer",
            walkers.first + walkers.size(), first_step, n_steps));
    const WalkLanes walk = best_walk_lanes();
    for_blocks(walkers.size(), walkers_per_block, [&](std::size_t begin, std::size_t end) {
        Lanes l;
        for (std::size_t w = begin; w < end; w += lanes) {
            const std::size_t used = std::min(lanes, end - w);
            for (std::size_t i = 0; i < lanes; ++i) { // unused lanes walk along on site 0
                const bool in = i < used;
                l.site[i] = in ? static_cast<std::uint64_t>(walkers.site[w + i]) : 0;
                l.x[i] = in ? static_cast<std::uint64_t>(walkers.x[w + i]) : 0;
                l.y[i] = in ? static_cast<std::uint64_t>(walkers.y[w + i]) : 0;
                l.z[i] = in ? static_cast<std::uint64_t>(walkers.z[w + i]) : 0;
            }
            walk(l, {jumps.rows.data(), &jumps.slots.data()->threshold, seed, walkers.first + w, first_step,
                     n_steps});
            for (std::size_t i = 0; i < used; ++i) {
                walkers.site[w + i] = static_cast<std::int32_t>(l.site[i]);
                walkers.x[w + i] = static_cast<std::int32_t>(l.x[i]);
                walkers.y[w + i] = static_cast<std::int32_t>(l.y[i]);
                walkers.z[w + i] = static_cast<std::int32_t>(l.z[i]);
            }
        }
    });
}

} // namespace mesolith
