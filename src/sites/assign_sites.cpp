#include "mesolith/sites/assign_sites.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include <fmt/format.h>

#include "mesolith/core/error.hpp"
#include "mesolith/core/parallel.hpp"
#include "mesolith/sites/density_sites.hpp"

namespace mesolith {

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double distance_bin = 0.02;      // [A]
constexpr double largest_coordinate = 1e8; // [A], so that image numbers fit into 32 bits
constexpr std::size_t ions_per_block = 8;
constexpr std::size_t ion_frames_per_batch = 1
                                             << 16; // stays in the cache, and keeps threads busy for a while
constexpr std::size_t listed_neighbours =
    64; // mean number per site; ions further out are compared with all sites

struct Neighbour {
    double distance = 0;    // |x_t + shift A - x_s|
    Vec3 vector;            // x_t + shift A - x_s
    std::int32_t site = -1; // t
    IVec3 shift;
};

/// Sites and what is needed to find the nearest one. Fixed for the whole trajectory.
struct SiteTable {
    Cell cell;
    std::vector<Vec3> position;
    std::vector<double>
        safe2; // squared half distance to the nearest neighbour: inside it the site is nearest
    std::vector<double> core2;         // squared core radius
    std::vector<std::size_t> first{0}; // neighbours of s: [first[s], first[s + 1]), by distance
    std::vector<Neighbour> neighbours;
    double reach = 0; // all neighbours up to this distance are listed
};

/// The other sites, and images of the site itself, within `reach`, nearest first.
std::vector<Neighbour> neighbours_within(const SiteTable& table, std::size_t s,
                                         const std::vector<Vec3>& fractional, double reach) {
    const Vec3 steps =
        table.cell.perpendicular_width().cwiseInverse() * reach; // how far the sphere goes, in cells
    std::vector<Neighbour> found;
    for (std::size_t t = 0; t < fractional.size(); ++t) {
        const Vec3 f = fractional[t] - fractional[s];
        const Vec3 low = (-f - steps).array().ceil(), high = (steps - f).array().floor();
        for (int i = static_cast<int>(low[0]); i <= static_cast<int>(high[0]); ++i)
            for (int j = static_cast<int>(low[1]); j <= static_cast<int>(high[1]); ++j)
                for (int k = static_cast<int>(low[2]); k <= static_cast<int>(high[2]); ++k) {
                    if (t == s && i == 0 && j == 0 && k == 0) continue;
                    const Vec3 v = table.cell.to_cartesian(f + Vec3(i, j, k));
                    if (v.norm() <= reach)
                        found.push_back({v.norm(), v, static_cast<std::int32_t>(t), IVec3(i, j, k)});
                }
    }
    std::sort(found.begin(), found.end(),
              [](const Neighbour& a, const Neighbour& b) { return a.distance < b.distance; });
    return found;
}

SiteTable make_table(const SiteSet& sites) {
    const std::size_t n = sites.size();
    if (n == 0) throw DataError("There are no sites to assign ions to. Check the site list");
    SiteTable table;
    table.cell = sites.cell;
    for (std::size_t s = 0; s < n; ++s)
        table.position.push_back(sites.position(SiteId(static_cast<std::int64_t>(s))));

    const double per_site = sites.cell.volume() / static_cast<double>(n);
    table.reach = std::cbrt(listed_neighbours * per_site * 0.75 / std::numbers::pi);
    std::vector<std::vector<Neighbour>> lists(n);
    std::vector<double> nearest(n);
    for_blocks(n, 16, [&](std::size_t begin, std::size_t end) {
        for (std::size_t s = begin; s < end; ++s) {
            lists[s] = neighbours_within(table, s, sites.fractional, table.reach);
            double reach = table.reach; // sites far from all others: look further for the nearest one alone
            std::vector<Neighbour> further;
            while (lists[s].empty() && further.empty())
                further = neighbours_within(table, s, sites.fractional, reach *= 2);
            nearest[s] = lists[s].empty() ? further[0].distance : lists[s][0].distance;
            if (nearest[s] < 1e-3)
                throw DataError(
                    fmt::format("Sites {} and {} coincide (they are {:.2g} A apart). Remove one of the two",
                                s, lists[s].empty() ? further[0].site : lists[s][0].site, nearest[s]));
        }
    });
    for (std::size_t s = 0; s < n; ++s) {
        const double half = 0.5 * (1 - 1e-12) * nearest[s];
        table.safe2.push_back(half * half);
        table.neighbours.insert(table.neighbours.end(), lists[s].begin(), lists[s].end());
        table.first.push_back(table.neighbours.size());
    }
    return table;
}

/// Core radius of each orbit; table.safe2 tells how large it may be.
std::vector<double> core_radii(const SiteSet& sites, const SiteTable& table,
                               const AssignmentOptions& options) {
    std::size_t n_orbits = 0;
    for (const std::int32_t orbit : sites.basis.orbit)
        n_orbits = std::max(n_orbits, static_cast<std::size_t>(orbit) + 1);
    std::vector<double> radius = options.core_radius_per_orbit;
    if (radius.empty()) radius.assign(n_orbits, options.core_radius);
    if (radius.size() != n_orbits)
        throw DataError(
            fmt::format("{} core radii are given for {} orbits of sites. Give one per orbit, or one for all",
                        radius.size(), n_orbits));
    std::vector<double> half(n_orbits, infinity);
    for (std::size_t s = 0; s < sites.size(); ++s) {
        double& h = half[static_cast<std::size_t>(sites.basis.orbit[sites.base[s].at()])];
        h = std::min(h, std::sqrt(table.safe2[s]));
    }
    for (std::size_t o = 0; o < n_orbits; ++o) {
        if (!(radius[o] > 0) || !std::isfinite(radius[o]))
            throw DataError(
                fmt::format("The core radius {} A of site orbit {} is not positive. Give a radius above 0",
                            radius[o], o + 1));
        if (radius[o] <= half[o] * (1 + 1e-9)) continue;
        if (options.method == Assignment::core && !options.shrink_cores)
            throw DataError(fmt::format(
                "The core radius {} A of site orbit {} is too large (half the distance to the nearest site "
                "is {:.4f} A: cores would overlap). Make it smaller",
                radius[o], o + 1, half[o]));
        radius[o] = half[o];
    }
    return radius;
}

/// Where one ion is.
struct Ion {
    Vec3 at = Vec3::Zero(); // position of the nearest site, in its image
    double safe2 = -1;      // of that site; -1 before the first frame
    double enter2 = -1;     // squared radius of its core, -1 when that core was the last one entered
    std::int32_t site = -1;
    IVec3 cell = IVec3::Zero();
    SiteId core; // last core entered
    IVec3 core_cell = IVec3::Zero();
    SiteId basin; // that holds it
    IVec3 basin_cell = IVec3::Zero();
};

struct Tally {
    std::int64_t nearest_changes = 0, core_hops = 0, misses = 0;
    std::vector<std::int64_t> histogram = std::vector<std::int64_t>(128, 0);

