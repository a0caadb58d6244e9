#include "mesolith/pipeline/summary.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "mesolith/core/units.hpp"
#include "mesolith/core/version.hpp"
#include "mesolith/io/file.hpp"
#include "mesolith/io/json.hpp"
#include "mesolith/pipeline/stages.hpp"

namespace mesolith {
namespace {

namespace fs = std::filesystem;

constexpr const char* axis_names[] = {"x", "y", "z"};

std::string fingerprint_in(const std::string& path) {
    return read_provenance(Hdf5File::open(path)).fingerprint;
}

Mat3 tensor(const Hdf5Group& g, const char* path) {
    const auto v = g.read<double>(path);
    if (v.size() != 9) return Mat3::Constant(std::nan(""));
    Mat3 m;
    m << v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], v[8];
    return m;
}

/// Of a tensor, or of what is stored by axis.
Vec3 diagonal(const Hdf5Group& g, const char* path) {
    if (const auto v = g.read<double>(path); v.size() == 3) return {v[0], v[1], v[2]};
    return tensor(g, path).diagonal();
}

WalkerHeadline read_walkers(const Hdf5Group& g) {
    WalkerHeadline h;
    h.n_walkers = g.attribute<std::int64_t>("n_walkers");
    const auto time = g.read<double>("outputs/time");
    h.total_time = time.empty() ? 0 : time.back();
    h.displacements = g.has_group("diffusivity");
    if (!h.displacements) return h;
    h.diffusivity = diagonal(g, "diffusivity/D");
    h.error = diagonal(g, "diffusivity/error");
    h.z = g.has("diffusivity/z") ? diagonal(g, "diffusivity/z") : Vec3(Vec3::Constant(std::nan("")));
    return h;
}

GasHeadline read_gas_step(const Hdf5Group& gas, const Hdf5Group& step) {
    GasHeadline h;
    h.temperature = step.attribute<double>("temperature");
    h.n_ions = static_cast<double>(gas.attribute<std::int64_t>("n_ions"));
    h.vacancy_fraction = gas.attribute<double>("vacancy_fraction");
    h.n_replicas = gas.attribute<std::int64_t>("n_replicas");
    h.total_time = step.attribute<double>("to_ps") - step.attribute<double>("from_ps");
    if (step.has("D_single")) h.single = diagonal(step, "D_single").mean();
    std::size_t last = 0;
    while (step.has_group(fmt::format("transport/{}", last + 1))) ++last;
    h.displacements = step.has_group("transport/0");
    if (!h.displacements) return h;
    const Hdf5Group t = step.group(fmt::format("transport/{}", last));
    const auto estimate = [](const Hdf5Group& g, const char* path) {
        if (!g.has(path)) return Estimate{std::nan(""), std::nan("")};
        const auto v = g.read<double>(path);
        return Estimate{v.at(0), v.at(1)};
    };
    h.n_ions = t.attribute<double>("n_ions");
    h.tracer = estimate(t, "D_tracer_mean");
    h.collective = estimate(t, "D_J_mean");
    h.haven = estimate(t, "haven_mean");
    h.correlation = estimate(t, "f_mean");
    h.theta = estimate(step, "theta");
    h.chemical = estimate(t, "D_chem_mean");
    h.conductivity = estimate(t, "conductivity");
    h.conductivity_tracer = estimate(t, "conductivity_tracer");
    h.tracer_tensor = tensor(t, "D_tracer"), h.tracer_tensor_error = tensor(t, "D_tracer_error");
    h.collective_tensor = tensor(t, "D_J"), h.collective_tensor_error = tensor(t, "D_J_error");
    h.hops = gas.attribute<std::int64_t>("hops");
    if (step.has("D_J_exact")) {
        h.exact_collective = diagonal(step, "D_J_exact").mean();
        h.z = step.attribute<double>("D_J_z");
    }
    return h;
}

MesoHeadline read_meso(const Hdf5Group& root) {
    MesoHeadline h;
    const Hdf5Group domain = root.group("domain"), steady = root.group("steady");
    h.cells = domain.attribute_values<std::int64_t>("cells");
    h.size = domain.attribute_values<double>("size");
    h.n_sites = domain.attribute<std::int64_t>("n_sites");
    h.homogenised = steady.has_group("homogenised");
    if (steady.has("D")) h.exact = diagonal(steady, "D");
    if (steady.has_group("flux") && steady.group("flux").has_attribute("D"))
        h.flux = steady.group("flux").attribute<double>("D");
    if (steady.has_group("first_passage"))
        h.passage = steady.group("first_passage").attribute<double>("mean");
    if (root.has_group("walkers")) h.walkers = read_walkers(root.group("walkers"));
    for (std::size_t k = 0; root.has_group(fmt::format("gas/steps/{}", k)); ++k)
        h.gas.push_back(read_gas_step(root.group("gas"), root.group(fmt::format("gas/steps/{}", k))));
    if (root.has_group("field")) {
        h.mass_error = root.group("field").attribute<double>("mass_error");
        h.engine = root.group("field").string_attribute("engine");
    }
    return h;
}

Check check_walkers(const WalkerHeadline& h) {
    double z = 0;
    for (int a = 0; a < 3; ++a)
        if (!(std::abs(h.z[a]) <= z)) z = std::abs(h.z[a]);
    Check check{"walkers against exact D", Verdict::pass, z, 3, 5, ""};
    if (!(z <= check.warn_above)) check.verdict = Verdict::warn;
    if (!(z <= check.fail_above)) check.verdict = Verdict::fail;
    check.text = fmt::format(
        "D of {} walkers lies {:.1f}, {:.1f}, {:.1f} standard errors from the exact D of the domain.",
        h.n_walkers, h.z[0], h.z[1], h.z[2]);
    return check;
}

Check check_gas(const std::vector<GasHeadline>& gas) {
    double z = 0;
    for (const GasHeadline& h : gas)
        if (h.exact_collective && !(std::abs(h.z) <= z)) z = std::abs(h.z);
    Check check{"collective D against exact", Verdict::pass, z, 3, 5, ""};
    if (!(z <= check.warn_above)) check.verdict = Verdict::warn;
    if (!(z <= check.fail_above)) check.verdict = Verdict::fail;
    check.text = fmt::format(
        "D_J lies {:.1f} standard errors from (M - N) / (M - 1) times the exact D of a single ion, "
        "M sites, N ions.",
        z);
    return check;
}

Check check_mass(const MesoHeadline& h) {
    const bool single = *h.mass_error > 1e-9; // what double never comes near
    Check check{"mass of the field",   Verdict::pass,        *h.mass_error,
                single ? 1e-5 : 1e-10, single ? 1e-3 : 1e-8, ""};
    if (!(check.value <= check.warn_above)) check.verdict = Verdict::warn;
    if (!(check.value <= check.fail_above)) check.verdict = Verdict::fail;
    check.text = "Largest relative difference of what is there and what came in less what went out.";
    return check;
}

std::string result_json(const std::string& key, double value, double error, const std::string& unit,
                        const std::string& text) {
    return fmt::format(R"({{"key": {}, "value": {}, "error": {}, "unit": {}, "text": {}}})", json_text(key),
                       json_number(value), json_number(error), json_text(unit), json_text(text));
}

/// Keys of a run at several temperatures end with the temperature.
void add_gas(const GasHeadline& h, bool several, std::vector<std::string>& results) {
    const std::string at = several ? fmt::format("_{:g}K", h.temperature) : "";
    const auto add = [&](const char* key, const Estimate& e, const char* unit, const std::string& text) {
        if (std::isfinite(e.value)) results.push_back(result_json(key + at, e.value, e.error, unit, text));
    };
    const char* per_time = "angstrom^2/ps";
    const double none = std::nan("");
    add("vacancy_fraction", {h.vacancy_fraction, none}, "", fmt::format("of all sites; {:g} ions", h.n_ions));
    if (std::isfinite(h.temperature)) add("gas_temperature", {h.temperature, none}, "K", "of the hop rates");
    if (h.single)
        add("D_single", {*h.single, none}, per_time, "exact D of a single ion in the empty lattice");
    if (!h.displacements) return;
    for (int a = 0; a < 3; ++a)
        for (int b = a; b < 3; ++b) {
            add(fmt::format("D_tracer_{}{}", axis_names[a], axis_names[b]).c_str(),
                {h.tracer_tensor(a, b), h.tracer_tensor_error(a, b)}, per_time, "D* of a tagged ion");
            add(fmt::format("D_J_{}{}", axis_names[a], axis_names[b]).c_str(),
                {h.collective_tensor(a, b), h.collective_tensor_error(a, b)}, per_time,
                "of the summed displacement of all ions");
        }
    add("D_tracer", h.tracer, per_time, "D* of a tagged ion, mean of the axes");
    add("D_J", h.collective, per_time, "of the summed displacement of all ions, mean of the axes");
    if (h.exact_collective) add("D_J_exact", {*h.exact_collective, none}, per_time, "exact D_J");
    add("haven_ratio", h.haven, "", "D* / D_J");
    add("correlation_factor", h.correlation, "", "D* over that of uncorrelated hops");
    add("theta", h.theta, "", "thermodynamic factor d ln a / d ln c");
    add("D_chem", h.chemical, per_time, "chemical D = D_J Theta, mean of the axes");
    add("D_chem_m2_per_s",
        {h.chemical.value * units::angstrom2_per_ps_in_m2_per_s,
         h.chemical.error * units::angstrom2_per_ps_in_m2_per_s},
        "m^2/s", "chemical D = D_J Theta, mean of the axes");
    if (!several) add("hops", {static_cast<double>(h.hops), none}, "", "of all ions in all replicas");
    add("conductivity", h.conductivity, "S/m", "n q^2 D_J / kT");
    add("conductivity_tracer", h.conductivity_tracer, "S/m",
        "n q^2 D* / kT (Nernst-Einstein: as if ions moved independently)");
}

std::string gas_text(const std::vector<GasHeadline>& gas) {
    std::string out;
    for (const GasHeadline& h : gas) {
        out +=
            fmt::format("\nLattice gas{}: {:g} ions, {:.4g} % of the sites vacant, {} replicas of {:g} ps\n",
                        std::isfinite(h.temperature) ? fmt::format(" at {:g} K", h.temperature) : "",
                        h.n_ions, 100 * h.vacancy_fraction, h.n_replicas, h.total_time);
        if (!h.displacements) {
            out += "  ions come and go: no displacements (meso.h5 has occupancies and exchange)\n";
            continue;
        }
        const double si = units::angstrom2_per_ps_in_m2_per_s;
        out += fmt::format("  {:9} {:>24} {:>30}\n", "", "[Å²/ps]", "[m²/s]");
        const auto row = [&](const char* key, const Estimate& e, const char* text) {
            if (std::isfinite(e.value))
                out += fmt::format("  {:9} {:>24} {:>30}  {}\n", key, with_error(e.value, e.error),
                                   with_error(e.value * si, e.error * si), text);
        };
        const auto number = [&](const char* key, const Estimate& e, const char* text) {
            if (!std::isfinite(e.value)) return;
            const std::string value =
                e.error == 0 ? fmt::format("{:.6g}", e.value) : with_error(e.value, e.error);
            out += fmt::format("  {:9} {:>24} {:>30}  {}\n", key, value, "", text);
        };
        row("D*", h.tracer, "of a tagged ion");
        row("D_J", h.collective, "of the charge");
        if (h.exact_collective)
            out += fmt::format("  {:9} {:>24} {:>30}  exact, (M - N) / (M - 1) D of a single ion\n", "",
                               fmt::format("{:.5g}", *h.exact_collective),
                               fmt::format("{:.5g}", *h.exact_collective * si));
        row("D_chem", h.chemical, "D_J Theta");
        if (h.single)
            out += fmt::format("  {:9} {:>24} {:>30}  exact, a single ion in the empty lattice\n", "D_single",
                               fmt::format("{:.5g}", *h.single), fmt::format("{:.5g}", *h.single * si));
        number("Haven", h.haven, "D* / D_J");
        number("f", h.correlation, "D* over that of uncorrelated hops");
        number("Theta", h.theta, "thermodynamic factor");
        number("sigma", h.conductivity, "S/m, n q² D_J / kT");
        number("sigma_NE", h.conductivity_tracer,
               "S/m, n q² D* / kT: Nernst-Einstein, as if ions were independent");
    }
    return out;
}

} // namespace

