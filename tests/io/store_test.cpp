#include <chrono>
#include <cmath>
#include <filesystem>
#include <fstream>

#include "mesolith/core/error.hpp"
#include "mesolith/io/file.hpp"
#include "mesolith/io/json.hpp"
#include "mesolith/io/store.hpp"

#include "support/catch.hpp"
#include "support/temporary_folder.hpp"

using namespace mesolith;
using mesolith::test::TemporaryFolder;
namespace fs = std::filesystem;

namespace {

template <class T>
void store(const std::string& path, const T& value) {
    Hdf5File file = Hdf5File::create(path);
    write(file, value);
    file.commit();
}

StoredSites some_sites() {
    StoredSites s;
    Mat3 rows;
    rows << 6, 0, 0, 1, 4, 0, 0.5, 0.25, 3;
    s.sites.cell = Cell(rows);
    s.sites.fractional = {{0, 0, 0}, {0.25, 0.5, 0.5}, {0.5, 0, 0}, {0.75, 0.5, 0.5}};
    s.sites.supercell << 2, 0, 0, 0, 1, 0, 0, 0, 1;
    rows.row(0) /= 2;
    s.sites.basis.cell = Cell(rows);
    s.sites.basis.positions = {{0, 0, 0}, {0.1, 1. / 3, 2}};
    s.sites.basis.orbit = {0, 1};
    s.sites.basis.name = {"Li1.1", "Li2.1"};
    s.sites.base = {SiteId(0), SiteId(1), SiteId(0), SiteId(1)};
    s.sites.offset = {{0, 0, 0}, {0, 0, 0}, {1, 0, 0}, {1, 0, -3}};
    s.sites.space_group = "I-43d (220)";
    s.framework_species = {"Si"};
    s.framework_positions = {{1, 2, 3}};
    s.framework_rms = 0.25;
    s.assignment = {Assignment::core, 0.8, {0.8, 0.7}};
    return s;
}

StoredTrajectory some_trajectory() {
    StoredTrajectory t;
    t.trajectory.n_frames = 100;
    t.trajectory.frame_interval = 0.05;
    t.trajectory.offsets = {0, 2, 3};
    t.trajectory.events = {
        {0, SiteId(1), {0, 0, 0}}, {40, SiteId::none(), {0, -2, 0}}, {0, SiteId(3), {7, 0, 0}}};
    t.msd.lag_frames = {1, 5};
    t.msd.frame_interval = 0.05;
    t.msd.n_frames = 100;
    t.msd.bin_frames = 50;
    t.msd.sum = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 1. / 3};
    t.msd.count = {10, 11, 12, 13};
    t.collective = CollectiveDisplacement{2, 0.05, {}};
    for (int k = 0; k < 100; ++k) t.collective->sum.push_back(Vec3(k / 3., -k, 0.1));
    t.diagnostics.occupancy = {0.5, 1, 0, 0.25};
    t.diagnostics.doubly_occupied_fraction = 0.125;
    t.diagnostics.nearest_changes = 12051;
    t.diagnostics.core_hops = 2291;
    t.diagnostics.distance_quantiles = {0.1, 0.2, 0.3, 0.4, 0.5};
    t.diagnostics.distance_histogram = {0, 5, 1};
    t.diagnostics.half_site_distance = 1.1;
    t.continuity.frames_read = 200;
    t.continuity.frames_used = 100;
    t.continuity.largest_step = 0.4;
    t.continuity.largest_step_frame = 17;
    t.continuity.steps_over_limit = 3;
    t.continuity.final_drift = {0.1, -0.2, 0.3};
    t.continuity.variable_cell = true;
    t.source = "a b.xyz";
    t.format = "xyz";
    t.first_frame = 200;
    t.stride = 2;
    t.offset = {0.5, 0, -0.125};
    return t;
}

TransitionCounts some_counts() {
    TransitionCounts c;
    c.lag_frames = 20;
    c.frame_interval = 0.05;
    c.n_sites = 2;
    c.transitions = {{0, 0, {0, 0, 0}}, {0, 1, {1, 0, -1}}, {1, 0, {-1, 0, 1}}};
    c.total = {90, 7, 0};
    c.block_offsets = {0, 2, 3};
    c.block_transition = {0, 1, 0};
    c.block_count = {50, 7, 40};
    c.skipped_windows = 5;
    c.index_reverses();
    return c;
}

