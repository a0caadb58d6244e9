#include <cmath>
#include <random>

#include "mesolith/core/error.hpp"
#include "mesolith/core/parallel.hpp"
#include "mesolith/observables/collective.hpp"

#include "support/catch.hpp"
#include "support/kernels.hpp"
#include "support/synthetic.hpp"

using namespace mesolith;
using namespace mesolith::test;

TEST_CASE("the collective displacement is the sum over ions, against the framework",
          "[observables][collective]") {
    std::mt19937_64 random(1);
    std::normal_distribution<double> step(0, 1);
    CollectiveAccumulator collective(3, 0.5);
    std::vector<Vec3> ions(3, Vec3(1, 2, 3)), start = ions;
    Vec3 framework(4, 5, 6);
    const Vec3 framework_start = framework;
    std::vector<Vec3> expected;
    for (int frame = 0; frame < 20; ++frame) {
        collective.add_frame(ions, framework);
        Vec3 sum = -3 * (framework - framework_start);
        for (std::size_t k = 0; k < 3; ++k) sum += ions[k] - start[k];
        expected.push_back(sum);
        for (Vec3& r : ions) r += Vec3(step(random), step(random), step(random));
        framework += Vec3(step(random), 0, 0);
    }
    const CollectiveDisplacement series = collective.finish();
    REQUIRE(series.sum.size() == 20);
    CHECK(series.sum.front() == Vec3(0, 0, 0));
    for (std::size_t t = 0; t < 20; ++t) CHECK((series.sum[t] - expected[t]).norm() < 1e-12);
}

TEST_CASE("the collective displacement from events equals the sum over the places of the ions",
          "[observables][collective]") {
    const Kernel kernel = random_reversible(5, 3);
    const SiteSet sites = tile(kernel.basis, IVec3(1, 2, 2));
    const auto places = walk(kernel, 6, 300, 8);
    SiteTrajectory trajectory = as_events(places, sites, 0.5);
    const CollectiveDisplacement series = projected_collective(trajectory, sites);
    REQUIRE(series.sum.size() == 300);
    CHECK(series.n_ions == 6);
    for (std::size_t t = 0; t < 300; ++t) {
        Vec3 expected = Vec3::Zero();
        for (std::size_t k = 0; k < 6; ++k)
            expected += position(places[t][k], kernel.basis) - position(places[0][k], kernel.basis);
        CHECK((series.sum[t] - expected).norm() < 1e-9);
    }
    // Ions nobody has seen yet stand still, and so do lost ones until they are seen again.
    SiteTrajectory lost;
    lost.n_frames = 6;
    lost.frame_interval = 1;
    lost.events = {{0, SiteId::none(), {0, 0, 0}},
                   {1, SiteId(0), {0, 0, 0}},
                   {2, SiteId::none(), {0, 0, 0}},
                   {4, SiteId(0), {1, 0, 0}}};
    lost.offsets = {0, 4};
    const auto sum = projected_collective(lost, sites).sum;
    const Vec3 a = sites.cell.to_cartesian(Vec3(1, 0, 0));
    for (std::size_t t = 0; t < 6; ++t) CHECK((sum[t] - (t < 4 ? Vec3(0, 0, 0) : a)).norm() < 1e-12);
}

TEST_CASE("the collective MSD equals a loop over all windows, by time bins and whatever the threads",
          "[observables][collective]") {
    std::mt19937_64 random(7);
    std::normal_distribution<double> step(0, 1);
    CollectiveDisplacement series{4, 0.5, {Vec3::Zero()}};
    for (int t = 1; t < 200; ++t)
        series.sum.push_back(series.sum.back() + Vec3(step(random), 2 * step(random), 0.1));
    MsdSums one, two;
    with_threads(1, [&] { one = collective_msd(series, {30, 1, 7, 7, 500}, 16); });
    with_threads(2, [&] { two = collective_msd(series, {30, 1, 7, 7, 500}, 16); });
    CHECK(one.sum == two.sum);
    CHECK(one.lag_frames == std::vector<std::int64_t>{1, 7, 30, 500});
    REQUIRE(one.n_bins() == 13);
    for (std::size_t bin = 0; bin < one.n_bins(); ++bin)
        for (std::size_t l = 0; l < 4; ++l) {
            Vec3 expected = Vec3::Zero();
            std::int64_t count = 0;
            const auto lag = static_cast<std::size_t>(one.lag_frames[l]);
            for (std::size_t t = 16 * bin; t < 16 * (bin + 1) && t + lag < 200; ++t, ++count)
                expected += (series.sum[t + lag] - series.sum[t]).cwiseAbs2() / 4;
            CHECK(one.count[bin * 4 + l] == count);
            for (std::size_t a = 0; a < 3; ++a)
                CHECK(std::abs(one.sum[(bin * 4 + l) * 3 + a] - expected[static_cast<int>(a)]) <
                      1e-12 * (1 + expected.norm()));
        }
}

TEST_CASE("a collective displacement refuses no ions, other numbers of ions and senseless lags",
          "[observables][collective]") {
    CHECK_THROWS_AS(CollectiveAccumulator(0, 1), DataError);
    CollectiveAccumulator collective(2, 1);
    CHECK_THROWS_AS(collective.add_frame(std::vector<Vec3>(3, Vec3::Zero())), DataError);
    const CollectiveDisplacement series{2, 1, std::vector<Vec3>(10, Vec3::Zero())};
    CHECK_THROWS_AS(collective_msd(series, {}, 1), DataError);
    CHECK_THROWS_AS(collective_msd(series, {0}, 1), DataError);
    CHECK_THROWS_AS(collective_msd(series, {1}, 0), DataError);
}
