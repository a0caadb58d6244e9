#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
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
/// several: channels that never exchanged, sites that nobody left. A component that is never left is a closed
/// class with a stationary vector and a transport of its own; every other site is transient: its ions end in
/// the classes with their absorption probabilities, and it counts for nothing at long times. No site is
/// dropped.
/// Stationary vectors and weights by subtraction-free elimination, right to rounding in each component
/// (classes of more than 3000 sites: sparse LU); of a reversible kernel its own.
/// @param start  share of ions on each site. Empty: the stationary distribution of the kernel.
/// @throws DataError when `start` has another number of sites
[[nodiscard]] ClassStructure closed_classes(const Kernel& kernel, std::span<const double> start = {});

/// Probability to end in closed class c, from each site: 1 inside it, 0 in the others.
/// @throws DataError when there is no such class
[[nodiscard]] std::vector<double> absorption_probabilities(const Kernel& kernel,
                                                           const ClassStructure& structure, std::size_t c);

/// What the counts say about how a site hangs together with the rest.
enum class Connectivity {
    exchanging,     ///< ions come, go and can come back
    isolated,       ///< neither reached nor left: never visited, or its ion never moved
    never_left,     ///< reached, but nobody left: its ions stay for ever, with D = 0
    never_reached,  ///< left, but nobody came from another site: empty at long times
    passed_through, ///< reached and left, but its ions end in a class that does not lead back: empty at long
                    ///< times
};
[[nodiscard]] std::string_view name_of(Connectivity kind); ///< e.g. "never left"

/// One per site.
[[nodiscard]] std::vector<Connectivity> connectivity(const Kernel& kernel, const ClassStructure& structure);

/// A site that does not exchange, for the reader of a report.
struct OddSite {
    std::int32_t site = 0;
    std::string name;
    Connectivity kind = Connectivity::isolated;
};
[[nodiscard]] std::vector<OddSite> odd_sites(const Kernel& kernel, const ClassStructure& structure);

} // namespace mesolith
