#include "mesolith/pipeline/analysis.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "mesolith/core/error.hpp"
#include "mesolith/core/nan.hpp"
#include "mesolith/core/parallel.hpp"
#include "mesolith/msm/pooling.hpp"

#include "analysis_parts.hpp"

namespace mesolith {

namespace {

/// Resampled results of one lag, from the same weights as those of all other lags: differences between lags
/// have their own errors.
struct Resampled {
    std::vector<Mat3> diffusivity;
    std::vector<Vec3> slope;  // of the MSD between the times of the window ...
    std::vector<Vec3> excess; // ... minus that of the trajectory
    std::vector<std::vector<double>> internal, supercell;
    explicit Resampled(std::size_t n) : diffusivity(n), slope(n), excess(n), internal(n), supercell(n) {}
};

/// Errors of timescales are those of their logarithms: a long one is known to a factor, not to a difference.
std::vector<Estimate> with_errors(const Context& context, const std::vector<double>& values,
                                  const std::vector<std::vector<double>>& samples) {
    std::vector<Estimate> estimates;
    for (std::size_t m = 0; m < values.size(); ++m) {
        std::vector<double> logarithms;
        for (const std::vector<double>& s : samples)
            if (m < s.size() && s[m] > 0) logarithms.push_back(std::log(s[m]));
        estimates.push_back(
            {values[m], values[m] * bootstrap_scale(context.blocks.size()) * standard_deviation(logarithms)});
    }
    return estimates;
}

Context make_context(const std::vector<SiteTrajectory>& trajectories, const SiteSet& sites,
                     const std::vector<MsdSums>& raw_msd, const AnalysisOptions& options) {
    if (trajectories.empty() || trajectories.size() != raw_msd.size())
        throw DataError("the analysis needs at least one trajectory, each with its MSD");
    if (options.lag_times.empty()) throw DataError("no lag time given. List at least one");
    if (options.bootstrap_samples < 2) throw DataError("error bars need at least two bootstrap samples");
    Context context{trajectories,
                    sites,
                    raw_msd,
                    options,
                    trajectories.front().frame_interval,
                    {},
                    0,
                    supercell_wave_vectors(sites.supercell),
                    1,
                    {}};
    if (!(context.interval > 0)) throw DataError("the frame interval must be positive");
    for (std::size_t k = 0; k < trajectories.size(); ++k) {
        context.n_frames.push_back(trajectories[k].n_frames);
        context.longest = std::max(context.longest, trajectories[k].n_frames);
        context.bin_frames = std::max(context.bin_frames, raw_msd[k].bin_frames);
    }
    return context;
}

std::vector<std::int64_t> lags_in_frames(const Context& context) {
    std::vector<std::int64_t> lags;
    for (const double t : context.options.lag_times) {
        const std::int64_t frames = std::llround(t / context.interval);
        if (frames < 1 || std::abs(static_cast<double>(frames) * context.interval - t) > 1e-3 * t)
            throw DataError(
                fmt::format("a lag of {} ps is not a whole number of frames of {} ps. Choose multiples", t,
                            context.interval));
        lags.push_back(frames);
    }
    std::sort(lags.begin(), lags.end());
    lags.erase(std::unique(lags.begin(), lags.end()), lags.end());
    return lags;
}

struct CurveSamples {
    std::vector<std::vector<Vec3>> curve; // [sample][lag]
    std::vector<MsdFit> fit;
};

/// An MSD curve and its slope with bootstrap errors.
void msd_with_errors(const Context& context, const std::vector<MsdSums>& sums, MsdCurve& curve,
                     MsdSlope& slope, CurveSamples& samples) {
    const AnalysisOptions& o = context.options;
    for (const std::int64_t lag : sums.front().lag_frames)
        curve.time.push_back(static_cast<double>(lag) * context.interval);
    curve.value = weighted_msd(sums, context.blocks);
    const MsdFit fit = fit_msd(curve.time, curve.value, o.fit_begin, o.fit_end);
    samples.curve.resize(context.samples());
    samples.fit.resize(context.samples());
    for_each_index(context.samples(), [&](std::size_t b) {
        samples.curve[b] = weighted_msd(sums, context.blocks, context.weights(b));
        samples.fit[b] = fit_msd(curve.time, samples.curve[b], o.fit_begin, o.fit_end);
    });
    for (std::size_t l = 0; l < curve.time.size(); ++l) {
        std::vector<Vec3> column;
        for (const auto& s : samples.curve) column.push_back(s[l]);
        curve.error.push_back(context.error(column));
    }
    std::vector<Vec3> slopes;
    for (const MsdFit& f : samples.fit) slopes.push_back(f.diffusivity);
    slope = {fit.diffusivity, context.error(slopes), fit.intercept};
}

/// Times nearest to the fit window between which the MSD of a model with this lag can grow.
struct SlopeWindow {
    std::int64_t first, last; // steps of the model
};
SlopeWindow window_of(const AnalysisOptions& o, double lag_time) {
    const auto first =
        std::max<std::int64_t>(1, static_cast<std::int64_t>(std::ceil(o.fit_begin / lag_time - 1e-9)));
    const auto last = static_cast<std::int64_t>(std::floor(o.fit_end / lag_time + 1e-9));
    return {first, std::max(last, first + 1)};
}

Vec3 model_slope(const Kernel& kernel, const SlopeWindow& w) {
    const std::vector<Mat3> msd = exact_msd(kernel, {w.first, w.last});
    return (msd[1] - msd[0]).diagonal() / (2 * kernel.lag_time * static_cast<double>(w.last - w.first));
}

/// Slope / 2 of a curve between two times, linear between its points; NaN beyond its end.
Vec3 curve_slope(const std::vector<double>& time, const std::vector<Vec3>& value, double begin, double end) {
    const auto at = [&](double t) -> Vec3 {
        const auto next = std::lower_bound(time.begin(), time.end(), t * (1 - 1e-9));
        if (next == time.end()) return Vec3::Constant(nan_value);
        const auto k = static_cast<std::size_t>(next - time.begin());
        if (k == 0) return value[0] * t / time[0];
        const double share = (t - time[k - 1]) / (time[k] - time[k - 1]);
        return (1 - share) * value[k - 1] + share * value[k];
    };
    return (at(end) - at(begin)) / (2 * (end - begin));
}

LagResult result_at_lag(const Context& context, TransitionCounts counts, Resampled& resampled) {
    const AnalysisOptions& o = context.options;
    LagResult r;
    r.counts = std::move(counts);
    r.kernel = estimate_kernel(r.counts, context.sites.basis, o.estimator, {}, &r.estimator);
    r.classes = closed_classes(r.kernel);
    r.transport = exact_transport(r.kernel, r.classes);
    r.hops = hops_behind(r.kernel, r.transport, r.counts);
    r.modes = kernel_spectrum(r.kernel, context.kappa);
    const double tau = r.kernel.lag_time;
    const SlopeWindow window = window_of(o, tau);
    r.window_begin = static_cast<double>(window.first) * tau;
    r.window_end = static_cast<double>(window.last) * tau;
    r.model_slope = model_slope(r.kernel, window);
    for_each_index(context.samples(), [&](std::size_t b) {
        const Kernel kernel = estimate_kernel(r.counts, context.sites.basis, o.estimator, context.weights(b));
        resampled.slope[b] = model_slope(kernel, window);
        resampled.diffusivity[b] = exact_transport(kernel).diffusivity;
        resampled.internal[b] = slow_timescales(kernel, o.n_timescales);
        resampled.supercell[b] = slow_timescales(kernel, o.n_timescales, context.kappa);
    });
    r.error = context.error(resampled.diffusivity);
    r.delta = delta_method(r.counts, context.sites.basis, o.estimator);
    for (const Mat3& D : resampled.diffusivity) r.samples.push_back(D.diagonal());
    r.internal_timescales =
        with_errors(context, slow_timescales(r.kernel, o.n_timescales), resampled.internal);
    r.supercell_timescales =
        with_errors(context, slow_timescales(r.kernel, o.n_timescales, context.kappa), resampled.supercell);
    return r;
}

/// Whether the chosen model moves as the trajectory does.
void describe_growth(MarkovAnalysis& analysis) {
    const LagResult& lag = analysis.lags[analysis.chosen];
    const Axis worst = largest(lag.z_msd);
    analysis.agreement_sentence = fmt::format(
        "At the chosen lag of {:g} ps the model's MSD {} between {:g} and {:g} ps (largest difference of the "
        "slopes {:.1f} standard errors, along {}).",
        lag.kernel.lag_time,
        lag.agrees ? "grows as that of the trajectory" : "does not grow as that of the trajectory",
        lag.window_begin, lag.window_end, worst.value, axes[static_cast<std::size_t>(worst.index)]);
}

/// The slope of an MSD is D only once all relaxation is over: say so where the two differ.
void describe_long_times(const Context& context, const std::vector<Vec3>& d_minus_slope,
                         MarkovAnalysis& analysis) {
    const AnalysisOptions& o = context.options;
    const LagResult& lag = analysis.lags[analysis.chosen];
    const Vec3 D = lag.transport.diffusivity.diagonal();
    if (!lag.agrees ||
        largest(ratio(D - analysis.raw_slope.diffusivity, context.error(d_minus_slope))).value <=
            o.agreement_sigmas)
        return;
    const auto slowest = std::find_if(lag.internal_timescales.begin(), lag.internal_timescales.end(),
                                      [](const Estimate& t) { return std::isfinite(t.value); });
    if (slowest == lag.internal_timescales.end()) return;
    analysis.agreement_sentence += fmt::format(
        " Its D at long times differs by {:+.0f}, {:+.0f}, {:+.0f} % (x, y, z) from the slope of the MSD "
        "between {:g} and {:g} ps: relaxation "
        "with timescales up to {:.0f} ps is still going on there.",
        100 * (D[0] / analysis.raw_slope.diffusivity[0] - 1),
        100 * (D[1] / analysis.raw_slope.diffusivity[1] - 1),
        100 * (D[2] / analysis.raw_slope.diffusivity[2] - 1), o.fit_begin, o.fit_end, slowest->value);
}

/// Does the model's MSD grow as that of the trajectory?
void compare_growth(const Context& context, const CurveSamples& raw, std::vector<Resampled>& resampled,
                    MarkovAnalysis& analysis) {
    const AnalysisOptions& o = context.options;
    for (std::size_t l = 0; l < analysis.lags.size(); ++l) {
        LagResult& lag = analysis.lags[l];
        const auto slope = [&](const std::vector<Vec3>& msd) {
            return curve_slope(analysis.raw.time, msd, lag.window_begin, lag.window_end);
        };
        lag.msd_slope = slope(analysis.raw.value);
        std::vector<Vec3>& excess = resampled[l].excess;
        for (std::size_t b = 0; b < excess.size(); ++b)
            excess[b] = resampled[l].slope[b] - slope(raw.curve[b]);
        lag.z_msd = ratio(lag.model_slope - lag.msd_slope, context.error(excess));
        lag.agrees = largest(lag.z_msd).value <= o.agreement_sigmas;
    }
}

/// D and the logarithms of the slowest timescales, which must not depend on the lag, and the growth of the
/// MSD beyond that of the trajectory, which must be zero.
LagQuantities quantities_of(const LagResult& lag, const Resampled& resampled, std::size_t n_timescales) {
    LagQuantities q;
    q.lag_time = lag.kernel.lag_time;
    q.fewest_hops = lag.hops.minCoeff();
    const auto list = [&](const Mat3& D, const std::vector<double>& timescales) {
        std::vector<double> values{D(0, 0), D(1, 1), D(2, 2), D.trace() / 3, D(1, 2), D(0, 2), D(0, 1)};
        for (double& v : values) // zero by symmetry but for rounding
            if (std::abs(v) < 1e-10 * D.trace()) v = 0;
        for (std::size_t m = 0; m < n_timescales; ++m) {
            const bool known = m < timescales.size() && std::isfinite(timescales[m]) && timescales[m] > 0;
            values.push_back(known ? std::log(timescales[m]) : nan_value);
        }
        return values;
    };
    std::vector<double> timescales;
    for (const Estimate& t : lag.internal_timescales)
        // An eigenvalue near its noise has a timescale that is noise, and biased.
        timescales.push_back(t.error < 0.5 * t.value && t.value > 0.5 * q.lag_time ? t.value : nan_value);
    q.value = list(lag.transport.diffusivity, timescales);
    for (std::size_t b = 0; b < resampled.diffusivity.size(); ++b)
        q.sample.push_back(list(resampled.diffusivity[b], resampled.internal[b]));
    const auto with_mean = [](const Vec3& v) { return std::vector<double>{v[0], v[1], v[2], v.mean()}; };
    q.residual = with_mean(lag.model_slope - lag.msd_slope);
    for (const Vec3& excess : resampled.excess) q.residual_sample.push_back(with_mean(excess));
    return q;
}

void choose_lag(const Context& context, const CurveSamples& raw, const std::vector<Resampled>& resampled,
                MarkovAnalysis& analysis) {
    const AnalysisOptions& o = context.options;
    const std::size_t n_timescales = std::min<std::size_t>(o.n_timescales, 3);
    analysis.quantities = {"D_xx", "D_yy", "D_zz", "D_mean", "D_yz", "D_xz", "D_xy"};
    for (std::size_t m = 0; m < n_timescales; ++m)
        analysis.quantities.push_back(fmt::format("ln t_{}", m + 1));
    for (const char* axis : {"along x", "along y", "along z", "of all axes"})
        analysis.quantities.push_back(fmt::format("the growth of the MSD {}", axis));
    std::vector<LagQuantities> quantities;
    for (std::size_t l = 0; l < analysis.lags.size(); ++l)
        quantities.push_back(quantities_of(analysis.lags[l], resampled[l], n_timescales));
    LagSelectionOptions selection;
    selection.level = o.plateau_level;
    selection.fewest_hops = o.fewest_hops;
    selection.n_first = 4; // D of the axes and their mean
    selection.scale = bootstrap_scale(context.blocks.size());
    analysis.selection = select_lag(quantities, analysis.quantities, selection);
    analysis.chosen = analysis.selection.chosen;
    if (o.chosen_lag > 0) {
        const std::int64_t frames = std::llround(o.chosen_lag / context.interval);
        const auto found = std::find_if(analysis.lags.begin(), analysis.lags.end(),
                                        [&](const LagResult& l) { return l.counts.lag_frames == frames; });
        if (found == analysis.lags.end())
            throw DataError(fmt::format("the chosen lag of {:g} ps is not in the list of lag times. Add it",
                                        o.chosen_lag));
        analysis.chosen = static_cast<std::size_t>(found - analysis.lags.begin());
    }
    analysis.markovian = analysis.selection.plateau && analysis.chosen >= analysis.selection.chosen;
    std::vector<Vec3> d_minus_slope(context.samples());
    for (std::size_t b = 0; b < d_minus_slope.size(); ++b)
        d_minus_slope[b] = analysis.lags[analysis.chosen].samples[b] - raw.fit[b].diffusivity;
    describe_growth(analysis);
    describe_long_times(context, d_minus_slope, analysis);
}

/// D of the chosen lag from the first part of the data: does it settle?
std::vector<ConvergencePoint> converge(const Context& context, const TransitionCounts& counts) {
    const std::vector<TimeBlock>& blocks = context.blocks;
    std::vector<ConvergencePoint> points;
    for (const double part : {0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1.0}) {
        const auto used = static_cast<std::size_t>(std::llround(part * static_cast<double>(blocks.size())));
        if (used < 2) continue;
        ConvergencePoint point;
        std::vector<double> mask(blocks.size(), 0.0);
        for (std::size_t b = 0; b < used; ++b) {
            mask[b] = 1;
            point.duration += static_cast<double>(blocks[b].end - blocks[b].begin) * context.interval;
        }
        const auto diffusivity = [&](std::span<const double> w) -> Vec3 {
            return exact_transport(estimate_kernel(counts, context.sites.basis, context.options.estimator, w))
                .diffusivity.diagonal();
        };
        try {
            point.diffusivity = diffusivity(mask);
            std::vector<Vec3> samples(std::min<std::size_t>(context.samples(), 60));
            for_each_index(samples.size(), [&](std::size_t s) {
                std::vector<double> w =
                    bootstrap_weights(used, context.options.seed, static_cast<std::uint32_t>(s));
                w.resize(blocks.size(), 0.0);
                samples[s] = diffusivity(w);
            });
            point.error = spread(samples, used);
        } catch (const DataError&) {
            continue; // a part without a single window, or too small for a given stationary distribution
        }
        points.push_back(point);
    }
    return points;
}

void collect_warnings(const Context& context, MarkovAnalysis& analysis) {
    const LagResult& chosen = analysis.lags[analysis.chosen];
    std::string unvisited;
    for (std::size_t j = 0; j < chosen.kernel.n_sites(); ++j)
        if (chosen.kernel.stationary[j] == 0)
            unvisited += (unvisited.empty() ? "" : ", ") + context.sites.basis.name[j];
    if (!unvisited.empty())
        analysis.warnings.push_back("sites without stationary weight (never visited, or left for good): " +
                                    unvisited);
    std::size_t classes = 0, idle = 0;
    for (const ClosedClass& c : chosen.classes.classes) {
        if (c.weight <= 0) continue;
        ++classes;
        idle += c.sites.size() == 1;
    }
    if (classes > 1)
        analysis.warnings.push_back(fmt::format(
            "{} groups of sites never exchanged an ion at a lag of {:g} ps ({} of them single sites): D is "
            "the average over groups, weighted by their ions",
            classes, chosen.kernel.lag_time, idle));
    std::int64_t windows = 0;
    for (const std::int64_t n : chosen.counts.total) windows += n;
    const double skipped = static_cast<double>(chosen.counts.skipped_windows) /
                           static_cast<double>(windows + chosen.counts.skipped_windows);
    if (skipped > 0.01)
        analysis.warnings.push_back(
            fmt::format("{:.2g} % of the windows start or end unassigned and were left out", 100 * skipped));
}

} // namespace

std::vector<TransitionCounts> Context::counts(const std::vector<std::int64_t>& lags) const {
    std::vector<TransitionCounts> result = count_transitions(trajectories, sites, lags, blocks);
    for (TransitionCounts& c : result) c = pool_counts(std::move(c), options.operations);
    return result;
}

const char* name(Verdict verdict) {
    switch (verdict) {
    case Verdict::pass:
        return "pass";
    case Verdict::warn:
        return "warn";
    case Verdict::fail:
        return "fail";
    }
    return "fail";
}

MarkovAnalysis analyse(const std::vector<SiteTrajectory>& trajectories, const SiteSet& sites,
                       const std::vector<MsdSums>& raw_msd, const AnalysisOptions& options,
                       const std::function<void(double)>& progress) {
    const auto report = [&](double fraction) {
        if (progress) progress(fraction);
    };
    Context context = make_context(trajectories, sites, raw_msd, options);
    MarkovAnalysis analysis;
    analysis.blocks = choose_blocks(trajectories, sites, raw_msd, options.fit_end, options.block);
    context.blocks = analysis.blocks.blocks;
    if (context.blocks.size() < 10)
        analysis.warnings.push_back(fmt::format(
            "only {} time blocks of {:.3g} ps: error bars are rough (± {:.0f} %)", context.blocks.size(),
            analysis.blocks.length, 100 / std::sqrt(2.0 * static_cast<double>(context.blocks.size() - 1))));

    std::vector<TransitionCounts> counts = context.counts(lags_in_frames(context));
    report(0.05);
    CurveSamples raw, projected;
    msd_with_errors(context, raw_msd, analysis.raw, analysis.raw_slope, raw);
    report(0.1);
    std::vector<MsdSums> projected_sums;
    for (const SiteTrajectory& t : trajectories)
        projected_sums.push_back(projected_msd(t, sites, raw_msd.front().lag_frames, context.bin_frames));
    msd_with_errors(context, projected_sums, analysis.projected, analysis.projected_slope, projected);
    report(0.2);

    std::vector<Resampled> resampled(counts.size(), Resampled(context.samples()));
    for (std::size_t l = 0; l < counts.size(); ++l) {
        analysis.lags.push_back(result_at_lag(context, std::move(counts[l]), resampled[l]));
        report(0.2 + 0.5 * static_cast<double>(l + 1) / static_cast<double>(counts.size()));
    }
    compare_growth(context, raw, resampled, analysis);
    choose_lag(context, raw, resampled, analysis);
    analysis.checks.push_back(check_plateau(context, analysis));
    analysis.checks.push_back(check_chapman_kolmogorov(context, analysis));
    report(0.85);
    analysis.checks.push_back(check_model_msd(context, analysis));
    analysis.checks.push_back(check_growth(context, analysis));
    analysis.checks.push_back(check_sampling(analysis));
    if (!options.operations.empty()) analysis.checks.push_back(check_symmetry(context, analysis));
    report(0.95);
    analysis.convergence = converge(context, analysis.lags[analysis.chosen].counts);
    collect_warnings(context, analysis);
    report(1);
    return analysis;
}

} // namespace mesolith
