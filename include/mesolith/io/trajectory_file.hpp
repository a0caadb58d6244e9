#pragma once
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "mesolith/core/nan.hpp"
#include "mesolith/trajectory/frame_source.hpp"

namespace mesolith {

/// How to take the positions of a file.
enum class WrappingOption {
    automatic, ///< as the format says; when it does not say, minimum image steps
    wrapped,   ///< minimum image steps; image flags of the file are ignored
    unwrapped, ///< continuous as stored
};

struct TrajectoryFileOptions {
    /// "auto" or one of trajectory_formats(): by content first, then by name.
    std::string format = "auto";
    /// 3x3 matrix [A], rows are vectors; or a CP2K .cell file (one cell per step). Needed by xyz. For CP2K
    /// NAME-pos-1.xyz the file NAME-1.cell beside it is found by itself.
    std::string cell_file;
    std::map<int, std::string> type_map; ///< numeric types to elements, {1: "Li"}
    bool allow_unmapped_types = false;   ///< name them "type1", ... instead of refusing (to look at a file)
    std::optional<double> frame_interval_ps; ///< overrides the times of the file: frame k is at k times this
    std::optional<double>
        timestep_ps; ///< for formats that count steps (LAMMPS, CP2K, H5MD): time = step times this
    WrappingOption wrapping = WrappingOption::automatic;
    std::string h5md_group; ///< group below `particles`; "" = the only one
};

/// "xyz", "cp2k", "extxyz", "lammps-dump", "xdatcar", "h5md". All text formats may be gzipped.
[[nodiscard]] const std::vector<std::string>& trajectory_formats();

/// Open a trajectory. The reader keeps a few frames and a few MiB of text in memory, whatever the length of
/// the file. Atoms come in the order of the first frame, sorted by id when the file has ids. The origin of a
/// LAMMPS box is subtracted. Frames that repeat an earlier step (restarts) are dropped and counted in
/// notes().
/// @throws InputError  no such file; unknown format; cell or element names missing (the message says how to
/// give them)
/// @throws FileError   damaged file, also later from read(): "FILE:LINE: problem (frame N). What to do", N
/// from 0
[[nodiscard]] std::unique_ptr<FrameSource> open_trajectory(const std::string& path,
                                                           const TrajectoryFileOptions& options = {});

/// What stands in a trajectory file; from one pass over all of it.
struct TrajectoryInfo {
    TrajectoryHeader header;
    std::int64_t n_frames = 0;
    Cell cell; ///< of the first frame
    bool variable_cell = false;
    double smallest_volume = 0, largest_volume = 0; ///< [A^3]
    std::vector<std::pair<std::string, std::size_t>>
        species;                          ///< names and numbers of atoms, by first appearance
    std::optional<double> frame_interval; ///< [ps], between the first two frames
    bool regular = true;                  ///< all intervals are the same (to 0.1 %)
    double first_time = nan_value, last_time = first_time; ///< [ps]
    bool all_inside = true;     ///< no atom ever left the cell by more than 2 % of an edge
    std::int64_t crossings = 0; ///< steps of more than half an edge: jumps of wrapped atoms over a boundary
    /// What the data look like: `unwrapped` when atoms leave the cell, `wrapped` when they jump back into it,
    /// `unknown` when nothing crossed a boundary. The header's value when the format tells.
    Wrapping wrapping = Wrapping::unknown;
    std::vector<std::string> notes;
};
[[nodiscard]] TrajectoryInfo inspect_trajectory(const std::string& path, TrajectoryFileOptions options = {});

/// The same as lines of text for the terminal.
[[nodiscard]] std::string describe(const TrajectoryInfo& info);

} // namespace mesolith
