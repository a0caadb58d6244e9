#include "mesolith/meso/steady.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include <Eigen/Geometry>
#include <Eigen/LU>
#include <fmt/core.h>

#include "mesolith/core/error.hpp"
#include "mesolith/core/parallel.hpp"

#include "steady_hops.hpp"

namespace mesolith {

namespace {

using Ends = std::vector<CellHops::End>;
constexpr std::size_t flux_cells_per_block = 1024;

bool open(const Face& face) { return is_open(face.kind); }
/// Activity outside of an open face.
double activity_at(const Face& face) { return face.kind == FaceKind::reservoir ? face.concentration : 0; }
const Face& face_of(const Domain& domain, const CellHops::End& end) {
    return domain.faces[static_cast<std::size_t>(end.axis)][static_cast<std::size_t>(end.side)];
}

void demand_detailed_balance(const Domain& domain, const HopRules& rules) {
    const double error = detailed_balance_error(domain, rules);
    if (error > 1e-9)
        throw DataError(fmt::format(
            "steady state: hops without detailed balance (it is broken by {:.2g} of a flow, and a steady "
            "state is solved as a network of conductances). Use a reversible estimator, or the exact "
            "transport of the kernel",
            error));
}

/// Sites and what leaves each of them: arrays that any network of the domain is made of.
/// @param held  per site: 1 where the activity is fixed; hops into it are sinks, and it has none itself
ConductanceNetwork network_of(const Domain& domain, const HopRules& rules,
                              const std::vector<std::uint8_t>& held, bool open_faces = true) {
    demand_detailed_balance(domain, rules);
    const auto n_cells = static_cast<std::size_t>(domain.n_cells());
    const std::size_t n_basis = rules.n_basis, n = n_cells * n_basis;
    if (n >= static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max()))
        throw DataError(fmt::format("steady state of {} sites (2^31 or more). Use a smaller domain", n));
    const CellHops hops(domain, rules);
    ConductanceNetwork net;
    net.begin.assign(n + 1, 0);
    net.sink.assign(n, 0.0);
    const auto for_sites = [&](auto&& f) {
        for_blocks(n_cells, flux_cells_per_block, [&](std::size_t first, std::size_t last) {
            Ends ends;
            for (std::size_t cell = first; cell < last; ++cell) {
                hops.look_up(cell, ends);
                for (std::size_t site = 0; site < n_basis; ++site) {
                    const std::size_t j = cell * n_basis + site;
                    if (held.empty() || !held[j]) f(j, site, rules.line_of(cell, site), ends);
                }
            }
        });
    };
    const auto is_bond = [&](std::size_t j, const Hop& hop, const CellHops::End& end) {
        if (end.axis >= 0) return false;
        const std::size_t i = end.cell * n_basis + static_cast<std::size_t>(hop.site);
        return i != j && (held.empty() || !held[i]); // a hop around the domain to itself carries nothing
    };
    for_sites([&](std::size_t j, std::size_t site, std::size_t line, const Ends& ends) {
        hops.for_hops(line, site, ends, [&](const Hop& hop, const CellHops::End& end) {
            if (is_bond(j, hop, end))
                ++net.begin[j + 1];
            else if (end.axis >= 0 ? open_faces
                                   : end.cell * n_basis + static_cast<std::size_t>(hop.site) != j)
                net.sink[j] += rules.weight[line] * hop.p;
        });
    });
    std::partial_sum(net.begin.begin(), net.begin.end(), net.begin.begin());
    net.neighbour.resize(net.begin.back());
    net.conductance.resize(net.begin.back());
    for_sites([&](std::size_t j, std::size_t site, std::size_t line, const Ends& ends) {
        std::size_t e = net.begin[j];
        hops.for_hops(line, site, ends, [&](const Hop& hop, const CellHops::End& end) {
            if (!is_bond(j, hop, end)) return;
            net.neighbour[e] =
                static_cast<std::int32_t>(end.cell * n_basis + static_cast<std::size_t>(hop.site));
            net.conductance[e++] = rules.weight[line] * hop.p;
        });
    });
    return net;
}

/// f(site number, site of the basis, line, ends, sums) on all sites; the sums of fixed blocks, added up in
/// order.
template <class F>
std::vector<double> sum_over_sites(const Domain& domain, const HopRules& rules, std::size_t n_sums, F&& f) {
    const auto n_cells = static_cast<std::size_t>(domain.n_cells());
    const CellHops hops(domain, rules);
    // Few blocks where there are many sums.
    const std::size_t block = std::max(flux_cells_per_block, (n_cells + 255) / 256);
    std::vector<std::vector<double>> partial((n_cells + block - 1) / block);
    for_blocks(n_cells, block, [&](std::size_t first, std::size_t last) {
        std::vector<double> sums(n_sums, 0.0);
        Ends ends;
        for (std::size_t cell = first; cell < last; ++cell) {
            hops.look_up(cell, ends);
            for (std::size_t site = 0; site < rules.n_basis; ++site) {
                const std::size_t line = rules.line_of(cell, site);
                hops.for_hops(line, site, ends, [&](const Hop& hop, const CellHops::End& end) {
                    f(cell, site, hop, end, rules.weight[line] * hop.p, sums);
                });
            }
        }
        partial[first / block] = std::move(sums);
    });
    std::vector<double> total(n_sums, 0.0);
    for (const auto& p : partial)
        for (std::size_t s = 0; s < n_sums; ++s) total[s] += p[s];
    return total;
}

double weight_of(const HopRules& rules, std::size_t j) {
    return rules.weight[rules.line_of(j / rules.n_basis, j % rules.n_basis)];
}

/// Sum over all sites of a domain, in their order.
double total_weight(const HopRules& rules, std::size_t n_sites) {
    std::vector<double> count(rules.weight.size(), 0.0);
    for (std::size_t j = 0; j < n_sites; ++j) count[rules.line_of(j / rules.n_basis, j % rules.n_basis)] += 1;
    double sum = 0;
    for (std::size_t l = 0; l < count.size(); ++l) sum += count[l] * rules.weight[l];
    return sum;
}

constexpr std::array<std::array<int, 2>, 6> pairs{{{0, 0}, {1, 1}, {2, 2}, {0, 1}, {0, 2}, {1, 2}}};

Mat3 symmetric(const double* six) {
    Mat3 m;
    for (std::size_t q = 0; q < 6; ++q) m(pairs[q][0], pairs[q][1]) = m(pairs[q][1], pairs[q][0]) = six[q];
    return m;
}

/// Onto directions that no wall blocks.
Mat3 along_walls(const Domain& domain) {
    // Rows of the inverse transposed: normals of the faces.
    Mat3 P = Mat3::Identity();
    std::vector<Vec3> normals;
    for (int axis = 0; axis < 3; ++axis) {
        if (domain.periodic(axis)) continue;
        Vec3 n = domain.basis().cell.inverse().col(axis);
        for (const Vec3& m : normals) n -= m.dot(n) * m;
        n.normalize();
        normals.push_back(n);
        P -= n * n.transpose();
    }
    // Exact zeros where walls follow the axes.
    return P.unaryExpr([](double x) { return std::abs(x) < 1e-15 ? 0.0 : x; });
}

void demand_periodic(const Domain& domain) {
    bool any = false;
    for (int axis = 0; axis < 3; ++axis) {
        for (const Face& face : domain.faces[static_cast<std::size_t>(axis)])
            if (open(face))
                throw DataError(fmt::format(
                    "effective D: a face of a_{} is open (ions would leave for good). Make it periodic or "
                    "reflecting, or ask for the steady flux",
                    axis + 1));
        any = any || domain.periodic(axis);
    }
    if (!any)
        throw DataError("effective D: no axis is periodic (an ion between walls does not get away). Make "
                        "the axis along which D is wanted periodic, or ask for the steady flux");
}

} // namespace

