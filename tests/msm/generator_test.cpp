#include <cmath>
#include <limits>
#include <numbers>

#include <Eigen/Dense>

#include "mesolith/core/error.hpp"
#include "mesolith/core/parallel.hpp"
#include "mesolith/msm/generator.hpp"
#include "mesolith/msm/spectrum.hpp"

#include "support/catch.hpp"
#include "support/cells.hpp"
#include "support/contains_text.hpp"
#include "support/counts.hpp"
#include "support/kernels.hpp"

using namespace mesolith;
using namespace mesolith::test;

namespace {

using test::cells::here;
using test::cells::x;

/// One site, hops by one cell of length a along x at these rates.
Generator drifting_walk(double forward, double backward, double a = 2) {
    SiteBasis basis = simple_cubic(a).basis;
    return make_generator(basis, {{{0, 0, x}, forward}, {{0, 0, -x}, backward}});
}

/// alternating_chain() in continuous time: D_xx = (l1 + l2)^2 k1 k2 / (2 (k1 + k2)).
Generator chain(double k1, double k2) {
    return make_generator(alternating_chain().basis,
                          {{{0, 1, here}, k1}, {{1, 0, here}, k1}, {{1, 0, x}, k2}, {{0, 1, -x}, k2}});
}

} // namespace

TEST_CASE("the rate matrix of a kernel and back keep its stationary distribution and D", "[msm][generator]") {
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
        const Kernel kernel = random_reversible(9, seed);
        const Generator generator = generator_from_kernel(kernel);
        const Mat3 D = exact_transport(kernel).diffusivity;
        CHECK(test::relative_difference(exact_transport(generator).diffusivity, D) < 1e-12);
        for (const double lag : {1e-3, 1e9}) {
            const Kernel steps = kernel_from_generator(generator, lag);
            CHECK_NOTHROW(check_kernel(steps));
            CHECK(steps.lag_time <= std::min(lag, 0.5 / generator.fastest_exit()));
            CHECK(steps.stationary == kernel.stationary);
            CHECK(has_detailed_balance(steps, 1e-14));
            CHECK(test::relative_difference(exact_transport(steps).diffusivity, D) < 1e-11);
        }
    }
}

TEST_CASE("D of a driven generator exceeds that of the kernel it came from by half the square of a step",
          "[msm][generator]") {
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
        const Kernel kernel = random_nonreversible(7, seed);
        const Generator generator = generator_from_kernel(kernel);
        const Transport discrete = exact_transport(kernel), continuous = exact_transport(generator);
        const Mat3 square = discrete.drift * discrete.drift.transpose() * kernel.lag_time / 2;
        CHECK(test::relative_difference(continuous.diffusivity, discrete.diffusivity + square) < 1e-11);
        CHECK((continuous.drift - discrete.drift).norm() < 1e-12 * discrete.drift.norm());
        CHECK(test::relative_difference(continuous.uncorrelated + continuous.correlation,
                                        continuous.diffusivity) < 1e-13);
        Mat3 from_entries = Mat3::Zero();
        std::size_t e = 0;
        for (std::size_t j = 0; j < generator.n_sites(); ++j)
            for (const GeneratorEntry& entry : generator.from(j)) {
                const Vec3& u = continuous.corrected[e++];
                from_entries += generator.stationary[j] * entry.rate * u * u.transpose() / 2;
            }
        CHECK(test::relative_difference(from_entries, continuous.diffusivity) < 1e-11);
    }
}

TEST_CASE("a biased walk in continuous time has its closed-form drift and D", "[msm][generator]") {
    const Generator generator = drifting_walk(0.7, 0.2, 2);
    CHECK_FALSE(generator.reversible);
    const Transport t = exact_transport(generator);
    CHECK(t.drift[0] == Approx(0.5 * 2).epsilon(1e-14));
    CHECK(t.diffusivity(0, 0) == Approx(0.9 * 4 / 2).epsilon(1e-14));
    CHECK(t.uncorrelated(0, 0) == Approx(0.9 * 4 / 2).epsilon(1e-14));
    CHECK(t.diffusivity(1, 1) == 0.0);
    CHECK(exact_transport(drifting_walk(0.3, 0.3)).drift.norm() == 0.0);
}

