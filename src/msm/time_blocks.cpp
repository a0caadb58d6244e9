#include "mesolith/msm/time_blocks.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include <boost/math/distributions/students_t.hpp>

#include "mesolith/core/error.hpp"
#include "mesolith/core/nan.hpp"

namespace mesolith {

std::vector<TimeBlock> cut_into_blocks(std::span<const std::int64_t> n_frames, std::int64_t block_frames) {
    if (block_frames < 1) throw DataError("time blocks need at least one frame. Ask for longer blocks");
    std::vector<TimeBlock> blocks;
    for (std::size_t k = 0; k < n_frames.size(); ++k) {
        if (n_frames[k] < 1) throw DataError("trajectory " + std::to_string(k) + " holds no frames");
        const std::int64_t n = std::max<std::int64_t>(1, (n_frames[k] + block_frames / 2) / block_frames);
        for (std::int64_t b = 0; b < n; ++b)
            blocks.push_back({k, b * block_frames, b + 1 < n ? (b + 1) * block_frames : n_frames[k]});
    }
    return blocks;
}

std::vector<double> bootstrap_weights(std::size_t n_blocks, std::uint64_t seed, std::uint32_t sample) {
    std::vector<double> weights(n_blocks);
    double sum = 0;
    for (std::size_t b = 0; b < n_blocks; ++b) {
        Stream random(seed, RngUse::bootstrap, sample, b);
        weights[b] = -std::log1p(-uniform01(random));
        sum += weights[b];
    }
    for (double& w : weights) w *= static_cast<double>(n_blocks) / sum;
    return weights;
}

double bootstrap_scale(std::size_t n_blocks) {
    if (n_blocks < 2) return std::numeric_limits<double>::infinity();
    const auto k = static_cast<double>(n_blocks);
    return std::sqrt((k + 1) / (k - 1));
}

double interval_factor(double level, std::size_t n_blocks) {
    if (!(level > 0 && level < 1) || n_blocks < 2)
        throw DataError("an interval needs a level between 0 and 1 and at least two blocks");
    const boost::math::students_t t(static_cast<double>(n_blocks - 1));
    return boost::math::quantile(t, 0.5 * (1 + level));
}

double standard_deviation(std::span<const double> samples) {
    double mean = 0, squares = 0;
    std::size_t n = 0;
    for (const double x : samples) {
        if (!std::isfinite(x)) continue;
        ++n;
        const double delta = x - mean;
        mean += delta / static_cast<double>(n);
        squares += delta * (x - mean);
    }
    return n < 2 ? nan_value : std::sqrt(squares / static_cast<double>(n - 1));
}

} // namespace mesolith
