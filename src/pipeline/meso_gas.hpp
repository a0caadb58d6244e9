#pragma once
// Exclusion kinetic Monte Carlo as a part of the mesoscale stage: run, compare, write.
#include <optional>
#include <string>
#include <vector>

#include "checkpointing.hpp"
#include "gas_model.hpp"
#include "meso_cost.hpp"

namespace mesolith {

/// What came out at one temperature.
struct GasStepResult {
    double begin = 0, end = 0; ///< of the time that was measured [ps]
    GasAverages averages;
    std::vector<double> time; ///< of frames [ps]
    /// Means over replicas [frame][...]: ions of each species; per layer along the profile axis, where the
    /// domain is not a crystal; in and out since the first frame, 12 faces, of open domains.
    std::vector<double> ions, profile, exchange;
    std::optional<Mat3> single;           ///< exact D of a single ion in the empty lattice [A^2/ps]
    std::optional<Mat3> exact_collective; ///< exact D_J
    std::optional<Estimate> theta;        ///< thermodynamic factor
    std::string theta_method;             ///< in words; why there is none
    std::string solver, reason;           ///< and why it was chosen
    std::vector<GasClass> classes;
    std::vector<GasShell> shells;
};

struct GasRun {
    std::int64_t n_replicas = 0;
    std::vector<GasStepResult> steps;
    GasEvents events; ///< of all replicas
    bool stopped_early = false;
    double seconds = 0;

    double hops_per_second() const;
};

/// Sites, ions, temperatures in lines.
[[nodiscard]] std::string describe(const GasModel& model, const Config& config);

[[nodiscard]] MesoCost estimate_cost(const GasModel& model, const Config& config);

/// Replicas side by side. Bits depend neither on threads nor on stops in between.
/// @param single  D of a single ion in the empty lattice, where it is known, one for each temperature
/// @throws Stopped with a checkpoint
[[nodiscard]] GasRun run_gas(const Config& config, const GasModel& model,
                             const std::vector<std::optional<Mat3>>& single, Checkpointing& checkpointing);

/// The group gas of meso.h5.
void write(Hdf5Group& root, const GasRun& run, const GasModel& model, const Config& config);

/// gas.csv: one row per temperature and kind of ions.
void write_gas_table(const std::string& path, const GasRun& run, const GasModel& model, const Config& config);

} // namespace mesolith
