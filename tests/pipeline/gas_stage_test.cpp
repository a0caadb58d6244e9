#include <cmath>
#include <filesystem>

#include "mesolith/core/error.hpp"
#include "mesolith/core/parallel.hpp"
#include "mesolith/io/file.hpp"
#include "mesolith/io/kernel_file.hpp"
#include "mesolith/pipeline/check.hpp"
#include "mesolith/pipeline/stages.hpp"
#include "mesolith/pipeline/summary.hpp"

#include "support/catch.hpp"
#include "support/contains_text.hpp"
#include "support/kernels.hpp"
#include "support/temporary_folder.hpp"

using namespace mesolith;
using test::contains_text;

namespace {

// Simple cubic, 3 A, barrier 0.3 eV: k = 10 exp(-0.3 / kT) per ps for each of six hops.
const char* const cubic_hops = R"([crystal]
name = "cubic"
lattice_angstrom = [[3, 0, 0], [0, 3, 0], [0, 0, 3]]
sites_fractional = [[0, 0, 0]]
[rates]
temperature_K = 600
prefactor_per_ps = 10
[[hop]]
from = 0
to = 0
R = [1, 0, 0]
barrier_eV = 0.3
reverse_barrier_eV = 0.3
[[hop]]
from = 0
to = 0
R = [0, 1, 0]
barrier_eV = 0.3
reverse_barrier_eV = 0.3
[[hop]]
from = 0
to = 0
R = [0, 0, 1]
barrier_eV = 0.3
reverse_barrier_eV = 0.3
)";
double cubic_rate(double kelvin) { return 10 * std::exp(-0.3 / (8.617333262e-5 * kelvin)); }

const char* const cubic_gas = R"([meso]
occupancy = "exclusion"
size = [6, 6, 6]
unit = "cells"
total_time_ps = 4000
[[meso.material]]
name = "cubic"
kernel = "cubic.toml"
[meso.gas]
n_ions = 150
n_replicas = 6
n_frames = 300
)";

/// An input of its own folder, with the hop list beside it.
struct GasInput {
    test::TemporaryFolder folder;
    GasInput() { write_text_file(folder / "cubic.toml", cubic_hops); }
    Config config(const std::string& text, std::vector<std::string> set = {},
                  const std::string& out = "out") const {
        set.push_back("run.output=\"" + (folder / out) + "\"");
        return parse_config(text, folder / "in.toml", {set, true});
    }
    Hdf5File result(const std::string& out = "out") const {
        return Hdf5File::open(folder / (out + "/meso.h5"));
    }
    std::string problem(const std::string& text, std::vector<std::string> set = {}) const {
        try {
            (void)run_meso(config(text, std::move(set), "bad"));
        } catch (const Error& error) {
            return error.what();
        }
        return "no problem";
    }
};

/// All numbers that do not depend on the clock.
std::vector<double> numbers(const Hdf5File& file, std::size_t steps = 1) {
    std::vector<double> all;
    for (std::size_t k = 0; k < steps; ++k) {
        const std::string at = "gas/steps/" + std::to_string(k) + "/";
        for (const char* name :
             {"transport/0/msd", "transport/0/collective_msd", "transport/0/D_tracer",
              "transport/0/D_J_error", "transport/0/haven", "transport/0/f", "sites/occupancy",
              "sites/residence", "sites/vacancy_residence", "pairs/ions", "pairs/vacancies"}) {
            const auto values = file.read<double>(at + name);
            all.insert(all.end(), values.begin(), values.end());
        }
    }
    return all;
}

} // namespace

