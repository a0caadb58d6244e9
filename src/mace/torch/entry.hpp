#pragma once
#include <string>

#include "mesolith/mace/torch_mace.hpp"

namespace mesolith {

/// What the library of libtorch's part shows to the program that loads it: a new force field, owned by the
/// caller. Both are linked with code of one commit, or they must not meet.
extern "C" {
using NewTorchMace = ForceField*(const std::string& path, const TorchMaceOptions& options);
using TorchMaceCommit = const char*();
}
inline constexpr const char* new_torch_mace_symbol = "mesolith_new_torch_mace";
inline constexpr const char* torch_mace_commit_symbol = "mesolith_torch_mace_commit";

} // namespace mesolith
