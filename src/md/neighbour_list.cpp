#include "mesolith/md/neighbour_list.hpp"

#include <algorithm>
#include <cmath>
#include <tuple>

#include <fmt/format.h>

#include "mesolith/core/error.hpp"

namespace mesolith {
namespace {

constexpr double too_near = 1e-6; // [A]

/// Atoms sorted into boxes of the cell, at least `width` across.
class Boxes {
public:
    Boxes(const Cell& cell, std::span<const Vec3> positions, double width) : cell_(cell) {
        const Vec3 across = cell.perpendicular_width();
        for (int k = 0; k < 3; ++k) {
            n_[k] = std::clamp(static_cast<int>(across[k] / width), 1, 128);
            // Boxes to look through on each side: their faces are across / n apart.
            reach_[k] = static_cast<int>(std::ceil(width * n_[k] / across[k]));
        }
        first_.assign(static_cast<std::size_t>(n_.prod()) + 1, 0);
        std::vector<std::size_t> box;
        for (const Vec3& r : positions) {
            const Vec3 f = cell.to_fractional(r);
            const Vec3 whole = f.array().floor();
            wrap_.push_back(whole.cast<int>());
            IVec3 at;
            for (int k = 0; k < 3; ++k)
                at[k] = std::min(static_cast<int>((f[k] - whole[k]) * n_[k]), n_[k] - 1);
            at_.push_back(at);
            box.push_back(index(at));
            ++first_[box.back() + 1];
        }
        for (std::size_t b = 1; b < first_.size(); ++b) first_[b] += first_[b - 1];
        atoms_.resize(positions.size());
        std::vector<std::size_t> next(first_.begin(), first_.end() - 1);
        for (std::size_t i = 0; i < positions.size(); ++i)
            atoms_[next[box[i]]++] = static_cast<std::uint32_t>(i);
    }

    /// f(atom, shift) for all atoms near atom i, shifts as between the positions given.
    template <class F>
    void near(std::size_t i, F&& f) const {
        IVec3 step;
        for (step[0] = -reach_[0]; step[0] <= reach_[0]; ++step[0])
            for (step[1] = -reach_[1]; step[1] <= reach_[1]; ++step[1])
                for (step[2] = -reach_[2]; step[2] <= reach_[2]; ++step[2]) {
                    IVec3 at = at_[i] + step, image;
                    for (int k = 0; k < 3; ++k) {
                        image[k] = (at[k] >= 0 ? at[k] : at[k] - n_[k] + 1) / n_[k];
                        at[k] -= image[k] * n_[k];
                    }
                    const std::size_t b = index(at);
                    for (std::size_t q = first_[b]; q < first_[b + 1]; ++q)
                        f(atoms_[q], IVec3(image + wrap_[i] - wrap_[atoms_[q]]));
                }
    }

private:
    std::size_t index(const IVec3& at) const {
        return static_cast<std::size_t>((at[0] * n_[1] + at[1]) * n_[2] + at[2]);
    }
    const Cell& cell_;
    IVec3 n_, reach_;
    std::vector<IVec3> wrap_, at_; // cell and box of each atom
    std::vector<std::size_t> first_;
    std::vector<std::uint32_t> atoms_;
};

} // namespace

NeighbourList::NeighbourList(double cutoff, double skin) : cutoff_(cutoff), skin_(skin) {
    if (!(cutoff > 0) || !std::isfinite(cutoff))
        throw DataError(fmt::format("a neighbour list needs a cutoff above 0, got {} A", cutoff));
    if (!(skin >= 0) || !std::isfinite(skin))
        throw DataError(fmt::format("the skin of a neighbour list cannot be {} A", skin));
}

void NeighbourList::search(const Cell& cell, std::span<const Vec3> positions) {
    const double reach = cutoff_ + skin_, reach2 = reach * reach;
    candidates_.clear();
    candidate_first_.assign(1, 0);
    const Boxes boxes(cell, positions, reach);
    for (std::size_t i = 0; i < positions.size(); ++i) {
        const auto begin = static_cast<std::ptrdiff_t>(candidates_.size());
        boxes.near(i, [&](std::uint32_t j, const IVec3& shift) {
            if (j == i && shift.isZero()) return;
            const Vec3 offset = cell.to_cartesian(shift.cast<double>());
            if ((positions[j] + offset - positions[i]).squaredNorm() < reach2)
                candidates_.push_back({j, shift, offset});
        });
        std::sort(candidates_.begin() + begin, candidates_.end(), [](const Candidate& a, const Candidate& b) {
            return std::tie(a.atom, a.shift[0], a.shift[1], a.shift[2]) <
                   std::tie(b.atom, b.shift[0], b.shift[1], b.shift[2]);
        });
        candidate_first_.push_back(candidates_.size());
    }
    cell_ = cell;
    searched_.assign(positions.begin(), positions.end());
    ++n_searches_;
}

void NeighbourList::update(const Cell& cell, std::span<const Vec3> positions) {
    bool kept = n_searches_ > 0 && positions.size() == searched_.size() && cell == cell_;
    const double far2 = 0.25 * skin_ * skin_;
    for (std::size_t i = 0; i < positions.size(); ++i) {
        if (!positions[i].allFinite())
            throw DataError(fmt::format("the position of atom {} is not finite", i));
        // The comparison is also false for what overflowed.
        if (kept && !((positions[i] - searched_[i]).squaredNorm() <= far2)) kept = false;
    }
    if (!kept) search(cell, positions);

    const double cutoff2 = cutoff_ * cutoff_;
    neighbours_.clear();
    first_.assign(1, 0);
    for (std::size_t i = 0; i < positions.size(); ++i) {
        for (std::size_t q = candidate_first_[i]; q < candidate_first_[i + 1]; ++q) {
            const Candidate& c = candidates_[q];
            const Vec3 vector = positions[c.atom] + c.offset - positions[i];
            const double distance2 = vector.squaredNorm();
            if (!(distance2 < cutoff2)) continue;
            const double distance = std::sqrt(distance2);
            if (distance < too_near)
                throw DataError(
                    fmt::format("atoms {} and {} lie on each other ({:.3g} A apart)", i, c.atom, distance));
            neighbours_.push_back({c.atom, c.shift, vector, distance});
        }
        first_.push_back(neighbours_.size());
    }
}

} // namespace mesolith
