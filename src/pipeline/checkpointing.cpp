#include "checkpointing.hpp"

#include <filesystem>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "mesolith/core/error.hpp"
#include "mesolith/core/interrupt.hpp"

#include "clock.hpp"

namespace mesolith {
std::string RunControl::reason_to_stop() const {
    if (interrupted()) return interrupted_by();
    if (max_hours > 0 && seconds_since(start) > 3600 * max_hours) return "--max-hours";
    return "";
}

Checkpointing::Checkpointing(std::string path, std::string fingerprint, double minutes,
                             const RunControl& control)
    : path_(std::move(path)), fingerprint_(std::move(fingerprint)), minutes_(minutes), control_(control) {}

std::optional<Checkpoint> Checkpointing::load() const {
    if (!checkpoint_exists(path_)) return std::nullopt;
    if (!control_.restart) {
        spdlog::info(
            "{}: a run that was stopped left it; --restart would go on from it, this run starts anew", path_);
        return std::nullopt;
    }
    NewestCheckpoint newest = open_newest_checkpoint(path_);
    if (!newest.warning.empty()) spdlog::warn("{}", newest.warning);
    if (newest.checkpoint.attribute("fingerprint") != fingerprint_) {
        spdlog::warn("{}: of another input or program, the run starts anew", newest.checkpoint.file_name());
        return std::nullopt;
    }
    return std::move(newest.checkpoint);
}

bool Checkpointing::is_due() const { return minutes_ > 0 && seconds_since(last_) > 60 * minutes_; }

void Checkpointing::stop(const std::string& reason) const {
    throw Stopped(
        fmt::format("stopped ({}). The state is saved in {}; the same command with --restart goes on from it",
                    reason, path_));
}

void Checkpointing::remove() const {
    std::error_code ignored;
    for (const char* suffix : {"", ".new", ".previous"}) std::filesystem::remove(path_ + suffix, ignored);
}

} // namespace mesolith
