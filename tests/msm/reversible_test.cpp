#include <cmath>
#include <random>

#include <boost/multiprecision/cpp_dec_float.hpp>

#include "mesolith/core/error.hpp"
#include "mesolith/msm/classes.hpp"
#include "mesolith/msm/estimate_kernel.hpp"
#include "mesolith/msm/spectrum.hpp"
#include "mesolith/msm/transport.hpp"

#include "support/catch.hpp"
#include "support/cells.hpp"
#include "support/counts.hpp"

using namespace mesolith;
using namespace mesolith::test;

namespace {

using test::cells::here;
const EstimatorOptions reversible{Estimator::reversible, {}};

std::size_t index_of(std::int32_t k) { return static_cast<std::size_t>(k); }

SiteBasis line_of_sites(std::size_t n) {
    SiteBasis basis;
    basis.cell = Cell(Mat3(3 * Mat3::Identity()));
    for (std::size_t j = 0; j < n; ++j) {
        basis.positions.push_back(Vec3(0.1 * static_cast<double>(j), 0.3 * static_cast<double>(j % 3), 0));
        basis.orbit.push_back(0);
        basis.name.push_back("Li1." + std::to_string(j + 1));
    }
    return basis;
}

/// Small counts between random sites and cells, strongly connected by a ring both ways round.
CountMap random_counts(std::size_t n, std::uint64_t seed, bool with_stays = true) {
    std::mt19937_64 random(seed);
    CountMap counts;
    const auto site = [&] { return static_cast<std::int32_t>(random() % n); };
    for (std::size_t j = 0; j < n; ++j) {
        const auto a = static_cast<std::int32_t>(j), b = static_cast<std::int32_t>((j + 1) % n);
        counts[{a, b, here}] += 1 + static_cast<std::int64_t>(random() % 9);
        counts[{b, a, IVec3::UnitX()}] += 1 + static_cast<std::int64_t>(random() % 9);
        if (with_stays) counts[{a, a, here}] += 1 + static_cast<std::int64_t>(random() % 60);
    }
    for (std::size_t k = 0; k < 3 * n; ++k) {
        const std::int32_t a = site(), b = site();
        const IVec3 R = random_cell(random);
        if (with_stays || a != b) counts[{a, b, R}] += 1 + static_cast<std::int64_t>(random() % 20);
    }
    return counts;
}

/// x_e <- (C_e + C_~e) / (c_j / x_j + c_i / x_i) on every transition with its R, until nothing moves.
std::vector<double> flows_by_fixed_point(const TransitionCounts& counts, int sweeps) {
    const std::vector<double> c = counts.weighted({});
    std::vector<double> x(c.size()), visits(counts.n_sites, 0), out(counts.n_sites);
    for (std::size_t t = 0; t < c.size(); ++t) {
        x[t] = c[t] + c[index_of(counts.reverse[t])];
        visits[index_of(counts.transitions[t].from)] += c[t];
    }
    for (int s = 0; s < sweeps; ++s) {
        std::fill(out.begin(), out.end(), 0.0);
        for (std::size_t t = 0; t < c.size(); ++t) out[index_of(counts.transitions[t].from)] += x[t];
        double sum = 0;
        for (std::size_t t = 0; t < c.size(); ++t) {
            const std::size_t j = index_of(counts.transitions[t].from),
                              i = index_of(counts.transitions[t].to);
            x[t] = (c[t] + c[index_of(counts.reverse[t])]) / (visits[j] / out[j] + visits[i] / out[i]);
            sum += x[t];
        }
        for (double& flow : x) flow /= sum;
    }
    return x;
}

/// l_j <- l_j (flow out of j) / pi_j with x = S / (l_j + l_i) (Trendelkamp-Schroer et al. 2015).
std::vector<double> flows_by_multipliers(const TransitionCounts& counts, const std::vector<double>& pi,
                                         int sweeps) {
    const std::vector<double> c = counts.weighted({});
    std::vector<double> x(c.size()), l(counts.n_sites, 1), out(counts.n_sites);
    for (int s = 0; s < sweeps; ++s) {
        std::fill(out.begin(), out.end(), 0.0);
        for (std::size_t t = 0; t < c.size(); ++t) {
            const std::size_t j = index_of(counts.transitions[t].from),
                              i = index_of(counts.transitions[t].to);
            x[t] = (c[t] + c[index_of(counts.reverse[t])]) / (l[j] + l[i]);
            out[j] += x[t];
        }
        for (std::size_t j = 0; j < l.size(); ++j) l[j] *= out[j] / pi[j];
    }
    return x;
}

double worst_flow(const Kernel& k, const TransitionCounts& counts, const std::vector<double>& flows) {
    double worst = 0;
    for (std::size_t t = 0; t < flows.size(); ++t) {
        const Transition& m = counts.transitions[t];
        const double flow = k.stationary[index_of(m.from)] * probability(k, index_of(m.from), m.to, m.R);
        worst = std::max(worst, std::abs(flow - flows[t]));
    }
    return worst;
}

/// Another reversible kernel near by: each flow changed a little, with its reverse; pi kept when asked for.
Kernel perturbed(const Kernel& k, std::uint64_t seed, double size, bool keep_pi) {
    std::mt19937_64 random(seed);
    std::uniform_real_distribution<double> change(-size, size);
    std::map<Transition, double> flow;
    for (std::size_t j = 0; j < k.n_sites(); ++j)
        for (const KernelEntry& e : k.from(j)) {
            const Transition t{static_cast<std::int32_t>(j), e.to, e.R};
            if (flow.count(t.reversed()))
                flow[t] = flow[t.reversed()];
            else
                flow[t] = k.stationary[j] * e.p * (1 + change(random));
        }
    std::vector<double> out(k.n_sites(), 0);
    for (const auto& [t, f] : flow) out[index_of(t.from)] += f;
    if (keep_pi)
        for (std::size_t j = 0; j < out.size(); ++j) {
            flow[{static_cast<std::int32_t>(j), static_cast<std::int32_t>(j), here}] +=
                k.stationary[j] - out[j];
            out[j] = k.stationary[j];
        }
    Kernel other = k;
    double sum = 0;
    for (const double f : out) sum += f;
    for (std::size_t j = 0; j < k.n_sites(); ++j) other.stationary[j] = out[j] / sum;
    for (std::size_t j = 0; j < k.n_sites(); ++j)
        for (std::size_t e = k.column[j]; e < k.column[j + 1]; ++e)
            other.entries[e].p =
                flow[{static_cast<std::int32_t>(j), k.entries[e].to, k.entries[e].R}] / out[j];
    return other;
}

using Precise =
    boost::multiprecision::number<boost::multiprecision::cpp_dec_float<60>, boost::multiprecision::et_off>;

/// ln q of the likelihood equations to 60 digits: Newton's method, dense elimination, site 0 at zero.
std::vector<Precise> log_ratios(const std::vector<std::vector<double>>& C) {
    const std::size_t n = C.size();
    std::vector<Precise> u(n, 0);
    for (int iteration = 0; iteration < 400; ++iteration) {
        std::vector<std::vector<Precise>> H(n, std::vector<Precise>(n + 1, 0));
        for (std::size_t j = 0; j < n; ++j)
            for (std::size_t i = 0; i < n; ++i) {
                const Precise S = Precise(C[j][i]) + C[i][j]; // rounded sums would not balance over a cut
                if (i == j || S == 0) continue;
                const Precise share = 1 / (1 + exp(u[i] - u[j]));
                H[j][n] -= S * share - C[j][i];
                H[j][j] += S * share * (1 - share);
                H[j][i] -= S * share * (1 - share);
            }
        for (std::size_t k = n - 1; k > 0; --k) // eliminates down to site 0
            for (std::size_t j = 1; j < k; ++j) {
                const Precise factor = H[j][k] / H[k][k];
                for (std::size_t i = 1; i < n; ++i) H[j][i] -= factor * H[k][i];
                H[j][n] -= factor * H[k][n];
            }
        std::vector<Precise> step(n, 0);
        Precise largest = 0;
        for (std::size_t k = 1; k < n; ++k) {
            Precise rest = H[k][n];
            for (std::size_t i = 1; i < k; ++i) rest -= H[k][i] * step[i];
            step[k] = rest / H[k][k];
            largest = std::max(largest, Precise(abs(step[k])));
        }
        const Precise t = largest > 1 ? Precise(1 / largest) : Precise(1);
        for (std::size_t k = 1; k < n; ++k) u[k] += t * step[k];
        if (largest < Precise("1e-40")) break;
    }
    return u;
}

} // namespace

