#include "mesolith/msm/elementary_rates.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include <fmt/format.h>

#include "mesolith/core/error.hpp"
#include "mesolith/core/nan.hpp"
#include "mesolith/core/parallel.hpp"
#include "mesolith/msm/pooling.hpp"

#include "exclusion_neighbours.hpp"

namespace mesolith {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

/// Distance from a site to its nearest neighbour, itself in another cell included.
double nearest_neighbour(const SiteBasis& basis, std::size_t site) {
    double nearest = infinity;
    const Mat3 reduced = basis.cell.reduction().cast<double>() * basis.cell.vectors();
    for (int a = 0; a < 3; ++a) nearest = std::min(nearest, reduced.row(a).norm());
    for (std::size_t other = 0; other < basis.size(); ++other)
        if (other != site)
            nearest = std::min(
                nearest, basis.cell.minimum_image(basis.positions[other] - basis.positions[site]).norm());
    return nearest;
}

/// All directed pairs within the cutoff, sorted.
std::vector<Transition> pairs_within(const SiteBasis& basis, double cutoff) {
    // Layers of cells that a sphere around any site can reach.
    const Vec3 width = basis.cell.perpendicular_width();
    Vec3 low = Vec3::Constant(infinity), high = Vec3::Constant(-infinity);
    for (const Vec3& position : basis.positions) {
        const Vec3 f = basis.cell.to_fractional(position);
        low = low.cwiseMin(f);
        high = high.cwiseMax(f);
    }
    IVec3 reach;
    for (int a = 0; a < 3; ++a)
        reach[a] = static_cast<int>(std::floor(cutoff / width[a] + (high[a] - low[a]))) + 1;
    std::vector<Transition> pairs;
    for (std::size_t j = 0; j < basis.size(); ++j)
        for (std::size_t i = 0; i < basis.size(); ++i)
            for (int x = -reach[0]; x <= reach[0]; ++x)
                for (int y = -reach[1]; y <= reach[1]; ++y)
                    for (int z = -reach[2]; z <= reach[2]; ++z) {
                        const IVec3 R(x, y, z);
                        if (j == i && R.isZero()) continue;
                        if (basis.displacement(j, i, R).norm() <= cutoff)
                            pairs.push_back({static_cast<std::int32_t>(j), static_cast<std::int32_t>(i), R});
                    }
    std::sort(pairs.begin(), pairs.end());
    return pairs;
}

/// A stay on a site of the simulated cell; the first of an ion begins at frame 0.
struct GasStay {
    std::int64_t begin = 0;
    SiteId site;
    IVec3 cell = IVec3::Zero();

    bool same_place(const GasStay& other) const { return site == other.site && cell == other.cell; }
};

/// Stays of one ion, bridged; those that are short and end where they began are left out.
std::vector<GasStay> stays_of(std::span<const SiteEvent> events, const SiteSet& sites, double shortest,
                              std::int64_t& removed) {
    std::vector<GasStay> stays;
    for (const SiteEvent& event : events) {
        if (!event.site.valid()) continue;
        if (event.site.at() >= sites.size())
            throw DataError(fmt::format("The site trajectory visits site {} of {} (it belongs to another "
                                        "site list). Assign the sites anew",
                                        event.site.value, sites.size()));
        const GasStay next{stays.empty() ? 0 : event.frame, event.site, event.cell};
        if (!stays.empty() && stays.back().same_place(next)) continue;
        const std::size_t n = stays.size();
        if (n >= 2 && stays[n - 2].same_place(next) &&
            static_cast<double>(next.begin - stays[n - 1].begin) < shortest) {
            stays.pop_back();
            removed += 2;
            continue;
        }
        stays.push_back(next);
    }
    return stays;
}

/// The lattice gas as it follows the events.
class Gas {
public:
    Gas(const SiteSet& sites, std::size_t n_ions)
        : sites_(sites), ion_on_(sites.size(), -1), now_(n_ions), wanted_(n_ions), known_(n_ions, false),
          pending_(n_ions, false), late_(n_ions, false) {}

    /// First site of an ion.
    void place(std::size_t ion, const GasStay& stay, ExclusionPath& path) {
        known_[ion] = true;
        wanted_[ion] = stay;
        if (ion_on_[stay.site.at()] < 0) {
            take(ion, stay);
            path.start[ion] = stay.site;
        } else
            wait(ion);
    }

    void want(std::size_t ion, const GasStay& stay, ExclusionPath& path) {
        wanted_[ion] = stay;
        if (now_[ion].site.valid() && now_[ion].same_place(stay)) {
            if (late_[ion]) ++path.cancelled;
            pending_[ion] = late_[ion] = false;
            return;
        }
        wait(ion);
    }

