#include "gas_null_event.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <boost/random/poisson_distribution.hpp>
#include <fmt/core.h>

#include "mesolith/core/error.hpp"
#include "mesolith/meso/jump_table.hpp"

#include "exponential.hpp"

namespace mesolith {

namespace {

/// Rates of a group reach down to this share of the largest.
constexpr double group_width = 0.7;
/// One group for all where this share of the attempts is not lost to it.
constexpr double one_group_share = 0.5;

/// Largest and smallest energy that particles around a site can have with one of this species there, all
/// partners but the one a step away.
struct EnergyRange {
    double least = 0, most = 0;
};
EnergyRange energy_range(const PairEnergies& pairs, std::size_t site, std::size_t species,
                         const CellStep& step, std::uint32_t other) {
    EnergyRange range;
    for (const PairEnergies::Partner& partner : pairs.partners_of(site)) {
        if (partner.site == other && std::equal(partner.step.R, partner.step.R + 3, step.R)) continue;
        double least = 0, most = 0;
        for (std::size_t t = 0; t < pairs.n_species(); ++t) {
            least = std::min(least, pairs.energy_of(partner, species, t));
            most = std::max(most, pairs.energy_of(partner, species, t));
        }
        range.least += least, range.most += most;
    }
    return range;
}

CellStep turned(const CellStep& step) {
    CellStep back;
    for (int a = 0; a < 3; ++a) back.R[a] = -step.R[a];
    return back; // only R is compared
}

} // namespace

NullEvents::NullEvents(const GasModel& model, const GasState& typical)
    : model_(model), sites_of_line_(model.weight.size()) {
    const std::size_t n_classes = model.class_line.size() / model.n_basis;
    std::vector<double> cells(n_classes);
    for (const std::uint32_t c : model.cell_class) ++cells[c];
    if (model.cell_class.empty())
        cells[0] = static_cast<double>(typical.occupant.size()) / static_cast<double>(model.n_basis);
    for (std::size_t k = 0; k < model.class_line.size(); ++k)
        sites_of_line_[model.class_line[k]] += cells[k / model.n_basis];
    particles_ = make_carriers(false, count(typical, false));
    vacancies_ = make_carriers(true, count(typical, true));
    make_gates();
}

std::vector<double> NullEvents::count(const GasState& state, bool vacancies) const {
    const std::size_t n_lines = model_.weight.size(), n_species = model_.factor.size();
    std::vector<double> counts(n_lines * n_species);
    if (counts.size() == 1 && model_.closed()) {
        counts[0] = static_cast<double>(state.place.size());
    } else {
        for (std::size_t p = 0; p < state.place.size(); ++p)
            if (!state.gone(p))
                ++counts[state.species[p] * n_lines +
                         model_.line(model_.sites(static_cast<std::uint32_t>(state.place[p].site)))];
    }
    if (!vacancies) return counts;
    std::vector<double> empty = sites_of_line_;
    for (std::size_t r = 0; r < counts.size(); ++r) empty[r % n_lines] -= counts[r];
    return empty;
}

double NullEvents::attempt_rate(const GasState& state, bool vacancies) const {
    const Carriers& carriers = vacancies ? vacancies_ : particles_;
    const std::vector<double> counts = count(state, vacancies);
    double rate = gate_rate_;
    for (std::size_t r = 0; r < counts.size(); ++r)
        if (carriers.rows[r].group >= 0)
            rate += counts[r] * carriers.group_rate[static_cast<std::size_t>(carriers.rows[r].group)];
    return rate;
}

bool NullEvents::by_vacancies(const GasState& state) const {
    return attempt_rate(state, true) < attempt_rate(state, false);
}

NullEvents::Carriers NullEvents::make_carriers(bool vacancies, const std::vector<double>& counts) const {
    const std::size_t n_lines = model_.weight.size(), n_species = model_.factor.size(),
                      n_rows = vacancies ? n_lines : n_lines * n_species;
    Carriers carriers;
    carriers.vacancies = vacancies;
    carriers.rows.resize(n_rows);
    carriers.thinned = model_.pairs.any();
    for (const double f : model_.factor) carriers.thinned |= vacancies && f != model_.factor[0];

    struct RowMoves {
        std::vector<Move> moves;
        std::vector<double> rates;
        double total = 0;
        bool mobile = true;
    };
    std::vector<RowMoves> rows(n_rows);
    for (std::size_t r = 0; r < n_rows; ++r) {
        const std::size_t line = r % n_lines;
        const std::uint32_t here = model_.line_site[line];
        rows[r].mobile = vacancies || model_.factor[r / n_lines] > 0;
        if (!rows[r].mobile) continue;
        for (const GasHop& hop : (vacancies ? model_.in : model_.out)[line]) {
            const std::uint32_t source = vacancies ? hop.site : here, target = vacancies ? here : hop.site;
            const CellStep forth = vacancies ? turned(hop.step) : hop.step;
            double bound = 0;
            for (std::size_t s = 0; s < n_species; ++s) {
                if (!vacancies && s != r / n_lines) continue;
                double largest = model_.factor[s];
                if (model_.pairs.any()) {
                    const double before = energy_range(model_.pairs, source, s, forth, target).most,
                                 after = energy_range(model_.pairs, target, s, turned(forth), source).least;
                    largest *= std::exp((before - after) * model_.pairs.beta_half());
                }
                bound = std::max(bound, largest);
            }
            if (bound == 0) continue;
            rows[r].moves.push_back({hop.step, hop.site, bound});
            rows[r].rates.push_back(hop.rate * bound);
            rows[r].total += hop.rate * bound;
        }
    }
    // Groups: one, or from the fastest down.
    double most = 0, tried = 0, all = 0;
    for (std::size_t r = 0; r < n_rows; ++r) {
        if (!rows[r].mobile) continue;
        most = std::max(most, rows[r].total);
        tried += counts[r] * rows[r].total, all += counts[r];
    }
    if (most == 0) return carriers;
    const bool one = tried >= one_group_share * all * most;
    std::vector<std::size_t> order(n_rows);
    std::iota(order.begin(), order.end(), std::size_t{0});
    carriers.one_group = one;
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return rows[a].total > rows[b].total; });
    for (const std::size_t r : order) {
        if (!rows[r].mobile || (!one && rows[r].total == 0)) continue;
        if (carriers.group_rate.empty() || (!one && rows[r].total < group_width * carriers.group_rate.back()))
            carriers.group_rate.push_back(rows[r].total);
        const double rate = carriers.group_rate.back();
        std::vector<double> rates = rows[r].rates;
        const auto first_move = static_cast<std::uint32_t>(carriers.moves.size());
        if (rows[r].total < rate) rates.push_back(rate - rows[r].total); // nothing is tried
        carriers.moves.insert(carriers.moves.end(), rows[r].moves.begin(), rows[r].moves.end());
        Row& row = carriers.rows[r];
        row.group = static_cast<std::int32_t>(carriers.group_rate.size()) - 1;
        row.first = static_cast<std::uint32_t>(carriers.slots.size());
        row.n = static_cast<std::uint32_t>(rates.size());
        const auto index = [&](std::uint64_t k) {
            return k < rows[r].moves.size() ? first_move + static_cast<std::uint32_t>(k) : none;
        };
        for (const AliasSlot& slot : alias_slots(rates))
            carriers.slots.push_back({slot.threshold, index(slot.kept), index(slot.alias)});
    }
    return carriers;
}

