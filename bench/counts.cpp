// Transition counts at ten lags of 156 ions over 600 000 frames (30 ns every 50 fs), from events, against
// numpy.bincount per ion on the frame-by-frame site sequence. One thread. Usage: bench_counts [PYTHON]
// (default /usr/bin/python3).
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>

#include "mesolith/core/parallel.hpp"
#include "mesolith/msm/transition_counts.hpp"

#include "clock.hpp"

using namespace mesolith;

namespace {

constexpr std::size_t n_ions = 156;
constexpr int n_sites = 156;
constexpr std::int64_t n_frames = 600'000;
const std::vector<std::int64_t> lags{1, 2, 5, 10, 20, 50, 100, 200, 500, 1000};

} // namespace

int main(int argc, char** argv) {
    const std::string python = argc > 1 ? argv[1] : "/usr/bin/python3";
    // A ring of sites; an ion waits 45 frames on average (2.1 million stays in all, as in 30 ns of Li13Si4).
    SiteSet sites;
    sites.cell = sites.basis.cell = Cell(Mat3(Vec3(3.0 * n_sites, 10, 10).asDiagonal()));
    for (int s = 0; s < n_sites; ++s) {
        sites.fractional.push_back(Vec3(static_cast<double>(s) / n_sites, 0, 0));
        sites.basis.positions.push_back(Vec3(3.0 * s, 0, 0));
        sites.base.push_back(SiteId(s));
        sites.offset.push_back(IVec3::Zero());
    }
    SiteTrajectory trajectory;
    trajectory.n_frames = n_frames;
    trajectory.frame_interval = 0.05;
    const auto folder = std::filesystem::temp_directory_path() / "mesolith-bench-counts";
    std::filesystem::create_directories(folder);
    const auto file = folder / "sites.u8";
    {
        std::ofstream out(file, std::ios::binary);
        std::mt19937_64 random(1);
        std::geometric_distribution<int> wait(1.0 / 45);
        std::string sequence(n_frames, '\0');
        for (std::size_t k = 0; k < n_ions; ++k) {
            int site = static_cast<int>(k), cell = 0;
            for (std::int64_t t = 0; t < n_frames;) {
                trajectory.events.push_back({static_cast<std::int32_t>(t), SiteId(site), IVec3(cell, 0, 0)});
                const std::int64_t end = std::min<std::int64_t>(n_frames, t + 1 + wait(random));
                std::fill(sequence.begin() + t, sequence.begin() + end, static_cast<char>(site));
                t = end;
                site += random() % 2 ? 1 : -1;
                if (site < 0 || site >= n_sites) {
                    cell += site < 0 ? -1 : 1;
                    site = (site + n_sites) % n_sites;
                }
            }
            trajectory.offsets.push_back(trajectory.events.size());
            out.write(sequence.data(), n_frames);
        }
    }
    const std::vector<std::int64_t> frames{n_frames};
    double ours = 0;
    std::int64_t windows = 0;
    with_threads(1, [&] {
        for (int repeat = 0; repeat < 3; ++repeat) {
            const double start = seconds();
            const auto counts =
                count_transitions({trajectory}, sites, lags, cut_into_blocks(frames, n_frames / 40));
            const double time = seconds() - start;
            if (repeat == 0 || time < ours) ours = time;
            windows = 0;
            for (const TransitionCounts& c : counts)
                for (const std::int64_t n : c.total) windows += n;
        }
    });
    std::string list;
    for (const std::int64_t lag : lags) list += " " + std::to_string(lag);
    const auto result = folder / "numpy.txt";
    const std::string command = "OMP_NUM_THREADS=1 " + python + " " + std::string(MESOLITH_SOURCE_DIR) +
                                "/bench/counts_numpy.py " + file.string() + " " + std::to_string(n_ions) +
                                " " + std::to_string(n_sites) + list + " > " + result.string();
    if (std::system(command.c_str()) != 0) {
        std::fprintf(stderr, "bench_counts: numpy baseline failed: %s\n", command.c_str());
        return 1;
    }
    double theirs = 0;
    std::int64_t their_windows = 0;
    std::ifstream(result) >> theirs >> their_windows;
    std::filesystem::remove_all(folder);
    if (windows != their_windows) {
        std::fprintf(stderr, "bench_counts: %lld windows counted, numpy has %lld\n",
                     static_cast<long long>(windows), static_cast<long long>(their_windows));
        return 1;
    }
    std::printf("counts, %zu ions x %lld frames, %zu lags, 40 time blocks: %.3f s for %zu stays; "
                "numpy.bincount per ion %.3f s; ratio %.1f\n",
                n_ions, static_cast<long long>(n_frames), lags.size(), ours, trajectory.events.size(), theirs,
                theirs / ours);
}
