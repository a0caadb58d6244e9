#include <cmath>

#include "mesolith/config/hop_list.hpp"
#include "mesolith/core/units.hpp"

#include "support/catch.hpp"
#include "support/contains_text.hpp"
#include "support/temporary_folder.hpp"

using namespace mesolith;
using namespace mesolith::test;

namespace {

const std::string chain_sites = R"([crystal]
lattice_angstrom = [[5, 0, 0], [0, 4, 0], [0, 0, 4]]
sites_fractional = [[0, 0, 0], [0.5, 0, 0]]
)";

std::string hop(int from, int to, const std::string& rest, const std::string& R = "[0, 0, 0]") {
    return "[[hop]]\nfrom = " + std::to_string(from) + "\nto = " + std::to_string(to) + "\nR = " + R + "\n" +
           rest + "\n";
}

double rate(const Generator& g, std::size_t from, std::int32_t to, const IVec3& R) {
    for (const GeneratorEntry& e : g.from(from))
        if (e.to == to && e.R == R) return e.rate;
    return 0;
}

/// All complaints, one a line.
std::string problems(const std::string& text) {
    std::string out;
    try {
        static_cast<void>(parse_hop_list(text, "hops.toml"));
    } catch (const ConfigError& error) {
        for (const std::string& problem : error.problems()) out += problem + "\n";
    }
    return out;
}

std::size_t n_lines(const std::string& text) {
    return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

} // namespace

TEST_CASE("the shipped hop list has the diffusivity of its network at any temperature", "[config][hops]") {
    const std::string path =
        std::string(MESOLITH_SOURCE_DIR) + "/inputs/kernels/fcc_octahedral_tetrahedral.toml";
    for (const double T : {300.0, 600.0, 1200.0}) {
        const HopList list = read_hop_list(path, {"rates.temperature_K=" + std::to_string(T)});
        CHECK(list.name == "fcc host");
        CHECK(list.temperature == T);
        const Generator& g = list.generator;
        CHECK(g.reversible);
        CHECK(g.entries.size() == 16);
        // Every step of length d is followed by steps that do not know it: D = d^2 (hops per time) / 6.
        const double kT = units::boltzmann_ev_per_k * T, k = 10 * std::exp(-0.4 / kT);
        const double oct = 1 / (1 + 2 * std::exp(-0.25 / kT));
        const double D = 3 * 25.0 / 16 * (2 * oct * 8 * k) / 6;
        const Mat3 exact = D * Mat3::Identity();
        CHECK((exact_transport(g).diffusivity - exact).norm() < 1e-12 * D);
        CHECK(g.stationary[0] == Approx(oct).epsilon(1e-13));
        CHECK(rate(g, 1, 0, IVec3(-1, 0, 0)) == Approx(10 * std::exp(-0.15 / kT)).epsilon(1e-12));
    }
}

TEST_CASE("rates stand as they are, barriers become rates, missing reverses are added", "[config][hops]") {
    const HopList list = parse_hop_list(chain_sites + "[rates]\ntemperature_K = 500\n" +
                                            hop(0, 1, "barrier_eV = 0.2\nprefactor_per_ps = 5") +
                                            hop(1, 0, "rate_per_ps = 0.05", "[1, 0, 0]"),
                                        "a/chain.toml");
    CHECK(list.name == "chain");
    const double k1 = 5 * std::exp(-0.2 / (units::boltzmann_ev_per_k * 500)), k2 = 0.05;
    CHECK(rate(list.generator, 0, 1, IVec3::Zero()) == Approx(k1).epsilon(1e-14));
    CHECK(rate(list.generator, 1, 0, IVec3::Zero()) == Approx(k1).epsilon(1e-14));
    CHECK(rate(list.generator, 0, 1, IVec3(-1, 0, 0)) == k2);
    CHECK(exact_transport(list.generator).diffusivity(0, 0) == Approx(25 * k1 * k2 / (2 * (k1 + k2))));
}

TEST_CASE("hops that are not balanced drift", "[config][hops]") {
    const std::string walk =
        "[crystal]\nlattice_angstrom = [[3,0,0],[0,3,0],[0,0,3]]\nsites_fractional = [[0,0,0]]\n";
    const HopList pair = parse_hop_list(
        walk + hop(0, 0, "rate_per_ps = 0.7\nreverse_rate_per_ps = 0.2", "[1, 0, 0]"), "w.toml");
    CHECK_FALSE(pair.generator.reversible);
    CHECK(exact_transport(pair.generator).drift[0] == Approx(0.5 * 3));
    const HopList alone = parse_hop_list(
        walk + "[rates]\nreverse = \"none\"\n" + hop(0, 0, "rate_per_ps = 0.7", "[1, 0, 0]"), "w.toml");
    CHECK(exact_transport(alone.generator).drift[0] == Approx(0.7 * 3));
    CHECK(exact_transport(alone.generator).diffusivity(0, 0) == Approx(0.7 * 9 / 2)); // Poisson
}

TEST_CASE("sites may come from a structure file", "[config][hops]") {
    const TemporaryFolder folder;
    static_cast<void>(folder.file(
        "c.POSCAR", "c\n2\n2 0 0\n0 2 0\n0 0 2\nLi Si\n2 1\nDirect\n0 0 0\n0.5 0 0\n0.5 0.5 0.5\n"));
    const std::string text =
        "[crystal]\nstructure = \"c.POSCAR\"\nspecies = [\"Li\"]\n" + hop(0, 1, "rate_per_ps = 1");
    const HopList list = read_hop_list(folder.file("h.toml", text));
    REQUIRE(list.generator.n_sites() == 2);
    CHECK(list.generator.basis.name[1] == "Li1");
    CHECK(list.generator.basis.positions[1] == Vec3(2, 0, 0));
}

