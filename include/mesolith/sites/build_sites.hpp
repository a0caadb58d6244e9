#pragma once
#include <string>
#include <vector>

#include "mesolith/crystal/site_set.hpp"
#include "mesolith/crystal/symmetry.hpp"

namespace mesolith {

struct SiteOptions {
    std::vector<std::string> species;     ///< atoms of the structure file that are sites; empty = the mobile species
    IVec3 repetition = IVec3::Zero();     ///< of the structure along its axes; 0 = found by matching the cells
    double max_strain = 0.05;             ///< largest mismatch when the cells are matched
    double symmetry_tolerance = 0.1;      ///< [A], passed to spglib
    Folding folding = Folding::primitive;
};

/// Where a structure stands in the simulated cell.
struct SitePlacement {
    SiteSet sites;
    Vec3 offset = Vec3::Zero();           ///< add to all positions of the trajectory to bring its framework onto the crystal [A]
    double framework_rms = 0;             ///< distance of framework atoms of the first frame from the crystal after that [A]
    std::vector<Vec3> framework;          ///< framework positions of the crystal, matched to the trajectory's framework atoms [A]
    std::vector<std::string> warnings;
};

/// Tile the structure over the simulated cell (any axis order the input has) and register its framework atoms with
/// those of the trajectory: signed axis permutations and rigid shifts are scored by the framework's distances,
/// smallest shift among equals. The structure's fractional coordinates are used in the simulated cell.
///
/// @param frame_species, frame_positions  first frame: all atoms
/// @param mobile  species that diffuse; the others are the framework. Without a framework the offset is zero.
/// @throws InputError when the cells cannot be matched ("site list does not fit the cell"), a species does not exist
[[nodiscard]] SitePlacement place_sites(const Structure& structure, const Cell& cell,
                                        const std::vector<std::string>& frame_species,
                                        const std::vector<Vec3>& frame_positions,
                                        const std::vector<std::string>& mobile, const SiteOptions& options);

/// Sites given directly in the simulated cell (averaged positions of the mobile ions), folded by the symmetry that they
/// and the framework have within the tolerance.
[[nodiscard]] SiteSet sites_from_positions(const Cell& cell, const std::vector<Vec3>& positions,
                                           const std::vector<std::string>& framework_species,
                                           const std::vector<Vec3>& framework_positions, const std::string& site_species,
                                           const SiteOptions& options);

/// Fold sites of a cell onto its repeat unit with given pure translations (fractional, identity included).
/// The folded basis is Minkowski-reduced, ordered and oriented as near to the axes of the simulated cell as it can be
/// (a 3 x 2 x 1 supercell gives back its unit cell with the same axes), right-handed if the simulated cell is.
[[nodiscard]] SiteSet fold_sites(const Cell& cell, const std::vector<Vec3>& fractional,
                                 const std::vector<std::int32_t>& orbit, const std::string& site_species,
                                 const std::vector<Vec3>& translations, double tolerance);

} // namespace mesolith
