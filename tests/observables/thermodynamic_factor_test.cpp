#include <cmath>

#include "mesolith/core/error.hpp"
#include "mesolith/core/units.hpp"
#include "mesolith/observables/thermodynamic_factor.hpp"

#include "support/catch.hpp"
#include "support/contains_text.hpp"

using namespace mesolith;
using mesolith::test::contains_text;

namespace {

using units::boltzmann_ev_per_k;

/// Lattice gas in mean field at T: U / (boltzmann_ev_per_k T / e) = -ln(s / (1 - s)) - g (1 - 2 s); Theta =
/// 1/(1-s) - 2 g s.
double regular_voltage(double s, double g, double T) {
    return 0.2 - boltzmann_ev_per_k * T * (std::log(s / (1 - s)) + g * (1 - 2 * s));
}

struct Curve {
    std::vector<double> s, U;
};
template <class F>
Curve curve(int n, double from, double to, F&& voltage) {
    Curve c;
    for (int k = 0; k < n; ++k) {
        c.s.push_back(from + (to - from) * k / (n - 1));
        c.U.push_back(voltage(c.s.back()));
    }
    return c;
}

} // namespace

TEST_CASE("a straight voltage curve gives Theta = e b s / k T to rounding", "[observables][theta]") {
    const Curve c = curve(12, 0.05, 0.9, [](double s) { return 0.5 - 0.3 * s; });
    const auto theta = ThermodynamicFactor::from_voltage(c.s, c.U, "line");
    CHECK(theta.masked().empty());
    for (const double T : {250., 300., 688.})
        for (const double s : {0.05, 0.1, 0.4321, 0.9})
            CHECK(std::abs(theta.at(s, T)->value / (0.3 * s / (boltzmann_ev_per_k * T)) - 1) < 1e-12);
}

TEST_CASE("the voltage of the ideal lattice gas gives 1 / (1 - s), to second order in the spacing",
          "[observables][theta]") {
    double before = 0;
    for (const int n : {41, 81, 161}) {
        const Curve c = curve(n, 0.1, 0.9, [](double s) { return regular_voltage(s, 0, 300); });
        const auto theta = ThermodynamicFactor::from_voltage(c.s, c.U, "ideal");
        double worst = 0;
        for (const double s : {0.2, 0.33, 0.5, 0.7, 0.85})
            worst = std::max(worst, std::abs(theta.at(s, 300)->value * (1 - s) - 1));
        CHECK(worst < 0.01);
        if (before > 0) CHECK(worst < 0.35 * before);
        before = worst;
    }
}

TEST_CASE("a van der Waals loop is masked from binodal to binodal and Theta is right outside",
          "[observables][theta]") {
    // Binodal of the regular solution: ln(s / (1 - s)) = g (2 s - 1).
    const double g = 3;
    double low = 0.001, high = 0.3;
    for (int k = 0; k < 200; ++k) {
        const double s = (low + high) / 2;
        (std::log(s / (1 - s)) < g * (2 * s - 1) ? low : high) = s;
    }
    const double binodal = low, spacing = 0.96 / 384;
    const Curve c = curve(385, 0.02, 0.98, [&](double s) { return regular_voltage(s, g, 300); });
    const auto theta = ThermodynamicFactor::from_voltage(c.s, c.U, "loop");
    REQUIRE(theta.masked().size() == 1);
    CHECK(std::abs(theta.masked()[0].low - binodal) < 1.5 * spacing);
    CHECK(std::abs(theta.masked()[0].high - (1 - binodal)) < 1.5 * spacing);
    CHECK_FALSE(theta.at(0.5, 300));
    CHECK_FALSE(theta.at(0.2, 400)); // of the curve, whatever the temperature
    for (const double s : {0.04, 0.05, 0.95, 0.96})
        CHECK(std::abs(theta.at(s, 300)->value / (1 / (1 - s) - 2 * g * s) - 1) < 0.02);
    // The ends of the gap belong to the single phases.
    CHECK(theta.at(theta.masked()[0].low, 300)->value > 0);
    CHECK(theta.at(theta.masked()[0].high, 300)->value > 0);
}

