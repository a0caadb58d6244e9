#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "mesolith/crystal/cell.hpp"

namespace mesolith {

/// The integer vectors that sums of given ones make, as rows in echelon form.
class VectorLattice {
public:
    bool insert(const IVec3& v); ///< true when the rank grew
    bool contains(const IVec3& v) const;
    int rank() const { return (used_[0] ? 1 : 0) + (used_[1] ? 1 : 0) + (used_[2] ? 1 : 0); }
    std::vector<IVec3> basis() const; ///< rank() rows

private:
    using Row = std::array<std::int64_t, 3>;
    std::array<Row, 3> row_{}; // row_[c] starts at component c, there > 0
    std::array<bool, 3> used_{};
};

/// An edge between sites with the cells it crosses and how strong it is.
struct CellEdge {
    std::int32_t from = 0, to = 0;
    IVec3 R = IVec3::Zero();
    double strength = 0;
};

/// Sites joined in the order of falling strength (Kruskal), with the cell of each site relative to the first
/// of its component.
class SiteForest {
public:
    explicit SiteForest(std::size_t n_sites);

    enum class Joined { no, sites, loop }; ///< nothing new, two components, or a new independent loop
    Joined join(const CellEdge& edge);

    std::int32_t root(std::int32_t site); ///< representative of its component
    IVec3 cell(std::int32_t site);        ///< s: r = R + s_to - s_from vanishes on edges that joined
    const VectorLattice& loops(std::int32_t site) { return loops_[static_cast<std::size_t>(root(site))]; }

private:
    std::vector<std::int32_t> parent_;
    std::vector<IVec3> offset_; // to the parent
    std::vector<VectorLattice> loops_;
    IVec3 loop_of(const CellEdge& edge);
    void find(std::int32_t site);
};

/// Edges by falling strength, ties in a fixed order.
std::vector<CellEdge> by_strength(std::vector<CellEdge> edges);

/// Cells of the sites and a basis of the lattice in which displacements of strong edges are small integers or
/// zero: r = R + shift_to - shift_from vanishes on a spanning tree of the strongest edges, and its components
/// c = r V vanish in the second and third direction on all edges stronger than the weakest one that is needed
/// to percolate in that direction. Slow directions then hold no rounding of fast ones.
struct LatticeGauge {
    std::vector<IVec3> shift;          ///< per site
    IMat3 basis = IMat3::Identity();   ///< U, |det| = 1, rows: e_1 fastest; r = c U
    IMat3 inverse = IMat3::Identity(); ///< V = U^-1

    Vec3 components(const CellEdge& e) const {
        const IVec3 r = e.R + shift[static_cast<std::size_t>(e.to)] - shift[static_cast<std::size_t>(e.from)];
        return (inverse.transpose() * r).cast<double>();
    }
};
LatticeGauge lattice_gauge(std::size_t n_sites, std::vector<CellEdge> edges, const Mat3& cell);

} // namespace mesolith
