#pragma once
#include <optional>
#include <string>
#include <vector>

#include "mesolith/io/store.hpp"
#include "mesolith/observables/arrhenius.hpp"
#include "mesolith/observables/direct_transport.hpp"

namespace mesolith {

/// Hops of one kind in one run.
struct HopStatistics {
    std::int64_t hops = 0;
    std::int64_t lasting = 0;    ///< hops that the ion's next hop does not undo
    double time = 0;             ///< that ions spent on sites of the origin orbit [ps]
    Estimate rate, lasting_rate; ///< per ion on the origin orbit [1/ps]; errors from time blocks
};

/// Hops between two orbits over one distance; symmetry-equivalent hops share a class.
struct HopClass {
    std::string from, to;                         ///< orbits, "Li1"
    double length = 0;                            ///< mean over all hops [A]
    std::vector<HopStatistics> at;                ///< one per run
    std::optional<ArrheniusFit> fit, lasting_fit; ///< none where too few runs saw enough hops
};

/// What hop_classes looks at in one run.
struct HopData {
    std::vector<SiteTrajectory> trajectories;
    SiteSet sites;
    std::vector<TimeBlock> blocks;
};

struct HopClassOptions {
    double length_tolerance = 0.1; ///< hops of one class differ by at most this [A]
    std::int64_t fewest_hops = 10; ///< a rate from fewer hops is not fitted
};

/// Classes of hops, most frequent first, and their rates in each run: hops / time that ions spent on the
/// origin orbit. The error of a rate is its scatter over time blocks (hops back and forth come in bursts),
/// never less than that of independent hops. Rates are fitted where at least two temperatures have enough
/// hops.
/// @param temperatures  one per run [K]
/// @throws DataError  runs whose sites differ in number or names
[[nodiscard]] std::vector<HopClass> hop_classes(const std::vector<HopData>& runs,
                                                const std::vector<double>& temperatures,
                                                const HopClassOptions& options = {});

/// One run of the fit.
struct ArrheniusRun {
    std::string folder;
    double temperature = 0; ///< [K]
    double lag_time = 0;    ///< of the kernel [ps]
    bool markovian = false;
    Vec3 diffusivity = Vec3::Zero(), error = Vec3::Zero(); ///< of the model [A^2/ps]
    Estimate mean;                                         ///< of its axes
    std::optional<DirectTransport> direct;                 ///< when sites.h5 is there
};

/// One quantity over temperature and its fit.
struct ArrheniusSeries {
    std::string source; ///< "model" (D of the kernel) or "direct" (slope of the MSD)
    std::string axis;   ///< "x", "y", "z" or "mean"
    ArrheniusFit fit;
};

struct ArrheniusResult {
    std::vector<ArrheniusRun> runs; ///< by temperature
    std::vector<ArrheniusSeries> series;
    std::vector<HopClass> hops;
    std::vector<double> grid; ///< temperatures of the stored bands [K], data and some extrapolation
    std::vector<InputFile> inputs;
    std::vector<std::string> warnings;

    /// @throws DataError when there is no such series
    const ArrheniusSeries& find(const std::string& source, const std::string& axis) const;
};

/// Read finished runs of one crystal and fit them.
/// @param folders       of the runs, each with msm.h5 and, for the direct D and the hops, sites.h5
/// @param temperatures  one per folder [K]; empty: those of the files (run.temperature_K)
/// @throws InputError   fewer than two folders or temperatures, a folder without msm.h5, no temperature,
/// other
///                      crystals, no quantity that can be fitted
[[nodiscard]] ArrheniusResult fit_runs(const std::vector<std::string>& folders,
                                       const std::vector<double>& temperatures = {});

/// HDF5 (docs/files.md), with provenance.
void write_arrhenius_file(const std::string& path, const ArrheniusResult& result);
[[nodiscard]] std::string to_json(const ArrheniusResult& result);
[[nodiscard]] std::string to_text(const ArrheniusResult& result);

} // namespace mesolith
