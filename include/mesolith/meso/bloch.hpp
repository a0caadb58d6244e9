#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "mesolith/meso/field.hpp"

namespace mesolith {

/// Fields of a crystal many steps ahead at once. The Fourier transform over cells,
///
///     x_i(k) = sum_c x_i(c) exp(-2 pi i k.c),   k_m = 0, 1 / cells_m, 2 / cells_m, ...
///
/// makes one step of all cells one small matrix for each k,
///
///     M_ij(k) = sum_R M_ij(R) exp(-2 pi i k.R),   x(k; n) = M(k)^n x(k; 0),
///
/// and n steps its n-th power, by squaring. With detailed balance pi^-1/2 M(k) pi^1/2 is Hermitian and one
/// triangle is enough; x(-k) is the complex conjugate of x(k), so half of the k are.
struct LeapOptions {
    /// Memory for several outputs at once [B], besides the field: outputs share squarings as far as they fit.
    double max_bytes = 1e9;
    std::function<void(double)> progress = {}; ///< fraction done, 0..1; may throw to stop
};

/// x <- M^n x for every n of `steps`, counted from the field as it is; output(n, field) after each. The same
/// bits with any number of threads and vector units, up to those of FFTW's own code. Powers are taken in
/// double, transforms in T. The sum over all sites is that of the start to rounding. Errors are absolute:
/// some 1e-16 (float: 1e-7) of the largest value, also where next to nothing is. A progress function or
/// output that throws leaves a field without meaning.
/// @throws DataError when the domain is not a crystal (Domain::crystal) or steps do not ascend from 0
/// Cost: squarings of n_basis^2 matrices, n_basis^3 / 2 (or n_basis^3) complex multiply-adds each, log2(n) of
/// them or fewer, for half of the cells; memory besides that of `max_bytes`: n_basis^2 * 256 B per thread.
template <class T>
void leap(Field<T>& field, std::span<const std::int64_t> steps,
          const std::function<void(std::int64_t, const Field<T>&)>& output = {},
          const LeapOptions& options = {});
template <class T>
void leap(Field<T>& field, std::int64_t n_steps);

/// Memory of a field and of leaps to so many outputs [B].
template <class T = double>
[[nodiscard]] double leap_bytes(const Domain& domain, std::size_t n_outputs, const LeapOptions& options = {});

enum class FieldEngine {
    stencil, ///< advance: any domain
    bloch,   ///< leap: crystals
};
enum class FieldPrecision { single_precision, double_precision };

struct FieldEngineChoice {
    FieldEngine engine = FieldEngine::stencil;
    /// Predicted core time [s]: multiply-adds at a fixed rate, that of one AVX-512 core of 2023. Machines
    /// differ, but hardly in the ratio of the two.
    double stencil_seconds = 0, bloch_seconds = 0;
    std::string reason; ///< a sentence for the log
};
/// The cheaper engine to reach all of `steps` from one start.
/// @throws DataError when steps do not ascend from 0
[[nodiscard]] FieldEngineChoice
choose_field_engine(const Domain& domain, std::span<const std::int64_t> steps,
                    FieldPrecision precision = FieldPrecision::double_precision);

} // namespace mesolith
