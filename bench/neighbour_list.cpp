// Neighbour list, search and update in between, against all pairs with their images at every step. One
// thread.
#include "mesolith/md/neighbour_list.hpp"

#include <cmath>
#include <cstdio>
#include <random>

#include "clock.hpp"

using namespace mesolith;

namespace {

/// Directed pairs within the cutoff, by all pairs and all images that a sphere can reach; for a cell with
/// right angles. Vectors are written down, as the list does.
std::size_t all_pairs(const Cell& cell, const std::vector<Vec3>& positions, double cutoff,
                      std::vector<Neighbour>& out) {
    out.clear();
    IVec3 most; // positions lie in the cell
    for (int a = 0; a < 3; ++a) most[a] = static_cast<int>(std::ceil(cutoff / cell.perpendicular_width()[a]));
    std::vector<std::pair<IVec3, Vec3>> images;
    for (int i = -most[0]; i <= most[0]; ++i)
        for (int j = -most[1]; j <= most[1]; ++j)
            for (int k = -most[2]; k <= most[2]; ++k)
                images.emplace_back(IVec3(i, j, k), cell.to_cartesian(Vec3(i, j, k)));
    for (std::size_t i = 0; i < positions.size(); ++i)
        for (std::size_t j = 0; j < positions.size(); ++j)
            for (const auto& [shift, offset] : images) {
                const Vec3 vector = positions[j] - positions[i] + offset;
                const double distance2 = vector.squaredNorm();
                if (distance2 >= cutoff * cutoff || (i == j && shift.isZero())) continue;
                out.push_back({static_cast<std::uint32_t>(j), shift, vector, std::sqrt(distance2)});
            }
    return out.size();
}

/// Atoms of a disordered solid, 10 A^3 each: a cubic grid, each moved by up to 0.5 A.
std::vector<Vec3> solid(int n, double edge) {
    std::mt19937_64 random(7);
    std::uniform_real_distribution<double> nudge(-0.5, 0.5);
    const int side = static_cast<int>(std::ceil(std::cbrt(n)));
    std::vector<Vec3> positions;
    for (int i = 0; i < n; ++i) {
        const Vec3 grid(i / (side * side), i / side % side, i % side);
        positions.push_back(edge / side * (grid + Vec3::Constant(0.5)) +
                            Vec3(nudge(random), nudge(random), nudge(random)));
    }
    return positions;
}

} // namespace

int main() {
    std::printf("%6s %6s %6s %9s %9s %12s %12s %12s %10s %10s\n", "atoms", "cutoff", "skin", "pairs/N",
                "cand./N", "all pairs/ms", "search/ms", "update/us", "x search", "x update");
    for (const int n : {204, 20'000})
        for (const auto& [cutoff, skin] : {std::pair{4.5, 0.5}, std::pair{5.0, 1.0}}) {
            const double edge = std::cbrt(10.0 * n);
            const Cell cell(Mat3(edge * Mat3::Identity()));
            const std::vector<Vec3> positions = solid(n, edge);
            std::vector<Neighbour> plain;
            std::size_t pairs = 0;
            const double t_plain =
                best_of(n == 204 ? 20 : 1, [&] { pairs = all_pairs(cell, positions, cutoff, plain); });
            NeighbourList list(cutoff, skin), wide(cutoff + skin, 0);
            wide.update(cell, positions);
            const double t_search = best_of(n == 204 ? 200 : 5, [&] {
                NeighbourList fresh(cutoff, skin);
                fresh.update(cell, positions);
            });
            list.update(cell, positions);
            const double t_update = best_of(n == 204 ? 2000 : 20, [&] { list.update(cell, positions); });
            if (list.n_pairs() != pairs || list.n_searches() != 1) {
                std::printf("the lists differ\n");
                return 1;
            }
            std::printf("%6d %6.1f %6.1f %9.1f %9.1f %12.3f %12.3f %12.1f %10.1f %10.1f\n", n, cutoff, skin,
                        static_cast<double>(pairs) / n, static_cast<double>(wide.n_pairs()) / n,
                        1e3 * t_plain, 1e3 * t_search, 1e6 * t_update, t_plain / t_search,
                        t_plain / t_update);
        }
}
