#pragma once
#include <span>
#include <vector>

#include <Eigen/Core>

namespace mesolith {

/// A diffusivity or a rate at one temperature.
struct ArrheniusPoint {
    double temperature = 0;      ///< [K]
    double value = 0, error = 0; ///< any unit, one standard error
};

/// ln v = ln v0 - Ea / (k_B T): weighted least squares in 1/(k_B T) with the errors of ln v (error / value).
struct ArrheniusFit {
    double log_prefactor = 0;     ///< ln v0, v0 in the unit of the values
    double activation_energy = 0; ///< Ea [eV]
    /// Of (ln v0, Ea), from the errors of the points, not scaled by chi^2.
    Eigen::Matrix2d covariance = Eigen::Matrix2d::Zero();
    double chi_squared = 0;         ///< about the line
    int degrees_of_freedom = 0;     ///< points - 2
    double p = 1;                   ///< of a chi^2 as large or larger on a straight line; NaN for two points
    double lowest = 0, highest = 0; ///< temperatures of the data [K]: beyond them it is extrapolation
    std::vector<ArrheniusPoint> points; ///< that were fitted

    double energy_error() const;                   ///< standard error of Ea [eV]
    double log_at(double temperature) const;       ///< ln v
    double log_error_at(double temperature) const; ///< its standard error: the band, one standard error wide
    bool extrapolates(double temperature) const {  ///< rounding of the ends forgiven
        return temperature < lowest * (1 - 1e-12) || temperature > highest * (1 + 1e-12);
    }
};

/// @throws DataError  fewer than two different temperatures; a temperature, value or error that is not
///                    positive and finite
[[nodiscard]] ArrheniusFit fit_arrhenius(std::span<const ArrheniusPoint> points);

/// The same for values without errors, exact ones or of unknown but equal relative error: all weigh the same,
/// and the errors of the line come from their scatter about it (two degrees of freedom fewer than points).
/// The `error` of the points is not looked at; p is NaN.
/// @throws DataError  fewer than three points or two different temperatures; a temperature or value that is
///                    not positive and finite
[[nodiscard]] ArrheniusFit fit_arrhenius_by_scatter(std::span<const ArrheniusPoint> points);

/// Probability that chi^2 with n degrees of freedom exceeds x.
/// @throws DataError unless n >= 1 and x >= 0
[[nodiscard]] double chi_squared_tail(double x, int degrees_of_freedom);

} // namespace mesolith
