#pragma once
#include <algorithm>
#include <atomic>
#include <cstddef>
#include <exception>
#include <mutex>

namespace mesolith {

/// Threads used by all loops below. 0 = as many as the machine (or OMP_NUM_THREADS) gives.
/// Set outside of parallel loops only.
void set_threads(int n);
int threads();

/// The number of threads inside a scope, given back at its end, also by an exception.
class ThreadsForScope {
public:
    explicit ThreadsForScope(int n);
    ~ThreadsForScope();
    ThreadsForScope(const ThreadsForScope&) = delete;
    ThreadsForScope& operator=(const ThreadsForScope&) = delete;

private:
    int old_;
};

/// Run f with n threads, then go back to the old number.
template <class F>
void with_threads(int n, F&& f) {
    const ThreadsForScope scope(n);
    f();
}

/// Call f(begin, end) on blocks of [0, n). Blocks depend on n and block_size only, never on the number of
/// threads: whoever combines block results in block order gets the same bits with any number of threads. The
/// first exception of any block is rethrown after the loop.
template <class F>
void for_blocks(std::size_t n, std::size_t block_size, F&& f) {
    if (n == 0) return;
    block_size = std::max<std::size_t>(block_size, 1);
    const auto n_blocks = static_cast<std::ptrdiff_t>((n + block_size - 1) / block_size);
    if (n_blocks == 1) { // no region of one thread: libgomp makes new threads for every loop inside another
        f(std::size_t{0}, n);
        return;
    }
    std::exception_ptr error;
    std::mutex error_mutex;
    std::atomic<bool> failed{false};
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads())
    for (std::ptrdiff_t b = 0; b < n_blocks; ++b) {
        if (failed.load(std::memory_order_relaxed)) continue;
        const std::size_t begin = static_cast<std::size_t>(b) * block_size;
        try {
            f(begin, std::min(n, begin + block_size));
        } catch (...) {
            const std::lock_guard lock(error_mutex);
            if (!error) error = std::current_exception();
            failed = true;
        }
    }
    if (error) std::rethrow_exception(error);
}

/// Call f(i) for i in [0, n), in any order.
template <class F>
void for_each_index(std::size_t n, F&& f) {
    for_blocks(n, 1, [&](std::size_t begin, std::size_t) { f(begin); });
}

} // namespace mesolith
