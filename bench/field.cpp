// Site updates per second of the matrix-free field against Eigen's row-major sparse matrix times vector, the
// same operator in double, one core: 26 sites, 29 entries per column.
#include "mesolith/meso/field.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <vector>

#include <Eigen/SparseCore>

#include "mesolith/core/parallel.hpp"

#include "../tests/support/kernels.hpp"
#include "clock.hpp"

using namespace mesolith;

namespace {

using Csr = Eigen::SparseMatrix<double, Eigen::RowMajor, std::int32_t>;

/// Sites numbered cell by cell, x fastest: the usual way to write it down.
std::int64_t number_of(const IVec3& c, const IVec3& n, std::size_t n_sites, std::size_t site) {
    return ((std::int64_t{c[2]} * n[1] + c[1]) * n[0] + c[0]) * static_cast<std::int64_t>(n_sites) +
           static_cast<std::int64_t>(site);
}

Csr csr(const Kernel& kernel, const IVec3& n) {
    std::vector<Eigen::Triplet<double, std::int32_t>> triplets;
    for (int z = 0; z < n[2]; ++z)
        for (int y = 0; y < n[1]; ++y)
            for (int x = 0; x < n[0]; ++x)
                for (std::size_t j = 0; j < kernel.n_sites(); ++j)
                    for (const KernelEntry& e : kernel.from(j)) {
                        const IVec3 to((x + e.R[0] + n[0]) % n[0], (y + e.R[1] + n[1]) % n[1],
                                       (z + e.R[2] + n[2]) % n[2]);
                        triplets.emplace_back(
                            number_of(to, n, kernel.n_sites(), static_cast<std::size_t>(e.to)),
                            number_of({x, y, z}, n, kernel.n_sites(), j), e.p);
                    }
    const auto sites = static_cast<std::int32_t>(number_of({0, 0, n[2]}, n, kernel.n_sites(), 0));
    Csr matrix(sites, sites);
    matrix.setFromTriplets(triplets.begin(), triplets.end());
    return matrix;
}

} // namespace

int main(int argc, char** argv) {
    const int edge = argc > 1 ? std::atoi(argv[1]) : 48;
    const Kernel kernel = test::random_reversible(26, 1, 28);
    const Lattice lattice = tile(kernel, {edge, edge, edge});
    const auto sites = static_cast<double>(lattice.n_sites());
    const Csr matrix = csr(kernel, lattice.cells);
    Field field(lattice);
    Eigen::VectorXd x = Eigen::VectorXd::Zero(lattice.n_sites()), next = x;
    for (std::size_t j = 0; j < kernel.n_sites(); ++j) {
        field.set({0, 0, 0}, j, kernel.stationary[j]);
        x[static_cast<Eigen::Index>(j)] = kernel.stationary[j];
    }
    Eigen::setNbThreads(1);
    double csr_time = 1e300, time = 1e300;
    with_threads(1, [&] {
        for (int round = 0; round < 8; ++round) { // in turns, so that a busy machine slows both
            csr_time = std::min(csr_time, best_of(1, [&] {
                                    next.noalias() = matrix * x;
                                    x.swap(next);
                                }));
            time = std::min(time, best_of(1, [&] { advance(field, 1); }));
        }
    });
    double difference = 0;
    for (int z = 0; z < edge; ++z)
        for (int y = 0; y < edge; ++y)
            for (int c = 0; c < edge; ++c)
                for (std::size_t i = 0; i < kernel.n_sites(); ++i)
                    difference = std::max(
                        difference, std::abs(field.at({c, y, z}, i) -
                                             x[number_of({c, y, z}, lattice.cells, kernel.n_sites(), i)]));
    std::printf("%d^3 cells, %.0f sites, %.1f entries per column, %.1f B per site\n", edge, sites,
                static_cast<double>(kernel.entries.size()) / static_cast<double>(kernel.n_sites()),
                static_cast<double>(field.bytes()) / sites);
    std::printf("Eigen row-major CSR  %7.1f M sites/s\n", 1e-6 * sites / csr_time);
    std::printf("mesolith field       %7.1f M sites/s\n", 1e-6 * sites / time);
    std::printf("ratio %.2f, largest difference %.1e\n", csr_time / time, difference);
}
