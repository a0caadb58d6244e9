#include <algorithm>
#include <cmath>

#include "mesolith/core/error.hpp"
#include "mesolith/core/parallel.hpp"
#include "mesolith/msm/transport.hpp"
#include "mesolith/observables/walker_statistics.hpp"

#include "support/catch.hpp"
#include "support/contains_text.hpp"
#include "support/kernels.hpp"

using namespace mesolith;

namespace {

WalkerPlan plan_of(std::vector<std::int64_t> outputs, std::vector<std::int64_t> origins,
                   std::vector<std::int64_t> lags) {
    WalkerPlan plan;
    plan.outputs = std::move(outputs);
    plan.origins = std::move(origins);
    plan.lags = std::move(lags);
    return plan;
}

struct Walked {
    WalkerStatistics statistics;
    Walkers walkers;
};

Walked walk(const Domain& domain, WalkerPlan plan, std::size_t n, std::uint64_t seed) {
    const JumpTable jumps = make_jump_table(domain, make_hop_rules(domain));
    Walked w{make_walker_statistics(std::move(plan), domain, n), place_walkers(n, domain, {}, seed)};
    std::vector<WalkerSnapshot> origins;
    Passages passages;
    std::int64_t step = 0;
    for (const std::int64_t event : w.statistics.plan.events()) {
        passages += advance(w.walkers, jumps, seed, static_cast<std::uint64_t>(step),
                            static_cast<std::uint64_t>(event - step));
        step = event;
        measure(w.statistics, domain, w.walkers, step, origins, passages);
        const auto& from = w.statistics.plan.origins;
        if (step > 0 && std::find(from.begin(), from.end(), step) != from.end())
            origins.push_back(snapshot_of(w.walkers, step));
    }
    return w;
}

} // namespace

