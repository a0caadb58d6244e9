#include "mesolith/io/hdf5.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <hdf5.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mesolith/core/error.hpp"
#include "mesolith/io/file.hpp"

namespace mesolith {

static_assert(std::same_as<hid_t, std::int64_t> && std::same_as<herr_t, int>);

namespace {

constexpr std::uint64_t chunk_bytes = 256u << 10;
constexpr std::uint64_t smallest_compressed_bytes = 4096;

/// Silences the printing of error stacks, which the library keeps per thread.
void silence() {
    thread_local const bool done = [] {
        H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
        return true;
    }();
    (void)done;
}

struct Reason {
    std::string text;   // innermost description
    std::string system; // meaning of the errno, when one was involved
};

herr_t collect_reason(unsigned, const H5E_error2_t* error, void* data) {
    auto& reason = *static_cast<Reason*>(data);
    const std::string_view text = error->desc ? error->desc : "";
    if (reason.text.empty()) reason.text = text;
    if (const auto at = text.find("errno = "); at != std::string_view::npos && reason.system.empty()) {
        int number = 0;
        std::from_chars(text.data() + at + 8, text.data() + text.size(), number);
        if (number != 0) reason.system = describe_errno(number);
    }
    return 0;
}

Reason take_reason() {
    Reason reason;
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, collect_reason, &reason);
    H5Eclear2(H5E_DEFAULT);
    if (reason.text.empty()) reason.text = "HDF5 gave no reason";
    return reason;
}

std::string why() {
    const Reason reason = take_reason();
    return reason.system.empty() ? reason.text : reason.system;
}

/// After a failed write the library can neither write nor forget what it holds, and crashes when it tries
/// again at the end of the program. What is left goes to /dev/null instead, and the file has failed.
void divert(Hdf5FileState& file, std::string reason) {
    file.failure = std::move(reason);
    void* descriptor = nullptr;
    if (H5Fget_vfd_handle(file.id, H5P_DEFAULT, &descriptor) >= 0 && descriptor)
        if (const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC); null >= 0) {
            ::dup2(null, *static_cast<int*>(descriptor));
            ::close(null);
        }
    H5Eclear2(H5E_DEFAULT);
}

[[noreturn]] void fail(const std::string& file, const std::string& problem, const std::string& reason,
                       const std::string& advice) {
    throw FileError(fmt::format("{}: {} ({}). {}", file, problem, reason, advice));
}

constexpr const char* reread_advice = "The file may be damaged: copy or write it again";
constexpr const char* write_advice = "Check the free space and the permissions of the folder";

/// Result of an HDF5 call, or a FileError that says what was being done.
template <class Result>
Result check(Result result, const std::string& file, const std::string& doing, const char* advice) {
    if (result < 0) fail(file, "cannot " + doing, why(), advice);
    return result;
}

/// The same for calls that write; a refusal of the disk breaks the file.
template <class Result>
Result check_write(Result result, Hdf5FileState& file, const std::string& doing) {
    if (result >= 0) return result;
    const Reason reason = take_reason();
    if (!reason.system.empty()) divert(file, reason.system);
    fail(file.name, "cannot " + doing, reason.system.empty() ? reason.text : reason.system, write_advice);
}

Hdf5Handle space_handle(std::int64_t id) { return {id, H5Sclose}; }
Hdf5Handle type_handle(std::int64_t id) { return {id, H5Tclose}; }
Hdf5Handle list_handle(std::int64_t id) { return {id, H5Pclose}; }

hid_t native(Hdf5Type type) {
    switch (type) {
    case Hdf5Type::i8:
        return H5T_NATIVE_INT8;
    case Hdf5Type::u8:
        return H5T_NATIVE_UINT8;
    case Hdf5Type::i16:
        return H5T_NATIVE_INT16;
    case Hdf5Type::u16:
        return H5T_NATIVE_UINT16;
    case Hdf5Type::i32:
        return H5T_NATIVE_INT32;
    case Hdf5Type::u32:
        return H5T_NATIVE_UINT32;
    case Hdf5Type::i64:
        return H5T_NATIVE_INT64;
    case Hdf5Type::u64:
        return H5T_NATIVE_UINT64;
    case Hdf5Type::f32:
        return H5T_NATIVE_FLOAT;
    case Hdf5Type::f64:
        return H5T_NATIVE_DOUBLE;
    }
    return H5I_INVALID_HID;
}

Hdf5Handle string_type() {
    Hdf5Handle type = type_handle(H5Tcopy(H5T_C_S1));
    H5Tset_size(type.get(), H5T_VARIABLE);
    H5Tset_cset(type.get(), H5T_CSET_UTF8);
    return type;
}

Hdf5Handle make_space(const Hdf5Shape& shape) {
    if (shape.empty()) return space_handle(H5Screate(H5S_SCALAR));
    return space_handle(H5Screate_simple(static_cast<int>(shape.size()),
                                         reinterpret_cast<const hsize_t*>(shape.data()), nullptr));
}
static_assert(sizeof(hsize_t) == sizeof(std::uint64_t));

Hdf5Shape shape_of(const Hdf5Handle& space) {
    const int rank = H5Sget_simple_extent_ndims(space.get());
    std::vector<hsize_t> extent(static_cast<std::size_t>(std::max(rank, 0)));
    if (rank > 0) H5Sget_simple_extent_dims(space.get(), extent.data(), nullptr);
    return Hdf5Shape(extent.begin(), extent.end());
}

