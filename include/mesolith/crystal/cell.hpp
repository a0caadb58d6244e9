#pragma once
#include <Eigen/Core>

namespace mesolith {

using Vec3 = Eigen::Vector3d;
using IVec3 = Eigen::Vector3i;
using Mat3 = Eigen::Matrix3d;
using IMat3 = Eigen::Matrix3i;

/// A periodic cell. Lattice vectors are the ROWS of `vectors()`, in angstrom, in any orientation and
/// handedness:
///
///     r = f_1 a_1 + f_2 a_2 + f_3 a_3,   i.e. r^T = f^T A
///
/// A cell is never rebuilt from lengths and angles: that would silently rotate the crystal.
class Cell {
public:
    Cell() : Cell(Mat3::Identity()) {}

    /// @throws DataError when an entry is not finite or the volume vanishes (below 1e-9 of the product of
    /// lengths)
    explicit Cell(const Mat3& rows);

    const Mat3& vectors() const { return rows_; }
    const Mat3& inverse() const { return inverse_; } ///< A^-1: f^T = r^T A^-1
    Vec3 length() const { return rows_.rowwise().norm(); }
    double volume() const { return volume_; } ///< > 0 [A^3]
    Vec3 perpendicular_width() const;         ///< distances between opposite faces [A]

    Vec3 to_cartesian(const Vec3& fractional) const { return rows_.transpose() * fractional; }
    Vec3 to_fractional(const Vec3& cartesian) const { return inverse_.transpose() * cartesian; }

    /// The integers n for which |r + n^T A| is smallest: exact in cells of any skew
    /// (rounding in a Minkowski-reduced basis, then its 26 neighbours when r is not inside the inscribed
    /// sphere). Either one when two images are equally near. r must be finite, n must fit into 32 bits.
    IVec3 nearest_image_shift(const Vec3& r) const;

    /// r + n^T A with n = nearest_image_shift(r).
    Vec3 minimum_image(const Vec3& r) const {
        return r + to_cartesian(nearest_image_shift(r).cast<double>());
    }

    /// U, |det U| = 1: the rows of U A are a Minkowski-reduced basis of the lattice, shortest first (up to
    /// rounding).
    const IMat3& reduction() const { return reduction_; }

    bool operator==(const Cell& other) const { return rows_ == other.rows_; }

private:
    Mat3 rows_, inverse_;
    Mat3 reduced_, reduced_inverse_; // Minkowski-reduced basis of the same lattice
    IMat3 reduction_;                // reduced_ = reduction_ * rows_
    double volume_ = 1;
    double safe_radius2_ = 0; // below it a rounded image is provably the nearest
};

} // namespace mesolith
