#include <bit>
#include <cmath>
#include <map>

#include <Eigen/Dense>

#include "mesolith/core/error.hpp"
#include "mesolith/core/units.hpp"
#include "mesolith/meso/gas_equilibrium.hpp"

#include "support/catch.hpp"
#include "support/gases.hpp"

using namespace mesolith;
using test::filled;
using test::Mean;

namespace {

constexpr double temperature = 500, energy = 0.06;
const double beta = 1 / (units::boltzmann_ev_per_k * temperature);

LatticeGas interacting_chain(int length) {
    return make_lattice_gas(crystal_domain(test::chain_lattice(), {length, 1, 1}), temperature,
                            {GasSpecies{}}, {{0, 0, {1, 0, 0}, 0, 0, energy}});
}

/// The ring of one-dimensional sites with neighbour interactions, by its transfer matrix.
struct Transfer {
    Eigen::Matrix2d T;
    Eigen::Vector2d values;
    Eigen::Matrix2d vectors;
    explicit Transfer(double z) {
        T << 1, std::sqrt(z), std::sqrt(z), z * std::exp(-beta * energy);
        const Eigen::SelfAdjointEigenSolver<Eigen::Matrix2d> solver(T);
        values = solver.eigenvalues().reverse();
        vectors = solver.eigenvectors().rowwise().reverse();
    }
    double filling() const { return vectors(1, 0) * vectors(1, 0); }
    /// <n_0 n_r> - c^2 of an infinite chain.
    double correlation(int r) const {
        return std::pow(values[1] / values[0], r) * std::pow(vectors(1, 0) * vectors(1, 1), 2);
    }
    /// var N / N of an infinite chain is sum of the correlations over c.
    double theta() const {
        const double q = values[1] / values[0], c = filling();
        return c / (correlation(0) * (1 + q) / (1 - q));
    }
};
/// z at which half of the sites are taken: symmetry between particles and holes.
double half_filling() { return std::exp(beta * energy); }

} // namespace

TEST_CASE("an interacting gas in one dimension has the correlations and Theta of the transfer matrix",
          "[meso][gas]") {
    const int length = 200;
    const LatticeGas gas = interacting_chain(length);
    for (const double z : {half_filling(), 0.2 * half_filling(), 4 * half_filling()}) {
        const Transfer exact(z);
        const NumberFluctuations n = sample_numbers(gas, filled(gas, length / 2, 1), z, {4000, 40}, 7);
        INFO("theta " << n.thermodynamic_factor.value << " +- " << n.thermodynamic_factor.error << ", exact "
                      << exact.theta());
        CHECK(std::abs(n.mean.value - length * exact.filling()) < 4 * n.mean.error);
        CHECK(std::abs(n.variance.value - length * exact.filling() / exact.theta()) < 4 * n.variance.error);
        CHECK(std::abs(n.thermodynamic_factor.value - exact.theta()) < 4 * n.thermodynamic_factor.error);
        CHECK(n.thermodynamic_factor.error < 0.05 * exact.theta());
    }
    // Pairs at fixed N = M / 2, by equilibrium moves and after dynamics of both solvers. The fixed number
    // takes var N / M^2 off each <n n>.
    const Transfer exact(half_filling());
    for (const GasSolver solver : {GasSolver::automatic, GasSolver::null_event, GasSolver::rejection_free}) {
        const GasDynamics dynamics(gas, solver, filled(gas, length / 2, 1));
        std::array<Mean, 4> pairs;
        for (std::uint64_t r = 0; r < 400; ++r) {
            GasState state = filled(gas, length / 2, 2, r);
            CHECK(equilibrate(gas, state, 40, 2, r) > 0.1);
            if (solver != GasSolver::automatic) (void)dynamics.advance(state, 5, 2, r);
            for (int k = 1; k <= 4; ++k) {
                double both = 0;
                for (int i = 0; i < length; ++i)
                    both += state.occupant[static_cast<std::size_t>(i)] >= 0 &&
                            state.occupant[static_cast<std::size_t>((i + k) % length)] >= 0;
                pairs[static_cast<std::size_t>(k - 1)].add(both / length);
            }
        }
        const double fixed = 0.5 / exact.theta() / length;
        for (int k = 1; k <= 4; ++k)
            CHECK(pairs[static_cast<std::size_t>(k - 1)].z(0.25 + exact.correlation(k) - fixed) < 4);
    }
}

