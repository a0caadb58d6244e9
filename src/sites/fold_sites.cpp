#include <array>
#include <cmath>
#include <cstdlib>
#include <map>
#include <numeric>
#include <set>
#include <tuple>

#include <Eigen/LU>
#include <fmt/format.h>

#include "mesolith/core/error.hpp"
#include "mesolith/sites/build_sites.hpp"

#include "folding.hpp"

namespace mesolith {

namespace {

using Row = std::array<std::int64_t, 3>;

/// The lattice of all integer combinations of rows, kept as an upper triangular basis.
class IntegerLattice {
public:
    explicit IntegerLattice(std::int64_t m) : rows_{Row{m, 0, 0}, Row{0, m, 0}, Row{0, 0, m}} {}

    void add(Row v) {
        for (std::size_t c = 0; c < 3; ++c)
            while (v[c] != 0) { // Euclid: ends with 0 here and the common divisor on the diagonal
                const std::int64_t q = rows_[c][c] / v[c];
                for (std::size_t k = 0; k < 3; ++k) rows_[c][k] -= q * v[k];
                std::swap(rows_[c], v);
            }
    }

    bool contains(Row v) const {
        for (std::size_t c = 0; c < 3; ++c) {
            if (v[c] % rows_[c][c] != 0) return false;
            const std::int64_t q = v[c] / rows_[c][c];
            for (std::size_t k = 0; k < 3; ++k) v[k] -= q * rows_[c][k];
        }
        return true;
    }

