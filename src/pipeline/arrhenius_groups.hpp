#pragma once
// Fits over temperature as groups of a file, the same in all of them.
#include <string>
#include <vector>

#include "mesolith/pipeline/arrhenius_table.hpp"

namespace mesolith {

/// series/K with the line of each fit, its points, and grid/temperature for the bands.
void write_fits(Hdf5Group& root, const std::vector<TableFit>& fits);

/// Temperatures of stored bands [K]: the data, to room temperature and a little beyond them.
[[nodiscard]] std::vector<double> band_temperatures(double lowest, double highest);

/// The members of one fit, without braces.
[[nodiscard]] std::string fit_json(const ArrheniusFit& fit);

} // namespace mesolith
