// Hops per second of the walkers against the obvious way to write them with Boost: a discrete_distribution
// per site and one mt19937_64. One core, the same kernel: 26 sites, 29 entries per column. All that is
// printed is timed in turns in one run; ratios are to Boost in a crystal.
#include "mesolith/meso/walkers.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include <boost/random/discrete_distribution.hpp>
#include <boost/random/exponential_distribution.hpp>
#include <boost/random/mersenne_twister.hpp>

#include "mesolith/core/parallel.hpp"
#include "mesolith/core/vector_units.hpp"
#include "mesolith/meso/shapes.hpp"

#include "../tests/support/kernels.hpp"
#include "clock.hpp"

using namespace mesolith;

namespace {

struct BoostWalkers {
    std::vector<boost::random::discrete_distribution<int>> hops;
    std::vector<std::vector<Destination>> destinations;
    boost::random::mt19937_64 random{1};
    std::vector<int> site;
    std::vector<IVec3> cell;

    BoostWalkers(const Kernel& kernel, std::size_t n) : site(n), cell(n, IVec3::Zero()) {
        for (std::size_t j = 0; j < kernel.n_sites(); ++j) {
            std::vector<double> p;
            destinations.emplace_back();
            for (const KernelEntry& e : kernel.from(j)) {
                p.push_back(e.p);
                destinations.back().push_back({e.to, e.R});
            }
            hops.emplace_back(p.begin(), p.end());
        }
        for (std::size_t w = 0; w < n; ++w) site[w] = static_cast<int>(w % kernel.n_sites());
    }
    /// Hops at exponential times until `duration` in units of the mean time to leave a site; how many.
    double advance_continuous(double duration) {
        boost::random::exponential_distribution<double> wait(1.0);
        double n_hops = 0;
        for (std::size_t w = 0; w < site.size(); ++w)
            for (double time = wait(random); time < duration; time += wait(random)) {
                const auto j = static_cast<std::size_t>(site[w]);
                const Destination& to = destinations[j][static_cast<std::size_t>(hops[j](random))];
                site[w] = to.site;
                cell[w] += to.R;
                ++n_hops;
            }
        return n_hops;
    }
    void advance(int n_steps) {
        for (std::size_t w = 0; w < site.size(); ++w)
            for (int s = 0; s < n_steps; ++s) {
                const auto j = static_cast<std::size_t>(site[w]);
                const Destination& to = destinations[j][static_cast<std::size_t>(hops[j](random))];
                site[w] = to.site;
                cell[w] += to.R;
            }
    }
};

/// Layers of two materials; open: a reservoir at one end and a sink at the other.
Domain two_materials(const Kernel& kernel, int edge, bool open) {
    Domain domain = crystal_domain(kernel, {edge, edge, edge});
    domain.materials.push_back({"slow", scaled_kernel(kernel, 0.3), 0.5});
    domain.regions.push_back({"slow", 1});
    domain.region.assign(static_cast<std::size_t>(domain.n_cells()), 0);
    const double layer = domain.basis().cell.length()[2] * edge / 6;
    const std::uint16_t regions[] = {0, 1};
    paint(domain, Layers{2, {layer, layer}}, regions);
    if (open) domain.faces[0] = {Face{FaceKind::reservoir, 0.01}, Face{FaceKind::absorbing, 0}};
    return domain;
}

struct Row {
    std::string name;
    VectorUnits units = VectorUnits::avx512;
    std::function<double()> run; ///< makes hops, says how many
    double rate = 0;             ///< best so far [hops/s]
};

} // namespace

