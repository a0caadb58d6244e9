#include <cmath>
#include <random>

#include "mesolith/core/error.hpp"
#include "mesolith/observables/direct_transport.hpp"

#include "support/catch.hpp"

using namespace mesolith;

namespace {

constexpr double interval = 0.25; // [ps]

struct Data {
    std::vector<MsdSums> single;
    std::vector<CollectiveDisplacement> collective;
    std::vector<TimeBlock> blocks;
};

/// n_groups groups of `size` ions; those of a group move alike. Variances per frame 1, 4, 0.25.
Data groups(std::size_t n_groups, std::size_t size, std::size_t n_frames, std::uint64_t seed) {
    std::mt19937_64 random(seed);
    std::normal_distribution<double> step(0, 1);
    std::vector<Vec3> ions(n_groups * size, Vec3::Zero());
    std::vector<std::int64_t> lags;
    for (std::int64_t l = 2; l <= 40; l += 2) lags.push_back(l);
    MsdAccumulator single(lags, ions.size(), interval);
    CollectiveAccumulator collective(ions.size(), interval);
    for (std::size_t t = 0; t < n_frames; ++t) {
        single.add_frame(ions);
        collective.add_frame(ions);
        for (std::size_t g = 0; g < n_groups; ++g) {
            const Vec3 move(step(random), 2 * step(random), 0.5 * step(random));
            for (std::size_t k = 0; k < size; ++k) ions[g * size + k] += move;
        }
    }
    const std::vector<std::int64_t> n{static_cast<std::int64_t>(n_frames)};
    return {{single.finish()}, {collective.finish()}, cut_into_blocks(n, 100)};
}

} // namespace

TEST_CASE("ions that move independently have a Haven ratio of one, pairs of ions one half",
          "[observables][direct]") {
    for (const std::size_t size : {1u, 2u}) {
        const Data data = groups(8, size, 4000, 17 + size);
        const DirectTransport d = direct_transport(data.single, data.collective, data.blocks, {1, 10});
        CHECK(d.n_ions == 8 * size);
        CHECK(d.window_given);
        CHECK(d.begin == 1);
        CHECK(d.end == 10);
        CHECK(d.windows == 100);
        CHECK(d.n_blocks == 40);
        const Vec3 exact = Vec3(1, 4, 0.25) / (2 * interval);
        for (int a = 0; a < 3; ++a) {
            CHECK(std::abs(d.tracer[a] - exact[a]) < 4 * d.tracer_error()[a]);
            CHECK(d.tracer_error()[a] < 0.15 * exact[a]);
            CHECK(std::abs(d.collective[a] - static_cast<double>(size) * exact[a]) <
                  4 * d.collective_error[a]);
            CHECK(std::abs(d.haven[a] - 1 / static_cast<double>(size)) < 4 * d.haven_error[a]);
            CHECK(d.haven_error[a] < 0.4);
        }
        CHECK(std::abs(d.tracer_mean.value - exact.mean()) < 4 * d.tracer_mean.error);
        CHECK(std::abs(d.haven_mean.value - 1 / static_cast<double>(size)) < 4 * d.haven_mean.error);
    }
}

TEST_CASE("a rigid set of ions has a Haven ratio of one over their number, without error",
          "[observables][direct]") {
    const Data data = groups(1, 5, 1500, 2);
    const DirectTransport d = direct_transport(data.single, data.collective, data.blocks, {1, 10});
    for (int a = 0; a < 3; ++a) {
        CHECK(std::abs(d.haven[a] - 0.2) < 1e-9);
        CHECK(d.haven_error[a] < 1e-8);
        CHECK(std::abs(d.collective[a] / d.tracer[a] - 5) < 1e-8);
        CHECK(std::abs(d.collective_error[a] / d.tracer_error()[a] - 5) < 1e-7);
    }
    CHECK(std::abs(d.haven_mean.value - 0.2) < 1e-9);
}

TEST_CASE("the window is found when none is given, and old data give D without a collective part",
          "[observables][direct]") {
    const Data data = groups(6, 1, 1500, 3);
    const DirectTransport found = direct_transport(data.single, data.collective, data.blocks);
    CHECK_FALSE(found.window_given);
    CHECK(found.end == 10);
    CHECK(found.begin < found.end);
    const DirectTransport old = direct_transport(data.single, {}, data.blocks, {1, 10});
    CHECK_FALSE(old.has_collective);
    CHECK(std::isnan(old.haven[0]));
    CHECK(std::isnan(old.collective_mean.value));
    CHECK(old.tracer == direct_transport(data.single, data.collective, data.blocks, {1, 10}).tracer);
}

TEST_CASE("direct transport refuses data that do not belong together", "[observables][direct]") {
    Data data = groups(2, 1, 300, 4);
    CHECK_THROWS_AS(direct_transport(data.single, data.collective, data.blocks, {50, 60}), DataError);
    data.collective.front().sum.pop_back();
    CHECK_THROWS_AS(direct_transport(data.single, data.collective, data.blocks, {1, 10}), DataError);
    data.collective.clear();
    data.collective.resize(2);
    CHECK_THROWS_AS(direct_transport(data.single, data.collective, data.blocks, {1, 10}), DataError);
    CHECK_THROWS_AS(direct_transport({}, {}, data.blocks, {1, 10}), DataError);
}
