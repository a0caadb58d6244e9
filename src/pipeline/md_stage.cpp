#include <algorithm>
#include <atomic>
#include <cmath>
#include <filesystem>
#include <mutex>
#include <numeric>
#include <optional>
#include <span>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "mesolith/core/parallel.hpp"
#include "mesolith/core/units.hpp"
#include "mesolith/io/checkpoint.hpp"
#include "mesolith/io/file.hpp"
#include "mesolith/io/h5md.hpp"
#include "mesolith/io/structure_file.hpp"
#include "mesolith/md/dynamics.hpp"
#include "mesolith/pipeline/force_models.hpp"
#include "mesolith/pipeline/stages.hpp"
#include "mesolith/trajectory/elements.hpp"

#include "checkpointing.hpp"
#include "clock.hpp"
#include "columns.hpp"
#include "site_stream.hpp"
#include "stage.hpp"

namespace mesolith {
namespace {

namespace fs = std::filesystem;

std::int64_t steps_of(double time, const MdSection& md) { // [ps]
    return std::llround(time / (md.timestep * units::ps_per_fs));
}

/// What is written of a replica beside its trajectory, one value per frame.
struct TimeSeries {
    std::vector<double> time, temperature, potential_energy, conserved; // [ps], [K], [eV], [eV]

