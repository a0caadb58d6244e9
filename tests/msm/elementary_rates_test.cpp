// Hops into empty sites: events written by hand, a lattice gas of known rates, weights by enumeration.
#include <cmath>
#include <numeric>

#include "mesolith/core/error.hpp"
#include "mesolith/core/parallel.hpp"
#include "mesolith/msm/elementary_rates.hpp"
#include "mesolith/msm/exclusion_frames.hpp"
#include "mesolith/msm/transport.hpp"

#include "support/catch.hpp"
#include "support/kernels.hpp"
#include "support/synthetic.hpp"
#include "support/written_events.hpp"

using namespace mesolith;
using namespace mesolith::test;
using Catch::Matchers::Contains;

namespace {

/// Corners (A) and centres (B) of cubes of 6 A.
SiteBasis corners_and_centres() {
    SiteBasis basis = row_of_two();
    basis.positions[1] = Vec3(3, 3, 3);
    return basis;
}

// Sites of row_of_two() on 3 x 1 x 1 cells: A0 B0 A1 B1 A2 B2.
SiteEvent at(std::int32_t frame, std::int64_t site) { return {frame, SiteId(site), IVec3::Zero()}; }

SiteSet row() { return tile(row_of_two(), IVec3(3, 1, 1)); }

std::vector<TimeBlock> blocks_of(std::int64_t n_frames, std::int64_t length) {
    const std::vector<std::int64_t> n{n_frames};
    return cut_into_blocks(n, length);
}

std::size_t class_from(const HopNetwork& network, std::int32_t from, double length) {
    for (std::size_t c = 0; c < network.classes.size(); ++c)
        if (network.classes[c].from_orbit == from && std::abs(network.classes[c].length - length) < 0.01)
            return c;
    FAIL("no class of length " << length);
    return 0;
}

double total(const std::vector<double>& values, std::size_t row, std::size_t n) {
    double sum = 0;
    for (std::size_t k = 0; k < n; ++k) sum += values[row * n + k];
    return sum;
}

/// A lattice gas of corners and centres: 2 x 2 x 2 cells, 16 sites, n ions that hop into empty sites by the
/// rates, seen in frames. Gillespie's method, one event after the other.
struct KnownGas {
    SiteSet sites = tile(corners_and_centres(), IVec3(2, 2, 2));
    HopNetwork network = make_hop_network(sites.basis, site_symmetry(sites.basis, {}, {}, 0.1), 6.01);
    std::vector<double> rates; ///< per class
    double weight = 4;         ///< of a centre against a corner

    KnownGas() {
        rates.resize(network.classes.size());
        for (std::size_t c = 0; c < rates.size(); ++c) {
            const HopPairClass& kind = network.classes[c];
            if (kind.length > 5.9)
                rates[c] = kind.from_orbit == 0 ? 0.05 : 0.04;
            else
                rates[c] = kind.from_orbit == 0 ? 0.2 : 0.2 / weight;
        }
    }
    SiteTrajectory simulate(std::size_t n_ions, std::int64_t n_frames, double interval,
                            std::uint64_t seed) const {
        const auto index = [&](const Place& p) {
            IVec3 c = p.cell;
            for (int a = 0; a < 3; ++a) c[a] = ((c[a] % 2) + 2) % 2;
            return static_cast<std::size_t>(((c[0] * 2 + c[1]) * 2 + c[2]) * 2 + p.site);
        };
        std::vector<Place> places;
        std::vector<bool> taken(sites.size(), false);
        for (std::size_t k = 0; k < n_ions; ++k) {
            const auto s = static_cast<int>(k);
            places.push_back({s % 2, IVec3(s / 8, s / 4 % 2, s / 2 % 2)});
            taken[index(places.back())] = true;
        }
        std::vector<std::vector<Place>> frames;
        double time = -200; // [ps] to forget the start
        for (std::uint64_t step = 0; static_cast<std::int64_t>(frames.size()) < n_frames; ++step) {
            struct Event {
                std::size_t ion;
                Place to;
                double rate;
            };
            std::vector<Event> events;
            double sum = 0;
            for (std::size_t k = 0; k < n_ions; ++k)
                for (std::size_t p = 0; p < network.pairs.size(); ++p) {
                    const Transition& t = network.pairs[p];
                    if (t.from != places[k].site) continue;
                    const Place to{t.to, places[k].cell + t.R};
                    if (taken[index(to)]) continue;
                    events.push_back({k, to, rates[static_cast<std::size_t>(network.class_of[p])]});
                    sum += events.back().rate;
                }
            Stream random(seed, RngUse::test, 0, step);
            const double next = time - std::log(1 - uniform01(random)) / sum;
            while (static_cast<std::int64_t>(frames.size()) < n_frames &&
                   static_cast<double>(frames.size()) * interval < next)
                frames.push_back(places);
            time = next;
            double u = uniform01(random) * sum;
            std::size_t e = 0;
            while (e + 1 < events.size() && u >= events[e].rate) u -= events[e++].rate;
            taken[index(places[events[e].ion])] = false;
            places[events[e].ion] = events[e].to;
            taken[index(events[e].to)] = true;
        }
        return as_events(frames, sites, interval);
    }
};

} // namespace

