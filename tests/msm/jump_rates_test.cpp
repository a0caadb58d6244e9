#include <cmath>

#include "mesolith/core/error.hpp"
#include "mesolith/core/parallel.hpp"
#include "mesolith/msm/jump_rates.hpp"
#include "mesolith/sites/jumps.hpp"

#include "support/catch.hpp"
#include "support/cells.hpp"
#include "support/kernels.hpp"
#include "support/synthetic.hpp"

using namespace mesolith;
using namespace mesolith::test;

namespace {

using test::cells::here;
using test::cells::x;

std::vector<TimeBlock> one_block(const std::vector<SiteTrajectory>& trajectories) {
    std::vector<std::int64_t> n_frames;
    for (const SiteTrajectory& t : trajectories) n_frames.push_back(t.n_frames);
    return cut_into_blocks(n_frames, 1 << 30);
}

std::int64_t count_of(const TransitionCounts& counts, const Transition& wanted) {
    for (std::size_t k = 0; k < counts.transitions.size(); ++k)
        if (counts.transitions[k] == wanted) return counts.total[k];
    return 0;
}

/// Independent walkers in continuous time on a tiled crystal, seen at every frame.
SiteTrajectory gillespie(const Generator& generator, const SiteSet& sites, std::size_t n_ions,
                         std::size_t n_frames, double interval, std::uint64_t seed) {
    std::vector<std::vector<Place>> places(n_frames, std::vector<Place>(n_ions));
    for (std::size_t ion = 0; ion < n_ions; ++ion) {
        Stream random(seed, RngUse::test, ion, 0);
        Place place;
        place.site = static_cast<std::int32_t>(draw(generator.stationary, uniform01(random)));
        double time = 0;
        std::size_t frame = 0;
        while (frame < n_frames) {
            const auto j = static_cast<std::size_t>(place.site);
            time -= std::log1p(-uniform01(random)) / generator.exit[j];
            for (; frame < n_frames && static_cast<double>(frame) * interval < time; ++frame)
                places[frame][ion] = place;
            std::vector<double> rates;
            for (const GeneratorEntry& e : generator.from(j)) rates.push_back(e.rate);
            const GeneratorEntry& e = generator.from(j)[draw(rates, uniform01(random))];
            place.site = e.to;
            place.cell += e.R;
        }
    }
    return as_events(places, sites, interval);
}

} // namespace

TEST_CASE("jumps and times on sites are those counted by hand, cut-off stays and gaps included",
          "[msm][jumps]") {
    const SiteSet sites = tile(alternating_chain().basis, IVec3(2, 1, 1)); // 0 1 | 2 3 along x
    SiteTrajectory t;
    t.n_frames = 100;
    t.frame_interval = 0.5;
    t.events = {{0, SiteId{0}, here},      {10, SiteId::none(), here}, {14, SiteId{1}, here},
                {20, SiteId{2}, here},     {30, SiteId::none(), here}, {33, SiteId{2}, here},
                {90, SiteId::none(), here}};
    t.offsets = {0, 7};
    const std::vector<SiteTrajectory> all{t};
    const TransitionCounts jumps = count_jumps(all, sites, one_block(all));
    CHECK(jumps.lag_time() == 0.5);
    CHECK(count_of(jumps, {0, 1, here}) == 1); // through the gap from 10 to 14
    CHECK(count_of(jumps, {1, 0, x}) == 1);
    CHECK(count_of(jumps, {0, 0, here}) == 13 + (89 - 20)); // 0 to 14 without the jump, 20 to the last seen
    CHECK(count_of(jumps, {1, 1, here}) == 5);
    CHECK(jumps.skipped_windows == 10); // from 89 on
    const Generator g = estimate_rates(jumps, sites.basis, {.detailed_balance = false});
    CHECK(g.from(0).front().rate == Approx(1 / (0.5 * (14 + 69))));
    CHECK(g.from(1).front().rate == Approx(1 / (0.5 * 6)));
}

