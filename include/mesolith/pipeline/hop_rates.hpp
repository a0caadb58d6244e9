#pragma once
#include <optional>
#include <string>
#include <vector>

#include "mesolith/io/store.hpp"
#include "mesolith/msm/elementary_rates.hpp"
#include "mesolith/msm/exclusion_frames.hpp"
#include "mesolith/observables/arrhenius.hpp"
#include "mesolith/observables/direct_transport.hpp"

namespace mesolith {

struct HopRatesOptions {
    double cutoff = 0;                ///< of pairs of sites [A]; 0: found (make_hop_network)
    double min_residence = 0;         ///< shorter stays between a hop and its reversal are removed [ps]
    std::vector<double> temperatures; ///< one per run [K]; empty: those of the runs
    std::int64_t fewest_hops = 10;    ///< of a class and its reverse in a run, to be fitted over temperature
    bool correct_frames = true;       ///< for hops that the frames hide (correct_for_frames)
    int n_resamplings = 200;
    std::uint64_t seed = 1;
};

/// Elementary rates of one run and what they are compared with.
struct HopRatesRun {
    std::string folder;
    double temperature = 0;                      ///< [K]
    std::size_t n_ions = 0, n_sites = 0;         ///< of the simulated cell
    double frame_interval = 0, block_length = 0; ///< [ps]
    std::size_t n_blocks = 0;
    std::int64_t hops = 0, removed = 0, delayed = 0, cancelled = 0, exchanged = 0, beyond = 0;
    double waiting = 0;                       ///< mean number of ions on a site that another one holds
    double mean_empty = 0, longest_empty = 0; ///< how long sites stayed empty [ps]
    ElementaryRates rates;
    Refills refills;
    FrameCorrection correction; ///< factors of 1 without correction
    /// Of the ions together, mean of the axes, from the rates in the limit of few vacancies
    /// (vacancy_generator) [A^2/ps].
    Estimate collective;
    /// Rate of a class as it goes into a hop list: balanced, times the correction [1/ps].
    double listed(std::size_t c) const { return rates.classes[c].balanced.value * correction.factor[c]; }
    DirectTransport direct; ///< from the trajectories, in the fit window of the run
};

/// Rates of one class of pairs over temperature.
struct HopRateFit {
    std::int32_t pair_class = 0;             ///< the one of a class and its reverse with the smaller number
    std::optional<ArrheniusFit> conductance; ///< of rate x weight of the origin; none with too few hops
    bool flattened = false;                  ///< the line gave a hop without a barrier, which was set to zero
    double log_prefactor = 0, energy = 0;    ///< of rate x weight as it goes into the hop list [ln 1/ps, eV]
};

struct HopRatesResult {
    HopNetwork network;
    std::vector<HopRatesRun> runs;         ///< by temperature
    std::vector<HopRateFit> fits;          ///< empty for a single temperature
    std::vector<ArrheniusFit> weight_fits; ///< ln w against the first orbit, one for each further orbit
    HopRatesOptions options;
    std::vector<InputFile> inputs;
    std::vector<std::string> warnings;
};

/// Read the events of finished runs of one crystal and find the rates of hops into empty sites; several runs
/// of one temperature are not merged.
/// @throws InputError  a folder without sites.h5, no temperature, different crystals, sites that are always
///                     or never taken
[[nodiscard]] HopRatesResult find_hop_rates(const std::vector<std::string>& folders,
                                            const HopRatesOptions& options = {});

/// Fill `fits` and `weight_fits` from runs of several temperatures: straight lines of ln w and of the
/// logarithm of rate x weight of the origin, so that detailed balance holds at every temperature.
/// find_hop_rates does it.
/// @throws InputError when a weight cannot be fitted
void fit_temperatures(HopRatesResult& result);

/// A hop list (docs/kernels.md), with where it comes from in comments: rates and site energies of one
/// temperature, or barriers and prefactors of several.
/// @throws InputError when no hop was seen often enough, or a site energy is not determined
[[nodiscard]] std::string to_hop_list(const HopRatesResult& result, const std::string& name);
[[nodiscard]] std::string to_text(const HopRatesResult& result);
[[nodiscard]] std::string to_json(const HopRatesResult& result);

} // namespace mesolith
