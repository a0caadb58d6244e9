#include "mesolith/msm/generator.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <unordered_map>

#include <Eigen/Dense>
#include <fmt/format.h>

#include "mesolith/core/error.hpp"
#include "mesolith/core/parallel.hpp"
#include "mesolith/crystal/eigen_solvers.hpp"

namespace mesolith {

namespace {

constexpr int max_cells = 127; // as in count_transitions

std::string text_of(const Transition& t) {
    return fmt::format("hop from site {} to site {} of cell [{}, {}, {}]", t.from, t.to, t.R[0], t.R[1],
                       t.R[2]);
}

/// Entry (to, R) of a column, or null.
const KernelEntry* find_entry(const Kernel& kernel, std::size_t j, std::int32_t to, const IVec3& R) {
    const auto column = kernel.from(j);
    const Transition wanted{0, to, R};
    const auto found =
        std::lower_bound(column.begin(), column.end(), wanted, [](const KernelEntry& e, const Transition& t) {
            return Transition{0, e.to, e.R} < t;
        });
    const bool there = found != column.end() && found->to == to && found->R == R;
    return there ? &*found : nullptr;
}

/// Columns of kernel entries from (origin, entry) pairs that are sorted by Transition.
void append_column(Kernel& kernel, std::vector<KernelEntry> column) {
    std::sort(column.begin(), column.end(), [](const KernelEntry& a, const KernelEntry& b) {
        return Transition{0, a.to, a.R} < Transition{0, b.to, b.R};
    });
    kernel.entries.insert(kernel.entries.end(), column.begin(), column.end());
    kernel.column.push_back(kernel.entries.size());
}

} // namespace

double Generator::fastest_exit() const {
    return exit.empty() ? 0.0 : *std::max_element(exit.begin(), exit.end());
}

Generator make_generator(SiteBasis basis, std::vector<RatedMove> moves, std::vector<double> stationary) {
    std::sort(moves.begin(), moves.end(),
              [](const RatedMove& a, const RatedMove& b) { return a.move < b.move; });
    Generator generator;
    const std::size_t n = basis.size();
    generator.basis = std::move(basis);
    if (n == 0) throw DataError("a generator needs at least one site");
    const auto is_site = [&](std::int32_t s) { return s >= 0 && static_cast<std::size_t>(s) < n; };
    generator.column.assign(n + 1, 0);
    generator.exit.assign(n, 0);
    for (std::size_t k = 0; k < moves.size(); ++k) {
        const Transition& t = moves[k].move;
        if (!is_site(t.from) || !is_site(t.to))
            throw DataError(fmt::format("{}: there are {} sites, counted from 0", text_of(t), n));
        if (t == Transition{t.from, t.from, IVec3::Zero()})
            throw DataError(text_of(t) + " goes nowhere. Leave it out");
        if (!(moves[k].rate >= 0) || !std::isfinite(moves[k].rate))
            throw DataError(fmt::format("{}: a rate of {} per ps makes no sense. Rates are numbers >= 0",
                                        text_of(t), moves[k].rate));
        if (k > 0 && moves[k - 1].move == t)
            throw DataError(text_of(t) + " is given twice. Give the sum of the rates");
        if (moves[k].rate == 0) continue;
        generator.entries.push_back({t.to, t.R, moves[k].rate});
        ++generator.column[static_cast<std::size_t>(t.from) + 1];
        generator.exit[static_cast<std::size_t>(t.from)] += moves[k].rate;
    }
    for (std::size_t j = 0; j < n; ++j) generator.column[j + 1] += generator.column[j];
    generator.stationary.assign(n, 1.0 / static_cast<double>(n));
    Kernel kernel = kernel_from_generator(generator);
    if (stationary.empty()) stationary = find_stationary(kernel);
    if (stationary.size() != n)
        throw DataError(fmt::format("a stationary distribution of {} values does not fit {} sites",
                                    stationary.size(), n));
    generator.stationary = kernel.stationary = std::move(stationary);
    generator.reversible = has_detailed_balance(kernel);
    return generator;
}

std::vector<double> find_stationary(const Kernel& kernel) {
    Kernel unknown = kernel;
    unknown.reversible = false; // else its own distribution would be believed
    const std::vector<double> even(kernel.n_sites(), 1.0 / static_cast<double>(kernel.n_sites()));
    std::vector<double> pi(kernel.n_sites(), 0.0);
    for (const ClosedClass& c : closed_classes(unknown, even).classes)
        for (std::size_t s = 0; s < c.sites.size(); ++s)
            pi[static_cast<std::size_t>(c.sites[s])] = c.weight * c.stationary[s];
    return pi;
}

bool has_detailed_balance(const Kernel& kernel, double tolerance) {
    for (std::size_t j = 0; j < kernel.n_sites(); ++j)
        for (const KernelEntry& e : kernel.from(j)) {
            const auto i = static_cast<std::size_t>(e.to);
            const KernelEntry* back = find_entry(kernel, i, static_cast<std::int32_t>(j), -e.R);
            const double there = kernel.stationary[j] * e.p;
            const double again = back ? kernel.stationary[i] * back->p : 0.0;
            if (!(std::abs(there - again) <= tolerance * std::max(there, again))) return false;
        }
    return true;
}

Generator generator_from_kernel(const Kernel& kernel) {
    if (!(kernel.lag_time > 0)) throw DataError("a kernel's lag time must be positive");
    Generator generator;
    generator.basis = kernel.basis;
    generator.stationary = kernel.stationary;
    generator.reversible = kernel.reversible;
    for (std::size_t j = 0; j < kernel.n_sites(); ++j) {
        double exit = 0;
        for (const KernelEntry& e : kernel.from(j)) {
            const bool stays = static_cast<std::size_t>(e.to) == j && e.R.isZero();
            if (stays || e.p <= 0) continue;
            generator.entries.push_back({e.to, e.R, e.p / kernel.lag_time});
            exit += e.p / kernel.lag_time;
        }
        generator.column.push_back(generator.entries.size());
        generator.exit.push_back(exit);
    }
    return generator;
}

Kernel kernel_from_generator(const Generator& generator, double max_lag) {
    if (!(max_lag > 0)) throw DataError("a lag time must be positive");
    const double fastest = generator.fastest_exit();
    Kernel kernel;
    kernel.basis = generator.basis;
    kernel.stationary = generator.stationary;
    kernel.reversible = generator.reversible;
    kernel.lag_time = fastest > 0 ? std::min(max_lag, 0.5 / fastest) : std::isfinite(max_lag) ? max_lag : 1.0;
    for (std::size_t j = 0; j < generator.n_sites(); ++j) {
        double leaves = 0;
        std::vector<KernelEntry> column;
        for (const GeneratorEntry& e : generator.from(j)) {
            column.push_back({e.to, e.R, e.rate * kernel.lag_time});
            leaves += column.back().p;
        }
        column.push_back({static_cast<std::int32_t>(j), IVec3::Zero(), 1 - leaves});
        append_column(kernel, std::move(column));
    }
    return kernel;
}

Transport exact_transport(const Generator& generator) {
    const Kernel kernel = kernel_from_generator(generator);
    const double h = kernel.lag_time;
    const ClassStructure classes = closed_classes(kernel);
    Transport t = exact_transport(kernel, classes);
    // A step of I + K h has the mean v h, whose square is missing in its covariance.
    t.diffusivity = t.uncorrelated = t.correlation = Mat3::Zero();
    for (ClassTransport& c : t.classes) {
        const Mat3 missing = c.drift * c.drift.transpose() * (h / 2);
        c.diffusivity += missing;
        c.uncorrelated += missing;
        t.diffusivity += c.weight * c.diffusivity;
        t.uncorrelated += c.weight * c.uncorrelated;
        t.correlation += c.weight * c.correlation;
    }
    std::vector<Vec3> corrected;
    for (std::size_t j = 0; j < generator.n_sites(); ++j) {
        const std::int32_t c = classes.class_of[j];
        for (std::size_t e = kernel.column[j]; e < kernel.column[j + 1]; ++e) {
            const KernelEntry& entry = kernel.entries[e];
            if (static_cast<std::size_t>(entry.to) == j && entry.R.isZero()) continue;
            corrected.push_back(
                c < 0 ? Vec3(Vec3::Zero())
                      : Vec3(t.corrected[e] + t.classes[static_cast<std::size_t>(c)].drift * h));
        }
    }
    t.corrected = std::move(corrected);
    return t;
}

std::vector<std::complex<double>> generator_spectrum(const Generator& generator, const Vec3& kappa) {
    std::vector<Eigen::Index> local(generator.n_sites(), -1);
    Eigen::Index n = 0;
    for (std::size_t j = 0; j < generator.n_sites(); ++j)
        if (generator.stationary[j] > 0) local[j] = n++;
    Eigen::MatrixXcd m = Eigen::MatrixXcd::Zero(n, n); // pi^-1/2 K pi^1/2: Hermitian with detailed balance
    for (std::size_t j = 0; j < generator.n_sites(); ++j) {
        if (local[j] < 0) continue;
        m(local[j], local[j]) -= generator.exit[j];
        for (const GeneratorEntry& e : generator.from(j)) {
            const auto i = static_cast<std::size_t>(e.to);
            if (local[i] < 0) continue;
            const double scale = std::sqrt(generator.stationary[j] / generator.stationary[i]);
            m(local[i], local[j]) +=
                e.rate * scale * std::polar(1.0, -2 * std::numbers::pi * kappa.dot(e.R.cast<double>()));
        }
    }
    std::vector<std::complex<double>> values;
    if (generator.reversible) {
        const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXcd> solver(m, Eigen::EigenvaluesOnly);
        for (const double value : solver.eigenvalues()) values.emplace_back(value, 0.0);
    } else {
        const Eigen::ComplexEigenSolver<Eigen::MatrixXcd> solver(m, false);
        for (const std::complex<double>& value : solver.eigenvalues()) values.push_back(value);
    }
    std::stable_sort(values.begin(), values.end(), [](const auto& a, const auto& b) {
        return a.real() != b.real() ? a.real() > b.real() : a.imag() > b.imag();
    });
    return values;
}

namespace {

/// Places (site, R) that walkers from one origin reach, found as they come.
class Places {
public:
    explicit Places(const Generator& generator) : generator_(generator) {}

