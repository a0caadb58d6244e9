#pragma once
#include <string>
#include <vector>

#include "mesolith/core/error.hpp"

namespace mesolith {

/// Scaled to sum 1.
/// @throws DataError when they sum to zero
inline std::vector<double> normalised(std::vector<double> values, const char* what) {
    double sum = 0;
    for (const double v : values) sum += v;
    if (!(sum > 0))
        throw DataError(std::string(what) +
                        " sum to zero (no ion was ever assigned within a lag). Check the site assignment");
    for (double& v : values) v /= sum;
    return values;
}

} // namespace mesolith
