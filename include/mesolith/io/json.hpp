#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace mesolith {

/// A JSON string with its quotes. Control characters are escaped, bytes that are no UTF-8 become U+FFFD.
[[nodiscard]] std::string json_text(std::string_view text);

/// A JSON number that reads back to the same double; null for NaN and infinities, which JSON does not have.
[[nodiscard]] std::string json_number(double value);

/// [items], each of them JSON already.
[[nodiscard]] std::string json_list(const std::vector<std::string>& items, const char* separator = ", ");

/// [numbers] as json_number writes them.
[[nodiscard]] std::string json_numbers(const std::vector<double>& values);

} // namespace mesolith
