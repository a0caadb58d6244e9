#include "mesolith/observables/collective.hpp"

#include <algorithm>

#include "mesolith/core/error.hpp"
#include "mesolith/core/parallel.hpp"

namespace mesolith {

CollectiveAccumulator::CollectiveAccumulator(std::size_t n_ions, double frame_interval)
    : series_{n_ions, frame_interval, {}} {
    if (n_ions == 0) throw DataError("no mobile ion to follow");
}

void CollectiveAccumulator::add_frame(std::span<const Vec3> ions, const Vec3& framework_shift) {
    if (ions.size() != series_.n_ions)
        throw DataError("a frame holds another number of ions than the collective displacement was made for");
    Vec3 total = -static_cast<double>(series_.n_ions) * framework_shift;
    for (const Vec3& position : ions) total += position;
    if (series_.sum.empty()) start_ = total;
    series_.sum.push_back(total - start_);
}

CollectiveDisplacement projected_collective(const SiteTrajectory& trajectory, const SiteSet& sites) {
    CollectiveDisplacement series{trajectory.n_ions(), trajectory.frame_interval, {}};
    series.sum.assign(static_cast<std::size_t>(trajectory.n_frames), Vec3::Zero());
    for (std::size_t ion = 0; ion < trajectory.n_ions(); ++ion) { // first the hops, then their running sum
        const SiteEvent* last = nullptr;
        Vec3 where = Vec3::Zero();
        for (const SiteEvent& event : trajectory.of_ion(ion)) {
            if (!event.site.valid()) continue;
            const Vec3 now = sites.position(event.site) + sites.cell.to_cartesian(event.cell.cast<double>());
            if (last) series.sum.at(static_cast<std::size_t>(event.frame)) += now - where;
            where = now;
            last = &event;
        }
    }
    for (std::size_t t = 1; t < series.sum.size(); ++t) series.sum[t] += series.sum[t - 1];
    return series;
}

MsdSums collective_msd(const CollectiveDisplacement& collective, std::vector<std::int64_t> lags,
                       std::int64_t bin_frames) {
    if (bin_frames < 1) throw DataError("a time bin needs at least one frame");
    if (collective.n_ions == 0) throw DataError("a collective displacement needs at least one ion");
    std::sort(lags.begin(), lags.end());
    lags.erase(std::unique(lags.begin(), lags.end()), lags.end());
    if (lags.empty() || lags.front() < 1) throw DataError("MSD lags must be at least one frame");
    MsdSums sums;
    sums.lag_frames = std::move(lags);
    sums.frame_interval = collective.frame_interval;
    sums.n_frames = static_cast<std::int64_t>(collective.sum.size());
    sums.bin_frames = bin_frames;
    const std::size_t n_lags = sums.n_lags();
    const auto bins = static_cast<std::size_t>((sums.n_frames + bin_frames - 1) / bin_frames);
    sums.sum.assign(bins * n_lags * 3, 0.0);
    sums.count.assign(bins * n_lags, 0);
    const double per_ion = 1 / static_cast<double>(collective.n_ions);
    for_each_index(n_lags, [&](std::size_t l) {
        const std::int64_t lag = sums.lag_frames[l];
        for (std::int64_t t = 0; t + lag < sums.n_frames; ++t) {
            const std::size_t cell = static_cast<std::size_t>(t / bin_frames) * n_lags + l;
            const Vec3 d = collective.sum[static_cast<std::size_t>(t + lag)] -
                           collective.sum[static_cast<std::size_t>(t)];
            for (std::size_t a = 0; a < 3; ++a)
                sums.sum[cell * 3 + a] += per_ion * d[static_cast<int>(a)] * d[static_cast<int>(a)];
            ++sums.count[cell];
        }
    });
    return sums;
}

} // namespace mesolith
