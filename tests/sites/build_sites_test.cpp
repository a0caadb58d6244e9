#include <algorithm>
#include <limits>
#include <map>
#include <numeric>
#include <random>

#include <Eigen/LU>

#include "mesolith/core/error.hpp"
#include "mesolith/sites/build_sites.hpp"

#include "support/catch.hpp"
#include "support/poscar.hpp"

using namespace mesolith;

namespace {

/// The files keep their symmetry within this distance only (see inputs/structures/README.md); a wrong
/// placement is off by half an angstrom or more.
constexpr double file_symmetry = 2e-3; // [A]

/// All atoms of a structure as a first frame.
struct FirstFrame {
    Cell cell;
    std::vector<std::string> species;
    std::vector<Vec3> positions;
};

FirstFrame as_frame(const Structure& structure) {
    FirstFrame frame{structure.cell, structure.species, {}};
    for (const Vec3& f : structure.fractional) frame.positions.push_back(structure.cell.to_cartesian(f));
    return frame;
}

SitePlacement place(const Structure& structure, const FirstFrame& frame, const SiteOptions& options = {}) {
    return place_sites(structure, frame.cell, frame.species, frame.positions, {"Li"}, options);
}

/// The same crystal with its axes renamed and reversed: x'_i = sign_i x_order(i).
FirstFrame with_axes(const FirstFrame& frame, const std::array<int, 3>& order,
                     const std::array<int, 3>& sign) {
    Mat3 q = Mat3::Zero();
    for (int i = 0; i < 3; ++i) q(i, order[static_cast<std::size_t>(i)]) = sign[static_cast<std::size_t>(i)];
    Mat3 rows; // edges stay positive: the box of the new run
    const Vec3 edge = q.cwiseAbs() * frame.cell.length();
    rows = edge.asDiagonal();
    FirstFrame other{Cell(rows), frame.species, {}};
    for (const Vec3& r : frame.positions) other.positions.push_back(q * r);
    return other;
}

/// Largest distance of a mobile ion, shifted, from the nearest site.
double worst_distance(const SitePlacement& placement, const FirstFrame& frame) {
    double worst = 0;
    for (std::size_t a = 0; a < frame.positions.size(); ++a) {
        if (frame.species[a] != "Li") continue;
        double nearest = std::numeric_limits<double>::infinity();
        for (const Vec3& f : placement.sites.fractional)
            nearest = std::min(
                nearest,
                frame.cell.minimum_image(frame.positions[a] + placement.offset - frame.cell.to_cartesian(f))
                    .norm());
        worst = std::max(worst, nearest);
    }
    return worst;
}

double worst_round_trip(const SiteSet& sites) {
    double worst = 0;
    for (std::size_t s = 0; s < sites.size(); ++s) {
        const SiteId id(static_cast<std::int64_t>(s));
        for (const int i : {-3, 0, 1})
            for (const int j : {-3, 0, 1})
                for (const int k : {-3, 0, 1}) {
                    const IVec3 n(i, j, k);
                    const Vec3 simulated = sites.position(id) + sites.cell.to_cartesian(n.cast<double>());
                    const Vec3 folded =
                        sites.basis.positions[sites.base[s].at()] +
                        sites.basis.cell.to_cartesian(sites.folded_cell(id, n).cast<double>());
                    worst = std::max(worst, (simulated - folded).norm());
                }
    }
    return worst;
}

std::vector<int> orbit_sizes(const SiteBasis& basis) {
    std::vector<int> sizes(
        static_cast<std::size_t>(*std::max_element(basis.orbit.begin(), basis.orbit.end())) + 1, 0);
    for (const std::int32_t orbit : basis.orbit) ++sizes[static_cast<std::size_t>(orbit)];
    std::sort(sizes.begin(), sizes.end());
    return sizes;
}

bool in_unit_range(const SiteSet& sites) {
    return std::all_of(sites.fractional.begin(), sites.fractional.end(),
                       [](const Vec3& f) { return f.minCoeff() >= 0 && f.maxCoeff() < 1; });
}

/// Each folded cell of the simulated one holds each basis site once.
bool folds_evenly(const SiteSet& sites) {
    std::vector<std::size_t> copies(sites.basis.size(), 0);
    for (const SiteId b : sites.base) ++copies[b.at()];
    return std::all_of(copies.begin(), copies.end(),
                       [&](std::size_t n) { return n * sites.basis.size() == sites.size(); });
}

} // namespace

