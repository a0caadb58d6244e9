#!/usr/bin/env python3
"""Sites without a crystal: the 60 sites of Li15Si4 from the density alone, and a disordered solid whose truth is known."""

import os
import sys

import numpy as np

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(here))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(here)), "tools"))
import convert_trajectory  # noqa: E402
import crosscheck as cc  # noqa: E402
import disordered as ds  # noqa: E402
import program  # noqa: E402

INPUT = "li15si4_600K_density.toml"
DATA = os.path.join(program.INPUTS, "trajectories", "li15si4_2vac_600K_meam.h5")
CRYSTAL = os.path.join(program.INPUTS, "structures", "Li15Si4_MEAM.POSCAR")
DISCARD, MOBILE = 10.0, "Li"


def placed(framework, crystal, box):
    """The shift that brings the crystal onto a framework, both Cartesian, found by iteration."""
    shift = np.zeros(3)
    for _ in range(20):
        delta = framework[:, None] - crystal[None] - shift
        delta -= box * np.round(delta / box)
        nearest = np.argmin((delta**2).sum(-1), axis=1)
        shift = shift + delta[np.arange(len(framework)), nearest].mean(axis=0)
    return shift


def ascent(density, axes):
    """Voxel of the maximum that the steepest ascent reaches, for every voxel: pointers followed together."""
    number = np.arange(density.size).reshape(density.shape)
    best, slope = number.copy(), np.zeros(density.shape)
    for by in np.ndindex(3, 3, 3):
        by = np.array(by) - 1
        if not by.any():
            continue
        here = (np.roll(density, -by, (0, 1, 2)) - density) / np.linalg.norm((by / density.shape) @ axes)
        better = here > slope
        best[better] = np.roll(number, -by, (0, 1, 2))[better]
        slope[better] = here[better]
    best = best.ravel()
    while not np.array_equal(best, best[best]):
        best = best[best]
    return best


def check_density(checks, results):
    """Histogram, smoothing and basins once more in numpy."""
    positions, species, box, interval = cc.read_h5md(DATA)
    positions = positions[int(np.ceil(DISCARD / interval - 1e-6)) :]
    framework = positions[:, species != MOBILE].mean(axis=1)
    ions = positions[:, species == MOBILE] - (framework - framework[0])[:, None]
    density, basin = results["sites", "sites/density/density"], results["sites", "sites/density/basin"]
    axes, shape = results["sites", "sites/density/axes"], np.array(density.shape)
    voxel = np.floor((ions.reshape(-1, 3) @ np.linalg.inv(axes) % 1) * shape).astype(int)
    counts = np.bincount(np.ravel_multi_index(np.minimum(voxel, shape - 1).T, shape), minlength=density.size)
    # The discrete Gaussian exp(-t) I_k(t) has the Fourier transform exp(t (cos k - 1)).
    width = 0.25
    transform = np.fft.fftn(counts.reshape(shape).astype(float))
    for axis, n in enumerate(shape):
        t = (width * n / np.linalg.norm(axes[axis])) ** 2
        along = np.exp(t * (np.cos(2 * np.pi * np.arange(n) / n) - 1))
        transform *= along.reshape([-1 if a == axis else 1 for a in range(3)])
    volume = abs(np.linalg.det(axes)) / density.size
    expected = np.fft.ifftn(transform).real / (len(ions) * volume)
    checks.near(
        "smoothed density (numpy, Fourier transform), largest difference over the highest peak",
        np.abs(density - expected).max() / expected.max(),
        0,
        absolute=1e-6,
    )
    occupancy = np.bincount(basin.ravel()[counts > 0], weights=counts[counts > 0], minlength=basin.max() + 1) / len(ions)
    checks.near(
        "ions in each basin (numpy), largest difference",
        np.abs(occupancy - results["sites", "sites/density/occupancy"]).max(),
        0,
        absolute=1e-4,
    )
    reached, basin = ascent(expected, axes), basin.ravel()
    seen = expected.ravel() > 1e-3 * expected.mean()
    checks.that(
        "steepest ascent (numpy) stays in the basin it starts in",
        np.mean(basin[seen] == basin[reached[seen]]) > 0.9999,
        f"{np.mean(basin[seen] != basin[reached[seen]]):.1e} of the voxels leave it",
    )


