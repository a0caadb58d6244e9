#include "record_commands.hpp"

#include <filesystem>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "mesolith/core/error.hpp"
#include "mesolith/io/diffusivity_record_file.hpp"

namespace mesolith {
namespace {

/// A word of the command line.
template <class F>
auto word(const char* option, F&& read) {
    try {
        return read();
    } catch (const DataError& error) {
        throw InputError(fmt::format("{}: {}", option, error.what()));
    }
}

std::string make_record(const RecordArguments& arguments) {
    RecordOptions options = arguments.record;
    if (!arguments.kind.empty())
        options.kind = word("--kind", [&] { return diffusivity_kind(arguments.kind); });
    if (!arguments.frame.empty())
        options.frame = word("--frame", [&] { return volume_frame(arguments.frame); });
    const DiffusivityRecord record = build_record(arguments.sources, options);
    write_diffusivity_record(arguments.out, record);
    for (const std::string& warning : record.warnings) spdlog::warn("{}", warning);
    spdlog::info("record: wrote {}", arguments.out);
    return to_text(record);
}

std::string export_files(const RecordArguments& arguments) {
    ExportOptions options = arguments.exported;
    options.file.target = word("--to", [&] { return continuum_target(arguments.target); });
    options.file.scalar = word("--scalar", [&] { return diffusivity_scalar(arguments.scalar); });
    if (const auto& pair = arguments.guest_stoichiometry; !pair.empty()) {
        if (pair.size() != 2 || pair[0] == pair[1])
            throw InputError("--guest-stoichiometry: expected two different numbers, LOW,HIGH");
        options.file.guest_stoichiometry = {pair[0], pair[1]};
    }
    const DiffusivityRecord record = read_diffusivity_record(arguments.file);
    ContinuumFiles files;
    try {
        files = export_record(record, arguments.out, options);
    } catch (const InputError& error) { // says of which record, unless it names a file or an option
        const std::string text = error.what();
        const auto is_of = [&](const std::string& file) { // a number is found anywhere
            return std::filesystem::exists(file) && text.find(file) != std::string::npos;
        };
        const bool named = text.starts_with("--") || text.starts_with(arguments.file) ||
                           is_of(options.theta) || is_of(options.volume_ratio);
        if (named) throw;
        throw InputError(fmt::format("{}: {}", arguments.file, text));
    }
    for (const std::string& warning : files.warnings) spdlog::warn("{}", warning);
    std::string out;
    for (const ContinuumFile& file : files.files) out += fmt::format("wrote {}\n", file.path);
    return out;
}

} // namespace

void add_record_commands(CLI::App& app, RecordArguments& a) {
    CLI::App* record =
        app.add_subcommand("record", "A diffusivity record D(x, T) from runs, sweeps, tables and records");
    record->add_option("sources", a.sources, "folders of runs and sweeps, CSV tables, other records")
        ->required();
    record->add_option("--out", a.out, "file to write, .h5 or .json")->required();
    const auto list = [](CLI::Option* option) { option->delimiter(',')->allow_extra_args(false); };
    list(record->add_option("--x", a.record.x,
                            "lithium per host atom of the runs: one number, or one per run"));
    list(record->add_option("--stoichiometry", a.record.stoichiometry, "x / x_max of the runs instead"));
    list(record->add_option("--temperatures", a.record.temperatures,
                            "of the runs, K (default: run.temperature_K of each)"));
    record->add_option("--x-full", a.record.x_full,
                       "of lattice gases: lithium per host atom when no site is vacant");
    record->add_option("--x-max", a.record.x_max, "lithium per host atom at stoichiometry 1");
    record->add_option("--c-max", a.record.c_max, "lithium concentration there, mol/m3");
    record->add_option(
        "--kind", a.kind,
        "tracer, jump or chemical: of D in tables, or wanted of lattice gases (default chemical)");
    record->add_option("--frame", a.frame, "volume that D counts in: current (default) or reference");
    record->add_option("--unit", a.record.unit, "of D in tables that do not tell: m2/s, cm2/s or A2/ps");
    list(record->add_option("--two-phase", a.record.two_phase, "ranges of x with two phases: LOW,HIGH,..."));
    record->add_option("--name", a.record.name, "name of the material");

    CLI::App* exported = app.add_subcommand("export", "A diffusivity record as the file of a continuum code");
    exported->add_option("record", a.file, "diffusivity record (.h5 or .json)")->required();
    exported->add_option("--to", a.target, "pybamm, bpx, battmo, battmo.jl, moose, comsol or csv")
        ->required();
    exported->add_option("--out", a.out, "file to write")->required();
    exported->add_option("--haven", a.exported.haven,
                         "Haven ratio D*/D_J: a number, with its error 0.7,0.05, or measured (by the runs)");
    exported->add_option("--theta", a.exported.theta,
                         "thermodynamic factor: a number, or a CSV of theta or of the voltage U over x");
    exported->add_option("--scalar", a.scalar,
                         "trace (default), harmonic, self_consistent, hs_lower, hs_upper or homogenised");
    list(exported->add_option("--temperatures", a.exported.temperatures,
                              "K, by Arrhenius fits (default: those of the record)"));
    exported->add_option("--volume-ratio", a.exported.volume_ratio,
                         "V(x)/V(0) per host atom, a number or a CSV: D in the reference frame");
    exported->add_option("--c-max", a.exported.c_max,
                         "concentration at x_max in the frame of the file, mol/m3");
    exported->add_option("--reference-temperature", a.exported.file.reference_temperature,
                         "of BPX and BattMo, K (default 298.15)");
    list(exported->add_option("--guest-stoichiometry", a.guest_stoichiometry,
                              "BattMo's stoichiometries at 0 and 100 % state of charge: LOW,HIGH"));
    exported->add_option("--electrode", a.exported.file.electrode,
                         "section of BPX (default Negative electrode)");
    exported->add_option("--particle", a.exported.file.particle, "of a blended electrode in BPX");
}

bool is_record_command(const std::string& command) { return command == "record" || command == "export"; }

std::string run_record_command(const std::string& command, const RecordArguments& arguments) {
    return command == "record" ? make_record(arguments) : export_files(arguments);
}

} // namespace mesolith
