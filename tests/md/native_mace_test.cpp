#include <cmath>
#include <numbers>
#include <random>

#include <Eigen/Geometry>

#include "mesolith/core/error.hpp"
#include "mesolith/core/parallel.hpp"
#include "mesolith/core/vector_units.hpp"
#include "mesolith/md/dynamics.hpp"
#include "mesolith/md/native_mace.hpp"

#include "support/catch.hpp"
#include "support/contains_text.hpp"

using namespace mesolith;
using namespace mesolith::test;

namespace {

enum class Kind {
    any,      ///< all monomials of degree 1 and some of 2 and 3: not invariant, but harder to get right
    invariant ///< A_00, and sum_m A_lm^2 with and without A_00
};

/// A model with all that the format allows: tables by pair, densities, mixing by element, ZBL.
FoldedMace random_model(int l_max, Kind kind, std::uint64_t seed) {
    std::mt19937_64 engine(seed);
    std::normal_distribution<double> normal;
    const auto numbers = [&](std::size_t n, double width) {
        std::vector<double> values(n);
        for (double& x : values) x = width * normal(engine);
        return values;
    };
    FoldedMace model;
    model.elements = {3, 14};
    model.cutoff = 3.7;
    model.l_max = l_max;
    model.n_knots = 60;
    model.scale = 0.8;
    model.hidden = 5;
    const std::size_t n_l = static_cast<std::size_t>(l_max) + 1, n_lm = n_l * n_l;
    const std::size_t channels[2] = {7, 19}, products[2] = {7, 18};
    // Smooth functions of r that vanish with their slope at the cutoff.
    const auto table = [&](std::size_t n, std::size_t row, bool positive) {
        std::vector<double> values(n * (model.n_knots + 1) * 2 * row);
        for (std::size_t t = 0; t < n; ++t)
            for (std::size_t c = 0; c < row; ++c) {
                const double a = 0.4 * normal(engine), b = 1 + 0.3 * normal(engine), phase = normal(engine);
                for (std::size_t k = 0; k <= model.n_knots; ++k) {
                    const double x = static_cast<double>(k) / static_cast<double>(model.n_knots);
                    const double r = x * model.cutoff, end = (1 - x) * (1 - x);
                    const double end_slope = -2 * (1 - x) / model.cutoff;
                    const double wave =
                        positive ? a * a * (1.2 + std::cos(b * r)) : a * std::cos(b * r + phase);
                    const double wave_slope =
                        positive ? -a * a * b * std::sin(b * r) : -a * b * std::sin(b * r + phase);
                    double* at = values.data() + ((t * (model.n_knots + 1) + k) * 2) * row + c;
                    at[0] = end * wave;
                    at[row] = end * wave_slope + end_slope * wave;
                }
            }
        return values;
    };
    for (std::size_t k = 0; k < 2; ++k) {
        FoldedMaceLayer& layer = model.layers[k];
        layer.channels = channels[k];
        layer.products = products[k];
        layer.radial = table(4, n_l * channels[k], false);
        layer.density = table(k == 0 ? 1 : 4, 1, true);
        if (k == 1) {
            layer.mixing = numbers(2 * n_l * channels[k] * products[k], 0.3);
        }
        const auto n = static_cast<int>(n_lm);
        if (kind == Kind::any) {
            for (int i = 0; i < n; ++i) {
                layer.monomials.push_back({i, -1, -1});
                layer.monomials.push_back({i / 2, i, -1});
                layer.monomials.push_back({i / 3, i / 2, i});
            }
            layer.coefficients = numbers(2 * layer.monomials.size() * products[k], 0.1);
        } else {
            std::vector<int> shared; // index of the coefficient that a monomial shares with others of its l
            layer.monomials.push_back({0, -1, -1});
            shared.push_back(0);
            for (int l = 0; l <= l_max; ++l)
                for (int lm = l * l; lm < (l + 1) * (l + 1); ++lm) {
                    layer.monomials.push_back({lm, lm, -1});
                    shared.push_back(1 + l);
                    layer.monomials.push_back({0, lm, lm});
                    shared.push_back(5 + l);
                }
            for (int z = 0; z < 2; ++z) {
                const std::vector<double> k_of = numbers(9 * products[k], 0.1);
                for (const int s : shared)
                    for (std::size_t p = 0; p < products[k]; ++p)
                        layer.coefficients.push_back(k_of[static_cast<std::size_t>(s) * products[k] + p]);
            }
        }
    }
    model.message = numbers(7 * 19, 0.4);
    model.message_bias = numbers(2 * 19, 0.5);
    model.linear_readout = numbers(7, 0.3);
    model.hidden_first = numbers(std::size_t{2} * 7 * 5, 0.3);
    model.hidden_second = numbers(std::size_t{18} * 5, 0.3);
    model.hidden_bias = numbers(std::size_t{2} * 5, 0.3);
    model.readout = numbers(5, 0.5);
    model.isolated = {-1.6, -5.3};
    FoldedZbl zbl;
    zbl.screening_length = {0.09, 0.08, 0.08, 0.07};
    zbl.strength = {130, 600, 600, 2800};
    zbl.range = {2.5, 2.4, 2.4, 2.2};
    zbl.weight = {0.1818, 0.5099, 0.2802, 0.02817};
    zbl.decay = {3.2, 0.9423, 0.4028, 0.2016};
    zbl.envelope_power = 5;
    model.zbl = zbl;
    return model;
}

struct Atoms {
    Cell cell;
    std::vector<int> numbers;
    std::vector<Vec3> positions;
};

/// Nine atoms, at least 1.7 A apart, in a sheared cell in which some see their own images.
Atoms some_atoms(std::uint64_t seed) {
    std::mt19937_64 engine(seed);
    std::uniform_real_distribution<double> uniform;
    Mat3 rows;
    rows << 3.4, 0.2, 0, 0.7, 5.6, 0.1, -0.4, 0.5, 6.3;
    Atoms atoms{Cell(rows), {}, {}};
    while (atoms.positions.size() < 9) {
        const Vec3 x = atoms.cell.to_cartesian(Vec3(uniform(engine), uniform(engine), uniform(engine)));
        bool far = true;
        for (const Vec3& other : atoms.positions)
            far = far && atoms.cell.minimum_image(x - other).norm() > 1.7;
        if (!far) continue;
        atoms.numbers.push_back(atoms.positions.size() % 3 == 0 ? 14 : 3);
        atoms.positions.push_back(x);
    }
    return atoms;
}

/// Forces of the model in double.
Forces forces_of(const FoldedMace& model, const Atoms& atoms, bool with_virial = false) {
    NativeMace field(model, MacePrecision::double_precision);
    Forces result;
    field.evaluate(atoms.cell, atoms.numbers, atoms.positions, result, with_virial);
    return result;
}

double largest(const std::vector<Vec3>& a, const std::vector<Vec3>& b) {
    double d = 0;
    for (std::size_t i = 0; i < a.size(); ++i) d = std::max(d, (a[i] - b[i]).cwiseAbs().maxCoeff());
    return d;
}

// The model once more, loop by loop, from the formulas of its header

/// Spherical harmonic from Legendre functions, y as the polar axis.
double harmonic(unsigned l, int m, const Vec3& u) {
    const auto k = static_cast<unsigned>(std::abs(m));
    double norm = 2 * l + 1;
    for (unsigned q = l - k + 1; q <= l + k; ++q) norm /= q;
    const double angle = k * std::atan2(u[0], u[2]);
    return std::sqrt(norm * (m == 0 ? 1 : 2)) * std::assoc_legendre(l, k, u[1]) *
           (m < 0 ? std::sin(angle) : std::cos(angle));
}

struct PlainPair {
    std::size_t i, j;
    Vec3 v;
};

double plain_energy(const FoldedMace& model, const Atoms& atoms) {
    const std::size_t n = atoms.positions.size(), n_l = static_cast<std::size_t>(model.l_max) + 1;
    std::vector<PlainPair> pairs;
    for (std::size_t i = 0; i < n; ++i)
        for (std::size_t j = 0; j < n; ++j)
            for (int a = -3; a <= 3; ++a)
                for (int b = -3; b <= 3; ++b)
                    for (int c = -3; c <= 3; ++c) {
                        const Vec3 v =
                            atoms.positions[j] - atoms.positions[i] + atoms.cell.to_cartesian(Vec3(a, b, c));
                        if (v.norm() > 0 && v.norm() < model.cutoff) pairs.push_back({i, j, v});
                    }
    std::vector<std::size_t> z;
    for (const int number : atoms.numbers) z.push_back(number == 3 ? 0 : 1);
    const double h = model.cutoff / static_cast<double>(model.n_knots);
    /// Hermite's cubic by de Casteljau, entry c of rows of `row` numbers.
    const auto spline = [&](const std::vector<double>& table, std::size_t row, std::size_t c,
                            const PlainPair& p) {
        const std::size_t size = (model.n_knots + 1) * 2 * row;
        const std::size_t pair = table.size() > size ? z[p.i] * 2 + z[p.j] : 0;
        const double at = p.v.norm() / h;
        const auto k = static_cast<std::size_t>(at);
        const double t = at - static_cast<double>(k);
        const double* f = table.data() + pair * size + k * 2 * row + c;
        double q[4] = {f[0], f[0] + h / 3 * f[row], f[2 * row] - h / 3 * f[3 * row], f[2 * row]};
        for (int level = 3; level > 0; --level)
            for (int s = 0; s < level; ++s) q[s] += t * (q[s + 1] - q[s]);
        return q[0];
    };
    std::vector<std::vector<double>> B, message(n);
    const auto products = [&](std::size_t layer_index) {
        const FoldedMaceLayer& layer = model.layers[layer_index];
        std::vector<std::vector<double>> result;
        for (std::size_t i = 0; i < n; ++i) {
            double density = 1;
            for (const PlainPair& p : pairs)
                if (p.i == i) density += spline(layer.density, 1, 0, p);
            std::vector<std::vector<double>> A(model.n_harmonics()), mixed;
            for (std::size_t l = 0; l < n_l; ++l)
                for (std::size_t m = 0; m < 2 * l + 1; ++m) {
                    std::vector<double>& of_lm = A[l * l + m];
                    of_lm.assign(layer.channels, 0.0);
                    for (const PlainPair& p : pairs) {
                        if (p.i != i) continue;
                        const double Y =
                            harmonic(static_cast<unsigned>(l), static_cast<int>(m) - static_cast<int>(l),
                                     p.v.normalized());
                        for (std::size_t c = 0; c < layer.channels; ++c)
                            of_lm[c] +=
                                spline(layer.radial, n_l * layer.channels, l * layer.channels + c, p) * Y *
                                (layer_index == 0 ? 1 : message[p.j][c]) / density;
                    }
                    if (layer.mixing.empty()) continue;
                    std::vector<double> out(layer.products, 0.0);
                    for (std::size_t c = 0; c < layer.channels; ++c)
                        for (std::size_t p = 0; p < layer.products; ++p)
                            out[p] +=
                                of_lm[c] *
                                layer.mixing[((z[i] * n_l + l) * layer.channels + c) * layer.products + p];
                    of_lm = out;
                }
            std::vector<double> b(layer.products, 0.0);
            for (std::size_t t = 0; t < layer.monomials.size(); ++t)
                for (std::size_t p = 0; p < layer.products; ++p) {
                    double term =
                        layer.coefficients[(z[i] * layer.monomials.size() + t) * layer.products + p];
                    for (const int lm : layer.monomials[t])
                        if (lm >= 0) term *= A[static_cast<std::size_t>(lm)][p];
                    b[p] += term;
                }
            result.push_back(b);
        }
        return result;
    };
    B = products(0);
    const std::size_t P0 = model.layers[0].products, P1 = model.layers[1].products,
                      C1 = model.layers[1].channels;
    for (std::size_t i = 0; i < n; ++i)
        for (std::size_t c = 0; c < C1; ++c) {
            message[i].push_back(model.message_bias[z[i] * C1 + c]);
            for (std::size_t p = 0; p < P0; ++p) message[i][c] += B[i][p] * model.message[p * C1 + c];
        }
    const auto B1 = products(1);
    double energy = 0;
    for (std::size_t i = 0; i < n; ++i) {
        double e = 0;
        for (std::size_t p = 0; p < P0; ++p) e += B[i][p] * model.linear_readout[p];
        for (std::size_t u = 0; u < model.hidden; ++u) {
            double x = model.hidden_bias[z[i] * model.hidden + u];
            for (std::size_t p = 0; p < P0; ++p)
                x += B[i][p] * model.hidden_first[(z[i] * P0 + p) * model.hidden + u];
            for (std::size_t p = 0; p < P1; ++p) x += B1[i][p] * model.hidden_second[p * model.hidden + u];
            e += model.readout[u] * x / (1 + std::exp(-x));
        }
        for (const PlainPair& p : pairs) {
            const std::size_t ij = z[i] * 2 + z[p.j];
            const double r = p.v.norm(), x = r / model.zbl->range[ij], q = model.zbl->envelope_power;
            if (p.i != i || x >= 1) continue;
            double phi = 0;
            for (std::size_t k = 0; k < 4; ++k)
                phi += model.zbl->weight[k] *
                       std::exp(-model.zbl->decay[k] * r / model.zbl->screening_length[ij]);
            e += 0.5 * model.zbl->strength[ij] / r * phi *
                 (1 - (q + 1) * (q + 2) / 2 * std::pow(x, q) + q * (q + 2) * std::pow(x, q + 1) -
                  q * (q + 1) / 2 * std::pow(x, q + 2));
        }
        energy += model.isolated[z[i]] + model.scale * e;
    }
    return energy;
}

} // namespace

