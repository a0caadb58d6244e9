#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace mesolith {

/// 1..118 for an element symbol ("Li"), 0 when it is none. Case matters.
[[nodiscard]] int atomic_number(std::string_view symbol);

/// "Li" for 3; "" outside 1..118.
[[nodiscard]] std::string_view element_symbol(int atomic_number);

/// Standard atomic weight [u] (IUPAC 2021, abridged; mass number of the longest-lived isotope for elements
/// that have none). Deuterium is "D", tritium "T". Empty when the symbol is unknown.
[[nodiscard]] std::optional<double> atomic_mass(std::string_view symbol);

} // namespace mesolith
