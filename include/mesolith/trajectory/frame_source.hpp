#pragma once
#include <string>
#include <vector>

#include "mesolith/trajectory/trajectory.hpp"

namespace mesolith {

/// Reads a trajectory one frame at a time: memory does not grow with its length.
/// The readers for the formats stand in io/ (open_trajectory).
class FrameSource {
public:
    virtual ~FrameSource() = default;
    virtual const TrajectoryHeader& header() const = 0;

    /// Read the next frame into `frame`, whose buffers are reused. False at the end of the file.
    /// @throws FileError naming file, line and frame when the file is damaged (truncated, NaN, another atom
    /// count)
    virtual bool read(Frame& frame) = 0;

    /// Share of the file already read, 0..1, for a progress bar; negative when unknown.
    virtual double fraction_read() const = 0;

    /// What the user should hear about the part read so far: dropped duplicates, guessed units, uneven times.
    virtual std::vector<std::string> notes() const { return {}; }
};

} // namespace mesolith
