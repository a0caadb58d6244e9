#pragma once
#include <string>
#include <vector>

#include "mesolith/msm/kernel.hpp"

namespace mesolith {

/// A kernel with its name, as files carry it (docs/kernels.md).
struct NamedKernel {
    std::string name;
    Kernel kernel;
    std::vector<std::string> warnings; ///< of reading: columns that were scaled, islands of sites
};

/// Read a kernel from JSON ("mesolith-kernel", version 1), from HDF5 of write_kernel_file, or the chosen one
/// of a msm.h5; the contents decide. Columns that sum to 1 within 1e-9 are scaled to do so (those within
/// 1e-12 stay as they are, bit by bit). What a file may leave out is found: the stationary distribution (of
/// islands of sites each with its share of the sites), detailed balance, names.
/// @throws InputError "FILE[:LINE:COLUMN]: entries[3]: expected X, got Y": no such file, cut short, no
/// kernel, wrong types, a site that does not exist, |R| > 127, an entry given twice, a negative or missing
/// probability, a column that does not sum to 1, a stationary distribution that is none
[[nodiscard]] NamedKernel read_kernel_file(const std::string& path);

/// The same from text; `path` is for messages only.
[[nodiscard]] NamedKernel parse_kernel_json(const std::string& text, const std::string& path);

/// Write a kernel, all or nothing; reads back to the same bits. The ending of the name decides: .json, or
/// .h5, .hdf5.
/// @throws InputError for another ending, DataError when the kernel is none (check_kernel), FileError
void write_kernel_file(const std::string& path, const Kernel& kernel, const std::string& name);

[[nodiscard]] std::string kernel_to_json(const Kernel& kernel, const std::string& name);

} // namespace mesolith
