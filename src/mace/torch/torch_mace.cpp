// The only file that sees libtorch: its headers hold macros (CHECK) and definitions nobody else should meet.
#include "mesolith/mace/torch_mace.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string_view>
#include <utility>

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <dlfcn.h>
#include <fmt/format.h>
#include <omp.h>
#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/cuda.h>
#include <torch/script.h>
#include <torch/version.h>

#include "mesolith/core/error.hpp"
#include "mesolith/core/version.hpp"
#include "mesolith/md/neighbour_list.hpp"
#include "mesolith/trajectory/elements.hpp"

#include "entry.hpp"

namespace mesolith {
namespace {

/// The line of a message of torch that says why: the last of a traceback, the first of others.
std::string reason(const std::exception& error) {
    const auto* own = dynamic_cast<const c10::Error*>(&error);
    const std::string text = own ? own->what_without_backtrace() : error.what();
    std::string first, last;
    for (std::size_t begin = 0; begin < text.size();) {
        const std::size_t end = std::min(text.find('\n', begin), text.size());
        if (text.find_first_not_of(" \t", begin) < end) {
            last = text.substr(begin, end - begin);
            if (first.empty()) first = last;
        }
        begin = end + 1;
    }
    return text.starts_with("The following operation failed") ? last : first;
}

/// OpenMP's number of threads for one call: torch takes it, and the loops of the caller want theirs back.
class TorchThreads {
public:
    explicit TorchThreads(int n) : old_(omp_get_max_threads()) {
        (void)at::get_num_threads(); // sets its own default when it is asked first on a thread
        omp_set_num_threads(n);
    }
    ~TorchThreads() { omp_set_num_threads(old_); }
    TorchThreads(const TorchThreads&) = delete;
    TorchThreads& operator=(const TorchThreads&) = delete;

private:
    int old_;
};

/// What multiplies torch's matrices. An OpenBLAS with threads of its own is held to one: beside those of
/// torch they are slower than one thread alone.
std::string blas_kind() {
    if (at::hasMKL()) return "MKL";
    if (void* gemm = dlsym(RTLD_DEFAULT, "sgemm_")) {
        Dl_info info{};
        std::error_code ignored;
        if (dladdr(gemm, &info) && info.dli_fname &&
            std::filesystem::canonical(info.dli_fname, ignored).string().find("/blas/libblas") !=
                std::string::npos)
            return "reference BLAS (3 to 4 times slower: install libopenblas0-openmp)";
    }
    using Get = int (*)();
    using Set = void (*)(int);
    const auto parallel = reinterpret_cast<Get>(dlsym(RTLD_DEFAULT, "openblas_get_parallel"));
    if (!parallel) return "a BLAS of unknown kind";
    switch (parallel()) {
    case 0:
        return "OpenBLAS without threads";
    case 2:
        return "OpenBLAS with OpenMP";
    default:
        break;
    }
    if (const auto set = reinterpret_cast<Set>(dlsym(RTLD_DEFAULT, "openblas_set_num_threads"))) set(1);
    return "OpenBLAS with threads of its own, held to one: libopenblas0-openmp is faster";
}

/// The device that is meant, its libraries loaded.
torch::Device device_of(const std::string& name) {
    std::optional<torch::Device> device;
    try {
        device.emplace(name);
    } catch (const std::exception&) {
    }
    if (!device || (!device->is_cpu() && !device->is_cuda()))
        throw InputError(
            fmt::format("device '{}' is unknown (known: cpu, cuda, cuda:1, ...). Use one of them", name));
    if (device->is_cpu()) return *device;
    // Nothing refers to this library, which tells torch of its GPUs when it is loaded.
    Dl_info info{};
    if (dladdr(reinterpret_cast<void*>(&at::get_num_threads), &info) && info.dli_fname) {
        const auto beside = std::filesystem::path(info.dli_fname).parent_path() / "libtorch_cuda.so";
        if (!dlopen(beside.c_str(), RTLD_NOW | RTLD_GLOBAL))
            dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_GLOBAL);
    }
    const auto n_devices = torch::cuda::is_available() ? static_cast<int>(torch::cuda::device_count()) : 0;
    if (std::max<int>(device->index(), 0) >= n_devices)
        throw InputError(
            fmt::format("device '{}' is not there (torch {} sees {} GPUs). Use device \"cpu\", or "
                        "build with a torch for CUDA",
                        name, TORCH_VERSION, n_devices));
    return *device;
}

/// A loaded model; copies share the weights.
struct Model {
    torch::jit::Module module;
    torch::Device device{torch::kCPU};
    torch::Dtype dtype = torch::kFloat32;
    double cutoff = 0;
    std::vector<int> elements;                    ///< ascending
    std::array<std::int64_t, 119> column_of_atom; ///< by atomic number, -1 = unknown
    std::int64_t n_columns = 0;
    int threads = 1;
    std::string description;
};

torch::jit::Module load_module(const std::string& path, torch::Device device) {
    std::error_code ignored;
    if (!std::filesystem::is_regular_file(path, ignored))
        throw InputError(path + ": no such file. Give a model that mace_create_lammps_model wrote");
    char start[2] = {};
    std::ifstream(path, std::ios::binary).read(start, 2);
    if (start[0] != 'P' || start[1] != 'K')
        throw InputError(path + ": not a TorchScript model (no zip archive). Make one with "
                                "mace_create_lammps_model");
    try {
        return torch::jit::load(path, device);
    } catch (const std::exception& error) {
        const std::string why = reason(error);
        if (why.find("constants.pkl") != std::string::npos)
            throw InputError(path + ": a model pickled by Python, not TorchScript. Convert it with "
                                    "mace_create_lammps_model");
        throw FileError(fmt::format("{}: the model cannot be read ({}). Copy or export it again", path, why));
    }
}

/// A model of the interface that MACE writes for LAMMPS.
void refuse_other_models(const torch::jit::Module& module, const std::string& path) {
    std::string missing;
    for (const char* name : {"r_max", "atomic_numbers"})
        if (!module.hasattr(name) || !module.attr(name).isTensor())
            missing += fmt::format("{}attribute '{}'", missing.empty() ? "" : ", ", name);
    const auto forward = module.find_method("forward");
    std::vector<std::string> names;
    if (forward)
        for (const auto& argument : forward->function().getSchema().arguments())
            names.push_back(argument.name());
    for (const char* name : {"data", "local_or_ghost", "compute_virials"})
        if (std::find(names.begin(), names.end(), name) == names.end())
            missing += fmt::format("{}argument '{}' of forward", missing.empty() ? "" : ", ", name);
    if (!missing.empty())
        throw InputError(fmt::format("{}: not a MACE model for molecular dynamics (no {}). Make one with "
                                     "mace_create_lammps_model",
                                     path, missing));
}

Model load_model(const std::string& path, const TorchMaceOptions& options) {
    if (options.threads < 1)
        throw InputError(fmt::format("{} threads for torch (at least 1). Use 1 or more", options.threads));
    Model model;
    model.threads = options.threads;
    model.device = device_of(options.device);
    const int outside = omp_get_max_threads();
    at::set_num_threads(options.threads);
    omp_set_num_threads(outside);
    // Otherwise threads add gradients of float atomically, in the order in which they come: other bits each
    // time.
    if (model.device.is_cpu()) {
        at::globalContext().setDeterministicAlgorithms(true, true);
#if TORCH_VERSION_MAJOR > 2 || (TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR >= 2)
        at::globalContext().setDeterministicFillUninitializedMemory(false); // it would fill all new tensors
#endif
    }

    model.module = load_module(path, model.device);
    refuse_other_models(model.module, path);
    try {
        const torch::Tensor numbers =
            model.module.attr("atomic_numbers").toTensor().to(torch::kCPU, torch::kInt64).contiguous();
        model.cutoff = model.module.attr("r_max").toTensor().item<double>();
        model.n_columns = numbers.numel();
        model.column_of_atom.fill(-1);
        for (std::int64_t k = 0; k < model.n_columns; ++k) {
            const std::int64_t z = numbers.data_ptr<std::int64_t>()[k];
            if (z < 1 || z > 118)
                throw FileError(
                    fmt::format("{}: atomic number {} (1 to 118 can be). Export it again", path, z));
            model.column_of_atom[static_cast<std::size_t>(z)] = k;
            model.elements.push_back(static_cast<int>(z));
        }
        std::sort(model.elements.begin(), model.elements.end());
        // Only numbers that are rounded: .to() of the module would make its integers real as well. Weights
        // without gradients need no memory for them.
        model.dtype =
            options.precision == MacePrecision::single_precision ? torch::kFloat32 : torch::kFloat64;
        for (const auto& value : model.module.attributes()) {
            if (!value.isTensor()) continue;
            torch::Tensor tensor = value.toTensor();
            if (!tensor.defined() || !tensor.is_floating_point()) continue;
            if (tensor.scalar_type() != torch::kFloat32 && tensor.scalar_type() != torch::kFloat64)
                throw InputError(fmt::format("{}: its weights are of type {} (expected float32 or float64). "
                                             "Export it with one of them",
                                             path, c10::toString(tensor.scalar_type())));
            tensor.set_requires_grad(false);
            if (tensor.scalar_type() != model.dtype) tensor.set_data(tensor.to(model.dtype));
        }
        model.module.eval();
    } catch (const Error&) {
        throw;
    } catch (const std::exception& error) {
        throw FileError(
            fmt::format("{}: the model cannot be used ({}). Export it again", path, reason(error)));
    }
    if (!(model.cutoff > 0) || !std::isfinite(model.cutoff))
        throw FileError(
            fmt::format("{}: cutoff r_max {} A (must be above 0). Export it again", path, model.cutoff));
    model.description =
        fmt::format("MACE by torch {}, {}, {} precision", TORCH_VERSION, model.device.str(),
                    options.precision == MacePrecision::single_precision ? "single" : "double");
    if (model.device.is_cpu())
        model.description +=
            fmt::format(", {} thread{}, {}", model.threads, model.threads == 1 ? "" : "s", blas_kind());
    return model;
}

class ScriptedMace final : public ForceField {
public:
    explicit ScriptedMace(Model model) : model_(std::move(model)) {}