TEST_CASE("3 x 2 x 1 cells of Li13Si4 fold onto the 26 sites of one cell with the same axes",
          "[sites][fold]") {
    const Structure cell = read_test_poscar("Li13Si4");
    const SitePlacement placement = place(cell, as_frame(repeat(cell, IVec3(3, 2, 1))));
    const SiteSet& sites = placement.sites;
    REQUIRE(sites.size() == 156);
    REQUIRE(sites.basis.size() == 26);
    CHECK(sites.supercell == IMat3(IVec3(3, 2, 1).asDiagonal()));
    CHECK((sites.basis.cell.vectors() - cell.cell.vectors()).norm() < 1e-12);
    CHECK(folds_evenly(sites));
    CHECK(in_unit_range(sites));
    CHECK(worst_round_trip(sites) < 1e-9);
    CHECK(sites.space_group == "Pbam (55)");
    CHECK(orbit_sizes(sites.basis) == std::vector<int>{2, 4, 4, 4, 4, 4, 4});
    for (std::size_t b = 0; b < 26; ++b) // basis sites are the lithium atoms of the file, in their order
        CHECK((sites.basis.positions[b] - cell.cell.to_cartesian(cell.fractional[b])).norm() < 1e-9);
    CHECK(placement.offset.norm() < 1e-9);
    CHECK(placement.framework_rms < 1e-9);
    CHECK(placement.warnings.empty());
}

TEST_CASE("one cubic cell of Li15Si4 folds onto the 30 sites of its primitive cell", "[sites][fold]") {
    const Structure cell = read_test_poscar("Li15Si4");
    const SiteSet sites = place(cell, as_frame(cell)).sites;
    REQUIRE(sites.size() == 60);
    REQUIRE(sites.basis.size() == 30);
    CHECK(std::abs(sites.supercell.cast<double>().determinant()) == Approx(2));
    CHECK(sites.basis.cell.volume() == Approx(0.5 * cell.cell.volume()));
    const double shortest = 0.5 * std::sqrt(3.0) * 10.566048; // half the body diagonal
    CHECK((sites.basis.cell.length() - Vec3::Constant(shortest)).norm() < 1e-9);
    CHECK(sites.basis.cell.vectors().determinant() > 0);
    CHECK(folds_evenly(sites));
    CHECK(in_unit_range(sites));
    CHECK(worst_round_trip(sites) < 1e-9);
    CHECK(sites.space_group == "I-43d (220)");
    CHECK(orbit_sizes(sites.basis) == std::vector<int>{6, 24});
    CHECK(sites.basis.name[0] == "Li1.1");
    CHECK(std::count_if(sites.basis.name.begin(), sites.basis.name.end(),
                        [](const std::string& n) { return n.rfind("Li2.", 0) == 0; }) == 6);
}

TEST_CASE("folding onto the structure's cell or not at all keeps its axes", "[sites][fold]") {
    const Structure cell = read_test_poscar("Li15Si4");
    const FirstFrame frame = as_frame(repeat(cell, IVec3(2, 1, 1)));
    SiteOptions options;
    options.folding = Folding::structure;
    const SiteSet by_cell = place(cell, frame, options).sites;
    CHECK(by_cell.basis.size() == 60);
    CHECK((by_cell.basis.cell.vectors() - cell.cell.vectors()).norm() < 1e-12);
    CHECK(worst_round_trip(by_cell) < 1e-9);
    options.folding = Folding::none;
    const SiteSet unfolded = place(cell, frame, options).sites;
    CHECK(unfolded.basis.size() == 120);
    CHECK(unfolded.basis.cell == frame.cell);
    CHECK(orbit_sizes(unfolded.basis) == std::vector<int>{24, 96});
    CHECK(worst_round_trip(unfolded) < 1e-9);
}

