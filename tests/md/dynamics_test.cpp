#include <cmath>
#include <limits>

#include "mesolith/core/error.hpp"
#include "mesolith/core/units.hpp"
#include "mesolith/md/dynamics.hpp"

#include "support/catch.hpp"
#include "support/contains_text.hpp"

using namespace mesolith;
using test::contains_text;

namespace {

constexpr double stiffness = 2; // [eV/A^2]
constexpr int lithium = 3;

/// Each atom in a well of its own at the origin: E = k/2 x^2 + q/4 x^4 by component.
class Wells : public ForceField {
public:
    explicit Wells(double quartic = 0) : quartic_(quartic) {}
    std::string description() const override { return "wells"; }
    double cutoff() const override { return 1; }
    std::vector<int> elements() const override { return {lithium}; }
    std::unique_ptr<ForceField> clone() const override { return std::make_unique<Wells>(*this); }
    void evaluate(const Cell&, std::span<const int>, std::span<const Vec3> positions, Forces& result,
                  bool) override {
        result.energy = 0;
        result.atom_energy.assign(positions.size(), 0.0);
        result.forces.assign(positions.size(), Vec3::Zero());
        for (std::size_t i = 0; i < positions.size(); ++i)
            for (int k = 0; k < 3; ++k) {
                const double x = positions[i][k];
                result.atom_energy[i] += 0.5 * stiffness * x * x + 0.25 * quartic_ * x * x * x * x;
                result.forces[i][k] = -stiffness * x - quartic_ * x * x * x;
            }
        for (const double e : result.atom_energy) result.energy += e;
    }

private:
    double quartic_;
};

/// Neighbours in a ring of springs: no outer force.
class Ring : public Wells {
public:
    std::unique_ptr<ForceField> clone() const override { return std::make_unique<Ring>(*this); }
    void evaluate(const Cell&, std::span<const int>, std::span<const Vec3> positions, Forces& result,
                  bool) override {
        const std::size_t n = positions.size();
        result.energy = 0;
        result.atom_energy.assign(n, 0.0);
        result.forces.assign(n, Vec3::Zero());
        for (std::size_t i = 0; i < n; ++i) {
            const std::size_t j = (i + 1) % n;
            const Vec3 r = positions[j] - positions[i];
            const double d2 = r.squaredNorm();
            result.energy += 0.5 * stiffness * d2 + 0.25 * d2 * d2;
            result.forces[i] += (stiffness + d2) * r;
            result.forces[j] -= (stiffness + d2) * r;
        }
    }
};

MdState lithium_at(std::vector<Vec3> positions) {
    std::vector<int> numbers(positions.size(), lithium);
    return make_md_state(Cell(Mat3::Identity() * 50.0), std::move(numbers), std::move(positions));
}

MdOptions options(MdEnsemble ensemble, double timestep) {
    MdOptions o;
    o.ensemble = ensemble;
    o.timestep = timestep;
    o.temperature = 600;
    o.friction = 5;
    o.seed = 11;
    o.runaway = 1000; // few atoms that start far from equilibrium
    return o;
}

double frequency() { return std::sqrt(stiffness / (6.94 * units::ev_per_u_a2_per_ps2)); } // [1/ps]

} // namespace

TEST_CASE("velocity Verlet follows the exact solution of its own recurrence", "[dynamics]") {
    const double dt = 0.004, amplitude = 0.3;
    const double angle = std::acos(1 - 0.5 * std::pow(frequency() * dt, 2)); // of one step
    Dynamics md(std::make_unique<Wells>(), lithium_at({Vec3(amplitude, 0, 0), Vec3(0, amplitude, 0)}),
                options(MdEnsemble::nve, dt));
    for (int n = 1; n <= 2000; ++n) {
        md.run(1);
        REQUIRE(md.state().positions[0][0] == Approx(amplitude * std::cos(n * angle)).margin(1e-11));
    }
    CHECK(std::abs(frequency() * dt / angle - 1) > 1e-5); // and not that of the continuous oscillator
}

