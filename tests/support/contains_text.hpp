#pragma once
#include <string>

#include "support/catch.hpp"

namespace mesolith::test {

/// Matcher of texts that hold this one, for CHECK_THAT and CHECK_THROWS_WITH.
inline auto contains_text(const std::string& text) {
#ifdef MESOLITH_CATCH2_V3
    return Catch::Matchers::ContainsSubstring(text);
#else
    return Catch::Matchers::Contains(text);
#endif
}

} // namespace mesolith::test
