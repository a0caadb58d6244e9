#include <cmath>
#include <random>

#include <Eigen/LU>

#include "mesolith/core/error.hpp"
#include "mesolith/core/parallel.hpp"
#include "mesolith/observables/msd_gls.hpp"

#include "support/catch.hpp"

using namespace mesolith;

namespace {

using Path = std::vector<std::vector<Vec3>>; // [frame][ion]

constexpr double frame_interval = 0.5; // [ps]

/// Independent Gaussian walkers; variances per frame 1, 4, 0.25.
Path gaussian_path(std::size_t n_frames, std::size_t n_ions, std::uint64_t seed) {
    std::mt19937_64 random(seed);
    std::normal_distribution<double> step(0, 1);
    Path path(n_frames, std::vector<Vec3>(n_ions, Vec3::Zero()));
    for (std::size_t t = 1; t < n_frames; ++t)
        for (std::size_t k = 0; k < n_ions; ++k)
            path[t][k] = path[t - 1][k] + Vec3(step(random), 2 * step(random), 0.5 * step(random));
    return path;
}
const Vec3 true_D = Vec3(1, 4, 0.25) / (2 * frame_interval);

MsdSums msd_of(const Path& path, const std::vector<std::int64_t>& lags) {
    MsdAccumulator msd(lags, path.front().size(), frame_interval, 1000);
    for (const auto& frame : path) msd.add_frame(frame);
    return msd.finish();
}

/// Sums without data: what weights depend on.
MsdSums empty_sums(std::int64_t n_frames, const std::vector<std::int64_t>& lags) {
    MsdSums s;
    s.lag_frames = lags;
    s.frame_interval = frame_interval;
    s.n_frames = n_frames;
    return s;
}

double overlap(std::int64_t t, std::int64_t a, std::int64_t u, std::int64_t b) {
    return static_cast<double>(std::max<std::int64_t>(0, std::min(t + a, u + b) - std::max(t, u)));
}

/// Covariance of the sums over windows that start in [p0, p1) and [q0, q1), window by window.
double brute_force(std::int64_t a, std::int64_t p0, std::int64_t p1, std::int64_t b, std::int64_t q0,
                   std::int64_t q1) {
    double sum = 0;
    for (std::int64_t t = p0; t < p1; ++t)
        for (std::int64_t u = q0; u < q1; ++u) sum += std::pow(overlap(t, a, u, b), 2);
    return sum;
}

std::vector<std::int64_t> every(std::int64_t first, std::int64_t last, std::int64_t step) {
    std::vector<std::int64_t> lags;
    for (std::int64_t l = first; l <= last; l += step) lags.push_back(l);
    return lags;
}

} // namespace

TEST_CASE("the weights are those of least squares with the covariance summed window by window",
          "[observables][gls]") {
    const std::vector<std::int64_t> lags{2, 3, 5, 9, 14, 20};
    const std::vector<MsdSums> sums{empty_sums(60, lags), empty_sums(31, lags)}; // two trajectories
    const std::vector<std::int64_t> n{60, 31};
    const SlopeEstimator e = gls_estimator(sums, cut_into_blocks(n, 15), 1.5, 10); // not the first lag
    REQUIRE(e.lags == std::vector<std::size_t>{1, 2, 3, 4, 5});
    CHECK(e.begin == 1.5);
    CHECK(e.end == 10);
    CHECK(e.shrinkage == 0);
    Eigen::MatrixXd covariance(5, 5), line(5, 2);
    for (int i = 0; i < 5; ++i) {
        const std::int64_t a = lags[static_cast<std::size_t>(i) + 1];
        line.row(i) << 1, 2 * static_cast<double>(a) * frame_interval;
        for (int j = 0; j < 5; ++j) {
            const std::int64_t b = lags[static_cast<std::size_t>(j) + 1];
            const auto windows = [](std::int64_t lag) { return static_cast<double>(60 - lag + 31 - lag); };
            covariance(i, j) =
                (brute_force(a, 0, 60 - a, b, 0, 60 - b) + brute_force(a, 0, 31 - a, b, 0, 31 - b)) /
                (windows(a) * windows(b));
        }
    }
    const Eigen::MatrixXd inverse = covariance.inverse();
    const Eigen::MatrixXd expected =
        (line.transpose() * inverse * line).inverse() * line.transpose() * inverse;
    for (int l = 0; l < 5; ++l) {
        CHECK(std::abs(e.weight[static_cast<std::size_t>(l)] - expected(1, l)) < 1e-9);
        CHECK(std::abs(e.intercept_weight[static_cast<std::size_t>(l)] - expected(0, l)) < 1e-9);
    }
}

