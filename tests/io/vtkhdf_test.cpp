#include <cmath>
#include <cstring>
#include <filesystem>
#include <limits>
#include <numeric>

#include "mesolith/core/error.hpp"
#include "mesolith/io/field_series.hpp"
#include "mesolith/io/file.hpp"
#include "mesolith/io/hdf5.hpp"
#include "mesolith/io/vtkhdf.hpp"

#include "support/catch.hpp"
#include "support/temporary_folder.hpp"

using namespace mesolith;
using Catch::Matchers::Contains;
using mesolith::test::TemporaryFolder;

namespace {

FieldGrid small_grid(bool skewed) {
    FieldGrid grid;
    grid.points = {3, 4, 5};
    grid.origin = Vec3(0.5, -1, 2);
    grid.step << 2, 0, 0, 0, 3, 0, 0, 0, 4;
    if (skewed) grid.step << 2, 0, 0, 1, 3, 0, -0.5, 0.75, 4;
    return grid;
}

/// c(i, j, k) = i + 10 j + 100 k + 0.1 in the order of the header.
std::vector<double> digits() {
    std::vector<double> values;
    for (int k = 0; k < 5; ++k)
        for (int j = 0; j < 4; ++j)
            for (int i = 0; i < 3; ++i) values.push_back(i + 10 * j + 100 * k + 0.1);
    return values;
}

FieldSnapshot snapshot_of(const std::vector<double>& values, bool skewed = false) {
    FieldSnapshot snapshot;
    snapshot.grid = small_grid(skewed);
    snapshot.time = 2.5;
    snapshot.step = 10;
    snapshot.fields.push_back({"occupation", std::span<const double>(values), "1", 1});
    return snapshot;
}

template <class T>
std::vector<T> appended(const std::string& text, std::size_t offset, std::size_t n) {
    const auto start = text.find("<AppendedData encoding=\"raw\">\n_") + 31 + offset;
    REQUIRE(start + 8 + n * sizeof(T) <= text.size());
    std::uint64_t bytes = 0;
    std::memcpy(&bytes, text.data() + start, 8);
    CHECK(bytes == n * sizeof(T));
    std::vector<T> values(n);
    std::memcpy(values.data(), text.data() + start + 8, n * sizeof(T));
    return values;
}

} // namespace

TEST_CASE("a field stands in a VTKHDF file with x fastest and its grid in attributes", "[io][fields]") {
    const TemporaryFolder folder;
    const std::string path = folder / "c.vtkhdf";
    const auto values = digits();
    const bool exact = GENERATE(false, true);
    FieldFileOptions options;
    options.double_precision = exact;
    FieldSnapshot snapshot = snapshot_of(values, true);
    std::vector<float> flux(180);
    std::iota(flux.begin(), flux.end(), 0.F);
    snapshot.fields.push_back({"flux", std::span<const float>(flux), "1/ps", 3});
    write_vtkhdf(path, snapshot, options);

    const Hdf5File file = Hdf5File::open(path);
    CHECK(file.attribute<double>("time") == 2.5);
    CHECK(file.attribute<int>("step") == 10);
    const Hdf5Group root = file.group("VTKHDF");
    CHECK(root.attribute_values<int>("Version") == std::vector<int>{1, 0});
    CHECK(root.string_attribute("Type") == "ImageData");
    CHECK(root.attribute_values<int>("WholeExtent") == std::vector<int>{0, 2, 0, 3, 0, 4});
    CHECK(root.attribute_values<double>("Origin") == std::vector<double>{0.5, -1, 2});
    // Direction times spacing are the steps, as columns.
    const auto direction = root.attribute_values<double>("Direction");
    const auto spacing = root.attribute_values<double>("Spacing");
    for (std::size_t axis = 0; axis < 3; ++axis)
        for (std::size_t x = 0; x < 3; ++x)
            CHECK(direction[3 * x + axis] * spacing[axis] ==
                  Approx(snapshot.grid.step(static_cast<int>(axis), static_cast<int>(x))).margin(1e-15));
    const Hdf5Dataset data = root.dataset("PointData/occupation");
    CHECK(data.shape() == Hdf5Shape{5, 4, 3});
    CHECK(data.string_attribute("units") == "1");
    const auto read = data.read<double>();
    CHECK(read[2 + 3 * 3 + 4 * 12] == (exact ? 432.1 : static_cast<double>(432.1F)));
    for (std::size_t k = 0; k < values.size(); ++k)
        CHECK(read[k] == (exact ? values[k] : static_cast<double>(static_cast<float>(values[k]))));
    CHECK(root.dataset("PointData/flux").shape() == Hdf5Shape{5, 4, 3, 3});
    CHECK(root.read<float>("PointData/flux") == flux);
}

