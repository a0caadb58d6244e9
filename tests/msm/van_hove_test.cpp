#include <cmath>
#include <map>
#include <numbers>

#include "mesolith/core/error.hpp"
#include "mesolith/core/parallel.hpp"
#include "mesolith/msm/transport.hpp"
#include "mesolith/msm/van_hove.hpp"

#include "support/catch.hpp"
#include "support/kernels.hpp"

using namespace mesolith;
using namespace mesolith::test;

namespace {

using Steps = std::vector<std::int64_t>;

double total(const VanHove& g) {
    double sum = g.beyond + g.dropped;
    for (const double p : g.probability) sum += p;
    return sum;
}

/// Every path written out.
void follow_paths(const Kernel& k, std::size_t start, std::size_t at, const IVec3& cell, double p, int steps,
                  const DistanceBins& bins, std::vector<double>& histogram) {
    if (steps == 0) {
        histogram[bins.bin_of(k.basis.displacement(start, at, cell).norm())] += p;
        return;
    }
    for (const KernelEntry& e : k.from(at))
        follow_paths(k, start, static_cast<std::size_t>(e.to), cell + e.R, p * e.p, steps - 1, bins,
                     histogram);
}

} // namespace

TEST_CASE("the van Hove function of a simple cubic crystal has its closed form", "[msm][van_hove]") {
    const double a = 3, stay = 0.4, p = (1 - stay) / 6;
    const DistanceBins bins{0.1, 50}; // neighbours fall on the edge of a bin
    const auto g = exact_van_hove(simple_cubic(a, stay), Steps{0, 1, 2}, bins);
    const auto at = [&](std::size_t step, double distance) {
        return g[step].probability[static_cast<std::size_t>(std::lround(std::floor(distance * 10 + 1e-3)))];
    };
    CHECK(at(0, 0) == 1.0);
    CHECK(at(1, 0) == Approx(stay).epsilon(1e-14));
    CHECK(at(1, a) == Approx(6 * p).epsilon(1e-14));
    CHECK(at(2, 0) == Approx(stay * stay + 6 * p * p).epsilon(1e-14));
    CHECK(at(2, a) == Approx(12 * stay * p).epsilon(1e-14));
    CHECK(at(2, a * std::sqrt(2)) == Approx(24 * p * p).epsilon(1e-14));
    CHECK(g[2].beyond == Approx(6 * p * p).epsilon(1e-14)); // 6 A
}

TEST_CASE("the van Hove function equals the sum over all paths", "[msm][van_hove]") {
    for (const Kernel& k : {random_reversible(3, 5, 6), random_nonreversible(3, 5)}) {
        const DistanceBins bins{0.25, 60};
        const auto g = exact_van_hove(k, Steps{1, 3}, bins, 0);
        for (std::size_t s = 0; s < 2; ++s) {
            std::vector<double> expected(bins.n + 1, 0.0);
            for (std::size_t j = 0; j < k.n_sites(); ++j)
                follow_paths(k, j, j, IVec3::Zero(), k.stationary[j], s == 0 ? 1 : 3, bins, expected);
            for (std::size_t b = 0; b < bins.n; ++b)
                CHECK(std::abs(g[s].probability[b] - expected[b]) < 1e-14);
            CHECK(std::abs(g[s].beyond - expected[bins.n]) < 1e-14);
            CHECK(g[s].dropped == 0.0);
        }
    }
}

