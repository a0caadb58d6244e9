#include "mesolith/meso/shapes.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include <fmt/core.h>

#include "mesolith/core/error.hpp"
#include "mesolith/core/parallel.hpp"
#include "mesolith/core/random.hpp"

namespace mesolith {

namespace {

constexpr std::uint16_t untouched = 0xFFFF;

void expect_positive(double length, const char* what) {
    if (!(length > 0) || !std::isfinite(length))
        throw DataError(fmt::format("{} of {} A (must be positive)", what, length));
}

void expect_regions(std::span<const std::uint16_t> regions, std::size_t n, const char* what) {
    if (regions.size() != n)
        throw DataError(fmt::format("{} with {} regions (needs {})", what, regions.size(), n));
}

/// Region of each cell centre by f(r, cell index), or `untouched`.
template <class F>
std::vector<std::uint16_t> labels(const Domain& domain, F&& f) {
    std::vector<std::uint16_t> label(static_cast<std::size_t>(domain.n_cells()));
    for_blocks(label.size(), 4096, [&](std::size_t begin, std::size_t end) {
        for (std::size_t c = begin; c < end; ++c) label[c] = f(domain.cell_at(c), c);
    });
    return label;
}

/// Nearest of some points, periodic along the periodic axes of a domain. Points are sorted into boxes of
/// about one each; boxes are searched in rings until the next ring is farther than the best.
class NearestPoint {
public:
    NearestPoint(const Domain& domain, std::vector<Vec3> fractional) // of the domain, in [0, 1)
        : points_(std::move(fractional)) {
        const Mat3 rows =
            (domain.basis().cell.vectors().array().colwise() * domain.cells.cast<double>().array()).matrix();
        block_ = Cell(rows);
        const Vec3 width = block_.perpendicular_width();
        const double edge = std::cbrt(width.prod() / static_cast<double>(points_.size()));
        for (int a = 0; a < 3; ++a) {
            periodic_[a] = domain.periodic(a);
            n_[a] = std::clamp(static_cast<int>(width[a] / edge), 1, 256);
            box_width_ = std::min(box_width_, width[a] / n_[a]);
        }
        boxes_.resize(static_cast<std::size_t>(n_.prod()));
        for (std::size_t p = 0; p < points_.size(); ++p)
            boxes_[box(box_of(points_[p]))].push_back(static_cast<std::uint32_t>(p));
    }

    std::uint32_t operator()(const Vec3& fractional) const {
        const IVec3 home = box_of(fractional);
        double best = std::numeric_limits<double>::infinity();
        std::uint32_t nearest = 0;
        const int rings = n_.maxCoeff() + 1;
        for (int ring = 0; ring <= rings; ++ring) {
            // Whatever lies beyond this ring is at least ring - 1 whole boxes away.
            if (ring > 1 && best < std::pow((ring - 1) * box_width_, 2)) break;
            for (int z = -ring; z <= ring; ++z)
                for (int y = -ring; y <= ring; ++y)
                    for (int x = -ring; x <= ring; ++x) {
                        if (std::max({std::abs(x), std::abs(y), std::abs(z)}) != ring) continue;
                        IVec3 at = home + IVec3(x, y, z), image = IVec3::Zero();
                        bool inside = true;
                        for (int a = 0; a < 3; ++a) {
                            if (at[a] >= 0 && at[a] < n_[a]) continue;
                            inside = inside && periodic_[a];
                            image[a] = static_cast<int>(std::floor(static_cast<double>(at[a]) / n_[a]));
                            at[a] -= image[a] * n_[a];
                        }
                        if (!inside) continue;
                        for (const std::uint32_t p : boxes_[box(at)]) {
                            const double d2 =
                                block_.to_cartesian(points_[p] + image.cast<double>() - fractional)
                                    .squaredNorm();
                            if (d2 < best || (d2 == best && p < nearest)) best = d2, nearest = p;
                        }
                    }
        }
        return nearest;
    }

private:
    IVec3 box_of(const Vec3& f) const {
        IVec3 at;
        for (int a = 0; a < 3; ++a) at[a] = std::clamp(static_cast<int>(f[a] * n_[a]), 0, n_[a] - 1);
        return at;
    }
    std::size_t box(const IVec3& at) const {
        return static_cast<std::size_t>((at[2] * n_[1] + at[1]) * n_[0] + at[0]);
    }

    std::vector<Vec3> points_;
    Cell block_;
    IVec3 n_ = IVec3::Ones();
    std::array<bool, 3> periodic_{};
    double box_width_ = std::numeric_limits<double>::infinity();
    std::vector<std::vector<std::uint32_t>> boxes_;
};

struct Painter {
    const Domain& domain;
    std::span<const std::uint16_t> regions;

