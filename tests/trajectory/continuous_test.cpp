#include <cmath>
#include <random>

#include "mesolith/core/error.hpp"
#include "mesolith/trajectory/continuous.hpp"

#include "support/catch.hpp"
#include "vector_source.hpp"

using namespace mesolith;
using Catch::Matchers::Contains;
using mesolith::test::VectorSource;

namespace {

Mat3 skewed() {
    Mat3 a;
    a << 6.0, 0.2, 0, 4.9, 5.0, 0.1, -3.5, 2.4, 7.0;
    return a;
}

/// Atoms that wander without bounds, and the truth about them.
struct Walk {
    std::vector<std::string> species;
    std::vector<std::vector<Vec3>> positions; // [frame][atom], continuous
};

Walk wander(int n_frames, int n_atoms, double step, unsigned seed) {
    std::mt19937 engine(seed);
    std::uniform_real_distribution<double> uniform(-1, 1);
    Walk walk;
    std::vector<Vec3> r;
    for (int i = 0; i < n_atoms; ++i) {
        walk.species.push_back(i % 3 == 0 ? "Si" : "Li");
        r.emplace_back(5 * uniform(engine), 5 * uniform(engine), 5 * uniform(engine));
    }
    walk.positions.push_back(r);
    for (int t = 1; t < n_frames; ++t) {
        for (auto& x : r) {
            Vec3 d;
            do d = Vec3(uniform(engine), uniform(engine), uniform(engine));
            while (d.squaredNorm() > 1);
            x += step * (d + Vec3(0.1, -0.05, 0.07));
        }
        walk.positions.push_back(r);
    }
    return walk;
}

Vec3 folded(const Cell& cell, const Vec3& r) {
    Vec3 f = cell.to_fractional(r);
    f -= Vec3(f.array().floor());
    return cell.to_cartesian(f);
}

std::vector<Frame> wrapped_frames(const Walk& walk, const Cell& cell, bool with_flags) {
    std::vector<Frame> frames;
    for (const auto& positions : walk.positions) {
        Frame frame;
        frame.cell = cell;
        for (const Vec3& r : positions) {
            frame.positions.push_back(folded(cell, r));
            if (with_flags) {
                const Vec3 n = cell.to_fractional(r - frame.positions.back()).array().round();
                frame.images.push_back(n.cast<int>());
            }
        }
        frames.push_back(std::move(frame));
    }
    return frames;
}

std::vector<Frame> read_all(ContinuousTrajectory& trajectory) {
    std::vector<Frame> frames;
    Frame frame;
    while (trajectory.read(frame)) frames.push_back(frame);
    return frames;
}

ContinuousOptions with_drift(Drift drift, std::vector<std::string> mobile = {"Li"}) {
    ContinuousOptions options;
    options.drift = drift;
    options.mobile = std::move(mobile);
    return options;
}

/// Largest distance between what was read and the true displacements since the first frame, minus the true
/// drift.
double largest_error(const std::vector<Frame>& frames, const Walk& walk, const std::vector<double>& weight) {
    REQUIRE(frames.size() == walk.positions.size());
    double largest = 0, sum = 0;
    for (const double w : weight) sum += w;
    for (std::size_t t = 0; t < frames.size(); ++t) {
        Vec3 drift = Vec3::Zero();
        for (std::size_t i = 0; i < weight.size(); ++i)
            drift += weight[i] / sum * (walk.positions[t][i] - walk.positions[0][i]);
        for (std::size_t i = 0; i < walk.species.size(); ++i) {
            const Vec3 truth = walk.positions[t][i] - walk.positions[0][i] - drift;
            largest = std::max(largest, (frames[t].positions[i] - frames[0].positions[i] - truth).norm());
        }
    }
    return largest;
}

} // namespace

