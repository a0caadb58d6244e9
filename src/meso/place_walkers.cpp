#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/core.h>

#include "mesolith/core/error.hpp"
#include "mesolith/core/parallel.hpp"
#include "mesolith/core/random.hpp"
#include "mesolith/meso/walkers.hpp"

namespace mesolith {

namespace {

constexpr std::size_t placed_per_block = 4096;
constexpr std::size_t cells_per_sum = 64;

std::size_t draw(const std::vector<AliasSlot>& slots, std::uint64_t u) {
    const auto [slot, rest] = slot_and_rest(u, slots.size());
    return static_cast<std::size_t>(rest < slots[slot].threshold ? slots[slot].kept : slots[slot].alias);
}

/// Weights as they are asked for: of a site within its cell, and of a cell.
class Weights {
public:
    Weights(const Domain& domain, const Placement& placement) : domain_(domain), placement_(placement) {
        check();
        for (const Material& m : domain.materials) {
            const bool uniform = placement.start == WalkerStart::uniform;
            of_site_.push_back(uniform ? std::vector<double>(domain.n_basis(), 1.0) : m.kernel.stationary);
            double sum = 0;
            for (const double w : of_site_.back()) sum += w;
            of_material_.push_back(uniform ? sum : sum * m.weight);
        }
        allowed_.assign(domain.regions.size(), placement.regions.empty());
        for (const std::uint16_t r : placement.regions) allowed_[r] = true;
    }

    /// All cells have the same weight.
    bool alike() const {
        return placement_.profile.empty() && placement_.regions.empty() && domain_.homogeneous();
    }
    const std::vector<double>& sites(std::size_t material) const { return of_site_[material]; }
    double of_cell(std::size_t cell, const IVec3& at) const {
        const std::uint16_t region = domain_.region_of(cell);
        if (!allowed_[region]) return 0;
        const double w = of_material_[domain_.regions[region].material];
        return placement_.profile.empty()
                   ? w
                   : w * placement_.profile[static_cast<std::size_t>(at[placement_.axis])];
    }
    /// Weights of the cells of a block, one after the other; returns their sum.
    double of_block(std::size_t block, std::array<double, cells_per_sum>& weights) const {
        const auto n = static_cast<std::size_t>(domain_.n_cells());
        const std::size_t begin = block * cells_per_sum, end = std::min(n, begin + cells_per_sum);
        IVec3 at = domain_.cell_at(begin);
        double sum = 0;
        weights.fill(0);
        for (std::size_t c = begin; c < end; ++c) {
            sum += weights[c - begin] = of_cell(c, at);
            if (++at[0] < domain_.cells[0]) continue;
            at[0] = 0;
            if (++at[1] < domain_.cells[1]) continue;
            at[1] = 0;
            ++at[2];
        }
        return sum;
    }
    std::vector<double> of_blocks() const {
        const auto n = static_cast<std::size_t>(domain_.n_cells());
        std::vector<double> sums((n + cells_per_sum - 1) / cells_per_sum);
        for_blocks(sums.size(), 128, [&](std::size_t begin, std::size_t end) {
            std::array<double, cells_per_sum> weights{};
            for (std::size_t b = begin; b < end; ++b) sums[b] = of_block(b, weights);
        });
        return sums;
    }
    double total() const {
        if (alike())
            return static_cast<double>(domain_.n_cells()) * of_material_[domain_.regions[0].material];
        double sum = 0;
        for (const double w : of_blocks()) sum += w;
        return sum;
    }

private:
    void check() const {
        for (const Material& m : domain_.materials)
            if (m.kernel.stationary.size() != domain_.n_basis())
                throw DataError(
                    fmt::format("material \"{}\": kernel of {} sites with {} stationary weights (one per "
                                "site is needed). Estimate it again",
                                m.name, domain_.n_basis(), m.kernel.stationary.size()));
        for (const std::uint16_t r : placement_.regions)
            if (r >= domain_.regions.size())
                throw DataError(fmt::format("start in region {} of {} (regions count from 0). Choose one "
                                            "that exists",
                                            r, domain_.regions.size()));
        if (placement_.profile.empty()) return;
        if (placement_.axis < 0 || placement_.axis > 2)
            throw DataError(
                fmt::format("profile along axis {} (axes are 0, 1, 2). Choose one", placement_.axis));
        if (placement_.profile.size() != static_cast<std::size_t>(domain_.cells[placement_.axis]))
            throw DataError(fmt::format("profile of {} factors for {} layers of cells (one each is needed)",
                                        placement_.profile.size(), domain_.cells[placement_.axis]));
        for (const double f : placement_.profile)
            if (!(f >= 0) || !std::isfinite(f))
                throw DataError(fmt::format("factor {} in a profile (must be finite and not negative)", f));
    }

