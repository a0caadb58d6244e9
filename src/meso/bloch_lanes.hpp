#pragma once
#include <cstddef>
#include <cstdint>

namespace mesolith {

/// Complex numbers of so many k at once: `lanes` real parts, then as many imaginary ones. Matrices are
/// [i][j][2][lane], vectors [i][2][lane].
inline constexpr std::size_t bloch_lanes = 8;
inline constexpr std::size_t bloch_complex = 2 * bloch_lanes;

/// An entry of the kernel: row `to`, column `from`.
struct BlochEntry {
    std::uint32_t to, from;
};

/// C = S S, S Hermitian, and its trace lane by lane: no eigenvalue of C is larger. No sums are fused.
void square_hermitian(std::size_t n, const double* S, double* C, double* size);
/// C = S S of any S, and its Frobenius norm.
void square_general(std::size_t n, const double* S, double* C, double* size);
/// y = S x.
void apply_matrix(std::size_t n, const double* S, const double* x, double* y);
/// y = sum over entries of c_e x_from, c [e][2][lane].
void apply_entries(std::size_t n, std::size_t n_entries, const BlochEntry* entries, const double* c,
                   const double* x, double* y);

} // namespace mesolith
