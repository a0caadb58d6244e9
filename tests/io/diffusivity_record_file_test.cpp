#include <cmath>
#include <filesystem>
#include <limits>

#include "mesolith/core/error.hpp"
#include "mesolith/io/diffusivity_record_file.hpp"
#include "mesolith/io/file.hpp"
#include "mesolith/io/hdf5.hpp"

#include "support/catch.hpp"
#include "support/contains_text.hpp"
#include "support/diffusivity_records.hpp"
#include "support/temporary_folder.hpp"

using namespace mesolith;
using namespace mesolith::test;

namespace {

/// Everything a record can hold, with numbers that text spoils easily.
DiffusivityRecord full_record() {
    Mat3 shape;
    shape << 1.7, 0.1, -0.0, 0.1, 0.9, 1.0 / 3, -0.0, 1.0 / 3, 0.4;
    DiffusivityRecord r =
        arrhenius_record(DiffusivityKind::jump, {0.1, 1.0 / 3, 0.7}, {300, 400.1}, shape, 0.31, 3.3);
    r.name = "née \"Li\"\n";
    r.frame = VolumeFrame::reference;
    r.c_max = std::nan("");
    r.masked = {{0.5, 0.9}, {2.0 / 3 * 3.75 - 1, 2.0 / 3 * 3.75}};
    r.haven_source = "measured at each point";
    r.theta_source = "";
    r.frame_source = "volume.csv";
    r.provenance = {"0.1.0",
                    "abc+changes",
                    {7, std::numeric_limits<std::uint64_t>::max()},
                    {},
                    {"one", "two, \"three\""}};
    r.provenance.inputs = {{"/somewhere/msm.h5", std::string(64, 'a'), 123456789012345}};
    r.warnings = {"careful"};
    DiffusivityPoint& p = r.points[1];
    p.haven = 0.1 + 0.2;
    p.haven_error = 5e-324;
    p.theta = 1.7976931348623157e308;
    p.squared_stretch = 2.25;
    p.homogenised = 1e-9;
    p.hops = std::nan("");
    p.extrapolated = true;
    p.source = "run 1";
    p.error(0, 1) = p.error(1, 0) = std::nan("");
    p.mean_error = std::nan("");
    return r;
}

/// The JSON of a record with a piece of it replaced.
std::string json_with(const std::string& old, const std::string& replacement) {
    std::string text = diffusivity_record_to_json(full_record());
    const std::size_t at = text.find(old);
    REQUIRE(at != std::string::npos);
    return text.replace(at, old.size(), replacement);
}

} // namespace

TEST_CASE("a record comes back from HDF5 and JSON with the same bits", "[io][record]") {
    const TemporaryFolder folder;
    for (const DiffusivityRecord& record :
         {full_record(), arrhenius_record(DiffusivityKind::tracer, {1}, {688})})
        for (const char* name : {"r.h5", "r.json", "r.hdf5"}) {
            write_diffusivity_record(folder / name, record);
            CHECK(is_diffusivity_record(folder / name));
            const DiffusivityRecord read = read_diffusivity_record(folder / name);
            CHECK(same_bits(read, record));
            CHECK(std::signbit(read.points[0].diffusivity(0, 2)) ==
                  std::signbit(record.points[0].diffusivity(0, 2)));
        }
    // What was read is written the same again.
    CHECK(read_text_file(folder / "r.json") ==
          diffusivity_record_to_json(read_diffusivity_record(folder / "r.json")));
}

