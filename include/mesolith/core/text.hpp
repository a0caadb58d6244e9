#pragma once
#include <span>
#include <string>
#include <string_view>

namespace mesolith {

/// Edit distance: the smallest number of inserted, deleted, replaced characters and swaps of two neighbours
/// that turns a into b (optimal string alignment). Time O(|a| |b|).
[[nodiscard]] std::size_t edit_distance(std::string_view a, std::string_view b);

/// A to Z in small letters; other bytes stay.
[[nodiscard]] std::string lower_case(std::string_view text);

/// The candidate the user may have meant, for "did you mean ...?"; "" when none is near. Near: at most a
/// third of the longer word to edit (one edit at least, but never all of it), or one is the beginning of the
/// other (four characters at least). Case and '-' against '_' do not count. The first of equally near ones.
[[nodiscard]] std::string nearest_key(std::string_view word, std::span<const std::string> candidates);

/// What text_of makes of each item, one after the other.
template <class List, class F>
std::string joined(const List& list, F&& text_of, std::string_view separator = ", ") {
    std::string out;
    bool first = true;
    for (const auto& item : list) {
        if (!first) out += separator;
        first = false;
        out += text_of(item);
    }
    return out;
}

} // namespace mesolith
