#include <cmath>
#include <filesystem>
#include <fstream>

#include <fmt/format.h>

#include "mesolith/core/parallel.hpp"
#include "mesolith/crystal/symmetry.hpp"
#include "mesolith/io/file.hpp"
#include "mesolith/msm/pooling.hpp"
#include "mesolith/pipeline/check.hpp"
#include "mesolith/pipeline/stages.hpp"
#include "mesolith/pipeline/summary.hpp"

#include "support/catch.hpp"
#include "support/temporary_folder.hpp"

using namespace mesolith;
using mesolith::test::TemporaryFolder;
namespace fs = std::filesystem;

namespace {

/// 8 sites (simple cubic, spacing 3 A) in a cube of 6 A, Si in the middles. Four Li stand exactly on sites:
/// each hops by one site along +x every 10 frames, ion k for the first time at frame 10 - k; Li 3 goes along
/// -y instead.
struct MarchOptions {
    int n_frames = 200;
    double scale = 1;          ///< of the cell
    Vec3 start = Vec3::Zero(); ///< of all atoms
    Vec3 drift = Vec3::Zero(); ///< of all atoms per frame
};

int hops_of(int ion, int frame) { return (frame + ion) / 10; }

void write_march(const std::string& path, const MarchOptions& o = {}) {
    std::ofstream file(path);
    for (int t = 0; t < o.n_frames; ++t) {
        file << "12\nLattice=\"" << 6 * o.scale << " 0 0 0 " << 6 * o.scale << " 0 0 0 " << 6 * o.scale
             << "\" Properties=species:S:1:pos:R:3\n";
        const auto atom = [&](const char* species, Vec3 r) {
            r = o.scale * r + o.start + t * o.drift;
            file << fmt::format("{} {:.12f} {:.12f} {:.12f}\n", species, r[0], r[1], r[2]);
        };
        for (int k = 0; k < 4; ++k) {
            const double moved = 3.0 * hops_of(k, t);
            atom("Li", Vec3(0, 3 * (k % 2), 3 * (k / 2)) + (k < 3 ? Vec3(moved, 0, 0) : Vec3(0, -moved, 0)));
        }
        for (int k = 0; k < 8; ++k)
            atom("Si", Vec3(1.5 + 3 * (k % 2), 1.5 + 3 * (k / 2 % 2), 1.5 + 3 * (k / 4)));
    }
}

void write_crystal(const std::string& path) {
    std::ofstream(path) << "cubic\n1.0\n3 0 0\n0 3 0\n0 0 3\nLi Si\n1 1\nDirect\n0 0 0\n0.5 0.5 0.5\n";
}

Config config_of(const TemporaryFolder& folder, std::vector<std::string> set = {}) {
    const std::string text =
        "[[trajectory]]\nfile = \"md.xyz\"\nframe_interval_ps = 0.5\nwrapping = \"unwrapped\"\n"
        "[sites]\nstructure = \"crystal.POSCAR\"\n"
        "[msm]\nlag_times_ps = [1, 2, 5]\nfit_window_ps = [2, 10]\nbootstrap_samples = 12\n"
        "[meso]\nsize = [4, 4, 4]\nunit = \"cells\"\ntotal_time_ps = 50\n"
        "n_outputs = 5\n[meso.walkers]\nn = 200\n[meso.field]\nwidth_nm = 0.5\n";
    set.push_back("run.output=\"" + (folder / "out") + "\"");
    return parse_config(text, folder / "in.toml", {set, true});
}

struct March : TemporaryFolder {
    explicit March(const MarchOptions& options = {}) {
        write_crystal(*this / "crystal.POSCAR");
        write_march(*this / "md.xyz", options);
    }
    StoredTrajectory trajectory(int k = 0) const {
        return read_trajectory(
            Hdf5File::open(*this / "out/sites.h5").group(fmt::format("trajectories/{}", k)));
    }
    StoredSites sites() const { return read_sites(Hdf5File::open(*this / "out/sites.h5").group("sites")); }
};

/// Every event of the march, from its formula: which ion stands where from which frame on.
void check_events(const StoredTrajectory& t, const StoredSites& stored, int n_frames) {
    REQUIRE(t.trajectory.n_frames == n_frames);
    REQUIRE(t.trajectory.n_ions() == 4);
    for (int k = 0; k < 4; ++k) {
        const auto events = t.trajectory.of_ion(static_cast<std::size_t>(k));
        REQUIRE(events.size() == static_cast<std::size_t>(hops_of(k, n_frames - 1)) + 1);
        const auto place = [&](const SiteEvent& e) -> Vec3 {
            return stored.sites.position(e.site) + stored.sites.cell.to_cartesian(e.cell.cast<double>());
        };
        for (std::size_t e = 1; e < events.size(); ++e) {
            CHECK(events[e].frame == 10 * static_cast<int>(e) - k);
            const Vec3 step = place(events[e]) - place(events[e - 1]);
            CHECK((step - (k < 3 ? Vec3(3, 0, 0) : Vec3(0, -3, 0))).norm() < 1e-9);
        }
    }
}

} // namespace

