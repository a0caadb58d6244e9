#include "mesolith/observables/van_hove.hpp"

#include <cmath>

#include "mesolith/core/error.hpp"
#include "mesolith/core/nan.hpp"
#include "mesolith/core/parallel.hpp"

namespace mesolith {

VanHoveSums van_hove_sums(const TransitionCounts& counts, const SiteBasis& basis, const DistanceBins& bins,
                          std::span<const Vec3> wave_vectors) {
    bins.check();
    if (counts.n_sites != basis.size())
        throw DataError("counts are for " + std::to_string(counts.n_sites) + " sites, the crystal has " +
                        std::to_string(basis.size()));
    const std::size_t n_k = wave_vectors.size(), n_blocks = counts.n_blocks(), row = bins.n + 1;
    std::vector<std::size_t> bin;
    std::vector<std::complex<double>> phase; // [transition][k]
    for (const Transition& t : counts.transitions) {
        const Vec3 d =
            basis.displacement(static_cast<std::size_t>(t.from), static_cast<std::size_t>(t.to), t.R);
        bin.push_back(bins.bin_of(d.norm()));
        for (const Vec3& k : wave_vectors) phase.push_back(std::polar(1.0, -k.dot(d)));
    }
    VanHoveSums sums;
    sums.lag_frames = counts.lag_frames;
    sums.frame_interval = counts.frame_interval;
    sums.bins = bins;
    sums.wave_vectors.assign(wave_vectors.begin(), wave_vectors.end());
    sums.windows.assign(n_blocks, 0.0);
    sums.histogram.assign(n_blocks * row, 0.0);
    sums.scattering.assign(n_blocks * n_k, 0.0);
    for (std::size_t b = 0; b < n_blocks; ++b)
        for (std::size_t e = counts.block_offsets[b]; e < counts.block_offsets[b + 1]; ++e) {
            const auto t = static_cast<std::size_t>(counts.block_transition[e]);
            const auto n = static_cast<double>(counts.block_count[e]);
            sums.windows[b] += n;
            sums.histogram[b * row + bin[t]] += n;
            for (std::size_t k = 0; k < n_k; ++k) sums.scattering[b * n_k + k] += n * phase[t * n_k + k];
        }
    return sums;
}

std::vector<VanHoveSums> van_hove_sums(const std::vector<SiteTrajectory>& trajectories, const SiteSet& sites,
                                       std::span<const std::int64_t> lags,
                                       const std::vector<TimeBlock>& blocks, const DistanceBins& bins,
                                       std::span<const Vec3> wave_vectors) {
    const std::vector<TransitionCounts> counts = count_transitions(trajectories, sites, lags, blocks);
    std::vector<VanHoveSums> sums(counts.size());
    for_each_index(counts.size(), [&](std::size_t l) {
        sums[l] = van_hove_sums(counts[l], sites.basis, bins, wave_vectors);
    });
    return sums;
}

VanHoveMeans weighted_van_hove(const VanHoveSums& sums, std::span<const double> weights) {
    if (!weights.empty() && weights.size() != sums.n_blocks())
        throw DataError("one weight per time block is needed");
    const std::size_t n_k = sums.wave_vectors.size(), n_bins = sums.bins.n;
    VanHoveMeans means{std::vector<double>(n_bins, 0.0), 0, std::vector<std::complex<double>>(n_k, 0.0)};
    double windows = 0;
    for (std::size_t b = 0; b < sums.n_blocks(); ++b) {
        const double w = weights.empty() ? 1.0 : weights[b];
        const double* row = sums.histogram.data() + b * (n_bins + 1);
        windows += w * sums.windows[b];
        for (std::size_t r = 0; r < n_bins; ++r) means.probability[r] += w * row[r];
        means.beyond += w * row[n_bins];
        for (std::size_t k = 0; k < n_k; ++k) means.scattering[k] += w * sums.scattering[b * n_k + k];
    }
    const double one = windows > 0 ? 1 / windows : nan_value;
    for (double& p : means.probability) p *= one;
    means.beyond *= one;
    for (std::complex<double>& f : means.scattering) f *= one;
    return means;
}

} // namespace mesolith
