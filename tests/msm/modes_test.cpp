#include <cmath>

#include "mesolith/core/error.hpp"
#include "mesolith/msm/modes.hpp"
#include "mesolith/msm/transport.hpp"

#include "support/catch.hpp"
#include "support/kernels.hpp"

using namespace mesolith;
using namespace mesolith::test;

namespace {

/// Two switches a and b in one: site 2 a + b flips a with probability p_a, b with p_b, both with p_both per
/// lag. Eigenvalues 1 - 2 p_a, 1 - 2 p_b (the two mix by p_both), 1 - 2 p_a - 2 p_b.
Kernel switches(double p_a, double p_b, double p_both = 0, double lag_time = 1) {
    SiteBasis basis;
    basis.cell = Cell(10 * Mat3::Identity());
    Flows flows;
    for (int j = 0; j < 4; ++j) {
        basis.positions.push_back(Vec3(j, 0, 0));
        flows[{j, j ^ 2, IVec3::Zero()}] = p_a / 4;
        flows[{j, j ^ 1, IVec3::Zero()}] = p_b / 4;
        if (p_both > 0 && (j == 0 || j == 3)) flows[{j, j ^ 3, IVec3::Zero()}] = p_both / 4;
    }
    Kernel kernel = kernel_from_flows(basis, {0.25, 0.25, 0.25, 0.25}, flows, lag_time);
    kernel.reversible = true;
    return kernel;
}

/// The group whose right vector is +1 on sites with a switch off and -1 with it on, -1 if there is none.
int group_of_switch(const SiteSpectrum& s, int bit) {
    for (std::size_t g = 0; g < s.groups.size(); ++g) {
        double overlap = 0;
        for (const std::size_t m : s.groups[g].members) {
            std::complex<double> sum = 0;
            for (int j = 0; j < 4; ++j)
                sum += (j & bit ? -1.0 : 1.0) * s.left(j, static_cast<Eigen::Index>(m)) / 4.0;
            overlap += std::norm(sum);
        }
        if (overlap > 0.99) return static_cast<int>(g);
    }
    return -1;
}

SiteBasis line_of(std::size_t n, double length) {
    SiteBasis basis;
    basis.cell = Cell(Vec3(length, 8, 9).asDiagonal().toDenseMatrix());
    for (std::size_t i = 0; i < n; ++i)
        basis.positions.push_back(Vec3(length * static_cast<double>(i) / static_cast<double>(n), 0, 0));
    return basis;
}

void bond(Flows& flows, int j, int i, const IVec3& R, double flow) {
    const Transition move{j, i, R};
    flows[move] = flows[move.reversed()] = flow;
}

/// Sites first ... first + n - 1 in a chain along x that leads from cell to cell.
void chain(Flows& flows, int first, int n, double flow) {
    for (int k = 0; k < n; ++k)
        bond(flows, first + k, first + (k + 1) % n, k + 1 < n ? IVec3(0, 0, 0) : IVec3(1, 0, 0), flow);
}

Kernel reversible_kernel(const SiteBasis& basis, const Flows& flows) {
    const std::vector<double> pi(basis.size(), 1.0 / static_cast<double>(basis.size()));
    Kernel kernel = kernel_from_flows(basis, pi, flows, 2);
    kernel.reversible = true;
    return kernel;
}

} // namespace

TEST_CASE("modes that cross keep their labels", "[msm][modes]") {
    const SiteSpectrum before = site_spectrum(switches(0.01, 0.03));
    const std::vector<SiteSpectrum> later{site_spectrum(switches(0.018, 0.022, 0, 2)),
                                          site_spectrum(switches(0.02, 0.02, 0, 2)),
                                          site_spectrum(switches(0.03, 0.01, 0, 2))};
    const auto followed = follow_modes(before, later);
    REQUIRE(followed.size() == 4);
    for (const int bit : {1, 2}) {
        const int g = group_of_switch(before, bit);
        CHECK(g == (bit == 2 ? 1 : 2)); // a is the slower one
        const auto& partner = followed[static_cast<std::size_t>(g)].partner;
        REQUIRE(partner.size() == 3);
        const double p[] = {bit == 2 ? 0.018 : 0.022, 0.02, bit == 2 ? 0.03 : 0.01};
        for (std::size_t l = 0; l < 3; ++l) {
            REQUIRE(partner[l].groups.size() == 1);
            CHECK(partner[l].overlap == Approx(1));
            CHECK(partner[l].timescale == Approx(timescale(1 - 2 * p[l], 2)));
        }
        CHECK(static_cast<int>(partner[2].groups[0]) == group_of_switch(later[2], bit));
        CHECK(later[1].groups[partner[1].groups[0]].size() == 2); // both at the crossing
    }
}

