#include "mesolith/msm/transition_counts.hpp"

#include <algorithm>
#include <limits>
#include <string>

#include "mesolith/core/error.hpp"
#include "mesolith/core/parallel.hpp"

namespace mesolith {

namespace {

/// A stay on a basis site of one folded cell.
struct Stay {
    std::int32_t begin; ///< frame
    std::int32_t site;  ///< -1: unassigned
    IVec3 cell;
};

struct FoldedTrajectory {
    std::vector<std::size_t> offsets{0};
    std::vector<Stay> stays;
    std::int64_t n_frames = 0;
};

FoldedTrajectory fold(const SiteTrajectory& trajectory, const SiteSet& sites) {
    FoldedTrajectory folded;
    folded.n_frames = trajectory.n_frames;
    folded.stays.reserve(trajectory.events.size());
    for (std::size_t ion = 0; ion < trajectory.n_ions(); ++ion) {
        for (const SiteEvent& e : trajectory.of_ion(ion)) {
            if (e.site.valid())
                folded.stays.push_back(
                    {e.frame, sites.base[e.site.at()].value, sites.folded_cell(e.site, e.cell)});
            else
                folded.stays.push_back({e.frame, -1, IVec3::Zero()});
        }
        folded.offsets.push_back(folded.stays.size());
    }
    return folded;
}

constexpr int reach = 127; // largest |R| along an axis that a packed key can hold

/// Counts by packed key, open addressing. Small enough to stay in the cache while one block is counted.
class CountTable {
public:
    CountTable() : keys_(1024, empty), values_(1024, 0) {}

    void add(std::uint64_t key, std::int64_t n) {
        std::size_t slot = hash(key);
        while (keys_[slot] != key) {
            if (keys_[slot] == empty) {
                keys_[slot] = key;
                if (++used_ * 2 > keys_.size()) {
                    values_[slot] = n;
                    grow();
                    return;
                }
                break;
            }
            slot = (slot + 1) & (keys_.size() - 1);
        }
        values_[slot] += n;
    }

    template <class F>
    void for_each(F&& f) const {
        for (std::size_t s = 0; s < keys_.size(); ++s)
            if (keys_[s] != empty) f(keys_[s], values_[s]);
    }

private:
    static constexpr std::uint64_t empty = ~std::uint64_t{0};
    std::size_t hash(std::uint64_t key) const {
        key ^= key >> 29; // brings the origin's bits down
        return (key * 0x9E3779B97F4A7C15u >> 40) & (keys_.size() - 1);
    }

    void grow() {
        CountTable larger;
        larger.keys_.assign(keys_.size() * 4, empty);
        larger.values_.assign(keys_.size() * 4, 0);
        for_each([&](std::uint64_t key, std::int64_t n) { larger.add(key, n); });
        *this = std::move(larger);
    }

