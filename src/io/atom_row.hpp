#pragma once
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "text_input.hpp"

namespace mesolith {

/// What a column of an atom line is.
enum class Column : std::uint8_t { skip, x, y, z, species, id, type, ix, iy, iz };

/// One atom line, as far as the columns give it.
struct AtomRow {
    std::array<double, 3> r{};
    std::array<std::int64_t, 3> image{};
    std::int64_t id = 0, type = 0;
    std::string_view species;
};

/// How to read the atom lines of a format.
struct ColumnPlan {
    std::vector<Column> columns;
    bool more_allowed = false; ///< further columns behind those of the plan

    bool has(Column c) const {
        for (const Column column : columns)
            if (column == c) return true;
        return false;
    }
};

/// False when a column is missing, too many or no number; explain_row() then says which.
inline bool parse_row(const ColumnPlan& plan, std::string_view line, AtomRow& row) {
    const char* p = line.data();
    const char* const end = p + line.size();
    for (const Column column : plan.columns) {
        p = skip_blanks(p, end);
        if (p == end) return false;
        switch (column) {
        case Column::x:
        case Column::y:
        case Column::z:
            if (!parse_real(p, end,
                            row.r[static_cast<std::size_t>(column) - static_cast<std::size_t>(Column::x)]))
                return false;
            break;
        case Column::id:
            if (!parse_integer(p, end, row.id)) return false;
            break;
        case Column::type:
            if (!parse_integer(p, end, row.type)) return false;
            break;
        case Column::ix:
        case Column::iy:
        case Column::iz:
            if (!parse_integer(
                    p, end,
                    row.image[static_cast<std::size_t>(column) - static_cast<std::size_t>(Column::ix)]))
                return false;
            break;
        case Column::species: {
            const char* const begin = p;
            while (p != end && !is_blank(*p)) ++p;
            row.species = {begin, static_cast<std::size_t>(p - begin)};
            break;
        }
        case Column::skip:
            while (p != end && !is_blank(*p)) ++p;
            break;
        }
    }
    if (!plan.more_allowed && skip_blanks(p, end) != end) return false;
    // Catches NaN and infinity as well.
    return std::abs(row.r[0]) + std::abs(row.r[1]) + std::abs(row.r[2]) < 1e12;
}

/// The error for a line that parse_row() refused. @throws FileError always
[[noreturn]] void explain_row(const TextInput& input, const ColumnPlan& plan, std::string_view line);

/// The next atom line, parsed. @throws FileError at the end of the file or when the line is wrong
inline void read_row(TextInput& input, const ColumnPlan& plan, AtomRow& row, std::size_t atom,
                     std::size_t n_atoms);

[[noreturn]] void fail_truncated(const TextInput& input, std::size_t atom, std::size_t n_atoms);

inline void read_row(TextInput& input, const ColumnPlan& plan, AtomRow& row, std::size_t atom,
                     std::size_t n_atoms) {
    std::string_view line;
    if (!input.next(line)) fail_truncated(input, atom, n_atoms);
    if (!parse_row(plan, line, row)) explain_row(input, plan, line);
}

/// Element or name of an atom label: atomic numbers and all-capital symbols ("LI") become symbols.
[[nodiscard]] std::string species_name(std::string_view label);

} // namespace mesolith
