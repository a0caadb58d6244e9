#pragma once
#include <deque>

#include "mesolith/core/nan.hpp"
#include "mesolith/io/trajectory_file.hpp"

namespace mesolith {

/// What all file readers share: two frames read ahead (they tell the frame interval), dropping of repeated
/// steps, times, and the notes for the user. A format only reads the next frame as it stands in the file.
class FileFrameSource : public FrameSource {
public:
    const TrajectoryHeader& header() const override { return header_; }
    bool read(Frame& frame) override;
    std::vector<std::string> notes() const override;

    /// Read ahead and complete the header. Called once by open_trajectory().
    void open();

protected:
    struct Stamp {
        std::optional<std::int64_t> step;
        double time = nan_value; ///< [ps]
    };

    FileFrameSource(const std::string& path, const std::string& format, const TrajectoryFileOptions& options);

    /// Next frame of the file: positions, cell, image flags. The header's species and wrapping are set by the
    /// first.
    virtual bool read_raw(Frame& frame, Stamp& stamp) = 0;
    virtual std::vector<std::string> format_notes() const { return {}; }

    /// The element of a numeric type. @throws InputError when the map does not have it
    std::string element_of_type(std::int64_t type, const std::string& types_present) const;

    TrajectoryHeader header_;
    TrajectoryFileOptions options_;

private:
    bool read_next(Frame& frame);
    bool keep(const Stamp& stamp);
    double time_of(const Stamp& stamp) const;
    void check_interval(double time);

    std::deque<Frame> ahead_;
    std::int64_t kept_ = 0, dropped_ = 0, uneven_ = 0, first_uneven_ = -1;
    std::optional<std::int64_t> first_step_, last_step_;
    double last_time_ = nan_value;
};

/// The cell given beside a trajectory: one 3x3 matrix, or a CP2K .cell file with a cell per step.
class CellFile {
public:
    /// @throws InputError / FileError "FILE:LINE: ..." unless it holds 9 numbers (rows are vectors), 3 edge
    /// lengths, or CP2K rows
    explicit CellFile(const std::string& path);
    ~CellFile();
    /// Cell of this step. Rows of a CP2K file must be there for the step unless its cell does not change
    /// around it.
    /// @throws InputError when the cell changes but the trajectory has no steps
    const Cell& at(std::optional<std::int64_t> step, const std::string& trajectory);

private:
    struct Table;
    Cell cell_;
    std::unique_ptr<Table> table_;
};

std::unique_ptr<FileFrameSource> open_xyz(const std::string& path, const std::string& format,
                                          const TrajectoryFileOptions& options);
std::unique_ptr<FileFrameSource> open_lammps_dump(const std::string& path,
                                                  const TrajectoryFileOptions& options);
std::unique_ptr<FileFrameSource> open_xdatcar(const std::string& path, const TrajectoryFileOptions& options);
std::unique_ptr<FileFrameSource> open_h5md(const std::string& path, const TrajectoryFileOptions& options);

} // namespace mesolith
