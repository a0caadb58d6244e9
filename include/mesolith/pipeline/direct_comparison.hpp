#pragma once
#include <span>
#include <vector>

#include "mesolith/msm/kernel.hpp"
#include "mesolith/msm/time_blocks.hpp"
#include "mesolith/observables/direct_transport.hpp"
#include "mesolith/observables/msd_gls.hpp"

namespace mesolith {

/// D of a model beside D straight from the trajectory, from the same time blocks.
struct DirectComparison {
    DirectTransport direct;
    /// Of the model; to be compared with a slope of the MSD it is the slope of its own MSD at the same lags
    /// with the same weights (slope_of_model): like with like, also where relaxation still bends both
    /// [A^2/ps].
    Vec3 model = Vec3::Zero(), model_error = Vec3::Zero();
    /// (model - direct) over the error of the difference, per axis and for the mean of the axes. Both rest on
    /// the same motion, so that this error is smaller than the two errors together.
    Vec3 z = Vec3::Zero();
    double z_mean = 0;
};

/// @param model    D along x, y, z of the model
/// @param samples  the same resampled, sample b with bootstrap_weights(n_blocks, seed, b)
/// @throws DataError when there are no samples, or blocks differ
[[nodiscard]] DirectComparison compare_with_direct(DirectTransport direct, const Vec3& model,
                                                   std::span<const Vec3> samples, std::uint64_t seed);

/// What a fit of the MSD finds in that of the kernel, which is known exactly at multiples of its lag and
/// taken as straight between them [A^2/ps].
/// @param time  of the lags that estimator.lags counts [ps]; those used must not be shorter than the kernel's
/// lag
/// @throws DataError when one is
[[nodiscard]] Vec3 slope_of_model(const Kernel& kernel, const SlopeEstimator& estimator,
                                  std::span<const double> time);

} // namespace mesolith
