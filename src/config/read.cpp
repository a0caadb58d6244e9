// The only place that knows TOML.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <functional>
#include <set>

#include <toml++/toml.h>

#include "mesolith/core/text.hpp"
#include "mesolith/io/file.hpp"

#include "hop_fields.hpp"
#include "text_of.hpp"

namespace mesolith {
namespace {

namespace fs = std::filesystem;

const char* const set_place = "--set";

struct Place {
    bool from_command_line = false;
    std::int64_t line = 0, column = 0;
    auto operator<=>(const Place&) const = default;
};

Place place_of(const toml::source_region& source) {
    if (source.path && *source.path == set_place) return {true, 0, 0};
    return {false, source.begin.line, source.begin.column};
}

std::string got(const toml::node& node) {
    if (const auto* text = node.as_string()) return fmt::format("the text {}", toml_text(text->get()));
    if (const auto* number = node.as_integer()) return fmt::format("{}", number->get());
    if (const auto* number = node.as_floating_point()) return fmt::format("{}", number->get());
    if (const auto* flag = node.as_boolean()) return flag->get() ? "true" : "false";
    if (const auto* list = node.as_array()) return fmt::format("a list of {}", list->size());
    if (node.is_table()) return "a table";
    return "a date or time";
}

/// Walks the sections and collects what is wrong.
class Reader {
public:
    explicit Reader(std::string path) : path_(std::move(path)) {}

    void complain(const Place& place, const std::string& key, const std::string& text) {
        std::string where = place.from_command_line ? set_place : path_;
        if (place.line > 0) where += fmt::format(":{}:{}", place.line, place.column);
        problems_.emplace_back(place, fmt::format("{}: {}{}{}", where, key, key.empty() ? "" : ": ", text));
    }
    void complain(const std::string& key, const std::string& text) { complain(place(key), key, text); }

    /// Where the key stands; where its section stands when it is not given.
    Place place(const std::string& key) const {
        for (std::string k = key;; k.resize(k.rfind('.'))) {
            if (const auto found = places_.find(k); found != places_.end()) return found->second;
            if (k.find('.') == std::string::npos) return {};
        }
    }

    /// @param inner  keys that are sections of their own, read by the caller
    template <class Section>
    void read_section(const toml::node* node, const std::string& name, Section& section,
                      const std::vector<std::string>& inner = {}) {
        if (node == nullptr) return;
        places_[name] = place_of(node->source());
        const toml::table* table = node->as_table();
        if (table == nullptr)
            return complain(name, fmt::format("expected a section [{}], got {}", name, got(*node)));
        std::vector<std::string> known = inner;
        visit_fields(section, [&](const char* key, auto& value, const About& about) {
            known.emplace_back(key);
            const std::string full = name + "." + key;
            const toml::node* given = table->get(key);
            if (given != nullptr) {
                places_[full] = place_of(given->source());
                read_value(*given, full, value, about);
            } else if (about.must_be_filled && !is_set(value)) {
                complain(full, fmt::format("expected {}, got nothing", kind_of(value, about)));
            }
        });
        for (const auto& [key, value] : *table) unknown_key(key, value, name, known);
    }

    void unknown_key(const toml::key& key, const toml::node& value, const std::string& section,
                     const std::vector<std::string>& known) {
        const std::string word(key.str());
        if (std::find(known.begin(), known.end(), word) != known.end()) return;
        const std::string near = nearest_key(word, known);
        const Place at_key = place_of(key.source()), at_value = place_of(value.source());
        const Place place = at_key == Place{} ? at_value : at_key;
        complain(place, section.empty() ? word : section + "." + word,
                 fmt::format("unknown {}{} Known: {}", section.empty() ? "section" : "key",
                             near.empty() ? "." : fmt::format(", did you mean \"{}\"?", near),
                             fmt::join(known, ", ")));
    }

    /// Take over what another reader of the same file found, each problem once.
    void add_problems_of(const Reader& other) {
        for (const auto& problem : other.problems_)
            if (std::find(problems_.begin(), problems_.end(), problem) == problems_.end())
                problems_.push_back(problem);
    }

    void throw_problems() {
        if (problems_.empty()) return;
        std::stable_sort(problems_.begin(), problems_.end(),
                         [](const auto& a, const auto& b) { return a.first < b.first; });
        std::vector<std::string> lines;
        for (auto& [place, line] : problems_) lines.push_back(std::move(line));
        throw ConfigError(std::move(lines));
    }

private:
    template <class T>
    void read_value(const toml::node& node, const std::string& key, T& value, const About& about) {
        T read = value;
        std::string why; // more exact than the kind, when there is more to say
        if (take(node, read, about, why))
            value = std::move(read);
        else
            complain(place_of(node.source()), key,
                     fmt::format("expected {}, got {}{}", kind_of(value, about), got(node), why));
    }

    static bool in_range(double x, const About& about) {
        return std::isfinite(x) && x <= about.highest &&
               (about.lowest_excluded ? x > about.lowest : x >= about.lowest);
    }

