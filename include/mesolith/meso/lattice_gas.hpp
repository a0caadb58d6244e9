#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "mesolith/meso/hop_rules.hpp"

namespace mesolith {

/// A kind of particle that occupies sites.
struct GasSpecies {
    std::string name = "Li";
    double rate_factor = 1; ///< on all hop rates of the lattice; 0: pinned, it only blocks
};

/// Energy of each pair of particles, one on site `from` of a cell, one on site `to` of the cell R away; every
/// unordered pair of sites is named once.
struct PairEnergy {
    std::int32_t from = 0, to = 0;
    IVec3 R = IVec3::Zero();
    std::int32_t species_from = 0, species_to = 0;
    double energy = 0; ///< [eV], > 0 repels
};

/// Particles that block each other on the sites of a domain, at most one per site. A particle of species s
/// hops from site j to an empty site i at the rate
///
///     k(j -> i) = rate_factor_s * p_ij / lag * exp(-(E_after - E_before) / 2 kT)
///
/// with p_ij of the hop rules and E the pair energies: detailed balance with the weights
/// prod_j w_j^(n_j) exp(-E / kT), whatever the interactions. The kernels of the domain are hop rates
/// (kernel_from_generator: p / lag), never a Markov model of a full sublattice, which holds the exclusion of
/// the others already.
struct LatticeGas {
    Domain domain;
    HopRules rules;
    double temperature = 0; ///< [K], needed with pair energies only
    std::vector<GasSpecies> species{GasSpecies{}};
    std::vector<PairEnergy> pairs;
};

/// Hop rules of the domain, and all of it checked.
/// @throws DataError naming what is wrong: as check_domain, no species, a negative rate factor, a pair of a
/// site with itself, named twice or of sites or species that do not exist, pairs without temperature, kernels
/// without detailed balance together with pairs
[[nodiscard]] LatticeGas make_lattice_gas(Domain domain, double temperature = 0,
                                          std::vector<GasSpecies> species = {GasSpecies{}},
                                          std::vector<PairEnergy> pairs = {});

/// Where a particle is. Cells are absolute and never wrapped: displacements are exact.
struct alignas(16) GasPlace {
    std::int32_t site = 0;            ///< index into GasState::occupant; of one that left, -1 - the last one
    std::int32_t x = 0, y = 0, z = 0; ///< absolute cell
    bool gone() const { return site < 0; }
    bool operator==(const GasPlace&) const = default;
};

/// Where all particles are: the state that a checkpoint has to hold. Particles that come in take the slots of
/// those that left in earlier intervals, the lowest first, then new ones.
struct GasState {
    std::vector<std::int32_t> occupant; ///< of each site, cell_index * n_basis + site: particle, or -1
    std::vector<GasPlace> place;        ///< of each particle
    std::vector<std::uint8_t> species;  ///< of each particle
    std::vector<std::int32_t> start; ///< site at time 0 or where it came in; its cell then was in the domain
    double time = 0;                 ///< [ps]
    std::uint64_t interval = 0;      ///< calls of `advance` so far: they name the random numbers

    std::size_t n_particles() const; ///< that are there
    bool gone(std::size_t particle) const { return place[particle].gone(); }
    /// Of a particle since its start, of one that left to its last site [A].
    Vec3 displacement(std::size_t particle, const Domain& domain) const;
    bool operator==(const GasState&) const = default;
};

/// Put n_s particles of each species on sites at random: weights of a single particle first (Metropolis
/// moves bring interactions in, see `equilibrate`). A pure function of (seed, replica).
/// @throws DataError when there are more particles than sites, or none
[[nodiscard]] GasState fill(const LatticeGas& gas, std::span<const std::int64_t> n_per_species,
                            std::uint64_t seed, std::uint64_t replica = 0);

enum class GasSolver {
    automatic,      ///< by the acceptance measured in a short trial
    null_event,     ///< carriers (the fewer of particles and vacancies), hops that are blocked do not happen
    rejection_free, ///< tree of the rates of all possible hops
};

/// What happened in an interval.
struct GasEvents {
    std::uint64_t attempts = 0, hops = 0;
    std::array<std::uint64_t, 6> entered{}, left{}; ///< per face, 2 axis + side
    GasEvents& operator+=(const GasEvents& later);
    double acceptance() const {
        return attempts == 0 ? 0 : static_cast<double>(hops) / static_cast<double>(attempts);
    }
};

/// Exact kinetic Monte Carlo of a lattice gas, one replica at a time: the tables of a solver, made once and
/// shared by the threads that run replicas. Both solvers draw from the same process: null events by
/// uniformisation (a Poisson number of attempts in the interval), rejection-free by exponential waiting
/// times, which start anew with each interval, so that rates may change between two intervals without error.
class GasDynamics {
public:
    GasDynamics(const LatticeGas& gas, GasSolver solver, const GasState& typical);
    ~GasDynamics();
    GasDynamics(GasDynamics&&) noexcept;

    GasSolver solver() const;        ///< chosen
    double trial_acceptance() const; ///< of null events on `typical`
    std::string reason() const;      ///< in words, for the log

    /// Bits are a pure function of (state, seed, replica, duration), whatever the threads.
    /// @param duration [ps]
    GasEvents advance(GasState& state, double duration, std::uint64_t seed, std::uint64_t replica) const;

private:
    struct Tables;
    std::unique_ptr<Tables> tables_;
};

} // namespace mesolith
