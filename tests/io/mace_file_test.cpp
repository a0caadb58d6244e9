#include <cmath>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <Eigen/Geometry>

#include "mesolith/core/error.hpp"
#include "mesolith/core/random.hpp"
#include "mesolith/core/vector_units.hpp"
#include "mesolith/io/configuration_file.hpp"
#include "mesolith/io/file.hpp"
#include "mesolith/io/mace_file.hpp"
#include "mesolith/md/native_mace.hpp"
#include "mesolith/trajectory/elements.hpp"

#include "support/catch.hpp"
#include "support/contains_text.hpp"
#include "support/temporary_folder.hpp"

using namespace mesolith;
using test::contains_text;

namespace {

const std::string folder = std::string(MESOLITH_SOURCE_DIR) + "/inputs/models/";

const FoldedMace& shipped_model() {
    static const FoldedMace model = read_folded_mace(folder + "li_si_mace16.h5");
    return model;
}

/// A frame with the results of mace-torch in double precision.
struct Reference {
    Cell cell;
    std::vector<int> numbers;
    std::vector<Vec3> positions, forces;
    std::vector<double> atom_energy; // without isolated atoms
    double energy = 0;
    Mat3 stress;
};

std::vector<Reference> references() {
    const std::string path = folder + "li_si_mace16_reference.extxyz";
    std::istringstream text(read_text_file(path));
    std::vector<Reference> all;
    for (const Configuration& frame : read_configurations(path)) {
        Reference r{frame.cell, {}, frame.positions, {}, {}, 0, Mat3::Zero()};
        std::string line;
        std::getline(text, line);
        std::getline(text, line);
        r.energy = std::stod(line.substr(line.find(" energy=") + 8));
        std::istringstream stress(line.substr(line.find("stress=\"") + 8));
        for (int i = 0; i < 9; ++i) stress >> r.stress(i / 3, i % 3);
        for (std::size_t i = 0; i < frame.species.size(); ++i) {
            std::string symbol;
            double x = 0, y = 0, z = 0, e = 0;
            Vec3 f;
            text >> symbol >> x >> y >> z >> f[0] >> f[1] >> f[2] >> e;
            r.numbers.push_back(atomic_number(symbol));
            r.forces.push_back(f);
            r.atom_energy.push_back(e);
        }
        std::getline(text, line);
        all.push_back(r);
    }
    return all;
}

/// Moved at random by up to 0.1 A.
Reference rattled(const Reference& r, std::uint64_t seed) {
    Reference moved = r;
    Stream random(seed, RngUse::test, 0, 0);
    for (Vec3& p : moved.positions)
        for (int k = 0; k < 3; ++k) p[k] += 0.2 * (uniform01(random) - 0.5);
    return moved;
}

} // namespace

TEST_CASE("the folded model has energies, forces and stress of mace-torch in five frames", "[mace]") {
    const auto frames = references();
    REQUIRE(frames.size() == 5);
    const MacePrecision precision =
        GENERATE(MacePrecision::double_precision, MacePrecision::single_precision);
    const bool exact = precision == MacePrecision::double_precision;
    NativeMace field(shipped_model(), precision);
    Forces forces;
    for (const Reference& r : frames) {
        field.evaluate(r.cell, r.numbers, r.positions, forces, true);
        const auto atoms = static_cast<double>(r.numbers.size());
        // 512 knots: splines are 4e-6 eV/A off
        CHECK(std::abs(forces.energy - r.energy) < (exact ? 2e-9 : 1e-7) * atoms);
        double total = 0;
        for (std::size_t i = 0; i < r.numbers.size(); ++i) {
            const double alone = shipped_model().isolated[r.numbers[i] == 3 ? 0 : 1];
            REQUIRE(std::abs(forces.atom_energy[i] - alone - r.atom_energy[i]) < (exact ? 2e-6 : 1e-5));
            REQUIRE((forces.forces[i] - r.forces[i]).cwiseAbs().maxCoeff() < (exact ? 5e-6 : 1e-4));
            total += forces.atom_energy[i];
        }
        CHECK(total == Approx(forces.energy).epsilon(1e-14));
        CHECK((forces.stress(r.cell) - r.stress).cwiseAbs().maxCoeff() < (exact ? 1e-8 : 1e-6));
    }
}

