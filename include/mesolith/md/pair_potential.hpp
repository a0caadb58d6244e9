#pragma once
#include <variant>

#include "mesolith/md/force_field.hpp"
#include "mesolith/md/neighbour_list.hpp"

namespace mesolith {

/// phi(r) = 4 epsilon ((sigma/r)^12 - (sigma/r)^6)
struct LennardJones {
    double epsilon = 0; ///< > 0 [eV]
    double sigma = 0;   ///< > 0 [A]
};

/// phi(r) = A exp(-r/rho) - C/r^6. With C > 0 it falls without end below some distance: atoms that come so
/// close are refused.
struct Buckingham {
    double A = 0;   ///< > 0 [eV]
    double rho = 0; ///< > 0 [A]
    double C = 0;   ///< >= 0 [eV A^6]
};

/// Energy of a pair of elements, shifted and switched to zero,
///
///     u(r) = s(x) (phi(r) - phi(cutoff)),   x = (r - switch_from) / (cutoff - switch_from),
///     s(x) = 1 for x <= 0,  1 - 10 x^3 + 15 x^4 - 6 x^5 between,  0 for x >= 1:
///
/// energy, force and its slope are continuous everywhere and zero at the cutoff; below switch_from the force
/// is that of phi.
struct PairInteraction {
    int first = 0, second = 0; ///< atomic numbers, in either order
    std::variant<LennardJones, Buckingham> form;
    double cutoff = 0;      ///< [A]
    double switch_from = 0; ///< 0 <= switch_from < cutoff [A]
};

/// Energies of pairs, half to each atom. Pairs of known elements without an interaction do not feel each
/// other. Sums run in the order of the neighbour list, on one thread: O(pairs).
class PairPotential final : public ForceField {
public:
    /// @throws DataError when there is no interaction, a parameter is out of range, a pair of elements comes
    /// twice, or a Buckingham form repels nowhere or only beyond its cutoff
    explicit PairPotential(std::vector<PairInteraction> interactions, double skin = 1.0);

    std::string description() const override;
    double cutoff() const override { return list_.cutoff(); } ///< the longest [A]
    std::vector<int> elements() const override { return elements_; }

    /// @throws DataError also when two atoms are so close that a Buckingham form attracts without end, or lie
    /// on each other
    void evaluate(const Cell& cell, std::span<const int> numbers, std::span<const Vec3> positions,
                  Forces& result, bool with_virial = false) override;
    std::unique_ptr<ForceField> clone() const override { return std::make_unique<PairPotential>(*this); }

private:
    struct Term {
        PairInteraction interaction;
        double at_cutoff; // phi there
        double closest;   // nearer than this phi falls without end [A]
    };
    std::vector<Term> terms_;
    std::vector<int> elements_;
    std::vector<int> term_of_; // [elements^2], -1 for none
    NeighbourList list_;
    std::vector<std::size_t> kinds_; // of the atoms: their places in elements_
};

} // namespace mesolith
