#pragma once
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

namespace mesolith {

/// Commands that answer at once for a kernel or hop list in a file: diffusivity, spectrum, export-kernel.
struct KernelArguments {
    std::string file, out;
    std::vector<double> kappa{0, 0, 0};
    bool json = false;
};

void add_kernel_commands(CLI::App& app, KernelArguments& arguments);
bool is_kernel_command(const std::string& command);

/// What the command prints. Warnings go to the log.
/// @param set  "key=value" for hop lists
/// @throws InputError, ConfigError for input that is none
std::string run_kernel_command(const std::string& command, const KernelArguments& arguments,
                               const std::vector<std::string>& set);

} // namespace mesolith
