#pragma once
#include "mesolith/crystal/cell.hpp"

namespace mesolith {

/// How the size of a lattice is given.
enum class LengthUnit { cells, nm, um };

/// Whole cells nearest to a size along each lattice vector, at least 1.
/// @param size  lengths of the edges along a_1, a_2, a_3, in `unit`
/// @throws DataError when a length is not finite and positive, or beyond 2^30 cells
[[nodiscard]] IVec3 lattice_cells(const Vec3& size, LengthUnit unit, const Cell& cell);

} // namespace mesolith
