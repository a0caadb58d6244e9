#include <algorithm>
#include <cmath>
#include <random>

#include "mesolith/core/error.hpp"
#include "mesolith/msm/delta_method.hpp"
#include "mesolith/msm/pooling.hpp"
#include "mesolith/msm/transport.hpp"

#include "support/catch.hpp"
#include "support/cells.hpp"
#include "support/counts.hpp"

using namespace mesolith;
using namespace mesolith::test;

namespace {

using test::cells::here;

Mat3 diffusivity(const TransitionCounts& counts, const SiteBasis& basis, const EstimatorOptions& options,
                 const std::vector<double>& weights) {
    return exact_transport(estimate_kernel(counts, basis, options, weights)).diffusivity;
}

/// Largest difference between dD/dw_b and central differences, relative to the largest dD/dw_b.
double worst_influence(const TransitionCounts& counts, const SiteBasis& basis,
                       const EstimatorOptions& options) {
    const DeltaMethod delta = delta_method(counts, basis, options);
    double worst = 0, largest = 0;
    Mat3 sum = Mat3::Zero();
    constexpr double h = 2e-4;
    for (std::size_t b = 0; b < counts.n_blocks(); ++b) {
        std::vector<double> w(counts.n_blocks(), 1.0);
        const auto D = [&](double weight) {
            w[b] = weight;
            return diffusivity(counts, basis, options, w);
        };
        const Mat3 numeric = (8 * (D(1 + h) - D(1 - h)) - (D(1 + 2 * h) - D(1 - 2 * h))) / (12 * h);
        worst = std::max(worst, (numeric - delta.influence[b]).cwiseAbs().maxCoeff());
        largest = std::max(largest, delta.influence[b].cwiseAbs().maxCoeff());
        sum += delta.influence[b];
    }
    CHECK(largest > 0);
    CHECK(sum.cwiseAbs().maxCoeff() < 1e-9 * largest);
    return worst / largest;
}

SiteBasis named(SiteBasis basis) {
    basis.orbit.assign(basis.size(), 0);
    basis.name.assign(basis.size(), "Li");
    return basis;
}

std::vector<EstimatorOptions> all_estimators(std::size_t n) {
    std::vector<double> pi;
    for (std::size_t j = 0; j < n; ++j) pi.push_back(1 + 0.3 * static_cast<double>(j % 3));
    return {{Estimator::non_reversible, {}},
            {Estimator::symmetrised, {}},
            {Estimator::symmetrised, pi},
            {Estimator::reversible, {}},
            {Estimator::reversible, pi}};
}

} // namespace

TEST_CASE("the derivative of D by block weights is that of finite differences, for every estimator",
          "[msm][delta]") {
    const Kernel truth = random_reversible(5, 17, 8);
    const TransitionCounts counts = counts_of(5, drawn_blocks(truth, 6, {90, 40, 60, 30, 50}, 3));
    for (const EstimatorOptions& options : all_estimators(5)) {
        CAPTURE(name(options.estimator), options.stationary.size());
        CHECK(worst_influence(counts, named(truth.basis), options) < 1e-6);
    }
}

TEST_CASE("the derivative of D holds for a drifting kernel", "[msm][delta]") {
    const Kernel truth = random_nonreversible(5, 23);
    const TransitionCounts counts = counts_of(5, drawn_blocks(truth, 6, {90, 40, 60, 30, 50}, 5));
    CHECK(worst_influence(counts, named(truth.basis), {Estimator::non_reversible, {}}) < 1e-6);
}

TEST_CASE("the derivative of D holds with several groups, one-way links, transient and unseen sites",
          "[msm][delta]") {
    const Kernel truth = random_reversible(3, 5, 6);
    std::mt19937_64 random(8);
    std::vector<CountMap> blocks(5);
    for (CountMap& block : blocks) {
        // sites 0-2 and 3-5 are two channels, 6 empties into both, 7 is entered from 1 only, 8 never seen
        for (const std::int32_t first : {0, 3})
            for (std::size_t j = 0; j < 3; ++j)
                for (const KernelEntry& e : truth.from(j))
                    block[{first + static_cast<std::int32_t>(j), first + e.to, e.R}] =
                        static_cast<std::int64_t>(1 + random() % 30);
        block[{6, 6, here}] = static_cast<std::int64_t>(1 + random() % 30);
        block[{6, 0, here}] = static_cast<std::int64_t>(1 + random() % 9);
        block[{6, 4, IVec3::UnitY()}] = static_cast<std::int64_t>(1 + random() % 9);
        block[{1, 7, here}] = 1;
        block[{7, 7, here}] = static_cast<std::int64_t>(1 + random() % 30);
    }
    SiteBasis basis = truth.basis;
    for (std::size_t j = 3; j < 9; ++j)
        basis.positions.push_back(basis.positions[j - 3] + Vec3(0.4, 0.1 * static_cast<double>(j), 0));
    const TransitionCounts counts = counts_of(9, blocks);
    for (const EstimatorOptions& options : all_estimators(9)) {
        if (options.estimator == Estimator::symmetrised && !options.stationary.empty())
            continue; // refuses site 8
        CAPTURE(name(options.estimator), options.stationary.size());
        CHECK(worst_influence(counts, named(basis), options) < 1e-6);
    }
}

