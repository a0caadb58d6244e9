#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <tuple>

#include <Eigen/LU>

#include "mesolith/core/error.hpp"
#include "mesolith/md/neighbour_list.hpp"

#include "support/catch.hpp"
#include "support/contains_text.hpp"

using namespace mesolith;

namespace {

using Pair = std::tuple<std::size_t, std::uint32_t, int, int, int>; // from, to, shift

/// Pairs with all images up to so many cells that the sphere is covered: |n_a| <= |f_a| + cutoff / width_a.
std::vector<Pair> brute_force(const Cell& cell, const std::vector<Vec3>& positions, double cutoff) {
    std::vector<Pair> pairs;
    const Vec3 reach = cutoff * cell.perpendicular_width().cwiseInverse();
    for (std::size_t i = 0; i < positions.size(); ++i)
        for (std::size_t j = 0; j < positions.size(); ++j) {
            const Vec3 f = cell.to_fractional(positions[j] - positions[i]);
            const IVec3 low = (-f - reach).array().floor().cast<int>();
            const IVec3 high = (-f + reach).array().ceil().cast<int>();
            for (int a = low[0]; a <= high[0]; ++a)
                for (int b = low[1]; b <= high[1]; ++b)
                    for (int c = low[2]; c <= high[2]; ++c) {
                        if (i == j && a == 0 && b == 0 && c == 0) continue;
                        if (cell.to_cartesian(f + Vec3(a, b, c)).norm() < cutoff)
                            pairs.emplace_back(i, static_cast<std::uint32_t>(j), a, b, c);
                    }
        }
    return pairs; // in order, as the loops are
}

std::vector<Pair> pairs_of(const NeighbourList& list) {
    std::vector<Pair> pairs;
    for (std::size_t i = 0; i < list.n_atoms(); ++i)
        for (const Neighbour& n : list.of(i))
            pairs.emplace_back(i, n.atom, n.shift[0], n.shift[1], n.shift[2]);
    return pairs;
}

bool same_bits(const NeighbourList& a, const NeighbourList& b) {
    if (a.n_atoms() != b.n_atoms() || a.n_pairs() != b.n_pairs()) return false;
    for (std::size_t i = 0; i < a.n_atoms(); ++i) {
        if (!std::equal(a.of(i).begin(), a.of(i).end(), b.of(i).begin(), b.of(i).end(),
                        [](const Neighbour& p, const Neighbour& q) {
                            return p.atom == q.atom && p.shift == q.shift && p.vector == q.vector &&
                                   p.distance == q.distance;
                        }))
            return false;
    }
    return true;
}

/// A cell with edges of about `size`, of any skew and handedness, and atoms in it and up to `outside` cells
/// away.
struct Sample {
    Cell cell;
    std::vector<Vec3> positions;
};

Sample random_sample(std::mt19937& random, double size, int n, double outside) {
    std::uniform_real_distribution<double> entry(-1, 1), fraction(-outside, 1 + outside);
    Mat3 rows;
    do {
        for (int i = 0; i < 9; ++i) rows(i) = size * entry(random);
    } while (!(rows.determinant() * rows.determinant() > 0.01 * std::pow(size, 6)));
    Sample s{Cell(rows), {}};
    for (int i = 0; i < n; ++i)
        s.positions.push_back(
            s.cell.to_cartesian(Vec3(fraction(random), fraction(random), fraction(random))));
    return s;
}

} // namespace

TEST_CASE("the list holds the pairs that brute force finds, in the same order, in cells of any form",
          "[md][neighbour_list]") {
    std::mt19937 random(1);
    std::uniform_real_distribution<double> cutoffs(1.5, 5);
    const auto [size, n, outside] =
        GENERATE(std::tuple{12.0, 40, 0.0}, std::tuple{12.0, 25, 4.0}, std::tuple{25.0, 60, 1.0},
                 std::tuple{4.0, 5, 2.0}, std::tuple{2.5, 1, 30.0}, std::tuple{40.0, 3, 0.0});
    for (int trial = 0; trial < 12; ++trial) {
        const Sample s = random_sample(random, size, n, outside);
        NeighbourList list(cutoffs(random), trial % 2 ? 0.7 : 0.0);
        list.update(s.cell, s.positions);
        const std::vector<Pair> expected = brute_force(s.cell, s.positions, list.cutoff());
        CHECK(list.n_pairs() == expected.size());
        CHECK(pairs_of(list) == expected);
    }
}

