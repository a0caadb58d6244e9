#pragma once
#include <memory>

#include "mesolith/md/folded_mace.hpp"
#include "mesolith/md/force_field.hpp"

namespace mesolith {

enum class MacePrecision { single_precision, double_precision };

/// The built-in evaluator of folded MACE models: energies, forces and virial with all vector instructions of
/// the processor, no library needed. Distances are taken and energies summed in double, the rest is in the
/// chosen precision. Sums are in a fixed order: results depend on the arguments and the kind of vector
/// instructions (in rounding), not on threads or on what was evaluated before.
/// Cost O(pairs C l_max^2 + N (C^2 + C monomials)) on one core, for each thread a clone().
class NativeMace final : public ForceField {
public:
    /// @param skin of the neighbour list [A]
    /// @throws DataError as check(model)
    explicit NativeMace(const FoldedMace& model, MacePrecision precision = MacePrecision::single_precision,
                        double skin = 1.0);
    ~NativeMace() override;
    NativeMace(NativeMace&&) noexcept;
    NativeMace& operator=(NativeMace&&) noexcept;

    std::string description() const override;
    double cutoff() const override;
    std::vector<int> elements() const override;
    void evaluate(const Cell& cell, std::span<const int> numbers, std::span<const Vec3> positions,
                  Forces& result, bool with_virial = false) override;
    std::unique_ptr<ForceField> clone() const override; ///< shares the tables

private:
    class Evaluator;
    template <class T>
    class Lanes;
    explicit NativeMace(std::unique_ptr<Evaluator> evaluator);
    std::unique_ptr<Evaluator> evaluator_;
};

} // namespace mesolith
