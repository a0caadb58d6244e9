#include "mesolith/config/hop_list.hpp"

#include <cmath>
#include <filesystem>
#include <map>

#include "mesolith/core/units.hpp"
#include "mesolith/io/file.hpp"
#include "mesolith/io/structure_file.hpp"

#include "hop_fields.hpp"

namespace mesolith {
namespace {

namespace fs = std::filesystem;

constexpr double same = 1e-6; // relative agreement of rates that detailed balance ties together

/// Sections of a hop list to a generator; complains of what does not fit and goes on.
class HopListBuilder {
public:
    HopListBuilder(const HopFile& file, const std::string& path, const ComplainAboutKey& complain)
        : file_(file), path_(path), complain_(complain) {}

    /// Empty when something was wrong.
    std::optional<HopList> build() {
        read_sites();
        check_site_lists();
        for (std::size_t k = 0; k < file_.hops.size(); ++k) read_hop(k);
        if (file_.hops.empty()) wrong("hop", "expected at least one [[hop]] section, got none");
        if (wrong_) return std::nullopt;
        balance_hops();
        if (wrong_) return std::nullopt;
        std::vector<RatedMove> moves;
        for (const auto& [move, hop] : rates_) moves.push_back({move, hop.rate});
        HopList list;
        list.name = file_.crystal.name.empty() ? fs::path(path_).stem().string() : file_.crystal.name;
        list.temperature = file_.rates.temperature;
        list.generator = make_generator(basis_, std::move(moves), boltzmann_);
        const std::size_t islands = closed_classes(kernel_from_generator(list.generator)).classes.size();
        if (islands > 1 && boltzmann_.empty())
            list.warnings.push_back(fmt::format("{} islands of sites that never exchange ions: each is "
                                                "weighted by the ions that start evenly "
                                                "on all sites",
                                                islands));
        return list;
    }

private:
    struct Hop {
        double rate = 0;
        std::string key; ///< where it stands, for messages
    };

    void wrong(const std::string& key, const std::string& text) {
        wrong_ = true;
        complain_(key, text);
    }

    void read_sites() {
        const HopCrystalSection& c = file_.crystal;
        if (!c.structure.empty()) {
            if (!c.lattice.empty() || !c.sites.empty())
                return wrong("crystal.structure", "expected nothing beside lattice_angstrom and "
                                                  "sites_fractional, got " +
                                                      toml_text(c.structure) + ". Remove one of them");
            try {
                Config relative;
                relative.folder = fs::path(path_).parent_path().string();
                Structure structure = read_structure(relative.resolve(c.structure));
                if (!c.species.empty()) structure = select_species(structure, c.species);
                basis_.cell = structure.cell;
                for (std::size_t i = 0; i < structure.size(); ++i) {
                    basis_.positions.push_back(structure.cell.to_cartesian(structure.fractional[i]));
                    basis_.name.push_back(fmt::format("{}{}", structure.species[i], i));
                }
                if (basis_.size() == 0)
                    wrong("crystal.species", "expected species of the structure, got others");
            } catch (const Error& error) {
                wrong("crystal.structure", error.what());
            }
        } else {
            if (c.lattice.size() != 3)
                return wrong("crystal.lattice_angstrom",
                             fmt::format("expected 3 vectors of 3 numbers, or a structure, got {}",
                                         c.lattice.empty() ? "nothing" : std::to_string(c.lattice.size())));
            if (c.sites.empty())
                return wrong("crystal.sites_fractional", "expected at least one site, got nothing");
            Mat3 lattice;
            for (int a = 0; a < 3; ++a) lattice.row(a) = c.lattice[static_cast<std::size_t>(a)].transpose();
            try {
                basis_.cell = Cell(lattice);
            } catch (const DataError& error) {
                return wrong("crystal.lattice_angstrom", error.what());
            }
            for (const Vec3& f : c.sites) {
                basis_.positions.push_back(basis_.cell.to_cartesian(f));
                basis_.name.push_back(std::to_string(basis_.name.size()));
            }
        }
        for (std::size_t i = 0; i < basis_.size(); ++i) basis_.orbit.push_back(static_cast<std::int32_t>(i));
    }

