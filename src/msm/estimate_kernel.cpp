#include "mesolith/msm/estimate_kernel.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "mesolith/core/error.hpp"
#include "mesolith/msm/classes.hpp"

#include "normalise.hpp"

namespace mesolith {

namespace {

void check_shapes(const TransitionCounts& counts, const SiteBasis& basis, const EstimatorOptions& options) {
    if (counts.n_sites != basis.size())
        throw DataError("counts are for " + std::to_string(counts.n_sites) + " sites, the crystal has " +
                        std::to_string(basis.size()));
    if (counts.reverse.size() != counts.transitions.size())
        throw DataError("counts lack the index of reverse transitions");
    if (options.stationary.empty()) return;
    if (options.estimator == Estimator::column)
        throw DataError("a given stationary distribution needs the symmetrised estimator");
    if (options.stationary.size() != basis.size())
        throw DataError("the given stationary distribution has " + std::to_string(options.stationary.size()) +
                        " values for " + std::to_string(basis.size()) + " sites of the folded cell");
    for (const double pi : options.stationary)
        if (!(pi >= 0) || !std::isfinite(pi))
            throw DataError("a given stationary probability is negative or not a number");
}

/// Flow along every transition, such that flow / (sum of flows out of its origin) is the transition
/// probability.
std::vector<double> flows(const TransitionCounts& counts, const std::vector<double>& c,
                          const std::vector<double>& visits, const EstimatorOptions& options) {
    std::vector<double> flow = c;
    if (options.estimator == Estimator::column) return flow;
    const auto reverse = [&](std::size_t k) { return static_cast<std::size_t>(counts.reverse[k]); };
    if (options.stationary.empty()) {
        for (std::size_t k = 0; k < c.size(); ++k) flow[k] = c[k] + c[reverse(k)];
        return flow;
    }
    const std::vector<double> pi = normalised(options.stationary, "given stationary probabilities");
    std::vector<double> leaving(visits.size(), 0);
    std::vector<std::size_t> stay(visits.size(), c.size());
    for (std::size_t k = 0; k < c.size(); ++k) {
        const Transition& t = counts.transitions[k];
        const auto j = static_cast<std::size_t>(t.from), i = static_cast<std::size_t>(t.to);
        if (i == j && t.R == IVec3::Zero()) {
            stay[j] = k;
            continue;
        }
        const double out = visits[j] > 0 ? pi[j] * c[k] / visits[j] : 0;
        const double back = visits[i] > 0 ? pi[i] * c[reverse(k)] / visits[i] : 0;
        flow[k] = pi[j] > 0 && pi[i] > 0 ? 0.5 * (out + back) : 0;
        leaving[j] += flow[k];
    }
    for (std::size_t j = 0; j < pi.size(); ++j) {
        if (pi[j] <= 0) continue;
        const double rest = pi[j] - leaving[j];
        if (rest < -1e-12 * pi[j] || (stay[j] == c.size() && rest > 1e-12 * pi[j]))
            throw DataError("the given stationary distribution does not fit the counts at site " +
                            std::to_string(j) +
                            " (more would leave than is there). Use stationary = \"estimated\"");
        if (stay[j] < c.size()) flow[stay[j]] = std::max(rest, 0.0);
    }
    return flow;
}

} // namespace

Kernel estimate_kernel(const TransitionCounts& counts, const SiteBasis& basis,
                       const EstimatorOptions& options, std::span<const double> weights) {
    check_shapes(counts, basis, options);
    const std::size_t n = basis.size();
    const std::vector<double> c = counts.weighted(weights);
    std::vector<double> visits(n, 0);
    for (std::size_t k = 0; k < c.size(); ++k)
        visits[static_cast<std::size_t>(counts.transitions[k].from)] += c[k];
    const std::vector<double> flow = flows(counts, c, visits, options);

    Kernel kernel;
    kernel.basis = basis;
    kernel.lag_time = counts.lag_time();
    kernel.reversible = options.estimator == Estimator::symmetrised;
    kernel.column.assign(1, 0);
    kernel.entries.reserve(flow.size());
    std::vector<double> outflow(n, 0);
    for (std::size_t k = 0; k < flow.size(); ++k)
        outflow[static_cast<std::size_t>(counts.transitions[k].from)] += flow[k];
    std::size_t k = 0;
    for (std::size_t j = 0; j < n; ++j) {
        if (outflow[j] <= 0) kernel.entries.push_back({static_cast<std::int32_t>(j), IVec3::Zero(), 1.0});
        for (; k < flow.size() && static_cast<std::size_t>(counts.transitions[k].from) == j; ++k)
            if (flow[k] > 0)
                kernel.entries.push_back(
                    {counts.transitions[k].to, counts.transitions[k].R, flow[k] / outflow[j]});
        kernel.column.push_back(kernel.entries.size());
    }
    if (kernel.reversible) {
        kernel.stationary = normalised(outflow, "transition counts");
    } else {
        kernel.stationary =
            normalised(visits, "transition counts"); // where the ions are; closed_classes moves them on
        const ClassStructure structure = closed_classes(kernel, kernel.stationary);
        std::fill(kernel.stationary.begin(), kernel.stationary.end(), 0.0);
        for (const ClosedClass& closed : structure.classes)
            for (std::size_t s = 0; s < closed.sites.size(); ++s)
                kernel.stationary[static_cast<std::size_t>(closed.sites[s])] =
                    closed.weight * closed.stationary[s];
    }
    return kernel;
}

} // namespace mesolith
