#include "mesolith/meso/bounds.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include <fmt/core.h>

#include "mesolith/core/error.hpp"
#include "mesolith/crystal/eigen_solvers.hpp"

namespace mesolith {

namespace {

/// Phases with fractions that add up to 1, those of none left out.
std::vector<Phase> normalised(std::span<const Phase> phases) {
    double sum = 0;
    for (const Phase& p : phases) {
        if (!(p.fraction >= 0) || !std::isfinite(p.fraction) || !(p.diffusivity >= 0) ||
            !std::isfinite(p.diffusivity))
            throw DataError(fmt::format("phase of fraction {} and diffusivity {} A^2/ps (neither may be "
                                        "negative)",
                                        p.fraction, p.diffusivity));
        sum += p.fraction;
    }
    if (!(sum > 0)) throw DataError("mixture without phases (their fractions add up to zero)");
    std::vector<Phase> result;
    for (const Phase& p : phases)
        if (p.fraction > 0) result.push_back({p.fraction / sum, p.diffusivity});
    return result;
}

void check_dimensions(int dimensions) {
    if (dimensions != 2 && dimensions != 3)
        throw DataError(fmt::format("bounds in {} dimensions (2 and 3 are known)", dimensions));
}

/// 1 / sum(f / (D + x)) - x, x >= 0; zero where a phase blocks and nothing goes around it.
double shifted_mean(const std::vector<Phase>& phases, double x) {
    double sum = 0;
    for (const Phase& p : phases) {
        if (p.diffusivity + x == 0) return 0;
        sum += p.fraction / (p.diffusivity + x);
    }
    return std::max(0.0, 1 / sum - x);
}

double arithmetic_mean(const std::vector<Phase>& phases) {
    double sum = 0;
    for (const Phase& p : phases) sum += p.fraction * p.diffusivity;
    return sum;
}

Bounds hashin_shtrikman(const std::vector<Phase>& phases, double others) {
    const auto [low, high] =
        std::minmax_element(phases.begin(), phases.end(),
                            [](const Phase& a, const Phase& b) { return a.diffusivity < b.diffusivity; });
    if (low->diffusivity == high->diffusivity) return {low->diffusivity, low->diffusivity};
    return {shifted_mean(phases, others * low->diffusivity),
            shifted_mean(phases, others * high->diffusivity)};
}

double self_consistent(const std::vector<Phase>& phases, double others) {
    const auto excess = [&](double D) { // falls with D
        double sum = 0;
        for (const Phase& p : phases) sum += p.fraction * (p.diffusivity - D) / (p.diffusivity + others * D);
        return sum;
    };
    const double top = arithmetic_mean(phases);
    if (top == 0) return 0;
    double low = shifted_mean(phases, 0), high = top;
    if (low == 0) {
        double conducting = 0;
        for (const Phase& p : phases)
            if (p.diffusivity > 0) conducting += p.fraction;
        if (conducting - (1 - conducting) / others <= 1e-12) return 0; // nothing leads through
        low = top;
        while (excess(low) < 0) high = low, low /= 16;
    }
    for (int halving = 0; halving < 200 && low < high; ++halving) {
        const double middle = low + (high - low) / 2;
        if (middle == low || middle == high) break;
        (excess(middle) > 0 ? low : high) = middle;
    }
    return low + (high - low) / 2;
}

Eigen::SelfAdjointEigenSolver<Mat3> principal(const Mat3& D) {
    const double scale = D.cwiseAbs().maxCoeff();
    if (!D.allFinite() || (D - D.transpose()).cwiseAbs().maxCoeff() > 1e-9 * scale)
        throw DataError("diffusion tensor that is not symmetric (or not finite)");
    const Mat3 symmetric = (D + D.transpose()) / 2;
    Eigen::SelfAdjointEigenSolver<Mat3> eigen(symmetric);
    if (eigen.eigenvalues()[0] < -1e-9 * scale)
        throw DataError(
            fmt::format("diffusion tensor with a negative eigenvalue {:.3g} A^2/ps", eigen.eigenvalues()[0]));
    return eigen;
}

/// Rounding leaves of a zero eigenvalue at most this share of the largest.
constexpr double nothing = 1e-14;

} // namespace

Bounds wiener_bounds(std::span<const Phase> phases) {
    const std::vector<Phase> p = normalised(phases);
    return {shifted_mean(p, 0), arithmetic_mean(p)};
}

Bounds hashin_shtrikman_bounds(std::span<const Phase> phases, int dimensions) {
    check_dimensions(dimensions);
    return hashin_shtrikman(normalised(phases), dimensions - 1);
}

double self_consistent_diffusivity(std::span<const Phase> phases, int dimensions) {
    check_dimensions(dimensions);
    return self_consistent(normalised(phases), dimensions - 1);
}

TensorBounds wiener_bounds(std::span<const PhaseTensor> phases) {
    double sum = 0, largest = 0;
    for (const PhaseTensor& p : phases) {
        if (!(p.fraction >= 0) || !std::isfinite(p.fraction))
            throw DataError(fmt::format("phase of fraction {} (must not be negative)", p.fraction));
        sum += p.fraction;
    }
    if (!(sum > 0)) throw DataError("mixture without phases (their fractions add up to zero)");
    TensorBounds bounds;
    for (const PhaseTensor& p : phases) {
        (void)principal(p.diffusivity);
        bounds.upper += p.fraction / sum * p.diffusivity;
        largest = std::max(largest, p.diffusivity.cwiseAbs().maxCoeff());
    }
    if (largest == 0) return bounds;
    // (sum f D^-1)^-1 on the directions that no phase blocks: those orthogonal to all null spaces.
    Mat3 blocked = Mat3::Zero();
    for (const PhaseTensor& p : phases) {
        if (p.fraction == 0) continue;
        const auto eigen = principal(p.diffusivity);
        for (int k = 0; k < 3; ++k)
            if (eigen.eigenvalues()[k] <= nothing * largest)
                blocked += eigen.eigenvectors().col(k) * eigen.eigenvectors().col(k).transpose();
    }
    const Eigen::SelfAdjointEigenSolver<Mat3> open(blocked);
    int n_open = 0; // eigenvalues ascend
    while (n_open < 3 && open.eigenvalues()[n_open] < 1e-9) ++n_open;
    if (n_open == 0) return bounds;
    Mat3 onto_open = Mat3::Zero();
    for (int k = 0; k < n_open; ++k)
        onto_open += open.eigenvectors().col(k) * open.eigenvectors().col(k).transpose();
    Mat3 resistance = Mat3::Zero();
    for (const PhaseTensor& p : phases) {
        if (p.fraction == 0) continue;
        const auto eigen = principal(p.diffusivity);
        Mat3 inverse = Mat3::Zero();
        for (int k = 0; k < 3; ++k)
            if (eigen.eigenvalues()[k] > nothing * largest)
                inverse += eigen.eigenvectors().col(k) * eigen.eigenvectors().col(k).transpose() /
                           eigen.eigenvalues()[k];
        resistance += p.fraction / sum * (onto_open * inverse * onto_open);
    }
    const Eigen::SelfAdjointEigenSolver<Mat3> eigen(resistance);
    for (int k = 3 - n_open; k < 3; ++k) // the others, zeros, belong to blocked directions
        bounds.lower +=
            eigen.eigenvectors().col(k) * eigen.eigenvectors().col(k).transpose() / eigen.eigenvalues()[k];
    return bounds;
}

PolycrystalEstimates polycrystal_estimates(const Mat3& diffusivity) {
    const Vec3 values = principal(diffusivity).eigenvalues();
    std::vector<Phase> axes;
    for (int k = 0; k < 3; ++k) {
        const bool zero = values[k] <= nothing * values[2];
        axes.push_back({1.0 / 3, zero ? 0.0 : values[k]});
    }
    PolycrystalEstimates estimates;
    estimates.arithmetic = arithmetic_mean(axes);
    estimates.harmonic = shifted_mean(axes, 0);
    estimates.hashin_shtrikman = hashin_shtrikman(axes, 2);
    estimates.self_consistent = self_consistent(axes, 2);
    return estimates;
}

} // namespace mesolith
