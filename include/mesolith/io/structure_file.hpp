#pragma once
#include <string>

#include "mesolith/crystal/structure.hpp"

namespace mesolith {

/// Read a crystal: POSCAR/CONTCAR (VASP 5 or later: scale factor, negative = volume, three factors; selective
/// dynamics; Direct or Cartesian), or the first frame of an extended xyz file; gzipped or not. Fractional
/// coordinates as they stand in the file, in any range.
/// @throws InputError  no such file; a format without a cell (plain xyz) or one that has to be converted
/// first (CIF)
/// @throws FileError   damaged file: "FILE:LINE: problem. What to do"
[[nodiscard]] Structure read_structure(const std::string& path);

/// VASP 5 POSCAR in direct coordinates, 16 digits. Runs of equal species become one entry of the species
/// line.
void write_poscar(const std::string& path, const Structure& structure, const std::string& title = "mesolith");

} // namespace mesolith
