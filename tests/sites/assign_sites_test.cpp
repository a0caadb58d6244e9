#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <set>

#include <Eigen/LU>

#include "mesolith/core/error.hpp"
#include "mesolith/core/parallel.hpp"
#include "mesolith/sites/assign_sites.hpp"
#include "mesolith/sites/build_sites.hpp"

#include "support/catch.hpp"

using namespace mesolith;

namespace {

using Frames = std::vector<std::vector<Vec3>>;

SiteSet unfolded_sites(const Cell& cell, const std::vector<Vec3>& fractional) {
    std::vector<std::int32_t> orbit(fractional.size());
    for (std::size_t s = 0; s < orbit.size(); ++s) orbit[s] = static_cast<std::int32_t>(s % 2);
    return fold_sites(cell, fractional, orbit, "Li", {Vec3::Zero()}, 1e-6);
}

/// A random cell, skewed, but compact enough for the images -3..3 to hold the nearest one of any point.
Cell random_cell(std::mt19937& random, double size) {
    std::uniform_real_distribution<double> entry(-1, 1);
    while (true) {
        Mat3 rows;
        for (int i = 0; i < 9; ++i) rows(i / 3, i % 3) = size * entry(random);
        if (!(std::abs(rows.determinant()) > 0.05 * size * size * size)) continue;
        const double reach = 0.5 * rows.rowwise().norm().sum();
        if (rows.inverse().colwise().norm().maxCoeff() * reach < 3) return Cell(rows);
    }
}

std::vector<Vec3> random_sites(std::mt19937& random, const Cell& cell, std::size_t n, double apart) {
    std::uniform_real_distribution<double> anywhere(0, 1);
    std::vector<Vec3> sites;
    for (int attempt = 0; sites.size() < n && attempt < 2000; ++attempt) {
        const Vec3 f(anywhere(random), anywhere(random), anywhere(random));
        if (std::all_of(sites.begin(), sites.end(), [&](const Vec3& o) {
                return cell.minimum_image(cell.to_cartesian(f - o)).norm() > apart;
            }))
            sites.push_back(f);
    }
    return sites;
}

/// Ions that walk in steps of random length: rattling, hops and jumps over several cells.
Frames random_walk(std::mt19937& random, std::size_t n_ions, std::size_t n_frames, double size) {
    std::normal_distribution<double> step;
    const double lengths[] = {0.02, 0.1, 0.3, 1.0};
    std::vector<Vec3> at(n_ions);
    for (Vec3& r : at) r = size * Vec3(step(random), step(random), step(random));
    Frames frames;
    for (std::size_t f = 0; f < n_frames; ++f) {
        for (Vec3& r : at) {
            const double length = random() % 50 == 0 ? 2 * size : lengths[random() % 4];
            r += length * Vec3(step(random), step(random), step(random));
        }
        frames.push_back(at);
    }
    return frames;
}

struct BruteState {
    SiteId site;
    IVec3 cell = IVec3::Zero();
    double distance = std::numeric_limits<double>::infinity();
};

/// The nearest of all sites in 343 images.
BruteState brute_nearest(const SiteSet& sites, const Vec3& r) {
    BruteState best;
    for (std::size_t s = 0; s < sites.size(); ++s) {
        const SiteId id(static_cast<std::int64_t>(s));
        const Vec3 f = sites.cell.to_fractional(r) - sites.fractional[s];
        const IVec3 near = f.array().round().cast<int>();
        for (int i = -3; i <= 3; ++i)
            for (int j = -3; j <= 3; ++j)
                for (int k = -3; k <= 3; ++k) {
                    const IVec3 n = near + IVec3(i, j, k);
                    const double d =
                        (sites.position(id) + sites.cell.to_cartesian(n.cast<double>()) - r).norm();
                    if (d < best.distance) best = {id, n, d};
                }
    }
    return best;
}

struct BruteResult {
    SiteTrajectory nearest, core;
    std::int64_t nearest_changes = 0, core_hops = 0;
    double doubly_occupied = 0, unassigned = 0;
    std::vector<double> occupancy_nearest, occupancy_core, distances;
};

BruteResult brute_force(const SiteSet& sites, const Frames& frames, const std::vector<double>& core_radius) {
    BruteResult result;
    const std::size_t n_ions = frames[0].size();
    const auto n_frames = static_cast<double>(frames.size());
    result.nearest.n_frames = result.core.n_frames = static_cast<std::int64_t>(frames.size());
    result.occupancy_nearest.assign(sites.size(), 0);
    result.occupancy_core.assign(sites.size(), 0);
    std::vector<std::multiset<std::int32_t>> held(frames.size());
    for (std::size_t ion = 0; ion < n_ions; ++ion) {
        SiteEvent nearest, core;
        for (std::size_t f = 0; f < frames.size(); ++f) {
            const auto frame = static_cast<std::int32_t>(f);
            const BruteState state = brute_nearest(sites, frames[f][ion]);
            const SiteEvent here{frame, state.site, state.cell};
            held[f].insert(state.site.value);
            result.distances.push_back(state.distance);
            if (f == 0 || here.site != nearest.site || here.cell != nearest.cell) {
                result.nearest.events.push_back(here);
                result.nearest_changes += f > 0;
                nearest = here;
            }
            const bool inside =
                state.distance <
                core_radius[static_cast<std::size_t>(sites.basis.orbit[sites.base[state.site.at()].at()])];
            if (inside && (here.site != core.site || here.cell != core.cell)) {
                result.core_hops += core.site.valid();
                core = here;
                result.core.events.push_back(core);
            } else if (f == 0) {
                result.core.events.push_back(core);
            }
            result.occupancy_nearest[state.site.at()] += 1 / n_frames;
            if (core.site.valid())
                result.occupancy_core[core.site.at()] += 1 / n_frames;
            else
                result.unassigned += 1 / (n_frames * static_cast<double>(n_ions));
        }
        result.nearest.offsets.push_back(result.nearest.events.size());
        result.core.offsets.push_back(result.core.events.size());
    }
    for (const auto& sites_held : held)
        for (const std::int32_t site : sites_held)
            if (sites_held.count(site) > 1) {
                result.doubly_occupied += 1 / n_frames;
                break;
            }
    std::sort(result.distances.begin(), result.distances.end());
    return result;
}

struct Mapped {
    SiteTrajectory trajectory;
    SiteDiagnostics diagnostics;
};

Mapped map_all(const SiteSet& sites, const Frames& frames, const AssignmentOptions& options) {
    SiteMapper mapper(sites, options, frames[0].size(), 0.05);
    for (const auto& frame : frames) mapper.add_frame(frame);
    Mapped result;
    result.diagnostics = mapper.diagnostics();
    result.trajectory = mapper.finish();
    return result;
}

AssignmentOptions by_core(double radius) {
    AssignmentOptions options;
    options.method = Assignment::core;
    options.core_radius = radius;
    return options;
}

void check_close(const std::vector<double>& a, const std::vector<double>& b) {
    REQUIRE(a.size() == b.size());
    for (std::size_t i = 0; i < a.size(); ++i) CHECK(a[i] == Approx(b[i]).margin(1e-9));
}

/// One site in a cube of 3 A: a simple cubic crystal of sites.
SiteSet one_site() { return unfolded_sites(Cell(3.0 * Mat3::Identity()), {Vec3(0.5, 0.5, 0.5)}); }

} // namespace