    /// All that can be done at the end of frame interval (frame - 1, frame).
    void settle(std::int64_t frame, ExclusionPath& path) {
        const std::size_t first = path.hops.size();
        sweep(path);
        while (exchange(path)) sweep(path);
        const auto m = static_cast<double>(path.hops.size() - first);
        for (std::size_t k = first; k < path.hops.size(); ++k)
            path.hops[k].time = static_cast<double>(frame - 1) + static_cast<double>(k - first + 1) / (m + 1);
        std::erase_if(queue_, [&](std::size_t ion) { return !pending_[ion]; });
        for (const std::size_t ion : queue_) late_[ion] = true;
    }

    std::size_t n_waiting() const { return queue_.size(); }

private:
    void wait(std::size_t ion) {
        pending_[ion] = true;
        if (std::find(queue_.begin(), queue_.end(), ion) == queue_.end()) {
            queue_.push_back(ion);
            std::sort(queue_.begin(), queue_.end());
        }
    }

    void take(std::size_t ion, const GasStay& stay) {
        ion_on_[stay.site.at()] = static_cast<std::int32_t>(ion);
        now_[ion] = stay;
        pending_[ion] = false;
    }

    void record(std::size_t ion, bool counts, ExclusionPath& path) {
        const GasStay &from = now_[ion], &to = wanted_[ion];
        GasHop hop;
        hop.ion = static_cast<std::int32_t>(ion);
        hop.from = from.site;
        hop.to = to.site;
        hop.counts = counts && from.site.valid();
        if (from.site.valid())
            hop.move = {sites_.base[from.site.at()].value, sites_.base[to.site.at()].value,
                        sites_.folded_cell(to.site, to.cell) - sites_.folded_cell(from.site, from.cell)};
        path.hops.push_back(hop);
        if (late_[ion] && from.site.valid()) ++path.delayed;
        late_[ion] = false;
    }

    /// Hops into empty sites until there are no more.
    void sweep(ExclusionPath& path) {
        for (bool moved = true; moved;) {
            moved = false;
            for (const std::size_t ion : queue_) {
                if (!pending_[ion] || ion_on_[wanted_[ion].site.at()] >= 0) continue;
                record(ion, true, path);
                if (now_[ion].site.valid()) ion_on_[now_[ion].site.at()] = -1;
                take(ion, wanted_[ion]);
                moved = true;
            }
        }
    }

    /// One ring of ions each of which waits for the site of the next; whether there was one.
    bool exchange(ExclusionPath& path) {
        for (const std::size_t start : queue_) {
            std::vector<std::size_t> ring;
            std::size_t ion = start;
            while (pending_[ion] && now_[ion].site.valid() && ring.size() <= queue_.size()) {
                ring.push_back(ion);
                ion = static_cast<std::size_t>(ion_on_[wanted_[ion].site.at()]);
                if (ion == start) break;
            }
            if (ion != start || ring.empty()) continue;
            for (const std::size_t member : ring) record(member, false, path);
            for (const std::size_t member : ring) take(member, wanted_[member]);
            path.exchanged += static_cast<std::int64_t>(ring.size());
            return true;
        }
        return false;
    }

    const SiteSet& sites_;
    std::vector<std::int32_t> ion_on_;
    std::vector<GasStay> now_, wanted_;
    std::vector<bool> known_, pending_, late_;
    std::vector<std::size_t> queue_; ///< ions that wait, ascending
};

/// Time integrals of whole numbers that change at times, by block of one trajectory.
class Integrals {
public:
    Integrals(std::size_t n, std::vector<std::int64_t> begin, std::vector<std::int64_t> end,
              std::vector<std::size_t> block, double interval)
        : value_(n, 0), since_(n, 0.0), begin_(std::move(begin)), end_(std::move(end)),
          block_(std::move(block)), interval_(interval) {}

