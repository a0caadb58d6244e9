#include <cmath>
#include <limits>
#include <random>

#include "mesolith/core/error.hpp"
#include "mesolith/pipeline/lag_selection.hpp"

#include "support/catch.hpp"

using namespace mesolith;

namespace {

/// Lags 1, 2, 4, ... with D_x, D_y, ln t of known means and errors; neighbouring lags share half of their
/// noise.
std::vector<LagQuantities> draw(const std::vector<double>& d_x, double error, std::mt19937_64& random) {
    std::normal_distribution<double> noise(0, error);
    const auto correlated = [&](std::size_t n) {
        std::vector<double> x(n);
        double last = 0;
        for (double& v : x) v = last = std::sqrt(0.5) * last + noise(random);
        return x;
    };
    std::vector<LagQuantities> lags(d_x.size());
    const std::vector<double> x = correlated(d_x.size()), y = correlated(d_x.size());
    for (std::size_t l = 0; l < lags.size(); ++l) {
        lags[l].lag_time = std::pow(2.0, static_cast<double>(l));
        lags[l].fewest_hops = 100;
        lags[l].value = {d_x[l] + x[l], 1 + y[l], std::numeric_limits<double>::quiet_NaN()};
        lags[l].sample.resize(200);
    }
    for (std::size_t b = 0; b < 200; ++b) {
        const std::vector<double> sx = correlated(d_x.size()), sy = correlated(d_x.size());
        for (std::size_t l = 0; l < lags.size(); ++l)
            lags[l].sample[b] = {lags[l].value[0] + sx[l], lags[l].value[1] + sy[l], 0.0};
    }
    return lags;
}

const std::vector<std::string> names{"D_xx", "D_yy", "ln t_1"};

} // namespace

TEST_CASE("when nothing depends on the lag the shortest is chosen in about 95 % of the data sets",
          "[pipeline][lags][random]") {
    std::mt19937_64 random(3);
    int shortest = 0, refused = 0;
    for (int r = 0; r < 400; ++r) {
        const LagSelection s = select_lag(draw({1, 1, 1, 1, 1}, 0.05, random), names, {});
        shortest += s.chosen == 0;
        refused += !s.plateau;
    }
    // level 0.05 at each of the four lags that are tested, strongly dependent: 380 - 4 sqrt(19) down to 4 x 5
    // %
    CHECK(shortest > 400 * 0.80 - 4 * 8);
    CHECK(shortest < 400 * 0.95 + 4 * 4.4);
    CHECK(refused < 400 * 0.05 + 4 * 4.4);
}

TEST_CASE("the lag is chosen at which a drift of D falls below its error", "[pipeline][lags][random]") {
    std::mt19937_64 random(5);
    int right = 0;
    for (int r = 0; r < 100; ++r) {
        const LagSelection s = select_lag(draw({2, 1.5, 1, 1, 1}, 0.03, random), names, {});
        right += s.plateau && s.chosen == 2;
        if (s.plateau && s.chosen == 2) {
            CHECK(s.reason.find("4 ps is the shortest lag") == 0);
            CHECK(s.reason.find("At 2 ps D_xx differs") != std::string::npos);
            CHECK(s.tests[2].resolution > 0.01);
            CHECK(s.tests[2].resolution < 0.15);
        }
    }
    CHECK(right >= 80);
}

TEST_CASE("without a plateau there is a refusal that says where D still moves", "[pipeline][lags]") {
    std::mt19937_64 random(7);
    const LagSelection s = select_lag(draw({3, 2.5, 2, 1.5, 1}, 0.02, random), names, {});
    CHECK_FALSE(s.plateau);
    CHECK(s.chosen == 4);
    CHECK(s.reason.find("No lag agrees with all longer ones: even at 8 ps D_xx") == 0);
}

TEST_CASE("lags with too few hops are neither chosen nor compared with", "[pipeline][lags]") {
    std::mt19937_64 random(9);
    auto lags = draw({1, 1, 1, 5, 9}, 0.01, random);
    lags[3].fewest_hops = lags[4].fewest_hops = 3;
    CHECK(select_lag(lags, names, {}).plateau);
    CHECK(select_lag(lags, names, {}).chosen <= 1);
    for (LagQuantities& l : lags) l.fewest_hops = 3;
    lags[1].fewest_hops = 50;
    LagSelection s = select_lag(lags, names, {});
    CHECK_FALSE(s.plateau);
    CHECK(s.chosen == 1);
    CHECK(s.reason.find("cannot be told") != std::string::npos);
    lags[1].fewest_hops = 0;
    s = select_lag(lags, names, {});
    CHECK_FALSE(s.plateau);
    CHECK(s.reason.find("too little data") != std::string::npos);
}

TEST_CASE("a lag whose model does not move as the trajectory does is too short", "[pipeline][lags]") {
    std::mt19937_64 random(11);
    auto lags = draw({1, 1, 1}, 0.02, random);
    std::normal_distribution<double> noise(0, 0.02);
    for (std::size_t l = 0; l < 3; ++l) {
        lags[l].residual = {l == 0 ? 0.2 : 0.01};
        for (std::size_t b = 0; b < 200; ++b)
            lags[l].residual_sample.push_back({lags[l].residual[0] + noise(random)});
    }
    std::vector<std::string> more = names;
    more.push_back("the growth of the MSD");
    const LagSelection s = select_lag(lags, more, {});
    CHECK(s.plateau);
    CHECK(s.chosen == 1);
    CHECK(s.reason.find("At 1 ps the growth of the MSD differs from that of the trajectory by") !=
          std::string::npos);
}

TEST_CASE("lags that do not fit together are refused", "[pipeline][lags]") {
    std::mt19937_64 random(1);
    auto lags = draw({1, 1}, 0.1, random);
    CHECK_THROWS_AS(select_lag({}, names, {}), DataError);
    CHECK_THROWS_AS(select_lag(lags, {"D"}, {}), DataError);
    std::swap(lags[0].lag_time, lags[1].lag_time);
    CHECK_THROWS_AS(select_lag(lags, names, {}), DataError);
}
