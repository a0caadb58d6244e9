#include <cmath>

#include "mesolith/core/error.hpp"
#include "mesolith/sites/build_sites.hpp"
#include "mesolith/sites/jumps.hpp"

#include "support/catch.hpp"
#include "support/written_events.hpp"

using namespace mesolith;
using mesolith::test::written;

namespace {

const IVec3 here(0, 0, 0);

/// A chain of four sites along x, 2.5 A apart, folded onto one: A_simulated = 4 A_folded along x.
SiteSet chain() {
    const Cell cell(Mat3(Vec3(10, 6, 6).asDiagonal()));
    std::vector<Vec3> at, translations;
    for (int i = 0; i < 4; ++i) {
        at.emplace_back(i / 4.0, 0, 0);
        translations.emplace_back(i / 4.0, 0, 0);
    }
    return fold_sites(cell, at, {0, 0, 0, 0}, "Li", translations, 1e-6);
}

} // namespace

TEST_CASE("jumps carry the folded cells they cross, also through the border of the box", "[sites][jumps]") {
    const SiteSet sites = chain();
    REQUIRE(sites.basis.size() == 1);
    const SiteTrajectory t = written(100, {{{0, SiteId{2}, here},
                                            {10, SiteId{3}, here},
                                            {12, SiteId{0}, IVec3(1, 0, 0)},
                                            {40, SiteId{2}, IVec3(-1, 1, 0)}},
                                           {{0, SiteId{1}, here}}});
    const std::vector<Jump> jumps = list_jumps(t, sites);
    REQUIRE(jumps.size() == 3);
    CHECK(jumps[0].R == IVec3(1, 0, 0));
    CHECK(jumps[1].R == IVec3(1, 0, 0)); // 3 -> 0 of the next box is one step, not minus three
    CHECK(jumps[2].R == IVec3(-6, 1, 0));
    CHECK(jumps[1].frame == 12);
    for (const Jump& jump : jumps) {
        CHECK(jump.ion == 0);
        CHECK(jump.from == SiteId{0}); // basis sites
        CHECK(jump.to == SiteId{0});
    }
}

TEST_CASE("unassigned stretches are bridged, and are no jumps themselves", "[sites][jumps]") {
    const SiteTrajectory t = written(60, {{{0, SiteId::none(), here},
                                           {3, SiteId{0}, here},
                                           {5, SiteId::none(), here},
                                           {9, SiteId{0}, here}, // back to the same: no jump
                                           {20, SiteId::none(), here},
                                           {25, SiteId{1}, here}}});
    const std::vector<Jump> jumps = list_jumps(t, chain());
    REQUIRE(jumps.size() == 1);
    CHECK(jumps[0].frame == 25);
    CHECK(jumps[0].R == IVec3(1, 0, 0));
}

TEST_CASE("a jump to an image of the same site is a jump", "[sites][jumps]") {
    const SiteTrajectory t = written(60, {{{0, SiteId{0}, here}, {3, SiteId{0}, IVec3(0, 0, 1)}}});
    const std::vector<Jump> jumps = list_jumps(t, chain());
    REQUIRE(jumps.size() == 1);
    CHECK(jumps[0].R == IVec3(0, 0, 1));
}

TEST_CASE("a back-hop must return to the very site and image it came from", "[sites][jumps]") {
    // waits of 1 (back), 3 (forward), 8 (back), 5 (forward in z: another image) frames of 0.5 ps
    const SiteTrajectory t =
        written(100, {{{0, SiteId{0}, here},
                       {10, SiteId{1}, here},
                       {11, SiteId{0}, here},
                       {14, SiteId{3}, IVec3(-1, 0, 0)},
                       {22, SiteId{0}, here},
                       {27, SiteId{3}, IVec3(-1, 0, 1)}},
                      {{0, SiteId{0}, here}, {50, SiteId{1}, here}}}); // one jump alone: no wait
    const Recrossings r = count_recrossings(t, chain());
    CHECK(r.jumps == 6);
    CHECK(r.back == 2);
    REQUIRE(r.waiting_time.size() == 8); // 0.5, 1, 2, ... 64 ps: the first that holds all 50 ps
    CHECK(r.waiting_time.front() == 0.5);
    CHECK(r.waiting_time.back() == 64);
    CHECK(r.all_by_wait ==
          std::vector<std::int64_t>{1, 0, 1, 2, 0, 0, 0, 0}); // 0.5 | 1.5 -> 2 | 4 and 2.5 -> 4
    CHECK(r.back_by_wait == std::vector<std::int64_t>{1, 0, 0, 1, 0, 0, 0, 0});
}

TEST_CASE("the jump network pools trajectories and knows the displacements", "[sites][jumps]") {
    const SiteTrajectory first =
        written(100, {{{0, SiteId{0}, here}, {5, SiteId{1}, here}, {9, SiteId{2}, here}}});
    const SiteTrajectory second =
        written(50, {{{0, SiteId{3}, here}, {5, SiteId{0}, IVec3(1, 0, 0)}, {9, SiteId{3}, here}}});
    const std::vector<JumpClass> network = jump_network({first, second}, chain());
    REQUIRE(network.size() == 2);
    CHECK(network[0].count == 3);
    CHECK(network[0].R == IVec3(1, 0, 0));
    CHECK((network[0].displacement - Vec3(2.5, 0, 0)).norm() < 1e-12);
    CHECK(network[1].count == 1);
    CHECK((network[1].displacement - Vec3(-2.5, 0, 0)).norm() < 1e-12);
    CHECK(jump_network({}, chain()).empty());
}

TEST_CASE("a trajectory of another site list is refused", "[sites][jumps]") {
    const SiteTrajectory t = written(10, {{{0, SiteId{4}, here}}});
    CHECK_THROWS_AS(list_jumps(t, chain()), DataError);
    CHECK_THROWS_AS(count_recrossings(t, chain()), DataError);
    CHECK_THROWS_AS(jump_network({t}, chain()), DataError);
}
