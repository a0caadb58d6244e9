#pragma once
// Fields of the mesoscale stage: follow, compare, write.
#include <optional>

#include "mesolith/meso/field.hpp"
#include "mesolith/pipeline/domain_model.hpp"

#include "checkpointing.hpp"

namespace mesolith {

struct FieldRun {
    std::string engine, reason;      ///< "stencil" or "bloch", and why
    bool single = false;             ///< in float
    std::vector<std::int64_t> steps; ///< of output, the first 0
    std::vector<double> total;       ///< [output]
    std::vector<double> profile;     ///< [output][layer]
    std::vector<double> region;      ///< [output][region]
    std::vector<double> exchange;    ///< [output][12]: in, then out, per face, since the start
    std::vector<Vec3> mean;          ///< [output], of periodic crystals: mean position of the ions [A]
    std::vector<Mat3> spread;        ///< [output]: their covariance [A^2]
    std::vector<double> edge;        ///< [output]: share of ions near the far side, where moments go wrong
    double mass_error = 0;           ///< largest |total - start - in + out| / total
    double seconds = 0, updates = 0; ///< site updates
    std::size_t n_layers = 0, n_regions = 0;
    // Of a crystal: spread of the start plus the exact MSD.
    std::vector<Mat3> exact_spread;
    /// Profiles of the continuum: a Gaussian of the exact spread, wrapped around the domain; [output][layer].
    std::vector<double> exact_profile;
};

struct FieldRuns {
    FieldRun main;
    std::optional<FieldRun> single; ///< the same in float
    double largest_difference = 0;  ///< of profiles, relative to the largest value
};

/// @throws Stopped with a checkpoint
[[nodiscard]] FieldRuns run_field(const Config& config, const DomainModel& model,
                                  Checkpointing& checkpointing);

void write(Hdf5Group& root, const FieldRuns& runs, const DomainModel& model, int profile_axis);

} // namespace mesolith
