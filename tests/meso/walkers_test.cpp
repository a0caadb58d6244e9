#include <cmath>
#include <functional>
#include <map>
#include <numeric>
#include <random>

#include "mesolith/core/error.hpp"
#include "mesolith/core/parallel.hpp"
#include "mesolith/core/random.hpp"
#include "mesolith/core/vector_units.hpp"
#include "mesolith/meso/walkers.hpp"

#include "support/catch.hpp"
#include "support/domains.hpp"
#include "support/kernels.hpp"

using namespace mesolith;

namespace {

constexpr Face periodic{}, reflecting{FaceKind::reflecting, 0}, absorbing{FaceKind::absorbing, 0};
bool same(const Walkers& a, const Walkers& b) {
    return a.site == b.site && a.start == b.start && a.x == b.x && a.y == b.y && a.z == b.z &&
           a.free == b.free;
}
bool same(const Passages& a, const Passages& b) {
    return a.entered == b.entered && a.left == b.left && a.exits == b.exits;
}

JumpTable jumps_of(const Domain& domain) { return make_jump_table(domain, make_hop_rules(domain)); }
RateTable rates_of(const Domain& domain) { return make_rate_table(domain, make_hop_rules(domain)); }

Placement on_site(std::int32_t site, const IVec3& cell = IVec3::Zero()) {
    Placement placement;
    placement.start = WalkerStart::site;
    placement.site = site;
    placement.cell = cell;
    return placement;
}

/// Hops of two steps: R within +-2, detailed balance.
Kernel two_steps(const Kernel& kernel) {
    test::Flows flows;
    for (std::size_t j = 0; j < kernel.n_sites(); ++j)
        for (const KernelEntry& a : kernel.from(j))
            for (const KernelEntry& b : kernel.from(static_cast<std::size_t>(a.to)))
                flows[{static_cast<std::int32_t>(j), b.to, a.R + b.R}] += kernel.stationary[j] * a.p * b.p;
    Kernel twice = test::kernel_from_flows(kernel.basis, kernel.stationary, flows, 2 * kernel.lag_time);
    twice.reversible = true;
    return twice;
}

/// Two materials in random cells, hops of two cells, one axis shorter than these.
Domain random_domain(const std::array<std::array<Face, 2>, 3>& faces) {
    const Kernel kernel = two_steps(test::random_reversible(3, 6));
    Domain domain = crystal_domain(kernel, {5, 1, 4});
    domain.materials.push_back({"other", scaled_kernel(kernel, 0.6), 0.3});
    domain.regions.push_back({"other", 1});
    std::mt19937 random(3);
    for (int c = 0; c < 20; ++c) domain.region.push_back(static_cast<std::uint16_t>(random() % 2));
    domain.faces = faces;
    return domain;
}

/// A line of cells of 1 A along a_1, hop probability p each way in steps of 1 ps.
Domain line(double p, int length, const Face& low, const Face& high, const IVec3& across = {1, 1, 1}) {
    const Kernel kernel = continuum_kernel(Vec3(p, 0, 0).asDiagonal(), Cell(Mat3::Identity()), 1);
    Domain domain = crystal_domain(kernel, {length, across[1], across[2]});
    domain.faces[0] = {low, high};
    return domain;
}

/// Add a material of p times `factor` and this weight from cell `begin` on, in every period of so many cells
/// along a_1.
void layer(Domain& domain, double factor, double weight, int begin, int period) {
    domain.materials.push_back({"layer", scaled_kernel(domain.materials[0].kernel, factor), weight});
    domain.regions.push_back({"layer", 1});
    for (std::size_t c = 0; c < static_cast<std::size_t>(domain.n_cells()); ++c)
        domain.region.push_back(domain.cell_at(c)[0] % period >= begin ? 1 : 0);
}

struct SampleMean {
    double sum = 0, squares = 0, n = 0;
    void add(double value) { sum += value, squares += value * value, ++n; }
    double mean() const { return sum / n; }
    double error() const { return std::sqrt((squares / n - mean() * mean()) / (n - 1)); }
    double z(double exact) const { return std::abs(mean() - exact) / error(); }
};

/// D along each axis from the growth of the MSD in the second half of the time, walker by walker.
std::array<SampleMean, 3> diffusivity(const Domain& domain, std::size_t n, std::uint64_t steps) {
    const JumpTable jumps = jumps_of(domain);
    Walkers walkers = place_walkers(n, domain, {}, 11);
    advance(walkers, jumps, 11, 0, steps);
    const Walkers half = walkers;
    advance(walkers, jumps, 11, steps, steps);
    std::array<SampleMean, 3> result;
    for (std::size_t w = 0; w < n; ++w) {
        const Vec3 before = half.displacement(w, domain), now = walkers.displacement(w, domain);
        for (int a = 0; a < 3; ++a)
            result[static_cast<std::size_t>(a)].add((now[a] * now[a] - before[a] * before[a]) /
                                                    (2 * static_cast<double>(steps) * domain.lag_time()));
    }
    return result;
}

} // namespace

