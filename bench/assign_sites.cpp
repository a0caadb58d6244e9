// Nearest site of 156 ions among 156 sites of a triclinic cell, one thread: SiteMapper (nearest rule, core
// rule and all diagnostics) against a plain loop over all sites with the fractional minimum image, same
// flags, same run.
#include "mesolith/sites/assign_sites.hpp"

#include <cmath>
#include <cstdio>
#include <limits>
#include <random>
#include <vector>

#include <Eigen/LU>

#include "mesolith/core/parallel.hpp"
#include "mesolith/sites/build_sites.hpp"

#include "clock.hpp"

using namespace mesolith;

namespace {

constexpr std::size_t n_sites = 156, n_ions = 156, n_frames = 20'000;

/// 26 sites at least 2.3 A apart, in 3 x 2 x 1 cells: the density of lithium in Li13Si4.
SiteSet make_sites(const Cell& cell) {
    std::mt19937 random(1);
    std::uniform_real_distribution<double> anywhere(0, 1);
    const Cell unit(Vec3(1.0 / 3, 1.0 / 2, 1).asDiagonal() * cell.vectors());
    std::vector<Vec3> in_unit, at, translations;
    std::vector<std::int32_t> orbit;
    while (in_unit.size() < 26) {
        const Vec3 f(anywhere(random), anywhere(random), anywhere(random));
        bool free = true;
        for (const Vec3& o : in_unit)
            free = free && unit.minimum_image(unit.to_cartesian(f - o)).norm() > 2.0;
        if (free) in_unit.push_back(f);
    }
    for (int i = 0; i < 3; ++i)
        for (int j = 0; j < 2; ++j) {
            translations.emplace_back(i / 3.0, j / 2.0, 0);
            for (std::size_t b = 0; b < in_unit.size(); ++b) {
                at.emplace_back((in_unit[b][0] + i) / 3, (in_unit[b][1] + j) / 2, in_unit[b][2]);
                orbit.push_back(static_cast<std::int32_t>(b));
            }
        }
    return fold_sites(cell, at, orbit, "Li", translations, 1e-6);
}

/// Ions rattle about their sites (correlated in time) and hop to a near one now and then.
std::vector<Vec3> make_frames(const SiteSet& sites) {
    std::mt19937 random(2);
    std::normal_distribution<double> gauss;
    std::vector<Vec3> frames(n_frames * n_ions), home, swing(n_ions, Vec3::Zero());
    for (std::size_t i = 0; i < n_ions; ++i)
        home.push_back(sites.position(SiteId(static_cast<std::int64_t>(i))));
    for (std::size_t f = 0; f < n_frames; ++f)
        for (std::size_t i = 0; i < n_ions; ++i) {
            swing[i] =
                0.9 * swing[i] + 0.15 * Vec3(gauss(random), gauss(random), gauss(random)); // 0.34 A per axis
            if (random() % 2000 == 0) {
                const Vec3 r = home[i] + 2.5 * Vec3(gauss(random), gauss(random), gauss(random)).normalized();
                double best = std::numeric_limits<double>::infinity();
                Vec3 next = r;
                for (std::size_t s = 0; s < n_sites; ++s) {
                    const Vec3 d =
                        sites.cell.minimum_image(sites.position(SiteId(static_cast<std::int64_t>(s))) - r);
                    if (d.norm() < best) {
                        best = d.norm();
                        next = r + d;
                    }
                }
                home[i] = next;
            }
            frames[f * n_ions + i] = home[i] + swing[i];
        }
    return frames;
}

std::vector<std::int32_t> plain_loop(const SiteSet& sites, const std::vector<Vec3>& frames) {
    std::vector<std::int32_t> nearest(frames.size());
    double a[3][3], b[3][3];
    for (int i = 0; i < 3; ++i)
        for (int k = 0; k < 3; ++k) {
            a[i][k] = sites.cell.vectors()(i, k);
            b[i][k] = sites.cell.inverse()(i, k);
        }
    std::vector<double> site(3 * n_sites);
    for (std::size_t s = 0; s < n_sites; ++s)
        for (int k = 0; k < 3; ++k) site[3 * s + static_cast<std::size_t>(k)] = sites.fractional[s][k];
    for (std::size_t r = 0; r < frames.size(); ++r) {
        double f[3];
        for (int k = 0; k < 3; ++k)
            f[k] = frames[r][0] * b[0][k] + frames[r][1] * b[1][k] + frames[r][2] * b[2][k];
        double best = std::numeric_limits<double>::infinity();
        for (std::size_t s = 0; s < n_sites; ++s) {
            double d[3];
            for (std::size_t k = 0; k < 3; ++k) {
                d[k] = f[k] - site[3 * s + k];
                d[k] -= std::nearbyint(d[k]);
            }
            double d2 = 0;
            for (int k = 0; k < 3; ++k) {
                const double x = d[0] * a[0][k] + d[1] * a[1][k] + d[2] * a[2][k];
                d2 += x * x;
            }
            if (d2 < best) {
                best = d2;
                nearest[r] = static_cast<std::int32_t>(s);
            }
        }
    }
    return nearest;
}

} // namespace

int main() {
    const Cell cell((Mat3() << 13.26, 0, 0, 2.1, 15.8, 0, -1.7, 1.3, 15.01).finished());
    const SiteSet sites = make_sites(cell);
    const std::vector<Vec3> frames = make_frames(sites);

    double mapped = std::numeric_limits<double>::infinity();
    SiteTrajectory trajectory;
    SiteDiagnostics diagnostics;
    for (int run = 0; run < 3; ++run) {
        with_threads(1, [&] {
            const double start = seconds();
            SiteMapper mapper(sites, {}, n_ions, 0.05);
            for (std::size_t f = 0; f < n_frames; ++f) mapper.add_frame({frames.data() + f * n_ions, n_ions});
            diagnostics = mapper.diagnostics();
            trajectory = mapper.finish();
            mapped = std::min(mapped, seconds() - start);
        });
    }
    const double start = seconds();
    const std::vector<std::int32_t> plain = plain_loop(sites, frames);
    const double looped = seconds() - start;

    std::int64_t different = 0;
    for (std::size_t i = 0; i < n_ions; ++i) {
        const auto events = trajectory.of_ion(i);
        std::size_t e = 0;
        for (std::size_t f = 0; f < n_frames; ++f) {
            while (e + 1 < events.size() && events[e + 1].frame <= static_cast<std::int32_t>(f)) ++e;
            different += events[e].site.value != plain[f * n_ions + i];
        }
    }
    const auto ion_frames = static_cast<double>(frames.size());
    std::printf("assign_sites: %zu ions x %zu sites x %zu frames, one thread\n", n_ions, n_sites, n_frames);
    std::printf("  plain loop   %8.3f s  %7.1f ns per ion and frame\n", looped, 1e9 * looped / ion_frames);
    std::printf(
        "  SiteMapper   %8.3f s  %7.1f ns per ion and frame  (%.1f %% not at once provably nearest)\n",
        mapped, 1e9 * mapped / ion_frames,
        100 * static_cast<double>(diagnostics.shortcut_misses) / ion_frames);
    std::printf("  ratio        %8.1f  (goal 12)   different sites: %lld\n", looped / mapped,
                static_cast<long long>(different));
    return different == 0 ? 0 : 1;
}
