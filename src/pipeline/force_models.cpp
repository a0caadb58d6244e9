#include "mesolith/pipeline/force_models.hpp"

#include <algorithm>
#include <filesystem>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "mesolith/io/mace_file.hpp"
#include "mesolith/mace/torch_mace.hpp"
#include "mesolith/md/native_mace.hpp"

namespace mesolith {
namespace {

namespace fs = std::filesystem;

constexpr double same_model = 1e-3; // [eV/A]

bool is_folded(const std::string& path) { return fs::path(path).extension() == ".h5"; }

/// Names that the same model may have for the other evaluator, the best first.
std::vector<std::string> names_beside(const std::string& path, ForcePrecision precision) {
    const fs::path file(path);
    std::string stem = file.stem();
    if (is_folded(path)) {
        const bool single = precision == ForcePrecision::single_precision;
        return {(file.parent_path() / (stem + (single ? "-float32.pt" : "-float64.pt"))).string(),
                (file.parent_path() / (stem + (single ? "-float64.pt" : "-float32.pt"))).string()};
    }
    for (const char* ending : {"-float32", "-float64"})
        if (stem.ends_with(ending)) stem.resize(stem.size() - std::string_view(ending).size());
    return {(file.parent_path() / (stem + ".h5")).string()};
}

std::string file_beside(const std::string& path, ForcePrecision precision) { // "" when there is none
    for (const std::string& name : names_beside(path, precision))
        if (fs::exists(name)) return name;
    return "";
}

MacePrecision mace_precision(ForcePrecision precision) {
    return precision == ForcePrecision::single_precision ? MacePrecision::single_precision
                                                         : MacePrecision::double_precision;
}

ForceModel open_native(const std::string& path, ForcePrecision precision, const char* why) {
    FoldedMace model = read_folded_mace(path);
    ForceModel opened;
    opened.field = std::make_unique<NativeMace>(model, mace_precision(precision));
    opened.statement = fmt::format("{} ({})", opened.field->description(), why);
    if (model.self_test) {
        const double difference = force_difference(*opened.field, *model.self_test);
        // Rounding of float, beside what folding costs.
        const double allowed =
            2 * model.force_error + (precision == ForcePrecision::single_precision ? 1e-4 : 1e-8);
        if (!(difference <= allowed))
            throw FileError(
                fmt::format("{}: its forces on the frame in it differ by {:.2g} eV/A from those of the "
                            "original (at most {:.2g} expected). Export the model again",
                            path, difference, allowed));
        opened.statement +=
            fmt::format("; within {:.1g} eV/A of the original on the frame in the file", difference);
    }
    return opened;
}

} // namespace

std::string force_model_file(const std::string& path, const ForceModelOptions& options) {
    if (!fs::exists(path))
        throw InputError(path + ": no such file. A model is exported by tools/export_mace.py");
    const std::string kind = fs::path(path).extension();
    if (kind == ".model")
        throw InputError(path + ": is a Python pickle. Export it once: tools/export_mace.py " + path +
                         " --out PREFIX");
    if (kind != ".h5" && kind != ".pt")
        throw InputError(path +
                         ": unknown kind of model (known: .h5, folded, and .pt, TorchScript). Export the "
                         "model: tools/export_mace.py NAME.model --out PREFIX");
    if (options.evaluator == EvaluatorOption::automatic ||
        (options.evaluator == EvaluatorOption::native) == is_folded(path))
        return path;
    std::string beside = file_beside(path, options.precision);
    if (beside.empty())
        throw InputError(fmt::format("{}: the evaluator '{}' needs {} (it is not there). Export the model "
                                     "again, or set evaluator = \"auto\"",
                                     path, is_folded(path) ? "libtorch" : "native",
                                     names_beside(path, options.precision).front()));
    return beside;
}

ForceModel open_force_model(const std::string& path, const ForceModelOptions& options) {
    const std::string file = force_model_file(path, options);
    const bool asked = options.evaluator != EvaluatorOption::automatic;
    const TorchMaceOptions torch{mace_precision(options.precision), options.device, options.threads};
    ForceModel opened;
    if (is_folded(file)) {
        if (options.device != "cpu")
            throw InputError(
                fmt::format("{}: folded models are evaluated on the CPU, not on {}. Set the device "
                            "to \"cpu\", or evaluator = \"libtorch\"",
                            file, options.device));
        opened = open_native(file, options.precision, asked ? "as asked for" : "the model is folded");
    } else {
        opened.field = load_torch_mace(file, torch);
        opened.statement = fmt::format("{} ({})", opened.field->description(),
                                       asked ? "as asked for" : "the model is TorchScript");
    }
    if (!asked) return opened;
    const std::string beside = file_beside(file, options.precision);
    if (!beside.empty() && is_folded(beside))
        opened.other = open_native(beside, options.precision, "").field;
    else if (!beside.empty() && torch_available())
        opened.other = load_torch_mace(beside, torch);
    return opened;
}

std::string compare_evaluators(const ForceModel& model, const Cell& cell, std::span<const int> numbers,
                               std::span<const Vec3> positions) {
    if (!model.other) return "";
    Forces a, b;
    model.field->evaluate(cell, numbers, positions, a);
    model.other->evaluate(cell, numbers, positions, b);
    double difference = 0;
    for (std::size_t i = 0; i < positions.size(); ++i)
        difference = std::max(difference, (a.forces[i] - b.forces[i]).cwiseAbs().maxCoeff());
    const std::string sentence =
        fmt::format("forces differ by {:.2g} eV/A from those of the other evaluator", difference);
    if (!(difference <= same_model))
        throw InputError(fmt::format("{} ({}; expected at most {:g}): the files beside each other are not of "
                                     "one model. Export it again",
                                     sentence, model.other->description(), same_model));
    return fmt::format("{} ({})", sentence, model.other->description());
}

} // namespace mesolith
