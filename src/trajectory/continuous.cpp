#include "mesolith/trajectory/continuous.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "mesolith/core/error.hpp"
#include "mesolith/trajectory/elements.hpp"

namespace mesolith {

namespace {

void check_options(const ContinuousOptions& options) {
    if (options.first_frame < 0)
        throw InputError(
            fmt::format("first_frame is {} (frames count from 0). Give 0 or more", options.first_frame));
    if (options.last_frame >= 0 && options.last_frame < options.first_frame)
        throw InputError(fmt::format(
            "last_frame is {} but first_frame is {} (the range is empty). Give a later last_frame, "
            "or -1 for all",
            options.last_frame, options.first_frame));
    if (options.stride < 1)
        throw InputError(
            fmt::format("stride is {} (every stride-th frame is used). Give 1 or more", options.stride));
    if (!(options.step_warning > 0 && options.step_warning <= 0.5))
        throw InputError(
            fmt::format("step_warning is {} (share of a cell edge; minimum images cannot step further than "
                        "half of one). Give a value above 0, up to 0.5",
                        options.step_warning));
}

std::vector<std::string> distinct(const std::vector<std::string>& species) {
    std::vector<std::string> names;
    for (const auto& name : species)
        if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    return names;
}

bool contains(const std::vector<std::string>& names, const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

bool same_cell(const Cell& a, const Cell& b) {
    return a == b ||
           (a.vectors() - b.vectors()).cwiseAbs().maxCoeff() <= 1e-6 * a.vectors().cwiseAbs().maxCoeff();
}

} // namespace

ContinuousTrajectory::ContinuousTrajectory(FrameSource& source, ContinuousOptions options)
    : source_(source), options_(std::move(options)) {
    check_options(options_);
    choose_atoms();
    choose_weights();
    do {
        if (!source_.read(first_))
            throw InputError(
                fmt::format("{}: has no frame {} (first_frame; the file ends before). Use earlier frames",
                            header().path, options_.first_frame));
    } while (first_.index < options_.first_frame);
    image_.assign(header().n_atoms(), IVec3::Zero());
    fractional_.clear();
    unwrap(first_);
    start_mean_ = weighted_mean();
    hand_on(first_);
    report_.frames_read = report_.frames_used = 1;
}

void ContinuousTrajectory::choose_atoms() {
    const auto& species = header().species;
    const auto names = distinct(species);
    for (const auto& name : options_.mobile)
        if (!contains(names, name))
            throw InputError(fmt::format(
                "{}: has no {} (the mobile species; the file holds {}). Name a species of the file",
                header().path, name, fmt::join(names, ", ")));
    for (std::size_t i = 0; i < species.size(); ++i)
        (contains(options_.mobile, species[i]) ? mobile_ : framework_).push_back(i);
}

void ContinuousTrajectory::choose_weights() {
    const auto& species = header().species;
    if (options_.drift == Drift::none) return;
    weight_.assign(species.size(), 0.0);
    if (options_.drift == Drift::framework) {
        if (options_.mobile.empty())
            throw InputError("No mobile species is named (the drift of the framework cannot be told from the "
                             "motion of the "
                             "ions). Name the mobile species, or choose drift com or none");
        if (framework_.empty())
            throw InputError(fmt::format(
                "{}: has no framework (all atoms are of the mobile species {}). Choose drift com or "
                "none",
                header().path, fmt::join(options_.mobile, ", ")));
        for (const std::size_t i : framework_) weight_[i] = 1.0;
    } else {
        for (std::size_t i = 0; i < species.size(); ++i) {
            const auto mass = atomic_mass(species[i]);
            if (!mass)
                throw InputError(fmt::format(
                    "{}: the mass of {} is not known (it is no element). Map the types to elements, "
                    "or choose drift framework or none",
                    header().path, species[i]));
            weight_[i] = *mass;
        }
    }
    double sum = 0;
    for (const double w : weight_) sum += w;
    for (double& w : weight_) w /= sum;
}

bool ContinuousTrajectory::read(Frame& frame) {
    if (first_pending_) {
        first_pending_ = false;
        frame = first_;
        for (auto& r : frame.positions) r += offset_;
        return true;
    }
    do {
        if (!advance(frame)) return false;
    } while ((frame.index - first_.index) % options_.stride != 0);
    hand_on(frame);
    for (auto& r : frame.positions) r += offset_;
    ++report_.frames_used;
    return true;
}

void ContinuousTrajectory::resume(const Frame& last, const ContinuityReport& report) {
    if (header().wrapping != Wrapping::unwrapped && header().wrapping != Wrapping::image_flags)
        throw DataError(
            fmt::format("{}: wrapped positions do not tell where the atoms were. Start anew", header().path));
    unwrap(last);
    report_ = report;
    first_pending_ = false;
}

bool ContinuousTrajectory::advance(Frame& frame) {
    const std::int64_t last_read = first_.index + report_.frames_read - 1;
    if (options_.last_frame >= 0 && last_read >= options_.last_frame) return false;
    if (!source_.read(frame)) return false;
    ++report_.frames_read;
    unwrap(frame);
    if (!weight_.empty()) {
        const Vec3 drift = first_.cell.to_cartesian(weighted_mean() - start_mean_);
        report_.final_drift = drift;
        report_.largest_drift = report_.largest_drift.cwiseMax(drift.cwiseAbs());
    }
    return true;
}

/// Continues the fractional coordinates of all atoms into this frame.
void ContinuousTrajectory::unwrap(const Frame& frame) {
    const std::size_t n = header().n_atoms();
    const Wrapping wrapping = header().wrapping;
    if (frame.positions.size() != n || (wrapping == Wrapping::image_flags && frame.images.size() != n))
        throw DataError(fmt::format(
            "{}: frame {} holds {} positions and {} image flags for {} atoms. The file is damaged",
            header().path, frame.index, frame.positions.size(), frame.images.size(), n));
    const bool first = fractional_.empty();
    if (first)
        fractional_.resize(n);
    else if (!report_.variable_cell)
        report_.variable_cell = !same_cell(first_.cell, frame.cell);

    const bool by_minimum_image = wrapping == Wrapping::unknown || wrapping == Wrapping::wrapped;
    // No lattice vector is shorter than the smallest distance of two faces: within half of it the image is
    // nearest.
    const double safe = 0.5 * (1 - 1e-9) * frame.cell.perpendicular_width().minCoeff();
    double largest = 0;
    for (std::size_t i = 0; i < n; ++i) {
        Vec3 f = frame.cell.to_fractional(frame.positions[i]);
        if (wrapping == Wrapping::image_flags)
            f += frame.images[i].cast<double>();
        else if (by_minimum_image && !first) {
            f += image_[i].cast<double>();
            const Vec3 step = frame.cell.to_cartesian(f - fractional_[i]);
            if (!(step.squaredNorm() < safe * safe)) {
                if (!((f - fractional_[i]).cwiseAbs().maxCoeff() < 1e6))
                    throw DataError(fmt::format(
                        "{}: atom {} of frame {} is not at a finite place near its last one. The file "
                        "is damaged",
                        header().path, i, frame.index));
                const IVec3 shift = frame.cell.nearest_image_shift(step);
                image_[i] += shift;
                f += shift.cast<double>();
            }
        }
        if (!first) {
            const double step = (f - fractional_[i]).cwiseAbs().maxCoeff();
            if (step > options_.step_warning) ++report_.steps_over_limit;
            largest = std::max(largest, step);
        }
        fractional_[i] = f;
    }
    if (largest > report_.largest_step) {
        report_.largest_step = largest;
        report_.largest_step_frame = frame.index;
    }
}

Vec3 ContinuousTrajectory::weighted_mean() const {
    Vec3 mean = Vec3::Zero();
    for (std::size_t i = 0; i < weight_.size(); ++i) mean += weight_[i] * fractional_[i];
    return mean;
}

/// The continued coordinates without drift, in the cell of the first frame.
void ContinuousTrajectory::hand_on(Frame& frame) {
    const Vec3 drift = weighted_mean() - start_mean_;
    for (std::size_t i = 0; i < fractional_.size(); ++i)
        frame.positions[i] = first_.cell.to_cartesian(fractional_[i] - drift);
    frame.images.clear();
    frame.cell = first_.cell;
}

} // namespace mesolith