TEST_CASE("pairs of sites fall into classes of the crystal", "[msm][elementary]") {
    const SiteBasis cube = simple_cubic().basis;
    const double a = cube.cell.length()[0];
    const HopNetwork near = make_hop_network(cube, site_symmetry(cube, {}, {}, 0.1));
    CHECK(near.cutoff == Approx(1.5 * a));
    REQUIRE(near.classes.size() == 2); // along edges and face diagonals
    CHECK(near.classes[0].n_pairs == 6);
    CHECK(near.classes[0].length == Approx(a));
    CHECK(near.classes[0].reverse == 0);
    CHECK(near.classes[1].n_pairs == 12);
    CHECK(near.find({0, 0, IVec3(1, 0, 0)}) == 0);
    CHECK(near.find({0, 0, IVec3(1, 0, -1)}) == 1);
    CHECK(near.find({0, 0, IVec3(2, 0, 0)}) == -1);
    // Without symmetry every pair is alone, and its reverse another class.
    const HopNetwork apart = make_hop_network(cube, {}, 1.01 * a);
    REQUIRE(apart.classes.size() == 6);
    for (std::size_t c = 0; c < 6; ++c) {
        CHECK(apart.classes[c].n_pairs == 1);
        CHECK(apart.classes[c].reverse != static_cast<std::int32_t>(c));
        CHECK(apart.classes[static_cast<std::size_t>(apart.classes[c].reverse)].reverse ==
              static_cast<std::int32_t>(c));
    }
    const HopNetwork two = make_hop_network(corners_and_centres(), {}, 5.3);
    CHECK(two.pairs.size() == 16);
    CHECK_THROWS_WITH(make_hop_network(cube, {}, 0.5 * a), Contains("no two sites are within"));
    CHECK_THROWS_WITH(make_hop_network(cube, {}, -1), Contains("cutoff of -1"));
    CHECK_THROWS_AS(make_hop_network(SiteBasis(), {}), DataError);
}

