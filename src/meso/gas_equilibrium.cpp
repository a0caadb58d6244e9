#include "mesolith/meso/gas_equilibrium.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

#include <fmt/core.h>

#include "mesolith/core/error.hpp"

#include "gas_random.hpp"
#include "gas_tables.hpp"

namespace mesolith {

namespace {

void check_sweeps(double sweeps) {
    if (!(sweeps >= 0) || !std::isfinite(sweeps))
        throw DataError(fmt::format("{} sweeps (must be finite and not negative). Correct it", sweeps));
}

void check_one_mobile(const GasModel& model) {
    std::size_t mobile = 0;
    for (const double f : model.factor) mobile += f > 0;
    if (mobile != 1)
        throw DataError(
            fmt::format("numbers of {} mobile species (fluctuations are sampled for one). Pin the "
                        "others",
                        mobile));
}

/// Weight of a particle on a site among the others but that on `without`.
class SiteWeights {
public:
    explicit SiteWeights(const GasModel& model) : model_(model) {}
    double operator()(const GasState& state, std::uint32_t index, std::uint32_t without,
                      std::uint8_t species) const {
        const double w = model_.weight[model_.line(model_.sites(index))];
        if (!model_.pairs.any()) return w;
        return w * std::exp(-2 * model_.pairs.beta_half() *
                            model_.pairs.energy(model_.sites, state, index, without, species));
    }

private:
    const GasModel& model_;
};

/// Metropolis moves of particles to empty sites.
class Moves {
public:
    Moves(const GasModel& model, GasState& state, std::uint64_t seed, std::uint64_t stream)
        : weight_(model), state_(state), random_(seed, RngUse::gas_exchange, stream) {
        for (std::size_t i = 0; i < state.occupant.size(); ++i) {
            if (state.occupant[i] < 0)
                empty_.push_back(static_cast<std::uint32_t>(i));
            else if (model.factor[state.species[static_cast<std::size_t>(state.occupant[i])]] > 0)
                taken_.push_back(static_cast<std::uint32_t>(i));
        }
    }
    std::size_t n_mobile() const { return taken_.size(); }
    const std::vector<std::uint32_t>& empty() const { return empty_; }

    bool move() {
        const auto [where, chance] = random_.next();
        const auto [k, rest] = wide_product(where, taken_.size());
        std::uint32_t &from = taken_[k], &to = empty_[wide_product(rest, empty_.size()).whole];
        const std::int32_t particle = state_.occupant[from];
        const std::uint8_t species = state_.species[static_cast<std::size_t>(particle)];
        const double before = weight_(state_, from, no_site, species),
                     after = weight_(state_, to, from, species);
        if (!(unit_interval(chance) * before < after)) return false;
        state_.occupant[from] = -1, state_.occupant[to] = particle;
        std::swap(from, to);
        return true;
    }

private:
    SiteWeights weight_;
    GasState& state_;
    GasStream random_;
    std::vector<std::uint32_t> taken_, empty_; ///< sites
};

/// All particles begin where they are.
void begin_here(const GasModel& model, GasState& state) {
    for (std::size_t i = 0; i < state.occupant.size(); ++i) {
        const std::int32_t p = state.occupant[i];
        if (p < 0) continue;
        const SiteCell at = model.sites(static_cast<std::uint32_t>(i));
        const auto slot = static_cast<std::size_t>(p);
        state.start[slot] = static_cast<std::int32_t>(i);
        state.place[slot] = {static_cast<std::int32_t>(i), static_cast<std::int32_t>(at.x),
                             static_cast<std::int32_t>(at.y), static_cast<std::int32_t>(at.z)};
    }
}

/// Insertions and deletions. Slots of particles are filled up from the back.
class Exchange {
public:
    Exchange(const GasModel& model, GasState& state, double fugacity, std::uint64_t seed,
             std::uint64_t stream)
        : model_(model), weight_(model), state_(state), fugacity_(fugacity),
          species_(reservoir_species(model)), random_(seed, RngUse::gas_exchange, stream) {
        for (std::size_t p = 0; p < state.place.size(); ++p)
            number_ += !state.gone(p) && state.species[p] == species_;
        free_ = free_slots(state);
    }
    std::int64_t number() const { return number_; }

