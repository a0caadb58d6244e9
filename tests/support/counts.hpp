#pragma once
// Counts built by hand or drawn from a kernel, and what estimates are compared by.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <random>
#include <vector>

#include "mesolith/msm/kernel.hpp"
#include "mesolith/msm/transition_counts.hpp"

#include "support/synthetic.hpp"

namespace mesolith::test {

using CountMap = std::map<Transition, std::int64_t>;

/// Counts of several time blocks, lag 2 x 0.5 ps.
inline TransitionCounts counts_of(std::size_t n_sites, const std::vector<CountMap>& blocks) {
    CountMap all;
    for (const CountMap& block : blocks)
        for (const auto& [t, n] : block) {
            all[t] += n;
            all.try_emplace(t.reversed(), 0);
        }
    TransitionCounts c;
    c.lag_frames = 2;
    c.frame_interval = 0.5;
    c.n_sites = n_sites;
    std::map<Transition, std::int32_t> index;
    for (const auto& [t, n] : all) {
        index[t] = static_cast<std::int32_t>(c.transitions.size());
        c.transitions.push_back(t);
        c.total.push_back(n);
    }
    for (const CountMap& block : blocks) {
        for (const auto& [t, n] : block) {
            c.block_transition.push_back(index[t]);
            c.block_count.push_back(n);
        }
        c.block_offsets.push_back(c.block_count.size());
    }
    c.index_reverses();
    return c;
}

/// Every transition with a count in a block of its own: weights are then the counts themselves, of any size.
inline TransitionCounts one_block_each(std::size_t n_sites, const std::map<Transition, double>& counts,
                                       std::vector<double>& weights) {
    std::vector<CountMap> blocks;
    weights.clear();
    for (const auto& [t, n] : counts) {
        blocks.push_back({{t, 1}});
        weights.push_back(n);
    }
    return counts_of(n_sites, blocks);
}

/// Windows drawn from a kernel: `visits[j]` of each block start on site j.
inline std::vector<CountMap> drawn_blocks(const Kernel& kernel, std::size_t n_blocks,
                                          const std::vector<std::size_t>& visits, std::uint64_t seed) {
    std::vector<CountMap> blocks(n_blocks);
    std::mt19937_64 random(seed);
    std::vector<std::vector<double>> weights(kernel.n_sites());
    for (std::size_t j = 0; j < kernel.n_sites(); ++j)
        for (const KernelEntry& e : kernel.from(j)) weights[j].push_back(e.p);
    for (CountMap& block : blocks)
        for (std::size_t j = 0; j < kernel.n_sites(); ++j)
            for (std::size_t k = 0; k < visits[j]; ++k) {
                const double u = static_cast<double>(random() >> 11) * 0x1p-53;
                const KernelEntry& e = kernel.from(j)[draw(weights[j], u)];
                ++block[{static_cast<std::int32_t>(j), e.to, e.R}];
            }
    return blocks;
}

inline double probability(const Kernel& k, std::size_t from, std::int32_t to, const IVec3& R) {
    for (const KernelEntry& e : k.from(from))
        if (e.to == to && e.R == R) return e.p;
    return 0;
}

/// max |pi_j M_ij(R) - pi_i M_ji(-R)|
inline double balance_error(const Kernel& k) {
    double worst = 0;
    for (std::size_t j = 0; j < k.n_sites(); ++j)
        for (const KernelEntry& e : k.from(j)) {
            const auto i = static_cast<std::size_t>(e.to);
            const double there = k.stationary[j] * e.p;
            const double back = k.stationary[i] * probability(k, i, static_cast<std::int32_t>(j), -e.R);
            worst = std::max(worst, std::abs(there - back));
        }
    return worst;
}

/// sum C ln M; -infinity when the kernel forbids something that was seen.
inline double log_likelihood(const Kernel& k, const TransitionCounts& counts,
                             const std::vector<double>& weights = {}) {
    const std::vector<double> c = counts.weighted(weights);
    double sum = 0;
    for (std::size_t t = 0; t < c.size(); ++t) {
        const Transition& move = counts.transitions[t];
        if (c[t] > 0)
            sum += c[t] * std::log(probability(k, static_cast<std::size_t>(move.from), move.to, move.R));
    }
    return sum;
}

} // namespace mesolith::test
