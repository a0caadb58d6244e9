#pragma once
#include <algorithm>
#include <cmath>

#include "mesolith/meso/field.hpp"

namespace mesolith::test {

template <class F>
void for_each_site(const Domain& domain, F&& f) {
    for (int z = 0; z < domain.cells[2]; ++z)
        for (int y = 0; y < domain.cells[1]; ++y)
            for (int x = 0; x < domain.cells[0]; ++x)
                for (std::size_t i = 0; i < domain.n_basis(); ++i) f(IVec3(x, y, z), i);
}

template <class T, class U>
double largest_difference(const Field<T>& a, const Field<U>& b) {
    double largest = 0;
    for_each_site(a.domain(), [&](const IVec3& cell, std::size_t i) {
        largest = std::max(largest,
                           std::abs(static_cast<double>(a.at(cell, i)) - static_cast<double>(b.at(cell, i))));
    });
    return largest;
}

} // namespace mesolith::test
