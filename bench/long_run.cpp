// A run as long as published ones, 600 000 frames x 204 atoms (156 ions on 156 sites), streamed through
// unwrapping, site mapping, MSD and the whole analysis: time of each step and peak memory. Frames are made on
// the fly, wrapped and drifting. Usage: bench_long_run [frames]
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>

#include <sys/resource.h>

#include "mesolith/observables/msd.hpp"
#include "mesolith/pipeline/analysis.hpp"
#include "mesolith/sites/assign_sites.hpp"
#include "mesolith/trajectory/continuous.hpp"

#include "clock.hpp"

using namespace mesolith;

namespace {

double peak_megabytes() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return static_cast<double>(usage.ru_maxrss) / 1024;
}

/// 26 sites and a framework atom on a 3 x 3 x 3 grid in each of 3 x 2 x 1 cells; ions hop to a neighbour now
/// and then.
class Synthetic : public FrameSource {
public:
    static constexpr std::size_t n_ions = 156, n_atoms = 204;
    SiteSet sites;

    explicit Synthetic(std::int64_t n_frames) : n_frames_(n_frames), random_(1) {
        header_.format = "synthetic";
        header_.n_frames = n_frames;
        header_.frame_interval = 0.05;
        header_.wrapping = Wrapping::wrapped;
        for (std::size_t i = 0; i < n_atoms; ++i) header_.species.push_back(i < n_ions ? "Li" : "Si");
        sites.basis.cell = Cell((Mat3() << 9, 0, 0, 1.5, 9.5, 0, 0, -1, 10).finished());
        const IVec3 cells(3, 2, 1);
        sites.supercell = cells.asDiagonal().toDenseMatrix();
        sites.cell = Cell(cells.cast<double>().asDiagonal() * sites.basis.cell.vectors());
        for (int i = 0; i < 26; ++i) {
            sites.basis.positions.push_back(sites.basis.cell.to_cartesian(place(i)));
            sites.basis.orbit.push_back(0);
            sites.basis.name.push_back("Li1." + std::to_string(i + 1));
        }
        for (int x = 0; x < 3; ++x)
            for (int y = 0; y < 2; ++y)
                for (int i = 0; i < 26; ++i) {
                    sites.fractional.push_back(
                        (place(i) + Vec3(x, y, 0)).cwiseQuotient(cells.cast<double>()));
                    sites.base.push_back(SiteId(i));
                    sites.offset.push_back(IVec3(x, y, 0));
                    at_.push_back({i, IVec3(x, y, 0)});
                }
    }
    const TrajectoryHeader& header() const override { return header_; }
    double fraction_read() const override {
        return static_cast<double>(frame_) / static_cast<double>(n_frames_);
    }

    bool read(Frame& frame) override {
        if (frame_ == n_frames_) return false;
        frame.index = frame_;
        frame.time = 0.05 * static_cast<double>(frame_);
        frame.cell = sites.cell;
        frame.positions.resize(n_atoms);
        frame.images.clear();
        const Vec3 drift = 1e-5 * static_cast<double>(frame_) * Vec3(1, -1, 0.5);
        for (std::size_t k = 0; k < n_atoms; ++k) {
            if (k < n_ions && random_() % 40 == 0) hop(at_[k]);
            const Vec3 r = k < n_ions
                               ? sites.basis.positions[static_cast<std::size_t>(at_[k].site)] +
                                     sites.basis.cell.to_cartesian(at_[k].cell.cast<double>())
                               : sites.basis.cell.to_cartesian(Vec3(0.7, 0.7, 0.7) +
                                                               Vec3::Constant(0.01 * static_cast<double>(k)));
            Vec3 f = sites.cell.to_fractional(r + drift + Vec3(noise(), noise(), noise()));
            f -= Vec3(f.array().floor());
            frame.positions[k] = sites.cell.to_cartesian(f);
        }
        ++frame_;
        return true;
    }

private:
    struct Place {
        int site;
        IVec3 cell;
    };
    static Vec3 place(int i) { return Vec3((i / 9 + 0.1) / 3, (i / 3 % 3 + 0.1) / 3, (i % 3 + 0.1) / 3); }
    double noise() { return (static_cast<double>(random_() >> 11) * 0x1p-53 - 0.5) * 0.9; }

    void hop(Place& p) {
        const int axis = static_cast<int>(random_() % 3), way = random_() % 2 ? 1 : -1;
        IVec3 grid(p.site / 9, p.site / 3 % 3, p.site % 3), cell = p.cell;
        grid[axis] += way;
        if (grid[axis] < 0 || grid[axis] > 2) {
            grid[axis] -= 3 * way;
            cell[axis] += way;
        }
        const int site = grid[0] * 9 + grid[1] * 3 + grid[2];
        if (site < 26) p = {site, cell};
    }

    TrajectoryHeader header_;
    std::int64_t n_frames_, frame_ = 0;
    std::vector<Place> at_;
    std::mt19937_64 random_;
};

} // namespace

int main(int argc, char** argv) {
    const std::int64_t n_frames = argc > 1 ? std::atoll(argv[1]) : 600'000;
    double start = seconds();
    {
        Synthetic source(n_frames);
        Frame frame;
        while (source.read(frame)) {
        }
    }
    const double making = seconds() - start;
    Synthetic source(n_frames);
    ContinuousOptions options;
    options.mobile = {"Li"};
    ContinuousTrajectory trajectory(source, options);
    SiteMapper mapper(source.sites, {}, Synthetic::n_ions, 0.05);
    MsdAccumulator msd(msd_lags(800, 40, 100, 400), Synthetic::n_ions, 0.05);
    start = seconds();
    Frame frame;
    while (trajectory.read(frame)) {
        const std::span<const Vec3> ions(frame.positions.data(), Synthetic::n_ions);
        mapper.add_frame(ions);
        msd.add_frame(ions);
    }
    const double mapping = seconds() - start - making;
    std::vector<SiteTrajectory> events{mapper.finish()};
    std::vector<MsdSums> sums{msd.finish()};
    std::printf("%lld frames x %zu atoms: unwrapping, sites and MSD %.1f s (making the frames took %.1f s), "
                "%zu events, peak %.0f MB\n",
                static_cast<long long>(n_frames), Synthetic::n_atoms, mapping, making,
                events[0].events.size(), peak_megabytes());
    start = seconds();
    const MarkovAnalysis analysis = analyse(events, source.sites, sums, {});
    const Mat3& D = analysis.lags[analysis.chosen].transport.diffusivity;
    std::printf("analysis of 5 lags with 200 resamplings: %.1f s; D %.4f %.4f %.4f A^2/ps; peak %.0f MB "
                "(must stay below 1024)\n",
                seconds() - start, D(0, 0), D(1, 1), D(2, 2), peak_megabytes());
}
