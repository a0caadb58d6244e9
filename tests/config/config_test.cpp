#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "mesolith/config/config.hpp"

#include "support/catch.hpp"
#include "support/contains_text.hpp"
#include "support/temporary_folder.hpp"

using namespace mesolith;
using test::contains_text;

namespace {

const char* const smallest = R"(
[[trajectory]]
file = "a.xyz"
[sites]
structure = "a.POSCAR"
)";

Config parse(const std::string& text, std::vector<std::string> set = {}) {
    return parse_config(text, "folder/in.toml", {std::move(set), false});
}

std::vector<std::string> problems_of(const std::string& text, std::vector<std::string> set = {},
                                     bool files = false) {
    try {
        (void)parse_config(text, "in.toml", {std::move(set), files});
    } catch (const ConfigError& error) {
        CHECK(error.exit_code() == ExitCode::bad_input);
        return error.problems();
    }
    return {};
}

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

} // namespace

TEST_CASE("an input with the two needed keys has the defaults for all others", "[config]") {
    const Config c = parse(smallest);
    CHECK(c.run.name == "in");
    CHECK(c.run.output == "runs/in");
    REQUIRE(c.trajectories.size() == 1);
    CHECK(c.trajectories[0].file == "a.xyz");
    CHECK(c.ions.mobile == std::vector<std::string>{"Li"});
    CHECK(c.msm.lag_times == std::vector<double>{1, 2, 5, 10, 20, 40});
    CHECK(c.msm.longest_msd_lag() == 80);
    CHECK_FALSE(c.meso);
    CHECK(c.resolve("a.xyz") == "folder/a.xyz");
    CHECK(c.resolve("/b/a.xyz") == "/b/a.xyz");
    CHECK(c.resolve("../a.xyz") == "a.xyz");
}

TEST_CASE("each kind of value arrives where it belongs", "[config]") {
    const Config c = parse(R"(
[run]
name = "x"
output = "o"
seed = 7
[[trajectory]]
file = "a.dump"
format = "lammps-dump"
types = { 1 = "Li", 3 = "Si" }
timestep_ps = 0.001
wrapping = "unwrapped"
end_ps = 50
[[trajectory]]
file = "b.dump"
stride = 5
optional = true
[ions]
drift = "com"
[sites]
source = "averaged"
repetition = [3, 2, 1]
folding = "none"
assignment = "core"
core_radius_per_orbit_angstrom = [0.9, 1]
[msm]
lag_times_ps = [5, 1, 2.5]
lag_time_ps = 2.5
estimator = "non_reversible"
stationary = [1, 2.5]
fit_window_ps = [2, 8]
ck_chain_lengths = [2, 3]
[meso]
size = [1, 2, 3]
unit = "um"
[report]
enabled = false
)");
    CHECK(c.run.seed == 7);
    REQUIRE(c.trajectories.size() == 2);
    CHECK(c.trajectories[0].types == std::map<int, std::string>{{1, "Li"}, {3, "Si"}});
    CHECK(c.trajectories[0].timestep == 0.001);
    CHECK_FALSE(c.trajectories[0].frame_interval);
    CHECK(c.trajectories[0].wrapping == WrappingOption::unwrapped);
    CHECK(c.trajectories[0].end == 50.0);
    CHECK(c.trajectories[1].stride == 5);
    CHECK(c.trajectories[1].optional);
    CHECK(c.ions.drift == Drift::com);
    CHECK(c.sites.source == SiteSource::averaged);
    CHECK(c.sites.repetition == IVec3(3, 2, 1));
    CHECK(c.sites.folding == Folding::none);
    CHECK(c.sites.assignment == Assignment::core);
    CHECK(c.sites.core_radius_per_orbit == std::vector<double>{0.9, 1});
    CHECK(c.msm.lag_times == std::vector<double>{1, 2.5, 5});
    CHECK(c.msm.estimator == Estimator::non_reversible);
    CHECK(c.msm.stationary == StationaryOption{StationaryOption::Kind::given, {1, 2.5}});
    CHECK(c.msm.fit_window == std::array<double, 2>{2, 8});
    CHECK(c.msm.chain_lengths == std::vector<std::int64_t>{2, 3});
    REQUIRE(c.meso);
    CHECK(c.meso->size == Vec3(1, 2, 3));
    CHECK(c.meso->unit == LengthUnit::um);
    CHECK_FALSE(c.report.enabled);
}

