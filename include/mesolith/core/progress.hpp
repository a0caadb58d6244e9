#pragma once
#include <cstdio>
#include <functional>
#include <optional>
#include <string>

namespace mesolith {

struct ProgressOptions {
    std::FILE* sink = stderr;
    std::optional<bool> terminal;  ///< a bar that is drawn over; unset: whether the sink is a terminal
    std::function<double()> clock; ///< [s]; unset: the steady clock of the machine
    double bar_interval = 0.1;     ///< shortest time between two bars on a terminal [s]
    double line_interval = 10;     ///< time between two lines elsewhere [s]
};

/// How far a long stage is, and when it will end. On a terminal one bar, drawn over; elsewhere (a log file) a
/// line every ten seconds, and nothing at all for a stage that is done before the first one is due. One
/// thread only. Cost of an update that prints nothing: reading the clock.
class Progress {
public:
    explicit Progress(std::string title, ProgressOptions options = {});
    ~Progress(); ///< leaves an unfinished bar standing and ends its line
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;

    /// @param fraction  0..1, clamped; negative (or NaN) when unknown: only the elapsed time is shown
    void update(double fraction);

    /// The stage is done. Later calls do nothing.
    void finish();

private:
    void draw_bar(double fraction, const std::string& times);

    std::string title_;
    ProgressOptions options_;
    bool terminal_ = false, printed_ = false, finished_ = false;
    double start_ = 0, last_print_ = 0;
    std::size_t last_width_ = 0;
};

/// "0:07", "12:34" or "3:02:05"; rounded to seconds.
[[nodiscard]] std::string format_duration(double seconds);

} // namespace mesolith
