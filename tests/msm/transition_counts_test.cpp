#include <map>
#include <random>

#include "mesolith/core/error.hpp"
#include "mesolith/core/parallel.hpp"
#include "mesolith/msm/transition_counts.hpp"

#include "support/catch.hpp"
#include "support/kernels.hpp"
#include "support/synthetic.hpp"

using namespace mesolith;
using namespace mesolith::test;

namespace {

using Map = std::map<Transition, std::int64_t>;

/// Frame by frame, window by window, straight from eq. 4.
Map brute_force(const std::vector<SiteTrajectory>& trajectories, const SiteSet& sites, std::int64_t lag) {
    Map counts;
    for (const SiteTrajectory& t : trajectories)
        for (std::size_t ion = 0; ion < t.n_ions(); ++ion) {
            std::vector<SiteEvent> state;
            std::size_t e = 0;
            const auto events = t.of_ion(ion);
            for (std::int64_t f = 0; f < t.n_frames; ++f) {
                if (e + 1 < events.size() && events[e + 1].frame == f) ++e;
                state.push_back(events[e]);
            }
            for (std::int64_t f = 0; f + lag < t.n_frames; ++f) {
                const SiteEvent &a = state[static_cast<std::size_t>(f)],
                                &b = state[static_cast<std::size_t>(f + lag)];
                if (!a.site.valid() || !b.site.valid()) continue;
                ++counts[{sites.base[a.site.at()].value, sites.base[b.site.at()].value,
                          sites.folded_cell(b.site, b.cell) - sites.folded_cell(a.site, a.cell)}];
            }
        }
    return counts;
}

Map as_map(const TransitionCounts& c) {
    Map counts;
    for (std::size_t k = 0; k < c.transitions.size(); ++k)
        if (c.total[k] > 0) counts[c.transitions[k]] = c.total[k];
    return counts;
}

struct Data {
    SiteSet sites;
    std::vector<SiteTrajectory> trajectories;
    std::vector<TimeBlock> blocks;
};

/// Two replicas of different length with gaps of unassigned frames.
Data two_replicas(std::uint64_t seed) {
    Data data;
    const Kernel kernel = random_reversible(5, seed);
    data.sites = tile(kernel.basis, IVec3(2, 1, 3));
    std::mt19937_64 random(seed);
    for (const std::size_t n : {400u, 173u}) {
        SiteTrajectory t = as_events(walk(kernel, 7, n, seed + n), data.sites, 0.5);
        for (SiteEvent& e : t.events)
            if (random() % 10 == 0) e.site = SiteId::none();
        data.trajectories.push_back(t);
    }
    const std::vector<std::int64_t> frames{400, 173};
    data.blocks = cut_into_blocks(frames, 37);
    return data;
}

} // namespace

TEST_CASE("counts of every lag equal those of a loop over all windows", "[msm][counts]") {
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
        const Data data = two_replicas(seed);
        const std::vector<std::int64_t> lags{1, 3, 10, 172, 250, 399};
        const auto counts = count_transitions(data.trajectories, data.sites, lags, data.blocks);
        for (std::size_t l = 0; l < lags.size(); ++l) {
            CHECK(as_map(counts[l]) == brute_force(data.trajectories, data.sites, lags[l]));
            CHECK(counts[l].lag_time() == 0.5 * static_cast<double>(lags[l]));
        }
    }
}

TEST_CASE("blocks add up to the total, and a weight of zero takes a block out", "[msm][counts]") {
    const Data data = two_replicas(9);
    const std::vector<std::int64_t> lags{4};
    const TransitionCounts c = count_transitions(data.trajectories, data.sites, lags, data.blocks).front();
    REQUIRE(c.n_blocks() == data.blocks.size());
    const std::vector<double> all = c.weighted({});
    CHECK(c.weighted(std::vector<double>(c.n_blocks(), 1.0)) == all);
    std::vector<double> without(c.n_blocks(), 1.0), only(c.n_blocks(), 0.0);
    without[2] = 0;
    only[2] = 1;
    const auto a = c.weighted(without), b = c.weighted(only);
    for (std::size_t k = 0; k < all.size(); ++k) CHECK(a[k] + b[k] == all[k]);
    CHECK_THROWS_AS(c.weighted(std::vector<double>(3, 1.0)), DataError);
}

TEST_CASE("every transition stands beside its reverse", "[msm][counts]") {
    const Data data = two_replicas(3);
    const std::vector<std::int64_t> lags{2};
    TransitionCounts c = count_transitions(data.trajectories, data.sites, lags, data.blocks).front();
    for (std::size_t k = 0; k < c.transitions.size(); ++k)
        CHECK(c.transitions[static_cast<std::size_t>(c.reverse[k])] == c.transitions[k].reversed());
    c.transitions.pop_back();
    CHECK_THROWS_AS(c.index_reverses(), DataError);
}

TEST_CASE("one and two threads count the same", "[msm][counts][parallel]") {
    const Data data = two_replicas(11);
    const std::vector<std::int64_t> lags{1, 2, 5, 20};
    std::vector<TransitionCounts> one, two;
    with_threads(1, [&] { one = count_transitions(data.trajectories, data.sites, lags, data.blocks); });
    with_threads(2, [&] { two = count_transitions(data.trajectories, data.sites, lags, data.blocks); });
    for (std::size_t l = 0; l < lags.size(); ++l) {
        CHECK(one[l].transitions == two[l].transitions);
        CHECK(one[l].block_count == two[l].block_count);
        CHECK(one[l].block_transition == two[l].block_transition);
    }
}

TEST_CASE("many distinct transitions make the table grow without losing any", "[msm][counts]") {
    SiteTrajectory t;
    Data data = two_replicas(1);
    t.n_frames = 6000;
    t.frame_interval = 1;
    std::mt19937_64 random(4);
    for (std::int32_t f = 0; f < 6000; ++f)
        t.events.push_back({f, SiteId(static_cast<std::int64_t>(random() % data.sites.size())),
                            IVec3(static_cast<int>(random() % 20), static_cast<int>(random() % 20), 0)});
    t.offsets = {0, 6000};
    const std::vector<std::int64_t> lags{1}, frames{6000};
    const auto counts = count_transitions({t}, data.sites, lags, cut_into_blocks(frames, 6000));
    CHECK(counts[0].transitions.size() > 2000);
    CHECK(as_map(counts[0]) == brute_force({t}, data.sites, 1));
}

TEST_CASE("lags that do not fit, far jumps and unequal frame intervals are refused by name",
          "[msm][counts]") {
    Data data = two_replicas(2);
    const auto count = [&](std::int64_t lag) {
        const std::vector<std::int64_t> lags{lag};
        return count_transitions(data.trajectories, data.sites, lags, data.blocks);
    };
    CHECK_THROWS_WITH(count(400), Catch::Matchers::Contains("longer than the trajectory"));
    CHECK_THROWS_AS(count(0), DataError);
    data.trajectories[1].frame_interval = 0.25;
    CHECK_THROWS_WITH(count(1), Catch::Matchers::Contains("frame interval"));
    data = two_replicas(2);
    for (SiteEvent& e : data.trajectories[0].events) e.cell = IVec3(e.frame, 0, 0) * 100;
    CHECK_THROWS_WITH(count(5), Catch::Matchers::Contains("127"));
}
