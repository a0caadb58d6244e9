#include "mesolith/msm/jump_rates.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "mesolith/core/error.hpp"
#include "mesolith/core/parallel.hpp"

#include "normalise.hpp"

namespace mesolith {

namespace {

/// The same events without unassigned stretches between two sites.
SiteTrajectory bridged(const SiteTrajectory& trajectory) {
    SiteTrajectory result;
    result.n_frames = trajectory.n_frames;
    result.frame_interval = trajectory.frame_interval;
    for (std::size_t ion = 0; ion < trajectory.n_ions(); ++ion) {
        const auto events = trajectory.of_ion(ion);
        std::size_t behind_last = events.size(); // first event after the last assigned one
        while (behind_last > 0 && !events[behind_last - 1].site.valid()) --behind_last;
        const SiteEvent* last = nullptr; // last assigned state
        for (std::size_t e = 0; e < events.size(); ++e) {
            const SiteEvent& event = events[e];
            const bool is_new =
                event.site.valid() && (!last || last->site != event.site || last->cell != event.cell);
            if (event.site.valid()) last = &event;
            if (is_new || e == 0 || e == behind_last) result.events.push_back(event);
        }
        result.offsets.push_back(result.events.size());
    }
    return result;
}

/// Time on each site [ps].
std::vector<double> time_on_sites(const TransitionCounts& jumps, const std::vector<double>& counts) {
    std::vector<double> time(jumps.n_sites, 0.0);
    for (std::size_t k = 0; k < counts.size(); ++k)
        time[static_cast<std::size_t>(jumps.transitions[k].from)] += counts[k] * jumps.lag_time();
    return time;
}

} // namespace

TransitionCounts count_jumps(const std::vector<SiteTrajectory>& trajectories, const SiteSet& sites,
                             const std::vector<TimeBlock>& blocks) {
    std::vector<SiteTrajectory> paths;
    for (const SiteTrajectory& trajectory : trajectories) paths.push_back(bridged(trajectory));
    const std::int64_t one_frame = 1;
    return std::move(count_transitions(paths, sites, {&one_frame, 1}, blocks).front());
}

Generator estimate_rates(const TransitionCounts& jumps, const SiteBasis& basis, const RateOptions& options,
                         std::span<const double> weights) {
    if (jumps.n_sites != basis.size())
        throw DataError(fmt::format("jumps between {} sites do not fit a basis of {} sites", jumps.n_sites,
                                    basis.size()));
    const std::vector<double> N = jumps.weighted(weights);
    const std::vector<double> time = time_on_sites(jumps, N);
    const std::vector<double> share = normalised(time, "times on the sites");
    std::vector<double> pi = share;
    if (options.detailed_balance && !options.stationary.empty()) {
        if (options.stationary.size() != basis.size())
            throw DataError(fmt::format("a stationary distribution of {} values does not fit {} sites",
                                        options.stationary.size(), basis.size()));
        pi = normalised(options.stationary, "stationary probabilities");
    }
    std::vector<RatedMove> moves;
    for (std::size_t k = 0; k < N.size(); ++k) {
        const Transition& t = jumps.transitions[k];
        if (t.is_stay()) continue;
        const auto j = static_cast<std::size_t>(t.from), i = static_cast<std::size_t>(t.to);
        if (!options.detailed_balance) {
            if (N[k] > 0) moves.push_back({t, N[k] / time[j]});
            continue;
        }
        const double both = N[k] + N[static_cast<std::size_t>(jumps.reverse[k])];
        if (both <= 0) continue;
        if (!(pi[j] > 0) || !(pi[i] > 0)) {
            if (options.stationary.empty()) continue; // reached in the last frame of the data only
            throw DataError(fmt::format("jumps were seen between sites {} and {}, one of which has no "
                                        "stationary weight. Give it one",
                                        t.from, t.to));
        }
        moves.push_back({t, both / (time[j] / pi[j] + time[i] / pi[i]) / pi[j]});
    }
    return make_generator(basis, std::move(moves), options.detailed_balance ? pi : std::vector<double>{});
}

double path_log_likelihood(const TransitionCounts& jumps, const Generator& generator) {
    if (jumps.n_sites != generator.n_sites())
        throw DataError(fmt::format("jumps between {} sites do not fit a generator of {} sites",
                                    jumps.n_sites, generator.n_sites()));
    const std::vector<double> N = jumps.weighted({});
    const std::vector<double> time = time_on_sites(jumps, N);
    double sum = 0;
    for (std::size_t j = 0; j < time.size(); ++j) sum -= generator.exit[j] * time[j];
    for (std::size_t k = 0; k < N.size(); ++k) {
        const Transition& t = jumps.transitions[k];
        if (t.is_stay() || N[k] <= 0) continue;
        double rate = 0;
        for (const GeneratorEntry& e : generator.from(static_cast<std::size_t>(t.from)))
            if (e.to == t.to && e.R == t.R) rate = e.rate;
        sum += N[k] * std::log(rate); // -inf without a rate
    }
    return sum;
}

std::vector<RateComparison> compare_rates(const Kernel& kernel, const TransitionCounts* jumps,
                                          const RateComparisonOptions& options) {
    std::vector<RateComparison> result;
    RateComparison uniformised;
    uniformised.method = "uniformised";
    uniformised.accepted = true;
    uniformised.diffusivity = exact_transport(generator_from_kernel(kernel)).diffusivity;
    uniformised.text = fmt::format(
        "(M - I) / tau at a lag of {:g} ps: always valid, right at times beyond the lag.", kernel.lag_time);
    result.push_back(uniformised);

    const LogarithmResult log = matrix_logarithm(kernel, options.logarithm);
    RateComparison logarithm;
    logarithm.method = "logarithm";
    logarithm.accepted = log.accepted;
    logarithm.diffusivity = log.diffusivity;
    logarithm.text = log.reason;
    result.push_back(logarithm);
    if (!jumps) return result;

    RateComparison events;
    events.method = "jump events";
    events.accepted = true;
    events.diffusivity = exact_transport(estimate_rates(*jumps, kernel.basis, options.rates)).diffusivity;
    double seen = 0;
    for (std::size_t k = 0; k < jumps->total.size(); ++k)
        if (!jumps->transitions[k].is_stay()) seen += static_cast<double>(jumps->total[k]);
    events.text =
        fmt::format("Jumps over the time on their sites, from {:.0f} jumps; every jump counts, also "
                    "one that goes straight back.",
                    seen);
    if (options.n_resamplings > 1) {
        std::vector<Mat3> D(static_cast<std::size_t>(options.n_resamplings));
        for_each_index(D.size(), [&](std::size_t s) {
            const auto weights =
                bootstrap_weights(jumps->n_blocks(), options.seed, static_cast<std::uint32_t>(s));
            D[s] = exact_transport(estimate_rates(*jumps, kernel.basis, options.rates, weights)).diffusivity;
        });
        for (int a = 0; a < 3; ++a)
            for (int b = 0; b < 3; ++b) {
                std::vector<double> samples;
                for (const Mat3& d : D) samples.push_back(d(a, b));
                events.error(a, b) = standard_deviation(samples);
            }
    }
    result.push_back(events);
    return result;
}

} // namespace mesolith
