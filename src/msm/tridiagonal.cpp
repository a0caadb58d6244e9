#include "tridiagonal.hpp"

#include <cmath>
#include <vector>

namespace mesolith {

namespace {

/// A -= v w^T + w v^T on rows and columns from `first` on (lower triangle), and y = A x with the result.
[[gnu::always_inline]] inline void update_and_multiply(double* a, Eigen::Index n, Eigen::Index first,
                                                       const double* v, const double* w, const double* x,
                                                       double* y) {
    for (Eigen::Index i = first; i < n; ++i) y[i] = 0;
    Eigen::Index j = first;
    for (; j + 4 <= n; j += 4) {
        double* const c[4] = {a + j * n, a + (j + 1) * n, a + (j + 2) * n, a + (j + 3) * n};
        for (Eigen::Index p = 0; p < 4; ++p) {
            double& corner = c[p][j + p];
            corner -= 2 * v[j + p] * w[j + p];
            y[j + p] += corner * x[j + p];
            for (Eigen::Index q = p + 1; q < 4; ++q) {
                double& value = c[p][j + q];
                value -= v[j + q] * w[j + p] + w[j + q] * v[j + p];
                y[j + q] += value * x[j + p];
                y[j + p] += value * x[j + q];
            }
        }
        double *const c0 = c[0], *const c1 = c[1], *const c2 = c[2], *const c3 = c[3];
        const double v0 = v[j], v1 = v[j + 1], v2 = v[j + 2], v3 = v[j + 3];
        const double w0 = w[j], w1 = w[j + 1], w2 = w[j + 2], w3 = w[j + 3];
        const double x0 = x[j], x1 = x[j + 1], x2 = x[j + 2], x3 = x[j + 3];
        double t0 = 0, t1 = 0, t2 = 0, t3 = 0;
#pragma omp simd reduction(+ : t0, t1, t2, t3)
        for (Eigen::Index i = j + 4; i < n; ++i) {
            const double b0 = c0[i] - (v[i] * w0 + w[i] * v0), b1 = c1[i] - (v[i] * w1 + w[i] * v1);
            const double b2 = c2[i] - (v[i] * w2 + w[i] * v2), b3 = c3[i] - (v[i] * w3 + w[i] * v3);
            c0[i] = b0;
            c1[i] = b1;
            c2[i] = b2;
            c3[i] = b3;
            t0 += b0 * x[i];
            t1 += b1 * x[i];
            t2 += b2 * x[i];
            t3 += b3 * x[i];
            y[i] += (b0 * x0 + b1 * x1) + (b2 * x2 + b3 * x3);
        }
        y[j] += t0;
        y[j + 1] += t1;
        y[j + 2] += t2;
        y[j + 3] += t3;
    }
    for (; j < n; ++j) {
        double* const c = a + j * n;
        c[j] -= 2 * v[j] * w[j];
        y[j] += c[j] * x[j];
        for (Eigen::Index i = j + 1; i < n; ++i) {
            c[i] -= v[i] * w[j] + w[i] * v[j];
            y[i] += c[i] * x[j];
            y[j] += c[i] * x[i];
        }
    }
}

[[gnu::always_inline]] inline void count(const double* diagonal, const double* squares, Eigen::Index n,
                                         double smallest, const double* x, double* counts) {
    double q[sturm_lanes];
    for (std::size_t l = 0; l < sturm_lanes; ++l) {
        q[l] = diagonal[0] - x[l];
        q[l] = std::abs(q[l]) < smallest ? -smallest : q[l];
        counts[l] = q[l] < 0 ? 1.0 : 0.0;
    }
    for (Eigen::Index i = 1; i < n; ++i) {
        const double d = diagonal[i], s = squares[i - 1];
#pragma omp simd
        for (std::size_t l = 0; l < sturm_lanes; ++l) {
            double next = d - x[l] - s / q[l];
            next = std::abs(next) < smallest ? -smallest : next;
            counts[l] += next < 0 ? 1.0 : 0.0;
            q[l] = next;
        }
    }
}

void count_plain(const double* diagonal, const double* squares, Eigen::Index n, double smallest,
                 const double* x, double* counts) {
    count(diagonal, squares, n, smallest, x, counts);
}

void multiply_plain(double* a, Eigen::Index n, Eigen::Index first, const double* v, const double* w,
                    const double* x, double* y) {
    update_and_multiply(a, n, first, v, w, x, y);
}

#if defined(__x86_64__) && defined(__GNUC__)
[[gnu::target("avx2,fma")]] void multiply_avx2(double* a, Eigen::Index n, Eigen::Index first, const double* v,
                                               const double* w, const double* x, double* y) {
    update_and_multiply(a, n, first, v, w, x, y);
}
[[gnu::target("avx2,fma")]] void count_avx2(const double* diagonal, const double* squares, Eigen::Index n,
                                            double smallest, const double* x, double* counts) {
    count(diagonal, squares, n, smallest, x, counts);
}
bool has_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
auto* best_multiply() { return has_avx2() ? multiply_avx2 : multiply_plain; }
auto* best_count() { return has_avx2() ? count_avx2 : count_plain; }
#else
auto* best_multiply() { return multiply_plain; }
auto* best_count() { return count_plain; }
#endif

} // namespace

void reduce_to_tridiagonal(Eigen::MatrixXd& a, Eigen::VectorXd& diagonal, Eigen::VectorXd& beside) {
    const Eigen::Index n = a.rows();
    diagonal.resize(n);
    beside.resize(std::max<Eigen::Index>(n - 1, 0));
    static auto* const multiply = best_multiply();
    // H = 1 - tau x x^T of each step; A -= v w^T + w v^T of the step before waits for the next pass.
    Eigen::VectorXd v = Eigen::VectorXd::Zero(n), w = v, x = v, y = v;
    for (Eigen::Index k = 0; k < n; ++k) {
        a.col(k).tail(n - k) -= v.tail(n - k) * w[k] + w.tail(n - k) * v[k];
        diagonal[k] = a(k, k);
        if (k + 1 == n) break;
        const Eigen::Index rest = n - k - 1;
        const double head = a(k + 1, k), tail = rest > 1 ? a.col(k).tail(rest - 1).squaredNorm() : 0;
        double tau = 0;
        beside[k] = head;
        x.tail(rest).setZero();
        if (tail > 0) {
            beside[k] = head > 0 ? -std::sqrt(head * head + tail) : std::sqrt(head * head + tail);
            tau = (beside[k] - head) / beside[k];
            x.tail(rest - 1) = a.col(k).tail(rest - 1) / (head - beside[k]);
            x[k + 1] = 1;
        }
        multiply(a.data(), n, k + 1, v.data(), w.data(), x.data(), y.data());
        const double half = tau * tau / 2 * x.tail(rest).dot(y.tail(rest));
        w.tail(rest) = tau * y.tail(rest) - half * x.tail(rest);
        v.tail(rest) = x.tail(rest);
    }
}

SturmLanes sturm_counts(const double* diagonal, const double* squares, Eigen::Index n, double smallest_pivot,
                        const SturmLanes& x) {
    static auto* const count_all = best_count();
    SturmLanes counts;
    count_all(diagonal, squares, n, smallest_pivot, x.data(), counts.data());
    return counts;
}

} // namespace mesolith
