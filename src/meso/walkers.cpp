#include "mesolith/meso/walkers.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <tuple>

#include <boost/random/poisson_distribution.hpp>
#include <fmt/core.h>

#include "mesolith/core/error.hpp"
#include "mesolith/core/parallel.hpp"
#include "mesolith/core/random.hpp"

#include "exponential.hpp"
#include "walk_lanes.hpp"

namespace mesolith {

namespace {

constexpr std::size_t walkers_per_block = 4096;

/// Slots of walkers that left are taken again from steps on that are multiples of this.
constexpr std::uint64_t release_interval = 64;

// Streams of RngUse::reservoir: how many come in through a face, and where, so many ions per stream.
constexpr std::uint64_t continuous_streams = std::uint64_t{1} << 40; // of continuous time: behind these
constexpr std::uint64_t ions_per_stream = 32768;                     // 3 numbers each, of 2^17

std::int32_t cell_32(std::uint64_t cell) {
    const auto value = static_cast<std::int64_t>(cell);
    if (value < std::numeric_limits<std::int32_t>::min() || value > std::numeric_limits<std::int32_t>::max())
        throw DataError(fmt::format("walker in cell {} (cells go to 2^31). Simulate a shorter time", value));
    return static_cast<std::int32_t>(value);
}

std::uint64_t wrapped_into(std::int32_t cell, int n, bool periodic) {
    const std::int64_t c = cell;
    return static_cast<std::uint64_t>(periodic ? (c % n + n) % n : c);
}

void sort_exits(std::vector<Exit>& exits) {
    std::sort(exits.begin(), exits.end(), [](const Exit& a, const Exit& b) {
        return std::tie(a.time, a.walker) < std::tie(b.time, b.walker);
    });
}

void check_counters(const Walkers& walkers, std::uint64_t first_step, std::uint64_t n_steps) {
    // Twice as many steps as blocks, and the sum must not wrap.
    if (walkers.first + walkers.size() > RandomCounter::max_stream || first_step > RandomCounter::max_step ||
        n_steps > RandomCounter::max_step - first_step)
        throw DataError(fmt::format(
            "walkers up to {}, steps up to {} + {} (walkers go to 2^48, steps to 2^56). Use fewer",
            walkers.first + walkers.size(), first_step, n_steps));
}

/// An ion that comes in: it makes its first hop in step `when`, or at `time` of the interval.
struct Birth {
    std::uint64_t cell = 0;
    std::int32_t site = 0;
    std::uint64_t slot = 0, when = 0;
    double time = 0;
};

/// The ions that come in through a face in one step (or interval): `mean` of them on average.
std::vector<Birth> draw_births(const Inflow& inflow, double mean, std::uint64_t seed, std::uint64_t stream,
                               std::uint64_t step, double duration) {
    if (!(mean > 0)) return {};
    Stream random(seed, RngUse::reservoir, stream, step);
    const std::int64_t n = boost::random::poisson_distribution<std::int64_t, double>(mean)(random);
    std::vector<Birth> births(static_cast<std::size_t>(n));
    for (std::size_t begin = 0; begin < births.size(); begin += ions_per_stream) {
        Stream places(seed, RngUse::reservoir, stream + 6 * (1 + begin / ions_per_stream), step);
        for (std::size_t k = begin; k < std::min(births.size(), begin + ions_per_stream); ++k) {
            const auto [slot, rest] = slot_and_rest(places.bits64(), inflow.slots.size());
            const AliasSlot& drawn = inflow.slots[slot];
            const Inflow::Place& place = inflow.places[rest < drawn.threshold ? drawn.kept : drawn.alias];
            births[k].site = place.site;
            births[k].cell =
                inflow.cells[place.first_cell + slot_and_rest(places.bits64(), place.n_cells).slot];
            if (duration > 0) births[k].time = duration * uniform01(places);
        }
    }
    return births;
}

/// Slots for them, in their order: free ones from the back, then new ones.
void assign_slots(Walkers& walkers, std::span<Birth> births) {
    std::uint64_t next = walkers.size();
    for (Birth& b : births) {
        if (walkers.free.empty()) {
            b.slot = next++;
        } else {
            b.slot = walkers.free.back();
            walkers.free.pop_back();
        }
    }
}

void put(Walkers& walkers, const JumpTable& jumps, std::span<const Birth> births) {
    std::uint64_t size = walkers.size();
    for (const Birth& b : births) size = std::max(size, b.slot + 1);
    if (walkers.first + size > RandomCounter::max_stream)
        throw DataError(fmt::format("{} walkers (they go to 2^48). Use fewer", walkers.first + size));
    walkers.site.resize(size);
    walkers.x.resize(size), walkers.y.resize(size), walkers.z.resize(size);
    walkers.start.resize(size);
    const auto nx = static_cast<std::uint64_t>(jumps.cells[0]),
               ny = static_cast<std::uint64_t>(jumps.cells[1]);
    for (const Birth& b : births) {
        walkers.site[b.slot] = b.site;
        walkers.x[b.slot] = static_cast<std::int32_t>(b.cell % nx);
        walkers.y[b.slot] = static_cast<std::int32_t>(b.cell / nx % ny);
        walkers.z[b.slot] = static_cast<std::int32_t>(b.cell / nx / ny);
        walkers.start[b.slot] = b.cell * jumps.n_basis + static_cast<std::uint64_t>(b.site);
    }
}

/// All slots of those that left, the lowest at the back.
void release(Walkers& walkers) {
    walkers.free.clear();
    for (std::size_t w = walkers.size(); w-- > 0;)
        if (walkers.gone(w)) walkers.free.push_back(w);
}

/// Births of steps [begin, end), step by step; those of a step make their first hop in the next.
std::vector<Birth> births_of_steps(Walkers& walkers, const JumpTable& jumps, std::uint64_t seed,
                                   std::uint64_t begin, std::uint64_t end, Passages& passages) {
    std::vector<std::vector<Birth>> drawn(6 * (end - begin));
    for_each_index(drawn.size(), [&](std::size_t k) {
        const Inflow& inflow = jumps.inflow[k % 6];
        drawn[k] = draw_births(inflow, inflow.mean, seed, k % 6, begin + k / 6, 0);
        for (Birth& b : drawn[k]) b.when = begin + k / 6 + 1;
    });
    std::vector<Birth> births;
    for (std::size_t k = 0; k < drawn.size(); ++k) {
        passages.entered[k % 6] += drawn[k].size();
        births.insert(births.end(), drawn[k].begin(), drawn[k].end());
    }
    assign_slots(walkers, births);
    return births;
}

/// Walkers that step together, and what they hop by.
class Walking {
public:
    Walking(Walkers& walkers, const JumpTable& jumps, const Walk& walk)
        : walkers_(walkers), jumps_(jumps), walk_(walk),
          surroundings_(jumps.crystal() ? Surroundings::crystal
                        : jumps.open()  ? Surroundings::open
                                        : Surroundings::closed) {}

