#include "mesolith/io/checkpoint.hpp"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <limits>
#include <optional>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "mesolith/core/error.hpp"
#include "mesolith/io/file.hpp"

#include "descriptor.hpp"

namespace mesolith {

namespace {

// File: magic, records, end record. Record: header, name, crc32 of both; then blocks of values, each followed
// by its crc32. All of it in the byte order of the machine, which the magic tells.
constexpr std::uint64_t checked_bytes = 4u << 20;
constexpr std::uint64_t longest_name = 4096;
struct CheckpointMagic {
    char text[8] = {'M', 'S', 'L', 'C', 'K', 'P', 'T', '1'};
    std::uint64_t byte_order = 0x0102030405060708;
};
enum class Record : std::uint8_t { array = 'A', attribute = 'T', end = 'E' };
struct Header {
    Record record = Record::end;
    CheckpointType type;
    std::uint8_t reserved = 0;
    std::uint32_t name_bytes = 0;
    std::uint64_t size = 0; // values; of the end record: records before it
};
static_assert(sizeof(CheckpointMagic) == 16 && sizeof(Header) == 16);

std::uint32_t checksum(const void* data, std::size_t n, std::uint32_t before = 0) {
    return static_cast<std::uint32_t>(crc32_z(before, static_cast<const Bytef*>(data), n));
}

std::uint32_t checksum(const Header& header, const std::string& name) {
    return checksum(name.data(), name.size(), checksum(&header, sizeof header));
}

std::string new_name(const std::string& path) { return path + ".new"; }
std::string previous_name(const std::string& path) { return path + ".previous"; }

[[noreturn]] void fail_saving(const std::string& path, int error_number) {
    throw FileError(fmt::format("{}: the checkpoint cannot be written ({}). The one before stays as it was; "
                                "check the free space and the permissions of the folder",
                                path, describe_errno(error_number)));
}

/// Names reach the disk, too. Some file systems cannot: then the system decides when.
void sync_folder_of(const std::string& path) {
    const std::string folder = std::filesystem::path(path).parent_path().string();
    const Descriptor handle(
        ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (handle.get() >= 0) ::fsync(handle.get());
}

} // namespace

struct CheckpointWriter::State {
    std::string path;
    Descriptor file;
    std::map<std::string, Record> names;
    std::string name; // of the array that is being written
    CheckpointType type;
    std::uint64_t missing = 0; // values of it
    std::vector<char> block;   // of it, not yet written
    bool failed = false;

    ~State() {
        if (file.get() >= 0) ::unlink(new_name(path).c_str()); // not committed
    }

    void send(const void* data, std::size_t n) {
        const auto* p = static_cast<const char*>(data);
        while (n > 0) {
            const ssize_t done = ::write(file.get(), p, n);
            if (done < 0 && errno == EINTR) continue;
            if (done < 0) {
                failed = true;
                fail_saving(path, errno);
            }
            p += done;
            n -= static_cast<std::size_t>(done);
        }
    }

    void send_block(const char* data, std::size_t n) {
        const std::uint32_t sum = checksum(data, n);
        send(data, n);
        send(&sum, sizeof sum);
    }

    void add(const char* data, std::uint64_t n) {
        while (n > 0) {
            if (block.empty() && n >= checked_bytes) {
                send_block(data, checked_bytes);
                data += checked_bytes;
                n -= checked_bytes;
                continue;
            }
            const std::uint64_t part = std::min(n, checked_bytes - block.size());
            block.insert(block.end(), data, data + part);
            data += part;
            n -= part;
            if (block.size() == checked_bytes) send_rest();
        }
    }

    void send_rest() {
        if (block.empty()) return;
        send_block(block.data(), block.size());
        block.clear();
    }

    void require_open() const {
        if (file.get() < 0 || failed)
            throw DataError(fmt::format("{}: the checkpoint is closed (it was committed or could not be "
                                        "written). Begin another",
                                        path));
        if (missing > 0)
            throw DataError(fmt::format("{}: array '{}' lacks {} values. This is a mistake of the caller",
                                        path, name, missing));
    }

