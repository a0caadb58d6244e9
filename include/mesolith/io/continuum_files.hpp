#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mesolith/observables/diffusivity_record.hpp"

namespace mesolith {

/// Codes that open a diffusivity (docs/continuum.md).
enum class ContinuumTarget { pybamm, bpx, battmo, battmo_jl, moose, comsol, csv };
[[nodiscard]] const char* name_of(ContinuumTarget target);             ///< "pybamm", ..., "battmo.jl", ...
[[nodiscard]] ContinuumTarget continuum_target(std::string_view name); ///< @throws DataError
/// Solves Fick's law in the concentration: all but csv.
[[nodiscard]] bool is_fickian(ContinuumTarget target);
/// As its users write it: "PyBaMM".
[[nodiscard]] const char* display_name(ContinuumTarget target);

struct ContinuumOptions {
    ContinuumTarget target = ContinuumTarget::csv;
    DiffusivityScalar scalar = DiffusivityScalar::trace;
    double reference_temperature = 298.15;        ///< of BPX; that of BattMo, which hands over none [K]
    std::string electrode = "Negative electrode"; ///< section of BPX
    std::string particle;                         ///< of a blended electrode in BPX, "" = single material
    /// BattMo hands over (stoichiometry - first) / (second - first): its guestStoichiometry0 and 100.
    std::optional<std::pair<double, double>> guest_stoichiometry;
};

struct ContinuumFile {
    std::string path, text;
};
struct ContinuumFiles {
    std::vector<ContinuumFile> files;
    std::vector<std::string> warnings; ///< extrapolation, curvature, frame
};

/// What a record becomes for one code, in m^2/s and kelvin; every file says what kind of D it holds, in which
/// frame, where it is valid and what was done to it.
/// @param out  the file; battmo makes STEM.m and STEM.json of it, battmo.jl STEM.jl and STEM.json
/// @throws DataError for all of these: a Fickian target and a record that is not chemical, naming what is
/// missing; a hole in the grid of pybamm, battmo, battmo.jl, moose; one temperature for bpx that is not its
/// reference temperature; a stem that is no function name (battmo, battmo.jl)
[[nodiscard]] ContinuumFiles continuum_files(const DiffusivityRecord& record, const std::string& out,
                                             const ContinuumOptions& options);

} // namespace mesolith
