// Results of several temperatures as HDF5, JSON and text.
#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "mesolith/core/units.hpp"
#include "mesolith/io/json.hpp"
#include "mesolith/pipeline/arrhenius.hpp"
#include "mesolith/pipeline/summary.hpp"

#include "arrhenius_groups.hpp"
#include "columns.hpp"

namespace mesolith {
namespace {

/// What is the same for D and for rates; prefactors in `units`.
void write_fit(Hdf5Group& g, const ArrheniusFit& fit, const char* units) {
    g.set_attribute("log_prefactor", fit.log_prefactor);
    g.set_attribute("activation_energy_eV", fit.activation_energy);
    g.set_attribute("activation_energy_error_eV", fit.energy_error());
    g.set_attribute("chi_squared", fit.chi_squared);
    g.set_attribute("degrees_of_freedom", fit.degrees_of_freedom);
    g.set_attribute("p", fit.p);
    g.set_attribute("valid_range_K", std::vector<double>{fit.lowest, fit.highest});
    g.write_matrix("covariance", fit.covariance,
                   about("", "of (ln prefactor, activation energy in eV), from the errors of the points"));
    g.write("temperature", column_of(fit.points, [](const ArrheniusPoint& p) { return p.temperature; }), {},
            about("K", ""));
    g.write("value", column_of(fit.points, [](const ArrheniusPoint& p) { return p.value; }), {},
            about(units, ""));
    g.write("error", column_of(fit.points, [](const ArrheniusPoint& p) { return p.error; }), {},
            about(units, "standard error"));
}

void write_series(Hdf5Group& g, const ArrheniusSeries& s, const std::vector<double>& grid,
                  const char* units = per_time) {
    g.set_attribute("source", s.source);
    g.set_attribute("axis", s.axis);
    write_fit(g, s.fit, units);
    g.write("fit", column_of(grid, [&](double T) { return std::exp(s.fit.log_at(T)); }), {},
            about(units, "of the line, at the temperatures of grid/temperature"));
    g.write("fit_log_error", column_of(grid, [&](double T) { return s.fit.log_error_at(T); }), {},
            about("", "standard error of ln D there"));
    std::vector<std::int32_t> outside;
    for (const double T : grid) outside.push_back(s.fit.extrapolates(T) ? 1 : 0);
    g.write("extrapolated", outside, {}, about("", "1 outside the temperatures of the data"));
}

void write_hops(Hdf5Group& g, const HopClass& c) {
    g.set_attribute("from", c.from);
    g.set_attribute("to", c.to);
    g.set_attribute("length_A", c.length);
    std::vector<std::int64_t> hops, lasting;
    for (const HopStatistics& s : c.at) hops.push_back(s.hops), lasting.push_back(s.lasting);
    g.write("hops", hops, {}, about("", "of each run"));
    g.write("lasting", lasting, {}, about("", "hops that the next hop of the ion does not undo"));
    g.write("time", column_of(c.at, [](const HopStatistics& s) { return s.time; }), {},
            about("ps", "that ions spent on sites of the origin orbit"));
    const auto write_rate = [&](const char* name, Estimate HopStatistics::*rate) {
        g.write(name, column_of(c.at, [&](const HopStatistics& s) { return (s.*rate).value; }), {},
                about("1/ps", "per ion on the origin orbit"));
        g.write(std::string(name) + "_error",
                column_of(c.at, [&](const HopStatistics& s) { return (s.*rate).error; }), {},
                about("1/ps", "standard error"));
    };
    write_rate("rate", &HopStatistics::rate);
    write_rate("lasting_rate", &HopStatistics::lasting_rate);
    if (c.fit) {
        Hdf5Group f = g.create_group("fit");
        write_fit(f, *c.fit, "1/ps");
    }
    if (c.lasting_fit) {
        Hdf5Group f = g.create_group("lasting_fit");
        write_fit(f, *c.lasting_fit, "1/ps");
    }
}

void write_runs(Hdf5Group& g, const std::vector<ArrheniusRun>& runs) {
    const auto numbers = [&](const char* name, const char* units, const char* text, auto&& f) {
        g.write(name, column_of(runs, f), {}, about(units, text));
    };
    std::vector<std::string> folders;
    std::vector<std::int32_t> markovian;
    std::vector<Vec3> D, error;
    for (const ArrheniusRun& r : runs) {
        folders.push_back(r.folder);
        markovian.push_back(r.markovian ? 1 : 0);
        D.push_back(r.diffusivity);
        error.push_back(r.error);
    }
    g.write_strings("folder", folders);
    numbers("temperature", "K", "", [](const ArrheniusRun& r) { return r.temperature; });
    numbers("lag_time", "ps", "of the kernel", [](const ArrheniusRun& r) { return r.lag_time; });
    g.write("markovian", markovian, {}, about("", "whether D of the model no longer depends on the lag"));
    g.write("D", D, about(per_time, "D_xx, D_yy, D_zz of the model"));
    g.write("error", error, about(per_time, "standard error"));
    numbers("mean", per_time, "of the three axes", [](const ArrheniusRun& r) { return r.mean.value; });
    numbers("mean_error", per_time, "standard error", [](const ArrheniusRun& r) { return r.mean.error; });
    for (const ArrheniusRun& r : runs)
        if (!r.direct) return;
    const auto direct = [&](const char* name, const char* units, const char* text, auto&& f) {
        numbers(name, units, text, [&](const ArrheniusRun& r) { return f(*r.direct); });
    };
    std::vector<Vec3> tracer, tracer_error, haven, haven_error;
    for (const ArrheniusRun& r : runs) {
        tracer.push_back(r.direct->tracer);
        tracer_error.push_back(r.direct->tracer_error());
        haven.push_back(r.direct->haven);
        haven_error.push_back(r.direct->haven_error);
    }
    using Direct = DirectTransport;
    g.write("direct_D", tracer, about(per_time, "slope / 2 of the MSD, generalised least squares"));
    g.write("direct_error", tracer_error, about(per_time, "standard error"));
    direct("direct_mean", per_time, "", [](const Direct& d) { return d.tracer_mean.value; });
    direct("direct_mean_error", per_time, "", [](const Direct& d) { return d.tracer_mean.error; });
    direct("charge_mean", per_time, "D_J, mean of the axes",
           [](const Direct& d) { return d.collective_mean.value; });
    direct("charge_mean_error", per_time, "", [](const Direct& d) { return d.collective_mean.error; });
    direct("haven_mean", "", "mean D* over mean D_J", [](const Direct& d) { return d.haven_mean.value; });
    direct("haven_mean_error", "", "standard error", [](const Direct& d) { return d.haven_mean.error; });
    direct("window_begin", "ps", "lags of the fit", [](const Direct& d) { return d.begin; });
    direct("window_end", "ps", "", [](const Direct& d) { return d.end; });
    g.write("haven", haven, about("", "per axis"));
    g.write("haven_error", haven_error, about("", "standard error"));
}

} // namespace

std::string fit_json(const ArrheniusFit& fit) {
    return fmt::format(
        R"("log_prefactor": {}, "activation_energy_eV": {}, "activation_energy_error_eV": {}, )"
        R"("covariance": [[{}, {}], [{}, {}]], "chi_squared": {}, "degrees_of_freedom": {}, "p": {}, )"
        R"("valid_range_K": [{}, {}])",
        json_number(fit.log_prefactor), json_number(fit.activation_energy), json_number(fit.energy_error()),
        json_number(fit.covariance(0, 0)), json_number(fit.covariance(0, 1)),
        json_number(fit.covariance(1, 0)), json_number(fit.covariance(1, 1)), json_number(fit.chi_squared),
        fit.degrees_of_freedom, json_number(fit.p), json_number(fit.lowest), json_number(fit.highest));
}

std::vector<double> band_temperatures(double lowest, double highest) {
    std::vector<double> grid;
    const double first = std::min(300.0, 10 * std::floor(lowest / 10)),
                 last = 10 * std::ceil(1.1 * highest / 10);
    for (double T = first; T <= last + 1e-9; T += 10) grid.push_back(T);
    return grid;
}

void write_fits(Hdf5Group& root, const std::vector<TableFit>& fits) {
    if (fits.empty()) return;
    double lowest = fits.front().fit.lowest, highest = fits.front().fit.highest;
    for (const TableFit& f : fits)
        lowest = std::min(lowest, f.fit.lowest), highest = std::max(highest, f.fit.highest);
    const std::vector<double> grid = band_temperatures(lowest, highest);
    root.write("grid/temperature", grid, {}, about("K", ""));
    for (std::size_t k = 0; k < fits.size(); ++k) {
        const TableFit& f = fits[k];
        Hdf5Group g = root.create_group(fmt::format("series/{}", k));
        write_series(g, {"table", f.quantity, f.fit}, grid, f.unit.c_str());
        g.set_attribute("where", f.where);
        g.set_attribute("units", f.unit);
        g.set_attribute("errors_from_scatter", std::int32_t(f.from_scatter ? 1 : 0));
    }
}

namespace {

std::string run_json(const ArrheniusRun& r) {
    const auto vec = [](const Vec3& v) { return json_numbers({v[0], v[1], v[2]}); };
    std::string out = fmt::format(
        R"({{"folder": {}, "temperature_K": {}, "lag_time_ps": {}, "markovian": {}, "D": {}, "error": {}, )"
        R"("mean": {}, "mean_error": {})",
        json_text(r.folder), json_number(r.temperature), json_number(r.lag_time), r.markovian,
        vec(r.diffusivity), vec(r.error), json_number(r.mean.value), json_number(r.mean.error));
    if (r.direct) {
        const DirectTransport& d = *r.direct;
        out += fmt::format(
            R"(, "direct": {{"D": {}, "error": {}, "mean": {}, "mean_error": {}, "window_ps": [{}, {}], )"
            R"("D_J_mean": {}, "D_J_mean_error": {}, "haven_mean": {}, "haven_mean_error": {}, "method": {}}})",
            vec(d.tracer), vec(d.tracer_error()), json_number(d.tracer_mean.value),
            json_number(d.tracer_mean.error), json_number(d.begin), json_number(d.end),
            json_number(d.collective_mean.value), json_number(d.collective_mean.error),
            json_number(d.haven_mean.value), json_number(d.haven_mean.error), json_text(d.method));
    }
    return out + "}";
}

std::string class_json(const HopClass& c) {
    std::vector<std::string> at;
    for (const HopStatistics& s : c.at)
        at.push_back(fmt::format(
            R"({{"hops": {}, "lasting": {}, "time_ps": {}, "rate_per_ps": {}, "rate_error": {}, )"
            R"("lasting_rate_per_ps": {}, "lasting_rate_error": {}}})",
            s.hops, s.lasting, json_number(s.time), json_number(s.rate.value), json_number(s.rate.error),
            json_number(s.lasting_rate.value), json_number(s.lasting_rate.error)));
    const auto fit = [](const std::optional<ArrheniusFit>& f) {
        return f ? "{" + fit_json(*f) + "}" : std::string("null");
    };
    return fmt::format(
        R"({{"from": {}, "to": {}, "length_A": {}, "runs": {}, "fit": {}, "lasting_fit": {}}})",
        json_text(c.from), json_text(c.to), json_number(c.length), json_list(at), fit(c.fit),
        fit(c.lasting_fit));
}

std::string energy_text(const std::optional<ArrheniusFit>& fit) {
    return fit ? with_error(fit->activation_energy, fit->energy_error()) : "-";
}

} // namespace

void write_arrhenius_file(const std::string& path, const ArrheniusResult& result) {
    Provenance provenance;
    provenance.stage = "arrhenius";
    provenance.inputs = result.inputs;
    provenance.warnings = result.warnings;
    std::string options;
    for (const ArrheniusRun& r : result.runs) options += fmt::format("temperature_K = {}\n", r.temperature);
    provenance.config = options;
    provenance.fingerprint = fingerprint_of("arrhenius", options, result.inputs, "");
    Hdf5File file = Hdf5File::create(path);
    write(file, provenance);
    Hdf5Group runs = file.create_group("runs");
    write_runs(runs, result.runs);
    file.write("grid/temperature", result.grid, {}, about("K", ""));
    for (std::size_t k = 0; k < result.series.size(); ++k) {
        Hdf5Group g = file.create_group(fmt::format("series/{}", k));
        write_series(g, result.series[k], result.grid);
    }
    for (std::size_t k = 0; k < result.hops.size(); ++k) {
        Hdf5Group g = file.create_group(fmt::format("hop_classes/{}", k));
        write_hops(g, result.hops[k]);
    }
    file.commit();
}

std::string to_json(const ArrheniusResult& result) {
    std::vector<std::string> runs, series, hops, warnings;
    for (const ArrheniusRun& r : result.runs) runs.push_back(run_json(r));
    for (const ArrheniusSeries& s : result.series) {
        std::vector<double> D, error;
        std::vector<std::string> outside;
        for (const double T : result.grid) {
            D.push_back(std::exp(s.fit.log_at(T)));
            error.push_back(s.fit.log_error_at(T));
            outside.push_back(s.fit.extrapolates(T) ? "true" : "false");
        }
        series.push_back(fmt::format(
            R"({{"source": {}, "axis": {}, {}, "fit": {}, "fit_log_error": {}, "extrapolated": {}}})",
            json_text(s.source), json_text(s.axis), fit_json(s.fit), json_numbers(D), json_numbers(error),
            json_list(outside)));
    }
    for (const HopClass& c : result.hops) hops.push_back(class_json(c));
    for (const std::string& w : result.warnings) warnings.push_back(json_text(w));
    return fmt::format("{{\"units\": {{\"D\": \"angstrom^2/ps\", \"rate\": \"1/ps\", \"energy\": \"eV\"}},\n"
                       "\"runs\": {},\n\"grid_K\": {},\n\"series\": {},\n\"hop_classes\": {},\n"
                       "\"warnings\": {}}}\n",
                       json_list(runs, ",\n"), json_numbers(result.grid), json_list(series, ",\n"),
                       json_list(hops, ",\n"), json_list(warnings));
}

std::string to_text(const ArrheniusResult& result) {
    std::string out = fmt::format("{:>7} {:>7} {:>22} {:>22} {:>18}  {}\n", "T [K]", "lag", "D model [Å²/ps]",
                                  "D from MSD [Å²/ps]", "Haven ratio", "run");
    for (const ArrheniusRun& r : result.runs)
        out +=
            fmt::format("{:>7g} {:>7} {:>22} {:>22} {:>18}  {}\n", r.temperature,
                        fmt::format("{:g} ps", r.lag_time), with_error(r.mean.value, r.mean.error),
                        r.direct ? with_error(r.direct->tracer_mean.value, r.direct->tracer_mean.error) : "-",
                        r.direct && r.direct->has_collective
                            ? with_error(r.direct->haven_mean.value, r.direct->haven_mean.error)
                            : "-",
                        r.folder);
    out += fmt::format("\nArrhenius fits, {:g} to {:g} K\n  {:6} {:4} {:>18} {:>18} {:>8} {:>6} {:>24}\n",
                       result.runs.front().temperature, result.runs.back().temperature, "D of", "axis",
                       "Ea [eV]", "ln D0 [Å²/ps]", "chi^2", "p", "D at 300 K [m²/s]");
    for (const ArrheniusSeries& s : result.series) {
        const double si = units::angstrom2_per_ps_in_m2_per_s;
        const double room = std::exp(s.fit.log_at(300)) * si, factor = std::exp(s.fit.log_error_at(300));
        out += fmt::format("  {:6} {:4} {:>18} {:>18} {:>8.2f} {:>6} {:>24}\n", s.source, s.axis,
                           with_error(s.fit.activation_energy, s.fit.energy_error()),
                           with_error(s.fit.log_prefactor, std::sqrt(s.fit.covariance(0, 0))),
                           s.fit.chi_squared, std::isfinite(s.fit.p) ? fmt::format("{:.2g}", s.fit.p) : "-",
                           fmt::format("{:.2g} ×÷ {:.2f}{}", room, factor,
                                       s.fit.extrapolates(300) ? " (extrapolated)" : ""));
    }
    if (!result.hops.empty()) {
        out += fmt::format(
            "\nHops by kind: hops in each run (those not undone by the next hop), and Ea of their "
            "rates [eV]\n  {:>6} {:>6} {:>7}",
            "from", "to", "d [Å]");
        for (const ArrheniusRun& r : result.runs)
            out += fmt::format(" {:>16}", fmt::format("{:g} K", r.temperature));
        out += fmt::format(" {:>18} {:>18}\n", "Ea, all", "Ea, lasting");
        constexpr std::size_t shown = 12;
        for (std::size_t k = 0; k < std::min(shown, result.hops.size()); ++k) {
            const HopClass& c = result.hops[k];
            out += fmt::format("  {:>6} {:>6} {:>7.2f}", c.from, c.to, c.length);
            for (const HopStatistics& s : c.at)
                out += fmt::format(" {:>16}", fmt::format("{} ({})", s.hops, s.lasting));
            out += fmt::format(" {:>18} {:>18}\n", energy_text(c.fit), energy_text(c.lasting_fit));
        }
        if (result.hops.size() > shown)
            out += fmt::format("  and {} rarer kinds\n", result.hops.size() - shown);
    }
    return out;
}

} // namespace mesolith