    std::vector<std::uint16_t> operator()(const Box& box) const {
        expect_regions(regions, 1, "a box");
        for (int a = 0; a < 3; ++a) expect_positive(box.hi[a] - box.lo[a], "edge of a box");
        return labels(domain, [&](const IVec3& c, std::size_t) {
            const Vec3 r = cell_centre(domain, c);
            const bool in = (r.array() >= box.lo.array()).all() && (r.array() < box.hi.array()).all();
            return in ? regions[0] : untouched;
        });
    }
    std::vector<std::uint16_t> operator()(const Sphere& sphere) const {
        expect_regions(regions, 1, "a sphere");
        expect_positive(sphere.radius, "radius of a sphere");
        return labels(domain, [&](const IVec3& c, std::size_t) {
            return (cell_centre(domain, c) - sphere.centre).norm() < sphere.radius ? regions[0] : untouched;
        });
    }
    std::vector<std::uint16_t> operator()(const Cylinder& cylinder) const {
        expect_regions(regions, 1, "a cylinder");
        expect_positive(cylinder.radius, "radius of a cylinder");
        expect_positive(cylinder.axis.norm(), "axis of a cylinder");
        if (cylinder.length != 0) expect_positive(cylinder.length, "length of a cylinder");
        const Vec3 axis = cylinder.axis.normalized();
        return labels(domain, [&](const IVec3& c, std::size_t) {
            const Vec3 r = cell_centre(domain, c) - cylinder.centre;
            const double along = r.dot(axis);
            const bool in = (r - along * axis).norm() < cylinder.radius &&
                            (cylinder.length == 0 || std::abs(along) < cylinder.length / 2);
            return in ? regions[0] : untouched;
        });
    }
    std::vector<std::uint16_t> operator()(const Layers& layers) const {
        if (layers.axis < 0 || layers.axis > 2)
            throw DataError(fmt::format("layers along axis {} (0, 1 or 2 is expected)", layers.axis));
        expect_regions(regions, layers.thickness.size(), "layers of as many thicknesses");
        double period = 0;
        for (const double t : layers.thickness) {
            expect_positive(t, "thickness of a layer");
            period += t;
        }
        if (layers.thickness.empty()) throw DataError("layers without thickness (one each is needed)");
        const double width = domain.basis().cell.perpendicular_width()[layers.axis];
        std::vector<std::uint16_t> of_plane;
        for (int c = 0; c < domain.cells[layers.axis]; ++c) {
            double at = std::fmod((c + 0.5) * width, period);
            std::size_t k = 0;
            for (; k + 1 < layers.thickness.size() && at >= layers.thickness[k]; ++k)
                at -= layers.thickness[k];
            of_plane.push_back(regions[k]);
        }
        return labels(domain, [&](const IVec3& c, std::size_t) {
            return of_plane[static_cast<std::size_t>(c[layers.axis])];
        });
    }
    std::vector<std::uint16_t> operator()(const Grains& grains) const {
        if (grains.n_grains < 1 || grains.n_grains > domain.n_cells())
            throw DataError(fmt::format("{} grains in {} cells (1 to that many are possible)",
                                        grains.n_grains, domain.n_cells()));
        if (regions.empty()) throw DataError("grains without regions (at least one is needed)");
        std::vector<Vec3> points;
        std::vector<std::uint16_t> of_grain;
        for (int g = 0; g < grains.n_grains; ++g) {
            Stream random(grains.seed, RngUse::grains, static_cast<std::uint64_t>(g), 0);
            const double x = uniform01(random), y = uniform01(random), z = uniform01(random);
            points.emplace_back(x, y, z);
            const auto drawn =
                static_cast<std::size_t>(uniform01(random) * static_cast<double>(regions.size()));
            of_grain.push_back(regions.size() == static_cast<std::size_t>(grains.n_grains)
                                   ? regions[static_cast<std::size_t>(g)]
                                   : regions[drawn]);
        }
        const NearestPoint nearest(domain, std::move(points));
        const Vec3 size = domain.cells.cast<double>();
        return labels(domain, [&](const IVec3& c, std::size_t) {
            const Vec3 f = (c.cast<double>() + Vec3::Constant(0.5)).cwiseQuotient(size);
            return of_grain[nearest(f)];
        });
    }
    std::vector<std::uint16_t> operator()(const Voxels& voxels) const {
        if (voxels.label.size() != static_cast<std::size_t>(domain.n_cells()))
            throw DataError(fmt::format("{} voxels for {} x {} x {} = {} cells (one each is needed)",
                                        voxels.label.size(), domain.cells[0], domain.cells[1],
                                        domain.cells[2], domain.n_cells()));
        const auto largest = *std::max_element(voxels.label.begin(), voxels.label.end());
        if (largest >= regions.size())
            throw DataError(fmt::format("voxel label {} without a region (there are {}, counted from 0)",
                                        largest, regions.size()));
        return labels(domain, [&](const IVec3&, std::size_t c) { return regions[voxels.label[c]]; });
    }
};

} // namespace

Vec3 cell_centre(const Domain& domain, const IVec3& cell) {
    return domain.basis().cell.to_cartesian(cell.cast<double>() + Vec3::Constant(0.5));
}

std::int64_t paint(Domain& domain, const Shape& shape, std::span<const std::uint16_t> regions) {
    for (const std::uint16_t r : regions)
        if (r >= domain.regions.size())
            throw DataError(fmt::format("region {} of {} (counted from 0)", r, domain.regions.size()));
    const std::vector<std::uint16_t> label = std::visit(Painter{domain, regions}, shape);
    const auto painted = static_cast<std::int64_t>(
        label.size() - static_cast<std::size_t>(std::count(label.begin(), label.end(), untouched)));
    if (painted == 0)
        throw DataError(
            "no cell has its centre inside (the shape is outside of the domain, or smaller than a cell). "
            "Coordinates count from the corner of the domain");
    if (domain.region.empty()) domain.region.assign(label.size(), 0);
    for (std::size_t c = 0; c < label.size(); ++c)
        if (label[c] != untouched) domain.region[c] = label[c];
    return painted;
}

std::vector<std::int64_t> region_cells(const Domain& domain) {
    std::vector<std::int64_t> cells(domain.regions.size(), 0);
    if (domain.region.empty()) cells[0] = domain.n_cells();
    for (const std::uint16_t r : domain.region) ++cells[r];
    return cells;
}

} // namespace mesolith
