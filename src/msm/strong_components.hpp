#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace mesolith {

/// Strongly connected components of a graph, each ascending, in reverse topological order (Tarjan, SIAM J.
/// Comput. 1, 146 (1972)), without recursion.
/// @param first   links of node j: target[first[j]] to target[first[j + 1]] - 1
[[nodiscard]] std::vector<std::vector<std::int32_t>> strong_components(std::span<const std::size_t> first,
                                                                       std::span<const std::int32_t> target);

} // namespace mesolith
