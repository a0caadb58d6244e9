#pragma once
#include <cstdint>
#include <vector>

#include "gas_tables.hpp"

namespace mesolith {

/// Tables of hops that are tried and may not happen. Carriers are either the mobile particles or the
/// vacancies, listed in groups of similar rates; a carrier of group g is tried at the rate K_g, whatever it
/// can do.
class NullEvents {
public:
    /// @param typical  decides how finely rates are grouped
    NullEvents(const GasModel& model, const GasState& typical);

    GasEvents advance(GasState& state, double duration, std::uint64_t seed, std::uint64_t replica) const;

    /// Attempts per time with particles, or vacancies, as carriers [1/ps].
    double attempt_rate(const GasState& state, bool vacancies) const;
    /// The fewer attempts: vacancies?
    bool by_vacancies(const GasState& state) const;

    struct Move {
        CellStep step; ///< from the carrier to the other end
        std::uint32_t site;
        double bound; ///< largest factor on the rate, by species and interactions
    };
    struct Slot {
        std::uint64_t threshold;
        std::uint32_t kept, alias; ///< index into `moves`; none: nothing is tried
    };
    static constexpr std::uint32_t none = 0xFFFFFFFFu;
    struct Row {
        std::uint32_t first = 0, n = 0; ///< slots
        std::int32_t group = -1;        ///< -1: no carrier, it never hops
    };
    struct Carriers {
        bool vacancies = false;
        bool thinned = false;   ///< some hops onto empty sites are rejected
        bool one_group = false; ///< of all carriers, wherever they are
        std::vector<Row> rows;  ///< [species, or 0][line]
        std::vector<Slot> slots;
        std::vector<Move> moves;
        std::vector<double> group_rate; ///< K_g [1/ps], descending
    };
    struct GateMove {
        std::uint32_t gate;
        bool enters;
        double bound;
    };

private:
    template <bool vacancies, bool varying, bool thinned>
    friend class NullEventRun;

    Carriers make_carriers(bool vacancies, const std::vector<double>& counts) const;
    void make_gates();
    /// Carriers by [species, or 0][line].
    std::vector<double> count(const GasState& state, bool vacancies) const;

    const GasModel& model_;
    std::vector<double> sites_of_line_;
    Carriers particles_, vacancies_;
    std::vector<GateMove> gate_moves_;
    std::vector<Slot> gate_slots_;
    double gate_rate_ = 0;
};

} // namespace mesolith
