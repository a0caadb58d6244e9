#include <filesystem>

#include "mesolith/core/error.hpp"
#include "mesolith/io/h5md.hpp"
#include "mesolith/io/hdf5.hpp"
#include "mesolith/io/trajectory_file.hpp"

#include "support/catch.hpp"
#include "support/frames.hpp"
#include "support/temporary_folder.hpp"

using namespace mesolith;
using Catch::Matchers::Contains;
using mesolith::test::TemporaryFolder;

namespace {

std::vector<Frame> some_frames(int n, bool images) {
    std::vector<Frame> frames;
    for (int t = 0; t < n; ++t) {
        Frame frame;
        frame.index = t;
        frame.time = 0.5 * t;
        Mat3 rows;
        rows << 5 + 0.01 * t, 0, 0, 1, 6, 0, -1, 0.5, 7;
        frame.cell = Cell(rows);
        for (int i = 0; i < 3; ++i) {
            frame.positions.emplace_back(0.125 * t + i, -0.25 * t, 0.5 + i);
            if (images) frame.images.emplace_back(t, -i, 0);
        }
        frames.push_back(frame);
    }
    return frames;
}

const std::vector<std::string> species{"Li", "Si", "Li"};

void check_same(const std::vector<Frame>& read, const std::vector<Frame>& written) {
    REQUIRE(read.size() == written.size());
    for (std::size_t t = 0; t < read.size(); ++t) {
        CHECK(read[t].time == written[t].time);
        CHECK(read[t].cell == written[t].cell);
        CHECK(read[t].positions == written[t].positions);
        CHECK(read[t].images == written[t].images);
    }
}

} // namespace

TEST_CASE("an H5MD trajectory comes back as it was written", "[io][h5md]") {
    const TemporaryFolder folder;
    const std::string path = folder / "a.h5";
    for (const bool images : {false, true})
        for (const bool single_precision : {false, true}) {
            H5mdOptions options;
            options.single_precision = single_precision; // the numbers are exact in both
            options.chunk_frames = 3;
            const auto frames = some_frames(700, images); // more than one block of the reader
            write_h5md(path, species, frames, options);
            const auto source = open_trajectory(path);
            CHECK(source->header().species == species);
            CHECK(source->header().n_frames == 700);
            CHECK(source->header().frame_interval == 0.5);
            CHECK(source->header().wrapping == (images ? Wrapping::image_flags : Wrapping::unknown));
            CHECK(source->notes().empty());
            check_same(test::read_all(path), frames);
        }
}

TEST_CASE("positions written as unwrapped are known to be", "[io][h5md]") {
    const TemporaryFolder folder;
    H5mdOptions options;
    options.unwrapped = true;
    write_h5md(folder / "a.h5", species, some_frames(3, false), options);
    CHECK(open_trajectory(folder / "a.h5")->header().wrapping == Wrapping::unwrapped);
}

TEST_CASE("the file has the layout of H5MD 1.1", "[io][h5md]") {
    const TemporaryFolder folder;
    write_h5md(folder / "a.h5", species, some_frames(4, false), {});
    const Hdf5File file = Hdf5File::open(folder / "a.h5");
    CHECK(file.group("h5md").attribute_values<int>("version") == std::vector<int>{1, 1});
    CHECK(file.group("h5md/author").has_attribute("name"));
    CHECK(file.group("h5md/creator").string_attribute("name") == "mesolith");
    CHECK(file.dataset("particles/all/position/value").shape() == Hdf5Shape{4, 3, 3});
    CHECK(file.dataset("particles/all/position/value").string_attribute("unit") == "Angstrom");
    CHECK(file.dataset("particles/all/position/time").string_attribute("unit") == "ps");
    CHECK(file.read<int>("particles/all/position/step") == std::vector<int>{0, 1, 2, 3});
    CHECK(file.dataset("particles/all/box/edges/value").shape() == Hdf5Shape{4, 3, 3});
    CHECK(file.read<int>("particles/all/box/edges/step") == std::vector<int>{0, 1, 2, 3});
    CHECK(file.group("particles/all/box").attribute<int>("dimension") == 3);
    CHECK(file.group("particles/all/box").string_attribute_values("boundary") ==
          std::vector<std::string>(3, "periodic"));
    CHECK(file.read_strings("particles/all/species") == species);
}

TEST_CASE("a trajectory can be continued from any of its frames", "[io][h5md]") {
    const TemporaryFolder folder;
    const std::string path = folder / "a.h5";
    const auto frames = some_frames(20, true);
    H5mdOptions options;
    options.single_precision = false;
    {
        H5mdWriter writer = H5mdWriter::in_place(path, species, options);
        for (int t = 0; t < 15; ++t) writer.append(frames[static_cast<std::size_t>(t)], 10 * t);
        writer.flush();
        CHECK(test::read_all(path).size() == 15); // readable while it is being written
    }
    {
        H5mdWriter writer = H5mdWriter::resume(path, species, 8, options);
        for (int t = 8; t < 20; ++t) writer.append(frames[static_cast<std::size_t>(t)], 10 * t);
        writer.close();
    }
    check_same(test::read_all(path), frames);
    CHECK_THROWS_AS(H5mdWriter::resume(path, species, 21, options), FileError);
    CHECK_THROWS_WITH(H5mdWriter::resume(path, {"Li", "Li", "Li"}, 5, options), Contains("species differ"));
}