TEST_CASE("jumps are those of list_jumps, block by block", "[msm][jumps]") {
    const Kernel kernel = grid_crystal(4);
    const SiteSet sites = tile(kernel.basis, IVec3(2, 1, 1));
    const std::vector<SiteTrajectory> all{as_events(walk(kernel, 20, 300, 3), sites, 1),
                                          as_events(walk(kernel, 20, 200, 4), sites, 1)};
    const std::vector<std::int64_t> n_frames{300, 200};
    const TransitionCounts jumps = count_jumps(all, sites, cut_into_blocks(n_frames, 50));
    CHECK(jumps.n_blocks() == 10);
    std::int64_t counted = 0, frames = 0;
    for (std::size_t k = 0; k < jumps.total.size(); ++k) {
        const Transition& t = jumps.transitions[k];
        frames += jumps.total[k];
        if (!(t.from == t.to && t.R.isZero())) counted += jumps.total[k];
    }
    CHECK(counted ==
          static_cast<std::int64_t>(list_jumps(all[0], sites).size() + list_jumps(all[1], sites).size()));
    CHECK(frames == 20 * (299 + 199));
    for (const JumpClass& seen : jump_network(all, sites))
        CHECK(count_of(jumps, {seen.from.value, seen.to.value, seen.R}) == seen.count);
}

TEST_CASE("no other rates make the observed path more likely", "[msm][jumps]") {
    const Kernel kernel = grid_crystal(2);
    const SiteSet sites = tile(kernel.basis, IVec3(1, 1, 1));
    const std::vector<SiteTrajectory> all{as_events(walk(kernel, 10, 400, 3), sites, 0.1)};
    const TransitionCounts jumps = count_jumps(all, sites, one_block(all));
    const Generator best = estimate_rates(jumps, sites.basis, {.detailed_balance = false});
    RateOptions with_pi;
    with_pi.stationary = kernel.stationary;
    const Generator balanced = estimate_rates(jumps, sites.basis, with_pi);
    CHECK(balanced.reversible);
    const double top = path_log_likelihood(jumps, best), second = path_log_likelihood(jumps, balanced);
    CHECK(top > second);
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        Stream random(7, RngUse::test, seed, 0);
        // Any change of a rate; and with detailed balance any change of a flow.
        std::vector<RatedMove> free, paired;
        for (std::size_t j = 0; j < best.n_sites(); ++j)
            for (const GeneratorEntry& e : best.from(j))
                free.push_back({{static_cast<std::int32_t>(j), e.to, e.R},
                                e.rate * (1 + 0.1 * (uniform01(random) - 0.5))});
        for (std::size_t j = 0; j < balanced.n_sites(); ++j)
            for (const GeneratorEntry& e : balanced.from(j)) {
                const Transition t{static_cast<std::int32_t>(j), e.to, e.R};
                if (t.reversed() < t) continue;
                const double factor = 1 + 0.1 * (uniform01(random) - 0.5);
                paired.push_back({t, e.rate * factor});
                paired.push_back({t.reversed(), e.rate * factor * kernel.stationary[j] /
                                                    kernel.stationary[static_cast<std::size_t>(e.to)]});
            }
        CHECK(path_log_likelihood(jumps, make_generator(sites.basis, free)) < top);
        const Generator other = make_generator(sites.basis, paired, kernel.stationary);
        CHECK(other.reversible);
        CHECK(path_log_likelihood(jumps, other) < second);
    }
}

TEST_CASE("rates of walkers in continuous time come out within four standard errors", "[msm][jumps]") {
    const Generator exact =
        make_generator(alternating_chain().basis,
                       {{{0, 1, here}, 1.0}, {{1, 0, here}, 2.0}, {{1, 0, x}, 0.2}, {{0, 1, -x}, 0.1}});
    REQUIRE(exact.reversible);
    const SiteSet sites = tile(exact.basis, IVec3(3, 1, 1));
    const std::vector<SiteTrajectory> all{gillespie(exact, sites, 40, 20000, 2e-3, 11)}; // 40 ps each
    const TransitionCounts jumps = count_jumps(all, sites, one_block(all));
    for (const bool balance : {false, true}) {
        RateOptions options;
        options.detailed_balance = balance;
        if (balance) options.stationary = exact.stationary;
        const Generator found = estimate_rates(jumps, exact.basis, options);
        for (std::size_t j = 0; j < 2; ++j)
            for (const GeneratorEntry& a : exact.from(j)) {
                const double expected = 1600 * exact.stationary[j] * a.rate; // jumps
                double rate = 0;
                for (const GeneratorEntry& b : found.from(j)) // it also has pairs of hops within one frame
                    if (b.to == a.to && b.R == a.R) rate = b.rate;
                CHECK(std::abs(rate / a.rate - 1) < 4 / std::sqrt(expected));
            }
    }
}