std::uint64_t product(const Hdf5Shape& shape, std::size_t from = 0) {
    return std::accumulate(shape.begin() + static_cast<std::ptrdiff_t>(std::min(from, shape.size())),
                           shape.end(), std::uint64_t{1}, std::multiplies<>());
}

/// Strings of a dataset or attribute, read by `read(memory type, buffer)`.
template <class Read>
std::vector<std::string> strings_from(const Hdf5Handle& type, const Hdf5Handle& space, Read&& read) {
    const std::uint64_t n = product(shape_of(space));
    std::vector<std::string> values(n);
    if (n == 0) return values;
    if (H5Tis_variable_str(type.get()) > 0) {
        const Hdf5Handle memory_type = type_handle(H5Tcopy(H5T_C_S1));
        H5Tset_size(memory_type.get(), H5T_VARIABLE);
        H5Tset_cset(memory_type.get(), H5Tget_cset(type.get()));
        std::vector<char*> pointers(n, nullptr);
        read(memory_type.get(), static_cast<void*>(pointers.data()));
        for (std::uint64_t i = 0; i < n; ++i)
            if (pointers[i]) values[i] = pointers[i];
        H5Dvlen_reclaim(memory_type.get(), space.get(), H5P_DEFAULT, pointers.data());
        return values;
    }
    const std::size_t width = H5Tget_size(type.get());
    std::vector<char> bytes(n * width);
    read(type.get(), static_cast<void*>(bytes.data()));
    const bool space_padded = H5Tget_strpad(type.get()) == H5T_STR_SPACEPAD;
    for (std::uint64_t i = 0; i < n; ++i) {
        std::string_view text(bytes.data() + i * width, width);
        text = text.substr(0, text.find('\0'));
        if (space_padded)
            while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
        values[i] = text;
    }
    return values;
}

std::vector<const char*> pointers_to(const std::vector<std::string>& values) {
    std::vector<const char*> pointers;
    for (const auto& value : values) pointers.push_back(value.c_str());
    return pointers;
}

/// All of the path up to each '/', then the whole.
template <class F>
bool for_prefixes(const std::string& path, F&& f) {
    for (std::size_t at = 1; at < path.size(); ++at)
        if (path[at] == '/' && !f(path.substr(0, at))) return false;
    return f(path);
}

Hdf5Handle access_list() {
    Hdf5Handle list = list_handle(H5Pcreate(H5P_FILE_ACCESS));
    // Closing the file closes what is still open in it, so that commit() sees every write.
    H5Pset_fclose_degree(list.get(), H5F_CLOSE_STRONG);
#if H5_VERSION_GE(1, 10, 7)
    // No locks: a file on a network disk, or one that is being written, can be looked at.
    H5Pset_file_locking(list.get(), false, true);
#endif
    return list;
}

} // namespace

Hdf5WriteOptions about(const char* units, const char* description) {
    Hdf5WriteOptions options;
    options.units = units;
    options.description = description;
    return options;
}

Hdf5Handle& Hdf5Handle::operator=(Hdf5Handle&& other) noexcept {
    if (this != &other) {
        reset();
        id_ = std::exchange(other.id_, -1);
        close_ = other.close_;
    }
    return *this;
}

bool Hdf5Handle::reset() {
    const std::int64_t id = std::exchange(id_, -1);
    if (id < 0 || !close_ || H5Iis_valid(id) <= 0) return true;
    silence();
    return close_(id) >= 0;
}

// Attributes

bool Hdf5Object::has_attribute(const std::string& name) const {
    silence();
    return H5Aexists(handle_.get(), name.c_str()) > 0;
}

std::vector<std::string> Hdf5Object::attribute_names() const {
    silence();
    std::vector<std::string> names;
    const auto add = [](hid_t, const char* name, const H5A_info_t*, void* out) -> herr_t {
        static_cast<std::vector<std::string>*>(out)->emplace_back(name);
        return 0;
    };
    check(H5Aiterate2(handle_.get(), H5_INDEX_NAME, H5_ITER_INC, nullptr, add, &names), file_->name,
          fmt::format("list the attributes of '{}'", path_), reread_advice);
    return names;
}

namespace {

Hdf5Handle new_attribute(std::int64_t object, Hdf5FileState& file, const std::string& path,
                         const std::string& name, std::int64_t type, const Hdf5Shape& shape) {
    silence();
    const std::string doing = fmt::format("write attribute '{}' of '{}'", name, path);
    if (H5Aexists(object, name.c_str()) > 0) check_write(H5Adelete(object, name.c_str()), file, doing);
    const Hdf5Handle space = make_space(shape);
    return {check_write(H5Acreate2(object, name.c_str(), type, space.get(), H5P_DEFAULT, H5P_DEFAULT), file,
                        doing),
            H5Aclose};
}

Hdf5Handle open_attribute(std::int64_t object, const std::string& file, const std::string& path,
                          const std::string& name) {
    silence();
    if (H5Aexists(object, name.c_str()) <= 0)
        fail(file, fmt::format("'{}' has no attribute '{}'", path, name), "it is needed",
             "The file may come from another program or an older version: write it again");
    return {check(H5Aopen(object, name.c_str(), H5P_DEFAULT), file,
                  fmt::format("read attribute '{}' of '{}'", name, path), reread_advice),
            H5Aclose};
}

} // namespace