TEST_CASE("nothing of the van Hove function gets lost unreported", "[msm][van_hove]") {
    const Kernel k = random_reversible(4, 8, 6);
    const auto fine = exact_van_hove(k, Steps{2, 6}, {0.5, 30}, 1e-12);
    const auto coarse = exact_van_hove(k, Steps{2, 6}, {0.5, 30}, 1e-4);
    for (std::size_t s = 0; s < 2; ++s) {
        CHECK(total(fine[s]) == Approx(1).epsilon(1e-13));
        CHECK(total(coarse[s]) == Approx(1).epsilon(1e-13));
        CHECK(fine[s].dropped < 1e-7);
        for (std::size_t b = 0; b < 30; ++b) {
            CHECK(coarse[s].probability[b] <= fine[s].probability[b] + 1e-7);
            CHECK(coarse[s].probability[b] >= fine[s].probability[b] - coarse[s].dropped);
        }
    }
    CHECK(coarse[1].dropped > 1e-3);
    const auto gone = exact_van_hove(k, Steps{3}, {0.5, 30}, 2.0); // nothing is left
    CHECK(gone[0].dropped == Approx(1));
}

TEST_CASE("scattering of a list of wave vectors starts as 1 - k.MSD.k / 2", "[msm][van_hove]") {
    const Steps steps{1, 5, 40};
    for (const Kernel& k : {random_reversible(6, 3), random_nonreversible(6, 3)}) {
        const std::vector<Vec3> waves{Vec3(1e-3, 0, 0), Vec3(0, -1e-3, 5e-4), Vec3(0.7, 0.2, -0.4)};
        const auto f = intermediate_scattering(k, waves, steps);
        const auto msd = exact_msd(k, steps);
        REQUIRE(f.size() == 9);
        for (std::size_t w = 0; w < 2; ++w)
            for (std::size_t s = 0; s < 3; ++s)
                CHECK(1 - f[3 * w + s].real() == Approx(waves[w].dot(msd[s] * waves[w]) / 2).epsilon(1e-3));
        const Vec3 kappa = k.basis.cell.vectors() * waves[2] / (2 * std::numbers::pi);
        const auto one = intermediate_scattering(k, kappa, steps);
        for (std::size_t s = 0; s < 3; ++s) CHECK(f[6 + s] == one[s]);
    }
}

TEST_CASE("scattering is the Fourier sum of the van Hove function on a chain", "[msm][van_hove]") {
    // Along x the distance is all there is: F_s(k) = sum over bins of p cos(k r).
    const Kernel k = alternating_chain(0.3, 0.2, 2, 3);
    const auto g = exact_van_hove(k, Steps{12}, {1.0, 100}, 0); // distances are whole angstroms
    const Vec3 wave(0.37, 0, 0);
    double sum = 0;
    for (std::size_t b = 0; b < 100; ++b)
        sum += g[0].probability[b] * std::cos(0.37 * static_cast<double>(b));
    const std::vector<Vec3> waves{wave};
    CHECK(intermediate_scattering(k, waves, Steps{12})[0].real() == Approx(sum).epsilon(1e-12));
}

TEST_CASE("one and two threads give the same van Hove function", "[msm][van_hove][parallel]") {
    const Kernel k = random_reversible(5, 8, 6);
    std::vector<VanHove> one, two;
    with_threads(1, [&] { one = exact_van_hove(k, Steps{4}, {}); });
    with_threads(2, [&] { two = exact_van_hove(k, Steps{4}, {}); });
    CHECK(one[0].probability == two[0].probability);
    CHECK(one[0].dropped == two[0].dropped);
}

TEST_CASE("the van Hove function refuses bad steps, bins and kernels", "[msm][van_hove]") {
    Kernel k = simple_cubic();
    CHECK_THROWS_AS(exact_van_hove(k, Steps{2, 1}, {}), DataError);
    CHECK_THROWS_AS(exact_van_hove(k, Steps{-1}, {}), DataError);
    CHECK_THROWS_AS(exact_van_hove(k, Steps{1}, {0.0, 10}), DataError);
    CHECK_THROWS_AS(exact_van_hove(k, Steps{1}, {0.1, 0}), DataError);
    CHECK_THROWS_AS(exact_van_hove(k, Steps{1}, {}, -1), DataError);
    k.stationary.clear();
    CHECK_THROWS_AS(exact_van_hove(k, Steps{1}, {}), DataError);
}
