#include <cmath>
#include <numbers>

#include "mesolith/core/error.hpp"
#include "mesolith/core/parallel.hpp"
#include "mesolith/core/random.hpp"
#include "mesolith/core/vector_units.hpp"
#include "mesolith/meso/bloch.hpp"
#include "mesolith/msm/van_hove.hpp"

#include "support/catch.hpp"
#include "support/domains.hpp"
#include "support/fields.hpp"

using namespace mesolith;

namespace {

using Steps = std::vector<std::int64_t>;

template <class T>
Field<T> random_field(const Domain& domain, std::uint64_t seed) {
    Field<T> field(domain);
    Stream random(seed, RngUse::test, 0, 0);
    test::for_each_site(domain, [&](const IVec3& cell, std::size_t i) {
        field.set(cell, i, static_cast<T>(uniform01(random)));
    });
    return field;
}

/// Hops over up to 2 cells along x, 3 along y, 5 along z, without detailed balance.
Kernel far_one_way_hops() {
    Kernel kernel = test::random_nonreversible(4, 3);
    for (KernelEntry& e : kernel.entries) e.R = {2 * e.R[0], 3 * e.R[1], 5 * e.R[2]};
    return kernel;
}

/// Two chains that exchange nothing.
Kernel channels() {
    const IVec3 x = IVec3::UnitX();
    SiteBasis basis;
    basis.cell = Cell(Vec3(4, 5, 6).asDiagonal().toDenseMatrix());
    basis.positions = {Vec3::Zero(), Vec3(0, 2, 0)};
    const test::Flows flows{{{0, 0, x}, 0.1}, {{0, 0, -x}, 0.1}, {{1, 1, x}, 0.05}, {{1, 1, -x}, 0.05}};
    Kernel kernel = test::kernel_from_flows(basis, {0.75, 0.25}, flows, 1);
    kernel.reversible = true;
    return kernel;
}

} // namespace

TEST_CASE("a leap ends where as many steps end, with detailed balance or without", "[meso][bloch]") {
    const Steps steps{0, 1, 7, 7, 100, 1024};
    const std::vector<std::pair<Kernel, IVec3>> cases{{test::random_reversible(5, 1), {6, 5, 4}},
                                                      {test::random_reversible(4, 2), {9, 1, 3}},
                                                      {test::random_nonreversible(5, 3), {7, 4, 3}},
                                                      {test::random_nonreversible(6, 4), {8, 2, 1}},
                                                      {test::alternating_chain(), {32, 1, 1}},
                                                      {far_one_way_hops(), {5, 4, 6}},
                                                      {test::fcc(), {1, 1, 1}},
                                                      {channels(), {16, 2, 2}},
                                                      {test::far_hopping(1, 0.7), {3, 8, 2}},
                                                      {test::random_nonreversible(1, 5), {2, 3, 8}}};
    for (const auto& [kernel, cells] : cases) {
        const Domain domain = crystal_domain(kernel, cells);
        const auto start = random_field<double>(domain, 3);
        for (const double memory : {1e9, 0.0}) { // all outputs at once, one at a time
            Field<> expected = start, field = start;
            std::int64_t now = 0;
            Steps seen;
            LeapOptions options;
            options.max_bytes = memory;
            INFO(kernel.n_sites() << " sites, " << cells.transpose());
            leap<double>(
                field, steps,
                [&](std::int64_t n, const Field<>& there) {
                    advance(expected, static_cast<std::uint64_t>(n - now));
                    now = n;
                    seen.push_back(n);
                    CHECK(test::largest_difference(there, expected) < 1e-12);
                    CHECK(std::abs(total(there) / total(start) - 1) < 1e-13);
                },
                options);
            CHECK(seen == steps);
            CHECK(test::largest_difference(field, expected) < 1e-12);
            advance(field, 3), advance(expected, 3); // margins are in place, too
            CHECK(test::largest_difference(field, expected) < 1e-12);
        }
    }
}

TEST_CASE("few steps of many sites go entry by entry to the same end", "[meso][bloch]") {
    const Domain domain = crystal_domain(test::random_nonreversible(40, 3), {3, 2, 2});
    for (const std::int64_t n : {1, 2, 3, 5}) {
        Field<> expected = random_field<double>(domain, 5), field = expected;
        advance(expected, static_cast<std::uint64_t>(n));
        leap(field, n);
        CHECK(test::largest_difference(field, expected) < 1e-13);
    }
}

TEST_CASE("in float a leap is that of doubles to 1e-6", "[meso][bloch]") {
    for (const Kernel& kernel : {test::random_reversible(5, 1), test::random_nonreversible(4, 2)}) {
        const Domain domain = crystal_domain(kernel, {12, 5, 6});
        Field<> wide = random_field<double>(domain, 3);
        Field<float> narrow = random_field<float>(domain, 3);
        const double start = total(wide);
        leap(wide, 300), leap(narrow, 300);
        CHECK(test::largest_difference(wide, narrow) < 1e-6);
        CHECK(std::abs(total(narrow) / start - 1) < 1e-6);
    }
}

