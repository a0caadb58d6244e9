#include "mesolith/msm/delta_method.hpp"

#include <algorithm>
#include <cmath>

#include <Eigen/SparseLU>

#include "mesolith/core/error.hpp"
#include "mesolith/msm/pooling.hpp"
#include "mesolith/msm/transport.hpp"

#include "at.hpp"
#include "normalise.hpp"
#include "reversible_fit.hpp"

namespace mesolith {

namespace {

using Tensor = Eigen::Matrix<double, 6, 1>; // xx, yy, zz, xy, xz, yz of a symmetric tensor
using Tensors = std::vector<Tensor>;

Tensor pack(const Mat3& m) {
    return (Tensor() << m(0, 0), m(1, 1), m(2, 2), m(0, 1), m(0, 2), m(1, 2)).finished();
}
Mat3 unpack(const Tensor& t) {
    return (Mat3() << t[0], t[3], t[4], t[3], t[1], t[5], t[4], t[5], t[2]).finished();
}
Tensor square(const Vec3& u) { return pack(u * u.transpose()); }
/// (u v^T + v u^T)
Tensor twice_product(const Vec3& u, const Vec3& v) { return pack(u * v.transpose() + v * u.transpose()); }

/// Everything that the derivative of D starts from.
struct Problem {
    const TransitionCounts& counts;
    std::vector<double> c, visits;
    double all = 0; // windows
    Kernel kernel;
    ClassStructure classes;
    Transport transport;
    std::vector<Vec3> u;   // corrected displacement of each transition; zero where the kernel has none
    std::vector<double> p; // probability of each transition
    double two_tau = 0;

