#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <tuple>

#include <Eigen/LU>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "mesolith/core/error.hpp"
#include "mesolith/sites/build_sites.hpp"

#include "folding.hpp"

namespace mesolith {

namespace {

constexpr double nearly_equal =
    1.02; // rms values within 2 % are equal: symmetry, up to the digits of the files
constexpr double nearly_zero = 1e-3; // [A]

bool contains(const std::vector<std::string>& list, const std::string& word) {
    return std::find(list.begin(), list.end(), word) != list.end();
}

std::vector<std::string> distinct(std::vector<std::string> list) {
    std::sort(list.begin(), list.end());
    list.erase(std::unique(list.begin(), list.end()), list.end());
    return list;
}

/// Atoms as the registration sees them: Cartesian positions and a number for the species.
struct Atoms {
    std::vector<Vec3> position;
    std::vector<int> kind;
    std::size_t size() const { return position.size(); }
};

/// The crystal in one of the orientations that fit.
struct Candidate {
    IMat3 repetition;
    bool improper = false;
    Atoms framework;                   // in the simulated cell
    std::vector<std::size_t> one_cell; // framework atoms of the first copy of the structure
    std::vector<Vec3> site_fractional;
    std::vector<std::size_t> site_atom; // atom of the structure that each site is a copy of
};

struct Registration {
    std::size_t candidate = 0;
    Vec3 shift = Vec3::Zero();
    double rms = std::numeric_limits<double>::infinity();
    double mobile_rms = 0;
    std::vector<std::size_t> match; // framework atom of the frame -> of the crystal
};

/// Lattice points of the small cell inside the large one, large = N small, as fractions of the large one.
std::vector<Vec3> cells_inside(const IMat3& repetition) {
    const Mat3 to_large = repetition.cast<double>().inverse().transpose();
    const IVec3 n = repetition.cwiseAbs().colwise().sum();
    std::vector<Vec3> cells;
    for (int i = 0; i < n[0]; ++i)
        for (int j = 0; j < n[1]; ++j)
            for (int k = 0; k < n[2]; ++k) cells.push_back(to_large * Vec3(i, j, k));
    return cells;
}

double nearest_distance2(const Cell& cell, const Vec3& position, int kind, const Atoms& atoms) {
    double best = std::numeric_limits<double>::infinity();
    for (std::size_t a = 0; a < atoms.size(); ++a)
        if (atoms.kind[a] == kind)
            best = std::min(best, cell.minimum_image(atoms.position[a] - position).squaredNorm());
    return best;
}

/// Each frame atom to a crystal atom of its own: the nearest one, and where two want the same, shorter pairs
/// first.
std::vector<std::size_t> match_one_to_one(const Cell& cell, const Atoms& frame, const Vec3& shift,
                                          const Atoms& crystal) {
    constexpr auto unmatched = std::numeric_limits<std::size_t>::max();
    std::vector<std::size_t> match(frame.size(), unmatched);
    std::vector<bool> taken(crystal.size(), false);
    bool unique = true;
    for (std::size_t f = 0; f < frame.size(); ++f) {
        double best = std::numeric_limits<double>::infinity();
        for (std::size_t c = 0; c < crystal.size(); ++c) {
            if (crystal.kind[c] != frame.kind[f]) continue;
            const double d2 =
                cell.minimum_image(crystal.position[c] - frame.position[f] - shift).squaredNorm();
            if (d2 < best) {
                best = d2;
                match[f] = c;
            }
        }
        unique = unique && !taken[match[f]];
        taken[match[f]] = true;
    }
    if (unique) return match;
    std::vector<std::tuple<double, std::size_t, std::size_t>> pairs;
    for (std::size_t f = 0; f < frame.size(); ++f)
        for (std::size_t c = 0; c < crystal.size(); ++c)
            if (crystal.kind[c] == frame.kind[f])
                pairs.emplace_back(
                    cell.minimum_image(crystal.position[c] - frame.position[f] - shift).squaredNorm(), f, c);
    std::sort(pairs.begin(), pairs.end());
    match.assign(frame.size(), unmatched);
    taken.assign(crystal.size(), false);
    for (const auto& [d2, f, c] : pairs) {
        if (match[f] != unmatched || taken[c]) continue;
        match[f] = c;
        taken[c] = true;
    }
    return match;
}

/// Move the shift to the mean of the matched distances until the match stays the same.
Registration refine(const Cell& cell, const Atoms& frame, const Atoms& crystal, std::size_t candidate,
                    const Vec3& start) {
    Registration r;
    r.candidate = candidate;
    r.shift = start;
    for (int iteration = 0; iteration < 20; ++iteration) {
        std::vector<std::size_t> match = match_one_to_one(cell, frame, r.shift, crystal);
        Vec3 mean = Vec3::Zero();
        for (std::size_t f = 0; f < frame.size(); ++f)
            mean += cell.minimum_image(crystal.position[match[f]] - frame.position[f] - r.shift);
        r.shift += mean / static_cast<double>(frame.size());
        const bool settled = match == r.match;
        r.match = std::move(match);
        if (settled) break;
    }
    double sum = 0;
    for (std::size_t f = 0; f < frame.size(); ++f)
        sum += cell.minimum_image(crystal.position[r.match[f]] - frame.position[f] - r.shift).squaredNorm();
    r.rms = std::sqrt(sum / static_cast<double>(frame.size()));
    return r;
}

void thin_out(std::vector<std::size_t>& list, std::size_t kept) {
    if (list.size() <= kept) return;
    for (std::size_t i = 0; i < kept; ++i) list[i] = list[i * list.size() / kept];
    list.resize(kept);
}

/// Shifts to start from, best first: those that bring one of a few frame atoms onto an atom of its kind in
/// one cell of the structure (the others are the same up to a translation of the crystal). Of shifts that
/// differ by no more than atoms tremble, one is kept.
///
/// @param best  smallest sum of squared distances so far, over all orientations; shifts far above it are
/// dropped
std::vector<Vec3> promising_shifts(const Cell& cell, const Atoms& frame, const Candidate& crystal,
                                   double& best) {
    constexpr std::size_t kept_shifts = 4;
    constexpr double tremble = 1.0; // [A]
    std::map<int, std::size_t> of_kind;
    for (const int kind : frame.kind) ++of_kind[kind];
    int rarest = frame.kind[0];
    for (const auto& [kind, count] : of_kind)
        if (count < of_kind[rarest]) rarest = kind;
    std::vector<std::size_t> anchors, probes(frame.size());
    for (std::size_t f = 0; f < frame.size(); ++f)
        if (frame.kind[f] == rarest) anchors.push_back(f);
    thin_out(anchors, 4); // one atom alone may have strayed from its place
    std::iota(probes.begin(), probes.end(), std::size_t{0});
    thin_out(probes, 48);

    std::vector<std::pair<double, Vec3>> scored;
    const auto score = [&](const Vec3& shift) {
        const double hopeless = 4 * best + 0.25 * tremble * tremble * static_cast<double>(probes.size());
        double sum = 0;
        for (const std::size_t f : probes) {
            sum += nearest_distance2(cell, frame.position[f] + shift, frame.kind[f], crystal.framework);
            if (sum > hopeless) return;
        }
        best = std::min(best, sum);
        scored.emplace_back(sum, shift);
    };
    score(Vec3::Zero());
    for (const std::size_t anchor : anchors)
        for (const std::size_t target : crystal.one_cell)
            if (crystal.framework.kind[target] == rarest)
                score(crystal.framework.position[target] - frame.position[anchor]);
    std::sort(scored.begin(), scored.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    const Cell structure_cell(crystal.repetition.cast<double>().inverse() * cell.vectors());
    std::vector<Vec3> shifts;
    for (const auto& [sum, shift] : scored) {
        const bool known = std::any_of(shifts.begin(), shifts.end(), [&, moved = shift](const Vec3& other) {
            return structure_cell.minimum_image(moved - other).norm() < tremble;
        });
        if (!known && shifts.size() < kept_shifts) shifts.push_back(shift);
    }
    return shifts;
}

double rms_to_sites(const Cell& cell, const std::vector<Vec3>& mobile, const Vec3& shift,
                    const Candidate& crystal) {
    if (mobile.empty()) return 0;
    Atoms sites;
    for (const Vec3& f : crystal.site_fractional) sites.position.push_back(cell.to_cartesian(f));
    sites.kind.assign(sites.position.size(), 0);
    std::vector<std::size_t> probes(mobile.size());
    std::iota(probes.begin(), probes.end(), std::size_t{0});
    thin_out(probes, 96);
    double sum = 0;
    for (const std::size_t i : probes) sum += nearest_distance2(cell, mobile[i] + shift, 0, sites);
    return std::sqrt(sum / static_cast<double>(probes.size()));
}

/// Those within 2 % of the smallest value, in the same order.
template <class Value>
std::vector<Registration> smallest(const std::vector<Registration>& list, Value&& value) {
    double least = std::numeric_limits<double>::infinity();
    for (const Registration& r : list) least = std::min(least, value(r));
    std::vector<Registration> kept;
    for (const Registration& r : list)
        if (value(r) <= least * nearly_equal + nearly_zero) kept.push_back(r);
    return kept;
}

std::string lengths_text(const Cell& cell) {
    const Vec3 l = cell.length();
    return fmt::format("{:.3f} x {:.3f} x {:.3f} A", l[0], l[1], l[2]);
}

InputError no_fit(const Structure& structure, const Cell& cell, const SiteOptions& options) {
    std::string closest = "no axes fit at all";
    if (const auto loose = match_cells(structure.cell, cell, 1e9, options.repetition); !loose.empty()) {
        const auto best =
            *std::min_element(loose.begin(), loose.end(),
                              [](const CellMatch& a, const CellMatch& b) { return a.strain < b.strain; });
        const IVec3 n = best.repetition.cwiseAbs().colwise().sum();
        closest = fmt::format("the closest repetition is {} x {} x {} with a mismatch of {:.1f} %", n[0],
                              n[1], n[2], 100 * best.strain);
    }
    return InputError(
        fmt::format("The site list does not fit the cell (structure {}, simulated cell {}; {}). Give the "
                    "structure that was simulated, or raise max_strain above it",
                    lengths_text(structure.cell), lengths_text(cell), closest));
}

void check_input(const Structure& structure, const std::vector<std::string>& frame_species,
                 const std::vector<Vec3>& frame_positions, const std::vector<std::string>& mobile,
                 const std::vector<std::string>& site_species) {
    if (frame_species.size() != frame_positions.size())
        throw DataError(fmt::format("The first frame has {} species for {} positions. Give one per atom",
                                    frame_species.size(), frame_positions.size()));
    for (std::size_t a = 0; a < frame_positions.size(); ++a)
        if (!frame_positions[a].allFinite())
            throw DataError(fmt::format(
                "The position of atom {} in the first frame is not finite. Check the trajectory", a));
    for (const std::string& species : mobile)
        if (!contains(frame_species, species))
            throw InputError(
                fmt::format("The mobile species {} is not in the trajectory (it has {}). Name one of these",
                            species, fmt::join(distinct(frame_species), ", ")));
    if (site_species.empty())
        throw InputError(
            "No species are named as sites (and no species as mobile). Name the species of the sites");
    for (const std::string& species : site_species)
        if (!contains(structure.species, species))
            throw InputError(
                fmt::format("The site species {} is not in the structure (it has {}). Name one of these",
                            species, fmt::join(distinct(structure.species), ", ")));
}

/// What the atoms of structure and frame are there for.
struct Roles {
    std::vector<std::size_t> site_atoms, framework_atoms; // of the structure
    Atoms framework;                                      // of the frame
    std::vector<std::string> framework_species;
    std::vector<Vec3> mobile;
    bool registered() const { return framework.size() > 0 && !framework_atoms.empty(); }
};

Roles assign_roles(const Structure& structure, const std::vector<std::string>& frame_species,
                   const std::vector<Vec3>& frame_positions, const std::vector<std::string>& mobile,
                   const std::vector<std::string>& site_species) {
    Roles roles;
    for (std::size_t a = 0; a < structure.size(); ++a) {
        if (contains(site_species, structure.species[a]))
            roles.site_atoms.push_back(a);
        else if (!contains(mobile, structure.species[a]))
            roles.framework_atoms.push_back(a);
    }
    for (std::size_t a = 0; a < frame_species.size(); ++a) {
        if (contains(mobile, frame_species[a])) {
            roles.mobile.push_back(frame_positions[a]);
        } else {
            roles.framework.position.push_back(frame_positions[a]);
            roles.framework_species.push_back(frame_species[a]);
        }
    }
    return roles;
}

std::size_t copies_in(const CellMatch& match) {
    return static_cast<std::size_t>(match.repetition.cwiseAbs().colwise().sum().prod());
}

/// Only matches with one number of framework atoms: the right one if it occurs, else that of the best match.
void keep_one_count(std::vector<CellMatch>& matches, const Roles& roles) {
    std::size_t copies = copies_in(matches[0]);
    for (const CellMatch& m : matches)
        if (copies_in(m) * roles.framework_atoms.size() == roles.framework.size()) copies = copies_in(m);
    matches.erase(std::remove_if(matches.begin(), matches.end(),
                                 [&](const CellMatch& m) { return copies_in(m) != copies; }),
                  matches.end());
}

/// A number for each framework species; none when frame and crystal disagree on which there are: all count as
/// one then.
std::map<std::string, int> framework_kinds(const Structure& structure, const Roles& roles, std::size_t copies,
                                           std::vector<std::string>& warnings) {
    const std::size_t expected = copies * roles.framework_atoms.size(), found = roles.framework.size();
    if (found > expected)
        throw InputError(
            fmt::format("The site list does not fit the cell (the first frame has {} framework atoms, the "
                        "tiled structure {}). Check the mobile species and the structure",
                        found, expected));
    std::map<std::string, std::size_t> in_frame, in_structure;
    for (const std::string& species : roles.framework_species) ++in_frame[species];
    for (const std::size_t a : roles.framework_atoms) ++in_structure[structure.species[a]];
    for (const auto& [species, count] : in_frame)
        if (count > copies * in_structure[species]) {
            warnings.push_back(
                "The framework of the first frame has other species than the structure: it was registered "
                "without regard to species. Check that the structure is the one that was simulated");
            return {};
        }
    if (found < expected)
        warnings.push_back(
            fmt::format("The first frame has {} framework atoms, the tiled structure {}. Check that the "
                        "structure is the one that was simulated",
                        found, expected));
    std::map<std::string, int> kinds;
    for (const auto& [species, count] : in_structure) kinds.emplace(species, static_cast<int>(kinds.size()));
    return kinds;
}

int kind_of(const std::map<std::string, int>& kinds, const std::string& species) {
    const auto found = kinds.find(species);
    return found == kinds.end() ? 0 : found->second;
}

Candidate orient(const Structure& structure, const Cell& cell, const Roles& roles,
                 const std::map<std::string, int>& kinds, const CellMatch& match) {
    Candidate c;
    c.repetition = match.repetition;
    const double handedness =
        match.repetition.cast<double>().determinant() * structure.cell.vectors().determinant();
    c.improper = handedness * cell.vectors().determinant() < 0;
    const Mat3 to_large = match.repetition.cast<double>().inverse().transpose();
    const std::vector<Vec3> cells = cells_inside(match.repetition);
    for (std::size_t k = 0; k < cells.size(); ++k) {
        for (const std::size_t a : roles.framework_atoms) {
            if (k == 0) c.one_cell.push_back(c.framework.size());
            c.framework.position.push_back(cell.to_cartesian(to_large * structure.fractional[a] + cells[k]));
            c.framework.kind.push_back(kind_of(kinds, structure.species[a]));
        }
        for (const std::size_t a : roles.site_atoms) {
            c.site_fractional.push_back(to_large * structure.fractional[a] + cells[k]);
            c.site_atom.push_back(a);
        }
    }
    return c;
}

/// Translations that leave the crystal as it is, in fractions of the simulated cell.
std::vector<Vec3> translations_of(const Candidate& crystal, const SpaceGroup& group) {
    const Mat3 to_large = crystal.repetition.cast<double>().inverse().transpose();
    std::vector<Vec3> translations;
    for (const Vec3& inside : cells_inside(crystal.repetition))
        for (const Vec3& t : group.translations) translations.push_back(to_large * t + inside);
    return translations;
}

/// The same placement with the smallest shift.
Registration with_shortest_shift(const Cell& cell, const Atoms& frame, const Candidate& crystal,
                                 const SpaceGroup& group, const Registration& r) {
    Vec3 shortest = r.shift;
    for (const Vec3& t : translations_of(crystal, group)) {
        const Vec3 other = cell.minimum_image(r.shift + cell.to_cartesian(t));
        if (other.norm() < shortest.norm() - 1e-6) shortest = other;
    }
    return refine(cell, frame, crystal.framework, r.candidate, shortest);
}

/// The orientation and shift that fit best; see place_sites for the order of preference.
Registration best_registration(const Cell& cell, const Roles& roles, const std::vector<Candidate>& candidates,
                               const SpaceGroup& group, std::vector<std::string>& warnings) {
    std::vector<Registration> tried;
    double best_score = std::numeric_limits<double>::infinity();
    for (std::size_t i = 0; i < candidates.size(); ++i) {
        if (roles.registered()) {
            for (const Vec3& shift : promising_shifts(cell, roles.framework, candidates[i], best_score))
                tried.push_back(refine(cell, roles.framework, candidates[i].framework, i, shift));
        } else {
            tried.emplace_back();
            tried.back().candidate = i;
            tried.back().rms = 0;
        }
    }
    const auto best_rms = [&](bool improper) {
        double best = std::numeric_limits<double>::infinity();
        for (const Registration& r : tried)
            if (candidates[r.candidate].improper == improper) best = std::min(best, r.rms);
        return best;
    };
    const bool mirrored = best_rms(true) < 0.5 * best_rms(false) - nearly_zero;
    const auto other_hand = [&](const Registration& r) {
        return candidates[r.candidate].improper != mirrored;
    };
    tried.erase(std::remove_if(tried.begin(), tried.end(), other_hand), tried.end());
    if (mirrored)
        warnings.push_back(
            "Only a mirror image of the structure fits the framework (an axis of the simulated cell is "
            "reversed). Check the cell and the structure");

    tried = smallest(tried, [](const Registration& r) { return r.rms; });
    for (Registration& r : tried)
        r.mobile_rms = rms_to_sites(cell, roles.mobile, r.shift, candidates[r.candidate]);
    tried = smallest(tried, [](const Registration& r) { return r.mobile_rms; });
    if (!roles.registered()) return tried.front();

    Registration chosen; // candidates stand in the order of preference
    chosen.candidate = tried.front().candidate;
    chosen.shift = Vec3::Constant(std::numeric_limits<double>::infinity());
    for (const Registration& r : tried) {
        if (r.candidate != chosen.candidate) continue;
        Registration shortest = with_shortest_shift(cell, roles.framework, candidates[r.candidate], group, r);
        if (shortest.shift.norm() < chosen.shift.norm()) chosen = std::move(shortest);
    }
    return chosen;
}

/// Mean distance of a framework atom of the crystal from the nearest other one.
double neighbour_distance(const Cell& cell, const Candidate& crystal) {
    double sum = 0;
    for (const std::size_t a : crystal.one_cell) {
        double nearest2 = std::numeric_limits<double>::infinity();
        for (std::size_t b = 0; b < crystal.framework.size(); ++b)
            if (a != b)
                nearest2 = std::min(nearest2, cell.minimum_image(crystal.framework.position[a] -
                                                                 crystal.framework.position[b])
                                                  .squaredNorm());
        sum += std::sqrt(nearest2);
    }
    return sum / static_cast<double>(crystal.one_cell.size());
}

SiteSet fold_crystal(const Structure& structure, const Cell& cell, const Candidate& crystal,
                     const SpaceGroup& group, const SiteOptions& options) {
    std::vector<std::int32_t> orbit;
    std::vector<std::string> species;
    for (const std::size_t a : crystal.site_atom) {
        orbit.push_back(group.orbit[a]);
        species.push_back(structure.species[a]);
    }
    IMat3 supercell = IMat3::Identity();
    switch (options.folding) {
    case Folding::primitive:
        supercell = detail::folded_axes(cell, translations_of(crystal, group), options.symmetry_tolerance);
        break;
    case Folding::structure:
        supercell = crystal.repetition.cwiseAbs().rowwise().sum().asDiagonal();
        break;
    case Folding::none:
        break;
    }
    SiteSet sites = detail::fold_onto(cell, crystal.site_fractional, orbit, species, supercell,
                                      options.symmetry_tolerance);
    sites.space_group = fmt::format("{} ({})", group.symbol, group.number);
    return sites;
}

} // namespace

SitePlacement place_sites(const Structure& structure, const Cell& cell,
                          const std::vector<std::string>& frame_species,
                          const std::vector<Vec3>& frame_positions, const std::vector<std::string>& mobile,
                          const SiteOptions& options) {
    const std::vector<std::string>& site_species = options.species.empty() ? mobile : options.species;
    check_input(structure, frame_species, frame_positions, mobile, site_species);
    SitePlacement placement;
    Roles roles = assign_roles(structure, frame_species, frame_positions, mobile, site_species);

    std::vector<CellMatch> matches =
        match_cells(structure.cell, cell, options.max_strain, options.repetition);
    if (matches.empty()) throw no_fit(structure, cell, options);
    std::map<std::string, int> kinds;
    if (roles.registered()) {
        keep_one_count(matches, roles);
        kinds = framework_kinds(structure, roles, copies_in(matches[0]), placement.warnings);
    }
    for (const std::string& species : roles.framework_species)
        roles.framework.kind.push_back(kind_of(kinds, species));
    std::vector<Candidate> candidates;
    for (const CellMatch& match : matches) candidates.push_back(orient(structure, cell, roles, kinds, match));

    const SpaceGroup group = find_space_group(structure, options.symmetry_tolerance);
    const Registration chosen = best_registration(cell, roles, candidates, group, placement.warnings);
    const Candidate& crystal = candidates[chosen.candidate];
    placement.offset = chosen.shift;
    placement.framework_rms = chosen.rms;
    placement.sites = fold_crystal(structure, cell, crystal, group, options);

    if (roles.registered()) {
        for (std::size_t f = 0; f < roles.framework.size(); ++f) {
            const Vec3 r = roles.framework.position[f] + chosen.shift;
            placement.framework.push_back(
                r + cell.minimum_image(crystal.framework.position[chosen.match[f]] - r));
        }
        const double neighbour = neighbour_distance(cell, crystal);
        if (chosen.rms > 0.25 * neighbour)
            placement.warnings.push_back(fmt::format("The framework of the first frame lies {:.2f} A (rms) "
                                                     "from the crystal, whose framework atoms are {:.2f} A "
                                                     "apart: it hardly looks like this structure. Check "
                                                     "structure and cell, or use averaged positions as sites",
                                                     chosen.rms, neighbour));
    } else {
        placement.warnings.push_back(
            "There is no framework to register the sites with: their origin is that of the "
            "structure file. Check the distances of ions to sites");
    }
    if (roles.mobile.size() > placement.sites.size())
        placement.warnings.push_back(
            fmt::format("There are more mobile ions ({}) than sites ({}). Check the site species",
                        roles.mobile.size(), placement.sites.size()));
    return placement;
}

SiteSet sites_from_positions(const Cell& cell, const std::vector<Vec3>& positions,
                             const std::vector<std::string>& framework_species,
                             const std::vector<Vec3>& framework_positions, const std::string& site_species,
                             const SiteOptions& options) {
    if (framework_species.size() != framework_positions.size())
        throw DataError(fmt::format("The framework has {} species for {} positions. Give one per atom",
                                    framework_species.size(), framework_positions.size()));
    if (positions.empty())
        throw DataError("There are no sites (the list is empty). Check the mobile species");
    // Sites are a kind of their own, also when the framework holds the same element.
    Structure structure{cell, std::vector<std::string>(positions.size(), "site " + site_species), {}};
    structure.species.insert(structure.species.end(), framework_species.begin(), framework_species.end());
    std::vector<Vec3> fractional;
    for (const Vec3& r : positions) fractional.push_back(cell.to_fractional(r));
    structure.fractional = fractional;
    for (const Vec3& r : framework_positions) structure.fractional.push_back(cell.to_fractional(r));

    const SpaceGroup group = find_space_group(structure, options.symmetry_tolerance);
    const std::vector<std::int32_t> orbit(
        group.orbit.begin(), group.orbit.begin() + static_cast<std::ptrdiff_t>(positions.size()));
    IMat3 supercell = IMat3::Identity();
    if (options.folding == Folding::primitive)
        supercell = detail::folded_axes(cell, group.translations, options.symmetry_tolerance);
    else if (options.folding == Folding::structure && options.repetition.minCoeff() > 0)
        supercell = options.repetition.asDiagonal();
    SiteSet sites =
        detail::fold_onto(cell, fractional, orbit, std::vector<std::string>(positions.size(), site_species),
                          supercell, options.symmetry_tolerance);
    sites.space_group = fmt::format("{} ({})", group.symbol, group.number);
    return sites;
}

} // namespace mesolith
