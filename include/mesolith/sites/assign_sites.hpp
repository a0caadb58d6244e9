#pragma once
#include <memory>
#include <vector>

#include "mesolith/sites/site_trajectory.hpp"

namespace mesolith {

enum class Assignment {
    nearest, ///< site whose Voronoi cell holds the ion
    core,    ///< last site whose core sphere the ion entered (milestoning); none() before the first
};

struct AssignmentOptions {
    Assignment method = Assignment::nearest;
    double core_radius = 0.9;              ///< [A], for all sites ...
    std::vector<double> core_radius_per_orbit; ///< ... or one per orbit; both at most half the nearest-site distance
};

/// What the mapping looked like; never silent.
struct SiteDiagnostics {
    std::vector<double> occupancy;            ///< mean number of ions on each site (chosen method), per site of the simulated cell
    double doubly_occupied_fraction = 0;      ///< share of frames in which some site holds two or more ions (nearest rule)
    double unassigned_fraction = 0;           ///< share of ion-frames with site none()
    std::int64_t nearest_changes = 0;         ///< changes of (site, image) by the nearest-site rule
    std::int64_t core_hops = 0;               ///< hops by the core-set rule
    std::int64_t shortcut_misses = 0;         ///< ion-frames in which all sites had to be tried
    std::vector<double> distance_quantiles;   ///< of ion to nearest site [A], at distance_levels
    static constexpr double distance_levels[5] = {0.05, 0.25, 0.5, 0.95, 0.99};
    std::vector<std::int64_t> distance_histogram; ///< bins of distance_bin
    double distance_bin = 0.02;               ///< [A]
    double half_site_distance = 0;            ///< half the smallest distance between two sites [A]
};

/// Maps ions to sites frame by frame. Exact under periodic boundaries: the previous site is tried first, and kept at once
/// when the ion is within half that site's nearest-neighbour distance (it is then provably nearest); otherwise all
/// sites that can be nearer are tried.
/// Cost per ion and frame: O(1) while it rattles, O(n_sites) otherwise. Memory: O(events). Threads split ions; the
/// result does not depend on their number.
class SiteMapper {
  public:
    /// @throws DataError when a core radius exceeds half the nearest-site distance, sites coincide, or there are none
    SiteMapper(const SiteSet& sites, AssignmentOptions options, std::size_t n_ions, double frame_interval);
    ~SiteMapper();
    SiteMapper(SiteMapper&&) noexcept;
    SiteMapper& operator=(SiteMapper&&) noexcept;

    /// Positions of the ions in the next frame: Cartesian in the cell of the site set, continuous (unwrapped), drift-free [A].
    void add_frame(std::span<const Vec3> positions);

    /// Close the trajectory. The mapper is empty afterwards.
    SiteTrajectory finish();
    /// Diagnostics of all frames so far; call before finish() .
    SiteDiagnostics diagnostics() const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

} // namespace mesolith