Kernel some_kernel() {
    Kernel k;
    k.basis = some_sites().sites.basis;
    k.lag_time = 1;
    k.column = {0, 2, 3};
    k.entries = {{0, {0, 0, 0}, 0.75}, {1, {1, 0, -1}, 0.25}, {0, {-1, 0, 1}, 1}};
    k.stationary = {0.8, 0.2};
    k.reversible = true;
    return k;
}

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

} // namespace

TEST_CASE("sites come back from the file bit by bit", "[io][store]") {
    const TemporaryFolder folder;
    const StoredSites s = some_sites();
    store(folder / "sites.h5", s);
    const StoredSites r = read_sites(Hdf5File::open(folder / "sites.h5"));
    CHECK(r.sites.cell == s.sites.cell);
    CHECK(r.sites.fractional == s.sites.fractional);
    CHECK(r.sites.base == s.sites.base);
    CHECK(r.sites.offset == s.sites.offset);
    CHECK(r.sites.supercell == s.sites.supercell);
    CHECK(r.sites.space_group == s.sites.space_group);
    CHECK(r.sites.basis.cell == s.sites.basis.cell);
    CHECK(r.sites.basis.positions == s.sites.basis.positions);
    CHECK(r.sites.basis.orbit == s.sites.basis.orbit);
    CHECK(r.sites.basis.name == s.sites.basis.name);
    CHECK(r.framework_species == s.framework_species);
    CHECK(r.framework_positions == s.framework_positions);
    CHECK(r.framework_rms == s.framework_rms);
    CHECK(r.assignment.method == Assignment::core);
    CHECK(r.assignment.core_radius == 0.8);
    CHECK(r.assignment.core_radius_per_orbit == s.assignment.core_radius_per_orbit);
}

TEST_CASE("a crystal without a framework and with one radius comes back", "[io][store]") {
    const TemporaryFolder folder;
    StoredSites s = some_sites();
    s.framework_species.clear();
    s.framework_positions.clear();
    s.assignment = {};
    s.sites.space_group.clear();
    store(folder / "sites.h5", s);
    const StoredSites r = read_sites(Hdf5File::open(folder / "sites.h5"));
    CHECK(r.framework_positions.empty());
    CHECK(r.framework_species.empty());
    CHECK(r.assignment.core_radius_per_orbit.empty());
    CHECK(r.sites.space_group.empty());
}

TEST_CASE("density sites come back with grid, basins and certainty", "[io][store]") {
    const TemporaryFolder folder;
    const VoxelGrid grid(Cell((Mat3() << 6, 0, 0, 1, 4, 0, 0.5, 0.25, 3).finished()), 0.5);
    VoxelCounts counts{{50, 40}, {std::vector<std::uint32_t>(grid.size(), 0), {}}};
    counts.counts[0][grid.voxel_of({0.1, 0.2, 0.3})] = 50;
    counts.counts[1] = counts.counts[0];
    counts.counts[1][grid.voxel_of({0.6, 0.7, 0.5})] = 40;
    DensityOptions options;
    options.peaks.merge_distance = 1;
    const DensitySites d = find_density_sites(grid, counts, 3, options);
    REQUIRE(d.sites.size() == 2);
    REQUIRE(d.n_certain() == 1);
    REQUIRE(d.warnings.size() == 2);
    store(folder / "d.h5", d);
    const DensitySites r = read_density_sites(Hdf5File::open(folder / "d.h5"));
    CHECK(r.statement == d.statement);
    CHECK(r.warnings == d.warnings);
    CHECK(r.frames == d.frames);
    CHECK(r.half_peaks == d.half_peaks);
    CHECK(r.unmatched_peaks == d.unmatched_peaks);
    CHECK(r.outside_fraction == d.outside_fraction);
    CHECK(r.basins.basin == d.basins.basin);
    CHECK(r.basins.unassigned_outside == d.basins.unassigned_outside);
    CHECK(r.basins.grid.n() == grid.n());
    CHECK(r.basins.grid.axes() == grid.axes());
    REQUIRE(r.density.size() == d.density.size());
    CHECK(r.density[5] == static_cast<float>(d.density[5]));
    REQUIRE(r.sites.size() == 2);
    for (std::size_t k = 0; k < 2; ++k) {
        const DensitySite &a = r.sites[k], &b = d.sites[k];
        CHECK(a.peak.voxel == b.peak.voxel);
        CHECK(a.peak.position == b.peak.position);
        CHECK(a.peak.height == b.peak.height);
        CHECK(a.peak.saddle == b.peak.saddle);
        CHECK(a.peak.neighbour == b.peak.neighbour);
        CHECK(a.peak.occupancy == b.peak.occupancy);
        CHECK(a.occupancy == b.occupancy);
        CHECK(a.half_occupancy == b.half_occupancy);
        CHECK(a.half_peak == b.half_peak);
        CHECK(a.certain == b.certain);
        CHECK(std::isnan(a.half_displacement) == std::isnan(b.half_displacement));
    }
    // A basin of a site that is not there.
    Hdf5File file = Hdf5File::modify(folder / "d.h5");
    file.remove("basin");
    file.write("basin", std::vector<std::int32_t>(grid.size(), 2));
    CHECK_THROWS_AS(read_density_sites(file), FileError);
}