    bool take(const toml::node& node, bool& value, const About&, std::string&) {
        if (const auto* flag = node.as_boolean()) return value = flag->get(), true;
        return false;
    }
    bool take(const toml::node& node, std::int64_t& value, const About& about, std::string&) {
        if (const auto* number = node.as_integer())
            return value = number->get(), in_range(static_cast<double>(value), about);
        return false;
    }
    bool take(const toml::node& node, double& value, const About& about, std::string&) {
        if (!node.is_number()) return false;
        value = *node.value<double>();
        return in_range(value, about);
    }
    bool take(const toml::node& node, std::string& value, const About& about, std::string& why) {
        if (!node.is_string()) return false;
        value = *node.value<std::string>();
        if (about.must_be_filled && value.empty()) return false;
        if (about.allowed == nullptr) return true;
        return choose(value, *about.allowed, why) < about.allowed->size();
    }
    template <class E>
    requires std::is_enum_v<E>
    bool take(const toml::node& node, E& value, const About&, std::string& why) {
        if (!node.is_string()) return false;
        const auto names = names_of(value);
        const std::vector<std::string> choices(names.begin(), names.end());
        const std::size_t i = choose(*node.value<std::string>(), choices, why);
        if (i < choices.size()) value = static_cast<E>(i);
        return i < choices.size();
    }
    template <class T>
    bool take(const toml::node& node, std::optional<T>& value, const About& about, std::string& why) {
        T read{};
        const bool good = take(node, read, about, why);
        value = read;
        return good;
    }
    template <class T>
    bool take(const toml::node& node, std::vector<T>& value, const About& about, std::string& why) {
        const auto* list = node.as_array();
        if (list == nullptr) return false;
        value.clear();
        for (const toml::node& item : *list) {
            T read{};
            if (!take(item, read, about, why)) {
                why = fmt::format(" with {} at position {}", got(item), value.size() + 1);
                return false;
            }
            value.push_back(std::move(read));
        }
        return !(about.must_be_filled && value.empty());
    }
    bool take(const toml::node& node, std::vector<FaceKind>& value, const About& about, std::string& why) {
        return take<FaceKind>(node, value, about, why) && value.size() == 2;
    }
    template <class T, class Fixed>
    bool take_fixed(const toml::node& node, Fixed& value, std::size_t n, const About& about,
                    std::string& why) {
        std::vector<T> read;
        if (!take(node, read, about, why) || read.size() != n) return false;
        for (std::size_t k = 0; k < n; ++k)
            value[k] = static_cast<std::remove_reference_t<decltype(value[0])>>(read[k]);
        return true;
    }
    bool take(const toml::node& node, std::array<double, 2>& value, const About& about, std::string& why) {
        return take_fixed<double>(node, value, 2, about, why);
    }
    bool take(const toml::node& node, Vec3& value, const About& about, std::string& why) {
        std::array<double, 3> read{};
        if (!take_fixed<double>(node, read, 3, about, why)) return false;
        value = Vec3(read[0], read[1], read[2]);
        return true;
    }
    bool take(const toml::node& node, IVec3& value, const About& about, std::string& why) {
        std::array<std::int64_t, 3> read{};
        About limited = about;
        limited.highest = std::min(about.highest, 1e6);
        if (!take_fixed<std::int64_t>(node, read, 3, limited, why)) return false;
        for (int k = 0; k < 3; ++k) value[k] = static_cast<int>(read[static_cast<std::size_t>(k)]);
        return true;
    }
    bool take(const toml::node& node, std::map<int, std::string>& value, const About&, std::string& why) {
        const auto* table = node.as_table();
        if (table == nullptr) return false;
        value.clear();
        for (const auto& [key, element] : *table) {
            const std::string word(key.str());
            const bool is_number = !word.empty() && word.size() < 10 &&
                                   word.find_first_not_of("0123456789") == std::string::npos;
            const auto text = element.value_exact<std::string>();
            if (!is_number || !text || text->empty()) {
                why = fmt::format(" with {} = {}", word, got(element));
                return false;
            }
            value[std::stoi(word)] = *text;
        }
        return true;
    }
    bool take(const toml::node& node, StationaryOption& value, const About&, std::string& why) {
        using Kind = StationaryOption::Kind;
        if (node.is_string()) {
            const std::size_t i = choose(*node.value<std::string>(), {"estimated", "uniform"}, why);
            value = {i == 0 ? Kind::estimated : Kind::uniform, {}};
            return i < 2;
        }
        value.kind = Kind::given;
        return take(node, value.weights, About("").at_least(0).filled(), why);
    }

    static std::size_t choose(const std::string& word, const std::vector<std::string>& choices,
                              std::string& why) {
        const auto found = std::find(choices.begin(), choices.end(), word);
        if (found == choices.end())
            if (const std::string near = nearest_key(word, choices); !near.empty())
                why = fmt::format(", did you mean \"{}\"?", near);
        return static_cast<std::size_t>(found - choices.begin());
    }

