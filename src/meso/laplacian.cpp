#include "mesolith/meso/laplacian.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include <Eigen/SparseCholesky>
#include <fmt/core.h>

#include "mesolith/core/error.hpp"
#include "mesolith/core/parallel.hpp"

namespace mesolith {

namespace {

constexpr std::size_t sum_block = 16384;     // rows whose sums are made in one go
constexpr std::size_t direct_limit = 400;    // nodes of the last level
constexpr std::size_t smallest_block = 8192; // rows of a block of Gauss-Seidel
constexpr std::size_t most_blocks = 64;      // of Gauss-Seidel
constexpr std::uint8_t most_members = 3;     // of a pair and those who come late
constexpr double strong = 0.9;               // quality of a pair
constexpr double well_drained = 1.0 / 3;     // sink over conductances: smoothing alone solves such a site
constexpr int most_pairings = 4;
constexpr std::size_t coarsening = 6; // rows per node to reach by them
constexpr std::int32_t none = -1;

template <int K>
using Column = std::array<double, static_cast<std::size_t>(K)>;

using Vector = std::vector<double>;

std::int32_t as_index(std::size_t i) { return static_cast<std::int32_t>(i); }
std::size_t at(std::int32_t i) { return static_cast<std::size_t>(i); }

// ---- Columns of vectors, the values of a site next to each other ----

template <int K, class F>
void for_rows(std::size_t n, F&& f) {
    for_blocks(n, sum_block, [&](std::size_t begin, std::size_t end) {
        for (std::size_t j = begin; j < end; ++j) f(j);
    });
}

/// sum over rows of f(j, sums), in a fixed order.
template <std::size_t N, class F>
std::array<double, N> sum_rows(std::size_t n, F&& f) {
    std::vector<std::array<double, N>> partial((n + sum_block - 1) / sum_block, std::array<double, N>{});
    for_blocks(n, sum_block, [&](std::size_t begin, std::size_t end) {
        std::array<double, N> sum{};
        for (std::size_t j = begin; j < end; ++j) f(j, sum);
        partial[begin / sum_block] = sum;
    });
    std::array<double, N> total{};
    for (const auto& p : partial)
        for (std::size_t k = 0; k < N; ++k) total[k] += p[k];
    return total;
}

template <int K>
Column<K> dot(const double* a, const double* b, std::size_t n) {
    return sum_rows<K>(n, [&](std::size_t j, Column<K>& sum) {
        for (std::size_t k = 0; k < K; ++k) sum[k] += a[K * j + k] * b[K * j + k];
    });
}

template <int K>
Column<K> laplacian_row(const ConductanceNetwork& net, const double* u, std::size_t j) {
    Column<K> here, sum;
    for (std::size_t k = 0; k < K; ++k) {
        here[k] = u[K * j + k];
        sum[k] = net.sink[j] * here[k];
    }
    for (std::size_t e = net.begin[j]; e < net.begin[j + 1]; ++e) {
        const double g = net.conductance[e];
        const double* there = u + K * at(net.neighbour[e]);
        for (std::size_t k = 0; k < K; ++k) sum[k] += g * (here[k] - there[k]);
    }
    return sum;
}

/// q = L p and p.q
template <int K>
Column<K> apply(const ConductanceNetwork& net, const double* p, double* q) {
    return sum_rows<K>(net.size(), [&](std::size_t j, Column<K>& sum) {
        const Column<K> row = laplacian_row<K>(net, p, j);
        for (std::size_t k = 0; k < K; ++k) {
            q[K * j + k] = row[k];
            sum[k] += row[k] * p[K * j + k];
        }
    });
}

// ---- Levels ----

/// Rows of coarse nodes: the fine ones they are made of.
struct Aggregates {
    std::vector<std::int32_t> of;      // node of each row; none: no node, smoothing alone solves it
    std::vector<std::size_t> begin{0}; // of node k: members[begin[k] .. begin[k + 1])
    std::vector<std::int32_t> members;

    std::size_t size() const { return begin.size() - 1; }

