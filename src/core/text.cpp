#include "mesolith/core/text.hpp"

#include <algorithm>
#include <limits>
#include <vector>

namespace mesolith {

namespace {

std::string folded(std::string_view text) {
    std::string result = lower_case(text);
    std::replace(result.begin(), result.end(), '-', '_');
    return result;
}

bool begins(std::string_view longer, std::string_view start) {
    return start.size() >= 4 && longer.substr(0, start.size()) == start;
}

} // namespace

std::string lower_case(std::string_view text) {
    std::string result(text);
    for (char& c : result)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return result;
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
    // Three rows of the table: a swap looks two rows back.
    std::vector<std::size_t> two_back(b.size() + 1), one_back(b.size() + 1), row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        std::swap(two_back, one_back);
        std::swap(one_back, row);
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t replace = one_back[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
            row[j] = std::min({one_back[j] + 1, row[j - 1] + 1, replace});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = std::min(row[j], two_back[j - 2] + 1);
        }
    }
    return row[b.size()];
}

std::string nearest_key(std::string_view word, std::span<const std::string> candidates) {
    const std::string wanted = folded(word);
    std::string nearest;
    std::size_t smallest = std::numeric_limits<std::size_t>::max();
    for (const std::string& candidate : candidates) {
        const std::string key = folded(candidate);
        const std::size_t distance = edit_distance(wanted, key);
        const std::size_t longer = std::max(wanted.size(), key.size());
        const bool near = (distance <= std::max<std::size_t>(1, longer / 3) && distance < longer) ||
                          begins(key, wanted) || begins(wanted, key);
        if (near && distance < smallest) {
            nearest = candidate;
            smallest = distance;
        }
    }
    return nearest;
}

} // namespace mesolith