    std::string path_;
    std::map<std::string, Place> places_;
    std::vector<std::pair<Place, std::string>> problems_;
};

// --set a.b=value

/// The value as a table { v = value } whose source is "--set". A bare word counts as a text.
std::optional<toml::table> parse_value(const std::string& text, std::string& why) {
    try {
        return toml::parse("v = " + text, std::string_view(set_place));
    } catch (const toml::parse_error& error) {
        why = std::string(error.description());
    }
    const bool bare = !text.empty() && text.find_first_of("\"'[]{}=\n#") == std::string::npos;
    if (!bare) return std::nullopt;
    return toml::parse("v = " + toml_text(text), std::string_view(set_place));
}

/// What put() does with a section and the last word of a key.
using Assign = std::function<void(toml::table&, const std::string& word, std::string& why)>;

/// Walk to the section that `keys` name, each of them where there are several, making those that are missing.
/// @param made_by  the source of sections that are made
void put(toml::node& at, std::span<const std::string> keys, const toml::source_region& made_by,
         const Assign& assign, std::string& why) {
    if (auto* list =
            at.as_array()) { // [[trajectory]]: trajectory.0.stride for one, trajectory.stride for all
        const std::string& word = keys.front();
        const bool is_index =
            keys.size() > 1 && word.size() < 9 && word.find_first_not_of("0123456789") == std::string::npos;
        if (!is_index) {
            for (toml::node& item : *list) put(item, keys, made_by, assign, why);
        } else if (const auto index = static_cast<std::size_t>(std::stol(word)); index < list->size()) {
            put(*list->get(index), keys.subspan(1), made_by, assign, why);
        } else {
            why = fmt::format("there are {} of them, counted from 0", list->size());
        }
        return;
    }
    auto* table = at.as_table();
    if (table == nullptr) {
        why = "not a section";
        return;
    }
    if (keys.size() == 1) return assign(*table, keys.front(), why);
    if (!table->contains(keys.front())) {
        toml::table empty = place_of(made_by).from_command_line ? toml::parse("", std::string_view(set_place))
                                                                : toml::table{};
        table->insert_or_assign(toml::key(keys.front(), made_by), std::move(empty));
    }
    put(*table->get(keys.front()), keys.subspan(1), made_by, assign, why);
}

std::vector<std::string> words_of(const std::string& key) {
    std::vector<std::string> words{""};
    for (const char c : key)
        if (c == '.')
            words.emplace_back();
        else
            words.back() += c;
    return words;
}

void apply_setting(toml::table& root, const std::string& setting, Reader& reader) {
    const Place place{true, 0, 0};
    const std::size_t equal = setting.find('=');
    const auto trim = [](std::string s) {
        const auto first = s.find_first_not_of(" \t"), last = s.find_last_not_of(" \t");
        return first == std::string::npos ? std::string() : s.substr(first, last - first + 1);
    };
    const std::string key = trim(setting.substr(0, equal));
    if (equal == std::string::npos || key.empty())
        return reader.complain(place, "", fmt::format("expected key=value, got {}", toml_text(setting)));
    std::string why;
    const std::string text = trim(setting.substr(equal + 1));
    toml::source_region from_here;
    from_here.path = std::make_shared<const std::string>(set_place);
    put(
        root, words_of(key), from_here,
        [&](toml::table& table, const std::string& word, std::string& problem) {
            auto value = parse_value(text, problem);
            if (!value) return;
            problem.clear();
            value->get("v")->visit([&](auto& node) { table.insert_or_assign(word, std::move(node)); });
        },
        why);
    if (!why.empty())
        reader.complain(place, key, fmt::format("cannot be set to {} ({})", setting.substr(equal + 1), why));
}

// [sweep]

std::string value_text(const toml::node& node) {
    if (const auto* text = node.as_string()) return toml_text(text->get());
    if (const auto* list = node.as_array()) {
        std::string out;
        for (const toml::node& item : *list) out += (out.empty() ? "" : ", ") + value_text(item);
        return "[" + out + "]";
    }
    return got(node);
}

/// As it stands in the name of a point: 0.02, li15si4_600K for a file of that name, 1-2-5 for a list.
std::string word_of(const toml::node& node) {
    std::string text;
    if (const auto* list = node.as_array())
        for (const toml::node& item : *list) text += (text.empty() ? "" : "-") + word_of(item);
    else if (node.is_string())
        text = fs::path(*node.value<std::string>()).stem().string();
    else
        text = value_text(node);
    for (char& c : text)
        if (std::isalnum(static_cast<unsigned char>(c)) == 0 &&
            std::string_view("._+-").find(c) == std::string::npos)
            c = '-';
    return text.substr(0, 60);
}

/// A list of [sweep] in the parsed file.
struct SweptNode {
    std::string key;
    toml::source_region at; // of the key
    toml::node* list = nullptr;
};
using SweptAxes = std::vector<std::vector<SweptNode>>;

const char* const zip_key = "zip";
const std::vector<std::string> sweep_options{"at_once", "reports"};

/// "a.b" = [...] and a.b = [...] are the same.
void flatten(toml::table& table, const std::string& before, std::vector<SweptNode>& found) {
    for (auto&& [key, node] : table) {
        const std::string word = before + std::string(key.str());
        if (auto* inner = node.as_table())
            flatten(*inner, word + ".", found);
        else
            found.push_back({word, key.source(), &node});
    }
}

/// The lists of [sweep], an axis each, those of a zip on one; in the order of the file.
SweptAxes swept_axes(toml::table& root) {
    SweptAxes axes;
    auto* sweep = root.get_as<toml::table>("sweep");
    if (sweep == nullptr) return axes;
    std::vector<SweptNode> single;
    for (auto&& [key, node] : *sweep) {
        const std::string word(key.str());
        if (std::find(sweep_options.begin(), sweep_options.end(), word) != sweep_options.end()) continue;
        if (word != zip_key) {
            if (auto* inner = node.as_table())
                flatten(*inner, word + ".", single);
            else
                single.push_back({word, key.source(), &node});
            continue;
        }
        const auto take = [&](toml::node& group) {
            if (auto* table = group.as_table()) {
                std::vector<SweptNode> together;
                flatten(*table, "", together);
                if (!together.empty()) axes.push_back(std::move(together));
            }
        };
        if (auto* list = node.as_array())
            for (toml::node& group : *list) take(group);
        else
            take(node);
    }
    for (SweptNode& node : single) { // --set wins over the file
        const auto same = std::find_if(axes.begin(), axes.end(), [&](const auto& axis) {
            return axis.size() == 1 && axis.front().key == node.key &&
                   place_of(axis.front().list->source()).from_command_line !=
                       place_of(node.list->source()).from_command_line;
        });
        if (same == axes.end())
            axes.push_back({std::move(node)});
        else if (place_of(node.list->source()).from_command_line)
            same->front() = std::move(node);
    }
    const auto place = [](const SweptNode& node) { return place_of(node.list->source()); };
    for (auto& axis : axes)
        std::sort(axis.begin(), axis.end(),
                  [&](const SweptNode& a, const SweptNode& b) { return place(a) < place(b); });
    std::sort(axes.begin(), axes.end(),
              [&](const auto& a, const auto& b) { return place(a.front()) < place(b.front()); });
    return axes;
}

/// The largest sweep; beyond it a list is more likely a mistake than a plan.
constexpr double most_points = 10'000;

class SweepReader {
public:
    explicit SweepReader(Reader& reader) : reader_(reader) {}

    SweepSection read(toml::table& root) {
        SweepSection sweep;
        std::vector<std::string> inner{zip_key};
        if (const auto* table = root.get_as<toml::table>("sweep"))
            for (const auto& [key, node] : *table)
                if (const std::string word(key.str());
                    std::find(sweep_options.begin(), sweep_options.end(), word) == sweep_options.end())
                    inner.push_back(word); // read below
        reader_.read_section(root.get("sweep"), "sweep", sweep, inner);
        double n_points = 1;
        for (const std::vector<SweptNode>& nodes : swept_axes(root)) {
            SweepAxis axis;
            for (const SweptNode& node : nodes) read_key(node, nodes.front(), axis);
            n_points *= static_cast<double>(std::max<std::size_t>(axis.size(), 1));
            sweep.axes.push_back(std::move(axis));
        }
        if (sweep.axes.empty())
            wrong(root.get("sweep")->source(), "sweep",
                  "expected keys with lists of values, \"run.temperature_K\" = [500, 600], got none");
        if (n_points > most_points)
            wrong(root.get("sweep")->source(), "sweep",
                  fmt::format("expected at most {:g} points, got {:g}", most_points, n_points));
        return sweep;
    }
    bool good() const { return good_; }

private:
    void wrong(const toml::source_region& at, const std::string& key, const std::string& text) {
        good_ = false;
        reader_.complain(place_of(at), key, text);
    }

