#include <chrono>
#include <cmath>
#include <numbers>

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include "mesolith/core/interrupt.hpp"
#include "mesolith/meso/field.hpp"
#include "mesolith/meso/simulate.hpp"
#include "mesolith/msm/van_hove.hpp"
#include "mesolith/pipeline/analysis_file.hpp"
#include "mesolith/pipeline/stages.hpp"

#include "stage.hpp"

namespace mesolith {
namespace {

const char* const start_names[] = {"stationary", "uniform", "site"};

MesoOptions walker_options(const Config& config) {
    const MesoSection& m = *config.meso;
    MesoOptions o;
    o.size = m.size;
    o.unit = m.unit;
    o.n_walkers = m.n_walkers;
    o.total_time_ps = m.total_time;
    o.n_outputs = static_cast<int>(m.n_outputs);
    o.start = m.start;
    o.start_site = static_cast<std::int32_t>(m.start_site);
    o.seed = static_cast<std::uint64_t>(config.run.seed);
    return o;
}

FieldOptions field_options(const MesoSection& m) {
    FieldOptions o;
    o.cells = m.field_cells;
    o.n_steps = m.field_steps;
    o.n_outputs = static_cast<int>(std::min<std::int64_t>(m.n_outputs, 20));
    return o;
}

class Stopwatch {
public:
    double seconds() const {
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
    }

private:
    std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// Shows a part of the whole, from `begin` to `end`.
ProgressCallback shown(StageProgress& progress, double begin = 0, double end = 1) {
    return [&progress, begin, end](double fraction) {
        throw_if_interrupted();
        progress.update(begin + (end - begin) * fraction);
    };
}

std::vector<double> flat(const std::vector<Mat3>& tensors) {
    std::vector<double> values;
    for (const Mat3& m : tensors)
        for (int a = 0; a < 3; ++a)
            for (int b = 0; b < 3; ++b) values.push_back(m(a, b));
    return values;
}

std::vector<Vec3> diagonals(const std::vector<Mat3>& tensors) {
    std::vector<Vec3> values;
    for (const Mat3& m : tensors) values.push_back(m.diagonal());
    return values;
}

std::vector<double> list_of(const Vec3& v) { return {v[0], v[1], v[2]}; }

/// A walker run and what it is compared with.
struct WalkerRun {
    WalkerResult walkers;
    Mat3 exact = Mat3::Zero(); // D of the kernel [A^2/ps]
    std::vector<Mat3> exact_msd;
    double seconds = 0;

