#pragma once
#include <optional>
#include <string>
#include <vector>

#include "mesolith/core/nan.hpp"
#include "mesolith/msm/generator.hpp"

namespace mesolith {

struct LogarithmOptions {
    /// Standard error of the eigenvalues of M(kappa), or
    double eigenvalue_noise = 0;
    /// independent windows that start on each basis site (independent_windows), from which it is found: the
    /// larger of both counts. Both empty: the kernel is taken as exact.
    std::vector<double> windows = {};
    double noise_sigmas = 3;             ///< the smallest |eigenvalue| must exceed this many standard errors
    double max_negative_weight = 0.01;   ///< sum of negative over sum of positive off-diagonal rates
    double max_tail = 1e-8;              ///< share of the rates at the border of the grid of wave vectors
    std::size_t max_memory = 256u << 20; ///< of the grid [bytes]
};

/// What came of log(M) / tau. Refusal is a normal outcome: sampling noise or a lag at which fast relaxation
/// is over leave no logarithm that is a rate matrix.
struct LogarithmResult {
    bool accepted = false;
    std::string reason;                       ///< the finding in a sentence, also when accepted
    std::complex<double> smallest_eigenvalue; ///< of least modulus, over all wave vectors of the grid
    double eigenvalue_noise = 0;              ///< its standard error, 0 for a kernel taken as exact
    double negative_weight = 0;               ///< NaN when there is no logarithm
    IVec3 grid = IVec3::Ones();               ///< wave vectors per axis
    double tail = 0; ///< share of |K(R)| off the diagonal in the cells at the border of the grid
    /// D of the generator after clipping [A^2/ps], also when its negative weight is too large; NaN when
    /// there is no logarithm.
    Mat3 diffusivity = Mat3::Constant(nan_value);
    std::optional<Generator> generator; ///< negative rates clipped, detailed balance restored; if accepted
};

/// K(kappa) = log M(kappa) / tau on a grid of wave vectors that grows until K(R) has decayed at its border,
/// then K(R) by inverse Fourier transform. Accepted when the eigenvalues stand above their noise and have a
/// positive real part (of a reversible kernel: are positive), and the negative rates weigh little. Then
/// negative rates are set to zero, flows averaged with their reverse (reversible kernels), and the diagonal
/// is what the columns need. With exactly the rates of M's generator, D is that of M.
/// @throws DataError when `windows` does not fit the sites
/// Cost: one Hermitian (else complex) eigenproblem of cell size per pair of wave vectors, shared by threads.
[[nodiscard]] LogarithmResult matrix_logarithm(const Kernel& kernel, const LogarithmOptions& options = {});

/// Windows that start on each basis site, over the lag in frames: as many as do not overlap.
[[nodiscard]] std::vector<double> independent_windows(const TransitionCounts& counts);

} // namespace mesolith
