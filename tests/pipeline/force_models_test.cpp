#include <filesystem>
#include <string>
#include <vector>

#include "mesolith/core/error.hpp"
#include "mesolith/io/configuration_file.hpp"
#include "mesolith/mace/torch_mace.hpp"
#include "mesolith/md/pair_potential.hpp"
#include "mesolith/pipeline/force_models.hpp"
#include "mesolith/trajectory/elements.hpp"

#include "support/catch.hpp"
#include "support/contains_text.hpp"
#include "support/temporary_folder.hpp"

using namespace mesolith;
using namespace mesolith::test;

namespace {

const std::string models = std::string(MESOLITH_SOURCE_DIR) + "/inputs/models/";
const std::string folded = models + "li_si_mace16.h5";
const std::string scripted = models + "li_si_mace16-float64.pt";

ForceModelOptions by(EvaluatorOption evaluator, ForcePrecision precision = ForcePrecision::double_precision) {
    ForceModelOptions options;
    options.evaluator = evaluator;
    options.precision = precision;
    return options;
}

ForceModel two_pair_potentials(double strength) {
    ForceModel model;
    model.field = std::make_unique<PairPotential>(
        std::vector<PairInteraction>{{3, 3, LennardJones{0.1, 2.5}, 6.0, 5.0}});
    model.other = std::make_unique<PairPotential>(
        std::vector<PairInteraction>{{3, 3, LennardJones{strength, 2.5}, 6.0, 5.0}});
    return model;
}

} // namespace

TEST_CASE("the evaluator that is asked for by name takes the file of its kind beside", "[pipeline][md]") {
    CHECK(force_model_file(folded, by(EvaluatorOption::automatic)) == folded);
    CHECK(force_model_file(scripted, by(EvaluatorOption::automatic)) == scripted);
    CHECK(force_model_file(folded, by(EvaluatorOption::native)) == folded);
    CHECK(force_model_file(scripted, by(EvaluatorOption::native)) == folded);
    CHECK(force_model_file(folded, by(EvaluatorOption::libtorch)) == scripted);
    CHECK(force_model_file(folded, by(EvaluatorOption::libtorch, ForcePrecision::single_precision)) ==
          models + "li_si_mace16-float32.pt");

    const TemporaryFolder folder;
    std::filesystem::copy(folded, folder / "alone.h5");
    std::filesystem::copy(scripted, folder / "single-float32.pt");
    CHECK_THROWS_WITH(force_model_file(folder / "alone.h5", by(EvaluatorOption::libtorch)),
                      contains_text("alone-float64.pt (it is not there)"));
    CHECK_THROWS_WITH(force_model_file(folder / "single-float32.pt", by(EvaluatorOption::native)),
                      contains_text("single.h5 (it is not there)"));
    CHECK_THROWS_AS(force_model_file(folder / "none.h5", by(EvaluatorOption::automatic)), InputError);
    CHECK_THROWS_WITH(force_model_file(folder.file("a.model", ""), by(EvaluatorOption::automatic)),
                      contains_text("export_mace.py"));
    CHECK_THROWS_WITH(force_model_file(folder.file("a.onnx", ""), by(EvaluatorOption::automatic)),
                      contains_text("unknown kind of model"));
}

TEST_CASE("both evaluators of the shipped model give the same forces", "[pipeline][md]") {
    const Configuration frame = read_configurations(models + "li_si_mace16_reference.extxyz").front();
    std::vector<int> numbers;
    for (const std::string& s : frame.species) numbers.push_back(atomic_number(s));

    CHECK_FALSE(open_force_model(folded, by(EvaluatorOption::automatic)).other);
    const ForceModel native = open_force_model(folded, by(EvaluatorOption::native));
    CHECK_THAT(native.statement, contains_text("as asked for"));
    CHECK(static_cast<bool>(native.other) == torch_available());
    if (!torch_available()) return;
    CHECK_THAT(compare_evaluators(native, frame.cell, numbers, frame.positions),
               contains_text("MACE by torch"));
    const ForceModel torch = open_force_model(folded, by(EvaluatorOption::libtorch));
    CHECK_THAT(compare_evaluators(torch, frame.cell, numbers, frame.positions),
               contains_text("built-in MACE"));
    CHECK_THAT(open_force_model(scripted, by(EvaluatorOption::automatic)).statement,
               contains_text("the model is TorchScript"));
}

TEST_CASE("files of two models beside each other are refused", "[pipeline][md]") {
    const Cell cell(Mat3::Identity() * 20);
    const std::vector<int> numbers{3, 3};
    const std::vector<Vec3> positions{Vec3::Zero(), Vec3(2.4, 0, 0)};
    CHECK_THAT(compare_evaluators(two_pair_potentials(0.1), cell, numbers, positions),
               contains_text("differ by 0 eV/A"));
    CHECK_THROWS_WITH(compare_evaluators(two_pair_potentials(0.11), cell, numbers, positions),
                      contains_text("are not of one model"));
    ForceModel single = two_pair_potentials(0.1);
    single.other.reset();
    CHECK(compare_evaluators(single, cell, numbers, positions).empty());
}