    void add_distance(double d) {
        const auto bin = static_cast<std::size_t>(d * (1 / distance_bin));
        if (bin >= histogram.size()) histogram.resize(bin + 1, 0);
        ++histogram[bin];
    }
};

double move_to(const SiteTable& table, Ion& ion, const Vec3& r, std::int32_t site, const IVec3& cell) {
    ion.site = site;
    ion.cell = cell;
    const auto s = static_cast<std::size_t>(site);
    ion.at = table.position[s] + table.cell.to_cartesian(cell.cast<double>());
    ion.safe2 = table.safe2[s];
    ion.enter2 = ion.core.value == site && ion.core_cell == cell ? -1 : table.core2[s];
    return (r - ion.at).squaredNorm();
}

/// Compare with every site. Equally near ones lose against the present state.
double search_all(const SiteTable& table, Ion& ion, const Vec3& r) {
    double best = ion.site < 0 ? infinity : (r - ion.at).squaredNorm();
    std::int32_t site = ion.site;
    IVec3 cell = ion.cell;
    for (std::size_t s = 0; s < table.position.size(); ++s) {
        const Vec3 d = table.position[s] - r;
        const IVec3 n = table.cell.nearest_image_shift(d);
        const double d2 = (d + table.cell.to_cartesian(n.cast<double>())).squaredNorm();
        if (d2 < best * (1 - 1e-14)) { // the state itself comes up again, with other rounding
            best = d2;
            site = static_cast<std::int32_t>(s);
            cell = n;
        }
    }
    return move_to(table, ion, r, site, cell);
}

/// The nearest site when the ion is no longer safely at its old one; returns the squared distance.
double settle(const SiteTable& table, Ion& ion, const Vec3& r) {
    if (ion.site < 0) return search_all(table, ion, r);
    const auto s = static_cast<std::size_t>(ion.site);
    const Vec3 d = r - ion.at;
    double best2 = d.squaredNorm();
    const double from_s = std::sqrt(best2);
    if (!(2 * from_s < table.reach)) return search_all(table, ion, r);
    double limit = 2 * from_s;
    const Neighbour* nearest = nullptr;
    for (std::size_t k = table.first[s]; k < table.first[s + 1]; ++k) {
        const Neighbour& t = table.neighbours[k];
        if (t.distance >= limit) break;
        const double d2 = (d - t.vector).squaredNorm();
        if (d2 >= best2) continue;
        best2 = d2;
        nearest = &t;
        limit = from_s + std::sqrt(d2);
    }
    if (!nearest) return best2;
    return move_to(table, ion, r, nearest->site, ion.cell + nearest->shift);
}

} // namespace