TEST_CASE("the share of the variance that blocks show is that of a sum over all pairs of windows",
          "[observables][gls]") {
    const std::vector<std::int64_t> lags{4, 7, 12};
    const std::vector<std::int64_t> n{50, 40};
    const std::vector<MsdSums> sums{empty_sums(50, lags), empty_sums(40, lags)};
    const std::vector<TimeBlock> blocks = cut_into_blocks(n, 15);
    const SlopeEstimator e = ols_estimator(sums, blocks, 0, 100);
    // Covariance of all block sums, then of the residuals by their definition.
    const std::size_t n_blocks = blocks.size(), size = 3 * n_blocks;
    Eigen::MatrixXd C =
        Eigen::MatrixXd::Zero(static_cast<Eigen::Index>(size), static_cast<Eigen::Index>(size));
    std::vector<double> count(size), total(3, 0.0);
    const auto range = [&](std::size_t l, const TimeBlock& b) {
        const std::int64_t end = n[b.trajectory] - lags[l];
        return std::pair(std::min(b.begin, end), std::min(b.end, end));
    };
    for (std::size_t l = 0; l < 3; ++l)
        for (std::size_t k = 0; k < n_blocks; ++k) {
            const auto [p0, p1] = range(l, blocks[k]);
            count[l * n_blocks + k] = static_cast<double>(p1 - p0);
            total[l] += static_cast<double>(p1 - p0);
            for (std::size_t l2 = 0; l2 < 3; ++l2)
                for (std::size_t m = 0; m < n_blocks; ++m) {
                    const auto [q0, q1] = range(l2, blocks[m]);
                    if (blocks[k].trajectory == blocks[m].trajectory)
                        C(static_cast<Eigen::Index>(l * n_blocks + k),
                          static_cast<Eigen::Index>(l2 * n_blocks + m)) =
                            brute_force(lags[l], p0, p1, lags[l2], q0, q1);
                }
        }
    Eigen::VectorXd D = Eigen::VectorXd::Zero(static_cast<Eigen::Index>(size)); // D as a sum of block sums
    double scatter = 0;
    for (std::size_t k = 0; k < n_blocks; ++k) {
        Eigen::VectorXd y = Eigen::VectorXd::Zero(static_cast<Eigen::Index>(size));
        for (std::size_t l = 0; l < 3; ++l) {
            const auto at = [&](std::size_t m) { return static_cast<Eigen::Index>(l * n_blocks + m); };
            D[at(k)] = e.weight[l] / total[l];
            y[at(k)] += e.weight[l] / total[l];
            for (std::size_t m = 0; m < n_blocks; ++m)
                y[at(m)] -= e.weight[l] / total[l] * count[l * n_blocks + k] / total[l];
        }
        scatter += y.dot(C * y);
    }
    const auto B = static_cast<double>(n_blocks);
    const double expected = scatter * B / (B - 1) / D.dot(C * D);
    CHECK(std::abs(e.seen_by_blocks - expected) < 1e-10);
    CHECK(e.seen_by_blocks < 0.9); // windows of 12 frames in blocks of 15
}

TEST_CASE("every straight line is given back exactly, whatever its intercept", "[observables][gls]") {
    MsdSums sums = empty_sums(400, every(4, 80, 4));
    sums.bin_frames = 100;
    const Vec3 D(0.02, 0.5, 7), intercept(0.4, 0, -1);
    for (std::int64_t bin = 0; bin < 4; ++bin)
        for (const std::int64_t lag : sums.lag_frames) {
            const std::int64_t n =
                3 * std::min<std::int64_t>(100, std::max<std::int64_t>(0, 400 - lag - 100 * bin));
            sums.count.push_back(n);
            for (int a = 0; a < 3; ++a)
                sums.sum.push_back(static_cast<double>(n) *
                                   (intercept[a] + 2 * D[a] * frame_interval * static_cast<double>(lag)));
        }
    const std::vector<std::int64_t> n{400};
    const auto blocks = cut_into_blocks(n, 100);
    for (const auto& e : {gls_estimator({sums}, blocks, 5, 40), ols_estimator({sums}, blocks, 5, 40)}) {
        CHECK(e.lags.size() <= 16);
        const SlopeEstimate fit = estimate_slope(e, {sums}, blocks);
        CHECK((fit.diffusivity - D).norm() < 1e-11);
        CHECK((fit.intercept - intercept).norm() < 1e-9);
        CHECK(fit.error().norm() < 1e-10); // all blocks say the same
    }
    // Ordinary least squares is the line of fit_msd.
    std::vector<double> time;
    for (const std::int64_t lag : sums.lag_frames) time.push_back(frame_interval * static_cast<double>(lag));
    MsdSums bent = sums;
    for (std::size_t k = 0; k < bent.sum.size(); ++k)
        bent.sum[k] *= 1 + 0.1 * std::sin(static_cast<double>(k));
    const MsdFit line = fit_msd(time, weighted_msd({bent}, blocks), 5, 20);
    const SlopeEstimate ols = estimate_slope(ols_estimator({bent}, blocks, 5, 20), {bent}, blocks);
    CHECK((ols.diffusivity - line.diffusivity).norm() < 1e-10);
}

