#pragma once
#include <cstdint>

#include "mesolith/meso/lattice_gas.hpp"
#include "mesolith/msm/time_blocks.hpp"

namespace mesolith {

/// Bring a state into equilibrium at fixed numbers of particles by Metropolis moves: a mobile particle goes
/// to any empty site with probability min(1, w_to / w_from exp(-(E_after - E_before) / kT)). Pinned particles
/// stay. Displacements start anew; the clock does not move. Without pair energies `fill` is in equilibrium
/// already.
/// @param sweeps  moves tried per mobile particle
/// @return share of moves that were accepted
/// @throws DataError when sweeps are negative, or as `advance`
double equilibrate(const LatticeGas& gas, GasState& state, double sweeps, std::uint64_t seed,
                   std::uint64_t replica = 0);

/// Numbers of particles at a fixed fugacity.
struct NumberFluctuations {
    double fugacity = 0; ///< z: an isolated site of weight w is occupied with probability z w / (1 + z w)
    Estimate mean, variance;
    Estimate thermodynamic_factor; ///< Theta = <N> / var N = d ln a / d ln c
    double accepted = 0;           ///< share of moves
};

struct NumberSampling {
    double sweeps = 2000;    ///< moves tried per site, after a tenth as many that do not count
    std::size_t blocks = 40; ///< for the errors (jackknife): each has to be longer than N remembers
};

/// Sample the mobile species at fugacity z by insertions and deletions at random sites: an empty site is
/// filled with probability min(1, z w exp(-E / kT)), an occupied one emptied with the inverse ratio. Faces do
/// not matter, nor what stands outside of them.
/// @param start  where it begins; pinned particles stay as they are
/// @throws DataError when z is not positive and finite, there are several mobile species, or fewer than 4
/// blocks or sweeps than blocks
[[nodiscard]] NumberFluctuations sample_numbers(const LatticeGas& gas, const GasState& start, double fugacity,
                                                const NumberSampling& sampling, std::uint64_t seed,
                                                std::uint64_t replica = 0);

/// The fugacity at which a gas of about the given number of particles is in equilibrium: Widom's test
/// insertion at fixed N (J. Chem. Phys. 39, 2808 (1963)) on a lattice,
///     1 / z = Z_{N+1} / Z_N = < sum over empty sites of w exp(-E / kT) > / (N + 1).
/// @param sweeps  moves tried per particle, after a tenth as many that do not count
/// @throws DataError as `sample_numbers`, or when all sites are taken
[[nodiscard]] double fugacity_at(const LatticeGas& gas, GasState state, double sweeps, std::uint64_t seed,
                                 std::uint64_t replica = 0);

/// Theta near the number of particles of a state: `sample_numbers` at its `fugacity_at`.
[[nodiscard]] NumberFluctuations thermodynamic_factor(const LatticeGas& gas, const GasState& state,
                                                      const NumberSampling& sampling, std::uint64_t seed,
                                                      std::uint64_t replica = 0);

} // namespace mesolith
