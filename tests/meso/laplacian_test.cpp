#include <algorithm>
#include <cmath>
#include <random>

#include <Eigen/Dense>

#include "mesolith/core/error.hpp"
#include "mesolith/core/parallel.hpp"
#include "mesolith/meso/laplacian.hpp"

#include "support/catch.hpp"
#include "support/contains_text.hpp"

using namespace mesolith;

namespace {

struct Edge {
    int a, b;
    double g;
};

ConductanceNetwork network(std::size_t n, const std::vector<Edge>& edges) {
    std::vector<std::vector<std::pair<int, double>>> rows(n);
    for (const Edge& e : edges) {
        rows[static_cast<std::size_t>(e.a)].emplace_back(e.b, e.g);
        rows[static_cast<std::size_t>(e.b)].emplace_back(e.a, e.g);
    }
    ConductanceNetwork net;
    net.sink.assign(n, 0.0);
    for (const auto& row : rows) {
        for (const auto& [i, g] : row) {
            net.neighbour.push_back(i);
            net.conductance.push_back(g);
        }
        net.begin.push_back(net.neighbour.size());
    }
    return net;
}

/// Periodic block of n^3 sites; g(random) for each bond.
template <class F>
ConductanceNetwork block(int n, std::uint64_t seed, F&& g) {
    std::mt19937_64 random(seed);
    std::vector<Edge> edges;
    const auto number = [&](int x, int y, int z) { return ((z % n) * n + y % n) * n + x % n; };
    for (int z = 0; z < n; ++z)
        for (int y = 0; y < n; ++y)
            for (int x = 0; x < n; ++x) {
                const int j = number(x, y, z);
                for (const int i : {number(x + 1, y, z), number(x, y + 1, z), number(x, y, z + 1)})
                    edges.push_back({j, i, g(random)});
            }
    return network(static_cast<std::size_t>(n * n * n), edges);
}

double unit(std::mt19937_64& random) { return static_cast<double>(random() >> 11) * 0x1p-53; }

/// Random values that add up to zero.
std::vector<double> random_source(std::size_t n, std::uint64_t seed) {
    std::mt19937_64 random(seed);
    std::vector<double> b(n);
    double mean = 0;
    for (double& x : b) mean += (x = unit(random) - 0.5) / static_cast<double>(n);
    for (double& x : b) x -= mean;
    return b;
}

Eigen::MatrixXd dense(const ConductanceNetwork& net) {
    const auto n = static_cast<Eigen::Index>(net.size());
    Eigen::MatrixXd L = Eigen::MatrixXd::Zero(n, n);
    for (Eigen::Index j = 0; j < n; ++j) {
        L(j, j) += net.sink[static_cast<std::size_t>(j)];
        for (std::size_t e = net.begin[static_cast<std::size_t>(j)];
             e < net.begin[static_cast<std::size_t>(j) + 1]; ++e) {
            L(j, j) += net.conductance[e];
            L(j, net.neighbour[e]) -= net.conductance[e];
        }
    }
    return L;
}

std::vector<double> solved(const LaplacianSolver& solver, const std::vector<double>& b,
                           double tolerance = 1e-10) {
    std::vector<double> u(b.size());
    SolveOptions options;
    options.tolerance = tolerance;
    (void)solver.solve(b, u, 1, options);
    return u;
}

} // namespace

