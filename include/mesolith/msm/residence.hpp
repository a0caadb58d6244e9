#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "mesolith/sites/site_trajectory.hpp"

namespace mesolith {

/// One uninterrupted stay of an ion on a site, unassigned stretches within it bridged (as in list_jumps).
struct Stay {
    std::int32_t ion = 0;
    SiteId site;         ///< basis site
    double time = 0;     ///< seen of it [ps]
    bool entered = true; ///< its beginning was seen; else it had begun before the data
    bool left = true;    ///< its end was seen; else it goes on after the data
};

/// All stays, ordered by ion and time. One that ends with the data has the time up to the last frame (or to
/// the last assigned one).
/// @throws DataError when the trajectory visits sites that the set does not have
[[nodiscard]] std::vector<Stay> list_stays(const SiteTrajectory& trajectory, const SiteSet& sites);

/// Share of stays that last longer than t: Kaplan and Meier, J. Am. Stat. Assoc. 53, 457 (1958).
struct Survival {
    std::vector<double> time;          ///< times at which stays ended, ascending [ps]
    std::vector<double> value;         ///< S(t) from that time on
    std::vector<double> error;         ///< Greenwood's standard error; 0 from where S = 0
    std::vector<std::int64_t> at_risk; ///< stays known to last that long
    std::vector<std::int64_t> ended;   ///< stays that ended at that time

    double at(double t) const;           ///< S(t), 1 before the first end
    double quantile(double share) const; ///< first time with S <= 1 - share; NaN when it was not reached
};
/// From stays whose beginning was seen; one that goes on at the end of the data counts as long as it was
/// seen.
[[nodiscard]] Survival kaplan_meier(std::span<const Stay> stays);

/// How long ions stay on the sites of one group.
struct ResidenceTime {
    std::vector<std::int32_t> sites;            ///< basis sites of the group
    std::int64_t stays = 0, ended = 0, cut = 0; ///< all; whose end was seen; whose beginning was not seen
    /// Maximum-likelihood mean of exponential stays: all time seen over the ends seen, first and last stays
    /// included [ps]; inf when none ended. Its error is mean / sqrt(ended).
    double mean = 0, mean_error = 0;
    double median = 0;       ///< of the survival curve [ps], NaN when not reached
    double median_ratio = 0; ///< median / (mean ln 2): 1 for exponential stays, far below 1 for rattling
    double distance = 0;     ///< largest |S(t) - exp(-t / mean)|
    /// 5 % point of that distance for exponential stays with a fitted mean (M. A. Stephens, J. Am. Stat.
    /// Assoc. 69, 730 (1974)), plus what the frame interval alone can do. It knows nothing of censoring.
    double distance_limit = 0;
    bool exponential = false; ///< distance <= distance_limit
    Survival survival;
};

/// One entry per group, e.g. with SiteBasis::orbit as groups one per symmetry orbit.
/// @param group_of_site  of each basis site, >= 0; groups are 0 ... largest
/// @param frame_interval  resolution of the stays [ps]
/// @throws DataError when a stay is on a site without group
[[nodiscard]] std::vector<ResidenceTime> residence_times(std::span<const Stay> stays,
                                                         std::span<const std::int32_t> group_of_site,
                                                         double frame_interval);

} // namespace mesolith
