#pragma once
// How numbers of the analysis become datasets.
#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

#include "mesolith/io/hdf5.hpp"

#include "stage.hpp"

namespace mesolith {

inline constexpr const char* per_time = "angstrom^2/ps";

/// f(row) of each row.
template <class T, class F>
auto column_of(const std::vector<T>& rows, F&& f) {
    std::vector<std::decay_t<decltype(f(rows.front()))>> column;
    column.reserve(rows.size());
    for (const T& row : rows) column.push_back(f(row));
    return column;
}

/// Row by row.
inline std::vector<double> flat(const Mat3& m) {
    return {m(0, 0), m(0, 1), m(0, 2), m(1, 0), m(1, 1), m(1, 2), m(2, 0), m(2, 1), m(2, 2)};
}

/// Tensors or rows, one after the other.
inline std::vector<double> flat(const std::vector<Mat3>& tensors) {
    std::vector<double> all;
    for (const Mat3& m : tensors)
        for (const double x : flat(m)) all.push_back(x);
    return all;
}
inline std::vector<double> flat(const std::vector<Vec3>& vectors) {
    std::vector<double> all;
    for (const Vec3& v : vectors) all.insert(all.end(), v.data(), v.data() + 3);
    return all;
}
inline std::vector<double> flat(const std::vector<std::vector<double>>& rows) {
    std::vector<double> all;
    for (const auto& row : rows) all.insert(all.end(), row.begin(), row.end());
    return all;
}

/// Times of steps [ps].
inline std::vector<double> times_of(const std::vector<std::int64_t>& steps, double lag_time) {
    return column_of(steps, [&](std::int64_t step) { return static_cast<double>(step) * lag_time; });
}

inline void write_vec3(Hdf5Group& group, const std::string& path, const Vec3& v, const char* units,
                       const char* text) {
    group.write(path, std::vector<double>(v.data(), v.data() + 3), {}, about(units, text));
}

} // namespace mesolith
