#include "mesolith/msm/van_hove.hpp"

#include <algorithm>

#include <fmt/core.h>

#include "mesolith/core/error.hpp"
#include "mesolith/core/parallel.hpp"

namespace mesolith {

namespace {

constexpr std::size_t most_places = std::size_t{1} << 28;

/// Probabilities of (cell, site) in a box of cells.
class Cloud {
public:
    Cloud(std::size_t n_sites, const IVec3& low, const IVec3& high)
        : n_sites_(n_sites), low_(low), size_(high - low + IVec3::Ones()) {
        const double places = size_.cast<double>().prod() * static_cast<double>(n_sites);
        if (places > static_cast<double>(most_places))
            throw DataError(fmt::format("the van Hove function covers {:.2g} places (at most {}). Ask for "
                                        "fewer steps or drop larger probabilities",
                                        places, most_places));
        p_.assign(static_cast<std::size_t>(places), 0.0);
    }

    std::size_t n_cells() const { return p_.size() / n_sites_; }
    IVec3 cell(std::size_t c) const {
        const auto ny = static_cast<std::size_t>(size_[1]), nz = static_cast<std::size_t>(size_[2]);
        return low_ + IVec3(static_cast<int>(c / (ny * nz)), static_cast<int>(c / nz % ny),
                            static_cast<int>(c % nz));
    }
    std::size_t index(const IVec3& cell) const {
        const IVec3 at = cell - low_;
        return (static_cast<std::size_t>(at[0]) * static_cast<std::size_t>(size_[1]) +
                static_cast<std::size_t>(at[1])) *
                   static_cast<std::size_t>(size_[2]) +
               static_cast<std::size_t>(at[2]);
    }
    double& at(std::size_t cell, std::size_t site) { return p_[cell * n_sites_ + site]; }
    double at(std::size_t cell, std::size_t site) const { return p_[cell * n_sites_ + site]; }

    /// Leave out small probabilities; their sum. `low` and `high` become the box of what is left.
    double drop(double below, IVec3& low, IVec3& high) {
        double dropped = 0;
        low = low_ + size_;
        high = low_ - IVec3::Ones();
        for (std::size_t c = 0; c < n_cells(); ++c) {
            bool any = false;
            for (std::size_t s = 0; s < n_sites_; ++s) {
                double& p = at(c, s);
                if (p < below) {
                    dropped += p;
                    p = 0;
                }
                any = any || p > 0;
            }
            if (!any) continue;
            const IVec3 here = cell(c);
            low = low.cwiseMin(here);
            high = high.cwiseMax(here);
        }
        return dropped;
    }

private:
    std::size_t n_sites_;
    IVec3 low_, size_;
    std::vector<double> p_;
};

/// Largest step in each direction.
struct Reach {
    IVec3 low = IVec3::Zero(), high = IVec3::Zero();
    explicit Reach(const Kernel& kernel) {
        for (const KernelEntry& e : kernel.entries) {
            low = low.cwiseMin(e.R);
            high = high.cwiseMax(e.R);
        }
    }
};

/// G_s from one start site.
std::vector<VanHove> from_site(const Kernel& kernel, std::size_t start, std::span<const std::int64_t> steps,
                               const DistanceBins& bins, double drop_below, const Reach& reach) {
    IVec3 low = IVec3::Zero(), high = IVec3::Zero();
    Cloud cloud(kernel.n_sites(), low, high);
    cloud.at(0, start) = 1;
    double dropped = 0;
    std::int64_t done = 0;
    std::vector<VanHove> result;
    for (const std::int64_t target : steps) {
        for (; done < target && (high - low).minCoeff() >= 0; ++done) {
            Cloud next(kernel.n_sites(), low + reach.low, high + reach.high);
            for (std::size_t c = 0; c < cloud.n_cells(); ++c) {
                const IVec3 cell = cloud.cell(c);
                for (std::size_t j = 0; j < kernel.n_sites(); ++j) {
                    const double p = cloud.at(c, j);
                    if (p == 0) continue;
                    for (const KernelEntry& e : kernel.from(j))
                        next.at(next.index(cell + e.R), static_cast<std::size_t>(e.to)) += e.p * p;
                }
            }
            dropped += next.drop(drop_below, low, high);
            cloud = std::move(next);
        }
        done = target;
        VanHove g{target, std::vector<double>(bins.n, 0.0), 0, dropped};
        for (std::size_t c = 0; c < cloud.n_cells(); ++c)
            for (std::size_t i = 0; i < kernel.n_sites(); ++i)
                if (const double p = cloud.at(c, i); p > 0) {
                    const std::size_t bin =
                        bins.bin_of(kernel.basis.displacement(start, i, cloud.cell(c)).norm());
                    (bin < bins.n ? g.probability[bin] : g.beyond) += p;
                }
        result.push_back(std::move(g));
    }
    return result;
}

} // namespace

void DistanceBins::check() const {
    if (!(width > 0) || !std::isfinite(width) || n < 1)
        throw DataError("bins of the van Hove function need a positive width and a number of at least 1");
}

std::vector<VanHove> exact_van_hove(const Kernel& kernel, std::span<const std::int64_t> steps,
                                    const DistanceBins& bins, double drop_below) {
    bins.check();
    if (!(drop_below >= 0)) throw DataError("probabilities to drop must be given as a number >= 0");
    if (kernel.stationary.size() != kernel.n_sites())
        throw DataError("kernel without stationary distribution (G_s starts from it). Estimate it again");
    std::int64_t before = 0;
    for (const std::int64_t step : steps) {
        if (step < before)
            throw DataError(
                fmt::format("step {} after {} (steps must ascend from 0). Sort them", step, before));
        before = step;
    }
    const Reach reach(kernel);
    std::vector<std::vector<VanHove>> from(kernel.n_sites());
    for_each_index(kernel.n_sites(), [&](std::size_t j) {
        if (kernel.stationary[j] > 0) from[j] = from_site(kernel, j, steps, bins, drop_below, reach);
    });
    std::vector<VanHove> result;
    for (std::size_t s = 0; s < steps.size(); ++s) {
        VanHove sum{steps[s], std::vector<double>(bins.n, 0.0), 0, 0};
        for (std::size_t j = 0; j < from.size(); ++j) {
            if (from[j].empty()) continue;
            const double pi = kernel.stationary[j];
            for (std::size_t b = 0; b < bins.n; ++b) sum.probability[b] += pi * from[j][s].probability[b];
            sum.beyond += pi * from[j][s].beyond;
            sum.dropped += pi * from[j][s].dropped;
        }
        result.push_back(std::move(sum));
    }
    return result;
}

} // namespace mesolith
