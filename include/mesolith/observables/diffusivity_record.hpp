#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mesolith/core/nan.hpp"
#include "mesolith/crystal/cell.hpp"
#include "mesolith/meso/bounds.hpp"
#include "mesolith/observables/arrhenius.hpp"
#include "mesolith/observables/thermodynamic_factor.hpp"

namespace mesolith {

/// What a diffusivity is of. They differ by factors up to 300 in lithium alloys and are never mixed.
enum class DiffusivityKind {
    tracer,   ///< D*, of a tagged ion: MSD, Markov models, SIMS, NMR
    jump,     ///< D_J = D* / H, of the charge: H Haven ratio
    chemical, ///< D~ = D_J Theta, of Fick's law in the concentration: what continuum codes want
};
/// Which volume concentrations are counted in.
enum class VolumeFrame {
    current,   ///< of the material as it is, swollen
    reference, ///< of the host without lithium: fixed particle radii, c_max of most battery codes
};
[[nodiscard]] const char* name_of(DiffusivityKind kind); ///< "tracer", ...
[[nodiscard]] const char* name_of(VolumeFrame frame);    ///< "current", "reference"
/// @throws DataError for another word, naming the known ones
[[nodiscard]] DiffusivityKind diffusivity_kind(std::string_view name);
[[nodiscard]] VolumeFrame volume_frame(std::string_view name);

/// One diffusion tensor at one composition and temperature. NaN = not known, where that is allowed.
struct DiffusivityPoint {
    static constexpr double unknown = nan_value;

    double x = unknown;                   ///< lithium per host atom, Li/Si
    double stoichiometry = unknown;       ///< x / x_max
    double temperature = unknown;         ///< [K]
    Mat3 diffusivity = Mat3::Zero();      ///< symmetric [A^2/ps]
    Mat3 error = Mat3::Constant(unknown); ///< standard errors [A^2/ps]; or NaN
    double mean_error = unknown;          ///< of trace / 3 [A^2/ps]; or NaN
    double hops = unknown;                ///< independent hops behind it (the axis with fewest); or NaN
    double homogenised = unknown;         ///< exact value of a domain [A^2/ps]; or NaN
    double haven = unknown, haven_error = unknown; ///< measured, or used; or NaN
    double theta = unknown, theta_error = unknown; ///< used; or NaN
    double squared_stretch = unknown;              ///< lambda^2 that D was divided by; or NaN
    bool extrapolated = false;                     ///< from a fit outside its temperatures
    std::string source;                            ///< folder or file it is from

