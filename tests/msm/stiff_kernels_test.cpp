// Hop probabilities from 0.3 down over fourteen decades, against dense solves in fifty digits.
#include "mesolith/msm/first_passage.hpp"
#include "mesolith/msm/transport.hpp"

#include "support/catch.hpp"
#include "support/precise.hpp"

using namespace mesolith;
using namespace mesolith::test;

namespace {

std::vector<StiffCrystal> crystals(bool reversible) {
    std::vector<StiffCrystal> all;
    for (const bool aligned : {false, true})
        for (const int directions : {1, 2, 3})
            for (std::uint64_t seed = 1; seed <= 4; ++seed)
                all.push_back({.n_sites = 5 + (seed * 7 + static_cast<std::size_t>(directions) * 5) % 26,
                               .directions = directions,
                               .reversible = reversible,
                               .aligned = aligned,
                               .seed = seed});
    return all;
}

/// Largest relative error of a component of D; infinite when one that vanishes comes out as something.
double worst_component(const Kernel& kernel) {
    const Mat3 D = exact_transport(kernel).diffusivity;
    const auto exact = precise_diffusivity(kernel);
    double worst = 0;
    for (int a = 0; a < 3; ++a)
        for (int b = 0; b < 3; ++b) {
            const Real& reference = exact[static_cast<std::size_t>(a)][static_cast<std::size_t>(b)];
            if (abs(reference) > 1e-40)
                worst = std::max(worst, relative_error(D(a, b), reference));
            else if (D(a, b) != 0)
                worst = std::numeric_limits<double>::infinity();
        }
    return worst;
}

} // namespace

TEST_CASE("every component of D of a stiff reversible crystal is right to 1e-12 of itself",
          "[msm][transport][stiff]") {
    double anisotropy = 1;
    for (const StiffCrystal& o : crystals(true)) {
        const Kernel k = stiff_crystal(o);
        INFO("seed " << o.seed << ", " << o.n_sites << " sites, " << o.directions << " directions");
        CHECK(worst_component(k) < 1e-12);
        const Mat3 D = exact_transport(k).diffusivity;
        if (o.directions == 3) anisotropy = std::max(anisotropy, D(0, 0) / D(2, 2));
    }
    CHECK(anisotropy > 1e9); // the test means something
}

TEST_CASE("every component of D of a stiff driven crystal is right to 1e-9 of itself",
          "[msm][transport][stiff]") {
    for (const StiffCrystal& o : crystals(false)) {
        INFO("seed " << o.seed << ", " << o.n_sites << " sites, " << o.directions << " directions");
        CHECK(worst_component(stiff_crystal(o)) < 1e-9);
    }
}

TEST_CASE("drifts that cancel within two channels leave the diagonal of D right to 1e-14 of itself",
          "[msm][transport][stiff]") {
    // Three sites along x per channel, driven round without net drift, channels linked with 1e-14.
    SiteBasis basis;
    basis.cell = Cell(Mat3(Vec3(5, 6, 4.5).asDiagonal()));
    basis.positions = {Vec3(0, 0, 0),   Vec3(1, 0.3, 0),   Vec3(3, 0.1, 0.2),
                       Vec3(0.2, 3, 0), Vec3(1.4, 3.3, 0), Vec3(3, 3.1, 0.2)};
    const IVec3 zero = IVec3::Zero(), x = IVec3::UnitX(), y = IVec3::UnitY();
    Flows flows;
    for (const std::int32_t o : {0, 3}) {
        const double w = o == 0 ? 0.0237 : 0.0171;
        flows[{o, o + 1, zero}] = flows[{o + 1, o + 2, zero}] = w; // once forward by three hops
        flows[{o + 2, o, x}] = w;
        flows[{o, o + 2, -x}] = flows[{o + 2, o, zero}] = w; // once back by two
    }
    const auto link = [&](std::int32_t a, std::int32_t b, const IVec3& R, double flow) {
        flows[{a, b, R}] = flows[{b, a, -R}] = flow;
    };
    link(0, 3, zero, 1e-14);
    link(4, 2, y, 0.7e-14);
    link(5, 1, x + y, 0.4e-14);
    const Kernel k = kernel_from_flows(basis, {0.1, 0.2, 0.15, 0.25, 0.13, 0.17}, flows, 1);
    const Transport t = exact_transport(k);
    const auto exact = precise_diffusivity(k);
    CHECK(relative_error(t.diffusivity(0, 0), exact[0][0]) < 1e-14);
    CHECK(relative_error(t.diffusivity(1, 1), exact[1][1]) < 1e-14);
    CHECK(t.diffusivity(1, 1) < 1e-12);
    CHECK(t.diffusivity(2, 2) == 0.0);
    CHECK(t.diffusivity(0, 1) == t.diffusivity(1, 0));
}

