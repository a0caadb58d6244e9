// What a sweep collects, writes, reads back and fits; processes are started in tests/cli/sweep_test.sh.
#include <cmath>
#include <fstream>
#include <random>
#include <sstream>

#include <fmt/format.h>

#include "mesolith/core/units.hpp"
#include "mesolith/io/file.hpp"
#include "mesolith/pipeline/arrhenius_table.hpp"
#include "mesolith/pipeline/sweep.hpp"

#include "support/catch.hpp"
#include "support/contains_text.hpp"
#include "support/temporary_folder.hpp"

using namespace mesolith;
using namespace mesolith::test;

namespace {

using units::boltzmann_ev_per_k;

double law(double prefactor, double energy, double temperature) {
    return prefactor * std::exp(-energy / (boltzmann_ev_per_k * temperature));
}

const char* const input = R"([meso]
size = [4, 4, 4]
unit = "cells"
voxel_nm = [1, 1, 1]
[[meso.material]]
name = "a"
diffusivity_angstrom2_per_ps = [0.05]
[sweep]
"meso.walkers.n" = [10, 20]
"run.temperature_K" = [500, 600, 800]
)";

/// D_xx, and an exact D_domain, of a law whose energy depends on the first swept key; one result only some
/// points have.
std::vector<PointOutcome> outcomes_of(const SweepSection& sweep, std::size_t failed = 99) {
    const std::vector<SweepPoint> points = sweep_points(sweep);
    std::vector<PointOutcome> outcomes(points.size());
    for (std::size_t k = 0; k < points.size(); ++k) {
        if (k == failed) {
            outcomes[k] = {"failed", "no room, \"no\" luck\nat all", 1, {}};
            continue;
        }
        const double T = sweep.axes[1].keys[0].numbers[points[k].at[1]];
        const double D = law(2, points[k].at[0] == 0 ? 0.2 : 0.3, T);
        PointOutcome& o = outcomes[k];
        o.status = "done";
        o.seconds = 2;
        o.summary.verdict = k == 1 ? "warn" : "pass";
        o.summary.results = {{"D_xx", "angstrom^2/ps", "of walkers", D, 0.01 * D},
                             {"D_xy", "angstrom^2/ps", "", D / 10, D / 100},
                             {"D_domain_xx", "angstrom^2/ps", "exact", 2 * D, std::nan("")},
                             {"lag_time", "ps", "", 20, std::nan("")}};
        if (k >= 3) o.summary.results.push_back({"haven", "", "", 0.5, 0.1});
        o.summary.checks = {{"mass", k == 1 ? "warn" : "pass", 1e-12}};
    }
    return outcomes;
}

Config sweep_config(const std::string& folder) {
    return parse_config(input, folder + "/in.toml", {{"run.output=\"" + folder + "\""}, false});
}

const TableFit& fit_of(const std::vector<TableFit>& fits, const std::string& quantity,
                       const std::string& where) {
    for (const TableFit& f : fits)
        if (f.quantity == quantity && f.where == where) return f;
    FAIL("no fit of " << quantity << " at " << where);
    return fits.front();
}

std::vector<TableFit> csv(const std::string& text) {
    std::vector<std::string> warnings;
    return fit_csv(text, "t.csv", warnings);
}

std::vector<std::string> csv_problems(const std::string& text) {
    try {
        (void)csv(text);
    } catch (const ConfigError& error) {
        return error.problems();
    }
    return {};
}

} // namespace

