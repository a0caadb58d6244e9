#include "mesolith/io/structure_file.hpp"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>

#include "mesolith/core/error.hpp"
#include "mesolith/io/file.hpp"
#include "mesolith/io/trajectory_file.hpp"

#include "atom_row.hpp"
#include "file_format.hpp"
#include "poscar.hpp"

namespace mesolith {

namespace {

Structure read_poscar(const std::string& path) {
    TextInput input(path);
    const PoscarHead head = read_poscar_head(input);
    const auto first_letter = [&](std::string_view line) {
        const std::string_view text = trim(line);
        return text.empty() ? ' ' : static_cast<char>(std::tolower(static_cast<unsigned char>(text.front())));
    };
    std::string_view line;
    bool more = input.next(line);
    if (more && first_letter(line) == 's') more = input.next(line); // Selective dynamics
    if (!more) fail_truncated(input, 0, head.species.size());
    const char mode = first_letter(line);
    const bool cartesian = mode == 'c' || mode == 'k';
    if (!cartesian && mode != 'd')
        input.fail("'Direct' or 'Cartesian' is expected here",
                   fmt::format("found '{}'", trim(line).substr(0, 40)),
                   "Write the coordinate mode on this line");

    Structure structure{head.cell, head.species, {}};
    ColumnPlan plan;
    plan.columns = {Column::x, Column::y, Column::z};
    plan.more_allowed = true; // T F F, element names
    AtomRow row;
    for (std::size_t i = 0; i < head.species.size(); ++i) {
        read_row(input, plan, row, i, head.species.size());
        const Vec3 r(row.r[0], row.r[1], row.r[2]);
        structure.fractional.push_back(cartesian ? head.cell.to_fractional(r.cwiseProduct(head.scale)) : r);
    }
    return structure;
}

Structure read_first_frame(const std::string& path) {
    TrajectoryFileOptions options;
    options.format = "extxyz";
    const auto source = open_trajectory(path, options);
    Frame frame;
    source->read(frame);
    Structure structure{frame.cell, source->header().species, {}};
    for (const Vec3& r : frame.positions) structure.fractional.push_back(frame.cell.to_fractional(r));
    return structure;
}

} // namespace

Structure read_structure(const std::string& path) {
    switch (detect_file_kind(path)) {
    case FileKind::poscar:
        return read_poscar(path);
    case FileKind::extxyz:
        return read_first_frame(path);
    case FileKind::xyz:
    case FileKind::cp2k:
        throw InputError(fmt::format(
            "{}: has no cell (plain xyz). Give a POSCAR, or an extended xyz file with Lattice=\"...\"",
            path));
    case FileKind::cif:
        throw InputError(
            fmt::format("{}: is a CIF file, whose symmetry mesolith does not expand. Convert it: "
                        "ase convert {} POSCAR",
                        path, path));
    case FileKind::lammps_dump:
    case FileKind::xdatcar:
    case FileKind::h5md:
        throw InputError(fmt::format(
            "{}: is a trajectory (one crystal structure is needed). Give a POSCAR or an extended xyz "
            "file",
            path));
    case FileKind::unknown:
        break;
    }
    throw InputError(fmt::format(
        "{}: is no structure file that mesolith knows. Give a POSCAR or an extended xyz file", path));
}

void write_poscar(const std::string& path, const Structure& structure, const std::string& title) {
    if (structure.fractional.size() != structure.species.size())
        throw DataError(fmt::format("{}: {} positions for {} atoms. This is a mistake of the caller", path,
                                    structure.fractional.size(), structure.species.size()));
    std::string text = title + "\n1.0\n";
    for (int i = 0; i < 3; ++i) {
        const Vec3 a = structure.cell.vectors().row(i);
        text += fmt::format("{:.16g} {:.16g} {:.16g}\n", a[0], a[1], a[2]);
    }
    std::string names, counts;
    for (std::size_t i = 0; i < structure.size();) {
        std::size_t j = i;
        while (j < structure.size() && structure.species[j] == structure.species[i]) ++j;
        names += fmt::format("{}{}", i == 0 ? "" : " ", structure.species[i]);
        counts += fmt::format("{}{}", i == 0 ? "" : " ", j - i);
        i = j;
    }
    text += names + "\n" + counts + "\nDirect\n";
    for (const Vec3& f : structure.fractional)
        text += fmt::format("{:.16g} {:.16g} {:.16g}\n", f[0], f[1], f[2]);
    write_text_file(path, text);
}

} // namespace mesolith
