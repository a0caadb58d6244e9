#pragma once
#include <complex>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "mesolith/meso/lattice.hpp"

namespace mesolith {

/// Where the values of a field stand: [z][y][site][x]. All x of one site of one (y, z) are a row in memory. A
/// row carries a periodic margin on either side, as wide as the farthest hop along a_1, so that a step reads
/// straight runs of memory; its length is an odd number of cache lines, so that rows do not compete for the
/// same places of a cache.
struct FieldLayout {
    IVec3 cells = IVec3::Ones();
    std::size_t n_basis = 0;
    std::size_t margin = 0;   ///< cells on either side
    std::size_t computed = 0; ///< x range of a step: cells[0] rounded up to a multiple of 8
    std::size_t stride = 0;   ///< between rows

    FieldLayout() = default;
    FieldLayout(const IVec3& cells, std::size_t n_basis, std::size_t margin);

    std::size_t n_planes() const {
        return static_cast<std::size_t>(cells[1]) * static_cast<std::size_t>(cells[2]);
    }
    /// Rows of plane (y, z) follow each other from here; the value of x = 0 of its site 0.
    std::size_t plane(std::size_t y, std::size_t z) const {
        return margin + (z * static_cast<std::size_t>(cells[1]) + y) * n_basis * stride;
    }
    std::size_t index(const IVec3& cell, std::size_t site) const {
        return plane(static_cast<std::size_t>(cell[1]), static_cast<std::size_t>(cell[2])) + site * stride +
               static_cast<std::size_t>(cell[0]);
    }
    std::size_t size() const { return n_planes() * n_basis * stride + margin; } ///< doubles
};

struct Stencil;

/// Site probabilities (or any densities) of every cell of a periodic lattice, in double. A hop that reaches
/// beyond the lattice wraps around it, as often as needed. Memory: two arrays, 17-28 B per site together from
/// 32 cells along a_1 on.
class Field {
public:
    /// All zero. @throws DataError when they take more than the memory of the machine
    explicit Field(const Lattice& lattice);

    const Lattice& lattice() const { return lattice_; }
    const FieldLayout& layout() const { return layout_; }
    std::size_t n_basis() const { return layout_.n_basis; }
    /// Values at layout().index(cell, site).
    const double* data() const { return now_.data()->values; }

    /// @throws DataError when there is no such cell or site
    double at(const IVec3& cell, std::size_t site) const;
    void set(const IVec3& cell, std::size_t site, double value);

    std::size_t bytes() const { return (now_.size() + next_.size()) * sizeof(CacheLine); }

private:
    friend void advance(Field& field, std::uint64_t n_steps);
    struct alignas(64) CacheLine {
        double values[8] = {};
    };
    std::size_t checked_index(const IVec3& cell, std::size_t site) const;

    Lattice lattice_;
    FieldLayout layout_;
    std::shared_ptr<const Stencil> stencil_;
    std::vector<CacheLine> now_, next_;
};

/// What a field takes [B], before it is made.
[[nodiscard]] double field_bytes(const Lattice& lattice);

/// x <- M x, n times: x'_i(c) = sum_{j, R} M_ij(R) x_j(c - R), matrix-free.
/// The same bits with any number of threads. The sum over all sites is kept to rounding.
/// Cost: one multiply-add per site and entry of its row: at 29 of them 4 ns with AVX-512, 8 ns without.
void advance(Field& field, std::uint64_t n_steps);

/// Sum over all sites; the same bits with any number of threads.
[[nodiscard]] double total(const Field& field);

/// rho(kappa) = sum_{c, i} x_i(c) exp(-i k.r) with r = c.A + b_i and k = 2 pi A^-1 kappa, so that k.a_m = 2
/// pi kappa_m. Respects the periodicity of the lattice only where kappa_m is a multiple of 1 / cells_m.
[[nodiscard]] std::complex<double> fourier_mode(const Field& field, const Vec3& kappa);

/// Moments of a field about the origin of cell 0. Cells beyond half the lattice count as negative.
struct FieldMoments {
    double mass = 0;            ///< sum x
    Vec3 first = Vec3::Zero();  ///< sum x r [A]
    Mat3 second = Mat3::Zero(); ///< sum x r r^T [A^2]
    double edge = 0; ///< sum |x| of the cells from which one hop can reach across the far side of the lattice
};
[[nodiscard]] FieldMoments field_moments(const Field& field);

} // namespace mesolith
