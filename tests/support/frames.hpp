#pragma once
#include <string>
#include <vector>

#include "mesolith/io/trajectory_file.hpp"

namespace mesolith::test {

inline std::vector<Frame> read_all(const std::string& path, const TrajectoryFileOptions& options = {}) {
    const auto source = open_trajectory(path, options);
    std::vector<Frame> frames;
    Frame frame;
    while (source->read(frame)) frames.push_back(frame);
    return frames;
}

} // namespace mesolith::test
