#include "mesolith/msm/first_passage.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "mesolith/core/error.hpp"
#include "mesolith/msm/classes.hpp"

#include "at.hpp"
#include "passage_chain.hpp"

namespace mesolith {

namespace {

std::vector<char> members(const Kernel& kernel, const SiteGroup& group) {
    if (group.sites.empty())
        throw DataError("the group of sites \"" + group.name + "\" is empty (nothing can be reached)");
    std::vector<char> in(kernel.n_sites(), 0);
    for (const std::int32_t s : group.sites) {
        if (s < 0 || at(s) >= in.size())
            throw DataError("the group of sites \"" + group.name + "\" names site " + std::to_string(s) +
                            " (the kernel has " + std::to_string(in.size()) + ")");
        in[at(s)] = 1;
    }
    return in;
}

void demand_axis(int axis) {
    if (axis < 0 || axis > 2)
        throw DataError("lattice axis " + std::to_string(axis) + " does not exist (axes are 0, 1, 2)");
}

/// Stationary distribution: a reversible kernel's own, else by closed classes.
std::vector<double> stationary_of(const Kernel& kernel) {
    if (kernel.reversible) return kernel.stationary;
    std::vector<double> pi(kernel.n_sites(), 0.0);
    for (const ClosedClass& closed : closed_classes(kernel).classes)
        for (std::size_t s = 0; s < closed.sites.size(); ++s)
            pi[at(closed.sites[s])] = closed.weight * closed.stationary[s];
    return pi;
}

/// Index of the opposite entry, or the number of entries where there is none.
std::vector<std::size_t> reverse_entries(const Kernel& kernel) {
    std::vector<std::size_t> reverse(kernel.entries.size(), kernel.entries.size());
    for (std::size_t j = 0; j < kernel.n_sites(); ++j)
        for (std::size_t k = kernel.column[j]; k < kernel.column[j + 1]; ++k) {
            const KernelEntry& e = kernel.entries[k];
            for (std::size_t r = kernel.column[at(e.to)]; r < kernel.column[at(e.to) + 1]; ++r)
                if (at(kernel.entries[r].to) == j && kernel.entries[r].R == -e.R) reverse[k] = r;
        }
    return reverse;
}

/// A committor and its complement, neither found by subtraction.
struct Committor {
    double reached = 0, missed = 1;
};

/// Rise from one place to another, from whichever pair loses less.
double rise(const Committor& from, const Committor& to) {
    return from.reached + to.reached < from.missed + to.missed ? to.reached - from.reached
                                                               : from.missed - to.missed;
}

} // namespace

SiteGroup sites_named(const SiteBasis& basis, std::string_view name) {
    SiteGroup group{std::string(name), {}};
    std::set<std::string> orbits;
    for (std::size_t s = 0; s < basis.name.size(); ++s) {
        orbits.insert(orbit_name(basis.name[s]));
        if (basis.name[s] == name || orbit_name(basis.name[s]) == name)
            group.sites.push_back(static_cast<std::int32_t>(s));
    }
    if (group.sites.empty()) {
        std::string known;
        for (const std::string& orbit : orbits) known += (known.empty() ? "" : ", ") + orbit;
        throw DataError("no site is called \"" + group.name + "\" (orbits are " + known +
                        "). Name an orbit or a site such as " +
                        (basis.name.empty() ? std::string("Li1.1") : basis.name.front()));
    }
    return group;
}

Window Window::along(int axis, int first, int last) {
    demand_axis(axis);
    Window window;
    window.open[at(axis)] = true;
    window.lower[axis] = first;
    window.upper[axis] = last;
    return window;
}

std::size_t Window::n_cells() const {
    std::size_t n = 1;
    for (int c = 0; c < 3; ++c)
        if (open[at(c)]) n *= static_cast<std::size_t>(std::max(0, upper[c] - lower[c] + 1));
    return n;
}

bool Window::holds(const IVec3& cell) const {
    for (int c = 0; c < 3; ++c)
        if (open[at(c)] && (cell[c] < lower[c] || cell[c] > upper[c])) return false;
    return true;
}

std::size_t Window::number_of(const IVec3& cell) const {
    std::size_t number = 0;
    for (int c = 0; c < 3; ++c)
        if (open[at(c)])
            number = number * static_cast<std::size_t>(upper[c] - lower[c] + 1) +
                     static_cast<std::size_t>(cell[c] - lower[c]);
    return number;
}

IVec3 Window::cell(std::size_t number) const {
    IVec3 cell = IVec3::Zero();
    for (int c = 2; c >= 0; --c) {
        if (!open[at(c)]) continue;
        const auto width = static_cast<std::size_t>(upper[c] - lower[c] + 1);
        cell[c] = lower[c] + static_cast<int>(number % width);
        number /= width;
    }
    return cell;
}

PassageTimes first_passage(const Kernel& kernel, const Window& window, const Arrived& arrived) {
    PassageTimes times{window, kernel.n_sites(), {}};
    const std::size_t n = times.n_sites, cells = window.n_cells();
    if (cells == 0) throw DataError("the window of a first passage holds no cell (upper lies below lower)");
    if (n * cells > at(std::numeric_limits<std::int32_t>::max()))
        throw DataError("the window of a first passage holds " + std::to_string(cells) + " cells of " +
                        std::to_string(n) + " sites (too many states). Take a smaller one");
    std::vector<char> there(n * cells, 0);
    for (std::size_t c = 0; c < cells; ++c)
        for (std::size_t s = 0; s < n; ++s)
            there[s + n * c] = arrived(static_cast<std::int32_t>(s), window.cell(c)) ? 1 : 0;

    PassageChain chain;
    chain.n_states = n * cells;
    bool ends = std::find(there.begin(), there.end(), 1) != there.end();
    for (std::size_t c = 0; c < cells; ++c)
        for (std::size_t j = 0; j < n; ++j) {
            if (there[j + n * c]) continue;
            for (const KernelEntry& e : kernel.from(j)) {
                const IVec3 cell = window.cell(c) + e.R;
                std::int32_t to = PassageChain::goal;
                if (window.holds(cell)) {
                    const std::size_t state = at(e.to) + n * window.number_of(cell);
                    if (!there[state]) to = static_cast<std::int32_t>(state);
                }
                ends = ends || to == PassageChain::goal;
                if (to != static_cast<std::int32_t>(j + n * c))
                    chain.edges.push_back({static_cast<std::int32_t>(j + n * c), to, e.p});
            }
        }
    if (!ends)
        throw DataError("a first passage that never ends (no site of the window is a target, and none of its "
                        "cells is left)");
    times.steps = chain.steps_to_goal();
    for (std::size_t state = 0; state < there.size(); ++state)
        if (there[state]) times.steps[state] = 0;
    return times;
}

std::vector<double> first_passage_steps(const Kernel& kernel, const SiteGroup& target) {
    const std::vector<char> in = members(kernel, target);
    return first_passage(kernel, {}, [&](std::int32_t s, const IVec3&) { return in[at(s)] != 0; }).steps;
}

std::vector<double> distance_steps(const Kernel& kernel, int axis, int cells) {
    if (cells < 1) throw DataError("a distance of " + std::to_string(cells) + " cells (must be at least 1)");
    const auto nowhere = [](std::int32_t, const IVec3&) { return false; };
    const Window window = Window::along(axis, 1 - cells, cells - 1);
    std::vector<double> steps(kernel.n_sites(), std::numeric_limits<double>::infinity());
    const bool leads_on = std::any_of(kernel.entries.begin(), kernel.entries.end(),
                                      [&](const KernelEntry& e) { return e.R[axis] != 0; });
    if (!leads_on) return steps; // no hop changes the cell along the axis
    const PassageTimes times = first_passage(kernel, window, nowhere);
    for (std::size_t s = 0; s < steps.size(); ++s) steps[s] = times.from(s);
    return steps;
}

ReactivePaths reactive_paths(const Kernel& kernel, const SiteGroup& from, const SiteGroup& to) {
    const std::vector<char> in_a = members(kernel, from), in_b = members(kernel, to);
    const std::size_t n = kernel.n_sites();
    for (std::size_t s = 0; s < n; ++s)
        if (in_a[s] && in_b[s])
            throw DataError("the groups \"" + from.name + "\" and \"" + to.name + "\" share site " +
                            std::to_string(s) + " (a path from one to the other has no length)");
    const std::vector<double> pi = stationary_of(kernel);

    // Probability to hit one group before the other, forwards or in the reversed chain.
    const auto hits = [&](const std::vector<char>& goal, const std::vector<char>& other, bool backwards) {
        PassageChain chain;
        chain.n_states = n;
        const auto state = [&](std::size_t s) {
            return goal[s]    ? PassageChain::goal
                   : other[s] ? PassageChain::failure
                              : static_cast<std::int32_t>(s);
        };
        for (std::size_t j = 0; j < n; ++j)
            for (const KernelEntry& e : kernel.from(j)) {
                const std::size_t start = backwards ? at(e.to) : j, end = backwards ? j : at(e.to);
                const double weight = backwards ? pi[j] * e.p : e.p;
                if (start != end && state(start) >= 0 && weight > 0)
                    chain.edges.push_back({state(start), state(end), weight});
            }
        std::vector<double> q = chain.goal_probability();
        for (std::size_t s = 0; s < n; ++s)
            if (goal[s]) q[s] = 1;
        return q;
    };
    ReactivePaths paths;
    paths.forward = hits(in_b, in_a, false);
    const std::vector<double> missed = hits(in_a, in_b, false);
    paths.backward = kernel.reversible ? missed : hits(in_a, in_b, true);

    double from_a = 0;
    for (std::size_t j = 0; j < n; ++j) {
        from_a += pi[j] * paths.backward[j];
        if (!in_a[j]) continue;
        for (const KernelEntry& e : kernel.from(j))
            if (!in_a[at(e.to)]) paths.flux += pi[j] * e.p * paths.forward[at(e.to)];
    }
    if (from_a > 0) paths.rate = paths.flux / (kernel.lag_time * from_a);

    const std::size_t n_entries = kernel.entries.size();
    const std::vector<std::size_t> reverse = reverse_entries(kernel);
    paths.net.assign(n_entries, 0.0);
    paths.share.assign(n_entries, 0.0);
    const auto place = [&](std::size_t s) { return Committor{paths.forward[s], missed[s]}; };
    for (std::size_t j = 0; j < n; ++j)
        for (std::size_t k = kernel.column[j]; k < kernel.column[j + 1]; ++k) {
            const KernelEntry& e = kernel.entries[k];
            const std::size_t i = at(e.to);
            if (i == j) continue; // no progress
            double net = 0;
            const double up = rise(place(j), place(i));
            if (kernel.reversible) {
                net = pi[j] * e.p * up; // q-_j q+_i - q-_i q+_j = q+_i - q+_j
            } else {
                net = pi[j] * e.p * paths.backward[j] * paths.forward[i];
                if (reverse[k] < n_entries)
                    net -= pi[i] * kernel.entries[reverse[k]].p * paths.backward[i] * paths.forward[j];
            }
            paths.net[k] = std::max(net, 0.0);
            if (paths.flux > 0) paths.share[k] = net * up / paths.flux * (reverse[k] < n_entries ? 0.5 : 1.0);
        }
    return paths;
}

SlabPaths slab_paths(const Kernel& kernel, int axis, int length) {
    demand_axis(axis);
    if (length < 1) throw DataError("a slab of " + std::to_string(length) + " cells (must be at least 1)");
    const std::size_t n = kernel.n_sites(), cells = static_cast<std::size_t>(length) - 1;
    const std::vector<double> pi = stationary_of(kernel);

    const auto hits = [&](bool far_side, bool backwards) {
        const std::int32_t beyond = far_side ? PassageChain::goal : PassageChain::failure,
                           before = far_side ? PassageChain::failure : PassageChain::goal;
        PassageChain chain;
        chain.n_states = n * cells;
        for (int c = 1; c < length; ++c)
            for (std::size_t j = 0; j < n; ++j)
                for (const KernelEntry& e : kernel.from(j)) {
                    const std::size_t start = backwards ? at(e.to) : j, end = backwards ? j : at(e.to);
                    const int target = backwards ? c - e.R[axis] : c + e.R[axis];
                    const double weight = backwards ? pi[j] * e.p : e.p;
                    if (!(weight > 0)) continue;
                    const auto state = [&](std::size_t s, int cell) {
                        return static_cast<std::int32_t>(s + n * static_cast<std::size_t>(cell - 1));
                    };
                    const std::int32_t here = state(start, c), there = target <= 0 ? before
                                                                       : target >= length
                                                                           ? beyond
                                                                           : state(end, target);
                    if (here != there) chain.edges.push_back({here, there, weight});
                }
        return chain.goal_probability();
    };
    SlabPaths paths;
    paths.axis = axis;
    paths.length = length;
    paths.forward = hits(true, false);
    const std::vector<double> missed = hits(false, false);
    const std::vector<double> backward = kernel.reversible ? missed : hits(false, true);
    const auto value = [&](const std::vector<double>& q, std::size_t s, int cell, double first, double last) {
        if (cell <= 0) return first;
        if (cell >= length) return last;
        return q[s + n * static_cast<std::size_t>(cell - 1)];
    };
    const auto place = [&](std::size_t s, int cell) {
        return Committor{value(paths.forward, s, cell, 0, 1), value(missed, s, cell, 1, 0)};
    };
    for (std::size_t j = 0; j < n; ++j)
        for (const KernelEntry& e : kernel.from(j))
            for (int landing = 1; landing <= e.R[axis]; ++landing) // origins are cells <= 0
                paths.flux += pi[j] * e.p * place(at(e.to), landing).reached;
    const double width = kernel.basis.cell.perpendicular_width()[axis];
    paths.diffusivity = paths.flux * length * width * width / kernel.lag_time;

    const std::size_t n_entries = kernel.entries.size();
    const std::vector<std::size_t> reverse = reverse_entries(kernel);
    paths.share.assign(n_entries, 0.0);
    if (!(paths.flux > 0)) return paths;
    for (std::size_t j = 0; j < n; ++j)
        for (std::size_t k = kernel.column[j]; k < kernel.column[j + 1]; ++k) {
            const KernelEntry& e = kernel.entries[k];
            const std::size_t i = at(e.to);
            const int r = e.R[axis];
            for (int c = std::min(0, -r); c <= std::max(length, length - r); ++c) {
                const double up = rise(place(j, c), place(i, c + r));
                double net = pi[j] * e.p * up;
                if (!kernel.reversible) {
                    net = pi[j] * e.p * value(backward, j, c, 1, 0) * place(i, c + r).reached;
                    if (reverse[k] < n_entries)
                        net -= pi[i] * kernel.entries[reverse[k]].p * value(backward, i, c + r, 1, 0) *
                               place(j, c).reached;
                }
                paths.share[k] += net * up / paths.flux * (reverse[k] < n_entries ? 0.5 : 1.0);
            }
        }
    return paths;
}

double slab_diffusivity(const Kernel& kernel, int axis, int length) {
    const double thin = slab_paths(kernel, axis, length).flux,
                 thick = slab_paths(kernel, axis, length + 1).flux;
    if (!(thin > 0 && thick > 0)) return 0;
    const double width = kernel.basis.cell.perpendicular_width()[axis];
    return width * width / (kernel.lag_time * (1 / thick - 1 / thin));
}

} // namespace mesolith
