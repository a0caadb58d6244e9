#include "mesolith/io/store.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>
#include <optional>
#include <string_view>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "mesolith/core/error.hpp"
#include "mesolith/core/version.hpp"
#include "mesolith/io/file.hpp"
#include "mesolith/io/json.hpp"

namespace mesolith {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void damaged(const Hdf5Object& object, const std::string& why) {
    throw FileError(
        fmt::format("{}: '{}' makes no sense ({}). Delete the file and run the stage that writes it again",
                    object.file_name(), object.path(), why));
}

void expect(bool good, const Hdf5Object& object, const std::string& why) {
    if (!good) damaged(object, why);
}

/// Rethrow what a check of values says as an error of the file they came from.
template <class F>
void check_values(const Hdf5Object& object, F&& check) {
    try {
        check();
    } catch (const DataError& error) {
        damaged(object, error.what());
    }
}

std::vector<std::int32_t> numbers_of(const std::vector<SiteId>& ids) {
    std::vector<std::int32_t> out;
    out.reserve(ids.size());
    for (const SiteId id : ids) out.push_back(id.value);
    return out;
}

Mat3 read_mat3(const Hdf5Group& group, const std::string& path) {
    const Eigen::MatrixXd m = group.read_matrix(path);
    expect(m.rows() == 3 && m.cols() == 3, group, path + " is not 3 x 3");
    return m;
}

Cell read_cell(const Hdf5Group& group, const std::string& path) {
    Cell cell;
    check_values(group, [&] { cell = Cell(read_mat3(group, path)); });
    return cell;
}

Vec3 vec3_attribute(const Hdf5Object& object, const std::string& name) {
    const auto v = object.attribute_values<double>(name);
    expect(v.size() == 3, object, "attribute " + name + " is not of length 3");
    return {v[0], v[1], v[2]};
}

void expect_index(const Hdf5Object& object, std::int64_t i, std::size_t n, std::int64_t lowest,
                  const char* what) {
    if (i < lowest || i >= static_cast<std::int64_t>(n))
        damaged(object, fmt::format("{} {} of {}", what, i, n));
}

void write_columns(Hdf5Group& group, const std::string& path, const std::vector<std::int32_t>& values,
                   const char* description) {
    group.write(path, values, {}, about("", description));
}

constexpr std::array<std::string_view, 3> assignment_names{"nearest", "core", "watershed"}; // by number

} // namespace

// Provenance

InputFile describe_input(const std::string& path, std::span<const InputFile> known) {
    std::error_code error;
    const auto bytes = fs::file_size(path, error);
    const auto time = error ? fs::file_time_type{} : fs::last_write_time(path, error);
    if (error)
        throw InputError(fmt::format("{}: cannot be read ({}). Check the path", path, error.message()));
    InputFile file{fs::absolute(path).lexically_normal().string(), "", bytes,
                   std::chrono::duration_cast<std::chrono::nanoseconds>(
                       std::chrono::file_clock::to_sys(time).time_since_epoch())
                       .count()};
    for (const InputFile& k : known)
        if (k.path == file.path && k.bytes == file.bytes && k.modified == file.modified) return k;
    file.sha256 = sha256_of_file(path);
    return file;
}

std::string fingerprint_of(const std::string& stage, const std::string& options,
                           std::span<const InputFile> inputs, const std::string& previous) {
    // Lengths in front: no two different lists give the same text.
    std::string text;
    const auto add = [&](std::string_view part) { text += fmt::format("{}:{}\n", part.size(), part); };
    add(version());
    add(commit());
    add(stage);
    add(options);
    add(previous);
    for (const InputFile& file : inputs) add(file.sha256);
    return sha256_of_text(text);
}

