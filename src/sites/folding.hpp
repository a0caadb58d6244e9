#pragma once
#include <string>
#include <vector>

#include "mesolith/crystal/site_set.hpp"

namespace mesolith::detail {

/// N with A_simulated = N A_folded, for the lattice that the translations generate. See fold_sites.
IMat3 folded_axes(const Cell& cell, const std::vector<Vec3>& translations, double tolerance);

/// Fold sites onto the cell N^-1 A. `species` of each site go into the names.
SiteSet fold_onto(const Cell& cell, const std::vector<Vec3>& fractional,
                  const std::vector<std::int32_t>& orbit, const std::vector<std::string>& species,
                  const IMat3& supercell, double tolerance);

} // namespace mesolith::detail