ConductanceNetwork site_network(const Domain& domain, const HopRules& rules) {
    return network_of(domain, rules, {});
}

double steady_bytes(const HopRules& rules, std::int64_t n_sites) {
    const double hops = static_cast<double>(rules.columns.hops.size()) /
                        static_cast<double>(std::max<std::size_t>(1, rules.columns.size()));
    return static_cast<double>(n_sites) * (20 * hops + 400);
}

HomogenisedTransport homogenise(const Domain& domain, const HopRules& rules, const SolveOptions& options) {
    demand_periodic(domain);
    const auto n = static_cast<std::size_t>(domain.n_sites());
    const std::size_t n_basis = rules.n_basis;
    const LaplacianSolver solver(network_of(domain, rules, {}));
    const Mat3 P = along_walls(domain);
    const auto displacement = [&](std::size_t site, const Hop& hop) {
        return Vec3(P * domain.basis().displacement(site, static_cast<std::size_t>(hop.site), hop.R));
    };

    std::vector<double> b(3 * n, 0.0), chi(3 * n, 0.0);
    const std::vector<double> sizes =
        sum_over_sites(domain, rules, 3,
                       [&](std::size_t cell, std::size_t site, const Hop& hop, const CellHops::End&, double g,
                           std::vector<double>& sums) {
                           const Vec3 d = displacement(site, hop);
                           for (std::size_t a = 0; a < 3; ++a) {
                               b[3 * (cell * n_basis + site) + a] += g * d[static_cast<int>(a)];
                               sums[a] += g * std::abs(d[static_cast<int>(a)]);
                           }
                       });
    for (std::size_t a = 0; a < 3; ++a) { // nothing but rounding: every site is a centre of its hops
        double sum = 0;
        for (std::size_t j = 0; j < n; ++j) sum += std::abs(b[3 * j + a]);
        if (sum <= 1e-13 * sizes[a])
            for (std::size_t j = 0; j < n; ++j) b[3 * j + a] = 0;
    }

    HomogenisedTransport result;
    result.solve = solver.solve(b, chi, 3, options);
    const ConnectedParts& parts = solver.parts();
    const bool several = parts.size() > 1;
    std::vector<double> of_site(several ? 6 * n : 0, 0.0);
    const std::vector<double> energy =
        sum_over_sites(domain, rules, 12,
                       [&](std::size_t cell, std::size_t site, const Hop& hop, const CellHops::End& end,
                           double g, std::vector<double>& sums) {
                           if (end.axis >= 0) return;
                           const std::size_t j = cell * n_basis + site,
                                             i = end.cell * n_basis + static_cast<std::size_t>(hop.site);
                           const Vec3 d = displacement(site, hop);
                           const Vec3 u = d + Vec3(chi[3 * i] - chi[3 * j], chi[3 * i + 1] - chi[3 * j + 1],
                                                   chi[3 * i + 2] - chi[3 * j + 2]);
                           for (std::size_t q = 0; q < 6; ++q) {
                               const double uu = g * u[pairs[q][0]] * u[pairs[q][1]];
                               sums[q] += uu;
                               sums[6 + q] += g * d[pairs[q][0]] * d[pairs[q][1]];
                               if (several) of_site[6 * j + q] += uu;
                           }
                       });
    const double weight = total_weight(rules, n), scale = 1 / (2 * domain.lag_time() * weight);
    result.diffusivity = scale * symmetric(energy.data());
    result.uncorrelated = scale * symmetric(energy.data() + 6);
    result.correlation = result.diffusivity - result.uncorrelated;
    for (int a = 0; a < 3; ++a)
        for (int c = 0; c < 3; ++c)
            result.error(a, c) = scale * std::sqrt(result.solve.energy_error[static_cast<std::size_t>(a)] *
                                                   result.solve.energy_error[static_cast<std::size_t>(c)]);

    result.n_parts = parts.size();
    std::vector<PartTransport> all(parts.size());
    if (several) {
        std::vector<std::array<double, 6>> sums(parts.size(), std::array<double, 6>{});
        for (PartTransport& part : all) part.share = 0;
        for (std::size_t j = 0; j < n; ++j) {
            const auto part = static_cast<std::size_t>(parts.part_of[j]);
            all[part].share += weight_of(rules, j);
            ++all[part].n_sites;
            for (std::size_t q = 0; q < 6; ++q) sums[part][q] += of_site[6 * j + q];
        }
        for (std::size_t p = 0; p < all.size(); ++p) {
            if (all[p].share > 0)
                all[p].diffusivity = symmetric(sums[p].data()) / (2 * domain.lag_time() * all[p].share);
            all[p].share /= weight;
        }
        std::stable_sort(all.begin(), all.end(),
                         [](const PartTransport& x, const PartTransport& y) { return x.share > y.share; });
    } else {
        all[0] = {1, static_cast<std::int64_t>(n), result.diffusivity};
    }
    all.resize(std::min(all.size(), HomogenisedTransport::max_parts));
    result.parts = std::move(all);
    result.corrector.resize(n);
    for (std::size_t j = 0; j < n; ++j) result.corrector[j] = {chi[3 * j], chi[3 * j + 1], chi[3 * j + 2]};
    return result;
}

