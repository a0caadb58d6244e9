// No header of torch here: it defines a CHECK of its own.
#include <cmath>
#include <fstream>
#include <iterator>
#include <limits>
#include <sstream>

#include "mesolith/core/error.hpp"
#include "mesolith/core/parallel.hpp"
#include "mesolith/mace/torch_mace.hpp"
#include "mesolith/trajectory/elements.hpp"

#include "support/catch.hpp"
#include "support/contains_text.hpp"
#include "support/temporary_folder.hpp"

using namespace mesolith;
using namespace mesolith::test;

namespace {

constexpr auto single = MacePrecision::single_precision;
constexpr auto full = MacePrecision::double_precision;
const std::string models = std::string(MESOLITH_SOURCE_DIR) + "/inputs/models/";
const std::string data = std::string(MESOLITH_SOURCE_DIR) + "/tests/data/";

std::string model_file(MacePrecision precision) {
    return models + (precision == single ? "li_si_mace16-float32.pt" : "li_si_mace16-float64.pt");
}

/// True, with a note, when there is nothing to test.
bool without_torch() {
    if (torch_available()) return false;
    WARN("skipped: built without libtorch");
    return true;
}

struct Frame {
    Cell cell;
    std::vector<int> numbers;
    std::vector<Vec3> positions;
    Forces expected;
};

/// The numbers of key="..." or key=... in a comment line.
std::vector<double> numbers_of(const std::string& comment, const std::string& key) {
    const std::size_t start = comment.find(" " + key + "=");
    REQUIRE(start != std::string::npos);
    const std::size_t value = start + key.size() + 2;
    const bool quoted = comment[value] == '"';
    std::istringstream text(comment.substr(
        value + (quoted ? 1 : 0), comment.find(quoted ? '"' : ' ', value + 1) - value - (quoted ? 1 : 0)));
    return {std::istream_iterator<double>(text), {}};
}

/// Five frames with what mace-torch gives in double precision.
const std::vector<Frame>& reference() {
    static const std::vector<Frame> frames = [] {
        std::vector<Frame> read;
        std::ifstream in(models + "li_si_mace16_reference.extxyz");
        std::size_t n = 0;
        for (std::string line; std::getline(in, line) && (std::istringstream(line) >> n);) {
            std::getline(in, line);
            REQUIRE(line.find("Properties=species:S:1:pos:R:3:forces:R:3:node_energy:R:1 ") !=
                    std::string::npos);
            const std::vector<double> rows = numbers_of(" " + line, "Lattice"),
                                      stress = numbers_of(line, "stress");
            REQUIRE((rows.size() == 9 && stress.size() == 9));
            Frame frame;
            frame.cell = Cell(Mat3(Eigen::Map<const Mat3>(rows.data()).transpose()));
            frame.expected.energy = numbers_of(line, "energy").at(0);
            frame.expected.virial = -frame.cell.volume() * Eigen::Map<const Mat3>(stress.data());
            for (std::size_t i = 0; i < n; ++i) {
                std::getline(in, line);
                std::istringstream row(line);
                std::string symbol;
                Vec3 x, force;
                double energy = 0;
                row >> symbol >> x[0] >> x[1] >> x[2] >> force[0] >> force[1] >> force[2] >> energy;
                REQUIRE(row);
                frame.numbers.push_back(atomic_number(symbol));
                frame.positions.push_back(x);
                frame.expected.forces.push_back(force);
                frame.expected.atom_energy.push_back(energy);
            }
            read.push_back(frame);
        }
        return read;
    }();
    REQUIRE(frames.size() == 5);
    return frames;
}

/// Largest differences of components.
struct Difference {
    double energy = 0, atom_energy = 0, force = 0, virial = 0;
};

Difference difference(const Forces& a, const Forces& b) {
    REQUIRE(a.forces.size() == b.forces.size());
    REQUIRE(a.atom_energy.size() == b.atom_energy.size());
    Difference d{std::abs(a.energy - b.energy), 0, 0, (a.virial - b.virial).cwiseAbs().maxCoeff()};
    for (std::size_t i = 0; i < a.forces.size(); ++i) {
        d.atom_energy = std::max(d.atom_energy, std::abs(a.atom_energy[i] - b.atom_energy[i]));
        d.force = std::max(d.force, (a.forces[i] - b.forces[i]).cwiseAbs().maxCoeff());
    }
    return d;
}

Forces evaluated(ForceField& field, const Frame& frame, bool with_virial = false) {
    Forces result;
    field.evaluate(frame.cell, frame.numbers, frame.positions, result, with_virial);
    return result;
}

/// The energy of an atom with nothing near it.
double lone_energy(ForceField& field, int number) {
    Forces result;
    field.evaluate(Cell(20 * Mat3::Identity()), std::vector<int>{number}, std::vector<Vec3>{Vec3(1, 2, 3)},
                   result);
    return result.energy;
}

void check_reference(const std::string& file, MacePrecision precision, double tolerance) {
    const auto field = load_torch_mace(file, {.precision = precision});
    const double lithium = lone_energy(*field, 3), silicon = lone_energy(*field, 14);
    for (const Frame& frame : reference()) {
        Forces result = evaluated(*field, frame, true);
        CAPTURE(frame.numbers.size());
        CHECK(std::abs(result.energy - frame.expected.energy) < tolerance);
        // mace-torch leaves the isolated atoms out of the energies of atoms, but not of their sum.
        for (std::size_t i = 0; i < frame.numbers.size(); ++i)
            result.atom_energy[i] -= frame.numbers[i] == 3 ? lithium : silicon;
        const Difference d = difference(result, frame.expected);
        CHECK(d.atom_energy < tolerance);
        CHECK(d.force < tolerance);
        CHECK(d.virial < tolerance + 5e-13 * frame.cell.volume()); // stress has twelve decimals in the file
    }
}

} // namespace

