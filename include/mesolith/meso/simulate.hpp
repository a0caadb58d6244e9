#pragma once
#include <cstdint>
#include <functional>
#include <vector>

#include "mesolith/meso/lattice.hpp"
#include "mesolith/meso/walkers.hpp"

namespace mesolith {

/// Called now and then with the fraction done, 0..1. May throw to stop the run (core/interrupt.hpp).
using ProgressCallback = std::function<void(double)>;

/// Step counts spread evenly in their logarithm from 1 to n_steps: ascending, distinct, with n_steps / 2 and
/// n_steps among them.
/// @throws DataError when n_steps < 2 or n_outputs < 2
[[nodiscard]] std::vector<std::int64_t> log_spaced_steps(std::int64_t n_steps, int n_outputs);

/// A tracer run of independent walkers.
struct MesoOptions {
    Vec3 size{100, 100, 100}; ///< edges of the lattice along a_1, a_2, a_3, in `unit`
    LengthUnit unit = LengthUnit::nm;
    std::int64_t n_walkers = 100'000; ///< relative error of D: sqrt(6 / n_walkers) per axis
    double total_time_ps = 100'000;   ///< rounded to whole steps of the lag time, at least 2
    int n_outputs = 40;               ///< points of the MSD curve, evenly spaced in log time
    WalkerStart start = WalkerStart::stationary;
    std::int32_t start_site = 0; ///< basis site, for WalkerStart::site
    std::uint64_t seed = 1;
};

/// Displacements of walkers at some times. Standard errors are over walkers, which are independent.
struct WalkerResult {
    Lattice lattice;
    std::int64_t n_walkers = 0;
    std::uint64_t seed = 0;
    double lag_time = 0; ///< [ps]
    std::vector<std::int64_t> steps;
    std::vector<double> time_ps;
    std::vector<Vec3> mean_displacement; ///< <d> [A]
    std::vector<Mat3> msd, msd_error;    ///< <d_a d_b> [A^2]; compare with exact_msd (stationary start)
    /// D_ab = slope of the covariance of displacements from half time to the end, over 2 [A^2/ps]: free of
    /// the offset that early correlations leave, and of drift. Compare with exact_transport.
    Mat3 diffusivity = Mat3::Zero(), diffusivity_error = Mat3::Zero();
    Vec3 drift = Vec3::Zero(), drift_error = Vec3::Zero(); ///< over the same time [A/ps]
    double slope_from_ps = 0, slope_to_ps = 0;

    double hops() const {
        return static_cast<double>(n_walkers) * static_cast<double>(steps.empty() ? 0 : steps.back());
    }
};

/// Bytes that simulate_walkers takes: 40 per walker.
[[nodiscard]] double walker_bytes(const MesoOptions& options);

/// Let walkers wander over the lattice and measure their displacements. The lattice is homogeneous and
/// periodic and displacements are never wrapped, so that its size has no influence on the result. A pure
/// function of kernel and options: the same bits with any number of threads.
/// @throws DataError for options that cannot be run
/// Cost: 2-7 ns per walker, step and core, see walkers.hpp.
[[nodiscard]] WalkerResult simulate_walkers(const Kernel& kernel, const MesoOptions& options,
                                            const ProgressCallback& progress = {});

/// The same by probabilities instead of walkers: no noise, but only as long as nothing reaches across the
/// lattice.
struct FieldOptions {
    IVec3 cells{32, 32, 32};
    std::int64_t n_steps = 100;
    int n_outputs = 20;
};

struct FieldResult {
    Lattice lattice;
    double lag_time = 0; ///< [ps]
    std::vector<std::int64_t> steps;
    std::vector<double> time_ps;
    std::vector<Mat3> msd; ///< <d_a d_b> from the stationary distribution [A^2]
    /// Upper bound of the probability to have gone around the lattice by then: sum over steps of what stood
    /// within one hop of the far side. The MSD is off by at most about this times the square of the lattice
    /// size.
    std::vector<double> wrapped;
    std::vector<double> mass_error; ///< |sum of probabilities - 1|
};

/// MSD tensor of the stationary distribution, from fields that start in one cell. Displacements count from
/// the start site j: with rho the field that starts from pi_j and rho_a those that start from pi_j b_j,a,
///   <d_c d_a> = sum rho r_c r_a - sum rho_a r_c - sum rho_c r_a + sum_j pi_j b_j,c b_j,a.
/// The four fields run one after the other: memory of one, time of four.
/// @throws DataError for options that cannot be run
[[nodiscard]] FieldResult simulate_field(const Kernel& kernel, const FieldOptions& options,
                                         const ProgressCallback& progress = {});

} // namespace mesolith
