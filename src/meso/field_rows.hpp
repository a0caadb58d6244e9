#pragma once
#include <cstddef>
#include <cstdint>

namespace mesolith {

/// A source of a row, as a shift in memory.
template <class T>
struct FieldTerm {
    std::ptrdiff_t shift = 0;    // site * stride + R_1, from the first row of the source plane
    std::uint32_t neighbour = 0; // which (R_2, R_3)
    T p = 0;
};

/// Sums of all sites of one class of cells, over a run of x of one (y, z).
template <class T>
struct RowsTask {
    const FieldTerm<T>* terms;
    const std::size_t* begin; // terms of line l: [begin[l], begin[l + 1])
    const T* inflow;          // of each line
    const std::uint32_t* lines;
    const T* const* neighbours; // planes of the sources
    T* out;                     // x = 0 of site 0
    std::size_t n_basis, stride;
    std::size_t first, last; // x; what stands behind `last`, up to a cache line, is overwritten
};

/// out = inflow + sum of p * source in the order of the terms, never fused: the same bits by all vector
/// units.
void sum_rows(const RowsTask<double>& task);
void sum_rows(const RowsTask<float>& task);

} // namespace mesolith