TEST_CASE("a single trajectory section is a list of one", "[config]") {
    CHECK(parse("[trajectory]\nfile = \"a.xyz\"\n[sites]\nsource = \"averaged\"").trajectories.size() == 1);
}

TEST_CASE("all problems are reported at once, each with its line, in the order of the file",
          "[config][bad]") {
    const auto found = problems_of("[run]\n"
                                   "sed = 1\n"
                                   "threads = -1\n"
                                   "[[trajectory]]\n"
                                   "stride = 0.5\n"
                                   "types = { Li = 1 }\n"
                                   "[sites]\n"
                                   "structure = \"s\"\n"
                                   "assignment = \"cores\"\n"
                                   "[msm]\n"
                                   "lag_times_ps = [1, \"two\"]\n"
                                   "fit_window_ps = [5]\n"
                                   "bootstrap_samples = 1\n"
                                   "[mseo]\n");
    const std::vector<std::string> expected{
        "in.toml:2:1: run.sed: unknown key, did you mean \"seed\"? Known: name, output, seed, threads, "
        "temperature_K",
        "in.toml:3:11: run.threads: expected a whole number from 0 to 1024, got -1",
        "in.toml:4:1: trajectory.0.file: expected a text, got nothing",
        "in.toml:5:10: trajectory.0.stride: expected a whole number >= 1, got 0.5",
        "in.toml:6:9: trajectory.0.types: expected a table from type numbers to elements, got a table with "
        "Li = 1",
        "in.toml:9:14: sites.assignment: expected \"nearest\", \"core\" or \"watershed\", got the text "
        "\"cores\", did you mean "
        "\"core\"?",
        "in.toml:11:16: msm.lag_times_ps: expected a list of numbers > 0, got a list of 2 with the text "
        "\"two\" at "
        "position 2",
        "in.toml:12:17: msm.fit_window_ps: expected a list of 2 numbers >= 0, got a list of 1",
        "in.toml:13:21: msm.bootstrap_samples: expected a whole number from 2 to 100000, got 1",
        "in.toml:14:2: mseo: unknown section, did you mean \"meso\"? Known: run, trajectory, md, ions, "
        "sites, "
        "msm, meso, "
        "report, sweep",
    };
    CHECK(found == expected);
}

TEST_CASE("broken TOML is reported with file, line and column", "[config][bad]") {
    const auto found = problems_of("[run]\nname = \"x\n");
    REQUIRE(found.size() == 1);
    CHECK(found[0].rfind("in.toml:2:", 0) == 0);
    CHECK(contains(found[0], "expected TOML"));
    REQUIRE(problems_of("[run]\nname = 'x'\nname = 'y'\n").size() == 1);
}

TEST_CASE("values that contradict each other are refused", "[config][bad]") {
    const std::string base = smallest;
    const auto refused = [&](const std::string& setting, const std::string& part) {
        const auto found = problems_of(base, {setting});
        REQUIRE(found.size() == 1);
        CAPTURE(found[0]);
        CHECK(contains(found[0], part));
    };
    refused("msm.lag_time_ps=3",
            "msm.lag_time_ps: expected 0 or one of lag_times_ps = [1, 2, 5, 10, 20, 40], got 3");
    refused("msm.lag_times_ps=[1,1]", "one of them twice");
    refused("msm.fit_window_ps=[5,5]", "expected the begin before the end");
    refused("msm.msd_max_lag_ps=10", "at least the end of fit_window_ps, 20, got 10");
    refused("msm.ck_fail=0.5", "msm.ck_fail");
    CHECK(problems_of(base, {"trajectory.end_ps=1"}).empty());
    CHECK(problems_of(base, {"trajectory.end_ps=1", "trajectory.discard_ps=1"}).size() == 1);
    refused("run.name=a/b", "run.name: expected a name without slashes");
}

