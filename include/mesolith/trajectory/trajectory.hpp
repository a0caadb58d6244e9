#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "mesolith/core/nan.hpp"
#include "mesolith/crystal/cell.hpp"

namespace mesolith {

/// One snapshot, as stored in the file (positions perhaps wrapped).
struct Frame {
    std::int64_t index = 0;  ///< position in the file, 0-based
    double time = nan_value; ///< [ps], NaN when the file holds none
    Cell cell;
    std::vector<Vec3> positions; ///< Cartesian [A], in the order of the header's species
    std::vector<IVec3> images;   ///< image flags, empty when the file holds none
};

/// What the positions in a file are.
enum class Wrapping {
    unknown,     ///< the format does not say: unwrapped by minimum image steps (a no-op on unwrapped data)
    wrapped,     ///< inside the cell, no flags
    image_flags, ///< wrapped, Frame::images tells the cell of each atom
    unwrapped,   ///< continuous as stored
};

struct TrajectoryHeader {
    std::string path;
    std::string format;               ///< "xyz", "extxyz", "lammps-dump", "xdatcar", "h5md", ...
    std::vector<std::string> species; ///< element symbol of each atom, fixed for the whole trajectory
    Wrapping wrapping = Wrapping::unknown;
    std::optional<std::int64_t> n_frames; ///< when the file tells without reading all of it
    std::optional<double> frame_interval; ///< [ps], when the file tells

    std::size_t n_atoms() const { return species.size(); }
};

} // namespace mesolith
