#include "gas_tables.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/core.h>

#include "mesolith/core/error.hpp"
#include "mesolith/core/units.hpp"

namespace mesolith {

SiteIndex::SiteIndex(const Domain& domain)
    : n_basis_(static_cast<std::uint32_t>(domain.n_basis())), n_{static_cast<std::uint32_t>(domain.cells[0]),
                                                                 static_cast<std::uint32_t>(domain.cells[1]),
                                                                 static_cast<std::uint32_t>(domain.cells[2])},
      by_basis_(n_basis_), by_x_(n_[0]),
      by_y_(n_[1]), periodic_{domain.periodic(0), domain.periodic(1), domain.periodic(2)},
      all_periodic_(periodic_[0] && periodic_[1] && periodic_[2]) {}

CellStep SiteIndex::step(const IVec3& R) const {
    CellStep step;
    for (int a = 0; a < 3; ++a) {
        const auto n = static_cast<std::int32_t>(n_[a]);
        step.R[a] = R[a];
        step.wrapped[a] = static_cast<std::uint32_t>((R[a] % n + n) % n);
    }
    return step;
}

PairEnergies::PairEnergies(const LatticeGas& gas, const SiteIndex& sites) : n_species_(gas.species.size()) {
    const std::size_t n = gas.domain.n_basis();
    begin_.assign(n + 1, 0);
    if (gas.pairs.empty()) return;
    beta_half_ = 1 / (2 * units::boltzmann_ev_per_k * gas.temperature);
    // Pairs of the same two sites share a matrix of energies.
    struct Bond {
        std::int32_t from, to;
        IVec3 R;
    };
    std::vector<Bond> bonds;
    for (const PairEnergy& pair : gas.pairs) {
        std::size_t b = 0;
        bool turned = false;
        for (; b < bonds.size(); ++b) {
            const Bond& bond = bonds[b];
            if (bond.from == pair.from && bond.to == pair.to && bond.R == pair.R) break;
            if (bond.from == pair.to && bond.to == pair.from && bond.R == -pair.R) {
                turned = true;
                break;
            }
        }
        if (b == bonds.size()) {
            bonds.push_back({pair.from, pair.to, pair.R});
            energies_.resize(energies_.size() + n_species_ * n_species_, 0.0);
        }
        auto s = static_cast<std::size_t>(pair.species_from), t = static_cast<std::size_t>(pair.species_to);
        if (turned) std::swap(s, t);
        energies_[b * n_species_ * n_species_ + s * n_species_ + t] = pair.energy;
    }
    std::vector<std::vector<Partner>> of_site(n);
    const std::size_t half = energies_.size();
    for (std::size_t b = 0; b < bonds.size(); ++b) { // and seen from the other end
        for (std::size_t s = 0; s < n_species_; ++s)
            for (std::size_t t = 0; t < n_species_; ++t)
                energies_.push_back(energies_[b * n_species_ * n_species_ + t * n_species_ + s]);
        const auto first = static_cast<std::uint32_t>(b * n_species_ * n_species_);
        of_site[static_cast<std::size_t>(bonds[b].from)].push_back(
            {sites.step(bonds[b].R), static_cast<std::uint32_t>(bonds[b].to), first});
        of_site[static_cast<std::size_t>(bonds[b].to)].push_back({sites.step(-bonds[b].R),
                                                                  static_cast<std::uint32_t>(bonds[b].from),
                                                                  static_cast<std::uint32_t>(half) + first});
    }
    for (std::size_t j = 0; j < n; ++j) {
        partners_.insert(partners_.end(), of_site[j].begin(), of_site[j].end());
        begin_[j + 1] = partners_.size();
    }
}

double PairEnergies::energy(const SiteIndex& sites, const GasState& state, std::uint32_t index,
                            std::uint32_t without, std::uint8_t species) const {
    const SiteCell here = sites(index);
    double energy = 0;
    for (const Partner& partner : partners_of(here.site)) {
        if (!sites.inside(here, partner.step)) continue;
        const std::uint32_t there = sites.neighbour(here, partner.step, partner.site);
        const std::int32_t other = state.occupant[there];
        if (other < 0 || there == without) continue;
        energy += energy_of(partner, species, state.species[static_cast<std::size_t>(other)]);
    }
    return energy;
}

namespace {

/// z with sum_j z pi_j / (1 + z pi_j) = c.
double fugacity_of(double c, const std::vector<double>& pi) {
    if (c == 0) return 0;
    const auto filling = [&](double z) {
        double sum = 0;
        for (const double w : pi) sum += langmuir(z, w);
        return sum;
    };
    double low = -700, high = 700; // log z
    for (int k = 0; k < 200; ++k) {
        const double middle = 0.5 * (low + high);
        (filling(std::exp(middle)) < c ? low : high) = middle;
    }
    return std::exp(0.5 * (low + high));
}

} // namespace

GasModel::GasModel(const LatticeGas& gas)
    : sites(gas.domain), pairs(gas, sites), n_basis(gas.rules.n_basis), cell_class(gas.rules.cell_class),
      class_line(gas.rules.class_line), weight(gas.rules.weight) {
    const Domain& domain = gas.domain;
    const double lag = domain.lag_time();
    for (const GasSpecies& s : gas.species) {
        factor.push_back(s.rate_factor);
        largest_factor = std::max(largest_factor, s.rate_factor);
    }
    double fugacity[3][2] = {};
    for (std::size_t a = 0; a < 3; ++a)
        for (std::size_t side = 0; side < 2; ++side)
            if (domain.faces[a][side].kind == FaceKind::reservoir)
                fugacity[a][side] = fugacity_of(domain.faces[a][side].concentration,
                                                domain.materials.front().kernel.stationary);

    const std::size_t n_lines = gas.rules.columns.size();
    line_site.resize(n_lines);
    std::vector<std::size_t> line_class(n_lines);
    for (std::size_t c = 0; c < gas.rules.n_classes(); ++c)
        for (std::size_t j = 0; j < n_basis; ++j) {
            const std::uint32_t l = class_line[c * n_basis + j];
            line_site[l] = static_cast<std::uint32_t>(j);
            line_class[l] = c;
        }
    struct LineGate {
        std::uint8_t face;
        double enter, leave;
    };
    std::vector<std::vector<LineGate>> line_gates(n_lines);
    for (std::size_t l = 0; l < n_lines; ++l) {
        const std::size_t cell = gas.rules.class_cell[line_class[l]];
        const IVec3 at = domain.cell_at(cell);
        const Material& material = domain.material_of(cell);
        double enter[6] = {}, leave[6] = {};
        for (const Hop& hop : gas.rules.columns[l]) {
            const auto site = static_cast<std::uint32_t>(hop.site);
            if ((hop.R.isZero() && site == line_site[l]) || !(hop.p > 0)) continue;
            const HopEnd end = hop_end(domain, at, hop.R);
            const double rate = hop.p / lag;
            if (end.inside()) {
                out.hops.push_back({sites.step(hop.R), site, rate});
                continue;
            }
            // What stands outside is empty with probability 1 / (1 + z w); what comes in by the same hop
            // turned around has the rate that detailed balance asks for.
            const std::size_t axis = static_cast<std::size_t>(end.axis),
                              side = static_cast<std::size_t>(end.side);
            const double z = fugacity[axis][side], w_out = material.weight * material.kernel.stationary[site];
            leave[2 * axis + side] += rate / (1 + z * w_out);
            enter[2 * axis + side] += rate * z * weight[l] / (1 + z * w_out);
        }
        out.begin.push_back(out.hops.size());
        for (std::uint8_t f = 0; f < 6; ++f)
            if (enter[f] > 0 || leave[f] > 0) line_gates[l].push_back({f, enter[f], leave[f]});
        for (const Hop& hop : gas.rules.rows[l]) {
            const auto site = static_cast<std::uint32_t>(hop.site);
            if ((hop.R.isZero() && site == line_site[l]) || !(hop.p > 0)) continue;
            in.hops.push_back({sites.step(hop.R), site, hop.p / lag});
        }
        in.begin.push_back(in.hops.size());
    }
    if (!domain.open()) return;
    for (std::size_t cell = 0; cell < cell_class.size(); ++cell)
        for (std::size_t j = 0; j < n_basis; ++j)
            for (const LineGate& g : line_gates[class_line[cell_class[cell] * n_basis + j]])
                gates.push_back({static_cast<std::uint32_t>(cell * n_basis + j), g.face, g.enter, g.leave});
}

std::uint8_t reservoir_species(const GasModel& model) {
    for (std::size_t s = 0; s < model.factor.size(); ++s)
        if (model.factor[s] > 0) return static_cast<std::uint8_t>(s);
    return 0;
}

namespace {

[[noreturn]] void wrong_state(const char* what) {
    throw DataError(fmt::format("state of a lattice gas {}. Take one that `fill` made for this gas", what));
}

} // namespace

void check_places(const GasState& state, std::size_t n_sites, std::size_t n_species) {
    if (state.occupant.size() != n_sites) wrong_state("of another number of sites");
    if (state.species.size() != state.place.size() || state.start.size() != state.place.size())
        wrong_state("whose arrays differ in length");
    constexpr std::int32_t far = 1 << 30;
    const auto is_far = [](std::int32_t c) { return c > far || c < -far; };
    for (std::size_t p = 0; p < state.place.size(); ++p) {
        const GasPlace& place = state.place[p];
        if (state.species[p] >= n_species) wrong_state("with a species that does not exist");
        if (place.site >= static_cast<std::int64_t>(n_sites))
            wrong_state("with a particle on a site that does not exist");
        if (is_far(place.x) || is_far(place.y) || is_far(place.z))
            throw DataError(fmt::format("particle {} went 2^30 cells (displacements end at 2^31). Simulate a "
                                        "shorter time",
                                        p));
    }
}

void check_state(const LatticeGas& gas, const GasState& state) {
    check_places(state, static_cast<std::size_t>(gas.domain.n_sites()), gas.species.size());
    std::size_t there = 0, occupied = 0;
    for (std::size_t p = 0; p < state.place.size(); ++p) {
        if (state.gone(p)) continue;
        ++there;
        if (state.occupant[static_cast<std::size_t>(state.place[p].site)] != static_cast<std::int32_t>(p))
            wrong_state("with a particle that is not on its site");
    }
    for (const std::int32_t o : state.occupant) occupied += o >= 0;
    if (occupied != there) wrong_state("with a site whose particle is elsewhere");
}

std::vector<std::int32_t> free_slots(const GasState& state) {
    std::vector<std::int32_t> free;
    for (std::size_t p = state.place.size(); p-- > 0;)
        if (state.place[p].gone()) free.push_back(static_cast<std::int32_t>(p));
    return free;
}

void enter_particle(GasState& state, const GasModel& model, std::vector<std::int32_t>& free,
                    std::uint32_t index) {
    const SiteCell at = model.sites(index);
    std::int32_t p = 0;
    if (free.empty()) {
        p = static_cast<std::int32_t>(state.place.size());
        state.place.emplace_back();
        state.species.emplace_back();
        state.start.emplace_back();
    } else {
        p = free.back();
        free.pop_back();
    }
    const auto slot = static_cast<std::size_t>(p);
    state.place[slot] = {static_cast<std::int32_t>(index), static_cast<std::int32_t>(at.x),
                         static_cast<std::int32_t>(at.y), static_cast<std::int32_t>(at.z)};
    state.species[slot] = reservoir_species(model);
    state.start[slot] = static_cast<std::int32_t>(index);
    state.occupant[index] = p;
}

void leave_particle(GasState& state, std::uint32_t index) {
    GasPlace& place = state.place[static_cast<std::size_t>(state.occupant[index])];
    place.site = -1 - place.site;
    state.occupant[index] = -1;
}

} // namespace mesolith
