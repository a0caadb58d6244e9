#include <cmath>
#include <limits>
#include <random>

#include "mesolith/core/error.hpp"
#include "mesolith/core/units.hpp"
#include "mesolith/observables/arrhenius.hpp"

#include "support/catch.hpp"

using namespace mesolith;
using Catch::Matchers::Contains;

namespace {

using units::boltzmann_ev_per_k;

double law(double prefactor, double energy, double temperature) {
    return prefactor * std::exp(-energy / (boltzmann_ev_per_k * temperature));
}

} // namespace

TEST_CASE("an exact Arrhenius law is recovered exactly, whatever the errors", "[observables][arrhenius]") {
    std::vector<ArrheniusPoint> points;
    for (const double T : {500., 600., 800., 1000.})
        points.push_back({T, law(2.5, 0.21, T), law(2.5, 0.21, T) * (T == 600 ? 0.5 : 0.01)});
    const ArrheniusFit fit = fit_arrhenius(points);
    CHECK(std::abs(fit.activation_energy - 0.21) < 1e-12);
    CHECK(std::abs(fit.log_prefactor - std::log(2.5)) < 1e-11);
    CHECK(fit.chi_squared < 1e-18);
    CHECK(fit.degrees_of_freedom == 2);
    CHECK(fit.p > 1 - 1e-12);
    CHECK(std::abs(fit.log_at(300) - std::log(law(2.5, 0.21, 300))) < 1e-11);
    CHECK(fit.extrapolates(499));
    CHECK_FALSE(fit.extrapolates(500));
    CHECK_FALSE(fit.extrapolates(1000));
    CHECK(fit.extrapolates(1001));
}

TEST_CASE("two points give the line through them and its errors by propagation", "[observables][arrhenius]") {
    const double T1 = 500, T2 = 800, v1 = 0.0067, v2 = 0.0446, e1 = 0.0005, e2 = 0.002;
    const ArrheniusFit fit = fit_arrhenius(std::vector<ArrheniusPoint>{{T1, v1, e1}, {T2, v2, e2}});
    const double b1 = 1 / (boltzmann_ev_per_k * T1), b2 = 1 / (boltzmann_ev_per_k * T2);
    const double energy = std::log(v2 / v1) / (b1 - b2);
    CHECK(std::abs(fit.activation_energy - energy) < 1e-12);
    const double s1 = e1 / v1, s2 = e2 / v2;
    CHECK(std::abs(fit.energy_error() - std::hypot(s1, s2) / (b1 - b2)) < 1e-12);
    // The line goes through the points, so there its error is theirs.
    CHECK(std::abs(fit.log_error_at(T1) - s1) < 1e-10);
    CHECK(std::abs(fit.log_error_at(T2) - s2) < 1e-10);
    const double var0 = (b2 * b2 * s1 * s1 + b1 * b1 * s2 * s2) / ((b1 - b2) * (b1 - b2));
    CHECK(std::abs(fit.covariance(0, 0) - var0) < 1e-9 * var0);
    const double cov = (b2 * s1 * s1 + b1 * s2 * s2) / ((b1 - b2) * (b1 - b2));
    CHECK(std::abs(fit.covariance(0, 1) - cov) < 1e-9 * cov);
    CHECK(std::isnan(fit.p));
}

TEST_CASE("errors, band and the test of curvature are those of repeated noisy data",
          "[observables][arrhenius][statistics]") {
    const std::vector<double> temperatures{450, 500, 600, 700, 800}, relative{0.08, 0.05, 0.05, 0.02, 0.03};
    constexpr int repeats = 4000;
    std::mt19937_64 random(11);
    std::normal_distribution<double> noise(0, 1);
    const std::vector<double> at{300, 550, 900};
    double energy = 0, energy2 = 0, chi = 0, cross = 0;
    int rejected = 0;
    std::vector<double> band2(at.size(), 0.0);
    ArrheniusFit fit;
    for (int r = 0; r < repeats; ++r) {
        std::vector<ArrheniusPoint> points;
        for (std::size_t k = 0; k < temperatures.size(); ++k) {
            const double v = law(3, 0.25, temperatures[k]) * std::exp(relative[k] * noise(random));
            points.push_back({temperatures[k], v, v * relative[k]});
        }
        fit = fit_arrhenius(points);
        const double d = fit.activation_energy - 0.25, d0 = fit.log_prefactor - std::log(3.);
        energy += d;
        energy2 += d * d;
        cross += d * d0;
        chi += fit.chi_squared;
        rejected += fit.p < 0.05;
        for (std::size_t k = 0; k < at.size(); ++k)
            band2[k] += std::pow(fit.log_at(at[k]) - std::log(law(3, 0.25, at[k])), 2);
    }
    const double four = 4 * std::sqrt(2. / repeats); // relative error of a variance, four times
    CHECK(std::abs(energy / repeats) < 4 * fit.energy_error() / std::sqrt(1. * repeats));
    CHECK(std::abs(energy2 / repeats / fit.covariance(1, 1) - 1) < four);
    CHECK(std::abs(cross / repeats / fit.covariance(0, 1) - 1) < four);
    for (std::size_t k = 0; k < at.size(); ++k)
        CHECK(std::abs(band2[k] / repeats / std::pow(fit.log_error_at(at[k]), 2) - 1) < four);
    CHECK(std::abs(chi / repeats - 3) < 4 * std::sqrt(6. / repeats)); // 3 degrees of freedom
    CHECK(std::abs(rejected - 0.05 * repeats) < 4 * std::sqrt(0.05 * 0.95 * repeats));
}

