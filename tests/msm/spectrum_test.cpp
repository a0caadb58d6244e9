#include <functional>
#include <limits>
#include <numbers>

#include <Eigen/Dense>

#include "mesolith/core/error.hpp"
#include "mesolith/crystal/eigen_solvers.hpp"
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

/// n sites in a ring within one cell, probability p to each neighbour: 1 - 2 p (1 - cos(2 pi m / n)).
Kernel ring(int n, double p) {
    SiteBasis basis;
    basis.cell = Cell(10 * Mat3::Identity());
    Flows flows;
    for (int j = 0; j < n; ++j) {
        basis.positions.push_back(Vec3(0.1 * j, 0, 0));
        const Transition move{j, (j + 1) % n, IVec3::Zero()};
        flows[move] = flows[move.reversed()] = p / n;
    }
    Kernel kernel =
        kernel_from_flows(basis, std::vector<double>(static_cast<std::size_t>(n), 1.0 / n), flows, 2);
    kernel.reversible = true;
    return kernel;
}

std::vector<double> ring_moduli(int n, double p) {
    std::vector<double> moduli;
    for (int m = 0; m < n; ++m)
        moduli.push_back(std::abs(1 - 2 * p * (1 - std::cos(2 * std::numbers::pi * m / n))));
    std::sort(moduli.begin(), moduli.end(), std::greater<>());
    return moduli;
}

