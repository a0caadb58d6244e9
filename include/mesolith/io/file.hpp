#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace mesolith {

/// SHA-256 of a file, 64 hexadecimal digits. Reads in blocks: memory does not grow with the file.
/// @throws InputError when there is no such file, FileError when it cannot be read
[[nodiscard]] std::string sha256_of_file(const std::string& path);
[[nodiscard]] std::string sha256_of_text(std::string_view text);

/// A text file that exists under its name only when it is complete: written as NAME.part, synced and renamed
/// by commit(). Without commit() the destructor removes NAME.part. A path that is no regular file
/// (/dev/stdout, a pipe) is written to directly.
class TextFileWriter {
public:
    /// @throws FileError when NAME.part cannot be opened for writing
    explicit TextFileWriter(std::string path);
    ~TextFileWriter();
    TextFileWriter(const TextFileWriter&) = delete;
    TextFileWriter& operator=(const TextFileWriter&) = delete;

    /// @throws FileError naming the file, e.g. when the disk is full
    void write(std::string_view text);
    void commit();

private:
    void flush();

    std::string path_, part_, buffer_;
    int descriptor_ = -1;
    bool direct_ = false;
};

/// Replace the file by this text, all or nothing.
void write_text_file(const std::string& path, std::string_view text);

/// The whole file. @throws InputError when there is no such file, FileError when it cannot be read
[[nodiscard]] std::string read_text_file(const std::string& path);

/// Make the folder with its parents unless it is there, and prove by a temporary file that one can write in
/// it.
/// @throws InputError naming the folder and why
void prepare_output_folder(const std::string& path);

/// What an errno means to the user: "no space left on the disk", else strerror.
[[nodiscard]] std::string describe_errno(int error_number);

/// Write NAME.part to the disk and give it its final name (it replaces an older file in one step).
/// @throws FileError
void publish_file(const std::string& part, const std::string& path);

} // namespace mesolith