def check_crystal(checks, folder):
    lags = {"msm__lag_times_ps": "[1, 2, 5, 10, 20]"}
    for stage in ("sites", "msm"):
        program.run(stage, INPUT, os.path.join(folder, "density"), **lags)
    results = program.Results(os.path.join(folder, "density"))
    box = np.diag(results["sites", "sites/cell"])
    fractional, species = cc.read_poscar(CRYSTAL)
    shift = placed(results["sites", "sites/framework_positions"], fractional[species != MOBILE] * box, box)
    truth = fractional[species == MOBILE] * box + shift

    def distances(positions):
        delta = positions[:, None] - truth[None]
        delta -= box * np.round(delta / box)
        return np.linalg.norm(delta, axis=2)

    for name, positions in (
        ("as found", results["sites", "sites/density/position"]),
        ("after folding by the symmetry found", results["sites", "sites/fractional"] * box),
    ):
        d = distances(positions)
        checks.that(
            f"60 sites, one at each site of the crystal, {name}",
            d.shape == (60, 60) and len(set(d.argmin(axis=1))) == 60 and d.min(axis=1).max() < 0.3,
            f"{len(d)} sites, at most {d.min(axis=1).max():.3f} A away, rms {np.sqrt((d.min(axis=1) ** 2).mean()):.3f} A",
        )
    checks.that(
        "the symmetry of the crystal is found: 30 sites per repeat unit in two orbits",
        len(results["sites", "sites/orbit"]) == 30 and len(set(results["sites", "sites/orbit"])) == 2,
        results.attr("sites", "sites", "space_group"),
    )
    statement = results.attr("sites", "sites/density", "statement")
    checks.that("all of them are certain", bool(results["sites", "sites/density/certain"].all()), statement)
    check_density(checks, results)

    for stage in ("sites", "msm"):
        program.run(stage, "li15si4_600K.toml", os.path.join(folder, "given"), **lags)
    given = program.Results(os.path.join(folder, "given"))
    print("\n      D (A^2/ps) by lag from density sites and from the sites of the crystal")
    worst = 0.0
    for k, _, tau in results.lags():
        path = f"lags/{k}/diffusivity"
        D, other, error = (
            np.diag(values["msm", f"{path}/{name}"])
            for values, name in ((results, "D"), (given, "D"), (given, "error"))
        )
        worst = max(worst, np.abs((D - other) / error).max())
        print(f"      {tau:4g} ps  {D.round(5)}   {other.round(5)}  +- {error.round(5)}")
    checks.that("D from density sites is that from given sites within 0.3 standard errors", worst < 0.3, f"{worst:.2f}")

    print("\n      the same with less data")
    print("      data (ps)  sites  of the crystal  certain")
    for end in (20, 40, 70, 110):
        part = program.Results(
            program.run("sites", INPUT, os.path.join(folder, f"first{end}"), trajectory__end_ps=str(end))
        )
        d = distances(part["sites", "sites/density/position"])
        good = {int(t) for t, r in zip(d.argmin(axis=1), d.min(axis=1)) if r < 0.5}
        print(f"      {end - DISCARD:9g}  {len(d):5d}  {len(good):14d}  {part['sites', 'sites/density/certain'].sum():7d}")


def hops_of(results, truth_of):
    """Changes of site as (ion, frame, true from, true to); unassigned stretches are bridged."""
    events = [results["sites", f"trajectories/0/events/{name}"] for name in ("ion", "frame", "site")]
    cell = results["sites", "trajectories/0/events/cell"]
    hops, last = [], None
    for ion, frame, site, image in zip(*events, cell):
        if site < 0:
            continue
        here = (ion, site, *image)
        if last is not None and last[0] == ion and last != here:
            hops.append((ion, frame, truth_of[last[1]], truth_of[site]))
        last = here
    return hops


def write_system(system, folder, name):
    """Trajectory and input file of a disordered system."""
    species = np.array(["Li"] * system.ions.shape[1] + ["Si"] * len(system.framework))
    random = np.random.default_rng(1)
    source = os.path.join(folder, f"{name}.h5")
    frames = (
        convert_trajectory.Frame(
            species,
            np.concatenate([ions, system.framework + 0.1 * random.standard_normal(system.framework.shape)]),
            ds.CELL,
            0.05 * t,
        )
        for t, ions in enumerate(system.ions)
    )
    convert_trajectory.convert(frames, source)
    path = os.path.join(folder, f"{name}.toml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(
            f'[[trajectory]]\nfile = "{source}"\n[sites]\nsource = "density"\n'
            "core_radius_angstrom = 0.7\n[report]\nenabled = false\n"
        )
    return path


