#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <map>
#include <numbers>

#include <Eigen/Dense>

#include "mesolith/core/error.hpp"
#include "mesolith/core/parallel.hpp"
#include "mesolith/core/units.hpp"
#include "mesolith/meso/lattice_gas.hpp"

#include "support/catch.hpp"
#include "support/gases.hpp"
#include "support/kernels.hpp"

using namespace mesolith;
using test::filled;
using test::Mean;

namespace {

constexpr GasSolver both[] = {GasSolver::null_event, GasSolver::rejection_free};
constexpr double kT(double temperature) { return units::boltzmann_ev_per_k * temperature; }

Domain block(const Kernel& kernel, const IVec3& cells) { return crystal_domain(kernel, cells); }

/// All that a small gas of one species can do, from the kernel and the pairs alone: the rate matrix over sets
/// of occupied sites.
struct Enumerated {
    const LatticeGas& gas;
    std::size_t n; // sites
    std::vector<std::uint32_t> sets;
    std::map<std::uint32_t, std::size_t> number;
    Eigen::MatrixXd K;

    Enumerated(const LatticeGas& g, int n_particles)
        : gas(g), n(static_cast<std::size_t>(g.domain.n_sites())) {
        for (std::uint32_t s = 0; s < std::uint32_t{1} << n; ++s)
            if (n_particles < 0 || std::popcount(s) == n_particles) {
                number[s] = sets.size();
                sets.push_back(s);
            }
        K = Eigen::MatrixXd::Zero(static_cast<Eigen::Index>(sets.size()),
                                  static_cast<Eigen::Index>(sets.size()));
        for (const std::uint32_t s : sets) add_events(s);
    }
    double energy(std::uint32_t set) const {
        double sum = 0;
        const Domain& d = gas.domain;
        for (const PairEnergy& pair : gas.pairs)
            for (std::size_t c = 0; c < static_cast<std::size_t>(d.n_cells()); ++c) {
                const HopEnd end = hop_end(d, d.cell_at(c), pair.R);
                if (!end.inside()) continue;
                const std::size_t i = c * d.n_basis() + static_cast<std::size_t>(pair.from),
                                  j = d.cell_index(end.cell) * d.n_basis() +
                                      static_cast<std::size_t>(pair.to);
                if ((set >> i & 1) && (set >> j & 1)) sum += pair.energy;
            }
        return sum;
    }
    double boltzmann(std::uint32_t from, std::uint32_t to) const {
        return gas.pairs.empty() ? 1 : std::exp((energy(from) - energy(to)) / (2 * kT(gas.temperature)));
    }
    void add(std::uint32_t from, std::uint32_t to, double rate) {
        const auto f = static_cast<Eigen::Index>(number.at(from)),
                   t = static_cast<Eigen::Index>(number.at(to));
        rate *= boltzmann(from, to) * gas.species[0].rate_factor;
        K(t, f) += rate;
        K(f, f) -= rate;
    }
    void add_events(std::uint32_t set) {
        const Domain& d = gas.domain;
        const Kernel& kernel = d.materials[0].kernel;
        for (std::size_t c = 0; c < static_cast<std::size_t>(d.n_cells()); ++c)
            for (std::size_t j = 0; j < d.n_basis(); ++j) {
                const std::size_t from = c * d.n_basis() + j;
                for (const KernelEntry& e : kernel.from(j)) {
                    if (static_cast<std::size_t>(e.to) == j && e.R.isZero()) continue;
                    const double rate = e.p / kernel.lag_time;
                    const HopEnd end = hop_end(d, d.cell_at(c), e.R);
                    if (end.inside()) {
                        const std::size_t to =
                            d.cell_index(end.cell) * d.n_basis() + static_cast<std::size_t>(e.to);
                        if ((set >> from & 1) && !(set >> to & 1))
                            add(set, set ^ (1u << from) ^ (1u << to), rate);
                        continue;
                    }
                    const Face& face =
                        d.faces[static_cast<std::size_t>(end.axis)][static_cast<std::size_t>(end.side)];
                    if (face.kind == FaceKind::reflecting) continue;
                    // z of one kind of sites only: tests with reservoirs have equal weights
                    const double theta = face.concentration / static_cast<double>(d.n_basis());
                    if (set >> from & 1)
                        add(set, set ^ (1u << from), rate * (1 - theta));
                    else if (theta > 0)
                        add(set, set ^ (1u << from), rate * theta);
                }
            }
    }
    /// Probabilities of all sets at a time, by uniformisation.
    Eigen::VectorXd evolve(const Eigen::VectorXd& start, double time) const {
        const double rate = -K.diagonal().minCoeff(), mean = rate * time;
        Eigen::VectorXd term = start, sum = std::exp(-mean) * start;
        double weight = std::exp(-mean);
        for (int k = 1; k < mean + 20 * std::sqrt(mean) + 40; ++k) {
            term += K * term / rate;
            weight *= mean / k;
            sum += weight * term;
        }
        return sum;
    }
    Eigen::VectorXd stationary() const {
        const Domain& d = gas.domain;
        Eigen::VectorXd p(static_cast<Eigen::Index>(sets.size()));
        for (std::size_t k = 0; k < sets.size(); ++k) {
            double w = gas.pairs.empty() ? 1 : std::exp(-energy(sets[k]) / kT(gas.temperature));
            for (std::size_t i = 0; i < n; ++i)
                if (sets[k] >> i & 1) w *= d.weight_of(i / d.n_basis(), i % d.n_basis());
            p[static_cast<Eigen::Index>(k)] = w;
        }
        return p / p.sum();
    }
};

std::uint32_t set_of(const GasState& state) {
    std::uint32_t set = 0;
    for (std::size_t i = 0; i < state.occupant.size(); ++i)
        if (state.occupant[i] >= 0) set |= 1u << i;
    return set;
}

/// How often each set is met after these intervals from one start, in standard errors of what is exact.
void check_evolution(const LatticeGas& gas, GasSolver solver, int n_particles,
                     std::span<const double> intervals, int replicas) {
    const Enumerated exact(gas, gas.domain.open() ? -1 : n_particles);
    const GasState start = filled(gas, n_particles, 5);
    Eigen::VectorXd p = Eigen::VectorXd::Zero(static_cast<Eigen::Index>(exact.sets.size()));
    p[static_cast<Eigen::Index>(exact.number.at(set_of(start)))] = 1;
    double total = 0;
    for (const double t : intervals) total += t;
    p = exact.evolve(p, total);
    CHECK(std::abs(p.sum() - 1) < 1e-10);
    const GasDynamics dynamics(gas, solver, start);
    std::vector<double> met(exact.sets.size());
    for (int r = 0; r < replicas; ++r) {
        GasState state = start;
        for (const double t : intervals) (void)dynamics.advance(state, t, 77, static_cast<std::uint64_t>(r));
        ++met[exact.number.at(set_of(state))];
    }
    double chi_squared = 0, degrees = -1;
    for (std::size_t k = 0; k < met.size(); ++k) {
        const double expected = p[static_cast<Eigen::Index>(k)] * replicas;
        if (expected < 1e-9) {
            CHECK(met[k] == 0);
            continue;
        }
        if (expected < 5) continue;
        chi_squared += (met[k] - expected) * (met[k] - expected) / expected, ++degrees;
    }
    INFO("chi squared " << chi_squared << " for " << degrees << " degrees of freedom");
    CHECK(chi_squared < degrees + 4 * std::sqrt(2 * degrees));
    CHECK(chi_squared > degrees - 4 * std::sqrt(2 * degrees));
}

/// MSD of all particles and of their sum, per axis, over replicas in which equilibrium is the start.
struct Spread {
    std::array<Mean, 3> tracer, collective;
};
Spread spread(const LatticeGas& gas, GasSolver solver, std::int64_t n, double time, int replicas) {
    const GasDynamics dynamics(gas, solver, filled(gas, n, 3));
    Spread result;
    for (int r = 0; r < replicas; ++r) {
        GasState state = filled(gas, n, 4, static_cast<std::uint64_t>(r));
        (void)dynamics.advance(state, time, 4, static_cast<std::uint64_t>(r));
        Vec3 sum = Vec3::Zero(), squares = Vec3::Zero();
        for (std::size_t p = 0; p < state.place.size(); ++p) {
            const Vec3 d = state.displacement(p, gas.domain);
            sum += d, squares += d.cwiseProduct(d);
        }
        for (int a = 0; a < 3; ++a) {
            const auto axis = static_cast<std::size_t>(a);
            result.tracer[axis].add(squares[a] / static_cast<double>(n));
            result.collective[axis].add(sum[a] * sum[a] / static_cast<double>(n));
        }
    }
    return result;
}

} // namespace

