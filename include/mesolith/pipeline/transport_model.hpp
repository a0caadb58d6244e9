#pragma once
#include <optional>
#include <string>
#include <vector>

#include "mesolith/msm/generator.hpp"

namespace mesolith {

/// Anything that says how ions hop: a kernel, or rates in continuous time.
struct TransportModel {
    std::string name;
    Kernel kernel;                      ///< of rates: uniformised (kernel_from_generator)
    std::optional<Generator> generator; ///< of a hop list
    std::optional<double> temperature;  ///< [K], where the file tells it
    std::vector<std::string> warnings;
};

/// Read a kernel file (JSON, HDF5), a hop list (TOML), a msm.h5, or the msm.h5 of the folder of a run; the
/// contents decide.
/// @param set  "key=value" for hop lists
/// @param temperature  for hop lists that have none of their own [K]
/// @throws InputError, ConfigError (read_kernel_file, read_hop_list)
[[nodiscard]] TransportModel read_transport_model(const std::string& path,
                                                  const std::vector<std::string>& set = {},
                                                  std::optional<double> temperature = std::nullopt);

} // namespace mesolith