TEST_CASE("the reversible estimate is the fixed point of the likelihood equations", "[msm][reversible]") {
    for (std::uint64_t seed = 1; seed <= 6; ++seed) {
        CAPTURE(seed);
        const TransitionCounts counts = counts_of(5, {random_counts(5, seed, seed % 2 == 0)});
        EstimatorInfo info;
        const Kernel k = estimate_kernel(counts, line_of_sites(5), reversible, {}, &info);
        check_kernel(k);
        CHECK(k.reversible);
        CHECK(worst_flow(k, counts, flows_by_fixed_point(counts, 4000)) < 1e-13);
        CHECK(balance_error(k) < 1e-16);
        CHECK(info.gradient < 1e-12);
        CHECK(info.iterations <= 12);
    }
}

TEST_CASE("the reversible estimate with given pi is the fixed point of its multipliers",
          "[msm][reversible]") {
    for (std::uint64_t seed = 1; seed <= 6; ++seed) {
        CAPTURE(seed);
        const TransitionCounts counts = counts_of(5, {random_counts(5, seed)});
        const std::vector<double> pi{0.1, 0.3, 0.25, 0.15, 0.2};
        EstimatorInfo info;
        const Kernel k = estimate_kernel(counts, line_of_sites(5), {Estimator::reversible, pi}, {}, &info);
        check_kernel(k);
        CHECK(worst_flow(k, counts, flows_by_multipliers(counts, pi, 4000)) < 1e-13);
        for (std::size_t j = 0; j < 5; ++j) CHECK(k.stationary[j] == Approx(pi[j]).epsilon(1e-14));
        CHECK(balance_error(k) < 1e-16);
        CHECK(info.gradient < 1e-12);
        CHECK(info.iterations <= 20);
    }
}

