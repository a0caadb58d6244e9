// A few eigenpairs of large sparse matrices by Spectra.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wuse-after-free" // false alarm of GCC 12 on Spectra's Hessenberg solver
#endif
#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numbers>
#include <type_traits>

#include <Eigen/LU>
#include <Spectra/GenEigsSolver.h>
#include <Spectra/SymEigsSolver.h>

#include "mesolith/core/error.hpp"
#include "mesolith/crystal/eigen_solvers.hpp"

#include "eigenvalues.hpp"

namespace mesolith {

namespace {

using Complex = std::complex<double>;
constexpr double tolerance = 1e-12;
constexpr double same_modulus = 1e-9; // relative

/// Numbers without a pattern that a crystal could share, others in each round.
Eigen::VectorXd start_vector(Eigen::Index n, int round) {
    Eigen::VectorXd x(n);
    const double turn = std::numbers::phi * std::numbers::sqrt2 + 0.1 * std::numbers::pi * round;
    for (Eigen::Index i = 0; i < n; ++i) {
        const double t = turn * static_cast<double>(i + 1) * (1 + 1e-3 * static_cast<double>(i % 97));
        x[i] = t - std::floor(t) - 0.5;
    }
    return x;
}

/// What Spectra multiplies with: one type for all, since each costs the compiler ten seconds.
struct RealOperator {
    using Scalar = double; // asked for by Spectra
    Eigen::Index size;
    std::function<void(const double*, double*)> apply;
    Eigen::Index rows() const { return size; }
    Eigen::Index cols() const { return size; }
    void perform_op(const double* in, double* out) const { apply(in, out); }
};

/// y = (S - V diag(lambda) V^H) x of a Hermitian S, in real numbers: a complex vector is the real one of
/// twice its length, and S stays symmetric.
template <class Scalar>
struct Deflated {
    using Vector = Eigen::Matrix<Scalar, Eigen::Dynamic, 1>;
    using Matrix = Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic>;
    static constexpr Eigen::Index width = std::is_same_v<Scalar, double> ? 1 : 2;

    const Eigen::SparseMatrix<Scalar>& matrix;
    Matrix found; // orthonormal
    Eigen::VectorXd values;

    RealOperator in_real_numbers() const {
        return {width * matrix.rows(), [this](const double* in, double* out) { multiply(in, out); }};
    }
    void multiply(const double* in, double* out) const {
        const Eigen::Map<const Vector> x(reinterpret_cast<const Scalar*>(in), matrix.rows());
        Eigen::Map<Vector> y(reinterpret_cast<Scalar*>(out), matrix.rows());
        y.noalias() = matrix * x;
        if (found.cols() > 0) {
            const Vector share = (found.adjoint() * x).cwiseProduct(values.template cast<Scalar>());
            y.noalias() -= found * share;
        }
    }

    /// Add what is new in a vector; false when nothing is.
    bool add(Vector x) {
        for (int twice = 0; twice < 2; ++twice) {
            x.normalize();
            if (found.cols() > 0) x -= found * (found.adjoint() * x);
            if (x.norm() < 1e-6) return false;
        }
        x.normalize();
        found.conservativeResize(matrix.rows(), found.cols() + 1);
        found.col(found.cols() - 1) = x;
        return true;
    }

    /// Ritz values and vectors of all that was found, by falling modulus.
    void rotate() {
        const Matrix image = matrix * found;
        const Matrix projected = found.adjoint() * image;
        const Eigen::SelfAdjointEigenSolver<Matrix> solver(projected);
        std::vector<Eigen::Index> order(static_cast<std::size_t>(found.cols()));
        for (std::size_t k = 0; k < order.size(); ++k) order[k] = static_cast<Eigen::Index>(k);
        std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) {
            return std::abs(solver.eigenvalues()[a]) > std::abs(solver.eigenvalues()[b]);
        });
        const Matrix rotated = found * solver.eigenvectors();
        values.resize(found.cols());
        for (Eigen::Index k = 0; k < found.cols(); ++k) {
            found.col(k) = rotated.col(order[static_cast<std::size_t>(k)]);
            values[k] = solver.eigenvalues()[order[static_cast<std::size_t>(k)]];
        }
    }
};

/// Eigenpairs of largest modulus, `n` of them.
void search(RealOperator op, Eigen::Index n, int round, Eigen::VectorXd& values, Eigen::MatrixXd& vectors) {
    for (Eigen::Index basis = 2 * n + 20;; basis *= 2) {
        Spectra::SymEigsSolver<RealOperator> solver(op, n, std::min(basis, op.rows()));
        const Eigen::VectorXd start = start_vector(op.rows(), round);
        solver.init(start.data());
        solver.compute(Spectra::SortRule::LargestMagn, 3000, tolerance);
        if (solver.info() == Spectra::CompInfo::Successful) {
            values = solver.eigenvalues();
            vectors = solver.eigenvectors();
            return;
        }
        if (basis >= op.rows() || basis > 40 * n + 400)
            throw DataError("the slow modes of a kernel did not converge (hop probabilities span too many "
                            "decades). Ask for fewer modes");
    }
}

