#pragma once
#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "mesolith/msm/kernel.hpp"

namespace mesolith {

// How long until an ion first gets somewhere, and by which way: on the unwrapped lattice, where "the same
// site in the next cell" is another place. Times are exact (one elimination without subtractions, see
// Elimination: right to rounding however rare the hops), in lags; multiply by Kernel::lag_time for ps. A mean
// that does not exist is infinite, never NaN.

/// Basis sites under one name.
struct SiteGroup {
    std::string name;
    std::vector<std::int32_t> sites; ///< at least one, in any order
};

/// All sites of an orbit ("Li1") or a single one ("Li1.3").
/// @throws DataError naming the orbits there are when nothing has that name
[[nodiscard]] SiteGroup sites_named(const SiteBasis& basis, std::string_view name);

/// The cells in which a passage is watched. Along an open axis cells lower..upper are told apart, and a step
/// beyond them leaves the window; along the others all cells are one.
struct Window {
    std::array<bool, 3> open{false, false, false};
    IVec3 lower = IVec3::Zero(), upper = IVec3::Zero(); ///< of open axes, inclusive

    /// Cells first..last along one axis.
    static Window along(int axis, int first, int last);

    std::size_t n_cells() const;
    bool holds(const IVec3& cell) const;            ///< along its open axes
    std::size_t number_of(const IVec3& cell) const; ///< 0 <= number < n_cells()
    IVec3 cell(std::size_t number) const;           ///< zero along the other axes
};

/// Whether the passage is over at a site of a cell (zero along axes that are not open).
using Arrived = std::function<bool(std::int32_t site, const IVec3& cell)>;

/// Mean number of lags until first arrival.
struct PassageTimes {
    Window window;
    std::size_t n_sites = 0;
    std::vector<double> steps; ///< of site s in the c-th cell of the window: s + n_sites c; infinite when
                               ///< arrival is not certain

    double from(std::size_t site, const IVec3& cell = IVec3::Zero()) const {
        return steps[site + n_sites * window.number_of(cell)];
    }
};

/// To any place where `arrived` holds; leaving the window counts as arrival.
/// Cost: one elimination of n_sites n_cells states (a chain of cells along one axis: linear in their number).
/// @throws DataError when the window is empty, or nothing is ever arrived at (no place and no exit)
[[nodiscard]] PassageTimes first_passage(const Kernel& kernel, const Window& window, const Arrived& arrived);

/// To any image of a group of sites, from each basis site; 0 on the group.
/// @throws DataError when the group is empty or names a site that does not exist
[[nodiscard]] std::vector<double> first_passage_steps(const Kernel& kernel, const SiteGroup& target);

/// Until the ion stands `cells` or more cells away from its first cell along one axis, either way: n_sites
/// (2 cells - 1) states. For a chain with hop probability p each way: cells^2 / (2 p).
/// @throws DataError when the axis is not 0, 1 or 2, or cells < 1
[[nodiscard]] std::vector<double> distance_steps(const Kernel& kernel, int axis, int cells);

/// Committors and reactive flux between two groups of sites, cells folded together (Metzner, Schuette,
/// Vanden-Eijnden, Multiscale Model. Simul. 7, 1192 (2009)); holds with and without detailed balance.
struct ReactivePaths {
    std::vector<double> forward;  ///< q+: probability to reach B before A; 0 where neither is reached
    std::vector<double> backward; ///< q-: probability to have come from A rather than B; 1 - q+ with detailed
                                  ///< balance (found without that subtraction)
    double flux = 0;              ///< reactive paths per lag in the stationary state, of one ion
    double rate = 0;              ///< k_AB = flux / (tau sum_j pi_j q-_j) [1/ps]
    /// Net reactive flow of each kernel entry per lag, zero on the weaker of two opposite ones.
    std::vector<double> net;
    /// Share of each entry in the resistance between A and B, half of it on each of two opposite entries:
    /// net flow times the rise of q+, over the flux. They sum to 1; sums over a class of hops say what limits
    /// the rate.
    std::vector<double> share;
};

/// Flux, rate and committors are right to rounding; flows inside a region of nearly constant q+ to 1e-16 of
/// the one-way flow there.
/// @throws DataError when a group is empty, names a site that does not exist, or both share a site
[[nodiscard]] ReactivePaths reactive_paths(const Kernel& kernel, const SiteGroup& from, const SiteGroup& to);

/// Reactive paths across a slab: from all cells <= 0 to all cells >= length along one axis, the other axes
/// folded.
struct SlabPaths {
    int axis = 0, length = 1;
    std::vector<double> forward; ///< q+ of site s in cell c = 1 .. length - 1: s + n_sites (c - 1)
    double flux = 0;             ///< paths per lag and cell of cross section, for one ion per cell
    /// flux length w^2 / tau with w the distance of lattice planes across the axis [A^2/ps]: tends to n.D.n
    /// (n the normal of those planes) like 1 / length; exact at any length for one site with hops to next
    /// cells.
    double diffusivity = 0;
    std::vector<double>
        share; ///< of each kernel entry in the resistance of the slab, as ReactivePaths::share
};

/// @throws DataError when the axis is not 0, 1 or 2, or length < 1
[[nodiscard]] SlabPaths slab_paths(const Kernel& kernel, int axis, int length);

/// n.D.n from two slabs, 1 / (1 / flux(length + 1) - 1 / flux(length)): a further cell adds the resistance of
/// one cell, so the planes' own resistance drops out. With detailed balance it tends to the exact value
/// exponentially. 0 where no path crosses.
[[nodiscard]] double slab_diffusivity(const Kernel& kernel, int axis, int length);

} // namespace mesolith
