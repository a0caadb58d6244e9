#pragma once
// What the steps of the analysis share.
#include <array>
#include <cmath>
#include <string>
#include <vector>

#include "mesolith/pipeline/analysis.hpp"

namespace mesolith {

inline constexpr std::array axes{'x', 'y', 'z'};

/// Standard error of each component from samples that were drawn by weighting `n_blocks` blocks.
template <class Value>
Value spread(const std::vector<Value>& samples, std::size_t n_blocks) {
    Value result;
    std::vector<double> component(samples.size());
    for (Eigen::Index k = 0; k < result.size(); ++k) {
        for (std::size_t b = 0; b < samples.size(); ++b) component[b] = samples[b].data()[k];
        result.data()[k] = bootstrap_scale(n_blocks) * standard_deviation(component);
    }
    return result;
}

inline Vec3 ratio(const Vec3& difference, const Vec3& error) {
    Vec3 z = Vec3::Zero();
    for (int a = 0; a < 3; ++a)
        if (difference[a] != 0) z[a] = difference[a] / error[a]; // an infinite or NaN z is no agreement
    return z;
}

struct Axis {
    int index;
    double value;
};
inline Axis largest(const Vec3& z) {
    Axis worst{0, std::abs(z[0])};
    for (int a = 1; a < 3; ++a)
        if (!(std::abs(z[a]) <= worst.value)) worst = {a, std::abs(z[a])};
    return worst;
}

inline Check judge(std::string name, double value, double warn_above, double fail_above, std::string text) {
    Check check{std::move(name), Verdict::pass, value, warn_above, fail_above, std::move(text)};
    if (!(value <= warn_above)) check.verdict = Verdict::warn;
    if (!(value <= fail_above)) check.verdict = Verdict::fail;
    return check;
}

/// Everything that the steps of the analysis share.
struct Context {
    const std::vector<SiteTrajectory>& trajectories;
    const SiteSet& sites;
    const std::vector<MsdSums>& raw_msd;
    const AnalysisOptions& options;
    double interval = 0; // [ps]
    std::vector<std::int64_t> n_frames;
    std::int64_t longest = 0;
    std::vector<Vec3> kappa;
    std::int64_t bin_frames = 1;
    std::vector<TimeBlock> blocks;
    std::size_t samples() const { return static_cast<std::size_t>(options.bootstrap_samples); }
    std::vector<double> weights(std::size_t sample) const {
        return bootstrap_weights(blocks.size(), options.seed, static_cast<std::uint32_t>(sample));
    }
    /// Counts at each of these lags [frames], pooled.
    std::vector<TransitionCounts> counts(const std::vector<std::int64_t>& lags) const;
    template <class Value>
    Value error(const std::vector<Value>& resampled) const {
        return spread(resampled, blocks.size());
    }
};

// The checks, each with its verdict; some fill in the curves they judge.
Check check_plateau(const Context& context, const MarkovAnalysis& analysis);
Check check_chapman_kolmogorov(const Context& context, MarkovAnalysis& analysis);
Check check_model_msd(const Context& context, MarkovAnalysis& analysis);
Check check_growth(const Context& context, const MarkovAnalysis& analysis);
Check check_sampling(const MarkovAnalysis& analysis);
Check check_symmetry(const Context& context, const MarkovAnalysis& analysis);

} // namespace mesolith
