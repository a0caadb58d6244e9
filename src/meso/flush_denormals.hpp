#pragma once
#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

namespace mesolith {

/// Numbers too small for their format (denormals, below 1e-308 in double and 1e-38 in float) count as zero in
/// a scope, on this thread: they mean nothing here, and cost a hundred times as much. On processors other
/// than x86, which have no such penalty, they stay.
class FlushDenormals {
public:
#if defined(__SSE2__)
    FlushDenormals() : old_(_mm_getcsr()) { _mm_setcsr(old_ | 0x8040u); } // flush to zero, denormals are zero
    ~FlushDenormals() { _mm_setcsr(old_); }
#else
    FlushDenormals() = default;
    ~FlushDenormals() = default;
#endif
    FlushDenormals(const FlushDenormals&) = delete;
    FlushDenormals& operator=(const FlushDenormals&) = delete;

private:
#if defined(__SSE2__)
    unsigned old_;
#endif
};

} // namespace mesolith
