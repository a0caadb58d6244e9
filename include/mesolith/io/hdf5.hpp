#pragma once
#include <array>
#include <concepts>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "mesolith/crystal/cell.hpp"

namespace mesolith {

/// HDF5 behind values: handles close themselves, every failure is a FileError of one line that names file and
/// object
/// ("FILE: cannot read dataset 'sites/cell' (reason). What to do"). The library's own error output is
/// silenced. Not for use by several threads at once.

/// Numbers that can stand in a file; bool is none, write it as an integer.
template <class T>
concept Hdf5Number =
    (std::integral<T> && !std::same_as<T, bool>) || std::same_as<T, float> || std::same_as<T, double>;

enum class Hdf5Type { i8, u8, i16, u16, i32, u32, i64, u64, f32, f64 };

template <Hdf5Number T>
constexpr Hdf5Type hdf5_type() {
    if constexpr (std::same_as<T, float>)
        return Hdf5Type::f32;
    else if constexpr (std::same_as<T, double>)
        return Hdf5Type::f64;
    else if constexpr (sizeof(T) == 1)
        return std::signed_integral<T> ? Hdf5Type::i8 : Hdf5Type::u8;
    else if constexpr (sizeof(T) == 2)
        return std::signed_integral<T> ? Hdf5Type::i16 : Hdf5Type::u16;
    else if constexpr (sizeof(T) == 4)
        return std::signed_integral<T> ? Hdf5Type::i32 : Hdf5Type::u32;
    else
        return std::signed_integral<T> ? Hdf5Type::i64 : Hdf5Type::u64;
}

using Hdf5Shape = std::vector<std::uint64_t>;

struct Hdf5WriteOptions {
    std::string units;       ///< attribute `units` ("" = none)
    std::string description; ///< attribute `description` ("" = none)
    int compression = 4; ///< gzip level behind a shuffle, 0 = none; datasets below 4 KiB are never compressed
    Hdf5Shape chunk;     ///< empty = whole rows, about 256 KiB
};

/// Those of a dataset with this unit ("" = none) and meaning.
[[nodiscard]] Hdf5WriteOptions about(const char* units, const char* description);

/// Owner of one HDF5 identifier (hid_t); move only.
class Hdf5Handle {
public:
    Hdf5Handle() = default;
    Hdf5Handle(std::int64_t id, int (*close)(std::int64_t)) : id_(id), close_(close) {}
    ~Hdf5Handle() { reset(); }
    Hdf5Handle(Hdf5Handle&& other) noexcept : id_(other.id_), close_(other.close_) { other.id_ = -1; }
    Hdf5Handle& operator=(Hdf5Handle&& other) noexcept;
    std::int64_t get() const { return id_; }
    bool reset(); ///< close now; false when the library failed to (then data may be missing on the disk)

private:
    std::int64_t id_ = -1;
    int (*close_)(std::int64_t) = nullptr;
};

/// What all objects of one open file know of it.
struct Hdf5FileState {
    std::string name;
    std::int64_t id = -1;
    bool writable = false;
    std::string failure; ///< why a write failed: commit() refuses with it; "" = none did
};

/// A group or dataset: something with attributes.
class Hdf5Object {
public:
    const std::string& path() const { return path_; } ///< inside the file, "/" for the root
    const std::string& file_name() const { return file_->name; }

    bool has_attribute(const std::string& name) const;
    std::vector<std::string> attribute_names() const;

    /// Attributes are replaced when they exist.
    void set_attribute(const std::string& name, const std::string& value);
    void set_attribute(const std::string& name, const char* value) {
        set_attribute(name, std::string(value));
    }
    void set_attribute(const std::string& name, const std::vector<std::string>& values);
    /// ASCII text of fixed length, as some readers demand it.
    void set_fixed_attribute(const std::string& name, const std::string& value);
    template <Hdf5Number T>
    void set_attribute(const std::string& name, T value) {
        write_attribute(name, hdf5_type<T>(), &value, {});
    }
    template <Hdf5Number T>
    void set_attribute(const std::string& name, const std::vector<T>& values) {
        write_attribute(name, hdf5_type<T>(), values.data(), {values.size()});
    }
    void set_attribute(const std::string& name, const Vec3& v) {
        set_attribute(name, std::vector<double>(v.data(), v.data() + 3));
    }
    void set_attribute(const std::string& name, const IVec3& v) {
        set_attribute(name, std::vector<std::int32_t>(v.data(), v.data() + 3));
    }

