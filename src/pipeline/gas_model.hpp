#pragma once
// The lattice gas of an input file, before it runs.
#include <optional>
#include <string>
#include <vector>

#include "mesolith/meso/lattice_gas.hpp"
#include "mesolith/observables/gas_statistics.hpp"
#include "mesolith/pipeline/domain_model.hpp"

namespace mesolith {

/// A time at one temperature. Rates differ from one to the next, sites and ions do not.
struct GasStep {
    double begin = 0, end = 0;         ///< [ps], the equilibration is outside of the first one only
    std::optional<double> temperature; ///< [K]; none: rates were given, and nothing needs it
    double equilibration = 0;          ///< [ps], before the first frame
    GasPlan plan;
    LatticeGas gas;
    std::vector<MaterialSource> sources;

    std::int64_t equilibration_intervals() const; ///< of at most a frame interval each
};

struct GasModel {
    std::vector<std::int64_t> n_per_species;
    std::vector<GasStep> steps;

    const Domain& domain() const { return steps.front().gas.domain; }
    std::int64_t n_ions() const;
    bool closed() const { return !domain().open(); }
    /// The species, when all ions that are there are of it; none when there are several.
    std::optional<std::size_t> only_species() const;
};

/// @param model  of the first temperature
/// @throws InputError when ions do not fit, pair energies lack a temperature or a pair, or a schedule of
/// temperatures changes nothing
[[nodiscard]] GasModel build_gas(const Config& config, const DomainModel& model);

/// Temperature of the first step, where [meso.gas] has a schedule.
[[nodiscard]] std::optional<double> first_temperature(const Config& config);

/// Theta of ions that only block each other; none with pair energies or several species.
[[nodiscard]] std::optional<double> exact_thermodynamic_factor(const GasModel& model, const GasStep& step);

/// D_J(M, N) = (M - N) / (M - 1) D of a single ion, of ions that only block each other on sites of equal
/// energy; none otherwise.
[[nodiscard]] std::optional<Mat3> exact_collective(const GasModel& model, const GasStep& step,
                                                   const std::optional<Mat3>& single);

} // namespace mesolith
