#include <algorithm>
#include <cmath>
#include <random>

#include <Eigen/Dense>

#include "mesolith/core/error.hpp"
#include "mesolith/core/parallel.hpp"
#include "mesolith/meso/shapes.hpp"
#include "mesolith/meso/steady.hpp"
#include "mesolith/msm/transport.hpp"

#include "support/catch.hpp"
#include "support/contains_text.hpp"
#include "support/domains.hpp"
#include "support/kernels.hpp"

using namespace mesolith;

namespace {

const Face wall{FaceKind::reflecting, 0}, absorber{FaceKind::absorbing, 0};
HomogenisedTransport homogenised(const Domain& domain, double tolerance = 1e-10) {
    SolveOptions options;
    options.tolerance = tolerance;
    return homogenise(domain, make_hop_rules(domain), options);
}

/// Two isotropic continua in layers of n1 and n2 voxels along an axis.
Domain laminate(int axis, int n1, int n2, double d1, double d2, double resistance = 0) {
    const Cell voxel(Vec3(2, 3, 4).asDiagonal().toDenseMatrix());
    Domain domain;
    domain.cells = IVec3(2, 1, 3);
    domain.cells[axis] = n1 + n2;
    const double lag = 0.1;
    domain.materials = {{"first", continuum_kernel(d1 * Mat3::Identity(), voxel, lag), 1},
                        {"second", continuum_kernel(d2 * Mat3::Identity(), voxel, lag), 1}};
    domain.regions = {{"first", 0}, {"second", 1}};
    domain.interface_resistance = resistance;
    const double width = voxel.vectors()(axis, axis);
    paint(domain, Layers{axis, {n1 * width, n2 * width}}, std::vector<std::uint16_t>{0, 1});
    return domain;
}

/// Two materials of one crystal at random in a block, the second slower and less occupied.
Domain patchwork(const Kernel& kernel, const IVec3& cells, std::uint64_t seed) {
    Domain domain;
    domain.cells = cells;
    domain.materials = {{"a", kernel, 1}, {"b", scaled_kernel(kernel, 0.15), 0.4}};
    domain.regions = {{"a", 0}, {"b", 1}};
    std::mt19937_64 random(seed);
    for (std::int64_t c = 0; c < domain.n_cells(); ++c)
        domain.region.push_back(static_cast<std::uint16_t>(c == 0 ? 1 : random() % 2));
    return domain;
}

/// The whole block as the unit cell of one kernel, hop by hop by the min rule. Conductances are divided by
/// the total weight, so that it is a kernel.
Kernel as_one_cell(const Domain& d) {
    const std::size_t n_basis = d.n_basis();
    Mat3 vectors = d.basis().cell.vectors();
    for (int axis = 0; axis < 3; ++axis) vectors.row(axis) *= d.cells[axis];
    SiteBasis basis;
    basis.cell = Cell(vectors);
    std::vector<double> pi;
    double total = 0;
    for (std::size_t c = 0; c < static_cast<std::size_t>(d.n_cells()); ++c)
        for (std::size_t s = 0; s < n_basis; ++s) {
            basis.positions.push_back(d.basis().positions[s] +
                                      d.basis().cell.to_cartesian(d.cell_at(c).cast<double>()));
            pi.push_back(d.weight_of(c, s));
            total += pi.back();
        }
    for (double& p : pi) p /= total;
    test::Flows flows;
    const auto conductance = [](const Material& m, std::size_t s, const KernelEntry& hop) {
        for (const KernelEntry& e : m.kernel.from(s))
            if (e.to == hop.to && e.R == hop.R) return m.weight * m.kernel.stationary[s] * e.p;
        return 0.0;
    };
    for (std::size_t c = 0; c < static_cast<std::size_t>(d.n_cells()); ++c)
        for (std::size_t s = 0; s < n_basis; ++s)
            for (const KernelEntry& e : d.material_of(c).kernel.from(s)) {
                const IVec3 to = d.cell_at(c) + e.R;
                IVec3 image, inside;
                for (int axis = 0; axis < 3; ++axis) {
                    image[axis] = static_cast<int>(
                        std::floor(static_cast<double>(to[axis]) / static_cast<double>(d.cells[axis])));
                    inside[axis] = to[axis] - image[axis] * d.cells[axis];
                }
                const std::size_t there = d.cell_index(inside);
                const double g =
                    std::min(conductance(d.material_of(c), s, e), conductance(d.material_of(there), s, e));
                flows[{static_cast<std::int32_t>(c * n_basis + s),
                       static_cast<std::int32_t>(there * n_basis + static_cast<std::size_t>(e.to)), image}] +=
                    g / total;
            }
    Kernel kernel = test::kernel_from_flows(basis, pi, flows, d.lag_time());
    kernel.reversible = true;
    return kernel;
}

double largest(const Mat3& m) { return m.cwiseAbs().maxCoeff(); }

} // namespace