    void check_site_lists() {
        const HopCrystalSection& c = file_.crystal;
        const auto check = [&](const char* key, std::size_t n) {
            const bool good = n == 0 || n == basis_.size() || basis_.size() == 0;
            if (!good) wrong(key, fmt::format("expected one for each of {} sites, got {}", basis_.size(), n));
            return good && n > 0 && basis_.size() > 0;
        };
        if (check("crystal.site_names", c.site_names.size())) basis_.name = c.site_names;
        if (!check("crystal.site_energies_eV", c.site_energies.size())) return;
        if (file_.rates.reverse == ReverseHops::none)
            return wrong("crystal.site_energies_eV",
                         "expected nothing beside reverse = \"none\", got energies "
                         "that only detailed balance needs");
        if (!need_temperature("crystal.site_energies_eV")) return;
        const double lowest = *std::min_element(c.site_energies.begin(), c.site_energies.end());
        double sum = 0;
        for (const double energy : c.site_energies) {
            boltzmann_.push_back(std::exp(-(energy - lowest) / kT()));
            sum += boltzmann_.back();
        }
        for (double& p : boltzmann_) p /= sum;
    }

    double kT() const { return units::boltzmann_ev_per_k * *file_.rates.temperature; }

    bool need_temperature(const std::string& key) {
        if (file_.rates.temperature) return true;
        if (!asked_for_temperature_)
            wrong("rates.temperature_K", "expected a number > 0 (needed for " + key + "), got nothing");
        asked_for_temperature_ = true;
        return false;
    }

    /// Rate from a rate or a barrier; empty when there is neither, or something was wrong.
    std::optional<double> rate_of(const std::optional<double>& rate, const std::optional<double>& barrier,
                                  const std::string& hop, const char* rate_key, const char* barrier_key,
                                  const std::optional<double>& own_prefactor) {
        if (rate && barrier) {
            wrong(hop + barrier_key, fmt::format("expected nothing beside {}, got {}", rate_key, *barrier));
            return std::nullopt;
        }
        if (rate || !barrier) return rate;
        const std::optional<double> prefactor = own_prefactor ? own_prefactor : file_.rates.prefactor;
        if (!prefactor)
            wrong(hop + "prefactor_per_ps",
                  fmt::format("expected a number > 0 here or in [rates] (needed for {}), got nothing",
                              barrier_key));
        if (!need_temperature(hop + barrier_key) || !prefactor) return std::nullopt;
        return *prefactor * std::exp(-*barrier / kT());
    }

    void read_hop(std::size_t k) {
        const HopSection& hop = file_.hops[k];
        const std::string key = fmt::format("hop.{}.", k);
        if (!hop.from || !hop.to || basis_.size() == 0) return; // told already
        bool good = true;
        for (const auto& [name, site] : {std::pair{"from", *hop.from}, std::pair{"to", *hop.to}})
            if (site >= static_cast<std::int64_t>(basis_.size())) {
                wrong(key + name,
                      fmt::format("expected a site from 0 to {}, got {}", basis_.size() - 1, site));
                good = false;
            }
        if (good && *hop.from == *hop.to && hop.R.isZero()) {
            wrong(key + "to", "expected another site or another cell R, got the site itself");
            good = false;
        }
        if (hop.prefactor && !hop.barrier && !hop.reverse_barrier)
            wrong(key + "prefactor_per_ps", "expected nothing without a barrier_eV, got a number");
        const bool told = wrong_;
        wrong_ = false;
        const auto forward = rate_of(hop.rate, hop.barrier, key, "rate_per_ps", "barrier_eV", hop.prefactor);
        if (!forward && !wrong_)
            wrong(key + "rate_per_ps", "expected rate_per_ps or barrier_eV, got neither");
        const auto backward = rate_of(hop.reverse_rate, hop.reverse_barrier, key, "reverse_rate_per_ps",
                                      "reverse_barrier_eV", hop.prefactor);
        wrong_ = wrong_ || told;
        if (!good || !forward) return;
        const Transition move{static_cast<std::int32_t>(*hop.from), static_cast<std::int32_t>(*hop.to),
                              hop.R};
        add(move, *forward, key + (hop.rate ? "rate_per_ps" : "barrier_eV"));
        if (backward)
            add(move.reversed(), *backward,
                key + (hop.reverse_rate ? "reverse_rate_per_ps" : "reverse_barrier_eV"));
    }

    void add(const Transition& move, double rate, const std::string& key) {
        const auto [there, is_new] = rates_.try_emplace(move, Hop{rate, key});
        if (!is_new)
            wrong(key,
                  fmt::format("expected each hop once, got the one of {} again (site {} to site {} of cell "
                              "[{}, {}, {}])",
                              there->second.key, move.from, move.to, move.R[0], move.R[1], move.R[2]));
    }