    std::vector<std::uint64_t> keys_;
    std::vector<std::int64_t> values_;
    std::size_t used_ = 0;
};

constexpr std::int32_t max_sites = 1 << 20;

/// Packed keys ascend like Transitions do.
std::uint64_t pack(std::int32_t from, std::int32_t to, const IVec3& R) {
    const auto byte = [](int r) { return static_cast<std::uint64_t>(r + reach + 1); };
    return static_cast<std::uint64_t>(from) << 44 | static_cast<std::uint64_t>(to) << 24 | byte(R[0]) << 16 |
           byte(R[1]) << 8 | byte(R[2]);
}

Transition unpack(std::uint64_t key) {
    const auto r = [&](int shift) { return static_cast<int>(key >> shift & 0xff) - reach - 1; };
    return {static_cast<std::int32_t>(key >> 44), static_cast<std::int32_t>(key >> 24 & (max_sites - 1)),
            IVec3(r(16), r(8), r(0))};
}

struct BlockCounts {
    std::vector<std::pair<std::uint64_t, std::int64_t>> entries; // by packed key, ascending
    std::int64_t skipped = 0;
};

/// All windows of one lag that start in one block. Two cursors walk along the stays of each ion, one a lag
/// ahead of the other: between two changes of either cursor all windows are the same transition.
BlockCounts count_block(const FoldedTrajectory& trajectory, const TimeBlock& block, std::int64_t lag,
                        std::size_t n_sites) {
    BlockCounts result;
    const std::int64_t end = std::min(block.end, trajectory.n_frames - lag);
    if (block.begin >= end) return result;
    std::vector<std::int64_t> stayed(n_sites, 0); // (j, j, 0), by far the most
    CountTable table;
    for (std::size_t ion = 0; ion + 1 < trajectory.offsets.size(); ++ion) {
        const Stay* const first = trajectory.stays.data() + trajectory.offsets[ion];
        const Stay* const last = trajectory.stays.data() + trajectory.offsets[ion + 1];
        if (first == last) continue;
        const auto stay_at = [&](std::int64_t frame) {
            return std::upper_bound(first, last, frame,
                                    [](std::int64_t t, const Stay& s) { return t < s.begin; }) -
                   1;
        };
        const Stay* a = stay_at(block.begin);
        const Stay* b = stay_at(block.begin + lag);
        for (std::int64_t t = block.begin; t < end;) {
            const std::int64_t a_end = a + 1 < last ? a[1].begin : std::numeric_limits<std::int64_t>::max();
            const std::int64_t b_end =
                b + 1 < last ? b[1].begin - lag : std::numeric_limits<std::int64_t>::max();
            const std::int64_t next = std::min({a_end, b_end, end});
            const std::int64_t n = next - t;
            if (a->site < 0 || b->site < 0) {
                result.skipped += n;
            } else if (a == b) {
                stayed[static_cast<std::size_t>(a->site)] += n;
            } else {
                const IVec3 R = b->cell - a->cell;
                if (R.cwiseAbs().maxCoeff() > reach)
                    throw DataError(
                        "an ion moved more than 127 folded cells within a lag of " + std::to_string(lag) +
                        " frames (positions jump, or the lag is far too long). Check the unwrapping");
                table.add(pack(a->site, b->site, R), n);
            }
            if (a_end == next) ++a;
            if (b_end == next) ++b;
            t = next;
        }
    }
    for (std::size_t j = 0; j < n_sites; ++j)
        if (stayed[j] > 0) {
            const auto site = static_cast<std::int32_t>(j);
            table.add(pack(site, site, IVec3::Zero()), stayed[j]);
        }
    table.for_each([&](std::uint64_t key, std::int64_t n) { result.entries.emplace_back(key, n); });
    std::sort(result.entries.begin(), result.entries.end());
    return result;
}

TransitionCounts merge(const std::vector<BlockCounts>& blocks) {
    TransitionCounts counts;
    CountTable sum;
    for (const BlockCounts& block : blocks) {
        counts.skipped_windows += block.skipped;
        for (const auto& [key, n] : block.entries) {
            sum.add(key, n);
            const Transition t = unpack(key);
            sum.add(pack(t.to, t.from, -t.R), 0);
        }
    }
    std::vector<std::pair<std::uint64_t, std::int64_t>> all;
    sum.for_each([&](std::uint64_t key, std::int64_t n) { all.emplace_back(key, n); });
    std::sort(all.begin(), all.end());
    for (const auto& [key, n] : all) {
        counts.transitions.push_back(unpack(key));
        counts.total.push_back(n);
    }
    for (const BlockCounts& block : blocks) {
        std::size_t index = 0;
        for (const auto& [key, n] : block.entries) {
            while (all[index].first < key) ++index;
            counts.block_transition.push_back(static_cast<std::int32_t>(index));
            counts.block_count.push_back(n);
        }
        counts.block_offsets.push_back(counts.block_transition.size());
    }
    counts.index_reverses();
    return counts;
}

} // namespace

std::vector<double> TransitionCounts::weighted(std::span<const double> weights) const {
    if (!weights.empty() && weights.size() != n_blocks())
        throw DataError("got " + std::to_string(weights.size()) + " weights for " +
                        std::to_string(n_blocks()) + " time blocks");
    std::vector<double> sum(total.begin(), total.end());
    if (!weights.empty()) {
        std::fill(sum.begin(), sum.end(), 0.0);
        for (std::size_t b = 0; b < n_blocks(); ++b)
            for (std::size_t k = block_offsets[b]; k < block_offsets[b + 1]; ++k)
                sum[static_cast<std::size_t>(block_transition[k])] +=
                    weights[b] * static_cast<double>(block_count[k]);
    }
    if (pool.empty()) return sum;
    if (pool.size() != sum.size()) throw DataError("counts and their classes differ in length");
    std::vector<double> mean(sum.size(), 0), size(sum.size(), 0); // by class
    for (std::size_t k = 0; k < sum.size(); ++k) {
        mean[static_cast<std::size_t>(pool[k])] += sum[k];
        size[static_cast<std::size_t>(pool[k])] += 1;
    }
    for (std::size_t k = 0; k < sum.size(); ++k)
        sum[k] = mean[static_cast<std::size_t>(pool[k])] / size[static_cast<std::size_t>(pool[k])];
    return sum;
}

void TransitionCounts::index_reverses() {
    reverse.resize(transitions.size());
    for (std::size_t k = 0; k < transitions.size(); ++k) {
        if (k > 0 && !(transitions[k - 1] < transitions[k])) throw DataError("transitions are not sorted");
        const Transition back = transitions[k].reversed();
        const auto found = std::lower_bound(transitions.begin(), transitions.end(), back);
        if (found == transitions.end() || !(*found == back))
            throw DataError("a transition is listed without its reverse");
        reverse[k] = static_cast<std::int32_t>(found - transitions.begin());
    }
}

std::vector<TransitionCounts> count_transitions(const std::vector<SiteTrajectory>& trajectories,
                                                const SiteSet& sites, std::span<const std::int64_t> lags,
                                                const std::vector<TimeBlock>& blocks) {
    if (trajectories.empty()) throw DataError("no trajectory to count in");
    if (sites.basis.size() >= static_cast<std::size_t>(max_sites))
        throw DataError("more than 2^20 sites in the folded cell");
    const double interval = trajectories.front().frame_interval;
    std::int64_t longest = 0;
    for (const SiteTrajectory& t : trajectories) {
        longest = std::max(longest, t.n_frames);
        if (t.frame_interval != interval)
            throw DataError("trajectories differ in their frame interval (" + std::to_string(interval) +
                            " and " + std::to_string(t.frame_interval) +
                            " ps). Use a stride that makes them equal");
    }
    for (const std::int64_t lag : lags) {
        if (lag < 1) throw DataError("a lag must be at least one frame");
        if (lag >= longest)
            throw DataError("lag of " + std::to_string(static_cast<double>(lag) * interval) +
                            " ps is longer than the trajectory (" +
                            std::to_string(static_cast<double>(longest) * interval) +
                            " ps used). Choose shorter lags");
    }
    std::vector<FoldedTrajectory> folded;
    for (const SiteTrajectory& t : trajectories) folded.push_back(fold(t, sites));

    std::vector<std::vector<BlockCounts>> pieces(lags.size(), std::vector<BlockCounts>(blocks.size()));
    for_each_index(lags.size() * blocks.size(), [&](std::size_t task) {
        const std::size_t l = task / blocks.size(), b = task % blocks.size();
        pieces[l][b] = count_block(folded.at(blocks[b].trajectory), blocks[b], lags[l], sites.basis.size());
    });
    std::vector<TransitionCounts> result(lags.size());
    for_each_index(lags.size(), [&](std::size_t l) {
        result[l] = merge(pieces[l]);
        result[l].lag_frames = lags[l];
        result[l].frame_interval = interval;
        result[l].n_sites = sites.basis.size();
    });
    return result;
}

} // namespace mesolith
