#include <cmath>
#include <limits>
#include <random>

#include "mesolith/core/error.hpp"
#include "mesolith/md/pair_potential.hpp"

#include "support/catch.hpp"
#include "support/contains_text.hpp"

using namespace mesolith;

namespace {

constexpr int argon = 18, krypton = 36, lithium_number = 3, oxygen = 8;

const PairInteraction argon_pair{argon, argon, LennardJones{0.0104, 3.4}, 8.5, 7};

Forces evaluated(PairPotential& potential, const Cell& cell, const std::vector<int>& numbers,
                 const std::vector<Vec3>& positions, bool with_virial = true) {
    Forces result;
    potential.evaluate(cell, numbers, positions, result, with_virial);
    return result;
}

/// Energy and force of two atoms on the x axis of a wide cell, a little off its faces.
std::pair<double, double> dimer(const PairInteraction& interaction, double r) {
    PairPotential potential({interaction});
    const Forces f =
        evaluated(potential, Cell(40 * Mat3::Identity()), {interaction.first, interaction.second},
                  {Vec3(39, 1, 2), Vec3(39 + r - 40, 1, 2)});
    CHECK(f.atom_energy[0] == f.atom_energy[1]);
    CHECK(f.energy == f.atom_energy[0] + f.atom_energy[1]);
    CHECK(f.forces[0] == -f.forces[1]);
    CHECK(f.forces[0].tail<2>().norm() == 0);
    return {f.energy, f.forces[1][0]};
}

/// Three elements, one pair of them without an interaction, in a skewed cell smaller than the cutoff.
struct Mixture {
    Cell cell{(Mat3() << 5.6, 0.2, 0, 1.9, 6.1, -0.3, -1.2, 0.8, 5.9).finished()};
    std::vector<int> numbers{argon, krypton, lithium_number, argon, krypton, lithium_number};
    std::vector<Vec3> positions;
    PairPotential potential{{{argon, argon, LennardJones{0.05, 2.6}, 7, 5},
                             {krypton, argon, Buckingham{900, 0.3, 12}, 6.5, 0},
                             {krypton, krypton, LennardJones{0.03, 2.8}, 6, 5.9},
                             {krypton, lithium_number, Buckingham{500, 0.28, 0}, 5, 3},
                             {lithium_number, lithium_number, Buckingham{700, 0.25, 3}, 7.5, 6}}};

    Mixture() {
        const double f[6][3] = {{0.02, 0.04, 0.03}, {0.48, 0.05, 0.02}, {0.03, 0.52, 0.01},
                                {0.51, 0.46, 0.55}, {0.05, 0.02, 0.5},  {1.53, -0.98, 2.45}};
        for (const auto& g : f) positions.push_back(cell.to_cartesian(Vec3(g[0], g[1], g[2])));
    }
};

} // namespace

TEST_CASE("a dimer has the closed form of its energy and force below the switch", "[md][pair_potential]") {
    for (const double r : {3.0, 3.4, 3.4 * std::pow(2.0, 1.0 / 6), 5.0, 6.99}) {
        const auto lj = [](double d) { return 4 * 0.0104 * (std::pow(3.4 / d, 12) - std::pow(3.4 / d, 6)); };
        const auto [energy, force] = dimer(argon_pair, r);
        CHECK(energy == Approx(lj(r) - lj(8.5)).epsilon(1e-12));
        const double slope = 4 * 0.0104 * (-12 * std::pow(3.4 / r, 12) + 6 * std::pow(3.4 / r, 6)) / r;
        CHECK(force == Approx(-slope).epsilon(1e-11).margin(1e-15));
    }
    const PairInteraction oxide{oxygen, lithium_number, Buckingham{632.1, 0.2906, 2.5}, 9, 8};
    for (const double r : {1.5, 2.0, 4.0, 7.5}) {
        const auto phi = [](double d) { return 632.1 * std::exp(-d / 0.2906) - 2.5 / std::pow(d, 6); };
        const auto [energy, force] = dimer(oxide, r);
        CHECK(energy == Approx(phi(r) - phi(9)).epsilon(1e-12));
        CHECK(force ==
              Approx(632.1 / 0.2906 * std::exp(-r / 0.2906) - 6 * 2.5 / std::pow(r, 7)).epsilon(1e-12));
    }
}

