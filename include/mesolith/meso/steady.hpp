#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "mesolith/meso/hop_rules.hpp"
#include "mesolith/meso/laplacian.hpp"

namespace mesolith {

/// Exact answers of a domain by one sparse solve each, on the network of its sites: site j of a cell has
/// number cell * n_basis + j, and hops are conductances
///
///     g_ij = w_j p_ij = w_i p_ji   [ions per lag and unit of activity],   activity u_j = x_j / w_j.
///
/// All of them need detailed balance: @throws DataError without. Rules are those of the same domain.

/// Conductances of the hops that stay inside; those that leave through a face are sinks.
/// @throws DataError without detailed balance, or with 2^31 sites or more
/// Cost: 12 B per hop, 16 B per site.
[[nodiscard]] ConductanceNetwork site_network(const Domain& domain, const HopRules& rules);

/// Memory that any of the solves below takes at its peak [B], before it is made.
[[nodiscard]] double steady_bytes(const HopRules& rules, std::int64_t n_sites);

/// One of the parts of a domain that exchange nothing with each other.
struct PartTransport {
    double share = 1; ///< of the ions, in equilibrium
    std::int64_t n_sites = 0;
    Mat3 diffusivity = Mat3::Zero(); ///< [A^2/ps]
};

/// Effective transport of a periodic microstructure.
struct HomogenisedTransport {
    Mat3 diffusivity = Mat3::Zero();  ///< D of a tagged ion at long times, averaged over parts [A^2/ps]
    Mat3 uncorrelated = Mat3::Zero(); ///< as if lags were independent
    Mat3 correlation = Mat3::Zero();  ///< -chi^T L chi / (2 tau W): D = uncorrelated + correlation
    /// Estimate of what the solve left: D comes out too large by about this or less (its diagonal is never
    /// too small, see homogenise) [A^2/ps]
    Mat3 error = Mat3::Zero();
    std::vector<PartTransport> parts; ///< by falling share, the first `max_parts` of them
    std::size_t n_parts = 0;
    std::vector<Vec3> corrector; ///< chi of each site [A], of zero mean on each part
    SolveReport solve;

    static constexpr std::size_t max_parts = 100;
};

/// D tensor of the infinite periodic repetition of a domain, exact: correctors chi with
///
///     L chi = sum_hops g d,   u = d + chi_to - chi_from,   2 tau D sum_j w_j = sum_hops g u u^T,
///
/// d the true displacement of a hop (also of one that goes around the domain). Axes with reflecting faces
/// carry nothing: there D is that of a film of this thickness, zero along the normal of its walls.
/// u u^T is stationary at the solution: an error e of chi makes D_aa larger by e_a^T L e_a / (2 tau W), which
/// is quadratic in the residual; `error` holds sqrt(e_a^2 e_b^2) from the convergence of the solve.
/// @throws DataError  faces that absorb or are reservoirs (see steady_flux), no periodic axis, no detailed
/// balance (use exact_transport for a crystal without), or a solve that does not converge
[[nodiscard]] HomogenisedTransport homogenise(const Domain& domain, const HopRules& rules,
                                              const SolveOptions& options = {});

/// Means over the layers of cells along an axis, and what goes through the planes between them.
struct LayerProfile {
    std::vector<double> position;      ///< middle of each layer, from the low face [A]
    std::vector<double> activity;      ///< sum x / sum w: ions per cell of weight 1
    std::vector<double> concentration; ///< [1/A^3]
    std::vector<double> flux;          ///< upwards through each plane, the faces included: layers + 1 [1/ps]
};

struct SteadyFlux {
    std::vector<double> occupation;                ///< x of each site [ions]
    std::array<std::array<double, 2>, 3> inflow{}; ///< through each face, [axis][low, high] [1/ps]
    double imbalance = 0;                          ///< |sum of inflow| / sum of |inflow|
    int axis = -1;                                 ///< the axis with open faces; -1: there are several
    LayerProfile profile;                          ///< along `axis`, or the first one with an open face
    /// Between the two open faces of `axis`, for activities that differ [A]: distance of the planes where the
    /// values of the reservoirs hold. The sites just outside do: their mean position, weighted by the
    /// conductances through the face.
    double length = 0;
    double area = 0; ///< of a face of `axis` [A^2]
    /// D = J L / (A dc), dc = (u_low - u_high) sum w / V: of a layer between two reservoirs; approaches the
    /// homogenised D as 1 / length.
    std::optional<double> diffusivity;
    std::int64_t cut_off = 0; ///< sites that no open face can reach; they are left empty
    SolveReport solve;
};

/// Steady state between open faces: reservoirs of fixed activity (Face::concentration), and absorbing faces
/// as reservoirs of zero. L u = sum_faces g u_face, all hops through the faces included.
/// @throws DataError  no open face, or a solve that does not converge
[[nodiscard]] SteadyFlux steady_flux(const Domain& domain, const HopRules& rules,
                                     const SolveOptions& options = {});

struct FirstPassageOptions {
    bool faces = true;                  ///< arrived is who leaves through an absorbing or reservoir face
    std::vector<std::uint16_t> targets; ///< regions: arrived is who stands on one of their sites
    std::vector<std::uint16_t> start;   ///< regions; empty: everywhere but in the targets
    SolveOptions solve;
};

struct MeanFirstPassage {
    std::vector<double> time; ///< mean time until arrival from each site [ps]; infinite without a way
    /// Over ions that start in equilibrium: infinite when some of them have no way [ps].
    double mean = 0;
    double mean_of_arriving = 0; ///< of those with a way [ps]
    double never = 0;            ///< share of those without
    SolveReport solve;
};

/// Mean time until an ion leaves or reaches a region, from every site: T = tau + P^T T, that is
/// L T = tau w with sinks where it arrives. Steps are whole lags.
/// @throws DataError  nowhere to arrive (no open face that counts, no target), a region that does not exist,
/// no cell to start from, or a solve that does not converge
[[nodiscard]] MeanFirstPassage mean_first_passage(const Domain& domain, const HopRules& rules,
                                                  const FirstPassageOptions& options = {});

} // namespace mesolith
