#include "meso_gas.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "mesolith/core/error.hpp"
#include "mesolith/core/parallel.hpp"
#include "mesolith/meso/gas_equilibrium.hpp"

#include "clock.hpp"
#include "stage.hpp"

namespace mesolith {
namespace {

constexpr double seconds_per_piece = 0.3;    // between two looks at the clock
constexpr double attempts_per_call = 2e7;    // of one call of the engine, about
constexpr double sweeps_at_start = 100;      // Metropolis moves per ion, with pair energies
constexpr double seconds_per_attempt = 4e-8; // for estimates

GasSolver solver_of(GasSolverOption option) {
    switch (option) {
    case GasSolverOption::null_event:
        return GasSolver::null_event;
    case GasSolverOption::rejection_free:
        return GasSolver::rejection_free;
    case GasSolverOption::automatic:
        break;
    }
    return GasSolver::automatic;
}

const char* name_of(GasSolver solver) {
    return solver == GasSolver::rejection_free ? "rejection_free" : "null_event";
}

/// Mean rate at which a single ion hops in equilibrium [1/ps].
double mean_exit_rate(const GasStep& step) {
    const HopRules& rules = step.gas.rules;
    double rate = 0, weight = 0;
    for (std::size_t k = 0; k < rules.class_line.size(); ++k) {
        const std::uint32_t line = rules.class_line[k];
        double leaves = 0;
        for (const Hop& h : rules.columns[line])
            if (!h.R.isZero() || static_cast<std::size_t>(h.site) != k % rules.n_basis) leaves += h.p;
        rate += rules.weight[line] * leaves / step.gas.domain.lag_time();
        weight += rules.weight[line];
    }
    return rate / weight;
}

double carriers(const GasModel& model) {
    const auto n = static_cast<double>(model.n_ions()), sites = static_cast<double>(model.domain().n_sites());
    return std::max(1.0, std::min(n, sites - n));
}

/// Mean of independent values and its standard error.
Estimate mean_of(const std::vector<double>& values) {
    const auto n = static_cast<double>(values.size());
    Estimate e;
    for (const double x : values) e.value += x / n;
    for (const double x : values) e.error += (x - e.value) * (x - e.value);
    e.error = std::sqrt(e.error / (n - 1) / n);
    return e;
}

struct GasReplica {
    GasState state;
    std::vector<GasRecord> records; // one per step
    GasEvents events;
    std::vector<std::int32_t> layers;    // [frame][layer], all steps
    std::vector<std::uint64_t> exchange; // [frame][12]
};

/// All that changes while replicas run.
struct GasRunState {
    std::size_t step = 0;
    std::int64_t done = 0; // intervals of the step
    bool begun = false;    // whether the solver of the step is chosen
    std::vector<GasReplica> replicas;
    std::vector<std::string> solver, reason; // one per step that has begun
    bool stopped_early = false;
    double seconds = 0;
};

template <class F>
void visit_arrays(GasRecord& r, const std::string& at, F&& f) {
    f(at + "tracer", r.tracer), f(at + "ring", r.ring), f(at + "msd", r.msd),
        f(at + "collective", r.collective);
    f(at + "occupied", r.occupied), f(at + "leaving", r.leaving), f(at + "filling", r.filling);
    f(at + "hop_squares", r.hop_squares), f(at + "pairs", r.pairs), f(at + "pair_frames", r.pair_frames);
    f(at + "particles", r.particles);
}

void save(CheckpointWriter& file, GasRunState& s) {
    std::vector<std::int64_t> scalars{static_cast<std::int64_t>(s.step), s.done, std::int64_t{s.begun}};
    for (std::size_t k = 0; k < s.replicas.size(); ++k) {
        GasReplica& r = s.replicas[k];
        const std::string at = fmt::format("replica{}/", k);
        file.write(at + "occupant", r.state.occupant);
        std::vector<std::int32_t> place;
        place.reserve(4 * r.state.place.size());
        for (const GasPlace& p : r.state.place) place.insert(place.end(), {p.site, p.x, p.y, p.z});
        file.write(at + "place", place);
        file.write(at + "species", r.state.species);
        file.write(at + "start", r.state.start);
        file.write(at + "time", std::vector<double>{r.state.time});
        std::vector<std::uint64_t> counts{r.state.interval, r.events.attempts, r.events.hops};
        counts.insert(counts.end(), r.events.entered.begin(), r.events.entered.end());
        counts.insert(counts.end(), r.events.left.begin(), r.events.left.end());
        file.write(at + "counts", counts);
        file.write(at + "layers", r.layers);
        file.write(at + "exchange", r.exchange);
        for (std::size_t step = 0; step < r.records.size(); ++step) {
            visit_arrays(r.records[step], at + fmt::format("step{}/", step),
                         [&](const std::string& name, const auto& values) { file.write(name, values); });
            scalars.push_back(r.records[step].frames_done);
        }
    }
    file.write("scalars", scalars);
    file.write("seconds", std::vector<double>{s.seconds});
    for (std::size_t k = 0; k < s.solver.size(); ++k) {
        file.set_attribute(fmt::format("solver{}", k), s.solver[k]);
        file.set_attribute(fmt::format("reason{}", k), s.reason[k]);
    }
}

void load(const Checkpoint& file, GasRunState& s) {
    const auto scalars = file.read<std::int64_t>("scalars");
    s.step = static_cast<std::size_t>(scalars[0]), s.done = scalars[1], s.begun = scalars[2] != 0;
    std::size_t next = 3;
    for (std::size_t k = 0; k < s.replicas.size(); ++k) {
        GasReplica& r = s.replicas[k];
        const std::string at = fmt::format("replica{}/", k);
        r.state.occupant = file.read<std::int32_t>(at + "occupant");
        const auto place = file.read<std::int32_t>(at + "place");
        r.state.place.clear();
        for (std::size_t p = 0; p + 3 < place.size(); p += 4)
            r.state.place.push_back({place[p], place[p + 1], place[p + 2], place[p + 3]});
        r.state.species = file.read<std::uint8_t>(at + "species");
        r.state.start = file.read<std::int32_t>(at + "start");
        r.state.time = file.read<double>(at + "time").at(0);
        const auto counts = file.read<std::uint64_t>(at + "counts");
        r.state.interval = counts.at(0), r.events.attempts = counts.at(1), r.events.hops = counts.at(2);
        std::copy_n(counts.begin() + 3, 6, r.events.entered.begin());
        std::copy_n(counts.begin() + 9, 6, r.events.left.begin());
        r.layers = file.read<std::int32_t>(at + "layers");
        r.exchange = file.read<std::uint64_t>(at + "exchange");
        for (std::size_t step = 0; step < r.records.size(); ++step) {
            visit_arrays(r.records[step], at + fmt::format("step{}/", step),
                         [&](const std::string& name, auto& values) {
                             values = file.read<typename std::decay_t<decltype(values)>::value_type>(name);
                         });
            r.records[step].frames_done = scalars.at(next++);
        }
    }
    s.seconds = file.read<double>("seconds").at(0);
    for (std::size_t k = 0; k < s.step + (s.begun ? 1 : 0); ++k) {
        s.solver.push_back(file.attribute(fmt::format("solver{}", k)));
        s.reason.push_back(file.attribute(fmt::format("reason{}", k)));
    }
}

/// A frame of a replica: what the observer sees, layers, what came in and went out.
void look(GasReplica& r, std::size_t step, const GasObserver& observer, int profile_axis) {
    observer.add(r.records[step], r.state);
    const Domain& d = observer.gas().domain;
    if (!d.crystal()) {
        std::vector<std::int32_t> layer(static_cast<std::size_t>(d.cells[profile_axis]), 0);
        for (std::size_t site = 0; site < r.state.occupant.size(); ++site)
            if (r.state.occupant[site] >= 0)
                ++layer[static_cast<std::size_t>(d.cell_at(site / d.n_basis())[profile_axis])];
        r.layers.insert(r.layers.end(), layer.begin(), layer.end());
    }
    if (!d.open()) return;
    r.exchange.insert(r.exchange.end(), r.events.entered.begin(), r.events.entered.end());
    r.exchange.insert(r.exchange.end(), r.events.left.begin(), r.events.left.end());
}

/// Frames at which it is looked whether D* is known well enough.
bool is_checkpoint_of_precision(const GasPlan& plan, std::int64_t frame) {
    return 4 * frame >= plan.n_frames && frame % std::max<std::int64_t>(1, plan.n_frames / 20) == 0 &&
           frame < plan.n_frames;
}

class Runner {
public:
    Runner(const Config& config, const GasModel& model, Checkpointing& checkpointing)
        : config_(config), model_(model), checkpointing_(checkpointing), m_(*config.meso), g_(*m_.gas),
          seed_(static_cast<std::uint64_t>(config.run.seed)) {}