    void read_key(const SweptNode& node, const SweptNode& first, SweepAxis& axis) {
        const auto refuse = [&](const std::string& text) { wrong(node.at, node.key, text); };
        if (node.key.find('.') == std::string::npos) {
            const std::string near = nearest_key(node.key, sweep_options);
            return refuse("expected a key with its section, \"run.temperature_K\" = [500, 600], got none" +
                          (near.empty() ? "" : fmt::format("; did you mean \"{}\"?", near)));
        }
        const std::string section = node.key.substr(0, node.key.find('.'));
        if (node.key == "run.name" || node.key == "run.output" || node.key == "run.threads" ||
            section == "report" || section == "sweep")
            return refuse("expected a key that results depend on; this one cannot be swept");
        if (!seen_.insert(node.key).second) return refuse("expected once, got it twice in [sweep]");
        const auto* list = node.list->as_array();
        if (list == nullptr) return refuse("expected a list of values, got " + got(*node.list));
        if (list->empty()) return refuse("expected at least one value, got an empty list");
        SweptKey key{node.key, {}, {}, {}};
        for (const toml::node& value : *list) {
            if (value.is_table()) {
                wrong(value.source(), node.key, "expected values, got a table");
                continue;
            }
            key.values.push_back(value_text(value));
            key.words.push_back(word_of(value));
            if (value.is_number()) key.numbers.push_back(*value.value<double>());
            const auto same = [&](const std::string& other) { return other == key.values.back(); };
            if (&node == &first && axis.keys.empty() &&
                std::any_of(key.values.begin(), key.values.end() - 1, same))
                wrong(value.source(), node.key,
                      fmt::format("expected different values, got {} twice", value_text(value)));
        }
        if (key.numbers.size() != key.values.size()) key.numbers.clear();
        if (!axis.keys.empty() && key.values.size() != axis.size())
            return refuse(fmt::format("expected {} values as {} has in the same zip, got {}", axis.size(),
                                      axis.keys.front().key, key.values.size()));
        if (key.values.size() == list->size()) axis.keys.push_back(std::move(key));
    }

    Reader& reader_;
    std::set<std::string> seen_;
    bool good_ = true;
};

// What one key alone cannot tell

class CrossChecks {
public:
    CrossChecks(Reader& reader, Config& config, bool files)
        : reader_(reader), config_(config), files_(files) {}

    void run() {
        if (config_.trajectories.empty() && !config_.md && config_.needs_model())
            reader_.complain("trajectory", "expected at least one [[trajectory]] section or [md], got none");
        for (std::size_t k = 0; k < config_.trajectories.size(); ++k) check(config_.trajectories[k], k);
        if (files_ && !config_.trajectories.empty() && config_.present_trajectories().empty())
            reader_.complain("trajectory", "none of the optional trajectory files is there");
        if (config_.md) check_md(*config_.md);
        if (config_.needs_model()) check_sites();
        check_msm();
        if (config_.run.name.find('/') != std::string::npos)
            reader_.complain("run.name",
                             fmt::format("expected a name without slashes, got {}. Folders belong to "
                                         "run.output",
                                         toml_text(config_.run.name)));
        if (config_.meso) check_meso(*config_.meso);
    }

private:
    void check(const TrajectorySection& t, std::size_t k) {
        const std::string name = fmt::format("trajectory.{}", k);
        if (t.end && *t.end <= t.discard)
            reader_.complain(name + ".end_ps",
                             fmt::format("expected more than discard_ps = {}, got {}", t.discard, *t.end));
        if (!t.file.empty()) check_file(t.file, name + ".file", t.optional);
        if (!t.cell_file.empty()) check_file(t.cell_file, name + ".cell_file", t.optional);
    }

    void check_md(const MdSection& m) {
        if (!config_.trajectories.empty())
            reader_.complain("md", "expected either [md] or [[trajectory]], got both");
        if (!m.model.empty()) check_file(m.model, "md.model", false);
        if (!m.structure.empty()) check_file(m.structure, "md.structure", false);
        if (!m.temperature && !config_.run.temperature)
            reader_.complain("md.temperature_K", "expected a temperature here or in [run], got none");
        if (m.temperature && config_.run.temperature && *m.temperature != *config_.run.temperature)
            reader_.complain("md.temperature_K", fmt::format("expected run.temperature_K = {}, got {}",
                                                             *config_.run.temperature, *m.temperature));
        const double steps = m.interval / (1e-3 * m.timestep);
        if (steps < 0.5 || std::abs(steps - std::round(steps)) > 1e-6 * steps)
            reader_.complain("md.interval_ps", fmt::format("expected a multiple of timestep_fs = {}, got {}",
                                                           m.timestep, m.interval));
        if (!m.write_trajectory && config_.sites.source != SiteSource::structure)
            reader_.complain("md.write_trajectory", "expected true with this sites.source, got false (sites "
                                                    "are found from a trajectory file). Set it to true, or "
                                                    "source = \"structure\"");
        if (m.length < m.interval)
            reader_.complain("md.length_ps",
                             fmt::format("expected at least interval_ps = {}, got {}", m.interval, m.length));
    }

    void check_file(const std::string& file, const std::string& key, bool optional) {
        if (!files_) return;
        std::string problem;
        try {
            const std::string path = config_.resolve(file);
            if (!fs::exists(path))
                problem = fmt::format("no such file (\"{}\"). Paths are relative to the input file", path);
            else if (!fs::is_regular_file(path))
                problem =
                    fmt::format("not a file (\"{}\" is a folder or device). Name the file itself", path);
        } catch (const InputError& error) {
            problem = error.what();
        }
        if (problem.empty()) return;
        if (optional)
            config_.warnings.push_back(
                fmt::format("{} is left out: {}", key.substr(0, key.rfind('.')), problem));
        else
            reader_.complain(key, problem);
    }

