#pragma once
#include <cstddef>
#include <cstdint>

namespace mesolith {

/// Sites and states are 32 bits in kernels, vectors are indexed by more.
inline std::size_t at(std::int32_t i) { return static_cast<std::size_t>(i); }

} // namespace mesolith
