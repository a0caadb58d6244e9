#include <algorithm>
#include <array>
#include <filesystem>

#include <fmt/format.h>

#include "mesolith/core/error.hpp"
#include "mesolith/core/units.hpp"

#include "atom_row.hpp"
#include "file_frame_source.hpp"
#include "xyz_comment.hpp"

namespace mesolith {

namespace {

/// xyz, CP2K's xyz and extended xyz: number of atoms, a comment, one line per atom.
class XyzSource : public FileFrameSource {
public:
    XyzSource(const std::string& path, const std::string& format, const TrajectoryFileOptions& options)
        : FileFrameSource(path, format, options), input_(path), extended_(format == "extxyz"),
          cp2k_(format == "cp2k") {
        std::string cell_file = options.cell_file;
        if (cell_file.empty() && cp2k_) cell_file = cp2k_cell_beside(path);
        if (!cell_file.empty())
            cell_file_ = std::make_unique<CellFile>(cell_file);
        else if (!extended_)
            throw InputError(fmt::format(
                "{}: the cell is missing (an {} file does not hold it). Give cell_file: a text file "
                "with a 3x3 matrix in angstrom, rows are the cell vectors{}",
                path, format, cp2k_ ? ", or the .cell file of the run" : ""));
        plan_.columns = {Column::species, Column::x, Column::y, Column::z};
        plan_.more_allowed = true;
        header_.wrapping = cp2k_ ? Wrapping::unwrapped : Wrapping::unknown;
    }

    double fraction_read() const override { return input_.fraction_read(); }

protected:
    bool read_raw(Frame& frame, Stamp& stamp) override {
        input_.set_frame(frames_);
        std::string_view line;
        if (!input_.next_filled(line)) return false;
        read_count(trim(line));
        if (!input_.next(line)) fail_truncated(input_, 0, n_atoms_);
        read_comment(line, frame, stamp);
        read_atoms(frame);
        ++frames_;
        return true;
    }

    std::vector<std::string> format_notes() const override {
        std::vector<std::string> notes;
        if (plain_time_) notes.push_back("the key `time` of the file has no unit, femtoseconds are assumed");
        if (input_.last_line_unbroken())
            notes.push_back("the file does not end with a line break, its last line may be cut off");
        return notes;
    }

private:
    static std::string cp2k_cell_beside(const std::string& path) {
        std::string name = path;
        const auto at = name.rfind("-pos-");
        if (at == std::string::npos) return {};
        name.erase(at, 4); // NAME-pos-1.xyz -> NAME-1
        if (name.ends_with(".gz")) name.resize(name.size() - 3);
        if (name.ends_with(".xyz")) name.resize(name.size() - 4);
        for (const char* suffix : {".cell", ".cell.gz"})
            if (std::filesystem::exists(name + suffix)) return name + suffix;
        return {};
    }

    void read_count(std::string_view text) {
        std::int64_t n = 0;
        if (!to_integer(text, n) || n < 1)
            input_.fail("the number of atoms is expected here", fmt::format("found '{}'", text.substr(0, 40)),
                        "The file was cut off or edited: write or copy it again");
        if (n_atoms_ != 0 && static_cast<std::size_t>(n) != n_atoms_)
            input_.fail(fmt::format("the number of atoms changes from {} to {}", n_atoms_, n),
                        "it must stay the same", "Split the file where it changes");
        input_.check_count(n);
        n_atoms_ = static_cast<std::size_t>(n);
    }

    void read_comment(std::string_view line, Frame& frame, Stamp& stamp) {
        bool have_cell = false;
        if (extended_) {
            ExtendedComment comment;
            const std::string problem = parse_extended_comment(line, comment);
            if (!problem.empty())
                input_.fail("the comment line is no extended xyz", problem,
                            "Write the file again, or use format xyz");
            if (!comment.properties.empty() && comment.properties != properties_)
                use_properties(comment.properties);
            if (comment.lattice) {
                have_cell = true;
                if (!last_lattice_ || *comment.lattice != *last_lattice_) {
                    last_lattice_ = comment.lattice;
                    cell_ = cell_from(*comment.lattice);
                }
                frame.cell = cell_;
            }
            stamp.time = comment.time_ps;
            plain_time_ = plain_time_ || comment.time_without_unit;
        } else if (cp2k_) {
            const Cp2kComment comment = parse_cp2k_comment(line);
            if (!comment.step)
                input_.fail("the comment line is not CP2K's", "'i = STEP, time = ...' expected",
                            "Use format xyz");
            stamp.step = comment.step;
            stamp.time = comment.time_fs * units::ps_per_fs;
        }
        if (have_cell) return;
        if (!cell_file_)
            input_.fail("the frame has no Lattice", "the cell is needed",
                        "Write it with its cell, or give cell_file");
        frame.cell = cell_file_->at(stamp.step, header_.path);
    }

    Cell cell_from(const std::array<double, 9>& a) {
        Mat3 rows;
        rows << a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8];
        try {
            return Cell(rows);
        } catch (const DataError&) {
            input_.fail("the Lattice has no volume", "its vectors lie in a plane",
                        "Write the file with its cell");
        }
    }

    void use_properties(const std::string& text) {
        properties_ = text;
        plan_ = {};
        const std::string problem = parse_properties(text, plan_);
        if (!problem.empty())
            input_.fail("Properties cannot be used", problem, "Write the file with species:S:1:pos:R:3");
    }

    void read_atoms(Frame& frame) {
        const bool first = header_.species.empty();
        frame.positions.resize(n_atoms_);
        AtomRow row;
        for (std::size_t i = 0; i < n_atoms_; ++i) {
            read_row(input_, plan_, row, i, n_atoms_);
            frame.positions[i] = Vec3(row.r[0], row.r[1], row.r[2]);
            if (first) {
                labels_.emplace_back(row.species);
            } else if (row.species != labels_[i])
                input_.fail(fmt::format("atom {} is {} here but {} in the first frame", i + 1, row.species,
                                        labels_[i]),
                            "the order of the atoms must stay the same", "Write the frames in one order");
        }
        if (first)
            for (const auto& label : labels_) header_.species.push_back(species_name(label));
    }

    TextInput input_;
    bool extended_, cp2k_, plain_time_ = false;
    std::unique_ptr<CellFile> cell_file_;
    ColumnPlan plan_;
    std::string properties_;
    std::optional<std::array<double, 9>> last_lattice_;
    Cell cell_;
    std::vector<std::string> labels_; // as they stand in the file
    std::size_t n_atoms_ = 0;
    std::int64_t frames_ = 0;
};

} // namespace

std::unique_ptr<FileFrameSource> open_xyz(const std::string& path, const std::string& format,
                                          const TrajectoryFileOptions& options) {
    return std::make_unique<XyzSource>(path, format, options);
}

} // namespace mesolith
