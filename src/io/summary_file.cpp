#include "mesolith/io/summary_file.hpp"

#include <cmath>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "mesolith/core/error.hpp"
#include "mesolith/io/file.hpp"

namespace mesolith {
namespace {

using nlohmann::json;

double number_in(const json& object, const char* key) {
    const json& value = object.at(key);
    return value.is_null() ? std::nan("") : value.get<double>();
}

std::string text_in(const json& object, const char* key) { return object.at(key).get<std::string>(); }

} // namespace

SummaryFile read_summary_file(const std::string& path) {
    const std::string text = read_text_file(path);
    SummaryFile summary;
    try {
        const json root = json::parse(text);
        summary.name = text_in(root, "name");
        summary.verdict = text_in(root, "verdict");
        for (const json& r : root.at("results"))
            summary.results.push_back({text_in(r, "key"), text_in(r, "unit"), text_in(r, "text"),
                                       number_in(r, "value"), number_in(r, "error")});
        for (const json& c : root.at("checks"))
            summary.checks.push_back({text_in(c, "name"), text_in(c, "verdict"), number_in(c, "value")});
    } catch (const json::exception& error) {
        throw FileError(fmt::format("{}: not the summary of a run ({}). Run it again", path, error.what()));
    }
    return summary;
}

} // namespace mesolith
