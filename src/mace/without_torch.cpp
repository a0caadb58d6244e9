// In place of torch_mace.cpp when there is no libtorch.
#include "mesolith/core/error.hpp"
#include "mesolith/mace/torch_mace.hpp"

namespace mesolith {

bool torch_available() { return false; }

std::unique_ptr<ForceField> load_torch_mace(const std::string& path, const TorchMaceOptions&) {
    throw InputError(path +
                     ": a TorchScript model needs libtorch (this program was built without it). Install "
                     "libtorch-dev, or pip's torch and configure with "
                     "-DMESOLITH_TORCH=$(tools/find_torch.py PYTHON), and build again");
}

} // namespace mesolith
