#pragma once
#include <limits>

namespace mesolith {

/// What is not known.
inline constexpr double nan_value = std::numeric_limits<double>::quiet_NaN();

} // namespace mesolith
