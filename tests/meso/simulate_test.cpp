#include <algorithm>
#include <cmath>

#include "mesolith/core/error.hpp"
#include "mesolith/core/parallel.hpp"
#include "mesolith/meso/field.hpp"
#include "mesolith/meso/simulate.hpp"
#include "mesolith/msm/transport.hpp"

#include "support/catch.hpp"
#include "support/kernels.hpp"

using namespace mesolith;

namespace {

/// Second moment of the displacement after each number of steps, 0 ... n, by carrying (weight, first, second
/// moment) of every site along each hop.
std::vector<Mat3> moment_recursion(const Kernel& kernel, std::vector<double> z, std::int64_t n) {
    const std::size_t sites = kernel.n_sites();
    std::vector<Vec3> f(sites, Vec3::Zero());
    std::vector<Mat3> s(sites, Mat3::Zero()), msd;
    for (std::int64_t step = 0; step <= n; ++step) {
        Mat3 sum = Mat3::Zero();
        for (const Mat3& m : s) sum += m;
        msd.push_back(sum);
        std::vector<double> z2(sites);
        std::vector<Vec3> f2(sites, Vec3::Zero());
        std::vector<Mat3> s2(sites, Mat3::Zero());
        for (std::size_t j = 0; j < sites; ++j)
            for (const KernelEntry& e : kernel.from(j)) {
                const auto i = static_cast<std::size_t>(e.to);
                const Vec3 d = kernel.displacement(j, e);
                z2[i] += e.p * z[j];
                f2[i] += e.p * (f[j] + z[j] * d);
                s2[i] +=
                    e.p * (s[j] + f[j] * d.transpose() + d * f[j].transpose() + z[j] * d * d.transpose());
            }
        z = z2, f = f2, s = s2;
    }
    return msd;
}

double worst_z_score(const Mat3& value, const Mat3& error, const Mat3& exact) {
    double worst = 0;
    for (int a = 0; a < 3; ++a)
        for (int b = 0; b < 3; ++b)
            if (error(a, b) > 0)
                worst = std::max(worst, std::abs(value(a, b) - exact(a, b)) / error(a, b));
            else
                CHECK(value(a, b) == Approx(exact(a, b)).margin(1e-12));
    return worst;
}

MesoOptions small_run(double total_time_ps, std::uint64_t seed = 1) {
    MesoOptions options;
    options.n_walkers = 20'000;
    options.total_time_ps = total_time_ps;
    options.n_outputs = 8;
    options.seed = seed;
    return options;
}

} // namespace

