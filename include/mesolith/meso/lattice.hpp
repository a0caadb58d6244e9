#pragma once
#include <cstdint>
#include <memory>

#include "mesolith/msm/kernel.hpp"

namespace mesolith {

/// How the size of a lattice is given.
enum class LengthUnit { cells, nm, um };

/// Whole cells nearest to a size along each lattice vector, at least 1.
/// @param size  lengths of the edges along a_1, a_2, a_3, in `unit`
/// @throws DataError when a length is not finite and positive, or beyond 2^30 cells
[[nodiscard]] IVec3 lattice_cells(const Vec3& size, LengthUnit unit, const Cell& cell);

/// A periodic block of n_1 x n_2 x n_3 cells of one kernel. Sites of a cell carry the numbers of the kernel's
/// basis.
struct Lattice {
    std::shared_ptr<const Kernel> kernel; ///< never null in a lattice made by `tile`
    IVec3 cells = IVec3::Ones();

    std::int64_t n_cells() const { return std::int64_t{cells[0]} * cells[1] * cells[2]; }
    std::int64_t n_sites() const { return n_cells() * static_cast<std::int64_t>(kernel->n_sites()); }
    /// The size that whole cells give: lengths of the edges [A].
    Vec3 edge_lengths() const { return kernel->basis.cell.length().cwiseProduct(cells.cast<double>()); }
};

/// @throws DataError when the kernel is not valid (check_kernel), cells are not positive, or there are 2^62
/// sites or more
[[nodiscard]] Lattice tile(const Kernel& kernel, const IVec3& cells);

} // namespace mesolith
