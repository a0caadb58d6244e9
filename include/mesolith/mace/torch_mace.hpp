#pragma once
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "mesolith/md/force_field.hpp"
#include "mesolith/md/native_mace.hpp"

namespace mesolith {

struct TorchMaceOptions {
    MacePrecision precision = MacePrecision::single_precision;
    std::string device = "cpu"; ///< or "cuda", "cuda:1"
    /// Of one evaluation on the CPU, > 0. Replicas on threads of their own want 1 each.
    int threads = 1;
};

/// A MACE model as TorchScript, evaluated by libtorch. Energies of atoms are summed in double; positions are
/// taken into the cell before they are rounded to the precision. On the CPU and with one number of threads
/// each call and each process gives the same bits; another number changes single-precision forces by
/// rounding (1e-6 eV/A). On a GPU sums are in no fixed order.
class TorchMace : public ForceField {
public:
    /// Replicas of one list of atoms as a single graph, which fills a GPU. results[r] is that of
    /// evaluate(cells[r], numbers, positions[r]) to rounding, without virial.
    /// @throws DataError as evaluate(), or when there are not as many cells as positions
    virtual void evaluate_batch(std::span<const Cell> cells, std::span<const int> numbers,
                                std::span<const std::vector<Vec3>> positions,
                                std::vector<Forces>& results) = 0;
};

/// Whether this program was built with libtorch.
[[nodiscard]] bool torch_available();

/// Load what mace's `mace_create_lammps_model` writes, of either precision. A clone() shares the weights.
/// @throws InputError when the file is missing or no such model, the device is not there, threads < 1, or the
/// program was built without libtorch
/// @throws FileError when the file is damaged
[[nodiscard]] std::unique_ptr<TorchMace> load_torch_mace(const std::string& path,
                                                         const TorchMaceOptions& options = {});

} // namespace mesolith
