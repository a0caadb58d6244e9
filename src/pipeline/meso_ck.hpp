#pragma once
// Walkers as if they were a trajectory: the Chapman-Kolmogorov test of the mesoscale run.
#include <vector>

#include "mesolith/msm/chapman_kolmogorov.hpp"
#include "mesolith/pipeline/domain_model.hpp"

namespace mesolith {

struct WalkerChain {
    std::int64_t n_walkers = 0, n_steps = 0;
    /// The test that the MD trajectory went through, on the sites that walkers visit step by step.
    std::vector<ChapmanKolmogorovPoint> test;
    /// |M^ - M|_2 / |M^|_2 of the one-step kernel that walkers show against the one they hop by.
    double kernel_error = 0;
};

/// Of a crystal in discrete time. Cost: 2e6 hops.
[[nodiscard]] WalkerChain test_walker_chain(const DomainModel& model, std::uint64_t seed);

void write(Hdf5Group& root, const WalkerChain& chain, double lag_time);

} // namespace mesolith
