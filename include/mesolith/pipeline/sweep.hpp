#pragma once
#include <string>
#include <vector>

#include "mesolith/config/config.hpp"
#include "mesolith/io/summary_file.hpp"
#include "mesolith/observables/arrhenius.hpp"
#include "mesolith/pipeline/run_control.hpp"

/// A sweep: an input whose [sweep] names lists of values. Each combination is a run of its own in
/// OUTPUT/sweep/NAME, made by a process of its own; what they find is collected in OUTPUT/sweep.h5 and
/// sweep.csv (docs/sweeps.md).
namespace mesolith {

/// One swept key at all points.
struct SweptColumn {
    std::string key;
    std::size_t axis = 0;          ///< keys of one axis vary together
    std::vector<std::string> text; ///< as TOML
    std::vector<double> number;    ///< NaN where the value is no number
};

/// One result at all points, NaN where a point does not have it.
struct ResultColumn {
    std::string key, unit, text;
    std::vector<double> value, error;
};

struct CheckColumn {
    std::string name;
    std::vector<std::string> verdict; ///< "" where a point does not have it
    std::vector<double> value;
};

/// A row for each point.
struct SweepResults {
    std::vector<std::string> name, folder; ///< folder beside sweep.h5: "sweep/NAME"
    std::vector<std::string> status;       ///< "done", "failed", "stopped" or "waiting"
    std::vector<std::string> message;      ///< why it failed
    std::vector<std::string> verdict;
    std::vector<double> seconds; ///< of the last time it ran
    std::vector<SweptColumn> swept;
    std::vector<ResultColumn> results;
    std::vector<CheckColumn> checks;

    std::size_t size() const { return name.size(); }
    std::size_t count(const std::string& wanted) const; ///< points of this status
};

/// What happened to one point.
struct PointOutcome {
    std::string status = "waiting", message;
    double seconds = 0;
    SummaryFile summary; ///< of points that are done
};

/// One row per point, one column per swept key, result and check, in the order in which they first appear.
[[nodiscard]] SweepResults collect(const SweepSection& sweep, const std::vector<PointOutcome>& outcomes);

/// Replace OUTPUT/sweep.h5 and OUTPUT/sweep.csv, each all or nothing; with Arrhenius fits when a temperature
/// is swept.
void write_sweep(const Config& config, const SweepResults& results);

/// Whether it is a sweep.h5 or the folder of one.
/// @throws FileError when it is a damaged HDF5 file
[[nodiscard]] bool is_sweep(const std::string& path);

/// @param path  sweep.h5 or its folder
/// @throws InputError when there is none, FileError when it is damaged
[[nodiscard]] SweepResults read_sweep(const std::string& path);

struct SweepOptions {
    std::string program;                ///< mesolith; "": this one
    std::vector<std::string> arguments; ///< of each point besides its own: --set
    RunControl control;
    bool quiet = false;
};

struct SweepEnd {
    SweepResults results;
    std::string stopped; ///< why it was cut short: "Ctrl-C"; "" when all points had their turn
};

/// Run all points: several at a time, each with its share of the threads. A point that fails is reported,
/// the others go on; points that are up to date take no time. A stop (Ctrl-C, SIGTERM) is passed on to the
/// points that run, once, and all of them are waited for. Points end when this process is killed.
/// @throws InputError  another process is at this sweep, or the input file changed meanwhile
[[nodiscard]] SweepEnd run_sweep(const Config& config, const SweepOptions& options);

/// To be called by a point's process: it stops, with a checkpoint, when the process of the sweep is gone.
void end_with_sweep();

/// `mesolith check`: points, memory and time; single points as check_run tells.
[[nodiscard]] std::string check_sweep(const Config& config, const std::vector<std::string>& set);

/// For people: a row per point with its main result, and the fits over temperature.
[[nodiscard]] std::string to_text(const SweepResults& results, const std::string& folder);

} // namespace mesolith
