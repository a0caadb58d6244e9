#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace mesolith {

/// A link between two nodes of a network.
struct NetworkLink {
    std::int32_t a = 0, b = 0;
};

/// Least squares on a network of conductances g > 0 with a wanted difference d on each link,
///
///     minimise  sum over links g (y_b - y_a - d)^2,
///
/// by eliminating node after node: node k with links (g_a, d_a) leaves links a - b of g_a g_b / G and d_b -
/// d_a, G = sum g; parallel links add up. Nothing is ever subtracted from a conductance: each component of y
/// is right to rounding however many decades the g span, where Cholesky of the same Laplacian loses the weak
/// links in its pivots. One node of each connected component (the last to be eliminated) has y = 0. Cost:
/// that of a sparse Cholesky factorisation in approximate minimum degree order, which is found once for all
/// conductances. For a single solution star_mesh_correctors is two to five times faster: it takes what has
/// filled up in blocks.
class Network {
public:
    /// @param links  between different nodes, each pair once
    Network(std::size_t n_nodes, std::vector<NetworkLink> links);

    std::span<const NetworkLink> links() const { return links_; }

    /// y for conductances and differences in the order of links().
    std::vector<double> differences(std::span<const double> g, std::span<const double> d);

    /// y with L y = rhs, L the Laplacian of the conductances last given; the right-hand side must sum to zero
    /// on each component. Six right-hand sides at once: the components of a symmetric tensor.
    using Six = std::array<double, 6>;
    std::vector<Six> solve(std::vector<Six> rhs) const;

private:
    std::vector<NetworkLink> links_;
    std::vector<std::int32_t> node_;     // in order of elimination
    std::vector<std::size_t> first_;     // neighbours eliminated after the k-th: [first_[k], first_[k + 1])
    std::vector<std::int32_t> later_;    // their places in the order, ascending
    std::vector<std::size_t> row_first_; // entries of later_ that name node k: row_[row_first_[k]] and on
    std::vector<std::size_t> row_;
    std::vector<std::size_t> column_end_; // of each entry: first_[k + 1]
    std::vector<std::size_t> link_at_;    // where each link is in later_
    std::vector<char> link_turned_;       // whether b is eliminated before a
    std::vector<double> g_, d_, share_;   // conductance, difference, g / G
    std::vector<double> pivot_;           // G
};

} // namespace mesolith
