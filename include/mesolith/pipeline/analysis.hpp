#pragma once
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "mesolith/crystal/symmetry.hpp"
#include "mesolith/msm/chapman_kolmogorov.hpp"
#include "mesolith/msm/delta_method.hpp"
#include "mesolith/msm/estimate_kernel.hpp"
#include "mesolith/msm/spectrum.hpp"
#include "mesolith/msm/transport.hpp"
#include "mesolith/observables/msd.hpp"
#include "mesolith/pipeline/choose_blocks.hpp"
#include "mesolith/pipeline/lag_selection.hpp"

namespace mesolith {

enum class Verdict { pass, warn, fail };
const char* name(Verdict verdict); ///< "pass", "warn", "fail"

/// One check of the model, with the thresholds it was judged by.
struct Check {
    std::string name;
    Verdict verdict = Verdict::pass;
    double value = 0;
    double warn_above = 0, fail_above = 0; ///< verdict is warn (fail) when value exceeds them
    std::string text;                      ///< the finding in a sentence
};

struct AnalysisOptions {
    std::vector<double> lag_times = {1, 2, 5, 10, 20, 40}; ///< [ps]
    double chosen_lag = 0;      ///< [ps]; 0: smallest lag from which on D and slow timescales stay the same
    EstimatorOptions estimator; ///< resolved
    /// Counts are pooled over these (pooling_operations); empty = not pooled.
    std::vector<SiteOperation> operations;
    int bootstrap_samples = 200;
    double block = 0;                   ///< [ps]; 0: from the correlation times of the data
    double fit_begin = 5, fit_end = 20; ///< window of the MSD slope [ps]
    std::vector<std::int64_t> chain_lengths = {2, 4, 8, 16}; ///< n of the Chapman-Kolmogorov test
    std::size_t n_timescales = 8;
    std::uint64_t seed = 1;
    double agreement_sigmas = 2;       ///< |z_msd| up to this counts as agreement
    double fewest_hops = 20;           ///< independent hops that each axis needs for a lag to be used
    double plateau_level = 0.1;        ///< of the test whether D and timescales depend on the lag
    double ck_warn = 1, ck_fail = 2;   ///< largest err(n) over the 95 % noise floor
    double msd_warn = 2, msd_fail = 4; ///< largest |MSD model - projected| in errors
    /// Largest difference of D with and without pooling, in errors of the difference.
    double symmetry_warn = 3, symmetry_fail = 5;
};

/// Everything known at one lag time.
struct LagResult {
    TransitionCounts counts;
    Kernel kernel;
    ClassStructure classes;
    Transport transport;
    EstimatorInfo estimator;   ///< how its iteration ended
    Mat3 error = Mat3::Zero(); ///< standard error of D, each component [A^2/ps]
    DeltaMethod delta;         ///< the same to first order, without resampling, and where it comes from
    std::vector<Vec3> samples; ///< resampled D_xx, D_yy, D_zz
    Vec3 hops = Vec3::Zero();  ///< independent hops behind D_xx, D_yy, D_zz
    std::vector<Mode> modes;   ///< all wave vectors of the simulated cell, by falling modulus
    std::vector<Estimate> internal_timescales, supercell_timescales; ///< slowest first [ps]
    /// Growth of the MSD between two times that are multiples of the lag, over twice the time, in the model
    /// and in the trajectory: alike when the model is right, also where neither has reached its long-time
    /// slope yet [A^2/ps].
    double window_begin = 0, window_end = 0; ///< [ps]
    Vec3 model_slope = Vec3::Zero(), msd_slope = Vec3::Zero();
    Vec3 z_msd = Vec3::Zero(); ///< (model_slope - msd_slope) / error of the difference, per axis
    bool agrees = false;       ///< all |z_msd| within agreement_sigmas
};

struct MsdCurve {
    std::vector<double> time;       ///< [ps]
    std::vector<Vec3> value, error; ///< [A^2]
};

struct MsdSlope {
    Vec3 diffusivity = Vec3::Zero(), error = Vec3::Zero(), intercept = Vec3::Zero();
};

struct ConvergencePoint {
    double duration = 0; ///< total length of the data used [ps]
    Vec3 diffusivity = Vec3::Zero(), error = Vec3::Zero();
};

struct MarkovAnalysis {
    BlockChoice blocks;
    std::vector<LagResult> lags;
    std::vector<std::string> quantities; ///< what the selection of the lag compared
    LagSelection selection;
    std::size_t chosen = 0; ///< index into lags
    bool markovian = false; ///< D and slow timescales at the chosen lag are those of all longer lags
    std::vector<ChapmanKolmogorovPoint> chapman_kolmogorov; ///< at the chosen lag
    MsdCurve raw, projected, model;                         ///< model: of the chosen kernel
    MsdSlope raw_slope, projected_slope;
    std::vector<ConvergencePoint> convergence;
    std::string agreement_sentence;
    std::vector<Check> checks;
    std::vector<std::string> warnings;
};

/// From events to a validated Markov model. `raw_msd`: one per trajectory, same lags, from the mapping pass.
/// @param progress  called with 0..1; may throw to stop
/// @throws DataError ("lag longer than the trajectory", ...)
[[nodiscard]] MarkovAnalysis analyse(const std::vector<SiteTrajectory>& trajectories, const SiteSet& sites,
                                     const std::vector<MsdSums>& raw_msd, const AnalysisOptions& options,
                                     const std::function<void(double)>& progress = {});

} // namespace mesolith
