#include "mesolith/msm/chapman_kolmogorov.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>

#include "mesolith/core/error.hpp"
#include "mesolith/core/parallel.hpp"

#include "bloch.hpp"
#include "eigenvalues.hpp"

namespace mesolith {

namespace {

/// One matrix per wave vector, real where it is real.
struct Blocks {
    std::vector<Eigen::MatrixXd> real;
    std::vector<Eigen::MatrixXcd> general;

    double norm2() const {
        double largest = 0;
        for (const Eigen::MatrixXd& m : real) largest = std::max(largest, spectral_norm(m));
        for (const Eigen::MatrixXcd& m : general) largest = std::max(largest, spectral_norm(m));
        return largest;
    }
    Blocks& operator-=(const Blocks& other) {
        for (std::size_t k = 0; k < real.size(); ++k) real[k] -= other.real[k];
        for (std::size_t k = 0; k < general.size(); ++k) general[k] -= other.general[k];
        return *this;
    }
};

Blocks bloch_blocks(const Kernel& kernel, const std::vector<Vec3>& kappa) {
    Blocks blocks;
    for (const Vec3& k : kappa)
        if (is_real_point(k))
            blocks.real.push_back(plain_bloch_matrix<double>(kernel, k));
        else
            blocks.general.push_back(plain_bloch_matrix<std::complex<double>>(kernel, k));
    return blocks;
}

/// m^n for each n of a chain: all share the squarings of m, and each goes on from the one before where that
/// takes fewer products.
template <class Matrix>
std::vector<Matrix> powers(const Matrix& m, const std::vector<std::int64_t>& chain) {
    std::vector<std::size_t> order(chain.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::sort(order.begin(), order.end(), [&](auto a, auto b) { return chain[a] < chain[b]; });
    std::vector<Matrix> squares{m}, result(chain.size());
    const Matrix* last = nullptr;
    std::int64_t before = 0;
    for (const std::size_t k : order) {
        const auto all = static_cast<std::uint64_t>(chain[k]),
                   more = static_cast<std::uint64_t>(chain[k] - before);
        const bool go_on = last != nullptr && std::popcount(more) < std::popcount(all) - 1;
        const Matrix* product = go_on ? last : nullptr;
        std::uint64_t rest = go_on ? more : all;
        for (std::size_t bit = 0; rest > 0; ++bit, rest >>= 1) {
            while (squares.size() <= bit) squares.push_back(squares.back() * squares.back());
            if ((rest & 1) == 0) continue;
            result[k] = product != nullptr ? Matrix(*product * squares[bit]) : squares[bit];
            product = &result[k];
        }
        if (product == last && last != nullptr) result[k] = *last;
        last = &result[k];
        before = chain[k];
    }
    return result;
}

/// M(n tau) - M(tau)^n for each n.
std::vector<Blocks> differences(const std::vector<Kernel>& long_lags, const Kernel& short_lag,
                                const std::vector<std::int64_t>& chain, const std::vector<Vec3>& kappa) {
    std::vector<Blocks> delta;
    for (const Kernel& kernel : long_lags) delta.push_back(bloch_blocks(kernel, kappa));
    const Blocks one = bloch_blocks(short_lag, kappa);
    for (std::size_t k = 0; k < one.real.size(); ++k) {
        const auto power = powers(one.real[k], chain);
        for (std::size_t p = 0; p < chain.size(); ++p) delta[p].real[k] -= power[p];
    }
    for (std::size_t k = 0; k < one.general.size(); ++k) {
        const auto power = powers(one.general[k], chain);
        for (std::size_t p = 0; p < chain.size(); ++p) delta[p].general[k] -= power[p];
    }
    return delta;
}

/// kappa and -kappa give conjugate blocks with the same norm: one of each pair is enough.
std::vector<Vec3> half_of(const std::vector<Vec3>& kappa) {
    std::vector<Vec3> half;
    for (const Vec3& k : kappa)
        if (std::none_of(half.begin(), half.end(), [&](const Vec3& h) { return same_wave_vector(h, -k); }))
            half.push_back(k);
    return half;
}

} // namespace

double chapman_kolmogorov_error(const Kernel& long_lag, const Kernel& short_lag, std::int64_t n,
                                const std::vector<Vec3>& kappa) {
    if (n < 1) throw DataError("a Chapman-Kolmogorov chain needs at least one step");
    const std::vector<Vec3> half = half_of(kappa);
    return differences({long_lag}, short_lag, {n}, half)[0].norm2() / bloch_blocks(long_lag, half).norm2();
}

std::vector<ChapmanKolmogorovPoint>
chapman_kolmogorov_test(const TransitionCounts& counts,
                        const std::vector<const TransitionCounts*>& long_counts, const SiteBasis& basis,
                        const EstimatorOptions& options, const std::vector<Vec3>& kappa, int n_resamplings,
                        std::uint64_t seed) {
    const std::vector<Vec3> half = half_of(kappa);
    std::vector<std::int64_t> chain;
    for (const TransitionCounts* c : long_counts) {
        if (c->lag_frames % counts.lag_frames != 0 || c->n_blocks() != counts.n_blocks())
            throw DataError("Chapman-Kolmogorov counts must be taken at multiples of the lag and in the same "
                            "time blocks");
        chain.push_back(c->lag_frames / counts.lag_frames);
    }
    const auto deltas_of = [&](std::span<const double> weights) {
        std::vector<Kernel> long_lags;
        for (const TransitionCounts* c : long_counts)
            long_lags.push_back(estimate_kernel(*c, basis, options, weights));
        return differences(long_lags, estimate_kernel(counts, basis, options, weights), chain, half);
    };
    const std::vector<Blocks> deltas = deltas_of({});
    std::vector<ChapmanKolmogorovPoint> points(chain.size());
    std::vector<double> scale;
    for (std::size_t p = 0; p < points.size(); ++p) {
        scale.push_back(bloch_blocks(estimate_kernel(*long_counts[p], basis, options), half).norm2());
        points[p] = {chain[p], deltas[p].norm2() / scale[p], 0, 0};
    }
    const auto samples = static_cast<std::size_t>(std::max(n_resamplings, 0));
    std::vector<std::vector<double>> noise(points.size(), std::vector<double>(samples));
    for_each_index(samples, [&](std::size_t b) {
        std::vector<Blocks> resampled =
            deltas_of(bootstrap_weights(counts.n_blocks(), seed, static_cast<std::uint32_t>(b)));
        for (std::size_t p = 0; p < points.size(); ++p)
            noise[p][b] = (resampled[p] -= deltas[p]).norm2() / scale[p];
    });
    for (std::size_t p = 0; p < points.size() && samples > 0; ++p) {
        std::sort(noise[p].begin(), noise[p].end());
        points[p].floor_median = noise[p][samples / 2];
        points[p].floor_95 = noise[p][std::min(samples - 1, samples * 95 / 100)];
    }
    return points;
}

} // namespace mesolith