void write(Hdf5Group& root, const Provenance& p) {
    root.set_attribute("creator", "mesolith");
    root.set_attribute("version", version());
    root.set_attribute("commit", commit());
    root.set_attribute("stage", p.stage);
    root.set_attribute("seed", p.seed);
    root.set_attribute("config", p.config);
    root.set_attribute("fingerprint", p.fingerprint);
    root.set_attribute("previous", p.previous);
    root.set_attribute("created", fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr))));
    root.set_attribute("warnings", p.warnings);
    std::string list;
    std::vector<std::string> paths, checksums;
    std::vector<std::uint64_t> bytes;
    std::vector<std::int64_t> modified;
    for (const InputFile& file : p.inputs) {
        list += fmt::format("{}{{\"path\": {}, \"sha256\": {}, \"bytes\": {}}}", list.empty() ? "" : ", ",
                            json_text(file.path), json_text(file.sha256), file.bytes);
        paths.push_back(file.path);
        checksums.push_back(file.sha256);
        bytes.push_back(file.bytes);
        modified.push_back(file.modified);
    }
    root.set_attribute("inputs", "[" + list + "]");
    root.set_attribute("input_paths", paths);
    root.set_attribute("input_sha256", checksums);
    root.set_attribute("input_bytes", bytes);
    root.set_attribute("input_modified", modified);
}

Provenance read_provenance(const Hdf5Group& root) {
    if (!root.has_attribute("creator") || root.string_attribute("creator") != "mesolith")
        throw FileError(root.file_name() +
                        ": not a result of mesolith (no attribute creator). Name a sites.h5, msm.h5 or "
                        "meso.h5");
    Provenance p;
    p.stage = root.string_attribute("stage");
    p.seed = root.attribute<std::uint64_t>("seed");
    p.config = root.string_attribute("config");
    p.fingerprint = root.string_attribute("fingerprint");
    p.previous = root.string_attribute("previous");
    p.created = root.string_attribute("created");
    p.version = root.string_attribute("version");
    p.commit = root.string_attribute("commit");
    p.warnings = root.string_attribute_values("warnings");
    const auto paths = root.string_attribute_values("input_paths");
    const auto checksums = root.string_attribute_values("input_sha256");
    const auto bytes = root.attribute_values<std::uint64_t>("input_bytes");
    const auto modified = root.attribute_values<std::int64_t>("input_modified");
    expect(checksums.size() == paths.size() && bytes.size() == paths.size() &&
               modified.size() == paths.size(),
           root, "the list of inputs");
    for (std::size_t i = 0; i < paths.size(); ++i)
        p.inputs.push_back({paths[i], checksums[i], bytes[i], modified[i]});
    return p;
}

// Sites and events

void write(Hdf5Group& group, const StoredSites& stored) {
    const SiteSet& s = stored.sites;
    group.write_matrix("cell", s.cell.vectors(), about("angstrom", "simulated cell, rows are vectors"));
    group.write("fractional", s.fractional, about("", "sites of the simulated cell, in [0, 1)"));
    write_columns(group, "base", numbers_of(s.base), "basis site of each site");
    group.write("offset", s.offset, about("", "folded cell of each site"));
    group.write("supercell", std::vector<IVec3>{s.supercell.row(0), s.supercell.row(1), s.supercell.row(2)},
                about("", "N: simulated cell = N x folded cell, rows"));
    write_columns(group, "orbit", s.basis.orbit, "symmetry orbit of each basis site");
    group.write_strings("name", s.basis.name);
    group.write_matrix("basis_cell", s.basis.cell.vectors(),
                       about("angstrom", "folded cell, rows are vectors"));
    group.write("basis_positions", s.basis.positions, about("angstrom", "Cartesian"));
    group.write("framework_positions", stored.framework_positions,
                about("angstrom", "framework of the crystal in the simulated cell"));
    group.write_strings("framework_species", stored.framework_species);
    group.set_attribute("space_group", s.space_group);
    group.set_attribute("assignment",
                        std::string(assignment_names[static_cast<std::size_t>(stored.assignment.method)]));
    group.set_attribute("core_radius", stored.assignment.core_radius);
    group.set_attribute("core_radius_per_orbit", stored.assignment.core_radius_per_orbit);
    group.set_attribute("framework_rms", stored.framework_rms);
}

