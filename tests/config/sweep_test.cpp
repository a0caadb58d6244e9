#include <filesystem>

#include "mesolith/config/config.hpp"

#include "support/catch.hpp"
#include "support/contains_text.hpp"

using namespace mesolith;
using test::contains_text;

namespace {

const std::string domain = R"([meso]
size = [4, 4, 4]
unit = "cells"
voxel_nm = [1, 1, 1]
[[meso.material]]
name = "a"
diffusivity_angstrom2_per_ps = [0.05]
[[meso.material]]
name = "b"
diffusivity_angstrom2_per_ps = [0.01]
)"; // 10 lines

Config parse_sweep(const std::string& sweep, std::vector<std::string> set = {},
                   const std::string& point = "") {
    return parse_config(domain + sweep, "folder/in.toml", {std::move(set), false, point});
}

std::vector<std::string> sweep_problems(const std::string& sweep, std::vector<std::string> set = {}) {
    try {
        (void)parse_sweep(sweep, std::move(set));
    } catch (const ConfigError& error) {
        return error.problems();
    }
    return {};
}

std::vector<std::string> names_of(const Config& config) {
    std::vector<std::string> names;
    for (const SweepPoint& p : sweep_points(*config.sweep)) names.push_back(p.name);
    return names;
}

} // namespace

TEST_CASE("the points of a sweep are all combinations in the order of the file", "[config][sweep]") {
    const Config c = parse_sweep(R"([sweep]
"run.temperature_K" = [500, 600.5]
meso.walkers.n = [10, 20, 30]
at_once = 3
)");
    REQUIRE(c.sweep);
    CHECK(c.sweep->at_once == 3);
    CHECK(c.sweep->axes.size() == 2);
    CHECK(c.sweep->axes[0].keys[0].numbers == std::vector<double>{500, 600.5});
    CHECK(names_of(c) == std::vector<std::string>{"temperature_K=500_n=10", "temperature_K=500_n=20",
                                                  "temperature_K=500_n=30", "temperature_K=600.5_n=10",
                                                  "temperature_K=600.5_n=20", "temperature_K=600.5_n=30"});
    CHECK(c.run.temperature == 500.0); // the first point stands for all
    CHECK(c.meso->walkers.n == 10);
    CHECK(c.run.output == "runs/in");
}

TEST_CASE("a point is read by name or number as if its values stood in the file", "[config][sweep]") {
    const std::string sweep = R"([sweep]
"run.temperature_K" = [500, 600]
"meso.material.scale" = [1, 2]
"meso.material.1.energy_eV" = [0, 0.1]
reports = false
)";
    const Config c = parse_sweep(sweep, {}, "temperature_K=600_scale=2_energy_eV=0.1");
    CHECK_FALSE(c.sweep);
    CHECK(c.run.temperature == 600.0);
    CHECK(c.meso->materials[0].scale == 2); // without a number: all of them
    CHECK(c.meso->materials[1].scale == 2);
    CHECK(c.meso->materials[0].energy == 0);
    CHECK(c.meso->materials[1].energy == 0.1);
    CHECK(c.run.output == "runs/in/sweep/temperature_K=600_scale=2_energy_eV=0.1");
    CHECK_FALSE(c.report.enabled);
    CHECK(parse_sweep(sweep, {}, "7").run.output == c.run.output);
    // What the results depend on is that of an input that says the same itself.
    const Config plain = parse_config(
        domain, "folder/in.toml",
        {{"run.temperature_K=600", "meso.material.scale=2", "meso.material.1.energy_eV=0.1"}, false});
    CHECK(stage_options(c, "meso") == stage_options(plain, "meso"));
    CHECK_THROWS_WITH(parse_sweep(sweep, {}, "temperature_K=600_scale=2_energy_eV=0.2"),
                      contains_text("did you mean"));
    CHECK_THROWS_WITH(parse_sweep(sweep, {}, "8"), contains_text("a number from 0 to 7"));
    CHECK_THROWS_WITH(parse_sweep("", {}, "1"), contains_text("has no [sweep] section"));
}

