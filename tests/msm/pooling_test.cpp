#include <algorithm>
#include <cmath>
#include <random>
#include <set>

#include "mesolith/core/error.hpp"
#include "mesolith/msm/estimate_kernel.hpp"
#include "mesolith/msm/pooling.hpp"
#include "mesolith/msm/transport.hpp"

#include "support/catch.hpp"
#include "support/cells.hpp"
#include "support/counts.hpp"
#include "support/poscar.hpp"

using namespace mesolith;
using namespace mesolith::test;

namespace {

using test::cells::here;

Transition moved(const SiteOperation& op, const Transition& t) {
    const auto j = static_cast<std::size_t>(t.from), i = static_cast<std::size_t>(t.to);
    return {op.image[j], op.image[i], op.rotation * t.R + op.cell[i] - op.cell[j]};
}

/// Two sites on a line, mirrored into each other, cells along x, y, z of different lengths.
SiteBasis mirrored_pair() {
    SiteBasis basis;
    basis.cell = Cell(Mat3(Vec3(5, 6, 7).asDiagonal()));
    basis.positions = {Vec3(0.5, 0, 0), Vec3(2, 0, 0)};
    basis.orbit = {0, 0};
    basis.name = {"Li1.1", "Li1.2"};
    return basis;
}

/// The primitive cell of Li15Si4 would need folding: its cubic cell with 60 sites and 48 operations.
SiteBasis cubic_alloy(std::vector<SiteOperation>& operations) {
    const Structure structure = read_test_poscar("Li15Si4");
    const SpaceGroup group = find_space_group(structure, 0.05);
    SiteBasis basis;
    basis.cell = structure.cell;
    std::vector<std::string> species;
    std::vector<Vec3> framework;
    for (std::size_t i = 0; i < structure.size(); ++i) {
        const Vec3 r = structure.cell.to_cartesian(structure.fractional[i]);
        if (structure.species[i] == "Li") {
            basis.positions.push_back(r);
            basis.orbit.push_back(group.orbit[i]);
            basis.name.push_back("Li");
        } else {
            species.push_back(structure.species[i]);
            framework.push_back(r);
        }
    }
    operations = site_symmetry(basis, species, framework, 0.05);
    return basis;
}

/// Few random hops between neighbours, in four blocks.
TransitionCounts random_hops(const SiteBasis& basis, std::uint64_t seed) {
    std::mt19937_64 random(seed);
    std::vector<CountMap> blocks(4);
    for (std::size_t j = 0; j < basis.size(); ++j)
        for (std::size_t i = 0; i < basis.size(); ++i) {
            const IVec3 R = basis.cell.nearest_image_shift(basis.positions[i] - basis.positions[j]);
            const Transition t{static_cast<std::int32_t>(j), static_cast<std::int32_t>(i), R};
            if (i == j)
                for (CountMap& block : blocks) block[t] = static_cast<std::int64_t>(500 + random() % 500);
            else if (basis.displacement(j, i, R).norm() < 3.0 && random() % 2 == 0)
                blocks[random() % 4][t] = static_cast<std::int64_t>(1 + random() % 40);
        }
    return counts_of(basis.size(), blocks);
}

} // namespace

