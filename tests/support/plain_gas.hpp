#pragma once
// Exclusion without interactions in the plainest way: a reference for observables, not for speed.
#include <cmath>
#include <numeric>
#include <random>
#include <utility>

#include "mesolith/meso/lattice_gas.hpp"

namespace mesolith::test {

inline LatticeGas plain_gas(Domain domain) {
    LatticeGas gas;
    gas.domain = std::move(domain);
    gas.rules = make_hop_rules(gas.domain);
    return gas;
}

/// n particles on sites drawn evenly.
inline GasState scattered(const LatticeGas& gas, std::size_t n, unsigned seed) {
    std::mt19937_64 random(seed);
    GasState s;
    s.occupant.assign(static_cast<std::size_t>(gas.domain.n_sites()), -1);
    std::vector<std::size_t> sites(s.occupant.size());
    std::iota(sites.begin(), sites.end(), std::size_t{0});
    std::shuffle(sites.begin(), sites.end(), random);
    for (std::size_t p = 0; p < n; ++p) {
        const IVec3 c = gas.domain.cell_at(sites[p] / gas.domain.n_basis());
        s.occupant[sites[p]] = static_cast<std::int32_t>(p);
        s.place.push_back({static_cast<std::int32_t>(sites[p]), c[0], c[1], c[2]});
        s.start.push_back(s.place.back().site);
        s.species.push_back(0);
    }
    return s;
}

/// Attempts of all particles at the rate 1 / lag each, a Poisson number of them; blocked ones do not happen.
inline void let_hop(const LatticeGas& gas, GasState& s, double time, std::mt19937_64& random) {
    const Domain& d = gas.domain;
    const auto n = s.place.size();
    std::poisson_distribution<std::int64_t> attempts(static_cast<double>(n) * time / d.lag_time());
    std::uniform_real_distribution<double> uniform;
    for (std::int64_t k = attempts(random); k > 0; --k) {
        const std::size_t p = random() % n, site = static_cast<std::size_t>(s.place[p].site);
        double u = uniform(random);
        for (const Hop& h : gas.rules.columns[gas.rules.line_of(site / d.n_basis(), site % d.n_basis())]) {
            if ((u -= h.p) >= 0) continue;
            const HopEnd end = hop_end(d, d.cell_at(site / d.n_basis()), h.R);
            const std::size_t to = d.cell_index(end.cell) * d.n_basis() + static_cast<std::size_t>(h.site);
            if (s.occupant[to] >= 0) break;
            s.occupant[site] = -1, s.occupant[to] = static_cast<std::int32_t>(p);
            s.place[p].site = static_cast<std::int32_t>(to);
            s.place[p].x += h.R[0], s.place[p].y += h.R[1], s.place[p].z += h.R[2];
            break;
        }
    }
    s.time += time;
}

} // namespace mesolith::test
