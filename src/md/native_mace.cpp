#include "mesolith/md/native_mace.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "mesolith/core/error.hpp"
#include "mesolith/core/vector_units.hpp"
#include "mesolith/md/neighbour_list.hpp"
#include "mesolith/trajectory/elements.hpp"

#include "native_mace_lanes.hpp"

namespace mesolith {
namespace {

// Tables in precision T, channels padded

/// Rows of n numbers to rows of padded_channels(n).
template <class T>
Lines<T> padded_rows(const std::vector<double>& values, std::size_t n) {
    const std::size_t rows = n == 0 ? 0 : values.size() / n, wide = padded_channels<T>(n);
    Lines<T> result(rows * wide, T(0));
    for (std::size_t r = 0; r < rows; ++r)
        for (std::size_t k = 0; k < n; ++k) result[r * wide + k] = static_cast<T>(values[r * n + k]);
    return result;
}

/// From values and derivatives of rows of n numbers at the knots of each pair to spline_rows.
std::vector<double> with_steps(const std::vector<double>& table, std::size_t knots, std::size_t n, double h) {
    std::vector<double> result;
    result.reserve(table.size() / 2 * spline_rows);
    for (std::size_t k = 0; k < table.size() / (2 * n); ++k) {
        const double* value = table.data() + 2 * n * k;
        const bool last = (k + 1) % knots == 0;
        result.insert(result.end(), value, value + n);
        for (std::size_t c = 0; c < n; ++c) result.push_back(h * value[n + c]);
        for (std::size_t c = 0; c < n; ++c) result.push_back(last ? 0 : value[2 * n + c] - value[c]);
    }
    return result;
}

/// One matrix or several, one behind the other, each `gap` numbers after the one before.
template <class T>
MaceMatrix<T> matrix(const double* values, std::size_t n, std::size_t gap, std::size_t in, std::size_t out) {
    MaceMatrix<T> W;
    W.in = in;
    W.out = out;
    const std::size_t wide_in = padded_channels<T>(in), wide_out = padded_channels<T>(out);
    if (n > 1) {
        W.stride = in * wide_out;
        W.transposed_stride = out * wide_in;
    }
    // Weights that training let decay to nothing would be denormal numbers, which are very slow.
    double negligible = 0;
    for (std::size_t m = 0; m < n; ++m)
        for (std::size_t k = 0; k < in * out; ++k)
            negligible = std::max(negligible, 1e-18 * std::abs(values[m * gap + k]));
    W.rows.assign(n * in * wide_out, T(0));
    W.transposed.assign(n * out * wide_in, T(0));
    for (std::size_t m = 0; m < n; ++m)
        for (std::size_t i = 0; i < in; ++i)
            for (std::size_t o = 0; o < out; ++o) {
                const double value = values[m * gap + i * out + o];
                const T w = std::abs(value) > negligible ? static_cast<T>(value) : T(0);
                W.rows[(m * in + i) * wide_out + o] = w;
                W.transposed[(m * out + o) * wide_in + i] = w;
            }
    return W;
}

template <class T>
MaceLayerTables<T> layer_tables(const FoldedMace& model, const FoldedMaceLayer& layer) {
    MaceLayerTables<T> t;
    const std::size_t n_l = static_cast<std::size_t>(model.l_max) + 1, knots = model.n_knots + 1;
    const double h = model.cutoff / static_cast<double>(model.n_knots);
    t.C = padded_channels<T>(layer.channels);
    t.P = padded_channels<T>(layer.products);
    const std::size_t row = n_l * layer.channels;
    t.radial = padded_rows<T>(with_steps(layer.radial, knots, row, h), layer.channels);
    const std::vector<double> density = with_steps(layer.density, knots, 1, h);
    t.density.assign(density.begin(), density.end());
    if (layer.radial.size() > knots * 2 * row) t.radial_stride = knots * spline_rows * n_l * t.C;
    if (layer.density.size() > knots * 2) t.density_stride = knots * spline_rows;
    if (!layer.mixing.empty()) {
        const std::size_t size = layer.channels * layer.products, n = layer.mixing.size() / (n_l * size);
        for (std::size_t l = 0; l < n_l; ++l)
            t.mixing.push_back(
                matrix<T>(layer.mixing.data() + l * size, n, n_l * size, layer.channels, layer.products));
    }
    // Monomials by degree, otherwise in their order.
    std::vector<std::size_t> order;
    for (std::size_t degree = 1; degree <= 3; ++degree) {
        for (std::size_t m = 0; m < layer.monomials.size(); ++m) {
            const auto& f = layer.monomials[m];
            const auto of_m =
                static_cast<std::size_t>(std::count_if(f.begin(), f.end(), [](int lm) { return lm >= 0; }));
            if (of_m != degree) continue;
            order.push_back(m);
            t.monomials.push_back({static_cast<std::uint8_t>(f[0]),
                                   static_cast<std::uint8_t>(std::max(f[1], 0)),
                                   static_cast<std::uint8_t>(std::max(f[2], 0))});
        }
        t.degree_end[degree] = order.size();
    }
    std::vector<double> sorted;
    for (std::size_t z = 0; z < model.n_elements(); ++z)
        for (const std::size_t m : order) {
            const double* from = layer.coefficients.data() + (z * order.size() + m) * layer.products;
            sorted.insert(sorted.end(), from, from + layer.products);
        }
    t.coefficients = padded_rows<T>(sorted, layer.products);
    return t;
}

template <class T>
MaceTables<T> tables_of(const FoldedMace& model) {
    MaceTables<T> t;
    t.l_max = model.l_max;
    t.n_elements = model.n_elements();
    for (std::size_t k = 0; k < 2; ++k) t.layers[k] = layer_tables<T>(model, model.layers[k]);
    const std::size_t P0 = model.layers[0].products, P1 = model.layers[1].products;
    const std::size_t C1 = model.layers[1].channels, H = model.hidden;
    t.message = matrix<T>(model.message.data(), 1, 0, P0, C1);
    t.hidden_first = matrix<T>(model.hidden_first.data(), model.n_elements(), P0 * H, P0, H);
    t.hidden_second = matrix<T>(model.hidden_second.data(), 1, 0, P1, H);
    t.H = padded_channels<T>(H);
    t.message_bias = padded_rows<T>(model.message_bias, C1);
    t.linear_readout = padded_rows<T>(model.linear_readout, P0);
    t.hidden_bias = padded_rows<T>(model.hidden_bias, H);
    t.readout = padded_rows<T>(model.readout, H);
    return t;
}

/// Real spherical harmonics of a unit vector as in e3nn, sum_m Y_lm^2 = 2 l + 1.
template <class T>
void harmonics(int l_max, T x, T y, T z, T* Y) {
    Y[0] = 1;
    if (l_max < 1) return;
    const T s3 = T(1.7320508075688772), s15 = T(3.8729833462074170), s5 = T(2.2360679774997897);
    Y[1] = s3 * x;
    Y[2] = s3 * y;
    Y[3] = s3 * z;
    if (l_max < 2) return;
    const T y2 = y * y, difference = z * z - x * x; // on the sphere x^2 + z^2 = 1 - y^2
    Y[4] = s15 * x * z;
    Y[5] = s15 * x * y;
    Y[6] = s5 * (T(1.5) * y2 - T(0.5));
    Y[7] = s15 * y * z;
    Y[8] = T(0.5) * s15 * difference;
    if (l_max < 3) return;
    const T b = T(2.0916500663351889), q = T(10.246950765959598), e = T(1.6201851746019651),
            f = T(1.3228756555322954);
    Y[9] = b * x * (3 * z * z - x * x);
    Y[10] = q * x * y * z;
    Y[11] = e * x * (5 * y2 - 1);
    Y[12] = f * y * (5 * y2 - 3);
    Y[13] = e * z * (5 * y2 - 1);
    Y[14] = T(0.5) * q * y * difference;
    Y[15] = b * z * (z * z - 3 * x * x);
}

/// Half of the repulsion of a pair and its derivative by the distance.
struct Repulsion {
    double energy = 0, slope = 0;
};
Repulsion half_zbl(const FoldedZbl& zbl, std::size_t pair, double r) {
    if (!(r < zbl.range[pair])) return {};
    const double a = zbl.screening_length[pair], x = r / zbl.range[pair], p = zbl.envelope_power;
    double phi = 0, phi_slope = 0;
    for (std::size_t k = 0; k < 4; ++k) {
        const double term = zbl.weight[k] * std::exp(-zbl.decay[k] * r / a);
        phi += term;
        phi_slope -= zbl.decay[k] / a * term;
    }
    const double c0 = (p + 1) * (p + 2) / 2, c1 = p * (p + 2), c2 = p * (p + 1) / 2, xp = std::pow(x, p);
    const double envelope = 1 - xp * (c0 - x * (c1 - x * c2));
    const double envelope_slope = -xp / r * (c0 * p - x * (c1 * (p + 1) - x * c2 * (p + 2)));
    const double v = 0.5 * zbl.strength[pair] / r;
    return {v * phi * envelope, v * ((phi_slope - phi / r) * envelope + phi * envelope_slope)};
}

const char* units_name() {
    switch (vector_units()) {
    case VectorUnits::avx512:
        return "AVX-512";
    case VectorUnits::avx2:
        return "AVX2";
    default:
        return "baseline vector instructions";
    }
}

} // namespace

/// What does not depend on the precision: the model without its tables, the neighbour list, checks.
class NativeMace::Evaluator {
public:
    Evaluator(const FoldedMace& model, double skin)
        : elements_(model.elements), cutoff_(model.cutoff), skin_(skin), scale_(model.scale),
          isolated_(model.isolated), zbl_(model.zbl), list_(model.cutoff, skin), atomic_column_(119, -1) {
        for (std::size_t k = 0; k < elements_.size(); ++k)
            atomic_column_[static_cast<std::size_t>(elements_[k])] = static_cast<int>(k);
    }
    Evaluator(const Evaluator&) = default;
    virtual ~Evaluator() = default;
    virtual std::unique_ptr<Evaluator> copy() const = 0;
    virtual const char* precision() const = 0;
    virtual void evaluate(const Cell& cell, std::span<const int> numbers, std::span<const Vec3> positions,
                          Forces& result, bool with_virial) = 0;

