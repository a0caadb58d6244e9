#include <numbers>

#include <Eigen/Dense>
#include <Eigen/Eigenvalues>

#include "mesolith/core/error.hpp"
#include "mesolith/msm/chapman_kolmogorov.hpp"
#include "mesolith/msm/spectrum.hpp"

#include "support/catch.hpp"
#include "support/kernels.hpp"
#include "support/synthetic.hpp"

using namespace mesolith;
using namespace mesolith::test;

namespace {

/// The finite matrix of the simulated cell, sites and cells written out, R folded back by N.
Eigen::MatrixXd supercell_matrix(const Kernel& k, const IMat3& N) {
    const int size = static_cast<int>(std::lround(std::abs(N.cast<double>().determinant())));
    const Mat3 inverse = N.cast<double>().inverse();
    std::vector<IVec3> cells;
    const auto wrap =
        [&](const IVec3& R) { // the representative with fractional supercell coordinates in [0, 1)
            const Vec3 f = inverse.transpose() * R.cast<double>();
            const IVec3 n = (f.array() + 1e-9).floor().cast<int>();
            return IVec3(R - N.transpose() * n);
        };
    for (int x = -8; x <= 8; ++x)
        for (int y = -8; y <= 8; ++y)
            for (int z = -8; z <= 8; ++z)
                if (wrap(IVec3(x, y, z)) == IVec3(x, y, z)) cells.push_back(IVec3(x, y, z));
    REQUIRE(static_cast<int>(cells.size()) == size);
    const auto n = static_cast<Eigen::Index>(k.n_sites());
    Eigen::MatrixXd m = Eigen::MatrixXd::Zero(n * size, n * size);
    for (int c = 0; c < size; ++c)
        for (std::size_t j = 0; j < k.n_sites(); ++j)
            for (const KernelEntry& e : k.from(j)) {
                const auto to =
                    std::find(cells.begin(), cells.end(), wrap(cells[static_cast<std::size_t>(c)] + e.R)) -
                    cells.begin();
                m(static_cast<Eigen::Index>(to) * n + e.to, c * n + static_cast<Eigen::Index>(j)) += e.p;
            }
    return m;
}

const IMat3 skewed = (IMat3() << 2, 1, 0, 0, 2, 0, 1, 0, 1).finished();

} // namespace

TEST_CASE("a chain of one kind of hop has the eigenvalues 1 - 2 p (1 - cos k) / 2", "[msm][spectrum]") {
    const Kernel k = alternating_chain(0.2, 0.2, 2.5, 2.5); // really one site per 2.5 A
    for (const double kappa : {0.0, 0.1, 0.25, 0.5}) {
        const auto modes = kernel_spectrum(k, {Vec3(kappa, 0, 0)});
        const double c = std::cos(std::numbers::pi * kappa);
        CHECK(modes[0].eigenvalue.real() == Approx(0.6 + 0.4 * c).epsilon(1e-13));
        CHECK(modes[1].eigenvalue.real() == Approx(0.6 - 0.4 * c).epsilon(1e-13));
    }
}

TEST_CASE("spectra at the wave vectors of a supercell are together that of its matrix", "[msm][spectrum]") {
    for (const IMat3& N :
         {IMat3(Vec3(2, 1, 3).cast<int>().asDiagonal().toDenseMatrix()), skewed, IMat3(-skewed)}) {
        for (const Kernel& k : {random_reversible(4, 7), random_nonreversible(4, 7)}) {
            const auto kappa = supercell_wave_vectors(N);
            CHECK(kappa.front().norm() == 0.0);
            const auto modes = kernel_spectrum(k, kappa);
            const Eigen::VectorXcd all = supercell_matrix(k, N).eigenvalues();
            REQUIRE(modes.size() == static_cast<std::size_t>(all.size()));
            std::vector<char> used(modes.size(), 0); // pair every eigenvalue with its own partner
            for (const std::complex<double>& value : all) {
                std::size_t best = modes.size();
                for (std::size_t m = 0; m < modes.size(); ++m)
                    if (!used[m] && (best == modes.size() || std::abs(modes[m].eigenvalue - value) <
                                                                 std::abs(modes[best].eigenvalue - value)))
                        best = m;
                used[best] = 1;
                CHECK(std::abs(modes[best].eigenvalue - value) < 1e-9);
            }
        }
    }
}