TEST_CASE("single particles diffuse with D = k a^2 on sc, bcc and fcc lattices", "[meso][gas]") {
    const GasSolver solver = GENERATE(GasSolver::null_event, GasSolver::rejection_free);
    for (const Kernel& kernel : {test::sc_lattice(), test::bcc_lattice(), test::fcc_lattice()}) {
        const LatticeGas gas = make_lattice_gas(block(kernel, {7, 7, 7}));
        const Spread s = spread(gas, solver, 1, 20, 2000);
        for (const Mean& axis : s.tracer) CHECK(axis.z(2 * 20) < 4); // k a^2 = 1 A^2/ps in cubic edges
    }
}

TEST_CASE("the collective D of the exclusion gas is k a^2 (M - N) / (M - 1) at every time and size",
          "[meso][gas]") {
    for (const GasSolver solver : both)
        for (const auto& [cells, n] :
             {std::pair{IVec3(3, 3, 3), 20}, {IVec3(4, 3, 2), 7}, {IVec3(4, 4, 4), 63}})
            for (const double time : {0.1, 3.0}) {
                const LatticeGas gas = make_lattice_gas(block(test::sc_lattice(), cells));
                const double m = cells.prod();
                for (const Mean& axis : spread(gas, solver, n, time, 3000).collective)
                    CHECK(axis.z(2 * time * (m - n) / (m - 1)) < 4);
            }
}