    void add(double now, const Dynamics& dynamics) {
        time.push_back(now);
        temperature.push_back(dynamics.temperature());
        potential_energy.push_back(dynamics.forces().energy);
        conserved.push_back(dynamics.conserved_energy());
    }
};

struct Replica {
    std::uint64_t number = 0;
    Structure crystal; // without the ions taken away
    std::string path;  // of its trajectory, or of the events made of it
    TimeSeries series;
    std::string failure; // "" when it ended well
};

/// Replicas whose forces are evaluated at once; one on its own mostly.
struct ReplicaGroup {
    std::span<Replica> replicas;
    std::optional<Checkpoint> checkpoint;
    std::string stopped; // "" when they came to their ends
};

/// Where the frames of a replica go: a trajectory file, or sites and events.
class FrameSink {
public:
    FrameSink(const Config& config, const Replica& replica, const std::optional<Checkpoint>& checkpoint,
              const std::string& prefix) {
        if (config.streams()) {
            stream_.emplace(config, replica.path, replica.crystal.species, replica.crystal.cell,
                            config.md->interval);
            if (checkpoint) stream_->restore(*checkpoint, prefix + "stream/");
        } else {
            H5mdOptions file;
            file.unwrapped = true;
            writer_.emplace(
                H5mdWriter::resume(replica.path, replica.crystal.species, replica.series.time.size(), file));
        }
    }
    bool is_file() const { return writer_.has_value(); } ///< for one thread at a time
    void add(const Frame& frame, std::int64_t step) {
        if (writer_)
            writer_->append(frame, step);
        else
            stream_->add(frame);
    }
    void save(CheckpointWriter& checkpoint, const std::string& prefix) {
        if (writer_)
            writer_->flush();
        else
            stream_->save(checkpoint, prefix + "stream/");
    }
    void finish() {
        if (writer_)
            writer_->close();
        else
            stream_->finish();
    }

private:
    std::optional<H5mdWriter> writer_;
    std::optional<SiteStream> stream_;
};

/// The crystal of one replica: copies, then ions taken away by lot.
Structure starting_crystal(const Config& config, const Structure& cell, std::uint64_t replica) {
    const MdSection& md = *config.md;
    Structure crystal = repeat(cell, md.repetition);
    std::vector<std::size_t> ions;
    for (std::size_t i = 0; i < crystal.size(); ++i)
        if (crystal.species[i] == config.ions.mobile.front()) ions.push_back(i);
    if (static_cast<std::size_t>(md.vacancies) >= std::max<std::size_t>(ions.size(), 1))
        throw InputError(fmt::format("md.vacancies: expected fewer than the {} {} of the crystal, got {}",
                                     ions.size(), config.ions.mobile.front(), md.vacancies));
    Stream random(static_cast<std::uint64_t>(config.run.seed), RngUse::md_vacancy, replica, 0);
    std::vector<std::size_t> away;
    for (std::int64_t k = 0; k < md.vacancies; ++k) {
        const auto pick = std::min(
            static_cast<std::size_t>(uniform01(random) * static_cast<double>(ions.size())), ions.size() - 1);
        away.push_back(ions[pick]);
        ions.erase(ions.begin() + static_cast<std::ptrdiff_t>(pick));
    }
    std::sort(away.rbegin(), away.rend());
    for (const std::size_t i : away) {
        crystal.species.erase(crystal.species.begin() + static_cast<std::ptrdiff_t>(i));
        crystal.fractional.erase(crystal.fractional.begin() + static_cast<std::ptrdiff_t>(i));
    }
    return crystal;
}

std::vector<int> numbers_of(const Structure& crystal) {
    std::vector<int> numbers;
    for (const std::string& species : crystal.species) numbers.push_back(atomic_number(species));
    return numbers;
}

MdState at_rest(const Structure& crystal) {
    std::vector<Vec3> positions;
    for (const Vec3& f : crystal.fractional) positions.push_back(crystal.cell.to_cartesian(f));
    return make_md_state(crystal.cell, numbers_of(crystal), std::move(positions));
}

std::vector<double> flat_vectors(const std::vector<Vec3>& vectors) {
    std::vector<double> all;
    for (const Vec3& v : vectors) all.insert(all.end(), v.data(), v.data() + 3);
    return all;
}

std::vector<Vec3> vectors_from(const Checkpoint& checkpoint, const std::string& name, std::size_t n) {
    const auto all = checkpoint.read<double>(name);
    if (all.size() != 3 * n)
        throw FileError(fmt::format("{}: {} holds {} numbers instead of {}. Remove the checkpoint",
                                    checkpoint.file_name(), name, all.size(), 3 * n));
    std::vector<Vec3> vectors;
    for (std::size_t i = 0; i < n; ++i) vectors.emplace_back(all[3 * i], all[3 * i + 1], all[3 * i + 2]);
    return vectors;
}

void write_state(CheckpointWriter& writer, const std::string& prefix, const MdState& state,
                 const Replica& replica) {
    writer.write(prefix + "step", std::vector<std::int64_t>{state.step});
    writer.write(prefix + "positions", flat_vectors(state.positions));
    writer.write(prefix + "velocities", flat_vectors(state.velocities));
    writer.write(prefix + "chain_position", state.chain_position);
    writer.write(prefix + "chain_velocity", state.chain_velocity);
    writer.write(prefix + "bath_heat", std::vector<double>{state.bath_heat});
    writer.write(prefix + "series/time", replica.series.time);
    writer.write(prefix + "series/temperature", replica.series.temperature);
    writer.write(prefix + "series/potential_energy", replica.series.potential_energy);
    writer.write(prefix + "series/conserved", replica.series.conserved);
    if (!replica.failure.empty()) writer.set_attribute(prefix + "failure", replica.failure);
}

void read_state(const Checkpoint& checkpoint, const std::string& prefix, MdState& state, Replica& replica) {
    const std::size_t n = state.size();
    state.step = checkpoint.read<std::int64_t>(prefix + "step").at(0);
    state.positions = vectors_from(checkpoint, prefix + "positions", n);
    state.velocities = vectors_from(checkpoint, prefix + "velocities", n);
    state.chain_position = checkpoint.read<double>(prefix + "chain_position");
    state.chain_velocity = checkpoint.read<double>(prefix + "chain_velocity");
    state.bath_heat = checkpoint.read<double>(prefix + "bath_heat").at(0);
    replica.series = {checkpoint.read<double>(prefix + "series/time"),
                      checkpoint.read<double>(prefix + "series/temperature"),
                      checkpoint.read<double>(prefix + "series/potential_energy"),
                      checkpoint.read<double>(prefix + "series/conserved")};
    if (checkpoint.attributes().contains(prefix + "failure"))
        replica.failure = checkpoint.attribute(prefix + "failure");
}

/// The centre of mass at rest: where the ensemble that follows keeps it.
void remove_drift(MdState& state) {
    double mass = 0;
    for (const double m : state.masses) mass += m;
    const Vec3 drift = momentum(state) / mass;
    for (Vec3& v : state.velocities) v -= drift;
}

/// Of the group whose first replica has this path.
Checkpointing checkpointing(const std::string& path, const MdSection& md, std::string fingerprint,
                            const RunControl& control) {
    return {path + ".checkpoint", std::move(fingerprint), md.checkpoint_minutes, control};
}

/// Shared by the threads that run replicas: HDF5 and the terminal are for one at a time.
class MdRun {
public:
    MdRun(const Config& config, const ForceField& field, std::string fingerprint, const RunControl& control)
        : config_(config), md_(*config.md), field_(field), fingerprint_(std::move(fingerprint)),
          control_(control), progress_("molecular dynamics") {
        options_.timestep = md_.timestep * units::ps_per_fs;
        options_.temperature = *config.run.temperature;
        options_.friction = md_.friction;
        options_.period = md_.thermostat_period;
        options_.seed = static_cast<std::uint64_t>(config.run.seed);
    }

