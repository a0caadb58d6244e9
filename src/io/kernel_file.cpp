#include "mesolith/io/kernel_file.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <functional>
#include <optional>
#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "mesolith/core/error.hpp"
#include "mesolith/core/text.hpp"
#include "mesolith/io/file.hpp"
#include "mesolith/io/json.hpp"
#include "mesolith/io/store.hpp"
#include "mesolith/msm/generator.hpp"

namespace mesolith {
namespace {

using nlohmann::json;

constexpr int max_cells = 127;

// From what stands in a file to a kernel

struct FileEntry {
    Transition move;
    double p = 0;
};

/// A kernel as it stands in a file.
struct FileKernel {
    std::string name;
    SiteBasis basis;
    double lag_time = 0;
    std::vector<FileEntry> entries;
    std::optional<std::vector<double>> stationary;
    std::optional<bool> reversible;
};

/// Says what is wrong with a part of the file.
using Complain = std::function<void(const std::string& where, const std::string& what)>;

std::string name_of_site(const SiteBasis& basis, std::size_t j) {
    const std::string number = std::to_string(j);
    return basis.name[j].empty() || basis.name[j] == number ? number
                                                            : fmt::format("{} ({})", number, basis.name[j]);
}

/// Largest change of the stationary distribution in one lag.
double imbalance(const Kernel& kernel) {
    std::vector<double> next(kernel.n_sites(), 0.0);
    for (std::size_t j = 0; j < kernel.n_sites(); ++j)
        for (const KernelEntry& e : kernel.from(j))
            next[static_cast<std::size_t>(e.to)] += e.p * kernel.stationary[j];
    double worst = 0;
    for (std::size_t j = 0; j < next.size(); ++j)
        worst = std::max(worst, std::abs(next[j] - kernel.stationary[j]));
    return worst;
}

void scale_columns(Kernel& kernel, const Complain& complain, std::vector<std::string>& warnings) {
    std::size_t scaled = 0;
    for (std::size_t j = 0; j < kernel.n_sites(); ++j) {
        double sum = 0;
        for (const KernelEntry& e : kernel.from(j)) sum += e.p;
        if (std::abs(sum - 1) <= 1e-12) continue;
        if (!(std::abs(sum - 1) <= 1e-9))
            complain("entries", fmt::format("expected probabilities of column {} that sum to 1 within 1e-9, "
                                            "got {}. Moves that end where they began (R = 0) count too",
                                            name_of_site(kernel.basis, j), sum));
        for (std::size_t e = kernel.column[j]; e < kernel.column[j + 1]; ++e) kernel.entries[e].p /= sum;
        ++scaled;
    }
    if (scaled > 0)
        warnings.push_back(fmt::format("{} of {} columns were scaled to sum to 1 (they did within 1e-9)",
                                       scaled, kernel.n_sites()));
}

void find_or_check_stationary(Kernel& kernel, const FileKernel& file, const Complain& complain,
                              std::vector<std::string>& warnings) {
    if (!file.stationary) {
        kernel.stationary = find_stationary(kernel);
        const std::size_t islands = closed_classes(kernel).classes.size();
        if (islands > 1)
            warnings.push_back(
                fmt::format("{} islands of sites that never exchange ions: each is weighted by "
                            "the ions that start evenly on all sites. Give \"stationary\"",
                            islands));
    } else {
        kernel.stationary = *file.stationary;
        double sum = 0;
        for (const double p : kernel.stationary) {
            if (!(p >= 0) || !std::isfinite(p)) complain("stationary", "expected numbers >= 0");
            sum += p;
        }
        if (kernel.stationary.size() != kernel.n_sites() || !(std::abs(sum - 1) <= 1e-9))
            complain("stationary", fmt::format("expected {} numbers that sum to 1, got {} that sum to {}",
                                               kernel.n_sites(), kernel.stationary.size(), sum));
        if (const double worst = imbalance(kernel); !(worst <= 1e-9))
            complain("stationary",
                     fmt::format("expected the distribution that the kernel leaves as it is, got "
                                 "one that it changes by {:.2g}. Leave it out to have it found",
                                 worst));
    }
    if (file.reversible.value_or(false) && !has_detailed_balance(kernel, 1e-6))
        complain("reversible", "expected false, got true (flows differ from their reverse)");
    kernel.reversible = file.reversible ? *file.reversible : has_detailed_balance(kernel);
}

/// `name_of_entry` says where entry k stands.
NamedKernel build_kernel(FileKernel file, const Complain& complain,
                         const std::function<std::string(std::size_t)>& name_of_entry) {
    const std::size_t n = file.basis.size();
    if (!(file.lag_time > 0) || !std::isfinite(file.lag_time))
        complain("lag_ps", fmt::format("expected a number > 0, got {}", file.lag_time));
    std::vector<std::size_t> order(file.entries.size());
    for (std::size_t k = 0; k < order.size(); ++k) {
        order[k] = k;
        const auto& [move, p] = file.entries[k];
        for (const std::int32_t site : {move.from, move.to})
            if (site < 0 || static_cast<std::size_t>(site) >= n)
                complain(name_of_entry(k), fmt::format("expected a site from 0 to {}, got {}", n - 1, site));
        if (move.R.cwiseAbs().maxCoeff() > max_cells)
            complain(name_of_entry(k), fmt::format("expected cells from -{0} to {0}, got R = [{1}, {2}, {3}]",
                                                   max_cells, move.R[0], move.R[1], move.R[2]));
        if (!(p >= 0) || !std::isfinite(p))
            complain(name_of_entry(k),
                     fmt::format("expected a probability >= 0 in column {}, got {}",
                                 name_of_site(file.basis, static_cast<std::size_t>(move.from)), p));
    }
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
        return file.entries[a].move < file.entries[b].move;
    });
    NamedKernel result;
    result.name = std::move(file.name);
    Kernel& kernel = result.kernel;
    kernel.basis = file.basis;
    kernel.lag_time = file.lag_time;
    kernel.column.assign(n + 1, 0);
    for (std::size_t k = 0; k < order.size(); ++k) {
        const FileEntry& entry = file.entries[order[k]];
        if (k > 0 && file.entries[order[k - 1]].move == entry.move)
            complain(name_of_entry(order[k]),
                     fmt::format("expected each move once, got the one of {} again in column {}",
                                 name_of_entry(order[k - 1]),
                                 name_of_site(file.basis, static_cast<std::size_t>(entry.move.from))));
        if (entry.p == 0) continue;
        kernel.entries.push_back({entry.move.to, entry.move.R, entry.p});
        ++kernel.column[static_cast<std::size_t>(entry.move.from) + 1];
    }
    for (std::size_t j = 0; j < n; ++j) kernel.column[j + 1] += kernel.column[j];
    scale_columns(kernel, complain, result.warnings);
    find_or_check_stationary(kernel, file, complain, result.warnings);
    return result;
}