TEST_CASE("the shares of entries in a diagonal component of D of a stiff crystal add up to it",
          "[msm][transport][stiff]") {
    for (const StiffCrystal& o : crystals(true)) {
        const Kernel k = stiff_crystal(o);
        const Transport t = exact_transport(k);
        Vec3 sum = Vec3::Zero();
        for (std::size_t j = 0; j < k.n_sites(); ++j)
            for (std::size_t e = k.column[j]; e < k.column[j + 1]; ++e)
                sum += k.stationary[j] * k.entries[e].p * t.corrected[e].cwiseAbs2() / (2 * k.lag_time);
        for (int a = 0; a < 3; ++a)
            CHECK(std::abs(sum[a] - t.diffusivity(a, a)) <= 1e-12 * t.diffusivity(a, a));
    }
}

TEST_CASE("stationary probabilities of a stiff driven crystal are right to 1e-13 of themselves",
          "[msm][classes][stiff]") {
    for (const StiffCrystal& o : crystals(false)) {
        const Kernel k = stiff_crystal(o);
        const ClassStructure classes = closed_classes(k);
        REQUIRE(classes.classes.size() == 1);
        const std::vector<Real> pi = precise_stationary(k);
        for (std::size_t s = 0; s < pi.size(); ++s)
            CHECK(relative_error(classes.classes[0].stationary[s], pi[s]) < 1e-13);
    }
}

TEST_CASE("first-passage times and committors of a stiff crystal are right to 1e-13 of themselves",
          "[msm][first_passage][stiff]") {
    for (const bool reversible : {true, false})
        for (const StiffCrystal& o : crystals(reversible)) {
            const Kernel k = stiff_crystal(o);
            const std::size_t n = k.n_sites();
            RealMatrix times = real_zero(n, n), ends = times, t = real_zero(n, 1), q = t;
            for (const RealMove& m : real_moves(k)) {
                if (m.from == m.to) continue; // another image of the site
                for (RealMatrix* A : {&times, &ends}) {
                    (*A)[m.from][m.from] += m.p;
                    (*A)[m.from][m.to] -= m.p;
                }
            }
            for (std::size_t s = 0; s < n; ++s) t[s][0] = 1;
            const auto fix = [&](RealMatrix& A, RealMatrix& b, std::size_t s, int value) {
                A[s].assign(n, Real(0));
                A[s][s] = 1;
                b[s][0] = value;
            };
            fix(times, t, 1, 0);
            fix(times, t, 3, 0);
            fix(ends, q, 1, 0);
            fix(ends, q, 3, 1);
            const RealMatrix exact_times = solve(times, t), exact_ends = solve(ends, q);
            const std::vector<double> steps = first_passage_steps(k, {"target", {1, 3}});
            const ReactivePaths paths = reactive_paths(k, {"A", {1}}, {"B", {3}});
            for (std::size_t s = 0; s < n; ++s) {
                CHECK(relative_error(steps[s], exact_times[s][0]) < 1e-13);
                CHECK(relative_error(paths.forward[s], exact_ends[s][0]) < 1e-13);
                if (reversible) CHECK(relative_error(paths.backward[s], 1 - exact_ends[s][0]) < 1e-13);
            }
        }
}
