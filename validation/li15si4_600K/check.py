#!/usr/bin/env python3
"""Li15Si4 with two vacancies at 600 K: mapping, counts, D and its error bars against known numbers and against numpy."""

import json
import os
import sys

import numpy as np

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(here))
import crosscheck as cc  # noqa: E402
import program  # noqa: E402
import recompute  # noqa: E402

INPUT = "li15si4_600K.toml"
DATA = os.path.join(program.INPUTS, "trajectories", "li15si4_2vac_600K_meam.h5")
CORE_RADIUS = 0.9  # [A]
DISCARD = 10.0  # [ps]


def by_orbit(results, occupied):
    """Mean occupancy of each orbit by its number of sites in the simulated cell."""
    orbit = results["sites", "sites/orbit"][results["sites", "sites/base"]]
    return {
        f"{int((orbit == which).sum())} sites": float(occupied[orbit == which].mean())
        for which in np.unique(orbit)
    }


def check_pooled(checks, plain, folder):
    """The input as it is: pooled over the space group, maximum likelihood, lag chosen by the plateau."""
    place = os.path.join(folder, "pooled")
    results = program.Results(program.run("run", INPUT, place, report__enabled="false"))
    plain_D = {tau: np.diag(plain["msm", f"lags/{k}/diffusivity/D"]) for k, _, tau in plain.lags()}
    for k, _, tau in results.lags():
        path = f"lags/{k}/diffusivity"
        D, error = results["msm", f"{path}/D"], np.diag(results["msm", f"{path}/error"])
        checks.that(
            f"pooled, lag {tau:g} ps: D of the cubic crystal is isotropic",
            np.abs(D - np.eye(3) * np.trace(D) / 3).max() < 1e-8 * np.trace(D),
        )
        checks.that(
            f"pooled, lag {tau:g} ps: D is the mean of the axes without pooling within two of its errors",
            abs(np.trace(D) / 3 - plain_D[tau].mean()) < 2 * error.mean(),
            f"{np.trace(D) / 3:.5f} and {plain_D[tau].mean():.5f} +- {error.mean():.5f}",
        )
        delta = np.diag(results["msm", f"{path}/delta_error"])
        checks.near(f"pooled, lag {tau:g} ps: delta method and bootstrap agree", delta, error, relative=0.25)
    levels = list(results["msm", "pooling/level"])
    half, entries = results["msm", "pooling/half_difference"], results["msm", "pooling/entries"]
    checks.that(
        "pooling brings the two halves of the data at least ten times closer",
        half[-1] < half[0] / 10 and entries[-1] < entries[0] / 10,
        f"{levels}: {entries} entries, 2-norm {np.round(half, 4)}",
    )
    n, error = results["msm", "chapman_kolmogorov/n"], results["msm", "chapman_kolmogorov/error"]
    checks.that(
        "pooled, err(n) of the Chapman-Kolmogorov test stays below 0.08",
        len(n) > 2 and error.max() < 0.08,
        f"{dict(zip(n.tolist(), error.round(4).tolist()))}",
    )
    five = program.Results(
        program.run("run", INPUT, place, report__enabled="false", msm__lag_time_ps=5, msm__bootstrap_samples=40)
    )
    n, error = five["msm", "chapman_kolmogorov/n"], five["msm", "chapman_kolmogorov/error"]
    half = five["msm", "pooling/half_difference"]
    checks.that(
        "so it is at a lag of 5 ps, and the halves come ten times closer there, too",
        error[list(n).index(16)] < 0.08 and half[-1] < half[0] / 10,
        f"err(16) = {error[list(n).index(16)]:.3f}, 2-norm {half[0]:.4f} to {half[-1]:.4f}",
    )
    checks.that("a lag of 5 ps is marked as not Markovian", int(five.attr("msm", "/", "markovian")) == 0)