    /// The value that would have been right where a rate stands, as a rate or as a barrier.
    std::string in_words(const Hop& hop, double wanted) const {
        if (!hop.key.ends_with("barrier_eV")) return fmt::format("{:.9g}", wanted);
        return fmt::format("{:.9g}", barrier_of(hop) - kT() * std::log(wanted / hop.rate));
    }
    double barrier_of(const Hop& hop) const {
        const HopSection& section = file_.hops[static_cast<std::size_t>(std::stol(hop.key.substr(4)))];
        return hop.key.ends_with("reverse_barrier_eV") ? *section.reverse_barrier : *section.barrier;
    }

    /// Reverse hops that are missing; those that are there must fit.
    void balance_hops() {
        if (file_.rates.reverse == ReverseHops::none) return;
        std::map<Transition, Hop> missing;
        std::string uneven; // key of a hop whose reverse is given and differs
        for (auto& [move, hop] : rates_) {
            const auto back = rates_.find(move.reversed());
            const double from = weight(move.from), to = weight(move.to);
            if (back == rates_.end()) {
                missing[move.reversed()] = {hop.rate * (from / to), hop.key};
                check_barrier(move, hop);
                continue;
            }
            if (!(move < move.reversed())) continue;
            const double there = from * hop.rate, again = to * back->second.rate;
            if (std::abs(there - again) <= same * std::max(there, again)) {
                if (boltzmann_.empty()) continue;
                hop.rate = std::sqrt(there) * std::sqrt(again) / from; // equal to the last digit
                back->second.rate = std::sqrt(there) * std::sqrt(again) / to;
            } else if (!boltzmann_.empty()) {
                const Hop& second = back->second;
                wrong(second.key,
                      fmt::format("expected {} (detailed balance of {} with site_energies_eV), got {}",
                                  in_words(second, there / to), hop.key, in_words(second, second.rate)));
            } else if (move.from != move.to) {
                uneven = hop.key;
            }
        }
        if (!missing.empty() && !uneven.empty())
            wrong(
                "crystal.site_energies_eV",
                fmt::format("expected energies, got nothing: the reverse of {} is missing, and {} tells that "
                            "sites are not alike. Give the energies or every reverse hop",
                            missing.begin()->second.key, uneven));
        rates_.merge(missing);
    }

    double weight(std::int32_t site) const {
        return boltzmann_.empty() ? 1.0 : boltzmann_[static_cast<std::size_t>(site)];
    }

    /// A barrier must not lie below the site it leads to.
    void check_barrier(const Transition& move, const Hop& hop) {
        if (boltzmann_.empty() || !hop.key.ends_with("barrier_eV")) return;
        const auto& energy = file_.crystal.site_energies;
        const double climb =
            energy[static_cast<std::size_t>(move.to)] - energy[static_cast<std::size_t>(move.from)];
        if (barrier_of(hop) < climb)
            wrong(hop.key,
                  fmt::format("expected at least {:.9g} (site {} lies that much above site {}), got {}",
                              climb, move.to, move.from, barrier_of(hop)));
    }

    const HopFile& file_;
    const std::string& path_;
    const ComplainAboutKey& complain_;
    SiteBasis basis_;
    std::vector<double> boltzmann_; ///< pi of the site energies, empty without them
    std::map<Transition, Hop> rates_;
    bool wrong_ = false, asked_for_temperature_ = false;
};

} // namespace

HopList parse_hop_list(const std::string& text, const std::string& path, const std::vector<std::string>& set,
                       std::optional<double> temperature) {
    std::optional<HopList> list;
    read_hop_file(text, path, set, [&](const HopFile& read, const ComplainAboutKey& complain) {
        HopFile file = read;
        if (!file.rates.temperature) file.rates.temperature = temperature;
        list = HopListBuilder(file, path, complain).build();
    });
    return std::move(*list); // without a list there was a complaint, which is thrown
}

HopList read_hop_list(const std::string& path, const std::vector<std::string>& set,
                      std::optional<double> temperature) {
    if (fs::is_directory(path))
        throw InputError(path + ": expected a hop list, got a folder. Name the .toml file in it");
    return parse_hop_list(read_text_file(path), path, set, temperature);
}

} // namespace mesolith
