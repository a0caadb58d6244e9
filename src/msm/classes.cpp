#include "mesolith/msm/classes.hpp"

#include <algorithm>

#include <Eigen/Dense>
#include <Eigen/SparseLU>

#include "mesolith/core/error.hpp"

#include "normalise.hpp"
#include "strong_components.hpp"

namespace mesolith {

namespace {

/// Stationary vector of an irreducible column-stochastic block by elimination without subtractions
/// (Grassmann, Taksar, Heyman, Oper. Res. 33, 1107 (1985)): right to rounding in each component, however rare
/// the hops.
std::vector<double> stationary_by_elimination(Eigen::MatrixXd P) {
    const Eigen::Index n = P.rows();
    for (Eigen::Index k = n - 1; k > 0; --k) {
        const double out = P.col(k).head(k).sum();
        P.row(k).head(k) /= out;
        P.topLeftCorner(k, k).noalias() += P.col(k).head(k) * P.row(k).head(k);
    }
    std::vector<double> pi(static_cast<std::size_t>(n), 0.0);
    pi[0] = 1;
    double sum = 1;
    for (Eigen::Index k = 1; k < n; ++k) {
        double inflow = 0;
        for (Eigen::Index j = 0; j < k; ++j) inflow += P(k, j) * pi[static_cast<std::size_t>(j)];
        pi[static_cast<std::size_t>(k)] = inflow;
        sum += inflow;
    }
    for (double& p : pi) p /= sum;
    return pi;
}

std::vector<double> stationary_by_sparse_lu(const Eigen::SparseMatrix<double>& P) {
    const auto n = static_cast<int>(P.rows());
    std::vector<Eigen::Triplet<double>> triplets;
    Eigen::VectorXd rhs = Eigen::VectorXd::Zero(n - 1);
    for (int j = 0; j < n; ++j)
        for (Eigen::SparseMatrix<double>::InnerIterator it(P, j); it; ++it) {
            if (it.row() == 0) continue;
            if (j == 0)
                rhs[it.row() - 1] += it.value();
            else
                triplets.emplace_back(static_cast<int>(it.row()) - 1, j - 1, -it.value());
        }
    for (int j = 1; j < n; ++j) triplets.emplace_back(j - 1, j - 1, 1.0);
    Eigen::SparseMatrix<double> reduced(n - 1, n - 1); // I - P with site 0 grounded
    reduced.setFromTriplets(triplets.begin(), triplets.end());
    Eigen::SparseLU<Eigen::SparseMatrix<double>> solver(reduced);
    if (solver.info() != Eigen::Success)
        throw DataError("stationary distribution: the sparse factorisation failed");
    const Eigen::VectorXd rest = solver.solve(rhs);
    std::vector<double> pi(static_cast<std::size_t>(n));
    pi[0] = 1;
    for (int j = 1; j < n; ++j) pi[static_cast<std::size_t>(j)] = std::max(rest[j - 1], 0.0);
    return normalised(std::move(pi), "stationary probabilities");
}

std::vector<double> class_stationary(const Kernel& kernel, const std::vector<std::int32_t>& sites) {
    const std::size_t n = sites.size();
    std::vector<double> pi(n, 1.0);
    if (n == 1) return pi;
    if (kernel.reversible) {
        for (std::size_t s = 0; s < n; ++s) pi[s] = kernel.stationary[static_cast<std::size_t>(sites[s])];
        return normalised(std::move(pi), "stationary probabilities of a class");
    }
    std::vector<std::int32_t> local(kernel.n_sites(), -1);
    for (std::size_t s = 0; s < n; ++s)
        local[static_cast<std::size_t>(sites[s])] = static_cast<std::int32_t>(s);
    std::vector<Eigen::Triplet<double>> triplets;
    for (std::size_t s = 0; s < n; ++s)
        for (const KernelEntry& e : kernel.from(static_cast<std::size_t>(sites[s])))
            triplets.emplace_back(local[static_cast<std::size_t>(e.to)], static_cast<int>(s), e.p);
    Eigen::SparseMatrix<double> P(static_cast<Eigen::Index>(n), static_cast<Eigen::Index>(n));
    P.setFromTriplets(triplets.begin(), triplets.end());
    return n <= 1000 ? stationary_by_elimination(Eigen::MatrixXd(P)) : stationary_by_sparse_lu(P);
}

} // namespace

ClassStructure closed_classes(const Kernel& kernel, std::span<const double> start) {
    const std::size_t n = kernel.n_sites();
    std::vector<double> share(start.begin(), start.end());
    if (share.empty()) share = kernel.stationary;
    if (share.size() != n) throw DataError("start distribution and kernel differ in their number of sites");

    std::vector<std::int32_t> destination;
    for (const KernelEntry& e : kernel.entries) destination.push_back(e.to);
    const auto components = strong_components(kernel.column, destination);
    ClassStructure structure;
    structure.class_of.assign(n, -1);
    std::vector<std::int32_t> component_of(n, -1);
    for (std::size_t c = 0; c < components.size(); ++c)
        for (const std::int32_t s : components[c])
            component_of[static_cast<std::size_t>(s)] = static_cast<std::int32_t>(c);
    for (std::size_t c = 0; c < components.size(); ++c) {
        bool closed = true;
        for (const std::int32_t s : components[c])
            for (const KernelEntry& e : kernel.from(static_cast<std::size_t>(s)))
                closed =
                    closed && component_of[static_cast<std::size_t>(e.to)] == static_cast<std::int32_t>(c);
        if (closed)
            structure.classes.push_back({components[c], class_stationary(kernel, components[c]), 0.0});
        else
            structure.transient.insert(structure.transient.end(), components[c].begin(), components[c].end());
    }
    std::sort(structure.transient.begin(), structure.transient.end());

    // Ions that start on transient sites: expected visits y = (I - P_TT)^-1 start, then where they leave to.
    std::vector<double> arrived = share;
    if (!structure.transient.empty()) {
        const auto m = static_cast<Eigen::Index>(structure.transient.size());
        std::vector<std::int32_t> local(n, -1);
        for (Eigen::Index t = 0; t < m; ++t)
            local[static_cast<std::size_t>(structure.transient[static_cast<std::size_t>(t)])] =
                static_cast<std::int32_t>(t);
        Eigen::MatrixXd system = Eigen::MatrixXd::Identity(m, m);
        Eigen::VectorXd rhs(m);
        for (Eigen::Index t = 0; t < m; ++t) {
            const auto j = static_cast<std::size_t>(structure.transient[static_cast<std::size_t>(t)]);
            rhs[t] = share[j];
            arrived[j] = 0;
            for (const KernelEntry& e : kernel.from(j)) {
                const std::int32_t i = local[static_cast<std::size_t>(e.to)];
                if (i >= 0) system(i, t) -= e.p;
            }
        }
        const Eigen::VectorXd visits = system.partialPivLu().solve(rhs);
        for (Eigen::Index t = 0; t < m; ++t)
            for (const KernelEntry& e :
                 kernel.from(static_cast<std::size_t>(structure.transient[static_cast<std::size_t>(t)])))
                if (local[static_cast<std::size_t>(e.to)] < 0)
                    arrived[static_cast<std::size_t>(e.to)] += visits[t] * e.p;
    }
    for (ClosedClass& closed : structure.classes)
        for (const std::int32_t s : closed.sites) closed.weight += arrived[static_cast<std::size_t>(s)];
    std::stable_sort(
        structure.classes.begin(), structure.classes.end(), [](const ClosedClass& a, const ClosedClass& b) {
            return a.weight != b.weight ? a.weight > b.weight : a.sites.front() < b.sites.front();
        });
    for (std::size_t c = 0; c < structure.classes.size(); ++c)
        for (const std::int32_t s : structure.classes[c].sites)
            structure.class_of[static_cast<std::size_t>(s)] = static_cast<std::int32_t>(c);
    return structure;
}

} // namespace mesolith
