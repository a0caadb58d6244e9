#pragma once
#include <string>
#include <vector>

#include "mesolith/crystal/cell.hpp"

namespace mesolith {

/// Atoms as a file holds them: Cartesian, in any image.
struct Configuration {
    Cell cell;
    std::vector<std::string> species;
    std::vector<Vec3> positions; ///< [A], same length
};

/// All frames of an extended xyz file, which may differ in their atoms; the frames of a trajectory; or one
/// crystal.
/// @throws InputError when there is no such file or no cell in it; FileError when it is damaged or empty
[[nodiscard]] std::vector<Configuration> read_configurations(const std::string& path);

} // namespace mesolith
