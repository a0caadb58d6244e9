#pragma once
// Values and types of options as text, in TOML and in words.
#include <algorithm>
#include <type_traits>

#include <fmt/format.h>

#include "fields.hpp"

namespace mesolith {

inline std::string toml_text(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\')
            out += {'\\', c};
        else if (c == '\n')
            out += "\\n";
        else if (c == '\t')
            out += "\\t";
        else if (byte < 0x20 || byte == 0x7f)
            out += fmt::format("\\u{:04X}", byte);
        else
            out += c;
    }
    return out + '"';
}

template <class E>
requires std::is_enum_v<E> std::string_view name_of(E value) {
    return names_of(value)[static_cast<std::size_t>(value)];
}

// Values as TOML.
inline std::string toml_of(bool value) { return value ? "true" : "false"; }
inline std::string toml_of(std::int64_t value) { return fmt::format("{}", value); }
inline std::string toml_of(double value) { return fmt::format("{}", value); }
inline std::string toml_of(const std::string& value) { return toml_text(value); }
template <class E>
requires std::is_enum_v<E> std::string toml_of(E value) { return toml_text(name_of(value)); }
template <class Range>
requires requires(const Range& r) {
    r.size();
    *r.begin();
} &&(!std::is_convertible_v<const Range&, std::string>)std::string toml_of(const Range& list) {
    std::string out = "[";
    for (const auto& item : list) {
        if (out.size() > 1) out += ", ";
        out += toml_of(item);
    }
    return out + "]";
}
inline std::string toml_of(const Vec3& v) { return toml_of(std::array<double, 3>{v[0], v[1], v[2]}); }
inline std::string toml_of(const IVec3& v) { return toml_of(std::array<std::int64_t, 3>{v[0], v[1], v[2]}); }
inline std::string toml_of(const std::map<int, std::string>& types) {
    std::string out = "{";
    for (const auto& [type, element] : types)
        out += fmt::format("{} \"{}\" = {}", out.size() > 1 ? "," : "", type, toml_text(element));
    return out + " }";
}
inline std::string toml_of(const StationaryOption& value) {
    switch (value.kind) {
    case StationaryOption::Kind::estimated:
        return "\"estimated\"";
    case StationaryOption::Kind::uniform:
        return "\"uniform\"";
    case StationaryOption::Kind::given:
        break;
    }
    return toml_of(value.weights);
}
template <class T>
std::string toml_of(const std::optional<T>& value) {
    return value ? toml_of(*value) : std::string();
}

// Whether the key has a value to write.
template <class T>
bool is_set(const T&) {
    return true;
}
template <class T>
bool is_set(const std::optional<T>& value) {
    return value.has_value();
}
inline bool is_set(const std::string& value) { return !value.empty(); }
template <class T>
bool is_set(const std::vector<T>& value) {
    return !value.empty();
}
inline bool is_set(const std::map<int, std::string>& value) { return !value.empty(); }

// What is expected, in words: "a number > 0".
inline std::string range_of(const About& about) {
    const bool low = about.lowest > -1e300, high = about.highest < 1e300;
    if (low && high && !about.lowest_excluded)
        return fmt::format(" from {} to {}", about.lowest, about.highest);
    std::string out;
    if (low) out += fmt::format(" {} {}", about.lowest_excluded ? ">" : ">=", about.lowest);
    if (high) out += fmt::format("{} <= {}", low ? " and" : "", about.highest);
    return out;
}
template <class Names>
std::string one_of(const Names& names) {
    std::string out;
    for (std::size_t i = 0; i < names.size(); ++i)
        out += fmt::format("{}\"{}\"", i == 0 ? "" : i + 1 == names.size() ? " or " : ", ", names[i]);
    return out;
}
inline std::string kind_of(const bool&, const About&) { return "true or false"; }
inline std::string kind_of(const std::int64_t&, const About& a) { return "a whole number" + range_of(a); }
inline std::string kind_of(const double&, const About& a) { return "a number" + range_of(a); }
inline std::string kind_of(const std::string&, const About& a) {
    return a.allowed ? one_of(*a.allowed) : "a text";
}
template <class E>
requires std::is_enum_v<E> std::string kind_of(const E& value, const About&) {
    return one_of(names_of(value));
}
inline std::string kind_of(const std::vector<double>&, const About& a) {
    return "a list of numbers" + range_of(a);
}
inline std::string kind_of(const std::vector<std::int64_t>&, const About& a) {
    return "a list of whole numbers" + range_of(a);
}
inline std::string kind_of(const std::vector<std::string>&, const About&) { return "a list of texts"; }
inline std::string kind_of(const std::vector<FaceKind>&, const About&) {
    return "a list of 2 out of " + one_of(names_of(FaceKind{}));
}
inline std::string kind_of(const std::array<double, 2>&, const About& a) {
    return "a list of 2 numbers" + range_of(a);
}
inline std::string kind_of(const std::vector<std::array<double, 2>>&, const About& a) {
    return "a list of lists of 2 numbers" + range_of(a);
}
inline std::string kind_of(const Vec3&, const About& a) { return "a list of 3 numbers" + range_of(a); }
inline std::string kind_of(const IVec3&, const About& a) { return "a list of 3 whole numbers" + range_of(a); }
inline std::string kind_of(const std::map<int, std::string>&, const About&) {
    return "a table from type numbers to elements";
}
inline std::string kind_of(const StationaryOption&, const About&) {
    return "\"estimated\", \"uniform\" or a list of numbers >= 0";
}
template <class T>
std::string kind_of(const std::optional<T>&, const About& a) {
    return kind_of(T{}, a);
}

} // namespace mesolith