TEST_CASE("the derivative of D holds for pooled counts", "[msm][delta]") {
    SiteBasis basis;
    basis.cell = Cell(Mat3(Vec3(5, 6, 6).asDiagonal()));
    basis.positions = {Vec3(0.5, 0, 0), Vec3(2, 0, 0), Vec3(1.25, 3, 3)};
    basis.orbit = {0, 0, 1};
    basis.name.assign(3, "Li");
    std::mt19937_64 random(12);
    std::vector<CountMap> blocks(5);
    for (CountMap& block : blocks)
        for (std::int32_t j = 0; j < 3; ++j) {
            block[{j, j, here}] = static_cast<std::int64_t>(100 + random() % 90);
            for (int k = 0; k < 6; ++k)
                block[{j, static_cast<std::int32_t>(random() % 3), random_cell(random)}] +=
                    static_cast<std::int64_t>(1 + random() % 9);
        }
    const std::vector<SiteOperation> operations = site_symmetry(basis, {}, {}, 0.01);
    CHECK(operations.size() == 16);
    const TransitionCounts counts = pool_counts(counts_of(3, blocks), operations);
    for (EstimatorOptions options : all_estimators(3)) {
        if (!options.stationary.empty()) options.stationary = {1, 1, 2};
        CAPTURE(name(options.estimator), options.stationary.size());
        CHECK(worst_influence(counts, basis, options) < 1e-6);
    }
}

TEST_CASE("the delta error of D is that of the bootstrap when hops are plenty", "[msm][delta][random]") {
    const Kernel truth = random_reversible(6, 31, 8);
    constexpr std::size_t n_blocks = 60;
    constexpr int samples = 400;
    const TransitionCounts counts =
        counts_of(6, drawn_blocks(truth, n_blocks, {300, 200, 250, 300, 150, 200}, 7));
    for (const EstimatorOptions& options : all_estimators(6)) {
        CAPTURE(name(options.estimator), options.stationary.size());
        const DeltaMethod delta = delta_method(counts, named(truth.basis), options);
        std::array<std::vector<double>, 3> drawn;
        for (int s = 0; s < samples; ++s) {
            const Mat3 D = diffusivity(counts, named(truth.basis), options,
                                       bootstrap_weights(n_blocks, 4, static_cast<std::uint32_t>(s)));
            for (int a = 0; a < 3; ++a) drawn[static_cast<std::size_t>(a)].push_back(D(a, a));
        }
        for (int a = 0; a < 3; ++a) {
            const double ratio = delta.error(a, a) / standard_deviation(drawn[static_cast<std::size_t>(a)]) *
                                 std::sqrt(n_blocks / (n_blocks + 1.0)); // Dirichlet weights spread less
            CHECK(std::abs(ratio - 1) < 4 / std::sqrt(2.0 * samples));
        }
    }
}

TEST_CASE("the jump that carries the noise has the largest share of the variance", "[msm][delta]") {
    // Alternating chain: the frequent bond is known well, D hangs on the rare one.
    const Kernel truth = alternating_chain(0.3, 0.002);
    const TransitionCounts counts = counts_of(2, drawn_blocks(truth, 20, {2000, 2000}, 9));
    const DeltaMethod delta = delta_method(counts, truth.basis, {});
    Vec3 sum = Vec3::Zero();
    Mat3 scale = Mat3::Zero();
    for (const Vec3& s : delta.share) sum += s;
    for (const Mat3& g : delta.gradient) scale += g;
    CHECK(sum[0] == Approx(1).epsilon(1e-12));
    CHECK(sum[1] == 0.0);                 // D_yy = 0 has no error
    CHECK(std::abs(scale(0, 0)) < 1e-12); // more of everything changes nothing
    std::size_t rare = 0;
    for (std::size_t t = 0; t < counts.transitions.size(); ++t)
        if (counts.transitions[t] == Transition{1, 0, IVec3::UnitX()})
            rare = static_cast<std::size_t>(delta.jump[t]);
    CHECK(delta.share[rare][0] > 0.95);
    // two bonds in series: d ln D / d ln p_2 = p_1 / (p_1 + p_2), and twice the stays dilute
    const double D = diffusivity(counts, truth.basis, {}, {})(0, 0);
    CHECK(delta.gradient[rare](0, 0) / D == Approx(1).epsilon(0.02));
}

TEST_CASE("the delta method refuses what estimates refuse", "[msm][delta]") {
    const Kernel truth = alternating_chain();
    const TransitionCounts counts = counts_of(2, drawn_blocks(truth, 2, {20, 20}, 1));
    CHECK_THROWS_AS(delta_method(counts, truth.basis, {Estimator::automatic, {}}), DataError);
    CHECK_THROWS_AS(delta_method(counts, simple_cubic().basis, {}), DataError);
    CHECK_THROWS_AS(delta_method(counts_of(2, {}), truth.basis, {}), DataError);
}