TEST_CASE("no reversible kernel near the estimate has a larger likelihood", "[msm][reversible]") {
    const TransitionCounts counts = counts_of(6, {random_counts(6, 11)});
    const std::vector<double> uniform(6, 1.0);
    for (const bool given : {false, true}) {
        const Kernel k = estimate_kernel(counts, line_of_sites(6),
                                         {Estimator::reversible, given ? uniform : std::vector<double>{}});
        const double best = log_likelihood(k, counts);
        for (std::uint64_t seed = 1; seed <= 100; ++seed)
            for (const double size : {0.2, 1e-3}) {
                const Kernel other = perturbed(k, seed, size, given);
                CHECK(balance_error(other) < 1e-15);
                CHECK(log_likelihood(other, counts) < best);
            }
        const Kernel symmetrised = estimate_kernel(
            counts, line_of_sites(6), {Estimator::symmetrised, given ? uniform : std::vector<double>{}});
        CHECK(log_likelihood(symmetrised, counts) <= best);
    }
    CHECK(
        log_likelihood(estimate_kernel(counts, line_of_sites(6), {Estimator::non_reversible, {}}), counts) >=
        log_likelihood(estimate_kernel(counts, line_of_sites(6), reversible), counts));
}

TEST_CASE("expected counts of a reversible kernel give it back whatever the visits", "[msm][reversible]") {
    // Integer flows f and site j visited k_j times as often as pi says: C = k_j f, M = f / pi.
    std::mt19937_64 random(4);
    constexpr std::size_t n = 7;
    CountMap flow;
    for (std::size_t j = 0; j < n; ++j) {
        const auto a = static_cast<std::int32_t>(j), b = static_cast<std::int32_t>((j + 1) % n);
        flow[{a, a, here}] = static_cast<std::int64_t>(1000 + random() % 100000);
        for (const Transition& t : {Transition{a, b, here}, Transition{a, a, IVec3::UnitY()},
                                    Transition{a, static_cast<std::int32_t>((j + 3) % n), IVec3::UnitX()}})
            flow[t] = flow[t.reversed()] = static_cast<std::int64_t>(1 + random() % 3000);
    }
    std::vector<double> pi(n, 0);
    double sum = 0;
    for (const auto& [t, f] : flow) {
        pi[index_of(t.from)] += static_cast<double>(f);
        sum += static_cast<double>(f);
    }
    const std::int64_t often[n] = {3, 1, 20, 7, 100, 2, 11};
    CountMap counts = flow;
    for (auto& [t, c] : counts) c *= often[t.from];
    const TransitionCounts expected = counts_of(n, {counts});
    for (const std::vector<double>& given : {std::vector<double>{}, pi}) {
        const Kernel k = estimate_kernel(expected, line_of_sites(n), {Estimator::reversible, given});
        for (const auto& [t, f] : flow)
            CHECK(probability(k, index_of(t.from), t.to, t.R) ==
                  Approx(static_cast<double>(f) / pi[index_of(t.from)]).epsilon(1e-12));
        for (std::size_t j = 0; j < n; ++j) CHECK(k.stationary[j] == Approx(pi[j] / sum).epsilon(1e-12));
    }
    const Kernel symmetrised = estimate_kernel(expected, line_of_sites(n), {});
    CHECK(std::abs(symmetrised.stationary[4] / (pi[4] / sum) - 1) > 0.5); // visits decide there
}

