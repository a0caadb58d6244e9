#pragma once
#include <memory>
#include <span>
#include <string>

#include "mesolith/config/config.hpp"
#include "mesolith/md/force_field.hpp"

namespace mesolith {

/// A model file with the evaluator that was chosen for it.
struct ForceModel {
    std::unique_ptr<ForceField> field;
    std::string statement; ///< which evaluator, and why
    /// The evaluator that was not asked for, of the same model, to compare with; none when one was not asked
    /// for by name, or its file or libtorch is not there.
    std::unique_ptr<ForceField> other;
};

struct ForceModelOptions {
    EvaluatorOption evaluator = EvaluatorOption::automatic;
    ForcePrecision precision = ForcePrecision::double_precision;
    std::string device = "cpu";
    int threads = 1; ///< of libtorch, for one evaluation
};

/// The file that is evaluated: PATH itself, or the one beside it when the evaluator is asked for by name and
/// PATH is of the other kind: NAME.h5 (folded) beside NAME-float64.pt, NAME-float32.pt (TorchScript), as
/// tools/export_mace.py writes them.
/// @throws InputError when there is none
[[nodiscard]] std::string force_model_file(const std::string& path, const ForceModelOptions& options);

/// Open force_model_file(), a folded model or TorchScript, and evaluate the self-test frame of a folded one.
/// @throws InputError when there is no such file or the evaluator cannot read it; FileError when it is
/// damaged, or its self-test gives other forces than those stored in it
[[nodiscard]] ForceModel open_force_model(const std::string& path, const ForceModelOptions& options);

/// One sentence on how far the forces of both evaluators are apart in a frame; "" when there is but one.
/// @throws InputError when they are not of one model (1e-3 eV/A apart); DataError as ForceField::evaluate()
[[nodiscard]] std::string compare_evaluators(const ForceModel& model, const Cell& cell,
                                             std::span<const int> numbers, std::span<const Vec3> positions);

/// Energies, forces and stress of every frame of a trajectory or structure file as extended xyz of 12 digits,
/// columns species, pos, forces, node_energy; energy and stress ((1/V) dE/dstrain) in the comment line.
/// eV, A.
/// @throws InputError, FileError; DataError naming the frame when an element is unknown
/// @return lines to print: the evaluator, the number of frames and the speed
std::string write_forces(const std::string& model, const std::string& frames, const std::string& out,
                         const ForceModelOptions& options);

} // namespace mesolith