TEST_CASE("wrapped walks in a skewed cell come back as they were", "[trajectory][continuous]") {
    const Cell cell(skewed());
    // The nearest other image of an atom is never nearer than half the shortest lattice vector (5.1 A).
    const Walk walk = wander(400, 9, 2.0, 11);
    VectorSource source(walk.species, wrapped_frames(walk, cell, false), Wrapping::wrapped);
    ContinuousTrajectory trajectory(source, with_drift(Drift::none));
    CHECK(largest_error(read_all(trajectory), walk, {}) < 1e-10);
    CHECK_FALSE(trajectory.report().variable_cell);
    CHECK(trajectory.report().frames_read == 400);
}

TEST_CASE("unwrapping is the brute-force nearest image of every step", "[trajectory][continuous]") {
    const Cell cell(skewed());
    std::mt19937 engine(5);
    std::uniform_real_distribution<double> uniform(-1, 1);
    std::vector<Frame> frames(2);
    std::vector<std::string> species;
    for (int i = 0; i < 500; ++i) {
        species.push_back("Li");
        for (auto& frame : frames) {
            frame.cell = cell;
            frame.positions.push_back(
                cell.to_cartesian(Vec3(uniform(engine), uniform(engine), uniform(engine))));
        }
    }
    VectorSource source(species, frames, Wrapping::unknown);
    ContinuousTrajectory trajectory(source, with_drift(Drift::none, {}));
    const auto read = read_all(trajectory);
    for (std::size_t i = 0; i < species.size(); ++i) {
        const Vec3 step = frames[1].positions[i] - frames[0].positions[i];
        double shortest = 1e300;
        for (int a = -4; a <= 4; ++a)
            for (int b = -4; b <= 4; ++b)
                for (int c = -4; c <= 4; ++c)
                    shortest = std::min(shortest, (step + cell.to_cartesian(Vec3(a, b, c))).norm());
        const Vec3 taken = read[1].positions[i] - read[0].positions[i];
        CHECK(taken.norm() == Approx(shortest).margin(1e-10));
        const Vec3 lattice = cell.to_fractional(taken - step);
        CHECK((lattice - Vec3(lattice.array().round())).norm() < 1e-10);
    }
}

TEST_CASE("image flags carry atoms over steps longer than half the cell", "[trajectory][continuous]") {
    const Cell cell(skewed());
    const Walk walk = wander(60, 6, 9.0, 2);
    VectorSource source(walk.species, wrapped_frames(walk, cell, true), Wrapping::image_flags);
    ContinuousTrajectory trajectory(source, with_drift(Drift::none));
    CHECK(largest_error(read_all(trajectory), walk, {}) < 1e-10);
    CHECK(trajectory.report().steps_over_limit > 0);
    CHECK(trajectory.report().largest_step > 0.5);
    CHECK(trajectory.report().largest_step_frame > 0);
}

TEST_CASE("unwrapped positions are taken as they are", "[trajectory][continuous]") {
    const Cell cell(skewed());
    const Walk walk = wander(40, 6, 9.0, 3);
    std::vector<Frame> frames(walk.positions.size());
    for (std::size_t t = 0; t < frames.size(); ++t) {
        frames[t].cell = cell;
        frames[t].positions = walk.positions[t];
    }
    VectorSource source(walk.species, frames, Wrapping::unwrapped);
    ContinuousTrajectory trajectory(source, with_drift(Drift::none));
    CHECK(largest_error(read_all(trajectory), walk, {}) < 1e-10);
}

TEST_CASE("the framework stands still after its drift is removed", "[trajectory][continuous]") {
    const Cell cell(skewed());
    const Walk walk = wander(200, 9, 1.5, 8);
    std::vector<double> weight;
    for (const auto& name : walk.species) weight.push_back(name == "Si" ? 1 : 0);
    VectorSource source(walk.species, wrapped_frames(walk, cell, false), Wrapping::unknown);
    ContinuousTrajectory trajectory(source, with_drift(Drift::framework));
    CHECK(trajectory.framework_atoms() == std::vector<std::size_t>{0, 3, 6});
    CHECK(trajectory.mobile_atoms() == std::vector<std::size_t>{1, 2, 4, 5, 7, 8});
    CHECK(largest_error(read_all(trajectory), walk, weight) < 1e-10);
    Vec3 drift = Vec3::Zero();
    for (const std::size_t i : {0, 3, 6}) drift += (walk.positions.back()[i] - walk.positions.front()[i]) / 3;
    CHECK((trajectory.report().final_drift - drift).norm() < 1e-10);
    for (int k = 0; k < 3; ++k) CHECK(trajectory.report().largest_drift[k] >= std::abs(drift[k]) - 1e-12);
}

