#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "mesolith/msm/kernel.hpp"

namespace mesolith {

/// Sites that exchange by fast hops, in one piece of the unwrapped lattice and all its images.
struct Channel {
    std::string name;                ///< "channel 1 (Li1, Li3)"; cage, channel, layer or network by rank
    std::vector<std::int32_t> sites; ///< ascending
    double share = 0;                ///< of the ions in the stationary state
    int rank = 0;                    ///< number of independent directions in which fast hops lead on for ever
    std::vector<IVec3> directions;   ///< basis of the lattice vectors that fast hops make, `rank` of them
};

struct Channels {
    double threshold = 0; ///< bonds stronger than that are fast [probability per lag]
    double gap = 1; ///< factor between the weakest bond that holds channels together and the strongest that
                    ///< would join them or add a direction; infinite when there is none to join them
    std::vector<Channel> channels;        ///< by falling share of the ions
    std::vector<std::int32_t> channel_of; ///< one per site
    std::vector<IVec3> cell; ///< of each site in its channel's piece: fast bonds of a spanning tree
                             ///< have R + cell_to - cell_from = 0
};

/// Connected components of the graph of fast hops, with the directions in which they percolate (integer rank
/// of the lattice vectors of closed loops). The strength of a bond is the smaller probability of its two
/// directions.
/// @param threshold  probability per lag; 0 = put into the largest gap (on a logarithmic scale) between
/// strengths of the bonds that matter, those that join components or add a direction when bonds are taken by
/// falling strength; below a factor `least_gap` there is no gap and all bonds are fast
/// @throws DataError when the threshold is negative or not finite
[[nodiscard]] Channels find_channels(const Kernel& kernel, double threshold = 0, double least_gap = 10);

/// Mean number of lags until an ion leaves its channel for another one or another image of the same, from
/// each site; infinite where it never must. Exact on the unwrapped lattice: one elimination per channel.
[[nodiscard]] std::vector<double> channel_escape_steps(const Kernel& kernel, const Channels& channels);

} // namespace mesolith
