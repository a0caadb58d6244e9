#pragma once
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

namespace mesolith {

/// Lines of a text file, gzipped or not, through one buffer of a few MiB. No line is copied or allocated.
/// Behind each line stands a readable character that is no digit, so that number parsers need no bounds.
class TextInput {
public:
    /// @throws InputError when there is no such file
    explicit TextInput(const std::string& path);
    ~TextInput();
    TextInput(const TextInput&) = delete;
    TextInput& operator=(const TextInput&) = delete;

    /// Next line without its line break; valid until the next call. False at the end of the file.
    bool next(std::string_view& line) {
        const char* begin = position_;
        const auto* stop =
            static_cast<const char*>(std::memchr(begin, '\n', static_cast<std::size_t>(end_ - begin)));
        if (!stop) return next_slow(line);
        line_begin_ = begin;
        position_ = stop + 1;
        if (stop > begin && stop[-1] == '\r') --stop;
        line = {begin, static_cast<std::size_t>(stop - begin)};
        ++line_number_;
        return true;
    }
    /// The line that next() gave comes once more. Only once, and before any further next().
    void step_back() {
        position_ = line_begin_;
        --line_number_;
    }
    /// Next line that holds more than blanks.
    bool next_filled(std::string_view& line);

    std::int64_t line_number() const { return line_number_; } ///< of the last line, from 1
    bool last_line_unbroken() const { return unbroken_; }     ///< the file ended without a line break
    bool compressed() const { return gz_ != nullptr; }
    double fraction_read() const;
    /// Refuse a number of atoms that cannot stand in the rest of the file, before memory is asked for it.
    void check_count(std::int64_t n) const;
    const std::string& path() const { return path_; }

    /// The frame that is being read, for error messages; negative when none is.
    void set_frame(std::int64_t frame) { frame_ = frame; }
    /// @throws FileError "FILE:LINE: problem (reason, frame N). Advice"
    [[noreturn]] void fail(const std::string& problem, const std::string& reason,
                           const std::string& advice) const;

private:
    bool next_slow(std::string_view& line);
    std::size_t fill(char* to, std::size_t space); // bytes read, 0 at the end

    std::string path_;
    int descriptor_ = -1;
    void* gz_ = nullptr;
    std::int64_t file_bytes_ = 0, bytes_read_ = 0;
    std::unique_ptr<char[]> buffer_;
    std::size_t capacity_ = 0;
    const char* position_ = nullptr;
    const char* end_ = nullptr; // one writable character behind it
    const char* line_begin_ = nullptr;
    bool at_end_ = false, unbroken_ = false;
    std::int64_t line_number_ = 0, frame_ = -1;
};

inline bool is_blank(char c) { return c == ' ' || c == '\t'; }
inline bool is_digit(char c) { return static_cast<unsigned char>(c - '0') < 10; }

inline const char* skip_blanks(const char* p, const char* end) {
    while (p != end && is_blank(*p)) ++p;
    return p;
}

inline std::string_view trim(std::string_view text) {
    while (!text.empty() && (is_blank(text.front()) || text.front() == '\r')) text.remove_prefix(1);
    while (!text.empty() && (is_blank(text.back()) || text.back() == '\r')) text.remove_suffix(1);
    return text;
}

/// Next word of the line, cut off its front; empty at the end.
inline std::string_view next_word(std::string_view& line) {
    const char* end = line.data() + line.size();
    const char* begin = skip_blanks(line.data(), end);
    const char* stop = begin;
    while (stop != end && !is_blank(*stop)) ++stop;
    line = {stop, static_cast<std::size_t>(end - stop)};
    return {begin, static_cast<std::size_t>(stop - begin)};
}

/// Read a real number at p, which must be followed by a blank or `end`, and move p behind it. False when
/// there is none. Correctly rounded: up to 15 digits the quotient of two exact doubles, otherwise
/// std::from_chars.
inline bool parse_real(const char*& p, const char* end, double& value) {
    static constexpr double power[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                       1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
    const char* q = p;
    const bool negative = *q == '-';
    if (negative || *q == '+') ++q;
    const char* const digits = q;
    std::uint64_t mantissa = 0;
    while (is_digit(*q)) mantissa = 10 * mantissa + static_cast<std::uint64_t>(*q++ - '0');
    std::ptrdiff_t n_digits = q - digits, places = 0;
    if (*q == '.') {
        const char* const fraction = ++q;
        while (is_digit(*q)) mantissa = 10 * mantissa + static_cast<std::uint64_t>(*q++ - '0');
        places = q - fraction;
        n_digits += places;
    }
    if (n_digits > 0 && n_digits <= 15 && (q >= end || is_blank(*q))) {
        value = static_cast<double>(mantissa) / power[places];
        if (negative) value = -value;
        p = q;
        return true;
    }
    const char* const begin = *p == '+' ? p + 1 : p;
    const auto [stop, error] = std::from_chars(begin, end, value);
    if (error != std::errc() || (stop < end && !is_blank(*stop))) return false;
    p = stop;
    return true;
}

inline bool parse_integer(const char*& p, const char* end, std::int64_t& value) {
    const char* const begin = *p == '+' ? p + 1 : p;
    const auto [stop, error] = std::from_chars(begin, end, value);
    if (error != std::errc() || (stop < end && !is_blank(*stop))) return false;
    p = stop;
    return true;
}

/// The whole word as a number.
inline bool to_real(std::string_view word, double& value) {
    if (word.empty()) return false;
    const char* p = word.data();
    return parse_real(p, word.data() + word.size(), value) && p == word.data() + word.size() &&
           std::isfinite(value);
}

inline bool to_integer(std::string_view word, std::int64_t& value) {
    if (word.empty()) return false;
    const char* p = word.data();
    return parse_integer(p, word.data() + word.size(), value) && p == word.data() + word.size();
}

} // namespace mesolith
