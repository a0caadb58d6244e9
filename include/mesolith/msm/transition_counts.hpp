#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "mesolith/msm/time_blocks.hpp"
#include "mesolith/sites/site_trajectory.hpp"

namespace mesolith {

/// A lag window that starts on basis site `from` of folded cell 0 and ends on `to` of cell R.
struct Transition {
    std::int32_t from = 0, to = 0;
    IVec3 R = IVec3::Zero();

    /// The same move in reverse.
    Transition reversed() const { return {to, from, -R}; }
    bool is_stay() const { return from == to && R.isZero(); }
    friend bool operator<(const Transition& a, const Transition& b) {
        if (a.from != b.from) return a.from < b.from;
        if (a.to != b.to) return a.to < b.to;
        for (int k = 0; k < 3; ++k)
            if (a.R[k] != b.R[k]) return a.R[k] < b.R[k];
        return false;
    }
    friend bool operator==(const Transition& a, const Transition& b) {
        return a.from == b.from && a.to == b.to && a.R == b.R;
    }
};

/// Observed site-to-site transitions at one lag time, resolved by time block: the stored truth.
/// Probabilities, blocks, estimators can be redone from it without the trajectory.
struct TransitionCounts {
    std::int64_t lag_frames = 0;         ///< tau in frames, exact
    double frame_interval = 0;           ///< [ps]
    std::size_t n_sites = 0;             ///< basis sites
    std::vector<Transition> transitions; ///< distinct, sorted by (from, to, R); with each also its reverse
    std::vector<std::int64_t>
        total; ///< C(j, i, R) over all blocks, one per transition, 0 for reverses never seen
    std::vector<std::int32_t> reverse; ///< index of the reverse of each transition
    std::vector<std::size_t> block_offsets{
        0}; ///< block b holds [block_offsets[b], block_offsets[b + 1]) of the two below
    std::vector<std::int32_t> block_transition; ///< index into transitions, ascending within a block
    std::vector<std::int64_t> block_count;
    std::int64_t skipped_windows = 0; ///< windows with an unassigned end
    /// Class of each transition, 0-based: members share their counts (pool_counts). Empty: each by itself.
    std::vector<std::int32_t> pool;

    double lag_time() const { return static_cast<double>(lag_frames) * frame_interval; } ///< tau [ps]
    std::size_t n_blocks() const { return block_offsets.size() - 1; }

    /// C(j, i, R) with each block weighted; weights empty = all 1. One value per transition: with a pool the
    /// mean over its class, the same number for each member.
    /// @throws DataError when there is not one weight per block, or not one class per transition
    std::vector<double> weighted(std::span<const double> weights) const;

    /// Fill `reverse` (after reading the other members from a file).
    /// @throws DataError when transitions are not sorted or the reverse of one is missing
    void index_reverses();
};

/// Count transitions with a sliding window for several lags,
///   C(j, i, R; tau) = #{ (ion, t) : site(t) = j, site(t + tau) = i, cell(t + tau) - cell(t) = R } (Qaisrani
///   et al., eq. 4,
/// with the folded cell vector R carried along). Windows never cross the end of a trajectory; windows with an
/// unassigned end are skipped and counted.
///
/// @param lags  tau in frames, each >= 1
/// @throws DataError when a lag is not shorter than the longest trajectory ("lag longer than the
/// trajectory"),
///                   or |R| exceeds 127 cells within a lag
/// Cost: O(lags x events), whatever the number of frames; memory O(lags x blocks x distinct transitions).
/// Threads share (lag, block) pairs; integer results do not depend on them.
[[nodiscard]] std::vector<TransitionCounts> count_transitions(const std::vector<SiteTrajectory>& trajectories,
                                                              const SiteSet& sites,
                                                              std::span<const std::int64_t> lags,
                                                              const std::vector<TimeBlock>& blocks);

} // namespace mesolith