    /// @throws FileError when there is no such attribute or it is of another kind
    template <Hdf5Number T>
    T attribute(const std::string& name) const {
        return one(attribute_values<T>(name), name);
    }
    template <Hdf5Number T>
    std::vector<T> attribute_values(const std::string& name) const {
        std::vector<T> values(attribute_size(name));
        read_attribute(name, hdf5_type<T>(), values.data());
        return values;
    }
    std::string
    string_attribute(const std::string& name) const; ///< fixed or variable length, one or the first
    std::vector<std::string> string_attribute_values(const std::string& name) const;

protected:
    Hdf5Object() = default;
    Hdf5Object(Hdf5Handle handle, std::shared_ptr<Hdf5FileState> file, std::string path)
        : handle_(std::move(handle)), file_(std::move(file)), path_(std::move(path)) {}

    template <class T>
    T one(const std::vector<T>& values, const std::string& name) const {
        if (values.size() != 1) not_one(name, values.size());
        return values.front();
    }
    [[noreturn]] void not_one(const std::string& name, std::size_t size) const;
    std::size_t attribute_size(const std::string& name) const;
    void write_attribute(const std::string& name, Hdf5Type type, const void* data, const Hdf5Shape& shape);
    void read_attribute(const std::string& name, Hdf5Type type, void* data) const;

    Hdf5Handle handle_;
    std::shared_ptr<Hdf5FileState> file_;
    std::string path_;
};

enum class Hdf5Kind { integer, real, string, enumeration, other };

class Hdf5Dataset : public Hdf5Object {
public:
    ~Hdf5Dataset() { close(); }
    Hdf5Dataset(Hdf5Dataset&&) noexcept = default;
    Hdf5Dataset& operator=(Hdf5Dataset&& other) noexcept {
        close();
        Hdf5Object::operator=(std::move(other));
        return *this;
    }

    Hdf5Shape shape() const; ///< empty for a scalar
    std::uint64_t size() const;
    std::uint64_t rows() const;       ///< length of the first axis; 1 for a scalar
    std::uint64_t row_size() const;   ///< numbers in one row
    std::uint64_t chunk_rows() const; ///< rows that share a chunk; 0 when the data are not chunked
    Hdf5Kind kind() const;
    std::map<std::int64_t, std::string> enumeration() const; ///< names of an enum type by value

    template <Hdf5Number T>
    std::vector<T> read() const {
        std::vector<T> values(size());
        read_rows(0, rows(), std::span<T>(values));
        return values;
    }
    /// Rows [first, first + count) into `out`, which holds count * row_size() numbers; converts the type.
    template <Hdf5Number T>
    void read_rows(std::uint64_t first, std::uint64_t count, std::span<T> out) const {
        read_block(first, count, hdf5_type<T>(), out.data(), out.size());
    }
    std::vector<std::string> read_strings() const; ///< fixed length (padding removed) or variable

    /// For datasets of create_appendable: add whole rows at the end.
    template <Hdf5Number T>
    void append(std::span<const T> values) {
        append_block(hdf5_type<T>(), values.data(), values.size());
    }
    void truncate_rows(std::uint64_t n); ///< keep the first n rows
    void flush();                        ///< this dataset alone: to have it on the disk before others

private:
    friend class Hdf5Group;
    using Hdf5Object::Hdf5Object;
    void close() noexcept;
    void read_block(std::uint64_t first, std::uint64_t count, Hdf5Type, void* out, std::uint64_t size) const;
    void append_block(Hdf5Type, const void* data, std::uint64_t size);
};

class Hdf5Group : public Hdf5Object {
public:
    bool has(const std::string& path) const;
    bool has_group(const std::string& path) const;
    bool has_dataset(const std::string& path) const;
    std::vector<std::string> children() const; ///< names, sorted

    Hdf5Group group(const std::string& path) const;
    Hdf5Group create_group(const std::string& path); ///< with its parents; opens it when it exists
    Hdf5Dataset dataset(const std::string& path) const;
    void remove(const std::string& path);
    void link(const std::string& existing, const std::string& path); ///< a second name (hard link)

    /// Write a new dataset; parents are made. An empty shape means one axis.
    /// @throws FileError when it exists or the disk is full, DataError when the shape does not fit the values
    template <Hdf5Number T>
    Hdf5Dataset write(const std::string& path, std::span<const T> values, const Hdf5Shape& shape = {},
                      const Hdf5WriteOptions& options = {}) {
        return write_block(path, hdf5_type<T>(), values.data(), values.size(), shape, options);
    }
    template <Hdf5Number T>
    Hdf5Dataset write(const std::string& path, const std::vector<T>& values, const Hdf5Shape& shape = {},
                      const Hdf5WriteOptions& options = {}) {
        return write(path, std::span<const T>(values), shape, options);
    }
    template <Hdf5Number T>
    Hdf5Dataset write_scalar(const std::string& path, T value, const Hdf5WriteOptions& options = {}) {
        return write_scalar_block(path, hdf5_type<T>(), &value, options);
    }
    Hdf5Dataset write(const std::string& path, const std::vector<Vec3>& values,
                      const Hdf5WriteOptions& options = {});
    Hdf5Dataset write(const std::string& path, const std::vector<IVec3>& values,
                      const Hdf5WriteOptions& options = {});
    /// Any dense matrix or vector of doubles, as [rows, cols].
    Hdf5Dataset write_matrix(const std::string& path, const Eigen::Ref<const Eigen::MatrixXd>& matrix,
                             const Hdf5WriteOptions& options = {});
    Hdf5Dataset write_strings(const std::string& path, const std::vector<std::string>& values,
                              const Hdf5WriteOptions& options = {});

