#include "eigenvalues.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include <Eigen/LU>

#include "mesolith/core/error.hpp"
#include "mesolith/crystal/eigen_solvers.hpp"

#include "tridiagonal.hpp"

namespace mesolith {

namespace {

void demand_success(Eigen::ComputationInfo info) {
    if (info != Eigen::Success)
        throw DataError("eigenvalues did not converge (a transition matrix holds numbers that are not "
                        "finite). Check the kernel");
}

/// A real symmetric tridiagonal matrix.
class Tridiagonal {
public:
    Tridiagonal(Eigen::VectorXd diagonal, const Eigen::VectorXd& beside)
        : diagonal_(std::move(diagonal)), squares_(beside.cwiseAbs2()) {
        const Eigen::Index n = diagonal_.size();
        low_ = high_ = diagonal_[0];
        for (Eigen::Index i = 0; i < n; ++i) { // Gershgorin
            const double radius =
                (i > 0 ? std::abs(beside[i - 1]) : 0) + (i + 1 < n ? std::abs(beside[i]) : 0);
            low_ = std::min(low_, diagonal_[i] - radius);
            high_ = std::max(high_, diagonal_[i] + radius);
        }
        const double size = std::max(std::abs(low_), std::abs(high_));
        slack_ = 4 * std::numeric_limits<double>::epsilon() * size;
        smallest_pivot_ =
            std::numeric_limits<double>::min() * std::max(1.0, n > 1 ? squares_.maxCoeff() : 0.0);
        low_ -= slack_ + smallest_pivot_;
        high_ += slack_ + smallest_pivot_;
    }

    static constexpr std::size_t lanes = sturm_lanes;
    using Lanes = SturmLanes;

    /// Number of eigenvalues below each x: negative pivots of T - x (Sylvester).
    Lanes count_below(const Lanes& x) const {
        return sturm_counts(diagonal_.data(), squares_.data(), diagonal_.size(), smallest_pivot_, x);
    }

    double count_below(double x) const {
        Lanes all;
        all.fill(x);
        return count_below(all)[0];
    }

