#pragma once
#include <string>
#include <vector>

#include "mesolith/crystal/structure.hpp"
#include "mesolith/trajectory/frame_source.hpp"

namespace mesolith {

enum class Drift {
    framework, ///< mean displacement of the species that are not mobile
    com,       ///< centre of mass of all atoms
    none,
};

struct ContinuousOptions {
    std::int64_t first_frame = 0; ///< frames before it are skipped
    std::int64_t last_frame = -1; ///< last frame used, -1 = to the end
    std::int64_t stride = 1;      ///< frames handed on; unwrapping sees every frame between
    Drift drift = Drift::framework;
    std::vector<std::string> mobile; ///< mobile species, needed for Drift::framework
    double step_warning = 0.35;      ///< warn when an atom moves further than this share of a cell edge in one frame
};

/// What happened while unwrapping; shown in the report.
struct ContinuityReport {
    std::int64_t frames_read = 0;          ///< frames of the range, before the stride
    std::int64_t frames_used = 0;
    double largest_step = 0;               ///< largest |fractional step| of any atom along any axis
    std::int64_t largest_step_frame = -1;
    std::int64_t steps_over_limit = 0;     ///< atoms x frames over step_warning
    Vec3 largest_drift = Vec3::Zero();     ///< largest |drift| per axis that was removed [A]
    Vec3 final_drift = Vec3::Zero();       ///< drift at the last frame [A]
    bool variable_cell = false;
};

/// Frames made continuous: first unwrapped, then freed of drift (the other order is wrong: a wrap of one ion would
/// shift the mean of all).
///
/// Unwrapping uses image flags or unwrapped coordinates when the file has them, else the minimum image of the step
/// in fractional space, each frame in its own cell. With a variable cell, positions are handed on in the cell of the first frame
/// (fractional coordinates kept), so that sites stand still.
class ContinuousTrajectory {
  public:
    ContinuousTrajectory(FrameSource& source, ContinuousOptions options);

    /// Next used frame: positions continuous and drift-free, images empty, cell = reference_cell().
    bool read(Frame& frame);

    const TrajectoryHeader& header() const { return source_.header(); }
    const Cell& reference_cell() const;       ///< cell of the first used frame; reads it if needed
    const Frame& first_frame();               ///< the first used frame (peeked, read() returns it again)
    const std::vector<std::size_t>& mobile_atoms() const { return mobile_; }
    const std::vector<std::size_t>& framework_atoms() const { return framework_; }
    const ContinuityReport& report() const { return report_; }

    /// Constant shift added to all positions of later reads: registers the framework on a crystal [A].
    void set_offset(const Vec3& offset) { offset_ = offset; }

  private:
    bool advance(Frame& frame);
    void unwrap(Frame& frame);
    void remove_drift(Frame& frame);

    FrameSource& source_;
    ContinuousOptions options_;
    std::vector<std::size_t> mobile_, framework_;
    std::vector<double> masses_;
    std::vector<Vec3> previous_fractional_; // unwrapped, of the last frame read
    std::vector<Vec3> start_;               // positions that define zero drift
    Frame first_;
    bool first_pending_ = false, started_ = false;
    Vec3 offset_ = Vec3::Zero();
    ContinuityReport report_;
};

} // namespace mesolith