    void start(Record record, const std::string& of, CheckpointType with, std::uint64_t size) {
        require_open();
        if (of.empty() || of.size() > longest_name || names.contains(of))
            throw DataError(fmt::format("{}: nothing can be called '{}' in a checkpoint (the name is taken, "
                                        "empty or too long). Choose "
                                        "another",
                                        path, of));
        if (size > (std::numeric_limits<std::uint64_t>::max() >> 1) / with.bytes)
            throw DataError(fmt::format("{}: array '{}' cannot have {} values (they fit no file). This is a "
                                        "mistake of the caller",
                                        path, of, size));
        names.emplace(of, record);
        name = of;
        type = with;
        missing = size;
        send_header({record, with, 0, static_cast<std::uint32_t>(of.size()), size}, of);
    }

    void send_header(const Header& header, const std::string& of) {
        const std::uint32_t sum = checksum(header, of);
        send(&header, sizeof header);
        send(of.data(), of.size());
        send(&sum, sizeof sum);
    }
};

namespace {

bool is_good(const std::string& path) {
    try {
        (void)Checkpoint::open(path);
        return true;
    } catch (const Error&) {
        return false;
    }
}

/// PATH.new of a run that was stopped may be the newest checkpoint: then it gets its name before another
/// takes its place.
void keep_whole_new(const std::string& path) {
    const std::string fresh = new_name(path);
    if (!std::filesystem::exists(fresh) || is_good(path) || !is_good(fresh)) return;
    if (::rename(fresh.c_str(), path.c_str()) != 0) fail_saving(path, errno);
}

} // namespace

CheckpointWriter::CheckpointWriter(const std::string& path) : state_(std::make_unique<State>()) {
    keep_whole_new(path);
    state_->path = path;
    const std::string name = new_name(path);
    const int fd = ::open(name.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) fail_saving(path, errno);
    state_->file = Descriptor(fd);
    const CheckpointMagic magic;
    state_->send(&magic, sizeof magic);
}

CheckpointWriter::CheckpointWriter(CheckpointWriter&&) noexcept = default;

CheckpointWriter::~CheckpointWriter() = default;

void CheckpointWriter::set_attribute(const std::string& name, const std::string& value) {
    state_->start(Record::attribute, name, {'u', 1}, value.size());
    append_values({'u', 1}, value.data(), value.size());
}

void CheckpointWriter::begin_array(const std::string& name, CheckpointType type, std::uint64_t size) {
    state_->start(Record::array, name, type, size);
}

void CheckpointWriter::append_values(CheckpointType type, const void* values, std::uint64_t n) {
    State& s = *state_;
    if (n > s.missing || (n > 0 && type != s.type))
        throw DataError(
            fmt::format("{}: {} values of type {}{} do not fit into array '{}' ({}{}, {} missing). "
                        "This is a mistake of the caller",
                        s.path, n, type.kind, type.bytes, s.name, s.type.kind, s.type.bytes, s.missing));
    s.missing -= n;
    s.add(static_cast<const char*>(values), n * type.bytes);
    if (s.missing == 0) s.send_rest();
}

void CheckpointWriter::commit() {
    State& s = *state_;
    s.require_open();
    s.send_header({Record::end, {'u', 1}, 0, 0, s.names.size()}, {});
    const std::string fresh = new_name(s.path);
    const auto check = [&](bool ok) {
        if (ok) return;
        const int error_number = errno;
        s.file.close();
        ::unlink(fresh.c_str());
        fail_saving(s.path, error_number);
    };
    check(::fsync(s.file.get()) == 0 || errno == EINVAL);
    check(s.file.close());
    // In between PATH does not exist, but PATH.new is whole.
    const std::string previous = previous_name(s.path);
    const bool moved = ::rename(s.path.c_str(), previous.c_str()) == 0;
    check(moved || errno == ENOENT);
    if (::rename(fresh.c_str(), s.path.c_str()) != 0) {
        const int error_number = errno;
        if (moved) (void)::rename(previous.c_str(), s.path.c_str());
        errno = error_number;
        check(false);
    }
    sync_folder_of(s.path);
}

struct Checkpoint::State {
    struct Array {
        CheckpointType type;
        std::uint64_t size = 0;
        std::uint64_t offset = 0; // of the first block
    };

    std::string path;
    Descriptor file;
    std::uint64_t file_bytes = 0;
    std::map<std::string, Array> arrays;
    std::map<std::string, std::string> attributes;

    [[noreturn]] void damaged(const std::string& reason) const {
        throw FileError(fmt::format("{}: not a whole checkpoint ({}). Use an older one", path, reason));
    }