    void index_members() {
        const std::int32_t largest = of.empty() ? none : *std::max_element(of.begin(), of.end());
        begin.assign(static_cast<std::size_t>(largest + 2), 0);
        for (const std::int32_t k : of)
            if (k != none) ++begin[at(k) + 1];
        std::partial_sum(begin.begin(), begin.end(), begin.begin());
        members.resize(begin.back());
        std::vector<std::size_t> next(begin.begin(), begin.end() - 1);
        for (std::size_t j = 0; j < of.size(); ++j)
            if (of[j] != none) members[next[at(of[j])]++] = as_index(j);
    }
};

Vector diagonal_of(const ConductanceNetwork& net) {
    Vector diagonal(net.size());
    for_rows<1>(net.size(), [&](std::size_t j) {
        double sum = net.sink[j];
        for (std::size_t e = net.begin[j]; e < net.begin[j + 1]; ++e) sum += net.conductance[e];
        diagonal[j] = sum;
    });
    return diagonal;
}

/// Node of each row after joining every row to the free neighbour it is joined to most strongly, compared
/// with the strongest conductances of the sites that either is made of (`hold`, summed over them): what holds
/// the two together must not be weak beside what holds one of them, or the error of a site could neither be
/// smoothed here nor seen on the next level (the quality of pairs in Napov, Notay, SIAM J. Sci. Comput. 34,
/// A1079 (2012), in a form that does not depend on the number of neighbours). A row whose strong neighbours
/// are all taken goes with one of them. Rows with `of` = none stay out.
std::vector<std::int32_t> paired(const ConductanceNetwork& net, const std::vector<std::int32_t>& of,
                                 const Vector& hold) {
    const std::size_t n = net.size();
    std::vector<std::int32_t> node(n, none);
    std::vector<std::uint8_t> members;
    Vector held; // by each node
    for (std::size_t j = 0; j < n; ++j) {
        if (of[j] == none || node[j] != none) continue;
        double all = net.sink[j];
        for (std::size_t e = net.begin[j]; e < net.begin[j + 1]; ++e) all += net.conductance[e];
        std::int32_t partner = none, host = none;
        double best = strong, best_host = strong;
        for (std::size_t e = net.begin[j]; e < net.begin[j + 1]; ++e) {
            const std::size_t i = at(net.neighbour[e]);
            if (of[i] == none) continue;
            const double g = net.conductance[e];
            if (node[i] == none) {
                const double quality = g * (1 / hold[j] + 1 / hold[i]);
                if (quality > best) best = quality, partner = net.neighbour[e];
            } else if (members[at(node[i])] < most_members || g > 0.5 * all) {
                const double quality = g * (1 / hold[j] + 1 / held[at(node[i])]);
                if (quality > best_host) best_host = quality, host = net.neighbour[e];
            }
        }
        if (partner != none) {
            node[at(partner)] = node[j] = as_index(members.size());
            members.push_back(2);
            held.push_back(hold[j] + hold[at(partner)]);
        } else if (host != none) {
            node[j] = node[at(host)];
            members[at(node[j])] = std::min<std::uint8_t>(members[at(node[j])] + 1, most_members);
            held[at(node[j])] += hold[j];
        } else {
            node[j] = as_index(members.size());
            members.push_back(1);
            held.push_back(hold[j]);
        }
    }
    return node;
}

/// Conductances and sinks between nodes: what joins their rows, added up.
ConductanceNetwork galerkin(const ConductanceNetwork& net, const Aggregates& nodes) {
    const std::size_t n = nodes.size();
    ConductanceNetwork coarse;
    coarse.sink.assign(n, 0.0);
    coarse.begin.assign(n + 1, 0);
    constexpr std::size_t block = 4096;
    struct Rows {
        std::vector<std::int32_t> neighbour;
        std::vector<double> conductance;
    };
    std::vector<Rows> rows((n + block - 1) / block);
    for_blocks(n, block, [&](std::size_t first, std::size_t last) {
        Rows& out = rows[first / block];
        std::vector<std::pair<std::int32_t, double>> row;
        for (std::size_t k = first; k < last; ++k) {
            row.clear();
            double sink = 0;
            for (std::size_t m = nodes.begin[k]; m < nodes.begin[k + 1]; ++m) {
                const std::size_t j = at(nodes.members[m]);
                sink += net.sink[j];
                for (std::size_t e = net.begin[j]; e < net.begin[j + 1]; ++e) {
                    const std::int32_t there = nodes.of[at(net.neighbour[e])];
                    // A row that is no node is drained so well that it is as good as the ground.
                    if (there == none)
                        sink += net.conductance[e];
                    else if (there != as_index(k))
                        row.emplace_back(there, net.conductance[e]);
                }
            }
            std::stable_sort(row.begin(), row.end(),
                             [](const auto& a, const auto& b) { return a.first < b.first; });
            std::size_t count = 0;
            for (std::size_t e = 0; e < row.size(); ++e) {
                if (e == 0 || row[e].first != row[e - 1].first) {
                    out.neighbour.push_back(row[e].first);
                    out.conductance.push_back(0);
                    ++count;
                }
                out.conductance.back() += row[e].second;
            }
            coarse.sink[k] = sink;
            coarse.begin[k + 1] = count;
        }
    });
    std::partial_sum(coarse.begin.begin(), coarse.begin.end(), coarse.begin.begin());
    coarse.neighbour.reserve(coarse.begin.back());
    coarse.conductance.reserve(coarse.begin.back());
    for (const Rows& r : rows) {
        coarse.neighbour.insert(coarse.neighbour.end(), r.neighbour.begin(), r.neighbour.end());
        coarse.conductance.insert(coarse.conductance.end(), r.conductance.begin(), r.conductance.end());
    }
    return coarse;
}

struct Level {
    ConductanceNetwork net;
    Vector inverse;                 // 1 / diagonal as Gauss-Seidel uses it
    Vector added;                   // to the diagonal for that, empty: nothing
    std::vector<std::size_t> split; // [begin[j], split[j]) may be read while blocks of j's colour are written
    std::size_t block_rows = 0;
    Aggregates nodes;

