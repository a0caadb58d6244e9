#include <cstdio>
#include <filesystem>

#include "mesolith/core/error.hpp"
#include "mesolith/io/file.hpp"
#include "mesolith/io/kernel_file.hpp"
#include "mesolith/io/store.hpp"
#include "mesolith/msm/transport.hpp"

#include "support/catch.hpp"
#include "support/contains_text.hpp"
#include "support/kernels.hpp"
#include "support/temporary_folder.hpp"

using namespace mesolith;
using namespace mesolith::test;

namespace {

std::string chain_file() {
    return std::string(MESOLITH_SOURCE_DIR) + "/inputs/kernels/alternating_chain.json";
}

/// The shipped chain with a piece of its text replaced.
std::string chain_with(const std::string& old, const std::string& replacement) {
    std::string text = read_text_file(chain_file());
    const std::size_t at = text.find(old);
    REQUIRE(at != std::string::npos);
    return text.replace(at, old.size(), replacement);
}

void check_same_bits(const Kernel& a, const Kernel& b) {
    CHECK(a.basis.cell == b.basis.cell);
    CHECK(a.basis.positions == b.basis.positions);
    CHECK(a.basis.name == b.basis.name);
    CHECK(a.basis.orbit == b.basis.orbit);
    CHECK(a.lag_time == b.lag_time);
    CHECK(a.column == b.column);
    CHECK(a.stationary == b.stationary);
    CHECK(a.reversible == b.reversible);
    REQUIRE(a.entries.size() == b.entries.size());
    for (std::size_t e = 0; e < a.entries.size(); ++e) {
        CHECK(a.entries[e].to == b.entries[e].to);
        CHECK(a.entries[e].R == b.entries[e].R);
        CHECK(a.entries[e].p == b.entries[e].p);
    }
}

} // namespace

TEST_CASE("a kernel comes back from JSON and HDF5 with the same bits", "[io][kernel]") {
    const TemporaryFolder folder;
    for (std::uint64_t seed = 1; seed <= 3; ++seed)
        for (Kernel kernel : {random_reversible(7, seed, 14, 1.0 / 3), random_nonreversible(5, seed, 0.1)}) {
            kernel.basis.orbit = std::vector<std::int32_t>(kernel.n_sites(), 1);
            kernel.basis.name[2] = "a \"name\"\n";
            for (const std::string name : {"k.json", "k.h5"}) {
                write_kernel_file(folder / name, kernel, "née " + name);
                const NamedKernel read = read_kernel_file(folder / name);
                CHECK(read.name == "née " + name);
                CHECK(read.warnings.empty());
                check_same_bits(read.kernel, kernel);
            }
        }
}

TEST_CASE("a kernel of another program gets what its file leaves out", "[io][kernel]") {
    const NamedKernel chain = read_kernel_file(chain_file());
    CHECK(chain.name == "chain of two bonds");
    CHECK(chain.kernel.reversible);
    CHECK(chain.kernel.stationary[0] == Approx(0.5));
    CHECK(exact_transport(chain.kernel).diffusivity(0, 0) == Approx(2.5 * 2.5 * 2 * 0.3 * 0.05 / 0.35 / 5));
    const NamedKernel walk =
        read_kernel_file(std::string(MESOLITH_SOURCE_DIR) + "/inputs/kernels/biased_walk.json");
    CHECK_FALSE(walk.kernel.reversible);
    const Transport t = exact_transport(walk.kernel);
    CHECK(t.drift[0] == Approx(0.3 * 3 / 2));
    CHECK(t.diffusivity(0, 0) == Approx((0.5 - 0.09) * 9 / 4));
    // Extra members are no mistake.
    CHECK_NOTHROW(
        parse_kernel_json(chain_with("\"version\": 1,", "\"version\": 1, \"source\": \"x\","), "f"));
}

TEST_CASE("islands of sites are told when the file does not weigh them", "[io][kernel]") {
    const std::string islands = R"({"format": "mesolith-kernel", "version": 1,
        "lattice_angstrom": [[3,0,0],[0,3,0],[0,0,3]], "sites_fractional": [[0,0,0],[0.5,0,0]], "lag_ps": 1,
        "entries": [[0,0,1,0,0,0.5],[0,0,-1,0,0,0.5],[1,1,0,0,0,1]] STATIONARY})";
    const auto with = [&](const std::string& more) {
        std::string text = islands;
        return text.replace(text.find("STATIONARY"), 10, more);
    };
    const NamedKernel even = parse_kernel_json(with(""), "f");
    REQUIRE(even.warnings.size() == 1);
    CHECK(even.warnings[0].find("2 islands") == 0);
    CHECK(exact_transport(even.kernel).diffusivity(0, 0) == Approx(4.5 / 2));
    const NamedKernel weighed = parse_kernel_json(with(", \"stationary\": [0.25, 0.75]"), "f");
    CHECK(weighed.warnings.empty());
    CHECK(exact_transport(weighed.kernel).diffusivity(0, 0) == Approx(4.5 / 4));
}