    std::string description() const override { return model_.description; }
    double cutoff() const override { return model_.cutoff; }
    std::vector<int> elements() const override { return model_.elements; }
    std::unique_ptr<ForceField> clone() const override { return std::make_unique<ScriptedMace>(model_); }

    void evaluate(const Cell& cell, std::span<const int> numbers, std::span<const Vec3> positions,
                  Forces& result, bool with_virial) override {
        start_graph(1);
        add_replica(0, {cell, numbers, positions});
        const Answer answer = ask(cell, with_virial);
        give(answer, 0, positions.size(), result);
        result.virial.setConstant(0);
        if (with_virial && !positions.empty())
            for (int i = 0; i < 3; ++i)
                for (int j = 0; j < 3; ++j)
                    result.virial(i, j) = 0.5 * (answer.virial[static_cast<std::size_t>(3 * i + j)] +
                                                 answer.virial[static_cast<std::size_t>(3 * j + i)]);
    }

    void evaluate_batch(std::span<const AtomsView> replicas, std::vector<Forces>& results) override {
        results.resize(replicas.size());
        if (replicas.empty()) return;
        start_graph(replicas.size());
        for (std::size_t r = 0; r < replicas.size(); ++r) add_replica(r, replicas[r]);
        const Answer answer = ask(replicas[0].cell, false); // the cell counts for the virial only
        std::size_t first = 0;
        for (std::size_t r = 0; r < replicas.size(); ++r) {
            const std::size_t n = replicas[r].positions.size();
            give(answer, first, n, results[r]);
            results[r].virial.setConstant(0);
            first += n;
        }
    }
    bool batches_at_once() const override { return true; }

private:
    struct Answer {
        torch::Tensor energy, forces; ///< [N], [N, 3] in double on the CPU
        std::array<double, 9> virial{};
    };

