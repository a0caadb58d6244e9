#include "gas_rejection_free.hpp"

#include <algorithm>
#include <cmath>
#include <map>

#include "exponential.hpp"

namespace mesolith {

SumTree::SumTree(std::size_t n_leaves) {
    for (std::size_t n = n_leaves;; n = (n + 7) / 8) {
        levels_.emplace_back((n + 7) / 8);
        if (n == 1) break;
    }
}

void SumTree::add_up(std::vector<std::uint32_t>& leaves) {
    for (std::size_t level = 0; level + 1 < levels_.size(); ++level) {
        std::size_t n = 0;
        for (const std::uint32_t i : leaves)
            if (n == 0 || leaves[n - 1] != i / 8) leaves[n++] = i / 8;
        leaves.resize(n);
        for (const std::uint32_t i : leaves) levels_[level + 1][i / 8].child[i % 8] = levels_[level][i].sum();
    }
}

void SumTree::add_up_all() {
    for (std::size_t level = 0; level + 1 < levels_.size(); ++level)
        for (std::size_t i = 0; i < levels_[level].size(); ++i)
            levels_[level + 1][i / 8].child[i % 8] = levels_[level][i].sum();
}

std::size_t SumTree::find(double& r) const {
    std::size_t at = 0;
    for (std::size_t level = levels_.size() - 1; level-- > 0;) {
        const Node& node = levels_[level][at];
        std::size_t k = 0, last = 0;
        for (; k < 8; ++k) {
            if (node.child[k] > 0) {
                last = k;
                if (r < node.child[k]) break;
            }
            r -= node.child[k];
        }
        if (k == 8) { // by rounding
            k = last;
            r = node.child[k];
        }
        at = 8 * at + k;
    }
    return at;
}

RejectionFree::RejectionFree(const GasModel& model) : model_(model), affected_(model.n_basis) {
    using Key = std::array<std::int32_t, 4>;
    const auto key = [](const CellStep& step, std::uint32_t site) {
        return Key{step.R[2], step.R[1], step.R[0], static_cast<std::int32_t>(site)};
    };
    // Sources of hops to each basis site, in any surroundings.
    std::vector<std::map<Key, bool>> sources(model.n_basis);
    for (std::size_t l = 0; l < model.weight.size(); ++l)
        for (const GasHop& hop : model.in[l]) sources[model.line_site[l]][key(hop.step, hop.site)] = true;
    for (std::size_t j = 0; j < model.n_basis; ++j) {
        std::map<Key, bool> all = sources[j];
        all[{0, 0, 0, static_cast<std::int32_t>(j)}] = true;
        for (const PairEnergies::Partner& partner : model.pairs.partners_of(j)) {
            const Key at = key(partner.step, partner.site);
            all[at] = true;
            for (const auto& [from, used] : sources[partner.site])
                all[{at[0] + from[0], at[1] + from[1], at[2] + from[2], from[3]}] = used;
        }
        for (const auto& [k, used] : all)
            affected_[j].push_back({model.sites.step({k[2], k[1], k[0]}), static_cast<std::uint32_t>(k[3])});
    }
    if (model.gates.empty()) return;
    const std::size_t n_sites = model.cell_class.size() * model.n_basis;
    first_gate_.assign(n_sites + 1, 0);
    for (const GasGate& gate : model.gates) ++first_gate_[gate.index + 1];
    for (std::size_t i = 0; i < n_sites; ++i) first_gate_[i + 1] += first_gate_[i];
}

class RejectionFreeRun {
public:
    RejectionFreeRun(const RejectionFree& solver, GasState& state)
        : solver_(solver), model_(solver.model_), state_(state), tree_(state.occupant.size()) {
        for (std::size_t i = 0; i < state.occupant.size(); ++i)
            if (state.occupant[i] >= 0 || !solver_.first_gate_.empty())
                tree_.set_leaf(i, rate_of(static_cast<std::uint32_t>(i)));
        tree_.add_up_all();
        if (!model_.closed()) free_ = free_slots(state);
    }

    GasEvents run(double duration, std::uint64_t seed, std::uint64_t stream) {
        GasStream random(seed, RngUse::gas_event, stream);
        double time = 0;
        while (tree_.total() > 0) {
            const auto [wait, choice] = random.next();
            time += exponential(wait) / tree_.total();
            if (!(time < duration)) break;
            double r = unit_interval(choice) * tree_.total();
            const auto i = static_cast<std::uint32_t>(tree_.find(r));
            happen(i, r);
        }
        happened_.attempts = happened_.hops;
        return happened_;
    }

private:
    struct Event {
        const GasHop* hop = nullptr; ///< or a gate
        std::uint32_t to = 0;
        const GasGate* gate = nullptr;
    };

