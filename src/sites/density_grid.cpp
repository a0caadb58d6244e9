#include "mesolith/sites/density_grid.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include <Eigen/Geometry>
#include <Eigen/LU>
#include <fmt/format.h>

#include "mesolith/core/error.hpp"
#include "mesolith/core/parallel.hpp"

namespace mesolith {

namespace {

constexpr std::size_t points_per_batch = 1 << 16;
constexpr std::size_t most_parts = 16;

int wrapped(int i, int n) {
    const int r = i % n;
    return r < 0 ? r + n : r;
}

/// exp(-t) I_k(t) for k = 0, 1, ..., until nothing is left; the sum over all integers k is 1. By Miller's
/// backward recurrence I_{k-1} = I_{k+1} + (2k/t) I_k.
std::vector<double> discrete_gaussian(double t) {
    const auto last = static_cast<std::size_t>(std::ceil(6 * std::sqrt(t) + 6));
    std::vector<double> w(last + 1, 0);
    double above = 0, here = 1e-200;
    for (std::size_t k = last + 20; k > 0; --k) {
        const double below = above + 2 * static_cast<double>(k) / t * here;
        above = std::exchange(here, below);
        if (k - 1 <= last) w[k - 1] = here;
        if (here > 1e200) { // tiny t: rescale, the far weights vanish
            above *= 1e-300;
            here *= 1e-300;
            for (double& x : w) x *= 1e-300;
        }
    }
    double sum = -w[0];
    for (const double x : w) sum += 2 * x;
    for (double& x : w) x /= sum;
    while (w.size() > 1 && w.back() < 1e-9 * w[0]) w.pop_back();
    sum = -w[0];
    for (const double x : w) sum += 2 * x;
    for (double& x : w) x /= sum;
    return w;
}

/// out(x) = sum_k w_|k| in(x + k direction), on the torus. Rows along the last axis are contiguous.
void convolve(const IVec3& n, const std::vector<double>& in, std::vector<double>& out, const IVec3& direction,
              const std::vector<double>& w) {
    const auto length = static_cast<std::size_t>(n[2]);
    const auto reach = static_cast<int>(w.size()) - 1;
    for_blocks(static_cast<std::size_t>(n[0]) * static_cast<std::size_t>(n[1]), 64,
               [&](std::size_t begin, std::size_t end) {
                   for (std::size_t row = begin; row < end; ++row) {
                       double* const to = out.data() + row * length;
                       std::fill(to, to + length, 0.0);
                       const int i = static_cast<int>(row) / n[1], j = static_cast<int>(row) % n[1];
                       for (int k = -reach; k <= reach; ++k) {
                           const double weight = w[static_cast<std::size_t>(std::abs(k))];
                           const int si = wrapped(i + k * direction[0], n[0]),
                                     sj = wrapped(j + k * direction[1], n[1]);
                           const auto shift = static_cast<std::size_t>(wrapped(k * direction[2], n[2]));
                           const double* const from =
                               in.data() + static_cast<std::size_t>(si * n[1] + sj) * length;
                           const std::size_t split = length - shift;
                           for (std::size_t z = 0; z < split; ++z) to[z] += weight * from[z + shift];
                           for (std::size_t z = split; z < length; ++z) to[z] += weight * from[z - split];
                       }
                   }
               });
}

} // namespace

VoxelGrid::VoxelGrid(const Cell& cell, double spacing)
    : cell_(cell), axes_(cell.reduction().cast<double>() * cell.vectors()), spacing_(spacing) {
    if (!(spacing > 0) || !std::isfinite(spacing))
        throw DataError(
            fmt::format("The grid spacing {} A is not positive. Give one of 0.2 to 0.3 A", spacing));
    const Vec3 n = (axes_.length() / spacing - Vec3::Constant(1e-9)).array().ceil().max(4.0);
    if (!(n.prod() <= static_cast<double>(max_voxels)))
        throw DataError(fmt::format(
            "The density grid would have {:.3g} voxels, more than {:.3g} (a cell of {:.4g} A^3 at a "
            "spacing of {:g} A). Use a spacing of {:.2g} A or more",
            n.prod(), static_cast<double>(max_voxels), cell.volume(), spacing,
            std::cbrt(cell.volume() / static_cast<double>(max_voxels)) * 1.1));
    n_ = n.cast<int>();
    to_axes_ = n.asDiagonal() * cell.reduction().cast<double>().inverse().transpose();
}

std::size_t VoxelGrid::size() const {
    return static_cast<std::size_t>(n_[0]) * static_cast<std::size_t>(n_[1]) *
           static_cast<std::size_t>(n_[2]);
}

std::size_t VoxelGrid::voxel_of(const Vec3& fractional) const {
    const Vec3 u = to_axes_ * fractional;
    IVec3 place;
    for (int a = 0; a < 3; ++a) {
        const double n = n_[a], inside = u[a] - n * std::floor(u[a] / n);
        place[a] = std::min(static_cast<int>(inside), n_[a] - 1); // rounding may give n itself
    }
    return number(place);
}

IVec3 VoxelGrid::place(std::size_t voxel) const {
    const auto n1 = static_cast<std::size_t>(n_[1]), n2 = static_cast<std::size_t>(n_[2]);
    return {static_cast<int>(voxel / (n1 * n2)), static_cast<int>(voxel / n2 % n1),
            static_cast<int>(voxel % n2)};
}

std::size_t VoxelGrid::number(const IVec3& p) const {
    std::size_t number = 0;
    for (int a = 0; a < 3; ++a) {
        const int inside = p[a] < 0 ? p[a] + n_[a] : p[a] >= n_[a] ? p[a] - n_[a] : p[a];
        number = number * static_cast<std::size_t>(n_[a]) + static_cast<std::size_t>(inside);
    }
    return number;
}

Vec3 VoxelGrid::centre(std::size_t voxel) const {
    return axes_.to_cartesian(
        (place(voxel).cast<double>() + Vec3::Constant(0.5)).cwiseQuotient(n_.cast<double>()));
}

std::vector<std::uint32_t> VoxelCounts::total() const {
    std::vector<std::uint32_t> sum = counts[0];
    for (std::size_t v = 0; v < sum.size(); ++v) sum[v] += counts[1][v];
    return sum;
}

DensityAccumulator::DensityAccumulator(VoxelGrid grid, std::size_t n_ions)
    : grid_(std::move(grid)), n_ions_(n_ions) {
    if (n_ions == 0)
        throw DataError(
            "There are no ions whose density could be taken (no atom is mobile). Check the mobile species");
}

void DensityAccumulator::add_frame(std::span<const Vec3> positions) {
    const std::int64_t frame = frames_ + static_cast<std::int64_t>(batch_.size() / n_ions_);
    if (positions.size() != n_ions_)
        throw DataError(fmt::format("Frame {} has {} ions instead of {}. All frames must have the same ions",
                                    frame, positions.size(), n_ions_));
    for (std::size_t k = 0; k < n_ions_; ++k)
        if (!positions[k].allFinite())
            throw DataError(
                fmt::format("Frame {}: the position of ion {} is not a number. The trajectory is damaged "
                            "or the simulation exploded",
                            frame, k));
    batch_.insert(batch_.end(), positions.begin(), positions.end());
    if (batch_.size() >= points_per_batch) flush();
}

void DensityAccumulator::flush() {
    std::vector<std::uint32_t> voxel(batch_.size());
    for_blocks(batch_.size(), 4096, [&](std::size_t begin, std::size_t end) {
        for (std::size_t k = begin; k < end; ++k)
            voxel[k] = static_cast<std::uint32_t>(grid_.voxel_of(grid_.cell().to_fractional(batch_[k])));
    });
    for (std::size_t first = 0; first < voxel.size(); first += n_ions_) {
        if (frames_ == frames_per_part_ * static_cast<std::int64_t>(most_parts)) join_parts();
        const auto part = static_cast<std::size_t>(frames_ / frames_per_part_);
        if (part == parts_.size()) parts_.emplace_back(grid_.size(), 0);
        for (std::size_t k = 0; k < n_ions_; ++k) ++parts_[part][voxel[first + k]];
        ++frames_;
    }
    batch_.clear();
}

/// Neighbouring parts become one of twice the length.
void DensityAccumulator::join_parts() {
    for (std::size_t p = 0; p < most_parts / 2; ++p) {
        if (p > 0) parts_[p] = std::move(parts_[2 * p]);
        const std::vector<std::uint32_t>& second = parts_[2 * p + 1];
        for (std::size_t v = 0; v < second.size(); ++v) parts_[p][v] += second[v];
    }
    parts_.resize(most_parts / 2);
    frames_per_part_ *= 2;
}

VoxelCounts DensityAccumulator::finish() {
    flush();
    if (frames_ < 2)
        throw DataError(
            fmt::format("The density needs at least two frames, the trajectory has {}. Check its range of "
                        "frames",
                        frames_));
    const std::int64_t first_parts =
        std::max<std::int64_t>(1, (frames_ + frames_per_part_) / (2 * frames_per_part_));
    VoxelCounts result;
    result.frames = {first_parts * frames_per_part_, frames_ - first_parts * frames_per_part_};
    for (auto& counts : result.counts) counts.assign(grid_.size(), 0);
    for (std::size_t p = 0; p < parts_.size(); ++p) {
        std::vector<std::uint32_t>& sum = result.counts[static_cast<std::int64_t>(p) < first_parts ? 0 : 1];
        for (std::size_t v = 0; v < sum.size(); ++v) sum[v] += parts_[p][v];
        parts_[p] = {};
    }
    parts_.clear();
    frames_ = 0;
    frames_per_part_ = 1;
    return result;
}

std::vector<GridGaussian> gaussian_directions(const VoxelGrid& grid, double width) {
    const Mat3 voxel = grid.n().cast<double>().cwiseInverse().asDiagonal() * grid.axes().vectors();
    const Mat3 covariance = width * width * (voxel * voxel.transpose()).inverse(); // in steps of voxels
    // An obtuse superbase: vectors that sum to zero, with no positive product <b_i, C b_j>, i != j.
    std::array<IVec3, 4> b{IVec3::UnitX(), IVec3::UnitY(), IVec3::UnitZ(), IVec3(-1, -1, -1)};
    const auto product = [&](std::size_t i, std::size_t j) {
        return b[i].cast<double>().dot(covariance * b[j].cast<double>());
    };
    const double nothing = 1e-10 * covariance.trace();
    for (bool obtuse = false; !obtuse;) {
        obtuse = true;
        for (std::size_t i = 0; i < 4 && obtuse; ++i)
            for (std::size_t j = i + 1; j < 4 && obtuse; ++j) {
                if (product(i, j) <= nothing) continue;
                obtuse = false;
                std::array<IVec3, 4> next = b;
                for (std::size_t k = 0; k < 4; ++k) next[k] = k == i ? -b[i] : k == j ? b[j] : b[k] + b[i];
                b = next;
            }
    }
    std::vector<GridGaussian> directions;
    for (std::size_t i = 0; i < 4; ++i)
        for (std::size_t j = i + 1; j < 4; ++j) {
            std::array<std::size_t, 2> others{};
            std::size_t found = 0;
            for (std::size_t k = 0; k < 4; ++k)
                if (k != i && k != j) others[found++] = k;
            const double variance = -product(i, j);
            if (variance > nothing) directions.push_back({b[others[0]].cross(b[others[1]]), variance});
        }
    return directions;
}

std::vector<double> smoothed_density(const VoxelGrid& grid, std::span<const std::uint32_t> counts,
                                     std::int64_t frames, double width) {
    if (counts.size() != grid.size() || frames < 1)
        throw DataError(
            fmt::format("{} counts of {} frames do not fit a grid of {} voxels. Count the ions on this grid",
                        counts.size(), frames, grid.size()));
    if (!(width >= 0) || width > 0.5 * grid.axes().perpendicular_width().minCoeff())
        throw DataError(fmt::format(
            "The smoothing width {} A is negative or exceeds half the cell. Use 0.2 to 0.3 A", width));
    const double unit = 1 / (static_cast<double>(frames) * grid.voxel_volume());
    std::vector<double> density(counts.size());
    for (std::size_t v = 0; v < counts.size(); ++v) density[v] = unit * static_cast<double>(counts[v]);
    if (width == 0) return density;
    std::vector<double> other(density.size());
    for (const GridGaussian& g : gaussian_directions(grid, width)) {
        convolve(grid.n(), density, other, g.direction, discrete_gaussian(g.variance));
        density.swap(other);
    }
    return density;
}

} // namespace mesolith