TEST_CASE("columns within 1e-9 of 1 are scaled, others are refused by name", "[io][kernel]") {
    const NamedKernel scaled = parse_kernel_json(chain_with("0.65]", "0.6500000005]"), "f.json");
    CHECK_NOTHROW(check_kernel(scaled.kernel));
    REQUIRE(scaled.warnings.size() == 1);
    CHECK(scaled.warnings[0].find("1 of 2 columns were scaled") == 0);
    CHECK_THROWS_WITH(
        parse_kernel_json(chain_with("[1, 1, 0, 0, 0, 0.65]", "[1, 1, 0, 0, 0, 0.66]"), "f.json"),
        contains_text("f.json: entries: ") && contains_text("column 1") && contains_text("got 1.01"));
}

TEST_CASE("bad kernel files are refused by place and reason", "[io][kernel]") {
    const auto problem = [&](const std::string& old, const std::string& replacement) {
        try {
            static_cast<void>(parse_kernel_json(chain_with(old, replacement), "f.json"));
        } catch (const InputError& error) {
            return std::string(error.what());
        }
        return std::string("no complaint");
    };
    const std::string entry = "[0, 1, 0, 0, 0, 0.3]";
    CHECK_THAT(problem(entry, "[0, 1, 0, 0, 0, -0.3]"),
               contains_text("f.json: entries[1]: expected a probability >= 0 in column 0, got -0.3"));
    CHECK_THAT(problem(entry, "[0, 1, 0, 0, 0, NaN]"), contains_text("f.json:10:21: expected JSON"));
    CHECK_THAT(problem(entry, "[0, 1, 0, 0, 0, null]"),
               contains_text("entries[1][5]: expected a probability in column 0, got null"));
    CHECK_THAT(problem(entry, "[0, 1, 0, 0, 0, 1e999]"),
               contains_text("f.json: expected JSON with numbers that fit"));
    CHECK_THAT(problem(entry, "[0, 2, 0, 0, 0, 0.3]"),
               contains_text("entries[1][1]: expected a whole number from 0 to 1, got 2"));
    CHECK_THAT(problem(entry, "[0, 1, 128, 0, 0, 0.3]"),
               contains_text("entries[1][2]: expected a whole number from -127 to 127"));
    CHECK_THAT(problem(entry, "[0, 1, 0.5, 0, 0, 0.3]"), contains_text("entries[1][2]"));
    CHECK_THAT(problem(entry, "[0, 1, 18446744073709551615, 0, 0, 0.3]"), contains_text("entries[1][2]"));
    CHECK_THAT(problem(entry, "[0, 1, 0, 0, 0.3]"),
               contains_text("entries[1]: expected [from, to, R1, R2, R3, p], got a list of 5"));
    CHECK_THAT(problem(entry, "\"hop\""), contains_text("entries[1]"));
    CHECK_THAT(problem(entry, "[0, 0, 0, 0, 0, 0.3]"),
               contains_text("entries[1]: expected each move once, got the one of entries[0]"));
    CHECK_THAT(problem("\"lag_ps\": 5.0", "\"lag_ps\": 0"),
               contains_text("lag_ps: expected a number > 0, got 0"));
    CHECK_THAT(problem("\"lag_ps\": 5.0,", ""), contains_text("lag_ps: expected a number > 0, got nothing"));
    CHECK_THAT(problem("lag_ps", "lag_pss"), contains_text("lag_pss: unknown key, did you mean \"lag_ps\"?"));
    CHECK_THAT(problem("\"mesolith-kernel\"", "\"other\""),
               contains_text("format: expected \"mesolith-kernel\", got the text \"other\""));
    CHECK_THAT(problem("\"version\": 1", "\"version\": 2"), contains_text("version: expected 1, got 2"));
    CHECK_THAT(problem("[[0, 0, 0], [0.5, 0, 0]]", "[]"), contains_text("sites_fractional: expected"));
    CHECK_THAT(problem("[0.5, 0, 0]", "[0.5, 0]"),
               contains_text("sites_fractional[1]: expected a list of 3 numbers"));
    CHECK_THAT(problem("[0, 4, 0]", "[0, 0, 0]"), contains_text("lattice_angstrom: "));
    CHECK_THAT(problem("\"version\": 1", "\"version\": 1, \"stationary\": [0.6, 0.4]"),
               contains_text("stationary: expected the distribution that the kernel leaves as it is"));
    CHECK_THAT(problem("\"version\": 1", "\"version\": 1, \"stationary\": [1]"),
               contains_text("stationary: expected a list of 2"));
    CHECK_THAT(problem("\"version\": 1", "\"version\": 1, \"site_names\": [1, 2]"),
               contains_text("site_names: expected"));
    CHECK_THAT(problem("\"version\": 1", "\"version\": 1, \"sites_angstrom\": [[0,0,0],[2,0,0]]"),
               contains_text("sites_angstrom[1]: does not agree"));
    std::string one_way = chain_with("[1, 0, 1, 0, 0, 0.05]", "[1, 0, 1, 0, 0, 0.04], [1, 0, 2, 0, 0, 0.01]");
    one_way.replace(one_way.find("\"version\": 1"), 12, "\"version\": 1, \"reversible\": true");
    CHECK_THROWS_WITH(parse_kernel_json(one_way, "f"), contains_text("reversible: expected false, got true"));
    CHECK_THROWS_WITH(parse_kernel_json("[1]", "f"), contains_text("expected an object"));
    const std::string whole = read_text_file(chain_file());
    CHECK_THROWS_WITH(parse_kernel_json(whole.substr(0, 300), "f.json"),
                      contains_text("f.json:") && contains_text("the end of the file (it may be cut short)"));
    CHECK_THROWS_WITH(parse_kernel_json("", "f.json"), contains_text("f.json:1:1: expected JSON"));
}

