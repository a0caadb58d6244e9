#include "strong_components.hpp"

#include <algorithm>

namespace mesolith {

std::vector<std::vector<std::int32_t>> strong_components(std::span<const std::size_t> first,
                                                         std::span<const std::int32_t> target) {
    const std::size_t n = first.size() - 1;
    std::vector<std::int32_t> number(n, -1), low(n, 0), stack;
    std::vector<char> on_stack(n, 0);
    std::vector<std::vector<std::int32_t>> components;
    struct Visit {
        std::int32_t site;
        std::size_t next;
    };
    std::vector<Visit> visits;
    std::int32_t counter = 0;
    const auto at = [](std::int32_t s) { return static_cast<std::size_t>(s); };
    for (std::size_t root = 0; root < n; ++root) {
        if (number[root] >= 0) continue;
        visits.push_back({static_cast<std::int32_t>(root), first[root]});
        while (!visits.empty()) {
            const std::int32_t j = visits.back().site;
            if (visits.back().next == first[at(j)] && number[at(j)] < 0) {
                number[at(j)] = low[at(j)] = counter++;
                stack.push_back(j);
                on_stack[at(j)] = 1;
            }
            if (visits.back().next < first[at(j) + 1]) {
                const std::int32_t i = target[visits.back().next++];
                if (number[at(i)] < 0)
                    visits.push_back({i, first[at(i)]});
                else if (on_stack[at(i)])
                    low[at(j)] = std::min(low[at(j)], number[at(i)]);
                continue;
            }
            visits.pop_back();
            if (!visits.empty()) {
                const std::size_t parent = at(visits.back().site);
                low[parent] = std::min(low[parent], low[at(j)]);
            }
            if (low[at(j)] == number[at(j)]) {
                std::vector<std::int32_t> component;
                std::int32_t member = -1;
                do {
                    member = stack.back();
                    stack.pop_back();
                    on_stack[at(member)] = 0;
                    component.push_back(member);
                } while (member != j);
                std::sort(component.begin(), component.end());
                components.push_back(std::move(component));
            }
        }
    }
    return components;
}

} // namespace mesolith
