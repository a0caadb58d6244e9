#pragma once
#include <optional>
#include <string>
#include <vector>

#include "mesolith/config/config.hpp"
#include "mesolith/io/store.hpp"
#include "mesolith/meso/hop_rules.hpp"
#include "mesolith/pipeline/analysis_file.hpp"

namespace mesolith {

/// Where a material comes from, and what it is.
struct MaterialSource {
    std::string name;
    std::string source;                ///< in words, for the log and the report
    Mat3 diffusivity = Mat3::Zero();   ///< exact, of the material as it is used [A^2/ps]
    double lag_time = 0;               ///< of the source [ps]
    std::optional<double> temperature; ///< at which the rates of a hop list were taken [K]
};

/// The domain of an input file, with all that is known of it before anything runs.
struct DomainModel {
    Domain domain;
    HopRules rules;
    std::vector<MaterialSource> sources;
    std::vector<std::int64_t> region_cells;
    double balance_error = 0, conservation_error = 0;
    ModelStatus status;            ///< not Markovian when one of its models is not
    std::vector<InputFile> inputs; ///< kernels, labels
    std::string previous;          ///< fingerprint of the Markov model of the run, "" when not used
    std::vector<std::string> warnings;

    /// One kernel in a periodic block: exact MSD and F_s are known.
    const Kernel& kernel() const { return domain.materials.front().kernel; }
};

/// Read kernels, bring them to one lag, paint regions, make hop rules.
/// With occupancy "exclusion" every material has to be a hop list with detailed balance; barriers are taken
/// at the temperature of the run where there is one, else at that of the list.
/// @param temperature  instead of that of the run [K]
/// @throws InputError, ConfigError, DataError
[[nodiscard]] DomainModel build_domain(const Config& config, std::optional<double> temperature = {});

/// Cells, sites, interfaces, balance, in lines.
[[nodiscard]] std::string describe(const DomainModel& model);

} // namespace mesolith
