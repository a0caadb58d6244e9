#include "mesolith/meso/bloch.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <complex>
#include <map>
#include <mutex>
#include <numbers>

#include <fftw3.h>
#include <fmt/core.h>

#include "mesolith/core/error.hpp"

#include "bloch_lanes.hpp"
#include "field_model.hpp"
#include "flush_denormals.hpp"

namespace mesolith {

namespace {

/// Powers smaller than this are nothing beside the largest value.
constexpr double negligible = 1e-40;
/// Where weights differ by more, pi^-1/2 M pi^1/2 would lose digits.
constexpr double smallest_weight_ratio = 1e-8;

// Core times of one AVX-512 core of 2023 [s]: see FieldEngineChoice and bench/bloch.cpp.
constexpr double stencil_term_double = 1.2e-10, stencil_term_float = 0.7e-10;
constexpr double matrix_product = 2.2e-10;  // complex multiply-add of a squaring
constexpr double transform_value = 1.0e-10; // per value and log2(cells)

/// A matrix times a vector waits for memory: so many times the time of a squaring per multiply-add.
constexpr double wait_for_matrix = 2;

/// How to get from x to M^n x for several n: squarings up to M^(2^levels), then this power as often as
/// needed; or step by step through the entries.
struct Method {
    bool by_entries = false;
    int levels = 0;
    double products = 0; ///< cost per k, in complex multiply-adds of a squaring
};

Method cheapest_method(std::size_t n_basis, std::size_t n_entries, bool hermitian,
                       std::span<const std::int64_t> steps) {
    const auto n = static_cast<double>(n_basis);
    const double squaring = n * n * n * (hermitian ? 0.5 : 1);
    Method best{true, 0,
                wait_for_matrix * static_cast<double>(n_entries) * static_cast<double>(steps.back())};
    for (int levels = 0; levels < 63 && steps.back() >> levels > 0; ++levels) {
        double applied = 0;
        for (const std::int64_t s : steps) {
            const auto low = static_cast<std::uint64_t>(s) & ((std::uint64_t{1} << levels) - 1);
            applied += static_cast<double>(std::popcount(low)) + static_cast<double>(s >> levels);
        }
        const double products = levels * squaring + wait_for_matrix * applied * n * n;
        if (products < best.products) best = {false, levels, products};
    }
    return best;
}

bool is_hermitian(const Kernel& kernel) {
    const auto [low, high] = std::minmax_element(kernel.stationary.begin(), kernel.stationary.end());
    return kernel.reversible && kernel.stationary.size() == kernel.n_sites() &&
           *low > smallest_weight_ratio * *high;
}

/// Matrices M(k) of a kernel, lanes of k at once.
class BlochKernel {
public:
    BlochKernel(const Kernel& kernel, const IVec3& cells)
        : n_(kernel.n_sites()), hermitian_(is_hermitian(kernel)), cells_(cells), scale_(n_, 1.0) {
        if (hermitian_)
            for (std::size_t i = 0; i < n_; ++i) scale_[i] = std::sqrt(kernel.stationary[i]);
        for (std::size_t axis = 0; axis < 3; ++axis) {
            const int size = cells[static_cast<int>(axis)];
            for (int m = 0; m < size; ++m)
                turns_[axis].push_back(std::polar(1.0, -2 * std::numbers::pi * m / size));
        }
        std::map<std::array<int, 3>, std::uint32_t> known;
        for (std::size_t j = 0; j < n_; ++j)
            for (const KernelEntry& e : kernel.from(j)) {
                const std::array<int, 3> R{e.R[0], e.R[1], e.R[2]};
                const auto [found, is_new] = known.try_emplace(R, static_cast<std::uint32_t>(known.size()));
                if (is_new) shifts_.push_back(e.R);
                const auto i = static_cast<std::size_t>(e.to);
                entries_.push_back({static_cast<std::uint32_t>(i), static_cast<std::uint32_t>(j)});
                shift_.push_back(found->second);
                p_.push_back(e.p * scale_[j] / scale_[i]);
            }
    }