    template <class F>
    void change(std::size_t k, std::int64_t by, double time, F&& add) {
        flush(k, time, add);
        value_[k] += by;
    }
    /// add(k, block, integral) for what has passed since the last change.
    template <class F>
    void flush(std::size_t k, double time, F&& add) {
        if (value_[k] != 0)
            for (std::size_t b = 0; b < begin_.size(); ++b) {
                const double from = std::max(since_[k], static_cast<double>(begin_[b])),
                             to = std::min(time, static_cast<double>(end_[b]));
                if (from < to) add(k, block_[b], static_cast<double>(value_[k]) * (to - from) * interval_);
            }
        since_[k] = time;
    }

private:
    std::vector<std::int64_t> value_;
    std::vector<double> since_;
    std::vector<std::int64_t> begin_, end_;
    std::vector<std::size_t> block_;
    double interval_;
};

/// Hops into sites that were left, by the age of the vacancy, and how long they could have happened.
class RefillCounter {
public:
    RefillCounter(const HopNetwork& network, const Neighbours& neighbours, const std::vector<bool>& taken,
                  std::size_t n_ions, double interval, Refills& refills)
        : network_(network), neighbours_(neighbours), taken_(taken), site_left_by_(n_ions),
          left_(taken.size()), interval_(interval), refills_(refills) {}

    /// Before the sites are taken and left.
    void hop(const GasHop& hop, std::int32_t c, bool counts) {
        const std::size_t to = hop.to.at();
        if (hop.from.valid()) flush_around(hop.from.at(), hop.time);
        flush_around(to, hop.time);
        if (left_[to].open) {
            const Left& there = left_[to];
            if (counts && c >= 0) {
                const bool back = there.ion == hop.ion && hop.move == there.back;
                add(back ? refills_.hops : refills_.other_hops, c, (hop.time - there.since) * interval_);
            }
            flush(to, hop.time);
            left_[to].open = false;
            if (there.ion >= 0) site_left_by_[static_cast<std::size_t>(there.ion)] = SiteId::none();
        }
        SiteId& before = site_left_by_[static_cast<std::size_t>(hop.ion)];
        if (before.valid()) left_[before.at()].ion = -1; // it has gone on, its way back is another one
        before = SiteId::none();
        if (!counts || c < 0) return;
        left_[hop.from.at()] = {true,
                                hop.time,
                                hop.time,
                                hop.ion,
                                hop.to,
                                hop.move.reversed(),
                                network_.classes[static_cast<std::size_t>(c)].reverse};
        before = hop.from;
    }
    void finish(double time) {
        for (std::size_t s = 0; s < left_.size(); ++s) flush(s, time);
    }

private:
    /// A site that a hop has left empty.
    struct Left {
        bool open = false;
        double since = 0, flushed = 0; // [frames]
        std::int32_t ion = -1;         // that left it and is still where it went
        SiteId now;                    // where
        Transition back;
        std::int32_t back_class = 0;
    };

    void flush_around(std::size_t site, double time) {
        for (const Neighbour& other : neighbours_.out[site]) flush(other.site, time);
    }
    void flush(std::size_t site, double time) {
        Left& left = left_[site];
        if (!left.open) return;
        bool back_seen = false;
        for (const Neighbour& other : neighbours_.in[site]) {
            if (!taken_[other.site]) continue;
            const bool back = !back_seen && left.ion >= 0 && other.site == left.now.at() &&
                              other.pair_class == static_cast<std::size_t>(left.back_class);
            back_seen = back_seen || back;
            spread(back ? refills_.exposure : refills_.other_exposure, other.pair_class,
                   (left.flushed - left.since) * interval_, (time - left.since) * interval_);
        }
        left.flushed = time;
    }
    void spread(std::vector<double>& exposure, std::size_t c, double from, double to) {
        const std::size_t n = refills_.age.size();
        double low = 0;
        for (std::size_t b = 0; b < n && low < to; ++b) {
            exposure[c * n + b] += std::max(0.0, std::min(to, refills_.age[b]) - std::max(from, low));
            low = refills_.age[b];
        }
    }
    void add(std::vector<double>& hops, std::int32_t c, double age) {
        const std::size_t n = refills_.age.size();
        std::size_t b = 0;
        while (age > refills_.age[b]) ++b;
        hops[static_cast<std::size_t>(c) * n + b] += 1;
    }