    std::size_t size() const { return net.size(); }
    std::size_t block_of(std::size_t row) const { return row / block_rows; }

    void prepare_smoothing();
    template <int K>
    void smooth_from_zero(const double* b, double* x) const;
    template <int K>
    void smooth_back(const double* b, double* x, Vector& old) const;

    /// f(first row, last row) on the blocks of one colour.
    template <class F>
    void for_colour(std::size_t colour, F&& f) const {
        const std::size_t blocks = (size() + block_rows - 1) / block_rows;
        const std::size_t of_colour = (blocks + 1 - colour) / 2;
        for_blocks(of_colour, 1, [&](std::size_t b, std::size_t) {
            const std::size_t first = (2 * b + colour) * block_rows;
            f(first, std::min(size(), first + block_rows));
        });
    }
};

void Level::prepare_smoothing() {
    const std::size_t n = size();
    block_rows = std::max(smallest_block, (n + most_blocks - 1) / most_blocks);
    split.assign(net.begin.begin() + 1, net.begin.end());
    inverse = diagonal_of(net);
    Vector extra(n, 0.0);
    for_rows<1>(n, [&](std::size_t j) {
        const std::size_t block = block_of(j);
        std::vector<std::pair<std::int32_t, double>> racing;
        std::size_t to = net.begin[j];
        for (std::size_t e = net.begin[j]; e < net.begin[j + 1]; ++e) {
            const std::size_t other = block_of(at(net.neighbour[e]));
            if (other != block && other % 2 == block % 2) {
                racing.emplace_back(net.neighbour[e], net.conductance[e]);
            } else {
                net.neighbour[to] = net.neighbour[e];
                net.conductance[to++] = net.conductance[e];
            }
        }
        split[j] = to;
        for (const auto& [i, g] : racing) {
            net.neighbour[to] = i;
            net.conductance[to++] = g;
            // Half of it makes the sweep contract whatever blocks there are (Baker, Falgout, Kolev, Yang,
            // SIAM J. Sci. Comput. 33, 2864 (2011), for diagonally dominant matrices).
            extra[j] += 0.5 * g;
        }
        const double diagonal = inverse[j] + extra[j];
        inverse[j] = diagonal > 0 ? 1 / diagonal : 0;
    });
    if (std::any_of(extra.begin(), extra.end(), [](double x) { return x > 0; })) added = std::move(extra);
}

/// x of one sweep in ascending order that starts at zero; x is zero before.
template <int K>
void Level::smooth_from_zero(const double* b, double* x) const {
    for (std::size_t colour = 0; colour < 2; ++colour)
        for_colour(colour, [&](std::size_t first, std::size_t last) {
            for (std::size_t j = first; j < last; ++j) {
                Column<K> sum;
                for (std::size_t k = 0; k < K; ++k) sum[k] = b[K * j + k];
                for (std::size_t e = net.begin[j]; e < split[j]; ++e) {
                    const double g = net.conductance[e];
                    const double* there = x + K * at(net.neighbour[e]);
                    for (std::size_t k = 0; k < K; ++k) sum[k] += g * there[k];
                }
                for (std::size_t k = 0; k < K; ++k) x[K * j + k] = inverse[j] * sum[k];
            }
        });
}

/// The transpose of the same: a sweep in descending order.
template <int K>
void Level::smooth_back(const double* b, double* x, Vector& old) const {
    if (!added.empty()) std::copy(x, x + K * size(), old.begin());
    for (const std::size_t colour : {std::size_t{1}, std::size_t{0}})
        for_colour(colour, [&](std::size_t first, std::size_t last) {
            for (std::size_t j = last; j-- > first;) {
                Column<K> sum;
                for (std::size_t k = 0; k < K; ++k) sum[k] = b[K * j + k];
                for (std::size_t e = net.begin[j]; e < split[j]; ++e) {
                    const double g = net.conductance[e];
                    const double* there = x + K * at(net.neighbour[e]);
                    for (std::size_t k = 0; k < K; ++k) sum[k] += g * there[k];
                }
                for (std::size_t e = split[j]; e < net.begin[j + 1]; ++e) {
                    const double g = net.conductance[e];
                    const double* there = old.data() + K * at(net.neighbour[e]);
                    for (std::size_t k = 0; k < K; ++k) sum[k] += g * there[k];
                }
                if (!added.empty())
                    for (std::size_t k = 0; k < K; ++k) sum[k] += added[j] * x[K * j + k];
                for (std::size_t k = 0; k < K; ++k) x[K * j + k] = inverse[j] * sum[k];
            }
        });
}

/// Rows of a level into nodes of the next, about eight times fewer.
Aggregates aggregated(const ConductanceNetwork& net) {
    const std::size_t n = net.size();
    Aggregates nodes;
    nodes.of.assign(n, 0);
    Vector hold(n, 0.0);
    for (std::size_t j = 0; j < n; ++j) {
        double sum = 0;
        for (std::size_t e = net.begin[j]; e < net.begin[j + 1]; ++e) {
            sum += net.conductance[e];
            hold[j] = std::max(hold[j], net.conductance[e]);
        }
        if (net.sink[j] >= well_drained * sum) nodes.of[j] = none; // or all alone
    }
    nodes.of = paired(net, nodes.of, hold);
    nodes.index_members();
    for (int pass = 1; pass < most_pairings && coarsening * nodes.size() > n; ++pass) {
        Vector together(nodes.size(), 0.0);
        for (std::size_t j = 0; j < n; ++j)
            if (nodes.of[j] != none) together[at(nodes.of[j])] += hold[j];
        const ConductanceNetwork pairs = galerkin(net, nodes);
        const std::vector<std::int32_t> next =
            paired(pairs, std::vector<std::int32_t>(pairs.size(), 0), together);
        for (std::int32_t& k : nodes.of)
            if (k != none) k = next[at(k)];
        nodes.index_members();
    }
    return nodes;
}

std::int32_t root_of(std::vector<std::int32_t>& parent, std::int32_t j) {
    while (parent[at(j)] != j) j = parent[at(j)] = parent[at(parent[at(j)])];
    return j;
}

void check_network(const ConductanceNetwork& net) {
    const std::size_t n = net.size();
    if (n >= static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max()))
        throw DataError(fmt::format("network of {} sites (2^31 or more). Use a smaller domain", n));
    if (net.sink.size() != n || net.begin.front() != 0 || net.begin.back() != net.neighbour.size() ||
        net.conductance.size() != net.neighbour.size() || !std::is_sorted(net.begin.begin(), net.begin.end()))
        throw DataError("network whose rows, conductances and sinks do not fit (shapes differ)");
    for_rows<1>(n, [&](std::size_t j) {
        if (!(net.sink[j] >= 0) || !std::isfinite(net.sink[j]))
            throw DataError(
                fmt::format("site {}: sink of conductance {} (must not be negative)", j, net.sink[j]));
        for (std::size_t e = net.begin[j]; e < net.begin[j + 1]; ++e) {
            if (net.neighbour[e] < 0 || at(net.neighbour[e]) >= n || at(net.neighbour[e]) == j)
                throw DataError(fmt::format("site {}: neighbour {} (there are {} sites, and none is its own "
                                            "neighbour)",
                                            j, net.neighbour[e], n));
            if (!(net.conductance[e] > 0) || !std::isfinite(net.conductance[e]))
                throw DataError(fmt::format("site {}: conductance {} to site {} (must be positive)", j,
                                            net.conductance[e], net.neighbour[e]));
        }
    });
}

} // namespace

