#pragma once
#include <memory>
#include <string>

#include "mesolith/config/config.hpp"
#include "mesolith/md/force_field.hpp"

namespace mesolith {

/// A model file with the evaluator that was chosen for it.
struct ForceModel {
    std::unique_ptr<ForceField> field;
    std::string statement; ///< which evaluator, and why
};

struct ForceModelOptions {
    EvaluatorOption evaluator = EvaluatorOption::automatic;
    ForcePrecision precision = ForcePrecision::double_precision;
    std::string device = "cpu";
};

/// Open a folded model (.h5) or TorchScript (.pt) and evaluate the self-test frame that lies in it.
/// @throws InputError when there is no such file or the evaluator cannot read it; FileError when it is
/// damaged, or its self-test gives other forces than those stored in it
[[nodiscard]] ForceModel open_force_model(const std::string& path, const ForceModelOptions& options);

/// Energies, forces and stress of every frame of a trajectory or structure file as extended xyz of 12 digits,
/// columns species, pos, forces, node_energy; energy and stress ((1/V) dE/dstrain) in the comment line.
/// eV, A.
/// @throws InputError, FileError; DataError naming the frame when an element is unknown
/// @return lines to print: the evaluator, the number of frames and the speed
std::string write_forces(const std::string& model, const std::string& frames, const std::string& out,
                         const ForceModelOptions& options);

} // namespace mesolith
