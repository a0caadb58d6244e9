#include "site_stream.hpp"

#include <mutex>
#include <utility>

#include "mesolith/core/error.hpp"

#include "columns.hpp"

namespace mesolith {
namespace {

std::vector<Vec3> vectors(const std::vector<double>& all) {
    std::vector<Vec3> result;
    for (std::size_t i = 0; i + 2 < all.size(); i += 3) result.emplace_back(all[i], all[i + 1], all[i + 2]);
    return result;
}

Frame read_frame(const Checkpoint& file, const std::string& name, const Cell& cell, std::int64_t index,
                 double interval) {
    Frame frame;
    frame.index = index;
    frame.time = static_cast<double>(index + 1) * interval;
    frame.cell = cell;
    frame.positions = vectors(file.read<double>(name));
    return frame;
}

} // namespace

/// Hands on the frame that was put there.
class SiteStream::Frames final : public FrameSource {
public:
    Frames(std::string path, std::vector<std::string> species, double interval, const Frame& first)
        : next_(first), there_(true) {
        header_.path = std::move(path);
        header_.format = "mesolith md";
        header_.species = std::move(species);
        header_.wrapping = Wrapping::unwrapped;
        header_.frame_interval = interval;
    }
    void put(const Frame& frame) {
        next_ = frame;
        there_ = true;
    }
    const TrajectoryHeader& header() const override { return header_; }
    bool read(Frame& frame) override {
        if (!std::exchange(there_, false)) return false;
        frame = next_;
        return true;
    }
    double fraction_read() const override { return -1; }

private:
    TrajectoryHeader header_;
    Frame next_;
    bool there_;
};

SiteStream::SiteStream(const Config& config, std::string path, std::vector<std::string> species,
                       const Cell& cell, double interval)
    : config_(config), path_(std::move(path)), options_(mapping_of(config)), species_(std::move(species)),
      cell_(cell), interval_(interval) {}
SiteStream::~SiteStream() = default;
SiteStream::SiteStream(SiteStream&&) noexcept = default;

void SiteStream::start(const Frame& first) {
    static std::mutex symmetry; // spglib keeps its last error for all threads
    const std::lock_guard one(symmetry);
    first_ = first;
    auto frames = std::make_unique<Frames>(path_, species_, interval_, first);
    given_ = frames.get();
    trajectory_ = std::make_unique<OpenTrajectory>(config_, std::move(frames));
    sites_ = std::make_unique<SiteDefinition>(config_, std::vector<TrajectorySection>{});
    warnings_.clear();
    const SitePlacement placement = sites_->placement_of(*trajectory_);
    for (const std::string& text : placement.warnings) warnings_.push_back(path_ + ": " + text);
    sites_->keep(*trajectory_, placement);
    offset_ = placement.offset;
    trajectory_->frames.set_offset(offset_);
    SiteSet sites = sites_->stored.sites;
    sites.cell = trajectory_->frames.reference_cell();
    mapping_ = std::make_unique<IonMapping>(config_, *trajectory_, sites, sites_->stored.assignment);
}

void SiteStream::add(const Frame& frame) {
    last_ = frame;
    for (Vec3& r : last_.positions)
        for (int a = 0; a < 3; ++a) {
            const volatile float rounded =
                static_cast<float>(r[a]); // GCC 12 leaves the rounding of pairs out
            r[a] = static_cast<double>(rounded);
        }
    if (!trajectory_)
        start(last_);
    else
        given_->put(last_);
    if (!trajectory_->frames.read(continuous_))
        throw DataError(path_ + ": a frame was lost. This is a mistake of the program");
    mapping_->add(*trajectory_, continuous_);
}

void SiteStream::finish() {
    if (!trajectory_) throw DataError(path_ + ": no frames were mapped. Run for longer than one interval");
    const StoredTrajectory result = mapping_->finish(*trajectory_, offset_);
    Hdf5File file = Hdf5File::create(path_);
    file.write_strings("warnings", warnings_);
    file.set_attribute("mapping", options_);
    Hdf5Group sites = file.create_group("sites");
    write(sites, sites_->stored);
    Hdf5Group trajectory = file.create_group("trajectory");
    write(trajectory, result);
    file.commit();
}

std::string mapping_of(const Config& config) {
    return stage_options(config, "sites") +
           "structure_sha256 = " + describe_input(config.resolve(config.sites.structure)).sha256 + "\n";
}

StreamedReplica read_streamed_replica(const std::string& path) {
    const Hdf5File file = Hdf5File::open(path);
    StreamedReplica replica;
    replica.warnings = file.read_strings("warnings");
    if (file.has_attribute("mapping")) replica.mapping = file.string_attribute("mapping");
    replica.sites = read_sites(file.group("sites"));
    replica.trajectory = read_trajectory(file.group("trajectory"));
    return replica;
}

void SiteStream::save(CheckpointWriter& file, const std::string& prefix) const {
    if (!trajectory_) return;
    file.write(prefix + "first", flat(first_.positions));
    file.write(prefix + "last", flat(last_.positions));
    const ContinuityReport& r = trajectory_->frames.report();
    file.write(prefix + "continuity/frames",
               std::vector<std::int64_t>{r.frames_read, r.frames_used, r.largest_step_frame,
                                         r.steps_over_limit, last_.index});
    file.write(prefix + "continuity/lengths",
               std::vector<double>{r.largest_step, r.largest_drift[0], r.largest_drift[1], r.largest_drift[2],
                                   r.final_drift[0], r.final_drift[1], r.final_drift[2]});
    const SiteMapperState mapper = mapping_->mapper.state();
    file.write(prefix + "mapper/counts", std::vector<std::int64_t>{mapper.n_frames, mapper.doubly_occupied});
    file.write(prefix + "mapper/ions", mapper.ions);
    file.write(prefix + "mapper/n_events", mapper.n_events);
    file.write(prefix + "mapper/events", mapper.events);
    file.write(prefix + "mapper/tallies", mapper.tallies);
    const MsdSums& msd = mapping_->msd.sums();
    file.write(prefix + "msd/lag_frames", msd.lag_frames);
    file.write(prefix + "msd/counts", std::vector<std::int64_t>{msd.n_frames, msd.bin_frames});
    file.write(prefix + "msd/sum", msd.sum);
    file.write(prefix + "msd/count", msd.count);
    file.write(prefix + "msd/last_frames", mapping_->msd.last_frames());
    file.write(prefix + "collective/sum", flat(mapping_->collective.so_far()));
    file.write(prefix + "collective/start", flat(std::vector<Vec3>{mapping_->collective.start()}));
}

void SiteStream::restore(const Checkpoint& file, const std::string& prefix) {
    if (!file.has(prefix + "first")) return;
    const auto frames = file.read<std::int64_t>(prefix + "continuity/frames");
    const auto lengths = file.read<double>(prefix + "continuity/lengths");
    const auto mapper_counts = file.read<std::int64_t>(prefix + "mapper/counts");
    const auto msd_counts = file.read<std::int64_t>(prefix + "msd/counts");
    const auto start_of_sum = vectors(file.read<double>(prefix + "collective/start"));
    if (frames.size() != 5 || lengths.size() != 7 || mapper_counts.size() != 2 || msd_counts.size() != 2 ||
        start_of_sum.size() != 1)
        throw FileError(file.file_name() + ": is not of this run. Remove the checkpoint");
    start(read_frame(file, prefix + "first", cell_, 0, interval_));
    last_ = read_frame(file, prefix + "last", cell_, frames[4], interval_);
    ContinuityReport report;
    report.frames_read = frames[0];
    report.frames_used = frames[1];
    report.largest_step_frame = frames[2];
    report.steps_over_limit = frames[3];
    report.largest_step = lengths[0];
    report.largest_drift = Vec3(lengths[1], lengths[2], lengths[3]);
    report.final_drift = Vec3(lengths[4], lengths[5], lengths[6]);
    trajectory_->frames.resume(last_, report);
    SiteMapperState mapper;
    mapper.n_frames = mapper_counts[0];
    mapper.doubly_occupied = mapper_counts[1];
    mapper.ions = file.read<std::int32_t>(prefix + "mapper/ions");
    mapper.n_events = file.read<std::int32_t>(prefix + "mapper/n_events");
    mapper.events = file.read<std::int32_t>(prefix + "mapper/events");
    mapper.tallies = file.read<std::int64_t>(prefix + "mapper/tallies");
    mapping_->mapper.restore(mapper);
    MsdSums msd;
    msd.lag_frames = file.read<std::int64_t>(prefix + "msd/lag_frames");
    msd.n_frames = msd_counts[0];
    msd.bin_frames = msd_counts[1];
    msd.sum = file.read<double>(prefix + "msd/sum");
    msd.count = file.read<std::int64_t>(prefix + "msd/count");
    mapping_->msd.restore(std::move(msd), file.read<double>(prefix + "msd/last_frames"));
    mapping_->collective.restore(vectors(file.read<double>(prefix + "collective/sum")), start_of_sum.front());
}

} // namespace mesolith