TEST_CASE("without interactions Theta is 1 / (1 - c), and the fugacity that of single sites", "[meso][gas]") {
    const LatticeGas gas = make_lattice_gas(crystal_domain(test::sc_lattice(), {8, 8, 8}));
    for (const std::int64_t n : {51, 256, 480}) {
        const NumberFluctuations f = thermodynamic_factor(gas, filled(gas, n, 1), {1000, 40}, 3);
        const double z = static_cast<double>(n + 1) / static_cast<double>(512 - n), c = z / (1 + z);
        CHECK(std::abs(f.fugacity - z) < 1e-12 * z); // Z_{N+1} / Z_N = (M - N) / (N + 1)
        CHECK(std::abs(f.mean.value - 512 * c) < 4 * f.mean.error);
        CHECK(std::abs(f.thermodynamic_factor.value - 1 / (1 - c)) < 4 * f.thermodynamic_factor.error);
        CHECK(f.thermodynamic_factor.error < 0.1 / (1 - c));
    }
}

TEST_CASE("the fugacity of an interacting gas is the ratio of its partition functions", "[meso][gas]") {
    const int length = 10;
    const LatticeGas gas = interacting_chain(length);
    std::map<int, double> partition;
    for (unsigned set = 0; set < 1u << length; ++set) {
        int bonds = 0;
        for (int i = 0; i < length; ++i) bonds += (set >> i & 1) && (set >> ((i + 1) % length) & 1);
        partition[std::popcount(set)] += std::exp(-beta * energy * bonds);
    }
    CHECK(std::abs(fugacity_at(gas, filled(gas, 1, 1), 1, 4) * partition[2] / partition[1] - 1) < 1e-12);
    for (const int n : {2, 4, 7}) {
        Mean inverse;
        for (std::uint64_t r = 0; r < 40; ++r)
            inverse.add(1 / fugacity_at(gas, filled(gas, n, 1, r), 400, 4, r));
        CHECK(inverse.z(partition[n + 1] / partition[n]) < 4);
        CHECK(inverse.error() < 0.02 * inverse.mean());
    }
}

TEST_CASE(
    "equilibrium moves keep the sites of pinned particles and every particle on a site of its own, and name "
    "their random numbers",
    "[meso][gas]") {
    const LatticeGas gas = make_lattice_gas(crystal_domain(test::chain_lattice(), {30, 1, 1}), temperature,
                                            {{"Li", 1}, {"X", 0}}, {{0, 0, {1, 0, 0}, 0, 1, energy}});
    const std::int64_t numbers[] = {10, 5};
    const GasState start = fill(gas, numbers, 1);
    GasState state = start, again = start;
    (void)equilibrate(gas, state, 20, 1);
    (void)equilibrate(gas, again, 20, 1);
    CHECK(state == again);
    CHECK(!(state.occupant == start.occupant));
    CHECK(state.interval == 1);
    (void)equilibrate(gas, again, 20, 1);
    CHECK(!(state == again));
    for (std::size_t p = 0; p < state.place.size(); ++p) {
        CHECK(state.occupant[static_cast<std::size_t>(state.place[p].site)] == static_cast<std::int32_t>(p));
        CHECK(state.displacement(p, gas.domain).norm() == 0);
        if (state.species[p] == 1) CHECK(state.place[p] == start.place[p]);
    }
    // A state that went through dynamics is accepted, and the dynamics go on.
    const GasDynamics dynamics(gas, GasSolver::null_event, state);
    CHECK(dynamics.advance(state, 1, 1, 0).hops > 0);
}

TEST_CASE("sampling that makes no sense is refused", "[meso][gas]") {
    const LatticeGas gas = interacting_chain(10);
    GasState state = filled(gas, 5, 1);
    CHECK_THROWS_AS(equilibrate(gas, state, -1, 1), DataError);
    CHECK_THROWS_AS(sample_numbers(gas, state, 0, {}, 1), DataError);
    CHECK_THROWS_AS(sample_numbers(gas, state, 1, {2, 4}, 1), DataError);
    CHECK_THROWS_AS(sample_numbers(gas, state, 1, {100, 1}, 1), DataError);
    CHECK_THROWS_AS(sample_numbers(gas, state, 1e-300, {100, 10}, 1), DataError); // never any particle
    CHECK_THROWS_AS(fugacity_at(gas, filled(gas, 10, 1), 10, 1), DataError);
    const LatticeGas two = make_lattice_gas(gas.domain, 0, {{"Li", 1}, {"Na", 1}});
    const std::int64_t numbers[] = {2, 2};
    CHECK_THROWS_AS(fugacity_at(two, fill(two, numbers, 1), 10, 1), DataError);
}
