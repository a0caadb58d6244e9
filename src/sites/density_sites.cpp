#include "mesolith/sites/density_sites.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "mesolith/core/error.hpp"
#include "mesolith/core/nan.hpp"
#include "mesolith/core/parallel.hpp"

namespace mesolith {

namespace {

void check_options(const VoxelGrid& grid, const PeakOptions& o) {
    const auto expect = [](bool good, const char* name, double value, const char* range) {
        if (!good) throw DataError(fmt::format("{} = {} is out of range. Give {}", name, value, range));
    };
    expect(o.threshold > 0 && std::isfinite(o.threshold), "The peak threshold", o.threshold,
           "a number above 0");
    expect(o.merge_saddle > 0, "The merge saddle", o.merge_saddle, "a share above 0");
    expect(o.merge_distance >= 0 && std::isfinite(o.merge_distance), "The merge distance", o.merge_distance,
           "a distance, or 0");
    expect(o.min_occupancy >= 0 && o.min_occupancy < 1, "The least occupancy", o.min_occupancy,
           "a number from 0 to 1");
    expect(o.floor >= 0 && o.floor <= o.threshold, "The floor of the basins", o.floor,
           "a number from 0 to the peak threshold");
    const double edge = grid.axes().length().cwiseQuotient(grid.n().cast<double>()).maxCoeff();
    if (o.merge_distance > 0 && edge > 0.5 * o.merge_distance)
        throw DataError(
            fmt::format("A grid spacing of {:.3g} A is too coarse to tell peaks {:g} A apart. Use at most "
                        "half the merge distance",
                        edge, o.merge_distance));
}

/// The 26 neighbours of a voxel.
struct Neighbourhood {
    struct Step {
        IVec3 by;
        std::ptrdiff_t offset; // of the number, where no face of the grid is in between
        double length;         // [A]
    };
    std::array<Step, 26> steps;
    const VoxelGrid& grid;

    explicit Neighbourhood(const VoxelGrid& g) : grid(g) {
        const IVec3 n = g.n();
        std::size_t s = 0;
        for (int i = -1; i <= 1; ++i)
            for (int j = -1; j <= 1; ++j)
                for (int k = -1; k <= 1; ++k) {
                    if (i == 0 && j == 0 && k == 0) continue;
                    const IVec3 by(i, j, k);
                    const Vec3 f = by.cast<double>().cwiseQuotient(n.cast<double>());
                    steps[s++] = {by, (static_cast<std::ptrdiff_t>(i) * n[1] + j) * n[2] + k,
                                  g.axes().to_cartesian(f).norm()};
                }
    }

    /// Call f(number of the neighbour, distance) for all of them, in a fixed order.
    template <class F>
    void visit(std::size_t voxel, F&& f) const {
        const IVec3 place = grid.place(voxel);
        if (place.minCoeff() > 0 && (grid.n() - place).minCoeff() > 1) {
            for (const Step& step : steps)
                f(static_cast<std::size_t>(static_cast<std::ptrdiff_t>(voxel) + step.offset), step.length);
        } else {
            for (const Step& step : steps) f(grid.number(place + step.by), step.length);
        }
    }
};

/// Disjoint sets of maxima; the highest one stands for its set.
class MaximumSets {
public:
    std::int32_t add() {
        parent_.push_back(static_cast<std::int32_t>(parent_.size()));
        return parent_.back();
    }
    std::int32_t top(std::int32_t m) {
        while (parent_[static_cast<std::size_t>(m)] != m) {
            std::int32_t& up = parent_[static_cast<std::size_t>(m)];
            up = parent_[static_cast<std::size_t>(up)];
            m = up;
        }
        return m;
    }
    void join(std::int32_t lower, std::int32_t higher) { parent_[static_cast<std::size_t>(lower)] = higher; }

private:
    std::vector<std::int32_t> parent_; // numbered from the highest maximum down
};

using Pair = std::pair<std::int32_t, std::int32_t>;

/// Finds maxima, basins and passes, and joins what belongs together.
class Flood {
public:
    Flood(const VoxelGrid& grid, std::span<const double> density, const PeakOptions& options)
        : grid_(grid), density_(density), options_(options), around_(grid) {
        double sum = 0;
        for (const double d : density) {
            if (!(d >= 0) || !std::isfinite(d))
                throw DataError("A density is negative or not a number. Check the counts it comes from");
            sum += d;
        }
        mean_ = sum / static_cast<double>(density.size());
        const double floor = options.floor * mean_;
        for (std::size_t v = 0; v < density.size(); ++v)
            if (density[v] > floor) active_.push_back(static_cast<std::uint32_t>(v));
        std::sort(active_.begin(), active_.end(), [&](std::uint32_t a, std::uint32_t b) {
            return density_[a] != density_[b] ? density_[a] > density_[b] : a < b;
        });
    }