TEST_CASE("weights of blocks count as repeated blocks", "[msm][jumps]") {
    const Kernel kernel = grid_crystal(6);
    const SiteSet sites = tile(kernel.basis, IVec3(1, 1, 1));
    const SiteTrajectory a = as_events(walk(kernel, 30, 100, 1), sites, 1),
                         b = as_events(walk(kernel, 30, 100, 2), sites, 1);
    const std::vector<SiteTrajectory> two{a, b}, three{a, b, b};
    const std::vector<double> weights{1, 2};
    const Generator weighted =
        estimate_rates(count_jumps(two, sites, one_block(two)), sites.basis, {}, weights);
    const Generator repeated = estimate_rates(count_jumps(three, sites, one_block(three)), sites.basis);
    REQUIRE(weighted.entries.size() == repeated.entries.size());
    for (std::size_t e = 0; e < weighted.entries.size(); ++e)
        CHECK(weighted.entries[e].rate == Approx(repeated.entries[e].rate).epsilon(1e-13));
}

TEST_CASE("three ways to rates agree on Markovian walkers", "[msm][jumps]") {
    Kernel per_frame = alternating_chain(0.02, 0.004, 2, 3, 0.1);
    const SiteSet sites = tile(per_frame.basis, IVec3(4, 1, 1));
    const std::vector<SiteTrajectory> all{as_events(walk(per_frame, 60, 4000, 5), sites, 0.1)};
    const std::vector<std::int64_t> n_frames{4000};
    const auto blocks = cut_into_blocks(n_frames, 200);
    const TransitionCounts jumps = count_jumps(all, sites, blocks);
    RateComparisonOptions options;
    options.n_resamplings = 60;
    options.rates.stationary = {1, 1};
    const auto rates =
        compare_rates(exponential_kernel(generator_from_kernel(per_frame), 0.5).kernel, &jumps, options);
    REQUIRE(rates.size() == 3);
    const double exact = exact_transport(per_frame).diffusivity(0, 0);
    CHECK(rates[0].method == "uniformised");
    CHECK(rates[0].diffusivity(0, 0) == Approx(exact).epsilon(1e-6));
    CHECK(rates[1].method == "logarithm");
    CHECK(rates[1].accepted);
    CHECK(rates[1].diffusivity(0, 0) == Approx(exact).epsilon(1e-4));
    CHECK(rates[2].method == "jump events");
    CHECK(rates[2].error(0, 0) > 0);
    CHECK(std::abs(rates[2].diffusivity(0, 0) - exact) < 4 * rates[2].error(0, 0));
    Mat3 errors[2];
    for (int n : {1, 2})
        with_threads(n, [&] { errors[n - 1] = compare_rates(per_frame, &jumps, options)[2].error; });
    CHECK(errors[0](0, 0) == errors[1](0, 0));
    CHECK(compare_rates(per_frame, nullptr).size() == 2);
}

TEST_CASE("jumps that do not fit the sites are refused", "[msm][jumps]") {
    const Kernel kernel = alternating_chain(0.2, 0.2);
    const SiteSet sites = tile(kernel.basis, IVec3(2, 1, 1));
    const std::vector<SiteTrajectory> all{as_events(walk(kernel, 5, 100, 5), sites, 1)};
    const TransitionCounts jumps = count_jumps(all, sites, one_block(all));
    CHECK_THROWS_AS(estimate_rates(jumps, simple_cubic().basis), DataError);
    CHECK_THROWS_AS(estimate_rates(jumps, kernel.basis, {.stationary = {1, 1, 1}}), DataError);
    CHECK_THROWS_AS(estimate_rates(jumps, kernel.basis, {.stationary = {1, 0}}), DataError);
    CHECK_THROWS_AS(path_log_likelihood(jumps, generator_from_kernel(simple_cubic())), DataError);
}