    double mean() const { return diffusivity.trace() / 3; } ///< [A^2/ps]
    /// Standard error of log10(trace / 3); NaN when not known.
    double log10_error() const;
};

/// A file that a record was made from.
struct RecordInput {
    std::string path, sha256;
    std::uint64_t bytes = 0;
    bool operator==(const RecordInput&) const = default;
};

/// Where a record comes from.
struct RecordProvenance {
    std::string version, commit;      ///< of the program that built it
    std::vector<std::uint64_t> seeds; ///< of the runs, one each
    std::vector<RecordInput> inputs;
    std::vector<std::string> steps; ///< what was done to the numbers, in words, in order
    bool operator==(const RecordProvenance&) const = default;
};

/// D(x, T) with what is needed to use it rightly.
struct DiffusivityRecord {
    std::string name;
    DiffusivityKind kind = DiffusivityKind::tracer;
    VolumeFrame frame = VolumeFrame::current;
    double x_max = DiffusivityPoint::unknown; ///< x at stoichiometry 1
    double c_max = DiffusivityPoint::unknown; ///< concentration there in the frame [mol/m^3]; or NaN
    ValueRange valid_x, valid_temperature;    ///< where the data are; elsewhere it is extrapolation
    std::vector<ValueRange> masked;           ///< two-phase ranges of x, ascending: no D there
    std::string haven_source, theta_source, frame_source; ///< in words, "" = none
    std::vector<DiffusivityPoint> points;                 ///< by stoichiometry, then temperature
    RecordProvenance provenance;
    std::vector<std::string> warnings;
};

/// D above that is a wrong unit: 1e-7 m^2/s, ten times that of a liquid [A^2/ps].
inline constexpr double largest_diffusivity = 10;

/// Put points in order, fill x or stoichiometry from the other and, where they are empty, the valid ranges.
/// @throws DataError what check_record throws
void complete_record(DiffusivityRecord& record);

/// @throws DataError that names the point: no points; x_max, x, stoichiometry, temperature missing, negative
/// or at odds with each other; a tensor that is not symmetric, has a negative eigenvalue or no trace; D above
/// largest_diffusivity; negative errors; two values at one composition and temperature; points out of order;
/// a point inside a masked range
void check_record(const DiffusivityRecord& record);

/// "stoichiometry 0.4, 300 K"
[[nodiscard]] std::string name_of(const DiffusivityPoint& point);

// One number for an isotropic code

enum class DiffusivityScalar {
    trace,           ///< trace / 3: particles with a fast surface; isotropic crystals
    harmonic,        ///< 3 / sum 1/D_k: single crystals with uniform flux through their surface
    self_consistent, ///< of a polycrystal (meso/bounds.hpp)
    hs_lower,        ///< Hashin-Shtrikman bounds of polycrystals
    hs_upper,
    homogenised, ///< the exact value of a domain, where one was computed
};
[[nodiscard]] const char* name_of(DiffusivityScalar scalar);
[[nodiscard]] DiffusivityScalar diffusivity_scalar(std::string_view name); ///< @throws DataError

/// The scalar [A^2/ps] with its standard error. That of the trace is mean_error; of all others, and of the
/// trace where mean_error is not known, sum_c |dD/dD_c| error_c over the components: what it is when all err
/// together, never too small. NaN when errors are not known.
/// @throws DataError when the homogenised value was asked for and there is none
[[nodiscard]] Estimate scalar_of(const DiffusivityPoint& point, DiffusivityScalar scalar);

// From kind to kind

/// D_J = D* / H. The errors of both add in quadrature.
/// @throws DataError unless the record is of kind tracer and H > 0
[[nodiscard]] DiffusivityRecord to_jump(const DiffusivityRecord& tracer, const Estimate& haven,
                                        const std::string& source);
/// The same with the Haven ratio that each point holds. @throws DataError naming the first that has none
[[nodiscard]] DiffusivityRecord to_jump_as_measured(const DiffusivityRecord& tracer);

/// D~ = D_J Theta. Points inside the masked ranges of Theta are left out, which is said in `warnings`.
/// @throws DataError unless the record is of kind jump; all points masked; outside the range of Theta
[[nodiscard]] DiffusivityRecord to_chemical(const DiffusivityRecord& jump, const ThermodynamicFactor& theta);

/// D_ref = D / lambda^2 with the uniform stretch lambda = ratio^(1/3).
/// @param volume_ratio  volume per host atom at x over that of the host without lithium, >= 1 for swelling
/// @param c_max         concentration at x_max in the reference frame [mol/m^3]; NaN = not known
/// @throws DataError unless the record is in the current frame and the ratio is > 0
[[nodiscard]] DiffusivityRecord to_reference_frame(const DiffusivityRecord& current,
                                                   const std::function<double(double x)>& volume_ratio,
                                                   const std::string& source, double c_max);

// On grids and lines

/// A record whose points are all pairs of its stoichiometries and temperatures: point (i, j) is
/// points[i * temperature.size() + j].
struct DiffusivityGrid {
    std::vector<double> stoichiometry, temperature;
};
/// @throws DataError naming the first hole
[[nodiscard]] DiffusivityGrid regular_grid(const DiffusivityRecord& record);

/// D = D_ref(s) exp(Ea / k_B (1/T_ref - 1/T)) with one Ea for all stoichiometries, weighted least squares.
struct CommonArrhenius {
    Estimate energy; ///< Ea [eV]; error NaN when errors of D are not known
    double reference_temperature = 0;
    std::vector<double> stoichiometry;
    std::vector<Estimate> value;   ///< D at T_ref [A^2/ps], with the error of the line
    ValueRange temperature;        ///< of the data
    double chi_squared = 0, p = 1; ///< about all lines together; NaN p without degrees of freedom or errors
    bool extrapolates = false;     ///< T_ref lies outside the data
};
/// Where errors are not known all points count the same. Stoichiometries of one temperature take Ea from the
/// others.
/// @throws DataError no stoichiometry with two temperatures
[[nodiscard]] CommonArrhenius common_arrhenius(const DiffusivityRecord& record, DiffusivityScalar scalar,
                                               double reference_temperature);

/// The record at other temperatures. Where it has a point at that temperature this is kept; elsewhere the
/// matrix logarithm of D is fitted linearly in 1/T at each stoichiometry (D stays positive, each principal
/// value follows Arrhenius where axes are fixed), weighted by the error of the mean, and points outside the
/// data are marked. Errors: that of the Arrhenius line through trace / 3, relative.
/// @throws DataError a stoichiometry with one temperature only, a tensor with an eigenvalue of zero
[[nodiscard]] DiffusivityRecord at_temperatures(const DiffusivityRecord& record,
                                                const std::vector<double>& temperatures);

} // namespace mesolith
