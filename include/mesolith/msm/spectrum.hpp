#pragma once
#include <complex>
#include <span>
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

/// t = -tau / ln |lambda| (Qaisrani et al., eq. 3), in the unit of lag_time; infinite for
/// |lambda| >= 1 - 1e-12, 0 for lambda = 0, never NaN.
[[nodiscard]] double timescale(std::complex<double> eigenvalue, double lag_time);

struct Mode {
    std::complex<double> eigenvalue;
    Vec3 kappa =
        Vec3::Zero(); ///< zero: relaxation within the folded cell; else mostly diffusion, exp(-tau k.D.k)
    double timescale(double lag_time) const { return mesolith::timescale(eigenvalue, lag_time); } ///< [ps]
};

/// Eigenvalues of M(kappa) at all given wave vectors, by falling modulus (ties: smaller kappa first). Sites
/// of zero stationary weight are left out. Reversible kernels: Hermitian after scaling by sqrt(pi); others:
/// general complex. kappa and -kappa are solved once.
[[nodiscard]] std::vector<Mode> kernel_spectrum(const Kernel& kernel, const std::vector<Vec3>& kappa);

/// The n longest timescales [ps] over the given wave vectors, falling, without the stationary mode; infinite
/// for each further closed class. Shorter when there are fewer modes. No eigenvectors.
/// Cost for N sites: a reversible kernel 4/3 N^3 flops (reduction to tridiagonal form) and n bisections below
/// 500 sites, Lanczos above; all eigenvalues of a general matrix otherwise (10 N^3).
[[nodiscard]] std::vector<double> slow_timescales(const Kernel& kernel, std::size_t n,
                                                  const std::vector<Vec3>& kappa = {Vec3::Zero()});

/// Eigenvalues that cannot be told apart: any mixture of their eigenvectors is as good.
struct ModeGroup {
    std::vector<std::size_t> members; ///< positions in the list of eigenvalues, ascending
    std::complex<double> eigenvalue;  ///< mean; of a conjugate pair the one with positive imaginary part
    std::size_t size() const { return members.size(); }
};

/// Group eigenvalues (by falling modulus) with the first of each group: equal when
///   |a - b| <= tolerance max(|1 - a|, |1 - b|) + 1e-12,
/// so that slow modes are told apart by their rates, or when they differ by less than their joint standard
/// error.
/// @param conjugates  a and conj(a) are one group: modes of a real matrix, which mixes only both together
/// @param errors      standard error of each eigenvalue, empty = exact
/// @throws DataError when there is not one error per eigenvalue
[[nodiscard]] std::vector<ModeGroup> group_modes(const Eigen::VectorXcd& eigenvalues, double tolerance = 1e-8,
                                                 bool conjugates = true, std::span<const double> errors = {});

/// Modes of one wave vector with right (columns of `right`) and left eigenvectors, by falling modulus:
///   M right_m = lambda_m right_m,   left_m^H M = lambda_m left_m^H,   left^H right = 1.
/// Zero on sites without stationary weight, which are left out. Reversible: left = right / pi. At kappa = 0
/// the stationary mode is right = pi, left = 1; several closed classes have a unit eigenvalue each, with
/// right = pi within the class and left constant on it.
struct SiteSpectrum {
    Vec3 kappa = Vec3::Zero();
    double lag_time = 0;           ///< [ps]
    bool reversible = false;       ///< real eigenvalues
    Eigen::VectorXd stationary;    ///< pi, one per site
    Eigen::VectorXcd eigenvalues;  ///< n_modes
    Eigen::MatrixXcd right, left;  ///< n_sites x n_modes, cell gauge
    std::vector<ModeGroup> groups; ///< of all modes, by falling modulus

    double timescale(std::size_t mode) const { ///< [ps]
        return mesolith::timescale(eigenvalues[static_cast<Eigen::Index>(mode)], lag_time);
    }
};

struct SpectrumOptions {
    std::size_t n_slowest = 0;     ///< at least that many modes, and whole groups; 0 = all
    double tolerance = 1e-8;       ///< of group_modes
    std::size_t dense_limit = 500; ///< sites above which a few modes are found by Lanczos (Arnoldi) iteration
};

/// Eigenvectors that are not real have their largest component on the real axis; all are deterministic, but
/// any rotation inside a group is as good.
/// Cost: dense, 9 N^3 flops (reversible), 25 N^3 (not). A non-reversible kernel above the dense limit falls
/// back on the dense solver when the iteration finds no complete set, and at a kappa where M is complex.
/// @throws DataError when a solver does not converge
[[nodiscard]] SiteSpectrum site_spectrum(const Kernel& kernel, const Vec3& kappa = Vec3::Zero(),
                                         const SpectrumOptions& options = {});

} // namespace mesolith