    GasRun run(const std::vector<std::optional<Mat3>>& single);

private:
    void start();
    bool run_step(StageProgress& progress);
    void advance_piece(const GasDynamics& dynamics, const GasObserver& observer, std::int64_t n);
    std::vector<GasRecord> records(std::size_t step) const {
        std::vector<GasRecord> all;
        for (const GasReplica& r : s_.replicas) all.push_back(r.records[step]);
        return all;
    }
    GasStepResult result(std::size_t step, const std::optional<Mat3>& single) const;
    double total_intervals() const {
        double n = 0;
        for (const GasStep& step : model_.steps)
            n += static_cast<double>(step.equilibration_intervals() + step.plan.n_frames);
        return n;
    }

    const Config& config_;
    const GasModel& model_;
    Checkpointing& checkpointing_;
    const MesoSection& m_;
    const GasSection& g_;
    std::uint64_t seed_;
    GasRunState s_;
    double intervals_before_ = 0; // of the steps that are over
};

void Runner::start() {
    s_.replicas.resize(static_cast<std::size_t>(g_.n_replicas));
    for (GasReplica& r : s_.replicas) r.records.resize(model_.steps.size());
    if (const auto checkpoint = checkpointing_.load()) {
        load(*checkpoint, s_);
        spdlog::info("meso: the lattice gas goes on at {:.4g} ps", s_.replicas.front().state.time);
        return;
    }
    for_each_index(s_.replicas.size(), [&](std::size_t k) {
        const LatticeGas& gas = model_.steps.front().gas;
        s_.replicas[k].state = fill(gas, model_.n_per_species, seed_, k);
        if (!gas.pairs.empty()) equilibrate(gas, s_.replicas[k].state, sweeps_at_start, seed_, k);
    });
}

/// n intervals of all replicas.
void Runner::advance_piece(const GasDynamics& dynamics, const GasObserver& observer, std::int64_t n) {
    const GasStep& step = model_.steps[s_.step];
    const std::int64_t warm_up = step.equilibration_intervals();
    const double rest = mean_exit_rate(step) * carriers(model_);
    for_each_index(s_.replicas.size(), [&](std::size_t k) {
        GasReplica& r = s_.replicas[k];
        for (std::int64_t i = s_.done; i < s_.done + n; ++i) {
            const double interval =
                i < warm_up ? step.equilibration / static_cast<double>(warm_up) : step.plan.frame_interval;
            if (i == 0 && warm_up == 0) look(r, s_.step, observer, static_cast<int>(m_.profile_axis));
            const double calls = std::max(1.0, std::ceil(rest * interval / attempts_per_call));
            for (double c = 0; c < calls; ++c)
                r.events += dynamics.advance(r.state, interval / calls, seed_, k);
            if (i + 1 >= warm_up) look(r, s_.step, observer, static_cast<int>(m_.profile_axis));
        }
    });
    s_.done += n;
}

/// @return whether to go on
bool Runner::run_step(StageProgress& progress) {
    const GasStep& step = model_.steps[s_.step];
    const GasState& typical = s_.replicas.front().state;
    GasSolver wanted = solver_of(g_.solver);
    if (s_.begun)
        wanted = s_.solver.back() == name_of(GasSolver::rejection_free) ? GasSolver::rejection_free
                                                                        : GasSolver::null_event;
    const GasDynamics dynamics(step.gas, wanted, typical);
    const GasObserver observer(step.gas, step.plan, typical);
    if (!s_.begun) {
        for (GasReplica& r : s_.replicas) r.records[s_.step] = observer.start();
        s_.solver.emplace_back(name_of(dynamics.solver()));
        s_.reason.push_back(dynamics.reason());
        s_.done = 0, s_.begun = true;
    }
    spdlog::info("meso: solver {}: {}", s_.solver.back(), s_.reason.back());
    const std::int64_t warm_up = step.equilibration_intervals(), all = warm_up + step.plan.n_frames;
    double piece = 1;
    bool wanting = true;
    while (s_.done < all) {
        std::int64_t n = std::min<std::int64_t>(static_cast<std::int64_t>(piece), all - s_.done);
        for (std::int64_t k = 1; k < n && g_.precision > 0; ++k)
            if (is_checkpoint_of_precision(step.plan, s_.done + k - warm_up)) n = k;
        const Clock::time_point start = Clock::now();
        advance_piece(dynamics, observer, n);
        const double seconds = seconds_since(start);
        s_.seconds += seconds;
        piece = std::max(1.0, std::min(2 * piece, piece * seconds_per_piece / std::max(seconds, 1e-3)));
        progress.update((intervals_before_ + static_cast<double>(s_.done)) / total_intervals());
        if (g_.precision > 0 && is_checkpoint_of_precision(step.plan, s_.done - warm_up)) {
            const GasAverages a = average(observer, records(s_.step));
            if (!a.transport.empty()) {
                const Estimate& D = a.transport.back().tracer_mean;
                wanting = !(D.error <= g_.precision * D.value);
            }
        }
        if (!wanting) break;
        checkpointing_.at_safe_point([&](CheckpointWriter& file) { save(file, s_); });
    }
    for (GasReplica& r : s_.replicas) r.records[s_.step].ring.clear(), r.records[s_.step].tracer.clear();
    intervals_before_ += static_cast<double>(all);
    ++s_.step;
    s_.begun = false;
    return wanting;
}

GasStepResult Runner::result(std::size_t k, const std::optional<Mat3>& single) const {
    const GasStep& step = model_.steps[k];
    const Domain& d = step.gas.domain;
    const GasObserver observer(step.gas, step.plan, s_.replicas.front().state);
    GasStepResult out;
    out.averages = average(observer, records(k));
    out.classes = observer.classes();
    out.shells = observer.shells();
    out.solver = s_.solver[k], out.reason = s_.reason[k];
    out.begin = step.begin + (k == 0 ? 0 : step.equilibration);
    out.end = out.begin + out.averages.time;
    out.single = single;
    out.exact_collective = exact_collective(model_, step, single);
    if (const auto theta = exact_thermodynamic_factor(model_, step)) {
        out.theta = Estimate{*theta, 0};
        out.theta_method = "exact, ions only block each other";
    } else if (!model_.only_species()) {
        out.theta_method = "none of several species";
    } else {
        // Replicas in equilibrium at their own number, then free to exchange ions with a reservoir.
        std::vector<double> values(s_.replicas.size());
        for_each_index(s_.replicas.size(), [&](std::size_t r) {
            values[r] = thermodynamic_factor(step.gas, s_.replicas[r].state, NumberSampling{}, seed_, r)
                            .thermodynamic_factor.value;
        });
        out.theta = mean_of(values);
        out.theta_method = "number fluctuations at fixed activity, mean and scatter of replicas";
        if (values.size() < 2) {
            out.theta = thermodynamic_factor(step.gas, s_.replicas[0].state, NumberSampling{}, seed_, 0)
                            .thermodynamic_factor;
            out.theta_method = "number fluctuations at fixed activity";
        }
    }
    const auto frames = static_cast<std::size_t>(s_.replicas.front().records[k].frames_done);
    std::size_t before = 0; // frames of earlier steps
    for (std::size_t i = 0; i < k; ++i)
        before += static_cast<std::size_t>(s_.replicas.front().records[i].frames_done);
    const std::size_t S = observer.n_species(),
                      layers = static_cast<std::size_t>(d.cells[static_cast<int>(m_.profile_axis)]);
    const double each = 1 / static_cast<double>(s_.replicas.size());
    out.ions.assign(frames * S, 0);
    if (!d.crystal()) out.profile.assign(frames * layers, 0);
    if (d.open()) out.exchange.assign(frames * 12, 0);
    for (std::size_t f = 0; f < frames; ++f)
        out.time.push_back(out.begin + static_cast<double>(f) * step.plan.frame_interval);
    for (const GasReplica& r : s_.replicas) {
        for (std::size_t i = 0; i < out.ions.size(); ++i)
            out.ions[i] += each * static_cast<double>(r.records[k].particles[i]);
        for (std::size_t i = 0; i < out.profile.size(); ++i)
            out.profile[i] += each * r.layers[before * layers + i];
        for (std::size_t i = 0; i < out.exchange.size(); ++i)
            out.exchange[i] += each * static_cast<double>(r.exchange[before * 12 + i] - r.exchange[i % 12]);
    }
    return out;
}

GasRun Runner::run(const std::vector<std::optional<Mat3>>& single) {
    start();
    StageProgress progress("lattice gas");
    for (std::size_t k = 0; k < s_.step; ++k)
        intervals_before_ +=
            static_cast<double>(model_.steps[k].equilibration_intervals() + model_.steps[k].plan.n_frames);
    GasRun run;
    while (s_.step < model_.steps.size())
        if (!run_step(progress)) {
            run.stopped_early = true;
            break;
        }
    progress.finish();
    run.n_replicas = g_.n_replicas;
    run.seconds = s_.seconds;
    for (const GasReplica& r : s_.replicas) run.events += r.events;
    for (std::size_t k = 0; k < s_.step; ++k) run.steps.push_back(result(k, single[k]));
    return run;
}

} // namespace

double GasRun::hops_per_second() const { return static_cast<double>(events.hops) / std::max(seconds, 1e-9); }

std::string describe(const GasModel& model, const Config& config) {
    const Domain& d = model.domain();
    const auto sites = static_cast<double>(d.n_sites());
    std::string out =
        fmt::format("gas      {} ions on {} sites, {:.4g} % vacant, {} replica{}\n", model.n_ions(),
                    d.n_sites(), 100 * (1 - static_cast<double>(model.n_ions()) / sites),
                    config.meso->gas->n_replicas, config.meso->gas->n_replicas == 1 ? "" : "s");
    const std::vector<GasSpecies>& species = model.steps.front().gas.species;
    for (std::size_t s = 0; s < species.size() && species.size() > 1; ++s)
        out += fmt::format("species  {}: {} ions, {}\n", species[s].name, model.n_per_species[s],
                           species[s].rate_factor == 0 ? "pinned"
                                                       : fmt::format("rates x {:g}", species[s].rate_factor));
    if (!model.steps.front().gas.pairs.empty())
        out += fmt::format("pairs    {} pairs of sites per cell have an energy\n",
                           model.steps.front().gas.pairs.size());
    for (const GasStep& step : model.steps)
        out += fmt::format(
            "time     {:g} to {:g} ps{}, a frame every {:g} ps{}\n", step.begin, step.end,
            step.temperature ? fmt::format(" at {:g} K", *step.temperature) : "", step.plan.frame_interval,
            step.equilibration > 0 ? fmt::format(" after {:g} ps of equilibration", step.equilibration) : "");
    return out;
}

MesoCost estimate_cost(const GasModel& model, const Config& config) {
    const Domain& d = model.domain();
    const GasSection& g = *config.meso->gas;
    MesoCost cost;
    cost.cells = static_cast<double>(d.n_cells());
    cost.sites = static_cast<double>(d.n_sites());
    const auto ions = static_cast<double>(model.n_ions()), replicas = static_cast<double>(g.n_replicas);
    double tracers = 0;
    for (std::size_t s = 0; s < model.n_per_species.size(); ++s)
        if (model.closed() && model.steps.front().gas.species[s].rate_factor > 0)
            tracers += static_cast<double>(g.n_tracers == 0 ? model.n_per_species[s]
                                                            : std::min(g.n_tracers, model.n_per_species[s]));
    // Sites, places, tables of the solver; frames of the tracers; averages.
    cost.bytes = replicas * (20 * cost.sites + 40 * ions) + 2.0 * static_cast<double>(d.region.size());
    for (const GasStep& step : model.steps) {
        const auto lags = step.plan.lags();
        cost.bytes += replicas * 8 *
                      (static_cast<double>(step.plan.n_frames) * 4 +
                       static_cast<double>(step.plan.n_bins()) *
                           (6 * static_cast<double>(lags.size()) +
                            3 * static_cast<double>(d.n_basis() * d.regions.size())));
        const double time = step.end - step.begin + (step.begin == 0 ? step.equilibration : 0);
        cost.seconds += carriers(model) * mean_exit_rate(step) * time * seconds_per_attempt;
        const double look = cost.sites * 2e-9 + tracers * static_cast<double>(lags.size()) * 2e-9 +
                            carriers(model) * 12 * 2e-8;
        cost.seconds += static_cast<double>(step.plan.n_frames) * look;
    }
    cost.bytes += replicas * 24 * tracers * static_cast<double>(model.steps.front().plan.lags().back() + 1);
    cost.seconds *= replicas / std::min(replicas, static_cast<double>(threads()));
    return cost;
}

GasRun run_gas(const Config& config, const GasModel& model, const std::vector<std::optional<Mat3>>& single,
               Checkpointing& checkpointing) {
    return Runner(config, model, checkpointing).run(single);
}

} // namespace mesolith
