#include "mesolith/crystal/symmetry.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <memory>
#include <mutex>
#include <tuple>

#include <Eigen/LU>
#include <fmt/format.h>
#include <spglib.h>

#include "mesolith/core/error.hpp"

namespace mesolith {

namespace {

struct FreeDataset {
    void operator()(SpglibDataset* dataset) const { spg_free_dataset(dataset); }
};

double angle(const Vec3& u, const Vec3& v) {
    return std::acos(std::clamp(u.dot(v) / (u.norm() * v.norm()), -1.0, 1.0));
}

} // namespace

SpaceGroup find_space_group(const Structure& structure, double tolerance) {
    if (structure.size() == 0)
        throw DataError("A structure without atoms has no symmetry. Check the structure file");
    for (const Vec3& f : structure.fractional)
        if (!f.allFinite()) throw DataError("An atom position is not finite. Check the structure file");

    // spglib takes lattice vectors as columns, and right-handed only: in a left-handed cell the first two
    // axes swap.
    const bool swapped = structure.cell.vectors().determinant() < 0;
    const std::array<int, 3> axis = swapped ? std::array<int, 3>{1, 0, 2} : std::array<int, 3>{0, 1, 2};
    double lattice[3][3];
    for (int column = 0; column < 3; ++column)
        for (int xyz = 0; xyz < 3; ++xyz)
            lattice[xyz][column] = structure.cell.vectors()(axis[static_cast<std::size_t>(column)], xyz);

    const std::size_t n = structure.size();
    std::map<std::string, int> type_of;
    std::vector<int> types(n);
    const auto positions = std::make_unique<double[][3]>(n);
    for (std::size_t i = 0; i < n; ++i) {
        types[i] = type_of.emplace(structure.species[i], static_cast<int>(type_of.size()) + 1).first->second;
        for (int k = 0; k < 3; ++k)
            positions[i][k] = structure.fractional[i][axis[static_cast<std::size_t>(k)]];
    }

    static std::mutex spglib_mutex; // spglib keeps its error code in a global
    const std::lock_guard lock(spglib_mutex);
    const std::unique_ptr<SpglibDataset, FreeDataset> dataset(
        spg_get_dataset(lattice, positions.get(), types.data(), static_cast<int>(n), tolerance));
    if (!dataset || dataset->spacegroup_number == 0)
        throw DataError(fmt::format(
            "No space group found for {} atoms with tolerance {} A (spglib: {}). Check that no two "
            "atoms coincide, or change symmetry_tolerance",
            n, tolerance, spg_get_error_message(spg_get_error_code())));

    SpaceGroup group;
    group.number = dataset->spacegroup_number;
    group.symbol = dataset->international_symbol;
    std::map<int, std::int32_t> orbit_of;
    for (std::size_t i = 0; i < n;
         ++i) // unlike equivalent_atoms, right also in supercells that lack the rotations
        group.orbit.push_back(
            orbit_of.emplace(dataset->crystallographic_orbits[i], static_cast<std::int32_t>(orbit_of.size()))
                .first->second);
    for (int op = 0; op < dataset->n_operations; ++op) {
        IMat3 rotation;
        Vec3 shift;
        for (int i = 0; i < 3; ++i) {
            const int row = axis[static_cast<std::size_t>(i)];
            shift[i] = dataset->translations[op][row];
            for (int j = 0; j < 3; ++j)
                rotation(i, j) = dataset->rotations[op][row][axis[static_cast<std::size_t>(j)]];
        }
        group.rotations.push_back(rotation);
        group.shifts.push_back(shift);
        if (rotation != IMat3::Identity()) continue;
        const bool is_identity = (shift.array() - shift.array().round()).abs().maxCoeff() < 1e-9;
        group.translations.insert(is_identity ? group.translations.begin() : group.translations.end(),
                                  is_identity ? Vec3(Vec3::Zero()) : shift);
    }
    return group;
}

std::vector<CellMatch> match_cells(const Cell& small, const Cell& large, double max_strain,
                                   const IVec3& wanted) {
    const Vec3 small_length = small.length(), large_length = large.length();
    const bool any_repetition = wanted.isZero();
    if (!any_repetition && wanted.minCoeff() < 1)
        throw DataError(
            fmt::format("A structure cannot be repeated {} x {} x {} times (each must be at least 1). "
                        "Give positive numbers, or 0 0 0 to match the cells",
                        wanted[0], wanted[1], wanted[2]));
    struct Found {
        bool improper;
        double strain;
        IMat3 repetition;
    };
    std::vector<Found> found;
    std::array<int, 3> order{0, 1, 2};
    do {
        IVec3 n;
        double strain = 0;
        for (int i = 0; i < 3; ++i) {
            const int from = order[static_cast<std::size_t>(i)];
            const double ratio = std::min(large_length[i] / small_length[from], 1e6);
            n[i] = any_repetition ? std::max(1, static_cast<int>(std::lround(ratio))) : wanted[from];
            strain = std::max(strain, std::abs(ratio / n[i] - 1));
        }
        if (strain > max_strain) continue;
        for (unsigned signs = 0; signs < 8; ++signs) {
            IMat3 repetition = IMat3::Zero();
            for (int i = 0; i < 3; ++i)
                repetition(i, order[static_cast<std::size_t>(i)]) = (signs >> (2 - i)) & 1U ? -n[i] : n[i];
            const Mat3 filled = repetition.cast<double>() * small.vectors();
            double mismatch = strain;
            for (int i = 0; i < 3; ++i) {
                const int j = (i + 1) % 3;
                mismatch =
                    std::max(mismatch, std::abs(angle(filled.row(i), filled.row(j)) -
                                                angle(large.vectors().row(i), large.vectors().row(j))));
            }
            if (mismatch <= max_strain)
                found.push_back(
                    {filled.determinant() * large.vectors().determinant() < 0, mismatch, repetition});
        }
    } while (std::next_permutation(order.begin(), order.end()));
    // Equal strains keep the order of the search: unchanged axes first.
    std::stable_sort(found.begin(), found.end(), [](const Found& a, const Found& b) {
        return std::tuple(a.improper, std::lround(a.strain * 1e6)) <
               std::tuple(b.improper, std::lround(b.strain * 1e6));
    });
    std::vector<CellMatch> matches;
    for (const Found& f : found) matches.push_back({f.repetition, f.strain});
    return matches;
}

} // namespace mesolith