TEST_CASE("pooling a pair of mirrored sites gives what a search through all operations gives",
          "[msm][pooling]") {
    const SiteBasis basis = mirrored_pair();
    const std::vector<SiteOperation> operations = site_symmetry(basis, {}, {}, 0.01);
    CHECK(operations.size() == 8);
    const IVec3 x = IVec3::UnitX(), y = IVec3::UnitY();
    const std::vector<CountMap> blocks{
        {{{0, 0, here}, 50}, {{1, 1, here}, 70}, {{0, 1, here}, 5}, {{1, 0, x}, 3}},
        {{{0, 0, here}, 40}, {{1, 0, here}, 4}, {{0, 1, y}, 2}, {{0, 0, y}, 6}}};
    const TransitionCounts raw = counts_of(2, blocks), pooled = pool_counts(raw, operations);
    CHECK(pooled.pool.size() == pooled.transitions.size());
    for (const std::vector<double>& w : {std::vector<double>{}, std::vector<double>{0.25, 3}}) {
        const std::vector<double> c = pooled.weighted(w), before = raw.weighted(w);
        for (std::size_t k = 0; k < pooled.transitions.size(); ++k) {
            std::set<Transition> images;
            for (const SiteOperation& op : operations) images.insert(moved(op, pooled.transitions[k]));
            double sum = 0;
            for (std::size_t r = 0; r < raw.transitions.size(); ++r)
                if (images.count(raw.transitions[r])) sum += before[r];
            CHECK(c[k] == Approx(sum / static_cast<double>(images.size())).epsilon(1e-15));
            for (std::size_t l = 0; l < pooled.transitions.size(); ++l)
                CHECK((pooled.pool[k] == pooled.pool[l]) == (images.count(pooled.transitions[l]) == 1));
        }
        double all = 0, all_before = 0;
        for (const double n : c) all += n;
        for (const double n : before) all_before += n;
        CHECK(all == Approx(all_before).epsilon(1e-14)); // pooling moves counts, it makes none
    }
    // raw integers stay
    for (std::size_t k = 0; k < pooled.transitions.size(); ++k) {
        const auto at = std::find(raw.transitions.begin(), raw.transitions.end(), pooled.transitions[k]);
        CHECK(pooled.total[k] == (at == raw.transitions.end()
                                      ? 0
                                      : raw.total[static_cast<std::size_t>(at - raw.transitions.begin())]));
    }
    // (0, 1, 0) is the mirror image of its own reverse, and (0, 1, y) of (1, 0, y)
    CHECK(independent_entries(raw, false) == 5);
    CHECK(independent_entries(raw, true) == 4);
    CHECK(independent_entries(pooled, false) == 4);
    CHECK(independent_entries(pooled, true) == 4);
}

TEST_CASE("translations alone are the operations without rotation", "[msm][pooling]") {
    std::vector<SiteOperation> operations;
    const SiteBasis basis = cubic_alloy(operations);
    CHECK(pooling_operations(operations, Pooling::none).empty());
    CHECK(pooling_operations(operations, Pooling::translations).size() == 2);
    CHECK(pooling_operations(operations, Pooling::space_group).size() == 48);
    const TransitionCounts counts = random_hops(basis, 3);
    const TransitionCounts same = pool_counts(counts, {});
    CHECK(same.pool.empty());
    CHECK(same.transitions == counts.transitions);
    CHECK(independent_entries(counts, true) >
          independent_entries(pool_counts(counts, pooling_operations(operations, Pooling::translations)),
                              true));
}

TEST_CASE("a pooled kernel looks the same after every symmetry operation, with every estimator",
          "[msm][pooling]") {
    std::vector<SiteOperation> operations;
    const SiteBasis basis = cubic_alloy(operations);
    REQUIRE(operations.size() == 48);
    const TransitionCounts pooled = pool_counts(random_hops(basis, 5), operations);
    const std::vector<double> uniform(basis.size(), 1.0);
    for (const EstimatorOptions& options :
         {EstimatorOptions{Estimator::non_reversible, {}}, EstimatorOptions{Estimator::symmetrised, {}},
          EstimatorOptions{Estimator::symmetrised, uniform}, EstimatorOptions{Estimator::reversible, {}},
          EstimatorOptions{Estimator::reversible, uniform}}) {
        CAPTURE(name(options.estimator), options.stationary.size());
        for (const std::vector<double>& weights :
             {std::vector<double>{}, std::vector<double>{0.1, 2, 0.7, 1.2}}) {
            const Kernel k = estimate_kernel(pooled, basis, options, weights);
            check_kernel(k);
            double worst = 0;
            for (const SiteOperation& op : operations)
                for (std::size_t j = 0; j < k.n_sites(); ++j)
                    for (const KernelEntry& e : k.from(j)) {
                        const Transition t = moved(op, {static_cast<std::int32_t>(j), e.to, e.R});
                        worst = std::max(
                            worst,
                            std::abs(e.p - probability(k, static_cast<std::size_t>(t.from), t.to, t.R)));
                    }
            CHECK(worst < 1e-15);
            const Mat3 D = exact_transport(k).diffusivity;
            CHECK(D.trace() > 0);
            CHECK((D - D.trace() / 3 * Mat3::Identity()).norm() < 1e-6 * D.norm()); // sites stand within 1e-7
        }
    }
}

