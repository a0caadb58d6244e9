#include "mesolith/pipeline/check.hpp"

#include <chrono>
#include <cmath>
#include <filesystem>

#include <fmt/format.h>

#include "mesolith/core/parallel.hpp"
#include "mesolith/core/progress.hpp"
#include "mesolith/io/diffusivity_record_file.hpp"
#include "mesolith/io/trajectory_file.hpp"
#include "mesolith/pipeline/diffusivity_record.hpp"
#include "mesolith/pipeline/domain_model.hpp"
#include "mesolith/pipeline/stages.hpp"
#include "mesolith/pipeline/summary.hpp"
#include "mesolith/pipeline/sweep.hpp"

#include "mapping.hpp"
#include "meso_cost.hpp"
#include "meso_gas.hpp"

namespace mesolith {
namespace {

double now() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::string size_text(double bytes) {
    return bytes < 1e9 ? fmt::format("{:.0f} MB", std::max(1.0, std::round(bytes / 1e6)))
                       : fmt::format("{:.1f} GB", bytes / 1e9);
}

std::string species_text(const std::vector<std::string>& species) {
    std::vector<std::pair<std::string, int>> counts;
    for (const std::string& s : species) {
        const auto found =
            std::find_if(counts.begin(), counts.end(), [&](const auto& c) { return c.first == s; });
        if (found == counts.end())
            counts.emplace_back(s, 1);
        else
            ++found->second;
    }
    std::string text;
    for (const auto& [name, n] : counts) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", n, name);
    return text;
}

struct Cost {
    double seconds = 0, bytes = 0;
    double frames = 0;    // used
    bool complete = true; // nothing is left out of the time
};

/// Map frames for half a second and scale up.
Cost time_mapping(OpenTrajectory& trajectory, const SiteSet& sites, const AssignmentOptions& assignment,
                  const Config& config) {
    const std::size_t n_ions = trajectory.frames.mobile_atoms().size();
    SiteMapper mapper = make_mapper(sites, assignment, n_ions, trajectory.used_interval());
    const auto lags = raw_msd_lags(config, trajectory.used_interval());
    MsdAccumulator msd(lags, n_ions, trajectory.used_interval());
    Frame frame;
    std::vector<Vec3> ions;
    double mapped = 0;
    const double start = now(), first = trajectory.source->fraction_read();
    bool ended = false;
    while (now() - start < 0.5) {
        throw_if_interrupted();
        if (ended = !trajectory.frames.read(frame); ended) break;
        trajectory.gather(frame, ions);
        mapper.add_frame(ions);
        msd.add_frame(ions);
        mapped += 1;
    }
    const double seconds = now() - start, read = trajectory.source->fraction_read() - first;
    Cost cost;
    const auto& n_frames = trajectory.source->header().n_frames;
    const double scale = ended || !(read > 0) ? 1 : (1 - first) / read;
    cost.frames = mapped * scale;
    if (!ended && n_frames)
        cost.frames = std::floor(static_cast<double>(*n_frames - trajectory.options.first_frame) /
                                 static_cast<double>(trajectory.options.stride));
    cost.seconds = mapped > 0 ? seconds / mapped * cost.frames : 0;
    cost.bytes = static_cast<double>(lags.back() + 1) * 24 * static_cast<double>(n_ions) +
                 64.0 * static_cast<double>(trajectory.source->header().n_atoms());
    return cost;
}

/// Eigenvalues at all wave vectors of the simulated cell dominate, once per resampling and lag.
double markov_seconds(const Config& config, const SiteSet& sites) {
    const double n = static_cast<double>(sites.basis.size());
    const double waves = sites.cell.volume() / sites.basis.cell.volume();
    const double one = waves * (20e-6 + 8e-9 * n * n * n);
    return one * static_cast<double>(config.msm.lag_times.size()) *
           static_cast<double>(config.msm.bootstrap_samples) / threads();
}

/// What the domain is, where its kernels are there already; what is known without them otherwise.
std::string meso_lines(const Config& config, std::vector<std::string>& warnings, Cost& total) {
    const bool ready = !config.needs_model() || std::filesystem::exists(RunFiles(config.run.output).msm);
    if (!ready) {
        const MesoCost cost = estimate_cost(config);
        total.bytes = std::max(total.bytes, cost.bytes);
        total.complete = false;
        return fmt::format(
            "meso     {} walkers for {:g} ps, at least {} (the domain is described once there is a msm.h5)\n",
            config.meso->walkers.n, config.meso->total_time, size_text(cost.bytes));
    }
    const bool exclusion = config.meso->occupancy == Occupancy::exclusion;
    const DomainModel model = build_domain(config, exclusion ? first_temperature(config) : std::nullopt);
    warnings.insert(warnings.end(), model.warnings.begin(), model.warnings.end());
    if (exclusion) {
        const GasModel gas = build_gas(config, model);
        const MesoCost cost = estimate_cost(gas, config);
        return describe(model) + describe(gas, config) +
               fmt::format("meso     lattice gas: about {}, {}\n", format_duration(cost.seconds),
                           size_text(cost.bytes));
    }
    const MesoCost cost = estimate_cost(config, model);
    total.bytes = std::max(total.bytes, cost.bytes);
    total.seconds += cost.seconds;
    return describe(model) + fmt::format("meso     {} walkers{}: about {}, {}\n", config.meso->walkers.n,
                                         config.meso->field ? " and a field" : "",
                                         format_duration(cost.seconds), size_text(cost.bytes));
}

std::string describe_result(const Hdf5File& file) {
    const Provenance p = read_provenance(file);
    std::string out = fmt::format("stage    {}\nmade by  mesolith {} ({}) at {}\nseed     {}\n", p.stage,
                                  p.version, p.commit, p.created, p.seed);
    for (const InputFile& input : p.inputs)
        out += fmt::format("input    {} ({}, sha256 {}...)\n", input.path,
                           size_text(static_cast<double>(input.bytes)), input.sha256.substr(0, 12));
    if (p.stage == "sites") {
        const StoredSites s = read_sites(file.group("sites"));
        out +=
            fmt::format("sites    {} in the simulated cell, {} per repeat unit{}\n", s.sites.size(),
                        s.sites.basis.size(), s.sites.space_group.empty() ? "" : ", " + s.sites.space_group);
        for (std::size_t k = 0; file.has_group(fmt::format("trajectories/{}", k)); ++k) {
            const StoredTrajectory t = read_trajectory(file.group(fmt::format("trajectories/{}", k)));
            out += fmt::format("events   {} of {} ions in {} frames ({:g} ps) of {}\n",
                               t.trajectory.events.size(), t.trajectory.n_ions(), t.trajectory.n_frames,
                               t.trajectory.duration(), t.source);
        }
    }
    if (p.stage == "record") out += fmt::format("\n{}", to_text(read_diffusivity_record(file.file_name())));
    if (p.stage == "msm") {
        RunSummary s;
        s.folder = file.file_name();
        s.markov = read_headline(file);
        s.checks = s.markov->checks;
        out += fmt::format("\n{}", to_text(s));
    }
    if (p.stage == "meso") {
        const Hdf5Group domain = file.group("domain");
        const auto cells = domain.attribute_values<std::int64_t>("cells");
        out += fmt::format("domain   {} cells, {} sites\n", fmt::join(cells, " x "),
                           domain.attribute<std::int64_t>("n_sites"));
    }
    for (const std::string& warning : p.warnings) out += fmt::format("warning  {}\n", warning);
    return out;
}

} // namespace

namespace {

std::string check_one(const Config& config, Cost& total) {
    const auto sections = config.present_trajectories();
    std::string out;
    std::vector<std::string> warnings = config.warnings;
    if (config.md)
        out += fmt::format("md       {} replicas of {:g} ps after {:g} ps, {:g} fs a step: {}\n",
                           config.md->n_replicas, config.md->length, config.md->equilibration,
                           config.md->timestep, config.resolve(config.md->model));
    if (config.md) total.complete = false;
    if (sections.empty()) { // made by [md], or materials bring their kernels and there is only [meso]
        if (config.meso) out += meso_lines(config, warnings, total);
        out += fmt::format("output   {}\n", config.run.output);
        for (const std::string& warning : warnings) out += fmt::format("warning  {}\n", warning);
        return out;
    }
    SiteDefinition definition(config, sections);
    double& seconds = total.seconds;
    double& bytes = total.bytes;
    for (const TrajectorySection& section : sections) {
        OpenTrajectory trajectory(config, section);
        const TrajectoryHeader& header = trajectory.source->header();
        const SitePlacement placement = definition.register_on_crystal(trajectory, warnings);
        SiteSet sites = definition.stored.sites;
        sites.cell = trajectory.frames.reference_cell();
        trajectory.frames.set_offset(placement.offset);
        const Cost cost = time_mapping(trajectory, sites, definition.stored.assignment, config);
        seconds += cost.seconds;
        bytes = std::max(bytes, cost.bytes);
        out += fmt::format("input    {}: {}, {}; about {:.0f} used frames every {:g} ps, {:.4g} ps\n",
                           trajectory.path, header.format, species_text(header.species), cost.frames,
                           trajectory.used_interval(), cost.frames * trajectory.used_interval());
        const double longest = std::max(config.msm.lag_times.back(), config.msm.fit_window[1]);
        if (longest >= cost.frames * trajectory.used_interval())
            warnings.push_back(fmt::format("{}: the longest lag, {:g} ps, is longer than the trajectory",
                                           trajectory.path, longest));
    }
    const SiteSet& sites = definition.stored.sites;
    out += fmt::format(
        "crystal  {} sites in the simulated cell, {} per repeat unit{}; framework within {:.2f} A (rms)\n",
        sites.size(), sites.basis.size(), sites.space_group.empty() ? "" : ", " + sites.space_group,
        definition.stored.framework_rms);
    if (definition.density) out += fmt::format("density  {}\n", definition.density->statement);
    out += fmt::format("sites    about {}, {}\n", format_duration(seconds), size_text(bytes));
    const double markov = markov_seconds(config, sites);
    out += fmt::format("msm      {} lags, {} resamplings: about {}\n", config.msm.lag_times.size(),
                       config.msm.bootstrap_samples, format_duration(markov));
    seconds += markov;
    if (config.meso) out += meso_lines(config, warnings, total);
    out += fmt::format("output   {}\n", config.run.output);
    for (const std::string& warning : warnings) out += fmt::format("warning  {}\n", warning);
    return out;
}

} // namespace

std::string check_run(const Config& config) {
    Cost total;
    return check_one(config, total);
}

std::string check_sweep(const Config& config, const std::vector<std::string>& set) {
    constexpr std::size_t most = 8; // points looked at closely
    const std::vector<SweepPoint> points = sweep_points(*config.sweep);
    std::vector<std::string> axes;
    for (const SweepAxis& axis : config.sweep->axes) {
        std::vector<std::string> keys;
        for (const SweptKey& key : axis.keys) keys.push_back(key.key);
        axes.push_back(fmt::format("{} of {}", axis.size(), fmt::join(keys, " with ")));
    }
    const std::size_t n = std::min(most, points.size());
    Cost total;
    std::string first;
    for (std::size_t k = 0; k < n; ++k) {
        const std::size_t at = n == 1 ? 0 : k * (points.size() - 1) / (n - 1);
        Cost one;
        const std::string text = check_one(read_config(config.path, {set, true, points[at].name}), one);
        if (k == 0) first = text;
        total.seconds += one.seconds / static_cast<double>(n);
        total.bytes = std::max(total.bytes, one.bytes);
        total.complete = total.complete && one.complete;
    }
    // Threads inside a point and points side by side share the same cores.
    const double seconds = total.seconds * static_cast<double>(points.size());
    std::string out = fmt::format("sweep    {} points: {}\n", points.size(), fmt::join(axes, " x "));
    out += fmt::format("total    about {} on {} threads{}, at most {} a point (from {} of the points{})\n",
                       format_duration(seconds), threads(), config.report.enabled ? " and the reports" : "",
                       size_text(total.bytes), n,
                       total.complete ? "" : "; without the parts that depend on results not there yet");
    out += fmt::format("output   {0}/sweep.h5, {0}/sweep.csv, {0}/sweep/NAME\n\nThe first point, {1}:\n",
                       config.run.output, points.front().name);
    return out + first;
}

std::string describe_file(const std::string& path, const InfoOptions& options) {
    if (is_hdf5_file(path)) {
        const Hdf5File file = Hdf5File::open(path);
        if (file.has_attribute("creator") && file.has_attribute("stage")) return describe_result(file);
    }
    TrajectoryFileOptions file;
    file.format = options.format;
    file.cell_file = options.cell_file;
    file.allow_unmapped_types = true;
    return describe(inspect_trajectory(path, file));
}

} // namespace mesolith
