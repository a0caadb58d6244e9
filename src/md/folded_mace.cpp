#include "mesolith/md/folded_mace.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "mesolith/core/error.hpp"

namespace mesolith {
namespace {

void check_array(const char* name, const std::vector<double>& values, std::size_t expected) {
    if (values.size() != expected)
        throw DataError(fmt::format("a folded MACE model with {} numbers in '{}' (expected {}). Export it "
                                    "again",
                                    values.size(), name, expected));
    if (!std::all_of(values.begin(), values.end(), [](double x) { return std::isfinite(x); }))
        throw DataError(fmt::format("a folded MACE model with a number in '{}' that is not finite. Export it "
                                    "again",
                                    name));
}

/// Of a table that is one for all or one for each of n.
std::size_t tables(std::size_t size, std::size_t of_each, std::size_t n) { return size == of_each ? 1 : n; }

void check_layer(const FoldedMace& model, const FoldedMaceLayer& layer) {
    const std::size_t Z = model.n_elements(), n_l = static_cast<std::size_t>(model.l_max) + 1;
    const std::size_t C = layer.channels, P = layer.products;
    if (C == 0 || P == 0 || (layer.mixing.empty() && C != P))
        throw DataError(fmt::format("a folded MACE layer from {} to {} channels (expected some, and as many "
                                    "where none are mixed). Export it again",
                                    C, P));
    const std::size_t radial = (model.n_knots + 1) * 2 * n_l * C, density = (model.n_knots + 1) * 2;
    check_array("radial", layer.radial, radial * tables(layer.radial.size(), radial, Z * Z));
    if (!layer.density.empty())
        check_array("density", layer.density, density * tables(layer.density.size(), density, Z * Z));
    if (!layer.mixing.empty())
        check_array("mixing", layer.mixing, n_l * C * P * tables(layer.mixing.size(), n_l * C * P, Z));
    check_array("coefficients", layer.coefficients, Z * layer.monomials.size() * P);
    for (const auto& factors : layer.monomials) {
        bool right = factors[0] >= 0;
        for (std::size_t k = 0; k < 3; ++k) {
            right = right && factors[k] >= -1 && factors[k] < static_cast<int>(model.n_harmonics());
            if (k > 0) right = right && (factors[k] == -1 || factors[k - 1] >= 0);
        }
        if (!right)
            throw DataError(fmt::format("a folded MACE model with a monomial of A_{}, A_{}, A_{} (expected "
                                        "indices from 0 below {}, then -1). Export it again",
                                        factors[0], factors[1], factors[2], model.n_harmonics()));
    }
}

} // namespace

void check(const FoldedMace& model) {
    const std::size_t Z = model.n_elements(), H = model.hidden;
    const auto refuse = [](const std::string& what) {
        throw DataError("a folded MACE model with " + what + ". Export it again");
    };
    if (Z == 0 || model.elements.front() < 1 || model.elements.back() > 118 ||
        std::adjacent_find(model.elements.begin(), model.elements.end(), std::greater_equal<>()) !=
            model.elements.end())
        refuse("wrong elements (expected atomic numbers, ascending)");
    if (!(model.cutoff > 0) || !std::isfinite(model.cutoff))
        refuse(fmt::format("a cutoff of {} A (expected more than 0)", model.cutoff));
    if (model.l_max < 0 || model.l_max > 3) refuse(fmt::format("l_max = {} (expected 0 to 3)", model.l_max));
    if (model.n_knots < 1 || model.n_knots > 1'000'000 || H == 0 || H > 1'000'000)
        refuse(fmt::format("{} spline intervals and {} hidden units (expected some)", model.n_knots, H));
    for (const FoldedMaceLayer& layer : model.layers) check_layer(model, layer);
    const std::size_t P0 = model.layers[0].products, P1 = model.layers[1].products;
    const std::size_t C1 = model.layers[1].channels;
    check_array("message", model.message, P0 * C1);
    check_array("message_bias", model.message_bias, Z * C1);
    check_array("linear_readout", model.linear_readout, P0);
    check_array("hidden/first", model.hidden_first, Z * P0 * H);
    check_array("hidden/second", model.hidden_second, P1 * H);
    check_array("hidden/bias", model.hidden_bias, Z * H);
    check_array("hidden/readout", model.readout, H);
    check_array("isolated", model.isolated, Z);
    if (!std::isfinite(model.scale)) refuse("a scale that is not finite");
    if (model.zbl) {
        check_array("zbl/screening_length", model.zbl->screening_length, Z * Z);
        check_array("zbl/strength", model.zbl->strength, Z * Z);
        check_array("zbl/range", model.zbl->range, Z * Z);
        check_array("zbl/weight", {model.zbl->weight.begin(), model.zbl->weight.end()}, 4);
        check_array("zbl/decay", {model.zbl->decay.begin(), model.zbl->decay.end()}, 4);
        check_array("zbl/envelope_power", {model.zbl->envelope_power}, 1);
        for (const double a : model.zbl->screening_length)
            if (!(a > 0)) refuse(fmt::format("a ZBL screening length of {} A (expected more than 0)", a));
        for (const double range : model.zbl->range)
            if (!(range > 0)) refuse(fmt::format("a ZBL range of {} A (expected more than 0)", range));
    }
}

double force_difference(ForceField& field, const SelfTest& frame) {
    Forces result;
    field.evaluate(frame.cell, frame.numbers, frame.positions, result);
    double largest = 0;
    for (std::size_t i = 0; i < frame.forces.size(); ++i)
        largest = std::max(largest, (result.forces[i] - frame.forces[i]).cwiseAbs().maxCoeff());
    return largest;
}

} // namespace mesolith
