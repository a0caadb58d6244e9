#include <cmath>
#include <limits>

#include <Eigen/Dense>

#include "mesolith/core/error.hpp"
#include "mesolith/msm/first_passage.hpp"
#include "mesolith/msm/transport.hpp"

#include "support/catch.hpp"
#include "support/kernels.hpp"

using namespace mesolith;
using namespace mesolith::test;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
const auto nowhere = [](std::int32_t, const IVec3&) { return false; };

std::size_t at(std::int32_t i) { return static_cast<std::size_t>(i); }

/// Sites 0 .. n-1 in a row, up and down with given probabilities, no way beyond the ends.
Kernel row(std::size_t n, double up, double down) {
    Kernel k;
    k.lag_time = 2;
    k.basis.cell = Cell(Mat3(100 * Mat3::Identity()));
    const auto last = static_cast<std::int32_t>(n) - 1;
    double sum = 0;
    for (std::int32_t j = 0; j <= last; ++j) {
        k.basis.positions.push_back(Vec3(j, 0, 0));
        k.basis.name.push_back("Li1." + std::to_string(j + 1));
        const double u = j < last ? up : 0, d = j > 0 ? down : 0;
        if (d > 0) k.entries.push_back({j - 1, IVec3::Zero(), d});
        k.entries.push_back({j, IVec3::Zero(), 1 - u - d});
        if (u > 0) k.entries.push_back({j + 1, IVec3::Zero(), u});
        k.column.push_back(k.entries.size());
        k.stationary.push_back(std::pow(up / down, j));
        sum += k.stationary.back();
    }
    for (double& p : k.stationary) p /= sum;
    k.basis.orbit.assign(n, 0);
    k.reversible = true;
    return k;
}

/// P of the folded cell, row = origin.
Eigen::MatrixXd folded(const Kernel& k) {
    const auto n = static_cast<Eigen::Index>(k.n_sites());
    Eigen::MatrixXd P = Eigen::MatrixXd::Zero(n, n);
    for (std::size_t j = 0; j < k.n_sites(); ++j)
        for (const KernelEntry& e : k.from(j)) P(static_cast<Eigen::Index>(j), e.to) += e.p;
    return P;
}

} // namespace

TEST_CASE("a chain takes L^2 / 2p lags to come L cells away", "[msm][first_passage]") {
    for (const int L : {1, 2, 7, 200})
        CHECK(distance_steps(simple_cubic(3, 0.4), 1, L)[0] == Approx(L * L / (2 * 0.1)).epsilon(1e-13));
    // Two sites per cell: either one leaves the cell by its own rare bond.
    const double p2 = 1e-9;
    for (const double steps : distance_steps(alternating_chain(0.3, p2), 0, 1))
        CHECK(steps == Approx(1 / p2).epsilon(1e-14));
}

TEST_CASE("an axis along which nothing hops is never travelled, and wrong distances are refused",
          "[msm][first_passage]") {
    CHECK(distance_steps(alternating_chain(), 1, 1) == std::vector<double>(2, infinity));
    CHECK_THROWS_AS(distance_steps(fcc(), 3, 1), DataError);
    CHECK_THROWS_AS(distance_steps(fcc(), 0, 0), DataError);
    CHECK_THROWS_AS(first_passage(fcc(), {}, nowhere), DataError);
    CHECK_THROWS_AS(first_passage(fcc(), Window::along(0, 2, 1), nowhere), DataError);
}

TEST_CASE("first-passage times over a row are those of a birth-death chain", "[msm][first_passage]") {
    const double up = 0.2, down = 1e-6;
    const Kernel k = row(9, up, down);
    const std::vector<double> steps = first_passage_steps(k, {"end", {8}});
    double expected = 0; // from j to j + 1: sum_{i <= j} pi_i / (pi_j up)
    for (std::size_t j = 8; j-- > 0;) {
        double below = 0;
        for (std::size_t i = 0; i <= j; ++i) below += std::pow(down / up, static_cast<double>(j - i));
        expected += below / up;
        CHECK(steps[j] == Approx(expected).epsilon(1e-14));
    }
    CHECK(steps[8] == 0.0);
}

