#include "mesolith/msm/spectrum.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>

#include "mesolith/core/error.hpp"
#include "mesolith/msm/classes.hpp"

#include "bloch.hpp"
#include "eigenvalues.hpp"
#include "slowest.hpp"

namespace mesolith {

namespace {

using Complex = std::complex<double>;

template <class Scalar>
Eigen::SparseMatrix<Scalar> sparse_scaled(const Kernel& kernel, const OccupiedSites& sites,
                                          const Vec3& kappa) {
    std::vector<Eigen::Triplet<Scalar>> triplets;
    triplets.reserve(kernel.entries.size());
    sites.for_each_scaled(kernel, Phases<Scalar>(kernel, kappa),
                          [&](auto i, auto j, const Scalar& value) { triplets.emplace_back(i, j, value); });
    Eigen::SparseMatrix<Scalar> m(sites.size(), sites.size());
    m.setFromTriplets(triplets.begin(), triplets.end());
    return m;
}

/// Unit eigenvectors of the scaled M(0), one per closed class of occupied sites.
struct ClassVectors {
    Eigen::MatrixXd right, left;
};

ClassVectors class_vectors(const Kernel& kernel, const OccupiedSites& sites) {
    const ClassStructure structure = closed_classes(kernel);
    ClassVectors vectors;
    for (const ClosedClass& closed : structure.classes) {
        if (sites.local[static_cast<std::size_t>(closed.sites.front())] < 0) continue;
        Eigen::VectorXd right = Eigen::VectorXd::Zero(sites.size()), left = right;
        double weight = 0;
        for (const std::int32_t s : closed.sites) weight += kernel.stationary[static_cast<std::size_t>(s)];
        for (const std::int32_t s : closed.sites)
            right[sites.local[static_cast<std::size_t>(s)]] =
                sites.root[static_cast<std::size_t>(s)] / std::sqrt(weight);
        vectors.right.conservativeResize(sites.size(), vectors.right.cols() + 1);
        vectors.right.col(vectors.right.cols() - 1) = right;
    }
    vectors.left = vectors.right;
    return vectors;
}

template <class Scalar>
Eigenpairs reversible_pairs(const Kernel& kernel, const OccupiedSites& sites, const Vec3& kappa,
                            std::size_t n) {
    Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic> known(sites.size(), 0);
    if (same_wave_vector(kappa, Vec3::Zero()))
        known = class_vectors(kernel, sites).right.template cast<Scalar>();
    return lanczos_eigenpairs(sparse_scaled<Scalar>(kernel, sites, kappa), n, known);
}

/// Eigenpairs of the scaled M(kappa): all of them, or at least the n slowest and all that are as slow.
Eigenpairs scaled_pairs(const Kernel& kernel, const OccupiedSites& sites, const Vec3& kappa, std::size_t n,
                        std::size_t dense_limit) {
    const bool real = is_real_point(kappa);
    const auto size = static_cast<std::size_t>(sites.size());
    if (n > 0 && size > dense_limit && 4 * n + 40 < size) {
        if (kernel.reversible)
            return real ? reversible_pairs<double>(kernel, sites, kappa, n)
                        : reversible_pairs<Complex>(kernel, sites, kappa, n);
        Eigenpairs pairs;
        if (real && arnoldi_eigenpairs(sparse_scaled<double>(kernel, sites, kappa), n, pairs)) return pairs;
    }
    if (kernel.reversible)
        return real ? hermitian_eigenpairs(sites.scaled<double>(kernel, kappa))
                    : hermitian_eigenpairs(sites.scaled<Complex>(kernel, kappa));
    return real ? general_eigenpairs(sites.scaled<double>(kernel, kappa))
                : general_eigenpairs(sites.scaled<Complex>(kernel, kappa));
}

std::vector<std::size_t> by_falling_modulus(const Eigen::VectorXcd& values) {
    std::vector<std::size_t> order(static_cast<std::size_t>(values.size()));
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
        return std::abs(values[static_cast<Eigen::Index>(a)]) >
               std::abs(values[static_cast<Eigen::Index>(b)]);
    });
    return order;
}

