#include "mesolith/observables/msd_gls.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include <Eigen/Cholesky>

#include "mesolith/core/error.hpp"
#include "mesolith/core/nan.hpp"
#include "mesolith/core/parallel.hpp"

namespace mesolith {
namespace {

constexpr std::size_t max_lags = 16; // more of them tell nothing new

/// Origins [begin, end) of windows.
struct Origins {
    std::int64_t begin, end;
    double size() const { return static_cast<double>(std::max<std::int64_t>(end - begin, 0)); }
};

/// Sum over windows of length a that start in p and windows of length b that start in q of their overlap
/// squared.
double overlap_squares(std::int64_t a, const Origins& p, std::int64_t b, const Origins& q) {
    // By the start of the second minus that of the first.
    const std::int64_t first = std::max(1 - b, q.begin - p.end + 1),
                       last = std::min(a - 1, q.end - p.begin - 1);
    double sum = 0;
    for (std::int64_t shift = first; shift <= last; ++shift) {
        const std::int64_t pairs = std::min(p.end, q.end - shift) - std::max(p.begin, q.begin - shift);
        const std::int64_t overlap = std::min(a, shift + b) - std::max<std::int64_t>(0, shift);
        if (pairs > 0)
            sum += static_cast<double>(pairs) * static_cast<double>(overlap) * static_cast<double>(overlap);
    }
    return sum;
}

/// Origins of a lag that a block holds: whole bins, as the sums are stored, and windows that end in time.
Origins origins_of(const MsdSums& s, const TimeBlock& block, std::int64_t lag) {
    const auto whole = [&](std::int64_t frame) {
        return (frame + s.bin_frames - 1) / s.bin_frames * s.bin_frames;
    };
    const std::int64_t end = std::max<std::int64_t>(s.n_frames - lag, 0);
    return {std::min(whole(block.begin), end), std::min(whole(block.end), end)};
}

std::vector<std::size_t> lags_between(const std::vector<MsdSums>& sums, double begin, double end) {
    if (sums.empty()) throw DataError("the slope of an MSD needs at least one trajectory");
    const MsdSums& first = sums.front();
    std::int64_t longest = 0;
    for (const MsdSums& s : sums) {
        if (s.lag_frames != first.lag_frames) throw DataError("trajectories differ in the lags of their MSD");
        longest = std::max(longest, s.n_frames);
    }
    const double slack = 1e-9 * std::max(std::abs(begin), std::abs(end));
    std::vector<std::size_t> inside;
    for (std::size_t l = 0; l < first.n_lags(); ++l) {
        const double t = static_cast<double>(first.lag_frames[l]) * first.frame_interval;
        if (t >= begin - slack && t <= end + slack && first.lag_frames[l] < longest) inside.push_back(l);
    }
    if (inside.size() < 2)
        throw DataError("fewer than two lags of the MSD lie between " + std::to_string(begin) + " and " +
                        std::to_string(end) + " ps. Widen the fit window or use a longer trajectory");
    if (inside.size() <= max_lags) return inside;
    // Evenly spaced in time, as far as there are lags.
    std::vector<std::size_t> chosen;
    const auto time = [&](std::size_t l) { return static_cast<double>(first.lag_frames[l]); };
    for (std::size_t k = 0; k < max_lags; ++k) {
        const double wanted = time(inside.front()) + (time(inside.back()) - time(inside.front())) *
                                                         static_cast<double>(k) /
                                                         static_cast<double>(max_lags - 1);
        const std::size_t nearest =
            *std::min_element(inside.begin(), inside.end(), [&](std::size_t x, std::size_t y) {
                return std::abs(time(x) - wanted) < std::abs(time(y) - wanted);
            });
        if (chosen.empty() || nearest > chosen.back()) chosen.push_back(nearest);
    }
    return chosen;
}

/// Covariance of MSD values of a random walk with unit variance per frame, up to a common factor.
Eigen::MatrixXd random_walk_covariance(const std::vector<MsdSums>& sums,
                                       const std::vector<std::size_t>& lags) {
    const auto n = static_cast<Eigen::Index>(lags.size());
    Eigen::MatrixXd covariance(n, n);
    for_each_index(lags.size(), [&](std::size_t i) {
        for (std::size_t j = 0; j <= i; ++j) {
            const std::int64_t a = sums.front().lag_frames[lags[i]], b = sums.front().lag_frames[lags[j]];
            double overlaps = 0, n_a = 0, n_b = 0;
            for (const MsdSums& s : sums) {
                const Origins p{0, std::max<std::int64_t>(s.n_frames - a, 0)},
                    q{0, std::max<std::int64_t>(s.n_frames - b, 0)};
                overlaps += overlap_squares(a, p, b, q);
                n_a += p.size();
                n_b += q.size();
            }
            covariance(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(j)) = overlaps / (n_a * n_b);
        }
    });
    return covariance.selfadjointView<Eigen::Lower>();
}

/// Expected sum over blocks of the squares that estimate_slope forms, for the same random walk.
double expected_block_scatter(const std::vector<MsdSums>& sums, const std::vector<TimeBlock>& blocks,
                              const SlopeEstimator& e) {
    const std::size_t n = e.lags.size(), n_blocks = blocks.size();
    std::vector<double> part(n * n, 0.0);
    for_each_index(n * n, [&](std::size_t pair) {
        const std::size_t i = pair / n, j = pair % n;
        const std::int64_t a = sums.front().lag_frames[e.lags[i]], b = sums.front().lag_frames[e.lags[j]];
        std::vector<Origins> p, q;
        double n_a = 0, n_b = 0;
        for (const TimeBlock& block : blocks) {
            p.push_back(origins_of(sums[block.trajectory], block, a));
            q.push_back(origins_of(sums[block.trajectory], block, b));
            n_a += p.back().size();
            n_b += q.back().size();
        }
        // Residual of block k at lag a: its sum minus its share of all; the covariance of two residuals.
        double same = 0, all = 0, mixed_a = 0, mixed_b = 0, shares = 0;
        for (std::size_t k = 0; k < n_blocks; ++k) {
            shares += p[k].size() / n_a * (q[k].size() / n_b);
            for (std::size_t m = 0; m < n_blocks; ++m) {
                if (blocks[k].trajectory != blocks[m].trajectory) continue;
                const double c = overlap_squares(a, p[k], b, q[m]);
                all += c;
                mixed_a += p[m].size() / n_a * c; // residual of m holds the share of block k's sum
                mixed_b += q[k].size() / n_b * c;
                if (k == m) same += c;
            }
        }
        part[pair] = e.weight[i] * e.weight[j] * (same - mixed_a - mixed_b + shares * all) / (n_a * n_b);
    });
    double sum = 0;
    for (const double x : part) sum += x;
    return sum * static_cast<double>(n_blocks) / static_cast<double>(std::max<std::size_t>(n_blocks, 2) - 1);
}

/// Weights of the line c + 2 D t through values with these standard errors and this correlation (its
/// Cholesky factor).
void weigh(const std::vector<MsdSums>& sums, const Eigen::VectorXd& sd,
           const Eigen::LLT<Eigen::MatrixXd>& correlation, SlopeEstimator& e) {
    const auto n = static_cast<Eigen::Index>(e.lags.size());
    Eigen::MatrixXd line(n, 2); // in units of the standard errors
    for (Eigen::Index l = 0; l < n; ++l) {
        const std::int64_t lag = sums.front().lag_frames[e.lags[static_cast<std::size_t>(l)]];
        const double time = static_cast<double>(lag) * sums.front().frame_interval;
        line.row(l) << 1 / sd[l], 2 * time / sd[l];
        if (l == 0) e.begin = time;
        e.end = time;
    }
    const Eigen::MatrixXd whitened = correlation.solve(line);
    const Eigen::MatrixXd weights =
        Eigen::Matrix2d(line.transpose() * whitened).llt().solve(whitened.transpose());
    e.intercept_weight.assign(e.lags.size(), 0);
    e.weight = e.intercept_weight;
    for (Eigen::Index l = 0; l < n; ++l) {
        e.intercept_weight[static_cast<std::size_t>(l)] = weights(0, l) / sd[l];
        e.weight[static_cast<std::size_t>(l)] = weights(1, l) / sd[l];
    }
}

void compare_with_blocks(const std::vector<MsdSums>& sums, const std::vector<TimeBlock>& blocks,
                         const Eigen::MatrixXd& covariance, SlopeEstimator& e) {
    for (const TimeBlock& block : blocks)
        if (block.trajectory >= sums.size()) throw DataError("a time block of a trajectory without MSD");
    const Eigen::Map<const Eigen::VectorXd> w(e.weight.data(), static_cast<Eigen::Index>(e.weight.size()));
    e.seen_by_blocks = expected_block_scatter(sums, blocks, e) / w.dot(covariance * w);
}

/// Per block and lag: sums and numbers of windows.
struct BlockSums {
    std::vector<Vec3> sum;     // [block][lag]
    std::vector<double> count; // [block][lag]
    std::vector<Vec3> total;   // [lag]
    std::vector<double> n;     // [lag]
    std::size_t n_lags;
};
BlockSums sums_by_block(const std::vector<MsdSums>& sums, const std::vector<TimeBlock>& blocks,
                        const std::vector<std::size_t>& lags) {
    BlockSums r{{},
                {},
                std::vector<Vec3>(lags.size(), Vec3::Zero()),
                std::vector<double>(lags.size(), 0.0),
                lags.size()};
    for (const TimeBlock& block : blocks) {
        const MsdSums& s = sums.at(block.trajectory);
        const auto bin_of = [&](std::int64_t frame) {
            return std::min(static_cast<std::size_t>((frame + s.bin_frames - 1) / s.bin_frames), s.n_bins());
        };
        for (std::size_t l = 0; l < lags.size(); ++l) {
            Vec3 sum = Vec3::Zero();
            double count = 0;
            for (std::size_t bin = bin_of(block.begin); bin < bin_of(block.end); ++bin) {
                const std::size_t cell = bin * s.n_lags() + lags[l];
                count += static_cast<double>(s.count[cell]);
                for (int a = 0; a < 3; ++a) sum[a] += s.sum[cell * 3 + static_cast<std::size_t>(a)];
            }
            r.sum.push_back(sum);
            r.count.push_back(count);
            r.total[l] += sum;
            r.n[l] += count;
        }
    }
    return r;
}

} // namespace

SlopeEstimator gls_estimator(const std::vector<MsdSums>& sums, const std::vector<TimeBlock>& blocks,
                             double begin, double end) {
    SlopeEstimator e;
    e.lags = lags_between(sums, begin, end);
    const Eigen::MatrixXd covariance = random_walk_covariance(sums, e.lags);
    const Eigen::VectorXd sd = covariance.diagonal().cwiseSqrt();
    const Eigen::MatrixXd correlation =
        sd.cwiseInverse().asDiagonal() * covariance * sd.cwiseInverse().asDiagonal();
    Eigen::LLT<Eigen::MatrixXd> cholesky(correlation);
    for (e.shrinkage = 0; cholesky.info() != Eigen::Success || cholesky.rcond() < 1e-14;) {
        e.shrinkage = e.shrinkage == 0 ? 1e-10 : 10 * e.shrinkage;
        Eigen::MatrixXd shrunk = (1 - e.shrinkage) * correlation;
        shrunk.diagonal().array() += e.shrinkage;
        cholesky.compute(shrunk);
    }
    weigh(sums, sd, cholesky, e);
    compare_with_blocks(sums, blocks, covariance, e);
    return e;
}

SlopeEstimator ols_estimator(const std::vector<MsdSums>& sums, const std::vector<TimeBlock>& blocks,
                             double begin, double end) {
    SlopeEstimator e;
    e.lags = lags_between(sums, begin, end);
    const auto n = static_cast<Eigen::Index>(e.lags.size());
    weigh(sums, Eigen::VectorXd::Ones(n), Eigen::MatrixXd::Identity(n, n).llt(), e);
    compare_with_blocks(sums, blocks, random_walk_covariance(sums, e.lags), e);
    return e;
}

SlopeEstimate estimate_slope(const SlopeEstimator& estimator, const std::vector<MsdSums>& sums,
                             const std::vector<TimeBlock>& blocks) {
    const BlockSums b = sums_by_block(sums, blocks, estimator.lags);
    SlopeEstimate result;
    for (std::size_t l = 0; l < b.n_lags; ++l) {
        if (b.n[l] <= 0) throw DataError("no window of the trajectory is as long as the fit window asks");
        result.diffusivity += estimator.weight[l] * b.total[l] / b.n[l];
        result.intercept += estimator.intercept_weight[l] * b.total[l] / b.n[l];
    }
    for (std::size_t k = 0; k < blocks.size(); ++k) {
        Vec3 influence = Vec3::Zero();
        for (std::size_t l = 0; l < b.n_lags; ++l)
            influence += estimator.weight[l] / b.n[l] *
                         (b.sum[k * b.n_lags + l] - b.count[k * b.n_lags + l] * b.total[l] / b.n[l]);
        result.influence.push_back(influence);
        result.covariance += influence * influence.transpose();
    }
    const auto n_blocks = static_cast<double>(blocks.size());
    if (blocks.size() < 2)
        result.covariance.setConstant(nan_value);
    else
        result.covariance *= n_blocks / (n_blocks - 1) / estimator.seen_by_blocks;
    return result;
}

DiffusiveWindow diffusive_window(const std::vector<MsdSums>& sums, const std::vector<TimeBlock>& blocks) {
    if (sums.empty()) throw DataError("the slope of an MSD needs at least one trajectory");
    const MsdSums& first = sums.front();
    std::int64_t longest = 0;
    for (const MsdSums& s : sums) longest = std::max(longest, s.n_frames);
    std::vector<std::size_t> lags;
    for (std::size_t l = 0; l < first.n_lags(); ++l)
        if (first.lag_frames[l] * 10 <= longest) lags.push_back(l);
    if (lags.size() < 4)
        throw DataError("fewer than four lags of the MSD fit ten times into the longest trajectory. Give the "
                        "fit window, or use a longer trajectory");
    const auto time = [&](std::size_t k) { return static_cast<double>(first.lag_frames[lags[k]]); };

    // The MSD at any time, linear between lags: weights of a SlopeEstimator that holds all lags.
    SlopeEstimator change;
    change.lags = lags;
    change.intercept_weight.assign(lags.size(), 0.0);
    const auto add = [&](double t, double factor) {
        std::size_t k = 1;
        while (k + 1 < lags.size() && time(k) < t) ++k;
        const double share = (t - time(k - 1)) / (time(k) - time(k - 1));
        change.weight[k - 1] += factor * (1 - share);
        change.weight[k] += factor * share;
    };
    DiffusiveWindow window;
    window.end = time(lags.size() - 1) * first.frame_interval;
    std::size_t start = lags.size();
    for (std::size_t k = 0; k < lags.size() && 4 * time(k) <= time(lags.size() - 1) * (1 + 1e-12); ++k) {
        change.weight.assign(lags.size(), 0.0);
        const double t = time(k);
        add(t, -1);
        add(2 * t, 1.5);
        add(4 * t, -0.5);
        const SlopeEstimate e = estimate_slope(change, sums, blocks);
        const bool same = (e.diffusivity.cwiseAbs().array() <= 3 * e.error().array()).all() &&
                          std::abs(e.mean()) <= 2 * e.mean_error();
        if (!same)
            start = lags.size();
        else if (start == lags.size())
            start = k;
    }
    window.found = start < lags.size();
    window.begin = window.found ? time(start) * first.frame_interval : window.end / 4;
    return window;
}

} // namespace mesolith
