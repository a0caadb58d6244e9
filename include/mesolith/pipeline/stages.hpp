#pragma once
#include <string>

#include "mesolith/config/config.hpp"
#include "mesolith/pipeline/run_control.hpp"

/// The stages of a run. Each reads the file of the one before, writes its own whole or not at all, and does
/// nothing when its file already holds what it would write (equal fingerprints).
namespace mesolith {

/// Names of the files in the folder of a run.
struct RunFiles {
    explicit RunFiles(const std::string& folder);
    std::string folder, md, sites, msm, meso, summary, report;
};

enum class StageOutcome { done, up_to_date };

/// Molecular dynamics of all replicas of [md]: md/replica_N.h5md (continuous positions) and md.h5 (energies
/// and temperatures, how each replica ended). Replicas run side by side on the threads; one that fails is
/// left out, the others finish. Bits depend neither on the number of threads nor on stops in between.
/// @throws InputError when the model does not know an element; DataError when every replica failed; Stopped
/// with a checkpoint for each replica
StageOutcome run_md(const Config& config, const RunControl& control = {});

/// Trajectories to site events: sites.h5.
/// @throws InputError  the crystal does not fit the cell, a species is missing, no frame interval, ...
/// @throws FileError   a damaged trajectory
StageOutcome run_sites(const Config& config);

/// Events to a validated Markov model: msm.h5.
/// @throws InputError when there is no sites.h5
StageOutcome run_msm(const Config& config);

/// Kernels on a large domain: meso.h5, fields/, walkers.h5md.
/// @throws InputError when there is no msm.h5, or it is more than the machine holds; Stopped with a
/// checkpoint
StageOutcome run_meso(const Config& config, const RunControl& control = {});

/// summary.json, from the files of the folder.
void write_summary(const Config& config);

enum class ReportOutcome {
    done,
    no_python, ///< no Python with the packages it needs; a warning said what to install
    failed,    ///< its own message was printed
};

/// report.html, by the Python package mesolith_report.
ReportOutcome run_report(const std::string& folder);

} // namespace mesolith
