#include "mesolith/msm/matrix_logarithm.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <numbers>

#include <Eigen/Dense>
#include <fmt/format.h>

#include "mesolith/core/error.hpp"
#include "mesolith/core/nan.hpp"
#include "mesolith/core/parallel.hpp"
#include "mesolith/crystal/eigen_solvers.hpp"

#include "at.hpp"
#include "bloch.hpp"

namespace mesolith {

namespace {

using Complex = std::complex<double>;
using Matrix = Eigen::MatrixXcd;

/// log M(kappa) / tau in the scaling that makes a reversible kernel Hermitian, and its most doubtful
/// eigenvalue.
struct Logarithm {
    Matrix K;
    Complex smallest = 1; ///< eigenvalue of least modulus
    double noise = 0;     ///< its standard error
    Complex worst = 1;    ///< eigenvalue of least real part
    bool solved = true;
};

/// Standard error of an eigenvalue whose right and left vectors (of the scaled matrix, left . right = 1) are
/// given: columns are independent multinomial draws of `windows` each.
double eigenvalue_error(const Kernel& kernel, const OccupiedSites& sites, const std::vector<double>& windows,
                        const Complex& value, const Eigen::VectorXcd& right,
                        const Eigen::RowVectorXcd& left) {
    double variance = 0;
    for (Eigen::Index j = 0; j < sites.size(); ++j) {
        const std::size_t site = sites.site[static_cast<std::size_t>(j)];
        double spread = 0;
        for (const KernelEntry& e : kernel.from(site))
            if (const std::int32_t i = sites.local[at(e.to)]; i >= 0)
                spread += e.p * std::norm(left[i] * sites.inverse_root[at(e.to)]);
        const double n = windows[site], pi = kernel.stationary[site];
        const double scatter = spread - std::norm(value * left[j]) / pi;
        if (n > 0) variance += std::norm(right[j]) * pi * std::max(scatter, 0.0) / n;
    }
    return std::sqrt(variance);
}

Logarithm logarithm_at(const Kernel& kernel, const OccupiedSites& sites, const Vec3& kappa,
                       const std::vector<double>& windows) {
    const Eigen::Index n = sites.size();
    const Matrix m = sites.scaled<Complex>(kernel, kappa);
    Eigen::VectorXcd values;
    Matrix right, left;
    Logarithm result;
    if (kernel.reversible) {
        const Eigen::SelfAdjointEigenSolver<Matrix> solver(m);
        values = solver.eigenvalues().cast<Complex>();
        right = solver.eigenvectors();
        left = right.adjoint();
    } else {
        const Eigen::ComplexEigenSolver<Matrix> solver(m);
        values = solver.eigenvalues();
        right = solver.eigenvectors();
        left = right.inverse();
        const Matrix again = right * values.asDiagonal() * left;
        result.solved = left.allFinite() && (again - m).norm() <= 1e-9 * std::max(1.0, m.norm());
    }
    Eigen::Index least = 0, lowest = 0;
    for (Eigen::Index k = 0; k < n; ++k) {
        if (std::abs(values[k]) < std::abs(values[least])) least = k;
        if (values[k].real() < values[lowest].real()) lowest = k;
    }
    result.smallest = values[least];
    result.worst = values[lowest];
    if (!windows.empty())
        result.noise =
            eigenvalue_error(kernel, sites, windows, values[least], right.col(least), left.row(least));
    if (result.worst.real() > 0)
        result.K = right * (values.array().log() / kernel.lag_time).matrix().asDiagonal() * left;
    return result;
}

/// Matrices on a periodic grid of wave vectors or cells, last axis fastest.
struct Grid {
    IVec3 n;
    std::vector<Matrix> at;

    std::size_t size() const {
        return static_cast<std::size_t>(n[0]) * static_cast<std::size_t>(n[1]) *
               static_cast<std::size_t>(n[2]);
    }
    IVec3 place(std::size_t index) const {
        const auto i = static_cast<int>(index);
        return {i / (n[1] * n[2]), i / n[2] % n[1], i % n[2]};
    }
    std::size_t index(const IVec3& place) const {
        return static_cast<std::size_t>((place[0] * n[1] + place[1]) * n[2] + place[2]);
    }
    /// -n/2 ... n/2 - 1 on each axis
    IVec3 signed_place(std::size_t index) const {
        IVec3 p = place(index);
        for (int a = 0; a < 3; ++a)
            if (2 * p[a] >= n[a] && n[a] > 1) p[a] -= n[a];
        return p;
    }
    std::size_t opposite(std::size_t index) const {
        IVec3 p = place(index);
        for (int a = 0; a < 3; ++a) p[a] = (n[a] - p[a]) % n[a];
        return this->index(p);
    }
    Vec3 wave_vector(std::size_t index) const {
        return signed_place(index).cast<double>().cwiseQuotient(n.cast<double>());
    }

