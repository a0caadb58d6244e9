#include "mesolith/pipeline/force_models.hpp"

#include <filesystem>

#include <fmt/format.h>

#include "mesolith/io/mace_file.hpp"
#include "mesolith/md/native_mace.hpp"

namespace mesolith {
namespace {

namespace fs = std::filesystem;

ForceModel open_native(const std::string& path, ForcePrecision precision, const char* why) {
    FoldedMace model = read_folded_mace(path);
    ForceModel opened;
    opened.field = std::make_unique<NativeMace>(model, precision == ForcePrecision::single_precision
                                                           ? MacePrecision::single_precision
                                                           : MacePrecision::double_precision);
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

ForceModel open_force_model(const std::string& path, const ForceModelOptions& options) {
    if (!fs::exists(path))
        throw InputError(path + ": no such file. A model is exported by tools/export_mace.py");
    const std::string kind = fs::path(path).extension();
    if (kind == ".model")
        throw InputError(path + ": is a Python pickle. Export it once: tools/export_mace.py " + path +
                         " --out PREFIX");
    const bool folded = kind == ".h5";
    if (options.evaluator == EvaluatorOption::libtorch || !folded)
        throw InputError(path +
                         ": this program evaluates folded models (.h5) only, not TorchScript. Export the "
                         "model: tools/export_mace.py NAME.model --out PREFIX writes PREFIX.h5");
    if (options.device != "cpu")
        throw InputError(path + ": folded models are evaluated on the CPU, not on " + options.device +
                         ". Set md.device = \"cpu\"");
    return open_native(path, options.precision,
                       options.evaluator == EvaluatorOption::native ? "as asked for" : "the model is folded");
}

} // namespace mesolith
