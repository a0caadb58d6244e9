#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "mesolith/meso/lattice_gas.hpp"
#include "mesolith/msm/time_blocks.hpp"

namespace mesolith {

/// What is measured on a lattice gas at one temperature: at a first frame and `n_frames` later ones.
struct GasPlan {
    double frame_interval = 0;       ///< [ps]
    std::int64_t n_frames = 0;       ///< after the first
    std::int64_t n_tracers = 10'000; ///< particles of each species whose MSD is taken, 0: all
    std::size_t n_shells = 6;        ///< distances of the pair correlations
    std::int64_t pair_stride = 8;    ///< frames from one pair correlation to the next

    std::vector<std::int64_t> lags() const; ///< of displacements: up to n_frames / 10, about 8 an octave
    std::int64_t bin_frames() const;        ///< time bin, of which blocks are made
    std::size_t n_bins() const;
};

/// All that is measured on one replica. Plain arrays: what a checkpoint has to hold.
struct GasRecord {
    std::int64_t frames_done = 0;          ///< the first one counts
    std::vector<std::int32_t> tracer;      ///< particles that are followed, by species
    std::vector<double> ring;              ///< last positions of the tracers [frame % slots][tracer][3]
    std::vector<double> msd;               ///< [species][bin][lag][6]: mean over tracers, sum over origins
    std::vector<double> collective;        ///< [frame][species][3]: sum of all positions [A]
    std::vector<std::int64_t> occupied;    ///< [bin][class][species], summed over frames
    std::vector<double> leaving;           ///< [bin][class][species]: rates at which they leave [1/ps]
    std::vector<double> filling;           ///< [bin][class]: rates at which vacancies are filled [1/ps]
    std::vector<double> hop_squares;       ///< [bin][species][6]: rate d d^T of all possible hops [A^2/ps]
    std::vector<std::int64_t> pairs;       ///< [bin][shell][2]: both ends occupied, both vacant
    std::vector<std::int64_t> pair_frames; ///< [bin]
    std::vector<std::int64_t> particles;   ///< [frame][species]
};

/// Sites of equal orbit and region.
struct GasClass {
    std::int32_t orbit = 0;
    std::uint16_t region = 0;
    std::string name;         ///< of the orbit
    std::int64_t n_sites = 0; ///< in the domain
};

/// Pairs of sites at one distance.
struct GasShell {
    double distance = 0;                ///< [A]
    double neighbours = 0;              ///< per site, mean
    std::vector<std::int64_t> by_orbit; ///< ordered pairs [orbit][orbit]
};

/// Looks at states of replicas: tables made once, shared by threads. The lattice gas has to outlive it.
class GasObserver {
public:
    /// @throws DataError when the plan has no frames or no time between them
    /// @param typical  tells how many particles there are of each species, the same in all replicas
    GasObserver(const LatticeGas& gas, const GasPlan& plan, const GasState& typical);

    const LatticeGas& gas() const { return gas_; }
    const GasPlan& plan() const { return plan_; }
    const std::vector<GasClass>& classes() const { return classes_; }
    const std::vector<GasShell>& shells() const { return shells_; } ///< none in a domain of several regions
    std::size_t n_species() const { return gas_.species.size(); }
    std::size_t n_orbits() const { return n_orbits_; }
    /// Whether particles stay: displacements are followed.
    bool closed() const { return !gas_.domain.open(); }
    double bytes() const; ///< of one record

    [[nodiscard]] GasRecord start() const;
    /// The next frame. Cost: sites + tracers x lags + the fewer of particles and vacancies x hops.
    void add(GasRecord& record, const GasState& state) const;

private:
    struct Neighbour {
        std::int32_t site = 0;
        IVec3 R = IVec3::Zero();
        std::size_t shell = 0;
    };
    struct Contact { ///< of a site with another: energies by species
        std::int32_t site = 0;
        IVec3 R = IVec3::Zero();
        std::vector<double> energy; ///< [own species][its species]
    };
    void find_shells();
    void count_sites();
    std::vector<std::int32_t> choose_tracers(const GasState& state) const;
    void add_displacements(GasRecord& record, const GasState& state) const;
    void add_census(GasRecord& record, const GasState& state) const;
    void add_pairs(GasRecord& record, const GasState& state, std::span<const std::size_t> carriers,
                   bool vacancies) const;
    double energy(const GasState& state, std::size_t site, std::size_t species, std::size_t except) const;
    std::size_t end_of(std::size_t cell, const IVec3& R, std::int32_t site) const;

