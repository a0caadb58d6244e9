#include <algorithm>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <numeric>
#include <random>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mesolith/core/error.hpp"
#include "mesolith/io/checkpoint.hpp"
#include "mesolith/io/file.hpp"

#include "support/catch.hpp"
#include "support/killed_child.hpp"
#include "support/temporary_folder.hpp"

using namespace mesolith;
using Catch::Matchers::Contains;
using mesolith::test::last_word_of_killed;
using mesolith::test::TemporaryFolder;

namespace {

/// Arrays that all tell their generation.
void write_generation(const std::string& path, std::uint64_t generation) {
    CheckpointWriter writer(path);
    writer.set_attribute("generation", std::to_string(generation));
    writer.write("a", std::vector<std::uint64_t>(5000, generation));
    writer.write("b", std::vector<double>(7001, static_cast<double>(generation)));
    writer.commit();
}

/// The generation of a checkpoint, when all of it is of one.
std::uint64_t generation_of(const Checkpoint& checkpoint) {
    const auto generation = static_cast<std::uint64_t>(std::stoull(checkpoint.attribute("generation")));
    const auto a = checkpoint.read<std::uint64_t>("a");
    const auto b = checkpoint.read<double>("b");
    REQUIRE(a == std::vector<std::uint64_t>(5000, generation));
    REQUIRE(b == std::vector<double>(7001, static_cast<double>(generation)));
    return generation;
}

std::uint64_t newest_generation(const std::string& path) {
    return generation_of(open_newest_checkpoint(path).checkpoint);
}

template <class F>
std::string message_from(F&& f) {
    try {
        f();
    } catch (const Error& error) {
        return error.what();
    }
    return {};
}

} // namespace

