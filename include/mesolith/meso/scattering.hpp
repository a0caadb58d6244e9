#pragma once
#include <complex>
#include <cstdint>
#include <span>
#include <vector>

#include "mesolith/msm/kernel.hpp"

namespace mesolith {

/// Self-intermediate scattering function of the infinite crystal, from the stationary distribution, exact:
///
///     F_s(k, n) = < exp(-i k.d_n) > = 1^T M~(k)^n pi,   M~_ij(k) = sum_R M_ij(R) exp(-i k.d),  d = R.A + b_i
///     - b_j
///
/// @param kappa  k.a_m = 2 pi kappa_m (need not fit any lattice)
/// @param steps  ascending, >= 0
/// @throws DataError when steps are negative or not ascending, or the kernel has no stationary distribution
/// Cost: the lesser of n times the entries, and ln n dense products of n_sites^3, from one step count to the
/// next.
[[nodiscard]] std::vector<std::complex<double>>
intermediate_scattering(const Kernel& kernel, const Vec3& kappa, std::span<const std::int64_t> steps);

} // namespace mesolith
