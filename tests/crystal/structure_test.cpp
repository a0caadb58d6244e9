#include "mesolith/core/error.hpp"
#include "mesolith/crystal/structure.hpp"

#include "support/catch.hpp"

using namespace mesolith;

namespace {
const Structure rock_salt_pair{Cell((Mat3() << 4, 0, 0, 1, 5, 0, 0, 2, 6).finished()),
                               {"Li", "F"},
                               {Vec3(0, 0, 0), Vec3(0.5, 0.25, 0.75)}};
}

TEST_CASE("a repeated structure holds every atom at every lattice translation, last axis fastest",
          "[crystal]") {
    const Structure large = repeat(rock_salt_pair, IVec3(2, 1, 3));
    REQUIRE(large.size() == 12);
    CHECK(large.cell.volume() == Approx(6 * rock_salt_pair.cell.volume()));
    std::size_t index = 0;
    for (int i = 0; i < 2; ++i)
        for (int k = 0; k < 3; ++k)
            for (std::size_t atom = 0; atom < 2; ++atom, ++index) {
                const Vec3 expected =
                    rock_salt_pair.cell.to_cartesian(rock_salt_pair.fractional[atom] + Vec3(i, 0, k));
                CHECK((large.cell.to_cartesian(large.fractional[index]) - expected).norm() < 1e-12);
                CHECK(large.species[index] == rock_salt_pair.species[atom]);
            }
}

TEST_CASE("zero and negative repetitions are refused", "[crystal]") {
    CHECK_THROWS_AS(repeat(rock_salt_pair, IVec3(1, 0, 1)), DataError);
    CHECK_THROWS_AS(repeat(rock_salt_pair, IVec3(1, 1, -2)), DataError);
}

TEST_CASE("selecting species keeps their order and nothing else", "[crystal]") {
    const Structure chosen = select_species(repeat(rock_salt_pair, IVec3(1, 1, 2)), {"F"});
    REQUIRE(chosen.size() == 2);
    CHECK(chosen.species == std::vector<std::string>{"F", "F"});
    CHECK(chosen.fractional[1] == Vec3(0.5, 0.25, 0.875));
    CHECK(select_species(rock_salt_pair, {"Na"}).size() == 0);
}
