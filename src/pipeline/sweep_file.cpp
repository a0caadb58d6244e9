// What a sweep found, as columns, HDF5 and CSV.
#include <algorithm>
#include <cmath>
#include <filesystem>

#include <fmt/format.h>

#include "mesolith/io/file.hpp"
#include "mesolith/pipeline/arrhenius_table.hpp"
#include "mesolith/pipeline/stages.hpp"
#include "mesolith/pipeline/summary.hpp"
#include "mesolith/pipeline/sweep.hpp"

#include "arrhenius_groups.hpp"
#include "columns.hpp"

namespace mesolith {
namespace {

namespace fs = std::filesystem;

template <class Column, class Named>
Column& column_named(std::vector<Column>& columns, std::string Column::*name, const Named& made) {
    for (Column& c : columns)
        if (c.*name == made.*name) return c;
    columns.push_back(made);
    return columns.back();
}

std::string csv_text(const std::string& text) {
    if (text.find_first_of(",\"\n") == std::string::npos) return text;
    std::string out = "\"";
    for (const char c : text) out += c == '"' ? "\"\"" : std::string(1, c == '\n' ? ' ' : c);
    return out + '"';
}

std::string csv_number(double x) { return std::isnan(x) ? "" : fmt::format("{}", x); }

std::string to_csv(const SweepResults& r) {
    std::vector<std::string> header{"point", "status", "verdict"};
    const auto with_unit = [](const std::string& key, const std::string& unit) {
        return unit.empty() ? key : fmt::format("{} [{}]", key, unit);
    };
    for (const SweptColumn& c : r.swept) header.push_back(c.key);
    for (const ResultColumn& c : r.results) {
        header.push_back(with_unit(c.key, c.unit));
        header.push_back(with_unit(c.key + " error", c.unit));
    }
    for (const CheckColumn& c : r.checks) header.push_back("check: " + c.name);
    header.insert(header.end(), {"seconds", "folder", "message"});
    std::string out;
    const auto add_row = [&](const std::vector<std::string>& cells) {
        for (std::size_t k = 0; k < cells.size(); ++k) out += (k > 0 ? "," : "") + csv_text(cells[k]);
        out += "\n";
    };
    add_row(header);
    for (std::size_t k = 0; k < r.size(); ++k) {
        std::vector<std::string> row{r.name[k], r.status[k], r.verdict[k]};
        for (const SweptColumn& c : r.swept)
            row.push_back(std::isnan(c.number[k]) ? c.text[k] : csv_number(c.number[k]));
        for (const ResultColumn& c : r.results) {
            row.push_back(csv_number(c.value[k]));
            row.push_back(csv_number(c.error[k]));
        }
        for (const CheckColumn& c : r.checks) row.push_back(c.verdict[k]);
        row.insert(row.end(), {fmt::format("{:.2f}", r.seconds[k]), r.folder[k], r.message[k]});
        add_row(row);
    }
    return out;
}

std::string h5_of(const std::string& output) { return (fs::path(output) / "sweep.h5").string(); }

void expect_size(const Hdf5Group& g, std::size_t n, std::size_t expected) {
    if (n != expected)
        throw FileError(fmt::format("{}: '{}' has {} rows, the sweep {}. Run it again", g.file_name(),
                                    g.path(), n, expected));
}

} // namespace

std::size_t SweepResults::count(const std::string& wanted) const {
    return static_cast<std::size_t>(std::count(status.begin(), status.end(), wanted));
}

SweepResults collect(const SweepSection& sweep, const std::vector<PointOutcome>& outcomes) {
    const std::vector<SweepPoint> points = sweep_points(sweep);
    if (points.size() != outcomes.size())
        throw DataError(fmt::format("a sweep of {} points has {} outcomes", points.size(), outcomes.size()));
    SweepResults r;
    const std::vector<double> unknown(points.size(), std::nan(""));
    for (std::size_t k = 0; k < points.size(); ++k) {
        const PointOutcome& o = outcomes[k];
        r.name.push_back(points[k].name);
        r.folder.push_back("sweep/" + points[k].name);
        r.status.push_back(o.status);
        r.message.push_back(o.message);
        r.verdict.push_back(o.status == "done" ? o.summary.verdict : "");
        r.seconds.push_back(o.seconds);
        if (o.status != "done") continue;
        for (const SummaryNumber& n : o.summary.results) {
            ResultColumn& c = column_named(r.results, &ResultColumn::key,
                                           ResultColumn{n.key, n.unit, n.text, unknown, unknown});
            c.value[k] = n.value;
            c.error[k] = n.error;
        }
        for (const SummaryVerdict& v : o.summary.checks) {
            CheckColumn& c =
                column_named(r.checks, &CheckColumn::name,
                             CheckColumn{v.name, std::vector<std::string>(points.size()), unknown});
            c.verdict[k] = v.verdict;
            c.value[k] = v.value;
        }
    }
    for (std::size_t a = 0; a < sweep.axes.size(); ++a)
        for (const SweptKey& key : sweep.axes[a].keys) {
            SweptColumn c{key.key, a, {}, {}};
            for (const SweepPoint& p : points) {
                c.text.push_back(key.values[p.at[a]]);
                c.number.push_back(key.numbers.empty() ? std::nan("") : key.numbers[p.at[a]]);
            }
            r.swept.push_back(std::move(c));
        }
    return r;
}

void write_sweep(const Config& config, const SweepResults& r) {
    Provenance provenance;
    provenance.stage = "sweep";
    provenance.seed = static_cast<std::uint64_t>(config.run.seed);
    provenance.config = to_toml(config);
    if (fs::exists(config.path)) provenance.inputs.push_back(describe_input(config.path));
    provenance.fingerprint = fingerprint_of("sweep", provenance.config, provenance.inputs, "");
    std::vector<TableFit> fits;
    if (temperature_column(r) >= 0) fits = fit_temperatures(r, provenance.warnings);

    Hdf5File file = Hdf5File::create(h5_of(config.run.output));
    write(file, provenance);
    file.write_strings("points/name", r.name);
    file.write_strings("points/folder", r.folder, about("", "of the run of each point, beside this file"));
    file.write_strings("points/status", r.status, about("", "done, failed, stopped or waiting"));
    file.write_strings("points/message", r.message, about("", "why it failed"));
    file.write_strings("points/verdict", r.verdict, about("", "the worst of all checks of the point"));
    file.write("points/seconds", r.seconds, {}, about("s", "wall time of its last run"));
    for (std::size_t k = 0; k < r.swept.size(); ++k) {
        Hdf5Group g = file.create_group(fmt::format("swept/{}", k));
        g.set_attribute("key", r.swept[k].key);
        g.set_attribute("axis", static_cast<std::int64_t>(r.swept[k].axis));
        g.write_strings("text", r.swept[k].text, about("", "value, as TOML"));
        g.write("value", r.swept[k].number, {}, about("", "NaN where it is no number"));
    }
    for (std::size_t k = 0; k < r.results.size(); ++k) {
        const ResultColumn& c = r.results[k];
        Hdf5Group g = file.create_group(fmt::format("results/{}", k));
        g.set_attribute("key", c.key);
        g.set_attribute("units", c.unit);
        g.set_attribute("text", c.text);
        g.write("value", c.value, {}, about(c.unit.c_str(), "NaN where there is none"));
        g.write("error", c.error, {}, about(c.unit.c_str(), "standard error"));
    }
    for (std::size_t k = 0; k < r.checks.size(); ++k) {
        Hdf5Group g = file.create_group(fmt::format("checks/{}", k));
        g.set_attribute("name", r.checks[k].name);
        g.write_strings("verdict", r.checks[k].verdict);
        g.write("value", r.checks[k].value);
    }
    write_fits(file, fits);
    file.commit();
    write_text_file((fs::path(config.run.output) / "sweep.csv").string(), to_csv(r));
}

bool is_sweep(const std::string& path) {
    if (fs::is_directory(path)) return fs::exists(h5_of(path));
    if (!is_hdf5_file(path)) return false;
    const Hdf5File file = Hdf5File::open(path);
    return file.has_attribute("stage") && file.string_attribute("stage") == "sweep";
}

SweepResults read_sweep(const std::string& path) {
    const Hdf5File file = Hdf5File::open(fs::is_directory(path) ? h5_of(path) : path);
    if (!file.has_attribute("stage") || file.string_attribute("stage") != "sweep")
        throw InputError(file.file_name() + ": not the results of a sweep. Give the sweep.h5 of its folder");
    SweepResults r;
    r.name = file.read_strings("points/name");
    r.folder = file.read_strings("points/folder");
    r.status = file.read_strings("points/status");
    r.message = file.read_strings("points/message");
    r.verdict = file.read_strings("points/verdict");
    r.seconds = file.read<double>("points/seconds");
    for (const std::size_t n :
         {r.folder.size(), r.status.size(), r.message.size(), r.verdict.size(), r.seconds.size()})
        expect_size(file.group("points"), n, r.size());
    const auto each = [&](const char* name, auto&& read) {
        for (std::size_t k = 0; file.has_group(fmt::format("{}/{}", name, k)); ++k)
            read(file.group(fmt::format("{}/{}", name, k)));
    };
    each("swept", [&](const Hdf5Group& g) {
        r.swept.push_back({g.string_attribute("key"),
                           static_cast<std::size_t>(g.attribute<std::int64_t>("axis")),
                           g.read_strings("text"), g.read<double>("value")});
        expect_size(g, r.swept.back().text.size(), r.size());
        expect_size(g, r.swept.back().number.size(), r.size());
    });
    each("results", [&](const Hdf5Group& g) {
        r.results.push_back({g.string_attribute("key"), g.string_attribute("units"),
                             g.string_attribute("text"), g.read<double>("value"), g.read<double>("error")});
        expect_size(g, r.results.back().value.size(), r.size());
        expect_size(g, r.results.back().error.size(), r.size());
    });
    each("checks", [&](const Hdf5Group& g) {
        r.checks.push_back({g.string_attribute("name"), g.read_strings("verdict"), g.read<double>("value")});
        expect_size(g, r.checks.back().verdict.size(), r.size());
    });
    return r;
}

std::string to_text(const SweepResults& r, const std::string& folder) {
    // The result that is shown: D, the mean of its axes if there is one, with an error if one has it.
    const ResultColumn* shown = nullptr;
    const auto worth = [](const ResultColumn& c) {
        const bool errors = std::any_of(c.error.begin(), c.error.end(), [](double e) { return e > 0; });
        return (c.key == "D_mean" ? 4 : 0) + (c.unit == per_time ? 2 : 0) + (errors ? 1 : 0);
    };
    for (const ResultColumn& c : r.results)
        if (shown == nullptr || worth(c) > worth(*shown)) shown = &c;
    std::size_t width = 5;
    for (const std::string& name : r.name) width = std::max(width, name.size());
    std::string out = fmt::format("{:{}}  {:>7}  {:>7}  {:>24}\n", "point", width, "status", "verdict",
                                  shown == nullptr ? "" : fmt::format("{} [{}]", shown->key, shown->unit));
    for (std::size_t k = 0; k < r.size(); ++k) {
        std::string value;
        if (shown != nullptr && !std::isnan(shown->value[k]))
            value = shown->error[k] > 0 ? with_error(shown->value[k], shown->error[k])
                                        : fmt::format("{:.5g}", shown->value[k]);
        if (!r.message[k].empty()) value = r.message[k];
        out +=
            fmt::format("{:{}}  {:>7}  {:>7}  {:>24}\n", r.name[k], width, r.status[k], r.verdict[k], value);
    }
    if (temperature_column(r) >= 0) {
        std::vector<std::string> ignored;
        ArrheniusTable table;
        table.fits = fit_temperatures(r, ignored);
        if (!table.fits.empty()) out += "\n" + to_text(table, {});
    }
    out += fmt::format("\nResults: {} and sweep.csv\n", h5_of(folder));
    if (fs::exists(RunFiles(folder).report)) out += "Report: " + RunFiles(folder).report + "\n";
    return out;
}

} // namespace mesolith