TEST_CASE("networks of any shape are solved as by a dense inverse", "[meso][laplacian]") {
    std::mt19937_64 random(2);
    std::vector<Edge> edges;
    const int n = 600; // three parts, a site alone, parallel bonds; two levels at least
    for (int k = 0; k < 2400; ++k) {
        const int a = static_cast<int>(random() % (n - 1)), b = static_cast<int>(random() % (n - 1));
        if (a != b && a % 3 == b % 3) edges.push_back({a, b, std::pow(10, -3 * unit(random))});
    }
    for (int a = 0; a + 3 < n - 1; ++a) edges.push_back({a, a + 3, 0.01});
    edges.push_back(edges.front());
    ConductanceNetwork net = network(n, edges);
    net.sink[5] = 0.3;
    net.sink[98] = 40; // as good as solved by itself
    std::vector<double> b = random_source(n, 3);
    for (const std::size_t part : {0u, 1u}) { // sites 5 and 98 drain the third
        double sum = 0;
        for (std::size_t j = part; j + 1 < n; j += 3) sum += b[j];
        b[part] -= sum;
    }
    b[n - 1] = 0;
    const LaplacianSolver solver(net);
    CHECK(solver.n_levels() > 1);
    CHECK(solver.parts().size() == 4);
    CHECK(solver.parts().drained == std::vector<std::uint8_t>{0, 0, 1, 0});
    const std::vector<double> u = solved(solver, b, 1e-12);
    const Eigen::VectorXd exact =
        dense(net).completeOrthogonalDecomposition().solve(Eigen::Map<const Eigen::VectorXd>(b.data(), n));
    for (int j = 0; j < n; ++j)
        CHECK(std::abs(u[static_cast<std::size_t>(j)] - exact[j]) < 1e-9 * exact.norm());
    // the inverse of smallest norm has zero mean on each part without sink, as promised here
    CHECK(u[n - 1] == 0);

    std::vector<double> y(n), three(3 * n), u3(3 * n);
    apply_laplacian(net, u, y);
    for (std::size_t j = 0; j < n; ++j) CHECK(std::abs(y[j] - b[j]) < 1e-10);
    for (std::size_t j = 0; j < n; ++j)
        for (std::size_t k = 0; k < 3; ++k) three[3 * j + k] = k == 1 ? 0 : (k == 0 ? 1 : -5) * b[j];
    (void)solver.solve(three, u3, 3);
    for (std::size_t j = 0; j < n; ++j) {
        CHECK(std::abs(u3[3 * j] - u[j]) < 1e-7 * exact.norm());
        CHECK(u3[3 * j + 1] == 0);
        CHECK(std::abs(u3[3 * j + 2] + 5 * u[j]) < 1e-7 * exact.norm());
    }
}

TEST_CASE("resistors in series add up, over eight decades", "[meso][laplacian]") {
    std::mt19937_64 random(8);
    constexpr int n = 3000;
    std::vector<Edge> chain;
    for (int a = 0; a + 1 < n; ++a) chain.push_back({a, a + 1, std::pow(10, -8 * unit(random))});
    ConductanceNetwork net = network(n, chain);
    net.sink[0] = 0.5;
    std::vector<double> b(n, 0.0);
    b[n - 1] = 2;
    const std::vector<double> u = solved(LaplacianSolver(net), b, 1e-12);
    double exact = 2 / 0.5;
    for (int j = 0; j < n; ++j) {
        CHECK(u[static_cast<std::size_t>(j)] == Approx(exact).epsilon(1e-7));
        if (j + 1 < n) exact += 2 / chain[static_cast<std::size_t>(j)].g;
    }
}

TEST_CASE("iterations grow neither with contrast nor with size", "[meso][laplacian]") {
    const auto iterations = [](const ConductanceNetwork& net) {
        std::vector<double> u(net.size());
        const SolveReport report = LaplacianSolver(net).solve(random_source(net.size(), 1), u);
        CHECK(report.residual < 1e-10);
        return report.iterations;
    };
    for (const double decades : {0.0, 4.0, 14.0}) {
        const auto g = [&](std::mt19937_64& random) { return std::pow(10, -decades * unit(random)); };
        CHECK(iterations(block(10, 3, g)) <= 30);
        CHECK(iterations(block(20, 4, g)) <= 35);
    }
    // a third of the bonds conducts, the others a millionth of it: near the threshold of percolation
    const auto percolating = [](std::mt19937_64& random) { return unit(random) < 0.3 ? 1.0 : 1e-6; };
    CHECK(iterations(block(16, 5, percolating)) <= 45);
    // a star: a site of as many neighbours as there are
    std::vector<Edge> star;
    for (int i = 1; i < 5000; ++i) star.push_back({0, i, 1.0 / i});
    CHECK(iterations(network(5000, star)) <= 10);
}

