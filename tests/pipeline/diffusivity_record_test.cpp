// Records from sweeps of lattice gases, whose points are made up here; runs and tables:
// tests/cli/record_test.sh.
#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>

#include <fmt/format.h>

#include "mesolith/core/error.hpp"
#include "mesolith/core/version.hpp"
#include "mesolith/io/diffusivity_record_file.hpp"
#include "mesolith/io/file.hpp"
#include "mesolith/io/store.hpp"
#include "mesolith/pipeline/diffusivity_record.hpp"
#include "mesolith/pipeline/sweep.hpp"

#include "support/catch.hpp"
#include "support/contains_text.hpp"
#include "support/diffusivity_records.hpp"
#include "support/temporary_folder.hpp"

using namespace mesolith;
using namespace mesolith::test;

namespace {

const char* const record_input = R"([run]
seed = 77
[meso]
occupancy = "exclusion"
size = [4, 4, 4]
unit = "cells"
total_time_ps = 10
[[meso.material]]
name = "a"
kernel = "a.toml"
[meso.gas]
vacancy_fraction = 0.1
[sweep]
"run.temperature_K" = [500, 700]
"meso.gas.vacancy_fraction" = [0.01, 0.05, 0.1]
)";

constexpr const char* tensor_names[] = {"xx", "yy", "zz", "yz", "xz", "xy"};
constexpr std::pair<int, int> places[] = {{0, 0}, {1, 1}, {2, 2}, {1, 2}, {0, 2}, {0, 1}};
constexpr double x_full = 3.75;

/// Of one point: numbers whose last bits matter.
struct Gas {
    double temperature = 0, vacancy = 0;
    double vacant() const { return vacancy + 1e-4 / 3; } // ions are whole: not what was asked for
    double tracer(std::size_t c) const { return part(c) * 0.7; }
    double collective(std::size_t c) const { return part(c) * 1.1; }
    double part(std::size_t c) const {
        const double D = 3 * vacancy * std::exp(-2000 / temperature);
        return c < 3 ? D * (1 + 0.1 * static_cast<double>(c) / 3) : D * 0.01 / static_cast<double>(c);
    }
    static double mean(const std::function<double(std::size_t)>& D) { return (D(0) + D(1) + D(2)) / 3; }
    double theta() const { return 0.9 / vacant(); }
    double haven() const { return 0.6 + vacancy / 3; }
    double hops() const { return 1e6 * vacancy; }
};

void add(std::vector<SummaryNumber>& out, const std::string& key, double value, double error) {
    out.push_back({key, "", "", value, error});
}

/// As summary.json of such a run has it.
std::vector<SummaryNumber> summary_of(const Gas& g, const std::string& ending = "", bool with_theta = true) {
    std::vector<SummaryNumber> out;
    const double none = std::nan("");
    add(out, "vacancy_fraction" + ending, g.vacant(), none);
    add(out, "gas_temperature" + ending, g.temperature, none);
    for (std::size_t c = 0; c < 6; ++c) {
        add(out, fmt::format("D_tracer_{}{}", tensor_names[c], ending), g.tracer(c), 0.01 * g.tracer(c));
        add(out, fmt::format("D_J_{}{}", tensor_names[c], ending), g.collective(c), 0.03 * g.collective(c));
    }
    const double tracer = Gas::mean([&](std::size_t c) { return g.tracer(c); });
    const double collective = Gas::mean([&](std::size_t c) { return g.collective(c); });
    add(out, "D_tracer" + ending, tracer, 0.006 * tracer);
    add(out, "D_J" + ending, collective, 0.02 * collective);
    add(out, "haven_ratio" + ending, g.haven(), 0.02);
    if (with_theta) add(out, "theta" + ending, g.theta(), 0.04 * g.theta());
    if (ending.empty()) add(out, "hops", g.hops(), none);
    return out;
}

struct Sweep {
    explicit Sweep(const TemporaryFolder& where)
        : config(parse_config(record_input, where.file("in.toml", record_input),
                              {{"run.output=\"" + where.path() + "\""}, false})) {
        for (const SweepPoint& p : sweep_points(*config.sweep)) {
            const auto number = [&](std::size_t axis) {
                return config.sweep->axes[axis].keys[0].numbers[p.at[axis]];
            };
            gases.push_back({number(0), number(1)});
            PointOutcome& o = outcomes.emplace_back();
            o.status = "done";
            o.summary.verdict = "pass";
            o.summary.results = summary_of(gases.back());
        }
    }
    void write() const { write_sweep(config, collect(*config.sweep, outcomes)); }

