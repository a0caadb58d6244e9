#include "mesolith/core/program.hpp"

#include "support/catch.hpp"

TEST_CASE("the running program knows its own file", "[core][program]") {
    const std::filesystem::path path = mesolith::program_path();
    CHECK(path.is_absolute());
    CHECK(path.filename() == "test_core");
    CHECK(std::filesystem::is_regular_file(path));
}
