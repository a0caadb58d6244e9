#include <cmath>

#include "mesolith/core/error.hpp"
#include "mesolith/core/parallel.hpp"
#include "mesolith/observables/van_hove.hpp"

#include "support/catch.hpp"
#include "support/kernels.hpp"
#include "support/synthetic.hpp"

using namespace mesolith;
using namespace mesolith::test;

TEST_CASE("sums of a trajectory equal a loop over all windows and leave out unassigned ends",
          "[observables][van_hove]") {
    const Kernel kernel = random_reversible(5, 3);
    const SiteSet sites = tile(kernel.basis, IVec3(2, 1, 2));
    const auto places = walk(kernel, 6, 300, 8);
    SiteTrajectory trajectory = as_events(places, sites, 0.5);
    // Ion 2 is nowhere from its third event on, until the next.
    const std::size_t lost = trajectory.offsets[2] + 2;
    trajectory.events[lost].site = SiteId::none();
    const auto assigned = [&](std::size_t ion, std::int64_t t) {
        return ion != 2 || t < trajectory.events[lost].frame || t >= trajectory.events[lost + 1].frame;
    };
    const std::vector<std::int64_t> lags{1, 6}, frames{300};
    const auto blocks = cut_into_blocks(frames, 100);
    const DistanceBins bins{0.5, 20};
    const std::vector<Vec3> waves{Vec3(0.4, 0, 0.3), Vec3(0, 1, 0)};
    const auto sums = van_hove_sums({trajectory}, sites, lags, blocks, bins, waves);
    REQUIRE(sums.size() == 2);
    for (std::size_t l = 0; l < 2; ++l) {
        REQUIRE(sums[l].n_blocks() == 3);
        CHECK(sums[l].lag_time() == Approx(0.5 * static_cast<double>(lags[l])));
        for (std::size_t b = 0; b < 3; ++b) {
            std::vector<double> histogram(21, 0.0);
            std::complex<double> f[2] = {0, 0};
            double windows = 0;
            for (std::int64_t t = blocks[b].begin; t < blocks[b].end && t + lags[l] < 300; ++t)
                for (std::size_t ion = 0; ion < 6; ++ion) {
                    if (!assigned(ion, t) || !assigned(ion, t + lags[l])) continue;
                    const Vec3 d =
                        position(places[static_cast<std::size_t>(t + lags[l])][ion], kernel.basis) -
                        position(places[static_cast<std::size_t>(t)][ion], kernel.basis);
                    histogram[bins.bin_of(d.norm())] += 1;
                    for (std::size_t k = 0; k < 2; ++k) f[k] += std::polar(1.0, -waves[k].dot(d));
                    windows += 1;
                }
            CHECK(sums[l].windows[b] == windows);
            for (std::size_t r = 0; r < 21; ++r) CHECK(sums[l].histogram[b * 21 + r] == histogram[r]);
            for (std::size_t k = 0; k < 2; ++k)
                CHECK(std::abs(sums[l].scattering[b * 2 + k] - f[k]) < 1e-9 * windows);
        }
    }
}

TEST_CASE("a trajectory of a kernel has its van Hove function and scattering within four errors",
          "[observables][van_hove][random]") {
    const Kernel kernel = grid_crystal(5);
    const SiteSet sites = tile(kernel.basis, IVec3(1, 2, 1));
    const std::vector<std::int64_t> lags{1, 4}, frames{3000};
    const auto blocks = cut_into_blocks(frames, 75);
    const DistanceBins bins{1.0, 14};
    const std::vector<Vec3> waves{Vec3(0.2, 0, 0), Vec3(0, 0.5, 0.1), Vec3(-0.4, 0.2, 0.9)};
    const std::vector<SiteTrajectory> data{as_events(walk(kernel, 30, 3000, 17), sites, kernel.lag_time)};
    const auto sums = van_hove_sums(data, sites, lags, blocks, bins, waves);
    const auto exact = exact_van_hove(kernel, lags, bins);
    const auto f = intermediate_scattering(kernel, waves, lags);
    for (std::size_t l = 0; l < 2; ++l) {
        const VanHoveMeans all = weighted_van_hove(sums[l]);
        std::vector<VanHoveMeans> parts;
        for (std::size_t b = 0; b < blocks.size(); ++b) {
            std::vector<double> only(blocks.size(), 0.0);
            only[b] = 1;
            parts.push_back(weighted_van_hove(sums[l], only));
        }
        const auto error = [&](auto&& value) {
            std::vector<double> samples;
            for (const VanHoveMeans& part : parts) samples.push_back(value(part));
            return standard_deviation(samples) / std::sqrt(static_cast<double>(samples.size()));
        };
        double seen = 0;
        for (std::size_t b = 0; b < bins.n; ++b) {
            if (exact[l].probability[b] < 0.01) continue;
            const double e = error([&](const VanHoveMeans& m) { return m.probability[b]; });
            CHECK(std::abs(all.probability[b] - exact[l].probability[b]) < 4 * e);
            CHECK(e < 0.1 * exact[l].probability[b]); // the data do say something
            seen += all.probability[b];
        }
        CHECK(seen > 0.9);
        for (std::size_t k = 0; k < waves.size(); ++k) {
            const auto expected = f[k * lags.size() + l];
            CHECK(std::abs(all.scattering[k].real() - expected.real()) <
                  4 * error([&](const VanHoveMeans& m) { return m.scattering[k].real(); }));
            CHECK(std::abs(all.scattering[k].imag() - expected.imag()) <
                  4 * error([&](const VanHoveMeans& m) { return m.scattering[k].imag(); }));
        }
    }
}

TEST_CASE("weighted van Hove functions need a weight per block and windows to average",
          "[observables][van_hove]") {
    const Kernel kernel = simple_cubic();
    const SiteSet sites = tile(kernel.basis, IVec3(2, 2, 2));
    const std::vector<SiteTrajectory> data{as_events(walk(kernel, 3, 40, 1), sites, 1)};
    const std::vector<std::int64_t> lags{1}, frames{40};
    const auto blocks = cut_into_blocks(frames, 10);
    const std::vector<Vec3> waves{Vec3(1, 0, 0)};
    std::vector<VanHoveSums> one, two;
    with_threads(1, [&] { one = van_hove_sums(data, sites, lags, blocks, {}, waves); });
    with_threads(2, [&] { two = van_hove_sums(data, sites, lags, blocks, {}, waves); });
    CHECK(one[0].histogram == two[0].histogram);
    CHECK(one[0].scattering == two[0].scattering);
    const VanHoveMeans twice = weighted_van_hove(one[0], std::vector<double>(4, 2.0));
    CHECK(twice.probability[0] == Approx(weighted_van_hove(one[0]).probability[0]));
    CHECK(std::isnan(weighted_van_hove(one[0], std::vector<double>(4, 0.0)).probability[0]));
    CHECK_THROWS_AS(weighted_van_hove(one[0], std::vector<double>(3, 1.0)), DataError);
    CHECK_THROWS_AS(van_hove_sums(data, sites, lags, blocks, {0.1, 0}, waves), DataError);
    const auto counts = count_transitions(data, sites, lags, blocks);
    CHECK_THROWS_AS(van_hove_sums(counts[0], alternating_chain().basis, {}, waves), DataError);
}
