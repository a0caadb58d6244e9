#include "mesolith/io/file.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mesolith/core/error.hpp"

#include "descriptor.hpp"

namespace mesolith {

namespace {

constexpr std::size_t block_bytes = 1u << 20;

int open_for_reading(const std::string& path) {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0)
        throw InputError(
            fmt::format("{}: cannot be opened ({}). Check the path", path, describe_errno(errno)));
    if (S_ISDIR(status.st_mode))
        throw InputError(fmt::format("{}: is a folder (a file is needed). Name a file in it", path));
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        throw InputError(
            fmt::format("{}: cannot be opened ({}). Check its permissions", path, describe_errno(errno)));
    return fd;
}

template <class F>
void read_blocks(const std::string& path, F&& use) {
    const Descriptor file(open_for_reading(path));
    const auto block = std::make_unique<char[]>(block_bytes);
    for (;;) {
        const ssize_t n = ::read(file.get(), block.get(), block_bytes);
        if (n == 0) return;
        if (n < 0 && errno == EINTR) continue;
        if (n < 0)
            throw FileError(fmt::format("{}: cannot be read ({}). Check the disk or copy the file again",
                                        path, describe_errno(errno)));
        use(std::string_view(block.get(), static_cast<std::size_t>(n)));
    }
}

class Sha256 {
public:
    Sha256() : context_(EVP_MD_CTX_new(), EVP_MD_CTX_free) {
        check(context_ && EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1);
    }
    void add(std::string_view bytes) {
        check(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1);
    }
    std::string hex() {
        std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
        unsigned int length = 0;
        check(EVP_DigestFinal_ex(context_.get(), digest.data(), &length) == 1);
        std::string text;
        for (unsigned int i = 0; i < length; ++i) text += fmt::format("{:02x}", digest[i]);
        return text;
    }

private:
    static void check(bool ok) {
        if (!ok) throw Error("SHA-256 is not available (OpenSSL refused it). Check the OpenSSL installation");
    }
    std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

[[noreturn]] void fail_writing(const std::string& path, int error_number) {
    const char* advice = error_number == ENOSPC || error_number == EDQUOT
                             ? "Free some space or choose another output folder"
                             : "Check the folder and its permissions";
    throw FileError(
        fmt::format("{}: cannot be written ({}). {}", path, describe_errno(error_number), advice));
}

bool is_special(const std::string& path) {
    struct stat status {};
    return ::stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode);
}

} // namespace

std::string describe_errno(int error_number) {
    if (error_number == ENOSPC) return "no space left on the disk";
    if (error_number == EDQUOT) return "the disk quota is used up";
    return std::generic_category().message(error_number);
}

std::string sha256_of_file(const std::string& path) {
    Sha256 hash;
    read_blocks(path, [&](std::string_view block) { hash.add(block); });
    return hash.hex();
}

std::string sha256_of_text(std::string_view text) {
    Sha256 hash;
    hash.add(text);
    return hash.hex();
}

std::string read_text_file(const std::string& path) {
    std::string text;
    read_blocks(path, [&](std::string_view block) { text += block; });
    return text;
}

TextFileWriter::TextFileWriter(std::string path)
    : path_(std::move(path)), part_(path_ + ".part"), direct_(is_special(path_)) {
    const std::string& target = direct_ ? path_ : part_;
    descriptor_ = ::open(target.c_str(), O_WRONLY | O_CLOEXEC | (direct_ ? 0 : O_CREAT | O_TRUNC), 0666);
    if (descriptor_ < 0) fail_writing(path_, errno);
}

TextFileWriter::~TextFileWriter() {
    if (descriptor_ < 0) return;
    ::close(descriptor_);
    if (!direct_) ::unlink(part_.c_str());
}

void TextFileWriter::write(std::string_view text) {
    buffer_ += text;
    if (buffer_.size() >= block_bytes) flush();
}

void TextFileWriter::flush() {
    std::string_view rest = buffer_;
    while (!rest.empty()) {
        const ssize_t n = ::write(descriptor_, rest.data(), rest.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) fail_writing(path_, errno);
        rest.remove_prefix(static_cast<std::size_t>(n));
    }
    buffer_.clear();
}

void TextFileWriter::commit() {
    flush();
    const int fd = std::exchange(descriptor_, -1);
    if (::close(fd) != 0) {
        const int error_number = errno;
        if (!direct_) ::unlink(part_.c_str());
        fail_writing(path_, error_number);
    }
    if (!direct_) publish_file(part_, path_);
}

void write_text_file(const std::string& path, std::string_view text) {
    TextFileWriter file(path);
    file.write(text);
    file.commit();
}

void publish_file(const std::string& part, const std::string& path) {
    {
        // Without the sync a power failure could leave an empty file under the final name.
        const Descriptor file(::open(part.c_str(), O_RDONLY | O_CLOEXEC));
        if (file.get() < 0 || (::fsync(file.get()) != 0 && errno != EINVAL)) {
            const int error_number = errno;
            ::unlink(part.c_str());
            fail_writing(path, error_number);
        }
    }
    if (::rename(part.c_str(), path.c_str()) != 0) {
        const int error_number = errno;
        ::unlink(part.c_str());
        fail_writing(path, error_number);
    }
}

void prepare_output_folder(const std::string& path) {
    std::error_code error;
    std::filesystem::create_directories(path, error);
    if (error || !std::filesystem::is_directory(path))
        throw InputError(
            fmt::format("{}: is no folder and cannot be made one ({}). Choose another output folder", path,
                        error ? error.message() : "a file is in the way"));
    std::string probe = path + "/.mesolith-XXXXXX";
    const Descriptor file(::mkstemp(probe.data()));
    if (file.get() < 0)
        throw InputError(fmt::format("{}: cannot be written to ({}). Choose another output folder", path,
                                     describe_errno(errno)));
    ::unlink(probe.c_str());
}

} // namespace mesolith
