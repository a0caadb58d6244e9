// Steps of the built-in MACE evaluator, the shipped Li-Si model, 204 atoms of Li13Si4 that move a little
// between steps: each kind of vector instructions and precision against the baseline instructions in double.
#include "mesolith/md/native_mace.hpp"

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "mesolith/core/vector_units.hpp"
#include "mesolith/io/configuration_file.hpp"
#include "mesolith/io/mace_file.hpp"
#include "mesolith/trajectory/elements.hpp"

#include "clock.hpp"

using namespace mesolith;

int main(int argc, char** argv) {
    const std::string folder = std::string(MESOLITH_SOURCE_DIR) + "/inputs/models/";
    const FoldedMace model = read_folded_mace(argc > 1 ? argv[1] : folder + "li_si_mace16.h5");
    const Configuration frame = read_configurations(folder + "li_si_mace16_reference.extxyz").at(1);
    std::vector<int> numbers;
    for (const std::string& symbol : frame.species) numbers.push_back(atomic_number(symbol));
    const auto n = static_cast<double>(numbers.size());

    double plain = 0;
    for (const VectorUnits units : {VectorUnits::baseline, VectorUnits::avx2, VectorUnits::avx512}) {
        limit_vector_units(units);
        if (vector_units() != units) continue;
        for (const MacePrecision precision :
             {MacePrecision::double_precision, MacePrecision::single_precision}) {
            NativeMace field(model, precision);
            Forces forces;
            std::vector<Vec3> positions = frame.positions;
            int step = 0;
            const auto run = [&] {
                for (int k = 0; k < 20; ++k) {
                    for (std::size_t i = 0; i < positions.size(); ++i)
                        positions[i][step % 3] += step / 3 % 2 == 0 ? 1e-3 : -1e-3;
                    ++step;
                    field.evaluate(frame.cell, numbers, positions, forces);
                }
            };
            run();
            const double time = best_of(20, run) / 20;
            if (plain == 0) plain = time;
            std::printf("%-55s %7.3f ms/step, %8.0f atom-steps/s, %5.1fx\n", field.description().c_str(),
                        1e3 * time, n / time, plain / time);
        }
    }
}
