#include "mesolith/msm/channels.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "mesolith/core/error.hpp"

#include "at.hpp"
#include "lattice_gauge.hpp"
#include "passage_chain.hpp"

namespace mesolith {

namespace {

/// Bonds with the smaller probability of their two directions, each once; none where only one is seen.
std::vector<CellEdge> two_way_bonds(const Kernel& kernel) {
    std::map<std::array<int, 5>, double> p;
    for (std::size_t j = 0; j < kernel.n_sites(); ++j)
        for (const KernelEntry& e : kernel.from(j))
            p[{static_cast<int>(j), e.to, e.R[0], e.R[1], e.R[2]}] += e.p;
    std::vector<CellEdge> bonds;
    for (const auto& [move, forth] : p) {
        const std::array<int, 5> reversed{move[1], move[0], -move[2], -move[3], -move[4]};
        if (!(move < reversed)) continue;
        const auto back = p.find(reversed);
        if (back == p.end()) continue;
        bonds.push_back({move[0], move[1], IVec3(move[2], move[3], move[4]), std::min(forth, back->second)});
    }
    return by_strength(std::move(bonds));
}

std::string name_of(const Channel& channel, std::size_t number, const SiteBasis& basis) {
    constexpr std::array<const char*, 4> words{"cage", "channel", "layer", "network"};
    std::set<std::string> orbits;
    for (const std::int32_t s : channel.sites)
        if (at(s) < basis.name.size()) orbits.insert(orbit_name(basis.name[at(s)]));
    std::string list;
    for (const std::string& orbit : orbits) list += (list.empty() ? "" : ", ") + orbit;
    return words[static_cast<std::size_t>(channel.rank)] + (" " + std::to_string(number)) + " (" + list + ")";
}

} // namespace

Channels find_channels(const Kernel& kernel, double threshold, double least_gap) {
    if (!(threshold >= 0) || !std::isfinite(threshold))
        throw DataError("the threshold of fast hops is " + std::to_string(threshold) +
                        " (a probability per lag is asked for, or 0)");
    const std::size_t n = kernel.n_sites();
    const std::vector<CellEdge> bonds = two_way_bonds(kernel);
    std::vector<double> critical; // strengths of the bonds that matter, falling
    SiteForest all(n);
    for (const CellEdge& bond : bonds)
        if (all.join(bond) != SiteForest::Joined::no) critical.push_back(bond.strength);

    Channels result;
    result.threshold = threshold;
    if (threshold == 0)
        for (std::size_t k = 0; k + 1 < critical.size(); ++k) {
            const double gap = critical[k] / critical[k + 1];
            if (gap >= least_gap && gap > result.gap) {
                result.gap = gap;
                result.threshold = std::sqrt(critical[k]) * std::sqrt(critical[k + 1]);
            }
        }
    const auto slow =
        std::find_if(critical.begin(), critical.end(), [&](double s) { return !(s > result.threshold); });
    if (slow == critical.end())
        result.gap = std::numeric_limits<double>::infinity();
    else
        result.gap = slow == critical.begin() ? 1.0 : *(slow - 1) / *slow;

    SiteForest forest(n);
    for (const CellEdge& bond : bonds)
        if (bond.strength > result.threshold) forest.join(bond);
    std::map<std::int32_t, Channel> by_root;
    for (std::size_t s = 0; s < n; ++s) {
        const auto site = static_cast<std::int32_t>(s);
        Channel& channel = by_root[forest.root(site)];
        channel.sites.push_back(site);
        channel.share += kernel.stationary[s];
        result.cell.push_back(forest.cell(site));
    }
    for (auto& [root, channel] : by_root) {
        channel.rank = forest.loops(root).rank();
        channel.directions = forest.loops(root).basis();
        result.channels.push_back(std::move(channel));
    }
    std::sort(result.channels.begin(), result.channels.end(), [](const Channel& a, const Channel& b) {
        return a.share != b.share ? a.share > b.share : a.sites.front() < b.sites.front();
    });
    result.channel_of.assign(n, 0);
    for (std::size_t c = 0; c < result.channels.size(); ++c) {
        result.channels[c].name = name_of(result.channels[c], c + 1, kernel.basis);
        for (const std::int32_t s : result.channels[c].sites)
            result.channel_of[at(s)] = static_cast<std::int32_t>(c);
    }
    return result;
}

std::vector<double> channel_escape_steps(const Kernel& kernel, const Channels& channels) {
    if (channels.channel_of.size() != kernel.n_sites() || channels.cell.size() != kernel.n_sites())
        throw DataError("channels and kernel differ in their number of sites");
    std::vector<VectorLattice> lattice(channels.channels.size());
    for (std::size_t c = 0; c < lattice.size(); ++c)
        for (const IVec3& v : channels.channels[c].directions) lattice[c].insert(v);
    PassageChain chain;
    chain.n_states = kernel.n_sites();
    for (std::size_t j = 0; j < kernel.n_sites(); ++j)
        for (const KernelEntry& e : kernel.from(j)) {
            const std::int32_t home = channels.channel_of[j];
            const IVec3 way = e.R + channels.cell[at(e.to)] - channels.cell[j];
            const bool stays = channels.channel_of[at(e.to)] == home && lattice[at(home)].contains(way);
            if (stays && at(e.to) == j) continue;
            chain.edges.push_back({static_cast<std::int32_t>(j), stays ? e.to : PassageChain::goal, e.p});
        }
    return chain.steps_to_goal();
}

} // namespace mesolith
