#include "mesolith/observables/diffusivity_record.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <numbers>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "mesolith/core/error.hpp"
#include "mesolith/core/units.hpp"
#include "mesolith/crystal/eigen_solvers.hpp"

namespace mesolith {
namespace {

constexpr double unknown = DiffusivityPoint::unknown;

template <class Enum, std::size_t n>
Enum from_name(std::string_view name, const std::array<Enum, n>& all, const char* what) {
    std::vector<std::string> known;
    for (const Enum value : all) {
        if (name == name_of(value)) return value;
        known.emplace_back(name_of(value));
    }
    throw DataError(
        fmt::format("{} \"{}\" (known: {}). Choose one of these", what, name, fmt::join(known, ", ")));
}

bool positive(double x) { return x > 0 && std::isfinite(x); }
/// Of a number that may be missing.
bool not_negative(double x) { return std::isnan(x) || (x >= 0 && std::isfinite(x)); }

bool before(const DiffusivityPoint& a, const DiffusivityPoint& b) {
    return a.stoichiometry != b.stoichiometry ? a.stoichiometry < b.stoichiometry
                                              : a.temperature < b.temperature;
}

double metres(double diffusivity) { return diffusivity * units::angstrom2_per_ps_in_m2_per_s; }

void check_point(const DiffusivityRecord& record, const DiffusivityPoint& p) {
    const auto complain = [&](const std::string& what) { throw DataError(name_of(p) + ": " + what); };
    if (!positive(p.temperature)) complain("a temperature that is not > 0. Give kelvin");
    if (!(p.x >= 0) || !std::isfinite(p.x) || !(p.stoichiometry >= 0) || !std::isfinite(p.stoichiometry))
        complain("no composition. Give x or the stoichiometry, >= 0");
    if (!(std::abs(p.x - p.stoichiometry * record.x_max) <= 1e-9 * record.x_max))
        complain(fmt::format("x = {:.12g} is not stoichiometry times x_max = {:.12g}. Give one of them", p.x,
                             p.stoichiometry * record.x_max));
    try {
        (void)polycrystal_estimates(p.diffusivity);
    } catch (const DataError& error) {
        complain(error.what() + std::string(". Correct it"));
    }
    if (p.diffusivity != p.diffusivity.transpose()) complain("a tensor that is not symmetric. Correct it");
    if (!(p.mean() > 0)) complain("D is zero (its logarithm is needed). Leave it out");
    const double largest = p.diffusivity.cwiseAbs().maxCoeff();
    if (largest > largest_diffusivity)
        complain(fmt::format("D = {:.3g} m^2/s is more than {:g} m^2/s (a wrong unit? 1 A^2/ps = 1e-8 m^2/s "
                             "= 1e-4 cm^2/s). Check the unit",
                             metres(largest), metres(largest_diffusivity)));
    for (const double error : {p.mean_error, p.hops, p.homogenised, p.haven_error, p.theta_error})
        if (!not_negative(error)) complain("a negative error or count. Leave out what is not known");
    for (int a = 0; a < 3; ++a)
        for (int b = 0; b < 3; ++b)
            if (!not_negative(p.error(a, b)) ||
                (p.error(a, b) != p.error(b, a) && !std::isnan(p.error(a, b))))
                complain("errors that are negative or not symmetric. Leave out what is not known");
    for (const double factor : {p.haven, p.theta, p.squared_stretch})
        if (!std::isnan(factor) && !positive(factor))
            complain("a Haven ratio, thermodynamic factor or stretch that is not > 0. Correct it");
    for (const ValueRange& gap : record.masked)
        if (p.x > gap.low && p.x < gap.high)
            complain(fmt::format("lies in the two-phase range from x = {:g} to {:g}. Leave it out", gap.low,
                                 gap.high));
}

void scale(DiffusivityPoint& p, double factor, double relative_error) {
    const auto widen = [&](double value, double error) { // of |value| +- error
        return factor * (relative_error > 0 ? std::hypot(error, value * relative_error) : error);
    };
    p.mean_error = widen(p.mean(), p.mean_error);
    for (int a = 0; a < 3; ++a)
        for (int b = 0; b < 3; ++b) p.error(a, b) = widen(p.diffusivity(a, b), p.error(a, b));
    p.diffusivity *= factor;
    p.homogenised *= factor;
}

void expect_kind(const DiffusivityRecord& record, DiffusivityKind kind) {
    if (record.kind != kind)
        throw DataError(fmt::format("the record holds the {} diffusivity, not the {} one (that step was done "
                                    "before or is missing). Start from the right record",
                                    name_of(record.kind), name_of(kind)));
}

void use_haven(DiffusivityPoint& p, double haven, double error) {
    scale(p, 1 / haven, error / haven);
    p.haven = haven;
    p.haven_error = error;
}

/// Points of each stoichiometry.
std::map<double, std::vector<const DiffusivityPoint*>> by_stoichiometry(const DiffusivityRecord& record) {
    std::map<double, std::vector<const DiffusivityPoint*>> groups;
    for (const DiffusivityPoint& p : record.points) groups[p.stoichiometry].push_back(&p);
    return groups;
}

bool errors_known(const DiffusivityRecord& record, DiffusivityScalar scalar) {
    return std::all_of(record.points.begin(), record.points.end(), [&](const DiffusivityPoint& p) {
        const Estimate e = scalar_of(p, scalar);
        return positive(e.error);
    });
}

Mat3 function_of(const Mat3& symmetric, double (*f)(double)) {
    const Eigen::SelfAdjointEigenSolver<Mat3> eigen(symmetric);
    Vec3 values = eigen.eigenvalues();
    for (int k = 0; k < 3; ++k) values[k] = f(values[k]);
    const Mat3 m = eigen.eigenvectors() * values.asDiagonal() * eigen.eigenvectors().transpose();
    return ((m + m.transpose()) / 2).eval();
}

bool diagonal(const Mat3& m) { return m(0, 1) == 0 && m(0, 2) == 0 && m(1, 2) == 0; }

/// Without rotating what is diagonal already.
Mat3 logarithm(const DiffusivityPoint& p) {
    const Vec3 values = Eigen::SelfAdjointEigenSolver<Mat3>(p.diffusivity).eigenvalues();
    if (!(values[0] > 1e-14 * values[2]))
        throw DataError(fmt::format("{}: D is zero along an axis (its logarithm is needed). Export at the "
                                    "temperatures of the data",
                                    name_of(p)));
    if (!diagonal(p.diffusivity)) return function_of(p.diffusivity, [](double v) { return std::log(v); });
    return Mat3(p.diffusivity.diagonal().array().log().matrix().asDiagonal());
}
Mat3 exponential(const Mat3& m) {
    if (!diagonal(m)) return function_of(m, [](double v) { return std::exp(v); });
    return Mat3(m.diagonal().array().exp().matrix().asDiagonal());
}

} // namespace

const char* name_of(DiffusivityKind kind) {
    return kind == DiffusivityKind::tracer ? "tracer" : kind == DiffusivityKind::jump ? "jump" : "chemical";
}
const char* name_of(VolumeFrame frame) { return frame == VolumeFrame::current ? "current" : "reference"; }
const char* name_of(DiffusivityScalar scalar) {
    constexpr std::array names{"trace", "harmonic", "self_consistent", "hs_lower", "hs_upper", "homogenised"};
    return names.at(static_cast<std::size_t>(scalar));
}

DiffusivityKind diffusivity_kind(std::string_view name) {
    using enum DiffusivityKind;
    return from_name(name, std::array{tracer, jump, chemical}, "kind");
}
VolumeFrame volume_frame(std::string_view name) {
    return from_name(name, std::array{VolumeFrame::current, VolumeFrame::reference}, "frame");
}
DiffusivityScalar diffusivity_scalar(std::string_view name) {
    using enum DiffusivityScalar;
    return from_name(name, std::array{trace, harmonic, self_consistent, hs_lower, hs_upper, homogenised},
                     "scalar");
}

double DiffusivityPoint::log10_error() const {
    return scalar_of(*this, DiffusivityScalar::trace).error / (mean() * std::numbers::ln10);
}

std::string name_of(const DiffusivityPoint& p) {
    return std::isnan(p.stoichiometry)
               ? fmt::format("x = {:g}, {:g} K", p.x, p.temperature)
               : fmt::format("stoichiometry {:g}, {:g} K", p.stoichiometry, p.temperature);
}

void complete_record(DiffusivityRecord& record) {
    for (DiffusivityPoint& p : record.points) {
        if (std::isnan(p.x)) p.x = p.stoichiometry * record.x_max;
        if (std::isnan(p.stoichiometry)) p.stoichiometry = p.x / record.x_max;
    }
    std::stable_sort(record.points.begin(), record.points.end(), before);
    const auto span_of = [&](double DiffusivityPoint::*member) {
        ValueRange range{record.points.front().*member, record.points.front().*member};
        for (const DiffusivityPoint& p : record.points) {
            range.low = std::min(range.low, p.*member);
            range.high = std::max(range.high, p.*member);
        }
        return range;
    };
    if (!record.points.empty()) {
        if (record.valid_x == ValueRange{}) record.valid_x = span_of(&DiffusivityPoint::x);
        if (record.valid_temperature == ValueRange{})
            record.valid_temperature = span_of(&DiffusivityPoint::temperature);
    }
    check_record(record);
}

void check_record(const DiffusivityRecord& record) {
    if (record.points.empty()) throw DataError("the record holds no diffusivity. Give at least one");
    if (!positive(record.x_max))
        throw DataError("x_max is not known (lithium per host atom at stoichiometry 1). Give x_max > 0");
    if (!std::isnan(record.c_max) && !positive(record.c_max))
        throw DataError("c_max is not > 0. Give the concentration at x_max in mol/m^3, or leave it out");
    for (std::size_t k = 0; k < record.masked.size(); ++k)
        if (!(record.masked[k].low < record.masked[k].high) ||
            (k > 0 && record.masked[k].low < record.masked[k - 1].high))
            throw DataError("two-phase ranges that do not ascend. Give each as low, high");
    for (const DiffusivityPoint& p : record.points) check_point(record, p);
    for (std::size_t k = 1; k < record.points.size(); ++k) {
        const DiffusivityPoint &a = record.points[k - 1], &b = record.points[k];
        if (a.stoichiometry == b.stoichiometry && a.temperature == b.temperature)
            throw DataError(fmt::format("{}: two values ({} and {}). Keep one, or combine them", name_of(a),
                                        a.source.empty() ? "?" : a.source,
                                        b.source.empty() ? "?" : b.source));
        if (!before(a, b))
            throw DataError(
                fmt::format("{} stands behind {} (points ascend). Sort them", name_of(b), name_of(a)));
    }
}

Estimate scalar_of(const DiffusivityPoint& p, DiffusivityScalar scalar) {
    using enum DiffusivityScalar;
    const auto value_of = [&](const Mat3& D) {
        if (scalar == trace) return D.trace() / 3;
        const PolycrystalEstimates e = polycrystal_estimates(D);
        if (scalar == harmonic) return e.harmonic;
        if (scalar == self_consistent) return e.self_consistent;
        return scalar == hs_lower ? e.hashin_shtrikman.lower : e.hashin_shtrikman.upper;
    };
    if (scalar == homogenised) {
        if (std::isnan(p.homogenised))
            throw DataError(fmt::format("{}: no homogenised value (no domain was computed). Choose another "
                                        "scalar",
                                        name_of(p)));
        // Of one crystal it scales with D.
        const double relative = scalar_of(p, trace).error / p.mean();
        return {p.homogenised, p.homogenised * relative};
    }
    if (scalar == trace && !std::isnan(p.mean_error)) return {value_of(p.diffusivity), p.mean_error};
    Estimate result{value_of(p.diffusivity), 0};
    const double scale = p.diffusivity.cwiseAbs().maxCoeff();
    for (int a = 0; a < 3; ++a)
        for (int b = a; b < 3; ++b) {
            if (a != b && p.diffusivity(a, b) == 0 && !(p.error(a, b) > 0)) continue; // zero by symmetry
            if (a != b && scalar == trace) continue;
            double step = 1e-6 * scale;
            if (a == b) step = std::min(step, 1e-3 * p.diffusivity(a, a));
            if (step == 0) continue;
            Mat3 up = p.diffusivity, down = p.diffusivity;
            for (const auto& [i, j] : {std::pair{a, b}, std::pair{b, a}}) {
                up(i, j) = p.diffusivity(i, j) + step;
                down(i, j) = p.diffusivity(i, j) - step;
            }
            double slope = 0;
            try {
                slope = (value_of(up) - value_of(down)) / (2 * step);
            } catch (const DataError&) { // at the edge of positive tensors
                slope = unknown;
            }
            result.error += std::abs(slope) * p.error(a, b);
        }
    return result;
}

DiffusivityRecord to_jump(const DiffusivityRecord& tracer, const Estimate& haven, const std::string& source) {
    expect_kind(tracer, DiffusivityKind::tracer);
    if (!positive(haven.value) || !not_negative(haven.error) || std::isnan(haven.error))
        throw DataError(
            fmt::format("a Haven ratio of {:g} ± {:g}. Give a number > 0", haven.value, haven.error));
    DiffusivityRecord jump = tracer;
    jump.kind = DiffusivityKind::jump;
    jump.haven_source = source;
    for (DiffusivityPoint& p : jump.points) use_haven(p, haven.value, haven.error);
    jump.provenance.steps.push_back(fmt::format("D_J = D* / H with H = {:g}{} ({})", haven.value,
                                                haven.error > 0 ? fmt::format(" ± {:g}", haven.error) : "",
                                                source));
    complete_record(jump);
    return jump;
}

DiffusivityRecord to_jump_as_measured(const DiffusivityRecord& tracer) {
    expect_kind(tracer, DiffusivityKind::tracer);
    DiffusivityRecord jump = tracer;
    jump.kind = DiffusivityKind::jump;
    for (DiffusivityPoint& p : jump.points) {
        if (!positive(p.haven))
            throw DataError(fmt::format("{}: no measured Haven ratio. Give one number for all", name_of(p)));
        use_haven(p, p.haven, std::isnan(p.haven_error) ? 0 : p.haven_error);
    }
    jump.haven_source = "measured at each point";
    jump.provenance.steps.emplace_back("D_J = D* / H with the Haven ratio measured at each point");
    complete_record(jump);
    return jump;
}

DiffusivityRecord to_chemical(const DiffusivityRecord& jump, const ThermodynamicFactor& theta) {
    expect_kind(jump, DiffusivityKind::jump);
    DiffusivityRecord chemical = jump;
    chemical.kind = DiffusivityKind::chemical;
    chemical.theta_source = theta.source();
    chemical.points.clear();
    std::set<std::string> left_out;
    for (const DiffusivityPoint& p : jump.points) {
        const std::optional<Estimate> factor = theta.at(p.stoichiometry, p.temperature);
        if (!factor) {
            left_out.insert(fmt::format("{:g}", p.stoichiometry));
            continue;
        }
        DiffusivityPoint& q = chemical.points.emplace_back(p);
        scale(q, factor->value, factor->error / factor->value);
        q.theta = factor->value;
        q.theta_error = factor->error;
    }
    std::vector<std::string> gaps;
    for (const ValueRange& gap : theta.masked()) {
        gaps.push_back(fmt::format("{:g} to {:g}", gap.low, gap.high));
        chemical.masked.push_back({gap.low * jump.x_max, gap.high * jump.x_max});
    }
    std::sort(chemical.masked.begin(), chemical.masked.end(),
              [](const ValueRange& a, const ValueRange& b) { return a.low < b.low; });
    std::vector<ValueRange> merged; // with those the record had
    for (const ValueRange& gap : chemical.masked) {
        if (!merged.empty() && gap.low < merged.back().high)
            merged.back().high = std::max(merged.back().high, gap.high);
        else
            merged.push_back(gap);
    }
    chemical.masked = std::move(merged);
    if (!gaps.empty())
        chemical.warnings.push_back(fmt::format(
            "{}: not falling at stoichiometries {} (two phases: no chemical diffusivity there){}",
            theta.source(), fmt::join(gaps, ", "),
            left_out.empty() ? "" : fmt::format("; left out: stoichiometry {}", fmt::join(left_out, ", "))));
    if (chemical.points.empty())
        throw DataError(fmt::format("{}: every value of the record lies in a two-phase range. Give values in "
                                    "single phases",
                                    theta.source()));
    chemical.provenance.steps.push_back(fmt::format("D~ = D_J Theta with Theta from {}", theta.source()));
    complete_record(chemical);
    return chemical;
}

DiffusivityRecord to_reference_frame(const DiffusivityRecord& current,
                                     const std::function<double(double x)>& volume_ratio,
                                     const std::string& source, double c_max) {
    if (current.frame != VolumeFrame::current)
        throw DataError("the record is in the reference frame already. Leave the volume ratio out");
    DiffusivityRecord reference = current;
    reference.frame = VolumeFrame::reference;
    reference.frame_source = source;
    reference.c_max = c_max;
    for (DiffusivityPoint& p : reference.points) {
        const double ratio = volume_ratio(p.x);
        if (!positive(ratio))
            throw DataError(fmt::format("{}: a volume ratio of {:g}. Give numbers > 0", name_of(p), ratio));
        p.squared_stretch = std::pow(ratio, 2.0 / 3);
        scale(p, 1 / p.squared_stretch, 0);
    }
    reference.provenance.steps.push_back(
        fmt::format("D_ref = D / lambda^2, lambda^3 = V(x)/V(0): {}", source));
    complete_record(reference);
    return reference;
}

DiffusivityGrid regular_grid(const DiffusivityRecord& record) {
    std::set<double> stoichiometry, temperature;
    for (const DiffusivityPoint& p : record.points) {
        stoichiometry.insert(p.stoichiometry);
        temperature.insert(p.temperature);
    }
    const DiffusivityGrid grid{{stoichiometry.begin(), stoichiometry.end()},
                               {temperature.begin(), temperature.end()}};
    std::size_t next = 0;
    for (const double s : grid.stoichiometry)
        for (const double T : grid.temperature) {
            const bool there = next < record.points.size() && record.points[next].stoichiometry == s &&
                               record.points[next].temperature == T;
            if (!there)
                throw DataError(
                    fmt::format("no value at stoichiometry {:g}, {:g} K (a regular grid of {} "
                                "stoichiometries x {} temperatures has {} values, the record {}). "
                                "Add it, or export as csv",
                                s, T, grid.stoichiometry.size(), grid.temperature.size(),
                                grid.stoichiometry.size() * grid.temperature.size(), record.points.size()));
            ++next;
        }
    return grid;
}

CommonArrhenius common_arrhenius(const DiffusivityRecord& record, DiffusivityScalar scalar,
                                 double reference_temperature) {
    if (!positive(reference_temperature))
        throw DataError(
            fmt::format("a reference temperature of {} K. Give kelvin > 0", reference_temperature));
    const bool weighted = errors_known(record, scalar);
    const auto groups = by_stoichiometry(record);
    // Sums about the mean of each stoichiometry; x = 1 / (k_B T).
    struct Sums {
        double weight = 0, x = 0, y = 0;
    };
    std::vector<Sums> sums;
    const auto weight_of = [&](const Estimate& e) { return weighted ? std::pow(e.value / e.error, 2) : 1; };
    const auto inverse = [](double T) { return 1 / (units::boltzmann_ev_per_k * T); };
    double xx = 0, xy = 0;
    std::size_t n = 0;
    for (const auto& [s, points] : groups) {
        Sums sum;
        for (const DiffusivityPoint* p : points) {
            const Estimate e = scalar_of(*p, scalar);
            if (!positive(e.value))
                throw DataError(fmt::format("{}: the {} value is zero (its logarithm is needed). Choose "
                                            "another scalar",
                                            name_of(*p), name_of(scalar)));
            const double w = weight_of(e);
            sum.weight += w;
            sum.x += w * inverse(p->temperature);
            sum.y += w * std::log(e.value);
            ++n;
        }
        sum.x /= sum.weight;
        sum.y /= sum.weight;
        for (const DiffusivityPoint* p : points) {
            const Estimate e = scalar_of(*p, scalar);
            const double x = points.size() > 1 ? inverse(p->temperature) - sum.x : 0;
            xx += weight_of(e) * x * x;
            xy += weight_of(e) * x * (std::log(e.value) - sum.y);
        }
        sums.push_back(sum);
    }
    if (!(xx > 0))
        throw DataError(fmt::format("one temperature (an activation energy needs two at one stoichiometry). "
                                    "Add values at another temperature"));
    CommonArrhenius fit;
    fit.energy = {-xy / xx, weighted ? 1 / std::sqrt(xx) : unknown};
    fit.reference_temperature = reference_temperature;
    fit.temperature = {record.points.front().temperature, record.points.front().temperature};
    std::size_t group = 0;
    for (const auto& [s, points] : groups) {
        const Sums& sum = sums[group++];
        const double away = inverse(reference_temperature) - sum.x;
        const double value = std::exp(sum.y - fit.energy.value * away);
        fit.stoichiometry.push_back(s);
        fit.value.push_back(
            {value, weighted ? value * std::sqrt(1 / sum.weight + away * away / xx) : unknown});
        for (const DiffusivityPoint* p : points) {
            const Estimate e = scalar_of(*p, scalar);
            const double line = sum.y - fit.energy.value * (inverse(p->temperature) - sum.x);
            fit.chi_squared += weight_of(e) * std::pow(std::log(e.value) - line, 2);
            fit.temperature.low = std::min(fit.temperature.low, p->temperature);
            fit.temperature.high = std::max(fit.temperature.high, p->temperature);
        }
    }
    const int freedom = static_cast<int>(n) - static_cast<int>(groups.size()) - 1;
    fit.p = weighted && freedom > 0 ? chi_squared_tail(fit.chi_squared, freedom) : unknown;
    if (!weighted) fit.chi_squared = unknown;
    fit.extrapolates = reference_temperature < fit.temperature.low * (1 - 1e-12) ||
                       reference_temperature > fit.temperature.high * (1 + 1e-12);
    return fit;
}

DiffusivityRecord at_temperatures(const DiffusivityRecord& record, const std::vector<double>& temperatures) {
    if (temperatures.empty()) throw DataError("no temperature was asked for. Give at least one");
    const std::set<double> wanted(temperatures.begin(), temperatures.end());
    for (const double T : wanted)
        if (!positive(T)) throw DataError(fmt::format("a temperature of {} K. Give kelvin > 0", T));
    const bool weighted = errors_known(record, DiffusivityScalar::trace);
    DiffusivityRecord result = record;
    result.points.clear();
    std::set<double> outside;
    double worst = 0; // log10 error there
    for (const auto& [s, points] : by_stoichiometry(record)) {
        const auto known_at = [&](double T) -> const DiffusivityPoint* {
            for (const DiffusivityPoint* p : points)
                if (p->temperature == T) return p;
            return nullptr;
        };
        const bool needs_fit =
            std::any_of(wanted.begin(), wanted.end(), [&](double T) { return !known_at(T); });
        std::optional<ArrheniusFit> line; // of the mean
        Mat3 mean_log = Mat3::Zero(), energy = Mat3::Zero();
        double mean_x = 0;
        if (needs_fit) {
            std::vector<ArrheniusPoint> means;
            for (const DiffusivityPoint* p : points) {
                const Estimate e = scalar_of(*p, DiffusivityScalar::trace);
                means.push_back({p->temperature, e.value, weighted ? e.error : e.value});
            }
            try {
                line = fit_arrhenius(means);
            } catch (const DataError& error) {
                throw DataError(fmt::format("stoichiometry {:g}: {}", s, error.what()));
            }
            double weights = 0, xx = 0;
            const auto inverse = [](double T) { return 1 / (units::boltzmann_ev_per_k * T); };
            const auto weight = [](const ArrheniusPoint& m) { return std::pow(m.value / m.error, 2); };
            for (std::size_t k = 0; k < points.size(); ++k) {
                weights += weight(means[k]);
                mean_x += weight(means[k]) * inverse(means[k].temperature);
                mean_log += weight(means[k]) * logarithm(*points[k]);
            }
            mean_x /= weights;
            mean_log /= weights;
            for (std::size_t k = 0; k < points.size(); ++k) {
                const double x = inverse(means[k].temperature) - mean_x;
                xx += weight(means[k]) * x * x;
                energy -= weight(means[k]) * x * (logarithm(*points[k]) - mean_log);
            }
            energy /= xx;
        }
        for (const double T : wanted) {
            if (const DiffusivityPoint* p = known_at(T)) {
                result.points.push_back(*p);
                continue;
            }
            DiffusivityPoint p;
            p.stoichiometry = s;
            p.x = points.front()->x;
            p.temperature = T;
            p.diffusivity = exponential(mean_log - energy * (1 / (units::boltzmann_ev_per_k * T) - mean_x));
            const double relative = weighted ? line->log_error_at(T) : unknown;
            p.mean_error = relative * p.mean();
            p.error = relative * p.diffusivity.cwiseAbs();
            p.extrapolated = line->extrapolates(T);
            if (p.extrapolated) {
                outside.insert(T);
                worst = std::max(worst, relative / std::numbers::ln10);
            }
            p.source = fmt::format("Arrhenius fit of {} temperatures, {:g} to {:g} K", points.size(),
                                   line->lowest, line->highest);
            // Of the factors that were the same at all temperatures.
            const auto common = [&](double DiffusivityPoint::*member) {
                for (const DiffusivityPoint* q : points)
                    if (q->*member != points.front()->*member) return unknown;
                return points.front()->*member;
            };
            p.haven = common(&DiffusivityPoint::haven);
            p.haven_error = common(&DiffusivityPoint::haven_error);
            p.theta = common(&DiffusivityPoint::theta);
            p.theta_error = common(&DiffusivityPoint::theta_error);
            p.squared_stretch = common(&DiffusivityPoint::squared_stretch);
            result.points.push_back(std::move(p));
        }
    }
    if (!outside.empty())
        result.warnings.push_back(
            fmt::format("extrapolated to {:g} K (the data reach from {:g} to {:g} K){}",
                        fmt::join(outside, ", "), record.valid_temperature.low, record.valid_temperature.high,
                        worst > 0 ? fmt::format("; standard error of log10 D up to {:.2g}", worst) : ""));
    result.provenance.steps.push_back(
        fmt::format("D at {:g} K from Arrhenius fits at each stoichiometry", fmt::join(wanted, ", ")));
    complete_record(result);
    return result;
}

} // namespace mesolith
