#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "mesolith/observables/msd.hpp"
#include "mesolith/sites/site_trajectory.hpp"

namespace mesolith {

/// Summed displacement of all mobile ions against the framework since the first frame: what carries the
/// charge.
struct CollectiveDisplacement {
    std::size_t n_ions = 0;
    double frame_interval = 0; ///< [ps]
    std::vector<Vec3> sum;     ///< [frame], zero at the first [A]
};

/// Collects it while frames stream by. Memory: 24 bytes a frame.
class CollectiveAccumulator {
public:
    /// @throws DataError without ions
    CollectiveAccumulator(std::size_t n_ions, double frame_interval);
    /// Continuous positions of the ions, and how far the framework as a whole has moved in the same frame of
    /// reference; what is counted is the displacement against it [A].
    void add_frame(std::span<const Vec3> ions, const Vec3& framework_shift = Vec3::Zero());
    [[nodiscard]] CollectiveDisplacement finish() { return std::move(series_); }

    const std::vector<Vec3>& so_far() const { return series_.sum; } ///< [frame] [A]
    const Vec3& start() const { return start_; }                    ///< what they are counted from [A]
    /// Goes on from these, bit by bit.
    void restore(std::vector<Vec3> so_far, const Vec3& start) {
        series_.sum = std::move(so_far);
        start_ = start;
    }

private:
    CollectiveDisplacement series_;
    Vec3 start_ = Vec3::Zero();
};

/// The same of the site-projected trajectory, from events alone. An ion that is unassigned counts where it
/// was last seen, before its first site where it is seen first. Cost O(frames + events).
[[nodiscard]] CollectiveDisplacement projected_collective(const SiteTrajectory& trajectory,
                                                          const SiteSet& sites);

/// Mean square of the collective displacement over windows, divided by the number of ions: its slope / 2 is
/// the charge diffusivity D_J, as that of the MSD of single ions is the tracer diffusivity. All origins of
/// each lag; `count` holds their number. Lags no window is long enough for stay empty.
/// Cost O(lags x frames).
[[nodiscard]] MsdSums collective_msd(const CollectiveDisplacement& collective, std::vector<std::int64_t> lags,
                                     std::int64_t bin_frames);

} // namespace mesolith
