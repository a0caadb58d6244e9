#include "mesolith/io/vtkhdf.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include <fmt/format.h>

#include "mesolith/core/error.hpp"
#include "mesolith/core/version.hpp"
#include "mesolith/io/hdf5.hpp"

namespace mesolith {

namespace {

[[noreturn]] void refuse(const std::string& path, const std::string& problem, const std::string& reason,
                         const char* advice) {
    throw DataError(fmt::format("{}: {} ({}). {}", path, problem, reason, advice));
}

bool is_legal_name(const std::string& name) {
    const auto legal = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
               c == '-' || c == '.' || c == '+';
    };
    return !name.empty() && name != "." && name != ".." && std::all_of(name.begin(), name.end(), legal);
}

/// Bricks of at most 64 points a side: 1 MiB of float32.
Hdf5Shape brick(const Hdf5Shape& shape) {
    Hdf5Shape chunk = shape;
    for (std::size_t axis = 0; axis < 3; ++axis) chunk[axis] = std::min<std::uint64_t>(shape[axis], 64);
    return chunk;
}

template <class To, class From>
void write_field(Hdf5Group& group, const GridField& field, std::span<const From> values, Hdf5Shape shape,
                 int compression) {
    if (field.components > 1) shape.push_back(field.components);
    const Hdf5WriteOptions how{
        .units = field.units, .description = {}, .compression = compression, .chunk = brick(shape)};
    if constexpr (std::same_as<To, From>)
        group.write(field.name, values, shape, how);
    else
        group.write(field.name, std::vector<To>(values.begin(), values.end()), shape, how);
}

} // namespace

bool FieldGrid::is_aligned() const { return step.isDiagonal(0) && step.diagonal().minCoeff() > 0; }

void check_snapshot(const std::string& path, const FieldSnapshot& snapshot) {
    const FieldGrid& grid = snapshot.grid;
    std::uint64_t size = 1;
    for (const std::uint64_t n : grid.points)
        if (n == 0 || n >= (std::uint64_t{1} << 31) || (size *= n) >= (std::uint64_t{1} << 48))
            refuse(path, "the grid cannot be written",
                   fmt::format("{} x {} x {} points", grid.points[0], grid.points[1], grid.points[2]),
                   "Give 1 to 2^31 - 1 points along each axis");
    try {
        (void)Cell(grid.step);
    } catch (const DataError& error) {
        refuse(path, "the grid cannot be written", error.what(), "Correct its steps");
    }
    if (!grid.origin.allFinite())
        refuse(path, "the grid cannot be written", "its origin is not finite", "Correct it");
    if (snapshot.fields.empty())
        refuse(path, "nothing to write", "the snapshot has no fields", "Give one at least");
    std::set<std::string> names;
    for (const GridField& field : snapshot.fields) {
        if (!is_legal_name(field.name) || !names.insert(field.name).second)
            refuse(path, fmt::format("a field cannot be named '{}'", field.name),
                   "names differ and are made of letters, digits and _-.+", "Choose another name");
        const std::size_t n = std::visit([](const auto& values) { return values.size(); }, field.values);
        if (field.components < 1 || field.components > 9 || n != size * field.components)
            refuse(path, fmt::format("field '{}' does not fill the grid", field.name),
                   fmt::format("{} values for {} points x {} components", n, size, field.components),
                   "This is a mistake of the caller");
    }
}

void write_vtkhdf(const std::string& path, const FieldSnapshot& snapshot, const FieldFileOptions& options) {
    check_snapshot(path, snapshot);
    const auto& n = snapshot.grid.points;
    Hdf5File file = Hdf5File::create(path);
    file.set_attribute("creator", "mesolith");
    file.set_attribute("version", version());
    file.set_attribute("step", snapshot.step);
    if (std::isfinite(snapshot.time)) file.set_attribute("time", snapshot.time);

    Hdf5Group root = file.create_group("VTKHDF");
    root.set_attribute("Version", std::vector<std::int64_t>{1, 0});
    root.set_fixed_attribute("Type", "ImageData"); // of variable length it is an error of the reader
    std::vector<std::int64_t> extent;
    for (const std::uint64_t points : n) {
        extent.push_back(0);
        extent.push_back(static_cast<std::int64_t>(points) - 1);
    }
    root.set_attribute("WholeExtent", extent);
    root.set_attribute("Origin", snapshot.grid.origin);
    const Vec3 spacing = snapshot.grid.step.rowwise().norm();
    root.set_attribute("Spacing", spacing);
    std::vector<double> direction(9);
    for (int axis = 0; axis < 3; ++axis)
        for (int x = 0; x < 3; ++x)
            direction[static_cast<std::size_t>(3 * x + axis)] = snapshot.grid.step(axis, x) / spacing[axis];
    root.set_attribute("Direction", direction);

    Hdf5Group data = root.create_group("PointData");
    const Hdf5Shape shape{n[2], n[1], n[0]};
    for (const GridField& field : snapshot.fields)
        std::visit(
            [&](const auto& values) {
                if (options.double_precision)
                    write_field<double>(data, field, values, shape, options.compression);
                else
                    write_field<float>(data, field, values, shape, options.compression);
            },
            field.values);
    file.commit();
}

} // namespace mesolith
