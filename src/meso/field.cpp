#include "mesolith/meso/field.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <numbers>
#include <tuple>

#include <fmt/core.h>
#include <unistd.h>

#include "mesolith/core/error.hpp"
#include "mesolith/core/parallel.hpp"
#include "mesolith/meso/vector_units.hpp"

namespace mesolith {

/// The kernel as a step reads it: for each destination row the source rows, as shifts in memory.
struct Stencil {
    struct Term {
        double p;
        std::ptrdiff_t shift;  // site * stride - R_1, from the first row of the source plane
        std::size_t neighbour; // which (R_2, R_3)
    };
    std::vector<Term> terms; // of destination site i: [begin[i], begin[i + 1])
    std::vector<std::size_t> begin{0};
    std::vector<std::pair<int, int>> neighbours; // distinct (-R_2, -R_3), modulo the lattice
};

namespace {

std::size_t round_up(std::size_t n, std::size_t multiple) { return (n + multiple - 1) / multiple * multiple; }

/// r modulo n in (-n/2, n/2].
int wrapped(int r, int n) {
    const int positive = ((r % n) + n) % n;
    return 2 * positive > n ? positive - n : positive;
}

std::size_t margin_of(const Lattice& lattice) {
    int margin = 0;
    for (const KernelEntry& e : lattice.kernel->entries)
        margin = std::max(margin, std::abs(wrapped(e.R[0], lattice.cells[0])));
    return static_cast<std::size_t>(margin);
}

std::shared_ptr<const Stencil> make_stencil(const Lattice& lattice, const FieldLayout& layout) {
    auto stencil = std::make_shared<Stencil>();
    // Hops that meet on a small lattice are one term. The order of terms is that of memory.
    using Key = std::tuple<int, int, std::size_t, int>; // z, y, source site, x
    std::vector<std::map<Key, double>> rows(layout.n_basis);
    const Kernel& kernel = *lattice.kernel;
    for (std::size_t j = 0; j < kernel.n_sites(); ++j)
        for (const KernelEntry& e : kernel.from(j)) {
            const auto from = [&](int axis) { return wrapped(-e.R[axis], lattice.cells[axis]); };
            rows[static_cast<std::size_t>(e.to)][{from(2), from(1), j, from(0)}] += e.p;
        }
    std::map<std::pair<int, int>, std::size_t> neighbours;
    for (const auto& row : rows) {
        for (const auto& [key, p] : row) {
            const auto [z, y, j, x] = key;
            const auto [found, is_new] = neighbours.try_emplace({y, z}, stencil->neighbours.size());
            if (is_new) stencil->neighbours.push_back({y, z});
            stencil->terms.push_back({p, static_cast<std::ptrdiff_t>(j * layout.stride) + x, found->second});
        }
        stencil->begin.push_back(stencil->terms.size());
    }
    return stencil;
}

/// out[0, width * vectors) = sum over terms of p * source, in the order of the terms.
template <int width, int vectors>
[[gnu::always_inline]] inline void sum_terms(const Stencil::Term* term, const Stencil::Term* end,
                                             const double* const* neighbours, std::size_t x, double* out) {
    typedef double Vector __attribute__((vector_size(width * sizeof(double)), aligned(8), may_alias));
    Vector sum[vectors];
#pragma GCC unroll 8
    for (int v = 0; v < vectors; ++v) sum[v] = Vector{};
    for (; term != end; ++term) {
        const double* from = neighbours[term->neighbour] + term->shift + x;
#pragma GCC unroll 8
        for (int v = 0; v < vectors; ++v)
            sum[v] += term->p * *reinterpret_cast<const Vector*>(from + v * width);
    }
#pragma GCC unroll 8
    for (int v = 0; v < vectors; ++v) *reinterpret_cast<Vector*>(out + x + v * width) = sum[v];
}

/// The rest of a row, 8 values at a time.
template <int width>
[[gnu::always_inline]] inline void sum_row(const Stencil::Term* begin, const Stencil::Term* end,
                                           const double* const* neighbours, std::size_t n, double* out) {
    // As many sums as fit the registers: 8 of 16 or 32.
    constexpr int most = 8;
    std::size_t x = 0;
    for (; x + most * width <= n; x += most * width) sum_terms<width, most>(begin, end, neighbours, x, out);
    if constexpr (width == 8) {
        switch ((n - x) / width) {
        case 7:
            sum_terms<width, 7>(begin, end, neighbours, x, out);
            break;
        case 6:
            sum_terms<width, 6>(begin, end, neighbours, x, out);
            break;
        case 5:
            sum_terms<width, 5>(begin, end, neighbours, x, out);
            break;
        case 4:
            sum_terms<width, 4>(begin, end, neighbours, x, out);
            break;
        case 3:
            sum_terms<width, 3>(begin, end, neighbours, x, out);
            break;
        case 2:
            sum_terms<width, 2>(begin, end, neighbours, x, out);
            break;
        case 1:
            sum_terms<width, 1>(begin, end, neighbours, x, out);
            break;
        default:
            break;
        }
    } else {
        for (; x < n; x += 8) sum_terms<width, 8 / width>(begin, end, neighbours, x, out);
    }
}

/// All sites of one (y, z).
struct PlaneTask {
    const Stencil* stencil;
    const double* const* neighbours; // planes of the sources
    double* out;
    std::size_t n_basis, stride, computed;
};

template <int width>
[[gnu::always_inline]] inline void sum_plane(const PlaneTask& task) {
    const Stencil::Term* terms = task.stencil->terms.data();
    for (std::size_t i = 0; i < task.n_basis; ++i)
        sum_row<width>(terms + task.stencil->begin[i], terms + task.stencil->begin[i + 1], task.neighbours,
                       task.computed, task.out + i * task.stride);
}

using SumPlane = void (*)(const PlaneTask&);

void sum_plane_any(const PlaneTask& task) { sum_plane<2>(task); }

#if defined(__x86_64__)
[[gnu::target("avx2")]] void sum_plane_avx2(const PlaneTask& task) { sum_plane<4>(task); }
[[gnu::target("avx512f")]] void sum_plane_avx512(const PlaneTask& task) { sum_plane<8>(task); }
#endif

SumPlane best_sum_plane() {
#if defined(__x86_64__)
    switch (vector_units()) {
    case VectorUnits::avx512:
        return sum_plane_avx512;
    case VectorUnits::avx2:
        return sum_plane_avx2;
    case VectorUnits::baseline:
        break;
    }
#endif
    return sum_plane_any;
}

/// Continue the values of x in [0, n) periodically over all that a step may read.
void fill_margin(double* row, std::size_t n, std::size_t margin, std::size_t computed) {
    for (std::size_t x = n; x < computed + margin; ++x) row[x] = row[x - n];
    for (std::size_t x = 1; x <= margin; ++x) *(row - x) = *(row - x + n);
}

/// Values of f(y, z) for all planes, summed in their order.
template <class T, class F>
T sum_over_planes(const FieldLayout& layout, T zero, F&& f) {
    std::vector<T> parts(layout.n_planes(), zero);
    const auto ny = static_cast<std::size_t>(layout.cells[1]);
    for_blocks(parts.size(), 8, [&](std::size_t begin, std::size_t end) {
        for (std::size_t p = begin; p < end; ++p) parts[p] = f(p % ny, p / ny);
    });
    for (const T& part : parts) zero += part;
    return zero;
}

int signed_cell(std::size_t c, int n) {
    const int cell = static_cast<int>(c);
    return 2 * cell > n ? cell - n : cell;
}

} // namespace

FieldLayout::FieldLayout(const IVec3& cells_, std::size_t n_basis_, std::size_t margin_)
    : cells(cells_), n_basis(n_basis_), margin(margin_),
      computed(round_up(static_cast<std::size_t>(cells_[0]), 8)) {
    stride = round_up(computed + 2 * margin, 8);
    if (stride / 8 % 2 == 0) stride += 8;
}

Field::Field(const Lattice& lattice)
    : lattice_(lattice), layout_(lattice.cells, lattice.kernel->n_sites(), margin_of(lattice)),
      stencil_(make_stencil(lattice, layout_)) {
    const double memory =
        static_cast<double>(sysconf(_SC_PHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGESIZE));
    if (field_bytes(lattice) > memory)
        throw DataError(fmt::format(
            "a field of {} sites takes {:.3g} GB (this machine has {:.3g}). Use fewer cells, or walkers",
            lattice.n_sites(), 1e-9 * field_bytes(lattice), 1e-9 * memory));
    now_.resize(round_up(layout_.size(), 8) / 8);
    next_.resize(now_.size());
}

double field_bytes(const Lattice& lattice) {
    const FieldLayout layout(lattice.cells, lattice.kernel->n_sites(), margin_of(lattice));
    return 2.0 * static_cast<double>(layout.stride * layout.n_basis) * layout.cells[1] * layout.cells[2] *
           sizeof(double);
}

std::size_t Field::checked_index(const IVec3& cell, std::size_t site) const {
    if ((cell.array() < 0).any() || (cell.array() >= layout_.cells.array()).any() || site >= layout_.n_basis)
        throw DataError(
            fmt::format("site {} of cell ({}, {}, {}) (the lattice has {} sites in {} x {} x {} cells). "
                        "Count from 0",
                        site, cell[0], cell[1], cell[2], layout_.n_basis, layout_.cells[0], layout_.cells[1],
                        layout_.cells[2]));
    return layout_.index(cell, site);
}

double Field::at(const IVec3& cell, std::size_t site) const { return data()[checked_index(cell, site)]; }

void Field::set(const IVec3& cell, std::size_t site, double value) {
    const std::size_t x0 = checked_index({0, cell[1], cell[2]}, site);
    double* row = now_.data()->values + x0;
    row[checked_index(cell, site) - x0] = value;
    fill_margin(row, static_cast<std::size_t>(layout_.cells[0]), layout_.margin, layout_.computed);
}

void advance(Field& field, std::uint64_t n_steps) {
    const FieldLayout& layout = field.layout_;
    const Stencil& stencil = *field.stencil_;
    const auto nx = static_cast<std::size_t>(layout.cells[0]), ny = static_cast<std::size_t>(layout.cells[1]),
               nz = static_cast<std::size_t>(layout.cells[2]);
    const SumPlane sum = best_sum_plane();
    // Enough work to be worth a thread's trip, and enough blocks for all of them.
    const std::size_t block = std::max<std::size_t>(1, 16'384 / (layout.n_basis * layout.computed));
    for (std::uint64_t step = 0; step < n_steps; ++step) {
        const double* now = field.now_.data()->values;
        double* next = field.next_.data()->values;
        for_blocks(layout.n_planes(), block, [&](std::size_t begin, std::size_t end) {
            std::vector<const double*> neighbours(stencil.neighbours.size());
            for (std::size_t p = begin; p < end; ++p) {
                const std::size_t y = p % ny, z = p / ny;
                for (std::size_t k = 0; k < neighbours.size(); ++k) {
                    const auto [dy, dz] = stencil.neighbours[k]; // |dy| <= ny / 2
                    const auto moved = [](std::size_t c, int d, std::size_t n) {
                        return (c + n + static_cast<std::size_t>(d + static_cast<int>(n))) % n;
                    };
                    neighbours[k] = now + layout.plane(moved(y, dy, ny), moved(z, dz, nz));
                }
                double* out = next + layout.plane(y, z);
                sum({&stencil, neighbours.data(), out, layout.n_basis, layout.stride, layout.computed});
                for (std::size_t i = 0; i < layout.n_basis; ++i)
                    fill_margin(out + i * layout.stride, nx, layout.margin, layout.computed);
            }
        });
        field.now_.swap(field.next_);
    }
}

double total(const Field& field) {
    const FieldLayout& layout = field.layout();
    return sum_over_planes(layout, 0.0, [&](std::size_t y, std::size_t z) {
        double sum = 0;
        for (std::size_t i = 0; i < layout.n_basis; ++i) {
            const double* row = field.data() + layout.plane(y, z) + i * layout.stride;
            for (int x = 0; x < layout.cells[0]; ++x) sum += row[x];
        }
        return sum;
    });
}

std::complex<double> fourier_mode(const Field& field, const Vec3& kappa) {
    const FieldLayout& layout = field.layout();
    const SiteBasis& basis = field.lattice().kernel->basis;
    const auto phase = [](double turns) {
        return std::polar(1.0, -2 * std::numbers::pi * (turns - std::round(turns)));
    };
    std::vector<std::complex<double>> along_x(static_cast<std::size_t>(layout.cells[0])),
        of_site(layout.n_basis);
    for (std::size_t x = 0; x < along_x.size(); ++x) along_x[x] = phase(kappa[0] * static_cast<double>(x));
    for (std::size_t i = 0; i < of_site.size(); ++i)
        of_site[i] = phase(kappa.dot(basis.cell.to_fractional(basis.positions[i])));
    return sum_over_planes(layout, std::complex<double>(0), [&](std::size_t y, std::size_t z) {
        std::complex<double> sum = 0;
        for (std::size_t i = 0; i < layout.n_basis; ++i) {
            const double* row = field.data() + layout.plane(y, z) + i * layout.stride;
            std::complex<double> of_row = 0;
            for (std::size_t x = 0; x < along_x.size(); ++x) of_row += row[x] * along_x[x];
            sum += of_row * of_site[i];
        }
        return sum * phase(kappa[1] * static_cast<double>(y)) * phase(kappa[2] * static_cast<double>(z));
    });
}

FieldMoments field_moments(const Field& field) {
    const FieldLayout& layout = field.layout();
    const SiteBasis& basis = field.lattice().kernel->basis;
    IVec3 reach = IVec3::Zero();
    for (const KernelEntry& e : field.lattice().kernel->entries) reach = reach.cwiseMax(e.R.cwiseAbs());
    // Cells run from -(n - 1) / 2 to n / 2.
    const auto at_edge = [&](int c, int axis) {
        const int n = layout.cells[axis];
        return c + reach[axis] > n / 2 || c - reach[axis] < -((n - 1) / 2);
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
    return sum_over_planes(
               layout, Sums{},
               [&](std::size_t yy, std::size_t zz) {
                   Sums sums;
                   const int y = signed_cell(yy, layout.cells[1]), z = signed_cell(zz, layout.cells[2]);
                   const bool plane_at_edge = at_edge(y, 1) || at_edge(z, 2);
                   const Vec3 a = basis.cell.vectors().row(0);
                   for (std::size_t i = 0; i < layout.n_basis; ++i) {
                       const double* row = field.data() + layout.plane(yy, zz) + i * layout.stride;
                       double s0 = 0, s1 = 0, s2 = 0;
                       for (int xx = 0; xx < layout.cells[0]; ++xx) {
                           const int x = signed_cell(static_cast<std::size_t>(xx), layout.cells[0]);
                           s0 += row[xx];
                           s1 += row[xx] * x;
                           s2 += row[xx] * x * x;
                           if (plane_at_edge || at_edge(x, 0)) sums.m.edge += std::abs(row[xx]);
                       }
                       const Vec3 r = basis.cell.to_cartesian(Vec3(0, y, z)) + basis.positions[i]; // r + x a
                       sums.m.mass += s0;
                       sums.m.first += s0 * r + s1 * a;
                       sums.m.second += s0 * r * r.transpose() +
                                        s1 * (r * a.transpose() + a * r.transpose()) + s2 * a * a.transpose();
                   }
                   return sums;
               })
        .m;
}

} // namespace mesolith
