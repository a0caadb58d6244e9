#include "mesolith/md/dynamics.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numbers>

#include <fmt/format.h>

#include "mesolith/core/error.hpp"
#include "mesolith/core/random.hpp"
#include "mesolith/core/units.hpp"
#include "mesolith/trajectory/elements.hpp"

namespace mesolith {
namespace {

using units::boltzmann_ev_per_k;
using units::ev_per_u_a2_per_ps2;

constexpr std::size_t chain_length = 3;

/// Two independent normal numbers (Box and Muller, Ann. Math. Stat. 29, 610 (1958)).
std::array<double, 2> two_normals(Stream& random) {
    const double radius = std::sqrt(-2 * std::log(1 - uniform01(random)));
    const double angle = 2 * std::numbers::pi * uniform01(random);
    return {radius * std::cos(angle), radius * std::sin(angle)};
}

Vec3 normal_vector(Stream& random) {
    const auto a = two_normals(random), b = two_normals(random);
    return {a[0], a[1], b[0]};
}

/// The stream of one atom of one replica.
std::uint64_t stream_of(std::uint64_t replica, std::size_t atom) { return (replica << 28) | atom; }

void check(const MdState& state, const MdOptions& o) {
    const auto positive = [](double x, const char* what) {
        if (!(x > 0) || !std::isfinite(x))
            throw DataError(fmt::format("{} must be above 0, got {}", what, x));
    };
    positive(o.timestep, "the time step of molecular dynamics");
    if (o.ensemble != MdEnsemble::nve) positive(o.temperature, "the temperature of molecular dynamics");
    if (o.ensemble == MdEnsemble::langevin) positive(o.friction, "the friction of Langevin dynamics");
    if (o.ensemble == MdEnsemble::nose_hoover) positive(o.period, "the period of a thermostat");
    const std::size_t n = state.size();
    if (n < 2 || n >= (std::size_t{1} << 28) || o.replica >= (std::uint64_t{1} << 20))
        throw DataError(fmt::format("molecular dynamics needs at least two atoms, got {}", n));
    if (state.numbers.size() != n || state.masses.size() != n || state.velocities.size() != n)
        throw DataError("positions, velocities, masses and elements differ in number");
    for (const double mass : state.masses) positive(mass, "a mass");
}

} // namespace

MdState make_md_state(const Cell& cell, std::vector<int> numbers, std::vector<Vec3> positions) {
    MdState state;
    state.cell = cell;
    for (const int number : numbers) {
        const auto mass = atomic_mass(element_symbol(number));
        if (!mass) throw DataError(fmt::format("no element has the atomic number {}", number));
        state.masses.push_back(*mass);
    }
    state.numbers = std::move(numbers);
    state.velocities.assign(positions.size(), Vec3::Zero());
    state.positions = std::move(positions);
    return state;
}

double kinetic_energy(const MdState& state) {
    double twice = 0;
    for (std::size_t i = 0; i < state.size(); ++i)
        twice += state.masses[i] * state.velocities[i].squaredNorm();
    return 0.5 * twice * ev_per_u_a2_per_ps2;
}

Vec3 momentum(const MdState& state) {
    Vec3 sum = Vec3::Zero();
    for (std::size_t i = 0; i < state.size(); ++i) sum += state.masses[i] * state.velocities[i];
    return sum;
}

double temperature(const MdState& state, bool centre_moves) {
    const double freedom = 3.0 * static_cast<double>(state.size()) - (centre_moves ? 0 : 3);
    return 2 * kinetic_energy(state) / (freedom * boltzmann_ev_per_k);
}

void draw_velocities(MdState& state, double kelvin, std::uint64_t seed, std::uint64_t replica) {
    if (!(kelvin >= 0) || !std::isfinite(kelvin) || state.size() < 2)
        throw DataError(fmt::format("velocities of {} atoms at {} K cannot be drawn", state.size(), kelvin));
    double mass = 0;
    for (std::size_t i = 0; i < state.size(); ++i) {
        Stream random(seed, RngUse::md_velocity, stream_of(replica, i), 0);
        state.velocities[i] = normal_vector(random) / std::sqrt(state.masses[i]);
        mass += state.masses[i];
    }
    const Vec3 drift = momentum(state) / mass;
    for (Vec3& v : state.velocities) v -= drift;
    const double scale = std::sqrt(kelvin / temperature(state, false));
    for (Vec3& v : state.velocities) v *= scale;
}

Dynamics::Dynamics(MdState state, const MdOptions& options) : state_(std::move(state)), options_(options) {
    check(state_, options_);
    if (options_.ensemble == MdEnsemble::nose_hoover && state_.chain_position.empty()) {
        state_.chain_position.assign(chain_length, 0.0);
        state_.chain_velocity.assign(chain_length, 0.0);
    }
}

Dynamics::Dynamics(std::unique_ptr<ForceField> field, MdState state, const MdOptions& options)
    : Dynamics(std::move(state), options) {
    field_ = std::move(field);
    evaluate();
}

void Dynamics::evaluate() {
    field_->evaluate(state_.cell, state_.numbers, state_.positions, forces_);
    check_forces();
}

void Dynamics::check_forces() const {
    const double limit2 = options_.largest_force * options_.largest_force;
    for (std::size_t i = 0; i < state_.size(); ++i)
        if (!(forces_.forces[i].squaredNorm() <= limit2)) fail_at(i);
}

void Dynamics::fail_at(std::size_t atom) const {
    double nearest = std::numeric_limits<double>::infinity();
    std::size_t other = atom;
    for (std::size_t j = 0; j < state_.size(); ++j) {
        if (j == atom) continue;
        const Vec3 r = state_.positions[j] - state_.positions[atom];
        if (!(r.norm() < 1e6)) continue; // lost: it has no images
        const double d = state_.cell.minimum_image(r).norm();
        if (d < nearest) nearest = d, other = j;
    }
    throw DataError(fmt::format(
        "step {}: the force on atom {} ({}) is {:.4g} eV/A (its nearest neighbour, atom {} ({}), is {:.3f} A "
        "away). Relax the structure, take a shorter time step, or a model that was trained for this",
        state_.step, atom, element_symbol(state_.numbers[atom]), forces_.forces[atom].norm(), other,
        element_symbol(state_.numbers[other]), nearest));
}

void Dynamics::kick(double dt) {
    for (std::size_t i = 0; i < state_.size(); ++i)
        state_.velocities[i] += dt / (state_.masses[i] * ev_per_u_a2_per_ps2) * forces_.forces[i];
}

void Dynamics::drift(double dt) {
    for (std::size_t i = 0; i < state_.size(); ++i) state_.positions[i] += dt * state_.velocities[i];
}

void Dynamics::langevin_noise() {
    const double before = kinetic_energy(state_);
    const double kept = std::exp(-options_.friction * options_.timestep);
    const double noise = std::sqrt(-std::expm1(-2 * options_.friction * options_.timestep) *
                                   boltzmann_ev_per_k * options_.temperature / ev_per_u_a2_per_ps2);
    for (std::size_t i = 0; i < state_.size(); ++i) {
        Stream random(options_.seed, RngUse::md_thermostat, stream_of(options_.replica, i),
                      static_cast<std::uint64_t>(state_.step));
        state_.velocities[i] =
            kept * state_.velocities[i] + noise / std::sqrt(state_.masses[i]) * normal_vector(random);
    }
    state_.bath_heat += kinetic_energy(state_) - before;
}

/// Half a step of the chain and the scaling of all velocities; third-order Suzuki-Yoshida weights.
void Dynamics::chain_half_step() {
    const double kT = boltzmann_ev_per_k * options_.temperature;
    const double freedom = 3.0 * static_cast<double>(state_.size()) - 3;
    const double q = kT * std::pow(options_.period / (2 * std::numbers::pi), 2); // [eV ps^2]
    const std::array<double, chain_length> mass{freedom * q, q, q};
    auto &x = state_.chain_position, &v = state_.chain_velocity;
    double twice_kinetic = 2 * kinetic_energy(state_), scale = 1;
    const auto force = [&](std::size_t k) {
        return k == 0 ? (twice_kinetic - freedom * kT) / mass[0]
                      : (mass[k - 1] * v[k - 1] * v[k - 1] - kT) / mass[k];
    };
    const double w = 1 / (2 - std::cbrt(2.0));
    for (const double weight : {w, 1 - 2 * w, w}) {
        const double h = 0.5 * weight * options_.timestep;
        const auto push = [&](std::size_t k) {
            const double damp = k + 1 < chain_length ? std::exp(-0.25 * h * v[k + 1]) : 1;
            v[k] = (v[k] * damp + 0.5 * h * force(k)) * damp;
        };
        for (std::size_t k = chain_length; k-- > 0;) push(k);
        const double factor = std::exp(-h * v[0]);
        scale *= factor;
        twice_kinetic *= factor * factor;
        for (std::size_t k = 0; k < chain_length; ++k) x[k] += h * v[k];
        for (std::size_t k = 0; k < chain_length; ++k) push(k);
    }
    for (Vec3& velocity : state_.velocities) velocity *= scale;
}

double Dynamics::temperature() const {
    return mesolith::temperature(state_, options_.ensemble == MdEnsemble::langevin);
}

double Dynamics::conserved_energy() const {
    double energy = forces_.energy + kinetic_energy(state_);
    if (options_.ensemble == MdEnsemble::langevin) energy -= state_.bath_heat;
    if (options_.ensemble == MdEnsemble::nose_hoover) {
        const double kT = boltzmann_ev_per_k * options_.temperature;
        const double freedom = 3.0 * static_cast<double>(state_.size()) - 3;
        const double q = kT * std::pow(options_.period / (2 * std::numbers::pi), 2);
        for (std::size_t k = 0; k < chain_length; ++k) {
            const double share = k == 0 ? freedom : 1;
            const double v = state_.chain_velocity[k];
            energy += 0.5 * share * q * v * v + share * kT * state_.chain_position[k];
        }
    }
    return energy;
}

void Dynamics::check_temperature() const {
    if (options_.ensemble == MdEnsemble::nve && !(options_.temperature > 0)) return;
    const double now = temperature(), limit = options_.runaway * options_.temperature + 1000;
    if (!(now <= limit))
        throw DataError(fmt::format("step {}: the temperature has run away to {:.0f} K (set to {:g} K). Take "
                                    "a shorter time step, relax "
                                    "the structure, or a model that was trained for this",
                                    state_.step, now, options_.temperature));
}

void Dynamics::begin_step() {
    const double dt = options_.timestep;
    if (options_.ensemble == MdEnsemble::nose_hoover) chain_half_step();
    kick(0.5 * dt);
    if (options_.ensemble == MdEnsemble::langevin) {
        drift(0.5 * dt);
        langevin_noise();
        drift(0.5 * dt);
    } else {
        drift(dt);
    }
    ++state_.step;
}

void Dynamics::end_step() {
    kick(0.5 * options_.timestep);
    if (options_.ensemble == MdEnsemble::nose_hoover) chain_half_step();
    check_temperature();
}

void Dynamics::run(std::int64_t n_steps) {
    for (std::int64_t k = 0; k < n_steps; ++k) {
        begin_step();
        evaluate();
        end_step();
    }
}

DynamicsGroup::DynamicsGroup(std::unique_ptr<ForceField> field, std::vector<MdState> states,
                             std::span<const MdOptions> options, std::vector<std::string> failures)
    : field_(std::move(field)), failures_(std::move(failures)) {
    if (failures_.empty()) failures_.resize(states.size());
    if (options.size() != states.size() || failures_.size() != states.size())
        throw DataError(fmt::format("{} states, {} options and {} failures do not make a group of replicas. "
                                    "Give one for each",
                                    states.size(), options.size(), failures_.size()));
    for (std::size_t k = 0; k < states.size(); ++k)
        replicas_.push_back(Dynamics(std::move(states[k]), options[k]));
    evaluate();
}

std::size_t DynamicsGroup::n_alive() const {
    return static_cast<std::size_t>(std::count(failures_.begin(), failures_.end(), ""));
}

/// f(k) for all that go on; what f throws is the failure of k.
template <class F>
void DynamicsGroup::for_alive(F&& f) {
    for (std::size_t k = 0; k < replicas_.size(); ++k) {
        if (!alive(k)) continue;
        try {
            f(k);
        } catch (const DataError& error) {
            failures_[k] = error.what();
        }
    }
}

void DynamicsGroup::evaluate() {
    views_.clear();
    for_alive([&](std::size_t k) {
        const MdState& s = replicas_[k].state_;
        views_.push_back({s.cell, s.numbers, s.positions});
    });
    bool whole = true;
    try {
        field_->evaluate_batch(views_, results_);
    } catch (const DataError&) {
        whole = false; // one of them: whose it is shows when each is alone
    }
    std::size_t at = 0;
    for_alive([&](std::size_t k) {
        Dynamics& replica = replicas_[k];
        const AtomsView& view = views_[at];
        Forces& result = results_[at++];
        if (!whole) {
            try {
                field_->evaluate(view.cell, view.numbers, view.positions, result);
            } catch (const DataError& error) {
                throw DataError(fmt::format("step {}: {}", replica.state_.step, error.what()));
            }
        }
        std::swap(replica.forces_, result);
        replica.check_forces();
    });
}

void DynamicsGroup::run(std::int64_t n_steps) {
    for (std::int64_t step = 0; step < n_steps && n_alive() > 0; ++step) {
        for_alive([&](std::size_t k) { replicas_[k].begin_step(); });
        evaluate();
        for_alive([&](std::size_t k) { replicas_[k].end_step(); });
    }
}

} // namespace mesolith
