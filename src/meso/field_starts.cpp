#include <algorithm>
#include <cmath>

#include <fmt/core.h>

#include "mesolith/core/error.hpp"

#include "field_model.hpp"

namespace mesolith {

namespace {

/// x[site][x] = value(cell, site) w, one plane after the other.
template <class T, class F>
void set_weighted(Field<T>& field, F&& value) {
    const FieldLayout& layout = field.layout();
    const Domain& domain = field.domain();
    for (const Material& m : domain.materials)
        if (m.kernel.stationary.size() != layout.n_basis)
            throw DataError("kernel without stationary distribution (fields start from it). Estimate it "
                            "again");
    T* now = FieldAccess::now(field);
    const auto ny = static_cast<std::size_t>(layout.cells[1]);
    for_blocks(layout.n_planes(), planes_per_block, [&](std::size_t begin, std::size_t end) {
        for (std::size_t p = begin; p < end; ++p) {
            const std::size_t y = p % ny, z = p / ny;
            for (std::size_t i = 0; i < layout.n_basis; ++i) {
                T* row = now + layout.row(y, z, i);
                for (int x = 0; x < layout.cells[0]; ++x) {
                    const IVec3 cell(x, static_cast<int>(y), static_cast<int>(z));
                    const std::size_t c = domain.cell_index(cell);
                    row[x] = static_cast<T>(value(cell, c, i) * domain.weight_of(c, i));
                }
                fill_margin(row, layout, domain.periodic(0));
            }
        }
    });
}

void check_filling(double filling) {
    if (!(filling >= 0) || !std::isfinite(filling))
        throw DataError(
            fmt::format("a field of filling {} (must not be negative). Give ions per cell", filling));
}

template <class T>
void start(Field<T>& field, const EquilibriumStart& s) {
    check_filling(s.filling);
    set_weighted(field, [&](const IVec3&, std::size_t, std::size_t) { return s.filling; });
}

template <class T>
void start(Field<T>& field, const SiteStart& s) {
    static_cast<void>(field.at(s.cell, s.site)); // is there such a site?
    const FieldLayout& layout = field.layout();
    std::fill_n(FieldAccess::now(field), layout.size(), T(0));
    field.set(s.cell, s.site, T(1));
}

template <class T>
void start(Field<T>& field, const PulseStart& s) {
    if (!(s.width > 0) || !std::isfinite(s.width) || !s.centre.allFinite())
        throw DataError(
            fmt::format("a pulse of width {} A (must be positive). Give its standard deviation", s.width));
    const Domain& domain = field.domain();
    const SiteBasis& basis = domain.basis();
    const Vec3 size = domain.cells.cast<double>(), centre = basis.cell.to_fractional(s.centre);
    std::vector<Vec3> images;
    const auto range = [&](int axis) { return domain.periodic(axis) ? 1 : 0; };
    for (int z = -range(2); z <= range(2); ++z)
        for (int y = -range(1); y <= range(1); ++y)
            for (int x = -range(0); x <= range(0); ++x)
                images.push_back(basis.cell.to_cartesian(Vec3(x, y, z).cwiseProduct(size)));
    std::vector<Vec3> site;
    for (const Vec3& b : basis.positions) site.push_back(basis.cell.to_fractional(b) - centre);
    set_weighted(field, [&](const IVec3& cell, std::size_t, std::size_t i) {
        Vec3 from = cell.cast<double>() + site[i];
        for (int axis = 0; axis < 3; ++axis)
            if (domain.periodic(axis)) from[axis] -= size[axis] * std::round(from[axis] / size[axis]);
        const Vec3 r = basis.cell.to_cartesian(from);
        double sum = 0;
        for (const Vec3& image : images)
            if (const double e = (r + image).squaredNorm() / (2 * s.width * s.width); e < 700)
                sum += std::exp(-e);
        return sum;
    });
}

template <class T>
void start(Field<T>& field, const RegionStart& s) {
    check_filling(s.filling);
    const Domain& domain = field.domain();
    std::vector<double> filling(domain.regions.size(), 0.0);
    for (const std::uint16_t region : s.regions) {
        if (region >= filling.size())
            throw DataError(
                fmt::format("a field in region {} (there are {}, counted from 0)", region, filling.size()));
        filling[region] = s.filling;
    }
    set_weighted(field,
                 [&](const IVec3&, std::size_t c, std::size_t) { return filling[domain.region_of(c)]; });
}

template <class T>
void start(Field<T>& field, const ProfileStart& s) {
    if (s.axis < 0 || s.axis > 2)
        throw DataError(fmt::format("a profile along axis {} (axes are 0, 1 and 2)", s.axis));
    const int layers = field.domain().cells[s.axis];
    if (s.filling.size() != static_cast<std::size_t>(layers))
        throw DataError(fmt::format("a profile of {} fillings along axis {} (the domain has {} layers of "
                                    "cells there). Give one each",
                                    s.filling.size(), s.axis, layers));
    for (const double filling : s.filling) check_filling(filling);
    set_weighted(field, [&](const IVec3& cell, std::size_t, std::size_t) {
        return s.filling[static_cast<std::size_t>(cell[s.axis])];
    });
}

} // namespace

template <class T>
void fill(Field<T>& field, const FieldStart& how, double ions) {
    if (!(ions >= 0) || !std::isfinite(ions))
        throw DataError(fmt::format("a field of {} ions (must not be negative)", ions));
    std::visit([&](const auto& s) { start(field, s); }, how);
    if (ions == 0) return;
    const double sum = total(field);
    if (!(sum > 0))
        throw DataError(fmt::format("a field that is empty everywhere (it cannot be scaled to {} ions). Let "
                                    "it start where ions can be",
                                    ions));
    const FieldLayout& layout = field.layout();
    T* now = FieldAccess::now(field);
    for_blocks(layout.size(), std::size_t{1} << 16, [&](std::size_t begin, std::size_t end) {
        for (std::size_t k = begin; k < end; ++k)
            now[k] = static_cast<T>(ions / sum * static_cast<double>(now[k]));
    });
}

template void fill(Field<double>&, const FieldStart&, double);
template void fill(Field<float>&, const FieldStart&, double);

} // namespace mesolith