TEST_CASE("hexagonal, skewed and left-handed supercells fold onto primitive cells of their handedness",
          "[sites][fold]") {
    const Structure layered = read_test_poscar("LiCoO2"); // R centred: 3 lattice points per cell
    for (const bool left : {false, true}) {
        Structure cell = layered;
        if (left) {
            Mat3 rows = cell.cell.vectors();
            rows.row(0).swap(rows.row(1));
            cell.cell = Cell(rows);
            for (Vec3& f : cell.fractional) std::swap(f[0], f[1]);
        }
        const SitePlacement placement = place(cell, as_frame(repeat(cell, IVec3(3, 3, 1))));
        const SiteSet& sites = placement.sites;
        CHECK(sites.size() == 27);
        CHECK(sites.basis.size() == 1);
        CHECK(sites.basis.cell.volume() == Approx(layered.cell.volume() / 3));
        CHECK((sites.basis.cell.vectors().determinant() < 0) == left);
        CHECK(worst_round_trip(sites) < 1e-9);
        CHECK(placement.warnings.empty());
    }
    // A skewed description of the same cells: axes are kept, for the cell is a plain supercell.
    const Structure plain = read_test_poscar("Li3N");
    const Mat3 shear = (Mat3() << 1, 0, 0, 2, 1, 0, 0, 0, 1).finished();
    Structure skewed{Cell(shear * plain.cell.vectors()), plain.species, {}};
    for (const Vec3& f : plain.fractional) skewed.fractional.push_back(shear.inverse().transpose() * f);
    const SiteSet sites = place(skewed, as_frame(repeat(skewed, IVec3(2, 3, 2)))).sites;
    CHECK(sites.basis.size() == 3);
    CHECK((sites.basis.cell.vectors() - skewed.cell.vectors()).norm() < 1e-12);
    CHECK(worst_round_trip(sites) < 1e-9);
}

TEST_CASE("any order and direction of the box axes is found", "[sites][place]") {
    std::mt19937 random(5);
    const Structure li13 = read_test_poscar("Li13Si4"), li15 = read_test_poscar("Li15Si4"),
                    li12 = read_test_poscar("Li12Si7");
    std::array<int, 3> order{0, 1, 2};
    do {
        for (unsigned bits = 0; bits < 8; ++bits) {
            const std::array<int, 3> sign{bits & 1U ? -1 : 1, bits & 2U ? -1 : 1, bits & 4U ? -1 : 1};
            CAPTURE(order[0], order[1], order[2], sign[0], sign[1], sign[2]);
            const FirstFrame frame = with_axes(as_frame(repeat(li13, IVec3(3, 2, 1))), order, sign);
            const SitePlacement placement = place(li13, frame);
            CHECK(placement.sites.basis.size() == 26);
            CHECK(placement.framework_rms < file_symmetry);
            CHECK(worst_distance(placement, frame) < file_symmetry);
            CHECK(worst_round_trip(placement.sites) < 1e-9);
            CHECK(placement.warnings.empty()); // Pbam is centrosymmetric: a proper rotation always fits
            if (bits == random() % 8) {
                const FirstFrame cubic = with_axes(as_frame(li15), order, sign);
                const SitePlacement other = place(li15, cubic);
                CHECK(other.framework_rms < file_symmetry);
                CHECK(worst_distance(other, cubic) < file_symmetry);
                const FirstFrame large = with_axes(as_frame(li12), order, sign);
                CHECK(worst_distance(place(li12, large), large) < file_symmetry);
            }
        }
    } while (std::next_permutation(order.begin(), order.end()));
}

