#pragma once
#include <string>

namespace mesolith {

/// What a file of atoms is, by its first bytes and lines, then by its name.
enum class FileKind { xyz, cp2k, extxyz, lammps_dump, xdatcar, h5md, poscar, cif, unknown };

/// @throws InputError  no such file; a packing or binary format that has to be converted (the message says
/// how)
/// @throws FileError   the file is empty
[[nodiscard]] FileKind detect_file_kind(const std::string& path);

} // namespace mesolith