/// Factor of modulus 1 that makes the largest component real and positive.
Complex turn_of(const Eigen::VectorXcd& v) {
    Eigen::Index largest = 0;
    for (Eigen::Index j = 1; j < v.size(); ++j)
        if (std::abs(v[j]) > std::abs(v[largest]) * (1 + 1e-9)) largest = j;
    const double modulus = v.size() > 0 ? std::abs(v[largest]) : 0;
    return modulus > 0 ? std::conj(v[largest]) / modulus : Complex(1);
}

} // namespace

std::vector<Complex> slowest_eigenvalues(const Kernel& kernel, const OccupiedSites& sites, const Vec3& kappa,
                                         std::size_t n) {
    const bool real = is_real_point(kappa);
    const auto size = static_cast<std::size_t>(sites.size());
    constexpr std::size_t dense_limit = 500;
    if (kernel.reversible && n > 0 && size > dense_limit && 4 * n + 40 < size) {
        const Eigen::VectorXcd values = (real ? reversible_pairs<double>(kernel, sites, kappa, n)
                                              : reversible_pairs<Complex>(kernel, sites, kappa, n))
                                            .values;
        return {values.begin(), values.end()};
    }
    if (kernel.reversible) {
        const std::size_t wanted = n > 0 ? n : size;
        const std::vector<double> values =
            real ? largest_by_modulus(sites.scaled<double>(kernel, kappa), wanted)
                 : largest_by_modulus(sites.scaled<Complex>(kernel, kappa), wanted);
        return {values.begin(), values.end()};
    }
    const Eigen::VectorXcd values = real ? general_eigenvalues(sites.scaled<double>(kernel, kappa))
                                         : general_eigenvalues(sites.scaled<Complex>(kernel, kappa));
    std::vector<Complex> sorted;
    for (const std::size_t k : by_falling_modulus(values))
        sorted.push_back(values[static_cast<Eigen::Index>(k)]);
    return sorted;
}

Eigen::MatrixXcd bloch_matrix(const Kernel& kernel, const Vec3& kappa) {
    return is_real_point(kappa) ? Eigen::MatrixXcd(plain_bloch_matrix<double>(kernel, kappa).cast<Complex>())
                                : plain_bloch_matrix<Complex>(kernel, kappa);
}

std::vector<Vec3> supercell_wave_vectors(const IMat3& N) {
    const auto minor = [&](int r, int c) {
        const int r1 = (r + 1) % 3, r2 = (r + 2) % 3, c1 = (c + 1) % 3, c2 = (c + 2) % 3;
        return N(r1, c1) * N(r2, c2) - N(r1, c2) * N(r2, c1);
    };
    IMat3 adjugate;
    for (int r = 0; r < 3; ++r)
        for (int c = 0; c < 3; ++c) adjugate(c, r) = minor(r, c);
    const int det = N(0, 0) * minor(0, 0) + N(0, 1) * minor(0, 1) + N(0, 2) * minor(0, 2);
    if (det == 0) throw DataError("a supercell matrix is singular");
    const int size = std::abs(det);
    // kappa = adj(N) m / det: the group generated modulo det by the columns of the adjugate.
    using Point = std::array<int, 3>;
    const auto wrap = [&](const IVec3& v) {
        Point p;
        for (int a = 0; a < 3; ++a) {
            const int x = (det > 0 ? v[a] : -v[a]) % size;
            p[static_cast<std::size_t>(a)] = x < 0 ? x + size : x;
        }
        return p;
    };
    std::set<Point> seen{Point{0, 0, 0}};
    std::vector<Point> queue{Point{0, 0, 0}};
    for (std::size_t q = 0; q < queue.size(); ++q) {
        const IVec3 here(queue[q][0], queue[q][1], queue[q][2]);
        for (int c = 0; c < 3; ++c) {
            const IVec3 step = det > 0 ? IVec3(adjugate.col(c)) : IVec3(-adjugate.col(c));
            const Point next = wrap(det > 0 ? IVec3(here + step) : IVec3(-(here + step)));
            if (seen.insert(next).second) queue.push_back(next);
        }
    }
    std::vector<Vec3> kappa;
    for (const Point& p : queue) {
        Vec3 k;
        for (int a = 0; a < 3; ++a) {
            const int x = p[static_cast<std::size_t>(a)];
            k[a] = static_cast<double>(2 * x > size ? x - size : x) / size;
        }
        kappa.push_back(k);
    }
    std::stable_sort(kappa.begin(), kappa.end(),
                     [](const Vec3& a, const Vec3& b) { return a.squaredNorm() < b.squaredNorm(); });
    return kappa;
}

