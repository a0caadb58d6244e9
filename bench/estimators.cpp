// Reversible maximum likelihood on a lattice of 2000 sites against the plain fixed-point iteration, and a
// bootstrap of D on counts of the size of the Li15Si4 run.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <random>

#include "mesolith/core/parallel.hpp"
#include "mesolith/io/structure_file.hpp"
#include "mesolith/msm/delta_method.hpp"
#include "mesolith/msm/estimate_kernel.hpp"
#include "mesolith/msm/pooling.hpp"
#include "mesolith/msm/transport.hpp"

#include "clock.hpp"
#include "support/counts.hpp"

using namespace mesolith;

namespace {

TransitionCounts counts_at_5_ps(std::size_t n_sites, const std::vector<test::CountMap>& blocks) {
    TransitionCounts c = test::counts_of(n_sites, blocks);
    c.lag_frames = 100;
    c.frame_interval = 0.05;
    return c;
}

SiteBasis places(std::size_t n, double edge) {
    std::mt19937_64 random(3);
    std::uniform_real_distribution<double> unit(0, 1);
    SiteBasis basis;
    basis.cell = Cell(Mat3(edge * Mat3::Identity()));
    for (std::size_t j = 0; j < n; ++j)
        basis.positions.push_back(edge * Vec3(unit(random), unit(random), unit(random)));
    basis.orbit.assign(n, 0);
    basis.name.assign(n, "Li");
    return basis;
}

/// nx x ny x nz sites of a periodic lattice, hop rates over three decades, detailed balance, Poisson noise.
TransitionCounts lattice_counts(int nx, int ny, int nz) {
    std::mt19937_64 random(1);
    std::uniform_real_distribution<double> exponent(-3, 0), energy(0, 2);
    const auto site = [&](int x, int y, int z) {
        return static_cast<std::int32_t>((x % nx * ny + y % ny) * nz + z % nz);
    };
    std::vector<double> pi(static_cast<std::size_t>(nx * ny * nz));
    for (double& p : pi) p = std::exp(-energy(random));
    test::CountMap counts;
    const auto add = [&](std::int32_t j, std::int32_t i) {
        const double rate = 400 * std::pow(10.0, exponent(random)) *
                            std::min(pi[static_cast<std::size_t>(j)], pi[static_cast<std::size_t>(i)]);
        counts[{j, i, IVec3::Zero()}] += std::poisson_distribution<int>(rate)(random);
        counts[{i, j, IVec3::Zero()}] += std::poisson_distribution<int>(rate)(random);
    };
    for (int x = 0; x < nx; ++x)
        for (int y = 0; y < ny; ++y)
            for (int z = 0; z < nz; ++z) {
                const std::int32_t j = site(x, y, z);
                counts[{j, j, IVec3::Zero()}] =
                    static_cast<std::int64_t>(20000 * pi[static_cast<std::size_t>(j)]);
                for (const std::int32_t i : {site(x + 1, y, z), site(x, y + 1, z), site(x, y, z + 1)})
                    add(j, i);
            }
    return counts_at_5_ps(pi.size(), {counts});
}

/// The self-consistent iteration of the textbooks, sparse: x_ji <- S_ji / (c_j / x_j + c_i / x_i).
class FixedPoint {
public:
    explicit FixedPoint(const TransitionCounts& counts) : visits_(counts.n_sites, 0), x_(counts.n_sites, 0) {
        const std::vector<double> c = counts.weighted({});
        wanted_.assign(counts.n_sites, 0);
        for (std::size_t t = 0; t < c.size(); ++t) {
            const auto j = static_cast<std::size_t>(counts.transitions[t].from),
                       i = static_cast<std::size_t>(counts.transitions[t].to);
            const double both = c[t] + c[static_cast<std::size_t>(counts.reverse[t])];
            visits_[j] += c[t];
            x_[j] += both;
            if (i != j) wanted_[j] += c[t];
            if (i > j && both > 0) links_.push_back({j, i, both});
            if (i == j) stays_.push_back({j, j, c[t]});
        }
    }

