#include "mesolith/meso/hop_rules.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <tuple>
#include <unordered_map>

#include <fmt/core.h>

#include "mesolith/core/error.hpp"
#include "mesolith/core/parallel.hpp"
#include "mesolith/msm/transition_counts.hpp"

namespace mesolith {

namespace {

constexpr std::size_t cells_per_block = 8192;

/// What stands in a cell as seen from another: its material and whether it is of another region, or the way
/// out.
using Code = std::uint32_t;

/// A hop of any material, and its reverse, from one site: conductances per material.
struct Bond {
    std::int32_t to = 0;
    IVec3 R = IVec3::Zero();
    std::size_t offset = 0;        // index of R
    std::vector<double> p, p_back; // M_ij(R) and M_ji(-R) per material
    std::vector<double> out, in;   // the same times the weight of their origin
};

/// What all cells share.
struct Crystal {
    const Domain& domain;
    std::vector<IVec3> offsets;           // distinct R that hops reach, without 0
    std::vector<std::vector<Bond>> bonds; // of each site, sorted by (R_3, R_2, R_1, site)
    std::size_t n_materials;
    // S_k of materials a and b, [axis][a][b]
    std::array<std::vector<double>, 3> crossing;
    IVec3 reach = IVec3::Zero();

    explicit Crystal(const Domain& d);

    double weight(std::size_t material, std::size_t site) const {
        const Material& m = domain.materials[material];
        return m.weight * m.kernel.stationary[site];
    }
    Code same(std::size_t material) const { return static_cast<Code>(material); }
    Code other(std::size_t material) const { return static_cast<Code>(n_materials + material); }
    Code out(std::size_t axis, std::size_t side) const {
        return static_cast<Code>(2 * n_materials + 2 * axis + side);
    }
    bool is_out(Code c) const { return c >= 2 * n_materials; }
    const Face& face(Code c) const {
        const std::size_t f = c - 2 * n_materials;
        return domain.faces[f / 2][f % 2];
    }

    Code code(const IVec3& from, std::uint16_t region, const IVec3& R) const {
        const HopEnd end = hop_end(domain, from, R);
        if (!end.inside()) return out(static_cast<std::size_t>(end.axis), static_cast<std::size_t>(end.side));
        const std::uint16_t there = domain.region_of(domain.cell_index(end.cell));
        const std::uint32_t material = domain.regions[there].material;
        const bool crosses = there != region && domain.interface_resistance > 0;
        return crosses ? other(material) : same(material);
    }