TEST_CASE("values without errors give the line of equal weights and the errors of their scatter",
          "[observables][arrhenius][statistics]") {
    const std::vector<double> temperatures{400, 500, 600, 700, 800, 1000};
    std::vector<ArrheniusPoint> exact;
    for (const double T : temperatures) exact.push_back({T, law(2.5, 0.21, T), std::nan("")});
    const ArrheniusFit line = fit_arrhenius_by_scatter(exact);
    CHECK(std::abs(line.activation_energy - 0.21) < 1e-12);
    CHECK(line.energy_error() < 1e-12);
    CHECK(line.log_error_at(300) < 1e-10);
    CHECK(std::isnan(line.p));
    // Noise of 5 %: the variance of Ea, and of the line beyond the data, is what the fits say on average.
    constexpr int repeats = 4000;
    std::mt19937_64 random(5);
    std::normal_distribution<double> noise(0, 1);
    double energy2 = 0, said = 0, band2 = 0, band_said = 0;
    int inside = 0;
    for (int r = 0; r < repeats; ++r) {
        std::vector<ArrheniusPoint> points = exact;
        for (ArrheniusPoint& p : points) p.value *= std::exp(0.05 * noise(random));
        const ArrheniusFit fit = fit_arrhenius_by_scatter(points);
        energy2 += std::pow(fit.activation_energy - 0.21, 2);
        said += fit.covariance(1, 1);
        const double off = fit.log_at(300) - std::log(law(2.5, 0.21, 300));
        band2 += off * off;
        band_said += std::pow(fit.log_error_at(300), 2);
        inside +=
            std::abs(off) < 2.776 * fit.log_error_at(300); // 95 % of Student's t with 4 degrees of freedom
    }
    const double four =
        4 * std::sqrt(2. / repeats + 0.5 / repeats); // of the ratio: chi^2 of 1 over that of 4
    CHECK(std::abs(energy2 / said - 1) < four);
    CHECK(std::abs(band2 / band_said - 1) < four);
    CHECK(std::abs(inside - 0.95 * repeats) < 4 * std::sqrt(0.05 * 0.95 * repeats));
    CHECK_THROWS_WITH(fit_arrhenius_by_scatter(std::vector<ArrheniusPoint>(2, exact[0])),
                      Contains("2 values without errors"));
    CHECK_THROWS_WITH(fit_arrhenius_by_scatter(std::vector<ArrheniusPoint>(3, exact[0])),
                      Contains("all values are of 400 K"));
}

TEST_CASE("a bent line is told by its chi squared", "[observables][arrhenius]") {
    std::vector<ArrheniusPoint> points;
    for (const double T : {400., 500., 600., 700., 800.}) { // two processes
        const double v = law(1, 0.15, T) + law(500, 0.45, T);
        points.push_back({T, v, 0.03 * v});
    }
    CHECK(fit_arrhenius(points).p < 1e-6);
}

TEST_CASE("the tail of chi squared equals known values", "[observables][arrhenius]") {
    CHECK(std::abs(chi_squared_tail(3.841458820694124, 1) - 0.05) < 1e-12);
    CHECK(std::abs(chi_squared_tail(5.991464547107979, 2) - 0.05) < 1e-12);
    CHECK(std::abs(chi_squared_tail(7.814727903251179, 3) - 0.05) < 1e-12);
    CHECK(std::abs(chi_squared_tail(18.307038053275146, 10) - 0.05) < 1e-12);
    CHECK(std::abs(chi_squared_tail(19.67513757268249, 11) - 0.05) < 1e-12);
    CHECK(chi_squared_tail(0, 1) == 1);
    CHECK(chi_squared_tail(0, 4) == 1);
    CHECK(chi_squared_tail(2000, 3) == 0);
    CHECK_THROWS_AS(chi_squared_tail(1, 0), DataError);
    CHECK_THROWS_AS(chi_squared_tail(-1, 2), DataError);
}

TEST_CASE("one temperature, values without errors and values that have no logarithm are refused",
          "[observables][arrhenius]") {
    using Points = std::vector<ArrheniusPoint>;
    const double inf = std::numeric_limits<double>::infinity();
    CHECK_THROWS_WITH(fit_arrhenius(Points{{500, 1, 0.1}}), Contains("a line needs two"));
    CHECK_THROWS_WITH(fit_arrhenius(Points{}), Contains("a line needs two"));
    CHECK_THROWS_WITH(fit_arrhenius(Points{{500, 1, 0.1}, {500, 2, 0.1}}),
                      Contains("all values are of 500 K"));
    CHECK_THROWS_WITH(fit_arrhenius(Points{{500, 1, 0.1}, {600, 0, 0.1}}), Contains("value at 600 K"));
    CHECK_THROWS_WITH(fit_arrhenius(Points{{500, -1, 0.1}, {600, 1, 0.1}}), Contains("value at 500 K"));
    CHECK_THROWS_WITH(fit_arrhenius(Points{{500, 1, 0}, {600, 1, 0.1}}), Contains("no standard error"));
    CHECK_THROWS_WITH(fit_arrhenius(Points{{500, 1, std::nan("")}, {600, 1, 0.1}}),
                      Contains("standard error"));
    CHECK_THROWS_AS(fit_arrhenius(Points{{500, inf, 0.1}, {600, 1, 0.1}}), DataError);
    CHECK_THROWS_WITH(fit_arrhenius(Points{{-5, 1, 0.1}, {600, 1, 0.1}}), Contains("kelvin"));
}