TEST_CASE("the mapper finds what a comparison with all sites in 343 images finds, in skewed cells",
          "[sites][assign]") {
    std::mt19937 random(42);
    for (int trial = 0; trial < 16; ++trial) {
        CAPTURE(trial);
        const double size = trial % 3 == 0 ? 3 : 8; // cells smaller than the neighbour lists, too
        const Cell cell = random_cell(random, size);
        const SiteSet sites = unfolded_sites(cell, random_sites(random, cell, trial % 4 == 0 ? 1 : 9, 0.6));
        const Frames frames = random_walk(random, 5, 200, size);
        AssignmentOptions options;
        options.core_radius = 1e-3; // as large as it may be
        options.core_radius = map_all(sites, {frames[0]}, options).diagnostics.half_site_distance;
        const Mapped nearest = map_all(sites, frames, options);
        options.method = Assignment::core;
        const Mapped core = map_all(sites, frames, options);
        const BruteResult brute =
            brute_force(sites, frames, std::vector<double>(2, core.diagnostics.core_radius[0]));

        CHECK(nearest.trajectory.events == brute.nearest.events);
        CHECK(nearest.trajectory.offsets == brute.nearest.offsets);
        CHECK(core.trajectory.events == brute.core.events);
        CHECK(core.trajectory.offsets == brute.core.offsets);
        CHECK(nearest.trajectory.n_frames == 200);
        CHECK(nearest.trajectory.frame_interval == 0.05);
        check_close(nearest.diagnostics.occupancy, brute.occupancy_nearest);
        check_close(core.diagnostics.occupancy, brute.occupancy_core);
        CHECK(nearest.diagnostics.unassigned_fraction == 0);
        CHECK(core.diagnostics.unassigned_fraction == Approx(brute.unassigned).margin(1e-12));
        for (const SiteDiagnostics& d :
             {nearest.diagnostics, core.diagnostics}) { // both rules, whatever is chosen
            CHECK(d.frames == 200);
            CHECK(d.nearest_changes == brute.nearest_changes);
            CHECK(d.core_hops == brute.core_hops);
            CHECK(d.doubly_occupied_fraction == Approx(brute.doubly_occupied));
            for (std::size_t level = 0; level < 5; ++level) {
                const auto rank =
                    static_cast<std::size_t>(std::lround(SiteDiagnostics::distance_levels[level] * 1000)) - 1;
                CHECK(std::abs(d.distance_quantiles[level] - brute.distances[rank]) < d.distance_bin);
            }
        }
    }
}

