#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "mesolith/sites/density_grid.hpp"

/// Sites without a crystal: peaks of the density of the mobile ions, and how certain they are.
namespace mesolith {

/// When a local maximum of the density is a site. Densities are in units of the mean density of the ions in
/// the cell.
struct PeakOptions {
    double threshold = 0.5;      ///< lower maxima are no sites of their own; > 0
    double merge_saddle = 0.8;   ///< two maxima are one site when the pass between them reaches this share of
                                 ///< the lower one (topological persistence); > 0, above 1 = never
    double merge_distance = 0.7; ///< two sites closer than this are one, whatever the pass; 0 = not used [A]
    double min_occupancy = 0.02; ///< sites that hold fewer ions on average join the neighbour with the
                                 ///< highest pass, or are dropped
    double floor = 0; ///< below this density a voxel belongs to no site; 0 = wherever ions ever came
};

/// A maximum of the density and its surroundings.
struct DensityPeak {
    std::size_t voxel = 0;        ///< of the maximum
    Vec3 position = Vec3::Zero(); ///< centroid of the density above half the maximum (above the highest pass,
                                  ///< if that is higher) within the basin; Cartesian [A]
    double height = 0;            ///< density at the maximum [1/A^3]
    double saddle = 0;            ///< highest pass to another peak, 0 when there is none [1/A^3]
    std::int32_t neighbour = -1;  ///< peak on the other side of that pass
    double occupancy = 0;         ///< density integrated over the basin: mean number of ions
};

struct Watershed {
    std::vector<DensityPeak> peaks;  ///< by voxel
    std::vector<std::int32_t> basin; ///< peak of each voxel, -1 = none
};

/// Peaks and basins of a density. A voxel belongs to the maximum that the steepest ascent over its 26
/// neighbours reaches (difference of density over distance; equal voxels count as higher when their number
/// is smaller, so that plateaus have one top). Voxels are flooded from the highest down; where two basins
/// meet, at the lower of two neighbouring voxels, stands the pass between them. Maxima are joined by
/// merge_saddle there, then by merge_distance (nearest first), then by min_occupancy (emptiest first).
/// The ascent on a grid bends basin walls by about a voxel; peaks and passes do not suffer.
///
/// @throws DataError when an option is out of range, the grid is too coarse for merge_distance (more than
/// half of it), a density is negative or not finite, or no peak is left
/// Cost: O(occupied voxels x log); threads share the ascent, the result does not depend on their number.
[[nodiscard]] Watershed find_watershed(const VoxelGrid& grid, std::span<const double> density,
                                       const PeakOptions& options);

struct DensityOptions {
    double spacing = 0.2;    ///< longest edge of a voxel [A]
    double smoothing = 0.25; ///< standard deviation of the Gaussian [A]
    PeakOptions peaks;
    double stability_distance =
        0.4; ///< a site is certain when each half of the data has a peak this near [A]
};

/// Which site holds an ion: the basins of a density.
struct BasinMap {
    VoxelGrid grid;
    std::vector<std::int32_t> basin; ///< site of each voxel, -1 = none
    /// Whether an ion outside all basins is unassigned; else it belongs to the nearest site.
    bool unassigned_outside = false;
};

/// A site with what speaks for it.
struct DensitySite {
    DensityPeak peak;
    double occupancy = 0;                   ///< mean number of ions in the basin, from the unsmoothed counts
    std::array<double, 2> half_occupancy{}; ///< the same in each half of the data
    std::array<std::int32_t, 2> half_peak{-1,
                                          -1}; ///< peak of the half that is this site, -1 = not found there
    std::array<double, 2> half_distance{};     ///< distance to it [A], NaN when not found
    double half_displacement = 0; ///< distance between the peaks of the halves [A], NaN when not found
    bool certain = false;         ///< found in both halves, these within the stability distance

    /// Peak over pass: how clearly the site is one of its own; infinite when no pass leads out.
    double persistence() const;
};

struct DensitySites {
    std::vector<DensitySite> sites;
    BasinMap basins;
    std::vector<double> density; ///< smoothed, per voxel [1/A^3]
    std::array<std::int64_t, 2> frames{};
    std::array<std::int64_t, 2> half_peaks{};      ///< peaks found in each half ...
    std::array<std::int64_t, 2> unmatched_peaks{}; ///< ... and those that are no site of the whole
    double outside_fraction = 0;                   ///< share of ion-frames in no basin
    std::string statement;                         ///< how far the list can be trusted, in a sentence or two
    std::vector<std::string> warnings;

    std::size_t n_certain() const;
    std::size_t n_shallow() const; ///< persistence below 2: hops over the pass are hardly told from rattling
};

/// Sites of all data, and of each half alone with the same options. A peak of a half is the site whose
/// position is nearest, one to one, nearest pairs first, within the stability distance.
/// @throws DataError as find_watershed; when a half has no peak at all, its sites are just not found
[[nodiscard]] DensitySites find_density_sites(const VoxelGrid& grid, const VoxelCounts& counts,
                                              std::size_t n_ions, const DensityOptions& options);

} // namespace mesolith
