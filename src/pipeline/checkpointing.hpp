#pragma once
// How long parts of the mesoscale stage save themselves and go on.
#include <chrono>
#include <optional>
#include <string>

#include "mesolith/io/checkpoint.hpp"
#include "mesolith/pipeline/run_control.hpp"

namespace mesolith {

/// One checkpoint file: when it is due, and what to do when the run has to stop.
class Checkpointing {
public:
    /// @param fingerprint  of the stage: a checkpoint of other input or another program is not used
    Checkpointing(std::string path, std::string fingerprint, double minutes, const RunControl& control);

    /// The newest good checkpoint of this very run, when --restart asks for it; says what it finds.
    std::optional<Checkpoint> load() const;

    /// Call where the state is whole: saves it by `write(CheckpointWriter&)` when that is due.
    /// @throws Stopped after saving, when a signal has come or the time is over
    template <class Write>
    void at_safe_point(Write&& write) {
        const std::string reason = control_.reason_to_stop();
        if (reason.empty() && !is_due()) return;
        save(write);
        if (!reason.empty()) stop(reason);
    }

    /// Saves it, due or not.
    template <class Write>
    void save(Write&& write) {
        CheckpointWriter writer(path_);
        writer.set_attribute("fingerprint", fingerprint_);
        write(writer);
        writer.commit();
        last_ = std::chrono::steady_clock::now();
    }

    /// The run is over: its checkpoints are removed.
    void remove() const;

private:
    bool is_due() const;
    [[noreturn]] void stop(const std::string& reason) const;

    std::string path_, fingerprint_;
    double minutes_;
    const RunControl& control_;
    std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

} // namespace mesolith