    const HopNetwork& network_;
    const Neighbours& neighbours_;
    const std::vector<bool>& taken_;
    std::vector<SiteId> site_left_by_; // of each ion: where it may go straight back to
    std::vector<Left> left_;
    double interval_;
    Refills& refills_;
};

constexpr std::size_t n_ages = 8;

std::size_t count_orbits(const SiteBasis& basis) {
    std::int32_t last = -1;
    for (const std::int32_t orbit : basis.orbit) last = std::max(last, orbit);
    return static_cast<std::size_t>(last + 1);
}

/// Everything that resampling repeats.
struct Numbers {
    std::vector<double> hops, exposure, rate, balanced; ///< per class
    std::vector<double> occupancy, log_weight;          ///< per orbit
    std::vector<double> imbalance;                      ///< per class
};

Numbers numbers_of(const ElementaryCounts& counts, const HopNetwork& network,
                   std::span<const double> weights) {
    const std::size_t B = counts.n_blocks, n = network.classes.size(), n_orbits = counts.orbit_sites.size();
    const auto sum = [&](const std::vector<double>& values, std::size_t row) {
        double total = 0;
        for (std::size_t b = 0; b < B; ++b)
            total += values[row * B + b] * (weights.empty() ? 1.0 : weights[b]);
        return total;
    };
    Numbers result;
    const double time = sum(counts.time, 0);
    for (std::size_t o = 0; o < n_orbits; ++o)
        result.occupancy.push_back(std::min(1.0, sum(counts.orbit_time, o) / (time * counts.orbit_sites[o])));
    const std::vector<double> w = exclusion_weights(result.occupancy, counts.orbit_sites, counts.vacancies);
    for (const double x : w) result.log_weight.push_back(std::log(x));
    for (std::size_t c = 0; c < n; ++c) {
        result.hops.push_back(sum(counts.hops, c));
        result.exposure.push_back(sum(counts.exposure, c));
        result.rate.push_back(result.exposure[c] > 0 ? result.hops[c] / result.exposure[c] : nan_value);
    }
    for (std::size_t c = 0; c < n; ++c) {
        const HopPairClass& kind = network.classes[c];
        const auto r = static_cast<std::size_t>(kind.reverse);
        const double w_from = w[static_cast<std::size_t>(kind.from_orbit)],
                     w_to = w[static_cast<std::size_t>(kind.to_orbit)];
        const double s =
            (result.hops[c] + result.hops[r]) / (result.exposure[c] / w_from + result.exposure[r] / w_to);
        result.balanced.push_back(s / w_from);
        result.imbalance.push_back(std::log(result.rate[c] / result.rate[r]) - std::log(w_to / w_from));
    }
    return result;
}

void expect_one_per(const std::span<const double> values, std::size_t n, const char* what) {
    if (values.size() != n)
        throw DataError(fmt::format("{} {} do not fit a network with {}", values.size(), what, n));
}

/// Distribution of the number of successes among independent trials.
std::vector<double> number_distribution(std::span<const double> p, std::span<const double> n,
                                        std::size_t without, std::size_t most) {
    std::vector<double> P(most + 1, 0.0);
    P[0] = 1;
    for (std::size_t o = 0; o < p.size(); ++o) {
        const auto trials = std::llround(n[o]) - (o == without ? 1 : 0);
        for (long long t = 0; t < trials; ++t) {
            for (std::size_t v = most; v > 0; --v) P[v] = P[v] * (1 - p[o]) + P[v - 1] * p[o];
            P[0] *= 1 - p[o];
        }
    }
    return P;
}

} // namespace

std::int32_t HopNetwork::find(const Transition& move) const {
    const auto found = std::lower_bound(pairs.begin(), pairs.end(), move);
    if (found == pairs.end() || !(*found == move)) return -1;
    return class_of[static_cast<std::size_t>(found - pairs.begin())];
}

