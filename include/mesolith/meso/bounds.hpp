#pragma once
#include <span>

#include "mesolith/crystal/cell.hpp"

namespace mesolith {

/// What can be said of the effective diffusivity of a mixture from its parts alone. D of ions that are
/// equally many in all parts (or conductivity: the formulas are those of any flux linear in a gradient); with
/// unequal weights mix w D and divide by the mean of w.
struct Bounds {
    double lower = 0, upper = 0;
};

struct Phase {
    double fraction = 0;    ///< of the volume; need not be normalised
    double diffusivity = 0; ///< [A^2/ps], >= 0
};

/// Series and parallel, 1 / sum(f / D) and sum(f D): any microstructure, along any direction (Wiener,
/// Abh. Sächs. Ges. Wiss. 32, 509 (1912)).
/// @throws DataError  for all of these: no phase, a negative or non-finite number, or fractions that are all
/// zero
[[nodiscard]] Bounds wiener_bounds(std::span<const Phase> phases);

/// Isotropic mixtures of isotropic phases in two or three dimensions,
///     D* = 1 / sum(f / (D + (d - 1) D0)) - (d - 1) D0
/// with D0 the smallest and the largest D (Hashin, Shtrikman, J. Appl. Phys. 33, 3125 (1962)). Of two phases
/// both are reached, by spheres of one coated with the other.
/// @throws DataError  when dimensions are neither 2 nor 3
[[nodiscard]] Bounds hashin_shtrikman_bounds(std::span<const Phase> phases, int dimensions = 3);

/// The D* for which sum f (D - D*) / (D + (d - 1) D*) = 0: phases in equal roles (Bruggeman,
/// Ann. Phys. 416, 636 (1935)). Zero where the phases that conduct fill less than 1/d.
[[nodiscard]] double self_consistent_diffusivity(std::span<const Phase> phases, int dimensions = 3);

struct PhaseTensor {
    double fraction = 0;
    Mat3 diffusivity = Mat3::Zero(); ///< symmetric, positive semidefinite [A^2/ps]
};
struct TensorBounds {
    Mat3 lower = Mat3::Zero(), upper = Mat3::Zero();
};
/// Harmonic and arithmetic mean as tensors: n.D n lies between n.lower n and n.upper n for every n. Where a
/// phase blocks a direction the harmonic mean is zero along it.
/// @throws DataError  also when a tensor is not symmetric or has a negative eigenvalue
[[nodiscard]] TensorBounds wiener_bounds(std::span<const PhaseTensor> phases);

/// An isotropic polycrystal of one crystal of principal diffusivities D_1, D_2, D_3.
struct PolycrystalEstimates {
    double arithmetic = 0; ///< trace / 3, the largest that is possible
    double harmonic = 0;   ///< 3 / sum 1 / D_k: no polycrystal is below
    /// For grains of no preferred shape: 1 / mean(1 / (D_k + 2 D0)) - 2 D0 with D0 the smallest and the
    /// largest D_k (Hashin, Shtrikman, Phys. Rev. 130, 129 (1963); Willemse, Caspers, J. Math. Phys. 20, 1824
    /// (1979)).
    Bounds hashin_shtrikman;
    /// sum (D_k - D*) / (D_k + 2 D*) = 0: grains as spheres among their like (Bruggeman; Helsing, Helte, J.
    /// Appl. Phys. 69, 3583 (1991)).
    double self_consistent = 0;
};
/// @throws DataError  when the tensor is not symmetric or has a negative eigenvalue
[[nodiscard]] PolycrystalEstimates polycrystal_estimates(const Mat3& diffusivity);

} // namespace mesolith