TEST_CASE("numbers that are not finite are refused", "[config][bad]") {
    CHECK(problems_of(smallest, {"sites.max_strain=nan"}).size() == 1);
    CHECK(problems_of(smallest, {"trajectory.discard_ps=inf"}).size() == 1);
}

TEST_CASE("files that are missing are problems at their line", "[config][bad]") {
    const auto found =
        problems_of("[[trajectory]]\nfile = \"no_such.xyz\"\n[sites]\nstructure = \".\"\n", {}, true);
    REQUIRE(found.size() == 2);
    CHECK(found[0].rfind("in.toml:2:8: trajectory.0.file: no such file (\"no_such.xyz\")", 0) == 0);
    CHECK(contains(found[1], "in.toml:4:13: sites.structure: not a file"));
}

TEST_CASE("an optional trajectory that is missing is skipped with a warning", "[config]") {
    const mesolith::test::TemporaryFolder folder;
    folder.file("there.xyz", "1\n");
    const std::string text =
        "[[trajectory]]\nfile = \"there.xyz\"\n[[trajectory]]\nfile = \"gone.xyz\"\noptional = "
        "true\n[[trajectory]]\nfile = \"${MESOLITH_TEST_UNSET}/x\"\noptional = "
        "true\n[sites]\nsource = \"averaged\"\n";
    const Config c = parse_config(text, folder / "in.toml");
    CHECK(c.trajectories.size() == 3);
    CHECK(c.present_trajectories().size() == 1);
    REQUIRE(c.warnings.size() == 2);
    CHECK(contains(c.warnings[0], "trajectory.1 is left out: no such file"));
    CHECK(contains(c.warnings[1], "MESOLITH_TEST_UNSET is not set"));
}

TEST_CASE("environment variables in file names are replaced", "[config]") {
    ::setenv("MESOLITH_TEST_DIR", "/data/li", 1);
    CHECK(parse(smallest).resolve("${MESOLITH_TEST_DIR}/a.xyz") == "/data/li/a.xyz");
    ::unsetenv("MESOLITH_TEST_DIR");
    CHECK_THROWS_AS(parse(smallest).resolve("${MESOLITH_TEST_DIR}/a.xyz"), InputError);
    CHECK(parse(smallest).resolve("$notavariable") == "folder/$notavariable");
}

TEST_CASE("an option --set wins over the file and goes through the same checks", "[config]") {
    const Config c =
        parse(smallest, {"msm.lag_times_ps=[1,2]", "run.name=\"n\"", "sites.assignment=core",
                         "trajectory.stride=3", "meso.walkers.n=50", "sites.structure = b.POSCAR"});
    CHECK(c.msm.lag_times == std::vector<double>{1, 2});
    CHECK(c.run.name == "n");
    CHECK(c.sites.assignment == Assignment::core);
    CHECK(c.trajectories[0].stride == 3);
    REQUIRE(c.meso);
    CHECK(c.meso->walkers.n == 50);
    CHECK(c.sites.structure == "b.POSCAR");
    // The last of two wins.
    CHECK(parse(smallest, {"run.seed=3", "run.seed=4"}).run.seed == 4);
}