TEST_CASE("a laminate has the parallel D along its layers and the series D across them", "[meso][steady]") {
    const double d1 = 5, d2 = 0.02;
    for (int axis = 0; axis < 3; ++axis)
        for (const double r : {0.0, 7.0}) {
            const int n1 = 4, n2 = 3;
            const HomogenisedTransport h = homogenised(laminate(axis, n1, n2, d1, d2, r));
            const double l = Vec3(2, 3, 4)[axis], parallel = (n1 * d1 + n2 * d2) / (n1 + n2);
            // hops: both across the interfaces are of the slower kind
            const double series = (n1 + n2) * l / ((n1 - 1) * l / d1 + (n2 + 1) * l / d2 + 2 * r);
            Mat3 exact = parallel * Mat3::Identity();
            exact(axis, axis) = series;
            CHECK((h.diffusivity - exact).cwiseAbs().maxCoeff() < 1e-12 * parallel);
            CHECK(h.diffusivity(axis, axis) == Approx(series).epsilon(1e-12));
            CHECK(h.n_parts == 1);
            CHECK(largest(h.diffusivity - h.uncorrelated - h.correlation) < 1e-14);
        }
}

TEST_CASE("voxels of a continuum have its tensor, skewed cells and all", "[meso][steady]") {
    const Cell cell((Mat3() << 5, 0.7, -0.4, 1.9, 6, 0.3, -1.1, 2.2, 4.5).finished());
    const Mat3 D = (Mat3() << 2, 0.3, -0.4, 0.3, 0.5, 0.1, -0.4, 0.1, 1).finished();
    const HomogenisedTransport h = homogenised(crystal_domain(continuum_kernel(D, cell), {3, 4, 2}));
    CHECK(largest(h.diffusivity - D) < 1e-13);
    CHECK(h.solve.iterations == 0); // every site is a centre of its hops
    CHECK(largest(h.correlation) < 1e-13);
}

TEST_CASE("tiles of a chain are parts of their own with its exact D", "[meso][steady]") {
    const Kernel chain = test::alternating_chain(0.3, 0.002);
    const HomogenisedTransport h = homogenised(crystal_domain(chain, {4, 3, 2}));
    const Mat3 exact = exact_transport(chain).diffusivity;
    CHECK(largest(h.diffusivity - exact) < 1e-9 * exact(0, 0));
    CHECK(h.diffusivity(0, 0) == Approx(25 * 0.3 * 0.002 / (2 * 0.302)).epsilon(1e-9));
    CHECK(h.n_parts == 6);
    REQUIRE(h.parts.size() == 6);
    for (const PartTransport& part : h.parts) {
        CHECK(part.share == Approx(1.0 / 6));
        CHECK(part.n_sites == 8);
        CHECK(largest(part.diffusivity - exact) < 1e-9 * exact(0, 0));
    }
}