    Vec3 z() const { // D against the exact one
        const Vec3 difference = (walkers.diffusivity - exact).diagonal();
        Vec3 z = Vec3::Zero();
        for (int a = 0; a < 3; ++a)
            if (difference[a] != 0) z[a] = difference[a] / walkers.diffusivity_error(a, a);
        return z;
    }
};

WalkerRun run_walkers(const Kernel& kernel, const MesoOptions& options) {
    const Stopwatch watch;
    StageProgress progress("walkers");
    WalkerRun run;
    run.walkers = simulate_walkers(kernel, options, shown(progress));
    progress.finish();
    run.exact = exact_transport(kernel).diffusivity;
    run.exact_msd = exact_msd(kernel, run.walkers.steps);
    run.seconds = watch.seconds();
    const WalkerResult& r = run.walkers;
    const Vec3 z = run.z();
    spdlog::info("meso: {} walkers on {} x {} x {} cells, {:.3g} hops in {:.1f} s; D is {:.1f}, {:.1f}, "
                 "{:.1f} standard "
                 "errors from the exact one",
                 r.n_walkers, r.lattice.cells[0], r.lattice.cells[1], r.lattice.cells[2], r.hops(),
                 run.seconds, z[0], z[1], z[2]);
    return run;
}

void write(Hdf5File& file, const WalkerRun& run, WalkerStart start) {
    const WalkerResult& r = run.walkers;
    Hdf5Group lattice = file.create_group("lattice");
    lattice.set_attribute("cells", r.lattice.cells);
    lattice.set_attribute("size", r.lattice.edge_lengths());
    lattice.set_attribute("n_sites", r.lattice.n_sites());
    Hdf5Group g = file.create_group("walkers");
    g.set_attribute("n_walkers", r.n_walkers);
    g.set_attribute("lag_time", r.lag_time);
    g.set_attribute("start", start_names[static_cast<int>(start)]);
    g.set_attribute("seconds", run.seconds);
    g.set_attribute("hops_per_second", r.hops() / std::max(run.seconds, 1e-9));
    const Hdf5Shape tensors{r.time_ps.size(), 3, 3};
    g.write("time", r.time_ps, {}, about("ps", ""));
    g.write("msd", flat(r.msd), tensors, about("angstrom^2", "MSD tensor"));
    g.write("msd_error", flat(r.msd_error), tensors, about("angstrom^2", "standard error"));
    g.write("exact_msd", flat(run.exact_msd), tensors,
            about("angstrom^2", "from the moments of the kernel, stationary start"));
    Hdf5Group d = g.create_group("diffusivity");
    d.write("D", list_of(r.diffusivity.diagonal()), {}, about("angstrom^2/ps", "slope of the MSD / 2"));
    d.write("error", list_of(r.diffusivity_error.diagonal()), {}, about("angstrom^2/ps", "standard error"));
    d.write("exact", list_of(run.exact.diagonal()), {}, about("angstrom^2/ps", "of the kernel"));
    d.write("z", list_of(run.z()), {}, about("", "(D - exact) / error"));
}

/// F_s(k, n) from fields that start from pi_j exp(+i k.b_j) in cell 0, real and imaginary part one after the
/// other: the transform of the field then counts displacements from the start site.
std::vector<double> field_scattering(const Lattice& lattice, const Vec3& kappa,
                                     const std::vector<std::int64_t>& steps,
                                     const ProgressCallback& progress) {
    const Kernel& kernel = *lattice.kernel;
    std::vector<std::complex<double>> sum(steps.size());
    for (const bool imaginary : {false, true}) {
        Field field(lattice);
        for (std::size_t j = 0; j < kernel.n_sites(); ++j) {
            const double phase =
                2 * std::numbers::pi * kappa.dot(kernel.basis.cell.to_fractional(kernel.basis.positions[j]));
            field.set(IVec3::Zero(), j,
                      kernel.stationary[j] * (imaginary ? std::sin(phase) : std::cos(phase)));
        }
        std::int64_t now = 0;
        for (std::size_t s = 0; s < steps.size(); ++s) {
            progress((imaginary ? 0.5 : 0) +
                     0.5 * static_cast<double>(s) / static_cast<double>(steps.size()));
            advance(field, static_cast<std::uint64_t>(steps[s] - now));
            now = steps[s];
            const std::complex<double> mode = fourier_mode(field, kappa);
            sum[s] += imaginary ? std::complex<double>(0, 1) * mode : mode;
        }
    }
    std::vector<double> real;
    for (const auto& value : sum) real.push_back(value.real());
    return real;
}

/// A field run and what it is compared with.
struct FieldRun {
    FieldResult field;
    std::vector<Mat3> exact_msd;
    std::vector<Vec3> kappa;
    std::vector<double> scattering, exact_scattering; // [step][kappa]
    double seconds = 0;
};

FieldRun run_field(const Kernel& kernel, const FieldOptions& options) {
    const Stopwatch watch;
    StageProgress progress("field");
    FieldRun run;
    run.field = simulate_field(kernel, options, shown(progress, 0, 0.4));
    const std::vector<std::int64_t>& steps = run.field.steps;
    run.exact_msd = exact_msd(kernel, steps);
    for (int a = 0; a < 3; ++a) // the longest waves that fit the lattice
        if (options.cells[a] > 1) run.kappa.push_back(Vec3::Unit(a) / options.cells[a]);
    const std::size_t n = run.kappa.size();
    run.scattering.resize(steps.size() * n);
    run.exact_scattering.resize(steps.size() * n);
    const auto part = [&](std::size_t q) {
        return 0.4 + 0.6 * static_cast<double>(q) / static_cast<double>(n);
    };
    for (std::size_t q = 0; q < n; ++q) {
        const std::vector<double> seen =
            field_scattering(run.field.lattice, run.kappa[q], steps, shown(progress, part(q), part(q + 1)));
        const auto exact = intermediate_scattering(kernel, run.kappa[q], steps);
        for (std::size_t s = 0; s < steps.size(); ++s) {
            run.scattering[s * n + q] = seen[s];
            run.exact_scattering[s * n + q] = exact[s].real();
        }
    }
    progress.finish();
    run.seconds = watch.seconds();
    return run;
}

void write(Hdf5File& file, const FieldRun& run, const FieldOptions& options) {
    const FieldResult& r = run.field;
    Hdf5Group g = file.create_group("field");
    g.set_attribute("cells", options.cells);
    g.set_attribute("steps", options.n_steps);
    g.set_attribute("mass_error", *std::max_element(r.mass_error.begin(), r.mass_error.end()));
    g.set_attribute("seconds", run.seconds);
    g.write("time", r.time_ps, {}, about("ps", ""));
    g.write("msd", diagonals(r.msd), about("angstrom^2", "of the field, per axis"));
    g.write("exact_msd", diagonals(run.exact_msd), about("angstrom^2", "from the moments of the kernel"));
    g.write("wrapped", r.wrapped, {},
            about("", "upper bound of the probability to have gone around the lattice"));
    const Hdf5Shape waves{r.steps.size(), run.kappa.size()};
    g.write("kappa", run.kappa, about("", "wave vectors in reciprocal vectors of the folded cell"));
    g.write("scattering", run.scattering, waves, about("", "real part of F_s(k, t) from the field"));
    g.write("exact_scattering", run.exact_scattering, waves, about("", "of the Bloch matrix"));
}

void expect_memory(const Config& config, const Kernel& kernel) {
    const MesoSection& m = *config.meso;
    const double field = 28.0 * static_cast<double>(kernel.n_sites()) * m.field_cells.cast<double>().prod();
    const double needed = walker_bytes(walker_options(config)) + field;
    const double there =
        static_cast<double>(sysconf(_SC_PHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGE_SIZE));
    if (needed > 0.9 * there)
        throw InputError(
            fmt::format("[meso] needs {:.1f} GB of memory, the machine has {:.1f} GB. Use fewer n_walkers or "
                        "field_cells",
                        needed / 1e9, there / 1e9));
}

} // namespace

StageOutcome run_meso(const Config& config) {
    if (!config.meso)
        throw InputError(config.path + ": there is no [meso] section. Add one, it may be empty");
    const RunFiles files(config.run.output);
    const Hdf5File model = open_result(files.msm, "msm");
    const Provenance source = read_provenance(model);
    Provenance provenance = new_provenance(config, "meso", {}, source.fingerprint);
    if (is_up_to_date(existing_result(files.meso), provenance, files.meso)) return StageOutcome::up_to_date;

    const Kernel kernel = read_chosen_kernel(model);
    if (config.meso->start == WalkerStart::site &&
        config.meso->start_site >= static_cast<std::int64_t>(kernel.n_sites()))
        throw InputError(fmt::format("meso.start_site: expected a site from 0 to {}, got {}",
                                     kernel.n_sites() - 1, config.meso->start_site));
    expect_memory(config, kernel);
    const ModelStatus status = read_status(model);
    if (!status.markovian)
        warn(provenance.warnings, "the model is not Markovian: what follows from it at other times than its "
                                  "lag is not the crystal's. " +
                                      status.reason);
    spdlog::info("meso: kernel of {} sites at a lag of {:g} ps", kernel.n_sites(), kernel.lag_time);
    if (config.meso->start != WalkerStart::stationary)
        warn(provenance.warnings,
             "walkers do not start from the stationary distribution: their MSD differs from the exact "
             "one at first, and D differs where sites do not exchange ions");
    const WalkerRun walkers = run_walkers(kernel, walker_options(config));
    const FieldOptions field_section = field_options(*config.meso);
    std::optional<FieldRun> field;
    if (field_section.cells.minCoeff() > 0 && field_section.n_steps > 1)
        field = run_field(kernel, field_section);
    if (field && field->field.wrapped.back() > 1e-3)
        warn(provenance.warnings, fmt::format("the field reaches around its lattice of {} x {} x {} cells "
                                              "(up to {:.1g} of it): its MSD is too "
                                              "small at the end. Use more field_cells or fewer field_steps",
                                              field_section.cells[0], field_section.cells[1],
                                              field_section.cells[2], field->field.wrapped.back()));

    Hdf5File file = Hdf5File::create(files.meso);
    write(file, provenance);
    write_status(file, status);
    write(file, walkers, config.meso->start);
    if (field) write(file, *field, field_section);
    file.commit();
    spdlog::info("meso: wrote {}", files.meso);
    return StageOutcome::done;
}

} // namespace mesolith