TEST_CASE("a TorchScript model gives the results of mace-torch in double precision", "[mace][torch_mace]") {
    if (without_torch()) return;
    check_reference(model_file(full), full, 1e-9);
}

TEST_CASE("a TorchScript model gives the results of mace-torch in single precision", "[mace][torch_mace]") {
    if (without_torch()) return;
    check_reference(model_file(single), single, 1e-4);
}

TEST_CASE("each precision can be had from a file of the other", "[mace][torch_mace]") {
    if (without_torch()) return;
    // Weights of single precision are exact in double, but the table of ZBL was made before they were
    // rounded.
    check_reference(model_file(single), full, 1e-6);
    check_reference(model_file(full), single, 1e-4);
}

TEST_CASE("the options and the model stand in the description", "[mace][torch_mace]") {
    if (without_torch()) return;
    const auto field = load_torch_mace(model_file(single), {.precision = full, .threads = 2});
    CHECK(field->cutoff() == 5.0);
    CHECK(field->elements() == std::vector<int>{3, 14});
    CHECK_THAT(field->description(), contains_text("MACE by torch "));
    CHECK_THAT(field->description(), contains_text("cpu, double precision, 2 threads, "));
}

TEST_CASE("forces do not depend on whether a virial was asked for", "[mace][torch_mace]") {
    if (without_torch()) return;
    const auto field = load_torch_mace(model_file(full), {.precision = full});
    for (const Frame& frame : reference()) {
        const Forces plain = evaluated(*field, frame);
        CHECK(plain.virial == Mat3::Zero());
        CHECK(difference(plain, frame.expected).force < 1e-9);
    }
}

TEST_CASE("a second call, a clone and a second load give the same bits", "[mace][torch_mace]") {
    if (without_torch()) return;
    for (const MacePrecision precision : {single, full}) {
        const auto field = load_torch_mace(model_file(precision), {.precision = precision});
        const Frame& frame = reference()[0];
        const Forces first = evaluated(*field, frame, true);
        (void)evaluated(*field, reference()[3]); // another crystal in between
        const auto same = [&](ForceField& other) {
            const Forces again = evaluated(other, frame, true);
            CHECK(again.energy == first.energy);
            CHECK((again.atom_energy == first.atom_energy));
            CHECK((again.forces == first.forces));
            CHECK(again.virial == first.virial);
        };
        same(*field);
        same(*field->clone());
        same(*load_torch_mace(model_file(precision), {.precision = precision}));
    }
}

TEST_CASE("two threads give what one gives, to rounding", "[mace][torch_mace]") {
    if (without_torch()) return;
    const Frame& frame = reference()[1];
    const auto one = load_torch_mace(model_file(full), {.precision = full});
    const auto two = load_torch_mace(model_file(full), {.precision = full, .threads = 2});
    const Difference d = difference(evaluated(*one, frame, true), evaluated(*two, frame, true));
    CHECK(d.atom_energy < 1e-12);
    CHECK(d.force < 1e-12);
    CHECK(d.virial < 1e-10);
}

TEST_CASE("two threads give the same bits each time", "[mace][torch_mace]") {
    if (without_torch()) return;
    const Frame& frame = reference()[1]; // so many atoms that torch shares the sums out
    for (const MacePrecision precision : {single, full}) {
        const auto field = load_torch_mace(model_file(precision), {.precision = precision, .threads = 2});
        const Forces first = evaluated(*field, frame);
        for (int again = 0; again < 5; ++again) CHECK((evaluated(*field, frame).forces == first.forces));
    }
}

