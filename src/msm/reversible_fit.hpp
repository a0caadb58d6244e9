#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "mesolith/msm/estimate_kernel.hpp"
#include "mesolith/msm/transition_counts.hpp"

#include "network.hpp"

namespace mesolith {

/// Flow pi_j M_ij(R) along each transition, symmetric under reversal; what is still missing of pi_j stays.
struct Flows {
    std::vector<double> transition; ///< one per transition of the counts
    std::vector<double> stay;       ///< one per site, on top of that of (j, j, 0)
};

/// Maximum likelihood under detailed balance with pi to be found. With c_j the windows that start on j, S = C
/// + C of the reverse, pi_j = c_j / q_j and u = ln q, the flow is x = S / (q_j + q_i), and pi follows from
///
///     sum_{i != j} S_ji / (1 + exp(u_i - u_j)) = sum_{i != j} C(j -> i)    for every j, summed over R:
///
/// a Bradley-Terry model (logistic, concave; its Hessian is the Laplacian of a network). Newton's method: as
/// |f'''| <= s f'' along a step that changes u_j - u_i by at most s on any link, full steps raise the
/// likelihood for s < 1.79, steps of ln(1 + s) / s always (F. Bach, Electron. J. Stat. 4, 384 (2010)).
class ReversibleFit {
public:
    /// @param c  counts of each transition, weighted and pooled
    ReversibleFit(const TransitionCounts& counts, std::span<const double> c);

    Flows flows() const;
    const EstimatorInfo& info() const { return info_; }

    /// Sites that reach each other and come back, numbered. Links between groups are one-way: they count as
    /// stays.
    const std::vector<std::int32_t>& group() const { return group_; }
    bool one_way(std::size_t t) const;
    double ratio(std::int32_t site) const { return q_[static_cast<std::size_t>(site)]; } ///< q_j
    const std::vector<double>& visits() const { return visits_; }                        ///< c_j
    const Network& hessian() const { return *network_; }

private:
    void climb();
    void normalise();

    const TransitionCounts& counts_;
    std::span<const double> c_;
    std::size_t n_groups_ = 0;
    std::vector<std::int32_t> group_;
    std::vector<double> visits_, q_, u_;
    std::vector<double> there_, back_; // counts along a link of the network and against it
    std::unique_ptr<Network> network_;
    EstimatorInfo info_;
};

/// Maximum likelihood under detailed balance with given pi (B. Trendelkamp-Schroer, H. Wu, F. Paul, F. Noe,
/// J. Chem. Phys. 143, 174101 (2015)): x = S / (l_j + l_i) with multipliers l > 0 that minimise the convex
///
///     sum_j pi_j l_j - sum over links S ln(l_j + l_i) - sum_j D_j ln l_j,    D_j = sum_R C(j, j, R).
///
/// Newton's method with steps 1 / (1 + r), r the largest relative change of any logarithm's argument: each
/// step lowers the function and keeps l positive. A site without stays (D_j = 0) gets a barrier instead,
/// lowered to 1e-14 of its counts: where its links cannot carry pi_j, the rest stays.
class GivenPiFit {
public:
    GivenPiFit(const TransitionCounts& counts, std::span<const double> c, std::vector<double> pi);
    ~GivenPiFit();

    Flows flows() const;
    const EstimatorInfo& info() const { return info_; }

    double multiplier(std::int32_t site) const { return l_[static_cast<std::size_t>(site)]; } ///< l_j
    bool open(std::size_t t) const; ///< whether transition t joins sites with pi > 0 that were seen
    /// y with (Hessian) y = rhs.
    std::vector<Network::Six> solve(const std::vector<Network::Six>& rhs) const;

private:
    struct Factorised;
    void descend(double barrier);
    double line_up(double barrier, std::vector<double>& step);

    const TransitionCounts& counts_;
    std::span<const double> c_;
    std::vector<double> pi_, l_, seen_, stays_;
    std::vector<char> active_;
    std::vector<NetworkLink> links_;
    std::vector<double> both_; // S of each link
    std::unique_ptr<Factorised> factorised_;
    EstimatorInfo info_;
};

} // namespace mesolith