TEST_CASE("density sites have keys of their own, and basins need a density", "[config]") {
    const std::string text =
        "[[trajectory]]\nfile='a'\n[sites]\nsource='density'\nassignment='watershed'\n"
        "density_spacing_angstrom=0.3\ndensity_merge_distance_angstrom=0.6\ndensity_floor=0.1\n";
    const Config c = parse(text);
    CHECK(c.sites.source == SiteSource::density);
    CHECK(c.sites.assignment == Assignment::watershed);
    CHECK(c.sites.density.spacing == 0.3);
    CHECK(c.sites.density.peaks.merge_distance == 0.6);
    CHECK(c.sites.density.peaks.floor == 0.1);
    CHECK(stage_options(c, "sites") !=
          stage_options(parse(text, {"sites.density_min_occupancy=0.1"}), "sites"));

    auto found = problems_of(text, {"sites.density_spacing_angstrom=0.31", "sites.density_floor=0.6"});
    REQUIRE(found.size() == 2);
    CHECK(contains(found[0] + found[1], "at most half of density_merge_distance_angstrom = 0.6, got 0.31"));
    CHECK(contains(found[0] + found[1], "at most density_threshold = 0.5, got 0.6"));
    found = problems_of(text, {"sites.source=averaged"});
    REQUIRE(found.size() == 1);
    CHECK(contains(found[0], "expected \"nearest\" or \"core\" beside source = \"averaged\""));
    found = problems_of(text, {"sites.structure=c.POSCAR"});
    REQUIRE(found.size() == 1);
    CHECK(contains(found[0], "expected nothing beside source = \"density\""));
}

TEST_CASE("an option --set reaches one or all of several trajectories", "[config]") {
    const std::string two =
        "[[trajectory]]\nfile='a'\n[[trajectory]]\nfile='b'\n[sites]\nsource='averaged'\n";
    const Config one = parse(two, {"trajectory.1.stride=2"});
    CHECK(one.trajectories[0].stride == 1);
    CHECK(one.trajectories[1].stride == 2);
    const Config all = parse(two, {"trajectory.discard_ps=4"});
    CHECK(all.trajectories[0].discard == 4);
    CHECK(all.trajectories[1].discard == 4);
    const auto found = problems_of(two, {"trajectory.2.stride=2"});
    REQUIRE(found.size() == 1);
    CHECK(contains(found[0], "there are 2 of them"));
}

TEST_CASE("problems of --set name --set and the key", "[config][bad]") {
    CHECK(problems_of(smallest, {"msm.lagtimes_ps=[1]"})
              .at(0)
              .rfind("--set: msm.lagtimes_ps: unknown key, did you mean "
                     "\"lag_times_ps\"?",
                     0) == 0);
    CHECK(problems_of(smallest, {"run.seed=x"}).at(0) ==
          "--set: run.seed: expected a whole number >= 0, got the text \"x\"");
    CHECK(problems_of(smallest, {"nosection.seed=1"}).at(0).rfind("--set: nosection: unknown section", 0) ==
          0);
    CHECK(problems_of(smallest, {"run.seed"}).at(0) == "--set: expected key=value, got \"run.seed\"");
    CHECK(problems_of(smallest, {"msm.lag_times_ps=[1,"})
              .at(0)
              .rfind("--set: msm.lag_times_ps: cannot be set", 0) == 0);
    CHECK(problems_of(smallest, {"run.seed.x=1"}).at(0).rfind("--set: run.seed.x", 0) !=
          0); // run.seed is made a table
    CHECK(problems_of(smallest, {"trajectory=1"}).size() == 1);
}

TEST_CASE("the printed options read back to the same options", "[config]") {
    const std::string full = R"(
[run]
name = "odd \"name\" \\ \u00e4"
[[trajectory]]
file = "${X}/a b.dump"
types = { 1 = "Li", 2 = "Si" }
frame_interval_ps = 0.05
[[trajectory]]
file = "b"
end_ps = 1e-3
discard_ps = 1e-4
[ions]
mobile = ["Li", "Na"]
[sites]
structure = "s"
core_radius_per_orbit_angstrom = [0.1, 0.30000000000000004]
[msm]
stationary = [0.1, 2]
[meso]
total_time_ps = 1e300
)";
    for (const std::string& text : {std::string(smallest), full, full + "[meso.walkers]\nn = 3\n"}) {
        const std::string printed = to_toml(parse(text));
        CAPTURE(printed);
        const Config again = parse_config(printed, "elsewhere/other.toml", {{}, false});
        CHECK(to_toml(again) == printed);
        CHECK(again.run.name == parse(text).run.name);
    }
    CHECK(to_toml(parse(full)) != to_toml(parse(smallest)));
}

