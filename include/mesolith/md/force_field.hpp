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

/// One configuration, seen from outside. What is pointed to must outlive it.
struct AtomsView {
    const Cell& cell;
    std::span<const int> numbers;    ///< atomic numbers, [N]
    std::span<const Vec3> positions; ///< [N], in any image [A]
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

    /// Several configurations, results[k] that of evaluate(replicas[k]) without virial: one after the other,
    /// unless batches_at_once(), where they are one graph of parts that do not touch and results are equal to
    /// rounding.
    /// @throws DataError as evaluate(), without saying which configuration it was
    virtual void evaluate_batch(std::span<const AtomsView> replicas, std::vector<Forces>& results) {
        results.resize(replicas.size());
        for (std::size_t k = 0; k < replicas.size(); ++k)
            evaluate(replicas[k].cell, replicas[k].numbers, replicas[k].positions, results[k]);
    }
    virtual bool batches_at_once() const { return false; }

    /// The same model with working memory of its own.
    virtual std::unique_ptr<ForceField> clone() const = 0;
};

} // namespace mesolith