TEST_CASE("a mirrored chiral crystal is found and reported", "[sites][place]") {
    // Framework and site without any symmetry.
    const Structure chiral{Cell(Mat3(Vec3(6, 7, 8).asDiagonal())),
                           {"Li", "Si", "P", "S", "Cl"},
                           {Vec3(0.6, 0.3, 0.8), Vec3(0.1, 0.1, 0.1), Vec3(0.5, 0.12, 0.2),
                            Vec3(0.15, 0.6, 0.3), Vec3(0.3, 0.2, 0.6)}};
    const FirstFrame straight = as_frame(repeat(chiral, IVec3(2, 1, 1)));
    CHECK(place(chiral, straight).warnings.empty());
    const FirstFrame mirrored = with_axes(straight, {0, 1, 2}, {1, 1, -1});
    const SitePlacement placement = place(chiral, mirrored);
    CHECK(placement.framework_rms < 1e-9);
    CHECK(worst_distance(placement, mirrored) < 1e-9);
    REQUIRE(placement.warnings.size() == 1);
    CHECK(placement.warnings[0].find("mirror") != std::string::npos);
    // Two reversed axes are a rotation: nothing to report.
    const FirstFrame turned = with_axes(straight, {0, 1, 2}, {-1, 1, -1});
    const SitePlacement rotated = place(chiral, turned);
    CHECK(worst_distance(rotated, turned) < 1e-9);
    CHECK(rotated.warnings.empty());
}

TEST_CASE("a framework that was shifted by up to 2 A is registered exactly", "[sites][place]") {
    std::mt19937 random(11);
    std::normal_distribution<double> direction;
    std::uniform_real_distribution<double> length(0, 2);
    for (const char* name : {"Li13Si4", "Li15Si4"}) {
        const Structure cell = read_test_poscar(name);
        const FirstFrame ideal = as_frame(name[3] == '3' ? repeat(cell, IVec3(3, 2, 1)) : cell);
        for (int trial = 0; trial < 12; ++trial) {
            const Vec3 shift =
                length(random) * Vec3(direction(random), direction(random), direction(random)).normalized();
            FirstFrame frame = ideal;
            for (Vec3& r : frame.positions) r += shift;
            const SitePlacement placement = place(cell, frame);
            CHECK((placement.offset + shift).norm() < 1e-9);
            CHECK(placement.framework_rms < 1e-9);
            REQUIRE(placement.framework.size() == ideal.positions.size() - placement.sites.size());
            std::size_t f = 0;
            for (std::size_t a = 0; a < ideal.positions.size(); ++a)
                if (ideal.species[a] != "Li")
                    CHECK((placement.framework[f++] - ideal.positions[a]).norm() < 1e-9);
        }
    }
}

TEST_CASE(
    "thermal noise, a wrapped box, thermal expansion and missing ions leave the registration where it is",
    "[sites][place]") {
    std::mt19937 random(12);
    std::normal_distribution<double> thermal(0, 0.2);
    const Structure cell = read_test_poscar("Li15Si4");
    for (int trial = 0; trial < 20; ++trial) {
        Structure hot = cell;
        hot.cell = Cell(1.002 * cell.cell.vectors());
        hot.species.erase(hot.species.begin() + 7);
        hot.fractional.erase(hot.fractional.begin() + 7);
        FirstFrame frame = as_frame(hot);
        Vec3 framework_mean = Vec3::Zero();
        for (std::size_t a = 0; a < frame.positions.size(); ++a) {
            const Vec3 noise(thermal(random), thermal(random), thermal(random));
            frame.positions[a] += noise;
            if (frame.species[a] == "Si") framework_mean += noise / 16;
            const Vec3 f = frame.cell.to_fractional(frame.positions[a]);
            frame.positions[a] = frame.cell.to_cartesian(f - f.array().floor().matrix());
        }
        const SitePlacement placement = place(cell, frame);
        CHECK((placement.offset + framework_mean).norm() < 1e-9); // the mean of the framework, to rounding
        CHECK(placement.framework_rms < 0.5);
        CHECK(placement.sites.size() == 60);
        CHECK(frame.cell.to_cartesian(placement.sites.fractional[3] - cell.fractional[3]).norm() <
              file_symmetry);
        CHECK(placement.warnings.empty());
    }
}

