// Hops by kind and their activation energies, against events written by hand and walkers of known rates.
#include <cmath>
#include <fstream>

#include <fmt/format.h>

#include "mesolith/core/units.hpp"
#include "mesolith/io/file.hpp"
#include "mesolith/pipeline/arrhenius.hpp"
#include "mesolith/pipeline/stages.hpp"

#include "support/catch.hpp"
#include "support/kernels.hpp"
#include "support/synthetic.hpp"
#include "support/temporary_folder.hpp"
#include "support/written_events.hpp"

using namespace mesolith;
using namespace mesolith::test;
using Catch::Matchers::Contains;

namespace {

using units::boltzmann_ev_per_k;

HopData by_hand() {
    HopData run;
    run.sites = tile(row_of_two(), IVec3(1, 1, 1));
    SiteTrajectory t;
    t.n_frames = 100;
    t.frame_interval = 0.5;
    // A -> B at 10 (2 A), back at 20, A -> B at 40 across the boundary (4 A, undone at 50), A until the end.
    t.events = {{0, SiteId(0), {0, 0, 0}},
                {10, SiteId(1), {0, 0, 0}},
                {20, SiteId(0), {0, 0, 0}},
                {40, SiteId(1), {-1, 0, 0}},
                {50, SiteId(0), {0, 0, 0}},
                // a second ion: lost for a while, then on B, never on A again
                {0, SiteId(0), {0, 0, 0}},
                {30, SiteId::none(), {0, 0, 0}},
                {60, SiteId(1), {0, 0, 0}}};
    t.offsets = {0, 5, 8};
    run.trajectories = {t};
    const std::vector<std::int64_t> n{100};
    run.blocks = cut_into_blocks(n, 25);
    return run;
}

const HopClass& find(const std::vector<HopClass>& classes, const std::string& from, double length) {
    for (const HopClass& c : classes)
        if (c.from == from && std::abs(c.length - length) < 1e-9) return c;
    FAIL("no hops from " << from << " over " << length);
    return classes.front();
}

} // namespace

TEST_CASE("hops written by hand fall into their kinds, with the time spent before them",
          "[pipeline][arrhenius]") {
    const auto classes = hop_classes({by_hand()}, {500});
    REQUIRE(classes.size() == 4);
    const HopStatistics near = find(classes, "A", 2).at[0];
    CHECK(near.hops == 2); // at 10 and, of the second ion, at 60
    CHECK(near.lasting == 1);
    // Ion 0 is on A for 10 + 20 + 50 frames, ion 1 for 30.
    CHECK(near.time == 0.5 * 110);
    CHECK(std::abs(near.rate.value - 2 / 55.0) < 1e-15);
    CHECK(std::abs(near.lasting_rate.value - 1 / 55.0) < 1e-15);
    CHECK(near.rate.error >= std::sqrt(2.) / 55 * (1 - 1e-12));
    CHECK(find(classes, "A", 4).at[0].hops == 1);
    CHECK(find(classes, "A", 4).at[0].lasting == 0); // undone at 50
    CHECK(find(classes, "B", 2).at[0].lasting == 1); // the next hop goes elsewhere
    CHECK(find(classes, "B", 4).at[0].lasting == 1); // no hop after it
    CHECK(find(classes, "B", 4).at[0].time == 0.5 * (10 + 10 + 40));
    CHECK_FALSE(classes.front().fit); // one temperature
    CHECK(classes.front().at[0].hops == 2);
}

TEST_CASE("hop lengths that differ by less than a tenth of an angstrom are one kind",
          "[pipeline][arrhenius]") {
    HopData warm = by_hand(), hot = by_hand();
    hot.sites.basis.positions[1][0] = 2.06; // thermal expansion of a sort
    CHECK(hop_classes({warm, hot}, {500, 600}).size() == 4);
    hot.sites.basis.positions[1][0] = 2.3;
    CHECK(hop_classes({warm, hot}, {500, 600}).size() == 8);
}

