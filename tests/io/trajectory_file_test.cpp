// Damaged and unusual trajectory files: what is refused, what the message says, what is read all the same.
#include <cmath>

#include <zlib.h>

#include "mesolith/core/error.hpp"
#include "mesolith/io/trajectory_file.hpp"

#include "support/catch.hpp"
#include "support/frames.hpp"
#include "support/temporary_folder.hpp"

using namespace mesolith;
using Catch::Matchers::Contains;
using mesolith::test::TemporaryFolder;

namespace {

/// The message of the error of this kind that reading the file gives; "" when there is none.
template <class Kind>
std::string message_of(const std::string& path, const TrajectoryFileOptions& options = {}) {
    try {
        test::read_all(path, options);
    } catch (const Kind& error) {
        return error.what();
    }
    return {};
}

std::string
extxyz_frame(const std::string& x,
             const std::string& comment = "Lattice=\"5 0 0 0 5 0 0 0 5\" Properties=species:S:1:pos:R:3") {
    return "2\n" + comment + "\nLi " + x + " 0 0\nSi 1 2 3\n";
}

std::string dump_frame(int step, const std::string& atoms, int n = 2,
                       const std::string& columns = "id type x y z") {
    return "ITEM: TIMESTEP\n" + std::to_string(step) + "\nITEM: NUMBER OF ATOMS\n" + std::to_string(n) +
           "\nITEM: BOX BOUNDS pp pp pp\n0 5\n0 5\n0 5\nITEM: ATOMS " + columns + "\n" + atoms;
}

const std::string xdatcar_head = "title\n1.0\n5 0 0\n0 5 0\n0 0 5\nLi Si\n1 1\n";

TrajectoryFileOptions types(std::map<int, std::string> map = {{1, "Li"}, {2, "Si"}}) {
    TrajectoryFileOptions options;
    options.type_map = std::move(map);
    return options;
}

void write_packed(const std::string& path, const std::string& text) {
    const gzFile file = gzopen(path.c_str(), "wb");
    REQUIRE(file);
    gzwrite(file, text.data(), static_cast<unsigned>(text.size()));
    gzclose(file);
}

} // namespace

TEST_CASE("files that do not exist or cannot be recognised name themselves and say what to do",
          "[io][trajectory]") {
    const TemporaryFolder folder;
    CHECK_THAT(message_of<InputError>(folder / "no.xyz"), Contains("no.xyz") && Contains("Check the path"));
    CHECK_THAT(message_of<InputError>(folder.path()), Contains("is a folder"));
    CHECK_THAT(message_of<InputError>(folder.file("notes.txt", "some words\nand more\n")),
               Contains("not recognised") && Contains("lammps-dump"));
    CHECK_THAT(message_of<FileError>(folder.file("empty.xyz", "")), Contains("holds no frames"));
    CHECK_THAT(message_of<FileError>(folder.file("blank.xyz", "\n\n")), Contains("holds no frames"));
    TrajectoryFileOptions options;
    options.format = "dump";
    CHECK_THAT(message_of<InputError>(folder.file("a.xyz", extxyz_frame("1")), options),
               Contains("unknown format 'dump'") && Contains("lammps-dump"));
    CHECK_THAT(message_of<InputError>(folder.file("a.traj", "- of UlmASE-Trajectory")),
               Contains("ASE .traj") && Contains("convert_trajectory.py"));
    CHECK_THAT(message_of<InputError>(folder.file("a.xyz.bz2", "BZh91AY")), Contains("bunzip2"));
    CHECK_THAT(message_of<InputError>(folder.file("POSCAR", xdatcar_head + "Direct\n0 0 0\n0.5 0.5 0.5\n")),
               Contains("single structure"));
}

