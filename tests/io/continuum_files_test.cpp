#include <cmath>
#include <sstream>

#include <nlohmann/json.hpp>

#include "mesolith/core/error.hpp"
#include "mesolith/io/continuum_files.hpp"
#include "mesolith/io/csv_table.hpp"

#include "support/catch.hpp"
#include "support/contains_text.hpp"
#include "support/diffusivity_records.hpp"
#include "support/temporary_folder.hpp"

using namespace mesolith;
using namespace mesolith::test;

namespace {

using enum ContinuumTarget;
constexpr std::array all_targets{pybamm, bpx, battmo, battmo_jl, moose, comsol, csv};
constexpr double SI = 1e-8;

DiffusivityRecord fickian() {
    DiffusivityRecord r = arrhenius_record(DiffusivityKind::chemical, {0.1, 0.4, 0.9}, {280, 320},
                                           Mat3(Vec3(2, 0.5, 0.5).asDiagonal()), 0.3, 1e-3);
    r.theta_source = "u.csv";
    r.haven_source = "given number";
    for (DiffusivityPoint& p : r.points) p.theta = 5, p.haven = 0.7;
    r.masked = {{0.5 * 3.75, 0.6 * 3.75}};
    return r;
}

std::string text_of(const DiffusivityRecord& record, ContinuumTarget target,
                    const std::string& out = "d_li.txt",
                    DiffusivityScalar scalar = DiffusivityScalar::trace) {
    ContinuumOptions options;
    options.target = target;
    options.scalar = scalar;
    return continuum_files(record, out, options).files.front().text;
}

std::vector<std::string> lines_of(const std::string& text) {
    std::istringstream in(text);
    std::vector<std::string> lines;
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    return lines;
}

std::vector<double> numbers_in(const std::string& line) {
    std::istringstream in(line);
    std::vector<double> numbers;
    for (double value = 0; in >> value;) numbers.push_back(value);
    return numbers;
}

} // namespace

TEST_CASE("the PyBaMM table begins as its reader wants, stoichiometry slowest, axes to the last bit",
          "[io][continuum]") {
    const TemporaryFolder folder;
    const DiffusivityRecord record = fickian();
    const std::string text = text_of(record, pybamm);
    CHECK(text.starts_with("stoichiometry,temperature [K],diffusivity [m2.s-1],standard error of log10 D,"));
    const CsvTable table = read_csv_table(folder.file("d.csv", text));
    REQUIRE(table.n_rows() == 6);
    for (std::size_t k = 0; k < 6; ++k) {
        CHECK(table.columns[0][k] == record.points[k].stoichiometry);
        CHECK(table.columns[1][k] == record.points[k].temperature);
        CHECK(table.columns[2][k] == record.points[k].mean() * SI);
        CHECK(std::abs(table.columns[3][k] - 0.05 / std::log(10.0)) < 1e-15);
    }
    CHECK(table.columns[0][0] == table.columns[0][1]);
    const auto column = [&](const char* name) {
        return table.columns[*table.find(std::vector<std::string>{name})];
    };
    CHECK(column("D_xx [m2.s-1]")[3] == record.points[3].diffusivity(0, 0) * SI);
    CHECK(column("D_yz [m2.s-1]")[3] == 0);
    CHECK(column("Theta")[2] == 5);
    CHECK(std::abs(column("harmonic [m2.s-1]")[5] /
                       (polycrystal_estimates(record.points[5].diffusivity).harmonic * SI) -
                   1) < 1e-15);
    const std::string harmonic = text_of(record, pybamm, "d.csv", DiffusivityScalar::harmonic);
    const CsvTable other = read_csv_table(folder.file("h.csv", harmonic));
    CHECK(other.columns[2] == column("harmonic [m2.s-1]"));
}

