#include <cstdio>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>

#include "mesolith/core/error.hpp"
#include "mesolith/io/hdf5.hpp"
#include "mesolith/io/mace_file.hpp"
#include "mesolith/md/native_mace.hpp"
#include "mesolith/trajectory/elements.hpp"

#include "support/catch.hpp"
#include "support/contains_text.hpp"
#include "support/temporary_folder.hpp"

using namespace mesolith;
using namespace mesolith::test;

namespace {

const std::string models = std::string(MESOLITH_SOURCE_DIR) + "/inputs/models/";
const std::string shipped = models + "li_si_mace16.h5";

struct ReferenceFrame {
    SelfTest results;
    Mat3 stress;
};

/// The text behind KEY=" or KEY= in the comment of a frame.
std::istringstream value_of(const std::string& comment, const std::string& key) {
    const std::size_t at = comment.find(key + "=");
    REQUIRE(at != std::string::npos);
    std::string rest = comment.substr(at + key.size() + 1);
    if (rest.front() == '"') rest = rest.substr(1, rest.find('"', 1) - 1);
    return std::istringstream(rest);
}

/// ASE's node energies of mace leave the isolated atoms out.
std::vector<ReferenceFrame> reference_frames(const FoldedMace& model) {
    std::ifstream file(models + "li_si_mace16_reference.extxyz");
    std::vector<ReferenceFrame> frames;
    for (std::string line; std::getline(file, line);) {
        const std::size_t n = std::stoul(line);
        std::string comment;
        std::getline(file, comment);
        ReferenceFrame frame;
        Mat3 rows;
        auto lattice = value_of(comment, "Lattice"), stress = value_of(comment, "stress");
        for (int k = 0; k < 9; ++k) {
            lattice >> rows(k / 3, k % 3);
            stress >> frame.stress(k / 3, k % 3);
        }
        frame.results.cell = Cell(rows);
        value_of(comment, " energy") >> frame.results.energy;
        for (std::size_t i = 0; i < n; ++i) {
            std::string symbol;
            Vec3 x, f;
            double e = 0;
            std::getline(file, line);
            std::istringstream(line) >> symbol >> x[0] >> x[1] >> x[2] >> f[0] >> f[1] >> f[2] >> e;
            frame.results.numbers.push_back(atomic_number(symbol));
            frame.results.positions.push_back(x);
            frame.results.forces.push_back(f);
            const auto element =
                std::find(model.elements.begin(), model.elements.end(), atomic_number(symbol));
            const auto row = static_cast<std::size_t>(element - model.elements.begin());
            frame.results.atom_energy.push_back(e + model.isolated.at(row));
        }
        frames.push_back(frame);
    }
    return frames;
}

/// Largest differences from the frames.
struct Difference {
    double force = 0, atom_energy = 0, energy = 0, virial = 0; // [eV/A], [eV]
};
Difference difference(ForceField& field, const std::vector<ReferenceFrame>& frames) {
    Difference d;
    for (const ReferenceFrame& frame : frames) {
        const SelfTest& expected = frame.results;
        Forces result;
        field.evaluate(expected.cell, expected.numbers, expected.positions, result, true);
        for (std::size_t i = 0; i < expected.numbers.size(); ++i) {
            d.force = std::max(d.force, (result.forces[i] - expected.forces[i]).cwiseAbs().maxCoeff());
            d.atom_energy =
                std::max(d.atom_energy, std::abs(result.atom_energy[i] - expected.atom_energy[i]));
        }
        d.energy = std::max(d.energy, std::abs(result.energy - expected.energy));
        const Mat3 virial = -expected.cell.volume() * frame.stress;
        d.virial = std::max(d.virial, (result.virial - virial).cwiseAbs().maxCoeff());
    }
    return d;
}

} // namespace

TEST_CASE("the shipped model gives the energies, forces and virials of mace-torch", "[io][mace]") {
    const FoldedMace model = read_folded_mace(shipped);
    const auto frames = reference_frames(model);
    REQUIRE(frames.size() == 5);
    // The splines alone: 4.0e-6 eV/A, 6.4e-9 eV of an atom, 1.0e-7 eV of 204 atoms and 8.1e-6 eV of a virial.
    NativeMace exact(model, MacePrecision::double_precision);
    const Difference folding = difference(exact, frames);
    CHECK(folding.force < 5e-6);
    CHECK(folding.force <= model.force_error * 1.001 + 1e-12);
    CHECK(folding.atom_energy < 1e-8);
    CHECK(folding.energy < 2e-7);
    CHECK(folding.virial < 1e-5);
    // Rounding adds 1e-7 eV/A to the forces, 1e-6 eV to an atom, 3e-6 eV to all.
    NativeMace fast(model, MacePrecision::single_precision);
    const Difference rounding = difference(fast, frames);
    CHECK(rounding.force < 5e-6);
    CHECK(rounding.atom_energy < 2e-6);
    CHECK(rounding.energy < 1e-5);
    CHECK(rounding.virial < 2e-5);
}

TEST_CASE("a folded model says what it is and passes its own test", "[io][mace]") {
    const FoldedMace model = read_folded_mace(shipped);
    CHECK(model.elements == std::vector<int>{3, 14});
    CHECK(model.cutoff == 5.0);
    CHECK(model.l_max == 2);
    CHECK(model.layers[0].channels == 16);
    CHECK(model.zbl.has_value());
    CHECK(model.source == "li_si_mace16.model");
    CHECK(model.source_sha256.size() == 64);
    REQUIRE(model.self_test);
    NativeMace field(model, MacePrecision::double_precision);
    CHECK(force_difference(field, *model.self_test) <= model.force_error * 1.001 + 1e-12);
}

TEST_CASE("a damaged folded model is refused by name", "[io][mace]") {
    const TemporaryFolder folder;
    const std::string copy = folder / "model.h5";
    const auto fresh = [&] {
        std::filesystem::copy_file(shipped, copy, std::filesystem::copy_options::overwrite_existing);
        std::filesystem::permissions(copy, std::filesystem::perms::owner_all);
    };
    fresh();
    std::filesystem::resize_file(copy, std::filesystem::file_size(copy) / 2);
    CHECK_THROWS_AS(read_folded_mace(copy), FileError);
    CHECK_THROWS_AS(read_folded_mace(folder / "none.h5"), InputError);
    {
        Hdf5File other = Hdf5File::create(copy);
        other.write_scalar("x", 1.0);
        other.commit();
    }
    CHECK_THROWS_WITH(read_folded_mace(copy), contains_text("not a folded MACE model"));

    fresh();
    {
        Hdf5File file = Hdf5File::modify(copy);
        file.set_attribute("version", std::int32_t(2));
        file.commit();
    }
    CHECK_THROWS_WITH(read_folded_mace(copy), contains_text("version 2"));

    const auto replace = [&](const std::string& name, std::vector<double> values) {
        fresh();
        Hdf5File file = Hdf5File::modify(copy);
        file.remove(name);
        file.write(name, values);
        file.commit();
    };
    replace("message_bias", std::vector<double>(31, 0.0));
    CHECK_THROWS_WITH(read_folded_mace(copy), contains_text("31 numbers in 'message_bias' (expected 32)"));
    replace("isolated", {1.0, std::numeric_limits<double>::quiet_NaN()});
    CHECK_THROWS_WITH(read_folded_mace(copy), contains_text("'isolated' that is not finite"));
    CHECK_THROWS_AS(read_folded_mace(copy), FileError);
}
