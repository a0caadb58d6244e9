#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <Eigen/LU>

#include "mesolith/core/error.hpp"
#include "mesolith/crystal/symmetry.hpp"

#include "support/catch.hpp"
#include "support/poscar.hpp"

using namespace mesolith;

namespace {

std::vector<std::size_t> orbit_sizes(const SpaceGroup& group, const Structure& structure,
                                     const std::string& species) {
    std::vector<std::size_t> sizes(
        static_cast<std::size_t>(*std::max_element(group.orbit.begin(), group.orbit.end())) + 1);
    for (std::size_t i = 0; i < structure.size(); ++i)
        if (structure.species[i] == species) ++sizes[static_cast<std::size_t>(group.orbit[i])];
    sizes.erase(std::remove(sizes.begin(), sizes.end(), 0U), sizes.end());
    std::sort(sizes.begin(), sizes.end());
    return sizes;
}

/// Largest distance of f -> W f + w from the nearest atom of the same orbit, over all operations and atoms.
double worst_image(const SpaceGroup& group, const Structure& structure) {
    double worst = 0;
    for (std::size_t op = 0; op < group.rotations.size(); ++op)
        for (std::size_t i = 0; i < structure.size(); ++i) {
            const Vec3 moved =
                group.rotations[op].cast<double>() * structure.fractional[i] + group.shifts[op];
            double nearest = 1e9;
            for (std::size_t j = 0; j < structure.size(); ++j)
                if (group.orbit[j] == group.orbit[i])
                    nearest = std::min(nearest, structure.cell
                                                    .minimum_image(structure.cell.to_cartesian(
                                                        moved - structure.fractional[j]))
                                                    .norm());
            worst = std::max(worst, nearest);
        }
    return worst;
}

Structure in_other_axes(const Structure& structure, const IMat3& u) {
    const Mat3 to_new = u.cast<double>().inverse().transpose(); // f'^T = f^T U^-1
    Structure other{Cell(u.cast<double>() * structure.cell.vectors()), structure.species, {}};
    for (const Vec3& f : structure.fractional) other.fractional.push_back(to_new * f);
    return other;
}

} // namespace

TEST_CASE("spglib confirms the space groups of the structure files", "[crystal][symmetry]") {
    const struct {
        const char* file;
        int number;
        const char* symbol;
        std::size_t translations, operations;
    } facts[] = {
        {"Li13Si4", 55, "Pbam", 1, 8},  {"Li15Si4", 220, "I-43d", 2, 48}, {"Li12Si7", 62, "Pnma", 1, 8},
        {"Li3N", 191, "P6/mmm", 1, 24}, {"LiCoO2", 166, "R-3m", 3, 36},
    };
    for (const auto& fact : facts) {
        CAPTURE(fact.file);
        const Structure structure = read_test_poscar(fact.file);
        const SpaceGroup group = find_space_group(structure, 0.01);
        CHECK(group.number == fact.number);
        CHECK(group.symbol == fact.symbol);
        REQUIRE(group.translations.size() == fact.translations);
        CHECK(group.translations[0] == Vec3::Zero());
        CHECK(group.rotations.size() == fact.operations);
        CHECK(group.shifts.size() == fact.operations);
        CHECK(worst_image(group, structure) < 0.01);
    }
}

TEST_CASE("the lithium orbits are those of the tables, numbered by first appearance", "[crystal][symmetry]") {
    const Structure li15 = read_test_poscar("Li15Si4"), li13 = read_test_poscar("Li13Si4");
    const SpaceGroup cubic = find_space_group(li15, 0.1), layered = find_space_group(li13, 0.1);
    CHECK(orbit_sizes(cubic, li15, "Li") == std::vector<std::size_t>{12, 48});
    CHECK(orbit_sizes(layered, li13, "Li") == std::vector<std::size_t>{2, 4, 4, 4, 4, 4, 4});
    CHECK(orbit_sizes(layered, li13, "Si") == std::vector<std::size_t>{4, 4});
    std::int32_t next = 0;
    for (const std::int32_t orbit : layered.orbit) {
        CHECK(orbit <= next);
        next = std::max(next, orbit + 1);
    }
    CHECK(cubic.orbit[0] == 0);
}

TEST_CASE("skewed and left-handed axes show the same group with operations in those axes",
          "[crystal][symmetry]") {
    const Structure structure = read_test_poscar("Li15Si4");
    const IMat3 skew = (IMat3() << 1, 0, 0, 1, 1, 0, -1, 2, 1).finished();
    const IMat3 left = (IMat3() << 0, 1, 0, 1, 0, 0, 0, 0, 1).finished();
    for (const IMat3& u : {skew, left, IMat3(left * skew)}) {
        const Structure other = in_other_axes(structure, u);
        const SpaceGroup group = find_space_group(other, 0.01);
        CHECK(group.number == 220);
        CHECK(group.rotations.size() == 48);
        CHECK(worst_image(group, other) < 0.01);
    }
}

