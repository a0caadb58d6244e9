#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <string>

#include "mesolith/core/progress.hpp"

#include "support/catch.hpp"

using namespace mesolith;

namespace {

/// A file in memory of the system, and a clock that stands still until told.
struct Log {
    std::FILE* file = std::tmpfile();
    double now = 100;

    ~Log() { std::fclose(file); }

    ProgressOptions options() {
        ProgressOptions result;
        result.sink = file;
        result.clock = [this] { return now; };
        return result;
    }

    std::string text() {
        std::rewind(file);
        std::string result;
        for (int c = std::fgetc(file); c != EOF; c = std::fgetc(file)) result += static_cast<char>(c);
        return result;
    }
};

} // namespace

TEST_CASE("a job shorter than ten seconds writes nothing into a log", "[core][progress]") {
    Log log;
    Progress progress("reading", log.options());
    for (int i = 0; i < 99; ++i) {
        log.now += 0.1;
        progress.update(i / 99.0);
    }
    progress.finish();
    CHECK(log.text().empty());
}

TEST_CASE("a long job writes one plain line every ten seconds and one at its end", "[core][progress]") {
    Log log;
    Progress progress("reading", log.options());
    for (int second = 1; second <= 25; ++second) {
        log.now += 1;
        progress.update(second / 25.0);
    }
    progress.finish();
    progress.finish();
    progress.update(0.5);
    CHECK(log.text() == "reading: 40 %, 0:10 elapsed, 0:15 left\n"
                        "reading: 80 %, 0:20 elapsed, 0:05 left\n"
                        "reading: done in 0:25\n");
}

TEST_CASE("an unknown share shows the elapsed time only", "[core][progress]") {
    Log log;
    Progress progress("reading", log.options());
    log.now += 10;
    progress.update(-1);
    log.now += 10;
    progress.update(std::numeric_limits<double>::quiet_NaN());
    CHECK(log.text() == "reading: 0:10 elapsed\nreading: 0:20 elapsed\n");
}

TEST_CASE("a terminal gets at most ten bars per second, each over the last", "[core][progress]") {
    Log log;
    {
        ProgressOptions options = log.options();
        options.terminal = true;
        Progress progress("walk", options);
        for (int i = 1; i <= 1000; ++i) {
            log.now += 1.0 / 1024; // exact in binary
            progress.update(i / 1000.0);
        }
    }
    const std::string text = log.text();
    CHECK(std::count(text.begin(), text.end(), '\r') == 9); // every 103rd update: 0.1 s have passed
    CHECK(std::count(text.begin(), text.end(), '\n') == 1);
    CHECK(text.find("\rwalk [##......................]  10 %  0:00 elapsed, 0:01 left") == 0);
    CHECK(text.back() == '\n');
}

TEST_CASE("durations are written as minutes and seconds, with hours when there are any", "[core][progress]") {
    CHECK(format_duration(0) == "0:00");
    CHECK(format_duration(59.6) == "1:00");
    CHECK(format_duration(754) == "12:34");
    CHECK(format_duration(10925) == "3:02:05");
    CHECK(format_duration(-3) == "0:00");
}