TEST_CASE("the mobile ions decide between placements that the framework cannot tell apart",
          "[sites][place]") {
    // The framework repeats every 3 A along x, the site only every 6 A.
    const Structure half_empty{Cell(Mat3(Vec3(6, 7, 8).asDiagonal())),
                               {"Li", "Si", "Si"},
                               {Vec3(0.25, 0.5, 0.3), Vec3(0, 0, 0), Vec3(0.5, 0, 0)}};
    std::mt19937 random(31);
    std::normal_distribution<double> thermal(0, 0.15);
    for (const double shift : {0.0, 3.0}) {
        FirstFrame frame = as_frame(repeat(half_empty, IVec3(3, 2, 2)));
        for (Vec3& r : frame.positions) r += Vec3(shift + thermal(random), thermal(random), thermal(random));
        const SitePlacement placement = place(half_empty, frame);
        CHECK(placement.sites.size() == 12);
        CHECK(worst_distance(placement, frame) < 0.8); // the wrong choice puts every ion 3 A from its site
    }
}

TEST_CASE("one framework atom far from its place does not mislead the registration", "[sites][place]") {
    const Structure cell = read_test_poscar("Li13Si4");
    FirstFrame frame = as_frame(repeat(cell, IVec3(3, 2, 1)));
    const std::size_t stray = static_cast<std::size_t>(
        std::find(frame.species.begin(), frame.species.end(), "Si") - frame.species.begin());
    frame.positions[stray] += Vec3(1.1, -1.5, 1.6);
    const SitePlacement placement = place(cell, frame);
    CHECK((placement.offset + Vec3(1.1, -1.5, 1.6) / 48).norm() < 1e-9);
    CHECK(placement.framework_rms == Approx(Vec3(1.1, -1.5, 1.6).norm() / std::sqrt(48.0)).epsilon(0.02));
}

TEST_CASE("two runs of one crystal number their sites alike", "[sites][place]") {
    const Structure cell = read_test_poscar("Li13Si4");
    std::mt19937 random(13);
    std::normal_distribution<double> thermal(0, 0.15);
    const SiteSet reference = place(cell, as_frame(repeat(cell, IVec3(3, 2, 1)))).sites;
    for (int run = 0; run < 10; ++run) {
        FirstFrame frame = as_frame(repeat(cell, IVec3(3, 2, 1)));
        const Vec3 drift(0.3, 0.9, -0.4);
        for (Vec3& r : frame.positions) r += drift + Vec3(thermal(random), thermal(random), thermal(random));
        const SiteSet sites = place(cell, frame).sites;
        CHECK(sites.base == reference.base);
        CHECK(sites.offset == reference.offset);
        CHECK(sites.fractional == reference.fractional);
    }
}

TEST_CASE("the wrong structure is refused or reported", "[sites][place]") {
    const Structure li13 = read_test_poscar("Li13Si4"), li15 = read_test_poscar("Li15Si4");
    const FirstFrame frame = as_frame(repeat(li13, IVec3(3, 2, 1)));
    CHECK_THROWS_AS(place(li15, frame), InputError);
    try {
        (void)place(li15, frame);
    } catch (const InputError& error) {
        CHECK(std::string(error.what()).find("does not fit the cell") != std::string::npos);
    }
    SiteOptions options;
    options.repetition = IVec3(2, 2, 1);
    CHECK_THROWS_AS(place(li13, frame, options), InputError);
    options = {};
    options.species = {"Na"};
    CHECK_THROWS_AS(place(li13, frame, options), InputError);
    CHECK_THROWS_AS(place_sites(li13, frame.cell, frame.species, frame.positions, {"K"}, {}), InputError);
    FirstFrame damaged = frame;
    damaged.positions[3][1] = std::nan("");
    CHECK_THROWS_AS(place(li13, damaged), DataError);
    damaged = frame;
    damaged.species.pop_back();
    CHECK_THROWS_AS(place(li13, damaged), DataError);

    FirstFrame melted = frame; // right cell, wrong atoms
    std::mt19937 random(3);
    std::uniform_real_distribution<double> anywhere(0, 1);
    for (Vec3& r : melted.positions)
        r = frame.cell.to_cartesian(Vec3(anywhere(random), anywhere(random), anywhere(random)));
    const SitePlacement placement = place(li13, melted);
    REQUIRE(placement.warnings.size() == 1);
    CHECK(placement.warnings[0].find("hardly looks like") != std::string::npos);
}