TEST_CASE("each rule of assignment comes back, an unknown one is refused", "[io][store]") {
    const TemporaryFolder folder;
    StoredSites s = some_sites();
    for (const Assignment method : {Assignment::nearest, Assignment::core, Assignment::watershed}) {
        s.assignment.method = method;
        store(folder / "sites.h5", s);
        CHECK(read_sites(Hdf5File::open(folder / "sites.h5")).assignment.method == method);
    }
    Hdf5File file = Hdf5File::modify(folder / "sites.h5");
    file.set_attribute("assignment", "guessed");
    CHECK_THROWS_AS(read_sites(file), FileError);
}

TEST_CASE("a trajectory comes back with events, MSD and diagnostics", "[io][store]") {
    const TemporaryFolder folder;
    const StoredTrajectory t = some_trajectory();
    store(folder / "t.h5", t);
    const StoredTrajectory r = read_trajectory(Hdf5File::open(folder / "t.h5"));
    CHECK(r.trajectory.n_frames == 100);
    CHECK(r.trajectory.frame_interval == 0.05);
    CHECK(r.trajectory.offsets == t.trajectory.offsets);
    CHECK(r.trajectory.events == t.trajectory.events);
    CHECK(r.msd.lag_frames == t.msd.lag_frames);
    CHECK(r.msd.sum == t.msd.sum);
    CHECK(r.msd.count == t.msd.count);
    CHECK(r.msd.bin_frames == 50);
    REQUIRE(r.collective);
    CHECK(r.collective->sum == t.collective->sum);
    CHECK(r.collective->n_ions == 2);
    CHECK(r.collective->frame_interval == 0.05);
    CHECK(r.diagnostics.occupancy == t.diagnostics.occupancy);
    CHECK(r.diagnostics.nearest_changes == 12051);
    CHECK(r.diagnostics.core_hops == 2291);
    CHECK(r.diagnostics.distance_histogram == t.diagnostics.distance_histogram);
    CHECK(r.diagnostics.distance_quantiles == t.diagnostics.distance_quantiles);
    CHECK(r.diagnostics.half_site_distance == 1.1);
    CHECK(r.continuity.largest_step_frame == 17);
    CHECK(r.continuity.final_drift == t.continuity.final_drift);
    CHECK(r.continuity.variable_cell);
    CHECK(r.source == "a b.xyz");
    CHECK(r.stride == 2);
    CHECK(r.offset == t.offset);
}