struct SiteMapper::State {
    SiteSet sites;
    AssignmentOptions options;
    double frame_interval;
    std::size_t n_ions;
    SiteTable table;
    std::vector<double> core_radius;

    std::size_t frames_per_batch;
    std::vector<Vec3> batch;              // [frame][ion]
    std::vector<std::int32_t> batch_site; // nearest site, [frame][ion]
    std::size_t batched = 0;

    std::int64_t n_frames = 0; // worked on
    std::vector<Ion> ions;
    std::vector<std::vector<SiteEvent>> events;
    std::vector<Tally> tallies; // one per block of ions
    std::int64_t doubly_occupied = 0;

    State(const SiteSet& s, AssignmentOptions o, std::size_t n, double interval)
        : sites(s), options(std::move(o)), frame_interval(interval), n_ions(n), table(make_table(sites)) {
        if (n == 0)
            throw DataError("There are no ions to assign (no atom is mobile). Check the mobile species");
        if (!(interval > 0) || !std::isfinite(interval))
            throw DataError(fmt::format(
                "The frame interval {} ps is not positive. Give the time between frames", interval));
        if (sites.base.size() != sites.size() || sites.basis.orbit.size() != sites.basis.size())
            throw DataError("The site set is not folded (sites without a basis site). Build it by "
                            "place_sites or fold_sites");
        core_radius = core_radii(sites, table, options);
        for (const SiteId b : sites.base) {
            const double r = core_radius[static_cast<std::size_t>(sites.basis.orbit[b.at()])];
            table.core2.push_back(r * r);
        }
        check_basins();
        frames_per_batch = std::clamp<std::size_t>(ion_frames_per_batch / n_ions, 8, 4096);
        batch.resize(frames_per_batch * n_ions);
        batch_site.resize(batch.size());
        clear();
    }

    void check_basins() const {
        if (options.method != Assignment::watershed) return;
        if (!options.basins || options.basins->basin.size() != options.basins->grid.size())
            throw DataError("There are no basins to assign ions to. Use sites found from the density");
        for (const std::int32_t b : options.basins->basin)
            if (b >= static_cast<std::int32_t>(sites.size()))
                throw DataError(fmt::format("A basin belongs to site {} of {}. Use the basins of these sites",
                                            b, sites.size()));
    }

    /// The site whose basin holds the ion; outside all basins the nearest one or none.
    void enter_basin(Ion& ion, const Vec3& r) const {
        const BasinMap& map = *options.basins;
        const std::int32_t site = map.basin[map.grid.voxel_of(sites.cell.to_fractional(r))];
        if (site < 0) {
            ion.basin = map.unassigned_outside ? SiteId::none() : SiteId(ion.site);
            ion.basin_cell = map.unassigned_outside ? IVec3::Zero() : ion.cell;
        } else if (site == ion.site) { // also the nearest one: its image is known
            ion.basin = SiteId(site);
            ion.basin_cell = ion.cell;
        } else {
            ion.basin = SiteId(site);
            ion.basin_cell =
                sites.cell.nearest_image_shift(table.position[static_cast<std::size_t>(site)] - r);
        }
    }

