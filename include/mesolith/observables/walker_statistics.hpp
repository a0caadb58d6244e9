#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "mesolith/meso/walkers.hpp"
#include "mesolith/msm/van_hove.hpp"

namespace mesolith {

/// What is measured on walkers, and when; times in steps.
struct WalkerPlan {
    std::vector<std::int64_t> outputs; ///< ascending: profiles, regions, passages
    std::vector<std::int64_t> origins; ///< ascending, the first 0: displacements count from these
    std::vector<std::int64_t> lags;    ///< ascending, > 0: of displacements; none where walkers come and go
    std::vector<Vec3> waves;           ///< k of F_s(k, t) [1/A]
    std::vector<std::size_t> van_hove; ///< indices into lags
    DistanceBins bins;                 ///< of the van Hove function
    int profile_axis = 0;
    std::vector<int> planes; ///< lower faces of these layers along the profile axis: flux through them

    /// Steps at which something has to be done, ascending: outputs, origins, and each origin plus each lag.
    std::vector<std::int64_t> events() const;
};

/// Where all walkers stood at a time.
struct WalkerSnapshot {
    std::int64_t step = 0;
    std::vector<std::int32_t> site, x, y, z;
};
[[nodiscard]] WalkerSnapshot snapshot_of(const Walkers& walkers, std::int64_t step);

/// Sums over walkers, in batches: independent walkers fall into up to 256 batches by their number, and the
/// scatter between batches gives all standard errors, whatever is correlated within one (origins, times).
/// Plain arrays: the state that a checkpoint has to hold.
struct WalkerStatistics {
    WalkerPlan plan;
    std::size_t n_batches = 0, n_layers = 0, n_regions = 0;
    std::size_t outputs_done = 0;
    /// [lag][batch][10 + waves]: number, sum d, sum d d^T (xx, yy, zz, yz, xz, xy), sum cos(k.d)
    std::vector<double> displacement;
    std::vector<std::int64_t> histogram; ///< [van_hove][bins.n + 1]; the last: beyond
    std::vector<std::int64_t> layer;     ///< [output][layer]: walkers in each layer of cells
    std::vector<std::int64_t> region;    ///< [output][region]
    std::vector<std::int64_t>
        beyond; ///< [output][plane]: sum of the number of whole lattices each walker is beyond a plane
    std::vector<std::uint64_t> entered, left; ///< [output][face]: since the start

    std::size_t row() const { return 10 + plan.waves.size(); }
};

/// @param n_walkers  at the start
[[nodiscard]] WalkerStatistics make_walker_statistics(WalkerPlan plan, const Domain& domain,
                                                      std::size_t n_walkers);

/// Add what is due at this step: displacements from all origins for which `step - origin` is a lag, and an
/// output.
/// @param later_origins  of the origins after the first that are past, in their order
/// @param passages  since the start of the run
void measure(WalkerStatistics& statistics, const Domain& domain, const Walkers& walkers, std::int64_t step,
             std::span<const WalkerSnapshot> later_origins, const Passages& passages);

/// What the sums say, with standard errors.
struct WalkerAverages {
    std::vector<std::int64_t> lags;                                ///< those with data
    std::vector<Vec3> mean, mean_error;                            ///< <d> [A]
    std::vector<Mat3> msd, msd_error;                              ///< <d d^T> [A^2]
    std::vector<std::vector<double>> scattering, scattering_error; ///< [lag][wave] Re F_s
    /// D_ab: half the slope of the covariance of d, from the lag nearest to half of the longest to the
    /// longest: free of the offset of early correlations, and of drift.
    Mat3 diffusivity = Mat3::Zero(), diffusivity_error = Mat3::Zero(); ///< [A^2 per step]
    double trace_error = 0;                                            ///< of tr D: axes are correlated
    Vec3 drift = Vec3::Zero(), drift_error = Vec3::Zero();             ///< [A per step]
    std::int64_t slope_from = 0, slope_to = 0;
    std::size_t n_batches = 0;
};
/// @throws DataError with fewer than two lags or batches
[[nodiscard]] WalkerAverages average(const WalkerStatistics& statistics);

/// Net number of walkers that went up through each plane between two outputs, [plane].
[[nodiscard]] std::vector<std::int64_t> flux_through(const WalkerStatistics& statistics,
                                                     std::size_t from_output, std::size_t to_output);

/// Times at which walkers leave, in bins of equal width in log2 of time: 8 per octave of steps.
struct PassageHistogram {
    std::vector<std::int64_t> count;               ///< [face][bin], n_bins each
    std::array<double, 6> sum{}, sum_of_squares{}; ///< of times [ps, ps^2]
    std::array<std::int64_t, 6> n{};
    static constexpr std::size_t n_bins = 8 * 56;

    static double lower_edge(std::size_t bin, double lag_time); ///< [ps]
    void add(std::span<const Exit> exits, double lag_time);
};

} // namespace mesolith
