#include "mesolith/meso/jump_table.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/core.h>

#include "mesolith/core/error.hpp"
#include "mesolith/core/parallel.hpp"

namespace mesolith {

namespace {

__extension__ using Wide = unsigned __int128;

/// Weights in units of 2^-64 / n of their sum, so that the n slots of 2^64 units each are filled exactly.
std::vector<Wide> shares(std::span<const double> weights) {
    long double sum = 0;
    for (double w : weights) {
        if (!(w >= 0) || !std::isfinite(w))
            throw DataError(
                fmt::format("weight {} (must be finite and not negative). Check the probabilities", w));
        sum += w;
    }
    if (!(sum > 0)) throw DataError("all weights are zero (nothing to draw from). Check the probabilities");
    const Wide n = weights.size(), whole = n << 64;
    std::vector<Wide> share(weights.size());
    Wide given = 0;
    for (std::size_t i = 0; i < share.size(); ++i) {
        // a long double of x86 holds 64 bits: p 2^64 is exact for p >= 1/2 and rounded far below one unit of
        // the rest
        const long double p = weights[i] / sum;
        share[i] = static_cast<Wide>(std::ldexp(p, 96)) * n >> 32;
        given += share[i];
    }
    // What rounding left over (some n units) goes to the largest, where it weighs least.
    Wide& largest = *std::max_element(share.begin(), share.end());
    largest = largest + whole - given;
    return share;
}

} // namespace

std::vector<AliasSlot> alias_slots(std::span<const double> weights) {
    std::vector<Wide> left = shares(weights);
    const Wide full = Wide{1} << 64;
    std::vector<AliasSlot> slots(left.size());
    std::vector<std::size_t> small, large;
    for (std::size_t i = left.size(); i-- > 0;) (left[i] < full ? small : large).push_back(i);
    while (!small.empty()) {
        const std::size_t s = small.back(), l = large.back();
        small.pop_back();
        slots[s] = {static_cast<std::uint64_t>(left[s]), s, l};
        left[l] -= full - left[s];
        if (left[l] < full) {
            large.pop_back();
            small.push_back(l);
        }
    }
    // Integers: what is left is exactly full.
    for (std::size_t l : large) slots[l] = {0, l, l};
    return slots;
}

namespace {

bool stays(const Hop& hop, std::size_t site) {
    return hop.R.isZero() && static_cast<std::size_t>(hop.site) == site;
}

/// Append the alias table of some hops; its row.
std::uint64_t append(JumpTable& table, std::span<const Hop> hops, std::size_t site) {
    std::vector<double> weights;
    std::vector<std::uint64_t> packed;
    for (const Hop& hop : hops) {
        if (hop.R.cwiseAbs().maxCoeff() >= Destination::bias)
            throw DataError(
                fmt::format("hop from site {} over ({}, {}, {}) cells (at most 511). Use a shorter lag", site,
                            hop.R[0], hop.R[1], hop.R[2]));
        weights.push_back(hop.p);
        packed.push_back(Destination{hop.site, hop.R}.packed());
    }
    const std::uint64_t first = table.slots.size();
    if (first + weights.size() >= std::uint64_t{1} << 32)
        throw DataError(
            "more than 2^32 distinct hops (jump tables hold no more). Drop the smallest probabilities, or "
            "use fewer kinds of regions");
    if (!weights.empty())
        for (AliasSlot slot : alias_slots(weights))
            table.slots.push_back({slot.threshold, packed[slot.kept], packed[slot.alias]});
    return first << 32 | weights.size();
}

void pack_classes(const HopRules& rules, JumpTable& table) {
    table.class_shift = rules.n_classes() <= 256 ? 3 : rules.n_classes() <= 65536 ? 2 : 1;
    const std::size_t per_word = std::size_t{1} << table.class_shift,
                      bits = std::size_t{64} >> table.class_shift, n = rules.cell_class.size();
    table.classes.resize((n + per_word - 1) / per_word);
    for_blocks(table.classes.size(), 8192, [&](std::size_t begin, std::size_t end) {
        for (std::size_t word = begin; word < end; ++word)
            for (std::size_t k = 0; k < per_word && word * per_word + k < n; ++k)
                table.classes[word] |= std::uint64_t{rules.cell_class[word * per_word + k]} << (k * bits);
    });
}

/// What comes in through a face to each site of a class. With detailed balance, which check_domain asks for,
/// as much comes in from a full reservoir as goes out of a full cell.
double inflow_to(const Domain& domain, const HopRules& rules, std::size_t cell_class, std::size_t site,
                 int axis, int side) {
    const std::uint32_t line = rules.class_line[cell_class * rules.n_basis + site];
    if (rules.inflow[line] == 0) return 0;
    const IVec3 at = domain.cell_at(rules.class_cell[cell_class]);
    double here = 0, all = 0;
    for (const Hop& hop : rules.columns[line]) {
        const HopEnd end = hop_end(domain, at, hop.R);
        if (end.inside()) continue;
        const Face& face =
            domain.faces[static_cast<std::size_t>(end.axis)][static_cast<std::size_t>(end.side)];
        if (face.kind != FaceKind::reservoir) continue;
        const double p = face.concentration * hop.p;
        all += p;
        if (end.axis == axis && end.side == side) here += p;
    }
    return here == all ? rules.inflow[line] : rules.inflow[line] * (here / all);
}

Inflow make_inflow(const Domain& domain, const HopRules& rules, int axis, int side) {
    Inflow inflow;
    const Face& face = domain.faces[static_cast<std::size_t>(axis)][static_cast<std::size_t>(side)];
    if (face.kind != FaceKind::reservoir || face.concentration == 0) return inflow;
    // The cells a hop through the face can reach, by class.
    std::vector<std::vector<std::uint64_t>> cells_of(rules.n_classes());
    const int n = domain.cells[axis], depth = std::min(n, rules.reach[axis]);
    IVec3 from = IVec3::Zero(), to = domain.cells;
    (side == 0 ? to[axis] : from[axis]) = side == 0 ? depth : n - depth;
    for (int z = from[2]; z < to[2]; ++z)
        for (int y = from[1]; y < to[1]; ++y)
            for (int x = from[0]; x < to[0]; ++x) {
                const std::size_t cell = domain.cell_index({x, y, z});
                cells_of[rules.class_of(cell)].push_back(cell);
            }
    std::vector<double> weights;
    for (std::size_t c = 0; c < cells_of.size(); ++c) {
        if (cells_of[c].empty()) continue;
        const std::size_t first = inflow.cells.size();
        bool any = false;
        for (std::size_t site = 0; site < rules.n_basis; ++site) {
            const double p = inflow_to(domain, rules, c, site, axis, side);
            if (p == 0) continue;
            any = true;
            inflow.places.push_back({first, cells_of[c].size(), static_cast<std::int32_t>(site)});
            weights.push_back(p * static_cast<double>(cells_of[c].size()));
            inflow.mean += weights.back();
        }
        if (any) inflow.cells.insert(inflow.cells.end(), cells_of[c].begin(), cells_of[c].end());
    }
    if (!weights.empty()) inflow.slots = alias_slots(weights);
    return inflow;
}

/// Everything but the alias tables.
JumpTable empty_table(const Domain& domain, const HopRules& rules) {
    JumpTable table;
    table.cells = domain.cells;
    table.n_basis = rules.n_basis;
    table.reach = rules.reach;
    table.lag_time = domain.lag_time();
    for (std::size_t axis = 0; axis < 3; ++axis)
        for (std::size_t side = 0; side < 2; ++side) table.faces[axis][side] = domain.faces[axis][side].kind;
    if (domain.crystal()) return table;
    if (std::int64_t{domain.cells[0]} * domain.cells[1] >= std::int64_t{1} << 32)
        throw DataError(
            fmt::format("layer of {} x {} cells (walkers beside walls and regions go to 2^32 in a layer of "
                        "a_1 and a_2). Let a_3 be the longest edge",
                        domain.cells[0], domain.cells[1]));
    pack_classes(rules, table);
    for (int axis = 0; axis < 3; ++axis)
        for (int side = 0; side < 2; ++side)
            table.inflow[static_cast<std::size_t>(2 * axis + side)] = make_inflow(domain, rules, axis, side);
    return table;
}

/// rows[line] for each class and site.
std::vector<std::uint64_t> rows_of_classes(const HopRules& rules, const std::vector<std::uint64_t>& rows) {
    std::vector<std::uint64_t> all;
    all.reserve(rules.class_line.size());
    for (const std::uint32_t line : rules.class_line) all.push_back(rows[line]);
    return all;
}

/// A site of each line.
std::vector<std::size_t> line_sites(const HopRules& rules) {
    std::vector<std::size_t> sites(rules.columns.size());
    for (std::size_t i = 0; i < rules.class_line.size(); ++i) sites[rules.class_line[i]] = i % rules.n_basis;
    return sites;
}

} // namespace

bool JumpTable::open() const {
    for (const auto& axis : faces)
        for (const FaceKind kind : axis)
            if (is_open(kind)) return true;
    return false;
}

bool JumpTable::has_reservoirs() const {
    for (const auto& axis : faces)
        for (const FaceKind kind : axis)
            if (kind == FaceKind::reservoir) return true;
    return false;
}

double JumpTable::bytes() const {
    std::size_t bytes = slots.size() * sizeof(AliasSlot) + 8 * (rows.size() + classes.size());
    for (const Inflow& in : inflow)
        bytes += in.slots.size() * sizeof(AliasSlot) + in.places.size() * sizeof(Inflow::Place) +
                 8 * in.cells.size();
    return static_cast<double>(bytes);
}

JumpTable make_jump_table(const Domain& domain, const HopRules& rules) {
    JumpTable table = empty_table(domain, rules);
    const std::vector<std::size_t> sites = line_sites(rules);
    std::vector<std::uint64_t> rows;
    for (std::size_t line = 0; line < rules.columns.size(); ++line)
        rows.push_back(append(table, rules.columns[line], sites[line]));
    table.rows = rows_of_classes(rules, rows);
    return table;
}

JumpTable make_jump_table(const Kernel& kernel) {
    const Domain domain = crystal_domain(kernel, IVec3::Ones());
    return make_jump_table(domain, make_hop_rules(domain));
}

RateTable make_rate_table(const Domain& domain, const HopRules& rules) {
    RateTable table{empty_table(domain, rules), {}};
    const std::vector<std::size_t> sites = line_sites(rules);
    std::vector<std::uint64_t> rows;
    std::vector<double> wait;
    for (std::size_t line = 0; line < rules.columns.size(); ++line) {
        std::vector<Hop> hops;
        double leave = 0;
        for (const Hop& hop : rules.columns[line])
            if (!stays(hop, sites[line]) && hop.p > 0) {
                hops.push_back(hop);
                leave += hop.p;
            }
        rows.push_back(append(table.jumps, hops, sites[line]));
        wait.push_back(leave > 0 ? domain.lag_time() / leave : std::numeric_limits<double>::infinity());
    }
    table.jumps.rows = rows_of_classes(rules, rows);
    for (const std::uint32_t line : rules.class_line) table.mean_wait.push_back(wait[line]);
    return table;
}

} // namespace mesolith
