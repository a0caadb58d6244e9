#pragma once
// What the mesoscale stage takes, before it starts.
#include "mesolith/pipeline/domain_model.hpp"

namespace mesolith {

struct MesoCost {
    double cells = 0, sites = 0;
    double bytes = 0;   ///< at the peak: parts run one after the other
    double seconds = 0; ///< on the threads of the run
};

/// From the sizes alone, without building the domain: a lower bound, so that what cannot fit is refused at
/// once.
[[nodiscard]] MesoCost estimate_cost(const Config& config);

/// With the domain at hand.
[[nodiscard]] MesoCost estimate_cost(const Config& config, const DomainModel& model);

} // namespace mesolith
