#include "mesolith/pipeline/analysis.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>

#include <fmt/format.h>

#include "mesolith/core/error.hpp"
#include "mesolith/core/parallel.hpp"

namespace mesolith {

namespace {

constexpr std::array axes{'x', 'y', 'z'};

/// Standard error of each component over samples.
template <class Value>
Value spread(const std::vector<Value>& samples) {
    Value result;
    std::vector<double> component(samples.size());
    for (Eigen::Index k = 0; k < result.size(); ++k) {
        for (std::size_t b = 0; b < samples.size(); ++b) component[b] = samples[b].data()[k];
        result.data()[k] = standard_deviation(component);
    }
    return result;
}

Vec3 ratio(const Vec3& difference, const Vec3& error) {
    Vec3 z = Vec3::Zero();
    for (int a = 0; a < 3; ++a)
        if (difference[a] != 0) z[a] = difference[a] / error[a]; // an infinite or NaN z is no agreement
    return z;
}

struct Axis {
    int index;
    double value;
};
Axis largest(const Vec3& z) {
    Axis worst{0, std::abs(z[0])};
    for (int a = 1; a < 3; ++a)
        if (!(std::abs(z[a]) <= worst.value)) worst = {a, std::abs(z[a])};
    return worst;
}

Check judge(std::string name, double value, double warn_above, double fail_above, std::string text) {
    Check check{std::move(name), Verdict::pass, value, warn_above, fail_above, std::move(text)};
    if (!(value <= warn_above)) check.verdict = Verdict::warn;
    if (!(value <= fail_above)) check.verdict = Verdict::fail;
    return check;
}

/// Timescales of all modes but the first (the stationary one), slowest first.
std::vector<double> slow_timescales(const std::vector<Mode>& modes, double lag_time, std::size_t n,
                                    bool internal_only) {
    std::vector<double> t;
    for (const Mode& mode : modes)
        if (!internal_only || mode.kappa.squaredNorm() < 1e-18) t.push_back(mode.timescale(lag_time));
    if (!t.empty()) t.erase(t.begin());
    t.resize(std::min(t.size(), n));
    return t;
}

/// Resampled results of one lag, from the same weights as those of all other lags: differences between lags
/// have their own errors.
struct Resampled {
    std::vector<Mat3> diffusivity;
    std::vector<Vec3> slope; // of the MSD between the times of the window
    std::vector<std::vector<double>> internal, supercell;
    explicit Resampled(std::size_t n) : diffusivity(n), slope(n), internal(n), supercell(n) {}
};

std::vector<Estimate> with_errors(const std::vector<double>& values,
                                  const std::vector<std::vector<double>>& samples) {
    std::vector<Estimate> estimates;
    for (std::size_t m = 0; m < values.size(); ++m) {
        std::vector<double> column;
        for (const std::vector<double>& s : samples)
            if (m < s.size()) column.push_back(s[m]);
        estimates.push_back({values[m], standard_deviation(column)});
    }
    return estimates;
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
    std::size_t samples() const { return static_cast<std::size_t>(options.bootstrap_samples); }
    std::vector<double> weights(std::size_t n_blocks, std::size_t sample) const {
        return bootstrap_weights(n_blocks, options.seed, static_cast<std::uint32_t>(sample));
    }
};

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
                    1};
    if (!(context.interval > 0)) throw DataError("the frame interval must be positive");
    for (std::size_t k = 0; k < trajectories.size(); ++k) {
        context.n_frames.push_back(trajectories[k].n_frames);
        context.longest = std::max(context.longest, trajectories[k].n_frames);
        context.bin_frames = std::max(context.bin_frames, raw_msd[k].bin_frames);
    }
    return context;
}

