#include "mesolith/meso/vector_units.hpp"

#include <algorithm>

namespace mesolith {

namespace {

VectorUnits limit = VectorUnits::avx512;

VectorUnits of_processor() {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f")) return VectorUnits::avx512;
    if (__builtin_cpu_supports("avx2")) return VectorUnits::avx2;
#endif
    return VectorUnits::baseline;
}

} // namespace

VectorUnits vector_units() {
    static const VectorUnits best = of_processor();
    return std::min(best, limit);
}

void limit_vector_units(VectorUnits most) { limit = most; }

} // namespace mesolith
