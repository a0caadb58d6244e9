#include <cmath>
#include <cstddef>
#include <numeric>
#include <stdexcept>
#include <utility>
#include <vector>

#include "mesolith/core/error.hpp"
#include "mesolith/core/parallel.hpp"

#include "support/catch.hpp"

using namespace mesolith;

namespace {

using Block = std::pair<std::size_t, std::size_t>;

std::vector<Block> blocks_of(std::size_t n, std::size_t block_size, int n_threads) {
    std::vector<Block> blocks((n + block_size - 1) / block_size);
    with_threads(n_threads, [&] {
        for_blocks(n, block_size, [&](std::size_t begin, std::size_t end) {
            blocks[begin / block_size] = {begin, end};
        });
    });
    return blocks;
}

} // namespace

TEST_CASE("ten indices in blocks of four give the same three blocks with any number of threads",
          "[core][parallel]") {
    const std::vector<Block> expected = {{0, 4}, {4, 8}, {8, 10}};
    for (const int n : {1, 2, 3, 7}) CHECK(blocks_of(10, 4, n) == expected);
}

TEST_CASE("each index is visited exactly once", "[core][parallel]") {
    for (const std::size_t n : {0u, 1u, 2u, 63u, 64u, 65u, 1000u}) {
        std::vector<int> visits(n, 0);
        with_threads(4, [&] { for_each_index(n, [&](std::size_t i) { ++visits[i]; }); });
        CHECK(visits == std::vector<int>(n, 1));
    }
}

TEST_CASE("a sum combined in block order has the same bits with one and with two threads",
          "[core][parallel]") {
    const auto sum = [](int n_threads) {
        constexpr std::size_t n = 100'003, block = 1000;
        std::vector<double> parts((n + block - 1) / block);
        with_threads(n_threads, [&] {
            for_blocks(n, block, [&](std::size_t begin, std::size_t end) {
                double part = 0;
                for (std::size_t i = begin; i < end; ++i) part += std::sin(static_cast<double>(i));
                parts[begin / block] = part;
            });
        });
        return std::accumulate(parts.begin(), parts.end(), 0.0);
    };
    CHECK(sum(1) == sum(2));
}

TEST_CASE("a block size of zero is read as one", "[core][parallel]") {
    std::vector<int> visits(5, 0);
    for_blocks(5, 0,
               [&](std::size_t begin, std::size_t end) { visits[begin] += static_cast<int>(end - begin); });
    CHECK(visits == std::vector<int>(5, 1));
}

TEST_CASE("an exception in one block comes out of the loop as it was thrown", "[core][parallel]") {
    for (const int n : {1, 2, 4}) {
        ThreadsForScope scope(n);
        const auto loop = [] {
            for_each_index(100, [](std::size_t i) {
                if (i == 37) throw DataError("block 37");
            });
        };
        CHECK_THROWS_AS(loop(), DataError);
        CHECK_THROWS_WITH(loop(), "block 37");
    }
}

TEST_CASE("the number of threads is the old one again after a scope that ends by an exception",
          "[core][parallel]") {
    set_threads(3);
    CHECK_THROWS_AS(with_threads(2, [] { throw std::runtime_error("out"); }), std::runtime_error);
    CHECK(threads() == 3);
    set_threads(0);
    const int machine = threads();
    CHECK(machine >= 1);
    with_threads(machine + 1, [&] { CHECK(threads() == machine + 1); });
    CHECK(threads() == machine);
}
