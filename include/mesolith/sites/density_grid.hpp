#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "mesolith/crystal/cell.hpp"

namespace mesolith {

/// A periodic grid of voxels over a cell of any skew. Voxels divide the Minkowski-reduced cell of the same
/// lattice, so that they are compact whatever axes the cell has:
///
///     voxel (i, j, k), number (i n_2 + j) n_3 + k, centre at ((i + 1/2)/n_1, (j + 1/2)/n_2, (k + 1/2)/n_3)
///     of the reduced axes.
class VoxelGrid {
public:
    static constexpr std::int64_t max_voxels = 20'000'000;

    /// @param spacing  longest edge of a voxel [A]; at least 4 voxels along each axis
    /// @throws DataError when the spacing is not positive or there would be more than max_voxels
    VoxelGrid(const Cell& cell, double spacing);

    const Cell& cell() const { return cell_; } ///< of the simulation
    const Cell& axes() const { return axes_; } ///< reduced: what the voxels divide
    const IVec3& n() const { return n_; }
    double spacing() const { return spacing_; } ///< as asked for [A]
    std::size_t size() const;
    double voxel_volume() const { return axes_.volume() / static_cast<double>(size()); } ///< [A^3]

    /// @param fractional  in cell(), any image; finite
    std::size_t voxel_of(const Vec3& fractional) const;
    Vec3 centre(std::size_t voxel) const; ///< Cartesian, inside the reduced cell [A]
    IVec3 place(std::size_t voxel) const; ///< (i, j, k)
    /// Number of a voxel whose place may lie outside by less than one cell.
    std::size_t number(const IVec3& place) const;

private:
    Cell cell_, axes_;
    Mat3 to_axes_; // fractional in cell() -> along the reduced axes, in voxels
    IVec3 n_;
    double spacing_;
};

/// How often each voxel held an ion, in the first and in the second part of the data.
struct VoxelCounts {
    std::array<std::int64_t, 2> frames{};
    std::array<std::vector<std::uint32_t>, 2> counts; ///< [voxel]

    std::int64_t total_frames() const { return frames[0] + frames[1]; }
    std::vector<std::uint32_t> total() const; ///< both parts
};

/// Histogram of the mobile ions on a grid, in one pass over a trajectory whose length is not known
/// beforehand. Parts of 1, 2, 4, ... frames are kept apart, 8 to 16 of them, so that they can be put
/// together to two halves at the end. Whole numbers: the result does not depend on the number of threads.
/// Memory: 4 bytes per voxel and part.
class DensityAccumulator {
public:
    DensityAccumulator(VoxelGrid grid, std::size_t n_ions);

    /// Positions of the ions in the next frame: Cartesian in the cell of the grid, any image, drift-free [A].
    /// @throws DataError naming ion and frame when a position is not finite
    void add_frame(std::span<const Vec3> positions);

    /// The halves differ by at most an eighth of the frames; both hold at least one.
    /// @throws DataError when there were fewer than two frames
    VoxelCounts finish();
    const VoxelGrid& grid() const { return grid_; }

private:
    void flush();
    void join_parts();

    VoxelGrid grid_;
    std::size_t n_ions_;
    std::int64_t frames_ = 0, frames_per_part_ = 1;
    std::vector<std::vector<std::uint32_t>> parts_;
    std::vector<Vec3> batch_;
};

/// A Gaussian as a product of Gaussians along integer directions of a grid (Selling's decomposition of its
/// covariance): exact in any triclinic cell, three directions when the axes are orthogonal, else up to six.
struct GridGaussian {
    IVec3 direction;
    double variance; ///< > 0, in steps of `direction`
};
/// @param width  standard deviation [A]
[[nodiscard]] std::vector<GridGaussian> gaussian_directions(const VoxelGrid& grid, double width);

/// Number density of the ions, counts / (frames x voxel volume), after a Gaussian of standard deviation
/// `width` (0 = none) [1/A^3]. Along each direction the discrete Gaussian exp(-t) I_k(t) is used, whose
/// variance t is exact even when it is smaller than a voxel. The sum over voxels is kept.
/// Cost: O(voxels x width / spacing).
/// @throws DataError when the counts do not fit the grid, the width is negative or exceeds half the cell
[[nodiscard]] std::vector<double> smoothed_density(const VoxelGrid& grid,
                                                   std::span<const std::uint32_t> counts, std::int64_t frames,
                                                   double width);

} // namespace mesolith
