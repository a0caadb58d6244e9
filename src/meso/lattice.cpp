#include "mesolith/meso/lattice.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/core.h>

#include "mesolith/core/error.hpp"
#include "mesolith/core/units.hpp"

namespace mesolith {

IVec3 lattice_cells(const Vec3& size, LengthUnit unit, const Cell& cell) {
    const double angstrom = unit == LengthUnit::nm ? units::angstrom_per_nm : units::angstrom_per_um;
    IVec3 cells;
    for (int axis = 0; axis < 3; ++axis) {
        const double wanted =
            unit == LengthUnit::cells ? size[axis] : size[axis] * angstrom / cell.length()[axis];
        if (!(size[axis] > 0) || !(wanted < 0x1p30))
            throw DataError(
                fmt::format("lattice size {} along axis {} (must be positive and below 2^30 cells). Give "
                            "three lengths in cells, nm or um",
                            size[axis], axis + 1));
        cells[axis] = std::max(1, static_cast<int>(std::lround(wanted)));
    }
    return cells;
}

} // namespace mesolith
