// A crystal whose kernel is known, written as a LAMMPS dump the way a real one looks (thermal noise, wrapped
// into a tilted box, the whole crystal drifting, atoms in scrambled order, numeric types), goes through every
// stage and gives its D back.
#include <algorithm>
#include <cmath>
#include <fstream>
#include <numeric>
#include <random>

#include <Eigen/LU>
#include <fmt/format.h>

#include "mesolith/io/hdf5.hpp"
#include "mesolith/msm/transport.hpp"
#include "mesolith/pipeline/analysis_file.hpp"
#include "mesolith/pipeline/stages.hpp"

#include "support/catch.hpp"
#include "support/kernels.hpp"
#include "support/synthetic.hpp"
#include "support/temporary_folder.hpp"

using namespace mesolith;
using namespace mesolith::test;

namespace {

const IVec3 cells(2, 2, 2);
constexpr std::size_t n_frames = 1200, n_ions = 156;
constexpr std::int64_t steps_per_frame = 1000; // of 0.002 ps: a frame every lag of 2 ps

/// LAMMPS wants a along x and b in the xy plane: the crystal turned, as Q r with the same fractional
/// coordinates.
Mat3 lammps_box(const Mat3& A) {
    const Vec3 a = A.row(0), b = A.row(1), c = A.row(2);
    Mat3 box = Mat3::Zero();
    box(0, 0) = a.norm();
    box(1, 0) = b.dot(a) / a.norm();
    box(1, 1) = std::sqrt(b.squaredNorm() - box(1, 0) * box(1, 0));
    box(2, 0) = c.dot(a) / a.norm();
    box(2, 1) = (b.dot(c) - box(1, 0) * box(2, 0)) / box(1, 1);
    box(2, 2) = std::sqrt(c.squaredNorm() - box(2, 0) * box(2, 0) - box(2, 1) * box(2, 1));
    return box;
}

void write_poscar(const std::string& path, const SiteBasis& basis) {
    std::ofstream out(path);
    out << "grid\n1.0\n" << basis.cell.vectors() << "\nLi Si\n26 1\nDirect\n";
    out.precision(12);
    for (int i = 0; i < 27; ++i) out << grid_place(i).transpose() << "\n";
}

void write_dump(const std::string& path, const Kernel& kernel, std::uint64_t seed) {
    const auto places = walk(kernel, n_ions, n_frames, seed);
    const Cell crystal(cells.cast<double>().asDiagonal() * kernel.basis.cell.vectors());
    const Cell box(lammps_box(crystal.vectors()));
    const Mat3& b = box.vectors();
    const Vec3 origin(-3.7, 11.2, 0.4);
    std::mt19937_64 random(seed);
    std::normal_distribution<double> noise(0, 0.25);
    std::vector<Vec3> ideal; // framework, Cartesian in the crystal's own setting
    for (int x = 0; x < cells[0]; ++x)
        for (int y = 0; y < cells[1]; ++y)
            for (int z = 0; z < cells[2]; ++z)
                ideal.push_back(kernel.basis.cell.to_cartesian(grid_place(26) + Vec3(x, y, z)));
    const std::size_t n_atoms = n_ions + ideal.size();
    std::vector<std::size_t> order(n_atoms);
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ofstream out(path);
    for (std::size_t t = 0; t < n_frames; ++t) {
        std::shuffle(order.begin(), order.end(), random);
        const double x_tilt[] = {0.0, b(1, 0), b(2, 0), b(1, 0) + b(2, 0)}, y_tilt[] = {0.0, b(2, 1)};
        out << fmt::format(
            "ITEM: TIMESTEP\n{}\nITEM: NUMBER OF ATOMS\n{}\nITEM: BOX BOUNDS xy xz yz pp pp pp\n",
            steps_per_frame * static_cast<std::int64_t>(t), n_atoms);
        out << fmt::format("{:.10f} {:.10f} {:.10f}\n{:.10f} {:.10f} {:.10f}\n{:.10f} {:.10f} {:.10f}\n",
                           origin[0] + *std::min_element(x_tilt, x_tilt + 4),
                           origin[0] + b(0, 0) + *std::max_element(x_tilt, x_tilt + 4), b(1, 0),
                           origin[1] + *std::min_element(y_tilt, y_tilt + 2),
                           origin[1] + b(1, 1) + *std::max_element(y_tilt, y_tilt + 2), b(2, 0), origin[2],
                           origin[2] + b(2, 2), b(2, 1));
        out << "ITEM: ATOMS id type x y z\n";
        const Vec3 drift = 0.01 * static_cast<double>(t) * Vec3(1, -0.5, 0.3) + Vec3(0.7, 0.2, -0.4);
        for (const std::size_t id : order) {
            const bool mobile = id < n_ions;
            Vec3 r = mobile ? position(places[t][id], kernel.basis) : ideal[id - n_ions];
            r += drift + Vec3(noise(random), noise(random), noise(random));
            Vec3 f = crystal.to_fractional(r);
            f -= Vec3(f.array().floor());
            const Vec3 x = box.to_cartesian(f) + origin;
            out << fmt::format("{} {} {:.6f} {:.6f} {:.6f}\n", id + 1, mobile ? 1 : 2, x[0], x[1], x[2]);
        }
    }
}

} // namespace