void NullEvents::make_gates() {
    const PairEnergies& pairs = model_.pairs;
    std::vector<double> rates;
    for (std::uint32_t g = 0; g < model_.gates.size(); ++g) {
        const GasGate& gate = model_.gates[g];
        const std::uint32_t site = model_.sites(gate.index).site;
        const auto bound = [&](std::size_t s, bool enters) {
            if (!pairs.any()) return model_.factor[s];
            const EnergyRange range = energy_range(pairs, site, s, {}, no_site);
            return model_.factor[s] * std::exp((enters ? -range.least : range.most) * pairs.beta_half());
        };
        if (gate.enter > 0) {
            gate_moves_.push_back({g, true, bound(reservoir_species(model_), true)});
            rates.push_back(gate.enter * gate_moves_.back().bound);
        }
        if (gate.leave > 0) {
            double most = 0;
            for (std::size_t s = 0; s < model_.factor.size(); ++s) most = std::max(most, bound(s, false));
            gate_moves_.push_back({g, false, most});
            rates.push_back(gate.leave * most);
        }
    }
    for (const double rate : rates) gate_rate_ += rate;
    if (!(gate_rate_ > 0)) return;
    for (const AliasSlot& slot : alias_slots(rates))
        gate_slots_.push_back(
            {slot.threshold, static_cast<std::uint32_t>(slot.kept), static_cast<std::uint32_t>(slot.alias)});
}

