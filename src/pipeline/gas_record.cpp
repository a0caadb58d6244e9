// Points of a diffusivity record from lattice gases: those of a sweep, or of one run.
#include <algorithm>
#include <cmath>
#include <filesystem>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "mesolith/core/error.hpp"
#include "mesolith/io/store.hpp"
#include "mesolith/io/summary_file.hpp"
#include "mesolith/pipeline/diffusivity_record.hpp"
#include "mesolith/pipeline/stages.hpp"
#include "mesolith/pipeline/sweep.hpp"

namespace mesolith {
namespace {

namespace fs = std::filesystem;
constexpr const char* temperature_key = "gas_temperature";
constexpr const char* components[] = {"xx", "yy", "zz", "yz", "xz", "xy"};
constexpr std::pair<int, int> places[] = {{0, 0}, {1, 1}, {2, 2}, {1, 2}, {0, 2}, {0, 1}};
constexpr Estimate none{DiffusivityPoint::unknown, DiffusivityPoint::unknown};

/// What the summaries of all points say of their gases at one temperature. Their keys end with it when a
/// point has several ("D_J_500K").
class SweptGas {
public:
    SweptGas(const SweepResults& results, std::string ending)
        : results_(results), ending_(std::move(ending)) {}

    Estimate at(const std::string& key, std::size_t point) const {
        for (const ResultColumn& c : results_.results)
            if (c.key == key + ending_) return {c.value[point], c.error[point]};
        return none;
    }
    std::string name(std::size_t point) const {
        return ending_.empty() ? results_.name[point] : results_.name[point] + ", " + ending_.substr(1);
    }

private:
    const SweepResults& results_;
    std::string ending_;
};

std::vector<std::string> endings(const SweepResults& results) {
    std::vector<std::string> out;
    for (const ResultColumn& c : results.results)
        if (c.key.starts_with(temperature_key))
            out.push_back(c.key.substr(std::string(temperature_key).size()));
    return out;
}

Estimate times(const Estimate& a, const Estimate& b) {
    return {a.value * b.value, std::hypot(a.error * b.value, a.value * b.error)};
}

/// D* or D_J with its tensor, its Haven ratio and the hops behind it; none when the point has no such D.
std::optional<DiffusivityPoint> measured(const SweptGas& gas, std::size_t k, const std::string& key) {
    DiffusivityPoint p;
    p.mean_error = gas.at(key, k).error;
    for (std::size_t c = 0; c < 6; ++c) {
        const Estimate e = gas.at(key + "_" + components[c], k);
        if (std::isnan(e.value)) return std::nullopt;
        const auto [a, b] = places[c];
        p.diffusivity(a, b) = p.diffusivity(b, a) = e.value;
        p.error(a, b) = p.error(b, a) = e.error;
    }
    const Estimate haven = gas.at("haven_ratio", k);
    p.haven = haven.value, p.haven_error = haven.error;
    p.hops = gas.at("hops", k).value;
    return p;
}

/// D_J to D_J Theta, both with their errors.
void use_theta(DiffusivityPoint& p, const Estimate& theta) {
    p.mean_error = times({p.mean(), p.mean_error}, theta).error;
    for (int a = 0; a < 3; ++a)
        for (int b = 0; b < 3; ++b) p.error(a, b) = times({p.diffusivity(a, b), p.error(a, b)}, theta).error;
    p.diffusivity *= theta.value;
    p.theta = theta.value, p.theta_error = theta.error;
}

/// The first ones by name, and how many there are.
std::string listed(const std::vector<std::string>& names) {
    constexpr std::size_t shown = 6;
    const std::vector<std::string> first(
        names.begin(), names.begin() + static_cast<std::ptrdiff_t>(std::min(names.size(), shown)));
    return fmt::format("{}{}", fmt::join(first, "; "),
                       names.size() > shown ? fmt::format("; {} more", names.size() - shown) : "");
}

/// What summaries say, a row for each run.
struct Gases {
    std::string path; ///< file that they are from
    std::string step; ///< for the provenance
    SweepResults results;
    Provenance provenance;
};

Gases gases_of_sweep(const std::string& path) {
    return {path, "sweep " + path, read_sweep(path), read_provenance(Hdf5File::open(path))};
}

/// One run as a sweep of one point.
Gases gases_of_run(const std::string& folder) {
    const RunFiles files(folder);
    const SummaryFile summary = read_summary_file(files.summary);
    Gases gases{files.meso, "run " + folder, {}, read_provenance(Hdf5File::open(files.meso))};
    SweepResults& r = gases.results;
    r.name = {summary.name};
    r.folder = {""};
    r.status = {"done"};
    r.message = {""};
    r.verdict = {summary.verdict};
    for (const SummaryNumber& n : summary.results)
        r.results.push_back({n.key, n.unit, n.text, {n.value}, {n.error}});
    return gases;
}

GasPoints read_points(const Gases& gases, std::optional<DiffusivityKind> kind, double x_full) {
    const std::string& path = gases.path;
    const SweepResults& results = gases.results;
    const Provenance& provenance = gases.provenance;
    const auto complain = [&](const std::string& what) { throw InputError(path + ": " + what); };
    if (results.count("done") == 0)
        complain(fmt::format("status: expected points that are done, got none of {}. Run the sweep first",
                             results.size()));
    if (endings(results).empty()) {
        std::vector<std::string> keys;
        for (const ResultColumn& c : results.results) keys.push_back(c.key);
        complain(fmt::format("{}: expected lattice gases of known temperature, got {}. Name the folders of "
                             "its runs, where they hold Markov models",
                             temperature_key, keys.empty() ? "no results" : listed(keys)));
    }
    if (!(x_full > 0) || !std::isfinite(x_full))
        complain("x: expected the composition, got vacancy fractions only. Give --x-full, lithium per host "
                 "atom when no site is vacant (3.75 for Li15Si4)");

    GasPoints out;
    std::vector<std::string> without_theta;
    for (const std::string& ending : endings(results)) {
        const SweptGas gas(results, ending);
        for (std::size_t k = 0; k < results.size(); ++k)
            if (gas.at("D_J", k).value > 0 && std::isnan(gas.at("theta", k).value))
                without_theta.push_back(gas.name(k));
    }
    out.kind = kind.value_or(DiffusivityKind::chemical);
    const bool chemical = out.kind == DiffusivityKind::chemical;
    if (chemical && !without_theta.empty())
        complain(
            fmt::format("theta: expected a value at each point (the chemical D needs it), got none at {}. "
                        "Give --kind jump or tracer",
                        listed(without_theta)));
    const std::string key = out.kind == DiffusivityKind::tracer ? "D_tracer" : "D_J";

    std::vector<std::string> holes, doubtful;
    for (const std::string& ending : endings(results)) {
        const SweptGas gas(results, ending);
        for (std::size_t k = 0; k < results.size(); ++k) {
            if (results.status[k] != "done") {
                std::string why = results.message[k].empty() ? "" : ": " + results.message[k];
                std::replace(why.begin(), why.end(), '\n', ' ');
                holes.push_back(fmt::format("{} ({}{})", gas.name(k), results.status[k], why));
                continue;
            }
            std::optional<DiffusivityPoint> p = measured(gas, k, key);
            if (!p) {
                holes.push_back(fmt::format("{} (no tensor {})", gas.name(k), key));
                continue;
            }
            if (chemical) use_theta(*p, gas.at("theta", k));
            p->temperature = gas.at(temperature_key, k).value;
            p->x = x_full * (1 - gas.at("vacancy_fraction", k).value);
            const fs::path parent = fs::path(path).parent_path();
            p->source = (results.folder[k].empty() ? parent : parent / results.folder[k]).string();
            if (results.verdict[k] == "fail") doubtful.push_back(gas.name(k));
            out.points.push_back(std::move(*p));
        }
    }
    if (out.points.empty())
        complain(fmt::format("{}: expected a tensor of at least one point, got none: {}. Run the sweep again",
                             key, listed(holes)));
    if (!holes.empty())
        out.warnings.push_back(fmt::format("{}: {} of {} points are holes: {}", path, holes.size(),
                                           holes.size() + out.points.size(), listed(holes)));
    if (!doubtful.empty())
        out.warnings.push_back(fmt::format("{}: a check failed at {}", path, listed(doubtful)));
    if (out.kind != DiffusivityKind::tracer) out.haven_source = "measured at each point";
    if (chemical) out.theta_source = "of the lattice gas at each point";
    out.seed = provenance.seed;
    const InputFile file = describe_input(path); // of the results
    out.inputs.push_back({file.path, file.sha256, file.bytes});
    for (const InputFile& input : provenance.inputs)
        out.inputs.push_back({input.path, input.sha256, input.bytes});
    out.step = fmt::format("{} of the lattice gases of {} (mesolith {}, {}; seed {}), x = {:g} (1 - vacancy "
                           "fraction)",
                           chemical       ? "D~ = D_J Theta"
                           : key == "D_J" ? "D_J"
                                          : "D*",
                           gases.step, provenance.version, provenance.commit, provenance.seed, x_full);
    return out;
}

} // namespace

bool is_gas_run(const std::string& folder) {
    const RunFiles files(folder);
    return fs::is_directory(folder) && !fs::exists(files.msm) && fs::exists(files.meso) &&
           Hdf5File::open(files.meso).has_group("gas");
}

GasPoints points_of_gases(const std::string& source, std::optional<DiffusivityKind> kind, double x_full) {
    try {
        if (is_sweep(source))
            return read_points(
                gases_of_sweep(fs::is_directory(source) ? (fs::path(source) / "sweep.h5").string() : source),
                kind, x_full);
        return read_points(gases_of_run(source), kind, x_full);
    } catch (const FileError& error) { // a file that the user names is input
        throw InputError(error.what());
    }
}

} // namespace mesolith
