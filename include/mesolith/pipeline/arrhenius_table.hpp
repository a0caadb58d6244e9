#pragma once
#include <string>
#include <vector>

#include "mesolith/io/store.hpp"
#include "mesolith/observables/arrhenius.hpp"
#include "mesolith/pipeline/arrhenius.hpp"
#include "mesolith/pipeline/sweep.hpp"

namespace mesolith {

/// The line of one quantity over temperature.
struct TableFit {
    std::string quantity, unit;
    std::string where; ///< values of the other swept keys, "vacancy_fraction = 0.02, n = 5"; "" without any
    bool from_scatter =
        false; ///< the values had no errors: those of the line are from their scatter about it
    ArrheniusFit fit;
};

/// Fits of a sweep, or of a table.
struct ArrheniusTable {
    std::string source; ///< file
    std::vector<TableFit> fits;
    std::vector<InputFile> inputs;
    std::vector<std::string> warnings;
};

/// One fit for each result in A^2/ps, 1/ps or S/m and each combination of the other swept keys; off-diagonal
/// components are not fitted. Points that are not done or not positive are left out, with a warning. Exact
/// values, those without errors, need three temperatures.
/// @throws InputError  no temperature is swept, or two that differ
[[nodiscard]] std::vector<TableFit> fit_temperatures(const SweepResults& results,
                                                     std::vector<std::string>& warnings);

/// The index of the swept temperature ("...temperature_K"), or -1 when none is.
[[nodiscard]] int temperature_column(const SweepResults& results);

/// Of sweep.h5, of the folder that holds it, or of a CSV table.
/// @throws InputError  as fit_temperatures, and nothing that can be fitted; ConfigError  rows of a table
[[nodiscard]] ArrheniusTable fit_table(const std::string& path);

/// Whether the path is one for fit_table, not the folder of a run.
[[nodiscard]] bool is_arrhenius_table(const std::string& path);

/// A table of the user's: a header "T [K], D [m^2/s], error" with the names of the quantities, then numbers;
/// each quantity has a column of values and one of standard errors. Separated by commas, semicolons, tabs or
/// blanks; lines that start with # and empty ones do not count.
/// @throws ConfigError  with all bad rows: "FILE:LINE: expected ..., got ..."
[[nodiscard]] std::vector<TableFit> fit_csv(const std::string& text, const std::string& path,
                                            std::vector<std::string>& warnings);

/// HDF5 as write_arrhenius_file, without runs and hops.
void write_arrhenius_file(const std::string& path, const ArrheniusTable& table);
/// @param at  temperatures at which values are wanted [K]
[[nodiscard]] std::string to_json(const ArrheniusTable& table, const std::vector<double>& at);
[[nodiscard]] std::string to_text(const ArrheniusTable& table, const std::vector<double>& at);

/// The fits of runs in the same form, for values at given temperatures.
[[nodiscard]] ArrheniusTable as_table(const ArrheniusResult& result);

/// "D_xx at 298.15 K: (1.2 ± 0.4)e-5 angstrom^2/ps, extrapolated", a line for each fit and temperature.
[[nodiscard]] std::string values_at(const std::vector<TableFit>& fits, const std::vector<double>& at);

} // namespace mesolith