    void check_sites() {
        const SiteSection& s = config_.sites;
        if (s.source == SiteSource::structure) {
            if (s.structure.empty())
                reader_.complain("sites.structure",
                                 "expected a structure file whose atoms are the sites, got nothing. "
                                 "Name one, or set source = \"density\" or \"averaged\"");
            else
                check_file(s.structure, "sites.structure", false);
        } else if (!s.structure.empty()) {
            reader_.complain("sites.structure",
                             fmt::format("expected nothing beside source = {}, got {}. Remove one of them",
                                         toml_of(s.source), toml_text(s.structure)));
        }
        if (s.source != SiteSource::density && s.assignment == Assignment::watershed)
            reader_.complain(
                "sites.assignment",
                fmt::format("expected \"nearest\" or \"core\" beside source = {}, got \"watershed\". "
                            "Only source = \"density\" has basins",
                            toml_of(s.source)));
        if (s.source != SiteSource::density) return;
        const DensityOptions& d = s.density;
        if (d.spacing > 0.5 * d.peaks.merge_distance)
            reader_.complain(
                "sites.density_spacing_angstrom",
                fmt::format("expected at most half of density_merge_distance_angstrom = {}, got {}",
                            d.peaks.merge_distance, d.spacing));
        if (d.peaks.floor > d.peaks.threshold)
            reader_.complain("sites.density_floor",
                             fmt::format("expected at most density_threshold = {}, got {}", d.peaks.threshold,
                                         d.peaks.floor));
    }

    void check_msm() {
        MarkovSection& m = config_.msm;
        std::sort(m.lag_times.begin(), m.lag_times.end());
        if (std::adjacent_find(m.lag_times.begin(), m.lag_times.end()) != m.lag_times.end())
            reader_.complain("msm.lag_times_ps", "expected different lag times, got one of them twice");
        if (m.lag_time != 0 &&
            std::find(m.lag_times.begin(), m.lag_times.end(), m.lag_time) == m.lag_times.end())
            reader_.complain("msm.lag_time_ps", fmt::format("expected 0 or one of lag_times_ps = {}, got {}",
                                                            toml_of(m.lag_times), m.lag_time));
        if (!(m.fit_window[0] < m.fit_window[1]))
            reader_.complain("msm.fit_window_ps",
                             "expected the begin before the end, got " + toml_of(m.fit_window));
        else if (m.msd_max_lag != 0 && m.msd_max_lag < m.fit_window[1])
            reader_.complain("msm.msd_max_lag_ps",
                             fmt::format("expected at least the end of fit_window_ps, {}, got {}",
                                         m.fit_window[1], m.msd_max_lag));
        const auto ordered = [&](const char* key, double warn, double fail) {
            if (fail < warn)
                reader_.complain(
                    std::string("msm.") + key,
                    fmt::format("expected at least the threshold of the warning, {}, got {}", warn, fail));
        };
        ordered("ck_fail", m.ck_warn, m.ck_fail);
        ordered("msd_fail", m.msd_warn, m.msd_fail);
    }

    void check_meso(const MesoSection& m) {
        if (m.occupancy == Occupancy::exclusion)
            check_gas(m);
        else if (m.gas)
            reader_.complain("meso.gas", "expected meso.occupancy = \"exclusion\" beside it, got \"tracer\"");
        struct Axis {
            const char* key;
            const std::vector<FaceKind>& faces;
            const std::array<double, 2>& concentration;
        };
        for (const Axis& axis :
             {Axis{"a", m.faces_a, m.concentration_a}, Axis{"b", m.faces_b, m.concentration_b},
              Axis{"c", m.faces_c, m.concentration_c}}) {
            const std::string faces = fmt::format("meso.faces_{}", axis.key);
            const auto is = [&](std::size_t side, FaceKind kind) {
                return !axis.faces.empty() && axis.faces[side] == kind;
            };
            if (is(0, FaceKind::periodic) != is(1, FaceKind::periodic))
                reader_.complain(faces, "expected both faces periodic or none, got " + toml_of(axis.faces));
            for (const std::size_t side : {0, 1})
                if (axis.concentration[side] > 0 && !is(side, FaceKind::reservoir))
                    reader_.complain(fmt::format("meso.concentration_{}", axis.key),
                                     fmt::format("expected 0 where {} has no reservoir, got {}", faces,
                                                 toml_of(axis.concentration)));
        }
        if (m.schedule == OutputSchedule::list && m.output_times.empty())
            reader_.complain("meso.output_times_ps", "expected times for schedule = \"list\", got nothing");
        std::vector<std::string> names;
        for (std::size_t k = 0; k < m.materials.size(); ++k) check_material(m, k, names);
        if (m.materials.empty()) names.emplace_back("crystal");
        std::vector<std::string> places = names;
        for (std::size_t k = 0; k < m.regions.size(); ++k) {
            check_region(m.regions[k], fmt::format("meso.region.{}", k), names);
            if (!m.regions[k].name.empty()) places.push_back(m.regions[k].name);
        }
        if (m.walkers.start == StartOption::empty && m.concentration_a[0] + m.concentration_a[1] +
                                                             m.concentration_b[0] + m.concentration_b[1] +
                                                             m.concentration_c[0] + m.concentration_c[1] ==
                                                         0)
            reader_.complain("meso.walkers.start",
                             "expected \"empty\" only with a reservoir that brings walkers, got it without");
        check_start("meso.walkers", m.walkers, places);
        if (m.field) check_start("meso.field", *m.field, places);
    }

    void check_gas(const MesoSection& m) {
        if (!m.gas)
            return reader_.complain(
                "meso.gas", "expected a section [meso.gas] that says how full the sites are, got none");
        const GasSection& g = *m.gas;
        if (m.voxel)
            reader_.complain("meso.voxel_nm", "expected nothing beside occupancy = \"exclusion\", got " +
                                                  toml_of(*m.voxel) +
                                                  ": a continuum has no sites that could be full");
        if (m.materials.empty())
            reader_.complain("meso.material",
                             "expected a hop list for occupancy = \"exclusion\", got nothing");
        for (std::size_t k = 0; k < m.materials.size(); ++k)
            if (m.materials[k].kernel.empty())
                reader_.complain(
                    fmt::format("meso.material.{}.kernel", k),
                    "expected a hop list for occupancy = \"exclusion\", got nothing: a Markov model "
                    "of a full sublattice already holds the exclusion of the other ions");
        const int fillings = int(g.vacancy_fraction.has_value()) + int(g.n_ions.has_value()) +
                             int(g.ions_per_cell.has_value()) + int(!g.species.empty());
        if (fillings != 1)
            reader_.complain("meso.gas",
                             fmt::format("expected one of vacancy_fraction, n_ions, ions_per_cell and "
                                         "[[meso.gas.species]], got {}",
                                         fillings == 0 ? "none" : std::to_string(fillings)));
        check_gas_species(g);
        for (std::size_t k = 0; k < g.pairs.size(); ++k) check_gas_pair(g, k);
        check_gas_temperatures(m, g);
    }

