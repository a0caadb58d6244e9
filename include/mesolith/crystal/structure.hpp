#pragma once
#include <string>
#include <vector>

#include "mesolith/crystal/cell.hpp"

namespace mesolith {

/// Atoms in a periodic cell.
struct Structure {
    Cell cell;
    std::vector<std::string> species; ///< element symbols, one per atom
    std::vector<Vec3> fractional;     ///< same length; any range

    std::size_t size() const { return species.size(); }
};

/// The atoms of the chosen species, in their order.
[[nodiscard]] Structure select_species(const Structure& structure, const std::vector<std::string>& chosen);

/// n[0] x n[1] x n[2] copies; atom i of copy c stands at index c * size + i, c counted with the last axis
/// fastest.
[[nodiscard]] Structure repeat(const Structure& structure, const IVec3& n);

} // namespace mesolith
