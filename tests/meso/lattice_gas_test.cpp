#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <limits>
#include <map>
#include <numbers>

#include <Eigen/Dense>

#include "mesolith/core/error.hpp"
#include "mesolith/core/parallel.hpp"
#include "mesolith/core/units.hpp"
#include "mesolith/core/vector_units.hpp"
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

namespace {

/// Tracer correlation factor of one vacancy: D* over that of uncorrelated hops at the same frequency, from
/// the squares of all displacements after many hops, in a domain that they do not go around.
Mean vacancy_factor(const Kernel& kernel, const IVec3& cells, double time, int replicas) {
    const LatticeGas gas = make_lattice_gas(block(kernel, cells));
    const std::int64_t n = gas.domain.n_sites() - 1;
    const double step2 =
        kernel
            .displacement(0,
                          kernel.from(0)[kernel.from(0)[0].R.isZero() && kernel.from(0)[0].to == 0 ? 1 : 0])
            .squaredNorm();
    const GasDynamics dynamics(gas, GasSolver::null_event, filled(gas, n, 1));
    Mean factor;
    for (int r = 0; r < replicas; ++r) {
        GasState state = filled(gas, n, 1, static_cast<std::uint64_t>(r));
        // The slope between two times: what is forgotten at the beginning does not count.
        const auto squares = [&] {
            double sum = 0;
            for (std::size_t p = 0; p < state.place.size(); ++p)
                sum += state.displacement(p, gas.domain).squaredNorm();
            return sum;
        };
        (void)dynamics.advance(state, 0.3 * time, 2, static_cast<std::uint64_t>(r));
        const double before = squares();
        const GasEvents events = dynamics.advance(state, time, 2, static_cast<std::uint64_t>(r));
        factor.add((squares() - before) / (step2 * static_cast<double>(events.hops)));
    }
    return factor;
}

} // namespace

namespace {

void check_vacancy_factors(int replicas, double largest_error) {
    struct Case {
        const char* name;
        Kernel kernel;
        IVec3 cells;
        double exact;
    };
    const Case cases[] = {{"sc", test::sc_lattice(), {40, 40, 40}, 0.65310884},
                          {"bcc", test::bcc_lattice(), {40, 40, 40}, 0.72719414},
                          {"fcc", test::fcc_lattice(), {40, 40, 40}, 0.78145142},
                          {"diamond", test::diamond_lattice(), {32, 32, 32}, 0.5},
                          {"honeycomb", test::honeycomb_lattice(), {400, 400, 1}, 1.0 / 3},
                          {"square", test::square_lattice(), {500, 500, 1}, 1 / (std::numbers::pi - 1)}};
    for (const Case& c : cases) {
        const Mean f = vacancy_factor(c.kernel, c.cells, 300, replicas);
        if (replicas > 100)
            std::printf("%-10s f = %.5f +- %.5f, exact %.5f\n", c.name, f.mean(), f.error(), c.exact);
        INFO(c.name << " f = " << f.mean() << " +- " << f.error() << ", exact " << c.exact);
        CHECK(f.z(c.exact) < 4);
        CHECK(f.error() < largest_error * c.exact);
    }
}

} // namespace

TEST_CASE("one vacancy gives the exact tracer correlation factors of six lattices", "[meso][gas]") {
    check_vacancy_factors(60, 0.02);
}

// By hand: test_meso "[gas-long]", some two minutes.
TEST_CASE("one vacancy gives the exact tracer correlation factors within less than one per cent",
          "[.][gas-long]") {
    check_vacancy_factors(900, 0.004);
}

