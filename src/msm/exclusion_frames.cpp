#include "mesolith/msm/exclusion_frames.hpp"

#include <cmath>

#include "mesolith/core/random.hpp"

#include "exclusion_neighbours.hpp"

namespace mesolith {
namespace {

/// The gas with its ions' places in the folded crystal.
class FramedGas {
public:
    FramedGas(const SiteSet& sites, const HopNetwork& network, std::span<const double> rates,
              std::size_t n_ions, std::uint64_t seed, std::uint64_t replica)
        : finder_(sites), neighbours_(neighbours_of(sites, network)), rates_(rates), seed_(seed),
          replica_(replica), ion_on_(sites.size(), -1) {
        std::vector<std::size_t> order(sites.size());
        for (std::size_t s = 0; s < order.size(); ++s) order[s] = s;
        Stream random(seed_, RngUse::exclusion_frames, replica_, step_++);
        for (std::size_t k = 0; k + 1 < order.size(); ++k) {
            const auto left = static_cast<double>(order.size() - k);
            std::swap(order[k], order[k + static_cast<std::size_t>(uniform01(random) * left)]);
        }
        for (std::size_t k = 0; k < n_ions; ++k) {
            ion_on_[order[k]] = static_cast<std::int32_t>(k);
            site_.push_back(order[k]);
            cell_.push_back(sites.offset[order[k]]);
        }
        empty_.assign(order.begin() + static_cast<std::ptrdiff_t>(n_ions), order.end());
        draw();
    }

    double next_time() const { return next_; } ///< of the hop to come [ps]
    std::size_t n_vacancies() const { return empty_.size(); }

    /// The hop to come; the ion that it moves.
    std::size_t hop() {
        double u = chosen_;
        const Neighbour* from = nullptr;
        std::size_t vacancy = 0;
        for (std::size_t v = 0; v < empty_.size() && u >= 0; ++v)
            for (const Neighbour& n : neighbours_.in[empty_[v]]) {
                if (ion_on_[n.site] < 0 || rates_[n.pair_class] <= 0) continue;
                from = &n; // the last one stands for rounding at the end
                vacancy = v;
                if ((u -= rates_[n.pair_class]) < 0) break;
            }
        const auto ion = static_cast<std::size_t>(ion_on_[from->site]);
        const std::size_t to = empty_[vacancy];
        ion_on_[from->site] = -1;
        ion_on_[to] = static_cast<std::int32_t>(ion);
        empty_[vacancy] = site_[ion];
        site_[ion] = to;
        cell_[ion] += from->R;
        draw();
        return ion;
    }
    SiteEvent event(std::size_t ion, std::int64_t frame) const {
        return {static_cast<std::int32_t>(frame), SiteId(static_cast<std::int64_t>(site_[ion])),
                finder_.image_of(site_[ion], cell_[ion])};
    }
    void restart_clock() {
        next_ = 0;
        wait();
    }

private:
    void draw() {
        total_ = 0;
        for (const std::size_t site : empty_)
            for (const Neighbour& n : neighbours_.in[site])
                if (ion_on_[n.site] >= 0) total_ += rates_[n.pair_class];
        if (!(total_ > 0))
            throw DataError(
                "a lattice gas without a hop that can happen. Give rates for hops between its sites");
        wait();
    }
    void wait() {
        Stream random(seed_, RngUse::exclusion_frames, replica_, step_++);
        next_ -= std::log(1 - uniform01(random)) / total_;
        chosen_ = uniform01(random) * total_;
    }

