#include "mesolith/config/config.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include <fmt/format.h>

namespace mesolith {
namespace fs = std::filesystem;

double MarkovSection::longest_msd_lag() const {
    if (msd_max_lag > 0) return msd_max_lag;
    double longest = fit_window[1];
    for (const double lag : lag_times) longest = std::max(longest, lag);
    return 2 * longest;
}

namespace {

std::string replace_variables(const std::string& text) {
    std::string out;
    for (std::size_t i = 0; i < text.size();) {
        const std::size_t end = text.compare(i, 2, "${") == 0 ? text.find('}', i) : std::string::npos;
        if (end == std::string::npos) {
            out += text[i++];
            continue;
        }
        const std::string name = text.substr(i + 2, end - i - 2);
        const char* value = std::getenv(name.c_str());
        if (value == nullptr)
            throw InputError(
                fmt::format("the environment variable {} is not set (it stands in \"{}\"). Set it, "
                            "or write the path itself",
                            name, text));
        out += value;
        i = end + 1;
    }
    return out;
}

} // namespace

std::string Config::resolve(const std::string& file) const {
    if (file.empty()) return file;
    return (fs::path(folder) / replace_variables(file)).lexically_normal().string();
}

std::string Config::md_trajectory(std::int64_t replica) const {
    return fs::absolute(fmt::format("{}/md/replica_{}.h5md", run.output, replica))
        .lexically_normal()
        .string();
}

std::string Config::md_events(std::int64_t replica) const {
    return fs::absolute(fmt::format("{}/md/replica_{}.events.h5", run.output, replica))
        .lexically_normal()
        .string();
}

std::vector<std::string> Config::streamed_replicas() const {
    std::vector<std::string> files;
    for (std::int64_t k = 0; streams() && k < md->n_replicas; ++k)
        if (std::string made = md_events(k); fs::exists(made)) files.push_back(std::move(made));
    return files;
}

std::vector<TrajectorySection> Config::present_trajectories() const {
    std::vector<TrajectorySection> present;
    for (const TrajectorySection& t : trajectories) {
        if (t.optional) {
            try {
                if (!fs::exists(resolve(t.file))) continue;
            } catch (const InputError&) {
                continue; // a variable that is not set: no such file here
            }
        }
        present.push_back(t);
    }
    for (std::int64_t k = 0; md && !streams() && k < md->n_replicas; ++k) {
        // A replica that failed has no trajectory.
        if (const std::string made = md_trajectory(k); fs::exists(made)) {
            present.emplace_back();
            present.back().file = made;
            present.back().format = "h5md";
        }
    }
    return present;
}

ConfigError::ConfigError(std::vector<std::string> problems)
    : InputError(fmt::format("{}", fmt::join(problems, "\n"))), problems_(std::move(problems)) {}

bool Config::needs_model() const {
    if (!trajectories.empty() || md || !meso) return true;
    if (meso->occupancy == Occupancy::exclusion) return false; // hop lists only
    if (meso->materials.empty()) return true;
    return std::any_of(meso->materials.begin(), meso->materials.end(),
                       [](const MaterialSection& m) { return m.kernel.empty() && m.diffusivity.empty(); });
}

} // namespace mesolith
