#include <cmath>
#include <filesystem>

#include "mesolith/core/error.hpp"
#include "mesolith/io/file.hpp"
#include "mesolith/io/kernel_file.hpp"
#include "mesolith/pipeline/domain_model.hpp"
#include "mesolith/pipeline/stages.hpp"

#include "support/catch.hpp"
#include "support/contains_text.hpp"
#include "support/kernels.hpp"
#include "support/temporary_folder.hpp"

using namespace mesolith;
using test::contains_text;

namespace {

/// An input of its own folder, without trajectory.
struct MesoInput {
    test::TemporaryFolder folder;

    Config config(const std::string& text, std::vector<std::string> set = {}) const {
        set.push_back("run.output=\"" + (folder / "out") + "\"");
        return parse_config(text, folder / "in.toml", {set, true});
    }
    Hdf5File result() const { return Hdf5File::open(folder / "out/meso.h5"); }
    void put(const std::string& name, const std::string& text) const { write_text_file(folder / name, text); }
};

const char* const pulse = R"([meso]
size = [96, 4, 4]
voxel_nm = [1, 1, 1]
total_time_ps = 1e5
n_outputs = 12
[[meso.material]]
name = "voxels"
diffusivity_angstrom2_per_ps = [0.02, 0.03, 0.01]
[meso.walkers]
n = 20000
n_origins = 3
[meso.field]
width_nm = 3
precision = "both"
)";

} // namespace

TEST_CASE("a pulse among voxels spreads as its diffusion tensor says, in field and walkers",
          "[pipeline][meso]") {
    const MesoInput input;
    REQUIRE(run_meso(input.config(pulse)) == StageOutcome::done);
    const Hdf5File file = input.result();
    const auto time = file.read<double>("field/time");
    const auto spread = file.read_vec3("field/spread"), exact = file.read_vec3("field/exact_spread");
    const auto profile = file.read<double>("field/profile"),
               continuum = file.read<double>("field/exact_profile");
    REQUIRE(time.back() == Approx(1e5).epsilon(0.01));
    for (std::size_t k = 0; k < time.size(); ++k) {
        CHECK(exact[k][0] - exact[0][0] == Approx(2 * 0.02 * time[k]).epsilon(1e-9)); // 2 D t
        CHECK(spread[k][0] == Approx(exact[k][0]).epsilon(1e-6));
    }
    // A lattice of 1 nm is no continuum while ions have hopped once.
    for (std::size_t k = 0; k < profile.size(); ++k) CHECK(profile[k] == Approx(continuum[k]).margin(1e-3));
    const Hdf5Group field = file.group("field");
    CHECK(field.attribute<double>("mass_error") < 1e-12);
    CHECK(field.attribute<double>("float_difference") < 1e-5);
    for (const double z : file.read<double>("walkers/diffusivity/z")) CHECK(std::abs(z) < 4);
    CHECK(file.read<double>("steady/D")[4] == Approx(0.03).epsilon(1e-12));
    CHECK(run_meso(input.config(pulse)) == StageOutcome::up_to_date);
    CHECK(run_meso(input.config(pulse, {"run.seed=2"})) == StageOutcome::done);
}

TEST_CASE("both engines and both ways of time give the same answers", "[pipeline][meso]") {
    std::vector<std::vector<double>> profiles;
    for (const char* engine : {"stencil", "bloch"}) {
        const MesoInput input;
        REQUIRE(run_meso(input.config(pulse, {std::string("meso.field.engine=") + engine,
                                              "meso.walkers.time=continuous"})) == StageOutcome::done);
        profiles.push_back(input.result().read<double>("field/profile"));
        for (const double z : input.result().read<double>("walkers/diffusivity/z")) CHECK(std::abs(z) < 4);
        const auto msd = input.result().read<double>("walkers/msd"),
                   error = input.result().read<double>("walkers/msd_error"),
                   exact = input.result().read<double>("walkers/exact_msd");
        for (std::size_t k = 0; k < msd.size(); ++k)
            CHECK(std::abs(msd[k] - exact[k]) <= 4.5 * error[k]); // 108 of them
    }
    for (std::size_t k = 0; k < profiles[0].size(); ++k)
        CHECK(profiles[0][k] == Approx(profiles[1][k]).margin(1e-13));
}

