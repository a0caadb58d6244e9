#include "mesolith/observables/gas_statistics.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <tuple>

#include <fmt/core.h>

#include "mesolith/core/error.hpp"
#include "mesolith/core/units.hpp"

namespace mesolith {
namespace {

constexpr std::size_t most_bins = 60;
constexpr double same_distance = 1e-3; // [A]

void add_square(double* sums, const Vec3& d, double factor) {
    sums[0] += factor * d[0] * d[0];
    sums[1] += factor * d[1] * d[1];
    sums[2] += factor * d[2] * d[2];
    sums[3] += factor * d[1] * d[2];
    sums[4] += factor * d[0] * d[2];
    sums[5] += factor * d[0] * d[1];
}

} // namespace

std::vector<std::int64_t> GasPlan::lags() const {
    std::vector<std::int64_t> out;
    const std::int64_t longest = std::max<std::int64_t>(n_frames / 10, 1);
    for (double lag = 1; lag < static_cast<double>(longest) + 0.5; lag *= std::exp2(0.125)) {
        const auto whole = static_cast<std::int64_t>(std::llround(lag));
        if (out.empty() || whole > out.back()) out.push_back(std::min(whole, longest));
    }
    if (out.back() < longest) out.push_back(longest);
    return out;
}

std::int64_t GasPlan::bin_frames() const {
    return std::max<std::int64_t>(1, n_frames / static_cast<std::int64_t>(most_bins));
}

std::size_t GasPlan::n_bins() const { return static_cast<std::size_t>(n_frames / bin_frames() + 1); }

GasObserver::GasObserver(const LatticeGas& gas, const GasPlan& plan, const GasState& typical)
    : gas_(gas), plan_(plan), lags_(plan.lags()), n_bins_(plan.n_bins()) {
    if (plan.n_frames < 1 || !(plan.frame_interval > 0))
        throw DataError(fmt::format("{} frames every {} ps (there is nothing to see). Use at least one frame "
                                    "after the first, and some time between them",
                                    plan.n_frames, plan.frame_interval));
    for (const std::int32_t o : gas.domain.basis().orbit)
        n_orbits_ = std::max(n_orbits_, static_cast<std::size_t>(o) + 1);
    std::vector<std::size_t> of(n_species(), 0);
    for (std::size_t p = 0; p < typical.place.size(); ++p)
        if (!typical.gone(p)) ++of[typical.species[p]];
    for (std::size_t s = 0; s < n_species(); ++s) {
        tracer_begin_.push_back(n_tracers_);
        if (!closed() || gas.species[s].rate_factor == 0) continue;
        n_tracers_ += plan.n_tracers == 0 ? of[s] : std::min(of[s], static_cast<std::size_t>(plan.n_tracers));
    }
    tracer_begin_.push_back(n_tracers_);

    const std::size_t n_basis = gas.domain.n_basis();
    contacts_.resize(n_basis);
    const std::size_t S = n_species();
    for (const PairEnergy& pair : gas.pairs) {
        const auto contact = [&](std::int32_t from, std::int32_t to, const IVec3& R) -> Contact& {
            std::vector<Contact>& list = contacts_[static_cast<std::size_t>(from)];
            const auto found = std::find_if(list.begin(), list.end(),
                                            [&](const Contact& c) { return c.site == to && c.R == R; });
            if (found != list.end()) return *found;
            list.push_back({to, R, std::vector<double>(S * S, 0.0)});
            return list.back();
        };
        const auto a = static_cast<std::size_t>(pair.species_from),
                   b = static_cast<std::size_t>(pair.species_to);
        contact(pair.from, pair.to, pair.R).energy[a * S + b] += pair.energy;
        contact(pair.to, pair.from, -pair.R).energy[b * S + a] += pair.energy;
    }
    if (gas.domain.homogeneous()) find_shells();
    count_sites();
}

/// The nearest distances between sites, each with its pairs.
void GasObserver::find_shells() {
    const SiteBasis& basis = gas_.domain.basis();
    const std::size_t n = basis.size();
    const int reach = n > 8 ? 1 : 3;
    // Beyond this a pair may be missing.
    double sure = std::numeric_limits<double>::infinity();
    for (int axis = 0; axis < 3; ++axis) {
        double low = std::numeric_limits<double>::infinity(), high = -low;
        for (const Vec3& b : basis.positions) {
            const double f = basis.cell.to_fractional(b)[axis];
            low = std::min(low, f), high = std::max(high, f);
        }
        sure = std::min(sure, (reach + 1 - (high - low)) * basis.cell.perpendicular_width()[axis]);
    }
    struct Pair {
        double distance;
        std::size_t from;
        Neighbour to;
    };
    std::vector<Pair> all;
    for (std::size_t a = 0; a < n; ++a)
        for (std::size_t b = 0; b < n; ++b)
            for (int x = -reach; x <= reach; ++x)
                for (int y = -reach; y <= reach; ++y)
                    for (int z = -reach; z <= reach; ++z) {
                        const IVec3 R(x, y, z);
                        const double d = basis.displacement(a, b, R).norm();
                        if (d > same_distance && d < sure)
                            all.push_back({d, a, {static_cast<std::int32_t>(b), R, 0}});
                    }
    std::stable_sort(all.begin(), all.end(),
                     [](const Pair& a, const Pair& b) { return a.distance < b.distance; });
    neighbours_.resize(n);
    for (const Pair& pair : all) {
        if (shells_.empty() || pair.distance > shells_.back().distance + same_distance) {
            if (shells_.size() == plan_.n_shells) break;
            shells_.push_back({pair.distance, 0, std::vector<std::int64_t>(n_orbits_ * n_orbits_, 0)});
        }
        Neighbour to = pair.to;
        to.shell = shells_.size() - 1;
        neighbours_[pair.from].push_back(to);
    }
}

/// Sites of each class, pairs of each shell.
void GasObserver::count_sites() {
    const Domain& d = gas_.domain;
    const SiteBasis& basis = d.basis();
    const std::size_t n_regions = d.regions.size();
    classes_.resize(n_regions * n_orbits_);
    for (std::size_t r = 0; r < n_regions; ++r)
        for (std::size_t o = 0; o < n_orbits_; ++o) {
            GasClass& c = classes_[r * n_orbits_ + o];
            c.orbit = static_cast<std::int32_t>(o), c.region = static_cast<std::uint16_t>(r);
            for (std::size_t i = basis.size(); i-- > 0;)
                if (basis.orbit[i] == c.orbit) c.name = orbit_name(basis.name[i]);
        }
    const auto cells = static_cast<std::size_t>(d.n_cells());
    for (std::size_t c = 0; c < cells; ++c)
        for (std::size_t i = 0; i < basis.size(); ++i)
            ++classes_[d.region_of(c) * n_orbits_ + static_cast<std::size_t>(basis.orbit[i])].n_sites;
    const bool all_alike = d.crystal();
    const std::size_t looked_at = all_alike ? 1 : cells;
    const std::int64_t each = all_alike ? static_cast<std::int64_t>(cells) : 1;
    for (std::size_t c = 0; c < looked_at; ++c)
        for (std::size_t i = 0; i < neighbours_.size(); ++i)
            for (const Neighbour& to : neighbours_[i]) {
                const std::size_t end = end_of(c, to.R, to.site), self = c * basis.size() + i;
                if (end == std::numeric_limits<std::size_t>::max() || end == self) continue;
                const auto a = static_cast<std::size_t>(basis.orbit[i]),
                           b = static_cast<std::size_t>(basis.orbit[static_cast<std::size_t>(to.site)]);
                shells_[to.shell].by_orbit[a * n_orbits_ + b] += each;
            }
    for (GasShell& shell : shells_) {
        for (const std::int64_t n : shell.by_orbit) shell.neighbours += static_cast<double>(n);
        shell.neighbours /= static_cast<double>(d.n_sites());
    }
}

/// Index of a site in the cell R away; the largest number when it lies outside.
std::size_t GasObserver::end_of(std::size_t cell, const IVec3& R, std::int32_t site) const {
    const HopEnd end = hop_end(gas_.domain, gas_.domain.cell_at(cell), R);
    if (!end.inside()) return std::numeric_limits<std::size_t>::max();
    return gas_.domain.cell_index(end.cell) * gas_.domain.n_basis() + static_cast<std::size_t>(site);
}

double GasObserver::bytes() const {
    const double S = static_cast<double>(n_species()), classes = static_cast<double>(classes_.size()),
                 bins = static_cast<double>(n_bins_), frames = static_cast<double>(plan_.n_frames + 1);
    return 8 * (3 * static_cast<double>(n_tracers_) * static_cast<double>(lags_.back() + 1) +
                6 * S * bins * static_cast<double>(lags_.size()) + 4 * frames * S +
                bins * (2 * classes * S + classes + 6 * S + 2 * static_cast<double>(shells_.size())));
}

GasRecord GasObserver::start() const {
    GasRecord r;
    const std::size_t S = n_species(), frames = static_cast<std::size_t>(plan_.n_frames + 1);
    if (closed()) {
        r.ring.assign(3 * n_tracers_ * static_cast<std::size_t>(lags_.back() + 1), 0.0);
        r.msd.assign(S * n_bins_ * lags_.size() * 6, 0.0);
        r.collective.assign(frames * S * 3, 0.0);
    }
    r.occupied.assign(n_bins_ * classes_.size() * S, 0);
    r.leaving.assign(n_bins_ * classes_.size() * S, 0.0);
    r.filling.assign(n_bins_ * classes_.size(), 0.0);
    r.hop_squares.assign(n_bins_ * S * 6, 0.0);
    r.pairs.assign(n_bins_ * shells_.size() * 2, 0);
    r.pair_frames.assign(n_bins_, 0);
    r.particles.assign(frames * S, 0);
    return r;
}

/// Tracers of a replica: evenly among the particles of each species, whatever their order.
std::vector<std::int32_t> GasObserver::choose_tracers(const GasState& state) const {
    std::vector<std::vector<std::int32_t>> of(n_species());
    for (std::size_t p = 0; p < state.place.size(); ++p)
        if (!state.gone(p)) of[state.species[p]].push_back(static_cast<std::int32_t>(p));
    std::vector<std::int32_t> tracers;
    for (std::size_t s = 0; s < n_species(); ++s) {
        const std::size_t n = tracer_begin_[s + 1] - tracer_begin_[s];
        if (n > of[s].size())
            throw DataError(
                fmt::format("{} particles of species {} where {} are to be followed. All replicas need "
                            "the same numbers",
                            of[s].size(), gas_.species[s].name, n));
        for (std::size_t k = 0; k < n; ++k) tracers.push_back(of[s][k * of[s].size() / n]);
    }
    return tracers;
}

void GasObserver::add(GasRecord& record, const GasState& state) const {
    if (record.frames_done > plan_.n_frames)
        throw DataError(fmt::format("a frame after the last of {}", plan_.n_frames + 1));
    if (closed() && record.frames_done == 0) record.tracer = choose_tracers(state);
    if (closed()) add_displacements(record, state);
    add_census(record, state);
    ++record.frames_done;
}

void GasObserver::add_displacements(GasRecord& r, const GasState& state) const {
    const SiteBasis& basis = gas_.domain.basis();
    const auto position = [&](std::size_t p) {
        const GasPlace& at = state.place[p];
        return Vec3(basis.cell.to_cartesian(Vec3(at.x, at.y, at.z)) +
                    basis.positions[static_cast<std::size_t>(at.site) % basis.size()]);
    };
    const std::int64_t frame = r.frames_done, slots = lags_.back() + 1;
    double* now = r.ring.data() + static_cast<std::size_t>(frame % slots) * n_tracers_ * 3;
    for (std::size_t t = 0; t < n_tracers_; ++t) {
        const Vec3 at = position(static_cast<std::size_t>(r.tracer[t]));
        std::copy_n(at.data(), 3, now + 3 * t);
    }
    for (std::size_t l = 0; l < lags_.size() && lags_[l] <= frame; ++l) {
        const std::int64_t origin = frame - lags_[l];
        const double* then = r.ring.data() + static_cast<std::size_t>(origin % slots) * n_tracers_ * 3;
        const auto bin = static_cast<std::size_t>(origin / plan_.bin_frames());
        for (std::size_t s = 0; s < n_species(); ++s) {
            const std::size_t begin = tracer_begin_[s], end = tracer_begin_[s + 1];
            if (begin == end) continue;
            double sums[6] = {};
            for (std::size_t t = begin; t < end; ++t)
                add_square(sums,
                           Vec3(now[3 * t] - then[3 * t], now[3 * t + 1] - then[3 * t + 1],
                                now[3 * t + 2] - then[3 * t + 2]),
                           1);
            double* to = r.msd.data() + ((s * n_bins_ + bin) * lags_.size() + l) * 6;
            for (int k = 0; k < 6; ++k) to[k] += sums[k] / static_cast<double>(end - begin);
        }
    }
    double* sum = r.collective.data() + static_cast<std::size_t>(frame) * n_species() * 3;
    for (std::size_t p = 0; p < state.place.size(); ++p) {
        if (state.gone(p)) continue;
        const Vec3 at = position(p);
        for (int a = 0; a < 3; ++a) sum[3 * state.species[p] + static_cast<std::size_t>(a)] += at[a];
    }
}

/// Pair energies of a particle of a species on a site, as if `except` were empty.
double GasObserver::energy(const GasState& state, std::size_t site, std::size_t species,
                           std::size_t except) const {
    const std::size_t n_basis = gas_.domain.n_basis(), cell = site / n_basis;
    double sum = 0;
    for (const Contact& c : contacts_[site % n_basis]) {
        const std::size_t other = end_of(cell, c.R, c.site);
        if (other == std::numeric_limits<std::size_t>::max() || other == except || other == site) continue;
        const std::int32_t p = state.occupant[other];
        if (p >= 0) sum += c.energy[species * n_species() + state.species[static_cast<std::size_t>(p)]];
    }
    return sum;
}

void GasObserver::add_census(GasRecord& r, const GasState& state) const {
    const Domain& d = gas_.domain;
    const SiteBasis& basis = d.basis();
    const std::size_t n_basis = basis.size(), S = n_species(), n_classes = classes_.size();
    const auto frame = static_cast<std::size_t>(r.frames_done);
    const std::size_t bin = frame / static_cast<std::size_t>(plan_.bin_frames());
    const auto class_of = [&](std::size_t site) {
        return d.region_of(site / n_basis) * n_orbits_ +
               static_cast<std::size_t>(basis.orbit[site % n_basis]);
    };
    std::int64_t* occupied = r.occupied.data() + bin * n_classes * S;
    std::vector<std::size_t> particles, vacancies; // sites
    std::size_t n = 0;
    for (const std::int32_t p : state.occupant) n += p >= 0 ? 1 : 0;
    const bool of_vacancies = 2 * n > state.occupant.size();
    for (std::size_t site = 0; site < state.occupant.size(); ++site) {
        const std::int32_t p = state.occupant[site];
        if (p >= 0) {
            const std::size_t s = state.species[static_cast<std::size_t>(p)];
            ++occupied[class_of(site) * S + s];
            ++r.particles[frame * S + s];
            if (!of_vacancies) particles.push_back(site);
        } else if (of_vacancies) {
            vacancies.push_back(site);
        }
    }
    const double kT = units::boltzmann_ev_per_k * gas_.temperature, per_lag = 1 / d.lag_time();
    const auto hop = [&](std::size_t from, std::size_t to, double p, const IVec3& R) {
        const std::size_t s = state.species[static_cast<std::size_t>(state.occupant[from])];
        double rate = gas_.species[s].rate_factor * p * per_lag;
        if (rate == 0) return;
        if (!gas_.pairs.empty())
            rate *= std::exp(-(energy(state, to, s, from) - energy(state, from, s, from)) / (2 * kT));
        r.leaving[(bin * n_classes + class_of(from)) * S + s] += rate;
        r.filling[bin * n_classes + class_of(to)] += rate;
        add_square(r.hop_squares.data() + (bin * S + s) * 6,
                   basis.displacement(from % n_basis, to % n_basis, R), rate);
    };
    const auto look = [&](std::size_t site, const HopTable& table, bool outwards) {
        const std::size_t cell = site / n_basis;
        for (const Hop& h : table[gas_.rules.line_of(cell, site % n_basis)]) {
            if (h.R.isZero() && static_cast<std::size_t>(h.site) == site % n_basis) continue;
            const std::size_t other = end_of(cell, h.R, h.site);
            if (other == std::numeric_limits<std::size_t>::max()) continue;
            if (outwards && state.occupant[other] < 0) hop(site, other, h.p, h.R);
            if (!outwards && state.occupant[other] >= 0) hop(other, site, h.p, -h.R);
        }
    };
    for (const std::size_t site : particles) look(site, gas_.rules.columns, true);
    for (const std::size_t site : vacancies) look(site, gas_.rules.rows, false);
    if (!shells_.empty() && r.frames_done % plan_.pair_stride == 0) {
        add_pairs(r, state, of_vacancies ? vacancies : particles, of_vacancies);
        ++r.pair_frames[bin];
    }
}

/// Pairs of the fewer of particles and vacancies; those of the others follow from the number of all pairs.
void GasObserver::add_pairs(GasRecord& r, const GasState& state, std::span<const std::size_t> carriers,
                            bool vacancies) const {
    const std::size_t n_basis = gas_.domain.n_basis();
    std::vector<std::int64_t> both(shells_.size(), 0), ends(shells_.size(), 0);
    for (const std::size_t site : carriers)
        for (const Neighbour& to : neighbours_[site % n_basis]) {
            const std::size_t other = end_of(site / n_basis, to.R, to.site);
            if (other == std::numeric_limits<std::size_t>::max() || other == site) continue;
            ++ends[to.shell];
            if ((state.occupant[other] < 0) == vacancies) ++both[to.shell];
        }
    const std::size_t bin = static_cast<std::size_t>(r.frames_done / plan_.bin_frames());
    for (std::size_t k = 0; k < shells_.size(); ++k) {
        std::int64_t all = 0;
        for (const std::int64_t n : shells_[k].by_orbit) all += n;
        const std::int64_t others = all - 2 * ends[k] + both[k];
        std::int64_t* to = r.pairs.data() + (bin * shells_.size() + k) * 2;
        to[0] += vacancies ? others : both[k];
        to[1] += vacancies ? both[k] : others;
    }
}

double langmuir_factor(std::span<const double> weight, std::span<const std::int64_t> sites, double n) {
    double all = 0;
    for (std::size_t k = 0; k < weight.size(); ++k) {
        if (!(weight[k] > 0)) throw DataError(fmt::format("site weight {} is not positive", weight[k]));
        all += static_cast<double>(sites[k]);
    }
    if (weight.size() != sites.size() || !(n > 0) || !(n < all))
        throw DataError(fmt::format("{} particles on {} sites have no thermodynamic factor. Use at least one "
                                    "particle and one vacancy",
                                    n, all));
    const auto filled = [&](double log_z, bool variance) {
        double sum = 0;
        for (std::size_t k = 0; k < weight.size(); ++k) {
            const double theta = 1 / (1 + std::exp(-log_z - std::log(weight[k])));
            sum += static_cast<double>(sites[k]) * (variance ? theta * (1 - theta) : theta);
        }
        return sum;
    };
    double low = -1500, high = 1500; // weights are doubles
    for (int k = 0; k < 200; ++k) {
        const double middle = (low + high) / 2;
        (filled(middle, false) < n ? low : high) = middle;
    }
    return n / filled(low, true);
}

double nernst_einstein(double density, double charge, double diffusivity, double temperature) {
    // e (1e10 m^-1)^3 1e-8 m^2/s over kT in volts
    constexpr double si = 1.602176634e-19 * 1e30 * units::angstrom2_per_ps_in_m2_per_s;
    return si * density * charge * charge * diffusivity / (units::boltzmann_ev_per_k * temperature);
}

} // namespace mesolith
