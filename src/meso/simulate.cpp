#include "mesolith/meso/simulate.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/core.h>

#include "mesolith/core/error.hpp"
#include "mesolith/core/parallel.hpp"
#include "mesolith/meso/field.hpp"
#include "mesolith/meso/jump_table.hpp"

namespace mesolith {

namespace {

constexpr std::size_t walkers_per_block = 4096;

/// Some 0.1-0.3 s on one core between two calls of the progress function.
constexpr double hops_per_report = 3e7;

void report(const ProgressCallback& progress, double fraction) {
    if (progress) progress(fraction);
}

/// f(w) for all walkers, summed block by block: the same bits with any number of threads.
template <class T, class F>
T sum_over_walkers(std::size_t n, T zero, F&& f) {
    std::vector<T> parts((n + walkers_per_block - 1) / walkers_per_block, zero);
    for_blocks(n, walkers_per_block, [&](std::size_t begin, std::size_t end) {
        T& part = parts[begin / walkers_per_block];
        for (std::size_t w = begin; w < end; ++w) part += f(w);
    });
    for (const T& part : parts) zero += part;
    return zero;
}

using Vec6 = Eigen::Matrix<double, 6, 1>;
using Vec15 = Eigen::Matrix<double, 15, 1>;

/// xx, yy, zz, yz, xz, xy
Vec6 products(const Vec3& a, const Vec3& b) {
    Vec6 p;
    p << a[0] * b[0], a[1] * b[1], a[2] * b[2], a[1] * b[2], a[0] * b[2], a[0] * b[1];
    return p;
}

Mat3 symmetric(const Vec6& p) {
    return (Mat3() << p[0], p[5], p[4], p[5], p[1], p[3], p[4], p[3], p[2]).finished();
}

/// Standard error of a mean from sums of values and squares.
Vec6 standard_error(const Vec6& sum, const Vec6& squares, double n) {
    const Vec6 mean = sum / n, variance = (squares / n - mean.cwiseAbs2()).cwiseMax(0) * (n / (n - 1));
    return (variance / n).cwiseSqrt();
}

/// Mean displacement and second moments with errors, of all walkers now.
void measure(const Walkers& walkers, const Domain& domain, WalkerResult& result) {
    const auto n = static_cast<double>(walkers.size());
    const Vec15 sums = sum_over_walkers(walkers.size(), Vec15(Vec15::Zero()), [&](std::size_t w) {
        const Vec3 d = walkers.displacement(w, domain);
        const Vec6 square = products(d, d);
        return Vec15((Vec15() << d, square, square.cwiseAbs2()).finished());
    });
    result.mean_displacement.push_back(sums.head<3>() / n);
    result.msd.push_back(symmetric(sums.segment<6>(3) / n));
    result.msd_error.push_back(symmetric(standard_error(sums.segment<6>(3), sums.tail<6>(), n)));
}

/// Where all walkers stood at half time.
struct Snapshot {
    std::vector<std::int32_t> site, x, y, z;
    explicit Snapshot(const Walkers& w) : site(w.site), x(w.x), y(w.y), z(w.z) {}
};

/// Slope of the covariance between half time and now, walker by walker: y_w = (d d^T)_w(now) - (d
/// d^T)_w(half), with d counted from the mean, is one independent sample of 2 D time each.
void measure_diffusivity(const Walkers& walkers, const Snapshot& half, const Domain& domain,
                         std::size_t half_index, WalkerResult& result) {
    const auto n = static_cast<double>(walkers.size());
    const Vec3 mean_then = result.mean_displacement[half_index], mean_now = result.mean_displacement.back();
    const double time = result.time_ps.back() - result.time_ps[half_index];
    const Vec15 sums = sum_over_walkers(walkers.size(), Vec15(Vec15::Zero()), [&](std::size_t w) {
        const IVec3 cell_then{half.x[w], half.y[w], half.z[w]};
        const Vec3 before = displacement(domain, walkers.start[w], half.site[w], cell_then) - mean_then,
                   now = walkers.displacement(w, domain) - mean_now;
        const Vec6 y = products(now, now) - products(before, before);
        return Vec15((Vec15() << (now - before).cwiseAbs2(), y, y.cwiseAbs2()).finished());
    });
    // n - 1: two means were taken from the same walkers
    result.diffusivity = symmetric(sums.segment<6>(3) / (n - 1) / (2 * time));
    result.diffusivity_error = symmetric(standard_error(sums.segment<6>(3), sums.tail<6>(), n) / (2 * time));
    result.drift = (mean_now - mean_then) / time;
    result.drift_error = (sums.head<3>() / (n - 1) / n).cwiseSqrt() / time;
    result.slope_from_ps = result.time_ps[half_index];
    result.slope_to_ps = result.time_ps.back();
}

void check_options(const MesoOptions& options) {
    if (options.n_walkers < 2)
        throw DataError(
            fmt::format("{} walkers (at least 2 for an error bar). Ask for more", options.n_walkers));
    if (!(options.total_time_ps > 0) || !std::isfinite(options.total_time_ps))
        throw DataError(fmt::format("total time of {} ps (must be positive). Give the time to simulate",
                                    options.total_time_ps));
}

std::int64_t steps_of(double time_ps, double lag_time) {
    const double steps = std::round(time_ps / lag_time);
    if (!(lag_time > 0) || !(steps < 0x1p53))
        throw DataError(fmt::format("{} ps in steps of {} ps (more than 2^53 steps). Simulate a shorter time",
                                    time_ps, lag_time));
    return std::max<std::int64_t>(2, static_cast<std::int64_t>(steps));
}

} // namespace

std::vector<std::int64_t> log_spaced_steps(std::int64_t n_steps, int n_outputs) {
    if (n_steps < 2 || n_outputs < 2)
        throw DataError(
            fmt::format("{} outputs of {} steps (at least 2 of each). Ask for more", n_outputs, n_steps));
    std::vector<std::int64_t> steps{n_steps / 2, n_steps};
    for (int k = 0; k < n_outputs - 1; ++k)
        steps.push_back(std::llround(std::pow(static_cast<double>(n_steps), k / (n_outputs - 1.0))));
    std::sort(steps.begin(), steps.end());
    steps.erase(std::unique(steps.begin(), steps.end()), steps.end());
    return steps;
}

double walker_bytes(const MesoOptions& options) { return 40.0 * static_cast<double>(options.n_walkers); }

WalkerResult simulate_walkers(const Kernel& kernel, const MesoOptions& options,
                              const ProgressCallback& progress) {
    check_options(options);
    WalkerResult result;
    result.lattice = tile(kernel, lattice_cells(options.size, options.unit, kernel.basis.cell));
    result.n_walkers = options.n_walkers;
    result.seed = options.seed;
    result.lag_time = kernel.lag_time;
    const std::int64_t n_steps = steps_of(options.total_time_ps, kernel.lag_time);
    result.steps = log_spaced_steps(n_steps, options.n_outputs);

    const Domain domain = crystal_domain(kernel, result.lattice.cells);
    const JumpTable jumps = make_jump_table(domain, make_hop_rules(domain));
    Placement placement;
    placement.start = options.start;
    placement.site = options.start_site;
    Walkers walkers =
        place_walkers(static_cast<std::size_t>(options.n_walkers), domain, placement, options.seed);
    const auto at_once = static_cast<std::int64_t>(
        std::max(1.0, std::floor(hops_per_report / static_cast<double>(options.n_walkers))));
    std::size_t half_index = 0;
    std::vector<Snapshot> half;
    std::int64_t done = 0;
    for (const std::int64_t step : result.steps) {
        while (done < step) {
            report(progress, static_cast<double>(done) / static_cast<double>(n_steps));
            const std::int64_t n = std::min(at_once, step - done);
            advance(walkers, jumps, options.seed, static_cast<std::uint64_t>(done),
                    static_cast<std::uint64_t>(n));
            done += n;
        }
        result.time_ps.push_back(static_cast<double>(step) * kernel.lag_time);
        measure(walkers, domain, result);
        if (step == n_steps / 2) {
            half_index = result.time_ps.size() - 1;
            half.emplace_back(walkers);
        }
    }
    measure_diffusivity(walkers, half.front(), domain, half_index, result);
    report(progress, 1);
    return result;
}

FieldResult simulate_field(const Kernel& kernel, const FieldOptions& options,
                           const ProgressCallback& progress) {
    FieldResult result;
    result.lattice = tile(kernel, options.cells);
    if (kernel.stationary.size() != kernel.n_sites())
        throw DataError(
            "kernel without stationary distribution (the field starts from it). Estimate it again");
    result.lag_time = kernel.lag_time;
    result.steps = log_spaced_steps(options.n_steps, options.n_outputs);
    const std::vector<Vec3>& b = kernel.basis.positions;
    Mat3 start_square = Mat3::Zero();
    for (std::size_t j = 0; j < b.size(); ++j) start_square += kernel.stationary[j] * b[j] * b[j].transpose();

    const double all = 4.0 * static_cast<double>(options.n_steps);
    for (int which = 0; which < 4; ++which) { // weights pi_j, pi_j b_jx, pi_j b_jy, pi_j b_jz
        Field field(result.lattice);
        for (std::size_t j = 0; j < b.size(); ++j)
            field.set(IVec3::Zero(), j, kernel.stationary[j] * (which == 0 ? 1 : b[j][which - 1]));
        std::int64_t done = 0;
        double wrapped = 0;
        for (std::size_t k = 0; k < result.steps.size(); ++k) {
            for (; done < result.steps[k]; ++done) {
                report(progress, (static_cast<double>(which) * static_cast<double>(options.n_steps) +
                                  static_cast<double>(done)) /
                                     all);
                if (which == 0) wrapped += field_moments(field).edge;
                advance(field, 1);
            }
            const FieldMoments moments = field_moments(field);
            if (which == 0) {
                result.time_ps.push_back(static_cast<double>(done) * kernel.lag_time);
                result.msd.push_back(moments.second + start_square);
                result.wrapped.push_back(std::min(1.0, wrapped));
                result.mass_error.push_back(std::abs(moments.mass - 1));
            } else {
                result.msd[k].col(which - 1) -= moments.first;
                result.msd[k].row(which - 1) -= moments.first.transpose();
            }
        }
    }
    report(progress, 1);
    return result;
}

} // namespace mesolith
