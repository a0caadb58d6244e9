#include "mesolith/observables/direct_transport.hpp"

#include <cmath>

#include "mesolith/core/error.hpp"
#include "mesolith/core/nan.hpp"
#include "mesolith/observables/msd_gls.hpp"

namespace mesolith {
namespace {

/// The collective MSD at the lags and in the time bins of the single one.
std::vector<MsdSums> collective_sums(const std::vector<MsdSums>& single,
                                     const std::vector<CollectiveDisplacement>& collective) {
    if (collective.size() != single.size())
        throw DataError("some trajectories lack their collective displacement. Map all of them anew");
    std::vector<MsdSums> sums;
    for (std::size_t k = 0; k < single.size(); ++k) {
        if (static_cast<std::int64_t>(collective[k].sum.size()) != single[k].n_frames)
            throw DataError("a collective displacement has another number of frames than the MSD");
        sums.push_back(collective_msd(collective[k], single[k].lag_frames, single[k].bin_frames));
    }
    return sums;
}

/// Ratio a / b and its error to first order, from what each block adds to both; `scale` turns the sum of
/// squares into a variance.
Estimate ratio_of(double a, double b, const std::vector<double>& influence_a,
                  const std::vector<double>& influence_b, double scale) {
    double squares = 0;
    for (std::size_t k = 0; k < influence_a.size(); ++k) {
        const double y = influence_a[k] / b - a / (b * b) * influence_b[k];
        squares += y * y;
    }
    return {a / b, influence_a.size() < 2 ? nan_value : std::sqrt(squares * scale)};
}

void add_collective(const SlopeEstimator& estimator, const SlopeEstimate& single,
                    const std::vector<MsdSums>& sums, const std::vector<TimeBlock>& blocks,
                    DirectTransport& result) {
    const SlopeEstimate e = estimate_slope(estimator, sums, blocks);
    result.collective = e.diffusivity;
    result.collective_error = e.error();
    result.collective_mean = {e.mean(), e.mean_error()};
    const auto n = static_cast<double>(blocks.size());
    const double scale = n / (n - 1) / estimator.seen_by_blocks;
    const auto column = [](const std::vector<Vec3>& influence, int axis) {
        std::vector<double> values;
        for (const Vec3& v : influence) values.push_back(axis < 3 ? v[axis] : v.mean());
        return values;
    };
    for (int axis = 0; axis < 4; ++axis) {
        const double a = axis < 3 ? single.diffusivity[axis] : single.mean(),
                     b = axis < 3 ? e.diffusivity[axis] : e.mean();
        const Estimate ratio =
            ratio_of(a, b, column(single.influence, axis), column(e.influence, axis), scale);
        if (axis == 3)
            result.haven_mean = ratio;
        else
            result.haven[axis] = ratio.value, result.haven_error[axis] = ratio.error;
    }
}

} // namespace

DirectTransport direct_transport(const std::vector<MsdSums>& single,
                                 const std::vector<CollectiveDisplacement>& collective,
                                 const std::vector<TimeBlock>& blocks, const DirectOptions& options) {
    DirectTransport result;
    result.begin = options.begin;
    result.end = options.end;
    result.window_given = options.end > 0;
    if (!result.window_given) {
        const DiffusiveWindow window = diffusive_window(single, blocks);
        result.begin = window.begin;
        result.end = window.end;
        result.straight = window.found;
    }
    const SlopeEstimator estimator = gls_estimator(single, blocks, result.begin, result.end);
    result.begin = estimator.begin;
    result.end = estimator.end;
    result.method = "MSD, generalised least squares";
    result.n_blocks = blocks.size();
    double duration = 0;
    for (const MsdSums& s : single) duration += static_cast<double>(s.n_frames) * s.frame_interval;
    result.windows = duration / result.end;

    const SlopeEstimate e = estimate_slope(estimator, single, blocks);
    result.tracer = e.diffusivity;
    result.tracer_covariance = e.covariance;
    result.tracer_influence = e.influence;
    result.tracer_mean = {e.mean(), e.mean_error()};

    result.has_collective = !collective.empty();
    if (result.has_collective) {
        result.n_ions = collective.front().n_ions;
        add_collective(estimator, e, collective_sums(single, collective), blocks, result);
    } else {
        result.collective.setConstant(nan_value);
        result.collective_error = result.haven = result.haven_error = result.collective;
        result.collective_mean = result.haven_mean = {nan_value, nan_value};
    }
    return result;
}

} // namespace mesolith