void apply_laplacian(const ConductanceNetwork& network, std::span<const double> u, std::span<double> y,
                     int columns) {
    if ((columns != 1 && columns != 3) || u.size() != network.size() * static_cast<std::size_t>(columns) ||
        y.size() != u.size())
        throw DataError("product with a network: vectors of another size (one value per site and column)");
    if (columns == 1)
        (void)apply<1>(network, u.data(), y.data());
    else
        (void)apply<3>(network, u.data(), y.data());
}

ConnectedParts connected_parts(const ConductanceNetwork& network) {
    const std::size_t n = network.size();
    ConnectedParts parts;
    std::vector<std::int32_t> parent(n);
    std::iota(parent.begin(), parent.end(), 0);
    for (std::size_t j = 0; j < n; ++j)
        for (std::size_t e = network.begin[j]; e < network.begin[j + 1]; ++e) {
            if (at(network.neighbour[e]) > j) continue; // its other end sees it too
            const std::int32_t a = root_of(parent, as_index(j)), b = root_of(parent, network.neighbour[e]);
            if (a != b) parent[at(std::max(a, b))] = std::min(a, b); // the root is the first site
        }
    parts.part_of.assign(n, none);
    for (std::size_t j = 0; j < n; ++j) {
        const std::size_t root = at(root_of(parent, as_index(j)));
        if (root == j) {
            parts.part_of[j] = as_index(parts.drained.size());
            parts.drained.push_back(0);
        } else {
            parts.part_of[j] = parts.part_of[root];
        }
        if (network.sink[j] > 0) parts.drained[at(parts.part_of[j])] = 1;
    }
    return parts;
}

