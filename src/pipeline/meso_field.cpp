#include "meso_field.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <numbers>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "mesolith/core/error.hpp"
#include "mesolith/core/interrupt.hpp"
#include "mesolith/core/units.hpp"
#include "mesolith/io/field_series.hpp"
#include "mesolith/io/vtkhdf.hpp"
#include "mesolith/meso/bloch.hpp"
#include "mesolith/msm/transport.hpp"

#include "clock.hpp"
#include "columns.hpp"
#include "meso_walkers.hpp"

namespace mesolith {
namespace {

namespace fs = std::filesystem;
FieldStart start_of(const FieldSection& f, const Domain& domain) {
    switch (f.start) {
    case FieldStartOption::pulse: {
        const Vec3 corner = domain.basis().cell.to_cartesian(domain.cells.cast<double>());
        return PulseStart{f.centre ? Vec3(*f.centre * units::angstrom_per_nm) : Vec3(corner / 2),
                          f.width * units::angstrom_per_nm};
    }
    case FieldStartOption::site:
        return SiteStart{f.start_cell, static_cast<std::size_t>(f.start_site)};
    case FieldStartOption::region:
        return RegionStart{regions_named(domain, f.start_region), 1};
    case FieldStartOption::profile: {
        const int axis = static_cast<int>(f.profile_axis);
        return ProfileStart{axis, profile_per_layer(f.profile, domain.cells[axis])};
    }
    case FieldStartOption::equilibrium:
        return EquilibriumStart{f.amount};
    case FieldStartOption::empty:
        break;
    }
    return EquilibriumStart{0};
}

template <class T>
void fill_start(Field<T>& field, const FieldSection& f) {
    if (f.start == FieldStartOption::empty) return; // a new field is
    fill(field, start_of(f, field.domain()), f.start == FieldStartOption::equilibrium ? 0 : f.amount);
}

/// Snapshots go to FOLDER/fields: one VTKHDF file each, and a ParaView series.
class SnapshotWriter {
public:
    SnapshotWriter(const Config& config, std::size_t n_outputs, std::size_t already)
        : folder_((fs::path(config.run.output) / "fields").string()), block_(config.meso->field->voxel_cells),
          done_(already) {
        const auto wanted = static_cast<std::size_t>(config.meso->field->n_snapshots);
        for (std::size_t k = 0; k < wanted; ++k)
            outputs_.push_back(wanted == 1 ? n_outputs - 1 : k * (n_outputs - 1) / (wanted - 1));
        outputs_.erase(std::unique(outputs_.begin(), outputs_.end()), outputs_.end());
        if (outputs_.empty()) return;
        fs::create_directories(folder_);
        const std::string pvd = folder_ + "/field.pvd";
        series_.emplace(already > 0 ? FieldSeries::resume(pvd, already) : FieldSeries(pvd));
    }

