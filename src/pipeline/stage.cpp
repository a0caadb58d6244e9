#include "stage.hpp"

#include <filesystem>

#include <spdlog/spdlog.h>

#include "mesolith/pipeline/stages.hpp"

namespace mesolith {
namespace fs = std::filesystem;

RunFiles::RunFiles(const std::string& name) : folder(name) {
    const auto in_folder = [&](const char* file) { return (fs::path(folder) / file).string(); };
    md = in_folder("md.h5");
    sites = in_folder("sites.h5");
    msm = in_folder("msm.h5");
    meso = in_folder("meso.h5");
    summary = in_folder("summary.json");
    report = in_folder("report.html");
}

std::optional<Provenance> existing_result(const std::string& path) {
    if (!fs::exists(path)) return std::nullopt;
    try {
        return read_provenance(Hdf5File::open(path));
    } catch (const Error& error) {
        spdlog::warn("{} is made again: {}", path, error.what());
        return std::nullopt;
    }
}

Provenance new_provenance(const Config& config, const std::string& stage, std::vector<InputFile> inputs,
                          const std::string& previous_fingerprint) {
    Provenance p;
    p.stage = stage;
    p.seed = static_cast<std::uint64_t>(config.run.seed);
    p.config = to_toml(config);
    p.fingerprint = fingerprint_of(stage, stage_options(config, stage), inputs, previous_fingerprint);
    p.previous = previous_fingerprint;
    p.inputs = std::move(inputs);
    return p;
}

bool is_up_to_date(const std::optional<Provenance>& existing, const Provenance& fresh,
                   const std::string& path) {
    if (!existing || existing->fingerprint != fresh.fingerprint) return false;
    spdlog::info("{}: nothing has changed, {} is kept", fresh.stage, path);
    for (const std::string& warning : existing->warnings) spdlog::warn("{}", warning);
    return true;
}

void warn(std::vector<std::string>& warnings, const std::string& text) {
    spdlog::warn("{}", text);
    warnings.push_back(text);
}

Hdf5File open_result(const std::string& path, const std::string& stage) {
    if (!fs::exists(path))
        throw InputError(path + ": no such file (this stage reads it). Run `mesolith " + stage +
                         "` first, or `mesolith run`");
    return Hdf5File::open(path);
}

StageProgress::StageProgress(const std::string& title) {
    if (spdlog::should_log(spdlog::level::info)) shown_.emplace(title);
}

} // namespace mesolith
