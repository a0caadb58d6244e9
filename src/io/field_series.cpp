#include "mesolith/io/field_series.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "mesolith/core/error.hpp"
#include "mesolith/io/file.hpp"

#include "text_input.hpp"

namespace mesolith {

namespace {

constexpr std::size_t block_values = 64u << 10;

template <class T>
std::string_view bytes_of(const T* values, std::size_t n) {
    return {reinterpret_cast<const char*>(values), n * sizeof(T)};
}

/// Values behind the header: their number of bytes, then the values as To.
template <class To, class From>
void write_values(TextFileWriter& file, std::span<const From> values) {
    const std::uint64_t size = values.size() * sizeof(To);
    file.write(bytes_of(&size, 1));
    std::vector<To> block;
    for (std::size_t begin = 0; begin < values.size(); begin += block_values) {
        const auto part = values.subspan(begin, std::min(block_values, values.size() - begin));
        if constexpr (std::same_as<To, From>)
            file.write(bytes_of(part.data(), part.size()));
        else {
            block.assign(part.begin(), part.end());
            file.write(bytes_of(block.data(), block.size()));
        }
    }
}

void write_points(TextFileWriter& file, const FieldGrid& grid) {
    const std::uint64_t size = grid.size() * 3 * sizeof(float);
    file.write(bytes_of(&size, 1));
    std::vector<float> row(3 * grid.points[0]);
    for (std::uint64_t k = 0; k < grid.points[2]; ++k)
        for (std::uint64_t j = 0; j < grid.points[1]; ++j) {
            for (std::uint64_t i = 0; i < grid.points[0]; ++i) {
                const Vec3 index(static_cast<double>(i), static_cast<double>(j), static_cast<double>(k));
                const Vec3 r = grid.origin + grid.step.transpose() * index;
                for (int x = 0; x < 3; ++x)
                    row[3 * i + static_cast<std::size_t>(x)] = static_cast<float>(r[x]);
            }
            file.write(bytes_of(row.data(), row.size()));
        }
}

std::string three(const Vec3& v) { return fmt::format("{} {} {}", v[0], v[1], v[2]); }

std::string xml_begin(const char* type) {
    return fmt::format("<?xml version=\"1.0\"?>\n<VTKFile type=\"{}\" version=\"1.0\" byte_order=\"{}\" "
                       "header_type=\"UInt64\">\n",
                       type, std::endian::native == std::endian::little ? "LittleEndian" : "BigEndian");
}

constexpr std::string_view entry_begin = "  <DataSet timestep=\"", entry_middle = "\" part=\"0\" file=\"",
                           entry_end = "\"/>";

std::string base_of(const std::string& path) { return path.substr(0, path.size() - 4); }

std::string file_name(const std::string& path) {
    const auto slash = path.rfind('/');
    return slash == std::string::npos ? path : path.substr(slash + 1);
}

void require_pvd(const std::string& path) {
    const std::string name = file_name(path);
    if (name.size() < 5 || !name.ends_with(".pvd"))
        throw InputError(fmt::format(
            "{}: is no name for a series of fields (it has to end in .pvd). Choose another name", path));
    if (name.find_first_of("<>&\"") != std::string::npos)
        throw InputError(fmt::format(
            "{}: is no name for a series of fields (it holds one of <>&\"). Choose another name", path));
}

} // namespace

std::string vtk_xml_suffix(const FieldGrid& grid) { return grid.is_aligned() ? ".vti" : ".vts"; }

void write_vtk_xml(const std::string& path, const FieldSnapshot& snapshot, const FieldFileOptions& options) {
    check_snapshot(path, snapshot);
    const FieldGrid& grid = snapshot.grid;
    const bool image = grid.is_aligned();
    const char* type = image ? "ImageData" : "StructuredGrid";
    const std::string extent =
        fmt::format("0 {} 0 {} 0 {}", grid.points[0] - 1, grid.points[1] - 1, grid.points[2] - 1);
    std::string header = xml_begin(type);
    header += fmt::format("<{} WholeExtent=\"{}\"", type, extent);
    if (image)
        header +=
            fmt::format(" Origin=\"{}\" Spacing=\"{}\"", three(grid.origin), three(grid.step.diagonal()));
    header += ">\n";
    if (std::isfinite(snapshot.time))
        header += fmt::format("<FieldData><DataArray type=\"Float64\" Name=\"TimeValue\" "
                              "NumberOfTuples=\"1\" format=\"ascii\">{}</DataArray></FieldData>\n",
                              snapshot.time);
    header += fmt::format("<Piece Extent=\"{}\">\n<PointData Scalars=\"{}\">\n", extent,
                          snapshot.fields.front().name);
    std::uint64_t offset = 0;
    const std::uint64_t width = options.double_precision ? 8 : 4;
    for (const GridField& field : snapshot.fields) {
        header += fmt::format("<DataArray type=\"Float{}\" Name=\"{}\" NumberOfComponents=\"{}\" "
                              "format=\"appended\" offset=\"{}\"/>\n",
                              8 * width, field.name, field.components, offset);
        offset += 8 + grid.size() * field.components * width;
    }
    header += "</PointData>\n<CellData/>\n";
    if (!image)
        header += fmt::format("<Points><DataArray type=\"Float32\" Name=\"Points\" NumberOfComponents=\"3\" "
                              "format=\"appended\" offset=\"{}\"/></Points>\n",
                              offset);
    header += fmt::format("</Piece>\n</{}>\n<AppendedData encoding=\"raw\">\n_", type);

    TextFileWriter file(path);
    file.write(header);
    for (const GridField& field : snapshot.fields)
        std::visit(
            [&](const auto& values) {
                if (options.double_precision)
                    write_values<double>(file, values);
                else
                    write_values<float>(file, values);
            },
            field.values);
    if (!image) write_points(file, grid);
    file.write("\n</AppendedData>\n</VTKFile>\n");
    file.commit();
}

FieldSeries::FieldSeries(std::string path, const FieldFileOptions& options, std::vector<Entry> entries)
    : path_(std::move(path)), options_(options), entries_(std::move(entries)) {
    write_collection();
}

FieldSeries::FieldSeries(std::string path, const FieldFileOptions& options)
    : path_(std::move(path)), options_(options) {
    require_pvd(path_);
    write_collection();
}

FieldSeries FieldSeries::resume(std::string path, std::size_t n, const FieldFileOptions& options) {
    require_pvd(path);
    const std::string text = read_text_file(path);
    std::vector<Entry> entries;
    std::string_view rest = text;
    while (entries.size() < n && !rest.empty()) {
        const auto stop = std::min(rest.find('\n'), rest.size());
        std::string_view line = rest.substr(0, stop);
        rest.remove_prefix(std::min(stop + 1, rest.size()));
        if (!line.starts_with(entry_begin) || !line.ends_with(entry_end)) continue;
        line = line.substr(entry_begin.size(), line.size() - entry_begin.size() - entry_end.size());
        const auto middle = line.find(entry_middle);
        Entry entry;
        if (middle == std::string_view::npos || !to_real(line.substr(0, middle), entry.time))
            throw FileError(fmt::format(
                "{}: cannot be continued (an entry is not as mesolith writes it). Start a new series", path));
        entry.file = line.substr(middle + entry_middle.size());
        entries.push_back(std::move(entry));
    }
    if (entries.size() < n)
        throw FileError(fmt::format("{}: cannot be continued (it lists {} snapshots, {} are needed). "
                                    "Start a new series",
                                    path, entries.size(), n));
    return {std::move(path), options, std::move(entries)};
}

void FieldSeries::append(const FieldSnapshot& snapshot) {
    if (!std::isfinite(snapshot.time) || (!entries_.empty() && snapshot.time <= entries_.back().time))
        throw DataError(fmt::format("{}: snapshot {} is at {} ps (times must be finite and rise). Give "
                                    "each snapshot its time once",
                                    path_, entries_.size(), snapshot.time));
    const std::string suffix = fmt::format("_{:06}{}", entries_.size(), vtk_xml_suffix(snapshot.grid));
    write_vtk_xml(base_of(path_) + suffix, snapshot, options_);
    entries_.push_back({snapshot.time, file_name(base_of(path_)) + suffix});
    write_collection();
}

void FieldSeries::write_collection() const {
    std::string text = xml_begin("Collection") + "<Collection>\n";
    for (const Entry& entry : entries_)
        text += fmt::format("{}{}{}{}{}\n", entry_begin, entry.time, entry_middle, entry.file, entry_end);
    text += "</Collection>\n</VTKFile>\n";
    write_text_file(path_, text);
}

} // namespace mesolith
