#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "mesolith/meso/lattice.hpp"
#include "mesolith/msm/kernel.hpp"

namespace mesolith {

/// A kernel as one of several in a domain.
struct Material {
    std::string name;
    Kernel kernel;
    /// exp(-E / kT): how many ions a cell of it holds in equilibrium, relative to a cell of weight 1.
    double weight = 1;
};

/// A labelled part of a domain. Hops between cells of different regions cross an interface, also where both
/// are of one material (grains).
struct Region {
    std::string name;
    std::uint32_t material = 0; ///< index into Domain::materials
};

/// What happens to a hop that leaves the domain through a face.
enum class FaceKind {
    periodic,   ///< comes in through the opposite face
    reflecting, ///< does not happen: the ion stays
    absorbing,  ///< the ion is gone
    reservoir,  ///< the ion is gone, and others come in as from a crystal of fixed concentration
};

[[nodiscard]] const char* name(FaceKind kind); ///< "periodic", "reflecting", ...
/// Whether ions leave through it for good.
[[nodiscard]] constexpr bool is_open(FaceKind kind) {
    return kind == FaceKind::absorbing || kind == FaceKind::reservoir;
}

struct Face {
    FaceKind kind = FaceKind::periodic;
    /// Of a reservoir: ions per cell of weight 1. The site j outside holds concentration * weight * pi_j of
    /// the material at the face, so that no net current flows into a domain of the same concentration.
    double concentration = 0;
};

/// A block of n_1 x n_2 x n_3 cells, each of some region, with a condition on each of its six faces. All
/// materials share sites, cell and lag time.
struct Domain {
    IVec3 cells = IVec3::Ones();
    std::vector<Material> materials;
    std::vector<Region> regions;
    std::vector<std::uint16_t> region;          ///< of each cell, [z][y][x]; empty: all are regions[0]
    std::array<std::array<Face, 2>, 3> faces{}; ///< [axis][low, high]
    double interface_resistance = 0;            ///< between regions, see hop_rules.hpp [ps/A]

    const SiteBasis& basis() const { return materials.front().kernel.basis; }
    double lag_time() const { return materials.front().kernel.lag_time; } ///< [ps]
    std::size_t n_basis() const { return basis().size(); }
    std::int64_t n_cells() const { return std::int64_t{cells[0]} * cells[1] * cells[2]; }
    std::int64_t n_sites() const { return n_cells() * static_cast<std::int64_t>(n_basis()); }
    Vec3 edge_lengths() const { return basis().cell.length().cwiseProduct(cells.cast<double>()); } ///< [A]
    bool periodic(int axis) const {
        return faces[static_cast<std::size_t>(axis)][0].kind == FaceKind::periodic;
    }
    bool homogeneous() const { return region.empty(); } ///< one region
    bool has_face(FaceKind kind) const;
    bool open() const { return has_face(FaceKind::absorbing) || has_face(FaceKind::reservoir); }
    /// One material, all faces periodic: every cell is like every other.
    bool crystal() const { return homogeneous() && periodic(0) && periodic(1) && periodic(2); }

    std::size_t cell_index(const IVec3& c) const {
        return (static_cast<std::size_t>(c[2]) * static_cast<std::size_t>(cells[1]) +
                static_cast<std::size_t>(c[1])) *
                   static_cast<std::size_t>(cells[0]) +
               static_cast<std::size_t>(c[0]);
    }
    IVec3 cell_at(std::size_t index) const;
    std::uint16_t region_of(std::size_t cell) const {
        return region.empty() ? std::uint16_t{0} : region[cell];
    }
    const Material& material_of(std::size_t cell) const {
        return materials[regions[region_of(cell)].material];
    }
    /// Equilibrium occupation of a site relative to others: weight * pi_j.
    double weight_of(std::size_t cell, std::size_t site) const {
        const Material& m = material_of(cell);
        return m.weight * m.kernel.stationary[site];
    }
};

/// A periodic block of one kernel.
/// @throws DataError as check_domain
[[nodiscard]] Domain crystal_domain(const Kernel& kernel, const IVec3& cells);

/// @throws DataError naming what is wrong: no material or region, a label without region or of the wrong
/// number of cells, more than 65535 regions, kernels that are not valid or have other sites (by more than
/// 1e-3 A), another cell or another lag time than the first, weights that are not positive, one periodic face
/// opposite one that is not, a negative concentration or resistance, 2^48 sites or more, and kernels without
/// detailed balance where there are walls or several regions (their stationary distribution would not survive
/// there)
void check_domain(const Domain& domain);

/// M' = I + f (M - I): the same stationary distribution, D times f.
/// @throws DataError when f is negative or so large that a probability to stay would be
[[nodiscard]] Kernel scaled_kernel(const Kernel& kernel, double factor);

/// The kernel at a shorter lag h by its rates, M' = I + (M - I) h / tau: the same stationary distribution and
/// D (without drift), see generator_from_kernel.
[[nodiscard]] Kernel kernel_at_lag(const Kernel& kernel, double lag);

/// The longest lag at which `kernel_at_lag` still is a kernel [ps]: tau / (1 - smallest probability to stay).
[[nodiscard]] double longest_lag(const Kernel& kernel);

/// A voxel of a continuum as a kernel of one site: hops between voxels with exactly this D, any symmetric
/// positive semidefinite tensor, by Selling's decomposition D = sum_k l_k e_k e_k^T, l_k >= 0, over at most
/// six lattice vectors e_k of the obtuse superbase of the voxel (Selling, J. reine angew. Math. 77, 143
/// (1874)).
/// @param lag  [ps]; 0: such that the voxel is left with probability 1/2
/// @throws DataError when D is not symmetric, has a negative eigenvalue, or a hop would reach beyond 127
/// voxels
[[nodiscard]] Kernel continuum_kernel(const Mat3& diffusivity, const Cell& voxel, double lag = 0);

} // namespace mesolith
