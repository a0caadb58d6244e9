#include <cmath>

#include "mesolith/core/error.hpp"
#include "mesolith/core/parallel.hpp"
#include "mesolith/core/random.hpp"
#include "mesolith/meso/vector_units.hpp"
#include "mesolith/meso/walkers.hpp"

#include "support/catch.hpp"
#include "support/kernels.hpp"

using namespace mesolith;

namespace {

bool same(const Walkers& a, const Walkers& b) {
    return a.site == b.site && a.start_site == b.start_site && a.x == b.x && a.y == b.y && a.z == b.z;
}

} // namespace

TEST_CASE("walkers do what the table says, step by step, with the bits of their own stream",
          "[meso][walkers]") {
    const Kernel kernel = test::random_nonreversible(5, 8);
    const JumpTable jumps = make_jump_table(kernel);
    const std::uint64_t seed = 0x1234'5678'9abc'def0;
    Walkers walkers = place_walkers(77, kernel, WalkerStart::uniform, seed, 0, 1'000'000'000'000);
    std::vector<std::int32_t> site = walkers.site;
    std::vector<IVec3> cell(77, IVec3::Zero());
    for (std::size_t w = 0; w < 77; ++w)
        for (std::uint64_t step = 3; step < 24; ++step) {
            Stream random(seed, RngUse::walker_jump, 1'000'000'000'000 + w, step / 2);
            std::uint64_t u = random.bits64();
            if (step % 2 == 1) u = random.bits64();
            const Destination to = jumps.destination_of(site[w], u);
            site[w] = to.site;
            cell[w] += to.R;
        }
    advance(walkers, jumps, seed, 3, 21);
    CHECK(walkers.site == site);
    for (std::size_t w = 0; w < 77; ++w) CHECK(walkers.cell(w) == cell[w]);
}