TEST_CASE("layers in series: walkers, homogenisation and the formula agree", "[pipeline][meso]") {
    const MesoInput input;
    const char* const laminate = R"([meso]
size = [8, 2, 2]
voxel_nm = [1, 1, 1]
total_time_ps = 1e6
n_outputs = 10
[[meso.material]]
name = "fast"
diffusivity_angstrom2_per_ps = [0.04]
[[meso.material]]
name = "slow"
diffusivity_angstrom2_per_ps = [0.01]
[[meso.region]]
shape = "layers"
materials = ["fast", "slow"]
thickness_nm = [4, 4]
[meso.walkers]
n = 20000
)";
    REQUIRE(run_meso(input.config(laminate)) == StageOutcome::done);
    const Hdf5File file = input.result();
    const auto D = file.read<double>("steady/homogenised/D");
    // 8 bonds in series, of which 3 are fast and 5 slow by the min rule; in parallel the mean of all.
    CHECK(D[0] == Approx(8 / (3 / 0.04 + 5 / 0.01)).epsilon(1e-8));
    CHECK(D[4] == Approx(0.025).epsilon(1e-8));
    for (const double z : file.read<double>("walkers/diffusivity/z")) CHECK(std::abs(z) < 4);
    const auto high = file.group("steady/bounds").attribute_values<double>("wiener_high");
    CHECK(high[1] == Approx(0.025).epsilon(1e-12));
}

TEST_CASE("between a reservoir and a wall that absorbs flux, profile and time to leave are exact",
          "[pipeline][meso]") {
    const MesoInput input;
    const char* const slab = R"([meso]
size = [12, 4, 4]
voxel_nm = [1, 1, 1]
faces_a = ["reservoir", "absorbing"]
concentration_a = [3, 0]
total_time_ps = 2e6
n_outputs = 8
schedule = "linear"
[[meso.material]]
name = "a"
diffusivity_angstrom2_per_ps = [0.02]
[meso.walkers]
start = "empty"
[meso.field]
start = "empty"
)";
    REQUIRE(run_meso(input.config(slab)) == StageOutcome::done);
    const Hdf5File file = input.result();
    const double tau = file.group("domain").attribute<double>("lag_time"), p = 0.02 * tau / 100;
    const auto flux = file.read<double>("steady/flux/plane_flux");
    for (const double f : flux)
        CHECK(f == Approx(16 * 3 * p / 13 / tau).epsilon(1e-7)); // 13 bonds between the two ghosts
    const auto steady = file.read<double>("steady/flux/activity"), field = file.read<double>("field/profile");
    const std::size_t last = field.size() - 12;
    for (std::size_t l = 0; l < 12; ++l) {
        CHECK(steady[l] == Approx(3 * (12.0 - static_cast<double>(l)) / 13).epsilon(1e-7));
        CHECK(field[last + l] == Approx(16 * steady[l]).epsilon(1e-5));
    }
    const auto walkers = file.read<std::int64_t>("walkers/outputs/profile");
    for (std::size_t l = 0; l < 12; ++l) { // Poisson
        const double expected = 16 * steady[l];
        CHECK(std::abs(static_cast<double>(walkers[walkers.size() - 12 + l]) - expected) <
              4 * std::sqrt(expected) + 1);
    }
    // T(x) = x (L + 1 - x) / 2p steps on x = 1..L
    const auto time = file.read<double>("steady/first_passage/profile");
    for (std::size_t l = 0; l < 12; ++l) {
        const double x = static_cast<double>(l) + 1;
        CHECK(time[l] == Approx(x * (13 - x) / (2 * p) * tau).epsilon(1e-7));
    }
}

