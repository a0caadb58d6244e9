// The lattice gas in meso.h5 and gas.csv.
#include <cmath>

#include <fmt/format.h>

#include "mesolith/core/error.hpp"
#include "mesolith/core/nan.hpp"
#include "mesolith/io/file.hpp"

#include "columns.hpp"
#include "meso_gas.hpp"

namespace mesolith {
namespace {

std::vector<double> pair_of(const Estimate& e) { return {e.value, e.error}; }

Estimate scaled(const Estimate& e, double factor) { return {e.value * factor, e.error * std::abs(factor)}; }

/// D_J Theta, both with their errors.
Estimate product(const Estimate& a, const Estimate& b) {
    return {a.value * b.value, std::hypot(a.error * b.value, a.value * b.error)};
}

/// sigma over D [S/m over A^2/ps]; none without a temperature.
double per_diffusivity(const GasModel& model, const GasStep& step, const GasTransport& t, double charge) {
    if (!step.temperature) return nan_value;
    const Domain& d = model.domain();
    const double volume = d.basis().cell.volume() * static_cast<double>(d.n_cells());
    return nernst_einstein(t.n / volume, charge, 1, *step.temperature);
}

bool is_theta_of(const GasStepResult& r, const GasTransport& t) {
    return r.theta && r.averages.transport.size() == 1 && &t == &r.averages.transport.front();
}

void write_transport(Hdf5Group& g, const GasStepResult& r, const GasModel& model, const GasStep& step,
                     const GasTransport& t, double charge) {
    const std::size_t n = t.msd.size();
    g.set_attribute("n_ions", t.n);
    const auto tensor = [&](const char* name, const Mat3& value, const char* units, const char* text) {
        g.write(name, flat(value), {3, 3}, about(units, text));
    };
    const auto mean = [&](const char* name, const Estimate& e, const char* units, const char* text) {
        g.write(name, pair_of(e), {}, about(units, text));
    };
    g.write("msd", flat(t.msd), {n, 3, 3}, about("angstrom^2", "of tagged ions"));
    g.write("msd_error", flat(t.msd_error), {n, 3, 3}, about("angstrom^2", "standard error"));
    g.write("collective_msd", flat(t.collective_msd), {n, 3, 3},
            about("angstrom^2", "of the summed displacement, over the number of ions"));
    g.write("collective_msd_error", flat(t.collective_msd_error), {n, 3, 3},
            about("angstrom^2", "standard error"));
    tensor("D_tracer", t.tracer, per_time, "D* of a tagged ion");
    tensor("D_tracer_error", t.tracer_error, per_time, "standard error");
    tensor("D_J", t.collective, per_time, "of the summed displacement of all ions");
    tensor("D_J_error", t.collective_error, per_time, "standard error");
    tensor("D_uncorrelated", t.uncorrelated, per_time, "as if hops were uncorrelated");
    write_vec3(g, "haven", t.haven, "", "D* / D_J along x, y, z");
    write_vec3(g, "haven_error", t.haven_error, "", "standard error");
    write_vec3(g, "f", t.correlation, "", "tracer correlation factor along x, y, z");
    write_vec3(g, "f_error", t.correlation_error, "", "standard error");
    mean("D_tracer_mean", t.tracer_mean, per_time, "mean of the axes, standard error");
    mean("D_J_mean", t.collective_mean, per_time, "mean of the axes, standard error");
    mean("D_uncorrelated_mean", t.uncorrelated_mean, per_time, "mean of the axes, standard error");
    mean("haven_mean", t.haven_mean, "", "mean D* over mean D_J, standard error");
    mean("f_mean", t.correlation_mean, "", "mean D* over mean uncorrelated D, standard error");
    const double sigma = per_diffusivity(model, step, t, charge);
    if (std::isfinite(sigma)) {
        mean("conductivity", scaled(t.collective_mean, sigma), "S/m",
             "n q^2 D_J / kT: of the charge, standard error");
        mean("conductivity_tracer", scaled(t.tracer_mean, sigma), "S/m",
             "n q^2 D* / kT: Nernst-Einstein, as if ions moved independently, standard error");
    }
    if (is_theta_of(r, t)) {
        mean("D_chem_mean", product(t.collective_mean, *r.theta), per_time,
             "D_J Theta, mean of the axes, standard error");
        tensor("D_chem", t.collective * r.theta->value, per_time, "D_J Theta");
        Mat3 error;
        for (int a = 0; a < 3; ++a)
            for (int b = 0; b < 3; ++b)
                error(a, b) = product({t.collective(a, b), t.collective_error(a, b)}, *r.theta).error;
        tensor("D_chem_error", error, per_time, "standard error");
    }
}

void write_sites(Hdf5Group& g, const GasStepResult& r, const GasModel& model) {
    const std::size_t S = model.n_per_species.size();
    std::vector<std::string> names, regions;
    std::vector<std::int64_t> sites;
    std::vector<double> occupancy, occupancy_error, stay, stay_error, vacancy, vacancy_error;
    for (std::size_t c = 0; c < r.classes.size(); ++c) {
        if (r.classes[c].n_sites == 0) continue;
        names.push_back(r.classes[c].name);
        regions.push_back(model.domain().regions[r.classes[c].region].name);
        sites.push_back(r.classes[c].n_sites);
        for (std::size_t s = 0; s < S; ++s) {
            occupancy.push_back(r.averages.occupancy[c][s].value);
            occupancy_error.push_back(r.averages.occupancy[c][s].error);
            stay.push_back(r.averages.residence[c][s].value);
            stay_error.push_back(r.averages.residence[c][s].error);
        }
        vacancy.push_back(r.averages.vacancy_residence[c].value);
        vacancy_error.push_back(r.averages.vacancy_residence[c].error);
    }
    const std::uint64_t n = sites.size(), species = S;
    g.write_strings("orbit", names, about("", "sites that are alike"));
    g.write_strings("region", regions, about("", "region they are in"));
    g.write("n_sites", sites, {}, about("", "in the domain"));
    g.write("occupancy", occupancy, {n, species}, about("", "ions of each species per site"));
    g.write("occupancy_error", occupancy_error, {n, species}, about("", "standard error"));
    g.write("residence", stay, {n, species}, about("ps", "mean time an ion stays on such a site"));
    g.write("residence_error", stay_error, {n, species}, about("ps", "standard error"));
    g.write("vacancy_residence", vacancy, {}, about("ps", "mean time such a site stays vacant"));
    g.write("vacancy_residence_error", vacancy_error, {}, about("ps", "standard error"));
}

void write_pairs(Hdf5Group& g, const GasStepResult& r) {
    const auto values = [](const std::vector<Estimate>& e, bool error) {
        return column_of(e, [&](const Estimate& x) { return error ? x.error : x.value; });
    };
    g.write("distance", column_of(r.shells, [](const GasShell& s) { return s.distance; }), {},
            about("angstrom", "between two sites"));
    g.write("neighbours", column_of(r.shells, [](const GasShell& s) { return s.neighbours; }), {},
            about("", "sites at this distance of a site, mean"));
    g.write("ions", values(r.averages.ion_pairs, false), {},
            about("", "pairs with both ends occupied over those without correlation"));
    g.write("ions_error", values(r.averages.ion_pairs, true), {}, about("", "standard error"));
    g.write("vacancies", values(r.averages.vacancy_pairs, false), {},
            about("", "the same of both ends vacant"));
    g.write("vacancies_error", values(r.averages.vacancy_pairs, true), {}, about("", "standard error"));
}

void write_step(Hdf5Group& g, const GasStepResult& r, const GasModel& model, const GasStep& step,
                double charge) {
    const GasAverages& a = r.averages;
    g.set_attribute("from_ps", r.begin);
    g.set_attribute("to_ps", r.end);
    g.set_attribute("temperature", step.temperature.value_or(nan_value));
    g.set_attribute("solver", r.solver);
    g.set_attribute("reason", r.reason);
    g.set_attribute("n_blocks", static_cast<std::int64_t>(a.n_blocks));
    g.set_attribute("window_ps", std::vector<double>{a.begin, a.end});
    g.set_attribute("collective_window_ps", std::vector<double>{a.collective_begin, a.collective_end});
    g.set_attribute("straight", std::int64_t{a.straight});
    const std::uint64_t frames = r.time.size();
    g.write("outputs/time", r.time, {}, about("ps", "of frames"));
    g.write("outputs/ions", r.ions, {frames, r.ions.size() / frames},
            about("", "of each species in the domain, mean over replicas"));
    if (!r.profile.empty())
        g.write("outputs/profile", r.profile, {frames, r.profile.size() / frames},
                about("", "ions per layer of cells along meso.profile_axis, mean over replicas"));
    if (!r.exchange.empty())
        g.write(
            "outputs/exchange", r.exchange, {frames, 2, 6},
            about("",
                  "in and out since the first frame, per face a-, a+, b-, b+, c-, c+, mean over replicas"));
    Hdf5Group sites = g.create_group("sites");
    write_sites(sites, r, model);
    if (!r.shells.empty()) {
        Hdf5Group pairs = g.create_group("pairs");
        write_pairs(pairs, r);
    }
    if (r.single)
        g.write("D_single", flat(*r.single), {3, 3},
                about(per_time, "exact, of a single ion in the empty lattice"));
    if (r.theta) g.write("theta", pair_of(*r.theta), {}, about("", "thermodynamic factor, standard error"));
    g.set_attribute("theta_method", r.theta_method);
    if (a.transport.empty()) return;
    g.write("lag", a.lag, {}, about("ps", "of displacements"));
    if (r.exact_collective) {
        g.write("D_J_exact", flat(*r.exact_collective), {3, 3},
                about(per_time, "(M - N) / (M - 1) times D_single"));
        const GasTransport& t = a.transport.front();
        const double difference = t.collective_mean.value - r.exact_collective->trace() / 3;
        g.set_attribute("D_J_z", difference == 0 ? 0 : difference / t.collective_mean.error);
    }
    std::vector<std::string> names;
    for (std::size_t k = 0; k < a.transport.size(); ++k) {
        names.push_back(a.transport[k].name);
        Hdf5Group t = g.create_group(fmt::format("transport/{}", k));
        t.set_attribute("name", a.transport[k].name);
        write_transport(t, r, model, step, a.transport[k], charge);
    }
}

} // namespace

void write(Hdf5Group& root, const GasRun& run, const GasModel& model, const Config& config) {
    Hdf5Group g = root.create_group("gas");
    const auto sites = static_cast<double>(model.domain().n_sites());
    g.set_attribute("n_replicas", run.n_replicas);
    g.set_attribute("n_sites", model.domain().n_sites());
    g.set_attribute("n_ions", model.n_ions());
    g.set_attribute("vacancy_fraction", 1 - static_cast<double>(model.n_ions()) / sites);
    g.set_attribute("charge", config.meso->gas->charge);
    g.set_attribute("attempts", static_cast<std::int64_t>(run.events.attempts));
    g.set_attribute("hops", static_cast<std::int64_t>(run.events.hops));
    g.set_attribute("acceptance", run.events.acceptance());
    g.set_attribute("seconds", run.seconds);
    g.set_attribute("hops_per_second", run.hops_per_second());
    g.set_attribute("stopped_early", std::int64_t{run.stopped_early});
    std::vector<std::string> names;
    std::vector<double> factors;
    for (const GasSpecies& s : model.steps.front().gas.species) {
        names.push_back(s.name);
        factors.push_back(s.rate_factor);
    }
    g.write_strings("species", names, about("", "kinds of ions"));
    g.write("n_per_species", model.n_per_species, {}, about("", "at the start"));
    g.write("rate_factor", factors, {}, about("", "of each species; 0: pinned"));
    for (std::size_t k = 0; k < run.steps.size(); ++k) {
        Hdf5Group step = g.create_group(fmt::format("steps/{}", k));
        write_step(step, run.steps[k], model, model.steps[k], config.meso->gas->charge);
    }
}

void write_gas_table(const std::string& path, const GasRun& run, const GasModel& model,
                     const Config& config) {
    std::string out = "temperature [K],ions,n_ions,vacancy_fraction";
    for (const char* key : {"D_tracer [A^2/ps]", "D_J [A^2/ps]", "D_uncorrelated [A^2/ps]", "haven", "f",
                            "theta", "D_chem [A^2/ps]", "conductivity [S/m]", "conductivity_tracer [S/m]"})
        out += fmt::format(",{},error", key);
    out += '\n';
    const auto cell = [](double x) { return std::isfinite(x) ? fmt::format("{:.10g}", x) : std::string(); };
    for (std::size_t k = 0; k < run.steps.size(); ++k) {
        const GasStepResult& r = run.steps[k];
        const GasStep& step = model.steps[k];
        for (const GasTransport& t : r.averages.transport) {
            const Estimate none{nan_value, nan_value};
            const double sigma = per_diffusivity(model, step, t, config.meso->gas->charge);
            out += fmt::format("{},{},{:g},{:.10g}", cell(step.temperature.value_or(nan_value)), t.name, t.n,
                               1 - static_cast<double>(model.n_ions()) /
                                       static_cast<double>(model.domain().n_sites()));
            const Estimate theta = is_theta_of(r, t) ? *r.theta : none;
            for (const Estimate& e : {t.tracer_mean, t.collective_mean, t.uncorrelated_mean, t.haven_mean,
                                      t.correlation_mean, theta, product(t.collective_mean, theta),
                                      scaled(t.collective_mean, sigma), scaled(t.tracer_mean, sigma)})
                out += fmt::format(",{},{}", cell(e.value), cell(e.error));
            out += '\n';
        }
    }
    write_text_file(path, out);
}

} // namespace mesolith
