#include "poscar.hpp"

#include <algorithm>
#include <cmath>

#include <Eigen/Geometry>
#include <fmt/format.h>

#include "mesolith/core/error.hpp"

namespace mesolith {

namespace {

constexpr const char* advice =
    "The head of a VASP 5 file is: title, scale, three lattice vectors, elements, numbers of atoms";

std::string_view need_line(TextInput& input, const char* what) {
    std::string_view line;
    if (!input.next(line))
        input.fail(fmt::format("the file ends before the {}", what), "it was cut off", advice);
    return line;
}

/// One factor (negative: the volume of the cell) or one per axis.
Vec3 read_scale(const TextInput& input, std::string_view line, const Mat3& rows) {
    double s[3] = {};
    int n = 0;
    while (n < 3 && to_real(next_word(line), s[n])) ++n;
    if (n == 3) {
        if (!(s[0] > 0 && s[1] > 0 && s[2] > 0))
            input.fail("three scale factors must be positive", "line 2 of the head", advice);
        return Vec3(s[0], s[1], s[2]);
    }
    if (n == 0 || s[0] == 0) input.fail("the scale factor is no number or 0", "line 2 of the head", advice);
    if (s[0] > 0) return Vec3::Constant(s[0]);
    const double volume = std::abs(rows.row(0).cross(rows.row(1)).dot(rows.row(2)));
    if (!(volume > 0)) input.fail("the cell has no volume", "its vectors lie in a plane", advice);
    return Vec3::Constant(std::cbrt(-s[0] / volume));
}

} // namespace

PoscarHead read_poscar_head(TextInput& input) {
    PoscarHead head;
    need_line(input, "title");
    const std::string scale_line(need_line(input, "scale factor"));
    Mat3 rows;
    for (int i = 0; i < 3; ++i) {
        std::string_view line = need_line(input, "lattice vectors");
        for (int k = 0; k < 3; ++k)
            if (!to_real(next_word(line), rows(i, k)))
                input.fail("a lattice vector needs three numbers", fmt::format("vector {}", i + 1), advice);
    }
    head.scale = read_scale(input, scale_line, rows);
    for (int i = 0; i < 3; ++i)
        for (int k = 0; k < 3; ++k) rows(i, k) *= head.scale[k];
    try {
        head.cell = Cell(rows);
    } catch (const DataError&) {
        input.fail("the cell has no volume", "its vectors lie in a plane", advice);
    }

    std::vector<std::string> names;
    std::string_view line = need_line(input, "elements");
    while (!trim(line).empty()) {
        // Names of potentials: Li_sv, Li/3f2a
        const std::string_view word = next_word(line);
        names.emplace_back(word.substr(0, word.find_first_of("_/")));
    }
    if (names.empty() || is_digit(names.front().empty() ? '0' : names.front().front()))
        input.fail("the elements are expected here", "VASP 4 files do not name them",
                   "Insert a line with the element symbols");
    line = need_line(input, "numbers of atoms");
    for (const auto& name : names) {
        std::int64_t n = 0;
        if (!to_integer(next_word(line), n) || n < 0)
            input.fail("the numbers of atoms are expected here",
                       fmt::format("one for each of {} elements", names.size()), advice);
        input.check_count(n);
        head.species.insert(head.species.end(), static_cast<std::size_t>(n), name);
    }
    if (!trim(line).empty() && is_digit(trim(line).front()))
        input.fail("there are more numbers of atoms than elements", fmt::format("{} elements", names.size()),
                   advice);
    if (head.species.empty()) input.fail("there are no atoms", "all numbers are 0", advice);
    return head;
}

} // namespace mesolith
