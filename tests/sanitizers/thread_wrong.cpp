#include <cstddef>

#include "mesolith/core/parallel.hpp"

// All blocks add to the same number without a lock.
int main() {
    std::size_t total = 0;
    mesolith::with_threads(4, [&] {
        for (int repeat = 0; repeat < 50; ++repeat)
            mesolith::for_blocks(10'000, 100, [&](std::size_t begin, std::size_t end) {
                for (std::size_t i = begin; i < end; ++i) total += i;
            });
    });
    return total > 0 ? 0 : 1;
}
