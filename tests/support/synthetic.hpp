#pragma once
// Trajectories whose kernel is known: independent walkers on a tiled crystal.
#include <cmath>
#include <random>
#include <vector>

#include "mesolith/core/random.hpp"
#include "mesolith/msm/kernel.hpp"
#include "mesolith/sites/site_trajectory.hpp"

#include "support/kernels.hpp"

namespace mesolith::test {

/// n[0] x n[1] x n[2] cells of a basis; site i of cell c has index c * basis.size() + i.
inline SiteSet tile(const SiteBasis& basis, const IVec3& n) {
    SiteSet sites;
    sites.basis = basis;
    sites.supercell = n.asDiagonal().toDenseMatrix();
    sites.cell = Cell(n.cast<double>().asDiagonal() * basis.cell.vectors());
    for (int x = 0; x < n[0]; ++x)
        for (int y = 0; y < n[1]; ++y)
            for (int z = 0; z < n[2]; ++z)
                for (std::size_t i = 0; i < basis.size(); ++i) {
                    const IVec3 c(x, y, z);
                    Vec3 f = sites.cell.to_fractional(basis.positions[i] +
                                                      basis.cell.to_cartesian(c.cast<double>()));
                    const Vec3 shift = f.array().floor();
                    sites.fractional.push_back(f - shift);
                    sites.base.push_back(SiteId(static_cast<std::int64_t>(i)));
                    sites.offset.push_back(c - sites.supercell.transpose() * shift.cast<int>());
                }
    return sites;
}

/// 26 sites about 3 A apart, in a skewed cell: 26 places of a 3 x 3 x 3 grid (the 27th holds the framework),
/// hops between neighbours with flows over some decades, detailed balance, a stationary distribution that is
/// not uniform.
inline Vec3 grid_place(int i) { return Vec3((i / 9 + 0.1) / 3, (i / 3 % 3 + 0.1) / 3, (i % 3 + 0.1) / 3); }

inline Kernel grid_crystal(std::uint64_t seed, double lag_time = 2, double decades = 2) {
    std::mt19937_64 random(seed);
    std::uniform_real_distribution<double> unit(0, 1);
    SiteBasis basis;
    basis.cell = Cell((Mat3() << 9, 0, 0, 1.5, 9.5, 0, 0, -1, 10).finished());
    std::vector<double> pi;
    double sum = 0;
    for (int i = 0; i < 26; ++i) {
        basis.positions.push_back(basis.cell.to_cartesian(grid_place(i)));
        pi.push_back(0.3 + unit(random));
        sum += pi.back();
    }
    for (double& p : pi) p /= sum;
    Flows flows;
    for (int j = 0; j < 26; ++j)
        for (int axis = 0; axis < 3; ++axis) {
            IVec3 place(j / 9, j / 3 % 3, j % 3), R = IVec3::Zero();
            if (++place[axis] == 3) place[axis] = 0, R[axis] = 1;
            const int i = place[0] * 9 + place[1] * 3 + place[2];
            if (i == 26) continue;
            const Transition move{j, i, R};
            flows[move] = flows[move.reversed()] = std::pow(10.0, -decades * unit(random));
        }
    scale_flows(flows, pi, 0.6);
    Kernel kernel = kernel_from_flows(basis, pi, flows, lag_time);
    kernel.reversible = true;
    return kernel;
}

/// A place in the infinite crystal: basis site and folded cell.
struct Place {
    std::int32_t site = 0;
    IVec3 cell = IVec3::Zero();
};

/// Draw an index with probability proportional to weights.
template <class Weights>
std::size_t draw(const Weights& weights, double u) {
    double sum = 0, total = 0;
    for (const double w : weights) total += w;
    std::size_t last = 0;
    for (std::size_t k = 0; k < weights.size(); ++k) {
        if (weights[k] <= 0) continue;
        last = k;
        if ((sum += weights[k]) > u * total) return k;
    }
    return last;
}

/// places[frame][ion] of independent walkers that step once a frame, started from the stationary
/// distribution.
inline std::vector<std::vector<Place>> walk(const Kernel& kernel, std::size_t n_ions, std::size_t n_frames,
                                            std::uint64_t seed) {
    std::vector<std::vector<double>> weights(kernel.n_sites());
    for (std::size_t j = 0; j < kernel.n_sites(); ++j)
        for (const KernelEntry& e : kernel.from(j)) weights[j].push_back(e.p);
    std::vector<std::vector<Place>> places(n_frames, std::vector<Place>(n_ions));
    for (std::size_t k = 0; k < n_ions; ++k) {
        Place here;
        for (std::size_t t = 0; t < n_frames; ++t) {
            Stream random(seed, RngUse::synthetic_jump, k, t);
            const double u = uniform01(random);
            if (t == 0) {
                here.site = static_cast<std::int32_t>(draw(kernel.stationary, u));
            } else {
                const auto j = static_cast<std::size_t>(here.site);
                const KernelEntry& e = kernel.from(j)[draw(weights[j], u)];
                here.site = e.to;
                here.cell += e.R;
            }
            places[t][k] = here;
        }
    }
    return places;
}

/// The same as events on a tiled crystal.
inline SiteTrajectory as_events(const std::vector<std::vector<Place>>& places, const SiteSet& sites,
                                double frame_interval) {
    SiteTrajectory trajectory;
    trajectory.n_frames = static_cast<std::int64_t>(places.size());
    trajectory.frame_interval = frame_interval;
    const IVec3 n = sites.supercell.diagonal();
    const std::size_t n_ions = places.front().size();
    for (std::size_t k = 0; k < n_ions; ++k) {
        for (std::size_t t = 0; t < places.size(); ++t) {
            const Place& p = places[t][k];
            IVec3 image, inside;
            for (int a = 0; a < 3; ++a) {
                image[a] = static_cast<int>(std::floor(static_cast<double>(p.cell[a]) / n[a]));
                inside[a] = p.cell[a] - image[a] * n[a];
            }
            const std::size_t index =
                static_cast<std::size_t>((inside[0] * n[1] + inside[1]) * n[2] + inside[2]) *
                    sites.basis.size() +
                static_cast<std::size_t>(p.site);
            // tile() wraps sites into the cell: the image counts from the wrapped one.
            const IVec3 wrapped = inside - sites.offset[index];
            SiteEvent e{static_cast<std::int32_t>(t), SiteId(static_cast<std::int64_t>(index)), image};
            for (int a = 0; a < 3; ++a) e.cell[a] += wrapped[a] / n[a];
            if (trajectory.events.size() == trajectory.offsets.back() ||
                !(trajectory.events.back().site == e.site) || trajectory.events.back().cell != e.cell)
                trajectory.events.push_back(e);
        }
        trajectory.offsets.push_back(trajectory.events.size());
    }
    return trajectory;
}

inline Vec3 position(const Place& p, const SiteBasis& basis) {
    return basis.positions[static_cast<std::size_t>(p.site)] + basis.cell.to_cartesian(p.cell.cast<double>());
}

} // namespace mesolith::test