struct LaplacianSolver::Hierarchy {
    std::vector<Level> levels; // the last one is solved directly
    ConnectedParts parts;
    Vector diagonal;
    Eigen::SimplicialLDLT<Eigen::SparseMatrix<double>> direct;

    explicit Hierarchy(ConductanceNetwork network) {
        parts = connected_parts(network);
        diagonal = diagonal_of(network);
        levels.emplace_back();
        levels.back().net = std::move(network);
        while (levels.back().size() > direct_limit) {
            Level& fine = levels.back();
            fine.nodes = aggregated(fine.net);
            Level coarse;
            coarse.net = galerkin(fine.net, fine.nodes);
            fine.prepare_smoothing();
            if (coarse.size() == 0) return; // every row is drained well
            levels.push_back(std::move(coarse));
        }
        factorise();
    }

    void factorise() {
        const ConductanceNetwork& net = levels.back().net;
        const auto n = static_cast<Eigen::Index>(net.size());
        const ConnectedParts coarse = connected_parts(net);
        std::vector<std::uint8_t> held = coarse.drained;
        const Vector sums = diagonal_of(net);
        std::vector<Eigen::Triplet<double>> entries;
        for (std::size_t j = 0; j < net.size(); ++j) {
            double sum = sums[j];
            // A part without sink is singular. A ground at any one node carries no current when what goes in
            // adds up to zero: it only chooses the constant.
            std::uint8_t& is_held = held[at(coarse.part_of[j])];
            if (!is_held) sum = sum > 0 ? 2 * sum : 1, is_held = 1;
            entries.emplace_back(as_index(j), as_index(j), sum);
            for (std::size_t e = net.begin[j]; e < net.begin[j + 1]; ++e)
                entries.emplace_back(as_index(j), net.neighbour[e], -net.conductance[e]);
        }
        Eigen::SparseMatrix<double> matrix(n, n);
        matrix.setFromTriplets(entries.begin(), entries.end());
        direct.compute(matrix);
        if (direct.info() != Eigen::Success)
            throw DataError("network: its coarsest level could not be factorised (conductances span too "
                            "many decades)");
    }

    bool is_direct(std::size_t level) const {
        return level + 1 == levels.size() && levels[level].nodes.of.empty();
    }
};

namespace {

/// Vectors of one level, kept over a solve.
struct Scratch {
    Vector b, x, r, old; // of the level: right side, result, residual, values before a sweep
    Vector c, v, d, w;   // of the two steps of conjugate gradients on it
};

} // namespace

namespace {

template <int K, class Hierarchy>
class Cycle {
public:
    explicit Cycle(const Hierarchy& h) : h_(h), scratch_(h.levels.size()) {
        for (std::size_t l = 0; l < scratch_.size(); ++l) {
            const std::size_t n = K * h.levels[l].size();
            Scratch& s = scratch_[l];
            for (Vector* v : {&s.b, &s.r, &s.old}) v->resize(n);
            if (l > 0)
                for (Vector* v : {&s.x, &s.c, &s.v, &s.d, &s.w}) v->resize(n);
        }
    }