TEST_CASE("missing and foreign framework atoms are reported, surplus ones refused", "[sites][place]") {
    const Structure li13 = read_test_poscar("Li13Si4");
    const FirstFrame whole = as_frame(repeat(li13, IVec3(3, 2, 1)));
    const std::size_t a = static_cast<std::size_t>(
        std::find(whole.species.begin(), whole.species.end(), "Si") - whole.species.begin());

    FirstFrame missing = whole;
    missing.species.erase(missing.species.begin() + static_cast<std::ptrdiff_t>(a));
    missing.positions.erase(missing.positions.begin() + static_cast<std::ptrdiff_t>(a));
    for (Vec3& r : missing.positions) r += Vec3(0.4, -0.7, 0.2);
    SitePlacement placement = place(li13, missing);
    CHECK((placement.offset - Vec3(-0.4, 0.7, -0.2)).norm() < 1e-9);
    CHECK(placement.framework.size() == 47);
    REQUIRE(placement.warnings.size() == 1);
    CHECK(placement.warnings[0].find("47 framework atoms, the tiled structure 48") != std::string::npos);

    FirstFrame doped = whole;
    doped.species[a] = "Ge";
    placement = place(li13, doped);
    CHECK(placement.framework_rms < 1e-9);
    REQUIRE(placement.warnings.size() == 1);
    CHECK(placement.warnings[0].find("other species") != std::string::npos);

    FirstFrame surplus = whole;
    surplus.species.push_back("Si");
    surplus.positions.emplace_back(1, 1, 1);
    CHECK_THROWS_AS(place(li13, surplus), InputError);

    FirstFrame crowded = whole;
    crowded.species.push_back("Li");
    crowded.positions.emplace_back(1, 1, 1);
    placement = place(li13, crowded);
    REQUIRE(placement.warnings.size() == 1);
    CHECK(placement.warnings[0].find("more mobile ions (157) than sites (156)") != std::string::npos);
}

TEST_CASE("without a framework the sites stand where the structure file puts them", "[sites][place]") {
    const Structure sites_only = select_species(read_test_poscar("Li15Si4"), {"Li"});
    FirstFrame frame = as_frame(sites_only);
    for (Vec3& r : frame.positions) r += Vec3(0.1, 0, 0);
    const SitePlacement placement = place(sites_only, frame);
    CHECK(placement.offset == Vec3::Zero());
    CHECK(placement.sites.size() == 60);
    CHECK(placement.warnings.size() == 1);
}

TEST_CASE("averaged positions fold as the crystal they come from", "[sites][fold]") {
    const Structure large = repeat(read_test_poscar("Li13Si4"), IVec3(3, 2, 1));
    std::mt19937 random(21);
    std::normal_distribution<double> noise(0, 0.004); // what is left after averaging
    std::vector<Vec3> sites_at, framework_at;
    std::vector<std::string> framework;
    for (std::size_t a = 0; a < large.size(); ++a) {
        const Vec3 r =
            large.cell.to_cartesian(large.fractional[a]) + Vec3(noise(random), noise(random), noise(random));
        if (large.species[a] == "Li") {
            sites_at.push_back(r);
        } else {
            framework.push_back(large.species[a]);
            framework_at.push_back(r);
        }
    }
    const SiteSet sites = sites_from_positions(large.cell, sites_at, framework, framework_at, "Li", {});
    CHECK(sites.basis.size() == 26);
    CHECK(sites.space_group == "Pbam (55)");
    CHECK(sites.supercell == IMat3(IVec3(3, 2, 1).asDiagonal()));
    CHECK(worst_round_trip(sites) < 1e-9);
    for (std::size_t s = 0; s < sites.size(); ++s)
        CHECK(large.cell.minimum_image(sites.position(SiteId(static_cast<std::int64_t>(s))) - sites_at[s])
                  .norm() < 0.03);
}