TEST_CASE("a checkpoint gives back every array and text as it was", "[io][checkpoint]") {
    const TemporaryFolder folder;
    const std::string path = folder / "run.ckpt";
    std::vector<double> large(1'300'001); // more than two blocks
    std::iota(large.begin(), large.end(), -0.25);
    {
        CheckpointWriter writer(path);
        writer.set_attribute("config", "step = 1\nname = \"Å\"");
        writer.set_attribute("empty", "");
        writer.write("walkers/cell", std::vector<std::int32_t>{-1, 0, 2147483647});
        writer.write("counter", std::vector<std::uint64_t>{18446744073709551615u});
        writer.write("field", std::vector<float>{0.1F, std::numeric_limits<float>::infinity()});
        writer.write("bytes", std::vector<std::uint8_t>{0, 255});
        writer.write("none", std::vector<double>());
        writer.begin<double>("large", large.size());
        const std::span<const double> all(large);
        for (std::size_t at = 0, n = 1; at < all.size(); at += n, n = n * 7 % 300'007 + 1) // uneven pieces
            writer.append(all.subspan(at, std::min(n, all.size() - at)));
        CHECK_FALSE(std::filesystem::exists(path));
        writer.commit();
    }
    CHECK_FALSE(std::filesystem::exists(path + ".new"));
    CHECK_FALSE(std::filesystem::exists(path + ".previous"));
    const Checkpoint checkpoint = Checkpoint::open(path);
    CHECK(checkpoint.names() ==
          std::vector<std::string>{"bytes", "counter", "field", "large", "none", "walkers/cell"});
    CHECK(checkpoint.attributes() ==
          std::map<std::string, std::string>{{"config", "step = 1\nname = \"Å\""}, {"empty", ""}});
    CHECK(checkpoint.read<std::int32_t>("walkers/cell") == std::vector<std::int32_t>{-1, 0, 2147483647});
    CHECK(checkpoint.read<std::uint64_t>("counter") == std::vector<std::uint64_t>{18446744073709551615u});
    CHECK(checkpoint.read<float>("field") ==
          std::vector<float>{0.1F, std::numeric_limits<float>::infinity()});
    CHECK(checkpoint.read<std::uint8_t>("bytes") == std::vector<std::uint8_t>{0, 255});
    CHECK(checkpoint.read<double>("none").empty());
    CHECK(checkpoint.read<double>("large") == large);
    CHECK(checkpoint.type("large") == CheckpointType{'f', 8});
    std::vector<double> part(600'000); // ends inside the second and begins inside the first block
    checkpoint.read_part("large", 300'000, std::span<double>(part));
    CHECK(std::equal(part.begin(), part.end(), large.begin() + 300'000));
}

TEST_CASE("the checkpoint before is kept as PATH.previous", "[io][checkpoint]") {
    const TemporaryFolder folder;
    const std::string path = folder / "run.ckpt";
    CHECK_FALSE(checkpoint_exists(path));
    for (std::uint64_t g = 1; g <= 3; ++g) write_generation(path, g);
    CHECK(generation_of(Checkpoint::open(path)) == 3);
    CHECK(generation_of(Checkpoint::open(path + ".previous")) == 2);
    CHECK(open_newest_checkpoint(path).warning.empty());
    CHECK(checkpoint_exists(path));
}

TEST_CASE("an open checkpoint is read on when newer ones take its name", "[io][checkpoint]") {
    const TemporaryFolder folder;
    const std::string path = folder / "run.ckpt";
    write_generation(path, 1);
    const Checkpoint first = Checkpoint::open(path);
    for (std::uint64_t g = 2; g <= 4; ++g) write_generation(path, g);
    CHECK(generation_of(first) == 1);
}

TEST_CASE("a checkpoint cut short anywhere or with any byte changed is refused", "[io][checkpoint]") {
    const TemporaryFolder folder;
    const std::string path = folder / "run.ckpt";
    {
        CheckpointWriter writer(path);
        writer.set_attribute("seed", "7");
        writer.write("x", std::vector<std::int32_t>{1, 2, 3});
        writer.commit();
    }
    const std::string whole = read_text_file(path);
    REQUIRE(whole.size() < 200);
    for (std::size_t n = 0; n < whole.size(); ++n) {
        INFO(n);
        const std::string cut = folder.file("cut", whole.substr(0, n));
        CHECK_THROWS_AS(Checkpoint::open(cut), FileError);
        std::string changed = whole;
        changed[n] = static_cast<char>(changed[n] ^ 0x10);
        CHECK_THROWS_AS(Checkpoint::open(folder.file("changed", changed)), FileError);
    }
    CHECK_THROWS_AS(Checkpoint::open(folder.file("longer", whole + "x")), FileError);
    CHECK_THROWS_WITH(Checkpoint::open(folder.file("cut", whole.substr(0, whole.size() / 2))),
                      Contains("not a whole checkpoint"));
    CHECK_THROWS_WITH(Checkpoint::open(folder.file("text", "something that is no checkpoint")),
                      Contains("is no checkpoint of mesolith"));
    CHECK_THROWS_AS(Checkpoint::open(folder / "no"), InputError);
    CHECK_THROWS_AS(Checkpoint::open(folder.path()), InputError);
}

TEST_CASE("a bad or missing checkpoint is replaced by the best that is left, with a warning",
          "[io][checkpoint]") {
    const TemporaryFolder folder;
    const std::string path = folder / "run.ckpt";
    write_generation(path, 1);
    write_generation(path, 2);
    const std::string second = read_text_file(path);
    const auto newest = [&](std::uint64_t generation, const std::string& warning) {
        const NewestCheckpoint found = open_newest_checkpoint(path);
        CHECK(generation_of(found.checkpoint) == generation);
        CHECK_THAT(found.warning, Contains(warning));
    };
    SECTION("cut short") {
        folder.file("run.ckpt", second.substr(0, second.size() - 3));
        newest(1, "run.ckpt.previous is used instead of");
        newest(1, "cut short");
    }
    SECTION("one bit changed") {
        std::string changed = second;
        changed[changed.size() / 2] = static_cast<char>(changed[changed.size() / 2] ^ 1);
        folder.file("run.ckpt", changed);
        newest(1, "the checksum of 'b' does not fit");
    }
    SECTION("stopped between the two changes of names") {
        std::filesystem::rename(path, path + ".previous");
        write_generation(folder / "other", 3);
        std::filesystem::rename(folder / "other", path + ".new");
        newest(3, "run.ckpt.new is used instead of");
        if (GENERATE(false, true)) folder.file("run.ckpt", second.substr(1)); // or PATH is bad
        CheckpointWriter(path).write("x", std::vector<double>{1});            // not committed
        newest(3, "");
        write_generation(path, 4);
        newest(4, "");
        CHECK(generation_of(Checkpoint::open(path + ".previous")) == 3);
    }
    SECTION("stopped while the next was written") {
        folder.file("run.ckpt.new", second.substr(0, second.size() / 2));
        newest(2, "");
        std::filesystem::remove(path);
        newest(1, "run.ckpt is not there");
    }
    SECTION("stopped while the first was written") {
        std::filesystem::remove(path);
        std::filesystem::remove(path + ".previous");
        for (const std::size_t n : {std::size_t{0}, second.size() / 2, second.size() - 1}) {
            folder.file("run.ckpt.new", second.substr(0, n));
            CHECK_FALSE(checkpoint_exists(path));
        }
        folder.file("run.ckpt.new", second);
        CHECK(checkpoint_exists(path));
        newest(2, "run.ckpt is not there");
    }
    SECTION("none is good") {
        folder.file("run.ckpt", second.substr(0, 100));
        folder.file("run.ckpt.previous", "");
        const std::string message = message_from([&] { (void)open_newest_checkpoint(path); });
        CHECK_THAT(message, Contains("no good checkpoint is left") && Contains("run.ckpt: not a whole") &&
                                Contains("run.ckpt.previous: not a whole"));
        CHECK(message.find('\n') == std::string::npos);
    }
    CHECK_THROWS_AS(open_newest_checkpoint(folder / "none"), InputError);
}

TEST_CASE("a process killed at any moment leaves a good checkpoint", "[io][checkpoint]") {
    const TemporaryFolder folder;
    const std::string path = folder / "run.ckpt";
    write_generation(path, 1);
    std::mt19937 random(5);
    std::uint64_t last = 1;
    for (int kill_number = 0; kill_number < 20; ++kill_number) {
        // half of the kills come after a whole checkpoint at least
        const bool wait = kill_number % 2 == 0;
        const std::uint64_t told = last_word_of_killed(
            [&](auto&& tell) {
                for (std::uint64_t generation = last + 1;; ++generation) {
                    write_generation(path, generation);
                    tell(generation);
                }
            },
            wait, random);
        CHECK((!wait || told > last));
        const std::uint64_t found = newest_generation(path);
        CHECK(found >= std::max(last, told));
        last = found;
    }
    CHECK(last >= 11);
}

TEST_CASE("a disk that takes no more leaves the checkpoint of before", "[io][checkpoint]") {
    // A limit on the size of files stands for the full disk: the write fails in the same place.
    const TemporaryFolder folder;
    const std::string path = folder / "run.ckpt", told = folder / "told";
    write_generation(path, 1);
    std::cout.flush();
    std::fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        signal(SIGXFSZ, SIG_IGN);
        const rlimit limit{60'000, 60'000};
        setrlimit(RLIMIT_FSIZE, &limit);
        const std::string message = message_from([&] { write_generation(path, 2); });
        std::ofstream(told) << message;
        std::_Exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    CHECK_THAT(read_text_file(told), Contains("run.ckpt: the checkpoint cannot be written (File too large)"));
    CHECK_FALSE(std::filesystem::exists(path + ".new"));
    CHECK(newest_generation(path) == 1);
    CHECK_THROWS_AS(CheckpointWriter(folder / "missing/run.ckpt"), FileError);
}

TEST_CASE("an abandoned checkpoint leaves nothing", "[io][checkpoint]") {
    const TemporaryFolder folder;
    const std::string path = folder / "run.ckpt";
    {
        CheckpointWriter writer(path);
        writer.write("x", std::vector<double>{1});
        CHECK(std::filesystem::exists(path + ".new"));
    }
    CHECK(std::filesystem::is_empty(folder.path()));
}

TEST_CASE("arrays that are not what was announced are refused", "[io][checkpoint]") {
    const TemporaryFolder folder;
    const std::string path = folder / "run.ckpt";
    const std::vector<double> two{1, 2};
    CheckpointWriter writer(path);
    writer.write("x", two);
    CHECK_THROWS_AS(writer.write("x", two), DataError);
    CHECK_THROWS_AS(writer.set_attribute("x", "text"), DataError);
    CHECK_THROWS_AS(writer.write("", two), DataError);
    writer.begin<double>("y", 3);
    CHECK_THROWS_WITH(writer.append(std::span<const float>(std::vector<float>{1})), Contains("f4"));
    writer.append(std::span<const double>(two));
    CHECK_THROWS_WITH(writer.append(std::span<const double>(two)), Contains("1 missing"));
    CHECK_THROWS_WITH(writer.write("z", two), Contains("'y' lacks 1 values"));
    CHECK_THROWS_WITH(writer.commit(), Contains("'y' lacks 1 values"));
    writer.append(std::span<const double>(two).first(1));
    writer.commit();
    CHECK_THROWS_AS(writer.write("late", two), DataError);

    const Checkpoint checkpoint = Checkpoint::open(path);
    CHECK(checkpoint.read<double>("y") == std::vector<double>{1, 2, 1});
    CHECK_THROWS_WITH(checkpoint.read<float>("y"), Contains("of type f8 (f4 is needed)"));
    CHECK_THROWS_WITH(checkpoint.read<double>("no"), Contains("no array 'no'") && Contains("x, y"));
    CHECK_THROWS_WITH(checkpoint.attribute("no"), Contains("no text 'no'"));
    std::vector<double> part(2);
    CHECK_THROWS_AS(checkpoint.read_part("y", 2, std::span<double>(part)), DataError);
}