TEST_CASE("results of a stage depend on its own keys and not on names or threads", "[config]") {
    const Config a = parse(smallest, {"run.threads=1", "run.name=a"});
    const Config b = parse(smallest, {"run.threads=2", "run.name=b", "msm.bootstrap_samples=7"});
    CHECK(stage_options(a, "sites") == stage_options(b, "sites"));
    CHECK(stage_options(a, "msm") != stage_options(b, "msm"));
    CHECK(stage_options(a, "meso") == stage_options(b, "meso"));
    // The lags of the MSD are measured while mapping.
    CHECK(stage_options(a, "sites") != stage_options(parse(smallest, {"msm.fit_window_ps=[1,2]"}), "sites"));
    CHECK(stage_options(a, "msm") != stage_options(parse(smallest, {"run.seed=9"}), "msm"));
    // The temperature stands in msm.h5: a new one has to be written there, and nowhere else.
    const Config hot = parse(smallest, {"run.temperature_K=600"});
    CHECK(hot.run.temperature == 600.0);
    CHECK_FALSE(a.run.temperature);
    CHECK(stage_options(a, "msm") != stage_options(hot, "msm"));
    CHECK(stage_options(a, "sites") == stage_options(hot, "sites"));
    CHECK_THROWS_AS(stage_options(a, "cooking"), DataError);
}

namespace {

constexpr const char* laminate = R"([meso]
size = [40, 10, 10]
unit = "cells"
voxel_nm = [1, 1, 1]
temperature_K = 500
faces_a = ["reservoir", "absorbing"]
concentration_a = [1.5, 0]
[[meso.material]]
name = "fast"
diffusivity_angstrom2_per_ps = [0.04]
[[meso.material]]
name = "slow"
diffusivity_angstrom2_per_ps = [0.01, 0.02, 0.03]
axes = [3, 1, 2]
energy_eV = 0.05
[[meso.region]]
shape = "layers"
materials = ["fast", "slow"]
thickness_nm = [5, 5]
[[meso.region]]
shape = "sphere"
materials = ["slow"]
radius_nm = 2
[meso.walkers]
n = 500
time = "continuous"
start = "region"
start_region = "slow"
[meso.field]
start = "profile"
profile = [1, 0]
precision = "both"
)";

} // namespace

TEST_CASE("a domain of materials, regions and faces needs no trajectory", "[config]") {
    const Config c = parse(laminate);
    REQUIRE(c.meso);
    CHECK_FALSE(c.needs_model());
    CHECK(c.meso->materials.size() == 2);
    CHECK(c.meso->materials[1].axes == IVec3(3, 1, 2));
    CHECK(c.meso->regions.at(0).thickness == std::vector<double>{5, 5});
    CHECK(c.meso->faces_a == std::vector<FaceKind>{FaceKind::reservoir, FaceKind::absorbing});
    CHECK(c.meso->concentration_a[0] == 1.5);
    CHECK(c.meso->walkers.time == MotionIn::continuous_time);
    REQUIRE(c.meso->field);
    CHECK(c.meso->field->precision == PrecisionOption::both);
    const std::string printed = to_toml(c);
    CHECK(to_toml(parse_config(printed, "other.toml", {{}, false})) == printed);
    CHECK(parse(smallest).needs_model());
    CHECK(parse(laminate, {"meso.material.1.scale=0.5"}).meso->materials[1].scale == 0.5);
}