TEST_CASE("hops and exposures of events written by hand", "[msm][elementary]") {
    const SiteSet sites = row();
    // One ion A0 -> B0 at 10, another B0 -> A1 (4 A: beyond the cutoff) at 4.
    const SiteTrajectory t = written(20, {{at(0, 0), at(10, 1)}, {at(0, 1), at(4, 2)}});
    const HopNetwork network = make_hop_network(sites.basis, {}, 2.5);
    REQUIRE(network.classes.size() == 2);
    const std::size_t there = class_from(network, 0, 2), back = class_from(network, 1, 2);
    const ExclusionPath path = exclusion_path(t, sites);
    REQUIRE(path.hops.size() == 2);
    CHECK(path.hops[0].time == 3.5);
    CHECK(path.hops[1].time == 9.5);
    const auto blocks = blocks_of(20, 5);
    const ElementaryCounts counts = count_elementary_hops({path}, sites, network, blocks);
    CHECK(counts.beyond == 1);
    CHECK(counts.vacancies == 4);
    CHECK(total(counts.hops, there, 4) == 1);
    CHECK(counts.hops[there * 4 + 1] == 1); // frames 5 to 10
    CHECK(total(counts.hops, back, 4) == 0);
    // A0 taken and B0 empty from 3.5 to 9.5; A1 taken and B1 empty from 3.5 to the last frame, 19.
    CHECK(total(counts.exposure, there, 4) == Approx(0.5 * (6 + 15.5)));
    CHECK(counts.exposure[there * 4] == Approx(0.5 * (1.5 + 1.5)));
    CHECK(total(counts.exposure, back, 4) == Approx(0.5 * 9.5));
    CHECK(total(counts.time, 0, 4) == Approx(9.5));
    CHECK(total(counts.orbit_time, 0, 4) == Approx(0.5 * (9.5 + 15.5)));
    CHECK(total(counts.orbit_time, 1, 4) == Approx(0.5 * (3.5 + 9.5)));
    const ElementaryRates rates = estimate_elementary_rates(counts, network);
    CHECK(rates.classes[there].rate.value == Approx(1 / 10.75));
    CHECK(rates.classes[there].poisson_error == Approx(1 / 10.75));
    CHECK(std::isnan(rates.classes[there].upper_bound));
    CHECK(rates.classes[back].rate.value == 0);
    CHECK(rates.classes[back].upper_bound == Approx(3 / 4.75));
    CHECK(rates.occupancy[0].value == Approx(12.5 / (9.5 * 3)));
    // With detailed balance both directions share the hop: s = N / (T / w_from + T' / w_to).
    const double w = std::exp(rates.log_weight[1].value);
    CHECK(rates.classes[there].balanced.value == Approx(1 / (10.75 + 4.75 / w)));
    CHECK(rates.classes[back].balanced.value * w == Approx(rates.classes[there].balanced.value));
    CHECK(counts.longest_empty == Approx(9.5)); // sites B1, A2, B2, never filled
    CHECK(counts.empty_stays == 2);             // B0 from 3.5 to 9.5, A1 from 0 to 3.5
    CHECK(counts.mean_empty == Approx(0.5 * (6 + 3.5) / 2));
}

