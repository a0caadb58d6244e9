#pragma once
#include <cassert>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace mesolith {

/// An index that knows what it counts: a SiteId is no IonId. 32 bits, so that events and walkers stay small.
template <class Tag>
struct Index {
    std::int32_t value = -1;

    constexpr Index() = default;
    constexpr explicit Index(std::int64_t v) : value(static_cast<std::int32_t>(v)) {
        assert(v >= -1 && v <= std::numeric_limits<std::int32_t>::max());
    }
    static constexpr Index none() { return Index{}; }
    constexpr bool valid() const { return value >= 0; }
    constexpr std::size_t at() const { return static_cast<std::size_t>(value); }
    constexpr auto operator<=>(const Index&) const = default;
};

using SiteId = Index<struct SiteTag>; ///< a crystallographic site; none() = unassigned, written as -1
using IonId = Index<struct IonTag>;   ///< a mobile ion of the trajectory
using AtomId = Index<struct AtomTag>; ///< any atom of the trajectory

} // namespace mesolith
