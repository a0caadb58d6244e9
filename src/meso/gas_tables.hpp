#pragma once
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "mesolith/meso/lattice_gas.hpp"

#include "gas_random.hpp"

namespace mesolith {

/// A particle outside of the lattice: in a reservoir.
inline constexpr std::uint32_t no_site = 0xFFFFFFFFu;

/// n / d for n < 2^32 by a product.
class FastDivider {
public:
    explicit FastDivider(std::uint32_t d = 1)
        : factor_(d == 1 ? 0 : ~std::uint64_t{0} / d + 1), same_(d == 1 ? ~0u : 0u) {}
    std::uint32_t operator()(std::uint32_t n) const {
        return static_cast<std::uint32_t>(wide_product(factor_, n).whole) | (n & same_);
    }

private:
    std::uint64_t factor_;
    std::uint32_t same_;
};

/// A site as basis site and cell within the domain.
struct SiteCell {
    std::uint32_t cell = 0, site = 0; ///< cell: its index
    std::uint32_t x = 0, y = 0, z = 0;
};

/// A step over cells: as it is, and wrapped into 0 ... n - 1 of each axis.
struct CellStep {
    std::int32_t R[3] = {};
    std::uint32_t wrapped[3] = {};
};

/// Sites of a domain by their number, cell_index * n_basis + site.
class SiteIndex {
public:
    explicit SiteIndex(const Domain& domain);

    std::uint32_t n_basis() const { return n_basis_; }
    SiteCell operator()(std::uint32_t index) const {
        SiteCell s;
        s.cell = by_basis_(index);
        s.site = index - s.cell * n_basis_;
        const std::uint32_t row = by_x_(s.cell);
        s.x = s.cell - row * n_[0];
        s.z = by_y_(row);
        s.y = row - s.z * n_[1];
        return s;
    }
    CellStep step(const IVec3& R) const;
    /// Site in the cell a step away, which is inside of the domain or across a periodic face.
    std::uint32_t neighbour(const SiteCell& from, const CellStep& step, std::uint32_t site) const {
        std::uint32_t x = from.x + step.wrapped[0], y = from.y + step.wrapped[1],
                      z = from.z + step.wrapped[2];
        x -= x >= n_[0] ? n_[0] : 0;
        y -= y >= n_[1] ? n_[1] : 0;
        z -= z >= n_[2] ? n_[2] : 0;
        return ((z * n_[1] + y) * n_[0] + x) * n_basis_ + site;
    }
    /// Whether a step ends inside of the domain or across a periodic face.
    bool inside(const SiteCell& from, const CellStep& step) const {
        return all_periodic_ ||
               (inside(0, from.x, step.R[0]) && inside(1, from.y, step.R[1]) && inside(2, from.z, step.R[2]));
    }

private:
    bool inside(int axis, std::uint32_t c, std::int32_t R) const {
        const std::int64_t to = std::int64_t{c} + R;
        return periodic_[axis] || (to >= 0 && to < std::int64_t{n_[axis]});
    }
    std::uint32_t n_basis_, n_[3];
    FastDivider by_basis_, by_x_, by_y_;
    bool periodic_[3], all_periodic_;
};

/// Interaction energies of a particle with those around it.
class PairEnergies {
public:
    PairEnergies(const LatticeGas& gas, const SiteIndex& sites);

    bool any() const { return !partners_.empty(); }
    double beta_half() const { return beta_half_; } ///< 1 / 2 kT [1/eV]

    /// Of a particle of this species on a site with all others but the one on `without` [eV].
    double energy(const SiteIndex& sites, const GasState& state, std::uint32_t index, std::uint32_t without,
                  std::uint8_t species) const;

    struct Partner {
        CellStep step;
        std::uint32_t site;
        std::uint32_t energies; ///< first of n_species^2
    };
    std::span<const Partner> partners_of(std::size_t site) const {
        return {partners_.data() + begin_[site], begin_[site + 1] - begin_[site]};
    }
    double energy_of(const Partner& partner, std::size_t here, std::size_t there) const {
        return energies_[partner.energies + here * n_species_ + there];
    }
    std::size_t n_species() const { return n_species_; }

private:
    std::size_t n_species_;
    double beta_half_ = 0;
    std::vector<std::size_t> begin_;
    std::vector<Partner> partners_;
    std::vector<double> energies_;
};

/// A hop as seen from one of its ends.
struct GasHop {
    CellStep step;          ///< to the other end
    std::uint32_t site = 0; ///< of the other end
    double rate = 0;        ///< p / lag [1/ps]
};

/// Hops of each line to and from sites of the domain.
struct GasHops {
    std::vector<std::size_t> begin{0};
    std::vector<GasHop> hops;
    std::span<const GasHop> operator[](std::size_t line) const {
        return {hops.data() + begin[line], begin[line + 1] - begin[line]};
    }
};

/// Where particles come in from outside or leave.
struct GasGate {
    std::uint32_t index = 0; ///< of the site inside
    std::uint8_t face = 0;
    double enter = 0, leave = 0; ///< rates without interactions, when empty and when occupied [1/ps]
};

/// What both solvers need to know of a gas.
struct GasModel {
    explicit GasModel(const LatticeGas& gas);

    SiteIndex sites;
    PairEnergies pairs;
    std::size_t n_basis;
    std::vector<std::uint32_t> cell_class, class_line; ///< as in HopRules
    std::vector<double> weight;                        ///< per line
    std::vector<std::uint32_t> line_site;              ///< basis site of each line
    GasHops out, in;            ///< per line: where a particle goes, where one comes from
    std::vector<GasGate> gates; ///< by site, then face
    std::vector<double> factor; ///< per species
    double largest_factor = 0;

    std::uint32_t line(const SiteCell& s) const {
        const std::uint32_t c = cell_class.empty() ? 0 : cell_class[s.cell];
        return class_line[c * n_basis + s.site];
    }
    bool closed() const { return gates.empty(); }
};

/// theta of a site of weight w in contact with a fugacity: z w / (1 + z w).
inline double langmuir(double fugacity, double weight) { return fugacity * weight / (1 + fugacity * weight); }

/// @throws DataError when a state does not fit a gas
void check_state(const LatticeGas& gas, const GasState& state);

/// What `advance` checks of it, without jumping around in memory.
void check_places(const GasState& state, std::size_t n_sites, std::size_t n_species);

/// Slots of particles that left, the lowest at the back.
std::vector<std::int32_t> free_slots(const GasState& state);

/// A particle moves; `R` is the cell it goes to, seen from where it was.
inline void move_particle(GasState& state, std::uint32_t from, std::uint32_t to, std::int32_t particle,
                          const std::int32_t (&R)[3], std::int32_t sign) {
    state.occupant[from] = -1;
    state.occupant[to] = particle;
    GasPlace& place = state.place[static_cast<std::size_t>(particle)];
    place.site = static_cast<std::int32_t>(to);
    const auto moved = [&](std::int32_t c, int axis) { // beyond 2^31 they go around, see check_state
        return static_cast<std::int32_t>(static_cast<std::uint32_t>(c) +
                                         static_cast<std::uint32_t>(sign * R[axis]));
    };
    place.x = moved(place.x, 0), place.y = moved(place.y, 1), place.z = moved(place.z, 2);
}

/// A particle of the first mobile species comes in.
void enter_particle(GasState& state, const GasModel& model, std::vector<std::int32_t>& free,
                    std::uint32_t index);
void leave_particle(GasState& state, std::uint32_t index);

/// Species of the particles that reservoirs send.
std::uint8_t reservoir_species(const GasModel& model);

} // namespace mesolith
