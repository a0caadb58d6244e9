#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "mesolith/core/error.hpp"
#include "mesolith/core/version.hpp"
#include "mesolith/io/h5md.hpp"
#include "mesolith/io/hdf5.hpp"

namespace mesolith {

namespace {
constexpr std::uint64_t frame_chunk_bytes = 256u << 10;
constexpr std::uint64_t small_chunk_items = 1024; // of steps, times and cells
} // namespace

struct H5mdWriter::State {
    State(Hdf5File opened, std::vector<std::string> names, const H5mdOptions& given)
        : file(std::move(opened)), species(std::move(names)), options(given) {}

    Hdf5File file;
    std::vector<std::string> species;
    H5mdOptions options;
    std::optional<Hdf5Dataset> position, image, step, time, edges;
    std::vector<Hdf5Dataset> integers;
    std::uint64_t n_frames = 0;
    bool in_place = false, closed = false;

    std::string base() const { return "particles/" + options.group + "/"; }

    std::uint64_t chunk_frames() const {
        if (options.chunk_frames > 0) return options.chunk_frames;
        const std::uint64_t frame = species.size() * 3 * (options.single_precision ? 4 : 8);
        return std::clamp<std::uint64_t>(frame_chunk_bytes / std::max<std::uint64_t>(frame, 1), 1, 1024);
    }

    void begin() {
        Hdf5Group root = file.create_group("h5md");
        root.set_attribute("version", std::vector<std::int32_t>{1, 1});
        root.create_group("author").set_attribute("name", options.author);
        Hdf5Group creator = root.create_group("creator");
        creator.set_attribute("name", "mesolith");
        creator.set_attribute("version", version());

        Hdf5Group group = file.create_group(base() + "position");
        Hdf5Group box = file.create_group(base() + "box");
        box.set_attribute("dimension", 3);
        std::vector<std::string> boundary;
        for (const bool periodic : options.periodic) boundary.emplace_back(periodic ? "periodic" : "none");
        box.set_attribute("boundary", boundary);
        file.write_strings(base() + "species", species);
        if (!options.ids.empty()) {
            if (options.ids.size() != species.size())
                throw DataError(fmt::format("{}: {} ids do not fit {} particles. Give one for each",
                                            file.file_name(), options.ids.size(), species.size()));
            file.write(base() + "id", options.ids);
        }

        const Hdf5WriteOptions packed{
            .units = {}, .description = {}, .compression = options.compression, .chunk = {}};
        const Hdf5Shape item{species.size(), 3};
        position.emplace(options.single_precision
                             ? group.create_appendable<float>("value", item, chunk_frames(), packed)
                             : group.create_appendable<double>("value", item, chunk_frames(), packed));
        position->set_attribute("unit", "Angstrom");
        if (options.unwrapped) group.set_attribute("unwrapped", 1);
        step.emplace(group.create_appendable<std::int64_t>("step", {}, small_chunk_items, packed));
        time.emplace(group.create_appendable<double>("time", {}, small_chunk_items, packed));
        time->set_attribute("unit", "ps");

        Hdf5Group edge_group = box.create_group("edges");
        edges.emplace(edge_group.create_appendable<double>("value", {3, 3}, small_chunk_items, packed));
        edges->set_attribute("unit", "Angstrom");
        // Positions and box share their clock, as H5MD recommends.
        file.link(base() + "position/step", base() + "box/edges/step");
        file.link(base() + "position/time", base() + "box/edges/time");
        for (const std::string& name : options.integers) {
            const std::uint64_t frames = std::min<std::uint64_t>(3 * chunk_frames(), small_chunk_items);
            integers.push_back(
                file.create_group(base() + name)
                    .create_appendable<std::int32_t>("value", {species.size()}, frames, packed));
            file.link(base() + "position/step", base() + name + "/step");
            file.link(base() + "position/time", base() + name + "/time");
        }
    }

