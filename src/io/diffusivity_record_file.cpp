#include "mesolith/io/diffusivity_record_file.hpp"

#include <array>
#include <cmath>
#include <filesystem>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "mesolith/core/error.hpp"
#include "mesolith/core/text.hpp"
#include "mesolith/core/units.hpp"
#include "mesolith/io/file.hpp"
#include "mesolith/io/json.hpp"
#include "mesolith/io/store.hpp"

namespace mesolith {
namespace {

using nlohmann::json;

constexpr const char* format_name = "mesolith-diffusivity-record";
constexpr std::int64_t format_version = 1;

/// xx yy zz yz xz xy, the order of Voigt.
constexpr std::array<std::pair<int, int>, 6> components{{{0, 0}, {1, 1}, {2, 2}, {1, 2}, {0, 2}, {0, 1}}};

std::array<double, 6> six(const Mat3& m) {
    std::array<double, 6> out{};
    for (std::size_t c = 0; c < 6; ++c) out[c] = m(components[c].first, components[c].second);
    return out;
}
Mat3 tensor_of(const double* six) {
    Mat3 m;
    for (std::size_t c = 0; c < 6; ++c)
        m(components[c].first, components[c].second) = m(components[c].second, components[c].first) = six[c];
    return m;
}

/// Numbers of a point that stand in files under their names, with unit and meaning.
struct RecordColumn {
    const char* name;
    double DiffusivityPoint::*member;
    const char* units;
    const char* text;
};
constexpr const char* per_time = "angstrom^2/ps";
constexpr RecordColumn columns[] = {
    {"x", &DiffusivityPoint::x, "", "lithium per host atom"},
    {"stoichiometry", &DiffusivityPoint::stoichiometry, "", "x / x_max"},
    {"temperature", &DiffusivityPoint::temperature, "K", ""},
    {"mean_error", &DiffusivityPoint::mean_error, per_time, "standard error of trace / 3; NaN = not known"},
    {"hops", &DiffusivityPoint::hops, "", "independent hops behind D; NaN = not known"},
    {"homogenised", &DiffusivityPoint::homogenised, per_time, "exact value of a domain; NaN = none"},
    {"haven", &DiffusivityPoint::haven, "", "Haven ratio measured or used; NaN = none"},
    {"haven_error", &DiffusivityPoint::haven_error, "", "standard error"},
    {"theta", &DiffusivityPoint::theta, "", "thermodynamic factor used; NaN = none"},
    {"theta_error", &DiffusivityPoint::theta_error, "", "standard error"},
    {"squared_stretch", &DiffusivityPoint::squared_stretch, "", "lambda^2 that D was divided by; NaN = none"},
};

// JSON

/// Reads back to the same bits as a double; -0 and whole numbers, too.
std::string exact(double value) {
    if (!std::isfinite(value)) return "null";
    std::string text = fmt::format("{}", value);
    if (text.find_first_of(".e") == std::string::npos) text += ".0";
    return text;
}
std::string exact(const ValueRange& range) {
    return fmt::format("[{}, {}]", exact(range.low), exact(range.high));
}
std::string exact(const Mat3& m) {
    std::vector<std::string> items;
    for (const double value : six(m)) items.push_back(exact(value));
    return fmt::format("[{}]", fmt::join(items, ", "));
}
std::string point_json(const DiffusivityPoint& p) {
    std::string out = "{";
    for (const RecordColumn& c : columns) out += fmt::format("\"{}\": {}, ", c.name, exact(p.*c.member));
    const PolycrystalEstimates e = polycrystal_estimates(p.diffusivity);
    const Mat3 SI = p.diffusivity * units::angstrom2_per_ps_in_m2_per_s;
    out += fmt::format("\"D\": {}, \"error\": {}, \"D_m2_per_s\": {}, \"log10_error\": {},\n     ",
                       exact(p.diffusivity), exact(p.error), exact(SI), exact(p.log10_error()));
    out +=
        fmt::format("\"scalars\": {{\"trace\": {}, \"harmonic\": {}, \"self_consistent\": {}, \"hs_lower\": "
                    "{}, \"hs_upper\": {}}}, ",
                    exact(p.mean()), exact(e.harmonic), exact(e.self_consistent),
                    exact(e.hashin_shtrikman.lower), exact(e.hashin_shtrikman.upper));
    return out + fmt::format("\"extrapolated\": {}, \"source\": {}}}", p.extrapolated, json_text(p.source));
}

class JsonRecord {
public:
    explicit JsonRecord(std::string path) : path_(std::move(path)) {}

