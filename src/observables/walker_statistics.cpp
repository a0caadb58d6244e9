#include "mesolith/observables/walker_statistics.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/core.h>

#include "mesolith/core/error.hpp"
#include "mesolith/core/parallel.hpp"

namespace mesolith {

namespace {

constexpr std::size_t most_batches = 256;
constexpr std::size_t walkers_per_block = 65'536;

/// Walkers [first, last) of a batch.
std::pair<std::size_t, std::size_t> batch_of(std::size_t b, std::size_t n_batches, std::size_t n) {
    return {b * n / n_batches, (b + 1) * n / n_batches};
}

void add_displacements(WalkerStatistics& s, std::size_t lag, const Domain& domain, const Walkers& walkers,
                       const WalkerSnapshot* origin) {
    const SiteBasis& basis = domain.basis();
    const std::size_t n = walkers.size(), row = s.row();
    const auto binned = std::find(s.plan.van_hove.begin(), s.plan.van_hove.end(), lag);
    const bool histogram = binned != s.plan.van_hove.end();
    const std::size_t bins = s.plan.bins.n + 1;
    std::vector<std::int64_t> counts(histogram ? s.n_batches * bins : 0, 0);
    for_each_index(s.n_batches, [&](std::size_t b) {
        double* sums = s.displacement.data() + (lag * s.n_batches + b) * row;
        const auto [begin, end] = batch_of(b, s.n_batches, n);
        for (std::size_t w = begin; w < end; ++w) {
            Vec3 d;
            if (origin == nullptr) {
                d = walkers.displacement(w, domain);
            } else {
                const IVec3 moved = walkers.cell(w) - IVec3(origin->x[w], origin->y[w], origin->z[w]);
                d = basis.displacement(static_cast<std::size_t>(origin->site[w]),
                                       static_cast<std::size_t>(walkers.site[w]), moved);
            }
            sums[0] += 1;
            for (int a = 0; a < 3; ++a) {
                sums[1 + a] += d[a];
                sums[4 + a] += d[a] * d[a];
            }
            sums[7] += d[1] * d[2];
            sums[8] += d[0] * d[2];
            sums[9] += d[0] * d[1];
            for (std::size_t k = 0; k < s.plan.waves.size(); ++k)
                sums[10 + k] += std::cos(s.plan.waves[k].dot(d));
            if (histogram) {
                ++counts[b * bins + s.plan.bins.bin_of(d.norm())];
            }
        }
    });
    if (!histogram) return;
    std::int64_t* total =
        s.histogram.data() + static_cast<std::size_t>(binned - s.plan.van_hove.begin()) * bins;
    for (std::size_t k = 0; k < counts.size(); ++k) total[k % bins] += counts[k];
}

std::int32_t floor_divide(std::int32_t a, std::int32_t n) { return a / n - (a % n != 0 && (a < 0) ? 1 : 0); }

struct Census {
    std::vector<std::int64_t> layer, region, beyond;
};

Census take_census(const WalkerStatistics& s, const Domain& domain, const Walkers& walkers) {
    const std::size_t n = walkers.size(), blocks = (n + walkers_per_block - 1) / walkers_per_block;
    std::vector<Census> parts(blocks);
    const int axis = s.plan.profile_axis;
    const std::int32_t size = domain.cells[axis];
    for_blocks(n, walkers_per_block, [&](std::size_t begin, std::size_t end) {
        Census& c = parts[begin / walkers_per_block];
        c.layer.assign(s.n_layers, 0), c.region.assign(s.n_regions, 0),
            c.beyond.assign(s.plan.planes.size(), 0);
        for (std::size_t w = begin; w < end; ++w) {
            if (walkers.gone(w)) continue;
            IVec3 cell = walkers.cell(w);
            const std::int32_t along = cell[axis];
            for (int a = 0; a < 3; ++a) cell[a] -= domain.cells[a] * floor_divide(cell[a], domain.cells[a]);
            ++c.layer[static_cast<std::size_t>(cell[axis])];
            ++c.region[domain.region_of(domain.cell_index(cell))];
            for (std::size_t p = 0; p < c.beyond.size(); ++p)
                c.beyond[p] += floor_divide(along - s.plan.planes[p], size);
        }
    });
    Census sum{std::vector<std::int64_t>(s.n_layers, 0), std::vector<std::int64_t>(s.n_regions, 0),
               std::vector<std::int64_t>(s.plan.planes.size(), 0)};
    const auto add = [](std::vector<std::int64_t>& to, const std::vector<std::int64_t>& from) {
        for (std::size_t k = 0; k < to.size(); ++k) to[k] += from[k];
    };
    for (const Census& part : parts)
        add(sum.layer, part.layer), add(sum.region, part.region), add(sum.beyond, part.beyond);
    return sum;
}

/// Mean over batches and its standard error.
struct Mean {
    double value = 0, error = 0;
};
Mean mean_of(const std::vector<double>& batches) {
    const auto n = static_cast<double>(batches.size());
    Mean m;
    for (const double x : batches) m.value += x / n;
    for (const double x : batches) m.error += (x - m.value) * (x - m.value);
    m.error = std::sqrt(m.error / (n - 1) / n);
    return m;
}

constexpr int six[3][3] = {{0, 5, 4}, {5, 1, 3}, {4, 3, 2}}; // place of (a, b) among xx, yy, zz, yz, xz, xy

} // namespace

std::vector<std::int64_t> WalkerPlan::events() const {
    std::vector<std::int64_t> all = outputs;
    all.insert(all.end(), origins.begin(), origins.end());
    for (const std::int64_t o : origins)
        for (const std::int64_t l : lags) all.push_back(o + l);
    std::sort(all.begin(), all.end());
    all.erase(std::unique(all.begin(), all.end()), all.end());
    return all;
}

WalkerSnapshot snapshot_of(const Walkers& walkers, std::int64_t step) {
    return {step, walkers.site, walkers.x, walkers.y, walkers.z};
}

WalkerStatistics make_walker_statistics(WalkerPlan plan, const Domain& domain, std::size_t n_walkers) {
    WalkerStatistics s;
    s.n_batches = std::clamp<std::size_t>(n_walkers / 2, 1, most_batches);
    s.n_layers = static_cast<std::size_t>(domain.cells[plan.profile_axis]);
    s.n_regions = domain.regions.size();
    s.plan = std::move(plan);
    s.displacement.assign(s.plan.lags.size() * s.n_batches * s.row(), 0.0);
    s.histogram.assign(s.plan.van_hove.size() * (s.plan.bins.n + 1), 0);
    const std::size_t n = s.plan.outputs.size();
    s.layer.assign(n * s.n_layers, 0);
    s.region.assign(n * s.n_regions, 0);
    s.beyond.assign(n * s.plan.planes.size(), 0);
    s.entered.assign(n * 6, 0);
    s.left.assign(n * 6, 0);
    return s;
}

void measure(WalkerStatistics& s, const Domain& domain, const Walkers& walkers, std::int64_t step,
             std::span<const WalkerSnapshot> later_origins, const Passages& passages) {
    const auto& lags = s.plan.lags;
    const auto due = [&](std::int64_t origin, const WalkerSnapshot* from) {
        const auto found = std::lower_bound(lags.begin(), lags.end(), step - origin);
        if (found != lags.end() && *found == step - origin)
            add_displacements(s, static_cast<std::size_t>(found - lags.begin()), domain, walkers, from);
    };
    due(0, nullptr);
    for (const WalkerSnapshot& origin : later_origins) due(origin.step, &origin);

    const std::size_t k = s.outputs_done;
    if (k >= s.plan.outputs.size() || s.plan.outputs[k] != step) return;
    const Census census = take_census(s, domain, walkers);
    const auto put = [&](const auto& from, auto& to) {
        std::copy(from.begin(), from.end(), to.begin() + static_cast<std::ptrdiff_t>(k * from.size()));
    };
    put(census.layer, s.layer);
    put(census.region, s.region);
    put(census.beyond, s.beyond);
    put(passages.entered, s.entered);
    put(passages.left, s.left);
    ++s.outputs_done;
}

WalkerAverages average(const WalkerStatistics& s) {
    const std::size_t B = s.n_batches, row = s.row();
    WalkerAverages a;
    a.n_batches = B;
    std::vector<std::size_t> with_data;
    for (std::size_t l = 0; l < s.plan.lags.size(); ++l)
        if (s.displacement[l * B * row] > 0) with_data.push_back(l);
    if (with_data.size() < 2 || B < 2)
        throw DataError(
            fmt::format("displacements at {} lags of {} batches of walkers (two of each are needed for D "
                        "with an error). Use more walkers or outputs",
                        with_data.size(), B));
    const auto sums = [&](std::size_t l, std::size_t b) { return s.displacement.data() + (l * B + b) * row; };
    const auto mean_over_batches = [&](std::size_t l, auto&& f) {
        std::vector<double> values(B);
        for (std::size_t b = 0; b < B; ++b) values[b] = f(sums(l, b));
        return mean_of(values);
    };
    for (const std::size_t l : with_data) {
        a.lags.push_back(s.plan.lags[l]);
        Vec3 mean, mean_error;
        Mat3 msd, error;
        for (int x = 0; x < 3; ++x) {
            const Mean m = mean_over_batches(l, [&](const double* v) { return v[1 + x] / v[0]; });
            mean[x] = m.value, mean_error[x] = m.error;
            for (int y = 0; y < 3; ++y) {
                const Mean q = mean_over_batches(l, [&](const double* v) { return v[4 + six[x][y]] / v[0]; });
                msd(x, y) = q.value, error(x, y) = q.error;
            }
        }
        a.mean.push_back(mean), a.mean_error.push_back(mean_error);
        a.msd.push_back(msd), a.msd_error.push_back(error);
        a.scattering.emplace_back(), a.scattering_error.emplace_back();
        for (std::size_t k = 0; k < s.plan.waves.size(); ++k) {
            const Mean f = mean_over_batches(l, [&](const double* v) { return v[10 + k] / v[0]; });
            a.scattering.back().push_back(f.value), a.scattering_error.back().push_back(f.error);
        }
    }
    // The slope, batch by batch, of covariances about the mean of all.
    const std::size_t to = a.lags.size() - 1;
    std::size_t from = 0;
    for (std::size_t k = 0; k < to; ++k)
        if (std::abs(2 * a.lags[k] - a.lags[to]) < std::abs(2 * a.lags[from] - a.lags[to])) from = k;
    a.slope_from = a.lags[from], a.slope_to = a.lags[to];
    const auto time = static_cast<double>(a.slope_to - a.slope_from);
    const auto covariance = [&](std::size_t k, std::size_t b, int x, int y) {
        const double* v = sums(with_data[k], b);
        const Vec3& m = a.mean[k];
        return v[4 + six[x][y]] / v[0] - v[1 + x] / v[0] * m[y] - m[x] * v[1 + y] / v[0] + m[x] * m[y];
    };
    std::vector<double> trace(B, 0.0);
    for (int x = 0; x < 3; ++x) {
        for (int y = 0; y < 3; ++y) {
            std::vector<double> values(B);
            for (std::size_t b = 0; b < B; ++b) {
                values[b] = (covariance(to, b, x, y) - covariance(from, b, x, y)) / (2 * time);
                if (x == y) trace[b] += values[b];
            }
            const Mean D = mean_of(values);
            a.diffusivity(x, y) = D.value, a.diffusivity_error(x, y) = D.error;
        }
        std::vector<double> values(B);
        for (std::size_t b = 0; b < B; ++b) {
            const double *late = sums(with_data[to], b), *early = sums(with_data[from], b);
            values[b] = (late[1 + x] / late[0] - early[1 + x] / early[0]) / time;
        }
        const Mean v = mean_of(values);
        a.drift[x] = v.value, a.drift_error[x] = v.error;
    }
    a.trace_error = mean_of(trace).error;
    return a;
}

std::vector<std::int64_t> flux_through(const WalkerStatistics& s, std::size_t from, std::size_t to) {
    const std::size_t n = s.plan.planes.size();
    const auto axis = static_cast<std::size_t>(s.plan.profile_axis);
    const auto change = [&](const auto& values, std::size_t width, std::size_t k) {
        return static_cast<std::int64_t>(values[to * width + k]) -
               static_cast<std::int64_t>(values[from * width + k]);
    };
    // Each walker below a plane counts -1. One that leaves through the low face takes its -1 away, one that
    // comes in there brings it: neither went through the plane.
    std::vector<std::int64_t> flux(n);
    for (std::size_t p = 0; p < n; ++p)
        flux[p] = change(s.beyond, n, p) - change(s.left, 6, 2 * axis) + change(s.entered, 6, 2 * axis);
    return flux;
}

double PassageHistogram::lower_edge(std::size_t bin, double lag_time) {
    return lag_time * std::exp2(static_cast<double>(bin) / 8.0) / 64;
}

void PassageHistogram::add(std::span<const Exit> exits, double lag_time) {
    if (count.empty()) count.assign(6 * n_bins, 0);
    for (const Exit& e : exits) {
        const auto face = static_cast<std::size_t>(e.face);
        const double at = std::floor(8 * std::log2(std::max(64 * e.time / lag_time, 1.0)));
        ++count[face * n_bins + std::min(static_cast<std::size_t>(at), n_bins - 1)];
        sum[face] += e.time;
        sum_of_squares[face] += e.time * e.time;
        ++n[face];
    }
}

} // namespace mesolith
