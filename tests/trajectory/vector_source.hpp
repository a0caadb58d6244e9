#pragma once
// A trajectory that stands in memory, in place of a file.
#include <utility>
#include <vector>

#include "mesolith/trajectory/frame_source.hpp"

namespace mesolith::test {

class VectorSource : public FrameSource {
public:
    VectorSource(std::vector<std::string> species, std::vector<Frame> frames, Wrapping wrapping)
        : frames_(std::move(frames)) {
        header_.path = "in memory";
        header_.format = "test";
        header_.species = std::move(species);
        header_.wrapping = wrapping;
        for (std::size_t t = 0; t < frames_.size(); ++t) frames_[t].index = static_cast<std::int64_t>(t);
    }
    const TrajectoryHeader& header() const override { return header_; }
    bool read(Frame& frame) override {
        if (next_ == frames_.size()) return false;
        frame = frames_[next_++];
        return true;
    }
    double fraction_read() const override { return -1; }

private:
    TrajectoryHeader header_;
    std::vector<Frame> frames_;
    std::size_t next_ = 0;
};

} // namespace mesolith::test