TEST_CASE("reversible estimates are right to 1e-12 of each component over fourteen decades",
          "[msm][reversible]") {
    // Three pairs of busy sites; hops between pairs are 1e-6 to 1e-14 as frequent, and seldom as often back.
    const std::vector<std::vector<double>> C{
        {2.0, 0.30, 1e-6, 0, 0, 3e-14}, {0.11, 1.0, 0, 2e-9, 0, 0},    {7e-7, 0, 0.5, 0.25, 1e-14, 0},
        {0, 5e-10, 0.3, 3.0, 0, 4e-11}, {0, 0, 6e-15, 0, 1e-3, 0.299}, {1e-14, 0, 0, 1e-13, 0.004, 9.0}};
    std::map<Transition, double> counts;
    for (std::int32_t j = 0; j < 6; ++j)
        for (std::int32_t i = 0; i < 6; ++i)
            if (C[index_of(j)][index_of(i)] > 0) counts[{j, i, here}] = C[index_of(j)][index_of(i)];
    std::vector<double> weights;
    const TransitionCounts stored = one_block_each(6, counts, weights);
    EstimatorInfo info;
    const Kernel k = estimate_kernel(stored, line_of_sites(6), reversible, weights, &info);
    check_kernel(k);
    CHECK(info.gradient < 1e-12);

    const std::vector<Precise> u = log_ratios(C);
    std::vector<Precise> pi(6), visits(6);
    Precise sum = 0;
    for (std::size_t j = 0; j < 6; ++j) {
        for (const double c : C[j]) visits[j] += c;
        sum += pi[j] = visits[j] * exp(-u[j]);
    }
    for (std::size_t j = 0; j < 6; ++j) {
        CAPTURE(j);
        CHECK(k.stationary[j] == Approx(static_cast<double>(pi[j] / sum)).epsilon(1e-12).margin(0));
        for (std::size_t i = 0; i < 6; ++i) {
            if (C[j][i] + C[i][j] == 0) continue;
            const Precise M = i == j ? Precise(C[j][j] / visits[j])
                                     : Precise((C[j][i] + C[i][j]) / (visits[j] * (1 + exp(u[i] - u[j]))));
            CHECK(probability(k, j, static_cast<std::int32_t>(i), here) ==
                  Approx(static_cast<double>(M)).epsilon(1e-12).margin(0));
        }
    }
    for (const Mode& mode : kernel_spectrum(k, {Vec3::Zero()})) CHECK_FALSE(std::isnan(mode.timescale(1)));
}