TEST_CASE("a 3 x 2 x 1 supercell of a cubic crystal keeps its orbits and has six times the translations",
          "[crystal][symmetry]") {
    const Structure large = repeat(read_test_poscar("Li15Si4"), IVec3(3, 2, 1));
    const SpaceGroup group = find_space_group(large, 0.01);
    CHECK(group.number == 220);
    CHECK(group.translations.size() == 12);
    CHECK(orbit_sizes(group, large, "Li") ==
          std::vector<std::size_t>{72, 288}); // although the box has no threefold axes
    for (const Vec3& t : group.translations) {
        const Vec3 twelfths = 12 * t;
        CHECK((twelfths.array() - twelfths.array().round()).abs().maxCoeff() < 1e-6);
    }
}

TEST_CASE("coinciding atoms, NaN and an empty structure are refused", "[crystal][symmetry]") {
    Structure structure{Cell(4 * Mat3::Identity()), {"Li", "Li"}, {Vec3(0, 0, 0), Vec3(0, 0, 1e-4)}};
    CHECK_THROWS_AS(find_space_group(structure, 0.1), DataError);
    structure.fractional[1][0] = std::nan("");
    CHECK_THROWS_AS(find_space_group(structure, 0.1), DataError);
    CHECK_THROWS_AS(find_space_group(Structure{}, 0.1), DataError);
}

TEST_CASE("a strained, permuted and partly reversed supercell is recognised", "[crystal][match]") {
    const Cell small((Mat3() << 4.42, 0, 0, 0, 7.9, 0, 0, 0, 15.0).finished());
    // large axes: 2 of b, -1 of c, 3 of a; 1 % longer along x
    const Cell large((Mat3() << 15.8 * 1.01, 0, 0, 0, 15.0, 0, 0, 0, 13.26).finished());
    const std::vector<CellMatch> matches = match_cells(small, large, 0.05);
    REQUIRE(matches.size() == 8);
    CHECK(matches[0].strain == Approx(0.01));
    for (const CellMatch& match : matches) {
        CHECK(match.repetition.cwiseAbs() == (IMat3() << 0, 2, 0, 0, 0, 1, 3, 0, 0).finished());
        CHECK(match.strain == Approx(0.01));
    }
    for (std::size_t i = 0; i < 8; ++i) // proper ones first
        CHECK((matches[i].repetition.cast<double>().determinant() > 0) == (i < 4));
    CHECK(match_cells(small, large, 0.005).empty());
}

TEST_CASE("the unchanged axes come first among equal matches", "[crystal][match]") {
    const Cell cube(10.566 * Mat3::Identity());
    const std::vector<CellMatch> matches = match_cells(cube, Cell(10.589 * Mat3::Identity()), 0.05);
    REQUIRE(matches.size() == 48);
    CHECK(matches[0].repetition == IMat3::Identity());
    CHECK(matches[0].strain == Approx(10.589 / 10.566 - 1));
}

TEST_CASE("angles decide which signs of a hexagonal cell fit", "[crystal][match]") {
    const Cell hexagonal((Mat3() << 2.816, 0, 0, -1.408, 1.408 * std::sqrt(3.0), 0, 0, 0, 14.054).finished());
    const Mat3 twice = IVec3(2, 2, 1).cast<double>().asDiagonal() * hexagonal.vectors();
    for (const CellMatch& match : match_cells(hexagonal, Cell(twice), 0.05)) {
        const Mat3 filled = match.repetition.cast<double>() * hexagonal.vectors();
        CHECK((filled * filled.transpose() - twice * twice.transpose()).norm() < 1e-9);
    }
    CHECK(match_cells(hexagonal, Cell(twice), 0.05).size() ==
          8); // of 16: a and b may swap, and only turn together
}

TEST_CASE("a wanted repetition is kept, or nothing matches", "[crystal][match]") {
    const Cell small(Mat3(Vec3(4, 8, 16).asDiagonal())), large(16.0 * Mat3::Identity());
    REQUIRE_FALSE(match_cells(small, large, 0.01, IVec3(4, 2, 1)).empty());
    for (const CellMatch& match : match_cells(small, large, 0.01, IVec3(4, 2, 1)))
        CHECK(match.repetition.cwiseAbs().colwise().sum() == Eigen::RowVector3i(4, 2, 1));
    CHECK(match_cells(small, large, 0.01, IVec3(2, 2, 1)).empty());
    CHECK_THROWS_AS(match_cells(small, large, 0.01, IVec3(2, 0, 1)), DataError);
}
