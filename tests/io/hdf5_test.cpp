#include <csignal>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <numeric>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mesolith/core/error.hpp"
#include "mesolith/io/hdf5.hpp"

#include "support/catch.hpp"
#include "support/temporary_folder.hpp"

using namespace mesolith;
using Catch::Matchers::Contains;
using mesolith::test::TemporaryFolder;

namespace {

std::string read_bytes(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

/// What a child process writes to standard error while it runs f.
template <class F>
std::string errors_of_child(const std::string& capture, F&& f) {
    std::cout.flush();
    std::fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        const int log = ::open(capture.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
        dup2(log, 2);
        f();
        std::exit(0); // with the library's own clean-up
    }
    int status = 0;
    waitpid(child, &status, 0);
    CHECK(WIFEXITED(status));
    return read_bytes(capture);
}

} // namespace

TEST_CASE("values come back from a file with their type, shape and attributes", "[io][hdf5]") {
    const TemporaryFolder folder;
    const std::string path = folder / "a.h5";
    std::vector<double> many(20'000);
    std::iota(many.begin(), many.end(), -3.5);
    {
        Hdf5File file = Hdf5File::create(path);
        file.set_attribute("creator", "test");
        file.set_attribute("seed", std::uint64_t{18446744073709551615u});
        file.set_attribute("step", 0.25);
        file.set_attribute("axes", Vec3(1, 2, 3));
        file.set_attribute("cells", IVec3(-1, 0, 7));
        file.set_attribute("warnings", std::vector<std::string>{"one", "", "drei \u00c5"});
        file.set_attribute("none", std::vector<std::string>{});
        file.write("a/b/many", many, {100, 200},
                   {.units = "angstrom", .description = "numbers", .compression = 4, .chunk = {}});
        file.write("a/ints", std::vector<std::int32_t>{1, -2, 3});
        file.write("a/bytes", std::vector<std::uint8_t>{0, 255});
        file.write("a/empty", std::vector<float>{});
        file.write("a/points", std::vector<Vec3>{{1, 2, 3}, {4, 5, 6}});
        file.write("a/cells", std::vector<IVec3>{{1, -2, 3}});
        file.write("a/no_points", std::vector<Vec3>{});
        file.write_strings("a/names", {"Li1.1", "", "Si"});
        file.write_scalar("a/one", 42);
        Eigen::MatrixXd matrix(2, 3);
        matrix << 1, 2, 3, 4, 5, 6;
        file.write_matrix("a/matrix", matrix);
        file.commit();
    }
    const Hdf5File file = Hdf5File::open(path);
    CHECK(file.string_attribute("creator") == "test");
    CHECK(file.attribute<std::uint64_t>("seed") == 18446744073709551615u);
    CHECK(file.attribute<double>("step") == 0.25);
    CHECK(file.attribute_values<double>("axes") == std::vector<double>{1, 2, 3});
    CHECK(file.attribute_values<int>("cells") == std::vector<int>{-1, 0, 7});
    CHECK(file.string_attribute_values("warnings") == std::vector<std::string>{"one", "", "drei \u00c5"});
    CHECK(file.string_attribute_values("none").empty());
    CHECK(file.children() == std::vector<std::string>{"a"});
    const Hdf5Group a = file.group("a");
    CHECK(a.path() == "/a");
    const Hdf5Dataset data = a.dataset("b/many");
    CHECK(data.shape() == Hdf5Shape{100, 200});
    CHECK(data.rows() == 100);
    CHECK(data.row_size() == 200);
    CHECK(data.kind() == Hdf5Kind::real);
    CHECK(data.string_attribute("units") == "angstrom");
    CHECK(data.string_attribute("description") == "numbers");
    CHECK(data.read<double>() == many);
    std::vector<float> part(400);
    data.read_rows(97, 2, std::span<float>(part));
    CHECK(part[0] == static_cast<float>(many[97 * 200]));
    CHECK(part[399] == static_cast<float>(many[99 * 200 - 1]));
    CHECK(a.read<std::int64_t>("ints") == std::vector<std::int64_t>{1, -2, 3});
    CHECK(a.read<int>("bytes") == std::vector<int>{0, 255});
    CHECK(a.read<double>("empty").empty());
    CHECK(a.read_vec3("points") == std::vector<Vec3>{{1, 2, 3}, {4, 5, 6}});
    CHECK(a.read_ivec3("cells") == std::vector<IVec3>{{1, -2, 3}});
    CHECK(a.read_vec3("no_points").empty());
    CHECK(a.read_strings("names") == std::vector<std::string>{"Li1.1", "", "Si"});
    CHECK(a.read_scalar<int>("one") == 42);
    CHECK(a.read_matrix("matrix")(1, 0) == 4);
    CHECK(a.read_matrix("ints").rows() == 3);
    CHECK(file.has_dataset("a/ints"));
    CHECK_FALSE(file.has_group("a/ints"));
    CHECK_FALSE(file.has("a/ints/below"));
    CHECK_FALSE(file.has("nothing/at/all"));
}

TEST_CASE("large datasets are packed and small ones are not", "[io][hdf5]") {
    const TemporaryFolder folder;
    Hdf5File file = Hdf5File::create(folder / "a.h5");
    CHECK(file.write("small", std::vector<double>(10, 1.0)).chunk_rows() == 0);
    CHECK(file.write("large", std::vector<double>(100'000, 1.0)).chunk_rows() > 0);
    file.commit();
    CHECK(std::filesystem::file_size(folder / "a.h5") < 20'000);
}

TEST_CASE("a dataset grows by appending and shrinks again", "[io][hdf5]") {
    const TemporaryFolder folder;
    const std::string path = folder / "a.h5";
    {
        Hdf5File file = Hdf5File::create_in_place(path);
        Hdf5Dataset data = file.create_appendable<float>("x", {2, 3}, 4);
        for (int i = 0; i < 10; ++i) {
            const std::vector<double> row(6, i + 0.5);
            data.append(std::span<const double>(row));
        }
        const std::vector<double> torn(5, 0);
        CHECK_THROWS_AS(data.append(std::span<const double>(torn)), DataError);
        file.commit();
    }
    {
        Hdf5File file = Hdf5File::modify(path);
        Hdf5Dataset data = file.dataset("x");
        CHECK(data.shape() == Hdf5Shape{10, 2, 3});
        CHECK(data.chunk_rows() == 4);
        data.truncate_rows(7);
        CHECK_THROWS_AS(data.truncate_rows(8), FileError);
        const std::vector<float> row(6, -1);
        data.append(std::span<const float>(row));
        file.commit();
    }
    const auto values = Hdf5File::open(path).read<double>("x");
    REQUIRE(values.size() == 48);
    CHECK(values[41] == 6.5);
    CHECK(values[42] == -1);
}

TEST_CASE("a file appears under its name only when it is committed", "[io][hdf5]") {
    const TemporaryFolder folder;
    const std::string path = folder.file("a.h5", "something older");
    {
        Hdf5File file = Hdf5File::create(path);
        file.write("x", std::vector<int>{1});
        CHECK(std::filesystem::exists(path + ".part"));
    }
    CHECK(read_bytes(path) == "something older");
    CHECK_FALSE(std::filesystem::exists(path + ".part"));
    {
        Hdf5File file = Hdf5File::create(path);
        file.write("x", std::vector<int>{1});
        file.commit();
    }
    CHECK(Hdf5File::open(path).read<int>("x") == std::vector<int>{1});
    CHECK_FALSE(std::filesystem::exists(path + ".part"));
}

TEST_CASE("an HDF5 file cut short is refused in one line that names it", "[io][hdf5]") {
    const TemporaryFolder folder;
    const std::string path = folder / "whole.h5";
    {
        Hdf5File file = Hdf5File::create(path);
        file.write("x", std::vector<double>(50'000, 0.1), {},
                   {.units = {}, .description = {}, .compression = 0, .chunk = {}});
        file.commit();
    }
    const std::string bytes = read_bytes(path);
    for (const std::size_t length : {bytes.size() - 1, bytes.size() / 2, std::size_t{100}, std::size_t{20}}) {
        const std::string cut = folder.file("cut.h5", bytes.substr(0, length));
        INFO(length);
        try {
            Hdf5File::open(cut);
            FAIL("a cut file must be refused");
        } catch (const FileError& error) {
            const std::string message = error.what();
            CHECK_THAT(message, Contains("cut.h5: not a complete HDF5 file"));
            CHECK(message.find('\n') == std::string::npos);
        }
    }
    CHECK_THROWS_WITH(Hdf5File::open(folder.file("empty.h5", "")), Contains("it is empty"));
    CHECK_THROWS_WITH(Hdf5File::open(folder.file("text.h5", "no HDF5 at all")), Contains("not an HDF5 file"));
    CHECK_THROWS_AS(Hdf5File::open(folder / "no.h5"), InputError);
    CHECK_THROWS_AS(Hdf5File::open(folder.path()), InputError);
    CHECK_FALSE(is_hdf5_file(folder / "no.h5"));
    CHECK(is_hdf5_file(path));
}

TEST_CASE("damaged data inside a file are refused by name", "[io][hdf5]") {
    const TemporaryFolder folder;
    const std::string path = folder / "a.h5";
    {
        Hdf5File file = Hdf5File::create(path);
        std::vector<double> noise(30'000);
        for (std::size_t i = 0; i < noise.size(); ++i) noise[i] = std::sin(static_cast<double>(i * i));
        file.write("group/noise", noise);
        file.commit();
    }
    std::string bytes = read_bytes(path);
    for (std::size_t i = bytes.size() / 4; i < bytes.size() * 3 / 4; ++i)
        bytes[i] = static_cast<char>(bytes[i] ^ 0x5a);
    const Hdf5File file = Hdf5File::open(folder.file("a.h5", bytes));
    CHECK_THROWS_AS(file.read<double>("group/noise"), FileError);
    CHECK_THROWS_WITH(file.read<double>("group/noise"), Contains("a.h5: cannot read dataset '/group/noise'"));
}

TEST_CASE("what is missing or of another kind is named", "[io][hdf5]") {
    const TemporaryFolder folder;
    Hdf5File file = Hdf5File::create(folder / "a.h5");
    file.write("group/x", std::vector<double>{1, 2});
    file.write_strings("names", {"a"});
    file.set_attribute("text", "words");
    file.set_attribute("numbers", std::vector<double>{1, 2});
    CHECK_THROWS_WITH(file.dataset("y"), Contains("no dataset '/y'") && Contains("group, names"));
    CHECK_THROWS_WITH(file.group("group").dataset("y"), Contains("'/group/y'"));
    CHECK_THROWS_WITH(file.group("names"), Contains("no group '/names'"));
    CHECK_THROWS_WITH(file.read<double>("names"), Contains("holds no numbers"));
    CHECK_THROWS_WITH(file.read_strings("group/x"), Contains("holds no text"));
    CHECK_THROWS_WITH(file.read_scalar<double>("group/x"), Contains("holds 2 values"));
    CHECK_THROWS_WITH(file.read_vec3("group/x"), Contains("[n, 3] is needed"));
    CHECK_THROWS_WITH(file.attribute<double>("no"), Contains("no attribute 'no'"));
    CHECK_THROWS_WITH(file.attribute<double>("text"), Contains("no number"));
    CHECK_THROWS_WITH(file.string_attribute("numbers"), Contains("no text"));
    CHECK_THROWS_WITH(file.attribute<double>("numbers"), Contains("holds 2 values"));
    CHECK_THROWS_WITH(file.write("names", std::vector<int>{1}), Contains("exists already"));
    CHECK_THROWS_AS(file.write("z", std::vector<int>{1, 2, 3}, {2, 2}), DataError);
    std::vector<double> out(2);
    CHECK_THROWS_AS(file.dataset("group/x").read_rows(1, 2, std::span<double>(out)), DataError);
    CHECK_THROWS_AS(Hdf5File::create(folder / "missing/a.h5"), FileError);
}

TEST_CASE("a disk that takes no more is an error that names the file and leaves no part", "[io][hdf5]") {
    // A limit on the size of files stands for the full disk: the write fails in the same place.
    const TemporaryFolder folder;
    const std::string path = folder / "a.h5", told = folder / "told", capture = folder / "stderr";
    const bool in_place = GENERATE(false, true);
    const int n_values = GENERATE(100, 20'000); // kept in the cache until the end, or written at once
    const std::string printed = errors_of_child(capture, [&] {
        signal(SIGXFSZ, SIG_IGN);
        const rlimit limit{60'000, 60'000};
        setrlimit(RLIMIT_FSIZE, &limit);
        try {
            Hdf5File file = in_place ? Hdf5File::create_in_place(path) : Hdf5File::create(path);
            Hdf5Dataset growing = file.create_appendable<double>("growing", {}, 1000);
            const std::vector<double> values(static_cast<std::size_t>(n_values), 0.5);
            for (int i = 0; i < 100; ++i) {
                growing.append(std::span<const double>(values));
                file.write("x" + std::to_string(i), values, {},
                           {.units = {}, .description = {}, .compression = 0, .chunk = {}});
            }
            file.commit();
        } catch (const FileError& error) {
            std::ofstream(told) << error.what();
        }
    });
    CHECK_THAT(printed, !Contains("HDF5")); // the library says nothing by itself
    CHECK_THAT(read_bytes(told), Contains("a.h5: cannot") && Contains("File too large"));
    CHECK(std::filesystem::exists(path) == in_place);
    CHECK_FALSE(std::filesystem::exists(path + ".part"));
}