TEST_CASE("energies equal those of the plain formulas for every l_max", "[md][mace]") {
    for (int l_max = 0; l_max <= 3; ++l_max) {
        const FoldedMace model = random_model(l_max, Kind::any, 11);
        const Atoms atoms = some_atoms(5);
        const double expected = plain_energy(model, atoms);
        CHECK(std::abs(forces_of(model, atoms).energy - expected) < 1e-10 * std::abs(expected));
    }
}

TEST_CASE("forces are minus the derivative of the energy", "[md][mace]") {
    for (int l_max = 0; l_max <= 3; ++l_max) {
        const FoldedMace model = random_model(l_max, Kind::any, 21);
        const Atoms atoms = some_atoms(6);
        const Forces at = forces_of(model, atoms);
        const double step = 1e-5;
        for (const std::size_t i : {0, 4, 7})
            for (int k = 0; k < 3; ++k) {
                Atoms up = atoms, down = atoms;
                up.positions[i][k] += step;
                down.positions[i][k] -= step;
                const double slope =
                    (forces_of(model, up).energy - forces_of(model, down).energy) / (2 * step);
                CHECK(std::abs(at.forces[i][k] + slope) < 1e-6 * (1 + std::abs(slope)));
            }
    }
}

TEST_CASE("the virial is minus the derivative by a symmetric strain", "[md][mace]") {
    const FoldedMace model = random_model(3, Kind::any, 31);
    const Atoms atoms = some_atoms(7);
    const Mat3 virial = forces_of(model, atoms, true).virial;
    const double step = 1e-5;
    for (int a = 0; a < 3; ++a)
        for (int b = a; b < 3; ++b) {
            const auto strained = [&](double by) {
                Mat3 F = Mat3::Identity();
                F(a, b) += by / 2;
                F(b, a) += by / 2;
                Atoms moved{Cell(atoms.cell.vectors() * F), atoms.numbers, atoms.positions};
                for (Vec3& x : moved.positions) x = F * x;
                return forces_of(model, moved).energy;
            };
            const double slope = (strained(step) - strained(-step)) / (2 * step);
            CHECK(std::abs(virial(a, b) + slope) < 1e-6 * (1 + std::abs(slope)));
            CHECK(virial(a, b) == virial(b, a));
        }
}

