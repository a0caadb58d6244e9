#pragma once
#include <cstdint>
#include <vector>

#include "mesolith/msm/elimination.hpp"

namespace mesolith {

/// A chain of states and two more that it ends in.
struct PassageChain {
    static constexpr std::int32_t goal = -1, failure = -2;

    std::size_t n_states = 0;
    std::vector<WeightedEdge> edges; ///< `to` may be goal or failure

    /// Mean number of steps to the goal; infinite where it is not reached with certainty. The weights out of
    /// a state must be probabilities, those to stay left out.
    std::vector<double> steps_to_goal() const;

    /// Probability to end in the goal rather than in failure; 0 where neither is reached. Weights need not be
    /// normalised.
    std::vector<double> goal_probability() const;

private:
    std::vector<char> can_reach_goal() const;
    void spread_back(std::vector<char>& marked) const;
};

} // namespace mesolith
