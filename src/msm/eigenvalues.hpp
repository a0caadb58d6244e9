#pragma once
// Eigenvalue routines of the spectrum: dense ones, and a few of many by Lanczos.
#include <complex>
#include <vector>

#include <Eigen/Core>
#include <Eigen/SparseCore>

namespace mesolith {

/// The n eigenvalues of largest modulus, falling: reduction to a tridiagonal matrix, then bisection by Sturm
/// sequences (eight at a time), which costs what is asked for and not n_sites iterations; all eigenvalues by
/// implicit QR when many are wanted. The lower triangle is read.
std::vector<double> largest_by_modulus(const Eigen::MatrixXd& m, std::size_t n);
std::vector<double> largest_by_modulus(const Eigen::MatrixXcd& m, std::size_t n);

/// Eigenvalues of any order and sign.
Eigen::VectorXcd general_eigenvalues(const Eigen::MatrixXd& m);
Eigen::VectorXcd general_eigenvalues(const Eigen::MatrixXcd& m);

/// Spectral norm: root of the largest eigenvalue of m^H m.
double spectral_norm(const Eigen::MatrixXd& m);
double spectral_norm(const Eigen::MatrixXcd& m);

/// Biorthonormal eigenvectors in columns, left^H right = 1; of a Hermitian matrix both are the same.
struct Eigenpairs {
    Eigen::VectorXcd values;
    Eigen::MatrixXcd right, left;
};
Eigenpairs hermitian_eigenpairs(const Eigen::MatrixXd& m);
Eigenpairs hermitian_eigenpairs(const Eigen::MatrixXcd& m);
Eigenpairs general_eigenpairs(const Eigen::MatrixXd& m);
Eigenpairs general_eigenpairs(const Eigen::MatrixXcd& m);

/// Eigenpairs of at least the n largest moduli of a sparse Hermitian matrix (Lanczos), complete down to the
/// n-th: what one starting vector cannot see (further copies of a multiple eigenvalue) is searched for again
/// with the found vectors projected out, until nothing as large is left.
/// @param known  orthonormal eigenvectors of eigenvalue 1
/// @throws DataError when the iteration does not converge
Eigenpairs lanczos_eigenpairs(const Eigen::SparseMatrix<double>& m, std::size_t n,
                              const Eigen::MatrixXd& known);
Eigenpairs lanczos_eigenpairs(const Eigen::SparseMatrix<std::complex<double>>& m, std::size_t n,
                              const Eigen::MatrixXcd& known);

/// The same for a matrix that is not Hermitian (Arnoldi for m and m^T). False when the two do not fit
/// together or a check with another starting vector finds more: use a dense solver then.
bool arnoldi_eigenpairs(const Eigen::SparseMatrix<double>& m, std::size_t n, Eigenpairs& pairs);

} // namespace mesolith
