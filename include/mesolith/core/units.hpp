#pragma once

/// Inside: angstrom, ps, eV, K, plain double. Conversions only at the borders.
namespace mesolith::units {

inline constexpr double angstrom2_per_ps_in_m2_per_s = 1e-8;
inline constexpr double angstrom2_per_ps_in_cm2_per_s = 1e-4;
inline constexpr double boltzmann_ev_per_k = 8.617333262e-5; ///< CODATA 2018 [eV/K]
inline constexpr double angstrom_per_nm = 10.0;
inline constexpr double angstrom_per_um = 1e4;
inline constexpr double ps_per_fs = 1e-3;

} // namespace mesolith::units
