#!/usr/bin/env python3
"""Li15Si4 at 500, 600 and 800 K: D, charge diffusivity, Haven ratio and hops of each run, and what they do with temperature."""

import json
import os
import subprocess
import sys

import numpy as np

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(here))
import crosscheck as cc  # noqa: E402
import program  # noqa: E402
import recompute  # noqa: E402

BOLTZMANN = 8.617333262e-5  # [eV/K]
CORE_RADIUS = 0.9  # [A]
BEGIN, END = 20.0, 80.0  # [ps]


def overlap_squares(n_frames, a, b):
    """Sum over all windows of lengths a and b of their overlap squared."""
    shift = np.arange(1 - b, a)  # start of the second minus start of the first
    overlap = np.minimum(a, shift + b) - np.maximum(0, shift)
    pairs = np.minimum(n_frames - a, n_frames - b - shift) - np.maximum(0, -shift)
    return float((np.maximum(pairs, 0) * overlap.astype(float) ** 2).sum())


def gls_weights(n_frames, lags, interval):
    """Weights of D in a straight line with the covariance of a random walk seen through all windows."""
    covariance = np.array(
        [[overlap_squares(n_frames, a, b) / ((n_frames - a) * (n_frames - b)) for b in lags] for a in lags]
    )
    line = np.stack([np.ones(len(lags)), 2 * lags * interval], axis=1)
    solved = np.linalg.solve(covariance, line)
    return np.linalg.solve(line.T @ solved, solved.T)[1]


def hops_by_kind(site, image, sites, box, orbit):
    """(orbit, orbit, rounded length) -> [hops, hops that the next hop of the ion does not undo], from core-set states."""
    found = {}
    for ion in range(site.shape[1]):
        s, n = site[:, ion], image[:, ion]
        at = np.flatnonzero((s[1:] != s[:-1]) | (n[1:] != n[:-1]).any(-1)) + 1
        at = at[s[at - 1] >= 0]
        states = [(s[k - 1], *n[k - 1]) for k in at] + ([(s[at[-1]], *n[at[-1]])] if len(at) else [])
        for k in range(len(at)):
            start, end = states[k], states[k + 1]
            d = sites[end[0]] - sites[start[0]] + (np.array(end[1:]) - start[1:]) * box
            undone = k + 2 < len(states) and states[k + 2] == start
            entry = found.setdefault((orbit[start[0]], orbit[end[0]], np.linalg.norm(d)), [0, 0])
            entry[0] += 1
            entry[1] += not undone
    return found


def check_run(checks, folder, kelvin, expected_D):
    name = f"li15si4_{kelvin}K_mace.toml"
    run = program.run("run", name, os.path.join(folder, str(kelvin)), report__enabled="false", msm__bootstrap_samples=60)
    results = program.Results(run)
    data = os.path.join(program.INPUTS, "trajectories", f"li15si4_2vac_{kelvin}K_mace.h5")
    own = recompute.mapped(results, 0, data, 0.0, CORE_RADIUS)
    ions, interval = own["ions"], own["interval"]
    label = f"{kelvin} K: "
    checks.that(
        label + "core hops of the program equal those of numpy",
        int(results.attr("sites", "trajectories/0/diagnostics", "core_hops")) == cc.changes(*own["core"]),
        cc.changes(*own["core"]),
    )
    collective = ions.sum(axis=1) - ions[0].sum(axis=0)
    checks.near(
        label + "collective displacement in every frame equals the sum over ions in numpy",
        np.abs(results["sites", "trajectories/0/collective/displacement"] - collective).max(),
        0,
        absolute=1e-4,
    )
    lags = np.unique(np.rint(np.linspace(BEGIN, END, 16) / interval).astype(int))
    time, single = lags * interval, cc.msd(ions, lags)
    ols = np.array([cc.slope(time, single[:, a], BEGIN, END) for a in range(3)])
    checks.near(
        label + "slopes of the MSD between 20 and 80 ps agree with numpy within 0.5 % per axis",
        results["msm", "msd/fit/D"],
        ols,
        relative=0.005,
    )
    D, error = results["msm", "msd/fit/D"].mean(), np.sqrt((results["msm", "msd/fit/error"] ** 2).sum()) / 3
    checks.that(
        label + f"their mean is {expected_D}, known from all frames, within two errors",
        abs(D - expected_D) < 2 * error,
        f"{D:.4f} +- {error:.4f}",
    )
    return results, {
        "folder": run,
        "weights": gls_weights(len(ions), lags, interval),
        "single": single,
        "collective": np.array(
            [((collective[lag:] - collective[:-lag]) ** 2).mean(axis=0) / ions.shape[1] for lag in lags]
        ),
        "hops": hops_by_kind(
            *own["core"],
            results["sites", "sites/fractional"] * own["box"],
            own["box"],
            results["sites", "sites/orbit"][results["sites", "sites/base"]],
        ),
    }


