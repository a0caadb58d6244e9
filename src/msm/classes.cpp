#include "mesolith/msm/classes.hpp"

#include <algorithm>
#include <array>
#include <numeric>

#include <Eigen/SparseLU>

#include "mesolith/core/error.hpp"
#include "mesolith/msm/elimination.hpp"

#include "normalise.hpp"
#include "strong_components.hpp"

namespace mesolith {

namespace {

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
    if (n <= elimination_limit) {
        std::vector<WeightedEdge> edges;
        for (std::size_t s = 0; s < n; ++s)
            for (const KernelEntry& e : kernel.from(static_cast<std::size_t>(sites[s])))
                if (e.to != sites[s])
                    edges.push_back(
                        {static_cast<std::int32_t>(s), local[static_cast<std::size_t>(e.to)], e.p});
        const std::vector<double> nothing(n, 0.0);
        return normalised(Elimination(n, edges, std::array{std::int32_t{0}}).visits(nothing, pi),
                          "stationary probabilities");
    }
    std::vector<Eigen::Triplet<double>> triplets;
    for (std::size_t s = 0; s < n; ++s)
        for (const KernelEntry& e : kernel.from(static_cast<std::size_t>(sites[s])))
            triplets.emplace_back(local[static_cast<std::size_t>(e.to)], static_cast<int>(s), e.p);
    Eigen::SparseMatrix<double> P(static_cast<Eigen::Index>(n), static_cast<Eigen::Index>(n));
    P.setFromTriplets(triplets.begin(), triplets.end());
    return stationary_by_sparse_lu(P);
}

/// Transient sites in their order, then one state per closed class.
struct TransientChain {
    std::size_t n_states;
    Elimination elimination;

    TransientChain(const Kernel& kernel, const ClassStructure& structure)
        : n_states(structure.transient.size() + structure.classes.size()),
          elimination(n_states, edges(kernel, structure), classes(structure)) {}

private:
    static std::vector<WeightedEdge> edges(const Kernel& kernel, const ClassStructure& structure) {
        const std::size_t m = structure.transient.size();
        std::vector<std::int32_t> state(kernel.n_sites());
        for (std::size_t s = 0; s < state.size(); ++s)
            state[s] = static_cast<std::int32_t>(m) + structure.class_of[s];
        for (std::size_t t = 0; t < m; ++t)
            state[static_cast<std::size_t>(structure.transient[t])] = static_cast<std::int32_t>(t);
        std::vector<WeightedEdge> result;
        for (std::size_t t = 0; t < m; ++t)
            for (const KernelEntry& e : kernel.from(static_cast<std::size_t>(structure.transient[t])))
                result.push_back({static_cast<std::int32_t>(t), state[static_cast<std::size_t>(e.to)], e.p});
        return result;
    }
    static std::vector<std::int32_t> classes(const ClassStructure& structure) {
        std::vector<std::int32_t> result(structure.classes.size());
        std::iota(result.begin(), result.end(), static_cast<std::int32_t>(structure.transient.size()));
        return result;
    }
};

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

    std::vector<double> arrived = share; // ions that start on transient sites end in some class
    if (!structure.transient.empty()) {
        for (std::size_t c = 0; c < structure.classes.size(); ++c)
            for (const std::int32_t s : structure.classes[c].sites)
                structure.class_of[static_cast<std::size_t>(s)] = static_cast<std::int32_t>(c);
        const TransientChain chain(kernel, structure);
        std::vector<double> begin(chain.n_states, 0.0);
        for (std::size_t t = 0; t < structure.transient.size(); ++t) {
            const auto j = static_cast<std::size_t>(structure.transient[t]);
            begin[t] = share[j];
            arrived[j] = 0;
        }
        const std::vector<double> end = chain.elimination.arrivals(begin);
        for (std::size_t c = 0; c < structure.classes.size(); ++c)
            structure.classes[c].weight = end[structure.transient.size() + c];
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

std::vector<double> absorption_probabilities(const Kernel& kernel, const ClassStructure& structure,
                                             std::size_t c) {
    if (c >= structure.classes.size())
        throw DataError("closed class " + std::to_string(c) + " does not exist (there are " +
                        std::to_string(structure.classes.size()) + ")");
    std::vector<double> h(kernel.n_sites(), 0.0);
    for (const std::int32_t s : structure.classes[c].sites) h[static_cast<std::size_t>(s)] = 1;
    const std::size_t m = structure.transient.size();
    if (m == 0) return h;
    const TransientChain chain(kernel, structure);
    const std::vector<double> nothing(chain.n_states, 0.0);
    std::vector<double> ends = nothing;
    ends[m + c] = 1;
    const std::vector<double> of_state = chain.elimination.expectations(nothing, ends);
    for (std::size_t t = 0; t < m; ++t) h[static_cast<std::size_t>(structure.transient[t])] = of_state[t];
    return h;
}

std::string_view name_of(Connectivity kind) {
    switch (kind) {
    case Connectivity::exchanging:
        return "exchanging";
    case Connectivity::isolated:
        return "isolated";
    case Connectivity::never_left:
        return "never left";
    case Connectivity::never_reached:
        return "never reached";
    case Connectivity::passed_through:
        return "passed through";
    }
    return "";
}

std::vector<Connectivity> connectivity(const Kernel& kernel, const ClassStructure& structure) {
    const std::size_t n = kernel.n_sites();
    std::vector<char> reached(n, 0), left(n, 0), images(n, 0);
    for (std::size_t j = 0; j < n; ++j)
        for (const KernelEntry& e : kernel.from(j)) {
            const auto i = static_cast<std::size_t>(e.to);
            if (i != j)
                reached[i] = left[j] = 1;
            else if (!e.R.isZero())
                images[j] = 1; // exchanges with itself in another cell
        }
    std::vector<Connectivity> kind(n, Connectivity::exchanging);
    for (std::size_t s = 0; s < n; ++s)
        if (structure.class_of[s] < 0)
            kind[s] = reached[s] ? Connectivity::passed_through : Connectivity::never_reached;
        else if (!left[s] && !images[s])
            kind[s] = reached[s] ? Connectivity::never_left : Connectivity::isolated;
    return kind;
}

std::vector<OddSite> odd_sites(const Kernel& kernel, const ClassStructure& structure) {
    const std::vector<Connectivity> kind = connectivity(kernel, structure);
    std::vector<OddSite> odd;
    for (std::size_t s = 0; s < kind.size(); ++s)
        if (kind[s] != Connectivity::exchanging)
            odd.push_back({static_cast<std::int32_t>(s),
                           s < kernel.basis.name.size() ? kernel.basis.name[s] : "site " + std::to_string(s),
                           kind[s]});
    return odd;
}

} // namespace mesolith
