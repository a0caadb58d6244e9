#include "mesolith/msm/elimination.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <string>

#include <Eigen/Dense>

#include "mesolith/core/error.hpp"

#include "at.hpp"

namespace mesolith {

namespace {

constexpr std::size_t dense_at_once = 64; ///< as few states as this are eliminated without an ordering
constexpr double dense_share = 0.35;      ///< the rest is dense once its emptiest state has this share of it
constexpr Eigen::Index block_states = 32; ///< states whose updates of the rest are gathered into one product

/// One end of an edge with what moves along it: M first moments, weight times displacement.
template <std::size_t M>
struct Link {
    std::int32_t to = 0;
    double weight = 0;
    std::array<double, M> moment{};
};

/// What the elimination of a state leaves behind for the solutions.
template <std::size_t M>
struct Eliminated {
    std::int32_t state = 0;
    double leaving = 0;                  ///< S, the sum of weights
    std::array<double, M> moment{};      ///< sum of the moments of the edges out
    std::size_t out_end = 0, in_end = 0; ///< its links end there in `out` and `in`
};

/// States with few neighbours, eliminated by increasing number of neighbours. Rows hold the edges out of a
/// state; the pattern of rows is symmetric but for kept states, whose rows hold true edges only.
template <std::size_t M>
class SparseStage {
public:
    std::vector<Eliminated<M>> steps;
    std::vector<Link<0>> out, in;
    std::vector<std::vector<Link<M>>> rows;

    explicit SparseStage(std::size_t n) : rows(n), kept_(n, 0), position_(n), stamp_(n, 0) {}

    void keep(std::int32_t state) { kept_[at(state)] = 1; }

    void add(std::int32_t from, const Link<M>& link) {
        rows[at(from)].push_back(link);
        if (!kept_[at(link.to)]) rows[at(link.to)].push_back({from, 0.0, {}});
    }

    /// Parallel edges become one.
    void merge_parallel() {
        for (auto& row : rows) {
            std::stable_sort(row.begin(), row.end(),
                             [](const Link<M>& a, const Link<M>& b) { return a.to < b.to; });
            std::size_t last = 0;
            for (std::size_t k = 1; k < row.size(); ++k)
                if (row[k].to == row[last].to)
                    accumulate(row[last], row[k]);
                else
                    row[++last] = row[k];
            if (!row.empty()) row.resize(last + 1);
        }
    }

    /// Until the rest is dense; returns what is left besides the kept states, in ascending order.
    std::vector<std::int32_t> eliminate(std::size_t n_kept) {
        std::set<std::pair<std::size_t, std::int32_t>> queue; // by number of neighbours
        for (std::size_t s = 0; s < rows.size(); ++s)
            if (!kept_[s]) queue.emplace(rows[s].size(), static_cast<std::int32_t>(s));
        while (!queue.empty()) {
            const auto [degree, k] = *queue.begin();
            const double remaining = static_cast<double>(queue.size() + n_kept);
            if (queue.size() <= dense_at_once || static_cast<double>(degree) > dense_share * remaining) break;
            queue.erase(queue.begin());
            for (const Link<M>& a : rows[at(k)])
                if (!kept_[at(a.to)]) queue.erase({rows[at(a.to)].size(), a.to});
            const std::vector<Link<M>> star = std::move(rows[at(k)]);
            remove(k, star);
            for (const Link<M>& a : star)
                if (!kept_[at(a.to)]) queue.emplace(rows[at(a.to)].size(), a.to);
        }
        std::vector<std::int32_t> rest;
        for (const auto& [degree, state] : queue) rest.push_back(state);
        std::sort(rest.begin(), rest.end());
        return rest;
    }

private:
    std::vector<char> kept_;
    std::vector<std::size_t> position_; // of each state in the row at hand
    std::vector<std::int64_t> stamp_;   // the row that `position_` was noted for
    std::int64_t now_ = 0;

    static void accumulate(Link<M>& sum, const Link<M>& more) {
        sum.weight += more.weight;
        for (std::size_t c = 0; c < M; ++c) sum.moment[c] += more.moment[c];
    }