    /// K(R) = 1/N sum_kappa K(kappa) exp(2 pi i kappa.R), one axis after the other.
    void transform_to_cells() {
        for (int axis = 0; axis < 3; ++axis) {
            const int length = n[axis];
            if (length == 1) continue;
            std::vector<Complex> phase;
            for (int m = 0; m < length; ++m)
                phase.push_back(std::polar(1.0 / length, 2 * std::numbers::pi * m / length));
            std::vector<std::size_t> lines;
            for (std::size_t s = 0; s < size(); ++s)
                if (place(s)[axis] == 0) lines.push_back(s);
            for_each_index(lines.size(), [&](std::size_t l) {
                std::vector<Matrix> old;
                IVec3 p = place(lines[l]);
                for (p[axis] = 0; p[axis] < length; ++p[axis]) old.push_back(std::move(at[index(p)]));
                for (p[axis] = 0; p[axis] < length; ++p[axis]) {
                    Matrix sum = Matrix::Zero(old[0].rows(), old[0].cols());
                    for (int k = 0; k < length; ++k)
                        sum += phase[static_cast<std::size_t>(k * p[axis] % length)] *
                               old[static_cast<std::size_t>(k)];
                    at[index(p)] = std::move(sum);
                }
            });
        }
    }
};

/// Share of |K(R)| off the diagonal in the outermost cells of each axis.
Vec3 border_share(const Grid& grid) {
    Vec3 border = Vec3::Zero();
    double all = 0;
    for (std::size_t s = 0; s < grid.size(); ++s) {
        const IVec3 R = grid.signed_place(s);
        double sum = grid.at[s].cwiseAbs().sum();
        if (R.isZero()) sum -= grid.at[s].diagonal().cwiseAbs().sum();
        all += sum;
        for (int a = 0; a < 3; ++a)
            if (grid.n[a] > 1 && (2 * R[a] == -grid.n[a] || 2 * R[a] == grid.n[a] - 2)) border[a] += sum;
    }
    return all > 0 ? Vec3(border / all) : Vec3(Vec3::Zero());
}

/// Rates from K(R): negative ones clipped, flows of a reversible kernel averaged with their reverse.
Generator clipped_generator(const Kernel& kernel, const OccupiedSites& sites, const Grid& grid,
                            double& negative_weight) {
    std::map<Transition, double> rates;
    double negative = 0, positive = 0, largest = 0;
    const auto n = sites.size();
    const auto rate_of = [&](std::size_t s, Eigen::Index i, Eigen::Index j) {
        return grid.at[s](i, j).real() * sites.root[sites.site[static_cast<std::size_t>(i)]] *
               sites.inverse_root[sites.site[static_cast<std::size_t>(j)]];
    };
    const auto for_each_rate = [&](auto&& f) {
        for (std::size_t s = 0; s < grid.size(); ++s) {
            const IVec3 R = grid.signed_place(s);
            for (Eigen::Index j = 0; j < n; ++j)
                for (Eigen::Index i = 0; i < n; ++i)
                    if (i != j || !R.isZero())
                        f(Transition{static_cast<std::int32_t>(sites.site[static_cast<std::size_t>(j)]),
                                     static_cast<std::int32_t>(sites.site[static_cast<std::size_t>(i)]), R},
                          rate_of(s, i, j));
        }
    };
    for_each_rate([&](const Transition&, double rate) {
        (rate < 0 ? negative : positive) += std::abs(rate);
        largest = std::max(largest, rate);
    });
    negative_weight = positive > 0 ? negative / positive : 0;
    for_each_rate([&](const Transition& t, double rate) {
        if (rate > 1e-14 * largest) rates[t] = rate; // the rest is rounding of the transform
    });
    std::vector<RatedMove> moves;
    const std::vector<double>& pi = kernel.stationary;
    for (const auto& [move, rate] : rates) {
        if (!kernel.reversible) {
            moves.push_back({move, rate});
            continue;
        }
        const auto back = rates.find(move.reversed());
        const double j = pi[static_cast<std::size_t>(move.from)], i = pi[static_cast<std::size_t>(move.to)];
        const double flow = (j * rate + (back == rates.end() ? 0.0 : i * back->second)) / 2;
        moves.push_back({move, flow / j});
        if (back == rates.end()) moves.push_back({move.reversed(), flow / i});
    }
    return make_generator(kernel.basis, std::move(moves), kernel.reversible ? pi : std::vector<double>{});
}

/// A first grid: no axis without hops, the others a little more than the hops reach.
IVec3 first_grid(const Kernel& kernel) {
    IVec3 reach = IVec3::Zero();
    for (const KernelEntry& e : kernel.entries) reach = reach.cwiseMax(e.R.cwiseAbs());
    IVec3 n = IVec3::Ones();
    for (int a = 0; a < 3; ++a)
        if (reach[a] > 0) n[a] = std::max(8, 2 * reach[a] + 4);
    return n;
}

std::string text_of(const Complex& value) {
    return value.imag() == 0 ? fmt::format("{:.3g}", value.real())
                             : fmt::format("{:.3g}{:+.3g}i", value.real(), value.imag());
}

} // namespace

std::vector<double> independent_windows(const TransitionCounts& counts) {
    std::vector<double> windows(counts.n_sites, 0.0);
    for (std::size_t t = 0; t < counts.transitions.size(); ++t)
        windows[static_cast<std::size_t>(counts.transitions[t].from)] +=
            static_cast<double>(counts.total[t]) /
            static_cast<double>(std::max<std::int64_t>(1, counts.lag_frames));
    return windows;
}

LogarithmResult matrix_logarithm(const Kernel& kernel, const LogarithmOptions& options) {
    check_kernel(kernel);
    if (!options.windows.empty() && options.windows.size() != kernel.n_sites())
        throw DataError(fmt::format("windows of {} sites do not fit a kernel of {} sites",
                                    options.windows.size(), kernel.n_sites()));
    const OccupiedSites sites(kernel);
    LogarithmResult result;
    result.negative_weight = nan_value;
    Grid grid{first_grid(kernel), {}};
    for (;;) {
        const std::size_t bytes =
            grid.size() * static_cast<std::size_t>(sites.size() * sites.size()) * sizeof(Complex);
        result.grid = grid.n;
        if (bytes > options.max_memory) {
            result.reason = fmt::format(
                "Refused: the rates have not decayed within the {} x {} x {} cells that fit into {} MiB.",
                grid.n[0], grid.n[1], grid.n[2], options.max_memory >> 20);
            return result;
        }
        grid.at.assign(grid.size(), {});
        std::vector<Logarithm> logs(grid.size());
        for_each_index(grid.size(), [&](std::size_t s) {
            if (grid.opposite(s) >= s)
                logs[s] = logarithm_at(kernel, sites, grid.wave_vector(s), options.windows);
        });
        bool solved = true;
        Complex worst = 1;
        result.smallest_eigenvalue = 2;
        for (std::size_t s = 0; s < grid.size(); ++s) {
            if (grid.opposite(s) < s) continue;
            solved = solved && logs[s].solved;
            if (logs[s].worst.real() < worst.real()) worst = logs[s].worst;
            if (std::abs(logs[s].smallest) < std::abs(result.smallest_eigenvalue)) {
                result.smallest_eigenvalue = logs[s].smallest;
                result.eigenvalue_noise = std::max(options.eigenvalue_noise, logs[s].noise);
            }
        }
        if (std::abs(result.smallest_eigenvalue) <= options.noise_sigmas * result.eigenvalue_noise) {
            result.reason = fmt::format("Refused: the smallest eigenvalue, {}, does not stand above its "
                                        "sampling noise of {:.2g} (the lag is too long for it).",
                                        text_of(result.smallest_eigenvalue), result.eigenvalue_noise);
            return result;
        }
        if (!(worst.real() > 0) || !solved) {
            result.reason =
                solved ? fmt::format("Refused: the eigenvalue {} is not positive, no rate matrix has it "
                                     "after one lag.",
                                     text_of(worst))
                       : "Refused: the eigenvectors of a Bloch matrix are not independent.";
            return result;
        }
        for (std::size_t s = 0; s < grid.size(); ++s)
            if (grid.opposite(s) >= s) {
                grid.at[grid.opposite(s)] = logs[s].K.conjugate(); // K(-kappa) = K(kappa)*
                grid.at[s] = std::move(logs[s].K);
            }
        grid.transform_to_cells();
        const Vec3 border = border_share(grid);
        result.tail = border.maxCoeff();
        if (result.tail <= options.max_tail) break;
        for (int a = 0; a < 3; ++a)
            if (border[a] > options.max_tail) grid.n[a] *= 2;
    }
    Generator generator = clipped_generator(kernel, sites, grid, result.negative_weight);
    result.diffusivity = exact_transport(generator).diffusivity;
    result.accepted = result.negative_weight <= options.max_negative_weight;
    result.reason =
        fmt::format("{}: negative rates weigh {:.2g} % of the positive ones ({:g} % allowed); the "
                    "smallest eigenvalue is {}{}.",
                    result.accepted ? "Accepted" : "Refused", 100 * result.negative_weight,
                    100 * options.max_negative_weight, text_of(result.smallest_eigenvalue),
                    result.eigenvalue_noise > 0
                        ? fmt::format(", {:.1f} times its noise",
                                      std::abs(result.smallest_eigenvalue) / result.eigenvalue_noise)
                        : "");
    if (result.accepted) result.generator = std::move(generator);
    return result;
}

} // namespace mesolith
