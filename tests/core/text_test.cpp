#include <string>
#include <vector>

#include "mesolith/core/text.hpp"

#include "support/catch.hpp"

using namespace mesolith;

TEST_CASE("edit distances counted by hand", "[core][text]") {
    CHECK(edit_distance("", "") == 0);
    CHECK(edit_distance("", "abc") == 3);
    CHECK(edit_distance("abc", "") == 3);
    CHECK(edit_distance("kitten", "sitting") == 3);
    CHECK(edit_distance("stride", "strdie") == 1); // one swap of neighbours
    CHECK(edit_distance("ca", "abc") == 3);        // optimal string alignment: no edit inside a swap
}

TEST_CASE("a misspelt key finds the key that was meant", "[core][text]") {
    const std::vector<std::string> keys = {"lag_times_ps", "stride", "first_frame",
                                           "last_frame",   "seed",   "temperature_K"};
    CHECK(nearest_key("lag_times", keys) == "lag_times_ps");
    CHECK(nearest_key("stirde", keys) == "stride");
    CHECK(nearest_key("first-frame", keys) == "first_frame");
    CHECK(nearest_key("temperature_k", keys) == "temperature_K");
    CHECK(nearest_key("frist_frame", keys) == "first_frame");
    CHECK(nearest_key("temp", keys) == "temperature_K");
    CHECK(nearest_key("seed", keys) == "seed");
}

TEST_CASE("a word near no key finds none", "[core][text]") {
    const std::vector<std::string> keys = {"lag_times_ps", "stride", "x"};
    CHECK(nearest_key("voltage", keys).empty());
    CHECK(nearest_key("y", keys).empty());
    CHECK(nearest_key("", keys).empty());
    CHECK(nearest_key("stride", {}).empty());
}

TEST_CASE("of equally near keys the first is taken", "[core][text]") {
    const std::vector<std::string> keys = {"rate_b", "rate_a"};
    CHECK(nearest_key("rate_c", keys) == "rate_b");
}
