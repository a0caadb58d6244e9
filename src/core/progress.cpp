#include "mesolith/core/progress.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>

#include <fmt/core.h>
#include <unistd.h>

namespace mesolith {

namespace {

double steady_seconds() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::string elapsed_and_left(double fraction, double elapsed) {
    if (!(fraction > 0)) return format_duration(elapsed) + " elapsed";
    return fmt::format("{} elapsed, {} left", format_duration(elapsed),
                       format_duration(elapsed * (1 - fraction) / fraction));
}

} // namespace

std::string format_duration(double seconds) {
    const auto total = std::llround(std::clamp(seconds, 0.0, 1e10));
    const auto hours = total / 3600, minutes = total / 60 % 60, rest = total % 60;
    if (hours > 0) return fmt::format("{}:{:02}:{:02}", hours, minutes, rest);
    return fmt::format("{}:{:02}", minutes, rest);
}

Progress::Progress(std::string title, ProgressOptions options)
    : title_(std::move(title)), options_(std::move(options)) {
    if (!options_.clock) options_.clock = steady_seconds;
    terminal_ = options_.terminal.value_or(isatty(fileno(options_.sink)) == 1);
    start_ = last_print_ = options_.clock();
}

Progress::~Progress() {
    if (terminal_ && printed_ && !finished_) std::fputc('\n', options_.sink);
}

void Progress::update(double fraction) {
    if (finished_) return;
    const double now = options_.clock();
    if (now - last_print_ < (terminal_ ? options_.bar_interval : options_.line_interval)) return;
    last_print_ = now;
    printed_ = true;
    fraction = fraction >= 0 ? std::min(fraction, 1.0) : -1.0;
    const std::string times = elapsed_and_left(fraction, now - start_);
    if (terminal_) {
        draw_bar(fraction, times);
    } else if (fraction >= 0) {
        fmt::print(options_.sink, "{}: {:.0f} %, {}\n", title_, std::floor(100 * fraction), times);
    } else {
        fmt::print(options_.sink, "{}: {}\n", title_, times);
    }
    std::fflush(options_.sink);
}

void Progress::finish() {
    if (finished_) return;
    finished_ = true;
    if (!printed_) return;
    const std::string time = format_duration(options_.clock() - start_);
    if (terminal_) {
        draw_bar(1.0, time);
        std::fputc('\n', options_.sink);
    } else {
        fmt::print(options_.sink, "{}: done in {}\n", title_, time);
    }
    std::fflush(options_.sink);
}

void Progress::draw_bar(double fraction, const std::string& times) {
    constexpr int bar_width = 24;
    std::string line = title_;
    if (fraction >= 0) {
        const int full = static_cast<int>(std::floor(fraction * bar_width));
        line += fmt::format(" [{:#<{}}{:.<{}}] {:3.0f} %", "", full, "", bar_width - full,
                            std::floor(100 * fraction));
    }
    line += "  " + times;
    // Blanks wipe what a longer line before this one left behind.
    fmt::print(options_.sink, "\r{:<{}}", line, last_width_);
    last_width_ = line.size();
}

} // namespace mesolith
