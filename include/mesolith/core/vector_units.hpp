#pragma once

namespace mesolith {

/// Vector instructions of the processor that the inner loops of walkers and fields are compiled for
/// (Highway). All give the same bits: walkers compute in integers, fields multiply and add in the same order
/// and never fused. Where there is neither AVX2 nor AVX-512, as on other processors than x86, all are the
/// baseline.
enum class VectorUnits { baseline = 0, avx2 = 1, avx512 = 2 };

/// What the inner loops use: the best this processor has, unless limited.
[[nodiscard]] VectorUnits vector_units();

/// Use at most these (to compare results or speed), in everything that Highway dispatches. Not while a loop
/// runs.
void limit_vector_units(VectorUnits most);

} // namespace mesolith
