#include "mesolith/io/csv_table.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string_view>

#include <fmt/format.h>

#include "mesolith/core/error.hpp"
#include "mesolith/core/nan.hpp"
#include "mesolith/core/text.hpp"
#include "mesolith/io/file.hpp"

namespace mesolith {
namespace {

std::string_view trimmed(std::string_view text) {
    const std::size_t first = text.find_first_not_of(" \t\r");
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

std::vector<std::string_view> split(std::string_view line, char separator) {
    std::vector<std::string_view> cells;
    for (;;) {
        const std::size_t end = line.find(separator);
        cells.push_back(trimmed(line.substr(0, end)));
        if (end == std::string_view::npos) return cells;
        line.remove_prefix(end + 1);
    }
}

std::string_view unquoted(std::string_view cell) {
    const bool quoted = cell.size() >= 2 && cell.front() == '"' && cell.back() == '"';
    return quoted ? cell.substr(1, cell.size() - 2) : cell;
}

} // namespace

std::optional<std::size_t> CsvTable::find(std::span<const std::string> candidates) const {
    for (const std::string& candidate : candidates)
        for (std::size_t k = 0; k < names.size(); ++k)
            if (lower_case(names[k]) == lower_case(candidate)) return k;
    return std::nullopt;
}

CsvTable read_csv_table(const std::string& path) {
    const std::string text = read_text_file(path);
    CsvTable table;
    table.path = path;
    char separator = ',';
    std::string_view rest = text;
    if (rest.starts_with("\xef\xbb\xbf")) rest.remove_prefix(3); // byte order mark of spreadsheets
    for (std::size_t number = 1; !rest.empty(); ++number) {
        const std::size_t end = rest.find('\n');
        const std::string_view whole = rest.substr(0, end), line = trimmed(whole); // a tab may end a row
        rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
        if (line.empty()) continue;
        if (line.front() == '#' || line.front() == '%') {
            table.comments.emplace_back(trimmed(line.substr(1)));
            continue;
        }
        if (table.names.empty()) {
            table.names_line = number;
            for (const char candidate : {',', ';', '\t'})
                if (line.find(candidate) != std::string_view::npos) {
                    separator = candidate;
                    break;
                }
            for (const std::string_view cell : split(whole, separator))
                table.names.emplace_back(unquoted(cell));
            table.columns.resize(table.names.size());
            continue;
        }
        const std::vector<std::string_view> cells = split(whole, separator);
        if (cells.size() != table.names.size())
            throw InputError(
                fmt::format("{}:{}: {} cells (the first line names {} columns). Complete the row", path,
                            number, cells.size(), table.names.size()));
        for (std::size_t k = 0; k < cells.size(); ++k) {
            std::string_view cell = unquoted(cells[k]);
            if (cell.starts_with('+')) cell.remove_prefix(1);
            double value = nan_value;
            if (!cell.empty() && lower_case(cell) != "nan") {
                const auto [last, error] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
                if (error != std::errc{} || last != cell.data() + cell.size() || !std::isfinite(value))
                    throw InputError(fmt::format("{}:{}: expected a number in column '{}', got '{}'. Correct "
                                                 "the cell, or leave it empty",
                                                 path, number, table.names[k], cells[k]));
            }
            table.columns[k].push_back(value);
        }
        table.lines.push_back(number);
    }
    if (table.names.empty())
        throw InputError(path + ": expected a table, got an empty file. Name its columns on the first line");
    if (table.lines.empty())
        throw InputError(path + ": no rows below the names of the columns. Add at least one");
    return table;
}

} // namespace mesolith
