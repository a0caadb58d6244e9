#include <cmath>
#include <random>

#include <Eigen/Geometry>
#include <Eigen/LU>

#include "mesolith/core/error.hpp"
#include "mesolith/meso/bounds.hpp"

#include "support/catch.hpp"

using namespace mesolith;

TEST_CASE("a crystal of fast channels has the known values of its polycrystal", "[meso][bounds]") {
    const Mat3 turn = Eigen::Quaterniond(0.3, -0.5, 0.7, 0.2).normalized().toRotationMatrix();
    const Mat3 D = turn * Vec3(0.04, 5e-5, 5e-5).asDiagonal() * turn.transpose();
    const PolycrystalEstimates p = polycrystal_estimates((D + D.transpose()) / 2);
    CHECK(p.arithmetic == Approx(0.0401 / 3).epsilon(1e-12));
    CHECK(p.harmonic == Approx(3 / (2 / 5e-5 + 1 / 0.04)).epsilon(1e-10)); // 7.5e-5
    CHECK(p.self_consistent == Approx(1.01e-3).epsilon(5e-3));
    CHECK(p.hashin_shtrikman.lower == Approx(1.25e-4).epsilon(5e-3));
    CHECK(p.hashin_shtrikman.upper == Approx(1.00e-2).epsilon(5e-3));
    // the root itself: (a - D)(c + 2 D) + 2 (c - D)(a + 2 D) = 0 is quadratic in D
    const double a = 0.04, c = 5e-5;
    const double root = (c + std::sqrt(c * c + 8 * a * c)) / 4;
    CHECK(p.self_consistent == Approx(root).epsilon(1e-12));
}

TEST_CASE("bounds of two phases are those of coated spheres, and of coated discs", "[meso][bounds]") {
    const double d1 = 2, d2 = 0.3, f1 = 0.35, f2 = 0.65;
    const std::vector<Phase> phases{{f1, d1}, {f2, d2}};
    for (const int d : {2, 3}) {
        // a shell of one around a core of the other (Maxwell)
        const Bounds b = hashin_shtrikman_bounds(phases, d);
        CHECK(b.upper == Approx(d1 + f2 / (1 / (d2 - d1) + f1 / (d * d1))).epsilon(1e-14));
        CHECK(b.lower == Approx(d2 + f1 / (1 / (d1 - d2) + f2 / (d * d2))).epsilon(1e-14));
    }
    const Bounds wiener = wiener_bounds(phases);
    CHECK(wiener.lower == Approx(1 / (f1 / d1 + f2 / d2)).epsilon(1e-14));
    CHECK(wiener.upper == Approx(f1 * d1 + f2 * d2).epsilon(1e-14));
    // equal parts in the plane: the geometric mean
    const std::vector<Phase> equal{{1, 2}, {1, 0.3}};
    CHECK(self_consistent_diffusivity(equal, 2) == Approx(std::sqrt(0.6)).epsilon(1e-13));
}

TEST_CASE("estimates of any mixture stand in order", "[meso][bounds]") {
    std::mt19937_64 random(4);
    const auto unit = [&] { return static_cast<double>(random() >> 11) * 0x1p-53; };
    for (int trial = 0; trial < 200; ++trial) {
        std::vector<Phase> phases;
        for (int k = 0; k < 2 + trial % 4; ++k) phases.push_back({unit(), std::pow(10, -6 * unit())});
        for (const int d : {2, 3}) {
            const Bounds w = wiener_bounds(phases), hs = hashin_shtrikman_bounds(phases, d);
            const double sc = self_consistent_diffusivity(phases, d);
            const double slack = 1 + 1e-12;
            CHECK(w.lower <= hs.lower * slack);
            CHECK(hs.lower <= sc * slack);
            CHECK(sc <= hs.upper * slack);
            CHECK(hs.upper <= w.upper * slack);
        }
        Mat3 m;
        for (int k = 0; k < 9; ++k) m(k / 3, k % 3) = unit() - 0.5;
        const Mat3 D = m * m.transpose();
        const PolycrystalEstimates p = polycrystal_estimates((D + D.transpose()) / 2);
        CHECK(p.harmonic <= p.hashin_shtrikman.lower * (1 + 1e-9));
        CHECK(p.hashin_shtrikman.lower <= p.self_consistent * (1 + 1e-9));
        CHECK(p.self_consistent <= p.hashin_shtrikman.upper * (1 + 1e-9));
        CHECK(p.hashin_shtrikman.upper <= p.arithmetic * (1 + 1e-9));
    }
}

