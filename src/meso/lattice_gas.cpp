#include "mesolith/meso/lattice_gas.hpp"

#include <cmath>
#include <set>
#include <tuple>

#include <fmt/core.h>

#include "mesolith/core/error.hpp"
#include "mesolith/msm/generator.hpp"

#include "gas_null_event.hpp"
#include "gas_rejection_free.hpp"
#include "gas_tables.hpp"

namespace mesolith {

namespace {

/// Null events that are tried to find out how many are accepted.
constexpr double trial_attempts = 50'000;
/// Below this share of accepted attempts the tree is faster (bench/exclusion.cpp); with interactions it has
/// more to look up for each hop.
constexpr double least_acceptance = 0.03, least_acceptance_with_pairs = 0.007;

void check_species(const LatticeGas& gas) {
    if (gas.species.empty() || gas.species.size() > 255)
        throw DataError(
            fmt::format("{} species in a lattice gas (1 to 255). Name at least one", gas.species.size()));
    std::size_t mobile = 0;
    for (const GasSpecies& s : gas.species) {
        if (!(s.rate_factor >= 0) || !std::isfinite(s.rate_factor))
            throw DataError(
                fmt::format("rate factor {} of species {} (must be finite and not negative). Use 0 "
                            "for a pinned one",
                            s.rate_factor, s.name));
        mobile += s.rate_factor > 0;
    }
    if (gas.domain.has_face(FaceKind::reservoir) && mobile != 1)
        throw DataError(
            fmt::format("{} mobile species beside a reservoir (it holds particles of one species). "
                        "Pin the others, or use walls",
                        mobile));
}

void check_pairs(const LatticeGas& gas) {
    if (gas.pairs.empty()) return;
    if (!(gas.temperature > 0) || !std::isfinite(gas.temperature))
        throw DataError(
            fmt::format("pair energies at {} K (they need a temperature). Give one", gas.temperature));
    for (const Material& m : gas.domain.materials)
        if (!m.kernel.reversible && !has_detailed_balance(m.kernel))
            throw DataError(
                fmt::format("pair energies and kernel {} without detailed balance (there would be no "
                            "equilibrium). Give rates that have it",
                            m.name));
    const auto n = static_cast<std::int32_t>(gas.domain.n_basis()),
               n_species = static_cast<std::int32_t>(gas.species.size());
    std::set<std::tuple<std::int32_t, std::int32_t, int, int, int, std::int32_t, std::int32_t>> known;
    for (const PairEnergy& p : gas.pairs) {
        const std::string what =
            fmt::format("pair of sites {} and {} in cell ({}, {}, {})", p.from, p.to, p.R[0], p.R[1], p.R[2]);
        if (p.from < 0 || p.from >= n || p.to < 0 || p.to >= n)
            throw DataError(fmt::format("{} (there are sites 0 to {}). Correct it", what, n - 1));
        if (p.species_from < 0 || p.species_from >= n_species || p.species_to < 0 ||
            p.species_to >= n_species)
            throw DataError(fmt::format("{} of species {} and {} (there are 0 to {}). Correct it", what,
                                        p.species_from, p.species_to, n_species - 1));
        if (!std::isfinite(p.energy))
            throw DataError(
                fmt::format("{} with the energy {} (must be finite). Correct it", what, p.energy));
        bool itself = p.from == p.to;
        for (int a = 0; a < 3; ++a)
            itself &= gas.domain.periodic(a) ? p.R[a] % gas.domain.cells[a] == 0 : p.R[a] == 0;
        if (itself)
            throw DataError(
                fmt::format("{} (in a domain of {} x {} x {} cells this is one and the same site). Use "
                            "more cells, or leave it out",
                            what, gas.domain.cells[0], gas.domain.cells[1], gas.domain.cells[2]));
        known.insert({p.to, p.from, -p.R[0], -p.R[1], -p.R[2], p.species_to, p.species_from});
        if (!known.insert({p.from, p.to, p.R[0], p.R[1], p.R[2], p.species_from, p.species_to}).second)
            throw DataError(fmt::format("{} given twice (also seen from its other end). Drop one", what));
    }
}

void check_reservoirs(const LatticeGas& gas) {
    const auto n = static_cast<double>(gas.domain.n_basis());
    for (const auto& axis : gas.domain.faces)
        for (const Face& face : axis)
            if (face.kind == FaceKind::reservoir && face.concentration >= n)
                throw DataError(
                    fmt::format("reservoir of {} particles per cell (a cell has {} sites, and one has to "
                                "be empty now and then). Use fewer",
                                face.concentration, n));
}

} // namespace

LatticeGas make_lattice_gas(Domain domain, double temperature, std::vector<GasSpecies> species,
                            std::vector<PairEnergy> pairs) {
    check_domain(domain);
    if (domain.n_sites() >= std::int64_t{1} << 31)
        throw DataError(
            fmt::format("lattice gas of {} sites (they go to 2^31). Use a smaller domain", domain.n_sites()));
    HopRules rules = make_hop_rules(domain);
    LatticeGas gas{std::move(domain), std::move(rules), temperature, std::move(species), std::move(pairs)};
    check_species(gas);
    check_pairs(gas);
    check_reservoirs(gas);
    return gas;
}

std::size_t GasState::n_particles() const {
    std::size_t n = 0;
    for (const GasPlace& p : place) n += !p.gone();
    return n;
}

Vec3 GasState::displacement(std::size_t particle, const Domain& domain) const {
    const GasPlace& p = place[particle];
    const std::size_t n = domain.n_basis(), from = static_cast<std::size_t>(start[particle]),
                      to = static_cast<std::size_t>(p.gone() ? -1 - p.site : p.site);
    const IVec3 R = IVec3(p.x, p.y, p.z) - domain.cell_at(from / n);
    return domain.basis().displacement(from % n, to % n, R);
}

GasEvents& GasEvents::operator+=(const GasEvents& later) {
    attempts += later.attempts, hops += later.hops;
    for (std::size_t f = 0; f < 6; ++f) entered[f] += later.entered[f], left[f] += later.left[f];
    return *this;
}

struct GasDynamics::Tables {
    GasModel model;
    NullEvents null_events;
    RejectionFree rejection_free;
    std::size_t n_sites, n_species;
    GasSolver solver = GasSolver::null_event;
    double acceptance = 0;
    std::string reason;