    void remove(std::int32_t k, const std::vector<Link<M>>& star) {
        Eliminated<M> step{k, 0.0, {}, 0, 0};
        for (const Link<M>& b : star) {
            step.leaving += b.weight;
            for (std::size_t c = 0; c < M; ++c) step.moment[c] += b.moment[c];
            if (b.weight > 0) out.push_back({b.to, b.weight, {}});
        }
        if (!(step.leaving > 0)) throw DataError("elimination: the network is not connected");
        std::vector<Link<M>> share = star; // of the ways out
        for (Link<M>& b : share) {
            b.weight /= step.leaving;
            for (double& m : b.moment) m /= step.leaving;
        }
        for (const Link<M>& neighbour : star) {
            const std::int32_t a = neighbour.to;
            std::vector<Link<M>>& row = rows[at(a)];
            const auto found =
                std::find_if(row.begin(), row.end(), [&](const Link<M>& l) { return l.to == k; });
            if (found == row.end()) continue; // a kept state without an edge to k
            const Link<M> way_in = *found;
            *found = row.back();
            row.pop_back();
            if (way_in.weight > 0) in.push_back({a, way_in.weight, {}});
            ++now_;
            for (std::size_t n = 0; n < row.size(); ++n) {
                position_[at(row[n].to)] = n;
                stamp_[at(row[n].to)] = now_;
            }
            for (const Link<M>& b : share) {
                if (b.to == a) continue;
                Link<M> path{b.to, way_in.weight * b.weight, {}};
                for (std::size_t c = 0; c < M; ++c)
                    path.moment[c] = way_in.moment[c] * b.weight + way_in.weight * b.moment[c];
                if (stamp_[at(b.to)] == now_)
                    accumulate(row[position_[at(b.to)]], path);
                else
                    row.push_back(path);
            }
        }
        step.out_end = out.size();
        step.in_end = in.size();
        steps.push_back(step);
    }
};

void demand_states(std::size_t n_states, std::int32_t from, std::int32_t to, double weight) {
    if (from < 0 || to < 0 || at(from) >= n_states || at(to) >= n_states)
        throw DataError("elimination: an edge from state " + std::to_string(from) + " to " +
                        std::to_string(to) + " (there are " + std::to_string(n_states) + " states)");
    if (!(weight > 0) || !std::isfinite(weight))
        throw DataError("elimination: the edge from state " + std::to_string(from) + " to " +
                        std::to_string(to) + " has the weight " + std::to_string(weight) +
                        " (weights must be positive and finite)");
}

} // namespace

struct Elimination::Factors {
    SparseStage<0> sparse;
    std::vector<std::int32_t> rest; ///< states of the dense part; the kept ones come first
    Eigen::MatrixXd dense;          ///< (to, from)
    Eigen::VectorXd leaving;
    std::size_t n_kept = 0;

    explicit Factors(std::size_t n) : sparse(n) {}

    /// Every state that is not kept must have a way to one that is.
    void demand_exits(std::span<const WeightedEdge> edges, std::span<const std::int32_t> kept) const {
        const std::size_t n = sparse.rows.size();
        std::vector<std::size_t> start(n + 2, 0);
        for (const WeightedEdge& e : edges) ++start[at(e.to) + 2];
        for (std::size_t s = 2; s < start.size(); ++s) start[s] += start[s - 1];
        std::vector<std::int32_t> origin(edges.size());
        for (const WeightedEdge& e : edges) origin[start[at(e.to) + 1]++] = e.from;
        std::vector<char> reaches(n, 0);
        std::vector<std::int32_t> stack(kept.begin(), kept.end());
        for (const std::int32_t k : kept) reaches[at(k)] = 1;
        while (!stack.empty()) {
            const std::size_t i = at(stack.back());
            stack.pop_back();
            for (std::size_t e = start[i]; e < start[i + 1]; ++e)
                if (!reaches[at(origin[e])]) {
                    reaches[at(origin[e])] = 1;
                    stack.push_back(origin[e]);
                }
        }
        for (std::size_t s = 0; s < n; ++s)
            if (!reaches[s])
                throw DataError(
                    "elimination: state " + std::to_string(s) +
                    " cannot reach a kept state (it would never be left for good). Keep one state "
                    "of its class");
    }