TEST_CASE("the energy that is left is known, and on the safe side", "[meso][laplacian]") {
    const ConductanceNetwork net =
        block(16, 6, [](std::mt19937_64& random) { return std::pow(10, -3 * unit(random)); });
    const LaplacianSolver solver(net);
    const std::vector<double> b = random_source(net.size(), 2), exact = solved(solver, b, 1e-13);
    for (const double tolerance : {1e-2, 1e-4, 1e-6}) {
        std::vector<double> u(b.size()), Le(b.size());
        SolveOptions options;
        options.tolerance = tolerance;
        const SolveReport report = solver.solve(b, u, 1, options);
        CHECK(report.residual <= tolerance);
        double energy = 0;
        for (std::size_t j = 0; j < u.size(); ++j) u[j] -= exact[j];
        apply_laplacian(net, u, Le);
        for (std::size_t j = 0; j < u.size(); ++j) energy += u[j] * Le[j];
        CHECK(report.energy_error[0] > energy);
        CHECK(report.energy_error[0] < 8 * energy);
    }
}

TEST_CASE("one and two threads solve a network to the same bits", "[meso][laplacian][parallel]") {
    const ConductanceNetwork net = // several blocks of both colours, on two levels
        block(27, 7, [](std::mt19937_64& random) { return std::pow(10, -2 * unit(random)); });
    const std::vector<double> b = random_source(net.size(), 5);
    std::vector<double> one, two;
    with_threads(1, [&] { one = solved(LaplacianSolver(net), b, 1e-3); });
    with_threads(2, [&] { two = solved(LaplacianSolver(net), b, 1e-3); });
    CHECK(one == two);
}

TEST_CASE("progress goes from 0 to 1 and may stop a solve", "[meso][laplacian]") {
    const ConductanceNetwork net = block(10, 6, [](std::mt19937_64& random) { return unit(random); });
    const LaplacianSolver solver(net);
    std::vector<double> u(net.size()), seen;
    SolveOptions options;
    options.progress = [&](double fraction) { seen.push_back(fraction); };
    (void)solver.solve(random_source(net.size(), 2), u, 1, options);
    CHECK(seen.front() == 0);
    CHECK(seen.back() == 1);
    CHECK(seen.size() > 5);
    options.progress = [](double) { throw Stopped("stopped"); };
    CHECK_THROWS_AS(solver.solve(random_source(net.size(), 2), u, 1, options), Stopped);
}

TEST_CASE("networks and right sides that make no sense are refused", "[meso][laplacian]") {
    const ConductanceNetwork good = network(3, {{0, 1, 1.0}, {1, 2, 2.0}});
    const auto refused = [&](auto&& change) {
        ConductanceNetwork net = good;
        change(net);
        CHECK_THROWS_AS(LaplacianSolver(net), DataError);
    };
    refused([](ConductanceNetwork& net) { net.conductance[0] = -1; });
    refused([](ConductanceNetwork& net) { net.conductance[0] = std::nan(""); });
    refused([](ConductanceNetwork& net) { net.neighbour[0] = 3; });
    refused([](ConductanceNetwork& net) { net.neighbour[0] = 0; });
    refused([](ConductanceNetwork& net) { net.sink[1] = -1e-3; });
    refused([](ConductanceNetwork& net) { net.sink.pop_back(); });
    refused([](ConductanceNetwork& net) { net.begin.back() = 3; });

    const LaplacianSolver solver(good);
    std::vector<double> u(3), two(2);
    CHECK_THROWS_WITH(solver.solve(std::vector<double>{1, 0, 0}, u), test::contains_text("no steady state"));
    CHECK_THROWS_AS(solver.solve(std::vector<double>{1, std::nan(""), 0}, u), DataError);
    CHECK_THROWS_AS(solver.solve(two, u), DataError);
    CHECK_THROWS_AS(solver.solve(u, u, 2), DataError);
    SolveOptions options;
    options.tolerance = 0;
    CHECK_THROWS_AS(solver.solve(std::vector<double>{1, -1, 0}, u, 1, options), DataError);
    options = {};
    options.max_iterations = 2;
    const ConductanceNetwork net = block(10, 6, [](std::mt19937_64& random) { return unit(random); });
    std::vector<double> v(net.size());
    CHECK_THROWS_WITH(LaplacianSolver(net).solve(random_source(net.size(), 2), v, 1, options),
                      test::contains_text("after 2 iterations"));
}
