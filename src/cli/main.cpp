#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "mesolith/core/interrupt.hpp"
#include "mesolith/core/parallel.hpp"
#include "mesolith/core/version.hpp"
#include "mesolith/io/file.hpp"
#include "mesolith/pipeline/arrhenius.hpp"
#include "mesolith/pipeline/arrhenius_table.hpp"
#include "mesolith/pipeline/check.hpp"
#include "mesolith/pipeline/force_models.hpp"
#include "mesolith/pipeline/hop_rates.hpp"
#include "mesolith/pipeline/stages.hpp"
#include "mesolith/pipeline/summary.hpp"
#include "mesolith/pipeline/sweep.hpp"

#include "kernel_commands.hpp"
#include "record_commands.hpp"

namespace {

using namespace mesolith;

struct Arguments {
    std::string input; ///< of the chosen command
    std::vector<std::string> set;
    int threads = -1;
    bool strict = false, quiet = false, print_config = false;
    RunControl control;
    InfoOptions info;
    KernelArguments kernel;
    RecordArguments record;
    std::vector<std::string> folders; ///< of arrhenius and hop-rates
    std::vector<double> temperatures; ///< [K]
    std::vector<double> at;           ///< [K]
    std::string point;                ///< of a sweep
    std::string out;
    bool json = false;
    HopRatesOptions hop_rates;
    std::string frames; ///< of forces
    ForceModelOptions forces;
};

/// Messages as plain lines on standard error; warnings say that they are.
class PlainLines : public spdlog::formatter {
public:
    void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& out) override {
        const auto add = [&](spdlog::string_view_t text) {
            out.append(text.data(), text.data() + text.size());
        };
        if (message.level >= spdlog::level::warn) add("warning: ");
        add(message.payload);
        add("\n");
    }
    std::unique_ptr<spdlog::formatter> clone() const override { return std::make_unique<PlainLines>(); }
};

void set_up_log(bool quiet) {
    auto log =
        std::make_shared<spdlog::logger>("mesolith", std::make_shared<spdlog::sinks::stderr_sink_st>());
    log->set_formatter(std::make_unique<PlainLines>());
    spdlog::set_default_logger(log);
    spdlog::set_level(quiet ? spdlog::level::warn : spdlog::level::info);
}

void print(const std::string& text) {
    if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0)
        throw FileError(
            fmt::format("standard output: cannot be written ({}). Results are in the output folder",
                        describe_errno(errno)));
}

Config configure(const Arguments& arguments, bool files_must_exist) {
    Config config = read_config(arguments.input, {arguments.set, files_must_exist, arguments.point});
    if (arguments.threads >= 0) config.run.threads = arguments.threads;
    set_threads(static_cast<int>(config.run.threads));
    return config;
}

/// The table of results, and what --strict makes of the checks.
ExitCode finish(const Config& config, const Arguments& arguments) {
    const RunSummary summary = read_summary(config.run.name, config.run.output);
    print(to_text(summary));
    const bool failed = summary.verdict() == Verdict::fail;
    return arguments.strict && failed ? ExitCode::check_failed : ExitCode::ok;
}

/// Whether report.html is younger than all it shows.
bool report_is_up_to_date(const RunFiles& files) {
    namespace fs = std::filesystem;
    if (!fs::exists(files.report)) return false;
    for (const std::string& file : {files.sites, files.msm, files.meso})
        if (fs::exists(file) && fs::last_write_time(file) >= fs::last_write_time(files.report)) return false;
    spdlog::info("report: nothing has changed, {} is kept", files.report);
    return true;
}

ExitCode run_points(const Config& config, const Arguments& arguments) {
    SweepOptions options;
    for (const std::string& setting : arguments.set)
        options.arguments.insert(options.arguments.end(), {"--set", setting});
    options.control = arguments.control;
    options.quiet = arguments.quiet;
    const SweepEnd end = run_sweep(config, options);
    if (!end.stopped.empty())
        throw Stopped(
            fmt::format("stopped ({}). {} of {} points are done; the same command with --restart goes on",
                        end.stopped, end.results.count("done"), end.results.size()));
    if (config.report.enabled) run_report(config.run.output);
    print(to_text(end.results, config.run.output));
    if (const std::size_t failed = end.results.count("failed"); failed > 0)
        throw DataError(
            fmt::format("{} of {} points failed (their log.txt says why). Run the same command again when "
                        "the reason is gone: the others are kept",
                        failed, end.results.size()));
    const auto& verdicts = end.results.verdict;
    const bool failed = std::find(verdicts.begin(), verdicts.end(), "fail") != verdicts.end();
    return arguments.strict && failed ? ExitCode::check_failed : ExitCode::ok;
}