    /// f(event, rate) for all that can happen on a site, until it says true.
    template <class F>
    void visit(std::uint32_t index, F&& f) const {
        const SiteCell here = model_.sites(index);
        const std::int32_t particle = state_.occupant[index];
        constexpr std::uint32_t none = 0xFFFFFFFFu;
        const bool interacting = model_.pairs.any();
        const auto weighted = [&](double energy) { return std::exp(-energy * model_.pairs.beta_half()); };
        const std::uint8_t species =
            particle < 0 ? reservoir_species(model_) : state_.species[static_cast<std::size_t>(particle)];
        const double factor = model_.factor[species];
        if (factor == 0) return;
        double before = -1;
        bool known = false;
        const auto energy_here = [&] { // only where it is needed
            if (!known) before = model_.pairs.energy(model_.sites, state_, index, none, species);
            known = true;
            return before;
        };
        if (particle >= 0)
            for (const GasHop& hop : model_.out[model_.line(here)]) {
                const std::uint32_t to = model_.sites.neighbour(here, hop.step, hop.site);
                if (state_.occupant[to] >= 0) continue;
                double rate = hop.rate * factor;
                if (interacting)
                    rate *= weighted(model_.pairs.energy(model_.sites, state_, to, index, species) -
                                     energy_here());
                if (f(Event{&hop, to, nullptr}, rate)) return;
            }
        if (solver_.first_gate_.empty()) return;
        for (std::uint32_t g = solver_.first_gate_[index]; g < solver_.first_gate_[index + 1]; ++g) {
            const GasGate& gate = model_.gates[g];
            double rate = (particle < 0 ? gate.enter : gate.leave) * factor;
            if (rate == 0) continue;
            if (interacting) rate *= weighted(particle < 0 ? energy_here() : -energy_here());
            if (f(Event{nullptr, index, &gate}, rate)) return;
        }
    }

    double rate_of(std::uint32_t index) const {
        double sum = 0;
        visit(index, [&](const Event&, double rate) {
            sum += rate;
            return false;
        });
        return sum;
    }

    /// What r of [0, rate of the site) means.
    void happen(std::uint32_t index, double r) {
        Event event;
        visit(index, [&](const Event& e, double rate) {
            event = e; // the last one, should rounding lead beyond
            if (r < rate) return true;
            r -= rate;
            return false;
        });
        ++happened_.hops;
        if (event.hop != nullptr) {
            move_particle(state_, index, event.to, state_.occupant[index], event.hop->step.R, 1);
        } else if (state_.occupant[index] < 0) {
            enter_particle(state_, model_, free_, index);
            ++happened_.entered[event.gate->face];
        } else {
            leave_particle(state_, index);
            ++happened_.left[event.gate->face];
        }
        changed_.clear();
        add_affected(index);
        if (event.to != index) add_affected(event.to);
        std::sort(changed_.begin(), changed_.end());
        changed_.erase(std::unique(changed_.begin(), changed_.end()), changed_.end());
        std::size_t n = 0;
        for (const std::uint32_t i : changed_) {
            const double rate = state_.occupant[i] < 0 && solver_.first_gate_.empty() ? 0 : rate_of(i);
            if (rate == tree_.leaf(i)) continue;
            tree_.set_leaf(i, rate);
            changed_[n++] = i;
        }
        changed_.resize(n);
        tree_.add_up(changed_);
    }
    void add_affected(std::uint32_t index) {
        const SiteCell here = model_.sites(index);
        for (const auto& neighbour : solver_.affected_[here.site])
            if (model_.sites.inside(here, neighbour.step))
                changed_.push_back(model_.sites.neighbour(here, neighbour.step, neighbour.site));
    }

    const RejectionFree& solver_;
    const GasModel& model_;
    GasState& state_;
    SumTree tree_;
    std::vector<std::uint32_t> changed_;
    std::vector<std::int32_t> free_;
    GasEvents happened_;
};

GasEvents RejectionFree::advance(GasState& state, double duration, std::uint64_t seed,
                                 std::uint64_t replica) const {
    const std::uint64_t stream = gas_stream(replica, state.interval);
    return RejectionFreeRun(*this, state).run(duration, seed, stream);
}

} // namespace mesolith
