#include <cmath>

#include <Eigen/Dense>

#include "mesolith/core/error.hpp"
#include "mesolith/msm/classes.hpp"
#include "mesolith/msm/estimate_kernel.hpp"
#include "mesolith/msm/kernel.hpp"

#include "support/catch.hpp"
#include "support/cells.hpp"
#include "support/counts.hpp"
#include "support/kernels.hpp"
#include "support/synthetic.hpp"

using namespace mesolith;
using namespace mesolith::test;

namespace {

using test::cells::here;

SiteBasis three_sites() {
    SiteBasis basis;
    basis.cell = Cell(Mat3(9 * Mat3::Identity()));
    basis.positions = {Vec3::Zero(), Vec3(3, 0, 0), Vec3(6, 0, 0)};
    basis.orbit = {0, 0, 0};
    basis.name = {"Li1.1", "Li1.2", "Li1.3"};
    return basis;
}

/// max |P pi - pi|
double drift_of(const Kernel& k) {
    std::vector<double> next(k.n_sites(), 0);
    for (std::size_t j = 0; j < k.n_sites(); ++j)
        for (const KernelEntry& e : k.from(j)) next[static_cast<std::size_t>(e.to)] += e.p * k.stationary[j];
    double worst = 0;
    for (std::size_t j = 0; j < next.size(); ++j)
        worst = std::max(worst, std::abs(next[j] - k.stationary[j]));
    return worst;
}

const CountMap counted{{{0, 0, here}, 6},           {{0, 1, here}, 2},           {{1, 0, here}, 4},
                       {{1, 1, here}, 3},           {{1, 2, IVec3(1, 0, 0)}, 1}, {{2, 2, here}, 9},
                       {{2, 1, IVec3(-1, 0, 0)}, 3}};

} // namespace

TEST_CASE("the non-reversible estimator divides by the visits of each column", "[msm][kernel]") {
    const Kernel k = estimate_kernel(counts_of(3, {counted}), three_sites(), {Estimator::non_reversible, {}});
    check_kernel(k);
    CHECK(probability(k, 0, 1, here) == 2.0 / 8);
    CHECK(probability(k, 1, 2, IVec3(1, 0, 0)) == 1.0 / 8);
    CHECK(probability(k, 2, 1, IVec3(-1, 0, 0)) == 3.0 / 12);
    CHECK(k.lag_time == 1.0);
    CHECK_FALSE(k.reversible);
    CHECK(drift_of(k) < 1e-15);
}

TEST_CASE("the symmetrised estimator averages each move with its reverse and obeys detailed balance",
          "[msm][kernel]") {
    const Kernel k = estimate_kernel(counts_of(3, {counted}), three_sites(), {});
    check_kernel(k);
    CHECK(probability(k, 0, 1, here) == Approx(6.0 / 18).epsilon(1e-15));
    CHECK(probability(k, 1, 2, IVec3(1, 0, 0)) == Approx(4.0 / 16).epsilon(1e-15));
    CHECK(k.stationary[1] == Approx(16.0 / 56).epsilon(1e-15));
    CHECK(balance_error(k) < 1e-16);
}

TEST_CASE("a given stationary distribution is kept exactly", "[msm][kernel]") {
    const Kernel k =
        estimate_kernel(counts_of(3, {counted}), three_sites(), {Estimator::symmetrised, {1, 1, 1}});
    check_kernel(k);
    for (const double pi : k.stationary) CHECK(pi == Approx(1.0 / 3).epsilon(1e-14));
    CHECK(balance_error(k) < 1e-16);
    CHECK(probability(k, 0, 1, here) == Approx(0.5 * (2.0 / 8 + 4.0 / 8)).epsilon(1e-14));
    CHECK_THROWS_WITH(
        estimate_kernel(counts_of(3, {counted}), three_sites(), {Estimator::symmetrised, {1, 1e-6, 1}}),
        Catch::Matchers::Contains("does not fit the counts"));
}

TEST_CASE("a site that was never visited keeps its walker and weighs nothing", "[msm][kernel]") {
    const auto counts = counts_of(3, {{{{0, 0, here}, 5}, {{0, 1, here}, 1}, {{1, 0, here}, 1}}});
    for (const Estimator e : {Estimator::non_reversible, Estimator::symmetrised}) {
        const Kernel k = estimate_kernel(counts, three_sites(), {e, {}});
        check_kernel(k);
        CHECK(probability(k, 2, 2, here) == 1.0);
        CHECK(k.stationary[2] == 0.0);
    }
}

TEST_CASE("estimates reject counts of another crystal, no counts, and a pi of the wrong shape",
          "[msm][kernel]") {
    const auto counts = counts_of(3, {counted});
    CHECK_THROWS_AS(estimate_kernel(counts_of(2, {{{{0, 0, here}, 1}}}), three_sites(), {}), DataError);
    CHECK_THROWS_AS(estimate_kernel(counts_of(3, {CountMap{}}), three_sites(), {}), DataError);
    CHECK_THROWS_AS(estimate_kernel(counts, three_sites(), {Estimator::symmetrised, {1, 1}}), DataError);
    CHECK_THROWS_AS(estimate_kernel(counts, three_sites(), {Estimator::symmetrised, {1, -1, 1}}), DataError);
    CHECK_THROWS_AS(estimate_kernel(counts, three_sites(), {Estimator::non_reversible, {1, 1, 1}}),
                    DataError);
}

