#include "mesolith/md/neighbour_list.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <tuple>

#include <fmt/format.h>

#include "mesolith/core/error.hpp"

namespace mesolith {

namespace {

constexpr double nearest_allowed = 1e-6; // [A]
constexpr double farthest_cell = 1e6;    // beyond it positions lose the digits that forces need
constexpr double most_neighbours =
    100'000; // per atom on average: 30 A in the densest crystals hold a quarter

/// Atom `to` + `shift` cells, as seen from the atom whose turn it was.
struct Found {
    std::uint32_t to;
    IVec3 shift;
};

/// Atoms sorted into bins of a Minkowski-reduced cell: few images of it reach any sphere.
struct Bins {
    Mat3 rows;                             // of the reduced cell
    std::array<int, 3> count{}, stencil{}; // bins along each axis; how many beside its own an atom may reach
    std::vector<IVec3> wrap;               // [N] reduced cells to take off to come inside
    std::vector<std::array<int, 3>> bin;   // [N]
    std::vector<std::size_t> first;        // [bins + 1] into `atom`
    std::vector<std::uint32_t> atom;       // by bin, then ascending
    std::vector<Vec3> inside;              // wrapped positions, in the order of `atom`
    std::vector<Vec3> inside_of;           // [N] the same in the order of atoms

