#include <cmath>
#include <limits>

#include "mesolith/core/error.hpp"
#include "mesolith/msm/time_blocks.hpp"

#include "support/catch.hpp"

using namespace mesolith;

TEST_CASE("blocks cover every frame once and none is shorter than half a block", "[msm][blocks]") {
    for (const std::int64_t n : {1, 7, 99, 100, 149, 151, 1000}) {
        const std::vector<std::int64_t> frames{n, 250};
        const auto blocks = cut_into_blocks(frames, 100);
        std::int64_t next = 0;
        for (const TimeBlock& b : blocks) {
            if (b.trajectory == 1) break;
            CHECK(b.begin == next);
            next = b.end;
            CHECK((b.end - b.begin >= 50 || n < 100));
        }
        CHECK(next == n);
        CHECK(blocks.back().end == 250);
    }
}

TEST_CASE("a block of no frames and an empty trajectory are refused", "[msm][blocks]") {
    const std::vector<std::int64_t> good{10}, empty{10, 0};
    CHECK_THROWS_AS(cut_into_blocks(good, 0), DataError);
    CHECK_THROWS_AS(cut_into_blocks(empty, 5), DataError);
}

TEST_CASE("bootstrap weights are exponential, of mean one, and a function of seed and sample",
          "[msm][blocks][random]") {
    const auto w = bootstrap_weights(20000, 5, 3);
    double sum = 0, squares = 0, below = 0;
    for (const double x : w) {
        CHECK(x > 0);
        sum += x;
        squares += x * x;
        below += x < std::log(2.0);
    }
    CHECK(sum == Approx(20000).epsilon(1e-12));
    CHECK(std::abs(squares / 20000 - 2) < 4 * std::sqrt(20.0 / 20000)); // variance of x^2 is 24 - 4 = 20
    CHECK(std::abs(below / 20000 - 0.5) < 4 * std::sqrt(0.25 / 20000)); // median ln 2
    CHECK(w == bootstrap_weights(20000, 5, 3));
    CHECK(w != bootstrap_weights(20000, 5, 4));
    CHECK(w != bootstrap_weights(20000, 6, 3));
}

TEST_CASE("the standard deviation leaves infinite samples out and is NaN without two finite ones",
          "[msm][blocks]") {
    const double inf = std::numeric_limits<double>::infinity();
    CHECK(standard_deviation(std::vector<double>{1, inf, 3}) == Approx(std::sqrt(2.0)));
    CHECK(std::isnan(standard_deviation(std::vector<double>{1, inf})));
}

TEST_CASE("resampled means of K blocks, scaled, have the standard error of a mean", "[msm][blocks][random]") {
    const std::vector<double> y{3, -1, 4, 1, -5, 9, 2};
    double mean = 0, square = 0;
    for (const double x : y) mean += x / 7;
    for (const double x : y) square += (x - mean) * (x - mean) / 6;
    std::vector<double> means;
    for (std::uint32_t b = 0; b < 20000; ++b) {
        const auto w = bootstrap_weights(7, 11, b);
        double m = 0;
        for (std::size_t k = 0; k < 7; ++k) m += w[k] * y[k] / 7;
        means.push_back(m);
    }
    const double exact = std::sqrt(square / 7), found = bootstrap_scale(7) * standard_deviation(means);
    CHECK(std::abs(found / exact - 1) < 4 / std::sqrt(2.0 * 20000) * 1.1); // nearly normal
    CHECK(std::isinf(bootstrap_scale(1)));
}

TEST_CASE("intervals from few blocks are wider than those of a normal distribution", "[msm][blocks]") {
    CHECK(interval_factor(0.5, 2) == Approx(1.0)); // one degree of freedom: tan(pi/4)
    CHECK(interval_factor(0.95, 11) == Approx(2.228139).epsilon(1e-6));
    CHECK(interval_factor(0.95, 100000) == Approx(1.959964).epsilon(1e-4));
    CHECK_THROWS_AS(interval_factor(0.95, 1), DataError);
    CHECK_THROWS_AS(interval_factor(1, 10), DataError);
}
