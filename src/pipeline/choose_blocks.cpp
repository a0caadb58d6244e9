#include "mesolith/pipeline/choose_blocks.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>

#include <fmt/format.h>

#include "mesolith/core/error.hpp"
#include "mesolith/msm/block_length.hpp"

namespace mesolith {
namespace {

/// What the steps below share.
struct Data {
    const std::vector<SiteTrajectory>& trajectories;
    const SiteSet& sites;
    const std::vector<MsdSums>& raw_msd;
    double interval = 0; // [ps]
    std::int64_t bin_frames = 1;
};

/// A quantity over time, one value per bin of `bin_frames` frames, one stretch per trajectory.
struct Series {
    std::string name;
    std::vector<std::vector<double>> stretches;
};

/// Squared displacements of all ions over a window near the end of the fit window: what D comes from.
void add_displacements(const Data& data, double window, std::vector<Series>& series) {
    for (int axis = 0; axis < 3; ++axis) {
        Series s{fmt::format("squared displacements along {}", "xyz"[axis]), {}};
        for (const MsdSums& sums : data.raw_msd) {
            std::size_t lag = 0;
            while (lag + 1 < sums.n_lags() &&
                   static_cast<double>(sums.lag_frames[lag]) * data.interval < window)
                ++lag;
            const auto merge = static_cast<std::size_t>(data.bin_frames / sums.bin_frames);
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
void add_occupancies(const Data& data, std::vector<Series>& series) {
    const std::vector<std::int32_t>& orbit = data.sites.basis.orbit;
    const auto n_orbits = static_cast<std::size_t>(*std::max_element(orbit.begin(), orbit.end()) + 1);
    if (n_orbits < 2) return;
    std::vector<Series> by_orbit(n_orbits);
    for (const SiteTrajectory& t : data.trajectories) {
        const auto n_bins = static_cast<std::size_t>(t.n_frames / data.bin_frames);
        std::vector<std::vector<double>> stretch(n_orbits, std::vector<double>(n_bins, 0.0));
        for (std::size_t ion = 0; ion < t.n_ions(); ++ion) {
            const auto events = t.of_ion(ion);
            for (std::size_t e = 0; e < events.size(); ++e) {
                if (!events[e].site.valid()) continue;
                std::vector<double>& bins =
                    stretch[static_cast<std::size_t>(orbit[data.sites.base[events[e].site.at()].at()])];
                std::int64_t from = events[e].frame;
                const std::int64_t to = e + 1 < events.size() ? events[e + 1].frame : t.n_frames;
                while (from < to && from / data.bin_frames < static_cast<std::int64_t>(n_bins)) {
                    const std::int64_t bin = from / data.bin_frames,
                                       end = std::min(to, (bin + 1) * data.bin_frames);
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

BlockChoice choose_blocks(const std::vector<SiteTrajectory>& trajectories, const SiteSet& sites,
                          const std::vector<MsdSums>& raw_msd, double window, double wanted) {
    if (trajectories.empty() || trajectories.size() != raw_msd.size())
        throw DataError("time blocks need at least one trajectory, each with its MSD");
    Data data{trajectories, sites, raw_msd, trajectories.front().frame_interval, 1};
    std::vector<std::int64_t> n_frames;
    double total = 0;
    for (std::size_t k = 0; k < trajectories.size(); ++k) {
        n_frames.push_back(trajectories[k].n_frames);
        total += trajectories[k].duration();
        data.bin_frames = std::max(data.bin_frames, raw_msd[k].bin_frames);
    }
    const double bin = static_cast<double>(data.bin_frames) * data.interval;
    BlockChoice choice;
    double length = wanted;
    if (wanted > 0) {
        choice.reason = fmt::format("{:g} ps as asked for", wanted);
    } else {
        std::vector<Series> series;
        add_displacements(data, window, series);
        add_occupancies(data, series);
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
        length = std::clamp(best, bin, std::max(bin, total / 8));
        choice.reason = fmt::format(
            "of what D and the stationary distribution come from, {} stay correlated longest, for "
            "{:.2g} ps: with {:g} ps of data blocks of {:.3g} ps give the best errors",
            slowest, choice.correlation_time, total, best);
        if (best > length) choice.reason += fmt::format(", cut to an eighth of the data ({:.3g} ps)", length);
    }
    const double bins = std::max(1.0, std::round(length / bin));
    choice.length = bins * bin;
    choice.blocks = cut_into_blocks(n_frames, static_cast<std::int64_t>(bins) * data.bin_frames);
    return choice;
}

} // namespace mesolith
