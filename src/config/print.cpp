#include "mesolith/core/version.hpp"

#include "text_of.hpp"

namespace mesolith {
namespace {

/// Every key of a section with its value; keys without one as a comment.
template <class Section>
std::string lines_of(Section section) {
    std::string out;
    visit_fields(section, [&](const char* key, auto& value, const About& about) {
        if (is_set(value))
            out += fmt::format("{} = {}\n", key, toml_of(value));
        else
            out += fmt::format("# {}: {}\n", key, about.unset.empty() ? "not set" : about.unset);
    });
    return out;
}

std::string meso_lines(const MesoSection& meso) {
    std::string out = "[meso]\n" + lines_of(meso);
    for (const MaterialSection& m : meso.materials) out += "\n[[meso.material]]\n" + lines_of(m);
    for (const RegionSection& r : meso.regions) out += "\n[[meso.region]]\n" + lines_of(r);
    if (meso.gas) {
        out += "\n[meso.gas]\n" + lines_of(*meso.gas);
        for (const GasSpeciesSection& s : meso.gas->species) out += "\n[[meso.gas.species]]\n" + lines_of(s);
        for (const GasPairSection& p : meso.gas->pairs) out += "\n[[meso.gas.pair]]\n" + lines_of(p);
    }
    if (meso.occupancy == Occupancy::exclusion) return out; // what follows is of tracers
    out += "\n[meso.walkers]\n" + lines_of(meso.walkers);
    if (meso.field) out += "\n[meso.field]\n" + lines_of(*meso.field);
    out += "\n[meso.steady]\n" + lines_of(meso.steady);
    return out;
}

std::string sweep_lines(const SweepSection& sweep) {
    std::string out = "\n[sweep]\n" + lines_of(sweep), zips;
    const auto line = [](const SweptKey& key) {
        return fmt::format("{} = [{}]\n", toml_text(key.key), fmt::join(key.values, ", "));
    };
    for (const SweepAxis& axis : sweep.axes) {
        if (axis.keys.size() == 1) {
            out += line(axis.keys.front());
            continue;
        }
        zips += "\n[[sweep.zip]]\n";
        for (const SweptKey& key : axis.keys) zips += line(key);
    }
    return out + zips;
}

/// "msm" -> what the keys of a section are for.
struct SectionPage {
    const char* heading;
    const char* text;
};

std::string table_cell(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c == '|') out += '\\';
        out += c;
    }
    return out;
}

template <class Section>
std::string page_of(const SectionPage& page) {
    std::string out = fmt::format("## {}\n\n{}\n\n| key | value | default | meaning |\n|---|---|---|---|\n",
                                  page.heading, page.text);
    Section section;
    visit_fields(section, [&](const char* key, auto& value, const About& about) {
        const bool needed = about.must_be_filled && !is_set(value);
        const std::string standard = needed          ? "**needed**"
                                     : is_set(value) ? "`" + toml_of(value) + "`"
                                                     : std::string(about.unset);
        out += fmt::format("| `{}` | {} | {} | {} |\n", key, table_cell(kind_of(value, about)),
                           table_cell(standard), table_cell(about.meaning));
    });
    return out + "\n";
}

} // namespace

std::string to_toml(const Config& config) {
    std::string out = "[run]\n" + lines_of(config.run);
    for (const TrajectorySection& t : config.trajectories) out += "\n[[trajectory]]\n" + lines_of(t);
    if (config.md) out += "\n[md]\n" + lines_of(*config.md);
    out += "\n[ions]\n" + lines_of(config.ions);
    out += "\n[sites]\n" + lines_of(config.sites);
    out += "\n[msm]\n" + lines_of(config.msm);
    if (config.meso) out += "\n" + meso_lines(*config.meso);
    out += "\n[report]\n" + lines_of(config.report);
    if (config.sweep) out += sweep_lines(*config.sweep);
    return out;
}

std::string stage_options(const Config& config, const std::string& stage) {
    const std::string seed = fmt::format("seed = {}\n", config.run.seed);
    // The mapping pass also measures the MSD, at lags that the [msm] section asks for.
    const auto mapping_lines = [&] {
        return lines_of(config.ions) + lines_of(config.sites) +
               fmt::format("msd {} {}\n", config.msm.longest_msd_lag(), toml_of(config.msm.fit_window));
    };
    if (stage == "md") // the temperature may be that of the run
        return seed + lines_of(config.md.value_or(MdSection{})) +
               fmt::format("temperature {}\nmobile {}\n", config.run.temperature.value_or(0),
                           fmt::join(config.ions.mobile, " ")) +
               (config.streams() ? mapping_lines() : "");
    if (stage == "sites") {
        std::string out;
        for (const TrajectorySection& t : config.present_trajectories()) out += lines_of(t);
        return out + mapping_lines();
    }
    if (stage == "msm") { // its file carries the temperature
        const std::optional<double>& kelvin = config.run.temperature;
        return seed + (kelvin ? fmt::format("temperature_K = {}\n", *kelvin) : "") + lines_of(config.msm);
    }
    if (stage ==
        "meso") { // site energies and hop lists without a temperature of their own take that of the run
        const std::optional<double>& kelvin = config.run.temperature;
        const MesoSection meso = config.meso.value_or(MesoSection{});
        const bool used = kelvin && !meso.temperature && !meso.materials.empty();
        return seed + (used ? fmt::format("temperature_K = {}\n", *kelvin) : "") + meso_lines(meso);
    }
    throw DataError("no such stage: " + stage);
}

