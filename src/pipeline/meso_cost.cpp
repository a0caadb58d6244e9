#include "meso_cost.hpp"

#include <algorithm>
#include <cmath>

#include "mesolith/core/parallel.hpp"
#include "mesolith/core/units.hpp"
#include "mesolith/meso/bloch.hpp"
#include "mesolith/meso/steady.hpp"
#include "mesolith/meso/walkers.hpp"

#include "meso_walkers.hpp"

namespace mesolith {

MesoCost estimate_cost(const Config& config) {
    const MesoSection& m = *config.meso;
    MesoCost cost;
    // The cell is known beforehand for voxels and for sizes in cells only.
    if (m.voxel && m.unit != LengthUnit::cells)
        cost.cells = (m.size * (m.unit == LengthUnit::um ? 1000.0 : 1.0)).cwiseQuotient(*m.voxel).prod();
    else if (m.unit == LengthUnit::cells)
        cost.cells = m.size.prod();
    cost.sites = cost.cells;
    const bool mapped = !m.regions.empty() || !m.faces_a.empty() || !m.faces_b.empty() || !m.faces_c.empty();
    if (m.gas) { // sites of all replicas, at least one per cell
        cost.bytes = 20 * cost.sites * static_cast<double>(m.gas->n_replicas);
        return cost;
    }
    const double value = m.field && m.field->precision == PrecisionOption::single_precision ? 4 : 8;
    cost.bytes = 24.0 * static_cast<double>(m.walkers.n) + (mapped ? 6 * cost.cells : 0);
    if (m.field) cost.bytes = std::max(cost.bytes, (mapped ? 6 * cost.cells : 0) + 2 * value * cost.sites);
    return cost;
}

MesoCost estimate_cost(const Config& config, const DomainModel& model) {
    const MesoSection& m = *config.meso;
    const Domain& domain = model.domain;
    MesoCost cost;
    cost.cells = static_cast<double>(domain.n_cells());
    cost.sites = static_cast<double>(domain.n_sites());
    const double entries = static_cast<double>(model.rules.columns.hops.size()) /
                           static_cast<double>(model.rules.columns.size());
    const double base = static_cast<double>(domain.region.size()) * 2 +
                        static_cast<double>(model.rules.cell_class.size()) * 4;
    const auto steps = static_cast<double>(output_steps(m, domain.lag_time()).back());
    double peak = 0;
    if (m.walkers.n > 1) {
        const double n = static_cast<double>(m.walkers.n);
        peak = bytes_needed(domain, n) + 16 * n * static_cast<double>(m.walkers.n_origins - 1);
        cost.seconds += n * steps * (domain.crystal() ? 4e-9 : 15e-9) *
                        (m.walkers.time == MotionIn::continuous_time ? 8 : 1);
    }
    if (m.field) {
        const bool single = m.field->precision == PrecisionOption::single_precision;
        std::vector<std::int64_t> later = output_steps(m, domain.lag_time());
        const FieldEngineChoice choice = choose_field_engine(
            domain, later, single ? FieldPrecision::single_precision : FieldPrecision::double_precision);
        const bool bloch =
            m.field->engine == FieldEngineOption::bloch ||
            (m.field->engine == FieldEngineOption::automatic && choice.engine == FieldEngine::bloch);
        const std::size_t n = later.size();
        peak = std::max(peak, bloch ? (single ? leap_bytes<float>(domain, n) : leap_bytes<double>(domain, n))
                                    : (single ? field_bytes<float>(domain) : field_bytes<double>(domain)));
        cost.seconds += bloch ? choice.bloch_seconds : choice.stencil_seconds;
    }
    const bool solves = !domain.crystal() && domain.n_sites() <= m.steady.max_sites;
    if (solves) {
        peak = std::max(peak, steady_bytes(model.rules, domain.n_sites()));
        cost.seconds += cost.sites * entries * 1e-6;
    }
    cost.bytes = base + peak;
    cost.seconds /= threads();
    return cost;
}

} // namespace mesolith
