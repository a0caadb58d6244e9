#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "mesolith/msm/bands.hpp"
#include "mesolith/msm/channels.hpp"
#include "mesolith/msm/jump_rates.hpp"
#include "mesolith/msm/modes.hpp"
#include "mesolith/msm/residence.hpp"
#include "mesolith/observables/van_hove.hpp"
#include "mesolith/pipeline/analysis.hpp"
#include "mesolith/pipeline/direct_comparison.hpp"

/// What a validated model tells beyond D, all at the chosen lag.
namespace mesolith {

/// How much the crystal's symmetry leaves to be measured.
struct PoolingLevel {
    std::string name;        ///< "simulated cell", "translations", "space group"
    std::size_t entries = 0; ///< independent_entries of the counts
    double half_difference =
        0;             ///< |M_1 - M_2|_2 between the kernels of the first and second half of the blocks
    bool used = false; ///< by the model
};

/// Implied timescales of modes followed over the lags by their eigenvectors.
struct ModeTable {
    SiteSpectrum spectrum; ///< of P = M(0)
    std::vector<ModeAnalysis> modes;
    std::vector<FollowedModes> followed; ///< one per group, partners at each lag of the analysis
};

/// Self van Hove function and F_s(k, t) of model and trajectory at the same times.
struct VanHoveTable {
    DistanceBins bins;
    std::vector<double> time;                           ///< [ps]
    std::vector<VanHove> model;                         ///< one per time
    std::vector<std::vector<double>> trajectory, error; ///< [time][bin]
    std::vector<Vec3> wave_vectors;                     ///< k [1/A]
    std::vector<std::vector<double>> model_scattering, scattering,
        scattering_error; ///< [k][time], real parts
};

struct PassageTable {
    std::vector<std::string> orbits;
    Eigen::MatrixXd time; ///< mean time from a site of the row's orbit to any of the column's [ps]
    Eigen::MatrixXd rate; ///< k_AB of transition path theory [1/ps], NaN on the diagonal
    Vec3 next_cell =
        Vec3::Zero(); ///< mean time until an ion is a folded cell away along each lattice vector [ps]
    /// n.D.n across the planes of each pair of lattice vectors from reactive paths through slabs, and from
    /// the tensor [A^2/ps].
    Vec3 slab_diffusivity = Vec3::Zero(), plane_diffusivity = Vec3::Zero();
    Channels channels;
    std::vector<double> escape_time; ///< mean time until an ion leaves its channel, per site [ps]
    std::vector<OddSite> odd_sites;
};

/// What limits the error of D.
struct Forecast {
    Vec3 relative_error = Vec3::Zero();
    Vec3 wanted_time = Vec3::Zero(); ///< length of data with which the error is `goal` [ps]
    double goal = 0.1;
    struct Jump {
        Transition move;
        Vec3 displacement = Vec3::Zero(); ///< [A]
        std::int64_t seen = 0; ///< in the windows of the chosen lag, both directions and all equivalent ones
        Vec3 share = Vec3::Zero(); ///< of the variance of D_xx, D_yy, D_zz
    };
    std::vector<Jump> jumps; ///< by falling largest share
};

struct ModelDetails {
    std::vector<PoolingLevel> pooling;
    DirectComparison comparison;
    std::vector<RateComparison> rates;
    std::vector<std::string> orbit_names;
    std::vector<ResidenceTime> residence; ///< one per orbit
    ModeTable modes;
    BandPath bands;
    VanHoveTable van_hove;
    PassageTable passage;
    Forecast forecast;
};

/// @param collective  one per trajectory, or empty (results of older versions)
[[nodiscard]] ModelDetails describe_model(const MarkovAnalysis& analysis,
                                          const std::vector<SiteTrajectory>& trajectories,
                                          const SiteSet& sites, const std::vector<MsdSums>& raw_msd,
                                          const std::vector<CollectiveDisplacement>& collective,
                                          const AnalysisOptions& options);

} // namespace mesolith
