#pragma once
// Bloch matrices of a kernel, real where they are real.
#include <cmath>
#include <complex>
#include <numbers>
#include <type_traits>
#include <vector>

#include <Eigen/Core>

#include "mesolith/msm/kernel.hpp"

namespace mesolith {

/// M(kappa) is real: each component of kappa is a multiple of 1/2.
inline bool is_real_point(const Vec3& kappa) {
    for (int a = 0; a < 3; ++a)
        if (const double twice = 2 * kappa[a]; twice != std::round(twice)) return false;
    return true;
}

/// exp(-2 pi i kappa.R), from one table per axis.
template <class Scalar> // double at real points only
class Phases {
public:
    Phases(const Kernel& kernel, const Vec3& kappa) {
        for (const KernelEntry& e : kernel.entries) reach_ = reach_.cwiseMax(e.R.cwiseAbs());
        for (int a = 0; a < 3; ++a)
            for (int r = -reach_[a]; r <= reach_[a]; ++r) table_[a].push_back(factor(kappa[a] * r));
    }
    Scalar operator()(const IVec3& R) const { return product(product(at(0, R), at(1, R)), at(2, R)); }

private:
    static Scalar factor(double turns) {
        turns -= std::round(turns);
        if constexpr (std::is_same_v<Scalar, double>)
            return std::abs(turns) > 0.25 ? -1 : 1;
        else
            return std::polar(1.0, -2 * std::numbers::pi * turns);
    }
    static Scalar product(const Scalar& x, const Scalar& y) {
        if constexpr (std::is_same_v<Scalar, double>)
            return x * y;
        else // all are finite: none of the checks of operator*
            return {x.real() * y.real() - x.imag() * y.imag(), x.real() * y.imag() + x.imag() * y.real()};
    }
    const Scalar& at(int a, const IVec3& R) const {
        return table_[a][static_cast<std::size_t>(R[a] + reach_[a])];
    }
    IVec3 reach_ = IVec3::Zero();
    std::vector<Scalar> table_[3];
};

/// Sites with stationary weight, numbered anew.
struct OccupiedSites {
    std::vector<std::int32_t> local; ///< place among them, -1: none
    std::vector<std::size_t> site;
    std::vector<double> root, inverse_root; ///< sqrt(pi) of all sites; 0 where pi = 0

    explicit OccupiedSites(const Kernel& kernel)
        : local(kernel.n_sites(), -1), root(kernel.n_sites(), 0.0), inverse_root(root) {
        for (std::size_t j = 0; j < kernel.n_sites(); ++j)
            if (kernel.stationary[j] > 0) {
                local[j] = static_cast<std::int32_t>(site.size());
                root[j] = std::sqrt(kernel.stationary[j]);
                inverse_root[j] = 1 / root[j];
                site.push_back(j);
            }
    }
    Eigen::Index size() const { return static_cast<Eigen::Index>(site.size()); }

    /// f(row, column, value) for the entries of D^-1/2 M(kappa) D^1/2, D = diag(pi): Hermitian for a
    /// reversible kernel.
    template <class Scalar, class F>
    void for_each_scaled(const Kernel& kernel, const Phases<Scalar>& phases, F&& f) const {
        for (const std::size_t j : site)
            for (const KernelEntry& e : kernel.from(j)) {
                const auto to = static_cast<std::size_t>(e.to);
                if (local[to] >= 0) f(local[to], local[j], phases(e.R) * (e.p * root[j] * inverse_root[to]));
            }
    }

    template <class Scalar>
    Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic> scaled(const Kernel& kernel,
                                                                 const Vec3& kappa) const {
        Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic> m;
        m.setZero(size(), size());
        for_each_scaled(kernel, Phases<Scalar>(kernel, kappa),
                        [&](auto i, auto j, const Scalar& value) { m(i, j) += value; });
        return m;
    }
};

/// M(kappa) itself, all sites.
template <class Scalar>
Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic> plain_bloch_matrix(const Kernel& kernel,
                                                                         const Vec3& kappa) {
    const auto n = static_cast<Eigen::Index>(kernel.n_sites());
    const Phases<Scalar> phases(kernel, kappa);
    Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic> m;
    m.setZero(n, n);
    for (std::size_t j = 0; j < kernel.n_sites(); ++j)
        for (const KernelEntry& e : kernel.from(j))
            m(e.to, static_cast<Eigen::Index>(j)) += phases(e.R) * e.p;
    return m;
}

/// kappa and -kappa (modulo 1) have conjugate Bloch matrices.
inline bool same_wave_vector(const Vec3& a, const Vec3& b) {
    const Vec3 d = a - b;
    return (d - d.array().round().matrix()).cwiseAbs().maxCoeff() < 1e-9;
}

} // namespace mesolith
