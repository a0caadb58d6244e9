// libtorch and the two hundred libraries it needs take half a second to load: they are in a library of their
// own, which is opened when the first TorchScript model is.
#include <filesystem>
#include <vector>

#include <dlfcn.h>
#include <fmt/format.h>

#include "mesolith/core/error.hpp"
#include "mesolith/core/program.hpp"
#include "mesolith/core/version.hpp"
#include "mesolith/mace/torch_mace.hpp"

#include "torch/entry.hpp"

#ifndef MESOLITH_TORCH_LIBRARY
#define MESOLITH_TORCH_LIBRARY ""
#endif

namespace mesolith {

namespace {

namespace fs = std::filesystem;

/// Where the program was installed, then where it was built.
std::vector<fs::path> candidates() {
    const fs::path built = MESOLITH_TORCH_LIBRARY, program = program_path();
    std::vector<fs::path> found;
    if (!program.empty())
        found.push_back(program.parent_path() / MESOLITH_TORCH_FROM_PROGRAM / built.filename());
    found.push_back(built);
    return found;
}

NewTorchMace* open_library(const std::string& model) {
    std::vector<std::string> reasons;
    for (const fs::path& path : candidates()) {
        std::error_code error;
        if (!fs::exists(path, error)) {
            reasons.push_back(path.string() + " is not there");
            continue;
        }
        // Global: torch_mace.cpp asks which BLAS torch has loaded.
        void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL);
        if (library == nullptr) {
            const char* why = dlerror();
            reasons.emplace_back(why ? why : path.string());
            continue;
        }
        const auto its_commit = reinterpret_cast<TorchMaceCommit*>(dlsym(library, torch_mace_commit_symbol));
        const auto create = reinterpret_cast<NewTorchMace*>(dlsym(library, new_torch_mace_symbol));
        if (its_commit && create && its_commit() == commit()) return create;
        reasons.push_back(path.string() + " is of another build");
    }
    throw InputError(
        fmt::format("{}: libtorch cannot be loaded ({}). Build and install mesolith again, with the "
                    "libtorch that is there now",
                    model, fmt::join(reasons, ", ")));
}

} // namespace

bool torch_available() { return *MESOLITH_TORCH_LIBRARY != '\0'; }

std::unique_ptr<ForceField> load_torch_mace(const std::string& path, const TorchMaceOptions& options) {
    if (!torch_available())
        throw InputError(path +
                         ": a TorchScript model needs libtorch (this program was built without it). Install "
                         "libtorch-dev, or pip's torch and configure with "
                         "-DMESOLITH_TORCH=$(tools/find_torch.py PYTHON), and build again");
    static NewTorchMace* const create = open_library(path);
    return std::unique_ptr<ForceField>(create(path, options));
}

} // namespace mesolith