TEST_CASE("a lattice gas from an input file has the exact D_J, Theta and chemical D", "[pipeline][gas]") {
    const GasInput input;
    REQUIRE(run_meso(input.config(cubic_gas)) == StageOutcome::done);
    const Hdf5File file = input.result();
    const double k = cubic_rate(600), M = 216, N = 150, exact = 9 * k * (M - N) / (M - 1);
    const std::string at = "gas/steps/0/";
    const auto D_J = file.read<double>(at + "transport/0/D_J"),
               error = file.read<double>(at + "transport/0/D_J_error");
    for (std::size_t c = 0; c < 9; ++c) CHECK(std::abs(D_J[c] - (c % 4 == 0 ? exact : 0)) < 4 * error[c]);
    CHECK(file.read<double>(at + "D_J_exact")[0] == Approx(exact).epsilon(1e-9));
    CHECK(std::abs(file.group("gas/steps/0").attribute<double>("D_J_z")) < 4);
    CHECK(file.read<double>(at + "D_single")[4] == Approx(9 * k).epsilon(1e-9));
    CHECK(file.read<double>(at + "theta")[0] == Approx(M / (M - N)).epsilon(1e-12));
    const auto chemical = file.read<double>(at + "transport/0/D_chem_mean");
    CHECK(std::abs(chemical[0] - 9 * k * M / (M - 1)) < 4 * chemical[1]);
    const auto stay = file.read<double>(at + "sites/residence"),
               stay_error = file.read<double>(at + "sites/residence_error");
    CHECK(std::abs(stay[0] - (M - 1) / (6 * k * (M - N))) < 4 * stay_error[0]);
    const auto sigma = file.read<double>(at + "transport/0/conductivity"),
               mean = file.read<double>(at + "transport/0/D_J_mean");
    CHECK(sigma[0] == Approx(N / M / 27 * 1602.176634 * mean[0] / (8.617333262e-5 * 600)).epsilon(1e-9));
    CHECK(std::filesystem::exists(input.folder / "out/gas.csv"));
    CHECK_THAT(read_text_file(input.folder / "out/gas.csv"), contains_text("D_chem [A^2/ps],error"));
    CHECK_FALSE(std::filesystem::exists(input.folder / "out/gas.checkpoint"));

    const RunSummary summary = read_summary("gas", input.folder / "out");
    REQUIRE(summary.meso);
    REQUIRE(summary.meso->gas.size() == 1);
    CHECK(summary.meso->gas[0].collective.value == mean[0]);
    REQUIRE(summary.checks.size() == 1);
    CHECK(summary.checks[0].verdict == Verdict::pass);
    CHECK_THAT(to_text(summary),
               contains_text("Lattice gas at 600 K: 150 ions, 30.56 % of the sites vacant"));
    CHECK_THAT(to_json(summary), contains_text("\"key\": \"D_chem_m2_per_s\""));
    CHECK_THAT(check_run(input.config(cubic_gas)), contains_text("150 ions on 216 sites"));
    CHECK(run_meso(input.config(cubic_gas)) == StageOutcome::up_to_date);
}

TEST_CASE("both solvers give the same transport", "[pipeline][gas]") {
    const GasInput input;
    for (const char* solver : {"null_event", "rejection_free"})
        REQUIRE(run_meso(input.config(cubic_gas, {std::string("meso.gas.solver=") + solver}, solver)) ==
                StageOutcome::done);
    const Hdf5File a = input.result("null_event"), b = input.result("rejection_free");
    CHECK(b.group("gas").attribute<double>("acceptance") == 1);
    CHECK(a.group("gas").attribute<double>("acceptance") < 1);
    for (const char* name : {"D_tracer_mean", "D_J_mean", "f_mean", "haven_mean"}) {
        const auto x = a.read<double>(std::string("gas/steps/0/transport/0/") + name),
                   y = b.read<double>(std::string("gas/steps/0/transport/0/") + name);
        CHECK(std::abs(x[0] - y[0]) < 4 * std::hypot(x[1], y[1]));
    }
}

TEST_CASE("one and two threads and a run that is stopped all the time give the same lattice gas",
          "[pipeline][gas][parallel]") {
    const GasInput input;
    const std::string text = std::string(cubic_gas) +
                             "equilibration_ps = 50\ntemperature_schedule_ps_K = [[0, 600], [2500, 500]]\n"
                             "[[meso.gas.pair]]\ndistance_angstrom = 3\nenergy_eV = 0.02\n";
    with_threads(1, [&] { REQUIRE(run_meso(input.config(text, {}, "one")) == StageOutcome::done); });
    with_threads(2, [&] { REQUIRE(run_meso(input.config(text, {}, "two")) == StageOutcome::done); });
    const std::vector<double> one = numbers(input.result("one"), 2);
    CHECK(one == numbers(input.result("two"), 2));
    RunControl control;
    control.restart = true;
    control.max_hours = 1e-9; // at the first safe point
    int stops = 0;
    for (bool done = false; !done && stops < 1000;) {
        try {
            done = run_meso(input.config(text, {}, "cut"), control) == StageOutcome::done;
        } catch (const Stopped&) {
            ++stops;
        }
    }
    CHECK(stops > 100);
    CHECK(numbers(input.result("cut"), 2) == one);
}