TEST_CASE("no two ions are ever on one site", "[msm][elementary]") {
    const SiteSet sites = row();
    SECTION("a chain within a frame is one hop after the other") {
        const ExclusionPath path =
            exclusion_path(written(20, {{at(0, 0), at(5, 1)}, {at(0, 1), at(5, 2)}, {at(0, 4)}}), sites);
        REQUIRE(path.hops.size() == 2);
        CHECK(path.hops[0].ion == 1);
        CHECK(path.hops[0].time == Approx(4 + 1. / 3));
        CHECK(path.hops[1].ion == 0);
        CHECK(path.hops[1].time == Approx(4 + 2. / 3));
        CHECK(path.delayed == 0);
        CHECK(path.waiting == 0);
    }
    SECTION("an ion waits until the site is free") {
        const ExclusionPath path =
            exclusion_path(written(21, {{at(0, 0), at(5, 1)}, {at(0, 1), at(8, 2)}}), sites);
        REQUIRE(path.hops.size() == 2);
        CHECK(path.hops[0].ion == 1);
        CHECK(path.hops[1].ion == 0);
        CHECK(path.hops[1].time == Approx(7 + 2. / 3));
        CHECK(path.delayed == 1);
        CHECK(path.waiting == Approx(3. / 20));
    }
    SECTION("an ion that goes back before has never left") {
        const ExclusionPath path =
            exclusion_path(written(21, {{at(0, 0), at(5, 1), at(7, 0)}, {at(0, 1)}}), sites);
        CHECK(path.hops.empty());
        CHECK(path.cancelled == 1);
        CHECK(path.waiting == Approx(2. / 20));
    }
    SECTION("ions that change places do so, which is no hop into an empty site") {
        const ExclusionPath path =
            exclusion_path(written(21, {{at(0, 0), at(5, 1)}, {at(0, 1), at(5, 0)}}), sites);
        REQUIRE(path.hops.size() == 2);
        CHECK(!path.hops[0].counts);
        CHECK(path.exchanged == 2);
        const HopNetwork network = make_hop_network(sites.basis, {}, 2.5);
        const ElementaryCounts counts = count_elementary_hops({path}, sites, network, blocks_of(21, 21));
        CHECK(counts.hops == std::vector<double>{0, 0});
        CHECK(counts.exposure == std::vector<double>{0, 0}); // both taken all the time
    }
    SECTION("unassigned stretches are bridged, and an ion begins where it is first seen") {
        const ExclusionPath path = exclusion_path(
            written(21, {{at(0, -1), at(4, 0), at(8, -1), at(12, 1)}, {at(0, 4), at(3, -1), at(9, 4)}}),
            sites);
        CHECK(path.start == std::vector<SiteId>{SiteId(0), SiteId(4)});
        REQUIRE(path.hops.size() == 1);
        CHECK(path.hops[0].time == 11.5);
    }
    SECTION("of two ions on one site at the start the second one comes when the first has gone") {
        const ExclusionPath path = exclusion_path(written(21, {{at(0, 1), at(6, 2)}, {at(0, 1)}}), sites);
        CHECK(!path.start[1].valid());
        REQUIRE(path.hops.size() == 2);
        CHECK(path.hops[0].counts);
        CHECK(!path.hops[1].counts);
        CHECK(path.hops[1].to == SiteId(1));
        const HopNetwork network = make_hop_network(sites.basis, {}, 4.5);
        const ElementaryCounts counts = count_elementary_hops({path}, sites, network, blocks_of(21, 21));
        CHECK(counts.vacancies == 4);
        CHECK(std::accumulate(counts.hops.begin(), counts.hops.end(), 0.0) == 1);
    }
    SECTION("more ions than sites, sites of another list and negative times are refused") {
        CHECK_THROWS_WITH(exclusion_path(written(9, {{at(0, 0)}, {at(0, 1)}, {at(0, 2)}}),
                                         tile(row_of_two(), IVec3(1, 1, 1))),
                          Contains("3 ions on 2 sites"));
        CHECK_THROWS_WITH(exclusion_path(written(9, {{at(0, 7)}}), sites), Contains("visits site 7 of 6"));
        CHECK_THROWS_WITH(exclusion_path(written(9, {{at(0, 0)}}), sites, -1), Contains("residence of -1"));
        const HopNetwork network = make_hop_network(sites.basis, {}, 2.5);
        const ExclusionPath path = exclusion_path(written(9, {{at(0, 0)}}), sites);
        CHECK_THROWS_AS(count_elementary_hops({}, sites, network, {}), DataError);
        CHECK_THROWS_AS(count_elementary_hops({path}, sites, network, {{1, 0, 9}}), DataError);
        CHECK_THROWS_AS(count_elementary_hops({path}, sites, network, {{0, 0, 10}}), DataError);
        CHECK_THROWS_AS(count_elementary_hops({path}, sites, make_hop_network(simple_cubic().basis, {}), {}),
                        DataError);
        ElementaryCounts none = count_elementary_hops({path}, sites, network, {});
        CHECK_THROWS_AS(estimate_elementary_rates(none, network), DataError);
        none.hops.push_back(1);
        CHECK_THROWS_AS(estimate_elementary_rates(none, network), DataError);
    }
}

