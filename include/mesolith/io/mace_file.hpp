#pragma once
#include <string>

#include "mesolith/md/folded_mace.hpp"

namespace mesolith {

/// A model as tools/export_mace.py writes it (HDF5, attribute format = "mesolith folded MACE", version 1).
/// @throws InputError no such file, or a file of another kind
/// @throws FileError  damaged, cut short, of a newer version, or with numbers that do not fit together
[[nodiscard]] FoldedMace read_folded_mace(const std::string& path);

} // namespace mesolith