    void check_gas_species(const GasSection& g) {
        std::vector<std::string> names;
        double filled = 0;
        bool any_moves = g.species.empty();
        for (std::size_t k = 0; k < g.species.size(); ++k) {
            const GasSpeciesSection& s = g.species[k];
            const std::string name = fmt::format("meso.gas.species.{}", k);
            if (std::find(names.begin(), names.end(), s.name) != names.end())
                reader_.complain(name + ".name",
                                 "expected a name of its own, got " + toml_text(s.name) + " again");
            names.push_back(s.name);
            if (s.n.has_value() == s.fraction.has_value())
                reader_.complain(name + ".n", s.n ? "expected n or fraction, got both"
                                                  : "expected n or fraction, got neither");
            if (s.pinned && s.rate_factor != 1)
                reader_.complain(name + ".rate_factor",
                                 fmt::format("expected nothing beside pinned = true, got {}", s.rate_factor));
            filled += s.fraction.value_or(0);
            any_moves = any_moves || (!s.pinned && s.rate_factor > 0);
        }
        if (filled > 1 + 1e-9)
            reader_.complain("meso.gas.species",
                             fmt::format("expected fractions of at most 1 in all, got {}", filled));
        if (!any_moves) reader_.complain("meso.gas.species", "expected one that moves, got only pinned ones");
    }

    void check_gas_pair(const GasSection& g, std::size_t k) {
        const GasPairSection& p = g.pairs[k];
        const std::string name = fmt::format("meso.gas.pair.{}", k);
        if (p.distance && (p.from || p.to || !p.R.isZero()))
            reader_.complain(name + ".distance_angstrom",
                             fmt::format("expected nothing beside from, to and R, got {}", *p.distance));
        else if (!p.distance && !(p.from && p.to))
            reader_.complain(name + (p.from ? ".to"
                                     : p.to ? ".from"
                                            : ".distance_angstrom"),
                             "expected distance_angstrom, or from and to, got nothing");
        if (p.from && p.from == p.to && p.R.isZero())
            reader_.complain(name + ".to", "expected another site or another cell R, got the site itself");
        if (!p.species.empty() && p.species.size() != 2)
            reader_.complain(name + ".species", fmt::format("expected two names, got {}", p.species.size()));
        std::vector<std::string> known;
        for (const GasSpeciesSection& s : g.species) known.push_back(s.name);
        if (known.empty()) known.emplace_back("Li");
        for (const std::string& s : p.species) {
            if (std::find(known.begin(), known.end(), s) != known.end()) continue;
            const std::string near = nearest_key(s, known);
            reader_.complain(name + ".species",
                             fmt::format("expected names of [[meso.gas.species]], got {}{}", toml_text(s),
                                         near.empty() ? "" : fmt::format(", did you mean \"{}\"?", near)));
        }
    }

    void check_gas_temperatures(const MesoSection& m, const GasSection& g) {
        const std::string key = "meso.gas.temperature_schedule_ps_K";
        double shortest = m.total_time;
        for (std::size_t k = 0; k < g.temperatures.size(); ++k) {
            const auto& [time, kelvin] = g.temperatures[k];
            const double next = k + 1 < g.temperatures.size() ? g.temperatures[k + 1][0] : m.total_time;
            shortest = std::min(shortest, next - time);
            if (k == 0 && time != 0)
                reader_.complain(key, fmt::format("expected 0 as the first time, got {}", time));
            if (!(kelvin > 0))
                reader_.complain(key, fmt::format("expected temperatures > 0, got {}", kelvin));
            if (!(next > time))
                reader_.complain(
                    key, fmt::format("expected rising times below total_time_ps = {}, got {} before {}",
                                     m.total_time, time, next));
        }
        if (!g.temperatures.empty() && m.temperature)
            reader_.complain(key, fmt::format("expected nothing beside meso.temperature_K = {}, got {} steps",
                                              *m.temperature, g.temperatures.size()));
        if (g.temperatures.size() > 1 && g.precision > 0)
            reader_.complain("meso.gas.relative_precision",
                             fmt::format("expected 0 beside several temperatures, got {}", g.precision));
        if (g.equilibration && g.temperatures.size() > 1 && *g.equilibration >= shortest)
            reader_.complain(
                "meso.gas.equilibration_ps",
                fmt::format("expected less than the shortest time at one temperature, {}, got {}", shortest,
                            *g.equilibration));
    }

    void check_material(const MesoSection& m, std::size_t k, std::vector<std::string>& names) {
        const MaterialSection& material = m.materials[k];
        const std::string name = fmt::format("meso.material.{}", k);
        if (std::find(names.begin(), names.end(), material.name) != names.end())
            reader_.complain(name + ".name",
                             "expected a name of its own, got " + toml_text(material.name) + " again");
        names.push_back(material.name);
        const std::size_t n = material.diffusivity.size();
        if (n != 0 && n != 1 && n != 3 && n != 6)
            reader_.complain(name + ".diffusivity_angstrom2_per_ps",
                             fmt::format("expected 1, 3 or 6 numbers, got {}", n));
        if (n != 0 && !material.kernel.empty())
            reader_.complain(name + ".diffusivity_angstrom2_per_ps",
                             "expected nothing beside a kernel, got " + toml_of(material.diffusivity));
        if (n != 0 && !m.voxel)
            reader_.complain(name + ".diffusivity_angstrom2_per_ps",
                             "expected a kernel, or meso.voxel_nm for continua of this D, got " +
                                 toml_of(material.diffusivity));
        IVec3 sorted = material.axes;
        std::sort(sorted.begin(), sorted.end());
        if (sorted != IVec3(1, 2, 3))
            reader_.complain(name + ".axes",
                             "expected 1, 2 and 3 in some order, got " + toml_of(material.axes));
        else if (material.axes != sorted && !m.voxel)
            reader_.complain(name + ".axes", "expected [1, 2, 3] without meso.voxel_nm, got " +
                                                 toml_of(material.axes) +
                                                 ": turned cells do not fit one grid, voxels do");
        if (material.energy != 0 && !m.temperature && !config_.run.temperature)
            reader_.complain(name + ".energy_eV",
                             fmt::format("expected 0 without meso.temperature_K, got {}", material.energy));
        if (!material.kernel.empty() && files_) {
            std::string problem;
            try {
                const std::string path = config_.resolve(material.kernel);
                if (!fs::exists(path))
                    problem =
                        fmt::format("no such file (\"{}\"). Paths are relative to the input file", path);
            } catch (const InputError& error) {
                problem = error.what();
            }
            if (!problem.empty()) reader_.complain(name + ".kernel", problem);
        }
    }

