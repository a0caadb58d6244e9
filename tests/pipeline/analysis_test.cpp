#include <cmath>

#include "mesolith/core/error.hpp"
#include "mesolith/core/parallel.hpp"
#include "mesolith/core/random.hpp"
#include "mesolith/pipeline/analysis.hpp"
#include "mesolith/sites/assign_sites.hpp"

#include "support/catch.hpp"
#include "support/kernels.hpp"
#include "support/synthetic.hpp"

using namespace mesolith;
using namespace mesolith::test;

namespace {

struct Run {
    SiteSet sites;
    std::vector<SiteTrajectory> trajectories;
    std::vector<MsdSums> msd;
};

/// Walk, rattle about the sites, and map back.
Run observe(const Kernel& kernel, std::size_t n_ions, std::size_t n_frames, std::uint64_t seed,
            int replicas = 1) {
    Run run;
    run.sites = tile(kernel.basis, IVec3(2, 1, 1));
    for (int r = 0; r < replicas; ++r) {
        const auto places = walk(kernel, n_ions, n_frames, seed + 1000003u * static_cast<std::uint64_t>(r));
        SiteMapper mapper(run.sites, {}, n_ions, kernel.lag_time);
        MsdAccumulator msd({1, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30}, n_ions, kernel.lag_time);
        std::vector<Vec3> positions(n_ions);
        for (std::size_t t = 0; t < n_frames; ++t) {
            for (std::size_t k = 0; k < n_ions; ++k) {
                Stream random(seed + static_cast<std::uint64_t>(r), RngUse::synthetic_noise, k, t);
                const Vec3 u(uniform01(random), uniform01(random), uniform01(random));
                positions[k] = position(places[t][k], kernel.basis) + 0.9 * (u - Vec3::Constant(0.5));
            }
            mapper.add_frame(positions);
            msd.add_frame(positions);
        }
        run.trajectories.push_back(mapper.finish());
        run.msd.push_back(msd.finish());
    }
    return run;
}

AnalysisOptions short_options(const Kernel& kernel) {
    AnalysisOptions o;
    o.lag_times = {kernel.lag_time, 2 * kernel.lag_time, 4 * kernel.lag_time};
    o.fit_begin = 8 * kernel.lag_time;
    o.fit_end = 20 * kernel.lag_time;
    o.bootstrap_samples = 60;
    return o;
}

const Check& find(const MarkovAnalysis& a, const std::string& name) {
    for (const Check& c : a.checks)
        if (c.name == name) return c;
    throw DataError("no check named " + name);
}

} // namespace

TEST_CASE("a Markovian crystal gives back its diffusivity at every lag and passes its checks",
          "[pipeline][analysis]") {
    const Kernel truth = grid_crystal(4);
    const Run run = observe(truth, 52, 3000, 12, 2);
    AnalysisOptions options = short_options(truth);
    options.ck_warn = 1.3; // the 95 % floor is crossed by chance; memory would cross it several times over
    const MarkovAnalysis a = analyse(run.trajectories, run.sites, run.msd, options);
    const Vec3 exact = exact_transport(truth).diffusivity.diagonal();
    REQUIRE(a.lags.size() == 3);
    for (const LagResult& lag : a.lags)
        for (int axis = 0; axis < 3; ++axis) {
            const double error = lag.error(axis, axis);
            CHECK(std::abs(lag.transport.diffusivity(axis, axis) - exact[axis]) < 4 * error);
            CHECK(error < 0.1 * exact[axis]);
        }
    const auto msd = exact_msd(truth, {8, 20}); // of the fit window, transient and all
    const Vec3 slope = (msd[1] - msd[0]).diagonal() / (2 * 12 * truth.lag_time);
    for (int axis = 0; axis < 3; ++axis) {
        CHECK(std::abs(a.raw_slope.diffusivity[axis] - slope[axis]) < 4 * a.raw_slope.error[axis]);
        CHECK(std::abs(a.projected_slope.diffusivity[axis] - slope[axis]) <
              4 * a.projected_slope.error[axis]);
    }
    for (const Check& check : a.checks) {
        INFO(check.name << ": " << check.text);
        CHECK(check.verdict != Verdict::fail);
    }
    CHECK(a.chosen == 0);
    CHECK(a.agreement_sentence.find("At the chosen lag of 2 ps the model's MSD grows as") == 0);
    CHECK(a.markovian);
    CHECK(a.convergence.back().duration == Approx(12000));
    CHECK((a.convergence.back().diffusivity - a.lags[0].transport.diffusivity.diagonal()).norm() < 1e-12);
    CHECK(a.model.time.size() == a.model.value.size());
}

