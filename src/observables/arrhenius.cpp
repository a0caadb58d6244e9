#include "mesolith/observables/arrhenius.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "mesolith/core/error.hpp"
#include "mesolith/core/nan.hpp"
#include "mesolith/core/units.hpp"

namespace mesolith {
namespace {

double inverse_energy(double temperature) { return 1 / (units::boltzmann_ev_per_k * temperature); }

void check(const ArrheniusPoint& p) {
    const auto good = [](double x) { return std::isfinite(x) && x > 0; };
    if (!good(p.temperature))
        throw DataError(
            fmt::format("a temperature of {} K cannot be fitted. Give kelvin, > 0", p.temperature));
    if (!good(p.value))
        throw DataError(fmt::format("the value at {:g} K is {:.4g} (its logarithm is needed). Leave it out",
                                    p.temperature, p.value));
    if (!good(p.error))
        throw DataError(fmt::format("the value at {:g} K has no standard error ({:.4g}). Leave it out",
                                    p.temperature, p.error));
}

} // namespace

ArrheniusFit fit_arrhenius(std::span<const ArrheniusPoint> points) {
    ArrheniusFit fit;
    for (const ArrheniusPoint& p : points) check(p);
    if (points.size() < 2)
        throw DataError(fmt::format("{} temperature{} (a line needs two). Give results of more temperatures",
                                    points.size(), points.size() == 1 ? "" : "s"));
    const auto [coldest, hottest] =
        std::minmax_element(points.begin(), points.end(),
                            [](const auto& a, const auto& b) { return a.temperature < b.temperature; });
    fit.lowest = coldest->temperature;
    fit.highest = hottest->temperature;
    if (!(fit.highest > fit.lowest * (1 + 1e-9)))
        throw DataError(
            fmt::format("all values are of {:g} K (a line needs two temperatures). Give results of "
                        "more temperatures",
                        fit.lowest));
    // About the weighted mean of 1/kT, where the two parameters do not depend on each other.
    double weights = 0, mean_x = 0, mean_y = 0;
    const auto weight = [](const ArrheniusPoint& p) { return std::pow(p.value / p.error, 2); };
    for (const ArrheniusPoint& p : points) {
        weights += weight(p);
        mean_x += weight(p) * inverse_energy(p.temperature);
        mean_y += weight(p) * std::log(p.value);
    }
    mean_x /= weights;
    mean_y /= weights;
    double xx = 0, xy = 0;
    for (const ArrheniusPoint& p : points) {
        const double x = inverse_energy(p.temperature) - mean_x;
        xx += weight(p) * x * x;
        xy += weight(p) * x * (std::log(p.value) - mean_y);
    }
    fit.activation_energy = -xy / xx;
    fit.log_prefactor = mean_y + fit.activation_energy * mean_x;
    fit.covariance << 1 / weights + mean_x * mean_x / xx, mean_x / xx, mean_x / xx, 1 / xx;
    fit.points.assign(points.begin(), points.end());
    for (const ArrheniusPoint& p : points)
        fit.chi_squared += weight(p) * std::pow(std::log(p.value) - fit.log_at(p.temperature), 2);
    fit.degrees_of_freedom = static_cast<int>(points.size()) - 2;
    fit.p =
        fit.degrees_of_freedom > 0 ? chi_squared_tail(fit.chi_squared, fit.degrees_of_freedom) : nan_value;
    return fit;
}

ArrheniusFit fit_arrhenius_by_scatter(std::span<const ArrheniusPoint> points) {
    if (points.size() < 3)
        throw DataError(fmt::format("{} value{} without errors (the scatter about a line needs three). Give "
                                    "results of more temperatures, or errors",
                                    points.size(), points.size() == 1 ? "" : "s"));
    std::vector<ArrheniusPoint> equal(points.begin(), points.end());
    for (ArrheniusPoint& p : equal) p.error = p.value; // unit weights in ln v
    ArrheniusFit fit = fit_arrhenius(equal);
    const double variance = fit.chi_squared / fit.degrees_of_freedom;
    fit.covariance *= variance;
    for (ArrheniusPoint& p : fit.points) p.error = std::sqrt(variance) * p.value;
    fit.chi_squared = fit.degrees_of_freedom;
    fit.p = nan_value;
    return fit;
}

double ArrheniusFit::energy_error() const { return std::sqrt(covariance(1, 1)); }

double ArrheniusFit::log_at(double temperature) const {
    return log_prefactor - activation_energy * inverse_energy(temperature);
}

double ArrheniusFit::log_error_at(double temperature) const {
    // About the point of smallest error: nothing is subtracted.
    if (!(covariance(1, 1) > 0)) return 0; // points on a line, without errors
    const double pivot = covariance(0, 1) / covariance(1, 1), x = inverse_energy(temperature) - pivot;
    const double smallest = std::max(0.0, covariance(0, 0) - pivot * covariance(0, 1));
    return std::sqrt(smallest + covariance(1, 1) * x * x);
}

double chi_squared_tail(double x, int degrees_of_freedom) {
    if (degrees_of_freedom < 1 || !(x >= 0))
        throw DataError("chi^2 needs at least one degree of freedom and a value >= 0");
    // Q(n/2, x/2) for whole n: the sum of a Poisson distribution, for odd n its half-integer twin.
    const double h = x / 2;
    const bool odd = degrees_of_freedom % 2 == 1;
    double sum = odd ? std::erfc(std::sqrt(h)) : 0;
    double term = odd ? std::sqrt(h / std::acos(-1.0)) * 2 * std::exp(-h) : std::exp(-h);
    for (int k = odd ? 3 : 2; k <= degrees_of_freedom; k += 2) {
        sum += term;
        term *= h / (k / 2.0);
    }
    return std::min(sum, 1.0);
}

} // namespace mesolith