TEST_CASE("the centre of mass is weighted with the masses of the elements", "[trajectory][continuous]") {
    const Cell cell(skewed());
    const Walk walk = wander(100, 9, 1.5, 9);
    std::vector<double> weight;
    for (const auto& name : walk.species) weight.push_back(name == "Si" ? 28.085 : 6.94);
    VectorSource source(walk.species, wrapped_frames(walk, cell, false), Wrapping::unknown);
    ContinuousTrajectory trajectory(source, with_drift(Drift::com));
    CHECK(largest_error(read_all(trajectory), walk, weight) < 1e-10);
}

TEST_CASE("drift is removed after unwrapping, not before", "[trajectory][continuous]") {
    // One of two framework atoms moves over the boundary: its wrap moves their mean by half the cell.
    // Subtracted before unwrapping, it would shift the resting ion by 5 A, exactly where no nearest image can
    // tell.
    const Cell cell(Mat3(Vec3(10, 10, 10).asDiagonal()));
    std::vector<Frame> frames(3);
    const double x[3] = {9.8, 0.1, 0.4}; // 9.8, 10.1, 10.4
    for (std::size_t t = 0; t < 3; ++t) {
        frames[t].cell = cell;
        frames[t].positions = {Vec3(x[t], 5, 5), Vec3(5 + 0.3 * static_cast<double>(t), 2, 2), Vec3(3, 3, 3)};
    }
    const auto wrong = [&](std::size_t t) { // what the other order gives
        const double mean = 0.5 * (frames[t].positions[0][0] + frames[t].positions[1][0]);
        const double start = 0.5 * (frames[0].positions[0][0] + frames[0].positions[1][0]);
        return frames[t].positions[2][0] - (mean - start);
    };
    REQUIRE(std::abs(wrong(1) - wrong(0)) > 4);
    VectorSource source({"Si", "Si", "Li"}, frames, Wrapping::wrapped);
    ContinuousTrajectory trajectory(source, with_drift(Drift::framework));
    const auto read = read_all(trajectory);
    for (std::size_t t = 0; t < 3; ++t) {
        CHECK(read[t].positions[0][0] == Approx(9.8));
        CHECK(read[t].positions[1][0] == Approx(5));
        CHECK(read[t].positions[2][0] == Approx(3 - 0.3 * static_cast<double>(t)));
    }
    CHECK(trajectory.report().final_drift[0] == Approx(0.6));
}

TEST_CASE("in a cell that changes, atoms that keep their fractional coordinates stand still",
          "[trajectory][continuous]") {
    std::mt19937 engine(4);
    std::uniform_real_distribution<double> uniform(0, 1);
    const std::vector<std::string> species{"Si", "Li", "Li"};
    std::vector<Vec3> fixed(3);
    for (auto& f : fixed) f = Vec3(uniform(engine), uniform(engine), uniform(engine));
    std::vector<Frame> frames;
    std::vector<Vec3> ion_path; // fractional, continuous
    Vec3 ion = fixed[2];
    for (int t = 0; t < 50; ++t) {
        Frame frame;
        Mat3 a = skewed() * (1 + 0.02 * std::sin(t));
        a(1, 0) += 0.05 * t;
        frame.cell = Cell(a);
        frame.positions = {frame.cell.to_cartesian(fixed[0]), frame.cell.to_cartesian(fixed[1]),
                           folded(frame.cell, frame.cell.to_cartesian(ion))};
        frames.push_back(frame);
        ion_path.push_back(ion);
        ion += Vec3(0.07, -0.05, 0.11);
    }
    VectorSource source(species, frames, Wrapping::wrapped);
    ContinuousTrajectory trajectory(source, with_drift(Drift::framework));
    const auto read = read_all(trajectory);
    const Cell& cell = trajectory.reference_cell();
    CHECK(cell == frames[0].cell);
    for (std::size_t t = 0; t < read.size(); ++t) {
        CHECK(read[t].cell == cell);
        CHECK((read[t].positions[0] - cell.to_cartesian(fixed[0])).norm() < 1e-10);
        CHECK((read[t].positions[1] - cell.to_cartesian(fixed[1])).norm() < 1e-10);
        CHECK((read[t].positions[2] - read[0].positions[2] - cell.to_cartesian(ion_path[t] - ion_path[0]))
                  .norm() < 1e-10);
    }
    CHECK(trajectory.report().variable_cell);
}

