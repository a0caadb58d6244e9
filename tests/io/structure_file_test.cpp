#include <random>

#include "mesolith/core/error.hpp"
#include "mesolith/io/structure_file.hpp"

#include "support/catch.hpp"
#include "support/temporary_folder.hpp"

using namespace mesolith;
using Catch::Matchers::Contains;
using mesolith::test::TemporaryFolder;

namespace {

Structure random_structure(unsigned seed) {
    std::mt19937 engine(seed);
    std::uniform_real_distribution<double> uniform(-1, 2);
    Structure structure;
    Mat3 rows;
    rows << 5, 0.1, -0.2, 2.3, 6, 0.3, -1.7, 0.4, 7;
    structure.cell = Cell(rows);
    for (const char* name : {"Li", "Li", "Si", "Li", "O"}) {
        structure.species.emplace_back(name);
        structure.fractional.emplace_back(uniform(engine), uniform(engine), uniform(engine));
    }
    return structure;
}

std::string message_of(const std::string& path) {
    try {
        (void)read_structure(path);
    } catch (const Error& error) {
        return error.what();
    }
    return {};
}

} // namespace

TEST_CASE("a written POSCAR comes back to 15 digits", "[io][structure]") {
    const TemporaryFolder folder;
    for (unsigned seed = 0; seed < 20; ++seed) {
        const Structure structure = random_structure(seed);
        write_poscar(folder / "POSCAR", structure);
        const Structure read = read_structure(folder / "POSCAR");
        CHECK((read.cell.vectors() - structure.cell.vectors()).cwiseAbs().maxCoeff() < 1e-14);
        CHECK(read.species == structure.species);
        REQUIRE(read.size() == structure.size());
        for (std::size_t i = 0; i < read.size(); ++i)
            CHECK((read.fractional[i] - structure.fractional[i]).cwiseAbs().maxCoeff() < 1e-15);
    }
}

TEST_CASE("all ways to scale a POSCAR give the same crystal", "[io][structure]") {
    const TemporaryFolder folder;
    const std::string atoms = "Li Si\n1 1\n";
    const std::string direct = "Direct\n0.5 0.25 0.125\n-0.5 1.5 0\n";
    const auto check = [&](const std::string& text) {
        INFO(text);
        const Structure s = read_structure(folder.file("POSCAR", text));
        CHECK((s.cell.vectors() - Mat3(Vec3(4, 8, 2).asDiagonal())).cwiseAbs().maxCoeff() < 1e-12);
        CHECK((s.fractional[0] - Vec3(0.5, 0.25, 0.125)).norm() < 1e-12);
        CHECK((s.fractional[1] - Vec3(-0.5, 1.5, 0)).norm() < 1e-12);
        CHECK(s.species == std::vector<std::string>{"Li", "Si"});
    };
    check("title\n1.0\n4 0 0\n0 8 0\n0 0 2\n" + atoms + direct);
    check("title\n2.0\n2 0 0\n0 4 0\n0 0 1\n" + atoms + direct);
    check("\n-64\n2 0 0\n0 4 0\n0 0 1\n" + atoms + direct); // volume; the title may be empty
    check("title\n2 4 0.5\n2 0 0\n0 2 0\n0 0 4\n" + atoms + direct);
    check("title\n2.0\n2 0 0\n0 4 0\n0 0 1\n" + atoms + "Cartesian\n1 1 0.125\n-1 6 0\n");
    check("title\n2 4 0.5\n2 0 0\n0 2 0\n0 0 4\n" + atoms + "kartesisch\n1 0.5 0.5\n-1 3 0\n");
    check("title\n-64\n2 0 0\n0 4 0\n0 0 1\n" + atoms + "cart\n1 1 0.125\n-1 6 0\n");
    check(
        "title\r\n1.0\r\n4 0 0\r\n0 8 0\r\n0 0 2\r\nLi_sv Si/1a2b\r\n1 1\r\nSelective dynamics\r\nDirect\r\n"
        "0.5 0.25 0.125 T T F Li\r\n-0.5 1.5 0 F F F Si\r\n\r\n0 0 0\r\n0 0 0\r\n");
}

TEST_CASE("the first frame of an extended xyz file is a structure", "[io][structure]") {
    const TemporaryFolder folder;
    const std::string frame = "1\nLattice=\"4 0 0 1 8 0 0 0 2\" Properties=species:S:1:pos:R:3\nLi 2.5 4 1\n";
    const Structure s = read_structure(folder.file("a.xyz", frame + frame));
    CHECK(s.species == std::vector<std::string>{"Li"});
    CHECK((s.fractional[0] - Vec3(0.5, 0.5, 0.5)).norm() < 1e-14);
}

TEST_CASE("files that are no structure are refused with what to do", "[io][structure]") {
    const TemporaryFolder folder;
    const std::string head = "title\n1.0\n4 0 0\n0 8 0\n0 0 2\n";
    const auto poscar = [&](const std::string& rest) {
        return message_of(folder.file("POSCAR", head + rest));
    };
    CHECK_THAT(message_of(folder / "nothing"), Contains("nothing") && Contains("Check the path"));
    CHECK_THAT(message_of(folder.file("a.xyz", "1\n\nLi 0 0 0\n")),
               Contains("has no cell") && Contains("Lattice"));
    CHECK_THAT(message_of(folder.file("a.cif", "data_x\n_cell_length_a 5\n")), Contains("ase convert"));
    CHECK_THAT(message_of(folder.file("a.dump", "ITEM: TIMESTEP\n0\n")), Contains("is a trajectory"));
    CHECK_THAT(message_of(folder.file("a.txt", "what is this\n")), Contains("no structure file"));
    CHECK_THAT(poscar("Li Si\n1 1\nDirect\n0 0 0\n"), Contains("ends inside a frame") && Contains("1 of 2"));
    CHECK_THAT(poscar("Li Si\n1 1\nDirect\n0 0 0\n0 0 nan\n"),
               Contains("POSCAR:10") && Contains("not finite"));
    CHECK_THAT(poscar("Li Si\n1 1\nDirect\n0 0\n0 0 0\n"), Contains("has 2 columns"));
    CHECK_THAT(poscar("Li Si\n1 1\n0 0 0\n0 0 0\n"), Contains("'Direct' or 'Cartesian'"));
    CHECK_THAT(poscar("1 1\nDirect\n0 0 0\n0 0 0\n"), Contains("VASP 4"));
    CHECK_THAT(poscar("Li Si\n1\nDirect\n0 0 0\n0 0 0\n"), Contains("one for each of 2"));
    CHECK_THAT(poscar("Li\n1 1\nDirect\n0 0 0\n0 0 0\n"), Contains("more numbers of atoms"));
    CHECK_THAT(poscar("Li\n0\nDirect\n"), Contains("no atoms"));
    CHECK_THAT(message_of(folder.file("POSCAR", "t\n1\n1 0 0\n0 1 0\n1 1 0\nLi\n1\nDirect\n0 0 0\n")),
               Contains("no volume"));
    CHECK_THAT(message_of(folder.file("POSCAR", "t\n0\n1 0 0\n0 1 0\n0 0 1\nLi\n1\nDirect\n0 0 0\n")),
               Contains("scale factor"));
    CHECK_THAT(message_of(folder.file("POSCAR", "t\n-8 2 2\n1 0 0\n0 1 0\n0 0 1\nLi\n1\nDirect\n0 0 0\n")),
               Contains("must be positive"));
    Structure odd = random_structure(1);
    odd.fractional.pop_back();
    CHECK_THROWS_AS(write_poscar(folder / "X", odd), DataError);
}