TEST_CASE("first-passage times in a window equal a dense solve", "[msm][first_passage]") {
    for (std::uint64_t seed = 1; seed <= 3; ++seed) {
        const Kernel k = seed == 3 ? random_nonreversible(5, 9) : random_reversible(5, seed);
        Window window;
        window.open = {true, false, true};
        window.lower = IVec3(-2, 0, 0);
        window.upper = IVec3(1, 0, 2);
        const auto arrived = [](std::int32_t s, const IVec3& cell) {
            return s == 3 && cell == IVec3(1, 0, 1);
        };
        const PassageTimes times = first_passage(k, window, arrived);
        const auto index = [&](std::size_t s, int x, int z) {
            return static_cast<Eigen::Index>(s) + 5 * ((x + 2) + 4 * z);
        };
        Eigen::MatrixXd A = Eigen::MatrixXd::Identity(60, 60);
        Eigen::VectorXd b = Eigen::VectorXd::Ones(60);
        for (std::size_t j = 0; j < 5; ++j)
            for (int x = -2; x <= 1; ++x)
                for (int z = 0; z <= 2; ++z) {
                    if (arrived(static_cast<std::int32_t>(j), IVec3(x, 0, z))) {
                        b[index(j, x, z)] = 0;
                        continue;
                    }
                    for (const KernelEntry& e : k.from(j)) {
                        const int X = x + e.R[0], Z = z + e.R[2];
                        if (X >= -2 && X <= 1 && Z >= 0 && Z <= 2)
                            A(index(j, x, z), index(at(e.to), X, Z)) -= e.p;
                    }
                }
        const Eigen::VectorXd reference = A.partialPivLu().solve(b);
        for (std::size_t j = 0; j < 5; ++j)
            for (int x = -2; x <= 1; ++x)
                for (int z = 0; z <= 2; ++z)
                    CHECK(times.from(j, IVec3(x, 7, z)) ==
                          Approx(reference[index(j, x, z)]).epsilon(1e-11).margin(1e-12));
        for (std::size_t c = 0; c < window.n_cells(); ++c) CHECK(window.number_of(window.cell(c)) == c);
    }
}

TEST_CASE("the walk to the same site of the next cell is longer the rarer its bottleneck",
          "[msm][first_passage]") {
    const double p1 = 0.3, p2 = 1e-7;
    const PassageTimes times =
        first_passage(alternating_chain(p1, p2), Window::along(0, -1, 1),
                      [](std::int32_t s, const IVec3& cell) { return s == 0 && std::abs(cell[0]) == 1; });
    // L^2 / 2 D per lag with L one cell and D of the chain.
    CHECK(times.from(0) == Approx(1 / p1 + 1 / p2).epsilon(1e-13));
    CHECK(times.from(0, IVec3(1, 0, 0)) == 0.0);
}

TEST_CASE("passages that need not end are infinite, never NaN", "[msm][first_passage]") {
    // 0 <-> 1 -> 2 (a trap); 3 alone.
    Kernel k = row(4, 0.25, 0.25);
    k.reversible = false;
    k.entries = {{0, IVec3::Zero(), 0.5}, {1, IVec3::Zero(), 0.5}, {0, IVec3::Zero(), 0.5},
                 {2, IVec3::Zero(), 0.5}, {2, IVec3::Zero(), 1.0}, {3, IVec3::Zero(), 1.0}};
    k.column = {0, 2, 4, 5, 6};
    check_kernel(k);
    CHECK(first_passage_steps(k, {"0", {0}}) == std::vector<double>{0, infinity, infinity, infinity});
    const std::vector<double> to_trap = first_passage_steps(k, {"2", {2}});
    CHECK(to_trap[0] == Approx(6));
    CHECK(to_trap[1] == Approx(4));
    CHECK(to_trap[3] == infinity);
    const ReactivePaths paths = reactive_paths(k, {"0", {0}}, {"2", {2}});
    CHECK(paths.forward == std::vector<double>{0, 0.5, 1, 0});
    CHECK(paths.flux == 0.0); // nobody is on 0 in the stationary state
    CHECK(paths.rate == 0.0);
    for (const double share : paths.share) CHECK(share == 0.0);
    CHECK_THROWS_WITH(first_passage_steps(k, {"Li9", {}}), Catch::Matchers::Contains("Li9"));
    CHECK_THROWS_AS(first_passage_steps(k, {"x", {4}}), DataError);
    CHECK_THROWS_AS(reactive_paths(k, {"A", {0, 1}}, {"B", {1}}), DataError);
}

