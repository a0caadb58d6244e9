#include <algorithm>
#include <cmath>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "mesolith/core/error.hpp"
#include "mesolith/core/nan.hpp"
#include "mesolith/io/hdf5.hpp"

#include "file_frame_source.hpp"
#include "id_order.hpp"

namespace mesolith {

namespace {

constexpr std::uint64_t bytes_at_once = 4u << 20; // positions read at once

struct Unit {
    std::string_view name;
    double factor;
};
constexpr Unit length_units[] = {{"Angstrom", 1},
                                 {"angstrom", 1},
                                 {"A", 1},
                                 {"\u00c5", 1},
                                 {"\u212b", 1},
                                 {"Ang", 1},
                                 {"nm", 10},
                                 {"pm", 0.01},
                                 {"bohr", 0.529177210903},
                                 {"Bohr", 0.529177210903},
                                 {"m", 1e10}};
constexpr Unit time_units[] = {{"ps", 1}, {"fs", 1e-3}, {"ns", 1e3}, {"us", 1e6}, {"s", 1e12}};

/// Steps and times of an H5MD element: one per frame, or an increment with an offset.
struct FrameClock {
    std::vector<std::int64_t> steps;
    std::int64_t step_increment = 0, step_offset = 0;
    std::vector<double> times;
    double time_increment = nan_value, time_offset = 0;
    bool has_steps = false, has_times = false;

    std::int64_t step(std::uint64_t frame) const {
        return steps.empty() ? step_offset + step_increment * static_cast<std::int64_t>(frame) : steps[frame];
    }
    double time(std::uint64_t frame) const {
        return times.empty() ? time_offset + time_increment * static_cast<double>(frame) : times[frame];
    }
};

class H5mdSource : public FileFrameSource {
public:
    H5mdSource(const std::string& path, const TrajectoryFileOptions& options)
        : FileFrameSource(path, "h5md", options), file_(Hdf5File::open(path)), group_(choose_group()),
          position_(group_.dataset("position/value")) {
        const Hdf5Shape shape = position_.shape();
        if (shape.size() != 3 || shape[2] != 3 || shape[1] == 0)
            throw FileError(
                fmt::format("{}: {} has shape [{}] ([frames, atoms, 3] is needed). Write it again", path,
                            position_.path(), fmt::join(shape, ", ")));
        n_frames_ = shape[0];
        n_atoms_ = shape[1];
        header_.n_frames = static_cast<std::int64_t>(n_frames_);
        length_ = unit_of(position_, length_units, "lengths", "angstrom");
        clock_ = read_clock(group_.group("position"), n_frames_);
        read_species();
        read_ids();
        read_box();
        header_.wrapping = Wrapping::unknown;
        if (group_.has_dataset("image/value")) {
            image_.emplace(group_.dataset("image/value"));
            if (image_->shape() != shape)
                throw FileError(fmt::format("{}: {} does not have the shape of the positions. Write it again",
                                            path, image_->path()));
            header_.wrapping = Wrapping::image_flags;
        } else if (group_.group("position").has_attribute("unwrapped") &&
                   group_.group("position").attribute<int>("unwrapped") == 1) {
            header_.wrapping = Wrapping::unwrapped;
        }
        const std::uint64_t frame_bytes = n_atoms_ * 3 * sizeof(double);
        // Whole chunks, so that none is unpacked twice.
        block_frames_ = std::max<std::uint64_t>(position_.chunk_rows(), 1);
        if (block_frames_ * frame_bytes > 16 * bytes_at_once) block_frames_ = 1;
        while (2 * block_frames_ * frame_bytes <= bytes_at_once) block_frames_ *= 2;
    }

