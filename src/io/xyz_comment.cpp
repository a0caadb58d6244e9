#include "xyz_comment.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "mesolith/core/text.hpp"
#include "mesolith/core/units.hpp"

namespace mesolith {

namespace {

/// A bare or quoted word at the front of `rest`, cut off; stops at `=` or a blank when bare. False when a
/// quote stays open.
bool take_value(std::string_view& rest, std::string_view& value) {
    if (rest.empty()) {
        value = {};
        return true;
    }
    const std::string_view opening = "\"'{[", closing = "\"'}]";
    if (const auto kind = opening.find(rest.front()); kind != std::string_view::npos) {
        const auto stop = rest.find(closing[kind], 1);
        if (stop == std::string_view::npos) return false;
        value = rest.substr(1, stop - 1);
        rest.remove_prefix(stop + 1);
        return true;
    }
    const auto stop = std::min(rest.find_first_of(" \t="), rest.size());
    value = rest.substr(0, stop);
    rest.remove_prefix(stop);
    return true;
}

} // namespace

std::string parse_extended_comment(std::string_view line, ExtendedComment& comment) {
    std::string_view rest = trim(line);
    while (!rest.empty()) {
        std::string_view key, value;
        if (!take_value(rest, key)) return "a quote is not closed";
        rest = trim(rest);
        if (rest.empty() || rest.front() != '=') continue; // a word without a value is a flag
        rest = trim(rest.substr(1));
        if (!take_value(rest, value)) return "a quote is not closed";
        rest = trim(rest);

        const std::string name = lower_case(key);
        double number = 0;
        if (name == "lattice") {
            std::array<double, 9> numbers{};
            std::string_view words = value;
            for (double& entry : numbers)
                if (!to_real(next_word(words), entry))
                    return fmt::format("Lattice is '{}', 9 numbers expected", value);
            if (!trim(words).empty()) return fmt::format("Lattice is '{}', 9 numbers expected", value);
            comment.lattice = numbers;
        } else if (name == "properties") {
            comment.properties = value;
        } else if (name == "time_ps" || name == "time_fs" || name == "time") {
            if (!to_real(value, number)) return fmt::format("{} is '{}', a number expected", key, value);
            comment.time_ps = name == "time_ps" ? number : number * units::ps_per_fs;
            comment.time_without_unit = name == "time";
        }
    }
    return {};
}

std::string parse_properties(std::string_view text, ColumnPlan& plan) {
    const auto take = [&text] {
        const auto stop = std::min(text.find(':'), text.size());
        const std::string_view part = text.substr(0, stop);
        text.remove_prefix(std::min(stop + 1, text.size()));
        return part;
    };
    bool have_species = false, have_positions = false;
    while (!text.empty()) {
        const std::string name = lower_case(take());
        take(); // the kind: S, R, I, L
        std::int64_t width = 0;
        if (!to_integer(take(), width) || width < 1 || width > 1000) return "name:kind:columns expected";
        if ((name == "species" || name == "element" || name == "z" || name == "atomic_numbers") &&
            width == 1 && !have_species) {
            plan.columns.push_back(Column::species);
            have_species = true;
        } else if ((name == "pos" || name == "positions") && width == 3 && !have_positions) {
            plan.columns.insert(plan.columns.end(), {Column::x, Column::y, Column::z});
            have_positions = true;
        } else {
            plan.columns.insert(plan.columns.end(), static_cast<std::size_t>(width), Column::skip);
        }
    }
    if (!have_species) return "there is no column `species`";
    if (!have_positions) return "there are no columns `pos`";
    return {};
}

Cp2kComment parse_cp2k_comment(std::string_view line) {
    Cp2kComment comment;
    const auto value_of = [&](std::string_view key) {
        const auto at = line.find(key);
        if (at == std::string_view::npos) return std::string_view();
        std::string_view rest = trim(line.substr(at + key.size()));
        if (rest.empty() || rest.front() != '=') return std::string_view();
        rest.remove_prefix(1);
        return trim(rest.substr(0, rest.find(',')));
    };
    std::int64_t step = 0;
    if (to_integer(value_of("i "), step)) comment.step = step;
    double time = 0;
    if (to_real(value_of("time "), time)) comment.time_fs = time;
    return comment;
}

} // namespace mesolith