TEST_CASE("short stays between a hop and its reversal are removed", "[msm][elementary]") {
    const SiteSet sites = row();
    // Every 50 frames A0 <-> B0 for good; before each such hop there and back within a frame.
    std::vector<SiteEvent> events{at(0, 0)};
    for (int k = 1; k <= 20; ++k) {
        const int here = (k + 1) % 2, there = k % 2; // sites 0 and 1
        for (const auto& [frame, site] :
             {std::pair{50 * k - 20, there}, {50 * k - 19, here}, {50 * k, there}})
            events.push_back(at(frame, site));
    }
    const SiteTrajectory t = written(1050, {events});
    const HopNetwork network = make_hop_network(sites.basis, {}, 2.5);
    const auto blocks = blocks_of(1050, 100);
    const ExclusionPath raw = exclusion_path(t, sites), exact = exclusion_path(t, sites, 0.5),
                        clean = exclusion_path(t, sites, 0.6);
    CHECK(raw.hops.size() == 60);
    CHECK(raw.removed == 0);
    CHECK(exact.hops.size() == 60); // a stay of one frame of 0.5 ps is long enough
    CHECK(clean.hops.size() == 20);
    CHECK(clean.removed == 40);
    const auto rates = [&](const ExclusionPath& path) {
        return estimate_elementary_rates(count_elementary_hops({path}, sites, network, blocks), network);
    };
    const ElementaryRates with = rates(raw), without = rates(clean);
    const std::size_t c = class_from(network, 0, 2);
    CHECK(with.classes[c].hops == 30);
    CHECK(without.classes[c].hops == 10);
    // The hop of k = 1 leaves A0 at 49.5, that of k = 2 brings it back, ...: 49.5 + 10 x 50 frames on A0.
    CHECK(without.classes[c].exposure == Approx(0.5 * (49.5 + 10 * 50 - 50 + 49.5)));
    // Of 30 comings to A, each seen for the first frame interval after it, 10 end within it.
    CHECK(with.classes[c].first_back_ratio == Approx(10 / (with.classes[c].rate.value * 30 * 0.5)));
    CHECK(with.classes[c].first_back_ratio > 5);
    CHECK(without.classes[c].first_back_ratio == 0);
    CHECK(without.classes[c].back_ratio == Approx(1).epsilon(0.1)); // two sites: every hop goes back
}

TEST_CASE("weights of sites are those that give the occupancies", "[msm][elementary]") {
    // 3 sites of weight 1 and 2 of weight 2.5, three ions: all ten arrangements.
    const std::vector<double> w{1, 1, 1, 2.5, 2.5};
    double Z = 0, first = 0, second = 0;
    for (int m = 0; m < 32; ++m) {
        double p = 1;
        int n = 0, in_first = 0;
        for (int s = 0; s < 5; ++s)
            if (m >> s & 1) {
                p *= w[static_cast<std::size_t>(s)];
                ++n;
                in_first += s < 3;
            }
        if (n != 3) continue;
        Z += p;
        first += p * in_first;
        second += p * (3 - in_first);
    }
    const std::vector<double> occupancy{first / Z / 3, second / Z / 2}, n{3, 2};
    CHECK(exclusion_weights(occupancy, n, 2)[1] == Approx(2.5).epsilon(1e-9));
    CHECK(exclusion_weights(occupancy, n, 2)[0] == 1);
    const double odds = occupancy[1] / (1 - occupancy[1]) * (1 - occupancy[0]) / occupancy[0];
    CHECK(exclusion_weights(occupancy, n, -1)[1] == Approx(odds));
    CHECK(std::abs(odds / 2.5 - 1) > 0.05);
    // In a large crystal both are the same.
    const std::vector<double> many{1200, 800};
    CHECK(exclusion_weights(std::vector<double>{0.9, 0.95}, many, 160)[1] ==
          Approx(0.95 / 0.05 * 0.1 / 0.9).epsilon(1e-2));
    CHECK(exclusion_weights(std::vector<double>{0.5, 1}, n, -1)[1] ==
          std::numeric_limits<double>::infinity());
    CHECK(exclusion_weights(std::vector<double>{0.5, 0}, n, -1)[1] == 0);
    CHECK_THROWS_WITH(exclusion_weights(std::vector<double>{1, 0.5}, n, -1), Contains("not determined"));
    CHECK_THROWS_AS(exclusion_weights(std::vector<double>{0.5, 1.5}, n, -1), DataError);
    CHECK_THROWS_AS(exclusion_weights(std::vector<double>{0.5}, n, -1), DataError);
}

