#include "kernel_commands.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "mesolith/core/error.hpp"
#include "mesolith/core/units.hpp"
#include "mesolith/io/json.hpp"
#include "mesolith/io/kernel_file.hpp"
#include "mesolith/msm/spectrum.hpp"
#include "mesolith/pipeline/transport_model.hpp"

namespace mesolith {
namespace {

std::string json_of(const Vec3& v) {
    return fmt::format("[{}, {}, {}]", json_number(v[0]), json_number(v[1]), json_number(v[2]));
}
std::string json_of(const Mat3& m) {
    return fmt::format("[{}, {}, {}]", json_of(Vec3(m.row(0))), json_of(Vec3(m.row(1))),
                       json_of(Vec3(m.row(2))));
}
std::string json_of(const std::vector<double>& values) {
    std::vector<std::string> items;
    for (const double v : values) items.push_back(json_number(v));
    return fmt::format("[{}]", fmt::join(items, ", "));
}
std::string json_of(const std::vector<std::string>& texts) {
    std::vector<std::string> items;
    for (const std::string& t : texts) items.push_back(json_text(t));
    return fmt::format("[{}]", fmt::join(items, ", "));
}

/// Members that both commands begin with.
std::string json_head(const TransportModel& model) {
    return fmt::format(
        "{{\n  \"name\": {},\n  \"lag_ps\": {},\n  \"temperature_K\": {},\n  \"reversible\": {},\n",
        json_text(model.name), model.generator ? "null" : json_number(model.kernel.lag_time),
        model.temperature ? json_number(*model.temperature) : "null", model.kernel.reversible);
}

std::string site_list(const SiteBasis& basis, const std::vector<std::int32_t>& sites) {
    constexpr std::size_t most = 8;
    std::string out;
    for (std::size_t k = 0; k < std::min(most, sites.size()); ++k)
        out += (k > 0 ? " " : "") + basis.name[static_cast<std::size_t>(sites[k])];
    return sites.size() > most ? fmt::format("{} ... ({} sites)", out, sites.size()) : out;
}

std::string what_it_is(const TransportModel& model) {
    const std::string temperature =
        model.temperature ? fmt::format(" at {:g} K", *model.temperature) : std::string();
    const std::string balance = model.kernel.reversible ? "detailed balance" : "no detailed balance";
    if (model.generator)
        return fmt::format("{}: {} sites, {} kinds of hops in continuous time{}, {}\n", model.name,
                           model.generator->n_sites(), model.generator->entries.size(), temperature, balance);
    return fmt::format("{}: {} sites, {} moves in a lag of {:g} ps, {}\n", model.name, model.kernel.n_sites(),
                       model.kernel.entries.size(), model.kernel.lag_time, balance);
}

/// Warnings that the numbers themselves call for.
void add_warnings(TransportModel& model, const Transport& transport, const ClassStructure& classes) {
    if (classes.classes.size() > 1)
        model.warnings.push_back(fmt::format("{} classes of sites never exchange ions: D is their average by "
                                             "weight, no single ion has it",
                                             classes.classes.size()));
    if (!classes.transient.empty())
        model.warnings.push_back(fmt::format("{} sites are left for good and count for nothing at long times",
                                             classes.transient.size()));
    if (!model.kernel.reversible && transport.drift.norm() > 0) {
        // Time at which the squared drift outgrows the diffusion.
        const double speed = transport.drift.norm(), spread = 2 * transport.diffusivity.trace();
        if (spread > 0)
            model.warnings.push_back(fmt::format("ions drift by {:.3g} A/ps, which outgrows their diffusion "
                                                 "after {:.3g} ps: D is half the slope "
                                                 "of the covariance, not of the MSD",
                                                 speed, spread / (speed * speed)));
    }
}

// diffusivity

std::string diffusivity_json(const TransportModel& model, const Transport& t, const ClassStructure& classes) {
    std::vector<std::string> items;
    for (std::size_t c = 0; c < classes.classes.size(); ++c)
        items.push_back(
            fmt::format(R"({{"sites": [{}], "weight": {}, "diffusivity": {}, "drift_A_per_ps": {}}})",
                        fmt::join(classes.classes[c].sites, ", "), json_number(t.classes[c].weight),
                        json_of(t.classes[c].diffusivity), json_of(t.classes[c].drift)));
    std::string out = json_head(model);
    out += fmt::format("  \"diffusivity_A2_per_ps\": {},\n  \"uncorrelated\": {},\n  \"correlation\": {},\n"
                       "  \"drift_A_per_ps\": {},\n  \"stationary\": {},\n  \"classes\": [\n    {}\n  ],\n",
                       json_of(t.diffusivity), json_of(t.uncorrelated), json_of(t.correlation),
                       json_of(t.drift), json_of(model.kernel.stationary), fmt::join(items, ",\n    "));
    if (model.generator)
        out += fmt::format("  \"continuous_time\": {{\"diffusivity_A2_per_ps\": {}, \"drift_A_per_ps\": {}, "
                           "\"exit_rates_per_ps\": {}, \"uniformised_lag_ps\": {}}},\n",
                           json_of(t.diffusivity), json_of(t.drift), json_of(model.generator->exit),
                           json_number(model.kernel.lag_time));
    return out + fmt::format("  \"transient_sites\": [{}],\n  \"warnings\": {}\n}}\n",
                             fmt::join(classes.transient, ", "), json_of(model.warnings));
}

std::string tensor_rows(const Mat3& D) {
    constexpr const char* axes[] = {"x", "y", "z"};
    std::string out;
    const auto row = [&](const std::string& name, double value) {
        out += fmt::format("  {:6} {:>15.6g} {:>15.6g}\n", name, value,
                           value * units::angstrom2_per_ps_in_m2_per_s);
    };
    for (int a = 0; a < 3; ++a)
        for (int b = a; b < 3; ++b) row(fmt::format("D_{}{}", axes[a], axes[b]), D(a, b));
    row("mean", D.trace() / 3);
    return out;
}

std::string diffusivity_text(const TransportModel& model, const Transport& t, const ClassStructure& classes) {
    std::string out = what_it_is(model);
    out += fmt::format("  {:6} {:>15} {:>16}\n", "", "[Å²/ps]", "[m²/s]") + tensor_rows(t.diffusivity);
    const double bare = t.uncorrelated.trace();
    if (bare > 0)
        out += fmt::format("  correlation factor (D over that of steps without memory) {:.4g}\n",
                           t.diffusivity.trace() / bare);
    if (t.drift.norm() > 0 && !model.kernel.reversible)
        out += fmt::format("  drift  {:.6g} {:.6g} {:.6g} Å/ps\n", t.drift[0], t.drift[1], t.drift[2]);
    if (classes.classes.size() > 1)
        for (std::size_t c = 0; c < classes.classes.size(); ++c)
            out += fmt::format("\nClass {} with {:.4g} of the ions: {}\n", c + 1, t.classes[c].weight,
                               site_list(model.kernel.basis, classes.classes[c].sites)) +
                   tensor_rows(t.classes[c].diffusivity);
    return out;
}

std::string diffusivity(TransportModel model, bool json) {
    const ClassStructure classes = closed_classes(model.kernel);
    const Transport t =
        model.generator ? exact_transport(*model.generator) : exact_transport(model.kernel, classes);
    add_warnings(model, t, classes);
    if (json) return diffusivity_json(model, t, classes);
    for (const std::string& warning : model.warnings) spdlog::warn("{}", warning);
    return diffusivity_text(model, t, classes);
}

// spectrum

struct Eigenvalue {
    std::complex<double> value;
    double timescale = 0; ///< [ps]
};

std::vector<Eigenvalue> eigenvalues(const TransportModel& model, const Vec3& kappa) {
    std::vector<Eigenvalue> result;
    if (!model.generator) {
        for (const Mode& mode : kernel_spectrum(model.kernel, {kappa}))
            result.push_back({mode.eigenvalue, mode.timescale(model.kernel.lag_time)});
        return result;
    }
    const double rounding = 1e-13 * model.generator->fastest_exit();
    for (const std::complex<double>& value : generator_spectrum(*model.generator, kappa))
        result.push_back(
            {value, value.real() < -rounding ? -1 / value.real() : std::numeric_limits<double>::infinity()});
    return result;
}

std::string spectrum(const TransportModel& model, const Vec3& kappa, bool json) {
    const std::vector<Eigenvalue> values = eigenvalues(model, kappa);
    if (json) {
        std::vector<std::string> pairs;
        std::vector<double> timescales;
        for (const Eigenvalue& e : values) {
            pairs.push_back(
                fmt::format("[{}, {}]", json_number(e.value.real()), json_number(e.value.imag())));
            timescales.push_back(e.timescale);
        }
        return json_head(model) +
               fmt::format("  \"kappa\": {},\n  \"eigenvalue_unit\": {},\n  \"eigenvalues\": "
                           "[{}],\n  \"timescales_ps\": {},\n  \"warnings\": {}\n}}\n",
                           json_of(kappa), model.generator ? "\"1/ps\"" : "\"1\"", fmt::join(pairs, ", "),
                           json_of(timescales), json_of(model.warnings));
    }
    for (const std::string& warning : model.warnings) spdlog::warn("{}", warning);
    std::string out = what_it_is(model);
    out += fmt::format(
        "Eigenvalues at kappa = [{:g}, {:g}, {:g}] (reciprocal vectors of the cell)\n  {:>15} {:>15} "
        "{:>15}\n",
        kappa[0], kappa[1], kappa[2], model.generator ? "real [1/ps]" : "real", "imaginary",
        "timescale [ps]");
    for (const Eigenvalue& e : values)
        out += fmt::format("  {:>15.6g} {:>15.6g} {:>15.6g}\n", e.value.real(), e.value.imag(), e.timescale);
    return out;
}

std::string export_kernel(const TransportModel& model, const std::string& out) {
    write_kernel_file(out, model.kernel, model.name);
    for (const std::string& warning : model.warnings) spdlog::warn("{}", warning);
    return fmt::format("wrote {}: {}", out, what_it_is(model));
}

} // namespace

void add_kernel_commands(CLI::App& app, KernelArguments& arguments) {
    const auto add = [&](const char* name, const char* text, const char* file) {
        CLI::App* command = app.add_subcommand(name, text);
        command->add_option("file", arguments.file, file)->required();
        return command;
    };
    const char* any = "kernel (JSON, HDF5), hop list (TOML), msm.h5 or folder of a run";
    add("diffusivity", "Exact diffusion tensor of a kernel or hop list", any)
        ->add_flag("--json", arguments.json, "For programs");
    CLI::App* spectrum =
        add("spectrum", "Eigenvalues and timescales of a kernel or hop list at one wave vector", any);
    spectrum->add_flag("--json", arguments.json, "For programs");
    spectrum
        ->add_option("--k", arguments.kappa, "Wave vector in reciprocal vectors of the cell (default 0,0,0)")
        ->delimiter(',')
        ->expected(3)
        ->type_name("A,B,C");
    add("export-kernel", "Write the kernel of a run to a file of its own", any)
        ->add_option("--out", arguments.out, "File to write, .json or .h5")
        ->required();
}

bool is_kernel_command(const std::string& command) {
    return command == "diffusivity" || command == "spectrum" || command == "export-kernel";
}

std::string run_kernel_command(const std::string& command, const KernelArguments& arguments,
                               const std::vector<std::string>& set) {
    TransportModel model = read_transport_model(arguments.file, set);
    if (command == "export-kernel") return export_kernel(model, arguments.out);
    if (command == "diffusivity") return diffusivity(std::move(model), arguments.json);
    const Vec3 kappa(arguments.kappa[0], arguments.kappa[1], arguments.kappa[2]);
    if (!kappa.allFinite()) throw InputError("--k: expected three numbers, got others");
    return spectrum(model, kappa, arguments.json);
}

} // namespace mesolith
