#include <algorithm>
#include <cmath>
#include <numbers>

#include <fmt/core.h>

#include "mesolith/core/error.hpp"

#include "field_model.hpp"

namespace mesolith {

namespace {

/// A cell of a periodic axis as the nearer image of it.
int signed_cell(std::size_t c, int n, bool periodic) {
    const int cell = static_cast<int>(c);
    return periodic && 2 * cell > n ? cell - n : cell;
}

/// Sums over all layers of cells along a_3, many numbers each, in the order of the layers: add(z, sums).
template <class F>
std::vector<double> sum_over_layers(int layers, std::size_t n, F&& add) {
    // As many layers at once as there may be threads: memory for their sums only.
    constexpr std::size_t at_once = 16;
    std::vector<double> sums(n, 0.0);
    std::vector<std::vector<double>> parts(at_once);
    for (std::size_t first = 0; first < static_cast<std::size_t>(layers); first += at_once) {
        const std::size_t count = std::min(at_once, static_cast<std::size_t>(layers) - first);
        for_each_index(count, [&](std::size_t k) {
            parts[k].assign(n, 0.0);
            add(first + k, parts[k]);
        });
        for (std::size_t k = 0; k < count; ++k)
            for (std::size_t s = 0; s < n; ++s) sums[s] += parts[k][s];
    }
    return sums;
}

template <class T>
double sum_of(std::span<const T> row) {
    double sum = 0;
    for (const T value : row) sum += static_cast<double>(value);
    return sum;
}

} // namespace

template <class T>
double total(const Field<T>& field) {
    return sum_over_planes(field.layout(), 0.0, [&](std::size_t y, std::size_t z) {
        double sum = 0;
        for (std::size_t i = 0; i < field.n_basis(); ++i) sum += sum_of(field.row(y, z, i));
        return sum;
    });
}

template <class T>
std::vector<double> region_totals(const Field<T>& field) {
    const Domain& domain = field.domain();
    if (domain.homogeneous()) {
        std::vector<double> totals(domain.regions.size(), 0.0);
        totals[0] = total(field);
        return totals;
    }
    const auto nx = static_cast<std::size_t>(domain.cells[0]), ny = static_cast<std::size_t>(domain.cells[1]);
    return sum_over_layers(domain.cells[2], domain.regions.size(),
                           [&](std::size_t z, std::vector<double>& sums) {
                               for (std::size_t y = 0; y < ny; ++y)
                                   for (std::size_t i = 0; i < field.n_basis(); ++i) {
                                       const auto row = field.row(y, z, i);
                                       const std::uint16_t* region = domain.region.data() + (z * ny + y) * nx;
                                       for (std::size_t x = 0; x < nx; ++x)
                                           sums[region[x]] += static_cast<double>(row[x]);
                                   }
                           });
}

template <class T>
std::vector<double> profile(const Field<T>& field, int axis) {
    if (axis < 0 || axis > 2)
        throw DataError(fmt::format("a profile along axis {} (axes are 0, 1 and 2)", axis));
    const IVec3 n = field.domain().cells;
    return sum_over_layers(n[2], static_cast<std::size_t>(n[axis]),
                           [&](std::size_t z, std::vector<double>& sums) {
                               for (std::size_t y = 0; y < static_cast<std::size_t>(n[1]); ++y)
                                   for (std::size_t i = 0; i < field.n_basis(); ++i) {
                                       const auto row = field.row(y, z, i);
                                       if (axis == 0)
                                           for (std::size_t x = 0; x < row.size(); ++x)
                                               sums[x] += static_cast<double>(row[x]);
                                       else
                                           sums[axis == 1 ? y : z] += sum_of(row);
                                   }
                           });
}

template <class T>
CoarseField coarse_grained(const Field<T>& field, const IVec3& block) {
    if ((block.array() < 1).any())
        throw DataError(fmt::format("blocks of {} x {} x {} cells (at least 1 along each axis)", block[0],
                                    block[1], block[2]));
    const IVec3 n = field.domain().cells;
    CoarseField coarse;
    coarse.block = block.cwiseMin(n);
    for (int axis = 0; axis < 3; ++axis) coarse.voxels[axis] = (n[axis] - 1) / coarse.block[axis] + 1;
    const auto at = [&](int axis) { return static_cast<std::size_t>(coarse.voxels[axis]); };
    const auto size = [&](int axis) { return static_cast<std::size_t>(coarse.block[axis]); };
    coarse.mean.assign(at(0) * at(1) * at(2), 0.0);
    // A row of voxels at a time: nobody else writes there.
    for_each_index(at(1) * at(2), [&](std::size_t v) {
        const std::size_t vy = v % at(1), vz = v / at(1);
        double* mean = coarse.mean.data() + v * at(0);
        const std::size_t y_end = std::min(size(1) * (vy + 1), static_cast<std::size_t>(n[1])),
                          z_end = std::min(size(2) * (vz + 1), static_cast<std::size_t>(n[2]));
        for (std::size_t z = size(2) * vz; z < z_end; ++z)
            for (std::size_t y = size(1) * vy; y < y_end; ++y)
                for (std::size_t i = 0; i < field.n_basis(); ++i) {
                    const auto row = field.row(y, z, i);
                    for (std::size_t x = 0; x < row.size(); ++x)
                        mean[x / size(0)] += static_cast<double>(row[x]);
                }
        const std::size_t rows = (y_end - size(1) * vy) * (z_end - size(2) * vz);
        for (std::size_t vx = 0; vx < at(0); ++vx)
            mean[vx] /= static_cast<double>(
                rows * (std::min(size(0) * (vx + 1), static_cast<std::size_t>(n[0])) - size(0) * vx));
    });
    return coarse;
}

template <class T>
std::complex<double> fourier_mode(const Field<T>& field, const Vec3& kappa) {
    const SiteBasis& basis = field.domain().basis();
    const auto phase = [](double turns) {
        return std::polar(1.0, -2 * std::numbers::pi * (turns - std::round(turns)));
    };
    std::vector<std::complex<double>> along_x(static_cast<std::size_t>(field.domain().cells[0])),
        of_site(field.n_basis());
    for (std::size_t x = 0; x < along_x.size(); ++x) along_x[x] = phase(kappa[0] * static_cast<double>(x));
    for (std::size_t i = 0; i < of_site.size(); ++i)
        of_site[i] = phase(kappa.dot(basis.cell.to_fractional(basis.positions[i])));
    return sum_over_planes(field.layout(), std::complex<double>(0), [&](std::size_t y, std::size_t z) {
        std::complex<double> sum = 0;
        for (std::size_t i = 0; i < field.n_basis(); ++i) {
            const auto row = field.row(y, z, i);
            std::complex<double> of_row = 0;
            for (std::size_t x = 0; x < along_x.size(); ++x)
                of_row += static_cast<double>(row[x]) * along_x[x];
            sum += of_row * of_site[i];
        }
        return sum * phase(kappa[1] * static_cast<double>(y)) * phase(kappa[2] * static_cast<double>(z));
    });
}

template <class T>
FieldMoments field_moments(const Field<T>& field) {
    const Domain& domain = field.domain();
    const SiteBasis& basis = domain.basis();
    const IVec3 n = domain.cells;
    IVec3 reach = IVec3::Zero();
    for (const Material& m : domain.materials)
        for (const KernelEntry& e : m.kernel.entries) reach = reach.cwiseMax(e.R.cwiseAbs());
    // Cells of periodic axes run from -(n - 1) / 2 to n / 2.
    const auto at_edge = [&](int c, int axis) {
        return domain.periodic(axis) &&
               (c + reach[axis] > n[axis] / 2 || c - reach[axis] < -((n[axis] - 1) / 2));
    };
    struct Sums {
        FieldMoments m;
        Sums& operator+=(const Sums& other) {
            m.mass += other.m.mass;
            m.first += other.m.first;
            m.second += other.m.second;
            m.edge += other.m.edge;
            return *this;
        }
    };
    return sum_over_planes(field.layout(), Sums{},
                           [&](std::size_t yy, std::size_t zz) {
                               Sums sums;
                               const int y = signed_cell(yy, n[1], domain.periodic(1)),
                                         z = signed_cell(zz, n[2], domain.periodic(2));
                               const bool plane_at_edge = at_edge(y, 1) || at_edge(z, 2);
                               const Vec3 a = basis.cell.vectors().row(0);
                               for (std::size_t i = 0; i < field.n_basis(); ++i) {
                                   const auto row = field.row(yy, zz, i);
                                   double s0 = 0, s1 = 0, s2 = 0;
                                   for (std::size_t xx = 0; xx < row.size(); ++xx) {
                                       const int x = signed_cell(xx, n[0], domain.periodic(0));
                                       const auto value = static_cast<double>(row[xx]);
                                       s0 += value;
                                       s1 += value * x;
                                       s2 += value * x * x;
                                       if (plane_at_edge || at_edge(x, 0)) sums.m.edge += std::abs(value);
                                   }
                                   const Vec3 r =
                                       basis.cell.to_cartesian(Vec3(0, y, z)) + basis.positions[i]; // r + x a
                                   sums.m.mass += s0;
                                   sums.m.first += s0 * r + s1 * a;
                                   sums.m.second += s0 * r * r.transpose() +
                                                    s1 * (r * a.transpose() + a * r.transpose()) +
                                                    s2 * a * a.transpose();
                               }
                               return sums;
                           })
        .m;
}

template double total(const Field<double>&);
template double total(const Field<float>&);
template std::vector<double> region_totals(const Field<double>&);
template std::vector<double> region_totals(const Field<float>&);
template std::vector<double> profile(const Field<double>&, int);
template std::vector<double> profile(const Field<float>&, int);
template CoarseField coarse_grained(const Field<double>&, const IVec3&);
template CoarseField coarse_grained(const Field<float>&, const IVec3&);
template std::complex<double> fourier_mode(const Field<double>&, const Vec3&);
template std::complex<double> fourier_mode(const Field<float>&, const Vec3&);
template FieldMoments field_moments(const Field<double>&);
template FieldMoments field_moments(const Field<float>&);

} // namespace mesolith
