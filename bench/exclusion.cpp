// Hops per second of the lattice gas against a plain rejection-free kinetic Monte Carlo of the kind that is
// usually written: a binary tree over the total rates of all sites (Bortz, Kalos, Lebowitz 1975), a table of
// neighbours, mt19937_64. One core, simple cubic lattices, displacements of all particles kept; everything is
// timed in turns in one run. Both must agree on the time that a hop takes.
//
// SPPARKS (app_diffusion, -O3 -march=native) made 4.2e4 to 8.0e4 hops/s with its tree and 9.4e5 by rejection
// in sweeps, without energies, at 1e5 to 1e6 sites on a machine of this kind, measured at another time: take
// the ratio to it as an order of magnitude. It recomputes the rates of all sites within two hops even without
// energies and keeps no displacements.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "mesolith/core/parallel.hpp"
#include "mesolith/meso/lattice_gas.hpp"

#include "../tests/support/gases.hpp"
#include "clock.hpp"

using namespace mesolith;

namespace {

/// Plain BKL on a crystal.
class PlainTree {
public:
    PlainTree(const LatticeGas& gas, const GasState& state) : occupant_(state.occupant) {
        const Domain& d = gas.domain;
        const std::size_t n = occupant_.size();
        for (const GasPlace& p : state.place) position_.insert(position_.end(), {p.x, p.y, p.z});
        degree_ = 0;
        for (std::size_t l = 0; l < gas.rules.columns.size(); ++l)
            degree_ = std::max(degree_, gas.rules.columns[l].size());
        neighbour_.assign(n * degree_, -1);
        for (std::size_t i = 0; i < n; ++i) {
            const std::uint32_t line = gas.rules.line_of(i / d.n_basis(), i % d.n_basis());
            line_.push_back(static_cast<std::uint8_t>(line));
            std::size_t k = 0;
            for (const Hop& hop : gas.rules.columns[line]) {
                if (hop.R.isZero() && static_cast<std::size_t>(hop.site) == i % d.n_basis()) continue;
                const HopEnd end = hop_end(d, d.cell_at(i / d.n_basis()), hop.R);
                neighbour_[i * degree_ + k++] =
                    static_cast<std::int32_t>(d.cell_index(end.cell) * d.n_basis()) + hop.site;
            }
        }
        for (std::size_t l = 0; l < gas.rules.columns.size(); ++l) {
            rates_.emplace_back();
            steps_.emplace_back();
            for (const Hop& hop : gas.rules.columns[l]) {
                if (hop.R.isZero() && static_cast<std::size_t>(hop.site) == l) continue;
                rates_.back().push_back(hop.p / d.lag_time());
                steps_.back().push_back(hop.R);
            }
        }
        leaves_ = 1;
        while (leaves_ < n) leaves_ *= 2;
        tree_.assign(2 * leaves_, 0.0);
        for (std::size_t i = 0; i < n; ++i) tree_[leaves_ + i] = rate_of(i);
        for (std::size_t k = leaves_ - 1; k > 0; --k) tree_[k] = tree_[2 * k] + tree_[2 * k + 1];
    }
    void hop() {
        std::uniform_real_distribution<double> unit(0, 1);
        time_ += -std::log1p(-unit(random_)) / tree_[1];
        double r = unit(random_) * tree_[1];
        std::size_t k = 1;
        while (k < leaves_) {
            k *= 2;
            if (r >= tree_[k]) r -= tree_[k++];
        }
        const std::size_t from = k - leaves_;
        const auto& rates = rates_[line_[from]];
        std::size_t last = 0;
        for (std::size_t h = 0; h < rates.size(); ++h) {
            if (occupant_[static_cast<std::size_t>(neighbour_[from * degree_ + h])] >= 0) continue;
            last = h;
            if (r < rates[h]) break;
            r -= rates[h];
        }
        const auto to = static_cast<std::size_t>(neighbour_[from * degree_ + last]);
        const std::int32_t p = occupant_[from];
        occupant_[to] = p, occupant_[from] = -1;
        for (int a = 0; a < 3; ++a)
            position_[3 * static_cast<std::size_t>(p) + static_cast<std::size_t>(a)] +=
                steps_[line_[from]][last][a];
        for (const std::size_t end : {from, to}) {
            update(end);
            for (std::size_t h = 0; h < rates_[line_[end]].size(); ++h)
                update(static_cast<std::size_t>(neighbour_[end * degree_ + h]));
        }
    }
    double time() const { return time_; }

private:
    double rate_of(std::size_t i) const {
        if (occupant_[i] < 0) return 0;
        double sum = 0;
        const auto& rates = rates_[line_[i]];
        for (std::size_t h = 0; h < rates.size(); ++h)
            if (occupant_[static_cast<std::size_t>(neighbour_[i * degree_ + h])] < 0) sum += rates[h];
        return sum;
    }
    void update(std::size_t i) {
        const double rate = rate_of(i);
        std::size_t k = leaves_ + i;
        if (rate == tree_[k]) return;
        tree_[k] = rate;
        for (k /= 2; k > 0; k /= 2) tree_[k] = tree_[2 * k] + tree_[2 * k + 1];
    }
    std::vector<std::int32_t> occupant_, position_, neighbour_;
    std::vector<std::uint8_t> line_;
    std::vector<std::vector<double>> rates_;
    std::vector<std::vector<IVec3>> steps_;
    std::vector<double> tree_;
    std::size_t degree_ = 0, leaves_ = 0;
    double time_ = 0;
    std::mt19937_64 random_{1};
};

/// 2 x 2 x 2 sites of a simple cubic lattice with exit rates over four decades: weights w = 1 to 1e4, rates
/// min(w_i, w_j) / w_j between neighbours.
Kernel traps() {
    const double exponent[8] = {0, 3.4, 1.1, 4, 2.3, 0.6, 2.9, 1.7};
    SiteBasis basis;
    basis.cell = Cell(2 * Mat3::Identity());
    std::vector<double> pi;
    double sum = 0;
    for (int i = 0; i < 8; ++i) {
        basis.positions.push_back(Vec3(i % 2, i / 2 % 2, i / 4));
        pi.push_back(std::pow(10, exponent[i]));
        sum += pi.back();
    }
    for (double& p : pi) p /= sum;
    const double lag = 1.0 / 12;
    test::Flows flows;
    for (int i = 0; i < 8; ++i)
        for (int a = 0; a < 3; ++a)
            for (const int sign : {-1, 1}) {
                IVec3 at(i % 2, i / 2 % 2, i / 4), R = IVec3::Zero();
                at[a] += sign;
                if (at[a] < 0) at[a] = 1, R[a] = -1;
                if (at[a] > 1) at[a] = 0, R[a] = 1;
                const int j = at[0] + 2 * at[1] + 4 * at[2];
                flows[{i, j, R}] +=
                    lag * std::min(pi[static_cast<std::size_t>(i)], pi[static_cast<std::size_t>(j)]);
            }
    Kernel kernel = test::kernel_from_flows(basis, pi, flows, lag);
    kernel.reversible = true;
    return kernel;
}

struct Run {
    std::string name;
    LatticeGas gas;
    double filling;
    double target; ///< ratio to reach
};

} // namespace

