#include "mesolith/msm/transport.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include <Eigen/Dense>
#include <Eigen/IterativeLinearSolvers>
#include <Eigen/SparseLU>

#include "mesolith/core/error.hpp"
#include "mesolith/msm/elimination.hpp"
#include "mesolith/msm/pooling.hpp"

#include "lattice_gauge.hpp"

namespace mesolith {

namespace {

using Sparse = Eigen::SparseMatrix<double>;
using Vectors = Eigen::Matrix<double, Eigen::Dynamic, 3>; // one column per direction

constexpr std::size_t dense_moments_limit = 400; ///< sites; above it the exact MSD is stepped

/// A move of one closed class: sites by their numbers in the class, displacement in the lattice gauge.
struct Move {
    std::int32_t from = 0, to = 0;
    Vec3 shift = Vec3::Zero(); ///< components along the gauge's lattice vectors, whole numbers
    double p = 0, flow = 0;    ///< flow = pi_from p
    std::size_t entry = 0;
};

/// One closed class in a lattice gauge: directions ordered from fast to slow, and no strong move has a
/// component along a slow one. Then a displacement of 1e-14 on a fast bond is a number of its own, not
/// what is left of a difference.
struct ClassProblem {
    const Kernel& kernel;
    std::vector<Move> moves;
    const std::vector<std::int32_t>& sites;
    std::vector<double> pi;
    Mat3 directions; ///< rows: lattice vectors of the gauge [A]