    /// x = B b, symmetric and positive but for the K-cycle inside.
    void precondition(std::size_t l, const double* b, double* x) {
        const Level& level = h_.levels[l];
        const std::size_t n = level.size();
        Scratch& s = scratch_[l];
        if (h_.is_direct(l)) {
            Eigen::VectorXd right(static_cast<Eigen::Index>(n));
            for (std::size_t k = 0; k < K; ++k) {
                for (std::size_t j = 0; j < n; ++j) right[static_cast<Eigen::Index>(j)] = b[K * j + k];
                const Eigen::VectorXd result = h_.direct.solve(right);
                for (std::size_t j = 0; j < n; ++j) x[K * j + k] = result[static_cast<Eigen::Index>(j)];
            }
            return;
        }
        for_rows<K>(n, [&](std::size_t j) {
            for (std::size_t k = 0; k < K; ++k) x[K * j + k] = 0;
        });
        level.template smooth_from_zero<K>(b, x);
        if (l + 1 < h_.levels.size()) {
            for_rows<K>(n, [&](std::size_t j) {
                const Column<K> row = laplacian_row<K>(level.net, x, j);
                for (std::size_t k = 0; k < K; ++k) s.r[K * j + k] = b[K * j + k] - row[k];
            });
            Scratch& next = scratch_[l + 1];
            const Aggregates& nodes = level.nodes;
            for_rows<K>(nodes.size(), [&](std::size_t c) {
                Column<K> sum{};
                for (std::size_t m = nodes.begin[c]; m < nodes.begin[c + 1]; ++m)
                    for (std::size_t k = 0; k < K; ++k) sum[k] += s.r[K * at(nodes.members[m]) + k];
                for (std::size_t k = 0; k < K; ++k) next.b[K * c + k] = sum[k];
            });
            solve_coarse(l + 1);
            for_rows<K>(n, [&](std::size_t j) {
                if (nodes.of[j] == none) return;
                for (std::size_t k = 0; k < K; ++k) x[K * j + k] += next.x[K * at(nodes.of[j]) + k];
            });
        }
        level.template smooth_back<K>(b, x, s.old);
    }

private:
    /// scratch[l].x ~ L^-1 scratch[l].b: at most two steps of conjugate gradients.
    void solve_coarse(std::size_t l) {
        Scratch& s = scratch_[l];
        if (h_.is_direct(l)) {
            precondition(l, s.b.data(), s.x.data());
            return;
        }
        const ConductanceNetwork& net = h_.levels[l].net;
        const std::size_t n = net.size();
        precondition(l, s.b.data(), s.c.data());
        const Column<K> rho = apply<K>(net, s.c.data(), s.v.data()), cb = dot<K>(s.c.data(), s.b.data(), n);
        Column<K> first{};
        for (std::size_t k = 0; k < K; ++k) first[k] = rho[k] > 0 ? cb[k] / rho[k] : 0;
        const std::array<double, 2 * K> norms =
            sum_rows<2 * K>(n, [&](std::size_t j, std::array<double, 2 * K>& sum) {
                for (std::size_t k = 0; k < K; ++k) {
                    const double b = s.b[K * j + k], r = b - first[k] * s.v[K * j + k];
                    s.r[K * j + k] = r; // free again once the first step is done
                    sum[k] += b * b;
                    sum[K + k] += r * r;
                }
            });
        bool enough = true;
        for (std::size_t k = 0; k < K; ++k) enough = enough && norms[K + k] <= 0.0625 * norms[k];
        if (enough) {
            for_rows<K>(n, [&](std::size_t j) {
                for (std::size_t k = 0; k < K; ++k) s.x[K * j + k] = first[k] * s.c[K * j + k];
            });
            return;
        }
        std::copy(s.r.begin(), s.r.end(), s.b.begin()); // the right side is not needed any more
        precondition(l, s.b.data(), s.d.data());
        const Column<K> dd = apply<K>(net, s.d.data(), s.w.data()), dv = dot<K>(s.d.data(), s.v.data(), n),
                        dr = dot<K>(s.d.data(), s.b.data(), n);
        Column<K> along{}, second{};
        for (std::size_t k = 0; k < K; ++k) {
            const double rest = rho[k] > 0 ? dd[k] - dv[k] * dv[k] / rho[k] : dd[k];
            second[k] = rest > 0 ? dr[k] / rest : 0;
            along[k] = rho[k] > 0 ? first[k] - second[k] * dv[k] / rho[k] : 0;
        }
        for_rows<K>(n, [&](std::size_t j) {
            for (std::size_t k = 0; k < K; ++k)
                s.x[K * j + k] = along[k] * s.c[K * j + k] + second[k] * s.d[K * j + k];
        });
    }

