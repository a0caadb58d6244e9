#include <algorithm>
#include <cmath>

#include "mesolith/core/error.hpp"
#include "mesolith/core/units.hpp"
#include "mesolith/msm/transport.hpp"
#include "mesolith/observables/gas_statistics.hpp"

#include "support/catch.hpp"
#include "support/contains_text.hpp"
#include "support/kernels.hpp"
#include "support/plain_gas.hpp"

using namespace mesolith;
using test::contains_text;

namespace {

GasPlan plan_of(double interval, std::int64_t n_frames) {
    GasPlan plan;
    plan.frame_interval = interval;
    plan.n_frames = n_frames;
    return plan;
}

/// Replicas of n particles that block each other.
std::vector<GasRecord> run(const LatticeGas& gas, const GasPlan& plan, std::size_t n, unsigned replicas,
                           unsigned seed) {
    std::vector<GasRecord> records;
    for (unsigned r = 0; r < replicas; ++r) {
        std::mt19937_64 random(1000 * seed + r);
        GasState state = test::scattered(gas, n, 1000 * seed + r);
        const GasObserver observer(gas, plan, state);
        records.push_back(observer.start());
        observer.add(records.back(), state);
        for (std::int64_t f = 0; f < plan.n_frames; ++f) {
            test::let_hop(gas, state, plan.frame_interval, random);
            observer.add(records.back(), state);
        }
    }
    return records;
}

/// Particles that do not see each other: Gaussian steps of variance 2 D t in whole cells, rounded.
std::vector<GasRecord> walk_freely(const LatticeGas& gas, const GasPlan& plan, std::size_t n,
                                   unsigned replicas, unsigned seed) {
    std::vector<GasRecord> records;
    for (unsigned r = 0; r < replicas; ++r) {
        std::mt19937_64 random(77 * seed + r);
        std::binomial_distribution<int> steps(8, 0.5);
        GasState state = test::scattered(gas, n, seed);
        const GasObserver observer(gas, plan, state);
        records.push_back(observer.start());
        for (std::int64_t f = 0; f <= plan.n_frames; ++f) {
            observer.add(records.back(), state);
            for (std::size_t p = 0; p < n; ++p) { // variance 2 along each axis
                state.place[p].x += steps(random) - 4;
                state.place[p].y += steps(random) - 4;
                state.place[p].z += steps(random) - 4;
            }
        }
    }
    return records;
}

} // namespace

TEST_CASE("independent particles have D* = D_J and error bars that are those of repeated runs",
          "[observables][gas]") {
    const LatticeGas gas = test::plain_gas(crystal_domain(test::simple_cubic(1), {6, 6, 6}));
    const GasPlan plan = plan_of(1, 120);
    const GasObserver observer(gas, plan, test::scattered(gas, 4, 0));
    constexpr int n = 100;
    std::vector<double> tracer, collective, haven, tracer_error, collective_error, haven_error;
    int near = 0;
    for (unsigned seed = 0; seed < n; ++seed) {
        const std::vector<GasRecord> records = walk_freely(gas, plan, 4, 8, seed);
        const GasAverages a = average(observer, records);
        REQUIRE(a.transport.size() == 1);
        REQUIRE(a.n_blocks == 32);
        const GasTransport& t = a.transport.front();
        tracer.push_back(t.tracer_mean.value), tracer_error.push_back(t.tracer_mean.error);
        collective.push_back(t.collective(0, 0)), collective_error.push_back(t.collective_error(0, 0));
        haven.push_back(t.haven_mean.value), haven_error.push_back(t.haven_mean.error);
        near += std::abs(t.tracer_mean.value - 1) < t.tracer_mean.error ? 1 : 0; // 2 D t = 2 t
    }
    const auto check = [](const std::vector<double>& values, const std::vector<double>& errors, double bias) {
        double mean = 0, squares = 0, error = 0;
        for (const double x : values) mean += x / n;
        for (const double x : values) squares += (x - mean) * (x - mean) / (n - 1);
        for (const double e : errors) error += e * e / n;
        CHECK(std::abs(mean - 1) < 4 * std::sqrt(squares / n) + bias);
        // The ratio of variances is known to sqrt(2 / n) from the runs, less from the error bars themselves.
        CHECK(error / squares == Approx(1).margin(4 * std::sqrt(2.0 / n)));
    };
    check(tracer, tracer_error, 0);
    check(collective, collective_error, 0);
    check(haven, haven_error, 0.02); // of a ratio, to second order
    CHECK(std::abs(near - 68.3) < 4 * std::sqrt(n * 0.683 * 0.317));
}