    std::size_t index(const std::array<int, 3>& b) const {
        return static_cast<std::size_t>((static_cast<std::int64_t>(b[0]) * count[1] + b[1]) * count[2] +
                                        b[2]);
    }
};

Bins sort_into_bins(const Cell& reduced, std::span<const Vec3> positions, double reach) {
    Bins bins;
    bins.rows = reduced.vectors();
    const Vec3 width = reduced.perpendicular_width();
    // Bins of half the reach: fewer atoms to look at than with whole ones. No more bins than a few per atom.
    std::array<double, 3> count{};
    for (int a = 0; a < 3; ++a)
        count[static_cast<std::size_t>(a)] = std::max(1.0, std::floor(width[a] / (0.50001 * reach)));
    const double most = 8.0 * static_cast<double>(positions.size()) + 64;
    while (count[0] * count[1] * count[2] > most) {
        double& largest = *std::max_element(count.begin(), count.end());
        largest = std::ceil(largest / 2);
    }
    for (std::size_t a = 0; a < 3; ++a) {
        bins.count[a] = static_cast<int>(count[a]);
        bins.stencil[a] =
            static_cast<int>(std::ceil(reach * count[a] / width[static_cast<Eigen::Index>(a)] + 1e-6));
    }

    const std::size_t n = positions.size();
    bins.wrap.resize(n);
    bins.bin.resize(n);
    bins.inside_of.resize(n);
    bins.first.assign(static_cast<std::size_t>(count[0] * count[1] * count[2]) + 1, 0);
    for (std::size_t i = 0; i < n; ++i) {
        Vec3 f = reduced.to_fractional(positions[i]);
        for (int a = 0; a < 3; ++a) {
            const double whole = std::floor(f[a]);
            bins.wrap[i][a] = static_cast<int>(whole);
            f[a] -= whole;
            const int m = bins.count[static_cast<std::size_t>(a)];
            bins.bin[i][static_cast<std::size_t>(a)] = std::min(static_cast<int>(f[a] * m), m - 1);
        }
        bins.inside_of[i] = reduced.to_cartesian(f);
        ++bins.first[bins.index(bins.bin[i]) + 1];
    }
    std::partial_sum(bins.first.begin(), bins.first.end(), bins.first.begin());
    std::vector<std::size_t> next(bins.first.begin(), bins.first.end() - 1);
    bins.atom.resize(n);
    bins.inside.resize(n);
    for (std::size_t i = 0; i < n; ++i) {
        const std::size_t place = next[bins.index(bins.bin[i])]++;
        bins.atom[place] = static_cast<std::uint32_t>(i);
        bins.inside[place] = bins.inside_of[i];
    }
    return bins;
}

int floor_divide(int a, int b) { return a / b - (a % b < 0 ? 1 : 0); }

/// Call visit(j, n, distance^2) for all atoms j + n reduced cells, counted from the wrapped positions, within
/// reach of atom i.
template <class Visit>
void visit_around(const Bins& bins, std::size_t i, double reach2, Visit&& visit) {
    const auto [b0, b1, b2] = bins.bin[i];
    const auto [m0, m1, m2] = bins.count;
    const auto [s0, s1, s2] = bins.stencil;
    for (int t0 = b0 - s0; t0 <= b0 + s0; ++t0)
        for (int t1 = b1 - s1; t1 <= b1 + s1; ++t1) {
            const int q0 = floor_divide(t0, m0), q1 = floor_divide(t1, m1);
            // Bins along the last axis lie one after the other in memory: one run for each image.
            const int last = floor_divide(b2 + s2, m2);
            for (int q2 = floor_divide(b2 - s2, m2); q2 <= last; ++q2) {
                const int low = std::max(b2 - s2 - q2 * m2, 0), high = std::min(b2 + s2 - q2 * m2, m2 - 1);
                const std::size_t begin = bins.first[bins.index({t0 - q0 * m0, t1 - q1 * m1, low})];
                const std::size_t end = bins.first[bins.index({t0 - q0 * m0, t1 - q1 * m1, high}) + 1];
                const IVec3 n(q0, q1, q2);
                const Vec3 to_image = bins.rows.transpose() * n.cast<double>() - bins.inside_of[i];
                for (std::size_t k = begin; k < end; ++k)
                    if ((bins.inside[k] + to_image).squaredNorm() < reach2) visit(bins.atom[k], n);
            }
        }
}

} // namespace

NeighbourList::NeighbourList(double cutoff, double skin) : cutoff_(cutoff), skin_(skin) {
    if (!(cutoff > nearest_allowed) || !std::isfinite(cutoff))
        throw DataError(
            fmt::format("A cutoff of {} A (it must be positive). Choose the range of the forces", cutoff));
    if (!(skin >= 0) || !std::isfinite(skin))
        throw DataError(
            fmt::format("A neighbour skin of {} A (it must not be negative). Choose about 1 A", skin));
}

void NeighbourList::update(const Cell& cell, std::span<const Vec3> positions) {
    try {
        if (!search_holds(cell, positions)) search(cell, positions);
        filter(positions);
    } catch (...) {
        searched_.clear();
        candidate_first_.assign(1, 0);
        first_.assign(1, 0);
        throw;
    }
}

bool NeighbourList::search_holds(const Cell& cell, std::span<const Vec3> positions) const {
    if (searched_.size() != positions.size() || !(cell_ == cell)) return false;
    const double limit = 0.25 * skin_ * skin_;
    bool holds = true; // no branch per atom; false for NaN
    for (std::size_t i = 0; i < positions.size(); ++i)
        holds &= (positions[i] - searched_[i]).squaredNorm() <= limit;
    return holds;
}

void NeighbourList::search(const Cell& cell, std::span<const Vec3> positions) {
    const std::size_t n = positions.size();
    const Cell reduced(cell.reduction().cast<double>() * cell.vectors());
    double farthest = 0; // coordinate
    for (std::size_t i = 0; i < n; ++i) {
        if (!positions[i].allFinite())
            throw DataError(fmt::format("The position of atom {} is not finite (NaN or infinity). Check the "
                                        "structure; in a run, take a shorter time step",
                                        i));
        const double cells = std::max(cell.to_fractional(positions[i]).cwiseAbs().maxCoeff(),
                                      reduced.to_fractional(positions[i]).cwiseAbs().maxCoeff());
        if (!(cells < farthest_cell))
            throw DataError(
                fmt::format("Atom {} is over a million cells away (its position has lost its digits, "
                            "or the run has exploded). Wrap the positions, or take a shorter time "
                            "step",
                            i));
        farthest = std::max(farthest, positions[i].cwiseAbs().maxCoeff());
    }
    // Wider by more than rounding: no neighbour may be missed, candidates too many do no harm.
    const double reach = (cutoff_ + skin_) * (1 + 1e-9) + 1e-13 * farthest;
    const double in_sphere = static_cast<double>(n) * 4.18879 * reach * reach * reach / cell.volume();
    const double on_line =
        2 * reach / reduced.length().minCoeff(); // images of one atom along the shortest axis
    const double expected = std::max(in_sphere, on_line);
    if (expected > most_neighbours)
        throw DataError(
            fmt::format("Each atom has some {:.2g} neighbours (a cutoff of {} A and {} atoms in a cell of "
                        "{:.3g} A^3). Check the unit of the cell, or take a shorter cutoff",
                        expected, cutoff_, n, cell.volume()));

    searched_.clear(); // what is there does not hold any more
    const Bins bins = sort_into_bins(reduced, positions, reach);
    const IMat3 to_given = cell.reduction().transpose(); // from shifts in the reduced cell
    std::vector<Found> found;
    found.reserve(static_cast<std::size_t>(1.2 * static_cast<double>(n) * in_sphere));
    std::vector<std::size_t> found_first{0};
    found_first.reserve(n + 1);
    candidate_first_.assign(n + 1, 0);
    for (std::size_t i = 0; i < n; ++i) {
        visit_around(bins, i, reach * reach, [&](std::uint32_t j, const IVec3& image) {
            if (j == i && image.isZero()) return;
            found.push_back({j, to_given * (image + bins.wrap[i] - bins.wrap[j])});
            ++candidate_first_[j + 1];
        });
        found_first.push_back(found.size());
    }
    std::partial_sum(candidate_first_.begin(), candidate_first_.end(), candidate_first_.begin());

    // Each pair was found from both ends. Written at the other end, the atoms of every list come in ascending
    // order by themselves; only several images of one atom remain to be sorted.
    candidates_.resize(found.size());
    std::vector<std::size_t> next(candidate_first_.begin(), candidate_first_.end() - 1);
    for (std::size_t i = 0; i < n; ++i)
        for (std::size_t k = found_first[i]; k < found_first[i + 1]; ++k) {
            Candidate& c = candidates_[next[found[k].to]++];
            c.atom = static_cast<std::uint32_t>(i);
            c.shift = -found[k].shift;
            c.offset = cell.to_cartesian(c.shift.cast<double>());
        }
    for (std::size_t i = 0; i < n; ++i)
        for (std::size_t begin = candidate_first_[i], end = begin; begin < candidate_first_[i + 1];
             begin = end) {
            while (end < candidate_first_[i + 1] && candidates_[end].atom == candidates_[begin].atom) ++end;
            if (end - begin == 1) continue;
            std::sort(candidates_.begin() + static_cast<std::ptrdiff_t>(begin),
                      candidates_.begin() + static_cast<std::ptrdiff_t>(end),
                      [](const Candidate& a, const Candidate& b) {
                          return std::tie(a.shift[0], a.shift[1], a.shift[2]) <
                                 std::tie(b.shift[0], b.shift[1], b.shift[2]);
                      });
        }
    if (neighbours_.size() < candidates_.size() + 1) neighbours_.resize(candidates_.size() + 1);
    cell_ = cell;
    searched_.assign(positions.begin(), positions.end());
    ++n_searches_;
}

void NeighbourList::filter(std::span<const Vec3> positions) {
    const std::size_t n = positions.size();
    first_.resize(n + 1);
    first_[0] = 0;
    double nearest = std::numeric_limits<double>::infinity();
    Neighbour* out = neighbours_.data();
    for (std::size_t i = 0; i < n; ++i) {
        const Vec3 origin = positions[i];
        const Candidate* const end = candidates_.data() + candidate_first_[i + 1];
        for (const Candidate* c = candidates_.data() + candidate_first_[i]; c != end; ++c) {
            // In this order the two directions of a pair are exactly opposite, and far positions lose least.
            const Vec3 vector = positions[c->atom] - origin + c->offset;
            const double distance = std::sqrt(vector.squaredNorm());
            out->atom = c->atom; // written in any case, kept by moving on: no branch to mispredict
            out->shift = c->shift;
            out->vector = vector;
            out->distance = distance;
            out += distance < cutoff_;
            nearest = std::min(nearest, distance);
        }
        first_[i + 1] = static_cast<std::size_t>(out - neighbours_.data());
    }
    if (nearest < nearest_allowed) refuse_collision();
}

void NeighbourList::refuse_collision() const {
    for (std::size_t i = 0; i < n_atoms(); ++i)
        for (const Neighbour& neighbour : of(i))
            if (neighbour.distance < nearest_allowed)
                throw DataError(
                    fmt::format("Atoms {} and {} lie on each other ({:.2g} A apart). Check the structure "
                                "for doubled atoms",
                                i, neighbour.atom, neighbour.distance));
}

} // namespace mesolith
