#pragma once
#include <memory>
#include <span>
#include <vector>

#include "mesolith/sites/site_trajectory.hpp"

namespace mesolith {

struct BasinMap;

enum class Assignment {
    nearest,   ///< site whose Voronoi cell holds the ion
    core,      ///< last site whose core sphere the ion entered (milestoning); none() before the first
    watershed, ///< site whose basin of the density holds the ion (sites/density_sites.hpp)
};

struct AssignmentOptions {
    Assignment method = Assignment::nearest;
    double core_radius = 0.9; ///< [A], for all sites ...
    /// ... or one per orbit of the basis. At most half the distance from a site to its nearest neighbour, so
    /// that cores never overlap.
    std::vector<double> core_radius_per_orbit;
    /// Cut core radii that are too large down to half the distance to a neighbour instead of refusing them.
    bool shrink_cores = false;
    /// For Assignment::watershed: basins whose numbers are those of the sites. Their cell may differ from
    /// that of the site set by a strain: fractional coordinates count. The image of a site is the one nearest
    /// to the ion, which is right unless a basin reaches further than half the cell.
    std::shared_ptr<const BasinMap> basins = nullptr;
};

/// What the mapping looked like; never silent. Both rules are followed whatever the chosen method.
struct SiteDiagnostics {
    std::int64_t frames = 0;
    std::vector<double> occupancy; ///< mean number of ions (chosen method), per site of the simulated cell
    double doubly_occupied_fraction = 0; ///< share of frames with 2 or more ions on some site (nearest rule)
    double unassigned_fraction = 0;      ///< share of ion-frames with site none() (chosen method)
    std::int64_t nearest_changes = 0;    ///< changes of (site, image) by the nearest-site rule
    std::int64_t core_hops = 0;       ///< hops by the core-set rule: a core entered other than the last one
    std::int64_t shortcut_misses = 0; ///< ion-frames whose previous site was not at once provably nearest
    /// Radius used per orbit [A]: the options'; unless the method is Assignment::core without shrink_cores,
    /// cut down to half the smallest distance from the orbit's sites to a neighbour.
    std::vector<double> core_radius;
    std::vector<double> distance_quantiles; ///< of ion to nearest site [A], at distance_levels
    static constexpr double distance_levels[5] = {0.05, 0.25, 0.5, 0.95, 0.99};
    std::vector<std::int64_t> distance_histogram; ///< of ion to nearest site, bins of distance_bin from 0 on
    double distance_bin = 0.02;                   ///< [A]
    double half_site_distance = 0;                ///< half the smallest distance between two sites [A]
};

/// What a SiteMapper remembers of the frames so far, as plain arrays: with it a mapper of the same sites and
/// options goes on bit by bit.
struct SiteMapperState {
    std::int64_t n_frames = 0, doubly_occupied = 0;
    std::vector<std::int32_t> ions;     ///< [ion][12]: nearest site with its image, core, basin
    std::vector<std::int32_t> n_events; ///< [ion]
    std::vector<std::int32_t> events;   ///< [event][5]: frame, site, image; ion by ion
    std::vector<std::int64_t> tallies;  ///< of each block of ions: changes, hops, misses, n, histogram [n]
};

/// Maps ions to sites frame by frame. Exact under periodic boundaries: the previous site is tried first, and
/// kept at once when the ion is within half the distance to that site's nearest neighbour (it is then
/// provably nearest). Otherwise the neighbours t of the previous site s are tried by distance,
/// until |x_t - x_s| >= |r - x_s| + |r - nearest so far|: by the triangle inequality none further away can be
/// nearer. Of equally near sites the earlier one stays.
///
/// A site's state includes the image n of the simulated cell for which x_s + n^T A is nearest to the
/// continuous position. Cost per ion and frame: O(1) while it rattles, O(neighbours) when it moves. Memory:
/// O(events), O(n_sites) neighbour lists. Frames are collected and worked on in batches; threads split ions
/// and the result does not depend on their number.
class SiteMapper {
public:
    /// @throws DataError when a core radius of Assignment::core is too large, sites coincide, there are no
    /// sites or ions, or Assignment::watershed has no basins or those of other sites
    SiteMapper(const SiteSet& sites, AssignmentOptions options, std::size_t n_ions, double frame_interval);
    ~SiteMapper();
    SiteMapper(SiteMapper&&) noexcept;
    SiteMapper& operator=(SiteMapper&&) noexcept;

    /// Positions of the ions in the next frame: Cartesian in the cell of the site set, continuous
    /// (unwrapped), drift-free [A].
    /// @throws DataError naming ion and frame when a position is not finite (that frame is then not counted)
    void add_frame(std::span<const Vec3> positions);

    /// Close the trajectory. The mapper is empty afterwards, ready for another trajectory of the same ions.
    /// @throws DataError when there were no frames
    SiteTrajectory finish();
    /// Diagnostics of all frames so far; call before finish().
    SiteDiagnostics diagnostics() const;

    [[nodiscard]] SiteMapperState state() const;
    /// @throws DataError when the state is not that of such a mapper
    void restore(const SiteMapperState& state);

private:
    struct State;
    std::unique_ptr<State> state_;
};

} // namespace mesolith