TEST_CASE("in the end small gases are spread as their Boltzmann weights", "[meso][gas]") {
    const std::vector<PairEnergy> pairs{{0, 0, {1, 0, 0}, 0, 0, 0.02}, {0, 0, {0, 1, 0}, 0, 0, -0.015}};
    const LatticeGas gas =
        make_lattice_gas(block(test::sc_lattice(1, 0.5, 0.2), {2, 2, 2}), 400, {GasSpecies{}}, pairs);
    const Enumerated exact(gas, 4);
    const Eigen::VectorXd p = exact.stationary();
    CHECK((exact.K * p).cwiseAbs().maxCoeff() < 1e-14);
    for (const GasSolver solver : both) {
        const GasDynamics dynamics(gas, solver, filled(gas, 4, 1));
        std::vector<Mean> met(exact.sets.size());
        for (std::uint64_t r = 0; r < 200; ++r) {
            GasState state = filled(gas, 4, 1, r);
            (void)dynamics.advance(state, 30, 1, r);
            std::vector<double> share(exact.sets.size());
            for (int k = 0; k < 100; ++k) {
                (void)dynamics.advance(state, 1, 1, r);
                share[exact.number.at(set_of(state))] += 0.01;
            }
            for (std::size_t k = 0; k < share.size(); ++k) met[k].add(share[k]);
        }
        // Of the 20 000 looks at each solver, sets that are met often enough for an error, and all others
        // together.
        double rare = 0, rare_exact = 0;
        std::size_t often = 0;
        for (std::size_t k = 0; k < met.size(); ++k) {
            const double exact_share = p[static_cast<Eigen::Index>(k)];
            if (exact_share * 20000 < 100) {
                rare += met[k].mean(), rare_exact += exact_share;
                continue;
            }
            CHECK(met[k].z(exact_share) < 4);
            ++often;
        }
        CHECK(often > 20);
        CHECK(std::abs(rare - rare_exact) < 4 * std::sqrt(rare_exact / 20000) + 1e-12);
    }
}