    template <class T>
    void output(std::size_t k, std::int64_t step, double time, const Field<T>& field) {
        if (!std::binary_search(outputs_.begin(), outputs_.end(), k)) return;
        const Domain& domain = field.domain();
        IVec3 block = block_;
        for (int a = 0; a < 3; ++a)
            if (block[a] == 0) block[a] = (domain.cells[a] + 127) / 128;
        const CoarseField coarse = coarse_grained(field, block);
        FieldSnapshot snapshot;
        const Mat3& A = domain.basis().cell.vectors();
        for (int a = 0; a < 3; ++a) {
            snapshot.grid.points[static_cast<std::size_t>(a)] = static_cast<std::uint64_t>(coarse.voxels[a]);
            snapshot.grid.step.row(a) = block[a] * A.row(a);
        }
        snapshot.grid.origin = domain.basis().cell.to_cartesian(0.5 * block.cast<double>());
        snapshot.time = time;
        snapshot.step = step;
        snapshot.fields = {{"ions_per_cell", std::span<const double>(coarse.mean), "1", 1}};
        write_vtkhdf(fmt::format("{}/field_{:06d}.vtkhdf", folder_, done_), snapshot);
        series_->append(snapshot);
        ++done_;
    }
    std::size_t done() const { return done_; }

private:
    std::string folder_;
    IVec3 block_;
    std::size_t done_;
    std::vector<std::size_t> outputs_;
    std::optional<FieldSeries> series_;
};

std::vector<double> list_of(const FieldExchange& e) {
    std::vector<double> values;
    for (const auto* way : {&e.in, &e.out})
        for (const auto& axis : *way) values.insert(values.end(), axis.begin(), axis.end());
    return values;
}

/// Mean and variance of a profile in a periodic box, unrolled about its circular mean.
struct Spread {
    double mean = 0, variance = 0, edge = 0;
};
Spread spread_of(const std::vector<double>& profile, double width) {
    const auto n = static_cast<double>(profile.size());
    double total = 0, c = 0, s = 0;
    for (std::size_t l = 0; l < profile.size(); ++l) {
        const double phase = 2 * std::numbers::pi * static_cast<double>(l) / n;
        total += profile[l];
        c += profile[l] * std::cos(phase);
        s += profile[l] * std::sin(phase);
    }
    if (!(total > 0)) return {};
    const double middle = std::atan2(s, c) / (2 * std::numbers::pi) * n;
    double first = 0, second = 0, edge = 0;
    for (std::size_t l = 0; l < profile.size(); ++l) {
        double x = static_cast<double>(l) - middle;
        x -= n * std::round(x / n);
        first += profile[l] / total * x;
        second += profile[l] / total * x * x;
        if (std::abs(x) > 0.49 * n) edge += profile[l] / total;
    }
    return {(middle + first) * width, (second - first * first) * width * width, edge};
}

template <class T>
class Follower {
public:
    Follower(const Config& config, const DomainModel& model, std::vector<std::int64_t> steps, bool snapshots)
        : config_(config), model_(model) {
        run_.single = sizeof(T) == 4;
        run_.steps = std::move(steps);
        run_.n_layers = static_cast<std::size_t>(model.domain.cells[axis()]);
        run_.n_regions = model.domain.regions.size();
        with_snapshots_ = snapshots;
    }

    FieldRun by_stencil(Checkpointing* checkpointing) {
        Field<T> field(model_.domain, model_.rules);
        std::int64_t step = 0;
        std::size_t next = 0, snapshots_done = 0;
        std::optional<Checkpoint> checkpoint = checkpointing ? checkpointing->load() : std::nullopt;
        if (checkpoint) {
            load(*checkpoint, field, step, next, snapshots_done);
            spdlog::info("meso: the field goes on at {:.4g} ps", time_of(step));
        } else {
            fill_start(field, *config_.meso->field);
        }
        open_snapshots(snapshots_done);
        StageProgress progress(run_.single ? "field, float" : "field");
        const double sites = static_cast<double>(model_.domain.n_sites());
        // A look at the clock about ten times a second.
        auto piece = static_cast<std::int64_t>(std::max(1.0, 2e7 / sites));
        for (; next < run_.steps.size(); ++next) {
            while (step < run_.steps[next]) {
                const Clock::time_point start = Clock::now();
                const std::int64_t n = std::min(piece, run_.steps[next] - step);
                exchanged_ += advance(field, static_cast<std::uint64_t>(n));
                step += n;
                run_.updates += static_cast<double>(n) * sites;
                run_.seconds += seconds_since(start);
                progress.update(static_cast<double>(step) / static_cast<double>(run_.steps.back()));
                if (checkpointing && step < run_.steps[next])
                    checkpointing->at_safe_point(
                        [&](CheckpointWriter& file) { save(file, field, step, next); });
                else if (!checkpointing)
                    throw_if_interrupted();
            }
            output(next, field);
        }
        progress.finish();
        return std::move(run_);
    }

    FieldRun by_bloch() {
        Field<T> start(model_.domain, model_.rules);
        fill_start(start, *config_.meso->field);
        open_snapshots(0);
        StageProgress progress("field, Bloch");
        output(0, start);
        const Clock::time_point begin = Clock::now();
        std::size_t next = 1;
        const std::vector<std::int64_t> later(run_.steps.begin() + 1, run_.steps.end());
        LeapOptions options;
        options.progress = [&](double fraction) {
            throw_if_interrupted();
            progress.update(fraction);
        };
        leap<T>(
            start, later, [&](std::int64_t, const Field<T>& field) { output(next++, field); }, options);
        run_.seconds = seconds_since(begin);
        run_.updates = static_cast<double>(run_.steps.back()) * static_cast<double>(model_.domain.n_sites());
        progress.finish();
        return std::move(run_);
    }

private:
    int axis() const { return static_cast<int>(config_.meso->profile_axis); }
    double time_of(std::int64_t step) const { return static_cast<double>(step) * model_.domain.lag_time(); }