namespace {

constexpr const char* exclusion = R"([meso]
occupancy = "exclusion"
size = [10, 10, 10]
unit = "cells"
total_time_ps = 1000
[[meso.material]]
name = "fcc"
kernel = "fcc.toml"
[meso.gas]
solver = "null_event"
temperature_schedule_ps_K = [[0, 600], [500, 700.5]]
[[meso.gas.species]]
name = "Li"
fraction = 0.6
[[meso.gas.species]]
name = "Na"
n = 12
pinned = true
[[meso.gas.pair]]
distance_angstrom = 2.5
energy_eV = 0.03
[[meso.gas.pair]]
from = 0
to = 0
R = [1, 0, 0]
energy_eV = -0.01
species = ["Li", "Na"]
)";

} // namespace

TEST_CASE("a lattice gas is read with its species, pairs and temperatures, and printed as it was read",
          "[config]") {
    const Config c = parse(exclusion);
    CHECK_FALSE(c.needs_model());
    REQUIRE(c.meso->gas);
    const GasSection& g = *c.meso->gas;
    CHECK(g.solver == GasSolverOption::null_event);
    REQUIRE(g.temperatures.size() == 2);
    CHECK(g.temperatures[1] == std::array<double, 2>{500, 700.5});
    REQUIRE(g.species.size() == 2);
    CHECK(g.species[0].fraction == 0.6);
    CHECK(g.species[1].n == 12);
    CHECK(g.species[1].pinned);
    REQUIRE(g.pairs.size() == 2);
    CHECK(g.pairs[0].distance == 2.5);
    CHECK(g.pairs[1].R == IVec3(1, 0, 0));
    CHECK(g.pairs[1].species == std::vector<std::string>{"Li", "Na"});
    const std::string printed = to_toml(c);
    CHECK(to_toml(parse_config(printed, "other.toml", {{}, false})) == printed);
    CHECK(stage_options(c, "meso") !=
          stage_options(parse(exclusion, {"meso.gas.pair.0.energy_eV=0.1"}), "meso"));
}

