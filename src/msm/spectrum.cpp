#include "mesolith/msm/spectrum.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numbers>
#include <set>

#include <Eigen/Dense>
#include <Eigen/Eigenvalues>

#include "mesolith/core/error.hpp"

namespace mesolith {

namespace {

/// Sites with stationary weight, and their place among them (-1: none).
std::vector<std::int32_t> occupied_sites(const Kernel& kernel, Eigen::Index& n) {
    std::vector<std::int32_t> local(kernel.n_sites(), -1);
    n = 0;
    for (std::size_t j = 0; j < kernel.n_sites(); ++j)
        if (kernel.stationary[j] > 0) local[j] = static_cast<std::int32_t>(n++);
    return local;
}

bool is_real(const Vec3& kappa) {
    for (int a = 0; a < 3; ++a)
        if (const double twice = 2 * kappa[a]; twice != std::round(twice)) return false;
    return true;
}

/// D^-1/2 M(kappa) D^1/2 with D = diag(pi): Hermitian for a reversible kernel.
Eigen::MatrixXcd scaled_bloch_matrix(const Kernel& kernel, const Vec3& kappa,
                                     const std::vector<std::int32_t>& local, Eigen::Index n) {
    Eigen::MatrixXcd m = Eigen::MatrixXcd::Zero(n, n);
    for (std::size_t j = 0; j < kernel.n_sites(); ++j) {
        if (local[j] < 0) continue;
        for (const KernelEntry& e : kernel.from(j)) {
            const std::int32_t i = local[static_cast<std::size_t>(e.to)];
            if (i < 0) continue;
            const double scale =
                std::sqrt(kernel.stationary[j] / kernel.stationary[static_cast<std::size_t>(e.to)]);
            m(i, local[j]) += std::polar(e.p * scale, -2 * std::numbers::pi * kappa.dot(e.R.cast<double>()));
        }
    }
    return m;
}

} // namespace

Eigen::MatrixXcd bloch_matrix(const Kernel& kernel, const Vec3& kappa) {
    const auto n = static_cast<Eigen::Index>(kernel.n_sites());
    Eigen::MatrixXcd m = Eigen::MatrixXcd::Zero(n, n);
    for (std::size_t j = 0; j < kernel.n_sites(); ++j)
        for (const KernelEntry& e : kernel.from(j))
            m(e.to, static_cast<Eigen::Index>(j)) +=
                std::polar(e.p, -2 * std::numbers::pi * kappa.dot(e.R.cast<double>()));
    return m;
}

std::vector<Vec3> supercell_wave_vectors(const IMat3& N) {
    const auto minor = [&](int r, int c) {
        const int r1 = (r + 1) % 3, r2 = (r + 2) % 3, c1 = (c + 1) % 3, c2 = (c + 2) % 3;
        return N(r1, c1) * N(r2, c2) - N(r1, c2) * N(r2, c1);
    };
    IMat3 adjugate;
    for (int r = 0; r < 3; ++r)
        for (int c = 0; c < 3; ++c) adjugate(c, r) = minor(r, c);
    const int det = N(0, 0) * minor(0, 0) + N(0, 1) * minor(0, 1) + N(0, 2) * minor(0, 2);
    if (det == 0) throw DataError("a supercell matrix is singular");
    const int size = std::abs(det);
    // kappa = adj(N) m / det: the group generated modulo det by the columns of the adjugate.
    using Point = std::array<int, 3>;
    const auto wrap = [&](const IVec3& v) {
        Point p;
        for (int a = 0; a < 3; ++a) {
            const int x = (det > 0 ? v[a] : -v[a]) % size;
            p[static_cast<std::size_t>(a)] = x < 0 ? x + size : x;
        }
        return p;
    };
    std::set<Point> seen{Point{0, 0, 0}};
    std::vector<Point> queue{Point{0, 0, 0}};
    for (std::size_t q = 0; q < queue.size(); ++q) {
        const IVec3 here(queue[q][0], queue[q][1], queue[q][2]);
        for (int c = 0; c < 3; ++c) {
            const IVec3 step = det > 0 ? IVec3(adjugate.col(c)) : IVec3(-adjugate.col(c));
            const Point next = wrap(det > 0 ? IVec3(here + step) : IVec3(-(here + step)));
            if (seen.insert(next).second) queue.push_back(next);
        }
    }
    std::vector<Vec3> kappa;
    for (const Point& p : queue) {
        Vec3 k;
        for (int a = 0; a < 3; ++a) {
            const int x = p[static_cast<std::size_t>(a)];
            k[a] = static_cast<double>(2 * x > size ? x - size : x) / size;
        }
        kappa.push_back(k);
    }
    std::stable_sort(kappa.begin(), kappa.end(),
                     [](const Vec3& a, const Vec3& b) { return a.squaredNorm() < b.squaredNorm(); });
    return kappa;
}

double Mode::timescale(double lag_time) const {
    const double modulus = std::abs(eigenvalue);
    if (modulus >= 1 - 1e-12) return std::numeric_limits<double>::infinity();
    return modulus > 0 ? -lag_time / std::log(modulus) : 0.0;
}

std::vector<Mode> kernel_spectrum(const Kernel& kernel, const std::vector<Vec3>& kappa) {
    Eigen::Index n = 0;
    const std::vector<std::int32_t> local = occupied_sites(kernel, n);
    std::vector<Mode> modes;
    for (const Vec3& k : kappa) {
        const Eigen::MatrixXcd m = scaled_bloch_matrix(kernel, k, local, n);
        Eigen::VectorXcd values;
        if (kernel.reversible && is_real(k))
            values = Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd>(m.real(), Eigen::EigenvaluesOnly)
                         .eigenvalues()
                         .cast<std::complex<double>>();
        else if (kernel.reversible)
            values = Eigen::SelfAdjointEigenSolver<Eigen::MatrixXcd>(m, Eigen::EigenvaluesOnly)
                         .eigenvalues()
                         .cast<std::complex<double>>();
        else
            values = Eigen::ComplexEigenSolver<Eigen::MatrixXcd>(m, false).eigenvalues();
        for (const std::complex<double>& value : values) modes.push_back({value, k});
    }
    std::stable_sort(modes.begin(), modes.end(), [](const Mode& a, const Mode& b) {
        const double x = std::abs(a.eigenvalue), y = std::abs(b.eigenvalue);
        return x != y ? x > y : a.kappa.squaredNorm() < b.kappa.squaredNorm();
    });
    return modes;
}

SiteSpectrum site_spectrum(const Kernel& kernel) {
    Eigen::Index n = 0;
    const std::vector<std::int32_t> local = occupied_sites(kernel, n);
    const Eigen::MatrixXd m = scaled_bloch_matrix(kernel, Vec3::Zero(), local, n).real();
    Eigen::VectorXcd values;
    Eigen::MatrixXcd right, left; // of the scaled matrix
    if (kernel.reversible) {
        const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(m);
        values = solver.eigenvalues().cast<std::complex<double>>();
        right = left = solver.eigenvectors().cast<std::complex<double>>();
    } else {
        const Eigen::EigenSolver<Eigen::MatrixXd> solver(m);
        values = solver.eigenvalues();
        right = solver.eigenvectors();
        left = right.inverse().adjoint();
    }
    std::vector<Eigen::Index> order(static_cast<std::size_t>(n));
    for (std::size_t k = 0; k < order.size(); ++k) order[k] = static_cast<Eigen::Index>(k);
    std::stable_sort(order.begin(), order.end(),
                     [&](auto a, auto b) { return std::abs(values[a]) > std::abs(values[b]); });

    SiteSpectrum result;
    const auto all = static_cast<Eigen::Index>(kernel.n_sites());
    result.eigenvalues.resize(n);
    result.right = result.left = Eigen::MatrixXcd::Zero(all, n);
    for (Eigen::Index k = 0; k < n; ++k) {
        const Eigen::Index from = order[static_cast<std::size_t>(k)];
        result.eigenvalues[k] = values[from];
        for (std::size_t j = 0; j < kernel.n_sites(); ++j) {
            if (local[j] < 0) continue;
            const double root = std::sqrt(kernel.stationary[j]);
            result.right(static_cast<Eigen::Index>(j), k) = right(local[j], from) * root;
            result.left(static_cast<Eigen::Index>(j), k) = left(local[j], from) / root;
        }
    }
    return result;
}

} // namespace mesolith