TEST_CASE("axes in which a small cell is a long needle give the neighbours of the compact axes",
          "[md][neighbour_list]") {
    const Mat3 compact = (Mat3() << 3, 0, 0, 0.4, 3.2, 0, 0.1, -0.3, 2.9).finished();
    IMat3 axes = IMat3::Identity();
    axes.row(0) += 7 * axes.row(1);
    axes.row(2) -= 5 * axes.row(0);
    const Cell needle(axes.cast<double>() * compact);
    const std::vector<Vec3> positions{Vec3(0.1, 0.2, 0.3), Vec3(1.6, 1.4, 1.5)};
    NeighbourList list(4), reference(4);
    list.update(needle, positions);
    reference.update(Cell(compact), positions);
    REQUIRE(list.n_pairs() == reference.n_pairs());
    CHECK(pairs_of(list) == brute_force(needle, positions, 4));
}

TEST_CASE("vectors lead from an atom to the image of its neighbour, and back exactly opposite",
          "[md][neighbour_list]") {
    std::mt19937 random(2);
    const Sample s = random_sample(random, 7, 20, 2);
    NeighbourList list(4);
    list.update(s.cell, s.positions);
    REQUIRE(list.n_pairs() > 100);
    for (std::size_t i = 0; i < list.n_atoms(); ++i)
        for (const Neighbour& n : list.of(i)) {
            const Vec3 expected =
                s.positions[n.atom] + s.cell.to_cartesian(n.shift.cast<double>()) - s.positions[i];
            CHECK((n.vector - expected).norm() < 1e-13);
            CHECK(n.distance == Approx(n.vector.norm()).epsilon(1e-15));
            const auto back = list.of(n.atom);
            CHECK(std::count_if(back.begin(), back.end(), [&](const Neighbour& m) {
                      return m.atom == i && m.shift == -n.shift && m.vector == -n.vector;
                  }) == 1);
        }
}

TEST_CASE("the nearest neighbours of a simple cubic crystal with one atom are its own six images",
          "[md][neighbour_list]") {
    NeighbourList list(3.5);
    list.update(Cell(3 * Mat3::Identity()), std::vector{Vec3(-7, 11, 0.5)});
    const std::vector<Pair> expected{{0, 0, -1, 0, 0}, {0, 0, 0, -1, 0}, {0, 0, 0, 0, -1},
                                     {0, 0, 0, 0, 1},  {0, 0, 0, 1, 0},  {0, 0, 1, 0, 0}};
    CHECK(pairs_of(list) == expected);
    NeighbourList at_cutoff(3);
    at_cutoff.update(Cell(3 * Mat3::Identity()), std::vector{Vec3(0, 0, 0)});
    CHECK(at_cutoff.n_pairs() == 0); // a distance of the cutoff is outside
}

TEST_CASE("a list that lived through many moves equals a fresh one bit by bit", "[md][neighbour_list]") {
    std::mt19937 random(3);
    std::normal_distribution<double> nudge(0, 0.04);
    const auto [size, skin] = GENERATE(std::tuple{9.0, 0.8}, std::tuple{4.0, 1.0}, std::tuple{9.0, 0.0});
    Sample s = random_sample(random, size, size > 5 ? 30 : 4, 1);
    NeighbourList old(3.7, skin);
    bool same = true;
    constexpr int steps = 300;
    for (int step = 0; step < steps; ++step) {
        for (Vec3& r : s.positions) r += Vec3(nudge(random), nudge(random), nudge(random));
        old.update(s.cell, s.positions);
        NeighbourList fresh(3.7, skin), without_skin(3.7, 0);
        fresh.update(s.cell, s.positions);
        without_skin.update(s.cell, s.positions);
        same = same && same_bits(old, fresh) && same_bits(old, without_skin);
    }
    CHECK(same);
    if (skin > 0) {
        CHECK(old.n_searches() > 3); // else nothing was tested
        CHECK(old.n_searches() < steps / 2);
    } else {
        CHECK(old.n_searches() == steps);
    }
}