    Config config;
    std::vector<Gas> gases;
    std::vector<PointOutcome> outcomes;
};

RecordOptions options(std::optional<DiffusivityKind> kind = {}) {
    RecordOptions o;
    o.kind = kind;
    o.x_full = x_full;
    o.x_max = 3.75;
    return o;
}

std::string complaint(const std::vector<std::string>& sources, const RecordOptions& o) {
    try {
        (void)build_record(sources, o);
    } catch (const InputError& error) {
        const std::string text = error.what();
        CHECK(text.find('\n') == std::string::npos);
        return text;
    }
    return "none";
}

const DiffusivityPoint& point_at(const DiffusivityRecord& record, const Gas& g) {
    for (const DiffusivityPoint& p : record.points)
        if (p.temperature == g.temperature && p.x == x_full * (1 - g.vacant())) return p;
    FAIL("no point at " << g.temperature << " K, vacancy fraction " << g.vacancy);
    return record.points.front();
}

} // namespace

TEST_CASE("a sweep of lattice gases becomes a record of each kind, and no bit is lost",
          "[pipeline][record]") {
    const TemporaryFolder folder;
    const Sweep sweep(folder);
    sweep.write();
    using enum DiffusivityKind;
    for (const DiffusivityKind kind : {tracer, jump, chemical}) {
        CAPTURE(name_of(kind));
        const DiffusivityRecord record = build_record({folder.path()}, options(kind));
        CHECK(record.kind == kind);
        REQUIRE(record.points.size() == 6);
        for (const Gas& g : sweep.gases) {
            const DiffusivityPoint& p = point_at(record, g);
            const double factor = kind == chemical ? g.theta() : 1;
            for (std::size_t c = 0; c < 6; ++c) {
                const double D = kind == tracer ? g.tracer(c) : g.collective(c);
                const auto [a, b] = places[c];
                CHECK(p.diffusivity(a, b) == D * factor);
                CHECK(p.diffusivity(b, a) == D * factor);
                if (kind != chemical) CHECK(p.error(a, b) == (kind == tracer ? 0.01 : 0.03) * D);
                // D_J and Theta err independently
                else
                    CHECK(std::abs(p.error(a, b) / (D * factor) - 0.05) < 1e-14);
            }
            const double relative = kind == tracer ? 0.006 : kind == jump ? 0.02 : std::hypot(0.02, 0.04);
            CHECK(std::abs(p.mean_error / p.mean() - relative) < 1e-14);
            CHECK(p.haven == g.haven());
            CHECK(p.haven_error == 0.02);
            CHECK(p.hops == g.hops());
            if (kind == chemical) {
                CHECK(p.theta == g.theta());
                CHECK(p.theta_error == 0.04 * g.theta());
            } else
                CHECK(std::isnan(p.theta));
            CHECK(std::filesystem::path(p.source).parent_path() == std::filesystem::path(folder / "sweep"));
        }
        CHECK(record.haven_source.empty() == (kind == tracer));
        CHECK(record.theta_source.empty() == (kind != chemical));
        for (const char* file : {"r.h5", "r.json"}) {
            write_diffusivity_record(folder / file, record);
            CHECK(same_bits(read_diffusivity_record(folder / file), record));
        }
        // The file of the sweep is as good as its folder.
        CHECK(same_bits(build_record({folder / "sweep.h5"}, options(kind)), record));
    }
    CHECK(build_record({folder.path()}, options()).kind == chemical);
}

TEST_CASE("a record says which sweep it is from: version, seed, checksums", "[pipeline][record]") {
    const TemporaryFolder folder;
    const Sweep sweep(folder);
    sweep.write();
    const RecordProvenance from = build_record({folder.path()}, options()).provenance;
    CHECK(from.version == version());
    CHECK(from.seeds == std::vector<std::uint64_t>{77});
    REQUIRE(from.inputs.size() == 2);
    CHECK(from.inputs[0].sha256 == describe_input(folder / "sweep.h5").sha256);
    CHECK(from.inputs[1].sha256 == describe_input(folder / "in.toml").sha256);
    REQUIRE(from.steps.size() == 1);
    CHECK_THAT(from.steps[0], contains_text(fmt::format("mesolith {}, {}; seed 77", version(), commit())));
    CHECK_THAT(from.steps[0], contains_text("x = 3.75 (1 - vacancy fraction)"));
}