HopNetwork make_hop_network(const SiteBasis& basis, std::span<const SiteOperation> operations,
                            double cutoff) {
    if (!(cutoff >= 0) || !std::isfinite(cutoff))
        throw DataError(
            fmt::format("a cutoff of {} A for pairs of sites (expected a length). Give a positive "
                        "one, or 0 to have it chosen",
                        cutoff));
    if (basis.size() == 0) throw DataError("hops need sites, there are none");
    if (basis.orbit.size() != basis.size())
        throw DataError("the sites of a hop network need orbits. Give one for each site");
    if (cutoff == 0)
        for (std::size_t s = 0; s < basis.size(); ++s)
            cutoff = std::max(cutoff, 1.5 * nearest_neighbour(basis, s));
    HopNetwork network;
    network.basis = basis;
    network.cutoff = cutoff;
    TransitionCounts all;
    all.n_sites = basis.size();
    all.transitions = pairs_within(basis, cutoff);
    if (all.transitions.empty())
        throw DataError(fmt::format("no two sites are within {:g} A. Choose a larger cutoff", cutoff));
    all.total.assign(all.transitions.size(), 0);
    all.index_reverses();
    all = pool_counts(std::move(all), operations);
    network.pairs = all.transitions;
    std::vector<std::int32_t> pool = all.pool;
    if (pool.empty()) {
        pool.resize(network.pairs.size());
        std::iota(pool.begin(), pool.end(), 0);
    }
    const auto n = static_cast<std::size_t>(*std::max_element(pool.begin(), pool.end()) + 1);
    std::vector<HopPairClass> classes(n);
    std::vector<std::size_t> order(n), position(n);
    std::iota(order.begin(), order.end(), std::size_t{0});
    for (std::size_t k = 0; k < network.pairs.size(); ++k) {
        const Transition& t = network.pairs[k];
        const auto from = static_cast<std::size_t>(t.from), to = static_cast<std::size_t>(t.to);
        HopPairClass& c = classes[static_cast<std::size_t>(pool[k])];
        c.from_orbit = basis.orbit[from];
        c.to_orbit = basis.orbit[to];
        c.length += basis.displacement(from, to, t.R).norm();
        c.reverse = pool[static_cast<std::size_t>(all.reverse[k])];
        ++c.n_pairs;
    }
    for (HopPairClass& c : classes) c.length /= static_cast<double>(c.n_pairs);
    // Lengths of a class and of its reverse may differ in the last digit: they are compared on a grid.
    const auto key = [&](std::size_t k) {
        const HopPairClass& c = classes[k];
        return std::tuple(std::llround(c.length * 1e4), c.from_orbit, c.to_orbit, k);
    };
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return key(a) < key(b); });
    for (std::size_t k = 0; k < n; ++k) position[order[k]] = k;
    for (std::size_t k = 0; k < n; ++k) {
        network.classes.push_back(classes[order[k]]);
        std::int32_t& reverse = network.classes.back().reverse;
        reverse = static_cast<std::int32_t>(position[static_cast<std::size_t>(reverse)]);
    }
    for (const std::int32_t p : pool)
        network.class_of.push_back(static_cast<std::int32_t>(position[static_cast<std::size_t>(p)]));
    return network;
}

ExclusionPath exclusion_path(const SiteTrajectory& trajectory, const SiteSet& sites, double min_residence) {
    if (!(min_residence >= 0) || !std::isfinite(min_residence))
        throw DataError(
            fmt::format("a minimum residence of {} ps (expected a time). Give 0 or more", min_residence));
    if (trajectory.n_ions() > sites.size())
        throw DataError(fmt::format("{} ions on {} sites (hops into empty sites need a site for each ion). "
                                    "Use a site list with all sites",
                                    trajectory.n_ions(), sites.size()));
    ExclusionPath path;
    path.n_frames = trajectory.n_frames;
    path.frame_interval = trajectory.frame_interval;
    path.start.resize(trajectory.n_ions());
    struct Step {
        std::int64_t frame;
        std::size_t ion;
        GasStay stay;
    };
    std::vector<Step> steps;
    Gas gas(sites, trajectory.n_ions());
    // Of rounded numbers: a stay of exactly that many frames is long enough.
    const double shortest = min_residence / trajectory.frame_interval * (1 - 1e-9);
    for (std::size_t ion = 0; ion < trajectory.n_ions(); ++ion) {
        const std::vector<GasStay> stays = stays_of(trajectory.of_ion(ion), sites, shortest, path.removed);
        if (stays.empty()) continue; // never on any site
        gas.place(ion, stays.front(), path);
        for (std::size_t k = 1; k < stays.size(); ++k) steps.push_back({stays[k].begin, ion, stays[k]});
    }
    std::sort(steps.begin(), steps.end(), [](const Step& a, const Step& b) {
        return a.frame != b.frame ? a.frame < b.frame : a.ion < b.ion;
    });
    std::int64_t before = 0;
    double waited = 0; // ion-frames
    for (std::size_t k = 0; k < steps.size();) {
        const std::int64_t frame = steps[k].frame;
        waited += static_cast<double>(gas.n_waiting()) * static_cast<double>(frame - before);
        before = frame;
        for (; k < steps.size() && steps[k].frame == frame; ++k) gas.want(steps[k].ion, steps[k].stay, path);
        gas.settle(frame, path);
    }
    const std::int64_t last = std::max<std::int64_t>(trajectory.n_frames - 1, before);
    waited += static_cast<double>(gas.n_waiting()) * static_cast<double>(last - before);
    path.waiting = last > 0 ? waited / static_cast<double>(last) : 0;
    return path;
}

