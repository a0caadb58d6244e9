#include "meso_steady.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "mesolith/core/interrupt.hpp"
#include "mesolith/crystal/eigen_solvers.hpp"
#include "mesolith/meso/bounds.hpp"
#include "mesolith/msm/transport.hpp"

#include "clock.hpp"
#include "columns.hpp"

namespace mesolith {
namespace {

/// Mean over the sites of each layer, by weight.
std::vector<double> layer_means(const std::vector<double>& of_site, const DomainModel& model, int axis) {
    const Domain& d = model.domain;
    std::vector<double> sum(static_cast<std::size_t>(d.cells[axis]), 0.0), weight = sum;
    for (std::size_t c = 0; c < static_cast<std::size_t>(d.n_cells()); ++c) {
        const auto layer = static_cast<std::size_t>(d.cell_at(c)[axis]);
        for (std::size_t j = 0; j < d.n_basis(); ++j) {
            const double w = d.weight_of(c, j);
            sum[layer] += w * of_site[c * d.n_basis() + j];
            weight[layer] += w;
        }
    }
    for (std::size_t l = 0; l < sum.size(); ++l) sum[l] /= weight[l];
    return sum;
}

} // namespace

SteadyRun run_steady(const Config& config, const DomainModel& model) {
    const SteadySection& s = config.meso->steady;
    const Domain& domain = model.domain;
    const Clock::time_point start = Clock::now();
    SteadyRun run;
    const bool reservoirs = domain.has_face(FaceKind::reservoir), open = domain.open();
    if (domain.crystal()) run.diffusivity = exact_transport(model.kernel()).diffusivity;
    const bool any_periodic = domain.periodic(0) || domain.periodic(1) || domain.periodic(2);
    const bool homogenises = s.homogenise && !domain.crystal() && !open && any_periodic;
    const bool flows = s.flux && reservoirs, passes = s.first_passage && open;
    if (!homogenises && !flows && !passes) return run;
    if (domain.n_sites() > s.max_sites) {
        run.left_out = fmt::format("no exact answers: {} sites are more than meso.steady.max_sites = {}",
                                   domain.n_sites(), s.max_sites);
        spdlog::warn("meso: {}", run.left_out);
        return run;
    }
    StageProgress progress("steady state");
    const double parts = double(homogenises) + double(flows) + double(passes);
    double done = 0;
    SolveOptions options;
    options.tolerance = s.tolerance;
    options.progress = [&](double fraction) {
        throw_if_interrupted();
        progress.update((done + fraction) / parts);
    };
    if (homogenises) {
        run.homogenised = homogenise(domain, model.rules, options);
        run.diffusivity = run.homogenised->diffusivity;
        done += 1;
    }
    if (flows) {
        run.flux = steady_flux(domain, model.rules, options);
        done += 1;
    }
    if (passes) {
        FirstPassageOptions passage;
        passage.solve = options;
        run.passage = mean_first_passage(domain, model.rules, passage);
        run.passage_profile =
            layer_means(run.passage->time, model, static_cast<int>(config.meso->profile_axis));
    }
    progress.finish();
    run.seconds = seconds_since(start);
    if (run.homogenised)
        spdlog::info("meso: effective D {:.4g}, {:.4g}, {:.4g} A^2/ps ({} iterations, {:.1f} s)",
                     run.diffusivity->coeff(0, 0), run.diffusivity->coeff(1, 1), run.diffusivity->coeff(2, 2),
                     run.homogenised->solve.iterations, run.seconds);
    if (run.flux && run.flux->diffusivity)
        spdlog::info("meso: steady flux gives D {:.4g} A^2/ps", *run.flux->diffusivity);
    if (run.passage) spdlog::info("meso: mean time until an ion leaves {:.4g} ps", run.passage->mean);
    return run;
}

namespace {

void write_solve(Hdf5Group& g, const SolveReport& solve) {
    g.set_attribute("iterations", std::int64_t{solve.iterations});
    g.set_attribute("residual", solve.residual);
}

bool is_isotropic(const Mat3& D) {
    return (D - D.trace() / 3 * Mat3::Identity()).cwiseAbs().maxCoeff() <= 1e-6 * D.trace();
}

/// One crystal in several orientations: its tensor, when all materials in use have the same principal values
/// and weight.
std::optional<Mat3> single_crystal(const DomainModel& model, const std::vector<std::size_t>& used) {
    const auto principal = [&](std::size_t k) {
        return Vec3(Eigen::SelfAdjointEigenSolver<Mat3>(model.sources[k].diffusivity, Eigen::EigenvaluesOnly)
                        .eigenvalues());
    };
    const Vec3 first = principal(used.front());
    for (const std::size_t k : used) {
        if ((principal(k) - first).cwiseAbs().maxCoeff() > 1e-6 * first.sum()) return std::nullopt;
        if (model.domain.materials[k].weight != model.domain.materials[used.front()].weight)
            return std::nullopt;
    }
    return model.sources[used.front()].diffusivity;
}

/// What the parts alone say of the whole. Interfaces with a resistance of their own lie outside of this.
void write_bounds(Hdf5Group& steady, const DomainModel& model) {
    const Domain& d = model.domain;
    if (d.homogeneous() || d.interface_resistance > 0) return;
    std::vector<double> cells(d.materials.size(), 0.0);
    for (std::size_t r = 0; r < d.regions.size(); ++r)
        cells[d.regions[r].material] += static_cast<double>(model.region_cells[r]);
    std::vector<std::size_t> used;
    double mean_weight = 0;
    for (std::size_t k = 0; k < cells.size(); ++k) {
        if (cells[k] == 0) continue;
        used.push_back(k);
        mean_weight += cells[k] / static_cast<double>(d.n_cells()) * d.materials[k].weight;
    }
    // Fluxes follow gradients of the activity: w D is what mixes.
    std::vector<PhaseTensor> tensors;
    std::vector<Phase> phases;
    bool isotropic = true;
    for (const std::size_t k : used) {
        const Mat3 wD = d.materials[k].weight * model.sources[k].diffusivity;
        tensors.push_back({cells[k], wD});
        phases.push_back({cells[k], wD.trace() / 3});
        isotropic = isotropic && is_isotropic(wD);
    }
    Hdf5Group g = steady.create_group("bounds");
    const TensorBounds wiener = wiener_bounds(tensors);
    g.set_attribute("wiener_low", Vec3(wiener.lower.diagonal() / mean_weight));
    g.set_attribute("wiener_high", Vec3(wiener.upper.diagonal() / mean_weight));
    if (isotropic) {
        const Bounds hs = hashin_shtrikman_bounds(phases);
        g.set_attribute("hs_low", hs.lower / mean_weight);
        g.set_attribute("hs_high", hs.upper / mean_weight);
        g.set_attribute("self_consistent", self_consistent_diffusivity(phases) / mean_weight);
    }
    const std::optional<Mat3> crystal = single_crystal(model, used);
    if (!crystal || is_isotropic(*crystal)) return;
    const PolycrystalEstimates p = polycrystal_estimates(*crystal);
    g.set_attribute("polycrystal_harmonic", p.harmonic);
    g.set_attribute("polycrystal_hs_low", p.hashin_shtrikman.lower);
    g.set_attribute("polycrystal_self_consistent", p.self_consistent);
    g.set_attribute("polycrystal_hs_high", p.hashin_shtrikman.upper);
    g.set_attribute("polycrystal_arithmetic", p.arithmetic);
}

} // namespace

void write(Hdf5Group& root, const SteadyRun& run, const DomainModel& model) {
    Hdf5Group g = root.create_group("steady");
    g.set_attribute("seconds", run.seconds);
    g.set_attribute("left_out", run.left_out);
    write_bounds(g, model);
    const Hdf5Shape tensor{3, 3};
    if (run.diffusivity)
        g.write("D", flat(*run.diffusivity), tensor, about("angstrom^2/ps", "exact D of the domain"));
    if (run.homogenised) {
        const HomogenisedTransport& h = *run.homogenised;
        Hdf5Group e = g.create_group("homogenised");
        write_solve(e, h.solve);
        e.write("D", flat(h.diffusivity), tensor, about("angstrom^2/ps", "effective D"));
        e.write("error", flat(h.error), tensor, about("angstrom^2/ps", "bound of what the solve left"));
        e.write("uncorrelated", flat(h.uncorrelated), tensor,
                about("angstrom^2/ps", "as if lags were independent"));
        e.set_attribute("n_parts", static_cast<std::int64_t>(h.n_parts));
        std::vector<double> shares, tensors;
        for (const PartTransport& p : h.parts) {
            shares.push_back(p.share);
            for (const double d : flat(p.diffusivity)) tensors.push_back(d);
        }
        e.write("part_share", shares, {}, about("", "share of the ions in parts that exchange nothing"));
        e.write("part_D", tensors, {shares.size(), 3, 3}, about("angstrom^2/ps", ""));
    }
    if (run.flux) {
        const SteadyFlux& f = *run.flux;
        Hdf5Group e = g.create_group("flux");
        write_solve(e, f.solve);
        std::vector<double> inflow;
        for (const auto& axis : f.inflow) inflow.insert(inflow.end(), axis.begin(), axis.end());
        e.write("inflow", inflow, {3, 2}, about("1/ps", "through each face"));
        e.set_attribute("imbalance", f.imbalance);
        e.set_attribute("axis", std::int64_t{f.axis});
        e.set_attribute("length", f.length);
        e.set_attribute("area", f.area);
        if (f.diffusivity) e.set_attribute("D", *f.diffusivity);
        e.write("position", f.profile.position, {}, about("angstrom", "middle of each layer"));
        e.write("activity", f.profile.activity, {}, about("", "ions per cell of weight 1"));
        e.write("concentration", f.profile.concentration, {}, about("1/angstrom^3", ""));
        e.write("plane_flux", f.profile.flux, {}, about("1/ps", "upwards through each plane"));
    }
    if (run.passage) {
        Hdf5Group e = g.create_group("first_passage");
        write_solve(e, run.passage->solve);
        e.set_attribute("mean", run.passage->mean);
        e.set_attribute("mean_of_arriving", run.passage->mean_of_arriving);
        e.set_attribute("never", run.passage->never);
        e.write("profile", run.passage_profile, {},
                about("ps", "mean time until an ion leaves, per layer along the profile axis"));
    }
}

} // namespace mesolith
