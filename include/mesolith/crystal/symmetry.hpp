#pragma once
#include <string>
#include <vector>

#include "mesolith/crystal/site_set.hpp"
#include "mesolith/crystal/structure.hpp"

namespace mesolith {

/// Space group of a structure, found by spglib.
struct SpaceGroup {
    int number = 1;
    std::string symbol = "P1";
    std::vector<Vec3> translations;        ///< pure translations (fractional), identity first
    std::vector<std::int32_t> orbit;       ///< symmetry orbit of each atom, numbered in order of first appearance
    std::vector<IMat3> rotations;          ///< all operations f -> rotation * f + shift
    std::vector<Vec3> shifts;              ///< same length as rotations
};

/// @param tolerance  distance below which two positions are the same [A]
/// @throws DataError when spglib finds nothing (atoms on top of each other, tolerance too large)
[[nodiscard]] SpaceGroup find_space_group(const Structure& structure, double tolerance);

/// How a small cell fills a large one: large.vectors() ~ repetition * small.vectors() * rotation, repetition integer.
/// Signed axis permutations and diagonal repetitions are tried (any axis order), proper ones first.
struct CellMatch {
    IMat3 repetition = IMat3::Identity();
    double strain = 0;                     ///< largest |relative length or angle mismatch|
};
/// All matches with strain below max_strain, best first; `wanted` (all > 0) restricts the repetition along the axes of
/// the small cell. Empty when there is none.
[[nodiscard]] std::vector<CellMatch> match_cells(const Cell& small, const Cell& large, double max_strain,
                                                 const IVec3& wanted = IVec3::Zero());

enum class Folding {
    primitive, ///< smallest cell that the space group allows
    structure, ///< the cell of the structure file
    none,      ///< the simulated cell itself
};

} // namespace mesolith