TEST_CASE("walkers do what the table says, step by step, with the bits of their own stream, in crystals and "
          "domains of all kinds, with all vector units",
          "[meso][walkers]") {
    const std::uint64_t seed = 0x1234'5678'9abc'def0, first = 1'000'000'000'000;
    for (const Domain& domain :
         {crystal_domain(test::random_nonreversible(5, 8), {4, 3, 2}),
          random_domain({{{periodic, periodic}, {periodic, periodic}, {periodic, periodic}}}),
          random_domain({{{periodic, periodic}, {periodic, periodic}, {reflecting, reflecting}}}),
          random_domain({{{absorbing, reflecting}, {periodic, periodic}, {absorbing, absorbing}}})}) {
        const JumpTable jumps = jumps_of(domain);
        const Walkers start = place_walkers(301, domain, {}, seed, first);
        std::vector<std::int32_t> site = start.site;
        std::vector<IVec3> cell;
        std::vector<Exit> exits;
        for (std::size_t w = 0; w < start.size(); ++w) {
            cell.push_back(start.cell(w));
            for (std::uint64_t step = 3; step < 104 && site[w] >= 0; ++step) {
                Stream random(seed, RngUse::walker_jump, first + w, step / 2);
                std::uint64_t u = random.bits64();
                if (step % 2 == 1) u = random.bits64();
                IVec3 in_domain = cell[w];
                for (int a = 0; a < 3; ++a)
                    if (domain.periodic(a))
                        in_domain[a] = ((cell[w][a] % domain.cells[a]) + domain.cells[a]) % domain.cells[a];
                const Destination to = jumps.destination_of(
                    site[w], u, jumps.crystal() ? 0 : jumps.class_of(domain.cell_index(in_domain)));
                const HopEnd end = hop_end(domain, in_domain, to.R);
                site[w] = to.site;
                cell[w] += to.R;
                if (end.inside()) continue;
                const int face = 2 * end.axis + end.side;
                exits.push_back(
                    {first + w, static_cast<double>(step + 1) * domain.lag_time(), face, to.site});
                site[w] = -1 - (6 * to.site + face);
            }
        }
        std::sort(exits.begin(), exits.end(), [](const Exit& a, const Exit& b) {
            return std::tie(a.time, a.walker) < std::tie(b.time, b.walker);
        });
        if (jumps.open()) CHECK(exits.size() > 100);
        for (VectorUnits units : {VectorUnits::baseline, VectorUnits::avx2, VectorUnits::avx512}) {
            limit_vector_units(units);
            CHECK(vector_units() <= units);
            Walkers walkers = start;
            const Passages passages = advance(walkers, jumps, seed, 3, 101);
            CHECK(walkers.site == site);
            CHECK(passages.exits == exits);
            bool cells = true;
            for (std::size_t w = 0; w < start.size(); ++w) cells = cells && walkers.cell(w) == cell[w];
            CHECK(cells);
        }
        limit_vector_units(VectorUnits::avx512);
    }
}