StoredSites read_sites(const Hdf5Group& group) {
    StoredSites stored;
    SiteSet& s = stored.sites;
    s.cell = read_cell(group, "cell");
    s.fractional = group.read_vec3("fractional");
    for (const std::int32_t b : group.read<std::int32_t>("base")) s.base.emplace_back(b);
    s.offset = group.read_ivec3("offset");
    const auto rows = group.read_ivec3("supercell");
    expect(rows.size() == 3, group, "supercell is not 3 x 3");
    for (int k = 0; k < 3; ++k) s.supercell.row(k) = rows[static_cast<std::size_t>(k)].transpose();
    s.basis.orbit = group.read<std::int32_t>("orbit");
    s.basis.name = group.read_strings("name");
    s.basis.cell = read_cell(group, "basis_cell");
    s.basis.positions = group.read_vec3("basis_positions");
    s.space_group = group.string_attribute("space_group");
    stored.framework_positions = group.read_vec3("framework_positions");
    stored.framework_species = group.read_strings("framework_species");
    stored.framework_rms = group.attribute<double>("framework_rms");
    const auto* const method =
        std::find(assignment_names.begin(), assignment_names.end(), group.string_attribute("assignment"));
    expect(method != assignment_names.end(), group, "unknown assignment");
    stored.assignment.method = static_cast<Assignment>(method - assignment_names.begin());
    stored.assignment.core_radius = group.attribute<double>("core_radius");
    stored.assignment.core_radius_per_orbit = group.attribute_values<double>("core_radius_per_orbit");
    const std::size_t n = s.fractional.size(), m = s.basis.positions.size();
    expect(s.base.size() == n && s.offset.size() == n && s.basis.orbit.size() == m &&
               s.basis.name.size() == m &&
               stored.framework_species.size() == stored.framework_positions.size(),
           group, "lengths differ");
    for (const SiteId b : s.base) expect_index(group, b.value, m, 0, "basis site");
    return stored;
}

void write(Hdf5Group& group, const DensitySites& d) {
    const std::size_t n = d.sites.size();
    std::vector<Vec3> position;
    std::vector<std::uint64_t> voxel;
    std::vector<std::int32_t> neighbour, half_peak;
    std::vector<std::int8_t> certain;
    std::vector<double> height, saddle, smoothed, occupancy, half_occupancy, half_distance, displacement;
    for (const DensitySite& s : d.sites) {
        position.push_back(s.peak.position);
        voxel.push_back(s.peak.voxel);
        height.push_back(s.peak.height);
        saddle.push_back(s.peak.saddle);
        neighbour.push_back(s.peak.neighbour);
        smoothed.push_back(s.peak.occupancy);
        occupancy.push_back(s.occupancy);
        for (std::size_t h = 0; h < 2; ++h) {
            half_occupancy.push_back(s.half_occupancy[h]);
            half_peak.push_back(s.half_peak[h]);
            half_distance.push_back(s.half_distance[h]);
        }
        displacement.push_back(s.half_displacement);
        certain.push_back(s.certain ? 1 : 0);
    }
    group.write("position", position,
                about("angstrom", "centroid of the peak as found, before sites are folded"));
    group.write("voxel", voxel, {}, about("", "voxel of the maximum, in row-major order"));
    group.write("height", height, {}, about("angstrom^-3", "smoothed density at the maximum"));
    group.write("saddle", saddle, {},
                about("angstrom^-3", "density of the highest pass to another site, 0 = none"));
    write_columns(group, "neighbour", neighbour, "site on the other side of that pass, -1 = none");
    group.write("smoothed_occupancy", smoothed, {}, about("", "smoothed density integrated over the basin"));
    group.write("occupancy", occupancy, {}, about("", "mean number of ions in the basin"));
    group.write("half_occupancy", half_occupancy, {n, 2}, about("", "the same in each half of the frames"));
    group.write("half_peak", half_peak, {n, 2},
                about("", "peak of each half that is this site, -1 = not found"));
    group.write("half_distance", half_distance, {n, 2},
                about("angstrom", "distance to the peak of each half alone, NaN = not found"));
    group.write("half_displacement", displacement, {},
                about("angstrom", "distance between the peaks of the halves, NaN = not found in both"));
    group.write("certain", certain, {}, about("", "1 = found in both halves"));
    const VoxelGrid& grid = d.basins.grid;
    const Hdf5Shape shape{static_cast<std::uint64_t>(grid.n()[0]), static_cast<std::uint64_t>(grid.n()[1]),
                          static_cast<std::uint64_t>(grid.n()[2])};
    group.write_matrix("cell", grid.cell().vectors(), about("angstrom", "simulated cell, rows are vectors"));
    group.write_matrix("axes", grid.axes().vectors(),
                       about("angstrom",
                             "reduced cell that the voxels divide, rows are vectors; the centre of voxel "
                             "(i, j, k) is at ((i, j, k) + 1/2) / shape along them"));
    group.write("density", std::vector<float>(d.density.begin(), d.density.end()), shape,
                about("angstrom^-3", "smoothed number density of the mobile ions"));
    group.write("basin", d.basins.basin, shape, about("", "site of each voxel, -1 = none"));
    group.set_attribute("spacing", grid.spacing());
    group.set_attribute("unassigned_outside", d.basins.unassigned_outside ? 1 : 0);
    group.set_attribute("half_frames", std::vector<std::int64_t>(d.frames.begin(), d.frames.end()));
    group.set_attribute("half_peaks", std::vector<std::int64_t>(d.half_peaks.begin(), d.half_peaks.end()));
    group.set_attribute("unmatched_peaks",
                        std::vector<std::int64_t>(d.unmatched_peaks.begin(), d.unmatched_peaks.end()));
    group.set_attribute("outside_fraction", d.outside_fraction);
    group.set_attribute("statement", d.statement);
    group.set_attribute("warnings", d.warnings);
}