    std::size_t n() const { return n_; }
    bool hermitian() const { return hermitian_; }
    double scale(std::size_t site) const { return scale_[site]; } ///< x = scale y
    std::span<const BlochEntry> entries() const { return entries_; }

    /// exp(-2 pi i k.R) of all distinct R, [R][2][lane].
    void phases(const std::array<IVec3, bloch_lanes>& k, double* phase) const {
        for (std::size_t s = 0; s < shifts_.size(); ++s)
            for (std::size_t l = 0; l < bloch_lanes; ++l) {
                double re = 1, im = 0;
                for (int axis = 0; axis < 3; ++axis) {
                    const std::int64_t size = cells_[axis];
                    const std::int64_t turn = std::int64_t{k[l][axis]} * shifts_[s][axis] % size;
                    const std::complex<double> z =
                        turns_[static_cast<std::size_t>(axis)]
                              [static_cast<std::size_t>(turn < 0 ? turn + size : turn)];
                    const double old = re;
                    re = old * z.real() - im * z.imag();
                    im = old * z.imag() + im * z.real();
                }
                phase[s * bloch_complex + l] = re;
                phase[s * bloch_complex + bloch_lanes + l] = im;
            }
    }
    std::size_t n_phases() const { return shifts_.size(); }

    /// [entry][2][lane]
    void coefficients(const double* phase, double* c) const {
        for (std::size_t e = 0; e < entries_.size(); ++e)
            for (std::size_t l = 0; l < bloch_complex; ++l)
                c[e * bloch_complex + l] = p_[e] * phase[shift_[e] * bloch_complex + l];
    }

    void matrix(const double* phase, double* M) const {
        std::fill_n(M, n_ * n_ * bloch_complex, 0.0);
        for (std::size_t e = 0; e < entries_.size(); ++e) {
            const auto [i, j] = entries_[e];
            if (hermitian_ && i < j) continue;
            double* to = M + (i * n_ + j) * bloch_complex;
            for (std::size_t l = 0; l < bloch_complex; ++l)
                to[l] += p_[e] * phase[shift_[e] * bloch_complex + l];
        }
        if (!hermitian_) return;
        for (std::size_t i = 0; i < n_; ++i) {
            std::fill_n(M + (i * n_ + i) * bloch_complex + bloch_lanes, bloch_lanes, 0.0);
            for (std::size_t j = 0; j < i; ++j) {
                const double* from = M + (i * n_ + j) * bloch_complex;
                double* to = M + (j * n_ + i) * bloch_complex;
                for (std::size_t l = 0; l < bloch_lanes; ++l) {
                    to[l] = from[l];
                    to[bloch_lanes + l] = -from[bloch_lanes + l];
                }
            }
        }
    }

private:
    std::size_t n_;
    bool hermitian_;
    IVec3 cells_;
    std::vector<double> scale_;
    std::array<std::vector<std::complex<double>>, 3> turns_;
    std::vector<IVec3> shifts_;
    std::vector<BlochEntry> entries_;
    std::vector<std::uint32_t> shift_; // of each entry
    std::vector<double> p_;
};

/// x(k; n) of lanes of k for several n.
class Leaper {
public:
    Leaper(const BlochKernel& kernel, const Method& method, std::span<const std::int64_t> steps)
        : kernel_(kernel), method_(method), steps_(steps), n_(kernel.n()),
          phase_(kernel.n_phases() * bloch_complex), start_(n_ * bloch_complex), spare_(start_.size()),
          ends_(steps.size() * start_.size()) {
        if (method.by_entries) {
            A_.resize(kernel.entries().size() * bloch_complex);
        } else {
            A_.resize(n_ * n_ * bloch_complex);
            B_.resize(method.levels > 0 ? A_.size() : 0);
        }
    }
    double* start() { return start_.data(); }
    const double* end(std::size_t output) const { return ends_.data() + output * start_.size(); }