TEST_CASE("an ion that flies through the crystal is counted through every cell it crosses",
          "[sites][assign]") {
    const SiteSet sites = one_site();
    Frames frames; // 0.25 A per frame along +x from the site: borders at 1.5, 4.5, ... are frames 6, 18, ...
                   // (tie: stays)
    for (int f = 0; f < 1200; ++f) frames.push_back({Vec3(1.5 + 0.25 * f, 1.5, 1.5 - 0.5 * f)});
    const Mapped mapped = map_all(sites, frames, {});
    const auto events = mapped.trajectory.of_ion(0);
    const SiteEvent last = events.back();
    CHECK(last.cell == IVec3(100, 0, -200));
    std::int64_t jumps_x = 0, jumps_z = 0;
    for (std::size_t e = 1; e < events.size(); ++e) {
        const IVec3 step = events[e].cell - events[e - 1].cell;
        CHECK(step[1] == 0);
        CHECK((step[0] == 0 || step[0] == 1));
        CHECK((step[2] == 0 || step[2] == -1));
        jumps_x += step[0];
        jumps_z += step[2];
        // first frame beyond the border, by hand
        if (step[0] == 1) CHECK(events[e].frame == 12 * events[e].cell[0] - 5);
        if (step[2] == -1) CHECK(events[e].frame == -6 * events[e].cell[2] - 2);
    }
    CHECK(jumps_x == 100);
    CHECK(jumps_z == -200);
    CHECK(mapped.diagnostics.occupancy[0] == Approx(1));
}