TEST_CASE("the energy error of both deterministic integrators falls with the square of the step",
          "[dynamics]") {
    const MdEnsemble ensemble = GENERATE(MdEnsemble::nve, MdEnsemble::nose_hoover);
    std::vector<double> worst;
    for (const double dt : {0.001, 0.0005}) {
        std::vector<Vec3> start;
        for (int i = 0; i < 8; ++i)
            start.emplace_back(0.1 * std::sin(2.0 * i), 0.1 * std::cos(1.3 * i), 0.05);
        MdState state = lithium_at(start);
        draw_velocities(state, 600, 3, 0);
        Dynamics md(std::make_unique<Ring>(), state, options(ensemble, dt));
        const double begin = md.conserved_energy();
        double largest = 0;
        for (int n = 0; n < static_cast<int>(2 / dt); ++n) {
            md.run(1);
            largest = std::max(largest, std::abs(md.conserved_energy() - begin));
        }
        worst.push_back(largest);
        CHECK(momentum(md.state()).norm() < 1e-9);
    }
    CHECK(worst[0] / worst[1] == Approx(4).epsilon(0.15));
    CHECK(worst[1] > 1e-7);
}

TEST_CASE("velocities are drawn at the temperature, with the centre of mass at rest", "[dynamics]") {
    MdState state = lithium_at(std::vector<Vec3>(500, Vec3::Zero()));
    state.masses[7] = 100;
    draw_velocities(state, 800, 5, 1);
    CHECK(temperature(state, false) == Approx(800).epsilon(1e-12));
    CHECK(momentum(state).norm() < 1e-9);
    double fourth = 0, second = 0;
    for (const Vec3& v : state.velocities)
        for (int k = 0; k < 3; ++k) second += v[k] * v[k] / 1500, fourth += std::pow(v[k], 4) / 1500;
    CHECK(fourth / (3 * second * second) == Approx(1).margin(4 * std::sqrt(8.0 / 3 / 1500)));
    const MdState first = state;
    draw_velocities(state, 800, 5, 2);
    CHECK(state.velocities[0] != first.velocities[0]);
}

TEST_CASE("BAOAB has the exact width of a harmonic well at a long time step", "[dynamics]") {
    // 1200 independent components; at 0.4 of the stability limit the width of other schemes is off
    const double dt = 0.8 / frequency();
    MdState state = lithium_at(std::vector<Vec3>(400, Vec3::Zero()));
    draw_velocities(state, 600, 2, 0);
    MdOptions o = options(MdEnsemble::langevin, dt);
    o.friction = 1 / dt;
    Dynamics md(std::make_unique<Wells>(), state, o);
    md.run(50);
    std::vector<double> means; // of x^2, over all components, one per block of 200 steps
    for (int block = 0; block < 20; ++block) {
        double sum = 0;
        for (int n = 0; n < 20; ++n) {
            md.run(10);
            for (const Vec3& r : md.state().positions) sum += r.squaredNorm();
        }
        means.push_back(sum / (20 * 1200));
    }
    double mean = 0, variance = 0;
    for (const double m : means) mean += m / 20;
    for (const double m : means) variance += (m - mean) * (m - mean) / 19;
    const double error = std::sqrt(variance / 20);
    const double exact = units::boltzmann_ev_per_k * 600 / stiffness;
    CHECK(error < 0.01 * exact);
    CHECK(std::abs(mean - exact) < 4 * error);
}

TEST_CASE("a Nose-Hoover chain holds the temperature of coupled anharmonic atoms", "[dynamics]") {
    std::vector<Vec3> start;
    for (int i = 0; i < 40; ++i)
        start.emplace_back(0.1 * std::sin(1.3 * i), 0.1 * std::cos(0.7 * i), 0.02 * i);
    MdState state = lithium_at(start);
    draw_velocities(state, 1200, 4, 0); // twice too hot
    Dynamics md(std::make_unique<Ring>(), state, options(MdEnsemble::nose_hoover, 0.002));
    md.run(2000);
    std::vector<double> means;
    for (int block = 0; block < 20; ++block) {
        double sum = 0;
        for (int n = 0; n < 1000; ++n) {
            md.run(1);
            sum += md.temperature();
        }
        means.push_back(sum / 1000);
    }
    double mean = 0, variance = 0;
    for (const double m : means) mean += m / 20;
    for (const double m : means) variance += (m - mean) * (m - mean) / 19;
    CHECK(std::sqrt(variance / 20) < 10);
    CHECK(std::abs(mean - 600) < 4 * std::sqrt(variance / 20));
}

TEST_CASE("a run that is stored and continued has the bits of one that went through", "[dynamics]") {
    const MdEnsemble ensemble = GENERATE(MdEnsemble::nve, MdEnsemble::langevin, MdEnsemble::nose_hoover);
    MdState start = lithium_at({Vec3(0.1, 0, 0), Vec3(1, 0.2, 0), Vec3(0, 0.9, 0.3)});
    draw_velocities(start, 600, 9, 0);
    const MdOptions o = options(ensemble, 0.001);
    Dynamics whole(std::make_unique<Wells>(0.5), start, o), half(std::make_unique<Wells>(0.5), start, o);
    whole.run(100);
    half.run(37);
    Dynamics rest(std::make_unique<Wells>(0.5), half.state(), o);
    rest.run(63);
    CHECK(rest.state().step == 100);
    CHECK(rest.state().positions == whole.state().positions);
    CHECK(rest.state().velocities == whole.state().velocities);
    CHECK(rest.conserved_energy() == whole.conserved_energy());
}

