#include "mesolith/pipeline/direct_comparison.hpp"

#include <cmath>

#include "mesolith/core/error.hpp"

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

} // namespace mesolith