void Hdf5Object::set_attribute(const std::string& name, const std::string& value) {
    const Hdf5Handle type = string_type();
    const Hdf5Handle attribute = new_attribute(handle_.get(), *file_, path_, name, type.get(), {});
    const char* pointer = value.c_str();
    check_write(H5Awrite(attribute.get(), type.get(), &pointer), *file_,
                fmt::format("write attribute '{}' of '{}'", name, path_));
}

void Hdf5Object::set_attribute(const std::string& name, const std::vector<std::string>& values) {
    const Hdf5Handle type = string_type();
    const Hdf5Handle attribute =
        new_attribute(handle_.get(), *file_, path_, name, type.get(), {values.size()});
    if (values.empty()) return;
    check_write(H5Awrite(attribute.get(), type.get(), pointers_to(values).data()), *file_,
                fmt::format("write attribute '{}' of '{}'", name, path_));
}

void Hdf5Object::set_fixed_attribute(const std::string& name, const std::string& value) {
    const Hdf5Handle type = type_handle(H5Tcopy(H5T_C_S1));
    H5Tset_size(type.get(), std::max<std::size_t>(value.size(), 1));
    H5Tset_strpad(type.get(), H5T_STR_NULLPAD);
    const Hdf5Handle attribute = new_attribute(handle_.get(), *file_, path_, name, type.get(), {});
    check_write(H5Awrite(attribute.get(), type.get(), value.c_str()), *file_,
                fmt::format("write attribute '{}' of '{}'", name, path_));
}

void Hdf5Object::write_attribute(const std::string& name, Hdf5Type type, const void* data,
                                 const Hdf5Shape& shape) {
    const Hdf5Handle attribute = new_attribute(handle_.get(), *file_, path_, name, native(type), shape);
    if (product(shape) == 0) return;
    check_write(H5Awrite(attribute.get(), native(type), data), *file_,
                fmt::format("write attribute '{}' of '{}'", name, path_));
}

std::size_t Hdf5Object::attribute_size(const std::string& name) const {
    const Hdf5Handle attribute = open_attribute(handle_.get(), file_->name, path_, name);
    return product(shape_of(space_handle(H5Aget_space(attribute.get()))));
}

void Hdf5Object::read_attribute(const std::string& name, Hdf5Type type, void* data) const {
    const Hdf5Handle attribute = open_attribute(handle_.get(), file_->name, path_, name);
    const Hdf5Handle stored = type_handle(H5Aget_type(attribute.get()));
    const H5T_class_t kind = H5Tget_class(stored.get());
    if (kind != H5T_INTEGER && kind != H5T_FLOAT && kind != H5T_ENUM)
        fail(file_->name, fmt::format("attribute '{}' of '{}' is no number", name, path_),
             "a number is needed", reread_advice);
    if (attribute_size(name) == 0) return;
    check(H5Aread(attribute.get(), native(type), data), file_->name,
          fmt::format("read attribute '{}' of '{}'", name, path_), reread_advice);
}

std::vector<std::string> Hdf5Object::string_attribute_values(const std::string& name) const {
    const Hdf5Handle attribute = open_attribute(handle_.get(), file_->name, path_, name);
    const Hdf5Handle type = type_handle(H5Aget_type(attribute.get()));
    if (H5Tget_class(type.get()) != H5T_STRING)
        fail(file_->name, fmt::format("attribute '{}' of '{}' is no text", name, path_), "text is needed",
             reread_advice);
    const Hdf5Handle space = space_handle(H5Aget_space(attribute.get()));
    return strings_from(type, space, [&](hid_t memory_type, void* out) {
        check(H5Aread(attribute.get(), memory_type, out), file_->name,
              fmt::format("read attribute '{}' of '{}'", name, path_), reread_advice);
    });
}

std::string Hdf5Object::string_attribute(const std::string& name) const {
    const auto values = string_attribute_values(name);
    return values.empty() ? std::string() : values.front();
}

void Hdf5Object::not_one(const std::string& name, std::size_t size) const {
    fail(file_->name, fmt::format("'{}' of '{}' holds {} values", name, path_, size), "one is needed",
         reread_advice);
}

// Datasets

/// Part of the data may wait in a cache: write it while a failure can still be told.
void Hdf5Dataset::close() noexcept {
    if (handle_.get() < 0 || H5Iis_valid(handle_.get()) <= 0) return;
    silence();
    if (file_->writable && file_->failure.empty() && H5Dflush(handle_.get()) < 0) divert(*file_, why());
    handle_.reset();
}

Hdf5Shape Hdf5Dataset::shape() const { return shape_of(space_handle(H5Dget_space(handle_.get()))); }

std::uint64_t Hdf5Dataset::size() const {
    const Hdf5Handle space = space_handle(H5Dget_space(handle_.get()));
    return H5Sget_simple_extent_type(space.get()) == H5S_NULL ? 0 : product(shape_of(space));
}

std::uint64_t Hdf5Dataset::rows() const {
    const Hdf5Shape extent = shape();
    return extent.empty() ? std::min<std::uint64_t>(size(), 1) : extent.front();
}

