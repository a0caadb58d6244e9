// Steps of MACE evaluators, all in one run: the built-in one with each kind of vector instructions and
// precision, TorchScript by libtorch on one thread where there is a NAME-float64.pt beside NAME.h5, molecular
// dynamics around the evaluator and what becomes of its frames, replicas on two threads and as one graph.
//   bench_native_mace [NAME.h5 ...]     without names the shipped Li-Si model, 204 atoms of Li13Si4
// tools/tests/random_mace.py --out FOLDER large makes a model of ordinary size.
#include "mesolith/md/native_mace.hpp"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "mesolith/config/config.hpp"
#include "mesolith/core/parallel.hpp"
#include "mesolith/core/units.hpp"
#include "mesolith/core/vector_units.hpp"
#include "mesolith/io/h5md.hpp"
#include "mesolith/io/mace_file.hpp"
#include "mesolith/io/structure_file.hpp"
#include "mesolith/mace/torch_mace.hpp"
#include "mesolith/md/dynamics.hpp"
#include "mesolith/md/neighbour_list.hpp"
#include "mesolith/trajectory/elements.hpp"

#include "clock.hpp"
#include "pipeline/site_stream.hpp"
#include "support/temporary_folder.hpp"

using namespace mesolith;

namespace {

struct Crystal {
    Cell cell;
    std::vector<int> numbers;
    std::vector<Vec3> positions;
};

/// The frame of the self-test, a unit cell, repeated along its axes to at least so many atoms.
Crystal crystal_of(const SelfTest& unit, std::size_t atoms) {
    IVec3 n(1, 1, 1);
    while (unit.numbers.size() * static_cast<std::size_t>(n.prod()) < atoms) {
        int shortest = 0;
        for (int k = 1; k < 3; ++k)
            if (n[k] * unit.cell.vectors().row(k).norm() <
                n[shortest] * unit.cell.vectors().row(shortest).norm())
                shortest = k;
        ++n[shortest];
    }
    Crystal crystal;
    for (int a = 0; a < n[0]; ++a)
        for (int b = 0; b < n[1]; ++b)
            for (int c = 0; c < n[2]; ++c)
                for (std::size_t i = 0; i < unit.numbers.size(); ++i) {
                    crystal.numbers.push_back(unit.numbers[i]);
                    crystal.positions.push_back(unit.positions[i] + unit.cell.to_cartesian(Vec3(a, b, c)));
                }
    Mat3 rows = unit.cell.vectors();
    for (int k = 0; k < 3; ++k) rows.row(k) *= n[k];
    crystal.cell = Cell(rows);
    return crystal;
}

/// Of a step, while the atoms move a little between steps [s].
double time_of(ForceField& field, const Crystal& crystal, int steps, int repeats) {
    Forces forces;
    std::vector<Vec3> positions = crystal.positions;
    int step = 0;
    const auto run = [&] {
        for (int k = 0; k < steps; ++k) {
            for (std::size_t i = 0; i < positions.size(); ++i)
                positions[i][step % 3] += step / 3 % 2 == 0 ? 1e-3 : -1e-3;
            ++step;
            field.evaluate(crystal.cell, crystal.numbers, positions, forces);
        }
    };
    run();
    return best_of(repeats, run) / steps;
}

void report(const std::string& name, double time, std::size_t atoms, double baseline) {
    std::printf("  %-62s %8.3f ms/step, %8.0f atom-steps/s, %5.1fx\n", name.c_str(), 1e3 * time,
                static_cast<double>(atoms) / time, baseline / time);
}

/// What becomes of one frame, written to a trajectory file or mapped onto sites and events at once [s].
struct OutputTime {
    double file = 0, sites = 0;
};

/// Frames some steps apart, as a run hands them on; onto the sites of Li13Si4 where the model knows Li and
/// Si.
OutputTime output_time(const FoldedMace& model, const Crystal& crystal) {
    const test::TemporaryFolder folder;
    OutputTime time;
    const auto frames_of = [&](const MdState& start) {
        MdOptions options;
        options.temperature = 500;
        Dynamics dynamics(std::make_unique<NativeMace>(model), start, options);
        std::vector<Frame> frames(20);
        for (std::size_t k = 0; k < frames.size(); ++k) {
            dynamics.run(5);
            frames[k].cell = start.cell;
            frames[k].positions = dynamics.state().positions;
        }
        return frames;
    };
    /// Many times all frames through a sink: a file compresses whole chunks of frames.
    const auto time_per_frame = [&](std::vector<Frame> frames, auto&& add) {
        const int rounds = 50;
        std::int64_t index = 0;
        return best_of(3,
                       [&] {
                           for (int r = 0; r < rounds; ++r)
                               for (Frame& frame : frames) {
                                   frame.index = index++;
                                   frame.time = 0.05 * static_cast<double>(index);
                                   add(frame);
                               }
                       }) /
               static_cast<double>(rounds * frames.size());
    };
    {
        MdState state = make_md_state(crystal.cell, crystal.numbers, crystal.positions);
        draw_velocities(state, 500, 1, 0);
        std::vector<std::string> species;
        for (const int z : crystal.numbers) species.emplace_back(element_symbol(z));
        H5mdOptions options;
        options.unwrapped = true;
        H5mdWriter writer = H5mdWriter::in_place(folder / "frames.h5md", species, options);
        time.file =
            time_per_frame(frames_of(state), [&](const Frame& frame) { writer.append(frame, frame.index); });
    }
    if (model.elements != std::vector<int>{3, 14}) return time;
    const std::string inputs = std::string(MESOLITH_SOURCE_DIR) + "/inputs/";
    const Config config =
        parse_config("[run]\ntemperature_K = 500\n[md]\nmodel = \"models/li_si_mace16.h5\"\n"
                     "structure = \"structures/Li13Si4.POSCAR\"\nwrite_trajectory = false\n"
                     "[sites]\nstructure = \"structures/Li13Si4.POSCAR\"\n",
                     inputs + "bench.toml");
    const Structure cells = repeat(read_structure(config.resolve(config.md->structure)), IVec3(3, 2, 1));
    std::vector<int> numbers;
    std::vector<Vec3> positions;
    for (const std::string& s : cells.species) numbers.push_back(atomic_number(s));
    for (const Vec3& f : cells.fractional) positions.push_back(cells.cell.to_cartesian(f));
    MdState state = make_md_state(cells.cell, numbers, positions);
    draw_velocities(state, 500, 1, 0);
    SiteStream stream(config, folder / "events.h5", cells.species, cells.cell, config.md->interval);
    time.sites = time_per_frame(frames_of(state), [&](const Frame& frame) { stream.add(frame); });
    return time;
}

/// What a step of molecular dynamics costs beside the evaluator (list and forces), the list alone, and
/// output.
void dynamics_share(const FoldedMace& model, const Crystal& crystal) {
    MdState state = make_md_state(crystal.cell, crystal.numbers, crystal.positions);
    draw_velocities(state, 500, 1, 0);
    MdOptions options;
    options.temperature = 500;
    Dynamics dynamics(std::make_unique<NativeMace>(model, MacePrecision::single_precision), state, options);
    NativeMace field(model, MacePrecision::single_precision);
    NeighbourList list(model.cutoff, 1.0);
    Forces forces;
    double whole = 1e9, evaluator = 1e9, neighbours = 1e9;
    dynamics.run(200);
    for (int k = 0; k < 10; ++k) { // in turns: the machine may be busy
        whole = std::min(whole, best_of(1, [&] { dynamics.run(40); }) / 40);
        const auto& positions = dynamics.state().positions;
        evaluator =
            std::min(evaluator, best_of(1, [&] {
                                    for (int r = 0; r < 40; ++r)
                                        field.evaluate(crystal.cell, crystal.numbers, positions, forces);
                                }) / 40);
        neighbours = std::min(neighbours, best_of(1, [&] {
                                              for (int r = 0; r < 40; ++r)
                                                  list.update(crystal.cell, positions);
                                          }) / 40);
    }
    std::printf(
        "  a Langevin step %.3f ms, its evaluation %.3f ms, the list in it %.3f ms: %.1f %% are list, "
        "integrator and noise\n",
        1e3 * whole, 1e3 * evaluator, 1e3 * neighbours, 100 * (whole - evaluator + neighbours) / whole);
    const MdSection standard;
    const double stride = standard.interval / (standard.timestep * units::ps_per_fs);
    const OutputTime output = output_time(model, crystal);
    const auto share = [&](double frame) {
        const double all = whole + frame / stride;
        return 100 * (all - evaluator + neighbours) / all;
    };
    std::printf("  with a frame every %g steps written to a file (%.3f ms each) %.1f %%", stride,
                1e3 * output.file, share(output.file));
    if (output.sites > 0)
        std::printf(", mapped onto sites (%.3f ms) %.1f %%", 1e3 * output.sites, share(output.sites));
    std::printf(" are list, integrator, noise and output\n");
}

/// R replicas on two threads, a clone for each, and as one graph on two threads of libtorch, against one.
void replicas(ForceField& field, const Crystal& crystal, std::size_t n, int steps, ForceField* batched) {
    set_threads(2);
    std::vector<std::unique_ptr<ForceField>> clones;
    for (std::size_t k = 0; k < n; ++k) clones.push_back(field.clone());
    std::vector<Forces> results(n);
    const auto one = [&](std::size_t k) {
        for (int s = 0; s < steps; ++s)
            clones[k]->evaluate(crystal.cell, crystal.numbers, crystal.positions, results[k]);
    };
    one(0);
    double alone = 1e9, together = 1e9, graph = 1e9;
    const std::vector<AtomsView> views(n, AtomsView{crystal.cell, crystal.numbers, crystal.positions});
    for (int r = 0; r < 5; ++r) {
        alone = std::min(alone, best_of(1, [&] { one(0); }) / steps);
        together = std::min(together, best_of(1, [&] { for_each_index(n, one); }) / steps);
        if (batched) graph = std::min(graph, best_of(1, [&] { batched->evaluate_batch(views, results); }));
    }
    const auto rate = static_cast<double>(n);
    std::printf("  %zu replicas on two threads: %.2fx the rate of one", n, rate * alone / together);
    if (batched) std::printf("; as one graph on two threads: %.2fx", rate * alone / graph);
    std::printf(" (%s)\n", field.description().c_str());
    set_threads(1);
}

void bench(const std::string& path) {
    const FoldedMace model = read_folded_mace(path);
    if (!model.self_test) return;
    const Crystal crystal = crystal_of(*model.self_test, 200);
    const std::size_t n = crystal.numbers.size();
    std::printf("%s: %zu atoms, %zu channels, l_max %d, cutoff %g A\n", path.c_str(), n,
                model.layers[1].channels, model.l_max, model.cutoff);
    const bool large = model.layers[1].channels > 32;
    const std::string script = path.substr(0, path.size() - 3) + "-float64.pt";
    double baseline = 0;
    std::vector<std::unique_ptr<ForceField>> torch;
    if (torch_available() && std::filesystem::exists(script))
        for (const auto precision : {MacePrecision::double_precision, MacePrecision::single_precision}) {
            torch.push_back(load_torch_mace(script, {.precision = precision}));
            const double time = time_of(*torch.back(), crystal, large ? 1 : 3, large ? 2 : 5);
            baseline = time; // the faster, in single precision, in the end
            report(torch.back()->description(), time, n, baseline);
        }
    for (const VectorUnits units : {VectorUnits::baseline, VectorUnits::avx2, VectorUnits::avx512}) {
        limit_vector_units(units);
        if (vector_units() != units) continue;
        for (const MacePrecision precision :
             {MacePrecision::double_precision, MacePrecision::single_precision}) {
            NativeMace field(model, precision);
            const double time = time_of(field, crystal, large ? 2 : 20, large ? 3 : 10);
            if (baseline == 0) baseline = time;
            report(field.description(), time, n, baseline);
        }
    }
    dynamics_share(model, crystal);
    NativeMace field(model, MacePrecision::single_precision);
    replicas(field, crystal, 4, large ? 2 : 40, nullptr);
    if (torch.empty() || large) return;
    const auto both = load_torch_mace(script, {.precision = MacePrecision::single_precision, .threads = 2});
    replicas(*torch.back(), crystal, 4, 2, both.get());
}

} // namespace

int main(int argc, char** argv) {
    set_threads(1);
    if (argc < 2) bench(std::string(MESOLITH_SOURCE_DIR) + "/inputs/models/li_si_mace16.h5");
    for (int k = 1; k < argc; ++k) bench(argv[k]);
}
