#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "mesolith/core/nan.hpp"
#include "mesolith/crystal/symmetry.hpp"
#include "mesolith/msm/generator.hpp"
#include "mesolith/msm/time_blocks.hpp"
#include "mesolith/sites/site_trajectory.hpp"

/// From site events to the rates at which an ion hops into an *empty* neighbour site, for ions that block
/// each other. A Markov model of the same data is another thing: it moves a tagged ion through the full
/// sublattice, whose other ions are averaged over.
namespace mesolith {

// Pairs of sites

/// Directed pairs that the symmetry of the crystal makes alike.
struct HopPairClass {
    std::int32_t from_orbit = 0, to_orbit = 0;
    double length = 0;        ///< [A]
    std::int32_t reverse = 0; ///< class of the ways back; itself when one pair's reverse is in it
    std::int64_t n_pairs = 0; ///< per repeat unit
};

/// All directed pairs of sites up to a distance, in classes that share one rate.
struct HopNetwork {
    SiteBasis basis;
    double cutoff = 0;                  ///< [A]
    std::vector<Transition> pairs;      ///< sorted, with each also its reverse
    std::vector<std::int32_t> class_of; ///< of each pair
    std::vector<HopPairClass> classes;  ///< by length, then orbits

    std::int32_t find(const Transition& move) const; ///< its class, -1 beyond the cutoff
};

/// @param operations  symmetry of the crystal (site_symmetry, pooling_operations); empty: each pair for
/// itself
/// @param cutoff      [A]; 0: 1.5 times the distance from the loneliest site to its nearest neighbour
/// @throws DataError when no two sites are so near, the cutoff is negative, or the operations do not fit
[[nodiscard]] HopNetwork make_hop_network(const SiteBasis& basis, std::span<const SiteOperation> operations,
                                          double cutoff = 0);

// Events of ions that block each other

/// A hop of the lattice gas.
struct GasHop {
    double time = 0; ///< [frames]
    std::int32_t ion = 0;
    SiteId from, to;    ///< of the simulated cell; from = none(): put on its first free site, no hop
    Transition move;    ///< in the folded cell
    bool counts = true; ///< false: it took part in an exchange of places, which needs no empty site
};

/// Hops of a trajectory as those of a lattice gas: never two ions on a site.
struct ExclusionPath {
    std::int64_t n_frames = 0;
    double frame_interval = 0;  ///< [ps]
    std::vector<SiteId> start;  ///< site of each ion at frame 0, none() while its first site is taken
    std::vector<GasHop> hops;   ///< by time
    std::int64_t removed = 0;   ///< hops taken out with their reversals (twice the number of short stays)
    std::int64_t delayed = 0;   ///< hops into a site that was taken, done in a later frame when it was free
    std::int64_t cancelled = 0; ///< such hops whose ion went back before
    std::int64_t exchanged = 0; ///< hops of ions that change places in one frame, without an empty site
    double waiting = 0;         ///< mean number of ions that wait for a site to become free
};

/// Site events to hops into empty sites:
///   - Unassigned stretches are bridged (the ion stays on its last site until it reaches the next); before
///   its
///     first site an ion stands there already.
///   - A stay shorter than `min_residence` that began with a hop and ended with its reversal is removed, as
///   if
///     the ion had stayed where it was.
///   - An ion that comes to a site that another one holds keeps its old site until the other has gone (two
///     ions of a chain that moves together). Returns it earlier, nothing has happened. A ring of ions that
///     change places within one frame does so; such hops do not count.
///   - The m hops of one frame interval divide it evenly: hop l of m at (f - 1) + l / (m + 1) frames, an ion
///     that leaves a site before the one that takes it. So a site that is empty for less than a frame has
///     time, too.
/// @param min_residence  [ps], 0: all hops
/// @throws DataError  more ions than sites, sites that the set does not have, a negative residence time
/// Cost: O(events log events)
[[nodiscard]] ExclusionPath exclusion_path(const SiteTrajectory& trajectory, const SiteSet& sites,
                                           double min_residence = 0);

// Hops and exposures

/// Hops into sites that another hop has left, by the time since then: straight back by the ion that left
/// (while it is still where it went), or by another one. Without memory their rate is that of all hops of the
/// class at any age; more of them soon after the hop means that an ion has not settled or that ions move in
/// chains.
struct Refills {
    std::vector<double> age;  ///< upper edges of the bins [ps]: 1, 2, 4, ... frames, the last one infinite
    std::vector<double> hops; ///< straight back, [class x bin], class of the hop back
    std::vector<double> exposure; ///< time in which they could have happened, summed over pairs [ps]
    std::vector<double> other_hops, other_exposure; ///< the same of other ions
};

/// What rates are made of, by time block.
struct ElementaryCounts {
    std::size_t n_blocks = 0;
    std::vector<double> hops;        ///< N, [class x block]
    std::vector<double> exposure;    ///< T, [class x block]: time with the first site taken and the second
                                     ///< empty, summed over all pairs of the simulated cell [ps]
    std::vector<double> orbit_time;  ///< [orbit x block]: time that ions spent on its sites [ps]
    std::vector<double> time;        ///< length of each block [ps]
    std::vector<double> orbit_sites; ///< sites of each orbit in the simulated cell
    std::int64_t vacancies = -1;     ///< sites minus ions; -1 when trajectories differ
    std::int64_t beyond = 0;         ///< hops longer than the cutoff: several hops within one frame
    /// How long sites stayed empty: number of such times that ended, their mean, the longest of all with its
    /// site (of the simulated cell), trajectory and beginning [ps]. One that is far longer than the others is
    /// a vacancy that cannot be filled (a strange atom on the site, or a site that is none).
    std::int64_t empty_stays = 0;
    double mean_empty = 0, longest_empty = 0, longest_begin = 0;
    std::size_t longest_trajectory = 0;
    SiteId longest_site;
    Refills refills;
};

/// @param paths  one per trajectory, of the same simulated cell
/// @throws DataError  blocks or sites that do not fit
/// Cost: O(hops x neighbours)
[[nodiscard]] ElementaryCounts count_elementary_hops(const std::vector<ExclusionPath>& paths,
                                                     const SiteSet& sites, const HopNetwork& network,
                                                     const std::vector<TimeBlock>& blocks);

// Rates

/// Statistical weights of sites for ions that only exclude each other, from mean occupancies: those with
/// which the occupancies come out. In a large crystal w = theta / (1 - theta); in a cell of M sites with
/// exactly N ions the difference is of the order 1 / M and taken into account. The first orbit has w = 1.
/// An orbit that is always full has w = infinity, one that is never visited 0.
/// @param occupancy  ions per site, per orbit
/// @param n_sites    sites per orbit in the simulated cell
/// @param vacancies  empty sites in the simulated cell; -1: as in a large crystal
/// @throws DataError when lengths differ, an occupancy lies outside 0..1, or the first is 0 or 1
[[nodiscard]] std::vector<double> exclusion_weights(std::span<const double> occupancy,
                                                    std::span<const double> n_sites, std::int64_t vacancies);

/// Rate of one class.
struct ElementaryRate {
    double hops = 0, exposure = 0; ///< N; T [ps]
    Estimate rate;                 ///< N / T [1/ps], error from resampled blocks; NaN without exposure
    double poisson_error = 0;      ///< sqrt(N) / T: error of hops that know nothing of each other
    double upper_bound = 0;        ///< 3 / T where N = 0: exp(-3) = 5 % of zero hops; else NaN
    Estimate balanced;             ///< with detailed balance; NaN where the pair has no exposure
    /// ln(rate / rate back) - ln(w_to / w_from) in standard errors of resampled blocks: about 1 with detailed
    /// balance. NaN for a class that is its own reverse, and where one of both was never seen.
    double balance_z = nan_value;
    double back_ratio = 0;       ///< hops straight back over those expected from `rate`, all ages
    double first_back_ratio = 0; ///< the same in the first frame interval after the hop
};

struct ElementaryRates {
    std::vector<ElementaryRate> classes;
    std::vector<Estimate> occupancy;  ///< ions per site, per orbit
    std::vector<Estimate> log_weight; ///< ln w per orbit, against the first
    double vacancy_fraction = 0;      ///< empty sites per site
    double total_time = 0;            ///< [ps]
    /// Balanced rates per class and ln w per orbit of each resampling, for the errors of what follows from
    /// them: sample_scale times their standard deviation.
    std::vector<std::vector<double>> balanced_samples, log_weight_samples;
    double sample_scale = 1;
};

struct ElementaryRateOptions {
    int n_resamplings = 200;
    std::uint64_t seed = 1;
};

/// Maximum-likelihood rates of hops into empty sites, L = prod k^N exp(-k T) over the classes,
///   as they are              k_ji = N_ji / T_ji
///   with detailed balance    s = (N_ji + N_ij) / (T_ji / w_j + T_ij / w_i),  k_ji = s / w_j
/// for a hop j -> i, the second for weights from the occupancies (exclusion_weights). Errors by the Bayesian
/// bootstrap over blocks, with new weights for each resampling.
/// @throws DataError when the numbers do not fit the network, or there is no time
/// Cost: O(resamplings x classes x blocks); results do not depend on the number of threads
[[nodiscard]] ElementaryRates estimate_elementary_rates(const ElementaryCounts& counts,
                                                        const HopNetwork& network,
                                                        const ElementaryRateOptions& options = {});

/// A single ion on the empty lattice: one rate per class (zero: no such hops), weights per orbit.
/// @throws DataError when the numbers do not fit the network
[[nodiscard]] Generator ion_generator(const HopNetwork& network, std::span<const double> rates,
                                      std::span<const double> log_weight);

/// A single vacancy in the full lattice: it goes from i to j when the ion on j hops to i. Its weights are the
/// inverse ones. In the limit of few vacancies the collective diffusivity of the ions is that of the vacancy
/// times vacancies over ions: the first check of rates, without simulation.
[[nodiscard]] Generator vacancy_generator(const HopNetwork& network, std::span<const double> rates,
                                          std::span<const double> log_weight);

} // namespace mesolith
