#include <algorithm>
#include <numbers>

#include "mesolith/core/error.hpp"
#include "mesolith/core/parallel.hpp"
#include "mesolith/core/random.hpp"
#include "mesolith/meso/shapes.hpp"

#include "support/catch.hpp"
#include "support/contains_text.hpp"
#include "support/kernels.hpp"

using namespace mesolith;
using test::contains_text;

namespace {

using Regions = std::vector<std::uint16_t>;

Domain block(const IVec3& cells, int n_regions, const Kernel& kernel = test::simple_cubic(2)) {
    Domain domain = crystal_domain(kernel, cells);
    domain.regions.assign(static_cast<std::size_t>(n_regions), {"r", 0});
    return domain;
}

} // namespace

TEST_CASE("a box holds the cells whose centres it holds", "[meso]") {
    Domain domain = block({10, 10, 10}, 2); // cells of 2 A: centres at 1, 3, 5, ...
    REQUIRE(paint(domain, Box{{0, 2, 5}, {6, 4, 9}}, Regions{1}) == 3 * 1 * 2);
    REQUIRE(domain.region[domain.cell_index({2, 1, 3})] == 1);
    REQUIRE(domain.region[domain.cell_index({3, 1, 3})] == 0);
    REQUIRE(region_cells(domain) == std::vector<std::int64_t>{994, 6});
}

TEST_CASE("spheres and cylinders have their volume, to the roughness of their surface", "[meso]") {
    Domain domain = block({60, 60, 60}, 2);
    const double cell = 8, pi = std::numbers::pi;
    const double sphere =
        cell * static_cast<double>(paint(domain, Sphere{Vec3::Constant(60), 50}, Regions{1}));
    REQUIRE(std::abs(sphere / (4.0 / 3 * pi * 50 * 50 * 50) - 1) < 0.005);
    const double rod = cell * static_cast<double>(
                                  paint(domain, Cylinder{Vec3::Constant(60), {1, 1, 0}, 20, 60}, Regions{1}));
    REQUIRE(std::abs(rod / (pi * 400 * 60) - 1) < 0.02);
    const double all =
        cell * static_cast<double>(paint(domain, Cylinder{Vec3::Constant(60), {0, 0, 3}, 20, 0}, Regions{1}));
    REQUIRE(std::abs(all / (pi * 400 * 120) - 1) < 0.01);
}

TEST_CASE("layers follow each other and start again", "[meso]") {
    Domain domain = block({12, 2, 1}, 2);
    paint(domain, Layers{0, {4, 8}}, Regions{0, 1});
    std::string seen;
    for (int x = 0; x < 12; ++x) seen += static_cast<char>('0' + domain.region[domain.cell_index({x, 1, 0})]);
    REQUIRE(seen == "001111001111");
}

TEST_CASE("each cell belongs to the grain of the nearest point, through periodic faces too", "[meso]") {
    const Kernel skew = test::random_reversible(2, 1);
    for (const bool periodic : {true, false}) {
        Domain domain = block({9, 8, 7}, 15, skew);
        if (!periodic)
            for (auto& axis : domain.faces) axis[0].kind = axis[1].kind = FaceKind::reflecting;
        Regions regions(15);
        for (std::size_t r = 0; r < 15; ++r) regions[r] = static_cast<std::uint16_t>(r);
        with_threads(2, [&] { paint(domain, Grains{15, 42}, regions); });
        std::vector<Vec3> points;
        for (std::uint64_t g = 0; g < 15; ++g) {
            Stream random(42, RngUse::grains, g, 0);
            const double x = uniform01(random), y = uniform01(random), z = uniform01(random);
            points.push_back(domain.basis().cell.to_cartesian(Vec3(9 * x, 8 * y, 7 * z)));
        }
        const Mat3 rows = Vec3(9, 8, 7).asDiagonal() * domain.basis().cell.vectors();
        for (std::size_t c = 0; c < domain.region.size(); ++c) {
            std::pair<double, std::size_t> best{1e300, 0};
            for (std::size_t g = 0; g < points.size(); ++g)
                for (int k = 0; k < 125; ++k) {
                    const Vec3 image(k % 5 - 2, k / 5 % 5 - 2, k / 25 - 2);
                    if (!periodic && !image.isZero()) continue;
                    const Vec3 d =
                        cell_centre(domain, domain.cell_at(c)) - points[g] - rows.transpose() * image;
                    best = std::min(best, {d.squaredNorm(), g});
                }
            REQUIRE(domain.region[c] == best.second);
        }
    }
}

TEST_CASE("fewer regions than grains are dealt out at random", "[meso]") {
    Domain domain = block({30, 30, 30}, 3);
    paint(domain, Grains{300, 1}, Regions{0, 1, 2});
    for (const std::int64_t n : region_cells(domain))
        REQUIRE(std::abs(static_cast<double>(n) / 27000 - 1.0 / 3) < 0.12);
}

TEST_CASE("voxels are taken as they are", "[meso]") {
    Domain domain = block({2, 2, 1}, 3);
    paint(domain, Voxels{{0, 1, 1, 0}}, Regions{2, 1});
    REQUIRE(domain.region == Regions{2, 1, 1, 2});
}

TEST_CASE("a shape that cannot be painted is refused with the reason", "[meso]") {
    Domain domain = block({4, 4, 4}, 2);
    REQUIRE_THROWS_WITH(paint(domain, Box{{100, 0, 0}, {110, 8, 8}}, Regions{1}),
                        contains_text("outside of the domain"));
    REQUIRE_THROWS_WITH(paint(domain, Box{{4, 0, 0}, {4, 8, 8}}, Regions{1}), contains_text("edge of a box"));
    REQUIRE_THROWS_WITH(paint(domain, Sphere{Vec3::Zero(), -1}, Regions{1}), contains_text("radius"));
    REQUIRE_THROWS_WITH(paint(domain, Sphere{Vec3::Zero(), 5}, Regions{2}), contains_text("region 2 of 2"));
    REQUIRE_THROWS_WITH(paint(domain, Layers{0, {4}}, Regions{0, 1}), contains_text("needs 1"));
    REQUIRE_THROWS_WITH(paint(domain, Grains{100, 1}, Regions{0}), contains_text("100 grains in 64 cells"));
    REQUIRE_THROWS_WITH(paint(domain, Voxels{{0, 1}}, Regions{0, 1}),
                        contains_text("2 voxels for 4 x 4 x 4 = 64"));
    REQUIRE_THROWS_WITH(paint(domain, Voxels{std::vector<std::uint8_t>(64, 9)}, Regions{0, 1}),
                        contains_text("label 9"));
}
