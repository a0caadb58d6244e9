#pragma once
// Keys of a hop list, with their meanings and ranges.
#include <functional>

#include "text_of.hpp"

namespace mesolith {

/// [crystal]
struct HopCrystalSection {
    std::string name;
    std::vector<Vec3> lattice, sites; ///< rows [A]; fractional
    std::string structure;
    std::vector<std::string> species, site_names;
    std::vector<double> site_energies; ///< [eV]
};

enum class ReverseHops { detailed_balance, none };

/// [rates]
struct HopRatesSection {
    std::optional<double> temperature; ///< [K]
    std::optional<double> prefactor;   ///< [1/ps]
    ReverseHops reverse = ReverseHops::detailed_balance;
};

/// [[hop]]
struct HopSection {
    std::optional<std::int64_t> from, to;
    IVec3 R = IVec3::Zero();
    std::optional<double> rate, barrier, prefactor, reverse_rate, reverse_barrier;
};

struct HopFile {
    HopCrystalSection crystal;
    HopRatesSection rates;
    std::vector<HopSection> hops;
};

inline std::span<const std::string_view> names_of(ReverseHops) {
    static constexpr std::array<std::string_view, 2> names{"detailed_balance", "none"};
    return names;
}
inline std::string kind_of(const std::vector<Vec3>&, const About&) { return "a list of lists of 3 numbers"; }

template <class V>
void visit_fields(HopCrystalSection& o, V&& v) {
    v("name", o.name, About("Name of the model.").when_unset("name of the file"));
    v("lattice_angstrom", o.lattice, About("Lattice vectors, one a row."));
    v("sites_fractional", o.sites, About("Sites of one cell."));
    v("structure", o.structure,
      About("Structure file instead of the two above, relative to the hop list; its atoms are the sites."));
    v("species", o.species,
      About("Atoms of the structure file that are sites.").when_unset("all of its atoms"));
    v("site_names", o.site_names, About("One for each site."));
    v("site_energies_eV", o.site_energies, About("One for each site."));
}

template <class V>
void visit_fields(HopRatesSection& o, V&& v) {
    v("temperature_K", o.temperature, About("Temperature of barriers and site energies.").above(0));
    v("prefactor_per_ps", o.prefactor, About("Of hops that do not have their own; 1/ps = THz.").above(0));
    v("reverse", o.reverse, About("What a hop without its reverse gets."));
}

template <class V>
void visit_fields(HopSection& o, V&& v) {
    v("from", o.from, About("Site, counted from 0.").at_least(0).at_most(1e6).filled());
    v("to", o.to, About("Site, counted from 0.").at_least(0).at_most(1e6).filled());
    v("R", o.R, About("Cell of the site it leads to.").at_least(-127).at_most(127));
    v("rate_per_ps", o.rate, About("Rate.").at_least(0));
    v("barrier_eV", o.barrier, About("Or barrier seen from `from`.").at_least(0));
    v("prefactor_per_ps", o.prefactor, About("With the barrier.").above(0));
    v("reverse_rate_per_ps", o.reverse_rate, About("Of the way back.").at_least(0));
    v("reverse_barrier_eV", o.reverse_barrier, About("Of the way back, seen from `to`.").at_least(0));
}

/// Tells that a key, e.g. "hop.2.barrier_eV", is wrong.
using ComplainAboutKey = std::function<void(const std::string& key, const std::string& text)>;

/// Read the sections, then let `check` find what one key alone cannot tell.
/// @throws ConfigError with all problems
HopFile read_hop_file(const std::string& text, const std::string& path, const std::vector<std::string>& set,
                      const std::function<void(const HopFile&, const ComplainAboutKey&)>& check);

} // namespace mesolith