TEST_CASE("moving, turning and renaming atoms moves, turns and renames their forces", "[md][mace]") {
    const FoldedMace model = random_model(3, Kind::invariant, 41);
    const Atoms atoms = some_atoms(8);
    const Forces at = forces_of(model, atoms);
    Vec3 total = Vec3::Zero();
    for (const Vec3& f : at.forces) total += f;
    CHECK(total.norm() < 1e-10);

    Atoms moved = atoms;
    for (Vec3& x : moved.positions) x += Vec3(0.3, -1.7, 40.1);
    moved.positions[3] += moved.cell.to_cartesian(Vec3(2, -1, 0)); // another image
    CHECK(largest(forces_of(model, moved).forces, at.forces) < 1e-9);

    const Mat3 turn = Eigen::AngleAxisd(1.1, Vec3(0.3, -0.5, 0.8).normalized()).toRotationMatrix();
    Atoms turned{Cell(atoms.cell.vectors() * turn.transpose()), atoms.numbers, atoms.positions};
    for (Vec3& x : turned.positions) x = turn * x;
    const Forces after = forces_of(model, turned);
    CHECK(std::abs(after.energy - at.energy) < 1e-10);
    std::vector<Vec3> expected = at.forces;
    for (Vec3& f : expected) f = turn * f;
    CHECK(largest(after.forces, expected) < 1e-9);

    Atoms renamed = atoms;
    std::swap(renamed.positions[0], renamed.positions[5]);
    std::swap(renamed.numbers[0], renamed.numbers[5]);
    expected = at.forces;
    std::swap(expected[0], expected[5]);
    CHECK(largest(forces_of(model, renamed).forces, expected) < 1e-10);
}