void fill_names(SiteBasis& basis) {
    if (basis.name.empty())
        for (std::size_t i = 0; i < basis.size(); ++i) basis.name.push_back(std::to_string(i));
    if (basis.orbit.empty())
        for (std::size_t i = 0; i < basis.size(); ++i) basis.orbit.push_back(static_cast<std::int32_t>(i));
}

// JSON

std::string got(const json& value) {
    if (value.is_array()) return fmt::format("a list of {}", value.size());
    if (value.is_object()) return "an object";
    const std::string text = value.dump(-1, ' ', false, json::error_handler_t::replace);
    return value.is_string() ? "the text " + text : text;
}

/// Reads the members of one JSON file.
class JsonReader {
public:
    explicit JsonReader(std::string path) : path_(std::move(path)) {}

    [[noreturn]] void complain(const std::string& where, const std::string& what) const {
        throw InputError(fmt::format("{}: {}{}{}", path_, where, where.empty() ? "" : ": ", what));
    }
    [[noreturn]] void expected(const std::string& where, const std::string& what, const json* value) const {
        complain(where, fmt::format("expected {}, got {}", what, value ? got(*value) : "nothing"));
    }

    FileKernel read(const std::string& text) const {
        json root;
        try {
            root = json::parse(text);
        } catch (const json::parse_error& error) {
            complain_about_text(text, error.byte);
        } catch (const json::exception& error) { // a number beyond all doubles
            complain("", fmt::format("expected JSON with numbers that fit, got something else ({})",
                                     error.what()));
        }
        if (!root.is_object()) expected("", "an object {\"format\": \"mesolith-kernel\", ...}", &root);
        check_format(root);
        FileKernel file;
        if (const json* name = member(root, "name")) {
            if (!name->is_string()) expected("name", "a text", name);
            file.name = name->get<std::string>();
        }
        read_sites(root, file.basis);
        const json* lag = member(root, "lag_ps");
        if (!lag || !lag->is_number() || !(lag->get<double>() > 0)) expected("lag_ps", "a number > 0", lag);
        file.lag_time = lag->get<double>();
        read_entries(root, file.entries);
        if (member(root, "stationary")) file.stationary = numbers(root, "stationary", file.basis.size());
        if (const json* reversible = member(root, "reversible")) {
            if (!reversible->is_boolean()) expected("reversible", "true or false", reversible);
            file.reversible = reversible->get<bool>();
        }
        return file;
    }

private:
    static const json* member(const json& root, const std::string& key) {
        const auto found = root.find(key);
        return found == root.end() ? nullptr : &*found;
    }

