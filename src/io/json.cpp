#include "mesolith/io/json.hpp"

#include <cmath>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace mesolith {
namespace {

/// Length of the valid UTF-8 sequence at the front, 0 when there is none.
std::size_t utf8_length(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char first = byte(0);
    const std::size_t n = first < 0x80                    ? 1
                          : first >= 0xc2 && first < 0xe0 ? 2
                          : (first & 0xf0) == 0xe0        ? 3
                          : first >= 0xf0 && first < 0xf5 ? 4
                                                          : 0;
    if (n == 0 || text.size() < n) return 0;
    for (std::size_t i = 1; i < n; ++i)
        if ((byte(i) & 0xc0) != 0x80) return 0;
    // Overlong forms, surrogates, and what lies beyond U+10FFFF.
    if ((first == 0xe0 && byte(1) < 0xa0) || (first == 0xed && byte(1) > 0x9f) ||
        (first == 0xf0 && byte(1) < 0x90) || (first == 0xf4 && byte(1) > 0x8f))
        return 0;
    return n;
}

} // namespace

std::string json_text(std::string_view text) {
    std::string out = "\"";
    while (!text.empty()) {
        const char c = text[0];
        std::size_t used = 1;
        if (c == '"' || c == '\\')
            out += {'\\', c};
        else if (c == '\n')
            out += "\\n";
        else if (c == '\t')
            out += "\\t";
        else if (static_cast<unsigned char>(c) < 0x20)
            out += fmt::format("\\u{:04x}", static_cast<unsigned char>(c));
        else if (const std::size_t n = utf8_length(text); n > 0)
            out += text.substr(0, used = n);
        else
            out += "\\ufffd";
        text.remove_prefix(used);
    }
    return out + '"';
}

std::string json_number(double value) { return std::isfinite(value) ? fmt::format("{}", value) : "null"; }

std::string json_list(const std::vector<std::string>& items, const char* separator) {
    return fmt::format("[{}]", fmt::join(items, separator));
}

std::string json_numbers(const std::vector<double>& values) {
    std::vector<std::string> items;
    for (const double value : values) items.push_back(json_number(value));
    return json_list(items);
}

} // namespace mesolith
