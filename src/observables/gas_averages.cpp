#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <optional>

#include <fmt/core.h>

#include "mesolith/core/error.hpp"
#include "mesolith/core/nan.hpp"
#include "mesolith/observables/gas_statistics.hpp"
#include "mesolith/observables/msd_gls.hpp"

namespace mesolith {
namespace {

constexpr std::int64_t fewest_frames = 40;
constexpr double wanted_blocks = 32;

/// A number, and what it is when each of the time blocks is left out.
struct Sampled {
    double value = 0;
    std::vector<double> without;

    /// Jackknife; `seen` is the share of the variance that blocks show.
    Estimate estimate(double seen = 1) const {
        const auto n = static_cast<double>(without.size());
        double mean = 0, squares = 0;
        for (const double x : without) mean += x / n;
        for (const double x : without) squares += (x - mean) * (x - mean);
        return {value, std::sqrt((n - 1) / n * squares / seen)};
    }
};

Sampled divide(const Sampled& a, const Sampled& b) {
    Sampled r{a.value / b.value, a.without};
    for (std::size_t k = 0; k < r.without.size(); ++k) r.without[k] /= b.without[k];
    return r;
}

/// Sum of a over sum of b, both by block.
Sampled ratio_of_sums(const std::vector<double>& a, const std::vector<double>& b) {
    double all_a = 0, all_b = 0;
    for (const double x : a) all_a += x;
    for (const double x : b) all_b += x;
    Sampled r{all_a / all_b, {}};
    for (std::size_t k = 0; k < a.size(); ++k) r.without.push_back((all_a - a[k]) / (all_b - b[k]));
    return r;
}

/// One component of a slope: left out to first order.
Sampled sampled(const SlopeEstimate& e, const std::function<double(const Vec3&)>& component) {
    const auto n = static_cast<double>(e.influence.size());
    Sampled r{component(e.diffusivity), {}};
    for (const Vec3& x : e.influence) r.without.push_back(r.value - component(x) * n / (n - 1));
    return r;
}

/// Records of all replicas, cut into blocks.
class Analysis {
public:
    Analysis(const GasObserver& observer, std::span<const GasRecord> replicas)
        : observer_(observer), plan_(observer.plan()), replicas_(replicas), lags_(plan_.lags()) {
        if (replicas.empty()) throw DataError("a lattice gas without replicas has no averages");
        frames_ = replicas.front().frames_done;
        for (const GasRecord& r : replicas)
            if (r.frames_done != frames_)
                throw DataError(fmt::format("replicas of {} and {} frames. All of them need the same number",
                                            frames_, r.frames_done));
        if (frames_ <= fewest_frames)
            throw DataError(
                fmt::format("{} frames (errors need more than {}). Use a longer run or more frames", frames_,
                            fewest_frames));
        const auto per_replica = static_cast<std::int64_t>(
            std::clamp(std::ceil(wanted_blocks / static_cast<double>(replicas.size())), 1.0, 5.0));
        const std::int64_t bin = plan_.bin_frames();
        const std::int64_t length = std::max((frames_ / per_replica + bin - 1) / bin * bin, bin);
        blocks_ = cut_into_blocks(std::vector<std::int64_t>(replicas.size(), frames_), length);
        if (blocks_.size() < 2) throw DataError("one block of time has no error. Use more replicas");
    }

    GasAverages average();

private:
    std::size_t first_bin(std::int64_t frame) const {
        const std::int64_t bin = plan_.bin_frames();
        return std::min(static_cast<std::size_t>((frame + bin - 1) / bin), plan_.n_bins());
    }
    /// f(record, bin) summed over the bins of each block.
    std::vector<double> by_block(const std::function<double(const GasRecord&, std::size_t)>& f) const {
        std::vector<double> sums;
        for (const TimeBlock& b : blocks_) {
            double sum = 0;
            for (std::size_t bin = first_bin(b.begin); bin < first_bin(b.end); ++bin)
                sum += f(replicas_[b.trajectory], bin);
            sums.push_back(sum);
        }
        return sums;
    }
    double frames_in(std::size_t bin) const {
        const std::int64_t n = plan_.bin_frames(), begin = static_cast<std::int64_t>(bin) * n;
        return static_cast<double>(std::max<std::int64_t>(0, std::min(frames_, begin + n) - begin));
    }
    MsdSums empty_sums() const {
        MsdSums s;
        s.lag_frames = lags_;
        s.frame_interval = plan_.frame_interval;
        s.n_frames = frames_;
        s.bin_frames = plan_.bin_frames();
        s.sum.assign(plan_.n_bins() * lags_.size() * 3, 0.0);
        s.count.assign(plan_.n_bins() * lags_.size(), 0);
        for (std::size_t l = 0; l < lags_.size(); ++l)
            for (std::int64_t origin = 0; origin + lags_[l] < frames_; ++origin)
                ++s.count[static_cast<std::size_t>(origin / s.bin_frames) * lags_.size() + l];
        return s;
    }
    /// Of a replica: [0] xx, yy, zz, [1] yz, xz, xy.
    using Both = std::array<std::vector<MsdSums>, 2>;
    Both tracer_sums(const std::vector<std::size_t>& species) const;
    Both collective_sums(const std::vector<std::size_t>& species) const;
    double particles(std::size_t species) const {
        return static_cast<double>(replicas_.front().particles[species]);
    }
    void add_transport(const std::string& name, const std::vector<std::size_t>& species, GasAverages& out);
    void add_curve(const Both& sums, std::vector<Mat3>& msd, std::vector<Mat3>& error) const;
    void add_occupancies(GasAverages& out) const;
    void add_pairs(GasAverages& out) const;