TEST_CASE("frames that do not fit are refused and no file is left", "[io][h5md]") {
    const TemporaryFolder folder;
    const std::string path = folder / "a.h5";
    auto frames = some_frames(3, false);
    SECTION("another number of atoms") {
        frames[1].positions.pop_back();
        CHECK_THROWS_AS(write_h5md(path, species, frames), DataError);
    }
    SECTION("no time") {
        frames[1].time = std::numeric_limits<double>::quiet_NaN();
        CHECK_THROWS_AS(write_h5md(path, species, frames), DataError);
    }
    SECTION("flags that come later") {
        frames[1].images.assign(3, IVec3::Zero());
        CHECK_THROWS_AS(write_h5md(path, species, frames), DataError);
    }
    CHECK_FALSE(std::filesystem::exists(path));
    CHECK_FALSE(std::filesystem::exists(path + ".part"));
}

TEST_CASE("H5MD files of others that lack something are refused by name", "[io][h5md]") {
    const TemporaryFolder folder;
    const std::string path = folder / "a.h5";
    const auto write = [&](auto&& fill) {
        Hdf5File file = Hdf5File::create(path);
        fill(file);
        file.commit();
    };
    const std::vector<double> positions(2 * 3 * 3, 0.5), edges{5, 5, 5};
    const auto whole = [&](Hdf5File& file) {
        file.write("particles/all/position/value", positions, {2, 3, 3}).set_attribute("unit", "Angstrom");
        file.write("particles/all/position/step", std::vector<int>{0, 10});
        file.write("particles/all/position/time", std::vector<double>{0, 1}).set_attribute("unit", "ps");
        file.write("particles/all/box/edges", edges);
        file.write_strings("particles/all/species", species);
    };
    const auto message = [&](const TrajectoryFileOptions& options = {}) -> std::string {
        try {
            test::read_all(path, options);
        } catch (const Error& error) {
            return error.what();
        }
        return {};
    };
    write(whole);
    CHECK(message().empty());
    write([&](Hdf5File& file) { file.create_group("something"); });
    CHECK_THAT(message(), Contains("no H5MD trajectory"));
    write([&](Hdf5File& file) {
        whole(file);
        file.remove("particles/all/species");
    });
    CHECK_THAT(message(), Contains("no species"));
    write([&](Hdf5File& file) {
        whole(file);
        file.remove("particles/all/species");
        file.write("particles/all/species", std::vector<int>{4, 5, 4});
    });
    CHECK_THAT(message(), Contains("type 4 has no element") && Contains("4, 5"));
    write([&](Hdf5File& file) {
        whole(file);
        file.remove("particles/all/box/edges");
    });
    CHECK_THAT(message(), Contains("has no cell") && Contains("cell_file"));
    TrajectoryFileOptions with_cell;
    with_cell.cell_file = folder.file("cell", "5 0 0\n0 5 0\n0 0 5\n");
    CHECK(message(with_cell).empty());
    write([&](Hdf5File& file) {
        whole(file);
        file.link("particles/all", "particles/water");
    });
    CHECK_THAT(message(), Contains("several groups") && Contains("all, water"));
    TrajectoryFileOptions with_group;
    with_group.h5md_group = "water";
    CHECK(message(with_group).empty());
    with_group.h5md_group = "wine";
    CHECK_THAT(message(with_group), Contains("no particles 'wine'"));
    write([&](Hdf5File& file) {
        whole(file);
        file.dataset("particles/all/position/value").set_attribute("unit", "furlong");
    });
    CHECK_THAT(message(), Contains("'furlong'"));
    write([&](Hdf5File& file) {
        whole(file);
        file.remove("particles/all/position/time");
        file.write("particles/all/position/time", std::vector<double>{0});
    });
    CHECK_THAT(message(), Contains("1 entries for 2 frames"));
    write([&](Hdf5File& file) {
        whole(file);
        file.remove("particles/all/position/value");
        auto wrong = positions;
        wrong[9] = std::numeric_limits<double>::quiet_NaN();
        file.write("particles/all/position/value", wrong, {2, 3, 3}).set_attribute("unit", "Angstrom");
    });
    CHECK_THAT(message(), Contains("not finite") && Contains("frame 1"));
}

TEST_CASE("steps count the time when a timestep is given", "[io][h5md]") {
    const TemporaryFolder folder;
    {
        H5mdWriter writer(folder / "a.h5", species);
        const auto frames = some_frames(3, false);
        for (int t = 0; t < 3; ++t) writer.append(frames[static_cast<std::size_t>(t)], 100 * t);
        writer.close();
    }
    TrajectoryFileOptions options;
    options.timestep_ps = 0.002;
    CHECK(test::read_all(folder / "a.h5", options)[2].time == Approx(0.4));
}
