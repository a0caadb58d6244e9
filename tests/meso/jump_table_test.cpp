#include <cmath>
#include <limits>
#include <map>
#include <random>

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

/// Two materials in random cells, walls along a_1 and a_3.
Domain two_material_domain() {
    const Kernel kernel = test::random_reversible(4, 3);
    Domain domain = crystal_domain(kernel, {5, 3, 4});
    domain.materials.push_back({"slow", scaled_kernel(kernel, 0.4), 0.3});
    domain.regions.push_back({"slow", 1});
    std::mt19937 random(5);
    for (int c = 0; c < 60; ++c) domain.region.push_back(static_cast<std::uint16_t>(random() % 2));
    domain.faces[0] = {Face{FaceKind::absorbing, 0}, Face{FaceKind::reflecting, 0}};
    domain.faces[2] = {Face{FaceKind::reflecting, 0}, Face{FaceKind::absorbing, 0}};
    return domain;
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
        REQUIRE(table.rows.size() == kernel.n_sites());
        CHECK(table.slots.size() == kernel.entries.size());
        for (std::size_t j = 0; j < kernel.n_sites(); ++j) {
            const auto words = words_per_target(table.slots_of(j));
            for (const KernelEntry& e : kernel.from(j)) // hop rules round p twice
                CHECK(static_cast<double>(probability(words.at(Destination{e.to, e.R}.packed()))) ==
                      Approx(e.p).epsilon(1e-15).margin(0x1p-58));
        }
    }
}

TEST_CASE("the table of a domain implies the columns of each cell", "[meso][jump_table]") {
    const Domain domain = two_material_domain();
    const HopRules rules = make_hop_rules(domain);
    const JumpTable table = make_jump_table(domain, rules);
    for (std::size_t cell = 0; cell < static_cast<std::size_t>(domain.n_cells()); ++cell) {
        REQUIRE(table.class_of(cell) == rules.class_of(cell));
        for (std::size_t j = 0; j < domain.n_basis(); ++j) {
            const auto words = words_per_target(table.slots_of(j, table.class_of(cell)));
            for (const Hop& hop : rules.columns[rules.line_of(cell, j)])
                REQUIRE(std::abs(static_cast<double>(
                            probability(words.at(Destination{hop.site, hop.R}.packed())) - hop.p)) < 1e-15);
        }
    }
}

TEST_CASE("classes of cells are packed in 8, 16 and 32 bits", "[meso][jump_table]") {
    for (const std::uint32_t n_classes : {2u, 256u, 257u, 65536u, 65537u}) {
        // rules whose classes nobody could tell apart but by number
        Domain domain = crystal_domain(test::fcc(), {400, 33, 7});
        domain.faces[0] = {Face{FaceKind::reflecting, 0}, Face{FaceKind::reflecting, 0}};
        HopRules rules = make_hop_rules(domain);
        rules.class_cell.assign(n_classes, 0);
        rules.class_line.assign(n_classes, 0);
        for (std::size_t c = 0; c < rules.cell_class.size(); ++c)
            rules.cell_class[c] = static_cast<std::uint32_t>((c * 7919) % n_classes);
        const JumpTable table = make_jump_table(domain, rules);
        const int bytes = n_classes <= 256 ? 1 : n_classes <= 65536 ? 2 : 4;
        CHECK(table.classes.size() == (rules.cell_class.size() * static_cast<std::size_t>(bytes) + 7) / 8);
        bool same = true;
        for (std::size_t c = 0; c < rules.cell_class.size(); ++c)
            same = same && table.class_of(c) == rules.cell_class[c];
        CHECK(same);
    }
}

