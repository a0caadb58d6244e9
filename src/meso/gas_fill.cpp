#include <algorithm>
#include <cmath>
#include <map>

#include <boost/math/special_functions/gamma.hpp>
#include <boost/random/binomial_distribution.hpp>
#include <fmt/core.h>

#include "mesolith/core/error.hpp"
#include "mesolith/meso/lattice_gas.hpp"

#include "gas_random.hpp"
#include "gas_tables.hpp"

namespace mesolith {

namespace {

/// Sites of one weight.
struct Kind {
    double weight = 0;
    std::int64_t sites = 0;
};

/// Independent occupation with these probabilities, given that n are occupied in all: how many of each kind.
/// All but the widest are drawn freely; the rest falls to that one and is accepted by its probability.
std::vector<std::int64_t> draw_numbers(const std::vector<Kind>& kinds, std::int64_t n, std::uint64_t seed,
                                       std::uint64_t stream) {
    std::vector<std::int64_t> numbers(kinds.size());
    std::int64_t available = 0;
    for (const Kind& k : kinds) available += k.weight > 0 ? k.sites : 0;
    if (n == available || n == 0 || kinds.size() == 1) {
        for (std::size_t k = 0; k < kinds.size(); ++k)
            numbers[k] = n == 0 || kinds[k].weight == 0 ? 0 : std::min(n, kinds[k].sites);
        return numbers;
    }
    double low = -700, high = 700; // log of the fugacity
    for (int i = 0; i < 200; ++i) {
        const double z = 0.5 * (low + high);
        double mean = 0;
        for (const Kind& k : kinds) mean += static_cast<double>(k.sites) * langmuir(std::exp(z), k.weight);
        (mean < static_cast<double>(n) ? low : high) = z;
    }
    std::vector<double> theta;
    std::size_t widest = 0;
    const auto width = [&](std::size_t k) {
        return static_cast<double>(kinds[k].sites) * theta[k] * (1 - theta[k]);
    };
    for (std::size_t k = 0; k < kinds.size(); ++k) {
        theta.push_back(langmuir(std::exp(0.5 * (low + high)), kinds[k].weight));
        if (width(k) > width(widest)) widest = k;
    }
    const auto log_probability = [&](std::int64_t number) {
        const auto m = static_cast<double>(kinds[widest].sites), x = static_cast<double>(number);
        const auto log_factorial = [](double v) { return boost::math::lgamma(v + 1); };
        return log_factorial(m) - log_factorial(x) - log_factorial(m - x) + x * std::log(theta[widest]) +
               (m - x) * std::log1p(-theta[widest]);
    };
    const double mode = log_probability(
        static_cast<std::int64_t>(std::floor(static_cast<double>(kinds[widest].sites + 1) * theta[widest])));
    for (std::uint64_t tries = 0;; ++tries) {
        Stream random(seed, RngUse::gas_start, stream, (std::uint64_t{1} << 55) + tries);
        std::int64_t rest = n;
        for (std::size_t k = 0; k < kinds.size(); ++k) {
            if (k == widest) continue;
            numbers[k] = theta[k] > 0 ? boost::random::binomial_distribution<std::int64_t, double>(
                                            kinds[k].sites, theta[k])(random)
                                      : 0;
            rest -= numbers[k];
        }
        if (rest < 0 || rest > kinds[widest].sites) continue;
        numbers[widest] = rest;
        if (std::log1p(-uniform01(random)) <= log_probability(rest) - mode) return numbers;
    }
}

} // namespace

GasState fill(const LatticeGas& gas, std::span<const std::int64_t> n_per_species, std::uint64_t seed,
              std::uint64_t replica) {
    if (n_per_species.size() != gas.species.size())
        throw DataError(fmt::format("numbers of {} species for a gas of {} (one each). Give them all",
                                    n_per_species.size(), gas.species.size()));
    std::int64_t n = 0;
    const std::int64_t n_sites = gas.domain.n_sites();
    for (std::size_t s = 0; s < n_per_species.size(); ++s) {
        if (n_per_species[s] < 0 || n_per_species[s] > n_sites)
            throw DataError(
                fmt::format("{} particles of species {} on {} sites (0 to as many as there are sites). "
                            "Correct it",
                            n_per_species[s], gas.species[s].name, n_sites));
        n += n_per_species[s];
    }
    // Where particles come in by themselves it may begin empty.
    if (n == 0 && !gas.domain.has_face(FaceKind::reservoir))
        throw DataError("a lattice gas without particles (nothing would move). Use at least one");

    std::map<double, std::uint32_t> known;
    std::vector<Kind> kinds;
    std::vector<std::uint32_t> kind_of_line;
    for (const double w : gas.rules.weight) {
        const auto [found, is_new] = known.try_emplace(w, static_cast<std::uint32_t>(kinds.size()));
        if (is_new) kinds.push_back({w, 0});
        kind_of_line.push_back(found->second);
    }
    const auto n_cells = static_cast<std::size_t>(gas.domain.n_cells());
    const std::size_t n_basis = gas.domain.n_basis();
    std::int64_t available = 0;
    for (std::size_t c = 0; c < n_cells; ++c)
        for (std::size_t j = 0; j < n_basis; ++j) {
            Kind& kind = kinds[kind_of_line[gas.rules.line_of(c, j)]];
            ++kind.sites;
            available += kind.weight > 0;
        }
    if (n > available)
        throw DataError(fmt::format("{} particles on {} sites (at most one each). Use fewer", n, available));

    const std::uint64_t stream = gas_stream(replica, 0);
    std::vector<std::int64_t> wanted = draw_numbers(kinds, n, seed, stream), left;
    for (const Kind& k : kinds) left.push_back(k.sites);
    std::vector<std::int64_t> of_species(n_per_species.begin(), n_per_species.end());
    std::int64_t to_place = n;
    GasState state;
    state.occupant.assign(static_cast<std::size_t>(n_sites), -1);
    state.place.reserve(static_cast<std::size_t>(n));
    GasStream random(seed, RngUse::gas_start, stream);
    for (std::size_t c = 0; c < n_cells; ++c) {
        const IVec3 at = gas.domain.cell_at(c);
        for (std::size_t j = 0; j < n_basis; ++j) {
            const std::uint32_t k = kind_of_line[gas.rules.line_of(c, j)];
            const auto [which, species] = random.next();
            const auto drawn =
                static_cast<std::int64_t>(wide_product(which, static_cast<std::uint64_t>(left[k]--)).whole);
            if (drawn >= wanted[k]) continue;
            --wanted[k];
            auto r = static_cast<std::int64_t>(
                wide_product(species, static_cast<std::uint64_t>(to_place--)).whole);
            std::size_t s = 0;
            while (r >= of_species[s]) r -= of_species[s++];
            --of_species[s];
            const auto index = static_cast<std::int32_t>(c * n_basis + j);
            state.occupant[static_cast<std::size_t>(index)] = static_cast<std::int32_t>(state.place.size());
            state.place.push_back({index, at[0], at[1], at[2]});
            state.species.push_back(static_cast<std::uint8_t>(s));
            state.start.push_back(index);
        }
    }
    return state;
}

} // namespace mesolith