TEST_CASE("each temperature of a schedule has its own rates", "[pipeline][gas]") {
    const GasInput input;
    REQUIRE(run_meso(input.config(std::string(cubic_gas) +
                                  "temperature_schedule_ps_K = [[0, 600], [1000, 800], [2000, 600]]\n")) ==
            StageOutcome::done);
    const Hdf5File file = input.result();
    for (const auto& [step, kelvin] : {std::pair{0, 600.0}, std::pair{1, 800.0}, std::pair{2, 600.0}}) {
        const std::string at = "gas/steps/" + std::to_string(step);
        CHECK(file.group(at).attribute<double>("temperature") == kelvin);
        CHECK(file.group(at).attribute<double>("from_ps") == 1000.0 * step);
        CHECK(file.read<double>(at + "/D_single")[0] == Approx(9 * cubic_rate(kelvin)).epsilon(1e-9));
        CHECK(std::abs(file.group(at).attribute<double>("D_J_z")) < 4);
    }
    CHECK(file.group("gas/steps/2").attribute<double>("to_ps") == Approx(4000));
    CHECK(read_summary("gas", input.folder / "out").meso->gas.size() == 3);
}

TEST_CASE("species that are slower, pinned or attract each other are told apart", "[pipeline][gas]") {
    const GasInput input;
    std::string text = cubic_gas;
    text.replace(text.find("n_ions = 150"), 12, "equilibration_ps = 500");
    text += R"([[meso.gas.species]]
name = "Li"
fraction = 0.3
[[meso.gas.species]]
name = "Na"
n = 50
rate_factor = 0.1
[[meso.gas.species]]
name = "K"
n = 20
pinned = true
[[meso.gas.pair]]
distance_angstrom = 3
energy_eV = -0.05
species = ["Li", "Na"]
)";
    REQUIRE(run_meso(input.config(text)) == StageOutcome::done);
    const Hdf5File file = input.result();
    const std::string at = "gas/steps/0/transport/";
    CHECK(file.group(at + "0").string_attribute("name") == "Li");
    CHECK(file.group(at + "0").attribute<double>("n_ions") == 65);
    CHECK(file.group(at + "2").string_attribute("name") == "all");
    CHECK(file.group(at + "2").attribute<double>("n_ions") == 115);
    CHECK_FALSE(file.has_group(at + "3"));
    CHECK(file.read<double>(at + "1/D_tracer_mean")[0] < 0.3 * file.read<double>(at + "0/D_tracer_mean")[0]);
    CHECK_FALSE(file.has("gas/steps/0/D_J_exact"));
    // Tagged ions together: each species by its number.
    const double mixed = (65 * file.read<double>(at + "0/D_tracer_mean")[0] +
                          50 * file.read<double>(at + "1/D_tracer_mean")[0]) /
                         115;
    CHECK(file.read<double>(at + "2/D_tracer_mean")[0] == Approx(mixed).epsilon(1e-9));
}

TEST_CASE("a run stops as soon as D* is known well enough", "[pipeline][gas]") {
    const GasInput input;
    REQUIRE(run_meso(input.config(cubic_gas, {"meso.gas.relative_precision=0.1"})) == StageOutcome::done);
    const Hdf5File file = input.result();
    CHECK(file.group("gas").attribute<std::int64_t>("stopped_early") == 1);
    const auto D = file.read<double>("gas/steps/0/transport/0/D_tracer_mean");
    CHECK(D[1] < 0.1 * D[0]);
    CHECK(file.group("gas/steps/0").attribute<double>("to_ps") < 3000);
}

TEST_CASE("a lattice gas between a reservoir and a sink has a profile and a flux", "[pipeline][gas]") {
    const GasInput input;
    std::string text = cubic_gas;
    text.replace(text.find("total_time"), 0,
                 "faces_a = [\"reservoir\", \"absorbing\"]\nconcentration_a = [0.4, 0]\n");
    REQUIRE(run_meso(input.config(text, {"meso.gas.n_ions=60"})) == StageOutcome::done);
    const Hdf5File file = input.result();
    const auto profile = file.read<double>("gas/steps/0/outputs/profile"),
               exchange = file.read<double>("gas/steps/0/outputs/exchange"),
               ions = file.read<double>("gas/steps/0/outputs/ions");
    double first = 0, last = 0;
    for (std::size_t f = 150; f <= 300; ++f) first += profile[f * 6], last += profile[f * 6 + 5];
    CHECK(first > 2 * last);
    const auto at_end = exchange.end() - 12;
    CHECK(at_end[0] > at_end[6]); // more come in through a- than leave there
    CHECK(at_end[1] == 0);        // and none through a+
    CHECK(at_end[7] > 0);
    CHECK(ions.back() == Approx(ions.front() + at_end[0] - at_end[6] - at_end[7]));
    CHECK_FALSE(file.has_group("gas/steps/0/transport"));
}