    /// Those of slots [begin, end) that have not left.
    void walk_slots(std::size_t begin, std::size_t end, std::vector<Exit>& exits) const {
        std::uint64_t slots[lanes];
        std::size_t n = 0;
        for (std::size_t w = begin; w < end; ++w) {
            if (!walkers_.gone(w)) slots[n++] = w;
            if (n == lanes || (w + 1 == end && n > 0)) {
                walk_some({slots, n}, {}, exits);
                n = 0;
            }
        }
    }
    /// Those that came in.
    void walk_births(std::span<const Birth> births, std::vector<Exit>& exits) const {
        std::uint64_t slots[lanes], awake[lanes];
        for (std::size_t k = 0; k < births.size(); k += lanes) {
            const std::size_t n = std::min(lanes, births.size() - k);
            for (std::size_t i = 0; i < n; ++i) slots[i] = births[k + i].slot, awake[i] = births[k + i].when;
            walk_some({slots, n}, {awake, n}, exits);
        }
    }

private:
    /// At most `lanes` slots; with the first step of each, ascending, or all from the start.
    void walk_some(std::span<const std::uint64_t> slots, std::span<const std::uint64_t> awake,
                   std::vector<Exit>& exits) const {
        Lanes l;
        for (std::size_t i = 0; i < lanes; ++i) { // unused lanes walk along on site 0, or sleep
            const bool in = i < slots.size();
            const std::uint64_t w = in ? slots[i] : 0;
            l.walker[i] = walkers_.first + w;
            l.site[i] = in ? static_cast<std::uint64_t>(walkers_.site[w]) : 0;
            l.x[i] = in ? static_cast<std::uint64_t>(walkers_.x[w]) : 0;
            l.y[i] = in ? static_cast<std::uint64_t>(walkers_.y[w]) : 0;
            l.z[i] = in ? static_cast<std::uint64_t>(walkers_.z[w]) : 0;
            if (surroundings_ == Surroundings::crystal) continue;
            l.wrapped_x[i] = in ? wrapped_into(walkers_.x[w], jumps_.cells[0], jumps_.periodic(0)) : 0;
            l.wrapped_y[i] = in ? wrapped_into(walkers_.y[w], jumps_.cells[1], jumps_.periodic(1)) : 0;
            l.wrapped_z[i] = in ? wrapped_into(walkers_.z[w], jumps_.cells[2], jumps_.periodic(2)) : 0;
            l.awake[i] = !in ? never : awake.empty() ? walk_.first_step : awake[i];
            l.site_left[i] = -1;
        }
        Walk walk = walk_;
        if (!awake.empty()) {
            const std::uint64_t end = walk.first_step + walk.n_steps;
            walk.first_step = std::min(awake.front(), end);
            walk.n_steps = end - walk.first_step;
        }
        walk_lanes(l, walk, surroundings_);
        for (std::size_t i = 0; i < slots.size(); ++i) {
            const std::uint64_t w = slots[i];
            walkers_.site[w] = static_cast<std::int32_t>(l.site[i]);
            walkers_.x[w] = cell_32(l.x[i]);
            walkers_.y[w] = cell_32(l.y[i]);
            walkers_.z[w] = cell_32(l.z[i]);
            if (surroundings_ != Surroundings::open || l.site_left[i] < 0) continue;
            walkers_.site[w] = -1 - (6 * l.site_left[i] + l.face[i]);
            exits.push_back({l.walker[i], static_cast<double>(l.left_in_step[i] + 1) * jumps_.lag_time,
                             l.face[i], l.site_left[i]});
        }
    }