    const std::vector<int>& elements() const { return elements_; }
    double cutoff() const { return cutoff_; }

protected:
    std::uint32_t column(std::size_t atom, int number) const {
        const int k = number >= 1 && number <= 118 ? atomic_column_[static_cast<std::size_t>(number)] : -1;
        if (k < 0) {
            std::string known;
            for (const int z : elements_)
                known += (known.empty() ? "" : ", ") + std::string(element_symbol(z));
            const std::string_view symbol = element_symbol(number);
            throw DataError(
                fmt::format("atom {} is {} (the model knows {}). Use a model that was trained with "
                            "this element",
                            atom, symbol.empty() ? fmt::format("element {}", number) : symbol, known));
        }
        return static_cast<std::uint32_t>(k);
    }

    std::vector<int> elements_;
    double cutoff_, skin_, scale_;
    std::vector<double> isolated_;
    std::optional<FoldedZbl> zbl_;
    NeighbourList list_;

private:
    std::vector<int> atomic_column_; // by atomic number, -1 = unknown
};

template <class T>
class NativeMace::Lanes final : public NativeMace::Evaluator {
public:
    Lanes(const FoldedMace& model, double skin)
        : Evaluator(model, skin), n_knots_(model.n_knots),
          tables_(std::make_shared<const MaceTables<T>>(tables_of<T>(model))) {}