TEST_CASE("a phase that blocks leaves what goes around it", "[meso][bounds]") {
    const std::vector<Phase> holes{{0.8, 1}, {0.2, 0}};
    CHECK(wiener_bounds(holes).lower == 0);
    CHECK(hashin_shtrikman_bounds(holes).lower == 0);
    CHECK(hashin_shtrikman_bounds(holes).upper == Approx(2 * 0.8 / (3 - 0.8)).epsilon(1e-14)); // Maxwell
    CHECK(self_consistent_diffusivity(holes) == Approx(1 - 1.5 * 0.2).epsilon(1e-12));
    CHECK(self_consistent_diffusivity(std::vector<Phase>{{0.3, 1}, {0.7, 0}}) == 0); // below 1/3
    const PolycrystalEstimates channels = polycrystal_estimates(Vec3(3, 0, 0).asDiagonal().toDenseMatrix());
    CHECK(channels.arithmetic == Approx(1));
    CHECK(channels.harmonic == 0);
    CHECK(channels.self_consistent == 0);
    CHECK(channels.hashin_shtrikman.lower == 0);
    CHECK(channels.hashin_shtrikman.upper > 0.7);
}

TEST_CASE("bounds of tensors are the means along each axis, in any orientation", "[meso][bounds]") {
    const Mat3 turn = Eigen::Quaterniond(0.1, 0.5, -0.7, 0.4).normalized().toRotationMatrix();
    const auto turned = [&](const Vec3& values) {
        const Mat3 D = turn * values.asDiagonal() * turn.transpose();
        return Mat3((D + D.transpose()) / 2);
    };
    const std::vector<PhaseTensor> phases{{3, turned({1, 2, 0})}, {1, turned({4, 0.5, 7})}};
    const TensorBounds b = wiener_bounds(phases);
    CHECK((b.upper - turned({1.75, 1.625, 1.75})).norm() < 1e-13);
    CHECK((b.lower - turned({1 / (0.75 + 0.0625), 1 / (0.375 + 0.5), 0})).norm() < 1e-12);
    // not of a common orientation: the inverse of the mean inverse
    const Mat3 A = turned({1, 2, 3}), B = Vec3(2, 5, 0.4).asDiagonal().toDenseMatrix();
    const TensorBounds c = wiener_bounds(std::vector<PhaseTensor>{{1, A}, {1, B}});
    CHECK((c.lower - ((A.inverse() + B.inverse()) / 2).inverse()).norm() < 1e-13);
}

TEST_CASE("mixtures that are none are refused", "[meso][bounds]") {
    const auto refused = [](std::vector<Phase> phases) {
        CHECK_THROWS_AS(wiener_bounds(phases), DataError);
        CHECK_THROWS_AS(hashin_shtrikman_bounds(phases), DataError);
        CHECK_THROWS_AS(self_consistent_diffusivity(phases), DataError);
    };
    refused({});
    refused({{0, 1}});
    refused({{-0.1, 1}, {1, 1}});
    refused({{1, -1}});
    refused({{1, std::nan("")}});
    CHECK_THROWS_AS(hashin_shtrikman_bounds(std::vector<Phase>{{1, 1}}, 1), DataError);
    CHECK_THROWS_AS(self_consistent_diffusivity(std::vector<Phase>{{1, 1}}, 4), DataError);
    CHECK_THROWS_AS(polycrystal_estimates((Mat3() << 1, 2, 0, 0, 1, 0, 0, 0, 1).finished()), DataError);
    CHECK_THROWS_AS(polycrystal_estimates(Vec3(1, 1, -1).asDiagonal().toDenseMatrix()), DataError);
    CHECK_THROWS_AS(wiener_bounds(std::vector<PhaseTensor>{}), DataError);
    CHECK_THROWS_AS(wiener_bounds(std::vector<PhaseTensor>{{1, -Mat3::Identity()}}), DataError);
}
