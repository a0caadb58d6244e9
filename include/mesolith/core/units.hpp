#pragma once

/// Inside: angstrom, ps, eV, K, plain double. Conversions only at the borders.
namespace mesolith::units {

inline constexpr double angstrom2_per_ps_in_m2_per_s = 1e-8;
inline constexpr double angstrom2_per_ps_in_cm2_per_s = 1e-4;
inline constexpr double boltzmann_ev_per_k = 8.617333262e-5; ///< CODATA 2018 [eV/K]
/// u A^2/ps^2 in eV, CODATA 2018: 1.66053906660e-27 kg 1e4 m^2/s^2 / 1.602176634e-19 J
inline constexpr double ev_per_u_a2_per_ps2 = 1.66053906660e-4 / 1.602176634;
inline constexpr double angstrom_per_nm = 10.0;
inline constexpr double angstrom_per_um = 1e4;
inline constexpr double ps_per_fs = 1e-3;

} // namespace mesolith::units