TEST_CASE("plain xyz without a cell is refused with the way to give it", "[io][trajectory]") {
    const TemporaryFolder folder;
    const std::string path = folder.file("a.xyz", "1\ncomment\nLi 1 2 3\n1\n\nLi 1.5 2 3\n");
    CHECK_THAT(message_of<InputError>(path), Contains("the cell is missing") && Contains("cell_file") &&
                                                 Contains("rows are the cell vectors"));
    TrajectoryFileOptions options;
    options.cell_file = folder.file("cell", "# rows\n5 0 0\n1 6 0\n\n0 0 7 # c\n");
    const auto frames = test::read_all(path, options);
    REQUIRE(frames.size() == 2);
    CHECK(frames[1].positions[0] == Vec3(1.5, 2, 3));
    Mat3 rows;
    rows << 5, 0, 0, 1, 6, 0, 0, 0, 7;
    CHECK(frames[1].cell.vectors() == rows);
    CHECK(std::isnan(frames[1].time));

    options.cell_file = folder.file("lengths", "5 6 7\n");
    CHECK(test::read_all(path, options)[0].cell.vectors() == Mat3(Vec3(5, 6, 7).asDiagonal()));
    options.cell_file = folder.file("angles", "5 6 7 90 90 90\n");
    CHECK_THAT(message_of<FileError>(path, options), Contains("holds 6 numbers"));
    options.cell_file = folder.file("words", "5 0 0\n0 five 0\n0 0 5\n");
    CHECK_THAT(message_of<FileError>(path, options), Contains("words:2") && Contains("'five'"));
    options.cell_file = folder.file("flat", "5 0 0\n0 5 0\n5 5 0\n");
    CHECK_THAT(message_of<FileError>(path, options), Contains("no volume"));
    options.cell_file = folder / "nowhere";
    CHECK_THAT(message_of<InputError>(path, options), Contains("nowhere"));
}

TEST_CASE("damaged xyz files name line and frame", "[io][trajectory]") {
    const TemporaryFolder folder;
    const std::string good = extxyz_frame("1.0");
    const auto message = [&](const std::string& text) {
        return message_of<FileError>(folder.file("a.xyz", text));
    };
    CHECK_THAT(message(good + good + extxyz_frame("nan")), Contains("a.xyz:11:") && Contains("frame 2") &&
                                                               Contains("x is not finite") &&
                                                               Contains("'nan'"));
    CHECK_THAT(message(good + extxyz_frame("inf")), Contains("not finite") && Contains("frame 1"));
    CHECK_THAT(message(good + extxyz_frame("1.0x")), Contains("no number") && Contains("'1.0x'"));
    CHECK_THAT(message(good + "2\nLattice=\"5 0 0 0 5 0 0 0 5\"\nLi 1 1\nSi 1 2 3\n"),
               Contains("has 3 columns"));
    CHECK_THAT(message(good + "2\nLattice=\"5 0 0 0 5 0 0 0 5\"\nLi 1 1 2 3\nSi 1 2 3\n"),
               Contains("has 5 columns") && Contains("4 expected"));
    CHECK_THAT(message(good + "2\nLattice=\"5 0 0 0 5 0 0 0 5\"\nLi 1 1 1\n"),
               Contains("ends inside a frame") && Contains("1 of 2 atoms") && Contains("frame 1"));
    CHECK_THAT(message(good + "3\nLattice=\"5 0 0 0 5 0 0 0 5\"\nLi 1 1 1\nLi 1 1 1\nLi 1 1 1\n"),
               Contains("changes from 2 to 3"));
    CHECK_THAT(message(good + "Li 1 1 1\n"), Contains("number of atoms is expected"));
    CHECK_THAT(message(good + "2\nLattice=\"5 0 0 0 5 0 0 0 5\"\nSi 1 1 1\nLi 1 2 3\n"),
               Contains("order of the atoms"));
    CHECK_THAT(message(good + "2\nno lattice\nLi 1 1 1\nSi 1 2 3\n"), Contains("has no Lattice"));
    CHECK_THAT(message(extxyz_frame("1", "Lattice=\"5 0 0 0 5 0 0 0\"")), Contains("9 numbers expected"));
    CHECK_THAT(message(extxyz_frame("1", "Lattice=\"5 0 0 0 5 0 0 0 5")), Contains("quote is not closed"));
    CHECK_THAT(message(extxyz_frame("1", "Lattice=\"5 0 0 0 5 0 5 5 0\"")), Contains("no volume"));
    CHECK_THAT(message(extxyz_frame("1", "Lattice=\"5 0 0 0 5 0 0 0 5\" Properties=species:S:1:xyz:R:3")),
               Contains("`pos`"));
}