TEST_CASE("parts that exchange nothing each have their D and share", "[meso][steady]") {
    // rows along x of two materials, walls between them in y and z
    Domain domain;
    domain.cells = {5, 4, 1};
    const Kernel chain = test::alternating_chain(0.3, 0.1);
    domain.materials = {{"fast", chain, 1}, {"slow", scaled_kernel(chain, 0.25), 3}};
    domain.regions = {{"fast", 0}, {"slow", 1}};
    paint(domain, Layers{1, {15, 5}}, std::vector<std::uint16_t>{0, 1});
    const HomogenisedTransport h = homogenised(domain);
    const double fast = 25 * 0.3 * 0.1 / (2 * 0.4);
    REQUIRE(h.parts.size() == 4);
    CHECK(h.parts[0].share == Approx(0.5));
    CHECK(h.parts[0].diffusivity(0, 0) == Approx(fast / 4).epsilon(1e-9));
    for (std::size_t p = 1; p < 4; ++p) {
        CHECK(h.parts[p].share == Approx(1.0 / 6));
        CHECK(h.parts[p].diffusivity(0, 0) == Approx(fast).epsilon(1e-9));
    }
    CHECK(h.diffusivity(0, 0) == Approx(0.5 * fast + 0.5 * fast / 4).epsilon(1e-9));
}

TEST_CASE("a block of two random triclinic crystals has the D of itself as one unit cell", "[meso][steady]") {
    for (const std::uint64_t seed : {3u, 4u}) {
        const Kernel kernel = test::random_reversible(seed == 3 ? 26 : 5, seed);
        const Domain domain = patchwork(kernel, seed == 3 ? IVec3(2, 1, 2) : IVec3(3, 4, 2), seed);
        const HomogenisedTransport h = homogenised(domain, 1e-11);
        const Mat3 exact = exact_transport(as_one_cell(domain)).diffusivity;
        CHECK(largest(h.diffusivity - exact) < 1e-10 * largest(exact));
        // not by being blind to the second material
        CHECK(largest(h.diffusivity - exact_transport(kernel).diffusivity) > 0.1 * largest(exact));
    }
}

TEST_CASE("honeycombs of unequal bonds have their known D", "[meso][steady]") {
    const double k1 = 0.4, k2 = 0.03, c = std::sqrt(3.0) / 2;
    SiteBasis basis; // bonds of length 1: one along y, the others at 30 degrees to x
    basis.cell = Cell((Mat3() << 2 * c, 0, 0, c, 1.5, 0, 0, 0, 7).finished());
    basis.positions = {Vec3::Zero(), Vec3(0, 1, 0)};
    test::Flows flows;
    const auto bond = [&](const IVec3& R, double k) { flows[{1, 0, R}] = flows[{0, 1, -R}] = k / 2; };
    bond(IVec3::Zero(), k1);
    bond(IVec3(0, 1, 0), k2);
    bond(IVec3(-1, 1, 0), k2);
    Kernel kernel = test::kernel_from_flows(basis, {0.5, 0.5}, flows, 1);
    kernel.reversible = true;
    const HomogenisedTransport h = homogenised(crystal_domain(kernel, {3, 2, 1}));
    Mat3 exact = Mat3::Zero();
    exact(0, 0) = 0.75 * k2;
    exact(1, 1) = 2.25 * k1 * k2 / (k1 + 2 * k2);
    CHECK(largest(h.diffusivity - exact) < 1e-12);
}

TEST_CASE("a checkerboard tends to the geometric mean of its D", "[meso][steady]") {
    const double d1 = 1, d2 = 0.2;
    const auto checkerboard = [&](int n) { // squares of n x n voxels
        const Cell voxel(Mat3::Identity());
        Domain domain;
        domain.cells = {2 * n, 2 * n, 1};
        domain.materials = {{"fast", continuum_kernel(d1 * Mat3::Identity(), voxel, 0.1), 1},
                            {"slow", continuum_kernel(d2 * Mat3::Identity(), voxel, 0.1), 1}};
        domain.regions = {{"fast", 0}, {"slow", 1}};
        for (std::size_t cell = 0; cell < static_cast<std::size_t>(domain.n_cells()); ++cell) {
            const IVec3 at = domain.cell_at(cell);
            domain.region.push_back(static_cast<std::uint16_t>((at[0] / n + at[1] / n) % 2));
        }
        return homogenised(domain).diffusivity;
    };
    const double exact = std::sqrt(d1 * d2);
    const double coarse = checkerboard(6)(0, 0), middle = checkerboard(12)(0, 0),
                 fine = checkerboard(24)(0, 0);
    // Interfaces are half a voxel wide: first order. What is left after Richardson's step is of a higher one.
    CHECK(std::abs(2 * fine - middle - exact) < 0.5 * std::abs(fine - middle));
    CHECK(std::abs(2 * fine - middle - exact) < 0.02 * exact);
    CHECK(std::abs(fine - exact) < 0.6 * std::abs(middle - exact));
    CHECK(std::abs(middle - exact) < 0.6 * std::abs(coarse - exact));
}

