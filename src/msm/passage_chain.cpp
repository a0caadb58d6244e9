#include "passage_chain.hpp"

#include <array>
#include <limits>

#include "at.hpp"

namespace mesolith {

/// Marks every state from which a marked one can be reached.
void PassageChain::spread_back(std::vector<char>& marked) const {
    std::vector<std::size_t> first(n_states + 1, 0);
    for (const WeightedEdge& e : edges)
        if (e.to >= 0) ++first[at(e.to) + 1];
    for (std::size_t s = 0; s < n_states; ++s) first[s + 1] += first[s];
    std::vector<std::size_t> next(first.begin(), first.end() - 1);
    std::vector<std::int32_t> origin(first.back());
    for (const WeightedEdge& e : edges)
        if (e.to >= 0) origin[next[at(e.to)]++] = e.from;
    std::vector<std::size_t> stack;
    for (std::size_t s = 0; s < n_states; ++s)
        if (marked[s]) stack.push_back(s);
    while (!stack.empty()) {
        const std::size_t i = stack.back();
        stack.pop_back();
        for (std::size_t k = first[i]; k < first[i + 1]; ++k)
            if (!marked[at(origin[k])]) {
                marked[at(origin[k])] = 1;
                stack.push_back(at(origin[k]));
            }
    }
}

std::vector<char> PassageChain::can_reach_goal() const {
    std::vector<char> can(n_states, 0);
    for (const WeightedEdge& e : edges)
        if (e.to == goal) can[at(e.from)] = 1;
    spread_back(can);
    return can;
}

std::vector<double> PassageChain::steps_to_goal() const {
    const std::vector<char> can = can_reach_goal();
    std::vector<char> may_miss(n_states, 0);
    for (std::size_t s = 0; s < n_states; ++s) may_miss[s] = can[s] ? 0 : 1;
    for (const WeightedEdge& e : edges)
        if (e.to == failure) may_miss[at(e.from)] = 1;
    spread_back(may_miss);

    std::vector<std::int32_t> local(n_states, -1);
    std::int32_t count = 0;
    for (std::size_t s = 0; s < n_states; ++s)
        if (!may_miss[s]) local[s] = count++;
    std::vector<WeightedEdge> certain;
    for (const WeightedEdge& e : edges)
        if (local[at(e.from)] >= 0)
            certain.push_back({local[at(e.from)], e.to == goal ? count : local[at(e.to)], e.weight});
    std::vector<double> result(n_states, std::numeric_limits<double>::infinity());
    if (count == 0) return result;
    const std::size_t size = at(count) + 1;
    const Elimination chain(size, certain, std::array{count});
    const std::vector<double> x =
        chain.expectations(std::vector<double>(size, 1.0), std::vector<double>(size, 0.0));
    for (std::size_t s = 0; s < n_states; ++s)
        if (local[s] >= 0) result[s] = x[at(local[s])];
    return result;
}

std::vector<double> PassageChain::goal_probability() const {
    const std::vector<char> can = can_reach_goal();
    std::vector<std::int32_t> local(n_states, -1);
    std::int32_t count = 0;
    for (std::size_t s = 0; s < n_states; ++s)
        if (can[s]) local[s] = count++;
    std::vector<double> result(n_states, 0.0);
    if (count == 0) return result;
    std::vector<WeightedEdge> open; // then the goal, then all that never leads there
    for (const WeightedEdge& e : edges)
        if (local[at(e.from)] >= 0) {
            const std::int32_t to = e.to == goal                      ? count
                                    : e.to < 0 || local[at(e.to)] < 0 ? count + 1
                                                                      : local[at(e.to)];
            open.push_back({local[at(e.from)], to, e.weight});
        }
    const std::size_t size = at(count) + 2;
    const Elimination chain(size, open, std::array{count, count + 1});
    const std::vector<double> nothing(size, 0.0);
    std::vector<double> ends = nothing;
    ends[at(count)] = 1;
    const std::vector<double> x = chain.expectations(nothing, ends);
    for (std::size_t s = 0; s < n_states; ++s)
        if (local[s] >= 0) result[s] = x[at(local[s])];
    return result;
}

} // namespace mesolith