TEST_CASE("the unit of extended xyz times is taken from the key", "[io][trajectory]") {
    const TemporaryFolder folder;
    const auto time_of = [&](const std::string& key) {
        const std::string path =
            folder.file("a.xyz", extxyz_frame("1", "Lattice=\"5 0 0 0 5 0 0 0 5\" " + key + "=250"));
        return test::read_all(path).at(0).time;
    };
    CHECK(time_of("time_ps") == 250);
    CHECK(time_of("time_fs") == Approx(0.25));
    CHECK(time_of("Time") == Approx(0.25));
    const auto source = open_trajectory(folder / "a.xyz");
    REQUIRE(source->notes().size() == 1);
    CHECK_THAT(source->notes()[0], Contains("femtoseconds are assumed"));
}

TEST_CASE("a frame interval that is given replaces the times of the file", "[io][trajectory]") {
    const TemporaryFolder folder;
    const std::string lattice = "Lattice=\"5 0 0 0 5 0 0 0 5\" time_ps=";
    const std::string path =
        folder.file("a.xyz", extxyz_frame("1", lattice + "7") + extxyz_frame("1", lattice + "8") +
                                 extxyz_frame("1", lattice + "9.5"));
    CHECK(test::read_all(path)[2].time == 9.5);
    const auto source = open_trajectory(path);
    CHECK(source->header().frame_interval == 1.0);
    Frame frame;
    while (source->read(frame)) {
    }
    REQUIRE(source->notes().size() == 1);
    CHECK_THAT(source->notes()[0], Contains("1 frames do not follow") && Contains("frame 2"));

    TrajectoryFileOptions options;
    options.frame_interval_ps = 0.5;
    CHECK(test::read_all(path, options)[2].time == 1.0);
    CHECK(open_trajectory(path, options)->header().frame_interval == 0.5);
    options.frame_interval_ps = 0.0;
    CHECK_THAT(message_of<InputError>(path, options), Contains("frame_interval_ps"));
    options = {};
    options.timestep_ps = 0.001;
    CHECK_THAT(message_of<InputError>(path, options), Contains("do not count MD steps"));
}

TEST_CASE("labels in capitals and atomic numbers become element symbols", "[io][trajectory]") {
    const TemporaryFolder folder;
    const std::string path =
        folder.file("a.xyz", "4\nLattice=\"5 0 0 0 5 0 0 0 5\"\nLI 0 0 0\n14 0 0 0\nC 0 0 0\nXx 0 0 0\n");
    CHECK(open_trajectory(path)->header().species == std::vector<std::string>{"Li", "Si", "C", "Xx"});
}

TEST_CASE("CP2K cells are matched by step", "[io][trajectory]") {
    const TemporaryFolder folder;
    const auto frame = [](int step) {
        return "1\n i = " + std::to_string(step) + ", time = " + std::to_string(step) +
               ".0, E = -1.0\nLi 1 2 3\n";
    };
    const auto row = [](int step, double a) {
        return std::to_string(step) + " 0.0 " + std::to_string(a) + " 0 0 0 5 0 0 0 5 125\n";
    };
    const std::string path = folder.file("run-pos-1.xyz", frame(0) + frame(10) + frame(20));
    SECTION("the cell file beside it is found, its other rows are skipped") {
        folder.file("run-1.cell",
                    "# head\n" + row(0, 5) + row(5, 5.5) + row(10, 6) + row(15, 6.5) + row(20, 7));
        const auto frames = test::read_all(path);
        REQUIRE(frames.size() == 3);
        CHECK(frames[1].cell.vectors()(0, 0) == 6);
        CHECK(frames[2].cell.vectors()(0, 0) == 7);
        CHECK(frames[2].time == Approx(0.02));
    }
    SECTION("a step without a cell is refused") {
        folder.file("run-1.cell", row(0, 5) + row(5, 5.5) + row(15, 6.5) + row(20, 7));
        CHECK_THAT(message_of<FileError>(path), Contains("no cell for step 10"));
    }
    SECTION("rows that are all the same need not hold every step") {
        folder.file("run-1.cell", row(0, 5) + row(5, 5) + row(15, 5) + row(20, 5));
        CHECK(test::read_all(path).size() == 3);
    }
    SECTION("a changing cell cannot be used without steps") {
        TrajectoryFileOptions options;
        options.format = "xyz";
        options.cell_file = folder.file("c.cell", row(0, 5) + row(5, 6));
        CHECK_THAT(message_of<InputError>(path, options), Contains("no steps to match"));
        options.cell_file = folder.file("d.cell", row(0, 5) + row(5, 5));
        CHECK(test::read_all(path, options).size() == 3);
    }
    SECTION("no cell at all") { CHECK_THAT(message_of<InputError>(path), Contains(".cell file of the run")); }
}

