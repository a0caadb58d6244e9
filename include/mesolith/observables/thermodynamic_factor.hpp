#pragma once
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "mesolith/msm/time_blocks.hpp"

namespace mesolith {

/// Closed interval.
struct ValueRange {
    double low = 0, high = 0;
    bool contains(double value) const { return value >= low && value <= high; }
    bool operator==(const ValueRange&) const = default;
};

struct VoltageOptions {
    /// Where the voltage falls by less than this per unit of stoichiometry it is a plateau [V]. Independent
    /// of temperature, so that a phase gap is the same at all of them.
    double least_slope = 1e-3;
};

/// Theta = d ln a / d ln c = d(mu / k_B T) / d ln c, what turns a jump into a chemical diffusivity:
/// D~ = D_J Theta. A number, a table over stoichiometry (and temperature), or the slope of a voltage curve.
class ThermodynamicFactor {
public:
    /// @throws DataError unless value > 0 and error >= 0, both finite (for all of these)
    static ThermodynamicFactor constant(Estimate theta, std::string source);

    /// Linear between the stoichiometries. With temperatures (one per row) a row is used only for its own
    /// temperature.
    /// @param error  one per row, or empty: 0
    /// @throws DataError also for fewer than two rows, rows that do not ascend strictly (for one temperature)
    static ThermodynamicFactor table(std::span<const double> stoichiometry, std::span<const double> theta,
                                     std::span<const double> error, std::span<const double> temperature,
                                     std::string source);

    /// From the open-circuit voltage U against lithium,
    ///     Theta = -(F / R T) s dU/ds,    s = stoichiometry (x / x_max: the factor x_max drops out).
    /// Where U does not fall with s two phases coexist and the diffusivity of a solution means nothing: the
    /// curve is replaced by the falling one nearest to it (pool adjacent violators, weights = spacing; the
    /// pooled voltage is that of equal areas, the Maxwell construction on the grid of the data), and each
    /// pooled range is masked. Between gaps dU/ds is that of the parabola through three neighbours at each
    /// point, linear in between. The curve is taken to hold at every temperature (no entropy part).
    /// @throws DataError fewer than three points, stoichiometries that do not ascend strictly, nothing but
    ///                   two-phase ranges
    static ThermodynamicFactor from_voltage(std::span<const double> stoichiometry,
                                            std::span<const double> voltage, std::string source,
                                            const VoltageOptions& options = {});

    /// Nothing inside a masked range (its ends are outside of it: they belong to the single phases).
    /// @throws DataError outside the data, or where a table has no row for this temperature
    std::optional<Estimate> at(double stoichiometry, double temperature) const;

    const std::vector<ValueRange>& masked() const { return masked_; } ///< stoichiometries, ascending
    const std::string& source() const { return source_; }             ///< in words, for files
    bool from_voltage_curve() const { return kind_ == Kind::voltage; }

private:
    enum class Kind { constant, table, voltage };
    struct Row {
        double stoichiometry = 0, value = 0, error = 0; ///< value: Theta, or s dU/ds [V]
        double temperature = 0;                         ///< [K], 0 = any
    };
    std::vector<const Row*> rows_for(double temperature) const;

    Kind kind_ = Kind::constant;
    std::vector<Row> rows_; ///< by temperature, then stoichiometry; ends of gaps once for either side
    std::vector<ValueRange> masked_;
    std::string source_;
};

} // namespace mesolith
