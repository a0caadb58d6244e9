#pragma once
#include <string>
#include <vector>

#include "mesolith/msm/kernel.hpp"

namespace mesolith {

/// Wave vector k [1/A] with k.a_m = 2 pi kappa_m.
[[nodiscard]] Vec3 cartesian_wave_vector(const Cell& cell, const Vec3& kappa);

/// A named wave vector.
struct WavePoint {
    std::string label;
    Vec3 kappa = Vec3::Zero(); ///< in units of the reciprocal vectors of the folded cell
};
struct WaveSegment {
    WavePoint from, to;
};

/// From Gamma halfway along each of the three reciprocal vectors: X (1/2, 0, 0), Y, Z.
[[nodiscard]] std::vector<WaveSegment> axis_path();
/// One segment between each point and the next.
/// @throws DataError for fewer than two points
[[nodiscard]] std::vector<WaveSegment> path_through(const std::vector<WavePoint>& points);

/// kappa_a = m / n_a, m = 0 ... n_a - 1, last axis fastest.
/// @throws DataError when an n_a < 1
[[nodiscard]] std::vector<Vec3> wave_vector_grid(const IVec3& n);

/// Relaxation rates of the slowest modes at a list of wave vectors.
struct BlochBands {
    std::vector<Vec3> kappa;
    std::size_t n_bands = 0;
    std::size_t n_classes = 0;
    std::vector<double>
        rate; ///< [kappa][band], ascending: -ln |lambda| / tau [1/ps], infinite for lambda = 0
    std::vector<double> parabola; ///< [kappa][class]: k.D.k of each closed class [1/ps], what the lowest rate
                                  ///< tends to as k -> 0
};

/// Bands at given wave vectors: the n slowest modes of each, fewer when there are fewer sites. kappa is
/// folded to |kappa_a| <= 1/2 for the parabola. Threads share the wave vectors.
/// @throws DataError when n_bands = 0
[[nodiscard]] BlochBands bloch_bands(const Kernel& kernel, const std::vector<Vec3>& kappa,
                                     std::size_t n_bands);

/// Bands along a path, `per_segment` + 1 points from end to end of each segment.
struct BandPath {
    BlochBands bands;
    std::vector<double> distance;     ///< of each point along the path [1/A]; ends that meet share one value
    std::vector<std::size_t> segment; ///< first point of each segment, then the number of points
    std::vector<std::string> label;   ///< two per segment: from, to
};
[[nodiscard]] BandPath bands_along(const Kernel& kernel, const std::vector<WaveSegment>& path,
                                   std::size_t n_bands, std::size_t per_segment = 40);

} // namespace mesolith
