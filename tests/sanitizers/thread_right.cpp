#include <cstddef>
#include <vector>

#include "mesolith/core/parallel.hpp"

// Each block writes its own place; the main thread reads them after the loop.
int main() {
    std::vector<std::size_t> sums(100, 0);
    mesolith::with_threads(4, [&] {
        for (int repeat = 0; repeat < 50; ++repeat)
            mesolith::for_blocks(10'000, 100, [&](std::size_t begin, std::size_t end) {
                for (std::size_t i = begin; i < end; ++i) sums[begin / 100] += i;
            });
    });
    std::size_t total = 0;
    for (const std::size_t sum : sums) total += sum;
    return total == 50u * (10'000u * 9'999u / 2) ? 0 : 1;
}
