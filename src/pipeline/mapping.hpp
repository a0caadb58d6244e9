#pragma once
// From trajectory files to ions on sites: what the sites stage and `mesolith check` share.
#include <memory>
#include <string>
#include <vector>

#include "mesolith/config/config.hpp"
#include "mesolith/core/interrupt.hpp"
#include "mesolith/io/store.hpp"
#include "mesolith/observables/collective.hpp"
#include "mesolith/observables/msd.hpp"
#include "mesolith/sites/build_sites.hpp"
#include "mesolith/sites/density_sites.hpp"

#include "stage.hpp"

namespace mesolith {

/// A trajectory from its file to continuous, drift-free frames. The order of the members is that of their
/// dependence.
struct OpenTrajectory {
    std::string path;
    std::unique_ptr<FrameSource> source;
    double frame_interval; // of the file [ps]
    ContinuousOptions options;
    ContinuousTrajectory frames;

    /// @throws InputError when the frame interval is unknown, FileError when the file is damaged
    OpenTrajectory(const Config& config, const TrajectorySection& section);
    /// All frames of any source, which gives the first one now.
    OpenTrajectory(const Config& config, std::unique_ptr<FrameSource> source);

    double used_interval() const { return frame_interval * static_cast<double>(options.stride); } // [ps]
    void gather(const Frame& frame, std::vector<Vec3>& ions) const; ///< positions of the mobile ions
    Vec3 framework_mean(const Frame& frame) const; ///< of the positions; zero without a framework
    std::vector<std::string> framework_species() const;
};

/// Call f(frame) for all used frames, with a progress bar; stops at Ctrl-C.
template <class F>
void for_each_frame(OpenTrajectory& trajectory, const std::string& title, F&& f) {
    StageProgress progress(title);
    Frame frame;
    while (trajectory.frames.read(frame)) {
        throw_if_interrupted();
        f(frame);
        progress.update(trajectory.source->fraction_read());
    }
    progress.finish();
}

/// The sites of a run, defined by its first trajectory, and how each trajectory is brought onto them.
class SiteDefinition {
public:
    SiteDefinition(const Config& config, const std::vector<TrajectorySection>& trajectories);

    /// Where the trajectory stands; the first one defines the sites.
    SitePlacement register_on_crystal(const OpenTrajectory& trajectory, std::vector<std::string>& warnings);
    /// The two halves of it, which say nothing: where it stands, then whether that fits the first one.
    SitePlacement placement_of(const OpenTrajectory& trajectory) const;
    void keep(const OpenTrajectory& trajectory, const SitePlacement& placement);

    StoredSites stored;
    std::shared_ptr<const DensitySites> density; ///< for source = "density"

private:
    const Config& config_;
    Structure structure_;
    SitePlacement found_; // of the first trajectory, when its ions define the sites
};

/// One pass over the frames of a trajectory: each is assigned to sites and enters the MSD of single ions and
/// of all together.
class IonMapping {
public:
    /// @throws InputError when a core radius does not fit the sites
    IonMapping(const Config& config, const OpenTrajectory& trajectory, const SiteSet& sites,
               const AssignmentOptions& assignment);
    void add(const OpenTrajectory& trajectory, const Frame& frame);
    /// @param offset  shift that registered the trajectory on the crystal [A]
    StoredTrajectory finish(const OpenTrajectory& trajectory, const Vec3& offset);

    SiteMapper mapper;
    MsdAccumulator msd;
    CollectiveAccumulator collective;

private:
    std::vector<Vec3> ions_;
};

/// A replica keeps the numbering of the first trajectory: only then do counts add up.
/// @throws InputError
void expect_same_sites(const SiteSet& first, const SiteSet& replica, const std::string& path);

/// @throws InputError when a core radius does not fit the sites
SiteMapper make_mapper(const SiteSet& sites, const AssignmentOptions& assignment, std::size_t n_ions,
                       double used_interval);

/// Lags of the MSD that the mapping pass measures, in used frames.
std::vector<std::int64_t> raw_msd_lags(const Config& config, double used_interval);

} // namespace mesolith