    void start_graph(std::size_t n_replicas) {
        one_hot_.clear();
        positions_.clear();
        senders_.clear();
        receivers_.clear();
        shifts_.clear();
        unit_shifts_.clear();
        while (lists_.size() < n_replicas) lists_.emplace_back(model_.cutoff);
    }

    std::int64_t column_of(std::size_t atom, int number) const {
        const std::int64_t column =
            number >= 1 && number <= 118 ? model_.column_of_atom[static_cast<std::size_t>(number)] : -1;
        if (column >= 0) return column;
        std::string known;
        for (const int z : model_.elements)
            known += (known.empty() ? "" : ", ") + std::string(element_symbol(z));
        const std::string_view symbol = element_symbol(number);
        throw DataError(fmt::format("atom {} is {} (the model knows {}). Use a model that was trained with "
                                    "this element",
                                    atom, symbol.empty() ? fmt::format("element {}", number) : symbol,
                                    known));
    }

    /// Nodes and edges, in the order of the neighbour list, of one replica behind those before.
    void add_replica(std::size_t r, const AtomsView& atoms) {
        const auto& [cell, numbers, positions] = atoms;
        if (numbers.size() != positions.size())
            throw DataError(fmt::format("{} atomic numbers for {} positions. Give one for each",
                                        numbers.size(), positions.size()));
        const auto first = static_cast<std::int64_t>(positions_.size() / 3);
        const auto n_columns = static_cast<std::size_t>(model_.n_columns);
        for (std::size_t i = 0; i < numbers.size(); ++i) {
            one_hot_.resize(one_hot_.size() + n_columns, 0.0);
            *(one_hot_.end() - model_.n_columns + column_of(i, numbers[i])) = 1;
        }
        NeighbourList& list = lists_[r];
        list.update(cell, positions);
        images_.resize(positions.size());
        for (std::size_t i = 0; i < positions.size(); ++i) {
            // In the cell: single precision has few digits left for an atom that has gone far.
            images_[i] = cell.to_fractional(positions[i]).array().floor().cast<int>();
            const Vec3 inside = positions[i] - cell.to_cartesian(images_[i].cast<double>());
            positions_.insert(positions_.end(), inside.data(), inside.data() + 3);
        }
        for (std::size_t i = 0; i < positions.size(); ++i)
            for (const Neighbour& neighbour : list.of(i)) {
                senders_.push_back(first + static_cast<std::int64_t>(i));
                receivers_.push_back(first + static_cast<std::int64_t>(neighbour.atom));
                const Vec3 unit = (neighbour.shift + images_[neighbour.atom] - images_[i]).cast<double>();
                const Vec3 shift = cell.to_cartesian(unit);
                unit_shifts_.insert(unit_shifts_.end(), unit.data(), unit.data() + 3);
                shifts_.insert(shifts_.end(), shift.data(), shift.data() + 3);
            }
    }