DensitySites read_density_sites(const Hdf5Group& group) {
    const Cell cell = read_cell(group, "cell");
    std::optional<VoxelGrid> grid;
    check_values(group, [&] { grid.emplace(cell, group.attribute<double>("spacing")); });
    DensitySites d{
        {},
        {*grid, group.read<std::int32_t>("basin"), group.attribute<int>("unassigned_outside") != 0},
        group.read<double>("density"),
        {},
        {},
        {},
        group.attribute<double>("outside_fraction"),
        group.string_attribute("statement"),
        group.string_attribute_values("warnings")};
    const auto position = group.read_vec3("position");
    const auto voxel = group.read<std::uint64_t>("voxel");
    const auto height = group.read<double>("height"), saddle = group.read<double>("saddle"),
               smoothed = group.read<double>("smoothed_occupancy"),
               occupancy = group.read<double>("occupancy"),
               half_occupancy = group.read<double>("half_occupancy"),
               half_distance = group.read<double>("half_distance"),
               displacement = group.read<double>("half_displacement");
    const auto neighbour = group.read<std::int32_t>("neighbour"),
               half_peak = group.read<std::int32_t>("half_peak");
    const auto certain = group.read<std::int8_t>("certain");
    const std::size_t n = position.size();
    for (const std::size_t size : {voxel.size(), height.size(), saddle.size(), smoothed.size(),
                                   occupancy.size(), displacement.size(), neighbour.size(), certain.size(),
                                   half_occupancy.size() / 2, half_distance.size() / 2, half_peak.size() / 2})
        expect(size == n, group, "lengths differ");
    expect(d.basins.basin.size() == grid->size() && d.density.size() == grid->size(), group,
           "the grid does not fit the cell");
    for (const std::int32_t b : d.basins.basin) expect_index(group, b, n, -1, "basin");
    for (std::size_t k = 0; k < n; ++k) {
        expect_index(group, static_cast<std::int64_t>(voxel[k]), grid->size(), 0, "voxel");
        expect_index(group, neighbour[k], n, -1, "neighbour");
        DensitySite s;
        s.peak = {voxel[k], position[k], height[k], saddle[k], neighbour[k], smoothed[k]};
        s.occupancy = occupancy[k];
        for (std::size_t h = 0; h < 2; ++h) {
            s.half_occupancy[h] = half_occupancy[2 * k + h];
            s.half_peak[h] = half_peak[2 * k + h];
            s.half_distance[h] = half_distance[2 * k + h];
        }
        s.half_displacement = displacement[k];
        s.certain = certain[k] != 0;
        d.sites.push_back(s);
    }
    const auto pair_of = [&](const char* name) {
        const auto values = group.attribute_values<std::int64_t>(name);
        expect(values.size() == 2, group, std::string("attribute ") + name + " is not of length 2");
        return std::array<std::int64_t, 2>{values[0], values[1]};
    };
    d.frames = pair_of("half_frames");
    d.half_peaks = pair_of("half_peaks");
    d.unmatched_peaks = pair_of("unmatched_peaks");
    return d;
}