    DiffusivityRecord read(const std::string& text) const {
        json root;
        try {
            root = json::parse(text);
        } catch (const json::parse_error& error) {
            throw InputError(fmt::format("{}: expected JSON ({}). Write the file again", path_,
                                         std::string(error.what()).substr(0, 120)));
        }
        if (!root.is_object() || !root.contains("format") || root["format"] != format_name)
            throw InputError(fmt::format("{}: expected a diffusivity record (\"format\": \"{}\"), got other "
                                         "JSON. Make one with `mesolith record`",
                                         path_, format_name));
        if (!root.contains("version") || root["version"] != format_version)
            throw InputError(
                fmt::format("{}: a record of another version than {}. Make it again", path_, format_version));
        DiffusivityRecord r;
        r.name = string(root, "name");
        try {
            r.kind = diffusivity_kind(string(root, "kind"));
            r.frame = volume_frame(string(root, "frame"));
        } catch (const DataError& error) {
            throw InputError(fmt::format("{}: {}", path_, error.what()));
        }
        r.x_max = number(root, "x_max");
        r.c_max = number(root, "c_max_mol_per_m3");
        r.valid_x = range(member(root, "valid_x"), "valid_x");
        r.valid_temperature = range(member(root, "valid_temperature_K"), "valid_temperature_K");
        for (const json& item : list(root, "masked_x")) r.masked.push_back(range(item, "masked_x"));
        r.haven_source = string(root, "haven_source");
        r.theta_source = string(root, "theta_source");
        r.frame_source = string(root, "frame_source");
        for (const json& item : list(root, "points")) r.points.push_back(point(item));
        const json& from = member(root, "provenance");
        r.provenance.version = string(from, "version");
        r.provenance.commit = string(from, "commit");
        for (const json& seed : list(from, "seeds")) r.provenance.seeds.push_back(whole(seed, "seeds"));
        for (const json& item : list(from, "inputs"))
            r.provenance.inputs.push_back(
                {string(item, "path"), string(item, "sha256"), whole(member(item, "bytes"), "bytes")});
        r.provenance.steps = strings(from, "steps");
        r.warnings = strings(root, "warnings");
        return r;
    }

private:
    [[noreturn]] void expected(const std::string& where, const char* what) const {
        throw InputError(fmt::format("{}: {}: expected {}. Make the record again", path_, where, what));
    }
    const json& member(const json& object, const char* key) const {
        if (!object.is_object() || !object.contains(key)) expected(key, "a value, got nothing");
        return object.at(key);
    }
    std::string string(const json& object, const char* key) const {
        const json& value = member(object, key);
        if (!value.is_string()) expected(key, "a text");
        return value.get<std::string>();
    }
    double number(const json& value, const std::string& where, bool) const {
        if (value.is_null()) return DiffusivityPoint::unknown;
        if (!value.is_number()) expected(where, "a number or null");
        return value.get<double>();
    }
    double number(const json& object, const char* key) const {
        return number(member(object, key), key, true);
    }
    std::uint64_t whole(const json& value, const char* where) const {
        if (!value.is_number_unsigned()) expected(where, "a whole number >= 0");
        return value.get<std::uint64_t>();
    }
    const json& list(const json& object, const char* key) const {
        const json& value = member(object, key);
        if (!value.is_array()) expected(key, "a list");
        return value;
    }
    std::vector<std::string> strings(const json& object, const char* key) const {
        std::vector<std::string> out;
        for (const json& item : list(object, key)) {
            if (!item.is_string()) expected(key, "a list of texts");
            out.push_back(item.get<std::string>());
        }
        return out;
    }
    ValueRange range(const json& value, const char* where) const {
        if (!value.is_array() || value.size() != 2) expected(where, "two numbers");
        return {number(value[0], where, true), number(value[1], where, true)};
    }
    Mat3 tensor(const json& object, const char* key) const {
        const json& value = member(object, key);
        if (!value.is_array() || value.size() != 6) expected(key, "six numbers, xx yy zz yz xz xy");
        std::array<double, 6> numbers{};
        for (std::size_t c = 0; c < 6; ++c) numbers[c] = number(value[c], key, true);
        return tensor_of(numbers.data());
    }
    DiffusivityPoint point(const json& object) const {
        DiffusivityPoint p;
        for (const RecordColumn& c : columns) p.*c.member = number(object, c.name);
        p.diffusivity = tensor(object, "D");
        p.error = tensor(object, "error");
        const json& flag = member(object, "extrapolated");
        if (!flag.is_boolean()) expected("extrapolated", "true or false");
        p.extrapolated = flag.get<bool>();
        p.source = string(object, "source");
        return p;
    }