TEST_CASE("every file says what kind of D it holds, its frame, factors, ranges and gaps", "[io][continuum]") {
    for (const ContinuumTarget target : all_targets) {
        ContinuumOptions options;
        options.target = target;
        for (const ContinuumFile& file : continuum_files(fickian(), "d_li.txt", options).files)
            for (const char* fact : {"kind: chemical", "frame: current", "Haven ratio: 0.7 (given number)",
                                     "thermodynamic factor: 5 (u.csv)", "valid_T: 280 320",
                                     "two_phase: 0.5 0.5", "x_max: 3.75", "c_max: 278000"}) {
                CAPTURE(file.path);
                CHECK_THAT(file.text, contains_text(fact));
            }
    }
}

TEST_CASE("Fickian targets refuse other kinds and name what is missing", "[io][continuum]") {
    for (const ContinuumTarget target : all_targets) {
        ContinuumOptions options;
        options.target = target;
        for (const DiffusivityKind kind : {DiffusivityKind::tracer, DiffusivityKind::jump}) {
            const DiffusivityRecord record =
                arrhenius_record(kind, {0.1, 0.5}, {280, 320}, Mat3::Identity(), 0.3, 1e-3);
            if (target == csv) {
                CHECK_THAT(continuum_files(record, "d_li.txt", options).files[0].text,
                           contains_text(std::string("kind: ") + name_of(kind)));
                continue;
            }
            const bool tracer = kind == DiffusivityKind::tracer;
            CHECK_THROWS_WITH(continuum_files(record, "d_li.txt", options),
                              contains_text(tracer ? "Give --haven and --theta" : "missing). Give --theta"));
        }
    }
}

TEST_CASE("MOOSE has the stoichiometry fastest, COMSOL the tensor in columns", "[io][continuum]") {
    const DiffusivityRecord record = fickian();
    std::vector<std::string> significant;
    for (const std::string& line : lines_of(text_of(record, moose)))
        if (!line.empty() && line[0] != '#') significant.push_back(line);
    REQUIRE(significant.size() == 7);
    CHECK(significant[0] == "AXIS X");
    CHECK(numbers_in(significant[1]) == std::vector<double>{0.1, 0.4, 0.9});
    CHECK(significant[2] == "AXIS Y");
    CHECK(numbers_in(significant[3]) == std::vector<double>{280, 320});
    CHECK(significant[4] == "DATA");
    for (std::size_t j = 0; j < 2; ++j) {
        const std::vector<double> row = numbers_in(significant[5 + j]);
        REQUIRE(row.size() == 3);
        for (std::size_t i = 0; i < 3; ++i) CHECK(row[i] == record.points[2 * i + j].mean() * SI);
    }
    std::size_t n = 0;
    for (const std::string& line : lines_of(text_of(record, comsol))) {
        if (line[0] == '%') continue;
        const std::vector<double> row = numbers_in(line);
        REQUIRE(row.size() == 9);
        CHECK(row[0] == record.points[n].stoichiometry);
        CHECK(row[3] == record.points[n].diffusivity(0, 0) * SI);
        CHECK(row[5] == record.points[n].diffusivity(2, 2) * SI);
        CHECK(row[6] == 0);
        ++n;
    }
    CHECK(n == 6);
}

TEST_CASE("the BPX patch holds D at the reference temperature and one activation energy", "[io][continuum]") {
    ContinuumOptions options;
    options.target = bpx;
    options.reference_temperature = 298.15;
    const ContinuumFiles files = continuum_files(fickian(), "patch.json", options);
    const auto patch = nlohmann::json::parse(files.files[0].text);
    const auto& section = patch["Parameterisation"]["Negative electrode"];
    CHECK(std::abs(section["Diffusivity activation energy [J.mol-1]"].get<double>() / (0.3 * 96485.33212) -
                   1) < 1e-9);
    const auto x = section["Diffusivity [m2.s-1]"]["x"].get<std::vector<double>>(),
               y = section["Diffusivity [m2.s-1]"]["y"].get<std::vector<double>>();
    CHECK(x == std::vector<double>{0.1, 0.4, 0.9});
    for (std::size_t k = 0; k < 3; ++k) {
        const double exact = 1e-3 * (1 + x[k]) * std::exp(-0.3 / (units::boltzmann_ev_per_k * 298.15)) * SI;
        CHECK(std::abs(y[k] / exact - 1) < 1e-9);
    }
    options.particle = "Silicon \"fine\"";
    options.reference_temperature = 250;
    const ContinuumFiles blended = continuum_files(fickian(), "patch.json", options);
    CHECK(nlohmann::json::parse(blended.files[0].text)["Parameterisation"]["Negative electrode"]["Particle"]
              .contains("Silicon \"fine\""));
    REQUIRE(blended.warnings.size() == 2);
    CHECK_THAT(blended.warnings[0], contains_text("D at 250 K is extrapolated (data from 280 to 320 K"));

    const DiffusivityRecord cold =
        arrhenius_record(DiffusivityKind::chemical, {0.1, 0.5}, {300}, Mat3::Identity(), 0.3, 1e-3);
    options = {};
    options.target = bpx;
    CHECK_THROWS_WITH(continuum_files(cold, "p.json", options), contains_text("all values are of 300 K"));
    options.reference_temperature = 300;
    const auto one = nlohmann::json::parse(continuum_files(cold, "p.json", options).files[0].text);
    CHECK_FALSE(
        one["Parameterisation"]["Negative electrode"].contains("Diffusivity activation energy [J.mol-1]"));
}

