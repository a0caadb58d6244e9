// Hops per second of the walkers against the obvious way to write them with Boost: a discrete_distribution
// per site and one mt19937_64. One core, the same kernel: 26 sites, 29 entries per column.
#include "mesolith/meso/walkers.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <vector>

#include <boost/random/discrete_distribution.hpp>
#include <boost/random/mersenne_twister.hpp>

#include "mesolith/core/parallel.hpp"

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

} // namespace

int main(int argc, char** argv) {
    const std::size_t n = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 10'000;
    const int steps = 500;
    const Kernel kernel = test::random_reversible(26, 1, 28);
    std::printf("%zu walkers, %d steps, %zu sites, %.1f entries per column\n", n, steps, kernel.n_sites(),
                static_cast<double>(kernel.entries.size()) / static_cast<double>(kernel.n_sites()));
    const double hops = static_cast<double>(n) * steps;

    BoostWalkers plain(kernel, n);
    const JumpTable jumps = make_jump_table(kernel);
    Walkers walkers = place_walkers(n, kernel, WalkerStart::stationary, 1);
    std::uint64_t step = 0;
    double plain_time = 1e300, time = 1e300;
    with_threads(1, [&] {
        for (int round = 0; round < 3; ++round) { // in turns, so that a busy machine slows both
            plain_time = std::min(plain_time, best_of(2, [&] { plain.advance(steps); }));
            const double ours = best_of(3, [&] {
                advance(walkers, jumps, 1, step, steps);
                step += steps;
            });
            time = std::min(time, ours);
        }
    });
    const auto mean_square = [&](auto cell) {
        double sum = 0;
        for (std::size_t w = 0; w < n; ++w) sum += cell(w).template cast<double>().squaredNorm();
        return sum / static_cast<double>(n);
    };
    std::printf("boost discrete_distribution + mt19937_64  %7.1f Mhops/s   <cell^2>/step %.4f\n",
                1e-6 * hops / plain_time,
                mean_square([&](std::size_t w) { return plain.cell[w]; }) / (6.0 * steps));
    std::printf("mesolith walkers                          %7.1f Mhops/s   <cell^2>/step %.4f\n",
                1e-6 * hops / time,
                mean_square([&](std::size_t w) { return walkers.cell(w); }) / static_cast<double>(step));
    std::printf("ratio %.2f\n", plain_time / time);
}
