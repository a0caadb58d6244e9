#include "meso_ck.hpp"

#include "mesolith/meso/walkers.hpp"
#include "mesolith/msm/estimate_kernel.hpp"

#include "stage.hpp"

namespace mesolith {
namespace {

constexpr std::size_t n_walkers = 400;
constexpr std::int64_t n_steps = 4096;
constexpr int n_resamplings = 100;

/// Where each walker is at each step, as events; a walker of its own stream, apart from those of the run.
SiteTrajectory walk(const DomainModel& model, std::uint64_t seed) {
    const JumpTable jumps = make_jump_table(model.kernel());
    const std::uint64_t apart = std::uint64_t{1} << 47;
    Walkers walkers =
        place_walkers(n_walkers, crystal_domain(model.kernel(), IVec3::Ones()), {}, seed, apart);
    std::vector<std::vector<SiteEvent>> events(n_walkers);
    for (std::int64_t step = 0; step < n_steps; ++step) {
        for (std::size_t w = 0; w < n_walkers; ++w) {
            const SiteEvent now{static_cast<std::int32_t>(step), SiteId(walkers.site[w]), walkers.cell(w)};
            auto& of_walker = events[w];
            if (of_walker.empty() || of_walker.back().site != now.site || of_walker.back().cell != now.cell)
                of_walker.push_back(now);
        }
        (void)advance(walkers, jumps, seed, static_cast<std::uint64_t>(step), 1);
    }
    SiteTrajectory trajectory;
    trajectory.n_frames = n_steps;
    trajectory.frame_interval = model.domain.lag_time();
    for (const auto& of_walker : events) {
        trajectory.events.insert(trajectory.events.end(), of_walker.begin(), of_walker.end());
        trajectory.offsets.push_back(trajectory.events.size());
    }
    return trajectory;
}

SiteSet one_cell(const SiteBasis& basis) {
    SiteSet sites;
    sites.cell = basis.cell;
    sites.basis = basis;
    for (std::size_t s = 0; s < basis.size(); ++s) {
        sites.fractional.push_back(basis.cell.to_fractional(basis.positions[s]));
        sites.base.emplace_back(static_cast<std::int64_t>(s));
        sites.offset.push_back(IVec3::Zero());
    }
    return sites;
}

} // namespace

WalkerChain test_walker_chain(const DomainModel& model, std::uint64_t seed) {
    const SiteBasis& basis = model.domain.basis();
    const std::vector<SiteTrajectory> trajectory{walk(model, seed)};
    const std::int64_t frames = n_steps;
    const std::vector<TimeBlock> blocks = cut_into_blocks(std::vector<std::int64_t>{frames}, 128);
    const std::vector<std::int64_t> lags{1, 2, 4, 8, 16};
    const std::vector<TransitionCounts> counts = count_transitions(trajectory, one_cell(basis), lags, blocks);
    std::vector<const TransitionCounts*> longer;
    for (std::size_t k = 1; k < counts.size(); ++k) longer.push_back(&counts[k]);
    EstimatorOptions options;
    options.estimator = Estimator::non_reversible;
    WalkerChain chain;
    chain.n_walkers = n_walkers;
    chain.n_steps = n_steps;
    const std::vector<Vec3> kappa{Vec3::Zero()};
    chain.test = chapman_kolmogorov_test(counts[0], longer, basis, options, kappa, n_resamplings, seed);
    chain.kernel_error =
        chapman_kolmogorov_error(estimate_kernel(counts[0], basis, options), model.kernel(), 1, kappa);
    return chain;
}

void write(Hdf5Group& root, const WalkerChain& chain, double lag_time) {
    Hdf5Group g = root.create_group("chapman_kolmogorov");
    g.set_attribute("n_walkers", chain.n_walkers);
    g.set_attribute("n_steps", chain.n_steps);
    g.set_attribute("lag_time", lag_time);
    g.set_attribute("kernel_error", chain.kernel_error);
    std::vector<std::int64_t> n;
    std::vector<double> error, median, high;
    for (const ChapmanKolmogorovPoint& p : chain.test) {
        n.push_back(p.n);
        error.push_back(p.error), median.push_back(p.floor_median), high.push_back(p.floor_95);
    }
    g.write("n", n, {}, about("", "chain length"));
    g.write("error", error, {}, about("", "err(n) of the walkers, 2-norm"));
    g.write("floor_median", median, {}, about("", "what sampling noise alone gives, median"));
    g.write("floor_95", high, {}, about("", "and its 95th percentile"));
}

} // namespace mesolith