std::uint64_t Hdf5Dataset::row_size() const { return product(shape(), 1); }

std::uint64_t Hdf5Dataset::chunk_rows() const {
    const Hdf5Handle list = list_handle(H5Dget_create_plist(handle_.get()));
    const Hdf5Shape extent = shape();
    if (extent.empty() || H5Pget_layout(list.get()) != H5D_CHUNKED) return 0;
    std::vector<hsize_t> chunk(extent.size());
    H5Pget_chunk(list.get(), static_cast<int>(chunk.size()), chunk.data());
    return chunk.front();
}

Hdf5Kind Hdf5Dataset::kind() const {
    const Hdf5Handle type = type_handle(H5Dget_type(handle_.get()));
    switch (H5Tget_class(type.get())) {
    case H5T_INTEGER:
        return Hdf5Kind::integer;
    case H5T_FLOAT:
        return Hdf5Kind::real;
    case H5T_STRING:
        return Hdf5Kind::string;
    case H5T_ENUM:
        return Hdf5Kind::enumeration;
    default:
        return Hdf5Kind::other;
    }
}

std::map<std::int64_t, std::string> Hdf5Dataset::enumeration() const {
    std::map<std::int64_t, std::string> names;
    const Hdf5Handle type = type_handle(H5Dget_type(handle_.get()));
    if (H5Tget_class(type.get()) != H5T_ENUM) return names;
    const Hdf5Handle base = type_handle(H5Tget_super(type.get()));
    for (int i = 0; i < H5Tget_nmembers(type.get()); ++i) {
        alignas(std::int64_t) unsigned char buffer[16] = {};
        H5Tget_member_value(type.get(), static_cast<unsigned>(i), buffer);
        H5Tconvert(base.get(), H5T_NATIVE_INT64, 1, buffer, nullptr, H5P_DEFAULT);
        std::int64_t value = 0;
        std::memcpy(&value, buffer, sizeof value);
        char* name = H5Tget_member_name(type.get(), static_cast<unsigned>(i));
        names[value] = name ? name : "";
        H5free_memory(name);
    }
    return names;
}

void Hdf5Dataset::read_block(std::uint64_t first, std::uint64_t count, Hdf5Type type, void* out,
                             std::uint64_t size_out) const {
    silence();
    const std::string doing = fmt::format("read dataset '{}'", path_);
    const Hdf5Kind stored = kind();
    if (stored != Hdf5Kind::integer && stored != Hdf5Kind::real && stored != Hdf5Kind::enumeration)
        fail(file_->name, "cannot " + doing, "it holds no numbers", reread_advice);
    const Hdf5Handle space =
        space_handle(check(H5Dget_space(handle_.get()), file_->name, doing, reread_advice));
    const Hdf5Shape extent = shape_of(space);
    if (first + count > rows() || count * row_size() != size_out)
        throw DataError(
            fmt::format("{}: rows {} to {} of dataset '{}' do not fit (it has {} rows of {} numbers, the "
                        "buffer holds {}). This is a mistake of the caller",
                        file_->name, first, first + count, path_, rows(), row_size(), size_out));
    if (size_out == 0) return;
    // An enum is read through its integers: the stored type with the native byte order.
    Hdf5Handle memory_type;
    if (stored == Hdf5Kind::enumeration) {
        const Hdf5Handle file_type = type_handle(H5Dget_type(handle_.get()));
        const Hdf5Handle base = type_handle(H5Tget_super(file_type.get()));
        const std::size_t width = H5Tget_size(base.get());
        std::vector<unsigned char> bytes(size_out * std::max<std::size_t>(width, 8));
        const hsize_t begin = first, n = count;
        if (!extent.empty()) {
            std::vector<hsize_t> start(extent.size(), 0), length(extent.begin(), extent.end());
            start[0] = begin, length[0] = n;
            H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, start.data(), nullptr, length.data(), nullptr);
        }
        const Hdf5Handle memory = make_space({size_out});
        check(H5Dread(handle_.get(), file_type.get(), memory.get(), space.get(), H5P_DEFAULT, bytes.data()),
              file_->name, doing, reread_advice);
        check(H5Tconvert(base.get(), native(type), size_out, bytes.data(), nullptr, H5P_DEFAULT), file_->name,
              doing, reread_advice);
        std::memcpy(out, bytes.data(), size_out * H5Tget_size(native(type)));
        return;
    }
    if (extent.empty()) {
        check(H5Dread(handle_.get(), native(type), H5S_ALL, H5S_ALL, H5P_DEFAULT, out), file_->name, doing,
              reread_advice);
        return;
    }
    std::vector<hsize_t> start(extent.size(), 0), length(extent.begin(), extent.end());
    start[0] = first, length[0] = count;
    H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, start.data(), nullptr, length.data(), nullptr);
    const Hdf5Handle memory = make_space({size_out});
    check(H5Dread(handle_.get(), native(type), memory.get(), space.get(), H5P_DEFAULT, out), file_->name,
          doing, reread_advice);
}

