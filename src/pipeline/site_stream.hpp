#pragma once
// Frames of molecular dynamics to sites and events while it runs.
#include <memory>
#include <string>
#include <vector>

#include "mesolith/io/checkpoint.hpp"

#include "mapping.hpp"

namespace mesolith {

/// What became of one replica, as if its trajectory had been read from a file.
struct StreamedReplica {
    StoredSites sites;
    StoredTrajectory trajectory;
    std::vector<std::string> warnings;
    std::string mapping; ///< mapping_of() the run that made it
};

/// All that events depend on beside the frames: options and the crystal of the sites. Frames that are gone
/// cannot be mapped again.
/// @throws InputError when there is no such crystal
std::string mapping_of(const Config& config);

/// @throws FileError when it is damaged
StreamedReplica read_streamed_replica(const std::string& path);

/// Maps the frames of one replica as the sites stage maps those of an H5MD file: positions are rounded to
/// float as in the file, so that events and sums are equal bit by bit. The first frame is registered on the
/// crystal of [sites].
class SiteStream {
public:
    /// @param path  of the file that finish() writes
    /// @param cell      of all frames
    /// @param interval  between two of them [ps]
    SiteStream(const Config& config, std::string path, std::vector<std::string> species, const Cell& cell,
               double interval);
    ~SiteStream();
    SiteStream(SiteStream&&) noexcept;

    /// The next frame, positions continuous.
    /// @throws InputError when it is the first and does not fit the sites; DataError when a position is not
    /// finite
    void add(const Frame& frame);
    /// @throws DataError when there were no frames
    void finish();

    /// All of it, under names that begin with `prefix`.
    void save(CheckpointWriter& file, const std::string& prefix) const;
    /// Goes on from there, bit by bit.
    void restore(const Checkpoint& file, const std::string& prefix);

private:
    class Frames;
    void start(const Frame& first);

    const Config& config_;
    std::string path_, options_;
    std::vector<std::string> species_;
    Cell cell_;
    double interval_;
    Frames* given_ = nullptr; // owned by trajectory_
    std::unique_ptr<OpenTrajectory> trajectory_;
    std::unique_ptr<SiteDefinition> sites_;
    std::unique_ptr<IonMapping> mapping_;
    Vec3 offset_ = Vec3::Zero();
    std::vector<std::string> warnings_;
    Frame first_, last_; // as they were given, rounded
    Frame continuous_;
};

} // namespace mesolith