TEST_CASE("rates of a lattice gas come out within four standard errors", "[msm][elementary]") {
    const KnownGas gas;
    const double interval = 0.005;
    const std::int64_t n_frames = 240'000; // 1200 ps
    const SiteTrajectory t = gas.simulate(13, n_frames, interval, 5);
    const auto blocks = blocks_of(n_frames, n_frames / 40);
    const ExclusionPath path = exclusion_path(t, gas.sites);
    CHECK(path.waiting < 1e-3);
    const ElementaryCounts counts = count_elementary_hops({path}, gas.sites, gas.network, blocks);
    CHECK(counts.vacancies == 3);
    const ElementaryRates rates = estimate_elementary_rates(counts, gas.network);
    REQUIRE(gas.network.classes.size() == 4); // A-B, B-A, A-A, B-B
    for (std::size_t c = 0; c < 4; ++c) {
        const ElementaryRate& r = rates.classes[c];
        INFO("class " << c << ", " << r.hops << " hops");
        CHECK(r.hops > 150);
        CHECK(std::abs(r.rate.value - gas.rates[c]) < 4 * r.poisson_error);
        CHECK(std::abs(r.balanced.value - gas.rates[c]) < 4 * r.balanced.error);
        CHECK(r.rate.error > 0.5 * r.poisson_error);
        CHECK(r.rate.error < 2 * r.poisson_error);
        // Without memory, hops straight back are no more and no fewer than the rates say.
        const Refills& refills = counts.refills;
        const std::size_t n = refills.age.size();
        const double back = total(refills.hops, c, n), others = total(refills.other_hops, c, n);
        CHECK(std::abs(r.back_ratio - 1) < 4 / std::sqrt(back));
        CHECK(others > 50);
        CHECK(std::abs(others - r.rate.value * total(refills.other_exposure, c, n)) < 4 * std::sqrt(others));
        CHECK(back + others <= r.hops);
        // All vacancies but those of the start come from a hop: nearly all time is in one of the two.
        CHECK(total(refills.exposure, c, n) + total(refills.other_exposure, c, n) ==
              Approx(r.exposure).epsilon(0.01));
        if (gas.network.classes[c].length < 5.9)
            CHECK(std::abs(r.balance_z) < 4);
        else
            CHECK(std::isnan(r.balance_z));
    }
    CHECK(std::abs(rates.log_weight[1].value - std::log(gas.weight)) < 4 * rates.log_weight[1].error);
    CHECK(rates.log_weight[1].error < 0.2);
    CHECK(rates.vacancy_fraction == Approx(3. / 16));
    // The same without symmetry: all pairs alone.
    const HopNetwork apart = make_hop_network(gas.sites.basis, {}, 6.01);
    const ElementaryCounts single = count_elementary_hops({path}, gas.sites, apart, blocks);
    const ElementaryRates each = estimate_elementary_rates(single, apart);
    double hops = 0, all = 0;
    for (const ElementaryRate& r : each.classes) hops += r.hops;
    for (const ElementaryRate& r : rates.classes) all += r.hops;
    CHECK(hops == all);
    for (std::size_t k = 0; k < apart.pairs.size(); ++k) {
        const ElementaryRate& r = each.classes[static_cast<std::size_t>(apart.class_of[k])];
        const double exact = gas.rates[static_cast<std::size_t>(gas.network.find(apart.pairs[k]))];
        CHECK(std::abs(r.hops - exact * r.exposure) < 4.5 * std::sqrt(exact * r.exposure));
    }
    // Rates that contradict the occupancies are told: the first class twice as fast.
    ElementaryCounts biased = counts;
    const std::size_t c = class_from(gas.network, 0, 5.196);
    for (std::size_t b = 0; b < biased.n_blocks; ++b) biased.hops[c * biased.n_blocks + b] *= 2;
    CHECK(estimate_elementary_rates(biased, gas.network).classes[c].balance_z > 5);
}

TEST_CASE("one and two threads give the same rates", "[msm][elementary][parallel]") {
    const KnownGas gas;
    const SiteTrajectory t = gas.simulate(13, 5000, 0.02, 3);
    const ElementaryCounts counts =
        count_elementary_hops({exclusion_path(t, gas.sites)}, gas.sites, gas.network, blocks_of(5000, 500));
    ElementaryRates found[2];
    for (int n : {1, 2})
        with_threads(n, [&] { found[n - 1] = estimate_elementary_rates(counts, gas.network); });
    for (std::size_t c = 0; c < found[0].classes.size(); ++c) {
        CHECK(found[0].classes[c].rate.error == found[1].classes[c].rate.error);
        CHECK(found[0].classes[c].balanced.error == found[1].classes[c].balanced.error);
    }
    CHECK(found[0].log_weight[1].error == found[1].log_weight[1].error);
}

