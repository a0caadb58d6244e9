#pragma once
// Kernels with known answers, built by hand. Each sets its stationary distribution exactly: it is chosen
// first, and probabilities are made from flows that keep it.
#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "mesolith/msm/kernel.hpp"
#include "mesolith/msm/transition_counts.hpp"

namespace mesolith::test {

using Flows = std::map<Transition, double>; ///< pi_j M_ij(R) for each change of (site, cell)

/// Kernel with given stationary distribution and flows; what does not flow stays.
/// Flows must balance (as much into each site as out of it) for `pi` to be stationary: the caller's duty.
inline Kernel kernel_from_flows(SiteBasis basis, std::vector<double> pi, const Flows& flows,
                                double lag_time) {
    Kernel kernel;
    const std::size_t n = basis.size();
    basis.orbit.assign(n, 0);
    basis.name.clear();
    for (std::size_t i = 0; i < n; ++i) basis.name.push_back("Li1." + std::to_string(i + 1));
    kernel.basis = std::move(basis);
    kernel.lag_time = lag_time;
    for (std::size_t j = 0; j < n; ++j) {
        const Transition stays{static_cast<std::int32_t>(j), static_cast<std::int32_t>(j), IVec3::Zero()};
        std::map<Transition, double> column;
        double leaving = 0;
        for (const auto& [move, flow] : flows)
            if (move.from == stays.from && !(move == stays) && flow > 0)
                leaving += column[move] = flow / pi[j];
        if (leaving < 1) column[stays] = 1 - leaving;
        for (const auto& [move, p] : column) kernel.entries.push_back({move.to, move.R, p});
        kernel.column.push_back(kernel.entries.size());
    }
    kernel.stationary = std::move(pi);
    return kernel;
}

/// One site, 6 neighbours at distance a, stays with probability `stay`: D = (1 - stay) a^2 / (6 tau).
inline Kernel simple_cubic(double a = 3, double stay = 0.4, double lag_time = 1) {
    Flows flows;
    for (int axis = 0; axis < 3; ++axis)
        for (int sign : {-1, 1}) flows[{0, 0, sign * IVec3::Unit(axis)}] = (1 - stay) / 6;
    SiteBasis basis;
    basis.cell = Cell(a * Mat3::Identity());
    basis.positions = {Vec3::Zero()};
    Kernel kernel = kernel_from_flows(basis, {1.0}, flows, lag_time);
    kernel.reversible = true;
    return kernel;
}

/// One site of the primitive cell, 12 neighbours; a is the cubic edge: D = (1 - stay) a^2 / (12 tau),
/// MSD_xx(n) = n (1 - stay) a^2 / 6.
inline Kernel fcc(double a = 4, double stay = 0.4, double lag_time = 1) {
    Flows flows;
    for (int i = 0; i < 3; ++i) {
        const IVec3 e = IVec3::Unit(i), between = IVec3::Unit(i) - IVec3::Unit((i + 1) % 3);
        for (const IVec3& R : {e, between}) flows[{0, 0, R}] = flows[{0, 0, -R}] = (1 - stay) / 12;
    }
    SiteBasis basis;
    basis.cell = Cell((Mat3() << 0, a / 2, a / 2, a / 2, 0, a / 2, a / 2, a / 2, 0).finished());
    basis.positions = {Vec3::Zero()};
    Kernel kernel = kernel_from_flows(basis, {1.0}, flows, lag_time);
    kernel.reversible = true;
    return kernel;
}

/// Two sites along x, bonds of length l1 (within the cell) and l2 (to the next), hop probabilities p1 and p2
/// both ways: D_xx = (l1 + l2)^2 p1 p2 / (2 (p1 + p2) tau); D_yy = D_zz = 0.
inline Kernel alternating_chain(double p1 = 0.3, double p2 = 0.05, double l1 = 2, double l2 = 3,
                                double lag_time = 1) {
    const IVec3 x = IVec3::UnitX(), zero = IVec3::Zero();
    const Flows flows{
        {{0, 1, zero}, p1 / 2}, {{1, 0, zero}, p1 / 2}, {{1, 0, x}, p2 / 2}, {{0, 1, -x}, p2 / 2}};
    SiteBasis basis;
    basis.cell = Cell(Vec3(l1 + l2, 5, 6).asDiagonal().toDenseMatrix());
    basis.positions = {Vec3::Zero(), Vec3(l1, 0, 0)};
    Kernel kernel = kernel_from_flows(basis, {0.5, 0.5}, flows, lag_time);
    kernel.reversible = true;
    return kernel;
}

/// A skewed cell of random sites and a random, non-uniform stationary distribution.
inline SiteBasis random_basis(std::size_t n_sites, std::mt19937_64& random, std::vector<double>& pi) {
    std::uniform_real_distribution<double> unit(0, 1);
    SiteBasis basis;
    basis.cell = Cell((Mat3() << 5, 0.7, -0.4, 1.9, 6, 0.3, -1.1, 2.2, 4.5).finished());
    pi.clear();
    double sum = 0;
    for (std::size_t i = 0; i < n_sites; ++i) {
        basis.positions.push_back(basis.cell.to_cartesian(Vec3(unit(random), unit(random), unit(random))));
        pi.push_back(0.2 + unit(random));
        sum += pi.back();
    }
    for (double& p : pi) p /= sum;
    return basis;
}

/// Scale flows so that the busiest site leaves with probability `leave`.
inline void scale_flows(Flows& flows, const std::vector<double>& pi, double leave) {
    std::vector<double> leaving(pi.size());
    for (const auto& [move, flow] : flows) leaving[static_cast<std::size_t>(move.from)] += flow;
    double most = 0;
    for (std::size_t j = 0; j < pi.size(); ++j) most = std::max(most, leaving[j] / pi[j]);
    for (auto& [move, flow] : flows) flow *= leave / most;
}

inline IVec3 random_cell(std::mt19937_64& random) {
    const auto one = [&] { return static_cast<int>(random() % 3) - 1; };
    const int x = one(), y = one(), z = one(); // in this order on every compiler
    return {x, y, z};
}

/// Detailed balance, R within +-1, hop probabilities over two decades, about `hops_per_site` hops from each
/// site, connected in all directions.
inline Kernel random_reversible(std::size_t n_sites, std::uint64_t seed, std::size_t hops_per_site = 14,
                                double lag_time = 2) {
    std::mt19937_64 random(seed);
    std::vector<double> pi;
    const SiteBasis basis = random_basis(n_sites, random, pi);
    std::uniform_real_distribution<double> exponent(-2, 0);
    Flows flows;
    const auto connect = [&](std::size_t j, std::size_t i, const IVec3& R) {
        const Transition move{static_cast<std::int32_t>(j), static_cast<std::int32_t>(i), R};
        if (move == move.reversed()) return;
        flows[move] = flows[move.reversed()] = std::pow(10.0, exponent(random));
    };
    for (std::size_t j = 0; j < n_sites; ++j) {
        connect(j, (j + 1) % n_sites, IVec3::Zero());
        for (int axis = 0; axis < 3; ++axis) connect(j, (j + 2) % n_sites, IVec3::Unit(axis));
    }
    for (std::size_t tries = 0;
         flows.size() < n_sites * hops_per_site && tries < 100 * n_sites * hops_per_site; ++tries) {
        const std::size_t j = random() % n_sites, i = random() % n_sites;
        connect(j, i, random_cell(random));
    }
    scale_flows(flows, pi, 0.7);
    Kernel kernel = kernel_from_flows(basis, pi, flows, lag_time);
    kernel.reversible = true;
    return kernel;
}

/// Flows around random closed walks of sites, each walk shifted by a random cell vector on the way: no
/// detailed balance, drift, R within +-1.
inline Kernel random_nonreversible(std::size_t n_sites, std::uint64_t seed, double lag_time = 2) {
    std::mt19937_64 random(seed);
    std::vector<double> pi;
    const SiteBasis basis = random_basis(n_sites, random, pi);
    std::uniform_real_distribution<double> exponent(-2, 0);
    Flows flows;
    const std::size_t walks = 3 * n_sites;
    for (std::size_t w = 0; w < walks; ++w) {
        const double flow = std::pow(10.0, exponent(random));
        const std::size_t start = w % n_sites, length = 2 + random() % 4;
        std::size_t at = start;
        for (std::size_t s = 0; s < length; ++s) {
            const std::size_t next = s + 1 == length ? start : random() % n_sites;
            const Transition move{static_cast<std::int32_t>(at), static_cast<std::int32_t>(next),
                                  random_cell(random)};
            if (!(move.from == move.to && move.R.isZero())) flows[move] += flow;
            at = next;
        }
    }
    scale_flows(flows, pi, 0.7);
    return kernel_from_flows(basis, pi, flows, lag_time);
}

} // namespace mesolith::test
