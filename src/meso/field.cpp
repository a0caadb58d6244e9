#include "mesolith/meso/field.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

#include <fmt/core.h>

#include "mesolith/core/error.hpp"
#include "mesolith/core/memory.hpp"

#include "field_model.hpp"
#include "flush_denormals.hpp"

namespace mesolith {

namespace {

std::size_t round_up(std::size_t n, std::size_t multiple) { return (n + multiple - 1) / multiple * multiple; }

/// r modulo n in (-n/2, n/2].
int nearest_offset(int r, int n) {
    const int positive = ((r % n) + n) % n;
    return 2 * positive > n ? positive - n : positive;
}

/// Where a source stands on an axis: around periodic faces the shorter way.
int source_offset(const Domain& domain, int axis, int R) {
    return domain.periodic(axis) ? nearest_offset(R, domain.cells[axis]) : R;
}

template <class T>
FieldLayout layout_of(const Domain& domain) {
    int margin = 0;
    for (const Material& m : domain.materials)
        for (const KernelEntry& e : m.kernel.entries)
            margin = std::max(margin, std::min(domain.cells[0], std::abs(source_offset(domain, 0, e.R[0]))));
    return {domain.cells, domain.n_basis(), static_cast<std::size_t>(margin), 64 / sizeof(T),
            !domain.crystal()};
}

template <class T>
double array_bytes(const FieldLayout& layout) {
    return 2.0 * static_cast<double>(layout.stride * layout.n_basis) * layout.cells[1] * layout.cells[2] *
           sizeof(T);
}

/// Terms of all lines. Hops that meet on a small domain are one. The order of terms is that of memory.
template <class T>
void make_terms(FieldModel<T>& model, const HopRules& rules, const FieldLayout& layout) {
    std::map<std::pair<int, int>, std::uint32_t> neighbours;
    const auto term = [&](int z, int y, std::size_t site, int x, T p) {
        const auto [found, is_new] =
            neighbours.try_emplace({y, z}, static_cast<std::uint32_t>(model.neighbours.size()));
        if (is_new) model.neighbours.push_back({y, z});
        model.terms.push_back({static_cast<std::ptrdiff_t>(site * layout.stride) + x, found->second, p});
    };
    std::vector<std::size_t> site_of(rules.rows.size()), class_of(rules.rows.size());
    for (std::size_t k = 0; k < rules.class_line.size(); ++k) {
        site_of[rules.class_line[k]] = k % rules.n_basis;
        class_of[rules.class_line[k]] = k / rules.n_basis;
    }
    for (std::size_t l = 0; l < rules.rows.size(); ++l) {
        if constexpr (sizeof(T) < sizeof(double)) {
            // What rounding to float adds to or takes from the column of this site stays or comes in here, as
            // a number of its own: otherwise the sum would drift by 1e-8 per step.
            double rest = 0;
            const IVec3 cell = model.domain.cell_at(rules.class_cell[class_of[l]]);
            for (const Hop& hop : rules.columns[l])
                if (hop_end(model.domain, cell, hop.R).inside())
                    rest += hop.p - static_cast<double>(static_cast<T>(hop.p));
            if (rest != 0) term(0, 0, site_of[l], 0, static_cast<T>(rest));
        }
        std::map<std::tuple<int, int, std::int32_t, int>, double> sources; // z, y, site, x
        for (const Hop& hop : rules.rows[l]) {
            const auto at = [&](int axis) { return source_offset(model.domain, axis, hop.R[axis]); };
            sources[{at(2), at(1), hop.site, at(0)}] += hop.p;
        }
        for (const auto& [key, p] : sources) {
            const auto [z, y, site, x] = key;
            term(z, y, static_cast<std::size_t>(site), x, static_cast<T>(p));
        }
        model.begin.push_back(model.terms.size());
        model.inflow.push_back(static_cast<T>(rules.inflow[l]));
    }
    model.class_line = rules.class_line;
}

template <class T>
void make_runs(FieldModel<T>& model, const HopRules& rules) {
    using Run = typename FieldModel<T>::Run;
    const auto nx = static_cast<std::size_t>(model.domain.cells[0]);
    if (rules.cell_class.empty()) {
        model.runs = {{static_cast<std::uint32_t>(nx), 0}};
        model.run_begin.push_back(1);
        return;
    }
    std::map<std::vector<Run>, std::uint32_t> lists;
    for (std::size_t first = 0; first < rules.cell_class.size(); first += nx) {
        std::vector<Run> list;
        for (std::size_t x = 0; x < nx; ++x) {
            const std::uint32_t here = rules.cell_class[first + x];
            if (list.empty() || list.back().cell_class != here) list.push_back({0, here});
            list.back().end = static_cast<std::uint32_t>(x + 1);
        }
        const auto [found, is_new] = lists.try_emplace(list, static_cast<std::uint32_t>(lists.size()));
        if (is_new) {
            model.runs.insert(model.runs.end(), list.begin(), list.end());
            model.run_begin.push_back(model.runs.size());
        }
        model.run_list.push_back(found->second);
    }
}

/// What leaves the cells of each class, and what comes in everywhere.
template <class T>
void make_exchange(FieldModel<T>& model, const HopRules& rules) {
    const Domain& domain = model.domain;
    std::vector<double> cells(rules.n_classes(), 0.0);
    if (rules.cell_class.empty()) cells[0] = static_cast<double>(domain.n_cells());
    for (const std::uint32_t c : rules.cell_class) ++cells[c];
    for (std::size_t c = 0; c < rules.n_classes(); ++c) {
        const IVec3 at = domain.cell_at(rules.class_cell[c]);
        for (std::size_t j = 0; j < rules.n_basis; ++j) {
            const std::uint32_t line = rules.class_line[c * rules.n_basis + j];
            std::array<double, 6> out{};
            for (const Hop& hop : rules.columns[line]) {
                const HopEnd end = hop_end(domain, at, hop.R);
                if (!end.inside()) out[static_cast<std::size_t>(2 * end.axis + end.side)] += hop.p;
            }
            double all = 0; // with detailed balance, what comes in through a face goes as what leaves
            for (std::size_t f = 0; f < 6; ++f) {
                if (out[f] > 0)
                    model.exits.push_back(
                        {static_cast<std::uint32_t>(j), static_cast<std::uint32_t>(f), out[f]});
                out[f] *= domain.faces[f / 2][f % 2].kind == FaceKind::reservoir
                              ? domain.faces[f / 2][f % 2].concentration
                              : 0;
                all += out[f];
            }
            if (all > 0)
                for (std::size_t f = 0; f < 6; ++f)
                    model.inflow_of_step.in[f / 2][f % 2] += cells[c] * rules.inflow[line] * (out[f] / all);
        }
        model.exit_begin.push_back(model.exits.size());
    }
}

template <class T>
std::shared_ptr<const FieldModel<T>> make_model(const Domain& domain, const HopRules& rules) {
    if (rules.n_basis != domain.n_basis() ||
        (rules.cell_class.empty() ? rules.n_classes() != 1
                                  : rules.cell_class.size() != static_cast<std::size_t>(domain.n_cells())))
        throw DataError(fmt::format("hop rules of {} sites and {} cells for a domain of {} and {} (they are "
                                    "of another domain). Make them from this one",
                                    rules.n_basis, rules.cell_class.size(), domain.n_basis(),
                                    domain.n_cells()));
    auto model = std::make_shared<FieldModel<T>>();
    model->domain = domain;
    make_terms(*model, rules, layout_of<T>(domain));
    make_runs(*model, rules);
    make_exchange(*model, rules);
    return model;
}

} // namespace

FieldLayout::FieldLayout(const IVec3& cells_, std::size_t n_basis_, std::size_t margin_, std::size_t per_line,
                         bool in_runs)
    : cells(cells_), n_basis(n_basis_), margin(margin_) {
    const auto n = static_cast<std::size_t>(cells[0]);
    computed = in_runs ? n - 1 + per_line : round_up(n, per_line);
    // n + 2: room for the half spectrum of a row, see bloch.hpp
    stride = round_up(std::max(computed + 2 * margin, n + 2), per_line);
    if (stride / per_line % 2 == 0) stride += per_line;
}

double FieldExchange::total_in() const {
    double sum = 0;
    for (const auto& axis : in) sum += axis[0] + axis[1];
    return sum;
}

double FieldExchange::total_out() const {
    double sum = 0;
    for (const auto& axis : out) sum += axis[0] + axis[1];
    return sum;
}

FieldExchange& FieldExchange::operator+=(const FieldExchange& other) {
    for (std::size_t f = 0; f < 6; ++f) {
        in[f / 2][f % 2] += other.in[f / 2][f % 2];
        out[f / 2][f % 2] += other.out[f / 2][f % 2];
    }
    return *this;
}

template <class T>
Field<T>::Field(const Domain& domain, const HopRules& rules)
    : Field(make_model<T>(domain, rules), field_bytes<T>(domain)) {}

template <class T>
Field<T>::Field(const Domain& domain) : Field(domain, make_hop_rules(domain)) {}

template <class T>
Field<T>::Field(std::shared_ptr<const FieldModel<T>> model, double bytes)
    : model_(std::move(model)), layout_(layout_of<T>(model_->domain)) {
    const double memory = machine_memory();
    if (bytes > memory)
        throw DataError(fmt::format(
            "a field of {} sites takes {:.3g} GB (this machine has {:.3g}). Use fewer cells, or walkers",
            model_->domain.n_sites(), 1e-9 * bytes, 1e-9 * memory));
    now_.resize(round_up(layout_.size(), 64 / sizeof(T)) / (64 / sizeof(T)));
    next_.resize(now_.size());
}

template <class T>
double field_bytes(const Domain& domain) {
    return array_bytes<T>(layout_of<T>(domain)) +
           (domain.crystal() ? 0 : 4 * static_cast<double>(domain.n_cells()));
}

template <class T>
const Domain& Field<T>::domain() const {
    return model_->domain;
}

template <class T>
std::size_t Field<T>::checked_index(const IVec3& cell, std::size_t site) const {
    if ((cell.array() < 0).any() || (cell.array() >= layout_.cells.array()).any() || site >= layout_.n_basis)
        throw DataError(
            fmt::format("site {} of cell ({}, {}, {}) (the domain has {} sites in {} x {} x {} cells). "
                        "Count from 0",
                        site, cell[0], cell[1], cell[2], layout_.n_basis, layout_.cells[0], layout_.cells[1],
                        layout_.cells[2]));
    return layout_.index(cell, site);
}

template <class T>
T Field<T>::at(const IVec3& cell, std::size_t site) const {
    return data()[checked_index(cell, site)];
}

template <class T>
void Field<T>::set(const IVec3& cell, std::size_t site, T value) {
    const std::size_t x0 = checked_index({0, cell[1], cell[2]}, site);
    T* row = now_.data()->values + x0;
    row[checked_index(cell, site) - x0] = value;
    fill_margin(row, layout_, domain().periodic(0));
}

template <class T>
void Field<T>::set_row(std::size_t y, std::size_t z, std::size_t site, std::span<const T> values) {
    const std::size_t x0 = checked_index({0, static_cast<int>(y), static_cast<int>(z)}, site);
    if (values.size() != static_cast<std::size_t>(layout_.cells[0]))
        throw DataError(fmt::format("a row of {} values (the domain has {} cells along a_1). Give one each",
                                    values.size(), layout_.cells[0]));
    T* row = now_.data()->values + x0;
    std::copy(values.begin(), values.end(), row);
    fill_margin(row, layout_, domain().periodic(0));
}

template <class T>
FieldExchange advance(Field<T>& field, std::uint64_t n_steps) {
    const FieldLayout& layout = field.layout_;
    const FieldModel<T>& model = *field.model_;
    const bool periodic_x = model.domain.periodic(0), leaks = !model.exits.empty();
    const auto ny = static_cast<std::size_t>(layout.cells[1]), nz = static_cast<std::size_t>(layout.cells[2]);
    // Enough work to be worth a thread's trip, and enough blocks for all of them.
    const std::size_t block = std::max<std::size_t>(1, 16'384 / (layout.n_basis * layout.computed));
    std::vector<std::array<double, 6>> left(leaks ? layout.n_planes() : 0);
    FieldExchange exchange;
    for (std::uint64_t step = 0; step < n_steps; ++step) {
        const T* now = field.now_.data()->values;
        T* next = field.next_.data()->values;
        for_blocks(layout.n_planes(), block, [&](std::size_t begin, std::size_t end) {
            const FlushDenormals flush;
            std::vector<const T*> neighbours(model.neighbours.size());
            for (std::size_t p = begin; p < end; ++p) {
                const std::size_t y = p % ny, z = p / ny;
                for (std::size_t k = 0; k < neighbours.size(); ++k) {
                    const auto [dy, dz] = model.neighbours[k]; // |dy| < ny
                    const auto moved = [](std::size_t c, int d, std::size_t n) {
                        return (c + n + static_cast<std::size_t>(d + static_cast<int>(n))) % n;
                    };
                    neighbours[k] = now + layout.plane(moved(y, dy, ny), moved(z, dz, nz));
                }
                const T* here = now + layout.plane(y, z);
                T* out = next + layout.plane(y, z);
                RowsTask<T> task{model.terms.data(),
                                 model.begin.data(),
                                 model.inflow.data(),
                                 nullptr,
                                 neighbours.data(),
                                 out,
                                 layout.n_basis,
                                 layout.stride,
                                 0,
                                 0};
                if (leaks) left[p] = {};
                const std::size_t list = model.run_list.empty() ? 0 : model.run_list[p];
                for (std::size_t r = model.run_begin[list]; r < model.run_begin[list + 1]; ++r) {
                    const auto [run_end, cell_class] = model.runs[r];
                    task.lines = model.class_line.data() + cell_class * layout.n_basis;
                    task.first = task.last;
                    task.last = run_end;
                    sum_rows(task); // from low to high x: a run overwrites what the last one wrote too much
                    for (std::size_t e = model.exit_begin[cell_class]; e < model.exit_begin[cell_class + 1];
                         ++e) {
                        const auto& exit = model.exits[e];
                        const T* row = here + exit.site * layout.stride;
                        double sum = 0;
                        for (std::size_t x = task.first; x < task.last; ++x)
                            sum += static_cast<double>(row[x]);
                        left[p][exit.face] += exit.p * sum;
                    }
                }
                for (std::size_t i = 0; i < layout.n_basis; ++i)
                    fill_margin(out + i * layout.stride, layout, periodic_x);
            }
        });
        field.now_.swap(field.next_);
        exchange += model.inflow_of_step;
        for (const auto& plane : left)
            for (std::size_t f = 0; f < 6; ++f) exchange.out[f / 2][f % 2] += plane[f];
    }
    return exchange;
}

template class Field<double>;
template class Field<float>;
template double field_bytes<double>(const Domain&);
template double field_bytes<float>(const Domain&);
template FieldExchange advance(Field<double>&, std::uint64_t);
template FieldExchange advance(Field<float>&, std::uint64_t);

} // namespace mesolith
