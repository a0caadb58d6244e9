#include "mesolith/observables/msd.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <string>

#include "mesolith/core/error.hpp"
#include "mesolith/core/nan.hpp"
#include "mesolith/core/parallel.hpp"

namespace mesolith {

namespace {

constexpr std::size_t max_bins = 1024;

std::vector<std::int64_t> checked_lags(std::vector<std::int64_t> lags) {
    std::sort(lags.begin(), lags.end());
    lags.erase(std::unique(lags.begin(), lags.end()), lags.end());
    if (lags.empty() || lags.front() < 1) throw DataError("MSD lags must be at least one frame");
    return lags;
}

} // namespace

MsdAccumulator::MsdAccumulator(std::vector<std::int64_t> lags, std::size_t n_ions, double frame_interval,
                               std::int64_t dense_lag)
    : n_ions_(n_ions) {
    if (n_ions == 0) throw DataError("no mobile ion to follow");
    sums_.lag_frames = checked_lags(std::move(lags));
    sums_.frame_interval = frame_interval;
    for (const std::int64_t lag : sums_.lag_frames)
        origin_stride_.push_back(std::max<std::int64_t>(1, lag / std::max<std::int64_t>(dense_lag, 1)));
    ring_frames_ = sums_.lag_frames.back() + 1;
    ring_.resize(static_cast<std::size_t>(ring_frames_) * 3 * n_ions_);
}

void MsdAccumulator::add_frame(std::span<const Vec3> positions) {
    if (positions.size() != n_ions_)
        throw DataError("a frame holds another number of ions than the MSD was made for");
    const std::int64_t now = sums_.n_frames++;
    const std::size_t stride = 3 * n_ions_;
    const auto slot = [&](std::int64_t frame) {
        return ring_.data() + static_cast<std::size_t>(frame % ring_frames_) * stride;
    };
    double* here = slot(now);
    for (std::size_t k = 0; k < n_ions_; ++k)
        for (std::size_t a = 0; a < 3; ++a) here[a * n_ions_ + k] = positions[k][static_cast<int>(a)];

    if (static_cast<std::size_t>(now / sums_.bin_frames) >= max_bins) halve_bins();
    const std::size_t n_lags = sums_.n_lags();
    const std::size_t bins = static_cast<std::size_t>(now / sums_.bin_frames) + 1;
    if (bins > sums_.n_bins()) {
        sums_.sum.resize(bins * n_lags * 3, 0.0);
        sums_.count.resize(bins * n_lags, 0);
    }
    for (std::size_t l = 0; l < n_lags; ++l) {
        const std::int64_t origin = now - sums_.lag_frames[l];
        if (origin < 0) break;
        if (origin % origin_stride_[l] != 0) continue;
        const double* there = slot(origin);
        const std::size_t cell = static_cast<std::size_t>(origin / sums_.bin_frames) * n_lags + l;
        for (std::size_t a = 0; a < 3; ++a) {
            double partial[4] = {0, 0, 0, 0}; // independent sums keep the additions pipelined
            const double *x = here + a * n_ions_, *y = there + a * n_ions_;
            std::size_t k = 0;
            for (; k + 4 <= n_ions_; k += 4)
                for (std::size_t q = 0; q < 4; ++q)
                    partial[q] += (x[k + q] - y[k + q]) * (x[k + q] - y[k + q]);
            for (; k < n_ions_; ++k) partial[0] += (x[k] - y[k]) * (x[k] - y[k]);
            sums_.sum[cell * 3 + a] += (partial[0] + partial[1]) + (partial[2] + partial[3]);
        }
        sums_.count[cell] += static_cast<std::int64_t>(n_ions_);
    }
}

void MsdAccumulator::halve_bins() {
    const std::size_t n_lags = sums_.n_lags(), half = (sums_.n_bins() + 1) / 2;
    for (std::size_t b = 0; b < half; ++b)
        for (std::size_t l = 0; l < n_lags; ++l) {
            const bool pair = 2 * b + 1 < sums_.n_bins();
            const std::size_t to = b * n_lags + l, first = 2 * b * n_lags + l, second = first + n_lags;
            for (std::size_t a = 0; a < 3; ++a)
                sums_.sum[to * 3 + a] = sums_.sum[first * 3 + a] + (pair ? sums_.sum[second * 3 + a] : 0.0);
            sums_.count[to] = sums_.count[first] + (pair ? sums_.count[second] : 0);
        }
    sums_.sum.resize(half * n_lags * 3);
    sums_.count.resize(half * n_lags);
    sums_.bin_frames *= 2;
}

void MsdAccumulator::restore(MsdSums sums, std::vector<double> last_frames) {
    if (sums.lag_frames != sums_.lag_frames || last_frames.size() != ring_.size() || sums.n_frames < 0 ||
        sums.bin_frames < 1 || sums.sum.size() != 3 * sums.count.size() ||
        sums.count.size() % sums_.n_lags() != 0)
        throw DataError("the state of an MSD does not belong to these lags and ions. Start anew");
    const double interval = sums_.frame_interval;
    sums_ = std::move(sums);
    sums_.frame_interval = interval;
    ring_ = std::move(last_frames);
}

MsdSums MsdAccumulator::finish() {
    ring_.clear();
    return std::move(sums_);
}

MsdSums projected_msd(const SiteTrajectory& trajectory, const SiteSet& sites, std::vector<std::int64_t> lags,
                      std::int64_t bin_frames) {
    if (bin_frames < 1) throw DataError("a time bin needs at least one frame");
    MsdSums sums;
    sums.lag_frames = checked_lags(std::move(lags));
    sums.frame_interval = trajectory.frame_interval;
    sums.n_frames = trajectory.n_frames;
    sums.bin_frames = bin_frames;
    const auto bins = static_cast<std::size_t>((trajectory.n_frames + bin_frames - 1) / bin_frames);
    const std::size_t n_lags = sums.n_lags();
    sums.sum.assign(bins * n_lags * 3, 0.0);
    sums.count.assign(bins * n_lags, 0);

    std::vector<Vec3> where(trajectory.events.size(), Vec3::Zero());
    for (std::size_t k = 0; k < where.size(); ++k)
        if (const SiteEvent& e = trajectory.events[k]; e.site.valid())
            where[k] = sites.position(e.site) + sites.cell.to_cartesian(e.cell.cast<double>());

    // Two cursors along the stays of each ion, one a lag ahead of the other, as when transitions are counted.
    for_each_index(n_lags, [&](std::size_t l) {
        const std::int64_t lag = sums.lag_frames[l], end = trajectory.n_frames - lag;
        for (std::size_t ion = 0; ion < trajectory.n_ions(); ++ion) {
            std::size_t a = trajectory.offsets[ion], b = a;
            const std::size_t last = trajectory.offsets[ion + 1];
            const auto end_of = [&](std::size_t k) {
                return k + 1 < last ? std::int64_t{trajectory.events[k + 1].frame}
                                    : std::numeric_limits<std::int64_t>::max();
            };
            while (end_of(b) <= lag) ++b;
            for (std::int64_t t = 0; t < end;) {
                const std::int64_t next = std::min(
                    {end_of(a), end_of(b) == std::numeric_limits<std::int64_t>::max() ? end : end_of(b) - lag,
                     end});
                if (trajectory.events[a].site.valid() && trajectory.events[b].site.valid()) {
                    const Vec3 d2 = (where[b] - where[a]).cwiseAbs2();
                    for (std::int64_t from = t; from < next;) { // by bins of the origin
                        const std::int64_t bin = from / bin_frames,
                                           to = std::min(next, (bin + 1) * bin_frames);
                        const std::size_t cell = static_cast<std::size_t>(bin) * n_lags + l;
                        for (std::size_t axis = 0; axis < 3; ++axis)
                            sums.sum[cell * 3 + axis] +=
                                static_cast<double>(to - from) * d2[static_cast<int>(axis)];
                        sums.count[cell] += to - from;
                        from = to;
                    }
                }
                if (end_of(a) == next) ++a;
                if (end_of(b) == next + lag) ++b;
                t = next;
            }
        }
    });
    return sums;
}

std::vector<std::int64_t> msd_lags(std::int64_t max_lag, std::size_t n, std::int64_t fit_begin,
                                   std::int64_t fit_end) {
    std::set<std::int64_t> lags{1, std::max<std::int64_t>(max_lag, 1)};
    for (std::size_t k = 0; k < n; ++k)
        lags.insert(std::llround(
            std::pow(static_cast<double>(std::max<std::int64_t>(max_lag, 1)),
                     static_cast<double>(k) / static_cast<double>(std::max<std::size_t>(n - 1, 1)))));
    constexpr int fit_points = 16;
    for (int k = 0; k < fit_points; ++k) {
        const std::int64_t lag = fit_begin + (fit_end - fit_begin) * k / (fit_points - 1);
        if (lag >= 1) lags.insert(lag);
    }
    return {lags.begin(), lags.end()};
}

std::vector<Vec3> weighted_msd(const std::vector<MsdSums>& sums, const std::vector<TimeBlock>& blocks,
                               std::span<const double> weights) {
    if (sums.empty()) return {};
    if (!weights.empty() && weights.size() != blocks.size())
        throw DataError("one weight per time block is needed");
    const std::size_t n_lags = sums.front().n_lags();
    std::vector<Vec3> total(n_lags, Vec3::Zero());
    std::vector<double> count(n_lags, 0.0);
    for (std::size_t b = 0; b < blocks.size(); ++b) {
        const MsdSums& s = sums.at(blocks[b].trajectory);
        if (s.lag_frames != sums.front().lag_frames)
            throw DataError("trajectories differ in the lags of their MSD");
        const double w = weights.empty() ? 1.0 : weights[b];
        const auto first_bin = [&](std::int64_t frame) {
            return std::min(static_cast<std::size_t>((frame + s.bin_frames - 1) / s.bin_frames), s.n_bins());
        };
        for (std::size_t bin = first_bin(blocks[b].begin); bin < first_bin(blocks[b].end); ++bin)
            for (std::size_t l = 0; l < n_lags; ++l) {
                const std::size_t cell = bin * n_lags + l;
                count[l] += w * static_cast<double>(s.count[cell]);
                for (int a = 0; a < 3; ++a) total[l][a] += w * s.sum[cell * 3 + static_cast<std::size_t>(a)];
            }
    }
    for (std::size_t l = 0; l < n_lags; ++l)
        total[l] = count[l] > 0 ? Vec3(total[l] / count[l]) : Vec3(Vec3::Constant(nan_value));
    return total;
}

MsdFit fit_msd(std::span<const double> time, std::span<const Vec3> msd, double begin, double end) {
    if (time.size() != msd.size()) throw DataError("an MSD curve needs one value per time");
    const double slack = 1e-9 * std::max(std::abs(begin), std::abs(end));
    double n = 0, mean_t = 0;
    Vec3 mean = Vec3::Zero();
    const auto inside = [&](std::size_t k) {
        return time[k] >= begin - slack && time[k] <= end + slack && msd[k].allFinite();
    };
    for (std::size_t k = 0; k < time.size(); ++k)
        if (inside(k)) {
            n += 1;
            mean_t += time[k];
            mean += msd[k];
        }
    if (n < 2)
        throw DataError("fewer than two lags of the MSD lie between " + std::to_string(begin) + " and " +
                        std::to_string(end) + " ps. Widen the fit window or use a longer trajectory");
    mean_t /= n;
    mean /= n;
    double tt = 0;
    Vec3 tm = Vec3::Zero();
    for (std::size_t k = 0; k < time.size(); ++k)
        if (inside(k)) {
            tt += (time[k] - mean_t) * (time[k] - mean_t);
            tm += (time[k] - mean_t) * (msd[k] - mean);
        }
    return {tm / tt / 2, mean - tm / tt * mean_t};
}

} // namespace mesolith