TEST_CASE("on a large lattice every site is left as often as was counted, in detailed balance",
          "[msm][reversible]") {
    // That, with flows S / (q_j + q_i), is all the likelihood equations ask. 7 x 6 x 5 sites, periodic.
    std::mt19937_64 random(2);
    const auto site = [](int x, int y, int z) { return (x % 7 * 6 + y % 6) * 5 + z % 5; };
    CountMap counts;
    for (int x = 0; x < 7; ++x)
        for (int y = 0; y < 6; ++y)
            for (int z = 0; z < 5; ++z)
                for (const std::int32_t i : {site(x + 1, y, z), site(x, y + 1, z), site(x, y, z + 1)}) {
                    const std::int32_t j = site(x, y, z);
                    counts[{j, j, here}] = static_cast<std::int64_t>(random() % 5000);
                    counts[{j, i, here}] = static_cast<std::int64_t>(1 + random() % (random() % 2 ? 3 : 300));
                    counts[{i, j, here}] = static_cast<std::int64_t>(random() % 30);
                }
    constexpr std::size_t n = 210;
    std::vector<double> left(n, 0), visits(n, 0);
    for (const auto& [t, c] : counts) {
        visits[index_of(t.from)] += static_cast<double>(c);
        if (t.from != t.to) left[index_of(t.from)] += static_cast<double>(c);
    }
    EstimatorInfo info;
    const Kernel k = estimate_kernel(counts_of(n, {counts}), line_of_sites(n), reversible, {}, &info);
    check_kernel(k);
    CHECK(info.gradient < 1e-12);
    CHECK(info.iterations <= 15);
    CHECK(balance_error(k) < 1e-16);
    double worst = 0;
    for (std::size_t j = 0; j < n; ++j) {
        double leaving = 0;
        for (const KernelEntry& e : k.from(j))
            if (index_of(e.to) != j) leaving += e.p;
        worst = std::max(worst, std::abs(leaving * visits[j] / left[j] - 1));
    }
    CHECK(worst < 1e-12);
    for (const auto& [t, c] : counts) {
        const double both = static_cast<double>(c + counts[t.reversed()]);
        const double flow = k.stationary[index_of(t.from)] * probability(k, index_of(t.from), t.to, here);
        const double q_sum = visits[index_of(t.from)] / k.stationary[index_of(t.from)] +
                             visits[index_of(t.to)] / k.stationary[index_of(t.to)];
        if (t.from != t.to) CHECK(flow * q_sum == Approx(both).epsilon(1e-12));
    }
}

TEST_CASE("given pi over fourteen decades keeps pi, and weak flows are right", "[msm][reversible]") {
    // Two sites: x = S / (l_0 + l_1) with l = D / (pi - x), solved by bisection in 60 digits.
    for (const double weak : {0.1, 1e-6, 1e-14}) {
        const std::vector<double> pi{0.75, 0.25};
        const double there = 0.3 * weak, back = 5 * weak, stay0 = 2, stay1 = 9;
        std::vector<double> weights;
        const TransitionCounts counts = one_block_each(
            2, {{{0, 0, here}, stay0}, {{0, 1, here}, there}, {{1, 0, here}, back}, {{1, 1, here}, stay1}},
            weights);
        const Kernel k = estimate_kernel(counts, line_of_sites(2), {Estimator::reversible, pi}, weights);
        Precise low = 0, high = 0.25;
        for (int step = 0; step < 190; ++step) {
            const Precise x = (low + high) / 2;
            const Precise excess = (Precise(there) + back) / x - stay0 / (pi[0] - x) - stay1 / (pi[1] - x);
            (excess > 0 ? low : high) = x;
        }
        CHECK(probability(k, 0, 1, here) ==
              Approx(static_cast<double>(low / pi[0])).epsilon(1e-12).margin(0));
        CHECK(probability(k, 1, 0, here) ==
              Approx(static_cast<double>(low / pi[1])).epsilon(1e-12).margin(0));
        CHECK(k.stationary[0] == Approx(0.75).epsilon(1e-14));
    }
}

