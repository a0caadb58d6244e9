// Site updates per second of the matrix-free field against Eigen's row-major sparse matrix times vector, the
// same operator: 26 sites, 29 entries per column. In double and float, by each kind of vector unit, of a
// domain of grains, and with two threads.
#include "mesolith/meso/field.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include <Eigen/SparseCore>

#include "mesolith/core/parallel.hpp"
#include "mesolith/core/vector_units.hpp"
#include "mesolith/meso/shapes.hpp"

#include "../tests/support/kernels.hpp"
#include "clock.hpp"

using namespace mesolith;

namespace {

template <class T>
using Csr = Eigen::SparseMatrix<T, Eigen::RowMajor, std::int32_t>;

/// Sites numbered cell by cell, x fastest: the usual way to write it down.
std::int64_t number_of(const IVec3& c, const IVec3& n, std::size_t n_sites, std::size_t site) {
    return ((std::int64_t{c[2]} * n[1] + c[1]) * n[0] + c[0]) * static_cast<std::int64_t>(n_sites) +
           static_cast<std::int64_t>(site);
}

template <class T>
Csr<T> csr(const Kernel& kernel, const IVec3& n) {
    std::vector<Eigen::Triplet<T, std::int32_t>> triplets;
    for (int z = 0; z < n[2]; ++z)
        for (int y = 0; y < n[1]; ++y)
            for (int x = 0; x < n[0]; ++x)
                for (std::size_t j = 0; j < kernel.n_sites(); ++j)
                    for (const KernelEntry& e : kernel.from(j)) {
                        const IVec3 to((x + e.R[0] + n[0]) % n[0], (y + e.R[1] + n[1]) % n[1],
                                       (z + e.R[2] + n[2]) % n[2]);
                        triplets.emplace_back(
                            number_of(to, n, kernel.n_sites(), static_cast<std::size_t>(e.to)),
                            number_of({x, y, z}, n, kernel.n_sites(), j), static_cast<T>(e.p));
                    }
    const auto sites = static_cast<std::int32_t>(number_of({0, 0, n[2]}, n, kernel.n_sites(), 0));
    Csr<T> matrix(sites, sites);
    matrix.setFromTriplets(triplets.begin(), triplets.end());
    return matrix;
}

/// Bytes per second of a = b + s c over arrays that no cache holds, counting three of them.
double stream_triad() {
    const std::size_t n = std::size_t{1} << 25;
    std::vector<double> a(n, 1.0), b(n, 2.0), c(n, 3.0);
    const double time = best_of(3, [&] {
        for (std::size_t i = 0; i < n; ++i) a[i] = b[i] + 0.5 * c[i];
    });
    return a[n / 2] > 0 ? 24.0 * static_cast<double>(n) / time : 0;
}

template <class T>
double run(const char* name, const Kernel& kernel, int edge, double stream) {
    const Domain domain = crystal_domain(kernel, {edge, edge, edge});
    const auto sites = static_cast<double>(domain.n_sites());
    const Csr<T> matrix = csr<T>(kernel, domain.cells);
    Field<T> field(domain);
    using Vector = Eigen::Matrix<T, Eigen::Dynamic, 1>;
    Vector x = Vector::Zero(domain.n_sites()), next = x;
    for (std::size_t j = 0; j < kernel.n_sites(); ++j) {
        field.set({0, 0, 0}, j, static_cast<T>(kernel.stationary[j]));
        x[static_cast<Eigen::Index>(j)] = static_cast<T>(kernel.stationary[j]);
    }
    double csr_time = 1e300, time = 1e300;
    for (int round = 0; round < 8; ++round) { // in turns, so that a busy machine slows both
        csr_time = std::min(csr_time, best_of(1, [&] {
                                next.noalias() = matrix * x;
                                x.swap(next);
                            }));
        time = std::min(time, best_of(1, [&] { advance(field, 1); }));
    }
    double difference = 0;
    for (int z = 0; z < edge; ++z)
        for (int y = 0; y < edge; ++y)
            for (int c = 0; c < edge; ++c)
                for (std::size_t i = 0; i < kernel.n_sites(); ++i)
                    difference = std::max(difference,
                                          static_cast<double>(std::abs(
                                              field.at({c, y, z}, i) -
                                              x[number_of({c, y, z}, domain.cells, kernel.n_sites(), i)])));
    std::printf("%-7s Eigen CSR %6.1f, field %7.1f M sites/s: %5.2fx; %.1f B per site; largest difference "
                "%.1e; reads and writes %.0f %% of the memory's triad\n",
                name, 1e-6 * sites / csr_time, 1e-6 * sites / time, csr_time / time,
                static_cast<double>(field.bytes()) / sites, difference,
                100 * 2 * sizeof(T) * sites / time / stream);
    return csr_time / sites;
}

/// Wall time of one step.
template <class T>
double step_time(const Domain& domain, int threads, int steps) {
    Field<T> field(domain);
    fill(field, EquilibriumStart{});
    double best = 1e300;
    with_threads(threads, [&] {
        for (int round = 0; round < 5; ++round) {
            const double begin = seconds();
            advance(field, static_cast<std::uint64_t>(steps));
            best = std::min(best, (seconds() - begin) / steps);
        }
    });
    return best;
}

} // namespace