    Tables(const LatticeGas& gas, const GasState& typical)
        : model(gas), null_events(model, typical), rejection_free(model),
          n_sites(static_cast<std::size_t>(gas.domain.n_sites())), n_species(gas.species.size()) {}

    GasEvents advance(GasState& state, double duration, std::uint64_t seed, std::uint64_t replica) const {
        const GasEvents events = solver == GasSolver::rejection_free
                                     ? rejection_free.advance(state, duration, seed, replica)
                                     : null_events.advance(state, duration, seed, replica);
        state.time += duration;
        ++state.interval;
        return events;
    }
};

GasDynamics::GasDynamics(const LatticeGas& gas, GasSolver solver, const GasState& typical) {
    check_state(gas, typical);
    tables_ = std::make_unique<Tables>(gas, typical);
    Tables& t = *tables_;
    const bool vacancies = t.null_events.by_vacancies(typical);
    const double rate = t.null_events.attempt_rate(typical, vacancies);
    if (rate > 0) {
        GasState trial = typical;
        t.acceptance = t.advance(trial, trial_attempts / rate, 0, 0).acceptance();
    }
    const char* carriers = vacancies ? "vacancies" : "particles";
    if (solver == GasSolver::automatic) {
        const double least = gas.pairs.empty() ? least_acceptance : least_acceptance_with_pairs;
        const bool rare = rate > 0 && t.acceptance < least;
        t.solver = rare ? GasSolver::rejection_free : GasSolver::null_event;
        t.reason =
            fmt::format("{}: {:.3g} % of the hops that {} try happen ({} from {:g} % on)",
                        rare ? "rejection-free" : "null events", 100 * t.acceptance, carriers,
                        rare ? "null events are faster" : "they are faster than rejection-free", 100 * least);
    } else {
        t.solver = solver;
        t.reason = fmt::format("{}, as asked for: {:.3g} % of the hops that {} would try happen",
                               solver == GasSolver::null_event ? "null events" : "rejection-free",
                               100 * t.acceptance, carriers);
    }
}
GasDynamics::~GasDynamics() = default;
GasDynamics::GasDynamics(GasDynamics&&) noexcept = default;

GasSolver GasDynamics::solver() const { return tables_->solver; }
double GasDynamics::trial_acceptance() const { return tables_->acceptance; }
std::string GasDynamics::reason() const { return tables_->reason; }

GasEvents GasDynamics::advance(GasState& state, double duration, std::uint64_t seed,
                               std::uint64_t replica) const {
    if (!(duration >= 0) || !std::isfinite(duration))
        throw DataError(
            fmt::format("interval of {} ps (must be finite and not negative). Correct it", duration));
    check_places(state, tables_->n_sites, tables_->n_species);
    return tables_->advance(state, duration, seed, replica);
}

} // namespace mesolith
