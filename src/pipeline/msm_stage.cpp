#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "mesolith/core/error.hpp"
#include "mesolith/core/interrupt.hpp"
#include "mesolith/pipeline/analysis_file.hpp"
#include "mesolith/pipeline/stages.hpp"

#include "stage.hpp"

namespace mesolith {
namespace {

EstimatorOptions estimator_options(const MarkovSection& m, std::size_t n_sites) {
    EstimatorOptions o;
    o.estimator = m.estimator;
    if (m.stationary.kind == StationaryOption::Kind::uniform) o.stationary.assign(n_sites, 1.0);
    if (m.stationary.kind == StationaryOption::Kind::given) {
        if (m.stationary.weights.size() != n_sites)
            throw InputError(
                fmt::format("msm.stationary: expected {} numbers (one per site of the repeat unit), got {}",
                            n_sites, m.stationary.weights.size()));
        o.stationary = m.stationary.weights;
    }
    return o;
}

AnalysisOptions analysis_options(const Config& config, std::size_t n_sites) {
    const MarkovSection& m = config.msm;
    AnalysisOptions o;
    o.lag_times = m.lag_times;
    o.chosen_lag = m.lag_time;
    o.estimator = estimator_options(m, n_sites);
    o.bootstrap_samples = static_cast<int>(m.bootstrap_samples);
    o.block = m.block;
    o.fit_begin = m.fit_window[0];
    o.fit_end = m.fit_window[1];
    o.chain_lengths = m.chain_lengths;
    o.n_timescales = static_cast<std::size_t>(m.n_timescales);
    o.seed = static_cast<std::uint64_t>(config.run.seed);
    o.agreement_sigmas = m.agreement_sigmas;
    o.fewest_hops = m.fewest_hops;
    o.plateau_level = m.plateau_level;
    o.ck_warn = m.ck_warn;
    o.ck_fail = m.ck_fail;
    o.msd_warn = m.msd_warn;
    o.msd_fail = m.msd_fail;
    return o;
}

std::vector<OrbitOccupancy> occupancy_by_orbit(const SiteSet& sites,
                                               const std::vector<StoredTrajectory>& trajectories) {
    std::map<std::int32_t, OrbitOccupancy> orbits;
    for (std::size_t b = 0; b < sites.basis.size(); ++b) {
        OrbitOccupancy& orbit = orbits[sites.basis.orbit[b]];
        orbit.name = orbit_name(sites.basis.name[b]);
        ++orbit.n_sites;
    }
    std::map<std::int32_t, double> weight; // sites x frames behind each mean
    for (const StoredTrajectory& t : trajectories)
        for (std::size_t s = 0; s < std::min(sites.size(), t.diagnostics.occupancy.size()); ++s) {
            const std::int32_t orbit = sites.basis.orbit[sites.base[s].at()];
            const auto frames = static_cast<double>(t.trajectory.n_frames);
            orbits[orbit].occupancy += frames * t.diagnostics.occupancy[s];
            weight[orbit] += frames;
        }
    std::vector<OrbitOccupancy> list;
    for (auto& [orbit, o] : orbits) {
        o.occupancy /= weight[orbit];
        list.push_back(o);
    }
    return list;
}

/// Waiting times are binned by the same edges in all trajectories; longer ones have more bins.
Recrossings count_all_recrossings(const std::vector<SiteTrajectory>& trajectories, const SiteSet& sites) {
    Recrossings all;
    for (const SiteTrajectory& t : trajectories) {
        const Recrossings r = count_recrossings(t, sites);
        all.jumps += r.jumps;
        all.back += r.back;
        if (r.waiting_time.size() > all.waiting_time.size()) {
            all.waiting_time = r.waiting_time;
            all.back_by_wait.resize(r.waiting_time.size(), 0);
            all.all_by_wait.resize(r.waiting_time.size(), 0);
        }
        for (std::size_t k = 0; k < r.waiting_time.size(); ++k) {
            all.back_by_wait[k] += r.back_by_wait[k];
            all.all_by_wait[k] += r.all_by_wait[k];
        }
    }
    return all;
}

void expect_lags_fit_the_data(const MarkovSection& m, const std::vector<SiteTrajectory>& trajectories) {
    const double interval = trajectories.front().frame_interval;
    for (const double lag : m.lag_times) {
        const double frames = std::round(lag / interval);
        if (frames < 1 || std::abs(frames * interval - lag) > 1e-3 * lag)
            throw InputError(fmt::format(
                "msm.lag_times_ps: {:g} ps is not a whole number of used frames of {:g} ps. Choose "
                "multiples",
                lag, interval));
    }
    double longest = 0;
    for (const SiteTrajectory& t : trajectories) longest = std::max(longest, t.duration());
    if (m.lag_times.back() >= longest)
        throw InputError(
            fmt::format("msm.lag_times_ps: a lag of {:g} ps is longer than the trajectory ({:g} ps used). "
                        "Remove it or use more data",
                        m.lag_times.back(), longest));
    if (m.fit_window[1] >= longest)
        throw InputError(
            fmt::format("msm.fit_window_ps: {:g} ps is longer than the trajectory ({:g} ps used). End the "
                        "window earlier",
                        m.fit_window[1], longest));
}

/// The symmetry that counts are pooled over; a crystal whose symmetry cannot be used is not pooled.
std::vector<SiteOperation> operations_of(const StoredSites& stored, const Config& config,
                                         std::vector<std::string>& warnings) {
    try {
        return pooling_operations(site_symmetry(stored.sites.basis, stored.framework_species,
                                                stored.framework_positions, config.sites.symmetry_tolerance),
                                  config.msm.pooling);
    } catch (const DataError& error) {
        warn(warnings,
             fmt::format("counts are not pooled over the symmetry of the crystal: {}", error.what()));
        return {};
    }
}

} // namespace

StageOutcome run_msm(const Config& config) {
    const RunFiles files(config.run.output);
    const Hdf5File events = open_result(files.sites, "sites");
    const Provenance source = read_provenance(events);
    Provenance provenance = new_provenance(config, "msm", {}, source.fingerprint);
    if (is_up_to_date(existing_result(files.msm), provenance, files.msm)) return StageOutcome::up_to_date;

    MarkovResult result;
    result.sites = read_sites(events.group("sites"));
    result.fit_begin = config.msm.fit_window[0];
    result.fit_end = config.msm.fit_window[1];
    std::vector<StoredTrajectory> stored;
    for (std::size_t k = 0; events.has_group(fmt::format("trajectories/{}", k)); ++k)
        stored.push_back(read_trajectory(events.group(fmt::format("trajectories/{}", k))));
    std::vector<SiteTrajectory> trajectories;
    std::vector<MsdSums> raw_msd;
    std::vector<CollectiveDisplacement> collective;
    for (const StoredTrajectory& t : stored) {
        trajectories.push_back(t.trajectory);
        raw_msd.push_back(t.msd);
        if (t.collective) collective.push_back(*t.collective);
    }
    if (trajectories.empty())
        throw FileError(files.sites + ": holds no trajectory. Run `mesolith sites` again");
    if (collective.size() != trajectories.size()) collective.clear();
    expect_lags_fit_the_data(config.msm, trajectories);

    spdlog::info("msm: {} sites, lags of {:g} to {:g} ps, {} resamplings", result.sites.sites.basis.size(),
                 config.msm.lag_times.front(), config.msm.lag_times.back(), config.msm.bootstrap_samples);
    StageProgress progress("Markov model");
    AnalysisOptions options = analysis_options(config, result.sites.sites.basis.size());
    const ResolvedEstimator resolved =
        resolve_estimator(options.estimator, trajectories.front().n_ions(), result.sites.sites.size(),
                          result.sites.sites.basis.size());
    options.estimator = resolved.options;
    if (config.msm.pooling != Pooling::none)
        options.operations = operations_of(result.sites, config, provenance.warnings);
    spdlog::info("msm: estimator {} ({})", name(options.estimator.estimator), resolved.reason);
    result.analysis = analyse(trajectories, result.sites.sites, raw_msd, options, [&](double fraction) {
        throw_if_interrupted();
        progress.update(fraction);
    });
    result.details =
        describe_model(result.analysis, trajectories, result.sites.sites, raw_msd, collective, options);
    progress.finish();
    result.estimator = resolved.options.estimator;
    result.estimator_reason = resolved.reason;
    result.symmetry_operations = options.operations.size();
    result.orbits = occupancy_by_orbit(result.sites.sites, stored);
    result.network = jump_network(trajectories, result.sites.sites);
    result.recrossings = count_all_recrossings(trajectories, result.sites.sites);
    for (const std::string& text : result.analysis.warnings) warn(provenance.warnings, text);

    Hdf5File file = Hdf5File::create(files.msm);
    write(file, provenance);
    if (config.run.temperature) file.set_attribute("temperature_K", *config.run.temperature);
    write(file, result);
    file.commit();
    spdlog::info("msm: wrote {}", files.msm);
    return StageOutcome::done;
}

} // namespace mesolith
