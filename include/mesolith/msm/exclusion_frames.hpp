#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "mesolith/msm/elementary_rates.hpp"

/// What a lattice gas without memory would look like in frames of the data: the answer that observed numbers
/// are compared with, since a frame interval hides hops that are undone within it.
namespace mesolith {

/// Ions that hop into empty sites at given rates on the simulated cell, without interaction, looked at in
/// frames. Exact (one hop after the other, exponential waiting times); the start is drawn evenly and
/// forgotten over a hundred waiting times per vacancy.
/// @param rates  per class of the network [1/ps], 0: no such hops
/// @throws DataError when the numbers do not fit, or there is no ion, no vacancy or no hop that can happen
/// Cost: O(hops x vacancies x neighbours): for cells of molecular dynamics, not for the mesoscale. A pure
/// function of (seed, replica).
[[nodiscard]] SiteTrajectory simulate_exclusion(const SiteSet& sites, const HopNetwork& network,
                                                std::span<const double> rates, std::size_t n_ions,
                                                std::int64_t n_frames, double frame_interval,
                                                std::uint64_t seed, std::uint64_t replica = 0);

struct FrameCorrectionOptions {
    double length = 40; ///< simulated time over that of the data
    int iterations = 4;
    double fewest_hops = 200; ///< of a class in the simulation; rarer ones keep their rates
    double min_residence = 0; ///< [ps], as for the data
    std::uint64_t seed = 1;
};

/// Rates corrected for what the frames hide, and what the data would look like if these were all of it.
struct FrameCorrection {
    std::vector<double> factor; ///< per class: corrected over balanced rate; 1 where hops are too rare
    std::vector<double> rates;  ///< balanced rates times factor; 0 where none was found
    ElementaryRates simulated;  ///< found in frames of the last simulation: should be the rates of the data
    Refills refills;            ///< of that simulation, in its own time: compare ratios, not numbers
    double simulated_time = 0;  ///< [ps]
};

/// Rates whose gas, looked at in frames and counted like the data, shows the balanced rates of the data:
///     k <- k x (balanced rate of the data) / (balanced rate found in frames of a gas with rates k),
/// started from those of the data. To first order in the frame interval dt the factor is
/// 1 + (k + k_back) dt / 2: a hop that is undone within a frame takes two hops out of the count. The
/// correction trusts the gas below the frame interval; if ions need time to settle there, it is too large.
/// @param data  estimate_elementary_rates of trajectories with these frames; its weights are kept
/// @throws DataError as simulate_exclusion
[[nodiscard]] FrameCorrection correct_for_frames(const ElementaryRates& data, const SiteSet& sites,
                                                 const HopNetwork& network, std::size_t n_ions,
                                                 double frame_interval,
                                                 const FrameCorrectionOptions& options = {});

} // namespace mesolith