TEST_CASE("half way through the switch the energy is half the shifted one, and it ends without a kink",
          "[md][pair_potential]") {
    const auto lj = [](double d) { return 4 * 0.0104 * (std::pow(3.4 / d, 12) - std::pow(3.4 / d, 6)); };
    CHECK(dimer(argon_pair, 7.75).first == Approx(0.5 * (lj(7.75) - lj(8.5))).epsilon(1e-12));
    // Near the cutoff 1 - x = y: s = 10 y^3 and the shifted phi = -phi' (cutoff - r), so u falls with y^4.
    const double slope = 4 * 0.0104 * (-12 * std::pow(0.4, 12) + 6 * std::pow(0.4, 6)) / 8.5;
    for (const double y : {1e-2, 1e-3}) {
        const auto [energy, force] = dimer(argon_pair, 8.5 - 1.5 * y);
        CHECK(energy == Approx(-10 * y * y * y * 1.5 * y * slope).epsilon(3 * y));
        CHECK(force == Approx(-40 * y * y * y * slope).epsilon(3 * y));
    }
    CHECK(dimer(argon_pair, 8.5).first == 0);
    CHECK(dimer(argon_pair, 8.6).second == 0);
    for (const double at : {7.0, 8.5}) { // both sides of the ends of the switch
        const auto [below, force_below] = dimer(argon_pair, at - 1e-7);
        const auto [above, force_above] = dimer(argon_pair, at + 1e-7);
        CHECK(std::abs(above - below) < 1e-9);
        CHECK(std::abs(force_above - force_below) < 1e-9);
    }
}

TEST_CASE("the energy of an fcc crystal is a sum over its lattice vectors, whichever cell describes it",
          "[md][pair_potential]") {
    const double a = 5.3;
    double expected = 0; // per atom
    const auto lj = [](double d) { return 4 * 0.0104 * (std::pow(3.4 / d, 12) - std::pow(3.4 / d, 6)); };
    for (int i = -5; i <= 5; ++i)
        for (int j = -5; j <= 5; ++j)
            for (int k = -5; k <= 5; ++k) {
                const double r = 0.5 * a * std::sqrt(i * i + j * j + k * k);
                if ((i + j + k) % 2 != 0 || r == 0 || r >= 8.5) continue;
                const double x = std::max(0.0, (r - 7) / 1.5);
                const double s = 1 - 10 * std::pow(x, 3) + 15 * std::pow(x, 4) - 6 * std::pow(x, 5);
                expected += 0.5 * s * (lj(r) - lj(8.5));
            }
    PairPotential potential({argon_pair});
    const Cell primitive(0.5 * a * (Mat3() << 0, 1, 1, 1, 0, 1, 1, 1, 0).finished());
    CHECK(evaluated(potential, primitive, {argon}, {Vec3(1, 2, 3)}).energy ==
          Approx(expected).epsilon(1e-12));
    const Cell cubic(a * Mat3::Identity());
    const Forces four =
        evaluated(potential, cubic, {argon, argon, argon, argon},
                  {Vec3(0, 0, 0), Vec3(0, a / 2, a / 2), Vec3(a / 2, 0, a / 2), Vec3(a / 2, 1.5 * a, -a)});
    for (std::size_t i = 0; i < 4; ++i) {
        CHECK(four.atom_energy[i] == Approx(expected).epsilon(1e-12));
        CHECK(four.forces[i].norm() < 1e-14);
    }
    // With a long range it is the lattice sums of Kittel's "Introduction to Solid State Physics":
    // 2 epsilon (12.13188 (sigma/d)^12 - 14.45392 (sigma/d)^6). What lies beyond 14 d, and the shift within,
    // is 2 x 4 pi sqrt(2) / (3 x 14^3) of the second sum.
    PairPotential far({{argon, argon, LennardJones{1, 1}, 14, 13.9}});
    const Cell nearest_at_1(std::sqrt(0.5) * (Mat3() << 0, 1, 1, 1, 0, 1, 1, 1, 0).finished());
    CHECK(evaluated(far, nearest_at_1, {argon}, {Vec3::Zero()}).energy ==
          Approx(2 * (12.13188 - 14.45392 + 2 * 4 * 3.14159 * std::sqrt(2.0) / (3 * std::pow(14, 3))))
              .margin(1e-3));
}

