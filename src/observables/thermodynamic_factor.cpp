#include "mesolith/observables/thermodynamic_factor.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "mesolith/core/error.hpp"
#include "mesolith/core/units.hpp"

namespace mesolith {
namespace {

constexpr double same_temperature = 1e-9; // relative

void check(const Estimate& theta, const std::string& source) {
    if (!(theta.value > 0) || !std::isfinite(theta.value) || !(theta.error >= 0) ||
        !std::isfinite(theta.error))
        throw DataError(fmt::format("{}: a thermodynamic factor of {:.6g} ± {:.3g} (it is positive where a "
                                    "phase is stable). Give numbers > 0",
                                    source, theta.value, theta.error));
}

/// Neighbours that the voltage does not separate.
struct Pool {
    std::size_t first = 0, last = 0;
    double weight = 0, voltage = 0;
};

/// Half the distance to either neighbour.
double spacing(std::span<const double> s, std::size_t k) {
    const double below = k > 0 ? s[k] - s[k - 1] : 0, above = k + 1 < s.size() ? s[k + 1] - s[k] : 0;
    return (below + above) / 2;
}

/// The falling curve nearest to the data (least squares): its steps.
std::vector<Pool> falling(std::span<const double> s, std::span<const double> voltage, double least_slope) {
    std::vector<Pool> pools;
    const auto separated = [&](const Pool& a, const Pool& b) {
        return a.voltage - b.voltage > least_slope * (s[b.first] - s[a.last]);
    };
    for (std::size_t k = 0; k < s.size(); ++k) {
        pools.push_back({k, k, spacing(s, k), voltage[k]});
        while (pools.size() > 1 && !separated(pools[pools.size() - 2], pools.back())) {
            const Pool top = pools.back();
            pools.pop_back();
            Pool& below = pools.back();
            const double weight = below.weight + top.weight;
            below.voltage = (below.weight * below.voltage + top.weight * top.voltage) / weight;
            below.weight = weight;
            below.last = top.last;
        }
    }
    return pools;
}

/// dU/ds at each point of a single phase; strictly negative where U falls.
std::vector<double> slopes(const std::vector<double>& s, const std::vector<double>& U) {
    const std::size_t n = s.size();
    const auto secant = [&](std::size_t k) { return (U[k + 1] - U[k]) / (s[k + 1] - s[k]); };
    if (n == 2) return {secant(0), secant(0)};
    std::vector<double> d(n);
    for (std::size_t k = 1; k + 1 < n; ++k) {
        const double below = s[k] - s[k - 1], above = s[k + 1] - s[k];
        d[k] = (secant(k - 1) * above + secant(k) * below) / (below + above);
    }
    // The parabola at its ends; not beyond the point where it turns.
    const auto end = [](double parabola, double chord) { return parabola < 0 ? parabola : chord; };
    d[0] = end(2 * secant(0) - d[1], secant(0));
    d[n - 1] = end(2 * secant(n - 2) - d[n - 2], secant(n - 2));
    return d;
}

} // namespace

ThermodynamicFactor ThermodynamicFactor::constant(Estimate theta, std::string source) {
    check(theta, source);
    ThermodynamicFactor result;
    result.kind_ = Kind::constant;
    result.rows_.push_back({0, theta.value, theta.error, 0});
    result.source_ = std::move(source);
    return result;
}

ThermodynamicFactor ThermodynamicFactor::table(std::span<const double> stoichiometry,
                                               std::span<const double> theta, std::span<const double> error,
                                               std::span<const double> temperature, std::string source) {
    const std::size_t n = stoichiometry.size();
    if (theta.size() != n || (!error.empty() && error.size() != n) ||
        (!temperature.empty() && temperature.size() != n))
        throw DataError(source + ": columns of different lengths. Give one value per row");
    ThermodynamicFactor result;
    result.kind_ = Kind::table;
    result.source_ = std::move(source);
    for (std::size_t k = 0; k < n; ++k) {
        const Row row{stoichiometry[k], theta[k], error.empty() ? 0 : error[k],
                      temperature.empty() ? 0 : temperature[k]};
        check({row.value, row.error}, result.source_);
        if (!std::isfinite(row.stoichiometry) || !std::isfinite(row.temperature) ||
            (!temperature.empty() && !(row.temperature > 0)))
            throw DataError(fmt::format("{}: row {} has no stoichiometry or temperature. Complete it",
                                        result.source_, k + 1));
        result.rows_.push_back(row);
    }
    std::stable_sort(result.rows_.begin(), result.rows_.end(),
                     [](const Row& a, const Row& b) { return a.temperature < b.temperature; });
    for (std::size_t k = 1; k < n; ++k) {
        const Row &a = result.rows_[k - 1], &b = result.rows_[k];
        if (a.temperature == b.temperature && !(a.stoichiometry < b.stoichiometry))
            throw DataError(
                fmt::format("{}: stoichiometry {:g} stands behind {:g} (a table ascends). Sort it",
                            result.source_, b.stoichiometry, a.stoichiometry));
    }
    if (n < 2)
        throw DataError(fmt::format("{}: {} row{} (a table has two or more). Give a number instead",
                                    result.source_, n, n == 1 ? "" : "s"));
    return result;
}

ThermodynamicFactor ThermodynamicFactor::from_voltage(std::span<const double> s, std::span<const double> U,
                                                      std::string source, const VoltageOptions& options) {
    if (s.size() != U.size())
        throw DataError(source + ": columns of different lengths. Give one voltage per stoichiometry");
    if (s.size() < 3)
        throw DataError(
            fmt::format("{}: {} points (a slope needs three). Give a finer voltage curve", source, s.size()));
    for (std::size_t k = 0; k < s.size(); ++k) {
        if (!std::isfinite(s[k]) || !std::isfinite(U[k]))
            throw DataError(fmt::format("{}: point {} is no number. Remove it", source, k + 1));
        if (k > 0 && !(s[k] > s[k - 1]))
            throw DataError(fmt::format("{}: stoichiometry {:g} stands behind {:g} (a voltage curve ascends "
                                        "in stoichiometry). Sort it and leave one value at each",
                                        source, s[k], s[k - 1]));
    }
    ThermodynamicFactor result;
    result.kind_ = Kind::voltage;
    result.source_ = std::move(source);
    const std::vector<Pool> pools = falling(s, U, options.least_slope);
    std::vector<double> x, voltage; // of the phase at hand
    const auto close_phase = [&] {
        if (x.size() > 1) {
            const std::vector<double> d = slopes(x, voltage);
            for (std::size_t k = 0; k < x.size(); ++k) result.rows_.push_back({x[k], x[k] * d[k], 0, 0});
        }
        x.clear();
        voltage.clear();
    };
    for (const Pool& pool : pools) {
        x.push_back(s[pool.first]);
        voltage.push_back(pool.voltage);
        if (pool.first == pool.last) continue;
        result.masked_.push_back({s[pool.first], s[pool.last]});
        close_phase();
        x.push_back(s[pool.last]);
        voltage.push_back(pool.voltage);
    }
    close_phase();
    if (result.rows_.empty())
        throw DataError(fmt::format("{}: the voltage falls nowhere (two phases throughout). Check that it is "
                                    "against lithium and the stoichiometry that of lithium",
                                    result.source_));
    return result;
}

std::vector<const ThermodynamicFactor::Row*> ThermodynamicFactor::rows_for(double temperature) const {
    std::vector<const Row*> rows;
    for (const Row& row : rows_)
        if (row.temperature == 0 || std::abs(row.temperature - temperature) <= same_temperature * temperature)
            rows.push_back(&row);
    return rows;
}

std::optional<Estimate> ThermodynamicFactor::at(double s, double temperature) const {
    if (!(temperature > 0) || !std::isfinite(temperature) || !std::isfinite(s))
        throw DataError(
            fmt::format("{}: asked at stoichiometry {} and {} K. Give numbers", source_, s, temperature));
    if (kind_ == Kind::constant) return Estimate{rows_.front().value, rows_.front().error};
    for (const ValueRange& gap : masked_)
        if (s > gap.low && s < gap.high) return std::nullopt;
    const std::vector<const Row*> rows = rows_for(temperature);
    if (rows.empty())
        throw DataError(
            fmt::format("{}: no thermodynamic factor at {:g} K. Add it to the table, or leave its "
                        "temperatures out",
                        source_, temperature));
    const auto outside = [&](double low, double high) {
        return DataError(fmt::format("{}: covers stoichiometries {:g} to {:g}, the record has {:g}. Extend "
                                     "it, or leave these values out of the record",
                                     source_, low, high, s));
    };
    const double scale = kind_ == Kind::voltage ? -1 / (units::boltzmann_ev_per_k * temperature) : 1;
    // Pairs of rows on either side of a gap are never neighbours in one phase: s is in no gap.
    for (std::size_t k = 0; k + 1 < rows.size(); ++k) {
        const Row &a = *rows[k], &b = *rows[k + 1];
        if (s < a.stoichiometry || s > b.stoichiometry) continue;
        const bool gap = std::any_of(masked_.begin(), masked_.end(), [&](const ValueRange& g) {
            return g.low == a.stoichiometry && g.high == b.stoichiometry;
        });
        if (gap && s == a.stoichiometry) return Estimate{scale * a.value, scale * a.error};
        if (gap) continue;
        const double w = (s - a.stoichiometry) / (b.stoichiometry - a.stoichiometry);
        return Estimate{scale * ((1 - w) * a.value + w * b.value), (1 - w) * a.error + w * b.error};
    }
    const Row &first = *rows.front(), &last = *rows.back();
    // The far end of a gap at the end of the curve.
    for (const Row* row : {&first, &last})
        if (s == row->stoichiometry) return Estimate{scale * row->value, row->error};
    if (!masked_.empty() && (s == masked_.front().low || s == masked_.back().high)) return std::nullopt;
    throw outside(first.stoichiometry, last.stoichiometry);
}

} // namespace mesolith