TEST_CASE("MSD, D and F_s of walkers are exact to four standard errors, with one origin and with several",
          "[observables]") {
    const Kernel kernel = test::random_reversible(6, 2);
    const Domain domain = crystal_domain(kernel, {10, 10, 10});
    const Mat3 D = exact_transport(kernel).diffusivity;
    double error_of_one = 0;
    for (const std::vector<std::int64_t>& origins :
         {std::vector<std::int64_t>{0}, {0, 40, 80, 120, 160, 200}}) {
        WalkerPlan plan = plan_of({400}, origins, {1, 3, 10, 30, 100, 200});
        plan.waves = {{0.1, 0.02, 0}, {0, 0.3, 0.1}};
        const Walked w = walk(domain, plan, 20'000, 5);
        const WalkerAverages a = average(w.statistics);
        REQUIRE(a.lags == plan.lags);
        const std::vector<Mat3> exact = exact_msd(kernel, a.lags);
        const auto scattering = intermediate_scattering(kernel, plan.waves, a.lags);
        for (std::size_t l = 0; l < a.lags.size(); ++l) {
            for (int x = 0; x < 3; ++x)
                for (int y = 0; y < 3; ++y)
                    CHECK(std::abs(a.msd[l](x, y) - exact[l](x, y)) < 4 * a.msd_error[l](x, y));
            CHECK((a.mean[l].cwiseAbs().array() < 4 * a.mean_error[l].array()).all());
            for (std::size_t k = 0; k < 2; ++k)
                CHECK(std::abs(a.scattering[l][k] - scattering[k * a.lags.size() + l].real()) <
                      4 * a.scattering_error[l][k]);
        }
        for (int x = 0; x < 3; ++x)
            for (int y = 0; y < 3; ++y)
                CHECK(std::abs(a.diffusivity(x, y) / kernel.lag_time - D(x, y)) <
                      4 * a.diffusivity_error(x, y) / kernel.lag_time);
        // sqrt(2 / W) per axis for one origin, and less for more of them.
        const double relative = a.diffusivity_error(0, 0) / a.diffusivity(0, 0);
        if (origins.size() == 1) {
            error_of_one = relative;
            CHECK(relative > 0.7 * std::sqrt(2.0 / 20'000));
            CHECK(relative < 3 * std::sqrt(2.0 / 20'000));
        } else {
            CHECK(relative < error_of_one);
        }
    }
}

TEST_CASE("the error bars of D are those of repeated runs", "[observables]") {
    const Kernel kernel = test::simple_cubic();
    const Domain domain = crystal_domain(kernel, {5, 5, 5});
    double sum = 0, squares = 0, errors = 0;
    constexpr int n = 40;
    for (int seed = 0; seed < n; ++seed) {
        const WalkerAverages a = average(
            walk(domain, plan_of({64}, {0, 16}, {8, 48}), 1000, static_cast<std::uint64_t>(seed)).statistics);
        sum += a.diffusivity(0, 0), squares += a.diffusivity(0, 0) * a.diffusivity(0, 0);
        errors += a.diffusivity_error(0, 0) / n;
    }
    const double scatter = std::sqrt((squares - sum * sum / n) / (n - 1));
    CHECK(errors / scatter ==
          Approx(1).margin(4 / std::sqrt(2.0 * (n - 1)))); // four standard errors of the scatter
}

TEST_CASE("the histogram of distances is the van Hove function", "[observables]") {
    const Kernel kernel = test::simple_cubic();
    WalkerPlan plan = plan_of({16}, {0}, {4, 16});
    plan.van_hove = {1};
    plan.bins = {1.0, 20};
    constexpr std::size_t n = 40'000;
    const Walked w = walk(crystal_domain(kernel, {8, 8, 8}), plan, n, 3);
    const VanHove exact = exact_van_hove(kernel, std::vector<std::int64_t>{16}, plan.bins)[0];
    std::int64_t all = 0;
    for (std::size_t b = 0; b < 20; ++b) {
        const double p = exact.probability[b], seen = static_cast<double>(w.statistics.histogram[b]);
        CHECK(std::abs(seen - p * n) <= 4 * std::sqrt(p * (1 - p) * n) + 1e-9);
        all += w.statistics.histogram[b];
    }
    CHECK(all + w.statistics.histogram[20] == n);
}

TEST_CASE("walkers are counted in layers and regions, and through planes", "[observables]") {
    Domain domain = crystal_domain(test::simple_cubic(), {8, 2, 2});
    domain.regions.push_back({"right", 0});
    for (std::size_t c = 0; c < 32; ++c) domain.region.push_back(c % 8 < 5 ? 0 : 1);
    WalkerPlan plan = plan_of({0, 1, 2}, {0}, {});
    plan.planes = {0, 4};
    WalkerStatistics s = make_walker_statistics(plan, domain, 3);
    Walkers w = place_walkers(3, domain, {}, 1);
    const auto at = [&](std::int32_t a, std::int32_t b, std::int32_t c) {
        w.x = {a, b, c}, w.y = w.z = {0, 0, 0};
    };
    at(0, 3, 7);
    measure(s, domain, w, 0, {}, {});
    at(-1, 4,
       8); // the first through plane 0 downwards, the second through 4 upwards, the third through 0 upwards
    measure(s, domain, w, 1, {}, {});
    CHECK(std::vector(s.layer.begin() + 8, s.layer.begin() + 16) ==
          std::vector<std::int64_t>{1, 0, 0, 0, 1, 0, 0, 1});
    CHECK(std::vector(s.region.begin(), s.region.begin() + 4) == std::vector<std::int64_t>{2, 1, 2, 1});
    CHECK(flux_through(s, 0, 1) == std::vector<std::int64_t>{0, 1});
    at(-6, 4, 9); // through 4 (of the image at -4) downwards
    measure(s, domain, w, 2, {}, {});
    CHECK(flux_through(s, 1, 2) == std::vector<std::int64_t>{0, -1});
}

TEST_CASE("between reservoirs the flux through every plane is what comes in less what stays",
          "[observables]") {
    Domain domain = crystal_domain(test::simple_cubic(), {12, 3, 3});
    domain.faces[0] = {Face{FaceKind::reservoir, 5}, Face{FaceKind::absorbing, 0}};
    WalkerPlan plan = plan_of({0, 50, 200}, {0}, {});
    plan.planes = {0, 5};
    const Walked w = walk(domain, plan, 10, 7);
    const WalkerStatistics& s = w.statistics;
    const auto through = flux_through(s, 0, 2);
    const auto entered = static_cast<std::int64_t>(s.entered[12]),
               back = static_cast<std::int64_t>(s.left[12]);
    REQUIRE(entered > 100);
    std::int64_t below = 0, before = 0; // layers 0 to 4, at the end and at the start
    for (std::size_t l = 0; l < 5; ++l) below += s.layer[2 * 12 + l], before += s.layer[l];
    CHECK(through[1] == entered - back - (below - before));
}

TEST_CASE("statistics have the same bits with one thread and two", "[observables]") {
    const Domain domain = crystal_domain(test::random_reversible(4, 9), {6, 6, 6});
    std::vector<std::vector<double>> sums;
    for (const int n : {1, 2})
        with_threads(n, [&] {
            sums.push_back(walk(domain, plan_of({20}, {0, 5}, {5, 15}), 5000, 2).statistics.displacement);
        });
    CHECK(sums[0] == sums[1]);
}

TEST_CASE("D from one lag or one batch is refused", "[observables]") {
    const Domain domain = crystal_domain(test::simple_cubic(), {5, 5, 5});
    CHECK_THROWS_WITH(average(walk(domain, plan_of({4}, {0}, {4}), 100, 1).statistics),
                      test::contains_text("two of each"));
    CHECK_THROWS_WITH(average(walk(domain, plan_of({4}, {0}, {2, 4}), 2, 1).statistics),
                      test::contains_text("two of each"));
}

TEST_CASE("times of passage are binned eight to the octave", "[observables]") {
    PassageHistogram h;
    const std::vector<Exit> exits{{0, 2.0, 1, 0}, {1, 4.0, 1, 0}, {2, 4.0, 5, 0}};
    h.add(exits, 2.0);
    CHECK(h.n[1] == 2);
    CHECK(h.sum[1] == 6);
    CHECK(h.sum_of_squares[1] == 20);
    for (const auto& [face, time] : {std::pair{1, 2.0}, {1, 4.0}, {5, 4.0}}) {
        std::size_t bin = 0;
        while (PassageHistogram::lower_edge(bin + 1, 2.0) <= time) ++bin;
        CHECK(h.count[static_cast<std::size_t>(face) * PassageHistogram::n_bins + bin] == 1);
    }
}