    Watershed run() {
        climb();
        flood();
        join_by_distance();
        join_by_occupancy();
        return collect();
    }

private:
    bool higher(std::size_t a, std::size_t b) const {
        return density_[a] != density_[b] ? density_[a] > density_[b] : a < b;
    }
    double height(std::int32_t m) const { return density_[maxima_[static_cast<std::size_t>(m)]]; }

    /// Where the steepest ascent leads in one step; the voxel itself on a maximum. [place in active_]
    void climb() {
        uphill_.resize(active_.size());
        for_blocks(active_.size(), 4096, [&](std::size_t begin, std::size_t end) {
            for (std::size_t a = begin; a < end; ++a) {
                const std::size_t v = active_[a];
                std::size_t best = v;
                double steepest = -1;
                around_.visit(v, [&](std::size_t u, double distance) {
                    if (!higher(u, v)) return;
                    const double slope = (density_[u] - density_[v]) / distance;
                    if (slope > steepest || (slope == steepest && higher(u, best))) {
                        steepest = slope;
                        best = u;
                    }
                });
                uphill_[a] = static_cast<std::uint32_t>(best);
            }
        });
    }

    void flood() {
        label_.assign(density_.size(), -1);
        for (std::size_t a = 0; a < active_.size(); ++a) {
            const std::size_t v = active_[a];
            if (uphill_[a] == v) {
                label_[v] = sets_.add();
                maxima_.push_back(v);
            } else {
                label_[v] = label_[uphill_[a]];
            }
            around_.visit(v, [&](std::size_t u, double) {
                if (label_[u] < 0 || label_[u] == label_[v]) return;
                meet(sets_.top(label_[u]), sets_.top(label_[v]), density_[v]);
            });
        }
        // What was joined later is joined in the list of passes, too.
        std::map<Pair, double> passes;
        for (const auto& [pair, pass] : passes_)
            add_pass(passes, sets_.top(pair.first), sets_.top(pair.second), pass);
        passes_ = std::move(passes);
    }

    /// Two basins touch for the first time at their highest pass; smaller numbers are higher maxima.
    void meet(std::int32_t a, std::int32_t b, double pass) {
        if (a == b) return;
        const Pair pair = std::minmax(a, b);
        const auto [high, low] = pair;
        if (height(low) < options_.threshold * mean_ || pass >= options_.merge_saddle * height(low))
            sets_.join(low, high);
        else if (!passes_.contains(pair))
            passes_.emplace(pair, pass);
    }

    static void add_pass(std::map<Pair, double>& passes, std::int32_t a, std::int32_t b, double pass) {
        if (a == b) return;
        double& known = passes[std::minmax(a, b)];
        known = std::max(known, pass);
    }

    /// Basin, refined position and occupancy of each set of maxima as it is now.
    void measure() {
        sites_.clear();
        number_.assign(maxima_.size(), -1);
        for (std::size_t m = 0; m < maxima_.size(); ++m) {
            const auto top = static_cast<std::int32_t>(m);
            if (sets_.top(top) != top || height(top) < options_.threshold * mean_ || dropped_[m]) continue;
            number_[m] = static_cast<std::int32_t>(sites_.size());
            sites_.push_back({top, {}});
            sites_.back().peak.voxel = maxima_[m];
            sites_.back().peak.height = height(top);
        }
        for (const auto& [pair, pass] : passes_) {
            const std::int32_t a = site_of(pair.first), b = site_of(pair.second);
            if (a < 0 || b < 0) continue;
            for (const auto& [from, to] : {Pair{a, b}, Pair{b, a}}) {
                DensityPeak& peak = sites_[static_cast<std::size_t>(from)].peak;
                if (pass > peak.saddle) {
                    peak.saddle = pass;
                    peak.neighbour = to;
                }
            }
        }
        std::vector<Vec3> moment(sites_.size(), Vec3::Zero());
        std::vector<double> weight(sites_.size(), 0);
        for (const std::uint32_t v : active_) {
            const std::int32_t s = site_of(label_[v]);
            if (s < 0) continue;
            DensityPeak& peak = sites_[static_cast<std::size_t>(s)].peak;
            peak.occupancy += density_[v] * grid_.voxel_volume();
            const double above = density_[v] - std::max(0.5 * peak.height, peak.saddle);
            if (above <= 0) continue;
            moment[static_cast<std::size_t>(s)] +=
                above * grid_.axes().minimum_image(grid_.centre(v) - grid_.centre(peak.voxel));
            weight[static_cast<std::size_t>(s)] += above;
        }
        for (std::size_t s = 0; s < sites_.size(); ++s) {
            sites_[s].peak.position = grid_.centre(sites_[s].peak.voxel);
            if (weight[s] > 0) sites_[s].peak.position += moment[s] / weight[s];
        }
    }