ElementaryCounts count_elementary_hops(const std::vector<ExclusionPath>& paths, const SiteSet& sites,
                                       const HopNetwork& network, const std::vector<TimeBlock>& blocks) {
    if (paths.empty()) throw DataError("elementary rates need at least one trajectory");
    if (network.basis.size() != sites.basis.size())
        throw DataError(fmt::format("a hop network of {} sites does not fit {} sites per repeat unit",
                                    network.basis.size(), sites.basis.size()));
    for (const TimeBlock& block : blocks)
        if (block.trajectory >= paths.size() || block.begin < 0 || block.end <= block.begin ||
            block.end > paths[block.trajectory].n_frames)
            throw DataError("time blocks do not fit the trajectories. Cut these into blocks anew");
    const std::size_t n = network.classes.size(), n_orbits = count_orbits(sites.basis), B = blocks.size();
    ElementaryCounts counts;
    counts.n_blocks = B;
    counts.hops.assign(n * B, 0.0);
    counts.exposure.assign(n * B, 0.0);
    counts.orbit_time.assign(n_orbits * B, 0.0);
    counts.time.assign(B, 0.0);
    counts.orbit_sites.assign(n_orbits, 0.0);
    for (const SiteId base : sites.base)
        counts.orbit_sites[static_cast<std::size_t>(sites.basis.orbit[base.at()])] += 1;
    double interval = infinity;
    for (const ExclusionPath& path : paths) interval = std::min(interval, path.frame_interval);
    for (std::size_t b = 0; b + 1 < n_ages; ++b)
        counts.refills.age.push_back(interval * static_cast<double>(std::size_t{1} << b));
    counts.refills.age.push_back(infinity);
    for (auto* values : {&counts.refills.hops, &counts.refills.exposure, &counts.refills.other_hops,
                         &counts.refills.other_exposure})
        values->assign(n * n_ages, 0.0);
    const Neighbours neighbours = neighbours_of(sites, network);

    for (std::size_t p = 0; p < paths.size(); ++p) {
        const ExclusionPath& path = paths[p];
        std::vector<std::int64_t> begin, end;
        std::vector<std::size_t> block;
        const double last = static_cast<double>(path.n_frames - 1);
        for (std::size_t b = 0; b < B; ++b) {
            if (blocks[b].trajectory != p) continue;
            begin.push_back(blocks[b].begin);
            end.push_back(std::min(blocks[b].end, path.n_frames - 1));
            block.push_back(b);
            counts.time[b] += static_cast<double>(end.back() - begin.back()) * path.frame_interval;
        }
        std::int64_t ions = 0;
        for (const SiteId site : path.start) ions += site.valid();
        for (const GasHop& hop : path.hops) ions += !hop.from.valid(); // put on a site later
        const std::int64_t vacancies = static_cast<std::int64_t>(sites.size()) - ions;
        counts.vacancies = p == 0 || counts.vacancies == vacancies ? vacancies : -1;

        Integrals exposure(n, begin, end, block, path.frame_interval);
        Integrals on_orbit(n_orbits, begin, end, block, path.frame_interval);
        const auto add_exposure = [&](std::size_t c, std::size_t b, double t) {
            counts.exposure[c * B + b] += t;
        };
        const auto add_orbit = [&](std::size_t o, std::size_t b, double t) {
            counts.orbit_time[o * B + b] += t;
        };
        std::vector<bool> taken(sites.size(), false);
        std::vector<double> empty_since(sites.size(), 0.0); // [frames]
        const auto filled = [&](std::size_t site, double time) {
            const double length = (time - empty_since[site]) * path.frame_interval;
            if (length > counts.longest_empty) {
                counts.longest_empty = length;
                counts.longest_begin = empty_since[site] * path.frame_interval;
                counts.longest_trajectory = p;
                counts.longest_site = SiteId(static_cast<std::int64_t>(site));
            }
            return length;
        };
        const auto set = [&](std::size_t site, bool take, double time) {
            if (taken[site] == take) return;
            taken[site] = take;
            if (!take)
                empty_since[site] = time;
            else if (time > 0) {
                counts.mean_empty += filled(site, time);
                ++counts.empty_stays;
            }
            const int sign = take ? 1 : -1;
            for (const Neighbour& other : neighbours.out[site]) // it can leave
                if (!taken[other.site]) exposure.change(other.pair_class, sign, time, add_exposure);
            for (const Neighbour& other : neighbours.in[site]) // others can come no more
                if (taken[other.site]) exposure.change(other.pair_class, -sign, time, add_exposure);
            on_orbit.change(static_cast<std::size_t>(sites.basis.orbit[sites.base[site].at()]), sign, time,
                            add_orbit);
        };
        for (const SiteId site : path.start)
            if (site.valid()) set(site.at(), true, 0);
        RefillCounter refills(network, neighbours, taken, path.start.size(), path.frame_interval,
                              counts.refills);
        for (std::size_t k = 0; k < path.hops.size(); ++k) {
            const GasHop& hop = path.hops[k];
            const std::int32_t c = hop.counts ? network.find(hop.move) : -1;
            const bool counted = hop.counts && hop.from != hop.to;
            refills.hop(hop, c, counted);
            if (hop.counts) { // ions that change places leave the same sites taken
                if (hop.from.valid()) set(hop.from.at(), false, hop.time);
                set(hop.to.at(), true, hop.time);
            } else if (!hop.from.valid())
                set(hop.to.at(), true, hop.time);
            if (!counted) continue;
            if (c < 0) {
                ++counts.beyond;
                continue;
            }
            const auto frame = static_cast<std::int64_t>(std::floor(hop.time));
            for (std::size_t b = 0; b < begin.size(); ++b)
                if (frame >= begin[b] && frame < end[b])
                    counts.hops[static_cast<std::size_t>(c) * B + block[b]] += 1;
        }
        refills.finish(last);
        for (std::size_t s = 0; s < sites.size(); ++s)
            if (!taken[s]) filled(s, last);
        for (std::size_t c = 0; c < n; ++c) exposure.flush(c, last, add_exposure);
        for (std::size_t o = 0; o < n_orbits; ++o) on_orbit.flush(o, last, add_orbit);
    }
    if (counts.empty_stays > 0) counts.mean_empty /= static_cast<double>(counts.empty_stays);
    return counts;
}