    [[noreturn]] void complain_about_text(const std::string& text, std::size_t byte) const {
        const std::size_t at = std::min(byte > 0 ? byte - 1 : 0, text.size());
        const auto begin = text.begin(), end = begin + static_cast<std::ptrdiff_t>(at);
        const auto line = 1 + std::count(begin, end, '\n');
        const std::size_t start = at == 0 ? std::string::npos : text.rfind('\n', at - 1);
        throw InputError(
            fmt::format("{}:{}:{}: expected JSON, got {}", path_, line,
                        at - (start == std::string::npos ? 0 : start + 1) + 1,
                        at >= text.size() ? "the end of the file (it may be cut short)" : "something else"));
    }

    void check_format(const json& root) const {
        static const std::vector<std::string> known{
            "format", "version", "name", "lattice_angstrom", "sites_fractional", "lag_ps", "entries"};
        const json* format = member(root, "format");
        if (!format || *format != "mesolith-kernel") expected("format", "\"mesolith-kernel\"", format);
        const json* version = member(root, "version");
        if (!version || *version != 1) expected("version", "1", version);
        for (const std::string& key : known) {
            if (key == "name" || member(root, key)) continue;
            // A misspelt key is no extra member.
            for (const auto& [word, value] : root.items())
                if (std::find(known.begin(), known.end(), word) == known.end() &&
                    nearest_key(word, std::vector<std::string>{key}) == key)
                    complain(word, fmt::format("unknown key, did you mean \"{}\"?", key));
            expected(key, key == "lag_ps" ? "a number > 0" : "a list", nullptr);
        }
    }

    std::vector<double> numbers(const json& root, const std::string& key, std::size_t n) const {
        const json& list = root.at(key);
        if (!list.is_array() || list.size() != n)
            expected(key, fmt::format("a list of {} numbers", n), &list);
        std::vector<double> values;
        for (std::size_t k = 0; k < n; ++k) values.push_back(number(list[k], fmt::format("{}[{}]", key, k)));
        return values;
    }
    double number(const json& value, const std::string& where) const {
        if (!value.is_number() || !std::isfinite(value.get<double>())) expected(where, "a number", &value);
        return value.get<double>();
    }
    Vec3 vector(const json& value, const std::string& where) const {
        if (!value.is_array() || value.size() != 3) expected(where, "a list of 3 numbers", &value);
        Vec3 v;
        for (std::size_t a = 0; a < 3; ++a)
            v[static_cast<int>(a)] = number(value[a], fmt::format("{}[{}]", where, a));
        return v;
    }
    std::vector<Vec3> vectors(const json& root, const std::string& key) const {
        const json& list = root.at(key);
        if (!list.is_array() || list.empty()) expected(key, "a list of lists of 3 numbers", &list);
        std::vector<Vec3> out;
        for (std::size_t k = 0; k < list.size(); ++k)
            out.push_back(vector(list[k], fmt::format("{}[{}]", key, k)));
        return out;
    }

