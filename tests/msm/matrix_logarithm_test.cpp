#include <cmath>

#include "mesolith/core/error.hpp"
#include "mesolith/core/parallel.hpp"
#include "mesolith/msm/matrix_logarithm.hpp"

#include "support/catch.hpp"
#include "support/cells.hpp"
#include "support/kernels.hpp"
#include "support/synthetic.hpp"

using namespace mesolith;
using namespace mesolith::test;

namespace {

using test::cells::x;

/// One site that moves by one cell with probability p each way.
Kernel lazy_walk(double p, double lag_time = 1) {
    Kernel kernel =
        kernel_from_flows(simple_cubic().basis, {1.0}, {{{0, 0, x}, p}, {{0, 0, -x}, p}}, lag_time);
    kernel.reversible = true;
    return kernel;
}

} // namespace

TEST_CASE("the logarithm of exp(K tau) gives K back, with and without detailed balance", "[msm][logarithm]") {
    for (const Generator& exact : {generator_from_kernel(random_reversible(3, 2, 6)),
                                   generator_from_kernel(random_nonreversible(2, 3))}) {
        LogarithmOptions options;
        options.max_tail = 1e-6;
        const LogarithmResult log = matrix_logarithm(exponential_kernel(exact, 0.2).kernel, options);
        REQUIRE(log.accepted);
        CHECK(log.negative_weight < 1e-6);
        CHECK(log.eigenvalue_noise == 0.0);
        CHECK(test::relative_difference(log.diffusivity, exact_transport(exact).diffusivity) < 1e-4);
        const Generator& found = *log.generator;
        CHECK(found.reversible == exact.reversible);
        for (std::size_t j = 0; j < exact.n_sites(); ++j) {
            CHECK(found.exit[j] == Approx(exact.exit[j]).epsilon(1e-5));
            for (const GeneratorEntry& e : exact.from(j)) {
                double rate = 0;
                for (const GeneratorEntry& f : found.from(j))
                    if (f.to == e.to && f.R == e.R) rate = f.rate;
                CHECK(std::abs(rate - e.rate) < 1e-6 * exact.fastest_exit());
            }
        }
    }
}

TEST_CASE("the logarithm of a lazy walk has the rates of its Fourier series", "[msm][logarithm]") {
    // 1 - 2p + 2p cos q = A |1 + r exp(iq)|^2, so that K(+-m) = (-1)^(m+1) r^m / (m tau).
    const double p = 0.1, s = 1 - 2 * p, tau = 2;
    const double r = (s - std::sqrt(s * s - 4 * p * p)) / (2 * p);
    LogarithmOptions options;
    options.max_negative_weight = 0.2;
    const LogarithmResult log = matrix_logarithm(lazy_walk(p, tau), options);
    REQUIRE(log.accepted);
    CHECK(log.negative_weight == Approx(-std::log(1 - r * r) / 2 / std::atanh(r)).epsilon(1e-6));
    CHECK(log.smallest_eigenvalue.real() == Approx(1 - 4 * p).epsilon(1e-13));
    double rates[4] = {0, 0, 0, 0};
    for (const GeneratorEntry& e : log.generator->from(0))
        if (e.R[0] >= 0 && e.R[0] < 4) rates[e.R[0]] = e.rate;
    CHECK(rates[1] == Approx(r / tau).epsilon(1e-7));
    CHECK(rates[2] == 0.0); // clipped
    CHECK(rates[3] == Approx(r * r * r / 3 / tau).epsilon(1e-6));
    CHECK(log.grid[0] > 8); // it had to grow
    CHECK(log.grid[1] == 1);
    CHECK(log.tail <= options.max_tail);
}

TEST_CASE("negative rates refuse the logarithm but D of the clipped one is told", "[msm][logarithm]") {
    const LogarithmResult log = matrix_logarithm(lazy_walk(0.1));
    CHECK_FALSE(log.accepted);
    CHECK_FALSE(log.generator.has_value());
    CHECK(log.reason.find("Refused: negative rates weigh") == 0);
    CHECK(log.diffusivity(0, 0) > 0.1 * 9); // the unclipped one has D of the walk
}

TEST_CASE("an eigenvalue that no rate matrix has refuses the logarithm", "[msm][logarithm]") {
    const LogarithmResult negative = matrix_logarithm(lazy_walk(0.3)); // 1 - 4 p < 0
    CHECK_FALSE(negative.accepted);
    CHECK(negative.reason.find("is not positive") != std::string::npos);
    CHECK(std::isnan(negative.diffusivity(0, 0)));
    CHECK(std::isnan(negative.negative_weight));
    Kernel biased = kernel_from_flows(simple_cubic().basis, {1.0}, {{{0, 0, x}, 0.9}}, 1); // turns by pi
    CHECK_FALSE(matrix_logarithm(biased).accepted);
}

