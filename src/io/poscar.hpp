#pragma once
#include <string>
#include <vector>

#include "mesolith/crystal/cell.hpp"

#include "text_input.hpp"

namespace mesolith {

/// Title, scale, lattice, species and numbers of atoms: the head of POSCAR and XDATCAR files.
struct PoscarHead {
    Cell cell;                        ///< scaled
    Vec3 scale = Vec3::Ones();        ///< for Cartesian coordinates
    std::vector<std::string> species; ///< one per atom
};

/// Read the seven lines. @throws FileError naming the line
[[nodiscard]] PoscarHead read_poscar_head(TextInput& input);

} // namespace mesolith