/// Two crystals in one cell that never exchange: every eigenvalue of each.
Kernel side_by_side(const Kernel& a, const Kernel& b, double share_of_a) {
    Kernel both = a;
    const auto n = static_cast<std::int32_t>(a.n_sites());
    both.basis.positions.insert(both.basis.positions.end(), b.basis.positions.begin(),
                                b.basis.positions.end());
    both.basis.orbit.resize(both.basis.positions.size(), 1);
    both.basis.name.resize(both.basis.positions.size(), "other");
    for (std::size_t j = 0; j < b.n_sites(); ++j) {
        for (KernelEntry e : b.from(j)) {
            e.to += n;
            both.entries.push_back(e);
        }
        both.column.push_back(both.entries.size());
    }
    for (double& pi : both.stationary) pi *= share_of_a;
    for (const double pi : b.stationary) both.stationary.push_back(pi * (1 - share_of_a));
    return both;
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

TEST_CASE("eigenvectors at any wave vector belong to M and are biorthogonal", "[msm][spectrum]") {
    for (const Kernel& k : {random_reversible(7, 5), random_nonreversible(7, 5)})
        for (const Vec3& kappa : {Vec3(0.5, 0, 0.5), Vec3(0.3, -0.1, 0.2)}) {
            const SiteSpectrum s = site_spectrum(k, kappa);
            const Eigen::MatrixXcd M = bloch_matrix(k, kappa);
            REQUIRE(s.eigenvalues.size() == 7);
            CHECK((M * s.right - s.right * s.eigenvalues.asDiagonal()).norm() < 1e-12);
            CHECK((s.left.adjoint() * M - s.eigenvalues.asDiagonal() * s.left.adjoint()).norm() < 1e-11);
            CHECK((s.left.adjoint() * s.right - Eigen::MatrixXcd::Identity(7, 7)).norm() < 1e-11);
            if (k.reversible) {
                CHECK(s.eigenvalues.imag().norm() == 0.0);
                CHECK((s.stationary.asDiagonal() * s.left - s.right).norm() < 1e-13);
            }
        }
}

TEST_CASE("slow timescales of a ring have their closed form, also where negative eigenvalues are as large",
          "[msm][spectrum]") {
    for (const double p : {0.1, 0.3, 0.49, 0.5}) {
        const Kernel k = ring(60, p);
        const auto moduli = ring_moduli(60, p);
        for (const std::size_t n : {1u, 7u, 30u, 59u, 100u}) {
            const auto times = slow_timescales(k, n);
            REQUIRE(times.size() == std::min<std::size_t>(n, 59));
            for (std::size_t m = 0; m < times.size(); ++m) {
                INFO("p " << p << " n " << n << " m " << m);
                if (moduli[m + 1] > 1 - 1e-13)
                    CHECK(std::isinf(times[m]));
                else if (moduli[m + 1] < 1e-13) // rounding alone
                    CHECK(times[m] < 0.1);
                else
                    CHECK(times[m] == Approx(timescale(moduli[m + 1], 2)).epsilon(1e-9));
            }
        }
    }
    Kernel broken = ring(60, 0.3);
    broken.entries[5].p = std::nan("");
    CHECK_THROWS_AS(slow_timescales(broken, 3), DataError);
}

TEST_CASE("slow timescales are the longest of the whole spectrum", "[msm][spectrum]") {
    const std::vector<Vec3> kappa{Vec3::Zero(), Vec3(0.5, 0, 0), Vec3(0, 1.0 / 3, 0), Vec3(0, -1.0 / 3, 0)};
    for (const Kernel& k : {random_reversible(40, 4, 6), random_nonreversible(12, 4), grid_crystal(3)}) {
        const auto all = kernel_spectrum(k, kappa);
        const auto times = slow_timescales(k, 6, kappa);
        REQUIRE(times.size() == 6);
        for (std::size_t m = 0; m < 6; ++m)
            CHECK(times[m] == Approx(all[m + 1].timescale(k.lag_time)).epsilon(1e-10));
    }
}

TEST_CASE("equal eigenvalues are one group and are never cut through", "[msm][spectrum]") {
    const Kernel k = ring(9, 0.2); // 1, then four pairs
    const SiteSpectrum all = site_spectrum(k);
    REQUIRE(all.groups.size() == 5);
    CHECK(all.groups[0].size() == 1);
    for (std::size_t g = 1; g < 5; ++g) CHECK(all.groups[g].size() == 2);
    for (const std::size_t n : {1u, 2u, 3u, 4u}) {
        const SiteSpectrum some = site_spectrum(k, Vec3::Zero(), {.n_slowest = n});
        CHECK(some.eigenvalues.size() == (n == 1 ? 1 : n < 4 ? 3 : 5));
        CHECK(some.right.cols() == some.eigenvalues.size());
        CHECK(some.groups.back().members.back() + 1 == static_cast<std::size_t>(some.eigenvalues.size()));
    }
    using namespace std::complex_literals;
    const Eigen::VectorXcd values = (Eigen::VectorXcd(4) << 1.0, 0.5 + 0.1i, 0.5 - 0.1i, 0.45).finished();
    CHECK(group_modes(values).size() == 3);
    CHECK(group_modes(values)[1].eigenvalue == 0.5 + 0.1i);
    CHECK(group_modes(values, 1e-8, false).size() == 4);
    const std::vector<double> errors{0, 0.01, 0.01, 0.2};
    CHECK(group_modes(values, 1e-8, true, errors).size() == 2);
    // Rates tell slow modes apart: both would be 1 within 1e-8.
    const Eigen::VectorXcd slow = (Eigen::VectorXcd(3) << 1.0, 1 - 1e-10, 1 - 2e-10).finished();
    CHECK(group_modes(slow).size() == 3);
    CHECK_THROWS_AS(group_modes(values, 1e-8, true, std::vector<double>(2)), DataError);
}

TEST_CASE("several closed classes have a unit eigenvalue each, and empty sites none", "[msm][spectrum]") {
    const Kernel one = random_reversible(4, 6), two = random_reversible(3, 9);
    Kernel both = side_by_side(one, two, 0.25);
    both.basis.positions.push_back(Vec3::Zero()); // never visited
    both.basis.orbit.push_back(2);
    both.entries.push_back({7, IVec3::Zero(), 1.0});
    both.column.push_back(both.entries.size());
    both.stationary.push_back(0);
    const SiteSpectrum s = site_spectrum(both);
    REQUIRE(s.eigenvalues.size() == 7);
    REQUIRE(s.groups[0].size() == 2);
    for (Eigen::Index m = 0; m < 2; ++m) {
        CHECK(std::isinf(s.timescale(static_cast<std::size_t>(m))));
        CHECK(s.right(7, m) == 0.0);
        double in_one = 0, in_two = 0;
        for (Eigen::Index j = 0; j < 7; ++j) (j < 4 ? in_one : in_two) += std::abs(s.right(j, m));
        CHECK(std::min(in_one, in_two) == 0.0);
        const Eigen::Index first = in_one > 0 ? 0 : 4;
        CHECK(std::abs(s.right(first, m) / s.right(first + 1, m) -
                       both.stationary[static_cast<std::size_t>(first)] /
                           both.stationary[static_cast<std::size_t>(first + 1)]) < 1e-14);
    }
    CHECK((s.left.adjoint() * s.right - Eigen::MatrixXcd::Identity(7, 7)).norm() < 1e-12);
    const auto times = slow_timescales(both, 6);
    CHECK(std::isinf(times[0]));
    for (const double t : times) CHECK_FALSE(std::isnan(t));
}

TEST_CASE("Lanczos iteration finds the slow modes of a dense solver with every copy of multiple ones",
          "[msm][spectrum]") {
    const Kernel half = random_reversible(70, 12, 6);
    const Kernel twice = side_by_side(half, half, 0.5); // every eigenvalue twice
    for (const Vec3& kappa : {Vec3(0, 0, 0), Vec3(0.5, 0.5, 0), Vec3(0.3, 0.2, -0.1)}) {
        const SiteSpectrum dense = site_spectrum(half, kappa);
        const SiteSpectrum few = site_spectrum(twice, kappa, {.n_slowest = 8, .dense_limit = 60});
        REQUIRE(few.eigenvalues.size() == 8);
        for (Eigen::Index m = 0; m < 8; ++m)
            CHECK(std::abs(few.eigenvalues[m] - dense.eigenvalues[m / 2]) < 1e-11);
        const Eigen::MatrixXcd M = bloch_matrix(twice, kappa);
        CHECK((M * few.right - few.right * few.eigenvalues.asDiagonal()).norm() < 1e-9);
        CHECK((few.left.adjoint() * few.right - Eigen::MatrixXcd::Identity(8, 8)).norm() < 1e-10);
    }
}

TEST_CASE("Arnoldi iteration finds the slow modes of a dense solver", "[msm][spectrum]") {
    const Kernel k = random_nonreversible(120, 8);
    const SiteSpectrum dense = site_spectrum(k, Vec3::Zero(), {.n_slowest = 6});
    const SiteSpectrum few = site_spectrum(k, Vec3::Zero(), {.n_slowest = 6, .dense_limit = 60});
    REQUIRE(few.eigenvalues.size() == dense.eigenvalues.size());
    CHECK(few.eigenvalues.size() < 10);
    for (std::size_t g = 0; g < few.groups.size(); ++g)
        CHECK(std::abs(few.groups[g].eigenvalue - dense.groups[g].eigenvalue) < 1e-10);
    const Eigen::MatrixXcd M = bloch_matrix(k, Vec3::Zero());
    CHECK((M * few.right - few.right * few.eigenvalues.asDiagonal()).norm() < 1e-9);
    CHECK((few.left.adjoint() * M - few.eigenvalues.asDiagonal() * few.left.adjoint()).norm() < 1e-8);
    CHECK((few.left.adjoint() * few.right - Eigen::MatrixXcd::Identity(few.right.cols(), few.right.cols()))
              .norm() < 1e-9);
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
    CHECK(chapman_kolmogorov_error(other, k, 13, kappa) == // powers made of several squares
          Approx(norm(a - b * b * b * b * b * b * b * b * b * b * b * b * b) / norm(a)).epsilon(1e-10));
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