TEST_CASE("one and two threads, one run and pieces give the same walkers and passages",
          "[meso][walkers][parallel]") {
    for (const Domain& domain :
         {crystal_domain(test::random_reversible(4, 6), {7, 7, 7}),
          random_domain({{{periodic, periodic}, {periodic, periodic}, {reflecting, reflecting}}}),
          random_domain({{{test::reservoir(40), absorbing},
                          {test::reservoir(30), test::reservoir(60)},
                          {periodic, periodic}}})}) {
        const JumpTable jumps = jumps_of(domain);
        const RateTable rates = rates_of(domain);
        const Walkers start = place_walkers(9001, domain, {}, 7);
        Walkers one = start, pieces = start;
        Passages in_one, in_pieces;
        with_threads(1, [&] { in_one = advance(one, jumps, 7, 5, 250); });
        with_threads(2, [&] {
            std::uint64_t step = 5;
            for (const std::uint64_t n : {std::uint64_t{10}, std::uint64_t{0}, std::uint64_t{49},
                                          std::uint64_t{64}, std::uint64_t{127}}) {
                in_pieces += advance(pieces, jumps, 7, step, n);
                step += n;
            }
        });
        CHECK(same(one, pieces));
        CHECK(same(in_one, in_pieces));
        with_threads(1, [&] {
            in_one = advance(one, rates, 7, {0, 0, 9});
            in_one += advance(one, rates, 7, {1, 9, 11});
        });
        with_threads(2, [&] {
            in_pieces = advance(pieces, rates, 7, {0, 0, 9});
            in_pieces += advance(pieces, rates, 7, {1, 9, 11});
        });
        CHECK(same(one, pieces));
        CHECK(same(in_one, in_pieces));
        if (!jumps.has_reservoirs()) continue;
        CHECK(in_one.entered[0] > 10);
        CHECK(in_one.entered[2] > 10);
        CHECK(in_one.left[1] > 10);
    }
}

TEST_CASE("batches of walkers fit together", "[meso][walkers]") {
    const Domain domain =
        random_domain({{{absorbing, reflecting}, {periodic, periodic}, {periodic, periodic}}});
    const JumpTable jumps = jumps_of(domain);
    Walkers all = place_walkers(2001, domain, {}, 7), low = place_walkers(432, domain, {}, 7),
            high = place_walkers(2001 - 432, domain, {}, 7, 432);
    for (Walkers* w : {&all, &low, &high}) advance(*w, jumps, 7, 0, 25);
    CHECK(std::equal(low.site.begin(), low.site.end(), all.site.begin()));
    CHECK(std::equal(high.site.begin(), high.site.end(), all.site.begin() + 432));
    CHECK(std::equal(high.z.begin(), high.z.end(), all.z.begin() + 432));
}

TEST_CASE("displacements are true displacements: cells, sites and a skewed cell", "[meso][walkers]") {
    const Domain domain = crystal_domain(test::random_reversible(3, 2), {50, 40, 30});
    Walkers walkers = place_walkers(2, domain, on_site(2, {7, 39, 11}), 1);
    CHECK(walkers.displacement(0, domain).norm() == 0);
    walkers.site[0] = 1;
    walkers.x[0] = -2'000'000'000, walkers.y[0] = 42, walkers.z[0] = 13;
    const Mat3& a = domain.basis().cell.vectors();
    const Vec3 expected = -2'000'000'007.0 * a.row(0) + 3 * a.row(1) + 2 * a.row(2) +
                          (domain.basis().positions[1] - domain.basis().positions[2]).transpose();
    CHECK((walkers.displacement(0, domain) - expected).norm() < 1e-5);
    walkers.site[0] = -1 - (6 * 1 + 4); // the same place, outside
    CHECK(walkers.gone(0));
    CHECK((walkers.displacement(0, domain) - expected).norm() < 1e-5);
    CHECK(walkers.n_present() == 1);
}