    std::string path_;
};

// HDF5

std::vector<double> flat(const std::vector<DiffusivityPoint>& points, Mat3 DiffusivityPoint::*member) {
    std::vector<double> out;
    for (const DiffusivityPoint& p : points)
        for (const double value : six(p.*member)) out.push_back(value);
    return out;
}

void write_hdf5(const std::string& path, const DiffusivityRecord& r) {
    Hdf5File root = Hdf5File::create(path);
    Provenance common;
    common.stage = "record";
    common.seed = r.provenance.seeds.empty() ? 0 : r.provenance.seeds.front();
    for (const RecordInput& input : r.provenance.inputs)
        common.inputs.push_back({input.path, input.sha256, input.bytes, 0});
    common.warnings = r.warnings;
    write(root, common);
    root.set_attribute("format", format_name);
    root.set_attribute("format_version", format_version);
    root.set_attribute("name", r.name);
    root.set_attribute("kind", name_of(r.kind));
    root.set_attribute("frame", name_of(r.frame));
    root.set_attribute("x_max", r.x_max);
    root.set_attribute("c_max_mol_per_m3", r.c_max);
    root.set_attribute("valid_x", std::vector<double>{r.valid_x.low, r.valid_x.high});
    root.set_attribute("valid_temperature_K",
                       std::vector<double>{r.valid_temperature.low, r.valid_temperature.high});
    root.set_attribute("haven_source", r.haven_source);
    root.set_attribute("theta_source", r.theta_source);
    root.set_attribute("frame_source", r.frame_source);
    if (!r.masked.empty()) {
        std::vector<double> gaps;
        for (const ValueRange& gap : r.masked) gaps.insert(gaps.end(), {gap.low, gap.high});
        root.write("masked_x", gaps, {r.masked.size(), 2}, about("", "two-phase ranges of x: no D there"));
    }
    Hdf5Group from = root.create_group("provenance");
    from.set_attribute("version", r.provenance.version);
    from.set_attribute("commit", r.provenance.commit);
    from.set_attribute("seeds", r.provenance.seeds);
    from.set_attribute("steps", r.provenance.steps);

    const std::size_t n = r.points.size();
    Hdf5Group points = root.create_group("points");
    const auto numbers = [&](Hdf5Group& group, const char* name, const Hdf5WriteOptions& options, auto&& f) {
        std::vector<double> values;
        for (const DiffusivityPoint& p : r.points) values.push_back(f(p));
        group.write(name, values, {}, options);
    };
    for (const RecordColumn& c : columns)
        numbers(points, c.name, about(c.units, c.text),
                [&](const DiffusivityPoint& p) { return p.*c.member; });
    const std::vector<double> D = flat(r.points, &DiffusivityPoint::diffusivity);
    std::vector<double> SI;
    for (const double value : D) SI.push_back(value * units::angstrom2_per_ps_in_m2_per_s);
    points.write("D", D, {n, 6}, about(per_time, "xx yy zz yz xz xy"));
    points.write("D_m2_per_s", SI, {n, 6}, about("m^2/s", "the same"));
    points.write("error", flat(r.points, &DiffusivityPoint::error), {n, 6},
                 about(per_time, "standard errors of D; NaN = not known"));
    numbers(points, "log10_error", about("", "standard error of log10(trace / 3)"),
            [](const DiffusivityPoint& p) { return p.log10_error(); });
    std::vector<std::uint8_t> extrapolated;
    std::vector<std::string> sources;
    for (const DiffusivityPoint& p : r.points) {
        extrapolated.push_back(p.extrapolated ? 1 : 0);
        sources.push_back(p.source);
    }
    points.write("extrapolated", extrapolated, {}, about("", "1 = from a fit outside its temperatures"));
    points.write_strings("source", sources);

    Hdf5Group scalars = root.create_group("scalars");
    const auto scalar = [&](const char* name, const char* text, auto&& f) {
        numbers(scalars, name, about(per_time, text),
                [&](const DiffusivityPoint& p) { return f(polycrystal_estimates(p.diffusivity)); });
    };
    using Estimates = PolycrystalEstimates;
    scalar("trace", "trace / 3", [](const Estimates& e) { return e.arithmetic; });
    scalar("harmonic", "3 / sum 1/D_k", [](const Estimates& e) { return e.harmonic; });
    scalar("self_consistent", "of a polycrystal", [](const Estimates& e) { return e.self_consistent; });
    scalar("hs_lower", "Hashin-Shtrikman", [](const Estimates& e) { return e.hashin_shtrikman.lower; });
    scalar("hs_upper", "Hashin-Shtrikman", [](const Estimates& e) { return e.hashin_shtrikman.upper; });
    root.commit();
}

DiffusivityRecord read_record_hdf5(const std::string& path) {
    const Hdf5File root = Hdf5File::open(path);
    if (!root.has_attribute("format") || root.string_attribute("format") != format_name)
        throw InputError(fmt::format("{}: expected a diffusivity record, got another file. Make one with "
                                     "`mesolith record`",
                                     path));
    if (root.attribute<std::int64_t>("format_version") != format_version)
        throw InputError(
            fmt::format("{}: a record of another version than {}. Make it again", path, format_version));
    const auto broken = [&](const char* what) {
        throw InputError(
            fmt::format("{}: '{}' makes no sense (lengths differ). Make the record again", path, what));
    };
    DiffusivityRecord r;
    r.name = root.string_attribute("name");
    try {
        r.kind = diffusivity_kind(root.string_attribute("kind"));
        r.frame = volume_frame(root.string_attribute("frame"));
    } catch (const DataError& error) {
        throw InputError(fmt::format("{}: {}", path, error.what()));
    }
    r.x_max = root.attribute<double>("x_max");
    r.c_max = root.attribute<double>("c_max_mol_per_m3");
    const auto range = [&](const char* name) {
        const auto values = root.attribute_values<double>(name);
        if (values.size() != 2) broken(name);
        return ValueRange{values[0], values[1]};
    };
    r.valid_x = range("valid_x");
    r.valid_temperature = range("valid_temperature_K");
    r.haven_source = root.string_attribute("haven_source");
    r.theta_source = root.string_attribute("theta_source");
    r.frame_source = root.string_attribute("frame_source");
    r.warnings = root.string_attribute_values("warnings");
    if (root.has_dataset("masked_x")) {
        const auto gaps = root.read<double>("masked_x");
        if (gaps.size() % 2 != 0) broken("masked_x");
        for (std::size_t k = 0; k + 1 < gaps.size(); k += 2) r.masked.push_back({gaps[k], gaps[k + 1]});
    }
    const Hdf5Group from = root.group("provenance");
    r.provenance.version = from.string_attribute("version");
    r.provenance.commit = from.string_attribute("commit");
    r.provenance.seeds = from.attribute_values<std::uint64_t>("seeds");
    r.provenance.steps = from.string_attribute_values("steps");
    for (const InputFile& input : read_provenance(root).inputs)
        r.provenance.inputs.push_back({input.path, input.sha256, input.bytes});

    const Hdf5Group points = root.group("points");
    const auto D = points.read<double>("D"), error = points.read<double>("error");
    const auto extrapolated = points.read<std::uint8_t>("extrapolated");
    const auto sources = points.read_strings("source");
    const std::size_t n = sources.size();
    if (D.size() != 6 * n || error.size() != 6 * n || extrapolated.size() != n) broken("points");
    r.points.resize(n);
    for (const RecordColumn& c : columns) {
        const auto values = points.read<double>(c.name);
        if (values.size() != n) broken(c.name);
        for (std::size_t k = 0; k < n; ++k) r.points[k].*c.member = values[k];
    }
    for (std::size_t k = 0; k < n; ++k) {
        r.points[k].diffusivity = tensor_of(&D[6 * k]);
        r.points[k].error = tensor_of(&error[6 * k]);
        r.points[k].extrapolated = extrapolated[k] != 0;
        r.points[k].source = sources[k];
    }
    return r;
}

DiffusivityRecord checked(DiffusivityRecord record, const std::string& path) {
    try {
        check_record(record);
    } catch (const DataError& error) {
        throw InputError(fmt::format("{}: {}", path, error.what()));
    }
    return record;
}

} // namespace

std::string diffusivity_record_to_json(const DiffusivityRecord& r) {
    check_record(r);
    const auto text = [](const std::string& s) { return json_text(s); };
    std::string out = fmt::format("{{\n  \"format\": \"{}\",\n  \"version\": {},\n  \"name\": {},\n",
                                  format_name, format_version, json_text(r.name));
    out += fmt::format(
        "  \"kind\": \"{}\",\n  \"frame\": \"{}\",\n  \"x_max\": {},\n  \"c_max_mol_per_m3\": {},\n",
        name_of(r.kind), name_of(r.frame), exact(r.x_max), exact(r.c_max));
    out += fmt::format("  \"valid_x\": {},\n  \"valid_temperature_K\": {},\n  \"masked_x\": [{}],\n",
                       exact(r.valid_x), exact(r.valid_temperature),
                       joined(r.masked, [](const ValueRange& gap) { return exact(gap); }));
    out += fmt::format("  \"haven_source\": {},\n  \"theta_source\": {},\n  \"frame_source\": {},\n",
                       json_text(r.haven_source), json_text(r.theta_source), json_text(r.frame_source));
    out += "  \"conventions\": \"D, error, mean_error, homogenised, scalars in angstrom^2/ps (1e-8 m^2/s); "
           "tensors as xx yy zz yz xz xy; null = not known\",\n";
    out += fmt::format("  \"points\": [\n    {}\n  ],\n", joined(r.points, point_json, ",\n    "));
    const RecordProvenance& from = r.provenance;
    out += fmt::format(
        "  \"provenance\": {{\"version\": {}, \"commit\": {}, \"seeds\": [{}],\n    \"inputs\": [{}],\n    "
        "\"steps\": [{}]}},\n",
        json_text(from.version), json_text(from.commit), fmt::join(from.seeds, ", "),
        joined(from.inputs,
               [](const RecordInput& input) {
                   return fmt::format("{{\"path\": {}, \"sha256\": {}, \"bytes\": {}}}",
                                      json_text(input.path), json_text(input.sha256), input.bytes);
               }),
        joined(from.steps, text));
    return out + fmt::format("  \"warnings\": [{}]\n}}\n", joined(r.warnings, text));
}

DiffusivityRecord parse_diffusivity_record(const std::string& text, const std::string& path) {
    return checked(JsonRecord(path).read(text), path);
}

void write_diffusivity_record(const std::string& path, const DiffusivityRecord& record) {
    check_record(record);
    if (path.ends_with(".json"))
        write_text_file(path, diffusivity_record_to_json(record));
    else if (path.ends_with(".h5") || path.ends_with(".hdf5"))
        write_hdf5(path, record);
    else
        throw InputError(path + ": expected a name that ends with .json or .h5");
}

DiffusivityRecord read_diffusivity_record(const std::string& path) {
    if (std::filesystem::is_directory(path))
        throw InputError(path +
                         ": expected a diffusivity record, got a folder. Make one with `mesolith record`");
    if (!is_hdf5_file(path)) return parse_diffusivity_record(read_text_file(path), path);
    try {
        return checked(read_record_hdf5(path), path);
    } catch (const FileError& error) { // a file that the user names is input
        throw InputError(error.what());
    }
}

bool is_diffusivity_record(const std::string& path) {
    if (std::filesystem::is_directory(path)) return false;
    if (!is_hdf5_file(path))
        return read_text_file(path).substr(0, 200).find(format_name) != std::string::npos;
    try {
        const Hdf5File root = Hdf5File::open(path);
        return root.has_attribute("format") && root.string_attribute("format") == format_name;
    } catch (const FileError&) {
        return false;
    }
}

} // namespace mesolith
