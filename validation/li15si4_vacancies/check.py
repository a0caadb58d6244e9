#!/usr/bin/env python3
"""Li15Si4 with two vacancies: rates of hops into empty sites, and whether ions that only block each other move as in the MD."""

import json
import math
import os
import subprocess
import sys
import tomllib

import numpy as np

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(here))
sys.path.insert(0, here)
import crosscheck as cc  # noqa: E402
import lattice_gas as gas  # noqa: E402
import program  # noqa: E402

KELVINS = (500, 600, 800)
SHIPPED = os.path.join(program.INPUTS, "kernels", "li15si4_vacancy.toml")
OPTIONS = ["--min-residence-ps", "2"]  # with which it was made
WINDOW = (20.0, 80.0)  # lags of the slope of the MSD, as for the MD [ps]
GAS_TIME = 60_000.0  # [ps]


def hop_rates(folders, *options):
    done = subprocess.run([program.binary(), "hop-rates", *folders, "--quiet", "--json", *options], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"FAIL  hop-rates {' '.join(folders)}\n{done.stderr}")
    return json.loads(done.stdout)


def check_counts(checks, label, folder):
    """N and T of every kind of hop, counted again in Python from the events."""
    results = program.Results(folder)
    crystal = gas.Crystal(results)
    found = hop_rates([folder], "--no-frame-correction")
    orbit = results["sites", "sites/orbit"]
    names = {}

    def kind(j, i, R):
        key = (j, i, *R)
        if key not in names:
            length = np.linalg.norm(crystal.displacement(j, i, R))
            inside = 1e-6 < length <= found["cutoff_A"]
            names[key] = (f"Li{orbit[j] + 1}", f"Li{orbit[i] + 1}", round(length, 1)) if inside else None
        return names[key]

    interval = float(results.attr("sites", "trajectories/0", "frame_interval"))
    frames = int(results.attr("sites", "trajectories/0", "n_frames"))
    number, exposure = gas.hops_and_exposures(crystal, gas.stored_events(results, crystal), frames, interval, kind)
    sums = {}
    for kinds, values in zip(found["classes"], found["runs"][0]["classes"]):
        entry = sums.setdefault((kinds["from"], kinds["to"], round(kinds["length_A"], 1)), [0, 0.0])
        entry[0] += values["hops"]
        entry[1] += values["exposure_ps"]
    checks.that(
        f"{label}: hops into empty sites of each kind, counted in Python",
        {k: n for k, (n, _) in sums.items()} == number,
        f"{sum(number.values())} hops, {len(number)} kinds",
    )
    checks.near(
        f"{label}: times in which they could have happened",
        [sums[k][1] for k in sorted(sums)],
        [exposure[k] for k in sorted(sums)],
        relative=1e-9,
    )


def check_shipped(checks, folders, folder):
    path = os.path.join(folder, "li15si4_vacancy.toml")
    result = hop_rates(folders, *OPTIONS, "--out", path)
    with open(path, "rb") as new, open(SHIPPED, "rb") as old:
        new, old = tomllib.load(new), tomllib.load(old)
    same = [{k: h[k] for k in ("from", "to", "R")} for h in new["hop"]] == [{k: h[k] for k in ("from", "to", "R")} for h in old["hop"]]
    checks.that("the shipped hop list has the hops that are found now", same, f"{len(old['hop'])} hops")
    if same:
        values = [np.array([[h["barrier_eV"], h["prefactor_per_ps"]] for h in data["hop"]]) for data in (new, old)]
        checks.near("and their barriers and prefactors", values[0], values[1], relative=1e-6)
    for run in result["runs"]:
        z = [c["balance_z"] for c in run["classes"] if c["balance_z"] is not None]
        checks.that(
            f"{run['temperature_K']:g} K: rates there and back agree with the occupancies (detailed balance)",
            max(map(abs, z)) < 4,
            f"largest z {max(map(abs, z)):.1f} of {len(z)}",
        )
    return result


def check_gas(checks, label, folder, run, rates):
    """Plain kinetic Monte Carlo of the rates on the simulated cell against the MD; errors of both."""
    crystal = gas.Crystal(program.Results(folder))
    tracer, charge, occupancy = gas.diffusivities(crystal, rates, run["n_ions"], GAS_TIME, WINDOW, seed=1)
    # Relative error of the rates, from that of D_J of a lone vacancy.
    relative = run["D_J_dilute_error"] / run["D_J_dilute"]
    print(f"      {label:10s} D*  gas {tracer[0]:.5f} +- {tracer[0] * relative:.5f}  MD {run['D']:.5f} +- {run['D_error']:.5f}", end="")
    print(f"   D_J  gas {charge[0]:.4f} +- {charge[0] * relative:.4f}  MD {run['D_J']:.4f} +- {run['D_J_error']:.4f}")
    for name, own, md, error in (("D*", tracer, run["D"], run["D_error"]), ("D_J", charge, run["D_J"], run["D_J_error"])):
        z = (own[0] - md) / math.sqrt(error**2 + own[1] ** 2 + (own[0] * relative) ** 2)
        checks.that(f"{label}: {name} of ions that only block each other is that of the MD within three errors", abs(z) < 3, f"z = {z:+.1f}")
    return tracer[0], occupancy