void write(Hdf5Group& group, const SiteBasis& basis, const std::string& space_group) {
    group.write_matrix("cell", basis.cell.vectors(), about("angstrom", "folded cell, rows are vectors"));
    group.write("positions", basis.positions, about("angstrom", "Cartesian"));
    write_columns(group, "orbit", basis.orbit, "symmetry orbit of each site");
    group.write_strings("name", basis.name);
    group.set_attribute("space_group", space_group);
}

SiteBasis read_basis(const Hdf5Group& group) {
    SiteBasis basis{read_cell(group, "cell"), group.read_vec3("positions"), group.read<std::int32_t>("orbit"),
                    group.read_strings("name")};
    expect(basis.orbit.size() == basis.size() && basis.name.size() == basis.size(), group, "lengths differ");
    return basis;
}

void write(Hdf5Group& group, const SiteTrajectory& t) {
    std::vector<std::int32_t> ion, frame, site;
    std::vector<IVec3> cell;
    for (std::size_t k = 0; k < t.n_ions(); ++k)
        for (const SiteEvent& event : t.of_ion(k)) {
            ion.push_back(static_cast<std::int32_t>(k));
            frame.push_back(event.frame);
            site.push_back(event.site.value);
            cell.push_back(event.cell);
        }
    group.set_attribute("n_frames", t.n_frames);
    group.set_attribute("frame_interval", t.frame_interval);
    group.set_attribute("n_ions", static_cast<std::int64_t>(t.n_ions()));
    Hdf5Group events = group.create_group("events");
    write_columns(events, "ion", ion, "ion, in the order of the trajectory file");
    write_columns(events, "frame", frame, "used frame from which on the ion is on the site");
    write_columns(events, "site", site, "site of the simulated cell, -1 unassigned");
    events.write("cell", cell, about("", "image of the simulated cell"));
}

SiteTrajectory read_site_trajectory(const Hdf5Group& group) {
    SiteTrajectory t;
    t.n_frames = group.attribute<std::int64_t>("n_frames");
    t.frame_interval = group.attribute<double>("frame_interval");
    const auto n_ions = group.attribute<std::int64_t>("n_ions");
    const Hdf5Group events = group.group("events");
    const auto ion = events.read<std::int32_t>("ion"), frame = events.read<std::int32_t>("frame"),
               site = events.read<std::int32_t>("site");
    const auto cell = events.read_ivec3("cell");
    expect(ion.size() == frame.size() && ion.size() == site.size() && ion.size() == cell.size(), events,
           "lengths differ");
    expect(n_ions >= 0 && n_ions <= static_cast<std::int64_t>(ion.size()), events, "ions without events");
    expect(t.frame_interval > 0, group, "the frame interval is not positive");
    t.events.reserve(ion.size());
    for (std::size_t e = 0; e < ion.size(); ++e) {
        const bool first = e == 0 || ion[e] != ion[e - 1];
        if (first && e > 0) t.offsets.push_back(e);
        const bool in_order = first
                                  ? frame[e] == 0 && ion[e] == static_cast<std::int32_t>(t.offsets.size()) - 1
                                  : frame[e] > frame[e - 1];
        if (!in_order || frame[e] >= t.n_frames || site[e] < -1)
            damaged(events, fmt::format("event {} is not in order", e));
        t.events.push_back({frame[e], SiteId(site[e]), cell[e]});
    }
    if (!ion.empty()) t.offsets.push_back(ion.size());
    expect(static_cast<std::int64_t>(t.n_ions()) == n_ions, events, "the number of ions differs");
    return t;
}