TEST_CASE("all vector units agree, and single precision with double", "[md][mace]") {
    const FoldedMace model = random_model(3, Kind::any, 51);
    const Atoms atoms = some_atoms(9);
    const Forces best = forces_of(model, atoms);
    double size = 0;
    for (const Vec3& f : best.forces) size = std::max(size, f.cwiseAbs().maxCoeff());
    for (const VectorUnits units : {VectorUnits::baseline, VectorUnits::avx2, VectorUnits::avx512}) {
        limit_vector_units(units);
        CHECK(largest(forces_of(model, atoms).forces, best.forces) < 1e-12 * size);
        NativeMace single(model, MacePrecision::single_precision);
        Forces rounded;
        single.evaluate(atoms.cell, atoms.numbers, atoms.positions, rounded);
        CHECK(largest(rounded.forces, best.forces) < 1e-5 * size);
        CHECK(std::abs(rounded.energy - best.energy) < 1e-5 * size);
    }
    limit_vector_units(VectorUnits::avx512);
}

TEST_CASE("a clone and an evaluator with a past give the same bits as a fresh one", "[md][mace]") {
    const FoldedMace model = random_model(2, Kind::any, 61);
    const Atoms atoms = some_atoms(10), other = some_atoms(12);
    for (const MacePrecision precision : {MacePrecision::single_precision, MacePrecision::double_precision}) {
        NativeMace fresh(model, precision), used(model, precision);
        Forces expected, result;
        fresh.evaluate(atoms.cell, atoms.numbers, atoms.positions, expected, true);
        used.evaluate(other.cell, other.numbers, other.positions, result);
        CHECK(result.energy != expected.energy);
        const auto clone = used.clone();
        for (ForceField* field : {static_cast<ForceField*>(&used), clone.get()}) {
            field->evaluate(atoms.cell, atoms.numbers, atoms.positions, result, true);
            CHECK(result.energy == expected.energy);
            CHECK(result.atom_energy == expected.atom_energy);
            CHECK(result.forces == expected.forces);
            CHECK(result.virial == expected.virial);
        }
    }
}