    /// Share of the conductance that an interface resistance leaves to a hop by R.
    double resisted(std::size_t a, std::size_t b, const IVec3& R) const {
        double share = 1;
        const Vec3 width = domain.basis().cell.perpendicular_width();
        for (int axis = 0; axis < 3; ++axis) {
            if (R[axis] == 0) continue;
            const double sum = crossing[static_cast<std::size_t>(axis)][a * n_materials + b];
            share = std::min(share,
                             1 / (1 + domain.interface_resistance * width[axis] * sum / domain.lag_time()));
        }
        return share;
    }
};

Crystal::Crystal(const Domain& d) : domain(d), n_materials(d.materials.size()) {
    const std::size_t n = d.n_basis();
    struct ByPlace {
        bool operator()(const std::pair<std::int32_t, IVec3>& a,
                        const std::pair<std::int32_t, IVec3>& b) const {
            return std::tie(a.second[2], a.second[1], a.second[0], a.first) <
                   std::tie(b.second[2], b.second[1], b.second[0], b.first);
        }
    };
    std::vector<std::map<std::pair<std::int32_t, IVec3>, Bond, ByPlace>> of_site(n);
    for (std::size_t m = 0; m < n_materials; ++m) {
        const Kernel& kernel = d.materials[m].kernel;
        for (std::size_t j = 0; j < n; ++j)
            for (const KernelEntry& e : kernel.from(j)) {
                const auto i = static_cast<std::size_t>(e.to), self = j;
                if ((i == j && e.R.isZero()) || e.p == 0) continue;
                const auto bond = [&](std::size_t from, std::size_t to, const IVec3& R) -> Bond& {
                    Bond& b = of_site[from][{static_cast<std::int32_t>(to), R}];
                    if (b.out.empty()) {
                        b.to = static_cast<std::int32_t>(to), b.R = R;
                        for (auto* values : {&b.p, &b.p_back, &b.out, &b.in})
                            values->assign(n_materials, 0.0);
                    }
                    return b;
                };
                Bond& forth = bond(self, i, e.R);
                forth.p[m] = e.p, forth.out[m] = weight(m, self) * e.p;
                Bond& back = bond(i, self, -e.R);
                back.p_back[m] = e.p, back.in[m] = weight(m, self) * e.p;
            }
    }
    std::map<std::array<int, 3>, std::size_t> known;
    for (auto& site : of_site) {
        bonds.emplace_back();
        for (auto& [key, bond] : site) {
            reach = reach.cwiseMax(bond.R.cwiseAbs());
            const auto [found, is_new] = known.try_emplace({bond.R[2], bond.R[1], bond.R[0]}, offsets.size());
            if (is_new) offsets.push_back(bond.R);
            bond.offset = found->second;
            bonds.back().push_back(std::move(bond));
        }
    }
    for (std::size_t axis = 0; axis < 3; ++axis) {
        crossing[axis].assign(n_materials * n_materials, 0.0);
        for (const auto& site : bonds)
            for (const Bond& b : site)
                for (std::size_t a = 0; a < n_materials; ++a)
                    for (std::size_t c = 0; c < n_materials; ++c) {
                        const int R = b.R[static_cast<int>(axis)];
                        if (R > 0) crossing[axis][a * n_materials + c] += R * std::min(b.out[a], b.out[c]);
                    }
    }
}

std::uint64_t mixed(std::uint64_t hash, std::uint64_t value) { // splitmix64 of the two
    hash += 0x9E3779B97F4A7C15u + value;
    hash = (hash ^ (hash >> 30)) * 0xBF58476D1CE4E5B9u;
    hash = (hash ^ (hash >> 27)) * 0x94D049BB133111EBu;
    return hash ^ (hash >> 31);
}

/// Material of a cell, then the code of every offset.
std::vector<Code> surroundings(const Crystal& crystal, std::size_t cell) {
    const Domain& d = crystal.domain;
    const IVec3 at = d.cell_at(cell);
    const std::uint16_t region = d.region_of(cell);
    std::vector<Code> codes{d.regions[region].material};
    for (const IVec3& R : crystal.offsets) codes.push_back(crystal.code(at, region, R));
    return codes;
}

std::uint64_t hash_of(const std::vector<Code>& codes) {
    std::uint64_t hash = 0;
    for (const Code c : codes) hash = mixed(hash, c);
    return hash;
}

/// Cells along one axis between which nothing but the distance to a wall tells: their number in a class is
/// that of the nearest wall, up to the reach.
std::size_t zone(int c, int n, int reach) {
    if (c < reach) return static_cast<std::size_t>(c);
    if (c >= n - reach) return static_cast<std::size_t>(reach + 1 + (c - (n - reach)));
    return static_cast<std::size_t>(reach);
}

/// Class of each cell and one cell of each class, numbered in the order in which cells come.
void classify(const Crystal& crystal, HopRules& rules) {
    const Domain& d = crystal.domain;
    const auto n_cells = static_cast<std::size_t>(d.n_cells());
    rules.class_cell = {0};
    if (d.crystal()) return;
    std::vector<std::uint64_t> hash(n_cells);
    if (d.homogeneous()) {
        for_blocks(n_cells, cells_per_block, [&](std::size_t begin, std::size_t end) {
            for (std::size_t c = begin; c < end; ++c) {
                const IVec3 at = d.cell_at(c);
                hash[c] = 0;
                for (int a = 0; a < 3; ++a)
                    hash[c] =
                        (hash[c] << 20) |
                        (d.periodic(a) ? 0 : zone(at[a], d.cells[a], std::min(crystal.reach[a], d.cells[a])));
            }
        });
    } else {
        for_blocks(n_cells, cells_per_block, [&](std::size_t begin, std::size_t end) {
            for (std::size_t c = begin; c < end; ++c) hash[c] = hash_of(surroundings(crystal, c));
        });
    }
    rules.class_cell.clear();
    rules.cell_class.resize(n_cells);
    std::unordered_map<std::uint64_t, std::uint32_t> known;
    for (std::size_t c = 0; c < n_cells; ++c) {
        const auto [found, is_new] =
            known.try_emplace(hash[c], static_cast<std::uint32_t>(rules.class_cell.size()));
        if (is_new) rules.class_cell.push_back(c);
        rules.cell_class[c] = found->second;
    }
    if (d.homogeneous()) return;
    // Two surroundings with one hash would give wrong physics, however unlikely.
    for_blocks(n_cells, cells_per_block, [&](std::size_t begin, std::size_t end) {
        std::uint32_t last = 0;
        std::vector<Code> expected = surroundings(crystal, rules.class_cell[0]);
        for (std::size_t c = begin; c < end; ++c) {
            if (rules.cell_class[c] != last) {
                last = rules.cell_class[c];
                expected = surroundings(crystal, rules.class_cell[last]);
            }
            if (surroundings(crystal, c) != expected)
                throw DataError("two kinds of surroundings share a hash. Change the number of cells by one");
        }
    });
}

struct Line {
    std::vector<Hop> column, row;
    double inflow = 0;
};

/// Column and row of a site among cells of the given codes.
Line line_of_site(const Crystal& crystal, std::size_t j, const std::vector<Code>& codes) {
    const std::size_t a = codes[0];
    const double w = crystal.weight(a, j);
    Line line;
    double leaves = 0;
    for (const Bond& b : crystal.bonds[j]) {
        const Code code = codes[1 + b.offset];
        double p = b.p[a], p_back = b.p_back[a]; // among cells of one kind the kernel itself
        if (crystal.is_out(code)) {
            const Face& face = crystal.face(code);
            if (face.kind == FaceKind::reflecting) continue;
            // Outside of a reservoir the material goes on, filled to its concentration.
            if (face.kind == FaceKind::reservoir) line.inflow += face.concentration * b.in[a];
            p_back = 0;
        } else if (code != crystal.same(a)) {
            const bool resists = code >= crystal.n_materials;
            const std::size_t c = resists ? code - crystal.n_materials : code;
            const double share = resists ? crystal.resisted(a, c, b.R) : 1;
            const double there = crystal.weight(c, static_cast<std::size_t>(b.to));
            p = w > 0 ? share * std::min(b.out[a], b.out[c]) / w : 0;
            p_back = there > 0 ? share * std::min(b.in[a], b.in[c]) / there : 0;
        }
        if (p > 0) {
            line.column.push_back({b.to, b.R, p});
            leaves += p;
        }
        if (p_back > 0) line.row.push_back({b.to, b.R, p_back});
    }
    const auto self = static_cast<std::int32_t>(j);
    const auto before = [](const Hop& x, const Hop& y) {
        return std::tie(x.R[2], x.R[1], x.R[0], x.site) < std::tie(y.R[2], y.R[1], y.R[0], y.site);
    };
    if (leaves < 1) {
        const Hop stay{self, IVec3::Zero(), 1 - leaves};
        line.column.insert(std::upper_bound(line.column.begin(), line.column.end(), stay, before), stay);
        line.row.insert(std::upper_bound(line.row.begin(), line.row.end(), stay, before), stay);
    }
    return line;
}

} // namespace

HopEnd hop_end(const Domain& domain, const IVec3& from, const IVec3& R) {
    HopEnd end;
    const IVec3 to = from + R;
    for (int axis = 0; axis < 3; ++axis) {
        const int n = domain.cells[axis], c = to[axis];
        if (c >= 0 && c < n) {
            end.cell[axis] = c;
        } else if (domain.periodic(axis)) {
            end.cell[axis] = ((c % n) + n) % n;
        } else {
            const int side = c < 0 ? 0 : 1;
            const bool reflects =
                domain.faces[static_cast<std::size_t>(axis)][static_cast<std::size_t>(side)].kind ==
                FaceKind::reflecting;
            if (end.inside() || reflects) end.axis = axis, end.side = side;
            if (reflects) return end;
        }
    }
    return end;
}

HopRules make_hop_rules(const Domain& domain) {
    check_domain(domain);
    const Crystal crystal(domain);
    HopRules rules;
    rules.n_basis = domain.n_basis();
    rules.reach = crystal.reach;
    classify(crystal, rules);

    std::map<std::vector<Code>, std::uint32_t> known; // site, material, codes where its hops go
    for (const std::size_t cell : rules.class_cell) {
        const std::vector<Code> codes = surroundings(crystal, cell);
        for (std::size_t j = 0; j < rules.n_basis; ++j) {
            std::vector<Code> key{static_cast<Code>(j), codes[0]};
            for (const Bond& b : crystal.bonds[j]) key.push_back(codes[1 + b.offset]);
            const auto [found, is_new] =
                known.try_emplace(std::move(key), static_cast<std::uint32_t>(rules.weight.size()));
            rules.class_line.push_back(found->second);
            if (!is_new) continue;
            const Line line = line_of_site(crystal, j, codes);
            for (const auto& [table, hops] :
                 {std::pair{&rules.columns, &line.column}, std::pair{&rules.rows, &line.row}}) {
                table->hops.insert(table->hops.end(), hops->begin(), hops->end());
                table->begin.push_back(table->hops.size());
            }
            rules.inflow.push_back(line.inflow);
            rules.weight.push_back(crystal.weight(codes[0], j));
        }
    }
    return rules;
}

double detailed_balance_error(const Domain& domain, const HopRules& rules) {
    double worst = 0;
    for (const std::size_t cell : rules.class_cell) {
        const IVec3 at = domain.cell_at(cell);
        for (std::size_t j = 0; j < rules.n_basis; ++j) {
            const std::uint32_t line = rules.line_of(cell, j);
            for (const Hop& hop : rules.columns[line]) {
                const HopEnd end = hop_end(domain, at, hop.R);
                if (!end.inside()) continue;
                const auto to = static_cast<std::size_t>(hop.site);
                const std::uint32_t there = rules.line_of(domain.cell_index(end.cell), to);
                double back = 0;
                for (const Hop& h : rules.columns[there])
                    if (h.site == static_cast<std::int32_t>(j) && h.R == -hop.R) back += h.p;
                const double forth_flow = rules.weight[line] * hop.p, back_flow = rules.weight[there] * back;
                if (forth_flow != back_flow)
                    worst =
                        std::max(worst, std::abs(forth_flow - back_flow) / std::max(forth_flow, back_flow));
            }
        }
    }
    return worst;
}

double conservation_error(const HopRules& rules) {
    double worst = 0;
    for (std::size_t l = 0; l < rules.columns.size(); ++l) {
        double sum = 0;
        for (const Hop& hop : rules.columns[l]) sum += hop.p;
        worst = std::max(worst, std::abs(sum - 1));
    }
    return worst;
}

} // namespace mesolith
