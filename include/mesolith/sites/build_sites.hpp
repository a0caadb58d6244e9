#pragma once
#include <string>
#include <vector>

#include "mesolith/crystal/site_set.hpp"
#include "mesolith/crystal/symmetry.hpp"

namespace mesolith {

struct SiteOptions {
    std::vector<std::string> species; ///< atoms of the structure that are sites; empty = the mobile species
    IVec3 repetition = IVec3::Zero(); ///< of the structure along its axes; 0 = found by matching the cells
    double max_strain = 0.05;         ///< largest mismatch when the cells are matched
    double symmetry_tolerance = 0.1;  ///< [A], passed to spglib
    Folding folding = Folding::primitive;
};

/// Where a structure stands in the simulated cell.
struct SitePlacement {
    SiteSet sites;
    /// Add to all positions of the trajectory to bring its framework onto the crystal [A].
    Vec3 offset = Vec3::Zero();
    double framework_rms = 0; ///< rms distance of the first frame's framework from the crystal after that [A]
    /// Place in the crystal of each framework atom of the frame, in their order; the image nearest to the
    /// atom after the offset [A].
    std::vector<Vec3> framework;
    /// What the user should look at: a mirrored crystal, a poor fit, missing atoms.
    std::vector<std::string> warnings;
};

/// Tile the structure over the simulated cell (any axis order and direction the input has) and register its
/// framework atoms with those of the trajectory. The structure's fractional coordinates are used in the
/// simulated cell.
///
/// Every signed permutation of axes that fits the cell is tried, with every shift that brings a framework
/// atom onto one of its kind; the smallest rms distance of the framework wins. Among equals (the symmetry of
/// the framework) the one whose sites are nearer to the mobile ions is taken, then the one that changes the
/// axes least, so that all runs of one crystal number their sites alike, then the smallest shift. A mirrored
/// structure is used, with a warning, only when it halves the rms.
///
/// @param frame_species, frame_positions  first frame: all atoms, Cartesian [A], wrapped or not
/// @param mobile  species that diffuse; the others are the framework. Without a framework the offset is zero.
/// @throws InputError when the cells cannot be matched ("site list does not fit the cell"), a species does
/// not exist
/// @throws DataError  when sites coincide or a position is not finite
[[nodiscard]] SitePlacement place_sites(const Structure& structure, const Cell& cell,
                                        const std::vector<std::string>& frame_species,
                                        const std::vector<Vec3>& frame_positions,
                                        const std::vector<std::string>& mobile, const SiteOptions& options);

/// Sites given directly in the simulated cell (averaged positions of the mobile ions), folded by the symmetry
/// that they and the framework have within the tolerance. Equivalent sites are made exactly periodic (moved
/// to their mean). Folding::structure folds onto the cell divided by `options.repetition`.
/// @throws DataError when two sites coincide, or the sites lack the translations they should have
[[nodiscard]] SiteSet sites_from_positions(const Cell& cell, const std::vector<Vec3>& positions,
                                           const std::vector<std::string>& framework_species,
                                           const std::vector<Vec3>& framework_positions,
                                           const std::string& site_species, const SiteOptions& options);

/// Fold sites of a cell onto its repeat unit with given pure translations (fractional, identity included).
///
/// The axes of the basis are those of the simulated cell divided by integers wherever these repeat (a
/// 3 x 2 x 1 supercell gives back its unit cell); otherwise (centred cells) the Minkowski-reduced basis that
/// is best aligned with them, of the same handedness. Basis sites stand in the order in which their first
/// copy comes; their positions are means over the copies, and the sites are moved onto them, so that to
/// rounding
///
///     position(s) + n^T A  =  basis.positions[base[s]] + folded_cell(s, n)^T A_folded .
///
/// @param orbit      symmetry orbit of each site, any labels; renumbered in order of first appearance
/// @param tolerance  largest distance between a site and the mean of its copies [A]
/// @throws DataError when the translations form no group, or the sites do not have them within the tolerance
[[nodiscard]] SiteSet fold_sites(const Cell& cell, const std::vector<Vec3>& fractional,
                                 const std::vector<std::int32_t>& orbit, const std::string& site_species,
                                 const std::vector<Vec3>& translations, double tolerance);

} // namespace mesolith
