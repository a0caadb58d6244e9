#include <cmath>
#include <numbers>

#include "mesolith/core/error.hpp"
#include "mesolith/core/parallel.hpp"
#include "mesolith/core/random.hpp"
#include "mesolith/meso/field.hpp"
#include "mesolith/meso/vector_units.hpp"
#include "mesolith/msm/van_hove.hpp"

#include "support/catch.hpp"
#include "support/kernels.hpp"

using namespace mesolith;

namespace {

template <class F>
void for_each_cell(const IVec3& n, F&& f) {
    for (int z = 0; z < n[2]; ++z)
        for (int y = 0; y < n[1]; ++y)
            for (int x = 0; x < n[0]; ++x) f(IVec3(x, y, z));
}

Field random_field(const Lattice& lattice, std::uint64_t seed) {
    Field field(lattice);
    Stream random(seed, RngUse::test, 0, 0);
    for_each_cell(lattice.cells, [&](const IVec3& cell) {
        for (std::size_t i = 0; i < field.n_basis(); ++i) field.set(cell, i, uniform01(random));
    });
    return field;
}

/// One step, written as the definition.
Field brute_force_step(const Field& field) {
    const Kernel& kernel = *field.lattice().kernel;
    const IVec3 n = field.lattice().cells;
    Field next(field.lattice());
    for_each_cell(n, [&](const IVec3& cell) {
        for (std::size_t j = 0; j < kernel.n_sites(); ++j)
            for (const KernelEntry& e : kernel.from(j)) {
                IVec3 to;
                for (int a = 0; a < 3; ++a) to[a] = (((cell[a] + e.R[a]) % n[a]) + n[a]) % n[a];
                const auto i = static_cast<std::size_t>(e.to);
                next.set(to, i, next.at(to, i) + e.p * field.at(cell, j));
            }
    });
    return next;
}

double largest_difference(const Field& a, const Field& b) {
    double largest = 0;
    for_each_cell(a.lattice().cells, [&](const IVec3& cell) {
        for (std::size_t i = 0; i < a.n_basis(); ++i)
            largest = std::max(largest, std::abs(a.at(cell, i) - b.at(cell, i)));
    });
    return largest;
}

/// Hops over up to 2 cells along x, 5 along y, 7 along z.
Kernel far_hops() {
    Kernel kernel = test::random_nonreversible(4, 3);
    for (std::size_t e = 0; e < kernel.entries.size(); ++e) {
        IVec3& R = kernel.entries[e].R;
        R = {2 * R[0], 5 * R[1], e % 2 ? 7 * R[2] : R[2]};
    }
    return kernel;
}

} // namespace

TEST_CASE("a step is the sum over all hops, also where they wrap around a small lattice", "[meso][field]") {
    for (const IVec3& cells :
         {IVec3(3, 2, 4), IVec3(1, 1, 1), IVec3(2, 1, 3), IVec3(9, 4, 5), IVec3(17, 3, 2)})
        for (const Kernel& kernel :
             {test::random_nonreversible(5, 1), test::fcc(), far_hops(), test::alternating_chain()}) {
            Field field = random_field(tile(kernel, cells), 4);
            Field expected = field;
            for (int step = 0; step < 3; ++step) expected = brute_force_step(expected);
            advance(field, 3);
            INFO(cells.transpose() << ", " << kernel.n_sites() << " sites");
            CHECK(largest_difference(field, expected) < 1e-14);
        }
}

TEST_CASE("rows of every length are computed to their end", "[meso][field]") {
    const Kernel kernel = test::random_reversible(2, 5);
    for (int nx = 1; nx <= 140; nx += nx < 70 ? 1 : 7) {
        Field field = random_field(tile(kernel, {nx, 2, 1}), 8);
        const Field expected = brute_force_step(field);
        advance(field, 1);
        INFO(nx);
        CHECK(largest_difference(field, expected) < 1e-15);
    }
}

TEST_CASE("the sum over all sites is kept to 1e-13 per step", "[meso][field]") {
    Field field = random_field(tile(test::random_nonreversible(7, 2), {12, 10, 9}), 3);
    for (int step = 0; step < 20; ++step) {
        const double before = total(field);
        advance(field, 1);
        CHECK(std::abs(total(field) / before - 1) < 1e-13);
    }
}

TEST_CASE("the stationary distribution is a fixed point", "[meso][field]") {
    for (const Kernel& kernel : {test::random_reversible(6, 1), test::random_nonreversible(6, 2)}) {
        Field field(tile(kernel, {5, 6, 7}));
        for_each_cell({5, 6, 7}, [&](const IVec3& cell) {
            for (std::size_t i = 0; i < 6; ++i) field.set(cell, i, kernel.stationary[i]);
        });
        const Field before = field;
        advance(field, 10);
        CHECK(largest_difference(field, before) < 1e-14);
    }
}

TEST_CASE("one and two threads, and all vector units, give the same bits", "[meso][field][parallel]") {
    const Lattice lattice = tile(test::random_nonreversible(5, 6), {37, 11, 13});
    const Field start = random_field(lattice, 12);
    Field one = start, two = start;
    double total_one = 0, total_two = 0;
    with_threads(1, [&] { advance(one, 7), total_one = total(one); });
    with_threads(2, [&] { advance(two, 4), advance(two, 3), total_two = total(two); });
    CHECK(largest_difference(one, two) == 0);
    CHECK(total_one == total_two);
    for (VectorUnits units : {VectorUnits::baseline, VectorUnits::avx2}) {
        limit_vector_units(units);
        Field other = start;
        advance(other, 7);
        CHECK(largest_difference(one, other) == 0);
    }
    limit_vector_units(VectorUnits::avx512);
}

