#pragma once
// How numbers of the analysis become datasets.
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

inline void write_vec3(Hdf5Group& group, const std::string& path, const Vec3& v, const char* units,
                       const char* text) {
    group.write(path, std::vector<double>(v.data(), v.data() + 3), {}, about(units, text));
}

} // namespace mesolith
