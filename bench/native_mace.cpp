// Steps of the built-in MACE evaluator, the shipped Li-Si model, 204 atoms of Li13Si4 that move a little
// between steps: each kind of vector instructions and precision against the baseline instructions in double.
#include "mesolith/md/native_mace.hpp"

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "mesolith/core/vector_units.hpp"
#include "mesolith/io/mace_file.hpp"

#include "clock.hpp"

using namespace mesolith;

int main(int argc, char** argv) {
    const std::string folder = std::string(MESOLITH_SOURCE_DIR) + "/inputs/models/";
    const FoldedMace model = read_folded_mace(argc > 1 ? argv[1] : folder + "li_si_mace16.h5");
    if (!model.self_test) return 1;
    // The frame of the self-test, a unit cell of 34 atoms, repeated 2 x 3 x 1.
    const SelfTest& unit = *model.self_test;
    Mat3 rows = unit.cell.vectors();
    std::vector<int> numbers;
    std::vector<Vec3> start;
    for (int a = 0; a < 2; ++a)
        for (int b = 0; b < 3; ++b)
            for (std::size_t i = 0; i < unit.numbers.size(); ++i) {
                numbers.push_back(unit.numbers[i]);
                start.push_back(unit.positions[i] + unit.cell.to_cartesian(Vec3(a, b, 0)));
            }
    rows.row(0) *= 2;
    rows.row(1) *= 3;
    const Cell cell(rows);
    const auto n = static_cast<double>(numbers.size());

    double plain = 0;
    for (const VectorUnits units : {VectorUnits::baseline, VectorUnits::avx2, VectorUnits::avx512}) {
        limit_vector_units(units);
        if (vector_units() != units) continue;
        for (const MacePrecision precision :
             {MacePrecision::double_precision, MacePrecision::single_precision}) {
            NativeMace field(model, precision);
            Forces forces;
            std::vector<Vec3> positions = start;
            int step = 0;
            const auto run = [&] {
                for (int k = 0; k < 20; ++k) {
                    for (std::size_t i = 0; i < positions.size(); ++i)
                        positions[i][step % 3] += step / 3 % 2 == 0 ? 1e-3 : -1e-3;
                    ++step;
                    field.evaluate(cell, numbers, positions, forces);
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