    void run(const std::array<IVec3, bloch_lanes>& k) {
        kernel_.phases(k, phase_.data());
        if (method_.by_entries)
            step_by_step();
        else
            by_powers();
    }

private:
    double* end_of(std::size_t output) { return ends_.data() + output * start_.size(); }

    void step_by_step() {
        kernel_.coefficients(phase_.data(), A_.data());
        std::int64_t now = 0;
        for (std::size_t o = 0; o < steps_.size(); ++o) {
            for (; now < steps_[o]; ++now) {
                apply_entries(n_, kernel_.entries().size(), kernel_.entries().data(), A_.data(),
                              start_.data(), spare_.data());
                start_.swap(spare_);
            }
            std::copy(start_.begin(), start_.end(), end_of(o));
        }
    }

    void apply(std::size_t output) {
        apply_matrix(n_, A_.data(), end_of(output), spare_.data());
        std::copy(spare_.begin(), spare_.end(), end_of(output));
    }

    void by_powers() {
        kernel_.matrix(phase_.data(), A_.data());
        for (std::size_t o = 0; o < steps_.size(); ++o) std::copy(start_.begin(), start_.end(), end_of(o));
        for (int level = 0; level < method_.levels; ++level) {
            for (std::size_t o = 0; o < steps_.size(); ++o)
                if (steps_[o] >> level & 1) apply(o);
            std::array<double, bloch_lanes> size;
            if (kernel_.hermitian())
                square_hermitian(n_, A_.data(), B_.data(), size.data());
            else
                square_general(n_, A_.data(), B_.data(), size.data());
            A_.swap(B_);
            if (*std::max_element(size.begin(), size.end()) < negligible) {
                for (std::size_t o = 0; o < steps_.size(); ++o)
                    if (steps_[o] >> (level + 1) > 0) std::fill_n(end_of(o), start_.size(), 0.0);
                return;
            }
        }
        for (std::size_t o = 0; o < steps_.size(); ++o)
            for (std::int64_t times = steps_[o] >> method_.levels; times > 0; --times) apply(o);
    }

