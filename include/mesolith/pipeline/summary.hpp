#pragma once
#include <optional>
#include <string>
#include <vector>

#include "mesolith/pipeline/analysis_file.hpp"

namespace mesolith {

/// D of the walkers, where none come and go, beside the exact one of their domain.
struct WalkerHeadline {
    std::int64_t n_walkers = 0;
    double total_time = 0; ///< [ps]
    bool displacements = false;
    Vec3 diffusivity = Vec3::Zero(), error = Vec3::Zero(), z = Vec3::Zero(); ///< [A^2/ps]
};

/// A lattice gas at one temperature; of all mobile ions together where there are several species. NaN where
/// something is not known.
struct GasHeadline {
    double temperature = 0; ///< [K]
    double n_ions = 0, vacancy_fraction = 0;
    std::int64_t n_replicas = 0;
    double total_time = 0; ///< [ps]
    bool displacements = false;
    Estimate tracer, collective, haven, correlation, theta, chemical;      ///< means of the axes [A^2/ps]
    Estimate conductivity, conductivity_tracer;                            ///< [S/m]
    Mat3 tracer_tensor = Mat3::Zero(), tracer_tensor_error = Mat3::Zero(); ///< [A^2/ps]
    Mat3 collective_tensor = Mat3::Zero(), collective_tensor_error = Mat3::Zero(); ///< [A^2/ps]
    std::int64_t hops = 0;                  ///< of all ions in all replicas, at all temperatures
    std::optional<double> single;           ///< exact D of a single ion, mean of the axes
    std::optional<double> exact_collective; ///< exact D_J, mean of the axes
    double z = 0;                           ///< (D_J - exact) / error
};

/// What the mesoscale stage found.
struct MesoHeadline {
    std::vector<std::int64_t> cells;
    std::vector<double> size; ///< [A]
    std::int64_t n_sites = 0;
    bool homogenised = false;
    std::optional<Vec3> exact;     ///< D of the domain [A^2/ps]
    std::optional<double> flux;    ///< D of the steady flux [A^2/ps]
    std::optional<double> passage; ///< mean time until an ion leaves [ps]
    std::optional<WalkerHeadline> walkers;
    std::vector<GasHeadline> gas;     ///< one for each temperature
    std::optional<double> mass_error; ///< of the field
    std::string engine;               ///< of the field
};

/// The results of a run, read from its files; parts that are not there are empty.
struct RunSummary {
    std::string name, folder;
    std::string version, commit;
    std::optional<MarkovHeadline> markov;
    std::optional<MesoHeadline> meso;
    std::vector<Check> checks; ///< of all stages
    std::vector<std::string> files;

    Verdict verdict() const; ///< the worst of all checks
};
[[nodiscard]] RunSummary read_summary(const std::string& name, const std::string& folder);

/// summary.json (docs/files.md).
[[nodiscard]] std::string to_json(const RunSummary& summary);

/// The same for people: D with error bars in A^2/ps and m^2/s, hops behind each axis, lags, checks.
[[nodiscard]] std::string to_text(const RunSummary& summary);

/// "0.0205 ± 0.0012": value and error to two digits of the error.
[[nodiscard]] std::string with_error(double value, double error);

} // namespace mesolith
