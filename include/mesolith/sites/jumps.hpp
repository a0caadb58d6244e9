#pragma once
#include <vector>

#include "mesolith/sites/site_trajectory.hpp"

namespace mesolith {

/// One hop between two sites, in the folded cell.
struct Jump {
    std::int32_t ion = 0, frame = 0; ///< first frame on the new site
    SiteId from, to;                 ///< basis sites
    IVec3 R = IVec3::Zero();         ///< folded cell of `to` minus that of `from`
};

/// All changes of (site, image) between assigned states, ordered by ion and frame; unassigned stretches are
/// bridged.
/// @throws DataError when the trajectory visits sites that the set does not have
[[nodiscard]] std::vector<Jump> list_jumps(const SiteTrajectory& trajectory, const SiteSet& sites);

/// Immediate back-hops: a jump i -> j followed by j -> i (the same image), by waiting time on j.
struct Recrossings {
    std::int64_t jumps = 0;
    std::int64_t back = 0;            ///< jumps undone by the ion's next jump, whatever the wait
    std::vector<double> waiting_time; ///< upper edges (included) of the bins [ps]: 1, 2, 4, ... intervals
    std::vector<std::int64_t> back_by_wait; ///< next jumps after a wait in the bin that go back ...
    std::vector<std::int64_t> all_by_wait;  ///< ... and all of them
};
[[nodiscard]] Recrossings count_recrossings(const SiteTrajectory& trajectory, const SiteSet& sites);

/// Number of observed hops of each kind (from, to, R), largest first: the jump network (Qaisrani et al.,
/// fig. 5). Sites and displacements are those of the folded cell.
struct JumpClass {
    SiteId from, to;
    IVec3 R = IVec3::Zero();
    std::int64_t count = 0;
    Vec3 displacement = Vec3::Zero(); ///< [A]
};
[[nodiscard]] std::vector<JumpClass> jump_network(const std::vector<SiteTrajectory>& trajectories,
                                                  const SiteSet& sites);

} // namespace mesolith