TEST_CASE("a degenerate pair is found again in its halves, however they are rotated", "[msm][modes]") {
    const SiteSpectrum pair = site_spectrum(switches(0.02, 0.02));
    const SiteSpectrum split = site_spectrum(switches(0.02, 0.02, 0.005)); // a + b and a - b
    REQUIRE(pair.groups[1].size() == 2);
    REQUIRE(split.groups.size() == 4);
    const auto followed = follow_modes(pair, {split, pair});
    CHECK(followed[1].partner[0].groups.size() == 2);
    CHECK(followed[1].partner[0].overlap == Approx(1));
    CHECK(followed[1].partner[1].groups == std::vector<std::size_t>{1});
    CHECK(followed[1].partner[1].overlap == Approx(1));
    // Back again: each half lies within the pair.
    for (const std::size_t g : {1u, 2u}) {
        const auto back = follow_modes(split, {pair})[g].partner[0];
        CHECK(back.groups.size() == 1);
        CHECK(back.overlap == Approx(1));
    }
}

TEST_CASE("a mode that looks like no other has no partner", "[msm][modes]") {
    const SiteSpectrum apart = site_spectrum(switches(0.019, 0.021));
    const SiteSpectrum mixed = site_spectrum(switches(0.02, 0.02, 0.005)); // a and b by halves
    const auto followed = follow_modes(apart, {mixed}, 0.6);
    for (const std::size_t g : {1u, 2u}) {
        CHECK(followed[g].partner[0].groups.empty());
        CHECK(followed[g].partner[0].overlap == 0);
        CHECK(std::isnan(followed[g].partner[0].timescale));
    }
    CHECK(followed[0].partner[0].overlap == Approx(1)); // the stationary mode
    CHECK(std::isinf(followed[0].partner[0].timescale));
    CHECK_THROWS_AS(follow_modes(apart, {mixed}, 0.4), DataError);
    CHECK_THROWS_AS(follow_modes(apart, {site_spectrum(alternating_chain())}), DataError);
    CHECK_THROWS_AS(follow_modes(apart, {site_spectrum(switches(0.1, 0.2), Vec3(0.5, 0, 0))}), DataError);
}

TEST_CASE("modes of a non-reversible kernel are followed by the subspaces of conjugate pairs",
          "[msm][modes]") {
    const SiteSpectrum s = site_spectrum(random_nonreversible(8, 3));
    for (const FollowedModes& f : follow_modes(s, {s})) {
        CHECK(f.partner[0].groups.front() == f.group);
        CHECK(f.partner[0].overlap == Approx(1));
    }
}

TEST_CASE("contributions of all modes add up to the correlation part of D", "[msm][modes]") {
    for (const Kernel& k : {random_reversible(7, 4), random_nonreversible(7, 4), alternating_chain()}) {
        const SiteSpectrum s = site_spectrum(k);
        Mat3 sum = Mat3::Zero();
        Vec3 share = Vec3::Zero();
        for (const ModeAnalysis& mode : analyse_modes(k, s, find_channels(k))) {
            sum += mode.correlation;
            share += mode.share;
            double weight = 0, orbits = 0;
            for (const double w : mode.site_weight) weight += w;
            for (const double w : mode.orbit_weight) orbits += w;
            CHECK(weight == Approx(1));
            CHECK(orbits == Approx(1));
            if (k.reversible && mode.kind != ModeKind::stationary)
                for (int a = 0; a < 3; ++a) CHECK(mode.correlation(a, a) <= 1e-15);
        }
        const Mat3 exact = exact_transport(k).correlation;
        CHECK((sum - exact).norm() < 1e-11 * exact.norm());
        for (int a = 0; a < 3; ++a)
            if (exact(a, a) != 0) CHECK(share[a] == Approx(1));
    }
}

