// One trajectory in every dialect (tools/make_format_pack.py): all readers must find the same motion.
#include <fstream>
#include <map>
#include <sstream>

#include "mesolith/io/trajectory_file.hpp"
#include "mesolith/sites/assign_sites.hpp"
#include "mesolith/trajectory/continuous.hpp"

#include "support/catch.hpp"

using namespace mesolith;

namespace {

const std::string data = std::string(MESOLITH_SOURCE_DIR) + "/tests/data/";
const std::string pack = data + "format_pack/";

struct Reference {
    std::vector<std::string> species;
    Mat3 cell;
    std::vector<std::vector<Vec3>> positions;
};

Reference read_reference(const std::string& name) {
    std::ifstream file(pack + name + ".reference");
    REQUIRE(file);
    Reference reference;
    std::size_t n_frames = 0, n_atoms = 0;
    file >> n_frames >> n_atoms;
    reference.species.resize(n_atoms);
    for (auto& name_of_atom : reference.species) file >> name_of_atom;
    for (int i = 0; i < 3; ++i)
        for (int k = 0; k < 3; ++k) file >> reference.cell(i, k);
    reference.positions.assign(n_frames, std::vector<Vec3>(n_atoms));
    for (auto& frame : reference.positions)
        for (auto& r : frame) file >> r[0] >> r[1] >> r[2];
    REQUIRE(file);
    return reference;
}

struct Entry {
    std::string cell, file, format;
    TrajectoryFileOptions options;
};

std::vector<Entry> read_list() {
    std::ifstream list(pack + "pack.txt");
    REQUIRE(list);
    std::vector<Entry> entries;
    for (std::string line; std::getline(list, line);) {
        std::istringstream words(line);
        Entry entry;
        words >> entry.cell >> entry.file >> entry.format;
        for (std::string option; words >> option;) {
            const auto at = option.find('=');
            const std::string key = option.substr(0, at), value = option.substr(at + 1);
            if (key == "types")
                entry.options.type_map = {{1, "Li"}, {2, "Si"}};
            else if (key == "cell")
                entry.options.cell_file = pack + value;
            else if (key == "interval")
                entry.options.frame_interval_ps = std::stod(value);
            else if (key == "timestep")
                entry.options.timestep_ps = std::stod(value);
            else
                FAIL("unknown option " << option);
        }
        entries.push_back(std::move(entry));
    }
    return entries;
}

std::vector<Frame> read_continuous(const std::string& path, const TrajectoryFileOptions& file_options) {
    const auto source = open_trajectory(path, file_options);
    ContinuousOptions options;
    options.drift = Drift::none;
    ContinuousTrajectory trajectory(*source, options);
    std::vector<Frame> frames;
    Frame frame;
    while (trajectory.read(frame)) frames.push_back(frame);
    return frames;
}

} // namespace

TEST_CASE("every dialect of the format pack holds the same continuous positions", "[io][trajectory]") {
    const auto entries = read_list();
    REQUIRE(entries.size() >= 60);
    std::map<std::string, Reference> references;
    std::map<std::string, int> formats;
    for (const Entry& entry : entries) {
        INFO(entry.file);
        if (!references.count(entry.cell)) references.emplace(entry.cell, read_reference(entry.cell));
        const Reference& reference = references.at(entry.cell);
        const auto source = open_trajectory(pack + entry.file, entry.options);
        CHECK(source->header().format == entry.format);
        CHECK(source->header().species == reference.species);
        REQUIRE(source->header().frame_interval.has_value());
        CHECK(*source->header().frame_interval == Approx(0.05));
        ++formats[entry.format];

        const auto frames = read_continuous(pack + entry.file, entry.options);
        REQUIRE(frames.size() == reference.positions.size());
        CHECK((frames[0].cell.vectors() - reference.cell).cwiseAbs().maxCoeff() < 1e-6);
        double error = 0;
        for (std::size_t t = 0; t < frames.size(); ++t) {
            CHECK(frames[t].index == static_cast<std::int64_t>(t));
            CHECK(frames[t].time - frames[0].time == Approx(0.05 * static_cast<double>(t)).margin(1e-9));
            for (std::size_t i = 0; i < reference.species.size(); ++i)
                error = std::max(error,
                                 (frames[t].positions[i] - reference.positions[t][i]).cwiseAbs().maxCoeff());
        }
        CHECK(error < 1e-5);
    }
    for (const auto& format : trajectory_formats()) CHECK(formats[format] >= 4);
}

namespace {

/// Events of the first six atoms on a grid of sites in the cell.
SiteTrajectory events_on_grid(const Cell& cell, const std::vector<std::vector<Vec3>>& positions) {
    SiteSet sites;
    sites.cell = cell;
    for (int x = 0; x < 4; ++x)
        for (int y = 0; y < 4; ++y)
            for (int z = 0; z < 4; ++z) {
                sites.fractional.push_back(Vec3(x + 0.37, y + 0.11, z + 0.71) / 4);
                sites.base.push_back(SiteId(static_cast<std::int64_t>(sites.base.size())));
                sites.offset.push_back(IVec3::Zero());
            }
    sites.basis.cell = cell;
    for (const Vec3& f : sites.fractional) sites.basis.positions.push_back(cell.to_cartesian(f));
    sites.basis.orbit.assign(sites.size(), 0);
    sites.basis.name.assign(sites.size(), "Li1");
    constexpr std::size_t n_ions = 6;
    SiteMapper mapper(sites, {}, n_ions, 0.05);
    for (const auto& frame : positions) mapper.add_frame(std::span(frame).first(n_ions));
    return mapper.finish();
}

} // namespace

