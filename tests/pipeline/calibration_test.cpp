// Do nominal 68 % and 95 % intervals hold the truth in 68 % and 95 % of data sets? 300 synthetic ones,
// treated as the pipeline treats real ones: overlapping windows, block length found from the data, weighted
// time blocks.
#include <cmath>

#include "mesolith/core/parallel.hpp"
#include "mesolith/msm/estimate_kernel.hpp"
#include "mesolith/msm/spectrum.hpp"
#include "mesolith/msm/transport.hpp"
#include "mesolith/pipeline/choose_blocks.hpp"

#include "support/catch.hpp"
#include "support/kernels.hpp"
#include "support/synthetic.hpp"

using namespace mesolith;
using namespace mesolith::test;

namespace {

/// The numbers whose intervals are judged: D of three axes, pi of all sites but one, ln t_2.
std::vector<double> numbers_of(const Kernel& kernel) {
    std::vector<double> x;
    const Mat3 D = exact_transport(kernel).diffusivity;
    for (int a = 0; a < 3; ++a) x.push_back(D(a, a));
    for (std::size_t j = 0; j + 1 < kernel.n_sites(); ++j) x.push_back(kernel.stationary[j]);
    const std::vector<Mode> modes = kernel_spectrum(kernel, {Vec3::Zero()});
    x.push_back(std::log(modes[1].timescale(kernel.lag_time)));
    return x;
}

MsdSums msd_of(const std::vector<std::vector<Place>>& places, const Kernel& kernel, std::int64_t lag) {
    MsdAccumulator msd({lag}, places.front().size(), kernel.lag_time);
    std::vector<Vec3> positions(places.front().size());
    for (const auto& frame : places) {
        for (std::size_t k = 0; k < frame.size(); ++k) positions[k] = position(frame[k], kernel.basis);
        msd.add_frame(positions);
    }
    return msd.finish();
}

struct Coverage {
    int inside_68 = 0, inside_95 = 0, of = 0;
    void add(const Coverage& c) {
        inside_68 += c.inside_68;
        inside_95 += c.inside_95;
        of += c.of;
    }
};

} // namespace

TEST_CASE("in 300 data sets 68 % and 95 % intervals of D, pi and t_2 hold the truth within 4 points",
          "[pipeline][calibration][random]") {
    // 6 sites, pi not uniform, t_2 of some lags; 16 ions that hop every few frames
    Kernel truth = random_reversible(6, 3);
    for (std::size_t j = 0; j < 6; ++j) truth.basis.orbit[j] = static_cast<std::int32_t>(j); // none alike
    const std::vector<double> exact = numbers_of(truth);
    const SiteSet sites = tile(truth.basis, IVec3(1, 1, 1));
    constexpr std::size_t n_sets = 300, n_frames = 1500, n_ions = 16, samples = 80, lag = 2;
    std::vector<std::vector<Coverage>> by_set(n_sets, std::vector<Coverage>(exact.size()));
    for_each_index(n_sets, [&](std::size_t r) {
        const auto places = walk(truth, n_ions, n_frames, 1000 + r);
        const std::vector<SiteTrajectory> data{as_events(places, sites, truth.lag_time)};
        const auto blocks =
            choose_blocks(data, sites, {msd_of(places, truth, lag)}, lag * truth.lag_time).blocks;
        const std::vector<std::int64_t> lags{lag};
        const TransitionCounts counts = count_transitions(data, sites, lags, blocks).front();
        const std::vector<double> estimate = numbers_of(estimate_kernel(counts, sites.basis, {}));
        std::vector<std::vector<double>> resampled(exact.size());
        for (std::uint32_t b = 0; b < samples; ++b) {
            const auto x =
                numbers_of(estimate_kernel(counts, sites.basis, {}, bootstrap_weights(blocks.size(), r, b)));
            for (std::size_t q = 0; q < x.size(); ++q) resampled[q].push_back(x[q]);
        }
        for (std::size_t q = 0; q < exact.size(); ++q) {
            const double error = bootstrap_scale(blocks.size()) * standard_deviation(resampled[q]);
            const double z = std::abs(estimate[q] - exact[q]) / error;
            by_set[r][q] = {z < interval_factor(0.6827, blocks.size()),
                            z < interval_factor(0.95, blocks.size()), 1};
        }
    });
    std::vector<Coverage> coverage(exact.size());
    for (const auto& set : by_set)
        for (std::size_t q = 0; q < set.size(); ++q) coverage[q].add(set[q]);
    Coverage D, pi;
    for (std::size_t q = 0; q < 3; ++q) D.add(coverage[q]);
    for (std::size_t q = 3; q + 1 < coverage.size(); ++q) pi.add(coverage[q]);
    const auto judge = [](const std::string& what, const Coverage& c) {
        const double in_68 = 100.0 * c.inside_68 / c.of, in_95 = 100.0 * c.inside_95 / c.of;
        INFO(what << ": " << in_68 << " %, " << in_95 << " % of " << c.of);
        CHECK(std::abs(in_68 - 68.27) < 4);
        CHECK(std::abs(in_95 - 95) < 4);
    };
    judge("D", D);
    judge("pi", pi);
    judge("t_2", coverage.back());
}
