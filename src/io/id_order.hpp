#pragma once
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

namespace mesolith {

/// Brings the atoms of each frame into one order: by the ids of the first frame, ascending.
class IdOrder {
public:
    /// Take the ids of the first frame. False when one comes twice (then `repeated()` says which).
    bool start(const std::vector<std::int64_t>& ids);
    bool started() const { return !ids_.empty(); }
    std::int64_t repeated() const { return repeated_; }

    /// Begin another frame.
    void next_frame() { ++frame_; }
    /// Place of this id, or -1 when it was not in the first frame, -2 when it came already in this frame.
    /// Every id of a frame of the right length is there when none is refused.
    std::ptrdiff_t place(std::int64_t id) {
        std::ptrdiff_t at = -1;
        if (!dense_.empty()) {
            const std::uint64_t offset = static_cast<std::uint64_t>(id) - static_cast<std::uint64_t>(first_);
            if (offset < dense_.size()) at = dense_[offset];
        } else if (const auto found = sparse_.find(id); found != sparse_.end()) {
            at = found->second;
        }
        if (at < 0) return -1;
        auto& seen = seen_[static_cast<std::size_t>(at)];
        if (seen == frame_) return -2;
        seen = frame_;
        return at;
    }

private:
    std::vector<std::int64_t> ids_, seen_;
    std::vector<std::int32_t> dense_; // place by id - first_, when the ids are nearly consecutive
    std::unordered_map<std::int64_t, std::int32_t> sparse_;
    std::int64_t first_ = 0, frame_ = 0, repeated_ = 0;
};

} // namespace mesolith