    /// Eigenvalues number first, first + 1 ... (n of them) of the ascending list, by bisection.
    std::vector<double> ascending(std::size_t first, std::size_t n) const {
        std::vector<double> low(n, low_), high(n, high_);
        std::vector<std::size_t> open(n);
        for (std::size_t k = 0; k < n; ++k) open[k] = k;
        Lanes x;
        for (std::size_t l = 0; l < lanes; ++l) // one common sweep separates most of them
            x[l] = low_ + (high_ - low_) * static_cast<double>(l + 1) / (lanes + 1);
        for (std::size_t used = lanes;;) {
            const Lanes count = count_below(x);
            for (std::size_t l = 0; l < used; ++l)
                for (const std::size_t k : open)
                    if (x[l] > low[k] && x[l] < high[k])
                        (count[l] > static_cast<double>(first + k) ? high[k] : low[k]) = x[l];
            std::erase_if(open, [&](std::size_t k) { return high[k] - low[k] <= slack_; });
            if (open.empty()) break;
            used = std::min(lanes, open.size());
            for (std::size_t l = 0; l < lanes; ++l) {
                // Lanes left over cut the last intervals once more.
                const std::size_t k = open[l % open.size()], turn = l / open.size(),
                                  parts = (lanes - 1 - l % open.size()) / open.size() + 2;
                x[l] =
                    low[k] + (high[k] - low[k]) * static_cast<double>(turn + 1) / static_cast<double>(parts);
            }
            used = lanes;
        }
        std::vector<double> values(n);
        for (std::size_t k = 0; k < n; ++k) values[k] = low[k] + (high[k] - low[k]) / 2;
        return values;
    }

private:
    Eigen::VectorXd diagonal_, squares_;
    double low_ = 0, high_ = 0, slack_ = 0, smallest_pivot_ = 0;
};

std::vector<double> falling_modulus(std::vector<double> values, std::size_t n) {
    std::stable_sort(values.begin(), values.end(),
                     [](double a, double b) { return std::abs(a) > std::abs(b); });
    values.resize(std::min(n, values.size()));
    return values;
}

template <class Matrix>
Eigen::VectorXd all_hermitian(const Matrix& m) {
    const Eigen::SelfAdjointEigenSolver<Matrix> solver(m, Eigen::EigenvaluesOnly);
    demand_success(solver.info());
    return solver.eigenvalues();
}

Tridiagonal tridiagonal(Eigen::MatrixXd m) {
    Eigen::VectorXd diagonal, beside;
    reduce_to_tridiagonal(m, diagonal, beside);
    return {std::move(diagonal), beside};
}
Tridiagonal tridiagonal(const Eigen::MatrixXcd& m) {
    const Eigen::Tridiagonalization<Eigen::MatrixXcd> reduced(m);
    return {reduced.diagonal(), reduced.subDiagonal()};
}

template <class Matrix>
std::vector<double> some_hermitian(const Matrix& m, std::size_t n) {
    const auto size = static_cast<std::size_t>(m.rows());
    n = std::min(n, size);
    if (n == 0) return {};
    if (size < 3 || 5 * n > size) { // measured: the implicit QR iteration for all is cheaper
        const Eigen::VectorXd all = all_hermitian(m);
        return falling_modulus({all.begin(), all.end()}, n);
    }
    if (!m.allFinite()) demand_success(Eigen::NoConvergence);
    const Tridiagonal t = tridiagonal(m);
    std::vector<double> values = t.ascending(size - n, n);
    const double least = std::max(values.front(), 0.0);
    const auto below = static_cast<std::size_t>(t.count_below(-least)); // as large, but negative
    if (below > 0) {
        const std::size_t extra = std::min({below, n, size - n});
        const std::vector<double> negative = t.ascending(0, extra);
        values.insert(values.end(), negative.begin(), negative.end());
    }
    std::reverse(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(n));
    return falling_modulus(std::move(values), n);
}

template <class Matrix>
double norm_of(const Matrix& m) {
    if (m.size() == 0) return 0;
    return std::sqrt(std::max(some_hermitian(Matrix(m.adjoint() * m), 1)[0], 0.0));
}

template <class Matrix>
Eigenpairs pairs_of_hermitian(const Matrix& m) {
    const Eigen::SelfAdjointEigenSolver<Matrix> solver(m);
    demand_success(solver.info());
    Eigenpairs pairs;
    pairs.values = solver.eigenvalues().template cast<std::complex<double>>();
    pairs.right = pairs.left = solver.eigenvectors().template cast<std::complex<double>>();
    return pairs;
}

template <class Solver, class Matrix>
Eigenpairs pairs_of_general(const Matrix& m) {
    const Solver solver(m);
    demand_success(solver.info());
    Eigenpairs pairs;
    pairs.values = solver.eigenvalues();
    pairs.right = solver.eigenvectors();
    pairs.left = Eigen::MatrixXcd(pairs.right.partialPivLu().inverse()).adjoint();
    return pairs;
}

} // namespace

std::vector<double> largest_by_modulus(const Eigen::MatrixXd& m, std::size_t n) {
    return some_hermitian(m, n);
}
std::vector<double> largest_by_modulus(const Eigen::MatrixXcd& m, std::size_t n) {
    return some_hermitian(m, n);
}

Eigen::VectorXcd general_eigenvalues(const Eigen::MatrixXd& m) {
    const Eigen::EigenSolver<Eigen::MatrixXd> solver(m, false);
    demand_success(solver.info());
    return solver.eigenvalues();
}
Eigen::VectorXcd general_eigenvalues(const Eigen::MatrixXcd& m) {
    const Eigen::ComplexEigenSolver<Eigen::MatrixXcd> solver(m, false);
    demand_success(solver.info());
    return solver.eigenvalues();
}

double spectral_norm(const Eigen::MatrixXd& m) { return norm_of(m); }
double spectral_norm(const Eigen::MatrixXcd& m) { return norm_of(m); }

Eigenpairs hermitian_eigenpairs(const Eigen::MatrixXd& m) { return pairs_of_hermitian(m); }
Eigenpairs hermitian_eigenpairs(const Eigen::MatrixXcd& m) { return pairs_of_hermitian(m); }
Eigenpairs general_eigenpairs(const Eigen::MatrixXd& m) {
    return pairs_of_general<Eigen::EigenSolver<Eigen::MatrixXd>>(m);
}
Eigenpairs general_eigenpairs(const Eigen::MatrixXcd& m) {
    return pairs_of_general<Eigen::ComplexEigenSolver<Eigen::MatrixXcd>>(m);
}

} // namespace mesolith
