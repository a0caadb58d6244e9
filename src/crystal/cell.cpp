#include "mesolith/crystal/cell.hpp"

#include <cmath>
#include <limits>

#include <Eigen/LU>
#include <fmt/format.h>

#include "mesolith/core/error.hpp"

namespace mesolith {

namespace {

Vec3 combination(const IMat3& u, int row, const Mat3& rows) {
    return rows.transpose() * u.row(row).transpose().cast<double>();
}

void sort_by_length(IMat3& u, const Mat3& rows) {
    const auto longer = [&](int i, int j) {
        return combination(u, i, rows).squaredNorm() > combination(u, j, rows).squaredNorm();
    };
    if (longer(0, 1)) u.row(0).swap(u.row(1));
    if (longer(1, 2)) u.row(1).swap(u.row(2));
    if (longer(0, 1)) u.row(0).swap(u.row(1));
}

/// Shorten row 1 by row 0 and row 2 by the plane of rows 0 and 1. True when something became shorter.
bool reduce_once(IMat3& u, const Mat3& rows) {
    constexpr double noise = 1e-12; // below it a gain is rounding, and following it could go on for ever
    bool shorter = false;
    const auto try_row = [&](int row, const Eigen::RowVector3i& candidate) {
        IMat3 v = u;
        v.row(row) = candidate;
        const double before = combination(u, row, rows).squaredNorm();
        if (combination(v, row, rows).squaredNorm() < before * (1 - noise)) {
            u = v;
            shorter = true;
        }
    };
    const Vec3 a = combination(u, 0, rows), b = combination(u, 1, rows), c = combination(u, 2, rows);
    try_row(1, u.row(1) - static_cast<int>(std::round(a.dot(b) / a.squaredNorm())) * u.row(0));

    const Vec3 b2 = combination(u, 1, rows);
    const double aa = a.squaredNorm(), bb = b2.squaredNorm(), ab = a.dot(b2), det = aa * bb - ab * ab;
    if (!(det > 0)) return shorter;
    const int i = static_cast<int>(std::round((bb * a.dot(c) - ab * b2.dot(c)) / det));
    const int j = static_cast<int>(std::round((aa * b2.dot(c) - ab * a.dot(c)) / det));
    const Eigen::RowVector3i start = u.row(2), first = u.row(0), second = u.row(1);
    for (int p = -1; p <= 1; ++p)
        for (int q = -1; q <= 1; ++q) try_row(2, start - (i + p) * first - (j + q) * second);
    return shorter;
}

/// U with U A Minkowski-reduced: every vector is the shortest of its kind, by pairwise and then planar
/// reduction.
IMat3 minkowski_reduction(const Mat3& rows) {
    IMat3 u = IMat3::Identity();
    do {
        sort_by_length(u, rows);
    } while (reduce_once(u, rows));
    return u;
}

} // namespace

Cell::Cell(const Mat3& rows) : rows_(rows) {
    if (!rows.allFinite())
        throw DataError("A lattice vector is not finite (NaN or infinity). Check the cell of the input");
    volume_ = std::abs(rows.determinant());
    if (!(volume_ > 1e-9 * length().prod()))
        throw DataError(fmt::format("The cell has no volume ({:.3g} A^3: its vectors lie in a plane). "
                                    "Check the cell of the input",
                                    volume_));
    inverse_ = rows.inverse();
    reduction_ = minkowski_reduction(rows);
    reduced_ = reduction_.cast<double>() * rows;
    reduced_inverse_ = reduced_.inverse();
    // The shortest lattice vector is the first or (rounding) nearly so; half of it is the inscribed sphere of
    // the Voronoi cell.
    const double radius = 0.5 * (1 - 1e-9) * reduced_.rowwise().norm().minCoeff();
    safe_radius2_ = radius * radius;
    // In a rectangular cell a rounded image is always the nearest.
    const Mat3 gram = reduced_ * reduced_.transpose();
    const double skew = std::abs(gram(0, 1)) + std::abs(gram(0, 2)) + std::abs(gram(1, 2));
    if (skew <= 1e-12 * gram.diagonal().minCoeff()) safe_radius2_ = std::numeric_limits<double>::infinity();
}

Vec3 Cell::perpendicular_width() const {
    return inverse_.colwise()
        .norm()
        .cwiseInverse()
        .transpose(); // columns of A^-1 are the face normals over the widths
}

IVec3 Cell::nearest_image_shift(const Vec3& r) const {
    const Vec3 f = reduced_inverse_.transpose() * r;
    IVec3 n(-static_cast<int>(std::nearbyint(f[0])), -static_cast<int>(std::nearbyint(f[1])),
            -static_cast<int>(std::nearbyint(f[2])));
    const auto distance2 = [&](const IVec3& m) {
        return (r + reduced_.transpose() * m.cast<double>()).squaredNorm();
    };
    double best = distance2(n);
    // All faces of the Voronoi cell of a Minkowski-reduced lattice belong to vectors with coefficients -1, 0,
    // 1: when none of the 26 neighbours is nearer, no image is.
    for (bool moved = best > safe_radius2_; moved;) {
        moved = false;
        const IVec3 centre = n;
        for (int i = -1; i <= 1; ++i)
            for (int j = -1; j <= 1; ++j)
                for (int k = -1; k <= 1; ++k) {
                    const IVec3 m = centre + IVec3(i, j, k);
                    const double d2 = distance2(m);
                    if (d2 < best) {
                        best = d2;
                        n = m;
                        moved = true;
                    }
                }
        if (best <= safe_radius2_) break;
    }
    return reduction_.transpose() * n;
}

} // namespace mesolith
