#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <limits>
#include <random>

#include <Eigen/LU>
#include <sys/wait.h>
#include <unistd.h>

#include "mesolith/core/error.hpp"
#include "mesolith/io/checkpoint.hpp"
#include "mesolith/io/field_series.hpp"
#include "mesolith/io/file.hpp"
#include "mesolith/io/hdf5.hpp"
#include "mesolith/io/trajectory_file.hpp"
#include "mesolith/io/vtkhdf.hpp"
#include "mesolith/io/walker_file.hpp"

#include "support/catch.hpp"
#include "support/frames.hpp"
#include "support/killed_child.hpp"
#include "support/temporary_folder.hpp"

using namespace mesolith;
using Catch::Matchers::Contains;
using mesolith::test::last_word_of_killed;
using mesolith::test::TemporaryFolder;

namespace {

Mat3 restricted() { return (Mat3() << 10, 0, 0, 2.5, 12, 0, -3, 1.75, 14).finished(); }
Mat3 turned() { return (Mat3() << 9, 1, -2, 2.5, 12, 0.5, -3, 1.75, 14).finished(); }

WalkerSample some_walkers() { return {{"Li", "Na", "Li"}, {7, 2, 1000000}, {true, true, false}}; }

/// Walkers that go far beyond the box; the second is absorbed in frame 3.
WalkerFrame frame_at(int t, const Mat3& box, const WalkerFileOptions& options) {
    WalkerFrame frame;
    frame.step = 100 * t;
    frame.time = 0.5 * t;
    frame.box = Cell(box);
    for (int w = 0; w < 3; ++w)
        frame.positions.emplace_back(1.0 / 3 + 8.125 * t + w, -7.7 * std::min(t, w == 1 ? 3 : t),
                                     0.1 * w - t);
    if (options.with_alive) frame.alive = {1, t < 3 ? 1 : 0, 1};
    if (options.with_site) frame.site = {t, 0, 25};
    return frame;
}

void write_some(const std::string& path, WalkerFormat format, const Mat3& box,
                const WalkerFileOptions& options, int n = 6) {
    const auto writer = create_walker_file(path, format, some_walkers(), options);
    for (int t = 0; t < n; ++t) writer->append(frame_at(t, box, options));
    writer->close();
}

WalkerFileOptions everything() {
    WalkerFileOptions options;
    options.with_alive = options.with_site = true;
    return options;
}

} // namespace

TEST_CASE("walkers stand in an H5MD file as they were, those that are gone with alive = 0", "[io][walkers]") {
    const TemporaryFolder folder;
    const std::string path = folder / "walkers.h5";
    WalkerFileOptions options = everything();
    options.single_precision = false;
    write_some(path, WalkerFormat::h5md, turned(), options);
    const auto source = open_trajectory(path);
    CHECK(source->header().species == some_walkers().species);
    CHECK(source->header().wrapping == Wrapping::unwrapped);
    const auto frames = test::read_all(path);
    REQUIRE(frames.size() == 6);
    for (int t = 0; t < 6; ++t) {
        const Frame& read = frames[static_cast<std::size_t>(t)];
        const WalkerFrame written = frame_at(t, turned(), options);
        CHECK(read.positions == written.positions);
        CHECK(read.cell == written.box);
        CHECK(read.time == written.time);
    }
    const Hdf5File file = Hdf5File::open(path);
    const Hdf5Group group = file.group("particles/walkers");
    CHECK(group.read<std::int64_t>("id") == std::vector<std::int64_t>{7, 2, 1000000});
    CHECK(group.read<int>("position/step") == std::vector<int>{0, 100, 200, 300, 400, 500});
    CHECK(group.dataset("alive/value").shape() == Hdf5Shape{6, 3});
    CHECK(group.read<int>("alive/value") ==
          std::vector<int>{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 1, 0, 1, 1, 0, 1});
    CHECK(group.read<double>("alive/time") == std::vector<double>{0, 0.5, 1, 1.5, 2, 2.5});
    CHECK(group.read<int>("site/value")[15] == 5);
    CHECK(group.group("box").string_attribute_values("boundary") ==
          std::vector<std::string>{"periodic", "periodic", "none"});
}

