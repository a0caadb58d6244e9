#pragma once
#include <vector>

#include "mesolith/msm/classes.hpp"
#include "mesolith/msm/kernel.hpp"
#include "mesolith/msm/transition_counts.hpp"

namespace mesolith {

/// Exact long-time transport of one closed class of a kernel.
struct ClassTransport {
    double weight = 1;                ///< share of the ions
    Mat3 diffusivity = Mat3::Zero();  ///< D [A^2/ps]
    Mat3 uncorrelated = Mat3::Zero(); ///< first part: as if steps of length tau were independent
    Mat3 correlation = Mat3::Zero();  ///< second part: D = uncorrelated + correlation
    Vec3 drift = Vec3::Zero();        ///< mean velocity [A/ps], exactly zero with detailed balance
};

struct Transport {
    Mat3 diffusivity = Mat3::Zero(); ///< D of a tagged ion, averaged over classes by weight [A^2/ps]
    Mat3 uncorrelated = Mat3::Zero();
    Mat3 correlation = Mat3::Zero();
    Vec3 drift = Vec3::Zero();           ///< [A/ps]
    std::vector<ClassTransport> classes; ///< in the order of ClassStructure::classes
    /// Corrected displacement u = d + chi_to - chi_from - v of each kernel entry [A]; rows as
    /// Kernel::entries. Share of an entry in D_ab: pi_j p u_a u_b / (2 tau).
    std::vector<Vec3> corrected;
};

/// Diffusion tensor of the infinite crystal, exact, no walkers and no fit: corrector form. With P = sum_R
/// M(R), a_j = sum M d:
///   (I - P^T) chi = a - v,  u = d + chi_to - chi_from - v,  2 tau D = sum_{j, i, R} pi_j M_ij(R) u u^T
/// per closed class; holds with and without detailed balance.
/// Nearly reducible kernels are the normal case: chi comes from a subtraction-free elimination (star-mesh
/// with displacements where `reversible`) in a gauge where strong hops carry no displacement along slow
/// directions.
///
/// Measured against fifty digits on 720 crystals of 5 to 30 sites with hop probabilities over 14 decades:
/// each component of D is right to 1e-13 of itself with detailed balance, to 5e-11 without. The exception: in
/// a kernel *without* detailed balance made of parts whose drifts cancel, D_ab between a fast and a slow
/// direction has an error of about 1e-17 over the probability at which the parts exchange (the rounding of
/// the drifts, 1e-3 of itself at 1e-14); the diagonal stays right to 1e-14.
///
/// Cost: 26 sites tens of microseconds, 400 sites 8 ms, 2000 sites in three dimensions 0.3 s. More than 3000
/// sites in a class: Jacobi-preconditioned conjugate gradients on the pi-weighted Laplacian (reversible) or
/// sparse LU (not), good to about 1e-9 of the largest component.
/// @throws DataError when a solve fails
[[nodiscard]] Transport exact_transport(const Kernel& kernel);
[[nodiscard]] Transport exact_transport(const Kernel& kernel, const ClassStructure& classes);

/// MSD tensor after n steps for a walker started from the stationary distribution (per class), exact:
/// moments of M(k) at k = 0 to second order, multiplied up by squaring for large n, vector recursion for
/// small n.
///   z' = P z,  f' = P f + A z,  s' = P s + A f + f A + B z,   A = sum M d,  B = sum M d d^T
/// @param steps  ascending, >= 0
[[nodiscard]] std::vector<Mat3> exact_msd(const Kernel& kernel, const std::vector<std::int64_t>& steps);

/// The same in continuous time, by the rates K = (M - I) / tau, at t = n tau. The number of draws until then
/// is Poisson distributed with mean n: the sum over it, to 1e-16, up to n = 1000; beyond
/// MSD(n) + n MSD''(n) / 2, exact where the MSD is a straight line over sqrt(n) steps.
[[nodiscard]] std::vector<Mat3> exact_msd_in_continuous_time(const Kernel& kernel,
                                                             const std::vector<std::int64_t>& steps);

/// Number of independent hops behind D_xx, D_yy, D_zz: n = (sum w)^2 / sum (w^2 / h), with w the share of a
/// transition, its reverse and all that share their counts (jump_numbers) in D_aa and h the number of times
/// they were seen in windows that do not overlap.
/// 1/sqrt(n) is the relative error of D_aa that counting noise alone would give (delta method, dD/dg = u^2).
[[nodiscard]] Vec3 hops_behind(const Kernel& kernel, const Transport& transport,
                               const TransitionCounts& counts);

} // namespace mesolith