    double fraction_read() const override {
        return n_frames_ == 0 ? -1 : static_cast<double>(next_) / static_cast<double>(n_frames_);
    }

protected:
    bool read_raw(Frame& frame, Stamp& stamp) override {
        if (next_ >= n_frames_) return false;
        if (next_ >= block_begin_ + block_.size() / (3 * n_atoms_)) load_block();
        const std::size_t offset = (next_ - block_begin_) * 3 * n_atoms_;
        if (clock_.has_steps) stamp.step = clock_.step(next_);
        if (clock_.has_times) stamp.time = clock_.time(next_);
        frame.cell = cell_at(next_);
        frame.positions.resize(n_atoms_);
        frame.images.resize(image_ ? n_atoms_ : 0);
        if (next_id_frame_needed()) load_ids();
        for (std::size_t i = 0; i < n_atoms_; ++i) {
            const std::size_t at = place_.empty() ? i : place_[i];
            const double* r = block_.data() + offset + 3 * i;
            frame.positions[at] = length_ * Vec3(r[0], r[1], r[2]);
            if (!(frame.positions[at].cwiseAbs().sum() < 1e12))
                throw FileError(fmt::format(
                    "{}: a coordinate of atom {} is not finite (frame {}). The run that wrote it has "
                    "gone wrong: use the frames before",
                    header_.path, i, next_));
            if (image_) {
                const std::int32_t* n = image_block_.data() + offset + 3 * i;
                frame.images[at] = IVec3(n[0], n[1], n[2]);
            }
        }
        ++next_;
        return true;
    }

    std::vector<std::string> format_notes() const override { return notes_; }

private:
    Hdf5Group choose_group() {
        if (!file_.has_group("particles"))
            throw FileError(
                fmt::format("{}: is no H5MD trajectory (it has no group 'particles'). Convert it with "
                            "tools/convert_trajectory.py",
                            header_.path));
        const Hdf5Group particles = file_.group("particles");
        std::vector<std::string> names;
        for (const auto& name : particles.children())
            if (particles.has_dataset(name + "/position/value")) names.push_back(name);
        if (names.empty())
            throw FileError(fmt::format(
                "{}: holds no positions (no particles/*/position/value). Write the trajectory again",
                header_.path));
        std::string chosen = options_.h5md_group;
        if (chosen.empty() && names.size() > 1)
            throw InputError(
                fmt::format("{}: has several groups of particles ({}). Choose one with h5md_group",
                            header_.path, fmt::join(names, ", ")));
        if (chosen.empty()) chosen = names.front();
        if (std::find(names.begin(), names.end(), chosen) == names.end())
            throw InputError(fmt::format("{}: has no particles '{}' (it has {}). Choose one of them",
                                         header_.path, chosen, fmt::join(names, ", ")));
        return particles.group(chosen);
    }

    template <std::size_t N>
    double unit_of(const Hdf5Object& object, const Unit (&units)[N], const char* what, const char* fallback) {
        if (!object.has_attribute("unit")) {
            notes_.push_back(
                fmt::format("the file does not say the unit of its {}, {} is assumed", what, fallback));
            return 1;
        }
        const std::string name = object.string_attribute("unit");
        for (const Unit& unit : units)
            if (unit.name == name) return unit.factor;
        throw InputError(
            fmt::format("{}: {} are in '{}' (an unknown unit). Write the file in angstrom and ps",
                        header_.path, what, name));
    }

    FrameClock read_clock(const Hdf5Group& element, std::uint64_t n) {
        FrameClock clock;
        if (element.has_dataset("step")) {
            const Hdf5Dataset step = element.dataset("step");
            clock.has_steps = true;
            if (step.shape().empty()) {
                clock.step_increment = step.read<std::int64_t>().at(0);
                if (step.has_attribute("offset")) clock.step_offset = step.attribute<std::int64_t>("offset");
            } else {
                clock.steps = step.read<std::int64_t>();
                require_length(step, n);
            }
        }
        if (element.has_dataset("time")) {
            const Hdf5Dataset time = element.dataset("time");
            clock.has_times = true;
            const double unit = unit_of(time, time_units, "times", "ps");
            if (time.shape().empty()) {
                clock.time_increment = unit * time.read<double>().at(0);
                if (time.has_attribute("offset")) clock.time_offset = unit * time.attribute<double>("offset");
            } else {
                clock.times = time.read<double>();
                require_length(time, n);
                for (double& t : clock.times) t *= unit;
            }
        }
        return clock;
    }

    void require_length(const Hdf5Dataset& data, std::uint64_t n) const {
        if (data.rows() < n)
            throw FileError(
                fmt::format("{}: {} has {} entries for {} frames (the file was cut short). Write it again",
                            header_.path, data.path(), data.rows(), n));
    }