TEST_CASE("a film between walls conducts along them only", "[meso][steady]") {
    Domain cubic = crystal_domain(test::simple_cubic(3, 0.4), {3, 3, 3});
    cubic.faces[2] = {wall, wall};
    const HomogenisedTransport h = homogenised(cubic);
    Mat3 exact = (0.6 * 9 / 6) * Mat3::Identity();
    exact(2, 2) = 0;
    CHECK(largest(h.diffusivity - exact) < 1e-13);

    Domain skewed = crystal_domain(test::random_reversible(5, 8), {3, 4, 2});
    skewed.faces[1] = {wall, wall};
    const Mat3 film = homogenised(skewed).diffusivity;
    const Vec3 normal = skewed.basis().cell.inverse().col(1).normalized();
    CHECK((film * normal).norm() < 1e-12 * film.norm());
    skewed.cells[1] = 40; // a thick film: the walls are felt by a tenth of the ions
    const Mat3 thick = homogenised(skewed).diffusivity,
               bulk = exact_transport(skewed.materials[0].kernel).diffusivity;
    const Vec3 a = skewed.basis().cell.vectors().row(0).normalized();
    // within the plane the gradient has no component along the normal: the current along it vanishes
    const double squeezed = 1 / a.dot(bulk.inverse() * a); // of a wire; a film lies between it and the bulk
    CHECK(a.dot(thick * a) < a.dot(bulk * a));
    CHECK(a.dot(thick * a) > squeezed * 0.95);
}

TEST_CASE("what a loose solve leaves of D is bounded by its error", "[meso][steady]") {
    const Domain domain = patchwork(test::random_reversible(4, 9), {9, 8, 7}, 5);
    const HomogenisedTransport tight = homogenised(domain, 1e-13);
    for (const double tolerance : {1e-2, 1e-3, 1e-4}) {
        const HomogenisedTransport loose = homogenised(domain, tolerance);
        for (int a = 0; a < 3; ++a) {
            const double excess = loose.diffusivity(a, a) - tight.diffusivity(a, a);
            CHECK(excess >= 0);
            CHECK(excess < loose.error(a, a));
            CHECK(excess > loose.error(a, a) / 8);
            for (int b = 0; b < 3; ++b)
                CHECK(std::abs(loose.diffusivity(a, b) - tight.diffusivity(a, b)) < loose.error(a, b));
        }
    }
    CHECK(largest(tight.error) < 1e-20 * largest(tight.diffusivity));
}

TEST_CASE("between reservoirs a chain has the current of resistors in series", "[meso][steady]") {
    const double p1 = 0.3, p2 = 0.05;
    const int n = 7;
    Domain domain = crystal_domain(test::alternating_chain(p1, p2, 2, 3, 0.5), {n, 2, 1});
    domain.faces[0] = {test::reservoir(5), test::reservoir(2)};
    const SteadyFlux s = steady_flux(domain, make_hop_rules(domain));
    const double R1 = 2 / p1, R2 = 2 / p2, J = 2 * (5 - 2) / (n * R1 + (n + 1) * R2) / 0.5; // two chains
    CHECK(s.inflow[0][0] == Approx(J).epsilon(1e-10));
    CHECK(s.inflow[0][1] == Approx(-J).epsilon(1e-10));
    CHECK(s.inflow[1][0] == 0);
    CHECK(s.imbalance < 1e-10);
    CHECK(s.axis == 0);
    CHECK(s.cut_off == 0);
    REQUIRE(s.profile.flux.size() == n + 1);
    for (const double through : s.profile.flux) CHECK(through == Approx(J).epsilon(1e-9));
    for (std::size_t c = 0; c < n; ++c) {
        const double left = 5 - J * 0.5 / 2 * (static_cast<double>(c) * (R1 + R2) + R2); // activity of site 0
        const double right = left - J * 0.5 / 2 * R1;
        CHECK(s.profile.activity[c] == Approx((left + right) / 2).epsilon(1e-9));
        CHECK(s.profile.concentration[c] == Approx((left + right) / 2 / 150).epsilon(1e-9));
        CHECK(s.occupation[2 * c] == Approx(left / 2).epsilon(1e-9));
        CHECK(s.profile.position[c] == Approx(5 * (static_cast<double>(c) + 0.5)));
    }
    CHECK(s.length == Approx(5 * n + 3)); // from site to site outside
    CHECK(s.area == Approx(60));
    // D of n bonds of one kind and n + 1 of the other
    CHECK(*s.diffusivity == Approx((5 * n + 3) * 2.0 * 5 / (n * R1 + (n + 1) * R2) / 2 / 0.5).epsilon(1e-9));
}