std::vector<std::string> Hdf5Dataset::read_strings() const {
    silence();
    const std::string doing = fmt::format("read dataset '{}'", path_);
    const Hdf5Handle type = type_handle(H5Dget_type(handle_.get()));
    if (H5Tget_class(type.get()) != H5T_STRING)
        fail(file_->name, "cannot " + doing, "it holds no text", reread_advice);
    const Hdf5Handle space = space_handle(H5Dget_space(handle_.get()));
    return strings_from(type, space, [&](hid_t memory_type, void* out) {
        check(H5Dread(handle_.get(), memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, out), file_->name, doing,
              reread_advice);
    });
}

void Hdf5Dataset::append_block(Hdf5Type type, const void* data, std::uint64_t size_in) {
    silence();
    const std::string doing = fmt::format("append to dataset '{}'", path_);
    Hdf5Shape extent = shape();
    const std::uint64_t per_row = row_size();
    if (extent.empty() || per_row == 0 || size_in % per_row != 0)
        throw DataError(
            fmt::format("{}: {} numbers are no whole rows of dataset '{}' (rows have {}). This is a mistake "
                        "of the caller",
                        file_->name, size_in, path_, per_row));
    if (size_in == 0) return;
    std::vector<hsize_t> start(extent.size(), 0), length(extent.begin(), extent.end());
    start[0] = extent[0], length[0] = size_in / per_row;
    std::vector<hsize_t> grown(extent.begin(), extent.end());
    grown[0] += length[0];
    check_write(H5Dset_extent(handle_.get(), grown.data()), *file_, doing);
    const Hdf5Handle space = space_handle(H5Dget_space(handle_.get()));
    H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, start.data(), nullptr, length.data(), nullptr);
    const Hdf5Handle memory = make_space({size_in});
    check_write(H5Dwrite(handle_.get(), native(type), memory.get(), space.get(), H5P_DEFAULT, data), *file_,
                doing);
}

void Hdf5Dataset::flush() {
    check_write(H5Dflush(handle_.get()), *file_, fmt::format("write dataset '{}'", path_));
}

void Hdf5Dataset::truncate_rows(std::uint64_t n) {
    silence();
    Hdf5Shape extent = shape();
    if (extent.empty() || n > extent[0])
        fail(file_->name, fmt::format("dataset '{}' has fewer than {} rows", path_, n), "they were expected",
             reread_advice);
    std::vector<hsize_t> kept(extent.begin(), extent.end());
    kept[0] = n;
    check_write(H5Dset_extent(handle_.get(), kept.data()), *file_,
                fmt::format("shorten dataset '{}'", path_));
}

// Groups

std::string Hdf5Group::full_path(const std::string& path) const {
    if (path_ == "/") return "/" + path;
    return path_ + "/" + path;
}

bool Hdf5Group::has(const std::string& path) const {
    silence();
    return for_prefixes(path, [&](const std::string& prefix) {
        return H5Lexists(handle_.get(), prefix.c_str(), H5P_DEFAULT) > 0 &&
               H5Oexists_by_name(handle_.get(), prefix.c_str(), H5P_DEFAULT) > 0;
    });
}

namespace {
bool is_kind(std::int64_t parent, const std::string& path, H5I_type_t kind) {
    const hid_t id = H5Oopen(parent, path.c_str(), H5P_DEFAULT);
    if (id < 0) return false;
    const bool same = H5Iget_type(id) == kind;
    H5Oclose(id);
    return same;
}
} // namespace

bool Hdf5Group::has_group(const std::string& path) const {
    return has(path) && is_kind(handle_.get(), path, H5I_GROUP);
}

bool Hdf5Group::has_dataset(const std::string& path) const {
    return has(path) && is_kind(handle_.get(), path, H5I_DATASET);
}

std::vector<std::string> Hdf5Group::children() const {
    silence();
    std::vector<std::string> names;
    const auto add = [](hid_t, const char* name, const H5L_info_t*, void* out) -> herr_t {
        static_cast<std::vector<std::string>*>(out)->emplace_back(name);
        return 0;
    };
    check(H5Literate(handle_.get(), H5_INDEX_NAME, H5_ITER_INC, nullptr, add, &names), file_->name,
          fmt::format("list the group '{}'", path_), reread_advice);
    return names;
}

Hdf5Group Hdf5Group::group(const std::string& path) const {
    if (!has_group(path))
        fail(file_->name, fmt::format("there is no group '{}'", full_path(path)),
             fmt::format("'{}' holds: {}", path_, fmt::join(children(), ", ")),
             "The file may come from another program or an older version");
    const hid_t id = H5Gopen2(handle_.get(), path.c_str(), H5P_DEFAULT);
    check(id, file_->name, fmt::format("open the group '{}'", full_path(path)), reread_advice);
    return Hdf5Group({id, H5Gclose}, file_, full_path(path));
}

Hdf5Group Hdf5Group::create_group(const std::string& path) {
    if (has_group(path)) return group(path);
    const Hdf5Handle links = list_handle(H5Pcreate(H5P_LINK_CREATE));
    H5Pset_create_intermediate_group(links.get(), 1);
    const hid_t id = H5Gcreate2(handle_.get(), path.c_str(), links.get(), H5P_DEFAULT, H5P_DEFAULT);
    check_write(id, *file_, fmt::format("make the group '{}'", full_path(path)));
    return Hdf5Group({id, H5Gclose}, file_, full_path(path));
}