TEST_CASE("forces and virial of the folded model are derivatives of its energy", "[mace]") {
    const Reference r = rattled(references()[0], 5); // sees its own images
    NativeMace field(shipped_model(), MacePrecision::double_precision);
    Forces at, plus, minus;
    field.evaluate(r.cell, r.numbers, r.positions, at, true);
    const double h = 1e-4;
    for (const std::size_t atom : {0u, 13u, 33u})
        for (int k = 0; k < 3; ++k) {
            Reference moved = r;
            moved.positions[atom][k] += h;
            field.evaluate(r.cell, r.numbers, moved.positions, plus);
            moved.positions[atom][k] -= 2 * h;
            field.evaluate(r.cell, r.numbers, moved.positions, minus);
            CHECK(at.forces[atom][k] == Approx(-(plus.energy - minus.energy) / (2 * h)).margin(2e-5));
        }
    for (int i = 0; i < 3; ++i)
        for (int j = 0; j < 3; ++j) {
            const auto energy_at = [&](double strain) {
                Mat3 e = Mat3::Identity();
                e(i, j) += strain;
                std::vector<Vec3> strained;
                for (const Vec3& p : r.positions) strained.push_back(e.transpose() * p);
                field.evaluate(Cell(r.cell.vectors() * e), r.numbers, strained, plus);
                return plus.energy;
            };
            CHECK(at.virial(i, j) == Approx(-(energy_at(h) - energy_at(-h)) / (2 * h)).margin(2e-3));
        }
}

TEST_CASE("energies do not change when atoms are renumbered, wrapped, or the crystal is turned", "[mace]") {
    const Reference r = rattled(references()[2], 6);
    NativeMace field(shipped_model(), MacePrecision::double_precision);
    Forces at, other;
    field.evaluate(r.cell, r.numbers, r.positions, at);
    const std::vector<int> numbers(r.numbers.rbegin(), r.numbers.rend());
    field.evaluate(r.cell, numbers, std::vector<Vec3>(r.positions.rbegin(), r.positions.rend()), other);
    CHECK(other.energy == Approx(at.energy).epsilon(1e-12));
    const Mat3 turn = Eigen::AngleAxisd(0.7, Vec3(1, 2, -1).normalized()).toRotationMatrix();
    std::vector<Vec3> turned;
    for (std::size_t i = 0; i < r.positions.size(); ++i)
        turned.push_back(
            turn * (r.positions[i] + r.cell.to_cartesian(Vec3(i % 3 == 0 ? 4 : 0, i % 2 == 0 ? -3 : 1, 0))));
    field.evaluate(Cell(r.cell.vectors() * turn.transpose()), r.numbers, turned, other);
    CHECK(other.energy == Approx(at.energy).epsilon(1e-12));
    for (std::size_t i = 0; i < r.positions.size(); ++i)
        REQUIRE((other.forces[i] - turn * at.forces[i]).norm() < 1e-9);
}

TEST_CASE("all vector units give the same forces, and a clone the same bits", "[mace]") {
    const VectorUnits best = vector_units();
    const Reference r = references()[3];
    NativeMace field(shipped_model(), MacePrecision::double_precision);
    Forces with_best, with_less;
    field.evaluate(r.cell, r.numbers, r.positions, with_best, true);
    field.clone()->evaluate(r.cell, r.numbers, r.positions, with_less, true);
    CHECK(with_less.energy == with_best.energy);
    CHECK(with_less.forces == with_best.forces);
    for (const VectorUnits units : {VectorUnits::baseline, VectorUnits::avx2}) {
        limit_vector_units(units);
        NativeMace limited(shipped_model(), MacePrecision::double_precision);
        limited.evaluate(r.cell, r.numbers, r.positions, with_less, true);
        for (std::size_t i = 0; i < r.positions.size(); ++i)
            REQUIRE((with_less.forces[i] - with_best.forces[i]).norm() < 1e-11);
        CHECK((with_less.virial - with_best.virial).norm() < 1e-9);
    }
    limit_vector_units(best);
}

TEST_CASE("the frame in the file is that of the original", "[mace]") {
    REQUIRE(shipped_model().self_test);
    NativeMace field(shipped_model(), MacePrecision::double_precision);
    CHECK(force_difference(field, *shipped_model().self_test) < 5e-6);
    CHECK(force_difference(field, *shipped_model().self_test) > 1e-12);
}

TEST_CASE("a model file that is not one, cut off or asked for another element is refused", "[mace]") {
    const test::TemporaryFolder temporary;
    CHECK_THROWS_AS(read_folded_mace(temporary / "none.h5"), InputError);
    CHECK_THROWS_AS(read_folded_mace(temporary.file("text.h5", "no HDF5")), Error);
    const std::string whole = read_text_file(folder + "li_si_mace16.h5");
    for (const std::size_t bytes : {std::size_t{600}, whole.size() / 2, whole.size() - 10})
        CHECK_THROWS_AS(read_folded_mace(temporary.file("cut.h5", whole.substr(0, bytes))), Error);
    NativeMace field(shipped_model());
    Forces forces;
    const std::vector<int> numbers{3, 8};
    const std::vector<Vec3> positions{Vec3(0, 0, 0), Vec3(2, 0, 0)};
    CHECK_THROWS_WITH(field.evaluate(Cell(Mat3::Identity() * 9.0), numbers, positions, forces),
                      contains_text("O"));
    CHECK_THROWS_AS(field.evaluate(Cell(Mat3::Identity() * 9.0), std::vector<int>{3}, positions, forces),
                    DataError);
}