TEST_CASE(
    "the list is searched again exactly when an atom moved by half the skin, the cell or the number changed",
    "[md][neighbour_list]") {
    std::mt19937 random(4);
    Sample s = random_sample(random, 10, 12, 0);
    NeighbourList list(3, 1);
    list.update(s.cell, s.positions);
    list.update(s.cell, s.positions);
    CHECK(list.n_searches() == 1);
    s.positions[5][0] += 0.499;
    list.update(s.cell, s.positions);
    CHECK(list.n_searches() == 1);
    s.positions[5][0] += 0.002;
    list.update(s.cell, s.positions);
    CHECK(list.n_searches() == 2);
    s.positions[3] += s.cell.vectors().row(1).transpose(); // another image: shifts change
    list.update(s.cell, s.positions);
    CHECK(list.n_searches() == 3);
    CHECK(pairs_of(list) == brute_force(s.cell, s.positions, 3));
    const Cell strained(s.cell.vectors() * 1.001);
    list.update(strained, s.positions);
    CHECK(list.n_searches() == 4);
    CHECK(pairs_of(list) == brute_force(strained, s.positions, 3));
    s.positions.pop_back();
    list.update(strained, s.positions);
    CHECK(list.n_searches() == 5);
    CHECK(pairs_of(list) == brute_force(strained, s.positions, 3));
    list.update(strained, {});
    CHECK(list.n_atoms() == 0);
    CHECK(list.n_pairs() == 0);
}

TEST_CASE("cutoffs and positions that make no list are refused, and the list goes on afterwards",
          "[md][neighbour_list]") {
    constexpr double nan = std::numeric_limits<double>::quiet_NaN();
    CHECK_THROWS_AS(NeighbourList(0), DataError);
    CHECK_THROWS_AS(NeighbourList(nan), DataError);
    CHECK_THROWS_AS(NeighbourList(5, -0.1), DataError);
    CHECK_THROWS_AS(NeighbourList(5, nan), DataError);

    const Cell cell(6 * Mat3::Identity());
    const std::vector<Vec3> good{Vec3(0, 0, 0), Vec3(2, 0, 0), Vec3(0, 3, 0)};
    NeighbourList list(3.5);
    list.update(cell, good);
    const auto pairs = pairs_of(list);
    std::vector<Vec3> bad = good;
    bad[1][2] = nan;
    CHECK_THROWS_WITH(list.update(cell, bad), test::contains_text("atom 1 is not finite"));
    CHECK(list.n_atoms() == 0);
    bad[1][2] = 1e8;
    CHECK_THROWS_WITH(list.update(cell, bad), test::contains_text("Atom 1 is over a million cells away"));
    bad[1] = good[2] + Vec3(6, -12, 4e-7); // on an image
    CHECK_THROWS_WITH(list.update(cell, bad),
                      test::contains_text("Atoms 1 and 2 lie on each other (4e-07 A"));
    bad[1] = good[2] + Vec3(6, -12, 2e-6);
    CHECK_NOTHROW(list.update(cell, bad));
    CHECK_THROWS_WITH(list.update(Cell(0.1 * Mat3::Identity()), good), test::contains_text("neighbours"));
    list.update(cell, good);
    CHECK(pairs_of(list) == pairs);
    bad = good; // and found between searches too
    bad[1] = good[0] + Vec3(0.4, 0, 0);
    list.update(cell, bad);
    const auto searches = list.n_searches();
    bad[1] = good[0];
    CHECK_THROWS_WITH(list.update(cell, bad), test::contains_text("Atoms 0 and 1"));
    CHECK(list.n_searches() == searches);
}