    void begin_images() {
        Hdf5Group group = file.create_group(base() + "image");
        image.emplace(group.create_appendable<std::int32_t>(
            "value", {species.size(), 3}, chunk_frames(),
            {.units = {}, .description = {}, .compression = options.compression, .chunk = {}}));
        file.link(base() + "position/step", base() + "image/step");
        file.link(base() + "position/time", base() + "image/time");
    }

    /// The datasets of a file with n frames at least.
    void find_datasets(std::uint64_t n) {
        if (file.read_strings(base() + "species") != species)
            throw FileError(fmt::format(
                "{}: holds other atoms than the run (species differ). Continue the run that wrote it",
                file.file_name()));
        const auto ids = file.has_dataset(base() + "id") ? file.read<std::int64_t>(base() + "id")
                                                         : std::vector<std::int64_t>();
        if (ids != options.ids)
            throw FileError(fmt::format(
                "{}: holds other particles than the run (ids differ). Continue the run that wrote it",
                file.file_name()));
        for (const std::string& name : options.integers)
            integers.push_back(file.dataset(base() + name + "/value"));
        position.emplace(file.dataset(base() + "position/value"));
        step.emplace(file.dataset(base() + "position/step"));
        time.emplace(file.dataset(base() + "position/time"));
        edges.emplace(file.dataset(base() + "box/edges/value"));
        if (file.has_dataset(base() + "image/value")) image.emplace(file.dataset(base() + "image/value"));
        n_frames = std::numeric_limits<std::uint64_t>::max();
        for_datasets([&](Hdf5Dataset& data) { n_frames = std::min(n_frames, data.rows()); });
        if (n_frames < n)
            throw FileError(
                fmt::format("{}: has {} frames ({} are needed to go on). Continue from an earlier "
                            "point",
                            file.file_name(), n_frames, n));
    }

    /// Positions last: there are never fewer times, cells and integers than frames, whenever we are killed.
    void flush() {
        for_datasets([&](Hdf5Dataset& data) {
            if (&data != &*position) data.flush();
        });
        position->flush();
        file.flush();
    }

    template <class F>
    void for_datasets(F&& use) {
        for (auto* data : {&position, &step, &time, &edges, &image})
            if (*data) use(**data);
        for (Hdf5Dataset& data : integers) use(data);
    }

    bool is_longer_than(std::uint64_t n) {
        bool longer = false;
        for_datasets([&](Hdf5Dataset& data) { longer = longer || data.rows() > n; });
        return longer;
    }

    /// The first n frames of `old`, whose datasets are in the order of ours.
    void copy(State& old, std::uint64_t n) {
        std::vector<Hdf5Dataset*> from;
        old.for_datasets([&](Hdf5Dataset& data) { from.push_back(&data); });
        std::size_t k = 0;
        for_datasets([&](Hdf5Dataset& to) {
            Hdf5Dataset& source = *from[k++];
            if (source.kind() == Hdf5Kind::integer)
                copy_rows<std::int64_t>(source, to, n);
            else
                copy_rows<double>(source, to, n);
        });
        n_frames = n;
    }

    template <class T>
    static void copy_rows(const Hdf5Dataset& from, Hdf5Dataset& to, std::uint64_t n) {
        const std::uint64_t width = from.row_size();
        const std::uint64_t most = std::max<std::uint64_t>((4u << 20) / (width * sizeof(T)), 1);
        std::vector<T> block;
        for (std::uint64_t at = 0; at < n; at += most) {
            const std::uint64_t rows = std::min(most, n - at);
            block.resize(rows * width);
            from.read_rows(at, rows, std::span<T>(block));
            to.append(std::span<const T>(block));
        }
    }

