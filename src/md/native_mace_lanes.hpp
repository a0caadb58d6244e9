#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <new>
#include <vector>

namespace mesolith {

/// Channels are padded to whole lines of so many bytes, the widest vector.
inline constexpr std::size_t mace_line = 64;
template <class T>
constexpr std::size_t padded_channels(std::size_t n) {
    constexpr std::size_t lanes = mace_line / sizeof(T);
    return (n + lanes - 1) / lanes * lanes;
}

template <class T>
struct LineAllocator {
    using value_type = T;
    LineAllocator() = default;
    template <class U>
    explicit LineAllocator(const LineAllocator<U>&) {}
    T* allocate(std::size_t n) {
        return static_cast<T*>(::operator new(n * sizeof(T), std::align_val_t(mace_line)));
    }
    void deallocate(T* p, std::size_t) { ::operator delete(p, std::align_val_t(mace_line)); }
    bool operator==(const LineAllocator&) const { return true; }
};
template <class T>
using Lines = std::vector<T, LineAllocator<T>>;

/// A matrix [n][in][out] and its transposes, columns padded; n = 1 when all elements share it.
template <class T>
struct MaceMatrix {
    std::size_t in = 0, out = 0; ///< without padding
    std::size_t stride = 0;      ///< from one element's to the next, 0 when shared
    std::size_t transposed_stride = 0;
    Lines<T> rows;       ///< [n][in][padded out]
    Lines<T> transposed; ///< [n][out][padded in]
};

/// Of a spline at a knot: value, derivative times h, and the step D to the next value, which in single
/// precision would lose its digits as a difference of two rounded values. Between knots k and k + 1, at t of
/// h,
///   R = R_k + t (1-t)^2 R'_k + t^2 (3-2t) D_k - t^2 (1-t) R'_k+1.
inline constexpr std::size_t spline_rows = 3;
/// Behind knot k the three rows that follow its value in this sum.
inline constexpr std::array<std::size_t, 3> spline_row{1, 2, spline_rows + 1};

/// FoldedMaceLayer in precision T, channels padded with zeros. C, P: padded.
template <class T>
struct MaceLayerTables {
    std::size_t C = 0, P = 0;
    std::size_t radial_stride = 0, density_stride = 0; ///< of a pair of elements, 0 when all share a table
    Lines<T> radial;                                   ///< [pair][knot][spline_rows][l][C]
    std::vector<T> density;                            ///< [pair][knot][spline_rows]
    std::vector<MaceMatrix<T>> mixing;                 ///< by l; empty = none
    std::array<std::size_t, 4> degree_end{}; ///< monomials [degree_end[d - 1], degree_end[d]) have degree d
    std::vector<std::array<std::uint8_t, 3>> monomials;
    Lines<T> coefficients; ///< [element][monomial][P]
};

template <class T>
struct MaceTables {
    int l_max = 0;
    std::size_t n_elements = 0;
    std::array<MaceLayerTables<T>, 2> layers;
    MaceMatrix<T> message, hidden_first, hidden_second;
    std::size_t H = 0;                             ///< padded
    Lines<T> message_bias;                         ///< [element][C1]
    Lines<T> linear_readout, hidden_bias, readout; ///< [P0], [element][H], [H]
};

/// Numbers of a pair, row by row: weights of spline_row in the value and in the derivative [1/A], then Y.
inline constexpr std::size_t edge_weights = 6;
constexpr std::size_t edge_numbers(int l_max) {
    return edge_weights + static_cast<std::size_t>((l_max + 1) * (l_max + 1));
}

/// Atoms and directed pairs of one configuration, and working memory of one evaluator.
template <class T>
struct MaceWork {
    std::vector<std::uint32_t> element;    ///< [N]
    std::vector<std::uint32_t> first;      ///< [N + 1], pairs of atom i: [first[i], first[i + 1])
    std::vector<std::uint32_t> atom, knot; ///< [pairs], the neighbour; interval of the spline
    std::vector<T> edge;                   ///< [pairs][edge_numbers(l_max)]
    std::vector<T> direction;              ///< [pairs][3]
    std::vector<double> energy;            ///< out: [N], without scale and isolated atoms
    Lines<T> gradient; ///< out: [pairs][4], dE/d(unit vector), its radial part not removed, and dE/dr

    Lines<T> A, dB;         ///< [N][lm][P0]: A of layer 0 (where it has a density), and dB/dA of it
    Lines<T> B, gradient_B; ///< [N][P0]
    Lines<T> message, gradient_message; ///< [N][C1]
    Lines<T> gradient_A;                ///< [N][lm][C1], of layer 1
    Lines<T> scratch;
    std::vector<T> density;          ///< [N], 1 / (1 + sum rho) of layer 0
    std::vector<T> gradient_density; ///< [N], of layer 1's sum
};

/// Energies of the atoms and their gradient by pairs.
void evaluate_mace(const MaceTables<float>& tables, MaceWork<float>& work);
void evaluate_mace(const MaceTables<double>& tables, MaceWork<double>& work);

} // namespace mesolith
