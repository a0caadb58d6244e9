#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "mesolith/core/error.hpp"
#include "mesolith/core/version.hpp"
#include "mesolith/io/h5md.hpp"
#include "mesolith/io/hdf5.hpp"

namespace mesolith {

namespace {
constexpr std::uint64_t chunk_bytes = 256u << 10;
constexpr std::uint64_t small_chunk_items = 1024; // of steps, times and cells
} // namespace

struct H5mdWriter::State {
    State(Hdf5File opened, std::vector<std::string> names, const H5mdOptions& given)
        : file(std::move(opened)), species(std::move(names)), options(given) {}

    Hdf5File file;
    std::vector<std::string> species;
    H5mdOptions options;
    std::optional<Hdf5Dataset> position, image, step, time, edges;
    std::uint64_t n_frames = 0;
    bool closed = false;

    std::string base() const { return "particles/" + options.group + "/"; }

    std::uint64_t chunk_frames() const {
        if (options.chunk_frames > 0) return options.chunk_frames;
        const std::uint64_t frame = species.size() * 3 * (options.single_precision ? 4 : 8);
        return std::clamp<std::uint64_t>(chunk_bytes / std::max<std::uint64_t>(frame, 1), 1, 1024);
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
        box.set_attribute("boundary", std::vector<std::string>{"periodic", "periodic", "periodic"});
        file.write_strings(base() + "species", species);

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
    }

    void begin_images() {
        Hdf5Group group = file.create_group(base() + "image");
        image.emplace(group.create_appendable<std::int32_t>(
            "value", {species.size(), 3}, chunk_frames(),
            {.units = {}, .description = {}, .compression = options.compression, .chunk = {}}));
        file.link(base() + "position/step", base() + "image/step");
        file.link(base() + "position/time", base() + "image/time");
    }

    void continue_after(std::uint64_t frames) {
        if (file.read_strings(base() + "species") != species)
            throw FileError(fmt::format(
                "{}: holds other atoms than the run (species differ). Continue the run that wrote it",
                file.file_name()));
        position.emplace(file.dataset(base() + "position/value"));
        step.emplace(file.dataset(base() + "position/step"));
        time.emplace(file.dataset(base() + "position/time"));
        edges.emplace(file.dataset(base() + "box/edges/value"));
        if (file.has_dataset(base() + "image/value")) image.emplace(file.dataset(base() + "image/value"));
        for (auto* data : {&position, &step, &time, &edges, &image})
            if (*data) (*data)->truncate_rows(frames);
        n_frames = frames;
    }

    void append(const Frame& frame, std::int64_t at_step) {
        const std::size_t n = species.size();
        if (frame.positions.size() != n)
            throw DataError(
                fmt::format("{}: a frame of {} atoms does not fit a trajectory of {}. Write another file",
                            file.file_name(), frame.positions.size(), n));
        if (!std::isfinite(frame.time))
            throw DataError(
                fmt::format("{}: frame {} has no time. Give the frame interval", file.file_name(), n_frames));
        if (n_frames == 0 && !frame.images.empty() && !image) begin_images();
        if (frame.images.size() != (image ? n : 0))
            throw DataError(fmt::format(
                "{}: frame {} has {} image flags. Write them for every atom of every frame or for none",
                file.file_name(), n_frames, frame.images.size()));
        const double* r = n > 0 ? frame.positions.front().data() : nullptr;
        position->append(std::span<const double>(r, 3 * n));
        if (image) image->append(std::span<const int>(n > 0 ? frame.images.front().data() : nullptr, 3 * n));
        const Eigen::Matrix<double, 3, 3, Eigen::RowMajor> rows = frame.cell.vectors();
        edges->append(std::span<const double>(rows.data(), 9));
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
    state->begin();
    return H5mdWriter(std::move(state));
}

H5mdWriter H5mdWriter::resume(const std::string& path, const std::vector<std::string>& species,
                              std::uint64_t n_frames, const H5mdOptions& options) {
    auto state = std::make_unique<State>(Hdf5File::modify(path), species, options);
    state->continue_after(n_frames);
    return H5mdWriter(std::move(state));
}

void H5mdWriter::append(const Frame& frame, std::int64_t step) { state_->append(frame, step); }
void H5mdWriter::flush() { state_->file.flush(); }

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