/// One interval.
///
/// As long as all carriers are of one group and none come or go, the total rate of attempts is constant:
/// their number is Poisson distributed and their times do not matter. Otherwise (`varying`) each attempt has
/// its exponential waiting time.
template <bool vacancies, bool varying, bool thinned>
class NullEventRun {
public:
    NullEventRun(const NullEvents& events, const NullEvents::Carriers& carriers, GasState& state,
                 std::uint64_t seed, std::uint64_t stream)
        : events_(events), model_(events.model_), carriers_(carriers), state_(state),
          several_species_(model_.factor.size() > 1), n_lines_(model_.weight.size()), seed_(seed),
          stream_(stream), lists_(carriers.group_rate.size()) {
        if (!model_.closed()) {
            position_.resize(state.occupant.size());
            free_ = free_slots(state);
        }
        if constexpr (vacancies) {
            const std::size_t n_sites = state.occupant.size();
            for (std::size_t i = 0; i < n_sites; ++i)
                if (state.occupant[i] < 0) add(static_cast<std::uint32_t>(i));
        } else {
            if (!lists_.empty()) lists_[0].reserve(state.place.size());
            for (const GasPlace& place : state.place)
                if (!place.gone()) add(static_cast<std::uint32_t>(place.site));
        }
    }

    GasEvents run(double duration) {
        if constexpr (varying)
            run_varying(duration);
        else
            run_fixed(duration);
        return happened_;
    }

private:
    using Row = NullEvents::Row;
    static constexpr std::size_t far_sighted = 4096; ///< carriers from which on lines are fetched ahead

    void run_fixed(double duration) {
        if (lists_.empty() || lists_[0].empty()) return;
        const auto n = static_cast<std::uint64_t>(lists_[0].size());
        const double mean = static_cast<double>(n) * carriers_.group_rate[0] * duration;
        if (!(mean > 0)) return;
        check_number(mean);
        Stream clock(seed_, RngUse::gas_clock, stream_, 0);
        const auto attempts = static_cast<std::uint64_t>(
            boost::random::poisson_distribution<std::int64_t, double>(mean)(clock));
        happened_.attempts = attempts;
        GasBits bits, thinning;
        for (std::uint64_t step = 0; step < attempts; step += GasBits::n) {
            gas_bits(seed_, RngUse::gas_attempt, stream_, step, 0, bits);
            if constexpr (thinned) gas_bits(seed_, RngUse::gas_attempt, stream_, step, 1, thinning);
            const auto batch = static_cast<std::size_t>(std::min<std::uint64_t>(GasBits::n, attempts - step));
            if (n >= far_sighted) {
                run_far_sighted(batch, bits, thinning);
                continue;
            }
            for (std::size_t k = 0; k < batch; ++k) {
                const std::size_t slot = wide_product(bits.first[k], n).whole;
                const std::uint32_t at = lists_[0][slot];
                const std::uint32_t move = draw(at, bits.second[k]);
                if (move == NullEvents::none) continue;
                attempt(0, slot, at, model_.sites.neighbour(model_.sites(at), step_of(move), site_of(move)),
                        move, thinned ? thinning.first[k] : 0);
            }
        }
    }

    /// The same with what is needed fetched ahead. Hops are still done one after the other: where the carrier
    /// has moved since it was looked at, all is looked up again.
    void run_far_sighted(std::size_t batch, const GasBits& bits, const GasBits& thinning) {
        std::vector<std::uint32_t>& list = lists_[0];
        const std::uint64_t n = list.size();
        std::uint32_t slot[GasBits::n], at[GasBits::n], move[GasBits::n], other[GasBits::n];
        for (std::size_t k = 0; k < batch; ++k) {
            slot[k] = static_cast<std::uint32_t>(wide_product(bits.first[k], n).whole);
            __builtin_prefetch(&list[slot[k]], 1);
        }
        for (std::size_t k = 0; k < batch; ++k) {
            at[k] = list[slot[k]];
            move[k] = draw(at[k], bits.second[k]);
            other[k] = move[k] == NullEvents::none
                           ? at[k]
                           : model_.sites.neighbour(model_.sites(at[k]), step_of(move[k]), site_of(move[k]));
            __builtin_prefetch(&state_.occupant[other[k]], 1);
            __builtin_prefetch(&state_.occupant[at[k]], 1);
        }
        if constexpr (vacancies)
            for (std::size_t k = 0; k < batch; ++k) {
                const std::int32_t p = state_.occupant[other[k]];
                __builtin_prefetch(state_.place.data() + std::max(p, 0), 1);
            }
        else
            for (std::size_t k = 0; k < batch; ++k) {
                const std::int32_t p = state_.occupant[at[k]];
                __builtin_prefetch(state_.place.data() + std::max(p, 0), 1);
            }
        for (std::size_t k = 0; k < batch; ++k) {
            const std::uint32_t now = list[slot[k]];
            if (now != at[k]) [[unlikely]] {
                move[k] = draw(now, bits.second[k]);
                if (move[k] != NullEvents::none)
                    other[k] = model_.sites.neighbour(model_.sites(now), step_of(move[k]), site_of(move[k]));
            }
            if (move[k] == NullEvents::none) continue;
            attempt(0, slot[k], now, other[k], move[k], thinned ? thinning.first[k] : 0);
        }
    }

