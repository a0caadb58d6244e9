#pragma once
// The same quantities in fifty digits by dense solves: slow, and with nothing in common with the elimination.
#include <array>
#include <random>
#include <utility>
#include <vector>

#include <boost/multiprecision/cpp_dec_float.hpp>

#include "support/kernels.hpp"

namespace mesolith::test {

using Real = boost::multiprecision::cpp_dec_float_50;
using RealMatrix = std::vector<std::vector<Real>>; // [row][column]

/// X with A X = B, Gauss with row exchanges.
inline RealMatrix solve(RealMatrix A, RealMatrix B) {
    const std::size_t n = A.size(), m = B.empty() ? 0 : B[0].size();
    for (std::size_t k = 0; k < n; ++k) {
        std::size_t pivot = k;
        for (std::size_t r = k + 1; r < n; ++r)
            if (abs(A[r][k]) > abs(A[pivot][k])) pivot = r;
        std::swap(A[k], A[pivot]);
        std::swap(B[k], B[pivot]);
        for (std::size_t r = k + 1; r < n; ++r) {
            if (A[r][k] == 0) continue;
            const Real factor = A[r][k] / A[k][k];
            for (std::size_t c = k; c < n; ++c) A[r][c] -= factor * A[k][c];
            for (std::size_t c = 0; c < m; ++c) B[r][c] -= factor * B[k][c];
        }
    }
    for (std::size_t k = n; k-- > 0;)
        for (std::size_t c = 0; c < m; ++c) {
            for (std::size_t j = k + 1; j < n; ++j) B[k][c] -= A[k][j] * B[j][c];
            B[k][c] /= A[k][k];
        }
    return B;
}

inline RealMatrix real_zero(std::size_t rows, std::size_t columns) {
    return RealMatrix(rows, std::vector<Real>(columns, Real(0)));
}

/// A move with its exact displacement.
struct RealMove {
    std::size_t from = 0, to = 0;
    Real p, flow; // flow = pi_from p
    std::array<Real, 3> d;
};

/// Changes of (site, cell) of a kernel; the probability to stay is what is left of 1.
inline std::vector<RealMove> real_moves(const Kernel& k) {
    std::vector<RealMove> moves;
    for (std::size_t j = 0; j < k.n_sites(); ++j)
        for (const KernelEntry& e : k.from(j)) {
            const auto i = static_cast<std::size_t>(e.to);
            if (i == j && e.R.isZero()) continue;
            RealMove m{j, i, Real(e.p), Real(0), {}};
            for (std::size_t x = 0; x < 3; ++x) {
                const int c = static_cast<int>(x);
                m.d[x] = Real(k.basis.positions[i][c]) - Real(k.basis.positions[j][c]);
                for (int a = 0; a < 3; ++a) m.d[x] += Real(e.R[a]) * Real(k.basis.cell.vectors()(a, c));
            }
            moves.push_back(m);
        }
    return moves;
}

/// Stationary vector of an irreducible chain.
inline std::vector<Real> precise_stationary(const Kernel& k) {
    const std::size_t n = k.n_sites();
    RealMatrix A = real_zero(n, n), b = real_zero(n, 1);
    for (const RealMove& m : real_moves(k)) {
        A[m.to][m.from] += m.p;
        A[m.from][m.from] -= m.p;
    }
    A[0].assign(n, Real(1));
    b[0][0] = 1;
    std::vector<Real> pi;
    for (const auto& row : solve(A, b)) pi.push_back(row[0]);
    return pi;
}

/// D [A^2/ps] of an irreducible chain; with detailed balance from flows averaged over both directions, as the
/// kernel's rounding would otherwise be a drift.
inline std::array<std::array<Real, 3>, 3> precise_diffusivity(const Kernel& k) {
    const std::size_t n = k.n_sites();
    std::vector<RealMove> moves = real_moves(k);
    std::vector<Real> pi;
    if (k.reversible)
        for (const double p : k.stationary) pi.emplace_back(p);
    else
        pi = precise_stationary(k);
    std::array<Real, 3> v{};
    for (RealMove& m : moves) {
        m.flow = pi[m.from] * m.p;
        for (std::size_t x = 0; x < 3; ++x) v[x] += m.flow * m.d[x];
    }
    if (k.reversible) {
        const std::size_t n_moves = moves.size();
        for (std::size_t i = 0; i < n_moves; ++i) {
            moves[i].flow /= 2;
            RealMove back = moves[i];
            std::swap(back.from, back.to);
            for (Real& d : back.d) d = -d;
            moves.push_back(back);
        }
        v = {};
    }
    RealMatrix A = real_zero(n, n), b = real_zero(n, 3);
    for (std::size_t j = 0; j < n; ++j)
        for (std::size_t x = 0; x < 3; ++x) b[j][x] = -pi[j] * v[x];
    for (const RealMove& m : moves) {
        A[m.from][m.from] += m.flow;
        A[m.from][m.to] -= m.flow;
        for (std::size_t x = 0; x < 3; ++x) b[m.from][x] += m.flow * m.d[x];
    }
    A[0].assign(n, Real(0)); // chi of the first site is zero
    A[0][0] = 1;
    b[0].assign(3, Real(0));
    const RealMatrix chi = solve(A, b);
    std::array<std::array<Real, 3>, 3> D{};
    Real stays = 1;
    for (const RealMove& m : moves) {
        stays -= m.flow;
        std::array<Real, 3> u;
        for (std::size_t x = 0; x < 3; ++x) u[x] = m.d[x] + chi[m.to][x] - chi[m.from][x] - v[x];
        for (std::size_t x = 0; x < 3; ++x)
            for (std::size_t y = 0; y < 3; ++y) D[x][y] += m.flow * u[x] * u[y] / (2 * Real(k.lag_time));
    }
    for (std::size_t x = 0; x < 3; ++x)
        for (std::size_t y = 0; y < 3; ++y) D[x][y] += stays * v[x] * v[y] / (2 * Real(k.lag_time));
    return D;
}

inline double relative_error(double value, const Real& exact) {
    if (exact == 0) return value == 0 ? 0.0 : std::abs(value);
    return std::abs(static_cast<double>((Real(value) - exact) / exact));
}

struct StiffCrystal {
    std::size_t n_sites = 10;
    int directions = 3;  ///< along so many lattice vectors bonds lead to other cells
    double decades = 14; ///< range of the hop probabilities
    bool reversible = true;
    bool aligned = false; ///< orthogonal cell, slow directions across fast ones: D spans decades
    std::uint64_t seed = 1;
};

/// Hop probabilities from 0.3 down by so many decades, evenly in their logarithm; stationary probabilities
/// over two.
inline Kernel stiff_crystal(const StiffCrystal& o) {
    std::mt19937_64 random(o.seed);
    std::uniform_real_distribution<double> unit(0, 1);
    std::vector<double> pi;
    SiteBasis basis = random_basis(o.n_sites, random, pi);
    if (o.aligned) basis.cell = Cell(Mat3(Vec3(5, 6, 4.5).asDiagonal()));
    double sum = 0;
    for (double& p : pi) sum += p *= std::pow(10, -2 * unit(random));
    for (double& p : pi) p /= sum;
    Flows flows;
    const auto strength = [&](const IVec3& R) {
        if (!o.aligned) return std::pow(10, -o.decades * unit(random));
        const double level = R[2] != 0 ? 1 : R[1] != 0 ? 0.5 : 0; // z slowest
        return std::pow(10, -o.decades * (0.8 * level + 0.2 * unit(random)));
    };
    const auto shift = [&] {
        IVec3 R = random_cell(random);
        for (int c = o.directions; c < 3; ++c) R[c] = 0;
        return R;
    };
    const auto site = [&] { return static_cast<std::int32_t>(random() % o.n_sites); };
    const auto connect = [&](std::int32_t j, std::int32_t i, const IVec3& R) {
        const Transition move{j, i, R};
        if (move == move.reversed() || (j == i && R.isZero())) return;
        flows[move] = flows[move.reversed()] = strength(R);
    };
    const auto n = static_cast<std::int32_t>(o.n_sites);
    if (o.reversible) {
        for (std::int32_t j = 0; j + 1 < n; ++j) connect(j, j + 1, IVec3::Zero());
        for (int c = 0; c < o.directions; ++c) connect(n - 1, 0, IVec3::Unit(c));
        for (std::int32_t k = 0; k < 3 * n; ++k) {
            const std::int32_t j = site(), i = site();
            connect(j, i, shift());
        }
    } else {
        for (std::int32_t w = 0; w < 4 * n;
             ++w) { // closed walks keep what flows into a site equal to what leaves
            const std::size_t length = 2 + random() % 4;
            std::int32_t here = w % n;
            const std::int32_t start = here;
            std::vector<Transition> walk;
            IVec3 most = IVec3::Zero();
            for (std::size_t s = 0; s < length; ++s) {
                const std::int32_t next = s + 1 == length ? start : w < n ? (start + 1) % n : site();
                walk.push_back({here, next, shift()});
                most = most.cwiseMax(walk.back().R.cwiseAbs());
                here = next;
            }
            const double flow = strength(most);
            for (const Transition& t : walk)
                if (!(t.from == t.to && t.R.isZero())) flows[t] += flow;
        }
    }
    scale_flows(flows, pi, 0.7);
    Kernel kernel = kernel_from_flows(basis, pi, flows, 2);
    kernel.reversible = o.reversible;
    return kernel;
}

} // namespace mesolith::test