TEST_CASE("a sweep is collected in one row per point and reads back to the same", "[pipeline][sweep]") {
    const TemporaryFolder folder;
    const Config config = sweep_config(folder.path());
    const SweepResults r = collect(*config.sweep, outcomes_of(*config.sweep, 2));
    REQUIRE(r.size() == 6);
    REQUIRE(r.results.size() == 5);
    CHECK(r.count("done") == 5);
    CHECK(r.count("failed") == 1);
    CHECK(std::isnan(r.results[0].value[2]));
    CHECK(std::isnan(r.results[4].value[0]));
    CHECK(r.results[4].value[3] == 0.5);
    CHECK(r.swept[1].number == std::vector<double>{500, 600, 800, 500, 600, 800});
    CHECK(r.checks[0].verdict[2].empty());
    write_sweep(config, r);
    const SweepResults back = read_sweep(folder.path());
    CHECK(back.name == r.name);
    CHECK(back.folder == r.folder);
    CHECK(back.status == r.status);
    CHECK(back.message == r.message);
    CHECK(back.verdict == r.verdict);
    CHECK(back.results[0].key == "D_xx");
    CHECK(back.results[0].unit == "angstrom^2/ps");
    for (std::size_t k = 0; k < 6; ++k) {
        const double a = back.results[0].value[k], b = r.results[0].value[k];
        CHECK(((std::isnan(a) && std::isnan(b)) || a == b));
    }
    CHECK(back.swept[0].text == r.swept[0].text);
    CHECK(back.swept[1].axis == 1);
    CHECK(back.checks[0].verdict == r.checks[0].verdict);
}

TEST_CASE("the table of a sweep is CSV with units, and a text with commas stays one cell",
          "[pipeline][sweep]") {
    const TemporaryFolder folder;
    const Config config = sweep_config(folder.path());
    write_sweep(config, collect(*config.sweep, outcomes_of(*config.sweep, 2)));
    std::istringstream lines(read_text_file(folder / "sweep.csv"));
    std::vector<std::string> rows;
    for (std::string line; std::getline(lines, line);) rows.push_back(line);
    REQUIRE(rows.size() == 7);
    CHECK(rows[0].rfind("point,status,verdict,meso.walkers.n,run.temperature_K,D_xx [angstrom^2/ps],"
                        "D_xx error [angstrom^2/ps]",
                        0) == 0);
    CHECK(rows[1].rfind(fmt::format("n=10_temperature_K=500,done,pass,10,500,{},{},", law(2, 0.2, 500),
                                    0.01 * law(2, 0.2, 500)),
                        0) == 0);
    CHECK(rows[3].find("sweep/n=10_temperature_K=800,\"no room, \"\"no\"\" luck at all\"") !=
          std::string::npos);
}

TEST_CASE("exact lines over a swept temperature are found for every value of the other keys",
          "[pipeline][sweep][arrhenius]") {
    const TemporaryFolder folder;
    const Config config = sweep_config(folder.path());
    const SweepResults r = collect(*config.sweep, outcomes_of(*config.sweep));
    std::vector<std::string> warnings;
    const std::vector<TableFit> fits = fit_temperatures(r, warnings);
    CHECK(warnings.empty());
    CHECK(fits.size() == 4); // D_xy and what is no rate are not fitted
    for (const char* quantity : {"D_xx", "D_domain_xx"})
        for (const bool second : {false, true}) {
            const TableFit& f =
                fit_of(fits, quantity, second ? "meso.walkers.n = 20" : "meso.walkers.n = 10");
            CHECK(std::abs(f.fit.activation_energy - (second ? 0.3 : 0.2)) < 1e-12);
            CHECK(f.from_scatter == (std::string(quantity) == "D_domain_xx"));
        }
    const ArrheniusFit& weighted = fit_of(fits, "D_xx", "meso.walkers.n = 10").fit;
    std::vector<ArrheniusPoint> points;
    for (const double T : {500., 600., 800.}) points.push_back({T, law(2, 0.2, T), 0.01 * law(2, 0.2, T)});
    CHECK(weighted.energy_error() == fit_arrhenius(points).energy_error());
    // The file holds them, and mesolith arrhenius finds them there.
    write_sweep(config, r);
    const Hdf5File file = Hdf5File::open(folder / "sweep.h5");
    CHECK(file.group("series/0").string_attribute("where") == "meso.walkers.n = 10");
    CHECK(std::abs(file.group("series/1").attribute<double>("activation_energy_eV") - 0.3) < 1e-12);
    CHECK(is_arrhenius_table(folder.path()));
    CHECK(fit_table(folder.path()).fits.size() == 4);
    CHECK(fit_table(folder / "sweep.h5").fits.size() == 4);
}