TEST_CASE("between reservoirs voxels and laminates have their series D", "[meso][steady]") {
    Domain domain = laminate(2, 4, 3, 2, 0.1);
    domain.faces[2] = {test::reservoir(3), absorber};
    const SteadyFlux s = steady_flux(domain, make_hop_rules(domain));
    // bonds: one from the reservoir into the first, 3 and 3 within, one between, one out of the second
    const double l = 4, series = 8 * l / (4 * l / 2 + 4 * l / 0.1);
    CHECK(s.length == Approx(8 * l));
    CHECK(*s.diffusivity == Approx(series).epsilon(1e-10));
    const double J =
        series * 3 / 24 / (8 * l) * s.area; // concentration: one ion per voxel of 24 A^3 and activity
    CHECK(s.inflow[2][0] == Approx(J).epsilon(1e-10));

    // equal reservoirs all around: no current, and the equilibrium
    domain.faces = {{{test::reservoir(1.5), test::reservoir(1.5)},
                     {wall, wall},
                     {test::reservoir(1.5), test::reservoir(1.5)}}};
    const SteadyFlux still = steady_flux(domain, make_hop_rules(domain));
    CHECK(still.axis == -1);
    CHECK(!still.diffusivity);
    for (const double x : still.occupation) CHECK(x == Approx(1.5).epsilon(1e-9));
    CHECK(std::abs(still.inflow[0][0]) < 1e-9);
}

TEST_CASE("the D of a thick layer of crystal between reservoirs tends to that of the bulk",
          "[meso][steady]") {
    const Kernel kernel = test::random_reversible(5, 12);
    const Vec3 normal = kernel.basis.cell.inverse().col(2).normalized();
    const double bulk = normal.dot(exact_transport(kernel).diffusivity * normal);
    const auto layer = [&](int n) {
        Domain domain = crystal_domain(kernel, {2, 1, n});
        domain.faces[2] = {test::reservoir(0), test::reservoir(1)};
        const SteadyFlux s = steady_flux(domain, make_hop_rules(domain));
        for (const double through : s.profile.flux) CHECK(through == Approx(s.inflow[2][0]).epsilon(1e-8));
        return *s.diffusivity;
    };
    const double thin = layer(15), thick = layer(30);
    CHECK(std::abs(thick - bulk) < 0.6 * std::abs(thin - bulk));
    CHECK(2 * thick - thin == Approx(bulk).epsilon(2e-3));
}

TEST_CASE("sites that no reservoir reaches are told and stay empty", "[meso][steady]") {
    Domain domain = crystal_domain(test::alternating_chain(), {3, 4, 1});
    domain.faces[1] = {test::reservoir(1), test::reservoir(2)}; // chains run along x
    const SteadyFlux s = steady_flux(domain, make_hop_rules(domain));
    CHECK(s.cut_off == 24);
    CHECK(s.inflow[1][0] == 0);
    CHECK(!s.diffusivity);
    CHECK(std::all_of(s.occupation.begin(), s.occupation.end(), [](double x) { return x == 0; }));
}

