#include <atomic>
#include <cstddef>
#include <thread>

#include "mesolith/core/parallel.hpp"

// Two blocks add to the same number without a lock. Each waits for the other, so that they run in two
// threads.
int main() {
    std::size_t total = 0;
    std::atomic<int> arrived{0};
    mesolith::with_threads(2, [&] {
        mesolith::for_blocks(2, 1, [&](std::size_t begin, std::size_t) {
            arrived.fetch_add(1, std::memory_order_relaxed); // relaxed: orders nothing
            while (arrived.load(std::memory_order_relaxed) < 2) std::this_thread::yield();
            total += begin + 1;
        });
    });
    return total > 0 ? 0 : 1;
}
