#include "mesolith/core/version.hpp"

#include "mesolith_version.inc"

namespace mesolith {

std::string version() { return MESOLITH_VERSION; }
std::string commit() { return MESOLITH_COMMIT; }

} // namespace mesolith