void write(Hdf5Group& group, const MsdSums& msd) {
    group.set_attribute("bin_frames", msd.bin_frames);
    group.set_attribute("n_frames", msd.n_frames);
    group.set_attribute("frame_interval", msd.frame_interval);
    group.write("lag_frames", msd.lag_frames, {}, about("", "lags in frames"));
    group.write("sum", msd.sum, {msd.n_bins(), msd.n_lags(), 3},
                about("angstrom^2", "squared displacement per axis, summed over origins in the time "
                                    "bin and over ions"));
    group.write("count", msd.count, {msd.n_bins(), msd.n_lags()}, about("", "number of terms"));
}

MsdSums read_msd(const Hdf5Group& group) {
    MsdSums msd;
    msd.bin_frames = group.attribute<std::int64_t>("bin_frames");
    msd.n_frames = group.attribute<std::int64_t>("n_frames");
    msd.frame_interval = group.attribute<double>("frame_interval");
    msd.lag_frames = group.read<std::int64_t>("lag_frames");
    msd.sum = group.read<double>("sum");
    msd.count = group.read<std::int64_t>("count");
    expect(msd.bin_frames >= 1 && msd.frame_interval > 0 &&
               std::is_sorted(msd.lag_frames.begin(), msd.lag_frames.end()) &&
               msd.sum.size() == 3 * msd.count.size() &&
               (msd.lag_frames.empty() ? msd.count.empty() : msd.count.size() % msd.lag_frames.size() == 0),
           group, "shapes do not fit");
    return msd;
}

void write(Hdf5Group& group, const CollectiveDisplacement& collective) {
    group.set_attribute("n_ions", static_cast<std::int64_t>(collective.n_ions));
    group.set_attribute("frame_interval", collective.frame_interval);
    group.write("displacement", collective.sum,
                about("angstrom", "summed displacement of all mobile ions against the framework"));
}

CollectiveDisplacement read_collective(const Hdf5Group& group) {
    CollectiveDisplacement collective;
    const auto n_ions = group.attribute<std::int64_t>("n_ions");
    collective.frame_interval = group.attribute<double>("frame_interval");
    collective.sum = group.read_vec3("displacement");
    expect(n_ions >= 1 && collective.frame_interval > 0, group, "no ions or no frame interval");
    expect(std::all_of(collective.sum.begin(), collective.sum.end(),
                       [](const Vec3& v) { return v.allFinite(); }),
           group, "a displacement is not a number");
    collective.n_ions = static_cast<std::size_t>(n_ions);
    return collective;
}

void write(Hdf5Group& group, const StoredTrajectory& t) {
    group.set_attribute("source", t.source);
    group.set_attribute("format", t.format);
    group.set_attribute("first_frame", t.first_frame);
    group.set_attribute("stride", t.stride);
    group.set_attribute("offset", t.offset);
    write(group, t.trajectory);
    Hdf5Group msd = group.create_group("msd");
    write(msd, t.msd);
    if (t.collective) {
        Hdf5Group collective = group.create_group("collective");
        write(collective, *t.collective);
    }

    Hdf5Group g = group.create_group("diagnostics");
    const SiteDiagnostics& d = t.diagnostics;
    g.write("occupancy", d.occupancy, {}, about("", "mean number of ions on each site"));
    g.write("distance_histogram", d.distance_histogram, {}, about("", "distance of ions to the nearest site"))
        .set_attribute("bin", d.distance_bin);
    g.set_attribute("doubly_occupied_fraction", d.doubly_occupied_fraction);
    g.set_attribute("unassigned_fraction", d.unassigned_fraction);
    g.set_attribute("nearest_changes", d.nearest_changes);
    g.set_attribute("core_hops", d.core_hops);
    g.set_attribute("shortcut_misses", d.shortcut_misses);
    g.set_attribute("distance_levels", std::vector<double>(std::begin(SiteDiagnostics::distance_levels),
                                                           std::end(SiteDiagnostics::distance_levels)));
    g.set_attribute("distance_quantiles", d.distance_quantiles);
    g.set_attribute("half_site_distance", d.half_site_distance);
    g.set_attribute("core_radius", d.core_radius);
    const ContinuityReport& c = t.continuity;
    g.set_attribute("frames_read", c.frames_read);
    g.set_attribute("frames_used", c.frames_used);
    g.set_attribute("largest_step", c.largest_step);
    g.set_attribute("largest_step_frame", c.largest_step_frame);
    g.set_attribute("steps_over_limit", c.steps_over_limit);
    g.set_attribute("largest_drift", c.largest_drift);
    g.set_attribute("final_drift", c.final_drift);
    g.set_attribute("variable_cell", c.variable_cell ? 1 : 0);
}