TEST_CASE("given pi without stays: what links cannot carry stays, and balanced rings have a solution",
          "[msm][reversible]") {
    // 0 - 1 only, no stays: at most pi_1 can flow; the rest of pi_0 stays though no stay was seen.
    const TransitionCounts pair = counts_of(2, {{{{0, 1, here}, 3}, {{1, 0, here}, 1}}});
    Kernel k = estimate_kernel(pair, line_of_sites(2), {Estimator::reversible, {0.7, 0.3}});
    check_kernel(k);
    CHECK(probability(k, 1, 0, here) == Approx(1).epsilon(1e-10));
    CHECK(probability(k, 0, 1, here) == Approx(3.0 / 7).epsilon(1e-10));
    CHECK(probability(k, 0, 0, here) == Approx(4.0 / 7).epsilon(1e-10));
    // A ring of four with uniform pi: flows x around, each site 2 x = pi.
    const TransitionCounts ring = counts_of(4, {{{{0, 1, here}, 2},
                                                 {{1, 2, here}, 2},
                                                 {{2, 3, here}, 2},
                                                 {{3, 0, here}, 2},
                                                 {{1, 0, here}, 1},
                                                 {{3, 2, here}, 1}}});
    k = estimate_kernel(ring, line_of_sites(4), {Estimator::reversible, {1, 1, 1, 1}});
    check_kernel(k);
    // flows a = x_01 = x_23, b = x_12 = x_30, a + b = 1/4; maximise 6 ln a + 4 ln b
    CHECK(probability(k, 0, 1, here) == Approx(0.6).epsilon(1e-10));
    CHECK(probability(k, 1, 2, here) == Approx(0.4).epsilon(1e-10));
}

TEST_CASE("groups that never exchange are estimated apart and keep their share of the visits",
          "[msm][reversible]") {
    CountMap left = random_counts(3, 5), both = left;
    const CountMap right = random_counts(4, 6);
    for (const auto& [t, c] : right) both[{t.from + 3, t.to + 3, t.R}] = c;
    const Kernel joined =
        estimate_kernel(counts_of(8, {both}), line_of_sites(8), reversible); // site 7: never seen
    check_kernel(joined);
    const Kernel alone = estimate_kernel(counts_of(3, {left}), line_of_sites(3), reversible);
    for (const auto& [t, c] : left)
        CHECK(probability(joined, index_of(t.from), t.to, t.R) ==
              Approx(probability(alone, index_of(t.from), t.to, t.R)).epsilon(1e-13));
    double visits = 0, all = 0, share = 0;
    for (const auto& [t, c] : both) {
        visits += t.from < 3 ? static_cast<double>(c) : 0;
        all += static_cast<double>(c);
    }
    for (std::size_t j = 0; j < 3; ++j) share += joined.stationary[j];
    CHECK(share == Approx(visits / all).epsilon(1e-13));
    CHECK(probability(joined, 7, 7, here) == 1.0);
    CHECK(joined.stationary[7] == 0.0);
    CHECK(closed_classes(joined).classes.size() == 3);
    for (const Mode& mode : kernel_spectrum(joined, {Vec3::Zero()}))
        CHECK_FALSE(std::isnan(mode.timescale(1)));
}

TEST_CASE("a hop that was never undone counts as a stay of its origin", "[msm][reversible]") {
    // 0 <-> 1 -> 2, site 2 once left for 3 and never entered again; 3 is never left.
    const CountMap counts{{{0, 0, here}, 10}, {{0, 1, here}, 4}, {{1, 0, here}, 6}, {{1, 1, here}, 7},
                          {{1, 2, here}, 2},  {{2, 3, here}, 1}, {{3, 3, here}, 5}};
    const Kernel k = estimate_kernel(counts_of(5, {counts}), line_of_sites(5), reversible);
    check_kernel(k);
    CHECK(probability(k, 1, 2, here) == 0.0);
    CHECK(probability(k, 2, 2, here) == 1.0);
    CHECK(probability(k, 3, 3, here) == 1.0);
    CHECK(balance_error(k) < 1e-16);
    const double visits[5] = {14, 15, 1, 5, 0};
    CHECK(k.stationary[0] + k.stationary[1] == Approx(29.0 / 35).epsilon(1e-14));
    for (std::size_t j = 2; j < 5; ++j) CHECK(k.stationary[j] == Approx(visits[j] / 35).epsilon(1e-14));
    // the same as counting them as stays by hand
    CountMap by_hand = counts;
    by_hand.erase({1, 2, here});
    by_hand.erase({2, 3, here});
    by_hand[{1, 1, here}] += 2;
    by_hand[{2, 2, here}] += 1;
    const Kernel same = estimate_kernel(counts_of(5, {by_hand}), line_of_sites(5), reversible);
    for (std::size_t j = 0; j < 5; ++j) {
        CHECK(k.stationary[j] == Approx(same.stationary[j]).epsilon(1e-14));
        for (const KernelEntry& e : same.from(j))
            CHECK(probability(k, j, e.to, e.R) == Approx(e.p).epsilon(1e-14));
    }
    for (const Mode& mode : kernel_spectrum(k, {Vec3::Zero()})) CHECK_FALSE(std::isnan(mode.timescale(1)));
    CHECK(exact_transport(k).diffusivity.allFinite());
    // with given pi the link carries a flow both ways
    const Kernel given =
        estimate_kernel(counts_of(5, {counts}), line_of_sites(5), {Estimator::reversible, {1, 1, 1, 1, 1}});
    check_kernel(given);
    CHECK(probability(given, 1, 2, here) > 0);
    CHECK(probability(given, 1, 2, here) == Approx(probability(given, 2, 1, here)).epsilon(1e-12));
    CHECK(probability(given, 4, 4, here) == 1.0);
    CHECK(given.stationary[4] == Approx(0.2).epsilon(1e-12));
}

