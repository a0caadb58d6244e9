#pragma once
#include <span>
#include <string>
#include <vector>

#include "mesolith/crystal/site_set.hpp"

namespace mesolith {

/// Probability to stand on site `to` of cell R after one lag, having stood on the column's site of cell 0.
struct KernelEntry {
    std::int32_t to = 0;
    IVec3 R = IVec3::Zero();
    double p = 0;
};

/// The transition kernel of an infinite crystal: M_ij(R) = Prob[ i in cell R after one lag | j in cell 0 ].
/// Column-stochastic: the entries of each column sum to 1. The integer R makes every formula below exact in
/// the infinite crystal; a minimum image would make the MSD saturate at half the box.
struct Kernel {
    SiteBasis basis;
    double lag_time = 0;                ///< tau [ps]
    std::vector<std::size_t> column{0}; ///< entries of origin j: [column[j], column[j + 1])
    std::vector<KernelEntry> entries;   ///< sorted by (to, R) within a column, p > 0
    std::vector<double>
        stationary;          ///< pi, sums to 1; of several closed classes, each with its share of the ions
    bool reversible = false; ///< pi_j M_ij(R) = pi_i M_ji(-R) holds by construction

    std::size_t n_sites() const { return column.size() - 1; }
    std::span<const KernelEntry> from(std::size_t j) const {
        return {entries.data() + column[j], column[j + 1] - column[j]};
    }
    Vec3 displacement(std::size_t j, const KernelEntry& e) const {
        return basis.displacement(j, static_cast<std::size_t>(e.to), e.R);
    }
};

/// @throws DataError naming the column when one does not sum to 1 within 1e-12, holds a negative or
/// non-finite value or a site that does not exist, or shapes do not fit
void check_kernel(const Kernel& kernel);

} // namespace mesolith
