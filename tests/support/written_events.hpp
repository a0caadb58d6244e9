#pragma once
// Events written by hand.
#include <cstdint>
#include <vector>

#include "mesolith/crystal/site_set.hpp"
#include "mesolith/sites/site_trajectory.hpp"

namespace mesolith::test {

/// Two orbits along x, 2 A and 4 A apart in a cubic cell of 6 A: A at 0, B at 2.
inline SiteBasis row_of_two() {
    SiteBasis basis;
    basis.cell = Cell(6 * Mat3::Identity());
    basis.positions = {Vec3(0, 0, 0), Vec3(2, 0, 0)};
    basis.orbit = {0, 1};
    basis.name = {"A.1", "B.1"};
    return basis;
}

/// Each ion's events, n_frames frames of 0.5 ps.
inline SiteTrajectory written(std::int64_t n_frames, const std::vector<std::vector<SiteEvent>>& ions) {
    SiteTrajectory t;
    t.n_frames = n_frames;
    t.frame_interval = 0.5;
    for (const auto& events : ions) {
        t.events.insert(t.events.end(), events.begin(), events.end());
        t.offsets.push_back(t.events.size());
    }
    return t;
}

} // namespace mesolith::test
