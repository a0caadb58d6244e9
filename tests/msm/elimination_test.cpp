#include <array>
#include <cmath>
#include <limits>
#include <random>

#include <Eigen/Dense>

#include "mesolith/core/error.hpp"
#include "mesolith/msm/elimination.hpp"

#include "support/catch.hpp"

using namespace mesolith;

namespace {

/// A ring of n states in both directions and `more` random edges per state, weights over two decades.
std::vector<WeightedEdge> random_chain(std::int32_t n, std::int32_t more, std::uint64_t seed) {
    std::mt19937_64 random(seed);
    std::uniform_real_distribution<double> exponent(-2, 0);
    std::vector<WeightedEdge> edges;
    const auto add = [&](std::int32_t from, std::int32_t to) {
        edges.push_back({from, to, std::pow(10, exponent(random))});
    };
    for (std::int32_t j = 0; j < n; ++j) {
        add(j, (j + 1) % n);
        add((j + 1) % n, j);
        for (std::int32_t k = 0; k < more; ++k)
            add(j, static_cast<std::int32_t>(random() % static_cast<std::uint64_t>(n)));
    }
    return edges;
}

/// Generator with column = origin: columns sum to zero.
Eigen::MatrixXd generator(std::int32_t n, const std::vector<WeightedEdge>& edges) {
    Eigen::MatrixXd K = Eigen::MatrixXd::Zero(n, n);
    for (const WeightedEdge& e : edges) {
        K(e.to, e.from) += e.weight;
        K(e.from, e.from) -= e.weight;
    }
    return K;
}

double worst_relative(const std::vector<double>& value, const Eigen::VectorXd& reference) {
    double worst = 0;
    for (Eigen::Index s = 0; s < reference.size(); ++s)
        worst = std::max(worst, std::abs(value[static_cast<std::size_t>(s)] - reference[s]) /
                                    std::abs(reference[s]));
    return worst;
}

struct Size {
    std::int32_t states, more;
};
constexpr std::array<Size, 4> sizes{
    {{9, 2}, {60, 3}, {220, 1}, {150, 60}}}; // small, one block, sparse, blocks

} // namespace

TEST_CASE("the elimination's stationary vector, expectations, visits and arrivals are those of a dense LU",
          "[msm][elimination]") {
    for (const Size& size : sizes) {
        const std::int32_t n = size.states;
        const auto edges = random_chain(n, size.more, static_cast<std::uint64_t>(n));
        const std::vector<std::int32_t> kept{n / 2, 1, 3};
        const Elimination chain(static_cast<std::size_t>(n), edges, kept);
        const Eigen::MatrixXd K = generator(n, edges);
        Eigen::VectorXd gain = Eigen::VectorXd::LinSpaced(n, 1, 3), given = Eigen::VectorXd::Zero(n);
        for (const std::int32_t k : kept) given[k] = 0.5 + k;
        Eigen::MatrixXd forward = -K.transpose(), backward = -K;
        Eigen::VectorXd right = gain;
        for (const std::int32_t k : kept) {
            forward.row(k).setZero();
            backward.row(k).setZero();
            forward(k, k) = backward(k, k) = 1;
            right[k] = given[k];
        }
        const std::vector<double> g(gain.data(), gain.data() + n), a(given.data(), given.data() + n);
        CHECK(worst_relative(chain.expectations(g, a), forward.partialPivLu().solve(right)) < 1e-11);
        CHECK(worst_relative(chain.visits(g, a), backward.partialPivLu().solve(right)) < 1e-11);

        Eigen::VectorXd start = gain;
        for (const std::int32_t k : kept) start[k] = 0;
        const Eigen::VectorXd visits =
            backward.partialPivLu().solve(start); // nothing returns from kept states
        const std::vector<double> arrived = chain.arrivals(g);
        double sum = 0;
        for (const std::int32_t k : kept) {
            double expected = gain[k];
            for (const WeightedEdge& e : edges)
                if (e.to == k && std::find(kept.begin(), kept.end(), e.from) == kept.end())
                    expected += visits[e.from] * e.weight;
            CHECK(arrived[static_cast<std::size_t>(k)] == Approx(expected).epsilon(1e-11));
            sum += arrived[static_cast<std::size_t>(k)];
        }
        CHECK(sum == Approx(gain.sum()).epsilon(1e-13));
        CHECK(arrived[0] == 0.0);

        const Elimination closed(static_cast<std::size_t>(n), edges, std::array{std::int32_t{2}});
        const std::vector<double> none(static_cast<std::size_t>(n), 0.0),
            one(static_cast<std::size_t>(n), 1.0);
        const std::vector<double> pi = closed.visits(none, one);
        const Eigen::VectorXd p = Eigen::Map<const Eigen::VectorXd>(pi.data(), n);
        CHECK((K * p).norm() < 1e-12 * p.norm());
        CHECK(pi[2] == 1.0);
    }
}

