#include <algorithm>
#include <cctype>

#include <fmt/format.h>

#include "mesolith/core/error.hpp"
#include "mesolith/core/text.hpp"

#include "atom_row.hpp"
#include "file_frame_source.hpp"
#include "poscar.hpp"

namespace mesolith {

namespace {

/// VASP 5 or later; the head comes once, or before each frame when the cell varies.
class XdatcarSource : public FileFrameSource {
public:
    XdatcarSource(const std::string& path, const TrajectoryFileOptions& options)
        : FileFrameSource(path, "xdatcar", options), input_(path) {
        plan_.columns = {Column::x, Column::y, Column::z};
        plan_.more_allowed = true;
        header_.wrapping = Wrapping::wrapped;
    }

    double fraction_read() const override { return input_.fraction_read(); }

protected:
    bool read_raw(Frame& frame, Stamp&) override {
        input_.set_frame(frames_);
        std::string_view line;
        if (frames_ == 0) {
            // An empty first line is a title.
            if (!input_.next(line)) return false;
            input_.step_back();
            read_head();
            if (!input_.next(line))
                input_.fail("the file ends behind its head", "no frame follows",
                            "The file was cut off: copy it again");
        } else if (!next_start(line)) {
            return false;
        }
        if (!is_start(line)) {
            input_.step_back();
            read_head();
            if (!input_.next(line) || !is_start(line))
                input_.fail("'Direct configuration=' is expected here", "the head of a frame ends here",
                            "The number of coordinate lines does not fit the head: write the file again");
        }
        read_coordinates(frame, std::tolower(static_cast<unsigned char>(trim(line).front())) == 'd');
        ++frames_;
        return true;
    }

    std::vector<std::string> format_notes() const override {
        if (!input_.last_line_unbroken()) return {};
        return {"the file does not end with a line break, its last line may be cut off"};
    }

private:
    /// The line behind a frame; false when only blank lines are left.
    bool next_start(std::string_view& line) {
        if (!input_.next(line)) return false;
        if (!trim(line).empty()) return true;
        // A blank line is the empty title of a head, or the end of the file.
        std::string_view more;
        if (!input_.next_filled(more)) return false;
        input_.fail("an empty line is not expected here", "between two frames",
                    "Give the system a title (SYSTEM in the INCAR), or remove the empty lines");
    }

    static bool is_start(std::string_view line) {
        const std::string text = lower_case(trim(line).substr(0, 40));
        return (text.starts_with("direct") || text.starts_with("cart")) &&
               text.find("configuration") != std::string::npos;
    }

    void read_head() {
        head_ = read_poscar_head(input_);
        if (header_.species.empty())
            header_.species = head_.species;
        else if (head_.species != header_.species)
            input_.fail("the atoms change", "the head differs from the first",
                        "Split the file where they change");
    }

    void read_coordinates(Frame& frame, bool direct) {
        const std::size_t n = header_.species.size();
        frame.cell = head_.cell;
        frame.images.clear();
        frame.positions.resize(n);
        AtomRow row;
        for (std::size_t i = 0; i < n; ++i) {
            read_row(input_, plan_, row, i, n);
            const Vec3 r(row.r[0], row.r[1], row.r[2]);
            frame.positions[i] = direct ? head_.cell.to_cartesian(r) : Vec3(r.cwiseProduct(head_.scale));
        }
    }

    TextInput input_;
    ColumnPlan plan_;
    PoscarHead head_;
    std::int64_t frames_ = 0;
};

} // namespace

std::unique_ptr<FileFrameSource> open_xdatcar(const std::string& path, const TrajectoryFileOptions& options) {
    return std::make_unique<XdatcarSource>(path, options);
}

} // namespace mesolith