    std::size_t size() const { return to_.size(); }
    std::int32_t site(std::size_t s) const { return to_[s]; }
    const IVec3& cell(std::size_t s) const { return R_[s]; }

    std::size_t index(std::int32_t to, const IVec3& R) {
        if (R.cwiseAbs().maxCoeff() > max_cells)
            throw DataError(
                fmt::format("exp(K tau) reaches beyond {} cells. Choose a shorter lag or a larger truncation",
                            max_cells));
        const auto shifted = [](int x) { return static_cast<std::uint64_t>(x + max_cells); };
        const std::uint64_t key = (static_cast<std::uint64_t>(to) << 24) | (shifted(R[0]) << 16) |
                                  (shifted(R[1]) << 8) | shifted(R[2]);
        const auto [found, is_new] = index_.try_emplace(key, to_.size());
        if (is_new) {
            to_.push_back(to);
            R_.push_back(R);
            hops_.emplace_back();
        }
        return found->second;
    }

    /// Indices of the places that the hops from s lead to, in the order of the generator's column.
    std::span<const std::size_t> hops(std::size_t s) {
        const auto column = generator_.from(static_cast<std::size_t>(to_[s]));
        if (hops_[s].empty() && !column.empty()) {
            std::vector<std::size_t> to;
            const IVec3 R = R_[s]; // index() may move the list
            for (const GeneratorEntry& e : column) to.push_back(index(e.to, R + e.R));
            hops_[s] = std::move(to);
        }
        return hops_[s];
    }

private:
    const Generator& generator_;
    std::unordered_map<std::uint64_t, std::size_t> index_;
    std::vector<std::int32_t> to_;
    std::vector<IVec3> R_;
    std::vector<std::vector<std::size_t>> hops_;
};

/// Poisson(n; mean) for n = 0, 1, ... until what is left is below 1e-17 of the whole.
std::vector<double> poisson_weights(double mean) {
    std::vector<double> weights;
    for (int n = 0;; ++n) {
        weights.push_back(std::exp(n * std::log(mean) - mean - std::lgamma(n + 1.0)));
        if (n > mean && weights.back() < 1e-18) return weights;
    }
}

/// One column of exp(K tau): sum_n w_n B^n e_j, places of smaller probability than `drop` sending nothing on.
std::vector<KernelEntry> exponential_column(const Generator& generator, std::size_t j,
                                            const std::vector<double>& weights, double rate, double drop,
                                            std::size_t max_places) {
    Places places(generator);
    std::vector<double> now{1.0}, next, sum;
    places.index(static_cast<std::int32_t>(j), IVec3::Zero());
    for (std::size_t n = 0;; ++n) {
        sum.resize(places.size(), 0.0);
        for (std::size_t s = 0; s < now.size(); ++s) sum[s] += weights[n] * now[s];
        if (n + 1 == weights.size()) break;
        next.assign(now.size(), 0.0);
        for (std::size_t s = 0; s < now.size(); ++s) {
            if (now[s] < drop) continue;
            const auto site = static_cast<std::size_t>(places.site(s));
            const auto column = generator.from(site);
            const auto to = places.hops(s);
            if (places.size() > next.size()) next.resize(places.size(), 0.0);
            next[s] += now[s] * (1 - generator.exit[site] / rate);
            for (std::size_t h = 0; h < column.size(); ++h) next[to[h]] += now[s] * (column[h].rate / rate);
        }
        if (places.size() > max_places)
            throw DataError(fmt::format("exp(K tau) has more than {} entries (the lag is long against the "
                                        "hops). Choose a shorter lag or a larger truncation",
                                        max_places));
        std::swap(now, next);
    }
    std::vector<KernelEntry> column;
    for (std::size_t s = 0; s < places.size(); ++s)
        if (sum[s] > 0) column.push_back({places.site(s), places.cell(s), sum[s]});
    return column;
}

} // namespace

LatticeExponential exponential_kernel(const Generator& generator, double lag,
                                      const ExponentialOptions& options) {
    if (!(lag > 0) || !std::isfinite(lag)) throw DataError("a lag time must be positive");
    const std::size_t n = generator.n_sites();
    const double rate = generator.fastest_exit();
    LatticeExponential result;
    Kernel& kernel = result.kernel;
    kernel.basis = generator.basis;
    kernel.lag_time = lag;
    kernel.stationary = generator.stationary;
    kernel.reversible = generator.reversible;

    double truncation = options.truncation;
    if (!(truncation > 0)) {
        truncation = 1e-12;
        for (std::size_t j = 0; j < n; ++j)
            for (const GeneratorEntry& e : generator.from(j))
                if (generator.stationary[j] > 0)
                    truncation = std::min(truncation, 1e-6 * generator.stationary[j] * e.rate * lag);
    }
    const std::vector<double> weights = rate > 0 ? poisson_weights(rate * lag) : std::vector<double>{1.0};
    result.terms = static_cast<int>(weights.size());

    Kernel all; // before anything is left out
    std::vector<std::vector<KernelEntry>> columns(n);
    for_each_index(n, [&](std::size_t j) {
        const double pi = generator.stationary[j] > 0 ? generator.stationary[j] : 1.0;
        columns[j] = exponential_column(generator, j, weights, std::max(rate, 1e-300),
                                        std::min(1e-3 * truncation / pi, 1e-12), options.max_entries);
    });
    for (std::vector<KernelEntry>& column : columns) {
        append_column(all, std::move(column));
        if (all.entries.size() > options.max_entries)
            throw DataError(fmt::format("exp(K tau) has more than {} entries (the lag is long against the "
                                        "hops). Choose a shorter lag or a larger truncation",
                                        options.max_entries));
    }
    for (std::size_t j = 0; j < n; ++j) {
        const double pi = generator.stationary[j] > 0 ? generator.stationary[j] : 1.0;
        std::vector<KernelEntry> column;
        double stays = 0, leaves = 0, dropped = 1;
        for (const KernelEntry& e : all.from(j)) {
            dropped -= e.p;
            if (static_cast<std::size_t>(e.to) == j && e.R.isZero()) {
                stays = e.p;
                continue;
            }
            double flow = pi * e.p;
            if (generator.reversible && generator.stationary[j] > 0) { // both directions get the same flow
                const auto i = static_cast<std::size_t>(e.to);
                const KernelEntry* back = find_entry(all, i, static_cast<std::int32_t>(j), -e.R);
                const double again = back ? generator.stationary[i] * back->p : 0.0;
                flow = flow < truncation || again < truncation ? 0.0 : (flow + again) / 2;
            } else if (flow < truncation) {
                flow = 0;
            }
            if (flow > 0) {
                column.push_back({e.to, e.R, flow / pi});
                leaves += column.back().p;
            } else {
                dropped += e.p;
            }
        }
        result.truncated = std::max(result.truncated, dropped);
        stays = std::max(stays, 1 - leaves);
        // Where hardly anything stays, rounding must not make the column exceed 1.
        for (KernelEntry& e : column) e.p /= leaves + stays;
        stays /= leaves + stays;
        if (stays > 0) column.push_back({static_cast<std::int32_t>(j), IVec3::Zero(), stays});
        append_column(kernel, std::move(column));
    }
    return result;
}

} // namespace mesolith
