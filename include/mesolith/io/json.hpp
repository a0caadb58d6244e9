#pragma once
#include <string>
#include <string_view>

namespace mesolith {

/// A JSON string with its quotes. Control characters are escaped, bytes that are no UTF-8 become U+FFFD.
[[nodiscard]] std::string json_text(std::string_view text);

/// A JSON number that reads back to the same double; null for NaN and infinities, which JSON does not have.
[[nodiscard]] std::string json_number(double value);

} // namespace mesolith