TEST_CASE("steps that come again are dropped, a second run in the file is refused", "[io][trajectory]") {
    const TemporaryFolder folder;
    const auto frame = [](int step) {
        return dump_frame(step, "1 1 " + std::to_string(step) + "e-3 1 1\n2 2 1 1 1\n");
    };
    const auto source = open_trajectory(
        folder.file("a.dump", frame(0) + frame(100) + frame(200) + frame(100) + frame(200) + frame(300)),
        types());
    Frame read;
    std::vector<double> x;
    while (source->read(read)) x.push_back(read.positions[0][0]);
    CHECK(x == std::vector<double>{0, 0.1, 0.2, 0.3});
    CHECK(read.index == 3);
    CHECK_THAT(source->notes().at(0), Contains("2 frames that repeat"));
    CHECK_THAT(
        message_of<FileError>(folder.file("b.dump", frame(0) + frame(100) + frame(0) + frame(100)), types()),
        Contains("two runs in one file") && Contains("Split it"));
}

TEST_CASE("dump types need a map that names all of them", "[io][trajectory]") {
    const TemporaryFolder folder;
    const std::string path = folder.file("a.dump", dump_frame(0, "1 1 1 1 1\n2 2 1 1 1\n"));
    CHECK_THAT(message_of<InputError>(path), Contains("type 1 has no element") && Contains("1, 2") &&
                                                 Contains("types = { \"1\" = \"Li\" }"));
    CHECK_THAT(message_of<InputError>(path, types({{1, "Li"}})), Contains("type 2 has no element"));
    CHECK(open_trajectory(path, types())->header().species == std::vector<std::string>{"Li", "Si"});
    // LAMMPS writes C for every element that the run did not name: the map of the user wins.
    const std::string both =
        folder.file("b.dump", dump_frame(0, "1 1 C 1 1 1\n2 2 C 1 1 1\n", 2, "id type element x y z"));
    CHECK(open_trajectory(both, types())->header().species == std::vector<std::string>{"Li", "Si"});
    CHECK(open_trajectory(both)->header().species == std::vector<std::string>{"C", "C"});
}

TEST_CASE("damaged dumps name line and frame", "[io][trajectory]") {
    const TemporaryFolder folder;
    const std::string good = dump_frame(0, "1 1 1 1 1\n2 2 1 1 1\n");
    const auto message = [&](const std::string& text) {
        return message_of<FileError>(folder.file("a.dump", text), types());
    };
    CHECK_THAT(message(good + dump_frame(1, "1 1 1 1 1\n2 2 1 NaN 1\n")),
               Contains("a.dump:22:") && Contains("y is not finite") && Contains("frame 1"));
    CHECK_THAT(message(good + dump_frame(1, "1 1 1 1 1\n")), Contains("ends inside a frame"));
    CHECK_THAT(message(good + "ITEM: TIMESTEP\n1\nITEM: NUMBER OF ATOMS\n"), Contains("ends inside a frame"));
    CHECK_THAT(message(good + dump_frame(1, "1 1 1 1 1\n", 1)),
               Contains("changes from 2 to 1") && Contains("split the file"));
    CHECK_THAT(message(good + dump_frame(1, "1 1 1 1 1\n3 2 1 1 1\n")),
               Contains("id 3 was not in the first frame"));
    CHECK_THAT(message(good + dump_frame(1, "1 1 1 1 1\n1 1 1 1 1\n")), Contains("id 1 comes twice"));
    CHECK_THAT(message(dump_frame(1, "1 1 1 1 1\n1 1 1 1 1\n")), Contains("id 1 comes twice"));
    CHECK_THAT(message(good + dump_frame(1, "1 2 1 1 1\n2 2 1 1 1\n")), Contains("id 1 changes its type"));
    CHECK_THAT(message(good + dump_frame(1, "1 1 1 1 1\n2 2 1 1 1\n3 1 1 1 1\n") + good),
               Contains("'ITEM:' is expected"));
    CHECK_THAT(message(dump_frame(0, "1 1\n2 2\n", 2, "id type")),
               Contains("no coordinates") && Contains("id type"));
    CHECK_THAT(message(dump_frame(0, "1 1 1 1\n", 1, "id x y z")), Contains("what the atoms are"));
    CHECK_THAT(message(good + dump_frame(1, "1 1 1 1 1\n2 2 1 1 1\n", 2, "id type xu yu zu")),
               Contains("the columns change"));
    CHECK_THAT(message("ITEM: TIMESTEP\n0\nITEM: ATOMS id type x y z\n"),
               Contains("no number of atoms or no box"));
    CHECK_THAT(message_of<InputError>(folder.file("lj.dump", "ITEM: UNITS\nlj\n" + good), types()),
               Contains("units 'lj'"));
}