    std::int64_t n_frames() const { return std::llround(std::floor(md_.length / md_.interval + 1e-9)); }
    std::int64_t equilibration() const { return steps_of(md_.equilibration, md_); }
    std::int64_t steps() const { return equilibration() + n_frames() * steps_of(md_.interval, md_); }
    std::int64_t steps_done() const { return done_; }

    Checkpointing checkpointing(const ReplicaGroup& group) const {
        return mesolith::checkpointing(group.replicas.front().path, md_, fingerprint_, control_);
    }

    void run(ReplicaGroup& group) {
        try {
            follow(group);
        } catch (const Stopped& reason) {
            group.stopped = reason.what();
        }
    }

    void finish() { progress_.finish(); }

private:
    static std::string prefix(const Replica& replica) { return fmt::format("{}/", replica.number); }

    /// The group from its states on; which ensemble, time tells.
    DynamicsGroup start(const ReplicaGroup& group, std::vector<MdState> states, MdEnsemble ensemble) const {
        std::vector<MdOptions> options(states.size(), options_);
        std::vector<std::string> failures;
        for (std::size_t k = 0; k < options.size(); ++k) {
            options[k].ensemble = ensemble;
            options[k].replica = group.replicas[k].number;
            failures.push_back(group.replicas[k].failure);
        }
        return DynamicsGroup(field_.clone(), std::move(states), options, std::move(failures));
    }

    void follow(ReplicaGroup& group) {
        Checkpointing saved = checkpointing(group);
        std::vector<MdState> states;
        for (Replica& replica : group.replicas) {
            states.push_back(at_rest(replica.crystal));
            if (group.checkpoint)
                read_state(*group.checkpoint, prefix(replica), states.back(), replica);
            else
                draw_velocities(states.back(), options_.temperature, options_.seed, replica.number);
        }
        std::vector<FrameSink> sinks;
        {
            const std::lock_guard one(files_);
            for (const Replica& replica : group.replicas)
                sinks.emplace_back(config_, replica, group.checkpoint, prefix(replica));
        }
        std::int64_t step = 0, n_written = 0; // of those that go on
        for (std::size_t k = 0; k < states.size(); ++k) {
            if (!group.replicas[k].failure.empty()) continue;
            step = states[k].step;
            before_ += step;
            if (group.checkpoint)
                spdlog::info("  replica {} goes on behind step {} of {}", group.replicas[k].number, step,
                             steps());
            n_written = static_cast<std::int64_t>(group.replicas[k].series.time.size());
        }
        const auto state_of = [&](const DynamicsGroup& dynamics) {
            return [&](CheckpointWriter& checkpoint) {
                const std::lock_guard one(files_);
                for (std::size_t k = 0; k < sinks.size(); ++k) {
                    const Replica& replica = group.replicas[k];
                    sinks[k].save(checkpoint, prefix(replica));
                    write_state(checkpoint, prefix(replica), dynamics[k].state(), replica);
                }
            };
        };

        if (step < equilibration()) {
            DynamicsGroup dynamics = start(group, std::move(states), MdEnsemble::langevin);
            while (step < equilibration() && dynamics.n_alive() > 0) {
                if (step > 0) saved.at_safe_point(state_of(dynamics));
                const std::int64_t n = std::min<std::int64_t>(200, equilibration() - step);
                advance(group, dynamics, n);
                step += n;
            }
            states.clear();
            for (std::size_t k = 0; k < dynamics.size(); ++k) {
                states.push_back(dynamics[k].state());
                states[k].bath_heat = 0;
                if (md_.ensemble != Ensemble::langevin) remove_drift(states[k]);
            }
        }
        DynamicsGroup dynamics = start(group, std::move(states),
                                       md_.ensemble == Ensemble::nve        ? MdEnsemble::nve
                                       : md_.ensemble == Ensemble::langevin ? MdEnsemble::langevin
                                                                            : MdEnsemble::nose_hoover);
        note_failures(group, dynamics);
        Frame frame;
        frame.cell = group.replicas.front().crystal.cell;
        for (; n_written < n_frames() && dynamics.n_alive() > 0; ++n_written) {
            if (n_written > 0) saved.at_safe_point(state_of(dynamics));
            advance(group, dynamics, steps_of(md_.interval, md_));
            frame.index = n_written;
            frame.time = static_cast<double>(n_written + 1) * md_.interval;
            for (std::size_t k = 0; k < sinks.size(); ++k) {
                if (!dynamics.alive(k)) continue;
                frame.positions = dynamics[k].state().positions;
                group.replicas[k].series.add(frame.time, dynamics[k]);
                std::unique_lock one(files_, std::defer_lock);
                if (sinks[k].is_file()) one.lock();
                sinks[k].add(frame, dynamics[k].state().step);
            }
        }
        saved.save(state_of(dynamics)); // other groups may be stopped: this one shall not run again
        const std::lock_guard one(files_);
        for (std::size_t k = 0; k < sinks.size(); ++k)
            if (dynamics.alive(k)) sinks[k].finish();
    }