TEST_CASE("starts have the chosen distribution within 4 standard errors", "[meso][walkers]") {
    Domain domain = random_domain({{{periodic, periodic}, {periodic, periodic}, {periodic, periodic}}});
    domain.cells = {7, 5, 4}; // two whole blocks of 64 cells and a part
    std::mt19937 draw(3);
    domain.region.clear();
    for (int c = 0; c < 140; ++c) domain.region.push_back(static_cast<std::uint16_t>(draw() % 2));
    const auto check = [&](const Domain& d, const Placement& placement, auto&& weight) {
        const std::size_t n = 100'000;
        const Walkers walkers = place_walkers(n, d, placement, 3);
        const auto n_sites = static_cast<std::size_t>(d.n_sites());
        std::vector<double> count(n_sites), expected(n_sites);
        double total = 0;
        for (std::size_t w = 0; w < n; ++w) {
            CHECK_FALSE(walkers.displacement(w, d).norm() > 0);
            ++count[walkers.start[w]];
        }
        for (std::size_t i = 0; i < n_sites; ++i)
            total += expected[i] = weight(i / d.n_basis(), d.cell_at(i / d.n_basis()), i % d.n_basis());
        double chi2 = 0, bins = -1;
        for (std::size_t i = 0; i < n_sites; ++i) {
            const double mean = n * expected[i] / total;
            if (mean == 0) {
                CHECK(count[i] == 0);
                continue;
            }
            chi2 += std::pow(count[i] - mean, 2) / mean;
            ++bins;
        }
        CHECK(std::abs(chi2 - bins) < 4 * std::sqrt(2 * bins));
        CHECK(total_weight(d, placement) == Approx(total).epsilon(1e-12));
    };
    const auto equilibrium = [&](std::size_t cell, const IVec3&, std::size_t site) {
        return domain.weight_of(cell, site);
    };
    check(domain, {}, equilibrium);
    Placement uniform;
    uniform.start = WalkerStart::uniform;
    check(domain, uniform, [](std::size_t, const IVec3&, std::size_t) { return 1.0; });
    Placement part;
    part.regions = {1};
    part.axis = 1;
    part.profile = {1, 0, 0.5, 2, 0.25};
    check(domain, part, [&](std::size_t cell, const IVec3& at, std::size_t site) {
        return domain.region[cell] == 1
                   ? domain.weight_of(cell, site) * part.profile[static_cast<std::size_t>(at[1])]
                   : 0.0;
    });
    const Domain crystal = crystal_domain(test::random_reversible(6, 9), {3, 4, 2});
    check(crystal, {},
          [&](std::size_t cell, const IVec3&, std::size_t site) { return crystal.weight_of(cell, site); });
    for (std::int32_t site : place_walkers(100, crystal, on_site(4), 3).site) CHECK(site == 4);
}

