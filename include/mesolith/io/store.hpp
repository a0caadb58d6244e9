#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "mesolith/io/hdf5.hpp"
#include "mesolith/msm/kernel.hpp"
#include "mesolith/msm/transition_counts.hpp"
#include "mesolith/observables/collective.hpp"
#include "mesolith/observables/msd.hpp"
#include "mesolith/sites/assign_sites.hpp"
#include "mesolith/sites/density_sites.hpp"
#include "mesolith/sites/site_trajectory.hpp"
#include "mesolith/trajectory/continuous.hpp"

/// One write/read pair per value type; paths, shapes and units as in docs/files.md. Reading checks what it
/// gets: a damaged or foreign file is a FileError of one line.
namespace mesolith {

// Provenance

/// A file that a stage read.
struct InputFile {
    std::string path;
    std::string sha256;
    std::uint64_t bytes = 0;
    std::int64_t modified = 0; ///< modification time [ns since 1970]

    bool operator==(const InputFile&) const = default;
};

/// Checksum of a file as it is now. Not read again when `known` has the same path, size and modification
/// time.
/// @throws InputError when there is no such file
[[nodiscard]] InputFile describe_input(const std::string& path, std::span<const InputFile> known = {});

/// Where a result comes from; attributes of the root of every file.
struct Provenance {
    std::string stage;
    std::uint64_t seed = 1;
    std::string config; ///< effective TOML of the whole run
    std::vector<InputFile> inputs;
    std::string fingerprint;
    std::string previous; ///< fingerprint of the result that this one was made from, "" for the first stage
    std::string created, version, commit; ///< filled by write()
    std::vector<std::string> warnings;
};

/// SHA-256 over what a result depends on: equal means that there is nothing to do again. Paths and times of
/// input files do not count, their contents do.
[[nodiscard]] std::string fingerprint_of(const std::string& stage, const std::string& options,
                                         std::span<const InputFile> inputs, const std::string& previous);

void write(Hdf5Group& root, const Provenance& provenance);
[[nodiscard]] Provenance read_provenance(const Hdf5Group& root);

// Sites and events

/// A site set with the crystal around it.
struct StoredSites {
    SiteSet sites;
    std::vector<std::string> framework_species;
    std::vector<Vec3> framework_positions; ///< [A]
    double framework_rms = 0;              ///< [A]
    AssignmentOptions assignment;
};
void write(Hdf5Group& group, const StoredSites& sites);
[[nodiscard]] StoredSites read_sites(const Hdf5Group& group);

/// Density sites with their certainty, grid and basins.
void write(Hdf5Group& group, const DensitySites& density);
[[nodiscard]] DensitySites read_density_sites(const Hdf5Group& group);

/// The basis alone, as the results of the Markov model carry it.
void write(Hdf5Group& group, const SiteBasis& basis, const std::string& space_group);
[[nodiscard]] SiteBasis read_basis(const Hdf5Group& group);

/// Everything kept of one trajectory.
struct StoredTrajectory {
    SiteTrajectory trajectory;
    MsdSums msd;
    std::optional<CollectiveDisplacement> collective; ///< files of older versions have none
    SiteDiagnostics diagnostics;
    ContinuityReport continuity;
    std::string source, format;
    std::int64_t first_frame = 0, stride = 1;
    Vec3 offset = Vec3::Zero(); ///< shift that registered it on the crystal [A]
};
void write(Hdf5Group& group, const StoredTrajectory& trajectory);
[[nodiscard]] StoredTrajectory read_trajectory(const Hdf5Group& group);

void write(Hdf5Group& group, const SiteTrajectory& trajectory);
[[nodiscard]] SiteTrajectory read_site_trajectory(const Hdf5Group& group);

void write(Hdf5Group& group, const MsdSums& msd);
[[nodiscard]] MsdSums read_msd(const Hdf5Group& group);

void write(Hdf5Group& group, const CollectiveDisplacement& collective);
[[nodiscard]] CollectiveDisplacement read_collective(const Hdf5Group& group);

// Markov model

void write(Hdf5Group& group, const TransitionCounts& counts);
[[nodiscard]] TransitionCounts read_counts(const Hdf5Group& group);

void write(Hdf5Group& group, const Kernel& kernel);
/// @throws FileError when the columns do not sum to 1 (check_kernel)
[[nodiscard]] Kernel read_kernel(const Hdf5Group& group, const SiteBasis& basis);

} // namespace mesolith
