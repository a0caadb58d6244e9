// Exact diffusivity by elimination against a dense LU and conjugate gradients of the same equations: time on
// disordered crystals, and the error of each component of D where hops span fourteen decades. One thread.
#include "mesolith/msm/transport.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <random>

#include <Eigen/Dense>
#include <Eigen/IterativeLinearSolvers>

#include "mesolith/core/parallel.hpp"

#include "clock.hpp"

using namespace mesolith;

namespace {

/// Disordered crystal of n sites, about 20 neighbours each, conductances over so many decades; with `levels`
/// hops to the next cell along y and z are slower, so that D spans decades too.
Kernel disordered(int n, std::uint64_t seed, double decades = 4, bool levels = false) {
    std::mt19937_64 random(seed);
    std::uniform_real_distribution<double> unit(0, 1), exponent(-decades, 0);
    const double edge = 3 * std::cbrt(n);
    Kernel k;
    k.lag_time = 5;
    k.basis.cell = Cell(Mat3(edge * Mat3::Identity()));
    for (int i = 0; i < n; ++i)
        k.basis.positions.push_back(edge * Vec3(unit(random), unit(random), unit(random)));
    const double reach = 3 * std::cbrt(20 * 3 / (4 * 3.14159));
    std::vector<std::vector<KernelEntry>> columns(static_cast<std::size_t>(n));
    double most = 0;
    std::vector<double> out(static_cast<std::size_t>(n), 0.0);
    for (int j = 0; j < n; ++j)
        for (int i = j + 1; i < n; ++i) {
            const Vec3 d = k.basis.positions[static_cast<std::size_t>(i)] -
                           k.basis.positions[static_cast<std::size_t>(j)];
            const IVec3 R = k.basis.cell.nearest_image_shift(d);
            if ((d + k.basis.cell.to_cartesian(R.cast<double>())).norm() > reach) continue;
            double power = exponent(random);
            if (levels) power = 0.3 * power - decades * (R[2] != 0 ? 0.7 : R[1] != 0 ? 0.35 : 0);
            const double g = std::pow(10, power);
            columns[static_cast<std::size_t>(j)].push_back({i, R, g});
            columns[static_cast<std::size_t>(i)].push_back({j, -R, g});
            out[static_cast<std::size_t>(j)] += g;
            out[static_cast<std::size_t>(i)] += g;
            most = std::max({most, out[static_cast<std::size_t>(j)], out[static_cast<std::size_t>(i)]});
        }
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
    k.stationary.assign(static_cast<std::size_t>(n), 1.0 / n);
    k.reversible = true;
    return k;
}

/// D from correctors, one column per axis.
Mat3 from_corrector(const Kernel& k, const Eigen::MatrixXd& chi) {
    Mat3 D = Mat3::Zero();
    for (std::size_t j = 0; j < k.n_sites(); ++j)
        for (const KernelEntry& e : k.from(j)) {
            const Vec3 u =
                k.displacement(j, e) + (chi.row(e.to) - chi.row(static_cast<Eigen::Index>(j))).transpose();
            D += k.stationary[j] * e.p * u * u.transpose();
        }
    return D / (2 * k.lag_time);
}

Mat3 by_dense_lu(const Kernel& k) {
    const auto n = static_cast<Eigen::Index>(k.n_sites());
    Eigen::MatrixXd system = Eigen::MatrixXd::Constant(n, n, 1.0 / static_cast<double>(n)),
                    a = Eigen::MatrixXd::Zero(n, 3);
    system.diagonal().array() += 1;
    for (std::size_t j = 0; j < k.n_sites(); ++j)
        for (const KernelEntry& e : k.from(j)) {
            system(static_cast<Eigen::Index>(j), e.to) -= e.p;
            a.row(static_cast<Eigen::Index>(j)) += e.p * k.displacement(j, e).transpose();
        }
    return from_corrector(k, system.partialPivLu().solve(a));
}

/// Jacobi-preconditioned, on the pi-weighted Laplacian.
Mat3 by_conjugate_gradients(const Kernel& k) {
    const auto n = static_cast<Eigen::Index>(k.n_sites());
    std::vector<Eigen::Triplet<double>> triplets;
    Eigen::MatrixXd a = Eigen::MatrixXd::Zero(n, 3);
    for (std::size_t j = 0; j < k.n_sites(); ++j)
        for (const KernelEntry& e : k.from(j)) {
            const auto row = static_cast<int>(j);
            const double g = k.stationary[j] * e.p;
            a.row(row) += g * k.displacement(j, e).transpose();
            if (e.to == row) continue;
            triplets.emplace_back(row, e.to, -g);
            triplets.emplace_back(row, row, g);
        }
    Eigen::SparseMatrix<double> laplacian(n, n);
    laplacian.setFromTriplets(triplets.begin(), triplets.end());
    Eigen::ConjugateGradient<Eigen::SparseMatrix<double>, Eigen::Lower | Eigen::Upper> solver;
    solver.setTolerance(1e-11);
    solver.setMaxIterations(20 * n);
    solver.compute(laplacian);
    return from_corrector(k, solver.solve(a));
}

double worst_component(const Mat3& D, const Mat3& reference) {
    return (D - reference).cwiseAbs().cwiseQuotient(reference.cwiseAbs()).maxCoeff();
}

double worst_diagonal(const Mat3& D, const Mat3& reference) {
    return (D - reference).diagonal().cwiseAbs().cwiseQuotient(reference.diagonal().cwiseAbs()).maxCoeff();
}

} // namespace

int main() {
    set_threads(1);
    std::printf("exact D, conductances over 4 decades\n%6s %14s %10s %10s   %s\n", "sites", "elimination",
                "LU", "CG", "(times; ratio to elimination)");
    for (const int n : {26, 400, 2000}) {
        const Kernel k = disordered(n, n == 26 ? 1 : 2);
        Mat3 ours, lu, cg;
        const double t = best_of(n == 26 ? 200 : 3, [&] { ours = exact_transport(k).diffusivity; });
        const double t_lu = best_of(n == 26 ? 200 : 2, [&] { lu = by_dense_lu(k); });
        const double t_cg = best_of(n == 26 ? 200 : 3, [&] { cg = by_conjugate_gradients(k); });
        std::printf("%6d %11.3f ms %10.2f %10.2f   LU, CG differ by %.1e, %.1e of a component\n", n, 1e3 * t,
                    t_lu / t, t_cg / t, worst_component(lu, ours), worst_component(cg, ours));
        Kernel driven = k; // the same numbers by the elimination for kernels without detailed balance
        driven.reversible = false;
        Mat3 general;
        const double t_general =
            best_of(n == 26 ? 200 : 2, [&] { general = exact_transport(driven).diffusivity; });
        std::printf("%6s without detailed balance %.3f ms, differs by %.1e\n", "", 1e3 * t_general,
                    worst_component(general, ours));
    }
    std::printf(
        "\nerror of D against the elimination, conductances over 14 decades\n%6s %10s %10s %10s %10s %10s\n",
        "sites", "D_xx/D_zz", "LU diag", "LU all", "CG diag", "CG all");
    for (const int n : {26, 400, 2000}) {
        const Kernel k = disordered(n, 5, 14, true);
        const Mat3 D = exact_transport(k).diffusivity, lu = by_dense_lu(k), cg = by_conjugate_gradients(k);
        std::printf("%6d %10.1e %10.1e %10.1e %10.1e %10.1e\n", n, D(0, 0) / D(2, 2), worst_diagonal(lu, D),
                    worst_component(lu, D), worst_diagonal(cg, D), worst_component(cg, D));
    }
}
