// Compiled once for each kind of vector unit: Highway includes this file again.
#include "native_mace_lanes.hpp"

#include <algorithm>

// Vectors in arrays must have a size: no SVE, no RVV. Few targets, as each is a long compilation.
#define HWY_DISABLED_TARGETS                                                                                 \
    (HWY_SSSE3 | HWY_SSE4 | HWY_AVX3_DL | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "md/native_mace_lanes.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

// after foreach_target
#include <hwy/contrib/math/math-inl.h>

HWY_BEFORE_NAMESPACE();
namespace mesolith {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <class T>
using Tag = hn::CappedTag<T, mace_line / sizeof(T)>;
template <class T>
using V = hn::Vec<Tag<T>>;

template <class T>
HWY_INLINE V<T> load(const T* p) {
    return hn::Load(Tag<T>(), p);
}
template <class T>
HWY_INLINE void store(V<T> v, T* p) {
    hn::Store(v, Tag<T>(), p);
}
template <class T>
HWY_INLINE V<T> all(T x) {
    return hn::Set(Tag<T>(), x);
}
template <class T>
constexpr std::size_t width = hn::MaxLanes(Tag<T>());

template <class T>
HWY_INLINE T sum_of(V<T> v) {
    return hn::GetLane(hn::SumOfLanes(Tag<T>(), v));
}

// Sums of the lanes of four vectors at once.

#if HWY_TARGET != HWY_SCALAR
template <class D, class Vector>
HWY_INLINE void fold_blocks(D d, Vector v, hn::TFromD<D>* to, bool add) {
    if constexpr (hn::MaxLanes(D()) * sizeof(hn::TFromD<D>) > 16) {
        const hn::Half<D> half;
        fold_blocks(half, hn::Add(hn::LowerHalf(half, v), hn::UpperHalf(half, v)), to, add);
    } else {
        hn::Store(add ? hn::Add(v, hn::Load(d, to)) : v, d, to);
    }
}
template <class D, class Vector>
HWY_INLINE Vector pair_sums(D d, Vector a, Vector b) {
    return hn::Add(hn::InterleaveLower(d, a, b), hn::InterleaveUpper(d, a, b));
}
#endif

/// to[0..4) (+)= sums of the lanes of a, b, c, e
template <class T>
HWY_INLINE void sums_of_four(V<T> a, V<T> b, V<T> c, V<T> e, T* to, bool add) {
#if HWY_TARGET == HWY_SCALAR
    const T sums[4] = {hn::GetLane(a), hn::GetLane(b), hn::GetLane(c), hn::GetLane(e)};
    for (int k = 0; k < 4; ++k) to[k] = add ? to[k] + sums[k] : sums[k];
#else
    const Tag<T> d;
    if constexpr (sizeof(T) == 4) {
        fold_blocks(d, pair_sums(d, pair_sums(d, a, c), pair_sums(d, b, e)), to, add);
    } else {
        fold_blocks(d, pair_sums(d, a, b), to, add);
        fold_blocks(d, pair_sums(d, c, e), to + 2, add);
    }
#endif
}

// Matrices

/// y[m] = x[m] W of M vectors at once, m apart by `in_stride` and `out_stride`; y += when add.
template <int M, class T>
HWY_INLINE void multiply(std::size_t n_in, std::size_t n_out, const T* x, std::size_t in_stride, const T* W,
                         T* y, std::size_t out_stride, bool add = false) {
    for (std::size_t o = 0; o < n_out; o += width<T>) {
        V<T> even[M], odd[M];
        for (int m = 0; m < M; ++m) {
            even[m] = add ? load(y + m * out_stride + o) : hn::Zero(Tag<T>());
            odd[m] = hn::Zero(Tag<T>());
        }
        std::size_t i = 0;
        for (; i + 1 < n_in; i += 2) {
            const V<T> w0 = load(W + i * n_out + o), w1 = load(W + (i + 1) * n_out + o);
            for (int m = 0; m < M; ++m) {
                even[m] = hn::MulAdd(all(x[m * in_stride + i]), w0, even[m]);
                odd[m] = hn::MulAdd(all(x[m * in_stride + i + 1]), w1, odd[m]);
            }
        }
        if (i < n_in)
            for (int m = 0; m < M; ++m)
                even[m] = hn::MulAdd(all(x[m * in_stride + i]), load(W + i * n_out + o), even[m]);
        for (int m = 0; m < M; ++m) store(hn::Add(even[m], odd[m]), y + m * out_stride + o);
    }
}
template <class T>
void times(const MaceMatrix<T>& W, std::size_t element, const T* x, T* y, bool add = false) {
    multiply<1>(W.in, padded_channels<T>(W.out), x, 0, W.rows.data() + element * W.stride, y, 0, add);
}
template <class T>
void times_transposed(const MaceMatrix<T>& W, std::size_t element, const T* x, T* y, bool add = false) {
    multiply<1>(W.out, padded_channels<T>(W.in), x, 0, W.transposed.data() + element * W.transposed_stride, y,
                0, add);
}

/// One matrix for each l, over the 2 l + 1 components.
template <int L, bool transposed, class T>
void mix(const MaceLayerTables<T>& layer, std::size_t element, const T* x, T* y) {
    const std::size_t in = transposed ? layer.P : layer.C, out = transposed ? layer.C : layer.P;
    const auto one = [&](auto l_constant) {
        constexpr int l = decltype(l_constant)::value;
        if constexpr (l <= L) {
            const MaceMatrix<T>& W = layer.mixing[l];
            const T* rows = transposed ? W.transposed.data() + element * W.transposed_stride
                                       : W.rows.data() + element * W.stride;
            multiply<2 * l + 1>(transposed ? W.out : W.in, out, x + l * l * in, in, rows, y + l * l * out,
                                out);
        }
    };
    one(std::integral_constant<int, 0>());
    one(std::integral_constant<int, 1>());
    one(std::integral_constant<int, 2>());
    one(std::integral_constant<int, 3>());
}

/// B and dB/dA of one atom.
template <int L, class T>
void product(const MaceLayerTables<T>& layer, std::size_t element, const T* A, T* B, T* dB) {
    constexpr std::size_t n_lm = (L + 1) * (L + 1);
    const std::size_t P = layer.P;
    const T* of_element = layer.coefficients.data() + element * layer.monomials.size() * P;
    for (std::size_t p = 0; p < P; p += width<T>) {
        V<T> a[n_lm], g[n_lm], b = hn::Zero(Tag<T>());
        for (std::size_t lm = 0; lm < n_lm; ++lm) {
            a[lm] = load(A + lm * P + p);
            g[lm] = hn::Zero(Tag<T>());
        }
        const T* k = of_element + p;
        std::size_t t = 0;
        for (; t < layer.degree_end[1]; ++t, k += P) {
            const std::size_t i = layer.monomials[t][0];
            b = hn::MulAdd(load(k), a[i], b);
            g[i] = hn::Add(g[i], load(k));
        }
        for (; t < layer.degree_end[2]; ++t, k += P) {
            const auto [i, j, none] = layer.monomials[t];
            const V<T> ki = hn::Mul(load(k), a[i]);
            b = hn::MulAdd(ki, a[j], b);
            g[i] = hn::MulAdd(load(k), a[j], g[i]);
            g[j] = hn::Add(g[j], ki);
        }
        for (; t < layer.degree_end[3]; ++t, k += P) {
            const auto [i, j, m] = layer.monomials[t];
            const V<T> ki = hn::Mul(load(k), a[i]), kj = hn::Mul(load(k), a[j]), kij = hn::Mul(ki, a[j]);
            b = hn::MulAdd(kij, a[m], b);
            g[i] = hn::MulAdd(kj, a[m], g[i]);
            g[j] = hn::MulAdd(ki, a[m], g[j]);
            g[m] = hn::Add(g[m], kij);
        }
        store(b, B + p);
        for (std::size_t lm = 0; lm < n_lm; ++lm) store(g[lm], dB + lm * P + p);
    }
}

// Sums over neighbours and their gradients

/// A[lm][C] of atom i. `message`: features of the neighbours, or null for 1.
template <int L, class T>
void sum_neighbours(const MaceTables<T>& model, const MaceLayerTables<T>& layer, const MaceWork<T>& work,
                    std::size_t i, const T* message, T* A) {
    constexpr std::size_t n_lm = (L + 1) * (L + 1), numbers = edge_numbers(L);
    const std::size_t C = layer.C;
    const T* tables = layer.radial.data() + work.element[i] * model.n_elements * layer.radial_stride;
    for (std::size_t c = 0; c < C; c += width<T>) {
        V<T> a[n_lm];
        for (auto& x : a) x = hn::Zero(Tag<T>());
        for (std::size_t e = work.first[i]; e < work.first[i + 1]; ++e) {
            const std::size_t j = work.atom[e];
            const T* edge = work.edge.data() + e * numbers;
            const T* at =
                tables + work.element[j] * layer.radial_stride + work.knot[e] * spline_rows * (L + 1) * C + c;
            const V<T> w0 = all(edge[0]), w1 = all(edge[1]), w2 = all(edge[2]);
            const T* Y = edge + edge_weights;
            const V<T> h = message ? load(message + j * C + c) : hn::Zero(Tag<T>());
            for (std::size_t l = 0; l <= L; ++l, at += C) {
                V<T> s = hn::MulAdd(w0, load(at + spline_row[0] * (L + 1) * C), load(at));
                s = hn::MulAdd(w1, load(at + spline_row[1] * (L + 1) * C), s);
                s = hn::MulAdd(w2, load(at + spline_row[2] * (L + 1) * C), s);
                if (message) s = hn::Mul(s, h);
                for (std::size_t lm = l * l; lm < (l + 1) * (l + 1); ++lm)
                    a[lm] = lm == 0 ? hn::Add(a[0], s) : hn::MulAdd(all(Y[lm]), s, a[lm]);
            }
        }
        for (std::size_t lm = 0; lm < n_lm; ++lm) store(a[lm], A + lm * C + c);
    }
}

/// Adds or sets the gradient of the pairs of atom i, given dE/dA[lm][C]; adds to the gradient of the
/// neighbours' message.
template <int L, bool with_message, class T>
void spread_gradient(const MaceTables<T>& model, const MaceLayerTables<T>& layer, MaceWork<T>& work,
                     std::size_t i, const T* G) {
    constexpr std::size_t numbers = edge_numbers(L);
    const std::size_t C = layer.C;
    const T* tables = layer.radial.data() + work.element[i] * model.n_elements * layer.radial_stride;
    const V<T> zero = hn::Zero(Tag<T>());
    // Derivatives of Y by the unit vector, of any continuation away from the sphere: the radial part is
    // removed later.
    const T s3 = T(1.7320508075688772), s15 = T(3.8729833462074170), s45 = T(6.7082039324993694);
    const T b = T(6.2749501990055663), q = T(10.246950765959598), f = T(1.3228756555322954),
            root42 = T(1.6201851746019651);
    for (std::size_t e = work.first[i]; e < work.first[i + 1]; ++e) {
        const std::size_t j = work.atom[e];
        const T* edge = work.edge.data() + e * numbers;
        const T* direction = work.direction.data() + 3 * e;
        const T x = direction[0], y = direction[1], z = direction[2];
        const T* Y = edge + edge_weights;
        const T* at =
            tables + work.element[j] * layer.radial_stride + work.knot[e] * spline_rows * (L + 1) * C;
        V<T> gx = zero, gy = zero, gz = zero, gr = zero;
        for (std::size_t c = 0; c < C; c += width<T>) {
            V<T> h = zero, gh = zero, radial = zero;
            if constexpr (with_message) h = load(work.message.data() + j * C + c);
            const auto component = [&](std::size_t lm) { return load(G + lm * C + c); };
            /// What each l adds to dE/dh and dE/dr; returns R h.
            const auto add_l = [&](std::size_t l, V<T> along) {
                const T* p = at + l * C + c;
                const V<T> p0 = load(p + spline_row[0] * (L + 1) * C),
                           p1 = load(p + spline_row[1] * (L + 1) * C),
                           p2 = load(p + spline_row[2] * (L + 1) * C);
                V<T> s = hn::MulAdd(all(edge[0]), p0, load(p)), ds = hn::Mul(all(edge[3]), p0);
                s = hn::MulAdd(all(edge[1]), p1, s);
                ds = hn::MulAdd(all(edge[4]), p1, ds);
                s = hn::MulAdd(all(edge[2]), p2, s);
                ds = hn::MulAdd(all(edge[5]), p2, ds);
                radial = hn::MulAdd(ds, along, radial);
                if constexpr (with_message) {
                    gh = hn::MulAdd(s, along, gh);
                    return hn::Mul(s, h);
                } else {
                    return s;
                }
            };
            add_l(0, component(0));
            if constexpr (L >= 1) {
                const V<T> g1 = component(1), g2 = component(2), g3 = component(3);
                V<T> along = hn::Mul(all(Y[1]), g1);
                along = hn::MulAdd(all(Y[2]), g2, along);
                along = hn::MulAdd(all(Y[3]), g3, along);
                const V<T> a = hn::Mul(all(s3), add_l(1, along));
                gx = hn::MulAdd(a, g1, gx);
                gy = hn::MulAdd(a, g2, gy);
                gz = hn::MulAdd(a, g3, gz);
            }
            if constexpr (L >= 2) {
                const V<T> g4 = component(4), g5 = component(5), g6 = component(6), g7 = component(7),
                           g8 = component(8);
                V<T> along = hn::Mul(all(Y[4]), g4);
                along = hn::MulAdd(all(Y[5]), g5, along);
                along = hn::MulAdd(all(Y[6]), g6, along);
                along = hn::MulAdd(all(Y[7]), g7, along);
                along = hn::MulAdd(all(Y[8]), g8, along);
                const V<T> a = add_l(2, along);
                const V<T> X = all(s15 * x), U = all(s15 * y), Z = all(s15 * z);
                V<T> tx = hn::Mul(Z, g4), ty = hn::Mul(X, g5), tz = hn::Mul(X, g4);
                tx = hn::MulAdd(U, g5, tx);
                tx = hn::NegMulAdd(X, g8, tx);
                ty = hn::MulAdd(all(s45 * y), g6, ty);
                ty = hn::MulAdd(Z, g7, ty);
                tz = hn::MulAdd(U, g7, tz);
                tz = hn::MulAdd(Z, g8, tz);
                gx = hn::MulAdd(a, tx, gx);
                gy = hn::MulAdd(a, ty, gy);
                gz = hn::MulAdd(a, tz, gz);
            }
            if constexpr (L >= 3) {
                V<T> along = hn::Mul(all(Y[9]), component(9));
                for (std::size_t lm = 10; lm < 16; ++lm) along = hn::MulAdd(all(Y[lm]), component(lm), along);
                const V<T> a = add_l(3, along);
                const V<T> zx = all(b * (z * z - x * x)), xz = all(2 * b * x * z);
                const V<T> qyz = all(q * y * z), qxz = all(q * x * z), qxy = all(q * x * y);
                const V<T> pole = all(root42 * (5 * y * y - 1)), px = all(10 * root42 * x * y),
                           pz = all(10 * root42 * y * z);
                V<T> tx = hn::Mul(zx, component(9)), ty = hn::Mul(qxz, component(10)),
                     tz = hn::Mul(xz, component(9));
                tx = hn::MulAdd(qyz, component(10), tx);
                tx = hn::MulAdd(pole, component(11), tx);
                tx = hn::NegMulAdd(qxy, component(14), tx);
                tx = hn::NegMulAdd(xz, component(15), tx);
                ty = hn::MulAdd(px, component(11), ty);
                ty = hn::MulAdd(all(f * (15 * y * y - 3)), component(12), ty);
                ty = hn::MulAdd(pz, component(13), ty);
                ty = hn::MulAdd(all(T(0.5) * q * (z * z - x * x)), component(14), ty);
                tz = hn::MulAdd(qxy, component(10), tz);
                tz = hn::MulAdd(pole, component(13), tz);
                tz = hn::MulAdd(qyz, component(14), tz);
                tz = hn::MulAdd(zx, component(15), tz);
                gx = hn::MulAdd(a, tx, gx);
                gy = hn::MulAdd(a, ty, gy);
                gz = hn::MulAdd(a, tz, gz);
            }
            if constexpr (with_message) {
                T* to = work.gradient_message.data() + j * C + c;
                store(hn::Add(load(to), gh), to);
                gr = hn::MulAdd(h, radial, gr);
            } else {
                gr = hn::Add(gr, radial);
            }
        }
        sums_of_four<T>(gx, gy, gz, gr, work.gradient.data() + 4 * e, !with_message);
    }
}

/// 1 / (1 + sum rho) of atom i; 1 without a density.
template <int L, class T>
T inverse_density(const MaceTables<T>& model, const MaceLayerTables<T>& layer, const MaceWork<T>& work,
                  std::size_t i) {
    if (layer.density.empty()) return 1;
    T sum = 1;
    for (std::size_t e = work.first[i]; e < work.first[i + 1]; ++e) {
        const std::size_t pair = work.element[i] * model.n_elements + work.element[work.atom[e]];
        const T* at = layer.density.data() + pair * layer.density_stride + work.knot[e] * spline_rows;
        const T* edge = work.edge.data() + e * edge_numbers(L);
        sum += at[0];
        for (int k = 0; k < 3; ++k) sum += edge[k] * at[spline_row[k]];
    }
    return 1 / sum;
}

/// Adds what the density of atom i does: `factor` = dE/d(sum rho).
template <int L, class T>
void spread_density(const MaceTables<T>& model, const MaceLayerTables<T>& layer, MaceWork<T>& work,
                    std::size_t i, T factor) {
    if (layer.density.empty()) return;
    for (std::size_t e = work.first[i]; e < work.first[i + 1]; ++e) {
        const std::size_t pair = work.element[i] * model.n_elements + work.element[work.atom[e]];
        const T* at = layer.density.data() + pair * layer.density_stride + work.knot[e] * spline_rows;
        const T* edge = work.edge.data() + e * edge_numbers(L);
        T slope = 0;
        for (int k = 0; k < 3; ++k) slope += edge[3 + k] * at[spline_row[k]];
        work.gradient[4 * e + 3] += factor * slope;
    }
}

/// x *= s; returns the sum of the products with y before that.
template <class T>
T scale_and_dot(std::size_t n, T s, T* x, const T* y) {
    V<T> sum = hn::Zero(Tag<T>());
    for (std::size_t k = 0; k < n; k += width<T>) {
        sum = hn::MulAdd(load(x + k), load(y + k), sum);
        store(hn::Mul(all(s), load(x + k)), x + k);
    }
    return sum_of<T>(sum);
}

template <class T>
T dot(std::size_t n, const T* x, const T* y) {
    V<T> sum = hn::Zero(Tag<T>());
    for (std::size_t k = 0; k < n; k += width<T>) sum = hn::MulAdd(load(x + k), load(y + k), sum);
    return sum_of<T>(sum);
}

/// Energy of the hidden units x, which become its gradient.
template <class T>
T read_out(std::size_t n, const T* readout, T* x) {
    const Tag<T> d;
    const V<T> one = all(T(1));
    V<T> sum = hn::Zero(d);
    for (std::size_t u = 0; u < n; u += width<T>) {
        const V<T> v = load(x + u), r = load(readout + u);
        const V<T> s = hn::Div(one, hn::Add(one, hn::Exp(d, hn::Min(hn::Neg(v), all(T(80))))));
        const V<T> vs = hn::Mul(v, s);
        sum = hn::MulAdd(r, vs, sum);
        store(hn::Mul(r, hn::Add(s, hn::Mul(vs, hn::Sub(one, s)))), x + u);
    }
    return sum_of<T>(sum);
}

template <int L, class T>
void evaluate(const MaceTables<T>& model, MaceWork<T>& work) {
    constexpr std::size_t n_lm = (L + 1) * (L + 1);
    const MaceLayerTables<T>&first = model.layers[0], &second = model.layers[1];
    const std::size_t n = work.element.size(), P0 = first.P, C1 = second.C, P1 = second.P, H = model.H;
    // of one atom: A and its gradient before mixing, then after it; products; hidden units
    const std::size_t widest = n_lm * std::max({first.C, first.P, second.C, second.P});
    T* raw = work.scratch.data();
    T *mixed = raw + widest, *slope = mixed + widest, *B1 = slope + widest, *hidden = B1 + P1;

    for (std::size_t i = 0; i < n; ++i) { // layer 0
        const std::size_t z = work.element[i];
        T *A = raw, *dB = work.dB.data() + i * n_lm * P0, *B = work.B.data() + i * P0;
        sum_neighbours<L, T>(model, first, work, i, nullptr, A);
        if (!first.density.empty()) {
            work.density[i] = inverse_density<L>(model, first, work, i);
            for (std::size_t k = 0; k < n_lm * first.C; ++k) A[k] *= work.density[i];
        }
        if (!first.mixing.empty()) {
            mix<L, false>(first, z, A, mixed);
            A = mixed;
        }
        if (!first.density.empty()) std::copy(A, A + n_lm * P0, work.A.data() + i * n_lm * P0);
        product<L>(first, z, A, B, dB);
        T* message = work.message.data() + i * C1;
        std::copy_n(model.message_bias.data() + z * C1, C1, message);
        times(model.message, 0, B, message, true);
        work.energy[i] = static_cast<double>(dot(P0, B, model.linear_readout.data()));
    }
    for (std::size_t i = 0; i < n; ++i) { // layer 1 and its gradient up to the atom
        const std::size_t z = work.element[i];
        T* G = work.gradient_A.data() + i * n_lm * C1;
        sum_neighbours<L>(model, second, work, i, work.message.data(), raw);
        const T density = inverse_density<L>(model, second, work, i);
        if (!second.density.empty())
            for (std::size_t k = 0; k < n_lm * C1; ++k) raw[k] *= density;
        const bool mixes = !second.mixing.empty();
        if (mixes) mix<L, false>(second, z, raw, mixed);
        product<L>(second, z, mixes ? mixed : raw, B1, slope);
        std::copy_n(model.hidden_bias.data() + z * H, H, hidden);
        times(model.hidden_first, z, work.B.data() + i * P0, hidden, true);
        times(model.hidden_second, 0, B1, hidden, true);
        work.energy[i] += static_cast<double>(read_out(H, model.readout.data(), hidden));

        T* gradient_B = work.gradient_B.data() + i * P0;
        std::copy_n(model.linear_readout.data(), P0, gradient_B);
        times_transposed(model.hidden_first, z, hidden, gradient_B, true);
        times_transposed(model.hidden_second, 0, hidden, B1);
        T* into = mixes ? slope : G;
        for (std::size_t lm = 0; lm < n_lm; ++lm)
            for (std::size_t p = 0; p < P1; p += width<T>)
                store(hn::Mul(load(B1 + p), load(slope + lm * P1 + p)), into + lm * P1 + p);
        if (mixes) mix<L, true>(second, z, slope, G);
        if (!second.density.empty())
            work.gradient_density[i] = -density * scale_and_dot(n_lm * C1, density, G, raw);
    }
    std::fill(work.gradient_message.begin(), work.gradient_message.end(), T(0));
    for (std::size_t i = 0; i < n; ++i) {
        spread_gradient<L, true>(model, second, work, i, work.gradient_A.data() + i * n_lm * C1);
        spread_density<L>(model, second, work, i, work.gradient_density[i]);
    }
    for (std::size_t i = 0; i < n; ++i) {
        const std::size_t z = work.element[i];
        T* gradient_B = work.gradient_B.data() + i * P0;
        times_transposed(model.message, 0, work.gradient_message.data() + i * C1, gradient_B, true);
        T* G = mixed;
        for (std::size_t lm = 0; lm < n_lm; ++lm)
            for (std::size_t p = 0; p < P0; p += width<T>)
                store(hn::Mul(load(gradient_B + p), load(work.dB.data() + (i * n_lm + lm) * P0 + p)),
                      G + lm * P0 + p);
        T by_density = 0;
        if (!first.density.empty()) // A' is linear in A: the same sum before and after mixing
            by_density = -work.density[i] *
                         scale_and_dot(n_lm * P0, work.density[i], G, work.A.data() + i * n_lm * P0);
        if (!first.mixing.empty()) {
            mix<L, true>(first, z, G, raw);
            G = raw;
        }
        spread_gradient<L, false>(model, first, work, i, G);
        spread_density<L>(model, first, work, i, by_density);
    }
}

template <class T>
HWY_INLINE void evaluate_any(const MaceTables<T>& model, MaceWork<T>& work) {
    switch (model.l_max) {
    case 0:
        return evaluate<0>(model, work);
    case 1:
        return evaluate<1>(model, work);
    case 2:
        return evaluate<2>(model, work);
    default:
        return evaluate<3>(model, work);
    }
}
void evaluate_single(const MaceTables<float>& model, MaceWork<float>& work) { evaluate_any(model, work); }
void evaluate_double(const MaceTables<double>& model, MaceWork<double>& work) { evaluate_any(model, work); }

} // namespace HWY_NAMESPACE
} // namespace mesolith
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace mesolith {

HWY_EXPORT(evaluate_single);
HWY_EXPORT(evaluate_double);

void evaluate_mace(const MaceTables<float>& model, MaceWork<float>& work) {
    HWY_DYNAMIC_DISPATCH(evaluate_single)(model, work);
}
void evaluate_mace(const MaceTables<double>& model, MaceWork<double>& work) {
    HWY_DYNAMIC_DISPATCH(evaluate_double)(model, work);
}

} // namespace mesolith
#endif