Hdf5Dataset Hdf5Group::dataset(const std::string& path) const {
    if (!has_dataset(path))
        fail(file_->name, fmt::format("there is no dataset '{}'", full_path(path)),
             fmt::format("'{}' holds: {}", path_, fmt::join(children(), ", ")),
             "The file may come from another program or an older version");
    const hid_t id = H5Dopen2(handle_.get(), path.c_str(), H5P_DEFAULT);
    check(id, file_->name, fmt::format("open the dataset '{}'", full_path(path)), reread_advice);
    return Hdf5Dataset({id, H5Dclose}, file_, full_path(path));
}

void Hdf5Group::remove(const std::string& path) {
    silence();
    check_write(H5Ldelete(handle_.get(), path.c_str(), H5P_DEFAULT), *file_,
                fmt::format("remove '{}'", full_path(path)));
}

void Hdf5Group::link(const std::string& existing, const std::string& path) {
    silence();
    const Hdf5Handle links = list_handle(H5Pcreate(H5P_LINK_CREATE));
    H5Pset_create_intermediate_group(links.get(), 1);
    check_write(H5Lcreate_hard(handle_.get(), existing.c_str(), handle_.get(), path.c_str(), links.get(),
                               H5P_DEFAULT),
                *file_, fmt::format("link '{}' to '{}'", full_path(path), existing));
}

Hdf5Dataset Hdf5Group::create_dataset(const std::string& path, std::int64_t type, const Hdf5Shape& shape,
                                      const Hdf5Shape& max_shape, const Hdf5Shape& chunk, int compression,
                                      const Hdf5WriteOptions& options) {
    silence();
    const std::string doing = fmt::format("write dataset '{}'", full_path(path));
    if (has(path)) fail(file_->name, "cannot " + doing, "it exists already", "Write to a new file");
    Hdf5Handle space;
    if (max_shape.empty())
        space = make_space(shape);
    else {
        const std::vector<hsize_t> now(shape.begin(), shape.end()), most(max_shape.begin(), max_shape.end());
        space = space_handle(H5Screate_simple(static_cast<int>(now.size()), now.data(), most.data()));
    }
    const Hdf5Handle creation = list_handle(H5Pcreate(H5P_DATASET_CREATE));
    if (!chunk.empty()) {
        const std::vector<hsize_t> lengths(chunk.begin(), chunk.end());
        H5Pset_chunk(creation.get(), static_cast<int>(lengths.size()), lengths.data());
        if (compression > 0) {
            H5Pset_shuffle(creation.get());
            H5Pset_deflate(creation.get(), static_cast<unsigned>(std::min(compression, 9)));
        }
    }
    const Hdf5Handle links = list_handle(H5Pcreate(H5P_LINK_CREATE));
    H5Pset_create_intermediate_group(links.get(), 1);
    const hid_t id =
        H5Dcreate2(handle_.get(), path.c_str(), type, space.get(), links.get(), creation.get(), H5P_DEFAULT);
    check_write(id, *file_, doing);
    Hdf5Dataset dataset({id, H5Dclose}, file_, full_path(path));
    if (!options.units.empty()) dataset.set_attribute("units", options.units);
    if (!options.description.empty()) dataset.set_attribute("description", options.description);
    return dataset;
}

namespace {

/// Whole rows, about chunk_bytes of them.
Hdf5Shape default_chunk(const Hdf5Shape& shape, std::size_t element_bytes) {
    Hdf5Shape chunk = shape;
    const std::uint64_t row_bytes = std::max<std::uint64_t>(product(shape, 1) * element_bytes, 1);
    chunk[0] = std::clamp<std::uint64_t>(chunk_bytes / row_bytes, 1, std::max<std::uint64_t>(shape[0], 1));
    return chunk;
}

} // namespace

Hdf5Dataset Hdf5Group::write_block(const std::string& path, Hdf5Type type, const void* data,
                                   std::uint64_t size, Hdf5Shape shape, const Hdf5WriteOptions& options) {
    if (shape.empty()) shape = {size};
    if (product(shape) != size)
        throw DataError(
            fmt::format("{}: {} values do not fill dataset '{}' of shape {}. This is a mistake of the caller",
                        file_->name, size, full_path(path), fmt::join(shape, " x ")));
    const std::size_t width = H5Tget_size(native(type));
    Hdf5Shape chunk = options.chunk;
    if (chunk.empty() && options.compression > 0 && size * width >= smallest_compressed_bytes)
        chunk = default_chunk(shape, width);
    Hdf5Dataset dataset = create_dataset(path, native(type), shape, {}, chunk, options.compression, options);
    if (size > 0)
        check_write(H5Dwrite(dataset.handle_.get(), native(type), H5S_ALL, H5S_ALL, H5P_DEFAULT, data),
                    *file_, fmt::format("write dataset '{}'", full_path(path)));
    return dataset;
}

Hdf5Dataset Hdf5Group::write_scalar_block(const std::string& path, Hdf5Type type, const void* data,
                                          const Hdf5WriteOptions& options) {
    Hdf5Dataset dataset = create_dataset(path, native(type), {}, {}, {}, 0, options);
    check_write(H5Dwrite(dataset.handle_.get(), native(type), H5S_ALL, H5S_ALL, H5P_DEFAULT, data), *file_,
                fmt::format("write dataset '{}'", full_path(path)));
    return dataset;
}