TEST_CASE("left and right eigenvectors belong to P and are biorthogonal", "[msm][spectrum]") {
    for (const Kernel& k : {random_reversible(6, 2), random_nonreversible(6, 2)}) {
        const SiteSpectrum s = site_spectrum(k);
        const Eigen::MatrixXcd P = bloch_matrix(k, Vec3::Zero());
        CHECK(std::abs(s.eigenvalues[0] - 1.0) < 1e-13);
        for (Eigen::Index m = 0; m < s.eigenvalues.size(); ++m) {
            CHECK((P * s.right.col(m) - s.eigenvalues[m] * s.right.col(m)).norm() < 1e-12);
            CHECK((P.adjoint() * s.left.col(m) - std::conj(s.eigenvalues[m]) * s.left.col(m)).norm() < 1e-11);
        }
        CHECK((s.left.adjoint() * s.right - Eigen::MatrixXcd::Identity(6, 6)).norm() < 1e-11);
    }
}

TEST_CASE("timescales are infinite for unit eigenvalues and never NaN", "[msm][spectrum]") {
    CHECK(std::isinf(Mode{1.0, Vec3::Zero()}.timescale(5)));
    CHECK(std::isinf(Mode{1.0 + 1e-15, Vec3::Zero()}.timescale(5)));
    CHECK(Mode{0.0, Vec3::Zero()}.timescale(5) == 0.0);
    CHECK(Mode{std::exp(-0.1), Vec3::Zero()}.timescale(5) == Approx(50));
    CHECK(Mode{-std::exp(-0.1), Vec3::Zero()}.timescale(5) == Approx(50));
    CHECK_THROWS_AS(supercell_wave_vectors(IMat3::Zero()), DataError);
}

TEST_CASE("err(n) is zero for the powers of a kernel and equals the norm of the supercell's matrices",
          "[msm][ck]") {
    const Kernel k = random_reversible(4, 3), other = random_reversible(4, 4);
    const auto kappa = supercell_wave_vectors(skewed);
    CHECK(chapman_kolmogorov_error(k, k, 1, kappa) < 1e-15);
    const Eigen::MatrixXd a = supercell_matrix(other, skewed), b = supercell_matrix(k, skewed);
    const auto norm = [](const Eigen::MatrixXd& m) {
        return Eigen::JacobiSVD<Eigen::MatrixXd>(m).singularValues()[0];
    };
    CHECK(chapman_kolmogorov_error(other, k, 3, kappa) ==
          Approx(norm(a - b * b * b) / norm(a)).epsilon(1e-10));
    CHECK_THROWS_AS(chapman_kolmogorov_error(k, k, 0, kappa), DataError);
}

TEST_CASE("a Markovian walk stays within the noise floor, one with memory rises above it",
          "[msm][ck][random]") {
    const Kernel k = random_reversible(4, 31, 8);
    const SiteSet sites = tile(k.basis, IVec3(2, 1, 1));
    const auto kappa = supercell_wave_vectors(sites.supercell);
    const std::vector<std::int64_t> lags{1, 2, 4}, frames{4000};
    const auto blocks = cut_into_blocks(frames, 200);
    const auto test = [&](const std::vector<std::vector<Place>>& places) {
        const std::vector<SiteTrajectory> data{as_events(places, sites, k.lag_time)};
        const auto counts = count_transitions(data, sites, lags, blocks);
        return chapman_kolmogorov_test(counts[0], {&counts[1], &counts[2]}, k.basis, {}, kappa, 100, 5);
    };
    int above = 0;
    for (std::uint64_t seed = 1; seed <= 10; ++seed)
        for (const auto& point : test(walk(k, 10, 4000, seed))) above += point.error > point.floor_95;
    CHECK(above <= 5); // 20 points, one expected

    auto rattling =
        walk(k, 10, 4000, 3); // every second frame shows the first site of the cell: memory of two steps
    for (std::size_t t = 0; t < rattling.size(); t += 2)
        for (Place& p : rattling[t]) p.site = 0;
    for (const auto& point : test(rattling)) CHECK(point.error > 2 * point.floor_95);
}