TEST_CASE("mistakes of a lattice gas are named with their place", "[config][bad]") {
    const auto problem = [](std::vector<std::string> set) {
        const auto found = problems_of(exclusion, set);
        CAPTURE(found);
        REQUIRE(found.size() == 1);
        return found[0];
    };
    const auto changed = [](const std::string& from, const std::string& to) {
        std::string text = exclusion;
        text.replace(text.find(from), from.size(), to);
        const auto found = problems_of(text, {});
        CAPTURE(found);
        REQUIRE(found.size() == 1);
        return found[0];
    };
    CHECK_THAT(problem({"meso.gas.vacancy_fraction=0.1"}), contains_text("[[meso.gas.species]], got 2"));
    CHECK_THAT(problem({"meso.gas.vacncy_fraction=0.1"}),
               contains_text("did you mean \"vacancy_fraction\"?"));
    CHECK_THAT(problem({"meso.gas.vacancy_fraction=1.5"}), contains_text("a number from 0 to 1, got 1.5"));
    CHECK_THAT(problem({"meso.walkers.n=10"}),
               contains_text("meso.walkers: expected no section [meso.walkers] beside occupancy"));
    CHECK_THAT(problem({"meso.field.width_nm=1"}), contains_text("it is for tracers"));
    CHECK_THAT(problem({"meso.steady.flux=true"}), contains_text("it is for tracers"));
    CHECK_THAT(problem({"meso.occupancy=tracer"}), contains_text("expected meso.occupancy = \"exclusion\""));
    CHECK_THAT(problem({"meso.voxel_nm=[1,1,1]"}), contains_text("a continuum has no sites"));
    CHECK_THAT(problem({"meso.material.0.kernel=\"\""}), contains_text("already holds the exclusion"));
    CHECK_THAT(problem({"meso.gas.species.1.name=Li", "meso.gas.pair.1.species=[\"Li\",\"Li\"]"}),
               contains_text("a name of its own"));
    CHECK_THAT(problem({"meso.gas.species.1.fraction=0.1"}), contains_text("n or fraction, got both"));
    CHECK_THAT(changed("n = 12", "fraction = 0.5"), contains_text("at most 1 in all, got 1.1"));
    CHECK_THAT(problem({"meso.gas.species.0.pinned=true"}), contains_text("got only pinned ones"));
    CHECK_THAT(problem({"meso.gas.species.1.rate_factor=2"}), contains_text("beside pinned = true"));
    CHECK_THAT(problem({"meso.gas.species.0.rate_factor=-1"}), contains_text("a number >= 0, got -1"));
    CHECK_THAT(problem({"meso.gas.pair.1.species=[\"Li\",\"Nb\"]"}), contains_text("did you mean \"Na\"?"));
    CHECK_THAT(problem({"meso.gas.pair.1.distance_angstrom=3"}), contains_text("beside from, to and R"));
    CHECK_THAT(problem({"meso.gas.pair.1.R=[0,0,0]"}), contains_text("got the site itself"));
    CHECK_THAT(changed("distance_angstrom = 2.5\n", ""),
               contains_text("expected distance_angstrom, or from"));
    CHECK_THAT(changed("energy_eV = 0.03\n", ""),
               contains_text("meso.gas.pair.0.energy_eV: expected a number"));
    CHECK_THAT(problem({"meso.temperature_K=500"}), contains_text("beside meso.temperature_K = 500"));
    CHECK_THAT(problem({"meso.gas.temperature_schedule_ps_K=[[0,600],[2000,700]]"}),
               contains_text("below total_time_ps = 1000"));
    CHECK_THAT(problem({"meso.gas.temperature_schedule_ps_K=[[10,600]]"}),
               contains_text("0 as the first time"));
    CHECK_THAT(problem({"meso.gas.temperature_schedule_ps_K=[[0,0]]"}), contains_text("temperatures > 0"));
    CHECK_THAT(problem({"meso.gas.temperature_schedule_ps_K=[0,600]"}),
               contains_text("a list of lists of 2 numbers >= 0"));
    CHECK_THAT(problem({"meso.gas.equilibration_ps=500"}),
               contains_text("shortest time at one temperature, 500"));
    CHECK_THAT(problem({"meso.gas.relative_precision=0.1"}), contains_text("0 beside several temperatures"));
    const auto without = problems_of("[meso]\noccupancy = \"exclusion\"\n[[meso.material]]\nname = \"a\"\n"
                                     "kernel = \"a.toml\"\n",
                                     {});
    REQUIRE(without.size() == 1);
    CHECK_THAT(without[0], contains_text("expected a section [meso.gas]"));
}