    void read_sites(const json& root, SiteBasis& basis) const {
        const std::vector<Vec3> rows = vectors(root, "lattice_angstrom");
        if (rows.size() != 3) expected("lattice_angstrom", "3 vectors", &root.at("lattice_angstrom"));
        Mat3 lattice;
        for (int a = 0; a < 3; ++a) lattice.row(a) = rows[static_cast<std::size_t>(a)].transpose();
        try {
            basis.cell = Cell(lattice);
        } catch (const DataError& error) {
            complain("lattice_angstrom", error.what());
        }
        for (const Vec3& f : vectors(root, "sites_fractional"))
            basis.positions.push_back(basis.cell.to_cartesian(f));
        const std::size_t n = basis.size();
        if (member(root, "sites_angstrom")) { // the same to the last bit
            const std::vector<Vec3> exact = vectors(root, "sites_angstrom");
            for (std::size_t k = 0; k < std::max(n, exact.size()); ++k)
                if (k >= n || k >= exact.size() || (exact[k] - basis.positions[k]).norm() > 1e-6)
                    complain(fmt::format("sites_angstrom[{}]", k), "does not agree with sites_fractional");
            basis.positions = exact;
        }
        if (const json* names = member(root, "site_names")) {
            if (!names->is_array() || names->size() != n)
                expected("site_names", fmt::format("a list of {} texts", n), names);
            for (const json& name : *names) {
                if (!name.is_string()) expected("site_names", "a list of texts", &name);
                basis.name.push_back(name.get<std::string>());
            }
        }
        if (const json* orbits = member(root, "orbits")) {
            if (!orbits->is_array() || orbits->size() != n)
                expected("orbits", fmt::format("a list of {} whole numbers >= 0", n), orbits);
            for (const json& orbit : *orbits)
                basis.orbit.push_back(static_cast<std::int32_t>(
                    whole_number(orbit, "orbits", 0, static_cast<std::int64_t>(n) - 1)));
        }
        fill_names(basis);
    }

    std::int64_t whole_number(const json& value, const std::string& where, std::int64_t lowest,
                              std::int64_t highest) const {
        // Beyond 2^63 a number is unsigned and would turn negative.
        const bool whole =
            value.is_number_integer() &&
            !(value.is_number_unsigned() && value.get<std::uint64_t>() > std::uint64_t{1} << 62);
        if (!whole || value.get<std::int64_t>() < lowest || value.get<std::int64_t>() > highest)
            expected(where, fmt::format("a whole number from {} to {}", lowest, highest), &value);
        return value.get<std::int64_t>();
    }

    void read_entries(const json& root, std::vector<FileEntry>& entries) const {
        const json& list = root.at("entries");
        if (!list.is_array()) expected("entries", "a list of [from, to, R1, R2, R3, p]", &list);
        const auto n = static_cast<std::int64_t>(root.at("sites_fractional").size());
        for (std::size_t k = 0; k < list.size(); ++k) {
            const json& item = list[k];
            const std::string where = fmt::format("entries[{}]", k);
            if (!item.is_array() || item.size() != 6) expected(where, "[from, to, R1, R2, R3, p]", &item);
            FileEntry entry;
            entry.move.from = static_cast<std::int32_t>(whole_number(item[0], where + "[0]", 0, n - 1));
            entry.move.to = static_cast<std::int32_t>(whole_number(item[1], where + "[1]", 0, n - 1));
            for (int a = 0; a < 3; ++a)
                entry.move.R[a] = static_cast<int>(whole_number(item[static_cast<std::size_t>(2 + a)],
                                                                fmt::format("{}[{}]", where, 2 + a),
                                                                -max_cells, max_cells));
            if (!item[5].is_number())
                expected(fmt::format("{}[5]", where),
                         fmt::format("a probability in column {}", entry.move.from), &item[5]);
            entry.p = item[5].get<double>();
            entries.push_back(entry);
        }
    }