TEST_CASE("a killed run leaves the walkers that were flushed, and goes on from any of them",
          "[io][walkers]") {
    const TemporaryFolder folder;
    const std::string path = folder / "walkers.h5";
    const WalkerFileOptions options = everything();
    std::cout.flush();
    std::fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        const auto writer = create_walker_file(path, WalkerFormat::h5md, some_walkers(), options);
        for (int t = 0; t < 40; ++t) {
            writer->append(frame_at(t, restricted(), options));
            if (t == 29) writer->flush();
        }
        ::kill(getpid(), SIGKILL);
    }
    int status = 0;
    waitpid(child, &status, 0);
    REQUIRE(WIFSIGNALED(status));
    CHECK(test::read_all(path).size() == 30);
    {
        const auto writer = resume_walkers(path, 20, some_walkers(), options);
        for (int t = 20; t < 50; ++t) writer->append(frame_at(t, restricted(), options));
        writer->close();
    }
    write_some(folder / "straight.h5", WalkerFormat::h5md, restricted(), options, 50);
    {
        const Hdf5File resumed = Hdf5File::open(path), straight = Hdf5File::open(folder / "straight.h5");
        for (const char* name :
             {"position/value", "alive/value", "site/value", "position/time", "box/edges/value"})
            CHECK(resumed.read<double>(std::string("particles/walkers/") + name) ==
                  straight.read<double>(std::string("particles/walkers/") + name));
    }
    CHECK_THROWS_AS(resume_walkers(path, 51, some_walkers(), options), FileError);
    WalkerSample others = some_walkers();
    others.ids[0] = 8;
    CHECK_THROWS_WITH(resume_walkers(path, 5, others, options), Contains("ids differ"));
    others = some_walkers();
    others.species[0] = "K";
    CHECK_THROWS_AS(resume_walkers(path, 5, others, options), FileError);
}

TEST_CASE("walkers are readable and can be continued after a kill at any moment", "[io][walkers]") {
    const TemporaryFolder folder;
    const std::string path = folder / "walkers.h5";
    const int n = 200; // walkers: chunks fill up every few frames
    WalkerSample sample;
    sample.species.assign(n, "Li");
    const WalkerFileOptions options = everything();
    const auto append = [&](WalkerWriter& writer, int t) {
        WalkerFrame frame;
        frame.step = t;
        frame.time = t;
        for (int w = 0; w < n; ++w) frame.positions.emplace_back(t, std::sin(w * t), std::cos(w + 0.1 * t));
        frame.alive.assign(n, t % 2);
        frame.site.assign(n, t);
        writer.append(frame);
    };
    std::mt19937 random(11);
    std::uint64_t kept = 0, wrong = 0;
    for (int kill_number = 0; kill_number < 20; ++kill_number) {
        // It tells how many frames are flushed; half of the kills come after a flush at least.
        const std::uint64_t flushed = last_word_of_killed(
            [&](auto&& tell) {
                const auto writer = kept == 0 ? create_walker_file(path, WalkerFormat::h5md, sample, options)
                                              : resume_walkers(path, kept, sample, options);
                for (auto t = static_cast<int>(kept);; ++t) {
                    append(*writer, t);
                    if (t % 5 != 4) continue;
                    writer->flush();
                    tell(static_cast<std::uint64_t>(t) + 1);
                }
            },
            kill_number % 2 == 0, random);
        if (flushed > 0) kept = flushed;
        if (kept == 0) continue;
        const auto frames = test::read_all(path);
        REQUIRE(frames.size() >= kept);
        for (std::size_t t = 0; t < kept; ++t)
            wrong += frames[t].time != static_cast<double>(t) ||
                     frames[t].positions.back()[0] != static_cast<double>(t);
        kept -= kept % 2; // as a checkpoint of before the last flush would ask for
    }
    CHECK(kept > 0);
    CHECK(wrong == 0);
}

TEST_CASE("extended xyz gives walkers back to the digits printed", "[io][walkers]") {
    const TemporaryFolder folder;
    WalkerFileOptions options = everything();
    options.decimals = GENERATE(1, 4, 9);
    write_some(folder / "w.extxyz", WalkerFormat::extxyz, turned(), options);
    TrajectoryFileOptions reading;
    reading.wrapping = WrappingOption::unwrapped;
    const auto frames = test::read_all(folder / "w.extxyz", reading);
    REQUIRE(frames.size() == 6);
    for (int t = 0; t < 6; ++t) {
        const WalkerFrame written = frame_at(t, turned(), options);
        const Frame& read = frames[static_cast<std::size_t>(t)];
        CHECK(read.cell == written.box);
        CHECK(read.time == written.time);
        for (std::size_t w = 0; w < 3; ++w)
            CHECK((read.positions[w] - written.positions[w]).cwiseAbs().maxCoeff() <=
                  0.5 * std::pow(10.0, -options.decimals) * (1 + 1e-6));
    }
    CHECK_THAT(read_text_file(folder / "w.extxyz"),
               Contains("Properties=species:S:1:pos:R:3:id:I:1:site:I:1:alive:I:1") &&
                   Contains("step=300 pbc=\"T T F\""));
}