std::vector<double> exclusion_weights(std::span<const double> occupancy, std::span<const double> n_sites,
                                      std::int64_t vacancies) {
    const std::size_t n = occupancy.size();
    if (n == 0 || n_sites.size() != n)
        throw DataError(fmt::format("{} occupancies and {} numbers of sites (expected one of each per orbit)",
                                    n, n_sites.size()));
    double M = 0;
    bool inside = true;
    for (std::size_t o = 0; o < n; ++o) {
        if (!(occupancy[o] >= 0 && occupancy[o] <= 1) || !(n_sites[o] > 0))
            throw DataError(fmt::format("an occupancy of {} on {} sites (expected 0 to 1 ions per site)",
                                        occupancy[o], n_sites[o]));
        inside = inside && occupancy[o] > 0 && occupancy[o] < 1;
        M += n_sites[o];
    }
    if (!(occupancy[0] > 0 && occupancy[0] < 1))
        throw DataError(
            fmt::format("the first orbit has {} ions per site at all times (its weight against the "
                        "others is not determined). Use longer trajectories, or sites with vacancies",
                        occupancy[0]));
    std::vector<double> log_odds; // of a vacancy
    for (const double theta : occupancy) log_odds.push_back(std::log1p(-theta) - std::log(theta));
    // Beyond some thousand sites the correction is below any error of counting.
    if (inside && n > 1 && vacancies > 0 && static_cast<double>(vacancies) < M && M <= 5000) {
        const std::vector<double> target = log_odds;
        const auto V = static_cast<std::size_t>(vacancies);
        for (int step = 0; step < 200; ++step) {
            std::vector<double> p(n);
            for (std::size_t o = 0; o < n; ++o) p[o] = 1 / (1 + std::exp(-log_odds[o]));
            const double all = number_distribution(p, n_sites, n, V)[V];
            // Odds of all orbits together are not determined by a fixed number of vacancies: the first stay.
            double change = 0, first = 0;
            for (std::size_t o = 0; o < n; ++o) {
                const double q = p[o] * number_distribution(p, n_sites, o, V)[V - 1] / all;
                const double correction = target[o] - (std::log(q) - std::log1p(-q));
                if (o == 0) first = correction;
                log_odds[o] += correction - first;
                change = std::max(change, std::abs(correction - first));
            }
            if (change < 1e-12) break;
        }
    }
    std::vector<double> weight;
    for (std::size_t o = 0; o < n; ++o) weight.push_back(std::exp(log_odds[0] - log_odds[o]));
    return weight;
}

