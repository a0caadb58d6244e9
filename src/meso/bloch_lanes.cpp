// Compiled once for each kind of vector unit: Highway includes this file again.
#include "bloch_lanes.hpp"

// Vectors in arrays must have a size: no SVE, no RVV.
#define HWY_DISABLED_TARGETS                                                                                 \
    (HWY_SSSE3 | HWY_AVX3_DL | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "meso/bloch_lanes.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace mesolith {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::CappedTag<double, bloch_lanes>;
using V = hn::Vec<D>;
constexpr std::size_t width = hn::MaxLanes(D());
constexpr std::size_t L = bloch_lanes;

struct Complex {
    V re, im;
};
HWY_INLINE Complex zero() { return {hn::Zero(D()), hn::Zero(D())}; }
HWY_INLINE Complex load(const double* z) { return {hn::LoadU(D(), z), hn::LoadU(D(), z + L)}; }
HWY_INLINE void store(Complex a, double* z) {
    hn::StoreU(a.re, D(), z);
    hn::StoreU(a.im, D(), z + L);
}
HWY_INLINE void add_product(Complex& sum, Complex a, Complex b) {
    sum.re = hn::Add(sum.re, hn::Mul(a.re, b.re));
    sum.im = hn::Add(sum.im, hn::Mul(a.re, b.im));
    sum.re = hn::Sub(sum.re, hn::Mul(a.im, b.im));
    sum.im = hn::Add(sum.im, hn::Mul(a.im, b.re));
}
/// sum += a conj(b)
HWY_INLINE void add_product_conj(Complex& sum, Complex a, Complex b) {
    sum.re = hn::Add(sum.re, hn::Mul(a.re, b.re));
    sum.im = hn::Sub(sum.im, hn::Mul(a.re, b.im));
    sum.re = hn::Add(sum.re, hn::Mul(a.im, b.im));
    sum.im = hn::Add(sum.im, hn::Mul(a.im, b.re));
}
HWY_INLINE Complex conjugate(Complex a) { return {a.re, hn::Neg(a.im)}; }

/// Rows i, i + 1 and columns j, j + 1 of C: each value loaded serves twice.
template <int rows, int columns>
HWY_INLINE void hermitian_tile(std::size_t n, const double* S, double* C, std::size_t i, std::size_t j) {
    Complex sum[rows][columns];
    for (auto& of_row : sum)
        for (Complex& z : of_row) z = zero();
    const std::size_t row = n * bloch_complex;
    const double *a = S + i * row, *b = S + j * row;
    for (std::size_t k = 0; k < row; k += bloch_complex) {
        Complex left[rows], right[columns];
        for (std::size_t r = 0; r < rows; ++r) left[r] = load(a + r * row + k);
        for (std::size_t c = 0; c < columns; ++c) right[c] = load(b + c * row + k);
        for (std::size_t r = 0; r < rows; ++r)
            for (std::size_t c = 0; c < columns; ++c) add_product_conj(sum[r][c], left[r], right[c]);
    }
    for (std::size_t r = 0; r < rows; ++r)
        for (std::size_t c = 0; c < columns; ++c) {
            if (i + r < j + c) continue; // the other triangle, from its mirror
            store(sum[r][c], C + (i + r) * row + (j + c) * bloch_complex);
            if (i + r > j + c) store(conjugate(sum[r][c]), C + (j + c) * row + (i + r) * bloch_complex);
        }
}

void square_hermitian(std::size_t n, const double* matrix, double* square, double* size) {
    for (std::size_t v = 0; v < L; v += width) {
        const double* S = matrix + v;
        double* C = square + v;
        for (std::size_t i = 0; i < n; i += 2)
            for (std::size_t j = 0; j <= i; j += 2) {
                if (i + 1 < n)
                    hermitian_tile<2, 2>(n, S, C, i, j);
                else if (j + 1 < n)
                    hermitian_tile<1, 2>(n, S, C, i, j);
                else
                    hermitian_tile<1, 1>(n, S, C, i, j);
            }
        V trace = hn::Zero(D());
        for (std::size_t i = 0; i < n; ++i)
            trace = hn::Add(trace, hn::LoadU(D(), C + (i * n + i) * bloch_complex));
        hn::StoreU(trace, D(), size + v);
    }
}

template <int rows, int columns>
HWY_INLINE void general_tile(std::size_t n, const double* S, double* C, std::size_t i, std::size_t j) {
    Complex sum[rows][columns];
    for (auto& of_row : sum)
        for (Complex& z : of_row) z = zero();
    const std::size_t row = n * bloch_complex;
    const double *a = S + i * row, *b = S + j * bloch_complex;
    for (std::size_t k = 0; k < n; ++k) {
        Complex left[rows], right[columns];
        for (std::size_t r = 0; r < rows; ++r) left[r] = load(a + r * row + k * bloch_complex);
        for (std::size_t c = 0; c < columns; ++c) right[c] = load(b + k * row + c * bloch_complex);
        for (std::size_t r = 0; r < rows; ++r)
            for (std::size_t c = 0; c < columns; ++c) add_product(sum[r][c], left[r], right[c]);
    }
    for (std::size_t r = 0; r < rows; ++r)
        for (std::size_t c = 0; c < columns; ++c)
            store(sum[r][c], C + (i + r) * row + (j + c) * bloch_complex);
}

void square_general(std::size_t n, const double* matrix, double* square, double* size) {
    for (std::size_t v = 0; v < L; v += width) {
        const double* S = matrix + v;
        double* C = square + v;
        for (std::size_t i = 0; i < n; i += 2)
            for (std::size_t j = 0; j < n; j += 2) {
                if (i + 1 < n && j + 1 < n)
                    general_tile<2, 2>(n, S, C, i, j);
                else if (i + 1 < n)
                    general_tile<2, 1>(n, S, C, i, j);
                else if (j + 1 < n)
                    general_tile<1, 2>(n, S, C, i, j);
                else
                    general_tile<1, 1>(n, S, C, i, j);
            }
        V sum = hn::Zero(D());
        for (std::size_t k = 0; k < n * n; ++k) {
            const Complex z = load(C + k * bloch_complex);
            sum = hn::Add(sum, hn::Add(hn::Mul(z.re, z.re), hn::Mul(z.im, z.im)));
        }
        hn::StoreU(hn::Sqrt(sum), D(), size + v);
    }
}

void apply_matrix(std::size_t n, const double* matrix, const double* x, double* y) {
    for (std::size_t v = 0; v < L; v += width)
        for (std::size_t i = 0; i < n; ++i) {
            const double *row = matrix + i * n * bloch_complex + v, *at = x + v;
            Complex even = zero(), odd = zero(); // two sums: adding takes longer than multiplying
            std::size_t j = 0;
            for (; j + 1 < n; j += 2) {
                add_product(even, load(row + j * bloch_complex), load(at + j * bloch_complex));
                add_product(odd, load(row + (j + 1) * bloch_complex), load(at + (j + 1) * bloch_complex));
            }
            if (j < n) add_product(even, load(row + j * bloch_complex), load(at + j * bloch_complex));
            store({hn::Add(even.re, odd.re), hn::Add(even.im, odd.im)}, y + i * bloch_complex + v);
        }
}

void apply_entries(std::size_t n, std::size_t n_entries, const BlochEntry* entries, const double* c,
                   const double* x, double* y) {
    for (std::size_t k = 0; k < n * bloch_complex; ++k) y[k] = 0;
    for (std::size_t e = 0; e < n_entries; ++e)
        for (std::size_t v = 0; v < L; v += width) {
            double* to = y + entries[e].to * bloch_complex + v;
            Complex sum = load(to);
            add_product(sum, load(c + e * bloch_complex + v), load(x + entries[e].from * bloch_complex + v));
            store(sum, to);
        }
}

} // namespace HWY_NAMESPACE
} // namespace mesolith
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace mesolith {

HWY_EXPORT(square_hermitian);
HWY_EXPORT(square_general);
HWY_EXPORT(apply_matrix);
HWY_EXPORT(apply_entries);

void square_hermitian(std::size_t n, const double* S, double* C, double* size) {
    HWY_DYNAMIC_DISPATCH(square_hermitian)(n, S, C, size);
}
void square_general(std::size_t n, const double* S, double* C, double* size) {
    HWY_DYNAMIC_DISPATCH(square_general)(n, S, C, size);
}
void apply_matrix(std::size_t n, const double* S, const double* x, double* y) {
    HWY_DYNAMIC_DISPATCH(apply_matrix)(n, S, x, y);
}
void apply_entries(std::size_t n, std::size_t n_entries, const BlochEntry* entries, const double* c,
                   const double* x, double* y) {
    HWY_DYNAMIC_DISPATCH(apply_entries)(n, n_entries, entries, c, x, y);
}

} // namespace mesolith
#endif