TEST_CASE("the events of a known march are those of its formula, whatever the framework does",
          "[pipeline][sites]") {
    MarchOptions options;
    SECTION("at rest") {}
    SECTION("shifted") { options.start = Vec3(0.7, -0.4, 1.1); }
    SECTION("drifting by 40 A") { options.drift = Vec3(0.2, -0.1, 0.05); }
    const March run(options);
    const Config config = config_of(run);
    CHECK(run_sites(config) == StageOutcome::done);
    const StoredTrajectory t = run.trajectory();
    check_events(t, run.sites(), 200);
    CHECK(run.sites().sites.basis.size() == 1);
    CHECK(t.diagnostics.nearest_changes ==
          hops_of(0, 199) + hops_of(1, 199) + hops_of(2, 199) + hops_of(3, 199));
    // The MSD of 10 frames is one hop for everybody: 9 A^2 along x for three ions, along y for one.
    const auto at = std::find(t.msd.lag_frames.begin(), t.msd.lag_frames.end(), 10);
    REQUIRE(at != t.msd.lag_frames.end());
    Vec3 sum = Vec3::Zero();
    std::int64_t count = 0;
    for (std::size_t bin = 0; bin < t.msd.n_bins(); ++bin) {
        const std::size_t cell =
            bin * t.msd.n_lags() + static_cast<std::size_t>(at - t.msd.lag_frames.begin());
        count += t.msd.count[cell];
        for (std::size_t a = 0; a < 3; ++a) sum[static_cast<int>(a)] += t.msd.sum[3 * cell + a];
    }
    // All four together, against the framework, whatever that does.
    REQUIRE(t.collective);
    REQUIRE(t.collective->sum.size() == 200);
    for (int frame = 0; frame < 200; ++frame) {
        const Vec3 expected(3 * (hops_of(0, frame) + hops_of(1, frame) + hops_of(2, frame)),
                            -3 * hops_of(3, frame), 0);
        CHECK((t.collective->sum[static_cast<std::size_t>(frame)] - expected).norm() < 1e-7);
    }
    CHECK(count == 190 * 4);
    CHECK((sum / static_cast<double>(count) - Vec3(9 * 0.75, 9 * 0.25, 0)).norm() < 1e-8);
}

TEST_CASE("time ranges and strides are counted from the start of the file", "[pipeline][sites]") {
    const March run;
    run_sites(config_of(run, {"trajectory.discard_ps=10", "trajectory.end_ps=49.5", "trajectory.stride=2"}));
    const StoredTrajectory t = run.trajectory();
    CHECK(t.first_frame == 20);
    CHECK(t.trajectory.n_frames == 40); // frames 20, 22, ..., 98
    CHECK(t.trajectory.frame_interval == 1.0);
    CHECK(t.continuity.frames_read >= 79);
}

