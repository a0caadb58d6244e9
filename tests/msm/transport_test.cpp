#include <map>
#include <tuple>

#include <Eigen/Dense>

#include "mesolith/core/error.hpp"
#include "mesolith/msm/estimate_kernel.hpp"
#include "mesolith/msm/generator.hpp"
#include "mesolith/msm/transport.hpp"

#include "support/catch.hpp"
#include "support/cells.hpp"
#include "support/kernels.hpp"
#include "support/synthetic.hpp"

using namespace mesolith;
using namespace mesolith::test;

namespace {

/// MSD tensor by following the probability of every (start, site, cell): no formula, only the kernel.
Mat3 brute_force_msd(const Kernel& kernel, int steps) {
    Mat3 msd = Mat3::Zero();
    for (std::size_t start = 0; start < kernel.n_sites(); ++start) {
        using Key = std::tuple<int, int, int, int>;
        std::map<Key, double> p{{Key{static_cast<int>(start), 0, 0, 0}, kernel.stationary[start]}};
        for (int n = 0; n < steps; ++n) {
            std::map<Key, double> next;
            for (const auto& [key, weight] : p) {
                const auto [j, x, y, z] = key;
                for (const KernelEntry& e : kernel.from(static_cast<std::size_t>(j)))
                    next[{e.to, x + e.R[0], y + e.R[1], z + e.R[2]}] += weight * e.p;
            }
            p = std::move(next);
        }
        for (const auto& [key, weight] : p) {
            const auto [i, x, y, z] = key;
            const Vec3 d = kernel.basis.displacement(start, static_cast<std::size_t>(i), IVec3(x, y, z));
            msd += weight * d * d.transpose();
        }
    }
    return msd;
}

/// The group-inverse form, dense: 2 tau D = b - v v^T + sym[a^T G c]. Independent of the corrector.
Mat3 group_inverse_diffusivity(const Kernel& k) {
    const auto n = static_cast<Eigen::Index>(k.n_sites());
    Eigen::MatrixXd P = Eigen::MatrixXd::Zero(n, n), a = Eigen::MatrixXd::Zero(n, 3),
                    c = Eigen::MatrixXd::Zero(n, 3);
    Mat3 b = Mat3::Zero();
    for (std::size_t j = 0; j < k.n_sites(); ++j)
        for (const KernelEntry& e : k.from(j)) {
            const Vec3 d = k.displacement(j, e);
            P(e.to, static_cast<Eigen::Index>(j)) += e.p;
            a.row(static_cast<Eigen::Index>(j)) += e.p * d.transpose();
            c.row(e.to) += e.p * k.stationary[j] * d.transpose();
            b += k.stationary[j] * e.p * d * d.transpose();
        }
    const Eigen::VectorXd pi = Eigen::Map<const Eigen::VectorXd>(k.stationary.data(), n);
    const Eigen::MatrixXd W = pi * Eigen::RowVectorXd::Ones(n);
    const Eigen::MatrixXd G = (Eigen::MatrixXd::Identity(n, n) - P + W).inverse() - W;
    const Vec3 v = c.colwise().sum().transpose();
    const Mat3 cross = a.transpose() * G * c;
    return (b - v * v.transpose() + cross + cross.transpose()) / (2 * k.lag_time);
}

} // namespace

TEST_CASE("fcc, simple cubic and the alternating chain have their closed-form diffusivities",
          "[msm][transport]") {
    const double a = 4, stay = 0.4;
    CHECK(test::relative_difference(exact_transport(fcc(a, stay, 2)).diffusivity,
                                    (1 - stay) * a * a / 24 * Mat3::Identity()) < 1e-14);
    CHECK(test::relative_difference(exact_transport(simple_cubic(3, 0.1, 0.5)).diffusivity,
                                    0.9 * 9 / 3 * Mat3::Identity()) < 1e-14);
    const Transport chain = exact_transport(alternating_chain(0.3, 0.05, 2, 3, 1));
    CHECK(chain.diffusivity(0, 0) == Approx(25 * 0.3 * 0.05 / (2 * 0.35)).epsilon(1e-14));
    CHECK(chain.diffusivity(1, 1) == 0.0);
    CHECK(chain.uncorrelated(0, 0) == Approx((0.3 * 4 + 0.05 * 9) / 2).epsilon(1e-14));
    CHECK(chain.correlation(0, 0) < 0);
}

TEST_CASE("the corrector form equals the group-inverse form with and without detailed balance",
          "[msm][transport]") {
    for (std::uint64_t seed = 1; seed <= 8; ++seed) {
        const Kernel reversible = random_reversible(11, seed), driven = random_nonreversible(9, seed);
        CHECK(test::relative_difference(exact_transport(reversible).diffusivity,
                                        group_inverse_diffusivity(reversible)) < 1e-11);
        const Transport t = exact_transport(driven);
        CHECK(test::relative_difference(t.diffusivity, group_inverse_diffusivity(driven)) < 1e-11);
        CHECK(t.drift.norm() > 0);
        CHECK(exact_transport(reversible).drift.norm() < 1e-14);
        CHECK(test::relative_difference(t.uncorrelated + t.correlation, t.diffusivity) < 1e-14);
    }
}