def score_run(system, results, frames):
    """Sites and hops of a run on the first frames against the truth."""
    # Positions are relative to the framework of the first frame, whose mean is off by its random displacements.
    offset = results["sites", "sites/framework_positions"] - system.framework
    positions = results["sites", "sites/density/position"] - offset.mean(axis=0)
    truth_of, distance = ds.match(positions, system.sites, 0.5)
    true = truth_of >= 0
    certain = results["sites", "sites/density/certain"].astype(bool)
    pairs = system.partner >= 0
    visited, hit = occupancy_until(system, frames) >= 0.03, np.isin(np.arange(len(system.sites)), truth_of)
    found = hops_of(results, truth_of)
    truth = [hop for hop in system.hops if hop[1] < frames]

    def inside(hop):
        return hop[2] >= 0 and system.partner[hop[2]] == hop[3]

    def hop_scores(which):
        ours, theirs = ([hop for hop in hops if inside(hop) == which] for hops in (found, truth))
        both = ds.match_hops(ours, theirs, 6)
        return both / max(len(ours), 1), both / max(len(theirs), 1)

    return {
        "found": len(positions),
        "site precision": true.mean(),
        "site recall": hit[visited].mean(),
        "recall in pairs": hit[visited & pairs].mean(),
        "recall of weak": hit[visited & system.weak].mean(),
        "certain": certain.mean(),
        "certain true": true[certain].mean(),
        "shallow": (2 * results["sites", "sites/density/saddle"] > results["sites", "sites/density/height"]).mean(),
        "rms": np.sqrt((distance[true, truth_of[true]] ** 2).mean()),
        "hop precision": hop_scores(False)[0],
        "hop recall": hop_scores(False)[1],
        "pair hop precision": hop_scores(True)[0],
        "pair hop recall": hop_scores(True)[1],
    }


def check_disordered(checks, folder):
    n_frames, seed = 20000, 7
    system = ds.Disordered(seed, n_frames)
    path = write_system(system, folder, "disordered")
    print(
        f"\n      disordered solid: {len(system.sites)} sites, {(system.partner >= 0).sum()} of them in pairs 1.0 to 1.4 A apart, "
        f"{system.weak.sum()} hardly occupied, {system.ions.shape[1]} ions; frames every 0.05 ps"
    )
    print("      sites count for recall when their true occupancy is 0.03 or more")

    def run(which, input_path, frames, method, title):
        settings = {"sites__assignment": f'"{method}"', "trajectory__end_ps": f"{0.05 * (frames - 1):g}"}
        results = program.Results(
            program.run("sites", input_path, os.path.join(folder, title.replace(" ", "")), **settings)
        )
        score = score_run(which, results, frames)
        if not scores:
            print("      " + " " * 26 + "  ".join(score))
        print(
            f"      {title:24s}  "
            + "  ".join(
                f"{value:{max(len(name), 5)}.3f}" if name != "found" else f"{value:5d}" for name, value in score.items()
            )
        )
        scores[title] = score
        return score

    scores = {}
    best = run(system, path, n_frames, "core", f"{n_frames} core")
    for method in ("nearest", "watershed"):
        run(system, path, n_frames, method, f"{n_frames} {method}")
    less = [run(system, path, frames, "core", f"{frames} core") for frames in (5000, 1250, 300)]
    for softness in (1.5, 2.0):  # wells that overlap
        soft = ds.Disordered(seed, 5000, softness=softness)
        run(soft, write_system(soft, folder, f"soft{softness}"), 5000, "core", f"5000 core wider x {softness:g}")
    print()
    for name, least in (
        ("site precision", 0.97),
        ("site recall", 0.95),
        ("recall in pairs", 0.85),
        ("certain", 0.9),
        ("certain true", 1),
        ("hop precision", 0.95),
        ("hop recall", 0.95),
        ("pair hop precision", 0.7),
        ("pair hop recall", 0.7),
    ):
        checks.that(
            f"disordered solid, {n_frames} frames, core sets: {name} at least {least}", best[name] >= least, f"{best[name]:.3f}"
        )
    checks.that(
        "with less data certain sites stay true",
        all(score["certain true"] > 0.98 for score in less),
        ", ".join(f"{score['certain true']:.3f}" for score in less),
    )
    checks.that(
        "with less data fewer sites are certain",
        less[2]["certain"] < less[1]["certain"] <= best["certain"],
        ", ".join(f"{score['certain']:.3f}" for score in less),
    )


def occupancy_until(system, frames):
    """Occupancy of each true site in the first frames."""
    held = np.zeros(len(system.sites))
    by_ion = {}
    for hop in system.hops:
        by_ion.setdefault(hop[0], []).append(hop)
    for ion, start in enumerate(system.start):
        site, since = start, 0
        for _, frame, _, to in by_ion.get(ion, []):
            if frame >= frames:
                break
            held[site] += frame - since
            site, since = to, frame
        held[site] += frames - since
    return held / frames


def main(folder):
    checks = cc.Checks()
    check_crystal(checks, folder)
    check_disordered(checks, folder)
    return checks.finish()


if __name__ == "__main__":
    program.run_check(main)
