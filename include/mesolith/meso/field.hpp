#pragma once
#include <array>
#include <complex>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "mesolith/meso/hop_rules.hpp"

namespace mesolith {

/// Where the values of a field stand: [z][y][site][x]. All x of one site of one (y, z) are a row in memory. A
/// row carries a margin on either side, as wide as the farthest hop along a_1 (periodic where the domain is),
/// so that a step reads straight runs of memory; its length is an odd number of cache lines, so that rows do
/// not compete for the same places of a cache.
struct FieldLayout {
    IVec3 cells = IVec3::Ones();
    std::size_t n_basis = 0;
    std::size_t margin = 0;   ///< cells on either side
    std::size_t computed = 0; ///< x range of a step: cells[0] rounded up to whole cache lines
    std::size_t stride = 0;   ///< between rows

    FieldLayout() = default;
    /// @param per_line  values in a cache line
    /// @param in_runs   steps write runs that may start anywhere, in whole cache lines
    FieldLayout(const IVec3& cells, std::size_t n_basis, std::size_t margin, std::size_t per_line,
                bool in_runs);

    std::size_t n_planes() const {
        return static_cast<std::size_t>(cells[1]) * static_cast<std::size_t>(cells[2]);
    }
    /// Rows of plane (y, z) follow each other from here; the value of x = 0 of its site 0.
    std::size_t plane(std::size_t y, std::size_t z) const {
        return margin + (z * static_cast<std::size_t>(cells[1]) + y) * n_basis * stride;
    }
    std::size_t row(std::size_t y, std::size_t z, std::size_t site) const {
        return plane(y, z) + site * stride;
    }
    std::size_t index(const IVec3& cell, std::size_t site) const {
        return row(static_cast<std::size_t>(cell[1]), static_cast<std::size_t>(cell[2]), site) +
               static_cast<std::size_t>(cell[0]);
    }
    std::size_t size() const { return n_planes() * n_basis * stride + margin; } ///< values
};

/// Ions that crossed the faces, [axis][low, high].
struct FieldExchange {
    std::array<std::array<double, 2>, 3> in{}; ///< from reservoirs
    std::array<std::array<double, 2>, 3> out{};

    double total_in() const;
    double total_out() const;
    FieldExchange& operator+=(const FieldExchange& other);
};

template <class T>
struct FieldModel;

/// Ions (or probabilities, or any densities) on every site of a domain; T is double or float, sums are taken
/// in double. A hop that reaches beyond a periodic face wraps around the domain, as often as needed. Memory:
/// two arrays, in double 17-28 B per site together from 32 cells along a_1 on, in float 9-16 B from 64 on.
template <class T = double>
class Field {
public:
    /// All zero. `rules` are those of the domain (make_hop_rules); the field keeps what it needs of both.
    /// @throws DataError when the values take more than the memory of the machine
    Field(const Domain& domain, const HopRules& rules);
    explicit Field(const Domain& domain);

    const Domain& domain() const;
    const FieldLayout& layout() const { return layout_; }
    std::size_t n_basis() const { return layout_.n_basis; }
    /// Values at layout().index(cell, site).
    const T* data() const { return now_.data()->values; }

    /// @throws DataError when there is no such cell or site
    T at(const IVec3& cell, std::size_t site) const;
    void set(const IVec3& cell, std::size_t site, T value);

    /// All x of a site of (y, z). No checks.
    std::span<const T> row(std::size_t y, std::size_t z, std::size_t site) const {
        return {data() + layout_.row(y, z, site), static_cast<std::size_t>(layout_.cells[0])};
    }
    /// @throws DataError when there is no such row or it has another length
    void set_row(std::size_t y, std::size_t z, std::size_t site, std::span<const T> values);

    std::size_t bytes() const { return (now_.size() + next_.size()) * sizeof(CacheLine); }

private:
    template <class U>
    friend FieldExchange advance(Field<U>& field, std::uint64_t n_steps);
    friend struct FieldAccess;
    struct alignas(64) CacheLine {
        T values[64 / sizeof(T)] = {};
    };
    Field(std::shared_ptr<const FieldModel<T>> model, double bytes);
    std::size_t checked_index(const IVec3& cell, std::size_t site) const;