    std::unique_ptr<Evaluator> copy() const override { return std::make_unique<Lanes>(*this); }
    const char* precision() const override { return sizeof(T) == 4 ? "single" : "double"; }

    void evaluate(const Cell& cell, std::span<const int> numbers, std::span<const Vec3> positions,
                  Forces& result, bool with_virial) override {
        const std::size_t n = positions.size();
        if (numbers.size() != n)
            throw DataError(
                fmt::format("{} atomic numbers for {} positions. Give one for each", numbers.size(), n));
        work_.element.resize(n);
        for (std::size_t i = 0; i < n; ++i) work_.element[i] = column(i, numbers[i]);
        list_.update(cell, positions);
        set_pairs();
        evaluate_mace(*tables_, work_);
        collect(result, with_virial);
    }

private:
    void set_pairs() {
        const MaceTables<T>& t = *tables_;
        const std::size_t n = list_.n_atoms(), pairs = list_.n_pairs(), numbers = edge_numbers(t.l_max);
        const std::size_t n_lm = numbers - edge_weights, P0 = t.layers[0].P, C1 = t.layers[1].C,
                          P1 = t.layers[1].P;
        if (pairs > std::numeric_limits<std::uint32_t>::max())
            throw DataError(fmt::format(
                "{} pairs of neighbours (at most 2^32 can be evaluated). Use fewer atoms", pairs));
        work_.first.resize(n + 1);
        work_.atom.resize(pairs);
        work_.knot.resize(pairs);
        work_.edge.resize(pairs * numbers);
        work_.direction.resize(pairs * 3);
        work_.gradient.resize(pairs * 4);
        work_.energy.resize(n);
        if (!t.layers[0].density.empty()) work_.A.resize(n * n_lm * P0);
        work_.dB.resize(n * n_lm * P0);
        work_.B.resize(n * P0);
        work_.gradient_B.resize(n * P0);
        work_.message.resize(n * C1);
        work_.gradient_message.resize(n * C1);
        work_.gradient_A.resize(n * n_lm * C1);
        work_.scratch.resize(3 * n_lm * std::max({t.layers[0].C, P0, C1, P1}) + P1 + t.H);
        work_.density.assign(n, T(1));
        work_.gradient_density.assign(n, T(0));

        const double per_length = static_cast<double>(n_knots_) / cutoff_;
        const T slope_unit = static_cast<T>(per_length);
        std::size_t e = 0;
        for (std::size_t i = 0; i < n; ++i) {
            work_.first[i] = static_cast<std::uint32_t>(e);
            for (const Neighbour& neighbour : list_.of(i)) {
                work_.atom[e] = neighbour.atom;
                const double at = neighbour.distance * per_length;
                const auto knot = std::min(static_cast<std::size_t>(at), n_knots_ - 1);
                work_.knot[e] = static_cast<std::uint32_t>(knot);
                const T t1 = static_cast<T>(at - static_cast<double>(knot)), t0 = 1 - t1;
                T* edge = work_.edge.data() + e * numbers;
                edge[0] = t1 * t0 * t0;
                edge[1] = t1 * t1 * (3 - 2 * t1);
                edge[2] = -t1 * t1 * t0;
                edge[3] = t0 * (1 - 3 * t1) * slope_unit;
                edge[4] = 6 * t1 * t0 * slope_unit;
                edge[5] = t1 * (3 * t1 - 2) * slope_unit;
                const double inverse = 1 / neighbour.distance;
                T* u = work_.direction.data() + 3 * e;
                for (int k = 0; k < 3; ++k) u[k] = static_cast<T>(neighbour.vector[k] * inverse);
                harmonics(t.l_max, u[0], u[1], u[2], edge + edge_weights);
                ++e;
            }
        }
        work_.first[n] = static_cast<std::uint32_t>(e);
    }