    static void note_failures(ReplicaGroup& group, const DynamicsGroup& dynamics) {
        for (std::size_t k = 0; k < dynamics.size(); ++k) group.replicas[k].failure = dynamics.failures()[k];
    }

    void advance(ReplicaGroup& group, DynamicsGroup& dynamics, std::int64_t n) {
        const auto alive = static_cast<std::int64_t>(dynamics.n_alive());
        dynamics.run(n);
        note_failures(group, dynamics);
        done_ += n * alive;
        if (const std::unique_lock one(terminal_, std::try_to_lock); one)
            progress_.update(static_cast<double>(before_ + done_) /
                             static_cast<double>(steps() * md_.n_replicas));
    }

    const Config& config_;
    const MdSection& md_;
    const ForceField& field_;
    std::string fingerprint_;
    const RunControl& control_;
    MdOptions options_;
    std::mutex files_, terminal_;
    std::atomic<std::int64_t> before_{0}, done_{0}; // steps of runs that were stopped, and of this one
    StageProgress progress_;
};

struct MeanWithError {
    double mean = 0, error = 0;
};

/// Of a correlated series, by ten blocks.
MeanWithError block_mean(const std::vector<double>& values) {
    const std::size_t n_blocks = std::min<std::size_t>(10, values.size());
    MeanWithError result;
    std::vector<double> means;
    for (std::size_t b = 0; b < n_blocks; ++b) {
        const std::size_t begin = b * values.size() / n_blocks, end = (b + 1) * values.size() / n_blocks;
        means.push_back(std::accumulate(values.begin() + static_cast<std::ptrdiff_t>(begin),
                                        values.begin() + static_cast<std::ptrdiff_t>(end), 0.0) /
                        static_cast<double>(end - begin));
        result.mean += means.back() / static_cast<double>(n_blocks);
    }
    double sum = 0;
    for (const double m : means) sum += (m - result.mean) * (m - result.mean);
    if (n_blocks > 1) result.error = std::sqrt(sum / static_cast<double>(n_blocks * (n_blocks - 1)));
    return result;
}

/// Slope of a straight line through the points.
double slope(const std::vector<double>& x, const std::vector<double>& y) {
    const double n = static_cast<double>(x.size());
    const double mx = std::accumulate(x.begin(), x.end(), 0.0) / n;
    const double my = std::accumulate(y.begin(), y.end(), 0.0) / n;
    double xx = 0, xy = 0;
    for (std::size_t k = 0; k < x.size(); ++k) {
        xx += (x[k] - mx) * (x[k] - mx);
        xy += (x[k] - mx) * (y[k] - my);
    }
    return xx > 0 ? xy / xx : 0;
}

void write_replica(Hdf5Group& group, const Replica& replica) {
    group.set_attribute("failure", replica.failure);
    const TimeSeries& s = replica.series;
    group.write("time", s.time, {}, about("ps", "since the end of the equilibration"));
    group.write("temperature", s.temperature, {}, about("K", "of the frame"));
    group.write("potential_energy", s.potential_energy, {}, about("eV", "of the frame"));
    group.write("conserved_energy", s.conserved, {},
                about("eV", "constant but for the error of the time step"));
    const double atoms = static_cast<double>(replica.crystal.size());
    const MeanWithError kelvin = block_mean(s.temperature);
    group.write("mean_temperature", std::vector<double>{kelvin.mean, kelvin.error}, {},
                about("K", "mean and standard error (blocks)"));
    group.write("energy_drift", std::vector<double>{slope(s.time, s.conserved) / atoms}, {},
                about("eV/atom/ps", "slope of the conserved energy"));
}

void check_elements(const ForceField& field, const Structure& crystal, const std::string& model) {
    const std::vector<int> known = field.elements();
    for (const std::string& species : crystal.species)
        if (std::find(known.begin(), known.end(), atomic_number(species)) == known.end()) {
            std::vector<std::string> names;
            for (const int z : known) names.emplace_back(element_symbol(z));
            throw InputError(fmt::format("{}: does not know the element {} (it knows {}). Take another model",
                                         model, species, fmt::join(names, ", ")));
        }
}

/// How many replicas are evaluated at once.
/// @throws InputError when more than one is asked of an evaluator that takes them one by one
std::size_t replicas_per_graph(const MdSection& md, const ForceField& field) {
    const auto all = static_cast<std::size_t>(md.n_replicas);
    if (!field.batches_at_once() && md.replicas_per_graph > 1)
        throw InputError(fmt::format("md.replicas_per_graph: expected 0 or 1, got {} ({} takes one replica "
                                     "after the other). Leave it away: replicas run on threads",
                                     md.replicas_per_graph, field.description()));
    if (md.replicas_per_graph > 0) return std::min(all, static_cast<std::size_t>(md.replicas_per_graph));
    return md.device == "cpu" ? 1 : all;
}

/// Before anything runs: the crystal that is simulated has the sites.
void expect_sites_fit(const Config& config, const Replica& replica) {
    Frame frame;
    frame.cell = replica.crystal.cell;
    frame.positions = at_rest(replica.crystal).positions;
    SiteStream(config, replica.path, replica.crystal.species, frame.cell, config.md->interval).add(frame);
}

} // namespace

StageOutcome run_md(const Config& config, const RunControl& control) {
    const RunFiles files(config.run.output);
    const MdSection& md = *config.md;
    prepare_output_folder((fs::path(files.folder) / "md").string());
    const auto existing = existing_result(files.md);
    const std::vector<InputFile> known = existing ? existing->inputs : std::vector<InputFile>{};
    // Replicas share the threads, unless they are evaluated at once.
    const std::int64_t at_a_time =
        std::max<std::int64_t>(md.n_replicas / std::max<std::int64_t>(md.replicas_per_graph, 1), 1);
    const int torch_threads =
        std::max(1, threads() / static_cast<int>(std::min<std::int64_t>(at_a_time, threads())));
    const ForceModelOptions options{md.evaluator, md.precision, md.device, torch_threads};
    const std::string model_file = force_model_file(config.resolve(md.model), options);
    std::vector<InputFile> inputs{describe_input(model_file, known),
                                  describe_input(config.resolve(md.structure), known)};
    if (config.streams()) inputs.push_back(describe_input(config.resolve(config.sites.structure), known));
    Provenance provenance = new_provenance(config, "md", std::move(inputs), "");
    const auto replica_path = [&](std::int64_t k) {
        return config.streams() ? config.md_events(k) : config.md_trajectory(k);
    };
    const auto remove_checkpoints = [&] {
        for (std::int64_t k = 0; k < md.n_replicas; ++k)
            checkpointing(replica_path(k), md, "", control).remove();
    };
    if (is_up_to_date(existing, provenance, files.md)) {
        remove_checkpoints(); // of a run killed at its very end
        return StageOutcome::up_to_date;
    }

    const Structure cell = read_structure(config.resolve(md.structure));
    const ForceModel model = open_force_model(config.resolve(md.model), options);
    check_elements(*model.field, cell, model_file);
    const std::size_t group_size = replicas_per_graph(md, *model.field);
    spdlog::info("md: {}{}", model.statement,
                 group_size > 1 ? fmt::format("; {} replicas at once", group_size) : "");

    MdRun run(config, *model.field, provenance.fingerprint, control);
    std::vector<Replica> replicas(static_cast<std::size_t>(md.n_replicas));
    for (std::size_t k = 0; k < replicas.size(); ++k) {
        Replica& replica = replicas[k];
        replica.number = k;
        replica.crystal = starting_crystal(config, cell, k);
        replica.path = replica_path(static_cast<std::int64_t>(k));
    }
    if (config.streams()) expect_sites_fit(config, replicas.front());
    std::vector<ReplicaGroup> groups;
    for (std::size_t k = 0; k < replicas.size(); k += group_size) {
        groups.push_back({std::span(replicas).subspan(k, std::min(group_size, replicas.size() - k)), {}, {}});
        if (auto checkpoint = run.checkpointing(groups.back()).load())
            groups.back().checkpoint.emplace(std::move(*checkpoint));
    }
    spdlog::info(
        "md: {} replica{} of {} atoms at {:g} K, {:g} ps after {:g} ps of equilibration, {:g} fs a step",
        replicas.size(), replicas.size() == 1 ? "" : "s", replicas.front().crystal.size(),
        *config.run.temperature, md.length, md.equilibration, md.timestep);

    const MdState first = at_rest(replicas.front().crystal);
    const std::string comparison = compare_evaluators(model, first.cell, first.numbers, first.positions);
    if (!comparison.empty()) spdlog::info("md: {}", comparison);

    fs::remove(files.md); // its replicas are no longer what is in the folder
    const Clock::time_point start = Clock::now();
    for_each_index(groups.size(), [&](std::size_t k) { run.run(groups[k]); });
    run.finish();
    const double seconds = seconds_since(start);

    for (const ReplicaGroup& group : groups)
        if (!group.stopped.empty()) throw Stopped(group.stopped);
    std::size_t failed = 0;
    for (const Replica& replica : replicas) {
        if (!replica.failure.empty()) {
            ++failed;
            fs::remove(replica.path);
            warn(provenance.warnings,
                 fmt::format("replica {} is left out: {}", replica.number, replica.failure));
            continue;
        }
        const MeanWithError kelvin = block_mean(replica.series.temperature);
        spdlog::info("  replica {}: {:.1f} +- {:.1f} K, conserved energy drifts by {:.1e} eV/atom/ps",
                     replica.number, kelvin.mean, kelvin.error,
                     slope(replica.series.time, replica.series.conserved) /
                         static_cast<double>(replica.crystal.size()));
    }
    if (failed == replicas.size()) {
        remove_checkpoints(); // there is nothing to go on with
        throw DataError("every replica failed; the last: " + replicas.back().failure);
    }
    const double steps = static_cast<double>(run.steps_done());
    spdlog::info("md: {:.3g} atom-steps/s, {:.3g} ns/day of all replicas together",
                 steps * static_cast<double>(replicas.front().crystal.size()) / seconds,
                 steps * md.timestep * 1e-6 / seconds * 86400);

    Hdf5File file = Hdf5File::create(files.md);
    write(file, provenance);
    file.set_attribute("evaluator", model.statement);
    file.set_attribute("temperature", *config.run.temperature); // [K]
    file.set_attribute("atoms", static_cast<std::int64_t>(first.size()));
    for (const Replica& replica : replicas) {
        Hdf5Group group = file.create_group(fmt::format("replicas/{}", replica.number));
        write_replica(group, replica);
    }
    file.commit();
    remove_checkpoints();
    spdlog::info("md: wrote {}", files.md);
    return StageOutcome::done;
}

} // namespace mesolith
