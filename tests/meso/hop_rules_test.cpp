#include <Eigen/Core>

#include "mesolith/meso/hop_rules.hpp"
#include "mesolith/meso/shapes.hpp"

#include "support/catch.hpp"
#include "support/domains.hpp"

using namespace mesolith;
using test::dense, test::Dense, test::patchwork;

namespace {

Dense from_rules(const Domain& d, const HopRules& rules, bool by_rows) {
    const auto n = static_cast<Eigen::Index>(d.n_sites());
    Dense m{Eigen::MatrixXd::Zero(n, n), Eigen::VectorXd::Zero(n), Eigen::VectorXd::Zero(n), {}, {}};
    const auto number = [&](std::size_t cell, std::size_t site) {
        return static_cast<Eigen::Index>(cell * rules.n_basis + site);
    };
    for (std::size_t cell = 0; cell < static_cast<std::size_t>(d.n_cells()); ++cell)
        for (std::size_t j = 0; j < rules.n_basis; ++j) {
            const std::uint32_t line = rules.line_of(cell, j);
            m.inflow[number(cell, j)] = rules.inflow[line];
            m.weight[number(cell, j)] = rules.weight[line];
            for (const Hop& hop : by_rows ? rules.rows[line] : rules.columns[line]) {
                const HopEnd end = hop_end(d, d.cell_at(cell), hop.R);
                if (!end.inside()) {
                    REQUIRE_FALSE(by_rows);
                    continue;
                }
                const Eigen::Index here = number(cell, j),
                                   there = number(d.cell_index(end.cell), static_cast<std::size_t>(hop.site));
                (by_rows ? m.P(here, there) : m.P(there, here)) += hop.p;
            }
        }
    return m;
}

} // namespace

TEST_CASE("columns and rows of a patchwork are those of the definition", "[meso]") {
    for (const bool walls : {false, true})
        for (const IVec3& cells : {IVec3(5, 4, 3), IVec3(1, 2, 7)}) {
            const Domain domain = patchwork(cells, walls);
            const HopRules rules = make_hop_rules(domain);
            const Dense expected = dense(domain);
            for (const bool by_rows : {false, true}) {
                const Dense m = from_rules(domain, rules, by_rows);
                REQUIRE((m.P - expected.P).cwiseAbs().maxCoeff() < 1e-15);
                REQUIRE((m.inflow - expected.inflow).cwiseAbs().maxCoeff() < 1e-15);
                REQUIRE((m.weight - expected.weight).cwiseAbs().maxCoeff() < 1e-15);
            }
            REQUIRE(detailed_balance_error(domain, rules) < 1e-13);
            REQUIRE(conservation_error(rules) < 1e-14);
        }
}

TEST_CASE("walls that reflect and interfaces keep the equilibrium weights stationary", "[meso]") {
    Domain domain = patchwork({4, 3, 3}, false);
    for (auto& axis : domain.faces) axis[0].kind = axis[1].kind = FaceKind::reflecting;
    const Dense m = from_rules(domain, make_hop_rules(domain), true);
    REQUIRE((m.P * m.weight - m.weight).cwiseAbs().maxCoeff() < 1e-15);
}

TEST_CASE("a reservoir as full as the domain brings in what leaves", "[meso]") {
    Domain domain = patchwork({4, 3, 3}, false);
    domain.faces[1] = {Face{FaceKind::reservoir, 0.8}, Face{FaceKind::reservoir, 0.8}};
    const Dense m = from_rules(domain, make_hop_rules(domain), true);
    REQUIRE((m.P * m.weight * 0.8 + m.inflow - 0.8 * m.weight).cwiseAbs().maxCoeff() < 1e-15);
}

TEST_CASE("uphill an ion hops with the Boltzmann factor, downhill as before", "[meso]") {
    Domain domain;
    domain.cells = {6, 1, 1};
    domain.materials = {{"low", test::simple_cubic(), 1}, {"high", test::simple_cubic(), 0.05}};
    domain.regions = {{"low", 0}, {"high", 1}};
    domain.region = {0, 0, 0, 1, 1, 1};
    const Dense m = from_rules(domain, make_hop_rules(domain), false);
    REQUIRE(m.P(3, 2) == Approx(0.05 * 0.1).epsilon(1e-14));
    REQUIRE(m.P(2, 3) == Approx(0.1).epsilon(1e-14));
    REQUIRE(m.P(1, 2) == Approx(0.1).epsilon(1e-14));
}

TEST_CASE("an interface resistance stands in series with the hops that cross", "[meso]") {
    // A hop of probability p is a resistance tau / (p a); one of r more leaves tau / (p' a) = tau / (p a) +
    // r.
    Domain domain = crystal_domain(test::simple_cubic(3, 0.4, 2), {8, 1, 1});
    domain.regions.push_back({"grain", 0});
    domain.region = {0, 0, 0, 0, 1, 1, 1, 1};
    domain.interface_resistance = 25;
    const Dense m = from_rules(domain, make_hop_rules(domain), false);
    const double p = 0.1, a = 3, tau = 2;
    REQUIRE(tau / (m.P(4, 3) * a) == Approx(tau / (p * a) + 25).epsilon(1e-13));
    REQUIRE(m.P(2, 3) == Approx(p).epsilon(1e-14));
}

TEST_CASE("a crystal has one class, walls add those in their reach only", "[meso]") {
    const Kernel kernel = test::random_reversible(26, 1, 28);
    REQUIRE(make_hop_rules(crystal_domain(kernel, {30, 30, 30})).n_classes() == 1);
    Domain slab = crystal_domain(kernel, {30, 30, 30});
    slab.faces[0] = {Face{FaceKind::reservoir, 1}, Face{FaceKind::absorbing, 0}};
    const HopRules rules = make_hop_rules(slab);
    REQUIRE(rules.n_classes() == 3);
    REQUIRE(rules.columns.size() <= 3 * 26);
    // Grains of one material without resistance are no more than the crystal.
    Domain grains = crystal_domain(kernel, {12, 12, 12});
    grains.regions.push_back({"b", 0});
    paint(grains, Grains{20, 7}, std::vector<std::uint16_t>{0, 1});
    REQUIRE(make_hop_rules(grains).n_classes() == 1);
}