TEST_CASE("particles on a ring keep their order: D* = k a^2 (M - N) / (N (M - 1)) in the end",
          "[meso][gas]") {
    const LatticeGas gas = make_lattice_gas(block(test::chain_lattice(), {9, 1, 1}));
    for (const GasSolver solver : both)
        for (const int n : {2, 5}) {
            // Slope between two times at which the order no longer matters.
            const GasDynamics dynamics(gas, solver, filled(gas, n, 3));
            Mean slope;
            for (std::uint64_t r = 0; r < 4000; ++r) {
                GasState state = filled(gas, n, 6, r);
                (void)dynamics.advance(state, 40, 6, r);
                double early = 0, late = 0;
                for (std::size_t p = 0; p < state.place.size(); ++p)
                    early += std::pow(state.displacement(p, gas.domain)[0], 2) / n;
                (void)dynamics.advance(state, 60, 6, r);
                for (std::size_t p = 0; p < state.place.size(); ++p)
                    late += std::pow(state.displacement(p, gas.domain)[0], 2) / n;
                slope.add((late - early) / (2 * 60));
            }
            CHECK(slope.z((9.0 - n) / (n * 8.0)) < 4);
        }
}

TEST_CASE(
    "small gases follow their master equation, with and without interactions, in crystals, between walls and "
    "beside reservoirs, over several intervals",
    "[meso][gas]") {
    const double intervals[] = {0.13, 0.4, 0.02};
    const PairEnergy x{0, 0, {1, 0, 0}, 0, 0, 0.05}, y{0, 0, {0, 1, 0}, 0, 0, -0.03},
        z{0, 0, {0, 0, 1}, 0, 0, 0.02};
    const Domain cube = block(test::sc_lattice(1, 0.5, 0.2), {2, 2, 2});
    Domain walls = block(test::sc_lattice(1, 0.5, 0.2), {3, 2, 1}), flow = walls, sink = walls;
    walls.faces[0] = {Face{FaceKind::reflecting, 0}, Face{FaceKind::reflecting, 0}};
    flow.faces[0] = {Face{FaceKind::reservoir, 0.7}, Face{FaceKind::reservoir, 0.2}};
    sink.faces[0] = {Face{FaceKind::reservoir, 0.4}, Face{FaceKind::absorbing, 0}};
    for (const GasSolver solver : both) {
        for (const int n : {1, 3, 6}) {
            check_evolution(make_lattice_gas(cube), solver, n, intervals, 20000);
            check_evolution(make_lattice_gas(cube, 400, {GasSpecies{}}, {x, y, z}), solver, n, intervals,
                            20000);
        }
        check_evolution(make_lattice_gas(walls, 400, {{"Li", 2}}, {x, y}), solver, 3, intervals, 20000);
        for (const Domain& open : {flow, sink}) {
            check_evolution(make_lattice_gas(open), solver, 2, intervals, 20000);
            check_evolution(make_lattice_gas(open, 400, {GasSpecies{}}, {x, y}), solver, 4, intervals, 20000);
        }
    }
}

TEST_CASE("sites of different weights and rates over decades follow their master equation", "[meso][gas]") {
    const double intervals[] = {0.3, 2};
    const Kernel kernel = test::random_reversible(3, 5, 8);
    const PairEnergy pair{0, 1, {0, 0, 0}, 0, 0, 0.06};
    for (const GasSolver solver : both)
        for (const int n : {1, 2, 4, 5}) {
            check_evolution(make_lattice_gas(block(kernel, {2, 1, 1})), solver, n, intervals, 20000);
            check_evolution(make_lattice_gas(block(kernel, {2, 1, 1}), 300, {GasSpecies{}}, {pair}), solver,
                            n, intervals, 20000);
        }
}