def check_fits(checks, temperatures, result, runs):
    """Every fit of the program against weighted least squares in numpy, from the D it lists."""
    beta = 1 / (BOLTZMANN * temperatures)
    for series in result["series"]:
        source = [run["direct"] if series["source"] == "direct" else run for run in result["runs"]]
        which = series["axis"]
        D, error = (
            np.array([s["mean" + more] if which == "mean" else s["D" if not more else "error"]["xyz".index(which)] for s in source])
            for more in ("", "_error")
        )
        coefficients, covariance = np.polyfit(beta, np.log(D), 1, w=D / error, cov="unscaled")
        checks.near(
            f"Ea of {series['source']} D, {which}: the line of numpy, and its error",
            [series["activation_energy_eV"], series["activation_energy_error_eV"]],
            [-coefficients[0], np.sqrt(covariance[0, 0])],
            relative=1e-8,
        )
    for run, own in zip(result["runs"], runs):
        d = run["direct"]
        checks.near(
            f"{run['temperature_K']:g} K: D by generalised least squares agrees with numpy within 0.5 %",
            d["D"],
            own["weights"] @ own["single"],
            relative=0.005,
        )
        charge = (own["weights"] @ own["collective"]).mean()
        checks.near(
            f"{run['temperature_K']:g} K: mean charge diffusivity and Haven ratio agree with numpy",
            [d["D_J_mean"], d["haven_mean"]],
            [charge, (own["weights"] @ own["single"]).mean() / charge],
            relative=0.005,
        )


def check_hops(checks, result, runs):
    """Kinds of hops: the same numbers as in numpy, summed over each pair of orbits and length."""
    for n, own in enumerate(runs):
        stored = sum(c["runs"][n]["hops"] for c in result["hop_classes"])
        lasting = sum(c["runs"][n]["lasting"] for c in result["hop_classes"])
        checks.that(
            f"{result['runs'][n]['temperature_K']:g} K: hops and lasting hops over all kinds are those of numpy",
            [stored, lasting] == [sum(e[k] for e in own["hops"].values()) for k in (0, 1)],
            f"{stored}, {lasting}",
        )
        names = {"Li1": 0, "Li2": 1}
        worst = 0
        for c in result["hop_classes"][:6]:
            same = [
                entry[0]
                for (start, end, length), entry in own["hops"].items()
                if (start, end) == (names[c["from"]], names[c["to"]]) and abs(length - c["length_A"]) < 0.06
            ]
            worst = max(worst, abs(sum(same) - c["runs"][n]["hops"]))
        checks.that(
            f"{result['runs'][n]['temperature_K']:g} K: each of the six frequent kinds has the hops of numpy", worst == 0
        )


def main(folder):
    checks = cc.Checks()
    reference = json.load(open(os.path.join(here, "reference.json"), encoding="utf-8"))
    kelvins, runs = (500, 600, 800), []
    for kelvin in kelvins:
        _, own = check_run(checks, folder, kelvin, reference["msd_slope_mean_20_to_80_ps"][str(kelvin)])
        runs.append(own)
    command = [program.binary(), "arrhenius", *(own["folder"] for own in runs), "--quiet", "--json"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"FAIL  {' '.join(command)}\n{done.stderr}")
    result = json.loads(done.stdout)
    temperatures = np.array([run["temperature_K"] for run in result["runs"]])
    checks.that("the temperatures are those of the inputs", temperatures.tolist() == list(kelvins))
    check_fits(checks, temperatures, result, runs)
    check_hops(checks, result, runs)
    mean = {s["source"]: s for s in result["series"] if s["axis"] == "mean"}
    for source, series in mean.items():
        energy, error = series["activation_energy_eV"], series["activation_energy_error_eV"]
        checks.that(
            f"Ea of {source} D is {reference['activation_energy_eV']} eV within two errors",
            abs(energy - reference["activation_energy_eV"]) < 2 * error and error < 0.02,
            f"{energy:.3f} +- {error:.3f} eV, p = {series['p']:.2f}",
        )
        checks.that(f"the three {source} D lie on a straight line", series["p"] > 0.01, f"p = {series['p']:.2f}")
    print("\n      D (A^2/ps), mean of the axes, and Haven ratio")
    for run in result["runs"]:
        d = run["direct"]
        print(
            f"      {run['temperature_K']:g} K  model {run['mean']:.4f} +- {run['mean_error']:.4f} at {run['lag_time_ps']:g} ps"
            f"   MSD {d['mean']:.4f} +- {d['mean_error']:.4f}   H {d['haven_mean']:.2f} +- {d['haven_mean_error']:.2f}"
        )
        checks.that(
            f"{run['temperature_K']:g} K: D of the model and from the MSD agree within three errors",
            abs(run["mean"] - d["mean"]) < 3 * np.hypot(run["mean_error"], d["mean_error"]),
        )
        checks.that(
            f"{run['temperature_K']:g} K: ions move in concert, the Haven ratio is below one",
            0 < d["haven_mean"] < 1 + d["haven_mean_error"],
        )
    print()
    return checks.finish()


if __name__ == "__main__":
    program.run_check(main)
