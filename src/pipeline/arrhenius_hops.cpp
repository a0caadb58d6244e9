#include <algorithm>
#include <cmath>
#include <map>

#include <fmt/format.h>

#include "mesolith/core/error.hpp"
#include "mesolith/pipeline/arrhenius.hpp"
#include "mesolith/sites/jumps.hpp"

namespace mesolith {
namespace {

/// Blocks of one trajectory, to look frames up.
class BlockIndex {
public:
    BlockIndex(const std::vector<TimeBlock>& blocks, std::size_t trajectory) {
        for (std::size_t b = 0; b < blocks.size(); ++b)
            if (blocks[b].trajectory == trajectory) index_[blocks[b].begin] = {b, blocks[b].end};
    }
    /// f(block, first frame, frame behind the last) for the parts of [begin, end).
    template <class F>
    void for_parts(std::int64_t begin, std::int64_t end, F&& f) const {
        auto it = index_.upper_bound(begin);
        if (it != index_.begin()) --it;
        for (; it != index_.end() && it->first < end; ++it) {
            const std::int64_t from = std::max(begin, it->first), to = std::min(end, it->second.second);
            if (from < to) f(it->second.first, from, to);
        }
    }

private:
    std::map<std::int64_t, std::pair<std::size_t, std::int64_t>> index_; // begin -> block, end
};

/// A hop with what decides its class.
struct TimedHop {
    std::int32_t from = 0, to = 0; // orbits
    double length = 0;
    std::size_t block = 0;
    bool lasting = true;
};

struct RunHops {
    std::vector<TimedHop> hops;
    std::map<std::int32_t, std::vector<double>> time; // by origin orbit: per block [ps]
};

RunHops hops_of(const HopData& run) {
    RunHops result;
    const SiteBasis& basis = run.sites.basis;
    for (const std::int32_t orbit : basis.orbit) result.time[orbit].resize(run.blocks.size(), 0.0);
    for (std::size_t k = 0; k < run.trajectories.size(); ++k) {
        const SiteTrajectory& t = run.trajectories[k];
        const BlockIndex blocks(run.blocks, k);
        const std::vector<Jump> jumps = list_jumps(t, run.sites);
        for (std::size_t j = 0; j < jumps.size(); ++j) {
            const Jump& jump = jumps[j];
            TimedHop hop{basis.orbit[jump.from.at()], basis.orbit[jump.to.at()],
                         basis.displacement(jump.from.at(), jump.to.at(), jump.R).norm(), 0, true};
            if (j + 1 < jumps.size() && jumps[j + 1].ion == jump.ion)
                hop.lasting = !(jumps[j + 1].to == jump.from && jumps[j + 1].R == -jump.R);
            bool inside = false;
            blocks.for_parts(jump.frame, jump.frame + 1, [&](std::size_t block, std::int64_t, std::int64_t) {
                hop.block = block;
                inside = true;
            });
            if (inside) result.hops.push_back(hop);
        }
        for (std::size_t ion = 0; ion < t.n_ions(); ++ion) {
            const auto events = t.of_ion(ion);
            for (std::size_t e = 0; e < events.size(); ++e) {
                if (!events[e].site.valid()) continue;
                const std::int64_t end = e + 1 < events.size() ? events[e + 1].frame : t.n_frames;
                std::vector<double>& time =
                    result.time[basis.orbit[run.sites.base[events[e].site.at()].at()]];
                blocks.for_parts(events[e].frame, end,
                                 [&](std::size_t block, std::int64_t from, std::int64_t to) {
                                     time[block] += static_cast<double>(to - from) * t.frame_interval;
                                 });
            }
        }
    }
    return result;
}

/// Rate and error from what each block holds.
Estimate rate_of(const std::vector<double>& hops, const std::vector<double>& time) {
    double n = 0, total = 0, squares = 0;
    for (std::size_t b = 0; b < hops.size(); ++b) n += hops[b], total += time[b];
    if (total <= 0) return {0, std::nan("")};
    const double rate = n / total;
    for (std::size_t b = 0; b < hops.size(); ++b) squares += std::pow((hops[b] - rate * time[b]) / total, 2);
    const auto B = static_cast<double>(hops.size());
    const double scatter = hops.size() < 2 ? 0 : std::sqrt(squares * B / (B - 1));
    return {rate, std::max(scatter, std::sqrt(n) / total)};
}

/// Class of every length: hops of a class differ by at most the tolerance.
std::vector<double> lower_ends(std::vector<double> lengths, double tolerance) {
    std::sort(lengths.begin(), lengths.end());
    std::vector<double> ends;
    for (const double length : lengths)
        if (ends.empty() || length > ends.back() + tolerance) ends.push_back(length);
    return ends;
}

void expect_one_crystal(const std::vector<HopData>& runs) {
    for (const HopData& run : runs)
        if (run.sites.basis.name != runs.front().sites.basis.name ||
            run.sites.basis.orbit != runs.front().sites.basis.orbit)
            throw DataError(
                fmt::format("the runs have different sites ({} and {} per repeat unit). Give runs of "
                            "one crystal",
                            runs.front().sites.basis.size(), run.sites.basis.size()));
}

std::optional<ArrheniusFit> fit_rates(const HopClass& c, const std::vector<double>& temperatures,
                                      std::int64_t HopStatistics::*count, Estimate HopStatistics::*rate,
                                      std::int64_t fewest) {
    std::vector<ArrheniusPoint> points;
    double lowest = 0, highest = 0;
    for (std::size_t r = 0; r < temperatures.size(); ++r) {
        if (c.at[r].*count < fewest) continue;
        const Estimate& e = c.at[r].*rate;
        points.push_back({temperatures[r], e.value, e.error});
        lowest = points.size() == 1 ? temperatures[r] : std::min(lowest, temperatures[r]);
        highest = std::max(highest, temperatures[r]);
    }
    if (points.size() < 2 || !(highest > lowest * (1 + 1e-9))) return std::nullopt;
    return fit_arrhenius(points);
}

} // namespace

std::vector<HopClass> hop_classes(const std::vector<HopData>& runs, const std::vector<double>& temperatures,
                                  const HopClassOptions& options) {
    if (runs.empty() || runs.size() != temperatures.size())
        throw DataError("hop rates need one temperature for each run, and at least one run");
    expect_one_crystal(runs);
    std::vector<RunHops> counted;
    std::map<std::pair<std::int32_t, std::int32_t>, std::vector<double>> lengths;
    for (const HopData& run : runs) {
        counted.push_back(hops_of(run));
        for (const TimedHop& hop : counted.back().hops) lengths[{hop.from, hop.to}].push_back(hop.length);
    }
    std::map<std::int32_t, std::string> names;
    const SiteBasis& basis = runs.front().sites.basis;
    for (std::size_t s = 0; s < basis.size(); ++s) names[basis.orbit[s]] = orbit_name(basis.name[s]);

    std::vector<HopClass> classes;
    for (const auto& [orbits, list] : lengths) {
        const std::vector<double> ends = lower_ends(list, options.length_tolerance);
        std::vector<HopClass> of_pair(ends.size());
        const auto class_of = [&](double length) {
            return static_cast<std::size_t>(std::upper_bound(ends.begin(), ends.end(), length) -
                                            ends.begin()) -
                   1;
        };
        std::vector<double> sum(ends.size(), 0.0), n(ends.size(), 0.0);
        for (const double length : list) {
            sum[class_of(length)] += length;
            ++n[class_of(length)];
        }
        for (std::size_t c = 0; c < ends.size(); ++c) {
            of_pair[c].from = names[orbits.first];
            of_pair[c].to = names[orbits.second];
            of_pair[c].length = sum[c] / n[c];
        }
        for (std::size_t r = 0; r < runs.size(); ++r) {
            const std::size_t n_blocks = runs[r].blocks.size();
            std::vector<std::vector<double>> all(ends.size(), std::vector<double>(n_blocks, 0.0));
            std::vector<std::vector<double>> lasting = all;
            for (const TimedHop& hop : counted[r].hops) {
                if (hop.from != orbits.first || hop.to != orbits.second) continue;
                const std::size_t c = class_of(hop.length);
                ++all[c][hop.block];
                if (hop.lasting) ++lasting[c][hop.block];
            }
            const std::vector<double>& time = counted[r].time.at(orbits.first);
            for (std::size_t c = 0; c < ends.size(); ++c) {
                HopStatistics s;
                for (std::size_t b = 0; b < n_blocks; ++b) {
                    s.hops += std::llround(all[c][b]);
                    s.lasting += std::llround(lasting[c][b]);
                    s.time += time[b];
                }
                s.rate = rate_of(all[c], time);
                s.lasting_rate = rate_of(lasting[c], time);
                of_pair[c].at.push_back(s);
            }
        }
        for (HopClass& c : of_pair) {
            c.fit =
                fit_rates(c, temperatures, &HopStatistics::hops, &HopStatistics::rate, options.fewest_hops);
            c.lasting_fit = fit_rates(c, temperatures, &HopStatistics::lasting, &HopStatistics::lasting_rate,
                                      options.fewest_hops);
            classes.push_back(std::move(c));
        }
    }
    const auto total = [](const HopClass& c) {
        std::int64_t n = 0;
        for (const HopStatistics& s : c.at) n += s.hops;
        return n;
    };
    std::stable_sort(classes.begin(), classes.end(),
                     [&](const HopClass& a, const HopClass& b) { return total(a) > total(b); });
    return classes;
}

} // namespace mesolith