TEST_CASE("starts reach all of a domain of 2^47 sites", "[meso][walkers]") {
    const Domain domain = crystal_domain(test::fcc(), {1 << 16, 1 << 16, 1 << 15});
    const Walkers walkers = place_walkers(20'000, domain, {}, 3);
    SampleMean x, z;
    for (std::size_t w = 0; w < walkers.size(); ++w) {
        x.add(walkers.x[w] + 0.5), z.add(walkers.z[w] + 0.5);
        CHECK(walkers.start[w] == domain.cell_index(walkers.cell(w)));
    }
    CHECK(x.z(1 << 15) < 4);
    CHECK(z.z(1 << 14) < 4);
    CHECK(x.error() * std::sqrt(12.0 * 20'000) == Approx(1 << 16).epsilon(0.02));
}

TEST_CASE("hops of all walkers and steps have the kernel's frequencies within 4 standard errors",
          "[meso][walkers]") {
    const Kernel kernel = test::random_nonreversible(3, 5);
    const Domain domain = crystal_domain(kernel, {1, 1, 1});
    const JumpTable jumps = jumps_of(domain);
    const std::size_t n = 100'000;
    for (std::uint64_t step : {0, 1, 2, 1'000'001}) {
        Walkers walkers = place_walkers(n, domain, on_site(1), 1);
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
    const Domain domain = crystal_domain(test::simple_cubic(1, 0.1), {1, 1, 1});
    const JumpTable jumps = jumps_of(domain);
    const std::size_t n = 200'000;
    Walkers walkers = place_walkers(n, domain, {}, 1);
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

TEST_CASE("layers have the D of their bonds in series across and in parallel along, with any weights",
          "[meso][walkers]") {
    for (const double weight : {1.0, 0.1}) {
        Domain domain = crystal_domain(test::simple_cubic(1, 0.1), {5, 1, 1}); // p = 0.15 each way
        const double p = 0.15, factor = 0.2;
        layer(domain, factor, weight, 3, 5); // 3 cells, then 2 of the other
        // conductances of the bonds of a period: two within the first, one within the second, two between
        const double g1 = p, g2 = weight * factor * p, between = std::min(g1, g2);
        const double mean_weight = (3 + 2 * weight) / 5,
                     resistance = (2 / g1 + 1 / g2 + 2 / between) / 5; // <1/g>
        const auto D = diffusivity(domain, 15'000, 300);
        CHECK(D[0].z(1 / (mean_weight * resistance)) < 4);
        CHECK(D[1].z((3 * g1 + 2 * g2) / 5 / mean_weight) < 4);
        CHECK(D[0].error() / D[0].mean() < 0.03);
    }
}

TEST_CASE("an interface resistance stands in series with the bonds", "[meso][walkers]") {
    const double p = 0.2, r = 30;
    Domain domain = line(p, 8, periodic, periodic);
    domain.regions.push_back({"grain", 0});
    domain.region = {0, 0, 0, 0, 1, 1, 1, 1};
    domain.interface_resistance = r; // [ps/A], twice in 8 cells
    const auto D = diffusivity(domain, 15'000, 600);
    CHECK(D[0].z(1 / (1 / p + r / 4)) < 4);
    CHECK(D[0].mean() < 0.6 * p);
}

TEST_CASE("honeycomb with unequal bonds has D_xx = 3/4 k2 and D_yy = 9/4 k1 k2 / (k1 + 2 k2)",
          "[meso][walkers]") {
    const double k1 = 0.1, k2 = 0.25;
    SiteBasis basis; // bonds of 1 A: up from site 0, and two down
    basis.cell = Cell((Mat3() << std::sqrt(3.0), 0, 0, std::sqrt(0.75), 1.5, 0, 0, 0, 5).finished());
    basis.positions = {Vec3::Zero(), Vec3(0, 1, 0)};
    test::Flows flows;
    const auto bond = [&](const IVec3& R, double k) { flows[{0, 1, R}] = flows[{1, 0, -R}] = k / 2; };
    bond({0, 0, 0}, k1), bond({0, -1, 0}, k2), bond({1, -1, 0}, k2);
    Kernel kernel = test::kernel_from_flows(basis, {0.5, 0.5}, flows, 1);
    kernel.reversible = true;
    const auto D = diffusivity(crystal_domain(kernel, {1, 1, 1}), 20'000, 200);
    CHECK(D[0].z(0.75 * k2) < 4);
    CHECK(D[1].z(2.25 * k1 * k2 / (k1 + 2 * k2)) < 4);
}

TEST_CASE("walkers from one end of a closed line come to equilibrium with a weight of 0.1",
          "[meso][walkers]") {
    Domain domain = line(0.3, 6, reflecting, reflecting);
    layer(domain, 0.5, 0.1, 3, 6);
    const std::size_t n = 20'000;
    Walkers walkers = place_walkers(n, domain, on_site(0), 5);
    const JumpTable jumps = jumps_of(domain);
    advance(walkers, jumps, 5, 0, 1500);
    std::array<double, 6> count{};
    for (const std::int32_t x : walkers.x) ++count.at(static_cast<std::size_t>(x));
    for (std::size_t c = 0; c < 6; ++c) {
        const double share = (c < 3 ? 1 : 0.1) / 3.3;
        CHECK(std::abs(count[c] / n - share) < 4 * std::sqrt(share * (1 - share) / n));
    }
}

TEST_CASE("from cell x of a line that reflects below and absorbs above it takes (L(L+1) - x(x+1)) / 2p steps",
          "[meso][walkers]") {
    const double p = 0.3;
    const int L = 7, n = 8000;
    const Domain domain = line(p, L, reflecting, absorbing);
    const JumpTable jumps = jumps_of(domain);
    const RateTable rates = rates_of(domain);
    for (const int x : {0, 4, 6}) {
        const double exact = (L * (L + 1) - x * (x + 1)) / (2 * p);
        for (const bool continuous : {false, true}) {
            Walkers walkers = place_walkers(n, domain, on_site(0, {x, 0, 0}), 5);
            Passages passages;
            for (std::uint64_t k = 0; k < 200 && passages.exits.size() < n; ++k)
                passages += continuous ? advance(walkers, rates, 5, {k, 13.0 * static_cast<double>(k), 13})
                                       : advance(walkers, jumps, 5, 13 * k, 13);
            REQUIRE(passages.exits.size() == n);
            CHECK(passages.left == std::array<std::uint64_t, 6>{0, n, 0, 0, 0, 0});
            SampleMean time;
            for (const Exit& e : passages.exits) time.add(e.time);
            CHECK(time.z(exact) < 4);
            for (std::size_t w = 0; w < n; ++w) CHECK(walkers.cell(w) == IVec3(L, 0, 0));
        }
    }
}

TEST_CASE("between two absorbing ends a walker leaves through the far one with probability (x + 1) / (L + 1)",
          "[meso][walkers]") {
    const Domain domain = line(0.4, 9, absorbing, absorbing);
    for (const int x : {0, 3, 8})
        for (const bool continuous : {false, true}) {
            const double n = 10'000, exact = (x + 1) / 10.0;
            Walkers walkers = place_walkers(10'000, domain, on_site(0, {x, 0, 0}), 5);
            const Passages passages = continuous ? advance(walkers, rates_of(domain), 5, {0, 0, 800})
                                                 : advance(walkers, jumps_of(domain), 5, 0, 800);
            REQUIRE(walkers.n_present() == 0);
            CHECK(std::abs(static_cast<double>(passages.left[1]) / n - exact) <
                  4 * std::sqrt(exact * (1 - exact) / n));
        }
}

TEST_CASE("between two reservoirs the profile is a line and the flux is p (c1 - c2) / (L + 1)",
          "[meso][walkers][reservoir]") {
    const double p = 0.25, c1 = 3, c2 = 0.5;
    const int L = 8;
    const std::uint64_t area = 150, steps = 1000;
    const Domain domain = line(p, L, test::reservoir(c1), test::reservoir(c2), {1, 15, 10});
    for (const bool continuous : {false, true}) {
        const JumpTable jumps = jumps_of(domain);
        const RateTable rates = rates_of(domain);
        const auto go = [&](Walkers& walkers, std::uint64_t from, std::uint64_t n) {
            if (!continuous) return advance(walkers, jumps, 5, from, n);
            Passages all;
            for (std::uint64_t k = from / 50; k < (from + n) / 50; ++k)
                all += advance(walkers, rates, 5, {k, 50 * static_cast<double>(k), 50});
            return all;
        };
        Walkers walkers = place_walkers(0, domain, {}, 5);
        go(walkers, 0, 500); // the slowest mode lives for (L + 1)^2 / pi^2 p = 33 steps
        const double before = static_cast<double>(walkers.n_present());
        const Passages passages = go(walkers, 500, steps);
        std::array<double, 8> count{};
        for (std::size_t w = 0; w < walkers.size(); ++w)
            if (!walkers.gone(w)) ++count.at(static_cast<std::size_t>(walkers.x[w]));
        for (std::size_t x = 0; x < 8; ++x) {
            const double mean = area * (c1 + (c2 - c1) * (static_cast<double>(x) + 1) / (L + 1));
            CHECK(std::abs(count[x] - mean) < 4 * std::sqrt(mean)); // Poisson
        }
        const auto at = [](const auto& counts, std::size_t face) {
            return static_cast<double>(counts[face]);
        };
        const double in_low = at(passages.entered, 0) - at(passages.left, 0),
                     out_high = at(passages.left, 1) - at(passages.entered, 1);
        CHECK(before + in_low - out_high == static_cast<double>(walkers.n_present()));
        // ions that cross, one way or the other, are Poisson; what is inside at the ends adds to it
        const double scale = p * static_cast<double>(area * steps) / (L + 1),
                     error = std::sqrt(scale * (c1 + c2) + before / 2);
        CHECK(std::abs((in_low + out_high) / 2 - scale * (c1 - c2)) < 4 * error);
        CHECK(scale * (c1 - c2) > 20 * error);
        const double entered = p * c1 * static_cast<double>(area * steps);
        CHECK(std::abs(at(passages.entered, 0) - entered) < 4 * std::sqrt(entered));
        // slots are used again
        CHECK(walkers.size() < 8 * walkers.n_present());
    }
}

TEST_CASE("equal reservoirs fill an empty domain of two materials to Poisson numbers of its weights",
          "[meso][walkers][reservoir]") {
    Domain domain = line(0.3, 6, test::reservoir(1.5), test::reservoir(1.5), {1, 40, 20});
    layer(domain, 0.5, 0.4, 2, 6);
    Walkers walkers = place_walkers(0, domain, {}, 5);
    advance(walkers, jumps_of(domain), 5, 0, 600);
    std::vector<double> count(static_cast<std::size_t>(domain.n_cells()));
    for (std::size_t w = 0; w < walkers.size(); ++w)
        if (!walkers.gone(w)) ++count[domain.cell_index(walkers.cell(w))];
    for (const bool second : {false, true}) {
        const double mean = 1.5 * (second ? 0.4 : 1);
        double n = 0, sum = 0, scatter = 0;
        for (std::size_t c = 0; c < count.size(); ++c)
            if ((domain.region[c] == 1) == second) {
                ++n, sum += count[c];
                scatter += std::pow(count[c] - mean, 2);
            }
        CHECK(std::abs(sum / n - mean) < 4 * std::sqrt(mean / n));
        // fourth central moment of a Poisson number: mean + 3 mean^2
        CHECK(std::abs(scatter / n - mean) < 4 * std::sqrt((mean + 2 * mean * mean) / n));
    }
}

TEST_CASE("a single cell between reservoirs holds the mean of both, from the first steps on",
          "[meso][walkers][reservoir]") {
    // n(t + 1) = (1 - 2p) n(t) + p (c1 + c2): ions that come in make their first hop in the next step
    const double p = 0.4, c1 = 2, c2 = 1, area = 6000;
    const Domain domain = line(p, 1, test::reservoir(c1), test::reservoir(c2), {1, 100, 60});
    const JumpTable jumps = jumps_of(domain);
    Walkers walkers = place_walkers(0, domain, {}, 5);
    double expected = 0;
    for (std::uint64_t step = 0; step < 10; ++step) {
        advance(walkers, jumps, 5, step, 1);
        expected = (1 - 2 * p) * expected + p * (c1 + c2) * area;
        CHECK(std::abs(static_cast<double>(walkers.n_present()) - expected) < 4 * std::sqrt(expected));
    }
    // the same in continuous time: dn/dt = p (c1 + c2) - 2p n
    Walkers continuous = place_walkers(0, domain, {}, 5);
    const RateTable rates = rates_of(domain);
    double now = 0;
    for (std::uint64_t k = 0; k < 6; ++k) {
        const double duration = k % 2 == 0 ? 0.3 : 1.1;
        advance(continuous, rates, 5, {k, now, duration});
        now += duration;
        const double mean = area * (c1 + c2) / 2 * (1 - std::exp(-2 * p * now));
        CHECK(std::abs(static_cast<double>(continuous.n_present()) - mean) < 4 * std::sqrt(mean));
    }
}

TEST_CASE("waiting times are -log(1 - u) of the walker's own bits, exponentially distributed",
          "[meso][walkers]") {
    const double p = 0.05; // leaves at the first hop, on average after 10 ps
    const Domain domain = line(p, 1, absorbing, absorbing);
    const std::size_t n = 40'000;
    Walkers walkers = place_walkers(n, domain, on_site(0), 5);
    const Passages passages = advance(walkers, rates_of(domain), 5, {7, 1000, 1e4});
    REQUIRE(passages.exits.size() == n);
    SampleMean time;
    double distance = 0; // of Kolmogorov and Smirnov
    for (std::size_t k = 0; k < n; ++k) {
        const Exit& e = passages.exits[k];
        Stream random(5, RngUse::walker_time, e.walker, std::uint64_t{7} << 32);
        const long double u = std::ldexp(static_cast<long double>(random.bits64()) + 0.5L, -64);
        REQUIRE(e.time - 1000 ==
                Approx(static_cast<double>(-std::log1p(-u) * 10)).epsilon(1e-13).margin(3e-13));
        time.add(e.time - 1000);
        const double below = 1 - std::exp(-(e.time - 1000) / 10);
        distance = std::max({distance, std::abs(below - static_cast<double>(k) / n),
                             std::abs(below - static_cast<double>(k + 1) / n)});
    }
    CHECK(time.z(10) < 4);
    CHECK(distance * std::sqrt(n) < 2.0); // exceeded by chance once in 1500
}

TEST_CASE("short waiting times keep their digits, and a rate of 1e-12 is met at its share",
          "[meso][walkers]") {
    const std::size_t n = 100'000;
    const Domain domain = line(0.5e-12, 1, absorbing, absorbing);
    Walkers walkers = place_walkers(n, domain, on_site(0), 5);
    const Passages passages = advance(walkers, rates_of(domain), 5, {0, 0, 2e9}); // p = 0.002
    const double expected = 200;
    CHECK(std::abs(static_cast<double>(passages.exits.size()) - expected) < 4 * std::sqrt(expected));
    for (const Exit& e : passages.exits) {
        Stream random(5, RngUse::walker_time, e.walker, 0);
        const long double u = std::ldexp(static_cast<long double>(random.bits64()) + 0.5L, -64);
        CHECK(e.time == Approx(static_cast<double>(-std::log1p(-u) * 1e12L)).epsilon(1e-12));
    }
}

TEST_CASE("in continuous time the MSD of fcc is 6 D t at all times, however it is cut", "[meso][walkers]") {
    const Domain domain = crystal_domain(test::fcc(4, 0.4, 2), {3, 3, 3});
    const RateTable rates = rates_of(domain);
    const double D = 0.6 * 16 / 24;
    Walkers walkers = place_walkers(20'000, domain, {}, 5);
    double now = 0;
    for (std::uint64_t k = 0; k < 12; ++k) {
        const double duration = 0.3 * static_cast<double>(k + 1);
        advance(walkers, rates, 5, {k, now, duration});
        now += duration;
        SampleMean msd;
        for (std::size_t w = 0; w < walkers.size(); ++w)
            msd.add(walkers.displacement(w, domain).squaredNorm());
        CHECK(msd.z(6 * D * now) < 4);
    }
}

TEST_CASE("in continuous time walkers keep the equilibrium of two materials", "[meso][walkers]") {
    const Domain domain =
        random_domain({{{periodic, periodic}, {periodic, periodic}, {reflecting, reflecting}}});
    const std::size_t n = 30'000;
    Walkers walkers = place_walkers(n, domain, {}, 5);
    advance(walkers, rates_of(domain), 5, {0, 0, 30});
    std::vector<double> count(static_cast<std::size_t>(domain.n_sites()));
    double total = 0, chi2 = 0;
    for (std::size_t w = 0; w < n; ++w) {
        IVec3 cell = walkers.cell(w);
        for (int a = 0; a < 2; ++a)
            cell[a] = ((cell[a] % domain.cells[a]) + domain.cells[a]) % domain.cells[a];
        ++count[domain.cell_index(cell) * 3 + static_cast<std::size_t>(walkers.site[w])];
    }
    for (std::size_t i = 0; i < count.size(); ++i) total += domain.weight_of(i / 3, i % 3);
    for (std::size_t i = 0; i < count.size(); ++i) {
        const double mean = n * domain.weight_of(i / 3, i % 3) / total;
        chi2 += std::pow(count[i] - mean, 2) / mean;
    }
    CHECK(std::abs(chi2 - 59) < 4 * std::sqrt(2 * 59.0));
}

TEST_CASE("what cannot be placed or counted is refused", "[meso][walkers]") {
    Domain domain = random_domain({{{periodic, periodic}, {periodic, periodic}, {periodic, periodic}}});
    CHECK_THROWS_AS(place_walkers(1, domain, on_site(3), 1), DataError);
    CHECK_THROWS_AS(place_walkers(1, domain, on_site(-1), 1), DataError);
    CHECK_THROWS_AS(place_walkers(1, domain, on_site(0, {0, 1, 0}), 1), DataError);
    const auto refused = [&](auto&& change) {
        Placement placement;
        change(placement);
        CHECK_THROWS_AS(place_walkers(1, domain, placement, 1), DataError);
    };
    refused([](Placement& p) { p.regions = {2}; });
    refused([](Placement& p) { p.axis = 3, p.profile = {1}; });
    refused([](Placement& p) { p.profile = {1, 1, 1, 1}; });
    refused([](Placement& p) { p.profile = {1, 1, -1, 1, 1}; });
    refused([](Placement& p) { p.profile = {0, 0, 0, 0, 0}; });
    const JumpTable jumps = jumps_of(domain);
    const RateTable rates = rates_of(domain);
    Walkers walkers = place_walkers(1, domain, {}, 1);
    CHECK_THROWS_AS(advance(walkers, jumps, 1, RandomCounter::max_step, 1), DataError);
    CHECK_THROWS_AS(advance(walkers, jumps, 1, 1, ~std::uint64_t{0}), DataError);
    CHECK_THROWS_AS(advance(walkers, rates, 1, {1u << 24, 0, 1}), DataError);
    CHECK_THROWS_AS(advance(walkers, rates, 1, {0, 0, -1}), DataError);
    CHECK_THROWS_AS(advance(walkers, rates, 1, {0, 0, std::nan("")}), DataError);
    walkers.first = RandomCounter::max_stream;
    CHECK_THROWS_AS(advance(walkers, jumps, 1, 0, 1), DataError);
    CHECK_THROWS_AS(advance(walkers, rates, 1, {0, 0, 1}), DataError);
    // a cell beyond 2^31
    const Domain chain = line(0.5, 3, periodic, periodic);
    Walkers far = place_walkers(64, chain, {}, 1);
    far.x.assign(64, std::numeric_limits<std::int32_t>::max() - 2);
    CHECK_THROWS_AS(advance(far, jumps_of(chain), 1, 0, 100), DataError);
    domain.materials[1].kernel.stationary.clear();
    CHECK_THROWS_AS(place_walkers(1, domain, {}, 1), DataError);
}
