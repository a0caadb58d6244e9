#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "mesolith/core/nan.hpp"
#include "mesolith/crystal/cell.hpp"

namespace mesolith {

/// The walkers that are written: the same ones in every frame.
struct WalkerSample {
    std::vector<std::string> species; ///< element of each, for viewers
    std::vector<std::int64_t> ids;    ///< number of each in the run (from 0); empty = 0, 1, 2, ...
    std::array<bool, 3> periodic{true, true, true}; ///< which axes of the box have no walls
};

/// The sample at one time. A walker that is gone (absorbed) keeps its line: `alive` says 0 and its position
/// is the last one it had. So all readers, which want a fixed number of finite positions, open the file.
struct WalkerFrame {
    std::int64_t step = 0;
    double time = nan_value; ///< [ps]
    Cell box;
    std::vector<Vec3> positions;     ///< unwrapped [A]
    std::vector<std::int32_t> alive; ///< 1, or 0 for a walker that is gone; empty = not written
    std::vector<std::int32_t> site;  ///< basis site; empty = not written
};

enum class WalkerFormat {
    h5md,        ///< H5MD 1.1, group particles/walkers
    extxyz,      ///< extended xyz
    lammps_dump, ///< LAMMPS text dump; box and positions turned into LAMMPS' frame
};

struct WalkerFileOptions {
    bool with_alive = false, with_site = false; ///< what every frame brings
    bool single_precision = true;               ///< h5md: positions as float32, good to 6e-8 of their size
    int decimals = 6;                           ///< text: of the positions, 1 to 15
};

/// Writes walkers frame by frame; memory does not grow with their number.
///
/// h5md is written in place: after a kill at any moment the frames of the last flush() are there, and
/// resume_walkers goes on. Until close() other programs have to open it as a file that is being written
/// (h5py: swmr=True); each flush() costs up to 256 KiB of space in it. Text appears under its name with
/// close() only. LAMMPS wants a_1 along x and a_2 in the plane xy: the box is turned, the positions with it.
/// The picture of a left-handed box is a mirror image. The file holds no items TIME or UNITS, which
/// MDAnalysis refuses.
class WalkerWriter {
public:
    virtual ~WalkerWriter() = default;
    /// @throws DataError when the frame does not fit the sample and the options, or a number is not finite
    virtual void append(const WalkerFrame& frame) = 0;
    virtual void flush() = 0;
    virtual void close() = 0; ///< @throws FileError when not all could be written
};

/// @throws DataError when ids do not fit the species or come twice, or an element's name holds blanks
[[nodiscard]] std::unique_ptr<WalkerWriter> create_walker_file(const std::string& path, WalkerFormat format,
                                                               const WalkerSample& sample,
                                                               const WalkerFileOptions& options = {});

/// Continue an H5MD file behind its first n_frames frames; later ones are dropped (by a copy of the others).
/// @throws FileError when it has fewer frames or other walkers
[[nodiscard]] std::unique_ptr<WalkerWriter> resume_walkers(const std::string& path, std::uint64_t n_frames,
                                                           const WalkerSample& sample,
                                                           const WalkerFileOptions& options = {});

/// The box in LAMMPS' frame: rows (l_x, 0, 0), (xy, l_y, 0), (xz, yz, l_z), lengths above 0. The box itself
/// when it has that form.
[[nodiscard]] Mat3 lammps_box(const Cell& box);

} // namespace mesolith