TEST_CASE("clones on threads of their own give the bits of one", "[mace][torch_mace]") {
    if (without_torch()) return;
    const auto field = load_torch_mace(model_file(single));
    const Frame& frame = reference()[0];
    const Forces alone = evaluated(*field, frame);
    std::vector<std::unique_ptr<ForceField>> fields;
    for (int k = 0; k < 4; ++k) fields.push_back(field->clone());
    std::vector<Forces> results(fields.size());
    with_threads(2, [&] {
        for_each_index(fields.size(), [&](std::size_t k) { results[k] = evaluated(*fields[k], frame); });
    });
    for (const Forces& result : results) {
        CHECK((result.atom_energy == alone.atom_energy));
        CHECK((result.forces == alone.forces));
    }
}

TEST_CASE("an evaluation leaves the number of threads of the caller as it was", "[mace][torch_mace]") {
    if (without_torch()) return;
    const int before = threads();
    const auto field = load_torch_mace(model_file(single), {.threads = before + 1});
    (void)evaluated(*field, reference()[0]);
    CHECK(threads() == before);
}

TEST_CASE("a batch gives what its replicas give alone", "[mace][torch_mace]") {
    if (without_torch()) return;
    const auto field = load_torch_mace(model_file(full), {.precision = full});
    const Frame& frame = reference()[0];
    std::vector<Cell> cells;
    std::vector<std::vector<Vec3>> positions;
    for (int r = 0; r < 4; ++r) { // each moved and strained in its own way
        Mat3 strain = Mat3::Identity();
        strain(0, 1) += 0.01 * r;
        strain(2, 2) += 0.005 * r;
        cells.emplace_back(Mat3(frame.cell.vectors() * strain));
        positions.emplace_back();
        for (std::size_t i = 0; i < frame.positions.size(); ++i)
            positions.back().push_back(strain.transpose() * frame.positions[i] +
                                       0.05 * r *
                                           Vec3(std::sin(3.0 * i), std::cos(5.0 * i), std::sin(7.0 * i)));
    }
    std::vector<Forces> batch;
    // The last one with another number of atoms, as vacancies drawn by lot make it.
    std::vector<std::vector<int>> numbers(4, frame.numbers);
    numbers[3].erase(numbers[3].begin() + 5);
    positions[3].erase(positions[3].begin() + 5);
    std::vector<AtomsView> views;
    for (std::size_t r = 0; r < 4; ++r) views.push_back({cells[r], numbers[r], positions[r]});
    CHECK(field->batches_at_once());
    field->evaluate_batch(views, batch);
    REQUIRE(batch.size() == 4);
    for (std::size_t r = 0; r < 4; ++r) {
        Forces alone;
        field->evaluate(cells[r], numbers[r], positions[r], alone);
        const Difference d = difference(batch[r], alone);
        CHECK(d.energy < 1e-12);
        CHECK(d.atom_energy < 1e-12);
        CHECK(d.force < 1e-12);
    }
    CHECK(std::abs(batch[3].energy - batch[0].energy) > 0.01); // they are not all the same
    field->evaluate_batch({}, batch);
    CHECK(batch.empty());
    positions[2].pop_back();
    views[2].positions = positions[2];
    CHECK_THROWS_AS(field->evaluate_batch(views, batch), DataError);
}

TEST_CASE("atoms that went far from the cell feel single-precision forces as near ones",
          "[mace][torch_mace]") {
    if (without_torch()) return;
    const auto field = load_torch_mace(model_file(single));
    Frame frame = reference()[0];
    for (std::size_t i = 0; i < frame.positions.size(); ++i) {
        const Vec3 cells(static_cast<double>(i * 700), -static_cast<double>(i * 300), 2000);
        frame.positions[i] += frame.cell.to_cartesian(cells);
    }
    CHECK(difference(evaluated(*field, frame), frame.expected).force < 1e-4);
}

TEST_CASE("a lone atom has its own energy and no force", "[mace][torch_mace]") {
    if (without_torch()) return;
    const auto field = load_torch_mace(model_file(full), {.precision = full});
    const Cell wide(20 * Mat3::Identity());
    const auto energy = [&](const std::vector<Vec3>& positions) {
        Forces result;
        field->evaluate(wide, std::vector<int>(positions.size(), 14), positions, result);
        for (const Vec3& force : result.forces) CHECK(force.norm() < 1e-12);
        return result.energy;
    };
    const double one = energy({Vec3(1, 2, 3)});
    CHECK(std::abs(energy({Vec3(1, 2, 3), Vec3(9, 9, 9)}) - 2 * one) < 1e-12);
    CHECK(energy({}) == 0);
}

