#include "mesolith/io/mace_file.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "mesolith/core/error.hpp"
#include "mesolith/io/hdf5.hpp"

namespace mesolith {
namespace {

constexpr const char* folded_format = "mesolith folded MACE";
constexpr int newest_version = 1;

/// Shape of a dataset, of which so many axes are expected.
Hdf5Shape shape_of(const Hdf5Group& file, const std::string& path, std::size_t n_axes) {
    Hdf5Shape shape = file.dataset(path).shape();
    if (shape.size() != n_axes)
        throw FileError(fmt::format("{}: dataset '{}' has {} axes (expected {}). Export the model again",
                                    file.file_name(), path, shape.size(), n_axes));
    return shape;
}

FoldedMaceLayer read_layer(const Hdf5Group& file, const std::string& path) {
    FoldedMaceLayer layer;
    layer.channels = shape_of(file, path + "/radial", 5)[4];
    layer.radial = file.read<double>(path + "/radial");
    if (file.has_dataset(path + "/density")) layer.density = file.read<double>(path + "/density");
    if (file.has_dataset(path + "/mixing")) layer.mixing = file.read<double>(path + "/mixing");
    const Hdf5Shape coefficients = shape_of(file, path + "/coefficients", 3);
    layer.products = coefficients[2];
    layer.coefficients = file.read<double>(path + "/coefficients");
    const Hdf5Shape monomials = shape_of(file, path + "/monomials", 2);
    if (monomials[1] != 3 || monomials[0] != coefficients[1])
        throw FileError(fmt::format("{}: dataset '{}/monomials' is {} x {} (expected {} x 3). Export the "
                                    "model again",
                                    file.file_name(), path, monomials[0], monomials[1], coefficients[1]));
    const auto factors = file.read<std::int32_t>(path + "/monomials");
    layer.monomials.resize(monomials[0]);
    for (std::size_t t = 0; t < factors.size(); ++t) layer.monomials[t / 3][t % 3] = factors[t];
    return layer;
}

FoldedZbl read_zbl(const Hdf5Group& zbl) {
    FoldedZbl result;
    result.screening_length = zbl.read<double>("screening_length");
    result.strength = zbl.read<double>("strength");
    result.range = zbl.read<double>("range");
    for (const auto& [name, into] : {std::pair{"weight", &result.weight}, {"decay", &result.decay}}) {
        const auto values = zbl.read<double>(name);
        if (values.size() != into->size())
            throw FileError(fmt::format("{}: dataset 'zbl/{}' holds {} numbers (expected {}). Export the "
                                        "model again",
                                        zbl.file_name(), name, values.size(), into->size()));
        std::copy(values.begin(), values.end(), into->begin());
    }
    result.envelope_power = zbl.read_scalar<double>("envelope_power");
    return result;
}

SelfTest read_self_test(const Hdf5Group& group) {
    SelfTest frame;
    const Eigen::MatrixXd cell = group.read_matrix("cell");
    if (cell.rows() != 3 || cell.cols() != 3)
        throw DataError("a self-test whose cell is no 3 x 3 matrix. Export it again");
    frame.cell = Cell(cell);
    frame.numbers = group.read<int>("numbers");
    frame.positions = group.read_vec3("positions");
    frame.energy = group.read_scalar<double>("energy");
    frame.atom_energy = group.read<double>("atom_energy");
    frame.forces = group.read_vec3("forces");
    const std::size_t n = frame.numbers.size();
    if (frame.positions.size() != n || frame.forces.size() != n || frame.atom_energy.size() != n)
        throw DataError("a self-test whose atoms and results do not go together. Export it again");
    const auto finite = [](const Vec3& v) { return v.allFinite(); };
    if (!std::isfinite(frame.energy) ||
        !std::all_of(frame.positions.begin(), frame.positions.end(), finite) ||
        !std::all_of(frame.forces.begin(), frame.forces.end(), finite))
        throw DataError("a self-test with a number that is not finite. Export it again");
    return frame;
}

} // namespace

FoldedMace read_folded_mace(const std::string& path) {
    const Hdf5File file = Hdf5File::open(path);
    if (!file.has_attribute("format") || file.string_attribute("format") != folded_format)
        throw InputError(path + ": not a folded MACE model (attribute 'format' is not \"" + folded_format +
                         "\"). Make one with tools/export_mace.py");
    const int version = file.attribute<int>("version");
    if (version < 1 || version > newest_version)
        throw FileError(fmt::format("{}: a folded MACE model of version {} (this program reads version {}). "
                                    "Export it with the tools/export_mace.py of this program",
                                    path, version, newest_version));
    try {
        FoldedMace model;
        model.elements = file.attribute_values<int>("elements");
        model.cutoff = file.attribute<double>("cutoff");
        model.l_max = file.attribute<int>("l_max");
        model.scale = file.attribute<double>("scale");
        const std::uint64_t knots = shape_of(file, "layers/0/radial", 5)[1];
        model.n_knots = knots == 0 ? 0 : knots - 1;
        for (std::size_t k = 0; k < 2; ++k) model.layers[k] = read_layer(file, fmt::format("layers/{}", k));
        model.message = file.read<double>("message");
        model.message_bias = file.read<double>("message_bias");
        model.linear_readout = file.read<double>("linear_readout");
        model.hidden_first = file.read<double>("hidden/first");
        model.hidden_second = file.read<double>("hidden/second");
        model.hidden_bias = file.read<double>("hidden/bias");
        model.readout = file.read<double>("hidden/readout");
        model.hidden = model.readout.size();
        model.isolated = file.read<double>("isolated");
        if (file.has_group("zbl")) model.zbl = read_zbl(file.group("zbl"));
        model.source = file.string_attribute("source");
        model.source_sha256 = file.string_attribute("source_sha256");
        model.head = file.string_attribute("head");
        model.force_error = file.attribute<double>("fold_error_force");
        if (file.has_group("self_test")) model.self_test = read_self_test(file.group("self_test"));
        check(model);
        return model;
    } catch (const DataError& error) {
        throw FileError(path + ": " + error.what());
    }
}

} // namespace mesolith
