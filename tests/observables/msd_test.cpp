#include <algorithm>
#include <cmath>
#include <random>

#include "mesolith/core/error.hpp"
#include "mesolith/core/parallel.hpp"
#include "mesolith/observables/msd.hpp"

#include "support/catch.hpp"
#include "support/kernels.hpp"
#include "support/synthetic.hpp"

using namespace mesolith;
using namespace mesolith::test;

namespace {

using Path = std::vector<std::vector<Vec3>>; // [frame][ion]

Path random_path(std::size_t n_frames, std::size_t n_ions, std::uint64_t seed) {
    std::mt19937_64 random(seed);
    std::normal_distribution<double> step(0, 1);
    Path path(n_frames, std::vector<Vec3>(n_ions, Vec3::Zero()));
    for (std::size_t t = 1; t < n_frames; ++t)
        for (std::size_t k = 0; k < n_ions; ++k)
            path[t][k] = path[t - 1][k] + Vec3(step(random), 2 * step(random), 0.1 * step(random));
    return path;
}

Vec3 brute_force(const Path& path, std::size_t lag, std::size_t stride, std::size_t begin, std::size_t end) {
    Vec3 sum = Vec3::Zero();
    double n = 0;
    for (std::size_t t = begin; t < end && t + lag < path.size(); ++t) {
        if (t % stride != 0) continue;
        for (std::size_t k = 0; k < path[t].size(); ++k) {
            sum += (path[t + lag][k] - path[t][k]).cwiseAbs2();
            n += 1;
        }
    }
    return sum / n;
}

MsdSums stream_msd(const Path& path, std::vector<std::int64_t> lags, std::int64_t dense_lag) {
    MsdAccumulator msd(std::move(lags), path.front().size(), 0.5, dense_lag);
    for (const auto& frame : path) msd.add_frame(frame);
    return msd.finish();
}

} // namespace

TEST_CASE("the streamed MSD equals a loop over all origins", "[observables][msd]") {
    for (const std::size_t frames : {200u, 3000u}) { // 3000: bins have doubled twice
        const Path path = random_path(frames, 5, frames);
        const std::vector<std::int64_t> lags{1, 2, 7, 40, 120};
        const MsdSums sums = stream_msd(path, lags, 20);
        CHECK(sums.n_bins() <= 1024);
        CHECK(sums.bin_frames == (frames == 200 ? 1 : 4));
        const std::vector<std::int64_t> n{static_cast<std::int64_t>(frames)};
        const auto blocks = cut_into_blocks(n, static_cast<std::int64_t>(frames));
        const auto msd = weighted_msd({sums}, blocks);
        for (std::size_t l = 0; l < lags.size(); ++l) {
            const auto lag = static_cast<std::size_t>(lags[l]);
            const Vec3 expected = brute_force(path, lag, std::max<std::size_t>(1, lag / 20), 0, frames);
            CHECK((msd[l] - expected).norm() < 1e-11 * expected.norm());
        }
    }
}

TEST_CASE("blocks of an MSD hold the origins that start in them", "[observables][msd]") {
    const Path path = random_path(400, 3, 2);
    const MsdSums sums = stream_msd(path, {5}, 50);
    const std::vector<std::int64_t> n{400};
    const auto blocks = cut_into_blocks(n, 100);
    std::vector<double> only(4, 0.0);
    only[2] = 3;
    const Vec3 expected = brute_force(path, 5, 1, 200, 300);
    CHECK((weighted_msd({sums}, blocks, only)[0] - expected).norm() < 1e-12 * expected.norm());
    CHECK_THROWS_AS(weighted_msd({sums}, blocks, std::vector<double>(3, 1.0)), DataError);
}