TEST_CASE("an ion that trembles on the border changes site by the nearest rule and never hops by cores",
          "[sites][assign]") {
    const SiteSet sites =
        unfolded_sites(Cell(Mat3(Vec3(6, 20, 20).asDiagonal())), {Vec3(0, 0.5, 0.5), Vec3(0.5, 0.5, 0.5)});
    const auto at = [](double x) { return std::vector<Vec3>{Vec3(x, 10, 10)}; };
    Frames frames{at(1.4), at(1.6), at(0.2), at(1.4), at(1.6),
                  at(1.4), at(1.6), at(1.4), at(0.1)}; // never enters site 1
    Mapped mapped = map_all(sites, frames, by_core(0.5));
    CHECK(mapped.diagnostics.nearest_changes == 6);
    CHECK(mapped.diagnostics.core_hops == 0);
    CHECK(mapped.trajectory.events ==
          std::vector<SiteEvent>{{0, SiteId::none(), IVec3::Zero()}, {2, SiteId{0}, IVec3::Zero()}});
    CHECK(mapped.diagnostics.unassigned_fraction == Approx(2.0 / 9));

    frames.push_back(at(2.9)); // core of site 1: a hop
    frames.push_back(at(4.4)); // still there
    frames.push_back(at(6.3)); // core of site 0 in the next cell: a hop
    frames.push_back(at(3.2)); // back
    mapped = map_all(sites, frames, by_core(0.5));
    CHECK(mapped.diagnostics.core_hops == 3);
    CHECK(mapped.trajectory.events == std::vector<SiteEvent>{{0, SiteId::none(), IVec3::Zero()},
                                                             {2, SiteId{0}, IVec3::Zero()},
                                                             {9, SiteId{1}, IVec3::Zero()},
                                                             {11, SiteId{0}, IVec3(1, 0, 0)},
                                                             {12, SiteId{1}, IVec3::Zero()}});
}

TEST_CASE("an ion that starts in a core is never unassigned", "[sites][assign]") {
    const Mapped mapped = map_all(one_site(), {{Vec3(1.6, 1.5, 1.4)}, {Vec3(2.9, 1.5, 1.5)}}, by_core(0.5));
    CHECK(mapped.trajectory.events == std::vector<SiteEvent>{{0, SiteId{0}, IVec3::Zero()}});
    CHECK(mapped.diagnostics.unassigned_fraction == 0);
}

TEST_CASE("two ions on one site are doubly occupied also when they are cells apart", "[sites][assign]") {
    const Frames frames{{Vec3(1.5, 1.5, 1.5), Vec3(4.5, 1.5, 1.5)}};
    CHECK(map_all(one_site(), frames, {}).diagnostics.doubly_occupied_fraction == 1);
    const SiteSet two =
        unfolded_sites(Cell(Mat3(Vec3(6, 3, 3).asDiagonal())), {Vec3(0.25, 0.5, 0.5), Vec3(0.75, 0.5, 0.5)});
    CHECK(map_all(two, frames, {}).diagnostics.doubly_occupied_fraction == 0);
}