TEST_CASE("pooling cuts the variance of an entry by the number of places that share it",
          "[msm][pooling][random]") {
    // 2 x 2 x 2 cells of a simple cubic crystal, not folded: 8 sites of equal columns.
    SiteBasis basis;
    basis.cell = Cell(6 * Mat3::Identity());
    for (int i = 0; i < 8; ++i) {
        basis.positions.push_back(3 * Vec3(i & 1, i >> 1 & 1, i >> 2));
        basis.orbit.push_back(0);
        basis.name.push_back("Li");
    }
    Flows flows;
    for (int j = 0; j < 8; ++j)
        for (int axis = 0; axis < 3; ++axis) {
            const int i = j ^ (1 << axis);
            flows[{j, i, here}] = 0.02 / 8;
            flows[{j, i, (j >> axis & 1 ? 1 : -1) * IVec3::Unit(axis)}] = 0.02 / 8;
        }
    const Kernel truth = kernel_from_flows(basis, std::vector<double>(8, 0.125), flows, 1);
    basis = truth.basis;
    const std::vector<SiteOperation> translations =
        pooling_operations(site_symmetry(basis, {}, {}, 0.01), Pooling::translations);
    REQUIRE(translations.size() == 8);
    constexpr int repeats = 400;
    const double n = 200;
    double alone = 0, together = 0, mean = 0;
    for (int r = 0; r < repeats; ++r) {
        const TransitionCounts counts = counts_of(
            8, drawn_blocks(truth, 1, std::vector<std::size_t>(8, 200), static_cast<std::uint64_t>(r) + 1));
        const EstimatorOptions options{Estimator::non_reversible, {}};
        const double a = probability(estimate_kernel(counts, basis, options), 0, 1, here);
        const double b =
            probability(estimate_kernel(pool_counts(counts, translations), basis, options), 0, 1, here);
        alone += std::pow(a - 0.02, 2) / repeats;
        together += std::pow(b - 0.02, 2) / repeats;
        mean += b / repeats;
    }
    const double variance = 0.02 * 0.98 / n, four_errors = 4 * std::sqrt(2.0 / repeats);
    CHECK(std::abs(mean - 0.02) < 4 * std::sqrt(variance / 8 / repeats));
    CHECK(std::abs(alone / variance - 1) < four_errors * 1.3); // of a count of 4: kurtosis 3 + 1/4
    CHECK(std::abs(together / (variance / 8) - 1) < four_errors * 1.1);
}

TEST_CASE("hops behind D are counted in all places that share their counts", "[msm][pooling]") {
    SiteBasis named = simple_cubic().basis;
    named.orbit = {0};
    named.name = {"Li1.1"};
    const std::vector<CountMap> blocks{
        {{{0, 0, here}, 1000}, {{0, 0, IVec3(1, 0, 0)}, 60}, {{0, 0, IVec3(0, 0, -1)}, 20}}};
    const TransitionCounts raw = counts_of(1, blocks);
    const TransitionCounts pooled = pool_counts(raw, site_symmetry(named, {}, {}, 0.01));
    const Kernel a = estimate_kernel(raw, named, {}), b = estimate_kernel(pooled, named, {});
    CHECK(hops_behind(a, exact_transport(a), raw)[0] == Approx(60.0 / 2));
    CHECK(hops_behind(a, exact_transport(a), raw)[1] == 0.0);
    const Vec3 hops = hops_behind(b, exact_transport(b), pooled);
    for (int axis = 0; axis < 3; ++axis) CHECK(hops[axis] == Approx(80.0 / 2));
}

TEST_CASE("pooling refuses operations of another crystal and operations that form no group",
          "[msm][pooling]") {
    const SiteBasis basis = mirrored_pair();
    const TransitionCounts counts = counts_of(2, {{{{0, 0, IVec3(1, 2, 0)}, 1}, {{1, 1, here}, 1}}});
    SiteOperation third; // without the identity and its square
    third.rotation << 0, 0, 1, 1, 0, 0, 0, 1, 0;
    third.image = {0, 1};
    third.cell.assign(2, here);
    CHECK_THROWS_AS(pool_counts(counts, std::vector{third}), DataError);
    third.image = {0};
    CHECK_THROWS_AS(pool_counts(counts, std::vector{third}), DataError);
    TransitionCounts damaged = pool_counts(counts, site_symmetry(basis, {}, {}, 0.01));
    damaged.pool.pop_back();
    CHECK_THROWS_AS(damaged.weighted({}), DataError);
}