TEST_CASE("hops that contradict the site energies are refused with what would fit", "[config][hops]") {
    const std::string head =
        chain_sites + "site_energies_eV = [0, 0.1]\n[rates]\ntemperature_K = 400\nprefactor_per_ps = 10\n";
    CHECK(problems(head + hop(0, 1, "barrier_eV = 0.3\nreverse_barrier_eV = 0.2")) == "");
    CHECK_THAT(problems(head + hop(0, 1, "barrier_eV = 0.3\nreverse_barrier_eV = 0.25")),
               contains_text("hops.toml:13:22: hop.0.reverse_barrier_eV: expected 0.2 (detailed balance of "
                             "hop.0.barrier_eV with site_energies_eV), got 0.25"));
    CHECK_THAT(problems(head + hop(0, 1, "barrier_eV = 0.05")),
               contains_text(
                   "hop.0.barrier_eV: expected at least 0.1 (site 1 lies that much above site 0), got 0.05"));
    const HopList fits =
        parse_hop_list(head + hop(0, 1, "barrier_eV = 0.3\nreverse_barrier_eV = 0.2000000001"), "h");
    CHECK(fits.generator.reversible);
    const std::string even = chain_sites + "[rates]\ntemperature_K = 400\nprefactor_per_ps = 10\n";
    CHECK_THAT(
        problems(even + hop(0, 1, "barrier_eV = 0.3\nreverse_barrier_eV = 0.2") +
                 hop(1, 0, "barrier_eV = 0.3", "[1, 0, 0]")),
        contains_text(
            "crystal.site_energies_eV: expected energies, got nothing: the reverse of hop.1.barrier_eV"));
    CHECK_THAT(problems(chain_sites +
                        "site_energies_eV = [0, 0.1]\n[rates]\nreverse = \"none\"\ntemperature_K = 400\n" +
                        hop(0, 1, "rate_per_ps = 1")),
               contains_text("hops.toml:4:20: crystal.site_energies_eV: expected nothing beside reverse"));
}

TEST_CASE("all mistakes of a hop list are told at once, with their places", "[config][hops]") {
    const std::string text = chain_sites + "site_names = [\"a\"]\n[rates]\ntemperatur_K = 300\n" +
                             hop(0, 2, "rate_per_ps = 1") + hop(0, 1, "rate_per_ps = -1") +
                             hop(0, 1, "barrier_eV = 0.3", "[200, 0, 0]") + hop(1, 1, "rate_per_ps = 1") +
                             hop(0, 1, "") + hop(0, 1, "rate_per_ps = 1\nbarrier_eV = 1") +
                             "[[hop]]\nto = 1\nrate_per_ps = 1\n";
    const std::string all = problems(text);
    CHECK_THAT(all,
               contains_text("hops.toml:4:14: crystal.site_names: expected one for each of 2 sites, got 1"));
    CHECK_THAT(all, contains_text(
                        "hops.toml:6:1: rates.temperatur_K: unknown key, did you mean \"temperature_K\"?"));
    CHECK_THAT(all, contains_text("hops.toml:9:6: hop.0.to: expected a site from 0 to 1, got 2"));
    CHECK_THAT(all, contains_text("hop.1.rate_per_ps: expected a number >= 0, got -1"));
    CHECK_THAT(all, contains_text("hop.2.R: expected a list of 3 whole numbers from -127 to 127"));
    CHECK_THAT(all, contains_text("hop.2.prefactor_per_ps: expected a number > 0 here or in [rates]"));
    CHECK_THAT(all,
               contains_text(
                   "rates.temperature_K: expected a number > 0 (needed for hop.2.barrier_eV), got nothing"));
    CHECK_THAT(all, contains_text("hop.3.to: expected another site or another cell R, got the site itself"));
    CHECK_THAT(all, contains_text("hop.4.rate_per_ps: expected rate_per_ps or barrier_eV, got neither"));
    CHECK_THAT(all, contains_text("hop.5.barrier_eV: expected nothing beside rate_per_ps, got 1"));
    CHECK_THAT(all, contains_text("hop.6.from: expected a whole number from 0 to 1000000, got nothing"));

    CHECK_THAT(problems(chain_sites + hop(0, 1, "rate_per_ps = 1") + hop(0, 1, "rate_per_ps = 2")),
               contains_text("hops.toml:13:15: hop.1.rate_per_ps: expected each hop once, got the one of "
                             "hop.0.rate_per_ps again"));
    CHECK_THAT(problems(chain_sites + hop(0, 1, "rate_per_ps = 1\nreverse_rate_per_ps = 1") +
                        hop(1, 0, "rate_per_ps = 1")),
               contains_text("got the one of hop.0.reverse_rate_per_ps again"));
    CHECK_THAT(problems(chain_sites), contains_text("hop: expected at least one [[hop]] section, got none"));
    CHECK_THAT(problems(hop(0, 1, "rate_per_ps = 1")),
               contains_text("crystal.lattice_angstrom: expected 3 vectors"));
    CHECK_THAT(problems("[crystal]\nstructure = \"none.POSCAR\"\n" + hop(0, 1, "rate_per_ps = 1")),
               contains_text("hops.toml:2:13: crystal.structure: none.POSCAR"));
    CHECK_THAT(problems("[crystal"), contains_text("hops.toml:1:9: expected TOML"));
    CHECK(n_lines(problems("[crystals]\n" + chain_sites + hop(0, 1, "rate_per_ps = 1"))) == 1);
    CHECK_THROWS_AS(read_hop_list("none.toml"), InputError);
}