TEST_CASE("materials are turned, scaled, weighted and brought to one lag", "[pipeline][meso]") {
    const MesoInput input;
    write_kernel_file(input.folder / "a.json", test::simple_cubic(3, 0.4, 2), "a");
    write_kernel_file(input.folder / "b.json", test::simple_cubic(3, 0.4, 1), "b");
    const std::string head = "[meso]\nsize = [4, 4, 4]\nunit = \"cells\"\ntemperature_K = 600\n";
    const std::string both = "[[meso.material]]\nname = \"a\"\nkernel = \"a.json\"\n[[meso.material]]\nname "
                             "= \"b\"\nkernel = \"b.json\"\nscale = 0.5\n"
                             "energy_eV = 0.1\n";
    DomainModel model = build_domain(input.config(head + both));
    CHECK(model.domain.lag_time() == 1);
    const double D = 0.6 * 9 / 6 / 2;
    CHECK(model.sources[0].diffusivity(0, 0) == Approx(D));
    CHECK(model.sources[1].diffusivity(0, 0) == Approx(D)); // twice as fast, scaled by a half
    CHECK(model.domain.materials[1].weight == Approx(std::exp(-0.1 / (8.617333262e-5 * 600))));
    REQUIRE(model.warnings.size() == 1);
    CHECK_THAT(model.warnings[0], contains_text("a: its lag of 2 ps"));
    const std::string turned =
        "voxel_nm = [1, 1, 1]\n[[meso.material]]\nname = \"t\"\ndiffusivity_angstrom2_per_ps = [1, 2, 3, "
        "0.1, 0.2, 0.3]\naxes = [3, 1, 2]\n";
    model = build_domain(input.config(head + turned));
    // x of the domain is z of the crystal: Dxx = Dzz', Dxy = Dzx'
    CHECK(model.sources[0].diffusivity(0, 0) == 3);
    CHECK(model.sources[0].diffusivity(0, 1) == 0.2);
    CHECK(model.sources[0].diffusivity(1, 2) == 0.3);
    CHECK((exact_transport(model.kernel()).diffusivity - model.sources[0].diffusivity).cwiseAbs().maxCoeff() <
          1e-12);
}

TEST_CASE("a domain that does not fit together ends in one line that says why", "[pipeline][meso][bad]") {
    const MesoInput input;
    write_kernel_file(input.folder / "a.json", test::simple_cubic(3), "a");
    write_kernel_file(input.folder / "b.json", test::alternating_chain(), "b");
    write_kernel_file(input.folder / "drift.json", test::random_nonreversible(4, 1), "drift");
    input.put("labels.raw", std::string(63, '\0'));
    const std::string a = "[meso]\nsize = [4, 4, 4]\nunit = \"cells\"\ntotal_time_ps = "
                          "20\n[[meso.material]]\nname = \"a\"\nkernel = \"a.json\"\n";
    const auto refused = [&](const std::string& text, std::vector<std::string> set = {}) {
        try {
            (void)run_meso(input.config(text, set));
        } catch (const Error& error) {
            return std::string(error.what());
        }
        return std::string("accepted");
    };
    CHECK_THAT(refused(a + "[[meso.material]]\nname = \"b\"\nkernel = \"b.json\"\n"),
               contains_text("2 sites per cell, \"a\" has 1"));
    CHECK_THAT(refused(a + "[[meso.region]]\nshape = \"box\"\nmaterials = [\"a\"]\nlo_nm = [90, 0, 0]\n"),
               contains_text("meso.region.0") && contains_text("outside of the domain"));
    CHECK_THAT(
        refused(a + "[[meso.region]]\nshape = \"voxels\"\nmaterials = [\"a\"]\nfile = \"labels.raw\"\n"),
        contains_text("expected 64 bytes") && contains_text("got 63"));
    CHECK_THAT(
        refused(a, {"meso.material.0.kernel=drift.json", "meso.faces_a=[\"reflecting\",\"reflecting\"]"}),
        contains_text("without detailed balance"));
    CHECK_THAT(refused(a, {"meso.size=[200000,200000,2]", "meso.faces_a=[\"reflecting\",\"reflecting\"]"}),
               contains_text("GB of memory"));
    CHECK_THAT(refused(a, {"meso.walkers.n=1000000000", "meso.walkers.n_origins=100"}),
               contains_text("GB of memory"));
    CHECK_THAT(
        refused(a + "[meso.field]\nengine = \"bloch\"\n", {"meso.faces_a=[\"reflecting\",\"reflecting\"]"}),
        contains_text("periodic crystal"));
    CHECK_THAT(refused(a, {"meso.material.0.scale=2"}),
               contains_text("accepted")); // a shorter lag makes room for it
}