    const Hierarchy& h_;
    std::vector<Scratch> scratch_;
};

/// b less its mean on each part without sink; refuses more than rounding.
template <int K>
Vector balanced(std::span<const double> b, const ConnectedParts& parts) {
    const std::size_t n = parts.part_of.size();
    Vector result(b.begin(), b.end());
    std::vector<Column<K>> sum(parts.size(), Column<K>{}), size(parts.size(), Column<K>{});
    std::vector<double> count(parts.size(), 0.0);
    for (std::size_t j = 0; j < n; ++j) {
        const std::size_t part = at(parts.part_of[j]);
        count[part] += 1;
        for (std::size_t k = 0; k < K; ++k) {
            sum[part][k] += b[K * j + k];
            size[part][k] += std::abs(b[K * j + k]);
        }
    }
    Column<K> total{};
    for (const Column<K>& s : size)
        for (std::size_t k = 0; k < K; ++k) total[k] += s[k];
    for (std::size_t part = 0; part < parts.size(); ++part)
        for (std::size_t k = 0; k < K; ++k) {
            if (!std::isfinite(sum[part][k])) throw DataError("network: a right side that is not finite");
            if (!parts.drained[part] && std::abs(sum[part][k]) > 1e-8 * size[part][k] &&
                std::abs(sum[part][k]) > 1e-14 * total[k])
                throw DataError(fmt::format(
                    "network: {:.3g} goes into a part of {} sites from which nothing leaves (no steady "
                    "state). Give it a sink, or let what goes in add up to zero",
                    sum[part][k], count[part]));
            sum[part][k] = parts.drained[part] ? 0 : sum[part][k] / count[part];
        }
    for (std::size_t j = 0; j < n; ++j)
        for (std::size_t k = 0; k < K; ++k) result[K * j + k] -= sum[at(parts.part_of[j])][k];
    return result;
}

/// u less its mean on each part without sink.
template <int K>
void centre(std::span<double> u, const ConnectedParts& parts) {
    std::vector<Column<K>> sum(parts.size(), Column<K>{});
    std::vector<double> count(parts.size(), 0.0);
    for (std::size_t j = 0; j < parts.part_of.size(); ++j) {
        count[at(parts.part_of[j])] += 1;
        for (std::size_t k = 0; k < K; ++k) sum[at(parts.part_of[j])][k] += u[K * j + k];
    }
    for_rows<K>(parts.part_of.size(), [&](std::size_t j) {
        const std::size_t part = at(parts.part_of[j]);
        if (parts.drained[part]) return;
        for (std::size_t k = 0; k < K; ++k) u[K * j + k] -= sum[part][k] / count[part];
    });
}

/// What the steps to come would still gain, from those made: a geometric series that falls as slowly as the
/// last steps did.
double continued(const std::vector<double>& gains) {
    if (gains.empty() || !(gains.back() > 0)) return 0;
    double ratio = 0.2; // steps are few, or were lucky
    for (std::size_t back = 1; back <= 4 && back < gains.size(); ++back) {
        const double before = gains[gains.size() - 1 - back];
        if (before > 0)
            ratio = std::max(ratio, std::pow(gains.back() / before, 1 / static_cast<double>(back)));
    }
    ratio = std::min(ratio, 0.95);
    return gains.back() * ratio / (1 - ratio);
}

template <int K, class Hierarchy>
SolveReport conjugate_gradients(const Hierarchy& h, std::span<const double> right, std::span<double> u,
                                const SolveOptions& options) {
    const ConductanceNetwork& net = h.levels.front().net;
    const std::size_t n = net.size();
    const Vector b = balanced<K>(right, h.parts);
    Vector r = b, z(K * n), p(K * n, 0.0), q(K * n, 0.0);
    std::fill(u.begin(), u.end(), 0.0);
    const Column<K> size = dot<K>(b.data(), b.data(), n);
    Cycle<K, Hierarchy> cycle(h);
    std::array<std::vector<double>, K> gains;
    SolveReport report;
    const auto worst_of = [&](const Column<K>& squares) {
        double worst = 0;
        for (std::size_t k = 0; k < K; ++k)
            if (size[k] > 0) worst = std::max(worst, std::sqrt(squares[k] / size[k]));
        return worst;
    };
    const auto tell = [&](double residual) {
        if (!options.progress) return;
        const double done = residual > 0 ? std::log(residual) / std::log(options.tolerance) : 1;
        options.progress(std::clamp(done, 0.0, 1.0));
    };
    Column<K> pq{};
    double estimate = worst_of(size), last_true = std::numeric_limits<double>::infinity();
    bool restarted = true;
    tell(estimate);
    for (;;) {
        while (estimate > options.tolerance && report.iterations < options.max_iterations) {
            cycle.precondition(0, r.data(), z.data());
            const Column<K> zq = dot<K>(z.data(), q.data(), n);
            Column<K> along{};
            for (std::size_t k = 0; k < K; ++k) along[k] = !restarted && pq[k] > 0 ? -zq[k] / pq[k] : 0;
            restarted = false;
            const Column<K> pr = sum_rows<K>(n, [&](std::size_t j, Column<K>& sum) {
                for (std::size_t k = 0; k < K; ++k) {
                    p[K * j + k] = z[K * j + k] + along[k] * p[K * j + k];
                    sum[k] += p[K * j + k] * r[K * j + k];
                }
            });
            pq = apply<K>(net, p.data(), q.data());
            Column<K> step{};
            for (std::size_t k = 0; k < K; ++k) {
                step[k] = pq[k] > 0 ? pr[k] / pq[k] : 0;
                gains[k].push_back(step[k] * pr[k]);
            }
            const Column<K> squares = sum_rows<K>(n, [&](std::size_t j, Column<K>& sum) {
                for (std::size_t k = 0; k < K; ++k) {
                    u[K * j + k] += step[k] * p[K * j + k];
                    const double left = r[K * j + k] -= step[k] * q[K * j + k];
                    sum[k] += left * left;
                }
            });
            estimate = worst_of(squares);
            ++report.iterations;
            tell(estimate);
        }
        // The residual that was carried along forgets rounding: make it anew.
        const std::array<double, 2 * K> squares =
            sum_rows<2 * K>(n, [&](std::size_t j, std::array<double, 2 * K>& sum) {
                const Column<K> row = laplacian_row<K>(net, u.data(), j);
                for (std::size_t k = 0; k < K; ++k) {
                    const double left = b[K * j + k] - row[k], rounding = h.diagonal[j] * u[K * j + k];
                    r[K * j + k] = left;
                    sum[k] += left * left;
                    sum[K + k] += rounding * rounding;
                }
            });
        Column<K> left{};
        double floor = 0;
        for (std::size_t k = 0; k < K; ++k) {
            left[k] = squares[k];
            if (size[k] > 0)
                floor = std::max(floor, 16 * std::numeric_limits<double>::epsilon() *
                                            std::sqrt(squares[K + k] / size[k]));
        }
        report.residual = worst_of(left);
        if (report.residual <= std::max(options.tolerance, floor)) break;
        if (report.iterations >= options.max_iterations || !(report.residual < 0.5 * last_true))
            throw DataError(fmt::format(
                "steady state: a relative residual of {:.3g} after {} iterations ({:.3g} was asked for; the "
                "conductances span too many decades). Give a larger tolerance or more iterations",
                report.residual, report.iterations, options.tolerance));
        last_true = report.residual;
        estimate = report.residual;
        restarted = true;
    }
    for (std::size_t k = 0; k < K; ++k) report.energy_error[k] = continued(gains[k]);
    centre<K>(u, h.parts);
    if (options.progress) options.progress(1);
    return report;
}

} // namespace

