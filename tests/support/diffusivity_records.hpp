#pragma once
// Records whose D is known in closed form.
#include <bit>
#include <cmath>

#include "mesolith/core/units.hpp"
#include "mesolith/observables/diffusivity_record.hpp"

namespace mesolith::test {

/// D0 exp(-Ea / k T) (1 + s) times `shape` of mean diagonal 1; relative error of the mean 5 %.
inline DiffusivityRecord arrhenius_record(DiffusivityKind kind, const std::vector<double>& stoichiometries,
                                          const std::vector<double>& temperatures,
                                          const Mat3& shape = Mat3::Identity(), double energy = 0.3,
                                          double prefactor = 10) {
    DiffusivityRecord record;
    record.name = "test";
    record.kind = kind;
    record.x_max = 3.75;
    record.c_max = 278000;
    for (const double s : stoichiometries)
        for (const double T : temperatures) {
            DiffusivityPoint p;
            p.stoichiometry = s;
            p.temperature = T;
            p.diffusivity =
                shape * (prefactor * (1 + s) * std::exp(-energy / (units::boltzmann_ev_per_k * T)));
            p.mean_error = 0.05 * p.mean();
            p.error = 0.05 * p.diffusivity.cwiseAbs();
            p.hops = 100;
            record.points.push_back(p);
        }
    complete_record(record);
    return record;
}

/// Bit by bit; any NaN equals any other.
inline bool same_bits(double a, double b) {
    return (std::isnan(a) && std::isnan(b)) ||
           std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b);
}
inline bool same_bits(const Mat3& a, const Mat3& b) {
    for (int k = 0; k < 9; ++k)
        if (!same_bits(a.data()[k], b.data()[k])) return false;
    return true;
}
inline bool same_bits(const DiffusivityPoint& a, const DiffusivityPoint& b) {
    for (double DiffusivityPoint::*member :
         {&DiffusivityPoint::x, &DiffusivityPoint::stoichiometry, &DiffusivityPoint::temperature,
          &DiffusivityPoint::mean_error, &DiffusivityPoint::hops, &DiffusivityPoint::homogenised,
          &DiffusivityPoint::haven, &DiffusivityPoint::haven_error, &DiffusivityPoint::theta,
          &DiffusivityPoint::theta_error, &DiffusivityPoint::squared_stretch})
        if (!same_bits(a.*member, b.*member)) return false;
    return same_bits(a.diffusivity, b.diffusivity) && same_bits(a.error, b.error) &&
           a.extrapolated == b.extrapolated && a.source == b.source;
}
inline bool same_bits(const DiffusivityRecord& a, const DiffusivityRecord& b) {
    if (a.points.size() != b.points.size()) return false;
    for (std::size_t k = 0; k < a.points.size(); ++k)
        if (!same_bits(a.points[k], b.points[k])) return false;
    return a.name == b.name && a.kind == b.kind && a.frame == b.frame && same_bits(a.x_max, b.x_max) &&
           same_bits(a.c_max, b.c_max) && a.valid_x == b.valid_x &&
           a.valid_temperature == b.valid_temperature && a.masked == b.masked &&
           a.haven_source == b.haven_source && a.theta_source == b.theta_source &&
           a.frame_source == b.frame_source && a.provenance == b.provenance && a.warnings == b.warnings;
}

} // namespace mesolith::test
