// Reading a trajectory of 204 atoms as a LAMMPS dump, extended xyz, XDATCAR (100 MB each) and the first again
// gzipped, one thread, against ASE's readers on the same files in the same run. Memory: what the reading
// process needs beyond its start. Usage: bench_readers [MB] [PYTHON] (default 100, /usr/bin/python3)
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mesolith/io/file.hpp"
#include "mesolith/io/trajectory_file.hpp"
#include "mesolith/trajectory/continuous.hpp"

#include "clock.hpp"

using namespace mesolith;

namespace {

constexpr int n_lithium = 156, n_atoms = 204;
constexpr double edges[3] = {13.262205, 15.795974, 15.011548};

/// Fractional coordinate of an atom: it rattles and wanders slowly through the box.
double fractional(int atom, int axis, int frame) {
    const double x =
        0.618034 * atom + 0.377 * axis + 0.01 * std::sin(0.9 * frame + atom) + 2e-4 * frame * (atom % 3);
    return x - std::floor(x);
}

std::string dump_frame(int t) {
    std::string text = fmt::format(
        "ITEM: TIMESTEP\n{}\nITEM: NUMBER OF ATOMS\n{}\nITEM: BOX BOUNDS pp pp pp\n", 100 * t, n_atoms);
    for (const double edge : edges) text += fmt::format("0 {}\n", edge);
    text += "ITEM: ATOMS id type x y z ix iy iz\n";
    for (int k = 0; k < n_atoms; ++k) {
        const int i = (k * 53 + t) % n_atoms; // scrambled
        text += fmt::format("{} {} {:.5f} {:.5f} {:.5f} 0 0 0\n", i + 1, i < n_lithium ? 1 : 2,
                            edges[0] * fractional(i, 0, t), edges[1] * fractional(i, 1, t),
                            edges[2] * fractional(i, 2, t));
    }
    return text;
}

std::string extxyz_frame(int t) {
    std::string text = fmt::format(
        "{}\nLattice=\"{} 0 0 0 {} 0 0 0 {}\" Properties=species:S:1:pos:R:3 pbc=\"T T T\" time_ps={:.2f}\n",
        n_atoms, edges[0], edges[1], edges[2], 0.05 * t);
    for (int i = 0; i < n_atoms; ++i)
        text += fmt::format("{:2s} {:15.8f} {:15.8f} {:15.8f}\n", i < n_lithium ? "Li" : "Si",
                            edges[0] * fractional(i, 0, t), edges[1] * fractional(i, 1, t),
                            edges[2] * fractional(i, 2, t));
    return text;
}

std::string xdatcar_frame(int t) {
    std::string text;
    if (t == 0)
        text = fmt::format("Li13Si4\n1.0\n{} 0 0\n0 {} 0\n0 0 {}\nLi Si\n{} {}\n", edges[0], edges[1],
                           edges[2], n_lithium, n_atoms - n_lithium);
    text += fmt::format("Direct configuration= {:5d}\n", t + 1);
    for (int i = 0; i < n_atoms; ++i)
        text += fmt::format("  {:.8f}  {:.8f}  {:.8f}\n", fractional(i, 0, t), fractional(i, 1, t),
                            fractional(i, 2, t));
    return text;
}

template <class F>
void write_frames(const std::string& path, double bytes, F&& frame) {
    TextFileWriter file(path);
    double written = 0;
    for (int t = 0; written < bytes; ++t) {
        const std::string text = frame(t);
        file.write(text);
        written += static_cast<double>(text.size());
    }
    file.commit();
}

struct Result {
    double seconds = 0, unwrapped_seconds = 0, memory_mb = 0;
    long frames = 0;
};

double peak_mb() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return static_cast<double>(usage.ru_maxrss) / 1024;
}