TEST_CASE("for random walks the slope is unbiased, its error is its scatter, and least squares scatters more",
          "[observables][gls][statistics]") {
    constexpr int repeats = 120;
    const std::vector<std::int64_t> lags = every(10, 40, 3);
    const std::vector<std::int64_t> n{300};
    const auto blocks = cut_into_blocks(n, 30);
    std::vector<double> gls, ols, gls_square, ols_square; // in units of the true D: axes together
    SlopeEstimator best, least_squares;
    for (int r = 0; r < repeats; ++r) {
        const std::vector<MsdSums> sums{
            msd_of(gaussian_path(300, 6, 1000 + static_cast<std::uint64_t>(r)), lags)};
        if (r == 0) {
            best = gls_estimator(sums, blocks, 0, 100);
            least_squares = ols_estimator(sums, blocks, 0, 100);
        }
        const SlopeEstimate a = estimate_slope(best, sums, blocks),
                            b = estimate_slope(least_squares, sums, blocks);
        for (int axis = 0; axis < 3; ++axis) {
            gls.push_back(a.diffusivity[axis] / true_D[axis]);
            ols.push_back(b.diffusivity[axis] / true_D[axis]);
            gls_square.push_back(a.covariance(axis, axis) / (true_D[axis] * true_D[axis]));
            ols_square.push_back(b.covariance(axis, axis) / (true_D[axis] * true_D[axis]));
        }
    }
    const auto mean = [](const std::vector<double>& x) {
        double sum = 0;
        for (const double v : x) sum += v;
        return sum / static_cast<double>(x.size());
    };
    const auto size = static_cast<double>(gls.size());
    for (const auto& [values, squares] : {std::pair(gls, gls_square), std::pair(ols, ols_square)}) {
        const double scatter = standard_deviation(values);
        CHECK(std::abs(mean(values) - 1) < 4 * scatter / std::sqrt(size));
        // Relative error of a variance from `size` values, and of the mean of the squared errors.
        const double relative = std::hypot(std::sqrt(2 / (size - 1)),
                                           standard_deviation(squares) / mean(squares) / std::sqrt(size));
        CHECK(std::abs(mean(squares) / (scatter * scatter) - 1) < 4 * relative);
    }
    CHECK(standard_deviation(gls) < 0.85 * standard_deviation(ols)); // 0.7 expected
}

TEST_CASE("block weights move D by the influence of the blocks", "[observables][gls]") {
    const std::vector<MsdSums> sums{msd_of(gaussian_path(400, 4, 5), every(5, 30, 5))};
    const std::vector<std::int64_t> n{400};
    const auto blocks = cut_into_blocks(n, 50);
    const SlopeEstimator e = gls_estimator(sums, blocks, 0, 100);
    const SlopeEstimate fit = estimate_slope(e, sums, blocks);
    REQUIRE(fit.influence.size() == 8);
    std::vector<double> weights(8, 1.0);
    weights[2] += 1e-6;
    weights[5] -= 1e-6;
    const auto msd = weighted_msd(sums, blocks, weights);
    Vec3 resampled = Vec3::Zero();
    for (std::size_t l = 0; l < e.lags.size(); ++l) resampled += e.weight[l] * msd[e.lags[l]];
    const Vec3 expected = 1e-6 * (fit.influence[2] - fit.influence[5]);
    CHECK((resampled - fit.diffusivity - expected).norm() < 1e-4 * expected.norm());
    CHECK(std::abs(fit.mean_error() - std::sqrt(fit.covariance.sum()) / 3) < 1e-15);
}