TEST_CASE("walkers whose rates follow an Arrhenius law give its energy back and errors that cover it",
          "[pipeline][arrhenius][statistics]") {
    const std::vector<double> temperatures{500, 600, 800};
    const double near_energy = 0.25, far_energy = 0.10;
    std::vector<HopData> runs;
    for (const double T : temperatures) {
        Kernel kernel;
        kernel.basis = row_of_two();
        kernel.lag_time = 1;
        const double near = 5 * std::exp(-near_energy / (boltzmann_ev_per_k * T)),
                     far = 0.1 * std::exp(-far_energy / (boltzmann_ev_per_k * T));
        kernel.entries = {{0, {0, 0, 0}, 1 - near - far}, {1, {0, 0, 0}, near}, {1, {-1, 0, 0}, far},
                          {1, {0, 0, 0}, 1 - near - far}, {0, {0, 0, 0}, near}, {0, {1, 0, 0}, far}};
        kernel.column = {0, 3, 6};
        kernel.stationary = {0.5, 0.5};
        HopData run;
        run.sites = tile(kernel.basis, IVec3(2, 1, 1));
        run.trajectories = {as_events(walk(kernel, 12, 6000, static_cast<std::uint64_t>(T)), run.sites, 1)};
        const std::vector<std::int64_t> n{6000};
        run.blocks = cut_into_blocks(n, 250);
        runs.push_back(run);
    }
    const auto classes = hop_classes(runs, temperatures);
    REQUIRE(classes.size() == 4);
    for (const std::string from : {"A", "B"}) {
        const HopClass &near = find(classes, from, 2), &far = find(classes, from, 4);
        REQUIRE(near.fit);
        REQUIRE(far.fit);
        CHECK(std::abs(near.fit->activation_energy - near_energy) < 4 * near.fit->energy_error());
        CHECK(std::abs(far.fit->activation_energy - far_energy) < 4 * far.fit->energy_error());
        CHECK(near.fit->energy_error() < 0.02);
        CHECK(far.fit->energy_error() < 0.02);
        CHECK(std::abs(near.fit->log_prefactor - std::log(5.)) < 4 * std::sqrt(near.fit->covariance(0, 0)));
        REQUIRE(near.lasting_fit);
        // The next hop goes back with the share of the near rate.
        const double near_rate = 5 * std::exp(-near_energy / (boltzmann_ev_per_k * 800)),
                     far_rate = 0.1 * std::exp(-far_energy / (boltzmann_ev_per_k * 800)),
                     share = far_rate / (near_rate + far_rate);
        const auto n = static_cast<double>(near.at[2].hops);
        CHECK(std::abs(static_cast<double>(near.at[2].lasting) - share * n) <
              4 * std::sqrt(share * (1 - share) * n));
    }
}

TEST_CASE("kinds with too few hops have no energy, foreign crystals and missing temperatures are refused",
          "[pipeline][arrhenius]") {
    const auto classes = hop_classes({by_hand(), by_hand()}, {500, 600});
    for (const HopClass& c : classes) CHECK_FALSE(c.fit); // fewer than ten hops
    HopClassOptions lenient;
    lenient.fewest_hops = 1;
    CHECK(find(hop_classes({by_hand(), by_hand()}, {500, 600}, lenient), "A", 2).fit);
    CHECK_FALSE(find(hop_classes({by_hand(), by_hand()}, {500, 500}, lenient), "A", 2).fit);
    HopData other = by_hand();
    other.sites.basis.name = {"A.1", "A.2"};
    CHECK_THROWS_WITH(hop_classes({by_hand(), other}, {500, 600}), Contains("different sites"));
    CHECK_THROWS_AS(hop_classes({by_hand()}, {500, 600}), DataError);
    CHECK_THROWS_AS(hop_classes({}, {}), DataError);
}
