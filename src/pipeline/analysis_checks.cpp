#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "mesolith/core/parallel.hpp"

#include "analysis_parts.hpp"

namespace mesolith {

Check check_plateau(const Context& context, const MarkovAnalysis& analysis) {
    const AnalysisOptions& o = context.options;
    const PlateauTest& test = analysis.selection.tests[analysis.chosen];
    const double value = test.critical > 0 ? test.largest / test.critical : 0;
    Check check{"plateau over lags", Verdict::pass, value, 1, 1, analysis.selection.reason};
    if (!analysis.markovian) check.verdict = Verdict::fail;
    if (!analysis.markovian && analysis.selection.plateau)
        check.text += fmt::format(" The lag asked for, {:g} ps, is shorter.", o.chosen_lag);
    return check;
}

Check check_chapman_kolmogorov(const Context& context, MarkovAnalysis& analysis) {
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
    const std::vector<TransitionCounts> counts = context.counts(lags);
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
Check check_model_msd(const Context& context, MarkovAnalysis& analysis) {
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
    const std::vector<Vec3> projected = weighted_msd(sums, context.blocks);
    const auto diagonals = [&](const Kernel& kernel) {
        std::vector<Vec3> values;
        for (const Mat3& m : exact_msd(kernel, steps)) values.push_back(m.diagonal());
        return values;
    };
    MsdCurve& model = analysis.model;
    model.value = diagonals(chosen.kernel);
    std::vector<std::vector<Vec3>> curves(context.samples()), differences(context.samples());
    for_each_index(context.samples(), [&](std::size_t b) {
        const std::vector<double> w = context.weights(b);
        curves[b] = diagonals(estimate_kernel(chosen.counts, context.sites.basis, o.estimator, w));
        differences[b] = weighted_msd(sums, context.blocks, w);
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
        model.error.push_back(context.error(column));
        if (steps[s] == std::min(judged, steps.back())) {
            z = ratio(model.value[s] - projected[s], context.error(gap));
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

Check check_growth(const Context& context, const MarkovAnalysis& analysis) {
    const AnalysisOptions& o = context.options;
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

/// Do the ions move as the symmetry says that they must? Sites alike in the crystal may differ in the data: a
/// cell held in a distorted shape, vacancies that stay in one place, a symmetry found where there is none.
Check check_symmetry(const Context& context, const MarkovAnalysis& analysis) {
    const AnalysisOptions& o = context.options;
    const LagResult& chosen = analysis.lags[analysis.chosen];
    TransitionCounts single = chosen.counts;
    single.pool.clear();
    const auto diffusivity = [&](std::span<const double> w) -> Vec3 {
        return exact_transport(estimate_kernel(single, context.sites.basis, o.estimator, w))
            .diffusivity.diagonal();
    };
    std::vector<Vec3> difference(context.samples());
    for_each_index(difference.size(), [&](std::size_t b) {
        difference[b] = chosen.samples[b] - diffusivity(context.weights(b));
    });
    const Vec3 shift = chosen.transport.diffusivity.diagonal() - diffusivity({});
    const Axis worst = largest(ratio(shift, context.error(difference)));
    const Vec3 percent = 100 * (shift.array() / chosen.transport.diffusivity.diagonal().array()).matrix();
    return judge(
        "symmetry of the data", worst.value, o.symmetry_warn, o.symmetry_fail,
        fmt::format("Counts pooled over {} symmetry operations give a D that differs by {:+.1f}, {:+.1f}, "
                    "{:+.1f} % (x, y, z) from that of unpooled counts: at most {:.1f} standard errors of "
                    "the difference ({}).",
                    o.operations.size(), percent[0], percent[1], percent[2], worst.value,
                    axes[static_cast<std::size_t>(worst.index)]));
}

} // namespace mesolith
