#include <cerrno>
#include <filesystem>

#include "mesolith/core/error.hpp"
#include "mesolith/io/file.hpp"

#include "support/catch.hpp"
#include "support/temporary_folder.hpp"

using namespace mesolith;
using Catch::Matchers::Contains;
using mesolith::test::TemporaryFolder;

TEST_CASE("SHA-256 gives the published digests", "[io][file]") {
    const TemporaryFolder folder;
    const std::string empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    const std::string abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    const std::string million = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";
    CHECK(sha256_of_text("") == empty);
    CHECK(sha256_of_text("abc") == abc);
    CHECK(sha256_of_file(folder.file("empty", "")) == empty);
    CHECK(sha256_of_file(folder.file("abc", "abc")) == abc);
    // A million times 'a' (NIST), more than fits one block of the reader.
    CHECK(sha256_of_file(folder.file("a", std::string(1'000'000, 'a'))) == million);
    std::string mixed(3'000'001, 'x');
    mixed[2'999'999] = 'y';
    CHECK(sha256_of_file(folder.file("mixed", mixed)) == sha256_of_text(mixed));
}

TEST_CASE("a file to be hashed or read must be there", "[io][file]") {
    const TemporaryFolder folder;
    CHECK_THROWS_AS(sha256_of_file(folder / "no"), InputError);
    CHECK_THROWS_WITH(read_text_file(folder / "no"), Contains("no") && Contains("Check the path"));
    CHECK_THROWS_WITH(read_text_file(folder.path()), Contains("is a folder"));
}

TEST_CASE("a text file appears only when it is committed", "[io][file]") {
    const TemporaryFolder folder;
    const std::string path = folder.file("out.txt", "old");
    {
        TextFileWriter file(path);
        file.write("new");
        CHECK(std::filesystem::exists(path + ".part"));
    }
    CHECK(read_text_file(path) == "old");
    CHECK_FALSE(std::filesystem::exists(path + ".part"));
    {
        TextFileWriter file(path);
        for (int i = 0; i < 300'000; ++i) file.write("0123456789"); // several blocks
        file.commit();
    }
    CHECK(read_text_file(path).size() == 3'000'000);
    CHECK_FALSE(std::filesystem::exists(path + ".part"));
    write_text_file(path, "short");
    CHECK(read_text_file(path) == "short");
}

TEST_CASE("a full disk is named as such", "[io][file]") {
    CHECK(describe_errno(ENOSPC) == "no space left on the disk");
    if (!std::filesystem::exists("/dev/full")) return;
    try {
        write_text_file("/dev/full", "anything");
        FAIL("writing to a full device must fail");
    } catch (const FileError& error) {
        CHECK_THAT(error.what(), Contains("/dev/full: cannot be written (no space left on the disk)"));
    }
}

TEST_CASE("a folder that is not there is made, one that cannot be is refused", "[io][file]") {
    const TemporaryFolder folder;
    prepare_output_folder(folder / "a/b/c");
    CHECK(std::filesystem::is_directory(folder / "a/b/c"));
    CHECK(std::filesystem::is_empty(folder / "a/b/c"));
    prepare_output_folder(folder / "a/b/c");
    folder.file("taken", "");
    CHECK_THROWS_AS(prepare_output_folder(folder / "taken"), InputError);
    CHECK_THROWS_WITH(prepare_output_folder(folder / "taken/below"), Contains("taken/below"));
    if (std::filesystem::is_directory("/proc/self"))
        CHECK_THROWS_WITH(prepare_output_folder("/proc/self"), Contains("cannot be written to"));
    CHECK_THROWS_AS(TextFileWriter(folder / "missing/out.txt"), FileError);
}