std::string with_error(double value, double error) {
    if (!std::isfinite(value)) return "unknown";
    if (!std::isfinite(error) || error <= 0) return fmt::format("{:.4g} ± ?", value);
    // Two digits of the error, the value to the same decimal; powers of ten when the numbers are awkward.
    const int magnitude = static_cast<int>(std::floor(std::log10(std::max(std::abs(value), error))));
    const int last = static_cast<int>(std::floor(std::log10(error))) - 1;
    if (magnitude >= -4 && magnitude < 5) {
        const int decimals = std::clamp(-last, 0, 12);
        return fmt::format("{:.{}f} ± {:.{}f}", value, decimals, error, decimals);
    }
    const int decimals = std::clamp(magnitude - last, 0, 12);
    const double scale = std::pow(10.0, magnitude);
    return fmt::format("({:.{}f} ± {:.{}f})e{}", value / scale, decimals, error / scale, decimals, magnitude);
}

Verdict RunSummary::verdict() const {
    Verdict worst = Verdict::pass;
    for (const Check& c : checks) worst = std::max(worst, c.verdict);
    return worst;
}

RunSummary read_summary(const std::string& name, const std::string& folder) {
    const RunFiles files(folder);
    RunSummary s;
    s.name = name;
    s.folder = folder;
    s.version = version();
    s.commit = commit();
    // A result made from an earlier version of the one before it tells nothing about this run. Domains of
    // kernel files have none before them.
    std::string previous = fs::exists(files.sites) ? fingerprint_in(files.sites) : "";
    const auto belongs = [&](const std::string& path) {
        if (!fs::exists(path)) return false;
        const Provenance p = read_provenance(Hdf5File::open(path));
        if (!previous.empty() && !p.previous.empty() && p.previous != previous) {
            spdlog::warn("{} is left out: it was made from an older result. Run its stage again", path);
            return false;
        }
        previous = p.fingerprint;
        return true;
    };
    if (fs::exists(files.sites)) s.files.push_back("sites.h5");
    if (belongs(files.msm)) {
        s.files.push_back("msm.h5");
        s.markov = read_headline(Hdf5File::open(files.msm));
        s.checks = s.markov->checks;
    }
    if (belongs(files.meso)) {
        s.files.push_back("meso.h5");
        s.meso = read_meso(Hdf5File::open(files.meso));
        if (s.meso->walkers && s.meso->walkers->displacements && s.meso->exact)
            s.checks.push_back(check_walkers(*s.meso->walkers));
        if (s.meso->mass_error) s.checks.push_back(check_mass(*s.meso));
        if (std::any_of(s.meso->gas.begin(), s.meso->gas.end(),
                        [](const GasHeadline& h) { return h.exact_collective.has_value(); }))
            s.checks.push_back(check_gas(s.meso->gas));
        for (const char* file : {"walkers.h5md", "walkers.lammpstrj", "fields/field.pvd", "gas.csv"})
            if (fs::exists(fs::path(folder) / file)) s.files.emplace_back(file);
    }
    if (fs::exists(files.report)) s.files.push_back("report.html");
    return s;
}