def main(folder):
    checks = cc.Checks()
    reference = json.load(open(os.path.join(here, "reference.json"), encoding="utf-8"))
    # what recompute.py follows; the input's own settings come at the end
    plain = {"msm__estimator": '"symmetrised"', "msm__pooling": '"none"'}
    results = program.Results(
        program.run("run", INPUT, os.path.join(folder, "run"), report__enabled="false", **plain)
    )
    rule = results.attr("sites", "sites", "assignment")
    ours = recompute.mapped(results, 0, DATA, DISCARD, CORE_RADIUS)

    diagnostics = "trajectories/0/diagnostics"
    checks.that(
        f"{DISCARD:g} ps are discarded",
        ours["first"] == ours["expected_first"],
        f"first frame {ours['first']}",
    )
    for name in ("nearest_changes", "core_hops"):
        checks.near(
            f"{name.replace('_', ' ')} within 1 % of the reference",
            results.attr("sites", diagnostics, name),
            reference[name],
            relative=0.01,
        )
    n_sites = len(results["sites", "sites/fractional"])
    nearest = by_orbit(results, cc.occupancy(ours["nearest"][0], n_sites))
    for kind, expected in reference["occupancy_nearest_rule"].items():
        checks.near(
            f"occupancy of the {kind} by the nearest-site rule",
            nearest.get(kind, np.nan),
            expected,
            absolute=0.002,
        )
    checks.near(
        "D from the MSD between 5 and 20 ps, per axis",
        results["msm", "msd/fit/D"],
        reference["msd_slope_5_to_20_ps"],
        relative=0.01,
    )

    recompute.check_mapping(checks, results, [ours], rule)
    recompute.check_trajectory_msd(checks, results, [ours], 5, 20)
    recompute.check_counts_and_kernels(checks, results, [ours], rule)
    recompute.check_growth(checks, results, [ours])
    recompute.check_chapman_kolmogorov(checks, results)
    recompute.check_model_msd(checks, results)
    recompute.check_error_bars(checks, results, str(int(results.attr("msm", "/", "chosen_lag"))))
    if "meso" in results.files:
        recompute.check_walkers(checks, results)

    print(
        "\n      exact D (A^2/ps) by lag, one standard error; z: growth of the model's MSD against the trajectory's"
    )
    flags = []
    for k, _, tau in results.lags():
        path = f"lags/{k}/diffusivity"
        D, error = (np.diag(results["msm", f"{path}/{name}"]) for name in ("D", "error"))
        z, agrees = results.attr("msm", path, "z_msd"), bool(results.attr("msm", path, "agrees"))
        values = "   ".join(f"{D[a]:.4f} +- {error[a]:.4f}" for a in range(3))
        print(
            f"      {tau:4g} ps  {values}   z = {z[0]:+.1f}, {z[1]:+.1f}, {z[2]:+.1f}{'   agrees' * agrees}"
        )
        flags.append((tau, agrees, bool(np.all(np.abs(z) <= 2))))
        checks.that(
            f"lag {tau:g} ps: every axis has an error bar and hops behind it",
            np.all(error > 0) and np.all(results["msm", path + "/hops"] > 0),
        )
    sentence = str(results.attr("msm", "/", "agreement_sentence"))
    print(f"      {sentence}\n")
    checks.that(
        "agreement with the MSD is judged by 2 errors of the difference",
        all(agrees == within for _, agrees, within in flags),
    )
    chosen = results.lags()[int(results.attr("msm", "/", "chosen_lag"))][2]
    checks.that(
        "the sentence tells whether the chosen lag agrees with the MSD",
        f"chosen lag of {chosen:g} ps" in sentence
        and ("does not grow" in sentence) != dict((tau, agrees) for tau, agrees, _ in flags)[chosen],
        sentence,
    )
    check_pooled(checks, results, folder)

    nearest_run = program.Results(
        program.run("sites", INPUT, os.path.join(folder, "nearest"), sites__assignment='"nearest"')
    )
    print("      the nearest-site rule instead of core sets")
    recompute.check_mapping(checks, nearest_run, [ours], "nearest")
    return checks.finish()


if __name__ == "__main__":
    program.run_check(main)