TEST_CASE("positions without symmetry stay unfolded, coinciding ones are refused", "[sites][fold]") {
    const Cell cell((Mat3() << 9, 0, 0, 2, 8, 0, 1, -3, 10).finished());
    std::mt19937 random(22);
    std::uniform_real_distribution<double> anywhere(0, 1);
    std::vector<Vec3> at;
    while (at.size() < 12) {
        const Vec3 r = cell.to_cartesian(Vec3(anywhere(random), anywhere(random), anywhere(random)));
        if (std::all_of(at.begin(), at.end(),
                        [&](const Vec3& o) { return cell.minimum_image(r - o).norm() > 2; }))
            at.push_back(r);
    }
    const SiteSet sites = sites_from_positions(cell, at, {}, {}, "Li", {});
    CHECK(sites.basis.size() == 12);
    CHECK(sites.supercell == IMat3::Identity());
    CHECK(worst_round_trip(sites) < 1e-9);
    at.push_back(at[4] + cell.to_cartesian(Vec3(1, 0, -1)));
    CHECK_THROWS_AS(sites_from_positions(cell, at, {}, {}, "Li", {}), DataError);
    CHECK_THROWS_AS(sites_from_positions(cell, {}, {}, {}, "Li", {}), DataError);
}

TEST_CASE("sites fold by any group of translations, and translations that are none are refused",
          "[sites][fold]") {
    // 4 x 4 x 2 cubes with a site each: any subgroup of translations folds them.
    const Cell cell(Mat3(Vec3(12, 12, 6).asDiagonal()));
    std::vector<Vec3> at;
    for (int i = 0; i < 4; ++i)
        for (int j = 0; j < 4; ++j)
            for (int k = 0; k < 2; ++k) at.emplace_back((i + 0.25) / 4, j / 4.0, k / 2.0);
    const std::vector<std::int32_t> orbit(at.size(), 7);
    const std::vector<Vec3> checkerboard{Vec3(0, 0, 0), Vec3(0.5, 0.5, 0), Vec3(0.25, 0.75, 0.5),
                                         Vec3(0.75, 0.25, 0.5)};
    const SiteSet sites = fold_sites(cell, at, orbit, "Li", checkerboard, 0.01);
    CHECK(sites.basis.size() == 8);
    CHECK(worst_round_trip(sites) < 1e-9);
    CHECK(folds_evenly(sites));
    CHECK(sites.basis.cell.volume() == Approx(cell.volume() / 4));
    CHECK(sites.basis.orbit == std::vector<std::int32_t>(8, 0)); // renumbered
    CHECK(sites.basis.name.back() == "Li1.8");

    CHECK_THROWS_AS(fold_sites(cell, at, orbit, "Li", {Vec3(0, 0, 0), Vec3(0.25, 0, 0)}, 0.01), DataError);
    CHECK_THROWS_AS(fold_sites(cell, at, orbit, "Li", {Vec3(0, 0, 0), Vec3(0.1, 0, 0)}, 0.01), DataError);
    CHECK_THROWS_AS(fold_sites(cell, at, orbit, "Li", {}, 0.01), DataError);
    at.pop_back();
    CHECK_THROWS_AS(fold_sites(cell, at, orbit, "Li", {Vec3::Zero()}, 0.01), DataError); // an orbit too many
    CHECK_THROWS_AS(fold_sites(cell, at, std::vector<std::int32_t>(at.size(), 0), "Li", checkerboard, 0.01),
                    DataError);
}
