#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "mesolith/core/index.hpp"
#include "mesolith/crystal/site_set.hpp"

namespace mesolith {

/// From `frame` on, the ion is at `site` in image `cell` of the simulated cell, until its next event.
struct SiteEvent {
    std::int32_t frame = 0; ///< counted in used frames, 0-based
    SiteId site;            ///< in the SiteSet of the simulated cell; none() = unassigned
    IVec3 cell = IVec3::Zero();
    bool operator==(const SiteEvent& o) const { return frame == o.frame && site == o.site && cell == o.cell; }
};

/// Where every ion was at every frame, as events: 20x smaller than frames, and all that later stages need.
struct SiteTrajectory {
    std::int64_t n_frames = 0;
    double frame_interval = 0; ///< [ps]
    /// Events of ion k: [offsets[k], offsets[k + 1]), by frame, the first at frame 0.
    std::vector<std::size_t> offsets{0};
    std::vector<SiteEvent> events;

    std::size_t n_ions() const { return offsets.size() - 1; }
    std::span<const SiteEvent> of_ion(std::size_t ion) const {
        return {events.data() + offsets[ion], offsets[ion + 1] - offsets[ion]};
    }
    double duration() const { return static_cast<double>(n_frames) * frame_interval; } ///< [ps]
};

} // namespace mesolith
