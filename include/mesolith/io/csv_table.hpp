#pragma once
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace mesolith {

/// A table of numbers with named columns.
struct CsvTable {
    std::string path; ///< for messages
    std::vector<std::string> names;
    std::vector<std::vector<double>> columns; ///< one per name; NaN where a cell is empty or "nan"
    std::vector<std::size_t> lines;           ///< of each row in the file, counted from 1
    std::size_t names_line = 0;               ///< of the names
    std::vector<std::string> comments;        ///< lines that begin with '#' or '%', without it

    std::size_t n_rows() const { return lines.size(); }
    /// Number of the first column with one of these names (letter case and blanks around do not count).
    std::optional<std::size_t> find(std::span<const std::string> candidates) const;
};

/// Read a CSV file: names on the first line that is no comment, then one row per line; separated by commas,
/// semicolons or tabs (whichever stands in the line of names). Blank lines and those that begin with '#' or
/// '%' are skipped.
/// @throws InputError "FILE:LINE: ...": no such file, no rows, a row of another length, a cell that is no
/// number
[[nodiscard]] CsvTable read_csv_table(const std::string& path);

} // namespace mesolith