TEST_CASE("points that are missing, without a logarithm or without errors are left out with a word",
          "[pipeline][sweep][arrhenius]") {
    const TemporaryFolder folder;
    const Config config = sweep_config(folder.path());
    std::vector<PointOutcome> outcomes = outcomes_of(*config.sweep, 5);
    outcomes[0].summary.results[0].value = -1e-5;
    std::vector<std::string> warnings;
    const std::vector<TableFit> fits = fit_temperatures(collect(*config.sweep, outcomes), warnings);
    CHECK(fit_of(fits, "D_xx", "meso.walkers.n = 10").fit.points.size() == 2);
    CHECK(fit_of(fits, "D_xx", "meso.walkers.n = 20").fit.points.size() == 2);
    REQUIRE(warnings.size() == 3);
    CHECK_THAT(warnings[0], contains_text("1 points are not done"));
    CHECK_THAT(warnings[1], contains_text("the value at 500 K, -1e-05, is left out"));
    CHECK_THAT(warnings[2],
               contains_text("D_domain_xx at meso.walkers.n = 20 is not fitted: 2 values without errors"));
    SweepResults none = collect(*config.sweep, outcomes);
    none.swept.pop_back();
    CHECK_THROWS_WITH(fit_temperatures(none, warnings), contains_text("no temperature is swept"));
    SweepResults two = collect(*config.sweep, outcomes);
    two.swept.push_back(two.swept.back());
    two.swept.back().key = "meso.temperature_K";
    CHECK_NOTHROW(fit_temperatures(two, warnings));
    two.swept.back().number[0] += 1;
    CHECK_THROWS_WITH(fit_temperatures(two, warnings), contains_text("are both swept"));
}

TEST_CASE("a table of the user's gives the lines of its columns, whatever separates them",
          "[pipeline][arrhenius]") {
    for (const std::string separator : {", ", ";", "\t", "   "}) {
        CAPTURE(separator);
        std::string text =
            "# measured\n" +
            (separator == "   "
                 ? "T D[m^2/s] error k[1/ps] error\n"
                 : fmt::format("T [K]{0}D [m^2/s]{0}error{0}k [1/ps]{0}error [1/ps]\n", separator)) +
            "\n";
        for (const double T : {400., 500., 700.})
            text += fmt::format("{1}{0}{2}{0}{3}{0}{4}{0}{5}\n", separator, T, law(1e-8, 0.35, T),
                                0.1 * law(1e-8, 0.35, T), law(10, 0.5, T), 0.2 * law(10, 0.5, T));
        const std::vector<TableFit> fits = csv(text);
        REQUIRE(fits.size() == 2);
        CHECK(fits[0].quantity == "D");
        CHECK(fits[0].unit == "m^2/s");
        CHECK(std::abs(fits[0].fit.activation_energy - 0.35) < 1e-12);
        CHECK(std::abs(std::exp(fits[0].fit.log_prefactor) / 1e-8 - 1) < 1e-10);
        CHECK(fits[1].quantity == "k");
        CHECK(std::abs(fits[1].fit.activation_energy - 0.5) < 1e-12);
    }
}

