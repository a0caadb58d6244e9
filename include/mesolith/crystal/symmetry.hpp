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
    std::vector<Vec3> translations;  ///< pure translations (fractional), identity first; one = primitive cell
    std::vector<std::int32_t> orbit; ///< symmetry orbit of each atom, numbered in order of first appearance
    std::vector<IMat3> rotations;    ///< all operations f -> rotation * f + shift
    std::vector<Vec3> shifts;        ///< same length as rotations
};

/// Cells of either handedness. Safe to call from several threads (one works, the others wait).
/// @param tolerance  distance below which two positions are the same [A]
/// @throws DataError when spglib finds nothing (atoms on top of each other, tolerance too large)
[[nodiscard]] SpaceGroup find_space_group(const Structure& structure, double tolerance);

/// How a small cell fills a large one: large.vectors() ~ repetition * small.vectors() * rotation, repetition
/// integer.
struct CellMatch {
    IMat3 repetition = IMat3::Identity(); ///< one entry, positive or negative, in each row and column
    double strain = 0; ///< largest relative mismatch of a length, or mismatch of an angle [rad]
};

/// All signed permutations of the axes and diagonal repetitions with strain of at most max_strain: first
/// those that are proper rotations, among them the least strained, among them the one that keeps the axes as
/// they are. Empty when there is none.
///
/// @param wanted  repetition along the axes of the small cell; 0 0 0 = found from the lengths
/// @throws DataError when only some of `wanted` are positive
[[nodiscard]] std::vector<CellMatch> match_cells(const Cell& small, const Cell& large, double max_strain,
                                                 const IVec3& wanted = IVec3::Zero());

enum class Folding {
    primitive, ///< smallest cell that the space group allows
    structure, ///< the cell of the structure file
    none,      ///< the simulated cell itself
};

/// A symmetry operation of the crystal as it acts on the sites of a repeat unit: site j of cell 0 goes to
/// site image[j] of cell cell[j]. A transition (j, i, R) goes to (image[j], image[i], W R + cell[i] -
/// cell[j]), W = rotation.
struct SiteOperation {
    IMat3 rotation = IMat3::Identity(); ///< W, acts on fractional coordinates of the folded cell
    std::vector<std::int32_t> image;
    std::vector<IVec3> cell; ///< up to a common lattice vector, which no transition feels: cell[0] = 0
};

/// Space group of sites and framework together, as operations on the sites, identity first. Sites of
/// different orbits never go onto each other. Lattice vectors of the folded cell act trivially and are left
/// out; a basis that was not folded has its inner translations as operations with identity rotation.
///
/// @param framework_species, framework_positions  framework of the simulated cell, Cartesian [A]; it is
/// folded
///                  onto the basis cell, copies are averaged
/// @param tolerance  distance below which two positions are the same [A]; an image may lie at most twice that
///                  far from its site
/// @throws DataError when the framework does not repeat with the folded cell, an operation moves a site onto
///                  none, or the operations form no group (a tolerance too large or too small)
/// Cost: O(operations log(operations) sites + operations sites^2)
[[nodiscard]] std::vector<SiteOperation> site_symmetry(const SiteBasis& basis,
                                                       const std::vector<std::string>& framework_species,
                                                       const std::vector<Vec3>& framework_positions,
                                                       double tolerance);

} // namespace mesolith
