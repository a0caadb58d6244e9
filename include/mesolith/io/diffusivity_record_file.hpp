#pragma once
#include <string>

#include "mesolith/observables/diffusivity_record.hpp"

namespace mesolith {

/// Write a record, all or nothing; reads back to the same bits. The ending of the name decides: .json, or
/// .h5, .hdf5 (docs/files.md).
/// @throws InputError for another ending, DataError when it is none (check_record), FileError
void write_diffusivity_record(const std::string& path, const DiffusivityRecord& record);

/// Read a record; the contents decide what the file is. Scalars that files hold for other readers
/// (harmonic mean, bounds, m^2/s) are not read but computed again.
/// @throws InputError "FILE: problem": no such file, cut short, no record, wrong types, what check_record
/// says
[[nodiscard]] DiffusivityRecord read_diffusivity_record(const std::string& path);

/// Whether a file is a record, as far as its first members tell. @throws InputError when there is no such
/// file
[[nodiscard]] bool is_diffusivity_record(const std::string& path);

[[nodiscard]] std::string diffusivity_record_to_json(const DiffusivityRecord& record);
/// `path` is for messages only.
[[nodiscard]] DiffusivityRecord parse_diffusivity_record(const std::string& text, const std::string& path);

} // namespace mesolith
