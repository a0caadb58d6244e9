#pragma once
#include <filesystem>

namespace mesolith {

/// The file of the program that runs, links followed; empty when the system does not tell.
[[nodiscard]] std::filesystem::path program_path();

} // namespace mesolith
