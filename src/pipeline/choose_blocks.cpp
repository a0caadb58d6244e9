#include <algorithm>
#include <cmath>
#include <numeric>

#include <fmt/format.h>

#include "mesolith/msm/block_length.hpp"

#include "analysis_parts.hpp"

namespace mesolith {
namespace {

/// A quantity over time, one value per bin of `bin_frames` frames, one stretch per trajectory.
struct Series {
    std::string name;
    std::vector<std::vector<double>> stretches;
};

/// Squared displacements of all ions over a window near the end of the fit window: what D comes from.
void add_displacements(const Context& context, std::vector<Series>& series) {
    for (int axis = 0; axis < 3; ++axis) {
        Series s{fmt::format("squared displacements along {}", axes[static_cast<std::size_t>(axis)]), {}};
        for (const MsdSums& sums : context.raw_msd) {
            std::size_t lag = 0;
            while (lag + 1 < sums.n_lags() &&
                   static_cast<double>(sums.lag_frames[lag]) * context.interval < context.options.fit_end)
                ++lag;
            const auto merge = static_cast<std::size_t>(context.bin_frames / sums.bin_frames);
            std::vector<double> stretch;
            for (std::size_t bin = 0; bin + merge <= sums.n_bins(); bin += merge) {
                double sum = 0;
                std::int64_t count = 0;
                for (std::size_t b = bin; b < bin + merge; ++b) {
                    sum += sums.sum[(b * sums.n_lags() + lag) * 3 + static_cast<std::size_t>(axis)];
                    count += sums.count[b * sums.n_lags() + lag];
                }
                if (count > 0) stretch.push_back(sum / static_cast<double>(count));
            }
            s.stretches.push_back(std::move(stretch));
        }
        series.push_back(std::move(s));
    }
}

/// Ions on each orbit of sites: what the stationary distribution comes from.
void add_occupancies(const Context& context, std::vector<Series>& series) {
    const std::vector<std::int32_t>& orbit = context.sites.basis.orbit;
    const auto n_orbits = static_cast<std::size_t>(*std::max_element(orbit.begin(), orbit.end()) + 1);
    if (n_orbits < 2) return;
    std::vector<Series> by_orbit(n_orbits);
    for (const SiteTrajectory& t : context.trajectories) {
        const auto n_bins = static_cast<std::size_t>(t.n_frames / context.bin_frames);
        std::vector<std::vector<double>> stretch(n_orbits, std::vector<double>(n_bins, 0.0));
        for (std::size_t ion = 0; ion < t.n_ions(); ++ion) {
            const auto events = t.of_ion(ion);
            for (std::size_t e = 0; e < events.size(); ++e) {
                if (!events[e].site.valid()) continue;
                std::vector<double>& bins =
                    stretch[static_cast<std::size_t>(orbit[context.sites.base[events[e].site.at()].at()])];
                std::int64_t from = events[e].frame;
                const std::int64_t to = e + 1 < events.size() ? events[e + 1].frame : t.n_frames;
                while (from < to && from / context.bin_frames < static_cast<std::int64_t>(n_bins)) {
                    const std::int64_t bin = from / context.bin_frames,
                                       end = std::min(to, (bin + 1) * context.bin_frames);
                    bins[static_cast<std::size_t>(bin)] += static_cast<double>(end - from);
                    from = end;
                }
            }
        }
        for (std::size_t o = 0; o < n_orbits; ++o) {
            by_orbit[o].name = fmt::format("ions on orbit {}", o + 1);
            by_orbit[o].stretches.push_back(std::move(stretch[o]));
        }
    }
    std::move(by_orbit.begin(), by_orbit.end(), std::back_inserter(series));
}

} // namespace

BlockChoice choose_blocks(const Context& context, std::vector<std::string>& warnings) {
    const AnalysisOptions& o = context.options;
    const double total = static_cast<double>(std::accumulate(context.n_frames.begin(), context.n_frames.end(),
                                                             std::int64_t{0})) *
                         context.interval;
    const double bin = static_cast<double>(context.bin_frames) * context.interval;
    BlockChoice choice;
    double length = o.block;
    if (o.block > 0) {
        choice.reason = fmt::format("{:g} ps as asked for", o.block);
    } else {
        std::vector<Series> series;
        add_displacements(context, series);
        add_occupancies(context, series);
        std::string slowest;
        for (const Series& s : series) {
            if (std::all_of(s.stretches.begin(), s.stretches.end(), [](const auto& x) { return x.empty(); }))
                continue;
            const double tau = correlation_time(s.stretches) * bin;
            if (tau > choice.correlation_time) {
                choice.correlation_time = tau;
                slowest = s.name;
            }
        }
        const double best = best_block_length(choice.correlation_time, total);
        length = std::clamp(best, bin, total / 8);
        choice.reason = fmt::format(
            "found: {} stay correlated for {:.2g} ps, the slowest of what was looked at; for {:g} "
            "ps of data blocks of {:.2g} ps estimate errors best",
            slowest, choice.correlation_time, total, best);
        if (best > length) choice.reason += fmt::format(", cut to an eighth of the data ({:.2g} ps)", length);
    }
    // Whole bins of the MSD, so that MSD and counts are resampled with the same stretches of time.
    const double bins = std::max(1.0, std::round(length / bin));
    choice.length = bins * bin;
    choice.blocks = cut_into_blocks(context.n_frames, static_cast<std::int64_t>(bins) * context.bin_frames);
    if (choice.blocks.size() < 10)
        warnings.push_back(fmt::format("only {} time blocks of {:.3g} ps: error bars are rough (± {:.0f} %)",
                                       choice.blocks.size(), choice.length,
                                       100 / std::sqrt(2.0 * static_cast<double>(choice.blocks.size() - 1))));
    return choice;
}

} // namespace mesolith