TEST_CASE("a field larger than the bricks of its file comes back whole", "[io][fields]") {
    const TemporaryFolder folder;
    std::vector<float> values(70 * 65 * 3);
    for (std::size_t k = 0; k < values.size(); ++k) values[k] = static_cast<float>(k % 1013);
    FieldSnapshot snapshot;
    snapshot.grid.points = {70, 65, 3};
    snapshot.fields.push_back({"c", std::span<const float>(values), "", 1});
    write_vtkhdf(folder / "packed", snapshot);
    write_vtkhdf(folder / "plain", snapshot, {.double_precision = false, .compression = 0});
    for (const char* name : {"packed", "plain"}) {
        const Hdf5File file = Hdf5File::open(folder / name);
        CHECK(file.read<float>("VTKHDF/PointData/c") == values);
        CHECK_FALSE(file.has_attribute("time")); // none was given
    }
    CHECK(std::filesystem::file_size(folder / "packed") < std::filesystem::file_size(folder / "plain"));
}

TEST_CASE("an image holds the values raw at the offsets of its header", "[io][fields]") {
    const TemporaryFolder folder;
    const std::string path = folder / "c.vti";
    const auto values = digits();
    FieldSnapshot snapshot = snapshot_of(values);
    std::vector<float> second(60, 7);
    second[59] = -1;
    snapshot.fields.push_back({"second", std::span<const float>(second), "", 1});
    CHECK(vtk_xml_suffix(snapshot.grid) == ".vti");
    write_vtk_xml(path, snapshot, {.double_precision = true, .compression = 0});
    const std::string text = read_text_file(path);
    CHECK_THAT(text, Contains("<ImageData WholeExtent=\"0 2 0 3 0 4\" Origin=\"0.5 -1 2\" "
                              "Spacing=\"2 3 4\">"));
    CHECK_THAT(text, Contains("Name=\"second\" NumberOfComponents=\"1\" format=\"appended\" offset=\"488\""));
    CHECK_THAT(text, Contains("Name=\"TimeValue\" NumberOfTuples=\"1\" format=\"ascii\">2.5<"));
    CHECK(appended<double>(text, 0, 60) == values);
    CHECK(appended<double>(text, 488, 60) == std::vector<double>(second.begin(), second.end()));
}

TEST_CASE("a skewed grid is written with its points", "[io][fields]") {
    const TemporaryFolder folder;
    const std::string path = folder / "c.vts";
    const auto values = digits();
    const FieldSnapshot snapshot = snapshot_of(values, true);
    CHECK(vtk_xml_suffix(snapshot.grid) == ".vts");
    write_vtk_xml(path, snapshot);
    const std::string text = read_text_file(path);
    CHECK_THAT(text, Contains("<StructuredGrid WholeExtent=\"0 2 0 3 0 4\">"));
    CHECK(appended<float>(text, 0, 60) == std::vector<float>(values.begin(), values.end()));
    const auto points = appended<float>(text, 248, 180);
    // Point (1, 2, 3) by hand: (0.5, -1, 2) + (2, 0, 0) + 2 (1, 3, 0) + 3 (-0.5, 0.75, 4).
    const std::size_t at = 3 * (1 + 3 * 2 + 12 * 3);
    CHECK(points[at] == 3.0F);
    CHECK(points[at + 1] == 7.25F);
    CHECK(points[at + 2] == 14.0F);
}