    void clear() {
        batched = 0;
        n_frames = 0;
        doubly_occupied = 0;
        ions.assign(n_ions, Ion{});
        events.assign(n_ions, {});
        tallies.assign((n_ions + ions_per_block - 1) / ions_per_block, Tally{});
    }

    void record(std::size_t ion, std::int32_t frame, SiteId site, const IVec3& cell) {
        std::vector<SiteEvent>& list = events[ion];
        if (!list.empty() && list.back().frame == frame)
            list.pop_back(); // replaces the "none" of the first frame
        list.push_back({frame, site, cell});
    }

    void follow_ions(std::size_t begin, std::size_t end) {
        const bool by_core = options.method == Assignment::core,
                   by_nearest = options.method == Assignment::nearest,
                   by_basin = options.method == Assignment::watershed;
        Tally& tally = tallies[begin / ions_per_block];
        for (std::size_t f = 0; f < batched; ++f) {
            const auto frame = static_cast<std::int32_t>(n_frames + static_cast<std::int64_t>(f));
            for (std::size_t i = begin; i < end; ++i) {
                Ion& ion = ions[i];
                const Vec3& r = batch[f * n_ions + i];
                double d2 = (r - ion.at).squaredNorm();
                if (!(d2 < ion.safe2)) {
                    const bool first = ion.site < 0;
                    const std::int32_t old_site = ion.site;
                    const IVec3 old_cell = ion.cell;
                    d2 = settle(table, ion, r);
                    const bool changed = ion.site != old_site || ion.cell != old_cell;
                    if (!first) {
                        ++tally.misses;
                        tally.nearest_changes += changed;
                    }
                    if (by_core && first) record(i, frame, SiteId::none(), IVec3::Zero());
                    if (by_nearest && changed) record(i, frame, SiteId(ion.site), ion.cell);
                }
                if (d2 < ion.enter2) {
                    tally.core_hops += ion.core.valid();
                    ion.core = SiteId(ion.site);
                    ion.core_cell = ion.cell;
                    ion.enter2 = -1;
                    if (by_core) record(i, frame, ion.core, ion.core_cell);
                }
                if (by_basin) {
                    const SiteId old_basin = ion.basin;
                    const IVec3 old_basin_cell = ion.basin_cell;
                    enter_basin(ion, r);
                    if (frame == 0 || ion.basin != old_basin || ion.basin_cell != old_basin_cell)
                        record(i, frame, ion.basin, ion.basin_cell);
                }
                tally.add_distance(std::sqrt(d2));
                batch_site[f * n_ions + i] = ion.site;
            }
        }
    }

    std::int64_t count_doubly_occupied() const {
        constexpr std::size_t frames_per_block = 32;
        std::vector<std::int64_t> found((batched + frames_per_block - 1) / frames_per_block, 0);
        for_blocks(batched, frames_per_block, [&](std::size_t begin, std::size_t end) {
            std::vector<std::size_t> last_frame(sites.size(), batched); // in which the site was met
            for (std::size_t f = begin; f < end; ++f) {
                bool twice = false;
                for (std::size_t i = 0; i < n_ions; ++i) {
                    std::size_t& last = last_frame[static_cast<std::size_t>(batch_site[f * n_ions + i])];
                    twice |= last == f;
                    last = f;
                }
                found[begin / frames_per_block] += twice;
            }
        });
        std::int64_t sum = 0;
        for (const std::int64_t n : found) sum += n;
        return sum;
    }

    void flush() {
        if (batched == 0) return;
        for_blocks(n_ions, ions_per_block,
                   [&](std::size_t begin, std::size_t end) { follow_ions(begin, end); });
        doubly_occupied += count_doubly_occupied();
        n_frames += static_cast<std::int64_t>(batched);
        batched = 0;
    }
};

SiteMapper::SiteMapper(const SiteSet& sites, AssignmentOptions options, std::size_t n_ions,
                       double frame_interval)
    : state_(std::make_unique<State>(sites, std::move(options), n_ions, frame_interval)) {}
SiteMapper::~SiteMapper() = default;
SiteMapper::SiteMapper(SiteMapper&&) noexcept = default;
SiteMapper& SiteMapper::operator=(SiteMapper&&) noexcept = default;

