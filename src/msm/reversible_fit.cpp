#include "reversible_fit.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <utility>

#include <Eigen/SparseCholesky>

#include "mesolith/core/error.hpp"

#include "at.hpp"
#include "strong_components.hpp"

namespace mesolith {

namespace {

/// Counts of both directions between two sites, all R together.
struct PairCounts {
    double there = 0, back = 0;
};
using Pairs = std::map<std::pair<std::int32_t, std::int32_t>, PairCounts>;

template <class Joined> // whether transition t counts
Pairs sum_over_cells(const TransitionCounts& counts, std::span<const double> c, Joined&& joined) {
    Pairs pairs;
    for (std::size_t t = 0; t < c.size(); ++t) {
        const Transition& move = counts.transitions[t];
        if (move.from == move.to || c[t] <= 0 || !joined(t)) continue;
        PairCounts& pair = pairs[std::minmax(move.from, move.to)];
        (move.from < move.to ? pair.there : pair.back) += c[t];
    }
    return pairs;
}

std::vector<std::int32_t> groups_of_sites(const TransitionCounts& counts, std::span<const double> c,
                                          std::size_t& n_groups) {
    std::vector<std::size_t> first{0};
    std::vector<std::int32_t> target;
    std::size_t t = 0;
    for (std::size_t j = 0; j < counts.n_sites; ++j) {
        for (; t < c.size() && at(counts.transitions[t].from) == j; ++t)
            if (c[t] > 0) target.push_back(counts.transitions[t].to);
        first.push_back(target.size());
    }
    const auto components = strong_components(first, target);
    std::vector<std::int32_t> group(counts.n_sites);
    for (std::size_t g = 0; g < components.size(); ++g)
        for (const std::int32_t j : components[g]) group[at(j)] = static_cast<std::int32_t>(g);
    n_groups = components.size();
    return group;
}

[[noreturn]] void no_convergence(const EstimatorInfo& info) {
    throw DataError("the reversible estimate did not converge (" + std::to_string(info.iterations) +
                    " Newton steps, relative gradient " + std::to_string(info.gradient) +
                    "). Use estimator = \"symmetrised\"");
}

constexpr int most_steps = 1000;
constexpr double small_gradient = 1e-12;

} // namespace

// Free pi

ReversibleFit::ReversibleFit(const TransitionCounts& counts, std::span<const double> c)
    : counts_(counts), c_(c), group_(groups_of_sites(counts, c, n_groups_)), visits_(counts.n_sites, 0) {
    for (std::size_t t = 0; t < c.size(); ++t) visits_[at(counts.transitions[t].from)] += c[t];
    std::vector<NetworkLink> links;
    for (const auto& [sites, pair] : sum_over_cells(counts, c, [&](std::size_t t) { return !one_way(t); })) {
        links.push_back({sites.first, sites.second});
        there_.push_back(pair.there);
        back_.push_back(pair.back);
    }
    network_ = std::make_unique<Network>(counts.n_sites, std::move(links));
    climb();
    normalise();
}

bool ReversibleFit::one_way(std::size_t t) const {
    const Transition& move = counts_.transitions[t];
    return group_[at(move.from)] != group_[at(move.to)];
}

void ReversibleFit::climb() {
    const auto links = network_->links();
    const std::size_t n = counts_.n_sites;
    // Start: pi of the symmetrised counts.
    std::vector<double> inflow(n, 0), wanted(n, 0);
    for (std::size_t l = 0; l < links.size(); ++l) {
        const std::size_t a = at(links[l].a), b = at(links[l].b);
        wanted[a] += there_[l];
        wanted[b] += back_[l];
        inflow[a] += back_[l];
        inflow[b] += there_[l];
    }
    u_.assign(n, 0.0);
    for (std::size_t j = 0; j < n; ++j)
        if (wanted[j] > 0) u_[j] = -std::log(2 + (inflow[j] - wanted[j]) / visits_[j]);

    std::vector<double> g(links.size()), d(links.size()), excess(n), step(n, 0.0);
    // Network flow that is still missing, and the conductances of the Hessian.
    const auto evaluate = [&] {
        std::fill(excess.begin(), excess.end(), 0.0);
        for (std::size_t l = 0; l < links.size(); ++l) {
            const std::size_t a = at(links[l].a), b = at(links[l].b);
            const double both = there_[l] + back_[l], down = u_[a] - u_[b];
            const double small = 1 / (1 + std::exp(std::abs(down))); // of the two shares
            const double missing = down <= 0 ? both * small - there_[l] : back_[l] - both * small;
            g[l] = both * small * (1 - small);
            d[l] = missing / g[l];
            excess[a] += missing;
            excess[b] -= missing;
        }
        info_.gradient = 0;
        for (std::size_t j = 0; j < n; ++j)
            if (wanted[j] > 0) info_.gradient = std::max(info_.gradient, std::abs(excess[j]) / wanted[j]);
    };
    evaluate();
    for (bool done = links.empty(); !done;) {
        if (info_.iterations == most_steps) no_convergence(info_);
        ++info_.iterations;
        step = network_->differences(g, d);
        double along_links = 0, largest = 0;
        for (const NetworkLink& link : links)
            along_links = std::max(along_links, std::abs(step[at(link.b)] - step[at(link.a)]));
        for (const double s : step) largest = std::max(largest, std::abs(s));
        if (!std::isfinite(largest)) no_convergence(info_);
        done = largest < 1e-8; // quadratic: after this step the rest is rounding
        const double t = along_links > 1.5 ? std::log1p(along_links) / along_links : 1.0;
        for (std::size_t j = 0; j < n; ++j) u_[j] += t * step[j];
        evaluate();
    }
    if (!(info_.gradient < small_gradient)) no_convergence(info_);
}

/// q of each group such that its pi sum to its share of the visits.
void ReversibleFit::normalise() {
    double all = 0;
    std::vector<double> lowest(n_groups_, 0), visits(n_groups_, 0), sum(n_groups_, 0);
    for (std::size_t j = 0; j < u_.size(); ++j) {
        lowest[at(group_[j])] = std::min(lowest[at(group_[j])], u_[j]);
        visits[at(group_[j])] += visits_[j];
        all += visits_[j];
    }
    q_.assign(u_.size(), 1.0);
    for (std::size_t j = 0; j < u_.size(); ++j) {
        q_[j] = std::exp(u_[j] - lowest[at(group_[j])]);
        sum[at(group_[j])] += visits_[j] / q_[j];
    }
    for (std::size_t j = 0; j < u_.size(); ++j)
        if (visits_[j] > 0) q_[j] *= sum[at(group_[j])] / (visits[at(group_[j])] / all);
}

Flows ReversibleFit::flows() const {
    Flows flows{std::vector<double>(c_.size(), 0.0), std::vector<double>(q_.size(), 0.0)};
    for (std::size_t t = 0; t < c_.size(); ++t) {
        const Transition& move = counts_.transitions[t];
        const double both = c_[t] + c_[at(counts_.reverse[t])];
        if (one_way(t))
            flows.stay[at(move.from)] += c_[t] / q_[at(move.from)];
        else
            flows.transition[t] = both / (q_[at(move.from)] + q_[at(move.to)]);
    }
    return flows;
}

// Given pi

struct GivenPiFit::Factorised {
    Eigen::SimplicialLDLT<Eigen::SparseMatrix<double>> solver;
    bool analysed = false;
};

GivenPiFit::GivenPiFit(const TransitionCounts& counts, std::span<const double> c, std::vector<double> pi)
    : counts_(counts), c_(c), pi_(std::move(pi)), l_(pi_.size(), 0), seen_(pi_.size(), 0),
      stays_(pi_.size(), 0), active_(pi_.size(), 0), factorised_(std::make_unique<Factorised>()) {
    for (std::size_t t = 0; t < c.size(); ++t) {
        const Transition& move = counts.transitions[t];
        const std::size_t j = at(move.from), i = at(move.to);
        if (pi_[j] <= 0 || pi_[i] <= 0) continue;
        seen_[j] += 0.5 * c[t];
        seen_[i] += 0.5 * c[t];
        if (j == i) stays_[j] += c[t];
    }
    bool barrier = false;
    for (std::size_t j = 0; j < pi_.size(); ++j) {
        active_[j] = seen_[j] > 0;
        if (!active_[j]) continue;
        l_[j] = seen_[j] / pi_[j];
        barrier = barrier || stays_[j] <= 0;
    }
    for (const auto& [sites, pair] : sum_over_cells(counts, c, [&](std::size_t t) { return open(t); })) {
        links_.push_back({sites.first, sites.second});
        both_.push_back(pair.there + pair.back);
    }
    if (std::find(active_.begin(), active_.end(), 1) == active_.end()) return;
    double height = 0;
    if (barrier)
        for (height = 1e-2; height > 2e-14; height *= 1e-3) descend(height);
    descend(height);
    std::vector<double> unused(pi_.size(), 0);
    line_up(height, unused); // gradient and Hessian where it ended
    if (!(info_.gradient < small_gradient)) no_convergence(info_);
}

GivenPiFit::~GivenPiFit() = default;

bool GivenPiFit::open(std::size_t t) const {
    const Transition& move = counts_.transitions[t];
    return active_[at(move.from)] && active_[at(move.to)];
}

/// Newton step relative to l; factorises the Hessian. Sets the gradient. Returns the largest relative change
/// that the step makes to the argument of any logarithm.
double GivenPiFit::line_up(double barrier, std::vector<double>& step) {
    const std::size_t n = l_.size();
    std::vector<double> diagonal(n, 0), carried(n, 0), walls(n, 0);
    std::vector<Eigen::Triplet<double>> triplets;
    for (std::size_t j = 0; j < n; ++j) {
        if (!active_[j]) {
            diagonal[j] = 1;
            continue;
        }
        walls[j] = stays_[j] > 0 ? stays_[j] : barrier * seen_[j];
        diagonal[j] = walls[j];
        carried[j] = walls[j] / l_[j];
    }
    for (std::size_t k = 0; k < links_.size(); ++k) {
        const std::size_t a = at(links_[k].a), b = at(links_[k].b);
        const double sum = l_[a] + l_[b], x = both_[k] / sum;
        carried[a] += x;
        carried[b] += x;
        diagonal[a] += x * l_[a] * l_[a] / sum;
        diagonal[b] += x * l_[b] * l_[b] / sum;
        triplets.emplace_back(std::max(links_[k].a, links_[k].b), std::min(links_[k].a, links_[k].b),
                              x * l_[a] * l_[b] / sum);
    }
    Eigen::VectorXd down = Eigen::VectorXd::Zero(static_cast<Eigen::Index>(n));
    info_.gradient = 0;
    for (std::size_t j = 0; j < n; ++j) {
        triplets.emplace_back(static_cast<int>(j), static_cast<int>(j), diagonal[j]);
        if (!active_[j]) continue;
        down[static_cast<Eigen::Index>(j)] = l_[j] * (carried[j] - pi_[j]);
        info_.gradient = std::max(info_.gradient, std::abs(carried[j] - pi_[j]) / pi_[j]);
    }
    Eigen::SparseMatrix<double> hessian(static_cast<Eigen::Index>(n), static_cast<Eigen::Index>(n));
    hessian.setFromTriplets(triplets.begin(), triplets.end());
    if (!factorised_->analysed) factorised_->solver.analyzePattern(hessian);
    factorised_->analysed = true;
    factorised_->solver.factorize(hessian);
    const Eigen::VectorXd solution = factorised_->solver.solve(down);
    double largest = 0;
    for (std::size_t j = 0; j < n; ++j) {
        step[j] = solution[static_cast<Eigen::Index>(j)];
        if (active_[j]) largest = std::max(largest, std::abs(step[j]));
    }
    if (factorised_->solver.info() != Eigen::Success || !std::isfinite(largest)) no_convergence(info_);
    return largest;
}

void GivenPiFit::descend(double barrier) {
    std::vector<double> step(l_.size(), 0);
    double before = 1e300;
    for (bool done = false; !done;) {
        if (++info_.iterations > most_steps) no_convergence(info_);
        const double change = line_up(barrier, step);
        // Where sites without stays leave a direction free, the step ends in rounding instead.
        done = change < 1e-9 || (info_.gradient < 1e-13 && change > 0.5 * before);
        before = change;
        const double t = change > 1e-8 ? 1 / (1 + change) : 1.0;
        for (std::size_t j = 0; j < l_.size(); ++j) l_[j] *= 1 + t * step[j];
    }
}

Flows GivenPiFit::flows() const {
    Flows flows{std::vector<double>(c_.size(), 0.0), pi_};
    for (std::size_t t = 0; t < c_.size(); ++t) {
        if (!open(t)) continue;
        const Transition& move = counts_.transitions[t];
        flows.transition[t] = (c_[t] + c_[at(counts_.reverse[t])]) / (l_[at(move.from)] + l_[at(move.to)]);
        flows.stay[at(move.from)] -= flows.transition[t];
    }
    for (std::size_t j = 0; j < pi_.size(); ++j)
        flows.stay[j] = stays_[j] > 0 ? 0.0 : std::max(flows.stay[j], 0.0);
    return flows;
}

std::vector<Network::Six> GivenPiFit::solve(const std::vector<Network::Six>& rhs) const {
    const auto n = static_cast<Eigen::Index>(l_.size());
    Eigen::MatrixXd right(n, 6);
    for (Eigen::Index j = 0; j < n; ++j)
        for (Eigen::Index q = 0; q < 6; ++q)
            right(j, q) = l_[static_cast<std::size_t>(j)] *
                          rhs[static_cast<std::size_t>(j)][static_cast<std::size_t>(q)];
    const Eigen::MatrixXd solution = factorised_->solver.solve(right);
    std::vector<Network::Six> y(l_.size());
    for (Eigen::Index j = 0; j < n; ++j)
        for (Eigen::Index q = 0; q < 6; ++q)
            y[static_cast<std::size_t>(j)][static_cast<std::size_t>(q)] =
                l_[static_cast<std::size_t>(j)] * solution(j, q);
    return y;
}

} // namespace mesolith
