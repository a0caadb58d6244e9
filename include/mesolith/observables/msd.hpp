#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "mesolith/msm/time_blocks.hpp"
#include "mesolith/sites/site_trajectory.hpp"

namespace mesolith {

/// Sums of squared displacements per axis, by lag and by time bin of the origin: mean and block errors come
/// from it later.
struct MsdSums {
    std::vector<std::int64_t> lag_frames; ///< ascending, >= 1
    double frame_interval = 0;            ///< [ps]
    std::int64_t n_frames = 0;
    std::int64_t bin_frames = 1;     ///< length of a time bin; origin t belongs to bin t / bin_frames
    std::vector<double> sum;         ///< [bin][lag][axis], over origins and ions [A^2]
    std::vector<std::int64_t> count; ///< [bin][lag], origins x ions

    std::size_t n_lags() const { return lag_frames.size(); }
    std::size_t n_bins() const { return lag_frames.empty() ? 0 : count.size() / lag_frames.size(); }
};

/// MSD over a sliding window while frames stream by. Memory: the last `max lag` frames of the ions, and at
/// most 1024 time bins (bins double in length when there would be more), whatever the length of the
/// trajectory. Every origin is used for lags up to `dense_lag` frames; longer lags use every (lag /
/// dense_lag)-th origin: neighbouring origins of long windows tell the same.
class MsdAccumulator {
public:
    /// @param lags  frames, each >= 1
    MsdAccumulator(std::vector<std::int64_t> lags, std::size_t n_ions, double frame_interval,
                   std::int64_t dense_lag = 50);
    /// Continuous, drift-free positions of the ions [A].
    void add_frame(std::span<const Vec3> positions);
    [[nodiscard]] MsdSums finish();

    const MsdSums& sums() const { return sums_; } ///< of the frames so far
    /// The last frames, which the next ones are compared with. With both an accumulator of the same lags goes
    /// on bit by bit.
    const std::vector<double>& last_frames() const { return ring_; }
    /// @throws DataError when they are of other lags or another number of ions
    void restore(MsdSums sums, std::vector<double> last_frames);

private:
    void halve_bins();
    MsdSums sums_;
    std::vector<std::int64_t> origin_stride_;
    std::size_t n_ions_ = 0;
    std::int64_t ring_frames_ = 0;
    std::vector<double> ring_; // [frame % ring_frames][axis][ion]
};

/// The same of the site-projected trajectory (each ion stands exactly on its site), all windows, from events
/// alone. Windows with an unassigned end are left out. Binned by `bin_frames`.
[[nodiscard]] MsdSums projected_msd(const SiteTrajectory& trajectory, const SiteSet& sites,
                                    std::vector<std::int64_t> lags, std::int64_t bin_frames);

/// Lags for MSD curves: about `n` log-spaced from 1 to max_lag frames, and evenly spaced ones through the fit
/// window.
[[nodiscard]] std::vector<std::int64_t> msd_lags(std::int64_t max_lag, std::size_t n, std::int64_t fit_begin,
                                                 std::int64_t fit_end);

/// MSD per axis, [lag] -> x, y, z [A^2], with each time block weighted (empty = all 1). One MsdSums per
/// trajectory. A bin belongs to the block that holds its first frame. NaN where there are no windows.
[[nodiscard]] std::vector<Vec3> weighted_msd(const std::vector<MsdSums>& sums,
                                             const std::vector<TimeBlock>& blocks,
                                             std::span<const double> weights = {});

struct MsdFit {
    Vec3 diffusivity = Vec3::Zero(); ///< slope / 2 per axis [A^2/ps]
    Vec3 intercept = Vec3::Zero();   ///< [A^2]
};
/// Straight line by least squares through all lags with begin <= t <= end [ps].
/// @throws DataError when fewer than two lags lie in the window
[[nodiscard]] MsdFit fit_msd(std::span<const double> time, std::span<const Vec3> msd, double begin,
                             double end);

} // namespace mesolith
