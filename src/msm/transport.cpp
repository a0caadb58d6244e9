#include "mesolith/msm/transport.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include <Eigen/Dense>
#include <Eigen/IterativeLinearSolvers>
#include <Eigen/SparseLU>

#include "mesolith/core/error.hpp"
#include "mesolith/msm/pooling.hpp"

namespace mesolith {

namespace {

using Sparse = Eigen::SparseMatrix<double>;
using Vectors = Eigen::Matrix<double, Eigen::Dynamic, 3>; // one column per Cartesian axis

constexpr std::size_t dense_limit = 400;

/// One closed class with its own site numbers.
struct ClassProblem {
    const Kernel& kernel;
    const ClosedClass& closed;
    std::vector<std::int32_t> local; // of each site of the kernel
    Eigen::VectorXd pi;

    ClassProblem(const Kernel& k, const ClosedClass& c) : kernel(k), closed(c), local(k.n_sites(), -1) {
        for (std::size_t s = 0; s < c.sites.size(); ++s)
            local[static_cast<std::size_t>(c.sites[s])] = static_cast<std::int32_t>(s);
        pi = Eigen::Map<const Eigen::VectorXd>(c.stationary.data(),
                                               static_cast<Eigen::Index>(c.stationary.size()));
    }
    Eigen::Index size() const { return pi.size(); }