LaplacianSolver::LaplacianSolver(ConductanceNetwork network) {
    check_network(network);
    hierarchy_ = std::make_unique<Hierarchy>(std::move(network));
}
LaplacianSolver::~LaplacianSolver() = default;
LaplacianSolver::LaplacianSolver(LaplacianSolver&&) noexcept = default;
LaplacianSolver& LaplacianSolver::operator=(LaplacianSolver&&) noexcept = default;

const ConductanceNetwork& LaplacianSolver::network() const { return hierarchy_->levels.front().net; }
const ConnectedParts& LaplacianSolver::parts() const { return hierarchy_->parts; }
std::size_t LaplacianSolver::n_levels() const { return hierarchy_->levels.size(); }
double LaplacianSolver::complexity() const {
    double all = 0;
    for (const Level& level : hierarchy_->levels) all += static_cast<double>(level.net.neighbour.size());
    const auto first = static_cast<double>(network().neighbour.size());
    return first > 0 ? all / first : 1;
}

SolveReport LaplacianSolver::solve(std::span<const double> b, std::span<double> u, int columns,
                                   const SolveOptions& options) const {
    if ((columns != 1 && columns != 3) || b.size() != network().size() * static_cast<std::size_t>(columns) ||
        u.size() != b.size())
        throw DataError("network: a right side of another size (one value per site and column)");
    if (!(options.tolerance > 0) || !(options.tolerance < 1) || options.max_iterations < 1)
        throw DataError(fmt::format("network: tolerance {} and {} iterations (between 0 and 1, at least one)",
                                    options.tolerance, options.max_iterations));
    return columns == 1 ? conjugate_gradients<1>(*hierarchy_, b, u, options)
                        : conjugate_gradients<3>(*hierarchy_, b, u, options);
}

} // namespace mesolith