/// In a process of its own, so that its peak memory is that of this file. Best of three.
Result read_here(const std::string& path) {
    int channel[2];
    if (pipe(channel) != 0) std::abort();
    if (fork() == 0) {
        Result result{1e300, 1e300, 0, 0};
        const double before = peak_mb();
        TrajectoryFileOptions options;
        options.type_map = {{1, "Li"}, {2, "Si"}};
        options.frame_interval_ps = 0.05;
        for (int repeat = 0; repeat < 3; ++repeat) {
            double start = seconds();
            auto source = open_trajectory(path, options);
            Frame frame;
            result.frames = 0;
            while (source->read(frame)) ++result.frames;
            result.seconds = std::min(result.seconds, seconds() - start);

            start = seconds();
            source = open_trajectory(path, options);
            ContinuousOptions continuous;
            continuous.mobile = {"Li"};
            ContinuousTrajectory trajectory(*source, continuous);
            while (trajectory.read(frame)) {
            }
            result.unwrapped_seconds = std::min(result.unwrapped_seconds, seconds() - start);
        }
        result.memory_mb = peak_mb() - before;
        const auto n = write(channel[1], &result, sizeof result);
        _exit(n == sizeof result ? 0 : 1);
    }
    Result result;
    const auto n = read(channel[0], &result, sizeof result);
    wait(nullptr);
    close(channel[0]);
    close(channel[1]);
    if (n != sizeof result) std::abort();
    return result;
}

} // namespace

int main(int argc, char** argv) {
    const double megabytes = argc > 1 ? std::atof(argv[1]) : 100;
    const std::string python = argc > 2 ? argv[2] : "/usr/bin/python3";
    const std::string script = (std::filesystem::path(__FILE__).parent_path() / "readers_ase.py").string();
    std::string folder = (std::filesystem::temp_directory_path() / "bench-readers-XXXXXX").string();
    if (!mkdtemp(folder.data())) return 1;

    struct Case {
        const char* name;
        const char* ase_format;
    };
    std::printf("%-18s %8s %10s %12s %9s %10s %8s %12s %10s\n", "file", "MB", "frames", "read [s]", "MB/s",
                "ASE [s]", "ratio", "memory [MB]", "ASE [MB]");
    for (const Case c : {Case{"dump.lammpstrj", "lammps-dump-text"}, Case{"traj.extxyz", "extxyz"},
                         Case{"XDATCAR", "vasp-xdatcar"}, Case{"dump.lammpstrj.gz", nullptr}}) {
        const std::string path = folder + "/" + c.name;
        if (std::string(c.name) == "dump.lammpstrj")
            write_frames(path, 1e6 * megabytes, dump_frame);
        else if (std::string(c.name) == "traj.extxyz")
            write_frames(path, 1e6 * megabytes, extxyz_frame);
        else if (std::string(c.name) == "XDATCAR")
            write_frames(path, 1e6 * megabytes, xdatcar_frame);
        else if (std::system(("gzip -k " + folder + "/dump.lammpstrj").c_str()) != 0)
            return 1;
        const double size = static_cast<double>(std::filesystem::file_size(path)) / 1e6;
        const Result ours = read_here(path);
        double ase_seconds = 0, ase_memory = 0;
        long ase_frames = 0;
        if (c.ase_format) {
            const std::string command = python + " " + script + " " + path + " " + c.ase_format;
            std::FILE* pipe_in = popen(command.c_str(), "r");
            if (!pipe_in || std::fscanf(pipe_in, "%lf %ld %lf", &ase_seconds, &ase_frames, &ase_memory) != 3)
                return 1;
            pclose(pipe_in);
            if (ase_frames != ours.frames) {
                std::printf("ASE finds %ld frames, mesolith %ld\n", ase_frames, ours.frames);
                return 1;
            }
            std::printf("%-18s %8.1f %10ld %12.3f %9.0f %10.2f %8.1f %12.1f %10.0f\n", c.name, size,
                        ours.frames, ours.seconds, size / ours.seconds, ase_seconds,
                        ase_seconds / ours.seconds, ours.memory_mb, ase_memory);
        } else {
            std::printf("%-18s %8.1f %10ld %12.3f %9.0f %10s %8s %12.1f\n", c.name, size, ours.frames,
                        ours.seconds, size / ours.seconds, "-", "-", ours.memory_mb);
        }
        std::printf("%-18s %41.3f s with unwrapping and drift removal\n", "", ours.unwrapped_seconds);
        std::fflush(stdout);
    }
    std::filesystem::remove_all(folder);
    return 0;
}