template <class Scalar>
Eigenpairs lanczos(const Eigen::SparseMatrix<Scalar>& m, std::size_t n_wanted,
                   const typename Deflated<Scalar>::Matrix& known) {
    using Vector = typename Deflated<Scalar>::Vector;
    Deflated<Scalar> rest{m, known, Eigen::VectorXd::Ones(known.cols())};
    const auto n =
        static_cast<Eigen::Index>(std::min<std::size_t>(n_wanted, static_cast<std::size_t>(m.rows())));
    Eigen::Index ask = std::max<Eigen::Index>(n - known.cols(), 0) + 2;
    constexpr int most_rounds = 200;
    for (int round = 0; round < most_rounds; ++round) {
        const RealOperator op = rest.in_real_numbers();
        ask = std::min(ask, op.rows() - 2);
        Eigen::VectorXd values;
        Eigen::MatrixXd vectors;
        search(op, ask, round, values, vectors);
        // All that is as large as the n-th is in hand once a search without it finds only smaller ones.
        const double cut = rest.values.size() >= n ? std::abs(rest.values[n - 1]) * (1 - 1e-7) : 0.0;
        bool news = false;
        for (Eigen::Index k = 0; k < values.size(); ++k)
            if (rest.values.size() < n || std::abs(values[k]) > cut)
                news = rest.add(Eigen::Map<const Vector>(
                           reinterpret_cast<const Scalar*>(vectors.col(k).data()), m.rows())) ||
                       news;
        if (!news && rest.values.size() >= n) break;
        rest.rotate();
        ask = rest.values.size() >= n ? 2 : n - rest.values.size() + 2;
    }
    Eigenpairs pairs;
    pairs.values = rest.values.template cast<Complex>();
    pairs.right = pairs.left = rest.found.template cast<Complex>();
    return pairs;
}

/// y = (M - R diag(lambda) L^H) x or its transpose; the pairs are closed under conjugation, so that it is
/// real.
struct DeflatedGeneral {
    using Scalar = double;
    const Eigen::SparseMatrix<double>& matrix;
    const Eigenpairs& found;
    Eigen::Index rows() const { return matrix.rows(); }
    Eigen::Index cols() const { return matrix.rows(); }
    void perform_op(const double* in, double* out) const {
        const Eigen::Map<const Eigen::VectorXd> x(in, matrix.rows());
        Eigen::Map<Eigen::VectorXd> y(out, matrix.rows());
        y.noalias() = matrix * x;
        if (found.values.size() > 0)
            y -= (found.right * found.values.cwiseProduct(found.left.adjoint() * x)).real();
    }
};

bool arnoldi(const Eigen::SparseMatrix<double>& m, const Eigenpairs& found, Eigen::Index ask, int round,
             Eigen::VectorXcd& values, Eigen::MatrixXcd& vectors) {
    DeflatedGeneral op{m, found};
    Spectra::GenEigsSolver<DeflatedGeneral> solver(op, ask, std::min(3 * ask + 30, m.rows()));
    const Eigen::VectorXd start = start_vector(m.rows(), round);
    solver.init(start.data());
    solver.compute(Spectra::SortRule::LargestMagn, 3000, tolerance);
    if (solver.info() != Spectra::CompInfo::Successful) return false;
    values = solver.eigenvalues();
    vectors = solver.eigenvectors();
    return true;
}

/// The first of a list by falling modulus, not cut through a conjugate pair.
Eigen::Index whole_pairs(const Eigen::VectorXcd& values, Eigen::Index n) {
    n = std::min(n, values.size());
    double sum = 0;
    for (Eigen::Index k = 0; k < n; ++k) sum += values[k].imag();
    if (std::abs(sum) > same_modulus) n = n < values.size() ? n + 1 : n - 1;
    return n;
}

} // namespace

Eigenpairs lanczos_eigenpairs(const Eigen::SparseMatrix<double>& m, std::size_t n,
                              const Eigen::MatrixXd& known) {
    return lanczos(m, n, known);
}
Eigenpairs lanczos_eigenpairs(const Eigen::SparseMatrix<Complex>& m, std::size_t n,
                              const Eigen::MatrixXcd& known) {
    return lanczos(m, n, known);
}

bool arnoldi_eigenpairs(const Eigen::SparseMatrix<double>& m, std::size_t n, Eigenpairs& pairs) {
    const Eigen::SparseMatrix<double> transposed = m.transpose();
    const auto ask = static_cast<Eigen::Index>(n) + 4;
    if (3 * ask + 30 > m.rows()) return false;
    const Eigenpairs nothing;
    Eigen::VectorXcd values, other_values;
    Eigen::MatrixXcd right, left;
    if (!arnoldi(m, nothing, ask, 0, values, right) ||
        !arnoldi(transposed, nothing, ask, 0, other_values, left))
        return false;
    const Eigen::Index k = whole_pairs(values, static_cast<Eigen::Index>(n) + 1);
    if (k < static_cast<Eigen::Index>(n) || k != whole_pairs(other_values, static_cast<Eigen::Index>(n) + 1))
        return false;
    for (Eigen::Index a = 0; a < k; ++a) {
        double nearest = std::numeric_limits<double>::infinity();
        for (Eigen::Index b = 0; b < k; ++b)
            nearest = std::min(nearest, std::abs(values[a] - other_values[b]));
        if (nearest > same_modulus) return false;
    }
    pairs.values = values.head(k);
    pairs.right = right.leftCols(k);
    // Left vectors are those of m^T, conjugated, and combined so that left^H right = 1.
    const Eigen::MatrixXcd basis = left.leftCols(k).conjugate();
    const Eigen::FullPivLU<Eigen::MatrixXcd> gram(basis.adjoint() * pairs.right);
    if (!gram.isInvertible()) return false;
    pairs.left = basis * gram.inverse().adjoint();
    if ((Eigen::MatrixXcd(transposed.cast<Complex>() * pairs.left) -
         pairs.left * pairs.values.conjugate().asDiagonal())
            .cwiseAbs()
            .maxCoeff() > 1e-8 * pairs.left.cwiseAbs().maxCoeff())
        return false;
    Eigen::VectorXcd rest;
    Eigen::MatrixXcd unused;
    return arnoldi(m, pairs, 2, 1, rest, unused) &&
           std::abs(rest[0]) <= std::abs(pairs.values[k - 1]) * (1 + same_modulus);
}

} // namespace mesolith