TEST_CASE("BattMo files are a function and its input, named alike", "[io][continuum]") {
    ContinuumOptions options;
    options.target = battmo;
    options.guest_stoichiometry = {0.05, 0.95};
    const ContinuumFiles files = continuum_files(fickian(), "out/d_li.m", options);
    REQUIRE(files.files.size() == 2);
    CHECK(files.files[0].path == "out/d_li.m");
    CHECK(files.files[1].path == "out/d_li.json");
    CHECK_THAT(files.files[0].text, contains_text("function D = d_li(soc, T)"));
    CHECK_THAT(files.files[0].text, contains_text("theta100 = 0.94999999999999996;"));
    const auto input = nlohmann::json::parse(files.files[1].text);
    CHECK(input["SolidDiffusion"]["diffusionCoefficient"]["functionName"] == "d_li");
    CHECK(input["SolidDiffusion"]["diffusionCoefficient"]["functionFormat"] == "named function");
    CHECK(input["diffusionModelType"] == "full");
    options.target = battmo_jl;
    const ContinuumFiles julia = continuum_files(fickian(), "d_li.jl", options);
    CHECK_THAT(julia.files[0].text, contains_text("function d_li(c, T, refT, cmax)"));
    CHECK(nlohmann::json::parse(julia.files[1].text)["ActiveMaterial"]["DiffusionCoefficient"]["FilePath"] ==
          "d_li.jl");
    CHECK_THROWS_WITH(continuum_files(fickian(), "2d.jl", options),
                      contains_text("'2d' is no name of a function"));
    CHECK_THROWS_AS(continuum_files(fickian(), "d-li.jl", options), DataError);
}

TEST_CASE("holes, zeros and unknown targets are refused", "[io][continuum][bad]") {
    DiffusivityRecord holed = fickian();
    holed.points.erase(holed.points.begin() + 2);
    for (const ContinuumTarget target : all_targets) {
        ContinuumOptions options;
        options.target = target;
        if (target == csv || target == comsol || target == bpx)
            CHECK_NOTHROW(continuum_files(holed, "d_li.txt", options));
        else
            CHECK_THROWS_WITH(continuum_files(holed, "d_li.txt", options),
                              contains_text("no value at stoichiometry 0.4, 280 K"));
    }
    const DiffusivityRecord channel = arrhenius_record(DiffusivityKind::chemical, {0.1}, {300, 400},
                                                       Mat3(Vec3(3, 0, 0).asDiagonal()), 0.3, 1e-3);
    CHECK_THROWS_WITH(text_of(channel, pybamm, "d", DiffusivityScalar::harmonic),
                      contains_text("the harmonic value is zero"));
    CHECK_THROWS_WITH(continuum_target("matlab"),
                      contains_text("known: pybamm, bpx, battmo, battmo.jl, moose, comsol, csv"));
    for (const ContinuumTarget target : all_targets) CHECK(continuum_target(name_of(target)) == target);
}
