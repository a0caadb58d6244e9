#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "mesolith/trajectory/trajectory.hpp"

namespace mesolith {

struct H5mdOptions {
    std::string group = "all"; ///< below `particles`
    std::string author = "unknown";
    bool single_precision = true; ///< positions as float32
    bool unwrapped = false;       ///< positions are continuous: said in an attribute that mesolith reads back
    int compression = 4;          ///< gzip level behind a shuffle; 0 = none
    std::uint64_t chunk_frames = 0;                 ///< frames per chunk; 0 = about 256 KiB
    std::array<bool, 3> periodic{true, true, true}; ///< box/boundary: "periodic" or "none" by axis
    std::vector<std::int64_t> ids;                  ///< of the particles, element `id` [N]; empty = none
    /// Names of further elements, one integer per particle and frame: NAME/{value [T, N], step, time}.
    std::vector<std::string> integers;
};

/// Writes an H5MD 1.1 trajectory: particles/GROUP/position/{value [T, N, 3], step, time}, box/edges/value [T,
/// 3, 3], species as strings, image flags when the frames have them; units as variable-length strings
/// ("Angstrom", "ps"), so that MDAnalysis opens it.
class H5mdWriter {
public:
    /// A new file, published under its name by close() only.
    H5mdWriter(const std::string& path, const std::vector<std::string>& species,
               const H5mdOptions& options = {});
    /// A file that is written in place and can be read and continued after each flush(), also when the
    /// process is killed, at any moment. Until close() other programs than mesolith have to open it as one
    /// that is being written (h5py: swmr=True). Each flush() costs up to a chunk of space in the file: not
    /// every frame.
    static H5mdWriter in_place(const std::string& path, const std::vector<std::string>& species,
                               const H5mdOptions& options = {});
    /// Continue a file of in_place() behind its first n_frames frames. When there are later ones, the first
    /// are copied to a new file, which replaces it. 0 frames: a new file.
    /// @throws FileError when it has fewer frames, other species, ids or elements
    static H5mdWriter resume(const std::string& path, const std::vector<std::string>& species,
                             std::uint64_t n_frames, const H5mdOptions& options = {});
    ~H5mdWriter();
    H5mdWriter(H5mdWriter&&) noexcept;

    /// `integers`: one span of N values for each name of the options, in their order.
    /// @throws DataError when the number of atoms or values differs, image flags come and go, or the time is
    /// not finite
    void append(const Frame& frame, std::int64_t step,
                std::span<const std::span<const std::int32_t>> integers = {});
    void append(const Frame& frame) { append(frame, frame.index); }
    void flush();
    void close(); ///< @throws FileError when not all could be written

private:
    struct State;
    explicit H5mdWriter(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

/// Write all frames at once.
void write_h5md(const std::string& path, const std::vector<std::string>& species,
                const std::vector<Frame>& frames, const H5mdOptions& options = {});

} // namespace mesolith