TEST_CASE("replicas in a strained and shifted box share the sites of the first", "[pipeline][sites]") {
    const March run;
    write_march(run / "b.xyz",
                {.n_frames = 150, .scale = 1.01, .start = Vec3(0.5, 0.2, 0), .drift = Vec3::Zero()});
    const std::string text =
        "[[trajectory]]\nfile = \"md.xyz\"\nframe_interval_ps = 0.5\nwrapping = \"unwrapped\"\n"
        "[[trajectory]]\nfile = \"b.xyz\"\nframe_interval_ps = 0.5\nwrapping = \"unwrapped\"\n"
        "[sites]\nstructure = \"crystal.POSCAR\"\n"
        "[msm]\nlag_times_ps = [1, 2]\nfit_window_ps = [2, 10]\nbootstrap_samples = 12\n"
        "[run]\noutput = \"" +
        (run / "out") + "\"\n";
    const Config config = parse_config(text, run / "in.toml");
    run_sites(config);
    check_events(run.trajectory(0), run.sites(), 200);
    check_events(run.trajectory(1), run.sites(), 150);

    // Counts of both are in the model, and none from one into the other.
    CHECK(run_msm(config) == StageOutcome::done);
    const TransitionCounts c = read_counts(Hdf5File::open(run / "out/msm.h5").group("lags/0/counts"));
    std::int64_t windows = 0;
    for (const std::int64_t n : c.total) windows += n;
    CHECK(windows == 4 * (198 + 148));

    // A replica with another time step cannot be added.
    const Config mixed = parse_config(text, run / "in.toml", {{"trajectory.1.frame_interval_ps=0.25"}, true});
    CHECK_THROWS_AS(run_sites(mixed), InputError);
    const Config strided = parse_config(
        text, run / "in.toml", {{"trajectory.1.frame_interval_ps=0.25", "trajectory.1.stride=2"}, true});
    CHECK(run_sites(strided) == StageOutcome::done);
    CHECK(run.trajectory(1).trajectory.n_frames == 75);
}

TEST_CASE("a replica whose crystal lies otherwise in its box is refused", "[pipeline][sites][bad]") {
    const TemporaryFolder run;
    std::ofstream(run / "crystal.POSCAR")
        << "tetragonal\n1.0\n3 0 0\n0 3 0\n0 0 4\nLi Si\n1 1\nDirect\n0 0 0\n0.5 0.5 0.4\n";
    const auto write_still = [&](const std::string& name, bool turned) { // x and z exchanged
        std::ofstream file(run / name);
        for (int t = 0; t < 20; ++t) {
            file << "16\nLattice=\"" << (turned ? "8 0 0 0 6 0 0 0 6" : "6 0 0 0 6 0 0 0 8")
                 << "\" Properties=species:S:1:pos:R:3\n";
            for (int k = 0; k < 16; ++k) {
                const Vec3 middle = k < 8 ? Vec3(0, 0, 0) : Vec3(1.5, 1.5, 1.6);
                Vec3 r = Vec3(3 * (k % 2), 3 * (k / 2 % 2), 4 * (k / 4 % 2)) + middle;
                if (turned) std::swap(r[0], r[2]);
                file << (k < 8 ? "Li " : "Si ") << r[0] << " " << r[1] << " " << r[2] << "\n";
            }
        }
    };
    write_still("a.xyz", false);
    write_still("b.xyz", false);
    write_still("turned.xyz", true);
    const std::string text =
        "[[trajectory]]\nfile = \"a.xyz\"\nframe_interval_ps = 0.5\n[[trajectory]]\nfile = "
        "\"b.xyz\"\nframe_interval_ps = 0.5\n[sites]\nstructure = \"crystal.POSCAR\"\n[run]\noutput "
        "= \"" +
        (run / "out") + "\"\n";
    CHECK(run_sites(parse_config(text, run / "in.toml")) == StageOutcome::done);
    CHECK(run_sites(parse_config(text, run / "in.toml", {{"trajectory.file=turned.xyz"}, true})) ==
          StageOutcome::done);
    try {
        run_sites(parse_config(text, run / "in.toml", {{"trajectory.1.file=turned.xyz"}, true}));
        FAIL("accepted");
    } catch (const InputError& error) {
        CHECK(std::string(error.what()).find("another orientation") != std::string::npos);
    }
}

