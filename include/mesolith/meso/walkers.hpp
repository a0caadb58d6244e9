#pragma once
#include <array>
#include <cstdint>
#include <vector>

#include "mesolith/meso/jump_table.hpp"

namespace mesolith {

/// By what weights starts are drawn.
enum class WalkerStart {
    stationary, ///< equilibrium: weight of the material times pi of the site
    uniform,    ///< every site alike
    site,       ///< all on one site of one cell
};

/// Where walkers start.
struct Placement {
    WalkerStart start = WalkerStart::stationary;
    std::int32_t site = 0; ///< for WalkerStart::site
    IVec3 cell = IVec3::Zero();
    // For the others:
    std::vector<std::uint16_t> regions; ///< only in these; empty: everywhere
    int axis = 0;                       ///< of the profile
    std::vector<double> profile; ///< factor on the weights, per layer of cells along the axis; empty: 1
};

/// A walker that left the domain, or an ion that is gone.
struct Exit {
    std::uint64_t walker = 0; ///< number of its random stream: Walkers::first + slot
    double time = 0;          ///< [ps]; in discrete time the end of the step in which it left
    std::int32_t face = 0;    ///< 2 axis + side
    std::int32_t site = 0;    ///< on which it would stand outside
    bool operator==(const Exit&) const = default;
};

/// What went through the faces.
struct Passages {
    std::array<std::uint64_t, 6> entered{}, left{}; ///< per face, 2 axis + side
    std::vector<Exit> exits;                        ///< by time, then walker

    Passages& operator+=(const Passages& later);
};

/// Independent tracers, as arrays: 24 B each. Cells are absolute and never wrapped, so that displacements are
/// exact: |cell| < 2^31. All of it is the state that a checkpoint has to hold.
struct Walkers {
    std::uint64_t first = 0; ///< number of the first one: random streams first, first + 1, ...
    /// Site, or of a walker that left, -1 - (6 site + face): then site and cell are those outside, where its
    /// hop would have brought it.
    std::vector<std::int32_t> site;
    std::vector<std::int32_t> x, y, z; ///< cell, along a_1, a_2, a_3
    std::vector<std::uint64_t> start;  ///< cell_index * n_basis + site in the domain
    /// Where there are reservoirs: slots that ions coming in take, from the back. Those of walkers that left
    /// join at steps that are multiples of 64 (in continuous time when an interval begins).
    std::vector<std::uint64_t> free;

    std::size_t size() const { return site.size(); }
    bool gone(std::size_t w) const { return site[w] < 0; }
    std::size_t n_present() const;
    IVec3 cell(std::size_t w) const { return {x[w], y[w], z[w]}; }
    /// d = cell.A + b_site of now minus of the start [A]
    Vec3 displacement(std::size_t w, const Domain& domain) const;
};

/// The same of a position that was noted down.
[[nodiscard]] Vec3 displacement(const Domain& domain, std::uint64_t start, std::int32_t site,
                                const IVec3& cell);

/// Place n walkers. Walker `first + w` starts at a pure function of (seed, first + w): batches fit together.
/// @throws DataError when the site, cell, a region or the axis does not exist, the profile is not of one
/// factor >= 0 per layer, or nothing of the domain has weight
/// Cost: 0.05 us per walker, 0.6 us where cells differ; memory then 1 B per cell for the moment
/// (cells are drawn by an alias table of blocks of 64, and among those by their sum: exact to 2^-53).
[[nodiscard]] Walkers place_walkers(std::size_t n, const Domain& domain, const Placement& placement,
                                    std::uint64_t seed, std::uint64_t first = 0);

/// Sum of the weights of all sites (cells of weight 1 count 1, or n_basis when uniform), so that a filling of
/// `concentration` ions per such cell is concentration * total_weight(...) walkers. Not for
/// WalkerStart::site.
/// @throws DataError as place_walkers
[[nodiscard]] double total_weight(const Domain& domain, const Placement& placement);

/// Bytes that so many walkers and their tables take at most.
[[nodiscard]] double bytes_needed(const Domain& domain, double n_walkers);

/// Let every walker make steps first_step, first_step + 1, ..., first_step + n_steps - 1. Step s of walker w
/// takes 64 bits that are a pure function of (seed, w, s): block (walker_jump, stream w, step s / 2), its low
/// half for even s. The result does not depend on threads, on how a run is cut into calls, or on the vector
/// units of the machine.
///
/// Walkers that leave through an absorbing or reservoir face are marked and stay. During each step a Poisson
/// number of ions comes in through each reservoir face, of mean sum(inflow); one that came in during step s
/// makes its first hop in step s + 1. They take free slots, then new ones; the random stream of a slot goes
/// on. Numbers and places are drawn from (seed, reservoir, face, step). Reservoirs allow for one batch only:
/// slots are added behind the last.
/// @param jumps  of the domain the walkers were placed in
/// @throws DataError when first + size exceeds 2^48, the last step 2^56, or a cell 2^31
/// Cost: see bench/walkers.cpp.
Passages advance(Walkers& walkers, const JumpTable& jumps, std::uint64_t seed, std::uint64_t first_step,
                 std::uint64_t n_steps);

/// A piece of continuous time.
struct TimeInterval {
    std::uint64_t number = 0; ///< of the run; no number twice: it names the random numbers
    double begin = 0;         ///< [ps]
    double duration = 0;      ///< [ps]
};

/// Continuous time by the rates p / tau, rejection-free: a walker waits an exponentially distributed time of
/// mean tau / (1 - p_stay), then hops. Waiting has no memory, so that clocks start anew with each interval.
/// The h-th hop of walker w in interval k takes one block (walker_time, stream w, step k 2^32 + h): 64 bits
/// for the waiting time, 64 for where to. The time is -log(1 - u), u = (bits + 1/2) 2^-64, to 13 digits
/// wherever it lies (Boost's exponential_distribution takes a varying number of words): events of probability
/// 1e-12 per interval keep seven digits, times go up to 45 means. Ions come in from reservoirs at uniform
/// times of the interval, in Poisson numbers; slots of those
/// that left are taken again in the next interval.
/// @throws DataError when a walker makes 2^32 hops in the interval, there are 2^24 intervals, a duration is
/// negative, or as `advance`
Passages advance(Walkers& walkers, const RateTable& rates, std::uint64_t seed, const TimeInterval& interval);

} // namespace mesolith