TEST_CASE("the exponential of a walk's generator are Bessel functions", "[msm][generator]") {
    for (const double kt : {0.02, 0.8, 6.0}) {
        const LatticeExponential e = exponential_kernel(drifting_walk(0.1, 0.1), kt / 0.1);
        CHECK_NOTHROW(check_kernel(e.kernel));
        for (int R = -8; R <= 8; ++R) {
            const double exact = std::exp(-2 * kt) * std::cyl_bessel_i(std::abs(R), 2 * kt);
            if (exact < 1e-11) continue;
            CHECK(probability(e.kernel, 0, 0, R * x) == Approx(exact).epsilon(1e-10));
        }
        CHECK(e.truncated < 1e-9);
    }
}

TEST_CASE("exp(K tau) applied twice is exp(2 K tau) at every wave vector", "[msm][generator]") {
    for (const Generator& generator : {generator_from_kernel(random_reversible(3, 2, 6)),
                                       generator_from_kernel(random_nonreversible(2, 3))}) {
        const Kernel one = exponential_kernel(generator, 0.5).kernel,
                     two = exponential_kernel(generator, 1).kernel;
        for (const Vec3& kappa : {Vec3(0, 0, 0), Vec3(0.31, -0.2, 0.07), Vec3(0.5, 0.5, 0)}) {
            const Eigen::MatrixXcd m = bloch_matrix(one, kappa);
            CHECK((m * m - bloch_matrix(two, kappa)).norm() < 1e-8);
        }
        CHECK(has_detailed_balance(two, 1e-12) == generator.reversible);
    }
}

TEST_CASE("D of exp(K tau) is that of K at any lag, also with drift", "[msm][generator]") {
    ExponentialOptions options;
    options.truncation = 1e-17;
    for (const Generator& generator :
         {generator_from_kernel(random_reversible(2, 5, 6)),
          generator_from_kernel(random_nonreversible(2, 6)), drifting_walk(0.7, 0.2)}) {
        const Transport exact = exact_transport(generator);
        for (const double lag : {0.1, 0.8}) {
            const Transport t = exact_transport(exponential_kernel(generator, lag, options).kernel);
            CHECK(test::relative_difference(t.diffusivity, exact.diffusivity) < 1e-10);
            CHECK((t.drift - exact.drift).norm() < 1e-12);
        }
    }
}

TEST_CASE("hops that are rarer by 13 decades keep their digits in exp(K tau)", "[msm][generator]") {
    const double k1 = 1, k2 = 1e-13;
    const Kernel kernel = exponential_kernel(chain(k1, k2), 2).kernel;
    CHECK(exact_transport(kernel).diffusivity(0, 0) == Approx(25 * k1 * k2 / (2 * (k1 + k2))).epsilon(1e-5));
}

TEST_CASE("exp(K tau) has the same bits with one and two threads", "[msm][generator][parallel]") {
    const Generator generator = generator_from_kernel(random_reversible(3, 9, 6));
    std::vector<double> p[2];
    for (int n : {1, 2})
        with_threads(n, [&] {
            for (const KernelEntry& e : exponential_kernel(generator, 1).kernel.entries)
                p[n - 1].push_back(e.p);
        });
    CHECK(p[0] == p[1]);
}