TEST_CASE("what a lattice gas cannot do is said", "[pipeline][gas][bad]") {
    const GasInput input;
    const std::string text = cubic_gas;
    CHECK_THAT(
        input.problem(text, {"meso.gas.n_ions=217"}),
        contains_text("meso.gas.n_ions: expected 1 to 215 ions on 216 sites (without a vacancy nothing "
                      "moves), got 217"));
    CHECK_THAT(input.problem(text, {"meso.gas.n_ions=216"}), contains_text("got 216"));
    std::string other = text;
    other.replace(other.find("n_ions = 150"), 12, "vacancy_fraction = 1e-3");
    CHECK_THAT(input.problem(other),
               contains_text("at least one vacancy, got 0.001 of 216 sites. Use a larger"));
    write_kernel_file(input.folder / "kernel.json", test::simple_cubic(), "cubic");
    CHECK_THAT(input.problem(text, {"meso.material.0.kernel=kernel.json"}), contains_text("count it twice"));
    const auto pairs = [&](const std::string& pair) {
        return text + "[[meso.gas.pair]]\nenergy_eV = 0.1\n" + pair;
    };
    CHECK_THAT(input.problem(pairs("distance_angstrom = 3.5\n")),
               contains_text("no pair within 0.05 A of it"));
    CHECK_THAT(input.problem(pairs("from = 0\nto = 1\n")),
               contains_text("expected a site from 0 to 0, got 1"));
    // Rates instead of barriers.
    std::string hops = cubic_hops;
    for (std::size_t at; (at = hops.find("barrier_eV = 0.3")) != std::string::npos;)
        hops.replace(at, 16, "rate_per_ps = 0.2");
    hops.erase(hops.find("temperature_K"), 20);
    hops.erase(hops.find("prefactor_per_ps"), 22);
    write_text_file(input.folder / "rates.toml", hops);
    const std::string rates = "meso.material.0.kernel=rates.toml";
    CHECK_THAT(input.problem(text, {rates, "meso.gas.temperature_schedule_ps_K=[[0,500],[1000,600]]"}),
               contains_text("the same at all temperatures"));
    CHECK_THAT(input.problem(pairs("distance_angstrom = 3\n"), {rates}),
               contains_text("needed for energies of pairs"));
    hops.replace(hops.find("reverse_rate_per_ps = 0.2"), 25, "reverse_rate_per_ps = 0.1");
    write_text_file(input.folder / "driven.toml", hops);
    CHECK_THAT(input.problem(text, {"meso.material.0.kernel=driven.toml"}), contains_text("drive a current"));
}

TEST_CASE("Theta of a chain with pair energies is that of the transfer matrix", "[pipeline][gas]") {
    const GasInput input;
    write_text_file(input.folder / "chain.toml", R"([crystal]
lattice_angstrom = [[3, 0, 0], [0, 9, 0], [0, 0, 9]]
sites_fractional = [[0, 0, 0]]
[rates]
temperature_K = 600
[[hop]]
from = 0
to = 0
R = [1, 0, 0]
rate_per_ps = 0.05
reverse_rate_per_ps = 0.05
)");
    for (const double energy : {0.06, -0.04}) {
        std::string text = cubic_gas;
        text += "[[meso.gas.pair]]\ndistance_angstrom = 3\nenergy_eV = " + std::to_string(energy) + "\n";
        REQUIRE(run_meso(input.config(text, {"meso.material.0.kernel=chain.toml", "meso.size=[600,1,1]",
                                             "meso.gas.n_ions=240", "meso.temperature_K=600"})) ==
                StageOutcome::done);
        const Hdf5File file = input.result();
        const double theta = 0.4, g = std::exp(-energy / (8.617333262e-5 * 600));
        const double exact = 1 / ((1 - theta) * std::sqrt(1 - 4 * theta * (1 - theta) * (1 - g)));
        const auto found = file.read<double>("gas/steps/0/theta");
        CHECK(found[1] < 0.05 * found[0]);
        CAPTURE(energy, found[0], found[1], exact);
        CHECK(std::abs(found[0] - exact) < 4 * found[1]);
        const auto D_J = file.read<double>("gas/steps/0/transport/0/D_J_mean"),
                   D_chem = file.read<double>("gas/steps/0/transport/0/D_chem_mean");
        CHECK(D_chem[0] == Approx(D_J[0] * found[0]).epsilon(1e-12));
        CHECK(D_chem[1] == Approx(std::hypot(D_J[1] * found[0], D_J[0] * found[1])).epsilon(1e-12));
        // Neighbours along the chain: fewer pairs where they repel.
        const auto pairs = file.read<double>("gas/steps/0/pairs/ions");
        CHECK((pairs[0] < 1) == (energy > 0));
        CHECK_FALSE(file.has("gas/steps/0/D_J_exact"));
    }
}