Hdf5Dataset Hdf5Group::create_appendable_block(const std::string& path, Hdf5Type type,
                                               const Hdf5Shape& item_shape, std::uint64_t chunk_items,
                                               const Hdf5WriteOptions& options) {
    Hdf5Shape shape{0}, most{H5S_UNLIMITED}, chunk{std::max<std::uint64_t>(chunk_items, 1)};
    for (const std::uint64_t n : item_shape) {
        shape.push_back(n);
        most.push_back(n);
        chunk.push_back(std::max<std::uint64_t>(n, 1));
    }
    return create_dataset(path, native(type), shape, most, chunk, options.compression, options);
}

Hdf5Dataset Hdf5Group::write(const std::string& path, const std::vector<Vec3>& values,
                             const Hdf5WriteOptions& options) {
    static_assert(sizeof(Vec3) == 3 * sizeof(double));
    return write(path,
                 std::span<const double>(values.empty() ? nullptr : values.front().data(), 3 * values.size()),
                 {values.size(), 3}, options);
}

Hdf5Dataset Hdf5Group::write(const std::string& path, const std::vector<IVec3>& values,
                             const Hdf5WriteOptions& options) {
    static_assert(sizeof(IVec3) == 3 * sizeof(int));
    return write(path,
                 std::span<const int>(values.empty() ? nullptr : values.front().data(), 3 * values.size()),
                 {values.size(), 3}, options);
}

Hdf5Dataset Hdf5Group::write_matrix(const std::string& path, const Eigen::Ref<const Eigen::MatrixXd>& matrix,
                                    const Hdf5WriteOptions& options) {
    const Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> rows = matrix;
    return write(path, std::span<const double>(rows.data(), static_cast<std::size_t>(rows.size())),
                 {static_cast<std::uint64_t>(rows.rows()), static_cast<std::uint64_t>(rows.cols())}, options);
}

Hdf5Dataset Hdf5Group::write_strings(const std::string& path, const std::vector<std::string>& values,
                                     const Hdf5WriteOptions& options) {
    const Hdf5Handle type = string_type();
    Hdf5Dataset dataset = create_dataset(path, type.get(), {values.size()}, {}, {}, 0, options);
    if (!values.empty())
        check_write(H5Dwrite(dataset.handle_.get(), type.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT,
                             pointers_to(values).data()),
                    *file_, fmt::format("write dataset '{}'", full_path(path)));
    return dataset;
}

namespace {

void require_three_columns(const Hdf5Dataset& dataset) {
    const Hdf5Shape shape = dataset.shape();
    if (shape.size() != 2 || shape[1] != 3)
        fail(dataset.file_name(),
             fmt::format("dataset '{}' has shape [{}]", dataset.path(), fmt::join(shape, ", ")),
             "[n, 3] is needed", reread_advice);
}

} // namespace

std::vector<Vec3> Hdf5Group::read_vec3(const std::string& path) const {
    const Hdf5Dataset data = dataset(path);
    require_three_columns(data);
    std::vector<Vec3> values(data.rows());
    data.read_rows(0, values.size(),
                   std::span<double>(values.empty() ? nullptr : values.front().data(), 3 * values.size()));
    return values;
}

std::vector<IVec3> Hdf5Group::read_ivec3(const std::string& path) const {
    const Hdf5Dataset data = dataset(path);
    require_three_columns(data);
    std::vector<IVec3> values(data.rows());
    data.read_rows(0, values.size(),
                   std::span<int>(values.empty() ? nullptr : values.front().data(), 3 * values.size()));
    return values;
}

Eigen::MatrixXd Hdf5Group::read_matrix(const std::string& path) const {
    const Hdf5Dataset data = dataset(path);
    const Hdf5Shape shape = data.shape();
    if (shape.empty() || shape.size() > 2)
        fail(file_->name, fmt::format("dataset '{}' has {} axes", data.path(), shape.size()),
             "a matrix is needed", reread_advice);
    const auto values = data.read<double>();
    using RowMajor = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    return Eigen::Map<const RowMajor>(values.data(), static_cast<Eigen::Index>(shape[0]),
                                      static_cast<Eigen::Index>(shape.size() == 2 ? shape[1] : 1));
}

// Files