TEST_CASE("only a grid along x, y and z is an image", "[io][fields]") {
    FieldGrid grid = small_grid(false);
    CHECK(grid.is_aligned());
    grid.step(1, 0) = 1e-9;
    CHECK_FALSE(grid.is_aligned());
    grid.step << 2, 0, 0, 0, -3, 0, 0, 0, 4;
    CHECK_FALSE(grid.is_aligned());
}

TEST_CASE("a series lists its snapshots with their times after each of them", "[io][fields]") {
    const TemporaryFolder folder;
    const std::string path = folder / "field.pvd";
    const auto values = digits();
    FieldSnapshot snapshot = snapshot_of(values);
    {
        FieldSeries series(path);
        CHECK_THAT(read_text_file(path), !Contains("DataSet"));
        for (int t = 0; t < 3; ++t) {
            snapshot.time = 0.1 * t;
            series.append(snapshot);
        }
        CHECK(series.size() == 3);
    }
    const std::string three = read_text_file(path);
    CHECK_THAT(three, Contains("<DataSet timestep=\"0.1\" part=\"0\" file=\"field_000001.vti\"/>") &&
                          Contains("field_000002.vti"));
    CHECK(std::filesystem::exists(folder / "field_000002.vti"));
    {
        FieldSeries series = FieldSeries::resume(path, 2);
        CHECK_THAT(read_text_file(path), !Contains("field_000002"));
        snapshot.time = 0.1; // is there already
        CHECK_THROWS_WITH(series.append(snapshot), Contains("times must be finite and rise"));
        snapshot.time = 0.2;
        series.append(snapshot);
    }
    CHECK(read_text_file(path) == three);
    CHECK_THROWS_WITH(FieldSeries::resume(path, 4), Contains("lists 3 snapshots, 4 are needed"));
    CHECK_THROWS_AS(FieldSeries::resume(folder / "no.pvd", 0), InputError);
    CHECK_THROWS_AS(FieldSeries(folder / "field.vti"), InputError);
    folder.file("bad.pvd", "<Collection>\n  <DataSet timestep=\"x\" part=\"0\" file=\"a\"/>\n");
    CHECK_THROWS_AS(FieldSeries::resume(folder / "bad.pvd", 1), FileError);
    snapshot.time = std::numeric_limits<double>::quiet_NaN();
    FieldSeries other(folder / "other.pvd");
    CHECK_THROWS_AS(other.append(snapshot), DataError);
}

TEST_CASE("snapshots that cannot be written are refused and leave no file", "[io][fields]") {
    const TemporaryFolder folder;
    const auto values = digits();
    FieldSnapshot snapshot = snapshot_of(values);
    SECTION("too few values") { snapshot.fields[0].values = std::span<const double>(values).first(59); }
    SECTION("other components") { snapshot.fields[0].components = 3; }
    SECTION("no fields") { snapshot.fields.clear(); }
    SECTION("a name twice") { snapshot.fields.push_back(snapshot.fields[0]); }
    SECTION("a name of two words") { snapshot.fields[0].name = "two words"; }
    SECTION("a name that is a path") { snapshot.fields[0].name = "a/b"; }
    SECTION("no points") { snapshot.grid.points[1] = 0; }
    SECTION("more points than fit") { snapshot.grid.points = {1u << 30, 1u << 30, 1u << 30}; }
    SECTION("no volume") { snapshot.grid.step.row(1) = snapshot.grid.step.row(0); }
    SECTION("no origin") { snapshot.grid.origin[2] = std::numeric_limits<double>::infinity(); }
    CHECK_THROWS_AS(write_vtkhdf(folder / "c.vtkhdf", snapshot), DataError);
    CHECK_THROWS_AS(write_vtk_xml(folder / "c.vti", snapshot), DataError);
    CHECK(std::filesystem::is_empty(folder.path()));
    CHECK_THROWS_AS(write_vtk_xml(folder / "missing/c.vti", snapshot_of(values)), FileError);
    CHECK_THROWS_AS(write_vtkhdf(folder / "missing/c.vtkhdf", snapshot_of(values)), FileError);
}
