#pragma once
#include <optional>
#include <string>
#include <vector>

#include "mesolith/config/config.hpp"
#include "mesolith/msm/generator.hpp"

namespace mesolith {

/// Hops with rates or barriers (NEB, transition-state theory, another code), in continuous time.
struct HopList {
    std::string name;
    Generator generator;
    std::optional<double> temperature; ///< [K], where barriers or site energies were given
    std::vector<std::string> warnings; ///< islands of sites
};

/// Read a hop list, TOML (docs/kernels.md): [crystal], [rates] and one [[hop]] for each kind of hop. A rate
/// is given, or prefactor exp(-barrier / kT). A hop whose reverse is missing gets the one of detailed
/// balance, pi ~ exp(-site energy / kT).
/// @param set  "key=value" of the command line; they win over the file
/// @param temperature  of lists that have none of their own [K]
/// @throws ConfigError with all problems at once: unknown keys, wrong types, sites that do not exist, hops
/// given twice, hops that contradict the site energies, barriers below the site they lead to
[[nodiscard]] HopList read_hop_list(const std::string& path, const std::vector<std::string>& set = {},
                                    std::optional<double> temperature = std::nullopt);

/// The same from text; `path` is for messages and relative files only.
[[nodiscard]] HopList parse_hop_list(const std::string& text, const std::string& path,
                                     const std::vector<std::string>& set = {},
                                     std::optional<double> temperature = std::nullopt);

} // namespace mesolith