StoredTrajectory read_trajectory(const Hdf5Group& group) {
    StoredTrajectory t;
    t.source = group.string_attribute("source");
    t.format = group.string_attribute("format");
    t.first_frame = group.attribute<std::int64_t>("first_frame");
    t.stride = group.attribute<std::int64_t>("stride");
    t.offset = vec3_attribute(group, "offset");
    t.trajectory = read_site_trajectory(group);
    t.msd = read_msd(group.group("msd"));
    if (group.has_group("collective")) {
        t.collective = read_collective(group.group("collective"));
        expect(static_cast<std::int64_t>(t.collective->sum.size()) == t.trajectory.n_frames &&
                   t.collective->n_ions == t.trajectory.n_ions(),
               group, "the collective displacement is not that of these ions and frames");
    }

    const Hdf5Group g = group.group("diagnostics");
    SiteDiagnostics& d = t.diagnostics;
    d.occupancy = g.read<double>("occupancy");
    d.distance_histogram = g.read<std::int64_t>("distance_histogram");
    d.distance_bin = g.dataset("distance_histogram").attribute<double>("bin");
    d.doubly_occupied_fraction = g.attribute<double>("doubly_occupied_fraction");
    d.unassigned_fraction = g.attribute<double>("unassigned_fraction");
    d.nearest_changes = g.attribute<std::int64_t>("nearest_changes");
    d.core_hops = g.attribute<std::int64_t>("core_hops");
    d.shortcut_misses = g.attribute<std::int64_t>("shortcut_misses");
    d.distance_quantiles = g.attribute_values<double>("distance_quantiles");
    d.half_site_distance = g.attribute<double>("half_site_distance");
    d.core_radius = g.attribute_values<double>("core_radius");
    ContinuityReport& c = t.continuity;
    c.frames_read = g.attribute<std::int64_t>("frames_read");
    c.frames_used = g.attribute<std::int64_t>("frames_used");
    c.largest_step = g.attribute<double>("largest_step");
    c.largest_step_frame = g.attribute<std::int64_t>("largest_step_frame");
    c.steps_over_limit = g.attribute<std::int64_t>("steps_over_limit");
    c.largest_drift = vec3_attribute(g, "largest_drift");
    c.final_drift = vec3_attribute(g, "final_drift");
    c.variable_cell = g.attribute<int>("variable_cell") != 0;
    return t;
}

// Markov model

void write(Hdf5Group& group, const TransitionCounts& c) {
    std::vector<std::int32_t> from, to;
    std::vector<IVec3> R;
    for (const Transition& t : c.transitions) {
        from.push_back(t.from);
        to.push_back(t.to);
        R.push_back(t.R);
    }
    group.set_attribute("lag_frames", c.lag_frames);
    group.set_attribute("frame_interval", c.frame_interval);
    group.set_attribute("n_sites", static_cast<std::int64_t>(c.n_sites));
    group.set_attribute("skipped_windows", c.skipped_windows);
    write_columns(group, "from", from, "basis site at the start of the window");
    write_columns(group, "to", to, "basis site at its end");
    group.write("R", R, about("", "folded cell of the end, the start being in cell 0"));
    group.write("total", c.total, {}, about("", "C(j, i, R): windows seen, 0 for reverses never seen"));
    group.write("block_offsets", std::vector<std::uint64_t>(c.block_offsets.begin(), c.block_offsets.end()),
                {}, about("", "block b holds [block_offsets[b], block_offsets[b + 1]) of the two below"));
    write_columns(group, "block_transition", c.block_transition, "index into from, to, R");
    group.write("block_count", c.block_count, {}, about("", "windows that start in the block"));
    if (!c.pool.empty())
        write_columns(group, "pool", c.pool, "class of each transition; members share their counts");
}

