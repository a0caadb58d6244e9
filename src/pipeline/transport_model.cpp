#include "mesolith/pipeline/transport_model.hpp"

#include <filesystem>

#include "mesolith/config/hop_list.hpp"
#include "mesolith/io/file.hpp"
#include "mesolith/io/hdf5.hpp"
#include "mesolith/io/kernel_file.hpp"
#include "mesolith/pipeline/stages.hpp"

namespace mesolith {
namespace {

namespace fs = std::filesystem;

/// JSON starts with a brace, TOML never does.
bool looks_like_json(const std::string& text) {
    const std::size_t first = text.find_first_not_of(" \t\r\n");
    return first != std::string::npos && text[first] == '{';
}

TransportModel from_kernel(NamedKernel named, const std::string& path) {
    if (named.name.empty()) named.name = fs::path(path).stem().string();
    return {std::move(named.name), std::move(named.kernel), std::nullopt, std::nullopt,
            std::move(named.warnings)};
}

} // namespace

TransportModel read_transport_model(const std::string& path, const std::vector<std::string>& set,
                                    std::optional<double> temperature) {
    if (fs::is_directory(path)) {
        const std::string file = RunFiles(path).msm;
        if (!fs::exists(file))
            throw InputError(path +
                             ": expected the folder of a run, got one without a msm.h5. Run `mesolith msm` "
                             "first, or name a file");
        return from_kernel(read_kernel_file(file), path);
    }
    const bool binary = is_hdf5_file(path) || path.ends_with(".h5") || path.ends_with(".hdf5");
    const std::string text = binary ? "" : read_text_file(path);
    const bool json = path.ends_with(".json") || (!path.ends_with(".toml") && looks_like_json(text));
    if (binary) return from_kernel(read_kernel_file(path), path);
    if (json) return from_kernel(parse_kernel_json(text, path), path);
    HopList list = parse_hop_list(text, path, set, temperature);
    TransportModel model{std::move(list.name), kernel_from_generator(list.generator), std::nullopt,
                         list.temperature, std::move(list.warnings)};
    model.generator = std::move(list.generator);
    return model;
}

} // namespace mesolith
