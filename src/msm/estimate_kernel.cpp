#include "mesolith/msm/estimate_kernel.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "mesolith/core/error.hpp"
#include "mesolith/msm/classes.hpp"

#include "normalise.hpp"
#include "reversible_fit.hpp"

namespace mesolith {

namespace {

void check_shapes(const TransitionCounts& counts, const SiteBasis& basis, const EstimatorOptions& options) {
    if (counts.n_sites != basis.size())
        throw DataError("counts are for " + std::to_string(counts.n_sites) + " sites, the crystal has " +
                        std::to_string(basis.size()));
    if (counts.reverse.size() != counts.transitions.size())
        throw DataError("counts lack the index of reverse transitions");
    if (options.estimator == Estimator::automatic)
        throw DataError("the estimator is still automatic. Call resolve_estimator first");
    if (options.stationary.empty()) return;
    if (options.estimator == Estimator::non_reversible)
        throw DataError("a given stationary distribution needs the symmetrised or the reversible estimator");
    if (options.stationary.size() != basis.size())
        throw DataError("the given stationary distribution has " + std::to_string(options.stationary.size()) +
                        " values for " + std::to_string(basis.size()) + " sites of the folded cell");
    for (const double pi : options.stationary)
        if (!(pi >= 0) || !std::isfinite(pi))
            throw DataError("a given stationary probability is negative or not a number");
}

/// Flow along every transition, such that flow / (sum of flows out of its origin) is the transition
/// probability.
std::vector<double> symmetrised_flows(const TransitionCounts& counts, const std::vector<double>& c,
                                      const std::vector<double>& visits, const EstimatorOptions& options) {
    std::vector<double> flow = c;
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

Flows flows_of(const TransitionCounts& counts, const std::vector<double>& c,
               const std::vector<double>& visits, const EstimatorOptions& options, EstimatorInfo& info) {
    if (options.estimator == Estimator::reversible) {
        if (options.stationary.empty()) {
            const ReversibleFit fit(counts, c);
            info = fit.info();
            return fit.flows();
        }
        const GivenPiFit fit(counts, c, normalised(options.stationary, "given stationary probabilities"));
        info = fit.info();
        return fit.flows();
    }
    Flows flows{c, std::vector<double>(visits.size(), 0.0)};
    if (options.estimator == Estimator::symmetrised)
        flows.transition = symmetrised_flows(counts, c, visits, options);
    return flows;
}

} // namespace

const char* name(Estimator estimator) {
    switch (estimator) {
    case Estimator::automatic:
        return "auto";
    case Estimator::non_reversible:
        return "non_reversible";
    case Estimator::symmetrised:
        return "symmetrised";
    case Estimator::reversible:
        return "reversible";
    }
    return "";
}

ResolvedEstimator resolve_estimator(const EstimatorOptions& options, std::size_t n_ions, std::size_t n_sites,
                                    std::size_t n_basis) {
    const std::string occupancy = std::to_string(n_ions) + " ions on " + std::to_string(n_sites) + " sites";
    ResolvedEstimator result{options, "as asked for"};
    if (options.estimator != Estimator::automatic) return result;
    result.options.estimator = Estimator::reversible;
    if (!options.stationary.empty()) {
        result.reason =
            "the stationary distribution is given: maximum likelihood under detailed balance with it";
    } else if (n_ions == n_sites) {
        result.options.stationary.assign(n_basis, 1.0);
        result.reason = occupancy + ": every site is occupied all the time, so that the stationary "
                                    "distribution is uniform; maximum likelihood under detailed balance";
    } else {
        result.reason = occupancy +
                        ": occupancies differ from site to site, so that the stationary "
                        "distribution is estimated, too; maximum likelihood under detailed balance";
    }
    return result;
}

Kernel estimate_kernel(const TransitionCounts& counts, const SiteBasis& basis,
                       const EstimatorOptions& options, std::span<const double> weights,
                       EstimatorInfo* info) {
    check_shapes(counts, basis, options);
    const std::size_t n = basis.size();
    const std::vector<double> c = counts.weighted(weights);
    std::vector<double> visits(n, 0);
    for (std::size_t k = 0; k < c.size(); ++k)
        visits[static_cast<std::size_t>(counts.transitions[k].from)] += c[k];
    normalised(visits, "transition counts"); // refuses counts that are all zero
    EstimatorInfo unused;
    const Flows flows = flows_of(counts, c, visits, options, info ? *info : unused);

    Kernel kernel;
    kernel.basis = basis;
    kernel.lag_time = counts.lag_time();
    kernel.reversible = options.estimator != Estimator::non_reversible;
    kernel.column.assign(1, 0);
    kernel.entries.reserve(c.size());
    std::vector<double> outflow = flows.stay;
    for (std::size_t k = 0; k < c.size(); ++k)
        outflow[static_cast<std::size_t>(counts.transitions[k].from)] += flows.transition[k];
    std::size_t k = 0;
    for (std::size_t j = 0; j < n; ++j) {
        const Transition stays{static_cast<std::int32_t>(j), static_cast<std::int32_t>(j), IVec3::Zero()};
        double staying = outflow[j] > 0 ? flows.stay[j] / outflow[j] : 1.0;
        for (; k < c.size() && counts.transitions[k].from == stays.from; ++k) {
            double p = flows.transition[k] > 0 ? flows.transition[k] / outflow[j] : 0.0;
            if (!(counts.transitions[k] < stays)) { // the place of (j, j, 0)
                const bool here = counts.transitions[k] == stays;
                if (here) p += staying;
                if (!here && staying > 0) kernel.entries.push_back({stays.to, stays.R, staying});
                staying = 0;
            }
            if (p > 0) kernel.entries.push_back({counts.transitions[k].to, counts.transitions[k].R, p});
        }
        if (staying > 0) kernel.entries.push_back({stays.to, stays.R, staying});
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