    void read_at(std::uint64_t offset, void* out, std::uint64_t n) const {
        auto* p = static_cast<char*>(out);
        while (n > 0) {
            const ssize_t done = ::pread(file.get(), p, n, static_cast<off_t>(offset));
            if (done < 0 && errno == EINTR) continue;
            if (done < 0)
                throw FileError(
                    fmt::format("{}: cannot be read ({}). Check the disk", path, describe_errno(errno)));
            if (done == 0) damaged("it is cut short");
            p += done;
            offset += static_cast<std::uint64_t>(done);
            n -= static_cast<std::uint64_t>(done);
        }
    }

    static std::uint64_t stored_bytes(std::uint64_t bytes) {
        return bytes + (bytes + checked_bytes - 1) / checked_bytes * sizeof(std::uint32_t);
    }

    /// One block with its checksum.
    void read_block(const std::string& name, std::uint64_t offset, char* out, std::uint64_t n) const {
        std::uint32_t sum = 0;
        read_at(offset, out, n);
        read_at(offset + n, &sum, sizeof sum);
        if (sum != checksum(out, n)) damaged(fmt::format("the checksum of '{}' does not fit", name));
    }

    /// Bytes [first, first + n) of an array. Whole blocks go where they belong, the others through `block`.
    void read_bytes(const std::string& name, const Array& array, std::uint64_t first, char* out,
                    std::uint64_t n) const {
        const std::uint64_t total = array.size * array.type.bytes;
        std::vector<char> block;
        while (n > 0) {
            const std::uint64_t b = first / checked_bytes, inside = first % checked_bytes;
            const std::uint64_t length = std::min(checked_bytes, total - b * checked_bytes);
            const std::uint64_t part = std::min(n, length - inside);
            const std::uint64_t offset = array.offset + b * (checked_bytes + sizeof(std::uint32_t));
            if (part == length)
                read_block(name, offset, out, length);
            else {
                block.resize(length);
                read_block(name, offset, block.data(), length);
                std::memcpy(out, block.data() + inside, part);
            }
            out += part;
            first += part;
            n -= part;
        }
    }

    void verify() {
        CheckpointMagic magic;
        const CheckpointMagic expected;
        if (file_bytes < sizeof magic) damaged("it is cut short");
        read_at(0, &magic, sizeof magic);
        if (std::memcmp(magic.text, expected.text, sizeof magic.text) != 0)
            throw FileError(
                fmt::format("{}: is no checkpoint of mesolith (it begins otherwise). Check the path", path));
        if (magic.byte_order != expected.byte_order)
            throw FileError(
                fmt::format("{}: was written by a machine of other byte order (or is damaged). Use "
                            "it there",
                            path));
        std::uint64_t at = sizeof magic, records = 0;
        std::vector<char> block;
        for (;; ++records) {
            Header header;
            std::uint32_t sum = 0;
            read_at(at, &header, sizeof header);
            if (header.name_bytes > longest_name) damaged("a name is too long");
            std::string name(header.name_bytes, ' ');
            read_at(at + sizeof header, name.data(), name.size());
            read_at(at + sizeof header + name.size(), &sum, sizeof sum);
            if (sum != checksum(header, name)) damaged("the checksum of a header does not fit");
            at += sizeof header + name.size() + sizeof sum;
            if (header.record == Record::end) {
                if (header.size != records || at != file_bytes)
                    damaged("its length is not what its end says");
                return;
            }
            const Array array{header.type, header.size, at};
            if (!std::has_single_bit(header.type.bytes) || header.type.bytes > 8)
                damaged(fmt::format("'{}' is of an unknown type", name));
            const std::uint64_t bytes = header.size * header.type.bytes;
            if (header.size > file_bytes || bytes > file_bytes - at) damaged("it is cut short");
            if (header.record == Record::attribute) {
                std::string& value = attributes[name];
                value.resize(bytes);
                read_bytes(name, array, 0, value.data(), bytes);
            } else {
                block.resize(std::min(bytes, checked_bytes));
                for (std::uint64_t first = 0; first < bytes; first += checked_bytes)
                    read_bytes(name, array, first, block.data(), std::min(checked_bytes, bytes - first));
                arrays.emplace(name, array);
            }
            at += stored_bytes(bytes);
        }
    }

