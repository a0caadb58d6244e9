#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "mesolith/md/force_field.hpp"

namespace mesolith {

/// One layer of a folded MACE model. Of C channels at atom i,
///
///   A_lm,c(i) = sum_j R_lc(r_ij) h_c(j) Y_lm(r_ij / |r_ij|) / (1 + sum_j rho(r_ij)),
///   A'_lm,p = sum_c A_lm,c W_l,cp,
///   B_p(i) = sum_t k_t,p prod A'_lm,p over the factors lm of monomial t,
///
/// Y real spherical harmonics as in e3nn (y is the polar axis), sum_m Y_lm^2 = 2 l + 1, index l^2 + m from 0.
/// R and rho are cubic Hermite splines from values and derivatives [1/A] at the knots 0, h, ..., cutoff, and
/// vanish at the cutoff. "Pair" is receiver i times n_elements plus sender j, or always 0 when one table
/// serves all pairs.
struct FoldedMaceLayer {
    std::size_t channels = 0;         ///< C
    std::size_t products = 0;         ///< P, = C without mixing
    std::vector<double> radial;       ///< R, [1 or pairs][n_knots + 1][2][l_max + 1][C]
    std::vector<double> density;      ///< rho, [1 or pairs][n_knots + 1][2]; empty = no denominator
    std::vector<double> mixing;       ///< W, [1 or elements][l_max + 1][C][P]; empty = none
    std::vector<double> coefficients; ///< k, [elements][monomials][P]
    std::vector<std::array<std::int32_t, 3>> monomials; ///< lm of each factor, ascending, then -1 for none
};

/// Repulsion of close nuclei (Ziegler, Biersack, Littmark), half of it at each atom of a pair:
/// (q_ij / r) sum_k w_k exp(-d_k r / a_ij) times an envelope that ends at r = range_ij,
/// 1 - (p+1)(p+2)/2 x^p + p(p+2) x^(p+1) - p(p+1)/2 x^(p+2), x = r / range_ij.
struct FoldedZbl {
    std::vector<double> screening_length, strength, range; ///< a [A], q [eV A], [A]; [elements][elements]
    std::array<double, 4> weight{}, decay{};
    double envelope_power = 0;
};

/// A configuration with results of the original model.
struct SelfTest {
    Cell cell;
    std::vector<int> numbers;
    std::vector<Vec3> positions;     ///< [A]
    double energy = 0;               ///< [eV]
    std::vector<double> atom_energy; ///< [eV]
    std::vector<Vec3> forces;        ///< [eV/A]
};

/// A MACE model (Batatia et al., NeurIPS 2022) of two layers whose features are scalars, with all that is
/// constant multiplied out, so that it is a table and a polynomial. Layer 0 has h = 1 (what depends on the
/// elements alone stands in R). With z the element of atom i and B, B' the products of layers 0 and 1,
///
///   h(i) = B message + message_bias_z                      of layer 1,
///   x = B hidden_first_z + B' hidden_second + hidden_bias_z,
///   E(i) = isolated_z + scale (B . linear_readout + sum_u readout_u x_u / (1 + exp(-x_u)) + ZBL).
///
/// Made by tools/export_mace.py. All arrays are row by row.
struct FoldedMace {
    std::vector<int> elements; ///< atomic numbers, ascending: n_elements
    double cutoff = 0;         ///< of a message [A]
    int l_max = 0;             ///< 0..3
    std::size_t n_knots = 0;   ///< intervals of the splines
    std::array<FoldedMaceLayer, 2> layers;
    std::size_t hidden = 0;             ///< H, units of the last readout
    std::vector<double> message;        ///< [P0][C1]
    std::vector<double> message_bias;   ///< [elements][C1]
    std::vector<double> linear_readout; ///< [P0]
    std::vector<double> hidden_first;   ///< [elements][P0][H]
    std::vector<double> hidden_second;  ///< [P1][H]
    std::vector<double> hidden_bias;    ///< [elements][H]
    std::vector<double> readout;        ///< [H]
    std::vector<double> isolated;       ///< [elements] [eV]
    double scale = 1;                   ///< [eV]
    std::optional<FoldedZbl> zbl;

    std::string source, source_sha256, head; ///< what it was made from
    double force_error = 0; ///< largest difference from the original in the frames it was compared in [eV/A]
    std::optional<SelfTest> self_test;

    std::size_t n_elements() const { return elements.size(); }
    std::size_t n_harmonics() const { return static_cast<std::size_t>((l_max + 1) * (l_max + 1)); }
};

/// @throws DataError when a length does not fit, an index is out of range or a number is not finite
void check(const FoldedMace& model);

/// Largest difference of a component of a force [eV/A] from those of the frame.
/// @throws DataError as evaluate()
[[nodiscard]] double force_difference(ForceField& field, const SelfTest& frame);

} // namespace mesolith
