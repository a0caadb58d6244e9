#include <algorithm>
#include <cmath>
#include <set>
#include <string>
#include <vector>

#include <Eigen/LU>

#include "mesolith/core/error.hpp"
#include "mesolith/crystal/symmetry.hpp"

#include "support/catch.hpp"
#include "support/poscar.hpp"

using namespace mesolith;

namespace {

/// The lithium sites of a structure file as a basis that is not folded, and the rest as framework.
struct Crystal {
    SiteBasis basis;
    std::vector<std::string> species;
    std::vector<Vec3> framework;
};

Crystal crystal_of(const Structure& structure) {
    const SpaceGroup group = find_space_group(structure, 0.05);
    Crystal c;
    c.basis.cell = structure.cell;
    for (std::size_t i = 0; i < structure.size(); ++i) {
        const Vec3 r = structure.cell.to_cartesian(structure.fractional[i]);
        if (structure.species[i] == "Li") {
            c.basis.positions.push_back(r);
            c.basis.orbit.push_back(group.orbit[i]);
            c.basis.name.push_back("Li");
        } else {
            c.species.push_back(structure.species[i]);
            c.framework.push_back(r);
        }
    }
    return c;
}

std::vector<SiteOperation> operations_of(const Crystal& c, double tolerance = 0.05) {
    return site_symmetry(c.basis, c.species, c.framework, tolerance);
}

SiteOperation product(const SiteOperation& second, const SiteOperation& first) {
    SiteOperation both;
    both.rotation = second.rotation * first.rotation;
    for (std::size_t j = 0; j < first.image.size(); ++j) {
        const auto k = static_cast<std::size_t>(first.image[j]);
        both.image.push_back(second.image[k]);
        both.cell.push_back(second.rotation * first.cell[j] + second.cell[k]);
    }
    const IVec3 shift = both.cell[0];
    for (IVec3& cell : both.cell) cell -= shift;
    return both;
}

bool same(const SiteOperation& a, const SiteOperation& b) {
    return a.rotation == b.rotation && a.image == b.image && a.cell == b.cell;
}

SiteBasis sites_in_a_cube(const std::vector<Vec3>& fractional, double edge = 4) {
    SiteBasis basis;
    basis.cell = Cell(edge * Mat3::Identity());
    for (const Vec3& f : fractional) {
        basis.positions.push_back(edge * f);
        basis.orbit.push_back(0);
        basis.name.push_back("Li");
    }
    return basis;
}

} // namespace

TEST_CASE("symmetry operations keep the length of every displacement between sites", "[crystal][symmetry]") {
    for (const char* file : {"Li15Si4", "Li13Si4", "Li3N"}) {
        CAPTURE(file);
        const Crystal c = crystal_of(read_test_poscar(file));
        const std::vector<SiteOperation> operations = operations_of(c);
        CHECK(operations.size() == (std::string(file) == "Li15Si4" ? 48U
                                    : std::string(file) == "Li3N"  ? 24U
                                                                   : 8U));
        double worst = 0;
        for (const SiteOperation& op : operations) {
            CHECK(std::set<std::int32_t>(op.image.begin(), op.image.end()).size() == c.basis.size());
            for (std::size_t j = 0; j < c.basis.size(); ++j) {
                CHECK(c.basis.orbit[j] == c.basis.orbit[static_cast<std::size_t>(op.image[j])]);
                for (std::size_t i = 0; i < c.basis.size(); ++i) {
                    const IVec3 R(1, -2, 3);
                    const double before = c.basis.displacement(j, i, R).norm();
                    const double after = c.basis
                                             .displacement(static_cast<std::size_t>(op.image[j]),
                                                           static_cast<std::size_t>(op.image[i]),
                                                           op.rotation * R + op.cell[i] - op.cell[j])
                                             .norm();
                    worst = std::max(worst, std::abs(before - after));
                }
            }
        }
        CHECK(worst < 0.01);
    }
}

TEST_CASE("symmetry operations of the sites form a group that begins with the identity",
          "[crystal][symmetry]") {
    const Crystal c = crystal_of(read_test_poscar("Li15Si4"));
    const std::vector<SiteOperation> operations = operations_of(c);
    for (std::size_t j = 0; j < c.basis.size(); ++j) {
        CHECK(operations[0].image[j] == static_cast<std::int32_t>(j));
        CHECK(operations[0].cell[j].isZero());
    }
    std::size_t closed = 0, pure_translations = 0;
    for (const SiteOperation& a : operations) {
        pure_translations += a.rotation == IMat3::Identity();
        for (const SiteOperation& b : operations)
            closed += std::any_of(operations.begin(), operations.end(),
                                  [&, ab = product(a, b)](const SiteOperation& op) { return same(op, ab); });
    }
    CHECK(closed == 48 * 48);
    CHECK(pure_translations == 2); // the cell is centred
}