TEST_CASE("ids of any size and gaps sort the atoms", "[io][trajectory]") {
    const TemporaryFolder folder;
    const std::string path =
        folder.file("a.dump", dump_frame(0, "9000000000 1 1 1 1\n7 2 2 2 2\n12 1 3 3 3\n", 3) +
                                  dump_frame(1, "12 1 3 3 3\n9000000000 1 1 1 1\n7 2 2 2 2\n", 3));
    const auto frames = test::read_all(path, types());
    REQUIRE(frames.size() == 2);
    for (const auto& frame : frames) {
        CHECK(frame.positions[0] == Vec3(2, 2, 2));
        CHECK(frame.positions[1] == Vec3(3, 3, 3));
        CHECK(frame.positions[2] == Vec3(1, 1, 1));
    }
    CHECK(open_trajectory(path, types())->header().species == std::vector<std::string>{"Si", "Li", "Li"});
}

TEST_CASE("dumps without ids are read in the order of their lines, which is said", "[io][trajectory]") {
    const TemporaryFolder folder;
    const auto source =
        open_trajectory(folder.file("a.dump", dump_frame(0, "2 1 1 1\n1 2 2 2\n", 2, "type x y z")), types());
    CHECK(source->header().species == std::vector<std::string>{"Si", "Li"});
    CHECK_THAT(source->notes().at(0), Contains("no column `id`"));
}

TEST_CASE("damaged XDATCAR files name line and frame", "[io][trajectory]") {
    const TemporaryFolder folder;
    const std::string one = "Direct configuration=     1\n0.1 0.2 0.3\n0.4 0.5 0.6\n";
    const auto message = [&](const std::string& text) {
        return message_of<FileError>(folder.file("XDATCAR", text));
    };
    CHECK(test::read_all(folder.file("XDATCAR", xdatcar_head + one + one + "\n")).size() == 2);
    CHECK_THAT(message(xdatcar_head + one + "Direct configuration= 2\n0.1 0.2 nan\n0.4 0.5 0.6\n"),
               Contains("XDATCAR:12:") && Contains("z is not finite") && Contains("frame 1"));
    CHECK_THAT(message(xdatcar_head + one + "Direct configuration= 2\n0.1 0.2 0.3\n"),
               Contains("1 of 2 atoms"));
    CHECK_THAT(message(xdatcar_head + one + "0.7 0.8 0.9\n"), Contains("scale factor"));
    CHECK_THAT(message(xdatcar_head + one + "\n" + one), Contains("an empty line is not expected"));
    CHECK_THAT(message(xdatcar_head + one + "title\n1.0\n5 0 0\n0 5 0\n0 0 5\nLi Si\n2 1\n" + one),
               Contains("the atoms change"));
    TrajectoryFileOptions options;
    options.format = "xdatcar";
    CHECK_THAT(
        message_of<FileError>(folder.file("X4", "title\n1.0\n5 0 0\n0 5 0\n0 0 5\n1 1\n" + one), options),
        Contains("VASP 4"));
    CHECK_THAT(message_of<FileError>(folder.file("X", xdatcar_head), options), Contains("no frame follows"));
    options.timestep_ps = 0.001;
    CHECK_THAT(message_of<InputError>(folder.file("Y", xdatcar_head + one), options),
               Contains("Give frame_interval_ps"));
}