TEST_CASE("an eigenvalue within its noise refuses the logarithm", "[msm][logarithm]") {
    LogarithmOptions options;
    options.max_negative_weight = 1;
    options.eigenvalue_noise = 0.19; // the smallest eigenvalue is 0.6
    CHECK(matrix_logarithm(lazy_walk(0.1), options).accepted);
    options.eigenvalue_noise = 0.21;
    const LogarithmResult log = matrix_logarithm(lazy_walk(0.1), options);
    CHECK_FALSE(log.accepted);
    CHECK(log.reason.find("does not stand above its sampling noise of 0.21") != std::string::npos);
    options.eigenvalue_noise = 0;
    options.windows = {30};
    CHECK_FALSE(matrix_logarithm(lazy_walk(0.1), {.windows = {9}}).accepted);
    CHECK_THROWS_AS(matrix_logarithm(lazy_walk(0.1), {.windows = {9, 9}}), DataError);
}

TEST_CASE("the noise of an eigenvalue is its scatter between samples", "[msm][logarithm]") {
    // Two sites, M = (1 - a, b; a, 1 - b): the second eigenvalue is 1 - a - b, its variance known exactly.
    const double a = 0.2, b = 0.3, n0 = 500, n1 = 300;
    Kernel kernel = kernel_from_flows(
        alternating_chain().basis, {b / (a + b), a / (a + b)},
        {{{0, 1, IVec3::Zero()}, a * b / (a + b)}, {{1, 0, IVec3::Zero()}, a * b / (a + b)}}, 1);
    const double exact = std::sqrt(a * (1 - a) / n0 + b * (1 - b) / n1);
    for (const bool reversible : {true, false}) {
        kernel.reversible = reversible;
        CHECK(matrix_logarithm(kernel, {.windows = {n0, n1}}).eigenvalue_noise ==
              Approx(exact).epsilon(1e-10));
    }
    // Drawn: the standard deviation of 4000 samples has an error of 1 / sqrt(8000).
    std::vector<double> samples;
    for (std::uint64_t s = 0; s < 4000; ++s) {
        Stream random(5, RngUse::test, s, 0);
        int left = 0, right = 0;
        for (int w = 0; w < static_cast<int>(n0); ++w) left += uniform01(random) < a;
        for (int w = 0; w < static_cast<int>(n1); ++w) right += uniform01(random) < b;
        samples.push_back(1 - left / n0 - right / n1);
    }
    CHECK(std::abs(standard_deviation(samples) / exact - 1) < 4 / std::sqrt(8000.0));
}

TEST_CASE("sites that nobody visits have no rates, the others keep theirs", "[msm][logarithm]") {
    const Generator exact = generator_from_kernel(alternating_chain(0.1, 0.02));
    Kernel kernel = exponential_kernel(exact, 1).kernel;
    kernel.basis.positions.emplace_back(1, 1, 1);
    kernel.basis.orbit.push_back(1);
    kernel.basis.name.emplace_back("empty");
    kernel.entries.push_back({2, IVec3::Zero(), 1.0});
    kernel.column.push_back(kernel.entries.size());
    kernel.stationary.push_back(0.0);
    const LogarithmResult log = matrix_logarithm(kernel);
    REQUIRE(log.accepted);
    CHECK(log.generator->exit[2] == 0.0);
    CHECK(log.generator->exit[0] == Approx(exact.exit[0]).epsilon(1e-6));
}

TEST_CASE("a grid that does not fit into the memory refuses the logarithm", "[msm][logarithm]") {
    LogarithmOptions options;
    options.max_memory = 300;
    const LogarithmResult log = matrix_logarithm(lazy_walk(0.1), options);
    CHECK_FALSE(log.accepted);
    CHECK(log.reason.find("have not decayed within") != std::string::npos);
}

TEST_CASE("the logarithm has the same bits with one and two threads", "[msm][logarithm][parallel]") {
    const Kernel kernel = exponential_kernel(generator_from_kernel(random_reversible(3, 2, 8)), 1).kernel;
    std::vector<double> rates[2];
    for (int n : {1, 2})
        with_threads(n, [&] {
            const LogarithmResult log = matrix_logarithm(kernel, {.max_tail = 1e-4});
            for (const GeneratorEntry& e : log.generator.value().entries) rates[n - 1].push_back(e.rate);
        });
    CHECK(rates[0] == rates[1]);
}
