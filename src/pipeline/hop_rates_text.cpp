#include <cmath>

#include <fmt/format.h>

#include "mesolith/core/error.hpp"
#include "mesolith/core/units.hpp"
#include "mesolith/core/version.hpp"
#include "mesolith/io/json.hpp"
#include "mesolith/pipeline/hop_rates.hpp"
#include "mesolith/pipeline/summary.hpp"

namespace mesolith {
namespace {

std::vector<std::string> orbit_names(const SiteBasis& basis) {
    std::vector<std::string> names;
    for (std::size_t s = 0; s < basis.size(); ++s) {
        const auto orbit = static_cast<std::size_t>(basis.orbit[s]);
        if (orbit >= names.size()) names.resize(orbit + 1);
        names[orbit] = orbit_name(basis.name[s]);
    }
    return names;
}

struct ClassName {
    std::string from, to;
    double length = 0;
};

std::vector<ClassName> class_names(const HopNetwork& network) {
    const std::vector<std::string> orbits = orbit_names(network.basis);
    std::vector<ClassName> names;
    for (const HopPairClass& c : network.classes)
        names.push_back({orbits[static_cast<std::size_t>(c.from_orbit)],
                         orbits[static_cast<std::size_t>(c.to_orbit)], c.length});
    return names;
}

std::string or_dash(double value, const char* form) {
    return std::isfinite(value) ? fmt::format(fmt::runtime(form), value) : "-";
}

std::string rate_text(const ElementaryRate& r) {
    if (!(r.exposure > 0)) return "-";
    return r.hops > 0 ? with_error(r.rate.value, r.rate.error) : fmt::format("< {:.2g}", r.upper_bound);
}

/// One line per class; used for the screen and for the comments of the hop list.
std::string class_table(const HopNetwork& network, const HopRatesRun& run) {
    const std::vector<ClassName> names = class_names(network);
    std::string out =
        fmt::format("{:>3}  {:>6} {:>6} {:>6} {:>6} {:>8} {:>10} {:>22} {:>9} {:>22} {:>9} {:>5} {:>6}\n", "",
                    "from", "to", "[A]", "pairs", "hops N", "T [ps]", "N / T [1/ps]", "Poisson",
                    "balanced [1/ps]", "listed", "z", "back");
    for (std::size_t c = 0; c < run.rates.classes.size(); ++c) {
        const ElementaryRate& r = run.rates.classes[c];
        const bool found = r.balanced.value > 0;
        out += fmt::format(
            "{:>3}  {:>6} {:>6} {:>6.2f} {:>6} {:>8.0f} {:>10.1f} {:>22} {:>9} {:>22} {:>9} {:>5} {:>6}\n", c,
            names[c].from, names[c].to, names[c].length, network.classes[c].n_pairs, r.hops, r.exposure,
            rate_text(r), r.hops > 0 ? fmt::format("{:.2g}", r.poisson_error) : "-",
            found ? with_error(r.balanced.value, r.balanced.error) : "-",
            found ? fmt::format("{:.3g}", run.listed(c)) : "-", or_dash(r.balance_z, "{:.1f}"),
            or_dash(r.back_ratio, "{:.2f}"));
    }
    return out;
}

/// Sums over all classes in one bin of age: hops back and by others, and those that the rates would give.
struct RefillSums {
    double back = 0, back_expected = 0, others = 0, others_expected = 0;
};
RefillSums refill_sums(const Refills& refills, const ElementaryRates& rates, std::size_t bin) {
    RefillSums sums;
    const std::size_t n = refills.age.size();
    for (std::size_t c = 0; c < rates.classes.size(); ++c) {
        const double rate = rates.classes[c].exposure > 0 ? rates.classes[c].rate.value : 0;
        sums.back += refills.hops[c * n + bin];
        sums.back_expected += refills.exposure[c * n + bin] * rate;
        sums.others += refills.other_hops[c * n + bin];
        sums.others_expected += refills.other_exposure[c * n + bin] * rate;
    }
    return sums;
}

/// Hops into a site that was left, over all classes, against those of a gas without memory seen in such
/// frames.
std::string refill_table(const HopRatesRun& run) {
    const Refills& refills = run.refills;
    const bool gas = !run.correction.refills.age.empty();
    std::string out =
        fmt::format("  {:>16} {:>7} {:>15} {:>9} {:>9} {:>15} {:>9}\n", "time since [ps]", "back",
                    "over expected", gas ? "in a gas" : "", "others", "over expected", gas ? "in a gas" : "");
    const auto ratio = [](double seen, double expected) {
        return expected > 0 ? fmt::format("{:.2f}", seen / expected) : "-";
    };
    const auto with_noise = [](double seen, double expected) {
        return expected > 0 ? with_error(seen / expected, std::sqrt(std::max(seen, 1.0)) / expected) : "-";
    };
    double low = 0;
    for (std::size_t b = 0; b < refills.age.size(); ++b) {
        const RefillSums sums = refill_sums(refills, run.rates, b);
        const RefillSums same =
            gas ? refill_sums(run.correction.refills, run.correction.simulated, b) : RefillSums();
        const std::string age = std::isfinite(refills.age[b])
                                    ? fmt::format("{:g} to {:g}", low, refills.age[b])
                                    : fmt::format("> {:g}", low);
        out += fmt::format("  {:>16} {:>7.0f} {:>15} {:>9} {:>9.0f} {:>15} {:>9}\n", age, sums.back,
                           with_noise(sums.back, sums.back_expected),
                           gas ? ratio(same.back, same.back_expected) : "", sums.others,
                           with_noise(sums.others, sums.others_expected),
                           gas ? ratio(same.others, same.others_expected) : "");
        low = refills.age[b];
    }
    return out;
}

std::string run_text(const HopRatesResult& result, const HopRatesRun& run) {
    const std::vector<std::string> orbits = orbit_names(result.network.basis);
    std::string out = fmt::format("Hops into empty sites at {:g} K, {}\n", run.temperature, run.folder);
    out += fmt::format("  {} ions on {} sites, {:.0f} ps, a frame every {:g} ps, {} blocks of {:g} ps\n",
                       run.n_ions, run.n_sites, run.rates.total_time, run.frame_interval, run.n_blocks,
                       run.block_length);
    out += fmt::format(
        "  {} hops; {} removed with their reversals (stays below {:g} ps); {} waited for a site to "
        "become free, {} went back before; {} exchanged places; {} longer than {:.2f} A\n",
        run.hops, run.removed, result.options.min_residence, run.delayed, run.cancelled, run.exchanged,
        run.beyond, result.network.cutoff);
    out += fmt::format(
        "  on a site that another ion holds: {:.4f} ions on average; a site is empty for {:.3g} ps, at most "
        "{:.4g} ps\n",
        run.waiting, run.mean_empty, run.longest_empty);
    for (std::size_t o = 0; o < orbits.size(); ++o) {
        const Estimate& theta = run.rates.occupancy[o];
        const Estimate& w = run.rates.log_weight[o];
        const double kT = units::boltzmann_ev_per_k * run.temperature;
        out += fmt::format("  {:6} occupancy {:<18}", orbits[o], with_error(theta.value, theta.error));
        if (o > 0)
            out += fmt::format(" site energy {} eV against {}", with_error(-kT * w.value, kT * w.error),
                               orbits[0]);
        out += "\n";
    }
    out += "\n" + class_table(result.network, run);
    out += "\nHops into a site that was left: straight back, and by other ions\n" + refill_table(run);
    out += fmt::format("\n  D of all ions together (D_J), few vacancies, from listed rates: {} Å²/ps\n",
                       with_error(run.collective.value, run.collective.error));
    if (run.direct.has_collective)
        out += fmt::format("  the same from the trajectory: {}; of single ions (D*): {}\n",
                           with_error(run.direct.collective_mean.value, run.direct.collective_mean.error),
                           with_error(run.direct.tracer_mean.value, run.direct.tracer_mean.error));
    return out;
}

/// Rate x weight to the barrier and prefactor of one direction.
struct Barrier {
    double prefactor = 0, energy = 0;
};
Barrier barrier_of(const HopRatesResult& result, const HopRateFit& fit, std::int32_t orbit) {
    const ArrheniusFit* weight =
        orbit > 0 ? &result.weight_fits[static_cast<std::size_t>(orbit) - 1] : nullptr;
    return {std::exp(fit.log_prefactor - (weight ? weight->log_prefactor : 0)),
            std::max(0.0, fit.energy - (weight ? weight->activation_energy : 0))};
}

std::string fits_text(const HopRatesResult& result) {
    if (result.fits.empty()) return "";
    const std::vector<ClassName> names = class_names(result.network);
    const std::vector<std::string> orbits = orbit_names(result.network.basis);
    std::string out = fmt::format("Over temperature, {:g} to {:g} K\n", result.runs.front().temperature,
                                  result.runs.back().temperature);
    for (std::size_t o = 0; o < result.weight_fits.size(); ++o) {
        const ArrheniusFit& f = result.weight_fits[o];
        out += fmt::format("  {:6} energy {} eV, entropy {} k against {}, p = {:.2g}\n", orbits[o + 1],
                           with_error(f.activation_energy, f.energy_error()),
                           with_error(f.log_prefactor, std::sqrt(f.covariance(0, 0))), orbits[0], f.p);
    }
    out += fmt::format("  {:>6} {:>6} {:>6} {:>18} {:>16} {:>16} {:>14} {:>6}\n", "from", "to", "[A]",
                       "barrier [eV]", "prefactor [1/ps]", "back [eV]", "back [1/ps]", "p");
    for (const HopRateFit& fit : result.fits) {
        const auto c = static_cast<std::size_t>(fit.pair_class);
        const HopPairClass& kind = result.network.classes[c];
        if (!fit.conductance) {
            out += fmt::format("  {:>6} {:>6} {:>6.2f} {:>18}\n", names[c].from, names[c].to, names[c].length,
                               "too few hops");
            continue;
        }
        const Barrier there = barrier_of(result, fit, kind.from_orbit),
                      back = barrier_of(result, fit, kind.to_orbit);
        out += fmt::format("  {:>6} {:>6} {:>6.2f} {:>18} {:>16.4g} {:>16.4f} {:>14.4g} {:>6}\n",
                           names[c].from, names[c].to, names[c].length,
                           with_error(there.energy, fit.conductance->energy_error()), there.prefactor,
                           back.energy, back.prefactor, or_dash(fit.conductance->p, "{:.2g}"));
    }
    return out;
}

std::string commented(const std::string& text) {
    std::string out;
    std::size_t begin = 0;
    while (begin < text.size()) {
        const std::size_t end = std::min(text.find('\n', begin), text.size());
        const std::string line = text.substr(begin, end - begin);
        out += line.empty() ? "#\n" : "# " + line + "\n";
        begin = end + 1;
    }
    return out;
}

/// The shortest text that reads back to the same double.
std::string number(double value) { return fmt::format("{}", value); }

std::string vector_text(const Vec3& v) {
    return fmt::format("[{}, {}, {}]", number(v[0]), number(v[1]), number(v[2]));
}

/// Folder of a run without the way to it.
std::string base_name(std::string folder) {
    while (folder.size() > 1 && folder.back() == '/') folder.pop_back();
    return folder.substr(folder.find_last_of('/') + 1);
}

std::string header(const HopRatesResult& result) {
    const HopRatesOptions& o = result.options;
    std::string out = "Rates of ions that hop into empty neighbour sites, for exclusion kinetic Monte Carlo "
                      "only: the D of a "
                      "single\nion on the empty lattice, which `mesolith diffusivity` prints, is not that of "
                      "the material.\n";
    out += fmt::format("Made by mesolith {} ({}) with `mesolith hop-rates{}{}{}` from\n", version(), commit(),
                       o.min_residence > 0 ? fmt::format(" --min-residence-ps {:g}", o.min_residence) : "",
                       o.cutoff > 0 ? fmt::format(" --cutoff-angstrom {:g}", o.cutoff) : "",
                       o.correct_frames ? "" : " --no-frame-correction");
    for (const HopRatesRun& run : result.runs)
        out += fmt::format("  {} ({:g} K, {:.4g} % vacancies, {:.0f} ps, a frame every {:g} ps)\n",
                           base_name(run.folder), run.temperature, 100 * run.rates.vacancy_fraction,
                           run.rates.total_time, run.frame_interval);
    return out + "N hops were seen in the time T in which a site of the class was taken and the other one "
                 "empty; balanced: "
                 "both\ndirections with the weights of the sites; listed: with the hops that frames hide; z "
                 "tests detailed "
                 "balance; back:\nhops straight back over those of rates without memory.\n";
}

} // namespace

std::string to_hop_list(const HopRatesResult& result, const std::string& name) {
    const HopNetwork& network = result.network;
    const SiteBasis& basis = network.basis;
    const bool fitted = !result.fits.empty();
    const HopRatesRun& first = result.runs.front();
    std::string out = commented(header(result));
    for (const HopRatesRun& run : result.runs)
        out += commented(fmt::format("\n{:g} K\n", run.temperature) + class_table(network, run));
    if (fitted)
        out += commented("\n" + fits_text(result) +
                         fmt::format("\nValid from {:g} to {:g} K; beyond, it is extrapolation.\n",
                                     result.runs.front().temperature, result.runs.back().temperature));
    else
        out += commented(fmt::format("\nValid at {:g} K only.\n", first.temperature));

    const Mat3& A = basis.cell.vectors();
    out += fmt::format("\n[crystal]\nname = {}\nlattice_angstrom = [{}, {}, {}]\nsites_fractional = [\n",
                       json_text(name), vector_text(A.row(0)), vector_text(A.row(1)), vector_text(A.row(2)));
    for (const Vec3& position : basis.positions)
        out += "    " + vector_text(basis.cell.to_fractional(position)) + ",\n";
    out += "]\nsite_names = [";
    for (std::size_t s = 0; s < basis.size(); ++s)
        out += (s == 0 ? "" : s % 10 == 0 ? ",\n    " : ", ") + json_text(basis.name[s]);
    out += "]\n";
    const double kT = units::boltzmann_ev_per_k * first.temperature;
    if (!fitted) {
        out += "site_energies_eV = ["; // free energies at this temperature
        for (std::size_t s = 0; s < basis.size(); ++s) {
            const double w = first.rates.log_weight[static_cast<std::size_t>(basis.orbit[s])].value;
            if (!std::isfinite(w))
                throw InputError(
                    fmt::format("site {} was {} at all times (its energy is not determined). Use longer "
                                "trajectories",
                                basis.name[s], w > 0 ? "taken" : "empty"));
            out += (s == 0 ? "" : s % 5 == 0 ? ",\n    " : ", ") + number(w == 0 ? 0.0 : -kT * w);
        }
        out += "]\n";
    }
    out += fmt::format("\n[rates]\ntemperature_K = {}\n", number(first.temperature));

    std::size_t n_hops = 0;
    const std::vector<ClassName> names = class_names(network);
    const auto hop = [&](const Transition& t, const std::string& rate) {
        out += fmt::format("[[hop]]\nfrom = {}\nto = {}\nR = [{}, {}, {}]\n{}\n", t.from, t.to, t.R[0],
                           t.R[1], t.R[2], rate);
        ++n_hops;
    };
    for (std::size_t c = 0; c < network.classes.size(); ++c) {
        const HopPairClass& kind = network.classes[c];
        const auto r = static_cast<std::size_t>(kind.reverse);
        if (r < c) continue;
        const HopRateFit* fit = nullptr;
        for (const HopRateFit& f : result.fits)
            if (f.pair_class == static_cast<std::int32_t>(c)) fit = &f;
        const double rate = first.listed(c);
        if (fitted ? !(fit && fit->conductance) : !(rate > 0)) continue;
        out += fmt::format("\n# {} to {}, {:.2f} A\n", names[c].from, names[c].to, names[c].length);
        for (std::size_t k = 0; k < network.pairs.size(); ++k) {
            const Transition& t = network.pairs[k];
            const auto own = static_cast<std::size_t>(network.class_of[k]);
            if (own != c || (r == c && t.reversed() < t)) continue;
            if (!fitted) { // the way back follows from the site energies
                hop(t, fmt::format("rate_per_ps = {}", number(rate)));
                continue;
            }
            const auto line = [&](std::int32_t orbit) {
                const Barrier b = barrier_of(result, *fit, orbit);
                return fmt::format("barrier_eV = {}\nprefactor_per_ps = {}", number(b.energy),
                                   number(b.prefactor));
            };
            hop(t, line(kind.from_orbit));
            hop(t.reversed(), line(kind.to_orbit));
        }
    }
    if (n_hops == 0)
        throw InputError(
            "no hop between sites within the cutoff was seen often enough (nothing to write). Use "
            "longer trajectories or a larger cutoff");
    return out;
}

std::string to_text(const HopRatesResult& result) {
    std::string out;
    for (const HopRatesRun& run : result.runs) out += (out.empty() ? "" : "\n") + run_text(result, run);
    if (!result.fits.empty()) out += "\n" + fits_text(result);
    return out;
}

namespace {

std::string estimate_json(const std::string& name, const Estimate& e) {
    return fmt::format("\"{}\": {}, \"{}_error\": {}", name, json_number(e.value), name,
                       json_number(e.error));
}

std::string run_json(const HopRatesRun& run) {
    std::vector<std::string> classes, occupancy, weight;
    const std::size_t n = run.refills.age.size();
    for (std::size_t c = 0; c < run.rates.classes.size(); ++c) {
        const ElementaryRate& r = run.rates.classes[c];
        const auto row = [&](const std::vector<double>& values) {
            return json_numbers({values.begin() + static_cast<std::ptrdiff_t>(c * n),
                                 values.begin() + static_cast<std::ptrdiff_t>((c + 1) * n)});
        };
        classes.push_back(fmt::format(
            R"({{"hops": {}, "exposure_ps": {}, {}, "poisson_error": {}, "upper_bound": {}, {}, "balance_z": {}, )"
            R"("listed": {}, "back_ratio": {}, "first_back_ratio": {}, "back_hops": {}, "back_exposure_ps": {}, "other_hops": {}, "other_exposure_ps": {}}})",
            json_number(r.hops), json_number(r.exposure), estimate_json("rate", r.rate),
            json_number(r.poisson_error), json_number(r.upper_bound), estimate_json("balanced", r.balanced),
            json_number(r.balance_z), json_number(run.listed(c)), json_number(r.back_ratio),
            json_number(r.first_back_ratio), row(run.refills.hops), row(run.refills.exposure),
            row(run.refills.other_hops), row(run.refills.other_exposure)));
    }
    for (const Estimate& e : run.rates.occupancy) occupancy.push_back("{" + estimate_json("value", e) + "}");
    for (const Estimate& e : run.rates.log_weight) weight.push_back("{" + estimate_json("value", e) + "}");
    return fmt::format(
        R"({{"folder": {}, "temperature_K": {}, "n_ions": {}, "n_sites": {}, "frame_interval_ps": {}, "n_blocks": {}, )"
        R"("block_length_ps": {}, "hops": {}, "removed": {}, "delayed": {}, "cancelled": {}, "exchanged": {}, )"
        R"("beyond_cutoff": {}, "mean_empty_ps": {}, "longest_empty_ps": {}, "waiting_ions": {}, "time_ps": {}, "vacancy_fraction": {}, {}, {}, {}, )"
        R"("occupancy": {}, "log_weight": {}, "age_ps": {}, "classes": {}}})",
        json_text(run.folder), json_number(run.temperature), run.n_ions, run.n_sites,
        json_number(run.frame_interval), run.n_blocks, json_number(run.block_length), run.hops, run.removed,
        run.delayed, run.cancelled, run.exchanged, run.beyond, json_number(run.mean_empty),
        json_number(run.longest_empty), json_number(run.waiting), json_number(run.rates.total_time),
        json_number(run.rates.vacancy_fraction), estimate_json("D_J_dilute", run.collective),
        estimate_json("D_J", run.direct.collective_mean), estimate_json("D", run.direct.tracer_mean),
        json_list(occupancy), json_list(weight), json_numbers(run.refills.age), json_list(classes, ",\n  "));
}

} // namespace

std::string to_json(const HopRatesResult& result) {
    const std::vector<ClassName> names = class_names(result.network);
    std::vector<std::string> classes, runs, fits, weights, warnings;
    for (std::size_t c = 0; c < names.size(); ++c)
        classes.push_back(
            fmt::format(R"({{"from": {}, "to": {}, "length_A": {}, "reverse": {}, "pairs": {}}})",
                        json_text(names[c].from), json_text(names[c].to), json_number(names[c].length),
                        result.network.classes[c].reverse, result.network.classes[c].n_pairs));
    for (const HopRatesRun& run : result.runs) runs.push_back(run_json(run));
    for (const HopRateFit& f : result.fits) {
        const HopPairClass& kind = result.network.classes[static_cast<std::size_t>(f.pair_class)];
        if (!f.conductance) {
            fits.push_back(fmt::format(R"({{"class": {}, "barrier_eV": null}})", f.pair_class));
            continue;
        }
        const Barrier there = barrier_of(result, f, kind.from_orbit),
                      back = barrier_of(result, f, kind.to_orbit);
        fits.push_back(fmt::format(
            R"({{"class": {}, "barrier_eV": {}, "barrier_error_eV": {}, "prefactor_per_ps": {}, "back_barrier_eV": {}, )"
            R"("back_prefactor_per_ps": {}, "chi_squared": {}, "p": {}, "flattened": {}}})",
            f.pair_class, json_number(there.energy), json_number(f.conductance->energy_error()),
            json_number(there.prefactor), json_number(back.energy), json_number(back.prefactor),
            json_number(f.conductance->chi_squared), json_number(f.conductance->p), f.flattened));
    }
    for (const ArrheniusFit& f : result.weight_fits)
        weights.push_back(
            fmt::format(R"({{"energy_eV": {}, "energy_error_eV": {}, "log_prefactor": {}, "p": {}}})",
                        json_number(f.activation_energy), json_number(f.energy_error()),
                        json_number(f.log_prefactor), json_number(f.p)));
    for (const std::string& w : result.warnings) warnings.push_back(json_text(w));
    return fmt::format(
        "{{\"units\": {{\"D\": \"angstrom^2/ps\", \"rate\": \"1/ps\", \"energy\": \"eV\"}},\n"
        "\"cutoff_A\": {}, \"min_residence_ps\": {},\n\"classes\": {},\n\"runs\": {},\n\"fits\": {},\n"
        "\"weight_fits\": {},\n\"warnings\": {}}}\n",
        json_number(result.network.cutoff), json_number(result.options.min_residence),
        json_list(classes, ",\n"), json_list(runs, ",\n"), json_list(fits, ",\n"), json_list(weights),
        json_list(warnings));
}

} // namespace mesolith
