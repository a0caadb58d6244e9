#pragma once
#include <cmath>
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

/// The same for a list of wave vectors k [1/A], [k][step]. Threads share the wave vectors.
[[nodiscard]] std::vector<std::complex<double>> intermediate_scattering(const Kernel& kernel,
                                                                        std::span<const Vec3> wave_vectors,
                                                                        std::span<const std::int64_t> steps);

/// Bins of the distance |d|: bin b holds [b, b + 1) width [A].
struct DistanceBins {
    double width = 0.1;  ///< [A]
    std::size_t n = 200; ///< distances from n width on are counted together
    /// n for distances beyond the last bin. Edges lie 1e-6 of a bin lower, so that distances of the crystal
    /// that fall on an edge go up whatever their rounding.
    std::size_t bin_of(double distance) const {
        const double b = std::floor(distance / width + 1e-6);
        return b < static_cast<double>(n) ? static_cast<std::size_t>(b) : n;
    }
    /// @throws DataError when the width is not positive or there is no bin
    void check() const;
};

/// Self part of the van Hove function: how far an ion is from where it started.
struct VanHove {
    std::int64_t steps = 0;          ///< lags of the kernel
    std::vector<double> probability; ///< per distance bin; 4 pi r^2 G_s(r) is this over the bin width
    double beyond = 0;               ///< probability of larger distances
    double dropped = 0;              ///< probability lost by the truncation: the three add up to 1
};

/// G_s after each number of steps in the infinite crystal, from the stationary distribution. Probabilities of
/// (site, cell) are propagated from every start site, weighted by pi, and exact up to places that hold less
/// than `drop_below`, which are left out after each step and reported.
/// @param steps  ascending, >= 0
/// @throws DataError for bad steps, bins or drop_below < 0, or when a cloud covers more than 2^28 places
/// (fewer steps or a larger drop_below then) Cost: start sites x steps x places reached x entries per column;
/// the cloud is kept in its bounding box of cells. Threads share the start sites.
[[nodiscard]] std::vector<VanHove> exact_van_hove(const Kernel& kernel, std::span<const std::int64_t> steps,
                                                  const DistanceBins& bins, double drop_below = 1e-12);

} // namespace mesolith