TEST_CASE("a site with given pi of here is neither entered nor left", "[msm][reversible]") {
    const TransitionCounts counts = counts_of(4, {random_counts(4, 9)});
    const Kernel k = estimate_kernel(counts, line_of_sites(4), {Estimator::reversible, {0.5, 0.25, 0, 0.25}});
    check_kernel(k);
    CHECK(probability(k, 2, 2, here) == 1.0);
    CHECK(k.stationary[2] == 0.0);
    CHECK(balance_error(k) < 1e-16);
}

TEST_CASE("the estimator follows the occupancy when it is automatic", "[msm][reversible]") {
    const EstimatorOptions automatic{Estimator::automatic, {}};
    const ResolvedEstimator full = resolve_estimator(automatic, 156, 156, 26);
    CHECK(full.options.estimator == Estimator::reversible);
    CHECK(full.options.stationary == std::vector<double>(26, 1.0));
    CHECK_THAT(full.reason, Catch::Matchers::Contains("156 ions on 156 sites"));
    const ResolvedEstimator vacancies = resolve_estimator(automatic, 58, 60, 30);
    CHECK(vacancies.options.estimator == Estimator::reversible);
    CHECK(vacancies.options.stationary.empty());
    CHECK(resolve_estimator({Estimator::automatic, {1, 2}}, 2, 2, 2).options.stationary ==
          std::vector<double>{1, 2});
    CHECK(resolve_estimator({Estimator::symmetrised, {}}, 2, 2, 2).options.estimator ==
          Estimator::symmetrised);
    CHECK(std::string(name(Estimator::automatic)) == "auto");
}

TEST_CASE("reversible estimates refuse what the others refuse", "[msm][reversible]") {
    const TransitionCounts counts = counts_of(3, {random_counts(3, 2)});
    const SiteBasis basis = line_of_sites(3);
    CHECK_THROWS_AS(estimate_kernel(counts, basis, {Estimator::automatic, {}}), DataError);
    CHECK_THROWS_AS(estimate_kernel(counts_of(3, {}), basis, reversible), DataError);
    CHECK_THROWS_AS(estimate_kernel(counts, line_of_sites(4), reversible), DataError);
    CHECK_THROWS_AS(estimate_kernel(counts, basis, {Estimator::reversible, {1, 2}}), DataError);
    CHECK_THROWS_AS(estimate_kernel(counts, basis, {Estimator::reversible, {1, 2, -1}}), DataError);
    CHECK_THROWS_AS(estimate_kernel(counts, basis, {Estimator::reversible, {0, 0, 0}}), DataError);
    CHECK_THROWS_AS(estimate_kernel(counts, basis, {Estimator::reversible, {1, 2, std::nan("")}}), DataError);
    CHECK_THROWS_AS(estimate_kernel(counts, basis, reversible, std::vector<double>{1, 2}), DataError);
}
