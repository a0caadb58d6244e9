#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "mesolith/msm/kernel.hpp"

namespace mesolith {

/// Sites that exchange with each other and are never left: a walker that enters one stays for ever.
struct ClosedClass {
    std::vector<std::int32_t> sites; ///< ascending
    std::vector<double> stationary;  ///< of the class alone, sums to 1, one per site of the class
    double weight = 0;               ///< share of the ions that end up in it
};

struct ClassStructure {
    std::vector<ClosedClass> classes;    ///< by falling weight
    std::vector<std::int32_t> transient; ///< sites that are left for good
    std::vector<std::int32_t> class_of;  ///< class of each site, -1 for transient ones
};

/// Strongly connected components (Tarjan) of the graph of sites, cells folded together. Short data have
/// several: channels that never exchanged, sites that nobody left.
/// @param start  share of ions on each site; transient sites pass theirs on by their absorption
/// probabilities.
///               Empty: the stationary distribution of the kernel.
[[nodiscard]] ClassStructure closed_classes(const Kernel& kernel, std::span<const double> start = {});

} // namespace mesolith