TEST_CASE("sites are named by orbit or one by one", "[msm][first_passage]") {
    const SiteBasis basis = row(3, 0.1, 0.1).basis;
    CHECK(sites_named(basis, "Li1").sites == std::vector<std::int32_t>{0, 1, 2});
    CHECK(sites_named(basis, "Li1.2").sites == std::vector<std::int32_t>{1});
    CHECK_THROWS_WITH(sites_named(basis, "Na"), Catch::Matchers::Contains("Li1"));
}

TEST_CASE("committors over a row are gambler's ruin, and every bond carries the same flow",
          "[msm][first_passage]") {
    const double up = 0.3, down = 1e-5, r = down / up;
    const Kernel k = row(8, up, down);
    const ReactivePaths paths = reactive_paths(k, {"A", {0}}, {"B", {7}});
    const auto q = [&](int i) { return (1 - std::pow(r, i)) / (1 - std::pow(r, 7)); };
    double shares = 0;
    for (std::size_t j = 0; j < 8; ++j) {
        const int i = static_cast<int>(j);
        CHECK(paths.forward[j] == Approx(q(i)).epsilon(1e-14));
        CHECK(paths.backward[j] ==
              Approx((std::pow(r, i) - std::pow(r, 7)) / (1 - std::pow(r, 7))).epsilon(1e-13).margin(0));
        for (std::size_t e = k.column[j]; e < k.column[j + 1]; ++e) {
            shares += paths.share[e];
            const bool forward = k.entries[e].to == i + 1;
            CHECK(paths.net[e] == Approx(forward ? paths.flux : 0.0).epsilon(1e-10).margin(0));
        }
    }
    CHECK(shares == Approx(1).epsilon(1e-13));
    CHECK(paths.flux == Approx(k.stationary[0] * up * q(1)).epsilon(1e-14).margin(0));
}

TEST_CASE("the flux between two sites is one over the time to go and come back", "[msm][first_passage]") {
    for (std::uint64_t seed = 1; seed <= 6; ++seed) {
        const Kernel k = seed % 2 ? random_reversible(9, seed) : random_nonreversible(9, seed);
        const ReactivePaths paths = reactive_paths(k, {"A", {2}}, {"B", {7}});
        const double there = first_passage_steps(k, {"B", {7}})[2],
                     back = first_passage_steps(k, {"A", {2}})[7];
        CHECK(paths.flux == Approx(1 / (there + back)).epsilon(1e-12));
        CHECK(paths.rate ==
              Approx(1 / (there * k.lag_time)).epsilon(1e-12)); // k_AB of a single site is 1 / T_AB
    }
}

TEST_CASE("committors equal a dense solve, net flows are conserved and shares sum to one",
          "[msm][first_passage]") {
    for (std::uint64_t seed = 1; seed <= 6; ++seed) {
        const Kernel k = seed % 2 ? random_reversible(10, seed) : random_nonreversible(10, seed);
        const ReactivePaths paths = reactive_paths(k, {"A", {0, 4}}, {"B", {3, 8, 9}});
        const Eigen::MatrixXd P = folded(k);
        const Eigen::VectorXd pi = Eigen::Map<const Eigen::VectorXd>(k.stationary.data(), 10);
        const Eigen::MatrixXd reversed = pi.cwiseInverse().asDiagonal() * P.transpose() * pi.asDiagonal();
        const auto committor = [](const Eigen::MatrixXd& T, const std::vector<int>& zero,
                                  const std::vector<int>& one) {
            Eigen::MatrixXd A = Eigen::MatrixXd::Identity(10, 10) - T;
            Eigen::VectorXd b = Eigen::VectorXd::Zero(10);
            for (const auto* group : {&zero, &one})
                for (const int s : *group) {
                    A.row(s).setZero();
                    A(s, s) = 1;
                    b[s] = group == &one ? 1 : 0;
                }
            return Eigen::VectorXd(A.partialPivLu().solve(b));
        };
        const Eigen::VectorXd forward = committor(P, {0, 4}, {3, 8, 9}),
                              backward = committor(reversed, {3, 8, 9}, {0, 4});
        std::vector<double> balance(10, 0.0);
        double shares = 0, flux = 0;
        for (std::size_t j = 0; j < 10; ++j) {
            const auto row = static_cast<Eigen::Index>(j);
            CHECK(paths.forward[j] == Approx(forward[row]).epsilon(1e-11).margin(1e-13));
            CHECK(paths.backward[j] == Approx(backward[row]).epsilon(1e-11).margin(1e-13));
            for (std::size_t e = k.column[j]; e < k.column[j + 1]; ++e) {
                const auto i = at(k.entries[e].to);
                balance[j] -= paths.net[e];
                balance[i] += paths.net[e];
                shares += paths.share[e];
                if ((j == 0 || j == 4) && i != 0 && i != 4) flux += paths.net[e];
            }
        }
        for (const std::size_t s : {1, 2, 5, 6, 7}) CHECK(std::abs(balance[s]) < 1e-13 * paths.flux);
        CHECK(shares == Approx(1).epsilon(1e-12));
        CHECK(flux == Approx(paths.flux).epsilon(1e-12));
        if (k.reversible)
            for (std::size_t s = 0; s < 10; ++s)
                CHECK(paths.backward[s] == Approx(1 - paths.forward[s]).margin(1e-14));
    }
}

