#include "mesolith/pipeline/direct_comparison.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "mesolith/core/error.hpp"
#include "mesolith/msm/transport.hpp"

#include "analysis_parts.hpp"

namespace mesolith {

DirectComparison compare_with_direct(DirectTransport direct, const Vec3& model, std::span<const Vec3> samples,
                                     std::uint64_t seed) {
    const std::size_t n_blocks = direct.tracer_influence.size();
    if (samples.size() < 2 || n_blocks < 2)
        throw DataError("a comparison with the trajectory needs two time blocks and two resamplings");
    std::vector<Vec3> difference(samples.size()), resampled(samples.begin(), samples.end());
    std::vector<double> mean(samples.size());
    for (std::size_t b = 0; b < samples.size(); ++b) {
        const std::vector<double> w = bootstrap_weights(n_blocks, seed, static_cast<std::uint32_t>(b));
        Vec3 D = direct.tracer;
        for (std::size_t k = 0; k < n_blocks; ++k) D += (w[k] - 1) * direct.tracer_influence[k];
        difference[b] = samples[b] - D;
        mean[b] = difference[b].mean();
    }
    DirectComparison c;
    c.model = model;
    c.model_error = spread(resampled, n_blocks);
    c.z = ratio(model - direct.tracer, spread(difference, n_blocks));
    c.z_mean = (model - direct.tracer).mean() / (bootstrap_scale(n_blocks) * standard_deviation(mean));
    c.direct = std::move(direct);
    return c;
}

Vec3 slope_of_model(const Kernel& kernel, const SlopeEstimator& estimator, std::span<const double> time) {
    const double tau = kernel.lag_time;
    double longest = 0;
    for (const std::size_t lag : estimator.lags) {
        if (time[lag] < tau * (1 - 1e-9))
            throw DataError(
                "a model says nothing about times shorter than its lag. Fit the MSD from its lag on");
        longest = std::max(longest, time[lag]);
    }
    std::vector<std::int64_t> steps(static_cast<std::size_t>(std::floor(longest / tau * (1 + 1e-12))) + 2);
    std::iota(steps.begin(), steps.end(), std::int64_t{0});
    const std::vector<Mat3> msd = exact_msd(kernel, steps);
    Vec3 slope = Vec3::Zero();
    for (std::size_t k = 0; k < estimator.lags.size(); ++k) {
        const double at = time[estimator.lags[k]] / tau;
        const std::size_t below = std::min(static_cast<std::size_t>(at), msd.size() - 2);
        const double share = at - static_cast<double>(below);
        slope += estimator.weight[k] * ((1 - share) * msd[below] + share * msd[below + 1]).diagonal();
    }
    return slope;
}

} // namespace mesolith