TEST_CASE("the exact MSD equals that of all paths", "[msm][transport]") {
    const std::vector<std::int64_t> steps{0, 1, 2, 3, 5};
    for (const Kernel& k : {random_reversible(3, 5, 6), random_nonreversible(3, 8), fcc()}) {
        const auto msd = exact_msd(k, steps);
        CHECK(msd[0].norm() == 0.0);
        for (std::size_t s = 1; s < steps.size(); ++s)
            CHECK((msd[s] - brute_force_msd(k, static_cast<int>(steps[s]))).norm() < 1e-12 * msd[s].norm());
    }
}

TEST_CASE("squaring and stepping give the same MSD, and its slope tends to 2 D", "[msm][transport]") {
    const Kernel k = random_reversible(8, 3);
    std::vector<std::int64_t> every;
    for (std::int64_t n = 1; n <= 700; ++n) every.push_back(n);
    const auto stepped = exact_msd(k, every);
    const auto jumped = exact_msd(k, {699, 700});
    CHECK(test::relative_difference(jumped[0], stepped[698]) < 1e-12);
    const Mat3 slope = (jumped[1] - jumped[0]) / (2 * k.lag_time);
    CHECK(test::relative_difference(slope, exact_transport(k).diffusivity) < 1e-9);
    const auto far = exact_msd(k, {1000000000, 2000000000});
    CHECK(test::relative_difference((far[1] - far[0]) / (2e9 * k.lag_time), exact_transport(k).diffusivity) <
          1e-9);
}

TEST_CASE("the MSD in continuous time is that of the exponential of the rates", "[msm][transport]") {
    for (const Kernel& k : {random_reversible(4, 5, 6), random_nonreversible(3, 8)}) {
        const std::vector<std::int64_t> steps{0, 1, 3, 12};
        const auto msd = exact_msd_in_continuous_time(k, steps);
        CHECK(msd[0].norm() == 0.0);
        const Generator rates = generator_from_kernel(k);
        for (std::size_t s = 1; s < steps.size(); ++s) {
            const double time = static_cast<double>(steps[s]) * k.lag_time;
            const Kernel after = exponential_kernel(rates, time, {1e-20}).kernel; // its MSD after one step
            CHECK(test::relative_difference(msd[s], exact_msd(after, {1})[0]) < 1e-9);
        }
        const auto both = exact_msd_in_continuous_time(k, {1000, 1001, 1002}); // the sum, then its limit
        const Vec3 v = exact_transport(k).drift * k.lag_time; // n^2 v v^T + n (...) + constant
        CHECK((both[2] - 2 * both[1] + both[0] - 2 * v * v.transpose()).norm() < 1e-9 * both[0].norm());
    }
    CHECK_THROWS_AS(exact_msd_in_continuous_time(fcc(), {5, -1}), DataError);
}

TEST_CASE("a driven kernel's MSD grows with the square of its drift", "[msm][transport]") {
    const Kernel k = random_nonreversible(6, 4);
    const Transport t = exact_transport(k);
    const auto msd = exact_msd(k, {1000000, 2000000}); // n^2 v v^T + n 2 tau D + constant
    const Mat3 squared = (msd[1] - 2 * msd[0]) / (2e12 * k.lag_time * k.lag_time);
    CHECK(test::relative_difference(squared, t.drift * t.drift.transpose()) < 1e-8);
}

TEST_CASE("kernels of 450 sites equal the dense formula by either elimination", "[msm][transport]") {
    const Kernel large = random_reversible(450, 2, 8);
    const Mat3 reference = group_inverse_diffusivity(large);
    CHECK(test::relative_difference(exact_transport(large).diffusivity, reference) < 1e-9);
    Kernel not_marked = large; // the same numbers through the one for kernels without detailed balance
    not_marked.reversible = false;
    CHECK(test::relative_difference(exact_transport(not_marked).diffusivity, reference) < 1e-9);
    const auto stepped = exact_msd(large, {3});
    CHECK((stepped[0] / 3 - exact_msd(large, {1})[0]).norm() < stepped[0].norm());
}

