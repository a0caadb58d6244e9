#pragma once
#include <optional>
#include <string>
#include <vector>

#include "mesolith/io/continuum_files.hpp"
#include "mesolith/observables/diffusivity_record.hpp"

namespace mesolith {

/// What runs, sweeps and tables do not say of themselves.
struct RecordOptions {
    std::string name;
    std::vector<double> x;                     ///< one for all runs, or one per run
    std::vector<double> stoichiometry;         ///< the same; one of both
    std::vector<double> temperatures;          ///< one per run [K]; empty: those of the runs
    double x_full = DiffusivityPoint::unknown; ///< lithium per host atom of a lattice gas without vacancies
    double x_max = DiffusivityPoint::unknown;
    double c_max = DiffusivityPoint::unknown; ///< [mol/m^3]
    std::optional<DiffusivityKind> kind;      ///< of tables and sweeps; runs are tracer, records know theirs
    std::optional<VolumeFrame> frame;         ///< default: current
    std::string unit;                         ///< of D in tables whose columns do not tell
    std::vector<double> two_phase;            ///< ranges of x, low and high one after the other
};

/// One point of a record from the folder of a finished run: D at the chosen lag with errors and hops, the
/// Haven ratio of the trajectory where it was measured, the homogenised D of its domain where there is one.
/// Composition is left open.
struct RunPoint {
    DiffusivityPoint point;
    std::vector<RecordInput> inputs;
    std::uint64_t seed = 0;
    std::vector<std::string> warnings;
};
/// @throws InputError no msm.h5, no temperature
[[nodiscard]] RunPoint point_of_run(const std::string& folder, std::optional<double> temperature = {});

/// Points of a record from lattice gases (occupancy = "exclusion"), one per composition and temperature:
/// tensor with errors, Haven ratio, thermodynamic factor where it is in D, hops of all ions.
struct GasPoints {
    DiffusivityKind kind = DiffusivityKind::chemical;
    std::vector<DiffusivityPoint> points;
    std::string haven_source, theta_source;
    std::string step; ///< for the provenance: from where, with version and seed, and the rule for x
    std::vector<RecordInput> inputs;
    std::uint64_t seed = 0;
    std::vector<std::string> warnings; ///< holes by name: points that failed or have not run
};
/// @param source  sweep.h5, its folder, or the folder of one run
/// @param kind    none: chemical, which needs Theta at each point
/// @param x_full  lithium per host atom when no site is vacant: x = x_full (1 - vacancy fraction)
/// @throws InputError damaged, no lattice gases, no Theta though it is needed, no x_full, no point is done
[[nodiscard]] GasPoints points_of_gases(const std::string& source, std::optional<DiffusivityKind> kind,
                                        double x_full);

/// Whether the folder is that of a run of a lattice gas without a Markov model.
/// @throws FileError when its meso.h5 is damaged
[[nodiscard]] bool is_gas_run(const std::string& folder);

/// Points of a table with columns x or stoichiometry; temperature [K]; D with its unit, or D_xx ... D_xy;
/// error, relative error or standard error of log10 D; hops (docs/continuum.md).
/// @param unit  "m2/s", "cm2/s" or "A2/ps", for a table that does not tell
/// @throws InputError naming line and column
[[nodiscard]] std::vector<DiffusivityPoint> read_diffusivity_table(const std::string& path,
                                                                   const std::string& unit = {});

/// A record from folders of runs, sweeps, CSV tables and other records, in any mixture of one kind and frame.
/// @throws InputError that names the source: no composition, x_max unknown or different, kinds that differ,
/// everything check_record complains of
[[nodiscard]] DiffusivityRecord build_record(const std::vector<std::string>& sources,
                                             const RecordOptions& options);

/// Version and commit of this program, and a checksum of each file, into the provenance.
void add_provenance(DiffusivityRecord& record, const std::vector<std::string>& files);

/// How a record is turned into what a code wants, in this order: temperatures, Haven ratio, Theta, frame.
struct ExportOptions {
    ContinuumOptions file;
    std::vector<double> temperatures; ///< [K], from Arrhenius fits; empty: those of the record
    std::string haven;                ///< "0.7", "0.7,0.05" (with its error) or "measured"
    std::string theta;                ///< the same two, or a CSV of Theta or of the voltage
    std::string volume_ratio;         ///< a number or a CSV (x, volume ratio): into the reference frame
    double c_max = DiffusivityPoint::unknown; ///< in the frame of the export [mol/m^3]
};
/// @throws InputError what is missing or wrong, in one line
[[nodiscard]] DiffusivityRecord convert_record(const DiffusivityRecord& record, const ExportOptions& options);

/// Theta of an option or file: columns x or stoichiometry, and theta (with error, temperature [K]) or U [V].
/// @throws InputError
[[nodiscard]] ThermodynamicFactor read_thermodynamic_factor(const std::string& text, double x_max);

/// convert_record and continuum_files, written. @return what was written and what to know about it
[[nodiscard]] ContinuumFiles export_record(const DiffusivityRecord& record, const std::string& out,
                                           const ExportOptions& options);

/// The record as a table for people.
[[nodiscard]] std::string to_text(const DiffusivityRecord& record);

} // namespace mesolith
