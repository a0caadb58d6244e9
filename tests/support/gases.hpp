#pragma once
// Lattices of equal hops, and single files.
#include <cmath>
#include <string>
#include <vector>

#include "mesolith/meso/lattice_gas.hpp"

#include "support/kernels.hpp"

namespace mesolith::test {

struct Bond {
    std::int32_t from = 0, to = 0;
    IVec3 R = IVec3::Zero();
    double rate = 1; ///< both ways [1/ps]
};

/// Sites of equal weight, hops both ways along bonds, in continuous time.
inline Kernel lattice(const Mat3& cell, const std::vector<Vec3>& fractional, const std::vector<Bond>& bonds) {
    SiteBasis basis;
    basis.cell = Cell(cell);
    for (const Vec3& f : fractional) basis.positions.push_back(basis.cell.to_cartesian(f));
    const std::size_t n = fractional.size();
    std::vector<double> exit(n);
    for (const Bond& b : bonds)
        exit[static_cast<std::size_t>(b.from)] += b.rate, exit[static_cast<std::size_t>(b.to)] += b.rate;
    const double lag = 0.5 / *std::max_element(exit.begin(), exit.end());
    Flows flows;
    for (const Bond& b : bonds) {
        flows[{b.from, b.to, b.R}] += b.rate * lag / static_cast<double>(n);
        flows[{b.to, b.from, -b.R}] += b.rate * lag / static_cast<double>(n);
    }
    Kernel kernel =
        kernel_from_flows(basis, std::vector<double>(n, 1.0 / static_cast<double>(n)), flows, lag);
    kernel.reversible = true;
    return kernel;
}

/// Cubic edge a = 1 A, rate 1/ps per hop.
inline Kernel sc_lattice(double x = 1, double y = 1, double z = 1) {
    std::vector<Bond> bonds;
    for (const auto& [R, rate] : {std::pair{IVec3(1, 0, 0), x}, {IVec3(0, 1, 0), y}, {IVec3(0, 0, 1), z}})
        if (rate > 0) bonds.push_back({0, 0, R, rate});
    return lattice(Mat3::Identity(), {Vec3::Zero()}, bonds);
}
inline Kernel square_lattice() { return sc_lattice(1, 1, 0); }
inline Kernel chain_lattice() { return sc_lattice(1, 0, 0); }
/// In the primitive cell.
inline Kernel bcc_lattice() {
    const Mat3 cell = (Mat3() << -0.5, 0.5, 0.5, 0.5, -0.5, 0.5, 0.5, 0.5, -0.5).finished();
    return lattice(cell, {Vec3::Zero()},
                   {{0, 0, {1, 0, 0}}, {0, 0, {0, 1, 0}}, {0, 0, {0, 0, 1}}, {0, 0, {1, 1, 1}}});
}
inline Kernel fcc_lattice() {
    const Mat3 cell = (Mat3() << 0, 0.5, 0.5, 0.5, 0, 0.5, 0.5, 0.5, 0).finished();
    return lattice(cell, {Vec3::Zero()},
                   {{0, 0, {1, 0, 0}},
                    {0, 0, {0, 1, 0}},
                    {0, 0, {0, 0, 1}},
                    {0, 0, {1, -1, 0}},
                    {0, 0, {0, 1, -1}},
                    {0, 0, {-1, 0, 1}}});
}
inline Kernel diamond_lattice() {
    const Mat3 cell = (Mat3() << 0, 0.5, 0.5, 0.5, 0, 0.5, 0.5, 0.5, 0).finished();
    return lattice(cell, {Vec3::Zero(), Vec3(0.25, 0.25, 0.25)},
                   {{1, 0, {0, 0, 0}}, {1, 0, {1, 0, 0}}, {1, 0, {0, 1, 0}}, {1, 0, {0, 0, 1}}});
}
/// Bonds of length 1 in the plane of a_1 and a_2.
inline Kernel honeycomb_lattice() {
    const double s = std::sqrt(3.0);
    const Mat3 cell = (Mat3() << s, 0, 0, s / 2, 1.5, 0, 0, 0, 1).finished();
    return lattice(cell, {Vec3::Zero(), Vec3(1.0 / 3, 1.0 / 3, 0)},
                   {{0, 1, {0, 0, 0}}, {0, 1, {-1, 0, 0}}, {0, 1, {0, -1, 0}}});
}

inline GasState filled(const LatticeGas& gas, std::int64_t n, std::uint64_t seed, std::uint64_t replica = 0) {
    const std::int64_t numbers[] = {n};
    return fill(gas, numbers, seed, replica);
}

/// Mean and its error.
struct Mean {
    double sum = 0, squares = 0, n = 0;
    void add(double value) { sum += value, squares += value * value, ++n; }
    double mean() const { return sum / n; }
    double error() const { return std::sqrt((squares / n - mean() * mean()) / (n - 1)); }
    double z(double exact) const { return std::abs(mean() - exact) / error(); }
};

} // namespace mesolith::test
