#pragma once
#include <string>
#include <vector>

#include "mesolith/msm/channels.hpp"
#include "mesolith/msm/spectrum.hpp"

namespace mesolith {

/// What became of a group of modes in another spectrum (another lag, temperature or resampling).
struct ModePartner {
    std::vector<std::size_t> groups; ///< of the other spectrum, most overlapping first; empty = none
    double overlap = 0;   ///< share of the reference modes in the span of the partner: mean cos^2 of the
                          ///< principal angles, 0 ... 1
    double timescale = 0; ///< of the partner's mean |lambda|, by overlap [ps]; NaN when there is none
};

struct FollowedModes {
    std::size_t group = 0;            ///< of the reference spectrum
    std::vector<ModePartner> partner; ///< one per other spectrum
};

/// Follow each group of modes of `reference` to other spectra of the same sites and wave vector: by the
/// overlap of their subspaces, never by rank. With orthonormal bases U, V of D^-1/2 right_m, D = diag(pi) of
/// each spectrum, groups g and h belong together when
///   |U_g^H V_h|_F^2 >= min_overlap min(dim g, dim h),
/// where each mode is given away once, the best matches first. A group may fall apart into several (noise
/// lifts a degeneracy) or be swallowed by a larger one (a crossing): both are partners.
/// @param min_overlap  at least 1/2, so that no mode of a reversible kernel fits two others
/// @throws DataError when sites or wave vectors differ, or min_overlap lies outside [1/2, 1]
[[nodiscard]] std::vector<FollowedModes> follow_modes(const SiteSpectrum& reference,
                                                      const std::vector<SiteSpectrum>& others,
                                                      double min_overlap = 0.5);

enum class ModeKind {
    stationary,       ///< eigenvalue 1
    channel_exchange, ///< populations of whole channels relax against each other
    localised,        ///< on few sites
    orbit_exchange,   ///< populations of whole symmetry orbits relax against each other
    channel,          ///< inside channels, spread over them
    mixed
};
[[nodiscard]] std::string to_string(ModeKind kind);

/// What a group of modes moves. With y_m(j) = left_m(j) right_m(j) (reversible: >= 0, sums to 1 over sites),
/// averaged over the modes of the group so that no rotation inside it matters.
struct ModeAnalysis {
    std::size_t group = 0; ///< of the spectrum
    std::complex<double> eigenvalue;
    double timescale = 0;             ///< [ps]
    std::vector<double> site_weight;  ///< |y(j)|, one per site, sums to 1
    double participation = 0;         ///< 1 / sum_j weight_j^2: number of sites that take part
    std::vector<double> orbit_weight; ///< sum of the weights of each orbit
    /// Share of the variance sum_j pi_j |left_m(j)|^2 that lies between the means of orbits, of channels.
    double orbit_exchange = 0, channel_exchange = 0;
    double channel_weight = 0; ///< share of the weight on sites of channels
    std::int32_t channel = -1; ///< of Channels::channels, the one with most of it, -1: none
    /// Contribution to the correlation part of D [A^2/ps]. Over all modes but the stationary ones they add up
    /// to Transport::correlation, exactly:
    ///   D_corr = 1/(2 tau) sum_m Re sym[ (a^T right_m) (left_m^H c) ] / (1 - lambda_m),
    ///   a_j = sum_{i, R} M_ij d,  c_i = sum_{j, R} M_ij d pi_j,  sym[X] = X + X^T.
    Mat3 correlation = Mat3::Zero();
    Vec3 share = Vec3::Zero(); ///< of D_corr along x, y, z; 0 where there is no correlation
    ModeKind kind = ModeKind::mixed;
};

/// Analyse all groups of a spectrum at kappa = 0. Channels count that lead to other cells (rank >= 1), cages
/// do not. The kind is the first that fits:
///   stationary        |1 - lambda| <= 1e-12
///   channel_exchange  >= 1/2 of the variance lies between channels
///   localised         participation <= max(2, n/4) of n occupied sites, and the mode does not fill a channel
///   orbit_exchange    >= 1/2 of the variance lies between orbits
///   channel           the mode fills a channel: >= 1/2 of the weight on channels, and participation >= half
///                     the sites of the one with most of it
///   mixed             none of these
/// @throws DataError when kernel and spectrum do not fit, or the spectrum is not at kappa = 0
[[nodiscard]] std::vector<ModeAnalysis> analyse_modes(const Kernel& kernel, const SiteSpectrum& spectrum,
                                                      const Channels& channels);

} // namespace mesolith
