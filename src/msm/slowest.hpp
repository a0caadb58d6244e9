#pragma once
#include <complex>
#include <vector>

#include "bloch.hpp"

namespace mesolith {

/// Eigenvalues of M(kappa) by falling modulus: all (n = 0, non-reversible kernels), or at least the n
/// slowest.
std::vector<std::complex<double>> slowest_eigenvalues(const Kernel& kernel, const OccupiedSites& sites,
                                                      const Vec3& kappa, std::size_t n);

} // namespace mesolith