TEST_CASE("mistakes of a domain are named with their place", "[config][bad]") {
    const auto problem = [](std::vector<std::string> set) {
        const auto found = problems_of(laminate, set);
        CAPTURE(found);
        REQUIRE(found.size() == 1);
        return found[0];
    };
    CHECK_THAT(problem({"meso.faces_b=[\"periodic\",\"absorbing\"]"}),
               contains_text("both faces periodic or none"));
    CHECK_THAT(problem({"meso.concentration_b=[1,0]"}),
               contains_text("meso.concentration_b: expected 0 where meso.faces_b has no reservoir"));
    CHECK_THAT(problem({"meso.faces_c=[\"closed\",\"closed\"]"}),
               contains_text("a list of 2 out of \"periodic\""));
    CHECK_THAT(problem({"meso.material.1.axes=[1,1,2]"}), contains_text("1, 2 and 3 in some order"));
    CHECK_THAT(problems_of(laminate, {"meso.material.1.name=fast"}).back(),
               contains_text("a name of its own"));
    CHECK_THAT(problem({"meso.region.1.materials=[\"slo\"]"}), contains_text("did you mean \"slow\"?"));
    CHECK_THAT(problem({"meso.region.0.thickness_nm=[1]"}),
               contains_text("one for each of the 2 materials, got 1"));
    CHECK_THAT(problem({"meso.region.1.shape=voxels"}), contains_text("a file of labels"));
    CHECK_THAT(problem({"meso.walkers.start_region=swol"}), contains_text("expected one of fast, slow"));
    CHECK_THAT(problem({"meso.field.profile=[0,0]"}), contains_text("not all of them 0"));
    CHECK_THAT(problem({"meso.schedule=list"}), contains_text("expected times"));
    CHECK_THAT(problem({"meso.walker.n=3"}), contains_text("did you mean \"walkers\"?"));
    CHECK_THAT(problem({"meso.material.0.kernel=\"k.json\""}),
               contains_text("expected nothing beside a kernel"));
    CHECK(problems_of("[meso]\n[[meso.material]]\nname = \"a\"\ndiffusivity_angstrom2_per_ps = [1]\n", {})
              .at(0)
              .find("meso.voxel_nm") != std::string::npos);
}

TEST_CASE("the template is a valid input", "[config]") {
    const Config c = parse(config_template());
    CHECK(c.sites.assignment == Assignment::core);
    CHECK(c.meso);
}

TEST_CASE("docs/config.md is what --config-reference prints", "[config]") {
    std::ifstream file(MESOLITH_SOURCE_DIR "/docs/config.md");
    std::stringstream page;
    page << file.rdbuf();
    CHECK(page.str() == config_reference());
}

TEST_CASE("every key of the printed options stands in the reference page", "[config]") {
    const std::string page = config_reference();
    std::istringstream lines(to_toml(parse(smallest, {"meso.walkers.n=5"})));
    std::size_t keys = 0;
    for (std::string line; std::getline(lines, line);) {
        if (line.empty() || line[0] == '[') continue;
        if (line.rfind("# ", 0) == 0) line = line.substr(2);
        const std::string key = line.substr(0, line.find_first_of(" :"));
        CAPTURE(key);
        CHECK(contains(page, "| `" + key + "` |"));
        ++keys;
    }
    CHECK(keys > 50);
}

TEST_CASE("molecular dynamics stands in for trajectories and is checked as a whole", "[config]") {
    const std::string md = "[md]\nmodel = \"m.h5\"\nstructure = \"c.POSCAR\"\n";
    const Config c = parse(md + "temperature_K = 700\n[sites]\nstructure = \"c.POSCAR\"\n");
    REQUIRE(c.md);
    CHECK(c.needs_model());
    CHECK(c.run.temperature == 700);
    CHECK(c.md->timestep == 0.5);
    CHECK(parse(to_toml(c)).md->model == "m.h5");
    CHECK(stage_options(c, "md") != stage_options(parse(md + "temperature_K = 701\n[sites]\nstructure = "
                                                             "\"c.POSCAR\"\n"),
                                                  "md"));

    const auto found =
        problems_of(md + "interval_ps = 0.0503\nensemble = \"npt\"\nlength_ps = 0.01\n" + smallest);
    const std::string all = [&] {
        std::string text;
        for (const std::string& problem : found) text += problem + "\n";
        return text;
    }();
    CHECK_THAT(all, contains_text("md.ensemble: expected \"nve\", \"langevin\" or \"nose_hoover\""));
    CHECK_THAT(all, contains_text("expected either [md] or [[trajectory]], got both"));
    CHECK_THAT(all, contains_text("md.interval_ps: expected a multiple of timestep_fs = 0.5, got 0.0503"));
    CHECK_THAT(all, contains_text("md.length_ps: expected at least interval_ps = 0.0503, got 0.01"));
    CHECK_THAT(all, contains_text("md.temperature_K: expected a temperature here or in [run], got none"));
}