    void read_species() {
        const bool varying = group_.has_group("species");
        if (!varying && !group_.has_dataset("species"))
            throw FileError(
                fmt::format("{}: does not say what the atoms are (no species in {}). Convert it with "
                            "tools/convert_trajectory.py",
                            header_.path, group_.path()));
        const Hdf5Dataset data = group_.dataset(varying ? "species/value" : "species");
        if (data.kind() == Hdf5Kind::string) {
            const auto names = data.read_strings();
            if (names.size() == n_atoms_)
                for (const auto& name : names) header_.species.push_back(species_label(name));
        } else {
            const auto names = data.enumeration();
            std::vector<std::int64_t> types(varying ? data.row_size() : data.size());
            data.read_rows(0, varying ? 1 : data.rows(), std::span<std::int64_t>(types));
            if (varying) {
                std::vector<std::int64_t> last(types.size());
                data.read_rows(data.rows() - 1, 1, std::span<std::int64_t>(last));
                if (last != types)
                    throw FileError(
                        fmt::format("{}: the species change with time (they must stay the same). Split the "
                                    "trajectory",
                                    header_.path));
            }
            const std::set<std::int64_t> present(types.begin(), types.end());
            if (types.size() == n_atoms_)
                for (const std::int64_t type : types) {
                    const auto found = names.find(type);
                    header_.species.push_back(
                        found != names.end() && options_.type_map.empty()
                            ? found->second
                            : element_of_type(type, fmt::format("{}", fmt::join(present, ", "))));
                }
        }
        if (header_.species.size() != n_atoms_)
            throw FileError(
                fmt::format("{}: {} does not hold one species for each of {} atoms. Write it again",
                            header_.path, data.path(), n_atoms_));
    }

    static std::string species_label(const std::string& name) {
        const auto begin = name.find_first_not_of(' ');
        if (begin == std::string::npos) return name;
        return name.substr(begin, name.find_last_not_of(' ') - begin + 1);
    }

    /// Ids that vary with time tell that the order of the atoms does.
    void read_ids() {
        if (!group_.has_dataset("id/value")) return;
        id_.emplace(group_.dataset("id/value"));
        if (id_->shape() != Hdf5Shape{n_frames_, n_atoms_})
            throw FileError(fmt::format("{}: {} does not have the shape [frames, atoms]. Write it again",
                                        header_.path, id_->path()));
        if (n_frames_ == 0) return;
        std::vector<std::int64_t> ids(n_atoms_);
        id_->read_rows(0, 1, std::span<std::int64_t>(ids));
        if (!order_.start(ids))
            throw FileError(fmt::format("{}: atom id {} comes twice (frame 0). Write it again", header_.path,
                                        order_.repeated()));
        std::vector<std::string> sorted(n_atoms_);
        for (std::size_t i = 0; i < n_atoms_; ++i)
            sorted[static_cast<std::size_t>(order_.place(ids[i]))] = header_.species[i];
        header_.species = std::move(sorted);
    }

    bool next_id_frame_needed() const { return id_.has_value(); }

    void load_ids() {
        std::vector<std::int64_t> ids(n_atoms_);
        id_->read_rows(next_, 1, std::span<std::int64_t>(ids));
        order_.next_frame();
        place_.resize(n_atoms_);
        for (std::size_t i = 0; i < n_atoms_; ++i) {
            const std::ptrdiff_t at = order_.place(ids[i]);
            if (at < 0)
                throw FileError(fmt::format(
                    "{}: atom id {} {} (frame {}: the atoms must stay the same). Split the trajectory",
                    header_.path, ids[i], at == -1 ? "was not in the first frame" : "comes twice", next_));
            place_[i] = static_cast<std::size_t>(at);
        }
    }

