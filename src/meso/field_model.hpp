#pragma once
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "mesolith/core/parallel.hpp"
#include "mesolith/meso/field.hpp"

#include "field_rows.hpp"

namespace mesolith {

/// What steps and measures of fields of one domain share.
template <class T>
struct FieldModel {
    /// Cells of one class up to x = end.
    struct Run {
        std::uint32_t end, cell_class;
        auto operator<=>(const Run&) const = default;
    };
    /// Ions on a site of a class leave the domain through face 2 axis + side.
    struct Exit {
        std::uint32_t site, face;
        double p;
    };

    Domain domain;
    std::vector<FieldTerm<T>> terms; // of line l: [begin[l], begin[l + 1])
    std::vector<std::size_t> begin{0};
    std::vector<T> inflow;                       // of each line
    std::vector<std::uint32_t> class_line;       // [class][site]
    std::vector<std::pair<int, int>> neighbours; // distinct (R_2, R_3) of sources, modulo periodic sizes

    std::vector<Run> runs; // of list k: [run_begin[k], run_begin[k + 1])
    std::vector<std::size_t> run_begin{0};
    std::vector<std::uint32_t> run_list; // of each plane; empty: all have list 0

    std::vector<Exit> exits; // of class c: [exit_begin[c], exit_begin[c + 1])
    std::vector<std::size_t> exit_begin{0};
    FieldExchange inflow_of_step;
};

/// What is not for users.
struct FieldAccess {
    template <class T>
    static T* now(Field<T>& field) {
        return field.now_.data()->values;
    }
    /// The other array, of layout().size() values: whatever is in it may be lost.
    template <class T>
    static T* scratch(Field<T>& field) {
        return field.next_.data()->values;
    }
};

/// Continue the values of x in [0, n) over all that a step may read: periodically, or by zeros.
template <class T>
void fill_margin(T* row, const FieldLayout& layout, bool periodic) {
    const auto n = static_cast<std::size_t>(layout.cells[0]);
    if (periodic) {
        for (std::size_t x = n; x < layout.computed + layout.margin; ++x) row[x] = row[x - n];
        for (std::size_t x = 1; x <= layout.margin; ++x) *(row - x) = *(row - x + n);
    } else {
        for (std::size_t x = n; x < layout.computed + layout.margin; ++x) row[x] = 0;
        for (std::size_t x = 1; x <= layout.margin; ++x) *(row - x) = 0;
    }
}

inline constexpr std::size_t planes_per_block = 8;

/// f(y, z) of all planes, summed in their order.
template <class S, class F>
S sum_over_planes(const FieldLayout& layout, S zero, F&& f) {
    std::vector<S> parts(layout.n_planes(), zero);
    const auto ny = static_cast<std::size_t>(layout.cells[1]);
    for_blocks(parts.size(), planes_per_block, [&](std::size_t begin, std::size_t end) {
        for (std::size_t p = begin; p < end; ++p) parts[p] = f(p % ny, p / ny);
    });
    for (const S& part : parts) zero += part;
    return zero;
}

} // namespace mesolith
