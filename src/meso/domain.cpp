#include "mesolith/meso/domain.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>

#include <Eigen/Geometry>
#include <fmt/core.h>

#include "mesolith/core/error.hpp"
#include "mesolith/crystal/eigen_solvers.hpp"
#include "mesolith/msm/generator.hpp"

namespace mesolith {

namespace {

constexpr double same_site = 1e-3; // [A]

void check_materials(const Domain& domain) {
    if (domain.materials.empty())
        throw DataError("domain without material (ions need a kernel to hop by). Give one");
    const Material& first = domain.materials.front();
    for (const Material& m : domain.materials) {
        const auto complain = [&](const std::string& what) {
            throw DataError(fmt::format("material \"{}\": {}", m.name, what));
        };
        check_kernel(m.kernel);
        if (m.kernel.stationary.size() != m.kernel.n_sites())
            complain("kernel without stationary distribution (its weights are needed). Estimate it again");
        if (!(m.weight > 0) || !std::isfinite(m.weight))
            complain(fmt::format("weight {} (must be positive). Check its site energy", m.weight));
        if (m.kernel.n_sites() != first.kernel.n_sites())
            complain(
                fmt::format("{} sites per cell, \"{}\" has {} (materials of one domain share the sites of "
                            "a common grid of cells). Use kernels of the same crystal, or continuum voxels",
                            m.kernel.n_sites(), first.name, first.kernel.n_sites()));
        const double cell_differs =
            (m.kernel.basis.cell.vectors() - first.kernel.basis.cell.vectors()).cwiseAbs().maxCoeff();
        if (cell_differs > same_site)
            complain(
                fmt::format("its cell differs from that of \"{}\" by {:.3g} A (materials of one domain share "
                            "a common grid of cells). Use kernels of the same crystal, or continuum voxels",
                            first.name, cell_differs));
        for (std::size_t i = 0; i < m.kernel.n_sites(); ++i) {
            const double differs = (m.kernel.basis.positions[i] - first.kernel.basis.positions[i]).norm();
            if (differs > same_site)
                complain(
                    fmt::format("its site {} is {:.3g} A from that of \"{}\" (materials of one domain share "
                                "their sites). Use kernels of the same crystal",
                                i, differs, first.name));
        }
        if (std::abs(m.kernel.lag_time - first.kernel.lag_time) > 1e-9 * first.kernel.lag_time)
            complain(
                fmt::format("lag time {} ps, \"{}\" has {} ps (all make one step together). Bring them to "
                            "the shorter one by their rates",
                            m.kernel.lag_time, first.name, first.kernel.lag_time));
    }
}

void check_regions(const Domain& domain) {
    if (domain.regions.empty() || domain.regions.size() > 65535)
        throw DataError(fmt::format("{} regions (1 to 65535 are possible)", domain.regions.size()));
    for (const Region& r : domain.regions)
        if (r.material >= domain.materials.size())
            throw DataError(fmt::format("region \"{}\" is of material {} (there are {}, counted from 0)",
                                        r.name, r.material, domain.materials.size()));
    if (domain.region.empty()) return;
    if (domain.region.size() != static_cast<std::size_t>(domain.n_cells()))
        throw DataError(fmt::format("{} labels for {} cells (one each is needed)", domain.region.size(),
                                    domain.n_cells()));
    const auto largest = *std::max_element(domain.region.begin(), domain.region.end());
    if (largest >= domain.regions.size())
        throw DataError(fmt::format("label {} without a region (there are {}, counted from 0)", largest,
                                    domain.regions.size()));
}

void check_faces(const Domain& domain) {
    static const char* const names[] = {"a_1", "a_2", "a_3"};
    for (std::size_t axis = 0; axis < 3; ++axis) {
        const auto& [low, high] = domain.faces[axis];
        if ((low.kind == FaceKind::periodic) != (high.kind == FaceKind::periodic))
            throw DataError(
                fmt::format("one face of {} is periodic, the opposite one is not (an ion that leaves "
                            "there would not come in here). Make both periodic or none",
                            names[axis]));
        for (const Face& face : {low, high})
            if (!(face.concentration >= 0) || !std::isfinite(face.concentration))
                throw DataError(
                    fmt::format("reservoir of concentration {} at a face of {} (must not be negative)",
                                face.concentration, names[axis]));
    }
}

double largest_leave(const Kernel& kernel) {
    double largest = 0;
    for (std::size_t j = 0; j < kernel.n_sites(); ++j) {
        double leave = 0;
        for (const KernelEntry& e : kernel.from(j))
            if (static_cast<std::size_t>(e.to) != j || !e.R.isZero()) leave += e.p;
        largest = std::max(largest, leave);
    }
    return largest;
}

/// v_ij of Selling's decomposition: integer vectors dual to a superbase.
struct SellingTerm {
    IVec3 offset;
    double weight;
};

std::vector<SellingTerm> selling(const Mat3& D) {
    std::array<IVec3, 4> e{IVec3::UnitX(), IVec3::UnitY(), IVec3::UnitZ(), -IVec3::Ones()};
    const auto product = [&](std::size_t i, std::size_t j) {
        return e[i].cast<double>().dot(D * e[j].cast<double>());
    };
    const double tolerance = 1e-13 * D.cwiseAbs().maxCoeff();
    for (int round = 0; round < 1000; ++round) {
        bool obtuse = true;
        for (std::size_t i = 0; i < 4 && obtuse; ++i)
            for (std::size_t j = i + 1; j < 4 && obtuse; ++j) {
                if (product(i, j) <= tolerance) continue;
                obtuse = false;
                const IVec3 turned = e[i];
                for (std::size_t k = 0; k < 4; ++k)
                    if (k != i && k != j) e[k] += turned;
                e[i] = -turned;
            }
        if (!obtuse) continue;
        std::vector<SellingTerm> terms;
        for (std::size_t i = 0; i < 4; ++i)
            for (std::size_t j = i + 1; j < 4; ++j) {
                std::array<std::size_t, 2> rest{};
                for (std::size_t k = 0, n = 0; k < 4; ++k)
                    if (k != i && k != j) rest[n++] = k;
                const double weight = -product(i, j);
                if (weight > tolerance) terms.push_back({e[rest[0]].cross(e[rest[1]]), weight});
            }
        return terms;
    }
    throw DataError(
        "no positive hops give this diffusion tensor (it is nearly singular along a direction that is "
        "none of the lattice). Choose voxels along its axes");
}

} // namespace

const char* name(FaceKind kind) {
    static constexpr std::array<const char*, 4> names{"periodic", "reflecting", "absorbing", "reservoir"};
    return names[static_cast<std::size_t>(kind)];
}

bool Domain::has_face(FaceKind kind) const {
    for (const auto& axis : faces)
        for (const Face& face : axis)
            if (face.kind == kind) return true;
    return false;
}

IVec3 Domain::cell_at(std::size_t index) const {
    const auto nx = static_cast<std::size_t>(cells[0]), ny = static_cast<std::size_t>(cells[1]);
    return {static_cast<int>(index % nx), static_cast<int>(index / nx % ny),
            static_cast<int>(index / nx / ny)};
}

Domain crystal_domain(const Kernel& kernel, const IVec3& cells) {
    Domain domain;
    domain.cells = cells;
    domain.materials = {{"crystal", kernel, 1}};
    domain.regions = {{"crystal", 0}};
    check_domain(domain);
    return domain;
}

void check_domain(const Domain& domain) {
    check_materials(domain);
    if ((domain.cells.array() < 1).any())
        throw DataError(
            fmt::format("domain of {} x {} x {} cells (each must be at least 1). Give a larger size",
                        domain.cells[0], domain.cells[1], domain.cells[2]));
    const double sites = domain.cells.cast<double>().prod() * static_cast<double>(domain.n_basis());
    if (!(sites < 0x1p48))
        throw DataError(fmt::format("domain of {:.3g} sites (beyond 2^48). Give a smaller size", sites));
    check_regions(domain);
    check_faces(domain);
    if (!(domain.interface_resistance >= 0) || !std::isfinite(domain.interface_resistance))
        throw DataError(fmt::format("interface resistance of {} ps/A (must not be negative)",
                                    domain.interface_resistance));
    if (domain.crystal()) return;
    for (const Material& m : domain.materials)
        if (!m.kernel.reversible && !has_detailed_balance(m.kernel))
            throw DataError(fmt::format(
                "material \"{}\": a kernel without detailed balance beside walls or other materials (its "
                "stationary "
                "distribution would not survive there). Use a reversible estimator, or one periodic crystal",
                m.name));
}

Kernel scaled_kernel(const Kernel& kernel, double factor) {
    const double leave = largest_leave(kernel);
    if (!(factor >= 0) || factor * leave > 1 + 1e-12)
        throw DataError(
            fmt::format("rates scaled by {} (0 to {:.6g} is possible: beyond it an ion would leave its "
                        "site with a probability above 1 in one lag). Use a shorter lag",
                        factor, leave > 0 ? 1 / leave : 0.0));
    Kernel scaled;
    scaled.basis = kernel.basis;
    scaled.lag_time = kernel.lag_time;
    scaled.stationary = kernel.stationary;
    scaled.reversible = kernel.reversible;
    for (std::size_t j = 0; j < kernel.n_sites(); ++j) {
        const auto self = static_cast<std::int32_t>(j);
        std::vector<KernelEntry> column;
        double leaves = 0;
        for (const KernelEntry& e : kernel.from(j)) {
            if ((e.to == self && e.R.isZero()) || factor == 0) continue;
            column.push_back({e.to, e.R, factor * e.p});
            leaves += factor * e.p;
        }
        if (leaves < 1) column.push_back({self, IVec3::Zero(), 1 - leaves});
        std::sort(column.begin(), column.end(), [&](const KernelEntry& a, const KernelEntry& b) {
            return Transition{self, a.to, a.R} < Transition{self, b.to, b.R};
        });
        scaled.entries.insert(scaled.entries.end(), column.begin(), column.end());
        scaled.column.push_back(scaled.entries.size());
    }
    return scaled;
}

double longest_lag(const Kernel& kernel) {
    const double leave = largest_leave(kernel);
    return leave > 0 ? kernel.lag_time / leave : std::numeric_limits<double>::infinity();
}

Kernel kernel_at_lag(const Kernel& kernel, double lag) {
    if (!(lag > 0)) throw DataError(fmt::format("lag time of {} ps (must be positive)", lag));
    if (lag == kernel.lag_time) return kernel;
    Kernel shorter = scaled_kernel(kernel, lag / kernel.lag_time);
    shorter.lag_time = lag;
    return shorter;
}

Kernel continuum_kernel(const Mat3& diffusivity, const Cell& voxel, double lag) {
    const double scale = diffusivity.cwiseAbs().maxCoeff();
    if (!diffusivity.allFinite() ||
        (diffusivity - diffusivity.transpose()).cwiseAbs().maxCoeff() > 1e-9 * scale)
        throw DataError(
            "diffusion tensor that is not symmetric (or not finite). Give six numbers of a symmetric one");
    const Mat3 fractional = voxel.inverse().transpose() * diffusivity * voxel.inverse();
    std::vector<SellingTerm> terms;
    if (scale > 0) {
        const Eigen::SelfAdjointEigenSolver<Mat3> eigen(diffusivity, Eigen::EigenvaluesOnly);
        if (eigen.eigenvalues()[0] < -1e-9 * scale)
            throw DataError(
                fmt::format("diffusion tensor with a negative eigenvalue {:.3g} A^2/ps. Check its entries",
                            eigen.eigenvalues()[0]));
        terms = selling((fractional + fractional.transpose()) / 2);
    }
    double leave_rate = 0;
    std::map<std::array<int, 3>, double> rates;
    for (const SellingTerm& t : terms) {
        if (t.offset.cwiseAbs().maxCoeff() > 127)
            throw DataError(
                "diffusion tensor whose hops reach beyond 127 voxels. Choose voxels along its axes");
        for (const int sign : {-1, 1})
            rates[{sign * t.offset[0], sign * t.offset[1], sign * t.offset[2]}] += t.weight;
        leave_rate += 2 * t.weight;
    }
    Kernel kernel;
    kernel.lag_time = lag > 0 ? lag : (leave_rate > 0 ? 0.5 / leave_rate : 1.0);
    if (kernel.lag_time * leave_rate > 1 + 1e-12)
        throw DataError(
            fmt::format("lag time of {:.4g} ps for voxels of the continuum (they are left within {:.4g} "
                        "ps on average). Use larger voxels or a shorter lag",
                        kernel.lag_time, 1 / leave_rate));
    kernel.basis.cell = voxel;
    kernel.basis.positions = {Vec3::Zero()};
    kernel.basis.orbit = {0};
    kernel.basis.name = {"voxel"};
    kernel.stationary = {1.0};
    kernel.reversible = true;
    rates[{0, 0, 0}] = 0;
    for (const auto& [R, rate] : rates) {
        const bool stay = R == std::array<int, 3>{0, 0, 0};
        const double p = kernel.lag_time * (stay ? 1 / kernel.lag_time - leave_rate : rate);
        if (p > 0) kernel.entries.push_back({0, IVec3(R[0], R[1], R[2]), p});
    }
    kernel.column.push_back(kernel.entries.size());
    return kernel;
}

} // namespace mesolith
