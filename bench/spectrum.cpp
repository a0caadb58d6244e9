// Slow modes: timescales of 156 sites at 50 lags against dense solvers, the spectra of a bootstrap, and a few
// modes of a large crystal.
#include "mesolith/msm/spectrum.hpp"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include <Eigen/Dense>

#include "mesolith/core/parallel.hpp"
#include "mesolith/core/random.hpp"
#include "mesolith/crystal/eigen_solvers.hpp"

#include "clock.hpp"

using namespace mesolith;

namespace {

double unit(std::uint64_t seed, std::uint64_t a, std::uint64_t b) {
    Stream random(seed, RngUse::synthetic_jump, static_cast<std::uint32_t>(a), b);
    return uniform01(random);
}

/// Rings of 13 sites with hops of about 0.5/ps, rare ones between them: a reversible chain, in one cell.
Eigen::MatrixXd generator(int n) {
    Eigen::MatrixXd k = Eigen::MatrixXd::Zero(n, n);
    const auto bond = [&](int i, int j, double rate) {
        if (i == j) return;
        k(i, j) += rate;
        k(j, i) += rate;
        k(i, i) -= rate;
        k(j, j) -= rate;
    };
    for (int s = 0; s < n; ++s)
        bond(s, s / 13 * 13 + (s + 1) % 13, 0.25 * (1 + unit(1, 0, static_cast<std::uint64_t>(s))));
    for (int b = 0; b < 2 * n; ++b) {
        const auto u = static_cast<std::uint64_t>(b);
        bond(static_cast<int>(unit(2, 0, u) * n), static_cast<int>(unit(2, 1, u) * n), 1e-3 * unit(2, 2, u));
    }
    return k;
}

Kernel kernel_at(const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd>& generator, double lag_time) {
    const Eigen::MatrixXd P = generator.eigenvectors() *
                              (lag_time * generator.eigenvalues()).array().exp().matrix().asDiagonal() *
                              generator.eigenvectors().transpose();
    Kernel k;
    k.basis.cell = Cell(30 * Mat3::Identity());
    k.lag_time = lag_time;
    k.reversible = true;
    const auto n = static_cast<std::size_t>(P.rows());
    k.stationary.assign(n, 1.0 / static_cast<double>(n));
    for (Eigen::Index j = 0; j < P.cols(); ++j) {
        k.basis.positions.push_back(Vec3::Zero());
        for (Eigen::Index i = 0; i < P.rows(); ++i)
            if (P(i, j) > 1e-9) k.entries.push_back({static_cast<std::int32_t>(i), IVec3::Zero(), P(i, j)});
        k.column.push_back(k.entries.size());
    }
    return k;
}

/// A disordered lattice of n sites, six bonds each, hops over two decades.
Kernel lattice(int n, double lag_time) {
    const auto edge = static_cast<int>(std::lround(std::cbrt(n)));
    const auto sites =
        static_cast<std::size_t>(edge) * static_cast<std::size_t>(edge) * static_cast<std::size_t>(edge);
    std::vector<std::vector<KernelEntry>> columns(sites);
    const auto at = [&](int x, int y, int z) {
        return static_cast<std::int32_t>(((x + edge) % edge * edge + (y + edge) % edge) * edge +
                                         (z + edge) % edge);
    };
    for (int x = 0; x < edge; ++x)
        for (int y = 0; y < edge; ++y)
            for (int z = 0; z < edge; ++z)
                for (int axis = 0; axis < 3; ++axis) {
                    const auto j = at(x, y, z), i = at(x + (axis == 0), y + (axis == 1), z + (axis == 2));
                    const double p = 0.15 * std::pow(10, -2 * unit(3, static_cast<std::uint64_t>(axis),
                                                                   static_cast<std::uint64_t>(j)));
                    columns[static_cast<std::size_t>(j)].push_back({i, IVec3::Zero(), p});
                    columns[static_cast<std::size_t>(i)].push_back({j, IVec3::Zero(), p});
                }
    Kernel k;
    k.lag_time = lag_time;
    k.reversible = true;
    k.basis.positions.assign(sites, Vec3::Zero());
    k.stationary.assign(sites, 1.0 / static_cast<double>(sites));
    for (std::size_t j = 0; j < sites; ++j) {
        double stay = 1;
        for (const KernelEntry& e : columns[j]) {
            k.entries.push_back(e);
            stay -= e.p;
        }
        k.entries.push_back({static_cast<std::int32_t>(j), IVec3::Zero(), stay});
        k.column.push_back(k.entries.size());
    }
    return k;
}

Eigen::MatrixXd dense(const Kernel& k) { return bloch_matrix(k, Vec3::Zero()).real(); }

/// Processor seconds that numpy's eigvalsh takes on one thread for all matrices of a file (best of several),
/// negative without numpy.
double numpy_seconds(const std::string& file, Eigen::Index n, int repeats) {
    const std::string script = "import sys,time; import numpy as np; n=" + std::to_string(n) +
                               "; m=np.fromfile(sys.argv[1]).reshape(-1,n,n); best=1e9\n"
                               "for _ in range(" +
                               std::to_string(repeats) +
                               "):\n"
                               "    t=time.process_time()\n"
                               "    for c in m: np.linalg.eigvalsh(0.5*(c+c.T))\n"
                               "    best=min(best,time.process_time()-t)\n"
                               "print(best)";
    const std::string command = "/usr/bin/env PATH=/usr/bin:$PATH OPENBLAS_NUM_THREADS=1 python3 -c '" +
                                script + "' " + file + " 2>/dev/null";
    double best = -1;
    if (FILE* pipe = popen(command.c_str(), "r")) {
        if (std::fscanf(pipe, "%lf", &best) != 1) best = -1;
        pclose(pipe);
    }
    return best;
}

double wall_best(int repeats, auto&& f) {
    double best = 1e300;
    for (int r = 0; r < repeats; ++r) {
        const double start = seconds();
        f();
        best = std::min(best, seconds() - start);
    }
    return best;
}

} // namespace