    template <Hdf5Number T>
    std::vector<T> read(const std::string& path) const {
        return dataset(path).read<T>();
    }
    template <Hdf5Number T>
    T read_scalar(const std::string& path) const {
        return one(dataset(path).read<T>(), path);
    }
    /// @throws FileError unless the dataset is [n, 3] ([rows, cols] for a matrix, one axis counts as one
    /// column)
    std::vector<Vec3> read_vec3(const std::string& path) const;
    std::vector<IVec3> read_ivec3(const std::string& path) const;
    Eigen::MatrixXd read_matrix(const std::string& path) const;
    std::vector<std::string> read_strings(const std::string& path) const {
        return dataset(path).read_strings();
    }

    /// An empty dataset [0, item_shape...] that grows along its first axis.
    template <Hdf5Number T>
    Hdf5Dataset create_appendable(const std::string& path, const Hdf5Shape& item_shape,
                                  std::uint64_t chunk_items, const Hdf5WriteOptions& options = {}) {
        return create_appendable_block(path, hdf5_type<T>(), item_shape, chunk_items, options);
    }

protected:
    using Hdf5Object::Hdf5Object;
    Hdf5Group() = default;

private:
    std::string full_path(const std::string& path) const;
    Hdf5Dataset write_block(const std::string& path, Hdf5Type, const void* data, std::uint64_t size,
                            Hdf5Shape shape, const Hdf5WriteOptions&);
    Hdf5Dataset write_scalar_block(const std::string& path, Hdf5Type, const void* data,
                                   const Hdf5WriteOptions&);
    Hdf5Dataset create_appendable_block(const std::string& path, Hdf5Type, const Hdf5Shape& item_shape,
                                        std::uint64_t chunk_items, const Hdf5WriteOptions&);
    Hdf5Dataset create_dataset(const std::string& path, std::int64_t type, const Hdf5Shape& shape,
                               const Hdf5Shape& max_shape, const Hdf5Shape& chunk, int compression,
                               const Hdf5WriteOptions&);
};

/// An open HDF5 file, which is also its root group.
class Hdf5File : public Hdf5Group {
public:
    /// A new file that appears under its name only on commit(): written as PATH.part, then renamed. Without
    /// commit() PATH.part is removed and an older PATH stays as it was.
    static Hdf5File create(const std::string& path);
    /// A new file written under its own name, for long runs that are watched or continued; flush() often.
    static Hdf5File create_in_place(const std::string& path);
    /// As create(), for append_to() later: HDF5 of 2016 or newer is needed to read it, as for
    /// create_in_place.
    static Hdf5File create_appendable_file(const std::string& path);
    /// Read only. @throws InputError when there is no such file, FileError when it is no HDF5 file or cut
    /// short
    static Hdf5File open(const std::string& path);
    /// Read and write in place.
    static Hdf5File modify(const std::string& path);
    /// Read, and append rows as after only_append(). Takes a file whose writer was killed.
    /// @throws FileError also when the file was not begun by create_in_place or create_appendable_file
    static Hdf5File append_to(const std::string& path);

    ~Hdf5File();
    Hdf5File(Hdf5File&&) noexcept = default;
    Hdf5File& operator=(Hdf5File&&) = delete;

    void flush(); ///< what was written so far reaches the disk
    /// For create_in_place, when all groups, datasets and attributes are there: from here on rows are only
    /// appended, in an order in which the file stays readable whenever the process is killed (HDF5's single
    /// writer, multiple readers). Until it is closed in order other programs have to open it as such (h5py:
    /// swmr=True); open() and append_to() do so by themselves.
    void only_append();
    /// Close the file, check that all of it was written, and publish a file of create(). Objects of the file
    /// are dead then.
    void commit();

private:
    Hdf5File(Hdf5Handle file, const std::string& path, std::string part, bool writable);
    bool close();

    Hdf5Handle file_handle_;
    std::string final_path_, part_;
};

/// Whether the file starts like an HDF5 file.
[[nodiscard]] bool is_hdf5_file(const std::string& path);

} // namespace mesolith
