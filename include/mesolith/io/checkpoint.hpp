#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "mesolith/io/hdf5.hpp"

namespace mesolith {

/// Named arrays and texts in a file of which a good one is always left, whatever happens while the next is
/// written. Layout in docs/files.md; every 4 MiB have a checksum, and a checkpoint is used only when all of
/// them fit.
///
///     CheckpointWriter next("run.ckpt");                 // writes run.ckpt.new
///     next.set_attribute("fingerprint", fingerprint);
///     next.write("walkers/site", std::span<const std::int32_t>(sites));
///     next.commit();        // run.ckpt becomes run.ckpt.previous, run.ckpt.new becomes run.ckpt

/// Numbers of a checkpoint: those of HDF5. Bytes are std::uint8_t.
template <class T>
concept CheckpointNumber = Hdf5Number<T>;

/// Type of an array as in numpy: kind ('i', 'u', 'f') and bytes.
struct CheckpointType {
    char kind = 'u';
    std::uint8_t bytes = 1;
    bool operator==(const CheckpointType&) const = default;
};
template <CheckpointNumber T>
constexpr CheckpointType checkpoint_type() {
    return {std::floating_point<T> ? 'f' : std::signed_integral<T> ? 'i' : 'u', sizeof(T)};
}

class CheckpointWriter {
public:
    /// Begin PATH.new. What stands there, of a run that was stopped, is replaced; when it is whole and PATH
    /// is not good it becomes PATH first.
    /// @throws FileError when it cannot be written
    explicit CheckpointWriter(const std::string& path);
    ~CheckpointWriter(); ///< without commit() PATH.new is removed
    CheckpointWriter(CheckpointWriter&&) noexcept;

    void set_attribute(const std::string& name, const std::string& value);
    template <CheckpointNumber T>
    void write(const std::string& name, std::span<const T> values) {
        begin<T>(name, values.size());
        append(values);
    }
    template <CheckpointNumber T>
    void write(const std::string& name, const std::vector<T>& values) {
        write(name, std::span<const T>(values));
    }

    /// An array in pieces: begin it with its length, then append until it is full.
    /// @throws DataError when the name is empty or taken, the array before is not full, more is appended than
    /// was announced or of another type; FileError when the disk is full
    template <CheckpointNumber T>
    void begin(const std::string& name, std::uint64_t size) {
        begin_array(name, checkpoint_type<T>(), size);
    }
    template <CheckpointNumber T>
    void append(std::span<const T> values) {
        append_values(checkpoint_type<T>(), values.data(), values.size());
    }

    /// Everything to the disk, then the names change. A checkpoint of before is PATH.previous then.
    /// @throws FileError; PATH is what it was
    void commit();

private:
    void begin_array(const std::string& name, CheckpointType type, std::uint64_t size);
    void append_values(CheckpointType type, const void* values, std::uint64_t n);
    struct State;
    std::unique_ptr<State> state_;
};

/// A checkpoint that was read once and found whole. It stays readable when its file gets another name.
class Checkpoint {
public:
    /// Reads all of the file: 4 MiB of memory, whatever its size.
    /// @throws InputError when there is no such file, FileError when it is no checkpoint, cut short or
    /// damaged
    static Checkpoint open(const std::string& path);
    ~Checkpoint();
    Checkpoint(Checkpoint&&) noexcept;

    const std::string& file_name() const;
    std::vector<std::string> names() const; ///< of the arrays, sorted
    bool has(const std::string& name) const;
    std::uint64_t size(const std::string& name) const; ///< of an array
    CheckpointType type(const std::string& name) const;
    const std::map<std::string, std::string>& attributes() const;
    const std::string& attribute(const std::string& name) const; ///< @throws FileError when there is none

    /// @throws FileError when there is no such array, it is of another type or the disk fails, DataError when
    /// the range is not inside
    template <CheckpointNumber T>
    std::vector<T> read(const std::string& name) const {
        std::vector<T> values(size(name));
        read_part(name, 0, std::span<T>(values));
        return values;
    }
    /// Values [first, first + out.size()). Checksums are checked again.
    template <CheckpointNumber T>
    void read_part(const std::string& name, std::uint64_t first, std::span<T> out) const {
        read_values(name, checkpoint_type<T>(), first, out.data(), out.size());
    }

private:
    void read_values(const std::string& name, CheckpointType type, std::uint64_t first, void* out,
                     std::uint64_t n) const;
    struct State;
    explicit Checkpoint(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

/// Whether a checkpoint was ever finished. A run that was killed while it wrote its first one leaves only a
/// part of PATH.new, with nothing lost: that is none.
[[nodiscard]] bool checkpoint_exists(const std::string& path);

struct NewestCheckpoint {
    Checkpoint checkpoint;
    std::string warning; ///< why it is not the one called PATH, "" when it is
};

/// PATH; else PATH.new when it is whole (the run was stopped between two changes of names); else
/// PATH.previous.
/// @throws InputError when there is none of them, FileError naming each and what is wrong with it when none
/// is good
[[nodiscard]] NewestCheckpoint open_newest_checkpoint(const std::string& path);

} // namespace mesolith