    Problem(const TransitionCounts& raw, const SiteBasis& basis, const EstimatorOptions& options)
        : counts(raw), c(raw.weighted({})), visits(basis.size(), 0),
          kernel(estimate_kernel(raw, basis, options)), classes(closed_classes(kernel)),
          transport(exact_transport(kernel, classes)), u(c.size(), Vec3::Zero()), p(c.size(), 0),
          two_tau(2 * kernel.lag_time) {
        for (std::size_t t = 0; t < c.size(); ++t) visits[at(counts.transitions[t].from)] += c[t];
        for (const double v : visits) all += v;
        std::size_t t = 0;
        for (std::size_t j = 0; j < kernel.n_sites(); ++j)
            for (std::size_t k = kernel.column[j]; k < kernel.column[j + 1]; ++k) {
                const KernelEntry& e = kernel.entries[k];
                const Transition move{static_cast<std::int32_t>(j), e.to, e.R};
                while (t < c.size() && counts.transitions[t] < move) ++t;
                if (t == c.size() || !(counts.transitions[t] == move)) continue; // a stay that was never seen
                u[t] = transport.corrected[k];
                p[t] = e.p;
            }
    }
    const Transition& move(std::size_t t) const { return counts.transitions[t]; }
};

// dD/dC of each transition, one function per estimator. "Flows" g sum to 1; A = u u^T.

Tensors through_symmetrised(const Problem& o) {
    Tensors gradient;
    for (std::size_t t = 0; t < o.c.size(); ++t)
        gradient.push_back((square(o.u[t]) / o.two_tau - pack(o.transport.diffusivity)) / o.all);
    return gradient;
}

/// 2 tau D = sum pi_j C / c_j u u^T over changes between sites with pi > 0.
Tensors through_given_pi(const Problem& o, const std::vector<double>& pi) {
    Tensors energy(o.c.size(), Tensor::Zero()), mean(pi.size(), Tensor::Zero());
    for (std::size_t t = 0; t < o.c.size(); ++t) {
        const std::size_t j = at(o.move(t).from);
        if (o.move(t).is_stay() || pi[at(o.move(t).to)] <= 0 || o.visits[j] <= 0) continue;
        energy[t] = square(o.u[t]);
        mean[j] += o.c[t] / o.visits[j] * energy[t];
    }
    Tensors gradient(o.c.size(), Tensor::Zero());
    for (std::size_t t = 0; t < o.c.size(); ++t) {
        const std::size_t j = at(o.move(t).from);
        if (o.visits[j] > 0) gradient[t] = pi[j] * (energy[t] - mean[j]) / (o.visits[j] * o.two_tau);
    }
    return gradient;
}

std::vector<Network::Six> as_arrays(const Tensors& tensors) {
    std::vector<Network::Six> arrays(tensors.size());
    for (std::size_t k = 0; k < tensors.size(); ++k) std::copy_n(tensors[k].data(), 6, arrays[k].begin());
    return arrays;
}
Tensor as_tensor(const Network::Six& array) { return Tensor(array.data()); }

/// Per group of sites, with pi = c / q of sum X = its share of the visits: flows S / (q_j + q_i) move with
/// the counts and with q; dq/dC by the Hessian of the likelihood.
Tensors through_reversible(const Problem& o) {
    const ReversibleFit fit(o.counts, o.c);
    const std::size_t n = o.visits.size();
    const auto& group = fit.group();
    std::vector<double> share(n, 0), total(n, 0); // of each group: pi and visits
    Tensors D(n, Tensor::Zero());                 // 2 tau times that of each group
    for (std::size_t j = 0; j < n; ++j) {
        share[at(group[j])] += o.kernel.stationary[j];
        total[at(group[j])] += o.visits[j];
    }
    const auto flow = [&](std::size_t t) {
        return fit.one_way(t) ? 0.0 : o.p[t] * o.kernel.stationary[at(o.move(t).from)];
    };
    for (std::size_t t = 0; t < o.c.size(); ++t) {
        const std::size_t g = at(group[at(o.move(t).from)]);
        if (share[g] > 0) D[g] += flow(t) * square(o.u[t]) / share[g];
    }
    // d(2 tau D of the group)/du_k
    Tensors slope(n, Tensor::Zero());
    for (std::size_t t = 0; t < o.c.size(); ++t) {
        const std::int32_t j = o.move(t).from, i = o.move(t).to;
        const std::size_t g = at(group[at(j)]);
        if (share[g] <= 0 || fit.one_way(t) || o.move(t).is_stay()) continue;
        const Tensor part = flow(t) * square(o.u[t]) / share[g];
        const double q = fit.ratio(j) / (fit.ratio(j) + fit.ratio(i));
        slope[at(j)] -= q * part;
        slope[at(i)] -= (1 - q) * part;
    }
    for (std::size_t k = 0; k < n; ++k) {
        const std::size_t g = at(group[k]);
        if (share[g] > 0) slope[k] += o.kernel.stationary[k] / share[g] * D[g];
    }
    const std::vector<Network::Six> adjoint = fit.hessian().solve(as_arrays(slope));
    Tensors gradient(o.c.size(), Tensor::Zero());
    for (std::size_t t = 0; t < o.c.size(); ++t) {
        const std::int32_t a = o.move(t).from, b = o.move(t).to;
        const std::size_t g = at(group[at(a)]);
        if (share[g] <= 0) continue;
        Tensor inside = -D[g] / (fit.ratio(a) * share[g]);
        if (!fit.one_way(t)) {
            const double sum = fit.ratio(a) + fit.ratio(b);
            inside += 2 * square(o.u[t]) / (sum * share[g]);
            if (a != b)
                inside += fit.ratio(b) / sum * (as_tensor(adjoint[at(a)]) - as_tensor(adjoint[at(b)]));
        }
        // The group's share of the ions moves, too.
        gradient[t] =
            (share[g] * inside + (D[g] - o.two_tau * pack(o.transport.diffusivity)) / o.all) / o.two_tau;
    }
    return gradient;
}

/// Flows S / (l_j + l_i) of sum 1 with the multipliers of the given pi.
Tensors through_reversible_given_pi(const Problem& o, const std::vector<double>& pi) {
    const GivenPiFit fit(o.counts, o.c, pi);
    Tensors slope(pi.size(), Tensor::Zero());
    for (std::size_t t = 0; t < o.c.size(); ++t) {
        if (!fit.open(t) || o.move(t).is_stay()) continue;
        const std::int32_t j = o.move(t).from, i = o.move(t).to;
        const Tensor part = o.p[t] * pi[at(j)] * square(o.u[t]) / (fit.multiplier(j) + fit.multiplier(i));
        slope[at(j)] -= part;
        slope[at(i)] -= part;
    }
    const std::vector<Network::Six> adjoint = fit.solve(as_arrays(slope));
    Tensors gradient(o.c.size(), Tensor::Zero());
    for (std::size_t t = 0; t < o.c.size(); ++t) {
        if (!fit.open(t)) continue;
        const std::int32_t a = o.move(t).from, b = o.move(t).to;
        gradient[t] = (2 * square(o.u[t]) + as_tensor(adjoint[at(a)]) + as_tensor(adjoint[at(b)])) /
                      ((fit.multiplier(a) + fit.multiplier(b)) * o.two_tau);
    }
    return gradient;
}

using Sparse = Eigen::SparseMatrix<double>;

void demand(Eigen::ComputationInfo info) {
    if (info != Eigen::Success) throw DataError("delta method: a linear solve failed");
}

/// I - P of the given sites, without the first `grounded` rows and columns.
Sparse leaving(const Kernel& kernel, const std::vector<std::int32_t>& sites, int grounded) {
    std::vector<std::int32_t> local(kernel.n_sites(), -1);
    for (std::size_t s = 0; s < sites.size(); ++s)
        local[at(sites[s])] = static_cast<std::int32_t>(s) - grounded;
    std::vector<Eigen::Triplet<double>> triplets;
    for (const std::int32_t site : sites) {
        const std::int32_t j = local[at(site)];
        if (j < 0) continue;
        for (const KernelEntry& e : kernel.from(at(site))) {
            if (e.to == site) continue; // 1 - p(stay) as the sum of the others: no cancellation
            triplets.emplace_back(j, j, e.p);
            if (local[at(e.to)] >= 0) triplets.emplace_back(local[at(e.to)], j, -e.p);
        }
    }
    const auto n = static_cast<Eigen::Index>(sites.size()) - grounded;
    Sparse matrix(n, n);
    matrix.setFromTriplets(triplets.begin(), triplets.end());
    return matrix;
}

Eigen::MatrixXd solved(const Sparse& matrix, const Eigen::MatrixXd& rhs) {
    Eigen::SparseLU<Sparse> lu(matrix);
    demand(lu.info());
    return lu.solve(rhs);
}

/// D = sum over start sites of their share of the visits times D of the class they end in. For entry e: j ->
/// i of a class, with w_i the mean u that flows into i, z and y the adjoints of pi and of the corrector,
///   (I - P^T) z = h - pi.h,  h_j = sum M u u^T,    (I - P) y = w,  sum y = 0:
///   d(2 tau D) = dM (pi_j (u u^T + z_i) + y_j u^T + u y_j^T).
Tensors through_non_reversible(const Problem& o) {
    const std::size_t n = o.visits.size();
    const auto inner = [](const std::vector<std::int32_t>& sites) {
        return static_cast<Eigen::Index>(sites.size()) - 1;
    };
    Tensors value(n, Tensor::Zero()), slope(o.c.size(), Tensor::Zero()); // slope: by M of a transition
    std::vector<double> pi(n, 0), weight(n, 0);
    Tensors z(n, Tensor::Zero());
    std::vector<Vec3> y(n, Vec3::Zero());
    for (std::size_t k = 0; k < o.classes.classes.size(); ++k) {
        const ClosedClass& closed = o.classes.classes[k];
        for (std::size_t s = 0; s < closed.sites.size(); ++s) {
            const std::size_t j = at(closed.sites[s]);
            pi[j] = closed.stationary[s];
            weight[j] = closed.weight;
            value[j] = o.two_tau * pack(o.transport.classes[k].diffusivity);
        }
    }
    Tensors h(n, Tensor::Zero());
    std::vector<Vec3> w(n, Vec3::Zero());
    for (std::size_t t = 0; t < o.c.size(); ++t) {
        const std::size_t j = at(o.move(t).from), i = at(o.move(t).to);
        h[j] += o.p[t] * square(o.u[t]);
        w[i] += pi[j] * o.p[t] * o.u[t];
    }
    for (const ClosedClass& closed : o.classes.classes) {
        const Eigen::Index m = inner(closed.sites);
        if (m < 1) continue;
        Eigen::MatrixXd right_z(m, 6), right_y(m, 3);
        for (Eigen::Index s = 0; s < m; ++s) {
            const std::size_t j = at(closed.sites[static_cast<std::size_t>(s) + 1]);
            right_z.row(s) = (h[j] - value[j]).transpose();
            right_y.row(s) = w[j].transpose();
        }
        const Sparse grounded = leaving(o.kernel, closed.sites, 1);
        const Eigen::MatrixXd solution_z = solved(grounded.transpose(), right_z),
                              solution_y = solved(grounded, right_y);
        const Vec3 sum = solution_y.colwise().sum();
        y[at(closed.sites[0])] = -closed.stationary[0] * sum;
        for (Eigen::Index s = 0; s < m; ++s) {
            const auto local = static_cast<std::size_t>(s) + 1;
            z[at(closed.sites[local])] = solution_z.row(s).transpose();
            y[at(closed.sites[local])] = solution_y.row(s).transpose() - closed.stationary[local] * sum;
        }
    }
    for (std::size_t t = 0; t < o.c.size(); ++t) {
        const std::size_t j = at(o.move(t).from), i = at(o.move(t).to);
        if (o.classes.class_of[j] >= 0)
            slope[t] = weight[j] * (pi[j] * (square(o.u[t]) + z[i]) + twice_product(y[j], o.u[t]));
    }
    // Transient sites: value_j = sum M value_i, visited y times on the way.
    const auto& transient = o.classes.transient;
    if (!transient.empty()) {
        const auto m = static_cast<Eigen::Index>(transient.size());
        std::vector<Eigen::Index> local(n, -1);
        for (Eigen::Index s = 0; s < m; ++s) local[at(transient[static_cast<std::size_t>(s)])] = s;
        Eigen::MatrixXd absorbed = Eigen::MatrixXd::Zero(m, 6), start(m, 1);
        for (Eigen::Index s = 0; s < m; ++s) {
            const std::size_t j = at(transient[static_cast<std::size_t>(s)]);
            start(s, 0) = o.visits[j] / o.all;
            for (const KernelEntry& e : o.kernel.from(j))
                if (local[at(e.to)] < 0) absorbed.row(s) += e.p * value[at(e.to)].transpose();
        }
        const Sparse within = leaving(o.kernel, transient, 0);
        const Eigen::MatrixXd values = solved(within.transpose(), absorbed), passed = solved(within, start);
        for (Eigen::Index s = 0; s < m; ++s)
            value[at(transient[static_cast<std::size_t>(s)])] = values.row(s).transpose();
        for (std::size_t t = 0; t < o.c.size(); ++t)
            if (const Eigen::Index s = local[at(o.move(t).from)]; s >= 0)
                slope[t] = passed(s, 0) * value[at(o.move(t).to)];
    }
    // M = C / c_j, and the start of the ions: c_j / sum c.
    Tensors mean(n, Tensor::Zero()), gradient(o.c.size(), Tensor::Zero());
    for (std::size_t t = 0; t < o.c.size(); ++t) mean[at(o.move(t).from)] += o.p[t] * slope[t];
    for (std::size_t t = 0; t < o.c.size(); ++t) {
        const std::size_t j = at(o.move(t).from);
        if (o.visits[j] > 0)
            gradient[t] = ((slope[t] - mean[j]) / o.visits[j] +
                           (value[j] - o.two_tau * pack(o.transport.diffusivity)) / o.all) /
                          o.two_tau;
    }
    return gradient;
}

Tensors gradient_of(const Problem& o, const EstimatorOptions& options) {
    if (options.estimator == Estimator::non_reversible) return through_non_reversible(o);
    if (options.stationary.empty())
        return options.estimator == Estimator::reversible ? through_reversible(o) : through_symmetrised(o);
    const std::vector<double> pi = normalised(options.stationary, "given stationary probabilities");
    return options.estimator == Estimator::reversible ? through_reversible_given_pi(o, pi)
                                                      : through_given_pi(o, pi);
}

/// Members of a class share their counts: they share their gradient, too.
void average_over_pool(Tensors& gradient, const std::vector<std::int32_t>& pool) {
    if (pool.empty()) return;
    Tensors sum(gradient.size(), Tensor::Zero());
    std::vector<double> size(gradient.size(), 0);
    for (std::size_t t = 0; t < gradient.size(); ++t) {
        sum[at(pool[t])] += gradient[t];
        size[at(pool[t])] += 1;
    }
    for (std::size_t t = 0; t < gradient.size(); ++t) gradient[t] = sum[at(pool[t])] / size[at(pool[t])];
}

} // namespace

DeltaMethod delta_method(const TransitionCounts& counts, const SiteBasis& basis,
                         const EstimatorOptions& options) {
    const Problem problem(counts, basis, options);
    Tensors gradient = gradient_of(problem, options);
    average_over_pool(gradient, counts.pool);

    DeltaMethod result;
    result.jump = jump_numbers(counts);
    const std::size_t n_blocks = counts.n_blocks();
    const std::size_t n_jumps =
        result.jump.empty() ? 0 : at(*std::max_element(result.jump.begin(), result.jump.end())) + 1;
    Tensors influence(n_blocks, Tensor::Zero()), relative(n_jumps, Tensor::Zero());
    for (std::size_t t = 0; t < gradient.size(); ++t)
        relative[at(result.jump[t])] += problem.c[t] * gradient[t];
    for (std::size_t b = 0; b < n_blocks; ++b)
        for (std::size_t k = counts.block_offsets[b]; k < counts.block_offsets[b + 1]; ++k)
            influence[b] +=
                static_cast<double>(counts.block_count[k]) * gradient[at(counts.block_transition[k])];
    Tensor variance = Tensor::Zero();
    for (const Tensor& i : influence) variance += i.cwiseAbs2();

    result.share.assign(n_jumps, Vec3::Zero());
    for (std::size_t b = 0; b < n_blocks; ++b)
        for (std::size_t k = counts.block_offsets[b]; k < counts.block_offsets[b + 1]; ++k) {
            const std::size_t t = at(counts.block_transition[k]);
            for (int a = 0; a < 3; ++a)
                if (variance[a] > 0)
                    result.share[at(result.jump[t])][a] += static_cast<double>(counts.block_count[k]) *
                                                           gradient[t][a] * influence[b][a] / variance[a];
        }
    result.error = unpack(variance.cwiseSqrt());
    for (const Tensor& i : influence) result.influence.push_back(unpack(i));
    for (const Tensor& r : relative) result.gradient.push_back(unpack(r));
    return result;
}

} // namespace mesolith