TEST_CASE("replicas on threads of their own have the bits of replicas one after the other",
          "[md][mace][parallel]") {
    const NativeMace field(random_model(2, Kind::any, 81));
    const Atoms atoms = some_atoms(14);
    const auto positions_after = [&](int n_threads) {
        std::vector<std::vector<Vec3>> ends(6);
        with_threads(n_threads, [&] {
            for_each_index(ends.size(), [&](std::size_t r) {
                MdState state = make_md_state(atoms.cell, atoms.numbers, atoms.positions);
                draw_velocities(state, 300, 1, r);
                MdOptions options;
                options.timestep = 1e-5;
                options.replica = r;
                options.runaway = 1e6; // random weights hold no crystal together
                options.largest_force = 1e6;
                Dynamics md(field.clone(), state, options);
                md.run(20);
                ends[r] = md.state().positions;
            });
        });
        return ends;
    };
    const auto one = positions_after(1);
    CHECK(one[0] != one[1]);
    CHECK(positions_after(2) == one);
}

TEST_CASE("an unknown element and a model that does not fit together are refused", "[md][mace]") {
    FoldedMace model = random_model(1, Kind::any, 71);
    Atoms atoms = some_atoms(13);
    NativeMace field(model);
    CHECK(field.elements() == std::vector<int>{3, 14});
    Forces result;
    atoms.numbers[4] = 11;
    CHECK_THROWS_WITH(field.evaluate(atoms.cell, atoms.numbers, atoms.positions, result),
                      contains_text("atom 4 is Na (the model knows Li, Si)"));
    atoms.numbers.pop_back();
    CHECK_THROWS_AS(field.evaluate(atoms.cell, atoms.numbers, atoms.positions, result), DataError);

    const auto refused = [&](auto change) {
        FoldedMace wrong = model;
        change(wrong);
        CHECK_THROWS_AS(NativeMace(wrong), DataError);
    };
    refused([](FoldedMace& m) { m.layers[1].monomials[0][0] = 4; });
    refused([](FoldedMace& m) { m.layers[0].radial.pop_back(); });
    refused([](FoldedMace& m) { m.readout[2] = std::nan(""); });
    refused([](FoldedMace& m) { m.elements = {14, 3}; });
    refused([](FoldedMace& m) { m.zbl->range[1] = 0; });
}
