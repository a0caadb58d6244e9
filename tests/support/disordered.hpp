#pragma once
// A disordered solid whose sites and hops are known: random sites between random framework atoms, wells of
// different depth, width and anisotropy, some hardly occupied, some close pairs; ions hop between them, one
// on a site (and on a pair), and rattle harmonically in between.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <random>
#include <vector>

#include <Eigen/Geometry>

#include "mesolith/crystal/cell.hpp"

namespace mesolith::test {

struct DisorderedOptions {
    int n_pairs = 5;   ///< of sites 1.0 to 1.4 A apart
    int n_single = 44; ///< other sites, 2.1 A from each other at least
    int n_weak = 6;    ///< of the single ones hardly occupied
    int n_framework = 14;
    int n_ions = 36;
    int n_frames = 8000;
    std::uint64_t seed = 1;
};

struct DisorderedSite {
    Vec3 position = Vec3::Zero();
    Mat3 amplitude = Mat3::Zero(); ///< displacement = amplitude * three standard normal numbers [A]
    double weight = 1;
    int partner = -1; ///< other site of a close pair
};

struct TrueHop {
    int ion, frame, from, to; ///< first frame on the new site
};

struct DisorderedSystem {
    Cell cell;
    std::vector<DisorderedSite> sites;
    std::vector<Vec3> framework;
    std::vector<std::vector<Vec3>> frames; ///< ions, continuous
    std::vector<TrueHop> hops;             ///< by ion and frame
    std::vector<double> occupancy;         ///< of each site in these frames
};

class DisorderedGenerator {
public:
    explicit DisorderedGenerator(const DisorderedOptions& options) : o_(options), random_(options.seed) {}

    DisorderedSystem run() {
        s_.cell = Cell((Mat3() << 10.6, 0, 0, 1.6, 10.3, 0, -1.1, 0.9, 10.8).finished());
        place_sites();
        for (DisorderedSite& site : s_.sites) shape(site);
        hop_and_rattle();
        return std::move(s_);
    }

private:
    double uniform(double low, double high) {
        return low + (high - low) * (static_cast<double>(random_() >> 11) * 0x1p-53);
    }
    double normal() { // one of a Box-Muller pair: the same numbers with every standard library
        return std::sqrt(-2 * std::log(1 - uniform(0, 1))) * std::cos(2 * std::numbers::pi * uniform(0, 1));
    }
    Vec3 normal3() {
        const double x = normal(), y = normal(), z = normal();
        return {x, y, z};
    }
    Vec3 anywhere() {
        const double x = uniform(0, 1), y = uniform(0, 1), z = uniform(0, 1);
        return s_.cell.to_cartesian({x, y, z});
    }
    double distance(const Vec3& a, const Vec3& b) const { return s_.cell.minimum_image(b - a).norm(); }
    bool free(const Vec3& r, double from_sites, int except = -1) const {
        for (std::size_t k = 0; k < s_.sites.size(); ++k)
            if (static_cast<int>(k) != except && distance(s_.sites[k].position, r) < from_sites) return false;
        return std::all_of(s_.framework.begin(), s_.framework.end(),
                           [&](const Vec3& f) { return distance(f, r) > 2.0; });
    }

    void place_sites() {
        while (static_cast<int>(s_.framework.size()) < o_.n_framework)
            if (const Vec3 r = anywhere(); free(r, 0)) s_.framework.push_back(r);
        while (static_cast<int>(s_.sites.size()) < 2 * o_.n_pairs) {
            const auto first = static_cast<int>(s_.sites.size());
            const Vec3 a = anywhere(), b = a + uniform(1.0, 1.4) * normal3().normalized();
            if (!free(a, 2.1) || !free(b, 2.1)) continue;
            s_.sites.push_back({a, Mat3::Zero(), 1, first + 1});
            s_.sites.push_back({b, Mat3::Zero(), 1, first});
        }
        while (static_cast<int>(s_.sites.size()) < 2 * o_.n_pairs + o_.n_single)
            if (const Vec3 r = anywhere(); free(r, 2.1)) s_.sites.push_back({r, Mat3::Zero(), 1, -1});
        for (std::size_t k = 0; k < s_.sites.size(); ++k) {
            const bool weak = static_cast<int>(s_.sites.size() - k) <= o_.n_weak;
            s_.sites[k].weight = std::exp(weak ? uniform(-4, -3) : uniform(-1, 1));
        }
    }

    /// Three random orthogonal axes with amplitudes of their own; narrow wells in pairs.
    void shape(DisorderedSite& site) {
        const Vec3 u = normal3().normalized(), v = u.cross(normal3()).normalized();
        Mat3 axes;
        axes << u, v, u.cross(v);
        const double widest = site.partner >= 0 ? 0.24 : 0.4;
        const double a = uniform(0.14, widest), b = uniform(0.14, widest), c = uniform(0.14, widest);
        site.amplitude = axes * Vec3(a, b, c).asDiagonal();
    }

    struct Hop {
        int to;
        double p;  // per frame
        Vec3 step; // from site to site
    };

