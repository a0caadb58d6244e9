#include "file_frame_source.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "mesolith/core/error.hpp"

namespace mesolith {

FileFrameSource::FileFrameSource(const std::string& path, const std::string& format,
                                 const TrajectoryFileOptions& options)
    : options_(options) {
    header_.path = path;
    header_.format = format;
    if (options.frame_interval_ps &&
        !(*options.frame_interval_ps > 0 && std::isfinite(*options.frame_interval_ps)))
        throw InputError(fmt::format("{}: frame_interval_ps is {} (a time above 0 is needed). Correct it",
                                     path, *options.frame_interval_ps));
    if (options.timestep_ps && !(*options.timestep_ps > 0 && std::isfinite(*options.timestep_ps)))
        throw InputError(fmt::format("{}: timestep_ps is {} (a time above 0 is needed). Correct it", path,
                                     *options.timestep_ps));
}

void FileFrameSource::open() {
    for (int i = 0; i < 2; ++i) {
        Frame frame;
        if (!read_next(frame)) break;
        ahead_.push_back(std::move(frame));
    }
    if (ahead_.empty())
        throw FileError(fmt::format("{}: holds no frames (it is empty or cut off). Write or copy it again",
                                    header_.path));
    if (options_.timestep_ps && !options_.frame_interval_ps && !first_step_)
        throw InputError(
            fmt::format("{}: timestep_ps says nothing here ({} files do not count MD steps). Give "
                        "frame_interval_ps",
                        header_.path, header_.format));
    if (options_.wrapping == WrappingOption::wrapped) header_.wrapping = Wrapping::wrapped;
    if (options_.wrapping == WrappingOption::unwrapped) header_.wrapping = Wrapping::unwrapped;
    if (header_.wrapping != Wrapping::image_flags)
        for (auto& frame : ahead_) frame.images.clear();
    if (options_.frame_interval_ps)
        header_.frame_interval = options_.frame_interval_ps;
    else if (ahead_.size() == 2 && ahead_[1].time > ahead_[0].time)
        header_.frame_interval = ahead_[1].time - ahead_[0].time;
}

bool FileFrameSource::read(Frame& frame) {
    if (!ahead_.empty()) {
        std::swap(frame, ahead_.front());
        ahead_.pop_front();
        return true;
    }
    if (!read_next(frame)) return false;
    if (header_.wrapping != Wrapping::image_flags) frame.images.clear();
    return true;
}

bool FileFrameSource::read_next(Frame& frame) {
    for (;;) {
        Stamp stamp;
        if (!read_raw(frame, stamp)) return false;
        if (!keep(stamp)) continue;
        frame.index = kept_++;
        frame.time = time_of(stamp);
        check_interval(frame.time);
        return true;
    }
}

/// A run that was restarted repeats the steps since its checkpoint.
bool FileFrameSource::keep(const Stamp& stamp) {
    if (!stamp.step) return true;
    if (last_step_ && *stamp.step <= *last_step_) {
        if (*stamp.step <= *first_step_ && kept_ > 1)
            throw FileError(fmt::format(
                "{}: step {} comes again after step {} (frame {}: two runs in one file). Split it "
                "and give both parts",
                header_.path, *stamp.step, *last_step_, kept_ + dropped_));
        ++dropped_;
        return false;
    }
    if (!first_step_) first_step_ = stamp.step;
    last_step_ = stamp.step;
    return true;
}

double FileFrameSource::time_of(const Stamp& stamp) const {
    if (options_.frame_interval_ps) return static_cast<double>(kept_ - 1) * *options_.frame_interval_ps;
    if (options_.timestep_ps && stamp.step) return static_cast<double>(*stamp.step) * *options_.timestep_ps;
    return stamp.time;
}

void FileFrameSource::check_interval(double time) {
    if (header_.frame_interval) {
        const double interval = *header_.frame_interval;
        // 1e-6 of the time itself: times are often stored with six or seven digits.
        const double tolerance = 1e-3 * interval + 1e-6 * std::abs(time);
        if (!(std::abs(time - last_time_ - interval) <= tolerance) && uneven_++ == 0)
            first_uneven_ = kept_ - 1;
    }
    last_time_ = time;
}

std::vector<std::string> FileFrameSource::notes() const {
    std::vector<std::string> notes = format_notes();
    if (dropped_ > 0)
        notes.push_back(fmt::format("{} frames that repeat earlier steps were dropped (restarts)", dropped_));
    if (uneven_ > 0)
        notes.push_back(
            fmt::format("{} frames do not follow the one before by {:.6g} ps, the first is frame {}", uneven_,
                        header_.frame_interval.value_or(0), first_uneven_));
    return notes;
}

std::string FileFrameSource::element_of_type(std::int64_t type, const std::string& types_present) const {
    const auto found = options_.type_map.find(static_cast<int>(type));
    if (found != options_.type_map.end()) return found->second;
    if (options_.allow_unmapped_types) return fmt::format("type{}", type);
    throw InputError(fmt::format(
        "{}: type {} has no element (the file names atoms by number: {}). Say which element each is, "
        "e.g. types = {{ \"{}\" = \"Li\" }}",
        header_.path, type, types_present, type));
}

} // namespace mesolith
