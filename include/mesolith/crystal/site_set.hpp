#pragma once
#include <string>
#include <vector>

#include "mesolith/core/index.hpp"
#include "mesolith/crystal/structure.hpp"

namespace mesolith {

/// Orbit of a site by its name, "Li1" of "Li1.3": what stands before the last point.
inline std::string orbit_name(const std::string& site) { return site.substr(0, site.rfind('.')); }

/// The sites of one repeat unit: what counts, kernels and lattices are made of.
struct SiteBasis {
    Cell cell;                       ///< the folded cell: primitive unless the user asked otherwise
    std::vector<Vec3> positions;     ///< b_i, Cartesian [A]
    std::vector<std::int32_t> orbit; ///< symmetry orbit of each site, 0-based
    std::vector<std::string> name;   ///< e.g. "Li1.3": orbit name, number within the orbit

    std::size_t size() const { return positions.size(); }

    /// d = R.A + b_to - b_from, a true displacement, never a minimum image.
    Vec3 displacement(std::size_t from, std::size_t to, const IVec3& R) const {
        return cell.to_cartesian(R.cast<double>()) + positions[to] - positions[from];
    }
};

/// All sites of the simulated cell, and how they fold onto the repeat unit:
///
///     site s in image n of the simulated cell  =  basis site base[s] in folded cell offset[s] + n^T N,
///     with  A_simulated = N A_folded  (N integer, |det N| = number of folded cells).
struct SiteSet {
    Cell cell;                    ///< simulated cell (first frame)
    std::vector<Vec3> fractional; ///< in [0, 1)
    SiteBasis basis;
    std::vector<SiteId> base;            ///< basis site of each site
    std::vector<IVec3> offset;           ///< folded cell of each site
    IMat3 supercell = IMat3::Identity(); ///< N
    std::string space_group;             ///< e.g. "I-43d (220)", "" when unknown

    std::size_t size() const { return fractional.size(); }
    Vec3 position(SiteId s) const { return cell.to_cartesian(fractional[s.at()]); }

    /// Folded cell of site s in image n of the simulated cell.
    IVec3 folded_cell(SiteId s, const IVec3& n) const { return offset[s.at()] + supercell.transpose() * n; }
};

} // namespace mesolith