    bool move() {
        const auto [where, chance] = random_.next();
        const auto i = static_cast<std::uint32_t>(wide_product(where, state_.occupant.size()).whole);
        const std::int32_t particle = state_.occupant[i];
        if (particle >= 0 && state_.species[static_cast<std::size_t>(particle)] != species_) return false;
        const double ratio = fugacity_ * weight_(state_, i, no_site, species_), u = unit_interval(chance);
        if (particle < 0) {
            if (!(u < ratio)) return false;
            enter_particle(state_, model_, free_, i);
            ++number_;
        } else {
            if (!(u * ratio < 1)) return false;
            leave_particle(state_, i);
            free_.push_back(particle);
            --number_;
        }
        return true;
    }

private:
    const GasModel& model_;
    SiteWeights weight_;
    GasState& state_;
    double fugacity_;
    std::uint8_t species_;
    GasStream random_;
    std::vector<std::int32_t> free_;
    std::int64_t number_ = 0;
};

/// f of the sums over all blocks, with its jackknife error. A block holds the sums of N and N^2, from N_0 so
/// that the variance keeps its digits.
struct Block {
    double n = 0, sum = 0, squares = 0;
    Block& operator+=(const Block& b) {
        n += b.n, sum += b.sum, squares += b.squares;
        return *this;
    }
    Block operator-(const Block& b) const { return {n - b.n, sum - b.sum, squares - b.squares}; }
    double mean() const { return sum / n; }
    double variance() const { return squares / n - mean() * mean(); }
};
Estimate jackknife(const std::vector<Block>& blocks, const std::function<double(const Block&)>& f) {
    Block all;
    for (const Block& b : blocks) all += b;
    double sum = 0, squares = 0;
    for (const Block& b : blocks) {
        const double without = f(all - b) - f(all);
        sum += without, squares += without * without;
    }
    const auto n = static_cast<double>(blocks.size());
    return {f(all), std::sqrt((n - 1) / n * std::max(0.0, squares - sum * sum / n))};
}

} // namespace

double equilibrate(const LatticeGas& gas, GasState& state, double sweeps, std::uint64_t seed,
                   std::uint64_t replica) {
    check_sweeps(sweeps);
    check_state(gas, state);
    const GasModel model(gas);
    Moves moves(model, state, seed, gas_stream(replica, state.interval));
    ++state.interval;
    double accepted = 0;
    const auto n = static_cast<std::uint64_t>(std::ceil(sweeps * static_cast<double>(moves.n_mobile())));
    if (!moves.empty().empty())
        for (std::uint64_t k = 0; k < n; ++k) accepted += moves.move();
    begin_here(model, state);
    return n == 0 ? 0 : accepted / static_cast<double>(n);
}

NumberFluctuations sample_numbers(const LatticeGas& gas, const GasState& start, double fugacity,
                                  const NumberSampling& sampling, std::uint64_t seed, std::uint64_t replica) {
    check_sweeps(sampling.sweeps);
    if (!(fugacity > 0) || !std::isfinite(fugacity))
        throw DataError(fmt::format("fugacity {} (must be positive and finite). Correct it", fugacity));
    if (sampling.blocks < 4 || sampling.sweeps < static_cast<double>(sampling.blocks))
        throw DataError(
            fmt::format("{:g} sweeps in {} blocks (at least 4 blocks of one sweep). Use more sweeps",
                        sampling.sweeps, sampling.blocks));
    check_state(gas, start);
    const GasModel model(gas);
    check_one_mobile(model);
    GasState state = start;
    Exchange exchange(model, state, fugacity, seed, gas_stream(replica, state.interval));
    const std::size_t n_sites = state.occupant.size();
    double accepted = 0, tried = 0;
    const auto move = [&](std::size_t n) {
        for (std::size_t k = 0; k < n; ++k) accepted += exchange.move();
        tried += static_cast<double>(n);
    };
    const auto sweeps = static_cast<std::size_t>(sampling.sweeps) / sampling.blocks;
    for (std::size_t k = 0; k < sweeps * sampling.blocks / 10 + 1; ++k) move(n_sites);
    const auto reference = static_cast<double>(exchange.number());
    std::vector<Block> blocks(sampling.blocks);
    for (Block& block : blocks)
        for (std::size_t k = 0; k < 2 * sweeps; ++k) {
            move((n_sites + 1) / 2);
            const double n = static_cast<double>(exchange.number()) - reference;
            ++block.n, block.sum += n, block.squares += n * n;
        }
    NumberFluctuations result;
    result.fugacity = fugacity;
    result.mean = jackknife(blocks, [&](const Block& b) { return reference + b.mean(); });
    result.variance = jackknife(blocks, [](const Block& b) { return b.variance(); });
    if (!(result.variance.value > 0))
        throw DataError(
            "the number of particles never changed (at this fugacity all sites are full or empty). "
            "Use a milder one, or more sweeps");
    result.thermodynamic_factor =
        jackknife(blocks, [&](const Block& b) { return (reference + b.mean()) / b.variance(); });
    result.accepted = accepted / tried;
    return result;
}

double fugacity_at(const LatticeGas& gas, GasState state, double sweeps, std::uint64_t seed,
                   std::uint64_t replica) {
    check_sweeps(sweeps);
    check_state(gas, state);
    const GasModel model(gas);
    check_one_mobile(model);
    const std::uint64_t stream = gas_stream(replica, state.interval);
    Moves moves(model, state, seed, stream);
    if (moves.empty().empty())
        throw DataError("the fugacity of a full lattice (it is infinite). Leave a vacancy");
    const SiteWeights weight(model);
    const std::uint8_t species = reservoir_species(model);
    const auto n = static_cast<double>(moves.n_mobile());
    const auto sweep = [&] {
        for (std::size_t k = 0; k < std::max<std::size_t>(moves.n_mobile(), 1); ++k)
            if (moves.n_mobile() > 0) (void)moves.move();
    };
    for (double s = 0; s < sweeps / 10; ++s) sweep();
    double sum = 0, samples = 0;
    for (double s = 0; s <= sweeps; ++s, ++samples) {
        for (const std::uint32_t i : moves.empty()) sum += weight(state, i, no_site, species);
        sweep();
    }
    return (n + 1) / (sum / samples);
}

NumberFluctuations thermodynamic_factor(const LatticeGas& gas, const GasState& state,
                                        const NumberSampling& sampling, std::uint64_t seed,
                                        std::uint64_t replica) {
    const double sweeps = gas.pairs.empty() ? 1 : std::max(10.0, sampling.sweeps / 10);
    GasState later = state;
    const double fugacity = fugacity_at(gas, later, sweeps, seed, replica);
    ++later.interval; // other random numbers
    return sample_numbers(gas, later, fugacity, sampling, seed, replica);
}

} // namespace mesolith