TEST_CASE("averaged positions of ions that stay are their sites", "[pipeline][sites]") {
    const March run;
    // Until frame 6 nobody has moved.
    const Config config = config_of(
        run, {"sites.source=averaged", "sites.structure=\"\"", "trajectory.end_ps=3", "sites.folding=none"});
    run_sites(config);
    const StoredSites stored = run.sites();
    REQUIRE(stored.sites.size() == 4);
    for (std::size_t k = 0; k < 4; ++k) {
        Vec3 off = stored.sites.position(SiteId(static_cast<std::int64_t>(k))) -
                   Vec3(0, 3. * static_cast<double>(k % 2), 3. * static_cast<double>(k / 2));
        off = stored.sites.cell.minimum_image(off);
        CHECK(off.norm() < 1e-9);
    }
    CHECK(stored.framework_positions.size() == 8);
}

TEST_CASE("the density of a march has the sites it visits, and every hop is found on them",
          "[pipeline][sites][density]") {
    const std::string method = GENERATE("nearest", "core", "watershed");
    const March run(
        {.n_frames = 200, .scale = 1, .start = Vec3(0.7, -0.4, 1.1), .drift = Vec3(0.2, -0.1, 0.05)});
    run_sites(config_of(run, {"sites.source=density", "sites.structure=\"\"", "sites.folding=none",
                              "sites.assignment=" + method, "sites.core_radius_angstrom=0.5"}));
    const StoredSites stored = run.sites();
    REQUIRE(stored.sites.size() == 7); // of 8: nobody goes to (3, 3, 3)
    CHECK(stored.framework_positions.size() == 8);
    const DensitySites density =
        read_density_sites(Hdf5File::open(run / "out/sites.h5").group("sites/density"));
    CHECK(density.statement.find("7 of 7 sites are certain") == 0);
    CHECK(density.outside_fraction == 0);
    double ions = 0;
    for (const DensitySite& s : density.sites) ions += s.occupancy;
    CHECK(ions == Approx(4));

    const StoredTrajectory t = run.trajectory();
    for (int k = 0; k < 4; ++k) {
        const auto events = t.trajectory.of_ion(static_cast<std::size_t>(k));
        REQUIRE(events.size() == static_cast<std::size_t>(hops_of(k, 199)) + 1);
        for (std::size_t e = 0; e < events.size(); ++e) {
            if (e > 0) CHECK(events[e].frame == 10 * static_cast<int>(e) - k);
            const double moved = 3 * static_cast<double>(e);
            const Vec3 at = Vec3(0, 3 * (k % 2), 3 * (k / 2)) + Vec3(0.7, -0.4, 1.1) +
                            (k < 3 ? Vec3(moved, 0, 0) : Vec3(0, -moved, 0));
            const Vec3 site = stored.sites.position(events[e].site) +
                              stored.sites.cell.to_cartesian(events[e].cell.cast<double>());
            CHECK((site - at).norm() < 0.2); // an ion that never rattles may stand on the edge of a voxel
        }
    }
}

