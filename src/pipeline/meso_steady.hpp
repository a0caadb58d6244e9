#pragma once
// Exact answers of the mesoscale stage.
#include <optional>

#include "mesolith/meso/steady.hpp"
#include "mesolith/pipeline/domain_model.hpp"

namespace mesolith {

struct SteadyRun {
    /// D of the domain: of the kernel in a crystal, homogenised in a microstructure; none where ions come and
    /// go.
    std::optional<Mat3> diffusivity;
    std::optional<HomogenisedTransport> homogenised;
    std::optional<SteadyFlux> flux;
    std::optional<MeanFirstPassage> passage;
    std::vector<double> passage_profile; ///< mean time per layer along the profile axis, by weight [ps]
    std::string left_out;                ///< why something was not solved, "" when all was
    double seconds = 0;
};

[[nodiscard]] SteadyRun run_steady(const Config& config, const DomainModel& model);

void write(Hdf5Group& root, const SteadyRun& run, const DomainModel& model);

} // namespace mesolith