int main(int argc, char** argv) {
    const std::size_t n = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 10'000;
    const int edge = argc > 2 ? std::atoi(argv[2]) : 48;
    const std::uint64_t steps = 500;
    const Kernel kernel = test::random_reversible(26, 1, 28);
    const double entries = static_cast<double>(kernel.entries.size()) / static_cast<double>(kernel.n_sites());
    std::printf("%zu walkers, %d steps at a time, %zu sites, %.1f entries per column, %d^3 cells\n", n,
                static_cast<int>(steps), kernel.n_sites(), entries, edge);
    const double hops = static_cast<double>(n) * static_cast<double>(steps);

    BoostWalkers plain(kernel, n);
    struct Run {
        Domain domain;
        HopRules rules;
        JumpTable jumps;
        RateTable rates;
        Walkers walkers, continuous;
        std::uint64_t step = 0, interval = 0;
        explicit Run(Domain d, std::size_t count)
            : domain(std::move(d)), rules(make_hop_rules(domain)), jumps(make_jump_table(domain, rules)),
              rates(make_rate_table(domain, rules)), walkers(place_walkers(count, domain, {}, 1)),
              continuous(walkers) {}
    };
    Run crystal(crystal_domain(kernel, {edge, edge, edge}), n), layers(two_materials(kernel, edge, false), n),
        flow(two_materials(kernel, edge, true), n);
    const auto discrete = [&](Run& r) {
        return [&r, steps, n] {
            const Passages p = advance(r.walkers, r.jumps, 1, r.step, steps);
            r.step += steps;
            // those that came in or left made about half of the steps
            double present = static_cast<double>(r.walkers.n_present());
            for (std::size_t f = 0; f < 6; ++f) present += 0.5 * static_cast<double>(p.left[f]);
            return (p.exits.empty() ? static_cast<double>(n) : present) * static_cast<double>(steps);
        };
    };
    double leave = 0;
    for (std::size_t j = 0; j < kernel.n_sites(); ++j)
        for (const KernelEntry& e : kernel.from(j))
            if (static_cast<std::size_t>(e.to) != j || !e.R.isZero()) leave += kernel.stationary[j] * e.p;
    std::vector<Row> rows;
    rows.push_back({"boost discrete_distribution + mt19937_64", {}, [&] {
                        plain.advance(static_cast<int>(steps));
                        return hops;
                    }});
    rows.push_back({"crystal, no vector units", VectorUnits::baseline, discrete(crystal)});
    rows.push_back({"crystal, AVX2", VectorUnits::avx2, discrete(crystal)});
    rows.push_back({"crystal, AVX-512", VectorUnits::avx512, discrete(crystal)});
    rows.push_back({"two materials, no vector units", VectorUnits::baseline, discrete(layers)});
    rows.push_back({"two materials, AVX2", VectorUnits::avx2, discrete(layers)});
    rows.push_back({"two materials, AVX-512", VectorUnits::avx512, discrete(layers)});
    rows.push_back({"two materials, open", VectorUnits::avx512, discrete(flow)});
    BoostWalkers continuous(kernel, n);
    rows.push_back({"boost, continuous time", {}, [&] { return continuous.advance_continuous(100); }});
    for (Run* r : {&crystal, &layers})
        rows.push_back({r == &crystal ? "crystal, continuous time" : "two materials, continuous time",
                        VectorUnits::avx512, [r, &kernel, n, leave] {
                            const double duration = 200 * kernel.lag_time;
                            (void)advance(r->continuous, r->rates, 1, {r->interval++, 0, duration});
                            // exact on average in the crystal; the other material hops 0.3 times as often
                            // and holds a third of the walkers
                            const double slower = r->domain.crystal() ? 1 : (2 + 0.3) / 3;
                            return static_cast<double>(n) * 200 * leave * slower;
                        }});
    with_threads(1, [&] {
        for (int round = 0; round < 5; ++round) // in turns, so that a busy machine slows all
            for (Row& row : rows) {
                limit_vector_units(row.units);
                const double start = thread_seconds(), done = row.run();
                row.rate = std::max(row.rate, done / (thread_seconds() - start));
            }
    });
    for (const Row& row : rows)
        std::printf("%-42s %7.1f Mhops/s   ratio %.2f\n", row.name.c_str(), 1e-6 * row.rate,
                    row.rate / rows.front().rate);
    double square = 0, square_boost = 0;
    for (std::size_t w = 0; w < n; ++w) {
        square += crystal.walkers.displacement(w, crystal.domain).squaredNorm();
        square_boost += kernel.basis.cell.to_cartesian(plain.cell[w].cast<double>()).squaredNorm();
    }
    std::printf("MSD per step: %.4f A^2 (boost, by cells: %.4f)\n",
                square / static_cast<double>(n) / static_cast<double>(crystal.step),
                square_boost / static_cast<double>(n) / (5.0 * static_cast<double>(steps)));
}
