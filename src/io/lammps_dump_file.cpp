#include <algorithm>
#include <array>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "mesolith/core/error.hpp"

#include "atom_row.hpp"
#include "file_frame_source.hpp"
#include "id_order.hpp"

namespace mesolith {

namespace {

struct UnitStyle {
    std::string_view name;
    double length, time; ///< in angstrom and ps
};
constexpr UnitStyle unit_styles[] = {
    {"metal", 1, 1},    {"real", 1, 1e-3},  {"electron", 0.529177210903, 1e-3},
    {"si", 1e10, 1e12}, {"cgs", 1e8, 1e12}, {"micro", 1e4, 1e6},
    {"nano", 10, 1e3},
};

/// Which of LAMMPS' coordinate columns are used.
enum class Coordinates { plain, scaled };

/// LAMMPS text dump (dump atom, custom).
class LammpsDumpSource : public FileFrameSource {
public:
    LammpsDumpSource(const std::string& path, const TrajectoryFileOptions& options)
        : FileFrameSource(path, "lammps-dump", options), input_(path) {}

    double fraction_read() const override { return input_.fraction_read(); }

protected:
    bool read_raw(Frame& frame, Stamp& stamp) override {
        input_.set_frame(frames_);
        if (!read_items(stamp)) return false;
        read_atoms(frame);
        ++frames_;
        return true;
    }

    std::vector<std::string> format_notes() const override {
        std::vector<std::string> notes;
        if (!has_ids_ && frames_ > 0)
            notes.push_back("the dump has no column `id`: atoms are taken in the order of their lines");
        if (time_without_units_)
            notes.push_back("the dump gives TIME but no UNITS: picoseconds are assumed (units metal)");
        if (not_periodic_)
            notes.push_back("a boundary of the box is not periodic: it is treated as periodic");
        if (input_.last_line_unbroken())
            notes.push_back("the file does not end with a line break, its last line may be cut off");
        return notes;
    }

private:
    std::string_view need_line() {
        std::string_view line;
        if (!input_.next(line))
            input_.fail("the file ends inside a frame", "in its header",
                        "The file was cut off: copy it again, or remove the unfinished frame");
        return line;
    }

    /// All items up to the line "ITEM: ATOMS". False at the end of the file.
    bool read_items(Stamp& stamp) {
        std::string_view line;
        if (!input_.next_filled(line)) return false;
        bool have_count = false, have_box = false;
        std::optional<double> time;
        for (;;) {
            if (!line.starts_with("ITEM:"))
                input_.fail("'ITEM:' is expected here", fmt::format("found '{}'", line.substr(0, 40)),
                            "The number of atom lines does not fit, or the file was edited: write it again");
            const std::string_view item = trim(line.substr(5));
            if (item == "TIMESTEP") {
                std::int64_t step = 0;
                if (!to_integer(trim(need_line()), step))
                    input_.fail("the step is no integer", "after ITEM: TIMESTEP", "Write the file again");
                stamp.step = step;
            } else if (item == "NUMBER OF ATOMS") {
                read_count(trim(need_line()));
                have_count = true;
            } else if (item.starts_with("BOX BOUNDS")) {
                read_box(item.substr(10));
                have_box = true;
            } else if (item == "TIME") {
                double value = 0;
                if (!to_real(trim(need_line()), value))
                    input_.fail("the time is no number", "after ITEM: TIME", "Write the file again");
                time = value;
            } else if (item == "UNITS") {
                read_units(trim(need_line()));
            } else if (item.starts_with("ATOMS")) {
                if (!have_count || !have_box)
                    input_.fail("the frame has no number of atoms or no box", "before ITEM: ATOMS",
                                "Write the file again");
                use_columns(item.substr(5));
                break;
            } else {
                // An item this reader does not need: its lines go up to the next item.
                line = need_line();
                while (!line.starts_with("ITEM:")) line = need_line();
                continue;
            }
            line = need_line();
        }
        if (time) {
            stamp.time = *time * time_unit_;
            time_without_units_ = time_without_units_ || !have_units_;
        }
        return true;
    }

    void read_count(std::string_view text) {
        std::int64_t n = 0;
        if (!to_integer(text, n) || n < 1)
            input_.fail("the number of atoms is expected here", fmt::format("found '{}'", text.substr(0, 40)),
                        "Write the file again");
        if (n_atoms_ != 0 && static_cast<std::size_t>(n) != n_atoms_)
            input_.fail(fmt::format("the number of atoms changes from {} to {}", n_atoms_, n),
                        "it must stay the same",
                        "Dump a group of fixed atoms, or split the file where it changes");
        input_.check_count(n);
        n_atoms_ = static_cast<std::size_t>(n);
    }

