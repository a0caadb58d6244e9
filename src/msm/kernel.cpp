#include "mesolith/msm/kernel.hpp"

#include <cmath>
#include <string>

#include "mesolith/core/error.hpp"

namespace mesolith {

namespace {

std::string site_name(const SiteBasis& basis, std::size_t j) {
    return j < basis.name.size() ? basis.name[j] : std::to_string(j);
}

} // namespace

void check_kernel(const Kernel& kernel) {
    const std::size_t n = kernel.n_sites();
    if (n == 0 || kernel.basis.size() != n || kernel.stationary.size() != n || kernel.column.front() != 0 ||
        kernel.column.back() != kernel.entries.size())
        throw DataError("a kernel's columns, sites and stationary distribution do not fit together");
    if (!(kernel.lag_time > 0)) throw DataError("a kernel's lag time must be positive");
    for (std::size_t j = 0; j < n; ++j) {
        double sum = 0;
        if (kernel.column[j] > kernel.column[j + 1]) throw DataError("a kernel's columns are not in order");
        for (const KernelEntry& e : kernel.from(j)) {
            if (!(e.p >= 0) || !std::isfinite(e.p) || e.to < 0 || static_cast<std::size_t>(e.to) >= n)
                throw DataError("kernel column of site " + site_name(kernel.basis, j) +
                                " holds a negative probability or a site that does not exist");
            sum += e.p;
        }
        if (!(std::abs(sum - 1) <= 1e-12))
            throw DataError("kernel column of site " + site_name(kernel.basis, j) + " sums to " +
                            std::to_string(sum) + ", not 1");
    }
}

} // namespace mesolith
