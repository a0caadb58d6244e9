#include <cmath>
#include <limits>
#include <random>

#include "mesolith/core/error.hpp"
#include "mesolith/msm/block_length.hpp"

#include "support/catch.hpp"

using namespace mesolith;

namespace {

/// x_t = a x_{t-1} + noise: rho(t) = a^t, tau = (1 + a) / (2 (1 - a)).
std::vector<double> autoregressive(double a, std::size_t n, unsigned seed) {
    std::mt19937_64 random(seed);
    std::normal_distribution<double> noise;
    std::vector<double> x(n);
    x[0] = noise(random) / std::sqrt(1 - a * a);
    for (std::size_t t = 1; t < n; ++t) x[t] = a * x[t - 1] + noise(random);
    return x;
}

} // namespace

TEST_CASE("the correlation time of an autoregressive series is the exact one", "[msm][blocks][random]") {
    for (const double a : {0.0, 0.5, 0.9}) {
        const double exact = (1 + a) / (2 * (1 - a));
        std::vector<double> found;
        for (unsigned r = 0; r < 40; ++r)
            found.push_back(
                correlation_time({autoregressive(a, 4000, r), autoregressive(a, 4000, 1000 + r)}));
        double mean = 0, square = 0;
        for (const double t : found) mean += t / 40;
        for (const double t : found) square += (t - mean) * (t - mean) / 39;
        // the window cuts off exp(-6) of the sum; a negative sum is lifted to 1/2
        CHECK(std::abs(mean - exact) < 4 * std::sqrt(square / 40) + 0.01 * exact + 0.01);
    }
}

TEST_CASE("stretches are not joined: a step between two of them is not a correlation", "[msm][blocks]") {
    const std::vector<double> alternating{1, -1, 1, -1, 1, -1};
    CHECK(correlation_time({alternating, alternating}) == 0.5);
    CHECK(correlation_time({{3, 3, 3}, {3}}) == 0.5);
    CHECK(correlation_time({{7}}) == 0.5);
    // rho(1) of 0 0 1 1 with mean 1/2: (1/4 - 1/4 + 1/4) / 3 over 1/4 = 1/3; rho(2) = -1; rho(3) = -1
    CHECK(correlation_time({{0, 0, 1, 1}}) == 0.5);
    CHECK_THROWS_AS(correlation_time({}), DataError);
    CHECK_THROWS_AS(correlation_time({{1, std::numeric_limits<double>::quiet_NaN()}}), DataError);
}

TEST_CASE("the best block length minimises the mean square error of a variance", "[msm][blocks]") {
    const double tau = 7, total = 3000, best = best_block_length(tau, total);
    const auto error = [&](double b) { return tau * tau / (b * b) + 2 * b / total; };
    CHECK(error(best) < error(0.99 * best));
    CHECK(error(best) < error(1.01 * best));
}