    const BlochKernel& kernel_;
    Method method_;
    std::span<const std::int64_t> steps_;
    std::size_t n_;
    std::vector<double> phase_, start_, spare_, ends_, A_, B_;
};

/// The same at k = 0, where nothing may be lost: powers of M(0) with columns brought back to 1.
std::vector<std::vector<double>> leap_of_sums(const Kernel& kernel, const std::vector<double>& start,
                                              std::span<const std::int64_t> steps) {
    const std::size_t n = kernel.n_sites();
    std::vector<double> M(n * n, 0.0), square(n * n), next(n); // [from][to]
    for (std::size_t j = 0; j < n; ++j)
        for (const KernelEntry& e : kernel.from(j)) M[j * n + static_cast<std::size_t>(e.to)] += e.p;
    std::vector<std::vector<double>> ends(steps.size(), start);
    const auto add_columns = [&](const double* weights, double* sum) {
        std::fill_n(sum, n, 0.0);
        for (std::size_t k = 0; k < n; ++k)
            for (std::size_t i = 0; i < n; ++i) sum[i] += weights[k] * M[k * n + i];
    };
    for (int level = 0; steps.back() >> level > 0; ++level) {
        for (std::size_t j = 0; j < n; ++j) {
            double sum = 0;
            for (std::size_t i = 0; i < n; ++i) sum += M[j * n + i];
            for (std::size_t i = 0; i < n; ++i) M[j * n + i] /= sum;
        }
        for (std::size_t o = 0; o < steps.size(); ++o)
            if (steps[o] >> level & 1) {
                add_columns(ends[o].data(), next.data());
                ends[o].swap(next);
            }
        for (std::size_t j = 0; j < n; ++j) add_columns(&M[j * n], &square[j * n]);
        M.swap(square);
    }
    return ends;
}

template <class T>
struct Fftw;
template <>
struct Fftw<double> {
    using Plan = fftw_plan;
    using Complex = fftw_complex;
    using Size = fftw_iodim64;
    static constexpr auto destroy = fftw_destroy_plan;
    static constexpr auto real_to_complex = fftw_plan_guru64_dft_r2c;
    static constexpr auto complex_to_real = fftw_plan_guru64_dft_c2r;
    static constexpr auto complex_to_complex = fftw_plan_guru64_dft;
    static constexpr auto execute_real_to_complex = fftw_execute_dft_r2c;
    static constexpr auto execute_complex_to_real = fftw_execute_dft_c2r;
    static constexpr auto execute = fftw_execute_dft;
};
template <>
struct Fftw<float> {
    using Plan = fftwf_plan;
    using Complex = fftwf_complex;
    using Size = fftwf_iodim64;
    static constexpr auto destroy = fftwf_destroy_plan;
    static constexpr auto real_to_complex = fftwf_plan_guru64_dft_r2c;
    static constexpr auto complex_to_real = fftwf_plan_guru64_dft_c2r;
    static constexpr auto complex_to_complex = fftwf_plan_guru64_dft;
    static constexpr auto execute_real_to_complex = fftwf_execute_dft_r2c;
    static constexpr auto execute_complex_to_real = fftwf_execute_dft_c2r;
    static constexpr auto execute = fftwf_execute_dft;
};

std::mutex& planner() { // FFTW plans one at a time
    static std::mutex mutex;
    return mutex;
}

/// Transforms of all sites over cells. Spectra stand as fields do, [z][y][site][x], without margin; rows hold
/// cells_1 / 2 + 1 complex numbers. Plans are estimated, not timed, and each thread transforms planes of its
/// own: the same bits every time.
template <class T>
class Transform {
    using F = Fftw<T>;
    using Complex = typename F::Complex;

public:
    /// @param spectrum  any spectrum: only its alignment counts
    Transform(const FieldLayout& layout, T* field, T* spectrum)
        : layout_(layout), ny_(static_cast<std::size_t>(layout.cells[1])),
          nz_(static_cast<std::size_t>(layout.cells[2])) {
        const auto pitch = static_cast<std::ptrdiff_t>(layout.n_basis * layout.stride);
        const std::ptrdiff_t nx = layout.cells[0], ny = layout.cells[1], nz = layout.cells[2];
        const typename F::Size to[2] = {{ny, pitch, pitch / 2}, {nx, 1, 1}},
                               from[2] = {{ny, pitch / 2, pitch}, {nx, 1, 1}},
                               along_z = {nz, ny * pitch / 2, ny * pitch / 2}, row = {nx / 2 + 1, 1, 1};
        auto* s = reinterpret_cast<Complex*>(spectrum);
        const std::lock_guard lock(planner());
        forward_.plan = F::real_to_complex(2, to, 0, nullptr, field + layout.margin, s, FFTW_ESTIMATE);
        backward_.plan = F::complex_to_real(2, from, 0, nullptr, s, field + layout.margin, FFTW_ESTIMATE);
        forward_z_.plan = F::complex_to_complex(1, &along_z, 1, &row, s, s, FFTW_FORWARD, FFTW_ESTIMATE);
        backward_z_.plan = F::complex_to_complex(1, &along_z, 1, &row, s, s, FFTW_BACKWARD, FFTW_ESTIMATE);
        if (!forward_.plan || !backward_.plan || !forward_z_.plan || !backward_z_.plan)
            throw DataError("FFTW has no plan for a domain of this size. Use steps instead of leaps");
    }