TEST_CASE("molecular dynamics stops with atom, step and distance when a force explodes", "[dynamics]") {
    MdOptions o = options(MdEnsemble::nve, 0.001);
    o.largest_force = 1;
    CHECK_THROWS_WITH(Dynamics(std::make_unique<Wells>(), lithium_at({Vec3(0, 0, 0), Vec3(0, 0.8, 0)}), o),
                      contains_text("step 0: the force on atom 1 (Li) is 1.6 eV/A") &&
                          contains_text("atom 0 (Li), is 0.800 A away"));
    const double nan = std::numeric_limits<double>::quiet_NaN();
    CHECK_THROWS_AS(Dynamics(std::make_unique<Wells>(), lithium_at({Vec3(nan, 0, 0), Vec3(0, 1, 0)}), o),
                    DataError);
    MdState hot = lithium_at({Vec3(0, 0, 0), Vec3(0, 0.1, 0)});
    draw_velocities(hot, 9000, 1, 0);
    o = options(MdEnsemble::nve, 0.001);
    o.runaway = 5;
    Dynamics md(std::make_unique<Wells>(), hot, o);
    CHECK_THROWS_WITH(md.run(10), contains_text("the temperature has run away"));
}

/// Forces that are no numbers, of atoms that are where they should be.
class Broken : public Wells {
public:
    std::unique_ptr<ForceField> clone() const override { return std::make_unique<Broken>(*this); }
    void evaluate(const Cell& cell, std::span<const int> numbers, std::span<const Vec3> positions,
                  Forces& result, bool with_virial) override {
        Wells::evaluate(cell, numbers, positions, result, with_virial);
        if (++calls_ > 4) result.forces[1][2] = std::numeric_limits<double>::quiet_NaN();
    }

private:
    int calls_ = 0;
};

TEST_CASE("a force that is not a number is told with atom, step and distance", "[dynamics]") {
    const MdState state = lithium_at({Vec3(0, 0, 0), Vec3(0, 0, 3), Vec3(0, 5, 0)});
    Dynamics md(std::make_unique<Broken>(), state, options(MdEnsemble::nve, 0.0001));
    CHECK_THROWS_WITH(md.run(10), contains_text("step 4: the force on atom 1 (Li) is nan eV/A (its nearest "
                                                "neighbour, atom 0 (Li), is 2.999 A away)"));
    CHECK(md.state().step == 4);
}

TEST_CASE("replicas in a group have the bits of replicas alone, and one that fails leaves the others",
          "[dynamics]") {
    const MdEnsemble ensemble = GENERATE(MdEnsemble::nve, MdEnsemble::langevin, MdEnsemble::nose_hoover);
    std::vector<MdState> states;
    std::vector<MdOptions> all;
    for (std::uint64_t r = 0; r < 3; ++r) {
        std::vector<Vec3> start{Vec3(0.1, 0, 0), Vec3(1, 0.2, 0), Vec3(0, 0.9, 0.3)};
        if (r == 2) start.pop_back(); // another number of atoms
        states.push_back(lithium_at(start));
        draw_velocities(states.back(), 600, 9, r);
        all.push_back(options(ensemble, 0.001));
        all.back().replica = r;
    }
    all[1].runaway = 1; // it starts high up in the well
    const auto outcome = [&](std::size_t r) {
        Dynamics md(std::make_unique<Wells>(0.5), states[r], all[r]);
        std::string failure;
        try {
            md.run(150);
        } catch (const DataError& error) {
            failure = error.what();
        }
        return std::pair(md.state(), failure);
    };
    DynamicsGroup group(std::make_unique<Wells>(0.5), states, all);
    group.run(60);
    group.run(90);
    for (std::size_t r = 0; r < 3; ++r) {
        const auto [state, failure] = outcome(r);
        CHECK(group.failures()[r] == failure);
        CHECK(group[r].state().step == state.step);
        CHECK(group[r].state().positions == state.positions);
        CHECK(group[r].state().velocities == state.velocities);
    }
    CHECK(group.n_alive() == 2);
    CHECK_THAT(group.failures()[1], contains_text("the temperature has run away"));
    all.pop_back();
    CHECK_THROWS_AS(DynamicsGroup(std::make_unique<Wells>(), states, all), DataError);
}

