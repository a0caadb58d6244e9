#include "mesolith/msm/bands.hpp"

#include <algorithm>
#include <numbers>

#include "mesolith/core/error.hpp"
#include "mesolith/core/parallel.hpp"
#include "mesolith/msm/spectrum.hpp"
#include "mesolith/msm/transport.hpp"

#include "bloch.hpp"
#include "slowest.hpp"

namespace mesolith {

Vec3 cartesian_wave_vector(const Cell& cell, const Vec3& kappa) {
    return 2 * std::numbers::pi * (cell.inverse() * kappa);
}

std::vector<WaveSegment> axis_path() {
    const WavePoint gamma{"Γ", Vec3::Zero()};
    return {
        {gamma, {"X", Vec3(0.5, 0, 0)}}, {gamma, {"Y", Vec3(0, 0.5, 0)}}, {gamma, {"Z", Vec3(0, 0, 0.5)}}};
}

std::vector<WaveSegment> path_through(const std::vector<WavePoint>& points) {
    if (points.size() < 2) throw DataError("a path needs at least two wave vectors");
    std::vector<WaveSegment> path;
    for (std::size_t p = 0; p + 1 < points.size(); ++p) path.push_back({points[p], points[p + 1]});
    return path;
}

std::vector<Vec3> wave_vector_grid(const IVec3& n) {
    if (n.minCoeff() < 1) throw DataError("a grid of wave vectors needs at least one point per axis");
    std::vector<Vec3> kappa;
    for (int x = 0; x < n[0]; ++x)
        for (int y = 0; y < n[1]; ++y)
            for (int z = 0; z < n[2]; ++z)
                kappa.push_back(IVec3(x, y, z).cast<double>().cwiseQuotient(n.cast<double>()));
    return kappa;
}

BlochBands bloch_bands(const Kernel& kernel, const std::vector<Vec3>& kappa, std::size_t n_bands) {
    if (n_bands == 0) throw DataError("no band asked for. Ask for at least one");
    const OccupiedSites sites(kernel);
    const Transport transport = exact_transport(kernel);
    BlochBands bands;
    bands.kappa = kappa;
    bands.n_bands = std::min(n_bands, sites.site.size());
    for (const ClassTransport& c : transport.classes) bands.n_classes += c.weight > 0 ? 1 : 0;
    bands.rate.resize(kappa.size() * bands.n_bands);
    for_each_index(kappa.size(), [&](std::size_t k) {
        const auto values = slowest_eigenvalues(kernel, sites, kappa[k], bands.n_bands);
        // 1 / t, and no unit eigenvalue below 0
        for (std::size_t b = 0; b < bands.n_bands; ++b)
            bands.rate[k * bands.n_bands + b] =
                std::max(-std::log(std::abs(values[b])) / kernel.lag_time, 0.0);
    });
    for (const Vec3& point : kappa) {
        const Vec3 k = cartesian_wave_vector(kernel.basis.cell, point - point.array().round().matrix());
        for (const ClassTransport& c : transport.classes)
            if (c.weight > 0) bands.parabola.push_back(k.dot(c.diffusivity * k));
    }
    return bands;
}

BandPath bands_along(const Kernel& kernel, const std::vector<WaveSegment>& path, std::size_t n_bands,
                     std::size_t per_segment) {
    if (path.empty() || per_segment < 1) throw DataError("a path of bands needs segments and points on them");
    BandPath result;
    std::vector<Vec3> kappa;
    double done = 0;
    for (const WaveSegment& s : path) {
        result.segment.push_back(kappa.size());
        result.label.insert(result.label.end(), {s.from.label, s.to.label});
        const double length = cartesian_wave_vector(kernel.basis.cell, s.to.kappa - s.from.kappa).norm();
        for (std::size_t p = 0; p <= per_segment; ++p) {
            const double share = static_cast<double>(p) / static_cast<double>(per_segment);
            kappa.push_back((1 - share) * s.from.kappa + share * s.to.kappa);
            result.distance.push_back(done + share * length);
        }
        done += length;
    }
    result.segment.push_back(kappa.size());
    result.bands = bloch_bands(kernel, kappa, n_bands);
    return result;
}

} // namespace mesolith