TEST_CASE("the one mode of an alternating chain spreads over its channel and holds all its correlation",
          "[msm][modes]") {
    const double p1 = 0.3, p2 = 0.05, l1 = 2, l2 = 3;
    const Kernel k = alternating_chain(p1, p2, l1, l2);
    const auto channels = find_channels(k);
    REQUIRE(channels.channels.size() == 1);
    CHECK(channels.channels[0].sites.size() == 2);
    const auto modes = analyse_modes(k, site_spectrum(k), channels);
    REQUIRE(modes.size() == 2);
    CHECK(modes[0].kind == ModeKind::stationary);
    CHECK(modes[0].participation == Approx(2));
    CHECK(modes[1].kind == ModeKind::channel);
    CHECK(modes[1].eigenvalue.real() == Approx(1 - 2 * (p1 + p2)));
    // D = (l1 + l2)^2 p1 p2 / (p1 + p2), without correlation p1 l1^2 + p2 l2^2, both / (2 tau)
    const double correlation =
        ((l1 + l2) * (l1 + l2) * p1 * p2 / (p1 + p2) - p1 * l1 * l1 - p2 * l2 * l2) / 2;
    CHECK(modes[1].correlation(0, 0) == Approx(correlation));
    CHECK(modes[1].share[0] == Approx(1));
    CHECK(modes[1].share[1] == 0);
    Kernel two_orbits = k;
    two_orbits.basis.orbit = {0, 1};
    CHECK(analyse_modes(two_orbits, site_spectrum(k), channels)[1].kind == ModeKind::orbit_exchange);
}

TEST_CASE("the slow mode of two weakly coupled channels exchanges their populations", "[msm][modes]") {
    SiteBasis basis = line_of(6, 9);
    for (std::size_t i = 3; i < 6; ++i) basis.positions[i] += Vec3(0, 4, 4);
    Flows flows;
    chain(flows, 0, 3, 0.3 / 6);
    chain(flows, 3, 3, 0.2 / 6);
    bond(flows, 1, 4, IVec3::Zero(), 1e-4 / 6);
    const Kernel k = reversible_kernel(basis, flows);
    const auto channels = find_channels(k);
    REQUIRE(channels.channels.size() == 2);
    const auto modes = analyse_modes(k, site_spectrum(k), channels);
    CHECK(modes[1].kind == ModeKind::channel_exchange);
    CHECK(modes[1].channel_exchange == Approx(1).epsilon(1e-3));
    CHECK(modes[1].participation == Approx(6).epsilon(1e-3));
    for (std::size_t m = 2; m < modes.size(); ++m) {
        CHECK(modes[m].kind == ModeKind::channel);
        CHECK(modes[m].channel_exchange < 1e-3);
    }
}

TEST_CASE("a pair that rattles is localised, its exchange with the channel moves orbits", "[msm][modes]") {
    SiteBasis basis = line_of(6, 12);
    basis.positions.insert(basis.positions.end(), {Vec3(1, 3, 3), Vec3(3, 3, 3)});
    Flows flows;
    chain(flows, 0, 6, 0.2 / 8);
    bond(flows, 6, 7, IVec3::Zero(), 0.35 / 8);
    bond(flows, 0, 6, IVec3::Zero(), 1e-4 / 8);
    Kernel k = reversible_kernel(basis, flows);
    k.basis.orbit = {0, 0, 0, 0, 0, 0, 1, 1};
    const auto channels = find_channels(k);
    REQUIRE(channels.channels.size() == 2);
    CHECK(channels.channels[0].sites.size() == 6);
    CHECK(channels.channels[1].rank == 0); // the pair is a cage
    const auto modes = analyse_modes(k, site_spectrum(k), channels);
    CHECK(modes[1].kind == ModeKind::orbit_exchange);
    CHECK(modes[1].orbit_exchange == Approx(1).epsilon(1e-2));
    std::size_t localised = 0;
    for (const ModeAnalysis& mode : modes)
        if (mode.kind == ModeKind::localised) {
            ++localised;
            CHECK(mode.eigenvalue.real() == Approx(1 - 2 * 0.35).epsilon(1e-3));
            CHECK(mode.participation == Approx(2).epsilon(1e-3));
            CHECK(mode.orbit_weight[1] == Approx(1).epsilon(1e-3));
        } else if (mode.group > 1) {
            CHECK(mode.kind == ModeKind::channel);
        }
    CHECK(localised == 1);
    CHECK(to_string(modes[1].kind) == "orbit_exchange");
}

TEST_CASE("modes are analysed at the zone centre of their own kernel only", "[msm][modes]") {
    const Kernel k = alternating_chain();
    CHECK_THROWS_AS(analyse_modes(k, site_spectrum(k, Vec3(0.5, 0, 0)), {}), DataError);
    CHECK_THROWS_AS(analyse_modes(k, site_spectrum(random_reversible(4, 1)), {}), DataError);
}