std::string config_reference() {
    std::string out =
        "# Input file\n\n"
        "One TOML file describes a run; `mesolith new` prints one to start from, `mesolith check in.toml` "
        "tests one\n"
        "without running it. Every key has a default unless it is marked as needed. Times are in ps and "
        "lengths in\n"
        "angstrom unless the key says otherwise. Any key can be set on the command line, in TOML syntax:\n"
        "`--set msm.lag_times_ps=[1,2,5]`, `--set trajectory.0.stride=2` (the first trajectory) or\n"
        "`--set trajectory.stride=2` (all of them).\n\n"
        "This page is written by `mesolith --config-reference`.\n\n";
    out += page_of<RunSection>({"[run]", "The run as a whole."});
    out += page_of<TrajectorySection>(
        {"[[trajectory]]",
         "One section per trajectory. Several are replicas of the same crystal: their counts are added, "
         "no lag window crosses from one to the next. A single one may be written `[trajectory]`."});
    out += page_of<MdSection>(
        {"[md]",
         "Molecular dynamics that makes the trajectories of the run, in place of `[[trajectory]]`: one "
         "`md/replica_N.h5md` per replica in the folder of the run."});
    out += page_of<IonSection>({"[ions]", "What diffuses, and what it moves against."});
    out += page_of<SiteSection>({"[sites]", "The crystallographic sites and how ions are assigned to them."});
    out += page_of<MarkovSection>({"[msm]", "The Markov model, its error bars and its checks."});
    out += page_of<MesoSection>(
        {"[meso]", "Walkers, fields and steady states of a large domain. Done when the section is "
                   "there, even if it is empty. Without a trajectory, and with materials that bring "
                   "their own kernels, it is all there is to a run."});
    out += page_of<MaterialSection>(
        {"[[meso.material]]",
         "What regions are made of; the first fills all that no region covers. None: the "
         "Markov model of this run."});
    out += page_of<RegionSection>(
        {"[[meso.region]]", "Painted one over the other. Lengths count from the corner of the domain."});
    out += page_of<WalkerSection>({"[meso.walkers]", "Independent tracers."});
    out += page_of<FieldSection>({"[meso.field]", "Site occupations, followed when the section is there."});
    out += page_of<SteadySection>(
        {"[meso.steady]", "Exact answers by sparse solves, beside walkers and field."});
    out += page_of<GasSection>(
        {"[meso.gas]",
         "Ions that block each other, at most one per site, for `occupancy = \"exclusion\"`: exact kinetic "
         "Monte Carlo in continuous time. Every material is a hop list; walkers, field and steady state "
         "belong "
         "to tracers. The time runs over `meso.total_time_ps` after the equilibration."});
    out += page_of<GasSpeciesSection>(
        {"[[meso.gas.species]]", "Several kinds of ions, instead of one filling for all."});
    out +=
        page_of<GasPairSection>({"[[meso.gas.pair]]", "Energies of pairs of ions. A hop has its rate times "
                                                      "exp(-(E_after - E_before) / 2kT): detailed balance "
                                                      "holds whatever they are."});
    out += page_of<ReportSection>({"[report]", "The report.html with all pictures."});
    out += page_of<SweepSection>(
        {"[sweep]",
         "Many runs in one file: any key as `\"SECTION.KEY\" = [VALUE, VALUE, ...]`, all combinations of the "
         "values; lists that vary together stand in a `[[sweep.zip]]` of their own. See "
         "[sweeps](sweeps.md)."});
    out.pop_back();
    return out;
}

std::string config_template() {
    return R"(# mesolith input. Check it with `mesolith check FILE.toml`, run it with `mesolith run FILE.toml`.
# All keys and their defaults: docs/config.md or `mesolith --config-reference`.

[run]
# output = "runs/my_crystal"     # folder of the results, relative to the current directory
# temperature_K = 600            # lets `mesolith arrhenius` fit several runs

[[trajectory]]                   # repeat this section for replicas
file = "trajectory.lammpstrj"    # xyz, extxyz, LAMMPS dump, XDATCAR, CP2K, H5MD; text may be gzipped
types = { 1 = "Li", 2 = "Si" }   # only for files with numeric types
timestep_ps = 0.001              # only for files that count steps (LAMMPS)
discard_ps = 10                  # equilibration

[ions]
mobile = ["Li"]                  # what diffuses; the rest is the framework, whose drift is removed

[sites]
structure = "crystal.POSCAR"     # the ideal crystal: its Li atoms are the sites (no crystal: source = "density")
assignment = "core"              # an ion belongs to the last core sphere it entered ("nearest": to the nearest site)
core_radius_angstrom = 0.9       # at most half the distance between two sites

[msm]
lag_times_ps = [1, 2, 5, 10, 20] # the model is built and checked at each
fit_window_ps = [5, 20]          # where the slope of the MSD is taken

[meso]                           # leave this section out to stop at the Markov model
size = [50, 50, 50]
unit = "nm"
total_time_ps = 1e5

[meso.walkers]
n = 100000
)";
}

} // namespace mesolith
