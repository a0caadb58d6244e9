#include "mesolith/pipeline/domain_model.hpp"

#include <cmath>
#include <filesystem>

#include <fmt/format.h>

#include "mesolith/core/error.hpp"
#include "mesolith/core/random.hpp"
#include "mesolith/core/units.hpp"
#include "mesolith/io/file.hpp"
#include "mesolith/meso/shapes.hpp"
#include "mesolith/pipeline/stages.hpp"
#include "mesolith/pipeline/transport_model.hpp"

#include "stage.hpp"

namespace mesolith {
namespace {

/// A material before all share one lag.
struct Ingredient {
    MaterialSection section;
    MaterialSource source;
    Kernel kernel; // of voxels: filled once the lag is known
};

Mat3 tensor_of(const std::vector<double>& d) {
    Mat3 D = Mat3::Zero();
    for (int a = 0; a < 3; ++a) D(a, a) = d[d.size() == 1 ? 0 : static_cast<std::size_t>(a)];
    if (d.size() == 6) {
        D(1, 2) = D(2, 1) = d[3];
        D(0, 2) = D(2, 0) = d[4];
        D(0, 1) = D(1, 0) = d[5];
    }
    return D;
}

/// The tensor of a crystal whose axes lie along others: component (a, b) is that of its axes[a], axes[b].
Mat3 turned(const Mat3& D, const IVec3& axes) {
    Mat3 out;
    for (int a = 0; a < 3; ++a)
        for (int b = 0; b < 3; ++b) out(a, b) = D(axes[a] - 1, axes[b] - 1);
    return out;
}

void take_run_model(const Config& config, Ingredient& material, DomainModel& model) {
    const Hdf5File file = open_result(RunFiles(config.run.output).msm, "msm");
    const Provenance provenance = read_provenance(file);
    material.kernel = read_chosen_kernel(file);
    material.source.source = fmt::format("Markov model of this run, lag {:g} ps", material.kernel.lag_time);
    model.previous = provenance.fingerprint;
    const ModelStatus status = read_status(file);
    if (!status.markovian) model.status = status;
}

/// Ions that block each other need rates into empty sites.
void refuse_kernel(const TransportModel& read, const std::string& file) {
    if (!read.generator)
        throw InputError(file +
                         ": expected a hop list for occupancy = \"exclusion\", got a kernel (one that was "
                         "estimated in a full sublattice already holds the exclusion of the other ions, and "
                         "walkers that block each other would count it twice). Give rates of single hops "
                         "(docs/kernels.md), or set occupancy = \"tracer\"");
    if (!read.generator->reversible)
        throw InputError(file +
                         ": hops without detailed balance drive a current (a lattice gas is followed in "
                         "equilibrium). Give each hop its reverse at the rate of detailed balance");
}

void take_file(const Config& config, Ingredient& material, DomainModel& model, std::optional<double> kelvin) {
    namespace fs = std::filesystem;
    const bool exclusion = config.meso->occupancy == Occupancy::exclusion;
    const std::string path = config.resolve(material.section.kernel);
    std::vector<std::string> set;
    if (exclusion && kelvin) set.push_back(fmt::format("rates.temperature_K={}", *kelvin));
    TransportModel read = read_transport_model(path, set, kelvin);
    if (exclusion) {
        refuse_kernel(read, path);
        material.source.temperature = read.temperature;
    } else if (read.temperature && kelvin && *read.temperature != *kelvin) {
        throw InputError(fmt::format(
            "{}: its rates are those of {:g} K, the run is at {:g} K. Leave rates.temperature_K out of "
            "the hop list: then it takes that of the run",
            path, *read.temperature, *kelvin));
    }
    material.kernel = std::move(read.kernel);
    material.source.source =
        fmt::format("{} ({}), {} {:g} ps", read.name, material.section.kernel,
                    read.generator ? "rates, time step" : "lag", material.kernel.lag_time);
    if (exclusion && read.temperature) material.source.source += fmt::format(", {:g} K", *read.temperature);
    for (const std::string& w : read.warnings) model.warnings.push_back(material.section.name + ": " + w);
    const std::string file = fs::is_directory(path) ? RunFiles(path).msm : path;
    model.inputs.push_back(describe_input(file));
    if (!is_hdf5_file(file)) return;
    const Hdf5File h5 = Hdf5File::open(file);
    if (!h5.has_attribute("markovian")) return;
    const ModelStatus status = read_status(h5);
    if (!status.markovian) model.status = {false, material.section.name + ": " + status.reason};
}

std::vector<Ingredient> ingredients(const Config& config, DomainModel& model, std::optional<double> kelvin) {
    std::vector<MaterialSection> sections = config.meso->materials;
    if (sections.empty()) sections.emplace_back().name = "crystal";
    std::vector<Ingredient> all;
    for (const MaterialSection& section : sections) {
        Ingredient material{section, {section.name, "", Mat3::Zero(), 0, {}}, {}};
        if (!section.diffusivity.empty()) {
            material.source.diffusivity = tensor_of(section.diffusivity);
            material.source.source = "given D";
        } else {
            if (section.kernel.empty())
                take_run_model(config, material, model);
            else
                take_file(config, material, model, kelvin);
            material.source.lag_time = material.kernel.lag_time;
            const Transport transport = exact_transport(material.kernel);
            material.source.diffusivity = transport.diffusivity;
            const double drift = transport.drift.norm() * material.kernel.lag_time;
            if (config.meso->voxel &&
                drift * drift > 1e-9 * transport.diffusivity.trace() * material.kernel.lag_time)
                model.warnings.push_back(section.name + ": its drift is lost in voxels, only D is kept");
        }
        material.source.diffusivity = section.scale * turned(material.source.diffusivity, section.axes);
        all.push_back(std::move(material));
    }
    return all;
}

/// Bring all to the shortest lag, by their rates.
void take_voxels(std::vector<Ingredient>& all, const MesoSection& m) {
    const Cell voxel(Mat3((*m.voxel * units::angstrom_per_nm).asDiagonal()));
    double lag = m.lag_time;
    if (lag == 0) {
        lag = std::numeric_limits<double>::infinity();
        for (const Ingredient& i : all)
            if (i.source.diffusivity.cwiseAbs().maxCoeff() > 0)
                lag = std::min(lag, continuum_kernel(i.source.diffusivity, voxel).lag_time);
        if (!std::isfinite(lag))
            throw InputError("meso.material: all D are 0, nothing moves. Give one that moves");
    }
    for (Ingredient& i : all) {
        i.kernel = continuum_kernel(i.source.diffusivity, voxel, lag);
        i.source.source += ", as voxels";
    }
}

/// @param rates  all are rates: a common time step changes nothing
void take_sites(std::vector<Ingredient>& all, const MesoSection& m, bool rates,
                std::vector<std::string>& warnings) {
    double lag = m.lag_time;
    if (lag == 0) {
        lag = std::numeric_limits<double>::infinity();
        for (const Ingredient& i : all)
            lag = std::min({lag, i.kernel.lag_time,
                            i.section.scale > 0 ? longest_lag(i.kernel) / i.section.scale : lag});
    }
    for (Ingredient& i : all) {
        const double factor = i.section.scale * lag / i.kernel.lag_time;
        if (lag != i.kernel.lag_time && !rates)
            warnings.push_back(
                fmt::format("{}: its lag of {:g} ps is not the common one of {:g} ps: it hops by its "
                            "rates (M - I) / tau, with the same D and weights but other motion within a lag",
                            i.section.name, i.kernel.lag_time, lag));
        if (factor != 1) i.kernel = scaled_kernel(i.kernel, factor);
        i.kernel.lag_time = lag;
    }
}

std::uint32_t material_number(const Domain& domain, const std::string& name) {
    for (std::size_t k = 0; k < domain.materials.size(); ++k)
        if (domain.materials[k].name == name) return static_cast<std::uint32_t>(k);
    throw InputError(fmt::format("meso.region: no material \"{}\"", name));
}

std::vector<std::uint8_t> read_labels(const std::string& path, const std::string& dataset,
                                      const Domain& domain) {
    std::vector<std::uint8_t> labels;
    if (is_hdf5_file(path)) {
        const Hdf5File file = Hdf5File::open(path);
        const Hdf5Shape shape = file.dataset(dataset).shape();
        const IVec3& n = domain.cells;
        const Hdf5Shape expected{static_cast<std::uint64_t>(n[2]), static_cast<std::uint64_t>(n[1]),
                                 static_cast<std::uint64_t>(n[0])};
        if (shape != expected)
            throw InputError(
                fmt::format("{}: expected labels of shape [{}], one per cell as [z, y, x], got [{}]", path,
                            fmt::join(expected, ", "), fmt::join(shape, ", ")));
        return file.read<std::uint8_t>(dataset);
    }
    const std::string bytes = read_text_file(path);
    if (bytes.size() != static_cast<std::size_t>(domain.n_cells()))
        throw InputError(fmt::format("{}: expected {} bytes, one label per cell of {} x {} x {}, got {}",
                                     path, domain.n_cells(), domain.cells[0], domain.cells[1],
                                     domain.cells[2], bytes.size()));
    labels.assign(bytes.begin(), bytes.end());
    return labels;
}

void paint_region(const Config& config, const RegionSection& r, std::size_t k, DomainModel& model) {
    Domain& domain = model.domain;
    const double nm = units::angstrom_per_nm;
    const Vec3 corner = domain.basis().cell.to_cartesian(domain.cells.cast<double>());
    const Vec3 centre = r.centre ? Vec3(*r.centre * nm) : Vec3(corner / 2);
    const std::string name = r.name.empty()
                                 ? fmt::format("{} {}",
                                               std::array{"box", "sphere", "cylinder", "layers", "grains",
                                                          "voxels"}[static_cast<std::size_t>(r.shape)],
                                               k + 1)
                                 : r.name;
    std::vector<std::uint16_t> regions;
    const auto add = [&](const std::string& label, const std::string& material) {
        regions.push_back(static_cast<std::uint16_t>(domain.regions.size()));
        domain.regions.push_back({label, material_number(domain, material)});
    };
    const bool many =
        r.shape == RegionShape::layers || r.shape == RegionShape::grains || r.shape == RegionShape::voxels;
    if (r.shape == RegionShape::grains && domain.interface_resistance > 0) {
        for (std::int64_t g = 0; g < r.n_grains; ++g) { // every grain is a region of its own
            Stream random(static_cast<std::uint64_t>(config.run.seed) + k, RngUse::grains,
                          static_cast<std::uint64_t>(g), 1);
            const auto drawn =
                static_cast<std::size_t>(uniform01(random) * static_cast<double>(r.materials.size()));
            add(fmt::format("{}, grain {}", name, g + 1), r.materials[drawn]);
        }
    } else {
        for (const std::string& material : r.materials) add(many ? name + ", " + material : name, material);
    }
    Shape shape;
    switch (r.shape) {
    case RegionShape::box:
        shape = Box{r.lo ? Vec3(*r.lo * nm) : Vec3(Vec3::Constant(-1e300)),
                    r.hi ? Vec3(*r.hi * nm) : Vec3(Vec3::Constant(1e300))};
        break;
    case RegionShape::sphere:
        shape = Sphere{centre, *r.radius * nm};
        break;
    case RegionShape::cylinder:
        shape = Cylinder{centre, r.direction, *r.radius * nm, r.length * nm};
        break;
    case RegionShape::layers: {
        Layers layers{static_cast<int>(r.axis), r.thickness};
        for (double& t : layers.thickness) t *= nm;
        shape = std::move(layers);
        break;
    }
    case RegionShape::grains:
        shape = Grains{static_cast<int>(r.n_grains), static_cast<std::uint64_t>(config.run.seed) + k};
        break;
    case RegionShape::voxels: {
        const std::string path = config.resolve(r.file);
        model.inputs.push_back(describe_input(path));
        shape = Voxels{read_labels(path, r.dataset, domain)};
        break;
    }
    }
    try {
        paint(domain, shape, regions);
    } catch (const DataError& error) {
        throw InputError(fmt::format("{}: meso.region.{} (\"{}\"): {}", config.path, k, name, error.what()));
    }
}

Face face_of(const std::vector<FaceKind>& faces, const std::array<double, 2>& concentration,
             std::size_t side) {
    return {faces.empty() ? FaceKind::periodic : faces[side], concentration[side]};
}

} // namespace

DomainModel build_domain(const Config& config, std::optional<double> temperature) {
    const MesoSection& m = *config.meso;
    const std::optional<double> kelvin = temperature     ? temperature
                                         : m.temperature ? m.temperature
                                                         : config.run.temperature;
    DomainModel model;
    model.status = {true, ""};
    std::vector<Ingredient> all = ingredients(config, model, kelvin);
    if (m.voxel)
        take_voxels(all, m);
    else
        take_sites(all, m, m.occupancy == Occupancy::exclusion, model.warnings);
    Domain& domain = model.domain;
    for (Ingredient& i : all) {
        const double weight =
            i.section.energy == 0
                ? 1
                : std::exp(-i.section.energy / (units::boltzmann_ev_per_k * kelvin.value()));
        domain.materials.push_back({i.section.name, std::move(i.kernel), weight});
        model.sources.push_back(std::move(i.source));
    }
    if (!m.voxel)
        for (std::size_t k = 0; k < all.size(); ++k) // kernels of the same material, at their common lag
            model.sources[k].diffusivity = exact_transport(domain.materials[k].kernel).diffusivity;
    domain.cells = lattice_cells(m.size, m.unit, domain.basis().cell);
    domain.regions = {{domain.materials.front().name, 0}};
    domain.interface_resistance = m.interface_resistance;
    for (std::size_t side : {0, 1}) {
        domain.faces[0][side] = face_of(m.faces_a, m.concentration_a, side);
        domain.faces[1][side] = face_of(m.faces_b, m.concentration_b, side);
        domain.faces[2][side] = face_of(m.faces_c, m.concentration_c, side);
    }
    check_domain(domain);
    for (std::size_t k = 0; k < m.regions.size(); ++k) paint_region(config, m.regions[k], k, model);
    model.region_cells = region_cells(domain);
    model.rules = make_hop_rules(domain);
    model.balance_error = domain.crystal() ? 0 : detailed_balance_error(domain, model.rules);
    model.conservation_error = conservation_error(model.rules);
    return model;
}

std::string describe(const DomainModel& model) {
    const Domain& d = model.domain;
    const Vec3 nm = d.edge_lengths() / units::angstrom_per_nm;
    std::string out = fmt::format(
        "domain   {} x {} x {} cells of {} sites ({:.4g} x {:.4g} x {:.4g} nm), {} sites; step {:g} ps\n",
        d.cells[0], d.cells[1], d.cells[2], d.n_basis(), nm[0], nm[1], nm[2], d.n_sites(), d.lag_time());
    for (std::size_t k = 0; k < model.sources.size(); ++k) {
        const MaterialSource& s = model.sources[k];
        out += fmt::format("material {}: {}; D = {:.4g}, {:.4g}, {:.4g} A^2/ps, weight {:.4g}\n", s.name,
                           s.source, s.diffusivity(0, 0), s.diffusivity(1, 1), s.diffusivity(2, 2),
                           d.materials[k].weight);
    }
    std::size_t shown = 0;
    for (std::size_t r = 0; r < d.regions.size() && d.regions.size() > 1; ++r) {
        if (model.region_cells[r] == 0) continue; // covered by others
        if (++shown > 12) continue;
        out +=
            fmt::format("region   {}: {}, {:.2f} % of the cells\n", d.regions[r].name,
                        d.materials[d.regions[r].material].name,
                        100 * static_cast<double>(model.region_cells[r]) / static_cast<double>(d.n_cells()));
    }
    if (shown > 12) out += fmt::format("region   ... and {} more\n", shown - 12);
    static const char* const axes[] = {"a", "b", "c"};
    for (std::size_t axis = 0; axis < 3; ++axis)
        if (d.faces[axis][0].kind != FaceKind::periodic)
            out += fmt::format("faces    {}: {} and {}\n", axes[axis], name(d.faces[axis][0].kind),
                               name(d.faces[axis][1].kind));
    if (!d.crystal())
        out += fmt::format(
            "rules    {} kinds of surroundings, {} distinct columns; detailed balance within {:.1e}, "
            "columns sum to 1 within {:.1e}\n",
            model.rules.n_classes(), model.rules.columns.size(), model.balance_error,
            model.conservation_error);
    return out;
}

} // namespace mesolith