TEST_CASE("fcc walkers diffuse with D = (1 - s) a^2 / (12 tau) within 4 standard errors",
          "[meso][simulate]") {
    const WalkerResult run = simulate_walkers(test::fcc(4, 0.4, 2), small_run(400));
    CHECK(run.steps.back() == 200);
    CHECK(run.time_ps.back() == 400);
    CHECK(run.slope_from_ps == 200);
    const double d = 0.6 * 16 / 24;
    CHECK(worst_z_score(run.diffusivity, run.diffusivity_error, d * Mat3::Identity()) < 4);
    for (std::size_t k = 0; k < run.steps.size(); ++k)
        CHECK(worst_z_score(run.msd[k], run.msd_error[k], 2 * d * run.time_ps[k] * Mat3::Identity()) < 4);
    // the error bars are those of a Gaussian: sqrt(2 / W) of an MSD, sqrt(6 / W) of the slope
    CHECK(run.msd_error.back()(0, 0) / run.msd.back()(0, 0) == Approx(std::sqrt(2.0 / 20'000)).epsilon(0.05));
    CHECK(run.diffusivity_error(1, 1) / d == Approx(std::sqrt(6.0 / 20'000)).epsilon(0.05));
    CHECK(run.drift.cwiseAbs().cwiseQuotient(run.drift_error).maxCoeff() < 4);
}

TEST_CASE("walkers on an alternating chain have its harmonic mean D and stay on their line",
          "[meso][simulate]") {
    const double p1 = 0.4, p2 = 0.1, l1 = 1.5, l2 = 2.5;
    const WalkerResult run = simulate_walkers(test::alternating_chain(p1, p2, l1, l2), small_run(300));
    Mat3 d = Mat3::Zero();
    d(0, 0) = (l1 + l2) * (l1 + l2) * p1 * p2 / (2 * (p1 + p2));
    CHECK(worst_z_score(run.diffusivity, run.diffusivity_error, d) < 4);
    CHECK(run.diffusivity_error(1, 1) == 0);
    // one step knows nothing of the bond behind the next site: a slope through the origin would be too large
    CHECK(std::abs(run.msd[0](0, 0) - (p1 * l1 * l1 + p2 * l2 * l2)) < 4 * run.msd_error[0](0, 0));
}

TEST_CASE("the MSD of walkers is the exact one at all times, also with drift and without detailed balance",
          "[meso][simulate]") {
    for (const Kernel& kernel : {test::random_reversible(5, 2), test::random_nonreversible(5, 4)}) {
        const WalkerResult run = simulate_walkers(kernel, small_run(100 * kernel.lag_time, 3));
        const auto exact = moment_recursion(kernel, kernel.stationary, 100);
        for (std::size_t k = 0; k < run.steps.size(); ++k)
            CHECK(worst_z_score(run.msd[k], run.msd_error[k], exact[static_cast<std::size_t>(run.steps[k])]) <
                  4);
        const Transport transport = exact_transport(kernel);
        CHECK(worst_z_score(run.diffusivity, run.diffusivity_error, transport.diffusivity) < 4);
        CHECK((run.drift - transport.drift).cwiseAbs().cwiseQuotient(run.drift_error).maxCoeff() < 4);
    }
}

TEST_CASE("walkers that start on one site have the MSD of that site", "[meso][simulate]") {
    const Kernel kernel = test::random_reversible(4, 6);
    MesoOptions options = small_run(40);
    options.start = WalkerStart::site;
    options.start_site = 2;
    const WalkerResult run = simulate_walkers(kernel, options);
    const auto exact = moment_recursion(kernel, {0, 0, 1, 0}, 20);
    for (std::size_t k = 0; k < run.steps.size(); ++k)
        CHECK(worst_z_score(run.msd[k], run.msd_error[k], exact[static_cast<std::size_t>(run.steps[k])]) < 4);
}

TEST_CASE("error bars of D and MSD are calibrated over 30 seeds", "[meso][simulate]") {
    // z^2 of 30 seeds x 3 axes: chi-square with 90 degrees of freedom, within its quantiles at 4 standard
    // deviations of a normal.
    const double d = 0.6 * 16 / 12;
    double chi2_d = 0, chi2_msd = 0;
    for (std::uint64_t seed = 1; seed <= 30; ++seed) {
        MesoOptions options = small_run(100, seed);
        options.n_walkers = 2000;
        const WalkerResult run = simulate_walkers(test::fcc(4, 0.4), options);
        for (int a = 0; a < 3; ++a) {
            chi2_d += std::pow((run.diffusivity(a, a) - d) / run.diffusivity_error(a, a), 2);
            chi2_msd += std::pow((run.msd.back()(a, a) - 2 * d * 100) / run.msd_error.back()(a, a), 2);
        }
    }
    CHECK(chi2_d > 46);
    CHECK(chi2_d < 154);
    CHECK(chi2_msd > 46);
    CHECK(chi2_msd < 154);
}

TEST_CASE("one and two threads give the same result bit by bit, another seed another",
          "[meso][simulate][parallel]") {
    const Kernel kernel = test::random_reversible(3, 9);
    WalkerResult one, two;
    with_threads(1, [&] { one = simulate_walkers(kernel, small_run(60)); });
    with_threads(2, [&] { two = simulate_walkers(kernel, small_run(60)); });
    CHECK(one.diffusivity == two.diffusivity);
    CHECK(one.diffusivity_error == two.diffusivity_error);
    CHECK(one.drift_error == two.drift_error);
    for (std::size_t k = 0; k < one.steps.size(); ++k) {
        CHECK(one.msd[k] == two.msd[k]);
        CHECK(one.msd_error[k] == two.msd_error[k]);
    }
    CHECK(simulate_walkers(kernel, small_run(60, 2)).diffusivity != one.diffusivity);
}

TEST_CASE("outputs ascend, are distinct and hold half time and the end", "[meso][simulate]") {
    CHECK(log_spaced_steps(2, 2) == std::vector<std::int64_t>{1, 2});
    CHECK(log_spaced_steps(1000, 4) == std::vector<std::int64_t>{1, 10, 100, 500, 1000});
    for (std::int64_t n : {std::int64_t{3}, std::int64_t{17}, std::int64_t{100'000'000'000}}) {
        const auto steps = log_spaced_steps(n, 50);
        for (std::size_t k = 1; k < steps.size(); ++k) CHECK(steps[k] > steps[k - 1]);
        CHECK(steps.front() == 1);
        CHECK(steps.back() == n);
        CHECK(std::count(steps.begin(), steps.end(), n / 2) == 1);
        CHECK(steps.size() <= 51);
    }
}

TEST_CASE("progress goes from 0 to 1 and may stop a run", "[meso][simulate]") {
    std::vector<double> seen;
    MesoOptions options = small_run(10'000);
    (void)simulate_walkers(test::fcc(), options, [&](double fraction) { seen.push_back(fraction); });
    CHECK(seen.front() == 0);
    CHECK(seen.back() == 1);
    CHECK(seen.size() > 5);
    CHECK(std::is_sorted(seen.begin(), seen.end()));
    CHECK_THROWS_AS(simulate_walkers(test::fcc(), options, [](double) { throw Stopped("stopped"); }),
                    Stopped);
}

TEST_CASE("the MSD of a field is exact as long as nothing has gone around, and it tells when",
          "[meso][simulate]") {
    for (const Kernel& kernel : {test::random_reversible(4, 2), test::random_nonreversible(4, 4)}) {
        FieldOptions options;
        options.cells = {33, 24, 27};
        options.n_steps = 10; // hops reach 1 cell: 10 steps stay within 11
        options.n_outputs = 5;
        const FieldResult run = simulate_field(kernel, options);
        const auto exact = moment_recursion(kernel, kernel.stationary, 10);
        for (std::size_t k = 0; k < run.steps.size(); ++k) {
            CHECK((run.msd[k] - exact[static_cast<std::size_t>(run.steps[k])]).norm() <
                  1e-12 * exact.back().norm());
            CHECK(run.wrapped[k] == 0);
            CHECK(run.mass_error[k] < 1e-13);
        }
        options.cells = {6, 6, 6};
        options.n_steps = 60;
        const FieldResult around = simulate_field(kernel, options);
        CHECK(around.wrapped.front() == 0);
        CHECK(around.wrapped.back() > 0.01);
        CHECK(around.msd.back().trace() <
              0.9 * moment_recursion(kernel, kernel.stationary, 60).back().trace());
    }
    // a chain fits into a lattice of one cell across: no hops there
    FieldOptions line;
    line.cells = {64, 1, 1};
    line.n_steps = 30;
    const FieldResult chain = simulate_field(test::alternating_chain(), line);
    CHECK(chain.wrapped.back() == 0);
    CHECK(chain.msd.back()(0, 0) ==
          Approx(moment_recursion(test::alternating_chain(), {0.5, 0.5}, 30).back()(0, 0)).epsilon(1e-12));
}

TEST_CASE("the bound on what has gone around holds", "[meso][simulate]") {
    const Kernel chain = test::alternating_chain(0.4, 0.3);
    FieldOptions options;
    options.cells = {12, 1, 1}; // -5 ... 6
    options.n_steps = 40;
    const FieldResult run = simulate_field(chain, options);
    Field wide(tile(chain, {200, 1, 1}));
    for (std::size_t j = 0; j < 2; ++j) wide.set(IVec3::Zero(), j, 0.5);
    std::int64_t at = 0;
    double outside = 0;
    for (std::size_t k = 0; k < run.steps.size(); ++k) {
        advance(wide, static_cast<std::uint64_t>(run.steps[k] - at));
        at = run.steps[k];
        outside = 0;
        for (int x = 7; x <= 194; ++x) outside += wide.at({x, 0, 0}, 0) + wide.at({x, 0, 0}, 1);
        CHECK(outside <= run.wrapped[k]);
    }
    CHECK(outside > 1e-4);
    CHECK(run.wrapped.back() < 1); // not by saying nothing
}

TEST_CASE("runs without walkers, without time and without outputs are refused", "[meso][simulate]") {
    const Kernel kernel = test::fcc();
    const auto refused = [&](auto&& change) {
        MesoOptions options = small_run(10);
        change(options);
        CHECK_THROWS_AS(simulate_walkers(kernel, options), DataError);
    };
    refused([](MesoOptions& o) { o.n_walkers = 1; });
    refused([](MesoOptions& o) { o.total_time_ps = 0; });
    refused([](MesoOptions& o) { o.total_time_ps = std::nan(""); });
    refused([](MesoOptions& o) { o.total_time_ps = 1e30; });
    refused([](MesoOptions& o) { o.n_outputs = 1; });
    refused([](MesoOptions& o) { o.size[1] = 0; });
    refused([](MesoOptions& o) { o.start = WalkerStart::site, o.start_site = 1; });
    FieldOptions field;
    field.n_steps = 1;
    CHECK_THROWS_AS(simulate_field(kernel, field), DataError);
    field = {};
    field.cells[2] = 0;
    CHECK_THROWS_AS(simulate_field(kernel, field), DataError);
}