    std::int32_t site_of(std::int32_t label) {
        return label < 0 ? -1 : number_[static_cast<std::size_t>(sets_.top(label))];
    }

    void join(std::int32_t low, std::int32_t high) {
        sets_.join(low, high);
        std::map<Pair, double> passes;
        for (const auto& [pair, pass] : passes_)
            add_pass(passes, sets_.top(pair.first), sets_.top(pair.second), pass);
        passes_ = std::move(passes);
    }

    /// Rounds of: all pairs that are too close, nearest first. Positions move a little with each round.
    void join_by_distance() {
        dropped_.assign(maxima_.size(), false);
        for (bool joined = true; joined;) {
            joined = false;
            measure();
            struct Close {
                double distance;
                std::size_t high, low;
            };
            std::vector<Close> close;
            for (std::size_t a = 0; a < sites_.size(); ++a)
                for (std::size_t b = a + 1; b < sites_.size(); ++b) {
                    const double d =
                        grid_.axes().minimum_image(sites_[b].peak.position - sites_[a].peak.position).norm();
                    if (d < options_.merge_distance) close.push_back({d, a, b});
                }
            std::sort(close.begin(), close.end(), [](const Close& x, const Close& y) {
                return std::tie(x.distance, x.high, x.low) < std::tie(y.distance, y.high, y.low);
            });
            for (const Close& pair : close) {
                const std::int32_t high = sites_[pair.high].maximum, low = sites_[pair.low].maximum;
                if (sets_.top(high) != high || sets_.top(low) != low) continue; // the next round sees to it
                join(low, high);
                joined = true;
            }
        }
    }