TEST_CASE("rattling between two frames is seen: the shortest lag does not agree", "[pipeline][analysis]") {
    const Kernel truth = grid_crystal(4);
    auto places = walk(truth, 52, 4000, 3);
    // Every second frame shows a neighbour the ion never went to: back and forth without transport.
    for (std::size_t t = 1; t < places.size(); t += 2)
        for (std::size_t k = 0; k < places[t].size(); ++k) {
            places[t][k] = places[t - 1][k];
            places[t][k].site = (places[t][k].site + 1) % 26;
        }
    const SiteSet sites = tile(truth.basis, IVec3(2, 1, 1));
    const std::vector<SiteTrajectory> data{as_events(places, sites, truth.lag_time)};
    MsdAccumulator msd({1, 2, 4, 8, 12, 16, 20}, 52, truth.lag_time);
    for (const auto& frame : places) {
        std::vector<Vec3> positions;
        for (const Place& p : frame) positions.push_back(position(p, truth.basis));
        msd.add_frame(positions);
    }
    const MarkovAnalysis a = analyse(data, sites, {msd.finish()}, short_options(truth));
    CHECK_FALSE(a.lags[0].agrees);
    AnalysisOptions first = short_options(truth);
    first.chosen_lag = truth.lag_time;
    MsdAccumulator again({1, 2, 4, 8, 12, 16, 20}, 52, truth.lag_time);
    for (const auto& frame : places) {
        std::vector<Vec3> positions;
        for (const Place& p : frame) positions.push_back(position(p, truth.basis));
        again.add_frame(positions);
    }
    const MarkovAnalysis forced = analyse(data, sites, {again.finish()}, first);
    CHECK(forced.chosen == 0);
    CHECK(find(forced, "Chapman-Kolmogorov").verdict == Verdict::fail);
    CHECK(find(forced, "growth of the MSD").verdict == Verdict::fail);
}

TEST_CASE("the error bar of D is right: in 100 repeats the truth lies within one sigma in 60 to 76 %",
          "[pipeline][analysis][random]") {
    const Kernel truth = grid_crystal(9, 2, 1);
    const Vec3 exact = exact_transport(truth).diffusivity.diagonal();
    const int repeats = 100, samples = 60;
    Vec3 inside = Vec3::Zero(), z_sum = Vec3::Zero();
    for (int r = 0; r < repeats; ++r) {
        const Run run = observe(truth, 52, 800, 100 + static_cast<std::uint64_t>(r));
        const std::vector<std::int64_t> lags{1}, frames{800};
        const auto blocks = cut_into_blocks(frames, 20);
        const TransitionCounts counts = count_transitions(run.trajectories, run.sites, lags, blocks).front();
        const Vec3 D = exact_transport(estimate_kernel(counts, run.sites.basis, {})).diffusivity.diagonal();
        std::vector<std::vector<double>> resampled(3);
        for (int b = 0; b < samples; ++b) {
            const auto w = bootstrap_weights(blocks.size(), static_cast<std::uint64_t>(r),
                                             static_cast<std::uint32_t>(b));
            const Vec3 Db =
                exact_transport(estimate_kernel(counts, run.sites.basis, {}, w)).diffusivity.diagonal();
            for (std::size_t axis = 0; axis < 3; ++axis)
                resampled[axis].push_back(Db[static_cast<int>(axis)]);
        }
        for (int axis = 0; axis < 3; ++axis) {
            const double z =
                (D[axis] - exact[axis]) / standard_deviation(resampled[static_cast<std::size_t>(axis)]);
            inside[axis] += std::abs(z) < 1;
            z_sum[axis] += z;
        }
    }
    INFO("inside: " << inside.transpose() << " of 100, mean z: " << (z_sum / repeats).transpose());
    CHECK(inside.sum() / (3 * repeats) > 0.60);
    CHECK(inside.sum() / (3 * repeats) < 0.76);
    for (int axis = 0; axis < 3; ++axis) CHECK(std::abs(z_sum[axis] / repeats) < 0.4); // four standard errors
}

TEST_CASE("one and two threads give the same analysis", "[pipeline][analysis][parallel]") {
    const Kernel truth = grid_crystal(2);
    const Run run = observe(truth, 10, 400, 5);
    MarkovAnalysis one, two;
    with_threads(1, [&] { one = analyse(run.trajectories, run.sites, run.msd, short_options(truth)); });
    with_threads(2, [&] { two = analyse(run.trajectories, run.sites, run.msd, short_options(truth)); });
    CHECK(one.lags[1].error == two.lags[1].error);
    CHECK(one.model.error.back() == two.model.error.back());
    CHECK(one.chapman_kolmogorov.back().floor_95 == two.chapman_kolmogorov.back().floor_95);
}

TEST_CASE("an analysis names what is wrong with its lags and data", "[pipeline][analysis]") {
    const Kernel truth = grid_crystal(2);
    const Run run = observe(truth, 5, 60, 5);
    AnalysisOptions options = short_options(truth);
    const auto go = [&] { return analyse(run.trajectories, run.sites, run.msd, options); };
    options.lag_times = {1000};
    CHECK_THROWS_WITH(go(), Catch::Matchers::Contains("longer than the trajectory"));
    options.lag_times = {3.1};
    CHECK_THROWS_WITH(go(), Catch::Matchers::Contains("whole number of frames"));
    options.lag_times = {};
    CHECK_THROWS_AS(go(), DataError);
    options = short_options(truth);
    options.chosen_lag = 6;
    CHECK_THROWS_WITH(go(), Catch::Matchers::Contains("not in the list"));
    options = short_options(truth);
    options.fit_begin = 1e4;
    options.fit_end = 2e4;
    CHECK_THROWS_WITH(go(), Catch::Matchers::Contains("fit window"));
}
