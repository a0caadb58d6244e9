#include "mesolith/sites/jumps.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include <fmt/format.h>

#include "mesolith/core/error.hpp"

namespace mesolith {

namespace {

void check_sites(const SiteTrajectory& trajectory, const SiteSet& sites) {
    for (const SiteEvent& event : trajectory.events)
        if (event.site.valid() && event.site.at() >= sites.base.size())
            throw DataError(
                fmt::format("The site trajectory visits site {} of {} (it belongs to another site list). "
                            "Assign the sites anew",
                            event.site.value, sites.base.size()));
}

/// Number of the bin with upper edges edges[b] = first 2^b that holds the wait; waits beyond the last edge go
/// there.
std::size_t bin_of(double wait, const std::vector<double>& edges) {
    const auto bin = std::lower_bound(edges.begin(), edges.end(), wait * (1 - 1e-12)) - edges.begin();
    return std::min(static_cast<std::size_t>(bin), edges.size() - 1);
}

} // namespace

std::vector<Jump> list_jumps(const SiteTrajectory& trajectory, const SiteSet& sites) {
    check_sites(trajectory, sites);
    std::vector<Jump> jumps;
    for (std::size_t ion = 0; ion < trajectory.n_ions(); ++ion) {
        const SiteEvent* last = nullptr; // last assigned state
        for (const SiteEvent& event : trajectory.of_ion(ion)) {
            if (!event.site.valid()) continue;
            if (last && (last->site != event.site || last->cell != event.cell))
                jumps.push_back(
                    {static_cast<std::int32_t>(ion), event.frame, sites.base[last->site.at()],
                     sites.base[event.site.at()],
                     sites.folded_cell(event.site, event.cell) - sites.folded_cell(last->site, last->cell)});
            last = &event;
        }
    }
    return jumps;
}

Recrossings count_recrossings(const SiteTrajectory& trajectory, const SiteSet& sites) {
    const std::vector<Jump> jumps = list_jumps(trajectory, sites);
    Recrossings result;
    result.jumps = static_cast<std::int64_t>(jumps.size());
    for (double edge = trajectory.frame_interval; edge > 0; edge *= 2) {
        result.waiting_time.push_back(edge);
        if (edge >= trajectory.duration()) break;
    }
    result.back_by_wait.assign(result.waiting_time.size(), 0);
    result.all_by_wait = result.back_by_wait;
    for (std::size_t k = 0; k + 1 < jumps.size(); ++k) {
        const Jump &jump = jumps[k], &next = jumps[k + 1];
        if (next.ion != jump.ion) continue;
        const double wait = trajectory.frame_interval * (next.frame - jump.frame);
        const std::size_t bin = bin_of(wait, result.waiting_time);
        const bool back = next.to == jump.from && next.R == -jump.R;
        ++result.all_by_wait[bin];
        result.back_by_wait[bin] += back;
        result.back += back;
    }
    return result;
}

std::vector<JumpClass> jump_network(const std::vector<SiteTrajectory>& trajectories, const SiteSet& sites) {
    std::map<std::array<std::int32_t, 5>, std::int64_t> counts; // from, to, R
    for (const SiteTrajectory& trajectory : trajectories)
        for (const Jump& jump : list_jumps(trajectory, sites))
            ++counts[{jump.from.value, jump.to.value, jump.R[0], jump.R[1], jump.R[2]}];
    std::vector<JumpClass> network;
    for (const auto& [key, count] : counts) {
        const IVec3 R(key[2], key[3], key[4]);
        const SiteId from(key[0]), to(key[1]);
        network.push_back({from, to, R, count, sites.basis.displacement(from.at(), to.at(), R)});
    }
    std::stable_sort(network.begin(), network.end(),
                     [](const JumpClass& a, const JumpClass& b) { return a.count > b.count; });
    return network;
}

} // namespace mesolith
