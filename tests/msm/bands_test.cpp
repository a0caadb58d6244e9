#include <cmath>
#include <numbers>

#include "mesolith/core/error.hpp"
#include "mesolith/core/parallel.hpp"
#include "mesolith/msm/bands.hpp"

#include "support/catch.hpp"
#include "support/kernels.hpp"
#include "support/synthetic.hpp"

using namespace mesolith;
using namespace mesolith::test;

TEST_CASE("the band of a simple cubic crystal and its parabola have their closed forms", "[msm][bands]") {
    const double a = 3, stay = 0.4, tau = 2;
    const Kernel k = simple_cubic(a, stay, tau);
    const auto grid = wave_vector_grid(IVec3(4, 3, 5));
    REQUIRE(grid.size() == 60);
    const BlochBands bands = bloch_bands(k, grid, 3);
    REQUIRE(bands.n_bands == 1);
    for (std::size_t p = 0; p < grid.size(); ++p) {
        double sum = 0, square = 0;
        for (int axis = 0; axis < 3; ++axis) {
            sum += std::cos(2 * std::numbers::pi * grid[p][axis]);
            square += std::pow(2 * std::numbers::pi / a * (grid[p][axis] - std::round(grid[p][axis])), 2);
        }
        const double lambda = std::abs(stay + (1 - stay) / 3 * sum);
        CHECK(bands.rate[p] == Approx(-std::log(lambda) / tau).epsilon(1e-12).margin(1e-14));
        CHECK(bands.parabola[p] == Approx((1 - stay) * a * a / (6 * tau) * square).epsilon(1e-12));
    }
}

TEST_CASE("for small k the lowest band tends to the parabola of the exact diffusivity", "[msm][bands]") {
    for (const Kernel& k : {random_reversible(6, 2), random_nonreversible(6, 2), grid_crystal(4)}) {
        const std::vector<Vec3> kappa{Vec3(3e-4, 0, 0), Vec3(0, 3e-4, 0), Vec3(1e-4, -2e-4, 3e-4)};
        const BlochBands bands = bloch_bands(k, kappa, 2);
        REQUIRE(bands.n_classes == 1);
        for (std::size_t p = 0; p < kappa.size(); ++p)
            CHECK(bands.rate[2 * p] == Approx(bands.parabola[p]).epsilon(1e-5));
    }
}

TEST_CASE("each closed class has its parabola", "[msm][bands]") {
    // Two chains along x that never exchange.
    SiteBasis basis;
    basis.cell = Cell(Vec3(3, 8, 8).asDiagonal().toDenseMatrix());
    basis.positions = {Vec3::Zero(), Vec3(0, 4, 4)};
    const IVec3 x = IVec3::UnitX();
    const Flows flows{{{0, 0, x}, 0.05}, {{0, 0, -x}, 0.05}, {{1, 1, x}, 0.01}, {{1, 1, -x}, 0.01}};
    Kernel k = kernel_from_flows(basis, {0.5, 0.5}, flows, 1);
    k.reversible = true;
    const BlochBands bands = bloch_bands(k, {Vec3(1e-3, 0, 0)}, 2);
    REQUIRE(bands.n_classes == 2);
    std::vector<double> parabola = bands.parabola;
    std::sort(parabola.begin(), parabola.end());
    CHECK(parabola[1] == Approx(5 * parabola[0]));
    for (std::size_t b = 0; b < 2; ++b) CHECK(bands.rate[b] == Approx(parabola[b]).epsilon(1e-5));
}

TEST_CASE("a path measures its length in reciprocal space and starts at zero rate", "[msm][bands]") {
    const Kernel k = random_reversible(5, 3);
    const BandPath path = bands_along(k, axis_path(), 3, 8);
    CHECK(path.segment == std::vector<std::size_t>{0, 9, 18, 27});
    CHECK(path.label.size() == 6);
    double length = 0;
    for (std::size_t s = 0; s < 3; ++s) {
        CHECK(path.bands.rate[path.segment[s] * 3] < 1e-13); // Gamma
        CHECK(path.distance[path.segment[s]] == Approx(length));
        const Vec3 end = cartesian_wave_vector(k.basis.cell, axis_path()[s].to.kappa);
        CHECK(k.basis.cell.vectors().row(static_cast<int>(s)).dot(end) == Approx(std::numbers::pi));
        length += end.norm();
    }
    CHECK(path.distance.back() == Approx(length));
    const auto corners =
        path_through({{"A", Vec3::Zero()}, {"B", Vec3(0.5, 0, 0)}, {"C", Vec3(0.5, 0.5, 0)}});
    REQUIRE(corners.size() == 2);
    CHECK(corners[1].from.label == "B");
    CHECK_THROWS_AS(path_through({{"A", Vec3::Zero()}}), DataError);
    CHECK_THROWS_AS(bands_along(k, {}, 3), DataError);
    CHECK_THROWS_AS(bloch_bands(k, {Vec3::Zero()}, 0), DataError);
    CHECK_THROWS_AS(wave_vector_grid(IVec3(1, 0, 2)), DataError);
}

TEST_CASE("one and two threads give the same bands", "[msm][bands][parallel]") {
    const Kernel k = random_reversible(12, 3);
    BlochBands one, two;
    with_threads(1, [&] { one = bloch_bands(k, wave_vector_grid(IVec3(3, 3, 3)), 4); });
    with_threads(2, [&] { two = bloch_bands(k, wave_vector_grid(IVec3(3, 3, 3)), 4); });
    CHECK(one.rate == two.rate);
}