TEST_CASE("forces are the slope of the energy in a mixture, and sum to zero", "[md][pair_potential]") {
    Mixture m;
    const Forces f = evaluated(m.potential, m.cell, m.numbers, m.positions);
    Vec3 sum = Vec3::Zero();
    double largest = 0;
    constexpr double h = 1e-5;
    for (std::size_t i = 0; i < m.positions.size(); ++i) {
        sum += f.forces[i];
        largest = std::max(largest, f.forces[i].cwiseAbs().maxCoeff());
        for (int a = 0; a < 3; ++a) {
            std::vector<Vec3> moved = m.positions;
            moved[i][a] += h;
            const double up = evaluated(m.potential, m.cell, m.numbers, moved).energy;
            moved[i][a] -= 2 * h;
            const double down = evaluated(m.potential, m.cell, m.numbers, moved).energy;
            CHECK(f.forces[i][a] == Approx((down - up) / (2 * h)).epsilon(1e-6).margin(1e-7));
        }
    }
    CHECK(largest > 0.01); // else nothing was tested
    CHECK(sum.norm() < 1e-13 * largest);
}

TEST_CASE("the virial is the slope of the energy under strain, and is made only when asked for",
          "[md][pair_potential]") {
    Mixture m;
    const Forces f = evaluated(m.potential, m.cell, m.numbers, m.positions);
    CHECK(f.virial == f.virial.transpose());
    constexpr double h = 1e-6;
    const auto strained = [&](int a, int b, double by) {
        Mat3 strain = Mat3::Identity();
        strain(a, b) += 0.5 * by;
        strain(b, a) += 0.5 * by;
        std::vector<Vec3> positions;
        for (const Vec3& r : m.positions) positions.push_back(strain * r);
        return evaluated(m.potential, Cell(m.cell.vectors() * strain), m.numbers, positions).energy;
    };
    for (int a = 0; a < 3; ++a)
        for (int b = a; b < 3; ++b)
            CHECK(f.virial(a, b) ==
                  Approx((strained(a, b, -h) - strained(a, b, h)) / (2 * h)).epsilon(1e-6).margin(1e-6));
    CHECK(f.virial.cwiseAbs().minCoeff() > 1e-3); // each component was tested
    CHECK((f.stress(m.cell) + f.virial / m.cell.volume()).norm() == 0);
    CHECK(evaluated(m.potential, m.cell, m.numbers, m.positions, false).virial == Mat3::Zero());
}

TEST_CASE("a result does not depend on what was evaluated before, nor on the copy that evaluates it",
          "[md][pair_potential]") {
    Mixture m;
    const Forces fresh = evaluated(m.potential, m.cell, m.numbers, m.positions);
    std::mt19937 random(1);
    std::normal_distribution<double> nudge(0, 0.02);
    Forces reused;
    for (int step = 0; step < 20; ++step) {
        std::vector<Vec3> moved = m.positions;
        for (Vec3& r : moved) r += Vec3(nudge(random), nudge(random), nudge(random));
        m.potential.evaluate(m.cell, m.numbers, moved, reused, true);
    }
    const auto copy = m.potential.clone();
    Forces copied;
    copy->evaluate(m.cell, m.numbers, m.positions, copied, true);
    m.potential.evaluate(m.cell, m.numbers, m.positions, reused, true);
    for (const Forces* f : {&reused, &copied}) {
        CHECK(f->energy == fresh.energy);
        CHECK(f->atom_energy == fresh.atom_energy);
        CHECK(f->forces == fresh.forces);
        CHECK(f->virial == fresh.virial);
    }
}

TEST_CASE("elements without an interaction do not feel each other, and an isolated atom has no energy",
          "[md][pair_potential]") {
    Mixture m;
    const Cell wide(40 * Mat3::Identity());
    CHECK(evaluated(m.potential, wide, {argon, lithium_number}, {Vec3(0, 0, 0), Vec3(2, 0, 0)}).energy == 0);
    const Forces one = evaluated(m.potential, wide, {argon}, {Vec3(0, 0, 0)});
    CHECK(one.atom_energy == std::vector<double>{0.0});
    CHECK(one.forces[0] == Vec3::Zero());
    // a pair beyond its own cutoff but within the longest
    CHECK(evaluated(m.potential, wide, {krypton, krypton}, {Vec3(0, 0, 0), Vec3(6.2, 0, 0)}).energy == 0);
    CHECK(m.potential.elements() == std::vector<int>{lithium_number, argon, krypton});
    CHECK(m.potential.cutoff() == 7.5);
    CHECK_THAT(m.potential.description(), test::contains_text("Kr-Ar Buckingham"));
}