std::string to_json(const RunSummary& s) {
    std::vector<std::string> results, checks, files;
    if (s.markov) {
        const LagHeadline& lag = s.markov->lags.at(s.markov->chosen);
        const Vec3 D = lag.diffusivity.diagonal();
        const std::string unit = "angstrom^2/ps";
        for (int a = 0; a < 3; ++a)
            for (int b = a; b < 3; ++b)
                results.push_back(result_json(
                    fmt::format("D_{}{}", axis_names[a], axis_names[b]), lag.diffusivity(a, b),
                    lag.error(a, b), unit,
                    fmt::format("diffusion tensor of the Markov model at a lag of {:g} ps", lag.lag_time)));
        results.push_back(result_json("D_mean", D.mean(), lag.mean_error, unit, "mean of the three axes"));
        results.push_back(result_json("D_mean_m2_per_s", D.mean() * units::angstrom2_per_ps_in_m2_per_s,
                                      lag.mean_error * units::angstrom2_per_ps_in_m2_per_s, "m^2/s",
                                      "mean of the three axes"));
        for (int a = 0; a < 3; ++a)
            results.push_back(
                result_json(fmt::format("hops_{}", axis_names[a]), lag.hops[a], std::nan(""), "",
                            fmt::format("independent hops behind D_{}{}", axis_names[a], axis_names[a])));
        for (int a = 0; a < 3; ++a)
            results.push_back(result_json(
                fmt::format("D_msd_{}{}", axis_names[a], axis_names[a]), s.markov->slope.diffusivity[a],
                s.markov->slope.error[a], unit,
                fmt::format("slope of the MSD, {:g} to {:g} ps", s.markov->fit_begin, s.markov->fit_end)));
        results.push_back(
            result_json("lag_time", lag.lag_time, std::nan(""), "ps", s.markov->agreement_sentence));
        for (const OrbitOccupancy& o : s.markov->orbits)
            results.push_back(result_json("occupancy_" + o.name, o.occupancy, std::nan(""), "ions per site",
                                          fmt::format("{} sites in the repeat unit", o.n_sites)));
    }
    if (s.meso) {
        const MesoHeadline& m = *s.meso;
        const auto component = [&](const char* key, int a) {
            return fmt::format("{}_{}{}", key, axis_names[a], axis_names[a]);
        };
        for (int a = 0; a < 3 && m.exact && m.gas.empty(); ++a)
            results.push_back(result_json(
                component("D_domain", a), (*m.exact)[a], std::nan(""), "angstrom^2/ps",
                m.homogenised ? "exact effective D of the microstructure" : "exact D of the kernel"));
        if (m.flux)
            results.push_back(result_json("D_flux", *m.flux, std::nan(""), "angstrom^2/ps",
                                          "steady flux between reservoirs"));
        if (m.passage)
            results.push_back(result_json("mean_first_passage", *m.passage, std::nan(""), "ps",
                                          "mean time until an ion leaves"));
        for (int a = 0; a < 3 && m.walkers && m.walkers->displacements; ++a)
            results.push_back(result_json(component("D_walkers", a), m.walkers->diffusivity[a],
                                          m.walkers->error[a], "angstrom^2/ps",
                                          fmt::format("{} walkers", m.walkers->n_walkers)));
        for (const GasHeadline& h : m.gas) add_gas(h, m.gas.size() > 1, results);
    }
    for (const Check& c : s.checks)
        checks.push_back(fmt::format(
            R"({{"name": {}, "verdict": {}, "value": {}, "warn_above": {}, "fail_above": {}, "text": {}}})",
            json_text(c.name), json_text(name(c.verdict)), json_number(c.value), json_number(c.warn_above),
            json_number(c.fail_above), json_text(c.text)));
    for (const std::string& file : s.files) files.push_back(json_text(file));
    return fmt::format("{{\n  \"name\": {},\n  \"version\": {},\n  \"commit\": {},\n  \"verdict\": {},\n  "
                       "\"markovian\": {},\n  \"results\": [\n"
                       "    {}\n  ],\n  \"checks\": [\n    {}\n  ],\n  \"files\": [{}]\n}}\n",
                       json_text(s.name), json_text(s.version), json_text(s.commit),
                       json_text(name(s.verdict())),
                       !s.markov                    ? "null"
                       : s.markov->status.markovian ? "true"
                                                    : "false",
                       fmt::join(results, ",\n    "), fmt::join(checks, ",\n    "), fmt::join(files, ", "));
}

