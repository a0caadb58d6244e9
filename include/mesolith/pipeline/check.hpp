#pragma once
#include <string>

#include "mesolith/config/config.hpp"

namespace mesolith {

/// `mesolith check`: opens every input, places the sites, maps frames for half a second, and tells what a run
/// would take. Writes nothing.
/// @throws InputError, FileError as the run would
[[nodiscard]] std::string check_run(const Config& config);

/// `mesolith info`: what a trajectory or a result of mesolith holds.
struct InfoOptions {
    std::string format = "auto", cell_file;
};
[[nodiscard]] std::string describe_file(const std::string& path, const InfoOptions& options = {});

} // namespace mesolith