TEST_CASE("a plateau, a rising step and a gap at an end are masked", "[observables][theta]") {
    const std::vector<double> s{0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7};
    const auto gaps = [&](std::vector<double> U) {
        return ThermodynamicFactor::from_voltage(s, U, "u.csv").masked();
    };
    CHECK(gaps({0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1}).empty());
    CHECK(gaps({0.7, 0.6, 0.5, 0.5, 0.5, 0.2, 0.1}) == std::vector<ValueRange>{{0.3, 0.5}});
    CHECK(gaps({0.7, 0.6, 0.5, 0.51, 0.3, 0.2, 0.1}) == std::vector<ValueRange>{{0.3, 0.4}});
    CHECK(gaps({0.5, 0.5, 0.4, 0.3, 0.2, 0.1, 0.1}) == std::vector<ValueRange>{{0.1, 0.2}, {0.6, 0.7}});
    const auto both =
        ThermodynamicFactor::from_voltage(s, std::vector<double>{0.5, 0.5, 0.4, 0.3, 0.2, 0.1, 0.1}, "u.csv");
    CHECK_FALSE(both.at(0.1, 300)); // no phase on its other side
    CHECK_FALSE(both.at(0.7, 300));
    CHECK(both.at(0.2, 300)->value > 0);
    CHECK(both.at(0.35, 300)->value > 0);
    // Every value outside of gaps is positive, for any data.
    for (int seed = 1; seed < 50; ++seed) {
        std::vector<double> noisy;
        for (std::size_t k = 0; k < s.size(); ++k)
            noisy.push_back(std::sin(seed * 1.7 + static_cast<double>(k) * seed));
        std::optional<ThermodynamicFactor> theta;
        try {
            theta = ThermodynamicFactor::from_voltage(s, noisy, "noise");
        } catch (const DataError&) {
            continue; // falls nowhere
        }
        for (double x = 0.1; x <= 0.7; x += 0.01)
            if (const auto value = theta->at(std::min(x, 0.7), 300)) CHECK(value->value > 0);
    }
}

TEST_CASE("tables of Theta are linear between their rows and kept to their temperatures",
          "[observables][theta]") {
    const std::vector<double> s{0.2, 0.4, 0.2, 0.6}, theta{2, 4, 10, 30}, error{0.2, 0.4, 1, 3},
        T{300, 300, 400, 400};
    const auto table = ThermodynamicFactor::table(s, theta, error, T, "t.csv");
    CHECK(std::abs(table.at(0.25, 300)->value - 2.5) < 1e-15);
    CHECK(std::abs(table.at(0.25, 300)->error - 0.25) < 1e-15);
    CHECK(std::abs(table.at(0.4, 400)->value - 20) < 1e-14);
    CHECK_THROWS_WITH(table.at(0.5, 300),
                      contains_text("covers stoichiometries 0.2 to 0.4, the record has 0.5"));
    CHECK_THROWS_WITH(table.at(0.3, 350), contains_text("no thermodynamic factor at 350 K"));
    const auto constant = ThermodynamicFactor::constant({5, 0.5}, "given");
    CHECK(constant.at(0.9, 1000)->value == 5);
    CHECK(constant.at(0.9, 1000)->error == 0.5);
}

TEST_CASE("bad factors and voltage curves are refused", "[observables][theta][bad]") {
    const std::vector<double> s{0.1, 0.2, 0.3}, U{0.3, 0.2, 0.1};
    CHECK_THROWS_AS(ThermodynamicFactor::constant({0, 0}, "x"), DataError);
    CHECK_THROWS_AS(ThermodynamicFactor::constant({std::nan(""), 0}, "x"), DataError);
    CHECK_THROWS_AS(ThermodynamicFactor::constant({1, -1}, "x"), DataError);
    CHECK_THROWS_WITH(ThermodynamicFactor::from_voltage(std::vector<double>{0.1, 0.1, 0.3}, U, "u.csv"),
                      contains_text("stoichiometry 0.1 stands behind 0.1"));
    CHECK_THROWS_WITH(ThermodynamicFactor::from_voltage(s, std::vector<double>{0.1, 0.2, 0.3}, "u.csv"),
                      contains_text("the voltage falls nowhere"));
    CHECK_THROWS_AS(ThermodynamicFactor::from_voltage(std::vector<double>{0.1, 0.2},
                                                      std::vector<double>{0.2, 0.1}, "u.csv"),
                    DataError);
    CHECK_THROWS_AS(ThermodynamicFactor::from_voltage(s, std::vector<double>{0.3, std::nan(""), 0.1}, "u"),
                    DataError);
    CHECK_THROWS_WITH(ThermodynamicFactor::from_voltage(s, U, "u.csv").at(0.35, 300),
                      contains_text("u.csv: covers stoichiometries 0.1 to 0.3"));
    CHECK_THROWS_AS(ThermodynamicFactor::table(s, U, {}, std::vector<double>{300, 300}, "t"), DataError);
    CHECK_THROWS_AS(ThermodynamicFactor::table(s, std::vector<double>{1, -1, 2}, {}, {}, "t"), DataError);
    CHECK_THROWS_AS(ThermodynamicFactor::table(std::vector<double>{0.3, 0.2, 0.1}, U, {}, {}, "t"),
                    DataError);
}
