#pragma once
#include <array>
#include <cstddef>

#include <Eigen/Core>

namespace mesolith {

/// Householder reduction of a real symmetric matrix to tridiagonal form, eigenvalues only: the rank-2 update
/// of one step and the matrix-vector product of the next share one pass over the matrix (lower triangle),
/// which is what its time goes into. AVX2 where the processor has it.
/// @param a        n x n, destroyed
/// @param diagonal n values, `beside` n - 1 values
void reduce_to_tridiagonal(Eigen::MatrixXd& a, Eigen::VectorXd& diagonal, Eigen::VectorXd& beside);

inline constexpr std::size_t sturm_lanes = 8;
using SturmLanes = std::array<double, sturm_lanes>;

/// Number of negative pivots of T - x for eight x at once: that many eigenvalues of the tridiagonal T lie
/// below.
/// @param squares         of the n - 1 elements beside the diagonal
/// @param smallest_pivot  smaller pivots count as -smallest_pivot
SturmLanes sturm_counts(const double* diagonal, const double* squares, Eigen::Index n, double smallest_pivot,
                        const SturmLanes& x);

} // namespace mesolith