TEST_CASE("a gzip file cut anywhere is refused", "[io][trajectory]") {
    const TemporaryFolder folder;
    std::string text;
    for (int t = 0; t < 300; ++t) text += extxyz_frame(std::to_string(0.001 * t * t));
    write_packed(folder / "a.xyz.gz", text);
    CHECK(test::read_all(folder / "a.xyz.gz").size() == 300);
    std::ifstream file(folder / "a.xyz.gz", std::ios::binary);
    const std::string packed((std::istreambuf_iterator<char>(file)), {});
    for (const std::size_t length :
         {packed.size() / 3, packed.size() / 2, packed.size() - 9, packed.size() - 1}) {
        INFO(length << " of " << packed.size() << " bytes");
        CHECK_THAT(message_of<FileError>(folder.file("b.xyz.gz", packed.substr(0, length))),
                   Contains("b.xyz.gz") && Contains("ends too early"));
    }
    std::string wrong = packed;
    wrong[wrong.size() / 2] = static_cast<char>(wrong[wrong.size() / 2] ^ 0x55);
    CHECK_THAT(message_of<FileError>(folder.file("c.xyz.gz", wrong)), Contains("c.xyz.gz"));
    // gzip files joined by cat are one file.
    CHECK(test::read_all(folder.file("d.xyz.gz", packed + packed)).size() == 600);
}

TEST_CASE("lines are read right wherever the blocks of the file end", "[io][trajectory]") {
    const TemporaryFolder folder;
    // 4 MB of lines of all lengths: block boundaries fall everywhere in them.
    std::string text;
    std::vector<double> expected;
    for (int t = 0; t < 40'000; ++t) {
        const double x = 0.001 * (t % 5000);
        expected.push_back(x);
        text += extxyz_frame(std::to_string(x), "Lattice=\"5 0 0 0 5 0 0 0 5\" k" + std::string(t % 61, 'x'));
    }
    const std::string path = folder.file("a.xyz", text);
    const auto source = open_trajectory(path);
    Frame frame;
    std::size_t n = 0, wrong = 0;
    while (source->read(frame)) wrong += frame.positions[0][0] != Approx(expected[n++]).margin(1e-9) ? 1 : 0;
    CHECK(n == expected.size());
    CHECK(wrong == 0);
    CHECK(source->fraction_read() == 1.0);

    // A line longer than the buffer.
    const std::string longest =
        extxyz_frame("1", "Lattice=\"5 0 0 0 5 0 0 0 5\" k" + std::string(3'000'000, 'y'));
    CHECK(test::read_all(folder.file("b.xyz", longest + longest)).size() == 2);
}

TEST_CASE("numbers are read as strtod reads them, to the last bit", "[io][trajectory]") {
    const TemporaryFolder folder;
    std::string text;
    std::vector<std::string> words{"0",
                                   "-0.0",
                                   "+1.5",
                                   ".5",
                                   "5.",
                                   "1e3",
                                   "-1.25E-3",
                                   "0.1",
                                   "1e-310",
                                   "123456789.0123455",
                                   "0.30000000000000004",
                                   "900719.9254740993",
                                   "3.14159265358979323846264338327950288"};
    std::uint64_t state = 88172645463325252u;
    for (int i = 0; i < 3000; ++i) {
        state ^= state << 13, state ^= state >> 7, state ^= state << 17;
        char word[64];
        std::snprintf(word, sizeof word, "%.*f", static_cast<int>(state % 17),
                      (static_cast<double>(state >> 11) * 0x1p-53 - 0.5) *
                          std::pow(10.0, static_cast<double>(state % 7)));
        words.emplace_back(word);
    }
    text = std::to_string(words.size()) + "\nLattice=\"5 0 0 0 5 0 0 0 5\"\n";
    for (const auto& word : words) text += "Li " + word + " 0 0\n";
    const auto frames = test::read_all(folder.file("a.xyz", text));
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < words.size(); ++i) {
        const double expected = std::strtod(words[i].c_str(), nullptr), found = frames[0].positions[i][0];
        if (found != expected || std::signbit(found) != std::signbit(expected)) ++wrong;
    }
    CHECK(wrong == 0);
}