namespace {

Hdf5Handle create_handle(const std::string& target, const std::string& path, bool appendable) {
    silence();
    const Hdf5Handle access = access_list();
    // Only the newer layout can be made safe against a kill.
    if (appendable) H5Pset_libver_bounds(access.get(), H5F_LIBVER_V110, H5F_LIBVER_V110);
    const hid_t id = H5Fcreate(target.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, access.get());
    if (id < 0) {
        const std::string reason = why();
        fail(path, "cannot be written", reason, "Check the folder, its permissions and the free space");
    }
    return {id, H5Fclose};
}

enum class Access { read, modify, append };

Hdf5Handle open_handle(const std::string& path, Access how) {
    const bool writing = how != Access::read;
    silence();
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0)
        throw InputError(
            fmt::format("{}: cannot be opened ({}). Check the path", path, describe_errno(errno)));
    if (S_ISDIR(status.st_mode))
        throw InputError(fmt::format("{}: is a folder (an HDF5 file is needed). Name a file in it", path));
    if (status.st_size == 0) fail(path, "not a complete HDF5 file", "it is empty", "Write or copy it again");
    if (::access(path.c_str(), writing ? R_OK | W_OK : R_OK) != 0)
        throw InputError(
            fmt::format("{}: cannot be opened ({}). Check its permissions", path, describe_errno(errno)));
    if (!is_hdf5_file(path))
        fail(path, "not an HDF5 file", "it does not begin like one", "Check the path and the format");
    const Hdf5Handle access = access_list();
    hid_t id = -1;
    if (how == Access::append) {
        // A killed writer left its mark in the file; h5clear removes it by this property, too.
        const hbool_t clear = true;
        H5Pset(access.get(), "clear_status_flags", &clear);
        H5Pset_libver_bounds(access.get(), H5F_LIBVER_V110, H5F_LIBVER_V110);
        id = H5Fopen(path.c_str(), H5F_ACC_RDWR | H5F_ACC_SWMR_WRITE, access.get());
    } else if (how == Access::modify) {
        id = H5Fopen(path.c_str(), H5F_ACC_RDWR, access.get());
    } else {
        id = H5Fopen(path.c_str(), H5F_ACC_RDONLY, access.get());
        if (id < 0) { // perhaps a writer is at work, or was killed
            const Reason reason = take_reason();
            id = H5Fopen(path.c_str(), H5F_ACC_RDONLY | H5F_ACC_SWMR_READ, access.get());
            if (id < 0) {
                H5Eclear2(H5E_DEFAULT);
                fail(path, "not a complete HDF5 file", reason.system.empty() ? reason.text : reason.system,
                     "Write or copy it again");
            }
        }
    }
    if (id < 0) {
        const std::string reason = why();
        fail(path, "not a complete HDF5 file", reason, "Write or copy it again");
    }
    return {id, H5Fclose};
}

} // namespace

Hdf5File::Hdf5File(Hdf5Handle file, const std::string& path, std::string part, bool writable)
    : file_handle_(std::move(file)), final_path_(path), part_(std::move(part)) {
    file_ = std::make_shared<Hdf5FileState>(Hdf5FileState{path, file_handle_.get(), writable, {}});
    path_ = "/";
    handle_ = {
        check(H5Gopen2(file_handle_.get(), "/", H5P_DEFAULT), path, "open the root group", reread_advice),
        H5Gclose};
}

Hdf5File Hdf5File::create(const std::string& path) {
    const std::string part = path + ".part";
    return Hdf5File(create_handle(part, path, false), path, part, true);
}

Hdf5File Hdf5File::create_appendable_file(const std::string& path) {
    const std::string part = path + ".part";
    return Hdf5File(create_handle(part, path, true), path, part, true);
}

Hdf5File Hdf5File::append_to(const std::string& path) {
    return Hdf5File(open_handle(path, Access::append), path, {}, true);
}

Hdf5File Hdf5File::create_in_place(const std::string& path) {
    return Hdf5File(create_handle(path, path, true), path, {}, true);
}

Hdf5File Hdf5File::open(const std::string& path) {
    return Hdf5File(open_handle(path, Access::read), path, {}, false);
}

Hdf5File Hdf5File::modify(const std::string& path) {
    return Hdf5File(open_handle(path, Access::modify), path, {}, true);
}

Hdf5File::~Hdf5File() {
    if (file_handle_.get() < 0) return; // moved from, or committed
    silence();
    if (file_->writable && file_->failure.empty()) {
        if (!part_.empty())
            divert(*file_, "not committed");
        else if (H5Fflush(file_handle_.get(), H5F_SCOPE_GLOBAL) < 0)
            divert(*file_, why());
    }
    close();
    if (!part_.empty()) ::unlink(part_.c_str());
}

bool Hdf5File::close() {
    handle_.reset();
    return file_handle_.reset();
}

void Hdf5File::flush() {
    silence();
    if (!file_->failure.empty()) fail(final_path_, "cannot be written", file_->failure, write_advice);
    check_write(H5Fflush(file_handle_.get(), H5F_SCOPE_GLOBAL), *file_, "write the file");
}

void Hdf5File::only_append() {
    flush();
    check_write(H5Fstart_swmr_write(file_handle_.get()), *file_, "go on appending");
}

void Hdf5File::commit() {
    silence();
    std::string& failure = file_->failure;
    if (failure.empty() && H5Fflush(file_handle_.get(), H5F_SCOPE_GLOBAL) < 0) divert(*file_, why());
    if (!close() && failure.empty()) failure = why();
    if (failure.empty()) {
        if (!part_.empty()) publish_file(part_, final_path_);
        return;
    }
    if (!part_.empty()) ::unlink(part_.c_str());
    fail(final_path_, "cannot be written", failure, write_advice);
}

bool is_hdf5_file(const std::string& path) {
    static constexpr char signature[] = "\x89HDF\r\n\x1a\n";
    std::ifstream file(path, std::ios::binary);
    // A user block of 0, 512, 1024, ... bytes may stand before the signature.
    for (std::uint64_t offset = 0; offset <= (1u << 20); offset = offset == 0 ? 512 : 2 * offset) {
        char head[8] = {};
        file.seekg(static_cast<std::streamoff>(offset));
        if (!file.read(head, 8)) return false;
        if (std::memcmp(head, signature, 8) == 0) return true;
    }
    return false;
}

} // namespace mesolith
