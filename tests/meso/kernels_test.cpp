#include <cmath>

#include "support/catch.hpp"
#include "support/kernels.hpp"

using namespace mesolith;

TEST_CASE("the hand-built kernels are stochastic and keep their stationary distribution", "[meso][support]") {
    for (const Kernel& kernel :
         {test::simple_cubic(), test::fcc(), test::fcc(4, 0), test::alternating_chain(),
          test::random_reversible(7, 3), test::random_reversible(26, 5), test::random_reversible(1, 1),
          test::random_nonreversible(5, 2)}) {
        const std::size_t n = kernel.n_sites();
        std::vector<double> next(n);
        double total = 0;
        for (std::size_t j = 0; j < n; ++j) {
            double sum = 0;
            for (const KernelEntry& e : kernel.from(j)) {
                CHECK(e.p > 0);
                sum += e.p;
                next[static_cast<std::size_t>(e.to)] += e.p * kernel.stationary[j];
            }
            CHECK(std::abs(sum - 1) < 1e-14);
            total += kernel.stationary[j];
        }
        CHECK(std::abs(total - 1) < 1e-14);
        for (std::size_t i = 0; i < n; ++i) CHECK(std::abs(next[i] - kernel.stationary[i]) < 1e-15);
    }
}

TEST_CASE("the reversible random kernel has detailed balance and the other has not", "[meso][support]") {
    const auto worst = [](const Kernel& kernel) {
        double violation = 0;
        for (std::size_t j = 0; j < kernel.n_sites(); ++j)
            for (const KernelEntry& e : kernel.from(j)) {
                double back = 0;
                for (const KernelEntry& r : kernel.from(static_cast<std::size_t>(e.to)))
                    if (r.to == static_cast<std::int32_t>(j) && r.R == -e.R) back = r.p;
                const double there = kernel.stationary[j] * e.p;
                violation = std::max(
                    violation, std::abs(there - kernel.stationary[static_cast<std::size_t>(e.to)] * back));
            }
        return violation;
    };
    CHECK(worst(test::random_reversible(9, 4)) < 1e-16);
    CHECK(worst(test::random_nonreversible(9, 4)) > 1e-3);
}