TEST_CASE("atoms a model cannot know and wrong arguments are refused", "[mace][torch_mace]") {
    if (without_torch()) return;
    const auto field = load_torch_mace(model_file(single));
    const Cell cell(10 * Mat3::Identity());
    const auto evaluate = [&](std::vector<int> numbers, const std::vector<Vec3>& positions) {
        Forces result;
        field->evaluate(cell, numbers, positions, result);
    };
    const Vec3 a(0, 0, 0), b(3, 0, 0);
    CHECK_NOTHROW(evaluate({3, 14}, {a, b}));
    CHECK_THROWS_WITH(evaluate({3, 8}, {a, b}), contains_text("atom 1 is O (the model knows Li, Si)"));
    CHECK_THROWS_AS(evaluate({3, 8}, {a, b}), DataError);
    CHECK_THROWS_AS(evaluate({3, 0}, {a, b}), DataError);
    CHECK_THROWS_AS(evaluate({3, 400}, {a, b}), DataError);
    CHECK_THROWS_AS(evaluate({3}, {a, b}), DataError);
    CHECK_THROWS_AS(evaluate({3, 3}, {a, a}), DataError);
    CHECK_THROWS_AS(evaluate({3, 3}, {a, Vec3(0, std::numeric_limits<double>::quiet_NaN(), 0)}), DataError);
}

TEST_CASE("files that hold no MACE model are refused by one line that says why", "[mace][torch_mace]") {
    if (without_torch()) return;
    const TemporaryFolder folder;
    const auto message = [](const std::string& path) -> std::string {
        try {
            (void)load_torch_mace(path);
        } catch (const Error& error) {
            return error.what();
        }
        return "accepted";
    };
    const std::string text = folder.file("text.pt", "no model");
    CHECK_THROWS_AS(load_torch_mace(folder / "missing.pt"), InputError);
    CHECK_THROWS_AS(load_torch_mace(folder.path()), InputError);
    CHECK_THROWS_AS(load_torch_mace(text), InputError);
    CHECK_THROWS_AS(load_torch_mace(data + "pickled_model.pt"), InputError);
    CHECK_THROWS_AS(load_torch_mace(data + "other_model.pt"), InputError);
    CHECK_THROWS_AS(load_torch_mace(data + "half_model.pt"), InputError);
    CHECK_THAT(message(data + "half_model.pt"),
               contains_text("weights are of type Half (expected float32 or float64)"));
    CHECK_THAT(message(folder / "missing.pt"), contains_text("missing.pt: no such file"));
    CHECK_THAT(message(text), contains_text("not a TorchScript model"));
    CHECK_THAT(message(data + "pickled_model.pt"), contains_text("pickled by Python"));
    CHECK_THAT(message(data + "other_model.pt"),
               contains_text("no attribute 'r_max', attribute 'atomic_numbers', argument 'data' of forward"));

    std::ifstream in(model_file(single), std::ios::binary);
    const std::string whole{std::istreambuf_iterator<char>(in), {}};
    REQUIRE(whole.size() > 100'000);
    for (const std::size_t size : {std::size_t{2}, whole.size() / 2, whole.size() - 1}) {
        const std::string path = folder.file("cut.pt", whole.substr(0, size));
        CHECK_THROWS_AS(load_torch_mace(path), FileError);
        CHECK_THAT(message(path), contains_text("cut.pt: the model cannot be read ("));
        CHECK(message(path).find('\n') == std::string::npos);
    }
    const std::string empty = folder.file("empty.pt", "");
    CHECK_THROWS_AS(load_torch_mace(empty), InputError);
}

TEST_CASE("devices and threads that are not there are refused", "[mace][torch_mace]") {
    if (without_torch()) return;
    const std::string path = model_file(single);
    CHECK_THROWS_AS(load_torch_mace(path, {.threads = 0}), InputError);
    CHECK_THROWS_WITH(load_torch_mace(path, {.device = "tpu"}), contains_text("device 'tpu' is unknown"));
    CHECK_THROWS_AS(load_torch_mace(path, {.device = "meta"}), InputError);
    CHECK_THROWS_AS(load_torch_mace(path, {.device = "cuda:63"}), InputError);
    CHECK_THROWS_WITH(load_torch_mace(path, {.device = "cuda:63"}),
                      contains_text("device 'cuda:63' is not there"));
}

TEST_CASE("a program without libtorch says how to get it", "[mace][torch_mace]") {
    if (torch_available()) return;
    CHECK_THROWS_AS(load_torch_mace(model_file(single)), InputError);
    CHECK_THROWS_WITH(load_torch_mace(model_file(single)), contains_text("Install libtorch-dev"));
}
