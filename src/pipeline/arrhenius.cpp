#include "mesolith/pipeline/arrhenius.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <numeric>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "mesolith/pipeline/analysis_file.hpp"
#include "mesolith/pipeline/stages.hpp"

#include "arrhenius_groups.hpp"
#include "stage.hpp"

namespace mesolith {
namespace {

namespace fs = std::filesystem;

constexpr const char* axes[] = {"x", "y", "z", "mean"};

std::vector<TimeBlock> read_blocks(const Hdf5Group& group) {
    const auto trajectory = group.read<std::int64_t>("trajectory"), begin = group.read<std::int64_t>("begin"),
               end = group.read<std::int64_t>("end");
    if (begin.size() != trajectory.size() || end.size() != trajectory.size())
        throw FileError(fmt::format("{}: '{}' makes no sense (lengths differ). Run the msm stage again",
                                    group.file_name(), group.path()));
    std::vector<TimeBlock> blocks;
    for (std::size_t k = 0; k < begin.size(); ++k)
        blocks.push_back({static_cast<std::size_t>(trajectory[k]), begin[k], end[k]});
    return blocks;
}

/// What is only in sites.h5: D without a model, and the hops.
void read_events(const RunFiles& files, const Hdf5File& msm, const Provenance& model, ArrheniusRun& run,
                 HopData& hops) {
    const Hdf5File events = Hdf5File::open(files.sites);
    if (read_provenance(events).fingerprint != model.previous)
        throw InputError(
            fmt::format("{}: was made from another sites.h5 than the one beside it. Run `mesolith "
                        "msm` again",
                        files.msm));
    hops.sites = read_sites(events.group("sites")).sites;
    hops.blocks = read_blocks(msm.group("blocks"));
    std::vector<MsdSums> msd;
    std::vector<CollectiveDisplacement> collective;
    for (std::size_t k = 0; events.has_group(fmt::format("trajectories/{}", k)); ++k) {
        StoredTrajectory t = read_trajectory(events.group(fmt::format("trajectories/{}", k)));
        hops.trajectories.push_back(std::move(t.trajectory));
        msd.push_back(std::move(t.msd));
        if (t.collective) collective.push_back(std::move(*t.collective));
    }
    if (collective.size() != msd.size()) collective.clear();
    for (const TimeBlock& block : hops.blocks)
        if (block.trajectory >= msd.size())
            throw FileError(files.msm +
                            ": 'blocks' names a trajectory that sites.h5 does not hold. Run the msm "
                            "stage again");
    const auto window = msm.group("msd/fit").attribute_values<double>("window_ps");
    if (window.size() != 2) throw FileError(files.msm + ": 'msd/fit' has no window. Run the msm stage again");
    run.direct = direct_transport(msd, collective, hops.blocks, {window[0], window[1]});
}

double temperature_in(const Hdf5File& msm, const std::string& folder) {
    if (!msm.has_attribute("temperature_K"))
        throw InputError(
            fmt::format("{}: its temperature is not known. Set run.temperature_K in its input and "
                        "run it again, or give --temperatures",
                        folder));
    return msm.attribute<double>("temperature_K");
}

ArrheniusPoint point_of(const ArrheniusRun& run, bool direct, int axis) {
    if (direct) {
        const DirectTransport& d = *run.direct;
        return axis < 3 ? ArrheniusPoint{run.temperature, d.tracer[axis], d.tracer_error()[axis]}
                        : ArrheniusPoint{run.temperature, d.tracer_mean.value, d.tracer_mean.error};
    }
    return axis < 3 ? ArrheniusPoint{run.temperature, run.diffusivity[axis], run.error[axis]}
                    : ArrheniusPoint{run.temperature, run.mean.value, run.mean.error};
}

void add_series(ArrheniusResult& result, bool direct) {
    for (int axis = 0; axis < 4; ++axis) {
        std::vector<ArrheniusPoint> points;
        for (const ArrheniusRun& run : result.runs)
            if (!direct || run.direct) points.push_back(point_of(run, direct, axis));
        const std::string source = direct ? "direct" : "model";
        try {
            result.series.push_back({source, axes[axis], fit_arrhenius(points)});
        } catch (const DataError& error) {
            warn(result.warnings, fmt::format("D of the {} along {} is not fitted: {}",
                                              direct ? "trajectories" : "models", axes[axis], error.what()));
            continue;
        }
        const ArrheniusFit& fit = result.series.back().fit;
        if (fit.p < 0.01)
            warn(
                result.warnings,
                fmt::format("{} D, {}: the points are no straight line (chi^2 {:.3g} with {} degrees of "
                            "freedom, p = {:.2g}): the activation energy changes with temperature, or errors "
                            "are too small",
                            source, axes[axis], fit.chi_squared, fit.degrees_of_freedom, fit.p));
    }
}

} // namespace

const ArrheniusSeries& ArrheniusResult::find(const std::string& source, const std::string& axis) const {
    for (const ArrheniusSeries& s : series)
        if (s.source == source && s.axis == axis) return s;
    throw DataError(fmt::format("no fit of {} D, {}", source, axis));
}

ArrheniusResult fit_runs(const std::vector<std::string>& folders, const std::vector<double>& temperatures) {
    if (!temperatures.empty() && temperatures.size() != folders.size())
        throw InputError(fmt::format("--temperatures: expected {} numbers (one per run), got {}",
                                     folders.size(), temperatures.size()));
    if (folders.size() < 2)
        throw InputError(fmt::format("{} run (a line needs two temperatures). Name the folders of more runs",
                                     folders.size()));
    ArrheniusResult result;
    std::vector<HopData> hops(folders.size());
    for (std::size_t k = 0; k < folders.size(); ++k) {
        const RunFiles files(folders[k]);
        if (!fs::is_directory(folders[k]))
            throw InputError(folders[k] + ": no such folder. Name the result folder of a run");
        const Hdf5File msm = open_result(files.msm, "msm");
        const Provenance provenance = read_provenance(msm);
        result.inputs.push_back(describe_input(files.msm));
        ArrheniusRun run;
        run.folder = folders[k];
        run.temperature = temperatures.empty() ? temperature_in(msm, folders[k]) : temperatures[k];
        if (!(run.temperature > 0) || !std::isfinite(run.temperature))
            throw InputError(fmt::format("--temperatures: expected kelvin > 0, got {}", run.temperature));
        const MarkovHeadline headline = read_headline(msm);
        const LagHeadline& lag = headline.lags[headline.chosen];
        run.lag_time = lag.lag_time;
        run.markovian = headline.status.markovian;
        run.diffusivity = lag.diffusivity.diagonal();
        run.error = lag.error.diagonal();
        run.mean = {run.diffusivity.mean(), lag.mean_error};
        if (!run.markovian)
            warn(result.warnings,
                 fmt::format("{}: D of the model still depends on its lag time", folders[k]));
        if (fs::exists(files.sites)) {
            result.inputs.push_back(describe_input(files.sites));
            read_events(files, msm, provenance, run, hops[k]);
        } else
            warn(result.warnings,
                 fmt::format("{}: no sites.h5, so neither D straight from the MSD nor hops", folders[k]));
        result.runs.push_back(std::move(run));
    }
    std::vector<std::size_t> order(folders.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
        return result.runs[a].temperature < result.runs[b].temperature;
    });
    std::vector<ArrheniusRun> sorted;
    std::vector<HopData> with_events;
    std::vector<double> event_temperatures, all;
    for (const std::size_t k : order) {
        sorted.push_back(std::move(result.runs[k]));
        all.push_back(sorted.back().temperature);
        if (!sorted.back().direct) continue;
        event_temperatures.push_back(sorted.back().temperature);
        with_events.push_back(std::move(hops[k]));
    }
    result.runs = std::move(sorted);
    if (!(all.back() > all.front() * (1 + 1e-9)))
        throw InputError(
            fmt::format("all runs are of {:g} K (a line needs two temperatures). Name runs of more "
                        "temperatures",
                        all.front()));
    add_series(result, false);
    if (with_events.size() == result.runs.size()) {
        add_series(result, true);
        try {
            result.hops = hop_classes(with_events, event_temperatures);
        } catch (const DataError& error) {
            throw InputError(error.what());
        }
    }
    if (result.series.empty())
        throw InputError("nothing could be fitted (see the warnings above). Use longer runs");
    result.grid = band_temperatures(all.front(), all.back());
    return result;
}

} // namespace mesolith
