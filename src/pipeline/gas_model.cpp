#include "gas_model.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

#include <fmt/format.h>

#include "mesolith/core/error.hpp"

namespace mesolith {
namespace {

/// Number of ions of each species.
std::vector<std::int64_t> fillings(const Config& config, const Domain& domain) {
    const GasSection& g = *config.meso->gas;
    const std::int64_t sites = domain.n_sites();
    const auto share = [&](double fraction) { return std::llround(fraction * static_cast<double>(sites)); };
    std::vector<std::int64_t> n;
    std::string key = "meso.gas.";
    if (g.vacancy_fraction) {
        n = {sites - share(*g.vacancy_fraction)};
        key += "vacancy_fraction";
        if (*g.vacancy_fraction > 0 && n[0] == sites)
            throw InputError(
                fmt::format("{}: {}: expected at least one vacancy, got {} of {} sites. Use a larger "
                            "domain",
                            config.path, key, *g.vacancy_fraction, sites));
    } else if (g.n_ions) {
        n = {*g.n_ions};
        key += "n_ions";
    } else if (g.ions_per_cell) {
        n = {std::llround(*g.ions_per_cell * static_cast<double>(domain.n_cells()))};
        key += "ions_per_cell";
    } else {
        for (const GasSpeciesSection& s : g.species) n.push_back(s.n ? *s.n : share(s.fraction.value_or(0)));
        key += "species";
    }
    std::int64_t all = 0;
    for (const std::int64_t k : n) all += k;
    if (all > sites || all < 1 || (all == sites && !domain.open()))
        throw InputError(fmt::format("{}: {}: expected 1 to {} ions on {} sites{}, got {}", config.path, key,
                                     sites - (domain.open() ? 0 : 1), sites,
                                     domain.open() ? "" : " (without a vacancy nothing moves)", all));
    return n;
}

std::vector<GasSpecies> species_of(const GasSection& g) {
    std::vector<GasSpecies> all;
    for (const GasSpeciesSection& s : g.species) all.push_back({s.name, s.pinned ? 0 : s.rate_factor});
    if (all.empty()) all.emplace_back();
    return all;
}

/// Pairs of sites at a distance, each once.
std::vector<PairEnergy> pairs_at(const SiteBasis& basis, double distance, double tolerance) {
    std::vector<PairEnergy> found;
    IVec3 reach;
    for (int a = 0; a < 3; ++a)
        reach[a] =
            1 + static_cast<int>(std::ceil((distance + tolerance) / basis.cell.perpendicular_width()[a]));
    for (std::size_t i = 0; i < basis.size(); ++i)
        for (std::size_t j = i; j < basis.size(); ++j)
            for (int z = -reach[2]; z <= reach[2]; ++z)
                for (int y = -reach[1]; y <= reach[1]; ++y)
                    for (int x = -reach[0]; x <= reach[0]; ++x) {
                        if (i == j && std::tuple(z, y, x) <= std::tuple(0, 0, 0)) continue;
                        const IVec3 R(x, y, z);
                        if (std::abs(basis.displacement(i, j, R).norm() - distance) <= tolerance)
                            found.push_back(
                                {static_cast<std::int32_t>(i), static_cast<std::int32_t>(j), R, 0, 0, 0});
                    }
    return found;
}

std::vector<PairEnergy> pairs_of(const Config& config, const SiteBasis& basis,
                                 const std::vector<GasSpecies>& species) {
    std::vector<PairEnergy> all;
    const GasSection& g = *config.meso->gas;
    for (std::size_t k = 0; k < g.pairs.size(); ++k) {
        const GasPairSection& p = g.pairs[k];
        const std::string key = fmt::format("{}: meso.gas.pair.{}", config.path, k);
        std::vector<PairEnergy> sites;
        if (p.distance) {
            sites = pairs_at(basis, *p.distance, p.tolerance);
            if (sites.empty())
                throw InputError(
                    fmt::format("{}.distance_angstrom: expected a distance between two sites, got {} "
                                "(no pair within {} A of it)",
                                key, *p.distance, p.tolerance));
        } else {
            for (const auto& [name, site] : {std::pair{"from", *p.from}, std::pair{"to", *p.to}})
                if (site >= static_cast<std::int64_t>(basis.size()))
                    throw InputError(fmt::format("{}.{}: expected a site from 0 to {}, got {}", key, name,
                                                 basis.size() - 1, site));
            sites.push_back(
                {static_cast<std::int32_t>(*p.from), static_cast<std::int32_t>(*p.to), p.R, 0, 0, 0});
        }
        const auto number = [&](const std::string& name) {
            return static_cast<std::int32_t>(
                std::find_if(species.begin(), species.end(),
                             [&](const GasSpecies& s) { return s.name == name; }) -
                species.begin());
        };
        std::vector<std::pair<std::int32_t, std::int32_t>> kinds;
        if (p.species.empty()) {
            for (std::int32_t a = 0; a < static_cast<std::int32_t>(species.size()); ++a)
                for (std::int32_t b = 0; b < static_cast<std::int32_t>(species.size()); ++b)
                    kinds.emplace_back(a, b);
        } else {
            kinds.emplace_back(number(p.species[0]), number(p.species[1]));
            if (p.distance && p.species[0] != p.species[1])
                kinds.emplace_back(kinds[0].second, kinds[0].first);
        }
        for (PairEnergy pair : sites)
            for (const auto& [a, b] : kinds) {
                pair.species_from = a, pair.species_to = b, pair.energy = *p.energy;
                all.push_back(pair);
            }
    }
    return all;
}

/// Whether two domains hop at the same rates.
bool same_rates(const Domain& a, const Domain& b) {
    for (std::size_t m = 0; m < a.materials.size(); ++m) {
        const Kernel &p = a.materials[m].kernel, &q = b.materials[m].kernel;
        if (a.materials[m].weight != b.materials[m].weight || p.entries.size() != q.entries.size())
            return false;
        for (std::size_t j = 0; j < p.n_sites(); ++j)
            for (std::size_t e = p.column[j]; e < p.column[j + 1]; ++e) {
                const bool stays = static_cast<std::size_t>(p.entries[e].to) == j && p.entries[e].R.isZero();
                const double x = p.entries[e].p / p.lag_time, y = q.entries[e].p / q.lag_time;
                if (!stays && std::abs(x - y) > 1e-9 * x) return false;
            }
    }
    return true;
}

/// Temperature of the rates, the same for all materials.
std::optional<double> temperature_of(const DomainModel& model) {
    std::optional<double> kelvin;
    for (const MaterialSource& s : model.sources) {
        if (!s.temperature) continue;
        if (kelvin && std::abs(*kelvin - *s.temperature) > 1e-9 * *kelvin)
            throw InputError(fmt::format("hop lists of the materials are for {:g} K and {:g} K. Give "
                                         "meso.temperature_K, for all of them",
                                         *kelvin, *s.temperature));
        kelvin = s.temperature;
    }
    return kelvin;
}

} // namespace

std::int64_t GasStep::equilibration_intervals() const {
    return static_cast<std::int64_t>(std::ceil(equilibration / plan.frame_interval * (1 - 1e-12)));
}

std::int64_t GasModel::n_ions() const {
    std::int64_t n = 0;
    for (const std::int64_t k : n_per_species) n += k;
    return n;
}

std::optional<std::size_t> GasModel::only_species() const {
    std::optional<std::size_t> only;
    for (std::size_t s = 0; s < n_per_species.size(); ++s) {
        if (n_per_species[s] == 0) continue;
        if (only) return std::nullopt;
        only = s;
    }
    return only;
}

std::optional<double> first_temperature(const Config& config) {
    const GasSection& g = *config.meso->gas;
    return g.temperatures.empty() ? std::nullopt : std::optional(g.temperatures.front()[1]);
}

GasModel build_gas(const Config& config, const DomainModel& model) {
    const MesoSection& m = *config.meso;
    const GasSection& g = *m.gas;
    GasModel out;
    out.n_per_species = fillings(config, model.domain);
    const std::vector<GasSpecies> species = species_of(g);
    const std::vector<PairEnergy> pairs = pairs_of(config, model.domain.basis(), species);
    const std::size_t n = std::max<std::size_t>(g.temperatures.size(), 1);
    for (std::size_t k = 0; k < n; ++k) {
        const DomainModel here = k == 0 ? model : build_domain(config, g.temperatures[k][1]);
        GasStep step;
        step.begin = k == 0 ? 0 : g.temperatures[k][0];
        step.end = k + 1 < n ? g.temperatures[k + 1][0] : m.total_time;
        step.temperature = !g.temperatures.empty() ? g.temperatures[k][1] : temperature_of(here);
        if (!step.temperature) step.temperature = m.temperature ? m.temperature : config.run.temperature;
        if (!pairs.empty() && !step.temperature)
            throw InputError(config.path +
                             ": meso.temperature_K: expected a number > 0 (needed for energies of "
                             "pairs), got nothing");
        step.equilibration = g.equilibration.value_or(pairs.empty() ? 0 : 0.1 * (step.end - step.begin));
        // Later equilibrations take from the time at their temperature, so that the schedule holds.
        const double time = step.end - step.begin - (k == 0 ? 0 : step.equilibration);
        step.plan.n_frames = g.n_frames;
        step.plan.frame_interval = time / static_cast<double>(g.n_frames);
        step.plan.n_tracers = g.n_tracers;
        step.plan.n_shells = static_cast<std::size_t>(g.n_shells);
        step.sources = here.sources;
        step.gas = make_lattice_gas(here.domain, step.temperature.value_or(0), species, pairs);
        if (k > 0 && pairs.empty() && same_rates(out.steps.front().gas.domain, step.gas.domain) &&
            g.temperatures[k][1] != g.temperatures[0][1])
            throw InputError(config.path +
                             ": meso.gas.temperature_schedule_ps_K: expected hop lists with barriers, "
                             "got rates that are the same at all temperatures");
        out.steps.push_back(std::move(step));
    }
    return out;
}

std::optional<double> exact_thermodynamic_factor(const GasModel& model, const GasStep& step) {
    if (!step.gas.pairs.empty() || !model.only_species()) return std::nullopt;
    const Domain& d = step.gas.domain;
    const std::int64_t n = model.n_ions();
    if (n < 1 || n >= d.n_sites()) return std::nullopt;
    std::map<double, std::int64_t> kinds;
    const auto cells = static_cast<std::size_t>(d.homogeneous() ? 1 : d.n_cells());
    const std::int64_t each = d.homogeneous() ? d.n_cells() : 1;
    for (std::size_t c = 0; c < cells; ++c)
        for (std::size_t i = 0; i < d.n_basis(); ++i) kinds[d.weight_of(c, i)] += each;
    std::vector<double> weight;
    std::vector<std::int64_t> sites;
    for (const auto& [w, count] : kinds) weight.push_back(w), sites.push_back(count);
    return langmuir_factor(weight, sites, static_cast<double>(n));
}

std::optional<Mat3> exact_collective(const GasModel& model, const GasStep& step,
                                     const std::optional<Mat3>& single) {
    const auto only = model.only_species();
    if (!single || !only || !step.gas.pairs.empty() || !model.closed()) return std::nullopt;
    const std::vector<double>& weight = step.gas.rules.weight;
    const auto [low, high] = std::minmax_element(weight.begin(), weight.end());
    if (*high - *low > 1e-9 * *high) return std::nullopt;
    const auto M = static_cast<double>(step.gas.domain.n_sites()), N = static_cast<double>(model.n_ions());
    return Mat3(step.gas.species[*only].rate_factor * (M - N) / (M - 1) * *single);
}

} // namespace mesolith