TEST_CASE("bad HDF5 kernels are refused as input", "[io][kernel]") {
    const TemporaryFolder folder;
    const Kernel kernel = random_reversible(4, 1);
    const std::string path = folder / "k.h5";
    write_kernel_file(path, kernel, "k");
    const auto refuse = [&](const std::string& dataset, auto values, const std::string& reason) {
        const std::string copy = folder / "copy.h5";
        std::filesystem::copy_file(path, copy, std::filesystem::copy_options::overwrite_existing);
        {
            Hdf5File file = Hdf5File::modify(copy);
            file.remove(dataset);
            if (!values.empty()) file.write(dataset, values);
        }
        try {
            static_cast<void>(read_kernel_file(copy));
            FAIL("no complaint about " << dataset);
        } catch (const InputError& error) {
            CHECK_THAT(error.what(), contains_text(copy + ": ") && contains_text(reason));
        }
    };
    std::vector<double> p, halved;
    std::vector<std::int32_t> to;
    for (const KernelEntry& e : kernel.entries) {
        p.push_back(e.p);
        halved.push_back(e.p / 2);
        to.push_back(e.to);
    }
    refuse("kernel/p", halved, "column 0 (Li1.1)");
    p[3] = -p[3];
    refuse("kernel/p", p, "p[3]: expected a probability >= 0");
    to[2] = 4;
    refuse("kernel/to", to, "p[2]: expected a site from 0 to 3, got 4");
    refuse("kernel/to", std::vector<std::int32_t>{1}, "column: expected");
    refuse("kernel/R", std::vector<std::int32_t>{}, "kernel/R");
    refuse("kernel/stationary", std::vector<double>{1, 0, 0, 0}, "stationary: expected");
    refuse("basis/positions", std::vector<double>{}, "basis/positions");
    CHECK_THROWS_AS(read_kernel_file(folder / "none.h5"), InputError);
    CHECK_THROWS_WITH(read_kernel_file(folder.path()), contains_text("got a folder"));
    CHECK_THROWS_WITH(read_kernel_file(folder.file("text.h5", "text")), contains_text("expected HDF5"));
    std::filesystem::resize_file(path, std::filesystem::file_size(path) / 2);
    CHECK_THROWS_AS(read_kernel_file(path), InputError);
    {
        Hdf5File other = Hdf5File::create(folder / "other.h5");
        other.write("x", std::vector<double>{1});
        other.commit();
    }
    CHECK_THROWS_WITH(read_kernel_file(folder / "other.h5"),
                      contains_text("expected a kernel or a Markov model, got neither"));
}

TEST_CASE("a kernel is written whole or not at all", "[io][kernel]") {
    const TemporaryFolder folder;
    CHECK_THROWS_WITH(write_kernel_file(folder / "k.txt", fcc(), "k"),
                      contains_text("ends with .json or .h5"));
    Kernel broken = fcc();
    broken.entries[0].p = 0.9;
    CHECK_THROWS_AS(write_kernel_file(folder / "k.json", broken, "k"), DataError);
    CHECK(std::filesystem::is_empty(folder.path()));
}