TEST_CASE("the projected MSD equals a loop over all windows and skips unassigned ends",
          "[observables][msd]") {
    const Kernel kernel = random_reversible(5, 3);
    const SiteSet sites = tile(kernel.basis, IVec3(1, 2, 2));
    const auto places = walk(kernel, 6, 300, 8);
    SiteTrajectory trajectory = as_events(places, sites, 0.5);
    Path path(300, std::vector<Vec3>(6));
    for (std::size_t t = 0; t < 300; ++t)
        for (std::size_t k = 0; k < 6; ++k) path[t][k] = position(places[t][k], kernel.basis);
    const std::vector<std::int64_t> n{300};
    const auto blocks = cut_into_blocks(n, 300);
    std::vector<MsdSums> one(1), two(1);
    with_threads(1, [&] { one[0] = projected_msd(trajectory, sites, {1, 4, 50}, 7); });
    with_threads(2, [&] { two[0] = projected_msd(trajectory, sites, {1, 4, 50}, 7); });
    CHECK(one[0].sum == two[0].sum);
    const auto msd = weighted_msd(one, blocks);
    const std::size_t lags[] = {1, 4, 50};
    for (std::size_t l = 0; l < 3; ++l) {
        const Vec3 expected = brute_force(path, lags[l], 1, 0, 300);
        CHECK((msd[l] - expected).norm() < 1e-10 * expected.norm());
    }
    for (SiteEvent& e : trajectory.events) e.site = SiteId::none();
    CHECK(std::isnan(weighted_msd({projected_msd(trajectory, sites, {1}, 7)}, blocks)[0][0]));
}

TEST_CASE("a straight line gives back its slope and intercept", "[observables][msd]") {
    std::vector<double> time;
    std::vector<Vec3> msd;
    for (int k = 0; k < 40; ++k) {
        time.push_back(0.5 * k);
        msd.push_back(k < 4 ? Vec3(9, 9, 9) : Vec3(Vec3(0.3, 0.2, 0.1) + 0.5 * k * Vec3(1, 2, 3)));
    }
    const MsdFit fit = fit_msd(time, msd, 2, 15);
    CHECK((fit.diffusivity - Vec3(0.5, 1, 1.5)).norm() < 1e-13);
    CHECK((fit.intercept - Vec3(0.3, 0.2, 0.1)).norm() < 1e-12);
    CHECK_THROWS_WITH(fit_msd(time, msd, 30, 40), Catch::Matchers::Contains("fit window"));
}

TEST_CASE("lags of an MSD curve reach from one frame to the longest and fill the fit window evenly",
          "[observables][msd]") {
    const auto lags = msd_lags(4000, 40, 100, 400);
    CHECK(lags.front() == 1);
    CHECK(lags.back() == 4000);
    CHECK(std::count_if(lags.begin(), lags.end(), [](auto l) { return l >= 100 && l <= 400; }) >= 16);
    CHECK(std::is_sorted(lags.begin(), lags.end()));
}

TEST_CASE("an MSD refuses no ions, no lags and frames of another size", "[observables][msd]") {
    CHECK_THROWS_AS(MsdAccumulator({1}, 0, 1), DataError);
    CHECK_THROWS_AS(MsdAccumulator({}, 2, 1), DataError);
    CHECK_THROWS_AS(MsdAccumulator({0}, 2, 1), DataError);
    MsdAccumulator msd({1}, 2, 1);
    CHECK_THROWS_AS(msd.add_frame(std::vector<Vec3>(3, Vec3::Zero())), DataError);
}

TEST_CASE("an MSD that is stored and continued has the bits of one that went through", "[observables][msd]") {
    const Path path = random_path(2500, 5, 3); // bins double before and after the stop
    const std::vector<std::int64_t> lags{1, 2, 7, 40, 120};
    MsdAccumulator first(lags, 5, 0.5, 20), second(lags, 5, 0.5, 20);
    for (std::size_t f = 0; f < 1500; ++f) first.add_frame(path[f]);
    second.restore(first.sums(), first.last_frames());
    for (std::size_t f = 1500; f < path.size(); ++f) second.add_frame(path[f]);
    const MsdSums whole = stream_msd(path, lags, 20), sums = second.finish();
    CHECK(sums.sum == whole.sum);
    CHECK(sums.count == whole.count);
    CHECK(sums.bin_frames == whole.bin_frames);
    CHECK(sums.n_frames == whole.n_frames);
    MsdAccumulator other({1, 3}, 5, 0.5);
    CHECK_THROWS_AS(other.restore(first.sums(), first.last_frames()), DataError);
}