    /// From the gradient of pairs to forces: dE/dv = (g - (g.u) u) / r + dE/dr u for the vector v of a pair.
    void collect(Forces& result, bool with_virial) const {
        const std::size_t n = list_.n_atoms();
        result.atom_energy.resize(n);
        result.forces.assign(n, Vec3::Zero());
        result.virial = Mat3::Zero();
        result.energy = 0;
        std::size_t e = 0;
        for (std::size_t i = 0; i < n; ++i) {
            double energy = work_.energy[i];
            Vec3 own = Vec3::Zero();
            for (const Neighbour& neighbour : list_.of(i)) {
                const T* gradient = work_.gradient.data() + 4 * e++;
                const double r = neighbour.distance, inverse = 1 / r;
                const Vec3 u = neighbour.vector * inverse;
                const Vec3 g(static_cast<double>(gradient[0]), static_cast<double>(gradient[1]),
                             static_cast<double>(gradient[2]));
                double along = static_cast<double>(gradient[3]);
                if (zbl_) {
                    const std::size_t pair =
                        work_.element[i] * elements_.size() + work_.element[neighbour.atom];
                    if (r < zbl_->range[pair]) {
                        const Repulsion repulsion = half_zbl(*zbl_, pair, r);
                        energy += repulsion.energy;
                        along += repulsion.slope;
                    }
                }
                const Vec3 slope = inverse * g + (along - inverse * g.dot(u)) * u;
                own += slope;
                result.forces[neighbour.atom] -= slope;
                if (with_virial) result.virial -= slope * neighbour.vector.transpose();
            }
            result.forces[i] += own;
            result.atom_energy[i] = isolated_[work_.element[i]] + scale_ * energy;
            result.energy += result.atom_energy[i];
        }
        for (Vec3& f : result.forces) f *= scale_;
        result.virial = (0.5 * scale_ * (result.virial + result.virial.transpose())).eval();
    }

    std::size_t n_knots_;
    std::shared_ptr<const MaceTables<T>> tables_;
    MaceWork<T> work_;
};

NativeMace::NativeMace(const FoldedMace& model, MacePrecision precision, double skin) {
    check(model);
    if (precision == MacePrecision::single_precision)
        evaluator_ = std::make_unique<Lanes<float>>(model, skin);
    else
        evaluator_ = std::make_unique<Lanes<double>>(model, skin);
}
NativeMace::NativeMace(std::unique_ptr<Evaluator> evaluator) : evaluator_(std::move(evaluator)) {}
NativeMace::~NativeMace() = default;
NativeMace::NativeMace(NativeMace&&) noexcept = default;
NativeMace& NativeMace::operator=(NativeMace&&) noexcept = default;

std::string NativeMace::description() const {
    return fmt::format("built-in MACE, {} precision, {}", evaluator_->precision(), units_name());
}
double NativeMace::cutoff() const { return evaluator_->cutoff(); }
std::vector<int> NativeMace::elements() const { return evaluator_->elements(); }
void NativeMace::evaluate(const Cell& cell, std::span<const int> numbers, std::span<const Vec3> positions,
                          Forces& result, bool with_virial) {
    evaluator_->evaluate(cell, numbers, positions, result, with_virial);
}
std::unique_ptr<ForceField> NativeMace::clone() const {
    return std::unique_ptr<ForceField>(new NativeMace(evaluator_->copy()));
}

} // namespace mesolith