    ClassProblem(const Kernel& k, const ClosedClass& c) : kernel(k), sites(c.sites), pi(c.stationary) {
        std::vector<std::int32_t> local(k.n_sites(), -1);
        for (std::size_t s = 0; s < c.sites.size(); ++s) local[at(c.sites[s])] = static_cast<std::int32_t>(s);
        std::vector<CellEdge> edges;
        for (std::size_t s = 0; s < c.sites.size(); ++s)
            for (const KernelEntry& e : k.from(at(c.sites[s]))) {
                const auto from = static_cast<std::int32_t>(s);
                edges.push_back({from, local[at(e.to)], e.R, pi[s] * e.p});
                moves.push_back({from, local[at(e.to)], Vec3::Zero(), e.p, pi[s] * e.p,
                                 static_cast<std::size_t>(&e - k.entries.data())});
            }
        std::vector<CellEdge> strong; // a reversible edge and its reverse say the same
        for (const CellEdge& e : edges)
            if (!k.reversible || e.from <= e.to) strong.push_back(e);
        const LatticeGauge gauge = lattice_gauge(size(), std::move(strong), k.basis.cell.vectors());
        for (std::size_t m = 0; m < moves.size(); ++m) moves[m].shift = gauge.components(edges[m]);
        for (int i = 0; i < 3; ++i)
            for (int x = 0; x < 3; ++x) { // whole multiples of doubles: exact but for the last sum
                long double sum = 0;
                for (int j = 0; j < 3; ++j)
                    sum += static_cast<long double>(gauge.basis(i, j)) *
                           static_cast<long double>(k.basis.cell.vectors()(j, x));
                directions(i, x) = static_cast<double>(sum);
            }
    }
    std::size_t size() const { return pi.size(); }
    Vec3 cartesian(const Vec3& components) const { return directions.transpose() * components; }
    static std::size_t at(std::int32_t s) { return static_cast<std::size_t>(s); }
};

void demand_success(Eigen::ComputationInfo info, std::size_t n) {
    if (info != Eigen::Success)
        throw DataError("exact diffusivity: the linear solve for a class of " + std::to_string(n) +
                        " sites did not converge (hop probabilities span too many decades)");
}

/// chi of a class too large for the elimination: conjugate gradients on the pi-weighted Laplacian
/// (reversible) or sparse LU.
Vectors iterative_corrector(const ClassProblem& problem, const Vec3& drift) {
    const auto n = static_cast<Eigen::Index>(problem.size());
    const bool reversible = problem.kernel.reversible;
    std::vector<Eigen::Triplet<double>> triplets;
    Vectors chi = Vectors::Zero(n, 3), rhs = Vectors::Zero(n, 3);
    for (const Move& m : problem.moves) {
        const double g = reversible ? m.flow : m.p;
        rhs.row(m.from) += g * (m.shift - drift).transpose();
        if (m.from == m.to) continue;        // cancels on the diagonal
        const int down = reversible ? 0 : 1; // chi of the first site is zero, or any constant will do
        if (m.from >= down) {
            triplets.emplace_back(m.from - down, m.from - down, g);
            if (m.to >= down) triplets.emplace_back(m.from - down, m.to - down, -g);
        }
    }
    if (reversible) {
        Sparse laplacian(n, n);
        laplacian.setFromTriplets(triplets.begin(), triplets.end());
        Eigen::ConjugateGradient<Sparse, Eigen::Lower | Eigen::Upper> solver;
        solver.setTolerance(1e-11);
        solver.setMaxIterations(20 * n);
        solver.compute(laplacian);
        Vec3 scale = Vec3::Zero();
        for (const Move& m : problem.moves) scale += m.flow * m.shift.cwiseAbs();
        for (int c = 0; c < 3; ++c) {
            // The Laplacian reaches only what sums to zero: rounding beyond that would make the iteration
            // diverge.
            const Eigen::VectorXd balanced = rhs.col(c).array() - rhs.col(c).mean();
            if (balanced.lpNorm<1>() <= 1e-14 * scale[c]) continue; // every site moves alike, or nothing does
            chi.col(c) = solver.solve(balanced);
            demand_success(solver.info(), problem.size());
        }
        return chi;
    }
    Sparse grounded(n - 1, n - 1);
    grounded.setFromTriplets(triplets.begin(), triplets.end());
    Eigen::SparseLU<Sparse> solver(grounded);
    demand_success(solver.info(), problem.size());
    for (int c = 0; c < 3; ++c) {
        // one by one: into rows of a matrix Eigen 3.4 writes at the wrong places
        const Eigen::VectorXd right = rhs.col(c).tail(n - 1);
        const Eigen::VectorXd x = solver.solve(right);
        if (!((grounded * x - right).norm() <= 1e-8 * right.norm()))
            throw DataError("exact diffusivity: the linear solve for a class of " +
                            std::to_string(problem.size()) +
                            " sites lost its digits (hop probabilities span too many decades)");
        chi.col(c).tail(n - 1) = x;
    }
    return chi;
}

/// chi by star-mesh elimination of a reversible class.
Vectors star_mesh_corrector(const ClassProblem& problem) {
    std::vector<Bond> bonds;
    for (const Move& m : problem.moves) // each bond comes once from either end: half of it each time
        if (m.from != m.to) bonds.push_back({m.from, m.to, 0.5 * m.flow, m.shift});
    const std::vector<Vec3> x = star_mesh_correctors(problem.size(), bonds);
    Vectors chi(static_cast<Eigen::Index>(x.size()), 3);
    for (std::size_t s = 0; s < x.size(); ++s) chi.row(static_cast<Eigen::Index>(s)) = x[s].transpose();
    return chi;
}

struct Correctors {
    Vectors chi;      ///< (I - P^T) chi = a - v
    Vectors backward; ///< the same of the reversed chain; -chi with detailed balance
};

/// Both correctors of a class without detailed balance, of zero stationary mean.
Correctors eliminated_correctors(const ClassProblem& problem, const Vec3& drift) {
    const std::size_t n = problem.size();
    const auto rows = static_cast<Eigen::Index>(n);
    std::vector<WeightedEdge> edges;
    std::array<std::vector<double>, 3> leaving, arriving;
    for (int c = 0; c < 3; ++c) {
        leaving[static_cast<std::size_t>(c)].assign(n, -drift[c]);
        for (const double p : problem.pi) arriving[static_cast<std::size_t>(c)].push_back(-drift[c] * p);
    }
    for (const Move& m : problem.moves) {
        if (m.from != m.to) edges.push_back({m.from, m.to, m.p});
        for (std::size_t c = 0; c < 3; ++c) {
            const double d = m.shift[static_cast<int>(c)];
            leaving[c][ClassProblem::at(m.from)] += m.p * d;
            arriving[c][ClassProblem::at(m.to)] += m.flow * d;
        }
    }
    const auto root = static_cast<std::int32_t>(std::max_element(problem.pi.begin(), problem.pi.end()) -
                                                problem.pi.begin());
    const Elimination chain(n, edges, std::array{root});
    const std::vector<double> zero(n, 0.0);
    Correctors result{Vectors::Zero(rows, 3), Vectors::Zero(rows, 3)};
    const Eigen::VectorXd pi = Eigen::Map<const Eigen::VectorXd>(problem.pi.data(), rows);
    for (std::size_t c = 0; c < 3; ++c) {
        const auto column = static_cast<Eigen::Index>(c);
        const std::vector<double> x = chain.expectations(leaving[c], zero),
                                  y = chain.visits(arriving[c], zero);
        result.chi.col(column) = Eigen::Map<const Eigen::VectorXd>(x.data(), rows);
        result.backward.col(column) = Eigen::Map<const Eigen::VectorXd>(y.data(), rows).cwiseQuotient(pi);
    }
    for (Vectors* v : {&result.chi, &result.backward}) v->rowwise() -= (pi.transpose() * *v).eval();
    return result;
}

ClassTransport class_transport(const ClassProblem& problem, double weight, std::vector<Vec3>& corrected) {
    ClassTransport result;
    result.weight = weight;
    const Kernel& kernel = problem.kernel;
    const double tau = kernel.lag_time;
    const bool by_elimination = problem.size() <= elimination_limit;
    Vec3 drift = Vec3::Zero(); // per lag, in gauge components; exactly zero with detailed balance
    if (!kernel.reversible)
        for (const Move& m : problem.moves) drift += m.flow * m.shift;
    Correctors correctors;
    if (!by_elimination)
        correctors.chi = iterative_corrector(problem, drift);
    else if (kernel.reversible)
        correctors.chi = star_mesh_corrector(problem);
    else
        correctors = eliminated_correctors(problem, drift);
    const Vectors& chi = correctors.chi;

    // Diagonal: sums of squares. Off it, D_ab = sum flow d_b (d_a + chi_a(to) + backward_a(from)) - v_a v_b
    // with b the slower direction: fast moves have no d_b, so their rounding does not enter.
    Mat3 energy = Mat3::Zero(), squares = Mat3::Zero();
    const Vec3 v = problem.cartesian(drift);
    for (const Move& m : problem.moves) {
        const Vec3 u = m.shift - drift + (chi.row(m.to) - chi.row(m.from)).transpose();
        corrected[m.entry] = problem.cartesian(u);
        if (!by_elimination) {
            energy += m.flow * u * u.transpose();
        } else {
            energy.diagonal() += m.flow * u.cwiseAbs2();
            const Vec3 both =
                kernel.reversible
                    ? u
                    : Vec3(m.shift + (chi.row(m.to) + correctors.backward.row(m.from)).transpose());
            energy(0, 1) += m.flow * m.shift[1] * both[0];
            energy(0, 2) += m.flow * m.shift[2] * both[0];
            energy(1, 2) += m.flow * m.shift[2] * both[1];
        }
        const KernelEntry& e = kernel.entries[m.entry];
        const Vec3 d = kernel.displacement(ClassProblem::at(problem.sites[ClassProblem::at(m.from)]), e) - v;
        squares += m.flow * d * d.transpose();
    }
    if (by_elimination)
        for (int a = 0; a < 3; ++a)
            for (int b = a + 1; b < 3; ++b) energy(b, a) = energy(a, b) -= drift[a] * drift[b];
    const Mat3 D = problem.directions.transpose() * energy * problem.directions;
    result.diffusivity = (D + D.transpose()) / (4 * tau); // symmetric to the last bit
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
        const ClassTransport t =
            class_transport(ClassProblem(kernel, closed), closed.weight, result.corrected);
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
    if (kernel.n_sites() > dense_moments_limit || steps.back() <= few_steps) {
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

std::vector<Mat3> exact_msd_in_continuous_time(const Kernel& kernel, const std::vector<std::int64_t>& steps) {
    if (!steps.empty() && (steps.front() < 0 || !std::is_sorted(steps.begin(), steps.end())))
        throw DataError("steps of an exact MSD must be ascending and not negative");
    std::vector<Mat3> out;
    for (const std::int64_t n : steps) {
        if (n == 0) {
            out.push_back(Mat3::Zero());
            continue;
        }
        if (n <= 1000) { // the sum itself, to 1e-16
            const auto top = static_cast<std::int64_t>(static_cast<double>(n) +
                                                       12 * std::sqrt(static_cast<double>(n)) + 30);
            std::vector<std::int64_t> all;
            for (std::int64_t k = 0; k <= top; ++k) all.push_back(k);
            const std::vector<Mat3> msd = exact_msd(kernel, all);
            Mat3 sum = Mat3::Zero();
            for (std::int64_t k = 0; k <= top; ++k)
                sum += std::exp(static_cast<double>(k) * std::log(static_cast<double>(n)) -
                                static_cast<double>(n) - std::lgamma(static_cast<double>(k) + 1)) *
                       msd[static_cast<std::size_t>(k)];
            out.push_back(sum);
            continue;
        }
        const auto h = static_cast<std::int64_t>(std::sqrt(static_cast<double>(n)));
        const std::vector<Mat3> msd = exact_msd(kernel, {n - h, n, n + h});
        const double curvature =
            static_cast<double>(n) / (2 * static_cast<double>(h) * static_cast<double>(h));
        out.push_back(msd[1] + curvature * (msd[2] - 2 * msd[1] + msd[0]));
    }
    return out;
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