    template <class F> // f(local origin, local destination, origin site, entry)
    void for_each_entry(F&& f) const {
        for (std::size_t s = 0; s < closed.sites.size(); ++s) {
            const auto j = static_cast<std::size_t>(closed.sites[s]);
            for (const KernelEntry& e : kernel.from(j))
                f(static_cast<Eigen::Index>(s),
                  static_cast<Eigen::Index>(local[static_cast<std::size_t>(e.to)]), j, e);
        }
    }
};

void demand_success(Eigen::ComputationInfo info, std::size_t n) {
    if (info != Eigen::Success)
        throw DataError("exact diffusivity: the linear solve for a class of " + std::to_string(n) +
                        " sites did not converge (hop probabilities span too many decades)");
}

/// chi with (I - P^T) chi = rhs for a rhs of zero stationary mean.
Vectors solve_corrector(const ClassProblem& problem, const Vectors& rhs) {
    const Eigen::Index n = problem.size();
    if (static_cast<std::size_t>(n) <= dense_limit) {
        // Fundamental matrix: adding 1 pi^T removes the constant null vector without disturbing the solution.
        Eigen::MatrixXd system =
            Eigen::MatrixXd::Identity(n, n) + Eigen::VectorXd::Ones(n) * problem.pi.transpose();
        problem.for_each_entry(
            [&](auto j, auto i, std::size_t, const KernelEntry& e) { system(j, i) -= e.p; });
        return system.partialPivLu().solve(rhs);
    }
    std::vector<Eigen::Triplet<double>> triplets;
    Vectors chi = Vectors::Zero(n, 3);
    if (problem.kernel.reversible) {
        // pi (I - P^T) is a symmetric Laplacian; self loops cancel and are left out rather than subtracted.
        problem.for_each_entry([&](auto j, auto i, std::size_t, const KernelEntry& e) {
            if (i == j) return;
            const double g = problem.pi[j] * e.p;
            triplets.emplace_back(static_cast<int>(j), static_cast<int>(i), -g);
            triplets.emplace_back(static_cast<int>(j), static_cast<int>(j), g);
        });
        Sparse laplacian(n, n);
        laplacian.setFromTriplets(triplets.begin(), triplets.end());
        Eigen::ConjugateGradient<Sparse, Eigen::Lower | Eigen::Upper> solver;
        solver.setTolerance(1e-11);
        solver.setMaxIterations(20 * n);
        solver.compute(laplacian);
        const Vectors weighted = problem.pi.asDiagonal() * rhs;
        for (int axis = 0; axis < 3; ++axis) {
            chi.col(axis) = solver.solve(weighted.col(axis));
            demand_success(solver.info(), static_cast<std::size_t>(n));
        }
        return chi;
    }
    for (Eigen::Index j = 1; j < n; ++j)
        triplets.emplace_back(static_cast<int>(j) - 1, static_cast<int>(j) - 1, 1.0);
    problem.for_each_entry([&](auto j, auto i, std::size_t, const KernelEntry& e) {
        if (i > 0 && j > 0) triplets.emplace_back(static_cast<int>(j) - 1, static_cast<int>(i) - 1, -e.p);
    });
    Sparse grounded(n - 1, n - 1); // chi of the first site is zero
    grounded.setFromTriplets(triplets.begin(), triplets.end());
    Eigen::SparseLU<Sparse> solver(grounded);
    demand_success(solver.info(), static_cast<std::size_t>(n));
    const Eigen::MatrixXd right = rhs.bottomRows(n - 1);
    const Eigen::MatrixXd solution = solver.solve(right);
    chi.bottomRows(n - 1) = solution;
    return chi;
}

ClassTransport class_transport(const ClassProblem& problem, std::vector<Vec3>& corrected) {
    ClassTransport result;
    result.weight = problem.closed.weight;
    const Kernel& kernel = problem.kernel;
    const double tau = kernel.lag_time;
    Vectors mean_step = Vectors::Zero(problem.size(), 3);
    problem.for_each_entry([&](auto j, auto, std::size_t site, const KernelEntry& e) {
        mean_step.row(j) += e.p * kernel.displacement(site, e).transpose();
    });
    const Vec3 v = mean_step.transpose() * problem.pi;
    const Vectors chi = solve_corrector(problem, mean_step.rowwise() - v.transpose());

    Mat3 energy = Mat3::Zero(), squares = Mat3::Zero();
    problem.for_each_entry([&](auto j, auto i, std::size_t site, const KernelEntry& e) {
        const Vec3 d = kernel.displacement(site, e);
        const Vec3 u = d - v + (chi.row(i) - chi.row(j)).transpose();
        corrected[static_cast<std::size_t>(&e - kernel.entries.data())] = u;
        const double flow = problem.pi[j] * e.p;
        energy += flow * u * u.transpose();
        squares += flow * (d - v) * (d - v).transpose();
    });
    result.diffusivity = energy / (2 * tau);
    result.uncorrelated = squares / (2 * tau);
    result.correlation = result.diffusivity - result.uncorrelated;
    result.drift = v / tau;
    return result;
}

/// Zeroth, first and second moments of the displacement along paths of 2^k steps, resolved by end sites.
struct StepMoments {
    Eigen::MatrixXd P;
    std::array<Eigen::MatrixXd, 3> A;
    std::array<Eigen::MatrixXd, 6> B; // xx, yy, zz, xy, xz, yz
};
constexpr std::array<std::array<int, 2>, 6> pairs{{{0, 0}, {1, 1}, {2, 2}, {0, 1}, {0, 2}, {1, 2}}};

StepMoments one_step(const Kernel& kernel) {
    const auto n = static_cast<Eigen::Index>(kernel.n_sites());
    StepMoments m;
    m.P = Eigen::MatrixXd::Zero(n, n);
    m.A.fill(m.P);
    m.B.fill(m.P);
    for (std::size_t j = 0; j < kernel.n_sites(); ++j)
        for (const KernelEntry& e : kernel.from(j)) {
            const Vec3 d = kernel.displacement(j, e);
            const auto row = static_cast<Eigen::Index>(e.to), col = static_cast<Eigen::Index>(j);
            m.P(row, col) += e.p;
            for (std::size_t a = 0; a < 3; ++a) m.A[a](row, col) += e.p * d[static_cast<int>(a)];
            for (std::size_t q = 0; q < 6; ++q) m.B[q](row, col) += e.p * d[pairs[q][0]] * d[pairs[q][1]];
        }
    return m;
}

StepMoments squared(const StepMoments& m) {
    StepMoments s;
    s.P = m.P * m.P;
    for (std::size_t a = 0; a < 3; ++a) s.A[a] = m.A[a] * m.P + m.P * m.A[a];
    for (std::size_t q = 0; q < 6; ++q) {
        const auto a = static_cast<std::size_t>(pairs[q][0]), b = static_cast<std::size_t>(pairs[q][1]);
        s.B[q] = m.B[q] * m.P + m.P * m.B[q] + m.A[a] * m.A[b] + m.A[b] * m.A[a];
    }
    // Rounding in the column sums would double with every squaring.
    const Eigen::VectorXd scale = s.P.colwise().sum().cwiseInverse();
    s.P *= scale.asDiagonal();
    for (Eigen::MatrixXd& A : s.A) A *= scale.asDiagonal();
    for (Eigen::MatrixXd& B : s.B) B *= scale.asDiagonal();
    return s;
}

/// Where walkers are, times the moments of how far they have come.
struct WalkerMoments {
    Eigen::VectorXd z;
    std::array<Eigen::VectorXd, 3> f;
    std::array<Eigen::VectorXd, 6> s;

    explicit WalkerMoments(const std::vector<double>& start)
        : z(Eigen::Map<const Eigen::VectorXd>(start.data(), static_cast<Eigen::Index>(start.size()))) {
        f.fill(Eigen::VectorXd::Zero(z.size()));
        s.fill(Eigen::VectorXd::Zero(z.size()));
    }

    void advance(const StepMoments& m) {
        for (std::size_t q = 0; q < 6; ++q) {
            const auto a = static_cast<std::size_t>(pairs[q][0]), b = static_cast<std::size_t>(pairs[q][1]);
            s[q] = m.P * s[q] + m.A[a] * f[b] + m.A[b] * f[a] + m.B[q] * z;
        }
        for (std::size_t a = 0; a < 3; ++a) f[a] = m.P * f[a] + m.A[a] * z;
        z = m.P * z;
    }