TEST_CASE("a replica is registered on the density sites of the first trajectory",
          "[pipeline][sites][density]") {
    const March run;
    write_march(run / "b.xyz",
                {.n_frames = 150, .scale = 1.01, .start = Vec3(0.5, 0.2, 0), .drift = Vec3::Zero()});
    const std::string text =
        "[[trajectory]]\nfile = \"md.xyz\"\nframe_interval_ps = 0.5\nwrapping = \"unwrapped\"\n"
        "[[trajectory]]\nfile = \"b.xyz\"\nframe_interval_ps = 0.5\nwrapping = \"unwrapped\"\n"
        "[sites]\nsource = \"density\"\nassignment = \"watershed\"\nfolding = \"none\"\n[run]\noutput = \"" +
        (run / "out") + "\"\n";
    run_sites(parse_config(text, run / "in.toml"));
    CHECK(run.sites().sites.size() == 7);
    for (int replica = 0; replica < 2; ++replica) {
        const StoredTrajectory t = run.trajectory(replica);
        std::size_t hops = 0;
        for (std::size_t k = 0; k < 4; ++k) hops += t.trajectory.of_ion(k).size() - 1;
        std::size_t expected = 0;
        for (int k = 0; k < 4; ++k)
            expected += static_cast<std::size_t>(hops_of(k, replica == 0 ? 199 : 149));
        CHECK(hops == expected);
    }
}

TEST_CASE("densities without sites are input errors that name the trajectory",
          "[pipeline][sites][density][bad]") {
    const March run;
    const auto message = [&](const std::string& set) {
        try {
            run_sites(config_of(run, {"sites.source=density", "sites.structure=\"\"", set}));
        } catch (const InputError& error) {
            return std::string(error.what());
        }
        return std::string("accepted");
    };
    CHECK(
        message("sites.density_threshold=1e9").find("md.xyz: [sites] source = \"density\" finds no sites") !=
        std::string::npos);
    CHECK(message("sites.density_spacing_angstrom=0.001").find("voxels") != std::string::npos);
    CHECK(message("trajectory.end_ps=0.4").find("at least two frames") != std::string::npos);
}

TEST_CASE("a stage with nothing new to do is skipped, and only that", "[pipeline]") {
    const March run;
    CHECK(run_sites(config_of(run)) == StageOutcome::done);
    CHECK(run_msm(config_of(run)) == StageOutcome::done);
    CHECK(run_meso(config_of(run)) == StageOutcome::done);
    CHECK(run_sites(config_of(run)) == StageOutcome::up_to_date);
    CHECK(run_msm(config_of(run)) == StageOutcome::up_to_date);
    CHECK(run_meso(config_of(run)) == StageOutcome::up_to_date);
    // Names and threads do not count; each option counts for its stage and those behind it.
    CHECK(run_sites(config_of(run, {"run.name=other", "run.threads=1"})) == StageOutcome::up_to_date);
    const std::vector<std::string> seed{"run.seed=5"};
    CHECK(run_sites(config_of(run, seed)) == StageOutcome::up_to_date);
    CHECK(run_msm(config_of(run, seed)) == StageOutcome::done);
    CHECK(run_meso(config_of(run, seed)) == StageOutcome::done);
    const std::vector<std::string> walkers{"run.seed=5", "meso.walkers.n=100"};
    CHECK(run_msm(config_of(run, walkers)) == StageOutcome::up_to_date);
    CHECK(run_meso(config_of(run, walkers)) == StageOutcome::done);
    // Another content of an input counts, its name does not.
    fs::rename(run / "md.xyz", run / "moved.xyz");
    CHECK(run_sites(config_of(run, {"trajectory.file=\"./moved.xyz\""})) == StageOutcome::done);
    write_march(run / "md.xyz", {.n_frames = 199, .scale = 1, .start = Vec3::Zero(), .drift = Vec3::Zero()});
    CHECK(run_sites(config_of(run)) == StageOutcome::done);
}

