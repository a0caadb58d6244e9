#pragma once
// Pairs of sites of the simulated cell: what hops and their exposures, and a simulation of them, walk along.
#include <algorithm>
#include <vector>

#include <Eigen/LU>
#include <fmt/format.h>

#include "mesolith/core/error.hpp"
#include "mesolith/msm/elementary_rates.hpp"

namespace mesolith {

/// Finds the site of the simulated cell that an image of a basis site is.
class SiteFinder {
public:
    explicit SiteFinder(const SiteSet& sites) : sites_(sites), of_base_(sites.basis.size()) {
        for (std::size_t s = 0; s < sites.size(); ++s) of_base_[sites.base[s].at()].push_back(s);
        inverse_ = sites.supercell.cast<double>().transpose().inverse();
    }
    std::size_t find(std::int32_t base, const IVec3& cell) const {
        for (const std::size_t s : of_base_[static_cast<std::size_t>(base)]) {
            const Vec3 n = inverse_ * (cell - sites_.offset[s]).cast<double>();
            if ((n - n.array().round().matrix()).cwiseAbs().maxCoeff() < 1e-6) return s;
        }
        throw DataError(fmt::format("the simulated cell lacks an image of basis site {} (the site list is "
                                    "damaged). Run the sites stage again",
                                    base));
    }

    /// Image of the simulated cell in which site s lies in this folded cell.
    IVec3 image_of(std::size_t s, const IVec3& cell) const {
        return (inverse_ * (cell - sites_.offset[s]).cast<double>()).array().round().cast<int>();
    }

private:
    const SiteSet& sites_;
    std::vector<std::vector<std::size_t>> of_base_;
    Mat3 inverse_;
};

/// One end of a pair of sites of the simulated cell.
struct Neighbour {
    std::size_t site = 0;
    std::size_t pair_class = 0;
    IVec3 R = IVec3::Zero(); ///< of the pair, from its first site to its second one
};

struct Neighbours {
    std::vector<std::vector<Neighbour>> out, in; ///< per site: pairs that start there, that end there
};

inline Neighbours neighbours_of(const SiteSet& sites, const HopNetwork& network) {
    const SiteFinder finder(sites);
    Neighbours result;
    result.out.resize(sites.size());
    result.in.resize(sites.size());
    for (std::size_t s = 0; s < sites.size(); ++s) {
        const std::int32_t j = sites.base[s].value;
        auto pair = std::lower_bound(network.pairs.begin(), network.pairs.end(), j,
                                     [](const Transition& t, std::int32_t from) { return t.from < from; });
        for (; pair != network.pairs.end() && pair->from == j; ++pair) {
            const auto c = static_cast<std::size_t>(
                network.class_of[static_cast<std::size_t>(pair - network.pairs.begin())]);
            const std::size_t t = finder.find(pair->to, sites.offset[s] + pair->R);
            if (t == s) continue; // its own image: never empty while it is taken
            result.out[s].push_back({t, c, pair->R});
            result.in[t].push_back({s, c, pair->R});
        }
    }
    return result;
}

} // namespace mesolith