ExitCode run_all(const Arguments& arguments) {
    const Config config = configure(arguments, true);
    if (config.sweep) return run_points(config, arguments);
    if (config.md) run_md(config, arguments.control);
    if (config.needs_model()) {
        run_sites(config);
        run_msm(config);
    }
    if (config.meso) run_meso(config, arguments.control);
    write_summary(config);
    if (config.report.enabled && !report_is_up_to_date(RunFiles(config.run.output)) &&
        run_report(config.run.output) == ReportOutcome::done)
        write_summary(config); // with the report among its files
    return finish(config, arguments);
}

ExitCode run_stage(const std::string& stage, const Arguments& arguments) {
    const Config config = configure(arguments, stage == "md" || stage == "sites");
    if (config.sweep)
        throw InputError(
            fmt::format("{}: has a [sweep], single stages are for one point of it. Name it with --point, or "
                        "use `mesolith run`",
                        arguments.input));
    if (stage == "md") {
        if (!config.md) throw InputError(arguments.input + ": has no [md] section. Add one (docs/config.md)");
        run_md(config, arguments.control);
        return ExitCode::ok;
    }
    if (stage == "sites") run_sites(config);
    if (stage == "msm") run_msm(config);
    if (stage == "meso") run_meso(config, arguments.control);
    write_summary(config);
    return finish(config, arguments);
}

/// Takes an input file or the folder of a finished run.
ExitCode report(const Arguments& arguments) {
    std::string folder = arguments.input;
    if (!std::filesystem::is_directory(folder)) {
        const Config config = configure(arguments, false);
        folder = config.run.output;
        if (!std::filesystem::is_directory(folder))
            throw InputError(folder + ": no such folder (nothing was run yet). Run `mesolith run " +
                             arguments.input + "` first");
        if (!config.sweep) write_summary(config);
    }
    if (run_report(folder) != ReportOutcome::done) return ExitCode::failed;
    print(RunFiles(folder).report + "\n");
    return ExitCode::ok;
}

/// Several runs that differ in temperature.
ExitCode arrhenius(const Arguments& arguments) {
    if (arguments.threads >= 0) set_threads(arguments.threads);
    for (const double kelvin : arguments.at)
        if (!(kelvin > 0) || !std::isfinite(kelvin))
            throw InputError(fmt::format("--at: expected kelvin > 0, got {}", kelvin));
    if (arguments.folders.size() == 1 && is_arrhenius_table(arguments.folders.front())) {
        const ArrheniusTable table = fit_table(arguments.folders.front());
        if (!arguments.out.empty()) {
            write_arrhenius_file(arguments.out, table);
            spdlog::info("arrhenius: wrote {}", arguments.out);
        }
        print(arguments.json ? to_json(table, arguments.at) : to_text(table, arguments.at));
        return ExitCode::ok;
    }
    const ArrheniusResult result = fit_runs(arguments.folders, arguments.temperatures);
    if (!arguments.out.empty()) {
        write_arrhenius_file(arguments.out, result);
        spdlog::info("arrhenius: wrote {}", arguments.out);
    }
    print(arguments.json ? to_json(result) : to_text(result));
    if (!arguments.at.empty() && !arguments.json)
        print("\nValues of the lines, one standard error\n" + values_at(as_table(result).fits, arguments.at));
    return ExitCode::ok;
}

/// One run, or several that differ in temperature.
ExitCode hop_rates(const Arguments& arguments) {
    if (arguments.threads >= 0) set_threads(arguments.threads);
    HopRatesOptions options = arguments.hop_rates;
    options.temperatures = arguments.temperatures;
    const HopRatesResult result = find_hop_rates(arguments.folders, options);
    print(arguments.json ? to_json(result) : to_text(result));
    if (arguments.out.empty()) return ExitCode::ok;
    const std::string name = std::filesystem::path(arguments.out).stem().string();
    write_text_file(arguments.out, to_hop_list(result, name));
    spdlog::info("hop-rates: wrote {}", arguments.out);
    return ExitCode::ok;
}

ExitCode new_input(const std::string& path) {
    if (path.empty()) {
        print(config_template());
        return ExitCode::ok;
    }
    if (std::filesystem::exists(path))
        throw InputError(path + ": is already there. Choose another name, or remove it first");
    write_text_file(path, config_template());
    print(fmt::format("wrote {}. Edit it, then: mesolith check {}\n", path, path));
    return ExitCode::ok;
}

