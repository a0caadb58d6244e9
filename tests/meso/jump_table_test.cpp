#include <cmath>
#include <limits>
#include <map>

#include "mesolith/core/error.hpp"
#include "mesolith/core/random.hpp"
#include "mesolith/meso/jump_table.hpp"

#include "support/catch.hpp"
#include "support/kernels.hpp"

using namespace mesolith;

namespace {

__extension__ using Wide = unsigned __int128;

/// How many of the 2^64 values of u lead to each `kept` or `alias` value: exact.
std::map<std::uint64_t, Wide> words_per_target(std::span<const AliasSlot> slots) {
    const Wide n = slots.size(), one = 1;
    const auto first_at = [&](Wide position) {
        return (position + n - 1) / n;
    }; // first u with u n >= position
    std::map<std::uint64_t, Wide> words;
    for (std::size_t s = 0; s < slots.size(); ++s) {
        const Wide begin = Wide{s} << 64;
        const Wide from = first_at(begin), middle = first_at(begin + slots[s].threshold),
                   to = first_at(begin + (one << 64));
        words[slots[s].kept] += middle - from;
        words[slots[s].alias] += to - middle;
    }
    return words;
}

long double probability(Wide words) { return std::ldexp(static_cast<long double>(words), -64); }

} // namespace

TEST_CASE("slot and rest are the two halves of the 128-bit product", "[meso][jump_table]") {
    Stream random(1, RngUse::test, 0, 0);
    for (int i = 0; i < 1000; ++i) {
        const std::uint64_t u = i == 0 ? ~std::uint64_t{0} : random.bits64(),
                            n = 1 + (random.bits32() >> (i % 32));
        const auto [slot, rest] = slot_and_rest(u, n);
        const Wide product = Wide{u} * n;
        CHECK(slot == static_cast<std::uint64_t>(product >> 64));
        CHECK(rest == static_cast<std::uint64_t>(product));
        CHECK(slot < n);
    }
}

TEST_CASE("alias tables hold every weight to n 2^-64, from 1e-18 to 1", "[meso][jump_table]") {
    Stream random(2, RngUse::test, 0, 0);
    for (std::size_t n : {1, 2, 3, 7, 29, 64, 1000}) {
        std::vector<double> weights(n);
        for (double& w : weights) w = std::pow(10.0, -18 * uniform01(random));
        if (n > 2) weights[1] = 0;
        long double sum = 0;
        for (double w : weights) sum += w;
        const auto slots = alias_slots(weights);
        const auto words = words_per_target(slots);
        Wide total = 0;
        for (std::size_t i = 0; i < n; ++i) {
            const Wide count = words.count(i) ? words.at(i) : 0;
            INFO("weight " << i << " of " << n);
            CHECK(std::abs(static_cast<double>(probability(count) - weights[i] / sum)) <=
                  static_cast<double>(n + 1) * 0x1p-64);
            total += count;
        }
        CHECK((total == Wide{1} << 64));
        if (n > 2) CHECK((words.count(1) == 0 || words.at(1) == 0));
    }
}

TEST_CASE("a hop of probability 1e-12 keeps seven digits in a column of 29", "[meso][jump_table]") {
    std::vector<double> weights(29, 0.25 / 27);
    weights[0] = 0.75 - 1e-12;
    weights[28] = 1e-12;
    const auto words = words_per_target(alias_slots(weights));
    CHECK(static_cast<double>(probability(words.at(28))) == Approx(1e-12).epsilon(2e-7));
}

TEST_CASE("the table of a kernel implies its probabilities, destination by destination",
          "[meso][jump_table]") {
    for (const Kernel& kernel : {test::random_reversible(26, 3, 28), test::random_nonreversible(6, 4),
                                 test::fcc(4, 0), test::alternating_chain(1e-12, 1e-9)}) {
        const JumpTable table = make_jump_table(kernel);
        REQUIRE(table.n_sites() == kernel.n_sites());
        CHECK(table.slots.size() == kernel.entries.size());
        for (std::size_t j = 0; j < kernel.n_sites(); ++j) {
            const auto words = words_per_target(table.slots_of(j));
            long double sum = 0;
            for (const KernelEntry& e : kernel.from(j)) sum += e.p;
            for (const KernelEntry& e : kernel.from(j))
                CHECK(std::abs(static_cast<double>(probability(words.at(Destination{e.to, e.R}.packed())) -
                                                   e.p / sum)) <= 0x1p-58);
        }
    }
}

TEST_CASE("the edges of a slot choose the right destination", "[meso][jump_table]") {
    // two sites, stay 0.75: two slots of 2^63 words; the hop keeps half of one
    const Kernel kernel =
        test::alternating_chain(0.25, 1e-30); // the other hop is below 2^-64 and never drawn
    const JumpTable table = make_jump_table(kernel);
    const auto row = table.slots_of(0);
    for (std::size_t s = 0; s < row.size(); ++s) {
        // the smallest u of the slot, and the last one below its threshold
        const auto edge = [&](std::uint64_t rest) {
            return static_cast<std::uint64_t>(((Wide{s} << 64) + rest + row.size() - 1) / row.size());
        };
        if (row[s].threshold > row.size()) {
            CHECK(table.destination_of(0, edge(0)).packed() == row[s].kept);
            CHECK(table.destination_of(0, edge(row[s].threshold) - 1).packed() == row[s].kept);
        }
        if (row[s].threshold < ~std::uint64_t{0} - row.size())
            CHECK(table.destination_of(0, edge(row[s].threshold)).packed() == row[s].alias);
    }
    CHECK(table.destination_of(1, ~std::uint64_t{0}).site >= 0);
}

TEST_CASE("destinations survive packing over their whole range", "[meso][jump_table]") {
    for (std::int32_t site : {0, 1, 155, 2'147'483'647})
        for (int x : {-511, -1, 0, 511})
            for (int z : {-511, 0, 1, 511}) {
                const Destination to = Destination::unpacked(Destination{site, {x, -x, z}}.packed());
                CHECK(to.site == site);
                CHECK(to.R == IVec3(x, -x, z));
            }
}

TEST_CASE("weights that are no weights and hops too far are refused", "[meso][jump_table]") {
    CHECK_THROWS_AS(alias_slots(std::vector<double>{0.5, -0.1}), DataError);
    CHECK_THROWS_AS(alias_slots(std::vector<double>{0.5, std::numeric_limits<double>::quiet_NaN()}),
                    DataError);
    CHECK_THROWS_AS(alias_slots(std::vector<double>{0, 0}), DataError);
    CHECK_THROWS_AS(alias_slots(std::vector<double>{}), DataError);
    Kernel kernel = test::simple_cubic();
    kernel.entries[0].R = {512, 0, 0};
    CHECK_THROWS_AS(make_jump_table(kernel), DataError);
}
