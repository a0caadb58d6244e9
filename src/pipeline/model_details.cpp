#include "mesolith/pipeline/model_details.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include <Eigen/Dense>

#include "mesolith/core/error.hpp"
#include "mesolith/core/nan.hpp"
#include "mesolith/core/parallel.hpp"
#include "mesolith/crystal/eigen_solvers.hpp"
#include "mesolith/msm/first_passage.hpp"
#include "mesolith/msm/pooling.hpp"

namespace mesolith {
namespace {

struct Input {
    const MarkovAnalysis& analysis;
    const std::vector<SiteTrajectory>& trajectories;
    const SiteSet& sites;
    const AnalysisOptions& options;
    const LagResult& chosen() const { return analysis.lags[analysis.chosen]; }
    const Kernel& kernel() const { return chosen().kernel; }
    const std::vector<TimeBlock>& blocks() const { return analysis.blocks.blocks; }
    std::vector<double> weights(std::size_t sample) const {
        return bootstrap_weights(blocks().size(), options.seed, static_cast<std::uint32_t>(sample));
    }
    std::size_t samples() const { return static_cast<std::size_t>(options.bootstrap_samples); }
};

// --- pooling ---

/// Every site of the simulated cell for itself.
SiteSet unfolded(const SiteSet& sites) {
    SiteSet all = sites;
    all.basis = {sites.cell, {}, {}, {}};
    all.supercell = IMat3::Identity();
    for (std::size_t s = 0; s < sites.size(); ++s) {
        const SiteId id(static_cast<std::int64_t>(s));
        all.base[s] = id;
        all.offset[s] = IVec3::Zero();
        all.basis.positions.push_back(sites.position(id));
        all.basis.orbit.push_back(sites.basis.orbit[sites.base[s].at()]);
        all.basis.name.push_back(sites.basis.name[sites.base[s].at()]);
    }
    return all;
}

/// 2-norm of the difference between the kernels of the two halves of the data, over the wave vectors of the
/// simulated cell.
double half_difference(const TransitionCounts& counts, const SiteBasis& basis,
                       const EstimatorOptions& estimator, const std::vector<Vec3>& kappa) {
    const std::size_t n = counts.n_blocks(), half = n / 2;
    if (half == 0) return nan_value;
    std::vector<double> first(n, 0.0), second(n, 0.0);
    for (std::size_t b = 0; b < n; ++b) (b < half ? first : second)[b] = 1;
    try {
        const Kernel one = estimate_kernel(counts, basis, estimator, first),
                     two = estimate_kernel(counts, basis, estimator, second);
        std::vector<double> norm(kappa.size());
        for_each_index(kappa.size(), [&](std::size_t k) {
            const Eigen::MatrixXcd difference = bloch_matrix(one, kappa[k]) - bloch_matrix(two, kappa[k]);
            const Eigen::MatrixXcd square = difference.adjoint() * difference;
            norm[k] = std::sqrt(
                std::max(0.0, Eigen::SelfAdjointEigenSolver<Eigen::MatrixXcd>(square, Eigen::EigenvaluesOnly)
                                  .eigenvalues()
                                  .maxCoeff()));
        });
        return *std::max_element(norm.begin(), norm.end());
    } catch (const DataError&) {
        return nan_value; // a half without a single window
    }
}

std::vector<PoolingLevel> pooling_table(const Input& in) {
    const EstimatorOptions& estimator = in.options.estimator;
    const bool reversible = estimator.estimator != Estimator::non_reversible;
    const std::vector<std::int64_t> lag{in.chosen().counts.lag_frames};
    std::vector<PoolingLevel> table;
    const auto add = [&](const std::string& name, const TransitionCounts& counts, const SiteBasis& basis,
                         const std::vector<Vec3>& kappa, bool used) {
        EstimatorOptions options = estimator;
        if (options.stationary.size() != basis.size() && !options.stationary.empty()) {
            std::vector<double> each;
            for (const SiteId b : in.sites.base) each.push_back(options.stationary[b.at()]);
            options.stationary = each;
        }
        table.push_back({name, independent_entries(counts, reversible),
                         half_difference(counts, basis, options, kappa), used});
    };
    const SiteSet all = unfolded(in.sites);
    add("simulated cell", count_transitions(in.trajectories, all, lag, in.blocks()).front(), all.basis,
        {Vec3::Zero()}, all.size() == in.sites.basis.size() && in.options.operations.empty());
    TransitionCounts folded = in.chosen().counts;
    folded.pool.clear();
    const std::vector<Vec3> kappa = supercell_wave_vectors(in.sites.supercell);
    if (all.size() != in.sites.basis.size())
        add("translations", folded, in.sites.basis, kappa, in.options.operations.empty());
    if (!in.options.operations.empty()) add("space group", in.chosen().counts, in.sites.basis, kappa, true);
    return table;
}

// --- spectrum ---

ModeTable mode_table(const Input& in, const Channels& channels) {
    ModeTable table;
    SpectrumOptions options;
    options.n_slowest = in.options.n_timescales + in.chosen().classes.classes.size();
    table.spectrum = site_spectrum(in.kernel(), Vec3::Zero(), options);
    table.modes = analyse_modes(in.kernel(), table.spectrum, channels);
    std::vector<SiteSpectrum> others(in.analysis.lags.size());
    options.n_slowest *= 2; // so that a mode is found that is slow at another lag
    for_each_index(others.size(), [&](std::size_t l) {
        others[l] = site_spectrum(in.analysis.lags[l].kernel, Vec3::Zero(), options);
    });
    table.followed = follow_modes(table.spectrum, others);
    return table;
}

// --- van Hove ---

VanHoveTable van_hove_table(const Input& in) {
    VanHoveTable table;
    table.bins = {0.1, 120};
    const Mat3 axes = Mat3::Identity();
    for (int a = 0; a < 3; ++a)
        for (const double k : {0.3, 0.6, 1.2}) table.wave_vectors.push_back(k * axes.row(a).transpose());
    const std::int64_t lag = in.chosen().counts.lag_frames;
    std::int64_t longest = 0;
    for (const SiteTrajectory& t : in.trajectories) longest = std::max(longest, t.n_frames);
    std::vector<std::int64_t> steps, frames;
    for (const std::int64_t n : {1, 2, 4, 8, 16})
        if (n == 1 || n * lag * 8 <= longest) {
            steps.push_back(n);
            frames.push_back(n * lag);
            table.time.push_back(static_cast<double>(n) * in.kernel().lag_time);
        }
    table.model = exact_van_hove(in.kernel(), steps, table.bins, 1e-9);
    const auto exact = intermediate_scattering(in.kernel(), table.wave_vectors, steps);
    const std::size_t n_k = table.wave_vectors.size();
    table.model_scattering.assign(n_k, {});
    table.scattering.assign(n_k, {});
    table.scattering_error.assign(n_k, {});
    for (std::size_t k = 0; k < n_k; ++k)
        for (std::size_t t = 0; t < steps.size(); ++t)
            table.model_scattering[k].push_back(exact[k * steps.size() + t].real());

    const std::vector<VanHoveSums> sums =
        van_hove_sums(in.trajectories, in.sites, frames, in.blocks(), table.bins, table.wave_vectors);
    const double scale = bootstrap_scale(in.blocks().size());
    for (const VanHoveSums& s : sums) {
        const VanHoveMeans mean = weighted_van_hove(s);
        std::vector<VanHoveMeans> samples(in.samples());
        for_each_index(samples.size(),
                       [&](std::size_t b) { samples[b] = weighted_van_hove(s, in.weights(b)); });
        const auto spread = [&](auto&& value) {
            std::vector<double> x;
            for (const VanHoveMeans& m : samples) x.push_back(value(m));
            return scale * standard_deviation(x);
        };
        table.trajectory.push_back(mean.probability);
        std::vector<double> error;
        for (std::size_t bin = 0; bin < table.bins.n; ++bin)
            error.push_back(spread([&](const VanHoveMeans& m) { return m.probability[bin]; }));
        table.error.push_back(std::move(error));
        for (std::size_t k = 0; k < n_k; ++k) {
            table.scattering[k].push_back(mean.scattering[k].real());
            table.scattering_error[k].push_back(
                spread([&](const VanHoveMeans& m) { return m.scattering[k].real(); }));
        }
    }
    return table;
}

// --- first passages ---

std::vector<SiteGroup> orbit_groups(const SiteBasis& basis, const Kernel& kernel) {
    std::map<std::int32_t, SiteGroup> groups;
    for (std::size_t j = 0; j < basis.size(); ++j) {
        SiteGroup& g = groups[basis.orbit[j]];
        g.name = orbit_name(basis.name[j]);
        if (kernel.stationary[j] > 0) g.sites.push_back(static_cast<std::int32_t>(j));
    }
    std::vector<SiteGroup> list;
    for (auto& [orbit, g] : groups)
        if (!g.sites.empty()) list.push_back(std::move(g));
    return list;
}

/// Mean over sites by their stationary weight; infinite where one of them is.
double mean_over(const Kernel& kernel, const std::vector<std::int32_t>& sites,
                 const std::vector<double>& value) {
    double sum = 0, weight = 0;
    for (const std::int32_t s : sites) {
        const double pi = kernel.stationary[static_cast<std::size_t>(s)];
        if (pi <= 0) continue;
        sum += pi * value[static_cast<std::size_t>(s)];
        weight += pi;
    }
    return sum / weight;
}

PassageTable passage_table(const Input& in, Channels channels) {
    const Kernel& kernel = in.kernel();
    const double tau = kernel.lag_time;
    PassageTable table;
    const std::vector<SiteGroup> orbits = orbit_groups(in.sites.basis, kernel);
    const auto n = static_cast<Eigen::Index>(orbits.size());
    table.time = Eigen::MatrixXd::Zero(n, n);
    table.rate = Eigen::MatrixXd::Constant(n, n, nan_value);
    for (Eigen::Index to = 0; to < n; ++to) {
        const SiteGroup& target = orbits[static_cast<std::size_t>(to)];
        table.orbits.push_back(target.name);
        const std::vector<double> steps = first_passage_steps(kernel, target);
        for (Eigen::Index from = 0; from < n; ++from) {
            if (from == to) continue;
            const SiteGroup& origin = orbits[static_cast<std::size_t>(from)];
            table.time(from, to) = tau * mean_over(kernel, origin.sites, steps);
            table.rate(from, to) = reactive_paths(kernel, origin, target).rate;
        }
    }
    std::vector<std::int32_t> every(kernel.n_sites());
    std::iota(every.begin(), every.end(), 0);
    const Mat3 reciprocal = in.sites.basis.cell.vectors().inverse(); // columns
    for (int a = 0; a < 3; ++a) {
        table.next_cell[a] = tau * mean_over(kernel, every, distance_steps(kernel, a, 1));
        table.slab_diffusivity[a] = slab_diffusivity(kernel, a, 8);
        const Vec3 normal = reciprocal.col(a).normalized();
        table.plane_diffusivity[a] = normal.dot(in.chosen().transport.diffusivity * normal);
    }
    for (const double steps : channel_escape_steps(kernel, channels))
        table.escape_time.push_back(tau * steps);
    table.channels = std::move(channels);
    table.odd_sites = odd_sites(kernel, in.chosen().classes);
    return table;
}

// --- forecast ---

Forecast forecast(const Input& in) {
    const LagResult& chosen = in.chosen();
    const TransitionCounts& counts = chosen.counts;
    Forecast f;
    double total = 0;
    for (const SiteTrajectory& t : in.trajectories) total += t.duration();
    for (int a = 0; a < 3; ++a) {
        f.relative_error[a] = chosen.error(a, a) / chosen.transport.diffusivity(a, a);
        f.wanted_time[a] = total * std::pow(f.relative_error[a] / f.goal, 2);
    }
    const DeltaMethod& delta = chosen.delta;
    std::vector<Forecast::Jump> jumps(delta.share.size());
    std::vector<char> named(delta.share.size(), 0);
    for (std::size_t t = 0; t < counts.transitions.size(); ++t) {
        const auto j = static_cast<std::size_t>(delta.jump[t]);
        const Transition& move = counts.transitions[t];
        if (move.from == move.to && move.R.isZero()) continue; // stays
        if (!named[j]) {
            named[j] = 1;
            jumps[j].move = move;
            jumps[j].displacement = in.sites.basis.displacement(static_cast<std::size_t>(move.from),
                                                                static_cast<std::size_t>(move.to), move.R);
            jumps[j].share = delta.share[j];
        }
        jumps[j].seen += counts.total[t];
    }
    const auto largest = [](const Forecast::Jump& j) { return j.share.maxCoeff(); };
    std::stable_sort(jumps.begin(), jumps.end(), [&](const Forecast::Jump& a, const Forecast::Jump& b) {
        return largest(a) > largest(b);
    });
    jumps.resize(std::min<std::size_t>(jumps.size(), 24));
    f.jumps = std::move(jumps);
    return f;
}

/// D of the trajectory beside the slope of the model's MSD through the same lags.
DirectComparison direct_comparison(const Input& in, const std::vector<MsdSums>& raw_msd,
                                   const std::vector<CollectiveDisplacement>& collective) {
    const double tau = in.kernel().lag_time;
    std::vector<double> time;
    for (const std::int64_t lag : raw_msd.front().lag_frames)
        time.push_back(static_cast<double>(lag) * raw_msd.front().frame_interval);
    const DiffusiveWindow found = diffusive_window(raw_msd, in.blocks());
    DirectOptions window{std::max(found.begin, tau), found.end};
    if (window.end < 2 * window.begin) window.end = std::min(4 * window.begin, time.back());
    DirectTransport direct = direct_transport(raw_msd, collective, in.blocks(), window);
    direct.window_given = false;
    direct.straight = found.found;
    const SlopeEstimator estimator = gls_estimator(raw_msd, in.blocks(), window.begin, window.end);
    std::vector<Vec3> samples(in.samples());
    for_each_index(samples.size(), [&](std::size_t b) {
        samples[b] = slope_of_model(
            estimate_kernel(in.chosen().counts, in.sites.basis, in.options.estimator, in.weights(b)),
            estimator, time);
    });
    return compare_with_direct(std::move(direct), slope_of_model(in.kernel(), estimator, time), samples,
                               in.options.seed);
}

} // namespace

ModelDetails describe_model(const MarkovAnalysis& analysis, const std::vector<SiteTrajectory>& trajectories,
                            const SiteSet& sites, const std::vector<MsdSums>& raw_msd,
                            const std::vector<CollectiveDisplacement>& collective,
                            const AnalysisOptions& options) {
    const Input in{analysis, trajectories, sites, options};
    const LagResult& chosen = in.chosen();
    ModelDetails d;
    d.pooling = pooling_table(in);
    d.comparison = direct_comparison(in, raw_msd, collective);

    RateComparisonOptions rates;
    rates.logarithm.windows = independent_windows(chosen.counts);
    rates.rates.stationary = options.estimator.stationary;
    rates.n_resamplings = std::min(options.bootstrap_samples, 60);
    rates.seed = options.seed;
    const TransitionCounts jumps =
        pool_counts(count_jumps(trajectories, sites, in.blocks()), options.operations);
    d.rates = compare_rates(in.kernel(), &jumps, rates);
    if (in.kernel().reversible) d.rates.front().error = chosen.error; // (M - I) / tau has the D of M

    std::vector<Stay> stays;
    for (const SiteTrajectory& t : trajectories) {
        const std::vector<Stay> more = list_stays(t, sites);
        stays.insert(stays.end(), more.begin(), more.end());
    }
    d.residence = residence_times(stays, sites.basis.orbit, trajectories.front().frame_interval);
    for (const ResidenceTime& r : d.residence)
        d.orbit_names.push_back(orbit_name(sites.basis.name.at(static_cast<std::size_t>(r.sites.front()))));

    const Channels channels = find_channels(in.kernel());
    d.modes = mode_table(in, channels);
    d.bands = bands_along(in.kernel(), axis_path(), std::min<std::size_t>(in.kernel().n_sites(), 8), 20);
    d.van_hove = van_hove_table(in);
    d.passage = passage_table(in, channels);
    d.forecast = forecast(in);
    return d;
}

} // namespace mesolith
