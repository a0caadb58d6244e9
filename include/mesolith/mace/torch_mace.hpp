#pragma once
#include <memory>
#include <string>

#include "mesolith/md/force_field.hpp"
#include "mesolith/md/native_mace.hpp"

namespace mesolith {

struct TorchMaceOptions {
    MacePrecision precision = MacePrecision::single_precision;
    std::string device = "cpu"; ///< or "cuda", "cuda:1"
    /// Of one evaluation on the CPU, > 0. Replicas on threads of their own want 1 each.
    int threads = 1;
};

/// Whether this program was built with libtorch.
[[nodiscard]] bool torch_available();

/// A MACE model as TorchScript, evaluated by libtorch: what mace's `mace_create_lammps_model` writes, of
/// either precision. Energies of atoms are summed in double; positions are taken into the cell before they
/// are rounded to the precision. On the CPU and with one number of threads each call and each process gives
/// the same bits; another number changes single-precision forces by rounding (1e-6 eV/A). On a GPU sums are
/// in no fixed order. It batches at once, which fills a GPU. A clone() shares the weights.
/// @throws InputError when the file is missing or no such model, the device is not there, threads < 1, or the
/// program was built without libtorch, or with one that is gone
/// @throws FileError when the file is damaged
[[nodiscard]] std::unique_ptr<ForceField> load_torch_mace(const std::string& path,
                                                          const TorchMaceOptions& options = {});

} // namespace mesolith