    void open_snapshots(std::size_t already) {
        if (with_snapshots_) snapshots_.emplace(config_, run_.steps.size(), already);
    }

    void output(std::size_t k, const Field<T>& field) {
        const Domain& domain = model_.domain;
        const double sum = mesolith::total(field);
        run_.total.push_back(sum);
        const double expected = run_.total.front() + exchanged_.total_in() - exchanged_.total_out();
        const double scale = std::max({std::abs(sum), std::abs(run_.total.front()), exchanged_.total_in()});
        if (scale > 0) run_.mass_error = std::max(run_.mass_error, std::abs(sum - expected) / scale);
        const std::vector<double> along = profile(field, axis());
        run_.profile.insert(run_.profile.end(), along.begin(), along.end());
        const std::vector<double> regions = region_totals(field);
        run_.region.insert(run_.region.end(), regions.begin(), regions.end());
        const std::vector<double> exchange = list_of(exchanged_);
        run_.exchange.insert(run_.exchange.end(), exchange.begin(), exchange.end());
        if (domain.crystal()) {
            Vec3 mean;
            Mat3 covariance = Mat3::Zero();
            double edge = 0;
            const Vec3 width = domain.basis().cell.perpendicular_width();
            for (int a = 0; a < 3; ++a) {
                const Spread s = spread_of(a == axis() ? along : profile(field, a), width[a]);
                mean[a] = s.mean, covariance(a, a) = s.variance, edge = std::max(edge, s.edge);
            }
            run_.mean.push_back(mean), run_.spread.push_back(covariance), run_.edge.push_back(edge);
        }
        if (snapshots_) snapshots_->output(k, run_.steps[k], time_of(run_.steps[k]), field);
    }

    template <class F>
    void visit_arrays(F&& f) {
        f("total", run_.total), f("profile", run_.profile), f("region", run_.region);
        f("exchange", run_.exchange), f("edge", run_.edge);
    }

    void save(CheckpointWriter& file, const Field<T>& field, std::int64_t step, std::size_t next) {
        visit_arrays([&](const char* name, const auto& values) { file.write(name, values); });
        std::vector<double> moments;
        for (std::size_t k = 0; k < run_.mean.size(); ++k)
            for (int a = 0; a < 3; ++a)
                moments.insert(moments.end(), {run_.mean[k][a], run_.spread[k](a, a)});
        file.write("moments", moments);
        file.write("exchanged", list_of(exchanged_));
        file.write("scalars",
                   std::vector<std::int64_t>{step, static_cast<std::int64_t>(next),
                                             static_cast<std::int64_t>(snapshots_ ? snapshots_->done() : 0)});
        file.write("work", std::vector<double>{run_.mass_error, run_.seconds, run_.updates});
        const FieldLayout& layout = field.layout();
        file.begin<T>("x", static_cast<std::uint64_t>(model_.domain.n_sites()));
        for_each_row(layout, [&](std::size_t y, std::size_t z, std::size_t site) {
            file.append(field.row(y, z, site));
        });
    }

    void load(const Checkpoint& file, Field<T>& field, std::int64_t& step, std::size_t& next,
              std::size_t& snapshots) {
        visit_arrays([&](const char* name, auto& values) { values = file.read<double>(name); });
        const auto moments = file.read<double>("moments");
        for (std::size_t k = 0; k + 5 < moments.size(); k += 6) {
            Vec3 mean;
            Mat3 spread = Mat3::Zero();
            for (int a = 0; a < 3; ++a)
                mean[a] = moments[k + 2 * static_cast<std::size_t>(a)],
                spread(a, a) = moments[k + 2 * static_cast<std::size_t>(a) + 1];
            run_.mean.push_back(mean), run_.spread.push_back(spread);
        }
        const auto exchanged = file.read<double>("exchanged");
        for (std::size_t f = 0; f < 6; ++f) {
            exchanged_.in[f / 2][f % 2] = exchanged[f];
            exchanged_.out[f / 2][f % 2] = exchanged[6 + f];
        }
        const auto scalars = file.read<std::int64_t>("scalars");
        step = scalars[0], next = static_cast<std::size_t>(scalars[1]),
        snapshots = static_cast<std::size_t>(scalars[2]);
        const auto work = file.read<double>("work");
        run_.mass_error = work[0], run_.seconds = work[1], run_.updates = work[2];
        const auto nx = static_cast<std::size_t>(model_.domain.cells[0]);
        std::vector<T> row(nx);
        std::uint64_t at = 0;
        for_each_row(field.layout(), [&](std::size_t y, std::size_t z, std::size_t site) {
            file.read_part("x", at, std::span<T>(row));
            field.set_row(y, z, site, row);
            at += nx;
        });
    }