TEST_CASE("a trajectory stored without the collective displacement is read, one with a foreign one is not",
          "[io][store]") {
    const TemporaryFolder folder;
    StoredTrajectory t = some_trajectory();
    t.collective.reset();
    store(folder / "old.h5", t);
    const StoredTrajectory r = read_trajectory(Hdf5File::open(folder / "old.h5"));
    CHECK_FALSE(r.collective);
    CHECK(r.trajectory.events == t.trajectory.events);
    t = some_trajectory();
    t.collective->sum.pop_back(); // not as many frames as the events have
    store(folder / "short.h5", t);
    CHECK_THROWS_AS(read_trajectory(Hdf5File::open(folder / "short.h5")), FileError);
    t = some_trajectory();
    t.collective->sum[3][1] = std::nan("");
    store(folder / "nan.h5", t);
    CHECK_THROWS_AS(read_trajectory(Hdf5File::open(folder / "nan.h5")), FileError);
}

TEST_CASE("classes of pooled counts come back, and a class that cannot be is refused", "[io][store]") {
    const TemporaryFolder folder;
    TransitionCounts c = some_counts();
    store(folder / "none.h5", c);
    CHECK(read_counts(Hdf5File::open(folder / "none.h5")).pool.empty());
    c.pool = {0, 1, 1};
    store(folder / "c.h5", c);
    const TransitionCounts r = read_counts(Hdf5File::open(folder / "c.h5"));
    CHECK(r.pool == c.pool);
    CHECK(r.weighted({}) == std::vector<double>{90, 3.5, 3.5});
    c.pool = {0, 1, 3};
    store(folder / "bad.h5", c);
    CHECK_THROWS_AS(read_counts(Hdf5File::open(folder / "bad.h5")), FileError);
}

TEST_CASE("counts and kernel come back", "[io][store]") {
    const TemporaryFolder folder;
    const TransitionCounts c = some_counts();
    store(folder / "c.h5", c);
    const TransitionCounts r = read_counts(Hdf5File::open(folder / "c.h5"));
    CHECK(r.transitions == c.transitions);
    CHECK(r.total == c.total);
    CHECK(r.reverse == c.reverse);
    CHECK(r.block_offsets == c.block_offsets);
    CHECK(r.block_transition == c.block_transition);
    CHECK(r.block_count == c.block_count);
    CHECK(r.lag_frames == 20);
    CHECK(r.skipped_windows == 5);
    CHECK(r.n_sites == 2);

    const Kernel k = some_kernel();
    store(folder / "k.h5", k);
    const Kernel q = read_kernel(Hdf5File::open(folder / "k.h5"), k.basis);
    CHECK(q.column == k.column);
    CHECK(q.stationary == k.stationary);
    CHECK(q.lag_time == 1);
    CHECK(q.reversible);
    REQUIRE(q.entries.size() == 3);
    CHECK(q.entries[1].R == IVec3(1, 0, -1));
    CHECK(q.entries[1].p == 0.25);
}

TEST_CASE("a kernel that loses walkers is refused on reading", "[io][store][bad]") {
    const TemporaryFolder folder;
    Kernel k = some_kernel();
    k.entries[2].p = 0.5;
    store(folder / "k.h5", k);
    CHECK_THROWS_AS(read_kernel(Hdf5File::open(folder / "k.h5"), k.basis), FileError);
}

TEST_CASE("events out of order are refused with the file and the event", "[io][store][bad]") {
    const TemporaryFolder folder;
    SiteTrajectory t = some_trajectory().trajectory;
    t.events[1].frame = 100; // behind the last frame
    store(folder / "t.h5", t);
    try {
        (void)read_site_trajectory(Hdf5File::open(folder / "t.h5"));
        FAIL("accepted");
    } catch (const FileError& error) {
        CAPTURE(error.what());
        CHECK(contains(error.what(), "t.h5"));
        CHECK(contains(error.what(), "event 1"));
    }
}

TEST_CASE("a file cut in half is one line that names it", "[io][store][bad]") {
    const TemporaryFolder folder;
    store(folder / "sites.h5", some_sites());
    fs::resize_file(folder / "sites.h5", fs::file_size(folder / "sites.h5") / 2);
    try {
        (void)read_sites(Hdf5File::open(folder / "sites.h5"));
        FAIL("accepted");
    } catch (const FileError& error) {
        const std::string message = error.what();
        CAPTURE(message);
        CHECK(contains(message, "sites.h5"));
        CHECK_FALSE(contains(message, "\n"));
    }
}

