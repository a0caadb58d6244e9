// Compiled once for each kind of vector unit: Highway includes this file again.
#include "field_rows.hpp"

// Vectors in arrays must have a size: no SVE, no RVV.
#define HWY_DISABLED_TARGETS                                                                                 \
    (HWY_SSSE3 | HWY_AVX3_DL | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "meso/field_rows.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace mesolith {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// x of [x, x + vectors * width) of one row.
template <int vectors, class T>
HWY_INLINE void sum_terms(const FieldTerm<T>* term, const FieldTerm<T>* end, T inflow,
                          const T* const* neighbours, std::size_t x, T* out) {
    using D = hn::ScalableTag<T>;
    constexpr std::size_t width = hn::MaxLanes(D());
    const D d;
    hn::Vec<D> sum[vectors];
#pragma GCC unroll 8
    for (int v = 0; v < vectors; ++v) sum[v] = hn::Set(d, inflow);
    for (; term != end; ++term) {
        const T* from = neighbours[term->neighbour] + term->shift + x;
        const hn::Vec<D> p = hn::Set(d, term->p);
#pragma GCC unroll 8
        for (std::size_t v = 0; v < vectors; ++v)
            sum[v] = hn::Add(sum[v], hn::Mul(p, hn::LoadU(d, from + v * width)));
    }
#pragma GCC unroll 8
    for (std::size_t v = 0; v < vectors; ++v) hn::StoreU(sum[v], d, out + x + v * width);
}

template <class T>
HWY_INLINE void sum_run(const RowsTask<T>& task) {
    constexpr std::size_t width = hn::MaxLanes(hn::ScalableTag<T>());
    for (std::size_t i = 0; i < task.n_basis; ++i) {
        const std::uint32_t line = task.lines[i];
        const FieldTerm<T>*begin = task.terms + task.begin[line], *end = task.terms + task.begin[line + 1];
        const T inflow = task.inflow[line];
        T* out = task.out + i * task.stride;
        const auto sum = [&]<int vectors>(std::size_t x)
                             HWY_ATTR { sum_terms<vectors>(begin, end, inflow, task.neighbours, x, out); };
        std::size_t x = task.first;
        // As many sums as fit the registers: 8 of 16 or 32.
        for (; x + 8 * width <= task.last; x += 8 * width) sum.template operator()<8>(x);
        switch ((task.last - x + width - 1) / width) {
        case 8: // not whole
            sum.template operator()<8>(x);
            break;
        case 7:
            sum.template operator()<7>(x);
            break;
        case 6:
            sum.template operator()<6>(x);
            break;
        case 5:
            sum.template operator()<5>(x);
            break;
        case 4:
            sum.template operator()<4>(x);
            break;
        case 3:
            sum.template operator()<3>(x);
            break;
        case 2:
            sum.template operator()<2>(x);
            break;
        case 1:
            sum.template operator()<1>(x);
            break;
        default:
            break;
        }
    }
}

void sum_rows_double(const RowsTask<double>& task) { sum_run(task); }
void sum_rows_float(const RowsTask<float>& task) { sum_run(task); }

} // namespace HWY_NAMESPACE
} // namespace mesolith
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace mesolith {

HWY_EXPORT(sum_rows_double);
HWY_EXPORT(sum_rows_float);

void sum_rows(const RowsTask<double>& task) { HWY_DYNAMIC_DISPATCH(sum_rows_double)(task); }
void sum_rows(const RowsTask<float>& task) { HWY_DYNAMIC_DISPATCH(sum_rows_float)(task); }

} // namespace mesolith
#endif