TEST_CASE("what the Markov stage stores is what its parts give", "[pipeline][msm]") {
    const March run;
    const Config config = config_of(run);
    run_sites(config);
    run_msm(config);
    const Hdf5File file = Hdf5File::open(run / "out/msm.h5");
    const StoredSites stored = run.sites();
    const SiteTrajectory t = run.trajectory().trajectory;
    const MarkovHeadline head = read_headline(file);
    REQUIRE(head.lags.size() == 3);
    for (std::size_t l = 0; l < 3; ++l) {
        const Hdf5Group lag = file.group(fmt::format("lags/{}", l));
        const TransitionCounts c = read_counts(lag.group("counts"));
        const std::vector<std::int64_t> lags{c.lag_frames};
        const auto fresh = count_transitions({t}, stored.sites, lags, {{0, 0, t.n_frames}});
        const TransitionCounts pooled = pool_counts(
            fresh.front(), site_symmetry(stored.sites.basis, stored.framework_species,
                                         stored.framework_positions, config.sites.symmetry_tolerance));
        CHECK(c.transitions == pooled.transitions);
        CHECK(c.total == pooled.total);
        const Kernel kernel = read_kernel(lag.group("kernel"), stored.sites.basis);
        CHECK((exact_transport(kernel).diffusivity - head.lags[l].diffusivity).norm() < 1e-14);
        CHECK(head.lags[l].lag_time == config.msm.lag_times[l]);
    }
    CHECK(read_chosen_kernel(file).lag_time == head.lags[head.chosen].lag_time);
    CHECK(head.fit_begin == 2);
    CHECK(head.checks.size() >= 4);
    REQUIRE(head.orbits.size() == 1);
    CHECK(head.orbits[0].occupancy == Approx(0.5).epsilon(1e-12)); // 4 ions on 8 sites
    CHECK(file.read<std::int64_t>("network/count").size() >= 2);
}

TEST_CASE("one and two threads write the same numbers", "[pipeline][parallel]") {
    const March run;
    const auto numbers = [&](int n) {
        const Config config =
            config_of(run, {fmt::format("run.output=\"{}\"", run / fmt::format("out{}", n))});
        Config at = config;
        at.run.output = run / fmt::format("out{}", n);
        with_threads(n, [&] {
            run_sites(at);
            run_msm(at);
            run_meso(at);
        });
        const Hdf5File msm = Hdf5File::open(RunFiles(at.run.output).msm);
        const Hdf5File meso = Hdf5File::open(RunFiles(at.run.output).meso);
        std::vector<double> all;
        for (const char* path : {"lags/1/kernel/p", "lags/1/diffusivity/error", "msd/raw", "msd/raw_error"})
            for (const double x : msm.read<double>(path)) all.push_back(x);
        for (const char* path : {"walkers/msd", "walkers/diffusivity/z", "field/profile", "field/spread"})
            for (const double x : meso.read<double>(path)) all.push_back(x);
        return all;
    };
    const auto one = numbers(1), two = numbers(2);
    REQUIRE(one.size() == two.size());
    for (std::size_t k = 0; k < one.size(); ++k)
        CHECK((one[k] == two[k] || (std::isnan(one[k]) && std::isnan(two[k]))));
}

TEST_CASE("results made from an older result are left out of the summary", "[pipeline]") {
    const March run;
    run_sites(config_of(run));
    run_msm(config_of(run));
    run_meso(config_of(run));
    RunSummary s = read_summary("x", run / "out");
    CHECK(s.markov);
    CHECK(s.meso);
    CHECK(s.files == std::vector<std::string>{"sites.h5", "msm.h5", "meso.h5", "walkers.h5md",
                                              "walkers.lammpstrj", "fields/field.pvd"});
    run_msm(config_of(run, {"run.seed=3"}));
    s = read_summary("x", run / "out");
    CHECK(s.markov);
    CHECK_FALSE(s.meso);
    run_sites(config_of(run, {"trajectory.stride=2"}));
    CHECK_FALSE(read_summary("x", run / "out").markov);
}

