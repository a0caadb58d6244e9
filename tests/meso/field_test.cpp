#include <cmath>
#include <numbers>

#include "mesolith/core/error.hpp"
#include "mesolith/core/parallel.hpp"
#include "mesolith/core/random.hpp"
#include "mesolith/core/vector_units.hpp"
#include "mesolith/meso/field.hpp"
#include "mesolith/meso/shapes.hpp"
#include "mesolith/msm/van_hove.hpp"

#include "support/catch.hpp"
#include "support/domains.hpp"
#include "support/fields.hpp"

using namespace mesolith;
using test::patchwork;

namespace {

template <class F>
void for_each_cell(const IVec3& n, F&& f) {
    for (int z = 0; z < n[2]; ++z)
        for (int y = 0; y < n[1]; ++y)
            for (int x = 0; x < n[0]; ++x) f(IVec3(x, y, z));
}

template <class T = double>
Field<T> randomised(Field<T> field, std::uint64_t seed) {
    Stream random(seed, RngUse::test, 0, 0);
    for_each_cell(field.domain().cells, [&](const IVec3& cell) {
        for (std::size_t i = 0; i < field.n_basis(); ++i)
            field.set(cell, i, static_cast<T>(uniform01(random)));
    });
    return field;
}

/// One step, written as the definition.
Field<> brute_force_step(const Field<>& field) {
    const Kernel& kernel = field.domain().materials.front().kernel;
    const IVec3 n = field.domain().cells;
    Field<> next(field.domain());
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

template <class T>
Eigen::VectorXd as_vector(const Field<T>& field) {
    Eigen::VectorXd x(field.domain().n_sites());
    for_each_cell(field.domain().cells, [&](const IVec3& cell) {
        for (std::size_t i = 0; i < field.n_basis(); ++i)
            x[static_cast<Eigen::Index>(field.domain().cell_index(cell) * field.n_basis() + i)] =
                static_cast<double>(field.at(cell, i));
    });
    return x;
}

double largest_difference(const FieldExchange& a, const FieldExchange& b) {
    double largest = 0;
    for (std::size_t f = 0; f < 6; ++f)
        largest = std::max({largest, std::abs(a.in[f / 2][f % 2] - b.in[f / 2][f % 2]),
                            std::abs(a.out[f / 2][f % 2] - b.out[f / 2][f % 2])});
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
            Field<> field = randomised(Field<>(crystal_domain(kernel, cells)), 4);
            Field<> expected = field;
            for (int step = 0; step < 3; ++step) expected = brute_force_step(expected);
            advance(field, 3);
            INFO(cells.transpose() << ", " << kernel.n_sites() << " sites");
            CHECK(test::largest_difference(field, expected) < 1e-14);
        }
}

TEST_CASE("rows of every length are computed to their end", "[meso][field]") {
    const Kernel kernel = test::random_reversible(2, 5);
    for (int nx = 1; nx <= 140; nx += nx < 70 ? 1 : 7) {
        Field<> field = randomised(Field<>(crystal_domain(kernel, {nx, 2, 1})), 8);
        const Field<> expected = brute_force_step(field);
        advance(field, 1);
        INFO(nx);
        CHECK(test::largest_difference(field, expected) < 1e-15);
    }
}

TEST_CASE("the sum over all sites is kept to 1e-13 per step", "[meso][field]") {
    Field<> field = randomised(Field<>(crystal_domain(test::random_nonreversible(7, 2), {12, 10, 9})), 3);
    for (int step = 0; step < 20; ++step) {
        const double before = total(field);
        advance(field, 1);
        CHECK(std::abs(total(field) / before - 1) < 1e-13);
    }
}

TEST_CASE("the stationary distribution is a fixed point", "[meso][field]") {
    for (const Kernel& kernel : {test::random_reversible(6, 1), test::random_nonreversible(6, 2)}) {
        Field<> field(crystal_domain(kernel, {5, 6, 7}));
        for_each_cell({5, 6, 7}, [&](const IVec3& cell) {
            for (std::size_t i = 0; i < 6; ++i) field.set(cell, i, kernel.stationary[i]);
        });
        const Field<> before = field;
        advance(field, 10);
        CHECK(test::largest_difference(field, before) < 1e-14);
    }
}

TEMPLATE_TEST_CASE("one and two threads, and all vector units, give the same bits", "[meso][field][parallel]",
                   double, float) {
    const Domain crystal = crystal_domain(test::random_nonreversible(5, 6), {37, 11, 13});
    for (const Domain& domain : {crystal, patchwork({21, 9, 8}, true)}) {
        const auto start = randomised(Field<TestType>(domain), 12);
        auto one = start, two = start;
        double total_one = 0, total_two = 0;
        FieldExchange exchange, exchange_two;
        with_threads(1, [&] { exchange = advance(one, 7), total_one = total(one); });
        with_threads(2, [&] {
            exchange_two = advance(two, 4);
            exchange_two += advance(two, 3);
            total_two = total(two);
        });
        CHECK(test::largest_difference(one, two) == 0);
        CHECK(total_one == total_two);
        CHECK(largest_difference(exchange, exchange_two) <= 1e-15 * exchange.total_out()); // summed otherwise
        for (const VectorUnits units : {VectorUnits::baseline, VectorUnits::avx2}) {
            limit_vector_units(units);
            auto other = start;
            const FieldExchange there = advance(other, 7);
            CHECK(test::largest_difference(one, other) == 0);
            CHECK(largest_difference(exchange, there) == 0);
        }
        limit_vector_units(VectorUnits::avx512);
    }
}

TEST_CASE("the Fourier transform of the field is the power of the Bloch matrix",
          "[meso][field][scattering]") {
    const IVec3 cells(5, 3, 4);
    for (const Kernel& kernel : {test::random_reversible(4, 7), test::random_nonreversible(4, 8)}) {
        const Domain lattice = crystal_domain(kernel, cells);
        const std::vector<std::int64_t> steps{0, 1, 2, 9, 40};
        for (const Vec3& m : {Vec3(0, 0, 0), Vec3(1, 0, 0), Vec3(0, 1, 2), Vec3(2, -1, 1)}) {
            const Vec3 kappa = m.cwiseQuotient(cells.cast<double>());
            const auto exact = intermediate_scattering(kernel, kappa, steps);
            // F_s starts from pi_j exp(i k.b_j), so that positions are counted from each start: two real
            // fields
            Field<> real(lattice), imaginary(lattice);
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
    Field<> field(crystal_domain(kernel, {5, 4, 7}));
    field.set({3, 2, 4}, 1, 2.0); // cells -2, 2, -3
    const FieldMoments moments = field_moments(field);
    const Vec3 r = kernel.basis.cell.to_cartesian(Vec3(-2, 2, -3)) + kernel.basis.positions[1];
    CHECK(moments.mass == 2);
    CHECK((moments.first - 2 * r).norm() < 1e-13);
    CHECK((moments.second - 2 * r * r.transpose()).norm() < 1e-12);
    CHECK(moments.edge == 2); // hops reach 1 cell
    Field<> inner(crystal_domain(kernel, {5, 5, 7}));
    inner.set({1, 4, 5}, 0, -3.0); // cells 1, -1, -2: one hop stays inside
    CHECK(field_moments(inner).edge == 0);
    CHECK(field_moments(inner).mass == -3);
    inner.set({1, 4, 4}, 0, -1.0); // -3 is the last cell before the wrap
    CHECK(field_moments(inner).edge == 1);
}

TEMPLATE_TEST_CASE("a patchwork with all kinds of faces steps by the matrix of its definition",
                   "[meso][field]", double, float) {
    const double tolerance = sizeof(TestType) == 8 ? 1e-14 : 1e-5;
    for (const bool walls : {false, true})
        for (const IVec3& cells : {IVec3(5, 4, 3), IVec3(1, 2, 7), IVec3(17, 2, 2), IVec3(2, 3, 1)}) {
            const Domain domain = patchwork(cells, walls);
            const test::Dense exact = test::dense(domain);
            auto field = randomised(Field<TestType>(domain), 9);
            Eigen::VectorXd x = as_vector(field);
            INFO(cells.transpose() << (walls ? ", walls" : ""));
            for (int step = 0; step < 4; ++step) {
                const Eigen::VectorXd out = exact.leave * x, in = exact.enter.rowwise().sum();
                x = (exact.P * x + exact.inflow).eval();
                const FieldExchange exchange = advance(field, 1);
                CHECK((as_vector(field) - x).cwiseAbs().maxCoeff() < tolerance);
                for (Eigen::Index f = 0; f < 6; ++f) {
                    const auto axis = static_cast<std::size_t>(f / 2), side = static_cast<std::size_t>(f % 2);
                    CHECK(std::abs(exchange.in[axis][side] - in[f]) < 1e-13);
                    CHECK(std::abs(exchange.out[axis][side] - out[f]) < 10 * tolerance);
                }
            }
        }
}

TEST_CASE("runs of like cells of every length and start are computed to their end", "[meso][field]") {
    for (int nx = 1; nx <= 45; nx += nx < 20 ? 1 : 5) {
        Domain domain = patchwork({nx, 1, 2}, true);
        std::mt19937_64 random(static_cast<std::uint64_t>(nx));
        for (std::size_t c = 1; c < domain.region.size(); ++c) // runs of 5 on average
            domain.region[c] = random() % 5 ? domain.region[c - 1] : static_cast<std::uint16_t>(random() % 4);
        const test::Dense exact = test::dense(domain);
        auto field = randomised(Field<>(domain), 2);
        auto narrow = randomised(Field<float>(domain), 2);
        const Eigen::VectorXd x = as_vector(field);
        advance(field, 2);
        advance(narrow, 2);
        const Eigen::VectorXd expected = exact.P * (exact.P * x + exact.inflow) + exact.inflow;
        INFO(nx);
        CHECK((as_vector(field) - expected).cwiseAbs().maxCoeff() < 1e-14);
        CHECK((as_vector(narrow) - expected).cwiseAbs().maxCoeff() < 1e-5);
    }
}

TEST_CASE("ions are kept to 1e-13 per step: what is there is what was, and came in, less what left",
          "[meso][field]") {
    Domain domain = patchwork({9, 5, 4}, true);
    domain.faces[1] = {Face{FaceKind::reservoir, 5}, Face{FaceKind::reservoir, 0}};
    auto field = randomised(Field<>(domain), 3);
    for (int step = 0; step < 20; ++step) {
        const double before = total(field);
        const FieldExchange exchange = advance(field, 1);
        CHECK(std::abs(total(field) - (before + exchange.total_in() - exchange.total_out())) <
              1e-13 * before);
        CHECK(exchange.total_in() > 0);
        CHECK(exchange.out[2][1] > 0);
        CHECK(exchange.in[0][1] == 0);  // absorbing
        CHECK(exchange.out[2][0] == 0); // reflecting
    }
}

TEST_CASE("walls that reflect and interfaces leave the equilibrium alone to 1e-14", "[meso][field]") {
    Domain domain = patchwork({11, 4, 5}, false);
    for (auto& axis : domain.faces) axis[0].kind = axis[1].kind = FaceKind::reflecting;
    Field<> field(domain);
    fill(field, EquilibriumStart{1});
    const Field<> before = field;
    advance(field, 10);
    CHECK(test::largest_difference(field, before) < 1e-14);
    // and a reservoir as full as the domain
    domain.faces[1] = {Face{FaceKind::reservoir, 0.8}, Face{FaceKind::reservoir, 0.8}};
    Field<> open(domain);
    fill(open, EquilibriumStart{0.8});
    const Field<> full = open;
    const FieldExchange exchange = advance(open, 10);
    CHECK(test::largest_difference(open, full) < 1e-14);
    CHECK(exchange.in[1][0] == Approx(exchange.out[1][0]).epsilon(1e-13));
    CHECK(exchange.in[1][0] > 0);
}

TEST_CASE("between two reservoirs the profile becomes a straight line and the current constant",
          "[meso][field]") {
    constexpr int length = 9;
    Domain domain = crystal_domain(test::simple_cubic(3, 0.4), {length, 2, 1});
    domain.faces[0] = {Face{FaceKind::reservoir, 2}, Face{FaceKind::reservoir, 0.5}};
    Field<> field(domain);
    advance(field, 4000);
    const std::vector<double> layers = profile(field, 0);
    for (int x = 0; x < length; ++x)
        CHECK(layers[static_cast<std::size_t>(x)] / 2 ==
              Approx(2 + (0.5 - 2) * (x + 1) / (length + 1.0)).epsilon(1e-12));
    const FieldExchange exchange = advance(field, 10);
    const double current = 10 * 2 * 0.1 * (2 - 0.5) / (length + 1.0); // steps, chains, p, gradient
    CHECK(exchange.in[0][0] - exchange.out[0][0] == Approx(current).epsilon(1e-11));
    CHECK(exchange.out[0][1] - exchange.in[0][1] == Approx(current).epsilon(1e-11));
}

TEST_CASE("a pulse on a ring spreads by the exact propagator", "[meso][field]") {
    constexpr int n = 40, steps = 300;
    const double p = 0.1;
    const Domain domain = crystal_domain(test::simple_cubic(3, 0.4), {n, 1, 1});
    Field<> field(domain);
    Field<float> narrow(domain);
    fill(field, SiteStart{{5, 0, 0}, 0});
    fill(narrow, SiteStart{{5, 0, 0}, 0});
    advance(field, steps);
    advance(narrow, steps);
    double off = 0, narrow_off = 0;
    for (int x = 0; x < n; ++x) {
        double exact = 0;
        for (int k = 0; k < n; ++k) {
            const double turn = 2 * std::numbers::pi * k / n;
            exact += std::pow(1 - 2 * p * (1 - std::cos(turn)), steps) * std::cos(turn * (x - 5)) / n;
        }
        off = std::max(off, std::abs(field.at({x, 0, 0}, 0) - exact));
        narrow_off = std::max(narrow_off, std::abs(static_cast<double>(narrow.at({x, 0, 0}, 0)) - exact));
    }
    CHECK(off < 1e-14); // 300 roundings
    CHECK(narrow_off < 1e-7);
    // 4e-6 without the term that makes up for the rounding of probabilities
    CHECK(std::abs(total(narrow) - 1) < 1e-6);
}

TEST_CASE("the alternating chain has its closed-form MSD at every step", "[meso][field]") {
    const double p1 = 0.3, p2 = 0.05, l1 = 2, l2 = 3;
    const Domain domain = crystal_domain(test::alternating_chain(p1, p2, l1, l2), {64, 1, 1});
    // From either site, counted from there.
    std::vector<Field<>> from;
    for (std::size_t j = 0; j < 2; ++j) {
        from.emplace_back(domain);
        fill(from.back(), SiteStart{IVec3::Zero(), j});
    }
    // The mean hop v from site 0 is -v from site 1; the memory of the site decays as r^n, so that
    // MSD(n) = n (p1 l1^2 + p2 l2^2) - 2 v^2 sum_{m=1}^{n-1} (n - m) r^{m-1}
    const double v = p1 * l1 - p2 * l2, r = 1 - 2 * (p1 + p2);
    for (int n = 1; n <= 25; ++n) {
        double msd = 0;
        for (std::size_t j = 0; j < 2; ++j) {
            advance(from[j], 1);
            const FieldMoments m = field_moments(from[j]);
            const double b = j == 0 ? 0 : l1;
            msd += 0.5 * (m.second(0, 0) - 2 * b * m.first[0] + b * b * m.mass);
        }
        const double memory = (n * (1 - r) - (1 - std::pow(r, n))) / ((1 - r) * (1 - r));
        INFO(n);
        CHECK(msd == Approx(n * (p1 * l1 * l1 + p2 * l2 * l2) - 2 * v * v * memory).epsilon(1e-13));
    }
}

TEST_CASE("floats stay within 1e-5 of doubles and keep their sum", "[meso][field]") {
    for (const Domain& domain :
         {crystal_domain(test::random_reversible(5, 3), {20, 9, 10}), patchwork({12, 5, 4}, false)}) {
        Field<> wide(domain);
        Field<float> narrow(domain);
        fill(wide, PulseStart{Vec3(20, 20, 20), 6}, 100);
        fill(narrow, PulseStart{Vec3(20, 20, 20), 6}, 100);
        advance(wide, 500);
        advance(narrow, 500);
        const double largest = as_vector(wide).maxCoeff();
        CHECK(test::largest_difference(wide, narrow) < 1e-5 * largest);
        CHECK(std::abs(total(narrow) - 100) < 1e-4);
    }
}

TEST_CASE("fields start from weights, sites, pulses, regions and profiles", "[meso][field]") {
    const Domain domain = patchwork({6, 5, 4}, true); // periodic along a_2 only
    const auto each = [&](const FieldStart& start, auto&& expected) {
        auto field = randomised(Field<>(domain), 1);
        fill(field, start);
        double off = 0;
        for_each_cell(domain.cells, [&](const IVec3& cell) {
            for (std::size_t i = 0; i < 3; ++i)
                off = std::max(off, std::abs(field.at(cell, i) - expected(cell, domain.cell_index(cell), i)));
        });
        CHECK(off < 1e-14); // 300 roundings
    };
    each(EquilibriumStart{3},
         [&](const IVec3&, std::size_t c, std::size_t i) { return 3 * domain.weight_of(c, i); });
    each(SiteStart{{1, 4, 3}, 2}, [](const IVec3& cell, std::size_t, std::size_t i) {
        return cell == IVec3(1, 4, 3) && i == 2 ? 1.0 : 0.0;
    });
    each(RegionStart{{1, 3}, 2}, [&](const IVec3&, std::size_t c, std::size_t i) {
        return domain.region[c] % 2 == 1 ? 2 * domain.weight_of(c, i) : 0;
    });
    each(ProfileStart{2, {1, 0, 2, 5}}, [&](const IVec3& cell, std::size_t c, std::size_t i) {
        return std::array{1, 0, 2, 5}[static_cast<std::size_t>(cell[2])] * domain.weight_of(c, i);
    });
    const SiteBasis& basis = domain.basis();
    const Vec3 centre(3, 28, 7);
    each(PulseStart{centre, 4}, [&](const IVec3& cell, std::size_t c, std::size_t i) {
        double sum = 0;
        for (int image = -9; image <= 9; ++image) {
            const Vec3 r = basis.cell.to_cartesian((cell + IVec3(0, 5 * image, 0)).cast<double>()) +
                           basis.positions[i] - centre;
            sum += std::exp(-r.squaredNorm() / (2 * 4 * 4));
        }
        return sum * domain.weight_of(c, i);
    });
    Field<> scaled(domain);
    fill(scaled, PulseStart{centre, 4}, 12);
    CHECK(total(scaled) == Approx(12).epsilon(1e-14));
    Field<float> narrow(domain);
    fill(narrow, PulseStart{centre, 4}, 12);
    CHECK(test::largest_difference(scaled, narrow) < 1e-6);
}

TEMPLATE_TEST_CASE("totals, profiles and blocks are sums over their cells", "[meso][field]", double, float) {
    const Domain domain = patchwork({7, 5, 19}, true);
    const auto field = randomised(Field<TestType>(domain), 6);
    const Eigen::VectorXd x = as_vector(field);
    const auto ions = [&](const IVec3& cell) {
        return x.segment(static_cast<Eigen::Index>(3 * domain.cell_index(cell)), 3).sum();
    };
    CHECK(total(field) == Approx(x.sum()).epsilon(1e-13));
    std::vector<double> regions(4, 0.0);
    for_each_cell(domain.cells, [&](const IVec3& cell) {
        regions[domain.region_of(domain.cell_index(cell))] += ions(cell);
    });
    const std::vector<double> of_regions = region_totals(field);
    REQUIRE(of_regions.size() == 4);
    for (std::size_t r = 0; r < 4; ++r) CHECK(of_regions[r] == Approx(regions[r]).epsilon(1e-13));
    for (int axis = 0; axis < 3; ++axis) {
        std::vector<double> layers(static_cast<std::size_t>(domain.cells[axis]), 0.0);
        for_each_cell(domain.cells,
                      [&](const IVec3& cell) { layers[static_cast<std::size_t>(cell[axis])] += ions(cell); });
        const std::vector<double> of_axis = profile(field, axis);
        REQUIRE(of_axis.size() == layers.size());
        for (std::size_t k = 0; k < layers.size(); ++k) CHECK(of_axis[k] == Approx(layers[k]).epsilon(1e-13));
    }
    for (const IVec3& block : {IVec3(3, 2, 4), IVec3(1, 1, 1), IVec3(7, 5, 19), IVec3(50, 5, 6)}) {
        const CoarseField coarse = coarse_grained(field, block);
        for (int axis = 0; axis < 3; ++axis)
            CHECK(coarse.voxels[axis] == (domain.cells[axis] + block[axis] - 1) / block[axis]);
        std::vector<double> sum(static_cast<std::size_t>(coarse.voxels.prod()), 0.0), count = sum;
        for_each_cell(domain.cells, [&](const IVec3& cell) {
            const IVec3 v(cell[0] / block[0], cell[1] / block[1], cell[2] / block[2]);
            const auto k =
                static_cast<std::size_t>((v[2] * coarse.voxels[1] + v[1]) * coarse.voxels[0] + v[0]);
            sum[k] += ions(cell);
            ++count[k];
        });
        REQUIRE(coarse.mean.size() == sum.size());
        double off = 0;
        for (std::size_t k = 0; k < sum.size(); ++k)
            off = std::max(off, std::abs(coarse.mean[k] - sum[k] / count[k]));
        CHECK(off < 1e-13);
    }
}

TEST_CASE("a field takes at most 32 bytes per site from 32 cells on, half of it in float from 64",
          "[meso][field]") {
    for (const int nx : {32, 48, 64, 96, 100, 128}) {
        const Domain domain = crystal_domain(test::random_reversible(26, 1), {nx, 8, 8});
        const Field<> field(domain);
        const Field<float> narrow(domain);
        const auto sites = static_cast<double>(domain.n_sites());
        INFO(nx);
        CHECK(static_cast<double>(field.bytes()) / sites <= 32);
        CHECK(static_cast<double>(narrow.bytes()) / sites <= (nx < 64 ? 32 : 16));
        CHECK(field_bytes(domain) == Approx(field.bytes()).epsilon(1e-3));
        CHECK(field_bytes<float>(domain) == Approx(narrow.bytes()).epsilon(1e-3));
    }
}

TEST_CASE("rows come out as they were put in", "[meso][field]") {
    auto field = randomised(Field<>(patchwork({6, 3, 2}, true)), 3), copy = field;
    for (std::size_t z = 0; z < 2; ++z)
        for (std::size_t y = 0; y < 3; ++y)
            for (std::size_t i = 0; i < 3; ++i) {
                CHECK(field.row(y, z, i)[4] == field.at({4, static_cast<int>(y), static_cast<int>(z)}, i));
                const std::vector<double> row(field.row(y, z, i).begin(), field.row(y, z, i).end());
                copy.set_row(y, z, i, std::vector<double>(6, 0.0));
                copy.set_row(y, z, i, row);
            }
    advance(field, 2), advance(copy, 2);
    CHECK(test::largest_difference(field, copy) == 0);
}

TEST_CASE("cells and sites that do not exist, fields beyond memory and unsorted steps are refused",
          "[meso][field]") {
    Field<> field(crystal_domain(test::fcc(), {3, 3, 3}));
    CHECK_THROWS_AS(field.set({3, 0, 0}, 0, 1), DataError);
    CHECK_THROWS_AS(field.set({0, -1, 0}, 0, 1), DataError);
    CHECK_THROWS_AS(field.at({0, 0, 0}, 1), DataError);
    CHECK_THROWS_AS(field.set_row(0, 3, 0, std::vector<double>(3)), DataError);
    CHECK_THROWS_AS(field.set_row(0, 0, 0, std::vector<double>(4)), DataError);
    CHECK_THROWS_AS(Field<>(crystal_domain(test::fcc(), {1 << 14, 1 << 14, 1 << 14})), DataError);
    CHECK_THROWS_AS(intermediate_scattering(test::fcc(), Vec3::Zero(), std::vector<std::int64_t>{3, 2}),
                    DataError);
    CHECK_THROWS_AS(intermediate_scattering(test::fcc(), Vec3::Zero(), std::vector<std::int64_t>{-1}),
                    DataError);
}

TEST_CASE("starts and measures that do not fit the domain are refused", "[meso][field]") {
    const Domain domain = patchwork({3, 4, 5}, true);
    Field<> field(domain);
    CHECK_THROWS_AS(fill(field, EquilibriumStart{-1}), DataError);
    CHECK_THROWS_AS(fill(field, EquilibriumStart{std::nan("")}), DataError);
    CHECK_THROWS_AS(fill(field, EquilibriumStart{1}, -2), DataError);
    CHECK_THROWS_AS(fill(field, SiteStart{{3, 0, 0}, 0}), DataError);
    CHECK_THROWS_AS(fill(field, SiteStart{{0, 0, 0}, 3}), DataError);
    CHECK_THROWS_AS(fill(field, PulseStart{Vec3::Zero(), 0}), DataError);
    CHECK_THROWS_AS(fill(field, PulseStart{Vec3(0, std::nan(""), 0), 1}), DataError);
    CHECK_THROWS_AS(fill(field, PulseStart{Vec3(0, 0, 1e9), 1}, 1), DataError); // nothing of it inside
    CHECK_THROWS_AS(fill(field, RegionStart{{4}, 1}), DataError);
    CHECK_THROWS_AS(fill(field, RegionStart{{}, 1}, 1), DataError); // nothing to scale
    CHECK_THROWS_AS(fill(field, ProfileStart{0, {1, 2}}), DataError);
    CHECK_THROWS_AS(fill(field, ProfileStart{3, {1, 2, 3}}), DataError);
    CHECK_THROWS_AS(fill(field, ProfileStart{0, {1, -2, 3}}), DataError);
    CHECK_THROWS_AS(profile(field, -1), DataError);
    CHECK_THROWS_AS(coarse_grained(field, {1, 0, 1}), DataError);
    CHECK_THROWS_AS(Field<>(domain, make_hop_rules(patchwork({3, 4, 4}, true))), DataError);
    CHECK_THROWS_AS(Field<>(domain, make_hop_rules(crystal_domain(test::fcc(), {3, 4, 5}))), DataError);
}