    void forward(T* field, T* spectrum) const {
        for_each_index(nz_ * layout_.n_basis, [&](std::size_t k) {
            const std::size_t site = k % layout_.n_basis, z = k / layout_.n_basis;
            F::execute_real_to_complex(forward_.plan, field + layout_.row(0, z, site),
                                       row(spectrum, 0, z, site));
        });
        along_z(forward_z_, spectrum);
    }
    /// Destroys the spectrum. Not normalised.
    void backward(T* spectrum, T* field) const {
        along_z(backward_z_, spectrum);
        for_each_index(nz_ * layout_.n_basis, [&](std::size_t k) {
            const std::size_t site = k % layout_.n_basis, z = k / layout_.n_basis;
            F::execute_complex_to_real(backward_.plan, row(spectrum, 0, z, site),
                                       field + layout_.row(0, z, site));
            for (std::size_t y = 0; y < ny_; ++y) fill_margin(field + layout_.row(y, z, site), layout_, true);
        });
    }

private:
    struct Plan {
        typename F::Plan plan = nullptr;
        Plan() = default;
        Plan(const Plan&) = delete;
        Plan& operator=(const Plan&) = delete;
        ~Plan() {
            const std::lock_guard lock(planner());
            if (plan) F::destroy(plan);
        }
    };
    Complex* row(T* spectrum, std::size_t y, std::size_t z, std::size_t site) const {
        return reinterpret_cast<Complex*>(spectrum + layout_.row(y, z, site) - layout_.margin);
    }
    void along_z(const Plan& plan, T* spectrum) const {
        if (nz_ == 1) return;
        for_each_index(ny_ * layout_.n_basis, [&](std::size_t k) {
            Complex* first = row(spectrum, k / layout_.n_basis, 0, k % layout_.n_basis);
            F::execute(plan.plan, first, first);
        });
    }