TEST_CASE("the flux across any slab gives D of a lattice of one site", "[msm][first_passage]") {
    for (const int length : {1, 2, 3, 10}) {
        const Kernel sc = simple_cubic(3, 0.4, 2), cubic = fcc(4, 0.25, 3);
        CHECK(slab_paths(sc, 2, length).diffusivity ==
              Approx(exact_transport(sc).diffusivity(2, 2)).epsilon(1e-13));
        CHECK(slab_paths(cubic, 1, length).diffusivity ==
              Approx(exact_transport(cubic).diffusivity(0, 0)).epsilon(1e-13)); // isotropic: any normal
        for (int c = 1; c < length; ++c)
            CHECK(slab_paths(sc, 2, length).forward[static_cast<std::size_t>(c) - 1] ==
                  Approx(static_cast<double>(c) / length).epsilon(1e-13));
    }
}

TEST_CASE("a further cell adds the resistance that D has, and the shares of a slab sum to one",
          "[msm][first_passage]") {
    for (std::uint64_t seed = 1; seed <= 4; ++seed) {
        const Kernel k = random_reversible(6, seed);
        const Mat3 D = exact_transport(k).diffusivity;
        for (int axis = 0; axis < 3; ++axis) {
            const Vec3 normal = k.basis.cell.inverse().col(axis).normalized();
            const double expected = normal.dot(D * normal);
            CHECK(slab_diffusivity(k, axis, 12) == Approx(expected).epsilon(1e-9));
            const double thin = slab_paths(k, axis, 6).diffusivity,
                         thick = slab_paths(k, axis, 24).diffusivity;
            CHECK(std::abs(thick - expected) < 0.3 * std::abs(thin - expected)); // falls like 1 / length
        }
    }
    for (const Kernel& k : {random_reversible(5, 2), random_nonreversible(5, 3)}) {
        const SlabPaths paths = slab_paths(k, 1, 4);
        double sum = 0;
        for (const double share : paths.share) sum += share;
        CHECK(sum == Approx(1).epsilon(1e-12));
    }
    const SlabPaths none = slab_paths(alternating_chain(), 2, 3);
    CHECK(none.flux == 0.0);
    CHECK(none.diffusivity == 0.0);
    CHECK(slab_diffusivity(alternating_chain(), 2, 3) == 0.0);
    CHECK_THROWS_AS(slab_paths(fcc(), -1, 2), DataError);
    CHECK_THROWS_AS(slab_paths(fcc(), 0, 0), DataError);
}

TEST_CASE("the resistance of an alternating chain sits in its rare bond", "[msm][first_passage]") {
    const double p1 = 0.3, p2 = 3e-12;
    const Kernel k = alternating_chain(p1, p2);
    const SlabPaths paths = slab_paths(k, 0, 8);
    double rare = 0;
    for (std::size_t e = 0; e < k.entries.size(); ++e)
        if (!k.entries[e].R.isZero()) rare += paths.share[e];
    CHECK(1 - rare < 1.1 * p2 / p1);
    CHECK(slab_diffusivity(k, 0, 3) == Approx(exact_transport(k).diffusivity(0, 0)).epsilon(1e-12).margin(0));
}