TEST_CASE("points that failed or wait are holes with tensor_names, and a regular grid is refused",
          "[pipeline][record]") {
    const TemporaryFolder folder;
    Sweep sweep(folder);
    sweep.outcomes[1] = {"failed", "no luck\nat all", 1, {}};
    sweep.outcomes[5] = {"waiting", "", 0, {}};
    sweep.outcomes[0].summary.verdict = "fail";
    sweep.write();
    const DiffusivityRecord record = build_record({folder.path()}, options());
    CHECK(record.points.size() == 4);
    REQUIRE(record.warnings.size() == 2);
    CHECK_THAT(record.warnings[0], contains_text("2 of 6 points are holes"));
    CHECK_THAT(record.warnings[0],
               contains_text("temperature_K=500_vacancy_fraction=0.05 (failed: no luck at all)"));
    CHECK_THAT(record.warnings[0], contains_text("temperature_K=700_vacancy_fraction=0.1 (waiting)"));
    CHECK_THAT(record.warnings[1],
               contains_text("a check failed at temperature_K=500_vacancy_fraction=0.01"));
    ExportOptions pybamm;
    pybamm.file.target = ContinuumTarget::pybamm;
    CHECK_THROWS_WITH(export_record(record, folder / "d.csv", pybamm),
                      contains_text("no value at stoichiometry"));
    CHECK_FALSE(std::filesystem::exists(folder / "d.csv"));
    pybamm.file.target = ContinuumTarget::csv; // where holes are allowed
    CHECK_NOTHROW(export_record(record, folder / "d.csv", pybamm));
    // A point without its tensor is one, too.
    sweep.outcomes[3].summary.results = {{"gas_temperature", "K", "", 700, std::nan("")}};
    sweep.write();
    CHECK_THAT(build_record({folder.path()}, options()).warnings[0],
               contains_text("temperature_K=700_vacancy_fraction=0.01 (no tensor D_J)"));
}

TEST_CASE("points that went through several temperatures give one value at each", "[pipeline][record]") {
    const TemporaryFolder folder;
    Sweep sweep(folder);
    for (std::size_t k = 0; k < 6; ++k) {
        if (k >= 3) {
            sweep.outcomes[k] = {"failed", "", 0, {}};
            continue;
        }
        sweep.outcomes[k].summary.results.clear();
        for (const double T : {450., 900.})
            for (const SummaryNumber& n : summary_of({T, sweep.gases[k].vacancy}, fmt::format("_{:g}K", T)))
                sweep.outcomes[k].summary.results.push_back(n);
    }
    sweep.write();
    const DiffusivityRecord record = build_record({folder.path()}, options(DiffusivityKind::tracer));
    REQUIRE(record.points.size() == 6);
    for (std::size_t k = 0; k < 3; ++k)
        for (const double T : {450., 900.}) {
            const Gas g{T, sweep.gases[k].vacancy};
            CHECK(point_at(record, g).diffusivity(1, 1) == g.tracer(1));
            CHECK(std::isnan(point_at(record, g).hops)); // known of the whole ramp only
        }
}

