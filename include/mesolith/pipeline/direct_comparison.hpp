#pragma once
#include <span>
#include <vector>

#include "mesolith/msm/time_blocks.hpp"
#include "mesolith/observables/direct_transport.hpp"

namespace mesolith {

/// D of a model beside D straight from the trajectory, from the same time blocks.
struct DirectComparison {
    DirectTransport direct;
    Vec3 model = Vec3::Zero(), model_error = Vec3::Zero(); ///< D_xx, D_yy, D_zz [A^2/ps]
    /// (model - direct) over the error of the difference, per axis and for the mean of the axes. Both rest on
    /// the same motion, so that this error is smaller than the two errors together.
    Vec3 z = Vec3::Zero();
    double z_mean = 0;
};

/// @param model    D_xx, D_yy, D_zz of the model
/// @param samples  the same resampled, sample b with bootstrap_weights(n_blocks, seed, b)
/// @throws DataError when there are no samples, or blocks differ
[[nodiscard]] DirectComparison compare_with_direct(DirectTransport direct, const Vec3& model,
                                                   std::span<const Vec3> samples, std::uint64_t seed);

} // namespace mesolith