TEST_CASE("a LAMMPS dump gives walkers back in a turned frame that keeps all distances", "[io][walkers]") {
    const TemporaryFolder folder;
    WalkerFileOptions options = everything();
    options.decimals = 10;
    Mat3 left = turned();
    left.row(0).swap(left.row(1));
    const Mat3 aligned = Vec3(10, 11, 12).asDiagonal();
    for (const Mat3& box : {restricted(), turned(), left, aligned}) {
        write_some(folder / "w.lammpstrj", WalkerFormat::lammps_dump, box, options);
        const auto source = open_trajectory(folder / "w.lammpstrj");
        CHECK(source->header().species == std::vector<std::string>{"Na", "Li", "Li"}); // by id
        CHECK(source->header().wrapping == Wrapping::unwrapped);
        TrajectoryFileOptions reading;
        reading.timestep_ps = 0.005;
        const auto frames = test::read_all(folder / "w.lammpstrj", reading);
        REQUIRE(frames.size() == 6);
        const std::size_t order[] = {1, 0, 2};
        for (int t = 0; t < 6; ++t) {
            const WalkerFrame written = frame_at(t, box, options);
            const Frame& read = frames[static_cast<std::size_t>(t)];
            CHECK(read.time == Approx(written.time));
            const Mat3& a = read.cell.vectors();
            CHECK((a * a.transpose() - box * box.transpose()).cwiseAbs().maxCoeff() <
                  1e-10); // lengths, angles
            for (std::size_t w = 0; w < 3; ++w)
                CHECK((read.cell.to_fractional(read.positions[w]) -
                       written.box.to_fractional(written.positions[order[w]]))
                          .cwiseAbs()
                          .maxCoeff() < 1e-10);
        }
        if (box == restricted() || box == aligned) {
            CHECK(frames[0].cell.vectors().isApprox(box, 1e-15));
            const Vec3 written = frame_at(1, box, options).positions[1];
            CHECK((frames[1].positions[0] - written).cwiseAbs().maxCoeff() <= 0.5e-10 * (1 + 1e-6));
        }
    }
    const std::string text = read_text_file(folder / "w.lammpstrj");
    CHECK_THAT(text, Contains("ITEM: BOX BOUNDS pp pp ff\n0 10\n0 11\n0 12\n") &&
                         Contains("ITEM: ATOMS id type element xu yu zu site alive\n7 1 Li "));
    CHECK_THAT(text, !Contains("ITEM: TIME\n") && !Contains("UNITS"));
}

TEST_CASE("the box of LAMMPS has the lengths and angles of the box and its volume", "[io][walkers]") {
    for (const Mat3& box : {restricted(), turned()}) {
        const Mat3 a = lammps_box(Cell(box));
        CHECK((a * a.transpose() - box * box.transpose()).cwiseAbs().maxCoeff() < 1e-12);
        CHECK(a.determinant() == Approx(std::abs(box.determinant())).epsilon(1e-14));
        CHECK((a(0, 1) == 0 && a(0, 2) == 0 && a(1, 2) == 0));
    }
    CHECK(lammps_box(Cell(restricted())) == restricted());
}