SteadyFlux steady_flux(const Domain& domain, const HopRules& rules, const SolveOptions& options) {
    const auto n = static_cast<std::size_t>(domain.n_sites());
    const std::size_t n_basis = rules.n_basis;
    SteadyFlux result;
    int n_open = 0, first_open = -1;
    for (int axis = 0; axis < 3; ++axis) {
        const auto& [low, high] = domain.faces[static_cast<std::size_t>(axis)];
        if (!open(low) && !open(high)) continue;
        if (first_open < 0) first_open = axis;
        ++n_open;
    }
    if (n_open == 0)
        throw DataError("steady flux: no face is a reservoir or absorbs (nothing could go in or out). Give "
                        "two opposite faces concentrations, or ask for the effective D");
    result.axis = n_open == 1 ? first_open : -1;

    const LaplacianSolver solver(network_of(domain, rules, {}));
    // What reservoirs give; and where the sites outside are: their conductance and its moment.
    std::vector<double> b(n, 0.0), u(n, 0.0);
    const auto along = [&](const Vec3& r) { return domain.basis().cell.to_fractional(r)[first_open]; };
    const std::vector<double> outside =
        sum_over_sites(domain, rules, 4,
                       [&](std::size_t cell, std::size_t site, const Hop& hop, const CellHops::End& end,
                           double g, std::vector<double>& sums) {
                           if (end.axis < 0) return;
                           b[cell * n_basis + site] += g * activity_at(face_of(domain, end));
                           if (end.axis != first_open) return;
                           const auto side = static_cast<std::size_t>(end.side);
                           sums[2 * side] += g;
                           sums[2 * side + 1] +=
                               g * (domain.cell_at(cell)[first_open] + hop.R[first_open] +
                                    along(domain.basis().positions[static_cast<std::size_t>(hop.site)]));
                       });
    result.solve = solver.solve(b, u, 1, options);
    const ConnectedParts& parts = solver.parts();
    for (std::size_t j = 0; j < n; ++j)
        if (!parts.drained[static_cast<std::size_t>(parts.part_of[j])]) ++result.cut_off;

    const int axis = first_open;
    const auto layers = static_cast<std::size_t>(domain.cells[axis]);
    const double tau = domain.lag_time();
    // Six faces, then planes.
    const std::vector<double> flows = sum_over_sites(
        domain, rules, 6 + layers + 1,
        [&](std::size_t cell, std::size_t site, const Hop& hop, const CellHops::End& end, double g,
            std::vector<double>& sums) {
            const double here = u[cell * n_basis + site];
            const auto layer = static_cast<int>(domain.cell_at(cell)[axis]);
            const int to = layer + hop.R[axis];
            if (end.axis >= 0) {
                const double in = g * (activity_at(face_of(domain, end)) - here) / tau;
                sums[static_cast<std::size_t>(2 * end.axis + end.side)] += in;
                if (end.axis != axis) return;
                for (int plane = layer + 1; plane <= std::min(to, static_cast<int>(layers)); ++plane)
                    sums[6 + static_cast<std::size_t>(plane)] -= in;
                for (int plane = layer; plane > std::max(to, -1); --plane)
                    sums[6 + static_cast<std::size_t>(plane)] += in;
            } else {
                const double there = u[end.cell * n_basis + static_cast<std::size_t>(hop.site)];
                for (int plane = layer + 1; plane <= to; ++plane) // the way back is the same hop
                    sums[6 + static_cast<std::size_t>(plane)] += g * (here - there) / tau;
            }
        });
    double sum = 0, size = 0;
    for (std::size_t face = 0; face < 6; ++face) {
        result.inflow[face / 2][face % 2] = flows[face];
        sum += flows[face];
        size += std::abs(flows[face]);
    }
    result.imbalance = size > 0 ? std::abs(sum) / size : 0;

    const Cell& cell = domain.basis().cell;
    const double width = cell.perpendicular_width()[axis];
    const double volume = cell.volume() * static_cast<double>(domain.n_cells());
    const double layer_volume = volume / static_cast<double>(layers);
    LayerProfile& profile = result.profile;
    profile.flux.assign(flows.begin() + 6, flows.end());
    profile.activity.assign(layers, 0.0);
    std::vector<double> weights(layers, 0.0);
    result.occupation = std::move(u);
    for (std::size_t j = 0; j < n; ++j) {
        const double w = weight_of(rules, j);
        const auto layer = static_cast<std::size_t>(domain.cell_at(j / n_basis)[axis]);
        result.occupation[j] *= w;
        profile.activity[layer] += result.occupation[j];
        weights[layer] += w;
    }
    double weight = 0;
    for (std::size_t l = 0; l < layers; ++l) {
        profile.position.push_back((static_cast<double>(l) + 0.5) * width);
        profile.concentration.push_back(profile.activity[l] / layer_volume);
        if (weights[l] > 0) profile.activity[l] /= weights[l];
        weight += weights[l];
    }
    result.area = layer_volume / width;
    if (result.axis < 0) return result;
    const auto& [low, high] = domain.faces[static_cast<std::size_t>(axis)];
    if (!open(low) || !open(high) || !(outside[0] > 0) || !(outside[2] > 0)) return result;
    result.length = (outside[3] / outside[2] - outside[1] / outside[0]) * width;
    const double difference = activity_at(low) - activity_at(high);
    if (difference != 0)
        result.diffusivity = (result.inflow[static_cast<std::size_t>(axis)][0] -
                              result.inflow[static_cast<std::size_t>(axis)][1]) /
                             2 * result.length / (result.area * difference * weight / volume);
    return result;
}

