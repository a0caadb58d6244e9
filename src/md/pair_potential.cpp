#include "mesolith/md/pair_potential.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "mesolith/core/error.hpp"
#include "mesolith/trajectory/elements.hpp"

namespace mesolith {

namespace {

struct Radial {
    double energy, slope; // u [eV], du/dr [eV/A]
};

Radial phi(const LennardJones& form, double r) {
    const double q = form.sigma / r, q2 = q * q, q6 = q2 * q2 * q2;
    return {4 * form.epsilon * (q6 * q6 - q6), -24 * form.epsilon * (2 * q6 * q6 - q6) / r};
}

Radial phi(const Buckingham& form, double r) {
    const double repulsion = form.A * std::exp(-r / form.rho);
    const double r2 = r * r, dispersion = form.C / (r2 * r2 * r2);
    return {repulsion - dispersion, -repulsion / form.rho + 6 * dispersion / r};
}

Radial phi(const PairInteraction& interaction, double r) {
    return std::visit([r](const auto& form) { return phi(form, r); }, interaction.form);
}

Radial shifted_and_switched(const PairInteraction& interaction, double at_cutoff, double r) {
    Radial u = phi(interaction, r);
    u.energy -= at_cutoff;
    if (r <= interaction.switch_from) return u;
    const double width = interaction.cutoff - interaction.switch_from;
    const double x = (r - interaction.switch_from) / width, y = 1 - x;
    const double s = y * y * y * (1 + 3 * x + 6 * x * x); // the same polynomial: exact near its end
    const double ds = -30 * x * x * y * y / width;
    return {s * u.energy, s * u.slope + ds * u.energy};
}

bool positive(double value) { return value > 0 && std::isfinite(value); }

std::string names(const PairInteraction& interaction) {
    return fmt::format("{}-{}", element_symbol(interaction.first), element_symbol(interaction.second));
}

/// Where phi stops to repel on the way in: the inner root of phi' = 0, i.e. of g = 0 with
///     g(r) = ln(A/rho) - r/rho - ln(6 C) + 7 ln r,   which rises until r = 7 rho.
double closest_approach(const PairInteraction& interaction) {
    const auto* form = std::get_if<Buckingham>(&interaction.form);
    if (!form || form->C == 0) return 0;
    const auto g = [&](double r) {
        return std::log(form->A / form->rho / 6) - std::log(form->C) - r / form->rho + 7 * std::log(r);
    };
    double low = 0, high = std::min(7 * form->rho, interaction.cutoff);
    if (!(g(high) > 0))
        throw DataError(
            fmt::format("The Buckingham form of {} repels nowhere within its cutoff (A = {} eV, rho = "
                        "{} A, C = {} eV A^6). Check its units",
                        names(interaction), form->A, form->rho, form->C));
    for (int halving = 0; halving < 200; ++halving) {
        const double middle = 0.5 * (low + high);
        (g(middle) > 0 ? high : low) = middle;
    }
    return high;
}

void check(const PairInteraction& interaction) {
    for (const int number : {interaction.first, interaction.second})
        if (element_symbol(number).empty())
            throw DataError(
                fmt::format("A pair interaction of atomic number {} (there is no such element). Give "
                            "1 to 118",
                            number));
    if (!positive(interaction.cutoff) ||
        !(interaction.switch_from >= 0 && interaction.switch_from < interaction.cutoff))
        throw DataError(
            fmt::format("The interaction of {} is switched off from {} to {} A (the cutoff must be "
                        "positive and the switch start below it). Choose 0 <= switch_from < cutoff",
                        names(interaction), interaction.switch_from, interaction.cutoff));
    const bool good = std::visit(
        [](const auto& form) {
            if constexpr (std::is_same_v<decltype(form), const LennardJones&>)
                return positive(form.epsilon) && positive(form.sigma);
            else
                return positive(form.A) && positive(form.rho) && (form.C == 0 || positive(form.C));
        },
        interaction.form);
    if (!good)
        throw DataError(
            fmt::format("A parameter of the interaction of {} is not positive (or not finite). Give "
                        "epsilon, sigma > 0 or A, rho > 0, C >= 0",
                        names(interaction)));
}

double longest(const std::vector<PairInteraction>& interactions) {
    if (interactions.empty())
        throw DataError(
            "A pair potential without interactions (nothing would hold the atoms). Give one per pair "
            "of elements");
    double cutoff = 0;
    for (const PairInteraction& interaction : interactions) {
        check(interaction);
        cutoff = std::max(cutoff, interaction.cutoff);
    }
    return cutoff;
}

} // namespace

PairPotential::PairPotential(std::vector<PairInteraction> interactions, double skin)
    : list_(longest(interactions), skin) {
    for (const PairInteraction& interaction : interactions) {
        elements_.push_back(interaction.first);
        elements_.push_back(interaction.second);
    }
    std::sort(elements_.begin(), elements_.end());
    elements_.erase(std::unique(elements_.begin(), elements_.end()), elements_.end());
    const auto kind = [&](int number) {
        return static_cast<std::size_t>(std::lower_bound(elements_.begin(), elements_.end(), number) -
                                        elements_.begin());
    };
    term_of_.assign(elements_.size() * elements_.size(), -1);
    for (const PairInteraction& interaction : interactions) {
        const std::size_t a = kind(interaction.first), b = kind(interaction.second);
        if (term_of_[a * elements_.size() + b] >= 0)
            throw DataError(fmt::format("The interaction of {} is given twice (in whatever order). Leave one",
                                        names(interaction)));
        term_of_[a * elements_.size() + b] = term_of_[b * elements_.size() + a] =
            static_cast<int>(terms_.size());
        terms_.push_back(
            {interaction, phi(interaction, interaction.cutoff).energy, closest_approach(interaction)});
    }
}

std::string PairPotential::description() const {
    std::string pairs;
    for (const Term& term : terms_)
        pairs += fmt::format("{}{} {}", pairs.empty() ? "" : ", ", names(term.interaction),
                             std::holds_alternative<LennardJones>(term.interaction.form) ? "Lennard-Jones"
                                                                                         : "Buckingham");
    return fmt::format("pair potential ({}), double precision, up to {:g} A", pairs, cutoff());
}

void PairPotential::evaluate(const Cell& cell, std::span<const int> numbers, std::span<const Vec3> positions,
                             Forces& result, bool with_virial) {
    const std::size_t n = positions.size();
    if (numbers.size() != n)
        throw DataError(fmt::format("{} atomic numbers for {} positions (there must be one each). Check the "
                                    "structure",
                                    numbers.size(), n));
    kinds_.resize(n);
    for (std::size_t i = 0; i < n; ++i) {
        const auto found = std::lower_bound(elements_.begin(), elements_.end(), numbers[i]);
        if (found == elements_.end() || *found != numbers[i])
            throw DataError(
                fmt::format("Atom {} has atomic number {} ({}), which the pair potential does not know. "
                            "Add its interactions, or check the structure",
                            i, numbers[i],
                            element_symbol(numbers[i]).empty() ? "no element" : element_symbol(numbers[i])));
        kinds_[i] = static_cast<std::size_t>(found - elements_.begin());
    }
    list_.update(cell, positions);

    result.energy = 0;
    result.atom_energy.assign(n, 0.0);
    result.forces.assign(n, Vec3::Zero());
    result.virial.setZero();
    for (std::size_t i = 0; i < n; ++i) {
        const int* const terms = term_of_.data() + kinds_[i] * elements_.size();
        double energy = 0;
        Vec3 force = Vec3::Zero();
        for (const Neighbour& neighbour : list_.of(i)) { // both directions of each pair: half of it each time
            const int which = terms[kinds_[neighbour.atom]];
            if (which < 0) continue;
            const Term& term = terms_[static_cast<std::size_t>(which)];
            const double r = neighbour.distance;
            if (r >= term.interaction.cutoff) continue;
            if (r < term.closest)
                throw DataError(
                    fmt::format("Atoms {} and {} ({}) are {:.3g} A apart, where their Buckingham form "
                                "attracts without end (below {:.3g} A). Start from a relaxed structure, "
                                "or take a shorter time step",
                                i, neighbour.atom, names(term.interaction), r, term.closest));
            const Radial u = shifted_and_switched(term.interaction, term.at_cutoff, r);
            energy += 0.5 * u.energy;
            const Vec3 pull = (u.slope / r) * neighbour.vector;
            force += pull;
            if (with_virial) {
                const Mat3 square =
                    neighbour.vector * neighbour.vector.transpose(); // first: symmetric to the bit
                result.virial -= (0.5 * u.slope / r) * square;
            }
        }
        result.atom_energy[i] = energy;
        result.forces[i] = force;
        result.energy += energy;
    }
}

} // namespace mesolith