TEST_CASE("walkers that do not fit their file are refused", "[io][walkers]") {
    const TemporaryFolder folder;
    const auto format = GENERATE(WalkerFormat::h5md, WalkerFormat::extxyz, WalkerFormat::lammps_dump);
    const std::string path = folder / "w";
    const WalkerFileOptions options = everything();
    const auto refused = [&](auto&& change) {
        WalkerFrame frame = frame_at(1, restricted(), options);
        change(frame);
        const auto writer = create_walker_file(path, format, some_walkers(), options);
        CHECK_THROWS_AS(writer->append(frame), DataError);
    };
    refused([](WalkerFrame& f) { f.positions.pop_back(); });
    refused([](WalkerFrame& f) { f.alive.clear(); });
    refused([](WalkerFrame& f) { f.alive[1] = 2; });
    refused([](WalkerFrame& f) { f.site.pop_back(); });
    refused([](WalkerFrame& f) { f.positions[2][1] = std::numeric_limits<double>::quiet_NaN(); });
    refused([](WalkerFrame& f) { f.time = std::numeric_limits<double>::infinity(); });
    const auto no_sample = [&](auto&& change) {
        WalkerSample sample = some_walkers();
        change(sample);
        CHECK_THROWS_AS(create_walker_file(path, format, sample, options), DataError);
    };
    no_sample([](WalkerSample& s) { s.species.clear(); });
    no_sample([](WalkerSample& s) { s.species[1] = "Li 1"; });
    no_sample([](WalkerSample& s) { s.ids.pop_back(); });
    no_sample([](WalkerSample& s) { s.ids[1] = 7; });
    no_sample([](WalkerSample& s) { s.ids[1] = -1; });
    CHECK_THROWS_AS(create_walker_file(folder / "missing/w", format, some_walkers(), options), FileError);
}

TEST_CASE("text of walkers appears only when it is whole", "[io][walkers]") {
    const TemporaryFolder folder;
    {
        const auto writer = create_walker_file(folder / "w.extxyz", WalkerFormat::extxyz, some_walkers());
        writer->append(frame_at(0, restricted(), {}));
        writer->flush();
    }
    CHECK(std::filesystem::is_empty(folder.path()));
    WalkerFileOptions options;
    options.decimals = 16;
    CHECK_THROWS_AS(create_walker_file(folder / "w", WalkerFormat::extxyz, some_walkers(), options),
                    DataError);
}

// The same files are read by other programs in tools/tests/mesoscale_files_test.py, which names the folder.
TEST_CASE("one file of each format is written for other programs to read", "[io][walkers][fields][samples]") {
    const TemporaryFolder temporary;
    const char* named = std::getenv("MESOLITH_SAMPLE_FOLDER");
    const std::string folder = (named ? named : temporary.path()) + std::string("/");
    const WalkerFileOptions options = everything();
    write_some(folder + "walkers.h5md", WalkerFormat::h5md, turned(), options);
    write_some(folder + "walkers.extxyz", WalkerFormat::extxyz, turned(), options);
    write_some(folder + "walkers.lammpstrj", WalkerFormat::lammps_dump, turned(), options);

    // c = (i + 5 j + 20 k) + 100 t at each point; flux = (i, j, k).
    for (const bool skewed : {false, true}) {
        FieldSnapshot snapshot;
        snapshot.grid.points = {5, 4, 3};
        snapshot.grid.origin = Vec3(0.1, 0.2, 0.3);
        snapshot.grid.step << 1, 0, 0, 0, 1.25, 0, 0, 0, 1.5;
        if (skewed) snapshot.grid.step << 1, 0, 0, 0.25, 1.25, 0, -0.125, 0.175, 1.5;
        const std::string name = folder + (skewed ? "skewed" : "aligned");
        FieldSeries series(name + ".pvd");
        for (int t = 0; t < 3; ++t) {
            std::vector<double> c;
            std::vector<float> flux;
            for (int k = 0; k < 3; ++k)
                for (int j = 0; j < 4; ++j)
                    for (int i = 0; i < 5; ++i) {
                        c.push_back(i + 5 * j + 20 * k + 100 * t);
                        for (const int component : {i, j, k}) flux.push_back(static_cast<float>(component));
                    }
            snapshot.time = 0.25 * t;
            snapshot.step = t;
            snapshot.fields = {{"c", std::span<const double>(c), "1/A^3", 1},
                               {"flux", std::span<const float>(flux), "1/(A^2 ps)", 3}};
            series.append(snapshot);
            if (t == 2) write_vtkhdf(name + ".vtkhdf", snapshot);
        }
    }

    CheckpointWriter checkpoint(folder + "run.ckpt");
    checkpoint.set_attribute("text", "one");
    std::vector<double> large(600'000);
    for (std::size_t i = 0; i < large.size(); ++i) large[i] = 0.5 * static_cast<double>(i);
    checkpoint.write("large", large);
    checkpoint.write("small", std::vector<std::int32_t>{-1, 2});
    checkpoint.commit();
    for (const char* name : {"walkers.h5md", "walkers.extxyz", "walkers.lammpstrj", "aligned_000002.vti",
                             "skewed_000002.vts", "aligned.vtkhdf", "run.ckpt"})
        CHECK(std::filesystem::file_size(folder + name) > 500);
}