TEST_CASE("D_J, residence times and pairs of an exclusion gas are exact to four standard errors",
          "[observables][gas]") {
    const Kernel kernel = test::simple_cubic(3, 0.4, 2);
    const LatticeGas gas = test::plain_gas(crystal_domain(kernel, {4, 4, 4}));
    constexpr double M = 64, N = 40, k = 0.6 / 6 / 2; // sites, particles, rate of each hop [1/ps]
    const GasPlan plan = plan_of(6, 300);
    const GasObserver observer(gas, plan, test::scattered(gas, 40, 0));
    const GasAverages a = average(observer, run(gas, plan, 40, 8, 3));
    const GasTransport& t = a.transport.front();
    CHECK(a.lag.front() == 6);
    const double exact = k * 9 * (M - N) / (M - 1);
    for (int x = 0; x < 3; ++x) {
        for (int y = 0; y < 3; ++y)
            CHECK(std::abs(t.collective(x, y) - (x == y ? exact : 0)) < 4 * t.collective_error(x, y));
        CHECK(t.haven[x] > 0.4);
        CHECK(t.haven[x] < 1);
        for (std::size_t l = 0; l < a.lag.size(); ++l) // at every time
            CHECK(std::abs(t.collective_msd[l](x, x) - 2 * exact * a.lag[l]) <
                  4.5 * t.collective_msd_error[l](x, x));
    }
    CHECK(std::abs(t.collective_mean.value - exact) < 4 * t.collective_mean.error);
    CHECK(t.collective_mean.error < 0.05 * exact);
    // Hops as if uncorrelated: as often as the neighbour is empty.
    CHECK(std::abs(t.uncorrelated_mean.value - exact) < 4 * t.uncorrelated_mean.error);
    CHECK(t.uncorrelated_mean.error < 0.01 * exact);
    CHECK(t.correlation_mean.value == Approx(t.tracer_mean.value / t.uncorrelated_mean.value));
    CHECK(t.tracer_mean.value < exact);
    CHECK(a.occupancy[0][0].value == Approx(N / M).epsilon(1e-12));
    CHECK(std::abs(a.residence[0][0].value - (M - 1) / (6 * k * (M - N))) < 4 * a.residence[0][0].error);
    CHECK(std::abs(a.vacancy_residence[0].value - (M - 1) / (6 * k * N)) < 4 * a.vacancy_residence[0].error);
    REQUIRE(a.ion_pairs.size() == 6); // sqrt(1) to sqrt(6) spacings
    for (std::size_t s = 0; s < a.ion_pairs.size(); ++s) {
        CHECK(observer.shells()[s].distance == Approx(3 * std::sqrt(double(s + 1))));
        CHECK(std::abs(a.ion_pairs[s].value - (N - 1) * M / (N * (M - 1))) < 4 * a.ion_pairs[s].error);
        const double V = M - N;
        CHECK(std::abs(a.vacancy_pairs[s].value - (V - 1) * M / (V * (M - 1))) <
              4 * a.vacancy_pairs[s].error);
        CHECK(a.vacancy_pairs[s].error < 0.05);
    }
    CHECK(observer.shells()[0].neighbours == 6);
    CHECK(observer.shells()[1].neighbours == 12);
}