TEST_CASE("the lists of a zip vary together and a number names them", "[config][sweep]") {
    const std::string sweep = R"([sweep]
"run.seed" = [1, 2]
[[sweep.zip]]
"meso.material.0.kernel" = ["some/a 1.toml", "b.toml", "c.toml"]
"run.temperature_K" = [500, 600, 700]
"meso.material.0.diffusivity_angstrom2_per_ps" = [[], [], []]
[[sweep.zip]]
"meso.material.1.scale" = [1, 2]
)";
    const Config c = parse_sweep(sweep);
    CHECK(names_of(c).size() == 12);
    CHECK(names_of(c)[5] == "seed=1_temperature_K=700_scale=2");
    const Config point = parse_sweep(sweep, {}, "11");
    CHECK(point.run.seed == 2);
    CHECK(point.run.temperature == 700.0);
    CHECK(point.meso->materials[0].kernel == "c.toml");
    CHECK(point.meso->materials[0].diffusivity.empty());
    CHECK(point.meso->materials[1].scale == 2);
}

TEST_CASE("names hold nothing that a folder cannot, and never are the same", "[config][sweep]") {
    CHECK(names_of(parse_sweep("[sweep]\n\"meso.material.0.name\" = [\"x/y z\", \"q\"]\n")) ==
          std::vector<std::string>{"name=y-z", "name=q"});
    CHECK(names_of(parse_sweep("[sweep]\n\"meso.material.0.name\" = [\"x/y\", \"z/y\"]\n")) ==
          std::vector<std::string>{"point_0000", "point_0001"});
    CHECK(names_of(
              parse_sweep("[sweep]\n\"meso.material.0.scale\" = [1]\n\"meso.material.1.scale\" = [2]\n")) ==
          std::vector<std::string>{"0.scale=1_1.scale=2"});
    CHECK(names_of(parse_sweep("[sweep]\n\"meso.size\" = [[4, 4, 4], [8, 4, 4]]\n")) ==
          std::vector<std::string>{"size=4-4-4", "size=8-4-4"});
}

TEST_CASE("all that is wrong with a sweep is told at once, where it stands", "[config][sweep]") {
    const std::vector<std::string> expected{
        "12:29: run.temperature_K: expected a number > 0, got -600",
        "12:40: run.temperature_K: expected different values, got 500 twice",
        "13:26: meso.walkers.n: expected a whole number from 0 to 1000000000, got 2.5",
        "14:5: run.seeed: unknown key, did you mean \"seed\"?",
        "15:15: meso.material.0.scal: unknown key, did you mean \"scale\"?",
        "15:15: meso.material.1.scal: unknown key, did you mean \"scale\"?",
        "16:17: meso.material.3.scale: cannot be swept (there are 2 of them, counted from 0)",
        "17:1: temperature_K: expected a key with its section",
        "18:1: at_onec: expected a key with its section, \"run.temperature_K\" = [500, 600], got none; did "
        "you mean "
        "\"at_once\"?",
        "19:1: run.output: expected a key that results depend on",
        "20:6: meso.total_time_ps: expected a list of values, got 3",
        "21:6: meso.n_outputs: expected at least one value, got an empty list",
        "24:1: meso.lag_time_ps: expected 2 values as run.seed has in the same zip, got 3",
        "26:1: sites.cor: unknown key",
    };
    const auto problems = sweep_problems(R"([sweep]
"run.temperature_K" = [500, -600, 700, 500]
"meso.walkers.n" = [100, 2.5]
run.seeed = [1, 2]
meso.material.scal = [1, 2]
meso.material.3.scale = [1, 2]
temperature_K = [1]
at_onec = [1]
"run.output" = ["a"]
meso.total_time_ps = 3
meso.n_outputs = []
[[sweep.zip]]
"run.seed" = [1, 2]
"meso.lag_time_ps" = [1.0, 2, 3]
[sites]
cor = 1
)");
    REQUIRE(problems.size() == expected.size());
    for (std::size_t k = 0; k < expected.size(); ++k) {
        CAPTURE(problems[k]);
        CHECK(problems[k].rfind("folder/in.toml:" + expected[k], 0) == 0);
    }
}