    void join_by_occupancy() {
        std::map<std::int32_t, double> held; // by maximum
        for (const Site& s : sites_) held[s.maximum] = s.peak.occupancy;
        while (!held.empty()) {
            const auto emptiest = std::min_element(
                held.begin(), held.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
            if (emptiest->second >= options_.min_occupancy) break;
            const std::int32_t low = emptiest->first;
            std::int32_t to = -1;
            double best = 0;
            for (const auto& [pair, pass] : passes_) {
                if ((pair.first != low && pair.second != low) || pass <= best) continue;
                best = pass;
                to = pair.first == low ? pair.second : pair.first;
            }
            if (to < 0) {
                dropped_[static_cast<std::size_t>(low)] = true;
            } else {
                held[to] += emptiest->second;
                join(low, to);
            }
            held.erase(low);
        }
        measure();
    }

    Watershed collect() {
        Watershed result;
        std::vector<std::size_t> order(sites_.size());
        for (std::size_t s = 0; s < order.size(); ++s) order[s] = s;
        std::sort(order.begin(), order.end(),
                  [&](std::size_t a, std::size_t b) { return sites_[a].peak.voxel < sites_[b].peak.voxel; });
        std::vector<std::int32_t> rank(order.size());
        for (std::size_t r = 0; r < order.size(); ++r) rank[order[r]] = static_cast<std::int32_t>(r);
        for (const std::size_t s : order) {
            result.peaks.push_back(sites_[s].peak);
            if (result.peaks.back().neighbour >= 0)
                result.peaks.back().neighbour = rank[static_cast<std::size_t>(result.peaks.back().neighbour)];
        }
        result.basin.assign(density_.size(), -1);
        for (const std::uint32_t v : active_)
            if (const std::int32_t s = site_of(label_[v]); s >= 0)
                result.basin[v] = rank[static_cast<std::size_t>(s)];
        return result;
    }

    struct Site {
        std::int32_t maximum;
        DensityPeak peak;
    };

    const VoxelGrid& grid_;
    std::span<const double> density_;
    const PeakOptions& options_;
    Neighbourhood around_;
    double mean_ = 0;
    std::vector<std::uint32_t> active_, uphill_; // voxels above the floor, highest first
    std::vector<std::int32_t> label_;            // maximum of each voxel, -1 below the floor
    std::vector<std::size_t> maxima_;            // their voxels, highest first
    MaximumSets sets_;
    std::map<Pair, double> passes_; // highest pass between two sets that stay apart
    std::vector<bool> dropped_;
    std::vector<Site> sites_;          // by falling height
    std::vector<std::int32_t> number_; // site of each maximum that stands for its set
};

std::string plural(std::int64_t n, const char* one, const char* many) {
    return fmt::format("{} {}", n, n == 1 ? one : many);
}

/// Pairs of a site and a peak of the half, one to one, nearest first.
void match_half(const Cell& cell, std::vector<DensitySite>& sites, const std::vector<DensityPeak>& peaks,
                std::size_t half, double limit) {
    struct Candidate {
        double distance;
        std::size_t site, peak;
    };
    std::vector<Candidate> candidates;
    for (std::size_t s = 0; s < sites.size(); ++s)
        for (std::size_t p = 0; p < peaks.size(); ++p) {
            const double d = cell.minimum_image(peaks[p].position - sites[s].peak.position).norm();
            if (d <= limit) candidates.push_back({d, s, p});
        }
    std::sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) {
        return std::tie(a.distance, a.site, a.peak) < std::tie(b.distance, b.site, b.peak);
    });
    std::vector<bool> taken(peaks.size(), false);
    for (const Candidate& c : candidates) {
        if (taken[c.peak] || sites[c.site].half_peak[half] >= 0) continue;
        taken[c.peak] = true;
        sites[c.site].half_peak[half] = static_cast<std::int32_t>(c.peak);
        sites[c.site].half_distance[half] = c.distance;
    }
}

void state(DensitySites& found, std::size_t n_ions, const DensityOptions& options) {
    const std::size_t n = found.sites.size(), certain = found.n_certain();
    found.statement =
        fmt::format("{} of {} sites are certain: each half of the data alone has them within {:g} A.",
                    certain, n, options.stability_distance);
    double ions = 0;
    for (const DensitySite& s : found.sites)
        if (!s.certain) ions += s.occupancy;
    if (certain < n)
        found.statement +=
            fmt::format(" The other {} hold {:.2g} of {} ions on average.", n - certain, ions, n_ions);
    if (const std::size_t shallow = found.n_shallow(); shallow > 0)
        found.statement +=
            fmt::format(" {} shallow: the pass to a neighbour is above half the peak, hops over it are "
                        "hardly told from rattling.",
                        shallow == 1 ? "1 site is" : fmt::format("{} sites are", shallow));
    const std::int64_t lost = found.unmatched_peaks[0] + found.unmatched_peaks[1];
    if (lost > 0)
        found.statement += fmt::format(" {} of one half {} no site of the whole.",
                                       plural(lost, "peak", "peaks"), lost == 1 ? "is" : "are");

    if (n < n_ions)
        found.warnings.push_back(
            fmt::format("The density has {} sites for {} ions: ions share sites. Use less "
                        "smoothing or lower thresholds, if that is not meant",
                        n, n_ions));
    if (10 * (n - certain) > n)
        found.warnings.push_back(fmt::format("Only {} of {} density sites are found in both halves of the "
                                             "data: the list is not converged. Use "
                                             "a longer trajectory, or drop rare sites (min_occupancy)",
                                             certain, n));
    if (static_cast<std::size_t>(10 * lost) > 2 * n)
        found.warnings.push_back(
            fmt::format("The halves of the data have {} peaks that are no site of the whole: more "
                        "data may show more sites",
                        lost));
    if (found.outside_fraction > 0.02)
        found.warnings.push_back(
            fmt::format("{:.1f} % of the time ions are in no basin of the density. Lower the floor "
                        "or the threshold",
                        100 * found.outside_fraction));
}

} // namespace