TEST_CASE("the time to leave a chain is the closed form", "[meso][steady]") {
    // sites 0 .. L - 1, a wall below, absorbed at L: T(x) = [L (L + 1) - x (x + 1)] / 2p lags
    const double p = 0.1, lag = 3;
    const int L = 40;
    Domain domain = crystal_domain(test::simple_cubic(3, 1 - 6 * p, lag), {1, 1, L});
    domain.faces[2] = {wall, absorber};
    const MeanFirstPassage m = mean_first_passage(domain, make_hop_rules(domain));
    double mean = 0;
    for (int x = 0; x < L; ++x) {
        const double exact = lag * (L * (L + 1) - x * (x + 1)) / (2 * p);
        CHECK(m.time[static_cast<std::size_t>(x)] == Approx(exact).epsilon(1e-9));
        mean += exact / L;
    }
    CHECK(m.mean == Approx(mean).epsilon(1e-9));
    CHECK(m.never == 0);

    // the same with a region as the target instead of a face
    domain.cells[2] = L + 2;
    domain.faces[2] = {wall, wall};
    domain.materials.front().name = "chain";
    domain.regions = {{"start", 0}, {"target", 0}};
    domain.region.assign(L + 2, 0);
    domain.region[L] = domain.region[L + 1] = 1;
    FirstPassageOptions options;
    options.targets = {1};
    const MeanFirstPassage to = mean_first_passage(domain, make_hop_rules(domain), options);
    for (std::size_t x = 0; x < L; ++x) CHECK(to.time[x] == Approx(m.time[x]).epsilon(1e-9));
    CHECK(to.time[L] == 0);
    CHECK(to.mean == Approx(mean).epsilon(1e-9));
}

TEST_CASE("times to leave or arrive are those of a dense solve of the transition matrix", "[meso][steady]") {
    Domain domain = patchwork(test::random_reversible(4, 2), {3, 4, 3}, 7);
    domain.regions.push_back({"target", 0});
    domain.region[17] = 2;
    domain.faces[0] = {wall, absorber};
    domain.faces[2] = {test::reservoir(0.4), wall};
    const HopRules rules = make_hop_rules(domain);
    const std::size_t n_basis = 4, n = static_cast<std::size_t>(domain.n_sites());
    for (const bool faces : {true, false})
        for (const bool target : {true, false}) {
            FirstPassageOptions options;
            options.faces = faces;
            if (target) options.targets = {2};
            options.start = {1};
            if (!faces && !target) {
                CHECK_THROWS_WITH(mean_first_passage(domain, rules, options),
                                  test::contains_text("nowhere to arrive"));
                continue;
            }
            const MeanFirstPassage m = mean_first_passage(domain, rules, options);
            // T_j = tau + sum p T_i; faces that do not count are walls
            Eigen::MatrixXd A =
                Eigen::MatrixXd::Identity(static_cast<Eigen::Index>(n), static_cast<Eigen::Index>(n));
            Eigen::VectorXd b = Eigen::VectorXd::Constant(static_cast<Eigen::Index>(n), domain.lag_time());
            double mean = 0, weight = 0;
            for (std::size_t j = 0; j < n; ++j) {
                const auto row = static_cast<Eigen::Index>(j);
                const std::size_t cell = j / n_basis;
                if (target && domain.region_of(cell) == 2) {
                    b[row] = 0;
                    continue;
                }
                for (const Hop& hop : rules.columns[rules.line_of(cell, j % n_basis)]) {
                    const HopEnd end = hop_end(domain, domain.cell_at(cell), hop.R);
                    if (end.inside())
                        A(row, static_cast<Eigen::Index>(domain.cell_index(end.cell) * n_basis +
                                                         static_cast<std::size_t>(hop.site))) -= hop.p;
                    else if (!faces)
                        A(row, row) -= hop.p;
                }
            }
            const Eigen::VectorXd exact = A.partialPivLu().solve(b);
            for (std::size_t j = 0; j < n; ++j) {
                CHECK(m.time[j] == Approx(exact[static_cast<Eigen::Index>(j)]).epsilon(1e-8));
                if (domain.region_of(j / n_basis) != 1) continue;
                const double w = domain.weight_of(j / n_basis, j % n_basis);
                mean += w * exact[static_cast<Eigen::Index>(j)];
                weight += w;
            }
            CHECK(m.mean == Approx(mean / weight).epsilon(1e-8));
        }
}