TEST_CASE("operations on two sites of a chain are those found by hand", "[crystal][symmetry]") {
    // 0.1 and 0.4 along x: a mirror at 0.25 swaps them; y and z have mirrors and a fourfold axis: 16
    // operations.
    const SiteBasis basis = sites_in_a_cube({Vec3(0.1, 0, 0), Vec3(0.4, 0, 0)});
    const std::vector<SiteOperation> operations = site_symmetry(basis, {}, {}, 0.01);
    CHECK(operations.size() == 16);
    for (const SiteOperation& op : operations) {
        CHECK(op.cell[0].isZero());
        if (op.rotation(0, 0) == 1) {
            CHECK(op.image == std::vector<std::int32_t>{0, 1});
            CHECK(op.cell[1].isZero());
        } else {
            CHECK(op.image == std::vector<std::int32_t>{1, 0});
            CHECK(op.cell[1].isZero());
        }
    }
    // The mirror at 0.75 is another one, by a lattice vector: a shifted basis gives the same operations.
    SiteBasis shifted = basis;
    for (Vec3& r : shifted.positions) r += Vec3(2.1, 0.3, -5);
    const std::vector<SiteOperation> again = site_symmetry(shifted, {}, {}, 0.01);
    CHECK(again.size() == 16);
    for (const SiteOperation& a : again)
        CHECK(std::any_of(operations.begin(), operations.end(),
                          [&](const SiteOperation& op) { return same(op, a); }));
}

TEST_CASE("sites of different orbits never map onto each other", "[crystal][symmetry]") {
    SiteBasis basis = sites_in_a_cube({Vec3(0, 0, 0), Vec3(0.5, 0.5, 0.5)});
    CHECK(site_symmetry(basis, {}, {}, 0.01).size() == 96);
    basis.orbit[1] = 1;
    const std::vector<SiteOperation> operations = site_symmetry(basis, {}, {}, 0.01);
    CHECK(operations.size() == 48);
    for (const SiteOperation& op : operations) CHECK(op.image == std::vector<std::int32_t>{0, 1});
}

TEST_CASE("the framework takes away the operations that it breaks", "[crystal][symmetry]") {
    const SiteBasis basis = sites_in_a_cube({Vec3(0, 0, 0)});
    CHECK(site_symmetry(basis, {}, {}, 0.01).size() == 48);
    // one atom off centre along x: the eight operations that keep x
    CHECK(site_symmetry(basis, {"Si"}, {Vec3(1.3, 0, 0)}, 0.01).size() == 8);
}

TEST_CASE("the framework of the simulated cell is folded and its copies are averaged",
          "[crystal][symmetry]") {
    const SiteBasis basis = sites_in_a_cube({Vec3(0, 0, 0)});
    // 2 x 1 x 1 cells; the two copies lie 0.04 on either side of the middle
    const std::vector<Vec3> framework{Vec3(2, 2, 2.04), Vec3(6, 2, 1.96)};
    CHECK(site_symmetry(basis, {"Si", "Si"}, framework, 0.05).size() == 48);
    CHECK_THROWS_WITH(
        site_symmetry(basis, {"Si", "Si", "Si"}, {framework[0], framework[1], Vec3(1, 1, 1)}, 0.05),
        Catch::Matchers::Contains("does not repeat with the folded cell"));
}

TEST_CASE("a basis that was not folded shows its inner translations", "[crystal][symmetry]") {
    std::vector<Vec3> fractional;
    for (int i = 0; i < 8; ++i) fractional.emplace_back(0.5 * (i & 1), 0.5 * (i >> 1 & 1), 0.5 * (i >> 2));
    const std::vector<SiteOperation> operations = site_symmetry(sites_in_a_cube(fractional, 6), {}, {}, 0.01);
    CHECK(operations.size() == 8 * 48);
    CHECK(std::count_if(operations.begin(), operations.end(),
                        [](const SiteOperation& op) { return op.rotation == IMat3::Identity(); }) == 8);
}

TEST_CASE("a search for site symmetry refuses lists of different lengths and a tolerance of zero",
          "[crystal][symmetry]") {
    SiteBasis basis = sites_in_a_cube({Vec3(0, 0, 0)});
    CHECK_THROWS_AS(site_symmetry(basis, {}, {}, 0), DataError);
    CHECK_THROWS_AS(site_symmetry(basis, {"Si"}, {}, 0.1), DataError);
    basis.orbit.clear();
    CHECK_THROWS_AS(site_symmetry(basis, {}, {}, 0.1), DataError);
}
