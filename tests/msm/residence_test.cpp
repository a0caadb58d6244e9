#include <cmath>

#include "mesolith/core/error.hpp"
#include "mesolith/core/random.hpp"
#include "mesolith/msm/residence.hpp"

#include "support/catch.hpp"
#include "support/cells.hpp"
#include "support/kernels.hpp"
#include "support/synthetic.hpp"

using namespace mesolith;
using namespace mesolith::test;

namespace {

using test::cells::here;

Stay stay(double time, bool left = true, bool entered = true) { return {0, SiteId{0}, time, entered, left}; }

/// Exponential stays of this mean, each cut off at a random time up to `cut` (0: never).
std::vector<Stay> draw_stays(std::size_t n, double mean, double cut, std::uint64_t seed) {
    std::vector<Stay> stays;
    for (std::size_t k = 0; k < n; ++k) {
        Stream random(seed, RngUse::test, k, 0);
        const double time = -mean * std::log1p(-uniform01(random)), end = cut * uniform01(random);
        stays.push_back(cut > 0 && end < time ? stay(end, false) : stay(time));
    }
    return stays;
}

} // namespace

TEST_CASE("stays are those read off by hand, gaps bridged and ends cut off", "[msm][residence]") {
    const SiteSet sites = tile(alternating_chain().basis, IVec3(2, 1, 1)); // 0 1 | 2 3 along x
    SiteTrajectory t;
    t.n_frames = 100;
    t.frame_interval = 0.5;
    t.events = {{0, SiteId::none(), here},  {4, SiteId{0}, here},  {10, SiteId::none(), here},
                {12, SiteId{0}, here},      {20, SiteId{3}, here}, {25, SiteId{3}, IVec3(1, 0, 0)},
                {60, SiteId::none(), here}, // ion 0
                {0, SiteId{2}, here}};      // ion 1
    t.offsets = {0, 7, 8};
    const std::vector<Stay> stays = list_stays(t, sites);
    REQUIRE(stays.size() == 4);
    CHECK(stays[0].time == 8.0); // 4 to 20, through the gap
    CHECK(stays[0].site == SiteId{0});
    CHECK_FALSE(stays[0].entered);
    CHECK(stays[0].left);
    CHECK(stays[1].time == 2.5);
    CHECK(stays[1].site == SiteId{1});
    CHECK((stays[1].entered && stays[1].left));
    CHECK(stays[2].time == 17.0); // 25 to 59, the last frame on a site
    CHECK((stays[2].entered && !stays[2].left));
    CHECK(stays[3].ion == 1);
    CHECK(stays[3].time == 49.5);
    CHECK((!stays[3].entered && !stays[3].left));
    t.events[1].site = SiteId{9};
    CHECK_THROWS_AS(list_stays(t, sites), DataError);
}

TEST_CASE("the survival curve of a textbook sample is Kaplan and Meier's", "[msm][residence]") {
    // Remission times of leukaemia patients under 6-MP (Freireich et al., Blood 21, 699 (1963)), + =
    // censored: 6 6 6 6+ 7 9+ 10 10+ 11+ 13 16 17+ 19+ 20+ 22 23 25+ 32+ 32+ 34+ 35+
    std::vector<Stay> stays;
    for (const double t : {6, 6, 6, 7, 10, 13, 16, 22, 23}) stays.push_back(stay(t));
    for (const double t : {6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35}) stays.push_back(stay(t, false));
    stays.push_back(stay(1, true, false)); // its beginning was not seen: not used
    const Survival s = kaplan_meier(stays);
    CHECK(s.time == std::vector<double>{6, 7, 10, 13, 16, 22, 23});
    CHECK(s.at_risk == std::vector<std::int64_t>{21, 17, 15, 12, 11, 7, 6});
    CHECK(s.ended == std::vector<std::int64_t>{3, 1, 1, 1, 1, 1, 1});
    const double value[] = {0.857, 0.807, 0.753, 0.690, 0.627, 0.538, 0.448},
                 error[] = {0.0764, 0.0869, 0.0963, 0.1068, 0.1141, 0.1282, 0.1346};
    for (std::size_t k = 0; k < 7; ++k) {
        CHECK(std::abs(s.value[k] - value[k]) < 6e-4);
        CHECK(std::abs(s.error[k] - error[k]) < 6e-5);
    }
    CHECK(s.at(5.9) == 1.0);
    CHECK(s.at(12) == s.value[2]);
    CHECK(s.quantile(0.5) == 23.0);
    CHECK(std::isnan(s.quantile(0.6)));
}