    /// [rows, columns] of the model's precision on its device.
    torch::Tensor tensor(std::vector<double>& values, std::int64_t columns) const {
        const auto rows = static_cast<std::int64_t>(values.size()) / columns;
        return torch::from_blob(values.data(), {rows, columns}, torch::kFloat64)
            .to(torch::TensorOptions(model_.device).dtype(model_.dtype));
    }

    Answer ask(const Cell& cell, bool with_virial) {
        const auto n = static_cast<std::int64_t>(positions_.size() / 3);
        const auto n_edges = static_cast<std::int64_t>(senders_.size());
        Answer answer;
        if (n == 0) return answer;
        const TorchThreads scope(model_.threads);
        // The optimiser makes the first calls slow and different from the later ones in the last bits; both
        // switches belong to the thread.
        const torch::jit::GraphOptimizerEnabledGuard plain(false);
        const torch::AutoGradMode gradients(true);
        try {
            const auto integers = torch::TensorOptions(torch::kInt64);
            std::vector<double> rows(9);
            for (int i = 0; i < 3; ++i)
                for (int j = 0; j < 3; ++j) rows[static_cast<std::size_t>(3 * i + j)] = cell.vectors()(i, j);
            const torch::Tensor edges =
                torch::stack({torch::from_blob(senders_.data(), {n_edges}, integers),
                              torch::from_blob(receivers_.data(), {n_edges}, integers)});
            c10::Dict<std::string, torch::Tensor> data;
            data.insert("positions", tensor(positions_, 3));
            data.insert("node_attrs", tensor(one_hot_, model_.n_columns));
            data.insert("edge_index", edges.to(model_.device));
            data.insert("shifts", tensor(shifts_, 3));
            data.insert("unit_shifts", tensor(unit_shifts_, 3));
            data.insert("cell", tensor(rows, 3));
            data.insert("batch", torch::zeros({n}, integers.device(model_.device)));
            data.insert("ptr", torch::tensor({std::int64_t{0}, n}, integers).to(model_.device));
            const torch::Tensor local =
                torch::ones({n}, torch::TensorOptions(torch::kBool).device(model_.device));
            const auto output = model_.module.forward({data, local, with_virial}).toGenericDict();
            const auto get = [&](const char* name, std::int64_t size) {
                torch::Tensor values = output.at(name).toTensor().detach();
                values = values.to(torch::kCPU, torch::kFloat64).contiguous();
                if (values.numel() != size)
                    throw DataError(fmt::format("The MACE model gives {} numbers '{}' for {} atoms. Export "
                                                "it again",
                                                values.numel(), name, n));
                return values;
            };
            answer.energy = get("node_energy", n);
            answer.forces = get("forces", 3 * n);
            if (with_virial) std::copy_n(get("virials", 9).data_ptr<double>(), 9, answer.virial.begin());
        } catch (const Error&) {
            throw;
        } catch (const std::exception& error) {
            throw DataError(fmt::format("The MACE model failed for {} atoms and {} pairs ({}). Export it "
                                        "again, or use fewer atoms when memory is short",
                                        n, n_edges, reason(error)));
        }
        return answer;
    }

