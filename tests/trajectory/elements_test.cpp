#include "mesolith/trajectory/elements.hpp"

#include "support/catch.hpp"

using namespace mesolith;

TEST_CASE("symbols and atomic numbers are inverse to each other for all 118 elements",
          "[trajectory][elements]") {
    for (int z = 1; z <= 118; ++z) CHECK(atomic_number(element_symbol(z)) == z);
    CHECK(atomic_number("Li") == 3);
    CHECK(atomic_number("Og") == 118);
}

TEST_CASE("what is no element has no number, symbol or mass", "[trajectory][elements]") {
    CHECK(atomic_number("LI") == 0);
    CHECK(atomic_number("") == 0);
    CHECK(element_symbol(0).empty());
    CHECK(element_symbol(119).empty());
    CHECK_FALSE(atomic_mass("X").has_value());
}

TEST_CASE("masses are the standard atomic weights", "[trajectory][elements]") {
    CHECK(atomic_mass("Li") == 6.94);
    CHECK(atomic_mass("Si") == 28.085);
    CHECK(atomic_mass("La") == 138.91);
    CHECK(atomic_mass("D") == 2.014);
}
