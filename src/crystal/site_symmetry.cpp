#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include <fmt/format.h>

#include "mesolith/core/error.hpp"
#include "mesolith/crystal/symmetry.hpp"

namespace mesolith {

namespace {

constexpr const char* advice = "Change symmetry_tolerance, or pool over translations only";

/// Atoms of one kind on one place of the folded cell.
struct Place {
    std::string species;
    Vec3 first, sum; // fractional; copies are moved next to the first
    int copies = 1;
};

/// The framework of the simulated cell folded onto the basis cell, the mean of the copies on each place.
void add_framework(Structure& crystal, const std::vector<std::string>& species,
                   const std::vector<Vec3>& positions, double tolerance) {
    if (species.size() != positions.size())
        throw DataError(fmt::format("{} framework atoms have {} species", positions.size(), species.size()));
    std::vector<Place> places;
    for (std::size_t k = 0; k < positions.size(); ++k) {
        const Vec3 f = crystal.cell.to_fractional(positions[k]);
        const auto moved_next_to = [&](const Place& p) -> Vec3 {
            return f +
                   crystal.cell.nearest_image_shift(crystal.cell.to_cartesian(f - p.first)).cast<double>();
        };
        const auto same = std::find_if(places.begin(), places.end(), [&](const Place& p) {
            return p.species == species[k] &&
                   crystal.cell.to_cartesian(moved_next_to(p) - p.first).norm() <= 2 * tolerance;
        });
        if (same == places.end()) {
            places.push_back({species[k], f, f});
        } else {
            same->sum += moved_next_to(*same);
            ++same->copies;
        }
    }
    for (const Place& p : places) {
        if (p.copies != places.front().copies)
            throw DataError(fmt::format("The framework does not repeat with the folded cell: one {} has {} "
                                        "copies within {} A, another {}. {}",
                                        p.species, p.copies, tolerance, places.front().copies, advice));
        crystal.species.push_back(p.species);
        crystal.fractional.push_back(p.sum / p.copies);
    }
}

/// Where one operation takes the sites. `shift` may be as inaccurate as the positions: the mean miss is taken
/// off.
SiteOperation action_on_sites(const Structure& crystal, const std::vector<std::int32_t>& orbit,
                              const IMat3& rotation, const Vec3& shift, double tolerance) {
    const std::size_t n = orbit.size();
    SiteOperation op;
    op.rotation = rotation;
    std::vector<Vec3> miss(n); // Cartesian
    std::vector<char> taken(n, 0);
    bool one_to_one = true;
    Vec3 mean = Vec3::Zero();
    for (std::size_t j = 0; j < n; ++j) {
        const Vec3 moved = rotation.cast<double>() * crystal.fractional[j] + shift;
        double nearest = std::numeric_limits<double>::infinity();
        std::size_t target = 0;
        IVec3 cell = IVec3::Zero();
        for (std::size_t i = 0; i < n; ++i) {
            if (orbit[i] != orbit[j]) continue;
            const Vec3 apart = crystal.cell.to_cartesian(moved - crystal.fractional[i]);
            const IVec3 image = crystal.cell.nearest_image_shift(apart);
            const Vec3 d = apart + crystal.cell.to_cartesian(image.cast<double>());
            if (d.norm() >= nearest) continue;
            nearest = d.norm();
            target = i;
            cell = -image;
            miss[j] = d;
        }
        one_to_one = one_to_one && !taken[target];
        taken[target] = 1;
        mean += miss[j] / static_cast<double>(n);
        op.image.push_back(static_cast<std::int32_t>(target));
        op.cell.push_back(cell);
    }
    double worst = 0;
    for (const Vec3& d : miss) worst = std::max(worst, (d - mean).norm());
    if (!one_to_one || worst > 2 * tolerance)
        throw DataError(fmt::format("A symmetry operation moves a site {:.3f} A away from all sites of its "
                                    "orbit (tolerance {} A). {}",
                                    worst, tolerance, advice));
    const IVec3 common = op.cell.front();
    for (IVec3& c : op.cell) c -= common;
    return op;
}

using Key = std::vector<std::int32_t>;

Key key_of(const SiteOperation& op) {
    Key key(op.rotation.data(), op.rotation.data() + 9);
    key.insert(key.end(), op.image.begin(), op.image.end());
    for (const IVec3& c : op.cell) key.insert(key.end(), c.data(), c.data() + 3);
    return key;
}

/// First `a`, then `b`.
SiteOperation after(const SiteOperation& b, const SiteOperation& a) {
    SiteOperation both;
    both.rotation = b.rotation * a.rotation;
    for (std::size_t j = 0; j < a.image.size(); ++j) {
        const auto at = static_cast<std::size_t>(a.image[j]);
        both.image.push_back(b.image[at]);
        both.cell.push_back(b.rotation * a.cell[j] + b.cell[at]);
    }
    const IVec3 common = both.cell.front();
    for (IVec3& c : both.cell) c -= common;
    return both;
}

/// A finite set is a group when it is closed under each of some elements that generate it.
void expect_group(const std::vector<SiteOperation>& operations) {
    std::set<Key> all, reached;
    for (const SiteOperation& op : operations) all.insert(key_of(op));
    std::vector<SiteOperation> generators, found;
    for (const SiteOperation& candidate : operations) {
        if (!reached.empty() && reached.count(key_of(candidate)) > 0) continue;
        generators.push_back(candidate);
        found = {candidate};
        reached = {key_of(candidate)};
        for (std::size_t k = 0; k < found.size(); ++k)
            for (const SiteOperation& g : generators) {
                SiteOperation next = after(g, found[k]);
                Key key = key_of(next);
                if (all.count(key) == 0)
                    throw DataError(fmt::format("The {} symmetry operations of the sites form no group. {}",
                                                operations.size(), advice));
                if (reached.insert(std::move(key)).second) found.push_back(std::move(next));
            }
    }
}

} // namespace

std::vector<SiteOperation> site_symmetry(const SiteBasis& basis,
                                         const std::vector<std::string>& framework_species,
                                         const std::vector<Vec3>& framework_positions, double tolerance) {
    if (!(tolerance > 0)) throw DataError("The tolerance of a symmetry search must be positive");
    if (basis.orbit.size() != basis.size())
        throw DataError(fmt::format("{} sites have {} orbits", basis.size(), basis.orbit.size()));
    Structure crystal;
    crystal.cell = basis.cell;
    for (std::size_t j = 0; j < basis.size(); ++j) {
        crystal.fractional.push_back(basis.cell.to_fractional(basis.positions[j]));
        crystal.species.push_back(fmt::format("site of orbit {}", basis.orbit[j])); // no name of an element
    }
    add_framework(crystal, framework_species, framework_positions, tolerance);
    const SpaceGroup group = find_space_group(crystal, tolerance);

    std::vector<SiteOperation> operations;
    std::set<Key> known;
    for (std::size_t k = 0; k < group.rotations.size(); ++k) {
        SiteOperation op =
            action_on_sites(crystal, basis.orbit, group.rotations[k], group.shifts[k], tolerance);
        if (known.insert(key_of(op)).second) operations.push_back(std::move(op));
    }
    const auto is_identity = [](const SiteOperation& op) {
        bool same = op.rotation == IMat3::Identity();
        for (std::size_t j = 0; j < op.image.size(); ++j)
            same = same && op.image[j] == static_cast<std::int32_t>(j) && op.cell[j].isZero();
        return same;
    };
    std::stable_partition(operations.begin(), operations.end(), is_identity);
    expect_group(operations);
    return operations;
}

} // namespace mesolith
