#include "atom_row.hpp"

#include <cctype>

#include <fmt/format.h>

#include "mesolith/trajectory/elements.hpp"

namespace mesolith {

void explain_row(const TextInput& input, const ColumnPlan& plan, std::string_view line) {
    static constexpr std::string_view names[] = {"",   "x",    "y",  "z",  "species",
                                                 "id", "type", "ix", "iy", "iz"};
    std::vector<std::string_view> words;
    for (std::string_view rest = line; !trim(rest).empty();) words.push_back(next_word(rest));
    const std::size_t expected = plan.columns.size();
    const std::string cut = "The file was cut off or edited: write or copy it again";
    for (std::size_t i = 0; i < std::min(expected, words.size()); ++i) {
        const Column column = plan.columns[i];
        const std::string name(names[static_cast<std::size_t>(column)]);
        if (column == Column::x || column == Column::y || column == Column::z) {
            double value = 0;
            const char* p = words[i].data();
            if (!parse_real(p, p + words[i].size(), value))
                input.fail(fmt::format("column {} ({}) is no number", i + 1, name),
                           fmt::format("it is '{}'", words[i]), cut);
            if (!(std::abs(value) < 1e12))
                input.fail(fmt::format("coordinate {} is not finite", name),
                           fmt::format("it is '{}'", words[i]),
                           "The run that wrote it has gone wrong: use the frames before");
        } else if (column != Column::species && column != Column::skip) {
            std::int64_t value = 0;
            if (!to_integer(words[i], value))
                input.fail(fmt::format("column {} ({}) is no integer", i + 1, name),
                           fmt::format("it is '{}'", words[i]), cut);
        }
    }
    input.fail(fmt::format("an atom line has {} columns", words.size()),
               fmt::format("{}{} expected", expected, plan.more_allowed ? " or more" : ""), cut);
}

void fail_truncated(const TextInput& input, std::size_t atom, std::size_t n_atoms) {
    input.fail("the file ends inside a frame", fmt::format("after {} of {} atoms", atom, n_atoms),
               "The file was cut off: copy it again, or remove the unfinished frame");
}

std::string species_name(std::string_view label) {
    std::int64_t number = 0;
    if (to_integer(label, number) && number >= 1 && number <= 118)
        return std::string(element_symbol(static_cast<int>(number)));
    std::string name(label);
    if (name.size() == 2 && std::isupper(static_cast<unsigned char>(name[0])) &&
        std::isupper(static_cast<unsigned char>(name[1]))) {
        std::string symbol = name;
        symbol[1] = static_cast<char>(std::tolower(static_cast<unsigned char>(symbol[1])));
        if (atomic_number(symbol) > 0) return symbol;
    }
    return name;
}

} // namespace mesolith