TEST_CASE("who has no way out takes for ever", "[meso][steady]") {
    // chains along x: those of the target's row arrive, the others never
    Domain domain = crystal_domain(test::alternating_chain(0.3, 0.05, 2, 3, 2), {3, 4, 1});
    domain.regions = {{"rest", 0}, {"target", 0}};
    domain.region.assign(12, 0);
    domain.region[0] = 1;
    FirstPassageOptions options;
    options.targets = {1};
    const MeanFirstPassage m = mean_first_passage(domain, make_hop_rules(domain), options);
    CHECK(m.never == Approx(9.0 / 11));
    CHECK(std::isinf(m.mean));
    CHECK(m.time[0] == 0);
    CHECK(std::isfinite(m.time[2]));
    CHECK(std::isinf(m.time[6]));
    double mean = 0;
    for (std::size_t j = 2; j < 6; ++j) mean += m.time[j] / 4;
    CHECK(m.mean_of_arriving == Approx(mean));
}

TEST_CASE("one and two threads give the same steady states bit by bit", "[meso][steady][parallel]") {
    Domain domain = patchwork(test::random_reversible(2, 6), {16, 16, 12}, 3);
    const HopRules rules = make_hop_rules(domain);
    SolveOptions options;
    options.tolerance = 1e-4;
    HomogenisedTransport h[2];
    for (const int n : {1, 2}) with_threads(n, [&] { h[n - 1] = homogenise(domain, rules, options); });
    CHECK(h[0].diffusivity == h[1].diffusivity);
    CHECK(h[0].error == h[1].error);
    CHECK(h[0].corrector == h[1].corrector);
    domain.faces[1] = {test::reservoir(1), absorber};
    const HopRules open_rules = make_hop_rules(domain);
    SteadyFlux s[2];
    MeanFirstPassage m[2];
    FirstPassageOptions passage;
    passage.solve = options;
    for (const int n : {1, 2})
        with_threads(n, [&] {
            s[n - 1] = steady_flux(domain, open_rules, options);
            m[n - 1] = mean_first_passage(domain, open_rules, passage);
        });
    CHECK(s[0].occupation == s[1].occupation);
    CHECK(s[0].profile.flux == s[1].profile.flux);
    CHECK(m[0].time == m[1].time);
}

TEST_CASE("questions without an answer are refused", "[meso][steady]") {
    Domain domain = crystal_domain(test::simple_cubic(), {3, 3, 3});
    const HopRules closed = make_hop_rules(domain);
    CHECK_THROWS_WITH(steady_flux(domain, closed), test::contains_text("no face is a reservoir"));
    CHECK_THROWS_WITH(mean_first_passage(domain, closed), test::contains_text("nowhere to arrive"));
    FirstPassageOptions options;
    options.targets = {1};
    CHECK_THROWS_WITH(mean_first_passage(domain, closed, options), test::contains_text("region 1"));
    options.targets = {0};
    CHECK_THROWS_WITH(mean_first_passage(domain, closed, options), test::contains_text("no cell to start"));
    domain.faces[0] = {absorber, test::reservoir(1)};
    CHECK_THROWS_WITH(homogenise(domain, make_hop_rules(domain)),
                      test::contains_text("a face of a_1 is open"));
    domain.faces = {{{wall, wall}, {wall, wall}, {wall, wall}}};
    CHECK_THROWS_WITH(homogenise(domain, make_hop_rules(domain)), test::contains_text("no axis is periodic"));
    const Domain driven = crystal_domain(test::random_nonreversible(4, 2), {2, 2, 2});
    CHECK_THROWS_WITH(homogenise(driven, make_hop_rules(driven)), test::contains_text("detailed balance"));
    const Domain hard = patchwork(test::random_reversible(4, 9), {9, 8, 7}, 5);
    SolveOptions impatient;
    impatient.max_iterations = 2;
    CHECK_THROWS_WITH(homogenise(hard, make_hop_rules(hard), impatient),
                      test::contains_text("after 2 iterations"));
}
