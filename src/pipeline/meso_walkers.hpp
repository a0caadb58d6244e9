#pragma once
// Walkers of the mesoscale stage: run, compare, write.
#include <optional>

#include "mesolith/observables/walker_statistics.hpp"
#include "mesolith/pipeline/domain_model.hpp"

#include "checkpointing.hpp"

namespace mesolith {

/// A few walkers at each output, for pictures and viewers.
struct SampleFrames {
    std::size_t n_walkers = 0;
    std::vector<std::int64_t> steps;
    std::vector<double> positions;           ///< [frame][walker][3], unwrapped [A]
    std::vector<std::int32_t> present, site; ///< [frame][walker]
};

struct WalkerRun {
    std::int64_t n_walkers = 0, n_at_end = 0;
    bool continuous = false;
    WalkerStatistics statistics;
    Passages passages; ///< counts only; times are in the histogram
    PassageHistogram exits;
    SampleFrames sample;
    std::optional<WalkerAverages> averages; ///< of closed domains
    bool stopped_early = false;
    double hops = 0, seconds = 0;
    // What the kernel of a crystal says, at averages->lags.
    std::vector<Mat3> exact_msd;
    std::vector<std::vector<double>> exact_scattering; // [lag][wave]
    std::vector<VanHove> exact_van_hove;               // at plan.van_hove
};

/// Steps of output: as the schedule says, the last at the end, rounded to whole steps.
[[nodiscard]] std::vector<std::int64_t> output_steps(const MesoSection& meso, double lag_time);

/// Region numbers that a name stands for: a region, or all of a material.
[[nodiscard]] std::vector<std::uint16_t> regions_named(const Domain& domain, const std::string& name);

/// One factor per layer of cells from a profile at equally wide slices.
[[nodiscard]] std::vector<double> profile_per_layer(const std::vector<double>& slices, int n_layers);

/// @throws Stopped with a checkpoint
[[nodiscard]] WalkerRun run_walkers(const Config& config, const DomainModel& model,
                                    Checkpointing& checkpointing);

/// @param exact  D that the walkers should have [A^2/ps], where it is known
void write(Hdf5Group& root, const WalkerRun& run, const DomainModel& model, const std::optional<Mat3>& exact);

/// walkers.h5md and walkers.lammpstrj.
void write_sample(const std::string& folder, const WalkerRun& run, const DomainModel& model);

/// (D - exact) / error per axis.
[[nodiscard]] Vec3 z_scores(const WalkerRun& run, const DomainModel& model, const Mat3& exact);

} // namespace mesolith