TEST_CASE("ions spread evenly over a crystal of equal sites occupy each for an equal time",
          "[sites][assign][statistics]") {
    // Four sites of a skewed bcc-like lattice are equal by translation: each Voronoi cell holds a quarter of
    // the volume.
    const Cell cell((Mat3() << 8, 0, 0, 2, 4, 0, 1, 1, 5).finished());
    const std::vector<Vec3> at{Vec3(0, 0, 0), Vec3(0.25, 0.5, 0.5), Vec3(0.5, 0, 0), Vec3(0.75, 0.5, 0.5)};
    const SiteSet sites = unfolded_sites(cell, at);
    std::mt19937 random(5);
    std::uniform_real_distribution<double> anywhere(-4, 4);
    Frames frames(10'000, std::vector<Vec3>(1));
    for (auto& frame : frames)
        frame[0] = cell.to_cartesian(Vec3(anywhere(random), anywhere(random), anywhere(random)));
    const double standard_error = std::sqrt(0.25 * 0.75 / 10'000);
    for (const double share : map_all(sites, frames, {}).diagnostics.occupancy)
        CHECK(std::abs(share - 0.25) < 4 * standard_error);
}

TEST_CASE("one and two threads give the same events and diagnostics", "[sites][assign][parallel]") {
    std::mt19937 random(9);
    const Cell cell = random_cell(random, 9);
    const SiteSet sites = unfolded_sites(cell, random_sites(random, cell, 12, 1));
    const Frames frames =
        random_walk(random, 37, 9000, 9); // several blocks of ions, several batches of frames
    for (const Assignment method : {Assignment::nearest, Assignment::core}) {
        AssignmentOptions options = by_core(0.45);
        options.method = method;
        Mapped one, two;
        with_threads(1, [&] { one = map_all(sites, frames, options); });
        with_threads(2, [&] { two = map_all(sites, frames, options); });
        CHECK(one.trajectory.events == two.trajectory.events);
        CHECK(one.trajectory.offsets == two.trajectory.offsets);
        CHECK(one.diagnostics.occupancy == two.diagnostics.occupancy);
        CHECK(one.diagnostics.nearest_changes == two.diagnostics.nearest_changes);
        CHECK(one.diagnostics.core_hops == two.diagnostics.core_hops);
        CHECK(one.diagnostics.shortcut_misses == two.diagnostics.shortcut_misses);
        CHECK(one.diagnostics.doubly_occupied_fraction == two.diagnostics.doubly_occupied_fraction);
        CHECK(one.diagnostics.distance_histogram == two.diagnostics.distance_histogram);
        CHECK(one.diagnostics.distance_quantiles == two.diagnostics.distance_quantiles);
    }
}

TEST_CASE("asking for diagnostics in between does not change the events", "[sites][assign]") {
    std::mt19937 random(10);
    const Cell cell = random_cell(random, 8);
    const SiteSet sites = unfolded_sites(cell, random_sites(random, cell, 9, 1));
    const Frames frames = random_walk(random, 3, 5000, 8);
    const SiteTrajectory whole = map_all(sites, frames, {}).trajectory;
    SiteMapper mapper(sites, {}, 3, 0.05);
    for (std::size_t f = 0; f < frames.size(); ++f) {
        mapper.add_frame(frames[f]);
        if (f % 700 == 0) CHECK(mapper.diagnostics().frames == static_cast<std::int64_t>(f) + 1);
    }
    CHECK(mapper.finish().events == whole.events);
    for (const auto& frame : frames) mapper.add_frame(frame); // starts anew
    CHECK(mapper.finish().events == whole.events);
}

TEST_CASE("a position that is no number is refused with ion and frame, and the frame is not counted",
          "[sites][assign]") {
    SiteMapper mapper(one_site(), {}, 3, 0.1);
    std::vector<Vec3> good(3, Vec3(1.5, 1.5, 1.5));
    for (int f = 0; f < 5; ++f) mapper.add_frame(good);
    for (const double wrong : {std::nan(""), std::numeric_limits<double>::infinity(), -1e9}) {
        std::vector<Vec3> bad = good;
        bad[2][1] = wrong;
        try {
            mapper.add_frame(bad);
            FAIL("accepted " << wrong);
        } catch (const DataError& error) {
            const std::string message = error.what();
            CHECK(message.find("Frame 5") != std::string::npos);
            CHECK(message.find("ion 2") != std::string::npos);
        }
    }
    CHECK(mapper.finish().n_frames == 5);
    CHECK_THROWS_AS(mapper.add_frame(std::vector<Vec3>(2, Vec3::Zero())), DataError);
    CHECK_THROWS_AS(mapper.finish(), DataError); // no frames
}

TEST_CASE("core radii that overlap are refused for cores and cut down for the nearest rule",
          "[sites][assign]") {
    // 0.75 A to the neighbour for sites 0 (orbit 0) and 1 (orbit 1), much more for sites 2 and 3
    const SiteSet sites =
        unfolded_sites(Cell(20.0 * Mat3::Identity()),
                       {Vec3(0, 0, 0), Vec3(0.0375, 0, 0), Vec3(0.5, 0.5, 0.5), Vec3(0.5, 0.5, 0.7)});
    CHECK_THROWS_AS(SiteMapper(sites, by_core(0.9), 1, 0.1), DataError);
    CHECK_NOTHROW(SiteMapper(sites, by_core(0.375), 1, 0.1));
    AssignmentOptions options;
    CHECK(map_all(sites, {{Vec3::Zero()}}, options).diagnostics.core_radius[0] == Approx(0.375));
    options = by_core(0);
    options.core_radius_per_orbit = {0.3, 0.2};
    CHECK_NOTHROW(SiteMapper(sites, options, 1, 0.1));
    CHECK(map_all(sites, {{Vec3(0.25, 0, 0)}}, options).diagnostics.unassigned_fraction ==
          0); // radius of orbit 0 ...
    CHECK(map_all(sites, {{Vec3(0.5, 0, 0)}}, options).diagnostics.unassigned_fraction ==
          1); // ... and of orbit 1
    options.core_radius_per_orbit = {0.3};
    CHECK_THROWS_AS(SiteMapper(sites, options, 1, 0.1), DataError);
    options.core_radius_per_orbit = {0.3, -0.1};
    CHECK_THROWS_AS(SiteMapper(sites, options, 1, 0.1), DataError);
}

TEST_CASE("coinciding sites, no sites, no ions and no frame interval are refused", "[sites][assign]") {
    const Cell cell(5.0 * Mat3::Identity());
    CHECK_THROWS_AS(SiteMapper(unfolded_sites(cell, {Vec3(0, 0, 0), Vec3(0, 0, 1)}), {}, 1, 0.1), DataError);
    CHECK_THROWS_AS(SiteMapper(SiteSet{}, {}, 1, 0.1), DataError);
    CHECK_THROWS_AS(SiteMapper(one_site(), {}, 0, 0.1), DataError);
    CHECK_THROWS_AS(SiteMapper(one_site(), {}, 1, 0), DataError);
    SiteSet not_folded;
    not_folded.cell = cell;
    not_folded.fractional = {Vec3::Zero()};
    CHECK_THROWS_AS(SiteMapper(not_folded, {}, 1, 0.1), DataError);
}

TEST_CASE("a mapper that is stored and continued has the events and diagnostics of one that went through",
          "[sites]") {
    std::mt19937 random(17);
    const Cell cell = random_cell(random, 8);
    const SiteSet sites = unfolded_sites(cell, random_sites(random, cell, 12, 1.5));
    const Frames frames = random_walk(random, 19, 300, 4);
    AssignmentOptions options;
    options.method = GENERATE(Assignment::nearest, Assignment::core);
    options.core_radius = 0.5;
    SiteMapper whole(sites, options, 19, 0.1), first(sites, options, 19, 0.1),
        second(sites, options, 19, 0.1);
    for (std::size_t f = 0; f < frames.size(); ++f) {
        whole.add_frame(frames[f]);
        if (f == 138) second.restore(first.state());
        (f < 138 ? first : second).add_frame(frames[f]);
    }
    const SiteDiagnostics a = whole.diagnostics(), b = second.diagnostics();
    CHECK(a.frames == b.frames);
    CHECK(a.occupancy == b.occupancy);
    CHECK(a.nearest_changes == b.nearest_changes);
    CHECK(a.core_hops == b.core_hops);
    CHECK(a.doubly_occupied_fraction == b.doubly_occupied_fraction);
    CHECK(a.distance_histogram == b.distance_histogram);
    CHECK(a.core_hops > 10);
    const SiteTrajectory x = whole.finish(), y = second.finish();
    CHECK(x.n_frames == y.n_frames);
    CHECK(x.offsets == y.offsets);
    CHECK(x.events == y.events);

    SiteMapperState wrong = first.state();
    wrong.ions.pop_back();
    CHECK_THROWS_AS(second.restore(wrong), DataError);
    wrong = first.state();
    wrong.events[1] = 12; // there are sites 0 to 11
    CHECK_THROWS_AS(second.restore(wrong), DataError);
    wrong = first.state();
    wrong.tallies.push_back(0);
    CHECK_THROWS_AS(second.restore(wrong), DataError);
}