TEST_CASE("a cell that differs by its last printed digit is not variable", "[trajectory][continuous]") {
    std::vector<Frame> frames(2);
    frames[0].cell = Cell(Mat3(Vec3(10.589010031, 10, 10).asDiagonal()));
    frames[1].cell = Cell(Mat3(Vec3(10.589010030, 10, 10).asDiagonal()));
    frames[0].positions = frames[1].positions = {Vec3(1, 1, 1)};
    VectorSource source({"Li"}, frames, Wrapping::wrapped);
    ContinuousTrajectory trajectory(source, with_drift(Drift::none));
    read_all(trajectory);
    CHECK_FALSE(trajectory.report().variable_cell);
}

TEST_CASE("range and stride choose frames, and unwrapping sees those between", "[trajectory][continuous]") {
    const Cell cell(skewed());
    const Walk walk = wander(60, 6, 2.0, 21);
    VectorSource source(walk.species, wrapped_frames(walk, cell, false), Wrapping::wrapped);
    ContinuousOptions options = with_drift(Drift::none);
    options.first_frame = 7;
    options.last_frame = 50;
    options.stride = 10;
    ContinuousTrajectory trajectory(source, options);
    CHECK(trajectory.first_frame().index == 7);
    const auto read = read_all(trajectory);
    REQUIRE(read.size() == 5);
    for (std::size_t k = 0; k < read.size(); ++k) {
        CHECK(read[k].index == static_cast<std::int64_t>(7 + 10 * k));
        for (std::size_t i = 0; i < walk.species.size(); ++i) {
            const Vec3 truth = walk.positions[7 + 10 * k][i] - walk.positions[7][i];
            CHECK((read[k].positions[i] - read[0].positions[i] - truth).norm() < 1e-10);
        }
    }
    CHECK(trajectory.report().frames_read == 44);
    CHECK(trajectory.report().frames_used == 5);
}

TEST_CASE("steps are counted above the limit and not below", "[trajectory][continuous]") {
    const Cell cell(Mat3(Vec3(10, 20, 10).asDiagonal()));
    std::vector<Frame> frames(4);
    const Vec3 r[4] = {{1, 1, 1}, {4.4, 1, 1}, {8.0, 1, 1}, {8.0, 7.5, 1}}; // 0.34, 0.36 and 0.325 of an edge
    for (std::size_t t = 0; t < 4; ++t) {
        frames[t].cell = cell;
        frames[t].positions = {r[t]};
    }
    VectorSource source({"Li"}, frames, Wrapping::wrapped);
    ContinuousTrajectory trajectory(source, with_drift(Drift::none));
    read_all(trajectory);
    CHECK(trajectory.report().steps_over_limit == 1);
    CHECK(trajectory.report().largest_step == Approx(0.36));
    CHECK(trajectory.report().largest_step_frame == 2);
}