Watershed find_watershed(const VoxelGrid& grid, std::span<const double> density, const PeakOptions& options) {
    check_options(grid, options);
    if (density.size() != grid.size())
        throw DataError(
            fmt::format("{} densities do not fit a grid of {} voxels. Use the grid they were counted on",
                        density.size(), grid.size()));
    Watershed result = Flood(grid, density, options).run();
    if (result.peaks.empty())
        throw DataError(
            fmt::format("The density has no peak of {:g} times its mean that holds {:g} ions. Lower the "
                        "threshold or the least occupancy, or use more data",
                        options.threshold, options.min_occupancy));
    return result;
}

double DensitySite::persistence() const {
    return peak.saddle > 0 ? peak.height / peak.saddle : std::numeric_limits<double>::infinity();
}

std::size_t DensitySites::n_certain() const {
    return static_cast<std::size_t>(
        std::count_if(sites.begin(), sites.end(), [](const DensitySite& s) { return s.certain; }));
}

std::size_t DensitySites::n_shallow() const {
    return static_cast<std::size_t>(
        std::count_if(sites.begin(), sites.end(), [](const DensitySite& s) { return s.persistence() < 2; }));
}

DensitySites find_density_sites(const VoxelGrid& grid, const VoxelCounts& counts, std::size_t n_ions,
                                const DensityOptions& options) {
    if (!(options.stability_distance > 0))
        throw DataError(fmt::format("The stability distance {} A is not positive. Give one of 0.3 to 0.5 A",
                                    options.stability_distance));
    DensitySites found{{}, {grid, {}, options.peaks.floor > 0}, {}, counts.frames, {}, {}, 0, "", {}};
    const std::vector<std::uint32_t> total = counts.total();
    found.density = smoothed_density(grid, total, counts.total_frames(), options.smoothing);
    Watershed whole = find_watershed(grid, found.density, options.peaks);
    found.basins.basin = std::move(whole.basin);
    for (const DensityPeak& peak : whole.peaks) {
        found.sites.emplace_back();
        found.sites.back().peak = peak;
        found.sites.back().half_distance = {nan_value, nan_value};
        found.sites.back().half_displacement = nan_value;
    }

    std::array<std::vector<DensityPeak>, 2> half;
    std::vector<std::array<std::uint64_t, 2>> visits(found.sites.size(), {0, 0});
    std::uint64_t outside = 0;
    for (std::size_t h = 0; h < 2; ++h) {
        for (std::size_t v = 0; v < total.size(); ++v) {
            const std::int32_t s = found.basins.basin[v];
            (s >= 0 ? visits[static_cast<std::size_t>(s)][h] : outside) += counts.counts[h][v];
        }
        try {
            half[h] = find_watershed(
                          grid, smoothed_density(grid, counts.counts[h], counts.frames[h], options.smoothing),
                          options.peaks)
                          .peaks;
        } catch (const DataError&) { // too few data for any peak: nothing is found, nothing is certain
        }
        match_half(grid.axes(), found.sites, half[h], h, options.stability_distance);
        found.half_peaks[h] = static_cast<std::int64_t>(half[h].size());
        found.unmatched_peaks[h] = found.half_peaks[h];
    }
    for (std::size_t k = 0; k < found.sites.size(); ++k) {
        DensitySite& s = found.sites[k];
        s.occupancy =
            static_cast<double>(visits[k][0] + visits[k][1]) / static_cast<double>(counts.total_frames());
        for (std::size_t h = 0; h < 2; ++h) {
            s.half_occupancy[h] = static_cast<double>(visits[k][h]) / static_cast<double>(counts.frames[h]);
            found.unmatched_peaks[h] -= s.half_peak[h] >= 0;
        }
        if (s.half_peak[0] < 0 || s.half_peak[1] < 0) continue;
        s.half_displacement = grid.axes()
                                  .minimum_image(half[1][static_cast<std::size_t>(s.half_peak[1])].position -
                                                 half[0][static_cast<std::size_t>(s.half_peak[0])].position)
                                  .norm();
        s.certain = s.half_displacement <= options.stability_distance;
    }
    found.outside_fraction = static_cast<double>(outside) /
                             (static_cast<double>(counts.total_frames()) * static_cast<double>(n_ions));
    state(found, n_ions, options);
    return found;
}

} // namespace mesolith
