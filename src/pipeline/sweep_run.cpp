// Points of a sweep as processes side by side.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <list>
#include <thread>

#include <fcntl.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "mesolith/core/interrupt.hpp"
#include "mesolith/core/memory.hpp"
#include "mesolith/core/parallel.hpp"
#include "mesolith/core/program.hpp"
#include "mesolith/core/progress.hpp"
#include "mesolith/io/file.hpp"
#include "mesolith/pipeline/stages.hpp"
#include "mesolith/pipeline/sweep.hpp"

#include "child_process.hpp"
#include "clock.hpp"
#include "meso_cost.hpp"

namespace mesolith {
namespace {

namespace fs = std::filesystem;
const char* const parent_variable = "MESOLITH_SWEEP_PROCESS";
constexpr auto look_every = std::chrono::milliseconds(20);
constexpr double patience = 60; // for points of a sweep that was killed: they save themselves [s]

/// One process at a time works on a sweep. Points inherit the lock: it lasts until the last of them is gone.
class SweepLock {
public:
    explicit SweepLock(const std::string& folder) {
        const std::string path = folder + "/.lock";
        file_ = ::open(path.c_str(), O_RDWR | O_CREAT, 0644);
        if (file_ < 0) throw FileError(fmt::format("{}: cannot be opened ({})", path, describe_errno(errno)));
        const Clock::time_point start = Clock::now();
        for (bool said = false; flock(file_, LOCK_EX | LOCK_NB) != 0; said = true) {
            if (!said)
                spdlog::info("sweep: waiting for points that another process still runs in {}", folder);
            throw_if_interrupted();
            if (seconds_since(start) > patience) {
                ::close(file_);
                throw InputError(
                    fmt::format("{}: another mesolith runs this sweep. Wait for its end, or give "
                                "run.output another folder",
                                folder));
            }
            std::this_thread::sleep_for(5 * look_every);
        }
    }
    ~SweepLock() { ::close(file_); }
    SweepLock(const SweepLock&) = delete;
    SweepLock& operator=(const SweepLock&) = delete;

private:
    int file_ = -1;
};

std::string this_program() {
    const fs::path path = program_path();
    if (path.empty())
        throw FileError("/proc/self/exe: cannot be read, so the points of a sweep cannot be started");
    return path.string();
}

/// What a point said last: its complaint.
std::string complaint_in(const std::string& log, int status) {
    if (status > 128)
        return fmt::format("killed by signal {}{}", status - 128,
                           status == 128 + SIGKILL ? " (out of memory?)" : "");
    std::string said;
    for (std::size_t at = 0; at < log.size();) {
        const std::size_t end = std::min(log.find('\n', at), log.size());
        const std::string line = log.substr(at, end - at);
        if (line.rfind("mesolith: ", 0) == 0) said = line.substr(10);
        at = end + 1;
    }
    return said.empty() ? fmt::format("ended with status {}", status) : said;
}

/// Points that fit into memory together; as far as what they need is known beforehand.
std::size_t points_in_memory(const Config& config) {
    if (!config.meso) return 1024;
    const double each = estimate_cost(config).bytes + 100e6;
    return static_cast<std::size_t>(std::clamp(0.8 * machine_memory() / each, 1.0, 1024.0));
}

class SweepRunner {
public:
    SweepRunner(const Config& config, const SweepOptions& options)
        : config_(config), options_(options), points_(sweep_points(*config.sweep)), outcomes_(points_.size()),
          program_(options.program.empty() ? this_program() : options.program),
          input_(fs::exists(config.path) ? read_text_file(config.path) : "") {
        const auto limit = static_cast<std::size_t>(config.sweep->at_once);
        n_threads_ = static_cast<std::size_t>(threads());
        at_once_ =
            std::min({limit > 0 ? limit : std::min(n_threads_, points_in_memory(config)), points_.size()});
        for (std::size_t k = 0; k < points_.size(); ++k) queue_.push_back(k);
        // Those with results first: they are quickly looked through, and the table is full again.
        std::stable_partition(queue_.begin(), queue_.end(),
                              [&](std::size_t k) { return fs::exists(RunFiles(folder_of(k)).summary); });
    }

    std::string run() {
        std::optional<Progress> progress;
        if (!options_.quiet) progress.emplace(fmt::format("sweep of {} points", points_.size()));
        std::string stop;
        while (true) {
            if (stop.empty()) {
                stop = options_.control.reason_to_stop();
                if (!stop.empty()) pass_on();
            }
            while (stop.empty() && running_.size() < at_once_ && next_ < queue_.size())
                start(queue_[next_++]);
            if (running_.empty()) break;
            std::this_thread::sleep_for(look_every);
            for (auto r = running_.begin(); r != running_.end();)
                if (const std::optional<int> status = r->process.poll()) {
                    const Running ended = std::move(*r);
                    r = running_.erase(r);
                    end(ended, *status);
                } else {
                    ++r;
                }
            if (progress) progress->update(fraction());
        }
        if (progress) progress->finish();
        for (const PointOutcome& o : outcomes_)
            if (stop.empty() && o.status == "stopped") stop = "a point was stopped";
        return stop;
    }