    std::string path_;
};

std::string digits_17(double value) { return fmt::format("{:.17g}", value); }
std::string digits_17(const Vec3& v) {
    return fmt::format("[{}, {}, {}]", digits_17(v[0]), digits_17(v[1]), digits_17(v[2]));
}

// HDF5

/// The group of the kernel in a kernel file or a msm.h5, "" in neither.
std::string kernel_group(const Hdf5Group& root) {
    if (root.has_group("kernel")) return "kernel";
    if (!root.has_attribute("chosen_lag")) return "";
    return fmt::format("lags/{}/kernel", root.attribute<std::int64_t>("chosen_lag"));
}

NamedKernel read_kernel_hdf5(const std::string& path) {
    const Hdf5File root = Hdf5File::open(path);
    const std::string where = kernel_group(root);
    if (where.empty() || !root.has_group(where) || !root.has_group("basis"))
        throw InputError(path +
                         ": expected a kernel or a Markov model, got neither (no group 'kernel' or 'lags' "
                         "beside 'basis'). Name a msm.h5 or a file of export-kernel");
    const Complain complain = [&](const std::string& what, const std::string& problem) {
        throw InputError(fmt::format("{}: {}/{}: {}", path, where, what, problem));
    };
    FileKernel file;
    const Hdf5Group sites = root.group("basis"), group = root.group(where);
    if (root.has_attribute("name")) file.name = root.string_attribute("name");
    const Eigen::MatrixXd lattice = sites.read_matrix("cell");
    if (lattice.rows() != 3 || lattice.cols() != 3)
        throw InputError(path + ": basis/cell: expected 3 x 3 numbers");
    try {
        file.basis.cell = Cell(lattice);
    } catch (const DataError& error) {
        throw InputError(fmt::format("{}: basis/cell: {}", path, error.what()));
    }
    file.basis.positions = sites.read_vec3("positions");
    if (sites.has_dataset("orbit")) file.basis.orbit = sites.read<std::int32_t>("orbit");
    if (sites.has_dataset("name")) file.basis.name = sites.read_strings("name");
    fill_names(file.basis);
    const std::size_t n = file.basis.size();
    bool finite = n > 0 && file.basis.orbit.size() == n && file.basis.name.size() == n;
    for (const Vec3& b : file.basis.positions) finite = finite && b.allFinite();
    if (!finite) throw InputError(path + ": basis: expected finite positions and as many orbits and names");

    file.lag_time = group.attribute<double>("lag_time");
    if (group.has_attribute("reversible")) file.reversible = group.attribute<int>("reversible") != 0;
    const auto column = group.read<std::uint64_t>("column");
    const auto to = group.read<std::int32_t>("to");
    const auto R = group.read_ivec3("R");
    const auto p = group.read<double>("p");
    if (column.size() != n + 1 || column.front() != 0 || column.back() != to.size() ||
        R.size() != to.size() || p.size() != to.size() || !std::is_sorted(column.begin(), column.end()))
        complain("column",
                 fmt::format("expected {} ascending numbers from 0 to the {} entries of to, R and p", n + 1,
                             to.size()));
    for (std::size_t j = 0; j < n; ++j)
        for (std::size_t e = column[j]; e < column[j + 1]; ++e)
            file.entries.push_back({{static_cast<std::int32_t>(j), to[e], R[e]}, p[e]});
    if (group.has_dataset("stationary")) file.stationary = group.read<double>("stationary");
    return build_kernel(std::move(file), complain, [](std::size_t k) { return fmt::format("p[{}]", k); });
}