    Walkers& walkers_;
    const JumpTable& jumps_;
    const Walk& walk_;
    Surroundings surroundings_;
};

/// f(begin, end, exits) on blocks of n; all exits together, in any order.
template <class F>
void for_blocks_with_exits(std::size_t n, std::size_t block, std::vector<Exit>& exits, F&& f) {
    std::vector<std::vector<Exit>> parts((n + block - 1) / block);
    for_blocks(n, block, [&](std::size_t begin, std::size_t end) { f(begin, end, parts[begin / block]); });
    for (const auto& part : parts) exits.insert(exits.end(), part.begin(), part.end());
}

void count_exits(Passages& passages) {
    sort_exits(passages.exits);
    for (const Exit& e : passages.exits) ++passages.left[static_cast<std::size_t>(e.face)];
}

/// Slot and time of the interval at which a walker begins.
struct Departure {
    std::uint64_t slot = 0;
    double time = 0;
};

/// Walkers in continuous time.
class Wandering {
public:
    Wandering(Walkers& walkers, const RateTable& rates, const Walk& walk, const TimeInterval& interval)
        : walkers_(walkers), rates_(rates), walk_(walk), interval_(interval) {}

    /// All to the end of the interval.
    void wander(std::span<const Departure> departures, std::vector<Exit>& exits) const {
        const JumpTable& jumps = rates_.jumps;
        if (jumps.crystal()) return in_turns<Surroundings::crystal>(departures, exits);
        if (jumps.open()) return in_turns<Surroundings::open>(departures, exits);
        in_turns<Surroundings::closed>(departures, exits);
    }

private:
    struct Traveller {
        std::uint64_t slot, site, hop;
        std::uint64_t cell[3], in_domain[3];
        double time;
        std::int32_t face;
        HopBits random;
    };

    /// A few take turns, hop by hop: the processor works on their hops at the same time.
    template <Surroundings surroundings>
    void in_turns(std::span<const Departure> departures, std::vector<Exit>& exits) const {
        Traveller travellers[8];
        std::size_t n = 0, next = 0;
        while (n < std::size(travellers) && next < departures.size())
            set_out(travellers[n++], departures[next++]);
        while (n > 0)
            for (std::size_t i = 0; i < n;) {
                Traveller& t = travellers[i];
                if (hop<surroundings>(t)) {
                    ++i;
                    continue;
                }
                arrive(t, exits);
                if (next < departures.size())
                    set_out(t, departures[next++]);
                else if (--n > i)
                    t = travellers[n];
            }
    }