    std::shared_ptr<const FieldModel<T>> model_;
    FieldLayout layout_;
    std::vector<CacheLine> now_, next_;
};

/// What a field takes [B], before it is made; without the hop rules. Domains that are no crystals are counted
/// with 4 B per cell for the runs of like cells.
template <class T = double>
[[nodiscard]] double field_bytes(const Domain& domain);

/// x <- M x + inflow, n times: x'_i(c) = sum_{j, R} M_ij x_j(c + R) over the rows of the hop rules,
/// matrix-free. The same bits with any number of threads, any vector units and however a run is cut into
/// calls. In double, the sum over all sites changes by what is returned, in - out, to 1e-13 of the sum per
/// step; in float each column sums to 1 as in double by a term of its own, and what is left is the rounding
/// of values.
/// Cost: one multiply-add per site and entry of its row, see bench/field.cpp.
template <class T>
FieldExchange advance(Field<T>& field, std::uint64_t n_steps);

/// How a field starts; x_j(cell) is proportional to the weights of the sites everywhere (Domain::weight_of).
struct EquilibriumStart { ///< x = filling w: ions per cell of weight 1
    double filling = 1;
};
struct SiteStart { ///< one ion on one site
    IVec3 cell = IVec3::Zero();
    std::size_t site = 0;
};
struct PulseStart { ///< x = w exp(-|r - centre|^2 / 2 width^2), around periodic faces too
    Vec3 centre = Vec3::Zero();
    double width = 1; ///< [A]
};
struct RegionStart { ///< x = filling w in these regions, 0 elsewhere
    std::vector<std::uint16_t> regions;
    double filling = 1;
};
struct ProfileStart { ///< x = filling w, one filling per layer of cells along an axis
    int axis = 0;
    std::vector<double> filling;
};
using FieldStart = std::variant<EquilibriumStart, SiteStart, PulseStart, RegionStart, ProfileStart>;

/// @param ions  scale to this sum over all sites; 0: leave it as the start says
/// @throws DataError when a place, region, length or width does not fit the domain, a filling is negative or
/// nothing is left to be scaled
template <class T>
void fill(Field<T>& field, const FieldStart& start, double ions = 0);

/// All measures give the same bits with any number of threads.
/// Sum over all sites.
template <class T>
[[nodiscard]] double total(const Field<T>& field);

/// Sum over the sites of each region.
template <class T>
[[nodiscard]] std::vector<double> region_totals(const Field<T>& field);

/// Ions per layer of cells along an axis.
/// @throws DataError when axis is not 0, 1 or 2
template <class T>
[[nodiscard]] std::vector<double> profile(const Field<T>& field, int axis);

/// Mean ions per cell of blocks of cells; blocks at the high ends hold the cells that are left.
struct CoarseField {
    IVec3 block = IVec3::Ones();  ///< cells in a voxel
    IVec3 voxels = IVec3::Ones(); ///< cells / block, rounded up
    std::vector<double> mean;     ///< [z][y][x]
};
/// @throws DataError when a block has no cells
template <class T>
[[nodiscard]] CoarseField coarse_grained(const Field<T>& field, const IVec3& block);

/// rho(kappa) = sum_{c, i} x_i(c) exp(-i k.r) with r = c.A + b_i and k = 2 pi A^-1 kappa, so that k.a_m = 2
/// pi kappa_m. Respects the periodicity of the domain only where kappa_m is a multiple of 1 / cells_m.
template <class T>
[[nodiscard]] std::complex<double> fourier_mode(const Field<T>& field, const Vec3& kappa);

/// Moments of a field about the origin of cell 0. Along periodic axes cells beyond half the domain count as
/// negative.
struct FieldMoments {
    double mass = 0;            ///< sum x
    Vec3 first = Vec3::Zero();  ///< sum x r [A]
    Mat3 second = Mat3::Zero(); ///< sum x r r^T [A^2]
    double edge = 0; ///< sum |x| of the cells from which one hop can reach across a far periodic side
};
template <class T>
[[nodiscard]] FieldMoments field_moments(const Field<T>& field);

} // namespace mesolith
