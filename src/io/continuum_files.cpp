#include "mesolith/io/continuum_files.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <numbers>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "mesolith/core/error.hpp"
#include "mesolith/core/text.hpp"
#include "mesolith/core/units.hpp"
#include "mesolith/core/version.hpp"
#include "mesolith/io/json.hpp"

namespace mesolith {
namespace {

constexpr double SI = units::angstrom2_per_ps_in_m2_per_s;
constexpr double joule_per_mol_per_ev = 96485.33212; // CODATA 2018

constexpr std::array<ContinuumTarget, 7> targets{
    ContinuumTarget::pybamm, ContinuumTarget::bpx,    ContinuumTarget::battmo, ContinuumTarget::battmo_jl,
    ContinuumTarget::moose,  ContinuumTarget::comsol, ContinuumTarget::csv};

struct Name {
    const char *option, *display;
};
constexpr std::array<Name, 7> names{{{"pybamm", "PyBaMM"},
                                     {"bpx", "BPX"},
                                     {"battmo", "BattMo"},
                                     {"battmo.jl", "BattMo.jl"},
                                     {"moose", "MOOSE"},
                                     {"comsol", "COMSOL"},
                                     {"csv", "CSV"}}};

std::string axis(double value) { return fmt::format("{:.17g}", value); }
std::string number(double value) { return std::isnan(value) ? "nan" : fmt::format("{}", value); }

const char* meaning(DiffusivityKind kind) {
    switch (kind) {
    case DiffusivityKind::tracer:
        return "tracer diffusivity D* of a tagged ion; not for Fick's law";
    case DiffusivityKind::jump:
        return "jump diffusivity D_J of the charge; not for Fick's law";
    case DiffusivityKind::chemical:
        return "chemical diffusivity D~ = D_J Theta of Fick's law in the concentration; not for PyBaMM's "
               "MSMR";
    }
    return "";
}

std::string known(double value, const char* unit) {
    return std::isnan(value) ? "not known" : fmt::format("{:.10g}{}", value, unit);
}

/// Lowest and highest of a factor that differs from point to point.
std::string spread(const DiffusivityRecord& record, double DiffusivityPoint::*member) {
    double low = NAN, high = NAN;
    for (const DiffusivityPoint& p : record.points) {
        if (std::isnan(p.*member)) return "";
        low = std::isnan(low) ? p.*member : std::min(low, p.*member);
        high = std::isnan(high) ? p.*member : std::max(high, p.*member);
    }
    return low == high ? fmt::format("{:.6g}", low) : fmt::format("{:.6g} to {:.6g}", low, high);
}

std::string one_line(std::string text) {
    for (char& c : text)
        if (c == '\n' || c == '\r') c = ' ';
    return text;
}

/// "key: value" lines that every file begins with; readers look some of them up.
std::vector<std::string> header(const DiffusivityRecord& r, DiffusivityScalar scalar) {
    const auto two = [](double low, double high) { return fmt::format("{:.17g} {:.17g}", low, high); };
    std::vector<std::string> lines{
        fmt::format("kind: {} ({})", name_of(r.kind), meaning(r.kind)),
        fmt::format("name: {}", r.name),
        fmt::format("scalar: {} of the tensor, unit m2.s-1",
                    scalar == DiffusivityScalar::trace ? "trace/3" : name_of(scalar)),
        fmt::format("frame: {} volume{}", name_of(r.frame),
                    r.frame_source.empty() ? "" : ", lambda^2 from " + r.frame_source),
        fmt::format("x_max: {} lithium per host atom at stoichiometry 1", number(r.x_max)),
        fmt::format("c_max: {}", known(r.c_max, " mol.m-3")),
    };
    const auto factor = [&](const char* name, double DiffusivityPoint::*member, const std::string& source) {
        if (source.empty()) return;
        const std::string values = spread(r, member); // of fits it is not known
        lines.push_back(values.empty() ? fmt::format("{}: {}", name, source)
                                       : fmt::format("{}: {} ({})", name, values, source));
    };
    factor("Haven ratio", &DiffusivityPoint::haven, r.haven_source);
    factor("thermodynamic factor", &DiffusivityPoint::theta, r.theta_source);
    lines.push_back("valid_stoichiometry: " + two(r.valid_x.low / r.x_max, r.valid_x.high / r.x_max));
    lines.push_back("valid_T: " + two(r.valid_temperature.low, r.valid_temperature.high));
    for (const ValueRange& gap : r.masked)
        lines.push_back("two_phase: " + two(gap.low / r.x_max, gap.high / r.x_max));
    for (const std::string& step : r.provenance.steps) lines.push_back("step: " + step);
    for (const std::string& warning : r.warnings) lines.push_back("warning: " + warning);
    for (const RecordInput& input : r.provenance.inputs)
        lines.push_back(fmt::format("input: {} sha256 {}", input.path, input.sha256));
    lines.push_back(fmt::format("record by: mesolith {} ({})", r.provenance.version, r.provenance.commit));
    lines.push_back(fmt::format("written by: mesolith {} ({})", version(), commit()));
    for (std::string& line : lines) line = one_line(std::move(line));
    return lines;
}

std::string with_mark(const std::vector<std::string>& lines, const char* mark) {
    return joined(
        lines, [&](const std::string& line) { return mark + line + "\n"; }, "");
}

/// D of the grid [m^2/s], temperature fastest.
std::vector<double> values_on(const DiffusivityRecord& r, DiffusivityScalar scalar) {
    std::vector<double> values;
    for (const DiffusivityPoint& p : r.points) {
        values.push_back(scalar_of(p, scalar).value * SI);
        if (!(values.back() > 0))
            throw DataError(fmt::format("{}: the {} value is zero (tables are read in log D). Choose another "
                                        "scalar",
                                        name_of(p), name_of(scalar)));
    }
    return values;
}

// CSV, as PyBaMM reads it

constexpr const char* tensor_columns =
    "D_xx [m2.s-1],D_yy [m2.s-1],D_zz [m2.s-1],D_yz [m2.s-1],D_xz [m2.s-1],D_xy [m2.s-1]";

std::vector<double> tensor_in_si(const Mat3& D) {
    return {D(0, 0) * SI, D(1, 1) * SI, D(2, 2) * SI, D(1, 2) * SI, D(0, 2) * SI, D(0, 1) * SI};
}

std::string csv_text(const DiffusivityRecord& r, DiffusivityScalar scalar) {
    std::string out = fmt::format(
        "stoichiometry,temperature [K],diffusivity [m2.s-1],standard error of log10 D,hops,x,extrapolated,"
        "trace/3 [m2.s-1],harmonic [m2.s-1],self-consistent [m2.s-1],Hashin-Shtrikman lower [m2.s-1],"
        "Hashin-Shtrikman upper [m2.s-1],homogenised [m2.s-1],{},Haven ratio,Theta,lambda^2\n",
        tensor_columns);
    out += with_mark(header(r, scalar), "# ");
    for (const DiffusivityPoint& p : r.points) {
        const Estimate D = scalar_of(p, scalar);
        const PolycrystalEstimates e = polycrystal_estimates(p.diffusivity);
        std::vector<std::string> cells{axis(p.stoichiometry),
                                       axis(p.temperature),
                                       number(D.value * SI),
                                       number(D.error / (D.value * std::numbers::ln10)),
                                       number(p.hops),
                                       number(p.x),
                                       p.extrapolated ? "1" : "0"};
        for (const double value : {p.mean(), e.harmonic, e.self_consistent, e.hashin_shtrikman.lower,
                                   e.hashin_shtrikman.upper, p.homogenised})
            cells.push_back(number(value * SI));
        for (const double value : tensor_in_si(p.diffusivity)) cells.push_back(number(value));
        for (const double value : {p.haven, p.theta, p.squared_stretch}) cells.push_back(number(value));
        out += fmt::format("{}\n", fmt::join(cells, ","));
    }
    return out;
}

// BPX

std::string bpx_text(const DiffusivityRecord& r, const ContinuumOptions& options,
                     std::vector<std::string>& warnings) {
    const DiffusivityGrid all = [&] {
        DiffusivityGrid g;
        for (const DiffusivityPoint& p : r.points) {
            if (g.stoichiometry.empty() || g.stoichiometry.back() != p.stoichiometry)
                g.stoichiometry.push_back(p.stoichiometry);
            g.temperature.push_back(p.temperature);
        }
        return g;
    }();
    const double T_ref = options.reference_temperature;
    const bool one_temperature = std::all_of(all.temperature.begin(), all.temperature.end(),
                                             [&](double T) { return T == all.temperature.front(); });
    std::vector<double> value;
    std::string energy_member, energy_text;
    if (one_temperature) {
        if (all.temperature.front() != T_ref)
            throw DataError(fmt::format("all values are of {:g} K, BPX wants D at its reference temperature "
                                        "and an activation energy. Add values at other temperatures, or give "
                                        "--reference-temperature {:g}",
                                        all.temperature.front(), all.temperature.front()));
        value = values_on(r, options.scalar);
        energy_text = "no activation energy (one temperature)";
    } else {
        const CommonArrhenius fit = common_arrhenius(r, options.scalar, T_ref);
        for (const Estimate& D : fit.value) {
            value.push_back(D.value * SI);
            if (!(value.back() > 0) || !std::isfinite(value.back()))
                throw DataError(fmt::format("D at {:g} K is {} (too far from the data, {:g} to {:g} K). Give "
                                            "another --reference-temperature",
                                            T_ref, value.back(), fit.temperature.low, fit.temperature.high));
        }
        const double energy = fit.energy.value * joule_per_mol_per_ev;
        energy_member = fmt::format(",\n{{indent}}\"Diffusivity activation energy [J.mol-1]\": {}", energy);
        energy_text =
            fmt::format("one activation energy for all stoichiometries, {:.4g} eV", fit.energy.value);
        if (std::isfinite(fit.energy.error)) energy_text += fmt::format(" ± {:.2g} eV", fit.energy.error);
        energy_text += fmt::format(", from {:g} to {:g} K", fit.temperature.low, fit.temperature.high);
        if (fit.extrapolates) {
            double worst = 0;
            for (const Estimate& D : fit.value)
                worst = std::max(worst, D.error / (D.value * std::numbers::ln10));
            warnings.push_back(
                fmt::format("D at {:g} K is extrapolated (data from {:g} to {:g} K{})", T_ref,
                            fit.temperature.low, fit.temperature.high,
                            std::isfinite(worst) && worst > 0
                                ? fmt::format("; standard error of log10 D up to {:.2g}", worst)
                                : ""));
            energy_text += fmt::format("; D at {:g} K is extrapolated", T_ref);
        }
        if (fit.p < 0.01)
            warnings.push_back(fmt::format("one activation energy does not describe all stoichiometries and "
                                           "temperatures (chi^2 {:.3g}, p = {:.2g}): BPX holds no more",
                                           fit.chi_squared, fit.p));
    }
    const bool blended = !options.particle.empty();
    const std::string indent(blended ? 10 : 6, ' ');
    std::string table = all.stoichiometry.size() == 1
                            ? number(value.front())
                            : fmt::format("{{\"x\": [{}], \"y\": [{}]}}",
                                          joined(all.stoichiometry, axis, ", "), joined(value, number, ", "));
    std::string members = fmt::format("{}\"Diffusivity [m2.s-1]\": {}", indent, table);
    if (!energy_member.empty()) {
        const std::size_t at = energy_member.find("{indent}");
        members += energy_member.replace(at, 8, indent);
    }
    if (blended)
        members = fmt::format("      \"Particle\": {{\n        {}: {{\n{}\n        }}\n      }}",
                              json_text(options.particle), members);
    // BPX takes no members but its own, and PyBaMM no text among the user's: what it is stands in the header.
    std::string about =
        fmt::format("Diffusivity of the {}{}: D at {:g} K (the reference temperature of the "
                    "cell must be the same), {}. ",
                    options.electrode, blended ? ", " + options.particle : "", T_ref, energy_text);
    about += joined(
        header(r, options.scalar), [](const std::string& line) { return line; }, "; ");
    return fmt::format(
        "{{\n  \"Header\": {{\n    \"Description\": {}\n  }},\n  \"Parameterisation\": {{\n    {}: "
        "{{\n{}\n    }}\n  }}\n}}\n",
        json_text(about), json_text(options.electrode), members);
}

// Functions in MATLAB and Julia: ln D is bilinear, written with min and max only, so that it clamps at its
// ends and automatic differentiation goes through.

void check_identifier(const std::string& name) {
    bool good = !name.empty();
    for (std::size_t k = 0; k < name.size(); ++k) {
        const char c = name[k];
        const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        good = good && (letter || (k > 0 && ((c >= '0' && c <= '9') || c == '_')));
    }
    if (!good)
        throw DataError(
            fmt::format("'{}' is no name of a function (letters, digits, '_'). Choose such a name "
                        "for --out",
                        name));
}

/// Rows of ln D, one per stoichiometry.
std::string log_rows(const DiffusivityGrid& grid, const std::vector<double>& D, const char* row_end) {
    std::string out;
    for (std::size_t i = 0; i < grid.stoichiometry.size(); ++i) {
        std::vector<std::string> cells;
        for (std::size_t j = 0; j < grid.temperature.size(); ++j)
            cells.push_back(axis(std::log(D[i * grid.temperature.size() + j])));
        out += fmt::format("        {}{}\n", fmt::join(cells, " "), row_end);
    }
    return out;
}

std::string matlab_text(const DiffusivityRecord& r, const ContinuumOptions& options,
                        const std::string& name) {
    const DiffusivityGrid grid = regular_grid(r);
    const auto [s0, s100] = options.guest_stoichiometry.value_or(std::pair{0.0, 1.0});
    std::string out = fmt::format(
        "function D = {0}(soc, T)\n"
        "% D = {0}(soc, T): diffusivity in m2.s-1; T in K, {1} when left out, as BattMo does.\n"
        "% soc = (stoichiometry - theta0) / (theta100 - theta0) with BattMo's guestStoichiometry0 and\n"
        "% guestStoichiometry100, which must be those below. Bilinear in ln D, constant outside the table.\n",
        name, axis(options.reference_temperature));
    out += with_mark(header(r, options.scalar), "% ");
    out += fmt::format("    if nargin < 2\n        T = {};\n    end\n    theta0 = {};\n    theta100 = {};\n"
                       "    sto = theta0 + soc .* (theta100 - theta0);\n",
                       axis(options.reference_temperature), axis(s0), axis(s100));
    out += fmt::format("    s = [{}];\n    t = [{}];\n    lnD = [ ...\n{}    ];\n",
                       joined(grid.stoichiometry, axis, " "), joined(grid.temperature, axis, " "),
                       log_rows(grid, values_on(r, options.scalar), "; ..."));
    return out + "    f = at(1);\n"
                 "    for j = 1 : numel(t) - 1\n"
                 "        w = (min(max(T, t(j)), t(j + 1)) - t(j)) ./ (t(j + 1) - t(j));\n"
                 "        f = f + w .* (at(j + 1) - at(j));\n"
                 "    end\n"
                 "    D = exp(f);\n\n"
                 "    function g = at(j)\n"
                 "        g = lnD(1, j) + 0 .* sto;\n"
                 "        for i = 1 : numel(s) - 1\n"
                 "            v = (min(max(sto, s(i)), s(i + 1)) - s(i)) ./ (s(i + 1) - s(i));\n"
                 "            g = g + v .* (lnD(i + 1, j) - lnD(i, j));\n"
                 "        end\n"
                 "    end\n"
                 "end\n";
}

std::string julia_text(const DiffusivityRecord& r, DiffusivityScalar scalar, const std::string& name) {
    const DiffusivityGrid grid = regular_grid(r);
    std::string out = with_mark(header(r, scalar), "# ");
    out += fmt::format(
        "# {0}(c, T, refT, cmax): diffusivity in m2.s-1 at concentration c and temperature T [K]; bilinear "
        "in ln D,\n"
        "# constant outside the table. T is in it: leave the activation energy of diffusion at 0.\n"
        "const {0}_s = [{1}]\nconst {0}_t = [{2}]\nconst {0}_lnD = [\n{3}]\n\n",
        name, joined(grid.stoichiometry, axis, ", "), joined(grid.temperature, axis, ", "),
        log_rows(grid, values_on(r, scalar), ";"));
    out += fmt::format("function {0}(c, T, refT, cmax)\n"
                       "    s, t, lnD = {0}_s, {0}_t, {0}_lnD\n"
                       "    sto = c / cmax\n"
                       "    function at(j)\n"
                       "        g = lnD[1, j] + 0 * sto\n"
                       "        for i in 1:length(s)-1\n"
                       "            v = (min(max(sto, s[i]), s[i+1]) - s[i]) / (s[i+1] - s[i])\n"
                       "            g += v * (lnD[i+1, j] - lnD[i, j])\n"
                       "        end\n"
                       "        return g\n"
                       "    end\n"
                       "    f = at(1) + 0 * T\n"
                       "    for j in 1:length(t)-1\n"
                       "        w = (min(max(T, t[j]), t[j+1]) - t[j]) / (t[j+1] - t[j])\n"
                       "        f += w * (at(j + 1) - at(j))\n"
                       "    end\n"
                       "    return exp(f)\n"
                       "end\n",
                       name);
    return out;
}

std::string header_json(const DiffusivityRecord& r, DiffusivityScalar scalar) {
    return joined(
        header(r, scalar), [](const std::string& line) { return json_text(line); }, ",\n    ");
}

std::string battmo_json(const DiffusivityRecord& r, DiffusivityScalar scalar, const std::string& name) {
    std::string c_max;
    if (std::isfinite(r.c_max)) c_max = fmt::format(",\n    \"saturationConcentration\": {}", r.c_max);
    return fmt::format(
        "{{\n  \"comment\": [\n    {}\n  ],\n  \"diffusionModelType\": \"full\",\n  \"SolidDiffusion\": {{\n "
        "   "
        "\"diffusionCoefficient\": {{\"functionFormat\": \"named function\", \"functionName\": \"{}\", "
        "\"argumentList\": [\"soc\"]}},\n    \"activationEnergyOfDiffusion\": 0{}\n  }}\n}}\n",
        header_json(r, scalar), name, c_max);
}

std::string battmo_jl_json(const DiffusivityRecord& r, DiffusivityScalar scalar, const std::string& name) {
    return fmt::format(
        "{{\n  \"Comment\": [\n    {}\n  ],\n  \"ActiveMaterial\": {{\n    \"DiffusionCoefficient\": "
        "{{\"FunctionName\": \"{}\", \"FilePath\": \"{}.jl\"}},\n    "
        "\"ActivationEnergyOfDiffusion\": 0\n  }}\n}}\n",
        header_json(r, scalar), name, name);
}

// MOOSE and COMSOL

std::string moose_text(const DiffusivityRecord& r, DiffusivityScalar scalar) {
    const DiffusivityGrid grid = regular_grid(r);
    const std::vector<double> D = values_on(r, scalar);
    const std::size_t n_T = grid.temperature.size();
    std::string out = with_mark(header(r, scalar), "# ");
    out += "# X: stoichiometry, Y: temperature [K]; a row per temperature, stoichiometry runs fastest\n";
    out += fmt::format("AXIS X\n{}\n", joined(grid.stoichiometry, axis, " "));
    if (n_T > 1) out += fmt::format("AXIS Y\n{}\n", joined(grid.temperature, axis, " "));
    out += "DATA\n";
    for (std::size_t j = 0; j < n_T; ++j) {
        std::vector<std::string> row;
        for (std::size_t i = 0; i < grid.stoichiometry.size(); ++i) row.push_back(number(D[i * n_T + j]));
        out += fmt::format("{}\n", fmt::join(row, " "));
    }
    return out;
}

std::string comsol_text(const DiffusivityRecord& r, DiffusivityScalar scalar) {
    std::string out = with_mark(header(r, scalar), "% ");
    out += "% stoichiometry temperature[K] D[m2/s] Dxx[m2/s] Dyy[m2/s] Dzz[m2/s] Dyz[m2/s] Dxz[m2/s] "
           "Dxy[m2/s]\n";
    const std::vector<double> D = values_on(r, scalar);
    for (std::size_t k = 0; k < r.points.size(); ++k) {
        const DiffusivityPoint& p = r.points[k];
        out += fmt::format("{} {} {} {}\n", axis(p.stoichiometry), axis(p.temperature), number(D[k]),
                           joined(tensor_in_si(p.diffusivity), number, " "));
    }
    return out;
}

void refuse_other_kinds(const DiffusivityRecord& r, ContinuumTarget target) {
    if (!is_fickian(target) || r.kind == DiffusivityKind::chemical) return;
    const bool tracer = r.kind == DiffusivityKind::tracer;
    throw DataError(
        fmt::format("{} solves Fick's law and needs the chemical diffusivity, the record holds the {} one "
                    "({} missing). Give {}",
                    display_name(target), name_of(r.kind),
                    tracer ? "a Haven ratio and a thermodynamic factor are" : "a thermodynamic factor is",
                    tracer ? "--haven and --theta" : "--theta"));
}

} // namespace

const char* name_of(ContinuumTarget target) { return names.at(static_cast<std::size_t>(target)).option; }
const char* display_name(ContinuumTarget target) {
    return names.at(static_cast<std::size_t>(target)).display;
}
bool is_fickian(ContinuumTarget target) { return target != ContinuumTarget::csv; }

ContinuumTarget continuum_target(std::string_view name) {
    for (const ContinuumTarget target : targets)
        if (name == name_of(target)) return target;
    throw DataError(
        fmt::format("\"{}\" is no target (known: {}). Choose one of these", name,
                    joined(
                        targets, [](ContinuumTarget t) { return std::string(name_of(t)); }, ", ")));
}

ContinuumFiles continuum_files(const DiffusivityRecord& record, const std::string& out,
                               const ContinuumOptions& options) {
    namespace fs = std::filesystem;
    check_record(record);
    refuse_other_kinds(record, options.target);
    ContinuumFiles result;
    const fs::path path(out);
    const std::string stem = path.stem().string();
    const auto beside = [&](const char* extension) {
        return (path.parent_path() / (stem + extension)).string();
    };
    const DiffusivityScalar scalar = options.scalar;
    using enum ContinuumTarget;
    switch (options.target) {
    case pybamm:
        (void)regular_grid(record);
        (void)values_on(record, scalar);
        result.files.push_back({out, csv_text(record, scalar)});
        break;
    case bpx:
        result.files.push_back({out, bpx_text(record, options, result.warnings)});
        break;
    case battmo:
        check_identifier(stem);
        result.files.push_back({beside(".m"), matlab_text(record, options, stem)});
        result.files.push_back({beside(".json"), battmo_json(record, scalar, stem)});
        break;
    case battmo_jl:
        check_identifier(stem);
        result.files.push_back({beside(".jl"), julia_text(record, scalar, stem)});
        result.files.push_back({beside(".json"), battmo_jl_json(record, scalar, stem)});
        break;
    case moose:
        result.files.push_back({out, moose_text(record, scalar)});
        break;
    case comsol:
        result.files.push_back({out, comsol_text(record, scalar)});
        break;
    case csv:
        result.files.push_back({out, csv_text(record, scalar)});
        break;
    }
    if (options.target == battmo) {
        const double T = options.reference_temperature;
        if (!options.guest_stoichiometry)
            result.warnings.push_back(
                "BattMo's soc was taken for the stoichiometry. Give --guest-stoichiometry, the "
                "two of its input at 0 and 100 %, where it is not");
        if (T < record.points.front().temperature || T > record.points.back().temperature)
            result.warnings.push_back(
                fmt::format("BattMo hands over no temperature: D is that at {:g} K, outside the "
                            "table, the nearest in it",
                            T));
    }
    if (const double most = record.points.back().stoichiometry; options.target != csv && most > 1 + 1e-9)
        result.warnings.push_back(
            fmt::format("stoichiometries up to {:.4g} (those of {} end at 1): x = {:g} is more than x_max = "
                        "{:g}. Make the record with another --x-max where that is wrong",
                        most, display_name(options.target), record.points.back().x, record.x_max));
    const bool fixed_radius = options.target == pybamm || options.target == bpx || options.target == battmo ||
                              options.target == battmo_jl;
    if (fixed_radius && record.frame == VolumeFrame::current)
        result.warnings.push_back(
            fmt::format("D counts in the swollen volume, particles of {} keep their radius "
                        "(D_ref = D / lambda^2). Give --volume-ratio where swelling matters",
                        display_name(options.target)));
    return result;
}

} // namespace mesolith