    void append(const Frame& frame, std::int64_t at_step,
                std::span<const std::span<const std::int32_t>> values) {
        const std::size_t n = species.size();
        if (values.size() != integers.size() ||
            std::any_of(values.begin(), values.end(), [n](const auto& v) { return v.size() != n; }))
            throw DataError(
                fmt::format("{}: frame {} does not have {} integers for each of {} particles. This "
                            "is a mistake of the caller",
                            file.file_name(), n_frames, integers.size(), n));
        if (frame.positions.size() != n)
            throw DataError(
                fmt::format("{}: a frame of {} atoms does not fit a trajectory of {}. Write another file",
                            file.file_name(), frame.positions.size(), n));
        if (!std::isfinite(frame.time))
            throw DataError(
                fmt::format("{}: frame {} has no time. Give the frame interval", file.file_name(), n_frames));
        if (n_frames == 0 && !frame.images.empty() && !image) begin_images();
        if (in_place && n_frames == 0) file.only_append(); // now that all its datasets are there
        if (frame.images.size() != (image ? n : 0))
            throw DataError(fmt::format(
                "{}: frame {} has {} image flags. Write them for every atom of every frame or for none",
                file.file_name(), n_frames, frame.images.size()));
        const double* r = n > 0 ? frame.positions.front().data() : nullptr;
        position->append(std::span<const double>(r, 3 * n));
        if (image) image->append(std::span<const int>(n > 0 ? frame.images.front().data() : nullptr, 3 * n));
        const Eigen::Matrix<double, 3, 3, Eigen::RowMajor> rows = frame.cell.vectors();
        edges->append(std::span<const double>(rows.data(), 9));
        for (std::size_t k = 0; k < values.size(); ++k) integers[k].append(values[k]);
        time->append(std::span<const double>(&frame.time, 1));
        step->append(std::span<const std::int64_t>(&at_step, 1));
        ++n_frames;
    }
};

H5mdWriter::H5mdWriter(std::unique_ptr<State> state) : state_(std::move(state)) {}
H5mdWriter::~H5mdWriter() = default;
H5mdWriter::H5mdWriter(H5mdWriter&&) noexcept = default;

H5mdWriter::H5mdWriter(const std::string& path, const std::vector<std::string>& species,
                       const H5mdOptions& options)
    : state_(std::make_unique<State>(Hdf5File::create(path), species, options)) {
    state_->begin();
}

H5mdWriter H5mdWriter::in_place(const std::string& path, const std::vector<std::string>& species,
                                const H5mdOptions& options) {
    auto state = std::make_unique<State>(Hdf5File::create_in_place(path), species, options);
    state->in_place = true;
    state->begin();
    return H5mdWriter(std::move(state));
}

H5mdWriter H5mdWriter::resume(const std::string& path, const std::vector<std::string>& species,
                              std::uint64_t n_frames, const H5mdOptions& options) {
    if (n_frames == 0) return in_place(path, species, options);
    {
        State old(Hdf5File::open(path), species, options);
        old.find_datasets(n_frames);
        // A file cannot lose frames safely: a kill in the middle would damage it. A new one replaces it.
        if (old.is_longer_than(n_frames)) {
            State kept(Hdf5File::create_appendable_file(path), species, options);
            kept.begin();
            if (old.image) kept.begin_images();
            kept.copy(old, n_frames);
            kept.file.commit();
        }
    }
    auto state = std::make_unique<State>(Hdf5File::append_to(path), species, options);
    state->find_datasets(n_frames);
    return H5mdWriter(std::move(state));
}

void H5mdWriter::append(const Frame& frame, std::int64_t step,
                        std::span<const std::span<const std::int32_t>> integers) {
    state_->append(frame, step, integers);
}
void H5mdWriter::flush() { state_->flush(); }

void H5mdWriter::close() {
    if (std::exchange(state_->closed, true)) return;
    state_->file.commit();
}

void write_h5md(const std::string& path, const std::vector<std::string>& species,
                const std::vector<Frame>& frames, const H5mdOptions& options) {
    H5mdWriter writer(path, species, options);
    for (const Frame& frame : frames) writer.append(frame);
    writer.close();
}

} // namespace mesolith
