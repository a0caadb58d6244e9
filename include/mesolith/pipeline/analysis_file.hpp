#pragma once
#include <string>
#include <vector>

#include "mesolith/io/store.hpp"
#include "mesolith/pipeline/analysis.hpp"
#include "mesolith/pipeline/model_details.hpp"
#include "mesolith/sites/jumps.hpp"

namespace mesolith {

/// Ions per site of each symmetry orbit.
struct OrbitOccupancy {
    std::string name;         ///< "Li1"
    std::int64_t n_sites = 0; ///< of the repeat unit
    double occupancy = 0;     ///< mean number of ions per site
};

/// Everything in msm.h5.
struct MarkovResult {
    StoredSites sites;
    MarkovAnalysis analysis;
    std::vector<OrbitOccupancy> orbits;
    std::vector<JumpClass> network;
    Recrossings recrossings;
    double fit_begin = 0, fit_end = 0; ///< [ps]
    ModelDetails details;
    Estimator estimator = Estimator::symmetrised; ///< never automatic
    std::string estimator_reason;
    std::size_t symmetry_operations = 0; ///< that counts were pooled over, 0 = not pooled
};
void write(Hdf5Group& root, const MarkovResult& result);
void write(Hdf5Group& root, const ModelDetails& details, const LagResult& chosen);

/// Whether a model may be called Markovian, and why; root attributes of every file made with it.
struct ModelStatus {
    bool markovian = false;
    std::string reason;
};
void write_status(Hdf5Group& root, const ModelStatus& status);
[[nodiscard]] ModelStatus read_status(const Hdf5Group& root);

/// The numbers a reader asks for first, at one lag.
struct LagHeadline {
    double lag_time = 0;                                   ///< [ps]
    Mat3 diffusivity = Mat3::Zero(), error = Mat3::Zero(); ///< [A^2/ps]
    double mean_error = 0; ///< of trace / 3, from the resampled tensors: axes are correlated [A^2/ps]
    Vec3 hops = Vec3::Zero(), z_msd = Vec3::Zero();
    double window_begin = 0, window_end = 0;                   ///< [ps]
    Vec3 model_slope = Vec3::Zero(), msd_slope = Vec3::Zero(); ///< [A^2/ps]
    bool agrees = false;
};

/// What the summary and later stages read from msm.h5.
struct MarkovHeadline {
    std::vector<LagHeadline> lags;
    std::size_t chosen = 0;
    MsdSlope slope, projected_slope;
    double fit_begin = 0, fit_end = 0; ///< [ps]
    std::string agreement_sentence;
    ModelStatus status;
    std::vector<Check> checks;
    std::vector<OrbitOccupancy> orbits;
};
[[nodiscard]] MarkovHeadline read_headline(const Hdf5Group& root);

/// The kernel at the chosen lag.
[[nodiscard]] Kernel read_chosen_kernel(const Hdf5Group& root);

} // namespace mesolith