TEST_CASE("every dialect of the format pack gives the same site events", "[io][trajectory][sites]") {
    std::map<std::string, SiteTrajectory> expected;
    for (const Entry& entry : read_list()) {
        INFO(entry.file);
        const Reference reference = read_reference(entry.cell);
        if (!expected.count(entry.cell))
            expected.emplace(entry.cell, events_on_grid(Cell(reference.cell), reference.positions));
        std::vector<std::vector<Vec3>> positions;
        for (const Frame& frame : read_continuous(pack + entry.file, entry.options))
            positions.push_back(frame.positions);
        const SiteTrajectory events = events_on_grid(Cell(reference.cell), positions);
        CHECK(events.offsets == expected.at(entry.cell).offsets);
        CHECK(events.events == expected.at(entry.cell).events);
        CHECK(events.events.size() > 6); // somebody moved
    }
}

TEST_CASE("image flags ignored on request give the same small steps", "[io][trajectory]") {
    TrajectoryFileOptions options;
    options.type_map = {{1, "Li"}, {2, "Si"}};
    const auto with_flags = read_continuous(pack + "skew_flags.lammpstrj", options);
    options.wrapping = WrappingOption::wrapped;
    CHECK(open_trajectory(pack + "skew_flags.lammpstrj", options)->header().wrapping == Wrapping::wrapped);
    const auto without = read_continuous(pack + "skew_flags.lammpstrj", options);
    REQUIRE(without.size() == with_flags.size());
    for (std::size_t t = 0; t < without.size(); ++t)
        for (std::size_t i = 0; i < 8; ++i)
            CHECK((without[t].positions[i] - with_flags[t].positions[i]).norm() < 1e-7);
    options.wrapping = WrappingOption::unwrapped;
    const auto raw = read_continuous(pack + "skew_flags.lammpstrj", options);
    double largest = 0;
    for (std::size_t i = 0; i < 8; ++i)
        largest = std::max(largest, (raw.back().positions[i] - with_flags.back().positions[i]).norm());
    CHECK(largest > 5); // some atom crossed a boundary
}

TEST_CASE("a real dump with flags and its extended xyz twin are the same motion", "[io][trajectory]") {
    TrajectoryFileOptions options;
    options.type_map = {{1, "Li"}, {2, "Si"}};
    const auto dump = read_continuous(data + "sample_li15si4.lammpstrj.gz", options);
    const auto extxyz = read_continuous(data + "sample_li15si4.extxyz.gz", {});
    REQUIRE(dump.size() == 40);
    REQUIRE(extxyz.size() == 40);
    // Both files are printed with four digits, and one of them was wrapped before it was rounded.
    const double rounding = 0.5e-4 + 1e-6;
    for (std::size_t t = 0; t < 40; ++t)
        for (std::size_t i = 0; i < 74; ++i)
            CHECK((dump[t].positions[i] - extxyz[t].positions[i]).cwiseAbs().maxCoeff() < rounding);
    CHECK(extxyz.back().time == Approx(202.0));
}

TEST_CASE("inspection tells what stands in a file", "[io][trajectory]") {
    SECTION("wrapped positions, fixed cell") {
        TrajectoryFileOptions options;
        options.frame_interval_ps = 0.05;
        const TrajectoryInfo info = inspect_trajectory(pack + "skew_x.lammpstrj", options);
        CHECK(info.header.format == "lammps-dump");
        CHECK(info.n_frames == 12);
        CHECK(info.species == std::vector<std::pair<std::string, std::size_t>>{{"type1", 5}, {"type2", 3}});
        CHECK(info.wrapping == Wrapping::wrapped);
        CHECK(info.crossings > 0);
        CHECK_FALSE(info.variable_cell);
        CHECK(info.cell.volume() == Approx(6.5 * 7 * 8));
        CHECK(info.last_time == Approx(0.55));
        const std::string text = describe(info);
        CHECK(text.find("5 type1, 3 type2") != std::string::npos);
        CHECK(text.find("every 0.05 ps") != std::string::npos);
    }
    SECTION("the format does not say: wrapped or not is seen in the data") {
        CHECK(inspect_trajectory(pack + "skew_columns.xyz.gz").wrapping == Wrapping::wrapped);
        CHECK(inspect_trajectory(pack + "skew_plain.extxyz").wrapping == Wrapping::unwrapped);
        CHECK_FALSE(inspect_trajectory(pack + "skew_plain.extxyz").all_inside);
    }
    SECTION("variable cell, restarts") {
        const TrajectoryInfo info = inspect_trajectory(pack + "varying-pos-1.xyz");
        CHECK(info.variable_cell);
        CHECK(info.smallest_volume < info.largest_volume);
        CHECK(info.n_frames == 12);
        REQUIRE(info.notes.size() == 1);
        CHECK(info.notes[0].find("3 frames that repeat") != std::string::npos);
        CHECK(info.regular);
    }
    SECTION("no time in the file") {
        const TrajectoryInfo info = inspect_trajectory(pack + "ortho_XDATCAR");
        CHECK_FALSE(info.frame_interval.has_value());
        CHECK(describe(info).find("give frame_interval_ps") != std::string::npos);
    }
}
