#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "mesolith/core/nan.hpp"
#include "mesolith/crystal/cell.hpp"

namespace mesolith {

/// Points of a regular, perhaps skewed lattice: point (i, j, k) lies at origin + i step_1 + j step_2 + k
/// step_3.
struct FieldGrid {
    std::array<std::uint64_t, 3> points{1, 1, 1};
    Vec3 origin = Vec3::Zero();   ///< of point (0, 0, 0) [A]
    Mat3 step = Mat3::Identity(); ///< rows: from one point to the next along each axis [A]

    std::uint64_t size() const { return points[0] * points[1] * points[2]; }
    /// Whether the axes are x, y, z themselves: the image formats of VTK hold such grids only.
    bool is_aligned() const;
};

/// One number (or a few) at each point of a grid.
struct GridField {
    std::string name; ///< without blanks, '/', quotes and brackets
    /// x fastest, then y, then z; the components of a point stand together: [n_z][n_y][n_x][components]
    std::variant<std::span<const float>, std::span<const double>> values;
    std::string units; ///< attribute `units`, "" = none
    std::uint64_t components = 1;
};

struct FieldSnapshot {
    FieldGrid grid;
    double time = nan_value; ///< [ps], not written when it is NaN
    std::int64_t step = 0;
    std::vector<GridField> fields;
};

struct FieldFileOptions {
    bool double_precision = false; ///< store float64 instead of float32
    int compression = 4;           ///< VTKHDF: gzip level behind a shuffle; 0 = none
};

/// @throws DataError  no points or no fields, values that do not fill the grid, names that are empty, equal
/// or hold other characters than letters, digits, '_', '-', '.', '+', a grid without volume
void check_snapshot(const std::string& path, const FieldSnapshot& snapshot);

/// Write one snapshot as VTKHDF 1.0 ImageData with point data ("PATH.part", renamed when complete). Opens in
/// VTK 9.1, ParaView 5.11 and later; with h5py as VTKHDF/PointData/NAME [n_z, n_y, n_x(, components)].
/// Attributes of the root: `creator`, `version`, `time` [ps], `step`.
///
/// The columns of `Direction` are the unit vectors of the axes. The HDF readers of VTK 9.1 and ParaView 5.11
/// pass over it: they show a skewed or turned grid as a right-angled one of the same edges. Where that
/// matters write a FieldSeries, whose files hold the points themselves for such grids.
/// @throws DataError of check_snapshot, FileError when the disk is full
/// Cost: one pass; memory for one float32 copy when the values are converted.
void write_vtkhdf(const std::string& path, const FieldSnapshot& snapshot,
                  const FieldFileOptions& options = {});

} // namespace mesolith
