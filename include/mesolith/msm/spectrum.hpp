#pragma once
#include <complex>
#include <vector>

#include "mesolith/msm/kernel.hpp"

namespace mesolith {

/// M(k) = sum_R M(R) exp(-2 pi i kappa.R), n_sites x n_sites, column-stochastic at kappa = 0 (cell gauge,
/// periodic in kappa).
/// @param kappa  wave vector in units of the reciprocal vectors of the folded cell
[[nodiscard]] Eigen::MatrixXcd bloch_matrix(const Kernel& kernel, const Vec3& kappa);

/// The wave vectors of the simulated cell, |det N| of them, zero first: kappa = N^-1 m modulo 1. The spectrum
/// of the n_sites |det N| matrix of the simulated cell is the union of the spectra of M(kappa) over them.
[[nodiscard]] std::vector<Vec3> supercell_wave_vectors(const IMat3& supercell);

struct Mode {
    std::complex<double> eigenvalue;
    Vec3 kappa =
        Vec3::Zero(); ///< zero: relaxation within the folded cell; else mostly diffusion, exp(-tau k.D.k)
    /// t = -tau / ln |lambda| (Qaisrani et al., eq. 3) [ps]; infinite for |lambda| >= 1 - 1e-12, 0 for lambda
    /// = 0.
    double timescale(double lag_time) const;
};

/// Eigenvalues of M(kappa) at all given wave vectors, by falling modulus (ties: smaller kappa first). Sites
/// of zero stationary weight are left out. Reversible kernels: Hermitian after scaling by sqrt(pi); others:
/// general complex.
[[nodiscard]] std::vector<Mode> kernel_spectrum(const Kernel& kernel, const std::vector<Vec3>& kappa);

/// Eigenvalues of P = M(0) alone with right (columns of `right`) and left eigenvectors, by falling modulus.
struct SiteSpectrum {
    Eigen::VectorXcd eigenvalues;
    Eigen::MatrixXcd right, left;
};
[[nodiscard]] SiteSpectrum site_spectrum(const Kernel& kernel);

} // namespace mesolith