    /// One step straight from the entries, for kernels too large for dense moments.
    void advance(const Kernel& kernel) {
        WalkerMoments next(std::vector<double>(kernel.n_sites(), 0.0));
        for (std::size_t j = 0; j < kernel.n_sites(); ++j) {
            const auto col = static_cast<Eigen::Index>(j);
            for (const KernelEntry& e : kernel.from(j)) {
                const Vec3 d = kernel.displacement(j, e);
                const auto row = static_cast<Eigen::Index>(e.to);
                next.z[row] += e.p * z[col];
                for (std::size_t a = 0; a < 3; ++a)
                    next.f[a][row] += e.p * (f[a][col] + d[static_cast<int>(a)] * z[col]);
                for (std::size_t q = 0; q < 6; ++q) {
                    const int a = pairs[q][0], b = pairs[q][1];
                    next.s[q][row] +=
                        e.p * (s[q][col] + d[a] * f[static_cast<std::size_t>(b)][col] +
                               d[b] * f[static_cast<std::size_t>(a)][col] + d[a] * d[b] * z[col]);
                }
            }
        }
        *this = std::move(next);
    }

    Mat3 msd() const {
        Mat3 m;
        for (std::size_t q = 0; q < 6; ++q)
            m(pairs[q][0], pairs[q][1]) = m(pairs[q][1], pairs[q][0]) = s[q].sum();
        return m;
    }
};

} // namespace

Transport exact_transport(const Kernel& kernel) { return exact_transport(kernel, closed_classes(kernel)); }

Transport exact_transport(const Kernel& kernel, const ClassStructure& classes) {
    Transport result;
    result.corrected.assign(kernel.entries.size(), Vec3::Zero());
    for (const ClosedClass& closed : classes.classes) {
        const ClassTransport t = class_transport(ClassProblem(kernel, closed), result.corrected);
        result.diffusivity += t.weight * t.diffusivity;
        result.uncorrelated += t.weight * t.uncorrelated;
        result.correlation += t.weight * t.correlation;
        result.drift += t.weight * t.drift;
        result.classes.push_back(t);
    }
    return result;
}

std::vector<Mat3> exact_msd(const Kernel& kernel, const std::vector<std::int64_t>& steps) {
    std::vector<Mat3> result;
    if (steps.empty()) return result;
    if (steps.front() < 0 || !std::is_sorted(steps.begin(), steps.end()))
        throw DataError("steps of an exact MSD must be ascending and not negative");
    WalkerMoments walkers(kernel.stationary);
    std::int64_t now = 0;
    constexpr std::int64_t few_steps = 64; // below it stepping costs less than squaring dense moments
    if (kernel.n_sites() > dense_limit || steps.back() <= few_steps) {
        for (const std::int64_t target : steps) {
            for (; now < target; ++now) walkers.advance(kernel);
            result.push_back(walkers.msd());
        }
        return result;
    }
    std::vector<StepMoments> powers{one_step(kernel)};
    for (const std::int64_t target : steps) {
        std::int64_t left = target - now;
        for (std::size_t k = 0; left > 0; ++k, left >>= 1) {
            if (k == powers.size()) powers.push_back(squared(powers.back()));
            if (left & 1) walkers.advance(powers[k]);
        }
        now = target;
        result.push_back(walkers.msd());
    }
    return result;
}

Vec3 hops_behind(const Kernel& kernel, const Transport& transport, const TransitionCounts& counts) {
    Vec3 sum = Vec3::Zero(), scatter = Vec3::Zero();
    const double lag = static_cast<double>(counts.lag_frames);
    std::vector<Vec3> share(counts.transitions.size(), Vec3::Zero());
    std::size_t k = 0;
    for (std::size_t j = 0; j < kernel.n_sites(); ++j)
        for (const KernelEntry& e : kernel.from(j)) {
            const Transition t{static_cast<std::int32_t>(j), e.to, e.R};
            while (k < counts.transitions.size() && counts.transitions[k] < t) ++k;
            if (k == counts.transitions.size() || !(counts.transitions[k] == t))
                continue; // a site that was never visited
            share[k] = kernel.stationary[j] * e.p *
                       transport.corrected[static_cast<std::size_t>(&e - kernel.entries.data())].cwiseAbs2();
        }
    const std::vector<std::int32_t> jump = jump_numbers(counts);
    std::vector<Vec3> w(share.size(), Vec3::Zero());
    std::vector<double> seen(share.size(), 0);
    for (std::size_t t = 0; t < share.size(); ++t) {
        w[static_cast<std::size_t>(jump[t])] += share[t];
        seen[static_cast<std::size_t>(jump[t])] += static_cast<double>(counts.total[t]) / lag;
    }
    for (std::size_t c = 0; c < seen.size(); ++c) {
        if (seen[c] <= 0) continue;
        sum += w[c];
        scatter += w[c].cwiseAbs2() / seen[c];
    }
    Vec3 hops = Vec3::Zero();
    for (int a = 0; a < 3; ++a)
        if (scatter[a] > 0) hops[a] = sum[a] * sum[a] / scatter[a];
    return hops;
}

} // namespace mesolith