ExitCode execute(const std::string& command, const Arguments& arguments) {
    if (is_kernel_command(command)) {
        print(run_kernel_command(command, arguments.kernel, arguments.set));
        return ExitCode::ok;
    }
    if (is_record_command(command)) {
        print(run_record_command(command, arguments.record));
        return ExitCode::ok;
    }
    if (command == "arrhenius") return arrhenius(arguments);
    if (command == "hop-rates") return hop_rates(arguments);
    if (command == "forces") {
        ForceModelOptions options = arguments.forces;
        options.threads = threads();
        print(write_forces(arguments.input, arguments.frames, arguments.out, options));
        return ExitCode::ok;
    }
    if (arguments.print_config && command != "info" && command != "new") {
        print(to_toml(configure(arguments, false)));
        return ExitCode::ok;
    }
    if (command == "run") return run_all(arguments);
    if (command == "report") return report(arguments);
    if (command == "info") {
        print(describe_file(arguments.input, arguments.info));
        return ExitCode::ok;
    }
    if (command == "new") return new_input(arguments.input);
    if (command == "check") {
        const Config config = configure(arguments, true);
        print(config.sweep ? check_sweep(config, arguments.set) : check_run(config));
        return ExitCode::ok;
    }
    return run_stage(command, arguments);
}

int complain(const std::string& message, ExitCode code) {
    std::fprintf(stderr, "mesolith: %s\n", message.c_str());
    return static_cast<int>(code);
}

/// Every failure ends here: one line on standard error and the right exit code.
int run_guarded(const std::string& command, const Arguments& arguments) {
    try {
        return static_cast<int>(execute(command, arguments));
    } catch (const ConfigError& error) {
        for (const std::string& problem : error.problems()) std::fprintf(stderr, "%s\n", problem.c_str());
        const std::size_t n = error.problems().size();
        return complain(fmt::format("{} problem{} in the input, nothing was run", n, n == 1 ? "" : "s"),
                        error.exit_code());
    } catch (const Error& error) {
        return complain(error.what(), error.exit_code());
    } catch (const std::bad_alloc&) {
        return complain(
            "out of memory (what was asked for does not fit). `mesolith check` tells what a run needs",
            ExitCode::failed);
    } catch (const std::filesystem::filesystem_error& error) {
        return complain(fmt::format("{}: {}. Check the path and its permissions", error.path1().string(),
                                    error.code().message()),
                        ExitCode::failed);
    } catch (const std::exception& error) {
        return complain(
            fmt::format("unexpected failure ({}). Please report it with the input file", error.what()),
            ExitCode::failed);
    }
}

} // namespace