int main(int argc, char** argv) {
    const int edge = argc > 1 ? std::atoi(argv[1]) : 100;
    const double seconds_each = argc > 2 ? std::atof(argv[2]) : 0.5;
    const Domain cubic = crystal_domain(test::sc_lattice(), {edge, edge, edge}),
                 axes = crystal_domain(test::sc_lattice(1, 0.01, 1e-4), {edge, edge, edge}),
                 trap = crystal_domain(traps(), {edge / 2, edge / 2, edge / 2});
    std::vector<PairEnergy> pairs;
    for (int a = 0; a < 3; ++a) pairs.push_back({0, 0, IVec3::Unit(a), 0, 0, 0.05});
    std::vector<Run> runs;
    runs.push_back({"1 % filling", make_lattice_gas(cubic), 0.01, 0});
    runs.push_back({"50 % filling", make_lattice_gas(cubic), 0.5, 5});
    runs.push_back({"99 % filling", make_lattice_gas(cubic), 0.99, 15});
    runs.push_back({"20 %, rates 1, 1e-2, 1e-4 along the axes", make_lattice_gas(axes), 0.2, 2});
    runs.push_back({"20 %, traps with exit rates 1 to 1e-4", make_lattice_gas(trap), 0.2, 2});
    runs.push_back({"50 %, neighbours repel by 0.05 eV at 600 K",
                    make_lattice_gas(cubic, 600, {GasSpecies{}}, pairs), 0.5, 0});
    std::printf("%.3g sites, one core; ratios to the binary tree of the same run\n", std::pow(edge, 3));
    with_threads(1, [&] {
        for (Run& run : runs) {
            const GasState start = test::filled(
                run.gas, std::llround(run.filling * static_cast<double>(run.gas.domain.n_sites())), 1);
            PlainTree tree(run.gas, start);
            struct Solver {
                const char* name;
                GasDynamics dynamics;
                GasState state;
                double rate = 0, hops = 0, attempts = 0, duration = 0;
            };
            std::vector<Solver> solvers;
            solvers.push_back({"null events", GasDynamics(run.gas, GasSolver::null_event, start), start});
            solvers.push_back(
                {"rejection-free", GasDynamics(run.gas, GasSolver::rejection_free, start), start});
            double tree_rate = 0, tree_hops = 0, start_time = 0;
            // Into equilibrium, and how long an interval of these many seconds is.
            std::vector<double> interval;
            for (Solver& s : solvers) {
                double duration = 1e-4, took = 0;
                GasEvents e;
                const auto enough = static_cast<std::uint64_t>(run.gas.domain.n_sites()) / 10;
                for (; took < 0.5 * seconds_each || e.hops < enough; duration *= 2) {
                    const double begin = thread_seconds();
                    e = s.dynamics.advance(s.state, duration, 1, 0);
                    took = thread_seconds() - begin;
                }
                interval.push_back(
                    std::max(0.5 * duration * seconds_each / took,
                             0.5 * duration * static_cast<double>(enough) / static_cast<double>(e.hops)));
            }
            for (int k = 0; k < 30000; ++k) tree.hop();
            start_time = tree.time();
            for (int round = 0; round < 3; ++round) {
                const double begin = thread_seconds();
                int n = 0;
                do {
                    for (int k = 0; k < 10000; ++k) tree.hop();
                    n += 10000;
                } while (thread_seconds() - begin < seconds_each);
                tree_rate = std::max(tree_rate, n / (thread_seconds() - begin));
                tree_hops += n;
                for (std::size_t s = 0; s < solvers.size(); ++s) {
                    const double from = thread_seconds();
                    const GasEvents e = solvers[s].dynamics.advance(solvers[s].state, interval[s], 1, 0);
                    solvers[s].rate =
                        std::max(solvers[s].rate, static_cast<double>(e.hops) / (thread_seconds() - from));
                    solvers[s].hops += static_cast<double>(e.hops);
                    solvers[s].attempts += static_cast<double>(e.attempts);
                    solvers[s].duration += interval[s];
                }
            }
            const GasDynamics automatic(run.gas, GasSolver::automatic, start);
            std::printf("\n%s\n  %s\n", run.name.c_str(), automatic.reason().c_str());
            std::printf("  %-16s %8.3f Mhops/s", "binary tree", 1e-6 * tree_rate);
            if (run.gas.pairs.empty())
                std::printf("  %.4g hops/ps\n", tree_hops / (tree.time() - start_time));
            else
                std::printf("  (it knows no interactions, which cost most of the time)\n");
            for (const Solver& s : solvers)
                std::printf(
                    "  %-16s %8.3f Mhops/s  %.4g hops/ps   acceptance %.4f   ratio %.2f%s   to SPPARKS's "
                    "tree about %.0f\n",
                    s.name, 1e-6 * s.rate, s.hops / s.duration, s.hops / s.attempts, s.rate / tree_rate,
                    run.target > 0 && &s == &solvers[0]
                        ? (s.rate / tree_rate >= run.target ? " (met)" : " (NOT MET)")
                        : "",
                    s.rate / 6e4);
        }
    });
}