TEST_CASE("provenance comes back and says who made the file", "[io][store]") {
    const TemporaryFolder folder;
    std::ofstream(folder / "in.xyz") << "1\n";
    Provenance p;
    p.stage = "sites";
    p.seed = 18446744073709551615u;
    p.config = "[run]\nname = \"\u00e4\"\n";
    p.inputs = {describe_input(folder / "in.xyz")};
    p.fingerprint = "abc";
    p.previous = "ab";
    p.warnings = {"one", "two \"quoted\""};
    store(folder / "p.h5", p);
    const Provenance r = read_provenance(Hdf5File::open(folder / "p.h5"));
    CHECK(r.stage == "sites");
    CHECK(r.seed == p.seed);
    CHECK(r.config == p.config);
    CHECK(r.inputs == p.inputs);
    CHECK(r.fingerprint == "abc");
    CHECK(r.previous == "ab");
    CHECK(r.warnings == p.warnings);
    CHECK(r.created.size() == 20);
    CHECK_FALSE(r.version.empty());

    p.inputs.clear();
    p.warnings.clear();
    store(folder / "p.h5", p);
    CHECK(read_provenance(Hdf5File::open(folder / "p.h5")).inputs.empty());
    CHECK(read_provenance(Hdf5File::open(folder / "p.h5")).warnings.empty());

    Hdf5File foreign = Hdf5File::create(folder / "foreign.h5");
    foreign.set_attribute("creator", "someone else");
    foreign.commit();
    CHECK_THROWS_AS(read_provenance(Hdf5File::open(folder / "foreign.h5")), FileError);
}

TEST_CASE("a known input is hashed again only when its size or time changed", "[io][store]") {
    const TemporaryFolder folder;
    const std::string path = folder / "in.xyz";
    std::ofstream(path) << "one";
    const InputFile first = describe_input(path);
    CHECK(first.sha256 == sha256_of_text("one"));
    CHECK(first.bytes == 3);
    InputFile marked = first;
    marked.sha256 = "taken from the list";
    CHECK(describe_input(path, std::vector{marked}).sha256 == marked.sha256);
    fs::last_write_time(path, fs::last_write_time(path) + std::chrono::seconds(1));
    CHECK(describe_input(path, std::vector{marked}).sha256 == first.sha256);
    CHECK_THROWS_AS(describe_input(folder / "none"), InputError);
}

TEST_CASE("the fingerprint changes with each of its parts and not with the path of an input", "[io][store]") {
    const std::vector<InputFile> a{{"a", "1", 1, 1}}, moved{{"b", "1", 1, 2}}, other{{"a", "2", 1, 1}};
    const std::string f = fingerprint_of("msm", "x", a, "p");
    CHECK(f.size() == 64);
    CHECK(f == fingerprint_of("msm", "x", moved, "p"));
    CHECK(f != fingerprint_of("msm", "x", other, "p"));
    CHECK(f != fingerprint_of("meso", "x", a, "p"));
    CHECK(f != fingerprint_of("msm", "y", a, "p"));
    CHECK(f != fingerprint_of("msm", "x", a, "q"));
    CHECK(fingerprint_of("msm", "xp", a, "") != fingerprint_of("msm", "x", a, "p"));
}

TEST_CASE("JSON texts and numbers are escaped", "[io][json]") {
    CHECK(json_text("a\"b\\c\n\t\x01") == R"("a\"b\\c\n\t\u0001")");
    CHECK(json_text("\u00c5\u00b2/ps") == "\"\u00c5\u00b2/ps\"");
    CHECK(json_text(std::string_view("\xff\xc3", 2)) == R"("\ufffd\ufffd")");
    CHECK(json_text("\xed\xa0\x80") == R"("\ufffd\ufffd\ufffd")"); // a surrogate
    CHECK(json_number(0.1) == "0.1");
    CHECK(json_number(std::nan("")) == "null");
    CHECK(json_number(-INFINITY) == "null");
}