TEST_CASE("files hold scalars and m2/s for other readers", "[io][record]") {
    const TemporaryFolder folder;
    const DiffusivityRecord record = full_record();
    write_diffusivity_record(folder / "r.h5", record);
    const Hdf5File file = Hdf5File::open(folder / "r.h5");
    CHECK(file.string_attribute("stage") == "record");
    const auto harmonic = file.read<double>("scalars/harmonic");
    const auto SI = file.read<double>("points/D_m2_per_s");
    const auto log_error = file.read<double>("points/log10_error");
    REQUIRE(harmonic.size() == record.points.size());
    for (std::size_t k = 0; k < harmonic.size(); ++k) {
        CHECK(harmonic[k] == polycrystal_estimates(record.points[k].diffusivity).harmonic);
        CHECK(SI[6 * k + 3] == record.points[k].diffusivity(1, 2) * 1e-8);
    }
    CHECK(std::abs(log_error[0] - 0.05 / std::log(10.0)) < 1e-15);
    CHECK(file.dataset("points/D").string_attribute("units") == "angstrom^2/ps");
}

TEST_CASE("what is no record is refused", "[io][record][bad]") {
    const TemporaryFolder folder;
    const auto complaint = [&](const std::string& text) {
        try {
            (void)parse_diffusivity_record(text, "r.json");
        } catch (const InputError& error) {
            return std::string(error.what());
        }
        return std::string("none");
    };
    CHECK(complaint(diffusivity_record_to_json(full_record())) == "none");
    CHECK_THAT(complaint("{"), contains_text("r.json: expected JSON"));
    CHECK_THAT(complaint("{\"format\": \"mesolith-kernel\"}"),
               contains_text("expected a diffusivity record"));
    CHECK_THAT(complaint("[]"), contains_text("expected a diffusivity record"));
    CHECK_THAT(complaint(json_with("\"version\": 1", "\"version\": 2")),
               contains_text("another version than 1"));
    CHECK_THAT(complaint(json_with("\"kind\": \"jump\"", "\"kind\": \"jumps\"")),
               contains_text("known: tracer, jump"));
    CHECK_THAT(complaint(json_with("\"frame\": \"reference\"", "\"frame\": 3")),
               contains_text("frame: expected a text"));
    CHECK_THAT(complaint(json_with("\"temperature\": 300.0", "\"temperature\": \"300\"")),
               contains_text("temperature: expected a number or null"));
    CHECK_THAT(complaint(json_with("\"temperature\": 300.0", "\"temperature\": -300.0")),
               contains_text("Give kelvin"));
    CHECK_THAT(complaint(json_with("\"hops\": 100.0, ", "")),
               contains_text("hops: expected a value, got nothing"));
    CHECK_THAT(complaint(json_with("\"extrapolated\": false", "\"extrapolated\": 0")),
               contains_text("true or false"));
    CHECK_THAT(complaint(json_with("\"x_max\": 3.75", "\"x_max\": 4.75")),
               contains_text("is not stoichiometry times x_max"));
    CHECK_THAT(complaint(json_with("\"seeds\": [7", "\"seeds\": [-7")),
               contains_text("seeds: expected a whole number"));
    const std::string text = diffusivity_record_to_json(full_record());
    CHECK_THAT(complaint(text.substr(0, text.size() / 2)), contains_text("r.json: expected JSON"));

    CHECK_THROWS_AS(read_diffusivity_record(folder / "none.h5"), InputError);
    CHECK_THROWS_WITH(read_diffusivity_record(folder.path()), contains_text("got a folder"));
    CHECK_THROWS_WITH(write_diffusivity_record(folder / "r.txt", full_record()),
                      contains_text("ends with .json or .h5"));
    DiffusivityRecord broken = full_record();
    broken.points[0].diffusivity *= 1e8;
    CHECK_THROWS_WITH(write_diffusivity_record(folder / "r.h5", broken), contains_text("a wrong unit?"));
    CHECK_FALSE(std::filesystem::exists(folder / "r.h5"));
    Hdf5File other = Hdf5File::create(folder / "other.h5");
    other.commit();
    CHECK_THROWS_WITH(read_diffusivity_record(folder / "other.h5"), contains_text("got another file"));
    CHECK_FALSE(is_diffusivity_record(folder / "other.h5"));
    write_diffusivity_record(folder / "r.h5", full_record());
    std::filesystem::resize_file(folder / "r.h5", 3000);
    CHECK_THROWS_AS(read_diffusivity_record(folder / "r.h5"), InputError);
}
