#pragma once
#include "mesolith/pipeline/stages.hpp"

namespace mesolith {

/// Molecular dynamics of all replicas of [md]: md/replica_N.h5md (unwrapped positions) and md.h5 (time series
/// of energies and temperatures, how each replica ended). Replicas run side by side on the threads; one that
/// fails is left out, the others finish. Bits do not depend on the number of threads, nor on how often the
/// run was stopped and continued.
/// @throws InputError when the model does not know an element; DataError when every replica failed; Stopped
/// with a checkpoint for each replica
StageOutcome run_md(const Config& config, const RunControl& control = {});

} // namespace mesolith