void write_hdf5(const std::string& path, const Kernel& kernel, const std::string& name) {
    Hdf5File root = Hdf5File::create(path);
    Provenance provenance;
    provenance.stage = "kernel";
    write(root, provenance);
    root.set_attribute("name", name);
    Hdf5Group sites = root.create_group("basis"), group = root.create_group("kernel");
    write(sites, kernel.basis, "");
    write(group, kernel);
    root.commit();
}

} // namespace

NamedKernel parse_kernel_json(const std::string& text, const std::string& path) {
    const JsonReader reader(path);
    return build_kernel(
        reader.read(text),
        [&](const std::string& where, const std::string& what) { reader.complain(where, what); },
        [](std::size_t k) { return fmt::format("entries[{}]", k); });
}

NamedKernel read_kernel_file(const std::string& path) {
    if (std::filesystem::is_directory(path))
        throw InputError(path + ": expected a kernel file, got a folder. Name the file itself");
    if (!is_hdf5_file(path)) {
        const bool named_hdf5 = path.ends_with(".h5") || path.ends_with(".hdf5");
        if (named_hdf5 && std::filesystem::exists(path))
            throw InputError(path +
                             ": expected HDF5, got something else (the file is damaged or no HDF5 file)");
        return parse_kernel_json(read_text_file(path), path);
    }
    try {
        return read_kernel_hdf5(path);
    } catch (const FileError& error) { // a file that the user names is input
        throw InputError(error.what());
    }
}

std::string kernel_to_json(const Kernel& kernel, const std::string& name) {
    check_kernel(kernel);
    const SiteBasis& basis = kernel.basis;
    const Mat3& A = basis.cell.vectors();
    std::vector<std::string> entries;
    for (std::size_t j = 0; j < kernel.n_sites(); ++j)
        for (const KernelEntry& e : kernel.from(j))
            entries.push_back(
                fmt::format("[{}, {}, {}, {}, {}, {}]", j, e.to, e.R[0], e.R[1], e.R[2], digits_17(e.p)));
    std::string out = "{\n  \"format\": \"mesolith-kernel\",\n  \"version\": 1,\n";
    out += fmt::format("  \"name\": {},\n", json_text(name));
    out += fmt::format("  \"lattice_angstrom\": [{}, {}, {}],\n", digits_17(Vec3(A.row(0))),
                       digits_17(Vec3(A.row(1))), digits_17(Vec3(A.row(2))));
    out += fmt::format("  \"sites_fractional\": [\n    {}\n  ],\n",
                       joined(
                           basis.positions,
                           [&](const Vec3& b) { return digits_17(basis.cell.to_fractional(b)); }, ",\n    "));
    out += fmt::format("  \"sites_angstrom\": [\n    {}\n  ],\n",
                       joined(
                           basis.positions, [](const Vec3& b) { return digits_17(b); }, ",\n    "));
    if (basis.name.size() == basis.size())
        out += fmt::format("  \"site_names\": [{}],\n",
                           joined(basis.name, [](const std::string& s) { return json_text(s); }));
    if (basis.orbit.size() == basis.size())
        out += fmt::format("  \"orbits\": [{}],\n", fmt::join(basis.orbit, ", "));
    out += fmt::format("  \"lag_ps\": {},\n", digits_17(kernel.lag_time));
    out += fmt::format("  \"reversible\": {},\n", kernel.reversible);
    out += fmt::format("  \"stationary\": [{}],\n",
                       joined(kernel.stationary, [](double p) { return digits_17(p); }));
    out += fmt::format("  \"entries\": [\n    {}\n  ]\n}}\n", fmt::join(entries, ",\n    "));
    return out;
}

void write_kernel_file(const std::string& path, const Kernel& kernel, const std::string& name) {
    check_kernel(kernel);
    if (path.ends_with(".json"))
        write_text_file(path, kernel_to_json(kernel, name));
    else if (path.ends_with(".h5") || path.ends_with(".hdf5"))
        write_hdf5(path, kernel, name);
    else
        throw InputError(path + ": expected a name that ends with .json or .h5");
}

} // namespace mesolith
