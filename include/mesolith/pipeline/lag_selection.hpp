#pragma once
#include <string>
#include <vector>

namespace mesolith {

/// What one lag says about the numbers that must not depend on it: D, logarithms of slow timescales.
struct LagQuantities {
    double lag_time = 0;                     ///< [ps]
    double fewest_hops = 0;                  ///< independent hops behind the worst component of D
    std::vector<double> value;               ///< NaN = not known at this lag
    std::vector<std::vector<double>> sample; ///< [resampling][quantity], the same weights at every lag
    /// Model minus trajectory, e.g. the growth of the MSD: must be zero within noise. NaN = not known.
    std::vector<double> residual;
    std::vector<std::vector<double>> residual_sample; ///< [resampling][residual]
};

/// Whether one lag agrees with all longer ones.
struct PlateauTest {
    bool usable = false;   ///< counts suffice at this lag
    bool testable = false; ///< and a usable lag at least twice as long is there to compare with
    bool agrees = false;   ///< with all longer usable lags and with the trajectory
    double largest = 0;    ///< largest |difference| / error over quantities and longer lags ...
    double critical =
        0; ///< ... and what all but `level` of the resamplings stay below when all differences are noise
    double p = 1;                      ///< share of resamplings above `largest`
    std::size_t quantity = 0, lag = 0; ///< where it is largest; residuals are counted after the quantities
    double difference = 0, error = 0;  ///< there
    /// Largest error of a difference of the first quantities (D) relative to its value: a change smaller than
    /// that would not have been seen.
    double resolution = 0;
};

struct LagSelection {
    std::vector<PlateauTest> tests; ///< one per lag
    bool plateau = false;           ///< there is one
    std::size_t chosen = 0;         ///< it; without a plateau the longest usable lag
    std::string reason;
};

struct LagSelectionOptions {
    double level = 0.05;     ///< of the joint test
    double fewest_hops = 20; ///< a lag with fewer is not used
    std::size_t n_first = 3; ///< quantities that `resolution` speaks of
    double scale = 1;        ///< standard errors are the spread of samples times this
};

/// The smallest lag from which on quantities agree with those of all longer lags. For a lag l the statistic
/// is the largest of |q(l) - q(m)| / error over all quantities q and longer usable lags m, and of |residual|
/// / error; its distribution when all differences are noise comes from the resampled differences about their
/// estimate (joint: they were drawn with the same weights at every lag, and one test is made per lag however
/// many numbers are compared).
/// @param names  of the quantities, then of the residuals, for the reason
/// @throws DataError when lags are not ascending or sizes do not fit
[[nodiscard]] LagSelection select_lag(const std::vector<LagQuantities>& lags,
                                      const std::vector<std::string>& names,
                                      const LagSelectionOptions& options);

} // namespace mesolith