TEST_CASE("a single ion and a single vacancy move by the same rates the other way round",
          "[msm][elementary]") {
    const SiteBasis cube = simple_cubic().basis;
    const double a = cube.cell.length()[0], k = 0.3;
    const HopNetwork network = make_hop_network(cube, site_symmetry(cube, {}, {}, 0.1), 1.01 * a);
    for (const Generator& g : {ion_generator(network, std::vector<double>{k}, std::vector<double>{0}),
                               vacancy_generator(network, std::vector<double>{k}, std::vector<double>{0})})
        CHECK(exact_transport(g).diffusivity.isApprox(k * a * a * Mat3::Identity(), 1e-12));
    // Corners and centres: the vacancy prefers what the ion avoids, both have detailed balance.
    const KnownGas gas;
    const std::vector<double> log_weight{0, std::log(gas.weight)};
    const Generator ion = ion_generator(gas.network, gas.rates, log_weight),
                    vacancy = vacancy_generator(gas.network, gas.rates, log_weight);
    CHECK(ion.reversible);
    CHECK(vacancy.reversible);
    CHECK(ion.stationary[1] == Approx(gas.weight / (1 + gas.weight)));
    CHECK(vacancy.stationary[1] == Approx(1 / (1 + gas.weight)));
    // An ion on a corner hops to a centre at 0.2; a vacancy on a centre is filled from each corner at 0.2.
    for (const GeneratorEntry& e : vacancy.from(1))
        if (e.to == 0) CHECK(e.rate == 0.2);
    CHECK_THROWS_AS(ion_generator(network, std::vector<double>{1, 2}, std::vector<double>{0}), DataError);
    CHECK_THROWS_AS(vacancy_generator(network, std::vector<double>{1}, std::vector<double>{}), DataError);
}

TEST_CASE("a gas looked at in frames has the occupancies and rates it was given",
          "[msm][elementary][frames]") {
    const KnownGas gas;
    const std::int64_t n_frames = 300'000; // 1500 ps
    const SiteTrajectory t = simulate_exclusion(gas.sites, gas.network, gas.rates, 13, n_frames, 0.005, 3);
    CHECK(t.n_ions() == 13);
    const auto blocks = blocks_of(n_frames, n_frames / 40);
    const ElementaryCounts counts =
        count_elementary_hops({exclusion_path(t, gas.sites)}, gas.sites, gas.network, blocks);
    CHECK(counts.vacancies == 3);
    CHECK(counts.beyond <= 2); // an ion that hops twice within a frame
    const ElementaryRates rates = estimate_elementary_rates(counts, gas.network);
    for (std::size_t c = 0; c < 4; ++c)
        CHECK(std::abs(rates.classes[c].rate.value - gas.rates[c]) < 4 * rates.classes[c].poisson_error);
    CHECK(std::abs(rates.log_weight[1].value - std::log(gas.weight)) < 4 * rates.log_weight[1].error);
    // Another replica is another path, the same one the same.
    const auto short_path = [&](std::uint64_t replica) {
        return simulate_exclusion(gas.sites, gas.network, gas.rates, 13, 500, 0.1, 3, replica).events;
    };
    CHECK(short_path(1) == short_path(1));
    CHECK(!(short_path(1) == short_path(2)));
}