    void read_box() {
        if (!group_.has("box/edges")) {
            if (options_.cell_file.empty())
                throw InputError(fmt::format(
                    "{}: has no cell (no box/edges). Give cell_file: a text file with a 3x3 matrix in "
                    "angstrom, rows are the cell vectors",
                    header_.path));
            cell_ = CellFile(options_.cell_file).at({}, header_.path);
            return;
        }
        const Hdf5Group box = group_.group("box");
        if (box.has_attribute("boundary")) {
            const auto boundary = box.string_attribute_values("boundary");
            if (std::find(boundary.begin(), boundary.end(), "none") != boundary.end())
                notes_.push_back("a boundary of the box is not periodic: it is treated as periodic");
        }
        const bool varying = box.has_group("edges");
        const Hdf5Dataset edges = box.dataset(varying ? "edges/value" : "edges");
        Hdf5Shape shape = edges.shape();
        if (varying && !shape.empty()) shape.erase(shape.begin());
        if (shape != Hdf5Shape{3} && shape != Hdf5Shape{3, 3})
            throw FileError(
                fmt::format("{}: {} has shape [{}] (3 lengths or 3x3 vectors are needed). Write it again",
                            header_.path, edges.path(), fmt::join(edges.shape(), ", ")));
        double unit = length_;
        if (edges.has_attribute("unit")) unit = unit_of(edges, length_units, "cell edges", "angstrom");
        edges_ = edges.read<double>();
        for (double& x : edges_) x *= unit;
        edge_numbers_ = shape.size() == 1 ? 3 : 9;
        n_edges_ = edges_.size() / edge_numbers_;
        if (n_edges_ == 0)
            throw FileError(fmt::format("{}: {} is empty. Write it again", header_.path, edges.path()));
        if (n_edges_ > 1) box_clock_ = read_clock(box.group("edges"), n_edges_);
        cell_ = make_cell(0);
    }

    Cell make_cell(std::size_t k) {
        const double* e = edges_.data() + k * edge_numbers_;
        Mat3 rows;
        if (edge_numbers_ == 3)
            rows = Vec3(e[0], e[1], e[2]).asDiagonal();
        else
            rows << e[0], e[1], e[2], e[3], e[4], e[5], e[6], e[7], e[8];
        edges_at_ = k;
        try {
            return Cell(rows);
        } catch (const DataError& error) {
            throw FileError(fmt::format("{}: frame {}: {}", header_.path, next_, error.what()));
        }
    }

    const Cell& cell_at(std::uint64_t frame) {
        if (n_edges_ <= 1) return cell_;
        std::size_t k = edges_at_;
        if (clock_.has_steps && box_clock_.has_steps) {
            // The box may be stored more or less often than the positions.
            const std::int64_t step = clock_.step(frame);
            if (box_clock_.step(k) > step) k = 0;
            while (k + 1 < n_edges_ && box_clock_.step(k) < step) ++k;
            if (box_clock_.step(k) != step)
                throw FileError(fmt::format(
                    "{}: box/edges holds no cell for step {} (frame {}). Write the box as often as the "
                    "positions",
                    header_.path, step, frame));
        } else {
            if (n_edges_ < n_frames_)
                throw FileError(fmt::format(
                    "{}: box/edges has {} cells for {} frames. Write the box as often as the positions",
                    header_.path, n_edges_, n_frames_));
            k = frame;
        }
        if (k != edges_at_) {
            const double* now = edges_.data() + k * edge_numbers_;
            if (std::equal(now, now + edge_numbers_, edges_.data() + edges_at_ * edge_numbers_))
                edges_at_ = k;
            else
                cell_ = make_cell(k);
        }
        return cell_;
    }

    void load_block() {
        block_begin_ = next_;
        const std::uint64_t count = std::min(block_frames_, n_frames_ - next_);
        block_.resize(count * 3 * n_atoms_);
        position_.read_rows(next_, count, std::span<double>(block_));
        if (image_) {
            image_block_.resize(block_.size());
            image_->read_rows(next_, count, std::span<std::int32_t>(image_block_));
        }
    }

    Hdf5File file_;
    Hdf5Group group_;
    Hdf5Dataset position_;
    std::optional<Hdf5Dataset> image_, id_;
    std::uint64_t n_frames_ = 0, n_atoms_ = 0, next_ = 0, block_frames_ = 1, block_begin_ = 0;
    std::vector<double> block_;
    std::vector<std::int32_t> image_block_;
    double length_ = 1;
    FrameClock clock_, box_clock_;
    IdOrder order_;
    std::vector<std::size_t> place_;
    std::vector<double> edges_; // all cells: 72 bytes a frame
    std::size_t edge_numbers_ = 9, n_edges_ = 0, edges_at_ = 0;
    Cell cell_;
    std::vector<std::string> notes_;
};

} // namespace

std::unique_ptr<FileFrameSource> open_h5md(const std::string& path, const TrajectoryFileOptions& options) {
    return std::make_unique<H5mdSource>(path, options);
}

} // namespace mesolith
