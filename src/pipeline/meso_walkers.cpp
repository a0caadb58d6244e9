#include "meso_walkers.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <numbers>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "mesolith/core/error.hpp"
#include "mesolith/io/walker_file.hpp"
#include "mesolith/msm/transport.hpp"

#include "clock.hpp"
#include "columns.hpp"

namespace mesolith {
namespace {

constexpr double hops_per_piece = 2e7; // between two looks at the clock

std::vector<std::int64_t> distinct(std::vector<std::int64_t> steps) {
    std::sort(steps.begin(), steps.end());
    steps.erase(std::unique(steps.begin(), steps.end()), steps.end());
    return steps;
}

Placement placement(const WalkerSection& w, const Domain& domain) {
    Placement p;
    p.axis = static_cast<int>(w.profile_axis);
    switch (w.start) {
    case StartOption::equilibrium:
    case StartOption::empty:
        break;
    case StartOption::uniform:
        p.start = WalkerStart::uniform;
        break;
    case StartOption::site:
        p.start = WalkerStart::site;
        p.cell = w.start_cell;
        p.site = static_cast<std::int32_t>(w.start_site);
        break;
    case StartOption::region:
        p.regions = regions_named(domain, w.start_region);
        break;
    case StartOption::profile:
        p.profile = profile_per_layer(w.profile, domain.cells[p.axis]);
        break;
    }
    return p;
}

/// Waves along each axis along which anything moves, such that k^2 D T is 0.3, 3 and 30.
std::vector<Vec3> telling_waves(const Mat3& D, double time) {
    std::vector<Vec3> waves;
    for (int a = 0; a < 3; ++a)
        for (const double exponent : {0.3, 3.0, 30.0})
            if (D(a, a) * time > 1) waves.push_back(std::sqrt(exponent / (D(a, a) * time)) * Vec3::Unit(a));
    return waves;
}

Mat3 mean_diffusivity(const DomainModel& model) {
    Mat3 sum = Mat3::Zero();
    for (std::size_t r = 0; r < model.domain.regions.size(); ++r)
        sum += static_cast<double>(model.region_cells[r]) / static_cast<double>(model.domain.n_cells()) *
               model.sources[model.domain.regions[r].material].diffusivity;
    return sum;
}

WalkerPlan make_plan(const Config& config, const DomainModel& model) {
    const MesoSection& m = *config.meso;
    const Domain& domain = model.domain;
    WalkerPlan plan;
    const std::vector<std::int64_t> steps = output_steps(m, domain.lag_time());
    plan.outputs = steps;
    plan.outputs.insert(plan.outputs.begin(), 0);
    plan.origins = {0};
    plan.profile_axis = static_cast<int>(m.profile_axis);
    const int layers = domain.cells[plan.profile_axis];
    plan.planes = {0, layers / 4, layers / 2, 3 * layers / 4};
    plan.planes.erase(std::unique(plan.planes.begin(), plan.planes.end()), plan.planes.end());
    if (domain.open()) return plan;
    const std::int64_t n = m.walkers.n_origins;
    for (std::int64_t o = 1; o < n; ++o) plan.origins.push_back(o * (steps.back() / (2 * n)));
    plan.origins = distinct(plan.origins);
    const std::int64_t longest = steps.back() - plan.origins.back();
    for (const std::int64_t s : steps)
        if (s < longest) plan.lags.push_back(s);
    plan.lags.push_back(longest);
    const double time = static_cast<double>(longest) * domain.lag_time();
    const Mat3 D = mean_diffusivity(model);
    plan.waves = telling_waves(D, time);
    // Distances up to six times the width of a Gaussian at the longest lag shown, 10 % of the run.
    for (std::size_t k = 0; k < plan.lags.size(); ++k)
        if (plan.lags[k] <= 32 && (plan.lags[k] & (plan.lags[k] - 1)) == 0) plan.van_hove.push_back(k);
    if (!plan.van_hove.empty()) {
        const double t = static_cast<double>(plan.lags[plan.van_hove.back()]) * domain.lag_time();
        const double reach =
            6 * std::sqrt(2 * D.diagonal().maxCoeff() * t) + domain.basis().cell.length().maxCoeff();
        plan.bins.n = 200;
        plan.bins.width = std::max(0.1, reach / 200);
    }
    return plan;
}

/// All that changes while walkers walk.
struct WalkerRunState {
    std::int64_t step = 0;
    std::uint64_t intervals = 0;
    Walkers walkers;
    std::vector<WalkerSnapshot> origins; // after the first
    WalkerRun run;
};

/// Call f(name, array) for everything a checkpoint holds.
template <class F>
void visit_arrays(WalkerRunState& s, F&& f) {
    f("walkers/site", s.walkers.site), f("walkers/x", s.walkers.x), f("walkers/y", s.walkers.y);
    f("walkers/z", s.walkers.z), f("walkers/start", s.walkers.start), f("walkers/free", s.walkers.free);
    WalkerStatistics& t = s.run.statistics;
    f("statistics/displacement", t.displacement), f("statistics/histogram", t.histogram);
    f("statistics/layer", t.layer), f("statistics/region", t.region), f("statistics/beyond", t.beyond);
    f("statistics/entered", t.entered), f("statistics/left", t.left);
    f("exits/count", s.run.exits.count);
    f("sample/steps", s.run.sample.steps), f("sample/positions", s.run.sample.positions);
    f("sample/present", s.run.sample.present), f("sample/site", s.run.sample.site);
}

void save(CheckpointWriter& file, WalkerRunState& s) {
    visit_arrays(s, [&](const char* name, const auto& values) { file.write(name, values); });
    const auto vector_of = [](const auto& a) { return std::vector(a.begin(), a.end()); };
    const PassageHistogram& e = s.run.exits;
    file.write("exits/n", vector_of(e.n));
    file.write("exits/sum", vector_of(e.sum));
    file.write("exits/sum_of_squares", vector_of(e.sum_of_squares));
    file.write("passages/entered", vector_of(s.run.passages.entered));
    file.write("passages/left", vector_of(s.run.passages.left));
    std::vector<std::int64_t> scalars{s.step, static_cast<std::int64_t>(s.intervals),
                                      static_cast<std::int64_t>(s.run.statistics.outputs_done)};
    for (std::size_t k = 0; k < s.origins.size(); ++k) {
        const WalkerSnapshot& o = s.origins[k];
        const std::string name = fmt::format("origin{}/", k);
        file.write(name + "site", o.site), file.write(name + "x", o.x);
        file.write(name + "y", o.y), file.write(name + "z", o.z);
        scalars.push_back(o.step);
    }
    file.write("scalars", scalars);
    file.write("work", std::vector<double>{s.run.hops, s.run.seconds});
}

void load(const Checkpoint& file, WalkerRunState& s) {
    visit_arrays(s, [&](const char* name, auto& values) {
        values = file.read<typename std::decay_t<decltype(values)>::value_type>(name);
    });
    const auto into = [&](const char* name, auto& to) {
        const auto values = file.read<typename std::decay_t<decltype(to)>::value_type>(name);
        std::copy_n(values.begin(), to.size(), to.begin());
    };
    into("exits/n", s.run.exits.n);
    into("exits/sum", s.run.exits.sum);
    into("exits/sum_of_squares", s.run.exits.sum_of_squares);
    into("passages/entered", s.run.passages.entered);
    into("passages/left", s.run.passages.left);
    const auto scalars = file.read<std::int64_t>("scalars");
    s.step = scalars[0];
    s.intervals = static_cast<std::uint64_t>(scalars[1]);
    s.run.statistics.outputs_done = static_cast<std::size_t>(scalars[2]);
    s.origins.clear();
    for (std::size_t k = 0; k + 3 < scalars.size(); ++k) {
        const std::string name = fmt::format("origin{}/", k);
        s.origins.push_back({scalars[k + 3], file.read<std::int32_t>(name + "site"),
                             file.read<std::int32_t>(name + "x"), file.read<std::int32_t>(name + "y"),
                             file.read<std::int32_t>(name + "z")});
    }
    const auto work = file.read<double>("work");
    s.run.hops = work[0], s.run.seconds = work[1];
}

void add_sample_frame(WalkerRunState& s, const Domain& domain) {
    SampleFrames& f = s.run.sample;
    if (f.n_walkers == 0) return;
    f.steps.push_back(s.step);
    const SiteBasis& basis = domain.basis();
    for (std::size_t w = 0; w < f.n_walkers; ++w) {
        const bool present = w < s.walkers.size() && !s.walkers.gone(w);
        Vec3 r = Vec3::Zero();
        std::int32_t site = 0;
        if (present) {
            site = s.walkers.site[w];
            r = basis.cell.to_cartesian(s.walkers.cell(w).cast<double>()) +
                basis.positions[static_cast<std::size_t>(site)];
        } else if (f.steps.size() > 1) { // where it was last
            const std::size_t before = ((f.steps.size() - 2) * f.n_walkers + w) * 3;
            r = Vec3(f.positions[before], f.positions[before + 1], f.positions[before + 2]);
        }
        f.positions.insert(f.positions.end(), r.data(), r.data() + 3);
        f.present.push_back(present ? 1 : 0);
        f.site.push_back(site);
    }
}

/// What must happen at `s.step`, once: new origins, displacements, outputs.
bool handle_event(WalkerRunState& s, const DomainModel& model, const MesoSection& m) {
    const WalkerPlan& plan = s.run.statistics.plan;
    const std::size_t before = s.run.statistics.outputs_done;
    measure(s.run.statistics, model.domain, s.walkers, s.step, s.origins, s.run.passages);
    if (s.step > 0 && std::binary_search(plan.origins.begin(), plan.origins.end(), s.step))
        s.origins.push_back(snapshot_of(s.walkers, s.step));
    if (s.run.statistics.outputs_done == before) return true;
    add_sample_frame(s, model.domain);
    if (m.walkers.precision == 0 || plan.lags.empty() || s.run.statistics.outputs_done < 4) return true;
    const WalkerAverages a = average(s.run.statistics);
    return !(a.trace_error <= m.walkers.precision * a.diffusivity.trace());
}

void compare(WalkerRun& run, const DomainModel& model) {
    const WalkerPlan& plan = run.statistics.plan;
    if (!model.domain.crystal() || !run.averages) return;
    const Kernel& kernel = model.kernel();
    const std::vector<std::int64_t>& lags = run.averages->lags;
    run.exact_msd = run.continuous ? exact_msd_in_continuous_time(kernel, lags) : exact_msd(kernel, lags);
    if (run.continuous) return;
    const auto exact = intermediate_scattering(kernel, plan.waves, lags); // [wave][lag], flat
    run.exact_scattering.assign(lags.size(), std::vector<double>(plan.waves.size()));
    for (std::size_t k = 0; k < plan.waves.size(); ++k)
        for (std::size_t l = 0; l < lags.size(); ++l)
            run.exact_scattering[l][k] = exact[k * lags.size() + l].real();
    std::vector<std::int64_t> shown;
    for (const std::size_t l : plan.van_hove) shown.push_back(plan.lags[l]);
    if (!shown.empty() && kernel.n_sites() <= 200)
        run.exact_van_hove = exact_van_hove(kernel, shown, plan.bins, 1e-9);
}

} // namespace

std::vector<std::int64_t> output_steps(const MesoSection& m, double lag_time) {
    const double end = m.schedule == OutputSchedule::list
                           ? *std::max_element(m.output_times.begin(), m.output_times.end())
                           : m.total_time;
    if (!(end / lag_time < 0x1p53))
        throw InputError(fmt::format("meso.total_time_ps: {} ps in steps of {} ps are more than 2^53 steps",
                                     end, lag_time));
    const auto last = std::max<std::int64_t>(2, std::llround(end / lag_time));
    std::vector<std::int64_t> steps{last / 2, last};
    const auto n = static_cast<double>(m.n_outputs);
    if (m.schedule == OutputSchedule::list)
        for (const double t : m.output_times)
            steps.push_back(std::max<std::int64_t>(1, std::llround(t / lag_time)));
    for (std::int64_t k = 1; k <= m.n_outputs && m.schedule != OutputSchedule::list; ++k) {
        const double share = static_cast<double>(k) / n;
        steps.push_back(std::max<std::int64_t>(
            1,
            m.schedule == OutputSchedule::linear
                ? std::llround(share * static_cast<double>(last))
                : std::llround(std::pow(static_cast<double>(last), (static_cast<double>(k) - 1) / (n - 1)))));
    }
    return distinct(std::move(steps));
}

std::vector<std::uint16_t> regions_named(const Domain& domain, const std::string& name) {
    std::vector<std::uint16_t> found;
    for (std::size_t r = 0; r < domain.regions.size(); ++r) {
        const std::string& region = domain.regions[r].name;
        if (region == name || region.starts_with(name + ", ") ||
            domain.materials[domain.regions[r].material].name == name)
            found.push_back(static_cast<std::uint16_t>(r));
    }
    if (found.empty()) throw InputError(fmt::format("start_region: no region or material \"{}\"", name));
    return found;
}

std::vector<double> profile_per_layer(const std::vector<double>& slices, int n_layers) {
    std::vector<double> layers;
    for (int l = 0; l < n_layers; ++l)
        layers.push_back(
            slices[static_cast<std::size_t>((l + 0.5) / n_layers * static_cast<double>(slices.size()))]);
    return layers;
}

WalkerRun run_walkers(const Config& config, const DomainModel& model, Checkpointing& checkpointing) {
    const MesoSection& m = *config.meso;
    const Domain& domain = model.domain;
    const auto seed = static_cast<std::uint64_t>(config.run.seed);
    const bool continuous = m.walkers.time == MotionIn::continuous_time;
    WalkerRunState s;
    s.run.n_walkers = m.walkers.n;
    s.run.continuous = continuous;
    s.run.statistics =
        make_walker_statistics(make_plan(config, model), domain, static_cast<std::size_t>(m.walkers.n));
    s.run.sample.n_walkers = static_cast<std::size_t>(std::min(m.walkers.sample, m.walkers.n));
    const JumpTable jumps = continuous ? JumpTable{} : make_jump_table(domain, model.rules);
    const RateTable rates = continuous ? make_rate_table(domain, model.rules) : RateTable{};

    bool wanted = true; // until a requested precision is reached
    if (const auto checkpoint = checkpointing.load()) {
        load(*checkpoint, s);
        spdlog::info("meso: walkers go on at {:.4g} ps", static_cast<double>(s.step) * domain.lag_time());
    } else {
        s.walkers =
            place_walkers(m.walkers.start == StartOption::empty ? 0 : static_cast<std::size_t>(m.walkers.n),
                          domain, placement(m.walkers, domain), seed);
        handle_event(s, model, m);
    }
    const std::vector<std::int64_t> events = s.run.statistics.plan.events();
    const std::int64_t last = events.back();
    const auto piece = static_cast<std::int64_t>(
        std::max(1.0, std::floor(hops_per_piece / static_cast<double>(m.walkers.n))));
    StageProgress progress("walkers");
    for (const std::int64_t event : events) {
        while (s.step < event) {
            const Clock::time_point start = Clock::now();
            const std::int64_t n = std::min(piece, event - s.step);
            const double begin = static_cast<double>(s.step) * domain.lag_time();
            const Passages passed =
                continuous ? advance(s.walkers, rates, seed,
                                     {s.intervals++, begin, static_cast<double>(n) * domain.lag_time()})
                           : advance(s.walkers, jumps, seed, static_cast<std::uint64_t>(s.step),
                                     static_cast<std::uint64_t>(n));
            s.step += n;
            s.run.exits.add(passed.exits, domain.lag_time());
            for (std::size_t f = 0; f < 6; ++f) {
                s.run.passages.entered[f] += passed.entered[f];
                s.run.passages.left[f] += passed.left[f];
            }
            if (s.step == event) wanted = handle_event(s, model, m);
            s.run.hops += static_cast<double>(s.walkers.size()) * static_cast<double>(n);
            s.run.seconds += seconds_since(start);
            progress.update(static_cast<double>(s.step) / static_cast<double>(last));
            checkpointing.at_safe_point([&](CheckpointWriter& file) { save(file, s); });
            if (!wanted) break;
        }
        if (!wanted) break;
    }
    progress.finish();
    s.run.stopped_early = !wanted;
    s.run.n_at_end = static_cast<std::int64_t>(s.walkers.n_present());
    if (!s.run.statistics.plan.lags.empty()) s.run.averages = average(s.run.statistics);
    compare(s.run, model);
    return std::move(s.run);
}

Vec3 z_scores(const WalkerRun& run, const DomainModel& model, const Mat3& exact) {
    Vec3 z = Vec3::Zero();
    const double tau = model.domain.lag_time();
    for (int a = 0; a < 3; ++a) {
        const double difference = run.averages->diffusivity(a, a) / tau - exact(a, a);
        if (difference != 0) z[a] = difference / (run.averages->diffusivity_error(a, a) / tau);
    }
    return z;
}

namespace {

void write_displacements(Hdf5Group& g, const WalkerRun& run, const DomainModel& model,
                         const std::optional<Mat3>& exact) {
    const WalkerAverages& a = *run.averages;
    const double tau = model.domain.lag_time();
    const std::size_t n = a.lags.size();
    g.write("time", times_of(a.lags, tau), {}, about("ps", "since the origin of a displacement"));
    g.write("msd", flat(a.msd), {n, 3, 3}, about("angstrom^2", "MSD tensor"));
    g.write("msd_error", flat(a.msd_error), {n, 3, 3}, about("angstrom^2", "standard error"));
    g.write("mean", a.mean, about("angstrom", "mean displacement"));
    g.write("mean_error", a.mean_error, about("angstrom", "standard error"));
    if (!run.exact_msd.empty())
        g.write("exact_msd", flat(run.exact_msd), {n, 3, 3},
                about("angstrom^2", "of the kernel, equilibrium start"));
    Hdf5Group d = g.create_group("diffusivity");
    const auto tensor = [&](const Mat3& m) { return flat(m); };
    d.write("D", tensor(a.diffusivity / tau), {3, 3},
            about("angstrom^2/ps", "half the slope of the covariance of displacements"));
    d.write("error", tensor(a.diffusivity_error / tau), {3, 3}, about("angstrom^2/ps", "standard error"));
    d.set_attribute("trace_error", a.trace_error / tau);
    d.set_attribute("from_ps", static_cast<double>(a.slope_from) * tau);
    d.set_attribute("to_ps", static_cast<double>(a.slope_to) * tau);
    d.set_attribute("n_batches", static_cast<std::int64_t>(a.n_batches));
    d.write("drift", std::vector<Vec3>{a.drift / tau, a.drift_error / tau},
            about("angstrom/ps", "drift, and its standard error"));
    if (exact) {
        d.write("exact", tensor(*exact), {3, 3}, about("angstrom^2/ps", "of the domain"));
        const Vec3 z = z_scores(run, model, *exact);
        d.write("z", std::vector<double>{z[0], z[1], z[2]}, {}, about("", "(D - exact) / error per axis"));
    }
    const WalkerPlan& plan = run.statistics.plan;
    if (!plan.waves.empty()) {
        Hdf5Group f = g.create_group("scattering");
        f.write("wave_vector", plan.waves, about("1/angstrom", "k"));
        f.write("F_s", flat(a.scattering), {n, plan.waves.size()},
                about("", "self-intermediate scattering function, real part"));
        f.write("error", flat(a.scattering_error), {n, plan.waves.size()}, about("", "standard error"));
        if (!run.exact_scattering.empty())
            f.write("exact", flat(run.exact_scattering), {n, plan.waves.size()},
                    about("", "of the Bloch matrix"));
    }
    if (plan.van_hove.empty()) return;
    Hdf5Group v = g.create_group("van_hove");
    std::vector<std::int64_t> steps;
    for (const std::size_t l : plan.van_hove) steps.push_back(plan.lags[l]);
    const std::size_t bins = plan.bins.n + 1;
    v.write("time", times_of(steps, tau), {}, about("ps", ""));
    v.write("counts", run.statistics.histogram, {steps.size(), bins},
            about("", "displacements by |d|; the last bin: beyond"));
    v.set_attribute("bin_width", plan.bins.width);
    if (run.exact_van_hove.empty()) return;
    std::vector<double> values;
    for (const VanHove& e : run.exact_van_hove) {
        values.insert(values.end(), e.probability.begin(), e.probability.end());
        values.push_back(e.beyond);
    }
    v.write("exact", values, {steps.size(), bins}, about("", "probability of the kernel"));
}

} // namespace

void write(Hdf5Group& root, const WalkerRun& run, const DomainModel& model,
           const std::optional<Mat3>& exact) {
    const WalkerStatistics& s = run.statistics;
    const double tau = model.domain.lag_time();
    Hdf5Group g = root.create_group("walkers");
    g.set_attribute("n_walkers", run.n_walkers);
    g.set_attribute("n_at_end", run.n_at_end);
    g.set_attribute("lag_time", tau);
    g.set_attribute("time", run.continuous ? "continuous" : "discrete");
    g.set_attribute("n_origins", static_cast<std::int64_t>(s.plan.origins.size()));
    g.set_attribute("stopped_early", std::int64_t{run.stopped_early});
    g.set_attribute("seconds", run.seconds);
    g.set_attribute("steps_per_second", run.hops / std::max(run.seconds, 1e-9));
    if (run.averages) write_displacements(g, run, model, exact);

    Hdf5Group o = g.create_group("outputs");
    const std::size_t n = s.outputs_done;
    const auto done = [&](const auto& values, std::size_t width) {
        return std::vector(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(n * width));
    };
    const std::vector<std::int64_t> steps(s.plan.outputs.begin(),
                                          s.plan.outputs.begin() + static_cast<std::ptrdiff_t>(n));
    o.write("time", times_of(steps, tau), {}, about("ps", ""));
    o.write("profile", done(s.layer, s.n_layers), {n, s.n_layers},
            about("", "walkers per layer of cells along profile_axis"));
    o.set_attribute("profile_axis", std::int64_t{s.plan.profile_axis});
    o.write("region", done(s.region, s.n_regions), {n, s.n_regions}, about("", "walkers per region"));
    o.write("entered", done(s.entered, 6), {n, 6},
            about("", "ions that came in since the start, per face a-, a+, b-, b+, c-, c+"));
    o.write("left", done(s.left, 6), {n, 6}, about("", "ions that left since the start, per face"));
    std::vector<std::int64_t> flux;
    for (std::size_t k = 0; k < n; ++k) {
        const auto row = flux_through(s, 0, k);
        flux.insert(flux.end(), row.begin(), row.end());
    }
    o.write("through", flux, {n, s.plan.planes.size()},
            about("", "net number of walkers that went up through each plane since the start"));
    o.write("planes", s.plan.planes, {}, about("cells", "layer above each plane"));
    if (run.exits.count.empty()) return;
    Hdf5Group e = g.create_group("exits");
    const PassageHistogram& h = run.exits;
    const auto list = [](const auto& a) { return std::vector(a.begin(), a.end()); };
    e.write("n", list(h.n), {}, about("", "walkers that left, per face"));
    e.write("sum", list(h.sum), {}, about("ps", "sum of the times at which they left"));
    e.write("sum_of_squares", list(h.sum_of_squares), {}, about("ps^2", ""));
    e.write("counts", h.count, {6, PassageHistogram::n_bins}, about("", "per face and bin of time"));
    std::vector<double> edges;
    for (std::size_t b = 0; b <= PassageHistogram::n_bins; ++b)
        edges.push_back(PassageHistogram::lower_edge(b, tau));
    e.write("edges", edges, {}, about("ps", "of the bins"));
}

void write_sample(const std::string& folder, const WalkerRun& run, const DomainModel& model) {
    const SampleFrames& f = run.sample;
    if (f.n_walkers == 0) return;
    const Domain& domain = model.domain;
    WalkerSample sample;
    sample.species.assign(f.n_walkers, "Li");
    for (std::size_t a = 0; a < 3; ++a) sample.periodic[a] = domain.periodic(static_cast<int>(a));
    WalkerFileOptions options;
    options.with_alive = options.with_site = true;
    const Cell box(Mat3(domain.cells.cast<double>().asDiagonal() * domain.basis().cell.vectors()));
    namespace fs = std::filesystem;
    for (const auto& [name, format] : {std::pair{"walkers.h5md", WalkerFormat::h5md},
                                       std::pair{"walkers.lammpstrj", WalkerFormat::lammps_dump}}) {
        const auto file = create_walker_file((fs::path(folder) / name).string(), format, sample, options);
        for (std::size_t k = 0; k < f.steps.size(); ++k) {
            WalkerFrame frame;
            frame.step = f.steps[k];
            frame.time = static_cast<double>(f.steps[k]) * domain.lag_time();
            frame.box = box;
            for (std::size_t w = 0; w < f.n_walkers; ++w) {
                const double* r = f.positions.data() + (k * f.n_walkers + w) * 3;
                frame.positions.emplace_back(r[0], r[1], r[2]);
            }
            const auto row = [&](const std::vector<std::int32_t>& v) {
                return std::vector<std::int32_t>(v.begin() + static_cast<std::ptrdiff_t>(k * f.n_walkers),
                                                 v.begin() +
                                                     static_cast<std::ptrdiff_t>((k + 1) * f.n_walkers));
            };
            frame.alive = row(f.present);
            frame.site = row(f.site);
            file->append(frame);
        }
        file->close();
    }
}

} // namespace mesolith
