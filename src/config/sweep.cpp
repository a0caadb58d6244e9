#include <algorithm>
#include <filesystem>
#include <set>

#include <fmt/format.h>

#include "mesolith/config/config.hpp"

namespace mesolith {
namespace {

/// The last words of a key that no other swept key ends with: "temperature_K", "material.0.scale".
std::string short_name(const std::string& key, const std::vector<std::string>& keys) {
    for (std::size_t dot = key.rfind('.'); dot != std::string::npos && dot > 0;
         dot = key.rfind('.', dot - 1)) {
        const std::string end = key.substr(dot);
        if (std::count_if(keys.begin(), keys.end(), [&](const std::string& k) { return k.ends_with(end); }) ==
            1)
            return end.substr(1);
    }
    return key;
}

bool all_different(const std::vector<std::string>& words) {
    return std::set<std::string>(words.begin(), words.end()).size() == words.size();
}

/// The keys of an axis that tell its values apart: one if one does, a number if there is one.
std::vector<const SweptKey*> naming_keys(const SweepAxis& axis) {
    const SweptKey* best = nullptr;
    for (const SweptKey& key : axis.keys)
        if (all_different(key.words) && (best == nullptr || (best->numbers.empty() && !key.numbers.empty())))
            best = &key;
    if (best != nullptr) return {best};
    std::vector<const SweptKey*> all;
    for (const SweptKey& key : axis.keys) all.push_back(&key);
    return all;
}

constexpr std::size_t longest_name = 200; // file systems take 255 bytes

} // namespace

std::vector<SweepPoint> sweep_points(const SweepSection& sweep) {
    std::vector<std::string> keys;
    for (const SweepAxis& axis : sweep.axes)
        for (const SweptKey& key : axis.keys) keys.push_back(key.key);
    std::vector<SweepPoint> points{{"", {}}};
    for (const SweepAxis& axis : sweep.axes) {
        std::vector<SweepPoint> longer;
        for (const SweepPoint& point : points)
            for (std::size_t k = 0; k < axis.size(); ++k) {
                SweepPoint next = point;
                next.at.push_back(k);
                for (const SweptKey* key : naming_keys(axis))
                    next.name += fmt::format("{}{}={}", next.name.empty() ? "" : "_",
                                             short_name(key->key, keys), key->words[k]);
                longer.push_back(std::move(next));
            }
        points = std::move(longer);
    }
    // Names that are too long, or that values made equal, give way to numbers.
    std::set<std::string> names;
    bool good = true;
    for (const SweepPoint& point : points)
        good = good && point.name.size() <= longest_name && names.insert(point.name).second;
    for (std::size_t k = 0; k < points.size() && !good; ++k) points[k].name = fmt::format("point_{:04}", k);
    return points;
}

std::string point_folder(const std::string& output, const std::string& name) {
    return (std::filesystem::path(output) / "sweep" / name).string();
}

} // namespace mesolith
