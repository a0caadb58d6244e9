#pragma once
#include <chrono>
#include <string>

namespace mesolith {

/// How a long run may be cut: by a signal, a time limit, or a kill. It goes on from its last checkpoint.
struct RunControl {
    bool restart = false; ///< continue from a checkpoint where there is one
    double max_hours = 0; ///< stop with a checkpoint after so much wall time; 0: never
    std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now();

    /// Why to stop now: "Ctrl-C", "SIGTERM", "--max-hours"; "" to go on.
    std::string reason_to_stop() const;
};

} // namespace mesolith