TEST_CASE("without censoring the survival curve is the share of longer stays", "[msm][residence]") {
    const std::vector<Stay> stays{stay(1), stay(2), stay(2), stay(5)};
    const Survival s = kaplan_meier(stays);
    CHECK(s.value == std::vector<double>{0.75, 0.25, 0.0});
    CHECK(s.error[0] == Approx(std::sqrt(0.75 * 0.25 / 4)));
    CHECK(s.error[1] == Approx(std::sqrt(0.25 * 0.75 / 4)));
    CHECK(s.error[2] == 0.0);
    CHECK(kaplan_meier({}).time.empty());
}

TEST_CASE("the mean stay is all time seen over the ends seen", "[msm][residence]") {
    std::vector<Stay> stays{stay(3), stay(5), stay(4, false), stay(2, true, false), stay(10, false, false)};
    stays.push_back({0, SiteId{1}, 7, true, false});
    const std::vector<std::int32_t> groups{0, 1};
    const auto r = residence_times(stays, groups, 0.1);
    REQUIRE(r.size() == 2);
    CHECK(r[0].mean == 8.0); // 24 ps, three ends
    CHECK(r[0].mean_error == Approx(8 / std::sqrt(3.0)));
    CHECK(r[0].stays == 5);
    CHECK(r[0].cut == 2);
    CHECK(r[1].ended == 0);
    CHECK(std::isinf(r[1].mean));
    CHECK(std::isnan(r[1].median));
    CHECK_FALSE(r[1].exponential);
    CHECK(r[1].sites == std::vector<std::int32_t>{1});
    const std::vector<std::int32_t> together{0, 0}, too_few{0};
    CHECK(residence_times(stays, together, 0.1)[0].stays == 6);
    CHECK_THROWS_AS(residence_times(stays, too_few, 0.1), DataError);
}

TEST_CASE("mean and survival of censored exponential stays lie within four standard errors",
          "[msm][residence]") {
    const double mean = 3;
    const auto stays = draw_stays(20000, mean, 5, 3); // about half are cut off
    const std::vector<std::int32_t> groups{0};
    const ResidenceTime r = residence_times(stays, groups, 1e-9)[0];
    CHECK(r.ended < 13000);
    CHECK(std::abs(r.mean - mean) < 4 * r.mean_error);
    for (const double t : {0.3, 1.0, 2.0, 4.0}) {
        const auto k = static_cast<std::size_t>(
            std::upper_bound(r.survival.time.begin(), r.survival.time.end(), t) - r.survival.time.begin());
        CHECK(std::abs(r.survival.at(t) - std::exp(-t / mean)) < 4 * r.survival.error[k - 1]);
    }
    CHECK(std::abs(r.median_ratio - 1) < 4 * 2 / std::sqrt(static_cast<double>(r.ended)));
}

TEST_CASE("one exponential sample in twenty is called something else", "[msm][residence]") {
    const std::vector<std::int32_t> groups{0};
    int rejected = 0;
    const int n = 2000;
    for (int s = 0; s < n; ++s)
        rejected +=
            !residence_times(draw_stays(100, 2, 0, static_cast<std::uint64_t>(1000 + s)), groups, 0)[0]
                 .exponential;
    CHECK(std::abs(rejected - 0.05 * n) < 4 * std::sqrt(0.05 * 0.95 * n));
}

TEST_CASE("rattling between two sites is no exponential stay", "[msm][residence]") {
    auto stays = draw_stays(200, 0.1, 0, 5), slow = draw_stays(100, 10, 0, 6);
    stays.insert(stays.end(), slow.begin(), slow.end());
    const std::vector<std::int32_t> groups{0};
    const ResidenceTime r = residence_times(stays, groups, 0.01)[0];
    CHECK_FALSE(r.exponential);
    CHECK(r.median_ratio < 0.2);
}
