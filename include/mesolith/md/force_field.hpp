#pragma once
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "mesolith/crystal/cell.hpp"

namespace mesolith {

/// Energies and forces of one configuration of N atoms.
struct Forces {
    double energy = 0;                 ///< sum of atom_energy, in double [eV]
    std::vector<double> atom_energy;   ///< [N], isolated atoms included [eV]
    std::vector<Vec3> forces;          ///< [N], -dE/dr [eV/A]
    Mat3 virial = Mat3::Constant(0.0); ///< -dE/dstrain, symmetric, when it was asked for [eV]

    Mat3 stress(const Cell& cell) const { return -virial / cell.volume(); } ///< (1/V) dE/dstrain [eV/A^3]
};

/// A potential energy surface of periodic crystals. An evaluator keeps working memory and a neighbour list
/// between calls, so each thread needs its own: clone(). The result depends on the arguments alone, bit by
/// bit, not on what was evaluated before.
class ForceField {
public:
    virtual ~ForceField() = default;
    virtual std::string description() const = 0;   ///< one line for the log: kind, precision, instructions
    virtual double cutoff() const = 0;             ///< range of one message between atoms [A]
    virtual std::vector<int> elements() const = 0; ///< atomic numbers it knows, ascending

    /// Positions in A, in any image; buffers of `result` are reused.
    /// @throws DataError when an element is unknown, a number is not finite or the lengths differ
    virtual void evaluate(const Cell& cell, std::span<const int> numbers, std::span<const Vec3> positions,
                          Forces& result, bool with_virial = false) = 0;

    /// The same model with working memory of its own.
    virtual std::unique_ptr<ForceField> clone() const = 0;
};

} // namespace mesolith
