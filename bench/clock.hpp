#pragma once
#include <algorithm>
#include <chrono>
#include <ctime>

/// Wall time [s] from some start.
inline double seconds() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// Time of this core on this thread: what else runs on the machine hardly counts.
inline double thread_seconds() {
    timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

/// Thread time of f, best of several runs: the machine may be busy, never too fast.
template <class F>
double best_of(int repeats, F&& f) {
    double best = 1e300;
    for (int r = 0; r < repeats; ++r) {
        const double start = thread_seconds();
        f();
        best = std::min(best, thread_seconds() - start);
    }
    return best;
}