TEST_CASE("a value out of its range is told with its own place, and what two keys make wrong too",
          "[config][sweep]") {
    const auto problems = sweep_problems(R"([sweep]
"run.temperature_K" = [500, -600, "x"]
"msm.ck_warn" = [1, 3]
)");
    REQUIRE(problems.size() == 3);
    CHECK(problems[0] ==
          "folder/in.toml: msm.ck_fail: expected at least the threshold of the warning, 3, got 2");
    CHECK(problems[1] == "folder/in.toml:12:29: run.temperature_K: expected a number > 0, got -600");
    CHECK(problems[2] ==
          "folder/in.toml:12:35: run.temperature_K: expected a number > 0, got the text \"x\"");
    // Without a temperature an energy means nothing: only where it is not 0.
    const auto energy = sweep_problems("[sweep]\n\"meso.material.1.energy_eV\" = [0, 0.1]\n");
    REQUIRE(energy.size() == 1);
    CHECK(energy[0] == "folder/in.toml:12:35: meso.material.1.energy_eV: expected 0 without "
                       "meso.temperature_K, got 0.1");
}

TEST_CASE("the command line replaces a list and says so when it is wrong", "[config][sweep]") {
    const std::string sweep = "[sweep]\n\"run.seed\" = [1, 2]\n";
    CHECK(names_of(parse_sweep(sweep, {"sweep.run.seed=[7,8,9]"})).size() == 3);
    CHECK(parse_sweep(sweep, {"sweep.run.seed=[7,8,9]"}, "2").run.seed == 9);
    CHECK(parse_sweep("", {"sweep.run.seed=[7,8]"}, "1").run.seed == 8);
    CHECK(sweep_problems(sweep, {"sweep.run.seed=[-1]"}) ==
          std::vector<std::string>{"--set: run.seed: expected a whole number >= 0, got -1"});
    CHECK(sweep_problems("", {"sweep.run.sed=[1]"}).at(0).rfind("--set: run.sed: unknown key", 0) == 0);
}

TEST_CASE("an empty sweep, a huge one and a key given twice are refused", "[config][sweep]") {
    CHECK_THAT(sweep_problems("[sweep]\n").at(0), contains_text("11:1: sweep: expected keys with lists"));
    CHECK_THAT(sweep_problems("[sweep]\nat_once = -1\n\"run.seed\" = [1]\n").at(0),
               contains_text("sweep.at_once: expected a whole number from 0 to 1024, got -1"));
    std::string list = "1";
    for (int k = 2; k <= 200; ++k) list += ", " + std::to_string(k);
    CHECK_THAT(
        sweep_problems("[sweep]\n\"run.seed\" = [" + list + "]\n\"meso.walkers.n\" = [" + list + "]\n").at(0),
        contains_text("expected at most 10000 points, got 40000"));
    CHECK_THAT(sweep_problems("[sweep]\n\"run.seed\" = [1]\n[[sweep.zip]]\n\"run.seed\" = [2]\n").at(0),
               contains_text("run.seed: expected once, got it twice"));
    CHECK_THAT(sweep_problems("[sweep]\n\"run.seed\" = [{a = 1}]\n").at(0), contains_text("got a table"));
    CHECK_THAT(sweep_problems("sweep = 3\n").at(0), contains_text("sweep"));
}

TEST_CASE("the printed options of a sweep read back to the same", "[config][sweep]") {
    const Config c = parse_sweep(R"([sweep]
"meso.walkers.n" = [10, 20]
reports = false
[[sweep.zip]]
"run.temperature_K" = [500, 600]
"run.seed" = [1, 2]
)");
    const std::string text = to_toml(c);
    const Config again = parse_config(text, "folder/in.toml", {{}, false});
    CHECK(to_toml(again) == text);
    REQUIRE(again.sweep);
    CHECK(names_of(again) == names_of(c));
    CHECK(names_of(c) == std::vector<std::string>{"n=10_temperature_K=500", "n=10_temperature_K=600",
                                                  "n=20_temperature_K=500", "n=20_temperature_K=600"});
}

TEST_CASE("the temperature of the run belongs to what a domain of materials depends on", "[config]") {
    const auto options = [](const std::string& kelvin) {
        return stage_options(parse_config(domain, "in.toml", {{"run.temperature_K=" + kelvin}, false}),
                             "meso");
    };
    CHECK(options("500") != options("600"));
}