TEST_CASE("bad rows of a table are refused with their lines, all at once", "[pipeline][arrhenius]") {
    CHECK(csv_problems(
              "T [K], D, error\n500, 1, 0.1\n600, 1\n# a comment\n-3, 1, 0.1\n700, x, 0.1\n800, 1, nan\n900, "
              "1, \n") ==
          std::vector<std::string>{"t.csv:3: expected 3 columns as in the header, got 2",
                                   "t.csv:5: T [K]: expected a temperature > 0, got \"-3\"",
                                   "t.csv:6: D: expected a value > 0, got \"x\"",
                                   "t.csv:7: error: expected a standard error > 0, got \"nan\"",
                                   "t.csv:8: error: expected a standard error > 0, got nothing"});
    CHECK_THAT(csv_problems("500, 1, 0.1\n").at(0), contains_text("t.csv:1: expected a header"));
    CHECK_THAT(csv_problems("T [C], D, error\n").at(0), contains_text("expected temperatures in K, got C"));
    CHECK_THAT(csv_problems("T, D\n500, 1\n").at(0), contains_text("got 2 columns"));
    CHECK_THAT(csv_problems("T, D [m^2/s], error [cm^2/s]\n").at(0), contains_text("in its unit"));
    CHECK_THAT(csv_problems("# nothing\n").at(0), contains_text("got an empty file"));
    std::vector<std::string> warnings;
    CHECK(fit_csv("T, D, e\n500, 1, 0.1\n500, 1, 0.1\n", "t.csv", warnings).empty());
    CHECK_THAT(warnings.at(0), contains_text("all values are of 500 K"));
}

TEST_CASE("values at a temperature carry their error and say when they are extrapolated",
          "[pipeline][arrhenius]") {
    const std::vector<TableFit> fits =
        csv(fmt::format("T, D [m^2/s], e\n500, {}, {}\n800, {}, {}\n", law(1, 0.2, 500),
                        0.1 * law(1, 0.2, 500), law(1, 0.2, 800), 0.05 * law(1, 0.2, 800)));
    REQUIRE(fits.size() == 1);
    // Through two points: at their temperatures the errors are theirs.
    const std::string text = values_at(fits, {500, 800, 300});
    CHECK_THAT(text, contains_text("D at 500 K: 0.00964 ± 0.00096 m^2/s\n"));
    CHECK_THAT(text, contains_text("D at 800 K: 0.0550 ± 0.0027 m^2/s\n"));
    const double b5 = 1 / (boltzmann_ev_per_k * 500), b8 = 1 / (boltzmann_ev_per_k * 800),
                 b3 = 1 / (boltzmann_ev_per_k * 300);
    const double error = std::hypot(0.1 * (b3 - b8), 0.05 * (b5 - b3)) / (b5 - b8);
    CHECK(std::abs(fits[0].fit.log_error_at(300) / error - 1) < 1e-10);
    CHECK_THAT(text, contains_text(fmt::format("D at 300 K: {:.3g} ", law(1, 0.2, 300)).substr(0, 12)));
    CHECK_THAT(text, contains_text("extrapolated (data from 500 to 800 K)"));
    ArrheniusTable table;
    table.fits = fits;
    CHECK_THAT(to_json(table, {300}), contains_text("\"extrapolated\": true"));
    CHECK_THAT(to_json(table, {600}), contains_text("\"extrapolated\": false"));
}

TEST_CASE("a foreign file is no sweep, and a damaged one is told", "[pipeline][sweep]") {
    const TemporaryFolder folder;
    const Config config = sweep_config(folder.path());
    CHECK_THROWS_AS(read_sweep(folder.path()), InputError);
    {
        Hdf5File file = Hdf5File::create(folder / "other.h5");
        file.set_attribute("stage", "msm");
        file.commit();
    }
    CHECK_THROWS_WITH(read_sweep(folder / "other.h5"), contains_text("not the results of a sweep"));
    CHECK_THROWS_WITH(fit_table(folder / "other.h5"), contains_text("another HDF5 file"));
    CHECK_THROWS_AS(collect(*config.sweep, {}), DataError);
    CHECK_THROWS_AS(read_summary_file(folder.file("summary.json", "{\"name\": 3}")), FileError);
    CHECK_THROWS_AS(read_summary_file(folder / "none.json"), InputError);
}