    FieldLayout layout_;
    std::size_t ny_, nz_;
    Plan forward_, backward_, forward_z_, backward_z_;
};

double spectrum_bytes(const FieldLayout& layout, std::size_t size) {
    return static_cast<double>(layout.size() * size);
}

std::size_t outputs_at_once(double spectrum, const LeapOptions& options) {
    return 1 + static_cast<std::size_t>(std::clamp(std::floor(options.max_bytes / spectrum), 0.0, 1e6));
}

void check_steps(std::span<const std::int64_t> steps) {
    std::int64_t before = 0;
    for (const std::int64_t step : steps) {
        if (step < before)
            throw DataError(
                fmt::format("step {} after {} (steps must ascend from 0). Sort them", step, before));
        before = step;
    }
}

/// All k: from the first spectrum to all of them, normalised.
template <class T>
void leap_spectrum(const BlochKernel& kernel, const Kernel& crystal, const FieldLayout& layout,
                   std::span<const std::int64_t> steps, std::span<T* const> spectra,
                   const std::function<void(double)>& progress) {
    const auto nk = static_cast<std::size_t>(layout.cells[0] / 2 + 1),
               ny = static_cast<std::size_t>(layout.cells[1]), nz = static_cast<std::size_t>(layout.cells[2]),
               n = layout.n_basis;
    const Method method = cheapest_method(n, kernel.entries().size(), kernel.hermitian(), steps);
    const double normalise = 1 / (layout.cells.cast<double>().prod());
    const auto at = [&](const IVec3& k, std::size_t site) {
        return layout.row(static_cast<std::size_t>(k[1]), static_cast<std::size_t>(k[2]), site) -
               layout.margin + 2 * static_cast<std::size_t>(k[0]);
    };
    std::vector<double> sums(n);
    for (std::size_t i = 0; i < n; ++i) sums[i] = static_cast<double>(spectra[0][at(IVec3::Zero(), i)]);

    const std::size_t n_k = nk * ny * nz, n_batches = (n_k + bloch_lanes - 1) / bloch_lanes;
    constexpr std::size_t batches_per_block = 8, blocks_per_report = 256;
    constexpr std::size_t at_once = batches_per_block * blocks_per_report;
    for (std::size_t first = 0; first < n_batches; first += at_once) {
        if (progress) progress(static_cast<double>(first) / static_cast<double>(n_batches));
        for_blocks(std::min(at_once, n_batches - first), batches_per_block,
                   [&](std::size_t begin, std::size_t end) {
                       const FlushDenormals flush;
                       Leaper leaper(kernel, method, steps);
                       for (std::size_t b = first + begin; b < first + end; ++b) {
                           std::array<IVec3, bloch_lanes> k;
                           for (std::size_t l = 0; l < bloch_lanes; ++l) {
                               const std::size_t q = std::min(b * bloch_lanes + l, n_k - 1);
                               k[l] = {static_cast<int>(q % nk), static_cast<int>(q / nk % ny),
                                       static_cast<int>(q / nk / ny)};
                               for (std::size_t i = 0; i < n; ++i) {
                                   const T* z = spectra[0] + at(k[l], i);
                                   double* x = leaper.start() + i * bloch_complex + l;
                                   const double scale = normalise / kernel.scale(i);
                                   x[0] = scale * static_cast<double>(z[0]);
                                   x[bloch_lanes] = scale * static_cast<double>(z[1]);
                               }
                           }
                           leaper.run(k);
                           const std::size_t used = std::min(bloch_lanes, n_k - b * bloch_lanes);
                           for (std::size_t o = 0; o < steps.size(); ++o)
                               for (std::size_t l = 0; l < used; ++l)
                                   for (std::size_t i = 0; i < n; ++i) {
                                       T* z = spectra[o] + at(k[l], i);
                                       const double* x = leaper.end(o) + i * bloch_complex + l;
                                       z[0] = static_cast<T>(kernel.scale(i) * x[0]);
                                       z[1] = static_cast<T>(kernel.scale(i) * x[bloch_lanes]);
                                   }
                       }
                   });
    }
    const auto ends = leap_of_sums(crystal, sums, steps);
    for (std::size_t o = 0; o < steps.size(); ++o)
        for (std::size_t i = 0; i < n; ++i) {
            T* z = spectra[o] + at(IVec3::Zero(), i);
            z[0] = static_cast<T>(normalise * ends[o][i]);
            z[1] = 0;
        }
}

} // namespace

template <class T>
void leap(Field<T>& field, std::span<const std::int64_t> steps,
          const std::function<void(std::int64_t, const Field<T>&)>& output, const LeapOptions& options) {
    const Domain& domain = field.domain();
    if (!domain.crystal())
        throw DataError("a leap through a domain with walls or regions (Fourier transforms need cells that "
                        "are all alike). Use steps");
    check_steps(steps);
    const FieldLayout& layout = field.layout();
    const Kernel& crystal = domain.materials.front().kernel;
    const BlochKernel kernel(crystal, domain.cells);
    const std::size_t at_once =
        std::min(steps.size(), outputs_at_once(spectrum_bytes(layout, sizeof(T)), options));
    struct alignas(64) CacheLine {
        T values[64 / sizeof(T)];
    };
    std::vector<std::vector<CacheLine>> more(at_once > 0 ? at_once - 1 : 0);
    for (auto& spectrum : more) spectrum.resize(layout.size() * sizeof(T) / sizeof(CacheLine) + 1);
    T* now = FieldAccess::now(field);
    std::vector<T*> spectra{FieldAccess::scratch(field)};
    for (auto& spectrum : more) spectra.push_back(spectrum.data()->values);
    const Transform<T> transform(layout, now, spectra[0]);

    std::int64_t here = 0;
    for (std::size_t done = 0; done < steps.size();) {
        if (steps[done] == here) {
            if (output) output(here, field);
            ++done;
            continue;
        }
        std::vector<std::int64_t> group;
        for (std::size_t o = done; o < steps.size() && group.size() < at_once; ++o)
            group.push_back(steps[o] - here);
        transform.forward(now, spectra[0]);
        const auto progress = [&](double fraction) {
            options.progress((static_cast<double>(done) + fraction * static_cast<double>(group.size())) /
                             static_cast<double>(steps.size()));
        };
        leap_spectrum<T>(kernel, crystal, layout, group, std::span<T* const>(spectra).first(group.size()),
                         options.progress ? std::function<void(double)>(progress) : nullptr);
        for (std::size_t o = 0; o < group.size(); ++o) {
            transform.backward(spectra[o], now);
            if (output) output(here + group[o], field);
        }
        here += group.back();
        done += group.size();
    }
    if (options.progress) options.progress(1);
}

template <class T>
void leap(Field<T>& field, std::int64_t n_steps) {
    leap<T>(field, std::span<const std::int64_t>(&n_steps, 1));
}

template <class T>
double leap_bytes(const Domain& domain, std::size_t n_outputs, const LeapOptions& options) {
    const double field = field_bytes<T>(domain), spectrum = field / 2;
    const auto n = static_cast<double>(domain.n_basis());
    const std::size_t more =
        std::min(n_outputs, outputs_at_once(spectrum, options)) - (n_outputs > 0 ? 1 : 0);
    return field + static_cast<double>(more) * spectrum +
           threads() * (2 * n * n + (3 + static_cast<double>(n_outputs)) * n) * bloch_complex *
               sizeof(double);
}

FieldEngineChoice choose_field_engine(const Domain& domain, std::span<const std::int64_t> steps,
                                      FieldPrecision precision) {
    check_steps(steps);
    FieldEngineChoice choice;
    const bool is_float = precision == FieldPrecision::single_precision;
    const auto sites = static_cast<double>(domain.n_sites()), cells = static_cast<double>(domain.n_cells());
    const Kernel& kernel = domain.materials.front().kernel;
    const auto entries = static_cast<double>(kernel.entries.size());
    const std::int64_t last = steps.empty() ? 0 : steps.back();
    choice.stencil_seconds =
        cells * entries * static_cast<double>(last) * (is_float ? stencil_term_float : stencil_term_double);
    if (!domain.crystal()) {
        choice.reason = "the field goes step by step (the domain is no crystal)";
        return choice;
    }
    if (last == 0) {
        choice.reason = "the field goes step by step (there are no steps)";
        return choice;
    }
    const double spectrum = is_float ? field_bytes<float>(domain) / 2 : field_bytes<double>(domain) / 2;
    const std::size_t at_once = outputs_at_once(spectrum, LeapOptions{});
    double products = 0, transforms = 0;
    std::int64_t here = 0;
    for (std::size_t first = 0; first < steps.size(); first += at_once) {
        std::vector<std::int64_t> group;
        for (std::size_t o = first; o < std::min(steps.size(), first + at_once); ++o)
            group.push_back(steps[o] - here);
        if (group.back() == 0) continue;
        products +=
            cheapest_method(kernel.n_sites(), kernel.entries.size(), is_hermitian(kernel), group).products;
        transforms += 1 + static_cast<double>(group.size());
        here += group.back();
    }
    const double half = (domain.cells[0] / 2 + 1.0) / domain.cells[0];
    choice.bloch_seconds = half * cells * products * matrix_product +
                           transforms * sites * (3 + std::log2(cells)) * transform_value;
    const bool leaps = choice.bloch_seconds < choice.stencil_seconds;
    choice.engine = leaps ? FieldEngine::bloch : FieldEngine::stencil;
    choice.reason = fmt::format(
        "the field goes {} ({:.3g} s of one core by Fourier transform, {:.3g} s by {} "
        "steps)",
        leaps ? "by Fourier transform" : "step by step", choice.bloch_seconds, choice.stencil_seconds, last);
    return choice;
}

template void leap(Field<double>&, std::span<const std::int64_t>,
                   const std::function<void(std::int64_t, const Field<double>&)>&, const LeapOptions&);
template void leap(Field<float>&, std::span<const std::int64_t>,
                   const std::function<void(std::int64_t, const Field<float>&)>&, const LeapOptions&);
template void leap(Field<double>&, std::int64_t);
template void leap(Field<float>&, std::int64_t);
template double leap_bytes<double>(const Domain&, std::size_t, const LeapOptions&);
template double leap_bytes<float>(const Domain&, std::size_t, const LeapOptions&);

} // namespace mesolith
