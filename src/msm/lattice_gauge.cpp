#include "lattice_gauge.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <tuple>

#include "at.hpp"

namespace mesolith {

bool VectorLattice::insert(const IVec3& v) {
    Row rest{v[0], v[1], v[2]};
    for (std::size_t c = 0; c < 3; ++c) {
        if (rest[c] == 0) continue;
        if (!used_[c]) {
            if (rest[c] < 0)
                for (std::int64_t& x : rest) x = -x;
            row_[c] = rest;
            used_[c] = true;
            return true;
        }
        while (rest[c] != 0) { // Euclid on the leading components
            const std::int64_t q = row_[c][c] / rest[c];
            for (std::size_t d = c; d < 3; ++d) row_[c][d] -= q * rest[d];
            std::swap(row_[c], rest);
        }
        if (row_[c][c] < 0)
            for (std::int64_t& x : row_[c]) x = -x;
        for (std::size_t d = c + 1; d < 3; ++d) // keep entries small
            if (used_[d]) {
                const std::int64_t q = row_[c][d] / row_[d][d];
                for (std::size_t e = d; e < 3; ++e) row_[c][e] -= q * row_[d][e];
            }
    }
    return false;
}

bool VectorLattice::contains(const IVec3& v) const {
    Row rest{v[0], v[1], v[2]};
    for (std::size_t c = 0; c < 3; ++c) {
        if (rest[c] == 0) continue;
        if (!used_[c] || rest[c] % row_[c][c] != 0) return false;
        const std::int64_t q = rest[c] / row_[c][c];
        for (std::size_t d = c; d < 3; ++d) rest[d] -= q * row_[c][d];
    }
    return true;
}

std::vector<IVec3> VectorLattice::basis() const {
    std::vector<IVec3> rows;
    for (std::size_t c = 0; c < 3; ++c)
        if (used_[c])
            rows.emplace_back(static_cast<int>(row_[c][0]), static_cast<int>(row_[c][1]),
                              static_cast<int>(row_[c][2]));
    return rows;
}

SiteForest::SiteForest(std::size_t n_sites)
    : parent_(n_sites), offset_(n_sites, IVec3::Zero()), loops_(n_sites) {
    std::iota(parent_.begin(), parent_.end(), 0);
}

void SiteForest::find(std::int32_t site) {
    IVec3 total = IVec3::Zero();
    std::int32_t top = site;
    for (; parent_[at(top)] != top; top = parent_[at(top)]) total += offset_[at(top)];
    while (parent_[at(site)] != top) { // everyone on the way points to the root from now on
        const std::int32_t next = parent_[at(site)];
        const IVec3 step = offset_[at(site)];
        parent_[at(site)] = top;
        offset_[at(site)] = total;
        total -= step;
        site = next;
    }
}

std::int32_t SiteForest::root(std::int32_t site) {
    find(site);
    return parent_[at(site)];
}

IVec3 SiteForest::cell(std::int32_t site) {
    find(site);
    return parent_[at(site)] == site ? IVec3(IVec3::Zero()) : offset_[at(site)];
}

IVec3 SiteForest::loop_of(const CellEdge& edge) { return edge.R + cell(edge.to) - cell(edge.from); }

SiteForest::Joined SiteForest::join(const CellEdge& edge) {
    const std::int32_t from = root(edge.from), to = root(edge.to);
    const IVec3 loop = loop_of(edge);
    if (from == to) return loops_[at(from)].insert(loop) ? Joined::loop : Joined::no;
    parent_[at(to)] = from; // R + s_to - s_from = 0 with the new s_to = old s_to + offset
    offset_[at(to)] = -loop;
    for (const IVec3& v : loops_[at(to)].basis()) loops_[at(from)].insert(v);
    return Joined::sites;
}

std::vector<CellEdge> by_strength(std::vector<CellEdge> edges) {
    std::sort(edges.begin(), edges.end(), [](const CellEdge& a, const CellEdge& b) {
        if (a.strength != b.strength) return a.strength > b.strength;
        return std::tie(a.from, a.to, a.R[0], a.R[1], a.R[2]) <
               std::tie(b.from, b.to, b.R[0], b.R[1], b.R[2]);
    });
    return edges;
}

LatticeGauge lattice_gauge(std::size_t n_sites, std::vector<CellEdge> edges, const Mat3& cell) {
    LatticeGauge gauge;
    gauge.shift.resize(n_sites);
    SiteForest forest(n_sites);
    VectorLattice all;
    std::vector<IVec3> loops; // independent ones, fastest first
    for (const CellEdge& e : by_strength(std::move(edges))) {
        const IVec3 r = e.R + forest.cell(e.to) - forest.cell(e.from);
        const bool closes = forest.root(e.from) == forest.root(e.to);
        forest.join(e);
        if (closes && !r.isZero() && loops.size() < 3 && all.insert(r)) loops.push_back(r);
    }
    for (std::size_t s = 0; s < n_sites; ++s) gauge.shift[s] = forest.cell(static_cast<std::int32_t>(s));

    // Column operations that make the loops a lower triangle; U undoes them.
    IMat3 &U = gauge.basis, &V = gauge.inverse;
    for (std::size_t t = 0; t < loops.size(); ++t) {
        const auto i = static_cast<int>(t);
        for (int c = i + 1; c < 3; ++c)
            for (;;) {
                const IVec3 l = V.transpose() * loops[t];
                if (l[c] == 0) break;
                const int q = l[i] / l[c];
                V.col(i) -= q * V.col(c);
                U.row(c) += q * U.row(i);
                V.col(i).swap(V.col(c));
                U.row(i).swap(U.row(c));
            }
    }
    for (int t = 1; t < 3; ++t) // slow vectors as short as fast ones can make them
        for (int s = t - 1; s >= 0; --s) {
            const Vec3 slow = cell.transpose() * U.row(t).transpose().cast<double>(),
                       fast = cell.transpose() * U.row(s).transpose().cast<double>();
            const int q = static_cast<int>(std::lround(slow.dot(fast) / fast.squaredNorm()));
            U.row(t) -= q * U.row(s);
            V.col(s) += q * V.col(t);
        }
    return gauge;
}

} // namespace mesolith