    void set_out(Traveller& t, const Departure& from) const {
        const JumpTable& jumps = rates_.jumps;
        t.slot = from.slot, t.time = from.time;
        t.hop = 0, t.face = -1;
        t.site = static_cast<std::uint64_t>(walkers_.site[from.slot]);
        const IVec3 cell = walkers_.cell(from.slot);
        for (int axis = 0; axis < 3; ++axis) {
            t.cell[axis] = static_cast<std::uint64_t>(cell[axis]);
            t.in_domain[axis] =
                jumps.crystal() ? 0 : wrapped_into(cell[axis], jumps.cells[axis], jumps.periodic(axis));
        }
    }

    /// Whether there was time for a hop, and the walker still is there.
    template <Surroundings surroundings>
    bool hop(Traveller& t) const {
        const std::size_t k = t.hop % HopBits::n;
        if (k == 0) {
            if (t.hop >> 32)
                throw DataError(
                    fmt::format("walker {} makes 2^32 hops in an interval of {} ps (random numbers are "
                                "numbered to there). Cut it in pieces",
                                walkers_.first + t.slot, interval_.duration));
            hop_bits(walk_.seed, walkers_.first + t.slot, interval_.number << 32 | t.hop, t.random);
        }
        ++t.hop;
        std::uint64_t row = t.site;
        if constexpr (surroundings != Surroundings::crystal) {
            const std::uint64_t at =
                (t.in_domain[2] * walk_.cells[1] + t.in_domain[1]) * walk_.cells[0] + t.in_domain[0];
            row += class_of(at, walk_.classes, walk_.class_shift) * walk_.n_basis;
        }
        t.time += rates_.mean_wait[row] * exponential(t.random.wait[k]);
        if (!(t.time < interval_.duration)) return false;
        const std::uint64_t word = draw_word(walk_.rows[row], t.random.hop[k], walk_.slots);
        t.site = word & 0xFFFFFFFFu;
        for (int axis = 0; axis < 3; ++axis) {
            const std::uint64_t R = ((word >> (32 + 10 * axis)) & 1023) - Destination::bias;
            t.cell[axis] += R;
            if constexpr (surroundings != Surroundings::crystal)
                t.in_domain[axis] = wrapped(t.in_domain[axis] + R, walk_.cells[axis], walk_.wraps[axis]);
        }
        if constexpr (surroundings == Surroundings::open) t.face = face_of(t.in_domain, walk_);
        return t.face < 0;
    }

    void arrive(const Traveller& t, std::vector<Exit>& exits) const {
        const auto site = static_cast<std::int32_t>(t.site);
        walkers_.site[t.slot] = t.face < 0 ? site : -1 - (6 * site + t.face);
        walkers_.x[t.slot] = cell_32(t.cell[0]);
        walkers_.y[t.slot] = cell_32(t.cell[1]);
        walkers_.z[t.slot] = cell_32(t.cell[2]);
        if (t.face >= 0) exits.push_back({walkers_.first + t.slot, interval_.begin + t.time, t.face, site});
    }