double timescale(std::complex<double> eigenvalue, double lag_time) {
    const double modulus = std::abs(eigenvalue);
    if (modulus >= 1 - 1e-12) return std::numeric_limits<double>::infinity();
    return modulus > 0 ? -lag_time / std::log(modulus) : 0.0;
}

std::vector<Mode> kernel_spectrum(const Kernel& kernel, const std::vector<Vec3>& kappa) {
    const OccupiedSites sites(kernel);
    std::vector<std::vector<Complex>> values(kappa.size());
    std::vector<Mode> modes;
    modes.reserve(kappa.size() * static_cast<std::size_t>(sites.size()));
    for (std::size_t k = 0; k < kappa.size(); ++k) {
        std::size_t opposite = 0;
        while (opposite < k && !same_wave_vector(kappa[opposite], -kappa[k])) ++opposite;
        if (opposite < k)
            for (const Complex& value : values[opposite]) values[k].push_back(std::conj(value));
        else
            values[k] = slowest_eigenvalues(kernel, sites, kappa[k], 0);
        for (const Complex& value : values[k]) modes.push_back({value, kappa[k]});
    }
    std::stable_sort(modes.begin(), modes.end(), [](const Mode& a, const Mode& b) {
        const double x = std::abs(a.eigenvalue), y = std::abs(b.eigenvalue);
        return x != y ? x > y : a.kappa.squaredNorm() < b.kappa.squaredNorm();
    });
    return modes;
}

std::vector<double> slow_timescales(const Kernel& kernel, std::size_t n, const std::vector<Vec3>& kappa) {
    const OccupiedSites sites(kernel);
    std::vector<double> times;
    std::vector<std::vector<double>> at(kappa.size());
    for (std::size_t k = 0; k < kappa.size(); ++k) {
        std::size_t opposite = 0;
        while (opposite < k && !same_wave_vector(kappa[opposite], -kappa[k])) ++opposite;
        if (opposite < k) {
            at[k] = at[opposite];
        } else {
            const bool zero = same_wave_vector(kappa[k], Vec3::Zero());
            const std::vector<Complex> values =
                slowest_eigenvalues(kernel, sites, kappa[k], n + (zero ? 1 : 0));
            for (std::size_t m = zero ? 1 : 0; m < values.size(); ++m)
                at[k].push_back(timescale(values[m], kernel.lag_time));
        }
        times.insert(times.end(), at[k].begin(), at[k].end());
    }
    std::sort(times.begin(), times.end(), std::greater<>());
    times.resize(std::min(n, times.size()));
    return times;
}

std::vector<ModeGroup> group_modes(const Eigen::VectorXcd& eigenvalues, double tolerance, bool conjugates,
                                   std::span<const double> errors) {
    const auto n = static_cast<std::size_t>(eigenvalues.size());
    if (!errors.empty() && errors.size() != n) throw DataError("one error per eigenvalue is needed");
    const auto value = [&](std::size_t m) { return eigenvalues[static_cast<Eigen::Index>(m)]; };
    std::vector<char> taken(n, 0);
    std::vector<ModeGroup> groups;
    for (std::size_t first = 0; first < n; ++first) {
        if (taken[first]) continue;
        ModeGroup group;
        Complex sum = 0;
        for (std::size_t m = first; m < n; ++m) {
            if (taken[m]) continue;
            const Complex a = value(first), b = value(m);
            double slack = tolerance * std::max(std::abs(1.0 - a), std::abs(1.0 - b)) + 1e-12;
            if (!errors.empty()) slack = std::max(slack, std::hypot(errors[first], errors[m]));
            const bool same = std::abs(a - b) <= slack;
            if (!same && !(conjugates && std::abs(a - std::conj(b)) <= slack)) continue;
            taken[m] = 1;
            group.members.push_back(m);
            sum += conjugates && (same ? a : std::conj(a)).imag() < 0 ? std::conj(b) : b;
        }
        group.eigenvalue = sum / static_cast<double>(group.size());
        groups.push_back(std::move(group));
    }
    return groups;
}

