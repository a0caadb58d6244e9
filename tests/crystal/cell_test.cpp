#include <cmath>
#include <limits>
#include <random>

#include <Eigen/LU>

#include "mesolith/core/error.hpp"
#include "mesolith/crystal/cell.hpp"

#include "support/catch.hpp"

using namespace mesolith;

namespace {

double nearest_of_343(const Mat3& rows, const Vec3& r) {
    double best = std::numeric_limits<double>::infinity();
    for (int i = -3; i <= 3; ++i)
        for (int j = -3; j <= 3; ++j)
            for (int k = -3; k <= 3; ++k)
                best = std::min(best, (r + rows.transpose() * Vec3(i, j, k)).squaredNorm());
    return best;
}

/// A random matrix with determinant 1 or -1, made of shears: the same lattice in ever stranger axes.
IMat3 random_axes(std::mt19937& random, int shears) {
    IMat3 u = IMat3::Identity();
    for (int s = 0; s < shears; ++s) {
        const int i = static_cast<int>(random() % 3), j = (i + 1 + static_cast<int>(random() % 2)) % 3;
        u.row(i) += (random() % 2 ? 1 : -1) * u.row(j);
    }
    return u;
}

} // namespace

TEST_CASE("the minimum image is the shortest of 343 images of any compact cell", "[crystal][cell]") {
    std::mt19937 random(1);
    std::uniform_real_distribution<double> entry(-1, 1), inside(0, 1);
    int cells = 0;
    while (cells < 400) {
        Mat3 rows;
        for (int i = 0; i < 9; ++i) rows(i) = 5 * entry(random);
        // 7^3 images are enough only while the cell is not too flat: the sphere around r must fit into them
        const Mat3 inverse = rows.inverse();
        const double reach = 0.5 * rows.rowwise().norm().sum();
        if (!(inverse.colwise().norm().maxCoeff() * reach < 3)) continue;
        ++cells;
        const Cell cell(rows);
        for (int t = 0; t < 50; ++t) {
            const Vec3 r = cell.to_cartesian(Vec3(inside(random), inside(random), inside(random)));
            const double exact = nearest_of_343(rows, r);
            CHECK(cell.minimum_image(r).squaredNorm() == Approx(exact).epsilon(1e-12).margin(1e-12));
        }
    }
}

TEST_CASE("the minimum image does not depend on the axes that describe the lattice", "[crystal][cell]") {
    std::mt19937 random(2);
    std::uniform_real_distribution<double> inside(-3, 3);
    const Mat3 lattices[] = {
        (Mat3() << 4, 0, 0, 0, 4, 0, 0, 0, 4).finished(),
        (Mat3() << 0, 2, 2, 2, 0, 2, 2, 2, 0).finished(),
        (Mat3() << -2, 2, 2, 2, -2, 2, 2, 2, -2).finished(),
        (Mat3() << 3, 0, 0, -1.5, 2.598076211353316, 0, 0, 0, 11).finished(),
        (Mat3() << 3, 0, 0, 1.4, 5, 0, -1.3, 2.4, 7).finished(),
    };
    for (const Mat3& rows : lattices)
        for (int trial = 0; trial < 100; ++trial) {
            const IMat3 u = random_axes(random, 12);
            const Cell skewed(u.cast<double>() * rows);
            for (int t = 0; t < 20; ++t) {
                const Vec3 r = rows.transpose() * Vec3(inside(random), inside(random), inside(random));
                const Vec3 f = rows.transpose().inverse() * r;
                const Vec3 folded = r - rows.transpose() * f.array().round().matrix();
                CHECK(skewed.minimum_image(r).squaredNorm() ==
                      Approx(nearest_of_343(rows, folded)).epsilon(1e-9).margin(1e-9));
            }
        }
}

TEST_CASE("points near a corner of the Voronoi cell go to the nearest of all images", "[crystal][cell]") {
    // Every pair of nearly equidistant images is a chance to be wrong: midpoints of lattice vectors, moved a
    // little.
    std::mt19937 random(3);
    std::normal_distribution<double> nudge(0, 1e-3);
    const Mat3 rows = (Mat3() << 4, 0, 0, 2, 3.5, 0, 2, 1.2, 3.3).finished();
    const Cell cell(rows);
    for (int i = -2; i <= 2; ++i)
        for (int j = -2; j <= 2; ++j)
            for (int k = -2; k <= 2; ++k) {
                const Vec3 r = 0.5 * (rows.transpose() * Vec3(i, j, k)) +
                               Vec3(nudge(random), nudge(random), nudge(random));
                CHECK(cell.minimum_image(r).squaredNorm() == Approx(nearest_of_343(rows, r)).margin(1e-12));
            }
}

TEST_CASE("fractional and Cartesian coordinates undo each other in a left-handed cell", "[crystal][cell]") {
    const Cell cell((Mat3() << 0, 4, 1, 5, 0, 0, 0.5, 1, 6).finished());
    CHECK(cell.vectors().determinant() < 0);
    CHECK(cell.volume() == Approx(std::abs(cell.vectors().determinant())));
    const Vec3 f(0.2, -1.7, 3.4);
    CHECK((cell.to_fractional(cell.to_cartesian(f)) - f).norm() < 1e-13);
    CHECK((cell.to_cartesian(Vec3(1, 0, 0)) - Vec3(0, 4, 1)).norm() == 0);
}

TEST_CASE("the perpendicular width of a sheared cell is its volume over the area of the face",
          "[crystal][cell]") {
    const Cell cell((Mat3() << 3, 0, 0, 2.5, 4, 0, 1, -2, 5).finished());
    const Vec3 a = cell.vectors().row(0), b = cell.vectors().row(1), c = cell.vectors().row(2);
    const Vec3 width = cell.perpendicular_width();
    const auto area = [](const Vec3& u, const Vec3& v) {
        return std::sqrt(u.squaredNorm() * v.squaredNorm() - u.dot(v) * u.dot(v));
    };
    CHECK(width[0] == Approx(cell.volume() / area(b, c)));
    CHECK(width[1] == Approx(cell.volume() / area(a, c)));
    CHECK(width[2] == Approx(cell.volume() / area(a, b)));
}

TEST_CASE("a flat cell and a cell with NaN are refused", "[crystal][cell]") {
    CHECK_THROWS_AS(Cell((Mat3() << 1, 0, 0, 0, 1, 0, 1, 1, 0).finished()), DataError);
    CHECK_THROWS_AS(Cell(Mat3::Zero()), DataError);
    Mat3 rows = Mat3::Identity();
    rows(1, 1) = std::numeric_limits<double>::quiet_NaN();
    CHECK_THROWS_AS(Cell(rows), DataError);
}