    void eliminate_dense() {
        const auto K = static_cast<Eigen::Index>(n_kept), m = dense.cols();
        leaving = Eigen::VectorXd::Zero(m);
        Eigen::VectorXd share(m);
        for (Eigen::Index end = m; end > K;) {
            const Eigen::Index begin = std::max(K, end - block_states), width = end - begin;
            for (Eigen::Index k = end - 1; k >= begin; --k) {
                leaving[k] = dense.col(k).head(k).sum();
                share.head(k) = dense.col(k).head(k) / leaving[k];
                for (Eigen::Index j = begin; j < k; ++j) dense.col(j).head(k) += share.head(k) * dense(k, j);
                for (Eigen::Index j = 0; j < begin; ++j)
                    dense.col(j).segment(begin, k - begin) += share.segment(begin, k - begin) * dense(k, j);
            }
            if (begin > 0) {
                const Eigen::MatrixXd shares = dense.block(0, begin, begin, width) *
                                               leaving.segment(begin, width).cwiseInverse().asDiagonal();
                dense.topLeftCorner(begin, begin).noalias() += shares * dense.block(begin, 0, width, begin);
            }
            end = begin;
        }
    }
};

Elimination::~Elimination() = default;
Elimination::Elimination(Elimination&&) noexcept = default;
Elimination& Elimination::operator=(Elimination&&) noexcept = default;

Elimination::Elimination(std::size_t n_states, std::span<const WeightedEdge> edges,
                         std::span<const std::int32_t> kept)
    : factors_(std::make_unique<Factors>(n_states)) {
    if (kept.empty()) throw DataError("elimination: no state is kept (name at least one)");
    for (const WeightedEdge& e : edges) demand_states(n_states, e.from, e.to, e.weight);
    for (const std::int32_t k : kept) demand_states(n_states, k, k, 1);
    Factors& f = *factors_;
    f.demand_exits(edges, kept);
    for (const std::int32_t k : kept) f.sparse.keep(k);
    f.rest.assign(kept.begin(), kept.end());
    std::sort(f.rest.begin(), f.rest.end());
    f.rest.erase(std::unique(f.rest.begin(), f.rest.end()), f.rest.end());
    f.n_kept = f.rest.size();

    const bool small = n_states - f.n_kept <= dense_at_once;
    if (small) {
        for (std::size_t s = 0, k = 0; s < n_states; ++s)
            if (k < f.n_kept && at(f.rest[k]) == s)
                ++k;
            else
                f.rest.push_back(static_cast<std::int32_t>(s));
    } else {
        for (const WeightedEdge& e : edges)
            if (e.from != e.to) f.sparse.add(e.from, {e.to, e.weight, {}});
        f.sparse.merge_parallel();
        const auto rest = f.sparse.eliminate(f.n_kept);
        f.rest.insert(f.rest.end(), rest.begin(), rest.end());
    }
    const auto m = static_cast<Eigen::Index>(f.rest.size());
    std::vector<Eigen::Index> local(n_states, -1);
    for (Eigen::Index r = 0; r < m; ++r) local[at(f.rest[static_cast<std::size_t>(r)])] = r;
    f.dense = Eigen::MatrixXd::Zero(m, m);
    if (small) {
        for (const WeightedEdge& e : edges)
            if (e.from != e.to) f.dense(local[at(e.to)], local[at(e.from)]) += e.weight;
    } else {
        for (Eigen::Index r = 0; r < m; ++r)
            for (const Link<0>& l : f.sparse.rows[at(f.rest[static_cast<std::size_t>(r)])])
                f.dense(local[at(l.to)], r) += l.weight;
        f.sparse.rows.clear();
    }
    f.eliminate_dense();
}

std::vector<double> Elimination::expectations(std::span<const double> gain,
                                              std::span<const double> at_kept) const {
    const Factors& f = *factors_;
    std::vector<double> x(gain.begin(), gain.end());
    std::size_t in = 0;
    for (const auto& step : f.sparse.steps) // gains pass on to those who come here
        for (; in < step.in_end; ++in)
            x[at(f.sparse.in[in].to)] += f.sparse.in[in].weight * (x[at(step.state)] / step.leaving);

    const auto K = static_cast<Eigen::Index>(f.n_kept), m = f.dense.cols();
    Eigen::VectorXd local(m);
    for (Eigen::Index r = 0; r < m; ++r) local[r] = x[at(f.rest[static_cast<std::size_t>(r)])];
    for (Eigen::Index k = m - 1; k >= K; --k)
        local.head(k) += f.dense.row(k).head(k).transpose() * (local[k] / f.leaving[k]);
    for (Eigen::Index r = 0; r < K; ++r) local[r] = at_kept[at(f.rest[static_cast<std::size_t>(r)])];
    for (Eigen::Index k = K; k < m; ++k)
        local[k] = (local[k] + f.dense.col(k).head(k).dot(local.head(k))) / f.leaving[k];
    for (Eigen::Index r = 0; r < m; ++r) x[at(f.rest[static_cast<std::size_t>(r)])] = local[r];

    for (std::size_t s = f.sparse.steps.size(); s-- > 0;) {
        const auto& step = f.sparse.steps[s];
        double& value = x[at(step.state)];
        for (std::size_t l = s == 0 ? 0 : f.sparse.steps[s - 1].out_end; l < step.out_end; ++l)
            value += f.sparse.out[l].weight * x[at(f.sparse.out[l].to)];
        value /= step.leaving;
    }
    return x;
}

std::vector<double> Elimination::arrivals(std::span<const double> start) const {
    const Factors& f = *factors_;
    std::vector<double> y(start.begin(), start.end());
    std::size_t out = 0;
    for (const auto& step : f.sparse.steps) {
        for (; out < step.out_end; ++out)
            y[at(f.sparse.out[out].to)] += f.sparse.out[out].weight / step.leaving * y[at(step.state)];
        y[at(step.state)] = 0;
    }
    for (std::size_t k = f.rest.size(); k-- > f.n_kept;) {
        const auto col = static_cast<Eigen::Index>(k);
        const double passed = y[at(f.rest[k])] / f.leaving[col];
        for (std::size_t r = 0; r < k; ++r)
            y[at(f.rest[r])] += f.dense(static_cast<Eigen::Index>(r), col) * passed;
        y[at(f.rest[k])] = 0;
    }
    return y;
}

std::vector<double> Elimination::visits(std::span<const double> start,
                                        std::span<const double> at_kept) const {
    const Factors& f = *factors_;
    std::vector<double> y(start.begin(), start.end());
    std::size_t out = 0;
    for (const auto& step : f.sparse.steps)
        for (; out < step.out_end; ++out)
            y[at(f.sparse.out[out].to)] += f.sparse.out[out].weight / step.leaving * y[at(step.state)];

    const auto K = static_cast<Eigen::Index>(f.n_kept), m = f.dense.cols();
    Eigen::VectorXd local(m);
    for (Eigen::Index r = 0; r < m; ++r) local[r] = y[at(f.rest[static_cast<std::size_t>(r)])];
    for (Eigen::Index k = m - 1; k >= K; --k)
        local.head(k) += f.dense.col(k).head(k) * (local[k] / f.leaving[k]);
    for (Eigen::Index r = 0; r < K; ++r) local[r] = at_kept[at(f.rest[static_cast<std::size_t>(r)])];
    for (Eigen::Index k = K; k < m; ++k)
        local[k] = (local[k] + f.dense.row(k).head(k).dot(local.head(k))) / f.leaving[k];
    for (Eigen::Index r = 0; r < m; ++r) y[at(f.rest[static_cast<std::size_t>(r)])] = local[r];

    for (std::size_t s = f.sparse.steps.size(); s-- > 0;) {
        const auto& step = f.sparse.steps[s];
        double& value = y[at(step.state)];
        for (std::size_t l = s == 0 ? 0 : f.sparse.steps[s - 1].in_end; l < step.in_end; ++l)
            value += f.sparse.in[l].weight * y[at(f.sparse.in[l].to)];
        value /= step.leaving;
    }
    return y;
}

namespace {

/// The dense rest of a symmetric network. Column k of each matrix holds the bonds from node k to the nodes
/// before it: conductances and conductance times displacement.
struct DenseMesh {
    Eigen::MatrixXd conductance;
    std::array<Eigen::MatrixXd, 3> moment;
    Eigen::VectorXd leaving;
    Eigen::Matrix<double, Eigen::Dynamic, 3> push; // sum of the moments of the bonds of a node when it went

