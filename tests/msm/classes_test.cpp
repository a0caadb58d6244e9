#include "mesolith/core/error.hpp"
#include "mesolith/msm/classes.hpp"

#include "support/catch.hpp"
#include "support/kernels.hpp"

using namespace mesolith;
using namespace mesolith::test;

namespace {

/// One column per site: destinations with probabilities, all in cell 0 but a site's own image.
Kernel by_hand(const std::vector<std::vector<std::pair<std::int32_t, double>>>& columns) {
    Kernel k;
    k.lag_time = 1;
    for (std::size_t j = 0; j < columns.size(); ++j) {
        k.basis.positions.push_back(Vec3(0.1 * static_cast<double>(j), 0, 0));
        k.basis.name.push_back("Li" + std::to_string(j + 1) + ".1");
        k.basis.orbit.push_back(static_cast<std::int32_t>(j));
        for (const auto& [to, p] : columns[j]) k.entries.push_back({to, IVec3::Zero(), p});
        k.column.push_back(k.entries.size());
        k.stationary.push_back(1 / static_cast<double>(columns.size()));
    }
    check_kernel(k);
    return k;
}

} // namespace

TEST_CASE("sites that do not exchange are named with what is odd about them", "[msm][classes]") {
    // 0 <-> 1; 2 -> 3 -> {0, 4}, 3 <-> 5; 4 never left; 6 alone.
    const Kernel k = by_hand({{{0, 0.5}, {1, 0.5}},
                              {{0, 0.25}, {1, 0.75}},
                              {{3, 1.0}},
                              {{0, 0.25}, {4, 0.5}, {5, 0.25}},
                              {{4, 1.0}},
                              {{3, 0.5}, {5, 0.5}},
                              {{6, 1.0}}});
    const ClassStructure classes = closed_classes(k);
    REQUIRE(classes.classes.size() == 3);
    CHECK(classes.transient == std::vector<std::int32_t>{2, 3, 5});
    using enum Connectivity;
    CHECK(connectivity(k, classes) == std::vector<Connectivity>{exchanging, exchanging, never_reached,
                                                                passed_through, never_left, passed_through,
                                                                isolated});
    const std::vector<OddSite> odd = odd_sites(k, classes);
    REQUIRE(odd.size() == 5);
    CHECK(odd[0].name == "Li3.1");
    CHECK(name_of(odd[0].kind) == "never reached");
    CHECK(odd[2].name == "Li5.1");
    CHECK(name_of(odd[2].kind) == "never left");

    // From 3: a third of the leavers for good goes to 0, two thirds to 4.
    const auto of_pair = static_cast<std::size_t>(classes.class_of[0]),
               of_trap = static_cast<std::size_t>(classes.class_of[4]);
    const std::vector<double> h = absorption_probabilities(k, classes, of_trap);
    const std::vector<double> expected{0, 0, 2.0 / 3, 2.0 / 3, 1, 2.0 / 3, 0};
    for (std::size_t s = 0; s < 7; ++s) CHECK(h[s] == Approx(expected[s]).epsilon(1e-15).margin(1e-300));
    CHECK(classes.classes[of_trap].weight == Approx((1 + 3 * 2.0 / 3) / 7).epsilon(1e-15));
    CHECK(classes.classes[of_pair].weight == Approx((2 + 3 * 1.0 / 3) / 7).epsilon(1e-15));
    CHECK_THROWS_AS(absorption_probabilities(k, classes, 3), DataError);
}

TEST_CASE("a site that hops to its own image exchanges", "[msm][classes]") {
    const Kernel k = simple_cubic();
    CHECK(odd_sites(k, closed_classes(k)).empty());
    Kernel two = by_hand({{{0, 1.0}}, {{1, 1.0}}});
    two.basis.name.clear(); // names are not needed
    const auto odd = odd_sites(two, closed_classes(two));
    REQUIRE(odd.size() == 2);
    CHECK(odd[1].name == "site 1");
    CHECK(odd[1].kind == Connectivity::isolated);
}

TEST_CASE("an absorption probability of 1e-20 keeps all its digits", "[msm][classes]") {
    // 1 leaves to 0 with 0.5 and to 2 with 1e-10; 2 leaves to 1 with 0.5 and to 3 with 1e-10.
    constexpr double a = 0.5, b = 1e-10;
    const Kernel k =
        by_hand({{{0, 1.0}}, {{0, a}, {1, 1 - a - b}, {2, b}}, {{1, a}, {2, 1 - a - b}, {3, b}}, {{3, 1.0}}});
    const ClassStructure classes = closed_classes(k);
    const std::vector<double> h =
        absorption_probabilities(k, classes, static_cast<std::size_t>(classes.class_of[3]));
    CHECK(h[1] == Approx(b * b / (a * a + a * b + b * b)).epsilon(1e-14).margin(0));
    const ClassStructure from_one = closed_classes(k, std::vector<double>{0, 1, 0, 0});
    CHECK(from_one.classes[static_cast<std::size_t>(from_one.class_of[3])].weight ==
          Approx(h[1]).epsilon(1e-14).margin(0));
    CHECK_THROWS_AS(closed_classes(k, std::vector<double>{1, 0}), DataError);
}