TEST_CASE("check_kernel names the site whose column is wrong", "[msm][kernel]") {
    Kernel k = alternating_chain();
    check_kernel(k);
    k.entries[k.column[1]].p += 1e-6;
    CHECK_THROWS_WITH(check_kernel(k), Catch::Matchers::Contains("Li1.2"));
    k = alternating_chain();
    k.entries[0].p = -0.1;
    CHECK_THROWS_AS(check_kernel(k), DataError);
}

TEST_CASE("ions on transient sites go to closed classes by their absorption probabilities",
          "[msm][kernel][classes]") {
    // Gambler's ruin on 0 - 1 - 2 - 3 - 4 with p = 2/3 upwards: from i the top is reached with (1 - 2^-i) /
    // (1 - 2^-4).
    Kernel k;
    k.lag_time = 1;
    k.basis.cell = Cell(Mat3(20 * Mat3::Identity()));
    for (int i = 0; i < 5; ++i) k.basis.positions.push_back(Vec3(i, 0, 0));
    k.basis.orbit.assign(5, 0);
    k.basis.name.assign(5, "x");
    for (std::int32_t i = 0; i < 5; ++i) {
        if (i == 0 || i == 4)
            k.entries.push_back({i, here, 1.0});
        else {
            k.entries.push_back({i - 1, here, 1.0 / 3});
            k.entries.push_back({i + 1, here, 2.0 / 3});
        }
        k.column.push_back(k.entries.size());
    }
    k.stationary.assign(5, 0.2);
    const std::vector<double> start{0, 0.25, 0.25, 0.5, 0};
    const ClassStructure c = closed_classes(k, start);
    REQUIRE(c.classes.size() == 2);
    CHECK(c.transient == std::vector<std::int32_t>{1, 2, 3});
    const auto top = [](int i) { return (1 - std::pow(2.0, -i)) / (1 - std::pow(2.0, -4)); };
    const double expected = 0.25 * top(1) + 0.25 * top(2) + 0.5 * top(3);
    CHECK(c.classes[0].sites == std::vector<std::int32_t>{4});
    CHECK(c.classes[0].weight == Approx(expected).epsilon(1e-14));
    CHECK(c.classes[1].weight == Approx(1 - expected).epsilon(1e-14));
    CHECK(c.class_of == std::vector<std::int32_t>{1, -1, -1, -1, 0});
}

TEST_CASE("closed classes of a random kernel are one, of two kernels side by side two",
          "[msm][kernel][classes]") {
    for (std::uint64_t seed = 1; seed < 6; ++seed) {
        const Kernel k = random_nonreversible(12, seed);
        const ClassStructure c = closed_classes(k);
        REQUIRE(c.classes.size() == 1);
        CHECK(c.transient.empty());
        for (std::size_t j = 0; j < 12; ++j)
            CHECK(c.classes[0].stationary[j] == Approx(k.stationary[j]).epsilon(1e-12));
    }
}

TEST_CASE("stationary probabilities are right to rounding when hops span fourteen decades",
          "[msm][kernel][classes]") {
    // A ring with a drive: pi_j ~ 1 / p_j, exact whatever the range of p.
    const std::size_t n = 8;
    Kernel k;
    k.lag_time = 1;
    k.basis.cell = Cell(Mat3(20 * Mat3::Identity()));
    k.basis.positions.assign(n, Vec3::Zero());
    std::vector<double> p(n);
    double sum = 0;
    for (std::size_t j = 0; j < n; ++j) {
        p[j] = std::pow(10.0, -2.0 * static_cast<double>(j));
        sum += 1 / p[j];
        k.entries.push_back({static_cast<std::int32_t>((j + 1) % n), here, p[j]});
        k.entries.push_back({static_cast<std::int32_t>(j), here, 1 - p[j]});
        k.column.push_back(k.entries.size());
    }
    k.stationary.assign(n, 1.0 / static_cast<double>(n));
    const ClassStructure c = closed_classes(k);
    REQUIRE(c.classes.size() == 1);
    for (std::size_t j = 0; j < n; ++j)
        CHECK(c.classes[0].stationary[j] == Approx(1 / p[j] / sum).epsilon(1e-14));
}

TEST_CASE("the kernel of a long walk comes back within four standard errors", "[msm][kernel][random]") {
    const Kernel truth = random_reversible(6, 21, 8);
    const SiteSet sites = tile(truth.basis, IVec3(2, 2, 2));
    const std::vector<SiteTrajectory> data{as_events(walk(truth, 40, 5000, 77), sites, truth.lag_time)};
    const std::vector<std::int64_t> lags{1}, frames{5000};
    const TransitionCounts counts =
        count_transitions(data, sites, lags, cut_into_blocks(frames, 5000)).front();
    const Kernel k = estimate_kernel(counts, truth.basis, {});
    for (std::size_t j = 0; j < 6; ++j) {
        const double visits = 40 * 4999 * truth.stationary[j];
        for (const KernelEntry& e : truth.from(j))
            CHECK(std::abs(probability(k, j, e.to, e.R) - e.p) < 4 * std::sqrt(e.p * (1 - e.p) / visits));
    }
}