    std::int64_t volume() const { return std::abs(rows_[0][0] * rows_[1][1] * rows_[2][2]); }
    const std::array<Row, 3>& rows() const { return rows_; }

private:
    std::array<Row, 3> rows_;
};

double cosine(const Vec3& u, const Vec3& v) { return u.dot(v) / (u.norm() * v.norm()); }

/// Among all bases as short as the reduced one, the one whose vectors point best along the axes of the cell.
Mat3 best_aligned_basis(const Mat3& reduced, const Mat3& axes) {
    constexpr double same = 1e-6; // relative; lengths and scores closer than this are equal by symmetry
    std::vector<Vec3> candidates;
    const double longest = reduced.rowwise().norm().maxCoeff();
    for (int i = -1; i <= 1; ++i)
        for (int j = -1; j <= 1; ++j)
            for (int k = -1; k <= 1; ++k) {
                const Vec3 v = reduced.transpose() * Vec3(i, j, k);
                if ((i || j || k) && v.norm() <= longest * (1 + same)) candidates.push_back(v);
            }
    const double volume = std::abs(reduced.determinant()), lengths = reduced.rowwise().norm().sum();
    const bool right_handed = axes.determinant() > 0;
    Mat3 best = reduced;
    double best_score = -4;
    const auto later = [](const Mat3& a, const Mat3& b) { // a fixed choice among equal scores
        for (int e = 0; e < 9; ++e)
            if (std::abs(a(e / 3, e % 3) - b(e / 3, e % 3)) > 1e-6) return a(e / 3, e % 3) > b(e / 3, e % 3);
        return false;
    };
    for (const Vec3& u : candidates)
        for (const Vec3& v : candidates)
            for (const Vec3& w : candidates) {
                Mat3 basis;
                basis << u.transpose(), v.transpose(), w.transpose();
                const double determinant = basis.determinant();
                if ((determinant > 0) != right_handed ||
                    std::abs(std::abs(determinant) - volume) > same * volume)
                    continue;
                if (basis.rowwise().norm().sum() > lengths * (1 + same)) continue;
                const double score = cosine(u, axes.row(0)) + cosine(v, axes.row(1)) + cosine(w, axes.row(2));
                if (score > best_score + same || (score > best_score - same && later(basis, best))) {
                    best = basis;
                    best_score = std::max(best_score, score);
                }
            }
    return best;
}

} // namespace

namespace detail {

IMat3 folded_axes(const Cell& cell, const std::vector<Vec3>& translations, double tolerance) {
    const auto m = static_cast<std::int64_t>(translations.size());
    const auto no_group = [&](const std::string& why) {
        return DataError(
            fmt::format("The {} translations found do not form a group ({}). Change symmetry_tolerance, "
                        "or do not fold the sites",
                        m, why));
    };
    if (m == 0) throw no_group("the identity is missing");
    // m times a translation of a group of m translations is a lattice vector, so that all are fractions k /
    // m.
    IntegerLattice lattice(m);
    for (const Vec3& t : translations) {
        const Vec3 k = (static_cast<double>(m) * t).array().round();
        if (!t.allFinite() || cell.to_cartesian(t - k / static_cast<double>(m)).norm() > tolerance)
            throw no_group(
                fmt::format("({:.4f}, {:.4f}, {:.4f}) is not a multiple of 1/{}", t[0], t[1], t[2], m));
        lattice.add({std::llround(k[0]), std::llround(k[1]), std::llround(k[2])});
    }
    if (lattice.volume() != m * m)
        throw no_group(fmt::format("they generate {} translations", m * m * m / lattice.volume()));

    IVec3 divided; // largest k for which axis / k is a translation
    for (std::size_t axis = 0; axis < 3; ++axis) {
        Row v{0, 0, 0};
        do ++v[axis];
        while (!lattice.contains(v));
        divided[static_cast<Eigen::Index>(axis)] = static_cast<int>(m / v[axis]);
    }
    if (divided.cast<std::int64_t>().prod() == m) return divided.asDiagonal();

    Mat3 fractions;
    for (int i = 0; i < 3; ++i)
        for (int k = 0; k < 3; ++k)
            fractions(i, k) = static_cast<double>(
                                  lattice.rows()[static_cast<std::size_t>(i)][static_cast<std::size_t>(k)]) /
                              static_cast<double>(m);
    const Cell primitive(fractions * cell.vectors());
    const Mat3 folded =
        best_aligned_basis(primitive.reduction().cast<double>() * primitive.vectors(), cell.vectors());
    const Mat3 supercell = cell.vectors() * folded.inverse();
    return supercell.array().round().cast<int>();
}

SiteSet fold_onto(const Cell& cell, const std::vector<Vec3>& fractional,
                  const std::vector<std::int32_t>& orbit, const std::vector<std::string>& species,
                  const IMat3& supercell, double tolerance) {
    const std::size_t n = fractional.size();
    if (n == 0) throw DataError("There are no sites (the list is empty). Check the species of the site list");
    if (orbit.size() != n || species.size() != n)
        throw DataError(fmt::format("{} sites have {} orbits and {} names. Give one of each per site", n,
                                    orbit.size(), species.size()));

    const Mat3 N = supercell.cast<double>();
    const Mat3 N_inverse = N.inverse();
    const double determinant = N.determinant();
    const auto copies = static_cast<std::size_t>(std::llround(std::abs(determinant)));
    SiteSet sites;
    sites.cell = cell;
    sites.supercell = supercell;
    sites.basis.cell = supercell == IMat3::Identity() ? cell : Cell(N_inverse * cell.vectors());
    const Cell& small = sites.basis.cell;

    // Every site is a copy of the first one seen that lies a folded lattice vector away.
    std::vector<Vec3> first,
        sum; // fractional in the folded cell: of the first copy, sum over copies moved onto it
    std::vector<std::size_t> first_site;
    std::vector<std::vector<std::size_t>> copy_of;
    sites.base.resize(n);
    sites.offset.resize(n);
    for (std::size_t s = 0; s < n; ++s) {
        if (!fractional[s].allFinite())
            throw DataError(fmt::format("The position of site {} is not finite. Check the site list", s));
        const Vec3 u = N.transpose() * fractional[s];
        std::size_t nearest = first.size();
        double nearest_distance = 2 * tolerance; // two copies may lie on opposite sides of their mean
        IVec3 offset = IVec3::Zero();
        for (std::size_t b = 0; b < first.size(); ++b) {
            if (orbit[s] != orbit[first_site[b]] || species[s] != species[first_site[b]]) continue;
            const Vec3 between = small.to_cartesian(u - first[b]);
            const IVec3 shift = small.nearest_image_shift(between);
            const double distance = (between + small.to_cartesian(shift.cast<double>())).norm();
            if (distance >= nearest_distance) continue;
            nearest = b;
            nearest_distance = distance;
            offset = -shift;
        }
        if (nearest == first.size()) {
            first.push_back(u);
            sum.push_back(Vec3::Zero());
            first_site.push_back(s);
            copy_of.emplace_back();
        }
        sites.base[s] = SiteId(static_cast<std::int64_t>(nearest));
        sites.offset[s] = offset;
        sum[nearest] += u - offset.cast<double>();
        copy_of[nearest].push_back(s);
    }

    const IMat3 adjugate = (determinant * N_inverse).array().round().cast<int>();
    const int modulus = static_cast<int>(copies);
    for (std::size_t b = 0; b < first.size(); ++b) {
        std::set<std::array<int, 3>> cells; // offsets modulo the simulated cell
        for (const std::size_t s : copy_of[b]) {
            const IVec3 key = adjugate.transpose() * sites.offset[s];
            std::array<int, 3> cell_key{};
            for (int k = 0; k < 3; ++k)
                cell_key[static_cast<std::size_t>(k)] = ((key[k] % modulus) + modulus) % modulus;
            if (!cells.insert(cell_key).second)
                throw DataError(fmt::format(
                    "Site {} coincides with another one (closer than {} A). Remove one of the two", s,
                    2 * tolerance));
        }
        if (cells.size() != copies)
            throw DataError(fmt::format(
                "Site {} has {} of {} translated copies (the sites lack a translation of the folded "
                "cell within {} A). Change symmetry_tolerance, or do not fold the sites",
                first_site[b], cells.size(), copies, tolerance));
    }

    std::map<std::int32_t, std::int32_t> orbit_number;
    std::map<std::int32_t, int> seen;
    std::vector<Vec3> ideal(first.size());
    for (std::size_t b = 0; b < first.size(); ++b) {
        Vec3 u = sum[b] / static_cast<double>(copies);
        const Vec3 shift = (u.array() + 1e-9).floor(); // into the folded cell; 1 - 1e-12 counts as 0
        u -= shift;
        for (const std::size_t s : copy_of[b]) sites.offset[s] += shift.cast<int>();
        ideal[b] = u;
        sites.basis.positions.push_back(small.to_cartesian(u));
        const std::int32_t number =
            orbit_number.emplace(orbit[first_site[b]], static_cast<std::int32_t>(orbit_number.size()))
                .first->second;
        sites.basis.orbit.push_back(number);
        sites.basis.name.push_back(
            fmt::format("{}{}.{}", species[first_site[b]], number + 1, ++seen[number]));
    }
    sites.fractional.resize(n);
    for (std::size_t s = 0; s < n; ++s) {
        const Vec3 u = ideal[sites.base[s].at()] + sites.offset[s].cast<double>();
        const Vec3 moved = u - N.transpose() * fractional[s];
        if (small.to_cartesian(moved).norm() > tolerance)
            throw DataError(
                fmt::format("Site {} lies {:.3f} A from the mean of its copies (more than {} A). Change "
                            "symmetry_tolerance, or do not fold the sites",
                            s, small.to_cartesian(moved).norm(), tolerance));
        Vec3 f = N_inverse.transpose() * u;
        const Vec3 whole = (f.array() + 1e-12).floor();
        f = (f - whole).cwiseMax(0.0); // -1e-13 is 0: the range [0, 1) matters more than the last bit
        sites.fractional[s] = f;
        sites.offset[s] -= supercell.transpose() * whole.cast<int>();
    }
    return sites;
}

} // namespace detail

SiteSet fold_sites(const Cell& cell, const std::vector<Vec3>& fractional,
                   const std::vector<std::int32_t>& orbit, const std::string& site_species,
                   const std::vector<Vec3>& translations, double tolerance) {
    return detail::fold_onto(cell, fractional, orbit,
                             std::vector<std::string>(fractional.size(), site_species),
                             detail::folded_axes(cell, translations, tolerance), tolerance);
}

} // namespace mesolith