    explicit DenseMesh(Eigen::Index m)
        : conductance(Eigen::MatrixXd::Zero(m, m)), leaving(Eigen::VectorXd::Zero(m)),
          push(Eigen::Matrix<double, Eigen::Dynamic, 3>::Zero(m, 3)) {
        moment.fill(conductance);
    }

    void add(Eigen::Index from, Eigen::Index to, double g, const std::array<double, 3>& m) {
        const double sign = from > to ? 1 : -1;
        if (from < to) std::swap(from, to);
        conductance(to, from) += g;
        for (std::size_t c = 0; c < 3; ++c) moment[c](to, from) += sign * m[c];
    }

    void eliminate() {
        const Eigen::Index m = conductance.cols();
        Eigen::VectorXd share(m);
        std::array<Eigen::VectorXd, 3> carried;
        carried.fill(share);
        for (Eigen::Index end = m; end > 1;) {
            const Eigen::Index begin = std::max<Eigen::Index>(1, end - block_states), width = end - begin;
            for (Eigen::Index k = end - 1; k >= begin; --k) {
                leaving[k] = conductance.col(k).head(k).sum();
                if (!(leaving[k] > 0)) throw DataError("elimination: the network is not connected");
                share.head(k) = conductance.col(k).head(k) / leaving[k];
                for (std::size_t c = 0; c < 3; ++c) {
                    push(k, static_cast<Eigen::Index>(c)) = moment[c].col(k).head(k).sum();
                    carried[c].head(k) = moment[c].col(k).head(k) / leaving[k];
                }
                for (Eigen::Index b = begin; b < k; ++b) { // b -> k -> a for all a before b
                    const double g = conductance(b, k);
                    if (g == 0) continue;
                    conductance.col(b).head(b) += share.head(b) * g;
                    for (std::size_t c = 0; c < 3; ++c)
                        moment[c].col(b).head(b) += carried[c].head(b) * g - share.head(b) * moment[c](b, k);
                }
            }
            if (begin > 1) update_rest(begin, width);
            end = begin;
        }
    }

