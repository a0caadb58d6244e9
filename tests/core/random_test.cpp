#include <cmath>
#include <set>
#include <vector>

#include <Random123/philox.h>

#include "mesolith/core/error.hpp"
#include "mesolith/core/parallel.hpp"
#include "mesolith/core/random.hpp"

#include "support/catch.hpp"

using namespace mesolith;

TEST_CASE("Philox4x32-10 gives the published known answers", "[core][random]") {
    using Words = std::array<std::uint64_t, 4>;
    constexpr std::uint64_t ones = 0xFFFFFFFF;
    CHECK(philox(Words{0, 0, 0, 0}, 0, 0) == Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
    CHECK(philox(Words{ones, ones, ones, ones}, ones, ones) ==
          Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
    // digits of pi
    CHECK(philox(Words{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, 0xa4093822, 0x299f31d0) ==
          Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("Philox4x32-10 is that of Random123 for any counter and key", "[core][random]") {
    Stream random(1, RngUse::test, 0, 0);
    for (int k = 0; k < 1000; ++k) {
        r123::Philox4x32::ctr_type counter;
        r123::Philox4x32::key_type key;
        for (auto& word : counter) word = random.bits32();
        for (auto& word : key) word = random.bits32();
        const auto theirs = r123::Philox4x32()(counter, key);
        const auto ours = philox({counter[0], counter[1], counter[2], counter[3]}, key[0], key[1]);
        for (std::size_t word = 0; word < 4; ++word) CHECK(ours[word] == theirs[word]);
    }
}

TEST_CASE("a stream is the key and counter that the header draws", "[core][random]") {
    Stream random(0x299f31d0a4093822, RngUse::walker_jump, 0xABCD'0123'4567, 0x12'3456'789A'BCDE);
    for (std::uint64_t block = 0; block < 3; ++block) {
        const auto expected =
            philox({0x789ABCDE, 0x03123456, 0x01234567, (block << 16) | 0xABCD}, 0xa4093822, 0x299f31d0);
        CHECK(random.bits64() == (expected[0] | expected[1] << 32));
        CHECK(random.bits32() == expected[2]);
        CHECK(random.bits32() == expected[3]);
    }
}

TEST_CASE("distinct uses, streams, steps and blocks never share a counter", "[core][random]") {
    // every field at its edges: a field that ran into its neighbour would make two of these equal
    std::set<std::array<std::uint64_t, 4>> seen;
    std::size_t n = 0;
    const auto edges = [](std::uint64_t max) {
        std::vector<std::uint64_t> values{0, max};
        for (std::uint64_t bit = 1; bit <= max; bit *= 2) values.push_back(bit == max ? max - 1 : bit);
        std::set<std::uint64_t> distinct(values.begin(), values.end());
        return std::vector<std::uint64_t>(distinct.begin(), distinct.end());
    };
    for (std::uint64_t use : {0, 1, 3, 5, 128, 255})
        for (std::uint64_t stream : edges(RandomCounter::max_stream))
            for (std::uint64_t step : edges(RandomCounter::max_step))
                for (std::uint64_t block : {std::uint64_t{0}, std::uint64_t{1}, RandomCounter::max_block}) {
                    const auto words = RandomCounter::words(static_cast<RngUse>(use), stream, step, block);
                    for (std::uint64_t word : words) REQUIRE(word <= 0xFFFFFFFF);
                    seen.insert(words);
                    ++n;
                }
    CHECK(seen.size() == n);
}

TEST_CASE("the order in which streams are drawn does not matter", "[core][random]") {
    constexpr std::size_t n = 3001;
    const auto draw = [](std::size_t i) {
        Stream random(7, RngUse::test, i % 100, i / 100);
        return uniform01(random) + uniform01(random) + uniform01(random);
    };
    std::vector<double> forward(n), backward(n), two_threads(n);
    for (std::size_t i = 0; i < n; ++i) forward[i] = draw(i);
    for (std::size_t i = n; i-- > 0;) backward[i] = draw(i);
    with_threads(2, [&] { for_each_index(n, [&](std::size_t i) { two_threads[i] = draw(i); }); });
    CHECK(forward == backward);
    CHECK(forward == two_threads);
}

TEST_CASE("uniform numbers are flat along streams, steps and blocks", "[core][random]") {
    // chi-square of 64 bins, 63 degrees of freedom: mean 63, standard deviation sqrt(126)
    constexpr int n = 64'000, bins = 64;
    for (int axis = 0; axis < 4; ++axis) {
        std::vector<int> count(bins);
        double mean = 0, product = 0, previous = 0.5;
        Stream blocks(11, RngUse::test, 0, 0);
        for (int i = 0; i < n; ++i) {
            const auto u = static_cast<std::uint64_t>(i);
            Stream random(axis == 2 ? u : 11, RngUse::test, axis == 0 ? u : 5, axis == 1 ? u : 9);
            const double x = uniform01(axis == 3 ? blocks : random);
            REQUIRE(x >= 0);
            REQUIRE(x < 1);
            ++count[static_cast<std::size_t>(x * bins)];
            mean += x / n;
            product += (x - 0.5) * (previous - 0.5) / n;
            previous = x;
        }
        double chi2 = 0;
        for (int c : count) chi2 += std::pow(c - n / bins, 2) / (n / bins);
        INFO("axis " << axis);
        CHECK(std::abs(chi2 - 63) < 4 * std::sqrt(126.0));
        CHECK(std::abs(mean - 0.5) < 4 * std::sqrt(1 / 12.0 / n));
        CHECK(std::abs(product) < 4 / 12.0 / std::sqrt(n));
    }
}

TEST_CASE("streams and steps beyond the counter and a used-up stream are refused", "[core][random]") {
    CHECK_NOTHROW(Stream(1, RngUse::test, RandomCounter::max_stream, RandomCounter::max_step));
    CHECK_THROWS_AS(Stream(1, RngUse::test, RandomCounter::max_stream + 1, 0), DataError);
    CHECK_THROWS_AS(Stream(1, RngUse::test, 0, RandomCounter::max_step + 1), DataError);
    Stream random(1, RngUse::test, 0, 0);
    for (int i = 0; i < 1 << 17; ++i) (void)random.bits64();
    CHECK_THROWS_AS(random.bits64(), DataError);
}
