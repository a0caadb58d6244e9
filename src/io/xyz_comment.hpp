#pragma once
#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "mesolith/core/nan.hpp"

#include "atom_row.hpp"

namespace mesolith {

/// What mesolith uses of the second line of an extended xyz frame.
struct ExtendedComment {
    std::optional<std::array<double, 9>> lattice; ///< rows are vectors [A]
    std::string properties;                       ///< "species:S:1:pos:R:3", "" when absent
    double time_ps = nan_value;
    bool time_without_unit = false; ///< from the key `time`, taken as fs
};

/// Keys in any case, values bare or in "", '', {} or []. Returns what is wrong, "" when nothing is.
[[nodiscard]] std::string parse_extended_comment(std::string_view line, ExtendedComment& comment);

/// Columns from Properties. Returns what is wrong, "" when nothing is.
[[nodiscard]] std::string parse_properties(std::string_view text, ColumnPlan& plan);

struct Cp2kComment {
    std::optional<std::int64_t> step;
    double time_fs = nan_value;
};

/// " i =        5, time =        2.500, E =  -17.16": without `i =` the step is empty.
[[nodiscard]] Cp2kComment parse_cp2k_comment(std::string_view line);

} // namespace mesolith