    SiteFinder finder_;
    Neighbours neighbours_;
    std::span<const double> rates_;
    std::uint64_t seed_, replica_, step_ = 0;
    std::vector<std::int32_t> ion_on_;
    std::vector<std::size_t> site_;
    std::vector<IVec3> cell_; ///< folded cell of each ion's site
    std::vector<std::size_t> empty_;
    double total_ = 0, next_ = 0, chosen_ = 0;
};

} // namespace

SiteTrajectory simulate_exclusion(const SiteSet& sites, const HopNetwork& network,
                                  std::span<const double> rates, std::size_t n_ions, std::int64_t n_frames,
                                  double frame_interval, std::uint64_t seed, std::uint64_t replica) {
    if (rates.size() != network.classes.size())
        throw DataError(
            fmt::format("{} rates do not fit a network of {} classes", rates.size(), network.classes.size()));
    for (const double rate : rates)
        if (!(rate >= 0) || !std::isfinite(rate))
            throw DataError(fmt::format("a rate of {} per ps (expected 0 or more)", rate));
    if (n_ions < 1 || n_ions >= sites.size())
        throw DataError(
            fmt::format("{} ions on {} sites (a gas needs an ion and an empty site)", n_ions, sites.size()));
    if (n_frames < 1 || !(frame_interval > 0))
        throw DataError("a gas needs at least one frame and an interval");
    FramedGas gas(sites, network, rates, n_ions, seed, replica);
    for (std::size_t k = 0; k < 100 * gas.n_vacancies(); ++k) (void)gas.hop();
    gas.restart_clock();
    std::vector<std::vector<SiteEvent>> events(n_ions);
    for (std::size_t ion = 0; ion < n_ions; ++ion) events[ion].push_back(gas.event(ion, 0));
    for (std::int64_t frame = 1; frame < n_frames; ++frame) {
        std::vector<std::size_t> moved;
        while (gas.next_time() <= static_cast<double>(frame) * frame_interval) moved.push_back(gas.hop());
        for (const std::size_t ion : moved) {
            const SiteEvent now = gas.event(ion, frame), &last = events[ion].back();
            if (last.site != now.site || last.cell != now.cell) events[ion].push_back(now);
        }
    }
    SiteTrajectory trajectory;
    trajectory.n_frames = n_frames;
    trajectory.frame_interval = frame_interval;
    for (const auto& own : events) {
        trajectory.events.insert(trajectory.events.end(), own.begin(), own.end());
        trajectory.offsets.push_back(trajectory.events.size());
    }
    return trajectory;
}

FrameCorrection correct_for_frames(const ElementaryRates& data, const SiteSet& sites,
                                   const HopNetwork& network, std::size_t n_ions, double frame_interval,
                                   const FrameCorrectionOptions& options) {
    const std::size_t n = network.classes.size();
    if (data.classes.size() != n)
        throw DataError(fmt::format("{} rates do not fit a network of {} classes", data.classes.size(), n));
    if (!(options.length > 0) || options.iterations < 1)
        throw DataError("a correction for frames needs a length and at least one iteration");
    FrameCorrection result;
    result.factor.assign(n, 1.0);
    result.rates.assign(n, 0.0);
    for (std::size_t c = 0; c < n; ++c)
        if (data.classes[c].balanced.value > 0) result.rates[c] = data.classes[c].balanced.value;
    const std::vector<double> wanted = result.rates;
    const auto n_frames =
        static_cast<std::int64_t>(std::ceil(options.length * data.total_time / frame_interval)) + 1;
    result.simulated_time = static_cast<double>(n_frames - 1) * frame_interval;
    for (int k = 0; k <= options.iterations; ++k) { // the last time to see what has become of it
        const SiteTrajectory frames =
            simulate_exclusion(sites, network, result.rates, n_ions, n_frames, frame_interval, options.seed,
                               static_cast<std::uint64_t>(k));
        const ElementaryCounts counts = count_elementary_hops(
            {exclusion_path(frames, sites, options.min_residence)}, sites, network, {{0, 0, n_frames}});
        result.simulated = estimate_elementary_rates(counts, network, {0, 1});
        result.refills = counts.refills;
        if (k == options.iterations) break;
        for (std::size_t c = 0; c < n; ++c) {
            const auto r = static_cast<std::size_t>(network.classes[c].reverse);
            const ElementaryRate &there = result.simulated.classes[c], &back = result.simulated.classes[r];
            if (r < c || !(wanted[c] > 0) || there.hops + back.hops < options.fewest_hops) continue;
            // Of both directions alike: detailed balance with the weights of the data stays.
            const double seen = there.hops + back.hops,
                         expected = wanted[c] * there.exposure + wanted[r] * back.exposure;
            result.rates[c] *= expected / seen;
            if (r != c) result.rates[r] *= expected / seen;
        }
    }
    for (std::size_t c = 0; c < n; ++c)
        if (wanted[c] > 0) result.factor[c] = result.rates[c] / wanted[c];
    return result;
}

} // namespace mesolith