TEST_CASE("correctors by star-mesh elimination solve the network's Laplacian", "[msm][elimination]") {
    for (const Size& size : sizes) {
        const std::int32_t n = size.states;
        std::mt19937_64 random(3);
        std::vector<Bond> bonds;
        Eigen::MatrixXd L = Eigen::MatrixXd::Zero(n, n), rhs = Eigen::MatrixXd::Zero(n, 3);
        for (const WeightedEdge& e : random_chain(n, size.more, 8)) {
            const Vec3 shift(static_cast<int>(random() % 5) - 2, static_cast<int>(random() % 3), 0.25);
            bonds.push_back({e.from, e.to, e.weight, shift});
            if (e.from == e.to) continue;
            for (const auto& [here, there, sign] : {std::tuple{e.from, e.to, 1.0}, {e.to, e.from, -1.0}}) {
                L(here, here) += e.weight;
                L(here, there) -= e.weight;
                rhs.row(here) += sign * e.weight * shift.transpose();
            }
        }
        L.row(0).setZero();
        L(0, 0) = 1;
        rhs.row(0).setZero();
        const Eigen::MatrixXd reference = L.partialPivLu().solve(rhs);
        const std::vector<Vec3> chi = star_mesh_correctors(static_cast<std::size_t>(n), bonds);
        double worst = 0;
        for (Eigen::Index s = 0; s < n; ++s)
            worst = std::max(worst, (chi[static_cast<std::size_t>(s)] - chi[0] - reference.row(s).transpose())
                                        .cwiseAbs()
                                        .maxCoeff());
        CHECK(worst < 1e-11 * reference.cwiseAbs().maxCoeff());
    }
}

TEST_CASE("gambler's ruin with odds of 1e-14 is right to rounding in every state", "[msm][elimination]") {
    // From i the top n - 1 is reached with r^(n-1-i) (1 - r^i) / (1 - r^(n-1)), r = up / down.
    constexpr std::int32_t n = 12;
    constexpr double up = 1e-14, down = 0.7, r = up / down;
    std::vector<WeightedEdge> edges;
    for (std::int32_t i = 1; i + 1 < n; ++i) {
        edges.push_back({i, i + 1, up});
        edges.push_back({i, i - 1, down});
    }
    const Elimination chain(n, edges, std::array{std::int32_t{0}, n - 1});
    std::vector<double> end(n, 0.0);
    const std::vector<double> nothing = end;
    end[n - 1] = 1;
    const std::vector<double> q = chain.expectations(nothing, end);
    for (int i = 1; i + 1 < n; ++i)
        CHECK(q[static_cast<std::size_t>(i)] ==
              Approx(std::pow(r, n - 1 - i) * (1 - std::pow(r, i)) / (1 - std::pow(r, n - 1)))
                  .epsilon(1e-13)
                  .margin(0));
}

TEST_CASE("an elimination with wrong states, weights or no way out is refused", "[msm][elimination]") {
    const std::array kept{std::int32_t{0}};
    const auto eliminate = [&](std::vector<WeightedEdge> edges) { return Elimination(3, edges, kept); };
    const WeightedEdge a{1, 0, 1}, b{2, 1, 1};
    CHECK_NOTHROW(eliminate({a, b}));
    CHECK_THROWS_WITH(eliminate({a}), Catch::Matchers::Contains("state 2"));
    CHECK_THROWS_AS(eliminate({a, b, {0, 3, 1}}), DataError);
    CHECK_THROWS_AS(eliminate({a, {2, 1, 0}}), DataError);
    CHECK_THROWS_AS(eliminate({a, {2, 1, std::numeric_limits<double>::quiet_NaN()}}), DataError);
    CHECK_THROWS_AS(Elimination(3, std::vector{a, b}, {}), DataError);
    CHECK_THROWS_AS(star_mesh_correctors(3, std::vector<Bond>{{0, 1, 1.0, Vec3::Zero()}}), DataError);
    CHECK_THROWS_AS(star_mesh_correctors(2, std::vector<Bond>{{0, 1, -1.0, Vec3::Zero()}}), DataError);
    CHECK(star_mesh_correctors(1, {}).size() == 1);
}
