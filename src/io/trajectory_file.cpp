#include "mesolith/io/trajectory_file.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "mesolith/core/error.hpp"

#include "file_format.hpp"
#include "file_frame_source.hpp"

namespace mesolith {

const std::vector<std::string>& trajectory_formats() {
    static const std::vector<std::string> formats{"xyz", "cp2k", "extxyz", "lammps-dump", "xdatcar", "h5md"};
    return formats;
}

namespace {

std::string format_of(const std::string& path) {
    switch (detect_file_kind(path)) {
    case FileKind::xyz:
        return "xyz";
    case FileKind::cp2k:
        return "cp2k";
    case FileKind::extxyz:
        return "extxyz";
    case FileKind::lammps_dump:
        return "lammps-dump";
    case FileKind::xdatcar:
        return "xdatcar";
    case FileKind::h5md:
        return "h5md";
    case FileKind::poscar:
    case FileKind::cif:
        throw InputError(
            fmt::format("{}: is a single structure (a trajectory is needed). Give it as the structure of the "
                        "sites instead",
                        path));
    case FileKind::unknown:
        break;
    }
    throw InputError(
        fmt::format("{}: its format is not recognised (neither by content nor by name). Name it: one of {}",
                    path, fmt::join(trajectory_formats(), ", ")));
}

} // namespace

std::unique_ptr<FrameSource> open_trajectory(const std::string& path, const TrajectoryFileOptions& options) {
    const auto& formats = trajectory_formats();
    if (options.format != "auto" &&
        std::find(formats.begin(), formats.end(), options.format) == formats.end())
        throw InputError(fmt::format("{}: unknown format '{}' (known are auto, {}). Choose one of them", path,
                                     options.format, fmt::join(formats, ", ")));
    const std::string format = options.format == "auto" ? format_of(path) : options.format;
    std::unique_ptr<FileFrameSource> source;
    if (format == "lammps-dump")
        source = open_lammps_dump(path, options);
    else if (format == "xdatcar")
        source = open_xdatcar(path, options);
    else if (format == "h5md")
        source = open_h5md(path, options);
    else
        source = open_xyz(path, format, options);
    source->open();
    return source;
}

TrajectoryInfo inspect_trajectory(const std::string& path, TrajectoryFileOptions options) {
    options.allow_unmapped_types = true;
    const auto source = open_trajectory(path, options);
    TrajectoryInfo info;
    info.header = source->header();
    for (const auto& name : info.header.species) {
        const auto found = std::find_if(info.species.begin(), info.species.end(),
                                        [&](const auto& s) { return s.first == name; });
        if (found == info.species.end())
            info.species.emplace_back(name, 1);
        else
            ++found->second;
    }
    std::vector<Vec3> previous;
    Frame frame;
    bool outside = false;
    while (source->read(frame)) {
        const double volume = frame.cell.volume();
        if (info.n_frames == 0) {
            info.cell = frame.cell;
            info.smallest_volume = info.largest_volume = volume;
            info.first_time = frame.time;
            previous.resize(frame.positions.size());
        }
        const double change = (frame.cell.vectors() - info.cell.vectors()).cwiseAbs().maxCoeff();
        if (change > 1e-6 * info.cell.vectors().cwiseAbs().maxCoeff()) info.variable_cell = true;
        info.smallest_volume = std::min(info.smallest_volume, volume);
        info.largest_volume = std::max(info.largest_volume, volume);
        info.last_time = frame.time;
        for (std::size_t i = 0; i < frame.positions.size(); ++i) {
            const Vec3 f = frame.cell.to_fractional(frame.positions[i]);
            if (f.minCoeff() < -0.02 || f.maxCoeff() > 1.02) outside = true;
            if (info.n_frames > 0 && (f - previous[i]).cwiseAbs().maxCoeff() > 0.5) ++info.crossings;
            previous[i] = f;
        }
        ++info.n_frames;
    }
    info.header = source->header();
    info.frame_interval = info.header.frame_interval;
    info.all_inside = !outside;
    if (info.frame_interval && info.n_frames > 1) {
        const double expected = static_cast<double>(info.n_frames - 1) * *info.frame_interval;
        info.regular = std::abs(info.last_time - info.first_time - expected) <=
                       1e-3 * *info.frame_interval * static_cast<double>(info.n_frames);
    }
    info.notes = source->notes();
    info.wrapping = info.header.wrapping;
    if (info.wrapping == Wrapping::unknown && info.crossings > 0)
        info.wrapping = Wrapping::wrapped;
    else if (info.wrapping == Wrapping::unknown && outside)
        info.wrapping = Wrapping::unwrapped;
    return info;
}

std::string describe(const TrajectoryInfo& info) {
    std::string text = fmt::format("file       {}\nformat     {}\natoms      {}", info.header.path,
                                   info.header.format, info.header.n_atoms());
    for (std::size_t i = 0; i < info.species.size(); ++i)
        text += fmt::format("{}{} {}", i == 0 ? "  (" : ", ", info.species[i].second, info.species[i].first);
    text += fmt::format(")\nframes     {}\n", info.n_frames);
    if (info.frame_interval) {
        text +=
            fmt::format("time       {:.6g} to {:.6g} ps, every {:.6g} ps{}\n", info.first_time,
                        info.last_time, *info.frame_interval, info.regular ? "" : " at first, then unevenly");
    } else {
        text += "time       not in the file: give frame_interval_ps\n";
    }
    for (int i = 0; i < 3; ++i) {
        const Vec3 a = info.cell.vectors().row(i);
        text += fmt::format("{}{:12.6f} {:12.6f} {:12.6f} A\n", i == 0 ? "cell       " : "           ", a[0],
                            a[1], a[2]);
    }
    text += info.variable_cell ? fmt::format("volume     {:.6g} to {:.6g} A^3 (variable cell)\n",
                                             info.smallest_volume, info.largest_volume)
                               : fmt::format("volume     {:.6g} A^3 (fixed cell)\n", info.cell.volume());
    text += "positions  ";
    switch (info.wrapping) {
    case Wrapping::wrapped:
        text += "wrapped into the cell, unwrapped by minimum image steps\n";
        break;
    case Wrapping::image_flags:
        text += "wrapped, with image flags\n";
        break;
    case Wrapping::unwrapped:
        text += "unwrapped\n";
        break;
    case Wrapping::unknown:
        text += "no atom crosses a boundary: wrapped or not makes no difference\n";
        break;
    }
    for (const auto& note : info.notes) text += fmt::format("note       {}\n", note);
    return text;
}

} // namespace mesolith
