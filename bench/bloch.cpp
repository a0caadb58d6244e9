// n steps of a field at once by Fourier transform against the field's own steps, one core: 26 sites, 29
// entries per column. The stencil is timed over a few steps: each takes the same.
#include "mesolith/meso/bloch.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "mesolith/core/parallel.hpp"

#include "../tests/support/kernels.hpp"
#include "clock.hpp"

using namespace mesolith;

namespace {

template <class T>
void run(const char* name, const Kernel& kernel, int edge, const std::vector<std::int64_t>& lengths) {
    const Domain domain = crystal_domain(kernel, {edge, edge, edge});
    Field<T> steps(domain);
    fill(steps, PulseStart{Vec3(30, 30, 30), 8}, 1);
    const Field<T> start = steps;
    double step = 1e300, break_even = 0;
    const auto time_steps = [&] {
        for (int round = 0; round < 3; ++round) step = std::min(step, best_of(1, [&] { advance(steps, 1); }));
    };
    time_steps();
    for (const std::int64_t n : lengths) {
        Field<T> leaps = start;
        double leap_time = 1e300;
        for (int round = 0; round < (n > 100 ? 2 : 3); ++round) { // in turns
            leaps = start;
            leap_time = std::min(leap_time, best_of(1, [&] { leap(leaps, n); }));
            time_steps();
        }
        const FieldEngineChoice choice = choose_field_engine(
            domain, std::vector<std::int64_t>{n},
            sizeof(T) == 4 ? FieldPrecision::single_precision : FieldPrecision::double_precision);
        const double by_steps = step * static_cast<double>(n);
        break_even = leap_time / step;
        std::printf(
            "%-7s n = %6ld: leap %7.3f s, steps %8.3f s: %7.2fx; predicted %.3f and %.3f s; sum off by "
            "%.1e\n",
            name, static_cast<long>(n), leap_time, by_steps, by_steps / leap_time, choice.bloch_seconds,
            choice.stencil_seconds, std::abs(total(leaps) / total(start) - 1));
        if (n == lengths.front()) std::printf("%-7s breaks even at about %.0f steps\n", name, break_even);
    }
    const std::vector<std::int64_t> outputs{1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000};
    Field<T> leaps = start;
    const double all = best_of(1, [&] { leap<T>(leaps, outputs); });
    std::printf("%-7s %zu outputs up to %ld: %.3f s, %.1fx the steps\n", name, outputs.size(),
                static_cast<long>(outputs.back()), all, step * static_cast<double>(outputs.back()) / all);
}

} // namespace

int main(int argc, char** argv) {
    const int edge = argc > 1 ? std::atoi(argv[1]) : 48;
    std::printf("%d^3 cells, one core\n", edge);
    with_threads(1, [&] {
        const Kernel reversible = test::random_reversible(26, 1, 28);
        run<double>("double", reversible, edge, {50, 256, 1024, 100'000});
        run<float>("float", reversible, edge, {50, 1024});
        Kernel general = reversible;
        general.reversible = false; // the same, without the short way
        run<double>("general", general, edge, {50, 1024});
    });
}
