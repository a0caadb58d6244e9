#include "mesolith/io/configuration_file.hpp"

#include <fmt/format.h>

#include "mesolith/core/error.hpp"
#include "mesolith/io/structure_file.hpp"
#include "mesolith/io/trajectory_file.hpp"

#include "atom_row.hpp"
#include "file_format.hpp"
#include "xyz_comment.hpp"

namespace mesolith {
namespace {

Configuration read_frame(TextInput& input, std::string_view count) {
    std::int64_t n = 0;
    if (!to_integer(trim(count), n) || n < 1)
        input.fail("the number of atoms is expected here", fmt::format("found '{}'", count.substr(0, 40)),
                   "The file was cut off or edited: write or copy it again");
    input.check_count(n);
    const auto n_atoms = static_cast<std::size_t>(n);
    std::string_view line;
    if (!input.next(line)) fail_truncated(input, 0, n_atoms);
    ExtendedComment comment;
    if (const std::string problem = parse_extended_comment(line, comment); !problem.empty())
        input.fail("the comment line is no extended xyz", problem, "Write the file again");
    if (!comment.lattice)
        input.fail("the frame has no Lattice", "the cell is needed", "Write it with its cell");
    ColumnPlan plan;
    const std::string problem =
        parse_properties(comment.properties.empty() ? "species:S:1:pos:R:3" : comment.properties, plan);
    if (!problem.empty())
        input.fail("Properties cannot be used", problem, "Write the file with species:S:1:pos:R:3");
    Configuration frame;
    const std::array<double, 9>& a = *comment.lattice;
    Mat3 rows;
    rows << a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8];
    try {
        frame.cell = Cell(rows);
    } catch (const DataError&) {
        input.fail("the Lattice has no volume", "its vectors lie in a plane", "Write the file with its cell");
    }
    AtomRow row;
    for (std::size_t i = 0; i < n_atoms; ++i) {
        read_row(input, plan, row, i, n_atoms);
        frame.species.push_back(species_name(row.species));
        frame.positions.emplace_back(row.r[0], row.r[1], row.r[2]);
    }
    return frame;
}

std::vector<Configuration> read_extended_xyz(const std::string& path) {
    std::vector<Configuration> frames;
    TextInput input(path);
    std::string_view line;
    input.set_frame(0);
    while (input.next_filled(line)) {
        frames.push_back(read_frame(input, line));
        input.set_frame(static_cast<std::int64_t>(frames.size()));
    }
    if (frames.empty()) throw FileError(path + ": is empty (no frame in it). Write it again");
    return frames;
}

Configuration read_crystal(const std::string& path) {
    const Structure structure = read_structure(path);
    Configuration frame{structure.cell, structure.species, {}};
    for (const Vec3& f : structure.fractional) frame.positions.push_back(structure.cell.to_cartesian(f));
    return frame;
}

} // namespace

std::vector<Configuration> read_configurations(const std::string& path) {
    const FileKind kind = detect_file_kind(path);
    if (kind == FileKind::extxyz) return read_extended_xyz(path);
    if (kind == FileKind::poscar) return {read_crystal(path)};
    const auto source = open_trajectory(path);
    std::vector<Configuration> frames;
    Frame frame;
    while (source->read(frame)) frames.push_back({frame.cell, source->header().species, frame.positions});
    return frames;
}

} // namespace mesolith