TEST_CASE("one and two threads give the same weights", "[observables][gls][parallel]") {
    const std::vector<MsdSums> sums{empty_sums(300, every(3, 60, 3)), empty_sums(200, every(3, 60, 3))};
    const std::vector<std::int64_t> n{300, 200};
    SlopeEstimator one, two;
    with_threads(1, [&] { one = gls_estimator(sums, cut_into_blocks(n, 40), 2, 30); });
    with_threads(2, [&] { two = gls_estimator(sums, cut_into_blocks(n, 40), 2, 30); });
    CHECK(one.weight == two.weight);
    CHECK(one.seen_by_blocks == two.seen_by_blocks);
}

TEST_CASE("the diffusive window begins where relaxation is over", "[observables][gls]") {
    // MSD = 2 D t + c (1 - exp(-t / 5 ps)), blocks that differ by 1 % at random on each axis.
    MsdSums sums = empty_sums(10000, msd_lags(1000, 60, 100, 400));
    sums.bin_frames = 500;
    std::mt19937_64 random(3);
    std::normal_distribution<double> noise(0, 0.01);
    const auto fill = [&](double c) {
        sums.sum.clear();
        sums.count.clear();
        for (std::int64_t bin = 0; bin < 20; ++bin) {
            const Vec3 factor(1 + noise(random), 1 + noise(random), 1 + noise(random));
            for (const std::int64_t lag : sums.lag_frames) {
                const double t = frame_interval * static_cast<double>(lag);
                sums.count.push_back(bin < 19 ? 500 : 500 - std::min<std::int64_t>(lag, 499));
                for (int a = 0; a < 3; ++a)
                    sums.sum.push_back(static_cast<double>(sums.count.back()) *
                                       (2 * t * factor[a] + c * (1 - std::exp(-t / 5)) + noise(random)));
            }
        }
    };
    const std::vector<std::int64_t> n{10000};
    const auto blocks = cut_into_blocks(n, 500);
    fill(0);
    const DiffusiveWindow straight = diffusive_window({sums}, blocks);
    CHECK(straight.found);
    CHECK(straight.begin == frame_interval); // the first lag
    CHECK(straight.end == 500);
    fill(20);
    const DiffusiveWindow bent = diffusive_window({sums}, blocks);
    CHECK(bent.found);
    CHECK(bent.begin > 5);
    CHECK(bent.begin < 60);
    for (std::size_t k = 0; k < sums.sum.size(); ++k) { // t^0.8: never straight
        const double t = frame_interval * static_cast<double>(sums.lag_frames[k / 3 % sums.n_lags()]);
        sums.sum[k] = static_cast<double>(sums.count[k / 3]) * std::pow(t, 0.8) * (1 + noise(random) / 100);
    }
    const DiffusiveWindow never = diffusive_window({sums}, blocks);
    CHECK_FALSE(never.found);
    CHECK(never.begin == never.end / 4);
}

TEST_CASE("a slope refuses empty windows and foreign lags and blocks", "[observables][gls]") {
    const std::vector<std::int64_t> n{100};
    const auto blocks = cut_into_blocks(n, 20);
    const std::vector<MsdSums> sums{empty_sums(100, {2, 4, 8})};
    CHECK_THROWS_WITH(gls_estimator(sums, blocks, 10, 20), Catch::Matchers::Contains("fit window"));
    CHECK_THROWS_AS(gls_estimator({}, blocks, 0, 20), DataError);
    CHECK_THROWS_AS(gls_estimator({sums[0], empty_sums(100, {2, 4})}, blocks, 0, 20), DataError);
    CHECK_THROWS_AS(gls_estimator({empty_sums(4, {2, 4, 8})}, blocks, 0, 20), DataError); // too short
    CHECK_THROWS_AS(gls_estimator(sums, {{1, 0, 50}}, 0, 20), DataError);
    CHECK_THROWS_AS(diffusive_window(sums, blocks), DataError);
    // A single block tells no error.
    const std::vector<MsdSums> walk{msd_of(gaussian_path(100, 2, 1), {2, 4, 8})};
    const auto one = cut_into_blocks(n, 100);
    CHECK(std::isnan(estimate_slope(gls_estimator(walk, one, 0, 10), walk, one).error()[0]));
}
