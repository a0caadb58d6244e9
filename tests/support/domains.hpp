#pragma once
// Small domains with everything in them, and their transition matrix written from the definition in
// meso/hop_rules.hpp.
#include <cstdint>
#include <random>

#include <Eigen/Core>

#include "mesolith/meso/domain.hpp"

#include "support/kernels.hpp"

namespace mesolith::test {

inline Face reservoir(double concentration) { return {FaceKind::reservoir, concentration}; }

/// Detailed balance, hops of up to two cells.
inline Kernel far_hopping(std::uint64_t seed, double scale) {
    std::mt19937_64 random(11); // the same sites and weights for every seed
    std::vector<double> pi;
    const SiteBasis basis = random_basis(3, random, pi);
    random.seed(seed);
    std::uniform_real_distribution<double> unit(0, 1);
    Flows flows;
    for (int n = 0; n < 14; ++n) {
        const auto j = static_cast<std::int32_t>(random() % 3), i = static_cast<std::int32_t>(random() % 3);
        const auto one = [&] { return static_cast<int>(random() % 5) - 2; };
        const int x = one(), y = one(), z = one();
        const Transition move{j, i, IVec3(x, y, z)};
        if (move == move.reversed()) continue;
        flows[move] = flows[move.reversed()] = unit(random);
    }
    scale_flows(flows, pi, scale);
    Kernel kernel = kernel_from_flows(basis, pi, flows, 2);
    kernel.reversible = true;
    return kernel;
}

inline Domain patchwork(const IVec3& cells, bool with_walls) {
    Domain domain;
    domain.cells = cells;
    domain.materials = {
        {"a", far_hopping(1, 0.7), 1}, {"b", far_hopping(2, 0.2), 0.3}, {"c", far_hopping(1, 0.4), 2}};
    domain.regions = {{"a", 0}, {"b", 1}, {"c", 2}, {"a again", 0}};
    domain.interface_resistance = 0.6;
    std::mt19937_64 random(5);
    for (std::int64_t c = 0; c < domain.n_cells(); ++c) domain.region.push_back(random() % 4);
    if (with_walls) {
        domain.faces[0] = {Face{FaceKind::reservoir, 0.7}, Face{FaceKind::absorbing, 0}};
        domain.faces[2] = {Face{FaceKind::reflecting, 0}, Face{FaceKind::reservoir, 2}};
    }
    return domain;
}

/// The transition matrix hop by hop from its definition, and what comes in.
struct Dense {
    Eigen::MatrixXd P;
    Eigen::VectorXd inflow, weight;
    Eigen::MatrixXd leave, enter; ///< through face 2 axis + side: probability of each site, ions per step
};

inline Dense dense(const Domain& d) {
    const std::size_t n_basis = d.n_basis();
    const auto n = static_cast<Eigen::Index>(d.n_sites());
    Dense m{Eigen::MatrixXd::Zero(n, n), Eigen::VectorXd::Zero(n), Eigen::VectorXd::Zero(n),
            Eigen::MatrixXd::Zero(6, n), Eigen::MatrixXd::Zero(6, n)};
    const auto number = [&](std::size_t cell, std::size_t site) {
        return static_cast<Eigen::Index>(cell * n_basis + site);
    };
    const auto conductance = [&](const Material& mat, std::size_t j, std::int32_t to, const IVec3& R) {
        for (const KernelEntry& e : mat.kernel.from(j))
            if (e.to == to && e.R == R) return mat.weight * mat.kernel.stationary[j] * e.p;
        return 0.0;
    };
    const Vec3 width = d.basis().cell.perpendicular_width();
    const auto resisted = [&](const Material& a, const Material& b, const IVec3& R) {
        double share = 1;
        for (int axis = 0; axis < 3; ++axis) {
            if (R[axis] == 0) continue;
            double sum = 0;
            for (std::size_t j = 0; j < n_basis; ++j)
                for (const KernelEntry& e : a.kernel.from(j))
                    if (e.R[axis] > 0)
                        sum +=
                            e.R[axis] * std::min(conductance(a, j, e.to, e.R), conductance(b, j, e.to, e.R));
            share = std::min(share, 1 / (1 + d.interface_resistance * width[axis] * sum / d.lag_time()));
        }
        return share;
    };
    for (std::size_t cell = 0; cell < static_cast<std::size_t>(d.n_cells()); ++cell) {
        const Material& here = d.material_of(cell);
        for (std::size_t j = 0; j < n_basis; ++j) {
            const double w = here.weight * here.kernel.stationary[j];
            m.weight[number(cell, j)] = w;
            double stay = 1;
            for (const KernelEntry& e : here.kernel.from(j)) {
                if (e.to == static_cast<std::int32_t>(j) && e.R.isZero()) continue;
                IVec3 to = d.cell_at(cell) + e.R;
                const Face* through = nullptr;
                Eigen::Index number_of_face = 0;
                bool reflected = false;
                for (int axis = 0; axis < 3; ++axis) {
                    const int size = d.cells[axis];
                    if (to[axis] >= 0 && to[axis] < size) continue;
                    const Face& face = d.faces[static_cast<std::size_t>(axis)][to[axis] < 0 ? 0 : 1];
                    if (face.kind == FaceKind::periodic) {
                        to[axis] = (to[axis] + 10 * size) % size;
                        continue;
                    }
                    reflected = reflected || face.kind == FaceKind::reflecting;
                    if (!through) {
                        through = &face;
                        number_of_face = 2 * axis + (to[axis] < 0 ? 0 : 1);
                    }
                }
                if (reflected) continue;
                if (through) {
                    stay -= e.p;
                    m.leave(number_of_face, number(cell, j)) += e.p;
                    if (through->kind == FaceKind::reservoir) {
                        m.inflow[number(cell, j)] += through->concentration * w * e.p;
                        m.enter(number_of_face, number(cell, j)) += through->concentration * w * e.p;
                    }
                    continue;
                }
                const std::size_t there = d.cell_index(to);
                double g = w * e.p;
                if (d.region_of(cell) != d.region_of(there)) {
                    const Material& other = d.material_of(there);
                    g = std::min(g, conductance(other, j, e.to, e.R)) * resisted(here, other, e.R);
                }
                m.P(number(there, static_cast<std::size_t>(e.to)), number(cell, j)) += g / w;
                stay -= g / w;
            }
            m.P(number(cell, j), number(cell, j)) += stay;
        }
    }
    return m;
}

} // namespace mesolith::test
