#include <chrono>

#include <fmt/format.h>

#include "mesolith/core/interrupt.hpp"
#include "mesolith/io/configuration_file.hpp"
#include "mesolith/io/file.hpp"
#include "mesolith/pipeline/force_models.hpp"
#include "mesolith/trajectory/elements.hpp"

#include "stage.hpp"

namespace mesolith {
namespace {

std::string row_by_row(const Mat3& m) {
    std::string out;
    for (int i = 0; i < 3; ++i)
        for (int j = 0; j < 3; ++j) out += fmt::format("{}{:.12g}", i + j == 0 ? "" : " ", m(i, j));
    return out;
}

void write_frame(TextFileWriter& writer, const Configuration& frame, const Forces& forces) {
    writer.write(fmt::format("{}\nLattice=\"{}\" Properties=species:S:1:pos:R:3:forces:R:3:node_energy:R:1 "
                             "energy={:.12g} stress=\"{}\" pbc=\"T T T\"\n",
                             frame.species.size(), row_by_row(frame.cell.vectors()), forces.energy,
                             row_by_row(forces.stress(frame.cell))));
    for (std::size_t i = 0; i < frame.species.size(); ++i) {
        const Vec3 &r = frame.positions[i], &f = forces.forces[i];
        writer.write(fmt::format("{} {:.12g} {:.12g} {:.12g} {:.12g} {:.12g} {:.12g} {:.12g}\n",
                                 frame.species[i], r[0], r[1], r[2], f[0], f[1], f[2],
                                 forces.atom_energy[i]));
    }
}

} // namespace

std::string write_forces(const std::string& model, const std::string& frames, const std::string& out,
                         const ForceModelOptions& options) {
    const std::vector<Configuration> configurations = read_configurations(frames);
    const ForceModel opened = open_force_model(model, options);
    TextFileWriter writer(out);
    StageProgress progress("forces");
    Forces forces;
    double seconds = 0, atoms = 0;
    std::string comparison; // of the first frame
    for (std::size_t k = 0; k < configurations.size(); ++k) {
        throw_if_interrupted();
        const Configuration& frame = configurations[k];
        std::vector<int> numbers;
        for (const std::string& s : frame.species) numbers.push_back(atomic_number(s));
        const auto start = std::chrono::steady_clock::now();
        try {
            opened.field->evaluate(frame.cell, numbers, frame.positions, forces, true);
        } catch (const DataError& error) {
            throw DataError(fmt::format("{}, frame {}: {}", frames, k, error.what()));
        }
        const auto end = std::chrono::steady_clock::now();
        if (k == 0) comparison = compare_evaluators(opened, frame.cell, numbers, frame.positions);
        seconds += std::chrono::duration<double>(end - start).count();
        atoms += static_cast<double>(numbers.size());
        write_frame(writer, frame, forces);
        progress.update(static_cast<double>(k + 1) / static_cast<double>(configurations.size()));
    }
    progress.finish();
    writer.commit();
    return fmt::format("{}\n{}{}wrote {}: {} frames, {:.0f} atom-steps/s\n", opened.statement, comparison,
                       comparison.empty() ? "" : "\n", out, configurations.size(), atoms / seconds);
}

} // namespace mesolith
