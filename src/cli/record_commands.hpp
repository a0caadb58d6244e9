#pragma once
// record and export: from results to continuum codes.
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "mesolith/pipeline/diffusivity_record.hpp"

namespace mesolith {

struct RecordArguments {
    std::vector<std::string> sources;
    RecordOptions record;
    std::string kind, frame; ///< "" = not given
    std::string file, target, scalar = "trace", out;
    std::vector<double> guest_stoichiometry;
    ExportOptions exported;
};

void add_record_commands(CLI::App& app, RecordArguments& arguments);
bool is_record_command(const std::string& command);
/// What goes to standard output.
std::string run_record_command(const std::string& command, const RecordArguments& arguments);

} // namespace mesolith