TEST_CASE("the summary names every check and its verdict", "[pipeline]") {
    RunSummary s;
    s.name = "a \"b\"";
    s.checks = {{"one", Verdict::pass, 0.5, 1, 2, "fine"},
                {"two", Verdict::fail, std::nan(""), 1, 2, "bad\nline"}};
    CHECK(s.verdict() == Verdict::fail);
    const std::string json = to_json(s);
    CHECK(json.find(R"("name": "a \"b\"")") != std::string::npos);
    CHECK(json.find(R"("verdict": "fail", "value": null)") != std::string::npos);
    CHECK(json.find(R"("text": "bad\nline")") != std::string::npos);
    CHECK(to_text(s).find("fail  two") != std::string::npos);
}

TEST_CASE("numbers are written with two digits of their error", "[pipeline]") {
    CHECK(with_error(0.020512, 0.00123) == "0.0205 ± 0.0012");
    CHECK(with_error(12.3456, 0.7) == "12.35 ± 0.70");
    CHECK(with_error(1234.5, 67) == "1234 ± 67");
    CHECK(with_error(2.05e-10, 1.2e-11) == "(2.05 ± 0.12)e-10");
    CHECK(with_error(-0.0003, 0.0006) == "-0.00030 ± 0.00060");
    CHECK(with_error(0, 0) == "0 ± ?");
    CHECK(with_error(1, std::nan("")) == "1 ± ?");
    CHECK(with_error(std::nan(""), 1) == "unknown");
}

TEST_CASE("an input without an msm section asks for the defaults of the analysis", "[pipeline]") {
    const MarkovSection m;
    const AnalysisOptions a;
    CHECK(m.lag_times == a.lag_times);
    CHECK(m.lag_time == a.chosen_lag);
    CHECK(m.estimator == Estimator::automatic); // resolved before the analysis
    CHECK(m.bootstrap_samples == a.bootstrap_samples);
    CHECK(m.block == a.block);
    CHECK(m.fit_window == std::array<double, 2>{a.fit_begin, a.fit_end});
    CHECK(m.chain_lengths == a.chain_lengths);
    CHECK(static_cast<std::size_t>(m.n_timescales) == a.n_timescales);
    CHECK(m.agreement_sigmas == a.agreement_sigmas);
    CHECK((m.fewest_hops == a.fewest_hops && m.plateau_level == a.plateau_level));
    CHECK((m.ck_warn == a.ck_warn && m.ck_fail == a.ck_fail && m.msd_warn == a.msd_warn &&
           m.msd_fail == a.msd_fail));
}

TEST_CASE("stages refuse what they cannot do, in words", "[pipeline][bad]") {
    const March run;
    CHECK_THROWS_AS(run_msm(config_of(run)), InputError); // no sites.h5 yet
    CHECK_THROWS_AS(run_meso(config_of(run)), InputError);
    run_sites(config_of(run));
    CHECK_THROWS_AS(run_msm(config_of(run, {"msm.lag_times_ps=[1,100]"})), InputError);
    CHECK_THROWS_AS(run_msm(config_of(run, {"msm.fit_window_ps=[1,100]"})), InputError);
    CHECK_THROWS_AS(run_msm(config_of(run, {"msm.stationary=[1,1]"})), InputError);
    CHECK_THROWS_AS(run_sites(config_of(run, {"ions.mobile=[\"Na\"]"})), InputError);
    CHECK_THROWS_AS(run_sites(config_of(run, {"trajectory.discard_ps=1e6"})), InputError);
    Config no_meso = config_of(run);
    no_meso.meso.reset();
    CHECK_THROWS_AS(run_meso(no_meso), InputError);
    // A stage that fails leaves the files as they were.
    CHECK_NOTHROW(read_sites(Hdf5File::open(run / "out/sites.h5").group("sites")));
}

TEST_CASE("check tells what a run takes and writes nothing", "[pipeline]") {
    const March run;
    const std::string text = check_run(config_of(run));
    CHECK(text.find("8 sites in the simulated cell, 1 per repeat unit") != std::string::npos);
    CHECK(text.find("4 Li, 8 Si; about 200 used frames every 0.5 ps") != std::string::npos);
    CHECK_FALSE(fs::exists(run / "out"));
    CHECK(describe_file(run / "md.xyz").find("frames     200") != std::string::npos);
}
