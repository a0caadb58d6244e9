#pragma once
#include <complex>
#include <limits>
#include <span>
#include <vector>

#include "mesolith/msm/kernel.hpp"
#include "mesolith/msm/transition_counts.hpp"
#include "mesolith/msm/transport.hpp"

namespace mesolith {

/// Rate at which an ion on the column's site of cell 0 hops to site `to` of cell R.
struct GeneratorEntry {
    std::int32_t to = 0;
    IVec3 R = IVec3::Zero();
    double rate = 0; ///< [1/ps]
};

/// The rate matrix of hopping in continuous time on an infinite crystal, x' = K x:
///   K_ij(R) = rate of j in cell 0 -> i in cell R, off the diagonal;  K_jj(0) = -exit[j], which is implied.
/// Column = origin, as in Kernel.
struct Generator {
    SiteBasis basis;
    std::vector<std::size_t> column{0};  ///< entries of origin j: [column[j], column[j + 1])
    std::vector<GeneratorEntry> entries; ///< sorted by (to, R) within a column, rate > 0, never (j, 0) itself
    std::vector<double> exit;            ///< sum of each column [1/ps]
    std::vector<double> stationary;      ///< pi, sums to 1
    bool reversible = false;             ///< pi_j K_ij(R) = pi_i K_ji(-R)

    std::size_t n_sites() const { return column.size() - 1; }
    std::span<const GeneratorEntry> from(std::size_t j) const {
        return {entries.data() + column[j], column[j + 1] - column[j]};
    }
    double fastest_exit() const; ///< [1/ps], 0 without hops
};

struct RatedMove {
    Transition move;
    double rate = 0; ///< [1/ps]
};

/// Rates in any order as a generator; zero rates are left out. Whether it has detailed balance is found out
/// (flows equal within 1e-9).
/// @param stationary  empty: found; of several closed classes each with its share of uniformly spread ions
/// @throws DataError naming the move: given twice, negative or not finite, of a site to itself, of no site
[[nodiscard]] Generator make_generator(SiteBasis basis, std::vector<RatedMove> moves,
                                       std::vector<double> stationary = {});

/// Stationary distribution of a kernel that does not know its own: exact elimination per closed class, each
/// class with its share of the ions that start evenly on all sites. `kernel.stationary` is not looked at.
[[nodiscard]] std::vector<double> find_stationary(const Kernel& kernel);

/// Whether pi_j M_ij(R) = pi_i M_ji(-R) within this share of the larger of the two, for all entries.
[[nodiscard]] bool has_detailed_balance(const Kernel& kernel, double tolerance = 1e-9);

/// K = (M - I) / tau: always a valid generator, with the stationary distribution of M. Its D is that of M
/// plus v v^T tau / 2 (v: drift), so the same without drift. It differs from the motion behind M at times of
/// the order of tau.
[[nodiscard]] Generator generator_from_kernel(const Kernel& kernel);

/// M = I + K h, h = min(max_lag, 0.5 / fastest exit rate): the stationary distribution of K; D(M) = D(K) -
/// v v^T h / 2, the same without drift. Each walker step is at most one hop.
[[nodiscard]] Kernel kernel_from_generator(const Generator& generator,
                                           double max_lag = std::numeric_limits<double>::infinity());

/// Exact transport in continuous time: D is half the slope of the covariance,
///   -K^T chi = a - v,  u = d + chi_to - chi_from,  2 D = sum pi_j K_ij(R) u u^T,
/// taken from the uniformised kernel and corrected for the drift. `corrected` has one row per entry of K.
[[nodiscard]] Transport exact_transport(const Generator& generator);

/// Eigenvalues of K(kappa) = sum_R K(R) exp(-2 pi i kappa.R) [1/ps], slowest first (falling real part); sites
/// of zero stationary weight are left out. A relaxation takes -1 / Re.
[[nodiscard]] std::vector<std::complex<double>> generator_spectrum(const Generator& generator,
                                                                   const Vec3& kappa = Vec3::Zero());

struct ExponentialOptions {
    /// Moves of smaller flow pi_j M_ij(R) are left out, their probability stays. 0: 1e-12, or where hops are
    /// rarer 1e-6 of the rarest one's flow within the lag.
    double truncation = 0;
    std::size_t max_entries = 5'000'000; ///< refuse larger kernels
};

struct LatticeExponential {
    Kernel kernel;        ///< M(R; tau) = exp(K tau)
    double truncated = 0; ///< largest probability of a column that was left out and stays instead
    int terms = 0;        ///< of the series
};

/// exp(K tau) on the infinite crystal, resolved by R: uniformisation, sum_n Poisson(n; L tau) (I + K / L)^n
/// with L the fastest exit rate; all terms are positive, so that rare moves keep their digits. D is that of
/// K, also with drift.
/// @throws DataError when the kernel would have more than `max_entries` entries or reach beyond 127 cells
/// Cost: (fastest exit x lag) terms times the number of entries and of hops per site; threads share origins.
[[nodiscard]] LatticeExponential exponential_kernel(const Generator& generator, double lag,
                                                    const ExponentialOptions& options = {});

} // namespace mesolith