int main(int argc, char** argv) {
    const int edge = argc > 1 ? std::atoi(argv[1]) : 48;
    const Kernel kernel = test::random_reversible(26, 1, 28);
    Eigen::setNbThreads(1);
    const double stream = stream_triad();
    std::printf("%d^3 cells, %.1f entries per column, one core; memory %.1f GB/s\n", edge,
                static_cast<double>(kernel.entries.size()) / static_cast<double>(kernel.n_sites()),
                1e-9 * stream);
    with_threads(1, [&] {
        const double per_site = run<double>("double", kernel, edge, stream);
        run<float>("float", kernel, edge, stream);
        const Domain crystal = crystal_domain(kernel, {edge, edge, edge});
        const auto sites = static_cast<double>(crystal.n_sites());
        for (const auto& [units, name] :
             {std::pair{VectorUnits::avx512, "AVX-512"}, std::pair{VectorUnits::avx2, "AVX2"},
              std::pair{VectorUnits::baseline, "baseline"}}) {
            limit_vector_units(units);
            if (vector_units() != units) continue;
            Field<double> wide(crystal);
            Field<float> narrow(crystal);
            const double d = best_of(5, [&] { advance(wide, 1); }),
                         f = best_of(5, [&] { advance(narrow, 1); });
            std::printf("%-9s double %7.1f M sites/s (%.2fx CSR in double), float %7.1f (%.2fx)\n", name,
                        1e-6 * sites / d, per_site * sites / d, 1e-6 * sites / f, per_site * sites / f);
        }
        limit_vector_units(VectorUnits::avx512);
        Domain grains = crystal;
        grains.materials.push_back({"other", scaled_kernel(kernel, 0.1), 0.5});
        grains.regions.push_back({"other", 1});
        paint(grains, Grains{30, 1}, std::vector<std::uint16_t>{0, 1});
        const HopRules rules = make_hop_rules(grains);
        Field<double> field(grains, rules);
        const double time = best_of(5, [&] { advance(field, 1); });
        std::printf("30 grains of two materials, %zu classes: %7.1f M sites/s (%.2fx CSR in double)\n",
                    rules.n_classes(), 1e-6 * sites / time, per_site * sites / time);
    });
    const Domain crystal = crystal_domain(kernel, {edge, edge, edge});
    double one = 1e300, two = 1e300;
    for (int round = 0; round < 3; ++round) {
        one = std::min(one, step_time<double>(crystal, 1, 5));
        two = std::min(two, step_time<double>(crystal, 2, 5));
    }
    std::printf("two threads %.2fx one (wall time; only an idle machine shows it)\n", one / two);
}
