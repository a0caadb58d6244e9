#include "file_format.hpp"

#include <algorithm>
#include <array>
#include <fstream>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "mesolith/core/error.hpp"
#include "mesolith/core/text.hpp"
#include "mesolith/io/hdf5.hpp"

#include "text_input.hpp"
#include "xyz_comment.hpp"

namespace mesolith {

namespace {

struct Magic {
    std::string_view bytes;
    std::string_view what, remedy;
};
using namespace std::string_view_literals;
constexpr std::string_view convert = "Convert it: tools/convert_trajectory.py FILE OUT.h5";
constexpr Magic foreign[] = {
    {"BZh"sv, "packed with bzip2", "Unpack it with bunzip2, or pack it with gzip"},
    {"\xfd"
     "7zXZ"sv,
     "packed with xz", "Unpack it with unxz, or pack it with gzip"},
    {"\x28\xb5\x2f\xfd"sv, "packed with zstd", "Unpack it with unzstd, or pack it with gzip"},
    {"PK\x03\x04"sv, "a zip archive", "Unpack it, or pack it with gzip"},
    {"- of Ulm"sv, "an ASE .traj file", convert},
    {"CDF"sv, "a NetCDF file", convert},
    {"\x00\x00\x07\xcb"sv, "a GROMACS .xtc file", convert},
    {"\x00\x00\x07\xc9"sv, "a GROMACS .trr file", convert},
    {"\x54\x00\x00\x00"
     "CORD"sv,
     "a DCD file", convert},
};

void refuse_foreign(const std::string& path) {
    std::array<char, 16> head{};
    std::ifstream file(path, std::ios::binary);
    file.read(head.data(), head.size());
    const std::string_view start(head.data(), static_cast<std::size_t>(file.gcount()));
    for (const Magic& magic : foreign)
        if (start.starts_with(magic.bytes))
            throw InputError(
                fmt::format("{}: is {} (mesolith does not read it). {}", path, magic.what, magic.remedy));
}

bool all_reals(std::string_view line, std::size_t n) {
    double value = 0;
    for (std::size_t i = 0; i < n; ++i)
        if (!to_real(next_word(line), value)) return false;
    return true;
}

bool is_vasp(const std::vector<std::string>& lines) {
    return lines.size() >= 7 && all_reals(lines[1], 1) && all_reals(lines[2], 3) && all_reals(lines[3], 3) &&
           all_reals(lines[4], 3);
}

FileKind by_content(const std::vector<std::string>& lines) {
    const std::string_view first = trim(lines.front());
    if (first.starts_with("ITEM:")) return FileKind::lammps_dump;
    std::int64_t n = 0;
    if (lines.size() >= 2 && to_integer(first, n) && !is_vasp(lines)) {
        const std::string comment = lower_case(lines[1]);
        if (comment.find("lattice=") != std::string::npos || comment.find("properties=") != std::string::npos)
            return FileKind::extxyz;
        return parse_cp2k_comment(lines[1]).step && comment.find("time =") != std::string::npos
                   ? FileKind::cp2k
                   : FileKind::xyz;
    }
    if (is_vasp(lines)) {
        const bool frames =
            lines.size() >= 8 && lower_case(lines[7]).find("configuration") != std::string::npos;
        return frames ? FileKind::xdatcar : FileKind::poscar;
    }
    for (const auto& line : lines)
        if (lower_case(line).starts_with("_cell_length_a") || lower_case(line).starts_with("data_") ||
            line.starts_with("loop_"))
            return FileKind::cif;
    return FileKind::unknown;
}

FileKind by_name(const std::string& path) {
    std::string name = lower_case(path.substr(path.find_last_of('/') + 1));
    if (name.ends_with(".gz")) name.resize(name.size() - 3);
    if (name.ends_with(".extxyz")) return FileKind::extxyz;
    if (name.find("-pos-") != std::string::npos && name.ends_with(".xyz")) return FileKind::cp2k;
    if (name.ends_with(".xyz")) return FileKind::xyz;
    if (name.ends_with(".lammpstrj") || name.ends_with(".dump")) return FileKind::lammps_dump;
    if (name.find("xdatcar") != std::string::npos) return FileKind::xdatcar;
    if (name.find("poscar") != std::string::npos || name.find("contcar") != std::string::npos ||
        name.ends_with(".vasp"))
        return FileKind::poscar;
    if (name.ends_with(".cif")) return FileKind::cif;
    return FileKind::unknown;
}

} // namespace

FileKind detect_file_kind(const std::string& path) {
    TextInput input(path); // says when there is no such file
    if (is_hdf5_file(path)) return FileKind::h5md;
    refuse_foreign(path);
    std::vector<std::string> lines;
    std::string_view line;
    while (lines.size() < 24 && input.next(line)) lines.emplace_back(line.substr(0, 4096));
    if (std::all_of(lines.begin(), lines.end(), [](const auto& text) { return trim(text).empty(); }))
        throw FileError(fmt::format("{}: holds no frames (it is empty). Write or copy it again", path));
    const FileKind kind = by_content(lines);
    return kind != FileKind::unknown ? kind : by_name(path);
}

} // namespace mesolith
