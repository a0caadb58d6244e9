#include "mesolith/pipeline/hop_rates.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <numeric>

#include <fmt/format.h>

#include "mesolith/config/config.hpp"
#include "mesolith/core/units.hpp"
#include "mesolith/msm/pooling.hpp"
#include "mesolith/msm/transport.hpp"
#include "mesolith/pipeline/choose_blocks.hpp"
#include "mesolith/pipeline/stages.hpp"

#include "stage.hpp"

namespace mesolith {
namespace {

namespace fs = std::filesystem;

/// The input that a run was made with, as sites.h5 holds it.
Config config_of(const Provenance& provenance, const std::string& path) {
    try {
        return parse_config(provenance.config, path, {{}, false});
    } catch (const ConfigError&) {
        throw InputError(path + ": holds no input that this version reads (made by version " +
                         provenance.version + "). Run the sites stage again");
    }
}

double temperature_of(const Config& config, const std::string& folder) {
    if (!config.run.temperature)
        throw InputError(folder +
                         ": its temperature is not known. Set run.temperature_K in its input and run it "
                         "again, or give --temperatures");
    return *config.run.temperature;
}

std::vector<SiteOperation> symmetry_of(const StoredSites& stored, double tolerance,
                                       std::vector<std::string>& warnings) {
    try {
        return site_symmetry(stored.sites.basis, stored.framework_species, stored.framework_positions,
                             tolerance);
    } catch (const DataError& error) {
        warn(warnings, fmt::format("hops are not pooled over the symmetry of the crystal: {}", error.what()));
        return {};
    }
}

void expect_same_crystal(const SiteBasis& first, const SiteBasis& other, const std::string& folder) {
    if (first.name != other.name || first.orbit != other.orbit)
        throw InputError(
            fmt::format("{}: has other sites than the first run ({} and {} per repeat unit). Give "
                        "runs of one crystal",
                        folder, other.size(), first.size()));
}

double mean_diffusivity(const Generator& generator) {
    return exact_transport(generator).diffusivity.trace() / 3;
}

std::vector<double> values_of(const std::vector<Estimate>& estimates) {
    std::vector<double> values;
    for (const Estimate& e : estimates) values.push_back(e.value);
    return values;
}

/// NaN (a pair that was never free to hop) as no hop.
std::vector<double> without_nan(std::vector<double> rates) {
    for (double& rate : rates)
        if (!std::isfinite(rate)) rate = 0;
    return rates;
}

/// Rates per class times the correction for frames.
std::vector<double> listed_rates(std::vector<double> balanced, const HopRatesRun& run) {
    for (std::size_t c = 0; c < balanced.size(); ++c) balanced[c] *= run.correction.factor[c];
    return without_nan(std::move(balanced));
}

std::vector<double> balanced_of(const ElementaryRates& rates) {
    std::vector<double> values;
    for (const ElementaryRate& r : rates.classes) values.push_back(r.balanced.value);
    return values;
}

/// D_J in the limit of few vacancies, with its error from the resampled rates.
Estimate collective_of(const HopNetwork& network, const HopRatesRun& run) {
    const double per_ion = static_cast<double>(run.n_sites - run.n_ions) / static_cast<double>(run.n_ions);
    Estimate D;
    D.value = per_ion * mean_diffusivity(vacancy_generator(network, listed_rates(balanced_of(run.rates), run),
                                                           values_of(run.rates.log_weight)));
    std::vector<double> samples;
    for (std::size_t s = 0; s < run.rates.balanced_samples.size(); ++s)
        samples.push_back(per_ion * mean_diffusivity(vacancy_generator(
                                        network, listed_rates(run.rates.balanced_samples[s], run),
                                        run.rates.log_weight_samples[s])));
    D.error = run.rates.sample_scale * standard_deviation(samples);
    return D;
}

/// One run that is open, before its rates are known.
struct OpenRun {
    HopRatesRun run;
    StoredSites stored;
    double tolerance = 0;
    std::vector<SiteTrajectory> trajectories;
    std::vector<MsdSums> msd;
    std::vector<CollectiveDisplacement> collective;
    std::array<double, 2> window{};
};

OpenRun open_run(const std::string& folder, const HopRatesOptions& options, std::size_t k,
                 std::vector<InputFile>& inputs) {
    if (!fs::is_directory(folder))
        throw InputError(folder + ": no such folder. Name the result folder of a run");
    const RunFiles files(folder);
    const Hdf5File events = open_result(files.sites, "sites");
    const Config config = config_of(read_provenance(events), files.sites);
    inputs.push_back(describe_input(files.sites));
    OpenRun open;
    open.run.folder = folder;
    open.run.temperature =
        options.temperatures.empty() ? temperature_of(config, folder) : options.temperatures[k];
    open.stored = read_sites(events.group("sites"));
    open.tolerance = config.sites.symmetry_tolerance;
    open.window = {config.msm.fit_window[0], config.msm.fit_window[1]};
    for (std::size_t n = 0; events.has_group(fmt::format("trajectories/{}", n)); ++n) {
        StoredTrajectory t = read_trajectory(events.group(fmt::format("trajectories/{}", n)));
        open.trajectories.push_back(std::move(t.trajectory));
        open.msd.push_back(std::move(t.msd));
        if (t.collective) open.collective.push_back(std::move(*t.collective));
    }
    if (open.trajectories.empty())
        throw FileError(files.sites + ": holds no trajectories. Run the sites stage again");
    if (open.collective.size() != open.msd.size()) open.collective.clear();
    open.run.n_ions = open.trajectories.front().n_ions();
    open.run.n_sites = open.stored.sites.size();
    open.run.frame_interval = open.trajectories.front().frame_interval;
    return open;
}

HopRatesRun rates_of(OpenRun open, const HopNetwork& network, const HopRatesOptions& options,
                     std::vector<std::string>& warnings) {
    HopRatesRun run = std::move(open.run);
    const BlockChoice choice = choose_blocks(open.trajectories, open.stored.sites, open.msd, open.window[1]);
    run.block_length = choice.length;
    run.n_blocks = choice.blocks.size();
    std::vector<ExclusionPath> paths;
    double time = 0;
    for (const SiteTrajectory& t : open.trajectories) {
        paths.push_back(exclusion_path(t, open.stored.sites, options.min_residence));
        const ExclusionPath& path = paths.back();
        run.hops += static_cast<std::int64_t>(path.hops.size());
        run.removed += path.removed;
        run.delayed += path.delayed;
        run.cancelled += path.cancelled;
        run.exchanged += path.exchanged;
        run.waiting += path.waiting * t.duration();
        time += t.duration();
    }
    run.waiting /= time;
    const ElementaryCounts counts = count_elementary_hops(paths, open.stored.sites, network, choice.blocks);
    run.beyond = counts.beyond;
    run.refills = counts.refills;
    run.mean_empty = counts.mean_empty;
    run.longest_empty = counts.longest_empty;
    // Of n exponential times the longest is about ln n times the mean.
    const double expected = counts.mean_empty * std::log(static_cast<double>(counts.empty_stays) + 1);
    if (counts.empty_stays > 20 && counts.longest_empty > 4 * expected)
        warn(warnings,
             fmt::format(
                 "{}: site {} was empty for {:.4g} ps from {:.4g} ps on (trajectory {}), sites are empty for "
                 "{:.2g} "
                 "ps on average: a vacancy that could not be filled (a strange atom on the site?) lowers "
                 "the rates",
                 run.folder, counts.longest_site.value, counts.longest_empty, counts.longest_begin,
                 counts.longest_trajectory, counts.mean_empty));
    run.rates = estimate_elementary_rates(counts, network, {options.n_resamplings, options.seed});
    run.correction.factor.assign(network.classes.size(), 1.0);
    if (options.correct_frames && run.n_ions < run.n_sites) {
        FrameCorrectionOptions frames;
        frames.min_residence = options.min_residence;
        frames.seed = options.seed;
        run.correction =
            correct_for_frames(run.rates, open.stored.sites, network, run.n_ions, run.frame_interval, frames);
    }
    run.collective = collective_of(network, run);
    run.direct = direct_transport(open.msd, open.collective, choice.blocks, {open.window[0], open.window[1]});
    return run;
}

double hops_both_ways(const HopNetwork& network, const ElementaryRates& rates, std::size_t c) {
    const auto r = static_cast<std::size_t>(network.classes[c].reverse);
    return rates.classes[c].hops + (r == c ? 0 : rates.classes[r].hops);
}

/// Rate x weight of the origin, the same for both directions; its error holds that of the weight.
ArrheniusPoint conductance_point(const HopNetwork& network, const HopRatesRun& run, std::size_t c) {
    const auto from = static_cast<std::size_t>(network.classes[c].from_orbit);
    const double value = run.listed(c) * std::exp(run.rates.log_weight[from].value);
    std::vector<double> logs;
    for (std::size_t s = 0; s < run.rates.balanced_samples.size(); ++s)
        logs.push_back(std::log(run.rates.balanced_samples[s][c]) + run.rates.log_weight_samples[s][from]);
    const double resampled = run.rates.sample_scale * standard_deviation(logs),
                 poisson = 1 / std::sqrt(hops_both_ways(network, run.rates, c));
    return {run.temperature, value, value * (resampled > poisson ? resampled : poisson)};
}

} // namespace

void fit_temperatures(HopRatesResult& result) {
    std::vector<std::string> orbit(result.runs.front().rates.log_weight.size());
    for (std::size_t s = 0; s < result.network.basis.size(); ++s)
        orbit[static_cast<std::size_t>(result.network.basis.orbit[s])] =
            orbit_name(result.network.basis.name[s]);
    const HopNetwork& network = result.network;
    const std::size_t n_orbits = result.runs.front().rates.log_weight.size();
    std::vector<double> energy(n_orbits, 0.0);
    for (std::size_t o = 1; o < n_orbits; ++o) {
        std::vector<ArrheniusPoint> points;
        for (const HopRatesRun& run : result.runs) {
            const Estimate& w = run.rates.log_weight[o];
            points.push_back({run.temperature, std::exp(w.value), std::exp(w.value) * w.error});
        }
        try {
            result.weight_fits.push_back(fit_arrhenius(points));
        } catch (const DataError& error) {
            throw InputError(fmt::format("the weight of orbit {} cannot be fitted over temperature: {}",
                                         o + 1, error.what()));
        }
        energy[o] = result.weight_fits.back().activation_energy;
    }
    for (std::size_t c = 0; c < network.classes.size(); ++c) {
        const HopPairClass& kind = network.classes[c];
        if (kind.reverse < static_cast<std::int32_t>(c)) continue;
        const std::string &from = orbit[static_cast<std::size_t>(kind.from_orbit)],
                          &to = orbit[static_cast<std::size_t>(kind.to_orbit)];
        HopRateFit fit;
        fit.pair_class = static_cast<std::int32_t>(c);
        std::vector<ArrheniusPoint> points;
        double hops = 0;
        for (const HopRatesRun& run : result.runs) {
            const double n = hops_both_ways(network, run.rates, c);
            hops += n;
            if (n >= static_cast<double>(result.options.fewest_hops))
                points.push_back(conductance_point(network, run, c));
        }
        try {
            if (points.size() > 1) fit.conductance = fit_arrhenius(points);
        } catch (const DataError&) { // all of one temperature
        }
        if (!fit.conductance) {
            if (hops > 0)
                warn(result.warnings,
                     fmt::format("hops between {} and {} over {:.2f} A are left out of the hop list: fewer "
                                 "than two temperatures have {} of them ({:.0f} in all)",
                                 from, to, kind.length, result.options.fewest_hops, hops));
            result.fits.push_back(std::move(fit));
            continue;
        }
        const ArrheniusFit& line = *fit.conductance;
        fit.energy = line.activation_energy;
        fit.log_prefactor = line.log_prefactor;
        const double highest = std::max(energy[static_cast<std::size_t>(kind.from_orbit)],
                                        energy[static_cast<std::size_t>(kind.to_orbit)]);
        if (fit.energy < highest) {
            // Keep the value where the line is known best.
            double sum = 0, norm = 0;
            for (const ArrheniusPoint& p : line.points) {
                const double weight = std::pow(p.value / p.error, 2);
                sum += weight / (units::boltzmann_ev_per_k * p.temperature);
                norm += weight;
            }
            fit.log_prefactor += (highest - fit.energy) * sum / norm;
            fit.energy = highest;
            fit.flattened = true;
            warn(
                result.warnings,
                fmt::format("hops between {} and {} over {:.2f} A: the line through the rates has a negative "
                            "barrier, it is set to zero",
                            from, to, kind.length));
        }
        if (line.points.size() > 2 && line.p < 0.01)
            warn(
                result.warnings,
                fmt::format("hops between {} and {} over {:.2f} A: their rates are no straight line over 1/T "
                            "(chi^2 {:.3g} with {} degrees of freedom, p = {:.2g})",
                            from, to, kind.length, line.chi_squared, line.degrees_of_freedom, line.p));
        result.fits.push_back(std::move(fit));
    }
}

HopRatesResult find_hop_rates(const std::vector<std::string>& folders, const HopRatesOptions& options) {
    if (folders.empty()) throw InputError("no runs. Name the result folder of a run");
    if (!options.temperatures.empty() && options.temperatures.size() != folders.size())
        throw InputError(fmt::format("--temperatures: expected {} numbers (one per run), got {}",
                                     folders.size(), options.temperatures.size()));
    for (const double T : options.temperatures)
        if (!(T > 0) || !std::isfinite(T))
            throw InputError(fmt::format("--temperatures: expected kelvin > 0, got {}", T));
    HopRatesResult result;
    result.options = options;
    std::vector<OpenRun> open;
    for (std::size_t k = 0; k < folders.size(); ++k) {
        open.push_back(open_run(folders[k], options, k, result.inputs));
        expect_same_crystal(open.front().stored.sites.basis, open.back().stored.sites.basis, folders[k]);
    }
    std::stable_sort(open.begin(), open.end(), [](const OpenRun& a, const OpenRun& b) {
        return a.run.temperature < b.run.temperature;
    });
    try {
        const StoredSites& stored = open.front().stored;
        result.network = make_hop_network(
            stored.sites.basis, symmetry_of(stored, open.front().tolerance, result.warnings), options.cutoff);
        for (OpenRun& run : open)
            result.runs.push_back(rates_of(std::move(run), result.network, options, result.warnings));
    } catch (const DataError& error) {
        throw InputError(error.what());
    }
    for (const HopRatesRun& run : result.runs) {
        if (run.waiting > 0.1)
            warn(result.warnings,
                 fmt::format(
                     "{}: {:.2f} ions at a time are on a site that another one holds: an ion may not block "
                     "its neighbours here, or sites are missing",
                     run.folder, run.waiting));
        if (static_cast<double>(run.exchanged) > 0.05 * static_cast<double>(run.hops))
            warn(result.warnings,
                 fmt::format(
                     "{}: {} of {} hops exchange places without an empty site: these are not in the rates",
                     run.folder, run.exchanged, run.hops));
    }
    if (result.runs.back().temperature > result.runs.front().temperature * (1 + 1e-9))
        fit_temperatures(result);
    else if (result.runs.size() > 1)
        throw InputError(
            fmt::format("all runs are of {:g} K (a line needs two temperatures). Name one run, or runs "
                        "of more temperatures",
                        result.runs.front().temperature));
    return result;
}

} // namespace mesolith