    SweepResults results() const { return collect(*config_.sweep, outcomes_); }
    std::size_t at_once() const { return at_once_; }

private:
    struct Running {
        std::size_t point;
        std::size_t n_threads;
        Clock::time_point start;
        ChildProcess process;
    };

    std::string folder_of(std::size_t point) const {
        return point_folder(config_.run.output, points_[point].name);
    }

    /// What is free, shared by the points that can still be started.
    std::size_t threads_for_next() const {
        std::size_t used = 0;
        for (const Running& r : running_) used += r.n_threads;
        const std::size_t free = n_threads_ > used ? n_threads_ - used : 0,
                          places = std::min(at_once_ - running_.size(), queue_.size() - next_ + 1);
        return std::max<std::size_t>(1, (free + places - 1) / places);
    }

    void start(std::size_t point) {
        if (fs::exists(config_.path) && read_text_file(config_.path) != input_)
            throw InputError(
                fmt::format("{}: was changed while its sweep ran (its points would differ in more than "
                            "they say). Run it again: points that are done and still the same are kept",
                            config_.path));
        const std::string folder = folder_of(point);
        prepare_output_folder(folder);
        const std::size_t n = threads_for_next();
        std::vector<std::string> command{program_, "run", config_.path};
        command.insert(command.end(), options_.arguments.begin(), options_.arguments.end());
        command.insert(command.end(), {"--point", points_[point].name, "--threads", std::to_string(n)});
        const RunControl& control = options_.control;
        if (control.restart) command.emplace_back("--restart");
        if (control.max_hours > 0)
            command.insert(command.end(),
                           {"--max-hours",
                            fmt::format("{:.9f}", std::max(1e-9, control.max_hours -
                                                                     seconds_since(control.start) / 3600))});
        running_.push_back(
            {point, n, Clock::now(),
             ChildProcess(command, folder + "/log.txt", {fmt::format("{}={}", parent_variable, getpid())})});
    }

    void end(const Running& ended, int status) {
        PointOutcome& o = outcomes_[ended.point];
        const std::string folder = folder_of(ended.point), log = read_text_file(folder + "/log.txt");
        o.seconds = seconds_since(ended.start);
        if (status == static_cast<int>(ExitCode::ok)) {
            try {
                o.summary = read_summary_file(RunFiles(folder).summary);
                o.status = "done";
            } catch (const Error& error) {
                o.status = "failed";
                o.message = error.what();
            }
        } else {
            o.status = status == static_cast<int>(ExitCode::stopped) ? "stopped" : "failed";
            o.message = complaint_in(log, status);
        }
        const bool worked = log.find(": wrote ") != std::string::npos || o.status != "done";
        if (worked) {
            ++n_worked_;
            seconds_worked_ += o.seconds;
        } else {
            ++n_kept_;
        }
        if (o.status == "failed")
            spdlog::warn("{} failed: {} (its messages are in {}/log.txt)", points_[ended.point].name,
                         o.message, folder);
        write_sweep(config_, results());
    }

    /// Once: a second signal would end points without a checkpoint.
    void pass_on() {
        if (!interrupted()) return; // points know the time limit themselves
        for (const Running& r : running_) r.process.send(SIGINT);
    }

    /// Of the work that there is, from the time that points took so far.
    double fraction() const {
        const std::size_t work = points_.size() - n_kept_;
        if (n_worked_ == 0 || work == 0) return -1;
        const double each = seconds_worked_ / static_cast<double>(n_worked_);
        double done = static_cast<double>(n_worked_);
        for (const Running& r : running_)
            done += std::min(0.9, seconds_since(r.start) / std::max(each, 1e-3));
        return std::min(1.0, done / static_cast<double>(work));
    }

    const Config& config_;
    const SweepOptions& options_;
    std::vector<SweepPoint> points_;
    std::vector<PointOutcome> outcomes_;
    std::string program_, input_;
    std::vector<std::size_t> queue_;
    std::size_t next_ = 0, at_once_ = 1, n_threads_ = 1;
    std::list<Running> running_;
    std::size_t n_worked_ = 0, n_kept_ = 0;
    double seconds_worked_ = 0;
};

} // namespace

SweepEnd run_sweep(const Config& config, const SweepOptions& options) {
    if (!config.sweep) throw InputError(config.path + ": has no [sweep] section. Add one (docs/sweeps.md)");
    prepare_output_folder(config.run.output + "/sweep");
    const SweepLock lock(config.run.output + "/sweep");
    SweepRunner runner(config, options);
    spdlog::info("sweep: {} points, {} at a time on {} threads: {}/sweep", sweep_points(*config.sweep).size(),
                 runner.at_once(), threads(), config.run.output);
    SweepEnd end;
    end.stopped = runner.run();
    end.results = runner.results();
    const SweepResults& r = end.results;
    spdlog::info("sweep: {} of {} points done, {} failed, {} stopped, {} waiting", r.count("done"), r.size(),
                 r.count("failed"), r.count("stopped"), r.count("waiting"));
    return end;
}

void end_with_sweep() {
    const char* parent = std::getenv(parent_variable);
    if (parent == nullptr) return;
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (std::to_string(getppid()) != parent) std::raise(SIGTERM); // it was gone before
    unsetenv(parent_variable);
}

} // namespace mesolith