    const GasObserver& observer_;
    const GasPlan& plan_;
    std::span<const GasRecord> replicas_;
    std::vector<std::int64_t> lags_;
    std::int64_t frames_ = 0;
    std::vector<TimeBlock> blocks_;
    std::optional<SlopeEstimator> slope_, collective_slope_; ///< the same for all
};

Analysis::Both Analysis::tracer_sums(const std::vector<std::size_t>& species) const {
    double all = 0;
    for (const std::size_t s : species) all += particles(s);
    Both sums;
    for (const GasRecord& r : replicas_)
        for (std::size_t part = 0; part < 2; ++part) {
            sums[part].push_back(empty_sums());
            std::vector<double>& to = sums[part].back().sum;
            const std::size_t cells = plan_.n_bins() * lags_.size();
            for (const std::size_t s : species)
                for (std::size_t cell = 0; cell < cells; ++cell)
                    for (std::size_t k = 0; k < 3; ++k)
                        to[cell * 3 + k] += particles(s) / all * r.msd[(s * cells + cell) * 6 + 3 * part + k];
        }
    return sums;
}

Analysis::Both Analysis::collective_sums(const std::vector<std::size_t>& species) const {
    double all = 0;
    for (const std::size_t s : species) all += particles(s);
    const std::size_t S = observer_.n_species();
    Both sums;
    for (const GasRecord& r : replicas_) {
        sums[0].push_back(empty_sums());
        sums[1].push_back(empty_sums());
        std::vector<Vec3> total(static_cast<std::size_t>(frames_), Vec3::Zero());
        for (std::size_t t = 0; t < total.size(); ++t)
            for (const std::size_t s : species)
                for (std::size_t a = 0; a < 3; ++a)
                    total[t][static_cast<int>(a)] +=
                        r.collective[(t * S + s) * 3 + a] - r.collective[s * 3 + a];
        for (std::size_t l = 0; l < lags_.size(); ++l)
            for (std::size_t t = 0; t + static_cast<std::size_t>(lags_[l]) < total.size(); ++t) {
                const Vec3 d = total[t + static_cast<std::size_t>(lags_[l])] - total[t];
                const std::size_t cell = t / static_cast<std::size_t>(plan_.bin_frames()) * lags_.size() + l;
                for (std::size_t a = 0; a < 3; ++a) {
                    const int i = static_cast<int>(a), j = (i + 1) % 3, k = (i + 2) % 3;
                    sums[0].back().sum[cell * 3 + a] += d[i] * d[i] / all;
                    sums[1].back().sum[cell * 3 + a] += d[j] * d[k] / all; // yz, zx, xy
                }
            }
    }
    return sums;
}

Mat3 symmetric(const Vec3& diagonal, const Vec3& others) {
    Mat3 m;
    m << diagonal[0], others[2], others[1], others[2], diagonal[1], others[0], others[1], others[0],
        diagonal[2];
    return m;
}

void Analysis::add_curve(const Both& sums, std::vector<Mat3>& msd, std::vector<Mat3>& error) const {
    for (std::size_t l = 0; l < lags_.size(); ++l) {
        if (lags_[l] >= frames_) break;
        std::array<Vec3, 2> value, spread;
        for (std::size_t part = 0; part < 2; ++part)
            for (std::size_t a = 0; a < 3; ++a) {
                std::vector<double> top, bottom;
                for (const TimeBlock& b : blocks_) {
                    top.push_back(0), bottom.push_back(0);
                    const MsdSums& s = sums[part][b.trajectory];
                    for (std::size_t bin = first_bin(b.begin); bin < first_bin(b.end); ++bin) {
                        top.back() += s.sum[(bin * lags_.size() + l) * 3 + a];
                        bottom.back() += static_cast<double>(s.count[bin * lags_.size() + l]);
                    }
                }
                const Estimate e = ratio_of_sums(top, bottom).estimate();
                value[part][static_cast<int>(a)] = e.value, spread[part][static_cast<int>(a)] = e.error;
            }
        msd.push_back(symmetric(value[0], value[1]));
        error.push_back(symmetric(spread[0], spread[1]));
    }
}

void Analysis::add_transport(const std::string& name, const std::vector<std::size_t>& species,
                             GasAverages& out) {
    GasTransport t;
    t.name = name;
    for (const std::size_t s : species) t.n += particles(s);
    if (t.n == 0) return;
    const Both single = tracer_sums(species), all = collective_sums(species);
    if (!slope_) {
        const DiffusiveWindow window = diffusive_window(single[0], blocks_);
        slope_ = gls_estimator(single[0], blocks_, window.begin, window.end);
        out.begin = slope_->begin, out.end = slope_->end, out.straight = window.found;
        // The charge forgets sooner than a tagged ion, and has too few windows to wait longer than it must.
        const DiffusiveWindow of_charge = diffusive_window(all[0], blocks_);
        // Short lags have the most windows: sixteen of them are used, so that the end stays near.
        const double begin = std::min(window.begin, of_charge.begin);
        collective_slope_ = gls_estimator(all[0], blocks_, begin, std::min(window.end, 16 * begin));
        out.collective_begin = collective_slope_->begin, out.collective_end = collective_slope_->end;
    }
    const double seen = slope_->seen_by_blocks,
                 seen_by_both = std::min(seen, collective_slope_->seen_by_blocks);
    const SlopeEstimate d = estimate_slope(*slope_, single[0], blocks_),
                        j = estimate_slope(*collective_slope_, all[0], blocks_),
                        d_others = estimate_slope(*slope_, single[1], blocks_),
                        j_others = estimate_slope(*collective_slope_, all[1], blocks_);
    t.tracer = symmetric(d.diffusivity, d_others.diffusivity);
    t.tracer_error = symmetric(d.error(), d_others.error());
    t.collective = symmetric(j.diffusivity, j_others.diffusivity);
    t.collective_error = symmetric(j.error(), j_others.error());
    t.tracer_mean = {d.mean(), d.mean_error()};
    t.collective_mean = {j.mean(), j.mean_error()};

    const std::size_t S = observer_.n_species();
    const auto hops = [&](std::size_t k) {
        return ratio_of_sums(
            by_block([&](const GasRecord& r, std::size_t bin) {
                double sum = 0;
                for (const std::size_t s : species) sum += r.hop_squares[(bin * S + s) * 6 + k];
                return sum;
            }),
            by_block([&](const GasRecord&, std::size_t bin) { return 2 * t.n * frames_in(bin); }));
    };
    std::array<Sampled, 6> free; // as if hops were uncorrelated
    for (std::size_t k = 0; k < 6; ++k) free[k] = hops(k);
    t.uncorrelated = symmetric({free[0].value, free[1].value, free[2].value},
                               {free[3].value, free[4].value, free[5].value});
    Sampled free_mean = free[0];
    free_mean.value = (free[0].value + free[1].value + free[2].value) / 3;
    for (std::size_t b = 0; b < free_mean.without.size(); ++b)
        free_mean.without[b] = (free[0].without[b] + free[1].without[b] + free[2].without[b]) / 3;
    t.uncorrelated_mean = free_mean.estimate();
    for (int a = 0; a < 3; ++a) {
        const auto along = [a](const Vec3& v) { return v[a]; };
        const Estimate h = divide(sampled(d, along), sampled(j, along)).estimate(seen_by_both),
                       f = divide(sampled(d, along), free[static_cast<std::size_t>(a)]).estimate(seen);
        t.haven[a] = h.value, t.haven_error[a] = h.error;
        t.correlation[a] = f.value, t.correlation_error[a] = f.error;
    }
    const auto mean = [](const Vec3& v) { return v.mean(); };
    t.haven_mean = divide(sampled(d, mean), sampled(j, mean)).estimate(seen_by_both);
    t.correlation_mean = divide(sampled(d, mean), free_mean).estimate(seen);
    add_curve(single, t.msd, t.msd_error);
    add_curve(all, t.collective_msd, t.collective_msd_error);
    out.transport.push_back(std::move(t));
}

void Analysis::add_occupancies(GasAverages& out) const {
    const std::size_t S = observer_.n_species(), C = observer_.classes().size();
    for (std::size_t c = 0; c < C; ++c) {
        const auto sites = static_cast<double>(observer_.classes()[c].n_sites);
        const std::vector<double> room =
            by_block([&](const GasRecord&, std::size_t bin) { return sites * frames_in(bin); });
        std::vector<double> vacant = room;
        out.occupancy.emplace_back();
        out.residence.emplace_back();
        for (std::size_t s = 0; s < S; ++s) {
            const std::vector<double> there = by_block([&](const GasRecord& r, std::size_t bin) {
                return static_cast<double>(r.occupied[(bin * C + c) * S + s]);
            });
            const std::vector<double> leaving = by_block(
                [&](const GasRecord& r, std::size_t bin) { return r.leaving[(bin * C + c) * S + s]; });
            for (std::size_t b = 0; b < vacant.size(); ++b) vacant[b] -= there[b];
            out.occupancy.back().push_back(ratio_of_sums(there, room).estimate());
            out.residence.back().push_back(ratio_of_sums(there, leaving).estimate());
        }
        const std::vector<double> filling =
            by_block([&](const GasRecord& r, std::size_t bin) { return r.filling[bin * C + c]; });
        out.vacancy_residence.push_back(ratio_of_sums(vacant, filling).estimate());
    }
}

void Analysis::add_pairs(GasAverages& out) const {
    const auto& shells = observer_.shells();
    const std::size_t O = observer_.n_orbits(), S = observer_.n_species();
    const std::vector<double> frames =
        by_block([](const GasRecord& r, std::size_t bin) { return static_cast<double>(r.pair_frames[bin]); });
    std::vector<Sampled> filled; // by orbit: one region
    for (std::size_t o = 0; o < O; ++o) {
        const auto sites = static_cast<double>(observer_.classes()[o].n_sites);
        filled.push_back(ratio_of_sums(
            by_block([&](const GasRecord& r, std::size_t bin) {
                double sum = 0;
                for (std::size_t s = 0; s < S; ++s)
                    sum += static_cast<double>(r.occupied[(bin * O + o) * S + s]);
                return sum;
            }),
            by_block([&](const GasRecord&, std::size_t bin) { return sites * frames_in(bin); })));
    }
    for (std::size_t k = 0; k < shells.size(); ++k)
        for (const bool vacant : {false, true}) {
            const Sampled seen = ratio_of_sums(
                by_block([&](const GasRecord& r, std::size_t bin) {
                    return static_cast<double>(r.pairs[(bin * shells.size() + k) * 2 + (vacant ? 1 : 0)]);
                }),
                frames);
            const auto random = [&](auto&& theta) {
                double sum = 0;
                for (std::size_t a = 0; a < O; ++a)
                    for (std::size_t b = 0; b < O; ++b) {
                        const double x = theta(a), y = theta(b);
                        sum += static_cast<double>(shells[k].by_orbit[a * O + b]) *
                               (vacant ? (1 - x) * (1 - y) : x * y);
                    }
                return sum;
            };
            Sampled expected{random([&](std::size_t o) { return filled[o].value; }), {}};
            for (std::size_t b = 0; b < blocks_.size(); ++b)
                expected.without.push_back(random([&](std::size_t o) { return filled[o].without[b]; }));
            (vacant ? out.vacancy_pairs : out.ion_pairs).push_back(divide(seen, expected).estimate());
        }
}

GasAverages Analysis::average() {
    GasAverages out;
    out.n_replicas = replicas_.size();
    out.n_blocks = blocks_.size();
    out.time = static_cast<double>(frames_ - 1) * plan_.frame_interval;
    for (const std::int64_t l : lags_)
        if (l < frames_) out.lag.push_back(static_cast<double>(l) * plan_.frame_interval);
    add_occupancies(out);
    add_pairs(out);
    if (!observer_.closed()) return out;
    std::vector<std::size_t> mobile;
    for (std::size_t s = 0; s < observer_.n_species(); ++s)
        if (observer_.gas().species[s].rate_factor > 0 && particles(s) > 0) mobile.push_back(s);
    // The window is that of all of them together, when there are several.
    if (mobile.size() > 1) add_transport("all", mobile, out);
    for (const std::size_t s : mobile) add_transport(observer_.gas().species[s].name, {s}, out);
    if (mobile.size() > 1) std::rotate(out.transport.begin(), out.transport.begin() + 1, out.transport.end());
    return out;
}

} // namespace

GasAverages average(const GasObserver& observer, std::span<const GasRecord> replicas) {
    return Analysis(observer, replicas).average();
}

} // namespace mesolith
