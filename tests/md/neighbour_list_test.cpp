#include <algorithm>
#include <cmath>
#include <tuple>

#include "mesolith/core/error.hpp"
#include "mesolith/core/random.hpp"
#include "mesolith/md/neighbour_list.hpp"

#include "support/catch.hpp"

using namespace mesolith;

namespace {

struct Box {
    Cell cell;
    std::vector<Vec3> positions;
};

/// Skewed cells with atoms inside and outside of them.
Box random_box(std::uint64_t seed, std::size_t n, double edge) {
    Stream random(seed, RngUse::test, 0, 0);
    Mat3 rows;
    for (int i = 0; i < 3; ++i)
        for (int j = 0; j < 3; ++j)
            rows(i, j) = edge * ((i == j ? 1.0 : 0.0) + 0.7 * (uniform01(random) - 0.5));
    Box box{Cell(rows), {}};
    for (std::size_t i = 0; i < n; ++i) {
        Vec3 f;
        for (int k = 0; k < 3; ++k) f[k] = 6 * uniform01(random) - 3;
        box.positions.push_back(box.cell.to_cartesian(f));
    }
    return box;
}

using Pair = std::tuple<std::uint32_t, int, int, int>;

/// Every image within a generous range.
std::vector<Pair> brute_force(const Box& box, std::size_t i, double cutoff) {
    std::vector<Pair> pairs;
    const Vec3 across = box.cell.perpendicular_width();
    for (std::uint32_t j = 0; j < box.positions.size(); ++j) {
        const Vec3 f = box.cell.to_fractional(box.positions[j] - box.positions[i]);
        IVec3 lo, hi;
        for (int k = 0; k < 3; ++k) {
            lo[k] = static_cast<int>(std::floor(-f[k] - cutoff / across[k]));
            hi[k] = static_cast<int>(std::ceil(-f[k] + cutoff / across[k]));
        }
        for (int x = lo[0]; x <= hi[0]; ++x)
            for (int y = lo[1]; y <= hi[1]; ++y)
                for (int z = lo[2]; z <= hi[2]; ++z) {
                    if (j == i && x == 0 && y == 0 && z == 0) continue;
                    const Vec3 r = box.cell.to_cartesian(f + Vec3(x, y, z));
                    if (r.norm() < cutoff) pairs.emplace_back(j, x, y, z);
                }
    }
    std::sort(pairs.begin(), pairs.end());
    return pairs;
}

std::vector<Pair> pairs_of(const NeighbourList& list, std::size_t i) {
    std::vector<Pair> pairs;
    for (const Neighbour& n : list.of(i)) pairs.emplace_back(n.atom, n.shift[0], n.shift[1], n.shift[2]);
    return pairs;
}

} // namespace

TEST_CASE("neighbours in skewed cells of any size are those of a search through all images", "[neighbours]") {
    const double edge = GENERATE(2.5, 6.0, 17.0); // the first is smaller than the cutoff
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
        const Box box = random_box(seed, edge < 3 ? 3 : 40, edge);
        NeighbourList list(4.0, 0.7);
        list.update(box.cell, box.positions);
        REQUIRE(list.n_atoms() == box.positions.size());
        for (std::size_t i = 0; i < box.positions.size(); ++i) {
            REQUIRE(pairs_of(list, i) == brute_force(box, i, 4.0)); // in this order
            for (const Neighbour& n : list.of(i)) {
                const Vec3 expected =
                    box.positions[n.atom] - box.positions[i] + box.cell.to_cartesian(n.shift.cast<double>());
                REQUIRE((n.vector - expected).norm() < 1e-12);
                REQUIRE(n.distance == Approx(expected.norm()).epsilon(1e-14));
            }
        }
    }
}

TEST_CASE("a list that was kept while atoms moved has the bits of a fresh one", "[neighbours]") {
    Box box = random_box(7, 60, 9.0);
    Stream random(8, RngUse::test, 0, 0);
    NeighbourList kept(4.5, 1.0);
    for (int step = 0; step < 200; ++step) {
        for (Vec3& r : box.positions)
            for (int k = 0; k < 3; ++k) r[k] += 0.05 * (uniform01(random) - 0.5);
        kept.update(box.cell, box.positions);
        NeighbourList fresh(4.5, 1.0);
        fresh.update(box.cell, box.positions);
        REQUIRE(kept.n_pairs() == fresh.n_pairs());
        for (std::size_t i = 0; i < box.positions.size(); ++i)
            for (std::size_t q = 0; q < kept.of(i).size(); ++q) {
                const Neighbour &a = kept.of(i)[q], &b = fresh.of(i)[q];
                REQUIRE((a.atom == b.atom && a.shift == b.shift && a.vector == b.vector &&
                         a.distance == b.distance));
            }
    }
    CHECK(kept.n_searches() > 1);
    CHECK(kept.n_searches() < 60);
}

TEST_CASE("a neighbour list refuses what has no neighbours", "[neighbours]") {
    CHECK_THROWS_AS(NeighbourList(0.0), DataError);
    CHECK_THROWS_AS(NeighbourList(3.0, -1.0), DataError);
    NeighbourList list(3.0);
    const Cell cell(Mat3::Identity() * 5.0);
    const std::vector<Vec3> on_each_other{Vec3(0, 0, 0), Vec3(5, 0, 0)};
    CHECK_THROWS_AS(list.update(cell, on_each_other), DataError);
    const std::vector<Vec3> lost{Vec3(0, std::nan(""), 0)};
    CHECK_THROWS_AS(list.update(cell, lost), DataError);
}
