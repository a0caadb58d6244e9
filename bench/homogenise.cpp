// Effective D of microstructures by multigrid against conjugate gradients with a Jacobi preconditioner: wall
// time at growing size, sites of a crystal whose hops span four decades, and voxels of a continuum. All
// threads.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <numbers>
#include <random>

#include <Eigen/Geometry>

#include "mesolith/core/parallel.hpp"
#include "mesolith/meso/shapes.hpp"
#include "mesolith/meso/steady.hpp"

#include "clock.hpp"

using namespace mesolith;

namespace {

double uniform(std::mt19937_64& random) { return static_cast<double>(random() >> 11) * 0x1p-53; }

/// 26 sites, about 28 neighbours each, conductances over four decades.
Kernel disordered_crystal(std::uint64_t seed) {
    std::mt19937_64 random(seed);
    constexpr int n = 26;
    const double edge = 3 * std::cbrt(n), reach = 3 * std::cbrt(28 * 3 / (4 * std::numbers::pi));
    Kernel k;
    k.lag_time = 5;
    k.basis.cell = Cell(Mat3(edge * Mat3::Identity()));
    for (int i = 0; i < n; ++i) {
        const double x = uniform(random), y = uniform(random), z = uniform(random);
        k.basis.positions.push_back(edge * Vec3(x, y, z));
        k.basis.orbit.push_back(i);
        k.basis.name.push_back("Li");
    }
    std::vector<std::vector<KernelEntry>> columns(n);
    std::vector<double> out(n, 0.0);
    for (int j = 0; j < n; ++j)
        for (int i = j; i < n; ++i)
            for (int c = 0; c < 27; ++c) {
                const IVec3 R(c % 3 - 1, c / 3 % 3 - 1, c / 9 - 1);
                const auto from = static_cast<std::size_t>(j), to = static_cast<std::size_t>(i);
                if (k.basis.displacement(from, to, R).norm() > reach || (i == j && c >= 13)) continue;
                const double g = std::pow(10, -4 * uniform(random));
                columns[from].push_back({i, R, g});
                columns[to].push_back({j, -R, g});
                out[from] += g, out[to] += g;
            }
    const double most = *std::max_element(out.begin(), out.end());
    for (int j = 0; j < n; ++j) {
        double leave = 0;
        for (KernelEntry e : columns[static_cast<std::size_t>(j)]) {
            e.p *= 0.8 / most;
            leave += e.p;
            k.entries.push_back(e);
        }
        k.entries.push_back({j, IVec3::Zero(), 1 - leave});
        k.column.push_back(k.entries.size());
    }
    k.stationary.assign(n, 1.0 / n);
    k.reversible = true;
    return k;
}

/// Grains of two materials, one a hundred times slower than the other.
Domain crystal_grains(int edge) {
    Domain d;
    d.cells = IVec3::Constant(edge);
    const Kernel fast = disordered_crystal(1);
    d.materials = {{"fast", fast, 1}, {"slow", scaled_kernel(fast, 0.01), 1}};
    d.regions = {{"fast", 0}, {"slow", 1}};
    paint(d, Grains{40, 3}, std::vector<std::uint16_t>{0, 1});
    return d;
}

/// Grains of a continuum with D = (1, 0.3, 0.1) in random orientations, every other one a thousand times
/// slower.
Domain voxel_grains(int edge) {
    Domain d;
    d.cells = IVec3::Constant(edge);
    const Cell voxel(Mat3(10 * Mat3::Identity()));
    std::mt19937_64 random(7);
    std::vector<std::uint16_t> regions;
    for (std::uint16_t grain = 0; grain < 40; ++grain) {
        const double a = uniform(random), b = uniform(random), c = uniform(random), e = uniform(random);
        const Mat3 turn =
            Eigen::Quaterniond(a - 0.5, b - 0.5, c - 0.5, e - 0.5).normalized().toRotationMatrix();
        const double scale = grain % 2 == 0 ? 1 : 1e-3;
        const Mat3 D = scale * turn * Vec3(1, 0.3, 0.1).asDiagonal() * turn.transpose();
        d.materials.push_back({"grain", continuum_kernel((D + D.transpose()) / 2, voxel, 10), 1});
        d.regions.push_back({"grain", grain});
        regions.push_back(grain);
    }
    paint(d, Grains{40, 5}, regions);
    return d;
}

/// Conjugate gradients preconditioned by the diagonal, for the axis a_1. @return iterations
int by_jacobi(const ConductanceNetwork& net, const std::vector<double>& b) {
    const std::size_t n = net.size();
    std::vector<double> diagonal = net.sink, r = b, p(n, 0.0), q(n), u(n, 0.0);
    for (std::size_t j = 0; j < n; ++j)
        for (std::size_t e = net.begin[j]; e < net.begin[j + 1]; ++e) diagonal[j] += net.conductance[e];
    double size = 0, rz = 0;
    for (const double x : b) size += x * x;
    for (int iteration = 1; iteration < 100'000; ++iteration) {
        double next = 0, left = 0, pq = 0;
        for (std::size_t j = 0; j < n; ++j) next += r[j] * r[j] / diagonal[j];
        for (std::size_t j = 0; j < n; ++j) p[j] = r[j] / diagonal[j] + (rz > 0 ? next / rz : 0) * p[j];
        rz = next;
        apply_laplacian(net, p, q);
        for (std::size_t j = 0; j < n; ++j) pq += p[j] * q[j];
        for (std::size_t j = 0; j < n; ++j) {
            u[j] += rz / pq * p[j];
            r[j] -= rz / pq * q[j];
            left += r[j] * r[j];
        }
        if (left <= 1e-20 * size) return iteration;
    }
    return -1;
}

void measure(const char* name, const Domain& domain, bool baseline) {
    double start = seconds();
    const HopRules rules = make_hop_rules(domain);
    const double t_rules = seconds() - start;
    start = seconds();
    const LaplacianSolver solver(site_network(domain, rules));
    const double t_setup = seconds() - start;
    start = seconds();
    const HomogenisedTransport h = homogenise(domain, rules);
    const double t = seconds() - start;
    std::printf("%-8s %9lld sites  rules %6.2f s  setup %6.2f s  D in %7.2f s  %3d iterations, %zu levels, "
                "complexity "
                "%.2f, residual %.1e, error of D %.1e\n",
                name, static_cast<long long>(domain.n_sites()), t_rules, t_setup, t, h.solve.iterations,
                solver.n_levels(), solver.complexity(), h.solve.residual,
                h.error.diagonal().cwiseQuotient(h.diffusivity.diagonal()).maxCoeff());
    std::fflush(stdout);
    if (!baseline) return;
    const std::size_t n = solver.network().size();
    std::vector<double> b(n, 0.0);
    for (std::size_t c = 0; c < static_cast<std::size_t>(domain.n_cells()); ++c)
        for (std::size_t s = 0; s < rules.n_basis; ++s) {
            const std::size_t line = rules.line_of(c, s);
            for (const Hop& hop : rules.columns[line])
                b[c * rules.n_basis + s] +=
                    rules.weight[line] * hop.p *
                    domain.basis().displacement(s, static_cast<std::size_t>(hop.site), hop.R)[0];
        }
    std::vector<double> u(n);
    start = seconds();
    const SolveReport one = solver.solve(b, u);
    const double t_one = seconds() - start;
    start = seconds();
    const int iterations = by_jacobi(site_network(domain, rules), b);
    const double t_jacobi = seconds() - start;
    std::printf("         one axis: %.2f s in %d iterations; Jacobi %.2f s in %d: ratio %.1f with the setup, "
                "%.1f without\n",
                t_one, one.iterations, t_jacobi, iterations, t_jacobi / (t_one + t_setup), t_jacobi / t_one);
    std::fflush(stdout);
}

} // namespace

/// @param 1  cells of the largest crystal along an axis (34: a million sites), 2: voxels (100)
int main(int argc, char** argv) {
    const int crystal = argc > 1 ? std::atoi(argv[1]) : 34, voxels = argc > 2 ? std::atoi(argv[2]) : 100;
    std::printf("effective D of grains, residual 1e-10, %d threads\n", threads());
    for (const int edge : {crystal / 4, crystal / 2, crystal})
        measure("crystal", crystal_grains(edge), edge <= 17);
    for (const int edge : {voxels / 4, voxels / 2, voxels}) measure("voxels", voxel_grains(edge), edge <= 50);
}