void SiteMapper::add_frame(std::span<const Vec3> positions) {
    State& s = *state_;
    const std::int64_t frame = s.n_frames + static_cast<std::int64_t>(s.batched);
    if (positions.size() != s.n_ions)
        throw DataError(fmt::format("Frame {} has {} ions instead of {}. All frames must have the same ions",
                                    frame, positions.size(), s.n_ions));
    if (frame == std::numeric_limits<std::int32_t>::max())
        throw DataError("The trajectory has more than 2147483647 frames. Use a stride");
    const auto usable = [](const Vec3& r) {
        return r.cwiseAbs().maxCoeff<Eigen::PropagateNaN>() < largest_coordinate;
    };
    Vec3* const slot = s.batch.data() + s.batched * s.n_ions;
    bool all_usable = true;
    for (std::size_t i = 0; i < s.n_ions; ++i) {
        slot[i] = positions[i];
        all_usable &= (std::abs(slot[i][0]) < largest_coordinate) &
                      (std::abs(slot[i][1]) < largest_coordinate) &
                      (std::abs(slot[i][2]) < largest_coordinate); // false for NaN
    }
    if (!all_usable) {
        const auto bad = std::find_if_not(positions.begin(), positions.end(), usable);
        throw DataError(fmt::format(
            "Frame {}: the position ({}, {}, {}) of ion {} is not a usable number (NaN, or beyond 1e8 A). "
            "The trajectory is damaged or the simulation exploded",
            frame, (*bad)[0], (*bad)[1], (*bad)[2], bad - positions.begin()));
    }
    if (++s.batched == s.frames_per_batch) s.flush();
}

SiteTrajectory SiteMapper::finish() {
    State& s = *state_;
    s.flush();
    if (s.n_frames == 0)
        throw DataError("No frames were assigned (the trajectory is empty). Check its range of frames");
    SiteTrajectory trajectory;
    trajectory.n_frames = s.n_frames;
    trajectory.frame_interval = s.frame_interval;
    for (const std::vector<SiteEvent>& list : s.events) {
        trajectory.events.insert(trajectory.events.end(), list.begin(), list.end());
        trajectory.offsets.push_back(trajectory.events.size());
    }
    s.clear();
    return trajectory;
}

SiteDiagnostics SiteMapper::diagnostics() const {
    State& s = *state_;
    s.flush();
    SiteDiagnostics result;
    result.frames = s.n_frames;
    result.distance_bin = distance_bin;
    result.half_site_distance = std::sqrt(*std::min_element(s.table.safe2.begin(), s.table.safe2.end()));
    result.core_radius = s.core_radius;
    result.occupancy.assign(s.sites.size(), 0);
    if (s.n_frames == 0) return result;

    const auto frames = static_cast<double>(s.n_frames);
    std::int64_t unassigned = 0;
    std::vector<std::int64_t> ion_frames(s.sites.size(), 0);
    for (const std::vector<SiteEvent>& list : s.events)
        for (std::size_t e = 0; e < list.size(); ++e) {
            const std::int64_t end = e + 1 < list.size() ? list[e + 1].frame : s.n_frames;
            (list[e].site.valid() ? ion_frames[list[e].site.at()] : unassigned) += end - list[e].frame;
        }
    for (std::size_t site = 0; site < s.sites.size(); ++site)
        result.occupancy[site] = static_cast<double>(ion_frames[site]) / frames;
    result.unassigned_fraction = static_cast<double>(unassigned) / (frames * static_cast<double>(s.n_ions));
    result.doubly_occupied_fraction = static_cast<double>(s.doubly_occupied) / frames;

    for (const Tally& tally : s.tallies) {
        result.nearest_changes += tally.nearest_changes;
        result.core_hops += tally.core_hops;
        result.shortcut_misses += tally.misses;
        if (tally.histogram.size() > result.distance_histogram.size())
            result.distance_histogram.resize(tally.histogram.size(), 0);
        for (std::size_t b = 0; b < tally.histogram.size(); ++b)
            result.distance_histogram[b] += tally.histogram[b];
    }
    while (result.distance_histogram.size() > 1 && result.distance_histogram.back() == 0)
        result.distance_histogram.pop_back();
    const double total = frames * static_cast<double>(s.n_ions);
    for (const double level : SiteDiagnostics::distance_levels) {
        double below = 0;
        for (std::size_t b = 0; b < result.distance_histogram.size(); ++b) {
            const auto here = static_cast<double>(result.distance_histogram[b]);
            if (below + here >= level * total) { // straight line within the bin
                result.distance_quantiles.push_back(
                    distance_bin * (static_cast<double>(b) + (level * total - below) / here));
                break;
            }
            below += here;
        }
    }
    return result;
}