TEST_CASE("a group that is stored and continued has the bits of one that went through", "[dynamics]") {
    const MdEnsemble ensemble = GENERATE(MdEnsemble::nve, MdEnsemble::langevin, MdEnsemble::nose_hoover);
    std::vector<MdState> states;
    std::vector<MdOptions> all;
    for (std::uint64_t r = 0; r < 4; ++r) {
        states.push_back(lithium_at({Vec3(0.1, 0, 0), Vec3(1, 0.2, 0), Vec3(0, 0.9, 0.3)}));
        draw_velocities(states.back(), 600, 9, r);
        all.push_back(options(ensemble, 0.001));
        all.back().replica = r;
    }
    all[1].runaway = 1; // fails on the way
    DynamicsGroup whole(std::make_unique<Wells>(0.5), states, all);
    whole.run(150);
    const std::int64_t failed_at = whole[1].state().step;
    REQUIRE(failed_at > 1);
    REQUIRE(failed_at < 100);
    for (const std::int64_t stored_at : {failed_at - 1, failed_at + 10}) { // before it failed, and behind
        DynamicsGroup first(std::make_unique<Wells>(0.5), states, all);
        first.run(stored_at);
        std::vector<MdState> stored;
        for (std::size_t r = 0; r < 4; ++r) stored.push_back(first[r].state());
        DynamicsGroup rest(std::make_unique<Wells>(0.5), stored, all, first.failures());
        CHECK(rest.n_alive() == (stored_at < failed_at ? 4 : 3));
        rest.run(150 - stored_at);
        CHECK(rest.failures() == whole.failures());
        for (std::size_t r = 0; r < 4; ++r) {
            CHECK(rest[r].state().step == whole[r].state().step);
            CHECK(rest[r].state().positions == whole[r].state().positions);
            CHECK(rest[r].state().velocities == whole[r].state().velocities);
            if (whole.alive(r)) CHECK(rest[r].conserved_energy() == whole[r].conserved_energy());
        }
    }
}

/// A model that cannot say which of a batch was wrong.
class Blaming : public Wells {
public:
    std::unique_ptr<ForceField> clone() const override { return std::make_unique<Blaming>(*this); }
    void evaluate(const Cell& cell, std::span<const int> numbers, std::span<const Vec3> positions,
                  Forces& result, bool with_virial) override {
        for (const Vec3& r : positions)
            if (r[0] > 2) throw DataError("an atom is out of reach");
        Wells::evaluate(cell, numbers, positions, result, with_virial);
    }
};

TEST_CASE("of a batch that cannot be evaluated the replica at fault is found", "[dynamics]") {
    MdState calm = lithium_at({Vec3(0.1, 0, 0), Vec3(0, 0.2, 0)}), lost = calm;
    lost.velocities[0] = Vec3(1000, 0, 0); // 1 A a step
    std::vector<MdOptions> all(2, options(MdEnsemble::nve, 0.001));
    all[0].runaway = 1e9;
    DynamicsGroup group(std::make_unique<Blaming>(), {lost, calm}, all);
    CHECK(group.n_alive() == 2);
    group.run(10);
    CHECK(group.failures()[0] == "step 2: an atom is out of reach");
    CHECK(group[0].state().step == 2);
    CHECK(group[1].state().step == 10);
}

TEST_CASE("molecular dynamics refuses what is out of range", "[dynamics]") {
    const MdState state = lithium_at({Vec3(0, 0, 0), Vec3(1, 0, 0)});
    const auto refused = [&](const MdState& s, MdOptions o) {
        CHECK_THROWS_AS(Dynamics(std::make_unique<Wells>(), s, o), DataError);
    };
    MdOptions o = options(MdEnsemble::langevin, 0);
    refused(state, o);
    o = options(MdEnsemble::langevin, 0.001);
    o.temperature = -1;
    refused(state, o);
    o = options(MdEnsemble::langevin, 0.001);
    o.friction = 0;
    refused(state, o);
    MdState wrong = state;
    wrong.masses[0] = 0;
    refused(wrong, options(MdEnsemble::nve, 0.001));
    wrong = state;
    wrong.velocities.pop_back();
    refused(wrong, options(MdEnsemble::nve, 0.001));
    CHECK_THROWS_AS(make_md_state(state.cell, {999}, {Vec3::Zero()}), DataError);
}