    const Array& array(const std::string& name) const {
        const auto found = arrays.find(name);
        if (found == arrays.end()) {
            std::vector<std::string> known;
            for (const auto& entry : arrays) known.push_back(entry.first);
            throw FileError(
                fmt::format("{}: there is no array '{}' (it holds: {}). The checkpoint may come from "
                            "another version: start again",
                            path, name, fmt::join(known, ", ")));
        }
        return found->second;
    }
};

Checkpoint::Checkpoint(std::unique_ptr<State> state) : state_(std::move(state)) {}
Checkpoint::~Checkpoint() = default;
Checkpoint::Checkpoint(Checkpoint&&) noexcept = default;

Checkpoint Checkpoint::open(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    struct stat status {};
    if (fd < 0 || ::fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
        const int error_number = errno;
        const bool opened = fd >= 0;
        if (opened) ::close(fd);
        throw InputError(fmt::format("{}: cannot be opened ({}). Check the path", path,
                                     opened ? "it is no file" : describe_errno(error_number)));
    }
    auto state = std::make_unique<State>(
        State{path, Descriptor(fd), static_cast<std::uint64_t>(status.st_size), {}, {}});
    state->verify();
    return Checkpoint(std::move(state));
}

const std::string& Checkpoint::file_name() const { return state_->path; }

std::vector<std::string> Checkpoint::names() const {
    std::vector<std::string> names;
    for (const auto& entry : state_->arrays) names.push_back(entry.first);
    return names;
}

bool Checkpoint::has(const std::string& name) const { return state_->arrays.contains(name); }
std::uint64_t Checkpoint::size(const std::string& name) const { return state_->array(name).size; }
CheckpointType Checkpoint::type(const std::string& name) const { return state_->array(name).type; }
const std::map<std::string, std::string>& Checkpoint::attributes() const { return state_->attributes; }

const std::string& Checkpoint::attribute(const std::string& name) const {
    const auto found = state_->attributes.find(name);
    if (found == state_->attributes.end())
        throw FileError(
            fmt::format("{}: there is no text '{}' in the checkpoint (it is needed). The checkpoint "
                        "may come from another version: start again",
                        state_->path, name));
    return found->second;
}

void Checkpoint::read_values(const std::string& name, CheckpointType type, std::uint64_t first, void* out,
                             std::uint64_t n) const {
    const State::Array& array = state_->array(name);
    if (type != array.type)
        throw FileError(
            fmt::format("{}: array '{}' is of type {}{} ({}{} is needed). The checkpoint may come "
                        "from another version: start again",
                        state_->path, name, array.type.kind, array.type.bytes, type.kind, type.bytes));
    if (first > array.size || n > array.size - first)
        throw DataError(fmt::format("{}: values {} to {} of array '{}' are asked for (it has {}). This is a "
                                    "mistake of the caller",
                                    state_->path, first, first + n, name, array.size));
    state_->read_bytes(name, array, first * type.bytes, static_cast<char*>(out), n * type.bytes);
}

bool checkpoint_exists(const std::string& path) {
    if (std::filesystem::exists(path) || std::filesystem::exists(previous_name(path))) return true;
    if (!std::filesystem::exists(new_name(path))) return false;
    try {
        (void)Checkpoint::open(new_name(path));
        return true;
    } catch (const Error&) {
        return false;
    }
}

NewestCheckpoint open_newest_checkpoint(const std::string& path) {
    std::string problems;
    bool any = false;
    const auto open = [&](const std::string& name) -> std::optional<Checkpoint> {
        const bool there = std::filesystem::exists(name);
        any = any || there;
        try {
            return Checkpoint::open(name);
        } catch (const Error& error) {
            problems += fmt::format("{}{}", problems.empty() ? "" : "; ",
                                    there ? error.what() : name + " is not there");
            return {};
        }
    };
    if (auto checkpoint = open(path)) return {std::move(*checkpoint), {}};
    for (const std::string& name : {new_name(path), previous_name(path)})
        if (auto checkpoint = open(name))
            return {std::move(*checkpoint),
                    fmt::format("{} is used instead of {} ({}). What came after it is computed again", name,
                                path, problems)};
    if (!any)
        throw InputError(fmt::format("{}: there is no checkpoint (neither it nor {}). Check the path", path,
                                     previous_name(path)));
    throw FileError(fmt::format("{}: no good checkpoint is left ({}). Start the run again", path, problems));
}

} // namespace mesolith