SiteSpectrum site_spectrum(const Kernel& kernel, const Vec3& kappa, const SpectrumOptions& options) {
    const OccupiedSites sites(kernel);
    const Eigenpairs pairs = scaled_pairs(kernel, sites, kappa, options.n_slowest, options.dense_limit);
    const std::vector<std::size_t> order = by_falling_modulus(pairs.values);
    const bool real = is_real_point(kappa);

    SiteSpectrum result;
    result.kappa = kappa;
    result.lag_time = kernel.lag_time;
    result.reversible = kernel.reversible;
    result.stationary = Eigen::Map<const Eigen::VectorXd>(kernel.stationary.data(),
                                                          static_cast<Eigen::Index>(kernel.n_sites()));
    result.eigenvalues.resize(pairs.values.size());
    for (std::size_t k = 0; k < order.size(); ++k)
        result.eigenvalues[static_cast<Eigen::Index>(k)] = pairs.values[static_cast<Eigen::Index>(order[k])];
    result.groups = group_modes(result.eigenvalues, options.tolerance, real);

    // Whole groups, until there are enough modes.
    std::size_t kept = order.size();
    if (options.n_slowest > 0) {
        kept = 0;
        std::size_t g = 0;
        while (g < result.groups.size() && kept < options.n_slowest) kept += result.groups[g++].size();
        result.groups.resize(g);
    }
    std::vector<std::size_t> places;
    Eigen::VectorXcd values(static_cast<Eigen::Index>(kept));
    for (ModeGroup& group : result.groups)
        for (std::size_t& member : group.members) {
            values[static_cast<Eigen::Index>(places.size())] =
                result.eigenvalues[static_cast<Eigen::Index>(member)];
            places.push_back(order[member]);
            member = places.size() - 1;
        }
    result.eigenvalues = values;

    Eigen::MatrixXcd right(sites.size(), values.size()), left = right; // of the scaled matrix
    for (std::size_t k = 0; k < places.size(); ++k) {
        const auto from = static_cast<Eigen::Index>(places[k]), to = static_cast<Eigen::Index>(k);
        right.col(to) = pairs.right.col(from);
        left.col(to) = pairs.left.col(from);
        // left^H right stays 1: both turn alike. Non-reversible solvers leave the length open.
        const double size = right.col(to).norm();
        const Complex turn = turn_of(right.col(to)) / size;
        right.col(to) *= turn;
        left.col(to) *= turn * size * size;
    }
    if (same_wave_vector(kappa, Vec3::Zero()) && !result.groups.empty()) {
        const ModeGroup& unit = result.groups.front();
        const ClassVectors classes = class_vectors(kernel, sites);
        if (std::abs(unit.eigenvalue - 1.0) < 1e-10 &&
            unit.size() == static_cast<std::size_t>(classes.right.cols()))
            for (std::size_t c = 0; c < unit.size(); ++c) {
                const auto to = static_cast<Eigen::Index>(unit.members[c]);
                right.col(to) = classes.right.col(static_cast<Eigen::Index>(c)).cast<Complex>();
                left.col(to) = classes.left.col(static_cast<Eigen::Index>(c)).cast<Complex>();
            }
    }
    const auto all = static_cast<Eigen::Index>(kernel.n_sites());
    result.right = result.left = Eigen::MatrixXcd::Zero(all, values.size());
    for (std::size_t s = 0; s < sites.site.size(); ++s) {
        const auto j = static_cast<Eigen::Index>(sites.site[s]), row = static_cast<Eigen::Index>(s);
        const double root = sites.root[sites.site[s]];
        result.right.row(j) = right.row(row) * root;
        result.left.row(j) = left.row(row) / root;
    }
    return result;
}

} // namespace mesolith