std::string to_text(const RunSummary& s) {
    std::string out;
    if (s.markov) {
        const MarkovHeadline& m = *s.markov;
        const LagHeadline& lag = m.lags.at(m.chosen);
        const double si = units::angstrom2_per_ps_in_m2_per_s;
        out += fmt::format("Diffusion tensor of the Markov model at a lag of {:g} ps{}\n", lag.lag_time,
                           m.status.markovian ? "" : ", NOT MARKOVIAN");
        out += fmt::format("  {:6} {:>24} {:>30} {:>14}\n", "", "[Å²/ps]", "[m²/s]", "hops behind it");
        for (int a = 0; a < 3; ++a)
            for (int b = a; b < 3; ++b) {
                const double value = lag.diffusivity(a, b), error = lag.error(a, b);
                if (a != b && std::abs(value) + error < 1e-10 * lag.diffusivity.trace())
                    continue; // by symmetry
                const std::string hops = a == b ? fmt::format(" {:>14.0f}", lag.hops[a]) : "";
                out += fmt::format("  D_{}{}   {:>24} {:>30}{}\n", axis_names[a], axis_names[b],
                                   with_error(value, error), with_error(value * si, error * si), hops);
            }
        const Vec3 D = lag.diffusivity.diagonal();
        const double error = lag.mean_error;
        out += fmt::format("  mean   {:>24} {:>30}\n", with_error(D.mean(), error),
                           with_error(D.mean() * si, error * si));
        out += fmt::format("\nD by lag [Å²/ps], and the slope of the MSD between {:g} and {:g} ps\n",
                           m.fit_begin, m.fit_end);
        for (const LagHeadline& l : m.lags) {
            out += fmt::format("  {:>5} ps", fmt::format("{:g}", l.lag_time));
            for (int a = 0; a < 3; ++a)
                out += fmt::format(" {:>22}", with_error(l.diffusivity(a, a), l.error(a, a)));
            out += "\n";
        }
        out += fmt::format("  {:8}", "MSD");
        for (int a = 0; a < 3; ++a)
            out += fmt::format(" {:>22}", with_error(m.slope.diffusivity[a], m.slope.error[a]));
        out += "\n\nGrowth of the MSD, slope / 2 [Å²/ps]: model against trajectory, in standard errors of "
               "the difference\n";
        for (const LagHeadline& l : m.lags) {
            out += fmt::format("  {:>5} ps ", fmt::format("{:g}", l.lag_time));
            for (int a = 0; a < 3; ++a)
                out +=
                    fmt::format(" {:>9.4g} {:>9.4g} {:>+5.1f}", l.model_slope[a], l.msd_slope[a], l.z_msd[a]);
            out += fmt::format("  {:g} to {:g} ps{}\n", l.window_begin, l.window_end,
                               l.agrees ? ", agrees" : "");
        }
        out += fmt::format("  {}\n  {}\n", m.agreement_sentence, m.status.reason);
    }
    if (s.meso) {
        const MesoHeadline& m = *s.meso;
        out += fmt::format("\nDomain of {} cells, {} sites, {:.4g} x {:.4g} x {:.4g} nm{}\n",
                           fmt::join(m.cells, " x "), m.n_sites, m.size[0] / 10, m.size[1] / 10,
                           m.size[2] / 10, m.gas.empty() ? ": D [Å²/ps]" : "");
        if (m.exact && m.gas.empty()) {
            out += fmt::format("  {:7}", "exact");
            for (int a = 0; a < 3; ++a) out += fmt::format(" {:>22}", fmt::format("{:.5g}", (*m.exact)[a]));
            out += "\n";
        }
        if (m.walkers && m.walkers->displacements) {
            const WalkerHeadline& w = *m.walkers;
            out += fmt::format("  {:7}", "walkers");
            for (int a = 0; a < 3; ++a)
                out += fmt::format(" {:>22}", with_error(w.diffusivity[a], w.error[a]));
            out += fmt::format("  ({} over {:g} ps)\n", w.n_walkers, w.total_time);
        }
        if (m.flux) out += fmt::format("  {:7} {:>22.5g}\n", "flux", *m.flux);
        if (m.passage) out += fmt::format("  mean time until an ion leaves {:.5g} ps\n", *m.passage);
        out += gas_text(m.gas);
    }
    if (!s.checks.empty()) out += "\nChecks\n";
    for (const Check& c : s.checks)
        out += fmt::format("  {:4}  {}: {:.3g} (warn above {:g}, fail above {:g}). {}\n", name(c.verdict),
                           c.name, c.value, c.warn_above, c.fail_above, c.text);
    if (!out.empty()) out += "\n";
    out += fmt::format("Results: {}\n", s.folder);
    const std::string report = RunFiles(s.folder).report;
    if (std::find(s.files.begin(), s.files.end(), "report.html") != s.files.end())
        out += "Report: " + report + "\n";
    return out;
}

void write_summary(const Config& config) {
    write_text_file(RunFiles(config.run.output).summary,
                    to_json(read_summary(config.run.name, config.run.output)));
}

} // namespace mesolith