TEST_CASE("a lonely pair of sites shows how many hops a frame hides", "[msm][elementary][frames]") {
    // Two sites, one ion: seen on the other site after a frame with p = (1 - exp(-2 k dt)) / 2.
    SiteBasis basis = row_of_two();
    basis.orbit = {0, 0};
    const SiteSet sites = tile(basis, IVec3(1, 1, 1));
    const HopNetwork network = make_hop_network(basis, {}, 2.5);
    const double k = 0.5, dt = 0.8, p = (1 - std::exp(-2 * k * dt)) / 2;
    const std::int64_t n = 100'000;
    const SiteTrajectory t = simulate_exclusion(sites, network, std::vector<double>{k, k}, 1, n, dt, 7);
    const double changes = static_cast<double>(t.events.size() - 1),
                 expected = p * static_cast<double>(n - 1);
    CHECK(std::abs(changes - expected) < 4 * std::sqrt(expected * (1 - p)));
    const auto estimate = [&](const SiteTrajectory& frames) {
        return estimate_elementary_rates(count_elementary_hops({exclusion_path(frames, sites)}, sites,
                                                               network, blocks_of(frames.n_frames, 1000)),
                                         network);
    };
    const ElementaryRates seen = estimate(t);
    CHECK(seen.classes[0].balanced.value < 0.75 * k);
    FrameCorrectionOptions options;
    options.length = 2;
    options.iterations = 12;
    const FrameCorrection correction = correct_for_frames(seen, sites, network, 1, dt, options);
    // Errors of the data and of the simulation, carried by d ln k / d ln p = 2 p / ((1 - 2 p) 2 k dt).
    const double slope = p / ((1 - 2 * p) * k * dt), noise = std::sqrt(1.5 * (1 - p) / expected);
    CHECK(std::abs(correction.rates[0] / k - 1) < 4 * slope * noise);
    CHECK(correction.rates[0] == Approx(correction.rates[1]));
    CHECK(correction.factor[0] == Approx(correction.rates[0] / seen.classes[0].balanced.value));
    CHECK(correction.simulated.classes[0].balanced.value ==
          Approx(seen.classes[0].balanced.value).epsilon(0.02));
}

TEST_CASE("rates of a gas seen in coarse frames come out after the correction", "[msm][elementary][frames]") {
    const KnownGas gas;
    const double dt = 0.5;
    const std::int64_t n = 24'000; // 12 000 ps
    for (const double min_residence : {0.0, 1.2}) {
        const SiteTrajectory t = gas.simulate(13, n, dt, 11);
        const ElementaryRates seen =
            estimate_elementary_rates(count_elementary_hops({exclusion_path(t, gas.sites, min_residence)},
                                                            gas.sites, gas.network, blocks_of(n, 800)),
                                      gas.network);
        FrameCorrectionOptions options;
        options.length = 5;
        options.iterations = 8;
        options.min_residence = min_residence;
        const FrameCorrection correction = correct_for_frames(seen, gas.sites, gas.network, 13, dt, options);
        for (std::size_t c = 0; c < 4; ++c) {
            const ElementaryRate& r = seen.classes[c];
            INFO("minimum residence " << min_residence << ", class " << c);
            // The hidden hops carry no noise of their own: twice the relative error of the count is generous.
            const double error = 2 * r.balanced.error / r.balanced.value;
            CHECK(std::abs(correction.rates[c] / gas.rates[c] - 1) < 4 * error);
            if (c == class_from(gas.network, 0, 5.196)) {
                CHECK(correction.factor[c] > 1.03);
                CHECK(std::abs(r.balanced.value / gas.rates[c] - 1) >
                      4 * r.balanced.error / r.balanced.value);
            }
        }
    }
}

TEST_CASE("a gas that cannot move is refused", "[msm][elementary][frames]") {
    const KnownGas gas;
    const auto run = [&](std::vector<double> rates, std::size_t n, std::int64_t frames, double dt) {
        return simulate_exclusion(gas.sites, gas.network, rates, n, frames, dt, 1);
    };
    CHECK_THROWS_WITH(run(gas.rates, 16, 10, 1), Contains("16 ions on 16 sites"));
    CHECK_THROWS_WITH(run(gas.rates, 0, 10, 1), Contains("0 ions"));
    CHECK_THROWS_WITH(run({0, 0, 0, 0}, 13, 10, 1), Contains("without a hop"));
    CHECK_THROWS_WITH(run({-1, 1, 1, 1}, 13, 10, 1), Contains("rate of -1"));
    CHECK_THROWS_WITH(run({1}, 13, 10, 1), Contains("1 rates do not fit"));
    CHECK_THROWS_AS(run(gas.rates, 13, 0, 1), DataError);
    CHECK_THROWS_AS(run(gas.rates, 13, 10, 0), DataError);
    CHECK_THROWS_AS(correct_for_frames(ElementaryRates(), gas.sites, gas.network, 13, 1), DataError);
}
