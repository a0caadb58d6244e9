#pragma once
#include <cstddef>
#include <string>
#include <vector>

#include "mesolith/io/vtkhdf.hpp"

namespace mesolith {

/// Write one snapshot as VTK XML: ImageData (.vti) when the axes of the grid are x, y, z, StructuredGrid
/// (.vts, 12 bytes more per point) otherwise, because contours and cuts of ImageData forget its direction in
/// VTK 9.1 and ParaView 5.11. Values raw behind the header, not packed. The name of the file should end in
/// vtk_xml_suffix(grid).
/// @throws DataError of check_snapshot, FileError when the disk is full
/// Cost: one pass; memory for blocks of 64 Ki values.
void write_vtk_xml(const std::string& path, const FieldSnapshot& snapshot,
                   const FieldFileOptions& options = {});
[[nodiscard]] std::string vtk_xml_suffix(const FieldGrid& grid); ///< ".vti" or ".vts"

/// Snapshots with their times: PATH is a ParaView collection (.pvd) of files NAME_000000.vti, ... beside it,
/// NAME being PATH without its ending. ParaView plays it as an animation; VTK and others read the single
/// files.
class FieldSeries {
public:
    /// A new series: PATH holds no snapshots at first. Files of an older series stay until they are
    /// replaced.
    /// @throws InputError when PATH does not end in .pvd, FileError when it cannot be written
    explicit FieldSeries(std::string path, const FieldFileOptions& options = {});
    /// Continue behind the first n snapshots; later ones leave the collection.
    /// @throws FileError when PATH lists fewer or was not written by mesolith
    static FieldSeries resume(std::string path, std::size_t n, const FieldFileOptions& options = {});

    /// Write the file of the snapshot, then the collection anew: whenever the run ends, the collection lists
    /// whole files only.
    /// @throws DataError when the snapshot has no time or does not follow the one before
    void append(const FieldSnapshot& snapshot);
    std::size_t size() const { return entries_.size(); }

private:
    struct Entry {
        double time;
        std::string file;
    };
    FieldSeries(std::string path, const FieldFileOptions& options, std::vector<Entry> entries);
    void write_collection() const;

    std::string path_;
    FieldFileOptions options_;
    std::vector<Entry> entries_;
};

} // namespace mesolith