TEST_CASE("one and two threads, one run and pieces, one batch and two give the same walkers",
          "[meso][walkers][parallel]") {
    const Kernel kernel = test::random_reversible(4, 6);
    const JumpTable jumps = make_jump_table(kernel);
    Walkers one, pieces, low, high;
    with_threads(1, [&] {
        one = place_walkers(10'001, kernel, WalkerStart::stationary, 7);
        advance(one, jumps, 7, 0, 25);
    });
    with_threads(2, [&] {
        pieces = place_walkers(10'001, kernel, WalkerStart::stationary, 7);
        advance(pieces, jumps, 7, 0, 10);
        advance(pieces, jumps, 7, 10, 0);
        advance(pieces, jumps, 7, 10, 7);
        advance(pieces, jumps, 7, 17, 8);
    });
    CHECK(same(one, pieces));
    low = place_walkers(4321, kernel, WalkerStart::stationary, 7);
    high = place_walkers(10'001 - 4321, kernel, WalkerStart::stationary, 7, 0, 4321);
    advance(low, jumps, 7, 0, 25);
    advance(high, jumps, 7, 0, 25);
    CHECK(std::equal(low.site.begin(), low.site.end(), one.site.begin()));
    CHECK(std::equal(high.site.begin(), high.site.end(), one.site.begin() + 4321));
    CHECK(std::equal(high.z.begin(), high.z.end(), one.z.begin() + 4321));
}

TEST_CASE("all vector units give the same walkers", "[meso][walkers]") {
    const Kernel kernel = test::random_nonreversible(7, 6);
    const JumpTable jumps = make_jump_table(kernel);
    std::vector<Walkers> walkers;
    for (VectorUnits units : {VectorUnits::baseline, VectorUnits::avx2, VectorUnits::avx512}) {
        limit_vector_units(units);
        walkers.push_back(place_walkers(1003, kernel, WalkerStart::uniform, 3));
        advance(walkers.back(), jumps, 0xffff'0000'1234'5678, 1, 100);
    }
    CHECK(same(walkers[0], walkers[1]));
    CHECK(same(walkers[0], walkers[2]));
}

TEST_CASE("displacements are true displacements: cells, sites and a skewed cell", "[meso][walkers]") {
    const Kernel kernel = test::random_reversible(3, 2);
    Walkers walkers = place_walkers(1, kernel, WalkerStart::site, 1, 2);
    CHECK(walkers.displacement(0, kernel.basis).norm() == 0);
    walkers.site[0] = 1;
    walkers.x[0] = -1'000'000'000, walkers.y[0] = 3, walkers.z[0] = 2;
    const Mat3& a = kernel.basis.cell.vectors();
    const Vec3 expected = -1e9 * a.row(0) + 3 * a.row(1) + 2 * a.row(2) +
                          (kernel.basis.positions[1] - kernel.basis.positions[2]).transpose();
    CHECK((walkers.displacement(0, kernel.basis) - expected).norm() < 1e-5);
}

TEST_CASE("starts have the chosen distribution within 4 standard errors", "[meso][walkers]") {
    const Kernel kernel = test::random_reversible(6, 9);
    const std::size_t n = 200'000;
    for (WalkerStart start : {WalkerStart::stationary, WalkerStart::uniform}) {
        const Walkers walkers = place_walkers(n, kernel, start, 3);
        std::vector<double> count(6);
        for (std::int32_t site : walkers.start_site) ++count[static_cast<std::size_t>(site)];
        for (std::size_t i = 0; i < 6; ++i) {
            const double p = start == WalkerStart::uniform ? 1.0 / 6 : kernel.stationary[i];
            CHECK(std::abs(count[i] / n - p) < 4 * std::sqrt(p * (1 - p) / n));
        }
    }
    for (std::int32_t site : place_walkers(100, kernel, WalkerStart::site, 3, 4).site) CHECK(site == 4);
}

TEST_CASE("hops of all walkers and steps have the kernel's frequencies within 4 standard errors",
          "[meso][walkers]") {
    const Kernel kernel = test::random_nonreversible(3, 5);
    const JumpTable jumps = make_jump_table(kernel);
    const std::size_t n = 100'000;
    for (std::uint64_t step : {0, 1, 2, 1'000'001}) {
        Walkers walkers = place_walkers(n, kernel, WalkerStart::site, 1, 1);
        advance(walkers, jumps, 17, step, 1);
        for (const KernelEntry& e : kernel.from(1)) {
            double count = 0;
            for (std::size_t w = 0; w < n; ++w) count += walkers.site[w] == e.to && walkers.cell(w) == e.R;
            CHECK(std::abs(count / n - e.p) < 4 * std::sqrt(e.p * (1 - e.p) / n));
        }
    }
}

TEST_CASE("consecutive steps of a walker are uncorrelated within 4 standard errors", "[meso][walkers]") {
    // the two hops that share a random block, and those that do not
    const Kernel kernel = test::simple_cubic(1, 0.1);
    const JumpTable jumps = make_jump_table(kernel);
    const std::size_t n = 200'000;
    Walkers walkers = place_walkers(n, kernel, WalkerStart::stationary, 1);
    std::vector<std::vector<std::int32_t>> x{walkers.x};
    for (std::uint64_t step = 0; step < 3; ++step) {
        advance(walkers, jumps, 5, step, 1);
        x.push_back(walkers.x);
    }
    for (std::size_t step : {0, 1}) {
        double product = 0;
        for (std::size_t w = 0; w < n; ++w)
            product += (x[step + 1][w] - x[step][w]) * (x[step + 2][w] - x[step + 1][w]);
        CHECK(std::abs(product / n) < 4 * 0.3 / std::sqrt(n)); // each hop has variance 0.9/3
    }
}

TEST_CASE("sites that do not exist, missing weights and steps beyond the counter are refused",
          "[meso][walkers]") {
    Kernel kernel = test::fcc();
    CHECK_THROWS_AS(place_walkers(1, kernel, WalkerStart::site, 1, 1), DataError);
    CHECK_THROWS_AS(place_walkers(1, kernel, WalkerStart::site, 1, -1), DataError);
    kernel.stationary.clear();
    CHECK_THROWS_AS(place_walkers(1, kernel, WalkerStart::stationary, 1), DataError);
    Walkers walkers = place_walkers(1, kernel, WalkerStart::uniform, 1);
    const JumpTable jumps = make_jump_table(kernel);
    CHECK_THROWS_AS(advance(walkers, jumps, 1, RandomCounter::max_step, 1), DataError);
    CHECK_THROWS_AS(advance(walkers, jumps, 1, 1, ~std::uint64_t{0}), DataError);
    walkers.first = RandomCounter::max_stream;
    CHECK_THROWS_AS(advance(walkers, jumps, 1, 0, 1), DataError);
}