TEST_CASE("a file without a last line break is read and the doubt is said", "[io][trajectory]") {
    const TemporaryFolder folder;
    std::string text = extxyz_frame("1.0");
    text.pop_back();
    const auto source = open_trajectory(folder.file("a.xyz", text));
    Frame frame;
    REQUIRE(source->read(frame));
    CHECK(frame.positions[1] == Vec3(1, 2, 3));
    CHECK_THAT(source->notes().at(0), Contains("does not end with a line break"));
}

TEST_CASE("a number of atoms that the file cannot hold is refused before memory is asked for it",
          "[io][trajectory]") {
    const TemporaryFolder folder;
    CHECK_THAT(message_of<FileError>(
                   folder.file("a.xyz", "4000000000000\nLattice=\"5 0 0 0 5 0 0 0 5\"\nLi 0 0 0\n")),
               Contains("4000000000000 atoms cannot stand in this file"));
    CHECK_THAT(
        message_of<FileError>(
            folder.file("a.dump", "ITEM: TIMESTEP\n0\nITEM: NUMBER OF ATOMS\n4000000000000\n"), types()),
        Contains("cannot stand in this file"));
    CHECK_THAT(message_of<FileError>(folder.file(
                   "XDATCAR", "t\n1\n5 0 0\n0 5 0\n0 0 5\nLi\n4000000000000\nDirect configuration= 1\n")),
               Contains("cannot stand in this file"));
}

TEST_CASE("text files with random damage are read or refused, and never crash the program",
          "[io][trajectory]") {
    const TemporaryFolder folder;
    const std::string pack_folder = std::string(MESOLITH_SOURCE_DIR) + "/tests/data/format_pack/";
    std::uint64_t state = 0x9e3779b97f4a7c15u;
    const auto draw = [&](std::size_t n) {
        state ^= state << 13, state ^= state >> 7, state ^= state << 17;
        return static_cast<std::size_t>(state % n);
    };
    const std::string characters = "0123456789.-+eE \t\n\r=\"'{}:#nanITEMxyz\0\xff";
    TrajectoryFileOptions options = types();
    options.cell_file = pack_folder + "skew.pbc";
    int refused = 0, read = 0;
    for (const char* name : {"skew_plain.extxyz", "skew_columns.xyz.gz", "skew_flags.lammpstrj",
                             "skew_xsu.lammpstrj", "turned_xs.lammpstrj", "varying_XDATCAR",
                             "skew_cartesian.XDATCAR", "varying-pos-1.xyz", "skew_free.xyz"}) {
        std::ifstream file(pack_folder + name, std::ios::binary);
        const std::string good((std::istreambuf_iterator<char>(file)), {});
        REQUIRE(!good.empty());
        for (int k = 0; k < 60; ++k) {
            std::string bad = good;
            for (std::size_t m = draw(4) + 1; m > 0; --m) {
                const std::size_t at = draw(bad.size());
                switch (draw(4)) {
                case 0:
                    bad[at] = characters[draw(characters.size())];
                    break;
                case 1:
                    bad.erase(at, draw(200));
                    break;
                case 2:
                    bad.insert(at, bad.substr(draw(bad.size()), draw(200)));
                    break;
                default:
                    bad.insert(at, 1 + draw(30), characters[draw(characters.size())]);
                    break;
                }
                if (bad.empty()) bad = "x";
            }
            try {
                test::read_all(folder.file(name, bad), options);
                ++read;
            } catch (const Error& error) {
                ++refused;
                const std::string message = error.what();
                CHECK_THAT(message, Contains(name) || Contains(".pbc"));
            }
        }
    }
    CHECK(refused > 300);
    CHECK(read > 10); // damage to a comment or a digit may go unseen
}