    static void give(const Answer& answer, std::size_t first, std::size_t n, Forces& result) {
        result.energy = 0;
        result.atom_energy.resize(n);
        result.forces.resize(n);
        if (n == 0) return;
        const double* energy = answer.energy.data_ptr<double>() + first;
        const double* forces = answer.forces.data_ptr<double>() + 3 * first;
        for (std::size_t i = 0; i < n; ++i) {
            result.atom_energy[i] = energy[i];
            result.energy += energy[i];
            result.forces[i] = Vec3(forces[3 * i], forces[3 * i + 1], forces[3 * i + 2]);
        }
    }

    Model model_;
    std::vector<NeighbourList> lists_; // one for each replica
    // The graph of one call
    std::vector<double> one_hot_, positions_, shifts_, unit_shifts_;
    std::vector<std::int64_t> senders_, receivers_;
    std::vector<IVec3> images_;
};

} // namespace

extern "C" {

[[gnu::visibility("default")]] const char* mesolith_torch_mace_commit() {
    static const std::string text = commit();
    return text.c_str();
}

[[gnu::visibility("default")]] ForceField* mesolith_new_torch_mace(const std::string& path,
                                                                   const TorchMaceOptions& options) {
    return new ScriptedMace(load_model(path, options));
}
}

} // namespace mesolith
