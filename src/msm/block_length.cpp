#include "mesolith/msm/block_length.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "mesolith/core/error.hpp"

namespace mesolith {

double correlation_time(const std::vector<std::vector<double>>& stretches) {
    double sum = 0;
    std::size_t n = 0, longest = 0;
    for (const auto& x : stretches) {
        for (const double v : x) {
            if (!std::isfinite(v)) throw DataError("a correlation time needs finite samples");
            sum += v;
        }
        n += x.size();
        longest = std::max(longest, x.size());
    }
    if (n == 0) throw DataError("a correlation time needs at least one sample");
    const double mean = sum / static_cast<double>(n);
    const auto covariance = [&](std::size_t t) {
        double c = 0;
        std::size_t pairs = 0;
        for (const auto& x : stretches)
            for (std::size_t k = 0; k + t < x.size(); ++k, ++pairs) c += (x[k] - mean) * (x[k + t] - mean);
        return pairs == 0 ? 0.0 : c / static_cast<double>(pairs);
    };
    const double variance = covariance(0);
    double tau = 0.5;
    if (!(variance > 1e-24 * mean * mean)) return tau;
    for (std::size_t t = 1; t < longest && static_cast<double>(t) < 6 * tau; ++t)
        tau += covariance(t) / variance;
    return std::max(tau, 0.5);
}

double best_block_length(double tau, double total) { return std::cbrt(tau * tau * total); }

} // namespace mesolith