TEST_CASE("a billion steps keep the ions and end at the weights", "[meso][bloch]") {
    for (const Kernel& kernel : {test::random_reversible(5, 1), test::random_nonreversible(5, 2)}) {
        const Domain domain = crystal_domain(kernel, {6, 5, 4});
        Field<> field(domain), weights(domain);
        fill(field, SiteStart{{2, 3, 1}, 4}, 10);
        fill(weights, EquilibriumStart{}, 10);
        leap(field, 1'000'000'000);
        CHECK(std::abs(total(field) / 10 - 1) < 1e-13);
        CHECK(test::largest_difference(field, weights) < 1e-12);
    }
    // Channels keep each their own.
    const Domain domain = crystal_domain(channels(), {8, 3, 1});
    Field<> field(domain);
    field.set({1, 0, 0}, 0, 3.0);
    field.set({5, 2, 0}, 1, 1.0);
    leap(field, 1'000'000'000);
    test::for_each_site(domain, [&](const IVec3& cell, std::size_t i) {
        const double expected = i == 0 && cell[1] == 0 ? 3.0 / 8 : i == 1 && cell[1] == 2 ? 1.0 / 8 : 0;
        CHECK(std::abs(field.at(cell, i) - expected) < 1e-13);
    });
}

TEST_CASE("a pulse on a ring leaps by the exact propagator", "[meso][bloch]") {
    constexpr int n = 50;
    const Domain domain = crystal_domain(test::simple_cubic(3, 0.4), {n, 1, 2});
    const Field<> start = [&] {
        Field<> field(domain);
        fill(field, SiteStart{{5, 0, 1}, 0});
        return field;
    }();
    for (const std::int64_t steps : {1, 10, 77, 4096, 100'001}) {
        Field<> field = start;
        leap(field, steps);
        for (int z = 0; z < 2; ++z)
            for (int x = 0; x < n; ++x) {
                double exact = 0;
                for (int k = 0; k < n; ++k)
                    for (int m = 0; m < 2; ++m) {
                        const double turn = 2 * std::numbers::pi * k / n, sign = m == 0 ? 1 : -1;
                        const double step = 0.4 + 0.2 * std::cos(turn) + 0.2 * sign + 0.2;
                        exact += std::pow(step, static_cast<double>(steps)) * std::cos(turn * (x - 5)) *
                                 (z == 1 ? 1 : sign) / (2 * n);
                    }
                CHECK(std::abs(field.at({x, 0, z}, 0) - exact) < 1e-13);
            }
    }
}

TEST_CASE("the Fourier transform of a leap is the power of the Bloch matrix", "[meso][bloch][scattering]") {
    const IVec3 cells(5, 3, 4);
    const Steps steps{1, 2, 9, 400};
    for (const Kernel& kernel : {test::random_reversible(4, 7), test::random_nonreversible(4, 8)}) {
        const Domain domain = crystal_domain(kernel, cells);
        for (const Vec3& m : {Vec3(0, 0, 0), Vec3(1, 0, 0), Vec3(0, 1, 2), Vec3(2, -1, 1)}) {
            const Vec3 kappa = m.cwiseQuotient(cells.cast<double>());
            const auto exact = intermediate_scattering(kernel, kappa, steps);
            std::vector<std::complex<double>> measured(steps.size());
            for (const bool imaginary : {false, true}) {
                Field<> field(domain);
                for (std::size_t j = 0; j < 4; ++j) {
                    const double angle =
                        2 * std::numbers::pi *
                        kappa.dot(kernel.basis.cell.to_fractional(kernel.basis.positions[j]));
                    field.set(IVec3::Zero(), j,
                              kernel.stationary[j] * (imaginary ? std::sin(angle) : std::cos(angle)));
                }
                std::size_t s = 0;
                leap<double>(field, steps, [&](std::int64_t, const Field<>& there) {
                    measured[s++] += std::complex<double>(!imaginary, imaginary) * fourier_mode(there, kappa);
                });
            }
            for (std::size_t s = 0; s < steps.size(); ++s) CHECK(std::abs(measured[s] - exact[s]) < 1e-12);
        }
    }
}

TEST_CASE("weights over twelve decades do not cost digits", "[meso][bloch]") {
    // Detailed balance, but pi^-1/2 M pi^1/2 would spread over a factor 1e6.
    SiteBasis basis;
    basis.cell = Cell(Vec3(4, 5, 6).asDiagonal().toDenseMatrix());
    basis.positions = {Vec3::Zero(), Vec3(0, 2, 0)};
    const test::Flows flows{{{0, 1, IVec3::Zero()}, 3e-13},
                            {{1, 0, IVec3::Zero()}, 3e-13},
                            {{1, 0, IVec3::UnitX()}, 4e-13},
                            {{0, 1, -IVec3::UnitX()}, 4e-13}};
    Kernel kernel = test::kernel_from_flows(basis, {1 - 1e-12, 1e-12}, flows, 1);
    kernel.reversible = true;
    const Domain domain = crystal_domain(kernel, {12, 1, 1});
    Field<> field(domain);
    fill(field, SiteStart{{3, 0, 0}, 1});
    Field<> expected = field;
    leap(field, 50);
    advance(expected, 50);
    CHECK(test::largest_difference(field, expected) < 1e-14);
}

TEMPLATE_TEST_CASE("leaps by one and two threads and by all vector units have the same bits",
                   "[meso][bloch][parallel]", double, float) {
    for (const Kernel& kernel : {test::random_reversible(5, 6), test::random_nonreversible(4, 6)}) {
        const Domain domain = crystal_domain(kernel, {22, 11, 9});
        const auto start = random_field<TestType>(domain, 12);
        const Steps steps{3, 50, 333};
        auto one = start, two = start;
        with_threads(1, [&] { leap<TestType>(one, steps); });
        with_threads(2, [&] { leap<TestType>(two, steps); });
        CHECK(test::largest_difference(one, two) == 0);
        for (const VectorUnits units : {VectorUnits::baseline, VectorUnits::avx2}) {
            limit_vector_units(units);
            auto other = start;
            leap<TestType>(other, steps);
            CHECK(test::largest_difference(one, other) == 0);
        }
        limit_vector_units(VectorUnits::avx512);
    }
}

TEST_CASE("progress of a leap ascends to 1, and may stop it", "[meso][bloch]") {
    Field<> field = random_field<double>(crystal_domain(test::fcc(), {6, 5, 4}), 1);
    std::vector<double> seen;
    LeapOptions options;
    options.progress = [&](double fraction) { seen.push_back(fraction); };
    leap<double>(field, Steps{2, 5, 9}, {}, options);
    REQUIRE(seen.size() >= 2);
    CHECK(std::is_sorted(seen.begin(), seen.end()));
    CHECK(seen.back() == 1);
    options.progress = [](double) { throw Stopped("enough"); };
    CHECK_THROWS_AS(leap<double>(field, Steps{2}, {}, options), Stopped);
}

TEST_CASE("few steps go one by one, many at once, and walls always one by one", "[meso][bloch]") {
    const Kernel kernel = test::random_reversible(26, 1, 28);
    Domain domain = crystal_domain(kernel, {48, 48, 48});
    for (const auto precision : {FieldPrecision::single_precision, FieldPrecision::double_precision}) {
        const auto few = choose_field_engine(domain, Steps{2, 5}, precision);
        CHECK(few.engine == FieldEngine::stencil);
        CHECK(few.stencil_seconds < few.bloch_seconds);
        const auto many = choose_field_engine(domain, Steps{10, 100, 1'000, 10'000}, precision);
        CHECK(many.engine == FieldEngine::bloch);
        CHECK(many.stencil_seconds > many.bloch_seconds);
        CHECK(many.reason.find("Fourier") != std::string::npos);
    }
    CHECK(choose_field_engine(domain, Steps{}).engine == FieldEngine::stencil);
    CHECK(choose_field_engine(domain, Steps{0}).engine == FieldEngine::stencil);
    domain.faces[1] = {Face{FaceKind::reflecting, 0}, Face{FaceKind::reflecting, 0}};
    const auto walls = choose_field_engine(domain, Steps{1'000'000});
    CHECK(walls.engine == FieldEngine::stencil);
    CHECK(walls.reason.find("no crystal") != std::string::npos);
    CHECK_THROWS_AS(choose_field_engine(domain, Steps{5, 4}), DataError);
}

TEST_CASE("memory of a leap is that of the field and of outputs at once", "[meso][bloch]") {
    const Domain domain = crystal_domain(test::random_reversible(26, 1), {64, 20, 20});
    const double field = field_bytes(domain), one = leap_bytes(domain, 1), spectrum = field / 2;
    CHECK(one > field);
    CHECK(one < field + threads() * 1e6);
    CHECK(leap_bytes(domain, 4) - one == Approx(3 * spectrum).epsilon(0.01));
    LeapOptions options;
    options.max_bytes = 1.5 * spectrum; // one more
    CHECK(leap_bytes(domain, 100, options) - one < 1.5 * spectrum);
    CHECK(leap_bytes<float>(domain, 1) < 0.7 * one);
}

TEST_CASE("leaps through walls and regions, and to steps that do not ascend, are refused", "[meso][bloch]") {
    Field<> patches(test::patchwork({4, 3, 2}, false));
    CHECK_THROWS_AS(leap(patches, 5), DataError);
    Domain slab = crystal_domain(test::fcc(), {4, 3, 2});
    slab.faces[0][0].kind = slab.faces[0][1].kind = FaceKind::reflecting;
    Field<> walled(slab);
    CHECK_THROWS_AS(leap(walled, 5), DataError);
    Field<> field(crystal_domain(test::fcc(), {4, 3, 2}));
    CHECK_THROWS_AS(leap<double>(field, Steps{5, 3}), DataError);
    CHECK_THROWS_AS(leap(field, -1), DataError);
}