TEST_CASE("a wrapped, drifting, scrambled dump of a known kernel gives its diffusivity back on all axes",
          "[pipeline][synthetic]") {
    const TemporaryFolder folder;
    const Kernel truth = grid_crystal(5);
    write_poscar(folder / "crystal.POSCAR", truth.basis);
    write_dump(folder / "md.lammpstrj", truth, 17);
    const std::string toml = folder.file("run.toml", fmt::format(R"(
[run]
output = "{}"
[[trajectory]]
file = "md.lammpstrj"
timestep_ps = 0.002
types = {{ 1 = "Li", 2 = "Si" }}
[ions]
mobile = ["Li"]
[sites]
structure = "crystal.POSCAR"
[msm]
lag_times_ps = [2, 4, 8]
pooling = "none"
fit_window_ps = [16, 40]
bootstrap_samples = 80
)",
                                                                 folder / "out"));
    const Config config = read_config(toml);
    CHECK(run_sites(config) == StageOutcome::done);
    CHECK(run_msm(config) == StageOutcome::done);
    CHECK(run_sites(config) == StageOutcome::up_to_date);
    CHECK(run_msm(config) == StageOutcome::up_to_date);

    const Hdf5File file = Hdf5File::open(RunFiles(config.run.output).msm);
    const MarkovHeadline result = read_headline(file);
    // The trajectory is turned as LAMMPS wants it: turn the tensor of the truth with it.
    const Mat3 A = truth.basis.cell.vectors(), turned = lammps_box(A);
    const Mat3 Q = A.inverse() * turned; // rows: r^T -> r^T Q
    const Mat3 exact = Q.transpose() * exact_transport(truth).diffusivity * Q;
    REQUIRE(result.lags.size() == 3);
    for (const LagHeadline& lag : result.lags)
        for (int axis = 0; axis < 3; ++axis) {
            INFO("lag " << lag.lag_time << " ps, axis " << axis << ": " << lag.diffusivity(axis, axis)
                        << " +- " << lag.error(axis, axis) << ", exact " << exact(axis, axis));
            CHECK(std::abs(lag.diffusivity(axis, axis) - exact(axis, axis)) < 3 * lag.error(axis, axis));
            CHECK(lag.error(axis, axis) < 0.1 * exact(axis, axis));
        }
    const auto msd = exact_msd(truth, {8, 20}); // what the fit window of 16 to 40 ps sees, transient and all
    const Mat3 slope = Q.transpose() * (msd[1] - msd[0]) * Q / (2 * 24.0);
    for (int axis = 0; axis < 3; ++axis)
        CHECK(std::abs(result.slope.diffusivity[axis] - slope(axis, axis)) < 4 * result.slope.error[axis]);

    // And the kernel itself: every hop between the right sites, R included (sites may be numbered anew).
    const Kernel found = read_chosen_kernel(file);
    REQUIRE(found.n_sites() == 26);
    std::size_t missing = 0;
    for (std::size_t j = 0; j < 26; ++j)
        for (const KernelEntry& e : truth.from(j)) {
            if (e.p < 0.01) continue;
            const Vec3 d = Q.transpose() * truth.displacement(j, e);
            bool seen = false;
            for (std::size_t k = 0; k < 26 && !seen; ++k)
                for (const KernelEntry& g : found.from(k))
                    seen = seen || ((found.displacement(k, g) - d).norm() < 1e-4 &&
                                    std::abs(g.p - e.p) < 0.1 * e.p + 0.005);
            if (!seen) UNSCOPED_INFO("site " << j << " to " << e.to << ", p = " << e.p);
            missing += !seen;
        }
    CHECK(missing == 0);
}