def check_pairs(label, folder):
    """How often the two vacancies stand at each distance, over what occupancies and exclusion alone would give."""
    results = program.Results(folder)
    crystal = gas.Crystal(results)
    orbit, n_frames = crystal.orbit, int(results.attr("sites", "trajectories/0", "n_frames"))
    taken = np.zeros((n_frames, len(orbit)), bool)
    for own in gas.stored_events(results, crystal):
        for k, (frame, site, _) in enumerate(own):
            taken[frame : own[k + 1][0] if k + 1 < len(own) else n_frames, site] = True
    empty = (~taken[(~taken).sum(axis=1) == 2]).astype(float)
    seen, occupancy = empty.T @ empty / len(empty), empty.mean(axis=0)
    weight = np.ones(len(orbit))
    for _ in range(100):
        expected = np.outer(weight, weight) * (1 - np.eye(len(orbit)))
        expected *= 2 / expected.sum()
        for o in set(orbit):
            weight[orbit == o] *= occupancy[orbit == o].mean() / expected[orbit == o].sum(axis=1).mean()
    fractional = results["sites", "sites/fractional"]
    apart = fractional[None] - fractional[:, None]
    distance = np.linalg.norm((apart - np.rint(apart)) @ results["sites", "sites/cell"], axis=-1)
    ratio = {}
    for low, high in ((2.5, 2.9), (2.9, 3.35), (3.35, 4.5), (4.5, 6.0), (6.0, 9.3)):
        shell = (distance > low) & (distance < high)
        ratio[(low, high)] = seen[shell].sum() / expected[shell].sum()
    print(f"      {label}: pairs of vacancies over those of a gas  " + ", ".join(f"{a} to {b} A {r:.2f}" for (a, b), r in ratio.items()))
    return ratio


def main(folder):
    checks = cc.Checks()
    folders = {}
    for kelvin in KELVINS:
        folders[kelvin] = program.run("sites", f"li15si4_{kelvin}K_mace.toml", os.path.join(folder, f"li15si4_{kelvin}K_mace"))
    meam = program.run("sites", "li15si4_600K.toml", os.path.join(folder, "li15si4_600K_meam"))

    check_counts(checks, "500 K", folders[500])
    check_counts(checks, "800 K", folders[800])
    result = check_shipped(checks, [folders[k] for k in KELVINS], folder)

    D = []
    for kelvin, run in zip(KELVINS, result["runs"]):
        d, occupancy = check_gas(checks, f"{kelvin} K", folders[kelvin], run, gas.read_hops(SHIPPED, kelvin))
        D.append(d)
        raw = hop_rates([folders[kelvin]], "--no-frame-correction")["runs"][0]["occupancy"]
        checks.that(
            f"{kelvin} K: so are the occupancies of both orbits, within 0.002",
            all(abs(own - md["value"]) < 0.002 for own, md in zip(occupancy, raw)),
            ", ".join(f"{own:.4f} ({md['value']:.4f})" for own, md in zip(occupancy, raw)),
        )
    beta = 1 / (gas.BOLTZMANN * np.array(KELVINS))
    energy = [-np.polyfit(beta, np.log(values), 1)[0] for values in (D, [run["D"] for run in result["runs"]])]
    checks.that(
        "the activation energy of D* is that of the MD within 0.02 eV", abs(energy[0] - energy[1]) < 0.02, f"{energy[0]:.3f} and {energy[1]:.3f} eV"
    )

    ratio = {kelvin: check_pairs(f"{kelvin} K", folders[kelvin]) for kelvin in KELVINS}
    near = [ratio[kelvin][(2.9, 3.35)] for kelvin in KELVINS]
    checks.that(
        "what the gas lacks: vacancies attract each other at 3.0 to 3.3 A, the more the colder",
        near[0] > near[1] > near[2] > 1.5,
        ", ".join(f"{r:.1f}" for r in near),
    )

    path = os.path.join(folder, "meam.toml")
    run = hop_rates([meam], "--temperatures", "600", "--out", path)["runs"][0]
    check_gas(checks, "600 K MEAM", meam, run, gas.read_hops(path))
    age = np.array(run["age_ps"][:-1] + [math.inf])
    early = (age > 0.25) & (age < 1)
    rate = np.array([c["rate"] or 0 for c in run["classes"]])
    back = np.array([c["back_hops"] for c in run["classes"]])[:, early].sum()
    expected = (np.array([c["back_exposure_ps"] for c in run["classes"]])[:, early] * rate[:, None]).sum()
    checks.that(
        "600 K MEAM, a frame every 0.05 ps: ions hop straight back more often between 0.2 and 0.8 ps than without memory",
        back > expected + 3 * math.sqrt(expected),
        f"{back:.0f} for {expected:.0f}",
    )
    return checks.finish()


if __name__ == "__main__":
    program.run_check(main)
