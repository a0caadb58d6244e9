#include <type_traits>

#include "mesolith/core/index.hpp"

#include "support/catch.hpp"

using namespace mesolith;

TEST_CASE("an index of one kind is neither another kind nor a number", "[core][index]") {
    STATIC_REQUIRE_FALSE(std::is_convertible_v<SiteId, IonId>);
    STATIC_REQUIRE_FALSE(std::is_constructible_v<SiteId, IonId>);
    STATIC_REQUIRE_FALSE(std::is_convertible_v<int, SiteId>);
    STATIC_REQUIRE_FALSE(std::is_convertible_v<SiteId, int>);
    STATIC_REQUIRE(sizeof(SiteId) == 4);
}

TEST_CASE("an index without a value is none, is written -1 and stands before site 0", "[core][index]") {
    CHECK(SiteId{} == SiteId::none());
    CHECK(SiteId::none().value == -1);
    CHECK_FALSE(SiteId::none().valid());
    CHECK(SiteId{0}.valid());
    CHECK(SiteId::none() < SiteId{0});
    CHECK(SiteId{7}.at() == 7);
}