    Walkers& walkers_;
    const RateTable& rates_;
    const Walk& walk_;
    const TimeInterval& interval_;
};

} // namespace

Walk make_walk(const JumpTable& jumps, std::uint64_t seed, std::uint64_t first_step, std::uint64_t n_steps) {
    Walk walk{};
    walk.rows = jumps.rows.data();
    walk.slots = jumps.slots.empty() ? nullptr : &jumps.slots.data()->threshold;
    walk.seed = seed;
    walk.first_step = first_step;
    walk.n_steps = n_steps;
    walk.classes = jumps.classes.data();
    walk.class_shift = jumps.class_shift;
    walk.n_basis = jumps.n_basis;
    for (int axis = 0; axis < 3; ++axis) {
        const int n = jumps.cells[axis];
        walk.cells[axis] = static_cast<std::uint64_t>(n);
        walk.wraps[axis] = jumps.periodic(axis) ? (jumps.reach[axis] + n - 1) / n : 0;
    }
    return walk;
}

Passages& Passages::operator+=(const Passages& later) {
    for (std::size_t f = 0; f < 6; ++f) entered[f] += later.entered[f], left[f] += later.left[f];
    exits.insert(exits.end(), later.exits.begin(), later.exits.end());
    return *this;
}

std::size_t Walkers::n_present() const {
    return static_cast<std::size_t>(std::count_if(site.begin(), site.end(), [](auto s) { return s >= 0; }));
}

Vec3 displacement(const Domain& domain, std::uint64_t start, std::int32_t site, const IVec3& cell) {
    const std::uint64_t n_basis = domain.n_basis();
    const IVec3 from = domain.cell_at(start / n_basis);
    const auto to = static_cast<std::size_t>(site < 0 ? (-1 - site) / 6 : site);
    // Doubles hold the difference of two cells, which an int may not.
    return domain.basis().cell.to_cartesian(cell.cast<double>() - from.cast<double>()) +
           domain.basis().positions[to] - domain.basis().positions[start % n_basis];
}

Vec3 Walkers::displacement(std::size_t w, const Domain& domain) const {
    return mesolith::displacement(domain, start[w], site[w], cell(w));
}

Passages advance(Walkers& walkers, const JumpTable& jumps, std::uint64_t seed, std::uint64_t first_step,
                 std::uint64_t n_steps) {
    check_counters(walkers, first_step, n_steps);
    Passages passages;
    const std::uint64_t end_step = first_step + n_steps;
    const bool open = jumps.open(), reservoirs = jumps.has_reservoirs();
    for (std::uint64_t step = first_step, next = end_step; step < end_step; step = next) {
        // Lanes of walkers that left are filled again now and then; births depend on these steps.
        next = open ? std::min(end_step, (step / release_interval + 1) * release_interval) : end_step;
        const Walk walk = make_walk(jumps, seed, step, next - step);
        Passages now;
        std::vector<Birth> births;
        if (reservoirs) {
            if (step % release_interval == 0) release(walkers);
            births = births_of_steps(walkers, jumps, seed, step, next, now);
        }
        const Walking walking(walkers, jumps, walk);
        for_blocks_with_exits(walkers.size(), walkers_per_block, now.exits,
                              [&](std::size_t begin, std::size_t end, std::vector<Exit>& exits) {
                                  walking.walk_slots(begin, end, exits);
                              });
        put(walkers, jumps, births);
        for_blocks_with_exits(births.size(), walkers_per_block, now.exits,
                              [&](std::size_t begin, std::size_t end, std::vector<Exit>& exits) {
                                  walking.walk_births({births.data() + begin, end - begin}, exits);
                              });
        count_exits(now);
        passages += now;
    }
    return passages;
}

Passages advance(Walkers& walkers, const RateTable& rates, std::uint64_t seed, const TimeInterval& interval) {
    check_counters(walkers, 0, 0);
    if (interval.number >> 24)
        throw DataError(fmt::format("interval {} (they go to 2^24). Use longer ones", interval.number));
    if (!(interval.duration >= 0) || !std::isfinite(interval.duration))
        throw DataError(
            fmt::format("interval of {} ps (must be finite and not negative)", interval.duration));
    const JumpTable& jumps = rates.jumps;
    const Walk walk = make_walk(jumps, seed, 0, 0);
    Passages passages;
    std::vector<Birth> births;
    if (jumps.has_reservoirs()) {
        release(walkers);
        std::vector<std::vector<Birth>> drawn(6);
        for_each_index(6, [&](std::size_t f) {
            drawn[f] = draw_births(jumps.inflow[f], jumps.inflow[f].mean * interval.duration / jumps.lag_time,
                                   seed, continuous_streams + f, interval.number, interval.duration);
        });
        for (std::size_t f = 0; f < 6; ++f) {
            passages.entered[f] += drawn[f].size();
            births.insert(births.end(), drawn[f].begin(), drawn[f].end());
        }
        assign_slots(walkers, births);
    }
    const Wandering wandering(walkers, rates, walk, interval);
    for_blocks_with_exits(walkers.size(), walkers_per_block, passages.exits,
                          [&](std::size_t begin, std::size_t end, std::vector<Exit>& exits) {
                              std::vector<Departure> departures;
                              for (std::size_t w = begin; w < end; ++w)
                                  if (!walkers.gone(w)) departures.push_back({w, 0});
                              wandering.wander(departures, exits);
                          });
    put(walkers, jumps, births);
    for_blocks_with_exits(births.size(), walkers_per_block, passages.exits,
                          [&](std::size_t begin, std::size_t end, std::vector<Exit>& exits) {
                              std::vector<Departure> departures;
                              for (std::size_t k = begin; k < end; ++k)
                                  departures.push_back({births[k].slot, births[k].time});
                              wandering.wander(departures, exits);
                          });
    count_exits(passages);
    return passages;
}

} // namespace mesolith
