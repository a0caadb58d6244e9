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

Lattice tile(const Kernel& kernel, const IVec3& cells) {
    check_kernel(kernel);
    if ((cells.array() < 1).any())
        throw DataError(
            fmt::format("lattice of {} x {} x {} cells (each must be at least 1). Give a larger size",
                        cells[0], cells[1], cells[2]));
    const double sites = cells.cast<double>().prod() * static_cast<double>(kernel.n_sites());
    if (!(sites < 0x1p62))
        throw DataError(fmt::format("lattice of {:.3g} sites (beyond 2^62). Give a smaller size", sites));
    return {std::make_shared<const Kernel>(kernel), cells};
}

} // namespace mesolith