    void update_rest(Eigen::Index begin, Eigen::Index width) {
        const auto scale = leaving.segment(begin, width).cwiseInverse().asDiagonal();
        Eigen::MatrixXd left(begin, 2 * width), right(begin, 2 * width);
        right.leftCols(width) = conductance.block(0, begin, begin, width);
        left.rightCols(width) = -(right.leftCols(width) * scale);
        conductance.topLeftCorner(begin, begin).triangularView<Eigen::Upper>() -=
            left.rightCols(width) * right.leftCols(width).transpose();
        for (Eigen::MatrixXd& M : moment) {
            right.rightCols(width) = M.block(0, begin, begin, width);
            left.leftCols(width) = right.rightCols(width) * scale;
            M.topLeftCorner(begin, begin).triangularView<Eigen::Upper>() += left * right.transpose();
        }
    }
};

} // namespace

std::vector<Vec3> star_mesh_correctors(std::size_t n_nodes, std::span<const Bond> bonds) {
    std::vector<Vec3> chi(n_nodes, Vec3::Zero());
    if (n_nodes == 0) return chi;
    for (const Bond& b : bonds) demand_states(n_nodes, b.from, b.to, b.conductance);
    const auto moment_of = [](const Bond& b, double sign) {
        return std::array<double, 3>{sign * b.conductance * b.shift[0], sign * b.conductance * b.shift[1],
                                     sign * b.conductance * b.shift[2]};
    };
    SparseStage<3> sparse(n_nodes);
    std::vector<std::int32_t> rest;
    const bool small = n_nodes <= dense_at_once;
    if (small) {
        for (std::size_t s = 0; s < n_nodes; ++s) rest.push_back(static_cast<std::int32_t>(s));
    } else {
        for (const Bond& b : bonds) {
            if (b.from == b.to) continue;
            sparse.rows[at(b.from)].push_back({b.to, b.conductance, moment_of(b, 1)});
            sparse.rows[at(b.to)].push_back({b.from, b.conductance, moment_of(b, -1)});
        }
        sparse.merge_parallel();
        rest = sparse.eliminate(0);
    }
    const auto m = static_cast<Eigen::Index>(rest.size());
    std::vector<Eigen::Index> local(n_nodes, -1);
    for (Eigen::Index r = 0; r < m; ++r) local[at(rest[static_cast<std::size_t>(r)])] = r;
    DenseMesh mesh(m);
    if (small) {
        for (const Bond& b : bonds)
            if (b.from != b.to) mesh.add(b.from, b.to, b.conductance, moment_of(b, 1));
    } else {
        for (const std::int32_t from : rest)
            for (const Link<3>& l : sparse.rows[at(from)])
                if (local[at(l.to)] < local[at(from)])
                    mesh.add(local[at(from)], local[at(l.to)], l.weight, l.moment);
    }
    mesh.eliminate();
    for (Eigen::Index k = 1; k < m; ++k) {
        Vec3 sum = mesh.push.row(k).transpose();
        for (Eigen::Index a = 0; a < k; ++a)
            sum += mesh.conductance(a, k) * chi[at(rest[static_cast<std::size_t>(a)])];
        chi[at(rest[static_cast<std::size_t>(k)])] = sum / mesh.leaving[k];
    }
    for (std::size_t s = sparse.steps.size(); s-- > 0;) {
        const auto& step = sparse.steps[s];
        Vec3 sum(step.moment[0], step.moment[1], step.moment[2]);
        for (std::size_t l = s == 0 ? 0 : sparse.steps[s - 1].out_end; l < step.out_end; ++l)
            sum += sparse.out[l].weight * chi[at(sparse.out[l].to)];
        chi[at(step.state)] = sum / step.leaving;
    }
    return chi;
}

} // namespace mesolith
