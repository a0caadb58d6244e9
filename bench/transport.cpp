// Exact diffusivity: 26 sites, and 2000 sites against a dense LU of the same equations. One thread.
#include "mesolith/msm/transport.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <random>

#include <Eigen/Dense>

#include "mesolith/core/parallel.hpp"

#include "clock.hpp"

using namespace mesolith;

namespace {

/// Disordered crystal of n sites, about 20 neighbours each, conductances over four decades.
Kernel disordered(int n, std::uint64_t seed) {
    std::mt19937_64 random(seed);
    std::uniform_real_distribution<double> unit(0, 1), exponent(-4, 0);
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
            const double g = std::pow(10, exponent(random));
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
    const Eigen::MatrixXd chi = system.partialPivLu().solve(a);
    Mat3 D = Mat3::Zero();
    for (std::size_t j = 0; j < k.n_sites(); ++j)
        for (const KernelEntry& e : k.from(j)) {
            const Vec3 u =
                k.displacement(j, e) + (chi.row(e.to) - chi.row(static_cast<Eigen::Index>(j))).transpose();
            D += k.stationary[j] * e.p * u * u.transpose();
        }
    return D / (2 * k.lag_time);
}

} // namespace

int main() {
    set_threads(1);
    const Kernel small = disordered(26, 1);
    std::printf("exact D, 26 sites: %.1f us (%zu entries)\n",
                1e6 * best_of(200, [&] { (void)exact_transport(small); }), small.entries.size());
    const Kernel large = disordered(2000, 2);
    Mat3 ours, theirs;
    const double fast = best_of(5, [&] { ours = exact_transport(large).diffusivity; });
    const double slow = best_of(2, [&] { theirs = by_dense_lu(large); });
    std::printf("exact D, 2000 sites: %.1f ms; dense LU %.1f ms; ratio %.1f; relative difference %.1e\n",
                1e3 * fast, 1e3 * slow, slow / fast, (ours - theirs).norm() / theirs.norm());
}