MeanFirstPassage mean_first_passage(const Domain& domain, const HopRules& rules,
                                    const FirstPassageOptions& options) {
    const auto n = static_cast<std::size_t>(domain.n_sites());
    const auto n_cells = static_cast<std::size_t>(domain.n_cells());
    bool any_open = false;
    for (const auto& axis : domain.faces)
        for (const Face& face : axis) any_open = any_open || open(face);
    if (options.targets.empty() && !(options.faces && any_open))
        throw DataError(
            "first passage: nowhere to arrive (no face absorbs or is a reservoir, and no region is "
            "the target). Give one of them");
    std::vector<std::uint8_t> is_target(domain.regions.size(), 0), is_start(domain.regions.size(), 0);
    const auto mark = [&](const std::vector<std::uint16_t>& regions, std::vector<std::uint8_t>& marks) {
        for (const std::uint16_t r : regions) {
            if (r >= marks.size())
                throw DataError(
                    fmt::format("first passage: region {} (there are {}, counted from 0)", r, marks.size()));
            marks[r] = 1;
        }
    };
    mark(options.targets, is_target);
    mark(options.start, is_start);
    std::vector<std::uint8_t> held(options.targets.empty() ? 0 : n, 0);
    if (!held.empty())
        for (std::size_t j = 0; j < n; ++j) held[j] = is_target[domain.region_of(j / rules.n_basis)];
    std::vector<std::uint8_t> starts(n_cells, 0);
    double weight = 0;
    for (std::size_t c = 0; c < n_cells; ++c) {
        const std::uint16_t region = domain.region_of(c);
        starts[c] = !is_target[region] && (options.start.empty() || is_start[region]) ? 1 : 0;
        if (starts[c])
            for (std::size_t s = 0; s < rules.n_basis; ++s) weight += rules.weight[rules.line_of(c, s)];
    }
    if (!(weight > 0))
        throw DataError("first passage: no cell to start from (none is of the regions to start in, or all of "
                        "them are targets). Choose other regions");

    ConductanceNetwork network = network_of(domain, rules, held, options.faces);
    const ConnectedParts parts = connected_parts(network);
    std::vector<double> b(n, 0.0);
    MeanFirstPassage result;
    result.time.assign(n, 0.0);
    const auto reached = [&](std::size_t j) {
        return parts.drained[static_cast<std::size_t>(parts.part_of[j])] != 0;
    };
    const auto is_held = [&](std::size_t j) { return !held.empty() && held[j] != 0; };
    for (std::size_t j = 0; j < n; ++j)
        if (!is_held(j) && reached(j)) b[j] = domain.lag_time() * weight_of(rules, j);
    const LaplacianSolver solver(std::move(network));
    result.solve = solver.solve(b, result.time, 1, options.solve);
    double sum = 0, arriving = 0;
    for (std::size_t j = 0; j < n; ++j) {
        if (is_held(j)) {
            result.time[j] = 0;
            continue;
        }
        if (!reached(j)) result.time[j] = std::numeric_limits<double>::infinity();
        if (!starts[j / rules.n_basis] || !reached(j)) continue;
        const double w = weight_of(rules, j);
        sum += w * result.time[j];
        arriving += w;
    }
    result.never = std::max(0.0, 1 - arriving / weight);
    if (result.never < 1e-12) result.never = 0; // nothing but rounding
    result.mean_of_arriving = arriving > 0 ? sum / arriving : std::numeric_limits<double>::infinity();
    result.mean = result.never > 0 ? std::numeric_limits<double>::infinity() : result.mean_of_arriving;
    return result;
}

} // namespace mesolith
