#include "mesolith/msm/chapman_kolmogorov.hpp"

#include <algorithm>
#include <cmath>

#include <Eigen/Dense>
#include <Eigen/Eigenvalues>

#include "mesolith/core/error.hpp"
#include "mesolith/core/parallel.hpp"
#include "mesolith/msm/spectrum.hpp"

namespace mesolith {

namespace {

using Blocks = std::vector<Eigen::MatrixXcd>; // one per wave vector

double norm2(const Eigen::MatrixXcd& m) {
    const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXcd> solver(m.adjoint() * m, Eigen::EigenvaluesOnly);
    return std::sqrt(std::max(solver.eigenvalues().tail(1)[0], 0.0));
}

double norm2(const Blocks& blocks) {
    double largest = 0;
    for (const Eigen::MatrixXcd& m : blocks) largest = std::max(largest, norm2(m));
    return largest;
}

Eigen::MatrixXcd power(Eigen::MatrixXcd m, std::int64_t n) {
    Eigen::MatrixXcd result = Eigen::MatrixXcd::Identity(m.rows(), m.cols());
    for (; n > 0; n >>= 1) {
        if (n & 1) result = result * m;
        if (n > 1) m = m * m;
    }
    return result;
}

Blocks bloch_blocks(const Kernel& kernel, const std::vector<Vec3>& kappa) {
    Blocks blocks;
    for (const Vec3& k : kappa) blocks.push_back(bloch_matrix(kernel, k));
    return blocks;
}

Blocks difference(const Kernel& long_lag, const Kernel& short_lag, std::int64_t n,
                  const std::vector<Vec3>& kappa) {
    Blocks delta = bloch_blocks(long_lag, kappa);
    for (std::size_t k = 0; k < kappa.size(); ++k) delta[k] -= power(bloch_matrix(short_lag, kappa[k]), n);
    return delta;
}

/// kappa and -kappa give conjugate blocks with the same norm: one of each pair is enough.
std::vector<Vec3> half_of(const std::vector<Vec3>& kappa) {
    std::vector<Vec3> half;
    const auto same = [](const Vec3& a, const Vec3& b) {
        const Vec3 d = a - b;
        return (d - d.array().round().matrix()).cwiseAbs().maxCoeff() < 1e-9;
    };
    for (const Vec3& k : kappa)
        if (std::none_of(half.begin(), half.end(), [&](const Vec3& h) { return same(h, -k); }))
            half.push_back(k);
    return half;
}

} // namespace

double chapman_kolmogorov_error(const Kernel& long_lag, const Kernel& short_lag, std::int64_t n,
                                const std::vector<Vec3>& kappa) {
    if (n < 1) throw DataError("a Chapman-Kolmogorov chain needs at least one step");
    const std::vector<Vec3> half = half_of(kappa);
    return norm2(difference(long_lag, short_lag, n, half)) / norm2(bloch_blocks(long_lag, half));
}

std::vector<ChapmanKolmogorovPoint>
chapman_kolmogorov_test(const TransitionCounts& counts,
                        const std::vector<const TransitionCounts*>& long_counts, const SiteBasis& basis,
                        const EstimatorOptions& options, const std::vector<Vec3>& kappa, int n_resamplings,
                        std::uint64_t seed) {
    const std::vector<Vec3> half = half_of(kappa);
    const Kernel short_lag = estimate_kernel(counts, basis, options);
    std::vector<ChapmanKolmogorovPoint> points;
    std::vector<Blocks> deltas;
    std::vector<double> scale;
    for (const TransitionCounts* c : long_counts) {
        if (c->lag_frames % counts.lag_frames != 0 || c->n_blocks() != counts.n_blocks())
            throw DataError("Chapman-Kolmogorov counts must be taken at multiples of the lag and in the same "
                            "time blocks");
        const Kernel long_lag = estimate_kernel(*c, basis, options);
        points.push_back({c->lag_frames / counts.lag_frames, 0, 0, 0});
        deltas.push_back(difference(long_lag, short_lag, points.back().n, half));
        scale.push_back(norm2(bloch_blocks(long_lag, half)));
        points.back().error = norm2(deltas.back()) / scale.back();
    }
    const auto samples = static_cast<std::size_t>(std::max(n_resamplings, 0));
    std::vector<std::vector<double>> noise(points.size(), std::vector<double>(samples));
    for_each_index(samples, [&](std::size_t b) {
        const std::vector<double> weights =
            bootstrap_weights(counts.n_blocks(), seed, static_cast<std::uint32_t>(b));
        const Kernel short_resampled = estimate_kernel(counts, basis, options, weights);
        for (std::size_t p = 0; p < points.size(); ++p) {
            const Kernel long_resampled = estimate_kernel(*long_counts[p], basis, options, weights);
            Blocks delta = difference(long_resampled, short_resampled, points[p].n, half);
            for (std::size_t k = 0; k < delta.size(); ++k) delta[k] -= deltas[p][k];
            noise[p][b] = norm2(delta) / scale[p];
        }
    });
    for (std::size_t p = 0; p < points.size() && samples > 0; ++p) {
        std::sort(noise[p].begin(), noise[p].end());
        points[p].floor_median = noise[p][samples / 2];
        points[p].floor_95 = noise[p][std::min(samples - 1, samples * 95 / 100)];
    }
    return points;
}

} // namespace mesolith
