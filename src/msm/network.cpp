#include "network.hpp"

#include <algorithm>

#include <Eigen/OrderingMethods>
#include <Eigen/SparseCore>

#include "at.hpp"

namespace mesolith {

namespace {

std::vector<std::int32_t> minimum_degree_order(std::size_t n, const std::vector<NetworkLink>& links) {
    std::vector<Eigen::Triplet<double>> triplets;
    for (const NetworkLink& link : links) {
        triplets.emplace_back(link.a, link.b, 1.0);
        triplets.emplace_back(link.b, link.a, 1.0);
    }
    Eigen::SparseMatrix<double> pattern(static_cast<Eigen::Index>(n), static_cast<Eigen::Index>(n));
    pattern.setFromTriplets(triplets.begin(), triplets.end());
    Eigen::PermutationMatrix<Eigen::Dynamic, Eigen::Dynamic, int> order;
    Eigen::AMDOrdering<int>()(pattern, order);
    return {order.indices().data(), order.indices().data() + n};
}

} // namespace

Network::Network(std::size_t n, std::vector<NetworkLink> links)
    : links_(std::move(links)), node_(minimum_degree_order(n, links_)) {
    std::vector<std::int32_t> place(n);
    for (std::size_t k = 0; k < n; ++k) place[at(node_[k])] = static_cast<std::int32_t>(k);

    std::vector<std::vector<std::int32_t>> later(n), children(n);
    for (const NetworkLink& link : links_) {
        const std::int32_t a = place[at(link.a)], b = place[at(link.b)];
        later[at(std::min(a, b))].push_back(std::max(a, b));
    }
    for (std::size_t k = 0; k < n; ++k) {
        for (const std::int32_t child : children[k]) // links left behind by those eliminated before
            later[k].insert(later[k].end(), later[at(child)].begin() + 1, later[at(child)].end());
        std::sort(later[k].begin(), later[k].end());
        later[k].erase(std::unique(later[k].begin(), later[k].end()), later[k].end());
        if (!later[k].empty()) children[at(later[k].front())].push_back(static_cast<std::int32_t>(k));
    }
    first_.assign(1, 0);
    for (const auto& l : later) {
        later_.insert(later_.end(), l.begin(), l.end());
        first_.push_back(later_.size());
    }
    for (const NetworkLink& link : links_) {
        const std::int32_t a = place[at(link.a)], b = place[at(link.b)];
        const std::size_t k = at(std::min(a, b));
        const auto begin = later_.begin() + static_cast<std::ptrdiff_t>(first_[k]),
                   end = later_.begin() + static_cast<std::ptrdiff_t>(first_[k + 1]);
        link_at_.push_back(
            static_cast<std::size_t>(std::lower_bound(begin, end, std::max(a, b)) - later_.begin()));
        link_turned_.push_back(a > b);
    }
    row_first_.assign(n + 1, 0);
    for (const std::int32_t k : later_) ++row_first_[at(k) + 1];
    for (std::size_t k = 0; k < n; ++k) row_first_[k + 1] += row_first_[k];
    row_.resize(later_.size());
    column_end_.resize(later_.size());
    std::vector<std::size_t> next(row_first_.begin(), row_first_.end() - 1);
    for (std::size_t k = 0; k < n; ++k)
        for (std::size_t s = first_[k]; s < first_[k + 1]; ++s) {
            row_[next[at(later_[s])]++] = s;
            column_end_[s] = first_[k + 1];
        }
    g_.resize(later_.size());
    d_.resize(later_.size());
    share_.resize(later_.size());
    pivot_.resize(n);
}

std::vector<double> Network::differences(std::span<const double> g, std::span<const double> d) {
    std::fill(g_.begin(), g_.end(), 0.0);
    std::fill(d_.begin(), d_.end(), 0.0);
    for (std::size_t l = 0; l < links_.size(); ++l) {
        g_[link_at_[l]] += g[l];
        d_[link_at_[l]] += link_turned_[l] ? -g[l] * d[l] : g[l] * d[l];
    }
    struct Sum {
        double g = 0, gd = 0;
    };
    const std::size_t n = node_.size();
    std::vector<Sum> sum(n); // links of node k to those eliminated later
    for (std::size_t k = 0; k < n; ++k) {
        for (std::size_t s = first_[k]; s < first_[k + 1]; ++s) sum[at(later_[s])] = {g_[s], d_[s]};
        for (std::size_t r = row_first_[k]; r < row_first_[k + 1]; ++r) {
            const std::size_t s = row_[r]; // a node eliminated before k had a link to it
            const double gs = g_[s], ds = d_[s];
            for (std::size_t t = s + 1; t < column_end_[s]; ++t) {
                Sum& other = sum[at(later_[t])];
                const double left = gs * share_[t];
                other.g += left;
                other.gd += left * (d_[t] - ds);
            }
        }
        double G = 0;
        for (std::size_t s = first_[k]; s < first_[k + 1]; ++s) G += g_[s] = sum[at(later_[s])].g;
        pivot_[k] = G;
        for (std::size_t s = first_[k]; s < first_[k + 1]; ++s) {
            share_[s] = G > 0 ? g_[s] / G : 0.0;
            d_[s] = g_[s] > 0 ? sum[at(later_[s])].gd / g_[s] : 0.0;
        }
    }
    std::vector<double> y(n, 0), result(n, 0);
    for (std::size_t k = n; k-- > 0;) {
        for (std::size_t s = first_[k]; s < first_[k + 1]; ++s)
            y[k] += share_[s] * (y[at(later_[s])] - d_[s]);
        result[at(node_[k])] = y[k];
    }
    return result;
}

std::vector<Network::Six> Network::solve(std::vector<Six> rhs) const {
    const std::size_t n = node_.size();
    std::vector<Six> y(n), result(n, Six{});
    for (std::size_t k = 0; k < n; ++k) y[k] = rhs[at(node_[k])];
    for (std::size_t k = 0; k < n; ++k)
        for (std::size_t s = first_[k]; s < first_[k + 1]; ++s)
            for (std::size_t q = 0; q < 6; ++q) y[at(later_[s])][q] += share_[s] * y[k][q];
    for (std::size_t k = n; k-- > 0;) {
        for (std::size_t q = 0; q < 6; ++q) y[k][q] = pivot_[k] > 0 ? y[k][q] / pivot_[k] : 0.0;
        for (std::size_t s = first_[k]; s < first_[k + 1]; ++s)
            for (std::size_t q = 0; q < 6; ++q) y[k][q] += share_[s] * y[at(later_[s])][q];
        result[at(node_[k])] = y[k];
    }
    return result;
}

} // namespace mesolith