TEST_CASE("rates of hops among interacting particles are those of the total energy", "[observables][gas]") {
    // Two sites in a row, unequal weights, energies of two kinds of pairs and two species.
    test::Flows flows;
    flows[{0, 1, IVec3::Zero()}] = flows[{1, 0, IVec3::Zero()}] = 0.05;
    flows[{1, 0, IVec3(1, 0, 0)}] = flows[{0, 1, IVec3(-1, 0, 0)}] = 0.03;
    flows[{0, 0, IVec3(0, 1, 0)}] = flows[{0, 0, IVec3(0, -1, 0)}] = 0.02;
    SiteBasis basis;
    basis.cell = Cell(Vec3(5, 3, 4).asDiagonal().toDenseMatrix());
    basis.positions = {Vec3::Zero(), Vec3(2, 0, 0)};
    const Kernel kernel = test::kernel_from_flows(basis, {0.7, 0.3}, flows, 0.5);
    LatticeGas gas = test::plain_gas(crystal_domain(kernel, {3, 4, 1}));
    gas.temperature = 500;
    gas.species = {{"A", 1}, {"B", 0.25}};
    gas.pairs = {{0, 1, IVec3::Zero(), 0, 0, 0.05},  {0, 1, IVec3(-1, 0, 0), 0, 0, 0.02},
                 {0, 1, IVec3::Zero(), 0, 1, -0.03}, {0, 1, IVec3::Zero(), 1, 0, -0.04},
                 {1, 1, IVec3(0, 1, 0), 1, 1, 0.07}, {0, 0, IVec3(0, 1, 0), 0, 1, 0.01}};
    const Domain& d = gas.domain;
    const auto total = [&](const GasState& s) {
        double sum = 0;
        for (const PairEnergy& pair : gas.pairs)
            for (std::size_t c = 0; c < 12; ++c) {
                const std::size_t a = c * 2 + static_cast<std::size_t>(pair.from),
                                  b = d.cell_index(hop_end(d, d.cell_at(c), pair.R).cell) * 2 +
                                      static_cast<std::size_t>(pair.to);
                const std::int32_t p = s.occupant[a], q = s.occupant[b];
                if (p >= 0 && q >= 0 && s.species[static_cast<std::size_t>(p)] == pair.species_from &&
                    s.species[static_cast<std::size_t>(q)] == pair.species_to)
                    sum += pair.energy;
            }
        return sum;
    };
    for (const std::size_t n : {9, 17}) { // more vacancies, more particles
        GasState state = test::scattered(gas, n, 5);
        for (std::size_t p = 0; p < n; p += 3) state.species[p] = 1;
        GasObserver observer(gas, plan_of(1, 60), state);
        GasRecord record = observer.start();
        observer.add(record, state);
        double leaving[2][2] = {}, squares[2][6] = {}, filling[2] = {};
        for (std::size_t p = 0; p < n; ++p) {
            const auto site = static_cast<std::size_t>(state.place[p].site);
            for (const KernelEntry& e : kernel.from(site % 2)) {
                const std::size_t to = d.cell_index(hop_end(d, d.cell_at(site / 2), e.R).cell) * 2 +
                                       static_cast<std::size_t>(e.to);
                if (state.occupant[to] >= 0) continue;
                GasState after = state;
                std::swap(after.occupant[site], after.occupant[to]);
                const double rate =
                    (state.species[p] == 1 ? 0.25 : 1) * e.p / 0.5 *
                    std::exp(-(total(after) - total(state)) / (2 * units::boltzmann_ev_per_k * 500));
                const Vec3 step = kernel.displacement(site % 2, e);
                leaving[site % 2][state.species[p]] += rate;
                filling[to % 2] += rate;
                squares[state.species[p]][0] += rate * step[0] * step[0];
                squares[state.species[p]][1] += rate * step[1] * step[1];
            }
        }
        REQUIRE(observer.classes().size() == 1); // one orbit in this basis
        for (std::size_t s = 0; s < 2; ++s) {
            CHECK(record.leaving[s] == Approx(leaving[0][s] + leaving[1][s]).epsilon(1e-12));
            CHECK(record.hop_squares[s * 6] == Approx(squares[s][0]).epsilon(1e-12));
            CHECK(record.hop_squares[s * 6 + 1] == Approx(squares[s][1]).epsilon(1e-12));
        }
        CHECK(record.filling[0] == Approx(filling[0] + filling[1]).epsilon(1e-12));
    }
}

TEST_CASE("tracers are of their species, however each replica numbers its particles", "[observables][gas]") {
    LatticeGas gas = test::plain_gas(crystal_domain(test::simple_cubic(1), {4, 4, 4}));
    gas.species = {{"fast", 1}, {"still", 0.5}, {"pinned", 0}};
    GasPlan plan = plan_of(1, 100);
    plan.n_tracers = 7;
    std::vector<GasRecord> records;
    const auto kind = [](std::size_t p, std::size_t replica) {
        return static_cast<std::uint8_t>((p + replica) % 3);
    };
    GasState typical = test::scattered(gas, 30, 0);
    for (std::size_t p = 0; p < 30; ++p) typical.species[p] = kind(p, 0);
    const GasObserver observer(gas, plan, typical);
    for (std::size_t r = 0; r < 8; ++r) {
        GasState state = test::scattered(gas, 30, static_cast<unsigned>(r));
        for (std::size_t p = 0; p < 30; ++p) state.species[p] = kind(p, r);
        records.push_back(observer.start());
        for (int f = 0; f <= 100; ++f) {
            observer.add(records.back(), state);
            for (std::size_t p = 0; p < 30; ++p)
                if (state.species[p] == 0) state.place[p].x += (f + static_cast<int>(p)) % 2 == 0 ? 1 : -1;
        }
    }
    const GasAverages a = average(observer, records);
    REQUIRE(a.transport.size() == 3);
    CHECK(a.transport[0].name == "fast");
    CHECK(a.transport[0].msd[0](0, 0) == Approx(1));
    CHECK(a.transport[1].msd[0](0, 0) == 0);
    CHECK(a.transport[2].msd[0](0, 0) == Approx(0.5)); // ten of each
    typical.species.assign(30, 0);
    GasRecord other = observer.start();
    CHECK_THROWS_WITH(observer.add(other, typical), contains_text("species still"));
}