TEST_CASE("a sweep that cannot be a record is refused in one line", "[pipeline][record][bad]") {
    const TemporaryFolder folder;
    Sweep sweep(folder);
    const std::string file = folder / "sweep.h5";
    sweep.write();
    RecordOptions o = options();
    o.x_full = DiffusivityPoint::unknown;
    CHECK_THAT(complaint({folder.path()}, o), contains_text("sweep.h5: x: expected the composition"));
    CHECK_THAT(complaint({folder.path()}, o), contains_text("--x-full"));
    o = options();
    o.x_max = DiffusivityPoint::unknown;
    CHECK_THAT(complaint({folder.path()}, o), contains_text("x_max is not known"));
    o = options(DiffusivityKind::tracer);
    CHECK_THAT(complaint({folder.path(), folder.path()}, o), contains_text("two values"));
    write_diffusivity_record(folder / "tracer.h5", build_record({folder.path()}, o));
    CHECK_THAT(complaint({folder / "tracer.h5", folder.path()}, options()),
               contains_text("is chemical, " + folder.path()));
    CHECK_THAT(complaint({folder / "tracer.h5"}, options()),
               contains_text("--x-full: expected lattice gases"));

    // Damaged: cut off anywhere, of another kind, or with a column of another length.
    const std::string bytes = read_text_file(file);
    for (const double part : {0.0, 0.001, 0.3, 0.9, 0.999}) {
        CAPTURE(part);
        std::ofstream(file, std::ios::binary | std::ios::trunc)
            << bytes.substr(0, static_cast<std::size_t>(part * static_cast<double>(bytes.size())));
        CHECK_THAT(complaint({file}, options()), contains_text(file + ": "));
        CHECK_THAT(complaint({folder.path()}, options()), contains_text(file + ": "));
    }
    sweep.write();
    {
        Hdf5File damaged = Hdf5File::modify(file);
        Hdf5Group extra = damaged.create_group(
            fmt::format("results/{}", collect(*sweep.config.sweep, sweep.outcomes).results.size()));
        extra.set_attribute("key", "more");
        extra.set_attribute("units", "");
        extra.set_attribute("text", "");
        extra.write("value", std::vector<double>{1, 2});
        extra.write("error", std::vector<double>{1, 2});
    }
    CHECK_THAT(complaint({folder.path()}, options()), contains_text("has 2 rows, the sweep 6"));

    // No Theta where it is needed.
    sweep.outcomes[4].summary.results = summary_of(sweep.gases[4], "", false);
    sweep.write();
    const std::string where = "got none at temperature_K=700_vacancy_fraction=0.05";
    for (const auto& kind : {std::optional<DiffusivityKind>(), std::optional(DiffusivityKind::chemical)}) {
        const std::string text = complaint({folder.path()}, options(kind));
        CHECK_THAT(text, contains_text("sweep.h5: theta: expected a value at each point"));
        CHECK_THAT(text, contains_text(where));
        CHECK_THAT(text, contains_text("--kind jump or tracer"));
    }
    CHECK(build_record({folder.path()}, options(DiffusivityKind::jump)).points.size() == 6);

    // No lattice gases, nothing done.
    for (PointOutcome& outcome : sweep.outcomes)
        outcome.summary.results = {{"D_xx", "angstrom^2/ps", "", 1, 0.1}};
    sweep.write();
    CHECK_THAT(complaint({folder.path()}, options()),
               contains_text("gas_temperature: expected lattice gases of known temperature, got D_xx"));
    for (PointOutcome& outcome : sweep.outcomes) outcome = {"failed", "no luck", 1, {}};
    sweep.write();
    CHECK_THAT(complaint({folder.path()}, options()),
               contains_text("status: expected points that are done, got none of 6"));
}

TEST_CASE("a column that a table lacks is asked for with file and line", "[pipeline][record][bad]") {
    const TemporaryFolder folder;
    RecordOptions o = options(DiffusivityKind::tracer);
    o.x_full = DiffusivityPoint::unknown;
    const auto of = [&](const std::string& text) { return complaint({folder.file("t.csv", text)}, o); };
    CHECK_THAT(of("# made by hand\n\nx,D [m^2/s]\n3.7,1e-12\n"),
               contains_text("t.csv:3: expected a column 'temperature [K]', got x, D [m^2/s]"));
    CHECK_THAT(of("x,T [K]\n3.7,300\n"), contains_text("t.csv:1: expected a column 'D [m^2/s]'"));
    CHECK_THAT(of("T [K],D [m^2/s]\n300,1e-12\n"), contains_text("t.csv:1: expected a column 'x'"));
    CHECK_THAT(of("x,T [C],D [m^2/s]\n3.7,300,1e-12\n"),
               contains_text("t.csv:1: column 'T [C]' is not in K"));
    CHECK_THAT(of("x,T [K],D\n3.7,300,1e-12\n"), contains_text("t.csv:1: column 'D' has no unit"));
    CHECK_THAT(of("x,T [K],D [mm]\n3.7,300,1e-12\n"), contains_text("t.csv:1: unit 'mm' of column"));
}