    const Domain& domain_;
    const Placement& placement_;
    std::vector<std::vector<double>> of_site_; // per material
    std::vector<double> of_material_;
    std::vector<char> allowed_;
};

void put(Walkers& walkers, std::size_t w, const Domain& domain, const IVec3& cell, std::size_t site) {
    walkers.site[w] = static_cast<std::int32_t>(site);
    walkers.x[w] = cell[0], walkers.y[w] = cell[1], walkers.z[w] = cell[2];
    walkers.start[w] = domain.cell_index(cell) * domain.n_basis() + site;
}

void put_on_one_site(Walkers& walkers, const Domain& domain, const Placement& placement) {
    if (placement.site < 0 || static_cast<std::size_t>(placement.site) >= domain.n_basis())
        throw DataError(fmt::format("start on site {} of {} (sites count from 0). Choose one that exists",
                                    placement.site, domain.n_basis()));
    if ((placement.cell.array() < 0).any() || (placement.cell.array() >= domain.cells.array()).any())
        throw DataError(fmt::format("start in cell ({}, {}, {}) of {} x {} x {} (cells count from 0). Choose "
                                    "one inside",
                                    placement.cell[0], placement.cell[1], placement.cell[2], domain.cells[0],
                                    domain.cells[1], domain.cells[2]));
    for (std::size_t w = 0; w < walkers.size(); ++w)
        put(walkers, w, domain, placement.cell, static_cast<std::size_t>(placement.site));
}

} // namespace

Walkers place_walkers(std::size_t n, const Domain& domain, const Placement& placement, std::uint64_t seed,
                      std::uint64_t first) {
    Walkers walkers;
    walkers.first = first;
    walkers.site.resize(n);
    walkers.x.resize(n), walkers.y.resize(n), walkers.z.resize(n);
    walkers.start.resize(n);
    if (placement.start == WalkerStart::site) {
        put_on_one_site(walkers, domain, placement);
        return walkers;
    }
    const Weights weights(domain, placement);
    std::vector<std::vector<AliasSlot>> sites;
    for (std::size_t m = 0; m < domain.materials.size(); ++m) sites.push_back(alias_slots(weights.sites(m)));
    const bool alike = weights.alike();
    std::vector<AliasSlot> blocks;
    if (!alike) {
        const std::vector<double> sums = weights.of_blocks();
        if (std::all_of(sums.begin(), sums.end(), [](double w) { return w == 0; }))
            throw DataError(
                "no cell to start in (the profile is zero wherever the regions are). Change one of them");
        if (sums.size() >= std::size_t{1} << 32)
            throw DataError("domain of 2^38 cells or more that differ (starts cannot be drawn). Use fewer");
        blocks = alias_slots(sums);
    }
    for_blocks(n, placed_per_block, [&](std::size_t begin, std::size_t end) {
        std::array<double, cells_per_sum> w_cell{};
        for (std::size_t w = begin; w < end; ++w) {
            Stream random(seed, RngUse::walker_start, first + w, 0);
            IVec3 cell;
            if (alike) {
                for (int a = 0; a < 3; ++a) {
                    const auto cells = static_cast<std::uint64_t>(domain.cells[a]);
                    cell[a] = static_cast<int>(slot_and_rest(random.bits64(), cells).slot);
                }
            } else {
                const std::size_t block = draw(blocks, random.bits64());
                double left = uniform01(random) * weights.of_block(block, w_cell);
                std::size_t at = 0, last = 0;
                for (; at < cells_per_sum; ++at) { // rounding must not end in a cell of no weight
                    if (w_cell[at] == 0) continue;
                    last = at;
                    if (left < w_cell[at]) break;
                    left -= w_cell[at];
                }
                cell = domain.cell_at(block * cells_per_sum + last);
            }
            const std::uint16_t region = domain.region_of(domain.cell_index(cell));
            put(walkers, w, domain, cell, draw(sites[domain.regions[region].material], random.bits64()));
        }
    });
    return walkers;
}

double total_weight(const Domain& domain, const Placement& placement) {
    return Weights(domain, placement).total();
}

double bytes_needed(const Domain& domain, double n_walkers) {
    std::size_t entries = 0;
    for (const Material& m : domain.materials) entries += m.kernel.entries.size();
    const double per_cell = domain.crystal() ? 0 : 4;
    return 24 * n_walkers + per_cell * static_cast<double>(domain.n_cells()) +
           24 * static_cast<double>(entries);
}

} // namespace mesolith
