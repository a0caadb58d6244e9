#include "mesolith/pipeline/diffusivity_record.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include <fmt/format.h>

#include "mesolith/core/error.hpp"
#include "mesolith/core/units.hpp"
#include "mesolith/core/version.hpp"
#include "mesolith/io/csv_table.hpp"
#include "mesolith/io/diffusivity_record_file.hpp"
#include "mesolith/io/file.hpp"
#include "mesolith/io/store.hpp"
#include "mesolith/pipeline/analysis_file.hpp"
#include "mesolith/pipeline/stages.hpp"
#include "mesolith/pipeline/summary.hpp"
#include "mesolith/pipeline/sweep.hpp"

#include "stage.hpp"

namespace mesolith {
namespace {

namespace fs = std::filesystem;
constexpr double unknown = DiffusivityPoint::unknown;

RecordInput record_input(const std::string& path) {
    const InputFile file = describe_input(path);
    return {file.path, file.sha256, file.bytes};
}

/// Errors of values become errors of the user's input.
template <class F>
auto as_input(const std::string& source, F&& f) {
    try {
        return f();
    } catch (const DataError& error) {
        throw InputError(source.empty() ? error.what() : fmt::format("{}: {}", source, error.what()));
    }
}

// Columns

/// "D [m^2/s]" -> "d", "m2/s"
struct ColumnName {
    std::string base, unit;
};

std::string squeezed(std::string_view text) {
    std::string out;
    for (std::size_t k = 0; k < text.size(); ++k) {
        const char c = text[k];
        if (c == ' ' || c == '^' || c == '_' || c == '-' || c == '*') continue;
        out += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
    return out;
}

ColumnName parse_name(const std::string& name) {
    const std::size_t open = name.find('['), close = name.rfind(']');
    if (open == std::string::npos || close == std::string::npos || close < open) return {squeezed(name), ""};
    return {squeezed(name.substr(0, open)), squeezed(name.substr(open + 1, close - open - 1))};
}

/// A^2/ps in one of the unit; none when it is no unit of D.
std::optional<double> diffusivity_unit(std::string unit) {
    for (const auto& [from, to] : {std::pair<const char*, const char*>{"²", "2"},
                                   {"Å", "a"},
                                   {"angstrom", "a"},
                                   {".s1", "/s"},
                                   {"s1", "/s"},
                                   {"//", "/"}})
        for (std::size_t at = 0; (at = unit.find(from)) != std::string::npos;)
            unit.replace(at, std::string_view(from).size(), to);
    if (unit == "m2/s") return 1 / units::angstrom2_per_ps_in_m2_per_s;
    if (unit == "cm2/s") return 1 / units::angstrom2_per_ps_in_cm2_per_s;
    if (unit == "a2/ps") return 1.0;
    return std::nullopt;
}

/// Finds columns of a table by the bases of their names.
class Columns {
public:
    explicit Columns(const CsvTable& table) : table_(table) {
        for (const std::string& name : table.names) names_.push_back(parse_name(name));
    }
    std::optional<std::size_t> find(std::initializer_list<const char*> bases) const {
        for (const char* base : bases)
            for (std::size_t k = 0; k < names_.size(); ++k)
                if (names_[k].base == base) return k;
        return std::nullopt;
    }
    std::size_t need(std::initializer_list<const char*> bases, const char* what) const {
        if (const auto found = find(bases)) return *found;
        throw InputError(fmt::format("{}:{}: expected a column {}, got {}. Name one so", table_.path,
                                     table_.names_line, what, fmt::join(table_.names, ", ")));
    }
    const std::string& unit(std::size_t column) const { return names_[column].unit; }
    double scale(std::size_t column, const std::string& otherwise) const {
        const std::string& own = names_[column].unit;
        if (own.empty() && otherwise.empty())
            throw InputError(
                fmt::format("{}:{}: column '{}' has no unit (m^2/s, cm^2/s or A^2/ps). Write it as 'D "
                            "[m^2/s]', or give --unit",
                            table_.path, table_.names_line, table_.names[column]));
        const auto factor = diffusivity_unit(own.empty() ? squeezed(otherwise) : own);
        if (!factor)
            throw InputError(fmt::format(
                "{}:{}: unit '{}' of column '{}' (known: m^2/s, cm^2/s, A^2/ps). Convert it", table_.path,
                table_.names_line, own.empty() ? otherwise : own, table_.names[column]));
        return *factor;
    }
    void expect_unit(std::size_t column, const char* wanted) const {
        const std::string& own = names_[column].unit;
        if (!own.empty() && own != squeezed(wanted))
            throw InputError(fmt::format("{}:{}: column '{}' is not in {}. Convert it", table_.path,
                                         table_.names_line, table_.names[column], wanted));
    }
    double value(std::size_t column, std::size_t row) const { return table_.columns[column][row]; }
    double need_value(std::size_t column, std::size_t row) const {
        const double v = value(column, row);
        if (std::isnan(v))
            throw InputError(fmt::format("{}:{}: no number in column '{}'. Complete the row, or remove it",
                                         table_.path, table_.lines[row], table_.names[column]));
        return v;
    }

private:
    const CsvTable& table_;
    std::vector<ColumnName> names_;
};

/// Stoichiometries of a table that gives them or x.
std::vector<double> stoichiometries(const CsvTable& table, const Columns& columns, double x_max) {
    const auto x = columns.find({"x", "li/si"});
    const auto s = columns.find({"stoichiometry", "sto", "soc"});
    if (!x && !s) (void)columns.need({"stoichiometry"}, "'stoichiometry' or 'x'");
    std::vector<double> out;
    for (std::size_t row = 0; row < table.n_rows(); ++row)
        out.push_back(s ? columns.need_value(*s, row) : columns.need_value(*x, row) / x_max);
    return out;
}

// Runs

std::optional<double> homogenised_of(const RunFiles& files, const std::string& model,
                                     std::vector<std::string>& warnings) {
    if (!fs::exists(files.meso)) return std::nullopt;
    const Hdf5File meso = Hdf5File::open(files.meso);
    if (!meso.has_group("steady/homogenised")) return std::nullopt;
    if (const std::string previous = read_provenance(meso).previous; !previous.empty() && previous != model) {
        warnings.push_back(files.meso + " is left out: it was made from an older model. Run its stage again");
        return std::nullopt;
    }
    const auto D = meso.group("steady/homogenised").read<double>("D");
    if (D.size() != 9) return std::nullopt;
    return (D[0] + D[4] + D[8]) / 3;
}

// Sources

enum class SourceType { run, gases, table, record };

SourceType type_of(const std::string& source) {
    if (!fs::exists(source))
        throw InputError(source + ": no such file or folder. Name the folder of a run or sweep, a CSV table "
                                  "or a record");
    try {
        if (is_sweep(source) || is_gas_run(source)) return SourceType::gases;
    } catch (const FileError& error) { // a file that the user names is input
        throw InputError(error.what());
    }
    if (fs::is_directory(source)) return SourceType::run;
    if (is_diffusivity_record(source)) return SourceType::record;
    if (source.ends_with(".h5") || source.ends_with(".hdf5"))
        throw InputError(source +
                         ": expected a diffusivity record or a sweep, got another file. Name the folder of "
                         "the run, a CSV table, a sweep or a record");
    return SourceType::table;
}

/// Gathers what the sources tell of the record as a whole; they must agree.
class Agreement {
public:
    explicit Agreement(const RecordOptions& options) {
        kind_ = options.kind;
        frame_ = options.frame;
        if (kind_) kind_from_ = "--kind";
        if (frame_) frame_from_ = "--frame";
    }
    void see(DiffusivityKind kind, const std::string& source) { see(kind_, kind_from_, kind, source); }
    void see(VolumeFrame frame, const std::string& source) { see(frame_, frame_from_, frame, source); }
    const std::optional<DiffusivityKind>& kind() const { return kind_; }
    VolumeFrame frame() const { return frame_.value_or(VolumeFrame::current); }

private:
    template <class T>
    void see(std::optional<T>& known, std::string& from, T value, const std::string& source) {
        if (known && *known != value)
            throw InputError(
                fmt::format("{}: is {}, {} says {} (a record holds one kind in one frame). Make a "
                            "record of each",
                            source, name_of(value), from, name_of(*known)));
        if (!known) from = source;
        known = value;
    }
    std::optional<DiffusivityKind> kind_;
    std::optional<VolumeFrame> frame_;
    std::string kind_from_, frame_from_;
};

std::optional<double> one_of(const std::vector<double>& values, std::size_t run, std::size_t n_runs,
                             const char* option) {
    if (values.empty()) return std::nullopt;
    if (values.size() == 1) return values.front();
    if (values.size() != n_runs)
        throw InputError(fmt::format("{}: expected one number, or {} (one per run), got {}", option, n_runs,
                                     values.size()));
    return values[run];
}

void take_scalar(double& known, double value, const char* what, const std::string& source) {
    if (std::isnan(value)) return;
    if (!std::isnan(known) && known != value)
        throw InputError(
            fmt::format("{}: its {} is {:.10g}, another source or option says {:.10g}. Make them "
                        "agree",
                        source, what, value, known));
    known = value;
}

// Options of an export

/// "0.7" or "0.7,0.05"; none when it is no number.
std::optional<Estimate> number_option(const std::string& text) {
    Estimate e{0, 0};
    try {
        std::size_t used = 0;
        e.value = std::stod(text, &used);
        if (used < text.size()) {
            if (text[used] != ',') return std::nullopt;
            const std::string rest = text.substr(used + 1);
            e.error = std::stod(rest, &used);
            if (used != rest.size()) return std::nullopt;
        }
    } catch (const std::logic_error&) {
        return std::nullopt;
    }
    return e;
}

/// Linear in x between the rows of a table.
std::function<double(double)> volume_table(const std::string& path) {
    const CsvTable table = read_csv_table(path);
    const Columns columns(table);
    const std::size_t x = columns.need({"x", "li/si"}, "'x'"),
                      v = columns.need({"volumeratio", "volume", "v/v0"}, "'volume ratio'");
    std::vector<std::pair<double, double>> rows;
    for (std::size_t row = 0; row < table.n_rows(); ++row)
        rows.emplace_back(columns.need_value(x, row), columns.need_value(v, row));
    for (std::size_t k = 1; k < rows.size(); ++k)
        if (!(rows[k].first > rows[k - 1].first))
            throw InputError(fmt::format("{}:{}: x does not ascend. Sort the table", path, table.lines[k]));
    return [rows, path](double at) {
        for (std::size_t k = 0; k + 1 < rows.size(); ++k)
            if (at >= rows[k].first && at <= rows[k + 1].first) {
                const double w = (at - rows[k].first) / (rows[k + 1].first - rows[k].first);
                return (1 - w) * rows[k].second + w * rows[k + 1].second;
            }
        throw InputError(fmt::format("{}: covers x from {:g} to {:g}, the record has {:g}. Extend it", path,
                                     rows.front().first, rows.back().first, at));
    };
}

} // namespace

RunPoint point_of_run(const std::string& folder, std::optional<double> temperature) {
    const RunFiles files(folder);
    if (!fs::is_directory(folder))
        throw InputError(folder + ": no such folder. Name the result folder of a run");
    const Hdf5File msm = open_result(files.msm, "msm");
    const Provenance provenance = read_provenance(msm);
    RunPoint run;
    run.seed = provenance.seed;
    run.inputs.push_back(record_input(files.msm));
    DiffusivityPoint& p = run.point;
    p.source = folder;
    if (!temperature && !msm.has_attribute("temperature_K"))
        throw InputError(
            fmt::format("{}: its temperature is not known. Set run.temperature_K in its input and "
                        "run it again, or give --temperatures",
                        folder));
    p.temperature = temperature ? *temperature : msm.attribute<double>("temperature_K");
    const MarkovHeadline headline = read_headline(msm);
    const LagHeadline& lag = headline.lags.at(headline.chosen);
    p.diffusivity = (lag.diffusivity + lag.diffusivity.transpose()) / 2;
    p.error = (lag.error + lag.error.transpose()) / 2;
    p.mean_error = lag.mean_error;
    p.hops = lag.hops.minCoeff();
    if (!headline.status.markovian)
        run.warnings.push_back(fmt::format("{}: D of the model still depends on its lag time", folder));
    if (msm.has_group("direct") && msm.group("direct").attribute<int>("has_collective") != 0) {
        const auto haven = msm.group("direct").read<double>("haven_mean");
        if (haven.size() == 2 && haven[0] > 0) p.haven = haven[0], p.haven_error = haven[1];
    }
    if (const auto value = homogenised_of(files, provenance.fingerprint, run.warnings)) {
        p.homogenised = *value;
        run.inputs.push_back(record_input(files.meso));
    }
    return run;
}

std::vector<DiffusivityPoint> read_diffusivity_table(const std::string& path, const std::string& unit) {
    const CsvTable table = read_csv_table(path);
    const Columns columns(table);
    const auto x = columns.find({"x", "li/si"}), s = columns.find({"stoichiometry", "sto"});
    if (!x && !s) (void)columns.need({"x"}, "'x' or 'stoichiometry'");
    const std::size_t T = columns.need({"temperature", "t"}, "'temperature [K]'");
    columns.expect_unit(T, "K");
    const auto D = columns.find({"diffusivity", "d"});
    const auto xx = columns.find({"dxx"}), yy = columns.find({"dyy"}), zz = columns.find({"dzz"});
    const auto yz = columns.find({"dyz"}), xz = columns.find({"dxz"}), xy = columns.find({"dxy"});
    const bool tensor = xx && yy && zz;
    if (!tensor && !D) (void)columns.need({"d"}, "'D [m^2/s]' or 'D_xx [m^2/s]', 'D_yy', 'D_zz'");
    const auto error = columns.find({"error", "derror", "standarderror", "errord", "diffusivityerror"}),
               relative = columns.find({"relativeerror"}),
               log_error = columns.find({"standarderroroflog10d", "log10error"});
    const auto hops = columns.find({"hops"});
    const double scale = D ? columns.scale(*D, unit) : columns.scale(*xx, unit);

    std::vector<DiffusivityPoint> points;
    for (std::size_t row = 0; row < table.n_rows(); ++row) {
        DiffusivityPoint p;
        p.source = fmt::format("{}:{}", path, table.lines[row]);
        if (x) p.x = columns.value(*x, row);
        if (s) p.stoichiometry = columns.value(*s, row);
        if (std::isnan(p.x) && std::isnan(p.stoichiometry)) (void)columns.need_value(x ? *x : *s, row);
        p.temperature = columns.need_value(T, row);
        if (tensor) {
            const auto part = [&](std::optional<std::size_t> column) {
                return column ? columns.need_value(*column, row) * columns.scale(*column, unit) : 0.0;
            };
            p.diffusivity << part(xx), part(xy), part(xz), part(xy), part(yy), part(yz), part(xz), part(yz),
                part(zz);
        } else
            p.diffusivity = Mat3::Identity() * (columns.need_value(*D, row) * scale);
        const double value = D ? columns.value(*D, row) * scale : p.mean();
        if (error)
            p.mean_error = columns.value(*error, row) *
                           (columns.unit(*error).empty() ? scale : columns.scale(*error, unit));
        else if (relative)
            p.mean_error = columns.value(*relative, row) * value;
        else if (log_error)
            p.mean_error = columns.value(*log_error, row) * value * std::log(10.0);
        // An error of another scalar than trace / 3 is not that of the mean.
        if (!(std::abs(value - p.mean()) <= 1e-6 * p.mean())) p.mean_error = unknown;
        if (!tensor && !std::isnan(p.mean_error)) {
            p.error = Mat3::Zero();
            p.error.diagonal().setConstant(p.mean_error);
        }
        if (hops) p.hops = columns.value(*hops, row);
        points.push_back(std::move(p));
    }
    return points;
}

DiffusivityRecord build_record(const std::vector<std::string>& sources, const RecordOptions& options) {
    if (sources.empty())
        throw InputError(
            "nothing to make a record of. Name folders of runs or sweeps, CSV tables or records");
    if (!options.x.empty() && !options.stoichiometry.empty())
        throw InputError("--x and --stoichiometry: both given (one follows from the other). Give one");
    std::vector<SourceType> types;
    for (const std::string& source : sources) types.push_back(type_of(source));
    const auto n_runs = static_cast<std::size_t>(std::count(types.begin(), types.end(), SourceType::run));
    for (const auto& [option, value] : {std::pair{"--x-max", options.x_max}, {"--x-full", options.x_full}})
        if (!std::isnan(value) && (!(value > 0) || !std::isfinite(value)))
            throw InputError(fmt::format("{}: expected a number > 0, got {:g}", option, value));
    if (!std::isnan(options.x_full) &&
        std::find(types.begin(), types.end(), SourceType::gases) == types.end())
        throw InputError("--x-full: expected lattice gases among the sources, got none. Leave it out");
    if (n_runs == 0 && !(options.x.empty() && options.stoichiometry.empty()))
        throw InputError(
            fmt::format("{}: expected runs of Markov models among the sources, got none. Leave it "
                        "out",
                        options.x.empty() ? "--stoichiometry" : "--x"));
    if (!options.temperatures.empty() && options.temperatures.size() != n_runs)
        throw InputError(fmt::format("--temperatures: expected {} numbers (one per run), got {}", n_runs,
                                     options.temperatures.size()));
    if (options.two_phase.size() % 2 != 0)
        throw InputError("--two-phase: expected pairs of x, low and high, got an odd number");

    DiffusivityRecord record;
    record.name = options.name;
    record.x_max = options.x_max;
    record.c_max = options.c_max;
    Agreement agreement(options);
    const auto take_input = [&](const RecordInput& input) {
        auto& inputs = record.provenance.inputs;
        if (std::find(inputs.begin(), inputs.end(), input) == inputs.end()) inputs.push_back(input);
    };
    std::size_t run = 0;
    for (std::size_t k = 0; k < sources.size(); ++k) {
        const std::string& source = sources[k];
        if (types[k] == SourceType::run) {
            agreement.see(DiffusivityKind::tracer, source);
            std::optional<double> temperature;
            if (!options.temperatures.empty()) temperature = options.temperatures[run];
            RunPoint from = point_of_run(source, temperature);
            if (const auto x = one_of(options.x, run, n_runs, "--x")) from.point.x = *x;
            if (const auto s = one_of(options.stoichiometry, run, n_runs, "--stoichiometry"))
                from.point.stoichiometry = *s;
            if (std::isnan(from.point.x) && std::isnan(from.point.stoichiometry))
                throw InputError(
                    fmt::format("{}: its composition is not known. Give --x (lithium per host atom) or "
                                "--stoichiometry",
                                source));
            ++run;
            record.provenance.seeds.push_back(from.seed);
            for (const RecordInput& input : from.inputs) take_input(input);
            for (std::string& warning : from.warnings) record.warnings.push_back(std::move(warning));
            record.points.push_back(std::move(from.point));
        } else if (types[k] == SourceType::gases) {
            GasPoints from = points_of_gases(source, options.kind, options.x_full);
            agreement.see(from.kind, source);
            record.haven_source = from.haven_source;
            record.theta_source = from.theta_source;
            record.provenance.seeds.push_back(from.seed);
            record.provenance.steps.push_back(from.step);
            for (const RecordInput& input : from.inputs) take_input(input);
            for (std::string& warning : from.warnings) record.warnings.push_back(std::move(warning));
            for (DiffusivityPoint& p : from.points) record.points.push_back(std::move(p));
        } else if (types[k] == SourceType::table) {
            if (!options.kind)
                throw InputError(
                    fmt::format("{}: the kind of its D is not known (tracer, jump and chemical differ "
                                "by factors up to 300). Give --kind",
                                source));
            for (DiffusivityPoint& p : read_diffusivity_table(source, options.unit))
                record.points.push_back(std::move(p));
            take_input(record_input(source));
        } else {
            DiffusivityRecord other = read_diffusivity_record(source);
            agreement.see(other.kind, source);
            agreement.see(other.frame, source);
            take_scalar(record.x_max, other.x_max, "x_max", source);
            take_scalar(record.c_max, other.c_max, "c_max", source);
            for (const ValueRange& gap : other.masked) record.masked.push_back(gap);
            record.haven_source = other.haven_source;
            record.theta_source = other.theta_source;
            record.frame_source = other.frame_source;
            if (record.name.empty()) record.name = other.name;
            for (DiffusivityPoint& p : other.points) record.points.push_back(std::move(p));
            auto& provenance = record.provenance;
            for (const std::uint64_t seed : other.provenance.seeds) provenance.seeds.push_back(seed);
            for (const RecordInput& input : other.provenance.inputs) take_input(input);
            take_input(record_input(source));
            for (std::string& step : other.provenance.steps) provenance.steps.push_back(std::move(step));
            for (std::string& warning : other.warnings) record.warnings.push_back(std::move(warning));
        }
    }
    record.kind = agreement.kind().value_or(DiffusivityKind::tracer);
    record.frame = agreement.frame();
    for (std::size_t k = 0; k + 1 < options.two_phase.size(); k += 2)
        record.masked.push_back({options.two_phase[k], options.two_phase[k + 1]});
    std::sort(record.masked.begin(), record.masked.end(),
              [](const ValueRange& a, const ValueRange& b) { return a.low < b.low; });
    record.masked.erase(std::unique(record.masked.begin(), record.masked.end()), record.masked.end());
    if (std::isnan(record.x_max))
        throw InputError(
            "x_max is not known (lithium per host atom at stoichiometry 1). Give --x-max, for silicon "
            "as in PyBaMM 3.75");
    if (record.name.empty()) {
        // "runs/a/" and "runs/a/sweep.h5" are named "a"
        fs::path first = fs::path(sources.front()).lexically_normal();
        const bool inside = types.front() == SourceType::gases && !fs::is_directory(first);
        if ((inside || !first.has_filename()) && first.has_parent_path()) first = first.parent_path();
        record.name = (fs::is_directory(first) ? first.filename() : first.stem()).string();
    }
    add_provenance(record, {});
    as_input("", [&] {
        complete_record(record);
        return 0;
    });
    return record;
}

void add_provenance(DiffusivityRecord& record, const std::vector<std::string>& files) {
    record.provenance.version = version();
    record.provenance.commit = commit();
    for (const std::string& file : files) record.provenance.inputs.push_back(record_input(file));
}

ThermodynamicFactor read_thermodynamic_factor(const std::string& text, double x_max) {
    if (const auto number = number_option(text))
        return as_input("--theta",
                        [&] { return ThermodynamicFactor::constant(*number, "given number " + text); });
    if (!fs::exists(text))
        throw InputError(
            fmt::format("--theta: expected a number or a CSV file, got '{}' (no such file). Give one "
                        "of both",
                        text));
    const CsvTable table = read_csv_table(text);
    const Columns columns(table);
    std::vector<double> s = stoichiometries(table, columns, x_max);
    const auto theta = columns.find({"theta", "thermodynamicfactor"});
    const auto voltage = columns.find({"u", "voltage", "ocv", "ocp", "e"});
    if (!theta && !voltage) (void)columns.need({"theta"}, "'theta' or 'U [V]'");
    const auto column = [&](std::size_t k) {
        std::vector<double> values;
        for (std::size_t row = 0; row < table.n_rows(); ++row) values.push_back(columns.need_value(k, row));
        return values;
    };
    std::vector<double> values = column(theta ? *theta : *voltage);
    if (theta) {
        std::vector<double> error, temperature;
        if (const auto c = columns.find({"error", "thetaerror", "standarderror"})) error = column(*c);
        if (const auto c = columns.find({"temperature", "t"})) {
            columns.expect_unit(*c, "K");
            temperature = column(*c);
        }
        return as_input("", [&] { return ThermodynamicFactor::table(s, values, error, temperature, text); });
    }
    columns.expect_unit(*voltage, "V");
    if (s.size() > 1 && s.front() > s.back()) { // curves of delithiation run backwards
        std::reverse(s.begin(), s.end());
        std::reverse(values.begin(), values.end());
    }
    return as_input("", [&] {
        return ThermodynamicFactor::from_voltage(
            s, values, fmt::format("the voltage curve {}, Theta = -(F/RT) x dU/dx", text));
    });
}

DiffusivityRecord convert_record(const DiffusivityRecord& original, const ExportOptions& options) {
    DiffusivityRecord record = original;
    if (!options.temperatures.empty())
        record = as_input("--temperatures", [&] { return at_temperatures(record, options.temperatures); });
    if (!options.haven.empty()) {
        if (record.kind != DiffusivityKind::tracer)
            throw InputError(
                fmt::format("--haven: the record holds the {} diffusivity (the ratio is in it). Leave "
                            "it out",
                            name_of(record.kind)));
        if (options.haven == "measured")
            record = as_input("--haven", [&] { return to_jump_as_measured(record); });
        else if (const auto haven = number_option(options.haven))
            record = as_input("--haven", [&] { return to_jump(record, *haven, "given number"); });
        else
            throw InputError(fmt::format("--haven: expected a number, a number with its error (0.7,0.05) or "
                                         "measured, got '{}'",
                                         options.haven));
    }
    if (!options.theta.empty()) {
        if (record.kind == DiffusivityKind::chemical)
            throw InputError(
                "--theta: the record holds the chemical diffusivity (the factor is in it). Leave it "
                "out");
        if (record.kind == DiffusivityKind::tracer)
            throw InputError(
                "the record holds the tracer diffusivity D* (D~ = D*/H Theta, the Haven ratio H is "
                "missing). Give --haven too");
        const ThermodynamicFactor theta = read_thermodynamic_factor(options.theta, record.x_max);
        record = as_input("", [&] { return to_chemical(record, theta); });
        if (fs::exists(options.theta)) add_provenance(record, {options.theta});
    }
    if (!options.volume_ratio.empty()) {
        std::function<double(double)> ratio;
        const auto number = number_option(options.volume_ratio);
        if (number)
            ratio = [value = number->value](double) { return value; };
        else
            ratio = volume_table(options.volume_ratio);
        record = as_input("--volume-ratio", [&] {
            return to_reference_frame(record, ratio,
                                      number ? "given number " + options.volume_ratio : options.volume_ratio,
                                      options.c_max);
        });
        if (!number) add_provenance(record, {options.volume_ratio});
    } else if (!std::isnan(options.c_max))
        record.c_max = options.c_max;
    return record;
}

ContinuumFiles export_record(const DiffusivityRecord& record, const std::string& out,
                             const ExportOptions& options) {
    const DiffusivityRecord converted = convert_record(record, options);
    ContinuumFiles files = as_input("", [&] { return continuum_files(converted, out, options.file); });
    files.warnings.insert(files.warnings.begin(), converted.warnings.begin(), converted.warnings.end());
    for (const ContinuumFile& file : files.files) write_text_file(file.path, file.text);
    return files;
}

std::string to_text(const DiffusivityRecord& r) {
    std::string out = fmt::format("{}: {} diffusivity, {} volume, x_max {:g}", r.name, name_of(r.kind),
                                  name_of(r.frame), r.x_max);
    if (!std::isnan(r.c_max)) out += fmt::format(", c_max {:g} mol/m3", r.c_max);
    out += fmt::format("\n  {:>8} {:>8} {:>8} {:>24} {:>24} {:>8} {:>8} {:>8}\n", "x", "sto", "T [K]",
                       "trace/3 [m2/s]", "self-consistent [m2/s]", "hops", "Haven", "Theta");
    constexpr double SI = units::angstrom2_per_ps_in_m2_per_s;
    const auto optional = [](double v) {
        return std::isnan(v) ? std::string("-") : fmt::format("{:.4g}", v);
    };
    for (const DiffusivityPoint& p : r.points) {
        const Estimate mean = scalar_of(p, DiffusivityScalar::trace),
                       sc = scalar_of(p, DiffusivityScalar::self_consistent);
        out += fmt::format("  {:>8.4g} {:>8.4g} {:>8g} {:>24} {:>24} {:>8} {:>8} {:>8}{}\n", p.x,
                           p.stoichiometry, p.temperature, with_error(mean.value * SI, mean.error * SI),
                           with_error(sc.value * SI, sc.error * SI), optional(p.hops), optional(p.haven),
                           optional(p.theta), p.extrapolated ? " (extrapolated)" : "");
    }
    for (const ValueRange& gap : r.masked)
        out += fmt::format("  two phases from x = {:g} to {:g}\n", gap.low, gap.high);
    if (!r.haven_source.empty()) out += fmt::format("  Haven ratio: {}\n", r.haven_source);
    if (!r.theta_source.empty()) out += fmt::format("  Theta: {}\n", r.theta_source);
    if (!r.frame_source.empty()) out += fmt::format("  frame: {}\n", r.frame_source);
    return out;
}

} // namespace mesolith