    const LatticeGas& gas_;
    GasPlan plan_;
    std::vector<std::int64_t> lags_;
    std::size_t n_bins_ = 0, n_orbits_ = 0, n_tracers_ = 0;
    std::vector<std::size_t> tracer_begin_; ///< first tracer of each species, and their number
    std::vector<GasClass> classes_;
    std::vector<GasShell> shells_;
    std::vector<std::vector<Neighbour>> neighbours_; ///< [basis site]
    std::vector<std::vector<Contact>> contacts_;     ///< [basis site]
};

/// Transport of one species, or of all mobile ones together.
struct GasTransport {
    std::string name;
    double n = 0; ///< particles
    /// D* of a tagged particle, D_J of their summed displacement over n, and D* as if hops were uncorrelated,
    /// half of the mean of sum(rate d d^T) / n over all possible hops [A^2/ps].
    Mat3 tracer = Mat3::Zero(), tracer_error = Mat3::Zero();
    Mat3 collective = Mat3::Zero(), collective_error = Mat3::Zero();
    Mat3 uncorrelated = Mat3::Zero();
    Vec3 haven = Vec3::Zero(), haven_error = Vec3::Zero();             ///< D* / D_J per axis
    Vec3 correlation = Vec3::Zero(), correlation_error = Vec3::Zero(); ///< f = D* / uncorrelated per axis
    /// Of tr D / 3.
    Estimate tracer_mean, collective_mean, uncorrelated_mean, haven_mean, correlation_mean;
    std::vector<Mat3> msd, msd_error, collective_msd, collective_msd_error; ///< [lag] [A^2]
};

/// What the records of all replicas say, with one standard error each from time blocks of replicas (jackknife
/// over all of them).
struct GasAverages {
    std::size_t n_replicas = 0, n_blocks = 0;
    double time = 0;           ///< that each replica was followed for [ps]
    std::vector<double> lag;   ///< [ps]
    double begin = 0, end = 0; ///< lags between which the slope of the MSD is taken [ps]
    double collective_begin = 0, collective_end = 0; ///< the same of the collective one [ps]
    bool straight = true;                            ///< the slope of the MSD no longer changes there
    std::vector<GasTransport> transport;             ///< mobile species, then "all" when there are several
    std::vector<std::vector<Estimate>> occupancy;    ///< [class][species], particles per site
    /// Mean time that a particle of a species stays on a site of a class, and that a vacancy stays there:
    /// their number over the rate at which they go [ps].
    std::vector<std::vector<Estimate>> residence;
    std::vector<Estimate> vacancy_residence;
    /// Pairs with both ends occupied (vacant) over those that uncorrelated sites of the same occupancies
    /// would have, by shell.
    std::vector<Estimate> ion_pairs, vacancy_pairs;
};

/// Slopes are those of straight lines through the MSD by generalised least squares (msd_gls.hpp) from where
/// its slope no longer changes on; that of the summed displacement from there on or where its own stops
/// changing, whichever is earlier.
/// @throws DataError with fewer than 40 frames or two blocks, or records of different lengths
[[nodiscard]] GasAverages average(const GasObserver& observer, std::span<const GasRecord> replicas);

/// Theta = d ln a / d ln c of particles that block each other and do nothing else, each site with the weight
/// of its own: theta_j = z w_j / (1 + z w_j) with sum theta_j = n,
///     Theta = sum theta / sum theta (1 - theta)
/// (Langmuir; 1 / (1 - theta) when all sites are alike).
/// @param weight, sites  of each kind of site: weight > 0, and their number
/// @throws DataError unless 0 < n < number of sites
[[nodiscard]] double langmuir_factor(std::span<const double> weight, std::span<const std::int64_t> sites,
                                     double n);

/// sigma = n q^2 D / (k_B T), the Nernst-Einstein relation. With D_J it is exact for the charge that the
/// particles carry; with D* it assumes that they move independently of each other.
/// @param density  particles per volume [1/A^3]
/// @param charge   [elementary charges]
/// @return [S/m]
[[nodiscard]] double nernst_einstein(double density, double charge, double diffusivity, double temperature);

} // namespace mesolith