    void check_region(const RegionSection& r, const std::string& name,
                      const std::vector<std::string>& materials) {
        for (const std::string& material : r.materials) {
            if (std::find(materials.begin(), materials.end(), material) != materials.end()) continue;
            const std::string near = nearest_key(material, materials);
            reader_.complain(name + ".materials",
                             fmt::format("expected names of [[meso.material]], got {}{}", toml_text(material),
                                         near.empty() ? "" : fmt::format(", did you mean \"{}\"?", near)));
        }
        const auto needs = [&](bool given, const char* key, const char* what) {
            if (!given) reader_.complain(name + "." + key, fmt::format("expected {}, got nothing", what));
        };
        switch (r.shape) {
        case RegionShape::box:
        case RegionShape::grains:
            break;
        case RegionShape::sphere:
        case RegionShape::cylinder:
            needs(r.radius.has_value(), "radius_nm", "the radius");
            break;
        case RegionShape::layers:
            if (r.thickness.size() != r.materials.size())
                reader_.complain(name + ".thickness_nm",
                                 fmt::format("expected one for each of the {} materials, got {}",
                                             r.materials.size(), r.thickness.size()));
            return;
        case RegionShape::voxels:
            needs(!r.file.empty(), "file", "a file of labels");
            if (!r.file.empty()) check_file(r.file, name + ".file", false);
            return;
        }
        if (r.shape != RegionShape::grains && r.materials.size() > 1)
            reader_.complain(name + ".materials", fmt::format("expected one, got {}", r.materials.size()));
    }

    template <class Section>
    void check_start(const std::string& name, const Section& s, const std::vector<std::string>& places) {
        const std::string start(name_of(s.start));
        if (start == "region" && std::find(places.begin(), places.end(), s.start_region) == places.end())
            reader_.complain(name + ".start_region",
                             fmt::format("expected one of {}, got {}", fmt::join(places, ", "),
                                         s.start_region.empty() ? "nothing" : toml_text(s.start_region)));
        if (start == "profile" &&
            (s.profile.empty() || *std::max_element(s.profile.begin(), s.profile.end()) == 0))
            reader_.complain(name + ".profile", "expected relative fillings, not all of them 0, got " +
                                                    (s.profile.empty() ? "nothing" : toml_of(s.profile)));
    }

    Reader& reader_;
    Config& config_;
    bool files_;
};

toml::table parse_toml(const std::string& text, const std::string& path) {
    try {
        return toml::parse(text, std::string_view(path));
    } catch (const toml::parse_error& error) {
        const auto& at = error.source().begin;
        throw ConfigError({fmt::format("{}:{}:{}: expected TOML, got something else ({})", path, at.line,
                                       at.column, error.description())});
    }
}

/// One section for each [[name]]; a single one may be written [name].
/// @param outer  of nested sections, "meso."
template <class Section>
void read_sections(const toml::table& root, const std::string& name, Reader& reader,
                   std::vector<Section>& sections, const std::string& outer = "") {
    if (const auto* list = root.get_as<toml::array>(name)) {
        sections.resize(list->size());
        for (std::size_t k = 0; k < list->size(); ++k)
            reader.read_section(list->get(k), fmt::format("{}{}.{}", outer, name, k), sections[k]);
    } else if (root.contains(name)) {
        sections.resize(1);
        reader.read_section(root.get(name), outer + name + ".0", sections[0]);
    }
}

void read_meso(const toml::table& root, Reader& reader, Config& config) {
    if (!root.contains("meso")) return;
    MesoSection& meso = config.meso.emplace();
    reader.read_section(root.get("meso"), "meso", meso,
                        {"material", "region", "walkers", "field", "steady", "gas"});
    const auto* table = root.get_as<toml::table>("meso");
    if (table == nullptr) return;
    read_sections(*table, "material", reader, meso.materials, "meso.");
    read_sections(*table, "region", reader, meso.regions, "meso.");
    reader.read_section(table->get("walkers"), "meso.walkers", meso.walkers);
    if (table->contains("field"))
        reader.read_section(table->get("field"), "meso.field", meso.field.emplace());
    reader.read_section(table->get("steady"), "meso.steady", meso.steady);
    for (const char* name : {"walkers", "field", "steady"})
        if (meso.occupancy == Occupancy::exclusion && table->contains(name))
            reader.complain(
                fmt::format("meso.{}", name),
                fmt::format("expected no section [meso.{}] beside occupancy = \"exclusion\", got one: "
                            "it is for tracers",
                            name));
    if (!table->contains("gas")) return;
    GasSection& gas = meso.gas.emplace();
    reader.read_section(table->get("gas"), "meso.gas", gas, {"species", "pair"});
    if (const auto* inner = table->get_as<toml::table>("gas")) {
        read_sections(*inner, "species", reader, gas.species, "meso.gas.");
        read_sections(*inner, "pair", reader, gas.pairs, "meso.gas.");
    }
}

} // namespace

namespace {

Config read_sections(const toml::table& root, const std::string& path, bool files, Reader& reader) {
    Config config;
    config.path = path;
    config.folder = fs::path(path).parent_path().string();
    const std::vector<std::string> sections{"run", "trajectory", "md",     "ions", "sites",
                                            "msm", "meso",       "report", "sweep"};
    for (const auto& [key, value] : root) reader.unknown_key(key, value, "", sections);
    reader.read_section(root.get("run"), "run", config.run);
    read_sections(root, "trajectory", reader, config.trajectories);
    if (root.contains("md")) reader.read_section(root.get("md"), "md", config.md.emplace());
    reader.read_section(root.get("ions"), "ions", config.ions);
    reader.read_section(root.get("sites"), "sites", config.sites);
    reader.read_section(root.get("msm"), "msm", config.msm);
    read_meso(root, reader, config);
    reader.read_section(root.get("report"), "report", config.report);
    CrossChecks(reader, config, files).run();
    if (config.md && config.md->temperature) config.run.temperature = config.md->temperature;
    if (config.run.name.empty()) config.run.name = fs::path(path).stem().string();
    if (config.run.output.empty()) config.run.output = "runs/" + config.run.name;
    return config;
}

/// The file with --set, as often as a value has to be taken out of it: copies of values lose their places.
class ParsedInput {
public:
    ParsedInput(const std::string& text, const std::string& path, const std::vector<std::string>& set)
        : text_(text), path_(path), set_(set) {}