TEST_CASE("pairs of the more are counted through those of the fewer, also at walls", "[observables][gas]") {
    Domain domain = crystal_domain(test::simple_cubic(), {5, 4, 3});
    domain.faces[0][0].kind = domain.faces[0][1].kind = FaceKind::reflecting;
    const LatticeGas gas = test::plain_gas(domain);
    for (const std::size_t n : {20, 45}) {
        const GasState state = test::scattered(gas, n, 2);
        const GasObserver observer(gas, plan_of(1, 60), state);
        GasRecord record = observer.start();
        observer.add(record, state);
        std::int64_t both = 0, none = 0; // nearest neighbours, each pair from both ends
        for (std::size_t c = 0; c < 60; ++c)
            for (int axis = 0; axis < 3; ++axis)
                for (const int sign : {-1, 1}) {
                    const HopEnd end = hop_end(domain, domain.cell_at(c), sign * IVec3::Unit(axis));
                    if (!end.inside()) continue;
                    const bool here = state.occupant[c] >= 0,
                               there = state.occupant[domain.cell_index(end.cell)] >= 0;
                    both += here && there ? 1 : 0, none += !here && !there ? 1 : 0;
                }
        CHECK(record.pairs[0] == both);
        CHECK(record.pairs[1] == none);
    }
}

TEST_CASE("the thermodynamic factor is the derivative of the activity", "[observables][gas]") {
    const std::vector<std::int64_t> one{50};
    CHECK(langmuir_factor(std::vector<double>{0.3}, one, 20) == Approx(1 / (1 - 0.4)).epsilon(1e-12));
    const std::vector<double> weight{1, 0.02, 30};
    const std::vector<std::int64_t> sites{10, 20, 5};
    // n(z) by hand, d ln z / d ln n by differences
    const auto n_of = [&](double log_z) {
        double n = 0;
        for (std::size_t k = 0; k < 3; ++k) {
            const double x = weight[k] * std::exp(log_z);
            n += static_cast<double>(sites[k]) * x / (1 + x);
        }
        return n;
    };
    for (const double log_z : {-6.0, -1.0, 0.5, 3.0, 7.0}) {
        const double h = 1e-4, slope = 2 * h / (std::log(n_of(log_z + h)) - std::log(n_of(log_z - h)));
        CHECK(langmuir_factor(weight, sites, n_of(log_z)) == Approx(slope).epsilon(1e-6));
    }
    CHECK_THROWS_WITH(langmuir_factor(weight, sites, 35), contains_text("no thermodynamic factor"));
    CHECK_THROWS_WITH(langmuir_factor(std::vector<double>{0}, one, 1), contains_text("not positive"));
}

TEST_CASE("a conductivity comes out in siemens per metre", "[observables][gas]") {
    // 1e28 ions per m^3, D = 1e-11 m^2/s, 600 K: n e^2 D / kT with kT = 8.28389e-21 J
    CHECK(nernst_einstein(0.01, 1, 1e-3, 600) ==
          Approx(1e28 * 1.602176634e-19 * 1.602176634e-19 * 1e-11 / (1.380649e-23 * 600)).epsilon(1e-8));
    CHECK(nernst_einstein(0.01, -2, 1e-3, 600) == Approx(4 * nernst_einstein(0.01, 1, 1e-3, 600)));
}

TEST_CASE("records that are too short or do not fit together are refused", "[observables][gas]") {
    const LatticeGas gas = test::plain_gas(crystal_domain(test::simple_cubic(), {4, 4, 4}));
    const GasState state = test::scattered(gas, 8, 1);
    CHECK_THROWS_WITH(GasObserver(gas, plan_of(0, 60), state), contains_text("nothing to see"));
    const GasObserver observer(gas, plan_of(1, 60), state);
    std::vector<GasRecord> records(2, observer.start());
    for (int f = 0; f <= 60; ++f) observer.add(records[0], state);
    CHECK_THROWS_WITH(observer.add(records[0], state), contains_text("after the last"));
    CHECK_THROWS_WITH(average(observer, records), contains_text("the same number"));
    records.pop_back();
    records[0].frames_done = 30;
    CHECK_THROWS_WITH(average(observer, records), contains_text("30 frames"));
    CHECK_THROWS_WITH(average(observer, {}), contains_text("without replicas"));
}