TEST_CASE("the core of a Buckingham form, where atoms would fall into each other, is refused",
          "[md][pair_potential]") {
    const Buckingham form{632.1, 0.2906, 25};
    double top = 0, highest = -1e300; // the maximum by scanning
    for (double r = 0.3; r < 1.5; r += 1e-5) {
        const double phi = form.A * std::exp(-r / form.rho) - form.C / std::pow(r, 6);
        if (phi > highest) {
            highest = phi;
            top = r;
        }
    }
    REQUIRE(top > 0.31);
    PairPotential potential({{oxygen, oxygen, form, 9, 8}});
    const Cell wide(40 * Mat3::Identity());
    CHECK_NOTHROW(evaluated(potential, wide, {oxygen, oxygen}, {Vec3(0, 0, 0), Vec3(top + 1e-4, 0, 0)}));
    CHECK_THROWS_WITH(evaluated(potential, wide, {oxygen, oxygen}, {Vec3(0, 0, 0), Vec3(top - 1e-4, 0, 0)}),
                      test::contains_text("Atoms 0 and 1 (O-O)"));
    CHECK_THROWS_WITH(PairPotential({{oxygen, oxygen, Buckingham{1, 0.2906, 2500}, 9, 8}}),
                      test::contains_text("repels nowhere"));
}

TEST_CASE("unknown elements and parameters out of range are refused", "[md][pair_potential]") {
    constexpr double nan = std::numeric_limits<double>::quiet_NaN();
    const auto lj = [](double epsilon, double sigma, double cutoff, double from) {
        return PairPotential({{argon, argon, LennardJones{epsilon, sigma}, cutoff, from}});
    };
    CHECK_NOTHROW(lj(0.01, 3.4, 8, 0));
    CHECK_THROWS_AS(lj(0, 3.4, 8, 7), DataError);
    CHECK_THROWS_AS(lj(0.01, nan, 8, 7), DataError);
    CHECK_THROWS_AS(lj(0.01, 3.4, 0, 0), DataError);
    CHECK_THROWS_AS(lj(0.01, 3.4, 8, 8), DataError);
    CHECK_THROWS_AS(lj(0.01, 3.4, 8, -1), DataError);
    CHECK_THROWS_AS(PairPotential({{argon, argon, Buckingham{10, 0.3, -1}, 8, 7}}), DataError);
    CHECK_THROWS_AS(PairPotential({{argon, argon, Buckingham{10, 0, 1}, 8, 7}}), DataError);
    CHECK_THROWS_AS(PairPotential({{argon, 119, LennardJones{0.01, 3}, 8, 7}}), DataError);
    CHECK_THROWS_AS(PairPotential(std::vector<PairInteraction>{}), DataError);
    CHECK_THROWS_WITH(PairPotential({{argon, krypton, LennardJones{0.01, 3}, 8, 7},
                                     {krypton, argon, LennardJones{0.01, 3}, 8, 7}}),
                      test::contains_text("given twice"));

    PairPotential potential({argon_pair});
    const Cell cell(20 * Mat3::Identity());
    CHECK_THROWS_WITH(evaluated(potential, cell, {argon, krypton}, {Vec3(0, 0, 0), Vec3(4, 0, 0)}),
                      test::contains_text("Atom 1 has atomic number 36 (Kr)"));
    CHECK_THROWS_AS(evaluated(potential, cell, {argon}, {Vec3(0, 0, 0), Vec3(4, 0, 0)}), DataError);
    CHECK_THROWS_AS(evaluated(potential, cell, {argon, argon}, {Vec3(0, 0, 0), Vec3(nan, 0, 0)}), DataError);
    CHECK_THROWS_AS(evaluated(potential, cell, {argon, argon}, {Vec3(0, 0, 0), Vec3(20, 0, 0)}), DataError);
}
