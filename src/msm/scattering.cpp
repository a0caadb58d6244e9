#include <algorithm>
#include <bit>
#include <cmath>
#include <numbers>

#include <Eigen/Core>
#include <fmt/core.h>

#include "mesolith/core/error.hpp"
#include "mesolith/core/parallel.hpp"
#include "mesolith/msm/van_hove.hpp"

namespace mesolith {

namespace {

using Complex = std::complex<double>;

/// Entries of M~(k), in the order of the kernel.
std::vector<Complex> bloch_entries(const Kernel& kernel, const Vec3& kappa) {
    std::vector<Complex> entries;
    entries.reserve(kernel.entries.size());
    for (std::size_t j = 0; j < kernel.n_sites(); ++j)
        for (const KernelEntry& e : kernel.from(j)) {
            const double turns = kappa.dot(kernel.basis.cell.to_fractional(kernel.displacement(j, e)));
            entries.push_back(std::polar(e.p, -2 * std::numbers::pi * turns));
        }
    return entries;
}

void multiply_entries(const Kernel& kernel, const std::vector<Complex>& entries, std::int64_t n,
                      Eigen::VectorXcd& x) {
    Eigen::VectorXcd next(x.size());
    for (std::int64_t step = 0; step < n; ++step) {
        next.setZero();
        for (std::size_t j = 0; j < kernel.n_sites(); ++j)
            for (std::size_t e = kernel.column[j]; e < kernel.column[j + 1]; ++e)
                next[kernel.entries[e].to] += entries[e] * x[static_cast<Eigen::Index>(j)];
        x.swap(next);
    }
}

void multiply_power(const Kernel& kernel, const std::vector<Complex>& entries, std::int64_t n,
                    Eigen::VectorXcd& x) {
    Eigen::MatrixXcd power = Eigen::MatrixXcd::Zero(x.size(), x.size());
    for (std::size_t j = 0; j < kernel.n_sites(); ++j)
        for (std::size_t e = kernel.column[j]; e < kernel.column[j + 1]; ++e)
            power(kernel.entries[e].to, static_cast<Eigen::Index>(j)) += entries[e];
    for (; n > 0; n /= 2) {
        if (n % 2 == 1) x = power * x;
        if (n > 1) power = power * power;
    }
}

} // namespace

std::vector<Complex> intermediate_scattering(const Kernel& kernel, const Vec3& kappa,
                                             std::span<const std::int64_t> steps) {
    if (kernel.stationary.size() != kernel.n_sites())
        throw DataError("kernel without stationary distribution (F_s starts from it). Estimate it again");
    const std::vector<Complex> entries = bloch_entries(kernel, kappa);
    Eigen::VectorXcd x(static_cast<Eigen::Index>(kernel.n_sites()));
    for (std::size_t j = 0; j < kernel.n_sites(); ++j) x[static_cast<Eigen::Index>(j)] = kernel.stationary[j];
    std::vector<Complex> result;
    std::int64_t at = 0;
    for (const std::int64_t step : steps) {
        if (step < at)
            throw DataError(fmt::format("step {} after {} (steps must ascend from 0). Sort them", step, at));
        const std::int64_t n = step - at;
        const auto size = static_cast<double>(kernel.n_sites());
        const double by_power = 2.0 * std::bit_width(static_cast<std::uint64_t>(n)) * size * size * size;
        if (static_cast<double>(n) * static_cast<double>(entries.size()) <= by_power)
            multiply_entries(kernel, entries, n, x);
        else
            multiply_power(kernel, entries, n, x);
        at = step;
        result.push_back(x.sum());
    }
    return result;
}

std::vector<Complex> intermediate_scattering(const Kernel& kernel, std::span<const Vec3> wave_vectors,
                                             std::span<const std::int64_t> steps) {
    std::vector<Complex> result(wave_vectors.size() * steps.size());
    for_each_index(wave_vectors.size(), [&](std::size_t k) {
        const Vec3 kappa = kernel.basis.cell.vectors() * wave_vectors[k] / (2 * std::numbers::pi);
        const std::vector<Complex> f = intermediate_scattering(kernel, kappa, steps);
        std::copy(f.begin(), f.end(), result.begin() + static_cast<std::ptrdiff_t>(k * steps.size()));
    });
    return result;
}

} // namespace mesolith
