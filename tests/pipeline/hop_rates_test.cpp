// Hop lists from elementary rates: what is written reads back to the same rates, at one and at all
// temperatures.
#include <cmath>
#include <limits>

#include "mesolith/config/hop_list.hpp"
#include "mesolith/core/error.hpp"
#include "mesolith/core/units.hpp"
#include "mesolith/pipeline/hop_rates.hpp"

#include "support/catch.hpp"

using namespace mesolith;
using Catch::Matchers::Contains;

namespace {

/// Corners (A) and centres (B) of cubes of 6 A, B 0.08 eV lower with a prefactor of its own.
struct Known {
    HopRatesResult result;
    static constexpr double energy = -0.08, log_prefactor = 0.7;
    static constexpr double barrier[3] = {0.25, 0.30, 0.35}, prefactor[3] = {3, 2, 8};

    explicit Known(const std::vector<double>& temperatures, double hops = 400) {
        SiteBasis basis;
        basis.cell = Cell(6 * Mat3::Identity());
        basis.positions = {Vec3(0.1, 0.2, 0.3), Vec3(3.1, 3.2, 3.3)};
        basis.orbit = {0, 1};
        basis.name = {"A.1", "B.1"};
        result.network = make_hop_network(basis, site_symmetry(basis, {}, {}, 0.1), 6.01);
        for (const double T : temperatures) {
            HopRatesRun run;
            run.folder = "runs/known";
            run.temperature = T;
            run.correction.factor.assign(result.network.classes.size(), 1.0);
            run.rates.log_weight = {{0, 0}, {log_weight(T), 0.01}};
            run.rates.occupancy = {{0.9, 0.01}, {0.95, 0.01}};
            for (std::size_t c = 0; c < result.network.classes.size(); ++c) {
                ElementaryRate r;
                r.hops = hops;
                r.exposure = hops / rate(c, T);
                r.rate = r.balanced = {rate(c, T), 0.01 * rate(c, T)};
                run.rates.classes.push_back(r);
            }
            result.runs.push_back(run);
        }
    }
    static double kT(double T) { return units::boltzmann_ev_per_k * T; }
    static double log_weight(double T) { return log_prefactor - energy / kT(T); }
    double rate(std::size_t c, double T) const {
        const HopPairClass& kind = result.network.classes[c];
        const std::size_t pair = kind.length < 5.9 ? 0 : kind.from_orbit == 0 ? 1 : 2;
        return prefactor[pair] * std::exp(-barrier[pair] / kT(T)) *
               std::exp(kind.from_orbit == 0 ? 0 : -log_weight(T));
    }
    /// Rates of a hop list against those above.
    void compare(const HopList& list, double T, double precision) const {
        const Generator& g = list.generator;
        CHECK(g.entries.size() == result.network.pairs.size());
        CHECK(g.reversible);
        CHECK(std::log(g.stationary[1] / g.stationary[0]) == Approx(log_weight(T)).epsilon(1e-6));
        for (std::size_t j = 0; j < g.n_sites(); ++j)
            for (const GeneratorEntry& e : g.from(j)) {
                const std::int32_t c = result.network.find({static_cast<std::int32_t>(j), e.to, e.R});
                REQUIRE(c >= 0);
                CHECK(e.rate == Approx(rate(static_cast<std::size_t>(c), T)).epsilon(precision));
            }
        for (std::size_t s = 0; s < 2; ++s)
            CHECK((g.basis.positions[s] - result.network.basis.positions[s]).norm() < 1e-12);
        CHECK(g.basis.name == result.network.basis.name);
    }
};

} // namespace

TEST_CASE("a hop list of one temperature reads back to its rates and site energies",
          "[pipeline][hop-rates]") {
    const Known known({600});
    const std::string text = to_hop_list(known.result, "known");
    const HopList list = parse_hop_list(text, "known.toml");
    CHECK(list.name == "known");
    CHECK(list.temperature == 600);
    CHECK(list.warnings.empty());
    known.compare(list, 600, 1e-12);
    CHECK_THAT(text, Contains("exclusion kinetic Monte Carlo only") && Contains("Valid at 600 K only") &&
                         Contains("hops N"));
}

TEST_CASE("a hop list of three temperatures holds at every one in between", "[pipeline][hop-rates]") {
    Known known({500, 600, 800});
    fit_temperatures(known.result);
    REQUIRE(known.result.fits.size() == 3); // A-B with B-A, A-A, B-B
    CHECK(known.result.weight_fits.at(0).activation_energy == Approx(Known::energy));
    const std::string text = to_hop_list(known.result, "known");
    CHECK_THAT(text, Contains("Valid from 500 to 800 K"));
    for (const double T : {500., 555., 800., 1000.})
        known.compare(parse_hop_list(text, "known.toml", {"rates.temperature_K=" + std::to_string(T)}), T,
                      1e-9);
    for (const HopRateFit& fit : known.result.fits) CHECK(!fit.flattened);
}

TEST_CASE("a barrier below zero is set to zero with the rate kept", "[pipeline][hop-rates]") {
    Known known({500, 600, 800});
    for (HopRatesRun& run : known.result.runs)
        for (std::size_t c = 0; c < run.rates.classes.size(); ++c)
            if (known.result.network.classes[c].length < 5.9) // 0.05 eV above A would be needed, 0.13 above B
                run.rates.classes[c].balanced.value *= std::exp(0.3 / Known::kT(run.temperature));
    fit_temperatures(known.result);
    REQUIRE(known.result.warnings.size() == 1);
    CHECK_THAT(known.result.warnings[0], Contains("negative barrier"));
    const HopRateFit& fit = known.result.fits[0];
    CHECK(fit.flattened);
    // Equal errors: the middle is the mean of 1/kT, where the rate is that of the line.
    const double beta = (1 / Known::kT(500) + 1 / Known::kT(600) + 1 / Known::kT(800)) / 3;
    CHECK(fit.log_prefactor - fit.energy * beta ==
          Approx(std::log(Known::prefactor[0]) + 0.05 * beta).epsilon(1e-9));
    const HopList list = parse_hop_list(to_hop_list(known.result, "known"), "known.toml");
    CHECK(list.generator.reversible);
}

TEST_CASE("classes with too few hops are left out, and a list without any is refused",
          "[pipeline][hop-rates]") {
    Known known({500, 600});
    for (std::size_t c = 0; c < known.result.network.classes.size(); ++c)
        if (known.result.network.classes[c].length > 5.9) known.result.runs[0].rates.classes[c].hops = 3;
    fit_temperatures(known.result);
    CHECK(known.result.warnings.size() == 2);
    CHECK(parse_hop_list(to_hop_list(known.result, "known"), "known.toml").generator.entries.size() == 16);
    Known none({500, 600}, 2);
    fit_temperatures(none.result);
    CHECK_THROWS_WITH(to_hop_list(none.result, "none"), Contains("no hop between sites within the cutoff"));
    Known full({500});
    full.result.runs[0].rates.log_weight[1].value = std::numeric_limits<double>::infinity();
    CHECK_THROWS_WITH(to_hop_list(full.result, "full"), Contains("B.1 was taken at all times"));
    Known bad({500, 600});
    bad.result.runs[0].rates.log_weight[1].error = 0;
    CHECK_THROWS_AS(fit_temperatures(bad.result), InputError);
}