    void read_units(std::string_view name) {
        const auto* const found = std::find_if(std::begin(unit_styles), std::end(unit_styles),
                                               [&](const auto& u) { return u.name == name; });
        if (found == std::end(unit_styles))
            throw InputError(
                fmt::format("{}:{}: LAMMPS units '{}' have no length in angstrom (reduced or unknown units). "
                            "Convert the file to metal units",
                            input_.path(), input_.line_number(), name));
        length_unit_ = found->length;
        time_unit_ = found->time;
        have_units_ = true;
    }

    void read_numbers(std::size_t n, std::array<std::array<double, 4>, 3>& rows) {
        for (auto& row : rows) {
            std::string_view line = need_line();
            for (std::size_t i = 0; i < n; ++i)
                if (!to_real(next_word(line), row[i]))
                    input_.fail(fmt::format("a box line needs {} numbers", n), "after ITEM: BOX BOUNDS",
                                "Write the file again");
        }
    }

    void read_box(std::string_view kind) {
        std::vector<std::string_view> words;
        while (!trim(kind).empty()) words.push_back(next_word(kind));
        const bool general = words.size() >= 2 && words[0] == "abc" && words[1] == "origin";
        const bool tilted = words.size() >= 3 && words[0] == "xy" && words[1] == "xz" && words[2] == "yz";
        for (const auto word : words)
            if (word.size() == 2 && word.find_first_not_of("pfsm") == std::string_view::npos && word != "pp")
                not_periodic_ = true;

        std::array<std::array<double, 4>, 3> b{};
        read_numbers(general ? 4 : tilted ? 3 : 2, b);
        if (b == box_ && frames_ > 0) return;
        box_ = b;
        Mat3 rows = Mat3::Zero();
        if (general) {
            for (int i = 0; i < 3; ++i) {
                for (int k = 0; k < 3; ++k)
                    rows(i, k) = b[static_cast<std::size_t>(i)][static_cast<std::size_t>(k)];
                origin_[i] = b[static_cast<std::size_t>(i)][3];
            }
        } else {
            // The header holds the bounding box of a tilted cell: take the tilts off again.
            const double xy = tilted ? b[0][2] : 0, xz = tilted ? b[1][2] : 0, yz = tilted ? b[2][2] : 0;
            const double xlo = b[0][0] - std::min({0.0, xy, xz, xy + xz});
            const double xhi = b[0][1] - std::max({0.0, xy, xz, xy + xz});
            const double ylo = b[1][0] - std::min(0.0, yz), yhi = b[1][1] - std::max(0.0, yz);
            rows << xhi - xlo, 0, 0, xy, yhi - ylo, 0, xz, yz, b[2][1] - b[2][0];
            origin_ = Vec3(xlo, ylo, b[2][0]);
        }
        rows *= length_unit_;
        origin_ *= length_unit_;
        try {
            cell_ = Cell(rows);
        } catch (const DataError&) {
            input_.fail("the box has no volume", "its vectors lie in a plane", "Write the file again");
        }
    }

    void use_columns(std::string_view names) {
        if (names == column_names_ && frames_ > 0) return;
        column_names_ = names;
        std::vector<std::string_view> words;
        std::string_view rest = column_names_;
        while (!trim(rest).empty()) words.push_back(next_word(rest));
        const auto has = [&](std::string_view name) {
            return std::find(words.begin(), words.end(), name) != words.end();
        };

        // Unwrapped coordinates are the safest; then those of full precision.
        static constexpr std::array<std::array<std::string_view, 3>, 4> choices{
            {{"xu", "yu", "zu"}, {"xsu", "ysu", "zsu"}, {"x", "y", "z"}, {"xs", "ys", "zs"}}};
        const auto* const choice = std::find_if(choices.begin(), choices.end(), [&](const auto& c) {
            return has(c[0]) && has(c[1]) && has(c[2]);
        });
        if (choice == choices.end())
            input_.fail("the dump has no coordinates", fmt::format("its columns are:{}", std::string(names)),
                        "Dump x y z, xs ys zs, xu yu zu or xsu ysu zsu");
        coordinates_ = (*choice)[0].starts_with("xs") ? Coordinates::scaled : Coordinates::plain;
        const bool unwrapped = (*choice)[0].ends_with('u');
        has_images_ = !unwrapped && has("ix") && has("iy") && has("iz");
        has_ids_ = has("id");
        // `element` is "C" for all types unless the run named them: a map of the user knows better.
        by_element_ = has("element") && !(has("type") && !options_.type_map.empty());
        if (!by_element_ && !has("type"))
            input_.fail("the dump does not say what the atoms are",
                        fmt::format("its columns are:{}", std::string(names)), "Dump `type` or `element`");

        plan_ = {};
        for (const auto word : words) {
            Column column = Column::skip;
            if (word == (*choice)[0])
                column = Column::x;
            else if (word == (*choice)[1])
                column = Column::y;
            else if (word == (*choice)[2])
                column = Column::z;
            else if (word == "id")
                column = Column::id;
            else if (word == "element" && by_element_)
                column = Column::species;
            else if (word == "type" && !by_element_)
                column = Column::type;
            else if (has_images_ && word == "ix")
                column = Column::ix;
            else if (has_images_ && word == "iy")
                column = Column::iy;
            else if (has_images_ && word == "iz")
                column = Column::iz;
            plan_.columns.push_back(column);
        }
        const Wrapping wrapping = unwrapped     ? Wrapping::unwrapped
                                  : has_images_ ? Wrapping::image_flags
                                                : Wrapping::wrapped;
        if (frames_ == 0)
            header_.wrapping = wrapping;
        else if (wrapping != first_wrapping_)
            input_.fail("the columns change", "coordinates of another kind than in the first frame",
                        "Split the file where they change");
        first_wrapping_ = wrapping;
    }

