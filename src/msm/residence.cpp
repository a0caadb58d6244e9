#include "mesolith/msm/residence.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "mesolith/core/error.hpp"
#include "mesolith/core/nan.hpp"

namespace mesolith {

namespace {

/// 5 % point of the distance between a sample of n and the exponential of its own mean (Stephens 1974).
double stephens_limit(double n) {
    const double root = std::sqrt(n);
    return 1.094 / (root + 0.26 + 0.5 / root) + 0.2 / n;
}

/// Largest distance between the steps of S and exp(-t / mean), on both sides of each step.
double largest_distance(const Survival& survival, double mean) {
    double distance = 0, before = 1;
    for (std::size_t k = 0; k < survival.time.size(); ++k) {
        const double expected = std::exp(-survival.time[k] / mean);
        distance = std::max({distance, std::abs(before - expected), std::abs(survival.value[k] - expected)});
        before = survival.value[k];
    }
    return distance;
}

} // namespace

std::vector<Stay> list_stays(const SiteTrajectory& trajectory, const SiteSet& sites) {
    std::vector<Stay> stays;
    for (std::size_t ion = 0; ion < trajectory.n_ions(); ++ion) {
        const SiteEvent* here = nullptr; // where the present stay began
        bool entered = false;
        std::int64_t end = trajectory.n_frames - 1; // last frame that is known to be a part of it
        const auto finish = [&](std::int64_t frame, bool left) {
            stays.push_back({static_cast<std::int32_t>(ion), sites.base[here->site.at()],
                             static_cast<double>(frame - here->frame) * trajectory.frame_interval, entered,
                             left});
        };
        for (const SiteEvent& event : trajectory.of_ion(ion)) {
            if (!event.site.valid()) {
                end = event.frame - 1;
                continue;
            }
            if (event.site.at() >= sites.base.size())
                throw DataError(fmt::format("The site trajectory visits site {} of {} (it belongs to another "
                                            "site list). Assign the sites anew",
                                            event.site.value, sites.base.size()));
            end = trajectory.n_frames - 1;
            if (here && here->site == event.site && here->cell == event.cell) continue;
            if (here) finish(event.frame, true);
            entered = here != nullptr;
            here = &event;
        }
        if (here) finish(end, false);
    }
    return stays;
}

Survival kaplan_meier(std::span<const Stay> stays) {
    std::vector<const Stay*> order;
    for (const Stay& stay : stays)
        if (stay.entered) order.push_back(&stay);
    // Of equal times, ends come before stays that go on.
    std::sort(order.begin(), order.end(), [](const Stay* a, const Stay* b) {
        return a->time != b->time ? a->time < b->time : a->left > b->left;
    });
    Survival survival;
    double value = 1, greenwood = 0;
    for (std::size_t k = 0; k < order.size();) {
        const auto at_risk = static_cast<std::int64_t>(order.size() - k);
        const double time = order[k]->time;
        std::int64_t ended = 0;
        for (; k < order.size() && order[k]->time == time; ++k) ended += order[k]->left;
        if (ended == 0) continue;
        const auto n = static_cast<double>(at_risk), d = static_cast<double>(ended);
        value *= 1 - d / n;
        if (ended < at_risk) greenwood += d / (n * (n - d));
        survival.time.push_back(time);
        survival.value.push_back(ended < at_risk ? value : 0.0);
        survival.error.push_back(survival.value.back() * std::sqrt(greenwood));
        survival.at_risk.push_back(at_risk);
        survival.ended.push_back(ended);
    }
    return survival;
}

double Survival::at(double t) const {
    const auto after = std::upper_bound(time.begin(), time.end(), t) - time.begin();
    return after == 0 ? 1.0 : value[static_cast<std::size_t>(after) - 1];
}

double Survival::quantile(double share) const {
    for (std::size_t k = 0; k < time.size(); ++k)
        if (value[k] <= 1 - share) return time[k];
    return nan_value;
}

std::vector<ResidenceTime> residence_times(std::span<const Stay> stays,
                                           std::span<const std::int32_t> group_of_site,
                                           double frame_interval) {
    std::vector<ResidenceTime> result;
    for (std::size_t s = 0; s < group_of_site.size(); ++s) {
        if (group_of_site[s] < 0) throw DataError("groups of sites are counted from 0");
        const auto g = static_cast<std::size_t>(group_of_site[s]);
        if (g >= result.size()) result.resize(g + 1);
        result[g].sites.push_back(static_cast<std::int32_t>(s));
    }
    std::vector<std::vector<Stay>> of_group(result.size());
    for (const Stay& stay : stays) {
        if (!stay.site.valid() || stay.site.at() >= group_of_site.size())
            throw DataError(fmt::format("a stay is on site {}, but there are {} sites", stay.site.value,
                                        group_of_site.size()));
        of_group[static_cast<std::size_t>(group_of_site[stay.site.at()])].push_back(stay);
    }
    for (std::size_t g = 0; g < result.size(); ++g) {
        ResidenceTime& r = result[g];
        double time = 0;
        for (const Stay& stay : of_group[g]) {
            time += stay.time;
            ++r.stays;
            r.ended += stay.left;
            r.cut += !stay.entered;
        }
        const auto ended = static_cast<double>(r.ended);
        r.mean = r.ended > 0 ? time / ended : std::numeric_limits<double>::infinity();
        r.mean_error = r.ended > 0 ? r.mean / std::sqrt(ended) : std::numeric_limits<double>::infinity();
        r.survival = kaplan_meier(of_group[g]);
        r.median = r.survival.quantile(0.5);
        r.median_ratio = r.median / (r.mean * std::log(2.0));
        r.distance = r.ended > 0 ? largest_distance(r.survival, r.mean) : nan_value;
        r.distance_limit =
            r.ended > 0 ? stephens_limit(ended) + 1 - std::exp(-frame_interval / r.mean) : nan_value;
        r.exponential = r.distance <= r.distance_limit;
    }
    return result;
}

} // namespace mesolith
