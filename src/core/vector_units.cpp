#include "mesolith/core/vector_units.hpp"

#include <cstdint>

#include <hwy/targets.h>

namespace mesolith {

namespace {

/// Bits of Highway's targets; better ones are lower.
constexpr std::int64_t from_and_worse(std::int64_t target) { return ~(target - 1); }

} // namespace

VectorUnits vector_units() {
#if HWY_ARCH_X86
    const std::int64_t supported = hwy::SupportedTargets();
    if ((supported & (HWY_AVX3 | HWY_AVX3_DL)) != 0) return VectorUnits::avx512;
    if ((supported & HWY_AVX2) != 0) return VectorUnits::avx2;
#endif
    return VectorUnits::baseline;
}

void limit_vector_units(VectorUnits most) {
    hwy::SetSupportedTargetsForTest(0); // all that the processor has
#if HWY_ARCH_X86
    const std::int64_t all = hwy::SupportedTargets();
    if (most == VectorUnits::avx2) hwy::SetSupportedTargetsForTest(all & from_and_worse(HWY_AVX2));
    if (most == VectorUnits::baseline) hwy::SetSupportedTargetsForTest(all & from_and_worse(HWY_AVX2 << 1));
#else
    static_cast<void>(most);
#endif
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
}

} // namespace mesolith
