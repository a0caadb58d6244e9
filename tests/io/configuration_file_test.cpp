#include <fstream>

#include "mesolith/core/error.hpp"
#include "mesolith/io/configuration_file.hpp"

#include "support/catch.hpp"
#include "support/contains_text.hpp"
#include "support/temporary_folder.hpp"

using namespace mesolith;
using test::contains_text;

namespace {

std::string file_with(const test::TemporaryFolder& folder, const std::string& text) {
    const std::string path = folder / "frames.extxyz";
    std::ofstream(path) << text;
    return path;
}

const char* const two_frames =
    "1\nLattice=\"5 0 0 0 6 0 1 0 7\" Properties=species:S:1:pos:R:3\nLi 9 0.5 -1\n"
    "2\nLattice=\"4 0 0 0 4 0 0 0 4\" Properties=species:S:1:forces:R:3:pos:R:3\n"
    "Si 7 7 7 1 2 3\nLi 8 8 8 0 0 0\n";

} // namespace

TEST_CASE("frames of an extended xyz file may differ in cell, atoms and columns", "[configuration]") {
    const test::TemporaryFolder folder;
    const auto frames = read_configurations(file_with(folder, two_frames));
    REQUIRE(frames.size() == 2);
    CHECK(frames[0].cell.vectors()(2, 0) == 1);
    CHECK(frames[0].positions == std::vector<Vec3>{Vec3(9, 0.5, -1)});
    CHECK(frames[1].species == std::vector<std::string>{"Si", "Li"});
    CHECK(frames[1].positions[0] == Vec3(1, 2, 3));
}

TEST_CASE("a crystal is one configuration in Cartesian coordinates", "[configuration]") {
    const auto frames =
        read_configurations(std::string(MESOLITH_SOURCE_DIR) + "/inputs/structures/Li13Si4.POSCAR");
    REQUIRE(frames.size() == 1);
    CHECK(frames[0].species.size() == 34);
}

TEST_CASE("a frame that is cut off or has no cell is named", "[configuration]") {
    const test::TemporaryFolder folder;
    const std::string text = two_frames;
    CHECK_THROWS_WITH(read_configurations(file_with(folder, text.substr(0, text.size() - 13))),
                      contains_text("frame 1"));
    CHECK_THROWS_AS(read_configurations(file_with(folder, "1\nLattice=\"1 0 0 1 0 0 0 0 1\"\nLi 0 0 0\n")),
                    FileError);
    CHECK_THROWS_AS(read_configurations(folder / "none.extxyz"), InputError);
}