    template <class F>
    static void for_each_row(const FieldLayout& layout, F&& f) {
        for (std::size_t z = 0; z < static_cast<std::size_t>(layout.cells[2]); ++z)
            for (std::size_t y = 0; y < static_cast<std::size_t>(layout.cells[1]); ++y)
                for (std::size_t site = 0; site < layout.n_basis; ++site) f(y, z, site);
    }

    const Config& config_;
    const DomainModel& model_;
    FieldRun run_;
    FieldExchange exchanged_;
    bool with_snapshots_ = false;
    std::optional<SnapshotWriter> snapshots_;
};

/// The initial profile, spread by a Gaussian of the exact MSD: what the continuum has.
void add_exact(FieldRun& run, const DomainModel& model, int axis) {
    if (!model.domain.crystal()) return;
    const std::vector<Mat3> msd = exact_msd(model.kernel(), run.steps);
    const std::size_t n = run.n_layers;
    const double width = model.domain.basis().cell.perpendicular_width()[axis];
    Mat3 normals = model.domain.basis().cell.inverse(); // columns: of the faces of a, b, c
    for (int a = 0; a < 3; ++a) normals.col(a).normalize();
    for (std::size_t k = 0; k < run.steps.size(); ++k) {
        const Mat3 along = normals.transpose() * msd[k] * normals;
        run.exact_spread.push_back(run.spread.front() + Mat3(along.diagonal().asDiagonal()));
        // In layers; what taking shares of whole layers adds to the variance is taken off before.
        const double sigma = std::sqrt(std::max(along(axis, axis) / (width * width) - 1.0 / 12, 0.0));
        std::vector<double> spread(n, 0.0);
        const auto reach = static_cast<std::int64_t>(std::ceil(8 * sigma)) + 1;
        for (std::int64_t d = -reach; d <= reach; ++d) { // shares of whole layers, wrapped
            const auto below = [&](double x) {
                return sigma > 0 ? 0.5 * std::erfc(-x / (sigma * std::numbers::sqrt2)) : (x >= 0 ? 1.0 : 0.0);
            };
            const double share = below(static_cast<double>(d) + 0.5) - below(static_cast<double>(d) - 0.5);
            const auto N = static_cast<std::int64_t>(n);
            for (std::int64_t l = 0; l < N; ++l)
                spread[static_cast<std::size_t>(((l + d) % N + N) % N)] +=
                    share * run.profile[static_cast<std::size_t>(l)];
        }
        run.exact_profile.insert(run.exact_profile.end(), spread.begin(), spread.end());
    }
}

template <class T>
FieldRun follow(const Config& config, const DomainModel& model, const std::vector<std::int64_t>& steps,
                bool is_main, Checkpointing* checkpointing) {
    const Clock::time_point start = Clock::now();
    const std::vector<std::int64_t> later(steps.begin() + 1, steps.end());
    FieldEngineChoice choice = choose_field_engine(model.domain, later,
                                                   sizeof(T) == 4 ? FieldPrecision::single_precision
                                                                  : FieldPrecision::double_precision);
    const FieldEngineOption wanted = config.meso->field->engine;
    if (wanted != FieldEngineOption::automatic) {
        choice.engine = wanted == FieldEngineOption::bloch ? FieldEngine::bloch : FieldEngine::stencil;
        choice.reason = "as asked for";
    }
    if (choice.engine == FieldEngine::bloch && !model.domain.crystal())
        throw InputError(
            "meso.field.engine: expected \"stencil\" or \"auto\" for a domain with walls or regions, got "
            "\"bloch\" (its waves need a periodic crystal)");
    const bool bloch = choice.engine == FieldEngine::bloch;
    spdlog::info("meso: field by {} in {}: {}", bloch ? "Bloch waves" : "stencil",
                 sizeof(T) == 4 ? "float" : "double", choice.reason);
    Follower<T> follower(config, model, steps, is_main);
    FieldRun run = bloch ? follower.by_bloch() : follower.by_stencil(checkpointing);
    run.engine = bloch ? "bloch" : "stencil";
    run.reason = choice.reason;
    spdlog::info("meso: field of {} sites to {:.4g} ps in {:.1f} s, mass kept within {:.1e}",
                 model.domain.n_sites(), static_cast<double>(steps.back()) * model.domain.lag_time(),
                 seconds_since(start), run.mass_error);
    return run;
}

} // namespace

FieldRuns run_field(const Config& config, const DomainModel& model, Checkpointing& checkpointing) {
    std::vector<std::int64_t> steps = output_steps(*config.meso, model.domain.lag_time());
    steps.insert(steps.begin(), 0);
    const PrecisionOption precision = config.meso->field->precision;
    FieldRuns runs;
    runs.main = precision == PrecisionOption::single_precision
                    ? follow<float>(config, model, steps, true, &checkpointing)
                    : follow<double>(config, model, steps, true, &checkpointing);
    add_exact(runs.main, model, static_cast<int>(config.meso->profile_axis));
    if (precision != PrecisionOption::both) return runs;
    runs.single = follow<float>(config, model, steps, false, nullptr);
    double largest = 0;
    for (std::size_t k = 0; k < runs.main.profile.size(); ++k) {
        largest = std::max(largest, std::abs(runs.main.profile[k]));
        runs.largest_difference =
            std::max(runs.largest_difference, std::abs(runs.main.profile[k] - runs.single->profile[k]));
    }
    if (largest > 0) runs.largest_difference /= largest;
    spdlog::info("meso: float differs from double by {:.1e} of the largest layer", runs.largest_difference);
    return runs;
}

void write(Hdf5Group& root, const FieldRuns& runs, const DomainModel& model, int profile_axis) {
    const FieldRun& r = runs.main;
    Hdf5Group g = root.create_group("field");
    g.set_attribute("engine", r.engine);
    g.set_attribute("reason", r.reason);
    g.set_attribute("precision", r.single ? "float" : "double");
    g.set_attribute("mass_error", r.mass_error);
    g.set_attribute("seconds", r.seconds);
    g.set_attribute("site_updates_per_second", r.updates / std::max(r.seconds, 1e-9));
    g.set_attribute("profile_axis", std::int64_t{profile_axis});
    const std::size_t n = r.steps.size();
    g.write("time", times_of(r.steps, model.domain.lag_time()), {}, about("ps", ""));
    g.write("total", r.total, {}, about("", "ions"));
    g.write("profile", r.profile, {n, r.n_layers}, about("", "ions per layer of cells along profile_axis"));
    g.write("region", r.region, {n, r.n_regions}, about("", "ions per region"));
    g.write("exchange", r.exchange, {n, 2, 6},
            about("", "ions that came in and went out since the start, per face a-, a+, b-, b+, c-, c+"));
    if (!r.spread.empty()) {
        const auto diagonal = [](const std::vector<Mat3>& m) {
            std::vector<Vec3> d;
            for (const Mat3& x : m) d.push_back(x.diagonal());
            return d;
        };
        g.write("mean", r.mean, about("angstrom", "mean position along a, b, c"));
        g.write("spread", diagonal(r.spread),
                about("angstrom^2", "variance of the position normal to the faces of a, b, c, by layers"));
        g.write("exact_spread", diagonal(r.exact_spread),
                about("angstrom^2", "of the start, plus the exact MSD"));
        g.write("edge", r.edge, {}, about("", "share of ions within 2 % of the far side of the domain"));
        g.write("exact_profile", r.exact_profile, {n, r.n_layers},
                about("", "first profile, spread by a Gaussian of the exact MSD"));
    }
    if (!runs.single) return;
    g.set_attribute("float_difference", runs.largest_difference);
    g.set_attribute("float_mass_error", runs.single->mass_error);
    g.set_attribute("float_seconds", runs.single->seconds);
}

} // namespace mesolith