SiteMapperState SiteMapper::state() const {
    State& s = *state_;
    s.flush();
    SiteMapperState result;
    result.n_frames = s.n_frames;
    result.doubly_occupied = s.doubly_occupied;
    const auto add = [](std::vector<std::int32_t>& to, std::int32_t site, const IVec3& cell) {
        to.insert(to.end(), {site, cell[0], cell[1], cell[2]});
    };
    for (const Ion& ion : s.ions) {
        add(result.ions, ion.site, ion.cell);
        add(result.ions, ion.core.value, ion.core_cell);
        add(result.ions, ion.basin.value, ion.basin_cell);
    }
    for (const std::vector<SiteEvent>& list : s.events) {
        result.n_events.push_back(static_cast<std::int32_t>(list.size()));
        for (const SiteEvent& event : list) {
            result.events.push_back(event.frame);
            add(result.events, event.site.value, event.cell);
        }
    }
    for (const Tally& tally : s.tallies) {
        result.tallies.insert(result.tallies.end(), {tally.nearest_changes, tally.core_hops, tally.misses,
                                                     static_cast<std::int64_t>(tally.histogram.size())});
        result.tallies.insert(result.tallies.end(), tally.histogram.begin(), tally.histogram.end());
    }
    return result;
}

void SiteMapper::restore(const SiteMapperState& from) {
    State& s = *state_;
    s.clear();
    const auto require = [&](bool holds) {
        if (!holds)
            throw DataError("The state of the mapping does not belong to these sites and ions. Start anew");
    };
    const auto n_sites = static_cast<std::int32_t>(s.sites.size());
    const auto vector_at = [](const std::int32_t* p) { return IVec3(p[0], p[1], p[2]); };
    require(from.ions.size() == 12 * s.n_ions && from.n_events.size() == s.n_ions && from.n_frames >= 0);
    s.n_frames = from.n_frames;
    s.doubly_occupied = from.doubly_occupied;
    std::size_t event = 0;
    for (std::size_t i = 0; i < s.n_ions; ++i) {
        const std::int32_t* p = from.ions.data() + 12 * i;
        for (const std::int32_t site : {p[0], p[4], p[8]}) require(site >= -1 && site < n_sites);
        Ion& ion = s.ions[i];
        ion.core = SiteId(p[4]);
        ion.core_cell = vector_at(p + 5);
        ion.basin = SiteId(p[8]);
        ion.basin_cell = vector_at(p + 9);
        if (p[0] >= 0) move_to(s.table, ion, Vec3::Zero(), p[0], vector_at(p + 1));
        require(from.n_events[i] >= 0 &&
                5 * (event + static_cast<std::size_t>(from.n_events[i])) <= from.events.size());
        for (std::int32_t k = 0; k < from.n_events[i]; ++k, ++event) {
            const std::int32_t* e = from.events.data() + 5 * event;
            require(e[1] >= -1 && e[1] < n_sites);
            s.events[i].push_back({e[0], SiteId(e[1]), vector_at(e + 2)});
        }
    }
    require(5 * event == from.events.size());
    std::size_t at = 0;
    for (Tally& tally : s.tallies) {
        require(at + 4 <= from.tallies.size());
        const std::int64_t* t = from.tallies.data() + at;
        require(t[3] >= 0 && at + 4 + static_cast<std::size_t>(t[3]) <= from.tallies.size());
        tally.nearest_changes = t[0];
        tally.core_hops = t[1];
        tally.misses = t[2];
        tally.histogram.assign(t + 4, t + 4 + t[3]);
        at += 4 + static_cast<std::size_t>(t[3]);
    }
    require(at == from.tallies.size());
}

} // namespace mesolith
