#include "meso_cost.hpp"

#include <algorithm>
#include <cmath>

#include "mesolith/core/parallel.hpp"
#include "mesolith/core/units.hpp"
#include "mesolith/meso/field.hpp"
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
        peak = std::max(peak, single ? field_bytes<float>(domain) : field_bytes<double>(domain));
        cost.seconds += cost.sites * steps * entries * (single ? 0.15e-9 : 0.3e-9);
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
