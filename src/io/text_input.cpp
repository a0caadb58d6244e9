#include "text_input.hpp"

#include <algorithm>
#include <array>
#include <cerrno>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "mesolith/core/error.hpp"
#include "mesolith/io/file.hpp"

namespace mesolith {

namespace {
constexpr std::size_t buffer_bytes = 1u << 20; // fits the second-level cache or nearly so
}

TextInput::TextInput(const std::string& path) : path_(path) {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0)
        throw InputError(
            fmt::format("{}: cannot be opened ({}). Check the path", path, describe_errno(errno)));
    if (S_ISDIR(status.st_mode))
        throw InputError(fmt::format("{}: is a folder (a file is needed). Name a file in it", path));
    descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor_ < 0)
        throw InputError(
            fmt::format("{}: cannot be opened ({}). Check its permissions", path, describe_errno(errno)));
    file_bytes_ = status.st_size;
    std::array<unsigned char, 2> magic{};
    if (::pread(descriptor_, magic.data(), 2, 0) == 2 && magic[0] == 0x1f && magic[1] == 0x8b) {
        gz_ = gzdopen(descriptor_, "rb");
        if (!gz_) {
            ::close(descriptor_);
            throw FileError(fmt::format("{}: cannot be unpacked (zlib refused it). Check the memory", path));
        }
        gzbuffer(static_cast<gzFile>(gz_), 1u << 18);
    }
    capacity_ = buffer_bytes;
    buffer_ = std::make_unique<char[]>(capacity_ + 1);
    position_ = end_ = line_begin_ = buffer_.get();
    buffer_[0] = '\n';
}

TextInput::~TextInput() {
    if (gz_)
        gzclose_r(static_cast<gzFile>(gz_)); // closes the descriptor as well
    else
        ::close(descriptor_);
}

std::size_t TextInput::fill(char* to, std::size_t space) {
    if (gz_) {
        const auto file = static_cast<gzFile>(gz_);
        const int n = gzread(file, to, static_cast<unsigned>(space));
        if (n > 0) return static_cast<std::size_t>(n);
        int code = Z_OK;
        const char* text = gzerror(file, &code);
        if (code == Z_BUF_ERROR)
            fail("the gzip file ends too early", "it was cut off", "Copy or pack it again");
        if (n < 0 || (code != Z_OK && code != Z_STREAM_END))
            fail("the gzip file is damaged", text ? text : "zlib gave no reason", "Copy or pack it again");
        return 0;
    }
    for (;;) {
        const ssize_t n = ::read(descriptor_, to, space);
        if (n >= 0) {
            bytes_read_ += n;
            return static_cast<std::size_t>(n);
        }
        if (errno != EINTR)
            fail("cannot be read", describe_errno(errno), "Check the disk or copy the file again");
    }
}

bool TextInput::next_slow(std::string_view& line) {
    // Move the begun line to the front and read on until it is whole.
    std::size_t kept = static_cast<std::size_t>(end_ - position_);
    std::memmove(buffer_.get(), position_, kept);
    std::size_t searched = kept;
    for (;;) {
        if (kept == capacity_) {
            auto larger = std::make_unique<char[]>(2 * capacity_ + 1);
            std::memcpy(larger.get(), buffer_.get(), kept);
            buffer_ = std::move(larger);
            capacity_ *= 2;
        }
        const std::size_t n = at_end_ ? 0 : fill(buffer_.get() + kept, capacity_ - kept);
        kept += n;
        position_ = buffer_.get();
        end_ = buffer_.get() + kept;
        buffer_[kept] = '\n';
        if (n == 0) {
            at_end_ = true;
            if (kept == 0) return false;
            unbroken_ = true;
            ++line_number_;
            line_begin_ = position_;
            position_ = end_;
            std::size_t length = kept;
            if (buffer_[length - 1] == '\r') --length;
            line = {buffer_.get(), length};
            return true;
        }
        if (std::memchr(buffer_.get() + searched, '\n', kept - searched)) return next(line);
        searched = kept;
    }
}

bool TextInput::next_filled(std::string_view& line) {
    while (next(line))
        if (!trim(line).empty()) return true;
    return false;
}

void TextInput::check_count(std::int64_t n) const {
    // A line has at least two bytes; deflate packs at most 1032 to 1.
    const std::int64_t bytes = gz_ ? 1032 * file_bytes_ : file_bytes_;
    if (file_bytes_ > 0 && n > bytes / 2)
        fail(fmt::format("{} atoms cannot stand in this file", n),
             fmt::format("it has {} bytes", file_bytes_), "It was cut off or edited: write or copy it again");
}

double TextInput::fraction_read() const {
    if (file_bytes_ <= 0) return -1;
    const double at = gz_ ? static_cast<double>(gzoffset(static_cast<gzFile>(gz_)))
                          : static_cast<double>(bytes_read_ - (end_ - position_));
    return std::clamp(at / static_cast<double>(file_bytes_), 0.0, 1.0);
}

void TextInput::fail(const std::string& problem, const std::string& reason, const std::string& advice) const {
    const std::string where = line_number_ > 0 ? fmt::format(":{}", line_number_) : "";
    const std::string frame = frame_ >= 0 ? fmt::format("frame {}", frame_) : "";
    const std::string comma = !reason.empty() && !frame.empty() ? ", " : "";
    throw FileError(
        fmt::format("{}{}: {} ({}{}{}). {}", path_, where, problem, reason, comma, frame, advice));
}

} // namespace mesolith