TEST_CASE("the eigenvalues of a chain's and a biased walk's rates are those of the closed form",
          "[msm][generator]") {
    const double k1 = 0.3, k2 = 0.05, kappa = 0.2;
    const auto chain_values = generator_spectrum(chain(k1, k2), kappa * Vec3::UnitX());
    const double split = std::abs(k1 + k2 * std::polar(1.0, 2 * std::numbers::pi * kappa));
    REQUIRE(chain_values.size() == 2);
    CHECK(chain_values[0].real() == Approx(-(k1 + k2) + split).epsilon(1e-13));
    CHECK(chain_values[1].real() == Approx(-(k1 + k2) - split).epsilon(1e-13));
    CHECK(std::abs(generator_spectrum(chain(k1, k2))[0]) < 1e-15);
    const auto walk_value = generator_spectrum(drifting_walk(0.7, 0.2), kappa * Vec3::UnitX())[0];
    const std::complex<double> turn = std::polar(1.0, -2 * std::numbers::pi * kappa);
    CHECK(std::abs(walk_value - (0.7 * (turn - 1.0) + 0.2 * (std::conj(turn) - 1.0))) < 1e-15);
}

TEST_CASE("the stationary distribution is found without being told", "[msm][generator]") {
    for (std::uint64_t seed = 1; seed <= 4; ++seed)
        for (Kernel kernel : {random_reversible(8, seed), random_nonreversible(8, seed)}) {
            const std::vector<double> known = kernel.stationary;
            kernel.stationary.assign(8, 0.0);
            const std::vector<double> found = find_stationary(kernel);
            for (std::size_t j = 0; j < 8; ++j) CHECK(found[j] == Approx(known[j]).epsilon(1e-12));
        }
    // Two islands: each keeps the ions that start on it.
    Generator islands =
        make_generator(random_reversible(3, 1).basis,
                       {{{0, 1, here}, 3}, {{1, 0, here}, 1}, {{2, 2, x}, 1}, {{2, 2, -x}, 1}});
    CHECK(islands.stationary[0] == Approx(2.0 / 3 / 4));
    CHECK(islands.stationary[2] == Approx(1.0 / 3));
    CHECK(islands.reversible);
}

TEST_CASE("detailed balance is seen and missed where it is", "[msm][generator]") {
    CHECK(has_detailed_balance(random_reversible(8, 1), 1e-12));
    CHECK_FALSE(has_detailed_balance(random_nonreversible(8, 1)));
    Kernel one_way = random_reversible(8, 1);
    one_way.entries[one_way.column[3]].p *= 1 + 1e-6;
    CHECK_FALSE(has_detailed_balance(one_way));
}

TEST_CASE("a generator without hops stays where it is", "[msm][generator]") {
    const Generator still = make_generator(simple_cubic().basis, {});
    CHECK(exact_transport(still).diffusivity.norm() == 0.0);
    CHECK(exponential_kernel(still, 7).kernel.from(0).front().p == 1.0);
    CHECK(kernel_from_generator(still, 7).lag_time == 7.0);
}

TEST_CASE("rates that make no sense are refused by name", "[msm][generator]") {
    const SiteBasis basis = alternating_chain().basis;
    const double nan = std::numeric_limits<double>::quiet_NaN();
    CHECK_THROWS_WITH(make_generator(basis, {{{0, 2, here}, 1}}), contains_text("there are 2 sites"));
    CHECK_THROWS_WITH(make_generator(basis, {{{0, 1, here}, 1}, {{0, 1, here}, 2}}),
                      contains_text("site 0 to site 1") && contains_text("twice"));
    CHECK_THROWS_WITH(make_generator(basis, {{{1, 1, here}, 1}}), contains_text("goes nowhere"));
    CHECK_THROWS_AS(make_generator(basis, {{{0, 1, here}, -1}}), DataError);
    CHECK_THROWS_AS(make_generator(basis, {{{0, 1, here}, nan}}), DataError);
    CHECK_THROWS_AS(make_generator(basis, {}, {1.0}), DataError);
    CHECK_THROWS_AS(make_generator({}, {}), DataError);
    CHECK_THROWS_AS(kernel_from_generator(chain(1, 1), 0), DataError);
    CHECK_THROWS_AS(exponential_kernel(chain(1, 1), -1), DataError);
    ExponentialOptions small;
    small.max_entries = 100;
    CHECK_THROWS_WITH(exponential_kernel(generator_from_kernel(fcc(4, 0.1)), 100, small),
                      contains_text("more than 100 entries"));
}