    toml::table fresh(Reader& reader) const {
        toml::table root = parse_toml(text_, path_);
        for (const std::string& setting : set_) apply_setting(root, setting, reader);
        return root;
    }

    /// The input of one point, each swept key with its value.
    /// @param at  value of each axis; lists that are not there are skipped
    toml::table at_point(const std::vector<std::size_t>& at, Reader& reader) const {
        toml::table root = fresh(reader), source = fresh(reader);
        const SweptAxes axes = swept_axes(source);
        for (std::size_t a = 0; a < axes.size(); ++a)
            for (std::size_t k = 0; k < axes[a].size(); ++k) {
                const SweptNode& node = axes[a][k];
                const auto* list = node.list->as_array();
                if (list == nullptr || at[a] >= list->size() || node.key.find('.') == std::string::npos)
                    continue;
                bool first = true;
                std::string why;
                put(
                    root, words_of(node.key), node.at,
                    [&](toml::table& table, const std::string& word, std::string&) {
                        toml::table again = first ? toml::table{} : fresh(reader);
                        const SweptAxes others = first ? axes : swept_axes(again);
                        first = false;
                        others[a][k].list->as_array()->get(at[a])->visit([&](auto& value) {
                            table.insert_or_assign(toml::key(word, node.at), std::move(value));
                        });
                    },
                    why);
                if (!why.empty())
                    reader.complain(place_of(node.at), node.key, "cannot be swept (" + why + ")");
            }
        return root;
    }

private:
    const std::string &text_, &path_;
    const std::vector<std::string>& set_;
};

std::size_t index_of_point(const std::string& wanted, const std::vector<SweepPoint>& points,
                           const std::string& path) {
    std::vector<std::string> names;
    for (std::size_t k = 0; k < points.size(); ++k) {
        if (points[k].name == wanted || std::to_string(k) == wanted) return k;
        names.push_back(points[k].name);
    }
    const std::string near = nearest_key(wanted, names);
    throw InputError(
        fmt::format("--point: the sweep of {} has no point {}{}. Give a name, or a number from 0 to {}", path,
                    toml_text(wanted), near.empty() ? "" : fmt::format(", did you mean \"{}\"?", near),
                    points.size() - 1));
}

Config parse_sweep(const ParsedInput& input, const std::string& path, const ReadConfigOptions& options) {
    Reader reader(path);
    toml::table root = input.fresh(reader);
    SweepReader sweep_reader(reader);
    SweepSection sweep = sweep_reader.read(root);
    std::vector<SweepPoint> points;
    if (sweep_reader.good())
        points = sweep_points(sweep);
    else { // each value of each list is looked at all the same, beside the first ones of the others
        const SweptAxes axes = swept_axes(root);
        const std::vector<std::size_t> first(axes.size(), 0);
        points = {{"", first}};
        for (std::size_t a = 0; a < axes.size(); ++a)
            for (const SweptNode& node : axes[a])
                for (std::size_t k = 1; node.list->is_array() && k < node.list->as_array()->size(); ++k) {
                    points.push_back({"", first});
                    points.back().at[a] = k;
                }
    }
    std::optional<Config> chosen;
    const std::size_t wanted =
        options.point.empty() || !sweep_reader.good() ? 0 : index_of_point(options.point, points, path);
    for (std::size_t k = 0; k < points.size(); ++k) {
        if (!options.point.empty() && k != wanted) continue;
        Reader one(path);
        const toml::table table = input.at_point(points[k].at, one);
        Config config = read_sections(table, path, options.files_must_exist, one);
        reader.add_problems_of(one);
        if (k == wanted) chosen = std::move(config);
    }
    reader.throw_problems();
    if (options.point.empty()) {
        chosen->sweep = std::move(sweep);
    } else {
        const std::string& name = points[wanted].name;
        chosen->run.name += " " + name;
        chosen->run.output = point_folder(chosen->run.output, name);
        chosen->report.enabled = chosen->report.enabled && sweep.reports;
    }
    return std::move(*chosen);
}

} // namespace

Config parse_config(const std::string& text, const std::string& path, const ReadConfigOptions& options) {
    const ParsedInput input(text, path, options.set);
    Reader reader(path);
    const toml::table root = input.fresh(reader);
    if (root.contains("sweep")) return parse_sweep(input, path, options);
    if (!options.point.empty())
        throw InputError(
            fmt::format("--point {}: {} has no [sweep] section. Leave it out", options.point, path));
    Config config = read_sections(root, path, options.files_must_exist, reader);
    reader.throw_problems();
    return config;
}

HopFile read_hop_file(const std::string& text, const std::string& path, const std::vector<std::string>& set,
                      const std::function<void(const HopFile&, const ComplainAboutKey&)>& check) {
    toml::table root = parse_toml(text, path);
    Reader reader(path);
    for (const std::string& setting : set) apply_setting(root, setting, reader);
    for (const auto& [key, value] : root) reader.unknown_key(key, value, "", {"crystal", "rates", "hop"});
    HopFile file;
    reader.read_section(root.get("crystal"), "crystal", file.crystal);
    reader.read_section(root.get("rates"), "rates", file.rates);
    read_sections(root, "hop", reader, file.hops);
    check(file, [&](const std::string& key, const std::string& problem) { reader.complain(key, problem); });
    reader.throw_problems();
    return file;
}

Config read_config(const std::string& path, const ReadConfigOptions& options) {
    if (fs::is_directory(path))
        throw InputError(
            fmt::format("{}: expected an input file, got a folder. Name the .toml file in it", path));
    return parse_config(read_text_file(path), path, options);
}

} // namespace mesolith
