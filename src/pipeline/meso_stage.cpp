#include <cmath>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "mesolith/core/error.hpp"
#include "mesolith/core/memory.hpp"
#include "mesolith/io/file.hpp"
#include "mesolith/pipeline/domain_model.hpp"
#include "mesolith/pipeline/stages.hpp"

#include "columns.hpp"
#include "meso_ck.hpp"
#include "meso_cost.hpp"
#include "meso_field.hpp"
#include "meso_gas.hpp"
#include "meso_steady.hpp"
#include "meso_walkers.hpp"
#include "stage.hpp"

namespace mesolith {
namespace {

void write(Hdf5Group& root, const DomainModel& model) {
    const Domain& d = model.domain;
    Hdf5Group g = root.create_group("domain");
    g.set_attribute("cells", d.cells);
    g.set_attribute("size", d.edge_lengths());
    g.set_attribute("n_sites", d.n_sites());
    g.set_attribute("lag_time", d.lag_time());
    g.set_attribute("interface_resistance", d.interface_resistance);
    g.set_attribute("balance_error", model.balance_error);
    g.set_attribute("conservation_error", model.conservation_error);
    g.set_attribute("n_classes", static_cast<std::int64_t>(model.rules.n_classes()));
    mesolith::write(g, d.basis(), "");
    std::vector<std::string> names, sources;
    std::vector<double> weights;
    std::vector<Mat3> tensors;
    for (std::size_t k = 0; k < d.materials.size(); ++k) {
        names.push_back(d.materials[k].name);
        sources.push_back(model.sources[k].source);
        weights.push_back(d.materials[k].weight);
        tensors.push_back(model.sources[k].diffusivity);
    }
    g.write_strings("material", names, about("", "materials"));
    g.write_strings("source", sources, about("", "where each material comes from"));
    g.write("weight", weights, {}, about("", "ions per cell in equilibrium, relative"));
    g.write("D", flat(tensors), {names.size(), 3, 3}, about("angstrom^2/ps", "exact, of each material"));
    std::vector<std::string> regions;
    std::vector<std::int32_t> of_region;
    for (const Region& r : d.regions) {
        regions.push_back(r.name);
        of_region.push_back(static_cast<std::int32_t>(r.material));
    }
    g.write_strings("region", regions, about("", "regions"));
    g.write("region_material", of_region, {}, about("", "material of each region"));
    g.write("region_cells", model.region_cells, {}, about("", "cells of each region"));
    std::vector<std::string> faces;
    std::vector<double> concentrations;
    for (const auto& axis : d.faces)
        for (const Face& face : axis) {
            faces.emplace_back(name(face.kind));
            concentrations.push_back(face.concentration);
        }
    g.write_strings("faces", faces, about("", "a-, a+, b-, b+, c-, c+"));
    g.write("concentration", concentrations, {}, about("", "of reservoirs, ions per cell of weight 1"));
    if (d.homogeneous()) return;
    // A picture of the domain: the middle plane of each axis, every n-th cell so that no edge has more than
    // 512.
    for (int normal = 0; normal < 3; ++normal) {
        const int u = normal == 0 ? 1 : 0, v = normal == 2 ? 1 : 2;
        const int skip_u = (d.cells[u] + 511) / 512, skip_v = (d.cells[v] + 511) / 512;
        std::vector<std::uint16_t> slice;
        std::uint64_t rows = 0;
        for (int y = 0; y < d.cells[v]; y += skip_v, ++rows)
            for (int x = 0; x < d.cells[u]; x += skip_u) {
                IVec3 c;
                c[normal] = d.cells[normal] / 2, c[u] = x, c[v] = y;
                slice.push_back(d.region_of(d.cell_index(c)));
            }
        g.write(fmt::format("slice_{}", "abc"[normal]), slice, {rows, slice.size() / rows},
                about("", "region of each cell in the middle plane normal to this axis"));
    }
}

void complain_about_memory(const MesoCost& cost) {
    const double there = machine_memory();
    if (cost.bytes > 0.9 * there)
        throw InputError(
            fmt::format("[meso] needs {:.1f} GB of memory, the machine has {:.1f} GB. Use fewer walkers or "
                        "cells, float fields, or leave one of them out",
                        cost.bytes / 1e9, there / 1e9));
}

void log_walkers(const WalkerRun& run, const DomainModel& model, const std::optional<Mat3>& exact) {
    spdlog::info("meso: {} walkers, {:.3g} steps in {:.1f} s{}", run.n_walkers, run.hops, run.seconds,
                 run.stopped_early ? "; stopped at the requested precision" : "");
    if (!run.averages || !exact) return;
    const Vec3 z = z_scores(run, model, *exact);
    spdlog::info("meso: D of the walkers is {:.1f}, {:.1f}, {:.1f} standard errors from the exact one", z[0],
                 z[1], z[2]);
}

void log_gas(const GasRun& run) {
    spdlog::info("meso: {} hops of {} attempts ({:.1f} %) in {:.1f} s, {:.3g} hops/s{}", run.events.hops,
                 run.events.attempts, 100 * run.events.acceptance(), run.seconds, run.hops_per_second(),
                 run.stopped_early ? "; stopped at the requested precision" : "");
    for (const GasStepResult& r : run.steps)
        if (!r.averages.transport.empty() && !r.averages.straight)
            spdlog::warn("meso: the slope of the MSD still changes at {:g} ps. Use a longer run",
                         r.averages.end);
}

/// Exact D of a single ion, at each temperature: of the kernel in a crystal, homogenised in a microstructure.
std::vector<std::optional<Mat3>> single_ions(const Config& config, const GasModel& gas,
                                             const DomainModel& model, std::vector<std::string>& warnings) {
    Config only_D = config;
    only_D.meso->steady.flux = only_D.meso->steady.first_passage = false;
    std::vector<std::optional<Mat3>> all;
    for (const GasStep& step : gas.steps) {
        DomainModel here = model;
        here.domain = step.gas.domain;
        here.rules = step.gas.rules;
        const SteadyRun steady = run_steady(only_D, here);
        if (!steady.left_out.empty()) warnings.push_back(steady.left_out);
        all.push_back(steady.diffusivity);
    }
    return all;
}

/// Ions that block each other, with the exact answers of one that is alone.
StageOutcome run_lattice_gas(const Config& config, const RunControl& control, const DomainModel& model,
                             Provenance& provenance) {
    const RunFiles files(config.run.output);
    const GasModel gas = build_gas(config, model);
    const std::string description = describe(gas, config);
    for (std::size_t at = 0; at < description.size();) {
        const std::size_t end = description.find('\n', at);
        spdlog::info("meso: {}", description.substr(at, end - at));
        at = end + 1;
    }
    const MesoCost cost = estimate_cost(gas, config);
    complain_about_memory(cost);
    spdlog::info("meso: about {:.3g} GB of memory", cost.bytes / 1e9);
    const std::vector<std::optional<Mat3>> single = single_ions(config, gas, model, provenance.warnings);
    Checkpointing checkpoints(files.folder + "/gas.checkpoint", provenance.fingerprint,
                              config.meso->checkpoint_minutes, control);
    const GasRun run = run_gas(config, gas, single, checkpoints);
    log_gas(run);
    for (const GasStepResult& r : run.steps)
        if (!r.averages.transport.empty() && !r.averages.straight)
            provenance.warnings.push_back(fmt::format(
                "the slope of the MSD still changes at {:g} ps. Use a longer run", r.averages.end));
    Hdf5File file = Hdf5File::create(files.meso);
    mesolith::write(file, provenance);
    write_status(file, model.status);
    write(file, model);
    SteadyRun steady;
    steady.diffusivity = single.front();
    mesolith::write(file, steady, model);
    mesolith::write(file, run, gas, config);
    file.commit();
    write_gas_table(files.folder + "/gas.csv", run, gas, config);
    checkpoints.remove();
    spdlog::info("meso: wrote {}", files.meso);
    return StageOutcome::done;
}

} // namespace

StageOutcome run_meso(const Config& config, const RunControl& control) {
    if (!config.meso)
        throw InputError(config.path + ": there is no [meso] section. Add one, it may be empty");
    const RunFiles files(config.run.output);
    complain_about_memory(estimate_cost(config));
    const bool exclusion = config.meso->occupancy == Occupancy::exclusion;
    DomainModel model = build_domain(config, exclusion ? first_temperature(config) : std::nullopt);
    Provenance provenance = new_provenance(config, "meso", model.inputs, model.previous);
    if (is_up_to_date(existing_result(files.meso), provenance, files.meso)) return StageOutcome::up_to_date;
    if (!config.needs_model()) prepare_output_folder(files.folder);
    for (const std::string& warning : model.warnings) warn(provenance.warnings, warning);
    if (!model.status.markovian)
        warn(provenance.warnings,
             "the model is not Markovian: what follows from it at other times than its lag is not the "
             "crystal's. " +
                 model.status.reason);
    const std::string description = describe(model);
    for (std::size_t at = 0; at < description.size();) {
        const std::size_t end = description.find('\n', at);
        spdlog::info("meso: {}", description.substr(at, end - at));
        at = end + 1;
    }
    if (model.balance_error > 1e-9)
        throw DataError(fmt::format("hops of the domain break detailed balance by {:.1e}. Check the kernels",
                                    model.balance_error));
    if (exclusion) return run_lattice_gas(config, control, model, provenance);
    const MesoCost cost = estimate_cost(config, model);
    complain_about_memory(cost);
    spdlog::info("meso: about {:.3g} GB of memory", cost.bytes / 1e9);

    // The exact answers first: all else is compared with them.
    const SteadyRun steady = run_steady(config, model);
    if (!steady.left_out.empty()) provenance.warnings.push_back(steady.left_out);
    const MesoSection& m = *config.meso;
    std::optional<WalkerRun> walkers;
    std::optional<WalkerChain> chain;
    std::optional<FieldRuns> field;
    Checkpointing walker_checkpoints(files.folder + "/walkers.checkpoint", provenance.fingerprint,
                                     m.checkpoint_minutes, control);
    Checkpointing field_checkpoints(files.folder + "/field.checkpoint", provenance.fingerprint,
                                    m.checkpoint_minutes, control);
    if (m.walkers.n > 1) {
        if (m.walkers.start != StartOption::equilibrium && model.domain.crystal())
            warn(provenance.warnings,
                 "walkers do not start in equilibrium: their MSD differs from the exact one at first");
        if (model.domain.crystal() && m.walkers.time == MotionIn::discrete_time)
            chain = test_walker_chain(model, static_cast<std::uint64_t>(config.run.seed));
        walkers = run_walkers(config, model, walker_checkpoints);
        log_walkers(*walkers, model, steady.diffusivity);
    }
    if (m.field) field = run_field(config, model, field_checkpoints);

    Hdf5File file = Hdf5File::create(files.meso);
    mesolith::write(file, provenance);
    write_status(file, model.status);
    write(file, model);
    mesolith::write(file, steady, model);
    if (walkers) mesolith::write(file, *walkers, model, steady.diffusivity);
    if (chain) mesolith::write(file, *chain, model.domain.lag_time());
    if (field) mesolith::write(file, *field, model, static_cast<int>(m.profile_axis));
    file.commit();
    if (walkers) write_sample(files.folder, *walkers, model);
    walker_checkpoints.remove();
    field_checkpoints.remove();
    spdlog::info("meso: wrote {}", files.meso);
    return StageOutcome::done;
}

} // namespace mesolith