    void run_varying(double duration) {
        GasBits bits, clock;
        double time = 0, total = total_rate();
        for (std::uint64_t step = 0;; ++step) {
            const std::size_t k = step % GasBits::n;
            if (k == 0) {
                gas_bits(seed_, RngUse::gas_attempt, stream_, step, 0, bits);
                gas_bits(seed_, RngUse::gas_attempt, stream_, step, 1, clock);
            }
            if (!(total > 0)) return;
            time += exponential(clock.first[k]) / total;
            if (!(time < duration)) return;
            ++happened_.attempts;
            double r = unit_interval(bits.first[k]) * total;
            if (events_.gate_rate_ > 0) {
                if (r < events_.gate_rate_) {
                    if (pass_gate(bits.second[k], clock.second[k])) total = total_rate();
                    continue;
                }
                r -= events_.gate_rate_;
            }
            std::size_t group = 0, last = 0;
            for (; group < lists_.size(); ++group) {
                const double rate = static_cast<double>(lists_[group].size()) * carriers_.group_rate[group];
                if (rate > 0) last = group;
                if (r < rate) break;
                r -= rate;
            }
            if (group == lists_.size()) group = last; // by rounding
            if (lists_[group].empty()) continue;      // gates alone
            const auto [slot, rest] = wide_product(bits.second[k], lists_[group].size());
            const std::uint32_t at = lists_[group][slot];
            const std::uint32_t move = draw(at, rest);
            if (move == NullEvents::none) continue;
            if (attempt(group, slot, at,
                        model_.sites.neighbour(model_.sites(at), step_of(move), site_of(move)), move,
                        clock.second[k]))
                total = total_rate();
        }
    }

    static void check_number(double mean) {
        if (mean > 0x1p52)
            throw DataError(fmt::format("{:.3g} attempts in one interval (they are numbered to 2^52). Use "
                                        "shorter intervals",
                                        mean));
    }

    const CellStep& step_of(std::uint32_t move) const { return carriers_.moves[move].step; }
    std::uint32_t site_of(std::uint32_t move) const { return carriers_.moves[move].site; }

    const Row& row_of(std::uint32_t at) const {
        std::size_t line = model_.line(model_.sites(at));
        if (!vacancies && several_species_)
            line += state_.species[static_cast<std::size_t>(state_.occupant[at])] * n_lines_;
        return carriers_.rows[line];
    }
    std::uint32_t draw(std::uint32_t at, std::uint64_t u) const {
        const Row& row = row_of(at);
        const auto [slot, rest] = wide_product(u, row.n);
        const NullEvents::Slot& s = carriers_.slots[row.first + slot];
        return rest < s.threshold ? s.kept : s.alias;
    }

    /// Whether there was a hop that changes the groups.
    bool attempt(std::size_t group, std::size_t slot, std::uint32_t at, std::uint32_t other,
                 std::uint32_t drawn, std::uint64_t thinning) {
        const std::uint32_t from = vacancies ? other : at, to = vacancies ? at : other;
        const std::int32_t particle = state_.occupant[from];
        if ((state_.occupant[other] >= 0) != vacancies) return false;
        const NullEvents::Move& move = carriers_.moves[drawn];
        if constexpr (thinned) {
            const std::uint8_t species = state_.species[static_cast<std::size_t>(particle)];
            if (!(unit_interval(thinning) * move.bound < factor(species, from, to))) return false;
        }
        ++happened_.hops;
        move_particle(state_, from, to, particle, move.step.R, vacancies ? -1 : 1);
        if constexpr (!varying) {
            lists_[group][slot] = other;
            return false;
        } else {
            const std::int32_t there = row_of(other).group;
            if (there == static_cast<std::int32_t>(group)) {
                lists_[group][slot] = other;
                if (!position_.empty()) position_[other] = static_cast<std::uint32_t>(slot);
                return false;
            }
            remove(group, slot);
            add(other);
            return true;
        }
    }

