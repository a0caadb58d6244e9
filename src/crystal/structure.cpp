#include "mesolith/crystal/structure.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "mesolith/core/error.hpp"

namespace mesolith {

Structure select_species(const Structure& structure, const std::vector<std::string>& chosen) {
    Structure selected{structure.cell, {}, {}};
    for (std::size_t i = 0; i < structure.size(); ++i) {
        if (std::find(chosen.begin(), chosen.end(), structure.species[i]) == chosen.end()) continue;
        selected.species.push_back(structure.species[i]);
        selected.fractional.push_back(structure.fractional[i]);
    }
    return selected;
}

Structure repeat(const Structure& structure, const IVec3& n) {
    if (n.minCoeff() < 1)
        throw DataError(fmt::format("Cannot repeat a structure {} x {} x {} times (each must be at least 1). "
                                    "Give positive numbers",
                                    n[0], n[1], n[2]));
    const Vec3 times = n.cast<double>();
    Structure large{Cell(times.asDiagonal() * structure.cell.vectors()), {}, {}};
    const std::size_t total = structure.size() * static_cast<std::size_t>(n.prod());
    large.species.reserve(total);
    large.fractional.reserve(total);
    for (int i = 0; i < n[0]; ++i)
        for (int j = 0; j < n[1]; ++j)
            for (int k = 0; k < n[2]; ++k)
                for (std::size_t atom = 0; atom < structure.size(); ++atom) {
                    large.species.push_back(structure.species[atom]);
                    large.fractional.push_back(
                        (structure.fractional[atom] + Vec3(i, j, k)).cwiseQuotient(times));
                }
    return large;
}

} // namespace mesolith