TEST_CASE("the vector units of the machine do not show in a lattice gas", "[meso][gas]") {
    const LatticeGas gas = make_lattice_gas(block(test::random_reversible(4, 2), {5, 4, 3}));
    for (const GasSolver solver : both) {
        const GasDynamics dynamics(gas, solver, filled(gas, 100, 9));
        std::vector<GasState> states;
        for (const VectorUnits units : {VectorUnits::baseline, VectorUnits::avx2, VectorUnits::avx512}) {
            limit_vector_units(units);
            states.push_back(filled(gas, 100, 9));
            for (int k = 0; k < 3; ++k) (void)dynamics.advance(states.back(), 5, 0x1234'5678'9abc'def0, 17);
        }
        CHECK(states[0] == states[1]);
        CHECK(states[0] == states[2]);
    }
}

TEST_CASE("a single file spreads as a^2 (1 - c) / c 2 sqrt(k t / pi) at times between a hop and the ring",
          "[meso][gas]") {
    // MSD of the k-th particle at finite times: the leading term is exact as kt grows; here k t = 400 on a
    // ring that takes much longer to go around.
    const LatticeGas gas = make_lattice_gas(block(test::chain_lattice(), {4000, 1, 1}));
    const double time = 400;
    for (const auto& [solver, n] : {std::pair{GasSolver::null_event, 2000},
                                    {GasSolver::rejection_free, 2000},
                                    {GasSolver::null_event, 3200}}) {
        const double c = n / 4000.0, exact = (1 - c) / c * 2 * std::sqrt(time / std::numbers::pi);
        const Mean msd = spread(gas, solver, n, time, 16).tracer[0];
        INFO("MSD " << msd.mean() << " +- " << msd.error() << ", exact " << exact);
        // The next term of the expansion is of relative order 1 / sqrt(k t): (1 - c) sites^2 / 2 at most.
        CHECK(std::abs(msd.mean() - exact) < 4 * msd.error() + (1 - c) / (2 * c));
        CHECK(msd.error() < 0.08 * exact);
    }
}

TEST_CASE("intervals name the random numbers: a run goes on from a copy bit by bit", "[meso][gas]") {
    Domain open = block(test::sc_lattice(), {6, 5, 4});
    open.faces[0] = {Face{FaceKind::reservoir, 0.6}, Face{FaceKind::reservoir, 0.3}};
    const LatticeGas gases[] = {make_lattice_gas(block(test::random_reversible(4, 2), {5, 4, 3})),
                                make_lattice_gas(open)};
    for (const LatticeGas& gas : gases)
        for (const GasSolver solver : both) {
            GasState state = filled(gas, 50, 9), copy;
            const GasDynamics dynamics(gas, solver, state);
            GasEvents all, first, second;
            for (int k = 0; k < 6; ++k) {
                const GasEvents e = dynamics.advance(state, 0.7, 9, 3);
                all += e;
                (k < 3 ? first : second) += e;
                if (k == 2) copy = state;
            }
            CHECK(state.interval == 6);
            CHECK(std::abs(state.time - 4.2) < 1e-12);
            const GasDynamics again(gas, solver, copy); // made from another state
            for (int k = 0; k < 3; ++k) (void)again.advance(copy, 0.7, 9, 3);
            CHECK(copy == state);
            CHECK(first.hops + second.hops == all.hops);
            GasState other = filled(gas, 50, 9);
            (void)dynamics.advance(other, 0.7, 9, 4);
            GasState same = filled(gas, 50, 9);
            (void)dynamics.advance(same, 0.7, 9, 3);
            CHECK(!(other == same));
        }
}

TEST_CASE("replicas are the same with one and two threads", "[meso][gas][parallel]") {
    const LatticeGas gas = make_lattice_gas(block(test::random_reversible(4, 2), {5, 4, 3}));
    for (const GasSolver solver : both) {
        const GasDynamics dynamics(gas, solver, filled(gas, 100, 9));
        std::vector<GasState> one(7), two(7);
        const auto run = [&](std::vector<GasState>& states) {
            for_each_index(states.size(), [&](std::size_t r) {
                states[r] = filled(gas, 100, 9, r);
                for (int k = 0; k < 3; ++k) (void)dynamics.advance(states[r], 1, 9, r);
            });
        };
        with_threads(1, [&] { run(one); });
        with_threads(2, [&] { run(two); });
        CHECK(one == two);
        CHECK(!(one[0].occupant == one[1].occupant));
    }
}

TEST_CASE("many particles or vacancies, whose lines are fetched ahead, have the exact collective D",
          "[meso][gas]") {
    // From 4096 carriers on; so few of them are met twice in a batch now and then.
    const LatticeGas gas = make_lattice_gas(block(test::sc_lattice(), {21, 21, 21}));
    for (const std::int64_t n : {std::int64_t{4500}, gas.domain.n_sites() - 4200}) {
        const Spread s = spread(gas, GasSolver::null_event, n, 2, 300);
        const double m = static_cast<double>(gas.domain.n_sites());
        for (const Mean& axis : s.collective)
            CHECK(axis.z(2 * 2 * (m - static_cast<double>(n)) / (m - 1)) < 4);
    }
}

TEST_CASE(
    "rates may change between intervals: the clock follows the integral of the rate, not its first value",
    "[meso][gas]") {
    // One particle hops at the rates 100, 1, 10 for 1 ps each: the number of hops has mean and variance 2 x
    // 111.
    const Domain domain = block(test::chain_lattice(), {50, 1, 1});
    for (const GasSolver solver : both) {
        std::vector<LatticeGas> gases;
        for (const double rate : {100.0, 1.0, 10.0})
            gases.push_back(make_lattice_gas(domain, 0, {{"Li", rate}}));
        std::vector<GasDynamics> dynamics;
        for (const LatticeGas& gas : gases) dynamics.emplace_back(gas, solver, filled(gas, 1, 1));
        Mean hops, square, variance;
        for (std::uint64_t r = 0; r < 4000; ++r) {
            GasState state = filled(gases[0], 1, 1, r);
            double n = 0;
            for (const GasDynamics& d : dynamics) n += static_cast<double>(d.advance(state, 1, 1, r).hops);
            hops.add(n);
            variance.add((n - 222) * (n - 222));
            square.add(std::pow(state.displacement(0, domain)[0], 2));
        }
        CHECK(hops.z(222) < 4);
        CHECK(variance.z(222) < 4);
        CHECK(square.z(222) < 4);
    }
}

TEST_CASE("pinned particles never move, others hop by their own rates, and all keep their identity",
          "[meso][gas]") {
    const LatticeGas gas =
        make_lattice_gas(block(test::sc_lattice(), {6, 6, 6}), 0, {{"Li", 1}, {"Na", 0.1}, {"X", 0}});
    for (const GasSolver solver : both)
        for (const std::int64_t li : {20, 150}) {
            const std::int64_t numbers[] = {li, 20, 30};
            Mean fast, slow;
            const GasDynamics dynamics(gas, solver, fill(gas, numbers, 2));
            for (std::uint64_t r = 0; r < 1000; ++r) {
                GasState state = fill(gas, numbers, 2, r);
                const GasState start = state;
                (void)dynamics.advance(state, 0.02, 2, r);
                CHECK(state.species == start.species);
                double of[3] = {};
                for (std::size_t p = 0; p < state.place.size(); ++p) {
                    of[state.species[p]] += state.displacement(p, gas.domain).squaredNorm();
                    if (state.occupant[static_cast<std::size_t>(state.place[p].site)] !=
                        static_cast<std::int32_t>(p))
                        FAIL("a particle is not on its site");
                    if (state.species[p] == 2 && !(state.place[p] == start.place[p]))
                        FAIL("a pinned particle moved");
                }
                fast.add(of[0] / static_cast<double>(li)), slow.add(of[1] / 20);
            }
            // At short times hops go to empty sites at the rate 6 (M - N) / (M - 1); later ones and returns
            // are of second order: 2 % of 6 k t = 0.12.
            const double empty = static_cast<double>(216 - li - 50) / 215;
            CHECK(std::abs(fast.mean() - 6 * 0.02 * empty) < 4 * fast.error() + 0.02 * 6 * 0.02 * empty * 6);
            CHECK(std::abs(slow.mean() - 0.6 * 0.02 * empty) <
                  4 * slow.error() + 0.02 * 0.6 * 0.02 * empty * 6);
        }
}

TEST_CASE("both solvers agree on tracer and collective motion with interactions and several species",
          "[meso][gas]") {
    std::vector<PairEnergy> pairs;
    for (int a = 0; a < 3; ++a) {
        pairs.push_back({0, 0, IVec3::Unit(a), 0, 0, 0.04});
        pairs.push_back({0, 0, IVec3::Unit(a), 0, 1, -0.03});
        pairs.push_back({0, 0, IVec3::Unit(a), 1, 0, -0.03});
    }
    const LatticeGas gas =
        make_lattice_gas(block(test::sc_lattice(), {5, 5, 5}), 500, {{"Li", 1}, {"Na", 0.3}}, pairs);
    const std::int64_t numbers[] = {40, 30};
    Mean of[2][3];
    for (int s = 0; s < 2; ++s) {
        const GasDynamics dynamics(gas, both[s], fill(gas, numbers, 2));
        for (std::uint64_t r = 0; r < 600; ++r) {
            GasState state = fill(gas, numbers, 2, r);
            const GasEvents events = dynamics.advance(state, 2, 2, r);
            Vec3 sum = Vec3::Zero();
            double squares[2] = {};
            for (std::size_t p = 0; p < state.place.size(); ++p) {
                const Vec3 d = state.displacement(p, gas.domain);
                squares[state.species[p]] += d.squaredNorm();
                if (state.species[p] == 0) sum += d;
            }
            of[s][0].add(squares[0]), of[s][1].add(squares[1]),
                of[s][2].add(static_cast<double>(events.hops));
        }
    }
    for (int k = 0; k < 3; ++k)
        CHECK(std::abs(of[0][k].mean() - of[1][k].mean()) <
              4 * std::hypot(of[0][k].error(), of[1][k].error()));
}

TEST_CASE("between equal reservoirs sites are occupied as Langmuir says and no net current flows",
          "[meso][gas]") {
    // Two sites of different weight: z from the filling of both.
    const Kernel kernel = [] {
        SiteBasis basis;
        basis.cell = Cell(Mat3::Identity());
        basis.positions = {Vec3::Zero(), Vec3(0.5, 0, 0)};
        const double flow = 0.1;
        const test::Flows flows{{{0, 1, {0, 0, 0}}, flow},
                                {{1, 0, {0, 0, 0}}, flow},
                                {{1, 0, {1, 0, 0}}, flow},
                                {{0, 1, {-1, 0, 0}}, flow}};
        Kernel k = test::kernel_from_flows(basis, {0.75, 0.25}, flows, 0.5);
        k.reversible = true;
        return k;
    }();
    // z w / (1 + z w): w = 3/4, 1/4; z = 4 gives 3/4 and 1/2, so 1.25 particles per cell.
    Domain domain = block(kernel, {6, 2, 1});
    domain.faces[0] = {Face{FaceKind::reservoir, 1.25}, Face{FaceKind::reservoir, 1.25}};
    const LatticeGas gas = make_lattice_gas(domain);
    for (const GasSolver solver : both) {
        GasState state = filled(gas, 0, 1);
        const GasDynamics dynamics(gas, solver, state);
        (void)dynamics.advance(state, 200, 1, 0);
        Mean heavy, light, current;
        for (int block_number = 0; block_number < 60; ++block_number) {
            double occupied[2] = {};
            GasEvents events;
            for (int k = 0; k < 20; ++k) {
                events += dynamics.advance(state, 5, 1, 0);
                for (std::size_t i = 0; i < state.occupant.size(); ++i)
                    occupied[i % 2] += state.occupant[i] >= 0;
            }
            heavy.add(occupied[0] / (20 * 12)), light.add(occupied[1] / (20 * 12));
            current.add(static_cast<double>(events.entered[0]) - static_cast<double>(events.left[0]));
            CHECK(events.entered[0] > 0);
        }
        CHECK(heavy.z(0.75) < 4);
        CHECK(light.z(0.5) < 4);
        CHECK(current.z(0) < 4);
        CHECK(heavy.error() < 0.02);
    }
}

TEST_CASE("between two reservoirs the exclusion gas has a linear profile and the current of free particles",
          "[meso][gas]") {
    Domain domain = block(test::sc_lattice(), {8, 2, 2});
    domain.faces[0] = {Face{FaceKind::reservoir, 0.9}, Face{FaceKind::reservoir, 0.1}};
    const LatticeGas gas = make_lattice_gas(domain);
    for (const GasSolver solver : both) {
        GasState state = filled(gas, 16, 1);
        const GasDynamics dynamics(gas, solver, state);
        (void)dynamics.advance(state, 200, 1, 0);
        std::array<Mean, 8> profile;
        Mean current;
        for (int b = 0; b < 60; ++b) {
            std::array<double, 8> occupied{};
            GasEvents events;
            for (int k = 0; k < 20; ++k) {
                events += dynamics.advance(state, 5, 1, 0);
                for (std::size_t i = 0; i < state.occupant.size(); ++i)
                    occupied[i % 8] += state.occupant[i] >= 0;
            }
            for (std::size_t x = 0; x < 8; ++x) profile[x].add(occupied[x] / (20 * 4));
            current.add((static_cast<double>(events.entered[0] + events.left[1]) -
                         static_cast<double>(events.left[0] + events.entered[1])) /
                        2 / 100);
        }
        // <n_x> obeys the equation of single particles: linear between sites -1 and 8; 4 columns.
        for (std::size_t x = 0; x < 8; ++x)
            CHECK(profile[x].z(0.9 - 0.8 * (static_cast<double>(x) + 1) / 9) < 4);
        CHECK(current.z(4 * 0.8 / 9) < 4);
        CHECK(current.error() < 0.1 * current.mean());
    }
}

TEST_CASE("regions of different weights fill as single sites do", "[meso][gas]") {
    Domain domain = block(test::sc_lattice(), {4, 3, 2});
    domain.materials.push_back({"deep", domain.materials[0].kernel, 5});
    domain.regions.push_back({"deep", 1});
    for (std::size_t c = 0; c < 24; ++c) domain.region.push_back(domain.cell_at(c)[0] % 2);
    const LatticeGas gas = make_lattice_gas(domain);
    // n of 24 particles: P(m in the deep half) ~ C(12, m) C(12, n - m) 5^m
    const int n = 10;
    const auto choose = [](int of, int k) {
        double c = 1;
        for (int i = 0; i < k; ++i) c *= static_cast<double>(of - i) / (i + 1);
        return c;
    };
    double sum = 0, exact = 0;
    for (int m = 0; m <= n; ++m) {
        const double p = choose(12, m) * choose(12, n - m) * std::pow(5, m);
        sum += p, exact += m * p;
    }
    exact /= sum;
    const auto deep = [&](const GasState& state) {
        double m = 0;
        for (std::size_t c = 0; c < 24; ++c) m += domain.region[c] == 1 && state.occupant[c] >= 0;
        return m;
    };
    for (const GasSolver solver : both) {
        const GasDynamics dynamics(gas, solver, filled(gas, n, 1));
        Mean start, later;
        for (std::uint64_t r = 0; r < 4000; ++r) {
            GasState state = filled(gas, n, 1, r);
            start.add(deep(state));
            (void)dynamics.advance(state, 2, 1, r);
            later.add(deep(state));
        }
        CHECK(start.z(exact) < 4);
        CHECK(later.z(exact) < 4);
    }
}

TEST_CASE("the solver is chosen by the acceptance of a trial", "[meso][gas]") {
    const LatticeGas easy = make_lattice_gas(block(test::sc_lattice(), {10, 10, 10}));
    const GasDynamics null_event(easy, GasSolver::automatic, filled(easy, 990, 1));
    CHECK(null_event.solver() == GasSolver::null_event);
    CHECK(null_event.trial_acceptance() > 0.98);
    CHECK(null_event.reason().find("vacancies") != std::string::npos);
    std::vector<PairEnergy> pairs;
    for (int a = 0; a < 3; ++a) pairs.push_back({0, 0, IVec3::Unit(a), 0, 0, 0.2});
    const LatticeGas stiff =
        make_lattice_gas(block(test::sc_lattice(), {10, 10, 10}), 300, {GasSpecies{}}, pairs);
    const GasDynamics tree(stiff, GasSolver::automatic, filled(stiff, 500, 1));
    CHECK(tree.solver() == GasSolver::rejection_free);
    CHECK(tree.trial_acceptance() < 0.01);
}

TEST_CASE("gases that make no sense are refused, naming why", "[meso][gas]") {
    const Domain domain = block(test::sc_lattice(), {3, 3, 3});
    const PairEnergy pair{0, 0, {1, 0, 0}, 0, 0, 0.1};
    const std::vector<GasSpecies> li{GasSpecies{}};
    CHECK_THROWS_AS(make_lattice_gas(domain, 0, {}), DataError);
    CHECK_THROWS_AS(make_lattice_gas(domain, 0, {{"Li", -1}}), DataError);
    CHECK_THROWS_AS(make_lattice_gas(domain, 0, {{"Li", std::numeric_limits<double>::quiet_NaN()}}),
                    DataError);
    CHECK_THROWS_AS(make_lattice_gas(domain, 0, li, {pair}), DataError); // without temperature
    CHECK_THROWS_AS(make_lattice_gas(domain, 300, li, {pair, pair}), DataError);
    CHECK_THROWS_AS(make_lattice_gas(domain, 300, li, {pair, {0, 0, {-1, 0, 0}, 0, 0, 0.1}}), DataError);
    CHECK_THROWS_AS(make_lattice_gas(domain, 300, li, {{0, 1, {1, 0, 0}, 0, 0, 0.1}}), DataError);
    CHECK_THROWS_AS(make_lattice_gas(domain, 300, li, {{0, 0, {1, 0, 0}, 0, 1, 0.1}}), DataError);
    CHECK_THROWS_AS(make_lattice_gas(domain, 300, li, {{0, 0, {3, 0, 0}, 0, 0, 0.1}}), DataError); // itself
    CHECK_THROWS_AS(make_lattice_gas(block(test::random_nonreversible(3, 1), {2, 2, 2}), 300, li,
                                     {{0, 1, {0, 0, 0}, 0, 0, 0.1}}),
                    DataError);
    Domain open = domain;
    open.faces[0] = {Face{FaceKind::reservoir, 1}, Face{FaceKind::reservoir, 0.5}};
    CHECK_THROWS_AS(make_lattice_gas(open), DataError); // one particle per site: never empty
    open.faces[0][0].concentration = 0.5;
    CHECK_THROWS_AS(make_lattice_gas(open, 0, {{"Li", 1}, {"Na", 1}}), DataError);
    CHECK_NOTHROW(make_lattice_gas(open, 0, {{"Li", 1}, {"X", 0}}));
    CHECK_THROWS_AS(make_lattice_gas(block(test::sc_lattice(), {2000, 2000, 2000})), DataError);

    const LatticeGas gas = make_lattice_gas(domain);
    CHECK_THROWS_AS(filled(gas, 28, 1), DataError); // more ions than sites
    CHECK_THROWS_AS(filled(gas, -1, 1), DataError);
    CHECK_THROWS_AS(filled(gas, 0, 1), DataError);
    CHECK_NOTHROW(filled(gas, 27, 1));
    const std::int64_t two[] = {1, 1};
    CHECK_THROWS_AS(fill(gas, two, 1), DataError);
    GasState state = filled(gas, 5, 1);
    const GasDynamics dynamics(gas, GasSolver::null_event, state);
    CHECK_THROWS_AS(dynamics.advance(state, -1, 1, 0), DataError);
    CHECK_THROWS_AS(dynamics.advance(state, std::numeric_limits<double>::infinity(), 1, 0), DataError);
    CHECK_THROWS_AS(dynamics.advance(state, 1, 1, 65536), DataError);
    GasState wrong = state;
    wrong.occupant.pop_back();
    CHECK_THROWS_AS(dynamics.advance(wrong, 1, 1, 0), DataError);
    wrong = state;
    std::swap(wrong.place[0], wrong.place[1]);
    CHECK_THROWS_AS(GasDynamics(gas, GasSolver::null_event, wrong), DataError);
    state.place[0].x = (1 << 30) + 1;
    CHECK_THROWS_AS(dynamics.advance(state, 1, 1, 0), DataError);
}

TEST_CASE("a full lattice stands still and takes no time to simulate", "[meso][gas]") {
    const LatticeGas gas = make_lattice_gas(block(test::sc_lattice(), {3, 3, 3}));
    for (const GasSolver solver : both) {
        GasState state = filled(gas, 27, 1);
        const GasDynamics dynamics(gas, solver, state);
        CHECK(dynamics.advance(state, 1e9, 1, 0).hops == 0);
        CHECK(state.time == 1e9);
    }
}
