#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "mesolith/meso/domain.hpp"

namespace mesolith {

/// Shapes in Cartesian coordinates [A] from the corner of cell (0, 0, 0); a cell belongs to a shape when its
/// centre does.
struct Box { ///< lo <= r < hi
    Vec3 lo = Vec3::Zero(), hi = Vec3::Zero();
};
struct Sphere {
    Vec3 centre = Vec3::Zero();
    double radius = 0;
};
struct Cylinder {
    Vec3 centre = Vec3::Zero(); ///< middle of its axis
    Vec3 axis = Vec3::UnitZ();  ///< any length > 0
    double radius = 0;
    double length = 0; ///< along the axis; 0: through all
};
/// Slabs normal to an axis of the lattice, one after the other and again from the start.
struct Layers {
    int axis = 0;
    std::vector<double> thickness; ///< [A], one per region, > 0
};
/// Cells nearest to random points, periodic where the domain is: points drawn by Philox from the seed.
struct Grains {
    int n_grains = 0;
    std::uint64_t seed = 0;
};
/// A label per cell, [z][y][x]: index into the regions given.
struct Voxels {
    std::vector<std::uint8_t> label;
};
using Shape = std::variant<Box, Sphere, Cylinder, Layers, Grains, Voxels>;

/// Paint a shape over what is there. `regions` are numbers of domain.regions: one for box, sphere and
/// cylinder, one per layer, one per label of the voxels, and for grains either one per grain or any number,
/// which are then dealt out at random.
/// @throws DataError when no cell lies inside (the shape is outside of the domain, or smaller than a cell), a
/// size is not positive, the number of regions does not fit, or a label has no region
/// @return number of cells painted
std::int64_t paint(Domain& domain, const Shape& shape, std::span<const std::uint16_t> regions);

/// Number of cells of each region.
[[nodiscard]] std::vector<std::int64_t> region_cells(const Domain& domain);

/// Centre of a cell [A].
[[nodiscard]] Vec3 cell_centre(const Domain& domain, const IVec3& cell);

} // namespace mesolith