int main(int argc, char** argv) {
    CLI::App app{"mesolith: from atomistic ion dynamics to mesoscale transport", "mesolith"};
    app.set_version_flag("--version", fmt::format("mesolith {} ({})", version(), commit()));
    app.require_subcommand(0, 1);
    app.fallthrough();
    Arguments arguments;
    bool reference = false;
    app.add_flag("--config-reference", reference, "Print the reference page of all keys of the input file");
    app.add_option("--set", arguments.set,
                   "Set a key, in TOML syntax: --set msm.lag_times_ps=[1,2,5]; may be repeated")
        ->type_name("KEY=VALUE")
        ->allow_extra_args(false);
    app.add_option("--threads", arguments.threads, "Threads; 0 = all cores. Results do not depend on it")
        ->check(CLI::Range(0, 1024));
    app.add_flag("--strict", arguments.strict, "Exit with status 3 when a check of the model failed");
    app.add_flag("--quiet", arguments.quiet, "Only warnings and results");
    app.add_flag("--restart", arguments.control.restart,
                 "Go on from the last checkpoint of a run that was stopped");
    app.add_option("--max-hours", arguments.control.max_hours,
                   "Stop with a checkpoint and status 75 after so much wall time")
        ->check(CLI::PositiveNumber);
    app.add_option("--point", arguments.point, "One point of a sweep alone, by name or number from 0");
    app.add_flag("--print-config", arguments.print_config, "Print every option with its value and stop");

    const std::vector<std::pair<std::string, std::string>> stages{
        {"run", "Every stage of an input file; those with nothing new to do are skipped"},
        {"md", "Molecular dynamics with a MACE model: md/replica_N.h5md, md.h5"},
        {"sites", "Trajectories to site events: sites.h5"},
        {"msm", "Site events to a Markov model with error bars and checks: msm.h5"},
        {"meso", "Walkers and field on a large lattice: meso.h5"},
        {"report", "report.html, from an input file or the folder of a run"},
        {"check", "Test an input file, estimate time and memory, run nothing"},
    };
    for (const auto& [command, text] : stages)
        app.add_subcommand(command, text)
            ->add_option("input", arguments.input,
                         command == "report" ? "input file or folder of a run" : "input file (TOML)")
            ->required();
    CLI::App* info = app.add_subcommand("info", "What a trajectory or a result file holds");
    info->add_option("file", arguments.input, "file")->required();
    info->add_option("--format", arguments.info.format, "format of a trajectory");
    info->add_option("--cell-file", arguments.info.cell_file, "cell of a trajectory that holds none");
    CLI::App* several = app.add_subcommand(
        "arrhenius", "Activation energies from runs at several temperatures, a sweep, or a CSV table");
    several
        ->add_option("folders", arguments.folders,
                     "result folders of the runs; one folder of a sweep, sweep.h5 or CSV table")
        ->required();
    several
        ->add_option("--temperatures", arguments.temperatures,
                     "in the order of the folders, K (default: run.temperature_K of each run)")
        ->delimiter(',')
        ->allow_extra_args(false);
    several->add_option("--at", arguments.at, "also print the values of the lines at these temperatures, K")
        ->delimiter(',')
        ->allow_extra_args(false);
    several->add_option("--out", arguments.out,
                        "also write an HDF5 file, for python -m mesolith_report.arrhenius");
    several->add_flag("--json", arguments.json, "print JSON instead of a table");
    CLI::App* hops = app.add_subcommand(
        "hop-rates", "Rates of hops into empty sites, for exclusion kinetic Monte Carlo, from finished runs");
    hops->add_option("folders", arguments.folders, "result folders of one run, or of several temperatures")
        ->required();
    hops->add_option("--out", arguments.out, "hop list (TOML) to write");
    hops->add_option("--temperatures", arguments.temperatures,
                     "in the order of the folders, K (default: run.temperature_K of each run)")
        ->delimiter(',')
        ->allow_extra_args(false);
    hops->add_option("--min-residence-ps", arguments.hop_rates.min_residence,
                     "leave out hops that are undone after a shorter stay (default 0)")
        ->check(CLI::NonNegativeNumber);
    hops->add_option("--cutoff-angstrom", arguments.hop_rates.cutoff,
                     "longest hop (default: 1.5 times the largest distance to a nearest neighbour)")
        ->check(CLI::PositiveNumber);
    hops->add_flag("!--no-frame-correction", arguments.hop_rates.correct_frames,
                   "leave the rates as they are seen in frames, without the hops that frames hide");
    hops->add_option("--seed", arguments.hop_rates.seed, "of the resampled time blocks (default 1)");
    hops->add_flag("--json", arguments.json, "print JSON instead of tables");
    CLI::App* forces = app.add_subcommand("forces", "Energies, forces and stress of single frames");
    forces->add_option("model", arguments.input, "model: folded (.h5) or TorchScript (.pt)")->required();
    forces->add_option("frames", arguments.frames, "extended xyz, POSCAR or trajectory")->required();
    forces->add_option("--out", arguments.out, "extended xyz file to write")->required();
    forces->add_option("--precision", arguments.forces.precision, "float or double (default)")
        ->transform(CLI::CheckedTransformer(std::map<std::string, ForcePrecision>{
            {"float", ForcePrecision::single_precision}, {"double", ForcePrecision::double_precision}}));
    forces->add_option("--evaluator", arguments.forces.evaluator, "auto (default), native or libtorch")
        ->transform(CLI::CheckedTransformer(
            std::map<std::string, EvaluatorOption>{{"auto", EvaluatorOption::automatic},
                                                   {"native", EvaluatorOption::native},
                                                   {"libtorch", EvaluatorOption::libtorch}}));
    forces->add_option("--device", arguments.forces.device, "cpu (default) or cuda, for libtorch");
    app.add_subcommand("new", "A commented input file to start from")
        ->add_option("file", arguments.input, "file to write (default: standard output)");
    add_kernel_commands(app, arguments.kernel);
    add_record_commands(app, arguments.record);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : static_cast<int>(ExitCode::bad_input);
    }
    set_up_log(arguments.quiet);
    install_interrupt_handler();
    end_with_sweep();
    if (reference) {
        std::fputs(config_reference().c_str(), stdout);
        return 0;
    }
    if (app.get_subcommands().empty()) {
        std::fputs(app.help().c_str(), stderr);
        return static_cast<int>(ExitCode::bad_input);
    }
    return run_guarded(app.get_subcommands().front()->get_name(), arguments);
}