    Vec3 position_of(const AtomRow& row) const {
        const Vec3 r(row.r[0], row.r[1], row.r[2]);
        return coordinates_ == Coordinates::scaled ? cell_.to_cartesian(r) : Vec3(length_unit_ * r - origin_);
    }

    void read_atoms(Frame& frame) {
        frame.cell = cell_;
        frame.positions.resize(n_atoms_);
        if (has_images_)
            frame.images.resize(n_atoms_);
        else
            frame.images.clear();
        if (frames_ == 0)
            read_first(frame);
        else
            read_later(frame);
    }

    struct Stored {
        AtomRow row;
        std::string label;
    };

    void read_first(Frame& frame) {
        std::vector<Stored> atoms(n_atoms_);
        std::vector<std::int64_t> ids(n_atoms_);
        std::set<std::int64_t> types;
        for (std::size_t i = 0; i < n_atoms_; ++i) {
            AtomRow& row = atoms[i].row;
            read_row(input_, plan_, row, i, n_atoms_);
            atoms[i].label = row.species;
            ids[i] = has_ids_ ? row.id : static_cast<std::int64_t>(i);
            types.insert(row.type);
        }
        if (!order_.start(ids))
            input_.fail(fmt::format("atom id {} comes twice", order_.repeated()), "ids must differ",
                        "Write the file again");
        header_.species.resize(n_atoms_);
        types_.resize(n_atoms_);
        labels_.resize(n_atoms_);
        for (std::size_t i = 0; i < n_atoms_; ++i) {
            const auto at = static_cast<std::size_t>(order_.place(ids[i]));
            const AtomRow& row = atoms[i].row;
            labels_[at] = atoms[i].label;
            types_[at] = row.type;
            header_.species[at] = by_element_
                                      ? species_name(atoms[i].label)
                                      : element_of_type(row.type, fmt::format("{}", fmt::join(types, ", ")));
            store(frame, at, row);
        }
    }

    void read_later(Frame& frame) {
        order_.next_frame();
        AtomRow row;
        for (std::size_t i = 0; i < n_atoms_; ++i) {
            read_row(input_, plan_, row, i, n_atoms_);
            const std::ptrdiff_t place = order_.place(has_ids_ ? row.id : static_cast<std::int64_t>(i));
            if (place < 0)
                input_.fail(place == -1 ? fmt::format("atom id {} was not in the first frame", row.id)
                                        : fmt::format("atom id {} comes twice in the frame", row.id),
                            "the atoms must stay the same", "Dump a group of fixed atoms");
            const auto at = static_cast<std::size_t>(place);
            if (by_element_ ? row.species != labels_[at] : row.type != types_[at])
                input_.fail(
                    fmt::format("atom id {} changes its {}", row.id, by_element_ ? "element" : "type"),
                    "it must stay the same", "Split the file where it changes");
            store(frame, at, row);
        }
    }

    void store(Frame& frame, std::size_t at, const AtomRow& row) const {
        frame.positions[at] = position_of(row);
        if (has_images_)
            frame.images[at] = IVec3(static_cast<int>(row.image[0]), static_cast<int>(row.image[1]),
                                     static_cast<int>(row.image[2]));
    }

    TextInput input_;
    ColumnPlan plan_;
    IdOrder order_;
    std::string column_names_;
    Coordinates coordinates_ = Coordinates::plain;
    Wrapping first_wrapping_ = Wrapping::unknown;
    bool has_images_ = false, has_ids_ = false, by_element_ = false;
    bool have_units_ = false, time_without_units_ = false, not_periodic_ = false;
    double length_unit_ = 1, time_unit_ = 1;
    std::array<std::array<double, 4>, 3> box_{};
    Cell cell_;
    Vec3 origin_ = Vec3::Zero();
    std::vector<std::int64_t> types_;
    std::vector<std::string> labels_;
    std::size_t n_atoms_ = 0;
    std::int64_t frames_ = 0;
};

} // namespace

std::unique_ptr<FileFrameSource> open_lammps_dump(const std::string& path,
                                                  const TrajectoryFileOptions& options) {
    return std::make_unique<LammpsDumpSource>(path, options);
}

} // namespace mesolith
