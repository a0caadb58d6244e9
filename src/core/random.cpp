#include "mesolith/core/random.hpp"

#include <fmt/core.h>

#include "mesolith/core/error.hpp"

namespace mesolith {

void Stream::throw_out_of_range() const {
    throw DataError(fmt::format(
        "random stream {} at step {} (streams go to 2^48, steps to 2^56). Use fewer walkers or steps",
        stream_, step_));
}

void Stream::throw_exhausted() const {
    throw DataError(fmt::format(
        "random stream {} at step {} is used up (2^17 numbers per step). Spread the draws over more steps",
        stream_, step_));
}

} // namespace mesolith