TEST_CASE("more than 3000 sites, by conjugate gradients or sparse LU, have the D of their primitive cell",
          "[msm][transport]") {
    for (const Kernel& small : {random_reversible(5, 6), random_nonreversible(5, 6)}) {
        constexpr int cells = 620; // along the third axis: 3100 sites
        Kernel large = small;
        Mat3 A = small.basis.cell.vectors();
        A.row(2) *= cells;
        large.basis = {};
        large.basis.cell = Cell(A);
        large.stationary.clear();
        large.entries.clear();
        large.column = {0};
        for (int c = 0; c < cells; ++c)
            for (std::size_t j = 0; j < 5; ++j) {
                large.basis.positions.push_back(small.basis.positions[j] +
                                                c * small.basis.cell.vectors().row(2).transpose());
                large.basis.orbit.push_back(0);
                large.basis.name.push_back("Li1.1");
                large.stationary.push_back(small.stationary[j] / cells);
                for (KernelEntry e : small.from(j)) {
                    const int z = c + e.R[2], wrapped = (z + cells) % cells;
                    e.R[2] = (z - wrapped) / cells;
                    e.to += 5 * wrapped;
                    large.entries.push_back(e);
                }
                large.column.push_back(large.entries.size());
            }
        const Transport t = exact_transport(large), primitive = exact_transport(small);
        CHECK(test::relative_difference(t.diffusivity, primitive.diffusivity) < 1e-9);
        CHECK((t.drift - primitive.drift).norm() <= 1e-10 * primitive.drift.norm());
    }
}

TEST_CASE("two crystals that never exchange give the average of their diffusivities by weight",
          "[msm][transport][classes]") {
    Kernel a = random_reversible(4, 1), b = random_reversible(5, 2);
    Kernel both = a;
    const auto shift = static_cast<std::int32_t>(a.n_sites());
    for (double& p : both.stationary) p *= 0.3;
    for (std::size_t j = 0; j < b.n_sites(); ++j) {
        for (KernelEntry e : b.from(j)) {
            e.to += shift;
            both.entries.push_back(e);
        }
        both.column.push_back(both.entries.size());
        both.stationary.push_back(0.7 * b.stationary[j]);
        both.basis.positions.push_back(b.basis.positions[j]);
    }
    both.basis.orbit.assign(9, 0);
    both.basis.name.assign(9, "x");
    check_kernel(both);
    const ClassStructure classes = closed_classes(both);
    REQUIRE(classes.classes.size() == 2);
    CHECK(classes.classes[0].weight == Approx(0.7));
    const Mat3 Da = exact_transport(a).diffusivity, Db = exact_transport(b).diffusivity;
    const Transport t = exact_transport(both, classes);
    CHECK(test::relative_difference(t.diffusivity, 0.3 * Da + 0.7 * Db) < 1e-12);
    CHECK(test::relative_difference(t.classes[1].diffusivity, Da) < 1e-12);
    const auto msd = exact_msd(both, {4})[0];
    CHECK(test::relative_difference(msd, 0.3 * exact_msd(a, {4})[0] + 0.7 * exact_msd(b, {4})[0]) < 1e-13);
}

TEST_CASE("hops behind D of one kind of hop are the hops that were seen", "[msm][transport]") {
    TransitionCounts counts;
    counts.lag_frames = 4;
    counts.frame_interval = 1;
    counts.n_sites = 1;
    counts.transitions = {{0, 0, IVec3(-1, 0, 0)}, {0, 0, IVec3::Zero()}, {0, 0, IVec3(1, 0, 0)}};
    counts.total = {30, 1000, 50};
    counts.block_offsets = {0, 3};
    counts.block_transition = {0, 1, 2};
    counts.block_count = counts.total;
    counts.index_reverses();
    SiteBasis basis = simple_cubic().basis;
    const Kernel k = estimate_kernel(counts, basis, {});
    const Vec3 hops = hops_behind(k, exact_transport(k), counts);
    CHECK(hops[0] == Approx(80.0 / 4));
    CHECK(hops[1] == 0.0);
}

TEST_CASE("hops behind a chain of two bonds are those of the bottleneck", "[msm][transport]") {
    TransitionCounts counts;
    counts.lag_frames = 1;
    counts.frame_interval = 1;
    counts.n_sites = 2;
    const IVec3 zero = IVec3::Zero(), x = IVec3::UnitX();
    counts.transitions = {{0, 0, zero}, {0, 1, -x}, {0, 1, zero}, {1, 0, zero}, {1, 0, x}, {1, 1, zero}};
    counts.total = {1000000, 10, 100000, 100000, 10, 1000000};
    counts.block_offsets = {0, 6};
    counts.block_transition = {0, 1, 2, 3, 4, 5};
    counts.block_count = counts.total;
    counts.index_reverses();
    const Kernel k = estimate_kernel(counts, alternating_chain().basis, {});
    CHECK(hops_behind(k, exact_transport(k), counts)[0] == Approx(20).epsilon(1e-3));
}

TEST_CASE("an MSD at descending or negative steps is refused", "[msm][transport]") {
    CHECK_THROWS_AS(exact_msd(fcc(), {3, 1}), DataError);
    CHECK_THROWS_AS(exact_msd(fcc(), {-1}), DataError);
}