TEST_CASE("rates are those of all hops but staying", "[meso][jump_table]") {
    const Domain domain = two_material_domain();
    const HopRules rules = make_hop_rules(domain);
    const RateTable table = make_rate_table(domain, rules);
    for (std::size_t cell = 0; cell < static_cast<std::size_t>(domain.n_cells()); ++cell)
        for (std::size_t j = 0; j < domain.n_basis(); ++j) {
            double stay = 0;
            const auto& hops = rules.columns[rules.line_of(cell, j)];
            for (const Hop& hop : hops)
                if (hop.R.isZero() && hop.site == static_cast<std::int32_t>(j)) stay += hop.p;
            const std::size_t cell_class = table.jumps.class_of(cell);
            REQUIRE(table.mean_wait[cell_class * domain.n_basis() + j] ==
                    Approx(domain.lag_time() / (1 - stay)).epsilon(1e-13));
            const auto slots = table.jumps.slots_of(j, cell_class);
            REQUIRE(slots.size() == hops.size() - 1);
            const auto words = words_per_target(slots);
            for (const Hop& hop : hops)
                if (!hop.R.isZero() || hop.site != static_cast<std::int32_t>(j))
                    REQUIRE(
                        static_cast<double>(probability(words.at(Destination{hop.site, hop.R}.packed()))) ==
                        Approx(hop.p / (1 - stay)).epsilon(1e-13));
        }
    // a site without hops waits for ever
    Domain wall = crystal_domain(test::alternating_chain(0.3, 1e-3), {1, 1, 1});
    wall.materials[0].kernel = scaled_kernel(wall.materials[0].kernel, 0);
    const RateTable still = make_rate_table(wall, make_hop_rules(wall));
    CHECK(std::isinf(still.mean_wait[0]));
    CHECK(still.jumps.slots.empty());
}

TEST_CASE("ions come in through each face where and as often as hops lead out through it",
          "[meso][jump_table]") {
    Domain domain = two_material_domain(); // with corners that two reservoirs reach
    domain.faces[0] = {Face{FaceKind::reservoir, 0.7}, Face{FaceKind::absorbing, 0}};
    domain.faces[2] = {Face{FaceKind::reservoir, 0.2}, Face{FaceKind::reservoir, 0.4}};
    const HopRules rules = make_hop_rules(domain);
    const JumpTable table = make_jump_table(domain, rules);
    std::array<double, 6> expected{};
    std::array<std::map<std::pair<std::size_t, std::int32_t>, double>, 6> at;
    double sum = 0;
    for (std::size_t cell = 0; cell < static_cast<std::size_t>(domain.n_cells()); ++cell)
        for (std::size_t j = 0; j < domain.n_basis(); ++j) {
            const std::uint32_t line = rules.line_of(cell, j);
            sum += rules.inflow[line];
            for (const Hop& hop : rules.columns[line]) {
                const HopEnd end = hop_end(domain, domain.cell_at(cell), hop.R);
                if (end.inside()) continue;
                const auto face = static_cast<std::size_t>(2 * end.axis + end.side);
                const double mean = domain.faces[face / 2][face % 2].concentration *
                                    domain.weight_of(cell, j) * hop.p; // detailed balance
                expected[face] += mean;
                if (mean > 0) at[face][{cell, static_cast<std::int32_t>(j)}] += mean;
            }
        }
    double all = 0;
    for (std::size_t f = 0; f < 6; ++f) {
        const Inflow& inflow = table.inflow[f];
        CHECK(inflow.mean == Approx(expected[f]).epsilon(1e-12));
        all += inflow.mean;
        if (inflow.slots.empty()) continue;
        const auto words = words_per_target(inflow.slots);
        std::size_t n = 0;
        for (std::size_t k = 0; k < inflow.places.size(); ++k) {
            const Inflow::Place& place = inflow.places[k];
            for (std::uint64_t c = 0; c < place.n_cells; ++c, ++n)
                REQUIRE(static_cast<double>(probability(words.at(k))) * inflow.mean /
                            static_cast<double>(place.n_cells) ==
                        Approx(at[f].at({inflow.cells[place.first_cell + c], place.site})).epsilon(1e-12));
        }
        CHECK(n == at[f].size());
    }
    CHECK(expected[1] == 0);
    CHECK(all == Approx(sum).epsilon(1e-12));
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
    Domain wide = crystal_domain(test::simple_cubic(), {1, 1, 1});
    wide.faces[2] = {Face{FaceKind::reflecting, 0}, Face{FaceKind::reflecting, 0}};
    const HopRules rules = make_hop_rules(wide);
    wide.cells = {65536, 65536, 1};
    CHECK_THROWS_AS(make_jump_table(wide, rules), DataError);
}