TEST_CASE("the offset moves what is read and nothing else", "[trajectory][continuous]") {
    const Cell cell(skewed());
    const Walk walk = wander(5, 3, 0.5, 1);
    VectorSource one(walk.species, wrapped_frames(walk, cell, false), Wrapping::wrapped);
    VectorSource two(walk.species, wrapped_frames(walk, cell, false), Wrapping::wrapped);
    ContinuousTrajectory plain(one, with_drift(Drift::framework)), moved(two, with_drift(Drift::framework));
    const Vec3 offset(1, -2, 0.5);
    moved.set_offset(offset);
    const auto a = read_all(plain), b = read_all(moved);
    for (std::size_t t = 0; t < a.size(); ++t)
        for (std::size_t i = 0; i < 3; ++i)
            CHECK((b[t].positions[i] - a[t].positions[i] - offset).norm() < 1e-12);
    CHECK(moved.report().final_drift == plain.report().final_drift);
}

TEST_CASE("options that make no sense are refused with what to do", "[trajectory][continuous]") {
    const Walk walk = wander(3, 3, 0.1, 1);
    const auto frames = wrapped_frames(walk, Cell(skewed()), false);
    const auto open = [&](const ContinuousOptions& options, std::vector<std::string> species) {
        VectorSource source(std::move(species), frames, Wrapping::wrapped);
        ContinuousTrajectory trajectory(source, options);
    };
    const std::vector<std::string> mixed{"Si", "Li", "Li"}, lithium{"Li", "Li", "Li"},
        unknown{"type1", "type2", "type2"};
    CHECK_THROWS_AS(open(with_drift(Drift::framework, {"Na"}), mixed), InputError);
    CHECK_THROWS_WITH(open(with_drift(Drift::framework, {"Na"}), mixed), Contains("Si, Li"));
    CHECK_THROWS_AS(open(with_drift(Drift::framework), lithium), InputError);
    CHECK_THROWS_WITH(open(with_drift(Drift::framework), lithium), Contains("com or none"));
    CHECK_NOTHROW(open(with_drift(Drift::com), lithium));
    CHECK_NOTHROW(open(with_drift(Drift::none), lithium));
    CHECK_THROWS_AS(open(with_drift(Drift::framework, {}), mixed), InputError);
    CHECK_THROWS_WITH(open(with_drift(Drift::com, {"type1"}), unknown), Contains("type1"));

    ContinuousOptions options = with_drift(Drift::framework);
    options.first_frame = 3;
    CHECK_THROWS_WITH(open(options, mixed), Contains("has no frame 3"));
    options.first_frame = -1;
    CHECK_THROWS_AS(open(options, mixed), InputError);
    options = with_drift(Drift::framework);
    options.stride = 0;
    CHECK_THROWS_AS(open(options, mixed), InputError);
    options = with_drift(Drift::framework);
    options.first_frame = 2, options.last_frame = 1;
    CHECK_THROWS_AS(open(options, mixed), InputError);
    options = with_drift(Drift::framework);
    options.step_warning = 0.6;
    CHECK_THROWS_AS(open(options, mixed), InputError);
}

TEST_CASE("frames that do not fit the header are refused", "[trajectory][continuous]") {
    const Walk walk = wander(3, 3, 0.1, 1);
    auto frames = wrapped_frames(walk, Cell(skewed()), false);
    SECTION("an atom is missing") {
        frames[1].positions.pop_back();
        VectorSource source(walk.species, frames, Wrapping::wrapped);
        ContinuousTrajectory trajectory(source, with_drift(Drift::none));
        CHECK_THROWS_AS(read_all(trajectory), DataError);
    }
    SECTION("flags are promised but missing") {
        VectorSource source(walk.species, frames, Wrapping::image_flags);
        CHECK_THROWS_AS(ContinuousTrajectory(source, with_drift(Drift::none)), DataError);
    }
    SECTION("a coordinate is NaN") {
        frames[2].positions[1][0] = std::nan("");
        VectorSource source(walk.species, frames, Wrapping::wrapped);
        ContinuousTrajectory trajectory(source, with_drift(Drift::none));
        CHECK_THROWS_AS(read_all(trajectory), DataError);
    }
}