TEST_CASE("the Fourier transform of the field is the power of the Bloch matrix",
          "[meso][field][scattering]") {
    const IVec3 cells(5, 3, 4);
    for (const Kernel& kernel : {test::random_reversible(4, 7), test::random_nonreversible(4, 8)}) {
        const Lattice lattice = tile(kernel, cells);
        const std::vector<std::int64_t> steps{0, 1, 2, 9, 40};
        for (const Vec3& m : {Vec3(0, 0, 0), Vec3(1, 0, 0), Vec3(0, 1, 2), Vec3(2, -1, 1)}) {
            const Vec3 kappa = m.cwiseQuotient(cells.cast<double>());
            const auto exact = intermediate_scattering(kernel, kappa, steps);
            // F_s starts from pi_j exp(i k.b_j), so that positions are counted from each start: two real
            // fields
            Field real(lattice), imaginary(lattice);
            for (std::size_t j = 0; j < 4; ++j) {
                const double angle = 2 * std::numbers::pi *
                                     kappa.dot(kernel.basis.cell.to_fractional(kernel.basis.positions[j]));
                real.set(IVec3::Zero(), j, kernel.stationary[j] * std::cos(angle));
                imaginary.set(IVec3::Zero(), j, kernel.stationary[j] * std::sin(angle));
            }
            std::int64_t at = 0;
            for (std::size_t s = 0; s < steps.size(); ++s) {
                advance(real, static_cast<std::uint64_t>(steps[s] - at));
                advance(imaginary, static_cast<std::uint64_t>(steps[s] - at));
                at = steps[s];
                const std::complex<double> measured =
                    fourier_mode(real, kappa) + std::complex<double>(0, 1) * fourier_mode(imaginary, kappa);
                CHECK(std::abs(measured - exact[s]) < 1e-12);
            }
        }
    }
}

TEST_CASE("scattering has its closed form on one site, by steps and by powers", "[meso][scattering]") {
    const Kernel kernel = test::simple_cubic(3, 0.4);
    const Vec3 kappa(0.13, -0.2, 0.31);
    double step = 0.4;
    for (int a = 0; a < 3; ++a) step += 0.2 * std::cos(2 * std::numbers::pi * kappa[a]);
    const std::vector<std::int64_t> steps{0, 1, 5, 100, 10'000};
    const auto f = intermediate_scattering(kernel, kappa, steps);
    for (std::size_t s = 0; s < steps.size(); ++s)
        CHECK(std::abs(f[s] - std::pow(step, static_cast<double>(steps[s]))) < 1e-12);
    // many sites: one leap of 4096 steps (powers) against 4096 leaps (entries)
    const Kernel many = test::random_nonreversible(6, 3);
    std::vector<std::int64_t> each;
    for (std::int64_t n = 0; n <= 4096; ++n) each.push_back(n);
    const Vec3 small(1e-3, 2e-3, -1e-3);
    const auto leap = intermediate_scattering(many, small, std::vector<std::int64_t>{4096});
    const auto walk = intermediate_scattering(many, small, each);
    CHECK(std::abs(leap[0] - walk.back()) < 1e-12);
    CHECK(std::abs(leap[0]) > 1e-3);
}

TEST_CASE("moments of a point are its position, and cells beyond half the lattice are negative",
          "[meso][field]") {
    const Kernel kernel = test::random_reversible(3, 4);
    Field field(tile(kernel, {5, 4, 7}));
    field.set({3, 2, 4}, 1, 2.0); // cells -2, 2, -3
    const FieldMoments moments = field_moments(field);
    const Vec3 r = kernel.basis.cell.to_cartesian(Vec3(-2, 2, -3)) + kernel.basis.positions[1];
    CHECK(moments.mass == 2);
    CHECK((moments.first - 2 * r).norm() < 1e-13);
    CHECK((moments.second - 2 * r * r.transpose()).norm() < 1e-12);
    CHECK(moments.edge == 2); // hops reach 1 cell
    Field inner(tile(kernel, {5, 5, 7}));
    inner.set({1, 4, 5}, 0, -3.0); // cells 1, -1, -2: one hop stays inside
    CHECK(field_moments(inner).edge == 0);
    CHECK(field_moments(inner).mass == -3);
    inner.set({1, 4, 4}, 0, -1.0); // -3 is the last cell before the wrap
    CHECK(field_moments(inner).edge == 1);
}

TEST_CASE("a field takes at most 32 bytes per site from 32 cells on", "[meso][field]") {
    for (int nx : {32, 48, 64, 96, 100, 128}) {
        const Lattice lattice = tile(test::random_reversible(26, 1), {nx, 8, 8});
        const Field field(lattice);
        INFO(nx);
        CHECK(static_cast<double>(field.bytes()) / static_cast<double>(lattice.n_sites()) <= 32);
        CHECK(field_bytes(lattice) == Approx(field.bytes()).epsilon(1e-3));
    }
}

TEST_CASE("cells and sites that do not exist, fields beyond memory and unsorted steps are refused",
          "[meso][field]") {
    Field field(tile(test::fcc(), {3, 3, 3}));
    CHECK_THROWS_AS(field.set({3, 0, 0}, 0, 1), DataError);
    CHECK_THROWS_AS(field.set({0, -1, 0}, 0, 1), DataError);
    CHECK_THROWS_AS(field.at({0, 0, 0}, 1), DataError);
    CHECK_THROWS_AS(Field(tile(test::fcc(), {1 << 14, 1 << 14, 1 << 14})), DataError);
    CHECK_THROWS_AS(intermediate_scattering(test::fcc(), Vec3::Zero(), std::vector<std::int64_t>{3, 2}),
                    DataError);
    CHECK_THROWS_AS(intermediate_scattering(test::fcc(), Vec3::Zero(), std::vector<std::int64_t>{-1}),
                    DataError);
}