    /// On the rate of a hop, or of coming in (from: none) or leaving (to: none).
    double factor(std::uint8_t species, std::uint32_t from, std::uint32_t to) const {
        double f = model_.factor[species];
        if (model_.pairs.any() && f > 0) {
            double change = 0;
            if (to != no_site) change += model_.pairs.energy(model_.sites, state_, to, from, species);
            if (from != no_site) change -= model_.pairs.energy(model_.sites, state_, from, to, species);
            f *= std::exp(-change * model_.pairs.beta_half());
        }
        return f;
    }

    /// Whether a particle came in or left.
    bool pass_gate(std::uint64_t u, std::uint64_t thinning) {
        const auto [slot, rest] = wide_product(u, events_.gate_slots_.size());
        const NullEvents::Slot& s = events_.gate_slots_[slot];
        const NullEvents::GateMove& drawn = events_.gate_moves_[rest < s.threshold ? s.kept : s.alias];
        const GasGate& gate = model_.gates[drawn.gate];
        const std::int32_t particle = state_.occupant[gate.index];
        if ((particle < 0) != drawn.enters) return false;
        const std::uint8_t species =
            drawn.enters ? reservoir_species(model_) : state_.species[static_cast<std::size_t>(particle)];
        const double f =
            drawn.enters ? factor(species, no_site, gate.index) : factor(species, gate.index, no_site);
        if (!(unit_interval(thinning) * drawn.bound < f)) return false;
        ++happened_.hops;
        // The carrier there is listed by the row that it has now.
        const auto remove_here = [&] {
            const std::int32_t group = row_of(gate.index).group;
            if (group >= 0) remove(static_cast<std::size_t>(group), position_[gate.index]);
        };
        if (drawn.enters) {
            ++happened_.entered[gate.face];
            if constexpr (vacancies) remove_here();
            enter_particle(state_, model_, free_, gate.index);
            if constexpr (!vacancies) add(gate.index);
        } else {
            ++happened_.left[gate.face];
            if constexpr (!vacancies) remove_here();
            leave_particle(state_, gate.index);
            if constexpr (vacancies) add(gate.index);
        }
        return true;
    }

    void add(std::uint32_t at) {
        const std::int32_t group = row_of(at).group;
        if (group < 0) return;
        auto& list = lists_[static_cast<std::size_t>(group)];
        if (!position_.empty()) position_[at] = static_cast<std::uint32_t>(list.size());
        list.push_back(at);
    }
    void remove(std::size_t group, std::size_t slot) {
        auto& list = lists_[group];
        list[slot] = list.back();
        if (!position_.empty()) position_[list[slot]] = static_cast<std::uint32_t>(slot);
        list.pop_back();
    }
    double total_rate() const {
        double total = events_.gate_rate_;
        for (std::size_t g = 0; g < lists_.size(); ++g)
            total += static_cast<double>(lists_[g].size()) * carriers_.group_rate[g];
        return total;
    }

    const NullEvents& events_;
    const GasModel& model_;
    const NullEvents::Carriers& carriers_;
    GasState& state_;
    bool several_species_;
    std::size_t n_lines_;
    std::uint64_t seed_, stream_;
    std::vector<std::vector<std::uint32_t>> lists_; ///< of carriers: the sites they are on, by group
    std::vector<std::uint32_t> position_;           ///< of carriers in their list, by site; open domains only
    std::vector<std::int32_t> free_;
    GasEvents happened_;
};

GasEvents NullEvents::advance(GasState& state, double duration, std::uint64_t seed,
                              std::uint64_t replica) const {
    const bool vacancies = by_vacancies(state);
    const Carriers& carriers = vacancies ? vacancies_ : particles_;
    const std::uint64_t stream = gas_stream(replica, state.interval);
    const bool varying = !carriers.one_group || !model_.closed();
    const auto run = [&]<bool v, bool c, bool t>() {
        return NullEventRun<v, c, t>(*this, carriers, state, seed, stream).run(duration);
    };
    const int kind = (vacancies ? 4 : 0) + (varying ? 2 : 0) + (carriers.thinned ? 1 : 0);
    switch (kind) {
    case 0:
        return run.template operator()<false, false, false>();
    case 1:
        return run.template operator()<false, false, true>();
    case 2:
        return run.template operator()<false, true, false>();
    case 3:
        return run.template operator()<false, true, true>();
    case 4:
        return run.template operator()<true, false, false>();
    case 5:
        return run.template operator()<true, false, true>();
    case 6:
        return run.template operator()<true, true, false>();
    default:
        return run.template operator()<true, true, true>();
    }
}

} // namespace mesolith
