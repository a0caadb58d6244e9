// Fits over temperature of sweeps and of tables.
#include "mesolith/pipeline/arrhenius_table.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <map>
#include <numeric>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "mesolith/io/file.hpp"
#include "mesolith/io/json.hpp"
#include "mesolith/pipeline/summary.hpp"

#include "arrhenius_groups.hpp"
#include "columns.hpp"

namespace mesolith {
namespace {

namespace fs = std::filesystem;

bool is_fitted(const ResultColumn& c) {
    for (const char* off_diagonal : {"_xy", "_xz", "_yz"})
        if (c.key.ends_with(off_diagonal)) return false;
    return c.unit == per_time || c.unit == "1/ps" || c.unit == "S/m";
}

/// Values of the other swept keys of one point.
std::string where_of(const SweepResults& r, std::size_t temperature_axis, std::size_t point) {
    std::string where;
    for (const SweptColumn& c : r.swept)
        if (c.axis != temperature_axis)
            where += fmt::format("{}{} = {}", where.empty() ? "" : ", ", c.key, c.text[point]);
    return where;
}

/// Fit what can be fitted, or say why not.
void add_fit(std::vector<TableFit>& fits, TableFit fit, const std::vector<ArrheniusPoint>& points,
             std::vector<std::string>& warnings) {
    const std::string name = fit.quantity + (fit.where.empty() ? "" : " at " + fit.where);
    const auto has_error = [](const ArrheniusPoint& p) { return std::isfinite(p.error) && p.error > 0; };
    const auto n_errors = std::count_if(points.begin(), points.end(), has_error);
    if (n_errors != 0 && n_errors != static_cast<std::ptrdiff_t>(points.size())) {
        warnings.push_back(name + " is not fitted: some of its values have errors, others have none");
        return;
    }
    fit.from_scatter = n_errors == 0;
    try {
        fit.fit = fit.from_scatter ? fit_arrhenius_by_scatter(points) : fit_arrhenius(points);
    } catch (const DataError& error) {
        warnings.push_back(fmt::format("{} is not fitted: {}", name, error.what()));
        return;
    }
    for (const ArrheniusPoint& p : points)
        if (!fit.from_scatter && p.error > 0.5 * p.value)
            warnings.push_back(
                fmt::format("{}: the value at {:g} K is {:.3g} with an error of {:.3g}; the logarithm "
                            "of so uncertain a number is skewed",
                            name, p.temperature, p.value, p.error));
    if (fit.fit.p < 0.01)
        warnings.push_back(fmt::format(
            "{}: the points are no straight line (chi^2 {:.3g} with {} degrees of freedom, p = {:.2g}): the "
            "activation energy changes with temperature, or errors are too small",
            name, fit.fit.chi_squared, fit.fit.degrees_of_freedom, fit.fit.p));
    fits.push_back(std::move(fit));
}

std::string unit_in(const std::string& header) {
    const std::size_t open = header.find('['), close = header.find(']', open);
    return close == std::string::npos ? "" : header.substr(open + 1, close - open - 1);
}

std::string trimmed(std::string text) {
    const char* blanks = " \t\r\"";
    const std::size_t first = text.find_first_not_of(blanks);
    if (first == std::string::npos) return "";
    return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

std::vector<std::string> cells_of(const std::string& line, char separator) {
    std::vector<std::string> cells;
    if (separator == ' ') {
        for (std::size_t at = line.find_first_not_of(' '); at != std::string::npos;) {
            const std::size_t end = std::min(line.find(' ', at), line.size());
            cells.push_back(trimmed(line.substr(at, end - at)));
            at = line.find_first_not_of(' ', end);
        }
        return cells;
    }
    for (std::size_t at = 0; at <= line.size();) {
        const std::size_t end = std::min(line.find(separator, at), line.size());
        cells.push_back(trimmed(line.substr(at, end - at)));
        at = end + 1;
    }
    return cells;
}

std::optional<double> number_in(const std::string& text) {
    double x = 0;
    const char* begin = text.data() + (text.starts_with('+') ? 1 : 0);
    const auto [end, error] = std::from_chars(begin, text.data() + text.size(), x);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return x;
}

std::string name_of(const TableFit& f) {
    return f.where.empty() ? f.quantity : f.quantity + " at " + f.where;
}

struct ValueAt {
    double value = 0, error = 0, log_error = 0;
};

ValueAt value_at(const ArrheniusFit& fit, double temperature) {
    const double value = std::exp(fit.log_at(temperature)), log_error = fit.log_error_at(temperature);
    return {value, value * log_error, log_error};
}

} // namespace

int temperature_column(const SweepResults& results) {
    for (std::size_t k = 0; k < results.swept.size(); ++k)
        if (results.swept[k].key.ends_with("temperature_K")) return static_cast<int>(k);
    return -1;
}

std::vector<TableFit> fit_temperatures(const SweepResults& r, std::vector<std::string>& warnings) {
    const int index = temperature_column(r);
    if (index < 0)
        throw InputError(
            "no temperature is swept (a line over 1/T needs one). Sweep run.temperature_K, or give a "
            "table with temperatures");
    const SweptColumn& kelvin = r.swept[static_cast<std::size_t>(index)];
    for (const SweptColumn& other : r.swept)
        if (other.key.ends_with("temperature_K") && other.number != kelvin.number)
            throw InputError(
                fmt::format("{} and {} are both swept, with different values. Sweep one temperature, or "
                            "both alike in a zip",
                            kelvin.key, other.key));
    std::vector<std::string> places; // in the order of the points
    std::map<std::string, std::vector<std::size_t>> points_at;
    std::size_t left_out = 0;
    for (std::size_t k = 0; k < r.size(); ++k) {
        if (r.status[k] != "done") {
            ++left_out;
            continue;
        }
        const std::string where = where_of(r, kelvin.axis, k);
        if (!points_at.contains(where)) places.push_back(where);
        points_at[where].push_back(k);
    }
    if (left_out > 0)
        warnings.push_back(fmt::format("{} points are not done, the lines are without them", left_out));
    std::vector<TableFit> fits;
    for (const ResultColumn& c : r.results) {
        if (!is_fitted(c)) continue;
        for (const std::string& where : places) {
            std::vector<ArrheniusPoint> points;
            for (const std::size_t k : points_at[where]) {
                if (std::isnan(c.value[k])) continue;
                if (!(c.value[k] > 0))
                    warnings.push_back(fmt::format(
                        "{}{}: the value at {:g} K, {:.3g}, is left out (it has no "
                        "logarithm)",
                        c.key, where.empty() ? "" : " at " + where, kelvin.number[k], c.value[k]));
                else
                    points.push_back({kelvin.number[k], c.value[k], c.error[k]});
            }
            if (!points.empty()) add_fit(fits, {c.key, c.unit, where, false, {}}, points, warnings);
        }
    }
    return fits;
}

std::vector<TableFit> fit_csv(const std::string& text, const std::string& path,
                              std::vector<std::string>& warnings) {
    std::vector<std::string> problems, header;
    std::vector<std::vector<ArrheniusPoint>> columns;
    char separator = ',';
    std::size_t number = 0;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = std::min(text.find('\n', at), text.size());
        const std::string line = text.substr(at, end - at);
        at = end + 1;
        ++number;
        if (trimmed(line).empty() || trimmed(line)[0] == '#') continue;
        const auto complain = [&](const std::string& problem) {
            problems.push_back(fmt::format("{}:{}: {}", path, number, problem));
        };
        if (header.empty()) {
            for (const char c : {',', ';', '\t', ' '})
                if (separator = c; line.find(c) != std::string::npos) break;
            header = cells_of(line, separator);
            const std::string unit = unit_in(header[0]);
            if (number_in(header[0]))
                complain(
                    "expected a header that names the columns, \"T [K], D [m^2/s], error\", got numbers");
            else if (header.size() < 3 || header.size() % 2 == 0)
                complain(
                    fmt::format("expected a column of temperatures and two for each quantity, values and "
                                "standard errors, got {} columns",
                                header.size()));
            else if (!unit.empty() && unit != "K")
                complain(fmt::format("expected temperatures in K, got {}", unit));
            else
                for (std::size_t c = 1; c < header.size(); c += 2)
                    if (const std::string of = unit_in(header[c]), error = unit_in(header[c + 1]);
                        !error.empty() && of != error)
                        complain(
                            fmt::format("expected the error of {} in its unit, got {}", header[c], error));
            if (!problems.empty()) break;
            columns.resize(header.size() / 2);
            continue;
        }
        const std::vector<std::string> cells = cells_of(line, separator);
        if (cells.size() != header.size()) {
            complain(
                fmt::format("expected {} columns as in the header, got {}", header.size(), cells.size()));
            continue;
        }
        std::vector<double> row;
        for (std::size_t c = 0; c < cells.size(); ++c) {
            const std::optional<double> x = number_in(cells[c]);
            const char* what = c == 0 ? "a temperature" : c % 2 == 1 ? "a value" : "a standard error";
            if (!x || !std::isfinite(*x) || !(*x > 0))
                complain(fmt::format("{}: expected {} > 0, got {}", header[c], what,
                                     cells[c].empty() ? "nothing" : "\"" + cells[c] + "\""));
            row.push_back(x.value_or(0));
        }
        for (std::size_t c = 0; c < columns.size(); ++c)
            columns[c].push_back({row[0], row[2 * c + 1], row[2 * c + 2]});
    }
    if (problems.empty() && header.empty())
        problems.push_back(path + ": expected a table, got an empty file");
    if (!problems.empty()) throw ConfigError(problems);
    std::vector<TableFit> fits;
    for (std::size_t c = 0; c < columns.size(); ++c) {
        const std::string& name = header[2 * c + 1];
        add_fit(fits, {trimmed(name.substr(0, name.find('['))), unit_in(name), "", false, {}}, columns[c],
                warnings);
    }
    return fits;
}

bool is_arrhenius_table(const std::string& path) {
    return fs::is_directory(path) ? fs::exists(fs::path(path) / "sweep.h5") : fs::is_regular_file(path);
}

ArrheniusTable fit_table(const std::string& path) {
    ArrheniusTable table;
    table.source = path;
    if (is_sweep(path)) {
        table.inputs.push_back(
            describe_input(fs::is_directory(path) ? (fs::path(path) / "sweep.h5").string() : path));
        table.fits = fit_temperatures(read_sweep(path), table.warnings);
    } else if (is_hdf5_file(path)) {
        throw InputError(
            path + ": expected a sweep.h5 or a CSV table, got another HDF5 file. Runs are named by their "
                   "folders");
    } else {
        table.inputs.push_back(describe_input(path));
        table.fits = fit_csv(read_text_file(path), path, table.warnings);
    }
    for (const std::string& warning : table.warnings) spdlog::warn("{}", warning);
    if (table.fits.empty())
        throw InputError(path + ": nothing could be fitted (see the warnings above). Give results of more "
                                "temperatures");
    return table;
}

ArrheniusTable as_table(const ArrheniusResult& result) {
    ArrheniusTable table;
    for (const ArrheniusSeries& s : result.series)
        table.fits.push_back({fmt::format("D_{} ({})", s.axis, s.source), per_time, "", false, s.fit});
    return table;
}

void write_arrhenius_file(const std::string& path, const ArrheniusTable& table) {
    Provenance provenance;
    provenance.stage = "arrhenius";
    provenance.inputs = table.inputs;
    provenance.warnings = table.warnings;
    provenance.fingerprint = fingerprint_of("arrhenius", "", table.inputs, "");
    Hdf5File file = Hdf5File::create(path);
    write(file, provenance);
    write_fits(file, table.fits);
    file.commit();
}

std::string to_json(const ArrheniusTable& table, const std::vector<double>& at) {
    std::vector<std::string> fits, warnings;
    for (const TableFit& f : table.fits) {
        std::vector<std::string> values;
        for (const double T : at) {
            const ValueAt v = value_at(f.fit, T);
            values.push_back(fmt::format(
                R"({{"temperature_K": {}, "value": {}, "error": {}, "log_error": {}, "extrapolated": {}}})",
                json_number(T), json_number(v.value), json_number(v.error), json_number(v.log_error),
                f.fit.extrapolates(T)));
        }
        fits.push_back(fmt::format(
            R"({{"quantity": {}, "unit": {}, "where": {}, "errors_from_scatter": {}, {}, "at": [{}]}})",
            json_text(f.quantity), json_text(f.unit), json_text(f.where), f.from_scatter, fit_json(f.fit),
            fmt::join(values, ", ")));
    }
    for (const std::string& w : table.warnings) warnings.push_back(json_text(w));
    return fmt::format("{{\"source\": {},\n\"fits\": [\n{}],\n\"warnings\": [{}]}}\n",
                       json_text(table.source), fmt::join(fits, ",\n"), fmt::join(warnings, ", "));
}

std::string values_at(const std::vector<TableFit>& fits, const std::vector<double>& at) {
    std::string out;
    for (const double T : at)
        for (const TableFit& f : fits) {
            const ValueAt v = value_at(f.fit, T);
            // The band is even in the logarithm: a factor says more than a difference when it is wide.
            const std::string value = v.log_error < 0.3
                                          ? with_error(v.value, v.error)
                                          : fmt::format("{:.3g} ×÷ {:.3g}", v.value, std::exp(v.log_error));
            out +=
                fmt::format("  {} at {:g} K{}: {}{}{}\n", name_of(f), T, f.where.empty() ? "" : "", value,
                            f.unit.empty() ? "" : " " + f.unit,
                            f.fit.extrapolates(T) ? fmt::format(", extrapolated (data from {:g} to {:g} K)",
                                                                f.fit.lowest, f.fit.highest)
                                                  : "");
        }
    return out;
}

std::string to_text(const ArrheniusTable& table, const std::vector<double>& at) {
    std::size_t width = 8;
    for (const TableFit& f : table.fits) width = std::max(width, name_of(f).size());
    std::string out =
        fmt::format("Arrhenius fits, ln v = ln v0 - Ea/kT\n  {:{}} {:>18} {:>20} {:>8} {:>6} {:>12}  {}\n",
                    "", width, "Ea [eV]", "ln v0", "chi^2", "p", "K", "unit of v0");
    bool scatter = false;
    for (const TableFit& f : table.fits) {
        scatter = scatter || f.from_scatter;
        out += fmt::format("  {:{}} {:>18} {:>20} {:>8} {:>6} {:>12}  {}{}\n", name_of(f), width,
                           with_error(f.fit.activation_energy, f.fit.energy_error()),
                           with_error(f.fit.log_prefactor, std::sqrt(f.fit.covariance(0, 0))),
                           f.from_scatter ? "-" : fmt::format("{:.2f}", f.fit.chi_squared),
                           std::isfinite(f.fit.p) ? fmt::format("{:.2g}", f.fit.p) : "-",
                           fmt::format("{:g}-{:g}", f.fit.lowest, f.fit.highest), f.unit,
                           f.from_scatter ? " *" : "");
    }
    if (scatter) out += "  * values without errors: those of the line are from the scatter about it\n";
    if (!at.empty()) out += "\nValues of the lines, one standard error\n" + values_at(table.fits, at);
    return out;
}

} // namespace mesolith