TransitionCounts read_counts(const Hdf5Group& group) {
    TransitionCounts c;
    c.lag_frames = group.attribute<std::int64_t>("lag_frames");
    c.frame_interval = group.attribute<double>("frame_interval");
    c.n_sites = static_cast<std::size_t>(group.attribute<std::int64_t>("n_sites"));
    c.skipped_windows = group.attribute<std::int64_t>("skipped_windows");
    const auto from = group.read<std::int32_t>("from"), to = group.read<std::int32_t>("to");
    const auto R = group.read_ivec3("R");
    c.total = group.read<std::int64_t>("total");
    c.block_offsets.clear();
    for (const std::uint64_t o : group.read<std::uint64_t>("block_offsets")) c.block_offsets.push_back(o);
    c.block_transition = group.read<std::int32_t>("block_transition");
    c.block_count = group.read<std::int64_t>("block_count");
    const std::size_t n = from.size();
    expect(to.size() == n && R.size() == n && c.total.size() == n &&
               c.block_transition.size() == c.block_count.size() && !c.block_offsets.empty() &&
               c.block_offsets.front() == 0 && c.block_offsets.back() == c.block_count.size() &&
               std::is_sorted(c.block_offsets.begin(), c.block_offsets.end()),
           group, "shapes do not fit");
    for (const std::int32_t t : c.block_transition) expect_index(group, t, n, 0, "transition");
    if (group.has_dataset("pool")) {
        c.pool = group.read<std::int32_t>("pool");
        expect(c.pool.size() == n, group, "shapes do not fit");
        for (const std::int32_t p : c.pool) expect_index(group, p, n, 0, "class of transitions");
    }
    for (std::size_t k = 0; k < n; ++k) {
        expect_index(group, from[k], c.n_sites, 0, "site");
        expect_index(group, to[k], c.n_sites, 0, "site");
        c.transitions.push_back({from[k], to[k], R[k]});
    }
    check_values(group, [&] { c.index_reverses(); });
    return c;
}

void write(Hdf5Group& group, const Kernel& kernel) {
    std::vector<std::int32_t> to;
    std::vector<IVec3> R;
    std::vector<double> p;
    for (const KernelEntry& entry : kernel.entries) {
        to.push_back(entry.to);
        R.push_back(entry.R);
        p.push_back(entry.p);
    }
    group.set_attribute("lag_time", kernel.lag_time);
    group.set_attribute("reversible", kernel.reversible ? 1 : 0);
    group.write("column", std::vector<std::uint64_t>(kernel.column.begin(), kernel.column.end()), {},
                about("", "entries of origin j: [column[j], column[j + 1])"));
    write_columns(group, "to", to, "destination site");
    group.write("R", R, about("", "folded cell of the destination, the origin being in cell 0"));
    group.write("p", p, {}, about("", "probability; columns sum to 1"));
    group.write("stationary", kernel.stationary, {}, about("", "stationary distribution, sums to 1"));
}

Kernel read_kernel(const Hdf5Group& group, const SiteBasis& basis) {
    Kernel kernel;
    kernel.basis = basis;
    kernel.lag_time = group.attribute<double>("lag_time");
    kernel.reversible = group.attribute<int>("reversible") != 0;
    kernel.column.clear();
    for (const std::uint64_t c : group.read<std::uint64_t>("column")) kernel.column.push_back(c);
    const auto to = group.read<std::int32_t>("to");
    const auto R = group.read_ivec3("R");
    const auto p = group.read<double>("p");
    kernel.stationary = group.read<double>("stationary");
    expect(kernel.column.size() == basis.size() + 1 && kernel.stationary.size() == basis.size() &&
               R.size() == to.size() && p.size() == to.size() && kernel.column.front() == 0 &&
               kernel.column.back() == to.size() &&
               std::is_sorted(kernel.column.begin(), kernel.column.end()),
           group, "shapes do not fit");
    for (std::size_t e = 0; e < to.size(); ++e) kernel.entries.push_back({to[e], R[e], p[e]});
    check_values(group, [&] { check_kernel(kernel); });
    return kernel;
}

} // namespace mesolith