    /// One sweep; returns the relative gradient before it.
    double sweep() {
        std::vector<double> next(x_.size(), 0), flow(x_.size(), 0);
        for (const Link& l : links_) {
            const double qa = visits_[l.a] / x_[l.a], qb = visits_[l.b] / x_[l.b], x = l.both / (qa + qb);
            next[l.a] += x;
            next[l.b] += x;
            flow[l.a] += x * qa; // expected hops
            flow[l.b] += x * qb;
        }
        for (const Link& l : stays_) next[l.a] += l.both * x_[l.a] / visits_[l.a];
        double gradient = 0;
        for (std::size_t j = 0; j < x_.size(); ++j)
            if (wanted_[j] > 0) gradient = std::max(gradient, std::abs(flow[j] - wanted_[j]) / wanted_[j]);
        x_ = std::move(next);
        return gradient;
    }

private:
    struct Link {
        std::size_t a, b;
        double both;
    };
    std::vector<Link> links_, stays_;
    std::vector<double> visits_, wanted_, x_;
};

/// The 60 sites of the cubic cell of Li15Si4 with random hops between neighbours: twice the sites and as many
/// blocks as the run of inputs/li15si4_600K.toml has.
struct Alloy {
    SiteBasis basis;
    std::vector<SiteOperation> operations;
    TransitionCounts counts;
};

Alloy alloy() {
    const Structure structure = read_structure(MESOLITH_SOURCE_DIR "/inputs/structures/Li15Si4.POSCAR");
    const SpaceGroup group = find_space_group(structure, 0.05);
    Alloy a;
    a.basis.cell = structure.cell;
    std::vector<std::string> species;
    std::vector<Vec3> framework;
    for (std::size_t k = 0; k < structure.size(); ++k) {
        const Vec3 r = structure.cell.to_cartesian(structure.fractional[k]);
        if (structure.species[k] == "Li") {
            a.basis.positions.push_back(r);
            a.basis.orbit.push_back(group.orbit[k]);
        } else {
            species.push_back(structure.species[k]);
            framework.push_back(r);
        }
    }
    a.basis.name.assign(a.basis.size(), "Li");
    a.operations = site_symmetry(a.basis, species, framework, 0.05);
    std::mt19937_64 random(2);
    std::vector<test::CountMap> blocks(25);
    for (auto& block : blocks)
        for (std::size_t j = 0; j < a.basis.size(); ++j)
            for (std::size_t i = 0; i < a.basis.size(); ++i) {
                const IVec3 R = a.basis.cell.nearest_image_shift(a.basis.positions[i] - a.basis.positions[j]);
                const Transition t{static_cast<std::int32_t>(j), static_cast<std::int32_t>(i), R};
                if (i == j)
                    block[t] = static_cast<std::int64_t>(600 + random() % 100);
                else if (a.basis.displacement(j, i, R).norm() < 3.5 && random() % 4 == 0)
                    block[t] = static_cast<std::int64_t>(1 + random() % 50);
            }
    a.counts = counts_at_5_ps(a.basis.size(), blocks);
    return a;
}

void newton_against_fixed_point() {
    const TransitionCounts counts = lattice_counts(20, 10, 10);
    const SiteBasis basis = places(counts.n_sites, 40);
    const EstimatorOptions options{Estimator::reversible, {}};
    EstimatorInfo info;
    const double newton = best_of(3, [&] { (void)estimate_kernel(counts, basis, options, {}, &info); });
    std::printf(
        "reversible maximum likelihood, 2000 sites: Newton %.3f s (%d steps, relative gradient %.1e)\n",
        newton, info.iterations, info.gradient);

    // The rate of the iteration settles to that of its slowest mode: measured over the last half.
    FixedPoint iteration(counts);
    constexpr int sweeps = 200000;
    double first = 0, half = 0, last = 0;
    const double start = thread_seconds();
    for (int s = 0; s < sweeps; ++s) {
        last = iteration.sweep();
        if (s == 0) first = last;
        if (s == sweeps / 2) half = last;
    }
    const double per_sweep = (thread_seconds() - start) / sweeps;
    const double decay = std::log(half / last) / (sweeps - 1 - sweeps / 2);
    constexpr double target = 1e-12;
    const double needed = sweeps + std::max(std::log(last / target), 0.0) / decay;
    std::printf("fixed point: %d sweeps of %.1f us bring it from %.1e to %.1e, by %.2e per sweep at the end; "
                "%.3g sweeps to %.0e = %.1f s (extrapolated); ratio %.0f\n",
                sweeps, 1e6 * per_sweep, first, last, decay, needed, target, needed * per_sweep,
                needed * per_sweep / newton);
}

void bootstrap() {
    const Alloy a = alloy();
    double start = thread_seconds();
    const TransitionCounts counts = pool_counts(a.counts, a.operations);
    std::printf("pooling: %zu transitions, %zu operations: %.1f ms; %zu independent entries become %zu\n",
                counts.transitions.size(), a.operations.size(), 1e3 * (thread_seconds() - start),
                independent_entries(a.counts, true), independent_entries(counts, true));
    constexpr std::size_t samples = 200;
    for (const Estimator e : {Estimator::symmetrised, Estimator::reversible}) {
        const EstimatorOptions options{e, {}};
        std::vector<double> D(samples);
        start = seconds();
        for_each_index(samples, [&](std::size_t b) {
            const auto w = bootstrap_weights(counts.n_blocks(), 1, static_cast<std::uint32_t>(b));
            D[b] = exact_transport(estimate_kernel(counts, a.basis, options, w)).diffusivity(0, 0);
        });
        const double resampled = seconds() - start;
        DeltaMethod delta;
        const double linear = best_of(5, [&] { delta = delta_method(counts, a.basis, options); });
        std::printf(
            "error of D, 60 sites, %zu block entries, %s: bootstrap of 200 replicas %.3f s on %d threads "
            "(%.2e), delta method %.2f ms (%.2e)\n",
            counts.block_count.size(), name(e), resampled, threads(), standard_deviation(D), 1e3 * linear,
            delta.error(0, 0));
    }
}

} // namespace

int main() {
    with_threads(1, newton_against_fixed_point);
    bootstrap();
}