int main() {
    constexpr int n = 156, n_lags = 50;
    constexpr std::size_t n_slow = 10;
    const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> k(generator(n));
    std::vector<Kernel> kernels;
    std::vector<Eigen::MatrixXd> matrices;
    for (int l = 0; l < n_lags; ++l) {
        kernels.push_back(kernel_at(k, 1.0 + l));
        matrices.push_back(dense(kernels.back()));
    }
    std::vector<std::vector<double>> times(n_lags);
    const auto all_lags = [&] {
        for_each_index(n_lags, [&](std::size_t l) { times[l] = slow_timescales(kernels[l], n_slow); });
    };
    set_threads(1);
    const double one = best_of(10, all_lags);
    double worst = 0, with_vectors = 0, values_only = 0;
    with_vectors = best_of(3, [&] {
        for (std::size_t l = 0; l < n_lags; ++l) {
            const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(matrices[l]);
            for (std::size_t m = 0; m < n_slow; ++m) {
                const double t = timescale(solver.eigenvalues()[n - 2 - static_cast<Eigen::Index>(m)],
                                           kernels[l].lag_time);
                worst = std::max(worst, std::abs(times[l][m] / t - 1));
            }
        }
    });
    values_only = best_of(3, [&] {
        for (const Eigen::MatrixXd& m : matrices)
            worst +=
                0 *
                Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd>(m, Eigen::EigenvaluesOnly).eigenvalues()[0];
    });
    set_threads(0);
    const double many = wall_best(10, all_lags);
    std::printf("10 timescales of %d sites at %d lags: %.1f ms on one thread, %.1f ms on %d; dense solver "
                "with vectors "
                "%.1f ms (ratio %.1f, %.1f), values only %.1f ms (ratio %.1f, %.1f); largest relative "
                "difference %.0e\n",
                n, n_lags, 1e3 * one, 1e3 * many, threads(), 1e3 * with_vectors, with_vectors / one,
                with_vectors / many, 1e3 * values_only, values_only / one, values_only / many, worst);
    const std::string file = "bench_spectrum.bin";
    std::ofstream out(file, std::ios::binary);
    for (const Eigen::MatrixXd& m : matrices)
        out.write(reinterpret_cast<const char*>(m.data()),
                  static_cast<std::streamsize>(sizeof(double)) * m.size());
    out.close();
    if (const double numpy = numpy_seconds(file, n, 10); numpy > 0)
        std::printf("  numpy eigvalsh of the symmetrised matrices, one thread: %.1f ms (ratio %.1f on one "
                    "thread, %.1f on %d)\n",
                    1e3 * numpy, numpy / one, numpy / many, threads());
    std::remove(file.c_str());

    set_threads(1);
    const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> small(generator(26));
    const Kernel folded = kernel_at(small, 5);
    const double spectra = best_of(20, [&] {
        (void)kernel_spectrum(folded, {Vec3::Zero(), Vec3(1.0 / 3, 0, 0)});
    });
    std::printf("bootstrap of 26 sites, 2 wave vectors: %.0f us each, %.2f s for 5 lags x 200 resamplings\n",
                1e6 * spectra, 1000 * spectra);

    const Kernel large = lattice(1728, 5);
    std::vector<double> slow;
    const double lanczos = best_of(2, [&] { slow = slow_timescales(large, n_slow); });
    Eigen::VectorXd all;
    const double full = best_of(1, [&] {
        all = Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd>(dense(large), Eigen::EigenvaluesOnly)
                  .eigenvalues();
    });
    worst = 0;
    for (std::size_t m = 0; m < n_slow; ++m)
        worst = std::max(
            worst, std::abs(slow[m] / timescale(all[all.size() - 2 - static_cast<Eigen::Index>(m)], 5) - 1));
    std::printf("10 timescales of %zu sites: %.3f s; dense values %.2f s; ratio %.1f; largest relative "
                "difference %.0e\n",
                large.n_sites(), lanczos, full, full / lanczos, worst);
}