ElementaryRates estimate_elementary_rates(const ElementaryCounts& counts, const HopNetwork& network,
                                          const ElementaryRateOptions& options) {
    const std::size_t n = network.classes.size(), B = counts.n_blocks, n_orbits = counts.orbit_sites.size();
    expect_one_per(counts.hops, n * B, "numbers of hops");
    expect_one_per(counts.exposure, n * B, "exposures");
    expect_one_per(counts.orbit_time, n_orbits * B, "times on orbits");
    expect_one_per(counts.time, B, "lengths of blocks");
    if (n_orbits < count_orbits(network.basis))
        throw DataError("the counts have fewer orbits than the network");
    ElementaryRates result;
    result.total_time = std::accumulate(counts.time.begin(), counts.time.end(), 0.0);
    if (!(result.total_time > 0)) throw DataError("elementary rates need trajectories of two frames or more");
    const Numbers best = numbers_of(counts, network, {});
    const auto S = static_cast<std::size_t>(std::max(0, options.n_resamplings));
    std::vector<Numbers> samples(B > 1 ? S : 0);
    for_each_index(samples.size(), [&](std::size_t s) {
        samples[s] =
            numbers_of(counts, network, bootstrap_weights(B, options.seed, static_cast<std::uint32_t>(s)));
    });
    const double scale = bootstrap_scale(B);
    const auto error = [&](auto member, std::size_t k) {
        std::vector<double> values;
        for (const Numbers& sample : samples) values.push_back((sample.*member)[k]);
        return scale * standard_deviation(values);
    };
    double ions = 0, sites = 0;
    for (std::size_t o = 0; o < n_orbits; ++o) {
        result.occupancy.push_back({best.occupancy[o], error(&Numbers::occupancy, o)});
        result.log_weight.push_back({best.log_weight[o], o == 0 ? 0 : error(&Numbers::log_weight, o)});
        ions += best.occupancy[o] * counts.orbit_sites[o];
        sites += counts.orbit_sites[o];
    }
    result.vacancy_fraction = 1 - ions / sites;
    for (const Numbers& sample : samples) {
        result.balanced_samples.push_back(sample.balanced);
        result.log_weight_samples.push_back(sample.log_weight);
    }
    result.sample_scale = scale;
    const std::size_t ages = counts.refills.age.size();
    for (std::size_t c = 0; c < n; ++c) {
        ElementaryRate r;
        r.hops = best.hops[c];
        r.exposure = best.exposure[c];
        r.rate = {best.rate[c], error(&Numbers::rate, c)};
        r.poisson_error = r.exposure > 0 ? std::sqrt(r.hops) / r.exposure : nan_value;
        r.upper_bound = r.hops > 0 ? nan_value : 3 / r.exposure;
        r.balanced = {best.balanced[c], error(&Numbers::balanced, c)};
        const auto reverse = static_cast<std::size_t>(network.classes[c].reverse);
        if (reverse != c && best.hops[c] > 0 && best.hops[reverse] > 0)
            r.balance_z = best.imbalance[c] / error(&Numbers::imbalance, c);
        double hops = 0, exposure = 0;
        for (std::size_t b = 0; b < ages; ++b) {
            hops += counts.refills.hops[c * ages + b];
            exposure += counts.refills.exposure[c * ages + b];
        }
        r.back_ratio = hops / (r.rate.value * exposure);
        r.first_back_ratio =
            ages > 0 ? counts.refills.hops[c * ages] / (r.rate.value * counts.refills.exposure[c * ages])
                     : nan_value;
        result.classes.push_back(r);
    }
    return result;
}

Generator ion_generator(const HopNetwork& network, std::span<const double> rates,
                        std::span<const double> log_weight) {
    expect_one_per(rates, network.classes.size(), "rates");
    expect_one_per(log_weight, count_orbits(network.basis), "weights of orbits");
    std::vector<RatedMove> moves;
    for (std::size_t k = 0; k < network.pairs.size(); ++k)
        moves.push_back({network.pairs[k], rates[static_cast<std::size_t>(network.class_of[k])]});
    std::vector<double> pi;
    for (const std::int32_t orbit : network.basis.orbit)
        pi.push_back(std::exp(log_weight[static_cast<std::size_t>(orbit)]));
    const double sum = std::accumulate(pi.begin(), pi.end(), 0.0);
    for (double& p : pi) p /= sum;
    return make_generator(network.basis, std::move(moves), std::move(pi));
}

Generator vacancy_generator(const HopNetwork& network, std::span<const double> rates,
                            std::span<const double> log_weight) {
    expect_one_per(rates, network.classes.size(), "rates");
    expect_one_per(log_weight, count_orbits(network.basis), "weights of orbits");
    std::vector<RatedMove> moves;
    for (std::size_t k = 0; k < network.pairs.size(); ++k)
        moves.push_back({network.pairs[k].reversed(), rates[static_cast<std::size_t>(network.class_of[k])]});
    std::vector<double> pi;
    for (const std::int32_t orbit : network.basis.orbit)
        pi.push_back(std::exp(-log_weight[static_cast<std::size_t>(orbit)]));
    const double sum = std::accumulate(pi.begin(), pi.end(), 0.0);
    for (double& p : pi) p /= sum;
    return make_generator(network.basis, std::move(moves), std::move(pi));
}

} // namespace mesolith