std::vector<TimeBlock> choose_blocks(const Context& context, MarkovAnalysis& analysis) {
    const AnalysisOptions& o = context.options;
    const double total = static_cast<double>(
        std::accumulate(context.n_frames.begin(), context.n_frames.end(), std::int64_t{0}));
    const double window = std::max(*std::max_element(o.lag_times.begin(), o.lag_times.end()), o.fit_end);
    double frames =
        o.block > 0 ? o.block / context.interval : std::min(2 * window / context.interval, total / 12);
    // Whole bins of the MSD, so that MSD and counts are resampled with the same stretches of time.
    const auto bin = static_cast<double>(context.bin_frames);
    frames = std::max(1.0, std::round(frames / bin)) * bin;
    std::vector<TimeBlock> blocks = cut_into_blocks(context.n_frames, static_cast<std::int64_t>(frames));
    analysis.block_length = frames * context.interval;
    if (blocks.size() < 10)
        analysis.warnings.push_back(fmt::format(
            "only {} time blocks of {:.3g} ps: error bars are rough (± {:.0f} %)", blocks.size(),
            analysis.block_length, 100 / std::sqrt(2.0 * static_cast<double>(blocks.size() - 1))));
    if (frames * context.interval < window)
        analysis.warnings.push_back(
            fmt::format("time blocks of {:.3g} ps are shorter than the longest window of {:.3g} ps: error "
                        "bars may be too small. Use shorter lags or more data",
                        analysis.block_length, window));
    return blocks;
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
void msd_with_errors(const Context& context, const std::vector<TimeBlock>& blocks,
                     const std::vector<MsdSums>& sums, MsdCurve& curve, MsdSlope& slope,
                     CurveSamples& samples) {
    const AnalysisOptions& o = context.options;
    for (const std::int64_t lag : sums.front().lag_frames)
        curve.time.push_back(static_cast<double>(lag) * context.interval);
    curve.value = weighted_msd(sums, blocks);
    const MsdFit fit = fit_msd(curve.time, curve.value, o.fit_begin, o.fit_end);
    samples.curve.resize(context.samples());
    samples.fit.resize(context.samples());
    for_each_index(context.samples(), [&](std::size_t b) {
        samples.curve[b] = weighted_msd(sums, blocks, context.weights(blocks.size(), b));
        samples.fit[b] = fit_msd(curve.time, samples.curve[b], o.fit_begin, o.fit_end);
    });
    for (std::size_t l = 0; l < curve.time.size(); ++l) {
        std::vector<Vec3> column;
        for (const auto& s : samples.curve) column.push_back(s[l]);
        curve.error.push_back(spread(column));
    }
    std::vector<Vec3> slopes;
    for (const MsdFit& f : samples.fit) slopes.push_back(f.diffusivity);
    slope = {fit.diffusivity, spread(slopes), fit.intercept};
}

/// Times nearest to the fit window between which the MSD of a model with this lag can grow.
struct Window {
    std::int64_t first, last; // steps of the model
};
Window window_of(const AnalysisOptions& o, double lag_time) {
    const auto first =
        std::max<std::int64_t>(1, static_cast<std::int64_t>(std::ceil(o.fit_begin / lag_time - 1e-9)));
    const auto last = static_cast<std::int64_t>(std::floor(o.fit_end / lag_time + 1e-9));
    return {first, std::max(last, first + 1)};
}

Vec3 model_slope(const Kernel& kernel, const Window& w) {
    const std::vector<Mat3> msd = exact_msd(kernel, {w.first, w.last});
    return (msd[1] - msd[0]).diagonal() / (2 * kernel.lag_time * static_cast<double>(w.last - w.first));
}

/// Slope / 2 of a curve between two times, linear between its points; NaN beyond its end.
Vec3 curve_slope(const std::vector<double>& time, const std::vector<Vec3>& value, double begin, double end) {
    const auto at = [&](double t) -> Vec3 {
        const auto next = std::lower_bound(time.begin(), time.end(), t * (1 - 1e-9));
        if (next == time.end()) return Vec3::Constant(std::numeric_limits<double>::quiet_NaN());
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
    r.kernel = estimate_kernel(r.counts, context.sites.basis, o.estimator);
    r.classes = closed_classes(r.kernel);
    r.transport = exact_transport(r.kernel, r.classes);
    r.hops = hops_behind(r.kernel, r.transport, r.counts);
    r.modes = kernel_spectrum(r.kernel, context.kappa);
    const double tau = r.kernel.lag_time;
    const Window window = window_of(o, tau);
    r.window_begin = static_cast<double>(window.first) * tau;
    r.window_end = static_cast<double>(window.last) * tau;
    r.model_slope = model_slope(r.kernel, window);
    for_each_index(context.samples(), [&](std::size_t b) {
        const Kernel kernel = estimate_kernel(r.counts, context.sites.basis, o.estimator,
                                              context.weights(r.counts.n_blocks(), b));
        resampled.slope[b] = model_slope(kernel, window);
        resampled.diffusivity[b] = exact_transport(kernel).diffusivity;
        const std::vector<Mode> modes = kernel_spectrum(kernel, context.kappa);
        resampled.internal[b] = slow_timescales(modes, tau, o.n_timescales, true);
        resampled.supercell[b] = slow_timescales(modes, tau, o.n_timescales, false);
    });
    r.error = spread(resampled.diffusivity);
    for (const Mat3& D : resampled.diffusivity) r.samples.push_back(D.diagonal());
    r.internal_timescales =
        with_errors(slow_timescales(r.modes, tau, o.n_timescales, true), resampled.internal);
    r.supercell_timescales =
        with_errors(slow_timescales(r.modes, tau, o.n_timescales, false), resampled.supercell);
    return r;
}

/// The slope of an MSD is D only once all relaxation is over: say so where the two differ.
void describe_long_times(const Context& context, const std::vector<Vec3>& d_minus_slope,
                         MarkovAnalysis& analysis) {
    const AnalysisOptions& o = context.options;
    const LagResult& lag = analysis.lags[analysis.chosen];
    const Vec3 D = lag.transport.diffusivity.diagonal();
    if (!lag.agrees ||
        largest(ratio(D - analysis.raw_slope.diffusivity, spread(d_minus_slope))).value <= o.agreement_sigmas)
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

/// Does the model's MSD grow as that of the trajectory? Choose the lag of the kernel that goes on.
void choose_lag(const Context& context, const CurveSamples& raw, const std::vector<Resampled>& resampled,
                MarkovAnalysis& analysis) {
    const AnalysisOptions& o = context.options;
    for (std::size_t l = 0; l < analysis.lags.size(); ++l) {
        LagResult& lag = analysis.lags[l];
        const auto slope = [&](const std::vector<Vec3>& msd) {
            return curve_slope(analysis.raw.time, msd, lag.window_begin, lag.window_end);
        };
        lag.msd_slope = slope(analysis.raw.value);
        std::vector<Vec3> difference(context.samples());
        for (std::size_t b = 0; b < difference.size(); ++b)
            difference[b] = resampled[l].slope[b] - slope(raw.curve[b]);
        lag.z_msd = ratio(lag.model_slope - lag.msd_slope, spread(difference));
        lag.agrees = largest(lag.z_msd).value <= o.agreement_sigmas;
    }
    std::size_t first = analysis.lags.size();
    while (first > 0 && analysis.lags[first - 1].agrees) --first;
    const bool any = first < analysis.lags.size();
    const LagResult& named = analysis.lags[any ? first : analysis.lags.size() - 1];
    const std::string grows =
        fmt::format("as that of the trajectory on all axes (slopes between {:g} and {:g} ps, within {:g} "
                    "standard errors of the difference).",
                    named.window_begin, named.window_end, o.agreement_sigmas);
    analysis.agreement_sentence =
        any ? fmt::format("From a lag of {:g} ps on the model's MSD grows {}", named.kernel.lag_time, grows)
            : fmt::format("At no lag up to {:g} ps does the model's MSD grow {}", named.kernel.lag_time,
                          grows);
    analysis.chosen = std::min(first, analysis.lags.size() - 1);
    if (o.chosen_lag > 0) {
        const std::int64_t frames = std::llround(o.chosen_lag / context.interval);
        const auto found = std::find_if(analysis.lags.begin(), analysis.lags.end(),
                                        [&](const LagResult& l) { return l.counts.lag_frames == frames; });
        if (found == analysis.lags.end())
            throw DataError(fmt::format("the chosen lag of {:g} ps is not in the list of lag times. Add it",
                                        o.chosen_lag));
        analysis.chosen = static_cast<std::size_t>(found - analysis.lags.begin());
    }
    std::vector<Vec3> d_minus_slope(context.samples());
    for (std::size_t b = 0; b < d_minus_slope.size(); ++b)
        d_minus_slope[b] = analysis.lags[analysis.chosen].samples[b] - raw.fit[b].diffusivity;
    describe_long_times(context, d_minus_slope, analysis);
}

Check check_timescales(const Context& context, const MarkovAnalysis& analysis,
                       const std::vector<Resampled>& resampled) {
    const AnalysisOptions& o = context.options;
    const std::string name = "implied timescales";
    if (analysis.lags.size() < 2)
        return {name,
                Verdict::warn,
                0,
                o.timescale_warn,
                o.timescale_fail,
                "Only one lag: no way to see whether timescales depend on it."};
    const bool last = analysis.chosen + 1 == analysis.lags.size();
    const std::size_t a = analysis.chosen, b = last ? a - 1 : a + 1;
    const auto& here = analysis.lags[a].internal_timescales;
    const auto& there = analysis.lags[b].internal_timescales;
    std::size_t m = 0;
    while (m < std::min(here.size(), there.size()) &&
           !(std::isfinite(here[m].value) && std::isfinite(there[m].value)))
        ++m;
    if (m >= std::min(here.size(), there.size()))
        return {name,
                Verdict::warn,
                0,
                o.timescale_warn,
                o.timescale_fail,
                "No finite timescale inside the folded cell to compare."};
    std::vector<double> difference;
    for (std::size_t s = 0; s < context.samples(); ++s)
        if (m < resampled[a].internal[s].size() && m < resampled[b].internal[s].size())
            difference.push_back(resampled[a].internal[s][m] - resampled[b].internal[s][m]);
    const double z = std::abs(here[m].value - there[m].value) / standard_deviation(difference);
    return judge(name, z, o.timescale_warn, o.timescale_fail,
                 fmt::format("The slowest timescale inside the cell is {:.3g} ± {:.2g} ps at a lag of {:g} "
                             "ps and {:.3g} ± {:.2g} ps at "
                             "{:g} ps: {:.1f} standard errors of the difference.",
                             here[m].value, here[m].error, analysis.lags[a].kernel.lag_time, there[m].value,
                             there[m].error, analysis.lags[b].kernel.lag_time, z));
}

Check check_chapman_kolmogorov(const Context& context, const std::vector<TimeBlock>& blocks,
                               MarkovAnalysis& analysis) {
    const AnalysisOptions& o = context.options;
    const LagResult& chosen = analysis.lags[analysis.chosen];
    std::vector<std::int64_t> lags;
    for (const std::int64_t n : o.chain_lengths)
        if (n >= 2 && n * chosen.counts.lag_frames * 4 <= context.longest)
            lags.push_back(n * chosen.counts.lag_frames);
    std::sort(lags.begin(), lags.end());
    lags.erase(std::unique(lags.begin(), lags.end()), lags.end());
    const std::string name = "Chapman-Kolmogorov";
    if (lags.empty())
        return {name,
                Verdict::warn,
                0,
                o.ck_warn,
                o.ck_fail,
                "The trajectory is too short for a chain of two lags (four windows of them are asked for)."};
    if (lags.size() < o.chain_lengths.size())
        analysis.warnings.push_back("the longest chains of the Chapman-Kolmogorov test were left out: fewer "
                                    "than four windows in the trajectory");
    const std::vector<TransitionCounts> counts =
        count_transitions(context.trajectories, context.sites, lags, blocks);
    std::vector<const TransitionCounts*> pointers;
    for (const TransitionCounts& c : counts) pointers.push_back(&c);
    analysis.chapman_kolmogorov =
        chapman_kolmogorov_test(chosen.counts, pointers, context.sites.basis, o.estimator, context.kappa,
                                o.bootstrap_samples, o.seed);
    const ChapmanKolmogorovPoint* worst = &analysis.chapman_kolmogorov.front();
    const auto over = [](const ChapmanKolmogorovPoint& p) { return p.error / p.floor_95; };
    for (const ChapmanKolmogorovPoint& p : analysis.chapman_kolmogorov)
        if (over(p) > over(*worst)) worst = &p;
    return judge(
        name, over(*worst), o.ck_warn, o.ck_fail,
        fmt::format("At n = {} err(n) = {:.3f}; sampling noise alone gives {:.3f} (95 % below {:.3f}).",
                    worst->n, worst->error, worst->floor_median, worst->floor_95));
}

/// MSD of the chosen kernel at multiples of its lag, and beside it that of the projected trajectory at the
/// same times.
Check check_model_msd(const Context& context, const std::vector<TimeBlock>& blocks,
                      MarkovAnalysis& analysis) {
    const AnalysisOptions& o = context.options;
    const LagResult& chosen = analysis.lags[analysis.chosen];
    const std::int64_t lag = chosen.counts.lag_frames;
    const std::int64_t longest = std::max<std::int64_t>(1, context.raw_msd.front().lag_frames.back() / lag);
    std::vector<std::int64_t> steps = msd_lags(longest, 24, 1, 1), at_frames;
    const std::int64_t judged =
        std::clamp<std::int64_t>(std::llround(o.fit_end / chosen.kernel.lag_time), 1, longest);
    steps.push_back(judged);
    std::sort(steps.begin(), steps.end());
    steps.erase(std::unique(steps.begin(), steps.end()), steps.end());
    while (steps.size() > 1 && steps.back() * lag >= context.longest) steps.pop_back();
    for (const std::int64_t n : steps) at_frames.push_back(n * lag);

    std::vector<MsdSums> sums;
    for (const SiteTrajectory& t : context.trajectories)
        sums.push_back(projected_msd(t, context.sites, at_frames, context.bin_frames));
    const std::vector<Vec3> projected = weighted_msd(sums, blocks);
    const auto diagonals = [&](const Kernel& kernel) {
        std::vector<Vec3> values;
        for (const Mat3& m : exact_msd(kernel, steps)) values.push_back(m.diagonal());
        return values;
    };
    MsdCurve& model = analysis.model;
    model.value = diagonals(chosen.kernel);
    std::vector<std::vector<Vec3>> curves(context.samples()), differences(context.samples());
    for_each_index(context.samples(), [&](std::size_t b) {
        const std::vector<double> w = context.weights(blocks.size(), b);
        curves[b] = diagonals(estimate_kernel(chosen.counts, context.sites.basis, o.estimator, w));
        differences[b] = weighted_msd(sums, blocks, w);
        for (std::size_t s = 0; s < steps.size(); ++s) differences[b][s] = curves[b][s] - differences[b][s];
    });
    Vec3 z = Vec3::Zero();
    Vec3 excess = Vec3::Zero();
    for (std::size_t s = 0; s < steps.size(); ++s) {
        model.time.push_back(static_cast<double>(at_frames[s]) * context.interval);
        std::vector<Vec3> column, gap;
        for (std::size_t b = 0; b < context.samples(); ++b) {
            column.push_back(curves[b][s]);
            gap.push_back(differences[b][s]);
        }
        model.error.push_back(spread(column));
        if (steps[s] == std::min(judged, steps.back())) {
            z = ratio(model.value[s] - projected[s], spread(gap));
            excess = (model.value[s].array() / projected[s].array() - 1).matrix() * 100;
        }
    }
    const Axis worst = largest(z);
    return judge("model MSD", worst.value, o.msd_warn, o.msd_fail,
                 fmt::format("At {:g} ps the model's MSD is {:+.1f}, {:+.1f}, {:+.1f} % from that of the "
                             "site-projected trajectory (x, y, z); "
                             "largest deviation {:.1f} standard errors ({}).",
                             static_cast<double>(std::min(judged, steps.back()) * lag) * context.interval,
                             excess[0], excess[1], excess[2], worst.value,
                             axes[static_cast<std::size_t>(worst.index)]));
}

Check check_growth(const AnalysisOptions& o, const MarkovAnalysis& analysis) {
    const LagResult& chosen = analysis.lags[analysis.chosen];
    const Axis worst = largest(chosen.z_msd);
    return judge("growth of the MSD", worst.value, o.msd_warn, o.msd_fail,
                 fmt::format("Between {:g} and {:g} ps the model's MSD grows with {:.3g}, {:.3g}, {:.3g} "
                             "A^2/ps (x, y, z; slope / 2), the "
                             "trajectory's with {:.3g}, {:.3g}, {:.3g}: at most {:.1f} standard errors of "
                             "the difference ({}).",
                             chosen.window_begin, chosen.window_end, chosen.model_slope[0],
                             chosen.model_slope[1], chosen.model_slope[2], chosen.msd_slope[0],
                             chosen.msd_slope[1], chosen.msd_slope[2], worst.value,
                             axes[static_cast<std::size_t>(worst.index)]));
}

Check check_sampling(const MarkovAnalysis& analysis) {
    const Vec3 hops = analysis.lags[analysis.chosen].hops;
    int axis = 0;
    const double fewest = hops.minCoeff(&axis);
    return judge("sampling", fewest > 0 ? 1 / std::sqrt(fewest) : 1.0, 0.1, 0.3,
                 fmt::format("{:.0f}, {:.0f}, {:.0f} independent hops stand behind D_xx, D_yy, D_zz; the "
                             "fewest ({}) alone allow {:.0f} %.",
                             hops[0], hops[1], hops[2], axes[static_cast<std::size_t>(axis)],
                             fewest > 0 ? 100 / std::sqrt(fewest) : 100.0));
}

/// D of the chosen lag from the first part of the data: does it settle?
std::vector<ConvergencePoint> converge(const Context& context, const std::vector<TimeBlock>& blocks,
                                       const TransitionCounts& counts) {
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
                std::vector<double> w = context.weights(used, s);
                w.resize(blocks.size(), 0.0);
                samples[s] = diffusivity(w);
            });
            point.error = spread(samples);
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
    const Context context = make_context(trajectories, sites, raw_msd, options);
    MarkovAnalysis analysis;
    analysis.blocks = choose_blocks(context, analysis);
    const std::vector<TimeBlock>& blocks = analysis.blocks;

    std::vector<TransitionCounts> counts =
        count_transitions(trajectories, sites, lags_in_frames(context), blocks);
    report(0.05);
    CurveSamples raw, projected;
    msd_with_errors(context, blocks, raw_msd, analysis.raw, analysis.raw_slope, raw);
    report(0.1);
    std::vector<MsdSums> projected_sums;
    for (const SiteTrajectory& t : trajectories)
        projected_sums.push_back(projected_msd(t, sites, raw_msd.front().lag_frames, context.bin_frames));
    msd_with_errors(context, blocks, projected_sums, analysis.projected, analysis.projected_slope, projected);
    report(0.2);

    std::vector<Resampled> resampled(counts.size(), Resampled(context.samples()));
    for (std::size_t l = 0; l < counts.size(); ++l) {
        analysis.lags.push_back(result_at_lag(context, std::move(counts[l]), resampled[l]));
        report(0.2 + 0.5 * static_cast<double>(l + 1) / static_cast<double>(counts.size()));
    }
    choose_lag(context, raw, resampled, analysis);
    analysis.checks.push_back(check_timescales(context, analysis, resampled));
    analysis.checks.push_back(check_chapman_kolmogorov(context, blocks, analysis));
    report(0.85);
    analysis.checks.push_back(check_model_msd(context, blocks, analysis));
    analysis.checks.push_back(check_growth(options, analysis));
    analysis.checks.push_back(check_sampling(analysis));
    report(0.95);
    analysis.convergence = converge(context, blocks, analysis.lags[analysis.chosen].counts);
    collect_warnings(context, analysis);
    report(1);
    return analysis;
}

} // namespace mesolith
