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
    double step_warning = 0.35;      ///< count steps longer than this share of a cell edge; 0 < limit <= 0.5
};

/// What happened while unwrapping; shown in the report.
struct ContinuityReport {
    std::int64_t frames_read = 0; ///< frames of the range, before the stride
    std::int64_t frames_used = 0;
    double largest_step = 0; ///< largest |fractional step| of any atom along any axis
    std::int64_t largest_step_frame = -1;
    std::int64_t steps_over_limit = 0; ///< atoms x frames over step_warning
    Vec3 largest_drift = Vec3::Zero(); ///< largest |drift| per axis that was removed [A]
    Vec3 final_drift = Vec3::Zero();   ///< drift at the last frame [A]
    bool variable_cell = false;
};

/// Frames made continuous: first unwrapped, then freed of drift (the other order is wrong: a wrap of one ion
/// would shift the mean of all).
///
/// Unwrapping uses image flags or unwrapped coordinates when the file has them, else the minimum image of the
/// step in fractional space, each frame in its own cell. With a variable cell, positions are handed on in the
/// cell of the first frame (fractional coordinates kept), so that sites stand still.
class ContinuousTrajectory {
public:
    /// Reads up to the first used frame. The source must outlive this object and stand at its beginning.
    /// @throws InputError  an option out of range; a mobile species that the file does not have (its species
    /// are
    ///                     named); Drift::framework without a framework; Drift::com with a species of unknown
    ///                     mass; fewer frames than first_frame
    ContinuousTrajectory(FrameSource& source, ContinuousOptions options);

    /// Next used frame: positions continuous and drift-free, images empty, cell = reference_cell(). False at
    /// the end.
    /// @throws FileError from the source, DataError when a frame does not fit the header
    /// Cost per atom and frame: about 20 flops, and the exact nearest image only where an atom left the
    /// inscribed sphere of its last cell.
    bool read(Frame& frame);

    /// Go on after a stop: the source has given the first used frame (to the constructor) and gives the one
    /// after `last` next.
    /// @param last    the last frame read before, as the source gave it
    /// @param report  of then
    /// @throws DataError when the source tells positions only up to lattice vectors
    void resume(const Frame& last, const ContinuityReport& report);

    const TrajectoryHeader& header() const { return source_.header(); }
    const Cell& reference_cell() const { return first_.cell; } ///< cell of the first used frame
    const Frame& first_frame() const { return first_; } ///< the first used frame; read() returns it again
    const std::vector<std::size_t>& mobile_atoms() const { return mobile_; }
    const std::vector<std::size_t>& framework_atoms() const { return framework_; }
    const ContinuityReport& report() const { return report_; } ///< of the frames read so far

    /// Constant shift added to all positions that read() gives from now on: registers the framework on a
    /// crystal [A].
    void set_offset(const Vec3& offset) { offset_ = offset; }

private:
    void choose_atoms();
    void choose_weights();
    bool advance(Frame& frame);
    void unwrap(const Frame& frame);
    Vec3 weighted_mean() const;
    void hand_on(Frame& frame);

    FrameSource& source_;
    ContinuousOptions options_;
    std::vector<std::size_t> mobile_, framework_;
    std::vector<double> weight_; // of each atom in the mean that defines the drift; empty = no drift removal
    std::vector<Vec3> fractional_;   // unwrapped, of the last frame read
    std::vector<IVec3> image_;       // cell of each atom, when the file has no flags
    Vec3 start_mean_ = Vec3::Zero(); // weighted mean of the first used frame, fractional
    Frame first_;
    bool first_pending_ = true;
    Vec3 offset_ = Vec3::Zero();
    ContinuityReport report_;
};

} // namespace mesolith