    void hop_and_rattle() {
        const std::size_t n = s_.sites.size();
        std::vector<std::vector<Hop>> hops(n);
        for (std::size_t i = 0; i < n; ++i)
            for (std::size_t j = 0; j < n; ++j) {
                const Vec3 step = s_.cell.minimum_image(s_.sites[j].position - s_.sites[i].position);
                if (i == j || step.norm() > 3.4) continue;
                const bool pair = s_.sites[i].partner == static_cast<int>(j);
                const double p = (pair ? 6e-3 : 8e-4 * std::exp(1.5 * (2.5 - step.norm()))) *
                                 std::sqrt(s_.sites[j].weight / s_.sites[i].weight);
                hops[i].push_back({static_cast<int>(j), p, step});
            }
        // Ions start on free sites, heavy ones first; the hops before frame 0 bring them to equilibrium.
        std::vector<int> holder(n, -1), at;
        std::vector<std::size_t> order(n);
        for (std::size_t k = 0; k < n; ++k) order[k] = k;
        std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
            return s_.sites[a].weight > s_.sites[b].weight;
        });
        for (const std::size_t k : order) {
            const int partner = s_.sites[k].partner;
            if (static_cast<int>(at.size()) == o_.n_ions ||
                (partner >= 0 && holder[static_cast<std::size_t>(partner)] >= 0))
                continue;
            holder[k] = static_cast<int>(at.size());
            at.push_back(static_cast<int>(k));
        }
        std::vector<Vec3> centre, previous(at.size(), Vec3::Zero()), inner(at.size());
        std::vector<int> since(at.size(), 9);
        for (std::size_t ion = 0; ion < at.size(); ++ion) {
            centre.push_back(s_.sites[static_cast<std::size_t>(at[ion])].position);
            inner[ion] = normal3();
        }
        s_.occupancy.assign(n, 0);
        for (int t = -4000; t < o_.n_frames; ++t) {
            for (std::size_t ion = 0; ion < at.size(); ++ion) {
                const auto here = static_cast<std::size_t>(at[ion]);
                double u = uniform(0, 1);
                ++since[ion];
                for (const Hop& hop : hops[here]) {
                    if ((u -= hop.p) >= 0) continue;
                    const auto to = static_cast<std::size_t>(hop.to);
                    const int partner = s_.sites[to].partner;
                    const int beside = partner >= 0 ? holder[static_cast<std::size_t>(partner)] : -1;
                    if (holder[to] >= 0 || (beside >= 0 && beside != static_cast<int>(ion))) break;
                    holder[here] = -1;
                    holder[to] = static_cast<int>(ion);
                    at[ion] = hop.to;
                    previous[ion] = -hop.step;
                    centre[ion] += hop.step;
                    since[ion] = 0;
                    if (t > 0) s_.hops.push_back({static_cast<int>(ion), t, static_cast<int>(here), hop.to});
                    break;
                }
            }
            if (t < 0) continue;
            s_.frames.emplace_back();
            for (std::size_t ion = 0; ion < at.size(); ++ion) {
                inner[ion] = 0.6 * inner[ion] + 0.8 * normal3(); // remembers itself for about two frames
                const auto here = static_cast<std::size_t>(at[ion]);
                s_.occupancy[here] += 1.0 / o_.n_frames;
                // The frame of the hop finds it two thirds of the way.
                const Vec3 on_the_way = since[ion] == 0 ? Vec3(previous[ion] / 3) : Vec3(Vec3::Zero());
                s_.frames.back().push_back(centre[ion] + s_.sites[here].amplitude * inner[ion] + on_the_way);
            }
        }
        std::stable_sort(s_.hops.begin(), s_.hops.end(),
                         [](const TrueHop& a, const TrueHop& b) { return a.ion < b.ion; });
    }

    DisorderedOptions o_;
    std::mt19937_64 random_;
    DisorderedSystem s_;
};

inline DisorderedSystem disordered_system(const DisorderedOptions& options) {
    return DisorderedGenerator(options).run();
}

/// How well found things are the true ones.
struct Score {
    std::size_t matched = 0, found = 0, truth = 0;
    double precision() const {
        return static_cast<double>(matched) / static_cast<double>(std::max<std::size_t>(1, found));
    }
    double recall() const {
        return static_cast<double>(matched) / static_cast<double>(std::max<std::size_t>(1, truth));
    }
};

/// True site of each found position, -1 for none within `limit` [A]: one to one, nearest pairs first.
inline std::vector<int> match_sites(const DisorderedSystem& system, const std::vector<Vec3>& found,
                                    double limit) {
    struct Candidate {
        double distance;
        std::size_t found, truth;
    };
    std::vector<Candidate> candidates;
    for (std::size_t f = 0; f < found.size(); ++f)
        for (std::size_t t = 0; t < system.sites.size(); ++t)
            if (const double d = system.cell.minimum_image(found[f] - system.sites[t].position).norm();
                d <= limit)
                candidates.push_back({d, f, t});
    std::stable_sort(candidates.begin(), candidates.end(),
                     [](const Candidate& a, const Candidate& b) { return a.distance < b.distance; });
    std::vector<int> match(found.size(), -1);
    std::vector<bool> taken(system.sites.size(), false);
    for (const Candidate& c : candidates)
        if (match[c.found] < 0 && !taken[c.truth]) {
            match[c.found] = static_cast<int>(c.truth);
            taken[c.truth] = true;
        }
    return match;
}

/// Hops that are both there: the same ion, from, to, and frames at most `frames` apart. Both by ion and
/// frame.
inline Score score_hops(const std::vector<TrueHop>& found, const std::vector<TrueHop>& truth, int frames) {
    Score score{0, found.size(), truth.size()};
    std::vector<bool> taken(truth.size(), false);
    std::size_t first = 0;
    for (const TrueHop& f : found) {
        while (first < truth.size() && (truth[first].ion < f.ion ||
                                        (truth[first].ion == f.ion && truth[first].frame < f.frame - frames)))
            ++first;
        for (std::size_t t = first;
             t < truth.size() && truth[t].ion == f.ion && truth[t].frame <= f.frame + frames; ++t)
            if (!taken[t] && truth[t].from == f.from && truth[t].to == f.to) {
                taken[t] = true;
                ++score.matched;
                break;
            }
    }
    return score;
}

} // namespace mesolith::test
